-- Jobs as documents: out of one database and into another one.
--
-- An envelope {"format_version", "export_timestamp", "export_metadata", "jobs"};
-- what export_jobs() writes, import_jobs() reads to the same jobs.

-- ---- export ----

CREATE FUNCTION joborch_internal.jobs_to_export(p_jobs text[]) RETURNS SETOF joborch_internal.job
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_name text;
BEGIN
	IF p_jobs IS NULL THEN
		RETURN QUERY SELECT j.* FROM joborch_internal.job j
		WHERE j.dropped_at IS NULL AND j.current_version <> 0 AND joborch.visible(j.owner, j.tenant)
		ORDER BY j.name COLLATE "C";
		RETURN;
	END IF;
	FOREACH v_name IN ARRAY p_jobs LOOP
		RETURN QUERY SELECT f.* FROM joborch_internal.find_job(v_name) AS f;
	END LOOP;
END
$$;

-- Designers get back what they gave, if it is still what the job does: a native
-- definition may keep anything under that name, and arguments of create_job() change
-- the text.  Description and tags are exported beside it.
CREATE FUNCTION joborch_internal.definition_to_export(p_definition jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_visual jsonb := p_definition #> '{metadata,visual}';
	v_native jsonb := joborch_internal.translate_visual(v_visual);
	v_aside text[] := '{metadata,description,tags}';
BEGIN
	IF v_native <> v_visual AND v_native - v_aside = p_definition - v_aside THEN
		RETURN v_visual;
	END IF;
	RETURN p_definition;
EXCEPTION
	WHEN SQLSTATE 'JO001' THEN
		RETURN p_definition;
END
$$;

-- What a version's text does not say, the job's row does.
CREATE FUNCTION joborch_internal.export_job(p_job joborch_internal.job) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_version joborch_internal.job_version;
BEGIN
	SELECT v.* INTO v_version FROM joborch_internal.job_version v WHERE v.version_id = p_job.current_version;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO019',
			MESSAGE = format('job "%s" has only a draft', p_job.name),
			HINT = format('SELECT joborch.publish_job(%L);', p_job.name);
	END IF;
	RETURN jsonb_build_object('name', p_job.name, 'version', v_version.version, 'description', p_job.description,
		'tags', to_jsonb(p_job.tags), 'active', p_job.active,
		'definition', joborch_internal.definition_to_export(v_version.definition));
END
$$;

CREATE FUNCTION joborch_internal.export_jobs(p_jobs text[], p_description text) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_jobs jsonb;
BEGIN
	SELECT coalesce(jsonb_agg(joborch_internal.export_job(j)), '[]') INTO v_jobs
	FROM joborch_internal.jobs_to_export(p_jobs) AS j;
	RETURN jsonb_build_object(
		'format_version', '2.0',
		'export_timestamp', joborch_internal.now(),
		'export_metadata', jsonb_build_object(
			'exported_by', joborch_internal.caller_name(),
			'joborch_version', (SELECT x.extversion FROM pg_extension x WHERE x.extname = 'joborch'),
			'description', p_description,
			'job_count', jsonb_array_length(v_jobs)),
		'jobs', v_jobs);
END
$$;

CREATE FUNCTION joborch.export_jobs(jobs text[] DEFAULT NULL, description text DEFAULT NULL) RETURNS jsonb
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.export_jobs(text[], text)
IS 'jobs by name or id, or all that you may see, as a document for import_jobs()';

-- ---- import ----

-- The entries of an envelope; a document of one job serves as well.
CREATE FUNCTION joborch_internal.entries_of(p_envelope jsonb) RETURNS SETOF jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	v_format text := coalesce(p_envelope ->> 'format_version', p_envelope #>> '{workflow_export,format_version}', '2.0');
BEGIN
	IF jsonb_typeof(p_envelope) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'the document to import is no JSON object',
			HINT = 'SELECT joborch.export_jobs(); shows what it looks like.';
	ELSIF v_format NOT IN ('1.0', '2.0') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('format_version "%s" is not known', v_format),
			HINT = 'Known are 1.0 and 2.0.';
	ELSIF NOT p_envelope ? 'jobs' THEN
		RETURN NEXT p_envelope;
	ELSIF jsonb_typeof(p_envelope -> 'jobs') <> 'array' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = '"jobs" of the document to import is no array';
	ELSE
		RETURN QUERY SELECT e.value FROM jsonb_array_elements(p_envelope -> 'jobs') AS e;
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.name_of_entry(p_entry jsonb) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE jsonb_typeof(p_entry)
		WHEN 'object' THEN coalesce(p_entry ->> 'name', p_entry #>> '{metadata,name}', p_entry #>> '{workflow_export,metadata,name}')
	END
$$;

-- The definition of an entry: a key of it or, in the visual form, the entry itself.
CREATE FUNCTION joborch_internal.definition_of_entry(p_entry jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF jsonb_typeof(p_entry) IS DISTINCT FROM 'object' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'an entry of "jobs" is no JSON object';
	ELSIF p_entry ? 'definition' THEN
		RETURN p_entry -> 'definition';
	ELSIF p_entry ?| ARRAY['nodes', 'blocks', 'workflow_definition', 'workflow_export'] THEN
		RETURN p_entry;
	ELSIF p_entry ? 'steps' THEN
		RETURN p_entry - '{name,version,active}'::text[];
	END IF;
	RAISE EXCEPTION USING
		ERRCODE = 'invalid_parameter_value',
		MESSAGE = 'the job has no "definition"',
		HINT = 'SELECT joborch.export_jobs(); shows what a document looks like.';
END
$$;

-- Everything about a job that an import may change; nothing about others' jobs.
CREATE FUNCTION joborch_internal.job_as_seen(p_name text, OUT job_id bigint, OUT version integer, OUT looks jsonb)
RETURNS record
LANGUAGE sql STABLE AS $$
	SELECT j.job_id, v.version, jsonb_build_array(j.current_version, j.description, j.tags, j.active)
	FROM joborch_internal.job j
	LEFT JOIN joborch_internal.job_version v ON v.version_id = j.current_version
	WHERE j.name = p_name AND j.dropped_at IS NULL AND joborch.visible(j.owner, j.tenant)
$$;

CREATE FUNCTION joborch_internal.import_entry(p_name text, p_entry jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_tags text[] := joborch_internal.tags_of(p_entry);
	v_job joborch_internal.job;
BEGIN
	PERFORM joborch_internal.create_job(p_name, joborch_internal.definition_of_entry(p_entry), NULL, NULL, NULL, NULL, NULL,
		NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, false);
	SELECT j.* INTO v_job FROM joborch_internal.job j WHERE j.name = p_name AND j.dropped_at IS NULL;
	-- only what differs: to set the same again would be an event
	IF v_job.description IS DISTINCT FROM coalesce(p_entry ->> 'description', v_job.description)
		OR v_job.tags IS DISTINCT FROM coalesce(v_tags, v_job.tags)
		OR v_job.active IS DISTINCT FROM coalesce((p_entry ->> 'active')::boolean, v_job.active) THEN
		PERFORM joborch_internal.alter_job(v_job.job_id::text, NULL, p_entry ->> 'description',
			(p_entry ->> 'active')::boolean, NULL, v_tags);
	END IF;
END
$$;

-- What cannot be imported is undone alone; a dry run undoes all.
CREATE FUNCTION joborch_internal.try_entry(p_entry jsonb, p_dry_run boolean,
	OUT name text, OUT action text, OUT job_id bigint, OUT version integer, OUT error text)
RETURNS record
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_before record;
	v_after record;
	v_detail text;
BEGIN
	name := joborch_internal.name_of_entry(p_entry);
	SELECT s.* INTO v_before FROM joborch_internal.job_as_seen(name) AS s;
	BEGIN
		PERFORM joborch_internal.import_entry(name, p_entry);
		SELECT s.* INTO v_after FROM joborch_internal.job_as_seen(name) AS s;
		action := CASE
			WHEN v_before.job_id IS NULL THEN 'created'
			WHEN v_before.looks = v_after.looks THEN 'unchanged'
			ELSE 'updated'
		END;
		job_id := CASE WHEN p_dry_run THEN v_before.job_id ELSE v_after.job_id END;
		version := v_after.version;
		IF p_dry_run THEN
			RAISE EXCEPTION USING ERRCODE = 'JO099', MESSAGE = 'only to undo what a dry run did';
		END IF;
	EXCEPTION
		WHEN SQLSTATE 'JO099' THEN
			NULL;	-- all is told, nothing is done
		WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL;
			action := 'failed';
			job_id := v_before.job_id;
			version := v_before.version;
			error := concat_ws(E'\n', SQLERRM, nullif(v_detail, ''));
	END;
END
$$;

CREATE FUNCTION joborch_internal.import_jobs(p_document jsonb, p_dry_run boolean)
RETURNS TABLE (name text, action text, job_id bigint, version integer, error text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_entry jsonb;
BEGIN
	FOR v_entry IN SELECT e.entry FROM joborch_internal.entries_of(p_document) AS e (entry) LOOP
		RETURN QUERY SELECT t.name, t.action, t.job_id, t.version, t.error
		FROM joborch_internal.try_entry(v_entry, coalesce(p_dry_run, false)) AS t;
	END LOOP;
END
$$;

CREATE FUNCTION joborch.import_jobs(document jsonb, dry_run boolean DEFAULT false)
RETURNS TABLE (name text, action text, job_id bigint, version integer, error text)
LANGUAGE C VOLATILE ROWS 10 AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.import_jobs(jsonb, boolean)
IS 'saves the jobs of a document under their names, each by itself, and tells what became of each; dry_run only tells';
