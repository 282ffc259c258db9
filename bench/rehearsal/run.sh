#!/usr/bin/env bash
# Builds the rehearsal and the programs that it runs, finds or installs Redis and
# Milvus Lite, and runs it with the arguments given; --help shows them.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
redis=$("$root/scripts/get-redis.sh" | tail -n 1)
milvus=$("$root/scripts/get-milvus-lite.sh" | tail -n 1)
SIGHTLINE_ORT_LIB=${SIGHTLINE_ORT_LIB:-$("$root/scripts/get-onnxruntime.sh" | tail -n 1)}
export SIGHTLINE_ORT_LIB
programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT
# Not go run: it would stand between Ctrl-C and the program.
go -C "$root" build -o "$programs/" ./cmd/indexd ./cmd/searchd ./demo/render ./bench/rehearsal
"$programs/rehearsal" -indexd "$programs/indexd" -searchd "$programs/searchd" -render "$programs/render" -redis "$redis" -milvus "$milvus" \
  -demo "$root/demo/model/retrieval" \
  -commit "$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)" "$@"
