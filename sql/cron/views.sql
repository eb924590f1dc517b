-- pg_cron's tables, as views: whoever asks sees his own rows, superusers and roles with
-- BYPASSRLS see all, as with pg_cron's row-level security.

-- Functions that views call are called by whoever reads the view, and these are read by
-- everybody who may use the schema: bindings of their own, so that joborch's are granted to no
-- more roles.  They are in a schema that is closed.
CREATE FUNCTION joborch_internal.cron_steps(run_id bigint,
	OUT step_index integer, OUT step text, OUT item integer, OUT status text, OUT attempts integer,
	OUT started_at timestamptz, OUT finished_at timestamptz, OUT output jsonb, OUT error jsonb,
	OUT waiting_for text, OUT next_attempt_at timestamptz, OUT pid integer)
RETURNS SETOF record
LANGUAGE C STABLE STRICT ROWS 1 COST 100 AS 'MODULE_PATHNAME', 'joborch_run_steps';

CREATE FUNCTION joborch_internal.cron_output(form "char", output jsonb) RETURNS jsonb
LANGUAGE C IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'joborch_full_output';

CREATE FUNCTION joborch_internal.cron_words(spec jsonb) RETURNS text
LANGUAGE C STABLE STRICT COST 100 AS 'MODULE_PATHNAME', 'joborch_schedule_words';

CREATE FUNCTION joborch_internal.sees_all_cron_jobs() RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT r.rolsuper OR r.rolbypassrls FROM pg_catalog.pg_roles r WHERE r.rolname = current_user;
END;

-- What libpq says of a result that pg_cron wrote down: rows of a query, else the command's tag.
CREATE FUNCTION joborch_internal.cron_result(command text, row_count bigint) RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT CASE
		WHEN command IN ('SELECT', 'SHOW', 'FETCH', 'EXPLAIN', 'VALUES') THEN
			row_count || CASE row_count WHEN 1 THEN ' row' ELSE ' rows' END
		WHEN command IN ('CREATE TABLE AS', 'SELECT INTO') THEN 'SELECT ' || row_count
		WHEN command = 'INSERT' THEN 'INSERT 0 ' || row_count
		WHEN command IN ('UPDATE', 'DELETE', 'MERGE', 'COPY', 'MOVE') THEN command || ' ' || row_count
		ELSE command
	END;
END;

