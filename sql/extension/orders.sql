-- What anybody who controls a run may say of a step that waits, and what waits for
-- somebody who carries it out.  An order is a row of signal to one step; the step is
-- executed once more and ends as it says.

-- The step, or the item of it, that waits; JO005 if it does not, or if an order is on its way.
CREATE FUNCTION joborch_internal.find_waiting(p_run joborch_internal.run, p_step text, p_item integer)
RETURNS joborch_internal.wait
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_wait joborch_internal.wait;
	v_signal joborch_internal.signal;
	v_status text;
	v_item integer;
BEGIN
	PERFORM FROM joborch_internal.version_steps(p_run.version_id) AS d WHERE d.name = p_step AND d.counted;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO004',
			MESSAGE = format('run %s has no step "%s"', p_run.run_id, p_step),
			HINT = format('SELECT step FROM joborch.run_steps(%s); lists its steps.', p_run.run_id);
	END IF;
	SELECT w.* INTO v_wait
	FROM joborch_internal.wait w JOIN joborch_internal.version_steps(p_run.version_id) AS d ON d.step_index = w.step
	WHERE w.run_id = p_run.run_id AND d.name = p_step AND w.item = coalesce(p_item, -1);
	IF NOT FOUND THEN
		SELECT t.status INTO v_status FROM joborch_internal.steps_of_run(p_run.run_id) AS t
		WHERE t.step = p_step AND t.item = coalesce(p_item, -1);
		SELECT min(w.item) INTO v_item
		FROM joborch_internal.wait w JOIN joborch_internal.version_steps(p_run.version_id) AS d ON d.step_index = w.step
		WHERE w.run_id = p_run.run_id AND d.name = p_step AND p_item IS NULL;
		RAISE EXCEPTION USING
			ERRCODE = 'JO005',
			MESSAGE = format('step "%s" of run %s does not wait%s', p_step || coalesce('[' || p_item || ']', ''), p_run.run_id,
				coalesce(': it is ' || v_status, '')),
			DETAIL = 'Only what waits can be completed, failed or skipped by somebody else.',
			HINT = CASE WHEN v_item IS NOT NULL
				THEN format('It is repeated by foreach: say which item waits, item => %s.', v_item)
				ELSE format('SELECT step, item, status, waiting_for FROM joborch.run_steps(%s); shows what its steps do.', p_run.run_id)
				END;
	END IF;
	SELECT s.* INTO v_signal FROM joborch_internal.signal s
	WHERE s.run_id = v_wait.run_id AND s.kind IN ('d', 'e', 'n') AND s.step = v_wait.step AND s.item = v_wait.item
		AND s.taken_at IS NULL AND s.sent_at >= v_wait.begun_at;
	IF FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO005',
			MESSAGE = format('step "%s" of run %s was %s already', p_step, p_run.run_id, joborch_internal.signal_word(v_signal.kind)),
			DETAIL = format('By "%s" at %s; the run goes on from there.', v_signal.sent_by, v_signal.sent_at),
			HINT = format('SELECT * FROM joborch.job_signals WHERE run_id = %s; shows the reason.', p_run.run_id);
	END IF;
	RETURN v_wait;
END
$$;

CREATE FUNCTION joborch_internal.require_output(p_output jsonb) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_max bigint := pg_size_bytes(current_setting('joborch.max_inline_result'));
BEGIN
	IF pg_column_size(p_output) > v_max THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO009',
			MESSAGE = 'the output is too large',
			DETAIL = format('It has %s bytes; joborch.max_inline_result allows %s.', pg_column_size(p_output), v_max),
			HINT = 'Write large data to a table, and hand on its key.';
	END IF;
END
$$;

