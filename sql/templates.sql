-- {{ templates }}: what they read, how values are bound, and that none becomes code.

-- values of every kind, in parameters of every kind
CREATE TABLE kinds (title text, expression text, input jsonb, at serial);
INSERT INTO kinds (title, expression, input) VALUES
	('integer', '{{ input.x }}::int + 1', '{"x": 41}'),
	('integer from text', '{{ input.x }}::int + 1', '{"x": "41"}'),
	('bigint beyond a double', '{{ input.x }}::bigint', '{"x": 9007199254740993}'),
	('numeric of forty digits', '{{ input.x }}::numeric', '{"x": 1234567890123456789012345678901234567890.123456789}'),
	('double', '{{ input.x }}::float8 * 2', '{"x": 0.1}'),
	('boolean', 'NOT {{ input.x }}::boolean', '{"x": true}'),
	('text', '{{ input.x }}::text', '{"x": "it''s \"x\" \\ {{ input.y }} $1 ; -- /* é 日本 😀"}'),
	('empty text', '{{ input.x }}::text = ''''', '{"x": ""}'),
	('number as text', '{{ input.x }}::text', '{"x": 1.50}'),
	('boolean as text', '{{ input.x }}::text', '{"x": true}'),
	('object as text', '{{ input.x }}::text', '{"x": {"a": [1, null]}}'),
	('date', '{{ input.x }}::date + 1', '{"x": "2024-02-28"}'),
	('timestamptz', '{{ input.x }}::timestamptz AT TIME ZONE ''UTC''', '{"x": "2024-02-28T12:00:00+02:00"}'),
	('interval', '{{ input.x }}::interval * 2', '{"x": "1 h 30 min"}'),
	('uuid', '{{ input.x }}::uuid', '{"x": "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"}'),
	('bytea', '{{ input.x }}::bytea', '{"x": "\\xdeadbeef"}'),
	('null as integer', '{{ input.x }}::int IS NULL', '{"x": null}'),
	('null as text', '{{ input.x }}::text IS NULL', '{"x": null}'),
	('null as jsonb', '{{ input.x }}::jsonb IS NULL', '{"x": null}'),
	('jsonb object', '{{ input.x }}::jsonb', '{"x": {"b": [1, {"c": null}], "a": "t"}}'),
	('jsonb string', 'jsonb_typeof({{ input.x }}::jsonb)', '{"x": "7"}'),
	('jsonb number', '{{ input.x }}::jsonb', '{"x": 1.10}'),
	('json', '{{ input.x }}::json ->> ''a''', '{"x": {"a": 1}}'),
	('array of integers', '{{ input.x }}::int[] || 9', '{"x": [1, null, 3]}'),
	('array of texts', 'to_jsonb({{ input.x }}::text[])', '{"x": ["a,b", "c\"d", "", "NULL", null, "{}"]}'),
	('empty array', 'cardinality({{ input.x }}::int[])', '{"x": []}'),
	('array in two dimensions', 'array_dims({{ input.x }}::int[])', '{"x": [[1, 2], [3, 4]]}'),
	('array of dates', '({{ input.x }}::date[])[2]', '{"x": ["2024-01-01", "2024-01-02"]}'),
	('= ANY', '3 = ANY ({{ input.x }}::int[])', '{"x": [1, 2, 3]}'),
	('point', '({{ input.x }}::point)[1]', '{"x": "(1.5,2)"}'),
	('range', 'upper({{ input.x }}::int4range)', '{"x": "[1,5)"}'),
	('enum', '{{ input.x }}::template_mood', '{"x": "glad"}'),
	('domain', '{{ input.x }}::template_even', '{"x": 4}'),
	('composite from jsonb', '(jsonb_populate_record(NULL::template_pair, {{ input.x }})).b', '{"x": {"a": 1, "b": "two"}}'),
	('inferred from the other side', '2 * {{ input.x }}', '{"x": 4}'),
	('inferred from a function', 'length({{ input.x }})', '{"x": "four"}'),
	('the declared type', '{{ input.n }}', '{"n": 5}'),
	('the same twice', '{{ input.x }}::int * {{ input.x }}::int', '{"x": 3}'),
	('a path', '{{ input.a.b[1]."c d" }}::text', '{"a": {"b": [0, {"c d": "deep"}]}}'),
	('default for what is missing', '{{ input.x | default(7) }}::int', '{}'),
	('default for null', '{{ input.x | default("seven") }}::text', '{"x": null}'),
	('default not needed', '{{ input.x | default("seven") }}::text', '{"x": "six"}'),
	('default null', '{{ input.x | default(null) }}::text IS NULL', '{}'),
	('json', '{{ input.x | json }}::text', '{"x": {"a": "b"}}'),
	('urlencode', '{{ input.x | urlencode }}::text', '{"x": "a b&c=ä/"}'),
	('base64', '{{ input.x | base64 }}::text', '{"x": "hello ä"}'),
	('ident', '(SELECT "odd name" FROM {{ input.x | ident }} LIMIT 1)', '{"x": "template table"}'),
	('qualified ident', '(SELECT "odd name" FROM {{ input.x | ident }} LIMIT 1)', '{"x": "public.template table"}'),
	('run', '{{ run.attempt }}::int', '{}'),
	('job', '{{ job.name | default("ad hoc") }}::text', '{}'),
	('undefined', '{{ input.nowhere }}::text', '{}'),
	('undefined inside', '{{ input.x.y.z }}::text', '{"x": {"y": 1}}'),
	('not an integer', '{{ input.x }}::int', '{"x": "seven"}'),
	('a fraction for an integer', '{{ input.x }}::int', '{"x": 1.5}'),
	('an object for an integer', '{{ input.x }}::int', '{"x": {}}'),
	('out of range', '{{ input.x }}::smallint', '{"x": 70000}'),
	('against the domain', '{{ input.x }}::template_even', '{"x": 5}'),
	('ragged array', '{{ input.x }}::int[]', '{"x": [[1], [2, 3]]}'),
	('text for an array', '{{ input.x }}::int[]', '{"x": "{1,2}"}'),
	('ident of null', '(SELECT 1 FROM {{ input.x | ident }})', '{"x": null}'),
	('ident of an object', '(SELECT 1 FROM {{ input.x | ident }})', '{"x": {}}'),
	('ident with three dots', '(SELECT 1 FROM {{ input.x | ident }})', '{"x": "a.b.c.d"}');
