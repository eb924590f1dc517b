-- What users read besides runs: their steps, jobs, queues, what waits, who works.

-- ---- steps ----

CREATE VIEW joborch.job_run_steps WITH (security_barrier) AS
SELECT r.run_id, j.name AS job, t.step_index, t.step, nullif(t.item, -1) AS item, t.status, t.attempts,
	t.started_at, t.finished_at, t.finished_at - t.started_at AS duration, t.output, t.error,
	t.error ->> 'message' AS error_message, t.error ->> 'sqlstate' AS sqlstate, t.error ->> 'category' AS category,
	t.waiting_for, t.next_attempt_at, t.pid,
	(SELECT x.external_id FROM joborch_internal.external_ref x
		WHERE x.run_id = r.run_id AND x.step = t.step_index AND x.item = coalesce(t.item, -1)) AS external_id
FROM joborch_internal.run r
LEFT JOIN joborch_internal.job j ON j.job_id = r.job_id
CROSS JOIN LATERAL joborch_internal.steps_of_run(r.run_id) AS t
WHERE joborch.visible(r.owner, r.tenant);
COMMENT ON VIEW joborch.job_run_steps IS 'one row per step of a run, also those that have not begun; give a run_id';
COMMENT ON COLUMN joborch.job_run_steps.item IS 'element of a foreach step, else NULL';
COMMENT ON COLUMN joborch.job_run_steps.status IS 'pending, queued, running, waiting, retrying; at the end completed, failed, skipped or cancelled';
COMMENT ON COLUMN joborch.job_run_steps.waiting_for IS 'what a step that does not run is waiting for';
COMMENT ON COLUMN joborch.job_run_steps.pid IS 'the process that carries it out now';
COMMENT ON COLUMN joborch.job_run_steps.external_id IS 'what another system calls it; find_external() finds it by that';

CREATE VIEW joborch.job_step_attempts WITH (security_barrier) AS
SELECT a.run_id,
	(SELECT d.name FROM joborch_internal.version_steps(r.version_id) AS d WHERE d.step_index = a.step) AS step,
	a.step AS step_index, nullif(a.item, -1) AS item, a.attempt,
	CASE
		-- a trace that nobody replaced: another attempt came, or the step or the run was over without it
		WHEN a.status = 'r' AND (
			EXISTS (SELECT FROM joborch_internal.attempt n
				WHERE n.run_id = a.run_id AND n.step = a.step AND n.item = a.item AND n.attempt > a.attempt)
			OR EXISTS (SELECT FROM joborch_internal.step s
				WHERE s.run_id = a.run_id AND s.step = a.step AND s.item = a.item)
			OR NOT EXISTS (SELECT FROM joborch_internal.live l WHERE l.run_id = a.run_id AND l.epoch <= a.epoch))
		THEN 'interrupted'
		ELSE joborch_internal.status_word(a.status)
	END AS status, a.epoch AS recovery,
	a.started_at, a.finished_at, a.finished_at - a.started_at AS duration, a.retry_at, a.error,
	a.error ->> 'message' AS error_message, a.error ->> 'sqlstate' AS sqlstate, a.error ->> 'category' AS category,
	a.notices
FROM joborch_internal.attempt a
JOIN joborch_internal.run r ON r.run_id = a.run_id
WHERE joborch.visible(r.owner, r.tenant);
COMMENT ON VIEW joborch.job_step_attempts IS 'one row per attempt of a step that did not simply succeed at the first try, and of every outside effect';
COMMENT ON COLUMN joborch.job_step_attempts.status IS 'running, completed, failed, cancelled, skipped, or interrupted: whoever carried it out died, and it counts for nothing';
COMMENT ON COLUMN joborch.job_step_attempts.recovery IS 'how often the run had been recovered by then';
COMMENT ON COLUMN joborch.job_step_attempts.retry_at IS 'when the next attempt was due; NULL: there was none';
COMMENT ON COLUMN joborch.job_step_attempts.notices IS 'NOTICE and WARNING messages that the attempt raised';

-- ---- definitions ----

CREATE VIEW joborch.jobs WITH (security_barrier) AS
SELECT j.job_id, j.name, j.description, j.active, v.version, j.owner_name AS owner, j.tenant, j.tags,
	coalesce(v.definition ->> 'queue', 'default') AS queue, coalesce(v.definition ->> 'priority', 'medium') AS priority,
	(SELECT count(*) FROM joborch_internal.version_steps(v.version_id) AS d WHERE d.counted)::integer AS steps,
	v.definition, j.created_at, j.updated_at
FROM joborch_internal.job j
LEFT JOIN joborch_internal.job_version v ON v.version_id = j.current_version
WHERE j.dropped_at IS NULL AND joborch.visible(j.owner, j.tenant);
COMMENT ON VIEW joborch.jobs IS 'the jobs that you may see, with their current definition';
COMMENT ON COLUMN joborch.jobs.active IS 'false: start() refuses it until alter_job(job, active => true)';
COMMENT ON COLUMN joborch.jobs.owner IS 'role with whose rights the steps run';

