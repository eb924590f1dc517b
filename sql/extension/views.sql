-- What users read of runs.
--
-- A run is in exactly one of live and ends.  run_states takes each status from a
-- branch of its own, with the status as a constant, so that a condition on it
-- removes whole branches while planning: asking for unfinished runs never looks
-- at history.  The branches are in order of run_id, newest first, so that LIMIT n
-- stops after n.  All branches must give the same types, or the planner does not
-- see through the union and sorts all of history.

CREATE VIEW joborch_internal.run_states AS
(SELECT l.run_id, joborch_internal.run_state(l.run_id, l.epoch, l.paused, l.begun) AS status,
	true AS unfinished, l.ord, l.epoch::integer AS epoch, l.paused, l.cancel, l.begun AS started_at, NULL::timestamptz AS finished_at,
	NULL::integer AS total, NULL::integer AS completed, NULL::integer AS failed, NULL::integer AS skipped,
	NULL::jsonb AS output, NULL::jsonb AS error
FROM joborch_internal.live l
ORDER BY l.run_id DESC)
UNION ALL
(SELECT e.run_id, 'completed'::text, false, NULL::smallint, e.epoch::integer, false, '-'::"char", e.started_at, e.finished_at,
	(e.completed + e.failed + e.skipped)::integer, e.completed::integer, e.failed::integer, e.skipped::integer, e.output, e.error
FROM joborch_internal.ends e WHERE e.status = 'c'
ORDER BY e.run_id DESC)
UNION ALL
(SELECT e.run_id, 'failed'::text, false, NULL::smallint, e.epoch::integer, false, '-'::"char", e.started_at, e.finished_at,
	(e.completed + e.failed + e.skipped)::integer, e.completed::integer, e.failed::integer, e.skipped::integer, e.output, e.error
FROM joborch_internal.ends e WHERE e.status = 'f'
ORDER BY e.run_id DESC)
UNION ALL
(SELECT e.run_id, 'cancelled'::text, false, NULL::smallint, e.epoch::integer, false, 'g'::"char", e.started_at, e.finished_at,
	(e.completed + e.failed + e.skipped)::integer, e.completed::integer, e.failed::integer, e.skipped::integer, e.output, e.error
FROM joborch_internal.ends e WHERE e.status = 'x'
ORDER BY e.run_id DESC);

-- Who sees everything is asked once per query and spared the look at each run's
-- owner.  What else belongs to a run is joined by LEFT JOINs over primary keys,
-- which the planner removes when no column of theirs is asked for.

