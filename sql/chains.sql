-- What follows the end of a run: runs that depend on it, batches, jobs that start after its job.
\set VERBOSITY terse
SET client_min_messages = warning;

CREATE TABLE chain_log (n serial, what text);
GRANT ALL ON chain_log, chain_log_n_seq TO PUBLIC;
SELECT joborch.create_job('chain_gate', '{"steps": [{"name": "go", "type": "wait_signal"}]}') > 0
	AND joborch.create_job('chain_bad', '{"steps": [{"name": "go", "type": "wait_signal"}, {"name": "fail", "sql": "SELECT 1 / 0"}]}') > 0
	AND joborch.create_job('chain_log', '{"input": {"properties": {"what": {"type": "string", "default": "-"}}},
		"steps": [{"name": "a", "sql": "INSERT INTO chain_log (what) VALUES ({{ input.what }})"}]}') > 0 AS saved;

-- Who depends on p_run, directly or not, by name.
CREATE FUNCTION test.chain_of(p_run bigint) RETURNS TABLE (name text, status text, wanted text, state text, level integer) LANGUAGE sql AS $$
	SELECT r.name, d.status, d.dependency_type, d.state, d.level
	FROM joborch.run_dependents(p_run) AS d JOIN joborch.job_runs r USING (run_id) ORDER BY d.level, d.run_id
$$;

-- ---- success, failure, completion ----

SELECT joborch.start('chain_gate') AS p \gset
SELECT joborch.start('chain_log', '{"what": "after success"}', name => 'success', depends_on_runs => ARRAY[:p]::bigint[]) AS s \gset
SELECT joborch.start('chain_log', '{"what": "after failure"}', name => 'failure', depends_on_runs => ARRAY[:p]::bigint[],
	dependency_type => 'failure') AS f \gset
SELECT joborch.start('chain_log', '{"what": "after the end"}', name => 'completion', depends_on_runs => ARRAY[:p, :f, :f]::bigint[],
	dependency_type => 'completion') AS c \gset
SELECT r.name, w.status, regexp_replace(w.reason, '\d+', 'N', 'g') AS reason, w.next_command = format('SELECT joborch.cancel_run(%s);', w.run_id) AS command
FROM joborch.waiting w JOIN joborch.job_runs r USING (run_id) WHERE w.run_id IN (:s, :f, :c) ORDER BY w.run_id;
SELECT status, current_step, started_at FROM joborch.job_runs WHERE run_id = :s;
SELECT joborch.signal_run(:p, 'go') > 0 AS sent;
SELECT joborch.wait_for_run(r, '30 s') FROM unnest(ARRAY[:s, :f, :c]::bigint[]) AS r;
SELECT * FROM test.chain_of(:p);
SELECT replace(error ->> 'message', :'p', 'P') AS message, error ->> 'sqlstate' AS sqlstate, error ->> 'detail' AS detail FROM joborch.job_runs WHERE run_id = :f;
SELECT what FROM chain_log ORDER BY n;

-- a parent that failed; what hangs on its failure begins
SELECT joborch.start('chain_bad') AS p \gset
SELECT joborch.start('chain_log', name => 'success', depends_on_runs => ARRAY[:p]::bigint[]) AS s \gset
SELECT joborch.start('chain_log', name => 'failure', depends_on_runs => ARRAY[:p]::bigint[], dependency_type => 'failure') AS f \gset
SELECT joborch.start('chain_log', name => 'next', depends_on_runs => ARRAY[:s]::bigint[]) AS n \gset
SELECT joborch.start('chain_log', name => 'last', depends_on_runs => ARRAY[:n]::bigint[], dependency_type => 'completion') AS l \gset
SELECT joborch.signal_run(:p, 'go') > 0 AS sent;
SELECT joborch.wait_for_run(:l, '30 s'), joborch.wait_for_run(:f, '30 s');
SELECT * FROM test.chain_of(:p);
-- it is recovered: what was cancelled because of it stays so, what began is not done again
SELECT joborch.recover_run(:p);
SELECT joborch.wait_for_run(:p, '30 s');
SELECT * FROM test.chain_of(:p);

