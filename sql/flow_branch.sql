-- Steps that decide where a run goes: condition, switch, parallel, race, join, end.

-- ---- condition ----
CREATE FUNCTION flow_condition(p_if text, p_rest text DEFAULT '{}') RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('steps', jsonb_build_array(
		'{"name": "n", "sql": "SELECT 1 AS one"}'::jsonb,
		'{"name": "c", "type": "condition",
			"then": [{"name": "t1", "sql": "SELECT {{ previous.value }}::int + 1 AS v"}, {"name": "t2", "sql": "SELECT {{ previous.value }}::int + 1 AS v"}],
			"else": {"name": "e1", "sql": "SELECT 10 AS v"}}'::jsonb || jsonb_build_object('if', p_if) || p_rest::jsonb,
		'{"name": "after", "type": "transform", "value": ["{{ steps.c.output }}", "{{ previous.output }}"]}'::jsonb))
$$;
CALL test.play(flow_condition('$.input.n > 1'), '{"n": 2}') \gset
SELECT test.story(:run), test.outcome(:run, 'after');
CALL test.play(flow_condition('$.input.n > 1'), '{"n": 1}') \gset
SELECT test.story(:run), test.outcome(:run, 'after');
-- no else: the output is null; a skipped last step: the same
CALL test.play(flow_condition('$.input.n > 1', '{"else": []}'), '{"n": 1}') \gset
SELECT test.story(:run), test.outcome(:run, 'after');
CALL test.play(flow_condition('$.input.n > 1', '{"else": [{"name": "e1", "sql": "SELECT 1"}, {"name": "e2", "sql": "SELECT 1", "when": "$.input.n > 1"}]}'), '{"n": 1}') \gset
SELECT test.story(:run), test.outcome(:run, 'after');
-- a failure inside is the container's, whose on_error decides about the run
CALL test.play(flow_condition('$.input.n > 1', '{"else": [{"name": "e1", "sql": "SELECT 1/0"}, {"name": "e2", "sql": "SELECT 1"}]}'), '{"n": 1}') \gset
SELECT test.story(:run);
SELECT test.outcome(:run, 'c');
CALL test.play(flow_condition('$.input.n > 1', '{"on_error": "continue", "else": [{"name": "e1", "sql": "SELECT 1/0"}, {"name": "e2", "sql": "SELECT 1"}]}'), '{"n": 1}') \gset
SELECT test.story(:run);
CALL test.play(flow_condition('$.input.n > 1', '{"else": [{"name": "e1", "sql": "SELECT 1/0", "on_error": "continue"}, {"name": "e2", "sql": "SELECT 1 AS v"}]}'), '{"n": 1}') \gset
SELECT test.story(:run);
SELECT test.outcome(:run, 'c');
-- neither true nor false; an error of the path
CALL test.play(flow_condition('$.input.n > "x"'), '{"n": 1}') \gset
SELECT test.story(:run);
SELECT test.outcome(:run, 'c');
-- when: the whole container is skipped
CALL test.play(flow_condition('$.input.n > 1', '{"when": "$.input.n > 5"}'), '{"n": 2}') \gset
SELECT test.story(:run);
-- by SQL; nested; the bare form, whose dependents name the branch
CALL test.play('{"steps": [{"name": "a", "sql": "SELECT 5 AS v"},
	{"name": "outer", "type": "condition", "if": {"sql": "SELECT {{ steps.a.value }}::int = 5"}, "then": [
		{"name": "inner", "type": "condition", "if": "$.steps.a.value == 6", "then": [{"name": "x", "sql": "SELECT 1"}],
			"else": [{"name": "y", "sql": "SELECT 7 AS v", "output": "{{ result.value }}"}]}]}]}') \gset
SELECT test.story(:run);
SELECT test.outcome(:run, 'inner'), test.outcome(:run, 'outer');
CALL test.play('{"steps": [{"name": "c", "type": "condition", "if": "$.input.n == 1"},
	{"name": "yes", "sql": "SELECT 1", "depends_on": [{"step": "c", "branch": "true"}]}, {"name": "no", "sql": "SELECT 1", "depends_on": [{"step": "c", "branch": "else"}]},
	{"name": "both", "sql": "SELECT 1", "depends_on": ["yes", "no"]}]}', '{"n": 2}') \gset
