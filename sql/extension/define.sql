-- Jobs: saved, changed, dropped, looked at.  Versions are never changed: a run
-- keeps the one it started with.

CREATE FUNCTION joborch.validate_job(definition jsonb, mode text DEFAULT 'normal')
RETURNS TABLE (code text, severity text, path text, step text, message text, suggestion text)
LANGUAGE C STABLE ROWS 5 AS 'MODULE_PATHNAME', 'joborch_validate_job';
COMMENT ON FUNCTION joborch.validate_job(jsonb, text) IS 'everything that is wrong with a definition, one row each';

-- Raises JO001 with the errors in it; warnings are told and let pass.
CREATE FUNCTION joborch_internal.require_valid(p_definition jsonb) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_finding record;
BEGIN
	IF p_definition IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'null_value_not_allowed',
			MESSAGE = 'the definition must not be NULL';
	END IF;
	IF jsonb_typeof(p_definition) = 'object' AND p_definition ? 'outer' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO001',
			MESSAGE = 'invalid job definition: 1 problem',
			DETAIL = '$.outer: a definition has no key "outer"',
			HINT = 'Leave it out; joborch itself writes it for the bodies of loops.';
	END IF;
	PERFORM FROM joborch_internal.definition_steps(p_definition);
	FOR v_finding IN SELECT f.* FROM joborch.validate_job(p_definition) AS f LOOP
		RAISE WARNING USING
			MESSAGE = format('%s: %s', v_finding.path, v_finding.message),
			HINT = coalesce(v_finding.suggestion, 'joborch.validate_job(definition) lists all findings as rows.');
	END LOOP;
END
$$;

CREATE FUNCTION joborch_internal.require_job_name(p_name text) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF p_name IS NULL OR octet_length(p_name) NOT BETWEEN 1 AND 255 OR p_name ~ '^[0-9]+$' OR left(p_name, 1) = '{' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_name',
			MESSAGE = format('"%s" cannot be the name of a job', left(p_name, 64)),
			DETAIL = 'A name has 1 to 255 bytes, is not a number, and does not begin with "{".';
	END IF;
	PERFORM FROM joborch_internal.job j WHERE j.name = p_name AND j.dropped_at IS NULL
		AND NOT joborch.visible(j.owner, j.tenant);
	IF FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'duplicate_object',
			MESSAGE = format('job "%s" exists already and belongs to another role', p_name),
			HINT = 'Choose another name.';
	END IF;
END
$$;

-- The role that is to own a job, and whether the caller may act for it.
CREATE FUNCTION joborch_internal.owner_of_name(p_owner text) RETURNS oid
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_owner oid := joborch_internal.caller();
BEGIN
	IF p_owner IS NOT NULL THEN
		SELECT r.oid INTO v_owner FROM pg_roles r WHERE r.rolname = p_owner;
		IF v_owner IS NULL THEN
			RAISE EXCEPTION USING
				ERRCODE = 'undefined_object',
				MESSAGE = format('role "%s" does not exist', p_owner);
		END IF;
	END IF;
	IF NOT pg_has_role(joborch_internal.caller(), v_owner, 'MEMBER') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('must be a member of role "%s" to let it own a job', p_owner),
			HINT = format('GRANT %I TO %I;', p_owner, joborch_internal.caller_name());
	END IF;
	RETURN v_owner;
END
$$;

-- What a definition names outside itself: its queue, and roles of its steps.
CREATE FUNCTION joborch_internal.require_surroundings(p_definition jsonb, p_owner oid) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_queue text := p_definition ->> 'queue';
	v_step record;
