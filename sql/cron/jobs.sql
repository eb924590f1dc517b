-- What the functions and the triggers do.  Messages and SQLSTATEs are pg_cron's, which has
-- XX000 for most: programs look for them.

CREATE FUNCTION joborch_internal.is_cron_superuser() RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT r.rolsuper FROM pg_roles r WHERE r.oid = joborch_internal.caller()
$$;

-- The role that a job is to run as, if it may.
CREATE FUNCTION joborch_internal.cron_role(p_username text) RETURNS oid
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_role pg_roles;
BEGIN
	SELECT r.* INTO v_role FROM pg_roles r WHERE r.rolname = p_username;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'internal_error',
			MESSAGE = format('role "%s" does not exist', p_username);
	ELSIF NOT v_role.rolcanlogin THEN
		RAISE EXCEPTION USING
			ERRCODE = 'internal_error',
			MESSAGE = format('role "%s" can not log in', p_username),
			DETAIL = 'Jobs may only be run by roles that have the LOGIN attribute.';
	END IF;
	RETURN v_role.oid;
END
$$;

-- Whether a role may have jobs, and in that database; NULL: this one.
CREATE FUNCTION joborch_internal.check_cron_target(p_database text, p_owner oid) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_database text := coalesce(p_database, current_database());
BEGIN
	PERFORM FROM pg_database d WHERE d.datname = v_database;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_catalog_name',
			MESSAGE = format('database "%s" does not exist', v_database);
	ELSIF current_setting('cron.enable_superuser_jobs', true)::boolean IS FALSE
		AND (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = p_owner) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = 'cannot schedule jobs as superuser',
			DETAIL = 'Scheduling jobs as superuser is disallowed when cron.enable_superuser_jobs is set to off.';
	ELSIF NOT has_database_privilege(p_owner, v_database, 'CONNECT') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'internal_error',
			MESSAGE = format('User %s does not have CONNECT privilege on %s', pg_get_userbyid(p_owner), v_database);
	ELSIF v_database <> current_database() THEN
		RAISE EXCEPTION USING
			ERRCODE = 'feature_not_supported',
			MESSAGE = format('cannot schedule a job for database "%s" in database "%s"', v_database, current_database()),
			DETAIL = 'Each database has its own jobs, and runs them.',
			HINT = format('Connect to "%s", CREATE EXTENSION joborch_cron CASCADE; if it is not there, and call cron.schedule() there.', v_database);
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.refuse_cron_null(p_name text) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RAISE EXCEPTION USING
		ERRCODE = 'internal_error',
		MESSAGE = format('%s can not be NULL', p_name);
END
$$;

-- Its schedule, with the job locked until the end of the transaction; NULL when it is gone.
CREATE FUNCTION joborch_internal.lock_cron_job(p_jobid bigint) RETURNS joborch_internal.schedule
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_schedule joborch_internal.schedule;
	v_schedule_id bigint;
BEGIN
	SELECT c.schedule_id INTO v_schedule_id FROM joborch_internal.cron_job c WHERE c.jobid = p_jobid FOR UPDATE;
	PERFORM joborch_internal.lock_schedule(v_schedule_id);
	SELECT s.* INTO v_schedule FROM joborch_internal.schedule s WHERE s.schedule_id = v_schedule_id AND s.dropped_at IS NULL;
	RETURN v_schedule;
END
$$;

