-- What a SQL step's output looks like, and how large it may be.

-- rows, their number, and the command
CREATE TABLE results (id integer, t text);
CREATE TABLE shapes (position serial, sql text);
INSERT INTO shapes (sql) VALUES
	('SELECT 1 AS a, ''x'' AS b'), ('SELECT g AS id FROM generate_series(1, 3) g'), ('SELECT 1 AS x WHERE false'),
	('SELECT'), ('SELECT NULL AS n'), ('SELECT 1, 2'), ('SELECT 1 AS same, 2 AS same'), ('VALUES (1, ''a''), (2, ''b'')'), ('TABLE results'),
	('INSERT INTO results VALUES (1, ''one''), (2, ''two'')'), ('INSERT INTO results VALUES (3, ''three'') RETURNING id, upper(t) AS t'),
	('UPDATE results SET t = t || ''!'' WHERE id < 3'), ('DELETE FROM results WHERE id = 99'), ('DELETE FROM results RETURNING id'),
	('WITH d AS (INSERT INTO results VALUES (4, ''four'') RETURNING id) SELECT id FROM d'), ('CREATE TABLE results_new (x integer)'), ('DROP TABLE results_new'),
	('DO $$ BEGIN PERFORM 1; END $$'), ('SHOW server_encoding'), ('EXPLAIN (COSTS off) SELECT 1'), ('SELECT 1 AS a; SELECT 2 AS b'), ('SELECT 1 AS a;'), ('COMMENT ON TABLE results IS ''c'''),
	('CREATE TABLE results_as AS SELECT 1 AS x'), ('SELECT 5 AS x INTO results_into'), ('DROP TABLE results_as, results_into'), ('CREATE TEMP TABLE r (x int); INSERT INTO r VALUES (1), (2); SELECT * FROM r');
CREATE TABLE shape_runs AS
SELECT joborch.start_definition(jsonb_build_object('steps', jsonb_agg(jsonb_build_object('name', 's' || s.position, 'sql', s.sql, 'on_error', 'continue') ORDER BY s.position))) AS run
FROM shapes s;
SELECT joborch.wait_for_run(run, '30 s') FROM shape_runs;
SELECT s.sql, t.output ->> 'command' AS command, t.output ->> 'row_count' AS n, t.output -> 'rows' AS rows, t.error ->> 'message' AS error
FROM shape_runs r, LATERAL joborch.run_steps(r.run) AS t JOIN shapes s ON 's' || s.position = t.step ORDER BY s.position;
SELECT test.refused($$SELECT joborch.start_sql('')$$), test.refused($$SELECT joborch.start_sql(' -- nothing ')$$), test.refused($$SELECT joborch.start_sql(';;')$$);

-- values of each type
CREATE TYPE result_pair AS (a integer, b text);
CREATE DOMAIN result_domain AS numeric(5, 2);
SELECT joborch.start_sql($$SELECT 9007199254740993::bigint AS big, 0.1::numeric AS tenth, 1.10::numeric AS scale, 1e100::numeric AS huge,
	'NaN'::float8 AS nan, 'Infinity'::float8 AS infinite, '-Infinity'::float4 AS below, 'NaN'::numeric AS numeric_nan, 'Infinity'::numeric AS numeric_infinite, 0.1::float4 AS single, -0.0::float8 AS zero$$) AS numbers,
	joborch.start_sql($$SELECT '\xdeadbeef'::bytea AS bytes, ROW(1, 'x')::result_pair AS pair, ARRAY[ROW(1, 'x')::result_pair] AS pairs, ROW(1, NULL) AS record, 12.345::result_domain AS dom,
	'{1,NULL,3}'::int[] AS list, '{}'::int[] AS empty, '{{1,2},{3,4}}'::int[] AS matrix, '[2:3]={5,6}'::int[] AS bounds, '{"a": 1.10}'::jsonb AS jb, '{"a":  1.10}'::json AS j, 'null'::jsonb AS json_null, '<a/>'::xml AS markup$$) AS structures,
	joborch.start_sql($$SELECT '2024-02-29'::date AS day, '2024-02-29 12:34:56.789+00'::timestamptz AT TIME ZONE 'UTC' AS at, 'infinity'::date AS forever, '1 mon 2 days 03:04:05'::interval AS span, '12:34'::time AS clock,
	'10.0.0.0/8'::inet AS net, '[1,5)'::int4range AS span2, 'a=>b'::text AS t, 'x'::"char" AS c, 'abc'::char(5) AS padded, 'n'::name AS n, B'101' AS bits, '(1,2)'::point AS p, true AS yes, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS u,
	'pg_class'::regclass AS rel, 12.5::money IS NOT NULL AS money, E'tab\tquote"back\\slash\nline é 日本 😀 \u0001' AS odd$$) AS others \gset
