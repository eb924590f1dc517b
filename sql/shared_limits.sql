-- What runs share with each other, permits and cached outputs, and how large what
-- containers collect may be.
CREATE ROLE regress_ann LOGIN;
CREATE ROLE regress_ben LOGIN;
CREATE ROLE regress_both LOGIN;
GRANT regress_both TO regress_ann, regress_ben;
SELECT count(joborch.grant_usage(r)) FROM unnest(ARRAY['regress_ann', 'regress_ben', 'regress_both']) AS r;

-- ---- a job and a step with limits: nobody locks one key before the other ----
SELECT joborch.create_job('both limits', '{"concurrency": {"key": "run", "limit": 3},
	"steps": [{"name": "s", "sql": "SELECT 1", "concurrency": {"key": "step", "limit": 2}}]}') > 0 AS created;
SELECT count(*) FROM joborch.start_many('both limits', 300);
SELECT test.poll($$ SELECT NOT EXISTS (SELECT FROM joborch.active_runs WHERE job = 'both limits') $$);
SELECT status, error ->> 'message' AS error, count(*) FROM joborch.job_runs WHERE job = 'both limits' GROUP BY 1, 2;

-- ---- what waits when its run has got a permit begins with it, and not in the middle ----
SELECT joborch.create_job('waits', '{"concurrency": {"key": "one", "limit": 1}, "steps": [
	{"name": "delay", "type": "delay", "duration": "300 ms"},
	{"name": "job", "type": "job", "depends_on": [], "definition": {"steps": [{"name": "x", "type": "transform", "value": 1}]}},
	{"name": "loop", "type": "loop", "depends_on": [], "max_iterations": 30, "steps": [{"name": "y", "sql": "SELECT 1"}]},
	{"name": "signal", "type": "wait_signal", "depends_on": []}]}') > 0 AS created;
SELECT joborch.start('waits', name => 'first') AS first, joborch.start('waits', name => 'second') AS second \gset
SELECT test.await_step(:second, 'signal', 'waiting');
SELECT joborch.signal_run(:first, 'signal') > 0 AS sent, joborch.signal_run(:second, 'signal') > 0 AS sent_early;
SELECT test.finish('first');
SELECT test.finish('second');
SELECT finished_at - started_at >= '300 ms' AS waited FROM joborch.run_steps(:second) WHERE step = 'delay';
SELECT output -> 'iterations' AS iterations, (SELECT count(*) FROM joborch_internal.run r
	WHERE r.parent_run_id = :second AND r.context ? 'iteration') AS runs
FROM joborch.run_steps(:second) WHERE step = 'loop';

-- ---- a queue is everybody's, the runs in it are not ----
SET ROLE regress_ann;
SELECT joborch.create_job('of ann', '{"concurrency": {"key": "k", "limit": 1, "scope": "queue"},
	"steps": [{"name": "w", "type": "wait_signal"}]}') > 0 AS created;
SELECT joborch.start('of ann', name => 'hers') AS hers \gset
SELECT test.await_step(:hers, 'w', 'waiting');
SET ROLE regress_ben;
SELECT joborch.create_job('of ben', '{"concurrency": {"key": "k", "limit": 1, "scope": "queue", "when_full": "cancel_other"},
	"steps": [{"name": "x", "type": "transform", "value": 1}]}') > 0 AS created;
SELECT joborch.start('of ben', name => 'his') AS his \gset
SELECT test.await_step(:his, 'x', 'waiting');
RESET ROLE;
SELECT joborch.signal_run(:hers, 'w') > 0 AS sent;
SELECT test.finish('hers');
SELECT test.finish('his');

-- ---- a job with its caller's rights: nobody gets what another one was allowed to see ----
SET ROLE regress_both;
SELECT joborch.create_job('cached', '{"run_as": "caller",
	"steps": [{"name": "who", "sql": "SELECT current_user", "cache": {"key": "k", "ttl": "1 hour"}}]}') > 0 AS created;
SET ROLE regress_ann;
SELECT joborch.start('cached', name => 'as ann') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s'), joborch.run_output(:run) #> '{rows,0}' AS output;
SET ROLE regress_ben;
SELECT joborch.start('cached', name => 'as ben') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s'), joborch.run_output(:run) #> '{rows,0}' AS output;
RESET ROLE;

-- ---- collected outputs ----
-- of what is allowed inside, as much as there is
CALL test.play('{"steps": [{"name": "p", "type": "parallel", "steps": [
	{"name": "x", "type": "transform", "sql": "SELECT repeat(''x'', 700000)"},
	{"name": "y", "type": "transform", "sql": "SELECT repeat(''y'', 700000)"}]}]}') \gset
SELECT test.story(:run);
-- of a loop the last ones that fit
CALL test.play('{"steps": [{"name": "l", "type": "loop", "max_iterations": 5, "steps": [
	{"name": "x", "type": "transform", "sql": "SELECT repeat(''x'', 400000)"}]}]}') \gset
SELECT output -> 'iterations' AS iterations, jsonb_array_length(output -> 'results') AS results
FROM joborch.run_steps(:run) WHERE step = 'l';
-- an item's output is like a step's: what is too large for its row is an artifact
CALL test.play('{"steps": [{"name": "big", "type": "transform", "sql": "SELECT repeat(''x'', 700000)"},
	{"name": "each", "type": "transform", "foreach": {"items": [1]}, "value": {"a": "{{ previous.output }}", "b": "{{ previous.output }}"}}]}') \gset
SELECT step, item, status, coalesce(output -> 'truncated', output #> '{results,0,truncated}') AS truncated FROM joborch.run_steps(:run) WHERE step = 'each';

-- ---- the run that a loop will read is not trimmed away ----
SELECT joborch.start_definition('{"steps": [{"name": "l", "type": "loop", "while": "$.iteration < 2", "max_iterations": 5,
	"delay": "1 s", "steps": [{"name": "x", "type": "transform", "value": 1}]}]}', name => 'trimmed') AS run \gset
SELECT test.poll(format('SELECT detail ? ''last'' AND child IS NULL FROM joborch_internal.wait WHERE run_id = %s', :run));
SELECT joborch.cleanup_runs('0 s') > 0 AS cleaned;
SELECT test.finish('trimmed');

-- ---- metadata of a native definition is free data, whatever its name ----
SELECT joborch.create_job('not visual', '{"metadata": {"visual": {"x": 1}}, "steps": [{"name": "a", "sql": "SELECT 1"}]}') > 0 AS created;
SELECT joborch.export_jobs('{not visual}') #> '{jobs,0,definition,steps,0,name}' AS step;

SELECT joborch.cleanup_runs('0 s') > 0 AS cleaned;
SELECT count(*) AS left_over FROM joborch_internal.permit;
SELECT count(joborch.drop_job(name)) FROM joborch.jobs
WHERE name IN ('both limits', 'waits', 'of ann', 'of ben', 'cached', 'not visual');
SELECT count(joborch.revoke_usage(r)) FROM unnest(ARRAY['regress_ann', 'regress_ben', 'regress_both']) AS r;
DROP ROLE regress_ann, regress_ben, regress_both;
