-- Programs outside that claim steps of type external and say how they ended; the other
-- side of a network step that answers later.  The token is the right: whoever has it need
-- not be allowed to see the run.  A worker's word is an order, in his own transaction.

-- Takes steps; see claimsteps.c.
CREATE FUNCTION joborch.claim_steps(queue text DEFAULT 'default', worker text DEFAULT NULL, n integer DEFAULT 1,
	lease interval DEFAULT NULL, wait interval DEFAULT NULL,
	OUT token text, OUT run_id bigint, OUT job text, OUT step text, OUT item integer, OUT attempt integer,
	OUT request jsonb, OUT lease_until timestamptz, OUT deadline timestamptz, OUT type text)
RETURNS SETOF record
LANGUAGE C VOLATILE ROWS 1 COST 1000 AS 'MODULE_PATHNAME', 'joborch_claim_steps';
COMMENT ON FUNCTION joborch.claim_steps(text, text, integer, interval, interval)
IS 'takes up to n external steps that wait in a queue, the most urgent and oldest first; wait => waits so long for one (up to a minute)';

-- ---- tokens ----

CREATE FUNCTION joborch_internal.refuse_claim(p_detail text) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RAISE EXCEPTION USING
		ERRCODE = 'JO044',
		MESSAGE = 'the claim is lost',
		DETAIL = p_detail,
		HINT = 'Roll back what was done for it; what is still to be done is claimed anew.';
END
$$;

-- Raises JO044 when the end of the step cannot be said any more.
CREATE FUNCTION joborch_internal.require_claim(p_claim joborch_internal.claim) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_cancel "char";
BEGIN
	IF p_claim.run_id IS NULL THEN
		PERFORM joborch_internal.refuse_claim(
			'Its lease ran out and it was given back, or the step or its attempt is over, or there was never such a token.');
	END IF;
	SELECT l.cancel INTO v_cancel FROM joborch_internal.live l WHERE l.run_id = p_claim.run_id;
	IF v_cancel IS DISTINCT FROM '-' THEN
		PERFORM joborch_internal.refuse_claim(format('It is of run %s, which was cancelled or is over.', p_claim.run_id));
	END IF;
	-- the other side may answer before the courier has written that it waits
	PERFORM FROM joborch_internal.wait w
	WHERE w.run_id = p_claim.run_id AND w.step = p_claim.step AND w.item = p_claim.item AND w.attempt = p_claim.attempt
	UNION ALL
	SELECT FROM joborch_internal.attempt a
	WHERE a.run_id = p_claim.run_id AND a.step = p_claim.step AND a.item = p_claim.item AND a.attempt = p_claim.attempt
		AND a.status = 'r';
	IF NOT FOUND THEN
		PERFORM joborch_internal.refuse_claim(format('Attempt %s of the step is over.', p_claim.attempt));
	END IF;
END
$$;

-- Unless it has fired.
CREATE FUNCTION joborch_internal.delete_lease_timer(p_claim joborch_internal.claim) RETURNS void
LANGUAGE sql VOLATILE AS $$
	DELETE FROM joborch_internal.timers t
	WHERE t.due = p_claim.timer_due AND t.run_id = p_claim.run_id AND t.step = p_claim.step AND t.item = p_claim.item
		AND t.kind = 'l'
$$;

-- The claim of a token, ended: from here on nobody else can end the step before this
-- transaction does.
CREATE FUNCTION joborch_internal.take_claim(p_token text) RETURNS joborch_internal.claim
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_claim joborch_internal.claim;
BEGIN
	DELETE FROM joborch_internal.claim c WHERE c.token = sha256(convert_to(p_token, 'UTF8')) RETURNING c.* INTO v_claim;
	PERFORM joborch_internal.require_claim(v_claim);
	PERFORM joborch_internal.delete_lease_timer(v_claim);
	RETURN v_claim;
END
$$;

