-- Templates of inputs: what a job is often started with, under a name.

-- What a template gives that the job does not take.  It need not be complete, so what
-- the schema says of the whole input ($) is left to start().
CREATE FUNCTION joborch_internal.template_violations(p_schema jsonb, p_input jsonb) RETURNS text[]
LANGUAGE sql STABLE AS $$
	SELECT array_agg(format('input%s: %s', substr(v.path, 2), v.message) ORDER BY v.path COLLATE "C", v.message COLLATE "C")
	FROM joborch_internal.schema_violations(p_schema, p_input) AS v
	WHERE v.path <> '$'
$$;

CREATE FUNCTION joborch_internal.create_input_template(p_job text, p_name text, p_input jsonb, p_description text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_job joborch_internal.job := joborch_internal.find_job(p_job);
	v_violations text[];
BEGIN
	PERFORM joborch_internal.require_author(v_job);
	IF p_name IS NULL OR octet_length(p_name) NOT BETWEEN 1 AND 255 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_name',
			MESSAGE = format('"%s" cannot be the name of an input template', left(p_name, 64)),
			DETAIL = 'A name has 1 to 255 bytes.';
	ELSIF p_input IS NULL OR jsonb_typeof(p_input) <> 'object' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO006',
			MESSAGE = format('input template "%s" must be a JSON object', p_name),
			HINT = 'Give the values names, such as {"since": "2026-01-01"}.';
	END IF;
	v_violations := joborch_internal.template_violations(joborch_internal.definition_of(v_job.job_id::text) -> 'input', p_input);
	IF v_violations IS NOT NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO006',
			MESSAGE = format('input template "%s" is not what job "%s" declares: %s', p_name, v_job.name,
				CASE cardinality(v_violations) WHEN 1 THEN '1 problem' ELSE cardinality(v_violations) || ' problems' END),
			DETAIL = array_to_string(v_violations, E'\n'),
			HINT = 'The job''s "input" key says what it takes; see joborch.jobs.';
	END IF;
	INSERT INTO joborch_internal.input_template (job_id, name, input, description, saved_by)
	VALUES (v_job.job_id, p_name, p_input, p_description, joborch_internal.caller_name())
	ON CONFLICT (job_id, name) DO UPDATE
	SET input = excluded.input, description = excluded.description, saved_by = excluded.saved_by, saved_at = excluded.saved_at;
	PERFORM joborch_internal.record('input_template_saved', NULL, v_job.job_id, NULL, jsonb_build_object('name', p_name));
END
$$;

CREATE FUNCTION joborch.create_input_template(job text, name text, input jsonb, description text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.create_input_template(text, text, jsonb, text)
IS 'keeps an input, or a part of one, under a name for start(job, input_template => name); the same name again replaces it';

CREATE FUNCTION joborch_internal.drop_input_template(p_job text, p_name text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_job joborch_internal.job := joborch_internal.find_job(p_job);
BEGIN
	PERFORM joborch_internal.require_author(v_job);
	DELETE FROM joborch_internal.input_template t WHERE t.job_id = v_job.job_id AND t.name = p_name;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'undefined_object',
			MESSAGE = format('job "%s" has no input template "%s"', v_job.name, p_name),
			HINT = format('SELECT name FROM joborch.input_templates WHERE job = %L; lists them.', v_job.name);
	END IF;
	PERFORM joborch_internal.record('input_template_dropped', NULL, v_job.job_id, NULL, jsonb_build_object('name', p_name));
END
$$;

CREATE FUNCTION joborch.drop_input_template(job text, name text) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.drop_input_template(text, text) IS 'removes an input template of a job; runs that were started with it keep their input';

CREATE VIEW joborch.input_templates WITH (security_barrier) AS
SELECT j.job_id, j.name AS job, t.name, t.description, t.input, t.saved_by, t.saved_at
FROM joborch_internal.input_template t
JOIN joborch_internal.job j ON j.job_id = t.job_id
WHERE j.dropped_at IS NULL AND joborch.visible(j.owner, j.tenant);
COMMENT ON VIEW joborch.input_templates IS 'inputs that jobs are often started with: start(job, input_template => name)';
