# What has more than one state between its beginning and its end (containers, items,
# waits, runs that are waited for, compensations) is killed at each of them, as in
# 010_killed: each effect is there exactly once, each run ends as it should, each step has
# as many children as it was to have, and nothing is left behind.
use strict;
use warnings;

use JoborchTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time usleep);

my @executor_points = qw(executor-step-begin executor-before-books executor-before-commit
  executor-after-commit executor-wait-written executor-wait-left);
my @dispatcher_points = qw(dispatcher-round dispatcher-loaded dispatcher-control-read
  dispatcher-before-ends-commit dispatcher-after-ends-commit dispatcher-before-timers-commit
  dispatcher-orphans-removed);

my $node = joborch_node('flows_killed');

# ---- the load ----

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE effect (run_id bigint, step text, item integer, n bigint GENERATED ALWAYS AS IDENTITY);
CREATE FUNCTION did(run bigint, step text, item integer DEFAULT -1) RETURNS void
LANGUAGE sql AS 'INSERT INTO public.effect VALUES (run, step, item)';

SELECT joborch.create_job('branches', '{"steps": [
    {"name": "asked", "type": "condition", "if": "$.input.n == 1",
        "then": [{"name": "yes", "sql": "SELECT did({{ run.id }}, ''yes'')"}],
        "else": [{"name": "no", "sql": "SELECT did({{ run.id }}, ''no'')"}]},
    {"name": "chosen", "type": "switch", "value": "{{ input.n }}", "cases": [
        {"equals": 2, "steps": [{"name": "two", "sql": "SELECT did({{ run.id }}, ''two'')"}]},
        {"equals": 1, "steps": [{"name": "one", "sql": "SELECT did({{ run.id }}, ''one'')"}]}],
        "default": [{"name": "other", "sql": "SELECT did({{ run.id }}, ''other'')"}]},
    {"name": "both", "type": "parallel", "max_concurrent": 2, "steps": [
        {"name": "p1", "sql": "SELECT did({{ run.id }}, ''p1'')"},
        {"name": "p2", "retry": {"max_attempts": 3, "initial": "10 ms"},
            "sql": "SELECT did({{ run.id }}, ''p2'') WHERE 1 / ({{ run.attempt }}::int - 1) IS NOT NULL"},
        {"name": "p3", "type": "delay", "duration": "20 ms"},
        {"name": "p4", "sql": "SELECT did({{ run.id }}, ''p4'')"}]},
    {"name": "first", "type": "race", "steps": [
        {"name": "fast", "sql": "SELECT did({{ run.id }}, ''fast'') FROM pg_sleep(0.02)"},
        {"name": "never", "type": "delay", "duration": "1 hour"},
        {"name": "called", "type": "job", "definition": {"steps": [{"name": "stay", "type": "wait_signal"}]}}]},
    {"name": "after", "sql": "SELECT did({{ run.id }}, ''after'')"}],
    "output": {"asked": "{{ steps.asked.status }}", "winner": "{{ steps.first.output.winner }}"}}');

SELECT joborch.create_job('items', '{"steps": [
    {"name": "each", "foreach": {"items": {"sql": "SELECT i FROM generate_series(0, 5) AS i"}, "max_parallel": 3},
        "retry": {"max_attempts": 3, "initial": "10 ms"},
        "sql": "SELECT did({{ run.id }}, ''each'', {{ item_index }}::int) WHERE 1 / ({{ run.attempt }}::int - CASE {{ item_index }}::int WHEN 3 THEN 1 ELSE 0 END) IS NOT NULL"},
    {"name": "kids", "type": "foreach", "items": [7, 8, 9], "max_parallel": 2, "steps": [
        {"name": "pause", "type": "delay", "duration": "10 ms"},
        {"name": "kid", "sql": "SELECT did({{ run.id }}, ''kid'')"}]},
    {"name": "after", "sql": "SELECT did({{ run.id }}, ''after'') WHERE {{ steps.each.output.count }}::int = 6 AND {{ steps.kids.output.count }}::int = 3"}]}');

SELECT joborch.create_job('inner', '{"steps": [{"name": "in", "sql": "SELECT did({{ run.id }}, ''in'')"}]}');
SELECT joborch.create_job('nested', '{"steps": [
    {"name": "turns", "type": "loop", "max_iterations": 3, "delay": "5 ms", "steps": [
        {"name": "turn", "sql": "SELECT did({{ run.id }}, ''turn'')"}]},
    {"name": "call", "type": "job", "job": "inner"},
    {"name": "after", "sql": "SELECT did({{ run.id }}, ''after'')"}]}');

