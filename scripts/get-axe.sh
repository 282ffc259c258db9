#!/usr/bin/env bash
# Puts axe-core (MPL-2.0), which checks the page's accessibility in the browser
# tests, into the cache folder, and prints the path of axe.min.js. It comes from
# the registry that npm is set to, or from npm's own where there is no npm, and
# is checked against a sha256 pinned here. It is used by tests only and is in
# no program.
#
#   scripts/get-axe.sh            fetch if it is not there; print its path
#
# To use your own: set SIGHTLINE_AXE to an axe.min.js.
set -euo pipefail

version=4.14.1
sum=29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c # of axe.min.js

say() { printf 'get-axe: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

if [ -n "${SIGHTLINE_AXE:-}" ]; then
  [ -f "$SIGHTLINE_AXE" ] || die "SIGHTLINE_AXE=$SIGHTLINE_AXE: there is no such file"
  echo "$SIGHTLINE_AXE"
  exit 0
fi

cache=${SIGHTLINE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/sightline}
file=$cache/axe-core-$version/axe.min.js
if [ -f "$file" ]; then
  echo "$file"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

by_npm() {
  command -v npm >/dev/null || return 1
  (cd "$work" && npm pack --silent "axe-core@$version" >/dev/null)
}

by_curl() {
  command -v curl >/dev/null || return 1
  local registry=${npm_config_registry:-https://registry.npmjs.org}
  curl --fail --silent --show-error --location --retry 3 --max-time 300 --output "$work/axe-core-$version.tgz" "${registry%/}/axe-core/-/axe-core-$version.tgz"
}

say "fetching axe-core $version (0.6 MB)"
by_npm || by_curl || die "neither npm nor curl could fetch axe-core $version: see above, or set SIGHTLINE_AXE to an axe.min.js"
tar -xzf "$work/axe-core-$version.tgz" -C "$work" package/axe.min.js || die "the archive of axe-core $version cannot be read"

if command -v sha256sum >/dev/null; then have=$(sha256sum "$work/package/axe.min.js"); else have=$(shasum -a 256 "$work/package/axe.min.js"); fi
have=${have%% *}
[ "$have" = "$sum" ] || die "sha256 of axe.min.js is $have, pinned is $sum; nothing was installed"

mkdir -p "$(dirname "$file")"
cp "$work/package/axe.min.js" "$file.$$"
mv "$file.$$" "$file"
echo "$file"
