#!/bin/sh
# Builds the aarch64 wheel on another machine. What it needs, and checks before it starts:
#   - Rust's standard library for the target: rustup target add aarch64-unknown-linux-gnu
#   - zig as the linker: pip install ziglang maturin
# The wheel runs on a machine of that architecture, or under qemu-user with an arm64 Python.
set -eu
cd "$(dirname "$0")/.."
target=aarch64-unknown-linux-gnu
if ! [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ]; then
    echo "The standard library for $target is not there: rustup target add $target" >&2
    exit 5
fi
exec maturin build --release --zig --target $target --compatibility manylinux_2_28 --out dist
