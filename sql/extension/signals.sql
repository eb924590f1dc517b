-- What is sent to runs that wait: signals, and decisions about approvals.  Both are
-- rows of signal and an announcement at commit; the step that waits takes them.

-- The audit trail of one step; p_item NULL: the step as a whole.
CREATE FUNCTION joborch_internal.record_step(p_type text, p_run joborch_internal.run, p_step text, p_reason text, p_detail jsonb)
RETURNS void
LANGUAGE sql VOLATILE AS $$
	INSERT INTO joborch_internal.event (type, run_id, job_id, step, by_role, reason, detail)
	VALUES (p_type, p_run.run_id, p_run.job_id, p_step, joborch_internal.caller_name(), p_reason, p_detail)
$$;

-- Keeps the run from ending before this transaction does, and others who decide
-- about it from doing so at the same time; JO005 if it is ended, or being ended.
CREATE FUNCTION joborch_internal.require_unfinished(p_run_id bigint, p_asked text, p_alone boolean) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_cancel "char";
BEGIN
	IF p_alone THEN
		SELECT l.cancel INTO v_cancel FROM joborch_internal.live l WHERE l.run_id = p_run_id FOR NO KEY UPDATE;
	ELSE
		SELECT l.cancel INTO v_cancel FROM joborch_internal.live l WHERE l.run_id = p_run_id FOR KEY SHARE;
	END IF;
	IF v_cancel IS DISTINCT FROM '-' THEN
		PERFORM joborch_internal.refuse(p_run_id, p_asked);
	END IF;
END
$$;

-- ---- signals ----

CREATE FUNCTION joborch_internal.require_signal(p_name text, p_payload jsonb) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_max bigint := pg_size_bytes(current_setting('joborch.max_input'));
BEGIN
	IF p_name IS NULL OR octet_length(p_name) NOT BETWEEN 1 AND 255 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_name',
			MESSAGE = format('"%s" cannot be the name of a signal', left(p_name, 64)),
			DETAIL = 'A name has 1 to 255 bytes.';
	END IF;
	IF octet_length(p_payload::text) > v_max THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO020',
			MESSAGE = 'the payload is too large',
			DETAIL = format('It has %s bytes; joborch.max_input allows %s.', octet_length(p_payload::text), v_max),
			HINT = 'Write large data to a table, and send its key.';
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.signal_run(p_run_id bigint, p_name text, p_payload jsonb) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run joborch_internal.run := joborch_internal.find_run_to_control(p_run_id);
	v_signal_id bigint;
BEGIN
	PERFORM joborch_internal.require_signal(p_name, p_payload);
	PERFORM joborch_internal.require_unfinished(p_run_id, 'signal', false);
	INSERT INTO joborch_internal.signal (run_id, sent_at, kind, sent_by, name, payload)
	VALUES (p_run_id, joborch_internal.now(), 's', joborch_internal.caller_name(), p_name, p_payload)
	RETURNING signal_id INTO v_signal_id;
	PERFORM joborch_internal.record('run_signalled', p_run_id, v_run.job_id, NULL,
		jsonb_build_object('name', p_name, 'signal_id', v_signal_id));
	PERFORM joborch_internal.announce_control(p_run_id);
	RETURN v_signal_id;
END
$$;

CREATE FUNCTION joborch.signal_run(run_id bigint, name text, payload jsonb DEFAULT NULL) RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.signal_run(bigint, text, jsonb)
IS 'sends a signal to a run and returns its number; a step that waits for the name takes it, now or later';

-- ---- hints ----

CREATE FUNCTION joborch_internal.recheck_waits(p_job text) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run_id bigint;
	v_runs bigint := 0;
