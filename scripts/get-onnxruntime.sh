#!/usr/bin/env bash
# Puts the ONNX Runtime library (CPU) into the cache folder, where the programs
# look for it, by whichever client is at hand: pip, npm, or curl of the upstream
# release. Every library is checked against a sha256 pinned here.
#
#   scripts/get-onnxruntime.sh            fetch if it is not there; print its path
#   ORT_CLIENT=npm scripts/get-onnxruntime.sh   use that client only
#
# To use your own library (another version, CUDA, macOS): set SIGHTLINE_ORT_LIB.
set -euo pipefail

version=1.30.0
curl_version=1.24.4 # the newest upstream release whose checksum is pinned here

say() { printf 'get-onnxruntime: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

if [ -n "${SIGHTLINE_ORT_LIB:-}" ]; then
  [ -f "$SIGHTLINE_ORT_LIB" ] || die "SIGHTLINE_ORT_LIB=$SIGHTLINE_ORT_LIB: there is no such file"
  echo "$SIGHTLINE_ORT_LIB"
  exit 0
fi

case "$(uname -s)" in
Linux) ;;
Darwin) die "macOS: brew install onnxruntime, then export SIGHTLINE_ORT_LIB=\$(brew --prefix)/lib/libonnxruntime.dylib" ;;
*) die "$(uname -s): install ONNX Runtime 1.24 or newer and set SIGHTLINE_ORT_LIB to its library" ;;
esac

# sha256 of the library itself, as it lies in each client's package.
case "$(uname -m)" in
x86_64 | amd64)
  pip_platform=manylinux_2_28_x86_64 npm_dir=x64 curl_arch=x64
  pip_sum=c902c70b3003c0e99fada202f37478c515ae9bba7944c2b2abd0017bae0c82ed
  npm_sum=ffb75a925ba05e47b235bb66e3e3911714a80b328a9c9425539feb204aa32a23
  curl_sum=3a211fbea252c1e66290658f1b735b772056149f28321e71c308942cdb54b747 # of the archive
  ;;
aarch64 | arm64)
  pip_platform=manylinux_2_28_aarch64 npm_dir=arm64 curl_arch=aarch64
  pip_sum=8a218e1e446880131115c368ec7005969a5022af9a15a26173de648fef0b7789
  npm_sum=1f549d46250b005580b597f4164984aaf75b3bcb9f3aeb07c7f8a8fe60b23c76
  curl_sum=866109a9248d057671a039b9d725be4bd86888e3754140e6701ec621be9d4d7e # of the archive
  ;;
*) die "no ONNX Runtime build for $(uname -m): build one and set SIGHTLINE_ORT_LIB" ;;
esac

cache=${SIGHTLINE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/sightline}
for v in "$version" "$curl_version"; do
  lib=$cache/onnxruntime-$v/libonnxruntime.so
  if [ -f "$lib" ]; then
    echo "$lib"
    exit 0
  fi
done

if command -v sha256sum >/dev/null; then sum() { sha256sum "$1" | cut -d' ' -f1; }; else sum() { shasum -a 256 "$1" | cut -d' ' -f1; }; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# place FILE VERSION: moves a checked library into the cache in one step.
place() {
  local to=$cache/onnxruntime-$2
  mkdir -p "$to"
  cp "$1" "$to/.libonnxruntime.so.$$"
  chmod 644 "$to/.libonnxruntime.so.$$"
  mv "$to/.libonnxruntime.so.$$" "$to/libonnxruntime.so"
  echo "$to/libonnxruntime.so"
}

check() { # FILE SUM WHERE
  local have
  have=$(sum "$1")
  [ "$have" = "$2" ] || die "$3: sha256 is $have, pinned is $2; nothing was installed"
}

pip_command() {
  for c in "python3 -m pip" pip3 pip; do
    if $c --version >/dev/null 2>&1; then
      echo "$c"
      return
    fi
  done
  return 1
}

by_pip() {
  local pip
  pip=$(pip_command) || return 1
  say "fetching ONNX Runtime $version with pip (24 MB)"
  # The wheel of one Python version on every machine, so that its bytes are known.
  $pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.11 --implementation cp --abi cp311 \
    --platform "$pip_platform" --dest "$work" "onnxruntime==$version" >&2 || return 1
  unzip_one "$work"/onnxruntime-*.whl "onnxruntime/capi/libonnxruntime.so.$version" "$work/lib" || return 1
  check "$work/lib" "$pip_sum" "the wheel's library"
  place "$work/lib" "$version"
}

unzip_one() { # ARCHIVE MEMBER TO
  if command -v unzip >/dev/null; then unzip -p "$1" "$2" >"$3"; else
    python3 -c 'import sys,zipfile,shutil; shutil.copyfileobj(zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]), open(sys.argv[3],"wb"))' "$1" "$2" "$3"
  fi
}

by_npm() {
  command -v npm >/dev/null || return 1
  say "fetching ONNX Runtime $version with npm (114 MB)"
  (cd "$work" && npm pack --silent "onnxruntime-node@$version" >/dev/null) || return 1
  tar -xzf "$work/onnxruntime-node-$version.tgz" -C "$work" "package/bin/napi-v6/linux/$npm_dir/libonnxruntime.so.1" || return 1
  check "$work/package/bin/napi-v6/linux/$npm_dir/libonnxruntime.so.1" "$npm_sum" "the npm package's library"
  place "$work/package/bin/napi-v6/linux/$npm_dir/libonnxruntime.so.1" "$version"
}

by_curl() {
  command -v curl >/dev/null || return 1
  local name=onnxruntime-linux-$curl_arch-$curl_version
  say "fetching ONNX Runtime $curl_version from the upstream release (8 MB)"
  curl --fail --silent --show-error --location --retry 3 --max-time 600 --output "$work/release.tgz" \
    "${ORT_RELEASES:-https://github.com/microsoft/onnxruntime/releases/download}/v$curl_version/$name.tgz" || return 1
  check "$work/release.tgz" "$curl_sum" "the upstream archive"
  tar -xzf "$work/release.tgz" -C "$work" "$name/lib/libonnxruntime.so.$curl_version" || return 1
  place "$work/$name/lib/libonnxruntime.so.$curl_version" "$curl_version"
}

for client in ${ORT_CLIENT:-pip npm curl}; do
  if "by_$client"; then exit 0; fi
  say "$client did not work, or is not here"
done
die "no client could fetch ONNX Runtime: install pip, npm or curl, or set SIGHTLINE_ORT_LIB to a libonnxruntime.so, 1.24 or newer"
