-- JSON Schema beyond the public suite (test/t/100_schema_suite.pl): messages and paths,
-- exact numbers, what is hostile, and a job's input with its defaults.
CREATE FUNCTION test.violations(schema jsonb, value jsonb) RETURNS TABLE (path text, keyword text, message text)
LANGUAGE sql AS $$ SELECT * FROM joborch_internal.schema_violations(schema, value) $$;

-- each keyword says what it wants
SELECT s AS schema, v AS value, f.* FROM (VALUES
	('{"type": ["string", "null"]}', '1'), ('{"enum": [1, "a", {"b": []}]}', '2'), ('{"const": {"a": 1}}', '{}'),
	('{"minimum": 1}', '0'), ('{"maximum": 1}', '2'), ('{"exclusiveMinimum": 1}', '1'), ('{"exclusiveMaximum": 1}', '1'), ('{"multipleOf": 0.3}', '1'),
	('{"minLength": 2}', '"ä"'), ('{"maxLength": 1}', '"äö"'), ('{"pattern": "^a+$"}', '"b"'), ('{"format": "date"}', '"2026-02-30"'),
	('{"minItems": 1}', '[]'), ('{"maxItems": 1}', '[1, 2]'), ('{"uniqueItems": true}', '[1, "1", 1.0]'), ('{"contains": {"const": 1}}', '[2]'),
	('{"contains": true, "minContains": 2}', '[2]'), ('{"contains": true, "maxContains": 1}', '[1, 2]'), ('{"prefixItems": [true, {"type": "null"}], "items": false}', '[1, 2, 3]'), ('{"prefixItems": [true], "unevaluatedItems": false}', '[1, 2]'),
	('{"required": ["a"]}', '{}'), ('{"additionalProperties": false}', '{"a": 1}'), ('{"additionalProperties": {"type": "null"}}', '{"a": 1}'), ('{"propertyNames": {"maxLength": 1}}', '{"ab": 1}'),
	('{"patternProperties": {"^a": {"type": "null"}}}', '{"ab": 1}'), ('{"minProperties": 1}', '{}'), ('{"maxProperties": 0}', '{"a": 1}'), ('{"dependentRequired": {"a": ["b"]}}', '{"a": 1}'),
	('{"dependentSchemas": {"a": {"required": ["b"]}}}', '{"a": 1}'), ('{"properties": {"a": true}, "unevaluatedProperties": false}', '{"a": 1, "b": 2}'),
	('{"allOf": [{"minimum": 2}, {"minimum": 3}]}', '1'), ('{"anyOf": [{"minimum": 2}, {"minimum": 3}]}', '1'), ('{"anyOf": [{"minimum": 2}]}', '1'), ('{"oneOf": [{"minimum": 2}, {"minimum": 3}]}', '1'),
	('{"oneOf": [{"minimum": 2}, true, {"minimum": 3}]}', '5'), ('{"not": {"type": "number"}}', '1'), ('{"if": {"minimum": 5}, "then": {"multipleOf": 2}, "else": {"const": 1}}', '7'),
	('{"if": {"minimum": 5}, "then": {"multipleOf": 2}, "else": {"const": 1}}', '3'), ('false', 'null'), ('{"$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}', '1')) AS c (s, v),
	LATERAL test.violations(s::jsonb, v::jsonb) AS f;

-- where: keys that are no names, deep places
SELECT path, message FROM test.violations('{"additionalProperties": {"items": {"properties": {"price": {"minimum": 0}, "a b": {"type": "null"}, "": false}}}}',
	'{"items": [{"price": 1}, {"price": -1, "a b": 2, "": 3}], "x\"y": [{"price": -2}]}');
SELECT length(path), right(path, 20) AS path FROM test.violations('{"items": {"$ref": "#"}, "maxItems": 1}', (repeat('[', 150) || '1,2' || repeat(']', 150))::jsonb);
-- all of them, but not more than 100
SELECT count(*), max(path) FROM test.violations('{"items": {"type": "null"}}', (SELECT jsonb_agg(i) FROM generate_series(1, 250) AS i));

