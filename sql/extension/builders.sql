-- Builders: definitions written in SQL, where strings have line breaks and dollar
-- quotes.  Each gives the JSON of a step; keys that are NULL are left out.
--
-- Bodies are parsed when they are made, so no search_path changes what they mean,
-- and they may call what only the extension's own schema has.

-- Text that is a JSON array or object is meant as such; a template, {{ ... }}, is not.
CREATE FUNCTION joborch_internal.json_or_text(p_text text) RETURNS jsonb
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN p_text ~ '^\s*(\[|\{(?!\{))' THEN p_text::jsonb ELSE to_jsonb(p_text) END;

-- A number written as text is meant as one.
CREATE FUNCTION joborch_internal.number_or_text(p_text text) RETURNS jsonb
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN p_text ~ '^[0-9]{1,9}$' THEN to_jsonb(p_text::integer) ELSE to_jsonb(p_text) END;

-- One step, an array of them, or what joborch.steps() gives.
CREATE FUNCTION joborch_internal.step_list(p_steps jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
RETURN CASE
	WHEN p_steps IS NULL OR jsonb_typeof(p_steps) <> 'object' THEN p_steps
	WHEN p_steps ? 'steps' AND NOT p_steps ? 'name' THEN p_steps -> 'steps'
	ELSE jsonb_build_array(p_steps)
END;

-- What is NULL was not given; inside of values it stays.
CREATE FUNCTION joborch_internal.build_step(p_name text, p_type text, p_arguments jsonb, p_keys jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE
RETURN (
	SELECT jsonb_build_object('name', p_name, 'type', p_type)
		|| coalesce(jsonb_object_agg(a.key, a.value) FILTER (WHERE jsonb_typeof(a.value) <> 'null'), '{}')
		|| coalesce(p_keys, '{}')
	FROM jsonb_each(p_arguments) AS a);

CREATE FUNCTION joborch.steps(VARIADIC steps jsonb[]) RETURNS jsonb
LANGUAGE sql IMMUTABLE
RETURN (
	SELECT jsonb_build_object('steps', coalesce(jsonb_agg(s.step ORDER BY s.place), '[]'))
	FROM unnest(steps) WITH ORDINALITY AS s (step, place) WHERE s.step IS NOT NULL);
COMMENT ON FUNCTION joborch.steps(jsonb[]) IS 'a definition of these steps, for create_job(), and for the steps of a container';

-- ---- work ----

CREATE FUNCTION joborch.sql_step(
	name text, sql text, transaction text DEFAULT NULL, retry jsonb DEFAULT NULL, run_as text DEFAULT NULL,
	output jsonb DEFAULT NULL, foreach jsonb DEFAULT NULL, compensate jsonb DEFAULT NULL,
	depends_on text DEFAULT NULL, run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL,
	on_error text DEFAULT NULL, timeout text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'sql', pg_catalog.jsonb_build_object(
	'sql', sql, 'transaction', transaction, 'retry', retry, 'run_as', run_as, 'output', output, 'foreach', foreach,
	'compensate', compensate, 'depends_on', joborch_internal.json_or_text(depends_on),
	'when', joborch_internal.json_or_text(run_if), 'trigger_rule', trigger_rule, 'on_error', on_error,
	'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.sql_step(text, text, text, jsonb, text, jsonb, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step of SQL statements';

CREATE FUNCTION joborch.transform_step(
	name text, sql text DEFAULT NULL, path text DEFAULT NULL, many boolean DEFAULT NULL, outputs jsonb DEFAULT NULL,
	value text DEFAULT NULL, retry jsonb DEFAULT NULL, run_as text DEFAULT NULL, output jsonb DEFAULT NULL,
	foreach jsonb DEFAULT NULL, compensate jsonb DEFAULT NULL, depends_on text DEFAULT NULL,
	run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL, on_error text DEFAULT NULL, timeout text DEFAULT NULL,
	keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'transform', pg_catalog.jsonb_build_object(
	'sql', sql, 'path', path, 'many', many, 'outputs', outputs, 'value', joborch_internal.json_or_text(value),
	'retry', retry, 'run_as', run_as, 'output', output, 'foreach', foreach, 'compensate', compensate,
	'depends_on', joborch_internal.json_or_text(depends_on), 'when', joborch_internal.json_or_text(run_if),
	'trigger_rule', trigger_rule, 'on_error', on_error, 'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.transform_step(text, text, text, boolean, jsonb, text, jsonb, text, jsonb, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step that computes a value: of an SQL query, an SQL/JSON path, named outputs, or a value with templates';

CREATE FUNCTION joborch.validate_step(
	name text, value text DEFAULT NULL, schema jsonb DEFAULT NULL, rules jsonb DEFAULT NULL,
	fail_on_error boolean DEFAULT NULL, retry jsonb DEFAULT NULL, run_as text DEFAULT NULL,
	output jsonb DEFAULT NULL, foreach jsonb DEFAULT NULL, compensate jsonb DEFAULT NULL,
	depends_on text DEFAULT NULL, run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL,
	on_error text DEFAULT NULL, timeout text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'validate', pg_catalog.jsonb_build_object(
	'value', joborch_internal.json_or_text(value), 'schema', schema, 'rules', rules, 'fail_on_error', fail_on_error,
	'retry', retry, 'run_as', run_as, 'output', output, 'foreach', foreach, 'compensate', compensate,
	'depends_on', joborch_internal.json_or_text(depends_on), 'when', joborch_internal.json_or_text(run_if),
	'trigger_rule', trigger_rule, 'on_error', on_error, 'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.validate_step(text, text, jsonb, jsonb, boolean, jsonb, text, jsonb, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step that checks a value by a JSON Schema, by rules, or both';

CREATE FUNCTION joborch.aggregate_step(
	name text, items text, aggregates jsonb, group_by jsonb DEFAULT NULL, retry jsonb DEFAULT NULL,
	run_as text DEFAULT NULL, output jsonb DEFAULT NULL, foreach jsonb DEFAULT NULL, compensate jsonb DEFAULT NULL,
	depends_on text DEFAULT NULL, run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL,
	on_error text DEFAULT NULL, timeout text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'aggregate', pg_catalog.jsonb_build_object(
	'items', joborch_internal.json_or_text(items), 'aggregates', aggregates, 'group_by', group_by, 'retry', retry,
	'run_as', run_as, 'output', output, 'foreach', foreach, 'compensate', compensate,
	'depends_on', joborch_internal.json_or_text(depends_on), 'when', joborch_internal.json_or_text(run_if),
	'trigger_rule', trigger_rule, 'on_error', on_error, 'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.aggregate_step(text, text, jsonb, jsonb, jsonb, text, jsonb, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step that counts, sums and so on over an array';

CREATE FUNCTION joborch.filter_step(
	name text, items text, condition text, retry jsonb DEFAULT NULL, run_as text DEFAULT NULL,
	output jsonb DEFAULT NULL, foreach jsonb DEFAULT NULL, compensate jsonb DEFAULT NULL,
	depends_on text DEFAULT NULL, run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL,
	on_error text DEFAULT NULL, timeout text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'filter', pg_catalog.jsonb_build_object(
	'items', joborch_internal.json_or_text(items), 'where', joborch_internal.json_or_text(condition), 'retry', retry,
	'run_as', run_as, 'output', output, 'foreach', foreach, 'compensate', compensate,
	'depends_on', joborch_internal.json_or_text(depends_on), 'when', joborch_internal.json_or_text(run_if),
	'trigger_rule', trigger_rule, 'on_error', on_error, 'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.filter_step(text, text, text, jsonb, text, jsonb, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step that keeps the elements of an array for which a condition holds';

CREATE FUNCTION joborch.set_step(
	name text, vars jsonb, retry jsonb DEFAULT NULL, run_as text DEFAULT NULL, output jsonb DEFAULT NULL,
	foreach jsonb DEFAULT NULL, compensate jsonb DEFAULT NULL, depends_on text DEFAULT NULL,
	run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL, on_error text DEFAULT NULL, timeout text DEFAULT NULL,
	keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'set', pg_catalog.jsonb_build_object(
	'vars', vars, 'retry', retry, 'run_as', run_as, 'output', output, 'foreach', foreach, 'compensate', compensate,
	'depends_on', joborch_internal.json_or_text(depends_on), 'when', joborch_internal.json_or_text(run_if),
	'trigger_rule', trigger_rule, 'on_error', on_error, 'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.set_step(text, jsonb, jsonb, text, jsonb, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step that writes variables of the run';

CREATE FUNCTION joborch.notify_step(
	name text, channel text, payload text DEFAULT NULL, retry jsonb DEFAULT NULL, run_as text DEFAULT NULL,
	output jsonb DEFAULT NULL, foreach jsonb DEFAULT NULL, compensate jsonb DEFAULT NULL,
	depends_on text DEFAULT NULL, run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL,
	on_error text DEFAULT NULL, timeout text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'notify', pg_catalog.jsonb_build_object(
	'channel', channel, 'payload', joborch_internal.json_or_text(payload), 'retry', retry, 'run_as', run_as,
	'output', output, 'foreach', foreach, 'compensate', compensate,
	'depends_on', joborch_internal.json_or_text(depends_on), 'when', joborch_internal.json_or_text(run_if),
	'trigger_rule', trigger_rule, 'on_error', on_error, 'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.notify_step(text, text, text, jsonb, text, jsonb, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step that sends a NOTIFY';
