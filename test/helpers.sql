-- What tests of all kinds write again and again; debug_functions.sql loads it.

-- The key and the directory that test/joborch.conf names, for secrets.
COPY (SELECT 'test ' || encode(sha256('test'), 'base64')) TO PROGRAM 'umask 077; mkdir -p test_secrets; cat > test_secrets.keys';

CREATE SCHEMA test;
GRANT USAGE ON SCHEMA test TO PUBLIC;

-- Carries out a definition and returns the run's id; a run that does not end is an error.
CREATE PROCEDURE test.play(definition jsonb, input jsonb DEFAULT '{}', INOUT run bigint DEFAULT NULL)
LANGUAGE plpgsql AS $$
BEGIN
	run := joborch.start_definition(definition, input);
	COMMIT;
	CALL joborch.await_run(run, '30 s');
	IF joborch.run_status(run) NOT IN ('completed', 'failed', 'cancelled') THEN
		RAISE EXCEPTION 'the run is % after 30 s: %', joborch.run_status(run), test.story(run);
	END IF;
END
$$;

-- A run in a line: its status, then the steps in their order; attempts where it took more than one.
CREATE FUNCTION test.story(p_run_id bigint) RETURNS text
LANGUAGE sql VOLATILE AS $$
	SELECT joborch.run_status(p_run_id) || ': ' || string_agg(s.step || ' ' || s.status
		|| CASE WHEN s.attempts > 1 THEN '*' || s.attempts ELSE '' END, ', ' ORDER BY s.position)
	FROM (SELECT t.*, row_number() OVER () AS position FROM joborch.run_steps(p_run_id) AS t) AS s
$$;

-- What a step of a run came to: its status, then its output or its error; ids of runs are shown as N.
CREATE FUNCTION test.outcome(p_run_id bigint, p_step text) RETURNS text
LANGUAGE sql VOLATILE AS $$
	SELECT regexp_replace(s.status || coalesce(': ' || s.output::text, '') || coalesce(': ' || nullif(concat_ws(' | ',
			s.error ->> 'sqlstate', s.error ->> 'message', s.error ->> 'detail', s.error ->> 'hint'), ''), ''),
		'\m([Rr]un |run_id": |\w*run\()\d+', '\1N', 'g')
	FROM joborch.run_steps(p_run_id) AS s WHERE s.step = p_step AND s.item IS NULL
$$;

-- How a command is refused; ids of runs, which are not the same each time, are shown as N.
CREATE FUNCTION test.refused(p_command text) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_message text;
	v_detail text;
	v_hint text;
BEGIN
	EXECUTE p_command;
	RETURN 'was not refused';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT, v_detail = PG_EXCEPTION_DETAIL, v_hint = PG_EXCEPTION_HINT;
	RETURN regexp_replace(SQLSTATE || ': ' || v_message || coalesce(' | ' || nullif(v_detail, ''), '')
		|| coalesce(' | ' || nullif(v_hint, ''), ''), '\m(run |\w*run\()\d+', '\1N', 'g');
END
$$;

-- Waits until a query gives true: for what no latch tells a test.
CREATE FUNCTION test.poll(p_query text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_deadline timestamptz := clock_timestamp() + interval '30 s';
	v_true boolean;
BEGIN
	LOOP
		EXECUTE p_query INTO v_true;
		EXIT WHEN v_true;
		IF clock_timestamp() > v_deadline THEN
			RAISE EXCEPTION 'still not true after 30 s: %', p_query;
		END IF;
		PERFORM pg_sleep(0.002);
	END LOOP;
END
$$;

-- Until a step of a run has a status.
CREATE FUNCTION test.await_step(p_run_id bigint, p_step text, p_status text) RETURNS void
LANGUAGE sql VOLATILE AS $$
	SELECT test.poll(format('SELECT status = %L FROM joborch.run_steps(%s) WHERE step = %L', p_status, p_run_id, p_step))
$$;

-- Until so many processes stand at a debug point.
CREATE FUNCTION test.reach(p_point text, p_count integer DEFAULT 1) RETURNS void
LANGUAGE sql VOLATILE AS $$
	SELECT test.poll(format('SELECT joborch_internal.debug_waiting(%L) = %s', p_point, p_count))
$$;

-- The latest run of that name: ids are not the same each time.
CREATE FUNCTION test.run(p_name text DEFAULT 'r') RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	SELECT max(r.run_id) FROM joborch_internal.run r WHERE r.name = p_name
$$;

-- Waits for its end and tells it.
CREATE FUNCTION test.finish(p_name text DEFAULT 'r') RETURNS text
LANGUAGE sql VOLATILE AS $$
	SELECT joborch.wait_for_run(test.run(p_name), '30 s');
	SELECT test.story(test.run(p_name));
$$;

-- Starts a run named r of steps that are each written 'name < parents, key=value: sql'
-- ('<' without parents: at once; no '<': after the step before; keys: on_error, retry, finally),
-- for specs of isolation tests, which can hold no brace.
CREATE FUNCTION test.start(VARIADIC p_steps text[]) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_definition jsonb := '{"steps": []}';
	v_text text;
	v_part text[];
	v_keys jsonb;
	v_step jsonb;
BEGIN
	FOREACH v_text IN ARRAY p_steps LOOP
		v_part := regexp_match(v_text, '^(\w+)(\s*<[\w ]*)?((?:\s*,\s*\w+=\w+)*)\s*:\s*(.*)$');
		SELECT coalesce(jsonb_object_agg(k[1], k[2]), '{}') INTO v_keys
		FROM regexp_matches(v_part[3], '(\w+)=(\w+)', 'g') AS k;
		v_step := jsonb_strip_nulls(jsonb_build_object('name', v_part[1], 'sql', v_part[4], 'on_error', v_keys -> 'on_error',
			'depends_on', to_jsonb(CASE WHEN v_part[2] IS NOT NULL THEN array_remove(regexp_split_to_array(v_part[2], '[\s<]+'), '') END),
			'retry', CASE WHEN v_keys ? 'retry' THEN jsonb_build_object('max_attempts', (v_keys ->> 'retry')::integer, 'initial', '1 ms') END));
		IF v_keys ? 'finally' THEN
			v_definition := v_definition || jsonb_build_object('finally', v_step);
		ELSE
			v_definition := jsonb_set(v_definition, '{steps}', v_definition -> 'steps' || v_step);
		END IF;
	END LOOP;
	PERFORM joborch.start_definition(v_definition, name => 'r');
	RETURN 'started';
END
$$;
