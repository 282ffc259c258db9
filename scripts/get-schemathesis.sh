#!/usr/bin/env bash
# Puts Schemathesis, which tries a server against its OpenAPI document, into a
# virtual environment in the cache folder (95 MB on disk), and prints the path
# of its program. `make contract` starts it beside a searchd of its own.
#
#   scripts/get-schemathesis.sh      install if it is not there; print its path
#
# To use your own: set SIGHTLINE_SCHEMATHESIS to the program schemathesis, 4.32
# or newer.
set -euo pipefail

version=4.32.5

say() { printf 'get-schemathesis: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

if [ -n "${SIGHTLINE_SCHEMATHESIS:-}" ]; then
  command -v "$SIGHTLINE_SCHEMATHESIS" || die "SIGHTLINE_SCHEMATHESIS=$SIGHTLINE_SCHEMATHESIS: there is no such program"
  exit 0
fi

cache=${SIGHTLINE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/sightline}
home=$cache/schemathesis-$version
program=$home/bin/schemathesis
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
say "installing schemathesis $version with pip"
mkdir -p "$cache"
rm -rf "$home"
"$python" -m venv "$home" >&2 || die "python -m venv failed: apt-get install python3-venv, or set PYTHON to a complete Python"
"$home/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: "schemathesis==$version" >&2 ||
  die "pip could not install schemathesis $version: see its message above; on a machine without network, copy $home from another or set SIGHTLINE_SCHEMATHESIS"
"$program" --version >/dev/null || die "schemathesis is installed in $home and does not start; remove that folder and run this again"
: >"$home/complete"
echo "$program"