CREATE TYPE template_mood AS ENUM ('glad', 'sad');
CREATE DOMAIN template_even AS integer CHECK (VALUE % 2 = 0);
CREATE TYPE template_pair AS (a integer, b text);
CREATE TABLE "template table" ("odd name" text);
INSERT INTO "template table" VALUES ('found');
CREATE TABLE bound AS
SELECT k.title, k.at, joborch.start_definition(jsonb_build_object(
	'input', '{"properties": {"n": {"type": "integer"}}, "additionalProperties": true}'::jsonb,
	'steps', jsonb_build_array(jsonb_build_object('name', 's', 'sql', 'SELECT ' || k.expression || ' AS v'))), k.input) AS run
FROM kinds k;
SELECT count(*) FROM bound WHERE joborch.wait_for_run(run, '30 s') IN ('completed', 'failed');
SELECT b.title, s.output -> 'rows' -> 0 ->> 'v' AS value, s.error ->> 'sqlstate' AS sqlstate, s.error ->> 'message' AS message
FROM bound b, LATERAL joborch.run_steps(b.run) AS s ORDER BY b.at;

-- no value becomes code, whatever it says and wherever it comes from
CREATE TABLE template_victim (id integer);
INSERT INTO template_victim VALUES (1);
CREATE TABLE attacks (x text);
INSERT INTO attacks VALUES ('1; DROP TABLE template_victim'), (''' OR 1=1 --'), ('"; DROP TABLE template_victim; --'), ('$$; DROP TABLE template_victim; $$'),
	('{{ run.id }}'), ('\'' ; DROP TABLE template_victim; --'), ('template_victim"; DROP TABLE template_victim; --'), ('x'' UNION SELECT usename FROM pg_user --'), (E'a\nb\t\\');
SELECT count(*) FROM attacks a, LATERAL joborch.start_definition('{"steps": [
	{"name": "text", "sql": "SELECT {{ input.x }}::text AS x"},
	{"name": "again", "sql": "SELECT {{ steps.text.row.x }}::text AS x"},
	{"name": "name", "sql": "SELECT count(*) FROM {{ steps.text.row.x | ident }}", "on_error": "continue"},
	{"name": "alias", "sql": "SELECT 1 AS {{ input.x | ident }}", "on_error": "continue"}],
	"output": "{{ steps.again.row.x }}"}', jsonb_build_object('x', a.x), tags => '{attack}') AS run;
SELECT count(*) FROM joborch.list_runs(tags => '{attack}') AS r WHERE joborch.wait_for_run(r.run_id, '30 s') = 'completed';
SELECT count(*) AS unchanged FROM joborch.list_runs(tags => '{attack}') AS r WHERE r.output #>> '{}' = r.input ->> 'x';
SELECT s.step, s.status, s.error ->> 'sqlstate' AS sqlstate, count(*) FROM joborch.list_runs(tags => '{attack}') AS r, LATERAL joborch.run_steps(r.run_id) AS s
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;
SELECT * FROM template_victim;

-- what one step gives to the next: all, the first row, its first column, status and error
CALL test.play('{"vars": {"factor": 3}, "steps": [
	{"name": "a-b", "sql": "SELECT g AS id, ''r'' || g AS name FROM generate_series(1, 3) g"},
	{"name": "fails", "sql": "SELECT 1/0", "depends_on": [], "on_error": "continue"},
	{"name": "none", "sql": "SELECT 1 AS x WHERE false", "depends_on": []},
	{"name": "c", "sql": ["SELECT {{ steps.a-b.value }}::int AS value, {{ steps.a-b.row.name }}::text AS name,",
		"{{ steps.a-b.output.row_count }}::int AS n, {{ steps.a-b.output.rows[2].id }}::int AS third,",
		"(SELECT sum(id) FROM jsonb_to_recordset({{ steps.a-b.output.rows }}) AS r (id int)) AS total,",
		"{{ vars.factor }}::int AS factor, {{ steps.fails.status }}::text AS status,",
		"{{ steps.fails.error.sqlstate }}::text AS sqlstate, {{ steps.none.value | default(\"nothing\") }}::text AS nothing"],
		"depends_on": ["a-b", "fails", "none"]},
	{"name": "d", "sql": "SELECT {{ previous.output.rows[0].n }}::int AS n"}]}') \gset
SELECT step, status, output -> 'rows' AS rows FROM joborch.run_steps(:run) WHERE step IN ('c', 'd');

-- what is refused when a definition is saved
SELECT code, path, message, suggestion FROM unnest(ARRAY[
	'SELECT ''{{ input.x }}''', 'SELECT "{{ input.x }}"', 'SELECT $$ {{ input.x }} $$', 'SELECT 1 -- {{ input.x }}', 'SELECT 1 /* {{ input.x }} */',
	'SELECT {{ nowhere.x }}', 'SELECT {{ steps.missing.value }}', 'SELECT {{ input.x', 'SELECT {{ }}', 'SELECT {{ input.x | shout }}',
	'SELECT {{ input.x | default() }}', 'SELECT {{ secret.x }}', 'SELECT $1', 'CREATE TABLE t (x int DEFAULT {{ input.x }})', 'SELECT {{ input.x; DROP }}']) WITH ORDINALITY AS q (sql, position),
	LATERAL joborch.validate_job(jsonb_build_object('steps', jsonb_build_array(jsonb_build_object('name', 's', 'sql', q.sql)))::text::jsonb) AS f
ORDER BY q.position, f.path, f.code;
-- braces that are no template stay what they are
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT ''{{1,2},{3,4}}''::int[] AS a, ''{{ nothing here }}'' AS b"}]}') \gset
SELECT output -> 'rows' AS rows FROM joborch.run_steps(:run);
-- a later step cannot be read by an earlier one, nor one that is no ancestor
SELECT code, message FROM joborch.validate_job('{"steps": [{"name": "a", "sql": "SELECT {{ steps.b.value }}::int"}, {"name": "b", "sql": "SELECT 1"}]}');

SELECT * FROM joborch.check();
DROP TABLE kinds, bound, attacks, template_victim, "template table";
DROP TYPE template_mood, template_pair;
DROP DOMAIN template_even;
