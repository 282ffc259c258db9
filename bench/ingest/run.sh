#!/usr/bin/env bash
# Builds the benchmark of importing and what it runs, and runs it with the
# arguments given; --help shows them.
#
# PYTHON       python with torch, transformers and pillow, for the baseline [python3]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT
# Not go run: it would stand between Ctrl-C and the program.
go -C "$root" build -o "$programs/" ./cmd/indexd ./demo/render ./bench/ingest
"$programs/ingest" -indexd "$programs/indexd" -render "$programs/render" -baseline "$here/baseline.py" \
  -demo "$root/demo/model/retrieval" -python "${PYTHON:-python3}" \
  -commit "$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)" "$@"
