-- Starting runs: what is given with them, and in which order they begin.
SELECT joborch.create_job('starter', '{"steps": [{"name": "s", "sql": "SELECT {{ input.n | default(0) }}::int AS n"}]}') AS job \gset

-- what is given is kept
SELECT joborch.start('starter', '{"n": 7}', priority => 'urgent', name => 'a name', tags => '{b,a}', metadata => '{"k": [1]}', correlation_id => 'c-1', traceparent => '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT job, version, status, owner = current_user AS mine, requested_by = current_user AS by_me, name, priority, queue, input, tags, metadata, correlation_id, traceparent, idempotency_key, run_at = created_at AS at_once, progress
FROM joborch.job_runs WHERE run_id = :run;
-- by id; with nothing; with NULLs for what has a default
SELECT joborch.start(:'job') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s'), joborch.run_output(:run) -> 'rows' AS rows;
SELECT joborch.start('starter', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');

-- what is refused
SELECT test.refused(c) FROM unnest(ARRAY[
	$$SELECT joborch.start('startr')$$, $$SELECT joborch.start('999999999')$$, $$SELECT joborch.start(NULL)$$, $$SELECT joborch.start('')$$,
	$$SELECT joborch.start('starter', priority => 'highest')$$, $$SELECT joborch.start('starter', queue => 'nowhere')$$, $$SELECT joborch.start('starter', run_at => 'infinity')$$,
	$$SELECT joborch.start('starter', '[1]')$$, $$SELECT joborch.start('starter', '"x"')$$, $$SELECT joborch.start('starter', 'null')$$,
	$$SELECT joborch.start('starter', on_duplicate => 'ignore', idempotency_key => 'x')$$,
	$$SELECT joborch.start_definition(NULL)$$, $$SELECT joborch.start_definition('{}')$$, $$SELECT joborch.start_sql(NULL)$$, $$SELECT joborch.start_sql('SELEC 1')$$,
	$$SELECT joborch.start_many('starter')$$, $$SELECT joborch.start_many('starter', -1)$$, $$SELECT joborch.start_many('starter', 2, inputs => '{}')$$,
	$$SELECT joborch.start_many('starter', input_list => '{"a": 1}')$$, $$SELECT joborch.start_many('starter', 100000000)$$, $$SELECT joborch.start_many('starter', input_list => '[1]')$$]) AS c;
SELECT joborch.alter_job('starter', active => false) IS NOT NULL AS altered;
SELECT test.refused($$SELECT joborch.start('starter')$$), test.refused($$SELECT joborch.start_many('starter', 2)$$);
SELECT joborch.alter_job('starter', active => true) IS NOT NULL AS altered;
BEGIN READ ONLY;
SELECT joborch.start('starter');
ROLLBACK;
-- waiting for a run that the own transaction started would wait for ever
BEGIN;
SELECT joborch.start('starter') AS run \gset
SELECT test.refused(format('SELECT joborch.wait_for_run(%s)', :run));
ROLLBACK;

-- input: types, required, defaults, what else is there
SELECT joborch.create_job('typed', '{"input": {"properties": {"since": {"type": "string", "format": "date", "default": "2026-01-01"}, "n": {"type": "integer", "minimum": 1, "maximum": 9}, "mode": {"type": "string", "enum": ["fast", "slow"], "default": "fast"},
	"list": {"type": "array", "items": {"type": "number"}}}, "required": ["n"], "additionalProperties": false},
	"steps": [{"name": "s", "sql": "SELECT {{ input.since }} AS since, {{ input.n }} AS n, {{ input.mode }} AS mode"}]}') IS NOT NULL AS saved;
SELECT joborch.start('typed', '{"n": 3}') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s'), joborch.run_output(:run) -> 'rows' AS rows;
SELECT input FROM joborch.job_runs WHERE run_id = :run;
SELECT test.refused(format('SELECT joborch.start(%L, %L)', 'typed', i)) FROM unnest(ARRAY['{}', '{"n": "3"}', '{"n": 3.5}', '{"n": 0}', '{"n": 10}', '{"n": null}', '{"n": 3, "since": "yesterday"}', '{"n": 3, "mode": "odd"}',
	'{"n": 3, "list": [1, "2"]}', '{"n": 3, "other": 1}', '{"n": 99, "mode": 1, "other": 1}']) AS i;