SELECT test.story(:run), test.outcome(:run, 'c');

-- ---- switch ----
CREATE FUNCTION flow_switch(p_rest text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('steps', jsonb_build_array('{"name": "s", "type": "switch", "cases": [
			{"name": "first", "if": "$.input.n > 10", "steps": [{"name": "big", "sql": "SELECT 1"}]},
			{"if": "$.input.n > 5", "steps": [{"name": "middle", "sql": "SELECT 2"}]}]}'::jsonb || p_rest::jsonb))
$$;
CALL test.play(flow_switch('{}'), '{"n": 20}') \gset
SELECT test.story(:run);
CALL test.play(flow_switch('{}'), '{"n": 7}') \gset
SELECT test.story(:run);
CALL test.play(flow_switch('{}'), '{"n": 1}') \gset
SELECT test.story(:run);
SELECT test.outcome(:run, 's');
CALL test.play(flow_switch('{"default": []}'), '{"n": 1}') \gset
SELECT test.story(:run), test.outcome(:run, 's');
CALL test.play(flow_switch('{"default": [{"name": "d", "sql": "SELECT 3 AS v", "output": "{{ result.value }}"}]}'), '{"n": 1}') \gset
SELECT test.story(:run), test.outcome(:run, 's');
-- values: as numbers they are the same however they are written
SELECT '{"value": "{{ input.v }}", "cases": [{"equals": 1, "steps": [{"name": "one", "sql": "SELECT 1"}]}, {"equals": "1", "steps": [{"name": "text", "sql": "SELECT 2"}]},
	{"equals": {"a": ["{{ input.w }}"]}, "steps": [{"name": "object", "sql": "SELECT 3"}]}, {"equals": null, "steps": [{"name": "none", "sql": "SELECT 4"}]}]}' AS by_value \gset
CALL test.play(flow_switch(:'by_value'), '{"v": 1.0, "w": 2}') \gset
SELECT test.story(:run);
CALL test.play(flow_switch(:'by_value'), '{"v": "1", "w": 2}') \gset
SELECT test.story(:run);
CALL test.play(flow_switch(:'by_value'), '{"v": {"a": [2]}, "w": 2}') \gset
SELECT test.story(:run);
CALL test.play(flow_switch(:'by_value'), '{"v": null, "w": 2}') \gset
SELECT test.story(:run);
CALL test.play(flow_switch(:'by_value'), '{"v": 3, "w": 2}') \gset
SELECT test.outcome(:run, 's');

-- ---- parallel ----
CALL test.play('{"steps": [{"name": "p", "type": "parallel", "branches": [
		[{"name": "a1", "sql": "SELECT 1 AS v"}, {"name": "a2", "type": "transform", "value": "{{ previous.value }}"}], [{"name": "b", "type": "transform", "value": "x"}],
		[{"name": "c", "type": "transform", "value": 1, "when": "$.input.n == 2"}]]},
	{"name": "after", "type": "transform", "value": "{{ steps.p.output }}"}]}', '{"n": 1}') \gset
SELECT test.story(:run);
SELECT test.outcome(:run, 'after');
CALL test.play('{"steps": [{"name": "p", "type": "parallel", "max_concurrent": 1, "steps": [{"name": "a", "type": "transform", "value": 1}, {"name": "b", "type": "transform", "value": 2}, {"name": "c", "type": "transform", "value": "{{ steps.a.output }}", "depends_on": ["a"]}]}]}') \gset
SELECT test.story(:run);
SELECT test.outcome(:run, 'p');
-- a failed branch: the others go on, then the container fails
CALL test.play('{"steps": [{"name": "p", "type": "parallel", "steps": [{"name": "a", "sql": "SELECT 1/0"}, {"name": "b", "sql": "SELECT 1"}]}, {"name": "after", "sql": "SELECT 1"}]}') \gset
SELECT test.story(:run);
SELECT test.outcome(:run, 'p');
-- the first that completes is enough; the others go on
SELECT joborch.start_definition('{"steps": [{"name": "p", "type": "parallel", "wait_for_all": false, "steps": [{"name": "slow", "type": "wait_signal"}, {"name": "quick", "type": "transform", "value": 1}]}, {"name": "after", "type": "transform", "value": "{{ steps.p.output }}"}]}') AS run \gset
SELECT test.await_step(:run, 'after', 'completed');
SELECT test.outcome(:run, 'after'), joborch.run_status(:run) IN ('pending', 'running') AS unfinished;
SELECT joborch.signal_run(:run, 'slow') > 0 AS sent;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.story(:run);

