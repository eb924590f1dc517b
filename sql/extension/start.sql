-- Starting runs and waiting for them.

CREATE FUNCTION joborch.start(job text, input jsonb DEFAULT '{}', run_at timestamptz DEFAULT NULL, priority text DEFAULT NULL,
	queue text DEFAULT NULL, name text DEFAULT NULL, tags text[] DEFAULT NULL, metadata jsonb DEFAULT NULL,
	idempotency_key text DEFAULT NULL, on_duplicate text DEFAULT 'return', correlation_id text DEFAULT NULL,
	traceparent text DEFAULT NULL, input_template text DEFAULT NULL, depends_on_runs bigint[] DEFAULT NULL,
	dependency_type text DEFAULT 'success', batch_id text DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_start';
COMMENT ON FUNCTION joborch.start(text, jsonb, timestamptz, text, text, text, text[], jsonb, text, text, text, text, text, bigint[], text, text)
IS 'starts a run of a job as part of your transaction and returns its id';

CREATE FUNCTION joborch.start_definition(definition jsonb, input jsonb DEFAULT '{}', run_at timestamptz DEFAULT NULL,
	priority text DEFAULT NULL, queue text DEFAULT NULL, name text DEFAULT NULL, tags text[] DEFAULT NULL,
	metadata jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL, on_duplicate text DEFAULT 'return',
	correlation_id text DEFAULT NULL, traceparent text DEFAULT NULL, depends_on_runs bigint[] DEFAULT NULL,
	dependency_type text DEFAULT 'success', batch_id text DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_start_definition';
COMMENT ON FUNCTION joborch.start_definition(jsonb, jsonb, timestamptz, text, text, text, text[], jsonb, text, text, text, text, bigint[], text, text)
IS 'starts a run of a definition that is not saved as a job; it runs with your rights';

CREATE FUNCTION joborch.start_sql(sql text, input jsonb DEFAULT '{}', run_at timestamptz DEFAULT NULL,
	priority text DEFAULT NULL, queue text DEFAULT NULL, name text DEFAULT NULL, tags text[] DEFAULT NULL,
	metadata jsonb DEFAULT NULL, idempotency_key text DEFAULT NULL, on_duplicate text DEFAULT 'return',
	correlation_id text DEFAULT NULL, traceparent text DEFAULT NULL, depends_on_runs bigint[] DEFAULT NULL,
	dependency_type text DEFAULT 'success', batch_id text DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_start_sql';
COMMENT ON FUNCTION joborch.start_sql(text, jsonb, timestamptz, text, text, text, text[], jsonb, text, text, text, text, bigint[], text, text)
IS 'starts a run of one SQL text, with your rights';

CREATE FUNCTION joborch.start_many(job text, count integer DEFAULT NULL, inputs jsonb[] DEFAULT NULL,
	input_list jsonb DEFAULT NULL, run_at timestamptz DEFAULT NULL, priority text DEFAULT NULL, queue text DEFAULT NULL,
	tags text[] DEFAULT NULL, metadata jsonb DEFAULT NULL, correlation_id text DEFAULT NULL, batch_id text DEFAULT NULL)
RETURNS SETOF bigint
LANGUAGE C VOLATILE ROWS 1000 AS 'MODULE_PATHNAME', 'joborch_start_many';
COMMENT ON FUNCTION joborch.start_many(text, integer, jsonb[], jsonb, timestamptz, text, text, text[], jsonb, text, text)
IS 'starts many runs of a job at once: count of them, or one for each input';

CREATE FUNCTION joborch.wait_for_run(run_id bigint, timeout interval DEFAULT NULL) RETURNS text
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_wait_for_run';
COMMENT ON FUNCTION joborch.wait_for_run(bigint, interval)
IS 'waits until a run is finished or the time is over, and returns its status; holds a snapshot, so prefer CALL joborch.await_run() for long waits';

CREATE PROCEDURE joborch.await_run(run_id bigint, timeout interval DEFAULT NULL)
LANGUAGE C AS 'MODULE_PATHNAME', 'joborch_await_run';
COMMENT ON PROCEDURE joborch.await_run(bigint, interval)
IS 'waits until a run is finished or the time is over, without holding back vacuum';

-- Invoker's rights.  It commits, so it can have no SET clause: every name and
-- operator says its schema, as the caller's search_path is not to be trusted.
CREATE PROCEDURE joborch.run_job(job text, input jsonb DEFAULT '{}', timeout interval DEFAULT NULL, INOUT output jsonb DEFAULT NULL)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	v_run_id pg_catalog.int8;
	v_status pg_catalog.text;
	v_error pg_catalog.jsonb;
BEGIN
	v_run_id := joborch.start(job, input);
	COMMIT;
	CALL joborch.await_run(v_run_id, timeout);
	SELECT r.status, r.output, r.error INTO v_status, output, v_error
	FROM joborch.job_runs r WHERE r.run_id OPERATOR(pg_catalog.=) v_run_id;
	IF v_status OPERATOR(pg_catalog.=) 'completed' THEN
		RETURN;
	ELSIF v_status OPERATOR(pg_catalog.=) 'failed' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO014',
			MESSAGE = pg_catalog.format('run %s failed: %s', v_run_id, v_error OPERATOR(pg_catalog.->>) 'message'),
			DETAIL = v_error::pg_catalog.text,
			HINT = pg_catalog.format('SELECT joborch.recover_run(%s); goes on with it.', v_run_id);
	ELSIF v_status OPERATOR(pg_catalog.=) 'cancelled' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO015',
			MESSAGE = pg_catalog.format('run %s was cancelled', v_run_id),
			HINT = pg_catalog.format('SELECT joborch.rerun(%s); starts it anew.', v_run_id);
	END IF;
	RAISE EXCEPTION USING
		ERRCODE = 'JO005',
		MESSAGE = pg_catalog.format('run %s is not finished after %s', v_run_id, timeout),
		DETAIL = pg_catalog.format('Its status is %s.', v_status),
		HINT = pg_catalog.format('It goes on; SELECT joborch.wait_for_run(%s); waits for its end.', v_run_id);
END
$$;
COMMENT ON PROCEDURE joborch.run_job(text, jsonb, interval, jsonb)
IS 'starts a run, commits, waits for its end, gives its output or raises its error';

