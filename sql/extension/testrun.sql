-- Trying a job out inside of a transaction, for tests of workflows.

-- What a stub sends to a step that waits, as signal_run() and approve_step() would.
CREATE FUNCTION joborch_internal.send_stub(p_run_id bigint, p_sent_at timestamptz, p_kind "char", p_sent_by text,
	p_name text, p_payload jsonb, p_step integer, p_item integer, p_reason text)
RETURNS void
LANGUAGE sql VOLATILE AS $$
	INSERT INTO joborch_internal.signal (run_id, sent_at, kind, sent_by, name, payload, step, item, reason)
	VALUES (p_run_id, p_sent_at, p_kind, p_sent_by, p_name, p_payload, p_step, p_item, p_reason)
$$;

-- The runs of a test, which nobody else has seen, leave no trail.
CREATE FUNCTION joborch_internal.forget_test(p_run_ids bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	DELETE FROM joborch_internal.live l WHERE l.run_id = ANY (p_run_ids);
	DELETE FROM joborch_internal.ends e WHERE e.run_id = ANY (p_run_ids);
	PERFORM joborch_internal.forget_runs(p_run_ids);
END
$$;

CREATE FUNCTION joborch.test_run(definition jsonb, input jsonb DEFAULT '{}', stubs jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_test_run';
COMMENT ON FUNCTION joborch.test_run(jsonb, jsonb, jsonb)
IS 'carries out a whole job in this transaction and leaves no run behind; steps with a stub are answered by it, and time moves by itself';

CREATE FUNCTION joborch.test_run(job text, input jsonb DEFAULT '{}', stubs jsonb DEFAULT '{}') RETURNS jsonb
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_test_run_job';
COMMENT ON FUNCTION joborch.test_run(text, jsonb, jsonb)
IS 'the same of a job by its name, as it was saved last, or of a definition as text';
