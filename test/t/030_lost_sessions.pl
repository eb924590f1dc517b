# A step may take its own session down, or the whole server.  That is an attempt
# that failed, with the error kept, and counts as one: no step is tried for ever,
# and the runs beside it go on.
use strict;
use warnings;

use JoborchTest;
use Test::More;

my $node = joborch_node('lost_sessions', conf => "joborch.max_crashes = 2\n");

# Runs one step to its end; returns "attempts: status sqlstate message".
sub fate
{
    my ($sql, $retry) = @_;
    my $definition = sprintf '{"steps": [{"name": "s", "sql": %s, "retry": {"max_attempts": %d, "initial": "10 ms"}}]}',
      $node->safe_psql('postgres', "SELECT to_json(\$sql\$$sql\$sql\$::text)"), $retry;
    my $run = $node->safe_psql('postgres', "SELECT joborch.start_definition(\$d\$$definition\$d\$)");

    wait_for_run($node, 'postgres', $run);
    return $node->safe_psql('postgres', "SELECT attempts || ': ' || status || ' ' || (error ->> 'sqlstate') || ' '
        || (error ->> 'message') FROM joborch.run_steps($run)");
}

# ---- its session ----

is( fate('SELECT pg_terminate_backend(pg_backend_pid())', 1),
    '1: failed 57P01 terminating background worker "joborch executor" due to administrator command',
    'a step that terminates its own backend fails');
is( fate('SELECT pg_terminate_backend(pg_backend_pid())', 3),
    '3: failed 57P01 terminating background worker "joborch executor" due to administrator command',
    'and has no more attempts than its retry says');
arm_point($node, 'postgres', 'here', 'exit', 2);
is( fate("SELECT joborch_internal.debug_pass('here')", 2),
    '2: failed XX000 debug point "here" ended the process',
    'a step that raises FATAL fails with its error');
like(fate("SELECT length(repeat('x', (1 << 30) - 1) || 'xxxxx')", 1),
    qr/^1: failed (54000|53200|XX000) /, 'a value that is too large is an error');
like(fate("SELECT repeat('x', 1 << 30)", 2), qr/^2: failed (54000|53200|XX000) /, 'at each attempt');
like(fate('SELECT array_fill(0, ARRAY[1 << 28])', 1), qr/^1: failed (54000|53200|XX000) /, 'arrays too');
is( fate('SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(1)', 1),
    '1: failed 57014 canceling statement due to user request',
    'a step that cancels its own statement fails');

# ---- not its own doing ----

$node->safe_psql('postgres', 'CREATE TABLE gate ()');
my $run = $node->safe_psql('postgres', <<'SQL');
SELECT joborch.start_sql($$SELECT pg_sleep(600) FROM pg_class WHERE relname = 'gate'$$)
SQL
for (1 .. 3)
{
    wait_until($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity
        WHERE backend_type = 'joborch executor' AND wait_event = 'PgSleep'");
    $node->safe_psql('postgres', "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE backend_type = 'joborch executor' AND wait_event = 'PgSleep'");
}
$node->safe_psql('postgres', 'DROP TABLE gate');
wait_until($node, 'postgres', "SELECT count(*) = 1 FROM pg_stat_activity
    WHERE backend_type = 'joborch executor' AND wait_event = 'PgSleep'");
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE backend_type = 'joborch executor' AND wait_event = 'PgSleep'");
is(wait_for_run($node, 'postgres', $run), 'completed', 'a step whose session an administrator terminated runs again');
is($node->safe_psql('postgres', "SELECT attempts FROM joborch.run_steps($run)"), '1', 'and is not charged for it');
check_invariants($node, 'postgres');

# ---- the server ----

create_load_jobs($node, 'postgres');
my $offset = -s $node->logfile;
my $killer = $node->safe_psql('postgres', <<'SQL');
SELECT joborch.start_sql($$COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'$$)
SQL
start_load($node, 'postgres', 10);
is(wait_for_run($node, 'postgres', $killer), 'failed', 'a step that crashes the server ends failed');
like($node->safe_psql('postgres', "SELECT (error ->> 'sqlstate') || ' ' || (error ->> 'message') || ' ' || (error ->> 'category')
        FROM joborch.run_steps($killer)"),
    qr/^JO013 the server crashed \d times while this step ran resource$/, 'and says why');
my $crashes = () = substr(slurp_log($node), $offset) =~ /all server processes terminated; reinitializing/g;
cmp_ok($crashes, '<=', 3, 'after joborch.max_crashes crashes, one of them before the server was careful');
check_load($node, 'postgres', 'the other runs went on');

# the same, slowly: a step older than a second has a mark without any crash before it
$node->safe_psql('postgres', "ALTER SYSTEM SET joborch.mark_running_after = '50 ms'");
$node->restart;
$offset = -s $node->logfile;
$killer = $node->safe_psql('postgres', <<'SQL');
SELECT joborch.start_sql($$SELECT pg_sleep(0.3); COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'$$)
SQL
is(wait_for_run($node, 'postgres', $killer), 'failed', 'a long step that crashes the server ends failed');
$crashes = () = substr(slurp_log($node), $offset) =~ /all server processes terminated; reinitializing/g;
is($crashes, 2, 'after exactly joborch.max_crashes crashes');
check_invariants($node, 'postgres');

sub slurp_log
{
    return PostgreSQL::Test::Utils::slurp_file($_[0]->logfile);
}

$node->stop;
done_testing();
