#!/usr/bin/env bash
# Measures 'indexd labels' on the demo catalogue, and writes the table of
# docs/labels.md. About four minutes on two cores.
#   N=500 SEED=4 PRECISION=0.9 bench/labels/run.sh     a smaller one, another one
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
n=${N:-2000} seed=${SEED:-3} precision=${PRECISION:-0.95}
SIGHTLINE_ONNXRUNTIME=${SIGHTLINE_ONNXRUNTIME:-$("$root/scripts/get-onnxruntime.sh")}
export SIGHTLINE_ONNXRUNTIME
commit=$(git -C "$root" rev-parse --short HEAD)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go -C "$root" build -o "$dir/" ./cmd/indexd ./demo/render ./bench/labels
cd "$dir"
./indexd model convert "$root/demo/model/retrieval" --out model >/dev/null
./render --n "$n" --split test --seed "$seed" --out shop >&2
./labels truth -catalogue shop
./indexd import shop/feed.jsonl --data data --model model >&2

calibrate() { # PRECISION FLAG…
  ./indexd labels calibrate --labels shop/labels.yaml --truth shop/truth.jsonl --data data --model model --precision "$1" --json "${@:2}" || [ $? -eq 3 ]
}
calibrate "$precision" --out fitted.yaml >calibration.json
calibrate 0 >f1.json
begin=$(date +%s.%N)
./indexd labels --labels shop/labels.yaml --data data --model model --json >run.json
seconds=$(echo "$(date +%s.%N) $begin" | awk '{print $1 - $2}')
cd "$root"
"$dir/labels" report -calibration "$dir/calibration.json" -f1 "$dir/f1.json" -run "$dir/run.json" -seconds "$seconds" \
  -commit "$commit" -results bench/labels/results -docs "${DOCS-docs/labels.md}"
