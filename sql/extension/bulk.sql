-- Many runs at once: chosen by a filter, cancelled, deleted, trimmed.

CREATE FUNCTION joborch_internal.jobs_of_filter(p_job text) RETURNS bigint[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_jobs bigint[];
BEGIN
	SELECT array_agg(j.job_id) INTO v_jobs FROM joborch_internal.job j
	WHERE (j.name = p_job OR j.job_id::text = p_job) AND joborch.visible(j.owner, j.tenant);
	IF v_jobs IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO002',
			MESSAGE = format('job "%s" does not exist', p_job),
			HINT = 'Your jobs are in the view joborch.jobs.';
	END IF;
	RETURN v_jobs;
END
$$;

-- A condition on the status of run r, live l, ends e: each kind of status
-- names only the table that it is in, so that the planner leaves the other out.
CREATE FUNCTION joborch_internal.status_condition(p_statuses text[]) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT concat_ws(' OR ',
		(SELECT format('l.run_id IS NOT NULL AND joborch_internal.run_state(l.run_id, l.epoch, l.paused, l.begun) = ANY (%L::text[])', array_agg(s.word))
			FROM unnest(p_statuses) AS s (word) WHERE s.word NOT IN ('completed', 'failed', 'cancelled') HAVING count(*) > 0),
		(SELECT string_agg(format('e.status = %L', CASE s.word WHEN 'completed' THEN 'c' WHEN 'failed' THEN 'f' ELSE 'x' END), ' OR ')
			FROM unnest(p_statuses) AS s (word) WHERE s.word IN ('completed', 'failed', 'cancelled')))
$$;

-- FROM and WHERE for the runs that a filter names and the caller may see.
CREATE FUNCTION joborch_internal.runs_clause(p_filter jsonb) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_conditions text[] := ARRAY['joborch.visible(r.owner, r.tenant)'];
	v_key text;
	v_value jsonb;
BEGIN
	FOR v_key, v_value IN SELECT f.key, f.value FROM jsonb_each(p_filter) AS f WHERE jsonb_typeof(f.value) <> 'null' LOOP
		v_conditions := v_conditions || CASE v_key
			WHEN 'status' THEN '(' || joborch_internal.status_condition(joborch_internal.run_statuses_of(v_value)) || ')'
			WHEN 'job' THEN format('r.job_id = ANY (%L::bigint[])', joborch_internal.jobs_of_filter(v_value #>> '{}'))
			WHEN 'tags' THEN format('r.tags @> %L::text[]', ARRAY(SELECT t.tag FROM jsonb_array_elements_text(v_value) AS t (tag)))
			WHEN 'owner' THEN format('r.owner_name = %L', v_value #>> '{}')
			WHEN 'correlation_id' THEN format('r.correlation_id = %L', v_value #>> '{}')
			WHEN 'created_after' THEN format('r.created_at >= %L::timestamptz', v_value #>> '{}')
			WHEN 'created_before' THEN format('r.created_at <= %L::timestamptz', v_value #>> '{}')
		END;
		IF v_conditions[cardinality(v_conditions)] IS NULL THEN
			RAISE EXCEPTION USING
				ERRCODE = 'invalid_parameter_value',
				MESSAGE = format('runs cannot be chosen by "%s"', v_key),
				HINT = 'Keys are status, job, tags, owner, correlation_id, created_after and created_before.';
		END IF;
	END LOOP;
	RETURN 'FROM joborch_internal.run r'
		' LEFT JOIN joborch_internal.live l ON l.run_id = r.run_id'
		' LEFT JOIN joborch_internal.ends e ON e.run_id = r.run_id'
		' WHERE ' || array_to_string(v_conditions, ' AND ');
END
$$;

CREATE FUNCTION joborch_internal.order_clause(p_sort text) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	v_expression text := CASE ltrim(p_sort, '-+')
		WHEN 'run_id' THEN 'r.run_id'
		WHEN 'created_at' THEN 'r.created_at'
		WHEN 'run_at' THEN 'r.run_at'
		WHEN 'started_at' THEN 'coalesce(e.started_at, l.begun)'
		WHEN 'finished_at' THEN 'e.finished_at'
		WHEN 'priority' THEN 'coalesce(l.ord, r.priority)'
		WHEN 'owner' THEN 'r.owner_name'
	END;
	v_direction text := CASE WHEN p_sort LIKE '-%' THEN 'DESC' ELSE 'ASC' END;
BEGIN
	IF v_expression IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('runs cannot be sorted by "%s"', p_sort),
			HINT = 'Say run_id, created_at, run_at, started_at, finished_at, priority or owner, with "-" before it for the greatest first.';
	END IF;
	RETURN CASE v_expression
		WHEN 'r.run_id' THEN format('ORDER BY r.run_id %s', v_direction)
		ELSE format('ORDER BY %s %s NULLS LAST, r.run_id %s', v_expression, v_direction, v_direction)
	END;
END
$$;

-- The ids in order; p_max NULL: all.
CREATE FUNCTION joborch_internal.choose_runs(p_filter jsonb, p_sort text, p_max integer, p_skip integer) RETURNS bigint[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_ids bigint[];
BEGIN
	EXECUTE format('SELECT array_agg(c.run_id) FROM (SELECT r.run_id %s %s LIMIT %L OFFSET %L) AS c',
		joborch_internal.runs_clause(p_filter), joborch_internal.order_clause(p_sort), p_max, coalesce(p_skip, 0))
	INTO v_ids;
	RETURN coalesce(v_ids, '{}');
END
$$;

-- ---- cancel and delete ----

CREATE FUNCTION joborch_internal.require_filter(p_filter jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF p_filter IS NULL OR jsonb_typeof(p_filter) <> 'object' OR jsonb_strip_nulls(p_filter) = '{}' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'the filter names nothing',
			HINT = 'Say which runs, for example {"job": "nightly", "status": "failed"}.';
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.cancel_runs(p_filter jsonb, p_dry_run boolean, p_force boolean, p_reason text)
RETURNS TABLE (run_id bigint, job text, status text, outcome text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run joborch_internal.run;
BEGIN
	PERFORM joborch_internal.require_filter(p_filter);
	FOR v_run IN
		SELECT r.* FROM joborch_internal.live l JOIN joborch_internal.run r ON r.run_id = l.run_id
		WHERE l.run_id = ANY (joborch_internal.choose_runs(
			jsonb_build_object('status', '["pending", "running", "paused", "recovering"]'::jsonb) || p_filter, 'run_id', NULL, 0))
		ORDER BY l.run_id
	LOOP
		run_id := v_run.run_id;
		job := (SELECT j.name FROM joborch_internal.job j WHERE j.job_id = v_run.job_id);
		status := joborch_internal.current_status(v_run.run_id);
		outcome := CASE
			WHEN NOT joborch_internal.may_control(v_run.owner, v_run.tenant) THEN 'permission denied'
			WHEN p_dry_run THEN 'would be cancelled'
			WHEN joborch_internal.request_cancel(v_run, coalesce(p_force, false), p_reason) THEN 'cancel requested'
			ELSE 'already cancelled or finished'
		END;
		RETURN NEXT;
	END LOOP;
END
$$;

CREATE FUNCTION joborch.cancel_runs(filter jsonb, dry_run boolean DEFAULT false, force boolean DEFAULT false, reason text DEFAULT NULL)
RETURNS TABLE (run_id bigint, job text, status text, outcome text)
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.cancel_runs(jsonb, boolean, boolean, text)
IS 'cancels the unfinished runs that a filter names, with the keys of list_runs(); dry_run only shows them';

CREATE FUNCTION joborch_internal.delete_runs(p_filter jsonb, p_dry_run boolean, p_reason text)
RETURNS TABLE (run_id bigint, job text, status text, outcome text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run joborch_internal.run;
	v_final boolean;
BEGIN
	PERFORM joborch_internal.require_filter(p_filter);
	FOR v_run IN
		SELECT r.* FROM joborch_internal.run r
		WHERE r.run_id = ANY (joborch_internal.choose_runs(p_filter, 'run_id', NULL, 0)) ORDER BY r.run_id
	LOOP
		run_id := v_run.run_id;
		job := (SELECT j.name FROM joborch_internal.job j WHERE j.job_id = v_run.job_id);
		status := joborch_internal.current_status(v_run.run_id);
		v_final := status IN ('completed', 'failed', 'cancelled');
		outcome := CASE
			WHEN NOT joborch_internal.may_control(v_run.owner, v_run.tenant) THEN 'permission denied'
			WHEN NOT v_final THEN 'not finished'
			WHEN joborch_internal.is_awaited(v_run.run_id, v_run.parent_run_id) THEN format('awaited by run %s', v_run.parent_run_id)
			WHEN p_dry_run THEN 'would be deleted'
			ELSE 'deleted'
		END;
		IF outcome = 'deleted' THEN
			PERFORM joborch_internal.delete_run(v_run.run_id, p_reason);
		END IF;
		RETURN NEXT;
	END LOOP;
END
$$;

CREATE FUNCTION joborch.delete_runs(filter jsonb, dry_run boolean DEFAULT false, reason text DEFAULT NULL)
RETURNS TABLE (run_id bigint, job text, status text, outcome text)
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.delete_runs(jsonb, boolean, text)
IS 'deletes the finished runs that a filter names, with the keys of list_runs(); dry_run only shows them';

-- ---- trim history ----

CREATE FUNCTION joborch_internal.cleanup_runs(p_older_than interval, p_statuses text[], p_job text, p_max_rows integer) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_letters "char"[] := ARRAY['c', 'f', 'x'];
	v_jobs bigint[] := CASE WHEN p_job IS NOT NULL THEN joborch_internal.jobs_of_filter(p_job) END;
	v_gone bigint[];
	v_total bigint := 0;
BEGIN
	IF p_older_than IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'null_value_not_allowed',
			MESSAGE = 'older_than is NULL',
			HINT = 'Say how old runs must be, for example joborch.cleanup_runs(''30 days'').';
	END IF;
	IF p_statuses IS NOT NULL THEN
		SELECT array_agg(left(w.word, 1)::"char") INTO v_letters
		FROM (SELECT CASE s.word WHEN 'cancelled' THEN 'x' ELSE s.word END
			FROM unnest(joborch_internal.run_statuses_of(to_jsonb(p_statuses))) AS s (word)
			WHERE s.word IN ('completed', 'failed', 'cancelled')) AS w (word);
	END IF;
	-- in slices, so that no list of ids grows with the history
	LOOP
		WITH old AS (
			SELECT e.run_id FROM joborch_internal.ends e JOIN joborch_internal.run r ON r.run_id = e.run_id
			WHERE e.finished_at < joborch_internal.now() - p_older_than AND e.status = ANY (v_letters)
				AND (v_jobs IS NULL OR r.job_id = ANY (v_jobs)) AND joborch_internal.may_control(r.owner, r.tenant)
				AND (r.parent_run_id IS NULL OR NOT joborch_internal.is_awaited(r.run_id, r.parent_run_id))
			LIMIT least(10000, p_max_rows - v_total)
		), gone AS (
			DELETE FROM joborch_internal.ends e USING old WHERE e.run_id = old.run_id RETURNING e.run_id
		)
		SELECT array_agg(g.run_id) INTO v_gone FROM gone g;
		EXIT WHEN v_gone IS NULL;
		PERFORM joborch_internal.forget_runs(v_gone);
		v_total := v_total + cardinality(v_gone);
	END LOOP;
	IF p_statuses IS NULL THEN
		PERFORM joborch_internal.forget_fires(p_older_than, v_jobs);	-- schedule_fire
	END IF;
	DELETE FROM joborch_internal.step_cache c
	WHERE c.expires_at <= joborch_internal.now()
		OR EXISTS (SELECT FROM joborch_internal.job j WHERE j.job_id = c.job_id AND j.dropped_at IS NOT NULL);
	IF v_total > 0 THEN
		PERFORM joborch_internal.record('runs_cleaned_up', NULL, NULL, NULL, jsonb_strip_nulls(jsonb_build_object(
			'deleted', v_total, 'older_than', p_older_than, 'statuses', p_statuses, 'job', p_job)));
	END IF;
	RETURN v_total;
END
$$;

CREATE FUNCTION joborch.cleanup_runs(older_than interval, statuses text[] DEFAULT NULL, job text DEFAULT NULL,
	max_rows integer DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.cleanup_runs(interval, text[], text, integer)
IS 'deletes runs that finished longer ago than that, at most max_rows of them, and returns how many';

