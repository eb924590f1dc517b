-- Finding a job or a run for who calls, refusing what is not his, and the audit
-- trail.  Every function that users reach begins with one of these.
--
-- Functions of joborch_internal run with raised rights and a pinned search_path,
-- which their entry (joborch_call) has set; so names without a schema are
-- pg_catalog's.

CREATE FUNCTION joborch_internal.caller_name() RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT pg_get_userbyid(joborch_internal.caller())::text
$$;

CREATE FUNCTION joborch_internal.require_role(p_role text) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF NOT pg_has_role(joborch_internal.caller(), p_role::name, 'MEMBER') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('this needs membership in role "%s"', p_role),
			HINT = format('GRANT %I TO %I;', p_role, joborch_internal.caller_name());
	END IF;
END
$$;

-- A job by its name or its id as text; JO002 if there is none that the caller may see.
CREATE FUNCTION joborch_internal.find_job(p_job text) RETURNS joborch_internal.job
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_job joborch_internal.job;
BEGIN
	IF p_job ~ '^[0-9]{1,18}$' THEN
		SELECT j.* INTO v_job FROM joborch_internal.job j
		WHERE j.job_id = p_job::bigint AND j.dropped_at IS NULL;
	ELSE
		SELECT j.* INTO v_job FROM joborch_internal.job j
		WHERE j.name = p_job AND j.dropped_at IS NULL;
	END IF;
	IF v_job.job_id IS NULL OR NOT joborch.visible(v_job.owner, v_job.tenant) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO002',
			MESSAGE = format('job "%s" does not exist', p_job),
			HINT = 'Your jobs are in the view joborch.jobs.';
	END IF;
	RETURN v_job;
END
$$;

-- Whoever writes what a role's runs will execute must be able to become that role;
-- to be an operator is not enough.
CREATE FUNCTION joborch_internal.require_author(p_job joborch_internal.job) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF NOT pg_has_role(joborch_internal.caller(), p_job.owner, 'MEMBER')
		OR NOT joborch_internal.may_control(p_job.owner, p_job.tenant) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('permission denied for job "%s"', p_job.name),
			DETAIL = format('Its steps run as role "%s", of which "%s" is not a member.',
				p_job.owner_name, joborch_internal.caller_name()),
			HINT = 'Choose another name, or ask the owner for the change.';
	END IF;
END
$$;

-- A run; JO003 if there is none that the caller may see.
CREATE FUNCTION joborch_internal.find_run(p_run_id bigint) RETURNS joborch_internal.run
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_run joborch_internal.run;
BEGIN
	SELECT r.* INTO v_run FROM joborch_internal.run r WHERE r.run_id = p_run_id;
	IF v_run.run_id IS NULL OR NOT joborch.visible(v_run.owner, v_run.tenant) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO003',
			MESSAGE = format('run %s does not exist', coalesce(p_run_id::text, 'NULL')),
			HINT = 'Your runs are in the view joborch.job_runs.';
	END IF;
	RETURN v_run;
END
$$;

CREATE FUNCTION joborch_internal.find_run_to_control(p_run_id bigint) RETURNS joborch_internal.run
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_run joborch_internal.run := joborch_internal.find_run(p_run_id);
BEGIN
	IF NOT joborch_internal.may_control(v_run.owner, v_run.tenant) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('permission denied for run %s', p_run_id),
			DETAIL = format('It belongs to role "%s".', v_run.owner_name),
			HINT = format('Only members of that role and of joborch_operator may: GRANT joborch_operator TO %I;',
				joborch_internal.caller_name());
	END IF;
	RETURN v_run;
END
$$;

-- The status of a run as it is now, by a new snapshot; NULL if there is no such run.
CREATE FUNCTION joborch_internal.current_status(p_run_id bigint) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN (
		SELECT joborch_internal.run_state(l.run_id, l.epoch, l.paused, l.begun)
		FROM joborch_internal.live l WHERE l.run_id = p_run_id
		UNION ALL
		SELECT joborch_internal.status_word(e.status)
		FROM joborch_internal.ends e WHERE e.run_id = p_run_id);
END
$$;

-- Raises JO005: the run's status does not allow what was asked, and what to type instead.
CREATE FUNCTION joborch_internal.refuse(p_run_id bigint, p_asked text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_status text := joborch_internal.current_status(p_run_id);
	v_cancel "char" := (SELECT l.cancel FROM joborch_internal.live l WHERE l.run_id = p_run_id);
	v_hint text;
BEGIN
	IF v_status IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO003',
			MESSAGE = format('run %s does not exist', p_run_id),
			DETAIL = 'It was deleted in the meantime.';
	END IF;
	v_hint := CASE
		WHEN v_status = 'failed' THEN 'SELECT joborch.recover_run(%1$s); goes on with it, SELECT joborch.rerun(%1$s); starts it anew.'
		WHEN v_status IN ('completed', 'cancelled') THEN 'SELECT joborch.rerun(%1$s); starts it anew.'
		WHEN v_cancel = 'g' AND p_asked = 'cancel' THEN 'SELECT joborch.cancel_run(%1$s, force => true); interrupts the step that is running.'
		WHEN v_cancel <> '-' THEN 'SELECT joborch.wait_for_run(%1$s); waits for its end.'
		WHEN v_status = 'paused' AND p_asked <> 'delete' THEN 'SELECT joborch.resume_run(%1$s); goes on with it.'
		WHEN p_asked = 'delete' THEN 'SELECT joborch.cancel_run(%1$s); first.'
		ELSE 'SELECT joborch.wait_for_run(%1$s); waits for its end.'
	END;
	RAISE EXCEPTION USING
		ERRCODE = 'JO005',
		MESSAGE = CASE
			WHEN v_cancel IN ('g', 'f') THEN format('run %s is already being cancelled', p_run_id)
			WHEN v_cancel = 't' THEN format('run %s has timed out and is ending', p_run_id)
			WHEN v_status IN ('completed', 'failed', 'cancelled')
				OR (v_status = 'paused' AND p_asked = 'pause') THEN format('run %s is already %s', p_run_id, v_status)
			ELSE format('run %s is %s', p_run_id, v_status)
		END,
		HINT = format(v_hint, p_run_id);
END
$$;

-- The audit trail.
CREATE FUNCTION joborch_internal.record(p_type text, p_run_id bigint, p_job_id bigint, p_reason text, p_detail jsonb)
RETURNS void
LANGUAGE sql VOLATILE AS $$
	INSERT INTO joborch_internal.event (type, run_id, job_id, by_role, reason, detail)
	VALUES (p_type, p_run_id, p_job_id, joborch_internal.caller_name(), p_reason, p_detail)
$$;

