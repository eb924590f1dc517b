-- joborch.check(): every invariant between the tables, and between them and
-- shared memory.  A row that it returns is a bug of joborch or damage to the
-- data.  Each statement sees one snapshot, in which the invariants hold at any
-- moment, so it may be called while runs are going on.

CREATE FUNCTION joborch_internal.check_definitions() RETURNS TABLE (invariant text, detail text)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN QUERY
	SELECT 'job_has_current_version', format('job %s: version_id %s', j.job_id, j.current_version)
	FROM joborch_internal.job j LEFT JOIN joborch_internal.job_version v ON v.version_id = j.current_version
	WHERE v.job_id IS DISTINCT FROM j.job_id AND j.current_version <> 0;	-- 0: only a draft

	RETURN QUERY
	SELECT 'version_belongs_to_job', format('version_id %s: job %s', v.version_id, v.job_id)
	FROM joborch_internal.job_version v LEFT JOIN joborch_internal.job j ON j.job_id = v.job_id
	WHERE v.job_id IS NOT NULL AND j.job_id IS NULL;

	RETURN QUERY
	SELECT 'run_has_version', format('run %s: version_id %s', r.run_id, r.version_id)
	FROM joborch_internal.run r LEFT JOIN joborch_internal.job_version v ON v.version_id = r.version_id
	WHERE v.version_id IS NULL;

	RETURN QUERY
	SELECT 'run_has_queue', format('run %s: queue %s', r.run_id, r.queue_id)
	FROM joborch_internal.run r LEFT JOIN joborch_internal.queue q ON q.queue_id = r.queue_id
	WHERE q.queue_id IS NULL;
END
$$;

-- Unique keys are looked at too: the engine writes rows and index entries itself.
CREATE FUNCTION joborch_internal.check_runs() RETURNS TABLE (invariant text, detail text)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN QUERY
	SELECT 'run_is_live_or_ended', format('run %s is in %s', r.run_id,
		CASE WHEN l.run_id IS NULL THEN 'neither live nor ends' ELSE 'both live and ends' END)
	FROM joborch_internal.run r
	LEFT JOIN joborch_internal.live l ON l.run_id = r.run_id
	LEFT JOIN joborch_internal.ends e ON e.run_id = r.run_id
	WHERE (l.run_id IS NULL) = (e.run_id IS NULL);

	RETURN QUERY
	SELECT 'state_has_run', format('run %s is in %s only', s.run_id, s.place)
	FROM (SELECT l.run_id, 'live' AS place FROM joborch_internal.live l
		UNION ALL SELECT e.run_id, 'ends' FROM joborch_internal.ends e
		UNION ALL SELECT DISTINCT t.run_id, 'step' FROM joborch_internal.step t
		UNION ALL SELECT DISTINCT a.run_id, 'attempt' FROM joborch_internal.attempt a
		UNION ALL SELECT DISTINCT g.run_id, 'signal' FROM joborch_internal.signal g
		UNION ALL SELECT DISTINCT c.run_id, 'item_chunk' FROM joborch_internal.item_chunk c
		UNION ALL SELECT k.run_id, 'run_key' FROM joborch_internal.run_key k) AS s
	LEFT JOIN joborch_internal.run r ON r.run_id = s.run_id
	WHERE r.run_id IS NULL;

	RETURN QUERY
	SELECT 'row_is_unique', format('%s rows of run %s in %s', sum(s.n), s.run_id, s.place)
	FROM (SELECT r.run_id, 'run' AS place, 1 AS n FROM joborch_internal.run r
		UNION ALL SELECT l.run_id, 'live', 1 FROM joborch_internal.live l
		UNION ALL SELECT e.run_id, 'ends', 1 FROM joborch_internal.ends e) AS s
	GROUP BY s.run_id, s.place HAVING sum(s.n) > 1;

	RETURN QUERY
	SELECT 'live_agrees_with_run', format('run %s: version_id %s and %s, owner %s and %s, parent %s and %s', l.run_id,
		l.version_id, r.version_id, l.owner, r.owner, l.parent_run_id, r.parent_run_id)
	FROM joborch_internal.live l JOIN joborch_internal.run r ON r.run_id = l.run_id
	WHERE (l.version_id, l.owner, l.parent_run_id, l.parent_item, l.parent_step)
		IS DISTINCT FROM (r.version_id, r.owner, r.parent_run_id, r.parent_item, r.parent_step);

	RETURN QUERY
	SELECT 'live_letters', format('run %s: cancel %s, priority %s', l.run_id, l.cancel, l.ord)
	FROM joborch_internal.live l
	WHERE l.cancel NOT IN ('-', 'g', 'f', 't') OR l.ord NOT BETWEEN 0 AND 3 OR l.epoch < 0;

	RETURN QUERY
	SELECT 'end_letters', format('run %s: status %s', e.run_id, e.status)
	FROM joborch_internal.ends e
	WHERE e.status NOT IN ('c', 'f', 'x') OR e.epoch < 0 OR e.finished_at < e.started_at;

	RETURN QUERY
	SELECT 'waiting_row_is_of_live_run', format('run %s, step %s is in %s', s.run_id, s.step, s.place)
	FROM (SELECT t.run_id, t.step, 'timers' AS place FROM joborch_internal.timers t
		UNION ALL SELECT w.run_id, w.step, 'wait' FROM joborch_internal.wait w
		UNION ALL SELECT p.run_id, p.step, 'permit' FROM joborch_internal.permit p
		UNION ALL SELECT m.run_id, m.step, 'marks' FROM joborch_internal.marks m) AS s
	LEFT JOIN joborch_internal.live l ON l.run_id = s.run_id
	WHERE l.run_id IS NULL;
