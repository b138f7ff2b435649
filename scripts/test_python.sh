#!/bin/sh
# Builds the Python package into a virtual environment and runs its tests and stub checks.
# Usage: scripts/test_python.sh VENV
set -eu
venv=$(cd "${1:?usage: test_python.sh VENV}" && pwd)
cd "$(dirname "$0")/.."
"$venv/bin/python" scripts/licenses.py
PATH="$venv/bin:$PATH" VIRTUAL_ENV="$venv" "$venv/bin/maturin" develop --profile light
"$venv/bin/python" -m pytest tests/python
"$venv/bin/python" -m mypy.stubtest rollshare._rollshare