-- parents that are over already
SELECT joborch.start('chain_log', name => 'late', depends_on_runs => ARRAY[:l]::bigint[]) AS s \gset
SELECT joborch.start('chain_log', name => 'too late', depends_on_runs => ARRAY[:p, :l]::bigint[]) AS f \gset
SELECT joborch.wait_for_run(:s, '30 s'), joborch.wait_for_run(:f, '30 s');
SELECT depends_on = :p AS on_p, dependency_type, state FROM joborch.job_run_dependencies WHERE run_id = :f ORDER BY depends_on;

-- its own time counts, too; and the run may be paused, cancelled or deleted while it waits
SELECT joborch.start('chain_gate') AS p \gset
SELECT joborch.start('chain_log', name => 'later', depends_on_runs => ARRAY[:p]::bigint[], run_at => now() + interval '1 day') AS t \gset
SELECT joborch.start('chain_log', name => 'paused', depends_on_runs => ARRAY[:p]::bigint[]) AS h \gset
SELECT joborch.start('chain_log', name => 'cancelled', depends_on_runs => ARRAY[:p]::bigint[]) AS x \gset
SELECT joborch.start('chain_log', name => 'below', depends_on_runs => ARRAY[:x]::bigint[]) AS b \gset
SELECT joborch.pause_run(:h);
SELECT joborch.set_run_priority(:t, 'high');
SELECT joborch.cancel_run(:x) IS NOT NULL AS asked;
SELECT joborch.wait_for_run(:x, '30 s'), joborch.wait_for_run(:b, '30 s');
SELECT joborch.delete_run(:x);
SELECT joborch.signal_run(:p, 'go') > 0 AS sent;
SELECT joborch.wait_for_run(:p, '30 s');
SELECT r.name, w.reason LIKE 'starts at %' AS has_time, w.reason FROM joborch.waiting w JOIN joborch.job_runs r USING (run_id)
WHERE w.run_id = :h UNION ALL
SELECT r.name, w.reason LIKE 'starts at %', NULL FROM joborch.waiting w JOIN joborch.job_runs r USING (run_id) WHERE w.run_id = :t;
SELECT joborch.resume_run(:h) IS NOT NULL AS resumed;
SELECT joborch.wait_for_run(:h, '30 s');
SELECT joborch.cancel_run(:t) IS NOT NULL AS asked;
SELECT joborch.wait_for_run(:t, '30 s');
SELECT * FROM test.chain_of(:p);

-- what comes of a transaction that is rolled back
SELECT joborch.start('chain_gate') AS p \gset
BEGIN;
SELECT joborch.start('chain_log', depends_on_runs => ARRAY[:p]::bigint[]) > 0 AS started;
ROLLBACK;
BEGIN;
SAVEPOINT a;
SELECT joborch.start('chain_log', depends_on_runs => ARRAY[:p]::bigint[]) > 0 AS started;
ROLLBACK TO a;
SELECT joborch.start('chain_log', name => 'kept', depends_on_runs => ARRAY[:p]::bigint[]) AS s \gset
COMMIT;
SELECT joborch.signal_run(:p, 'go') > 0 AS sent;
SELECT joborch.wait_for_run(:s, '30 s');
SELECT * FROM test.chain_of(:p);
-- of a run that this transaction starts, too
BEGIN;
SELECT joborch.start('chain_log') AS p \gset
SELECT joborch.start('chain_log', name => 'same', depends_on_runs => ARRAY[:p]::bigint[]) AS s \gset
COMMIT;
SELECT joborch.wait_for_run(:s, '30 s');
-- and in one command
SELECT joborch.start('chain_log', name => 'outer', depends_on_runs => ARRAY[joborch.start('chain_log')]) AS s \gset
SELECT joborch.wait_for_run(:s, '30 s');

