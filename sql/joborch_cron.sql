-- joborch_cron: what programs written for pg_cron do, with the statements of its documentation.
CREATE EXTENSION joborch_cron;
SELECT extversion = (SELECT extversion FROM pg_extension WHERE extname = 'joborch') AS same FROM pg_extension WHERE extname = 'joborch_cron';

CREATE TABLE events (event_time timestamptz);

-- ---- the documentation of pg_cron ----

-- Delete old data on Saturday at 3:30am (GMT)
SELECT cron.schedule('30 3 * * 6', $$DELETE FROM events WHERE event_time < now() - interval '1 week'$$);
-- Vacuum every day at 10:00am (GMT)
SELECT cron.schedule('nightly-vacuum', '0 10 * * *', 'VACUUM');
-- Change to vacuum at 3:00am (GMT)
SELECT cron.schedule('nightly-vacuum', '0 3 * * *', 'VACUUM');
SELECT jobid, schedule, command, nodename, nodeport, database = current_database() AS here, username, active, jobname FROM cron.job ORDER BY jobid;
-- Stop scheduling jobs
SELECT cron.unschedule('nightly-vacuum');
SELECT cron.unschedule(1);
-- VACUUM of a table every Sunday, in a database
SELECT cron.schedule_in_database('weekly-vacuum', '0 4 * * 0', 'VACUUM', current_database());
-- Call a stored procedure every 5 seconds, but not now
CREATE PROCEDURE process_updates() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO events VALUES (now()); COMMIT; END $$;
SELECT cron.schedule_in_database('process-updates', '5 seconds', 'CALL process_updates()', current_database(), active => false);
-- Process payroll at 12:00 of the last day of each month
SELECT cron.schedule('process-payroll', '0 12 $ * *', 'CALL process_updates()');
-- Delete old cron job run details of the current user every day at noon
SELECT cron.schedule('delete-job-run-details', '0 12 * * *', $$DELETE FROM cron.job_run_details WHERE end_time < now() - interval '7 days'$$);
SELECT jobid, jobname, schedule, command, active FROM cron.job ORDER BY jobid;
-- they are schedules: the name, the zone, what happens to times that come while one runs
SELECT name, spec, overlap, paused FROM joborch_internal.schedule WHERE dropped_at IS NULL AND metadata ? 'cron' ORDER BY schedule_id;
DELETE FROM cron.job;
SELECT count(*) FROM cron.job;

-- ---- schedules ----

SELECT s.text, test.refused(format('SELECT cron.schedule(%L, ''SELECT 1'')', s.text))
FROM (VALUES (1, '* * * *'), (2, '5 secondc'), (3, '50 seconds c'), (4, '-1 seconds'), (5, '0 seconds'), (6, '60 seconds'),
	(7, '10000000000 seconds'), (8, '@restar'), (9, ''), (10, '61 0 * * 5'), (11, '0 24 * * *'), (12, '0 0 0 * *'), (13, '0 0 * 13 *'),
	(14, '0 0 * * 8'), (15, '0 0 30 2 *'), (16, '* * * * * *'), (17, '0 0 * * 5#2'), (18, '0 22-2 * * *'), (19, '*/0 * * * *'),
	(20, '0 0 * January *')) AS s (n, text)
ORDER BY s.n;
SELECT left(test.refused($$ SELECT cron.schedule(repeat('a', 1000), 'SELECT 1') $$), 40);
SELECT cron.schedule(s.text, 'SELECT 1') > 0 AS scheduled, s.text
FROM (VALUES (1, '@restart'), (2, '@reboot'), (3, '@yearly'), (4, '@annually'), (5, '@monthly'), (6, '@weekly'), (7, '@daily'), (8, '@midnight'),
	(9, '@hourly'), (10, '  0   1 * * * '), (11, '0 1 * jan,mar-may mon-fri'), (12, '0 0 29 2 0-7'), (13, '0 1 */2 * 7')) AS s (n, text)
