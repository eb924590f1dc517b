-- An error is kept whole, has a category, and the run says which step it came from.
\set VERBOSITY terse
CREATE TABLE error_parent (id integer PRIMARY KEY CHECK (id < 100), note text NOT NULL DEFAULT 'x');
CREATE TABLE error_child (id integer REFERENCES error_parent);
INSERT INTO error_parent VALUES (1);
CREATE FUNCTION raise_all() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION 'the message' USING ERRCODE = 'P0007', DETAIL = 'the detail', HINT = 'the hint', COLUMN = 'a column', CONSTRAINT = 'a constraint', DATATYPE = 'a type', TABLE = 'a table', SCHEMA = 'a schema';
END
$$;
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT raise_all()"}]}') \gset
SELECT jsonb_pretty(error) FROM joborch.run_steps(:run);
-- the run has the same, with the step's name
SELECT r.error - 'step' = s.error AS same, r.error ->> 'step' AS step, r.error_message FROM joborch.job_runs r, joborch.run_steps(:run) AS s WHERE r.run_id = :run;
SELECT error_message, sqlstate, category FROM joborch.failed_runs WHERE run_id = :run;

-- errors of each kind
CREATE TABLE kinds (at serial, sql text);
INSERT INTO kinds (sql) VALUES ('SELECT 1/0'), ('SELECT ''x''::int'), ('INSERT INTO error_parent VALUES (1)'), ('INSERT INTO error_child VALUES (2)'), ('INSERT INTO error_parent VALUES (200)'), ('INSERT INTO error_parent VALUES (2, NULL)'),
	('SELECT * FROM error_nowhere'), ('SELECT nothing FROM error_parent'), ('SELECT error_function()'), ('SELECT * FROM error_schema.x'), ('SELECT pg_read_file(''/etc/nothing_here'')'),
	('SELECT (SELECT 1 UNION SELECT 2)'), ('SELECT repeat(''x'', 2000000000)'), ('DO $$ BEGIN ASSERT false; END $$'), ('DO $$ BEGIN RAISE EXCEPTION ''plain''; END $$'), ('DO $$ BEGIN PERFORM pg_cancel_backend(pg_backend_pid()); PERFORM pg_sleep(10); END $$'),
	('SELECT lo_open(1, 1)'), ('CREATE TABLE error_parent (x int)'), ('DO LANGUAGE nothing $$ x $$'), ('DO $$ BEGIN RAISE SQLSTATE ''JO999''; END $$'), ('SELECT {{ input.nowhere }}::int');
CREATE TABLE kind_runs AS SELECT k.*, joborch.start_sql(k.sql) AS run FROM kinds k;
SELECT count(*) FROM kind_runs WHERE joborch.wait_for_run(run, '30 s') = 'failed';
SELECT k.sql, s.error ->> 'sqlstate' AS sqlstate, s.error ->> 'category' AS category, s.error ->> 'retryable' AS retryable, s.error ->> 'message' AS message
FROM kind_runs k, LATERAL joborch.run_steps(k.run) AS s ORDER BY k.at;
-- constraint errors name what they are about
SELECT s.error ->> 'table' AS "table", s.error ->> 'column' AS "column", s.error ->> 'constraint' AS "constraint", s.error ->> 'detail' AS detail FROM kind_runs k, LATERAL joborch.run_steps(k.run) AS s WHERE k.sql LIKE 'INSERT%' ORDER BY k.at;
-- where in the text
CALL test.play('{"steps": [{"name": "s", "sql": ["SELECT 1;", "SELECT *", "FROM error_nowhere"]}]}') \gset
SELECT error ->> 'position' AS position, error ->> 'query' AS query, error ->> 'context' AS context FROM joborch.run_steps(:run);

-- notices and warnings of a step are kept with its attempt
CALL test.play('{"steps": [{"name": "quiet", "sql": "SELECT 1"}, {"name": "loud", "sql": "DO $$ BEGIN RAISE NOTICE ''first %'', 1 USING DETAIL = ''more''; RAISE WARNING ''second'' USING ERRCODE = ''01234''; RAISE INFO ''third''; RAISE DEBUG ''never''; END $$"},
	{"name": "fails", "sql": "DO $$ BEGIN RAISE NOTICE ''before''; PERFORM 1/0; END $$"}]}') \gset
SELECT step, status, jsonb_pretty(notices) FROM joborch.job_step_attempts WHERE run_id = :run ORDER BY step_index;
-- not without end
CALL test.play('{"steps": [{"name": "s", "sql": "DO $$ BEGIN FOR i IN 1..10000 LOOP RAISE NOTICE ''% %'', i, repeat(''x'', 100); END LOOP; END $$"}]}') \gset
SELECT status, jsonb_array_length(notices) < 10000 AS cut FROM joborch.job_step_attempts WHERE run_id = :run;
-- nor is an error's text
CALL test.play('{"steps": [{"name": "s", "sql": "DO $$ BEGIN RAISE EXCEPTION ''%'', repeat(''ä'', 1000000); END $$"}]}') \gset
SELECT status, octet_length(error ->> 'message') BETWEEN 1000 AND 10000 AS cut FROM joborch.run_steps(:run);

-- ends of the session by the step itself are failed attempts, and no others
CREATE TABLE deaths (at serial, sql text);
INSERT INTO deaths (sql) VALUES ('SELECT pg_terminate_backend(pg_backend_pid())'), ('DO $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(10); END $$');
CREATE TABLE death_runs AS SELECT d.*, joborch.start_definition(jsonb_build_object('steps', jsonb_build_array(jsonb_build_object('name', 's', 'sql', d.sql, 'retry', '{"max_attempts": 2, "initial": "1 ms"}'::jsonb)))) AS run FROM deaths d;
SELECT joborch.wait_for_run(run, '30 s') FROM death_runs ORDER BY at;
SELECT s.status, s.attempts, s.error ->> 'sqlstate' AS sqlstate, s.error ->> 'detail' AS detail FROM death_runs d, LATERAL joborch.run_steps(d.run) AS s ORDER BY d.at;

-- our own classes are in the view
SELECT count(*) > 15 AS own, bool_and(category IS NOT NULL) AS all_have FROM joborch.error_classes WHERE pattern LIKE 'JO%';

SELECT * FROM joborch.check();
DROP TABLE error_child, error_parent, kinds, kind_runs, deaths, death_runs;
DROP FUNCTION raise_all();
