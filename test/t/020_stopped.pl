# A server may be stopped at any time.  With -m immediate nothing of the load is lost
# or done twice; with -m fast a running step is interrupted, which it is not
# charged for, and goes on after the start.
use strict;
use warnings;

use JoborchTest;
use Test::More;
use Time::HiRes qw(time);

my $node = joborch_node('stopped');
create_load_jobs($node, 'postgres');

# ---- immediate, in the middle of it ----

for my $round (1 .. 3)
{
    start_load($node, 'postgres', 100);
    wait_until($node, 'postgres', "SELECT count(*) > 20 * $round FROM effect");
    $node->stop('immediate');
    $node->start;
}
check_load($node, 'postgres', 'immediate shutdown under load: each effect exactly once, each run ended');
is($node->safe_psql('postgres', 'SELECT count(*) FROM joborch.job_runs'), '900', 'no committed start is lost');
check_invariants($node, 'postgres');

# ---- fast, with a step in flight ----

$node->safe_psql('postgres', 'CREATE TABLE gate ()');
$node->safe_psql('postgres', <<'SQL');
SELECT joborch.create_job('long', '{"steps": [
    {"name": "before", "sql": "INSERT INTO effect VALUES ({{ run.id }}, ''before'')"},
    {"name": "long", "sql": "INSERT INTO effect VALUES ({{ run.id }}, ''long''); SELECT pg_sleep(CASE WHEN EXISTS (SELECT FROM pg_class WHERE relname = ''gate'') THEN 600 ELSE 0 END)"},
    {"name": "after", "sql": "INSERT INTO effect VALUES ({{ run.id }}, ''after'')"}]}');
SQL
my $run = $node->safe_psql('postgres', "SELECT joborch.start('long')");
wait_until($node, 'postgres', "SELECT status = 'running' FROM joborch.run_steps($run) WHERE step = 'long'");

my $begun = time();
$node->stop('fast');
cmp_ok(time() - $begun, '<', 5, 'pg_ctl stop -m fast does not wait for a running step');

# the same step again, now with a restart while it is older than a second and so marked
$node->start;
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM joborch_internal.marks');
$node->restart;
wait_until($node, 'postgres', "SELECT status = 'running' FROM joborch.run_steps($run) WHERE step = 'long'");
is($node->safe_psql('postgres', "SELECT coalesce(sum(crashes), 0) FROM joborch_internal.marks"), '0',
    'an orderly stop is no crash');
$node->stop('fast');
$node->start;

# let go: the interrupted attempts are no attempts
$node->safe_psql('postgres', 'DROP TABLE gate');
$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE backend_type = 'joborch executor' AND wait_event = 'PgSleep'");
is(wait_for_run($node, 'postgres', $run), 'completed', 'the run goes on after the start');
is( $node->safe_psql('postgres', "SELECT string_agg(step || ' ' || attempts, ', ') FROM joborch.run_steps($run)"),
    'before 1, long 1, after 1',
    'stops and an administrator\'s pg_terminate_backend() are not charged');
is( $node->safe_psql('postgres', "SELECT string_agg(step, ', ' ORDER BY step) FROM effect WHERE run_id = $run"),
    'after, before, long', 'and each step happened once');
check_invariants($node, 'postgres');

# ---- what is due while the server is down ----

$run = $node->safe_psql('postgres', "SELECT joborch.start('single', run_at => now() + interval '1 s')");
$node->stop('fast');
$node->start;
is(wait_for_run($node, 'postgres', $run), 'completed', 'a run that was due while the server was down runs after it');
check_invariants($node, 'postgres');

$node->stop;
done_testing();