ORDER BY s.n;
-- the text stays as it was written
SELECT schedule FROM cron.job WHERE schedule LIKE '%0   1%';
BEGIN;
SELECT cron.schedule(' 30 sEcOnDs ', 'SELECT 1') > 0 AS scheduled;
SELECT '"' || schedule || '"' AS schedule FROM cron.job WHERE schedule ILIKE '%seconds%';
SELECT overlap FROM joborch_internal.schedule ORDER BY schedule_id DESC LIMIT 1;
ROLLBACK;
DELETE FROM cron.job;

-- ---- arguments ----

SELECT test.refused($$ SELECT cron.schedule(NULL, '0 1 1 1 *', 'SELECT 1') $$);
SELECT test.refused($$ SELECT cron.schedule('a', NULL, 'SELECT 1') $$);
SELECT test.refused($$ SELECT cron.schedule('a', '0 1 1 1 *', NULL) $$);
SELECT cron.schedule(NULL, 'SELECT 1') IS NULL AS nothing, cron.unschedule(NULL::bigint) IS NULL AS nothing, cron.unschedule(NULL::text) IS NULL AS nothing;
SELECT test.refused($$ SELECT cron.unschedule('nosuch') $$);
SELECT test.refused($$ SELECT cron.unschedule(9999) $$);
SELECT test.refused($$ SELECT cron.alter_job(NULL) $$);
SELECT test.refused($$ SELECT cron.alter_job(9999) $$);
SELECT test.refused($$ SELECT cron.alter_job(9999, schedule => '0 1 1 1 *') $$);
SELECT test.refused($$ SELECT cron.schedule_in_database('a', '0 1 1 1 *', 'SELECT 1', 'nosuch') $$);
SELECT test.refused($$ SELECT cron.schedule_in_database('a', '0 1 1 1 *', 'SELECT 1', 'postgres') $$);
SELECT test.refused($$ SELECT cron.schedule_in_database('a', '0 1 1 1 *', 'SELECT 1', current_database(), 'regress_nosuch') $$);
SELECT test.refused($$ SELECT cron.schedule_in_database('a', '0 1 1 1 *', 'SELECT 1', current_database(), 'pg_monitor') $$);
-- what no step may have is refused when it is scheduled
SELECT test.refused($$ SELECT cron.schedule('0 1 1 1 *', 'SELEC 1') $$);
SELECT test.refused($$ SELECT cron.schedule('0 1 1 1 *', 'BEGIN; SELECT 1; COMMIT') $$);
SELECT test.refused($$ SELECT cron.schedule('0 1 1 1 *', 'COPY events TO STDOUT') $$);

-- ---- upserts and changes ----

SELECT cron.schedule('daily', '0 1 1 1 *', 'SELECT 1') AS daily \gset
SELECT cron.alter_job(:daily, active => false);
-- active and id stay
SELECT cron.schedule('daily', '0 2 1 1 *', 'SELECT 2') = :daily AS same_id;
SELECT schedule, command, active FROM cron.job;
SELECT cron.alter_job(:daily, active => true, schedule => '0 3 1 1 *');
SELECT cron.alter_job(:daily, command => 'SELECT 3', database => current_database());
SELECT schedule, command, active FROM cron.job;
-- what the native functions change is seen, and kept by later changes
SELECT joborch.alter_schedule('daily', timezone => 'Europe/Berlin', overlap => 'skip', cron => '0 4 1 1 *');
SELECT schedule, command FROM cron.job;
SELECT cron.alter_job(:daily, command => 'SELECT 4');
SELECT c.schedule, c.command, s.timezone, s.overlap FROM cron.job c, joborch_internal.schedule s WHERE s.name = 'daily' AND s.dropped_at IS NULL;
SELECT joborch.pause_schedule('daily');
SELECT active FROM cron.job;
SELECT joborch.unschedule('daily');
SELECT count(*) FROM cron.job;
SELECT cron.schedule('daily', '0 1 1 1 *', 'SELECT 1') > :daily AS new_id;
-- a schedule has that name already
SELECT joborch.schedule_sql('taken', '0 1 1 1 *', 'SELECT 1') > 0 AS scheduled;
SELECT cron.schedule('taken', '0 1 1 1 *', 'SELECT 1') > 0 AS scheduled;
SELECT name ~ '^cron:[0-9]+$' AS by_id FROM joborch_internal.schedule WHERE metadata #>> '{cron,jobname}' = 'taken' AND dropped_at IS NULL;
SELECT joborch.unschedule('taken');
DELETE FROM cron.job;

