-- Schedules as their users see them: what they are, what became of their times, what is to come.

-- Everything that some view below shows of a schedule that the reader may see.
CREATE VIEW joborch.job_schedules WITH (security_barrier) AS
SELECT
	s.schedule_id,
	s.name,
	s.job_id,
	j.name AS job,
	CASE WHEN s.job_id IS NULL THEN v.definition #>> '{steps,0,sql}' END AS sql,
	s.description,
	joborch_internal.schedule_words(s.spec) AS times,
	CASE
		WHEN s.paused THEN 'paused'
		WHEN t.next_fire IS NULL AND s.max_runs IS NOT NULL AND t.fired >= s.max_runs THEN 'finished'
		WHEN t.next_fire IS NULL AND s.after_finish AND t.open_runs IS NOT NULL THEN 'running'
		WHEN t.next_fire IS NULL AND s.boot_after IS NULL AND t.buffered = 0 THEN 'finished'
		ELSE 'active'
	END AS state,
	s.paused_reason,
	s.paused_at,
	t.next_fire AS next_fire_at,
	t.next_nominal AS next_nominal_at,
	t.last_nominal AS last_fire_at,
	t.last_run_id,
	CASE WHEN l.run_id IS NOT NULL THEN joborch_internal.run_state(l.run_id, l.epoch, l.paused, l.begun)
		ELSE joborch_internal.status_word(e.status)
	END AS last_status,
	t.fired AS runs,
	s.max_runs,
	t.buffered,
	t.failures,
	s.pause_after_failures,
	joborch_internal.overlap_word(s.overlap) AS overlap,
	s.catchup,
	s.timezone,
	s.spec -> 'specs' AS specs,
	s.spec -> 'exclude' AS exclude,
	s.spec ->> 'jitter' AS jitter,
	s.spec ->> 'starts_at' AS starts_at,
	s.spec ->> 'ends_at' AS ends_at,
	s.input,
	s.tags,
	s.metadata,
	joborch_internal.priority_word(s.priority) AS priority,
	q.name AS queue,
	s.owner_name AS owner,
	s.tenant,
	s.created_by,
	s.created_at,
	s.updated_at
FROM joborch_internal.schedule s
JOIN joborch_internal.schedule_state t ON t.schedule_id = s.schedule_id
LEFT JOIN joborch_internal.job j ON j.job_id = s.job_id
LEFT JOIN joborch_internal.job_version v ON v.version_id = s.version_id
LEFT JOIN joborch_internal.queue q ON q.queue_id = s.queue_id
LEFT JOIN joborch_internal.live l ON l.run_id = t.last_run_id
LEFT JOIN joborch_internal.ends e ON e.run_id = t.last_run_id
WHERE s.dropped_at IS NULL AND joborch.visible(s.owner, s.tenant);

COMMENT ON VIEW joborch.job_schedules IS 'one row per schedule that you may see: when it fires, its state, its last run';
COMMENT ON COLUMN joborch.job_schedules.sql IS 'of schedule_sql(): the SQL text';
COMMENT ON COLUMN joborch.job_schedules.times IS 'the times in plain words';
COMMENT ON COLUMN joborch.job_schedules.state IS 'active; paused; running (it counts from the end of its run); finished (no time is left)';
COMMENT ON COLUMN joborch.job_schedules.paused_reason IS 'why it is paused: what pause_schedule() was given, or what joborch found';
COMMENT ON COLUMN joborch.job_schedules.next_fire_at IS 'when it fires next, with jitter';
COMMENT ON COLUMN joborch.job_schedules.next_nominal_at IS 'the time that is';
COMMENT ON COLUMN joborch.job_schedules.last_fire_at IS 'the last time of which a row in job_schedule_fires tells';
COMMENT ON COLUMN joborch.job_schedules.runs IS 'runs that were started; what max_runs counts';
COMMENT ON COLUMN joborch.job_schedules.buffered IS 'times that wait for the end of a run';
COMMENT ON COLUMN joborch.job_schedules.failures IS 'runs that failed one after another, and starts that were refused; counted with pause_after_failures';

CREATE VIEW joborch.job_schedule_fires WITH (security_barrier) AS
SELECT
	s.name AS schedule,
	f.schedule_id,
	j.name AS job,
	f.nominal AS fire_at,
	joborch_internal.fire_word(f.outcome) AS outcome,
	f.reason,
	f.run_id,
	CASE WHEN l.run_id IS NOT NULL THEN joborch_internal.run_state(l.run_id, l.epoch, l.paused, l.begun)
		ELSE joborch_internal.status_word(e.status)
	END AS run_status,
	f.at AS decided_at,
	f.requested_by
