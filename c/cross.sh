#!/usr/bin/env bash
# The decoder on other machines: compiled by ziglang (a pip package), and run against the
# golden files where there is something to run it. PYTHON is a Python that has ziglang.
set -euo pipefail
cd "$(dirname "$0")"

python=${PYTHON:-python3}
out=build/cross
warnings=(-std=c99 -Wall -Wextra -Wconversion -Wshadow -Werror -pedantic)
program=(dcz.c dcz_run.c check.c fuzz/walk.c fuzz/repair.c)
mapfile -t golden < <(grep '^\.\.' golden.txt)
mkdir -p "$out"
export ZIG_GLOBAL_CACHE_DIR="$PWD/$out/cache" ZIG_LOCAL_CACHE_DIR="$PWD/$out/cache"

compile() {
    "$python" -m ziglang cc "${warnings[@]}" -fno-sanitize=all "$@"
}

# A target, and what runs its programs.
run() {
    local target=$1
    shift
    compile -target "$target" -O2 "${program[@]}" -o "$out/$target"
    if ! command -v "$1" >/dev/null; then
        echo "$target: compiled, not run: there is no $1"
        return
    fi
    "$@" "$out/$target" list "${golden[@]}" 2>/dev/null | diff golden.txt -
    echo "$target: compiled and run, all golden files are right"
}

run aarch64-linux-musl qemu-aarch64
run s390x-linux-musl qemu-s390x
run wasm32-wasi node wasm.mjs
for target in x86_64-windows-gnu aarch64-macos; do
    compile -target "$target" -O2 "${program[@]}" -o "$out/$target"
    echo "$target: compiled"
done
for left_out in "" -DDCZ_NO_ASSETS -DDCZ_NO_CONTEXT "-DDCZ_NO_CONTEXT -DDCZ_NO_ASSETS" \
    -DDCZ_SMALL; do
    # shellcheck disable=SC2086  # two options, not one
    compile -target thumb-freestanding-eabihf -mcpu=cortex_m4 -Os -ffreestanding \
        $left_out -c dcz.c -o "$out/cortex_m4.o"
    text=$(size "$out/cortex_m4.o" | awk 'NR == 2 {print $1}')
    echo "cortex-m4: compiled, $text bytes of code ${left_out:+with $left_out}"
done
