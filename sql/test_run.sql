-- test_run(): whole jobs inside of one transaction, with stubs and a clock that moves by itself.
\set VERBOSITY terse
\pset null '-'

CREATE TABLE tr_log (n serial, what text);
-- What is left in joborch's tables; the same before and after.
CREATE FUNCTION tr_rows() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	v_table text;
	v_count bigint;
	v_all text := '';
BEGIN
	FOR v_table IN SELECT c.oid::regclass::text FROM pg_class c
		WHERE c.relnamespace = 'joborch_internal'::regnamespace AND c.relkind = 'r' ORDER BY 1
	LOOP
		EXECUTE 'SELECT count(*) FROM ' || v_table INTO v_count;
		v_all := v_all || v_table || ' ' || v_count || ' ';
	END LOOP;
	RETURN v_all;
END
$$;
-- The steps of a report, one line each.
CREATE FUNCTION tr_steps(p_report jsonb) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT format('%s%s%s %s%s %s', s.step ->> 'within' || '.', s.step ->> 'step', '[' || (s.step ->> 'item') || ']', s.step ->> 'status',
		CASE WHEN s.step ->> 'attempts' <> '1' THEN ' (' || (s.step ->> 'attempts') || ')' END,
		coalesce(s.step ->> 'output', s.step #>> '{error,message}'))
	FROM jsonb_array_elements(p_report -> 'steps') WITH ORDINALITY AS s (step, n) ORDER BY n
$$;
CREATE FUNCTION tr(p_definition jsonb, p_input jsonb DEFAULT '{}', p_stubs jsonb DEFAULT '{}') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	v_report jsonb := joborch.test_run(p_definition, p_input, p_stubs);
BEGIN
	-- no times: each run has others
	v_report := regexp_replace(v_report::text, '"\d{4}-[^"]*T[^"]*"', '"T"', 'g');
	RETURN NEXT format('%s %s %s', v_report ->> 'status', v_report ->> 'clock', coalesce(v_report ->> 'output', v_report #>> '{error,message}'));
	RETURN QUERY SELECT '  ' || tr_steps(v_report);
	RETURN QUERY SELECT '  waits: ' || w FROM jsonb_array_elements_text(v_report -> 'waiting') AS w;
END
$$;
SELECT tr_rows() AS before \gset

-- steps follow each other, in this session and transaction
BEGIN;
SELECT tr('{"steps": [
	{"name": "a", "sql": "INSERT INTO tr_log (what) VALUES (''a'' || {{ input.n }}) RETURNING what"},
	{"name": "b", "sql": "SELECT {{ steps.a.row.what }} || count(*) AS c FROM tr_log"}],
	"output": {"c": "{{ steps.b.value }}"}}', '{"n": 7}');
SELECT what FROM tr_log;
ROLLBACK;
SELECT count(*) FROM tr_log;
SELECT tr_rows() = :'before' AS nothing_left;

-- what a step did is kept when the caller commits, but no run
SELECT joborch.test_run('{"steps": [{"name": "a", "sql": "INSERT INTO tr_log (what) VALUES (''kept'')"}]}') ->> 'status' AS status;
SELECT what FROM tr_log;
SELECT tr_rows() = :'before' AS nothing_left;

-- a failed step undoes what it did; settings and roles do not outlive their step
SELECT tr('{"steps": [
	{"name": "a", "sql": "INSERT INTO tr_log (what) VALUES (''lost''); SET work_mem = ''5MB''; SELECT 1/0", "on_error": "continue"},
	{"name": "b", "sql": "SET work_mem = ''6MB''; SELECT current_setting(''work_mem'') AS w", "output": "{{ result.rows }}"},
	{"name": "c", "sql": "SELECT current_setting(''work_mem'') <> ''6MB'' AS w, count(*) FROM tr_log", "output": "{{ result.rows }}"}]}');

-- branches
SELECT tr(d, '{"n": 5}'), tr(d, '{"n": 50}') FROM (VALUES ('{"steps": [
	{"name": "big", "type": "condition", "if": "$.input.n > 10",
		"then": [{"name": "t", "sql": "SELECT ''big'' AS v"}], "else": [{"name": "e", "sql": "SELECT ''small'' AS v"}]},
	{"name": "after", "sql": "SELECT {{ steps.big.row.v }} AS v", "output": "{{ result.value }}"}]}'::jsonb)) AS t (d);
SELECT tr('{"steps": [{"name": "which", "type": "switch", "cases": [{"name": "one", "if": "$.input.n == 1"}], "default": []},
	{"name": "a", "sql": "SELECT 1 AS a", "depends_on": {"step": "which", "branch": "one"}},
	{"name": "b", "sql": "SELECT 2 AS b", "depends_on": {"step": "which", "branch": "default"}}]}', '{"n": 3}', '{"which": {"output": {"branch": "one"}}, "a": {"output": "A"}}');

-- retries: the clock moves by their pauses
SELECT tr('{"steps": [{"name": "flaky", "sql": "SELECT 1", "retry": {"max_attempts": 3, "initial": "1 min", "backoff": "exponential", "multiplier": 2, "jitter": 0}}]}', '{}',
	'{"flaky": [{"error": "connection lost", "sqlstate": "08006"}, {"error": "again", "sqlstate": "08006"}, {"output": {"ok": true}}]}');
SELECT tr('{"steps": [{"name": "flaky", "sql": "SELECT 1", "retry": {"max_attempts": 2, "initial": "1 min", "jitter": 0}}]}', '{}', '{"flaky": {"error": "gone", "sqlstate": "08006"}}');
-- a time-out of a step is real
SELECT tr('{"steps": [{"name": "slow", "sql": "SELECT pg_sleep(60)", "timeout": "100 ms"}]}');

-- delays, waits and their time-outs; those of branches pass at the same time
SELECT tr('{"steps": [
	{"name": "both", "type": "parallel", "branches": [
		[{"name": "long", "type": "delay", "duration": "3 days"}, {"name": "l", "sql": "SELECT 1"}],
		[{"name": "short", "type": "delay", "duration": "90 min"}, {"name": "s", "sql": "SELECT 2"}]]}]}');
