-- What may be asked of one run.  Each request locks the run's row in live, so it
-- comes before or after the run's end and never in between: when the end was
-- first, no row is left to change and the request is refused.  The engine hears
-- of it at commit.

-- ---- cancel ----

-- Cancels the unfinished runs that steps of this one wait for; a run that was only
-- started by it goes on: its step is done.
CREATE FUNCTION joborch_internal.cancel_children(p_run_id bigint, p_force boolean, p_reason text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_child joborch_internal.run;
BEGIN
	FOR v_child IN
		SELECT r.* FROM joborch_internal.run r JOIN joborch_internal.live l ON l.run_id = r.run_id
		WHERE r.parent_run_id = p_run_id AND NOT EXISTS (
			SELECT FROM joborch_internal.step s
			WHERE s.run_id = p_run_id AND s.step = r.parent_step AND s.item = coalesce(r.parent_item, -1) AND s.status = 'c')
		ORDER BY r.run_id
	LOOP
		PERFORM joborch_internal.request_cancel(v_child, p_force,
			coalesce(p_reason, format('run %s, which waits for it, was cancelled', p_run_id)));
	END LOOP;
END
$$;

-- False: there is nothing to cancel, or it was asked before.
CREATE FUNCTION joborch_internal.request_cancel(p_run joborch_internal.run, p_force boolean, p_reason text) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_before text := joborch_internal.current_status(p_run.run_id);
BEGIN
	UPDATE joborch_internal.live l
	SET cancel = CASE WHEN p_force THEN 'f' ELSE 'g' END::"char",
		paused = false,			-- or its end would wait for resume_run()
		due = least(l.due, joborch_internal.now()),	-- of one that is not due nobody would read the row after a crash
		reason = p_reason
	WHERE l.run_id = p_run.run_id AND (l.cancel = '-' OR (l.cancel = 'g' AND p_force));
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM joborch_internal.record('run_cancel_requested', p_run.run_id, p_run.job_id, p_reason,
		jsonb_build_object('force', p_force, 'before', v_before));
	PERFORM joborch_internal.announce_control(p_run.run_id);
	PERFORM joborch_internal.cancel_children(p_run.run_id, p_force, p_reason);
	RETURN true;
END
$$;

CREATE FUNCTION joborch_internal.cancel_run(p_run_id bigint, p_force boolean, p_reason text) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run joborch_internal.run := joborch_internal.find_run_to_control(p_run_id);
BEGIN
	IF NOT joborch_internal.request_cancel(v_run, coalesce(p_force, false), p_reason) THEN
		PERFORM joborch_internal.refuse(p_run_id, 'cancel');
	END IF;
	RETURN joborch_internal.current_status(p_run_id);
END
$$;

CREATE FUNCTION joborch.cancel_run(run_id bigint, force boolean DEFAULT false, reason text DEFAULT NULL) RETURNS text
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.cancel_run(bigint, boolean, text)
IS 'starts nothing more of a run, and of the runs that its steps wait for, and lets the running step end; force => true interrupts it; returns the status of the moment';

-- ---- pause and resume ----

-- A paused run's time stands still: its timer leaves the queue, and what was left
-- of it is kept with the request until the run goes on.
CREATE FUNCTION joborch_internal.stop_clock(p_run_id bigint) RETURNS interval
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_left interval;
BEGIN
	SELECT greatest(t.due - joborch_internal.now(), interval '0') INTO v_left
	FROM joborch_internal.timers t WHERE t.run_id = p_run_id AND t.kind = 't' AND t.due < 'infinity';
	UPDATE joborch_internal.timers t SET due = 'infinity' WHERE t.run_id = p_run_id AND t.kind = 't';
	RETURN v_left;
END
$$;

CREATE FUNCTION joborch_internal.start_clock(p_run_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_left interval;
	v_due timestamptz;
BEGIN
	SELECT (e.detail ->> 'time_left')::interval INTO v_left
	FROM joborch_internal.event e WHERE e.run_id = p_run_id AND e.type = 'run_paused'
	ORDER BY e.event_id DESC LIMIT 1;
	UPDATE joborch_internal.timers t SET due = joborch_internal.now() + coalesce(v_left, interval '0')
	WHERE t.run_id = p_run_id AND t.kind = 't' AND t.due = 'infinity'
	RETURNING t.due INTO v_due;
	PERFORM joborch_internal.announce_timer(v_due);
END
$$;

CREATE FUNCTION joborch_internal.pause_run(p_run_id bigint, p_reason text) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run joborch_internal.run := joborch_internal.find_run_to_control(p_run_id);
	v_before text := joborch_internal.current_status(p_run_id);
BEGIN
	UPDATE joborch_internal.live l SET paused = true, reason = p_reason,
		begun = coalesce(l.begun, CASE WHEN joborch_internal.run_state(l.run_id, l.epoch, l.paused, l.begun) <> 'pending' THEN joborch_internal.now() END)
	WHERE l.run_id = p_run_id AND NOT l.paused AND l.cancel = '-';
	IF NOT FOUND THEN
		PERFORM joborch_internal.refuse(p_run_id, 'pause');
	END IF;
	PERFORM joborch_internal.record('run_paused', p_run_id, v_run.job_id, p_reason, jsonb_strip_nulls(jsonb_build_object(
		'before', v_before, 'time_left', joborch_internal.stop_clock(p_run_id))));
	PERFORM joborch_internal.announce_control(p_run_id);
	RETURN 'paused';
END
$$;

CREATE FUNCTION joborch.pause_run(run_id bigint, reason text DEFAULT NULL) RETURNS text
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.pause_run(bigint, text)
IS 'starts no further step of a run; the running ones end, and the position is kept until resume_run()';

CREATE FUNCTION joborch_internal.resume_run(p_run_id bigint, p_reason text) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run joborch_internal.run := joborch_internal.find_run_to_control(p_run_id);
BEGIN
	UPDATE joborch_internal.live l SET paused = false, reason = NULL
	WHERE l.run_id = p_run_id AND l.paused;
	IF NOT FOUND THEN
		-- of a failed run to resume is to recover
		RETURN joborch_internal.recover_run(p_run_id, NULL, p_reason);
	END IF;
	PERFORM joborch_internal.start_clock(p_run_id);
	PERFORM joborch_internal.record('run_resumed', p_run_id, v_run.job_id, p_reason, NULL);
	PERFORM joborch_internal.announce_control(p_run_id);
	RETURN joborch_internal.current_status(p_run_id);
END
$$;

CREATE FUNCTION joborch.resume_run(run_id bigint, reason text DEFAULT NULL) RETURNS text
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.resume_run(bigint, text) IS 'goes on with a paused run; of a failed one it is recover_run()';

-- ---- priority ----

CREATE FUNCTION joborch_internal.set_run_priority(p_run_id bigint, p_priority text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run joborch_internal.run := joborch_internal.find_run_to_control(p_run_id);
	v_ord smallint := joborch_internal.priority_number(p_priority);
	v_before text;
BEGIN
	SELECT joborch_internal.priority_word(l.ord) INTO v_before FROM joborch_internal.live l WHERE l.run_id = p_run_id;
	UPDATE joborch_internal.live l SET ord = v_ord WHERE l.run_id = p_run_id AND l.cancel = '-';
	IF NOT FOUND THEN
		PERFORM joborch_internal.refuse(p_run_id, 'priority');
	END IF;
	PERFORM joborch_internal.record('run_priority_changed', p_run_id, v_run.job_id, NULL,
		jsonb_build_object('before', v_before, 'after', joborch_internal.priority_word(v_ord)));
	PERFORM joborch_internal.announce_control(p_run_id);
END
$$;

CREATE FUNCTION joborch.set_run_priority(run_id bigint, priority text) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.set_run_priority(bigint, text) IS 'critical, high, medium or low, for the steps of a run that have not begun';

-- ---- delete ----

-- All rows of runs whose end the caller has deleted.
CREATE FUNCTION joborch_internal.forget_runs(p_run_ids bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	DELETE FROM joborch_internal.step s WHERE s.run_id = ANY (p_run_ids);
	DELETE FROM joborch_internal.attempt a WHERE a.run_id = ANY (p_run_ids);
	DELETE FROM joborch_internal.run_key k WHERE k.run_id = ANY (p_run_ids);
	DELETE FROM joborch_internal.run_dependency d WHERE d.run_id = ANY (p_run_ids);
	DELETE FROM joborch_internal.batch_run b WHERE b.run_id = ANY (p_run_ids);
	DELETE FROM joborch_internal.timers t WHERE t.run_id = ANY (p_run_ids);
	DELETE FROM joborch_internal.wait w WHERE w.run_id = ANY (p_run_ids);
	DELETE FROM joborch_internal.offer o WHERE o.run_id = ANY (p_run_ids);
	DELETE FROM joborch_internal.claim c WHERE c.run_id = ANY (p_run_ids);
	DELETE FROM joborch_internal.external_ref x WHERE x.run_id = ANY (p_run_ids);
	DELETE FROM joborch_internal.signal s WHERE s.run_id = ANY (p_run_ids);
	DELETE FROM joborch_internal.item_chunk c WHERE c.run_id = ANY (p_run_ids);
	PERFORM joborch_internal.forget_artifacts(p_run_ids);
	DELETE FROM joborch_internal.run r WHERE r.run_id = ANY (p_run_ids);
END
$$;

-- Does a step of its parent still wait for it, that is: has it not looked at its end?
-- A loop between two iterations will read the one before.
CREATE FUNCTION joborch_internal.is_awaited(p_run_id bigint, p_parent_run_id bigint) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM joborch_internal.wait w
		WHERE w.run_id = p_parent_run_id AND (w.child = p_run_id OR w.kind = 'l' AND (w.detail ->> 'last')::bigint = p_run_id))
$$;

CREATE FUNCTION joborch_internal.delete_run(p_run_id bigint, p_reason text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run joborch_internal.run := joborch_internal.find_run_to_control(p_run_id);
	v_status "char";
BEGIN
	IF EXISTS (SELECT FROM joborch_internal.ends e WHERE e.run_id = p_run_id)
		AND joborch_internal.is_awaited(p_run_id, v_run.parent_run_id) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO005',
			MESSAGE = format('run %s is still awaited', p_run_id),
			DETAIL = format('A step of run %s started it and has not taken its result yet.', v_run.parent_run_id),
			HINT = format('Wait until that step goes on (a paused run does not), or SELECT joborch.cancel_run(%s);',
				v_run.parent_run_id);
	END IF;
	DELETE FROM joborch_internal.ends e WHERE e.run_id = p_run_id RETURNING e.status INTO v_status;
	IF NOT FOUND THEN
		PERFORM joborch_internal.refuse(p_run_id, 'delete');
	END IF;
	PERFORM joborch_internal.forget_runs(ARRAY[p_run_id]);
	PERFORM joborch_internal.record('run_deleted', p_run_id, v_run.job_id, p_reason,
		jsonb_build_object('before', joborch_internal.status_word(v_status)));
	PERFORM joborch_internal.announce_control(p_run_id);
END
$$;

CREATE FUNCTION joborch.delete_run(run_id bigint, reason text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.delete_run(bigint, text) IS 'deletes a finished run with its steps and attempts; the audit trail stays';

