-- Where a step's transaction begins and ends, and that nothing of its session stays.
CREATE TABLE tx (x integer PRIMARY KEY);

-- several statements are one transaction: all or nothing
CALL test.play('{"steps": [{"name": "s", "sql": ["INSERT INTO tx VALUES (1);", "INSERT INTO tx VALUES (2);", "INSERT INTO tx VALUES (1)"]}]}') \gset
SELECT test.story(:run), (SELECT count(*) FROM tx) AS rows;
SELECT error ->> 'sqlstate' AS sqlstate, error ->> 'context' LIKE '%statement 3%' AS says_which FROM joborch.run_steps(:run);
-- deferred constraints count to the step
CREATE TABLE tx_child (x integer REFERENCES tx DEFERRABLE INITIALLY DEFERRED);
CALL test.play('{"steps": [{"name": "s", "sql": "INSERT INTO tx_child VALUES (7)"}, {"name": "t", "sql": "SET CONSTRAINTS ALL DEFERRED; INSERT INTO tx_child VALUES (8); INSERT INTO tx VALUES (8)", "depends_on": []}]}') \gset
SELECT step, status, error ->> 'sqlstate' AS sqlstate FROM joborch.run_steps(:run);

-- statements that need a session of their own: told by "none", or found
CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO tx VALUES (20); COMMIT; INSERT INTO tx VALUES (21); ROLLBACK; INSERT INTO tx VALUES (22); END $$;
CALL test.play('{"steps": [
	{"name": "vacuum", "sql": "VACUUM tx", "transaction": "none"},
	{"name": "found", "sql": "VACUUM (ANALYZE) tx"},
	{"name": "index", "sql": "CREATE INDEX CONCURRENTLY tx_x ON tx (x)"},
	{"name": "reindex", "sql": "REINDEX INDEX CONCURRENTLY tx_x", "transaction": "none"},
	{"name": "drop", "sql": "DROP INDEX CONCURRENTLY tx_x", "transaction": "none"},
	{"name": "call", "sql": "CALL commits()", "transaction": "none"},
	{"name": "rows", "sql": "SELECT x FROM tx WHERE x >= {{ input.low }}::int ORDER BY x", "transaction": "none"},
	{"name": "two", "sql": "INSERT INTO tx VALUES (30); SELECT {{ steps.rows.value }}::int AS first", "transaction": "none"}]}', '{"low": 20}') \gset
SELECT step, status, output ->> 'command' AS command, output -> 'rows' AS rows, error ->> 'message' AS error FROM joborch.run_steps(:run);
-- each left its trace before it began
SELECT status, count(*) FROM joborch.job_step_attempts WHERE run_id = :run GROUP BY status;
-- in such a step what was done stays done
CALL test.play('{"steps": [{"name": "s", "sql": "INSERT INTO tx VALUES (40); SELECT 1/0", "transaction": "none"}, {"name": "t", "sql": "CALL fails_late()", "transaction": "none", "depends_on": []}]}') \gset
SELECT step, status, error ->> 'sqlstate' AS sqlstate FROM joborch.run_steps(:run);
SELECT x FROM tx WHERE x = 40;
-- without it they are refused, with the way out
CREATE PROCEDURE just_commits() LANGUAGE plpgsql AS $$ BEGIN COMMIT; END $$;
CALL test.play('{"steps": [{"name": "call", "sql": "CALL just_commits()"}, {"name": "vacuum", "sql": "VACUUM tx", "transaction": "step", "depends_on": []}, {"name": "do", "sql": "DO $$ BEGIN COMMIT; END $$", "depends_on": []}]}') \gset
SELECT step, status, error ->> 'sqlstate' AS sqlstate, error ->> 'message' AS message, error ->> 'hint' AS hint FROM joborch.run_steps(:run);

-- transaction control is refused when saved
SELECT w.word, f.code, f.message, f.suggestion FROM unnest(ARRAY['BEGIN', 'COMMIT', 'ROLLBACK', 'SELECT 1; COMMIT; SELECT 2', 'SAVEPOINT a', 'RELEASE a', 'ROLLBACK TO a', 'START TRANSACTION', 'PREPARE TRANSACTION ''a''', 'COMMIT PREPARED ''a''', 'END', 'ABORT', 'COMMIT AND CHAIN',
	'COPY tx TO STDOUT', 'COPY tx FROM STDIN', 'SELECT FROM']) WITH ORDINALITY AS w (word, position),
	LATERAL joborch.validate_job(jsonb_build_object('steps', jsonb_build_array(jsonb_build_object('name', 's', 'sql', w.word)))) AS f ORDER BY w.position;