SELECT tr('{"steps": [{"name": "one", "type": "parallel", "max_concurrent": 1, "steps": [
	{"name": "x", "type": "delay", "duration": "1 min"}, {"name": "y", "type": "delay", "duration": "1 min"}]}]}') LIMIT 1;
SELECT tr('{"steps": [{"name": "w", "type": "race", "steps": [
	{"name": "slow", "type": "job", "definition": {"steps": [{"name": "d", "type": "delay", "duration": "1 h"}]}},
	{"name": "fast", "type": "delay", "duration": "1 min", "output": {"x": "quick"}}]}]}');
SELECT tr(d, '{}', s) FROM (VALUES ('{"steps": [{"name": "go", "type": "wait_signal", "timeout": "10 min", "on_timeout": "skip"},
	{"name": "then", "sql": "SELECT {{ steps.go.output.payload.x | default(0) }} AS x", "trigger_rule": "all_done"}]}'::jsonb)) AS d (d),
	(VALUES ('{}'::jsonb), ('{"go": {"signal": {"x": 5}}}'), ('{"go": {"signal": {"x": 6}, "after": "9 min"}}'), ('{"go": {"signal": {"x": 7}, "after": "11 min"}}')) AS s (s);
SELECT tr(d, '{}', s) FROM (VALUES ('{"steps": [{"name": "ok", "type": "approval", "timeout": "1 day", "on_timeout": "reject", "output": {"by": "{{ result.by }}", "why": "{{ result.reason }}"}}]}'::jsonb)) AS d (d),
	(VALUES ('{}'::jsonb), ('{"ok": {"approve": true, "by": "anna", "reason": "fine"}}'), ('{"ok": {"approve": false, "reason": "no", "after": "2 h"}}')) AS s (s);