-- ---- race ----
CALL test.play('{"steps": [{"name": "r", "type": "race", "steps": [{"name": "slow", "sql": "SELECT pg_sleep(60)"}, {"name": "waits", "type": "wait_signal"}, {"name": "quick", "type": "transform", "value": 1}]}, {"name": "after", "type": "transform", "value": "{{ steps.r.output }}"}]}') \gset
SELECT test.story(:run);
SELECT test.outcome(:run, 'after');
-- a failed one has not won; all failed: the race fails
CALL test.play('{"steps": [{"name": "r", "type": "race", "branches": [[{"name": "a", "sql": "SELECT 1/0"}], [{"name": "b", "sql": "SELECT pg_sleep(0.05)"}, {"name": "b2", "type": "transform", "value": "won"}]]}]}') \gset
SELECT test.story(:run);
SELECT test.outcome(:run, 'r');
CALL test.play('{"steps": [{"name": "r", "type": "race", "steps": [{"name": "a", "sql": "SELECT 1/0"}, {"name": "b", "sql": "SELECT 1/0"}]}]}') \gset
SELECT test.story(:run);
SELECT test.outcome(:run, 'r');

-- ---- what was not carried out is skipped ----
CALL test.play('{"steps": [{"name": "c", "type": "condition", "if": "$.input.n > 5"},
	{"name": "yes", "sql": "SELECT 1", "depends_on": {"step": "c", "branch": "true"}}, {"name": "after yes", "sql": "SELECT 1"},
	{"name": "no", "sql": "SELECT 2 AS v", "depends_on": {"step": "c", "branch": "false"}},
	{"name": "words", "type": "transform", "depends_on": ["after yes", "no"], "value": ["{{ steps.yes.status }}", "{{ steps[\"after yes\"].status }}", "{{ steps.no.status }}", "{{ steps.yes.output | default(\"none\") }}", "{{ steps.yes.value | default(null) }}", "{{ steps.yes }}"]},
	{"name": "path", "type": "transform", "path": "$.steps.yes.status == \"skipped\" && $.steps.\"after yes\".status == \"skipped\" && !exists($.steps.yes.output)"},
	{"name": "output", "type": "transform", "value": "{{ steps.yes.output }}"}],
	"finally": {"name": "late", "type": "transform", "value": "{{ steps.yes.status }}, {{ steps.output.status }}"}}', '{"n": 1}') \gset
SELECT test.outcome(:run, 'words');
SELECT test.outcome(:run, 'path'), test.outcome(:run, 'output'), test.outcome(:run, 'late');
-- inside of a branch that was not taken; what stops before anything else
CALL test.play('{"steps": [{"name": "c", "type": "condition", "if": "$.input.n > 5", "then": [{"name": "in", "sql": "SELECT 1"}]}, {"name": "e", "type": "end"}, {"name": "never", "sql": "SELECT 1"}],
	"finally": {"name": "late", "type": "transform", "value": "{{ steps.in.status }}, {{ steps.never.status }}"}, "output": "{{ steps.never.status }}"}', '{"n": 1}') \gset
SELECT test.outcome(:run, 'late'), joborch.run_output(:run);
-- a body reads what is around it
CALL test.play('{"steps": [{"name": "c", "type": "condition", "if": "$.input.n > 5", "then": [{"name": "in", "sql": "SELECT 1"}]},
	{"name": "x", "type": "foreach", "items": [1], "steps": [{"name": "body", "type": "transform", "value": "{{ steps.in.status }}"}]}]}', '{"n": 1}') \gset
