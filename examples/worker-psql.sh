#!/bin/bash
# A worker for external steps of joborch, with nothing but psql.
#
#     QUEUE=mail worker-psql.sh COMMAND [arguments]
#
# For each step COMMAND gets the request (JSON) as its input; what it prints is the step's
# output, in JSON.  When it fails, the step does, with what it wrote to stderr; exit code 65
# (data error) means that another try is in vain.  PGHOST, PGDATABASE and so on say
# where; LEASE is in seconds.  SIGTERM lets the step in hand end and then stops.
set -u

queue=${QUEUE:-default}
name=${NAME:-$(hostname)}
lease=${LEASE:-60}
stopping=0
waiting=

[ $# -gt 0 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
# psql answers SIGINT by cancelling what it waits for
trap 'stopping=1; [ -z "$waiting" ] || kill -INT "$waiting" 2>/dev/null' TERM INT

# Values travel as psql's variables, so nothing in them can become SQL.
sql=(psql -XqAt -v ON_ERROR_STOP=1 -v queue="$queue" -v name="$name" -v lease="$lease")

# Extends the claim while the work goes on.
keep()
{
  while sleep $((lease / 3 + 1)); do
    "${sql[@]}" -v token="$1" <<<"SELECT joborch.extend_claim(:'token')" >/dev/null || return
  done
}

# Waits up to 20 s; leaves token and request in files, empty if there was nothing.
claim()
{
  local code

  # in the background, so that a signal ends the waiting at once
  "${sql[@]}" >"$dir/claimed" <<'END' &
SELECT token || E'\n' || request::text
FROM joborch.claim_steps(:'queue', :'name', lease => make_interval(secs => :lease), wait => '20 s')
END
  waiting=$!
  while wait "$waiting"; code=$?; kill -0 "$waiting" 2>/dev/null; do
    # the signal may have come before psql was there to hear it
    kill -INT "$waiting" 2>/dev/null
    sleep 0.2
  done
  waiting=
  [ "$stopping" = 1 ] || [ "$code" = 0 ] || sleep 2
  head -n 1 "$dir/claimed" >"$dir/token"
  tail -n +2 "$dir/claimed" >"$dir/request"
}

carry_out()
{
  local token=$1 keeper code

  shift
  keep "$token" &
  keeper=$!
  # a signal to this script is not one to the command
  setsid "$@" <"$dir/request" >"$dir/output" 2>"$dir/errors" &
  local command=$!
  while wait "$command"; code=$?; [ "$code" -gt 128 ] && kill -0 "$command" 2>/dev/null; do :; done
  kill "$keeper" 2>/dev/null
  if [ "$code" = 0 ]; then
    "${sql[@]}" -v token="$token" -v output="$(cat "$dir/output")" >/dev/null <<'END' && return
SELECT joborch.complete_claim(:'token', nullif(:'output', '')::jsonb)
END
    echo "it could not be completed" >>"$dir/errors"
  fi
  "${sql[@]}" -v token="$token" -v error="$(tail -c 2000 "$dir/errors")" -v code="$code" >/dev/null <<'END'
SELECT joborch.fail_claim(:'token', coalesce(nullif(:'error', ''), 'exit code ' || :code),
  retryable => CASE WHEN :code = 65 THEN false END, details => jsonb_build_object('exit_code', :code))
END
}

while [ "$stopping" = 0 ]; do
  claim
  token=$(cat "$dir/token")
  [ -z "$token" ] || carry_out "$token" "$@"
done