SELECT test.refused($$SELECT joborch.start_many('typed', input_list => '[{"n": 1}, {"n": 99}]')$$);
SELECT count(*) FROM joborch.list_runs(job => 'typed');
SELECT code, path, message FROM joborch.validate_job('{"input": {"properties": {"a": {"type": "colour"}, "b": {"type": "string", "dependencies": {}}}, "required": ["c"]}, "steps": [{"name": "s", "sql": "SELECT 1"}]}') ORDER BY path, code;

-- idempotency: the same key is the same run, for the same job and owner
SELECT joborch.start('starter', '{"n": 1}', idempotency_key => 'once') AS run \gset
SELECT joborch.start('starter', '{"n": 2}', idempotency_key => 'once') = :run AS same;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT joborch.start('starter', idempotency_key => 'once') = :run AS same_when_finished, joborch.start('typed', '{"n": 1}', idempotency_key => 'once') <> :run AS other_job,
	joborch.start_sql('SELECT 1', idempotency_key => 'once') NOT IN (:run) AS ad_hoc;
SELECT joborch.start_sql('SELECT 2', idempotency_key => 'once') = (SELECT max(run_id) FROM joborch.job_runs WHERE idempotency_key = 'once' AND job IS NULL) AS ad_hoc_again;
SELECT regexp_replace(test.refused($$SELECT joborch.start('starter', idempotency_key => 'once', on_duplicate => 'error')$$), 'run \d+', 'run N');
BEGIN;
SELECT joborch.start('starter', idempotency_key => 'taken back') > 0 AS started;
ROLLBACK;
SELECT count(*) FROM joborch_internal.run_key WHERE idempotency_key = 'taken back';
SELECT joborch.start('starter', idempotency_key => 'once', input => '{"n": 5}') = :run AS same;
SELECT count(*) FROM joborch.job_runs WHERE idempotency_key = 'once' AND job = 'starter';
-- a deleted run gives its key back
SELECT joborch.delete_run(:run);
SELECT joborch.start('starter', idempotency_key => 'once') <> :run AS another;

-- many at once
SELECT count(*), count(DISTINCT r) FROM joborch.start_many('starter', 2500, tags => '{many}') AS r;
SELECT count(*) FROM joborch.start_many('starter', inputs => ARRAY['{"n": 1}', '{"n": 2}', NULL]::jsonb[], tags => '{many}');
SELECT count(*) FROM joborch.start_many('starter', input_list => '[{"n": 10}, {"n": 20}]', tags => '{many}', correlation_id => 'batch');
SELECT count(*) FROM joborch.start_many('starter', 0);
SELECT test.poll($$SELECT NOT EXISTS (SELECT FROM joborch.job_runs WHERE tags = '{many}' AND status NOT IN ('completed', 'failed'))$$);
SELECT status, count(*), sum((output #>> '{rows,0,n}')::int) AS sum FROM joborch.job_runs WHERE tags = '{many}' GROUP BY status;

-- run_at: not before; in the past is at once
SELECT joborch.start('starter', run_at => joborch_internal.now() + interval '40 ms') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT started_at >= run_at AS not_early FROM joborch.job_runs WHERE run_id = :run;
SELECT joborch.start('starter', run_at => '2001-01-01') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');

-- in the order of priority, and of time within it: what is due at the same moment begins as
-- the queue says; several executors may overtake each other by a step or so
SELECT count(*) FROM (SELECT joborch.start_sql('SELECT clock_timestamp()', priority => p, run_at => due, name => p, tags => '{ordered}')
	FROM (SELECT joborch_internal.now() + interval '60 ms' AS due) d, unnest('{low,medium,high,critical}'::text[]) AS p, generate_series(1, 50)) s;
SELECT test.poll($$SELECT NOT EXISTS (SELECT FROM joborch.job_runs WHERE tags = '{ordered}' AND status NOT IN ('completed', 'failed'))$$);
SELECT name, avg(rank) BETWEEN low AND low + 60 AS in_its_quarter
FROM (SELECT name, row_number() OVER (ORDER BY started_at, run_id) AS rank, 50 * (array_position('{critical,high,medium,low}', name) - 1) - 5 AS low FROM joborch.job_runs WHERE tags = '{ordered}') r
GROUP BY name, low ORDER BY low;
SELECT count(*) > 190 AS in_order_of_time FROM (SELECT run_id > lag(run_id, 8, 0::bigint) OVER (PARTITION BY name ORDER BY started_at, run_id) AS later FROM joborch.job_runs WHERE tags = '{ordered}') r WHERE later;

SELECT test.poll('SELECT count(*) = 0 FROM joborch_internal.live');
SELECT * FROM joborch.check();
SELECT joborch.drop_job('starter'), joborch.drop_job('typed');