END
$$;

CREATE FUNCTION joborch_internal.check_steps() RETURNS TABLE (invariant text, detail text)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN QUERY
	SELECT 'step_is_unique', format('%s rows of run %s, step %s, item %s', count(*), s.run_id, s.step, s.item)
	FROM joborch_internal.step s GROUP BY s.run_id, s.step, s.item HAVING count(*) > 1;

	RETURN QUERY
	SELECT 'step_letters', format('run %s, step %s: status %s, attempt %s', s.run_id, s.step, s.status, s.attempt)
	FROM joborch_internal.step s
	WHERE s.status NOT IN ('c', 'f', 's', 'x') OR s.attempt < 0 OR s.item < -1 OR s.finished_at < s.started_at
		OR (s.status = 'f') <> (s.error IS NOT NULL AND s.status = 'f');

	RETURN QUERY
	SELECT 'epoch_is_not_ahead', format('run %s, step %s: epoch %s, the run''s is %s', s.run_id, s.step, s.epoch, s.run_epoch)
	FROM (SELECT x.run_id, x.step, x.epoch, coalesce(l.epoch, e.epoch) AS run_epoch
		FROM (SELECT t.run_id, t.step, t.epoch FROM joborch_internal.step t
			UNION ALL SELECT a.run_id, a.step, a.epoch FROM joborch_internal.attempt a
			UNION ALL SELECT t.run_id, t.step, t.epoch FROM joborch_internal.timers t) AS x
		LEFT JOIN joborch_internal.live l ON l.run_id = x.run_id
		LEFT JOIN joborch_internal.ends e ON e.run_id = x.run_id) AS s
	WHERE s.epoch > s.run_epoch;
END
$$;

