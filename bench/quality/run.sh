#!/usr/bin/env bash
# Builds the programs that the quality benchmark runs, and runs it with the
# arguments given; --help shows them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
SIGHTLINE_ONNXRUNTIME=${SIGHTLINE_ONNXRUNTIME:-$("$root/scripts/get-onnxruntime.sh")}
export SIGHTLINE_ONNXRUNTIME
programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT
# Not go run: it would stand between Ctrl-C and the program.
go -C "$root" build -o "$programs/" ./cmd/indexd ./cmd/searchd ./demo/render ./demo/rate ./bench/capfilt ./bench/quality
"$programs/quality" -programs "$programs" -demo "$root/demo/model" \
  -commit "$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)" "$@"