SELECT tr('{"steps": [{"name": "wait", "type": "wait_sql", "sql": "SELECT count(*) >= 1 FROM tr_log WHERE what = ''now''", "interval": "10 s", "timeout": "1 h"},
	{"name": "later", "type": "delay", "duration": "25 s", "depends_on": []},
	{"name": "put", "sql": "INSERT INTO tr_log (what) VALUES (''now'')", "depends_on": "later"}]}');
SELECT tr('{"steps": [{"name": "never", "type": "wait_sql", "sql": "SELECT false", "interval": "100 ms", "timeout": "30 days"}]}');
SELECT tr('{"timeout": "1 h", "steps": [{"name": "d", "type": "delay", "duration": "2 h"}], "on_failure": [{"name": "tell", "sql": "SELECT 1"}]}');

-- nothing can end it: the report says what it waits for
SELECT tr('{"steps": [{"name": "a", "type": "wait_signal", "signal": "go"}, {"name": "b", "type": "approval", "depends_on": []}, {"name": "c", "type": "wait_sql", "sql": "SELECT false", "depends_on": []}]}');
SELECT tr('{"steps": [{"name": "call", "type": "loop", "max_iterations": 2, "steps": [{"name": "in", "type": "wait_signal"}]}]}', '{}', '{"in": [{"signal": 1}, {"signal": 2, "after": "1 min"}]}');
SELECT tr('{"steps": [{"name": "each", "type": "foreach", "items": [1], "steps": [{"name": "in", "type": "wait_signal"}]}]}');
SELECT tr_rows() = :'before' AS nothing_left;

-- loops and items
SELECT tr('{"steps": [{"name": "count", "type": "loop", "while": "$.vars.n < 3", "max_iterations": 10, "delay": "1 min",
	"steps": [{"name": "inc", "sql": "SELECT {{ vars.n }}::int + 1"}, {"name": "put", "type": "set", "vars": {"n": "{{ steps.inc.value }}"}}]}], "vars": {"n": 0}}');
SELECT tr('{"steps": [{"name": "each", "foreach": {"items": [1, 2, 3, 4], "on_item_error": "continue"}, "sql": "SELECT 12 / ({{ item }}::int - 2) AS q"}]}');
SELECT tr('{"steps": [{"name": "each", "foreach": {"items": [1, 2, 3, 4]}, "sql": "SELECT 12 / ({{ item }}::int - 2) AS q"}]}');
SELECT tr('{"steps": [{"name": "each", "foreach": {"items": ["x", "y", "z"]}, "sql": "SELECT 1", "retry": {"max_attempts": 2, "initial": "1 s", "jitter": 0}}]}', '{}',
	'{"each": [{"output": 1}, [{"error": "once", "sqlstate": "40001"}, {"output": 2}], {"output": 3}]}');
SELECT tr('{"steps": [{"name": "each", "type": "foreach", "items": {"sql": "SELECT g FROM generate_series(1, 2) g"}, "as": "row",
	"steps": [{"name": "one", "sql": "SELECT {{ row.g }}::int * 10 AS v"}, {"name": "two", "sql": "SELECT {{ previous.value }} + 1 AS v", "output": "{{ result.value }}"}]}]}');
SELECT r ->> 'status', jsonb_array_length(r -> 'steps') FROM joborch.test_run('{"steps": [{"name": "many", "foreach": {"items": {"sql": "SELECT g FROM generate_series(1, 1000) g"}}, "type": "transform", "value": "{{ item }}"}]}') AS r;
SELECT tr('{"steps": [{"name": "each", "foreach": {"items": "{{ input.list }}"}, "sql": "SELECT 1"}]}', '{"list": 5}');

