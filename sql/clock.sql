-- The time of a run stands still while it is paused: it once had no limit at all
-- after it was paused in the moment its time was over.
SET client_min_messages = warning;
SELECT joborch.start_definition('{"timeout": "1 s", "steps": [
  {"name": "short", "sql": "SELECT pg_sleep(0.2)"},
  {"name": "long", "sql": "SELECT pg_sleep(30)"}]}') AS run \gset
SELECT set_config('test.run', :'run', false) \g /dev/null
DO $$
BEGIN
	FOR i IN 1 .. 1000 LOOP
		EXIT WHEN EXISTS (SELECT FROM joborch_internal.timers WHERE run_id = current_setting('test.run')::bigint);
		PERFORM pg_sleep(0.01);
	END LOOP;
END
$$;
SELECT joborch.pause_run(:run);
-- longer than the run may take
SELECT joborch.wait_for_run(:run, '1.5 s') AS status;
SELECT count(*) AS timers FROM joborch_internal.timers WHERE run_id = :run AND due = 'infinity';
SELECT joborch.resume_run(:run) \g /dev/null
SELECT joborch.wait_for_run(:run, '10 s') AS status;
SELECT error ->> 'sqlstate' AS sqlstate, started_at < finished_at - interval '1.9 s' AS stood_still
FROM joborch.job_runs WHERE run_id = :run;
SELECT step, status FROM joborch.run_steps(:run);
SELECT * FROM joborch.check();
