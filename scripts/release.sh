#!/usr/bin/env bash
# Builds the release archives of HEAD into dist/: programs, demo model, docs,
# licences of what is linked, a bill of materials for each program. The same
# commit and tools give the same bytes, in whatever folder they work.
#   scripts/release.sh              linux amd64 and arm64, as far as there are compilers
#   RELEASE_ARCHS=amd64 scripts/release.sh
#   CC_arm64="aarch64-linux-gnu-gcc" scripts/release.sh     a compiler by name
#   DIST=/tmp/out scripts/release.sh   another folder (it is emptied)
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C TZ=UTC
umask 022

glibc=2.28 # what ONNX Runtime's own builds ask for
sbom_tool=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

say() { printf 'release: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

tar --version | grep -q 'GNU tar' || die "GNU tar is needed, for archives that are the same each time"
git rev-parse HEAD >/dev/null || die "a Git work tree is needed: its commit and tag name the release"
# Files that Git does not know count too: Go writes +dirty into the programs for them.
describe() {
  local changes=
  [ -z "$(git status --porcelain)" ] || changes=-dirty
  echo "$(git describe --tags --match 'v[0-9]*' --always)$changes"
}
version=$(describe)
case $version in *-dirty) say "there are changes that are not committed: $version is no release" ;; esac
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
native=$(go env GOHOSTARCH)
dist=${DIST:-dist}
rm -rf "$dist"
mkdir -p "$dist"
dist=$(cd "$dist" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# compiler ARCH: the C compiler for it. Zig comes first because it pins the
# oldest C library that the programs run with; a native cc links to this machine's.
compiler() {
  local named=CC_$1 triple=x86_64
  [ "$1" = arm64 ] && triple=aarch64
  if [ -n "${!named:-}" ]; then echo "${!named}"
  elif command -v zig >/dev/null; then echo "zig cc -target $triple-linux-gnu.$glibc"
  elif python3 -m ziglang version >/dev/null 2>&1; then echo "python3 -m ziglang cc -target $triple-linux-gnu.$glibc"
  elif [ "$1" = "$native" ] && command -v cc >/dev/null; then echo cc
  elif command -v "$triple-linux-gnu-gcc" >/dev/null; then echo "$triple-linux-gnu-gcc"
  else return 1; fi
}

# notices ARCH: the licence of every module that is linked, and of Go itself.
# Files are looked for from each package's folder up to its module's: some
# modules carry code of others in subfolders.
notices() {
  echo "Sightline contains the following software, each under the licence that follows its name."
  heading Go "$(go env GOVERSION)"
  cat "$(go env GOROOT)/LICENSE"
  CGO_ENABLED=1 GOOS=linux GOARCH=$1 go list -deps -f '{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}} {{$.Dir}}{{end}}{{end}}' ./cmd/indexd ./cmd/searchd |
    sort -u | while read -r path ver root dir; do
      while :; do
        find "$dir" -maxdepth 1 -type f \( -iname 'licen[cs]e*' -o -iname 'copying*' -o -iname 'notice*' -o -iname 'patents*' \) ! -name '*.go' -printf "$path $ver %p\n"
        [ "$dir" = "$root" ] && break
        dir=$(dirname "$dir")
      done
      echo "$path $ver -"
    done | sort -u >"$work/licences"
  while read -r path ver file; do
    if [ "$file" = - ]; then
      grep -q "^$path $ver /" "$work/licences" || unlicensed "$path" "$ver"
      continue
    fi
    heading "$path" "$ver"
    cat "$file"
  done <"$work/licences"
}

# unlicensed MODULE VERSION: a module without a licence file ends the release,
# but for those that were looked at.
unlicensed() {
  [ "$1" = github.com/milvus-io/milvus-proto/go-api/v2 ] || die "$1 $2 has no licence file: ask its authors, then name it in scripts/release.sh"
  heading "$1" "$2"
  echo "This module has no licence file. It is the interface of Milvus, whose server and Go SDK of the same authors are under"
  echo "the Apache License 2.0; see https://github.com/milvus-io/milvus-proto."
}

heading() { printf '\n%s\n%s %s\n%s\n\n' "$(printf '=%.0s' {1..80})" "$1" "$2" "$(printf '=%.0s' {1..80})"; }

# sbom PROGRAM TO: CycloneDX. The time of the run is set to the commit's.
sbom() {
  # Its warnings are about our own module, which is in no proxy; licences that
  # are missing are found in notices.
  go run "$sbom_tool" bin -json -licenses -noserial -output "$2" "$1" 2>"$work/sbom.log" || die "$(cat "$work/sbom.log")"
  sed -i -E "s/(\"timestamp\": \")[^\"]*/\1$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)/" "$2"
}

archive() { # ARCH COMPILER
  local name=sightline-$version-linux-$1 p
  local to=$work/$name
  mkdir -p "$to/bin" "$to/sbom"
  say "$name with $2"
  # Go's own -s does not reach what Zig links in, which names Zig's cache folder.
  CGO_ENABLED=1 GOOS=linux GOARCH=$1 GOAMD64=v1 GOARM64=v8.0 GOFLAGS= CC=$2 \
    go build -trimpath -buildvcs=true -ldflags='-s -w -buildid= -extldflags=-Wl,--strip-all' -o "$to/bin/" ./cmd/indexd ./cmd/searchd
  git ls-files -z README.md LICENSE CHANGELOG.md docs deploy demo/model demo/samples/pictures/p0194.png scripts/get-onnxruntime.sh |
    xargs -0 cp --parents -t "$to"
  notices "$1" >"$to/THIRD_PARTY_NOTICES.txt"
  for p in indexd searchd; do sbom "$to/bin/$p" "$to/sbom/$p.cdx.json"; done
  tar -C "$work" --sort=name --format=gnu --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
    --mode='u+rwX,go+rX,go-w' -cf - "$name" | gzip -n -9 >"$dist/$name.tar.gz"
}

built=()
for arch in ${RELEASE_ARCHS:-amd64 arm64}; do
  if cc=$(compiler "$arch"); then
    archive "$arch" "$cc"
    built+=("$arch")
  else
    say "no C compiler for $arch, so no archive for it: pip install ziglang, or set CC_$arch (docs/release.md)"
  fi
done
[ ${#built[@]} -gt 0 ] || die "nothing was built"
[ "$(describe)" = "$version" ] || die "the work tree changed while it was built: it is no longer $version"
(cd "$dist" && sha256sum ./*.tar.gz | sed 's|\./||' >SHA256SUMS && cat SHA256SUMS)
for arch in "${built[@]}"; do scripts/check-release.sh "$dist/sightline-$version-linux-$arch.tar.gz"; done
