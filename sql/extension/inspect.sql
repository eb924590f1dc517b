-- What users ask about runs by function: for programs, and where a view would
-- have to look at every run.

CREATE FUNCTION joborch_internal.run_status(p_run_id bigint) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.find_run(p_run_id);
	RETURN joborch_internal.current_status(p_run_id);
END
$$;

CREATE FUNCTION joborch.run_status(run_id bigint) RETURNS text
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.run_status(bigint) IS 'the status of a run as of now';

CREATE FUNCTION joborch_internal.run_output(p_run_id bigint) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.find_run(p_run_id);
	RETURN (SELECT r.output FROM joborch.job_runs r WHERE r.run_id = p_run_id);
END
$$;

CREATE FUNCTION joborch.run_output(run_id bigint) RETURNS jsonb
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.run_output(bigint)
IS 'the output of a completed run, else NULL: what the job''s "output" says, else the output of its last step or steps';

CREATE FUNCTION joborch_internal.run_steps(p_run_id bigint)
RETURNS TABLE (step text, item integer, status text, attempts integer, started_at timestamptz, finished_at timestamptz,
	duration interval, output jsonb, error jsonb, waiting_for text, next_attempt_at timestamptz)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.find_run(p_run_id);
	RETURN QUERY
	SELECT s.step, s.item, s.status, s.attempts, s.started_at, s.finished_at, s.duration, s.output, s.error,
		s.waiting_for, s.next_attempt_at
	FROM joborch.job_run_steps s WHERE s.run_id = p_run_id
	ORDER BY s.step_index, s.item NULLS FIRST;
END
$$;

CREATE FUNCTION joborch.run_steps(run_id bigint)
RETURNS TABLE (step text, item integer, status text, attempts integer, started_at timestamptz, finished_at timestamptz,
	duration interval, output jsonb, error jsonb, waiting_for text, next_attempt_at timestamptz)
LANGUAGE C VOLATILE ROWS 10 AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.run_steps(bigint) IS 'the steps of a run in the order of its definition, also those that have not begun';

-- ---- progress ----

CREATE FUNCTION joborch_internal.progress_of_steps(p_run_id bigint) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object(
		'total_steps', count(*) FILTER (WHERE t.item IS NULL),
		'completed_steps', count(*) FILTER (WHERE t.status = 'completed' AND t.item IS NULL),
		'failed_steps', count(*) FILTER (WHERE t.status = 'failed' AND t.item IS NULL),
		'skipped_steps', count(*) FILTER (WHERE t.status = 'skipped' AND t.item IS NULL),
		'running_steps', count(*) FILTER (WHERE t.status = 'running' AND t.item IS NULL),
		'current_step', string_agg(t.step, ', ' ORDER BY t.step_index)
			FILTER (WHERE t.status = 'running' AND t.item IS NULL),
		'waiting_for', string_agg(DISTINCT t.waiting_for, ', '),
		'steps', jsonb_agg(jsonb_strip_nulls(jsonb_build_object('step', t.step, 'item', t.item,
			'status', t.status, 'attempts', t.attempts, 'started_at', t.started_at, 'finished_at', t.finished_at,
			'waiting_for', t.waiting_for, 'error_message', t.error ->> 'message')) ORDER BY t.step_index, t.item NULLS FIRST))
	FROM joborch_internal.steps_of_run(p_run_id) AS t
$$;

CREATE FUNCTION joborch_internal.run_progress(p_run_id bigint) RETURNS jsonb
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.find_run(p_run_id);
	RETURN (
		SELECT jsonb_build_object('run_id', r.run_id, 'job', r.job, 'status', r.status, 'progress', r.progress,
			'recovery_attempts', r.recovery_attempts, 'max_recovery_attempts', r.max_recovery_attempts,
			'cancel_requested', r.cancel_requested, 'started_at', r.started_at, 'finished_at', r.finished_at,
			'error_message', r.error_message)
			|| joborch_internal.progress_of_steps(r.run_id)
		FROM joborch.job_runs r WHERE r.run_id = p_run_id);
END
$$;

CREATE FUNCTION joborch.run_progress(run_id bigint) RETURNS jsonb
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.run_progress(bigint) IS 'a run and its steps as one document, for user interfaces';