BEGIN
	FOR v_run_id IN
		SELECT DISTINCT w.run_id
		FROM joborch_internal.wait w
		JOIN joborch_internal.run r ON r.run_id = w.run_id
		LEFT JOIN joborch_internal.job j ON j.job_id = r.job_id
		WHERE w.kind = 'q' AND joborch.visible(r.owner, r.tenant) AND (p_job IS NULL OR j.name = p_job)
	LOOP
		PERFORM joborch_internal.announce_control(v_run_id);
		v_runs := v_runs + 1;
	END LOOP;
	RETURN v_runs;
END
$$;

CREATE FUNCTION joborch.recheck_waits(job text DEFAULT NULL) RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.recheck_waits(text)
IS 'a hint from who changes data: at the commit the wait_sql steps of the runs you can see (of a job) look at once; returns how many runs';

-- ---- approvals ----

-- The approval that a decision is about.
CREATE FUNCTION joborch_internal.find_approval(p_run joborch_internal.run, p_step text,
	OUT step_index integer, OUT approvers text[])
RETURNS record
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_approval boolean;
BEGIN
	SELECT w.step_index, w.approval, w.approvers INTO step_index, v_approval, approvers
	FROM joborch_internal.version_steps(p_run.version_id) AS w
	WHERE w.name = p_step AND w.counted;
	IF step_index IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO004',
			MESSAGE = format('run %s has no step "%s"', p_run.run_id, p_step),
			HINT = format('SELECT step FROM joborch.run_steps(%s); lists its steps.', p_run.run_id);
	ELSIF NOT v_approval THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO005',
			MESSAGE = format('step "%s" asks for no approval', p_step),
			HINT = 'SELECT * FROM joborch.approvals; lists what waits for a decision.';
	END IF;
END
$$;

-- Of who is asked: the roles that the step names, else who controls the run.
CREATE FUNCTION joborch_internal.may_decide(p_owner oid, p_tenant text, p_approvers text[]) RETURNS boolean
LANGUAGE sql STABLE
RETURN CASE WHEN pg_catalog.cardinality(p_approvers) OPERATOR(pg_catalog.=) 0 THEN joborch_internal.may_control(p_owner, p_tenant)
	ELSE EXISTS (
		SELECT FROM pg_catalog.pg_roles r
		WHERE r.rolname::pg_catalog.text OPERATOR(pg_catalog.=) ANY (p_approvers)
			AND pg_catalog.pg_has_role(joborch_internal.caller(), r.oid, 'MEMBER'))
	END;

CREATE FUNCTION joborch_internal.approvers_text(p_owner_name text, p_approvers text[]) RETURNS text
LANGUAGE sql STABLE
RETURN CASE WHEN pg_catalog.cardinality(p_approvers) OPERATOR(pg_catalog.=) 0
	THEN pg_catalog.concat(p_owner_name, ', joborch_operator')
	ELSE pg_catalog.array_to_string(p_approvers, ', ')
	END;

-- Who may decide need not be allowed to see the run otherwise.
CREATE FUNCTION joborch_internal.find_run_to_decide(p_run_id bigint, p_step text) RETURNS joborch_internal.run
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_run joborch_internal.run;
BEGIN
	SELECT r.* INTO v_run FROM joborch_internal.run r WHERE r.run_id = p_run_id;
	PERFORM FROM joborch_internal.version_steps(v_run.version_id) AS w
	WHERE w.name = p_step AND w.approval AND joborch_internal.may_decide(v_run.owner, v_run.tenant, w.approvers);
	IF FOUND THEN
		RETURN v_run;
	END IF;
	RETURN joborch_internal.find_run(p_run_id);
END
$$;

CREATE FUNCTION joborch_internal.require_approver(p_run joborch_internal.run, p_step text, p_approvers text[]) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF NOT joborch_internal.may_decide(p_run.owner, p_run.tenant, p_approvers) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('permission denied to decide about step "%s" of run %s', p_step, p_run.run_id),
			DETAIL = format('Those may who are members of: %s.', joborch_internal.approvers_text(p_run.owner_name, p_approvers)),
			HINT = 'Ask one of them, or to be made a member.';
	END IF;
