-- What may be asked of a run in which status, and what comes of it.
-- Ids of runs are not the same each time, so errors are shown without them.
CREATE FUNCTION refused(p_command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	v_message text;
	v_hint text;
BEGIN
	EXECUTE p_command;
	RETURN 'was not refused';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
	RETURN regexp_replace(SQLSTATE || ': ' || v_message || ' | ' || v_hint, '(run |run\(|_run\()\d+', '\1N', 'g');
END
$$;

CREATE TABLE control_flag (name text PRIMARY KEY, divisor integer NOT NULL);
INSERT INTO control_flag VALUES ('broken', 0);
CREATE TABLE control_trace (at serial, step text);
SELECT joborch.create_job('control', '{"steps": [
	{"name": "first", "sql": "INSERT INTO control_trace (step) VALUES (''first'')"},
	{"name": "second", "sql": "SELECT 1 / divisor AS ok FROM control_flag"},
	{"name": "third", "sql": "INSERT INTO control_trace (step) VALUES (''third'')"}],
	"max_recovery_attempts": 2,
	"finally": {"name": "last", "sql": "INSERT INTO control_trace (step) VALUES (''last'')"}}') IS NOT NULL AS saved;

-- pause, resume, priority, cancel before a run has begun
SELECT joborch.start('control', run_at => now() + interval '1 day') AS run \gset
SELECT joborch.run_status(:run);
SELECT joborch.pause_run(:run, reason => 'lunch');
SELECT refused(format('SELECT joborch.pause_run(%s)', :run));
SELECT status, paused FROM joborch.job_runs WHERE run_id = :run;
SELECT status, reason FROM joborch.waiting WHERE run_id = :run;
SELECT refused(format('SELECT joborch.recover_run(%s)', :run));
SELECT refused(format('SELECT joborch.rerun(%s)', :run));
SELECT refused(format('SELECT joborch.delete_run(%s)', :run));
SELECT joborch.resume_run(:run);
SELECT refused(format('SELECT joborch.resume_run(%s)', :run));
SELECT joborch.set_run_priority(:run, 'critical');
SELECT refused(format('SELECT joborch.set_run_priority(%s, %L)', :run, 'now'));
SELECT priority FROM joborch.job_runs WHERE run_id = :run;
SELECT count(*) FROM joborch.waiting WHERE run_id = :run AND reason LIKE 'starts at %';
SELECT joborch.cancel_run(:run, reason => 'not today') IS NOT NULL AS asked;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT status, cancel_requested, completed_steps FROM joborch.job_runs WHERE run_id = :run;
SELECT refused(format('SELECT joborch.cancel_run(%s)', :run));
SELECT refused(format('SELECT joborch.pause_run(%s)', :run));
SELECT refused(format('SELECT joborch.resume_run(%s)', :run));
SELECT refused(format('SELECT joborch.recover_run(%s)', :run));
SELECT refused(format('SELECT joborch.set_run_priority(%s, %L)', :run, 'low'));
SELECT type, reason, detail FROM joborch.job_events WHERE run_id = :run ORDER BY event_id;

-- a run that is not there
SELECT refused('SELECT joborch.cancel_run(0)');
SELECT refused('SELECT joborch.run_status(NULL)');
SELECT refused('SELECT joborch.run_steps(0)');

-- recover: what is done is not done again; as often as the job allows
TRUNCATE control_trace;
SELECT joborch.start('control') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT step, status, attempts, error ->> 'sqlstate' AS sqlstate FROM joborch.run_steps(:run);
SELECT job, error_message, sqlstate, category, recovery_attempts, max_recovery_attempts FROM joborch.failed_runs WHERE run_id = :run;
SELECT count(*) FROM joborch.recoverable_runs WHERE run_id = :run;
SELECT refused(format('SELECT joborch.recover_run(%s, from_step => %L)', :run, 'fourth'));
SELECT joborch.recover_run(:run, reason => 'try again');
SELECT joborch.wait_for_run(:run, '30 s');
UPDATE control_flag SET divisor = 1;
SELECT joborch.resume_run(:run);
SELECT joborch.wait_for_run(:run, '30 s');
SELECT step, status, attempts FROM joborch.run_steps(:run);
SELECT step, attempt, status, recovery, sqlstate FROM joborch.job_step_attempts WHERE run_id = :run ORDER BY step_index, attempt;
SELECT status, recovery_attempts, progress FROM joborch.job_runs WHERE run_id = :run;
SELECT string_agg(step, ' ' ORDER BY at) FROM control_trace;
SELECT refused(format('SELECT joborch.recover_run(%s)', :run));
SELECT type, reason, detail FROM joborch.job_events WHERE run_id = :run ORDER BY event_id;

