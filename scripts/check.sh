#!/bin/bash
# All tests on a private server: check.sh [regress|isolation|tap|pgtap|unit|lint ...]
#
# The sources are copied to build/check and built there with JOBORCH_TEST, so
# neither the checkout nor an installed server is touched.  T="name ..." picks
# tests of one kind; JOBORCH_WORK names another directory than build/check, so that
# several checks can run at a time.  Each runner's own words are printed; the
# last line sums up.

. "$(dirname "$0")/common.sh"

all_kinds="lint unit regress isolation pgtap tap"
kinds=${*:-$all_kinds}
for kind in $kinds; do
  case " $all_kinds " in *" $kind "*) ;; *) die "no tests of kind '$kind'; kinds: $all_kinds" ;; esac
done

# The names of T, else those of all files that match; none at all is a failure.
chosen()
{
  local pattern=$1 suffix=$2 file

  if [ -n "${T:-}" ]; then
    echo $T
    return
  fi
  for file in $pattern; do
    [ -e "$file" ] && basename "$file" "$suffix"
  done
}

need_tests()
{
  [ -n "$1" ] || { echo "there is no test of this kind"; return 1; }
}

# A database with the extension.
fresh_database()
{
  sql -d postgres -c "SET client_min_messages = warning" -c "DROP DATABASE IF EXISTS $1 WITH (FORCE)" -c "CREATE DATABASE $1" &&
    sql -d "$1" -c "SET client_min_messages = warning" -c "CREATE EXTENSION joborch"
}

# What test builds offer to tests, and the tests' own helpers; nothing of it for PUBLIC, as
# tests look at what is granted.
load_debug_functions()
{
  sql -d "$1" -f test/debug_functions.sql >/dev/null &&
    sql -d "$1" >/dev/null <<'END'
SELECT format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', oid::regprocedure) FROM pg_proc
WHERE pronamespace = 'joborch_internal'::regnamespace AND proname LIKE 'debug\_%' \gexec
END
}

# What joborch itself thinks of the state that the tests left.
invariants_hold()
{
  local found

  found=$(sql -d "$1" -c "SELECT * FROM joborch.check()") || return 1
  [ -z "$found" ] || { echo "joborch.check() finds in $1:"; echo "$found"; return 1; }
}

server_env()
{
  as_server env PGHOST="$sock" PGPORT=5432 PGUSER=postgres PATH="$pg_bin:$PATH" LC_ALL=C.UTF-8 JOBORCH_NPM="$modules" \
    PGISOLATIONTIMEOUT="${PGISOLATIONTIMEOUT:-60}" "$@"
}

# run_regress DIRECTORY PROGRAM INPUT TESTS: pg_regress and its sister.
run_regress()
{
  local name=$1 program=$2 input=$3 tests=$4 options=

  need_tests "$tests" && fresh_database "$name" || return 1
  load_debug_functions "$name" || return 1
  ! "$program" --help | grep -q -- --expecteddir || options=--expecteddir=$input
  as_server rm -rf "$work/$name" && as_server mkdir "$work/$name" || return 1
  if ! server_env "$program" --bindir="$pg_bin" --inputdir="$input" $options --outputdir="$work/$name" \
    --host="$sock" --port=5432 --user=postgres --dbname="$name" --use-existing $tests; then
    [ ! -s "$work/$name/regression.diffs" ] || head -n 300 "$work/$name/regression.diffs"
    return 1
  fi
  invariants_hold "$name"
}

test_regress()
{
  run_regress regress "$pg_lib/pgxs/src/test/regress/pg_regress" . "$(chosen 'sql/*.sql' .sql)"
}

test_isolation()
{
  run_regress isolation "$pg_lib/pgxs/src/test/isolation/pg_isolation_regress" test/isolation \
    "$(chosen 'test/isolation/specs/*.spec' .spec)"
}

