# Sourced by run.sh: how late schedules fire, one by one and many in the same second, and
# what those cost that are not due.

# lateness_of CONDITION: milliseconds from a time to the begin of its step: p50, p99, largest, how many.
lateness_of()
{
  db -F ' ' -c "SELECT round((percentile_cont(0.5) WITHIN GROUP (ORDER BY d))::numeric, 2),
      round((percentile_cont(0.99) WITHIN GROUP (ORDER BY d))::numeric, 2), round(max(d)::numeric, 2), count(*)
    FROM (SELECT extract(epoch FROM seen - due) * 1000 AS d FROM late WHERE $1) x"
}

# Times 40 ms apart, so that everything sleeps in between.
lateness_rows()
{
  local n p50 p99 largest count

  n=$(sized 510)
  db -c "SELECT count(joborch.schedule('one ' || i, 'late', at => now() + interval '2 s' + i * interval '40 ms')) FROM generate_series(1, $n) i" >/dev/null
  sleep $((3 + n / 25))
  read -r p50 p99 largest count < <(lateness_of "due < (SELECT min(due) FROM late) + interval '1 hour'")
  row "nominal time to step begins, p50" "$p50 ms" "$count samples" "$p50" 2 0.7 -
  row "nominal time to step begins, p99" "$p99 ms" "largest $largest ms" "$p99" 20 2 -
}

# All due at one time; begun and ended when.
many_rows()
{
  local n last

  n=$(sized 10000)
  db -c "TRUNCATE late" -c "SELECT count(joborch.schedule('many ' || i, 'late', at => date_trunc('second', now()) + interval '15 s')) FROM generate_series(1, $n) i" >/dev/null
  for _ in $(seq 120); do
    [ "$(db -c "SELECT count(*) FROM late")" -lt "$n" ] || break
    sleep 0.5
  done
  read -r _ _ last _ < <(lateness_of true)
  row "$n due at once: the last one begins after" "$last ms" "" "$last" 1000 500 -
}

# CPU time of the dispatcher in a minute, in ms.
idle_rows()
{
  local n pid before after tick

  n=$(sized 100000)
  db -c "SELECT count(joborch.schedule('idle ' || i, 'late', cron => '0 0 1 1 *')) FROM generate_series(1, $n) i" >/dev/null
  db -c "VACUUM" -c "CHECKPOINT"
  sleep 12
  pid=$(joborch_pids dispatcher | head -n 1)
  tick=$(getconf CLK_TCK)
  before=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
  sleep "$idle_seconds"
  after=$(awk '{ print $14 + $15 }' "/proc/$pid/stat")
  row "CPU of $n schedules that are not due, $idle_seconds s" "$(((after - before) * 1000 / tick)) ms" "" "$(((after - before) * 1000 / tick))" 100 20 -
}

run_schedule()
{
  fresh_bench
  db -c "CREATE TABLE late (due timestamptz, seen timestamptz)"
  db -c "SELECT joborch.create_job('late', '{\"steps\": [{\"name\": \"s\", \"sql\": \"INSERT INTO late VALUES ({{ schedule.fire_at }}::timestamptz, clock_timestamp())\"}]}')" >/dev/null
  lateness_rows
  many_rows
  idle_rows
}
