#!/usr/bin/env bash
# Builds the soak test and the programs that it runs, and runs it with the
# arguments given; --help shows them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
SIGHTLINE_ORT_LIB=${SIGHTLINE_ORT_LIB:-$("$root/scripts/get-onnxruntime.sh" | tail -n 1)}
export SIGHTLINE_ORT_LIB
programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT
# Not go run: it would stand between Ctrl-C and the program.
go -C "$root" build -o "$programs/" ./cmd/indexd ./demo/render ./bench/soak
go -C "$root" build -tags faults -o "$programs/faulty" ./cmd/searchd
"$programs/soak" -indexd "$programs/indexd" -faulty "$programs/faulty" -render "$programs/render" \
  -demo "$root/demo/model/retrieval" \
  -commit "$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)" "$@"