END
$$;

-- Raises JO005 unless the step waits, in time, for a decision that nobody has made.
CREATE FUNCTION joborch_internal.require_undecided(p_run_id bigint, p_step_index integer, p_step text, p_item integer) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_wait joborch_internal.wait;
	v_signal joborch_internal.signal;
	v_status "char";
BEGIN
	-- first: one that is taken between this look and the next ends the wait
	SELECT s.* INTO v_signal FROM joborch_internal.signal s
	WHERE s.run_id = p_run_id AND s.kind IN ('a', 'r') AND s.step = p_step_index AND s.item = p_item
		AND s.taken_at IS NULL;
	IF FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO005',
			MESSAGE = format('step "%s" of run %s was %s already', p_step, p_run_id,
				joborch_internal.signal_word(v_signal.kind)),
			DETAIL = format('By "%s" at %s.', v_signal.sent_by, v_signal.sent_at),
			HINT = format('SELECT * FROM joborch.job_signals WHERE run_id = %s; shows the reason.', p_run_id);
	END IF;
	SELECT w.* INTO v_wait FROM joborch_internal.wait w
	WHERE w.run_id = p_run_id AND w.step = p_step_index AND w.item = p_item AND w.kind = 'a';
	SELECT s.status INTO v_status FROM joborch_internal.step s
	WHERE s.run_id = p_run_id AND s.step = p_step_index AND s.item = p_item;
	IF v_status IS NOT NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO005',
			MESSAGE = format('step "%s" of run %s is already %s', p_step, p_run_id, joborch_internal.status_word(v_status)),
			HINT = format('SELECT * FROM joborch.job_signals WHERE run_id = %s; shows who decided.', p_run_id);
	ELSIF v_wait.run_id IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO005',
			MESSAGE = format('step "%s" of run %s does not wait for a decision yet', p_step, p_run_id),
			DETAIL = 'Who decides must have seen what led to it.',
			HINT = 'SELECT * FROM joborch.approvals; lists what waits for a decision.';
	ELSIF v_wait.deadline <= joborch_internal.now() THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO005',
			MESSAGE = format('the time to decide about step "%s" of run %s is over', p_step, p_run_id),
			DETAIL = format('It ended at %s.', v_wait.deadline),
			HINT = format('SELECT * FROM joborch.run_steps(%s); shows what became of it.', p_run_id);
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.decide(p_run_id bigint, p_step text, p_item integer, p_kind "char", p_reason text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run joborch_internal.run := joborch_internal.find_run_to_decide(p_run_id, p_step);
	v_step_index integer;
	v_approvers text[];
	v_item integer := coalesce(p_item, -1);
BEGIN
	SELECT a.step_index, a.approvers INTO v_step_index, v_approvers FROM joborch_internal.find_approval(v_run, p_step) AS a;
	PERFORM joborch_internal.require_approver(v_run, p_step, v_approvers);
	PERFORM joborch_internal.require_unfinished(p_run_id, 'decide', true);
	PERFORM joborch_internal.require_undecided(p_run_id, v_step_index, p_step, v_item);
	INSERT INTO joborch_internal.signal (run_id, sent_at, kind, sent_by, step, item, reason)
	VALUES (p_run_id, joborch_internal.now(), p_kind, joborch_internal.caller_name(), v_step_index, v_item, p_reason);
	PERFORM joborch_internal.record_step('step_' || joborch_internal.signal_word(p_kind), v_run, p_step, p_reason,
		CASE WHEN p_item IS NOT NULL THEN jsonb_build_object('item', p_item) END);
	PERFORM joborch_internal.announce_control(p_run_id);
END
$$;

CREATE FUNCTION joborch_internal.approve_step(p_run_id bigint, p_step text, p_reason text, p_item integer) RETURNS void
LANGUAGE sql VOLATILE AS $$
	SELECT joborch_internal.decide(p_run_id, p_step, p_item, 'a', p_reason)
$$;

CREATE FUNCTION joborch.approve_step(run_id bigint, step text, reason text DEFAULT NULL, item integer DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.approve_step(bigint, text, text, integer) IS 'says yes to an approval that waits; the run goes on at your commit';

CREATE FUNCTION joborch_internal.reject_step(p_run_id bigint, p_step text, p_reason text, p_item integer) RETURNS void
LANGUAGE sql VOLATILE AS $$
	SELECT joborch_internal.decide(p_run_id, p_step, p_item, 'r', p_reason)
$$;

CREATE FUNCTION joborch.reject_step(run_id bigint, step text, reason text DEFAULT NULL, item integer DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.reject_step(bigint, text, text, integer) IS 'says no to an approval that waits; what follows is what its on_reject says';

-- ---- what was sent, and what waits for whom ----

CREATE VIEW joborch.job_signals WITH (security_barrier) AS
SELECT s.signal_id, s.run_id, j.name AS job, joborch_internal.signal_word(s.kind) AS kind, s.name,
	(SELECT d.name FROM joborch_internal.version_steps(r.version_id) AS d WHERE d.step_index = s.step) AS step,
	nullif(s.item, -1) AS item, s.payload, s.reason, s.sent_by, s.sent_at, s.taken_at,
	(SELECT d.name FROM joborch_internal.version_steps(r.version_id) AS d WHERE d.step_index = s.taken_step) AS taken_by,
	nullif(s.taken_item, -1) AS taken_item
FROM joborch_internal.signal s
JOIN joborch_internal.run r ON r.run_id = s.run_id
LEFT JOIN joborch_internal.job j ON j.job_id = r.job_id
WHERE joborch.visible(r.owner, r.tenant);
COMMENT ON VIEW joborch.job_signals IS 'what was sent to runs and their steps, as long as the runs are kept';
COMMENT ON COLUMN joborch.job_signals.kind IS 'signal; approved or rejected; completed, failed or skipped';
COMMENT ON COLUMN joborch.job_signals.step IS 'of all but signals: what it is about';
COMMENT ON COLUMN joborch.job_signals.taken_at IS 'when a step took it; NULL: none has';
COMMENT ON COLUMN joborch.job_signals.taken_by IS 'step that took it';

CREATE VIEW joborch.approvals WITH (security_barrier) AS
SELECT w.run_id, j.name AS job, d.name AS step, nullif(w.item, -1) AS item, w.detail ->> 'message' AS message,
	joborch_internal.approvers_text(r.owner_name, d.approvers) AS approvers,
	joborch_internal.may_decide(r.owner, r.tenant, d.approvers) AS may_decide,
	w.begun_at AS waiting_since, w.deadline,
	format('SELECT joborch.approve_step(%s, %L%s);', w.run_id, d.name,
		CASE WHEN w.item >= 0 THEN ', item => ' || w.item ELSE '' END) AS next_command
FROM joborch_internal.wait w
JOIN joborch_internal.run r ON r.run_id = w.run_id
LEFT JOIN joborch_internal.job j ON j.job_id = r.job_id
CROSS JOIN LATERAL joborch_internal.version_steps(r.version_id) AS d
WHERE w.kind = 'a' AND d.step_index = w.step
	AND (joborch.visible(r.owner, r.tenant) OR joborch_internal.may_decide(r.owner, r.tenant, d.approvers));
COMMENT ON VIEW joborch.approvals IS 'steps that wait for a decision: all that you may see, and all that you may decide about';
COMMENT ON COLUMN joborch.approvals.approvers IS 'roles whose members may decide';
COMMENT ON COLUMN joborch.approvals.may_decide IS 'you are one of them';
COMMENT ON COLUMN joborch.approvals.next_command IS 'says yes; reject_step() with the same arguments says no';
