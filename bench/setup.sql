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
