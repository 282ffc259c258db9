#!/usr/bin/env bash
# Puts Milvus Lite, the one-process Milvus written in Python, into a virtual
# environment in the cache folder (455 MB on disk, 110 MB to fetch), and prints
# the path of its program. The tests of store/milvus start it themselves, on a
# free loopback port and an empty folder; no service needs to run.
#
#   scripts/get-milvus-lite.sh      install if it is not there; print its path
#
# To use your own: set SIGHTLINE_MILVUS_LITE to the program milvus-lite, 3.2 or
# newer.
set -euo pipefail

lite=3.2.2
client=3.0.2 # pymilvus: milvus-lite does not start without it and does not ask for it

say() { printf 'get-milvus-lite: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

if [ -n "${SIGHTLINE_MILVUS_LITE:-}" ]; then
  command -v "$SIGHTLINE_MILVUS_LITE" || die "SIGHTLINE_MILVUS_LITE=$SIGHTLINE_MILVUS_LITE: there is no such program"
  exit 0
fi

cache=${SIGHTLINE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/sightline}
home=$cache/milvus-lite-$lite
program=$home/bin/milvus-lite
if [ -f "$home/complete" ] && [ -x "$program" ]; then
  echo "$program"
  exit 0
fi

python=${PYTHON:-python3}
command -v "$python" >/dev/null || die "there is no $python: install Python 3.10 or newer (apt-get install python3 python3-venv), or set PYTHON to it"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "$("$python" --version) is too old: set PYTHON to a Python 3.10 or newer"
"$python" -c 'import ensurepip, venv' 2>/dev/null || die "$python has no venv or pip: apt-get install python3-venv, or set PYTHON to a complete Python"

# Paths are written into an environment, so it is made where it stays; the file
# "complete" comes last, and without it all is made again.
say "installing milvus-lite $lite with pip (110 MB)"
mkdir -p "$cache"
rm -rf "$home"
"$python" -m venv "$home" >&2 || die "python -m venv failed: apt-get install python3-venv, or set PYTHON to a complete Python"
"$home/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: "milvus-lite==$lite" "pymilvus==$client" >&2 ||
  die "pip could not install milvus-lite $lite: see its message above; on a machine without network, copy $home from another or set SIGHTLINE_MILVUS_LITE"
"$program" --help >/dev/null || die "milvus-lite is installed in $home and does not start; remove that folder and run this again"
: >"$home/complete"
echo "$program"