BEGIN
	PERFORM FROM joborch_internal.queue q WHERE q.name = coalesce(v_queue, 'default');
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'undefined_object',
			MESSAGE = format('queue "%s" does not exist', v_queue),
			HINT = format('SELECT joborch.create_queue(%L);', v_queue);
	END IF;
	FOR v_step IN
		SELECT d.name, d.run_as, r.oid AS role
		FROM joborch_internal.definition_steps(p_definition) AS d
		LEFT JOIN pg_roles r ON r.rolname = d.run_as
		WHERE d.run_as IS NOT NULL
	LOOP
		IF v_step.role IS NULL THEN
			RAISE EXCEPTION USING
				ERRCODE = 'undefined_object',
				MESSAGE = format('role "%s" does not exist', v_step.run_as),
				DETAIL = format('Step "%s" says run_as.', v_step.name);
		ELSIF NOT pg_has_role(p_owner, v_step.role, 'MEMBER') THEN
			RAISE EXCEPTION USING
				ERRCODE = 'insufficient_privilege',
				MESSAGE = format('step "%s" cannot run as role "%s"', v_step.name, v_step.run_as),
				DETAIL = format('Role "%s", which owns the job, is not a member of it.', pg_get_userbyid(p_owner)),
				HINT = format('GRANT %I TO %I;', v_step.run_as, pg_get_userbyid(p_owner));
		END IF;
	END LOOP;
END
$$;

