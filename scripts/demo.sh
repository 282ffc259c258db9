#!/usr/bin/env bash
# Converts the small model that comes with the project, imports the demo
# catalogue, serves both, shows one search, and goes on serving until Ctrl-C.
#   DEMO_LISTEN=127.0.0.1:9000 make demo    another address
#   DEMO_ONCE=1 make demo                   stop after the search
set -euo pipefail
cd "$(dirname "$0")/.."
out=demo/out

[ -f "$out/model/manifest.json" ] || bin/indexd model convert demo/samples/model --out "$out/model"
bin/indexd import demo/samples/feed.jsonl --model "$out/model" --data "$out/data"

bin/searchd --model "$out/model" --data "$out/data" --listen "${DEMO_LISTEN:-127.0.0.1:8080}" --log-level warn >"$out/address" &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null || true' EXIT INT TERM

for _ in $(seq 100); do
  address=$(head -n 1 "$out/address")
  [ -n "$address" ] && break
  kill -0 $server 2>/dev/null || exit 1
  sleep 0.1
done
go run ./demo/show "$address" "a brown dotted sock and its toe is red"

[ -z "${DEMO_ONCE:-}" ] || exit 0
printf '\nThe search page is at %s (Ctrl-C ends it).\n' "$address"
wait $server
