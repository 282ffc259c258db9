#!/usr/bin/env bash
# Builds the store benchmark with everything that is there, and runs it with the
# arguments given; --help shows them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

# sqlite-vec's own builds turn on AVX or NEON; the Go bindings leave that to who
# builds them. The first build compiles SQLite with -O3: two minutes.
tags=
if command -v "${CC:-cc}" >/dev/null; then
  tags=sqlitevec
  case $(uname -m) in
    x86_64) vector='-mavx2 -mfma -DSQLITE_VEC_ENABLE_AVX' ;;
    aarch64 | arm64) vector=-DSQLITE_VEC_ENABLE_NEON ;;
    *) vector= ;;
  esac
  export CGO_CFLAGS="-O3 $vector -I$here/include -I$(go -C "$here" list -m -f '{{.Dir}}' github.com/mattn/go-sqlite3)"
fi

# Not go run: it would stand between Ctrl-C and the program.
program=$(mktemp -d)
trap 'rm -rf "$program"' EXIT
go -C "$here" build -tags "$tags" -o "$program/stores" .
"$program/stores" -commit "$(git -C "$here" rev-parse --short HEAD 2>/dev/null || echo unknown)" "$@"
