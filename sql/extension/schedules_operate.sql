-- Schedules that are there: changed, removed, paused, fired by hand.  schedules.sql is what
-- they are made of, and says who may hold which row.

-- ---- alter_schedule ----

CREATE FUNCTION joborch_internal.take_away(p_schedule joborch_internal.schedule, p_names text[]) RETURNS joborch_internal.schedule
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_new joborch_internal.schedule := p_schedule;
	v_known text[] := ARRAY['exclude', 'starts_at', 'ends_at', 'jitter', 'timezone', 'max_runs', 'pause_after_failures',
		'priority', 'queue', 'tags', 'metadata', 'description'];
	v_name text;
BEGIN
	FOREACH v_name IN ARRAY coalesce(p_names, '{}') LOOP
		IF v_name <> ALL (v_known) THEN
			RAISE EXCEPTION USING
				ERRCODE = 'invalid_parameter_value',
				MESSAGE = format('"%s" cannot be taken away from a schedule', v_name),
				HINT = joborch_internal.did_you_mean(v_name, v_known, 'Use some of: ' || array_to_string(v_known, ', ') || '.');
		END IF;
	END LOOP;
	v_new.spec := v_new.spec - coalesce(p_names, '{}');
	v_new.max_runs := CASE WHEN 'max_runs' = ANY (p_names) THEN NULL ELSE v_new.max_runs END;
	v_new.pause_after_failures := CASE WHEN 'pause_after_failures' = ANY (p_names) THEN NULL ELSE v_new.pause_after_failures END;
	v_new.priority := CASE WHEN 'priority' = ANY (p_names) THEN NULL ELSE v_new.priority END;
	v_new.queue_id := CASE WHEN 'queue' = ANY (p_names) THEN NULL ELSE v_new.queue_id END;
	v_new.tags := CASE WHEN 'tags' = ANY (p_names) THEN NULL ELSE v_new.tags END;
	v_new.metadata := CASE WHEN 'metadata' = ANY (p_names) THEN NULL ELSE v_new.metadata END;
	v_new.description := CASE WHEN 'description' = ANY (p_names) THEN NULL ELSE v_new.description END;
	RETURN v_new;
END
$$;

CREATE FUNCTION joborch_internal.change_job(p_schedule joborch_internal.schedule, p_job text, p_sql text)
RETURNS joborch_internal.schedule
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_new joborch_internal.schedule := p_schedule;
	v_job joborch_internal.job;
BEGIN
	IF p_job IS NOT NULL AND p_sql IS NOT NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'give one of job and sql';
	END IF;
	IF p_job IS NOT NULL THEN
		v_job := joborch_internal.find_job_to_schedule(p_schedule.name, p_job);
		v_new.job_id := v_job.job_id;
		v_new.version_id := NULL;
		v_new.owner := CASE WHEN (SELECT v.definition ->> 'run_as' = 'caller' FROM joborch_internal.job_version v
			WHERE v.version_id = v_job.current_version) THEN joborch_internal.caller() ELSE v_job.owner END;
	ELSIF p_sql IS NOT NULL THEN
		v_new.job_id := NULL;
		v_new.version_id := joborch_internal.version_of_sql(p_sql);
		v_new.owner := joborch_internal.caller();
	END IF;
	v_new.owner_name := CASE WHEN v_new.owner = p_schedule.owner THEN p_schedule.owner_name ELSE pg_get_userbyid(v_new.owner) END;
	RETURN v_new;
END
$$;

CREATE FUNCTION joborch_internal.alter_schedule(p_name text, p_new_name text, p_active boolean, p_job text, p_sql text, p_cron text,
	p_every interval, p_at timestamptz, p_rrule text, p_specs jsonb, p_timezone text, p_input jsonb, p_overlap text,
	p_catchup interval, p_jitter interval, p_starts_at timestamptz, p_ends_at timestamptz, p_max_runs bigint,
	p_pause_after_failures integer, p_exclude jsonb, p_anchor text, p_priority text, p_queue text, p_tags text[],
	p_metadata jsonb, p_description text, p_unset text[])
RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_old joborch_internal.schedule := joborch_internal.find_schedule_to_control(p_name);
	v_new joborch_internal.schedule;
	v_options jsonb := jsonb_build_object('cron', p_cron, 'every', joborch_internal.interval_text(p_every), 'at', p_at, 'rrule', p_rrule, 'specs', p_specs,
		'timezone', p_timezone, 'input', p_input, 'overlap', p_overlap, 'catchup', joborch_internal.interval_text(p_catchup), 'jitter', joborch_internal.interval_text(p_jitter),
		'starts_at', p_starts_at, 'ends_at', p_ends_at, 'max_runs', p_max_runs,
		'pause_after_failures', p_pause_after_failures, 'exclude', p_exclude, 'anchor', p_anchor, 'priority', p_priority,
		'queue', p_queue, 'tags', p_tags, 'metadata', p_metadata, 'description', p_description);
	v_spec jsonb := joborch_internal.spec_of(v_options);
BEGIN
	v_new := joborch_internal.take_away(v_old, p_unset);
	v_new := joborch_internal.change_job(v_new, p_job, p_sql);
	v_new := joborch_internal.apply_options(v_new, v_options);
	IF p_new_name IS NOT NULL THEN
		PERFORM joborch_internal.require_schedule_name(p_new_name);
		v_new.name := p_new_name;
	END IF;
	-- times that are not given anew stay
	v_spec := v_new.spec || CASE WHEN v_spec -> 'specs' = '[]' THEN v_spec - 'specs' ELSE v_spec END;
	IF v_spec <> v_old.spec THEN
		v_new := joborch_internal.apply_spec(v_new, v_spec);
		IF v_new.boot_after IS NULL AND
			(SELECT n.nominal IS NULL FROM joborch_internal.schedule_next(v_new.spec, v_new.schedule_id, joborch_internal.now()) AS n) THEN
			PERFORM joborch_internal.refuse_never(v_new);
		END IF;
	END IF;
	PERFORM joborch_internal.store_schedule(v_old, v_new);
	PERFORM joborch_internal.record_schedule('schedule_changed', v_new, NULL, joborch_internal.difference(v_old, v_new));
	IF p_active AND v_old.paused THEN
		PERFORM joborch_internal.resume_schedule(v_new.name, NULL);
	ELSIF NOT p_active AND NOT v_old.paused THEN
		PERFORM joborch_internal.pause_schedule(v_new.name, NULL);
	END IF;
END
$$;

