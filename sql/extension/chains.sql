-- What follows the end of a run: runs that depend on it, jobs that start after its job; and
-- batches of runs.
--
-- prepare_end() and follow_end() are called by src/follow.c in the transaction that writes the
-- end, by one process, which may wait for nobody: so the rows of live that they change are
-- locked before without waiting, and no other row that they change is anybody else's.

-- ---- runs that depend on others ----

-- Did a run with this end end so?
CREATE FUNCTION joborch_internal.is_wanted_end(p_type "char", p_status "char") RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
	SELECT p_type = 'c' OR p_type = 's' AND p_status = 'c' OR p_type = 'f' AND p_status = 'f'
$$;

CREATE FUNCTION joborch_internal.ended_word(p_status "char") RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE p_status WHEN 'x' THEN 'was cancelled' ELSE joborch_internal.status_word(p_status) END
$$;

-- Before an end is written.  ready: the rows of all runs that wait for it are locked.  Why: of a
-- run that is cancelled because of what it depends on, on which run it was and how that ended.
CREATE FUNCTION joborch_internal.prepare_end(p_run_id bigint, p_status "char",
	OUT ready boolean, OUT depends_on bigint, OUT wanted text, OUT ended text)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	ready := (
		SELECT count(*) FROM joborch_internal.run_dependency d JOIN joborch_internal.live l ON l.run_id = d.run_id
		WHERE d.depends_on = p_run_id AND d.state = 'w'
	) = (
		SELECT count(*) FROM (
			SELECT FROM joborch_internal.live l
			WHERE l.run_id IN (
				SELECT d.run_id FROM joborch_internal.run_dependency d WHERE d.depends_on = p_run_id AND d.state = 'w')
			FOR UPDATE SKIP LOCKED) AS locked);
	IF p_status = 'x' THEN
		SELECT d.depends_on, joborch_internal.dependency_word(d.type),
			coalesce((SELECT joborch_internal.ended_word(e.status) FROM joborch_internal.ends e WHERE e.run_id = d.depends_on), 'is over')
		INTO prepare_end.depends_on, wanted, ended
		FROM joborch_internal.run_dependency d WHERE d.run_id = p_run_id AND d.state = 'u'
		ORDER BY d.depends_on LIMIT 1;
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.settle_dependents(p_run_id bigint, p_status "char") RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_now timestamptz := joborch_internal.now();
	v_dependents bigint[];
	v_failed bigint[];
	v_run_id bigint;
	v_live joborch_internal.live;
BEGIN
	-- it was cancelled while it waited
	UPDATE joborch_internal.run_dependency d SET state = 'x' WHERE d.run_id = p_run_id AND d.state = 'w';

	WITH settled AS (
		UPDATE joborch_internal.run_dependency d
		SET state = CASE WHEN joborch_internal.is_wanted_end(d.type, p_status) THEN 'm' ELSE 'u' END::"char"
		FROM joborch_internal.live l
		WHERE d.depends_on = p_run_id AND d.state = 'w' AND l.run_id = d.run_id
		RETURNING d.run_id, d.state
	)
	SELECT array_agg(s.run_id ORDER BY s.run_id), array_agg(s.run_id ORDER BY s.run_id) FILTER (WHERE s.state = 'u')
	INTO v_dependents, v_failed FROM settled s;
	IF v_dependents IS NULL THEN
		RETURN;
	END IF;

	FOR v_run_id IN
		UPDATE joborch_internal.live l
		SET cancel = 'f', paused = false, due = v_now,
			reason = format('run %s, which it depends on, %s', p_run_id, joborch_internal.ended_word(p_status))
		WHERE l.run_id = ANY (v_failed) AND l.due = 'infinity'
		RETURNING l.run_id
	LOOP
		PERFORM joborch_internal.announce_control(v_run_id);
	END LOOP;

	FOR v_live IN
		WITH released AS (
			UPDATE joborch_internal.live l SET due = greatest(r.run_at, v_now)
			FROM joborch_internal.run r
			WHERE l.run_id = ANY (v_dependents) AND l.due = 'infinity' AND r.run_id = l.run_id
				AND NOT EXISTS (SELECT FROM joborch_internal.run_dependency d WHERE d.run_id = l.run_id AND d.state = 'w')
			RETURNING l.*
		)
		-- in this order neighbours are announced as one
		SELECT s.* FROM released s ORDER BY s.queue_id, s.ord, s.due, s.run_id
	LOOP
		PERFORM joborch_internal.announce_due(v_live.queue_id, v_live.ord, v_live.due, v_live.run_id);
	END LOOP;