FROM joborch_internal.schedule_fire f
JOIN joborch_internal.schedule s ON s.schedule_id = f.schedule_id
LEFT JOIN joborch_internal.job j ON j.job_id = s.job_id
LEFT JOIN joborch_internal.live l ON l.run_id = f.run_id
LEFT JOIN joborch_internal.ends e ON e.run_id = f.run_id
WHERE joborch.visible(s.owner, s.tenant);

COMMENT ON VIEW joborch.job_schedule_fires IS 'what became of each time of a schedule, those that are removed too';
COMMENT ON COLUMN joborch.job_schedule_fires.fire_at IS 'the time that the schedule names';
COMMENT ON COLUMN joborch.job_schedule_fires.outcome IS 'fired, skipped (overlap), missed (found too late), buffered (waits for the end of a run), failed (could not be started)';
COMMENT ON COLUMN joborch.job_schedule_fires.reason IS 'why it did not simply fire';
COMMENT ON COLUMN joborch.job_schedule_fires.decided_at IS 'when that was done';
COMMENT ON COLUMN joborch.job_schedule_fires.requested_by IS 'who asked for it: trigger_schedule(), backfill_schedule()';

-- At most a hundred of each schedule, so that one that fires each second does not hide the others.
CREATE VIEW joborch.upcoming_fires WITH (security_barrier) AS
SELECT n.fire AS fire_at, s.name AS schedule, s.job_id, j.name AS job, n.nominal AS nominal_at, s.schedule_id
FROM joborch_internal.schedule s
JOIN joborch_internal.schedule_state t ON t.schedule_id = s.schedule_id
LEFT JOIN joborch_internal.job j ON j.job_id = s.job_id
CROSS JOIN LATERAL joborch_internal.schedule_times(s.spec, s.schedule_id, t.next_nominal - interval '1 microsecond',
	joborch_internal.now() + interval '24 hours', CASE WHEN s.after_finish THEN 1 ELSE 100 END) AS n
WHERE s.dropped_at IS NULL AND NOT s.paused AND t.next_nominal <= joborch_internal.now() + interval '24 hours'
	AND joborch.visible(s.owner, s.tenant);
COMMENT ON VIEW joborch.upcoming_fires IS 'what schedules will start in the next 24 hours, at most the next hundred times of each';
COMMENT ON COLUMN joborch.upcoming_fires.fire_at IS 'with jitter';

-- ---- a calendar ----

CREATE FUNCTION joborch_internal.schedule_calendar(p_since timestamptz, p_until timestamptz, p_max_rows integer)
RETURNS TABLE (fire_at timestamptz, schedule text, job text, outcome text, reason text, run_id bigint, run_status text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_now timestamptz := joborch_internal.now();
BEGIN
	IF p_since IS NULL OR p_until IS NULL OR p_until < p_since OR p_until - p_since > interval '400 days' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'a calendar goes from since to until, which is not earlier and at most 400 days later',
			DETAIL = format('since is %s, until is %s.', coalesce(p_since::text, 'null'), coalesce(p_until::text, 'null'));
	END IF;
	RETURN QUERY
		SELECT c.* FROM (
			(SELECT f.fire_at, f.schedule, f.job, f.outcome, f.reason, f.run_id, f.run_status
			FROM joborch.job_schedule_fires f
			WHERE f.fire_at BETWEEN p_since AND p_until
			ORDER BY f.fire_at, f.schedule LIMIT p_max_rows)
			UNION ALL
			(SELECT n.fire, s.name, j.name, 'to come', NULL, NULL, NULL
			FROM joborch_internal.schedule s
			JOIN joborch_internal.schedule_state t ON t.schedule_id = s.schedule_id
			LEFT JOIN joborch_internal.job j ON j.job_id = s.job_id
			CROSS JOIN LATERAL joborch_internal.schedule_times(s.spec, s.schedule_id,
				greatest(t.next_nominal, p_since) - interval '1 microsecond', p_until,
				CASE WHEN s.after_finish THEN 1 ELSE p_max_rows END) AS n
			WHERE s.dropped_at IS NULL AND NOT s.paused AND t.next_nominal <= p_until AND p_until >= v_now
				AND joborch.visible(s.owner, s.tenant)
			ORDER BY n.fire, s.name LIMIT p_max_rows)) AS c (fire_at, schedule, job, outcome, reason, run_id, run_status)
		ORDER BY c.fire_at, c.schedule LIMIT p_max_rows;
END
$$;

CREATE FUNCTION joborch.schedule_calendar(since timestamptz, until timestamptz, max_rows integer DEFAULT 10000)
RETURNS TABLE (fire_at timestamptz, schedule text, job text, outcome text, reason text, run_id bigint, run_status text)
LANGUAGE C STABLE ROWS 1000 AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.schedule_calendar(timestamptz, timestamptz, integer)
IS 'what schedules did and will do in a stretch of time, in order, at most max_rows of it';