SELECT joborch.create_job('asks', '{"steps": [
    {"name": "early", "type": "wait_signal"},
    {"name": "go", "type": "wait_signal"},
    {"name": "may", "type": "approval"},
    {"name": "late", "type": "wait_signal", "timeout": "30 ms", "on_timeout": "continue"},
    {"name": "after", "sql": "SELECT did({{ run.id }}, ''after'')"}]}');

SELECT joborch.create_job('broken', '{"steps": [{"name": "bad", "sql": "SELECT 1 / 0"}]}');
SELECT joborch.create_job('undone', '{"steps": [
    {"name": "a", "sql": "SELECT did({{ run.id }}, ''a'')", "compensate": {"sql": "SELECT did({{ run.id }}, ''undo a'')"}},
    {"name": "b", "sql": "SELECT did({{ run.id }}, ''b'')", "compensate": {"sql": "SELECT did({{ run.id }}, ''undo b'')"}},
    {"name": "c", "type": "job", "job": "broken", "compensate": {"sql": "SELECT did({{ run.id }}, ''undo c'')"}},
    {"name": "d", "sql": "SELECT did({{ run.id }}, ''d'')"}],
    "finally": [{"name": "fin", "sql": "SELECT did({{ run.id }}, ''fin'')"}]}');

CREATE FUNCTION begin_flows(n integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT count(*) FROM unnest('{branches,items,nested,undone}'::text[]) AS job, joborch.start_many(job, inputs => array_fill('{"n": 1}'::jsonb, ARRAY[n]));
    SELECT count(joborch.signal_run(r, 'early')) FROM joborch.start_many('asks', n) AS r
$$;

-- Sends each run what it lacks; true when all have ended.
CREATE FUNCTION answer_flows() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v record;
BEGIN
    PERFORM joborch.signal_run(r.run_id, 'go') FROM joborch.job_runs r
    WHERE r.job = 'asks' AND r.status NOT IN ('completed', 'failed', 'cancelled')
        AND NOT EXISTS (SELECT FROM joborch.job_signals s WHERE s.run_id = r.run_id AND s.name = 'go');
    FOR v IN SELECT a.run_id, a.step FROM joborch.approvals a LOOP
        BEGIN
            PERFORM joborch.approve_step(v.run_id, v.step);
        EXCEPTION WHEN SQLSTATE 'JO005' THEN    -- it was decided meanwhile
        END;
    END LOOP;
    RETURN NOT EXISTS (SELECT FROM joborch.job_runs WHERE status NOT IN ('completed', 'failed', 'cancelled'));
END
$$;

-- What should be there and is not, or should not and is.
CREATE VIEW wrong AS
WITH expected (job, parent_step, status, step, items) AS (VALUES
    ('branches', '', 'completed', 'yes', 0), ('branches', '', 'completed', 'one', 0), ('branches', '', 'completed', 'p1', 0),
    ('branches', '', 'completed', 'p2', 0), ('branches', '', 'completed', 'p4', 0), ('branches', '', 'completed', 'fast', 0),
    ('branches', '', 'completed', 'after', 0), ('items', '', 'completed', 'each', 6), ('items', '', 'completed', 'after', 0),
    ('items', 'kids', 'completed', 'kid', 0), ('nested', '', 'completed', 'after', 0), ('nested', 'turns', 'completed', 'turn', 0),
    ('nested', 'call', 'completed', 'in', 0), ('asks', '', 'completed', 'after', 0), ('undone', '', 'failed', 'a', 0),
    ('undone', '', 'failed', 'b', 0), ('undone', '', 'failed', 'undo a', 0), ('undone', '', 'failed', 'undo b', 0),
    ('undone', '', 'failed', 'fin', 0)
), runs AS (
    SELECT r.run_id, coalesce(p.job, r.job) AS job, coalesce(r.parent_step, '') AS parent_step, r.status
    FROM joborch.job_runs r LEFT JOIN joborch.job_runs p ON p.run_id = r.parent_run_id
), wanted AS (
    SELECT r.run_id, x.step, i AS item FROM runs r JOIN expected x USING (job, parent_step)
        CROSS JOIN LATERAL generate_series(least(x.items, 1) - 1, x.items - 1) AS i
), found AS (
    SELECT run_id, step, item, count(*) AS times FROM effect GROUP BY run_id, step, item
), children (job, parent_step, least, most) AS (VALUES
    ('items', 'kids', 3, 3), ('nested', 'turns', 3, 3), ('nested', 'call', 1, 1), ('undone', 'c', 1, 1), ('branches', 'called', 0, 1)
)
SELECT format('run %s, step %s, item %s: %s times', run_id, step, item, coalesce(f.times, 0)) AS what
FROM wanted w FULL JOIN found f USING (run_id, step, item) WHERE w.run_id IS NULL OR f.times IS DISTINCT FROM 1
UNION ALL
SELECT DISTINCT format('run %s of %s %s is %s', r.run_id, r.job, r.parent_step, r.status)
FROM runs r JOIN expected x USING (job, parent_step) WHERE r.status <> x.status
UNION ALL
SELECT format('run %s has %s children of step %s', p.run_id, count(r.run_id), c.parent_step)
FROM joborch.job_runs p JOIN children c ON c.job = p.job
LEFT JOIN joborch.job_runs r ON r.parent_run_id = p.run_id AND r.parent_step = c.parent_step
GROUP BY p.run_id, c.parent_step, c.least, c.most HAVING count(r.run_id) NOT BETWEEN c.least AND c.most
UNION ALL
SELECT format('run %s undid a before b', a.run_id) FROM effect a JOIN effect b USING (run_id)
WHERE a.step = 'undo a' AND b.step = 'undo b' AND a.n < b.n
UNION ALL
SELECT format('%s rows are left in wait', count(*)) FROM joborch_internal.wait HAVING count(*) > 0
UNION ALL
SELECT format('%s rows are left in timers', count(*)) FROM joborch_internal.timers HAVING count(*) > 0
UNION ALL
SELECT format('signal %s of run %s was not taken', s.signal_id, s.run_id) FROM joborch.job_signals s WHERE s.taken_at IS NULL;
SQL

sub check_flows
{
    my ($name) = @_;

    wait_until($node, 'postgres', 'SELECT answer_flows()');
    is($node->safe_psql('postgres', 'SELECT what FROM wrong LIMIT 10'), '', $name);
    return;
}

# Starts loads and answers them until the log says something: not every load comes by
# every point.
sub answer_until
{
    my ($pattern, $offset) = @_;
    my $deadline = time() + $PostgreSQL::Test::Utils::timeout_default;

    until (slurp_file($node->logfile, $offset) =~ $pattern)
    {
        die "timed out waiting for $pattern in the log" if time() > $deadline;
        try_value($node, 'postgres', 'SELECT begin_flows(2)')
          if (try_value($node, 'postgres', 'SELECT answer_flows()') || '') eq 't';
        usleep(10_000);
    }
    return;
}

# Arms the point, starts a load, and waits until somebody has come by there.
sub strike
{
    my ($point, $action) = @_;
    my $offset = -s $node->logfile;

    arm_point($node, 'postgres', $point, $action);
    answer_until($action eq 'kill' ? qr/all server processes terminated; reinitializing/
        : $action eq 'exit' ? qr/debug point "$point" ended the process/ : qr/debug point "$point" raised/, $offset);
    check_flows("$action at $point: each effect exactly once, each run ended as it should");
    return;
}

$node->safe_psql('postgres', 'SELECT begin_flows(3)');
check_flows('nobody dies: each effect exactly once, each run ended as it should');

# a crash after which the server trusts its steps, as in the first minute it would not
$node->safe_psql('postgres', 'ALTER SYSTEM SET joborch.careful_period = 1');
$node->reload;
strike($_, 'kill') for @executor_points, @dispatcher_points;
check_invariants($node, 'postgres');

# the server goes on, only the process is gone, or the dispatcher's round failed
strike($_, 'exit') for qw(executor-wait-written executor-wait-left dispatcher-control-read dispatcher-orphans-removed);
strike($_, 'error') for qw(dispatcher-control-read dispatcher-orphans-removed);
check_invariants($node, 'postgres');

# at any moment, one after the other, in each of the two ways
for my $round (1 .. 6)
{
    my $offset = -s $node->logfile;

    $node->safe_psql('postgres', 'SELECT begin_flows(4)');
    for (1 .. $round)
    {
        try_value($node, 'postgres', 'SELECT answer_flows()');
    }
    kill_process($node, $round % 2 ? 'executor' : 'dispatcher') or next;
    wait_for_restart($node, $offset);
}
check_flows('killed in the middle of it: each effect exactly once, each run ended as it should');
for my $round (1 .. 3)
{
    $node->safe_psql('postgres', 'SELECT begin_flows(10)');
    try_value($node, 'postgres', 'SELECT answer_flows()') for 1 .. $round;
    $node->stop('immediate');
    $node->start;
}
check_flows('immediate shutdown: each effect exactly once, each run ended as it should');
is($node->safe_psql('postgres', "SELECT count(*) FROM joborch.job_runs WHERE parent_run_id IS NULL AND status IN ('completed', 'failed')"),
    $node->safe_psql('postgres', 'SELECT count(*) FROM joborch.job_runs WHERE parent_run_id IS NULL'), 'no run was cancelled');
is($node->safe_psql('postgres', "SELECT count(*) FROM joborch.job_step_attempts WHERE sqlstate LIKE '57P%'"),
    '0', 'no death is charged to a step');
check_invariants($node, 'postgres');

$node->stop;
done_testing();