-- From here on no worker can claim the step or say its end; it waits for one who is just
-- doing so.  Raises JO005 if he was faster.
CREATE FUNCTION joborch_internal.take_from_workers(p_run joborch_internal.run, p_step text, p_wait joborch_internal.wait) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	DELETE FROM joborch_internal.offer o WHERE o.run_id = p_wait.run_id AND o.step = p_wait.step AND o.item = p_wait.item;
	WITH gone AS (
		DELETE FROM joborch_internal.claim c
		WHERE c.run_id = p_wait.run_id AND c.step = p_wait.step AND c.item = p_wait.item
		RETURNING c.timer_due)
	DELETE FROM joborch_internal.timers t USING gone g
	WHERE t.due = g.timer_due AND t.run_id = p_wait.run_id AND t.step = p_wait.step AND t.item = p_wait.item AND t.kind = 'l';
	PERFORM joborch_internal.find_waiting(p_run, p_step, nullif(p_wait.item, -1));
END
$$;

-- p_kind: d to be completed, e failed, n skipped.
CREATE FUNCTION joborch_internal.order_step(p_run_id bigint, p_step text, p_item integer, p_kind "char", p_payload jsonb, p_reason text)
RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run joborch_internal.run := joborch_internal.find_run_to_control(p_run_id);
	v_wait joborch_internal.wait;
	v_waits_for text;
BEGIN
	PERFORM joborch_internal.require_unfinished(p_run_id, 'order', true);
	v_wait := joborch_internal.find_waiting(v_run, p_step, p_item);
	v_waits_for := joborch_internal.wait_words(v_run.version_id, v_wait.step, v_wait.kind, v_wait.key, v_wait.look_at,
		v_wait.child, v_run.owner_name);
	IF v_wait.kind = 'e' THEN
		PERFORM joborch_internal.take_from_workers(v_run, p_step, v_wait);
	END IF;
	-- or who controls the run could say yes in the place of those who are asked
	IF v_wait.kind = 'a' THEN
		PERFORM joborch_internal.require_approver(v_run, p_step, d.approvers)
		FROM joborch_internal.version_steps(v_run.version_id) AS d WHERE d.step_index = v_wait.step;
	ELSIF p_kind = 'd' AND v_wait.kind = 'k' THEN
		PERFORM FROM joborch_internal.version_steps(v_run.version_id) AS d
		WHERE d.step_index = v_wait.step AND d.type IN ('condition', 'switch');
		IF FOUND THEN
			RAISE EXCEPTION USING
				ERRCODE = 'JO005',
				MESSAGE = format('step "%s" of run %s cannot be completed by somebody else', p_step, p_run_id),
				DETAIL = format('It is to choose a branch, and waits for %s.', v_waits_for),
				HINT = format('SELECT joborch.skip_step(%s, %L); skips it and what follows it.', p_run_id, p_step);
		END IF;
	END IF;
	INSERT INTO joborch_internal.signal (run_id, sent_at, kind, sent_by, step, item, payload, reason)
	VALUES (p_run_id, joborch_internal.now(), p_kind, joborch_internal.caller_name(), v_wait.step, v_wait.item, p_payload, p_reason);
	PERFORM joborch_internal.record_step('step_' || joborch_internal.signal_word(p_kind), v_run, p_step, p_reason,
		jsonb_strip_nulls(jsonb_build_object('item', p_item, 'before', 'waiting', 'waited_for', v_waits_for,
			'after', joborch_internal.signal_word(p_kind))));
	PERFORM joborch_internal.announce_control(p_run_id);
END
$$;

CREATE FUNCTION joborch_internal.complete_step(p_run_id bigint, p_step text, p_output jsonb, p_reason text, p_item integer) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.require_output(p_output);
	PERFORM joborch_internal.order_step(p_run_id, p_step, p_item, 'd', p_output, p_reason);
END
$$;

