# When the server has no place for another process, steps wait.  joborch.waiting
# says for what and which setting to raise; nothing fails, and the work goes on as
# soon as there is room.  However few executors there are, everybody's turn comes.
use strict;
use warnings;

use JoborchTest;
use Test::More;

# ---- no place in max_worker_processes ----

my $node = joborch_node('limits', conf => "max_worker_processes = 4\njoborch.max_executors = 1\n");

$node->safe_psql('postgres', 'CREATE DATABASE one');
create_extension($node, 'one');
wait_until($node, 'postgres', "SELECT count(*) = 2 FROM pg_stat_activity WHERE backend_type = 'joborch dispatcher'");

# launcher, two dispatchers and the server's own launcher of subscribers take all four
my $run = $node->safe_psql('one', "SELECT joborch.start_sql('SELECT 1')");
wait_until($node, 'one', "SELECT EXISTS (SELECT FROM joborch.waiting
    WHERE reason ~ 'worker' AND next_command ~ 'max_worker_processes')");
is($node->safe_psql('one', "SELECT status FROM joborch.run_steps($run)"), 'queued', 'a step without a place for its process waits');
check_invariants($node, 'one');
$node->safe_psql('postgres', 'DROP EXTENSION joborch CASCADE');
is(wait_for_run($node, 'one', $run), 'completed', 'and runs when another process has left');
is($node->safe_psql('one', 'SELECT count(*) FROM joborch.waiting'), '0', 'then nothing is said to wait');

# ---- one executor for all ----

$node->append_conf('postgresql.conf', "max_worker_processes = 32\n");
$node->restart;
$node->safe_psql('postgres', 'DROP SCHEMA IF EXISTS test CASCADE');
create_extension($node, 'postgres');
for my $role (qw(ann bob))
{
    $node->safe_psql('postgres', "CREATE ROLE $role LOGIN; SELECT joborch.grant_usage('$role')");
    $node->safe_psql('postgres', "SET ROLE $role;
        SELECT joborch.create_job('job of $role', '{\"steps\": [{\"name\": \"s\", \"sql\": \"SELECT pg_sleep(0.002)\"}]}')");
}

sub names_of
{
    return $node->safe_psql('postgres',
        "SELECT string_agg(DISTINCT usename, ', ') FROM pg_stat_activity WHERE backend_type = 'joborch executor'");
}

# his executor is warm, hers has to take its place
$run = $node->safe_psql('postgres', "SELECT joborch.start('job of bob')");
is(wait_for_run($node, 'postgres', $run), 'completed', 'one role is served');
is(names_of(), 'bob', 'and its executor stays warm');
$run = $node->safe_psql('postgres', "SELECT joborch.start('job of ann')");
is(wait_for_run($node, 'postgres', $run), 'completed', 'with joborch.max_executors = 1 another role is served too');
is(names_of(), 'ann', 'in the place of the idle one');

# the same with another database
$run = $node->safe_psql('one', "SELECT joborch.start_sql('SELECT 1')");
is(wait_for_run($node, 'one', $run), 'completed', 'and another database');

# he has much to do when she comes, and neither waits for the other's end
$node->safe_psql('postgres', "SELECT count(*) FROM joborch.start_many('job of bob', 1000)");
wait_until($node, 'postgres', "SELECT EXISTS (SELECT FROM joborch.job_runs WHERE job = 'job of bob' AND status = 'completed')");
$run = $node->safe_psql('postgres', "SELECT joborch.start('job of ann')");
is(wait_for_run($node, 'postgres', $run), 'completed', 'a role is served');
cmp_ok($node->safe_psql('postgres', "SELECT count(*) FROM joborch.active_runs WHERE job = 'job of bob'"), '>', 0,
    'while another still has a backlog');
check_invariants($node, 'postgres');
check_invariants($node, 'one');

$node->stop;
done_testing();
