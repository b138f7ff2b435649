#!/bin/sh
# Builds the source distribution, installs the package from it into a fresh environment, and has it
# compute a table. Build requirements and crates come from their registries; Rust has to be installed.
# MATURIN_PEP517_ARGS and CARGO_TARGET_DIR apply to the build.
# Usage: scripts/test_sdist.sh VENV
set -eu
venv=$(cd "${1:?usage: test_sdist.sh VENV}" && pwd)
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$venv/bin/maturin" sdist --out "$folder/dist"
"$venv/bin/python" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q "$folder"/dist/rollshare-*.tar.gz
# Outside of the sources, so that the installed package is imported.
cd "$folder"
venv/bin/python - <<'EOF'
import rollshare

rollshare.sample("sample.parquet")
shares = rollshare.read_parquet("sample.parquet", windows=[4, 13])
assert len(shares) == 168 and shares.account["rows"] == 9000, (len(shares), shares.account)
print("from the source distribution:", rollshare.__version__, shares.columns)
EOF
