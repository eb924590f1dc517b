-- Attempts, the time between them, and what is worth another one.
CREATE SEQUENCE tries_seq;
-- Fails until it was called so often in this run; what a step that failed did is undone, so it counts in a sequence.
CREATE FUNCTION succeed_at(p_try integer) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF nextval('tries_seq') < p_try THEN
		RAISE EXCEPTION 'not yet' USING ERRCODE = '40001', DETAIL = 'a detail', HINT = 'a hint';
	END IF;
	RETURN 'at last';
END
$$;
CREATE FUNCTION again() RETURNS void LANGUAGE sql AS $$ SELECT setval('tries_seq', 1, false) $$;

-- the third try succeeds; each try is kept, whole
SELECT again();
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT succeed_at(3) AS r", "retry": {"max_attempts": 5, "initial": "10 ms", "backoff": "fixed", "jitter": 0}}, {"name": "after", "sql": "SELECT 1"}]}') \gset
SELECT test.story(:run);
SELECT step, attempt, status, recovery, sqlstate, category, error_message, error ->> 'detail' AS detail, error ->> 'hint' AS hint,
	retry_at - finished_at AS delay, started_at <= finished_at AS in_order
FROM joborch.job_step_attempts WHERE run_id = :run ORDER BY attempt;
SELECT retries FROM joborch.job_run_summary WHERE run_id = :run;
-- the tries come when they are due, not before
SELECT bool_and(next.started_at >= this.retry_at) AS not_early FROM joborch.job_step_attempts this
JOIN joborch.job_step_attempts next ON next.run_id = this.run_id AND next.attempt = this.attempt + 1 WHERE this.run_id = :run;

-- tries used up: the step fails with the last error
SELECT again();
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT succeed_at(9) AS r", "retry": {"max_attempts": 3, "initial": "1 ms"}}, {"name": "after", "sql": "SELECT 1"}]}') \gset
SELECT test.story(:run);
SELECT attempt, status, retry_at IS NOT NULL AS retried FROM joborch.job_step_attempts WHERE run_id = :run ORDER BY attempt;
SELECT last_value FROM tries_seq;

-- exponential: twice as long each time, to the maximum
SELECT again();
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT succeed_at(9) AS r", "retry": {"max_attempts": 5, "backoff": "exponential", "initial": "4 ms", "max": "10 ms", "multiplier": 2, "jitter": 0}}]}') \gset
SELECT attempt, retry_at - finished_at AS delay FROM joborch.job_step_attempts WHERE run_id = :run ORDER BY attempt;
-- jitter stays within its share
SELECT again();
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT succeed_at(9) AS r", "retry": {"max_attempts": 8, "backoff": "fixed", "initial": "10 ms", "jitter": 0.5}}]}') \gset
SELECT count(*), bool_and(retry_at - finished_at BETWEEN '5 ms' AND '15 ms') AS within, count(DISTINCT retry_at - finished_at) > 1 AS varies
FROM joborch.job_step_attempts WHERE run_id = :run AND retry_at IS NOT NULL;

-- which errors: all but a cancel; on and not_on say otherwise
CREATE TABLE policies (position serial, raised text, retry jsonb);
INSERT INTO policies (raised, retry) VALUES
	('40001', '{}'), ('40P01', '{}'), ('55P03', '{}'), ('53300', '{}'), ('08006', '{}'),
	('22012', '{}'), ('23505', '{}'), ('42501', '{}'), ('42P01', '{}'), ('P0001', '{}'), ('XX000', '{}'), ('57014', '{}'),
	('22012', '{"on": ["data"]}'), ('40001', '{"on": ["data"]}'), ('40001', '{"on": ["data", "conflict"]}'),
	('40001', '{"not_on": ["conflict"]}'), ('53300', '{"not_on": ["conflict"]}');
CREATE TABLE policy_runs AS
SELECT p.*, joborch.start_definition(jsonb_build_object('steps', jsonb_build_array(jsonb_build_object('name', 's',
	'sql', format('DO $d$ BEGIN RAISE EXCEPTION SQLSTATE %L; END $d$', p.raised),
	'retry', '{"max_attempts": 2, "initial": "1 ms"}' || p.retry)))) AS run
FROM policies p;
SELECT count(*) FROM policy_runs WHERE joborch.wait_for_run(run, '30 s') = 'failed';
SELECT p.raised, p.retry, s.error ->> 'category' AS category, s.attempts FROM policy_runs p, LATERAL joborch.run_steps(p.run) AS s ORDER BY p.position;
SELECT code, path, message, suggestion FROM joborch.validate_job('{"steps": [{"name": "s", "sql": "SELECT 1", "retry": {"max_attempts": 0, "backoff": "linear", "initial": "soon", "jitter": 2, "on": ["weather"], "tries": 3}}]}') ORDER BY path;

-- defaults of the job, and a step's own
SELECT again();
CALL test.play('{"defaults": {"retry": {"max_attempts": 2, "initial": "1 ms"}}, "steps": [{"name": "s", "sql": "SELECT succeed_at(9)", "on_error": "continue"}, {"name": "t", "sql": "SELECT succeed_at(9)", "retry": {"max_attempts": 4}, "on_error": "continue"}]}') \gset
SELECT test.story(:run);
-- of a step that is tried again, nothing of the failed tries stays
CREATE TABLE effects (x integer);
SELECT again();
CALL test.play('{"steps": [{"name": "s", "sql": "INSERT INTO effects VALUES (1); SELECT succeed_at(3)", "retry": {"max_attempts": 5, "initial": "1 ms"}}]}') \gset
SELECT count(*) FROM effects;

-- while it waits: no executor is held, the state says so, and a cancel ends it at once
SELECT again();
SELECT joborch.start_definition('{"steps": [{"name": "s", "sql": "SELECT succeed_at(9)", "retry": {"max_attempts": 2, "initial": "1 h"}}, {"name": "t", "sql": "SELECT 1"}], "finally": {"name": "last", "sql": "SELECT 1"}}') AS run \gset
SELECT test.await_step(:run, 's', 'retrying');
SELECT step, status, attempts, waiting_for, finished_at IS NULL AS not_finished, next_attempt_at > now() + interval '50 min' AS later FROM joborch.run_steps(:run);
SELECT job, step, status, reason LIKE 'next attempt at %' AS reason FROM joborch.waiting WHERE run_id = :run;
SELECT status, waiting_for FROM joborch.job_runs WHERE run_id = :run;
SELECT joborch.run_status(:run);
SELECT count(*) FROM joborch.workers WHERE run_id = :run;
SELECT joborch.cancel_run(:run) IS NOT NULL AS asked;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.story(:run);
-- paused while it waits: the next try comes after the resume
SELECT again();
SELECT joborch.start_definition('{"steps": [{"name": "s", "sql": "SELECT succeed_at(2)", "retry": {"max_attempts": 2, "initial": "30 ms", "jitter": 0}}]}') AS run \gset
SELECT test.await_step(:run, 's', 'retrying');
SELECT joborch.pause_run(:run);
SELECT test.poll(format('SELECT clock_timestamp() > max(retry_at) + interval ''20 ms'' FROM joborch.job_step_attempts WHERE run_id = %s', :run));
SELECT joborch.wait_for_run(:run, '0 s'), (SELECT count(*) FROM joborch.job_step_attempts WHERE run_id = :run) AS tries;
SELECT joborch.resume_run(:run) IS NOT NULL AS resumed;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.story(:run);

SELECT * FROM joborch.check();
DROP TABLE policies, policy_runs, effects;
DROP FUNCTION succeed_at(integer), again();
DROP SEQUENCE tries_seq;