END
$$;

-- ---- jobs that start after others ----

-- What the run that is started gets: the rule's input, and whose end started it.
CREATE FUNCTION joborch_internal.input_after(p_input jsonb, p_parents bigint[], p_last bigint) RETURNS jsonb
LANGUAGE sql STABLE AS $$
	SELECT coalesce(p_input, '{}')
		|| jsonb_build_object('parent', (array_agg(p.told) FILTER (WHERE p.run_id = p_last))[1])
		|| CASE WHEN count(*) > 1 THEN jsonb_build_object('parents', jsonb_object_agg(p.job, p.told)) ELSE '{}' END
	FROM (
		SELECT r.run_id, r.job, jsonb_strip_nulls(jsonb_build_object('run_id', r.run_id, 'job', r.job, 'status', r.status, 'error', r.error))
			|| jsonb_build_object('output', r.output) AS told
		FROM joborch.job_runs r WHERE r.run_id = ANY (p_parents)
	) AS p
$$;

-- What is wrong with the job, its input or the maker's rights is noted; what may be otherwise in
-- a second (memory, disk, a conflict) is raised, and the end is written again with all of this.
CREATE FUNCTION joborch_internal.start_by_rule(p_rule joborch_internal.after_rule, p_parents bigint[], p_last bigint) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run_id bigint;
	v_message text;
	v_detail text;
BEGIN
	BEGIN
		v_run_id := joborch_internal.start_for_rule(p_rule.owner, p_rule.tenant, p_rule.job_id,
			joborch_internal.input_after(p_rule.input, p_parents, p_last), p_parents);
	EXCEPTION WHEN OTHERS THEN
		IF substr(SQLSTATE, 1, 2) IN ('40', '53', '57', '58') THEN
			RAISE;
		END IF;
		GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL;
		PERFORM joborch_internal.record('after_refused', p_last, p_rule.job_id, v_message, jsonb_strip_nulls(jsonb_build_object(
			'rule', p_rule.name, 'rule_id', p_rule.rule_id, 'sqlstate', SQLSTATE, 'detail', nullif(v_detail, ''))));
		RETURN;
	END;
	INSERT INTO joborch_internal.run_dependency (run_id, depends_on, rule_id, type, state)
	SELECT v_run_id, p.run_id, p_rule.rule_id, p_rule.ends, 'm' FROM unnest(p_parents) AS p (run_id);
END
$$;

CREATE FUNCTION joborch_internal.fire_rules(p_run_id bigint, p_status "char") RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_job_id bigint := (SELECT r.job_id FROM joborch_internal.run r WHERE r.run_id = p_run_id);
	v_rule joborch_internal.after_rule;
	v_parents bigint[];
