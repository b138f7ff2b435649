#!/bin/sh
# Builds the Python package into a virtual environment and runs its tests and stub checks.
# Usage: scripts/test_python.sh VENV [ARGUMENTS OF PYTEST]
# PYTHON_PROFILE and PYTHON_FEATURES say how it is built: by default as the Rust tests, without S3.
set -eu
venv=$(cd "${1:?usage: test_python.sh VENV}" && pwd)
shift
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- tests/python tests/journeys
"$venv/bin/python" scripts/licenses.py
PATH="$venv/bin:$PATH" VIRTUAL_ENV="$venv" "$venv/bin/maturin" develop \
  --profile "${PYTHON_PROFILE:-test}" --features "${PYTHON_FEATURES:-python}"
"$venv/bin/python" -m pytest "$@"
"$venv/bin/python" -m mypy.stubtest rollshare._rollshare
