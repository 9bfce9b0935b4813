#!/usr/bin/env bash
# Compiles the bindings for phones by ziglang, a pip package, and runs what they call where
# qemu-aarch64 is here: the outputs must be those of `deepcompress run`. Clang, if it is
# here, reads the module map that Swift does.
#
#   PYTHON=python3 examples/phone/check.sh
set -euo pipefail
cd "$(dirname "$0")"

python=${PYTHON:-python3}
zoo=../../deepcompress/models/zoo
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export ZIG_GLOBAL_CACHE_DIR="${ZIG_GLOBAL_CACHE_DIR:-$scratch/cache}"
export ZIG_LOCAL_CACHE_DIR="$ZIG_GLOBAL_CACHE_DIR"

warnings=(-std=c99 -Wall -Wextra -Wconversion -Wshadow -Werror -pedantic)
core=(../../c/dcz.c ../../c/dcz_run.c model.c)
compile() {
    "$python" -m ziglang cc "${warnings[@]}" -fno-sanitize=all -I. -I../../c "$@"
}

compile -target aarch64-linux-musl -O2 -static "${core[@]}" check.c -o "$scratch/check"
echo "aarch64-linux-musl: compiled"
compile -target aarch64-macos -O2 -c model.c -o "$scratch/macos.o"
echo "aarch64-macos: compiled"

# The headers of any JDK are those of Android's.
java=$(readlink -f "$(command -v javac || true)")
include=$(dirname "$(dirname "${java:-/none/none}")")/include
if [ -e "$include/jni.h" ]; then
    compile -target aarch64-linux-musl -Os -s -shared -fPIC -fvisibility=hidden \
        -Wl,--gc-sections -ffunction-sections \
        "-I$include" "-I$include/linux" "${core[@]}" android/jni.c \
        -o "$scratch/libdeepcompress.so"
    echo "aarch64-linux-musl: the library for Java has" \
        "$(stat -c %s "$scratch/libdeepcompress.so") bytes"
fi

if command -v clang >/dev/null; then
    echo '@import DczModel; int n(dcz_model *m) { return (int)dcz_model_n_inputs(m); }' |
        clang -x objective-c -fmodules "-fmodules-cache-path=$scratch" -fsyntax-only \
            -fmodule-map-file=ios/module.modulemap -Werror -
    echo "the module map is right"
fi

if ! command -v qemu-aarch64 >/dev/null; then
    echo "not run: there is no qemu-aarch64"
    exit
fi
for net in lenet5 lenet_300_100 mnist_cnn; do
    "$python" compare.py "$zoo/$net.dcz" qemu-aarch64 "$scratch/check"
done