-- p_kind: d it is completed, e its attempt failed.
CREATE FUNCTION joborch_internal.end_claim(p_claim joborch_internal.claim, p_kind "char", p_payload jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	INSERT INTO joborch_internal.signal (run_id, sent_at, kind, sent_by, step, item, payload)
	VALUES (p_claim.run_id, joborch_internal.now(), p_kind, joborch_internal.caller_name(), p_claim.step, p_claim.item, p_payload);
	PERFORM joborch_internal.announce_control(p_claim.run_id);
END
$$;

CREATE FUNCTION joborch_internal.complete_claim(p_token text, p_output jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.require_output(p_output);
	PERFORM joborch_internal.end_claim(joborch_internal.take_claim(p_token), 'd', p_output);
END
$$;

CREATE FUNCTION joborch.complete_claim(token text, output jsonb DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.complete_claim(text, jsonb)
IS 'ends a claimed step as completed, with this output, at your commit; JO044 if it is not yours any more';

CREATE FUNCTION joborch_internal.fail_claim(p_token text, p_error text, p_retryable boolean, p_details jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_claim joborch_internal.claim;
BEGIN
	PERFORM joborch_internal.require_output(p_details);
	v_claim := joborch_internal.take_claim(p_token);
	PERFORM joborch_internal.end_claim(v_claim, 'e',
		jsonb_build_object('message', left(coalesce(p_error, 'its worker said that it failed'), 8192))
		|| CASE WHEN p_retryable IS NOT NULL THEN jsonb_build_object('retryable', p_retryable) ELSE '{}' END
		|| CASE WHEN p_details IS NOT NULL THEN jsonb_build_object('details', p_details) ELSE '{}' END
		|| CASE WHEN v_claim.worker IS NOT NULL THEN jsonb_build_object('worker', v_claim.worker) ELSE '{}' END);
END
$$;

CREATE FUNCTION joborch.fail_claim(token text, error text, retryable boolean DEFAULT NULL, details jsonb DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.fail_claim(text, text, boolean, jsonb)
IS 'ends the attempt of a claimed step as failed, with this error; its retry policy says what follows, retryable => false that nothing does';

CREATE FUNCTION joborch_internal.release_claim(p_token text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_claim joborch_internal.claim := joborch_internal.take_claim(p_token);
	v_now timestamptz := joborch_internal.now();
BEGIN
	IF v_claim.kind <> 'e' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO005',
			MESSAGE = 'nobody else can take this claim',
			DETAIL = 'It is the callback of a request that was sent already.',
			HINT = 'SELECT joborch.fail_claim(token, ''...''); lets the step be tried again.';
	END IF;
	INSERT INTO joborch_internal.offer (group_id, offered_at, run_id, step, item, ord, lost)
	VALUES (v_claim.group_id, v_now, v_claim.run_id, v_claim.step, v_claim.item, v_claim.ord, v_claim.lost);
	PERFORM joborch_internal.announce_offer(g.queue, v_claim.group_id, v_claim.ord, v_now)
	FROM joborch_internal.work_group g WHERE g.group_id = v_claim.group_id;
END
$$;

CREATE FUNCTION joborch.release_claim(token text) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.release_claim(text)
IS 'gives a claimed step back, to the end of its queue, as if it had not been claimed';

CREATE FUNCTION joborch_internal.extend_claim(p_token text, p_lease interval) RETURNS timestamptz
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_claim joborch_internal.claim;
	v_until timestamptz;
BEGIN
	SELECT c.* INTO v_claim FROM joborch_internal.claim c WHERE c.token = sha256(convert_to(p_token, 'UTF8')) FOR NO KEY UPDATE;
	PERFORM joborch_internal.require_claim(v_claim);
	IF p_lease NOT BETWEEN interval '1 second' AND interval '30 days' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'a lease is between 1 second and 30 days';
	END IF;
	-- a callback has none
	v_until := CASE WHEN v_claim.lease_until IS NOT NULL
		THEN joborch_internal.now() + coalesce(p_lease, make_interval(secs => v_claim.lease / 1000000.0)) END;
	UPDATE joborch_internal.claim c SET lease_until = v_until,
		timer_due = CASE WHEN v_until < v_claim.lease_until THEN v_until ELSE c.timer_due END
	WHERE c.token = v_claim.token;
	-- of a longer one the step hears when it looks after the end that it knows of
	IF v_until < v_claim.lease_until THEN
		PERFORM joborch_internal.delete_lease_timer(v_claim);
		INSERT INTO joborch_internal.timers (due, run_id, step, item, kind, epoch)
		SELECT v_until, v_claim.run_id, v_claim.step, v_claim.item, 'l', l.epoch
		FROM joborch_internal.live l WHERE l.run_id = v_claim.run_id
		ON CONFLICT DO NOTHING;
		PERFORM joborch_internal.announce_timer(v_until);
	END IF;
	RETURN v_until;
END
$$;

CREATE FUNCTION joborch.extend_claim(token text, lease interval DEFAULT NULL) RETURNS timestamptz
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.extend_claim(text, interval)
IS 'keeps a claimed step for so long from now on, NULL: as long as at first; returns until when; JO044 if it is not yours any more';

-- ---- what others call a step ----

CREATE FUNCTION joborch_internal.put_external_id(p_run_id bigint, p_step integer, p_item integer, p_external_id text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	IF p_external_id IS NULL THEN
		DELETE FROM joborch_internal.external_ref x WHERE x.run_id = p_run_id AND x.step = p_step AND x.item = p_item;
		RETURN;
	ELSIF octet_length(p_external_id) NOT BETWEEN 1 AND 1024 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'an external id has 1 to 1024 bytes',
			DETAIL = format('It has %s.', octet_length(p_external_id));
	END IF;
	INSERT INTO joborch_internal.external_ref (run_id, step, item, external_id)
	VALUES (p_run_id, p_step, p_item, p_external_id)
	ON CONFLICT (run_id, step, item) DO UPDATE SET external_id = excluded.external_id;
END
$$;

CREATE FUNCTION joborch_internal.set_claim_external_id(p_token text, p_external_id text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_claim joborch_internal.claim;
BEGIN
	SELECT c.* INTO v_claim FROM joborch_internal.claim c WHERE c.token = sha256(convert_to(p_token, 'UTF8')) FOR KEY SHARE;
	PERFORM joborch_internal.require_claim(v_claim);
	PERFORM joborch_internal.put_external_id(v_claim.run_id, c.step_index, v_claim.item, p_external_id)
	FROM joborch_internal.run r
	CROSS JOIN LATERAL joborch_internal.version_steps(r.version_id) AS d
	JOIN LATERAL joborch_internal.version_steps(r.version_id) AS c ON c.name = d.name AND c.counted
	WHERE r.run_id = v_claim.run_id AND d.step_index = v_claim.step;
END
$$;

CREATE FUNCTION joborch.set_claim_external_id(token text, external_id text) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.set_claim_external_id(text, text)
IS 'notes what another system calls a claimed step, for find_external(); NULL: nothing any more';

CREATE FUNCTION joborch_internal.set_external_id(p_run_id bigint, p_step text, p_external_id text, p_item integer) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_run joborch_internal.run := joborch_internal.find_run_to_control(p_run_id);
	v_step integer;
BEGIN
	SELECT d.step_index INTO v_step FROM joborch_internal.version_steps(v_run.version_id) AS d
	WHERE d.name = p_step AND d.counted;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO004',
			MESSAGE = format('run %s has no step "%s"', p_run_id, p_step),
			HINT = format('SELECT step FROM joborch.run_steps(%s); lists its steps.', p_run_id);
	END IF;
	PERFORM joborch_internal.put_external_id(p_run_id, v_step, coalesce(p_item, -1), p_external_id);
END
$$;

CREATE FUNCTION joborch.set_external_id(run_id bigint, step text, external_id text, item integer DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.set_external_id(bigint, text, text, integer)
IS 'notes what another system calls a step of a run, for find_external(); NULL: nothing any more';

CREATE FUNCTION joborch_internal.find_external(p_external_id text)
RETURNS TABLE (run_id bigint, job text, step text, item integer, status text)
LANGUAGE sql STABLE AS $$
	SELECT x.run_id, j.name, d.name, nullif(x.item, -1), (
		SELECT t.status FROM joborch_internal.steps_of_run(x.run_id) AS t
		WHERE t.step_index = x.step AND coalesce(t.item, -1) = x.item)
	FROM joborch_internal.external_ref x
	JOIN joborch_internal.run r ON r.run_id = x.run_id
	LEFT JOIN joborch_internal.job j ON j.job_id = r.job_id
	CROSS JOIN LATERAL joborch_internal.version_steps(r.version_id) AS d
	WHERE x.external_id = p_external_id AND d.step_index = x.step AND joborch.visible(r.owner, r.tenant)
	ORDER BY x.run_id, x.step, x.item
$$;

CREATE FUNCTION joborch.find_external(external_id text)
RETURNS TABLE (run_id bigint, job text, step text, item integer, status text)
LANGUAGE C STABLE ROWS 1 AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.find_external(text) IS 'the steps that another system calls so';

-- ---- who may claim ----

CREATE FUNCTION joborch_internal.grant_queue(p_queue text, p_role text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.require_role('joborch_admin');
	PERFORM joborch_internal.require_existing_role(p_role);
	IF p_queue IS NULL OR octet_length(p_queue) NOT BETWEEN 1 AND 63 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_name',
			MESSAGE = format('"%s" cannot be the name of a queue', left(p_queue, 64)),
			DETAIL = 'A name has 1 to 63 bytes.';
	END IF;
	EXECUTE format('GRANT joborch_worker TO %I', p_role);
	INSERT INTO joborch_internal.queue_grant (queue, role_name, granted_by)
	VALUES (p_queue, p_role, joborch_internal.caller_name())
	ON CONFLICT DO NOTHING;
	PERFORM joborch_internal.record('queue_granted', NULL, NULL, NULL, jsonb_build_object('queue', p_queue, 'role', p_role));
END
$$;

CREATE FUNCTION joborch.grant_queue(queue text, role text) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.grant_queue(text, text)
IS 'lets a role claim all steps of a queue, whoever owns their runs, and nothing else';

CREATE FUNCTION joborch_internal.revoke_queue(p_queue text, p_role text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.require_role('joborch_admin');
	DELETE FROM joborch_internal.queue_grant q WHERE q.queue = p_queue AND q.role_name = p_role;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'undefined_object',
			MESSAGE = format('queue "%s" was not granted to role "%s"', p_queue, p_role),
			HINT = 'SELECT * FROM joborch.queue_grants;';
	END IF;
	PERFORM joborch_internal.record('queue_revoked', NULL, NULL, NULL, jsonb_build_object('queue', p_queue, 'role', p_role));
END
$$;

CREATE FUNCTION joborch.revoke_queue(queue text, role text) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.revoke_queue(text, text)
IS 'takes back grant_queue(); what the role has claimed it may still complete';

CREATE VIEW joborch.queue_grants AS
SELECT q.queue, q.role_name AS role, q.granted_by, q.granted_at FROM joborch_internal.queue_grant q;
COMMENT ON VIEW joborch.queue_grants IS 'roles that may claim all steps of a queue';
