-- Steps that wait for a time, a signal, a state of the database, a decision.

-- ---- delay ----
CALL test.play('{"steps": [{"name": "d", "type": "delay", "duration": "20 ms"}, {"name": "after", "sql": "SELECT 1"}]}') \gset
SELECT test.story(:run);
SELECT finished_at - started_at >= '20 ms' AS waited, (output ->> 'until')::timestamptz <= finished_at AS due FROM joborch.run_steps(:run) WHERE step = 'd';
CALL test.play('{"steps": [{"name": "d", "type": "delay", "until": "{{ input.at }}"}]}', '{"at": "2020-01-01 00:00 UTC"}') \gset
SELECT test.story(:run), test.outcome(:run, 'd');
CALL test.play('{"steps": [{"name": "d", "type": "delay", "until": "{{ input.at }}"}]}', '{"at": "infinity"}') \gset
SELECT test.outcome(:run, 'd');
CALL test.play('{"steps": [{"name": "d", "type": "delay", "until": "{{ input.at }}"}]}', '{"at": "soon"}') \gset
SELECT test.outcome(:run, 'd');
CALL test.play('{"steps": [{"name": "d", "type": "delay", "until": "{{ input.at }}"}]}', '{"at": null}') \gset
SELECT test.outcome(:run, 'd');

-- ---- wait_signal: sent before, sent while it waits, each is taken once ----
SELECT joborch.start_definition('{"steps": [{"name": "first", "type": "wait_signal", "signal": "go {{ input.n }}"}, {"name": "second", "type": "wait_signal", "signal": "go 1"},
	{"name": "third", "type": "wait_signal"}, {"name": "all", "type": "transform", "value": ["{{ steps.first.output.payload }}", "{{ steps.second.output.payload }}", "{{ steps.third.output.payload }}"]}]}', '{"n": 1}') AS run \gset
SELECT joborch.signal_run(:run, 'third', '3') > 0 AS early;
SELECT test.await_step(:run, 'first', 'waiting');
SELECT joborch.signal_run(:run, 'go 1', '{"a": 1}') > 0 AS sent;
SELECT test.await_step(:run, 'second', 'waiting');
SELECT joborch.signal_run(:run, 'go 1') > 0 AS sent;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.outcome(:run, 'all');
SELECT output - 'sent_at' AS output FROM joborch.run_steps(:run) WHERE step = 'first';
-- in time, or not
CALL test.play('{"steps": [{"name": "w", "type": "wait_signal", "timeout": "20 ms"}, {"name": "after", "sql": "SELECT 1"}]}') \gset
SELECT test.story(:run);
SELECT error ->> 'sqlstate' AS sqlstate, error ->> 'message' AS message, error ->> 'category' AS category FROM joborch.run_steps(:run) WHERE step = 'w';
CALL test.play('{"steps": [{"name": "w", "type": "wait_signal", "timeout": "20 ms", "on_timeout": "skip"}, {"name": "after", "sql": "SELECT 1"}]}') \gset
SELECT test.story(:run);
CALL test.play('{"steps": [{"name": "w", "type": "wait_signal", "timeout": "20 ms", "on_timeout": "continue"}, {"name": "after", "sql": "SELECT 1"}]}') \gset
SELECT test.story(:run), test.outcome(:run, 'w');
CALL test.play('{"steps": [{"name": "w", "type": "wait_signal", "signal": "{{ input.s }}"}]}', '{"s": ""}') \gset
SELECT test.outcome(:run, 'w');
-- ---- wait_sql ----
CREATE TABLE flow_wait_state (n integer);
SELECT joborch.start_definition('{"steps": [{"name": "w", "type": "wait_sql", "sql": "SELECT count(*) >= {{ input.n }}::int AS enough FROM flow_wait_state", "interval": "100 ms"}, {"name": "after", "sql": "SELECT 1"}]}', '{"n": 2}') AS run \gset
SELECT test.await_step(:run, 'w', 'waiting');
INSERT INTO flow_wait_state VALUES (1), (2);
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.story(:run), test.outcome(:run, 'w');
CALL test.play('{"steps": [{"name": "w", "type": "wait_sql", "sql": "SELECT false", "interval": "100 ms", "timeout": "150 ms", "on_timeout": "continue"}]}') \gset
SELECT test.outcome(:run, 'w');
CALL test.play('{"steps": [{"name": "w", "type": "wait_sql", "sql": "SELECT false", "interval": "100 ms", "timeout": "10 ms"}]}') \gset
SELECT error ->> 'sqlstate' AS sqlstate FROM joborch.run_steps(:run) WHERE step = 'w';
CALL test.play('{"steps": [{"name": "w", "type": "wait_sql", "sql": "SELECT 1"}]}') \gset
SELECT test.outcome(:run, 'w');
CALL test.play('{"steps": [{"name": "w", "type": "wait_sql", "sql": "SELECT 1/0 = 1"}]}') \gset
SELECT test.outcome(:run, 'w');
-- a lock
SELECT pg_advisory_lock(4711);
SELECT joborch.start_definition('{"steps": [{"name": "w", "type": "wait_sql", "lock_free": {"key": "{{ input.k }}"}, "interval": "100 ms"}]}', '{"k": 4711}') AS run \gset
SELECT test.await_step(:run, 'w', 'waiting');
SELECT pg_advisory_unlock(4711);
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.outcome(:run, 'w');
-- a standby: there is none here
CALL test.play('{"steps": [{"name": "w", "type": "wait_sql", "lsn": "{{ input.lsn }}", "interval": "100 ms", "timeout": "50 ms", "on_timeout": "skip"}]}', '{"lsn": "0/1"}') \gset
SELECT test.story(:run);
CALL test.play('{"steps": [{"name": "w", "type": "wait_sql", "lsn": "{{ input.lsn }}"}]}', '{"lsn": "here"}') \gset
SELECT test.outcome(:run, 'w');

