-- What the views and the functions beside them tell of runs.

SELECT joborch.create_job('views', '{"steps": [
	{"name": "a", "sql": "SELECT {{ input.n }}::integer AS n"},
	{"name": "b", "sql": "SELECT {{ steps.a.value }}::integer + 1 AS n"},
	{"name": "c", "sql": "SELECT {{ steps.a.value }}::integer + 2 AS n", "depends_on": ["a"]},
	{"name": "never", "sql": "SELECT 1", "depends_on": ["a"], "when": "$.input.n > 1000"}]}') IS NOT NULL AS saved;
SELECT joborch.start('views', '{"n": 40}', name => 'the first', tags => '{red,green}', correlation_id => 'views 1',
	metadata => '{"ticket": 7}', priority => 'high') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');

SELECT job, version, status, name, priority, queue, input, tags, metadata, correlation_id, total_steps, completed_steps,
	failed_steps, progress, recovery_attempts, max_recovery_attempts, cancel_requested, paused, error,
	started_at <= finished_at AND created_at <= started_at AS in_order, last_checkpoint <= finished_at AS checkpoint
FROM joborch.job_runs WHERE run_id = :run \gx
SELECT output - 'never' AS output FROM joborch.job_runs WHERE run_id = :run;
SELECT joborch.run_output(:run) = output AS same FROM joborch.job_runs WHERE run_id = :run;

SELECT step, item, status, attempts, duration >= '0' AS lasted, output -> 'rows' AS rows, error, waiting_for, next_attempt_at
FROM joborch.run_steps(:run);
SELECT step_index, step, status FROM joborch.job_run_steps WHERE run_id = :run ORDER BY step_index;
SELECT jsonb_object_keys(joborch.run_progress(:run)) AS key ORDER BY 1;
SELECT p -> 'status' AS status, p -> 'progress' AS progress, p -> 'completed_steps' AS completed, p -> 'skipped_steps' AS skipped,
	p -> 'steps' -> 0 ->> 'step' AS first
FROM joborch.run_progress(:run) AS p;
SELECT joborch.watch_run(:run) = 'joborch_run_' || :run AS channel;
SELECT job, status, execution_time_ms >= 0 AS took, retries, total_steps, completed_steps, failed_steps, running_steps
FROM joborch.job_run_summary WHERE run_id = :run;

-- lists
SELECT joborch.start('views', '{"n": 1}', run_at => now() + interval '1 day', tags => '{red}', correlation_id => 'views 2') AS later \gset
SELECT status, tags FROM joborch.list_runs(job => 'views');
SELECT status FROM joborch.list_runs(job => 'views', sort => 'run_id');
SELECT status FROM joborch.list_runs(job => 'views', status => 'succeeded');
SELECT status FROM joborch.list_runs(job => 'views', status => 'queued');
SELECT status FROM joborch.list_runs(job => 'views', status => 'pending, completed', sort => '-finished_at');
SELECT count(*) FROM joborch.list_runs(tags => '{green,red}');
SELECT count(*) FROM joborch.list_runs(correlation_id => 'views 2', created_after => now() - interval '1 hour', created_before => now());
SELECT count(*) FROM joborch.list_runs(job => 'views', max_rows => 1, skip => 1);
SELECT l -> 'total' AS total, l -> 'skip' AS skip, l -> 'limit' AS "limit", jsonb_array_length(l -> 'items') AS items
FROM joborch.list_runs_json(job => 'views', max_rows => 1) AS l;
\set VERBOSITY terse
SELECT joborch.list_runs(status => 'red');
SELECT joborch.list_runs(sort => 'colour');
SELECT joborch.list_runs(job => 'nothing of this name');
\set VERBOSITY default

SELECT job, status, progress FROM joborch.active_runs WHERE run_id = :later;
SELECT step, status, waiting_for FROM joborch.run_steps(:later);
SELECT joborch.run_output(:later) IS NULL AS no_output_yet;

-- a condition on the status leaves out the branches that cannot have it, and
-- tables of which no column is asked for
CREATE FUNCTION relations_of(p_query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	v_plan jsonb;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) ' || p_query INTO v_plan;
	RETURN QUERY
	SELECT DISTINCT r #>> '{}' FROM jsonb_path_query(v_plan,
		'strict $.** ? (exists (@."Relation Name") && (!exists (@."Parent Relationship") || @."Parent Relationship" != "SubPlan"))."Relation Name"') AS r
	ORDER BY 1;
END
$$;
SELECT * FROM relations_of('SELECT count(*) FROM joborch.job_runs WHERE status NOT IN (''completed'', ''failed'', ''cancelled'')');
SELECT * FROM relations_of('SELECT count(*) FROM joborch.job_runs WHERE status = ''failed''');
SELECT * FROM relations_of('SELECT count(*) FROM joborch.active_runs');

-- processes
SELECT process FROM joborch.workers WHERE process <> 'joborch publisher' GROUP BY process ORDER BY process;
SELECT extension_version = (SELECT extversion FROM pg_extension WHERE extname = 'joborch') AS version,
	dispatcher_pid IS NOT NULL AS served, unfinished_runs, executors BETWEEN 1 AND max_executors AS within
FROM joborch.system_info;
SELECT category, retryable FROM joborch.error_classes WHERE pattern = '40';

SELECT joborch.format_duration(d) FROM unnest('{0, 250 ms, 12.5 s, 200 s, 1:02:03, 2 days 5 hours, -3 s}'::interval[]) AS d;

SELECT joborch.drop_job('views', force => true);
SELECT joborch.wait_for_run(:later, '30 s');
SELECT job, status FROM joborch.job_runs WHERE run_id IN (:run, :later) ORDER BY run_id;
DROP FUNCTION relations_of(text);
SELECT * FROM joborch.check();

-- the newest of all runs are found without sorting history: the planner sees through the union
CREATE FUNCTION plan_of(p_query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN RETURN QUERY EXECUTE 'EXPLAIN (COSTS OFF) ' || p_query; END $$;
SELECT bool_or(p ~ 'Merge Append') AS merged, bool_or(p ~ '->  Append') AS appended
FROM plan_of('SELECT run_id FROM joborch_internal.run_states ORDER BY run_id DESC LIMIT 1') AS p;
DROP FUNCTION plan_of;
