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

. "$(dirname "$0")/python-part.sh"
home=$cache/milvus-lite-$lite
program=$home/bin/milvus-lite
found

install="milvus-lite $lite"
say "installing $install with pip (110 MB)"
make_environment SIGHTLINE_MILVUS_LITE "milvus-lite==$lite" "pymilvus==$client"
"$program" --help >/dev/null || die "milvus-lite is installed in $home and does not start; remove that folder and run this again"
: >"$home/complete"
echo "$program"
