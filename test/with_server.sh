#!/bin/bash
# Runs a command beside a throw-away server: with_server.sh COMMAND [arguments]
#
# The server is a test build (debug points, movable clock) of this checkout with
# joborch preloaded and a database named test; PGHOST, PGPORT, PGUSER and
# PGDATABASE lead to it.  The command runs as the server's user in a copy of the
# sources.  JOBORCH_WORK names the directory under build/ (default: test);
# KEEP=1 leaves the server running.

. "$(dirname "$0")/../scripts/common.sh"

[ $# -gt 0 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
load_pg
work_dir "${JOBORCH_WORK:-test}"
[ "${KEEP:-0}" = 1 ] || trap 'server_stop' EXIT
build_private JOBORCH_TEST=1
server_start "$work/src/test/joborch.conf"
sql -d postgres -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS test WITH (FORCE)" -c "CREATE DATABASE test"
sql -d test -c "SET client_min_messages = warning" -c "CREATE EXTENSION joborch"
[ ! -e "$work/src/test/debug_functions.sql" ] || sql -d test -f "$work/src/test/debug_functions.sql" >/dev/null
cd "$work/src"
as_server env PGHOST="$sock" PGPORT=5432 PGUSER=postgres PGDATABASE=test PATH="$pg_bin:$PATH" "$@"
