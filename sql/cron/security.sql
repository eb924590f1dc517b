-- Who may what: as pg_cron grants it.  Nobody can reach any of it without USAGE on schema cron,
-- which is granted to nobody.

REVOKE ALL ON SCHEMA cron FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA cron FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA cron FROM PUBLIC;
GRANT SELECT ON cron.job TO PUBLIC;
GRANT SELECT, DELETE ON cron.job_run_details TO PUBLIC;
GRANT SELECT ON SEQUENCE cron.jobid_seq TO PUBLIC;

-- joborch.allow_superuser_jobs and the role's rights decide what a job may; whom these let choose
-- another role or database, an administrator decides.
REVOKE EXECUTE ON FUNCTION cron.alter_job(bigint, text, text, text, text, boolean),
	cron.schedule_in_database(text, text, text, text, text, boolean) FROM PUBLIC;

-- Inner functions, but for those that the views call.
DO $$
DECLARE
	v_function regprocedure;
BEGIN
	FOR v_function IN
		SELECT d.objid::pg_catalog.regprocedure
		FROM pg_catalog.pg_depend d
		JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) d.objid
		JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
		WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
			AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
			AND e.extname OPERATOR(pg_catalog.=) 'joborch_cron'
			AND p.pronamespace OPERATOR(pg_catalog.=) 'joborch_internal'::pg_catalog.regnamespace
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function);
	END LOOP;
END
$$;

GRANT EXECUTE ON FUNCTION
	joborch_internal.cron_steps(bigint),
	joborch_internal.cron_output("char", jsonb),
	joborch_internal.cron_words(jsonb),
	joborch_internal.cron_result(text, bigint),
	joborch_internal.cron_error(jsonb),
	joborch_internal.sees_all_cron_jobs()
TO PUBLIC;
