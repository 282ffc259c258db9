#!/usr/bin/env bash
# Measures this machine's CUDA device: parity with transformers, then speed of
# transformers and of Sightline in turns. docs/gpu.md says what is needed.
#
#   bench/gpu/run.sh OUT            writes OUT/*.json and OUT/log
#
# PYTHON       python with torch (CUDA) and transformers [python3]
# DEVICE       cuda, cuda:N or cpu [cuda]
# GPU          the program, where go is not at hand [built from bench/gpu]
# SIZE         "--tiny" for a dry run with a small model
# QUICK        "--quick" for few runs, "--short" for fewer passes
# WORK         folder for 3 GB of models [a temporary one]
set -uo pipefail
out=$(mkdir -p "$1" && cd "$1" && pwd)
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3} device=${DEVICE:-cuda} size=${SIZE:-} quick=${QUICK:-}
work=${WORK:-$(mktemp -d)}
[ -n "${WORK:-}" ] || trap 'rm -rf "$work"' EXIT
gpu=${GPU:-$work/gpu}
[ -x "$gpu" ] || go build -o "$gpu" ./bench/gpu || exit 1
baseline="$python bench/gpu/baseline.py"

# step NAME COMMAND…: its output is OUT/NAME.json; a failure is reported and the
# rest goes on.
step() {
  local name=$1 begin=$SECONDS
  shift
  if timeout "${LIMIT:-120}" "$@" >"$out/$name.json" 2>>"$out/log"; then
    echo "$name: $((SECONDS - begin)) s"
  else
    echo "$name: FAILED after $((SECONDS - begin)) s: $*" | tee -a "$out/log"
    tail -n 3 "$out/log"
  fi
}
# shellcheck disable=SC2086 # empty settings are no arguments
ours() { step "$1" "$gpu" "$2" --device "$device" --model "$work/model/$3" --reference "$work/reference" $quick "${@:4}"; }
# shellcheck disable=SC2086
theirs() { step "$1" $baseline time "$work/checkpoint" $quick; }

# shellcheck disable=SC2086
[ -f "$work/checkpoint/config.json" ] || step checkpoint $baseline checkpoint "$work/checkpoint" $size
# shellcheck disable=SC2086
step drift-transformers $baseline reference "$work/checkpoint" "$work/reference"
step convert "$gpu" convert "$work/checkpoint" "$work/model"

ours parity-fp16 parity fp16
theirs transformers-1
ours fp16-1 time fp16 --parallel 2
theirs transformers-2
ours fp16-2 time fp16 --parallel 2
ours fp32-1 time fp32 --short
CUDA_LAUNCH_BLOCKING=1 ours profile-fp16 profile fp16
ours parity-fp32 parity fp32
ours fp16-pageable time fp16 --pageable --short
CUDA_LAUNCH_BLOCKING=1 ours profile-fp32 profile fp32
ours parity-fp32-tf32 parity fp32 --options use_tf32=1
if command -v nvcc >/dev/null && nvcc -shared -Xcompiler -fPIC -o "$work/libfault.so" bench/gpu/fault.cu; then
  ours lost lost fp16 --fault "$work/libfault.so"
fi
