#!/bin/bash
# The measures, as one table: bench/run.sh [measure ...]
#
#   one-step insert-step chain fan items latency signal large old-snapshot history backlog wal cpu memory idle http cron schedule
#
# SCALE=10 makes every size a tenth.  All run on a private server with default
# settings but for memory (bench.conf).  The floor is pgbench's single-row INSERT
# and commit with two clients and asynchronous commit, taken before and after each
# measure; ratios are to the mean of the two.  doc/performance.md explains the rest.

. "$(dirname "$0")/../scripts/common.sh"
. "$(dirname "$0")/http.sh"
. "$(dirname "$0")/schedule.sh"

all="one-step insert-step chain fan items latency signal large old-snapshot history backlog wal cpu memory idle http cron schedule"
chosen=${*:-$all}
scale=${SCALE:-1}
floor_seconds=4
idle_seconds=60
[ "$scale" = 1 ] || { floor_seconds=2; idle_seconds=20; }
rows=()

for measure in $chosen; do
  case " $all " in *" $measure "*) ;; *) die "no measure '$measure'; there are: $all" ;; esac
done

db() { sql -d bench "$@"; }
calc() { awk "BEGIN { printf \"$1\", $2 }"; }
sized() { echo $(($1 / scale)); }
say() { echo "$*" >&2; }

# row NAME VALUE AGAINST RATIO AT_LEAST AIM DIRECTION; direction - or + says what is better.
row()
{
  local verdict=

  if [ -n "$5" ]; then
    verdict=$(awk "BEGIN { v = $4 + 0; print ($7 1 > 0 ? (v >= $6 ? \"aim\" : v >= $5 ? \"holds\" : \"SHORT\") : (v <= $6 ? \"aim\" : v <= $5 ? \"holds\" : \"SHORT\")) }")
  fi
  rows+=("$1|$2|$3|$4|$5|$6|$verdict")
  say "  $1: $2 ${4:+($4)} $verdict"
}

fresh_bench()
{
  sql -d postgres -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS bench WITH (FORCE)" -c "CREATE DATABASE bench"
  db -c "CREATE EXTENSION joborch"
  db -f "$work/src/bench/setup.sql" >/dev/null
  db -c "CALL measure('one', 1000)"
}

floor()
{
  db -c "TRUNCATE floor_table"
  PGOPTIONS='-c synchronous_commit=off' "$pg_bin/pgbench" -n -M prepared -c 2 -j 2 -T "$floor_seconds" \
    -f "$work/floor.sql" -h "$sock" -p 5432 -U postgres bench 2>/dev/null | sed -n 's/^tps = \([0-9]*\).*/\1/p'
}

# rate JOB RUNS STEPS: steps a second of the last measure, from before the start to the last end.
rate()
{
  db -c "CALL measure('$1', $2)"
  db -c "SELECT round($2::numeric * $3 / extract(epoch FROM t1 - t0)) FROM result ORDER BY id DESC LIMIT 1"
}

# measure_ratio TITLE JOB RUNS STEPS AT_LEAST AIM
measure_ratio()
{
  local before after steps mean

  fresh_bench
  db -c "CALL measure('$2', $(($3 / 20 + 1)))"
  before=$(floor)
  steps=$(rate "$2" "$3" "$4")
  after=$(floor)
  mean=$(calc %d "($before + $after) / 2")
  row "$1" "$steps/s" "floor $mean/s" "$(calc %.2f "$steps / $mean")" "$5" "$6" +
}

run_one_step() { measure_ratio "one-step runs, SELECT 1" one "$(sized 100000)" 1 1.0 1.5; }
run_insert_step() { measure_ratio "one-step runs, INSERT" insert "$(sized 100000)" 1 0.7 1.0; }
run_chain() { measure_ratio "steps of 10-step chains" chain "$(sized 10000)" 10 1.5 3; }
run_fan() { measure_ratio "steps of 1 - 100 - 1 fans" fan "$(sized 1000)" 102 1.0 2; }

run_items() { measure_ratio "items of a foreach of 10000" items "$((10 / (scale > 5 ? 5 : scale)))" 10000 1.0 2; }

