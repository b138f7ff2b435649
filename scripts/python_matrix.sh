#!/bin/sh
# Runs all Python tests on several interpreters, each with the oldest and the newest supported libraries.
# Usage: scripts/python_matrix.sh WHEEL PYTHON...    e.g. dist/rollshare-*.whl python3.9 python3.13
# PINS_OLD overrides the oldest libraries below.
set -eu
wheel=$(realpath "${1:?usage: python_matrix.sh WHEEL PYTHON...}")
shift
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for python in "$@"; do
    # The oldest that are supported, and that have wheels for the interpreter.
    case $("$python" -c 'import sys; print(sys.version_info[:2] >= (3, 13))') in
        True) old='pandas==2.2.3 numpy<2.3 polars==1.6.0 pyarrow==18.0.0 duckdb==1.1.3' ;;
        *) old='pandas==1.5.3 numpy<2 polars==1.6.0 pyarrow==14.0.2 duckdb==1.0.0' ;;
    esac
    old=${PINS_OLD:-$old}
    for set in newest oldest; do
        venv="$folder/$set"
        rm -rf "$venv"
        "$python" -m venv "$venv"
        if [ "$set" = oldest ]; then pins=$old; else pins="pandas numpy polars pyarrow duckdb"; fi
        # Some libraries have no build for some interpreters: this is reported, and is not a pass.
        # shellcheck disable=SC2086
        if ! "$venv/bin/pip" install -q "$wheel" pytest hypothesis matplotlib $pins; then
            echo "$python $set: does not install: $pins"
            continue
        fi
        versions=$("$venv/bin/python" -c "import sys, pandas, polars, pyarrow, duckdb
print(sys.version.split()[0], pandas.__version__, polars.__version__, pyarrow.__version__, duckdb.__version__)")
        if (cd tests/python && "$venv/bin/python" -m pytest -p no:cacheprovider -q .); then
            echo "$set: passed: $versions"
        else
            echo "$set: FAILED: $versions"
        fi
    done
done
