#!/usr/bin/env bash
# Builds the benchmark beside transformers and runs it with the arguments given;
# --help shows them.
#
# PYTHON       python with torch and transformers, pillow and torchvision [python3]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT
# Not go run: it would stand between Ctrl-C and the program.
go -C "$root" build -o "$programs/" ./bench/versus
"$programs/versus" -baseline "$here/baseline.py" -demo "$root/demo/model/retrieval" -python "${PYTHON:-python3}" \
  -commit "$(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo unknown)" "$@"
