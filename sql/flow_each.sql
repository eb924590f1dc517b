-- A step repeated for each item of an array, or for each row of a query.

CALL test.play('{"steps": [
	{"name": "x", "foreach": {"items": "{{ input.list }}", "as": "order"}, "type": "transform", "value": ["{{ item }}", "{{ order.n | default(null) }}", "{{ item_index }}"]},
	{"name": "after", "type": "transform", "path": "$.steps.x.output.results[*][2]", "many": true}]}', '{"list": [{"n": 1}, {"n": 2}, "text", null, [5]]}') \gset
SELECT s.step, s.item, s.status, s.output FROM joborch.run_steps(:run) AS s ORDER BY s.step, s.item;
-- rows of a query are objects; the step's SQL has the item as a parameter
CALL test.play('{"steps": [{"name": "x", "foreach": {"items": {"sql": "SELECT g AS n, g * {{ input.k }}::int AS k FROM generate_series(1, 3) AS g"}}, "sql": "SELECT {{ item.k }}::int + {{ item_index }}::int AS v", "output": "{{ result.value }}"}]}', '{"k": 10}') \gset
SELECT test.outcome(:run, 'x');
-- none; more than a chunk; in the items' order
CALL test.play('{"steps": [{"name": "x", "foreach": {"items": []}, "sql": "SELECT 1"}, {"name": "after", "type": "transform", "value": "{{ previous.output.count }}"}]}') \gset
SELECT test.story(:run), test.outcome(:run, 'x');
CALL test.play('{"steps": [{"name": "x", "foreach": {"items": {"sql": "SELECT g AS n FROM generate_series(0, 999) AS g"}}, "type": "transform", "value": "{{ item.n }}"}]}') \gset
SELECT output -> 'count' AS count, jsonb_array_length(output -> 'results') AS results,
	(SELECT bool_and(e.value::integer = e.position - 1) FROM jsonb_array_elements_text(s.output -> 'results') WITH ORDINALITY AS e (value, position)) AS in_order
FROM joborch.run_steps(:run) AS s WHERE s.step = 'x' AND s.item IS NULL;
-- one at a time, and conditions over the whole step
CALL test.play('{"steps": [{"name": "x", "foreach": {"items": [1, 2, 3], "max_parallel": 1}, "type": "transform", "value": "{{ item }}"}, {"name": "no", "foreach": {"items": [1]}, "when": "$.steps.x.output.count == 4", "sql": "SELECT 1"}]}') \gset
SELECT test.outcome(:run, 'x'), test.outcome(:run, 'no');
-- every data step can be repeated; $.item of a filter is the element, the other name is the item
CALL test.play('{"steps": [{"name": "f", "foreach": {"items": [2, 3], "as": "least"}, "type": "filter", "items": [1, 2, 3, 4], "where": "$.item >= $.least"},
	{"name": "a", "foreach": {"items": "{{ steps.f.output.results }}"}, "type": "aggregate", "items": "{{ item }}", "aggregates": {"sum": {"op": "sum", "path": "$"}}}]}') \gset
SELECT test.outcome(:run, 'f'), test.outcome(:run, 'a');

-- the second name of each level, at once; what has none is the innermost's
CALL test.play('{"steps": [{"name": "outer", "type": "foreach", "as": "order", "items": [{"id": 1, "lines": [10, 11]}, {"id": 2, "lines": [20]}], "steps": [
	{"name": "inner", "type": "foreach", "as": "line", "items": "{{ order.lines }}", "steps": [
		{"name": "names", "type": "transform", "value": ["{{ order.id }}", "{{ line }}", "{{ item }}", "{{ item_index }}"]},
		{"name": "path", "type": "transform", "path": "$.order.id * 1000 + $.line + $.item"},
		{"name": "each", "foreach": {"items": ["x", "y"], "as": "part"}, "type": "transform", "value": "{{ order.id }} {{ line }} {{ part }} {{ item }} {{ item_index }}"},
		{"name": "sql", "sql": "SELECT {{ order.id }}::int + {{ line }}::int", "output": "{{ result.value }}"},
		{"name": "filter", "type": "filter", "items": [1, 2], "where": "$.item <= $.order.id && $.line > 0"},
		{"name": "loop", "type": "loop", "while": "$.iteration < $.order.id", "steps": [{"name": "in loop", "type": "transform", "value": "{{ order.id }}/{{ line }}/{{ item }}/{{ iteration }}"}]},
		{"name": "all", "type": "transform", "value": ["{{ steps.names.output }}", "{{ steps.path.output }}", "{{ steps.each.output.results }}", "{{ steps.sql.output }}", "{{ steps.filter.output }}", "{{ steps.loop.output.results }}"]}]}]}]}') \gset