CREATE FUNCTION joborch.complete_step(run_id bigint, step text, output jsonb DEFAULT NULL, reason text DEFAULT NULL,
	item integer DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.complete_step(bigint, text, jsonb, text, integer)
IS 'ends a step that waits as completed, with this output; the run goes on at your commit';

CREATE FUNCTION joborch_internal.fail_step(p_run_id bigint, p_step text, p_message text, p_reason text, p_item integer) RETURNS void
LANGUAGE sql VOLATILE AS $$
	SELECT joborch_internal.order_step(p_run_id, p_step, p_item, 'e', to_jsonb(left(p_message, 8192)), p_reason)
$$;

CREATE FUNCTION joborch.fail_step(run_id bigint, step text, message text DEFAULT NULL, reason text DEFAULT NULL,
	item integer DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.fail_step(bigint, text, text, text, integer)
IS 'ends the attempt of a step that waits as failed, with this message; its retry policy says what follows';

CREATE FUNCTION joborch_internal.skip_step(p_run_id bigint, p_step text, p_reason text, p_item integer) RETURNS void
LANGUAGE sql VOLATILE AS $$
	SELECT joborch_internal.order_step(p_run_id, p_step, p_item, 'n', NULL, p_reason)
$$;

CREATE FUNCTION joborch.skip_step(run_id bigint, step text, reason text DEFAULT NULL, item integer DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.skip_step(bigint, text, text, integer)
IS 'ends a step that waits as skipped, and so what needs it';

-- ---- what somebody else is to do ----

-- What was answered is not to be done again, even if its run has not gone on yet.
CREATE VIEW joborch.outside_steps WITH (security_barrier) AS
SELECT w.run_id, j.name AS job, d.name AS step, nullif(w.item, -1) AS item, d.type, w.detail -> 'request' AS request,
	w.attempt, w.begun_at AS since, w.deadline,
	CASE WHEN d.type NOT IN ('http', 'webhook') THEN coalesce(w.detail -> 'request' ->> 'queue', 'default') END AS queue,
	c.worker, c.claimed_by, c.claimed_at, c.lease_until,
	(SELECT x.external_id
		FROM joborch_internal.external_ref x JOIN joborch_internal.version_steps(r.version_id) AS n ON n.step_index = x.step
		WHERE x.run_id = w.run_id AND x.item = w.item AND n.name = d.name) AS external_id
FROM joborch_internal.wait w
JOIN joborch_internal.run r ON r.run_id = w.run_id
LEFT JOIN joborch_internal.job j ON j.job_id = r.job_id
LEFT JOIN joborch_internal.claim c ON c.run_id = w.run_id AND c.step = w.step AND c.item = w.item
CROSS JOIN LATERAL joborch_internal.version_steps(r.version_id) AS d
WHERE w.kind = 'e' AND d.step_index = w.step AND joborch.visible(r.owner, r.tenant)
	AND NOT EXISTS (
		SELECT FROM joborch_internal.signal s
		WHERE s.run_id = w.run_id AND s.kind IN ('d', 'e', 'n') AND s.step = w.step AND s.item = w.item
			AND s.taken_at IS NULL AND s.sent_at >= w.begun_at);
COMMENT ON VIEW joborch.outside_steps IS 'steps that wait for somebody who carries them out, or answers them later, and who has claimed them';
COMMENT ON COLUMN joborch.outside_steps.type IS 'type of the step';
COMMENT ON COLUMN joborch.outside_steps.request IS 'the step''s own keys, with the values of their templates';
COMMENT ON COLUMN joborch.outside_steps.attempt IS 'from 1; the same request may have been carried out in vain before';
COMMENT ON COLUMN joborch.outside_steps.deadline IS 'when the attempt fails by the step''s timeout; NULL: never';
COMMENT ON COLUMN joborch.outside_steps.queue IS 'where claim_steps() finds it; NULL: it was sent, and is answered by its token';
COMMENT ON COLUMN joborch.outside_steps.worker IS 'what the program that claimed it calls itself';
COMMENT ON COLUMN joborch.outside_steps.claimed_by IS 'role that claimed it; NULL: nobody has';
COMMENT ON COLUMN joborch.outside_steps.lease_until IS 'when it is given back unless it is extended or completed';
COMMENT ON COLUMN joborch.outside_steps.external_id IS 'what another system calls it';
