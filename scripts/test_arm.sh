#!/bin/sh
# Tests the kernels and the parquet reader for aarch64. Usage: make test-arm, or scripts/test_arm.sh
#
# On an aarch64 machine the tests run as they are. Elsewhere they are cross-compiled, without the program and S3, and
# run by qemu-aarch64, which proves results, not speed. On Debian that needs:
#   - Rust's standard library for the target: rustup target add aarch64-unknown-linux-gnu; or Debian's compiler:
#     dpkg --add-architecture arm64 && apt-get update && apt-get install rustc-web libstd-rust-web-dev:arm64
#   - linker and C library: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross
#   - apt-get install qemu-user
# RUSTC, if set, names the compiler. Where a part is missing, the tests are NOT RUN.
set -eu
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
target=aarch64-unknown-linux-gnu

not_run() {
  echo "NOT RUN: the tests for aarch64: $1"
  exit 0
}

# Whether a compiler has the standard library for the target.
has_std() {
  sysroot=$("$1" --print sysroot 2>/dev/null) && ls "$sysroot/lib/rustlib/$target/lib/"libstd-* >/dev/null 2>&1
}

tests() {
  "$cargo" test --no-default-features "$@" --lib -- kernel:: parquet:: ids::
  "$cargo" test --no-default-features "$@" --test reader
}

if [ "$(uname -m)" = aarch64 ]; then
  tests
  exit
fi
if [ -n "${RUSTC:-}" ]; then
  has_std "$RUSTC" || not_run "$RUSTC has no standard library for $target"
elif ! has_std rustc; then
  if has_std /usr/bin/rustc; then
    RUSTC=/usr/bin/rustc
    export RUSTC
  elif ! rustup target add "$target"; then
    not_run "no standard library for $target: scripts/test_arm.sh says how to get it"
  fi
fi
for program in aarch64-linux-gnu-gcc qemu-aarch64; do
  command -v "$program" >/dev/null ||
    not_run "no $program: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
done
CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
# Debian's standard library comes with the C library for arm64. Where that is, the cross-compiler's must not be named:
# the loader of one with the C library of the other hangs when it makes a thread.
if [ -e /lib/ld-linux-aarch64.so.1 ]; then
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER=qemu-aarch64
else
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu"
fi
# Of its own: another compiler would build everything anew.
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}/arm
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER CARGO_TARGET_DIR
tests --target "$target"