SELECT o.position AS order_number, l.value AS line
FROM joborch.run_steps(:run) AS s, jsonb_array_elements(s.output -> 'results') WITH ORDINALITY AS o (value, position), jsonb_array_elements(o.value -> 'results') AS l
WHERE s.step = 'outer' AND s.item IS NULL;
-- of two levels with the same name the inner one's
CALL test.play('{"steps": [{"name": "outer", "type": "foreach", "as": "n", "items": [1], "steps": [
	{"name": "inner", "foreach": {"items": [2], "as": "n"}, "type": "transform", "value": "{{ n }}"}, {"name": "after", "type": "transform", "value": ["{{ steps.inner.output.results }}", "{{ n }}"]}]}]}') \gset
SELECT test.outcome(:run, 'outer');

-- ---- items that fail ----
CALL test.play('{"steps": [{"name": "x", "foreach": {"items": [1, 0, 2], "max_parallel": 1}, "sql": "SELECT 1 / {{ item }}::int AS v"}, {"name": "after", "sql": "SELECT 1"}]}') \gset
SELECT step, item, status FROM joborch.run_steps(:run) ORDER BY step DESC, item;
SELECT test.outcome(:run, 'x'), error -> 'item' AS item, error -> 'items' AS items, error -> 'failed_items' AS failed FROM joborch.run_steps(:run) WHERE step = 'x' AND item IS NULL;
CALL test.play('{"steps": [{"name": "x", "foreach": {"items": [1, 0, 2], "on_item_error": "continue"}, "sql": "SELECT 1 / {{ item }}::int AS v", "output": "{{ result.value }}"}, {"name": "after", "sql": "SELECT 1"}]}') \gset
SELECT test.outcome(:run, 'x'), joborch.run_status(:run) AS status;
CALL test.play('{"steps": [{"name": "x", "foreach": {"items": [1, 0, 2, 0], "on_item_error": "continue", "max_failed": 1}, "sql": "SELECT 1 / {{ item }}::int AS v"}]}') \gset
SELECT test.outcome(:run, 'x'), joborch.run_status(:run) AS status;
CALL test.play('{"steps": [{"name": "x", "foreach": {"items": [1, 0, 2, 0], "on_item_error": "continue", "max_failed": 2}, "sql": "SELECT 1 / {{ item }}::int AS v", "output": "{{ result.value }}"}]}') \gset
SELECT test.outcome(:run, 'x'), joborch.run_status(:run) AS status;
-- each item has its own tries
CALL test.play('{"steps": [{"name": "x", "foreach": {"items": [1, 2]}, "retry": {"max_attempts": 3, "initial": "1 ms"},
	"sql": "SELECT 1 / ({{ run.attempt }}::int - {{ item }}::int) AS v", "output": "{{ run.attempt }}"}]}') \gset
SELECT test.outcome(:run, 'x');
SELECT step, item, status, attempts FROM joborch.run_steps(:run) WHERE item IS NOT NULL ORDER BY item;

-- ---- items that are none ----
SELECT '{"steps": [{"name": "x", "foreach": {"items": "{{ input.list }}"}, "sql": "SELECT 1"}]}' AS given \gset
CALL test.play(:'given', '{"list": null}') \gset
SELECT test.outcome(:run, 'x');
CALL test.play(:'given', '{"list": "text"}') \gset
SELECT test.outcome(:run, 'x');
CALL test.play(:'given', '{"list": {"a": 1}}') \gset
SELECT test.outcome(:run, 'x');
CALL test.play(:'given', '{}') \gset
SELECT test.outcome(:run, 'x');
CALL test.play('{"steps": [{"name": "x", "foreach": {"items": {"sql": "SELECT 1 FROM generate_series(1, 100001)"}}, "sql": "SELECT 1"}]}') \gset
SELECT test.outcome(:run, 'x');
SELECT jsonb_build_object('list', jsonb_agg(NULL::integer)) AS many FROM generate_series(1, 100001) \gset
CALL test.play(:'given', :'many') \gset
SELECT test.outcome(:run, 'x');
CALL test.play('{"steps": [{"name": "x", "foreach": {"items": {"sql": "SELECT 1/0"}}, "sql": "SELECT 1"}]}') \gset
SELECT test.outcome(:run, 'x');

SELECT * FROM joborch.check();
