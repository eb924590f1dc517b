#!/bin/bash
# The demo: builds, starts a private server, runs a real job and shows it live.

. "$(dirname "$0")/common.sh"

"$root/scripts/deps.sh" demo
load_pg
work_dir demo

echo "building joborch and starting a private PostgreSQL $pg_version server in build/demo"
build_private
as_server mkdir -p "$work/bin"
as_server gcc -O2 -Wall -o "$work/bin/joborch-watch" "$work/src/examples/demo/watch.c" \
  -I"$("$pg_config" --includedir)" -L"$("$pg_config" --libdir)" -lpq -lcjson
server_start

demo=$work/src/examples/demo
sql -d postgres -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS demo WITH (FORCE)" -c "CREATE DATABASE demo"
sql -d demo -c "CREATE EXTENSION joborch" -f "$demo/setup.sql"
sql -d demo -f "$demo/job.sql" >/dev/null

echo
sql -d demo -c "SELECT joborch.explain_job('world_atlas')"
echo
run=$(sql -d demo -c "SELECT joborch.start('world_atlas', '{}')")
status=0
"$work/bin/joborch-watch" "$(server_url demo)" "$run" || status=$?
if [ "$status" != 0 ]; then
  "$pg_bin/psql" -X -h "$sock" -p 5432 -U postgres -d demo -c \
    "SELECT step, status, error ->> 'message' AS error FROM joborch.run_steps($run) WHERE error IS NOT NULL"
  die "the job did not complete; the server's log: $work/server.log"
fi
"$pg_bin/psql" -Xq -h "$sock" -p 5432 -U postgres -d demo -v run="$run" -v ON_ERROR_STOP=1 -f "$demo/report.sql"

cat <<END
The server is still running. What to type next:

  make psql                                        open psql on it, then for instance
    SELECT * FROM joborch.run_steps($run);             each step: status, attempts, times, output
    SELECT joborch.start('world_atlas', '{}');       the same again
    SELECT * FROM joborch.active_runs;               what runs now
    SELECT * FROM joborch.workers;                   who works on it
  make stop                                        stop it
  make check                                       all tests
END