CREATE FUNCTION joborch_internal.watch_run(p_run_id bigint) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM joborch_internal.find_run(p_run_id);
	RETURN 'joborch_run_' || p_run_id;
END
$$;

CREATE FUNCTION joborch.watch_run(run_id bigint) RETURNS text
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.watch_run(bigint) IS 'the channel to LISTEN to for the events of a run';

-- ---- lists ----
--
-- To compile expressions takes longer than to list a hundred runs: jit is off.

CREATE FUNCTION joborch_internal.filter_of(p_status text, p_job text, p_tags text[], p_owner text, p_correlation_id text,
	p_created_after timestamptz, p_created_before timestamptz)
RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_object('status', p_status, 'job', p_job, 'tags', p_tags, 'owner', p_owner,
		'correlation_id', p_correlation_id, 'created_after', p_created_after, 'created_before', p_created_before)
$$;

CREATE FUNCTION joborch_internal.list_runs(p_status text, p_job text, p_tags text[], p_owner text, p_correlation_id text,
	p_created_after timestamptz, p_created_before timestamptz, p_max_rows integer, p_skip integer, p_sort text)
RETURNS SETOF joborch.job_runs
LANGUAGE plpgsql VOLATILE SET jit = off AS $$
DECLARE
	-- first the ids, then the rows: what is dear in a row is computed for these only
	v_ids bigint[] := joborch_internal.choose_runs(
		joborch_internal.filter_of(p_status, p_job, p_tags, p_owner, p_correlation_id, p_created_after, p_created_before),
		p_sort, p_max_rows, p_skip);
BEGIN
	RETURN QUERY SELECT r.* FROM joborch.job_runs r WHERE r.run_id = ANY (v_ids)
	ORDER BY array_position(v_ids, r.run_id);
END
$$;

CREATE FUNCTION joborch.list_runs(status text DEFAULT NULL, job text DEFAULT NULL, tags text[] DEFAULT NULL,
	owner text DEFAULT NULL, correlation_id text DEFAULT NULL, created_after timestamptz DEFAULT NULL,
	created_before timestamptz DEFAULT NULL, max_rows integer DEFAULT 100, skip integer DEFAULT 0, sort text DEFAULT '-run_id')
RETURNS SETOF joborch.job_runs
LANGUAGE C VOLATILE ROWS 100 AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.list_runs(text, text, text[], text, text, timestamptz, timestamptz, integer, integer, text)
IS 'runs by status (several with commas), job, tags (all of them), owner, ...; newest first; sort by a column, "-" before it for the greatest first';

CREATE FUNCTION joborch_internal.list_runs_json(p_status text, p_job text, p_tags text[], p_owner text, p_correlation_id text,
	p_created_after timestamptz, p_created_before timestamptz, p_max_rows integer, p_skip integer, p_sort text)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE SET jit = off AS $$
DECLARE
	v_filter jsonb := joborch_internal.filter_of(p_status, p_job, p_tags, p_owner, p_correlation_id, p_created_after, p_created_before);
	v_total bigint;
BEGIN
	EXECUTE 'SELECT count(*) ' || joborch_internal.runs_clause(v_filter) INTO v_total;
	RETURN jsonb_build_object(
		'items', (SELECT coalesce(jsonb_agg(to_jsonb(r)), '[]')
			FROM joborch_internal.list_runs(p_status, p_job, p_tags, p_owner, p_correlation_id, p_created_after,
				p_created_before, p_max_rows, p_skip, p_sort) AS r),
		'total', v_total, 'skip', p_skip, 'limit', p_max_rows);
END
$$;

CREATE FUNCTION joborch.list_runs_json(status text DEFAULT NULL, job text DEFAULT NULL, tags text[] DEFAULT NULL,
	owner text DEFAULT NULL, correlation_id text DEFAULT NULL, created_after timestamptz DEFAULT NULL,
	created_before timestamptz DEFAULT NULL, max_rows integer DEFAULT 100, skip integer DEFAULT 0, sort text DEFAULT '-run_id')
RETURNS jsonb
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.list_runs_json(text, text, text[], text, text, timestamptz, timestamptz, integer, integer, text)
IS 'list_runs() as one document {items, total, skip, limit}, total being the number without limit';