-- numbers are exact
SELECT v, s, count(f.path) AS violations FROM (VALUES
	('9007199254740993', '{"const": 9007199254740992}'), ('9007199254740993', '{"maximum": 9007199254740992}'), ('1.0', '{"const": 1}'), ('1.0', '{"enum": [1]}'), ('1e2', '{"type": "integer"}'),
	('1.5', '{"type": "integer"}'), ('1e300', '{"type": "integer"}'), ('0.07', '{"multipleOf": 0.01}'), ('0.075', '{"multipleOf": 0.01}'), ('1e300', '{"multipleOf": 0.5}'), ('123456789012345678901234567890.1', '{"multipleOf": 0.1}'),
	('1e-400', '{"exclusiveMinimum": 0}'), ('1e400', '{"maximum": 1e399}'), ('[1, 1.00]', '{"uniqueItems": true}'), ('[{"a": 1, "b": 2}, {"b": 2.0, "a": 1}]', '{"uniqueItems": true}'), ('[1, true]', '{"uniqueItems": true}')) AS c (v, s)
	LEFT JOIN LATERAL test.violations(s::jsonb, v::jsonb) AS f ON true GROUP BY v, s ORDER BY v, s;

-- what is no schema
SELECT test.refused(format('SELECT * FROM joborch_internal.schema_violations(%L, %L)', s, '1')) FROM unnest(ARRAY['1', '[]', '"x"', '{"type": "nothing"}', '{"$ref": "#"}', '{"$ref": "http://example.com/x"}',
	'{"definitions": {}}', '{"pattern": "("}']) AS s;

-- hostile values: a clear error, or time that grows with the size and no faster
SET max_stack_depth = '2MB';
SELECT test.refused(format('SELECT * FROM joborch_internal.schema_violations(%L, %L)', '{"items": {"$ref": "#"}}', repeat('[', 10000) || repeat(']', 10000)));
RESET max_stack_depth;
SET statement_timeout = '60s';
CREATE TEMP TABLE large AS SELECT jsonb_agg(jsonb_build_object('id', i, 'name', 'item ' || i, 'ok', i % 2 = 0)) AS value FROM generate_series(1, 200000) AS i;
SELECT pg_column_size(value) > 1000000 AS large, jsonb_array_length(value), count(f.path) AS violations FROM large LEFT JOIN LATERAL test.violations('{"type": "array", "uniqueItems": true, "items": {"type": "object",
	"properties": {"id": {"type": "integer", "minimum": 1}, "name": {"pattern": "^item \\d+$"}, "ok": {"type": "boolean"}}, "required": ["id", "name"], "additionalProperties": false}}', value) AS f ON true GROUP BY value;
-- every element against an enum of as many values
SELECT count(f.path) AS violations FROM (SELECT jsonb_agg(i) AS list FROM generate_series(1, 50000) AS i) AS l
	LEFT JOIN LATERAL test.violations(jsonb_build_object('items', jsonb_build_object('enum', list)), list) AS f ON true;
SELECT length(message), left(message, 40) AS message, right(message, 20) AS ends FROM (SELECT jsonb_agg('value ' || i) AS list FROM generate_series(1, 50000) AS i) AS l, test.violations(jsonb_build_object('enum', list), '1') AS f;
-- a pattern that takes for ever is stopped by a time-out
SET statement_timeout = '300ms';
SELECT * FROM joborch_internal.schema_violations('{"pattern": "^(a+)(a+)(a+)(a+)(a+)\\1\\2\\3\\4\\5$"}', to_jsonb(repeat('a', 2001)));
-- so is a schema that branches at each level of the value
SELECT * FROM joborch_internal.schema_violations('{"type": "array", "anyOf": [{"items": {"$ref": "#"}}, {"items": {"$ref": "#"}}]}', (repeat('[', 60) || '1' || repeat(']', 60))::jsonb);
RESET statement_timeout;
-- and one that would grow beyond all bounds is refused
SELECT test.refused(format('SELECT joborch.create_job(%L, %L)', 'regex', '{"input": {"pattern": "((((((x{1,255}){1,255}){1,255}){1,255}){1,255}){1,255}){1,255}"}, "steps": [{"name": "s", "sql": "SELECT 1"}]}'));

