#!/usr/bin/env bash
# Compiles the extension for every system that wheels are made for. PYTHON is a Python
# that has ziglang; its headers stand for those of the others, but for pyconfig.h.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export ZIG_GLOBAL_CACHE_DIR="$scratch/cache" ZIG_LOCAL_CACHE_DIR="$scratch/cache"

include=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
cp -r "$include" "$scratch/headers"
cp -r "$include" "$scratch/windows"
# Debian's only says where that of this machine lies.
multiarch=$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("MULTIARCH"))')
config="$(dirname "$include")/$multiarch/$(basename "$include")/pyconfig.h"
if [ -e "$config" ]; then
    cp "$config" "$scratch/headers/pyconfig.h"
fi
rm "$scratch"/windows/pyconfig.h
# What the headers ask of a Windows of 64 bits, and no more.
cat >"$scratch/windows/pyconfig.h" <<'END'
#define MS_WINDOWS
#define MS_WIN64
#define HAVE_STDDEF_H 1
#define HAVE_WCHAR_H 1
#define HAVE_DECLSPEC_DLL
#define SIZEOF_INT 4
#define SIZEOF_LONG 4
#define SIZEOF_LONG_LONG 8
#define SIZEOF_SHORT 2
#define SIZEOF_SIZE_T 8
#define SIZEOF_VOID_P 8
#define SIZEOF_WCHAR_T 2
#define ALIGNOF_SIZE_T 8
#define ALIGNOF_LONG 4
END

shopt -s globstar
for target in x86_64-windows-gnu aarch64-windows-gnu x86_64-macos aarch64-macos \
    aarch64-linux-gnu x86_64-linux-musl aarch64-linux-musl; do
    headers="$scratch/headers"
    [[ $target == *windows* ]] && headers="$scratch/windows"
    (
        cd "$scratch" # where it leaves the archive
        root=$OLDPWD
        "$python" -m ziglang build-lib -static -lc -target "$target" --name native \
            "-I$root/deepcompress/_native" "-I$headers" \
            -cflags -std=c11 -O0 -Wall -Wextra -Wvla -Werror \
            -DPy_LIMITED_API=0x030b0000 -- "$root"/deepcompress/_native/**/*.c
    )
    echo "$target: compiled"
done
