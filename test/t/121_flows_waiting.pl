# Runs that wait are in no memory and hold no process: there may be more of them than
# memory has room for active ones, nobody looks at them again and again, and each hears what is
# sent to it, be it in one transaction for all of them or after a restart.
use strict;
use warnings;

use JoborchTest;
use Test::More;

my $node = joborch_node('flows_waiting', conf => <<'CONF');
joborch.max_active_runs = 600
joborch.executor_idle_timeout = 300ms
joborch.recheck_interval = 1s
CONF
my $waiting = 2000;

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE effect (run_id bigint);
SELECT joborch.create_job('waits', '{"steps": [
    {"name": "go", "type": "wait_signal"},
    {"name": "after", "sql": "INSERT INTO effect VALUES ({{ run.id }})"}]}');
SELECT joborch.create_job('asks', '{"steps": [
    {"name": "may", "type": "approval", "timeout": "1 day"},
    {"name": "after", "sql": "INSERT INTO effect VALUES ({{ run.id }})"}]}');

-- The most executors that there are at a time within two and a half seconds.
CREATE FUNCTION executors_seen() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_most bigint := 0;
BEGIN
    FOR i IN 1 .. 125 LOOP
        v_most := greatest(v_most, (SELECT count(*) FROM joborch.workers WHERE process = 'joborch executor'));
        PERFORM pg_sleep(0.02);
    END LOOP;
    RETURN v_most;
END
$$;
SQL

sub no_executor
{
    my ($name) = @_;

    wait_until($node, 'postgres', "SELECT count(*) = 0 FROM joborch.workers WHERE process = 'joborch executor'");
    pass($name);
    return;
}

sub signal_runs
{
    my ($which) = @_;

    $node->safe_psql('postgres', "SELECT count(joborch.signal_run(run_id, 'go')) FROM (
        SELECT run_id FROM joborch.job_runs WHERE job = 'waits' AND status NOT IN ('completed', 'failed', 'cancelled')
        ORDER BY run_id $which) AS r");
    return;
}

$node->safe_psql('postgres', "SELECT count(*) FROM joborch.start_many('waits', $waiting)");
$node->safe_psql('postgres', "SELECT count(*) FROM joborch.start_many('asks', 50)");
wait_until($node, 'postgres', "SELECT count(*) = $waiting + 50 FROM joborch_internal.wait");
pass('more runs wait than memory has room for');
no_executor('no process is held for them');
check_invariants($node, 'postgres');

# each re-check reads them, and finds nothing to carry out: an executor would be there
is($node->safe_psql('postgres', 'SELECT executors_seen()'), '0', 'nobody looks at them again and again');

# one, some, and more in one transaction than there is room for announcements
signal_runs('LIMIT 1');
wait_until($node, 'postgres', 'SELECT count(*) = 1 FROM effect');
signal_runs('DESC LIMIT 900');
wait_until($node, 'postgres', 'SELECT count(*) = 901 FROM effect');
pass('each hears what is sent to many at once');

$node->restart;
signal_runs('LIMIT 1');
wait_until($node, 'postgres', 'SELECT count(*) = 902 FROM effect');
pass('and after a restart');
$node->stop('immediate');
$node->start;
$node->safe_psql('postgres', 'SELECT count(joborch.approve_step(run_id, step)) FROM joborch.approvals');
signal_runs('');
all_runs_final($node, 'postgres');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT run_id) FROM effect'), '2050|2050', 'each went on once');
is($node->safe_psql('postgres', 'SELECT count(*) FROM joborch_internal.wait'), '0', 'and waits no more');
check_invariants($node, 'postgres');

$node->stop;
done_testing();
