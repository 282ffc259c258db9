#!/usr/bin/env bash
# Finds redis-server for the tests of the shared cache, or installs it with
# apt-get where that is possible (as root on Debian or Ubuntu), and prints its
# path. The tests start it themselves, on a free loopback port, keeping nothing;
# no service needs to run.
#
#   scripts/get-redis.sh            install if it is not there; print its path
#
# To use your own: set SIGHTLINE_REDIS_SERVER to the program.
set -euo pipefail

say() { printf 'get-redis: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

if [ -n "${SIGHTLINE_REDIS_SERVER:-}" ]; then
  command -v "$SIGHTLINE_REDIS_SERVER" || die "SIGHTLINE_REDIS_SERVER=$SIGHTLINE_REDIS_SERVER: there is no such program"
  exit 0
fi

if command -v redis-server; then exit 0; fi

case "$(uname -s)" in
Linux) ;;
Darwin) die "macOS: brew install redis" ;;
*) die "$(uname -s): install Redis 6.2 or newer and set SIGHTLINE_REDIS_SERVER to its redis-server" ;;
esac
command -v apt-get >/dev/null || die "install Redis 6.2 or newer with your package manager (dnf install redis, apk add redis), or set SIGHTLINE_REDIS_SERVER to its redis-server"
[ "$(id -u)" = 0 ] || die "not root; run: sudo apt-get install --no-install-recommends redis-server"

# Debian starts a server as soon as it is installed; the tests have no use for one
# on port 6379, and it may be someone else's machine. Exit code 101 of this
# program says "no" (it exists on no machine but a few containers).
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi

install_redis() { DEBIAN_FRONTEND=noninteractive apt-get install --quiet --yes --no-install-recommends redis-server >&2; }

say "installing redis-server with apt-get (1.5 MB)"
install_redis || { apt-get --quiet update >&2 && install_redis; } || die "apt-get could not install redis-server; set SIGHTLINE_REDIS_SERVER to one"
command -v redis-server || die "apt-get has installed redis-server, but it is not in PATH"