test_pgtap()
{
  local tests

  tests=$(chosen 'test/pgtap/*.sql' .sql)
  need_tests "$tests" && fresh_database pgtap && load_debug_functions pgtap && sql -d pgtap -c "CREATE EXTENSION pgtap" || return 1
  server_env pg_prove --dbname pgtap --timer $(printf 'test/pgtap/%s.sql ' $tests) && invariants_hold pgtap
}

# Node's module for PostgreSQL: Debian's package, else (with a node from elsewhere) what npm brings.
need_node_pg()
{
  as_server env NODE_PATH="$work/node/node_modules" node -e 'require("pg")' 2>/dev/null && return
  npm install --silent --no-save --no-package-lock --prefix "$work/node" pg >"$work/npm.log" 2>&1 ||
    { tail -n 5 "$work/npm.log"; echo "node does not find its module pg"; return 1; }
}

test_tap()
{
  local tests

  tests=$(chosen 'test/t/*.pl' .pl)
  need_tests "$tests" && as_server rm -rf "$work/tap" && as_server mkdir "$work/tap" || return 1
  case " $(echo $tests) " in *" 340_external "*) need_node_pg || return 1 ;; esac
  private_settings | cat - test/joborch.conf | as_server tee "$work/tap/joborch.conf" >/dev/null
  if ! server_env TESTDIR="$work/tap" TESTDATADIR="$work/tap/tmp_check" TESTLOGDIR="$work/tap/log" \
    PG_REGRESS="$pg_lib/pgxs/src/test/regress/pg_regress" PG_TEST_TIMEOUT_DEFAULT="${PG_TEST_TIMEOUT_DEFAULT:-60}" \
    JOBORCH_TEST_CONF="$work/tap/joborch.conf" NODE_PATH="$work/node/node_modules" prove -j 2 --timer --failures \
    -I "$pg_lib/pgxs/src/test/perl" -I test/t $(printf 'test/t/%s.pl ' $tests); then
    tail_logs
    return 1
  fi
}

# What the tests that failed wrote last.
tail_logs()
{
  local test

  for test in $(sed -n 's/^test\/t\/\([^ ]*\)\.pl .*(Wstat.*/\1/p' "$work/tap.log"); do
    echo "--- $test"
    find "$work/tap" -name "regress_log_$test" -exec grep -A 8 -E 'not ok|timed out|died at|Bail out' {} \; | head -n 80
  done
}

test_unit()
{
  [ -e test/unit/Makefile ] || need_tests "" || return 1
  server_env make -s -C test/unit check
}

test_lint()
{
  server_env test/lint/run
}

# Runs one kind; says everything when it fails, else how its runner ended.
run_kind()
{
  local kind=$1 log=$work/$1.log start=$SECONDS

  printf -- '-- %s\n' "$kind"
  if (cd "$work/src" && "test_$kind") >"$log" 2>&1; then
    grep -v '^=*$' "$log" | tail -n 4
    summary="$summary $kind ok ($((SECONDS - start)) s),"
  else
    tail -n 400 "$log"
    summary="$summary $kind FAILED,"
    failed=1
  fi
}

"$root/scripts/deps.sh" check
load_pg
work_dir "${JOBORCH_WORK:-check}"
modules=$(dirname "$work")/npm
"$root/scripts/npm.sh" "$modules"
trap 'server_stop' EXIT
build_private JOBORCH_TEST=1
server_stop
rm -f "$work/server.log"
server_start "$work/src/test/joborch.conf"

failed=0
summary=
for kind in $kinds; do
  run_kind "$kind"
done
if [ "$failed" != 0 ]; then
  echo "-- the server's last words"
  grep -E 'PANIC|FATAL|TRAP|terminated by signal' "$work/server.log" | grep -v 'administrator command' | tail -n 15 || true
fi
summary=${summary# }
[ "$failed" = 0 ] && verdict=passed || verdict=FAILED
echo "check $verdict on PostgreSQL $pg_version in $SECONDS s: ${summary%,}"
exit "$failed"
