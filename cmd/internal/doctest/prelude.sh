# Begins every page's script. SAMPLES, SHARED, LOGS, ADDRESS and SECOND come from
# the test.
set -eu -o pipefail
server='' feeder=''

# curl says nothing but the answer, and an answer of an error is an error.
curl() { command curl --silent --show-error --fail-with-body --max-time 60 "$@"; }

end() { # PID
  [ -n "$1" ] || return 0
  kill "$1" 2>/dev/null || true
  wait "$1" 2>/dev/null || true
}

stop() { end "$server"; server=''; }

trap 'end "$feeder"; end "$server"' EXIT

# until_ready URL PID LOG waits as long as the process lives, a minute at most.
until_ready() {
  local _
  for _ in $(seq 600); do
    command curl --silent --fail --max-time 5 --output /dev/null "$1" && return
    kill -0 "$2" 2>/dev/null || break
    sleep 0.1
  done
  echo "no answer from $1" >&2
  cat "$3" >&2
  return 1
}

# searchd is a server in the background once it is ready; one before it is stopped.
searchd() {
  case " $* " in
  *' key '* | *' eval '* | *' --help '* | *' --check-config '*) command searchd "$@" ; return ;;
  esac
  stop
  command searchd "$@" >"$LOGS/server.out" 2>"$LOGS/server.log" &
  server=$!
  case " $* " in
  *' --tls-cert '*) until_ready "https://$SECOND/readyz" "$server" "$LOGS/server.log" ;;
  *) until_ready "http://$ADDRESS/readyz" "$server" "$LOGS/server.log" ;;
  esac
}

# indexd serve goes to the background. indexd migrate --switch has the server
# stopped when it asks for that. Everything else is done at once.
indexd() {
  case " $* " in
  ' serve '*) serve_feeds "$@" ;;
  ' migrate '*' --switch '*) migrate "$@" ;;
  *) command indexd "$@" ;;
  esac
}

serve_feeds() {
  end "$feeder"
  command indexd "$@" >"$LOGS/feeder.out" 2>"$LOGS/feeder.log" &
  feeder=$!
  until_ready "http://$SECOND/healthz" "$feeder" "$LOGS/feeder.log"
}

migrate() {
  command indexd "$@" >"$LOGS/migrate.out" 2>"$LOGS/migrate.log" &
  local migration=$!
  while kill -0 $migration 2>/dev/null && ! grep -q 'all is ready' "$LOGS/migrate.log"; do sleep 0.1; done
  stop
  wait $migration || { cat "$LOGS/migrate.log" >&2; return 1; }
  cat "$LOGS/migrate.out"
}

# catalogue is what a reader has who has imported the samples.
catalogue() { cp -r "$SHARED/sightline-data" "$SHARED/sightline-model" .; }

# until_done JOB waits for a job's end.
until_done() {
  local _ answer=''
  for _ in $(seq 600); do
    answer=$(curl "http://$ADDRESS/v1/jobs/$1")
    case $answer in
    *'"state":"waiting","counts'* | *'"state":"running","counts'*) sleep 0.1 ;;
    *'"state":"done","counts'*) return ;;
    *) break ;;
    esac
  done
  echo "job $1: $answer" >&2
  return 1
}