run_latency()
{
  local p50 p99 n

  n=$(sized 310)
  fresh_bench
  db -c "CALL measure_latency($n)" -c "SELECT pg_sleep(0.5)" >/dev/null
  read -r p50 p99 < <(db -F ' ' -c "SELECT round((percentile_cont(0.5) WITHIN GROUP (ORDER BY d))::numeric, 2),
    round((percentile_cont(0.99) WITHIN GROUP (ORDER BY d))::numeric, 2)
    FROM (SELECT extract(epoch FROM seen.at - sent.at) * 1000 AS d FROM seen JOIN sent USING (run) ORDER BY run OFFSET 10) x")
  row "commit of start() to step begins, p50" "$p50 ms" "$n samples" "$p50" 1 0.1 -
  row "commit of start() to step begins, p99" "$p99 ms" "$n samples" "$p99" 5 1 -
}

# signal_rows TITLE: of the signals that measure_signals sent last.
signal_rows()
{
  local p50 p99 n

  read -r p50 p99 n < <(db -F ' ' -c "SELECT round((percentile_cont(0.5) WITHIN GROUP (ORDER BY d))::numeric, 2),
      round((percentile_cont(0.99) WITHIN GROUP (ORDER BY d))::numeric, 2), count(*)
    FROM (SELECT extract(epoch FROM s.finished_at - sent.at) * 1000 AS d
      FROM joborch_internal.step s JOIN sent ON sent.run = s.run_id ORDER BY sent.run OFFSET 10) x")
  row "$1, p50" "$p50 ms" "$n samples" "$p50" 1 0.3 -
  row "$1, p99" "$p99 ms" "$n samples" "$p99" 5 1 -
}

# What waits is in no memory and holds no process; the first signal after a restart finds its run all the same.
run_signal()
{
  local n many begun left

  n=$(sized 310)
  many=$(sized 10000)
  fresh_bench
  db -c "CALL measure_signals($n)"
  signal_rows "commit of signal_run() to end of the step"
  db -c "CALL begin_waiting($many)" -c "CALL measure_signals($n)"
  signal_rows "the same while $many others wait"
  db -c "ALTER SYSTEM SET joborch.executor_idle_timeout = '1s'" -c "SELECT pg_reload_conf()" >/dev/null
  sleep 4
  left=$(joborch_pids executor | wc -l)
  row "executors that $many waiting runs hold" "$left" "" "$left" 0 0 -
  db -c "ALTER SYSTEM RESET joborch.executor_idle_timeout"
  server_stop
  begun=$(date +%s%N)
  server_start "$work/src/bench/bench.conf"
  db -c "CALL measure_signals(1)"
  row "restart while $many wait, to the first signal taken" "$((($(date +%s%N) - begun) / 1000000)) ms" "" "" "" "" -
}

# Milliseconds that the one step of a run of a job takes, the shortest of five.
step_ms()
{
  db -c "CALL measure_size('$1', $2)"
  db -c "SELECT round(min(extract(epoch FROM finished_at - started_at)) * 1000, 2)
    FROM (SELECT finished_at, started_at FROM joborch_internal.step ORDER BY run_id DESC LIMIT 5) x"
}

# curve TITLE JOB SIZE: the step's time at one, two and four times a size; the figure is 1 where it is linear.
curve()
{
  local one two four

  one=$(step_ms "$2" "$3")
  two=$(step_ms "$2" $(($3 * 2)))
  four=$(step_ms "$2" $(($3 * 4)))
  row "$1" "$one, $two, $four ms" "1, 2, 4 times $3" "$(calc %.2f "$four / 4 / $one")" 1.5 1.1 -
}

run_large()
{
  fresh_bench
  db -c "ALTER SYSTEM SET joborch.max_input = '64MB'" -c "ALTER SYSTEM SET joborch.max_inline_result = '64MB'" -c "SELECT pg_reload_conf()" >/dev/null
  curve "expressions nested in each other" nested 250
  curve "expressions beside each other" many 2500
  curve "a document of so many kB, read by a path" document 2560
  db -c "ALTER SYSTEM RESET joborch.max_input" -c "ALTER SYSTEM RESET joborch.max_inline_result" -c "SELECT pg_reload_conf()" >/dev/null
}

# Speed of the runs FROM .. TO (by order of their end) of the last measure, a second.
speed_between()
{
  db -c "SELECT round(($2 - $1) / extract(epoch FROM max(finished_at) - min(finished_at)))
    FROM (SELECT finished_at, row_number() OVER (ORDER BY finished_at) AS n FROM joborch_internal.ends
      WHERE run_id BETWEEN (SELECT first_run FROM result ORDER BY id DESC LIMIT 1)
        AND (SELECT last_run FROM result ORDER BY id DESC LIMIT 1)) x WHERE n > $1 AND n <= $2"
}

run_old_snapshot()
{
  local n fifth holder first last

  n=$(sized 100000)
  fifth=$((n / 5))
  fresh_bench
  coproc holder_psql { exec "$pg_bin/psql" -XqAt -h "$sock" -p 5432 -U postgres -d bench 2>&1; }
  holder=$holder_psql_PID
  echo "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 'held';" >&"${holder_psql[1]}"
  read -r -t 10 _ <&"${holder_psql[0]}"
  db -c "CALL measure('one', $n)"
  kill "$holder" 2>/dev/null || true
  wait "$holder" 2>/dev/null || true
  first=$(speed_between 0 "$fifth")
  last=$(speed_between $((n - fifth)) "$n")
  row "old snapshot held: last fifth of $n" "$last/s" "first fifth $first/s" "$(calc %.2f "$last / $first")" 0.8 0.95 +
}

# The middle one of the odd number of figures on standard input.
median() { sort -n | awk '{ v[NR] = $1 } END { print v[(NR + 1) / 2] }'; }

# One figure jumps by a third here and there (a checkpoint, the disk): the middle of three.
median_rate() { for _ in 1 2 3; do rate one "$1" 1; done | median; }

run_history()
{
  local n empty floor_empty full floor_full many

  n=$(sized 100000)
  many=$(sized 1000000)
  fresh_bench
  db -c "CALL measure('one', $n)"
  floor_empty=$(floor)
  empty=$(median_rate "$n")
  db -c "CALL measure('one', $many)" -c "VACUUM ANALYZE" -c CHECKPOINT
  floor_full=$(floor)
  full=$(median_rate "$n")
  row "$many finished runs kept" "$full/s" "before $empty/s" \
    "$(calc %.2f "($full / $floor_full) / ($empty / $floor_empty)")" 0.85 0.95 +
}

# Of the million, those that run while at least half of it still waits.
run_backlog()
{
  local n many empty floor_empty full floor_full

  n=$(sized 100000)
  many=$(sized 1000000)
  fresh_bench
  floor_empty=$(floor)
  empty=$(for _ in 1 2 3; do db -c "CALL measure('one', $n)"; speed_between 0 "$n"; done | median)
  floor_full=$(floor)
  db -c "CALL measure('one', $many)"
  full=$(for i in 0 1 2 3 4; do speed_between $((i * n)) $(((i + 1) * n)); done | median)
  row "backlog of $many, its first half" "$full/s" "without $empty/s" \
    "$(calc %.2f "($full / $floor_full) / ($empty / $floor_empty)")" 0.85 0.95 +
}

run_wal()
{
  local n bytes

  n=$(sized 100000)
  fresh_bench
  db -c CHECKPOINT -c "CALL measure('one', $n)"
  bytes=$(db -c "SELECT round((lsn1 - lsn0) / $n) FROM result ORDER BY id DESC LIMIT 1")
  row "WAL of a one-step run after its start" "$bytes B" "" "$bytes" 500 350 -
  db -c CHECKPOINT -c "CALL measure('chain', $((n / 10)))"
  bytes=$(db -c "SELECT round((lsn1 - lsn0) / $n) FROM result ORDER BY id DESC LIMIT 1")
  row "WAL of a step of a 10-step chain" "$bytes B" "" "$bytes" 500 350 -
}

joborch_pids()
{
  db -c "SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'joborch%' AND backend_type LIKE '%${1:-}'"
}

# Prints "round pid ticks" of every joborch process each tenth of a second until killed:
# so the ticks of processes that leave meanwhile are known too.
sample_cpu()
{
  local pid round

  for ((round = 0; ; round++)); do
    for pid in $(joborch_pids); do
      awk -v round="$round" -v pid="$pid" '{ sub(/.*\) /, ""); print round, pid, $12 + $13 }' "/proc/$pid/stat" 2>/dev/null || true
    done
    sleep 0.1
  done
}

cpu_of()
{
  local title=$1 job=$2 runs=$3 steps=$4 sampler micros

  sample_cpu >"$work/cpu.samples" &
  sampler=$!
  sleep 0.5
  db -c "CALL measure('$job', $runs)"
  sleep 0.5
  kill "$sampler"
  wait "$sampler" 2>/dev/null || true
  micros=$(awk -v hertz="$(getconf CLK_TCK)" -v n=$((runs * steps)) '
    $1 == 0 { first[$2] = $3 } { last[$2] = $3 }
    END { for (p in last) sum += last[p] - first[p]; printf "%.1f", sum * 1e6 / hertz / n }' "$work/cpu.samples")
  row "$title" "$micros us" "" "$micros" 40 20 -
}

run_cpu()
{
  fresh_bench
  cpu_of "CPU of a one-step run" one "$(sized 100000)" 1
  cpu_of "CPU of a step of a 10-step chain" chain "$(sized 10000)" 10
}

run_memory()
{
  local pid kb

  fresh_bench
  db -c "CALL measure('one', $(sized 20000))" -c "CALL measure('chain', $(sized 2000))"
  pid=$(joborch_pids executor | head -n 1)
  kb=$(awk '/^RssAnon/ { print $2 }' "/proc/$pid/status")
  row "private memory of a warm executor" "$(calc %.1f "$kb / 1024") MB" "" "$(calc %.1f "$kb / 1024")" 12 6 -
}

# "pid switches" of every joborch process.
switches()
{
  local pid

  for pid in $(joborch_pids); do
    awk -v pid="$pid" '/^voluntary_ctxt_switches/ { print pid, $2 }' "/proc/$pid/status" 2>/dev/null || true
  done
}

# Idle is when the executors have left too, after joborch.executor_idle_timeout.
run_idle()
{
  local rate

  fresh_bench
  for _ in $(seq 90); do
    [ -n "$(joborch_pids executor)" ] || break
    sleep 1
  done
  sleep 2
  switches >"$work/idle.before"
  sleep "$idle_seconds"
  switches >"$work/idle.after"
  rate=$(awk -v seconds="$idle_seconds" 'NR == FNR { before[$1] = $2; next } $1 in before { sum += $2 - before[$1] }
    END { printf "%.3f", sum / seconds }' "$work/idle.before" "$work/idle.after")
  row "idle: wake-ups a second, all processes" "$rate" "$idle_seconds s" "$rate" 0.1 0.02 -
}

# The leaf alone, without a server.
run_cron()
{
  local name expression rate leafs=

  for name in civil cron cronnext words; do leafs+=" $work/src/src/$name.c"; done
  gcc -O2 -std=gnu99 -w -DJO_LEAF_STANDALONE -I "$work/src/test/unit" -I "$work/src/src" -o "$work/cron" \
    "$work/src/bench/cron.c" $leafs "$work/src/test/unit/shim.c"
  while IFS='|' read -r name expression rate; do
    row "next time of cron, $name" "$(calc %.1f "$rate / 1e6") M/s" "$expression" "$(calc %.1f "$rate / 1e6")" 1 10 +
  done < <("$work/cron")
}

durable_commit()
{
  "$pg_bin/pgbench" -n -M prepared -c 1 -T 2 -f "$work/floor.sql" -h "$sock" -p 5432 -U postgres bench 2>/dev/null |
    sed -n 's/^latency average = \(.*\)/\1/p'
}

machine()
{
  local model

  model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
  echo "$(nproc) x ${model:-$(uname -m)}, $(awk '/^MemTotal/ { printf "%.0f GB", $2 / 1048576 }' /proc/meminfo), Linux $(uname -r)," \
    "PostgreSQL $("$pg_config" --version | sed 's/PostgreSQL //'), joborch $(sed -n "s/^default_version = '\(.*\)'/\1/p" "$root/joborch.control")"
}

print_table()
{
  local line

  echo
  echo "$(machine)"
  echo "a durable commit of one client takes $commit_time; sizes 1/$scale; $(date -u +%Y-%m-%d)"
  echo
  {
    echo "measure|value|against|figure|at least|aim|"
    for line in "${rows[@]}"; do echo "$line"; done
  } | awk -F'|' '
    { for (i = 1; i <= 7; i++) { cell[NR, i] = $i; if (length($i) > width[i]) width[i] = length($i) } }
    END {
      for (r = 1; r <= NR; r++) {
        for (i = 1; i <= 7; i++) printf "| %-*s ", width[i], cell[r, i]
        print "|"
        if (r == 1) { for (i = 1; i <= 7; i++) { printf "|"; for (k = 0; k < width[i] + 2; k++) printf "-" } print "|" }
      }
    }'
}

"$root/scripts/deps.sh" demo
load_pg
work_dir "${JOBORCH_WORK:-bench}"
trap 'stop_http_servers; server_stop' EXIT
say "building, starting a private server"
build_private
server_start "$work/src/bench/bench.conf"
echo "INSERT INTO floor_table VALUES (1);" >"$work/floor.sql"
fresh_bench
commit_time=$(durable_commit)
for measure in $chosen; do
  say "$measure"
  "run_${measure//-/_}"
done
print_table