-- failures: compensation, on_failure, finally
SELECT tr('{"steps": [
	{"name": "book", "sql": "SELECT 1 AS id", "compensate": {"sql": "INSERT INTO tr_log (what) VALUES (''unbook'') RETURNING what"}},
	{"name": "pay", "sql": "SELECT 1", "compensate": {"sql": "SELECT 2"}},
	{"name": "send", "sql": "SELECT 1"}],
	"on_failure": [{"name": "alarm", "sql": "SELECT 3"}], "finally": [{"name": "clean", "sql": "SELECT 4"}]}', '{}',
	'{"pay": {"output": "paid"}, "send": {"error": "no stamps"}, "clean": {"skip": true}}');
SELECT tr('{"steps": [{"name": "a", "type": "end", "status": "failure", "message": "enough of {{ input.x }}"}, {"name": "b", "sql": "SELECT 1"}]}', '{"x": "it"}');

-- other jobs
SELECT joborch.create_job('tr inner', '{"input": {"properties": {"n": {"type": "integer"}}, "required": ["n"]},
	"steps": [{"name": "s", "sql": "SELECT {{ input.n }}::int AS n"}, {"name": "t", "type": "wait_signal"}], "output": {"n": "{{ steps.s.value }}"}}') > 0 AS saved;
SELECT tr_rows() AS before \gset
SELECT tr('{"steps": [{"name": "call", "type": "job", "job": "tr inner", "input": {"n": "{{ input.n }}"}}, {"name": "s", "sql": "SELECT 1", "output": "{{ steps.call.output.n }}"}]}', '{"n": 9}', '{"call.t": {"signal": null, "after": "5 min"}}');
SELECT tr('{"steps": [{"name": "call", "type": "job", "job": "tr inner", "input": {"n": 1}, "timeout": "1 min"}]}', '{}', '{"call.t": {"signal": null, "after": "5 min"}}');
SELECT tr('{"steps": [{"name": "call", "type": "job", "job": "tr inner", "input": {"n": "x"}}]}');
SELECT tr('{"steps": [{"name": "call", "type": "job", "job": "tr inner", "input": {"n": 1}, "wait": false, "output": {"started": true}}]}', '{}', '{"call.t": {"signal": null, "after": "1 h"}}');
-- a child whose start is undone with its step's failure is gone
SELECT tr('{"steps": [{"name": "call", "type": "job", "definition": {"timeout": "1 min", "steps": [{"name": "s", "sql": "SELECT 1"}]}, "wait": false,
	"output": {"x": "{{ result.nothing }}"}, "on_error": "continue"}, {"name": "d", "type": "delay", "duration": "1 h"}]}');
SELECT joborch.test_run('tr inner', '{"n": 3}', '{"t": {"signal": true}}') -> 'output' AS output;
SELECT joborch.test_run('tr inner', '{"n": "no"}');
SELECT joborch.test_run('tr nothing');

-- what acts outside of the database is answered, and what it was told is shown
SELECT joborch.test_run('{"steps": [
	{"name": "get", "type": "http", "method": "GET", "url": "https://example.org/{{ input.id }}", "headers": {"x": ["{{ run.priority }}"]}, "retry": {"max_attempts": 3, "initial": "1 s", "jitter": 0}},
	{"name": "use", "sql": "SELECT {{ steps.get.output.body.name }} AS name", "output": "{{ result.value }}"},
	{"name": "mail", "type": "email", "to": "{{ steps.use.output }}@example.org", "output": {"id": "{{ result.id }}"}}]}',
	'{"id": 4}', '{"get": {"output": {"status": 200, "body": {"name": "ann"}}}, "mail": {"output": {"id": "m1", "rest": 0}}}') #- '{clock}' AS report;
SELECT s -> 'request' AS request, s -> 'output' AS output FROM jsonb_array_elements(joborch.test_run('{"steps": [
	{"name": "post", "url": "https://example.org", "body": {"n": "{{ item }}"}, "foreach": {"items": [1, 2]}}]}', '{}', '{"post": [{"output": "a"}, {"output": "b"}]}') -> 'steps') AS s;
