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

. "$(dirname "$0")/python-part.sh"
home=$cache/schemathesis-$version
program=$home/bin/schemathesis
found

install="schemathesis $version"
say "installing $install with pip"
make_environment SIGHTLINE_SCHEMATHESIS "schemathesis==$version"
"$program" --version >/dev/null || die "schemathesis is installed in $home and does not start; remove that folder and run this again"
: >"$home/complete"
echo "$program"
