# What follows the end of a run (runs that depend on it, jobs that start after it) and what follows
# the change of a table is killed at each point around ends and commits: each follower is
# there exactly once, each of them ends as it should, and none is forgotten.
use strict;
use warnings;

use JoborchTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my @points = qw(session-before-announcing executor-before-books executor-before-commit executor-after-commit
  dispatcher-round dispatcher-loaded dispatcher-control-read dispatcher-followed dispatcher-before-ends-commit
  dispatcher-after-ends-commit);

my $node = joborch_node('chains_killed');

# ---- the load ----

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE effect (run_id bigint);
CREATE TABLE change (id bigint GENERATED ALWAYS AS IDENTITY, n integer);

SELECT joborch.create_job(job, '{"steps": [{"name": "a", "sql": "INSERT INTO effect VALUES ({{ run.id }})"}]}')
FROM unnest('{parent,child,told,left_one,right_one,both,changed}'::text[]) AS job;
SELECT joborch.create_job('bad', '{"steps": [{"name": "a", "sql": "INSERT INTO effect VALUES ({{ run.id }})"}, {"name": "b", "sql": "SELECT 1 / 0"}]}');
SELECT joborch.start_after('told', '{parent}');
SELECT joborch.start_after('told', '{bad}', 'failure');
SELECT joborch.start_after('both', '{left_one,right_one}');
SELECT joborch.on_change('change', 'changed', '{insert}', input => 'jsonb_build_object(''id'', new.id)');