-- Named arguments laid over the definition; those that are NULL were not given.
CREATE FUNCTION joborch_internal.overlay(p_definition jsonb, p_keys jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE jsonb_typeof(p_definition)
		WHEN 'object' THEN p_definition || coalesce(
			(SELECT jsonb_object_agg(k.key, k.value) FROM jsonb_each(p_keys) AS k WHERE jsonb_typeof(k.value) <> 'null'),
			'{}')
		ELSE p_definition
	END
$$;

-- ---- create ----

CREATE FUNCTION joborch_internal.tags_of(p_definition jsonb) RETURNS text[]
LANGUAGE sql IMMUTABLE AS $$
	SELECT array_agg(t.tag ORDER BY t.position)
	FROM jsonb_array_elements_text(
		CASE jsonb_typeof(p_definition -> 'tags') WHEN 'array' THEN p_definition -> 'tags' END) WITH ORDINALITY AS t (tag, position)
$$;

CREATE FUNCTION joborch_internal.insert_version(p_job_id bigint, p_owner oid, p_definition jsonb) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	INSERT INTO joborch_internal.job_version (job_id, version, owner, definition, saved_by)
	SELECT p_job_id, coalesce(max(v.version), 0) + 1, p_owner, p_definition, joborch_internal.caller_name()
	FROM joborch_internal.job_version v WHERE v.job_id = p_job_id
	RETURNING version_id
$$;

-- A new version beside the current one, unless the newest is the same.
CREATE FUNCTION joborch_internal.save_draft(p_job joborch_internal.job, p_definition jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_newest joborch_internal.job_version;
	v_version bigint;
BEGIN
	PERFORM joborch_internal.require_author(p_job);
	PERFORM joborch_internal.require_surroundings(p_definition, p_job.owner);
	SELECT v.* INTO v_newest FROM joborch_internal.job_version v
	WHERE v.job_id = p_job.job_id ORDER BY v.version DESC LIMIT 1;
	IF v_newest.definition IS NOT DISTINCT FROM p_definition THEN
		RETURN;
	END IF;
	v_version := joborch_internal.insert_version(p_job.job_id, p_job.owner, p_definition);
	PERFORM joborch_internal.record('job_draft_saved', NULL, p_job.job_id, NULL,
		(SELECT jsonb_build_object('version', v.version) FROM joborch_internal.job_version v WHERE v.version_id = v_version));
END
$$;

-- A new version of a job that the caller has locked; the same definition again is none.
CREATE FUNCTION joborch_internal.save_version(p_job joborch_internal.job, p_definition jsonb, p_tags text[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_version bigint := p_job.current_version;
BEGIN
	PERFORM joborch_internal.require_author(p_job);
	PERFORM joborch_internal.require_surroundings(p_definition, p_job.owner);
	PERFORM FROM joborch_internal.job_version v WHERE v.version_id = v_version AND v.definition = p_definition;
	IF NOT FOUND THEN
		v_version := joborch_internal.insert_version(p_job.job_id, p_job.owner, p_definition);
		PERFORM joborch_internal.record('job_version_saved', NULL, p_job.job_id, NULL,
			(SELECT jsonb_build_object('version', v.version) FROM joborch_internal.job_version v WHERE v.version_id = v_version));
	ELSIF p_tags IS NULL THEN
		RETURN;
	END IF;
	UPDATE joborch_internal.job j
	SET current_version = v_version,
		description = p_definition ->> 'description',
		tags = coalesce(p_tags, j.tags),
		updated_at = now()
	WHERE j.job_id = p_job.job_id;
END
$$;

-- NULL if somebody else takes the name in the same moment.
CREATE FUNCTION joborch_internal.insert_job(p_name text, p_definition jsonb, p_tags text[], p_owner text, p_draft boolean)
RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_owner oid := joborch_internal.owner_of_name(p_owner);
	v_job_id bigint;
	v_version bigint;
BEGIN
	PERFORM joborch_internal.require_surroundings(p_definition, v_owner);
	INSERT INTO joborch_internal.job (name, owner, owner_name, current_version, description, tenant, tags)
	VALUES (p_name, v_owner, pg_get_userbyid(v_owner), 0, p_definition ->> 'description',
		nullif(current_setting('joborch.tenant', true), ''), p_tags)
	ON CONFLICT (name) WHERE dropped_at IS NULL DO NOTHING
	RETURNING job_id INTO v_job_id;
	IF v_job_id IS NOT NULL THEN
		v_version := joborch_internal.insert_version(v_job_id, v_owner, p_definition);
		-- of a job that is only a draft no version is current
		UPDATE joborch_internal.job j SET current_version = v_version WHERE j.job_id = v_job_id AND NOT p_draft;
		PERFORM joborch_internal.record('job_created', NULL, v_job_id, NULL, jsonb_build_object('name', p_name));
	END IF;
	RETURN v_job_id;
END
$$;

CREATE FUNCTION joborch_internal.create_job(p_name text, p_definition jsonb, p_description text, p_timeout text, p_queue text,
	p_priority text, p_durability text, p_tags text[], p_owner text, p_max_recovery_attempts integer, p_run_as text,
	p_input jsonb, p_defaults jsonb, p_vars jsonb, p_output jsonb, p_on_failure jsonb, p_finally jsonb, p_metadata jsonb,
	p_draft boolean)
RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_native jsonb := joborch_internal.translate_visual(p_definition);
	v_definition jsonb := joborch_internal.overlay(v_native, jsonb_build_object(
		'description', p_description, 'timeout', p_timeout, 'queue', p_queue, 'priority', p_priority,
		'durability', p_durability, 'max_recovery_attempts', p_max_recovery_attempts, 'run_as', p_run_as,
		'input', p_input, 'defaults', p_defaults, 'vars', p_vars, 'output', p_output,
		'on_failure', p_on_failure, 'finally', p_finally,
		-- what is kept of a visual definition stays beside what the caller adds
		'metadata', CASE WHEN v_native #> '{metadata,visual}' IS NULL THEN p_metadata ELSE (v_native -> 'metadata') || p_metadata END));
	v_tags text[] := coalesce(p_tags, joborch_internal.tags_of(v_definition));
	v_owner text := coalesce(p_owner, v_definition ->> 'owner');
	v_draft boolean;
	v_job joborch_internal.job;
	v_job_id bigint;
BEGIN
	PERFORM joborch_internal.require_job_name(p_name);
	IF v_native #> '{metadata,visual}' IS NULL THEN
		PERFORM joborch_internal.require_valid(v_definition);
	ELSE
		-- its warnings are about what the caller wrote
		PERFORM FROM joborch_internal.definition_steps(v_definition);
		PERFORM joborch_internal.require_valid(p_definition);
	END IF;
	-- to be a draft is a matter of the version, not of its text
	v_draft := coalesce(p_draft, (v_definition ->> 'draft')::boolean, false);
	v_definition := v_definition - 'draft';
	LOOP
		SELECT j.* INTO v_job FROM joborch_internal.job j WHERE j.name = p_name AND j.dropped_at IS NULL FOR UPDATE;
		IF FOUND THEN
			IF v_draft THEN
				PERFORM joborch_internal.save_draft(v_job, v_definition);
				RETURN v_job.job_id;
			END IF;
			PERFORM joborch_internal.save_version(v_job, v_definition, v_tags);
			IF v_owner <> v_job.owner_name THEN
				PERFORM joborch_internal.change_owner(v_job, v_owner);
			END IF;
			PERFORM joborch_internal.schedule_triggers(v_job.job_id, v_definition);
			RETURN v_job.job_id;
		END IF;
		v_job_id := joborch_internal.insert_job(p_name, v_definition, v_tags, v_owner, v_draft);
		IF v_job_id IS NOT NULL THEN
			IF NOT v_draft THEN
				PERFORM joborch_internal.schedule_triggers(v_job_id, v_definition);
			END IF;
			RETURN v_job_id;
		END IF;
	END LOOP;
END
$$;

CREATE FUNCTION joborch.create_job(name text, definition jsonb, description text DEFAULT NULL, timeout text DEFAULT NULL,
	queue text DEFAULT NULL, priority text DEFAULT NULL, durability text DEFAULT NULL, tags text[] DEFAULT NULL,
	owner text DEFAULT NULL, max_recovery_attempts integer DEFAULT NULL, run_as text DEFAULT NULL,
	input jsonb DEFAULT NULL, defaults jsonb DEFAULT NULL, vars jsonb DEFAULT NULL, output jsonb DEFAULT NULL,
	on_failure jsonb DEFAULT NULL, finally jsonb DEFAULT NULL, metadata jsonb DEFAULT NULL, draft boolean DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.create_job(text, jsonb, text, text, text, text, text, text[], text, integer, text, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, jsonb, boolean)
IS 'saves a job, or a new version of it, and returns its id; named arguments stand for the definition''s keys of the same name';

-- ---- alter ----

CREATE FUNCTION joborch_internal.change_owner(p_job joborch_internal.job, p_owner text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_owner oid := joborch_internal.owner_of_name(p_owner);
BEGIN
	PERFORM joborch_internal.require_author(p_job);
	-- 0: only drafts, asked when one is published
	PERFORM joborch_internal.require_surroundings(v.definition, v_owner)
	FROM joborch_internal.job_version v WHERE v.version_id = p_job.current_version;
	UPDATE joborch_internal.job j
	SET owner = v_owner, owner_name = p_owner, updated_at = now()
	WHERE j.job_id = p_job.job_id;
	UPDATE joborch_internal.schedule s SET owner = v_owner, owner_name = p_owner
	WHERE s.job_id = p_job.job_id AND s.owner = p_job.owner;
	-- who answers for what run_as names in them
	UPDATE joborch_internal.job_version v SET owner = v_owner WHERE v.job_id = p_job.job_id;
	PERFORM joborch_internal.record('job_owner_changed', NULL, p_job.job_id, NULL,
		jsonb_build_object('before', p_job.owner_name, 'after', p_owner));
END
$$;

CREATE FUNCTION joborch_internal.rename_job(p_job joborch_internal.job, p_name text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.require_job_name(p_name);
	UPDATE joborch_internal.job j SET name = p_name WHERE j.job_id = p_job.job_id;
EXCEPTION WHEN unique_violation THEN
	RAISE EXCEPTION USING
		ERRCODE = 'duplicate_object',
		MESSAGE = format('job "%s" exists already', p_name);
END
$$;

CREATE FUNCTION joborch_internal.alter_job(p_job text, p_new_name text, p_description text, p_active boolean, p_owner text,
	p_tags text[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_job joborch_internal.job := joborch_internal.find_job(p_job);
BEGIN
	IF NOT joborch_internal.may_control(v_job.owner, v_job.tenant) THEN
		PERFORM joborch_internal.require_author(v_job);
	END IF;
	SELECT j.* INTO v_job FROM joborch_internal.job j WHERE j.job_id = v_job.job_id FOR UPDATE;
	IF p_owner IS NOT NULL AND p_owner <> v_job.owner_name THEN
		PERFORM joborch_internal.change_owner(v_job, p_owner);
	END IF;
	IF p_new_name IS NOT NULL AND p_new_name <> v_job.name THEN
		PERFORM joborch_internal.rename_job(v_job, p_new_name);
	END IF;
	UPDATE joborch_internal.job j
	SET description = coalesce(p_description, j.description),
		active = coalesce(p_active, j.active),
		tags = coalesce(p_tags, j.tags),
		updated_at = now()
	WHERE j.job_id = v_job.job_id;
	PERFORM joborch_internal.record('job_altered', NULL, v_job.job_id, NULL, jsonb_strip_nulls(jsonb_build_object(
		'new_name', p_new_name, 'description', p_description, 'active', p_active, 'owner', p_owner, 'tags', p_tags)));
	RETURN v_job.job_id;
END
$$;

CREATE FUNCTION joborch.alter_job(job text, new_name text DEFAULT NULL, description text DEFAULT NULL,
	active boolean DEFAULT NULL, owner text DEFAULT NULL, tags text[] DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.alter_job(text, text, text, boolean, text, text[])
IS 'changes what is not part of the definition; NULL leaves as it is; active => false keeps start() from starting it';

-- ---- drop ----

CREATE FUNCTION joborch_internal.drop_job(p_job text, p_force boolean) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_job joborch_internal.job := joborch_internal.find_job(p_job);
	v_run joborch_internal.run;
	v_unfinished bigint;
BEGIN
	IF NOT joborch_internal.may_control(v_job.owner, v_job.tenant) THEN
		PERFORM joborch_internal.require_author(v_job);
	END IF;
	-- from here on nobody starts it: start() sees the job inactive once this commits
	UPDATE joborch_internal.job j SET active = false, dropped_at = now(), updated_at = now()
	WHERE j.job_id = v_job.job_id AND j.dropped_at IS NULL;
	SELECT count(*) INTO v_unfinished
	FROM joborch_internal.live l JOIN joborch_internal.run r ON r.run_id = l.run_id
	WHERE r.job_id = v_job.job_id AND (l.cancel = '-' OR NOT p_force);
	IF v_unfinished > 0 AND NOT coalesce(p_force, false) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO005',
			MESSAGE = format('job "%s" has %s', v_job.name,
				CASE v_unfinished WHEN 1 THEN 'an unfinished run' ELSE v_unfinished || ' unfinished runs' END),
			HINT = format('SELECT joborch.drop_job(%L, force => true); cancels them.', v_job.name);
	END IF;
	FOR v_run IN
		SELECT r.* FROM joborch_internal.live l JOIN joborch_internal.run r ON r.run_id = l.run_id
		WHERE r.job_id = v_job.job_id
	LOOP
		PERFORM joborch_internal.request_cancel(v_run, true, format('job "%s" was dropped', v_job.name));
	END LOOP;
	PERFORM joborch_internal.pause_schedules_of(v_job, format('job "%s" was dropped', v_job.name));
	DELETE FROM joborch_internal.input_template t WHERE t.job_id = v_job.job_id;
	PERFORM joborch_internal.forget_chains(v_job.job_id);
	PERFORM joborch_internal.record('job_dropped', NULL, v_job.job_id, NULL,
		jsonb_build_object('name', v_job.name, 'cancelled_runs', v_unfinished));
END
$$;

CREATE FUNCTION joborch.drop_job(job text, force boolean DEFAULT false) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.drop_job(text, boolean)
IS 'drops a job; its runs stay readable; refused while some are unfinished, unless force => true cancels them';

-- ---- look ----

-- The definition of a job, or the text itself when it is one.
CREATE FUNCTION joborch_internal.definition_of(p_job text) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_job joborch_internal.job;
BEGIN
	IF ltrim(p_job) LIKE '{%' THEN
		PERFORM joborch_internal.require_valid(p_job::jsonb);
		RETURN p_job::jsonb;
	END IF;
	v_job := joborch_internal.find_job(p_job);
	RETURN (
		SELECT v.definition FROM joborch_internal.job_version v
		WHERE v.job_id = v_job.job_id AND (v.version_id = v_job.current_version OR v_job.current_version = 0)
		ORDER BY v.version DESC LIMIT 1);
END
$$;

CREATE FUNCTION joborch_internal.job_graph(p_job text, p_format text) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT joborch_internal.render_graph(joborch_internal.definition_of(p_job), p_format)
$$;

CREATE FUNCTION joborch.job_graph(job text, format text DEFAULT 'text') RETURNS text
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.job_graph(text, text) IS 'the graph of a job or a definition as text, mermaid or dot';

CREATE FUNCTION joborch_internal.explain_job(p_job text) RETURNS SETOF text
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN QUERY SELECT l.line
	FROM regexp_split_to_table(rtrim(joborch_internal.job_graph(p_job, 'text'), E'\n'), E'\n') AS l (line);
END
$$;

CREATE FUNCTION joborch.explain_job(job text) RETURNS SETOF text
LANGUAGE C STABLE ROWS 20 AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.explain_job(text) IS 'the graph of a job or a definition, one line a row, as EXPLAIN shows plans';

