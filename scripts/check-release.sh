#!/usr/bin/env bash
# Unpacks a release archive into an empty folder and tries it there, with an
# empty environment: does it hold what it needs, and do the programs run?
#   scripts/check-release.sh dist/sightline-v1.0.0-linux-amd64.tar.gz
set -euo pipefail
archive=$(realpath "$1")
(cd "$(dirname "$archive")" && sha256sum --check --quiet --ignore-missing SHA256SUMS)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
tar -xzf "$archive" -C "$work"
cd "$work"/sightline-*
fail() { echo "check-release: $*" >&2; exit 1; }

for f in README.md LICENSE CHANGELOG.md THIRD_PARTY_NOTICES.txt docs/release.md scripts/get-onnxruntime.sh sbom/indexd.cdx.json sbom/searchd.cdx.json; do
  [ -s "$f" ] || fail "the archive has no $f"
done
[ "$(find . ! -user "$(id -un)" | wc -l)" = 0 ] || fail "files of another owner"
[ "$(find . -newermt "@$(($(stat -c %Y bin/indexd) + 1))" -type f | wc -l)" = 0 ] || fail "files with other times"
grep -q '"bomFormat": "CycloneDX"' sbom/indexd.cdx.json || fail "sbom/indexd.cdx.json is no CycloneDX"
for p in indexd searchd; do
  case $(bin/$p --version) in "$p devel"*) fail "$p does not know its version" ;; esac
  ! grep -aqF "$HOME/" bin/$p || fail "bin/$p holds a path of the building machine"
done
run() { env -i PATH=/usr/bin:/bin HOME="$work" "$@"; }
run bin/indexd model convert demo/model/retrieval --out model >/dev/null
run bin/indexd model verify model >/dev/null
run bin/searchd --model model --data data --check-config
if [ -n "${SIGHTLINE_ORT_LIB:-}" ]; then
  run SIGHTLINE_ORT_LIB="$SIGHTLINE_ORT_LIB" bin/indexd model verify model --picture demo/samples/pictures/p0194.png
else
  echo "check-release: SIGHTLINE_ORT_LIB is not set, so the model was not run" >&2
fi
echo "check-release: $(bin/indexd --version): works from an empty folder"