SELECT test.outcome(:run, 'x');
-- what need not be over is not said to be skipped
CALL test.play('{"steps": [{"name": "fast", "depends_on": [], "sql": "SELECT 1"}, {"name": "slow", "depends_on": [], "type": "wait_signal", "timeout": "300 ms", "on_timeout": "skip"},
	{"name": "j", "type": "join", "mode": "any", "depends_on": ["fast", "slow"]},
	{"name": "early", "type": "transform", "value": "{{ steps.slow.status | default(\"not over\") }}", "depends_on": ["j"]},
	{"name": "one", "type": "transform", "value": "{{ steps.slow.status | default(\"not over\") }}", "depends_on": ["fast", "slow"], "trigger_rule": "one_success"},
	{"name": "all", "type": "transform", "value": "{{ steps.slow.status }}", "depends_on": ["early", "slow"]}]}') \gset
SELECT test.outcome(:run, 'early'), test.outcome(:run, 'one'), test.outcome(:run, 'all');
-- nor what lost a race to be anything but over
CALL test.play('{"steps": [{"name": "r", "type": "race", "steps": [{"name": "quick", "sql": "SELECT 1"}, {"name": "idle", "type": "wait_signal"}]},
	{"name": "after", "type": "transform", "value": ["{{ steps.quick.status }}", "{{ steps.idle.status }}"]}]}') \gset
SELECT test.outcome(:run, 'after');

-- ---- join ----
CALL test.play('{"steps": [{"name": "a", "depends_on": [], "type": "transform", "value": 1}, {"name": "b", "depends_on": [], "type": "transform", "value": {"x": 2}}, {"name": "s", "depends_on": [], "sql": "SELECT 1", "when": "$.input.n == 1"},
	{"name": "j", "type": "join", "depends_on": ["a", "b", "s"]}]}', '{"n": 2}') \gset
SELECT test.story(:run), test.outcome(:run, 'j');
SELECT joborch.start_definition('{"steps": [{"name": "a", "depends_on": [], "type": "transform", "value": 1}, {"name": "b", "depends_on": [], "type": "transform", "value": 2}, {"name": "w", "depends_on": [], "type": "wait_signal"},
	{"name": "j", "type": "join", "mode": 2, "depends_on": ["a", "b", "w"]}]}') AS run \gset
SELECT test.await_step(:run, 'j', 'completed');
SELECT test.outcome(:run, 'j'), joborch.run_status(:run) IN ('pending', 'running') AS unfinished;
SELECT joborch.signal_run(:run, 'w') > 0 AS sent;
SELECT joborch.wait_for_run(:run, '30 s');

-- ---- end ----
CALL test.play('{"steps": [{"name": "a", "sql": "SELECT 1 AS v"}, {"name": "e", "type": "end", "message": "v was {{ steps.a.value }}"}, {"name": "b", "sql": "SELECT 1"}]}') \gset
SELECT test.story(:run), test.outcome(:run, 'e');
CALL test.play('{"steps": [{"name": "a", "sql": "SELECT 1 AS v"}, {"name": "e", "type": "end", "status": "failure", "message": "v was {{ steps.a.value }}"}, {"name": "b", "sql": "SELECT 1"}]}') \gset
SELECT test.story(:run);
SELECT test.outcome(:run, 'e');
SELECT error ->> 'message' AS message FROM joborch.job_runs WHERE run_id = :run;
CALL test.play('{"steps": [{"name": "e", "type": "end", "status": "failure"}]}') \gset
SELECT test.outcome(:run, 'e');
CALL test.play('{"steps": [{"name": "a", "sql": "SELECT 1/0", "on_error": "continue"}, {"name": "e", "type": "end", "status": "conditional"}]}') \gset
SELECT test.story(:run);
CALL test.play('{"steps": [{"name": "a", "sql": "SELECT 1/0"}, {"name": "e", "type": "end", "status": "conditional", "trigger_rule": "all_done"}]}') \gset
SELECT test.story(:run);
SELECT test.outcome(:run, 'e');

SELECT * FROM joborch.check();
DROP FUNCTION flow_condition(text, text);
DROP FUNCTION flow_switch(text);