CREATE VIEW joborch.job_runs WITH (security_barrier) AS
SELECT
	s.run_id,
	j.name AS job,
	r.job_id,
	v.version,
	s.status,
	r.owner_name AS owner,
	r.requested_by,
	r.name,
	joborch_internal.priority_word(coalesce(s.ord, r.priority)) AS priority,
	q.name AS queue,
	r.input,
	CASE WHEN s.status = 'completed' THEN coalesce(s.output, (
		-- the outputs of the steps that nothing depends on: of one the value, of more an object
		SELECT CASE count(*)
				WHEN 1 THEN (array_agg(joborch_internal.full_output(o.form, o.output)))[1]
				ELSE jsonb_object_agg(d.name, joborch_internal.full_output(o.form, o.output) ORDER BY d.step_index)
					FILTER (WHERE o.status = 'c')
			END
		FROM joborch_internal.definition_steps(v.definition) AS d
		LEFT JOIN joborch_internal.step o ON o.run_id = s.run_id AND o.step = d.step_index AND o.item = -1
		WHERE d.phase = 'main' AND NOT EXISTS (
			SELECT FROM joborch_internal.definition_steps(v.definition) AS c
			WHERE d.step_index = ANY (c.depends_on))))
	END AS output,
	r.tags,
	r.metadata,
	r.correlation_id,
	r.idempotency_key,
	r.tenant,
	r.traceparent,
	r.rerun_of,
	(SELECT h.name FROM joborch_internal.schedule h WHERE h.schedule_id = r.schedule_id) AS schedule,
	r.fire_at,
	b.batch_id,
	r.parent_run_id,
	CASE WHEN r.parent_run_id IS NOT NULL THEN (
		SELECT d.name
		FROM joborch_internal.run p CROSS JOIN LATERAL joborch_internal.version_steps(p.version_id) AS d
		WHERE p.run_id = r.parent_run_id AND d.step_index = r.parent_step)
	END AS parent_step,
	nullif(r.parent_item, -1) AS parent_item,
	r.run_at,
	r.created_at,
	coalesce(s.started_at, (
		SELECT min(t.started_at) FROM joborch_internal.step t WHERE s.unfinished AND t.run_id = s.run_id)) AS started_at,
	s.finished_at,
	coalesce(s.total, (
		SELECT count(*) FROM joborch_internal.version_steps(r.version_id) AS d WHERE d.counted))::integer AS total_steps,
	coalesce(s.completed, (
		SELECT count(*) FROM joborch_internal.version_steps(r.version_id) AS d
		JOIN joborch_internal.step t ON t.run_id = s.run_id AND t.step = d.step_index AND t.item = -1
		WHERE d.counted AND t.status = 'c'))::integer AS completed_steps,
	coalesce(s.failed, (
		SELECT count(*) FROM joborch_internal.version_steps(r.version_id) AS d
		JOIN joborch_internal.step t ON t.run_id = s.run_id AND t.step = d.step_index AND t.item = -1
		WHERE d.counted AND t.status = 'f'))::integer AS failed_steps,
	CASE
		WHEN s.status = 'completed' THEN 100
		WHEN s.total > 0 THEN 100 * (s.completed + s.skipped) / s.total
		ELSE (SELECT 100 * count(t.step) / greatest(1, count(*))
			FROM joborch_internal.version_steps(r.version_id) AS d
			LEFT JOIN joborch_internal.step t ON t.run_id = s.run_id AND t.step = d.step_index AND t.item = -1
			WHERE d.counted)::integer
	END AS progress,
	CASE WHEN s.unfinished THEN (
		SELECT string_agg(t.step, ', ' ORDER BY t.step_index)
		FROM joborch_internal.steps_of_run(s.run_id) AS t WHERE t.status = 'running' AND t.item IS NULL)
	END AS current_step,
	CASE WHEN s.unfinished THEN (
		SELECT string_agg(DISTINCT t.waiting_for, ', ')
		FROM joborch_internal.steps_of_run(s.run_id) AS t WHERE t.waiting_for IS NOT NULL)
	END AS waiting_for,
	(SELECT max(t.finished_at) FROM joborch_internal.step t WHERE t.run_id = s.run_id) AS last_checkpoint,
	s.epoch AS recovery_attempts,
	coalesce((v.definition ->> 'max_recovery_attempts')::integer, 3) AS max_recovery_attempts,
	s.cancel IN ('g', 'f') AS cancel_requested,
	s.paused,
	s.error,
	s.error ->> 'message' AS error_message
FROM (
	(SELECT t.* FROM joborch_internal.run_states t
	WHERE (SELECT joborch.visible(0::oid, NULL))
	ORDER BY t.run_id DESC)
	UNION ALL
	(SELECT t.* FROM joborch_internal.run_states t JOIN joborch_internal.run o ON o.run_id = t.run_id
	WHERE NOT (SELECT joborch.visible(0::oid, NULL)) AND joborch.visible(o.owner, o.tenant)
	ORDER BY t.run_id DESC)
) AS s
LEFT JOIN joborch_internal.run r ON r.run_id = s.run_id
LEFT JOIN joborch_internal.job j ON j.job_id = r.job_id
LEFT JOIN joborch_internal.job_version v ON v.version_id = r.version_id
LEFT JOIN joborch_internal.queue q ON q.queue_id = r.queue_id
LEFT JOIN joborch_internal.batch_run b ON b.run_id = s.run_id
ORDER BY s.run_id DESC;

