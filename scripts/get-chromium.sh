#!/usr/bin/env bash
# Finds Chromium for the tests of the search page, or installs it with apt-get
# where that is possible (as root on Debian), and prints its path. The tests
# start it themselves, without a window and with an empty profile.
#
#   scripts/get-chromium.sh         install if it is not there; print its path
#
# To use your own (Chromium or Chrome, 123 or newer): set SIGHTLINE_CHROMIUM.
set -euo pipefail

say() { printf 'get-chromium: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

if [ -n "${SIGHTLINE_CHROMIUM:-}" ]; then
  command -v "$SIGHTLINE_CHROMIUM" || die "SIGHTLINE_CHROMIUM=$SIGHTLINE_CHROMIUM: there is no such program"
  exit 0
fi

for program in chromium chromium-browser google-chrome google-chrome-stable; do
  if command -v "$program"; then exit 0; fi
done

case "$(uname -s)" in
Linux) ;;
Darwin) die "macOS: set SIGHTLINE_CHROMIUM to Chrome's program, such as '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'" ;;
*) die "$(uname -s): install Chromium or Chrome, and set SIGHTLINE_CHROMIUM to its program" ;;
esac
command -v apt-get >/dev/null || die "install Chromium with your package manager (dnf install chromium, apk add chromium), or set SIGHTLINE_CHROMIUM"
[ "$(id -u)" = 0 ] || die "not root; run: sudo apt-get install --no-install-recommends chromium"

install_chromium() { DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends chromium fonts-dejavu-core >&2; }

say "installing chromium with apt-get (110 MB)"
install_chromium || { apt-get --quiet update >&2 && install_chromium; } || die "apt-get could not install chromium; set SIGHTLINE_CHROMIUM to one"
command -v chromium || die "apt-get has installed chromium, but it is not in PATH (Ubuntu's package only points to a snap: install Chrome and set SIGHTLINE_CHROMIUM)"
