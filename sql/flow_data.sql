-- Steps that make values of values: transform, set, filter, aggregate, validate, notify.

-- ---- transform ----
CALL test.play('{"steps": [
	{"name": "a", "sql": "SELECT 1 AS v, ''x'' AS w UNION ALL SELECT 2, ''y''"},
	{"name": "template", "type": "transform", "value": {"n": "{{ steps.a.row.v }}", "text": "w={{ steps.a.row.w }}", "all": ["{{ input.who }}"]}},
	{"name": "first", "type": "transform", "path": "$.steps.a.output.rows[1].v + 1"},
	{"name": "many", "type": "transform", "path": "$.steps.a.output.rows[*].w", "many": true},
	{"name": "nothing", "type": "transform", "path": "$.steps.a.output.nowhere"},
	{"name": "one", "type": "transform", "sql": "SELECT {{ steps.a.row.v }}::int + 41"},
	{"name": "more", "type": "transform", "sql": "SELECT 1 AS b, 2 AS aa, NULL AS c"},
	{"name": "no row", "type": "transform", "sql": "SELECT 1 WHERE false"},
	{"name": "named", "type": "transform", "outputs": {"p": {"path": "$.input.who"}, "s": {"sql": "SELECT 3"}, "v": "{{ previous.output }}", "lit": 7}},
	{"name": "chain", "type": "transform", "value": "{{ steps.named.output.s }}{{ steps.named.output.lit }}"}]}', '{"who": "me"}') \gset
SELECT s.step, s.status, s.output FROM joborch.run_steps(:run) AS s WHERE s.step NOT IN ('a', 'last');
CALL test.play('{"steps": [{"name": "t", "type": "transform", "path": "strict $.input.list[5]"}]}', '{"list": []}') \gset
SELECT test.outcome(:run, 't');
CALL test.play('{"steps": [{"name": "t", "type": "transform", "sql": "SELECT 1/0"}]}') \gset
SELECT test.outcome(:run, 't');
CALL test.play('{"steps": [{"name": "t", "type": "transform", "sql": "SELECT repeat(''x'', 70000000)"}]}') \gset
SELECT test.outcome(:run, 't');
CALL test.play('{"steps": [{"name": "big", "sql": "SELECT repeat(''x'', 600000) AS x"}, {"name": "t", "type": "transform", "value": ["{{ steps.big.value }}", "{{ steps.big.value }}"]}]}') \gset
SELECT status, output -> 'truncated' AS truncated, output #> '{artifact,size}' AS size FROM joborch.run_steps(:run) WHERE step = 't';

-- an expression stands for the SELECT of it, wherever SQL gives a value
CALL test.play('{"steps": [
	{"name": "number", "type": "transform", "sql": "1 + 1"},
	{"name": "text", "type": "transform", "sql": "upper({{ input.who }}) || {{ steps.number.output }}::text"},
	{"name": "lines", "type": "transform", "sql": ["-- the first", "CASE WHEN {{ input.n }}::int > 3 THEN ''big'' ELSE ''small'' END -- the last"]},
	{"name": "row", "type": "transform", "sql": "ROW(1, {{ input.who }}::text)"},
	{"name": "named", "type": "transform", "outputs": {"n": {"sql": "{{ input.n }}::int * 2"}, "t": {"sql": "(SELECT count(*) FROM pg_class WHERE false)"}}},
	{"name": "if", "type": "condition", "if": {"sql": "{{ input.n }}::int > 3"}, "then": {"name": "in", "type": "transform", "sql": "not true"}},
	{"name": "when", "type": "transform", "sql": "VALUES (7)", "when": {"sql": "{{ input.n }}::int = 5"}},
	{"name": "each", "type": "transform", "value": "{{ item }}", "foreach": {"items": {"sql": "generate_series(1, {{ input.n }}::int)"}}}]}', '{"who": "me", "n": 5}') \gset