CREATE VIEW joborch.job_versions WITH (security_barrier) AS
SELECT j.job_id, j.name AS job, v.version, v.version_id = j.current_version AS is_current,
	v.version_id > j.current_version AS is_draft, v.definition, v.saved_by, v.saved_at
FROM joborch_internal.job j
JOIN joborch_internal.job_version v ON v.job_id = j.job_id
WHERE joborch.visible(j.owner, j.tenant);
COMMENT ON VIEW joborch.job_versions IS 'every definition that was ever saved, those of dropped jobs included';
COMMENT ON COLUMN joborch.job_versions.is_draft IS 'newer than the current one: publish_job() makes it current';

CREATE VIEW joborch.error_classes AS
SELECT c.pattern, c.category, c.retryable FROM joborch_internal.error_classes() AS c;
COMMENT ON VIEW joborch.error_classes IS 'the category of an error and whether it is worth another try, by SQLSTATE or the first two characters of it';

-- ---- the audit trail ----

CREATE VIEW joborch.job_events WITH (security_barrier) AS
SELECT e.event_id, e.at, e.type, e.run_id, e.job_id, j.name AS job, e.step, e.by_role, e.reason, e.detail
FROM joborch_internal.event e
LEFT JOIN joborch_internal.job j ON j.job_id = e.job_id
WHERE (SELECT joborch.visible(0::oid, NULL))
	OR (SELECT joborch.visible(r.owner, r.tenant) FROM joborch_internal.run r WHERE r.run_id = e.run_id)
	OR (e.run_id IS NULL AND joborch.visible(j.owner, j.tenant))
	OR (e.run_id IS NULL AND e.job_id IS NULL AND (SELECT joborch.visible(s.owner, s.tenant)
		FROM joborch_internal.schedule s WHERE s.schedule_id = (e.detail ->> 'schedule_id')::bigint));
COMMENT ON VIEW joborch.job_events IS 'who did what to which job or run, when and why';

-- ---- queues and what waits ----

CREATE VIEW joborch.queues WITH (security_barrier) AS
SELECT q.name, q.paused,
	(SELECT count(*) FROM joborch_internal.live l WHERE l.queue_id = q.queue_id) AS unfinished_runs,
	(SELECT min(l.due) FROM joborch_internal.live l WHERE l.queue_id = q.queue_id) AS oldest_due,
	q.created_at
FROM joborch_internal.queue q;
COMMENT ON VIEW joborch.queues IS 'the queues; the counts are over all owners';

