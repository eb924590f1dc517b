-- Schedules: made, changed, paused, fired by hand.
--
-- Whoever changes a schedule, or writes fires of it, locks its row in schedule_state first;
-- the dispatcher passes over a schedule that is locked, and looks again.

-- ---- bindings ----

CREATE FUNCTION joborch_internal.announce_schedule(due timestamptz) RETURNS void
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_announce_schedule';

-- A spec as it is stored; raises 22023 and says the field.
CREATE FUNCTION joborch_internal.schedule_spec(spec jsonb, created timestamptz,
	OUT canonical jsonb, OUT timezone text, OUT after_finish boolean, OUT at_boot boolean)
LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'joborch_schedule_spec';

-- The first time after another, without and with jitter; NULL: none.
CREATE FUNCTION joborch_internal.schedule_next(spec jsonb, schedule_id bigint, after timestamptz,
	OUT nominal timestamptz, OUT fire timestamptz)
LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'joborch_schedule_next';

-- Those after one time and not after another, most of them at most.
CREATE FUNCTION joborch_internal.schedule_times(spec jsonb, schedule_id bigint, after timestamptz, until timestamptz, most integer,
	OUT nominal timestamptz, OUT fire timestamptz)
RETURNS SETOF record
LANGUAGE C STABLE STRICT ROWS 100 COST 1000 AS 'MODULE_PATHNAME', 'joborch_schedule_times';

CREATE FUNCTION joborch_internal.schedule_words(spec jsonb) RETURNS text
LANGUAGE C STABLE STRICT COST 100 AS 'MODULE_PATHNAME', 'joborch_schedule_words';

-- Raises what would keep the schedule from starting a run now.
CREATE FUNCTION joborch_internal.check_schedule(schedule_id bigint) RETURNS void
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_check_schedule';

CREATE FUNCTION joborch_internal.start_scheduled(schedule_id bigint, nominal timestamptz, input jsonb, requested_by text,
	followed boolean)
RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_start_scheduled';

-- From now on the run's end is told to its schedule; false when it has ended.
CREATE FUNCTION joborch_internal.follow_run(run_id bigint) RETURNS boolean
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_follow_run';

-- The one that was meant; NULL: none is near.
CREATE FUNCTION joborch_internal.nearest_word(word text, words text[]) RETURNS text
LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'joborch_nearest_word';

