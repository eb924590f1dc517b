-- The functions that programs call; names, arguments and defaults are pg_cron's.

CREATE FUNCTION joborch_internal.cron_schedule(p_schedule text, p_command text) RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT AS $$
DECLARE
	v_owner oid := joborch_internal.caller();
BEGIN
	PERFORM joborch_internal.cron_text(p_schedule);
	PERFORM joborch_internal.check_cron_target(NULL, v_owner);
	RETURN joborch_internal.add_cron_job(NULL, p_schedule, p_command, NULL, NULL, v_owner, true, NULL);
END
$$;

CREATE FUNCTION cron.schedule(schedule text, command text) RETURNS bigint
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION cron.schedule(text, text) IS 'runs a command at the times of a schedule, in a job without a name';

CREATE FUNCTION joborch_internal.cron_schedule_in_database(p_job_name text, p_schedule text, p_command text, p_database text,
	p_username text, p_active boolean)
RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_owner oid := joborch_internal.caller();
BEGIN
	IF p_job_name IS NULL THEN
		PERFORM joborch_internal.refuse_cron_null('job_name');
	ELSIF p_schedule IS NULL THEN
		PERFORM joborch_internal.refuse_cron_null('schedule');
	ELSIF p_command IS NULL THEN
		PERFORM joborch_internal.refuse_cron_null('command');
	END IF;
	PERFORM joborch_internal.cron_text(p_schedule);
	IF p_username IS NOT NULL THEN
		IF NOT joborch_internal.is_cron_superuser() THEN
			RAISE EXCEPTION USING
				ERRCODE = 'internal_error',
				MESSAGE = 'must be superuser to create a job for another role';
		END IF;
		v_owner := joborch_internal.cron_role(p_username);
	END IF;
	PERFORM joborch_internal.check_cron_target(p_database, v_owner);
	RETURN joborch_internal.save_cron_job(p_job_name, p_schedule, p_command, v_owner, coalesce(p_active, true));
END
$$;

CREATE FUNCTION cron.schedule_in_database(job_name text, schedule text, command text, database text,
	username text DEFAULT NULL, active boolean DEFAULT true)
RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION cron.schedule_in_database(text, text, text, text, text, boolean)
IS 'like cron.schedule(), for a role and not active at first; the database must be this one';

CREATE FUNCTION joborch_internal.cron_schedule(p_job_name text, p_schedule text, p_command text) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	SELECT joborch_internal.cron_schedule_in_database(p_job_name, p_schedule, p_command, NULL, NULL, true)
$$;

CREATE FUNCTION cron.schedule(job_name text, schedule text, command text) RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION cron.schedule(text, text, text)
IS 'runs a command at the times of a schedule, in a job with a name; the same name again changes schedule and command';

CREATE FUNCTION joborch_internal.cron_alter_job(p_job_id bigint, p_schedule text, p_command text, p_database text, p_username text,
	p_active boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_superuser boolean := joborch_internal.is_cron_superuser();
	v_caller oid := joborch_internal.caller();
	v_owner oid;
	v_schedule joborch_internal.schedule;
BEGIN
	IF p_job_id IS NULL THEN
		PERFORM joborch_internal.refuse_cron_null('job_id');
	ELSIF p_username IS NOT NULL THEN
		IF NOT v_superuser THEN
			RAISE EXCEPTION USING
				ERRCODE = 'internal_error',
				MESSAGE = 'must be superuser to alter username';
		END IF;
		v_owner := joborch_internal.cron_role(p_username);
	END IF;
	PERFORM joborch_internal.check_cron_target(p_database, coalesce(v_owner, v_caller));
	IF p_schedule IS NOT NULL THEN
		PERFORM joborch_internal.cron_text(p_schedule);
	END IF;
	IF num_nonnulls(p_schedule, p_command, p_database, p_username, p_active) = 0 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'internal_error',
			MESSAGE = 'no updates specified',
			HINT = 'You must specify at least one job attribute to change when calling alter_job';
	END IF;
	v_schedule := joborch_internal.lock_cron_job(p_job_id);
	IF v_schedule.schedule_id IS NULL OR NOT (v_superuser OR v_schedule.owner = v_caller) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'internal_error',
			MESSAGE = format('Job %s does not exist or you don''t own it', p_job_id);
	END IF;
	PERFORM joborch_internal.change_cron_job(p_job_id, p_schedule, p_command, v_owner, p_active);
END
$$;

CREATE FUNCTION cron.alter_job(job_id bigint, schedule text DEFAULT NULL, command text DEFAULT NULL, database text DEFAULT NULL,
	username text DEFAULT NULL, active boolean DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION cron.alter_job(bigint, text, text, text, text, boolean)
IS 'changes what is given of a job; its time zone, what it does while it still runs and the like: joborch.alter_schedule()';

CREATE FUNCTION joborch_internal.cron_unschedule(p_job_id bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT AS $$
DECLARE
	v_schedule joborch_internal.schedule := joborch_internal.lock_cron_job(p_job_id);
	v_caller oid := joborch_internal.caller();
BEGIN
	IF v_schedule.schedule_id IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'internal_error',
			MESSAGE = format('could not find valid entry for job %s', p_job_id);
	ELSIF v_schedule.owner <> v_caller AND NOT has_table_privilege(v_caller, 'cron.job', 'DELETE') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = 'permission denied for table job';
	END IF;
	PERFORM joborch_internal.remove_cron_job(p_job_id);
	RETURN true;
END
$$;

CREATE FUNCTION cron.unschedule(job_id bigint) RETURNS boolean
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION cron.unschedule(bigint) IS 'removes a job; what it started goes on, and its history stays';

CREATE FUNCTION joborch_internal.cron_unschedule(p_job_name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT AS $$
DECLARE
	v_jobid bigint;
BEGIN
	SELECT c.jobid INTO v_jobid
	FROM joborch_internal.cron_job c JOIN joborch_internal.schedule s ON s.schedule_id = c.schedule_id
	WHERE c.jobname = p_job_name AND s.owner = joborch_internal.caller() AND s.dropped_at IS NULL
	FOR UPDATE OF c;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'internal_error',
			MESSAGE = format('could not find valid entry for job ''%s''', p_job_name);
	END IF;
	PERFORM joborch_internal.remove_cron_job(v_jobid);
	RETURN true;
END
$$;

CREATE FUNCTION cron.unschedule(job_name text) RETURNS boolean
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION cron.unschedule(text) IS 'removes a job of yours by its name';