BEGIN
	FOR v_rule IN
		SELECT a.* FROM joborch_internal.after_parent p JOIN joborch_internal.after_rule a ON a.rule_id = p.rule_id
		WHERE p.job_id = v_job_id AND joborch_internal.is_wanted_end(a.ends, p_status)
		ORDER BY a.rule_id
	LOOP
		v_parents := ARRAY[p_run_id];
		IF v_rule.parents > 1 THEN
			DELETE FROM joborch_internal.after_mark m
			WHERE NOT EXISTS (SELECT FROM joborch_internal.after_rule a WHERE a.rule_id = m.rule_id);
			INSERT INTO joborch_internal.after_mark (rule_id, job_id, run_id) VALUES (v_rule.rule_id, v_job_id, p_run_id)
			ON CONFLICT (rule_id, job_id) DO UPDATE SET run_id = excluded.run_id;
			SELECT array_agg(m.run_id ORDER BY m.run_id) INTO v_parents
			FROM joborch_internal.after_mark m WHERE m.rule_id = v_rule.rule_id;
			IF cardinality(v_parents) < v_rule.parents THEN
				CONTINUE;
			END IF;
			DELETE FROM joborch_internal.after_mark m WHERE m.rule_id = v_rule.rule_id;
		END IF;
		PERFORM joborch_internal.start_by_rule(v_rule, v_parents, p_run_id);
	END LOOP;
END
$$;

CREATE FUNCTION joborch_internal.follow_end(p_run_id bigint, p_status "char") RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.settle_dependents(p_run_id, p_status);
	PERFORM joborch_internal.fire_rules(p_run_id, p_status);
END
$$;