-- and where it hides
CALL test.play('{"steps": [{"name": "s", "sql": "DO $$ BEGIN EXECUTE ''COMMIT''; END $$"}, {"name": "t", "sql": "SET TRANSACTION READ ONLY; INSERT INTO tx VALUES (50)", "depends_on": []}, {"name": "u", "sql": "LISTEN a", "depends_on": []}]}') \gset
SELECT step, status, error ->> 'sqlstate' AS sqlstate FROM joborch.run_steps(:run);
-- isolation levels are the step's own business
CALL test.play('{"steps": [{"name": "s", "sql": "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; INSERT INTO tx VALUES (51); SELECT current_setting(''transaction_isolation'') AS level"}, {"name": "r", "sql": "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT current_setting(''transaction_isolation'') AS level"}, {"name": "t", "sql": "SELECT current_setting(''transaction_isolation'') AS level, current_setting(''transaction_read_only'') AS read_only"}]}') \gset
SELECT step, status, output -> 'rows' AS rows, error ->> 'message' AS error FROM joborch.run_steps(:run);

-- nothing of the session is left to the next step, whether the step completes or fails
CREATE FUNCTION leave_traces(p_fail boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM set_config('work_mem', '12345kB', false), set_config('my.own', 'secret', false), set_config('search_path', 'pg_temp', false);
	SET default_transaction_read_only = on;
	CREATE TEMP TABLE left_behind (x integer);
	EXECUTE 'PREPARE left_plan AS SELECT 1';
	EXECUTE 'DECLARE left_cursor CURSOR WITH HOLD FOR SELECT 1';
	PERFORM pg_advisory_lock(4711);
	PERFORM nextval('public.tx_seq');
	IF p_fail THEN
		RAISE EXCEPTION 'asked to fail';
	END IF;
END
$$;
CREATE SEQUENCE tx_seq;
CREATE VIEW traces AS SELECT current_setting('work_mem') <> '12345kB' AS work_mem, coalesce(current_setting('my.own', true), '') = '' AS own_setting,
	current_setting('search_path') NOT LIKE '%pg_temp%' AS search_path, current_setting('default_transaction_read_only') = 'off' AS read_write,
	to_regclass('pg_temp.left_behind') IS NULL AS temp_table, NOT EXISTS (SELECT FROM pg_prepared_statements) AS prepared,
	NOT EXISTS (SELECT FROM pg_cursors WHERE name = 'left_cursor') AS cursors,
	NOT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711) AS advisory;
CALL test.play('{"steps": [{"name": "a", "sql": "SELECT pg_backend_pid() AS pid, public.leave_traces(false)"}, {"name": "b", "sql": "SELECT pg_backend_pid() AS pid, t.* FROM public.traces t"},
	{"name": "c", "sql": "SELECT public.leave_traces(true)", "on_error": "continue"}, {"name": "d", "sql": "SELECT t.* FROM public.traces t"}]}') \gset
SELECT test.story(:run);
SELECT count(DISTINCT output #>> '{rows,0,pid}') AS processes FROM joborch.run_steps(:run) WHERE step IN ('a', 'b');
SELECT s.step, e.key, e.value FROM joborch.run_steps(:run) AS s, LATERAL jsonb_each(s.output #> '{rows,0}') AS e WHERE s.step IN ('b', 'd') AND e.key <> 'pid' AND e.value <> 'true';
SELECT count(*) AS checked FROM joborch.run_steps(:run) AS s, LATERAL jsonb_each(s.output #> '{rows,0}') AS e WHERE s.step IN ('b', 'd') AND e.value = 'true';
CALL test.play('{"steps": [{"name": "e", "sql": "SELECT currval(''tx_seq'')"}]}') \gset
SELECT error ->> 'sqlstate' AS sqlstate FROM joborch.run_steps(:run);

-- what changes between two runs: a table that is altered, dropped, comes again; a function replaced
CREATE TABLE tx_moving (a integer);
INSERT INTO tx_moving VALUES (1);
SELECT joborch.create_job('moving', '{"steps": [{"name": "s", "sql": "SELECT * FROM tx_moving WHERE a = {{ input.a }}"}]}') IS NOT NULL AS saved;
SELECT joborch.start('moving', '{"a": 1}') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s'), joborch.run_output(:run) -> 'rows' AS rows;
ALTER TABLE tx_moving ADD b text DEFAULT 'new', ALTER a TYPE text;
SELECT joborch.start('moving', '{"a": 1}') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT joborch.run_output(:run) -> 'rows' AS rows;
DROP TABLE tx_moving;
SELECT joborch.start('moving', '{"a": 1}') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT error ->> 'sqlstate' AS sqlstate, error ->> 'category' AS category, error ->> 'message' AS message FROM joborch.run_steps(:run);
CREATE TABLE tx_moving (a date);
INSERT INTO tx_moving VALUES ('2024-02-29');
SELECT joborch.start('moving', '{"a": "2024-02-29"}') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT joborch.run_output(:run) -> 'rows' AS rows;

SELECT * FROM joborch.check();
SELECT joborch.drop_job('moving');
DROP VIEW traces;
DROP TABLE tx, tx_child, tx_moving;
DROP FUNCTION leave_traces(boolean);
DROP PROCEDURE commits(), just_commits();
DROP SEQUENCE tx_seq;
