-- What takes too long is stopped: a step's try, a run.

-- the statement itself is interrupted
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT pg_sleep(60)", "timeout": "50 ms"}, {"name": "t", "sql": "SELECT 1", "trigger_rule": "all_done"}]}') \gset
SELECT test.story(:run);
SELECT error ->> 'sqlstate' AS sqlstate, error ->> 'category' AS category, error ->> 'message' AS message, error ->> 'hint' AS hint, duration < '20 s' AS soon FROM joborch.job_run_steps WHERE run_id = :run AND step = 's';
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep';
-- also in the middle of several statements, in a loop that catches errors, in a condition, and outside of a transaction block
CALL test.play('{"defaults": {"timeout": "50 ms"}, "steps": [
	{"name": "second", "sql": "SELECT 1; SELECT pg_sleep(60)"},
	{"name": "loop", "sql": "DO $$ BEGIN LOOP BEGIN PERFORM 1/0; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$", "depends_on": []},
	{"name": "catch", "sql": "DO $$ BEGIN PERFORM pg_sleep(60); EXCEPTION WHEN OTHERS THEN NULL; END $$", "depends_on": []},
	{"name": "when", "sql": "SELECT 1", "when": {"sql": "SELECT pg_sleep(60) IS NULL"}, "depends_on": []},
	{"name": "quick", "sql": "SELECT 1", "depends_on": []}]}') \gset
SELECT step, status, error ->> 'sqlstate' AS sqlstate FROM joborch.run_steps(:run);
CREATE PROCEDURE sleep_alone() LANGUAGE plpgsql AS $$ BEGIN COMMIT; PERFORM pg_sleep(60); END $$;
CALL test.play('{"steps": [{"name": "alone", "sql": "CALL sleep_alone()", "transaction": "none", "timeout": "50 ms"}]}') \gset
SELECT step, status, error ->> 'sqlstate' AS sqlstate FROM joborch.run_steps(:run);
-- a time-out is worth another try
CREATE SEQUENCE timeout_seq;
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT CASE WHEN nextval(''timeout_seq'') < 3 THEN pg_sleep(60) END", "timeout": "50 ms", "retry": {"max_attempts": 3, "initial": "1 ms"}}]}') \gset
SELECT test.story(:run);
SELECT attempt, status, sqlstate FROM joborch.job_step_attempts WHERE run_id = :run ORDER BY attempt;
-- nothing of it stays in the session: the next step may take its time, and sees the owner's own setting
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT 1", "timeout": "100 ms"}, {"name": "t", "sql": "SELECT pg_sleep(0.15), current_setting(''statement_timeout'') AS setting"}]}') \gset
SELECT test.story(:run);
-- of a run: the running step is stopped, nothing more begins, finally and on_failure do
CALL test.play('{"timeout": "100 ms", "steps": [{"name": "a", "sql": "SELECT 1"}, {"name": "b", "sql": "SELECT pg_sleep(60)"}, {"name": "c", "sql": "SELECT 1", "trigger_rule": "all_done"}],
	"on_failure": {"name": "f", "sql": "SELECT 1"}, "finally": {"name": "last", "sql": "SELECT 1"}}') \gset
SELECT test.story(:run);
SELECT status, error ->> 'sqlstate' AS sqlstate, error ->> 'category' AS category, error ->> 'message' AS message, error ->> 'hint' AS hint, cancel_requested FROM joborch.job_runs WHERE run_id = :run;
-- waiting for a next attempt, too
CALL test.play('{"timeout": "100 ms", "steps": [{"name": "a", "sql": "DO $$ BEGIN RAISE SQLSTATE ''40001''; END $$", "retry": {"max_attempts": 2, "initial": "1 h"}}]}') \gset
SELECT test.story(:run);
SELECT count(*) FROM joborch.waiting WHERE run_id = :run;
-- a run that is soon enough has no timer left
CALL test.play('{"timeout": "1 h", "steps": [{"name": "a", "sql": "SELECT 1"}, {"name": "b", "sql": "SELECT 1"}]}') \gset
SELECT test.story(:run);
SELECT count(*) FROM joborch_internal.timers WHERE run_id = :run;
-- a run that timed out can be recovered, with its whole time again
CREATE TABLE timeout_flag (seconds integer);
INSERT INTO timeout_flag VALUES (60);
CALL test.play('{"timeout": "150 ms", "steps": [{"name": "a", "sql": "SELECT 1"}, {"name": "b", "sql": "SELECT pg_sleep(seconds) FROM timeout_flag"}]}') \gset
SELECT test.story(:run);
UPDATE timeout_flag SET seconds = 0;
SELECT joborch.recover_run(:run);
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.story(:run);
SELECT count(*) FROM joborch_internal.timers WHERE run_id = :run;
-- a paused run does not time out
SELECT joborch.start_definition('{"timeout": "80 ms", "steps": [{"name": "a", "sql": "SELECT test.poll(''SELECT paused FROM joborch.job_runs WHERE run_id = '' || {{ run.id }}::text)"}, {"name": "b", "sql": "SELECT 1"}]}') AS run \gset
SELECT joborch.pause_run(:run);
SELECT test.poll(format('SELECT clock_timestamp() > created_at + interval ''120 ms'' FROM joborch.job_runs WHERE run_id = %s', :run));
SELECT joborch.run_status(:run);
SELECT joborch.cancel_run(:run) IS NOT NULL AS asked;
SELECT joborch.wait_for_run(:run, '30 s');

SELECT * FROM joborch.check();
DROP TABLE timeout_flag;
DROP SEQUENCE timeout_seq;
DROP PROCEDURE sleep_alone();
