-- Which steps run, which are skipped, and how a run ends: the graph's rules.
CREATE FUNCTION graph(p_steps text, p_rest text DEFAULT '') RETURNS jsonb LANGUAGE sql AS $$
	-- 'a; bad < a; c < a bad : all_done {further keys}': c depends on the others; steps named bad... fail
	SELECT jsonb_build_object('steps', jsonb_agg(
		jsonb_build_object('name', w.name,
			'sql', CASE WHEN w.name LIKE 'bad%' THEN 'SELECT 1/0' ELSE 'SELECT 1 AS one' END,
			'depends_on', coalesce(to_jsonb(regexp_split_to_array(nullif(trim(w.parents), ''), '\s+')), '[]'))
		|| CASE WHEN w.rule <> '' THEN jsonb_build_object('trigger_rule', w.rule) ELSE '{}' END
		|| w.more ORDER BY w.position))
		|| CASE WHEN p_rest = '' THEN '{}' ELSE p_rest::jsonb END
	FROM (SELECT t.position, p[1] AS name, coalesce(p[2], '') AS parents, coalesce(p[3], '') AS rule,
			CASE WHEN coalesce(p[4], '') = '' THEN '{}' ELSE p[4]::jsonb END AS more
		FROM regexp_split_to_table(p_steps, '\s*;\s*') WITH ORDINALITY AS t (step, position),
			regexp_match(t.step, '^(\w+)\s*(?:<([^:{]*))?\s*(?::\s*(\w+))?\s*({.*})?$') AS p) AS w
$$;

-- a chain: what follows a failed step is skipped, however far
CALL test.play(graph('a; b < a; c < b')) \gset
SELECT test.story(:run);
CALL test.play(graph('a; bad < a; c < bad; d < c')) \gset
SELECT test.story(:run);
-- depends_on absent: after the step before
CALL test.play('{"steps": [{"name": "bad", "sql": "SELECT 1/0"}, {"name": "b", "sql": "SELECT 1"}, {"name": "c", "sql": "SELECT 1", "depends_on": []}]}') \gset
SELECT test.story(:run);
-- steps may be written in any order
CALL test.play(graph('d < b c; c < a; b < a; a')) \gset
SELECT test.story(:run);
SELECT string_agg(step, ' ' ORDER BY started_at, finished_at) LIKE 'a % d' AS in_order FROM joborch.job_run_steps WHERE run_id = :run;
-- a diamond: a failed side skips the join, the other side goes on
CALL test.play(graph('a; bad < a; c < a; c2 < c; d < bad c2')) \gset
SELECT test.story(:run);
-- many parents, many children
CALL test.play(graph('a; b1 < a; b2 < a; b3 < a; b4 < a; c < b1 b2 b3 b4; d1 < c; d2 < c')) \gset
SELECT test.story(:run);

-- every trigger rule against: all completed, some failed, all failed, some skipped, all skipped
CREATE VIEW rules AS SELECT * FROM unnest('{all_success,all_done,all_failed,one_success,one_failed,none_failed}'::text[]) WITH ORDINALITY AS r (rule, position);
CREATE TABLE cases (position serial, title text, parents text, names text);
INSERT INTO cases (title, parents, names) VALUES
	('both completed', 'p; q', 'p q'),
	('one failed', 'p; bad', 'p bad'),
	('both failed', 'bad1; bad2', 'bad1 bad2'),
	('one skipped', 'p; bad {"on_error": "continue"}; s < bad {"when": {"sql": "SELECT false"}}', 'p s'),
	('one failed, one skipped', 'bad; s {"when": {"sql": "SELECT false"}}', 'bad s'),
	('both skipped', 's {"when": {"sql": "SELECT false"}}; t {"when": {"sql": "SELECT false"}}', 's t');
CREATE TABLE played (run bigint, title text, rule text, at serial);
DO $$
DECLARE
	v record;