-- As libpq writes an error; of its context the lines that say what joborch did are left out.
CREATE FUNCTION joborch_internal.cron_error(error jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
BEGIN ATOMIC
	SELECT 'ERROR:  ' || coalesce(error ->> 'message', 'unknown') || E'\n'
		|| coalesce('DETAIL:  ' || (error ->> 'detail') || E'\n', '')
		|| coalesce('HINT:  ' || (error ->> 'hint') || E'\n', '')
		|| coalesce('CONTEXT:  ' || nullif(btrim(regexp_replace(
			regexp_replace(error ->> 'context', '^(.*\n)?SQL statement ".*"\nstep "sql"$', '\1'),
			'step "sql"(, outside of a transaction block)?$', ''), E'\n'), '') || E'\n', '');
END;

CREATE VIEW cron.job WITH (security_barrier) AS
SELECT
	c.jobid,
	CASE WHEN c.revision OPERATOR(pg_catalog.=) s.revision THEN c.schedule
		ELSE coalesce(s.spec #>> '{specs,0,cron}', joborch_internal.cron_words(s.spec)) END AS schedule,
	CASE WHEN c.revision OPERATOR(pg_catalog.=) s.revision THEN c.command
		ELSE coalesce(v.definition #>> '{steps,0,sql}', format('SELECT joborch.start(%L)', j.name)) END AS command,
	c.nodename,
	c.nodeport,
	current_database()::text COLLATE "default" AS database,
	s.owner_name AS username,
	NOT s.paused AS active,
	c.jobname
FROM joborch_internal.cron_job c
JOIN joborch_internal.schedule s ON s.schedule_id = c.schedule_id
LEFT JOIN joborch_internal.job_version v ON v.version_id = s.version_id
LEFT JOIN joborch_internal.job j ON j.job_id = s.job_id
WHERE s.dropped_at IS NULL AND (s.owner_name = current_user OR (SELECT joborch_internal.sees_all_cron_jobs()));

COMMENT ON VIEW cron.job IS 'jobs as pg_cron shows them; each is a schedule of joborch and is in joborch.job_schedules too';

ALTER VIEW cron.job ALTER COLUMN jobid SET DEFAULT nextval('cron.jobid_seq');
ALTER VIEW cron.job ALTER COLUMN nodename SET DEFAULT 'localhost';
ALTER VIEW cron.job ALTER COLUMN nodeport SET DEFAULT inet_server_port();
ALTER VIEW cron.job ALTER COLUMN database SET DEFAULT current_database();
ALTER VIEW cron.job ALTER COLUMN username SET DEFAULT current_user;
ALTER VIEW cron.job ALTER COLUMN active SET DEFAULT true;

-- Runs, times at which no run could be started, and what pg_cron did before.
CREATE VIEW cron.job_run_details WITH (security_barrier) AS
SELECT
	k.jobid,
	r.run_id AS runid,
	t.pid AS job_pid,
	current_database()::text COLLATE "default" AS database,
	r.owner_name AS username,
	coalesce(v.definition #>> '{steps,0,sql}', format('SELECT joborch.start(%L)', j.name)) AS command,
	CASE e.status WHEN 'c' THEN 'succeeded' WHEN 'f' THEN 'failed' WHEN 'x' THEN 'failed'
		ELSE CASE t.status WHEN 'running' THEN 'running' ELSE 'starting' END END AS status,
	CASE e.status
		WHEN 'c' THEN joborch_internal.cron_result(o.output ->> 'command', (o.output ->> 'row_count')::bigint)
		WHEN 'f' THEN joborch_internal.cron_error(e.error)
		WHEN 'x' THEN 'job canceled'
	END AS return_message,
	CASE WHEN e.run_id IS NULL THEN t.started_at ELSE coalesce(e.started_at, p.started_at) END AS start_time,
	e.finished_at AS end_time
FROM joborch_internal.cron_link k
JOIN joborch_internal.schedule_fire f ON f.schedule_id = k.schedule_id
JOIN joborch_internal.run r ON r.run_id = f.run_id AND r.schedule_id = f.schedule_id AND r.fire_at = f.nominal
LEFT JOIN joborch_internal.job_version v ON v.version_id = r.version_id
LEFT JOIN joborch_internal.job j ON j.job_id = r.job_id
LEFT JOIN joborch_internal.ends e ON e.run_id = r.run_id
LEFT JOIN joborch_internal.step p ON p.run_id = r.run_id AND p.step = 0 AND p.item = -1
LEFT JOIN LATERAL (SELECT joborch_internal.cron_output(p.form, p.output) AS output) AS o ON e.status = 'c'
LEFT JOIN LATERAL (
	SELECT s.status, s.started_at, s.pid FROM joborch_internal.cron_steps(r.run_id) AS s
	WHERE s.step_index = 0 AND s.item IS NULL) AS t ON e.run_id IS NULL
WHERE r.owner_name = current_user OR (SELECT joborch_internal.sees_all_cron_jobs())
UNION ALL
SELECT k.jobid, -(extract(epoch FROM f.nominal)::bigint * 1000000 + f.schedule_id % 1000000), NULL, current_database()::text COLLATE "default",
	s.owner_name, v.definition #>> '{steps,0,sql}', 'failed', 'ERROR:  ' || coalesce(f.reason, 'could not start') || E'\n', f.at, f.at
FROM joborch_internal.cron_link k
JOIN joborch_internal.schedule_fire f ON f.schedule_id = k.schedule_id AND f.outcome = 'x'
JOIN joborch_internal.schedule s ON s.schedule_id = k.schedule_id
LEFT JOIN joborch_internal.job_version v ON v.version_id = s.version_id
WHERE s.owner_name = current_user OR (SELECT joborch_internal.sees_all_cron_jobs())
UNION ALL
SELECT h.jobid, h.runid, h.job_pid, h.database, h.username, h.command, h.status, h.return_message, h.start_time, h.end_time
FROM joborch_internal.cron_history h
WHERE h.username = current_user OR (SELECT joborch_internal.sees_all_cron_jobs());

COMMENT ON VIEW cron.job_run_details IS 'runs of the jobs in cron.job as pg_cron shows them, and those that joborch.import_pg_cron() copied';
