#!/usr/bin/env bash
# Builds the runtime's wheel for Linux on 64-bit ARM with ziglang, and tries it there:
# Debian's Python and NumPy's wheel for that processor, run by qemu-aarch64. As root, on
# Debian. PYTHON is a Python that has ziglang and setuptools.
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export ZIG_GLOBAL_CACHE_DIR="$scratch/cache" ZIG_LOCAL_CACHE_DIR="$scratch/cache"

compiler="$python -m ziglang cc -target aarch64-linux-gnu.2.28"
mkdir "$scratch/tree" "$scratch/debian" "$scratch/site"
cp -r deepcompress runtime_wheel LICENSE "$scratch/tree"
(
    cd "$scratch/tree/runtime_wheel"
    CC="$compiler" LDSHARED="$compiler -shared" _PYTHON_HOST_PLATFORM=linux-aarch64 \
        "$python" setup.py -q bdist_wheel --plat-name manylinux_2_28_aarch64 -d "$scratch"
)

dpkg --add-architecture arm64
apt-get -qq -o APT::Sandbox::User=root update
packages=(libc6 libcrypt1 libexpat1 libffi8 libgcc-s1 liblzma5 libbz2-1.0 libssl3
    libstdc++6 zlib1g libpython3.11-minimal libpython3.11-stdlib python3.11-minimal)
(
    cd "$scratch/debian"
    apt-get -qq -o APT::Sandbox::User=root download "${packages[@]/%/:arm64}"
    for package in *.deb; do
        dpkg-deb -x "$package" .
    done
)
"$python" -m pip install -q --no-deps --target "$scratch/site" --python-version 3.11 \
    --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
    --only-binary=:all: numpy "$scratch"/*.whl
du -b "$scratch"/*.whl
PYTHONPATH="$scratch/site:$scratch/site/_deepcompress_runtime" qemu-aarch64 \
    -L "$scratch/debian" "$scratch/debian/usr/bin/python3.11" -P \
    tests/helpers/programs/try_wheel.py tests/dcz/golden
