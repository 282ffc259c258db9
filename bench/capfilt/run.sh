#!/usr/bin/env bash
# Measures 'indexd capfilt' on the demo catalogue and prints the tables of
# docs/capfilt.md: planted faults and what was flagged, how true captions are, and
# what kept captions are worth to searches. About three minutes on two cores.
#   SPLIT=val bench/capfilt/run.sh     the split that thresholds were chosen on
#   N=500, SEED=3, SAMPLES=1           a smaller catalogue, another one, other samples
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
split=${SPLIT:-test} n=${N:-2000} seed=${SEED:-3} samples=${SAMPLES:-3}
SIGHTLINE_ONNXRUNTIME=${SIGHTLINE_ONNXRUNTIME:-$("$root/scripts/get-onnxruntime.sh")}
export SIGHTLINE_ONNXRUNTIME
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
go -C "$root" build -o "$dir/" ./cmd/indexd ./cmd/searchd ./demo/render ./bench/capfilt
cd "$dir"
./indexd model convert "$root/demo/model/retrieval" --out model >/dev/null
./indexd model convert "$root/demo/model/captioning" --out captioner >/dev/null
./render --n "$n" --split "$split" --seed "$seed" --out shop
./capfilt plant --catalogue shop

filter() { # DATA OUT [FLAG…]
  ./indexd capfilt --data "$1" --model model --captioner captioner --out "$2" --samples "$samples" "${@:3}" || [ $? -eq 3 ]
}
./indexd import shop/planted.jsonl --data planted --model model
time filter planted report
./capfilt rate --catalogue shop --report report

./indexd import shop/feed.jsonl --data titled --model model
./indexd import shop/untitled.jsonl --data untitled --model model
looks() { ./searchd eval --queries shop/views.jsonl --depths 50 --data "$1" --model model --captions | sed '/^match prob/,$d'; }
echo; echo "search by picture, titles"; looks titled
echo; echo "search by picture, no titles"; looks untitled
filter untitled captions --apply
echo; echo "search by picture, captions in place of titles"; looks untitled
./capfilt terms --catalogue shop --report captions --model model
