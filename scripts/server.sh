#!/bin/bash
# A private, throw-away server: server.sh start|stop|psql|url|log NAME [arguments]
#
#   start NAME [file]   build, install under build/NAME, start (file: more settings)
#   psql NAME [args]    psql on it, started if it is not running (database NAME by default)
#   url NAME [database] how to connect
#   stop NAME           stop it; its data stay
#   stop-all            stop every private server of this checkout and remove build/
#
# JOBORCH_TEST=1 makes a test build (debug points, movable clock, assertions).

. "$(dirname "$0")/common.sh"

start()
{
  load_pg
  work_dir "$1"
  build_private ${JOBORCH_TEST:+JOBORCH_TEST=$JOBORCH_TEST}
  server_start "${2:-}"
}

open_psql()
{
  local name=$1

  shift
  load_pg
  [ -e "$root/build/$name/data/ready" ] || die "there is no server '$name' yet; run: make demo"
  work_dir "$name"
  server_running || server_start
  if [ $# = 0 ]; then
    set -- -d "$(sql -d postgres -c "SELECT coalesce((SELECT datname FROM pg_database WHERE datname = '$name'), 'postgres')")"
  fi
  exec "$pg_bin/psql" -h "$sock" -p 5432 -U postgres "$@"
}

stop_all()
{
  local data name

  for data in "$root"/build/*/data/ready; do
    [ -e "$data" ] || continue
    load_pg
    name=$(basename "${data%/data/ready}")
    (
      work_dir "$name"
      server_stop
      cd /
      rm -rf "$sock" "$work"
      rmdir --ignore-fail-on-non-empty "$(dirname "$work")"
    )
  done
  rm -rf "$root/build"
}

command=${1:-}
[ $# = 0 ] || shift
case $command in
  start) [ $# -ge 1 ] || die "start which server?"; start "$@" ;;
  stop) [ $# -ge 1 ] || die "stop which server?"
    [ ! -e "$root/build/$1/data/ready" ] || { load_pg; work_dir "$1"; server_stop; } ;;
  psql) [ $# -ge 1 ] || die "psql on which server?"; open_psql "$@" ;;
  url) [ $# -ge 1 ] || die "url of which server?"; load_pg; work_dir "$1"; server_url "${2:-$1}" ;;
  stop-all) stop_all ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
