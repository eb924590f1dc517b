-- How large, deep and odd things may be.
\set VERBOSITY terse

-- names: 1 to 63 bytes of whatever is printable; quotes, spaces and other scripts among them
CREATE FUNCTION named(p_name text) RETURNS jsonb LANGUAGE sql AS $$ SELECT jsonb_build_object('steps', jsonb_build_array(jsonb_build_object('name', p_name, 'sql', 'SELECT 1 AS one'))) $$;
CREATE TABLE names (at serial, name text);
INSERT INTO names (name) VALUES ('a'), ('with space'), ('it''s'), ('"quoted"'), ('back\slash'), ('{{ braces }}'), ('ünïcödé'), ('日本語'), ('😀'), ('a.b'), ('$x'), ('-'), (repeat('x', 63)), (repeat('é', 31) || 'x'), ('select');
CREATE TABLE named_runs AS SELECT n.*, joborch.start_definition(named(n.name)) AS run FROM names n
WHERE NOT EXISTS (SELECT FROM joborch.validate_job(named(n.name)) AS f WHERE f.severity = 'error');
SELECT joborch.wait_for_run(run, '30 s'), count(*) FROM named_runs GROUP BY 1;
SELECT bool_and(s.step = n.name) AS same FROM named_runs n, LATERAL joborch.run_steps(n.run) AS s;
SELECT n.name, f.code, f.message FROM names n, LATERAL joborch.validate_job(named(n.name)) AS f ORDER BY n.at;
SELECT left(n.name, 5) AS name, f.code, f.message FROM unnest(ARRAY['', ' ', repeat('x', 64), repeat('é', 32), E'new\nline', E'tab\t', E'bell\u0007']) WITH ORDINALITY AS n (name, at), LATERAL joborch.validate_job(named(n.name)) AS f ORDER BY n.at, f.code;
-- references to such names
CALL test.play('{"steps": [{"name": "it''s \"odd\" 日本", "sql": "SELECT 5 AS x"}, {"name": "b", "sql": "SELECT {{ steps.\"it''s \\\"odd\\\" 日本\".value }}::int AS x", "when": "$.steps.\"it''s \\\"odd\\\" 日本\".value == 5"}]}') \gset
SELECT test.story(:run);

-- malformed
SELECT d.definition, f.code, f.path, f.message FROM unnest(ARRAY['1', 'null', '"x"', '[]', '{}', '{"steps": null}', '{"steps": {}}', '{"steps": []}', '{"steps": [1]}', '{"steps": [[]]}', '{"steps": [{}]}', '{"steps": [{"name": "a"}]}', '{"steps": [{"sql": "SELECT 1"}]}',
	'{"steps": [{"name": 1, "sql": "SELECT 1"}]}', '{"steps": [{"name": "a", "sql": 1}]}', '{"steps": [{"name": "a", "sql": [1]}]}', '{"steps": [{"name": "a", "sql": "SELECT 1", "depends_on": "a"}]}', '{"steps": [{"name": "a", "sql": "SELECT 1", "depends_on": ["a"]}]}',
	'{"steps": [{"name": "a", "sql": "SELECT 1", "depends_on": ["b"]}, {"name": "b", "sql": "SELECT 1", "depends_on": ["c"]}, {"name": "c", "sql": "SELECT 1", "depends_on": ["a"]}]}', '{"step": []}', '{"steps": [{"name": "a", "sql": "SELECT 1", "timeout": -1}]}',
	'{"steps": [{"name": "a", "sql": "SELECT 1", "timeout": "1 fortnight"}]}', '{"steps": [{"name": "a", "sql": "SELECT 1", "trigger_rule": "all_sucess"}]}', '{"steps": [{"name": "a", "sql": "SELECT 1", "on_error": "ignore"}]}', '{"steps": [{"name": "a", "sql": "SELECT 1", "whn": "true"}]}']) WITH ORDINALITY AS d (definition, at),
	LATERAL joborch.validate_job(d.definition::jsonb) AS f ORDER BY d.at, f.path, f.code;
SELECT test.refused($$SELECT joborch.validate_job(NULL)$$);

-- a thousand steps, no more: a chain, and a fan out and in
CREATE FUNCTION steps(p_n integer, p_shape text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('steps', jsonb_agg(jsonb_build_object('name', 's' || g, 'sql', 'SELECT ' || g || ' AS g', 'depends_on', CASE
		WHEN g = 1 THEN '[]'::jsonb
		WHEN p_shape = 'chain' THEN jsonb_build_array('s' || g - 1)
		WHEN g = p_n THEN (SELECT jsonb_agg('s' || h) FROM generate_series(2, p_n - 1) h)
		ELSE '["s1"]' END) ORDER BY g)) FROM generate_series(1, p_n) g
$$;
CALL test.play(steps(1000, 'chain')) \gset
SELECT status, completed_steps, total_steps, output #>> '{rows,0,g}' AS last FROM joborch.job_runs WHERE run_id = :run;
CALL test.play(steps(1000, 'fan')) \gset
SELECT status, completed_steps, total_steps, output #>> '{rows,0,g}' AS last FROM joborch.job_runs WHERE run_id = :run;
SELECT code, path, message FROM joborch.validate_job(steps(1001, 'chain')) LIMIT 3;
SELECT left(test.refused('SELECT joborch.start_definition(steps(1001, ''chain''))'), 5);

-- deep and huge
SELECT code, message FROM joborch.validate_job((repeat('[', 2000) || repeat(']', 2000))::jsonb) LIMIT 2;
SELECT code, path, message FROM joborch.validate_job(jsonb_build_object('metadata', (repeat('[', 2000) || repeat(']', 2000))::jsonb, 'steps', '[{"name": "a", "sql": "SELECT 1"}]'::jsonb)) LIMIT 2;
SELECT code, message FROM joborch.validate_job(named('a') || jsonb_build_object('metadata', jsonb_build_object('x', repeat('x', 20000000)))) LIMIT 2;
SELECT left(test.refused($$SELECT joborch.create_job('huge', named('a') || jsonb_build_object('metadata', jsonb_build_object('x', repeat('x', 100000000))))$$), 80);
SELECT count(*) = 1001 AND count(*) FILTER (WHERE code = 'limit_exceeded') = 1 AS not_without_end FROM joborch.validate_job(jsonb_build_object('steps', (SELECT jsonb_agg('{}'::jsonb) FROM generate_series(1, 900))));
SELECT test.refused($$SELECT joborch.start_sql('SELECT 1', jsonb_build_object('x', repeat('x', 2000000)))$$);
SELECT joborch.start_sql('SELECT length({{ input.x }}::text) AS n', jsonb_build_object('x', repeat('x', 1000000))) AS run \gset
SELECT joborch.wait_for_run(:run, '30 s'), joborch.run_output(:run) -> 'rows' AS rows;
SELECT joborch.start_sql('SELECT ' || repeat('1 + ', 3000) || '1 AS n') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s'), joborch.run_output(:run) -> 'rows' AS rows;

SELECT * FROM joborch.check();
DROP TABLE names, named_runs;
DROP FUNCTION named(text), steps(integer, text);