-- ---- writing to the views ----

INSERT INTO cron.job (schedule, command, nodename, nodeport, database, username)
VALUES ('0 4 1 1 *', 'VACUUM', 'node1', 5433, current_database(), current_user) RETURNING schedule, command, nodename, nodeport, active, jobname;
INSERT INTO cron.job (jobid, schedule, command, jobname, active) VALUES (7001, '0 5 1 1 *', 'SELECT 1', 'mine', false) RETURNING jobid, nodename, active, jobname;
SELECT test.refused($$ INSERT INTO cron.job (jobid, schedule, command) VALUES (7001, '0 5 1 1 *', 'SELECT 1') $$);
SELECT test.refused($$ INSERT INTO cron.job (schedule, command, jobname) VALUES ('0 5 1 1 *', 'SELECT 1', 'mine') $$);
SELECT test.refused($$ INSERT INTO cron.job (schedule) VALUES ('0 5 1 1 *') $$);
SELECT test.refused($$ INSERT INTO cron.job (schedule, command, database) VALUES ('0 5 1 1 *', 'SELECT 1', 'postgres') $$);
SELECT test.refused($$ INSERT INTO cron.job (schedule, command, username) VALUES ('0 5 1 1 *', 'SELECT 1', 'regress_nosuch') $$);
SELECT test.refused($$ INSERT INTO cron.job (schedule, command) VALUES ('never', 'SELECT 1') $$);
UPDATE cron.job SET nodename = '';
UPDATE cron.job SET active = true, command = 'SELECT 2', jobname = 'ours' WHERE jobid = 7001 RETURNING active, command, jobname, nodename;
SELECT test.refused($$ UPDATE cron.job SET database = 'postgres' $$);
SELECT test.refused($$ UPDATE cron.job SET jobid = jobid + 1 WHERE jobid = 7001 $$);
SELECT test.refused($$ UPDATE cron.job SET schedule = NULL $$);
SELECT test.refused($$ UPDATE cron.job SET schedule = '* *' $$);
SELECT name, spec -> 'specs' AS specs, paused FROM joborch_internal.schedule WHERE metadata #>> '{cron,jobid}' = '7001';
DELETE FROM cron.job WHERE jobid = 7001 RETURNING jobname;
DELETE FROM cron.job;
-- the function of the triggers does nothing elsewhere
CREATE TRIGGER elsewhere AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION cron.job_cache_invalidate();
INSERT INTO events VALUES (now());
SELECT test.refused($$ SELECT cron.job_cache_invalidate() $$);
DROP TRIGGER elsewhere ON events;

-- ---- runs ----

CREATE TABLE numbers (n int PRIMARY KEY);
CREATE PROCEDURE two_transactions() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO numbers VALUES (101) ON CONFLICT DO NOTHING;
	COMMIT;
	PERFORM 1 / 0;
