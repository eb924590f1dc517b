-- Going on with a run that failed, and repeating one.  Both work on rows only:
-- what has a row in step counts as done, so whatever is to run (again) has none.

-- ---- recover ----

CREATE FUNCTION joborch_internal.require_step(p_definition jsonb, p_step text) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM FROM joborch_internal.definition_steps(p_definition) AS d WHERE d.phase = 'main' AND d.name = p_step;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO004',
			MESSAGE = format('step "%s" does not exist', p_step),
			HINT = 'Steps: ' || (
				SELECT string_agg(d.name, ', ' ORDER BY d.step_index)
				FROM (SELECT s.* FROM joborch_internal.definition_steps(p_definition) AS s
					WHERE s.phase = 'main' ORDER BY s.step_index LIMIT 20) AS d);
	END IF;
END
$$;

-- Steps whose rows a recovery takes away: those that failed the run or were
-- stopped, with what hung on them and did not complete; all of on_failure and
-- finally; and from_step with everything after it (of a container, with all that
-- is in it); and what was undone, with everything after it.  A failure that on_error "continue" accepted stays.
CREATE FUNCTION joborch_internal.steps_to_redo(p_run_id bigint, p_definition jsonb, p_from_step text) RETURNS integer[]
LANGUAGE sql STABLE AS $$
	WITH RECURSIVE d AS (
		SELECT g.step_index, g.name, g.phase, g.depends_on, g.on_error, g.open_index, g.compensates, s.status
		FROM joborch_internal.definition_steps(p_definition) AS g
		LEFT JOIN joborch_internal.step s ON s.run_id = p_run_id AND s.step = g.step_index AND s.item = -1
	), broken (step_index) AS (
		SELECT d.step_index FROM d WHERE d.status = 'x' OR (d.status = 'f' AND d.on_error <> 'continue')
		UNION
		SELECT d.step_index FROM d JOIN broken b ON b.step_index = ANY (d.depends_on)
	), chosen (step_index) AS (
		SELECT unnest(ARRAY[d.step_index, d.open_index]) FROM d WHERE d.phase = 'main' AND d.name = p_from_step
		UNION
		SELECT unnest(ARRAY[d.step_index, d.open_index]) FROM d JOIN d AS undo ON undo.compensates = d.step_index
		WHERE undo.status = 'c'
		UNION
		SELECT d.step_index FROM d JOIN chosen c ON c.step_index = ANY (d.depends_on)
	)
	SELECT array_agg(d.step_index)
	FROM d
	WHERE d.phase <> 'main'
		OR d.step_index IN (SELECT c.step_index FROM chosen c)
		OR (d.step_index IN (SELECT b.step_index FROM broken b) AND d.status <> 'c')
$$;

