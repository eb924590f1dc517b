-- joborch_cron: pg_cron's interface to the schedules of joborch.
\echo Use "CREATE EXTENSION joborch_cron" to load this file. \quit

-- The jobs are in joborch's own tables (tables_cron.sql).  Here are the names that programs
-- written for pg_cron use, in schema cron, and what they call, in joborch_internal.

DO $$
BEGIN
	PERFORM FROM pg_catalog.pg_extension e WHERE e.extname OPERATOR(pg_catalog.=) 'pg_cron';
	IF FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'object_not_in_prerequisite_state',
			MESSAGE = 'joborch_cron cannot be installed beside pg_cron',
			DETAIL = 'Both have their functions and tables in schema "cron".',
			HINT = 'SELECT * FROM joborch.import_pg_cron(); shows what becomes of its jobs, with dry_run => false it takes them over; then DROP EXTENSION pg_cron;';
	END IF;
	PERFORM FROM pg_catalog.pg_namespace n WHERE n.nspname OPERATOR(pg_catalog.=) 'cron';
	IF FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'duplicate_schema',
			MESSAGE = 'schema "cron" is there already',
			HINT = 'DROP SCHEMA cron; if it is empty, else ALTER SCHEMA cron RENAME TO ...;';
	END IF;
END
$$;

-- The extension's own, so that it goes with it.
CREATE SCHEMA cron;

-- Ids go on after those of jobs that were imported, or made when the extension was here before.
CREATE SEQUENCE cron.jobid_seq;

SELECT pg_catalog.setval('cron.jobid_seq', i.last) FROM (
	SELECT pg_catalog.max(u.jobid) AS last FROM (
		SELECT c.jobid FROM joborch_internal.cron_job c
		UNION ALL
		SELECT k.jobid FROM joborch_internal.cron_link k
		UNION ALL
		SELECT h.jobid FROM joborch_internal.cron_history h) AS u) AS i
WHERE i.last OPERATOR(pg_catalog.>) 0;

SELECT pg_catalog.pg_extension_config_dump('cron.jobid_seq', '');
