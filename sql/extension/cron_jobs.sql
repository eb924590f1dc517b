-- Jobs as pg_cron has them, made of schedules: for import_pg_cron() and the extension joborch_cron.

CREATE FUNCTION joborch_internal.cron_version(command text, owner oid) RETURNS bigint
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_cron_version';

CREATE FUNCTION joborch_internal.refuse_cron_schedule(p_schedule text, p_detail text, p_hint text) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RAISE EXCEPTION USING
		ERRCODE = 'invalid_parameter_value',
		MESSAGE = format('invalid schedule: %s', p_schedule),
		DETAIL = coalesce(p_detail, ''),
		HINT = coalesce(p_hint, 'Use cron format (e.g. 5 4 * * *), or interval format ''[1-59] seconds''');
END
$$;

-- A schedule's text as joborch reads it.  What pg_cron takes and then reads as something
-- else than it says is refused.
CREATE FUNCTION joborch_internal.cron_text(p_schedule text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_text text := btrim(regexp_replace(p_schedule, '\s+', ' ', 'g'));
BEGIN
	IF octet_length(p_schedule) >= 1000 THEN
		PERFORM joborch_internal.refuse_cron_schedule(p_schedule, format('It has %s bytes, 999 are allowed.', octet_length(p_schedule)), NULL);
	ELSIF v_text !~ '^@' AND v_text ~ '^(\S+ ){5}' THEN
		PERFORM joborch_internal.refuse_cron_schedule(p_schedule, 'pg_cron ignores what follows the fifth field.',
			'Take it away; joborch.schedule_sql() also takes six fields, of which the first is the second.');
	ELSIF v_text ~ '#' THEN
		PERFORM joborch_internal.refuse_cron_schedule(p_schedule, 'pg_cron ignores what follows the #.',
			'joborch.schedule_sql() knows 5#2 as the second Friday.');
	END IF;
	BEGIN
		PERFORM joborch_internal.schedule_spec(jsonb_build_object('specs', jsonb_build_array(jsonb_build_object('cron', v_text))), now());
	EXCEPTION WHEN invalid_parameter_value THEN
		PERFORM joborch_internal.refuse_cron_schedule(p_schedule, regexp_replace(SQLERRM, '^invalid schedule: (\S+: )?', ''), NULL);
	END;
	RETURN v_text;
END
$$;

CREATE FUNCTION joborch_internal.cron_zone() RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT coalesce(nullif(current_setting('cron.timezone', true), ''), 'GMT')
$$;

-- The job's own name, if it is free and can be one.
CREATE FUNCTION joborch_internal.cron_schedule_name(p_jobid bigint, p_jobname text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN octet_length(p_jobname) BETWEEN 1 AND 255 AND p_jobname !~ '^([0-9]+$|\{)'
			AND NOT EXISTS (SELECT FROM joborch_internal.schedule s WHERE s.name = p_jobname AND s.dropped_at IS NULL)
		THEN p_jobname
		ELSE format('cron:%s', p_jobid)
	END
$$;

-- The row of a job with that id, or that name and role, whose schedule joborch.unschedule() has
-- dropped.
CREATE FUNCTION joborch_internal.forget_dropped_cron_job(p_jobid bigint, p_jobname text, p_username text) RETURNS void
LANGUAGE sql VOLATILE AS $$
	DELETE FROM joborch_internal.cron_job c
	USING joborch_internal.schedule s
	WHERE (c.jobid = p_jobid OR (c.jobname = p_jobname AND c.username = p_username))
		AND s.schedule_id = c.schedule_id AND s.dropped_at IS NOT NULL
$$;

-- A schedule for a row of cron.job, of which username is checked.
CREATE FUNCTION joborch_internal.insert_cron_job(p_job joborch_internal.cron_job, p_owner oid, p_zone text, p_paused_reason text)
RETURNS joborch_internal.cron_job
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_job joborch_internal.cron_job := p_job;
	v_new joborch_internal.schedule;
	v_text text := joborch_internal.cron_text(p_job.schedule);
BEGIN
	v_new.name := joborch_internal.cron_schedule_name(p_job.jobid, p_job.jobname);
	v_new.version_id := joborch_internal.cron_version(p_job.command, p_owner);
	v_new.owner := p_owner;
	v_new.owner_name := p_job.username;
	-- pg_cron counts the times that come while a job runs, but of an interval only one
	v_new.overlap := CASE WHEN v_text ~ '^[0-9]+ ?s' THEN 'o' ELSE 'a' END;
	v_new.catchup := '1 minute';
	v_new.input := '{}';
	v_new.metadata := jsonb_build_object('cron', jsonb_strip_nulls(jsonb_build_object('jobid', p_job.jobid, 'jobname', p_job.jobname)));
	v_new := joborch_internal.apply_spec(v_new, jsonb_build_object(
		'specs', jsonb_build_array(jsonb_build_object('cron', v_text)), 'timezone', p_zone));
	v_job.schedule_id := joborch_internal.insert_schedule(v_new, p_paused_reason);
	IF v_job.schedule_id IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'duplicate_object',
			MESSAGE = format('schedule "%s" exists already', v_new.name);
	END IF;
	v_job.revision := 1;
	INSERT INTO joborch_internal.cron_job SELECT v_job.*;
	INSERT INTO joborch_internal.cron_link (schedule_id, jobid) VALUES (v_job.schedule_id, v_job.jobid);
	RETURN v_job;
END
$$;
