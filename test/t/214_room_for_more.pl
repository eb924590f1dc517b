# A class that has an executor and needs one more gets the place of an idle one of
# another database as soon as that has left; it does not wait for its idle time-out.
use strict;
use warnings;

use JoborchTest;
use Test::More;

my $node = joborch_node('room', conf => <<'CONF');
joborch.max_executors = 3
joborch.executor_idle_timeout = '1 h'
joborch.recheck_interval = '1 h'
joborch.mark_running_after = '1 h'
CONF

$node->safe_psql('postgres', 'CREATE TABLE gate (open boolean)');
$node->safe_psql('postgres', 'CREATE DATABASE other');
create_extension($node, 'other');
$node->safe_psql('other', <<'SQL');
CREATE ROLE one LOGIN;
CREATE ROLE two LOGIN;
SELECT joborch.grant_usage('one'), joborch.grant_usage('two');
SQL
for my $role (qw(one two))
{
    my $run = $node->safe_psql('other', "SET ROLE $role; SELECT joborch.start_sql('SELECT 1')");
    is(wait_for_run($node, 'other', $run), 'completed', "role $role has an executor");
}

# each holds an executor until the gate is open
my $step = 'DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM gate) LOOP PERFORM pg_sleep(0.01); END LOOP; END $$';
$node->safe_psql('postgres', "SELECT joborch.start_sql('$step') FROM generate_series(1, 2)");
wait_until($node, 'postgres', "SELECT count(*) = 2 FROM joborch.workers WHERE run_id IS NOT NULL");
pass('both runs have an executor, the second in the place of an idle one');
$node->safe_psql('postgres', 'INSERT INTO gate VALUES (true)');
all_runs_final($node, 'postgres');
check_invariants($node, $_) for qw(postgres other);

$node->stop;
done_testing();