SELECT count(*) FROM unnest(ARRAY[:numbers, :structures, :others]) AS r WHERE joborch.wait_for_run(r, '30 s') = 'completed';
SELECT v.key, v.value FROM jsonb_each((SELECT joborch.run_output(:numbers)) -> 'rows' -> 0) AS v ORDER BY v.key COLLATE "C";
SELECT v.key, v.value FROM jsonb_each((SELECT joborch.run_output(:structures)) -> 'rows' -> 0) AS v ORDER BY v.key COLLATE "C";
SELECT v.key, v.value FROM jsonb_each((SELECT joborch.run_output(:others)) -> 'rows' -> 0) AS v ORDER BY v.key COLLATE "C";
-- \u0000 is no character of a text: json may hold it, jsonb not
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT ''{\"a\": \"\\u0000\"}''::json AS j"}]}') \gset
SELECT status, error ->> 'sqlstate' AS sqlstate, error ->> 'message' AS message, error ->> 'detail' AS detail FROM joborch.run_steps(:run);

-- a million rows: kept as an artifact, not kept if so asked, refused above the limit
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT g FROM generate_series(1, 1000000) g"}, {"name": "t", "sql": "SELECT {{ steps.s.output.row_count }}::int AS n"}]}') \gset
SELECT step, status, output - 'artifact' AS output FROM joborch.run_steps(:run);
CALL test.play('{"steps": [{"name": "s", "sql": "SET LOCAL joborch.max_result = ''10MB''; SELECT g FROM generate_series(1, 1000000) g"}, {"name": "t", "depends_on": [], "sql": "SELECT repeat(''x'', 1000) AS x FROM generate_series(1, 100000) g"}]}') \gset
SELECT step, status, error ->> 'sqlstate' AS sqlstate, error ->> 'category' AS category, error ->> 'message' AS message, error ->> 'detail' LIKE '%joborch.max_result%' AS detail, error ->> 'hint' AS hint FROM joborch.run_steps(:run);
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT g FROM generate_series(1, 1000000) g", "output": "none"}, {"name": "t", "sql": "SELECT {{ steps.s.output.row_count }}::int AS n"}]}') \gset
SELECT step, status, output FROM joborch.run_steps(:run);
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT repeat(''x'', 2000000) AS x"}, {"name": "t", "sql": "SELECT repeat(''x'', 80000000) AS x", "depends_on": []}, {"name": "u", "sql": "SELECT repeat(''x'', 900000) AS x", "depends_on": []},
	{"name": "v", "sql": "SELECT (SELECT jsonb_agg(g) FROM generate_series(1, 200000) g) AS x", "depends_on": []}]}') \gset
SELECT step, status, error ->> 'sqlstate' AS sqlstate, length(output #>> '{rows,0,x}') AS length, output -> 'truncated' AS truncated FROM joborch.run_steps(:run);
-- a result that is too large takes the step's effects with it
CALL test.play('{"steps": [{"name": "s", "sql": "INSERT INTO results SELECT g, repeat(''many'', 200) FROM generate_series(1, 100000) g RETURNING *"}]}') \gset
SELECT test.story(:run);
SELECT count(*) FROM results WHERE t LIKE 'many%';
-- too much memory is an error of the step, not of the server
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT repeat(''x'', 2000000000) AS x", "output": "none"}, {"name": "t", "sql": "SELECT 1", "depends_on": []}]}') \gset
SELECT step, status, error ->> 'sqlstate' AS sqlstate, error ->> 'category' AS category FROM joborch.run_steps(:run);
-- names of columns; many columns
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT 1 AS zz, 2 AS a, 3 AS \"A\", 5 AS \"with space\", 6 AS \"é\""}]}') \gset
SELECT output -> 'rows' AS rows, output #>> '{rows,0,A}' AS upper FROM joborch.run_steps(:run);
SELECT joborch.start_sql('SELECT ' || string_agg(format('%s AS c%s', g, g), ', ')) AS run FROM generate_series(1, 1600) g \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT count(*), sum(value::int) FROM jsonb_each_text(joborch.run_output(:run) #> '{rows,0}');

SELECT * FROM joborch.check();
DROP TABLE results, shapes, shape_runs;
DROP TYPE result_pair;
DROP DOMAIN result_domain;
