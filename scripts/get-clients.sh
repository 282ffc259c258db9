#!/usr/bin/env bash
# Puts the Python clients of Cohere and OpenAI, which the tests of searchd's
# compatible routes call it with, into a virtual environment in the cache folder
# (125 MB on disk, 30 MB to fetch), and prints the path of its Python. They are
# used by tests only.
#
#   scripts/get-clients.sh          install if they are not there; print the path
#
# To use your own: set SIGHTLINE_CLIENTS_PYTHON to a Python that has both.
set -euo pipefail

cohere=7.3.1
openai=3.57.0

say() { printf 'get-clients: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

if [ -n "${SIGHTLINE_CLIENTS_PYTHON:-}" ]; then
  command -v "$SIGHTLINE_CLIENTS_PYTHON" || die "SIGHTLINE_CLIENTS_PYTHON=$SIGHTLINE_CLIENTS_PYTHON: there is no such program"
  exit 0
fi

cache=${SIGHTLINE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/sightline}
home=$cache/clients-$cohere-$openai
program=$home/bin/python
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
say "installing cohere $cohere and openai $openai with pip (30 MB)"
mkdir -p "$cache"
rm -rf "$home"
"$python" -m venv "$home" >&2 || die "python -m venv failed: apt-get install python3-venv, or set PYTHON to a complete Python"
"$home/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: "cohere==$cohere" "openai==$openai" >&2 ||
  die "pip could not install cohere $cohere and openai $openai: see its message above; on a machine without network, copy $home from another or set SIGHTLINE_CLIENTS_PYTHON"
"$program" -c 'import cohere, openai' || die "the clients are installed in $home and cannot be imported; remove that folder and run this again"
: >"$home/complete"
echo "$program"
