#!/bin/sh
# Cross-builds the aarch64 wheel and audits it. Usage: make wheel-aarch64, or
# scripts/wheel_aarch64.sh [MATURIN OPTION...]. Requirements, which it checks before it starts:
#   - Rust's standard library for the target: rustup target add aarch64-unknown-linux-gnu; or a compiler that has one, in
#     RUSTC, such as Debian's (scripts/test_arm.sh)
#   - maturin, zig as C compiler and linker, auditwheel: pip install maturin ziglang auditwheel
# The wheel runs on a machine of that architecture, or under qemu-user with an arm64 Python.
set -eu
cd "$(dirname "$0")/.."
target=aarch64-unknown-linux-gnu
platform=manylinux_2_28
if ! [ -d "$("${RUSTC:-rustc}" --print sysroot)/lib/rustlib/$target/lib" ]; then
    echo "The standard library for $target is not there: rustup target add $target" >&2
    exit 5
fi
python scripts/licenses.py
maturin build --profile dist --strip false --zig --target "$target" --compatibility "$platform" --out dist "$@"
python scripts/release.py wheel dist/rollshare-*-cp39-abi3-"${platform}"_aarch64.whl
auditwheel show dist/rollshare-*-cp39-abi3-"${platform}"_aarch64.whl
