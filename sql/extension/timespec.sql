-- What a spec says, before or without a schedule.  Read by src/timespec.c.

-- Nominal times after another one, at most n.
CREATE FUNCTION joborch_internal.spec_fires(spec jsonb, n integer, after timestamptz, OUT fire_at timestamptz, OUT local_time text)
RETURNS SETOF record
LANGUAGE C STABLE STRICT ROWS 5 COST 1000 AS 'MODULE_PATHNAME', 'joborch_spec_fires';

-- A spec from arguments, as if a schedule with it were made at a time.
CREATE FUNCTION joborch_internal.spec_at(p_options jsonb, p_created timestamptz) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT (joborch_internal.schedule_spec(joborch_internal.spec_of(p_options), p_created)).canonical
$$;

CREATE FUNCTION joborch_internal.next_fires(p_specs jsonb, p_n integer, p_after timestamptz, p_cron text, p_every interval,
	p_at timestamptz, p_rrule text, p_timezone text, p_exclude jsonb, p_anchor text, p_starts_at timestamptz,
	p_ends_at timestamptz, p_jitter interval) RETURNS TABLE (fire_at timestamptz, local_time text)
LANGUAGE sql STABLE AS $$
	SELECT f.fire_at, f.local_time
	FROM joborch_internal.spec_fires(joborch_internal.spec_at(jsonb_build_object('specs', p_specs, 'cron', p_cron,
		'every', p_every, 'at', p_at, 'rrule', p_rrule, 'timezone', p_timezone, 'exclude', p_exclude, 'anchor', p_anchor,
		'starts_at', p_starts_at, 'ends_at', p_ends_at, 'jitter', p_jitter), coalesce(p_after, joborch_internal.now())),
		coalesce(p_n, 5), coalesce(p_after, joborch_internal.now())) AS f
$$;

CREATE FUNCTION joborch.next_fires(specs jsonb DEFAULT NULL, n integer DEFAULT 5, after timestamptz DEFAULT now(),
	cron text DEFAULT NULL, every interval DEFAULT NULL, at timestamptz DEFAULT NULL, rrule text DEFAULT NULL,
	timezone text DEFAULT NULL, exclude jsonb DEFAULT NULL, anchor text DEFAULT NULL, starts_at timestamptz DEFAULT NULL,
	ends_at timestamptz DEFAULT NULL, jitter interval DEFAULT NULL) RETURNS TABLE (fire_at timestamptz, local_time text)
LANGUAGE C STABLE ROWS 5 COST 1000 AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.next_fires(jsonb, integer, timestamptz, text, interval, timestamptz, text, text, jsonb, text,
	timestamptz, timestamptz, interval)
IS 'the next times of what schedule() would take, without jitter';

CREATE FUNCTION joborch_internal.describe_schedule(p_specs jsonb, p_cron text, p_every interval, p_at timestamptz, p_rrule text,
	p_timezone text, p_exclude jsonb, p_anchor text, p_starts_at timestamptz, p_ends_at timestamptz, p_jitter interval)
RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT joborch_internal.schedule_words(joborch_internal.spec_at(jsonb_build_object('specs', p_specs, 'cron', p_cron,
		'every', p_every, 'at', p_at, 'rrule', p_rrule, 'timezone', p_timezone, 'exclude', p_exclude, 'anchor', p_anchor,
		'starts_at', p_starts_at, 'ends_at', p_ends_at, 'jitter', p_jitter), joborch_internal.now()))
$$;

CREATE FUNCTION joborch.describe_schedule(specs jsonb DEFAULT NULL, cron text DEFAULT NULL, every interval DEFAULT NULL,
	at timestamptz DEFAULT NULL, rrule text DEFAULT NULL, timezone text DEFAULT NULL, exclude jsonb DEFAULT NULL,
	anchor text DEFAULT NULL, starts_at timestamptz DEFAULT NULL, ends_at timestamptz DEFAULT NULL,
	jitter interval DEFAULT NULL) RETURNS text
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.describe_schedule(jsonb, text, interval, timestamptz, text, text, jsonb, text, timestamptz,
	timestamptz, interval)
IS 'what schedule() would take, in plain words';

-- ---- of a schedule that is there ----

-- Its name or id; text that begins with { or [ is a spec.
CREATE FUNCTION joborch_internal.spec_of_text(p_name text, p_created timestamptz) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN p_name ~ '^\s*[[{]' THEN joborch_internal.spec_at(jsonb_build_object('specs', p_name::jsonb), p_created)
		ELSE (joborch_internal.find_schedule(p_name)).spec END
$$;

CREATE FUNCTION joborch_internal.next_fires(p_name text, p_n integer, p_after timestamptz)
RETURNS TABLE (fire_at timestamptz, local_time text)
LANGUAGE sql STABLE AS $$
	SELECT f.fire_at, f.local_time
	FROM joborch_internal.spec_fires(joborch_internal.spec_of_text(p_name, coalesce(p_after, joborch_internal.now())),
		coalesce(p_n, 5), coalesce(p_after, joborch_internal.now())) AS f
$$;

CREATE FUNCTION joborch.next_fires(name text, n integer DEFAULT 5, after timestamptz DEFAULT now())
RETURNS TABLE (fire_at timestamptz, local_time text)
LANGUAGE C STABLE STRICT ROWS 5 COST 1000 AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.next_fires(text, integer, timestamptz)
IS 'the next times of a schedule, without jitter, whether it is paused or not';

CREATE FUNCTION joborch_internal.describe_schedule(p_name text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT joborch_internal.schedule_words(joborch_internal.spec_of_text(p_name, joborch_internal.now()))
$$;

CREATE FUNCTION joborch.describe_schedule(name text) RETURNS text
LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.describe_schedule(text) IS 'when a schedule fires, in plain words';