CREATE FUNCTION joborch.alter_schedule(name text, new_name text DEFAULT NULL, active boolean DEFAULT NULL, job text DEFAULT NULL,
	sql text DEFAULT NULL, cron text DEFAULT NULL, every interval DEFAULT NULL, at timestamptz DEFAULT NULL,
	rrule text DEFAULT NULL, specs jsonb DEFAULT NULL, timezone text DEFAULT NULL, input jsonb DEFAULT NULL,
	overlap text DEFAULT NULL, catchup interval DEFAULT NULL, jitter interval DEFAULT NULL,
	starts_at timestamptz DEFAULT NULL, ends_at timestamptz DEFAULT NULL, max_runs bigint DEFAULT NULL,
	pause_after_failures integer DEFAULT NULL, exclude jsonb DEFAULT NULL, anchor text DEFAULT NULL,
	priority text DEFAULT NULL, queue text DEFAULT NULL, tags text[] DEFAULT NULL, metadata jsonb DEFAULT NULL,
	description text DEFAULT NULL, unset text[] DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.alter_schedule(text, text, boolean, text, text, text, interval, timestamptz, text, jsonb, text, jsonb, text, interval, interval, timestamptz, timestamptz, bigint, integer, jsonb, text, text, text, text[], jsonb, text, text[])
IS 'changes what is given of a schedule and leaves the rest; unset => ''{ends_at}'' takes something away';

-- ---- unschedule ----

-- Of one that is locked.
CREATE FUNCTION joborch_internal.drop_schedule(p_schedule joborch_internal.schedule) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	UPDATE joborch_internal.schedule s SET dropped_at = joborch_internal.now() WHERE s.schedule_id = p_schedule.schedule_id;
	DELETE FROM joborch_internal.schedule_state t WHERE t.schedule_id = p_schedule.schedule_id;
	UPDATE joborch_internal.schedule_fire f SET outcome = 's', reason = 'unscheduled while it waited'
	WHERE f.schedule_id = p_schedule.schedule_id AND f.outcome = 'b';
	PERFORM joborch_internal.record_schedule('schedule_removed', p_schedule, NULL, NULL);
END
$$;

CREATE FUNCTION joborch_internal.unschedule(p_name text) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.drop_schedule(joborch_internal.find_schedule_to_control(p_name));
	RETURN true;
END
$$;

CREATE FUNCTION joborch.unschedule(name text) RETURNS boolean
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.unschedule(text) IS 'removes a schedule; what it started goes on, and its history stays';

-- ---- pause, resume ----

CREATE FUNCTION joborch_internal.set_paused(p_schedule joborch_internal.schedule, p_reason text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	UPDATE joborch_internal.schedule s
	SET paused = true, paused_reason = p_reason, paused_at = joborch_internal.now()
	WHERE s.schedule_id = p_schedule.schedule_id;
	UPDATE joborch_internal.schedule_state t SET next_fire = NULL, next_nominal = NULL
	WHERE t.schedule_id = p_schedule.schedule_id;
END
$$;

CREATE FUNCTION joborch_internal.pause_schedule(p_name text, p_reason text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_schedule joborch_internal.schedule := joborch_internal.find_schedule_to_control(p_name);
BEGIN
	IF v_schedule.paused THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO005',
			MESSAGE = format('schedule "%s" is already paused', v_schedule.name),
			DETAIL = format('Since %s%s.', v_schedule.paused_at, coalesce(': ' || v_schedule.paused_reason, '')),
			HINT = format('SELECT joborch.resume_schedule(%L);', v_schedule.name);
	END IF;
	PERFORM joborch_internal.set_paused(v_schedule, p_reason);
	PERFORM joborch_internal.record_schedule('schedule_paused', v_schedule, p_reason, NULL);
END
$$;

CREATE FUNCTION joborch.pause_schedule(name text, reason text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.pause_schedule(text, text) IS 'keeps a schedule from firing until resume_schedule(); runs that it started go on';

-- By the dispatcher, which waits for nobody: too many failures, or an error of the schedule
-- itself.  False: somebody has it.
CREATE FUNCTION joborch_internal.pause_by_itself(p_schedule_id bigint, p_reason text) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_schedule joborch_internal.schedule;
BEGIN
	PERFORM FROM joborch_internal.schedule_state t WHERE t.schedule_id = p_schedule_id FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	SELECT s.* INTO v_schedule FROM joborch_internal.schedule s
	WHERE s.schedule_id = p_schedule_id AND s.dropped_at IS NULL AND NOT s.paused;
	IF FOUND THEN
		PERFORM joborch_internal.set_paused(v_schedule, p_reason);
		INSERT INTO joborch_internal.event (type, job_id, by_role, reason, detail)
		VALUES ('schedule_paused', v_schedule.job_id, 'joborch', p_reason,
			jsonb_build_object('schedule', v_schedule.name, 'schedule_id', p_schedule_id));
	END IF;
	RETURN true;
END
$$;

-- All schedules of a job that is going.
CREATE FUNCTION joborch_internal.pause_schedules_of(p_job joborch_internal.job, p_reason text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_schedule joborch_internal.schedule;
	v_paused integer := 0;
BEGIN
	FOR v_schedule IN
		SELECT s.* FROM joborch_internal.schedule s
		WHERE s.job_id = p_job.job_id AND s.dropped_at IS NULL AND NOT s.paused ORDER BY s.schedule_id
	LOOP
		PERFORM joborch_internal.lock_schedule(v_schedule.schedule_id);
		PERFORM joborch_internal.set_paused(v_schedule, p_reason);
		PERFORM joborch_internal.record_schedule('schedule_paused', v_schedule, p_reason, NULL);
		v_paused := v_paused + 1;
	END LOOP;
	IF v_paused > 0 THEN
		RAISE NOTICE USING
			MESSAGE = CASE v_paused WHEN 1 THEN format('a schedule of job "%s" was paused', p_job.name)
				ELSE format('%s schedules of job "%s" were paused', v_paused, p_job.name) END,
			HINT = 'joborch.unschedule() removes a schedule, joborch.alter_schedule(name, job => ...) gives it another job.';
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.resume_schedule(p_name text, p_catchup interval) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_schedule joborch_internal.schedule := joborch_internal.find_schedule_to_control(p_name);
	v_now timestamptz := joborch_internal.now();
BEGIN
	IF NOT v_schedule.paused THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO005',
			MESSAGE = format('schedule "%s" is not paused', v_schedule.name),
			HINT = format('SELECT joborch.trigger_schedule(%L); starts a run now.', v_schedule.name);
	ELSIF p_catchup < interval '0' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('catchup must not be negative: %s', p_catchup);
	END IF;
	PERFORM joborch_internal.check_schedule(v_schedule.schedule_id);
	UPDATE joborch_internal.schedule s
	SET paused = false, paused_reason = NULL, paused_at = NULL, boot_after = CASE WHEN s.boot_after IS NOT NULL THEN clock_timestamp() END
	WHERE s.schedule_id = v_schedule.schedule_id;
	UPDATE joborch_internal.schedule_state t SET failures = 0 WHERE t.schedule_id = v_schedule.schedule_id;
	v_schedule.paused := false;
	-- what is older than the schedule's own window would only be told as missed
	PERFORM joborch_internal.set_next(v_schedule,
		greatest(v_now - CASE WHEN p_catchup IS NULL THEN interval '0' ELSE least(p_catchup, v_schedule.catchup) END,
			coalesce(v_schedule.paused_at, v_now)));
	PERFORM joborch_internal.record_schedule('schedule_resumed', v_schedule, NULL, jsonb_build_object('catchup', joborch_internal.interval_text(p_catchup)));
END
$$;

CREATE FUNCTION joborch.resume_schedule(name text, catchup interval DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.resume_schedule(text, interval)
IS 'lets a paused schedule fire again; of the times in which it was paused those are fired that are not older than catchup';

-- ---- fired by hand ----

CREATE FUNCTION joborch_internal.trigger_schedule(p_name text, p_input jsonb) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_schedule joborch_internal.schedule := joborch_internal.find_schedule_to_control(p_name);
	v_now timestamptz := joborch_internal.now();
	v_run_id bigint;
BEGIN
	v_run_id := joborch_internal.start_scheduled(v_schedule.schedule_id, v_now, p_input, joborch_internal.caller_name(), true);
	INSERT INTO joborch_internal.schedule_fire (schedule_id, nominal, seq, at, run_id, outcome, reason, requested_by)
	VALUES (v_schedule.schedule_id, v_now, v_run_id, v_now, v_run_id, 'f', 'trigger_schedule()', joborch_internal.caller_name());
	UPDATE joborch_internal.schedule_state t
	SET last_run_id = v_run_id, open_runs = coalesce(t.open_runs, '{}') || v_run_id
	WHERE t.schedule_id = v_schedule.schedule_id;
	PERFORM joborch_internal.record_schedule('schedule_triggered', v_schedule, NULL, jsonb_build_object('run_id', v_run_id));
	RETURN v_run_id;
END
$$;

CREATE FUNCTION joborch.trigger_schedule(name text, input jsonb DEFAULT NULL) RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.trigger_schedule(text, jsonb)
IS 'starts a run of a schedule now, whatever its overlap says and even if it is paused, and returns the run''s id';

-- Times of a range that started nothing.
CREATE FUNCTION joborch_internal.times_to_backfill(p_schedule joborch_internal.schedule, p_since timestamptz, p_until timestamptz,
	p_most integer)
RETURNS SETOF timestamptz
LANGUAGE sql STABLE AS $$
	SELECT n.nominal
	FROM joborch_internal.schedule_times(p_schedule.spec, p_schedule.schedule_id, p_since - interval '1 microsecond', p_until, p_most) AS n
	WHERE NOT EXISTS (SELECT FROM joborch_internal.schedule_fire f
		WHERE f.schedule_id = p_schedule.schedule_id AND f.nominal = n.nominal AND f.seq = 0 AND f.outcome IN ('f', 'b'))
	ORDER BY n.nominal
$$;

-- One fire of a backfill; its run, or NULL if it waits for others.
CREATE FUNCTION joborch_internal.backfill_one(p_schedule joborch_internal.schedule, p_nominal timestamptz) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run_id bigint;
BEGIN
	IF p_schedule.overlap = 'l' THEN
		v_run_id := joborch_internal.start_scheduled(p_schedule.schedule_id, p_nominal, NULL, joborch_internal.caller_name(),
			p_schedule.pause_after_failures IS NOT NULL);
	END IF;
	INSERT INTO joborch_internal.schedule_fire AS f (schedule_id, nominal, seq, at, run_id, outcome, reason, requested_by)
	VALUES (p_schedule.schedule_id, p_nominal, 0, joborch_internal.now(), v_run_id,
		CASE WHEN v_run_id IS NULL THEN 'b' ELSE 'f' END, 'backfill_schedule()', joborch_internal.caller_name())
	ON CONFLICT (schedule_id, nominal, seq) DO UPDATE
	SET at = excluded.at, run_id = excluded.run_id, outcome = excluded.outcome,
		reason = excluded.reason || ', before: ' || joborch_internal.fire_word(f.outcome) || coalesce(', ' || f.reason, ''),
		requested_by = excluded.requested_by;
	RETURN v_run_id;
END
$$;

CREATE FUNCTION joborch_internal.backfill_schedule(p_name text, p_since timestamptz, p_until timestamptz, p_max_fires integer,
	p_dry_run boolean)
RETURNS TABLE (fire_at timestamptz, outcome text, run_id bigint)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_schedule joborch_internal.schedule := joborch_internal.find_schedule_to_control(p_name);
	v_now timestamptz := joborch_internal.now();
	v_times timestamptz[];
	v_runs bigint[] := '{}';
BEGIN
	IF p_since IS NULL OR p_since > coalesce(p_until, v_now) OR NOT isfinite(p_since) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = CASE WHEN p_since IS NULL THEN 'since must not be null' ELSE 'since must be before until' END,
			DETAIL = format('since is %s, until is %s.', coalesce(p_since::text, 'null'), coalesce(p_until, v_now));
	ELSIF v_schedule.after_finish THEN
		RAISE EXCEPTION USING
			ERRCODE = 'feature_not_supported',
			MESSAGE = format('schedule "%s" has no times to backfill', v_schedule.name),
			DETAIL = 'It counts from the end of its last run.',
			HINT = format('SELECT joborch.trigger_schedule(%L); starts a run now.', v_schedule.name);
	ELSIF coalesce(p_max_fires, 0) < 1 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'max_fires must be at least 1';
	END IF;
	v_times := ARRAY(SELECT joborch_internal.times_to_backfill(v_schedule, p_since, least(coalesce(p_until, v_now), v_now),
		least(p_max_fires::bigint * 2 + 100000, 2000000)::integer) LIMIT p_max_fires::bigint + 1);
	IF cardinality(v_times) > p_max_fires THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO020',
			MESSAGE = format('from %s to %s there are more than %s times that started nothing', p_since, least(coalesce(p_until, v_now), v_now), p_max_fires),
			DETAIL = format('The first ones are %s.', array_to_string(v_times[1:3], ', ')),
			HINT = 'Choose a shorter range, or a higher max_fires.';
	END IF;
	IF p_dry_run THEN
		RETURN QUERY SELECT t.nominal, 'would fire', NULL::bigint FROM unnest(v_times) AS t (nominal);
		RETURN;
	END IF;
	FOR i IN 1 .. cardinality(v_times) LOOP
		v_runs := v_runs || joborch_internal.backfill_one(v_schedule, v_times[i]);
	END LOOP;
	PERFORM joborch_internal.note_backfill(v_schedule, v_runs);
	RETURN QUERY SELECT t.nominal, CASE WHEN t.run IS NULL THEN 'buffered' ELSE 'fired' END, t.run
		FROM unnest(v_times, v_runs) AS t (nominal, run);
END
$$;

-- What the schedule's state has of a backfill; runs are NULL that wait.
CREATE FUNCTION joborch_internal.note_backfill(p_schedule joborch_internal.schedule, p_runs bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_started bigint[] := array_remove(p_runs, NULL);
	v_waiting integer := cardinality(p_runs) - cardinality(v_started);
BEGIN
	IF p_runs = '{}' THEN
		RETURN;
	END IF;
	UPDATE joborch_internal.schedule_state t
	SET fired = t.fired + cardinality(v_started),
		last_run_id = coalesce(v_started[cardinality(v_started)], t.last_run_id),
		open_runs = CASE WHEN p_schedule.pause_after_failures IS NULL THEN t.open_runs ELSE coalesce(t.open_runs, '{}') || v_started END,
		buffered = t.buffered + v_waiting,
		next_fire = CASE WHEN v_waiting > 0 AND NOT p_schedule.paused THEN joborch_internal.now() ELSE t.next_fire END
	WHERE t.schedule_id = p_schedule.schedule_id;
	IF v_waiting > 0 THEN
		PERFORM joborch_internal.announce_schedule(joborch_internal.now());
		PERFORM joborch_internal.follow_open(p_schedule);
	END IF;
	PERFORM joborch_internal.record_schedule('schedule_backfilled', p_schedule, NULL,
		jsonb_build_object('fires', cardinality(p_runs)));
END
$$;

CREATE FUNCTION joborch.backfill_schedule(name text, since timestamptz, until timestamptz DEFAULT NULL,
	max_fires integer DEFAULT 1000, dry_run boolean DEFAULT false)
RETURNS TABLE (fire_at timestamptz, outcome text, run_id bigint)
LANGUAGE C VOLATILE ROWS 100 AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.backfill_schedule(text, timestamptz, timestamptz, integer, boolean)
IS 'starts runs for the times of a past range that started none: one after another, or all at once with overlap allow_all';

-- ---- history ----

-- What became of times, older than that; for cleanup_runs().
CREATE FUNCTION joborch_internal.forget_fires(p_older_than interval, p_jobs bigint[]) RETURNS void
LANGUAGE sql VOLATILE AS $$
	DELETE FROM joborch_internal.schedule_fire f USING joborch_internal.schedule s
	WHERE s.schedule_id = f.schedule_id AND f.at < joborch_internal.now() - p_older_than AND f.outcome <> 'b'
		AND (p_jobs IS NULL OR s.job_id = ANY (p_jobs)) AND joborch_internal.may_control(s.owner, s.tenant)
$$;