SELECT s.step, s.status, s.output FROM joborch.run_steps(:run) AS s WHERE s.item IS NULL;
CALL test.play('{"steps": [{"name": "t", "type": "transform", "sql": "1 / (1 - {{ input.n }}::int)"}]}', '{"n": 1}') \gset
SELECT test.outcome(:run, 't');
SELECT t.text, f.code, f.message
FROM unnest(ARRAY['1 +', '1; SELECT 2', '1, 2', '1 AS a', 'FROM pg_class', '1) FROM pg_class WHERE (true', 'SELEC true', '-- nothing', 'COMMIT']) AS t (text),
	joborch.validate_job(jsonb_build_object('steps', jsonb_build_array(jsonb_build_object('name', 't', 'type', 'transform', 'sql', t.text)))) AS f;
-- a step of type sql has statements
SELECT f.code, f.message FROM joborch.validate_job('{"steps": [{"name": "s", "sql": "1 + 1"}]}') AS f;

-- ---- set: the newest value of each variable ----
CALL test.play('{"vars": {"a": 1, "b": 1}, "steps": [
	{"name": "before", "type": "transform", "value": "{{ vars }}"},
	{"name": "s1", "type": "set", "vars": {"a": 2, "c": "{{ input.n }}"}},
	{"name": "s2", "type": "set", "vars": {"a": "{{ vars.a }}2", "d": ["{{ vars.c }}"]}},
	{"name": "skipped", "type": "set", "vars": {"a": 99}, "when": "$.vars.b == 7"},
	{"name": "after", "type": "transform", "value": "{{ vars }}", "depends_on": ["s2", {"step": "skipped", "on": "always"}]},
	{"name": "asked", "type": "transform", "path": "$.vars.b * 2"},
	{"name": "in sql", "sql": "SELECT {{ vars.c }}::int AS c", "when": "$.vars.a == \"22\""}]}', '{"n": 5}') \gset
SELECT s.step, s.status, s.output FROM joborch.run_steps(:run) AS s;
CALL test.play('{"vars": {"a": 1}, "steps": [{"name": "s", "type": "set", "vars": {"a": 2}}, {"name": "t", "type": "transform", "value": "{{ vars.nothing }}"}]}') \gset
SELECT test.outcome(:run, 't');

-- ---- filter ----
CALL test.play('{"steps": [
	{"name": "limit", "sql": "SELECT 10 AS n"},
	{"name": "f", "type": "filter", "items": "{{ input.list }}", "where": "$.item.p > $.steps.limit.row.n && $.\"item\".k != \"$.item\""},
	{"name": "none", "type": "filter", "items": "{{ input.list }}", "where": "$.item.p > 1000 /* $.item */"},
	{"name": "of none", "type": "filter", "items": [], "where": "$.item > 1"},
	{"name": "scalars", "type": "filter", "items": [1, "a", null, true, [2], {"x": 1}], "where": "exists($.item ? (@.type() == \"number\")) || $.item == null"},
	{"name": "numbers", "type": "filter", "items": [1, 1.0, 1e0, 9007199254740993], "where": "$.item > 9007199254740992 || $.item == 1"},
	{"name": "of input", "type": "filter", "items": "{{ input.list }}", "where": "$.item.p == $.input.list[0].p && !exists($.previous.nothing)"}]}',
	'{"list": [{"k": "a", "p": 20}, {"k": "b", "p": 5}, {"k": "c", "p": 11}, {"k": "$.item", "p": 50}]}') \gset
SELECT s.step, s.output FROM joborch.run_steps(:run) AS s WHERE s.step <> 'limit';
CALL test.play('{"steps": [{"name": "f", "type": "filter", "items": "{{ input.list }}", "where": "$.item > 1"}]}', '{"list": [1, 2, "x"]}') \gset
SELECT test.outcome(:run, 'f');
CALL test.play('{"steps": [{"name": "f", "type": "filter", "items": "{{ input.list }}", "where": "$.item > 1"}]}', '{"list": {"a": 1}}') \gset
SELECT test.outcome(:run, 'f');
CALL test.play('{"steps": [{"name": "f", "type": "filter", "items": "{{ input.list }}", "where": "$.item > 1"}]}', '{"list": null}') \gset
SELECT test.outcome(:run, 'f');
CALL test.play('{"steps": [{"name": "f", "type": "filter", "items": [1], "where": "strict $.item.a > 1"}]}') \gset
SELECT test.outcome(:run, 'f');

