-- Runs that steps start: whose they are, how deep, and how a cancel reaches them.
\set VERBOSITY terse

SELECT joborch.create_job('children inner', '{"input": {"properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]},
	"steps": [{"name": "w", "type": "wait_signal"}, {"name": "s", "sql": "SELECT {{ input.n }}::int AS n"}]}') > 0 AS saved;
SELECT joborch.create_job('children outer', '{"steps": [
	{"name": "call", "type": "job", "job": "children inner", "input": {"n": "{{ input.n }}"}, "tags": ["inner"]},
	{"name": "after", "sql": "SELECT 1"}], "priority": "high"}') > 0 AS saved;

-- the run and its child
SELECT joborch.start('children outer', '{"n": 5}', correlation_id => 'children 1') AS run \gset
SELECT test.await_step(:run, 'call', 'waiting');
SELECT run_id AS child FROM joborch.job_runs WHERE parent_run_id = :run \gset
SELECT job, parent_run_id = :run AS parent, parent_step, parent_item, input, tags, priority, correlation_id, requested_by = current_user AS by_me
FROM joborch.job_runs WHERE run_id = :child;
SELECT step, status, waiting_for = 'child run ' || :child AS child FROM joborch.run_steps(:run);
SELECT status, reason = 'child run ' || :child AS child, next_command = format('SELECT * FROM joborch.run_steps(%s);', :child) AS command
FROM joborch.waiting WHERE run_id = :run AND status = 'waiting';
SELECT test.await_step(:child, 'w', 'waiting');
SELECT joborch.signal_run(:child, 'w') > 0 AS sent;
SELECT joborch.wait_for_run(:run, '30 s'), joborch.run_status(:child);
SELECT step, status FROM joborch.run_steps(:run);

-- input that the child's job refuses fails the step
CALL test.play('{"steps": [{"name": "call", "type": "job", "job": "children inner", "input": {"n": 0}}]}') \gset
SELECT test.story(:run);
SELECT error ->> 'sqlstate' AS sqlstate FROM joborch.job_runs WHERE run_id = :run;

-- a cancel goes down to runs that are waited for, and by force when it is by force
SELECT joborch.start('children outer', '{"n": 6}') AS run \gset
SELECT test.await_step(:run, 'call', 'waiting');
SELECT run_id AS child FROM joborch.job_runs WHERE parent_run_id = :run \gset
SELECT joborch.cancel_run(:run, reason => 'enough') IS NOT NULL AS asked;
SELECT joborch.wait_for_run(:run, '30 s'), joborch.wait_for_run(:child, '30 s');
SELECT run_id = :child AS child, type, reason FROM joborch.job_events WHERE run_id IN (:run, :child) ORDER BY event_id;

-- a run that was only started goes on
SELECT joborch.start_definition('{"steps": [
	{"name": "call", "type": "job", "job": "children inner", "input": {"n": 7}, "wait": false},
	{"name": "stay", "type": "wait_signal"}]}') AS run \gset
SELECT test.await_step(:run, 'stay', 'waiting');
SELECT run_id AS child FROM joborch.job_runs WHERE parent_run_id = :run \gset
SELECT (output ->> 'run_id')::bigint = :child AS child FROM joborch.run_steps(:run) WHERE step = 'call';
SELECT joborch.cancel_run(:run, force => true) IS NOT NULL AS asked;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.await_step(:child, 'w', 'waiting');
SELECT joborch.signal_run(:child, 'w') > 0 AS sent;
SELECT joborch.wait_for_run(:child, '30 s');

-- a job that starts itself comes to an end
SELECT joborch.create_job('children endless', '{"steps": [{"name": "again", "type": "job", "job": "children endless"}]}') > 0 AS saved;
SELECT joborch.start('children endless') AS run \gset
SELECT joborch.wait_for_run(:run, '60 s');
SELECT count(*), count(*) FILTER (WHERE status = 'failed') AS failed FROM joborch.job_runs WHERE job = 'children endless';
SELECT r.error ->> 'sqlstate' AS sqlstate, r.error ->> 'message' AS message, r.error ->> 'hint' AS hint
FROM joborch.job_runs r WHERE r.job = 'children endless' ORDER BY r.run_id DESC LIMIT 1;

-- the owner of the run that starts another one must be allowed to
CREATE ROLE regress_children LOGIN;
GRANT joborch_user TO regress_children;
SET ROLE regress_children;
SELECT joborch.start_definition('{"steps": [{"name": "call", "type": "job", "job": "children inner", "input": {"n": 1}}]}') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT status, error ->> 'sqlstate' AS sqlstate, error ->> 'message' AS message FROM joborch.run_steps(:run);
-- a body is its parent's
SELECT joborch.start_definition('{"steps": [{"name": "each", "type": "foreach", "items": [1, 2], "steps": [
	{"name": "who", "sql": "SELECT current_user::text AS who, {{ item }}::int AS item"}]}]}', tags => '{up}') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT step, item, status FROM joborch.run_steps(:run);
SELECT owner, job, parent_step, parent_item, status, output -> 'rows' AS rows FROM joborch.job_runs
WHERE parent_run_id = :run ORDER BY parent_item;
SELECT completed_steps, total_steps FROM joborch.job_runs WHERE run_id = :run;
RESET ROLE;

-- an ended child is kept until its parent has looked at it
SELECT joborch.start('children outer', '{"n": 8}', correlation_id => 'children kept') AS run \gset
SELECT test.await_step(:run, 'call', 'waiting');
SELECT run_id AS child FROM joborch.job_runs WHERE parent_run_id = :run \gset
SELECT test.await_step(:child, 'w', 'waiting');
SELECT joborch.pause_run(:run) IS NOT NULL AS paused;
SELECT joborch.signal_run(:child, 'w') > 0 AS sent;
SELECT joborch.wait_for_run(:child, '30 s'), joborch.run_status(:run);
\set VERBOSITY default
SELECT test.refused(format('SELECT joborch.delete_run(%s)', :child));
\set VERBOSITY terse
SELECT run_id = :child AS child, status, outcome = 'awaited by run ' || :run AS awaited FROM joborch.delete_runs('{"correlation_id": "children kept", "status": "completed"}', dry_run => true);
SELECT run_id = :child AS child, status, outcome = 'awaited by run ' || :run AS awaited FROM joborch.delete_runs('{"correlation_id": "children kept", "status": "completed"}');
SELECT joborch.cleanup_runs('0 s', job => 'children inner') >= 0 AS others_are_gone;
SELECT count(*) AS kept FROM joborch.job_runs WHERE job = 'children inner' AND status IN ('completed', 'failed', 'cancelled');
SELECT joborch.resume_run(:run) IS NOT NULL AS resumed;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.story(:run);
SELECT joborch.delete_run(:child);
SELECT joborch.run_status(:run);

SELECT joborch.drop_job(name, force => true) FROM joborch.jobs WHERE name LIKE 'children %';
SELECT count(*) FROM joborch.delete_runs('{"owner": "regress_children"}');
DROP OWNED BY regress_children;
DROP ROLE regress_children;