-- refused
SELECT test.refused('SELECT joborch.start(''chain_log'', depends_on_runs => ''{0}'')');
SELECT test.refused('SELECT joborch.start(''chain_log'', depends_on_runs => ''{NULL}'')');
SELECT test.refused('SELECT joborch.start(''chain_log'', depends_on_runs => array_fill(1::bigint, ''{1001}''))');
SELECT test.refused(format('SELECT joborch.start(''chain_log'', depends_on_runs => ''{%s}'', dependency_type => ''done'')', :s));
SELECT test.refused('SELECT joborch.run_dependents(0)');
CREATE ROLE regress_chains_other LOGIN;
GRANT joborch_user TO regress_chains_other;
SET ROLE regress_chains_other;
SELECT joborch.create_job('chain_other', '{"steps": [{"name": "a", "sql": "SELECT 1"}]}') > 0 AS saved;
SELECT test.refused(format('SELECT joborch.start(''chain_other'', depends_on_runs => ''{%s}'')', :s));
SELECT test.refused('SELECT joborch.start_after(''chain_log'', ''{chain_other}'')');
SELECT test.refused('SELECT joborch.start_after(''chain_other'', ''{chain_log}'')');
SELECT count(*) FROM joborch.job_run_dependencies;
RESET ROLE;

-- ---- batches ----

TRUNCATE chain_log;
SELECT array_agg(r) AS runs FROM joborch.start_batch('[
	{"job": "chain_log", "input": {"what": "third"}, "depends_on": [1, 2], "name": "third"},
	{"job": "chain_log", "input": {"what": "second"}, "depends_on": [2], "priority": "high", "tags": ["x"]},
	{"job": "chain_gate", "name": "first"},
	{"job": "chain_log", "input": {"what": "never"}, "depends_on": [2], "dependency_type": "failure"}]', 'chain batch') AS r \gset
SELECT total, pending + running AS unfinished, completed, failed, cancelled, progress, finished_at FROM joborch.batch_status('chain batch');
SELECT joborch.signal_run((:'runs'::bigint[])[3], 'go') > 0 AS sent;
SELECT joborch.wait_for_run(r, '30 s') FROM unnest(:'runs'::bigint[]) AS r;
SELECT status, total, pending, running, completed, failed, cancelled, progress, finished_at IS NOT NULL AS finished FROM joborch.batch_status('chain batch');
SELECT what FROM chain_log ORDER BY n;
SELECT count(*) FROM joborch.start_many('chain_log', 3, batch_id => 'chain many');
SELECT joborch.start('chain_log', batch_id => 'chain many') > 0 AS started;
SELECT total FROM joborch.batch_status('chain many');
SELECT batch_id, count(*) FROM joborch.job_runs WHERE batch_id LIKE 'chain %' GROUP BY 1 ORDER BY 1;
SELECT count(*) FROM joborch.start_batch('[]');
SELECT test.refused('SELECT joborch.start_batch(''{}'')');
SELECT test.refused('SELECT joborch.start_batch(''[1]'')');
SELECT test.refused('SELECT joborch.start_batch(''[{}]'')');
SELECT test.refused('SELECT joborch.start_batch(''[{"job": "chain_log", "jobs": 1}]'')');
SELECT test.refused('SELECT joborch.start_batch(''[{"job": "chain_log", "depends_on": [1]}]'')');
SELECT test.refused('SELECT joborch.start_batch(''[{"job": "chain_log", "depends_on": [0]}]'')');
SELECT test.refused('SELECT joborch.start_batch(''[{"job": "chain_log", "depends_on": [0.5]}]'')');
SELECT test.refused('SELECT joborch.start_batch(''[{"job": "chain_log", "depends_on": ["a"]}]'')');
SELECT test.refused('SELECT joborch.start_batch(''[{"job": "chain_log", "depends_on": 1}, {"job": "chain_log"}]'')');
SELECT test.refused('SELECT joborch.start_batch(''[{"job": "chain_log", "input": []}]'')');
SELECT test.refused('SELECT joborch.start_batch(''[{"job": "chain_log", "depends_on": [1]}, {"job": "chain_log", "depends_on": [2]}, {"job": "chain_log", "depends_on": [0]}]'')');
SELECT test.refused('SELECT joborch.start_batch(''[{"job": "chain_log"}, {"job": "no such job"}]'')');
SELECT test.refused('SELECT joborch.start_batch(''[]'', repeat(''x'', 256))');
SELECT test.refused('SELECT joborch.batch_status(''no such batch'')');