-- ---- aggregate: numeric, nulls left out, groups in order of appearance ----
CALL test.play('{"steps": [
	{"name": "all", "type": "aggregate", "items": "{{ input.list }}", "aggregates": {
		"n": {"op": "count"}, "np": {"op": "count", "path": "$.p"}, "sum": {"op": "sum", "path": "$.p"}, "avg": {"op": "avg", "path": "$.p"},
		"min": {"op": "min", "path": "$.p"}, "max": {"op": "max", "path": "$.p"}, "last": {"op": "max", "path": "$.k"}}},
	{"name": "by k", "type": "aggregate", "items": "{{ input.list }}", "group_by": "$.k", "aggregates": {"n": {"op": "count"}, "sum": {"op": "sum", "path": "$.p"}}},
	{"name": "by both", "type": "aggregate", "items": "{{ input.list }}", "group_by": ["$.k", "$.d.e"], "aggregates": {"n": {"op": "count"}}},
	{"name": "of none", "type": "aggregate", "items": [], "aggregates": {"n": {"op": "count"}, "sum": {"op": "sum", "path": "$.p"}, "max": {"op": "max", "path": "$.p"}}},
	{"name": "no groups", "type": "aggregate", "items": [], "group_by": "$.k", "aggregates": {"n": {"op": "count"}}},
	{"name": "exact", "type": "aggregate", "items": [0.1, 0.2, 9007199254740993, 1e30], "aggregates": {"sum": {"op": "sum", "path": "$"}}},
	{"name": "as one", "type": "aggregate", "items": [{"k": 1}, {"k": 1.0}, {"k": "1"}], "group_by": "$.k", "aggregates": {"n": {"op": "count"}}}]}',
	'{"list": [{"k": "b", "p": 1.5, "d": {"e": 1}}, {"k": "a", "p": 2}, {"k": "b", "p": null}, {"k": "b", "p": 0.25, "d": {"e": 1}}, {"p": 7}]}') \gset
SELECT s.step, jsonb_pretty(s.output) AS output FROM joborch.run_steps(:run) AS s;
CALL test.play('{"steps": [{"name": "a", "type": "aggregate", "items": [{"p": 1}, {"p": "2"}], "aggregates": {"s": {"op": "sum", "path": "$.p"}}}]}') \gset
SELECT test.outcome(:run, 'a');
CALL test.play('{"steps": [{"name": "a", "type": "aggregate", "items": [{"p": 1}, {"p": "2"}], "aggregates": {"s": {"op": "max", "path": "$.p"}}}]}') \gset
SELECT test.outcome(:run, 'a');
CALL test.play('{"steps": [{"name": "a", "type": "aggregate", "items": "{{ input.list }}", "aggregates": {"s": {"op": "count"}}}]}', '{"list": 7}') \gset
SELECT test.outcome(:run, 'a');

-- ---- validate: all violations ----
CALL test.play('{"steps": [
	{"name": "row", "sql": "SELECT 5 AS a, ''x'' AS b"},
	{"name": "good", "type": "validate", "value": "{{ steps.row.row }}", "schema": {"type": "object", "properties": {"a": {"minimum": 5}}}, "rules": [{"rule": "$.value.a == $.steps.row.row.a"}]},
	{"name": "bad", "type": "validate", "value": "{{ steps.row.row }}", "fail_on_error": false,
		"schema": {"properties": {"a": {"minimum": 6, "multipleOf": 2}, "b": {"type": "integer"}}, "required": ["c"]},
		"rules": [{"rule": "$.value.a > 5", "message": "a is too small"}, {"rule": "$.value.b < 3"}, {"rule": "$.value.b == \"x\""}]},
	{"name": "raises", "type": "validate", "value": "{{ steps.row.row }}",
		"schema": {"properties": {"a": {"minimum": 6}, "b": {"type": "integer"}}}, "rules": [{"rule": "$.value.a > 5", "message": "a is too small"}]}]}') \gset
