-- Definitions of all step types: what is wrong with them, and how they are drawn.
\pset format unaligned
\pset tuples_only on

CREATE FUNCTION found(p_step jsonb) RETURNS SETOF text LANGUAGE sql AS $$
	-- the findings of a step s that follows a step a
	SELECT format('%s %s: %s%s', f.code, f.path, f.message, ' / ' || f.suggestion)
	FROM joborch.validate_job(jsonb_build_object('steps', jsonb_build_array(
		'{"name": "a", "sql": "SELECT 1 AS n"}'::jsonb, '{"name": "s"}' || p_step))) AS f
$$;

-- what only the server knows: SQL and SQL/JSON paths, wherever they stand
SELECT found('{"type": "condition", "if": "$.steps.a.value >"}');
SELECT found('{"type": "condition", "if": {"sql": "SELEC true"}, "then": {"name": "b", "sql": "SELECT 1"}}');
SELECT found('{"type": "switch", "cases": [{"if": {"sql": "SELECT true FROM"}}, {"if": "$.input.x ="}]}');
SELECT found('{"type": "transform", "sql": "SELECT {{ steps.a.value }} FROM WHERE"}');
SELECT found('{"type": "transform", "path": "$.steps.a.output ? (@"}');
SELECT found('{"type": "transform", "outputs": {"x": {"sql": "SELECT (1"}, "y": {"path": "$.input["}}}');
SELECT found('{"type": "validate", "rules": ["$.value >> 1"]}');
SELECT found('{"type": "aggregate", "items": [], "group_by": "$.", "aggregates": {"n": {"op": "sum", "path": "$.a["}}}');
SELECT found('{"type": "filter", "items": [], "where": "$.item.price >"}');
SELECT found('{"type": "wait_sql", "sql": "SELECT EXISTS ("}');
SELECT found('{"sql": "SELECT 1", "foreach": {"items": {"sql": "SELECT FROM FROM"}}}');
SELECT found('{"type": "loop", "while": "$.iteration <", "until": {"sql": "SELECT tru e f"}, "steps": [{"name": "b", "sql": "SELECT"}, {"name": "c", "sql": "SELEC 1"}]}');
SELECT found('{"type": "job", "definition": {"steps": [{"name": "a", "sql": "SELEC"}]}}');
SELECT found('{"sql": "SELECT 1", "compensate": {"sql": "DROP"}}');
SELECT found('{"type": "parallel", "run_as": "nobody of this name", "steps": [{"name": "b", "sql": "SELECT 1"}]}');
SELECT found('{"run_as": "nobody of this name", "sql": "SELECT 1", "foreach": {"items": [1]}}');

-- the usual mistakes say what to type
SELECT found('{"type": "loop", "steps": [{"name": "b", "sql": "SELECT 1"}]}');
SELECT found('{"type": "condition", "if": "$.steps.a.value > 0", "then": []}');
SELECT found('{"type": "condition", "if": "steps.a.value > 0"}');
SELECT found('{"cases": [{"if": "$.input.x"}]}');
SELECT found('{"type": "parallel", "steps": [{"name": "b", "sql": "SELECT 1"}], "retry": 3, "timeout": "5 min"}');
SELECT found('{"sql": "SELECT {{ item }}"}');
SELECT found('{"sql": "SELECT 1", "foreach": {"items": "{{ steps.a.output.rows }}", "as": "row", "max_paralel": 3}}');
SELECT found('{"type": "condition", "if": "$.steps.a.value > 0", "then": {"name": "b", "sql": "SELECT 1", "depends_on": ["a"]}}');
SELECT found('{"sql": "SELECT 1", "depends_on": [{"step": "a", "on": "falure"}]}');
SELECT found('{"type": "approval", "on_timeout": "reject"}');
SELECT found('{"type": "delay"}');
SELECT found('{"type": "http", "url": "https://u:p@example.com"}');
SELECT format('%s %s: %s', code, path, message) FROM joborch.validate_job('{"outer": {}, "steps": [{"name": "a", "sql": "SELECT 1"}]}');

SELECT found('{"type": "set", "vars": {"a": 1}, "foreach": {"items": [1, 2]}}');

-- drawn
SELECT joborch.create_job('flow define', '{
	"input": {"properties": {"tenant": {"type": "string"}, "amount": {"type": "number"}}},
	"steps": [
	{"name": "orders", "sql": "SELECT 7 AS n", "compensate": {"sql": "SELECT {{ steps.orders.value }}"}},
	{"name": "size", "type": "condition", "if": "$.steps.orders.value > 5",
		"then": [{"name": "many", "sql": "SELECT 1"}, {"name": "kind", "type": "switch", "value": "{{ input.tenant }}",
			"cases": [{"equals": "acme", "steps": {"name": "special", "sql": "SELECT 1"}}, {"name": "other", "if": "$.input.amount > 100"}], "default": []}],
		"else": []},
	{"name": "both", "type": "parallel", "max_concurrent": 2, "branches": [
		[{"name": "left", "sql": "SELECT 1"}, {"name": "left2", "sql": "SELECT {{ previous.output }}::text"}], [{"name": "right", "sql": "SELECT 1"}]]},
	{"name": "each", "sql": "SELECT {{ row }}::text", "retry": 3,
		"foreach": {"items": {"sql": "SELECT g FROM generate_series(1, 3) AS g"}, "as": "row", "max_parallel": 2, "on_item_error": "continue", "max_failed": 1}},
	{"name": "poll", "type": "loop", "until": "$.steps.ask.value == 1", "max_iterations": 5, "delay": "1 s", "steps": [{"name": "ask", "sql": "SELECT 1"}]},
	{"name": "ok", "type": "approval", "approvers": ["postgres"], "timeout": "1 day", "on_timeout": "reject"},
	{"name": "warn", "type": "notify", "channel": "alarms", "depends_on": [{"step": "ok", "on": "failure"}]},
	{"name": "store", "type": "set", "vars": {"done": true}, "depends_on": ["ok"]},
	{"name": "last", "type": "join", "depends_on": ["warn", "store"], "mode": "any"},
	{"name": "stop", "type": "end", "status": "conditional", "message": "{{ input.tenant }} is done"}],
	"finally": {"type": "race", "name": "clean", "steps": [{"name": "c1", "sql": "SELECT 1"}, {"name": "c2", "type": "delay", "duration": "1 min"}]}}') IS NOT NULL AS saved;
SELECT * FROM joborch.explain_job('flow define');
SELECT joborch.job_graph('flow define', 'mermaid');
SELECT joborch.job_graph('flow define', 'dot');
SELECT joborch.drop_job('flow define');
DROP FUNCTION found(jsonb);
