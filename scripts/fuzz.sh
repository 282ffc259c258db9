#!/usr/bin/env bash
# Runs every fuzz target for the given time, one after the other.
set -euo pipefail
time=${1:-20s}
grep -rlE '^func Fuzz' --include='*_test.go' . | xargs -n1 dirname | sort -u | while read -r dir; do
  grep -rhoE '^func Fuzz[A-Za-z0-9]+' --include='*_test.go' "$dir" --exclude-dir='*' 2>/dev/null | cut -c6- | sort -u | while read -r target; do
    echo "$dir $target"
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "$dir" </dev/null
  done
done
