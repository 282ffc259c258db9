#!/usr/bin/env bash
# Builds the release twice, here and from a fresh clone in another folder with
# an empty build cache, and compares all bytes.
set -euo pipefail
cd "$(dirname "$0")/.."
git diff --quiet HEAD || { echo "check-reproducible: commit first: a clone has no changes" >&2; exit 1; }
scripts/release.sh
other=$(mktemp -d)
trap 'rm -rf "$other"' EXIT
git clone --quiet "$PWD" "$other/clone"
GOCACHE=$other/cache "$other/clone/scripts/release.sh"
diff dist/SHA256SUMS "$other/clone/dist/SHA256SUMS"
echo "check-reproducible: both builds have the same bytes"
