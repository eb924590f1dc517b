# Databases come and go while the processes of joborch are in them.  The extension
# is found by itself, in every database; no statement on a database waits for a
# process of ours or fails because of it; a database without it has none; and what
# came with a copy waits until somebody says that it is to run here.
use strict;
use warnings;

use JoborchTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = joborch_node('databases');

sub run_one
{
    my ($database, $name) = @_;
    my $run = $node->safe_psql($database, "SELECT joborch.start_sql('SELECT 1')");

    is(wait_for_run($node, $database, $run), 'completed', $name);
    return;
}

# Everything of joborch that is connected to a database.
sub processes_of
{
    my ($database) = @_;

    return "SELECT string_agg(DISTINCT backend_type, ', ') FROM pg_stat_activity
        WHERE backend_type LIKE 'joborch %' AND datname = '$database'";
}

# One test: a statement on a database that our processes are in.
sub passes
{
    my ($sql, $name) = @_;
    my $begun = time();
    my ($stdout, $stderr);

    $node->psql('postgres', $sql, stdout => \$stdout, stderr => \$stderr);
    is($stderr, '', $name);
    cmp_ok(time() - $begun, '<', 4, '... at once');
    return;
}

# ---- found by itself ----

$node->safe_psql('postgres', 'CREATE DATABASE bare');
$node->safe_psql('postgres', 'CREATE DATABASE one');
create_extension($node, 'one');
run_one('one', 'CREATE EXTENSION in a new database is found by itself');
wait_until($node, 'postgres', processes_of('one'), 'joborch dispatcher, joborch executor');
is(try_value($node, 'postgres', processes_of('bare')), '', 'a database without the extension has no process of ours');
$node->safe_psql('postgres', 'CREATE SCHEMA other');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity
        WHERE backend_type LIKE 'joborch %' AND datname IN ('template1', 'bare')"), '0', 'nor has template1');

# ---- statements that want a database for themselves ----

passes('ALTER DATABASE one RENAME TO two', 'ALTER DATABASE RENAME while our processes are there');
run_one('two', 'its jobs go on under the new name');

$node->safe_psql('two', "SELECT joborch.create_job('later', '{\"steps\": [{\"name\": \"s\", \"sql\": \"SELECT 1\"}]}')");
my $pending = $node->safe_psql('two', "SELECT joborch.start('later', run_at => now() + interval '1 second')");
passes('CREATE DATABASE copy TEMPLATE two', 'CREATE DATABASE .. TEMPLATE of a database that our processes are in');
run_one('two', 'its jobs go on');
is(wait_for_run($node, 'two', $pending), 'completed', 'also those that were pending');

my $busy = $node->safe_psql('two', "SELECT joborch.start_sql('SELECT pg_sleep(600)')");
wait_until($node, 'two', "SELECT status = 'running' FROM joborch.run_steps($busy)");
passes('DROP DATABASE two', 'DROP DATABASE while a step runs there');

# dropped and made again under the same name
$node->safe_psql('postgres', 'CREATE DATABASE two');
create_extension($node, 'two');
run_one('two', 'a new database of the same name');
passes('DROP DATABASE two', 'and without WITH (FORCE) again');

# ---- a copy waits until it is adopted ----

