#!/usr/bin/env bash
# Renders a shop of 2,000 products that training has never seen, converts the
# models that come with the project, imports the shop, serves it, shows five
# searches, and goes on serving until Ctrl-C. What is there already is kept.
#   DEMO_LISTEN=127.0.0.1:9000 make demo    another address
#   DEMO_N=500 make demo                    a smaller shop
#   DEMO_ONCE=1 make demo                   stop after the searches
set -euo pipefail
cd "$(dirname "$0")/.."
out=demo/out
n=${DEMO_N:-2000}

# Another layout of the data folder (2), model, drawing or number of products makes a demo of its own.
want="2 $n $(cat demo/model/*/* demo/catalogue/*.go | cksum)"
if [ "$(cat "$out/made" 2>/dev/null)" != "$want" ]; then
  rm -rf "$out"
  mkdir -p "$out"
  go run ./demo/render --n "$n" --split demo --size 192 --out "$out/catalogue"
  bin/indexd model convert demo/model/retrieval --out "$out/model" >/dev/null
  bin/indexd model convert demo/model/captioning --out "$out/captioner" >/dev/null
  bin/indexd import "$out/catalogue/feed.jsonl" --model "$out/model" --data "$out/data"
  echo "$want" >"$out/made"
fi

bin/searchd --model "$out/model" --captioner "$out/captioner" --data "$out/data" --listen "${DEMO_LISTEN:-127.0.0.1:8080}" --log-level warn >"$out/address" &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null || true' EXIT INT TERM

for _ in $(seq 100); do
  address=$(head -n 1 "$out/address")
  [ -n "$address" ] && break
  kill -0 $server 2>/dev/null || exit 1
  sleep 0.1
done
mapfile -t queries <demo/show/queries.txt
go run ./demo/show "$address" "${queries[@]}"

if command -v curl >/dev/null; then
  printf '\nThe captioner about SOCK-00001, and how likely the searching model finds that:\n'
  curl -sS "$address/v1/captions" -H 'Content-Type: application/json' -d '{"image":{"id":"SOCK-00001"}}' |
    sed -E 's/.*"text":"([^"]*)".*"match_probability":([0-9.e-]+).*/  \1  (\2)/'
fi

[ -z "${DEMO_ONCE:-}" ] || exit 0
printf '\nThe search page is at %s (Ctrl-C ends it).\n' "$address"
wait $server