-- the limit of recoveries
UPDATE control_flag SET divisor = 0;
SELECT joborch.start('control') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT joborch.recover_run(:run);
SELECT joborch.wait_for_run(:run, '30 s');
-- from_step repeats what was completed, too
TRUNCATE control_trace;
SELECT joborch.recover_run(:run, from_step => 'first');
SELECT joborch.wait_for_run(:run, '30 s');
SELECT string_agg(step, ' ' ORDER BY at) FROM control_trace;
SELECT refused(format('SELECT joborch.recover_run(%s)', :run));
SELECT count(*) FROM joborch.recoverable_runs WHERE run_id = :run;

-- rerun: anew, with what has not changed, repaired
UPDATE control_flag SET divisor = 1;
TRUNCATE control_trace;
SELECT joborch.rerun(:run) AS again \gset
SELECT joborch.wait_for_run(:again, '30 s');
SELECT string_agg(step, ' ' ORDER BY at) FROM control_trace;
SELECT rerun_of = :run AS rerun_of_it, version FROM joborch.job_runs WHERE run_id = :again;
TRUNCATE control_trace;
SELECT joborch.rerun(:run, keep_results => true) AS again \gset
SELECT joborch.wait_for_run(:again, '30 s');
SELECT string_agg(step, ' ' ORDER BY at) FROM control_trace;
TRUNCATE control_trace;
SELECT joborch.rerun(:again, from_step => 'third') AS again \gset
SELECT joborch.wait_for_run(:again, '30 s');
SELECT string_agg(step, ' ' ORDER BY at) FROM control_trace;
TRUNCATE control_trace;
SELECT joborch.rerun(:run, keep_results => true, definition => '{"steps": [
	{"name": "first", "sql": "INSERT INTO control_trace (step) VALUES (''first'')"},
	{"name": "second", "sql": "SELECT 42 AS ok"},
	{"name": "third", "sql": "SELECT {{ steps.second.value }}::integer + 1 AS answer"}]}') AS again \gset
SELECT joborch.wait_for_run(:again, '30 s');
SELECT joborch.run_output(:again) -> 'rows' AS output;
SELECT count(*) FROM control_trace;
SELECT refused(format('SELECT joborch.rerun(%s, version => %L)', :run, '99'));
SELECT refused(format('SELECT joborch.rerun(%s, from_step => %L)', :run, 'fourth'));

-- by filter
SELECT refused('SELECT joborch.cancel_runs(''{}'')');
SELECT refused('SELECT joborch.delete_runs(''{"colour": "red"}'')');
SELECT refused('SELECT joborch.delete_runs(''{"status": "red"}'')');
SELECT count(*) FROM joborch.start_many('control', 3, run_at => now() + interval '1 day', tags => '{many}');
SELECT job, status, outcome FROM joborch.cancel_runs('{"job": "control", "tags": ["many"]}', dry_run => true);
SELECT job, status, outcome FROM joborch.cancel_runs('{"job": "control", "tags": ["many"]}');
SELECT joborch.wait_for_run(run_id, '30 s') FROM joborch.list_runs(tags => '{many}');
SELECT count(*) FROM joborch.delete_runs('{"tags": ["many"]}') WHERE outcome = 'deleted';
SELECT count(*) FROM joborch.list_runs(tags => '{many}');

-- delete and trim
SELECT joborch.delete_run(:again, reason => 'seen');
SELECT refused(format('SELECT joborch.run_steps(%s)', :again));
SELECT type, reason, detail FROM joborch.job_events WHERE run_id = :again ORDER BY event_id;
SELECT joborch.cleanup_runs('1 day', job => 'control');
SELECT joborch.cleanup_runs('0 s', statuses => '{failed}', job => 'control');
SELECT status, count(*) FROM joborch.job_runs WHERE job = 'control' GROUP BY status ORDER BY status;
SELECT joborch.cleanup_runs('0 s', job => 'control') > 0 AS trimmed;
SELECT count(*) FROM joborch.job_runs WHERE job = 'control';

-- a procedure that waits and gives the output or the error
CALL joborch.run_job('control', '{}', '30 s', NULL);
UPDATE control_flag SET divisor = 0;
\set VERBOSITY sqlstate
CALL joborch.run_job('control', timeout => '30 s');
\set VERBOSITY default

SELECT * FROM joborch.check();
SELECT joborch.drop_job('control');
DROP FUNCTION refused(text);
DROP TABLE control_flag, control_trace;
