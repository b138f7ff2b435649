#!/usr/bin/env bash
# EMR bootstrap action: installs the wheel on a node, for the Python that Spark uses, and the job, or fails the node.
#
#   bootstrap.sh s3://BUCKET/wheels/WHEEL SHA256 PYTHON [s3://BUCKET/jobs/transform.py SHA256 FOLDER [s3://BUCKET/wheels/PYARROW SHA256]]
#
# The job becomes FOLDER/transform.py. With a wheel of pyarrow, both wheels are installed in a separate environment,
# FOLDER/python, and not in that of PYTHON. Every file comes from the bucket and has to have the given sha256; pip then
# needs no network. The installed package has to import and to give the right answer on a generated sample. The script can
# be run repeatedly. Exit codes: 0 installed, 64 wrong arguments, 66 a file not fetched, 65 wrong bytes, 69 no such Python
# or no pip, 70 installed but not working.
set -euo pipefail
umask 022

fail() {
  local code=$1
  shift
  printf 'rollshare bootstrap on %s: %s\n' "${HOSTNAME:-this node}" "$*" >&2
  exit "$code"
}

case $# in 3 | 6 | 8) ;; *)
  fail 64 "expected s3://BUCKET/KEY.whl SHA256 PYTHON [s3://BUCKET/KEY.py SHA256 FOLDER [s3://BUCKET/KEY.whl SHA256]], found $# arguments: $*"
  ;;
esac
python=$3 folder_on_node=${6:-}
for uri in "$1" ${7+"$7"}; do
  [[ $uri =~ ^s3://.+/[^/]+\.whl$ ]] || fail 64 "a wheel has to be s3://BUCKET/KEY.whl, found $uri"
done
for sha256 in "$2" ${5+"$5"} ${8+"$8"}; do
  [[ $sha256 =~ ^[0-9a-f]{64}$ ]] || fail 64 "a sha256 has to be 64 hexadecimal digits, found $sha256"
done
if [ $# -gt 3 ]; then
  [[ $4 =~ ^s3://.+/[^/]+\.py$ ]] || fail 64 "the job has to be s3://BUCKET/KEY.py, found $4"
  [[ $folder_on_node =~ ^/.+[^/]$ ]] || fail 64 "the folder has to be an absolute path such as /opt/rollshare, found $folder_on_node"
fi

command -v "$python" >/dev/null ||
  fail 69 "there is no $python; set terraform's spark_python to one of: $(compgen -G '/usr/bin/python3*' | tr '\n' ' ')"
"$python" -m pip --version >/dev/null 2>&1 || fail 69 "$python has no pip; set terraform's spark_python to a Python that has"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# fetch URI SHA256: the object becomes a file of its name in $folder.
fetch() {
  local file=$folder/${1##*/} found
  aws s3 cp --only-show-errors "$1" "$file" ||
    fail 66 "$1 could not be fetched; is it there, and may the instance role read it?"
  found=$(sha256sum "$file") && found=${found%% *}
  [ "$found" = "$2" ] ||
    fail 65 "$1 has sha256 $found, expected $2; run terraform apply again, so that both come from one file"
}

fetch "$1" "$2"
wheels=("$folder/${1##*/}")
[ $# -le 3 ] || fetch "$4" "$5"
if [ $# -eq 8 ]; then
  fetch "$7" "$8"
  wheels+=("$folder/${7##*/}")
fi

# The system's Python and /opt belong to root. Bootstrap actions run as the user hadoop, who may use sudo.
as_root=()
# needs_root PATH: commands that write PATH run as root.
needs_root() {
  local path=$1
  while ! [ -e "$path" ]; do path=${path%/*} && path=${path:-/}; done
  as_root=()
  [ -w "$path" ] || [ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
}

if [ $# -gt 3 ]; then
  needs_root "$folder_on_node"
  "${as_root[@]+"${as_root[@]}"}" install -D -m 644 "$folder/${4##*/}" "$folder_on_node/transform.py" ||
    fail 70 "the job could not be written to $folder_on_node"
fi
if [ $# -eq 8 ]; then
  "${as_root[@]+"${as_root[@]}"}" "$python" -m venv --clear "$folder_on_node/python" ||
    fail 69 "$python could not make an environment in $folder_on_node/python; does it have the modules venv and ensurepip?"
  python=$folder_on_node/python/bin/python
fi

needs_root "$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["platlib"])')"
"${as_root[@]+"${as_root[@]}"}" env PIP_BREAK_SYSTEM_PACKAGES=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 \
  "$python" -m pip install --quiet --no-index --no-deps --no-cache-dir --force-reinstall "${wheels[@]}" ||
  fail 70 "pip could not install ${wheels[*]##*/} for $("$python" --version 2>&1) on $(uname -m)"

# From an empty folder and without the user's packages, as an executor runs it.
(
  cd "$folder"
  "$python" -I - "$folder/sample.parquet" ${7:+with-pyarrow} <<'PROOF'
import sys
import rollshare

rollshare.sample(sys.argv[1], rows=9000)
shares = rollshare.read_parquet(sys.argv[1])
account = shares.account
assert len(shares) and account["rows"] == account["kept"] + account["dropped"], account
if len(sys.argv) > 2:
    import pyarrow

    assert pyarrow.table(shares).num_rows == len(shares)
    print(f"pyarrow {pyarrow.__version__} works")
print(f"rollshare {rollshare.__version__} works on Python {sys.version.split()[0]}")
PROOF
) || fail 70 "${wheels[*]##*/} is installed for $python but does not work"