CREATE FUNCTION joborch_internal.check_waits() RETURNS TABLE (invariant text, detail text)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN QUERY
	SELECT 'wait_has_no_outcome', format('run %s, step %s, item %s waits and has status %s', w.run_id, w.step, w.item, s.status)
	FROM joborch_internal.wait w
	JOIN joborch_internal.step s ON (s.run_id, s.step, s.item) = (w.run_id, w.step, w.item);

	RETURN QUERY
	SELECT 'wait_is_unique', format('%s rows of run %s, step %s, item %s', count(*), w.run_id, w.step, w.item)
	FROM joborch_internal.wait w GROUP BY w.run_id, w.step, w.item HAVING count(*) > 1;

	RETURN QUERY
	SELECT 'wait_letters', format('run %s, step %s: kind %s, attempt %s', w.run_id, w.step, w.kind, w.attempt)
	FROM joborch_internal.wait w
	WHERE w.kind NOT IN ('d', 's', 'q', 'a', 'j', 'l', 'k', 'e') OR w.attempt < 1 OR w.item < -1;

	RETURN QUERY
	SELECT 'work_has_wait', format('run %s, step %s, item %s is %s and does not wait', x.run_id, x.step, x.item, x.place)
	FROM (SELECT o.run_id, o.step, o.item, 'offered' AS place FROM joborch_internal.offer o
		UNION ALL SELECT c.run_id, c.step, c.item, 'claimed' FROM joborch_internal.claim c WHERE c.kind = 'e') AS x
	LEFT JOIN joborch_internal.wait w ON (w.run_id, w.step, w.item) = (x.run_id, x.step, x.item)
	WHERE w.kind IS DISTINCT FROM 'e';

	RETURN QUERY
	SELECT 'work_is_unique', format('run %s, step %s, item %s is offered and claimed, or claimed twice', c.run_id, c.step, c.item)
	FROM joborch_internal.claim c
	LEFT JOIN joborch_internal.offer o ON (o.run_id, o.step, o.item) = (c.run_id, c.step, c.item)
	GROUP BY c.run_id, c.step, c.item HAVING count(o.run_id) > 0 OR count(*) > 1;

	RETURN QUERY
	SELECT 'timer_has_wait', format('run %s, step %s, item %s: timer of %s', t.run_id, t.step, t.item, t.due)
	FROM joborch_internal.timers t
	LEFT JOIN joborch_internal.wait w ON (w.run_id, w.step, w.item) = (t.run_id, t.step, t.item)
	WHERE t.kind = 'w' AND w.run_id IS NULL;

	RETURN QUERY
	SELECT 'signal_letters', format('signal %s of run %s: kind %s, taken by step %s', g.signal_id, g.run_id, g.kind, g.taken_step)
	FROM joborch_internal.signal g
	WHERE g.kind NOT IN ('s', 'a', 'r', 'd', 'e', 'n') OR (g.taken_at IS NULL AND g.taken_step IS NOT NULL)
		OR (g.kind IN ('d', 'e', 'n') AND g.step IS NULL);

	RETURN QUERY
	SELECT 'chunks_are_complete', format('run %s, step %s: %s chunks, the last is %s', c.run_id, c.step, count(*), max(c.chunk))
	FROM joborch_internal.item_chunk c
	GROUP BY c.run_id, c.step HAVING count(*) <> max(c.chunk) + 1 OR min(c.chunk) <> 0;
END
$$;