-- ---- after other jobs ----

TRUNCATE chain_log;
SELECT joborch.create_job('chain_told', '{"steps": [{"name": "a", "sql": "INSERT INTO chain_log (what) VALUES ({{ input.who }} || '' after '' || {{ input.parent.job }} || '': '' || {{ input.parent.status }} || coalesce('' '' || ({{ input.parent.output | json }}::jsonb ->> ''row_count''), ''''))"}]}') > 0 AS saved;
SELECT joborch.start_after('chain_told', '{chain_gate}', input => '{"who": "success"}', name => 'chain 1') > 0
	AND joborch.start_after('chain_told', '{chain_bad}', 'failure', '{"who": "failure"}', 'chain 2') > 0
	AND joborch.start_after('chain_told', '{chain_gate,chain_bad,chain_gate}', 'completion', '{"who": "both"}', 'chain 3') > 0 AS made;
SELECT name, job, after, dependency_type, input, ended, last_run_id FROM joborch.after_rules WHERE name LIKE 'chain _' ORDER BY name;
SELECT joborch.start('chain_bad') AS b \gset
SELECT joborch.signal_run(:b, 'go') > 0 AS sent;
SELECT joborch.wait_for_run(:b, '30 s');
SELECT test.poll('SELECT count(*) = 1 FROM chain_log');
SELECT ended FROM joborch.after_rules WHERE name = 'chain 3';
-- of a parent that ended more than once only the last end is told
SELECT joborch.recover_run(:b) IS NOT NULL AS recovered;
SELECT joborch.wait_for_run(:b, '30 s');
SELECT joborch.start('chain_gate') AS g \gset
SELECT joborch.signal_run(:g, 'go') > 0 AS sent;
SELECT test.poll('SELECT count(*) = 4 FROM chain_log');
SELECT what FROM chain_log ORDER BY what;
SELECT d.rule, array_agg(d.depends_on = :b ORDER BY d.depends_on) AS after_b FROM joborch.job_run_dependencies d
WHERE d.depends_on IN (:b, :g) AND d.rule IS NOT NULL GROUP BY d.run_id, d.rule ORDER BY d.run_id;
SELECT name, ended, last_run_id IS NOT NULL AS fired FROM joborch.after_rules WHERE name LIKE 'chain _' ORDER BY name;

-- the same name again takes its place; a cancelled run is no success and no failure
SELECT joborch.start_after('chain_log', '{chain_gate}', 'completion', name => 'chain 1') > 0 AS made;
SELECT joborch.start('chain_gate') AS g \gset
SELECT joborch.cancel_run(:g) IS NOT NULL AS asked;
SELECT joborch.wait_for_run(:g, '30 s');
SELECT test.poll('SELECT count(*) = 5 FROM chain_log');
SELECT what FROM chain_log ORDER BY n DESC LIMIT 1;

-- an input that the job does not take: said, and the parent's end stands
SELECT joborch.create_job('chain_strict', '{"input": {"properties": {"n": {"type": "integer"}}, "required": ["n"]}, "steps": [{"name": "a", "sql": "SELECT 1"}]}') > 0 AS saved;
SELECT joborch.start_after('chain_strict', '{chain_log}', name => 'chain 4') > 0 AS made;
SELECT joborch.start('chain_log', '{"what": "strict"}') AS r \gset
SELECT joborch.wait_for_run(:r, '30 s');
SELECT last_run_id, last_refused FROM joborch.after_rules WHERE name = 'chain 4';
SELECT type, detail - 'rule_id' AS detail FROM joborch.job_events WHERE run_id = :r;

-- a circle goes on until it is as deep as it may be
TRUNCATE chain_log;
SELECT joborch.drop_after('chain 4');
SELECT joborch.start_after('chain_log', '{chain_log}', name => 'chain 5') > 0 AS made;
SELECT joborch.start('chain_log', '{"what": "circle"}') > 0 AS started;
SELECT test.poll('SELECT last_refused IS NOT NULL FROM joborch.after_rules WHERE name = ''chain 5''');
SELECT last_refused FROM joborch.after_rules WHERE name = 'chain 5';
SELECT count(*) FROM chain_log;
SELECT joborch.drop_after('chain 5');

