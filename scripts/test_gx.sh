#!/bin/sh
# Runs the suite for Great Expectations in a separate environment.
# Usage: scripts/test_gx.sh VENV, where VENV has maturin
set -eu
venv=$(cd "${1:?usage: test_gx.sh VENV}" && pwd)
cd "$(dirname "$0")/.."
gx="$venv/gx"
if [ ! -f "$gx/.ready" ]; then
  "${PYTHON:-python3}" -m venv "$gx"
  "$gx/bin/pip" install -q --disable-pip-version-check 'great_expectations>=1.4,<2' pandas pyarrow pytest
  touch "$gx/.ready"
fi
PATH="$venv/bin:$PATH" VIRTUAL_ENV="$gx" "$venv/bin/maturin" develop --profile light
GX_ANALYTICS_ENABLED=false "$gx/bin/python" -m pytest -q -p no:cacheprovider tests/great_expectations