SELECT s.step, s.status, jsonb_pretty(s.output) AS output FROM joborch.run_steps(:run) AS s WHERE s.step IN ('good', 'bad');
SELECT test.outcome(:run, 'raises');
CALL test.play('{"steps": [{"name": "v", "type": "validate", "value": "{{ input }}", "rules": [{"rule": "strict $.value.a.b == 1"}]}]}', '{"a": 1}') \gset
SELECT test.outcome(:run, 'v');

-- ---- notify: with the commit, and not before it ----
LISTEN flow_data;
\o | sed 's/ received from.*//'
CALL test.play('{"steps": [{"name": "a", "sql": "SELECT 1 AS n"}, {"name": "tell", "type": "notify", "channel": "flow_{{ input.c }}", "payload": {"n": "{{ steps.a.value }}"}},
	{"name": "text", "type": "notify", "channel": "flow_data", "payload": "n is {{ steps.a.value }}"}, {"name": "empty", "type": "notify", "channel": "flow_data"},
	{"name": "last", "sql": "SELECT 1"}]}', '{"c": "data"}') \gset
\o
UNLISTEN *;
SELECT s.step, s.output FROM joborch.run_steps(:run) AS s WHERE s.step NOT IN ('a', 'last');
CALL test.play('{"steps": [{"name": "n", "type": "notify", "channel": "c", "payload": "{{ input.x }}"}]}', jsonb_build_object('x', repeat('x', 8000))) \gset
SELECT test.outcome(:run, 'n');
CALL test.play('{"steps": [{"name": "n", "type": "notify", "channel": "{{ input.x }}"}]}', jsonb_build_object('x', repeat('x', 64))) \gset
SELECT test.outcome(:run, 'n');
CALL test.play('{"steps": [{"name": "n", "type": "notify", "channel": "{{ input.x }}"}]}', '{"x": null}') \gset
SELECT test.outcome(:run, 'n');

-- ---- cache: of one job's step and key, for a time ----
CREATE SEQUENCE flow_data_seq;
SELECT joborch.create_job('flow cached', '{"steps": [{"name": "c", "sql": "SELECT nextval(''flow_data_seq'') AS n", "cache": {"key": "{{ input.k }}", "ttl": "1 hour"}}]}') > 0 AS saved;
SELECT joborch.create_job('flow cached too', '{"steps": [{"name": "c", "sql": "SELECT nextval(''flow_data_seq'') AS n", "cache": {"key": "{{ input.k }}", "ttl": "1 hour"}}]}') > 0 AS saved;
CREATE TABLE flow_data_runs (run bigint, what text, at serial);
INSERT INTO flow_data_runs (run, what) SELECT joborch.start('flow cached', '{"k": "x"}'), 'x';
SELECT count(joborch.wait_for_run(run, '30 s')) FROM flow_data_runs;
INSERT INTO flow_data_runs (run, what) SELECT joborch.start('flow cached', '{"k": "x"}'), 'again x';
SELECT count(joborch.wait_for_run(run, '30 s')) FROM flow_data_runs;
INSERT INTO flow_data_runs (run, what) SELECT joborch.start('flow cached', '{"k": "y"}'), 'another key';
SELECT count(joborch.wait_for_run(run, '30 s')) FROM flow_data_runs;
INSERT INTO flow_data_runs (run, what) SELECT joborch.start('flow cached too', '{"k": "x"}'), 'another job';
SELECT count(joborch.wait_for_run(run, '30 s')) FROM flow_data_runs;
SELECT r.what, test.outcome(r.run, 'c') FROM flow_data_runs r ORDER BY r.at;
-- a definition that is no job's has nobody to whom an output could belong
CALL test.play('{"steps": [{"name": "c", "sql": "SELECT nextval(''flow_data_seq'') AS n", "cache": {"key": "k", "ttl": "1 hour"}}]}') \gset
CALL test.play('{"steps": [{"name": "c", "sql": "SELECT nextval(''flow_data_seq'') AS n", "cache": {"key": "k", "ttl": "1 hour"}}]}') \gset
SELECT test.outcome(:run, 'c');

SELECT * FROM joborch.check();
DROP TABLE flow_data_runs;
DROP SEQUENCE flow_data_seq;
