-- What may be asked of a run in which status: every status against every operation, what it
-- becomes, and the SQLSTATE when it is refused.  All questions of one status are put to
-- the same run, and what they do is taken back.
\set ON_ERROR_STOP 1
\pset tuples_only on
\pset format unaligned
SELECT plan(74);
SET client_min_messages = warning;

CREATE TABLE tap_gate (works boolean);
INSERT INTO tap_gate VALUES (false);

-- Brings a run into a status; each is held there by what nobody will end by himself.
CREATE PROCEDURE into_status(p_status text, INOUT run bigint DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	v_sleep jsonb := '{"steps": [{"name": "s", "sql": "SELECT pg_sleep(600)"}], "max_recovery_attempts": 9}';
	v_fail jsonb := '{"steps": [{"name": "s", "sql": "SELECT 1/(SELECT count(*) FROM tap_gate WHERE works)"}, {"name": "t", "sql": "SELECT pg_sleep(600)"}], "max_recovery_attempts": 9}';
BEGIN
	CASE p_status
		WHEN 'pending' THEN run := joborch.start_definition(v_sleep, run_at => now() + interval '1 day');
		WHEN 'running' THEN run := joborch.start_definition(v_sleep);
		WHEN 'paused' THEN run := joborch.start_definition(v_sleep, run_at => now() + interval '1 day');
			PERFORM joborch.pause_run(run);
		WHEN 'cancelling' THEN run := joborch.start_definition(v_sleep);
		WHEN 'recovering', 'failed' THEN run := joborch.start_definition(v_fail);
		WHEN 'completed' THEN run := joborch.start_sql('SELECT 1');
		WHEN 'cancelled' THEN run := joborch.start_definition(v_sleep, run_at => now() + interval '1 day');
			PERFORM joborch.cancel_run(run);
	END CASE;
	COMMIT;
	IF p_status IN ('running', 'cancelling') THEN
		PERFORM test.await_step(run, 's', 'running');
	ELSIF p_status IN ('completed', 'failed', 'cancelled', 'recovering') THEN
		PERFORM joborch.wait_for_run(run, '30 s');
	END IF;
	IF p_status = 'recovering' THEN
		UPDATE tap_gate SET works = true;
		PERFORM joborch.recover_run(run);
		COMMIT;
		PERFORM test.await_step(run, 't', 'running');
		UPDATE tap_gate SET works = false;
	ELSIF p_status = 'cancelling' THEN
		PERFORM joborch.cancel_run(run);
	END IF;
	COMMIT;
END
$$;

-- The answer and the status right after it, both taken back.
CREATE FUNCTION answer(p_run bigint, p_operation text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	v_answer text;
BEGIN
	EXECUTE format(CASE p_operation
		WHEN 'cancel' THEN 'SELECT joborch.cancel_run(%s)'
		WHEN 'force' THEN 'SELECT joborch.cancel_run(%s, force => true)'
		WHEN 'pause' THEN 'SELECT joborch.pause_run(%s)'
		WHEN 'resume' THEN 'SELECT joborch.resume_run(%s)'
		WHEN 'recover' THEN 'SELECT joborch.recover_run(%s)'
		WHEN 'rerun' THEN 'SELECT joborch.run_status(joborch.rerun(%s))'
		WHEN 'delete' THEN 'SELECT joborch.delete_run(%s)'
		WHEN 'priority' THEN 'SELECT joborch.set_run_priority(%s, ''high'')'
	END, p_run) INTO v_answer;
	RAISE SQLSTATE 'ZZ000';
EXCEPTION
	WHEN SQLSTATE 'ZZ000' THEN
		RETURN coalesce(nullif(v_answer, ''), 'done');
	WHEN OTHERS THEN
		RETURN SQLSTATE;
END
$$;

CREATE TABLE tap_rules (at serial, status text, shown text, cancel text, force text, pause text, resume text, recover text, rerun text, delete text, priority text);
INSERT INTO tap_rules (status, shown, cancel, force, pause, resume, recover, rerun, delete, priority) VALUES
	('pending',    'pending',    'pending',    'pending',    'paused', 'JO005',      'JO005',      'JO005',   'JO005', 'done'),
	('running',    'running',    'running',    'running',    'paused', 'JO005',      'JO005',      'JO005',   'JO005', 'done'),
	('paused',     'paused',     'pending',    'pending',    'JO005',  'pending',    'JO005',      'JO005',   'JO005', 'done'),
	('cancelling', 'running',    'JO005',      'running',    'JO005',  'JO005',      'JO005',      'JO005',   'JO005', 'JO005'),
	('recovering', 'recovering', 'recovering', 'recovering', 'paused', 'JO005',      'JO005',      'JO005',   'JO005', 'done'),
	('completed',  'completed',  'JO005',      'JO005',      'JO005',  'JO005',      'JO005',      'pending', 'done',  'JO005'),
	('failed',     'failed',     'JO005',      'JO005',      'JO005',  'recovering', 'recovering', 'pending', 'done',  'JO005'),
	('cancelled',  'cancelled',  'JO005',      'JO005',      'JO005',  'JO005',      'JO005',      'pending', 'done',  'JO005');
CREATE TABLE tap_runs (status text, run bigint);

CREATE PROCEDURE make_runs() LANGUAGE plpgsql AS $$
DECLARE
	v_status text;
	v_run bigint;
BEGIN
	FOR v_status IN SELECT status FROM tap_rules ORDER BY at LOOP
		CALL into_status(v_status, v_run);
		INSERT INTO tap_runs VALUES (v_status, v_run);
		COMMIT;
	END LOOP;
END
$$;
CALL make_runs();

SELECT is(joborch.run_status(t.run), r.shown, 'a run that is ' || r.status || ' shows ' || r.shown)
FROM tap_rules r JOIN tap_runs t USING (status) ORDER BY r.at;
SELECT is(answer(t.run, o.operation), to_jsonb(r) ->> o.operation, format('%s: %s', r.status, o.operation))
FROM tap_rules r JOIN tap_runs t USING (status), unnest('{cancel,force,pause,resume,recover,rerun,delete,priority}'::text[]) WITH ORDINALITY AS o (operation, at) ORDER BY r.at, o.at;
SELECT is(answer(0, 'cancel'), 'JO003', 'no such run');

SELECT CASE WHEN t.status IN ('pending', 'running', 'paused', 'recovering', 'cancelling') THEN joborch.cancel_run(t.run, force => true) END FROM tap_runs t;
SELECT joborch.wait_for_run(t.run, '30 s') FROM tap_runs t;
SELECT is_empty('SELECT * FROM joborch.check()', 'joborch.check() finds nothing');
SELECT * FROM finish();
DROP TABLE tap_gate, tap_rules, tap_runs;
DROP FUNCTION answer(bigint, text);
DROP PROCEDURE into_status(text, bigint), make_runs();
