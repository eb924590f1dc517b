-- Steps that start runs: job, loop, and foreach with steps of its own.

-- ---- job ----
SELECT joborch.create_job('flow child', '{"steps": [{"name": "a", "sql": "SELECT {{ input.n }}::int * 2 AS d"}, {"name": "b", "type": "transform", "value": {"twice": "{{ steps.a.value }}"}}]}') > 0 AS saved;
SELECT joborch.create_job('flow output', '{"steps": [{"name": "a", "sql": "SELECT 1 AS x"}, {"name": "b", "depends_on": [], "sql": "SELECT 2"}], "output": {"x": "{{ steps.a.value }}"}}') > 0 AS saved;
SELECT joborch.create_job('flow two leaves', '{"steps": [{"name": "a", "type": "transform", "value": 1}, {"name": "b", "depends_on": [], "type": "transform", "value": 2}, {"name": "c", "depends_on": [], "type": "transform", "value": 3, "when": "$.input.n == 7"}]}') > 0 AS saved;
SELECT joborch.create_job('flow fails', '{"steps": [{"name": "bad", "sql": "SELECT 1/0"}]}') > 0 AS saved;
CALL test.play('{"steps": [{"name": "j", "type": "job", "job": "flow child", "input": {"n": "{{ input.n }}"}}, {"name": "after", "type": "transform", "value": "{{ steps.j.output.twice }}"}]}', '{"n": 4}') \gset
SELECT test.story(:run), test.outcome(:run, 'after');
CALL test.play('{"steps": [{"name": "j", "type": "job", "job": "flow {{ input.which }}"}]}', '{"which": "output"}') \gset
SELECT test.outcome(:run, 'j');
CALL test.play('{"steps": [{"name": "j", "type": "job", "job": "flow two leaves", "input": {"n": 1}}]}') \gset
SELECT test.outcome(:run, 'j');
CALL test.play('{"steps": [{"name": "j", "type": "job", "definition": {"steps": [{"name": "inside", "sql": "SELECT {{ input.n }}::int AS n", "output": "{{ result.value }}"}]}, "input": {"n": 3}}]}') \gset
SELECT test.outcome(:run, 'j');
-- failure comes up
CALL test.play('{"steps": [{"name": "j", "type": "job", "job": "flow fails"}, {"name": "after", "sql": "SELECT 1"}]}') \gset
SELECT test.story(:run), test.outcome(:run, 'j');
SELECT error ->> 'run_id' = (SELECT run_id::text FROM joborch.job_runs WHERE parent_run_id = :run) AS its_run FROM joborch.run_steps(:run) WHERE step = 'j';
CALL test.play('{"steps": [{"name": "j", "type": "job", "job": "flow fails", "on_error": "continue"}, {"name": "after", "sql": "SELECT 1"}]}') \gset
SELECT test.story(:run);
CALL test.play('{"steps": [{"name": "j", "type": "job", "job": "flow fails", "retry": {"max_attempts": 2, "initial": "1 ms"}}]}') \gset
SELECT test.story(:run), (SELECT count(*) FROM joborch.job_runs WHERE parent_run_id = :run) AS children;
CALL test.play('{"steps": [{"name": "j", "type": "job", "job": "flow nowhere"}]}') \gset
SELECT test.outcome(:run, 'j');
CALL test.play('{"steps": [{"name": "j", "type": "job", "job": "{{ input.j }}"}]}', '{"j": null}') \gset
SELECT test.outcome(:run, 'j');
CALL test.play('{"steps": [{"name": "j", "type": "job", "job": "flow child", "tags": "{{ input.t }}"}]}', '{"t": "x"}') \gset
SELECT test.outcome(:run, 'j');
-- not awaited; of each item; in time or not
CALL test.play('{"steps": [{"name": "j", "type": "job", "job": "flow child", "input": {"n": 1}, "wait": false}]}') \gset
SELECT output ->> 'run_id' = (SELECT run_id::text FROM joborch.job_runs WHERE parent_run_id = :run) AS its_run FROM joborch.run_steps(:run) WHERE step = 'j';
CALL test.play('{"steps": [{"name": "j", "type": "job", "job": "flow child", "foreach": {"items": [1, 2, 3]}, "input": {"n": "{{ item }}"}}]}') \gset
SELECT test.outcome(:run, 'j');
CALL test.play('{"steps": [{"name": "j", "type": "job", "timeout": "30 ms", "definition": {"steps": [{"name": "w", "type": "wait_signal"}]}}]}') \gset
SELECT error ->> 'sqlstate' AS sqlstate, error ->> 'message' AS message FROM joborch.run_steps(:run) WHERE step = 'j';
SELECT joborch.wait_for_run(run_id, '30 s') AS child FROM joborch.job_runs WHERE parent_run_id = :run;
-- a child that is cancelled
SELECT joborch.start_definition('{"steps": [{"name": "j", "type": "job", "definition": {"steps": [{"name": "w", "type": "wait_signal"}]}}]}') AS run \gset
SELECT test.await_step(:run, 'j', 'waiting');
SELECT run_id AS child FROM joborch.job_runs WHERE parent_run_id = :run \gset
SELECT joborch.cancel_run(:child, force => true) IS NOT NULL AS asked;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.outcome(:run, 'j');