-- Each parent with a chain of three below it; the same below one that fails.
CREATE FUNCTION begin_chains(n integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_run bigint;
BEGIN
    FOR i IN 1 .. n LOOP
        v_run := joborch.start('parent', batch_id => 'chains');
        FOR k IN 1 .. 3 LOOP
            v_run := joborch.start('child', name => 'runs', depends_on_runs => ARRAY[v_run]);
        END LOOP;
        v_run := joborch.start('bad');
        PERFORM joborch.start('child', name => 'runs', depends_on_runs => ARRAY[v_run], dependency_type => 'failure');
        v_run := joborch.start('child', name => 'does not', depends_on_runs => ARRAY[v_run]);
        v_run := joborch.start('child', name => 'does not', depends_on_runs => ARRAY[v_run]);
        PERFORM joborch.start('child', name => 'runs', depends_on_runs => ARRAY[v_run], dependency_type => 'completion');
    END LOOP;
    PERFORM joborch.start_batch('[{"job": "left_one"}, {"job": "right_one"}]');
    INSERT INTO change (n) SELECT i FROM generate_series(1, n) AS i;
END
$$;

CREATE FUNCTION all_ended() RETURNS boolean LANGUAGE sql AS 'SELECT NOT EXISTS (SELECT FROM joborch_internal.live)';

-- What should be there and is not, or should not and is.
CREATE VIEW wrong AS
SELECT format('run %s of %s is %s', run_id, job, status) AS what FROM joborch.job_runs
WHERE status <> CASE WHEN job = 'bad' THEN 'failed' WHEN name = 'does not' THEN 'cancelled' ELSE 'completed' END
UNION ALL
SELECT format('run %s of %s had its effect %s times', r.run_id, r.job, count(e.run_id))
FROM joborch.job_runs r LEFT JOIN effect e USING (run_id)
GROUP BY r.run_id, r.job, r.name HAVING count(e.run_id) <> CASE r.name WHEN 'does not' THEN 0 ELSE 1 END
UNION ALL
SELECT format('run %s of %s was told %s times', r.run_id, r.job, count(d.run_id))
FROM joborch.job_runs r LEFT JOIN joborch.job_run_dependencies d ON d.depends_on = r.run_id AND d.rule IS NOT NULL
WHERE r.job IN ('parent', 'bad') GROUP BY r.run_id, r.job HAVING count(d.run_id) <> 1
UNION ALL
SELECT format('run %s of %s was counted %s times', r.run_id, r.job, count(d.run_id))
FROM joborch.job_runs r JOIN joborch.job_run_dependencies d ON d.depends_on = r.run_id AND d.rule IS NOT NULL
WHERE r.job IN ('left_one', 'right_one') GROUP BY r.run_id, r.job HAVING count(d.run_id) <> 1
UNION ALL
SELECT format('run %s of %s starts after %s runs', r.run_id, r.job, count(d.run_id))
FROM joborch.job_runs r LEFT JOIN joborch.job_run_dependencies d ON d.run_id = r.run_id
WHERE r.job IN ('told', 'both') GROUP BY r.run_id, r.job HAVING count(d.run_id) <> CASE r.job WHEN 'told' THEN 1 ELSE 2 END
UNION ALL
SELECT 'no pair was started' WHERE NOT EXISTS (SELECT FROM joborch.job_runs WHERE job = 'both')
UNION ALL
SELECT format('change %s has %s runs', c.id, count(r.run_id))
FROM change c LEFT JOIN joborch.job_runs r ON r.job = 'changed' AND (r.input ->> 'id')::bigint = c.id
GROUP BY c.id HAVING count(r.run_id) <> 1
UNION ALL
SELECT format('run %s is of no change', r.run_id) FROM joborch.job_runs r
WHERE r.job = 'changed' AND NOT EXISTS (SELECT FROM change c WHERE c.id = (r.input ->> 'id')::bigint)
UNION ALL
SELECT format('dependency of run %s on %s is %s', run_id, depends_on, state) FROM joborch.job_run_dependencies
WHERE state NOT IN ('met', 'not met');
SQL

sub check_chains
{
    my ($name) = @_;

    wait_until($node, 'postgres', 'SELECT all_ended()');
    is($node->safe_psql('postgres', 'SELECT what FROM wrong LIMIT 10'), '', $name);
    return;
}

# Arms the point, and starts loads until somebody has come by there.
sub strike
{
    my ($point, $action) = @_;
    my $offset = -s $node->logfile;
    my $pattern = $action eq 'kill' ? qr/all server processes terminated; reinitializing/ : qr/debug point "$point" raised/;
    my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;

    arm_point($node, 'postgres', $point, $action);
    until (slurp_file($node->logfile, $offset) =~ $pattern)
    {
        die "timed out waiting for $pattern in the log" if time() > $deadline;
        try_value($node, 'postgres', 'SELECT begin_chains(2)')
          if (try_value($node, 'postgres', 'SELECT all_ended()') || '') eq 't';
        usleep(10_000);
    }
    check_chains("$action at $point: each follower exactly once, each ended as it should");
    return;
}

$node->safe_psql('postgres', 'SELECT begin_chains(3)');
check_chains('nobody dies: each follower exactly once, each ended as it should');

$node->safe_psql('postgres', 'ALTER SYSTEM SET joborch.careful_period = 1');
$node->safe_psql('postgres', "ALTER SYSTEM SET joborch.recheck_interval = '2s'");
$node->reload;
strike($_, 'kill') for @points;
# only the dispatcher's round failed: what it was about to write is written anew
strike($_, 'error') for qw(dispatcher-followed dispatcher-before-ends-commit);
check_invariants($node, 'postgres');

for my $round (1 .. 4)
{
    my $offset = -s $node->logfile;

    $node->safe_psql('postgres', 'SELECT begin_chains(10)');
    kill_process($node, $round % 2 ? 'dispatcher' : 'executor') or next;
    wait_for_restart($node, $offset);
}
check_chains('killed in the middle of it: each follower exactly once, each ended as it should');
for my $round (1 .. 3)
{
    $node->safe_psql('postgres', 'SELECT begin_chains(20)');
    $node->stop('immediate');
    $node->start;
}
check_chains('immediate shutdown: each follower exactly once, each ended as it should');

# a run that was cancelled while it waited, and nobody was there to hear of it
my $waiting = $node->safe_psql('postgres', <<'SQL');
SELECT joborch.start('child', depends_on_runs => ARRAY[joborch.start('parent', run_at => now() + interval '1 hour')]);
SQL
arm_point($node, 'postgres', 'dispatcher-control-read', 'kill');
my $offset = -s $node->logfile;
try_value($node, 'postgres', "SELECT joborch.cancel_run($waiting)");
wait_for_restart($node, $offset);
is(wait_for_run($node, 'postgres', $waiting), 'cancelled', 'a waiting run that is cancelled ends, though the server crashed');

# a rule that is made by a prepared transaction counts from the next look on
$node->safe_psql('postgres', 'ALTER SYSTEM SET max_prepared_transactions = 5');
$node->restart;
$node->safe_psql('postgres', q(SELECT joborch.create_job('late', '{"steps": [{"name": "a", "sql": "SELECT 1"}]}')));
is(wait_for_run($node, 'postgres', $node->safe_psql('postgres', "SELECT joborch.start('late')")), 'completed', 'its graph is in memory');
$node->safe_psql('postgres', <<'SQL');
BEGIN;
SELECT joborch.start_after('told', '{late}', name => 'late');
PREPARE TRANSACTION 'rule';
SQL
$node->safe_psql('postgres', "COMMIT PREPARED 'rule'");
wait_until($node, 'postgres', <<'SQL');
SELECT joborch.start('late') > 0 AND EXISTS (SELECT FROM joborch.after_rules WHERE name = 'late' AND last_run_id IS NOT NULL)
SQL
pass('a rule of a prepared transaction is found');
wait_until($node, 'postgres', "SELECT count(*) = 0 FROM joborch.active_runs WHERE job <> 'parent'");
check_invariants($node, 'postgres');

$node->stop;
done_testing();