BEGIN
	FOR v IN SELECT c.*, r.rule FROM cases c, rules r ORDER BY c.position, r.position LOOP
		INSERT INTO played (run, title, rule)
		VALUES (joborch.start_definition(graph(v.parents || '; x < ' || v.names || ' : ' || v.rule)), v.title, v.rule);
	END LOOP;
END
$$;
SELECT count(*) FROM played WHERE joborch.wait_for_run(run, '30 s') IN ('completed', 'failed');
SELECT p.title, max(s.status) FILTER (WHERE p.rule = 'all_success') AS all_success,
	max(s.status) FILTER (WHERE p.rule = 'all_done') AS all_done, max(s.status) FILTER (WHERE p.rule = 'all_failed') AS all_failed,
	max(s.status) FILTER (WHERE p.rule = 'one_success') AS one_success, max(s.status) FILTER (WHERE p.rule = 'one_failed') AS one_failed,
	max(s.status) FILTER (WHERE p.rule = 'none_failed') AS none_failed
FROM played p, LATERAL joborch.run_steps(p.run) AS s WHERE s.step = 'x' GROUP BY p.title ORDER BY min(p.at);

-- "when": only false skips; the skip goes on to what hangs on nothing else
CALL test.play(graph('a; b < a {"when": "$.steps.a.value == 2"}; c < b; d < c; e < a')) \gset
SELECT test.story(:run);
CALL test.play(graph('a; b < a {"when": "$.steps.a.value == 1"}; c < b')) \gset
SELECT test.story(:run);
CALL test.play(graph('a; b < a {"when": {"sql": "SELECT {{ steps.a.value }}::int > 0"}}; c < b {"when": "$.input.go == true"}'), '{"go": false}') \gset
SELECT test.story(:run);
-- one side skipped, the other not: the join runs
CALL test.play(graph('a; b < a {"when": "$.steps.a.value == 2"}; c < a; d < b c')) \gset
SELECT test.story(:run);
-- a path that leads nowhere compares as false; what is neither true nor false fails the step
CALL test.play(graph('a; b < a {"when": "$.steps.a.row.two == 1"}; c < b')) \gset
SELECT test.story(:run);
CALL test.play(graph('a; b < a {"when": "$.steps.a.row.one > \"x\""}; c < b')) \gset
SELECT test.story(:run);
SELECT error ->> 'sqlstate' AS sqlstate, error ->> 'message' AS message FROM joborch.run_steps(:run) WHERE step = 'b';
CALL test.play(graph('a {"when": {"sql": "SELECT NULL::boolean"}}; b {"when": {"sql": "SELECT 1/0 > 0"}}; c {"when": {"sql": "SELECT true AS x, true AS y"}}; d {"when": {"sql": "SELECT true WHERE false"}}; e {"when": {"sql": "SELECT 1"}}')) \gset
SELECT step, status, error ->> 'sqlstate' AS sqlstate FROM joborch.run_steps(:run);

-- on_error: fail goes on elsewhere, stop begins nothing more, continue is taken for completed
CALL test.play(graph('bad {"on_error": "fail"}; b; c < b; d < bad')) \gset
SELECT test.story(:run);
CALL test.play(graph('a; bad < a {"on_error": "stop", "sql": "SELECT 1 / (count(*) - 1) FROM test.await_step({{ run.id }}, ''c'', ''running'')"}; c < a {"sql": "SELECT test.await_step({{ run.id }}, ''bad'', ''failed'')"}; d < c; e < bad : all_done')) \gset
SELECT test.story(:run);
CALL test.play(graph('bad {"on_error": "continue"}; b < bad; c < b')) \gset
SELECT test.story(:run);
SELECT joborch.run_output(:run) -> 'rows' AS output;
CALL test.play(graph('bad {"on_error": "continue"}; b < bad : one_failed; c < bad : all_failed; d < bad : none_failed')) \gset
SELECT test.story(:run);
-- a failure that a dependent handles still fails the run, unless it was to continue
CALL test.play(graph('bad; b < bad : one_failed')) \gset
SELECT test.story(:run);
-- the first failure is the run's
CALL test.play(graph('bad1; bad2 < bad1 : all_done')) \gset
SELECT status, error ->> 'step' AS step, failed_steps, completed_steps, total_steps FROM joborch.job_runs WHERE run_id = :run;

