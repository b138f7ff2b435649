#!/bin/sh
# Installs a wheel into a fresh environment and computes a table with it. Usage: scripts/test_wheel.sh WHEEL
set -eu
wheel=$(cd "$(dirname "${1:?usage: test_wheel.sh WHEEL}")" && pwd)/$(basename "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q --no-index "$wheel"
# Outside of the sources, so that the installed package is imported.
cd "$folder"
venv/bin/python - <<'PYTHON'
import rollshare

rollshare.sample("sample.parquet")
shares = rollshare.read_parquet("sample.parquet", windows=[4, 13])
assert len(shares) == 168 and shares.account["rows"] == 9000, (len(shares), shares.account)
print("from the wheel:", rollshare.__version__, shares.columns)
PYTHON