END
$$;
SELECT cron.schedule(c.name, '0 0 1 1 *', c.command) > 0 AS scheduled
FROM (VALUES (1, 'one row', 'SELECT 1'), (2, 'rows', 'SELECT generate_series(1, 3)'), (3, 'insert', 'INSERT INTO numbers SELECT generate_series(1, 5)'),
	(4, 'update', 'UPDATE numbers SET n = n WHERE false'), (5, 'vacuum', 'VACUUM numbers'), (6, 'several', 'DELETE FROM numbers WHERE n > 1000; SELECT 1; CREATE TEMP TABLE x AS SELECT 1;'),
	(7, 'error', 'SELECT 1 / 0'), (8, 'detail', 'INSERT INTO numbers VALUES (2)'), (9, 'block', 'DO $$BEGIN PERFORM 1 / 0; END$$'),
	(10, 'commits', 'CALL two_transactions()'), (11, 'braces', $$SELECT '{{1,2},{3,4}}'::int[]$$)) AS c (n, name, command)
ORDER BY c.n;
-- now, not in January
CREATE PROCEDURE run_all() LANGUAGE plpgsql AS $$
DECLARE
	v_name text;
	v_run bigint;
BEGIN
	FOR v_name IN SELECT j.jobname FROM cron.job j ORDER BY j.jobid LOOP
		v_run := joborch.trigger_schedule(v_name);
		COMMIT;
		CALL joborch.await_run(v_run, '30 s');
	END LOOP;
END
$$;
CALL run_all();
SELECT j.jobname, d.status, d.return_message, d.job_pid, d.database = current_database() AS here, d.username, d.command = j.command AS command,
	d.start_time <= d.end_time AS times
FROM cron.job_run_details d JOIN cron.job j USING (jobid) ORDER BY d.runid;
-- what the procedure committed stays
SELECT n FROM numbers WHERE n > 100;
SELECT count(*) FROM cron.job_run_details WHERE status = 'failed' AND return_message LIKE 'ERROR:%';
-- one that runs, or waits to
SELECT cron.schedule('long', '0 0 1 1 *', 'SELECT pg_sleep(60)') AS long \gset
SELECT joborch.trigger_schedule('long') AS run \gset
SELECT test.poll(format('SELECT status = ''running'' AND job_pid > 0 AND start_time <= clock_timestamp() AND end_time IS NULL FROM cron.job_run_details WHERE runid = %s', :run));
-- what has not ended is not deleted, and history outlives the job
DELETE FROM cron.job_run_details WHERE runid = :run;
SELECT cron.unschedule('long');
SELECT pg_cancel_backend(job_pid) FROM cron.job_run_details WHERE runid = :run;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT jobid = :long AS of_long, status, return_message FROM cron.job_run_details WHERE runid = :run;
DELETE FROM cron.job_run_details WHERE status = 'failed' AND end_time > now() - interval '1 hour';
SELECT count(*) AS left FROM cron.job_run_details;
DELETE FROM cron.job_run_details;
SELECT count(*) AS left FROM cron.job_run_details;
DELETE FROM cron.job;

-- ---- settings ----

SHOW cron.timezone;
SELECT current_setting('cron.database_name') = current_database() AS this_database, current_setting('cron.host') AS host,
	current_setting('cron.enable_superuser_jobs') AS superuser_jobs;

-- DROP EXTENSION takes the interface away: the jobs stay, and come back with it
SELECT cron.schedule('kept', '0 6 1 1 *', 'SELECT 6') AS kept \gset
DROP EXTENSION joborch_cron;
SELECT cron FROM (SELECT spec #>> '{specs,0,cron}' AS cron FROM joborch_internal.schedule WHERE name = 'kept' AND dropped_at IS NULL) AS s;
CREATE EXTENSION joborch_cron;
SELECT jobid = :kept AS same, jobname, schedule, command FROM cron.job;
SELECT cron.schedule('next', '0 6 1 1 *', 'SELECT 6') > :kept AS later;
SELECT cron.unschedule('kept'), cron.unschedule('next');

DROP EXTENSION joborch_cron;
-- schema cron is somebody else's
CREATE SCHEMA cron;
SELECT test.refused('CREATE EXTENSION joborch_cron');
DROP SCHEMA cron;

DROP PROCEDURE run_all, two_transactions, process_updates;
DROP TABLE numbers, events;