-- ---- foreach with steps: each item is a run, which reads what is around it ----
CALL test.play('{"vars": {"v": 7}, "steps": [{"name": "before", "type": "transform", "value": 100},
	{"name": "x", "type": "foreach", "items": "{{ input.list }}", "as": "it", "steps": [
		{"name": "one", "type": "transform", "value": ["{{ it }}", "{{ item_index }}", "{{ input.k }}"]},
		{"name": "two", "type": "transform", "path": "$.previous.output[0] + $.steps.before.output + $.vars.v"}]},
	{"name": "after", "type": "transform", "value": "{{ steps.x.output.results }}"}]}', '{"list": [1, 2], "k": "k"}') \gset
SELECT test.outcome(:run, 'after');
-- a loop and a condition in it
CALL test.play('{"steps": [{"name": "x", "type": "foreach", "items": [1, 2], "steps": [
	{"name": "c", "type": "condition", "if": "$.item == 1", "then": [{"name": "t", "type": "transform", "value": "one"}],
		"else": [{"name": "l", "type": "loop", "max_iterations": 2, "steps": [{"name": "in", "type": "transform", "value": ["{{ item }}", "{{ iteration }}"]}]}]}]}]}') \gset
SELECT test.outcome(:run, 'x');
CALL test.play('{"steps": [{"name": "x", "type": "foreach", "items": [1, 0], "on_item_error": "continue", "steps": [{"name": "s", "sql": "SELECT 1 / {{ item }}::int AS v", "output": "{{ result.value }}"}]}]}') \gset
SELECT test.outcome(:run, 'x');

-- ---- loop ----
CALL test.play('{"vars": {"n": 1}, "steps": [{"name": "l", "type": "loop", "max_iterations": 10, "until": "$.steps.double.output >= 8", "steps": [
		{"name": "double", "sql": "SELECT {{ vars.n }}::int * 2", "output": "{{ result.value }}"}, {"name": "keep", "type": "set", "vars": {"n": "{{ steps.double.output }}"}}]},
	{"name": "after", "type": "transform", "value": "{{ vars.n }}"}]}') \gset
SELECT test.story(:run), test.outcome(:run, 'after');
SELECT test.outcome(:run, 'l');
SELECT '{"name": "s", "type": "transform", "value": {"i": "{{ iteration }}", "before": "{{ previous.output.i | default(-1) }}"}}' AS body \gset
CALL test.play(format('{"steps": [{"name": "l", "type": "loop", "max_iterations": 3, "steps": [%s]}]}', :'body')::jsonb) \gset
SELECT test.outcome(:run, 'l');
CALL test.play(format('{"steps": [{"name": "l", "type": "loop", "while": "$.iteration < 2", "delay": "10 ms", "steps": [%s]}]}', :'body')::jsonb) \gset
SELECT test.outcome(:run, 'l');
CALL test.play(format('{"steps": [{"name": "l", "type": "loop", "while": "$.iteration < 0", "steps": [%s]}]}', :'body')::jsonb) \gset
SELECT test.outcome(:run, 'l');
CALL test.play(format('{"steps": [{"name": "l", "type": "loop", "max_iterations": 9, "break": "$.steps.s.output.i == 1", "steps": [%s]}]}', :'body')::jsonb) \gset
SELECT test.outcome(:run, 'l');
CALL test.play(format('{"steps": [{"name": "l", "type": "loop", "max_iterations": 9, "until": {"sql": "SELECT {{ steps.s.output.i }}::int + {{ iteration }}::int = 4"}, "steps": [%s]}]}', :'body')::jsonb) \gset
SELECT test.outcome(:run, 'l');
-- the limit
CALL test.play(format('{"steps": [{"name": "l", "type": "loop", "max_iterations": 2, "until": "$.iteration > 5", "steps": [%s]}]}', :'body')::jsonb) \gset
SELECT test.outcome(:run, 'l');
CALL test.play(format('{"steps": [{"name": "l", "type": "loop", "max_iterations": 2, "until": "$.iteration > 5", "on_max": "continue", "steps": [%s]}]}', :'body')::jsonb) \gset
SELECT test.outcome(:run, 'l');
-- an iteration that fails; a condition that cannot be answered
CALL test.play('{"steps": [{"name": "l", "type": "loop", "max_iterations": 3, "steps": [{"name": "s", "sql": "SELECT 1 / (1 - {{ iteration }}::int)"}]}]}') \gset
SELECT test.outcome(:run, 'l'), error -> 'iteration' AS iteration FROM joborch.run_steps(:run) WHERE step = 'l';
CALL test.play(format('{"steps": [{"name": "l", "type": "loop", "max_iterations": 3, "until": "$.steps.s.output.i > \"x\"", "steps": [%s]}]}', :'body')::jsonb) \gset
SELECT test.outcome(:run, 'l');
CALL test.play('{"steps": [{"name": "l", "type": "loop", "max_iterations": 3, "timeout": "30 ms", "steps": [{"name": "w", "type": "wait_signal"}]}]}') \gset
SELECT error ->> 'sqlstate' AS sqlstate FROM joborch.run_steps(:run) WHERE step = 'l';
SELECT joborch.wait_for_run(run_id, '30 s') AS child FROM joborch.job_runs WHERE parent_run_id = :run;
-- of many iterations the last hundred are kept
CALL test.play(format('{"steps": [{"name": "l", "type": "loop", "max_iterations": 103, "steps": [%s]}]}', :'body')::jsonb) \gset
SELECT output -> 'iterations' AS iterations, jsonb_array_length(output -> 'results') AS results, output #> '{results,0,i}' AS first, output #> '{output,i}' AS last FROM joborch.run_steps(:run) WHERE step = 'l';

SELECT count(*) FROM joborch_internal.wait w JOIN joborch_internal.ends USING (run_id);
SELECT * FROM joborch.check();
