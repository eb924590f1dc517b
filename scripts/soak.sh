#!/bin/bash
# Kills and recovers for SECONDS_TO_RUN (default 600), under load, and counts afterwards:
# every effect exactly once, every run at its end, nothing that joborch.check() finds.
# SEED repeats a sequence.

. "$(dirname "$0")/common.sh"

seconds=${SECONDS_TO_RUN:-600}
RANDOM=${SEED:=$((RANDOM))}
runs_each=500

db() { sql -d soak "$@"; }

fresh_soak()
{
  sql -d postgres -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS soak WITH (FORCE)" -c "CREATE DATABASE soak"
  db -c "SET client_min_messages = warning" -c "CREATE EXTENSION joborch"
  db -c "CREATE TABLE effect (run bigint, step text)" -c "CREATE TABLE started (run bigint)"
  db -c "SELECT joborch.create_job('three', (SELECT jsonb_build_object('steps', jsonb_agg(jsonb_build_object(
    'name', s, 'sql', format('INSERT INTO effect VALUES ({{ run.id }}::bigint, %L)', s)))) FROM unnest('{a,b,c}'::text[]) s))" >/dev/null
}

# Once, and then among the crashes: a foreach of as many items as there may be, and a queue of
# as many runs.
start_large()
{
  db -c "SELECT joborch.create_job('large', '{\"steps\": [{\"name\": \"i\", \"foreach\": {\"items\": {\"sql\": \"SELECT i FROM generate_series(1, 100000) AS i\"}},
    \"sql\": \"INSERT INTO item_effect VALUES ({{ item_index }}::int)\"}]}')" -c "CREATE TABLE item_effect (item integer)" \
    -c "WITH s AS (INSERT INTO started SELECT joborch.start_many('three', 100000) RETURNING 1) SELECT count(*) FROM s" \
    -c "SELECT joborch.start('large')" >/dev/null
}

# The server answers again after a crash, at the latest in 30 s.
wait_for_server()
{
  for _ in $(seq 300); do
    ! db -c "SELECT 1" >/dev/null 2>&1 || return 0
    sleep 0.1
  done
  die "the server does not come back; seed $SEED"
}

# Most often a process of joborch dies; now and then the whole server.
crash()
{
  local pid kind

  case $((RANDOM % 10)) in
    0) as_server "$pg_bin/pg_ctl" -s -w -D "$work/data" -m immediate stop; server_start "$work/src/test/joborch.conf" ;;
    1) as_server "$pg_bin/pg_ctl" -s -w -D "$work/data" -m fast stop; server_start "$work/src/test/joborch.conf" ;;
    2) kind=launcher ;;
    3 | 4) kind=dispatcher ;;
    *) kind=executor ;;
  esac
  if [ -n "${kind:-}" ]; then
    pid=$(db -c "SELECT pid FROM pg_stat_activity WHERE backend_type = 'joborch $kind' ORDER BY random() LIMIT 1" 2>/dev/null || true)
    [ -z "$pid" ] || kill -9 "$pid" 2>/dev/null || true
  fi
  crashes=$((crashes + 1))
}

settle()
{
  local left=

  for _ in $(seq 1200); do
    left=$(db -c "SELECT count(*) FROM joborch.active_runs" 2>/dev/null || true)
    [ "$left" != 0 ] || return 0
    sleep 0.1
  done
  die "$left runs do not end; seed $SEED"
}

verify()
{
  local found

  found=$(db -c "SELECT 'run ' || s.run || ': ' || coalesce(r.status, 'lost') FROM started s LEFT JOIN joborch.job_runs r ON r.run_id = s.run
      WHERE r.status IS DISTINCT FROM 'completed'" \
    -c "SELECT format('step %s of run %s: %s times', e.step, e.run, count(*)) FROM effect e GROUP BY e.run, e.step HAVING count(*) <> 1" \
    -c "SELECT format('%s effects, wanted %s', (SELECT count(*) FROM effect), 3 * count(*)) FROM started
      HAVING (SELECT count(*) FROM effect) <> 3 * count(*)" \
    -c "SELECT format('%s effects of items, %s different ones', count(*), count(DISTINCT item)) FROM item_effect
      HAVING count(*) <> 100000 OR count(DISTINCT item) <> 100000" \
    -c "SELECT * FROM joborch.check()")
  [ -z "$found" ] || { echo "$found" | head -n 20; die "after $crashes crashes, seed $SEED"; }
}

"$root/scripts/deps.sh" build
load_pg
work_dir "${JOBORCH_WORK:-soak}"
trap 'server_stop' EXIT
build_private JOBORCH_TEST=1
server_start "$work/src/test/joborch.conf"
fresh_soak
start_large

crashes=0
rounds=0
while [ "$SECONDS" -lt "$seconds" ]; do
  # lost with the connection at worst: what did not commit was not started
  db -c "WITH s AS (INSERT INTO started SELECT joborch.start('three') FROM generate_series(1, $runs_each) RETURNING 1) SELECT count(*) FROM s" \
    >/dev/null 2>&1 || true
  sleep "0.0$((RANDOM % 90 + 10))"
  crash
  wait_for_server
  rounds=$((rounds + 1))
  if [ $((rounds % 20)) = 0 ]; then
    settle
    verify
    echo "$rounds rounds, $crashes crashes, $(db -c "SELECT count(*) FROM started") runs, all effects exactly once"
  fi
done
settle
verify
echo "soak passed: $crashes crashes in $SECONDS s, $(db -c "SELECT count(*) FROM started") runs, every effect exactly once (seed $SEED)"