-- a job's input
SELECT code, path, message, suggestion FROM joborch.validate_job('{"input": {"properties": {"a": {"$ref": "#/$defs/none"}, "b": {"pattern": "["}, "c": {"$ref": "#/$defs/loop"}},
	"$defs": {"loop": {"anyOf": [{"$ref": "#/$defs/loop"}]}}, "unevaluated": 1}, "steps": [{"name": "s", "sql": "SELECT 1"}]}') ORDER BY path, code;
SELECT code, path, message, suggestion FROM joborch.validate_job('{"input": {"properties": {"c": {"$ref": "#/$defs/loop"}}, "$defs": {"loop": {"anyOf": [{"$ref": "#/$defs/loop"}]}}}, "steps": [{"name": "s", "sql": "SELECT 1"}]}');
SELECT joborch.create_job('schema', $$ {"input": {
	"$defs": {"address": {"type": "object", "properties": {"city": {"type": "string"}, "country": {"$ref": "#/$defs/country"}}, "required": ["city"], "additionalProperties": false},
		"country": {"type": "string", "pattern": "^[A-Z]{2}$", "default": "NL"}, "tree": {"properties": {"left": {"$ref": "#/$defs/tree"}, "right": {"$ref": "#/$defs/tree"}, "n": {"type": "integer", "default": 0}}}},
	"properties": {"to": {"$ref": "#/$defs/address"}, "mail": {"type": "string", "format": "email"}, "amount": {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.01},
		"country": {"$ref": "#/$defs/country", "default": "BE"}, "tree": {"$ref": "#/$defs/tree"}, "kind": {"enum": ["card", "bank"]}},
	"allOf": [{"properties": {"country": {"default": "DE"}, "copies": {"default": 1}}}],
	"if": {"properties": {"kind": {"const": "bank"}}, "required": ["kind"]}, "then": {"required": ["iban"]},
	"oneOf": [{"required": ["to"]}, {"required": ["mail"]}], "unevaluatedProperties": {"type": "string"}},
	"steps": [{"name": "s", "sql": "SELECT {{ input.amount | default(0) }} AS amount, {{ input.to.city | default(null) }} AS city"}]} $$) IS NOT NULL AS saved;
SELECT joborch.start('schema', '{"to": {"city": "Gent"}, "amount": 0.07, "tree": {"left": {"right": {"n": 5}}}, "note": "x"}') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s'), joborch.run_output(:run) -> 'rows' AS rows;
SELECT input FROM joborch.job_runs WHERE run_id = :run;
SELECT test.refused(format('SELECT joborch.start(%L, %L)', 'schema', i)) FROM unnest(ARRAY['{}', '{"mail": "a@b.nl", "to": {"city": "x"}}', '{"mail": "a.b.nl", "amount": 0.075, "country": "nl", "kind": "bank", "note": 1}',
	'{"to": {"citty": "Gent", "country": "Be"}, "tree": {"left": {"right": {"n": "5"}}}}']) AS i;
-- the session keeps the schema that it used last: two jobs by turns, and a new version
SELECT joborch.create_job('schema 2', '{"input": {"properties": {"n": {"type": "integer", "default": 1}}}, "steps": [{"name": "s", "sql": "SELECT 1"}]}') IS NOT NULL AS saved;
SELECT test.refused(format('SELECT joborch.start(%L, %L)', j, i)) FROM (VALUES ('schema 2', '{"n": "x"}'), ('schema', '{}'), ('schema 2', '{"n": 1.5}')) AS c (j, i);
SELECT joborch.create_job('schema 2', '{"input": {"properties": {"n": {"type": "string", "default": "y"}}}, "steps": [{"name": "s", "sql": "SELECT 1"}]}') IS NOT NULL AS saved;
SELECT joborch.start('schema 2', '{"n": "x"}') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s'), test.refused($$SELECT joborch.start('schema 2', '{"n": 1}')$$);
DROP FUNCTION test.violations;