-- rights are those of who made the rule, as they are now; a job that runs as its caller runs as him
CREATE ROLE regress_chains_owner LOGIN;
GRANT joborch_user TO regress_chains_owner;
SET ROLE regress_chains_owner;
SELECT joborch.create_job('chain_theirs', '{"run_as": "caller", "steps": [{"name": "a", "sql": "SELECT current_user::text AS who"}]}') > 0 AS saved;
SELECT joborch.create_job('chain_parent', '{"steps": [{"name": "a", "sql": "SELECT 1"}]}') > 0 AS saved;
RESET ROLE;
GRANT regress_chains_owner TO regress_chains_other;
SET ROLE regress_chains_other;
SELECT joborch.start_after('chain_theirs', '{chain_parent}', name => 'chain 6') > 0 AS made;
RESET ROLE;
SELECT joborch.start('chain_parent') AS p \gset
SELECT joborch.wait_for_run(:p, '30 s');
SELECT run_id AS r FROM joborch.job_run_dependencies WHERE depends_on = :p \gset
SELECT joborch.wait_for_run(:r, '30 s');
SELECT r.owner, r.requested_by, s.output -> 'rows' -> 0 ->> 'who' AS who FROM joborch.job_runs r, joborch.run_steps(:r) AS s WHERE r.run_id = :r;
REVOKE regress_chains_owner FROM regress_chains_other;
SELECT joborch.start('chain_parent') AS p \gset
SELECT joborch.wait_for_run(:p, '30 s');
SELECT regexp_replace(last_refused, '\d+', 'N') AS last_refused FROM joborch.after_rules WHERE name = 'chain 6';
SET ROLE regress_chains_owner;
SELECT test.refused('SELECT joborch.drop_after(''chain 6'')');
SELECT name FROM joborch.after_rules;
RESET ROLE;

