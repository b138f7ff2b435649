#!/usr/bin/env bash
# EMR bootstrap action: installs the wheel on a node, for the Python that Spark uses, or fails the node.
#
#   bootstrap.sh s3://BUCKET/wheels/WHEEL SHA256 PYTHON
#
# The wheel comes from the bucket and has to have the given sha256; pip then needs no network. The installed package has
# to import and to give the right answer on a generated sample. The script can be run repeatedly. Exit codes: 0 installed,
# 64 wrong arguments, 66 wheel not fetched, 65 wrong bytes, 69 no such Python or no pip, 70 installed but not working.
set -euo pipefail
umask 022

fail() {
  local code=$1
  shift
  printf 'rollshare bootstrap on %s: %s\n' "${HOSTNAME:-this node}" "$*" >&2
  exit "$code"
}

[ $# -eq 3 ] || fail 64 "expected s3://BUCKET/KEY.whl SHA256 PYTHON, found $# arguments: $*"
uri=$1 sha256=$2 python=$3
[[ $uri =~ ^s3://.+/[^/]+\.whl$ ]] || fail 64 "the wheel has to be s3://BUCKET/KEY.whl, found $uri"
[[ $sha256 =~ ^[0-9a-f]{64}$ ]] || fail 64 "the sha256 has to be 64 hexadecimal digits, found $sha256"

command -v "$python" >/dev/null ||
  fail 69 "there is no $python; set terraform's spark_python to one of: $(compgen -G '/usr/bin/python3*' | tr '\n' ' ')"
"$python" -m pip --version >/dev/null 2>&1 || fail 69 "$python has no pip; set terraform's spark_python to a Python that has"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
wheel=$folder/${uri##*/}

aws s3 cp --only-show-errors "$uri" "$wheel" ||
  fail 66 "$uri could not be fetched; is it there, and may the instance role read wheels/?"
found=$(sha256sum "$wheel") && found=${found%% *}
[ "$found" = "$sha256" ] ||
  fail 65 "$uri has sha256 $found, expected $sha256; run terraform apply again, so that both come from one wheel"

# The system's Python belongs to root. Bootstrap actions run as the user hadoop, who may use sudo.
as_root=()
site=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["platlib"])')
[ -w "$site" ] || [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)

"${as_root[@]+"${as_root[@]}"}" env PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 \
  "$python" -m pip install --quiet --no-index --no-deps --no-cache-dir --force-reinstall "$wheel" ||
  fail 70 "pip could not install ${wheel##*/} for $("$python" --version 2>&1) on $(uname -m)"

# From an empty folder and without the user's packages, as an executor runs it.
(
  cd "$folder"
  "$python" -I - "$folder/sample.parquet" <<'PROOF'
import sys
import rollshare

rollshare.sample(sys.argv[1], rows=9000)
shares = rollshare.read_parquet(sys.argv[1])
account = shares.account
assert len(shares) and account["rows"] == account["kept"] + account["dropped"], account
print(f"rollshare {rollshare.__version__} works on Python {sys.version.split()[0]}")
PROOF
) || fail 70 "${wheel##*/} is installed for $python but does not work"
