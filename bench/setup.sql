-- The jobs that are measured, and the stopwatch.
CREATE TABLE floor_table (a integer);
CREATE TABLE step_table (a integer);
CREATE TABLE sent (run bigint, at timestamptz);
CREATE TABLE seen (run bigint, at timestamptz);

SELECT joborch.create_job('one', '{"steps": [{"name": "s", "sql": "SELECT 1"}]}');
SELECT joborch.create_job('insert', '{"steps": [{"name": "s", "sql": "INSERT INTO step_table VALUES (1)"}]}');
SELECT joborch.create_job('latency', '{"steps": [{"name": "s",
	"sql": "INSERT INTO seen VALUES ({{ run.id }}::bigint, clock_timestamp())"}]}');
SELECT joborch.create_job('chain', (SELECT jsonb_build_object('steps',
	jsonb_agg(jsonb_build_object('name', 's' || i, 'sql', 'SELECT 1') ORDER BY i)) FROM generate_series(1, 10) i));
SELECT joborch.create_job('fan', jsonb_build_object('steps',
	jsonb_build_array(jsonb_build_object('name', 'first', 'sql', 'SELECT 1', 'depends_on', '[]'::jsonb))
	|| (SELECT jsonb_agg(jsonb_build_object('name', 'p' || i, 'sql', 'SELECT 1', 'depends_on', '["first"]'::jsonb))
		FROM generate_series(1, 100) i)
	|| jsonb_build_array(jsonb_build_object('name', 'last', 'sql', 'SELECT 1',
		'depends_on', (SELECT jsonb_agg('p' || i) FROM generate_series(1, 100) i)))));

-- Starts n runs in one statement and waits until all have ended; t0 is taken
-- before the start, lsn after it.  The wait looks at the last run by its key,
-- so that waiting costs nothing that is measured.
CREATE TABLE result (id bigint GENERATED ALWAYS AS IDENTITY, job text, first_run bigint, last_run bigint,
	t0 timestamptz, t1 timestamptz, lsn0 pg_lsn, lsn1 pg_lsn);

CREATE PROCEDURE measure(job text, n integer, give_up interval DEFAULT '5 min')
LANGUAGE plpgsql AS $$
DECLARE
	v_first bigint;
	v_last bigint;
	v_t0 timestamptz := clock_timestamp();
	v_t1 timestamptz;
	v_lsn pg_lsn;
BEGIN
	SELECT min(id), max(id) INTO v_first, v_last FROM joborch.start_many(job, n) AS id;
	v_lsn := pg_current_wal_insert_lsn();
	COMMIT;
	LOOP
		v_t1 := clock_timestamp();
		IF NOT EXISTS (SELECT FROM joborch_internal.live WHERE run_id = v_last) THEN
			EXIT WHEN NOT EXISTS (SELECT FROM joborch_internal.live WHERE run_id BETWEEN v_first AND v_last);
		END IF;
		IF v_t1 > v_t0 + give_up THEN
			RAISE EXCEPTION '% runs of job % did not end within %', n, job, give_up;
		END IF;
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
	INSERT INTO result (job, first_run, last_run, t0, t1, lsn0, lsn1)
	VALUES (job, v_first, v_last, v_t0, v_t1, v_lsn, pg_current_wal_insert_lsn());
	IF (SELECT count(*) FROM joborch_internal.ends WHERE run_id BETWEEN v_first AND v_last AND status = 'c') <> n THEN
		RAISE EXCEPTION 'not all of the % runs of job % completed', n, job;
	END IF;
END $$;

CREATE PROCEDURE measure_latency(n integer)
LANGUAGE plpgsql AS $$
DECLARE
	v_run bigint;
BEGIN
	FOR i IN 1 .. n LOOP
		v_run := joborch.start('latency', '{}');
		COMMIT;
		INSERT INTO sent VALUES (v_run, clock_timestamp());
		COMMIT;
		PERFORM pg_sleep(0.012);
	END LOOP;
END $$;

-- ---- what waits, and what is large ----

SELECT joborch.create_job('items', '{"steps": [{"name": "s", "sql": "SELECT 1",
	"foreach": {"items": {"sql": "SELECT i FROM generate_series(1, 10000) AS i"}}}]}');
SELECT joborch.create_job('waiting', '{"steps": [{"name": "s", "type": "wait_signal", "signal": "go"}]}');

CREATE PROCEDURE begin_waiting(n integer) LANGUAGE plpgsql AS $$
DECLARE
	v_last bigint;
BEGIN
	SELECT max(id) INTO v_last FROM joborch.start_many('waiting', n) AS id;
	COMMIT;
	WHILE (SELECT count(*) FROM joborch_internal.wait WHERE run_id > v_last - n) < n LOOP
		COMMIT;
		PERFORM pg_sleep(0.05);
	END LOOP;
END $$;

CREATE PROCEDURE measure_signals(n integer) LANGUAGE plpgsql AS $$
DECLARE
	v_run bigint;
BEGIN
	TRUNCATE sent;
	CALL begin_waiting(n);
	PERFORM pg_sleep(0.1);
	FOR v_run IN SELECT w.run_id FROM joborch_internal.wait w ORDER BY w.run_id DESC LIMIT n LOOP
		PERFORM joborch.signal_run(v_run, 'go');
		COMMIT;
		INSERT INTO sent VALUES (v_run, clock_timestamp());
		COMMIT;
		PERFORM pg_sleep(0.012);
	END LOOP;
	WHILE EXISTS (SELECT FROM sent JOIN joborch_internal.live l ON l.run_id = sent.run) LOOP
		COMMIT;
		PERFORM pg_sleep(0.005);
	END LOOP;
END $$;

-- Five runs of a step that deals with so many of something.
CREATE PROCEDURE measure_size(kind text, size integer) LANGUAGE plpgsql AS $$
DECLARE
	v_input jsonb := '{"a": 1}';
	v_step jsonb := CASE kind
		WHEN 'nested' THEN jsonb_build_object('path', repeat('(', size) || '$.input.a' || repeat(' + 1)', size))
		WHEN 'many' THEN jsonb_build_object('value', (SELECT jsonb_agg('{{ input.a }}'::text) FROM generate_series(1, size)))
		WHEN 'document' THEN jsonb_build_object('path', '$.input.list.size()')
	END;
	v_run bigint;
BEGIN
	IF kind = 'document' THEN
		v_input := (SELECT jsonb_build_object('list', jsonb_agg(jsonb_build_object('n', i, 'text', md5(i::text)))) FROM generate_series(1, size * 16) AS i);
	END IF;
	FOR i IN 1 .. 5 LOOP
		v_run := joborch.start_definition(jsonb_build_object('steps', jsonb_build_array(v_step || '{"name": "s", "type": "transform"}')), v_input);
		COMMIT;
		WHILE EXISTS (SELECT FROM joborch_internal.live WHERE run_id = v_run) LOOP
			COMMIT;
			PERFORM pg_sleep(0.005);
		END LOOP;
		IF joborch.run_status(v_run) <> 'completed' THEN
			RAISE EXCEPTION 'the run for % is %', kind, joborch.run_status(v_run)
				USING DETAIL = (SELECT error::text FROM joborch.job_runs r WHERE r.run_id = v_run);
		END IF;
	END LOOP;
END $$;