-- A new one with that id, or the next one.
CREATE FUNCTION joborch_internal.add_cron_job(p_jobid bigint, p_schedule text, p_command text, p_nodename text, p_nodeport integer,
	p_owner oid, p_active boolean, p_jobname text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_job joborch_internal.cron_job;
BEGIN
	v_job.jobid := coalesce(p_jobid, nextval('cron.jobid_seq'));
	v_job.schedule := p_schedule;
	v_job.command := p_command;
	v_job.nodename := coalesce(p_nodename, current_setting('cron.host', true), 'localhost');
	v_job.nodeport := coalesce(p_nodeport, current_setting('port')::integer);
	v_job.username := pg_get_userbyid(p_owner);
	v_job.jobname := p_jobname;
	PERFORM joborch_internal.forget_dropped_cron_job(v_job.jobid, p_jobname, v_job.username);
	PERFORM FROM joborch_internal.cron_job c WHERE c.jobid = v_job.jobid;
	IF FOUND THEN
		PERFORM joborch_internal.refuse_cron_duplicate('job_pkey', format('Key (jobid)=(%s) already exists.', v_job.jobid));
	END IF;
	PERFORM FROM joborch_internal.cron_job c WHERE c.jobname = p_jobname AND c.username = v_job.username;
	IF FOUND THEN
		PERFORM joborch_internal.refuse_cron_duplicate('jobname_username_uniq',
			format('Key (jobname, username)=(%s, %s) already exists.', p_jobname, v_job.username));
	END IF;
	v_job := joborch_internal.insert_cron_job(v_job, p_owner, joborch_internal.cron_zone(),
		CASE WHEN NOT p_active THEN 'not active in cron.job' END);
	RETURN v_job.jobid;
END
$$;

CREATE FUNCTION joborch_internal.refuse_cron_duplicate(p_constraint text, p_detail text) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RAISE EXCEPTION USING
		ERRCODE = 'unique_violation',
		MESSAGE = format('duplicate key value violates unique constraint "%s"', p_constraint),
		DETAIL = p_detail,
		SCHEMA = 'cron', TABLE = 'job', CONSTRAINT = p_constraint;
END
$$;

-- Changes what is not NULL.  What the schedule has beside (zone, overlap, ...) stays.
CREATE FUNCTION joborch_internal.change_cron_job(p_jobid bigint, p_schedule text, p_command text, p_owner oid, p_active boolean)
RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_old joborch_internal.schedule := joborch_internal.lock_cron_job(p_jobid);
	v_new joborch_internal.schedule := v_old;
	v_job joborch_internal.cron_job;
BEGIN
	SELECT c.* INTO v_job FROM joborch_internal.cron_job c WHERE c.jobid = p_jobid;
	IF p_schedule IS NOT NULL THEN
		v_new := joborch_internal.apply_spec(v_new, v_old.spec || jsonb_build_object(
			'specs', jsonb_build_array(jsonb_build_object('cron', joborch_internal.cron_text(p_schedule)))));
	END IF;
	IF p_command IS NOT NULL OR p_owner <> v_old.owner THEN
		v_new.owner := coalesce(p_owner, v_old.owner);
		v_new.owner_name := pg_get_userbyid(v_new.owner);
		v_new.job_id := NULL;
		v_new.version_id := joborch_internal.cron_version(coalesce(p_command, v_job.command), v_new.owner);
	END IF;
	PERFORM joborch_internal.store_schedule(v_old, v_new);
	PERFORM joborch_internal.record_schedule('schedule_changed', v_new, NULL, joborch_internal.difference(v_old, v_new));
	UPDATE joborch_internal.cron_job c
	SET schedule = coalesce(p_schedule, c.schedule), command = coalesce(p_command, c.command), username = v_new.owner_name,
		-- words that were changed by alter_schedule() are the schedule's own until both are given anew
		revision = CASE WHEN c.revision = v_old.revision OR (p_schedule IS NOT NULL AND p_command IS NOT NULL)
			THEN v_old.revision + 1 ELSE c.revision END
	WHERE c.jobid = p_jobid;
	IF p_active AND v_old.paused THEN
		PERFORM joborch_internal.resume_schedule(v_old.name, NULL);
	ELSIF NOT p_active AND NOT v_old.paused THEN
		PERFORM joborch_internal.set_paused(v_new, 'not active in cron.job');
		PERFORM joborch_internal.record_schedule('schedule_paused', v_new, 'not active in cron.job', NULL);
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.remove_cron_job(p_jobid bigint) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.drop_schedule(joborch_internal.lock_cron_job(p_jobid));
	DELETE FROM joborch_internal.cron_job c WHERE c.jobid = p_jobid;
END
$$;

-- By name: the same name of the same role again changes schedule and command, and nothing else.
CREATE FUNCTION joborch_internal.save_cron_job(p_jobname text, p_schedule text, p_command text, p_owner oid, p_active boolean)
RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_jobid bigint;
BEGIN
	-- two that make it in the same moment
	PERFORM pg_advisory_xact_lock(hashtextextended('joborch_cron ' || p_owner || ' ' || p_jobname, 0));
	PERFORM joborch_internal.forget_dropped_cron_job(NULL, p_jobname, pg_get_userbyid(p_owner));
	SELECT c.jobid INTO v_jobid FROM joborch_internal.cron_job c
	WHERE c.jobname = p_jobname AND c.username = pg_get_userbyid(p_owner) FOR UPDATE;
	IF NOT FOUND THEN
		RETURN joborch_internal.add_cron_job(NULL, p_schedule, p_command, NULL, NULL, p_owner, p_active, p_jobname);
	END IF;
	PERFORM joborch_internal.change_cron_job(v_jobid, p_schedule, p_command, NULL, NULL);
	RETURN v_jobid;
END
$$;