-- Takes the rows out; what they said about tries stays in attempt.  Of a step with
-- foreach whose end is among them but not itself, only the items that did not
-- complete.
CREATE FUNCTION joborch_internal.redo_steps(p_run_id bigint, p_definition jsonb, p_steps integer[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_each integer[] := (
		SELECT array_agg(d.step_index) FROM joborch_internal.definition_steps(p_definition) AS d
		WHERE d.close_index = ANY (p_steps) AND d.open_index IS NOT NULL AND d.step_index <> ALL (p_steps));
BEGIN
	INSERT INTO joborch_internal.attempt
		(run_id, step, item, attempt, epoch, status, started_at, finished_at, error)
	SELECT s.run_id, s.step, s.item, s.attempt, s.epoch, s.status, s.started_at, s.finished_at, s.error
	FROM joborch_internal.step s
	WHERE s.run_id = p_run_id AND (s.step = ANY (p_steps) OR s.step = ANY (v_each) AND s.status <> 'c')
		AND s.status IN ('c', 'f', 'x') AND s.attempt > 0
	ON CONFLICT (run_id, step, item, attempt) DO NOTHING;
	DELETE FROM joborch_internal.step s
	WHERE s.run_id = p_run_id AND (s.step = ANY (p_steps) OR s.step = ANY (v_each) AND s.status <> 'c');
	DELETE FROM joborch_internal.item_chunk c WHERE c.run_id = p_run_id AND c.step = ANY (p_steps);
	-- a rejection fails its step and with it the taking of it: it counts once all the same
	UPDATE joborch_internal.signal g SET taken_at = joborch_internal.now(), taken_step = g.step, taken_item = g.item
	WHERE g.run_id = p_run_id AND g.step = ANY (p_steps) AND g.taken_at IS NULL;
END
$$;

CREATE FUNCTION joborch_internal.require_recoveries_left(p_run joborch_internal.run, p_epoch integer, p_definition jsonb)
RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_max integer := coalesce((p_definition ->> 'max_recovery_attempts')::integer, 3);
BEGIN
	IF p_epoch >= v_max THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO020',
			MESSAGE = format('run %s was recovered %s already', p_run.run_id,
				CASE p_epoch WHEN 1 THEN 'once' ELSE p_epoch || ' times' END),
			DETAIL = format('The job''s max_recovery_attempts is %s.', v_max),
			HINT = format('SELECT joborch.rerun(%s, keep_results => true); starts a new run with the results so far.', p_run.run_id);
	END IF;
	PERFORM FROM joborch_internal.job j
	WHERE j.job_id = p_run.job_id AND j.dropped_at IS NULL AND j.current_version > p_run.version_id;
	IF FOUND THEN
		RAISE NOTICE USING
			MESSAGE = format('run %s goes on with the version it started with; the job has a newer one', p_run.run_id),
			HINT = format('SELECT joborch.rerun(%s, keep_results => true); takes the newest.', p_run.run_id);
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.recover_run(p_run_id bigint, p_from_step text, p_reason text) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run joborch_internal.run := joborch_internal.find_run_to_control(p_run_id);
	v_epoch integer;
	v_definition jsonb;
	v_redo integer[];
BEGIN
	DELETE FROM joborch_internal.ends e WHERE e.run_id = p_run_id AND e.status = 'f' RETURNING e.epoch INTO v_epoch;
	IF NOT FOUND THEN
		PERFORM joborch_internal.refuse(p_run_id, 'recover');
	END IF;
	SELECT v.definition INTO v_definition FROM joborch_internal.job_version v WHERE v.version_id = v_run.version_id;
	IF p_from_step IS NOT NULL THEN
		PERFORM joborch_internal.require_step(v_definition, p_from_step);
	END IF;
	PERFORM joborch_internal.require_recoveries_left(v_run, v_epoch, v_definition);

	v_redo := joborch_internal.steps_to_redo(p_run_id, v_definition, p_from_step);
	PERFORM joborch_internal.redo_steps(p_run_id, v_definition, v_redo);
	DELETE FROM joborch_internal.timers t WHERE t.run_id = p_run_id;
	INSERT INTO joborch_internal.live
		(run_id, queue_id, ord, due, version_id, owner, epoch, paused, cancel, begun, reason,
		parent_run_id, parent_item, parent_step, followed)
	VALUES (p_run_id, v_run.queue_id, v_run.priority, joborch_internal.now(), v_run.version_id, v_run.owner,
		v_epoch + 1, false, '-', NULL, p_reason, v_run.parent_run_id, v_run.parent_item, v_run.parent_step,
		nullif(v_run.schedule_id IS NOT NULL, false));
	PERFORM joborch_internal.record('run_recovered', p_run_id, v_run.job_id, p_reason, jsonb_strip_nulls(jsonb_build_object(
		'recovery', v_epoch + 1, 'from_step', p_from_step)));
	PERFORM joborch_internal.announce_control(p_run_id);
	RETURN 'recovering';
END
$$;

CREATE FUNCTION joborch.recover_run(run_id bigint, from_step text DEFAULT NULL, reason text DEFAULT NULL) RETURNS text
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.recover_run(bigint, text, text)
IS 'goes on with a failed run: completed steps keep their results, the others run again; from_step repeats that one and all after it too';

-- ---- rerun ----

-- The version that a rerun takes: latest, same, or a number.
CREATE FUNCTION joborch_internal.version_to_rerun(p_run joborch_internal.run, p_job joborch_internal.job, p_version text)
RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_version_id bigint;
BEGIN
	IF p_version = 'same' OR (p_version = 'latest' AND p_job.job_id IS NULL) THEN
		RETURN p_run.version_id;
	ELSIF p_version = 'latest' THEN
		RETURN p_job.current_version;
	ELSIF p_version ~ '^[0-9]{1,9}$' THEN
		SELECT v.version_id INTO v_version_id FROM joborch_internal.job_version v
		WHERE v.job_id = p_run.job_id AND v.version = p_version::integer;
	END IF;
	IF v_version_id IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('version "%s" does not exist', p_version),
			HINT = 'Say latest, same, or a number from joborch.job_versions.';
	END IF;
	RETURN v_version_id;
END
$$;

-- A repaired definition is kept like one of start_definition().
CREATE FUNCTION joborch_internal.ad_hoc_version(p_owner oid, p_definition jsonb) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_digest text := 'rerun:' || encode(sha256(convert_to(p_definition::text, 'UTF8')), 'hex');
	v_definition jsonb := joborch_internal.translate_visual(p_definition);
	v_version_id bigint;
BEGIN
	IF NOT pg_has_role(joborch_internal.caller(), p_owner, 'MEMBER') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('must be a member of role "%s" to change what its run does', pg_get_userbyid(p_owner));
	END IF;
	PERFORM joborch_internal.require_valid(v_definition);
	PERFORM joborch_internal.require_surroundings(v_definition, p_owner);
	INSERT INTO joborch_internal.job_version (job_id, version, owner, definition, digest, saved_by)
	VALUES (NULL, 1, p_owner, v_definition, v_digest, joborch_internal.caller_name())
	ON CONFLICT (owner, digest) WHERE job_id IS NULL DO NOTHING
	RETURNING version_id INTO v_version_id;
	IF NOT FOUND THEN
		SELECT v.version_id INTO STRICT v_version_id FROM joborch_internal.job_version v
		WHERE v.job_id IS NULL AND v.owner = p_owner AND v.digest = v_digest;
	END IF;
	RETURN v_version_id;
END
$$;

-- Whose rights the new run has: the job's owner as of now, or the caller if the job
-- says so; without a job those of the run that is repeated.
CREATE FUNCTION joborch_internal.owner_of_rerun(p_run joborch_internal.run, p_job joborch_internal.job) RETURNS oid
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_owner oid := coalesce(p_job.owner, p_run.owner);
BEGIN
	PERFORM FROM joborch_internal.job_version v
	WHERE v.version_id = p_job.current_version AND v.definition ->> 'run_as' = 'caller';
	IF FOUND THEN
		v_owner := joborch_internal.caller();
	END IF;
	IF NOT joborch_internal.may_control(v_owner, p_run.tenant) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('permission denied to rerun run %s', p_run.run_id),
			DETAIL = format('It would run as role "%s".', pg_get_userbyid(v_owner));
	END IF;
	IF NOT p_job.active THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO019',
			MESSAGE = format('job "%s" is not active', p_job.name),
			HINT = format('SELECT joborch.alter_job(%L, active => true);', p_job.name);
	END IF;
	RETURN v_owner;
END
$$;

-- Steps of the new definition whose rows are taken from the old run, by name.
-- With from_step: all that do not come after it.  Else those of which nothing has
-- changed that they could depend on.
CREATE FUNCTION joborch_internal.steps_to_keep(p_run_id bigint, p_old jsonb, p_new jsonb, p_from_step text)
RETURNS TABLE (new_index integer, old_index integer)
LANGUAGE sql STABLE AS $$
	WITH RECURSIVE o AS (
		SELECT d.step_index, d.name, s.status,
			EXISTS (SELECT FROM joborch_internal.step i WHERE i.run_id = p_run_id AND i.step = d.step_index AND i.item >= 0) AS has_items,
			(SELECT e.value FROM jsonb_array_elements(p_old -> 'steps') AS e WHERE e.value ->> 'name' = d.name LIMIT 1) AS body,
			(SELECT array_agg(p.name ORDER BY p.name) FROM joborch_internal.definition_steps(p_old) AS p
				WHERE p.step_index = ANY (d.depends_on)) AS parents
		FROM joborch_internal.definition_steps(p_old) AS d
		LEFT JOIN joborch_internal.step s ON s.run_id = p_run_id AND s.step = d.step_index AND s.item = -1
		WHERE d.phase = 'main'
	), n AS (
		SELECT d.step_index, d.name, d.depends_on, d.open_index,
			(SELECT e.value FROM jsonb_array_elements(p_new -> 'steps') AS e WHERE e.value ->> 'name' = d.name LIMIT 1) AS body,
			(SELECT array_agg(p.name ORDER BY p.name) FROM joborch_internal.definition_steps(p_new) AS p
				WHERE p.step_index = ANY (d.depends_on)) AS parents
		FROM joborch_internal.definition_steps(p_new) AS d
		WHERE d.phase = 'main'
	), redo (step_index) AS (
		-- of a container that has changed, all that is in it
		SELECT unnest(ARRAY[n.step_index, CASE WHEN p_from_step IS NOT NULL OR o.body IS DISTINCT FROM n.body
			THEN coalesce(n.open_index, n.step_index) ELSE n.step_index END])
		FROM n LEFT JOIN o ON o.name = n.name
		WHERE CASE WHEN p_from_step IS NOT NULL THEN n.name = p_from_step
			ELSE o.name IS NULL OR o.status IN ('f', 'x') OR o.body IS DISTINCT FROM n.body
				OR o.parents IS DISTINCT FROM n.parents
			END
		UNION
		SELECT n.step_index FROM n JOIN redo r ON r.step_index = ANY (n.depends_on)
	)
	SELECT n.step_index, o.step_index
	FROM n JOIN o ON o.name = n.name
	WHERE (o.status IN ('c', 's') OR o.has_items) AND n.step_index NOT IN (SELECT r.step_index FROM redo r)
$$;

CREATE FUNCTION joborch_internal.insert_rerun(p_run joborch_internal.run, p_version_id bigint, p_owner oid, p_input jsonb)
RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run joborch_internal.run := p_run;
BEGIN
	v_run.run_id := nextval('joborch_internal.run_id_seq');
	v_run.version_id := p_version_id;
	v_run.owner := p_owner;
	v_run.owner_name := pg_get_userbyid(p_owner);
	v_run.created_at := joborch_internal.now();
	v_run.run_at := v_run.created_at;
	v_run.input := p_input;
	v_run.requested_by := joborch_internal.caller_name();
	v_run.idempotency_key := NULL;
	v_run.rerun_of := p_run.run_id;
	INSERT INTO joborch_internal.run SELECT v_run.*;
	INSERT INTO joborch_internal.live
		(run_id, queue_id, ord, due, version_id, owner, epoch, paused, cancel, begun, reason,
		parent_run_id, parent_item, parent_step)
	VALUES (v_run.run_id, v_run.queue_id, v_run.priority, v_run.run_at, v_run.version_id, v_run.owner,
		0, false, '-', NULL, NULL, v_run.parent_run_id, v_run.parent_item, v_run.parent_step);
	RETURN v_run.run_id;
END
$$;

CREATE FUNCTION joborch_internal.rerun(p_run_id bigint, p_input jsonb, p_from_step text, p_keep_results boolean,
	p_version text, p_definition jsonb, p_reason text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run joborch_internal.run := joborch_internal.find_run_to_control(p_run_id);
	v_job joborch_internal.job;
	v_owner oid;
	v_version_id bigint;
	v_old jsonb;
	v_new jsonb;
	v_input jsonb := coalesce(p_input, v_run.input);
	v_new_run bigint;
BEGIN
	PERFORM FROM joborch_internal.live l WHERE l.run_id = p_run_id;
	IF FOUND THEN
		PERFORM joborch_internal.refuse(p_run_id, 'rerun');
	END IF;
	SELECT j.* INTO v_job FROM joborch_internal.job j WHERE j.job_id = v_run.job_id AND j.dropped_at IS NULL;
	v_owner := joborch_internal.owner_of_rerun(v_run, v_job);
	v_version_id := CASE WHEN p_definition IS NULL
		THEN joborch_internal.version_to_rerun(v_run, v_job, coalesce(p_version, 'latest'))
		ELSE joborch_internal.ad_hoc_version(v_owner, p_definition)
	END;
	SELECT v.definition INTO v_old FROM joborch_internal.job_version v WHERE v.version_id = v_run.version_id;
	SELECT v.definition INTO v_new FROM joborch_internal.job_version v WHERE v.version_id = v_version_id;
	IF p_from_step IS NOT NULL THEN
		PERFORM joborch_internal.require_step(v_new, p_from_step);
	END IF;
	v_new_run := joborch_internal.insert_rerun(v_run, v_version_id, v_owner, joborch_internal.check_input(v_version_id, v_input));

	IF p_from_step IS NOT NULL
		OR (p_keep_results AND v_input IS NOT DISTINCT FROM v_run.input AND v_old -> 'vars' IS NOT DISTINCT FROM v_new -> 'vars') THEN
		INSERT INTO joborch_internal.step
			(run_id, step, item, status, attempt, epoch, started_at, finished_at, form, output, taken, error)
		WITH k AS MATERIALIZED (
			SELECT p.new_index, p.old_index, d.close_index
			FROM joborch_internal.steps_to_keep(p_run_id, v_old, v_new, p_from_step) AS p
			JOIN joborch_internal.definition_steps(v_new) AS d ON d.step_index = p.new_index
		)
		SELECT v_new_run, k.new_index, s.item, s.status, s.attempt, 0, s.started_at, s.finished_at, s.form, s.output,
			s.taken, s.error
		FROM k JOIN joborch_internal.step s ON s.run_id = p_run_id AND s.step = k.old_index
		-- an item that did not complete is kept only with the end of its foreach, which accepted it
		WHERE s.item = -1 OR s.status = 'c' OR EXISTS (SELECT FROM k AS e WHERE e.new_index = k.close_index);
		INSERT INTO joborch_internal.item_chunk (run_id, step, chunk, items)
		SELECT v_new_run, k.new_index, c.chunk, c.items
		FROM joborch_internal.steps_to_keep(p_run_id, v_old, v_new, p_from_step) AS k
		JOIN joborch_internal.item_chunk c ON c.run_id = p_run_id AND c.step = k.old_index;
	END IF;
	PERFORM joborch_internal.record('run_rerun', p_run_id, v_run.job_id, p_reason, jsonb_strip_nulls(jsonb_build_object(
		'run_id', v_new_run, 'from_step', p_from_step, 'keep_results', nullif(p_keep_results, false))));
	PERFORM joborch_internal.announce_control(v_new_run);
	RETURN v_new_run;
END
$$;

CREATE FUNCTION joborch.rerun(run_id bigint, input jsonb DEFAULT NULL, from_step text DEFAULT NULL,
	keep_results boolean DEFAULT false, version text DEFAULT 'latest', definition jsonb DEFAULT NULL, reason text DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.rerun(bigint, jsonb, text, boolean, text, jsonb, text)
IS 'starts a new run like a finished one and returns its id; keep_results takes over completed steps of which nothing has changed, from_step all that do not come after it; definition repairs the steps; version is latest, same or a number';