-- refused; dropped jobs take their rules along
SELECT test.refused('SELECT joborch.start_after(''chain_log'', ''{}'')');
SELECT test.refused('SELECT joborch.start_after(''chain_log'', NULL)');
SELECT test.refused('SELECT joborch.start_after(''chain_log'', ''{no such job}'')');
SELECT test.refused('SELECT joborch.start_after(''chain_log'', ''{chain_gate}'', ''end'')');
SELECT test.refused('SELECT joborch.start_after(''chain_log'', ''{chain_gate}'', input => ''[]'')');
SELECT test.refused('SELECT joborch.start_after(''chain_log'', ''{chain_gate}'', name => '''')');
SELECT test.refused('SELECT joborch.drop_after(''no such rule'')');
SELECT name, followed FROM joborch_internal.job WHERE name LIKE 'chain\_%' AND followed ORDER BY name;
SELECT joborch.drop_job('chain_parent', force => true);
SELECT joborch.drop_job('chain_told', force => true);
SELECT name FROM joborch.after_rules ORDER BY name;
SELECT name FROM joborch_internal.job WHERE name LIKE 'chain\_%' AND followed;
SELECT joborch.drop_after('chain 1');
SELECT count(*) FROM joborch_internal.after_parent;

-- ---- replace and debounce ----

TRUNCATE chain_log;
SELECT joborch.start('chain_log', '{"what": "one"}', idempotency_key => 'r', on_duplicate => 'replace', run_at => now() + interval '1 hour') AS r \gset
SELECT joborch.start('chain_log', '{"what": "two"}', idempotency_key => 'r', on_duplicate => 'replace') = :r AS the_same;
SELECT input, run_at > now() + interval '50 min' AS later, status FROM joborch.job_runs WHERE run_id = :r;
SELECT joborch.start('chain_log', '{"what": "three"}', idempotency_key => 'r', on_duplicate => 'debounce') = :r AS the_same;
SELECT joborch.wait_for_run(:r, '30 s');
SELECT joborch.start('chain_log', '{"what": "four"}', idempotency_key => 'r', on_duplicate => 'debounce') <> :r AS another;
SELECT test.poll('SELECT count(*) = 2 FROM chain_log');
SELECT what FROM chain_log ORDER BY n;
-- one that has begun is not touched
SELECT joborch.start('chain_gate', idempotency_key => 'b', on_duplicate => 'replace') AS r \gset
SELECT test.await_step(:r, 'go', 'waiting');
SELECT joborch.start('chain_gate', idempotency_key => 'b', on_duplicate => 'replace') AS r2 \gset
SELECT :r2 <> :r AS another;
SELECT joborch.signal_run(r, 'go') > 0 AS sent FROM unnest(ARRAY[:r, :r2]::bigint[]) AS r;
SELECT joborch.wait_for_run(r, '30 s') FROM unnest(ARRAY[:r, :r2]::bigint[]) AS r;
-- a paused one stays paused, one with a time-out has it from its begin, a cancelled one is over
SELECT joborch.create_job('chain_timeout', '{"timeout": "10 s", "steps": [{"name": "a", "sql": "INSERT INTO chain_log (what) VALUES (''in time'')"}]}') > 0 AS saved;
SELECT joborch.start('chain_timeout', idempotency_key => 't', on_duplicate => 'debounce', run_at => now() + interval '1 hour') AS r \gset
SELECT joborch.pause_run(:r);
SELECT joborch.start('chain_timeout', idempotency_key => 't', on_duplicate => 'debounce') = :r AS the_same;
SELECT status FROM joborch.job_runs WHERE run_id = :r;
SELECT joborch.resume_run(:r) IS NOT NULL AS resumed;
SELECT joborch.wait_for_run(:r, '30 s');
SELECT joborch.start('chain_timeout', idempotency_key => 't', on_duplicate => 'debounce', run_at => now() + interval '1 hour') AS r \gset
SELECT joborch.cancel_run(:r) IS NOT NULL AS asked;
SELECT joborch.wait_for_run(:r, '30 s');
SELECT joborch.start('chain_timeout', idempotency_key => 't', on_duplicate => 'debounce') <> :r AS another;
SELECT joborch.start('chain_log', idempotency_key => 'k', run_at => now() + interval '1 hour') AS r \gset
SELECT regexp_replace(test.refused('SELECT joborch.start(''chain_log'', idempotency_key => ''k'', on_duplicate => ''replace'')'), 'Run \d+', 'Run N');
SELECT joborch.cancel_run(:r) IS NOT NULL AS asked;
SELECT test.refused('SELECT joborch.start(''chain_log'', on_duplicate => ''replace'')');
SELECT test.refused('SELECT joborch.start(''chain_log'', idempotency_key => ''x'', on_duplicate => ''debounce'', batch_id => ''b'')');
SELECT test.refused('SELECT joborch.start(''chain_log'', idempotency_key => ''x'', on_duplicate => ''drop'')');

SELECT test.poll('SELECT count(*) = 0 FROM joborch.active_runs WHERE job LIKE ''chain\_%''');
SELECT * FROM joborch.check();
SELECT count(joborch.drop_job(name, force => true)) FROM joborch.jobs WHERE name LIKE 'chain\_%';
DROP FUNCTION test.chain_of(bigint);
DROP TABLE chain_log;
DROP ROLE regress_chains_other;
DROP ROLE regress_chains_owner;