COMMENT ON VIEW joborch.job_runs IS 'one row per run that you may see, newest first; LIMIT without ORDER BY is cheap, and so are conditions on run_id, and on status for runs that are not completed';
COMMENT ON COLUMN joborch.job_runs.job IS 'name of the job; NULL for start_sql and start_definition';
COMMENT ON COLUMN joborch.job_runs.version IS 'version of the definition that the run carries out to its end';
COMMENT ON COLUMN joborch.job_runs.status IS 'pending, running, paused, recovering; at the end completed, failed or cancelled';
COMMENT ON COLUMN joborch.job_runs.owner IS 'role with whose rights the steps run';
COMMENT ON COLUMN joborch.job_runs.requested_by IS 'role that started the run';
COMMENT ON COLUMN joborch.job_runs.output IS 'of a completed run: what the job''s "output" says, else the output of its last step, else of its last steps by name';
COMMENT ON COLUMN joborch.job_runs.rerun_of IS 'the run that this one repeats';
COMMENT ON COLUMN joborch.job_runs.schedule IS 'the schedule that started it';
COMMENT ON COLUMN joborch.job_runs.fire_at IS 'the time of that schedule for which it was started';
COMMENT ON COLUMN joborch.job_runs.batch_id IS 'the batch to which it belongs, see start_batch()';
COMMENT ON COLUMN joborch.job_runs.schedule IS 'the schedule that started it';
COMMENT ON COLUMN joborch.job_runs.fire_at IS 'the time of that schedule for which it was started';
COMMENT ON COLUMN joborch.job_runs.parent_run_id IS 'the run of which a step started this one';
COMMENT ON COLUMN joborch.job_runs.parent_step IS 'that step';
COMMENT ON COLUMN joborch.job_runs.parent_item IS 'its element, if it is repeated by foreach';
COMMENT ON COLUMN joborch.job_runs.run_at IS 'not begun before this time';
COMMENT ON COLUMN joborch.job_runs.total_steps IS 'steps of the definition, those of on_failure, finally and compensate included; one that is repeated counts once';
COMMENT ON COLUMN joborch.job_runs.progress IS 'share of the steps that are done or skipped, 0 to 100';
COMMENT ON COLUMN joborch.job_runs.current_step IS 'steps that are running now';
COMMENT ON COLUMN joborch.job_runs.waiting_for IS 'what the steps that wait are waiting for';
COMMENT ON COLUMN joborch.job_runs.last_checkpoint IS 'when the last step was finished: work before it is never repeated';
COMMENT ON COLUMN joborch.job_runs.recovery_attempts IS 'how often recover_run() went on with the run';
COMMENT ON COLUMN joborch.job_runs.cancel_requested IS 'somebody asked to cancel it';
COMMENT ON COLUMN joborch.job_runs.error IS 'why it failed: message, sqlstate, category, detail, hint, context';

-- ---- selections of job_runs ----

CREATE VIEW joborch.active_runs WITH (security_barrier) AS
SELECT r.run_id, r.job, r.status, r.progress, r.current_step, r.waiting_for, r.owner, r.priority, r.queue,
	r.run_at, r.created_at, r.started_at, joborch_internal.now() - r.started_at AS running_for, r.cancel_requested
FROM joborch.job_runs r
WHERE r.status IN ('pending', 'running', 'paused', 'recovering');
COMMENT ON VIEW joborch.active_runs IS 'runs that are not finished';

CREATE VIEW joborch.failed_runs WITH (security_barrier) AS
SELECT r.run_id, r.job, r.owner, r.finished_at, r.failed_steps, r.error_message,
	r.error ->> 'sqlstate' AS sqlstate, r.error ->> 'category' AS category, r.error ->> 'hint' AS hint,
	r.recovery_attempts, r.max_recovery_attempts,
	CASE
		WHEN r.recovery_attempts < r.max_recovery_attempts THEN format('SELECT joborch.recover_run(%s);', r.run_id)
		ELSE format('SELECT joborch.rerun(%s);', r.run_id)
	END AS next_command
FROM joborch.job_runs r
WHERE r.status = 'failed';
COMMENT ON VIEW joborch.failed_runs IS 'runs that failed, why, and what to type next';
COMMENT ON COLUMN joborch.failed_runs.next_command IS 'continues the run, or repeats it when it was recovered too often';

CREATE VIEW joborch.recoverable_runs WITH (security_barrier) AS
SELECT f.run_id, f.job, f.owner, f.finished_at, f.error_message, f.sqlstate, f.category,
	f.recovery_attempts, f.max_recovery_attempts, f.next_command
FROM joborch.failed_runs f
WHERE f.recovery_attempts < f.max_recovery_attempts;
COMMENT ON VIEW joborch.recoverable_runs IS 'failed runs that recover_run() may still continue';

CREATE VIEW joborch.job_run_summary WITH (security_barrier) AS
SELECT r.run_id, r.job_id, r.job, r.status, r.requested_by, r.created_at AS queued_at, r.started_at, r.finished_at,
	round(extract(epoch FROM coalesce(r.finished_at, joborch_internal.now()) - r.started_at) * 1000)::bigint AS execution_time_ms,
	r.queue, r.recovery_attempts,
	(SELECT count(*) FROM joborch_internal.attempt a WHERE a.run_id = r.run_id AND a.retry_at IS NOT NULL)::integer AS retries,
	r.correlation_id, r.total_steps, r.completed_steps, r.failed_steps,
	CASE WHEN r.finished_at IS NULL THEN (
		SELECT count(*) FROM joborch_internal.steps_of_run(r.run_id) AS t WHERE t.status = 'running' AND t.item IS NULL)
		ELSE 0
	END::integer AS running_steps
FROM joborch.job_runs r;
COMMENT ON VIEW joborch.job_run_summary IS 'one row per run with its times and counts, for reports';
COMMENT ON COLUMN joborch.job_run_summary.retries IS 'attempts of steps that failed and were tried again';