-- Whether anything starts after these jobs is kept with them, so that the ends of all others
-- need not be asked about.
CREATE FUNCTION joborch_internal.mark_followed(p_job_ids bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	UPDATE joborch_internal.job j
	SET followed = EXISTS (SELECT FROM joborch_internal.after_parent p WHERE p.job_id = j.job_id)
	WHERE j.job_id = ANY (p_job_ids);
	PERFORM joborch_internal.announce_followed(j.job_id, j.followed)
	FROM joborch_internal.job j WHERE j.job_id = ANY (p_job_ids);
END
$$;

CREATE FUNCTION joborch_internal.remove_rules(p_rule_ids bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_parents bigint[];
BEGIN
	-- rules are made and dropped one after the other: each sees what the one before left of a job
	LOCK TABLE joborch_internal.after_rule IN SHARE ROW EXCLUSIVE MODE;
	DELETE FROM joborch_internal.after_rule a WHERE a.rule_id = ANY (p_rule_ids);
	WITH gone AS (DELETE FROM joborch_internal.after_parent p WHERE p.rule_id = ANY (p_rule_ids) RETURNING p.job_id)
	SELECT array_agg(DISTINCT g.job_id) INTO v_parents FROM gone g;
	PERFORM joborch_internal.mark_followed(v_parents);
END
$$;

CREATE FUNCTION joborch_internal.require_startable(p_job joborch_internal.job) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF NOT joborch_internal.may_control(p_job.owner, p_job.tenant) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('permission denied to start job "%s"', p_job.name),
			DETAIL = format('It belongs to role "%s".', p_job.owner_name),
			HINT = 'Become a member of that role.';
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.dependency_letter(p_word text) RETURNS "char"
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE p_word WHEN 'success' THEN 's' WHEN 'failure' THEN 'f' WHEN 'completion' THEN 'c' END::"char"
$$;

CREATE FUNCTION joborch_internal.require_rule_name(p_name text) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF octet_length(p_name) NOT BETWEEN 1 AND 255 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_name',
			MESSAGE = format('"%s" cannot be a name', left(p_name, 64)),
			DETAIL = 'A name has 1 to 255 bytes.';
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.start_after(p_job text, p_after text[], p_dependency_type text, p_input jsonb, p_name text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_job joborch_internal.job := joborch_internal.find_job(p_job);
	v_ends "char" := joborch_internal.dependency_letter(p_dependency_type);
	v_parents bigint[];
	v_rule_id bigint;
	v_old joborch_internal.after_rule;
	v_name text;
BEGIN
	PERFORM joborch_internal.require_startable(v_job);
	IF v_ends IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('unknown dependency_type "%s"', p_dependency_type),
			HINT = 'Use one of: success, failure, completion.';
	ELSIF coalesce(cardinality(p_after), 0) NOT BETWEEN 1 AND 100 OR array_position(p_after, NULL) IS NOT NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'after must name 1 to 100 jobs';
	ELSIF jsonb_typeof(p_input) <> 'object' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'input must be a JSON object';
	END IF;
	SELECT array_agg(DISTINCT (joborch_internal.find_job(p.job)).job_id) INTO v_parents FROM unnest(p_after) AS p (job);
	v_name := coalesce(p_name, left(format('%s after %s', v_job.name, (
		SELECT string_agg(j.name, ', ' ORDER BY j.name) FROM joborch_internal.job j WHERE j.job_id = ANY (v_parents))), 200));
	PERFORM joborch_internal.require_rule_name(v_name);

	PERFORM joborch_internal.remove_rules('{}');	-- only for its lock
	SELECT a.* INTO v_old FROM joborch_internal.after_rule a WHERE a.name = v_name;
	IF FOUND THEN
		PERFORM joborch_internal.require_rule(v_old);
		PERFORM joborch_internal.remove_rules(ARRAY[v_old.rule_id]);
	END IF;
	INSERT INTO joborch_internal.after_rule (name, job_id, owner, owner_name, tenant, ends, parents, input)
	VALUES (v_name, v_job.job_id, joborch_internal.caller(), joborch_internal.caller_name(),
		nullif(current_setting('joborch.tenant', true), ''), v_ends, cardinality(v_parents), p_input)
	RETURNING rule_id INTO v_rule_id;
	INSERT INTO joborch_internal.after_parent (job_id, rule_id) SELECT p.job_id, v_rule_id FROM unnest(v_parents) AS p (job_id);
	PERFORM joborch_internal.mark_followed(v_parents);
	PERFORM joborch_internal.record('after_created', NULL, v_job.job_id, NULL, jsonb_build_object(
		'rule', v_name, 'rule_id', v_rule_id, 'after', to_jsonb(v_parents), 'dependency_type', p_dependency_type));
	RETURN v_rule_id;
END
$$;

CREATE FUNCTION joborch.start_after(job text, after text[], dependency_type text DEFAULT 'success', input jsonb DEFAULT NULL,
	name text DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.start_after(text, text[], text, jsonb, text)
IS 'lets a job start each time that another one ends with success, failure or completion; of several, when all have ended so since the last time';

-- May the caller change it?
CREATE FUNCTION joborch_internal.require_rule(p_rule joborch_internal.after_rule) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF p_rule.rule_id IS NULL OR NOT joborch.visible(p_rule.owner, p_rule.tenant) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'undefined_object',
			MESSAGE = 'no job starts after others by a rule of this name',
			HINT = 'SELECT name FROM joborch.after_rules;';
	ELSIF NOT joborch_internal.may_control(p_rule.owner, p_rule.tenant) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('permission denied for rule "%s"', p_rule.name),
			DETAIL = format('It belongs to role "%s".', p_rule.owner_name);
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.drop_after(p_name text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_rule joborch_internal.after_rule;
BEGIN
	SELECT a.* INTO v_rule FROM joborch_internal.after_rule a WHERE a.name = p_name;
	PERFORM joborch_internal.require_rule(v_rule);
	PERFORM joborch_internal.remove_rules(ARRAY[v_rule.rule_id]);
	PERFORM joborch_internal.record('after_dropped', NULL, v_rule.job_id, NULL, jsonb_build_object(
		'rule', v_rule.name, 'rule_id', v_rule.rule_id));
END
$$;

CREATE FUNCTION joborch.drop_after(name text) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.drop_after(text) IS 'takes back start_after(); runs that were started by it go on';

CREATE VIEW joborch.after_rules WITH (security_barrier) AS
SELECT a.rule_id, a.name, j.name AS job,
	(SELECT array_agg(p.name ORDER BY p.name) FROM joborch_internal.after_parent f JOIN joborch_internal.job p ON p.job_id = f.job_id
		WHERE f.rule_id = a.rule_id) AS after,
	joborch_internal.dependency_word(a.ends) AS dependency_type, a.input, a.owner_name AS owner, a.tenant, a.created_at,
	(SELECT array_agg(p.name ORDER BY p.name) FROM joborch_internal.after_mark m JOIN joborch_internal.job p ON p.job_id = m.job_id
		WHERE m.rule_id = a.rule_id) AS ended,
	(SELECT max(d.run_id) FROM joborch_internal.run_dependency d WHERE d.rule_id = a.rule_id) AS last_run_id,
	e.at AS last_refused_at, e.reason AS last_refused
FROM joborch_internal.after_rule a
JOIN joborch_internal.job j ON j.job_id = a.job_id
LEFT JOIN LATERAL (
	SELECT v.at, v.reason FROM joborch_internal.event v
	WHERE v.job_id = a.job_id AND v.type = 'after_refused' AND (v.detail ->> 'rule_id')::bigint = a.rule_id
	ORDER BY v.event_id DESC LIMIT 1) AS e ON true
WHERE joborch.visible(a.owner, a.tenant);
COMMENT ON VIEW joborch.after_rules IS 'jobs that start after others, see start_after()';
COMMENT ON COLUMN joborch.after_rules.ended IS 'of several: those that have ended so since the last start';
COMMENT ON COLUMN joborch.after_rules.last_refused IS 'why the job could not be started the last time that it could not';

-- A job that is dropped starts nothing and is started by nothing any more.
CREATE FUNCTION joborch_internal.forget_chains(p_job_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.remove_rules(g.rule_ids)
	FROM (SELECT array_agg(u.rule_id) AS rule_ids FROM (
		SELECT a.rule_id FROM joborch_internal.after_rule a WHERE a.job_id = p_job_id
		UNION SELECT p.rule_id FROM joborch_internal.after_parent p WHERE p.job_id = p_job_id) AS u) AS g
	WHERE g.rule_ids IS NOT NULL;
	PERFORM joborch_internal.remove_change_trigger(c) FROM joborch_internal.change_trigger c WHERE c.job_id = p_job_id;
END
$$;

-- ---- looking ----

CREATE VIEW joborch.job_run_dependencies WITH (security_barrier) AS
SELECT d.run_id, d.depends_on, joborch_internal.dependency_word(d.type) AS dependency_type,
	CASE d.state WHEN 'w' THEN 'waiting' WHEN 'm' THEN 'met' WHEN 'u' THEN 'not met' ELSE 'not awaited' END AS state,
	a.name AS rule
FROM joborch_internal.run_dependency d
JOIN joborch_internal.run r ON r.run_id = d.run_id
LEFT JOIN joborch_internal.after_rule a ON a.rule_id = d.rule_id
WHERE joborch.visible(r.owner, r.tenant);
COMMENT ON VIEW joborch.job_run_dependencies IS 'on which runs a run depends, or after which it was started';
COMMENT ON COLUMN joborch.job_run_dependencies.state IS 'waiting, met, not met (the run was cancelled for it), not awaited (the run was cancelled before)';
COMMENT ON COLUMN joborch.job_run_dependencies.rule IS 'the start_after() that started it; NULL: depends_on_runs';

CREATE FUNCTION joborch_internal.run_dependents(p_run_id bigint)
RETURNS TABLE (run_id bigint, job text, status text, depends_on bigint, dependency_type text, state text, level integer)
LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM joborch_internal.find_run(p_run_id);
	RETURN QUERY
	WITH RECURSIVE below (run_id, depends_on, type, state, level) AS (
		SELECT d.run_id, d.depends_on, d.type, d.state, 1 FROM joborch_internal.run_dependency d WHERE d.depends_on = p_run_id
		UNION
		SELECT d.run_id, d.depends_on, d.type, d.state, b.level + 1
		FROM below b JOIN joborch_internal.run_dependency d ON d.depends_on = b.run_id
	)
	SELECT b.run_id, j.name, joborch_internal.current_status(b.run_id), b.depends_on, joborch_internal.dependency_word(b.type),
		CASE b.state WHEN 'w' THEN 'waiting' WHEN 'm' THEN 'met' WHEN 'u' THEN 'not met' ELSE 'not awaited' END, b.level
	FROM below b
	JOIN joborch_internal.run r ON r.run_id = b.run_id
	LEFT JOIN joborch_internal.job j ON j.job_id = r.job_id
	WHERE joborch.visible(r.owner, r.tenant)
	ORDER BY b.level, b.run_id, b.depends_on;
END
$$;

CREATE FUNCTION joborch.run_dependents(run_id bigint)
RETURNS TABLE (run_id bigint, job text, status text, depends_on bigint, dependency_type text, state text, level integer)
LANGUAGE C STABLE ROWS 10 AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.run_dependents(bigint) IS 'the runs that depend on a run or were started after it, those on these, and so on';

-- ---- batches ----

CREATE FUNCTION joborch.start_batch(batch jsonb, batch_id text DEFAULT NULL) RETURNS SETOF bigint
LANGUAGE C VOLATILE ROWS 10 AS 'MODULE_PATHNAME', 'joborch_start_batch';
COMMENT ON FUNCTION joborch.start_batch(jsonb, text)
IS 'starts runs that depend on each other by their places in the array, and returns their ids in its order';

CREATE FUNCTION joborch_internal.batch_status(p_batch_id text)
RETURNS TABLE (status text, total bigint, pending bigint, running bigint, completed bigint, failed bigint, cancelled bigint,
	progress integer, created_at timestamptz, finished_at timestamptz)
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN QUERY
	WITH r AS (
		SELECT u.created_at AS begun, e.finished_at AS ended,
			CASE WHEN l.run_id IS NOT NULL THEN joborch_internal.run_state(l.run_id, l.epoch, l.paused, l.begun)
				ELSE joborch_internal.status_word(e.status) END AS word
		FROM joborch_internal.batch_run b
		JOIN joborch_internal.run u ON u.run_id = b.run_id
		LEFT JOIN joborch_internal.live l ON l.run_id = b.run_id
		LEFT JOIN joborch_internal.ends e ON e.run_id = b.run_id
		WHERE b.batch_id = p_batch_id AND joborch.visible(u.owner, u.tenant)
	), n AS (
		SELECT count(*) AS total, count(*) FILTER (WHERE r.word = 'pending') AS pending,
			count(*) FILTER (WHERE r.word IN ('running', 'paused', 'recovering')) AS running,
			count(*) FILTER (WHERE r.word = 'completed') AS completed, count(*) FILTER (WHERE r.word = 'failed') AS failed,
			count(*) FILTER (WHERE r.word = 'cancelled') AS cancelled, min(r.begun) AS begun, max(r.ended) AS ended
		FROM r
	)
	SELECT CASE WHEN n.pending = n.total THEN 'pending' WHEN n.pending + n.running > 0 THEN 'running'
			WHEN n.failed > 0 THEN 'failed' WHEN n.cancelled > 0 THEN 'cancelled' ELSE 'completed' END,
		n.total, n.pending, n.running, n.completed, n.failed, n.cancelled,
		((n.completed + n.failed + n.cancelled) * 100 / n.total)::integer, n.begun,
		CASE WHEN n.pending + n.running = 0 THEN n.ended END
	FROM n WHERE n.total > 0;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'undefined_object',
			MESSAGE = format('batch "%s" does not exist', p_batch_id),
			HINT = 'Give batch_id to start(), start_many() or start_batch().';
	END IF;
END
$$;

CREATE FUNCTION joborch.batch_status(batch_id text)
RETURNS TABLE (status text, total bigint, pending bigint, running bigint, completed bigint, failed bigint, cancelled bigint,
	progress integer, created_at timestamptz, finished_at timestamptz)
LANGUAGE C STABLE ROWS 1 AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.batch_status(text) IS 'how far the runs of a batch are: running until all are over, failed if one failed';