-- A run waits because of what its rows say, or of what the processes know.
CREATE VIEW joborch.waiting WITH (security_barrier) AS
SELECT w.run_id, j.name AS job, d.name AS step, w.status, w.reason, w.since, w.next_command
FROM (
	SELECT l.run_id, NULL::integer AS step_index, 'paused'::text AS status,
		coalesce('paused: ' || l.reason, 'paused') AS reason,
		(SELECT max(e.at) FROM joborch_internal.event e WHERE e.run_id = l.run_id AND e.type = 'run_paused') AS since,
		format('SELECT joborch.resume_run(%s);', l.run_id) AS next_command
	FROM joborch_internal.live l WHERE l.paused
	UNION ALL
	SELECT l.run_id, NULL, 'pending', 'starts at ' || l.due::text, NULL, format('SELECT joborch.cancel_run(%s);', l.run_id)
	FROM joborch_internal.live l
	WHERE l.due > joborch_internal.now() AND l.due < 'infinity' AND NOT l.paused AND l.cancel = '-'
	UNION ALL
	SELECT l.run_id, NULL, 'pending', (
			SELECT 'waits for ' || string_agg(format('run %s (%s)', d.depends_on, joborch_internal.dependency_word(d.type)), ', '
				ORDER BY d.depends_on)
			FROM joborch_internal.run_dependency d WHERE d.run_id = l.run_id AND d.state = 'w'),
		NULL, format('SELECT joborch.cancel_run(%s);', l.run_id)
	FROM joborch_internal.live l WHERE l.due = 'infinity' AND NOT l.paused AND l.cancel = '-'
	UNION ALL
	SELECT t.run_id, t.step, 'retrying', 'next attempt at ' || t.due::text,
		(SELECT max(a.finished_at) FROM joborch_internal.attempt a
			WHERE a.run_id = t.run_id AND a.step = t.step AND a.item = t.item),
		format('SELECT * FROM joborch.job_step_attempts WHERE run_id = %s;', t.run_id)
	FROM joborch_internal.timers t WHERE t.kind = 'r'
	UNION ALL
	SELECT w.run_id, w.step, 'waiting',
		joborch_internal.wait_words(o.version_id, w.step, w.kind, w.key, w.look_at, w.child, o.owner_name), w.begun_at,
		CASE
			WHEN w.kind = 's' THEN format('SELECT joborch.signal_run(%s, %L);', w.run_id, w.key)
			WHEN w.kind IN ('a', 'e') THEN (
				SELECT format('SELECT joborch.%s(%s, %L%s);', CASE w.kind WHEN 'a' THEN 'approve_step' ELSE 'complete_step' END,
					w.run_id, d.name, CASE WHEN w.item >= 0 THEN ', item => ' || w.item ELSE '' END)
				FROM joborch_internal.version_steps(o.version_id) AS d WHERE d.step_index = w.step)
			WHEN w.child IS NOT NULL THEN format('SELECT * FROM joborch.run_steps(%s);', w.child)
			ELSE format('SELECT joborch.cancel_run(%s);', w.run_id)
		END
	FROM joborch_internal.wait w JOIN joborch_internal.run o ON o.run_id = w.run_id
	UNION ALL
	SELECT m.run_id, m.step_index, CASE WHEN m.run_id IS NOT NULL THEN 'queued' END, m.reason, l.due, m.hint
	FROM joborch_internal.waiting() AS m
	LEFT JOIN joborch_internal.live l ON l.run_id = m.run_id
	-- what the rows say of pauses and retries is told above, for runs out of memory too
	WHERE m.reason NOT IN ('paused', 'next attempt')
	UNION ALL
	SELECT l.run_id, NULL, 'pending',
		CASE WHEN q.paused THEN format('queue "%s" is paused', q.name) ELSE format('behind earlier runs of queue "%s"', q.name) END,
		l.due, NULL
	FROM joborch_internal.live l JOIN joborch_internal.queue q ON q.queue_id = l.queue_id
	WHERE l.due <= joborch_internal.now() AND joborch_internal.run_state(l.run_id, l.epoch, l.paused, l.begun) = 'pending'
		AND NOT EXISTS (SELECT FROM joborch_internal.wait w WHERE w.run_id = l.run_id)
		AND l.run_id NOT IN (SELECT m.run_id FROM joborch_internal.waiting() AS m WHERE m.run_id IS NOT NULL)
) AS w
LEFT JOIN joborch_internal.run r ON r.run_id = w.run_id
LEFT JOIN joborch_internal.job j ON j.job_id = r.job_id
LEFT JOIN LATERAL joborch_internal.version_steps(r.version_id) AS d ON d.step_index = w.step_index
WHERE w.run_id IS NULL OR joborch.visible(r.owner, r.tenant);
COMMENT ON VIEW joborch.waiting IS 'all that does not run, why, and what to type next; a row without run_id is about the whole database';

-- ---- processes ----

CREATE VIEW joborch.workers WITH (security_barrier) AS
SELECT w.pid, w.process, b.datname::text AS database, a.rolname::text AS role, w.state,
	CASE WHEN joborch.visible(r.owner, r.tenant) THEN w.run_id END AS run_id,
	CASE WHEN joborch.visible(r.owner, r.tenant) THEN d.name END AS step,
	w.since, w.steps_done
FROM joborch_internal.workers() AS w
LEFT JOIN pg_catalog.pg_database b ON b.oid = w.database
LEFT JOIN pg_catalog.pg_roles a ON a.oid = w.role
LEFT JOIN joborch_internal.run r ON b.datname = current_database() AND r.run_id = w.run_id
LEFT JOIN LATERAL joborch_internal.version_steps(r.version_id) AS d ON d.step_index = w.step
WHERE b.datname = current_database() OR w.database IS NULL OR b.oid IS NULL;
COMMENT ON VIEW joborch.workers IS 'the processes that serve this database';
COMMENT ON COLUMN joborch.workers.run_id IS 'the run that it works for, if you may see it';

CREATE VIEW joborch.system_info AS
SELECT x.extversion AS extension_version, current_setting('server_version') AS server_version,
	(SELECT count(*) FROM joborch_internal.live) AS unfinished_runs,
	(SELECT count(*) FROM joborch_internal.live l WHERE l.paused) AS paused_runs,
	w.dispatcher_pid, w.executors, w.busy_executors,
	current_setting('joborch.max_executors', true)::integer AS max_executors
FROM pg_catalog.pg_extension x
CROSS JOIN LATERAL (
	SELECT max(p.pid) FILTER (WHERE p.process = 'joborch dispatcher') AS dispatcher_pid,
		count(*) FILTER (WHERE p.process = 'joborch executor') AS executors,
		count(*) FILTER (WHERE p.process = 'joborch executor' AND p.state = 'busy') AS busy_executors
	FROM joborch.workers p
) AS w
WHERE x.extname = 'joborch';
COMMENT ON VIEW joborch.system_info IS 'one row about joborch in this database';
COMMENT ON COLUMN joborch.system_info.dispatcher_pid IS 'NULL: no process serves this database, see the server''s log';

