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

. "$(dirname "$0")/python-part.sh"
home=$cache/clients-$cohere-$openai
program=$home/bin/python
found

install="cohere $cohere and openai $openai"
say "installing $install with pip (30 MB)"
make_environment SIGHTLINE_CLIENTS_PYTHON "cohere==$cohere" "openai==$openai"
"$program" -c 'import cohere, openai' || die "the clients are installed in $home and cannot be imported; remove that folder and run this again"
: >"$home/complete"
echo "$program"
