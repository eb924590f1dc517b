-- Starts n runs of a job, each when the one before has ended.
CREATE PROCEDURE measure_ends(job text, n integer)
LANGUAGE plpgsql AS $$
DECLARE
	v_run bigint;
BEGIN
	FOR i IN 1 .. n LOOP
		v_run := joborch.start(job);
		COMMIT;
		WHILE EXISTS (SELECT FROM joborch_internal.live WHERE run_id = v_run) LOOP
			COMMIT;
			PERFORM pg_sleep(0.001);
		END LOOP;
	END LOOP;
END $$;
