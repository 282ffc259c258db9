#!/usr/bin/env bash
# Builds the load benchmark and the programs that it runs, and runs it with the
# arguments given; --help shows them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT
# Not go run: it would stand between Ctrl-C and the program.
go -C "$root" build -o "$programs/" ./cmd/indexd ./cmd/searchd ./demo/render ./bench/load
go -C "$root" build -tags faults -o "$programs/faulty" ./cmd/searchd
# BEFORE is a commit whose searchd is measured beside, by the part overload.
before=()
if [ -n "${BEFORE:-}" ]; then
  mkdir "$programs/tree"
  git -C "$root" archive "$BEFORE" | tar -x -C "$programs/tree"
  go -C "$programs/tree" build -buildvcs=false -o "$programs/before" ./cmd/searchd
  before=(-before "$programs/before" -before-commit "$(git -C "$root" rev-parse --short "$BEFORE")")
fi
"$programs/load" -indexd "$programs/indexd" -searchd "$programs/searchd" -faulty "$programs/faulty" -render "$programs/render" \
  -demo "$root/demo/model/retrieval" \
  -commit "$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)" "${before[@]}" "$@"
