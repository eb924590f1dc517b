-- Going on after a failure, stopping and resuming: nothing that is done is done again.
-- (What is allowed in which status is in control.sql and in the pgTAP tests.)
CREATE TABLE recover_switch (name text PRIMARY KEY, works boolean);
INSERT INTO recover_switch VALUES ('b', false), ('e', true);
CREATE TABLE recover_log (at serial, step text, run bigint);
CREATE FUNCTION work(p_step text, p_run bigint) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF (SELECT NOT works FROM recover_switch WHERE name = p_step) THEN
		RAISE EXCEPTION 'switch % is off', p_step;
	END IF;
	INSERT INTO recover_log (step, run) VALUES (p_step, p_run);
	RETURN p_step || ' of ' || CASE WHEN p_run = (SELECT min(run) FROM recover_log) THEN 'the first run' ELSE 'a later run' END;
END
$$;
CREATE FUNCTION worked(p_run bigint) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(step, ' ' ORDER BY at) FROM recover_log WHERE run = p_run $$;
-- a and b and then c; d beside them; e continues after its own failure; the end of all
SELECT joborch.create_job('recoverable', '{"max_recovery_attempts": 2, "steps": [
	{"name": "a", "sql": "SELECT work(''a'', {{ run.id }}) AS w"},
	{"name": "b", "sql": "SELECT work(''b'', {{ run.id }}) AS w, {{ steps.a.value }}::text AS before", "depends_on": ["a"]},
	{"name": "c", "sql": "SELECT work(''c'', {{ run.id }}) AS w, {{ steps.b.value }}::text AS before", "depends_on": ["b"]},
	{"name": "d", "sql": "SELECT work(''d'', {{ run.id }}) AS w", "depends_on": []},
	{"name": "e", "sql": "SELECT 1/0", "depends_on": [], "on_error": "continue"},
	{"name": "f", "sql": "SELECT 1", "depends_on": ["a"], "when": "$.steps.a.value == \"nobody\""}],
	"on_failure": {"name": "sorry", "sql": "SELECT work(''sorry'', {{ run.id }})"},
	"finally": {"name": "last", "sql": "SELECT work(''last'', {{ run.id }})"}}') AS job \gset
SELECT joborch.start('recoverable', tags => '{first}') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.story(:run);
SELECT array_agg(step ORDER BY step) AS worked FROM recover_log WHERE run = :run;
-- still broken: it fails again, and only the failed step was tried
SELECT joborch.recover_run(:run, reason => 'hope');
SELECT joborch.run_status(:run) IN ('recovering', 'failed') AS going_on;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.story(:run);
SELECT step, count(*) FROM recover_log WHERE run = :run GROUP BY step ORDER BY step;
-- repaired
UPDATE recover_switch SET works = true WHERE name = 'b';
SELECT joborch.recover_run(:run);
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.story(:run);
SELECT step, count(*) FROM recover_log WHERE run = :run GROUP BY step ORDER BY step;
SELECT step, output #>> '{rows,0,w}' AS w, output #>> '{rows,0,before}' AS before FROM joborch.run_steps(:run) WHERE step IN ('a', 'b', 'c', 'd');
SELECT status, recovery_attempts, max_recovery_attempts, error FROM joborch.job_runs WHERE run_id = :run;
SELECT step, attempt, status, recovery FROM joborch.job_step_attempts WHERE run_id = :run ORDER BY step_index, attempt;

-- a newer version does not change the run (a NOTICE, with the run's id, says so)
UPDATE recover_switch SET works = false WHERE name = 'b';
SELECT joborch.start('recoverable') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT joborch.create_job('recoverable', '{"steps": [{"name": "other", "sql": "SELECT 1"}]}') = :job AS new_version;
UPDATE recover_switch SET works = true WHERE name = 'b';
SET client_min_messages = warning;
SELECT joborch.recover_run(:run);
RESET client_min_messages;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.story(:run);
SELECT version FROM joborch.job_runs WHERE run_id = :run;
-- rerun takes the newest, or the one that is asked for
SELECT joborch.rerun(:run) AS again \gset
SELECT joborch.wait_for_run(:again, '30 s'), test.story(:again);
SELECT joborch.rerun(:run, version => 'same') AS again \gset
SELECT joborch.wait_for_run(:again, '30 s'), test.story(:again);
SELECT joborch.rerun(:run, version => '1') AS again \gset
SELECT joborch.wait_for_run(:again, '30 s'), test.story(:again);

-- keep_results with a repaired definition: what has not changed is taken over, what has runs, and all that hangs on it
SELECT joborch.start_definition('{"steps": [
	{"name": "a", "sql": "SELECT work(''a'', {{ run.id }}) AS w"},
	{"name": "b", "sql": "SELECT nothing FROM nowhere", "depends_on": ["a"]},
	{"name": "c", "sql": "SELECT work(''c'', {{ run.id }}) AS w, {{ steps.b.value }}::text AS before", "depends_on": ["b"]},
	{"name": "d", "sql": "SELECT work(''d'', {{ run.id }}) AS w", "depends_on": []}]}', '{"x": 1}') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s'), test.story(:run);
