-- Versions of a job: which one is current, and what differs between two.

-- A version by its number; NULL: the newest.
CREATE FUNCTION joborch_internal.find_version(p_job joborch_internal.job, p_version integer) RETURNS joborch_internal.job_version
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_version joborch_internal.job_version;
BEGIN
	SELECT v.* INTO v_version FROM joborch_internal.job_version v
	WHERE v.job_id = p_job.job_id AND (p_version IS NULL OR v.version = p_version)
	ORDER BY v.version DESC LIMIT 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('job "%s" has no version %s', p_job.name, p_version),
			HINT = format('SELECT version FROM joborch.job_versions WHERE job = %L; lists them.', p_job.name);
	END IF;
	RETURN v_version;
END
$$;

-- ---- publish ----

CREATE FUNCTION joborch_internal.publish_job(p_job text, p_version integer) RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_job joborch_internal.job := joborch_internal.find_job(p_job);
	v_version joborch_internal.job_version;
BEGIN
	PERFORM joborch_internal.require_author(v_job);
	SELECT j.* INTO v_job FROM joborch_internal.job j WHERE j.job_id = v_job.job_id FOR UPDATE;
	v_version := joborch_internal.find_version(v_job, p_version);
	IF v_version.version_id = v_job.current_version THEN
		RETURN v_version.version;
	END IF;
	PERFORM joborch_internal.require_surroundings(v_version.definition, v_job.owner);
	UPDATE joborch_internal.job j
	SET current_version = v_version.version_id,
		description = v_version.definition ->> 'description',
		tags = coalesce(joborch_internal.tags_of(v_version.definition), j.tags),
		updated_at = now()
	WHERE j.job_id = v_job.job_id;
	PERFORM joborch_internal.record('job_version_published', NULL, v_job.job_id, NULL, jsonb_build_object(
		'version', v_version.version,
		'before', (SELECT v.version FROM joborch_internal.job_version v WHERE v.version_id = v_job.current_version)));
	RETURN v_version.version;
END
$$;

CREATE FUNCTION joborch.publish_job(job text, version integer DEFAULT NULL) RETURNS integer
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.publish_job(text, integer)
IS 'makes a version the one that start() takes, and returns its number; NULL: the newest, which may be a draft';

-- ---- diff ----

-- The next part of a path, in the spelling of findings: $.steps[0].sql
CREATE FUNCTION joborch_internal.path_of(p_path text, p_key text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT p_path || CASE WHEN p_key ~ '^[A-Za-z_][A-Za-z0-9_]*$' THEN '.' || p_key ELSE format('[%s]', to_jsonb(p_key)) END
$$;

-- Are all elements objects with different names?  Then they are known by them: a
-- step that is put before others changes none of these.
CREATE FUNCTION joborch_internal.is_named_list(p_list jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
	SELECT count(*) > 0 AND count(*) = count(DISTINCT CASE WHEN jsonb_typeof(e.value) = 'object' THEN e.value ->> 'name' END)
	FROM jsonb_array_elements(p_list) AS e
$$;

-- Members of an object or an array, with what they are known by.
CREATE FUNCTION joborch_internal.members_of(p_path text, p_value jsonb, p_by_name boolean)
RETURNS TABLE (path text, value jsonb, place bigint)
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF jsonb_typeof(p_value) = 'object' THEN
		RETURN QUERY SELECT joborch_internal.path_of(p_path, m.key), m.value, row_number() OVER (ORDER BY m.key)
		FROM jsonb_each(p_value) AS m;
	ELSE
		RETURN QUERY SELECT format('%s[%s]', p_path,
				CASE WHEN p_by_name THEN e.value -> 'name' ELSE to_jsonb(e.place - 1) END), e.value, e.place
		FROM jsonb_array_elements(p_value) WITH ORDINALITY AS e (value, place);
	END IF;
END
$$;

-- Names in both lists, in the order of the first.
CREATE FUNCTION joborch_internal.common_names(p_list jsonb, p_other jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_agg(e.value -> 'name' ORDER BY e.place)
	FROM jsonb_array_elements(p_list) WITH ORDINALITY AS e (value, place)
	WHERE EXISTS (SELECT FROM jsonb_array_elements(p_other) AS o WHERE o.value -> 'name' = e.value -> 'name')
$$;

CREATE FUNCTION joborch_internal.diff_values(p_path text, p_before jsonb, p_after jsonb)
RETURNS TABLE (path text, before jsonb, after jsonb)
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	v_by_name boolean := false;
BEGIN
	IF p_before IS NOT DISTINCT FROM p_after THEN
		RETURN;
	ELSIF jsonb_typeof(p_before) IS DISTINCT FROM jsonb_typeof(p_after) OR jsonb_typeof(p_before) NOT IN ('object', 'array') THEN
		RETURN QUERY SELECT p_path, p_before, p_after;
		RETURN;
	ELSIF jsonb_typeof(p_before) = 'array' THEN
		v_by_name := joborch_internal.is_named_list(p_before) AND joborch_internal.is_named_list(p_after);
	END IF;
	IF v_by_name AND joborch_internal.common_names(p_before, p_after)
		IS DISTINCT FROM joborch_internal.common_names(p_after, p_before) THEN
		RETURN QUERY SELECT p_path || '.order', joborch_internal.common_names(p_before, p_after),
			joborch_internal.common_names(p_after, p_before);
	END IF;
	RETURN QUERY
	SELECT d.path, d.before, d.after
	FROM joborch_internal.members_of(p_path, p_before, v_by_name) AS b
	FULL JOIN joborch_internal.members_of(p_path, p_after, v_by_name) AS a ON a.path = b.path
	CROSS JOIN LATERAL joborch_internal.diff_values(coalesce(a.path, b.path), b.value, a.value) AS d
	ORDER BY coalesce(a.place, b.place), coalesce(a.path, b.path);
END
$$;

CREATE FUNCTION joborch_internal.diff_versions(p_job text, p_from_version integer, p_to_version integer)
RETURNS TABLE (path text, before jsonb, after jsonb)
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_job joborch_internal.job := joborch_internal.find_job(p_job);
	v_to joborch_internal.job_version := joborch_internal.find_version(v_job, p_to_version);
	v_from joborch_internal.job_version := joborch_internal.find_version(v_job, coalesce(p_from_version, v_to.version - 1));
BEGIN
	RETURN QUERY SELECT d.path, d.before, d.after
	FROM joborch_internal.diff_values('$', v_from.definition, v_to.definition) AS d;
END
$$;

CREATE FUNCTION joborch.diff_versions(job text, from_version integer DEFAULT NULL, to_version integer DEFAULT NULL)
RETURNS TABLE (path text, before jsonb, after jsonb)
LANGUAGE C STABLE ROWS 10 AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.diff_versions(text, integer, integer)
IS 'what differs between two versions of a job, one place a row; steps are known by their names; to_version NULL: the newest, from_version NULL: the one before it';