wait_until($node, 'copy', "SELECT EXISTS (SELECT FROM joborch.waiting WHERE next_command LIKE '%adopt_database%')");
my $held = $node->safe_psql('copy', "SELECT joborch.start_sql('SELECT 1')");
is($node->safe_psql('copy', "SELECT string_agg(DISTINCT status, ', ') FROM joborch.job_runs
        WHERE run_id IN ($pending, $held)"), 'pending', 'in a copy nothing runs');
like($node->safe_psql('copy', "SELECT string_agg(reason || ': ' || next_command, E'\\n') FROM joborch.waiting"),
    qr/SELECT joborch\.adopt_database\(\)/, 'joborch.waiting says what to type');
$node->safe_psql('copy', 'SELECT joborch.adopt_database()');
is(wait_for_run($node, 'copy', $held), 'completed', 'adopted, it runs what was started there');
is(wait_for_run($node, 'copy', $pending), 'completed', 'and what came with the copy');
check_invariants($node, 'copy');

# ---- a dump ----

my $dump = "$PostgreSQL::Test::Utils::tmp_check/copy.sql";
$node->safe_psql('copy', <<'SQL');
CREATE TABLE effect (run_id bigint, step text);
SELECT joborch.create_job('gated', '{"steps": [
    {"name": "before", "sql": "INSERT INTO effect VALUES ({{ run.id }}, ''before'')"},
    {"name": "gate", "sql": "SELECT 1 / count(*) FROM effect WHERE step = ''open''", "retry": {"max_attempts": 100, "initial": "1 h"}},
    {"name": "after", "sql": "INSERT INTO effect VALUES ({{ run.id }}, ''after'')"}]}');
SQL
my $dumped = $node->safe_psql('copy', "SELECT joborch.start('gated')");
wait_until($node, 'copy', "SELECT status = 'retrying' FROM joborch.run_steps($dumped) WHERE step = 'gate'");
run_one('copy', 'a run that is finished before the dump');
$node->command_ok([ 'pg_dump', '-f', $dump, $node->connstr('copy') ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $node->connstr('restored') ], 'restore');

wait_until($node, 'restored', "SELECT EXISTS (SELECT FROM joborch.waiting WHERE next_command LIKE '%adopt_database%')");
is($node->safe_psql('restored', 'SELECT run_id, job, status FROM joborch.job_runs'), "$dumped|gated|running",
    'unfinished runs come with a dump, history does not');
is($node->safe_psql('restored', "SELECT string_agg(step || ' ' || status, ', ') FROM joborch.run_steps($dumped)"),
    'before completed, gate retrying, after pending', 'with what they have done');
$node->safe_psql('restored', "INSERT INTO effect VALUES (0, 'open')");
$node->safe_psql('restored', 'UPDATE joborch_internal.timers SET due = now(); UPDATE joborch_internal.attempt SET retry_at = now()');
$node->safe_psql('restored', 'SELECT joborch.adopt_database()');
is(wait_for_run($node, 'restored', $dumped), 'completed', 'adopted, they go on');
is($node->safe_psql('restored', "SELECT string_agg(step, ', ' ORDER BY step) FROM effect WHERE run_id = $dumped"),
    'after, before', 'from where they were');
run_one('restored', 'new runs get ids of their own');
check_invariants($node, 'restored');

# a dump of another cluster, of a database that has the same oid there
$node->safe_psql('restored', "INSERT INTO joborch_internal.instance
    SELECT 42, oid, true FROM pg_database WHERE datname = current_database()");
wait_until($node, 'restored', "SELECT EXISTS (SELECT FROM joborch.waiting WHERE next_command LIKE '%adopt_database%')");
$node->safe_psql('restored', 'SELECT joborch.adopt_database()');
run_one('restored', 'rows of another cluster are held until they are adopted');

# ---- the extension goes and comes back ----

$node->safe_psql('restored', 'SET client_min_messages = error; DROP EXTENSION joborch CASCADE');
wait_until($node, 'postgres', processes_of('restored'), '');
pass('when the extension is dropped from a quiet database our processes leave it');

create_load_jobs($node, 'postgres');
start_load($node, 'postgres', 30);
$node->safe_psql('postgres', "SELECT joborch.start_sql('SELECT pg_sleep(600)')");
wait_until($node, 'postgres', "SELECT EXISTS (SELECT FROM pg_stat_activity
    WHERE backend_type = 'joborch executor' AND wait_event = 'PgSleep')");
passes('SET client_min_messages = error; DROP EXTENSION joborch CASCADE', 'DROP EXTENSION while its runs are in flight');
wait_until($node, 'postgres', processes_of('postgres'), '');
$node->safe_psql('postgres', 'DROP TABLE effect; DROP SCHEMA IF EXISTS test CASCADE');
create_extension($node, 'postgres');
create_load_jobs($node, 'postgres');
start_load($node, 'postgres', 10);
check_load($node, 'postgres', 'CREATE EXTENSION again: its runs run');
check_invariants($node, 'postgres');

$node->safe_psql('postgres', 'BEGIN; DROP EXTENSION joborch CASCADE; ROLLBACK');
run_one('postgres', 'a DROP EXTENSION that was rolled back changes nothing');

# ---- other encodings ----

for my $encoding ('LATIN1', 'SQL_ASCII')
{
    my $database = lc $encoding;

    $node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0");
    create_extension($node, $database);
    my $run = $node->safe_psql($database, <<'SQL');
SELECT joborch.start_definition('{"steps": [{"name": "s", "sql": "SELECT {{ input.word }}::text AS word, length({{ input.word }}::text) AS n"},
    {"name": "t", "sql": "SELECT {{ steps.s.row.word }}::text AS word"}]}', '{"word": "plain"}')
SQL
    is(wait_for_run($node, $database, $run), 'completed', "a job runs in a database with encoding $encoding");
    is($node->safe_psql($database, "SELECT output #>> '{rows,0,word}' FROM joborch.run_steps($run) WHERE step = 't'"),
        'plain', 'with its words');
    check_invariants($node, $database);
}
my $umlaut = $node->safe_psql('latin1', <<"SQL");
SET client_encoding = 'UTF8';
SELECT joborch.start_definition('{"steps": [{"name": "gr\x{c3}\x{b6}\x{c3}\x{9f}e", "sql": "SELECT length({{ input.word }}::text) AS n"}]}', '{"word": "gr\x{c3}\x{b6}\x{c3}\x{9f}e"}')
SQL
is(wait_for_run($node, 'latin1', $umlaut), 'completed', 'with letters that take two bytes in UTF-8');
is($node->safe_psql('latin1', "SELECT output #>> '{rows,0,n}' FROM joborch.run_steps($umlaut)"), '5', 'and one here');

$node->stop;
done_testing();