-- ---- approval ----
SELECT joborch.start_definition('{"steps": [{"name": "a", "type": "approval", "message": "Pay {{ input.n }}?"}, {"name": "after", "type": "transform", "value": "{{ steps.a.output.approved }}"}]}', '{"n": 5}') AS run \gset
SELECT test.await_step(:run, 'a', 'waiting');
SELECT w.kind, w.detail FROM joborch_internal.wait w WHERE w.run_id = :run;
SELECT joborch.approve_step(:run, 'a', reason => 'all right');
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.story(:run), test.outcome(:run, 'after');
SELECT output - 'at' AS output FROM joborch.run_steps(:run) WHERE step = 'a';
-- rejected
CREATE FUNCTION flow_reject(p_rest text) RETURNS bigint LANGUAGE sql AS $$
	SELECT joborch.start_definition(jsonb_build_object('steps', jsonb_build_array('{"name": "a", "type": "approval"}'::jsonb || p_rest::jsonb, '{"name": "after", "sql": "SELECT 1"}'::jsonb)))
$$;
SELECT flow_reject('{}') AS run \gset
SELECT test.await_step(:run, 'a', 'waiting');
SELECT joborch.reject_step(:run, 'a', reason => 'too dear');
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.story(:run);
SELECT test.outcome(:run, 'a');
SELECT flow_reject('{"on_reject": "skip"}') AS run \gset
SELECT test.await_step(:run, 'a', 'waiting');
SELECT joborch.reject_step(:run, 'a');
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.story(:run);
SELECT flow_reject('{"on_reject": "continue"}') AS run \gset
SELECT test.await_step(:run, 'a', 'waiting');
SELECT joborch.reject_step(:run, 'a', reason => 'no');
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.story(:run);
SELECT output - 'at' AS output FROM joborch.run_steps(:run) WHERE step = 'a';
-- nobody decides
CALL test.play('{"steps": [{"name": "a", "type": "approval", "timeout": "20 ms"}]}') \gset
SELECT error ->> 'sqlstate' AS sqlstate FROM joborch.run_steps(:run) WHERE step = 'a';
CALL test.play('{"steps": [{"name": "a", "type": "approval", "timeout": "20 ms", "on_timeout": "reject"}]}') \gset
SELECT test.outcome(:run, 'a');
CALL test.play('{"steps": [{"name": "a", "type": "approval", "timeout": "20 ms", "on_timeout": "continue"}]}') \gset
SELECT test.story(:run);
SELECT output - 'at' AS output FROM joborch.run_steps(:run) WHERE step = 'a';
CALL test.play('{"steps": [{"name": "a", "type": "approval", "timeout": "20 ms", "on_timeout": "reject", "on_reject": "skip"}]}') \gset
SELECT test.story(:run);

-- nothing is left of what waited
SELECT count(*) FROM joborch_internal.wait w JOIN joborch_internal.ends USING (run_id);
SELECT count(*) FROM joborch_internal.timers t JOIN joborch_internal.ends USING (run_id);
SELECT * FROM joborch.check();
DROP TABLE flow_wait_state;
DROP FUNCTION flow_reject(text);

-- a hint: who changed the data makes the step look at once
CREATE TABLE hinted (n integer);
SELECT joborch.create_job('hinted', '{"steps": [{"name": "w", "type": "wait_sql", "interval": "1 hour", "sql": "SELECT count(*) > 0 FROM hinted"}]}') > 0 AS saved;
SELECT joborch.start('hinted', name => 'hinted') > 0 AS started;
SELECT test.await_step(test.run('hinted'), 'w', 'waiting');
SELECT joborch.recheck_waits('no such job');
BEGIN;
INSERT INTO hinted VALUES (1);
SELECT joborch.recheck_waits('hinted');
COMMIT;
SELECT test.finish('hinted');
DROP TABLE hinted;
SELECT * FROM joborch.check();