SELECT s -> 'request' AS request FROM jsonb_array_elements(joborch.test_run('{"steps": [
	{"name": "get", "url": "https://example.org", "auth": {"type": "basic", "username": "{{ input.user }}", "password": "{{ secret.api }}"}, "query": {"key": "key={{ secret.key }}"}}]}', '{"user": "u"}', '{"get": {"skip": true}}') -> 'steps') AS s;
SELECT tr('{"steps": [{"name": "get", "type": "http", "url": "{{ input.nothing }}"}]}', '{}', '{"get": {"output": 1}}');

-- in a transaction that sees nothing new, called by PL/pgSQL that goes on after an error
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM tr_log;
DO $$
BEGIN
	PERFORM joborch.test_run('{"steps": [{"name": "get", "type": "http", "url": "https://example.org"}]}'::jsonb);
EXCEPTION WHEN feature_not_supported THEN
	RAISE NOTICE 'caught: %', SQLERRM;
END
$$;
SELECT tr('{"steps": [{"name": "a", "sql": "SELECT 1 AS one"}, {"name": "b", "sql": "SELECT {{ previous.row.one }} + 1 AS two"}]}');
SELECT tr_rows() = :'before' AS nothing_left;
COMMIT;
SELECT tr_rows() = :'before' AS nothing_left;

-- what cannot be carried out needs a stub
\set VERBOSITY default
SELECT joborch.test_run('{"steps": [{"name": "get", "type": "http", "url": "https://example.org"}]}');
SELECT joborch.test_run('{"steps": [{"name": "v", "sql": "VACUUM tr_log", "transaction": "none"}]}');
SELECT joborch.test_run('{"steps": [{"name": "r", "sql": "SELECT 1", "run_as": "pg_monitor"}]}');
SELECT joborch.test_run('{"steps": [{"name": "each", "type": "foreach", "items": [1], "steps": [{"name": "get", "type": "http", "url": "https://example.org"}]}]}');
SELECT tr('{"steps": [{"name": "v", "sql": "VACUUM tr_log", "transaction": "none"}, {"name": "r", "sql": "SELECT 1", "run_as": "pg_monitor"}]}', '{}', '{"v": {"output": 1}, "r": {"output": 2}}');
-- wrong stubs
SELECT joborch.test_run('{"steps": [{"name": "fetch", "sql": "SELECT 1"}]}', '{}', '{"fetsch": {"output": 1}}');
SELECT joborch.test_run('{"steps": [{"name": "fetch", "sql": "SELECT 1"}]}', '{}', '{"fetch": {"outputs": 1}}');
SELECT joborch.test_run('{"steps": [{"name": "fetch", "sql": "SELECT 1"}]}', '{}', '{"fetch": {"output": 1, "error": "x"}}');
SELECT joborch.test_run('{"steps": [{"name": "fetch", "sql": "SELECT 1"}]}', '{}', '{"fetch": [{"output": 1}, {"signal": 1}]}');
SELECT joborch.test_run('{"steps": [{"name": "fetch", "sql": "SELECT 1"}]}', '{}', '{"fetch": []}');
SELECT joborch.test_run('{"steps": [{"name": "fetch", "sql": "SELECT 1"}]}', '{}', '{"fetch": {"error": "x", "sqlstate": "bad"}}');
SELECT joborch.test_run('{"steps": [{"name": "p", "type": "parallel", "steps": [{"name": "fetch", "sql": "SELECT 1"}]}]}', '{}', '{"p": {"output": 1}}');
SELECT joborch.test_run('{"steps": [{"name": "w", "type": "wait_signal"}]}', '{}', '{"w": {"signal": 1, "after": "soon"}}');
SELECT joborch.test_run('{"steps": [{"name": "call", "type": "job", "job": "tr inner", "input": {"n": 1}}]}', '{}', '{"call.tt": {"signal": 1}}');
SELECT joborch.test_run('{"steps": [{"name": "c", "type": "condition", "if": "$.input.x == 1"}]}', '{}', '{"c": {"output": {"branch": "maybe"}}}');
-- wrong definitions
SELECT joborch.test_run('{"steps": [{"name": "get", "type": "http", "url": "{{ steps.nope.output }}", "body": ["{{ inptu.x }}"]}]}');
SELECT joborch.test_run('{"steps": [{"name": "get", "type": "htp", "url": "x"}]}');
SELECT joborch.test_run('{"steps": [{"name": "a", "sql": "SELECT {{ secret.api }}"}]}');
SELECT joborch.test_run('{"steps": [{"name": "a", "sql": "SELEC 1"}]}');
SELECT joborch.test_run('{"steps": [{"name": "a", "sql": "SELECT 1"}], "outer": {}}'::jsonb);
SELECT joborch.test_run(NULL::jsonb);
SELECT joborch.test_run('{"steps": [{"name": "a", "sql": "SELECT 1"}]}', '[]');
-- not within a step
SELECT joborch.test_run('{"steps": [{"name": "a", "sql": "SELECT joborch.test_run(''{}''::jsonb)"}]}') #> '{error,message}' AS message;
SELECT tr_rows() = :'before' AS nothing_left;
SELECT joborch.start_sql('SELECT joborch.test_run(''{}''::jsonb)') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT error ->> 'message' AS message FROM joborch.run_steps(:run);
SELECT joborch.delete_run(:run);
\set VERBOSITY terse

