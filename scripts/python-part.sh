# Sourced by the scripts that put Python programs, which tests use, into virtual
# environments in the cache folder. They have say and die, and set home, program
# and install (what is installed, for messages).

# found prints $program and ends the script where $home is complete.
found() {
  if [ -f "$home/complete" ] && [ -x "$program" ]; then
    echo "$program"
    exit 0
  fi
}

# make_environment VARIABLE REQUIREMENT … makes $home, but for the last check and
# the file "complete"; VARIABLE is what names one's own instead. Paths are written
# into an environment, so it is made where it stays; "complete" comes last, and
# without it all is made again.
make_environment() {
  local variable=$1 python=${PYTHON:-python3}
  shift
  command -v "$python" >/dev/null || die "there is no $python: install Python 3.10 or newer (apt-get install python3 python3-venv), or set PYTHON to it"
  "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "$("$python" --version) is too old: set PYTHON to a Python 3.10 or newer"
  "$python" -c 'import ensurepip, venv' 2>/dev/null || die "$python has no venv or pip: apt-get install python3-venv, or set PYTHON to a complete Python"
  mkdir -p "$(dirname "$home")"
  rm -rf "$home"
  "$python" -m venv "$home" >&2 || die "python -m venv failed: apt-get install python3-venv, or set PYTHON to a complete Python"
  "$home/bin/pip" install --quiet --disable-pip-version-check --only-binary=:all: "$@" >&2 ||
    die "pip could not install $install: see its message above; on a machine without network, copy $home from another or set $variable"
}

cache=${SIGHTLINE_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/sightline}
