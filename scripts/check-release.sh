#!/usr/bin/env bash
# Unpacks a release archive into an empty folder and tries it there, with an
# empty environment: does it hold what it needs, are the programs of the processor
# that its name says, and, where that is this machine's, do they run?
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
arch=${archive##*-linux-} arch=${arch%.tar.gz}
case $arch in
amd64) machine=x86_64 elf=3e00 loader=/lib64/ld-linux-x86-64.so.2 ;;
arm64) machine=aarch64 elf=b700 loader=/lib/ld-linux-aarch64.so.1 ;;
*) fail "its name does not say a processor that is known here: $arch" ;;
esac
grep -q 'milvus-io/milvus-proto' THIRD_PARTY_NOTICES.txt && grep -q 'This module has no licence file' THIRD_PARTY_NOTICES.txt ||
  fail "the notices do not say which module has no licence file"
for p in indexd searchd; do
  grep -q '"bomFormat": "CycloneDX"' sbom/$p.cdx.json || fail "sbom/$p.cdx.json is no CycloneDX"
  [ "$(od -An -tx1 -j18 -N2 bin/$p | tr -d ' ')" = $elf ] || fail "bin/$p is for another processor than $arch"
  grep -aqF "$loader" bin/$p || fail "bin/$p is not linked to $loader"
  grep -aqF "GOARCH=$arch" bin/$p && grep -aqF CGO_ENABLED=1 bin/$p || fail "bin/$p was not built for $arch with cgo"
  case $archive in *-dirty-linux-*) ;; *) ! grep -aqF vcs.modified=true bin/$p || fail "bin/$p was built from a work tree with changes" ;; esac
  ! grep -aqF "$HOME/" bin/$p || fail "bin/$p holds a path of the building machine"
  newest=$(grep -aoE 'GLIBC_2\.[0-9]+' bin/$p | sort -Vu | tail -n 1)
  echo "check-release: $arch/$p wants $loader and glibc ${newest#GLIBC_}"
done
if [ "$(uname -m)" != $machine ]; then
  echo "check-release: not run: this machine is no $machine"
  exit 0
fi
for p in indexd searchd; do
  case $(bin/$p --version) in "$p devel"*) fail "$p does not know its version" ;; esac
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
