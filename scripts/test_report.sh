#!/bin/sh
# Opens the report pages of real runs in a headless Chromium and checks them.
# Usage: scripts/test_report.sh VENV [ARGUMENTS OF PYTEST]
set -eu
venv=${1:?usage: test_report.sh VENV}
shift
cd "$(dirname "$0")/.."
if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium chromium-driver >/dev/null || true
  fi
fi
if ! command -v chromium >/dev/null || ! command -v chromedriver >/dev/null; then
  echo 'NOT RUN: the page of a run in a browser; apt-get install chromium chromium-driver'
  exit 0
fi
if [ ! -f "$venv/.ready" ] || [ scripts/test_report.sh -nt "$venv/.ready" ]; then
  "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/pip" install -q --disable-pip-version-check pytest selenium pillow
  # Only the axe-core script of this package is used; its dependency is a second browser.
  "$venv/bin/pip" install -q --disable-pip-version-check --no-deps axe-playwright-python
  touch "$venv/.ready"
fi
"$venv/bin/python" -m pytest -q -p no:cacheprovider tests/browser "$@"