-- The same as a HINT.
CREATE FUNCTION joborch_internal.did_you_mean(p_word text, p_words text[], p_else text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT coalesce('Did you mean "' || joborch_internal.nearest_word(p_word, p_words) || '"?', p_else)
$$;

-- ---- words ----

-- The same whatever the session's IntervalStyle.
CREATE FUNCTION joborch_internal.interval_text(p_interval interval) RETURNS text
LANGUAGE sql STABLE SET IntervalStyle = 'postgres' AS $$
	SELECT p_interval::text
$$;

CREATE FUNCTION joborch_internal.overlap_word(p_overlap "char") RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN p_overlap OPERATOR(pg_catalog.=) 's' THEN 'skip'
		WHEN p_overlap OPERATOR(pg_catalog.=) 'o' THEN 'buffer_one'
		WHEN p_overlap OPERATOR(pg_catalog.=) 'a' THEN 'buffer_all'
		WHEN p_overlap OPERATOR(pg_catalog.=) 'c' THEN 'cancel_other'
		WHEN p_overlap OPERATOR(pg_catalog.=) 't' THEN 'terminate_other'
		WHEN p_overlap OPERATOR(pg_catalog.=) 'l' THEN 'allow_all'
	END
$$;

CREATE FUNCTION joborch_internal.fire_word(p_outcome "char") RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN p_outcome OPERATOR(pg_catalog.=) 'f' THEN 'fired'
		WHEN p_outcome OPERATOR(pg_catalog.=) 's' THEN 'skipped'
		WHEN p_outcome OPERATOR(pg_catalog.=) 'm' THEN 'missed'
		WHEN p_outcome OPERATOR(pg_catalog.=) 'b' THEN 'buffered'
		WHEN p_outcome OPERATOR(pg_catalog.=) 'x' THEN 'failed'
	END
$$;

CREATE FUNCTION joborch_internal.overlap_letter(p_word text) RETURNS "char"
LANGUAGE plpgsql STABLE STRICT AS $$
DECLARE
	v_words text[] := ARRAY['skip', 'buffer_one', 'buffer_all', 'cancel_other', 'terminate_other', 'allow_all'];
	v_at integer := array_position(v_words, p_word);
BEGIN
	IF v_at IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('overlap "%s" does not exist', p_word),
			HINT = joborch_internal.did_you_mean(p_word, v_words, 'Use one of: ' || array_to_string(v_words, ', ') || '.');
	END IF;
	RETURN (ARRAY['s', 'o', 'a', 'c', 't', 'l']::"char"[])[v_at];
END
$$;

-- ---- finding one ----

-- By name or id; JO048 if there is none that the caller may see.
CREATE FUNCTION joborch_internal.find_schedule(p_schedule text) RETURNS joborch_internal.schedule
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_schedule joborch_internal.schedule;
	v_hint text;
BEGIN
	SELECT s.* INTO v_schedule FROM joborch_internal.schedule s
	WHERE s.name = p_schedule AND s.dropped_at IS NULL;
	IF v_schedule.schedule_id IS NULL AND p_schedule ~ '^[0-9]{1,18}$' THEN
		SELECT s.* INTO v_schedule FROM joborch_internal.schedule s
		WHERE s.schedule_id = p_schedule::bigint AND s.dropped_at IS NULL;
	END IF;
	IF v_schedule.schedule_id IS NULL OR NOT joborch.visible(v_schedule.owner, v_schedule.tenant) THEN
		SELECT joborch_internal.did_you_mean(p_schedule, array_agg(n.name), 'Your schedules are in the view joborch.job_schedules.') INTO v_hint
		FROM (SELECT s.name FROM joborch_internal.schedule s
			WHERE s.dropped_at IS NULL AND joborch.visible(s.owner, s.tenant) ORDER BY s.name LIMIT 10000) AS n;
		RAISE EXCEPTION USING
			ERRCODE = 'JO048',
			MESSAGE = format('schedule "%s" does not exist', p_schedule),
			HINT = v_hint;
	END IF;
	RETURN v_schedule;
END
$$;

CREATE FUNCTION joborch_internal.lock_schedule(p_schedule_id bigint) RETURNS joborch_internal.schedule_state
LANGUAGE sql VOLATILE AS $$
	SELECT t.* FROM joborch_internal.schedule_state t WHERE t.schedule_id = p_schedule_id FOR UPDATE
$$;

-- The same, locked, for somebody who may change it.
CREATE FUNCTION joborch_internal.find_schedule_to_control(p_schedule text) RETURNS joborch_internal.schedule
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_schedule joborch_internal.schedule := joborch_internal.find_schedule(p_schedule);
BEGIN
	IF NOT joborch_internal.may_control(v_schedule.owner, v_schedule.tenant) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('permission denied for schedule "%s"', v_schedule.name),
			DETAIL = format('It belongs to role "%s".', v_schedule.owner_name),
			HINT = format('Only members of that role and of joborch_operator may: GRANT joborch_operator TO %I;',
				joborch_internal.caller_name());
	END IF;
	PERFORM joborch_internal.lock_schedule(v_schedule.schedule_id);
	-- as it is now that nobody else has it
	RETURN joborch_internal.find_schedule(v_schedule.schedule_id::text);
END
$$;

CREATE FUNCTION joborch_internal.record_schedule(p_type text, p_schedule joborch_internal.schedule, p_reason text, p_detail jsonb)
RETURNS void
LANGUAGE sql VOLATILE AS $$
	SELECT joborch_internal.record(p_type, NULL, p_schedule.job_id, p_reason,
		jsonb_build_object('schedule', p_schedule.name, 'schedule_id', p_schedule.schedule_id) || coalesce(p_detail, '{}'))
$$;

-- ---- what a schedule says ----

CREATE FUNCTION joborch_internal.require_schedule_name(p_name text) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF p_name IS NULL OR octet_length(p_name) NOT BETWEEN 1 AND 255 OR p_name ~ '^[0-9]+$' OR left(p_name, 1) = '{' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_name',
			MESSAGE = format('"%s" cannot be the name of a schedule', left(p_name, 64)),
			DETAIL = 'A name has 1 to 255 bytes, is not a number, and does not begin with "{".';
	END IF;
END
$$;

-- The job of a new schedule, which must be one that the caller may start.
CREATE FUNCTION joborch_internal.find_job_to_schedule(p_name text, p_job text) RETURNS joborch_internal.job
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_job joborch_internal.job;
	v_hint text;
BEGIN
	IF p_job IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'null_value_not_allowed',
			MESSAGE = 'job must not be null',
			HINT = 'joborch.schedule(name, job, cron => ...) starts a job; joborch.schedule_sql(name, cron, sql) needs none.';
	END IF;
	SELECT j.* INTO v_job FROM joborch_internal.job j
	WHERE (j.name = p_job OR j.job_id::text = p_job) AND j.dropped_at IS NULL AND joborch.visible(j.owner, j.tenant)
	ORDER BY (j.name = p_job) DESC LIMIT 1;
	IF NOT FOUND THEN
		IF p_job ~ '^\s*(@[a-z]+|[0-9]+\s+[a-zA-Z]+|(\S+\s+){4,5}\S+)\s*$' AND p_job ~ '^\s*[0-9@*?]' THEN
			RAISE EXCEPTION USING
				ERRCODE = 'JO002',
				MESSAGE = format('job "%s" does not exist', p_job),
				DETAIL = 'That is when, not what.',
				HINT = format('The job comes second, then when: SELECT joborch.schedule(%L, job => ''...'', cron => %L); For an SQL text: joborch.schedule_sql(%1$L, %2$L, ''...'').',
					p_name, p_job);
		END IF;
		SELECT joborch_internal.did_you_mean(p_job, array_agg(n.name), 'Your jobs are in the view joborch.jobs.') INTO v_hint
		FROM (SELECT j.name FROM joborch_internal.job j
			WHERE j.dropped_at IS NULL AND joborch.visible(j.owner, j.tenant) ORDER BY j.name LIMIT 10000) AS n;
		RAISE EXCEPTION USING
			ERRCODE = 'JO002',
			MESSAGE = format('job "%s" does not exist', p_job),
			HINT = v_hint;
	END IF;
	IF NOT joborch_internal.may_control(v_job.owner, v_job.tenant) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('permission denied to start job "%s"', v_job.name),
			DETAIL = format('It belongs to role "%s".', v_job.owner_name),
			HINT = 'Become a member of that role.';
	END IF;
	RETURN v_job;
END
$$;

CREATE FUNCTION joborch_internal.spec_entries(p_specs jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE
		WHEN p_specs IS NULL THEN '[]'
		WHEN jsonb_typeof(p_specs) = 'array' THEN p_specs
		WHEN jsonb_typeof(p_specs) = 'object' AND p_specs ? 'specs' THEN joborch_internal.spec_entries(p_specs -> 'specs')
		WHEN jsonb_typeof(p_specs) = 'object' THEN jsonb_build_array(p_specs - ARRAY['exclude', 'timezone', 'starts_at', 'ends_at', 'jitter'])
		ELSE jsonb_build_array(p_specs)
	END
$$;

-- The arguments that say when, as a spec; those that are NULL were not given.
CREATE FUNCTION joborch_internal.spec_of(p_options jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE WHEN jsonb_typeof(p_options -> 'specs') = 'object' AND p_options -> 'specs' ? 'specs'
			THEN (p_options -> 'specs') - 'specs'
			WHEN jsonb_typeof(p_options -> 'specs') = 'object'
			THEN (p_options -> 'specs') - ARRAY['cron', 'every', 'anchor', 'from', 'at', 'rrule', 'dtstart', 'exdate', 'rdate']
			ELSE '{}' END
		|| jsonb_strip_nulls(jsonb_build_object(
			'exclude', p_options -> 'exclude', 'timezone', p_options -> 'timezone', 'starts_at', p_options -> 'starts_at',
			'ends_at', p_options -> 'ends_at', 'jitter', p_options -> 'jitter'))
		|| jsonb_build_object('specs', joborch_internal.spec_entries(nullif(p_options -> 'specs', 'null'))
			|| coalesce((
				SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(o.key, o.value,
					'anchor', CASE o.key WHEN 'every' THEN p_options -> 'anchor' END)) ORDER BY o.n)
				FROM (VALUES (1, 'cron', p_options -> 'cron'), (2, 'every', p_options -> 'every'),
					(3, 'at', p_options -> 'at'), (4, 'rrule', p_options -> 'rrule')) AS o (n, key, value)
				WHERE jsonb_typeof(o.value) <> 'null'), '[]'))
$$;

-- Arguments that are of no spec: each raises what is wrong with it.
CREATE FUNCTION joborch_internal.require_schedule_options(p_options jsonb) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF (p_options ->> 'max_runs')::bigint < 1 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('max_runs must be at least 1, not %s', p_options ->> 'max_runs'),
			HINT = 'Leave it out for no limit; joborch.pause_schedule() keeps a schedule from firing.';
	ELSIF (p_options ->> 'pause_after_failures')::integer < 1 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('pause_after_failures must be at least 1, not %s', p_options ->> 'pause_after_failures'),
			HINT = 'Leave it out if failures are not to pause the schedule.';
	ELSIF (p_options ->> 'catchup')::interval < interval '0' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('catchup must not be negative: %s', p_options ->> 'catchup'),
			HINT = 'It is how late a time may be found and still be fired, for example ''1 hour''; ''0'' fires none that is more than 10 seconds late.';
	ELSIF p_options ->> 'anchor' IS NOT NULL AND p_options ->> 'every' IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'anchor is given without every',
			HINT = 'anchor says from where the interval "every" is counted: start or finish.';
	ELSIF jsonb_typeof(p_options -> 'input') NOT IN ('object', 'null') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('input must be a JSON object, not %s', jsonb_typeof(p_options -> 'input'));
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.queue_of_name(p_queue text) RETURNS integer
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_queue_id integer;
BEGIN
	IF p_queue IS NOT NULL THEN
		SELECT q.queue_id INTO v_queue_id FROM joborch_internal.queue q WHERE q.name = p_queue;
		IF NOT FOUND THEN
			RAISE EXCEPTION USING
				ERRCODE = 'undefined_object',
				MESSAGE = format('queue "%s" does not exist', p_queue),
				HINT = 'SELECT name FROM joborch.queues lists the queues.';
		END IF;
	END IF;
	RETURN v_queue_id;
END
$$;

-- Lays options over a schedule: those of a new one, or of alter_schedule() with NULL for what
-- stays as it is.  spec, after_finish and boot_after are not its business.
CREATE FUNCTION joborch_internal.apply_options(p_schedule joborch_internal.schedule, p_options jsonb)
RETURNS joborch_internal.schedule
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_new joborch_internal.schedule := p_schedule;
BEGIN
	PERFORM joborch_internal.require_schedule_options(p_options);
	v_new.overlap := coalesce(joborch_internal.overlap_letter(p_options ->> 'overlap'), v_new.overlap);
	v_new.catchup := coalesce((p_options ->> 'catchup')::interval, v_new.catchup);
	v_new.priority := coalesce(CASE WHEN p_options ->> 'priority' IS NOT NULL
		THEN joborch_internal.priority_number(p_options ->> 'priority') END, v_new.priority);
	v_new.queue_id := coalesce(joborch_internal.queue_of_name(p_options ->> 'queue'), v_new.queue_id);
	v_new.max_runs := coalesce((p_options ->> 'max_runs')::bigint, v_new.max_runs);
	v_new.pause_after_failures := coalesce((p_options ->> 'pause_after_failures')::integer, v_new.pause_after_failures);
	v_new.input := coalesce(nullif(p_options -> 'input', 'null'), v_new.input);
	v_new.tags := coalesce((SELECT array_agg(t.tag ORDER BY t.n) FROM jsonb_array_elements_text(
		nullif(p_options -> 'tags', 'null')) WITH ORDINALITY AS t (tag, n)), v_new.tags);
	v_new.metadata := coalesce(nullif(p_options -> 'metadata', 'null'), v_new.metadata);
	v_new.description := coalesce(p_options ->> 'description', v_new.description);
	RETURN v_new;
END
$$;

-- Its spec in the form that is stored, and what follows from it.
CREATE FUNCTION joborch_internal.apply_spec(p_schedule joborch_internal.schedule, p_spec jsonb)
RETURNS joborch_internal.schedule
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_new joborch_internal.schedule := p_schedule;
	v_spec record;
BEGIN
	IF joborch_internal.spec_entries(p_spec -> 'specs') = '[]' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'nothing says when the schedule fires',
			HINT = 'Give cron, every, at, rrule or specs, for example cron => ''0 3 * * *'' or every => ''15 minutes''.';
	END IF;
	SELECT c.* INTO v_spec FROM joborch_internal.schedule_spec(p_spec, joborch_internal.now()) AS c;
	v_new.spec := v_spec.canonical;
	v_new.timezone := v_spec.timezone;
	v_new.after_finish := v_spec.after_finish;
	v_new.boot_after := CASE WHEN v_spec.at_boot THEN coalesce(v_new.boot_after, clock_timestamp()) END;
	RETURN v_new;
END
$$;

CREATE FUNCTION joborch_internal.refuse_never(p_schedule joborch_internal.schedule) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RAISE EXCEPTION USING
		ERRCODE = 'invalid_parameter_value',
		MESSAGE = format('schedule "%s" would never fire', p_schedule.name),
		DETAIL = format('It says: %s. There is no such time after %s.',
			joborch_internal.schedule_words(p_schedule.spec), joborch_internal.now()),
		HINT = 'Look at ends_at, at and exclude; SELECT * FROM joborch.next_fires(...); shows what a spec means.';
END
$$;

-- ---- what follows a change ----

-- Ends of runs that are under way are told from now on, if the schedule needs to know them.
CREATE FUNCTION joborch_internal.follow_open(p_schedule joborch_internal.schedule) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.follow_run(o.run_id)
	FROM joborch_internal.schedule_state t, unnest(t.open_runs) AS o (run_id)
	WHERE t.schedule_id = p_schedule.schedule_id
		AND (p_schedule.overlap IN ('o', 'a', 'c') OR p_schedule.pause_after_failures IS NOT NULL
			OR p_schedule.after_finish OR t.buffered > 0);
END
$$;

-- From when on its times count; what waits in it is looked at at once.
CREATE FUNCTION joborch_internal.set_next(p_schedule joborch_internal.schedule, p_after timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_next record;
	v_due timestamptz;
BEGIN
	SELECT n.* INTO v_next FROM joborch_internal.schedule_next(p_schedule.spec, p_schedule.schedule_id, p_after) AS n;
	UPDATE joborch_internal.schedule_state t
	SET next_nominal = v_next.nominal,
		next_fire = CASE WHEN t.buffered > 0 THEN joborch_internal.now() ELSE v_next.fire END
	WHERE t.schedule_id = p_schedule.schedule_id
		AND (p_schedule.max_runs IS NULL OR t.fired < p_schedule.max_runs)
		AND NOT p_schedule.paused
	RETURNING t.next_fire INTO v_due;
	IF NOT FOUND THEN
		UPDATE joborch_internal.schedule_state t SET next_nominal = NULL, next_fire = NULL
		WHERE t.schedule_id = p_schedule.schedule_id;
	END IF;
	PERFORM joborch_internal.announce_schedule(v_due);
	PERFORM joborch_internal.follow_open(p_schedule);
END
$$;

-- Writes a schedule that exists over itself.
CREATE FUNCTION joborch_internal.store_schedule(p_old joborch_internal.schedule, p_new joborch_internal.schedule) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	UPDATE joborch_internal.schedule s
	SET name = p_new.name, job_id = p_new.job_id, version_id = p_new.version_id, owner = p_new.owner,
		owner_name = p_new.owner_name, revision = s.revision + 1, spec = p_new.spec, timezone = p_new.timezone,
		overlap = p_new.overlap, catchup = p_new.catchup, priority = p_new.priority, queue_id = p_new.queue_id,
		max_runs = p_new.max_runs, pause_after_failures = p_new.pause_after_failures, input = p_new.input,
		tags = p_new.tags, metadata = p_new.metadata, description = p_new.description,
		after_finish = p_new.after_finish, boot_after = p_new.boot_after, updated_at = joborch_internal.now()
	WHERE s.schedule_id = p_old.schedule_id;
	PERFORM joborch_internal.check_schedule(p_old.schedule_id);
	IF p_old.paused THEN
		RETURN;
	END IF;
	IF p_old.spec <> p_new.spec OR p_old.max_runs IS DISTINCT FROM p_new.max_runs THEN
		PERFORM joborch_internal.set_next(p_new, joborch_internal.now());
	ELSE
		PERFORM joborch_internal.follow_open(p_new);
		PERFORM joborch_internal.announce_schedule(joborch_internal.now());
	END IF;
EXCEPTION WHEN unique_violation THEN
	RAISE EXCEPTION USING
		ERRCODE = 'duplicate_object',
		MESSAGE = format('schedule "%s" exists already', p_new.name);
END
$$;

-- NULL if somebody else takes the name in the same moment.
CREATE FUNCTION joborch_internal.insert_schedule(p_new joborch_internal.schedule, p_paused_reason text) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_new joborch_internal.schedule := p_new;
	v_next record;
BEGIN
	v_new.schedule_id := nextval('joborch_internal.schedule_schedule_id_seq');
	v_new.created_by := joborch_internal.caller_name();
	v_new.revision := 1;
	v_new.paused := p_paused_reason IS NOT NULL;
	v_new.paused_reason := p_paused_reason;
	v_new.created_at := joborch_internal.now();
	v_new.updated_at := v_new.created_at;
	v_new.paused_at := CASE WHEN v_new.paused THEN v_new.created_at END;
	SELECT n.* INTO v_next FROM joborch_internal.schedule_next(v_new.spec, v_new.schedule_id, joborch_internal.now()) AS n;
	IF v_next.nominal IS NULL AND v_new.boot_after IS NULL THEN
		PERFORM joborch_internal.refuse_never(v_new);
	END IF;
	INSERT INTO joborch_internal.schedule SELECT (v_new).*
	ON CONFLICT (name) WHERE dropped_at IS NULL DO NOTHING;
	IF NOT FOUND THEN
		RETURN NULL;
	END IF;
	INSERT INTO joborch_internal.schedule_state (schedule_id, fired, failures, buffered)
	VALUES (v_new.schedule_id, 0, 0, 0);
	-- of one that is paused the job may be what keeps it from running
	IF NOT v_new.paused THEN
		PERFORM joborch_internal.check_schedule(v_new.schedule_id);
	END IF;
	PERFORM joborch_internal.set_next(v_new, joborch_internal.now());
	PERFORM joborch_internal.record_schedule('schedule_created', v_new, p_paused_reason, NULL);
	RETURN v_new.schedule_id;
END
$$;

CREATE FUNCTION joborch_internal.notice_if_paused(p_schedule joborch_internal.schedule) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	IF p_schedule.paused THEN
		RAISE NOTICE USING
			MESSAGE = format('schedule "%s" is still paused', p_schedule.name),
			DETAIL = coalesce('The reason: ' || p_schedule.paused_reason || '.', ''),
			HINT = format('SELECT joborch.resume_schedule(%L);', p_schedule.name);
	END IF;
END
$$;

-- A new schedule, or one of that name as if it were new but for its history: what was not
-- given goes back to its default.
CREATE FUNCTION joborch_internal.save_schedule(p_name text, p_job_id bigint, p_version_id bigint, p_owner oid, p_tenant text,
	p_options jsonb, p_paused_reason text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_old joborch_internal.schedule;
	v_new joborch_internal.schedule;
	v_id bigint;
BEGIN
	PERFORM joborch_internal.require_schedule_name(p_name);
	v_new.name := p_name;
	v_new.job_id := p_job_id;
	v_new.version_id := p_version_id;
	v_new.owner := p_owner;
	v_new.owner_name := pg_get_userbyid(p_owner);
	v_new.tenant := p_tenant;
	v_new.overlap := 's';
	v_new.catchup := '1 minute';
	v_new.input := '{}';
	v_new := joborch_internal.apply_options(v_new, p_options);
	v_new := joborch_internal.apply_spec(v_new, joborch_internal.spec_of(p_options));
	LOOP
		SELECT s.* INTO v_old FROM joborch_internal.schedule s WHERE s.name = p_name AND s.dropped_at IS NULL;
		IF FOUND THEN
			EXIT;
		END IF;
		v_id := joborch_internal.insert_schedule(v_new, p_paused_reason);
		IF v_id IS NOT NULL THEN
			RETURN v_id;
		END IF;
	END LOOP;
	IF NOT joborch_internal.may_control(v_old.owner, v_old.tenant) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'duplicate_object',
			MESSAGE = format('schedule "%s" exists already and belongs to another role', p_name),
			HINT = 'Choose another name.';
	END IF;
	v_old := joborch_internal.find_schedule_to_control(v_old.schedule_id::text);
	v_new.schedule_id := v_old.schedule_id;
	v_new.paused := v_old.paused;
	v_new.boot_after := CASE WHEN v_new.boot_after IS NOT NULL THEN coalesce(v_old.boot_after, v_new.boot_after) END;
	PERFORM joborch_internal.store_schedule(v_old, v_new);
	PERFORM joborch_internal.record_schedule('schedule_changed', v_new, NULL, joborch_internal.difference(v_old, v_new));
	PERFORM joborch_internal.notice_if_paused(v_old);
	RETURN v_old.schedule_id;
END
$$;

-- For the audit trail: what was, and what is.
CREATE FUNCTION joborch_internal.difference(p_old joborch_internal.schedule, p_new joborch_internal.schedule) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('changed', coalesce(jsonb_object_agg(o.key, jsonb_build_object('before', o.value, 'after', n.value)), '{}'))
	FROM jsonb_each(to_jsonb(p_old)) AS o JOIN jsonb_each(to_jsonb(p_new)) AS n ON n.key = o.key
	WHERE o.value IS DISTINCT FROM n.value
		AND o.key IN ('name', 'job_id', 'version_id', 'spec', 'overlap', 'catchup', 'priority', 'queue_id', 'max_runs',
			'pause_after_failures', 'input', 'tags', 'metadata', 'description')
$$;

-- ---- schedule ----

CREATE FUNCTION joborch_internal.schedule(p_name text, p_job text, p_cron text, p_every interval, p_at timestamptz, p_rrule text,
	p_specs jsonb, p_timezone text, p_input jsonb, p_overlap text, p_catchup interval, p_jitter interval,
	p_starts_at timestamptz, p_ends_at timestamptz, p_max_runs bigint, p_pause_after_failures integer, p_exclude jsonb,
	p_anchor text, p_priority text, p_queue text, p_tags text[], p_metadata jsonb, p_description text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_job joborch_internal.job := joborch_internal.find_job_to_schedule(p_name, p_job);
	v_as_caller boolean := (SELECT v.definition ->> 'run_as' = 'caller' FROM joborch_internal.job_version v
		WHERE v.version_id = v_job.current_version);
BEGIN
	RETURN joborch_internal.save_schedule(p_name, v_job.job_id, NULL,
		CASE WHEN v_as_caller THEN joborch_internal.caller() ELSE v_job.owner END,
		coalesce(v_job.tenant, nullif(current_setting('joborch.tenant', true), '')),
		jsonb_build_object('cron', p_cron, 'every', joborch_internal.interval_text(p_every), 'at', p_at, 'rrule', p_rrule, 'specs', p_specs,
			'timezone', p_timezone, 'input', p_input, 'overlap', p_overlap, 'catchup', joborch_internal.interval_text(p_catchup), 'jitter', joborch_internal.interval_text(p_jitter),
			'starts_at', p_starts_at, 'ends_at', p_ends_at, 'max_runs', p_max_runs,
			'pause_after_failures', p_pause_after_failures, 'exclude', p_exclude, 'anchor', p_anchor,
			'priority', p_priority, 'queue', p_queue, 'tags', p_tags, 'metadata', p_metadata, 'description', p_description),
		NULL);
END
$$;

CREATE FUNCTION joborch.schedule(name text, job text, cron text DEFAULT NULL, every interval DEFAULT NULL,
	at timestamptz DEFAULT NULL, rrule text DEFAULT NULL, specs jsonb DEFAULT NULL, timezone text DEFAULT NULL,
	input jsonb DEFAULT '{}', overlap text DEFAULT 'skip', catchup interval DEFAULT '1 minute', jitter interval DEFAULT NULL,
	starts_at timestamptz DEFAULT NULL, ends_at timestamptz DEFAULT NULL, max_runs bigint DEFAULT NULL,
	pause_after_failures integer DEFAULT NULL, exclude jsonb DEFAULT NULL, anchor text DEFAULT NULL,
	priority text DEFAULT NULL, queue text DEFAULT NULL, tags text[] DEFAULT NULL, metadata jsonb DEFAULT NULL,
	description text DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.schedule(text, text, text, interval, timestamptz, text, jsonb, text, jsonb, text, interval, interval, timestamptz, timestamptz, bigint, integer, jsonb, text, text, text, text[], jsonb, text)
IS 'starts a job at the times that cron, every, at, rrule or specs say, and returns the schedule''s id; the same name again changes the schedule';

-- ---- schedule_sql ----

-- Of the caller's; raises JO001.
CREATE FUNCTION joborch_internal.ad_hoc_version(definition jsonb) RETURNS bigint
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_ad_hoc_version';

CREATE FUNCTION joborch_internal.version_of_sql(p_sql text) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	SELECT joborch_internal.ad_hoc_version(jsonb_build_object('steps', jsonb_build_array(
		jsonb_build_object('name', 'sql', 'type', 'sql', 'sql', p_sql))))
$$;

CREATE FUNCTION joborch_internal.schedule_sql(p_name text, p_cron text, p_sql text, p_every interval, p_at timestamptz, p_rrule text,
	p_specs jsonb, p_timezone text, p_input jsonb, p_overlap text, p_catchup interval, p_jitter interval,
	p_starts_at timestamptz, p_ends_at timestamptz, p_max_runs bigint, p_pause_after_failures integer, p_exclude jsonb,
	p_anchor text, p_priority text, p_queue text, p_tags text[], p_metadata jsonb, p_description text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	IF p_sql IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'null_value_not_allowed',
			MESSAGE = 'sql must not be null';
	END IF;
	RETURN joborch_internal.save_schedule(p_name, NULL, joborch_internal.version_of_sql(p_sql), joborch_internal.caller(),
		nullif(current_setting('joborch.tenant', true), ''),
		jsonb_build_object('cron', p_cron, 'every', joborch_internal.interval_text(p_every), 'at', p_at, 'rrule', p_rrule, 'specs', p_specs,
			'timezone', p_timezone, 'input', p_input, 'overlap', p_overlap, 'catchup', joborch_internal.interval_text(p_catchup), 'jitter', joborch_internal.interval_text(p_jitter),
			'starts_at', p_starts_at, 'ends_at', p_ends_at, 'max_runs', p_max_runs,
			'pause_after_failures', p_pause_after_failures, 'exclude', p_exclude, 'anchor', p_anchor,
			'priority', p_priority, 'queue', p_queue, 'tags', p_tags, 'metadata', p_metadata, 'description', p_description),
		NULL);
END
$$;

CREATE FUNCTION joborch.schedule_sql(name text, cron text, sql text, every interval DEFAULT NULL,
	at timestamptz DEFAULT NULL, rrule text DEFAULT NULL, specs jsonb DEFAULT NULL, timezone text DEFAULT NULL,
	input jsonb DEFAULT '{}', overlap text DEFAULT 'skip', catchup interval DEFAULT '1 minute', jitter interval DEFAULT NULL,
	starts_at timestamptz DEFAULT NULL, ends_at timestamptz DEFAULT NULL, max_runs bigint DEFAULT NULL,
	pause_after_failures integer DEFAULT NULL, exclude jsonb DEFAULT NULL, anchor text DEFAULT NULL,
	priority text DEFAULT NULL, queue text DEFAULT NULL, tags text[] DEFAULT NULL, metadata jsonb DEFAULT NULL,
	description text DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.schedule_sql(text, text, text, interval, timestamptz, text, jsonb, text, jsonb, text, interval, interval, timestamptz, timestamptz, bigint, integer, jsonb, text, text, text, text[], jsonb, text)
IS 'runs one SQL text, with your rights, at the times that cron (or, with NULL there, one of the other arguments) says';
