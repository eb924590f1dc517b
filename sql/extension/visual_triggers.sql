-- What starts runs in a visual definition, as schedules of the job.
--
-- A trigger that says when becomes a schedule, which is paused unless the trigger says
-- that it is enabled.  One for which there is no source here (files, services) becomes a
-- paused one too, so that it is seen, and has a name by which a program can start its run.

-- The options of the schedule; NULL: the trigger says nothing about time.  Why it is paused.
CREATE FUNCTION joborch_internal.options_of_trigger(p_trigger jsonb, OUT options jsonb, OUT paused_reason text, OUT hint text)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	v_config jsonb := p_trigger -> 'config';
	v_type text := p_trigger ->> 'type';
	v_cron text := coalesce(v_config ->> 'cron_expression', CASE WHEN jsonb_typeof(v_config -> 'schedule') = 'string' THEN v_config ->> 'schedule' END);
BEGIN
	IF v_type IN ('trigger.file_watch', 'trigger.service_monitor') THEN
		options := jsonb_build_object('every', coalesce(v_config ->> 'check_interval_sec', '60') || ' seconds');
		paused_reason := CASE v_type
			WHEN 'trigger.file_watch' THEN format('joborch does not watch files (%s)', coalesce(v_config ->> 'watch_path', 'no path'))
			ELSE format('joborch does not watch services (%s)', coalesce(v_config ->> 'service_name', 'no service'))
		END;
		hint := 'Let what watches call joborch.trigger_schedule(%L), or let the job look itself and SELECT joborch.resume_schedule(%1$L);';
	ELSIF v_cron IS NOT NULL THEN
		options := jsonb_build_object('cron', v_cron, 'timezone', v_config ->> 'timezone',
			'starts_at', v_config ->> 'start_date', 'ends_at', v_config ->> 'end_date',
			'input', CASE WHEN jsonb_typeof(v_config -> 'parameters') = 'object' THEN v_config -> 'parameters' END);
		IF v_config -> 'enabled' IS DISTINCT FROM 'true' THEN
			paused_reason := 'imported, and not enabled by its trigger';
			hint := 'SELECT joborch.resume_schedule(%L);';
		END IF;
	END IF;
	options := options || jsonb_build_object('description', format('trigger "%s" of the visual definition', p_trigger ->> 'node'));
END
$$;

CREATE FUNCTION joborch_internal.schedule_trigger(p_job joborch_internal.job, p_trigger jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_name text := format('%s/%s', p_job.name, p_trigger ->> 'node');
	v_known joborch_internal.schedule;
	v_trigger record;
	v_message text;
	v_detail text;
BEGIN
	SELECT t.* INTO v_trigger FROM joborch_internal.options_of_trigger(p_trigger) AS t;
	SELECT s.* INTO v_known FROM joborch_internal.schedule s WHERE s.name = v_name AND s.dropped_at IS NULL;
	-- what was made of it before may have been changed since: only another trigger is a new wish
	IF v_trigger.options IS NULL OR v_known.job_id = p_job.job_id AND v_known.metadata -> 'trigger' = p_trigger THEN
		RETURN;
	END IF;
	BEGIN
		PERFORM joborch_internal.save_schedule(v_name, p_job.job_id, NULL, p_job.owner, p_job.tenant,
			v_trigger.options || jsonb_build_object('metadata', jsonb_build_object('trigger', p_trigger)), v_trigger.paused_reason);
	EXCEPTION WHEN invalid_parameter_value OR duplicate_object OR invalid_datetime_format OR SQLSTATE 'JO006' THEN
		GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL;
		RAISE WARNING USING
			MESSAGE = format('trigger "%s" of job "%s" became no schedule: %s', p_trigger ->> 'node', p_job.name, v_message),
			DETAIL = v_detail,
			HINT = format('SELECT joborch.schedule(%L, %L, cron => ''...'');', v_name, p_job.name);
		RETURN;
	END;
	IF v_trigger.paused_reason IS NOT NULL AND v_known.schedule_id IS NULL THEN
		RAISE NOTICE USING
			MESSAGE = format('trigger "%s" became schedule "%s", which is paused', p_trigger ->> 'node', v_name),
			DETAIL = format('The reason: %s.', v_trigger.paused_reason),
			HINT = format(v_trigger.hint, v_name);
	END IF;
END
$$;

-- After a version of a job was saved.
CREATE FUNCTION joborch_internal.schedule_triggers(p_job_id bigint, p_definition jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	IF p_definition #> '{metadata,visual}' IS NULL OR jsonb_typeof(p_definition #> '{metadata,triggers}') IS DISTINCT FROM 'array' THEN
		RETURN;
	END IF;
	PERFORM joborch_internal.schedule_trigger(j, t.value)
	FROM joborch_internal.job j, jsonb_array_elements(p_definition #> '{metadata,triggers}') AS t
	WHERE j.job_id = p_job_id;
END
$$;