-- on_failure only after a failure, finally always, and both after everything else
CALL test.play(graph('a; bad < a; c < a', '{"on_failure": [{"name": "f1", "sql": "SELECT 1"}, {"name": "f2", "sql": "SELECT 2"}], "finally": {"name": "last", "sql": "SELECT 3"}}')) \gset
SELECT test.story(:run);
SELECT bool_and(f.started_at >= m.finished_at) AS after FROM joborch.job_run_steps f, joborch.job_run_steps m
WHERE f.run_id = :run AND m.run_id = :run AND f.step IN ('f1', 'f2', 'last') AND m.step IN ('a', 'bad', 'c');
CALL test.play(graph('a', '{"on_failure": {"name": "f1", "sql": "SELECT 1"}, "finally": {"name": "last", "sql": "SELECT 3"}}')) \gset
SELECT test.story(:run);
-- they see what happened
CALL test.play(graph('a; bad < a', '{"on_failure": {"name": "f1", "sql": "SELECT {{ steps.bad.error.sqlstate }} AS sqlstate, {{ steps.bad.status }} AS status, {{ steps.a.status }} AS other"}}')) \gset
SELECT output -> 'rows' AS rows FROM joborch.run_steps(:run) WHERE step = 'f1';
-- a failed on_failure step does not hide the failure; a failed finally step fails the run
CALL test.play(graph('bad', '{"on_failure": {"name": "f1", "sql": "SELECT 1/0"}, "finally": {"name": "last", "sql": "SELECT 3"}}')) \gset
SELECT test.story(:run);
SELECT error ->> 'step' AS step FROM joborch.job_runs WHERE run_id = :run;
CALL test.play(graph('a', '{"finally": [{"name": "last", "sql": "SELECT nothing"}, {"name": "l2", "sql": "SELECT 1"}]}')) \gset
SELECT test.story(:run);
-- a step stopped by on_error "stop" does not stop the later phases
CALL test.play(graph('bad {"on_error": "stop"}; b < bad : all_done', '{"on_failure": {"name": "f1", "sql": "SELECT 1"}, "finally": {"name": "last", "sql": "SELECT 3"}}')) \gset
SELECT test.story(:run);
-- cancelled: finally runs, on_failure does not, what was not begun is cancelled
SELECT joborch.start_definition(graph('a; b < a', '{"on_failure": {"name": "f1", "sql": "SELECT 1"}, "finally": {"name": "last", "sql": "SELECT 3"}}'), run_at => now() + interval '1 day') AS run \gset
SELECT joborch.cancel_run(:run) IS NOT NULL AS asked;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.story(:run);

-- outputs: of one leaf the value, of several an object; "output" of step and job
CALL test.play(graph('a; b < a; c < a')) \gset
SELECT joborch.run_output(:run);
CALL test.play('{"steps": [{"name": "a", "sql": "SELECT 7 AS n", "output": {"n": "{{ result.value }}", "text": "n={{ result.row.n }}"}}], "output": {"is": "{{ steps.a.output }}", "who": "{{ input.who }}"}}', '{"who": "me"}') \gset
SELECT joborch.run_output(:run);
-- an "output" that cannot be made fails the run
CALL test.play('{"steps": [{"name": "a", "sql": "SELECT 7 AS n"}], "output": "{{ steps.a.row.m }}"}') \gset
SELECT status, error ->> 'sqlstate' AS sqlstate, error ->> 'message' AS message FROM joborch.job_runs WHERE run_id = :run;
CALL test.play('{"steps": [{"name": "a", "sql": "SELECT 7 AS n", "output": "{{ result.row.m }}"}]}') \gset
SELECT test.story(:run);

SELECT * FROM joborch.check();
DROP VIEW rules;
DROP TABLE cases, played;
DROP FUNCTION graph(text, text);
