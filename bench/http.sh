# Sourced by run.sh: the measure `http`, network steps against servers of its own on 127.0.0.1.

nginx_pid=
slow_pids=()

# Two programs of our own: libcurl with nothing around it, and a server that takes its time.
build_http_tools()
{
  cc -O2 -o "$work/multi" "$root/bench/multi.c" -lcurl && cc -O2 -o "$work/slow" "$root/bench/slow.c" || die "cannot compile bench/*.c"
}

find_nginx()
{
  command -v nginx || { [ -x /usr/sbin/nginx ] && echo /usr/sbin/nginx; } || die "the measure http needs nginx: run scripts/deps.sh bench"
}

# start_nginx: a private one, with one process as the courier is one; sets nginx_port.
start_nginx()
{
  local directory=$work/nginx program

  program=$(find_nginx)
  as_server mkdir -p "$directory"
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    nginx_port=$((20000 + RANDOM % 20000))
    as_server tee "$directory/nginx.conf" >/dev/null <<END
worker_processes 1;
daemon off;
pid $directory/nginx.pid;
error_log $directory/error.log;
worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_body_temp_path $directory/body;
  proxy_temp_path $directory/proxy;
  fastcgi_temp_path $directory/fastcgi;
  uwsgi_temp_path $directory/uwsgi;
  scgi_temp_path $directory/scgi;
  server {
    listen 127.0.0.1:$nginx_port backlog=4096;
    location / { default_type text/plain; return 200 "hello\n"; }
  }
}
END
    as_server "$program" -c "$directory/nginx.conf" -e "$directory/error.log" -p "$directory" >/dev/null 2>&1 &
    nginx_pid=$!
    sleep 0.5
    ! kill -0 "$nginx_pid" 2>/dev/null || return 0
  done
  tail -n 5 "$directory/error.log" >&2
  die "nginx does not start"
}

# start_slow VARIABLE: another slow server; the variable is its port.
start_slow()
{
  local file=$work/slow.port

  rm -f "$file"
  "$work/slow" >"$file" &
  slow_pids+=($!)
  until [ -s "$file" ]; do sleep 0.05; done
  printf -v "$1" '%s' "$(cat "$file")"
}

stop_http_servers()
{
  [ -z "$nginx_pid" ] || kill "$(cat "$work/nginx/nginx.pid" 2>/dev/null || echo "$nginx_pid")" 2>/dev/null || true
  [ ${#slow_pids[@]} = 0 ] || kill "${slow_pids[@]}" 2>/dev/null || true
  nginx_pid=
  slow_pids=()
}

# http_job NAME URL: a job of one step that gets it, from a host that may be reached.
http_job()
{
  db -c "SELECT joborch.allow_egress('postgres', '127.0.0.1', port => $(echo "$2" | sed 's/.*:\([0-9]*\).*/\1/'))" \
    -c "SELECT joborch.create_job('$1', '{\"steps\": [{\"name\": \"s\", \"url\": \"$2\", \"timeout\": \"10 min\"}]}')" >/dev/null
}

multi_rate() { "$work/multi" "http://127.0.0.1:$nginx_port/" "$(sized 40000)" 500; }

courier_ticks()
{
  local pid

  pid=$(joborch_pids courier)
  [ -z "$pid" ] && echo 0 || awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$pid/stat"
}

http_throughput()
{
  local n before steps ticks micros after mean

  n=$(sized 20000)
  http_job get "http://127.0.0.1:$nginx_port/"
  db -c "CALL measure('get', $((n / 10)))"
  before=$(multi_rate)
  ticks=$(courier_ticks)
  steps=$(rate get "$n" 1)
  micros=$(calc %.1f "($(courier_ticks) - $ticks) * 1000000 / $(getconf CLK_TCK) / $n")
  after=$(multi_rate)
  mean=$(calc %d "($before + $after) / 2")
  row "durable HTTP steps, against libcurl alone" "$steps/s" "libcurl $mean/s" "$(calc %.2f "$steps / $mean")" 0.3 0.6 +
  row "durable HTTP steps a second" "$steps/s" "$n runs" "$steps" 15000 35000 +
  row "CPU of the courier for each" "$micros us" "" "" "" "" -
}

http_slow_endpoint()
{
  local port steps

  start_slow port
  http_job late "http://127.0.0.1:$port/100"
  db -c "CALL measure('late', 1000)"
  steps=$(rate late "$(sized 50000)" 1)
  row "an endpoint that takes 100 ms, 500 at a time" "$steps/s" "ideal 5000/s" "$(calc %.2f "$steps / 5000")" 0.9 0.97 +
}

# cancel_hanging JOB,...: none of their runs is left.
cancel_hanging()
{
  db -c "SELECT count(*) FROM unnest('{$1}'::text[]) AS job, joborch.cancel_runs(jsonb_build_object('job', job), force => true)" >/dev/null
  until [ "$(db -c "SELECT count(*) FROM joborch_internal.live")" = 0 ]; do sleep 0.1; done
}

wait_for_open()
{
  until [ "$(db -c "SELECT count(*) FROM joborch_internal.attempt WHERE status = 'r'")" -ge "$1" ]; do sleep 0.1; done
}

http_open()
{
  local one two kb

  start_slow one
  start_slow two
  http_job hang1 "http://127.0.0.1:$one/hang"
  http_job hang2 "http://127.0.0.1:$two/hang"
  db -c "SELECT count(*) FROM joborch.start_many('hang1', 500)" -c "SELECT count(*) FROM joborch.start_many('hang2', 500)" >/dev/null
  wait_for_open 1000
  kb=$(awk '/^RssAnon/ { print $2 }' "/proc/$(joborch_pids courier)/status")
  row "private memory of a courier with 1000 open" "$(calc %.1f "$kb / 1024") MB" "" "$(calc %.1f "$kb / 1024")" 60 30 -
  cancel_hanging hang1,hang2
}

# Milliseconds from start() to the end of a run, the 99th of a hundred.
http_p99()
{
  db -c "CALL measure_ends('get', $(sized 1000))"
  db -c "SELECT round((percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM e.finished_at - r.created_at) * 1000))::numeric, 2)
    FROM joborch_internal.ends e JOIN joborch_internal.run r USING (run_id) WHERE r.run_id > (SELECT max(run_id) - $(sized 1000) FROM joborch_internal.run)"
}

http_slow_neighbour()
{
  local port alone beside

  start_slow port
  http_job hang "http://127.0.0.1:$port/hang"
  db -c "CALL measure_ends('get', 100)"
  alone=$(http_p99)
  db -c "SELECT count(*) FROM joborch.start_many('hang', 1000)" >/dev/null
  wait_for_open 500
  beside=$(http_p99)
  row "an HTTP step while 1000 hang at another host, p99" "$beside ms" "alone $alone ms" "$(calc %.2f "$beside / $alone")" 2 1.2 -
  cancel_hanging hang
}

run_http()
{
  "$root/scripts/deps.sh" bench
  build_http_tools
  start_nginx
  fresh_bench
  db -f "$work/src/bench/http.sql"
  http_throughput
  http_slow_endpoint
  http_open
  http_slow_neighbour
  stop_http_servers
}