-- after errors all is as before, the clock too
SELECT tr_rows() AS before \gset
SELECT abs(extract(epoch FROM joborch_internal.now() - clock_timestamp())) < 5 AS clock;
-- a cancelled test ends, and leaves nothing
SET statement_timeout = '300 ms';
SELECT joborch.test_run('{"steps": [{"name": "slow", "sql": "SELECT pg_sleep(60)"}]}');
RESET statement_timeout;
SELECT tr_rows() = :'before' AS nothing_left;

-- constraints that are deferred are checked at the step's end, and deferred again for the next one
CREATE TABLE tr_parent (id int PRIMARY KEY);
CREATE TABLE tr_child (id int REFERENCES tr_parent DEFERRABLE INITIALLY DEFERRED);
BEGIN;
SELECT tr('{"defaults": {"on_error": "continue"}, "steps": [
	{"name": "bad", "sql": "INSERT INTO tr_child VALUES (1)"},
	{"name": "good", "sql": "INSERT INTO tr_child VALUES (2); INSERT INTO tr_parent VALUES (2)"}]}');
ROLLBACK;

-- as the caller: another role needs no more than the right to call it, and gets no more than its own
CREATE ROLE regress_test_run LOGIN;
GRANT joborch_user TO regress_test_run;
SET ROLE regress_test_run;
SELECT joborch.test_run('{"steps": [{"name": "who", "sql": "SELECT current_user::text AS who"}]}') #> '{output,rows}' AS who;
SELECT joborch.test_run('{"steps": [{"name": "steal", "sql": "SELECT * FROM tr_log"}]}') #> '{error,message}' AS message;
SELECT joborch.test_run('{"steps": [{"name": "steal", "sql": "SELECT * FROM joborch_internal.run"}]}') #> '{error,message}' AS message;
SELECT joborch.test_run('tr inner', '{"n": 1}');
RESET ROLE;
DROP OWNED BY regress_test_run;
DROP ROLE regress_test_run;

-- the visual form
SELECT tr('{"nodes": [{"id": "s", "type": "flow.start"}, {"id": "check-it", "type": "action.command", "data": {"command": "service cron status"}},
	{"id": "e", "type": "flow.end"}], "edges": [{"source": "s", "target": "check-it"}, {"source": "check-it", "target": "e"}]}'::jsonb,
	'{"name": "cron"}', '{"check-it": {"output": {"stdout": "running"}}}');
SELECT joborch.drop_job('tr inner', force => true);
DROP TABLE tr_log, tr_child, tr_parent;
DROP FUNCTION tr, tr_steps, tr_rows;