SELECT joborch.rerun(:run, keep_results => true, definition => '{"steps": [
	{"name": "a", "sql": "SELECT work(''a'', {{ run.id }}) AS w"},
	{"name": "b", "sql": "SELECT work(''b'', {{ run.id }}) AS w", "depends_on": ["a"]},
	{"name": "c", "sql": "SELECT work(''c'', {{ run.id }}) AS w, {{ steps.b.value }}::text AS before", "depends_on": ["b"]},
	{"name": "d", "sql": "SELECT work(''d'', {{ run.id }}) AS w", "depends_on": []}]}') AS again \gset
SELECT joborch.wait_for_run(:again, '30 s'), test.story(:again), worked(:again);
SELECT rerun_of = :run AS rerun_of_it, input FROM joborch.job_runs WHERE run_id = :again;
-- with another input nothing can be kept
SELECT joborch.rerun(:again, keep_results => true, input => '{"x": 2}') AS third \gset
SELECT joborch.wait_for_run(:third, '30 s');
SELECT array_agg(step ORDER BY step) AS worked FROM recover_log WHERE run = :third;
-- from a step: it and all that comes after it
SELECT joborch.rerun(:again, from_step => 'b') AS third \gset
SELECT joborch.wait_for_run(:third, '30 s'), worked(:third);
-- all kept: the run completes at once
SELECT joborch.rerun(:again, keep_results => true) AS third \gset
SELECT joborch.wait_for_run(:third, '30 s'), test.story(:third), worked(:third);
SELECT joborch.run_output(:third) = joborch.run_output(:again) AS same_output;

-- pause keeps the position; all steps done, it stays paused and ends at resume
SELECT test.start('a: SELECT test.poll(''SELECT paused FROM joborch.job_runs WHERE run_id = '' || {{ run.id }}::text)', 'b: SELECT 2');
SELECT test.await_step(test.run(), 'a', 'running');
SELECT joborch.pause_run(test.run());
SELECT test.await_step(test.run(), 'a', 'completed');
SELECT test.story(test.run());
SELECT step, status, waiting_for FROM joborch.run_steps(test.run());
SELECT joborch.wait_for_run(test.run(), '0 s');
SELECT joborch.resume_run(test.run());
SELECT test.finish();
SELECT test.start('a: SELECT test.poll(''SELECT paused FROM joborch.job_runs WHERE run_id = '' || {{ run.id }}::text)');
SELECT test.await_step(test.run(), 'a', 'running');
SELECT joborch.pause_run(test.run());
SELECT test.await_step(test.run(), 'a', 'completed');
SELECT test.story(test.run()), progress FROM joborch.job_runs WHERE run_id = test.run();
SELECT * FROM joborch.check();
SELECT joborch.resume_run(test.run()) IS NOT NULL AS resumed;
SELECT test.finish();
-- cancelled while paused
SELECT test.start('a: SELECT test.poll(''SELECT paused FROM joborch.job_runs WHERE run_id = '' || {{ run.id }}::text)', 'b: SELECT 2', 'last, finally=1: SELECT 3');
SELECT test.await_step(test.run(), 'a', 'running');
SELECT joborch.pause_run(test.run());
SELECT test.await_step(test.run(), 'a', 'completed');
SELECT joborch.cancel_run(test.run()) IS NOT NULL AS asked;
SELECT test.finish();
SELECT left(test.refused('SELECT joborch.cancel_run(test.run())'), 70) AS refused;

SELECT * FROM joborch.check();
SELECT joborch.drop_job('recoverable');
DROP TABLE recover_switch, recover_log;
DROP FUNCTION work(text, bigint), worked(bigint);