-- What the definition says of the rows; each version is read once.
CREATE FUNCTION joborch_internal.check_graphs() RETURNS TABLE (invariant text, detail text)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	RETURN QUERY
	WITH d AS MATERIALIZED (
		SELECT v.version_id, g.step_index, g.name, g.depends_on, g.trigger_rule, g.on_error, g.counted, g.contained, g.waits_for_all
		FROM joborch_internal.job_version v CROSS JOIN LATERAL joborch_internal.definition_steps(v.definition) AS g
	), n AS MATERIALIZED (
		SELECT d.version_id, count(*) AS steps FROM d WHERE d.counted GROUP BY d.version_id
	)
	SELECT 'step_is_in_definition', format('run %s: step %s', s.run_id, s.step)
	FROM joborch_internal.step s
	JOIN joborch_internal.run r ON r.run_id = s.run_id
	LEFT JOIN d ON d.version_id = r.version_id AND d.step_index = s.step
	WHERE d.step_index IS NULL
	UNION ALL
	SELECT 'end_counts_all_steps', format('run %s counts %s steps, its definition has %s', e.run_id,
		e.completed + e.failed + e.skipped, n.steps)
	FROM joborch_internal.ends e
	JOIN joborch_internal.run r ON r.run_id = e.run_id
	JOIN n ON n.version_id = r.version_id
	WHERE e.completed + e.failed + e.skipped <> n.steps
	UNION ALL
	SELECT 'end_counts_steps', format('run %s counts %s completed and %s failed, its rows are %s and %s',
		e.run_id, e.completed, e.failed, c.completed, c.failed)
	FROM joborch_internal.ends e
	JOIN joborch_internal.run r ON r.run_id = e.run_id
	LEFT JOIN (
		SELECT s.run_id, count(*) FILTER (WHERE s.status = 'c') AS completed, count(*) FILTER (WHERE s.status = 'f') AS failed
		FROM joborch_internal.step s
		JOIN joborch_internal.run r ON r.run_id = s.run_id
		JOIN d ON d.version_id = r.version_id AND d.step_index = s.step
		WHERE s.item = -1 AND d.counted
		GROUP BY s.run_id) AS c ON c.run_id = e.run_id
	WHERE (e.completed, e.failed) IS DISTINCT FROM (coalesce(c.completed, 0)::integer, coalesce(c.failed, 0)::integer)
	UNION ALL
	SELECT 'completed_run_has_no_failure', format('run %s: step "%s" failed', e.run_id, d.name)
	FROM joborch_internal.ends e
	JOIN joborch_internal.run r ON r.run_id = e.run_id
	JOIN joborch_internal.step s ON s.run_id = e.run_id AND s.status = 'f' AND s.item = -1
	JOIN d ON d.version_id = r.version_id AND d.step_index = s.step
	WHERE e.status = 'c' AND d.on_error <> 'continue' AND NOT d.contained
	UNION ALL
	-- rules that wait for every parent; skips that follow from the graph have no row
	SELECT 'step_began_after_its_parents', format('run %s: step "%s" began before "%s" was finished', s.run_id, d.name, p.name)
	FROM joborch_internal.step s
	JOIN joborch_internal.run r ON r.run_id = s.run_id
	JOIN d ON d.version_id = r.version_id AND d.step_index = s.step
	JOIN d AS p ON p.version_id = d.version_id AND p.step_index = ANY (d.depends_on)
	JOIN joborch_internal.step q ON q.run_id = s.run_id AND q.step = p.step_index AND q.item = -1
	WHERE s.item = -1 AND s.status = 'c' AND d.waits_for_all AND d.trigger_rule IN ('all_success', 'none_failed', 'all_done', 'all_failed')
		AND s.epoch >= q.epoch AND s.started_at < q.finished_at;
END
$$;

CREATE FUNCTION joborch_internal."check"() RETURNS TABLE (invariant text, detail text)
LANGUAGE plpgsql VOLATILE SET jit = off AS $$
BEGIN
	PERFORM joborch_internal.require_role('joborch_operator');
	RETURN QUERY SELECT c.invariant, c.detail FROM joborch_internal.check_definitions() AS c;
	RETURN QUERY SELECT c.invariant, c.detail FROM joborch_internal.check_runs() AS c;
	RETURN QUERY SELECT c.invariant, c.detail FROM joborch_internal.check_steps() AS c;
	RETURN QUERY SELECT c.invariant, c.detail FROM joborch_internal.check_waits() AS c;
	RETURN QUERY SELECT c.invariant, c.detail FROM joborch_internal.check_graphs() AS c;
	RETURN QUERY SELECT m.invariant, m.detail FROM joborch_internal.memory_check() AS m;
END
$$;

CREATE FUNCTION joborch."check"() RETURNS TABLE (invariant text, detail text)
LANGUAGE C VOLATILE ROWS 1 AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch."check"() IS 'every invariant that does not hold, in tables and shared memory; no row: all is well';

