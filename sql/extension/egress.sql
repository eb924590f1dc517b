-- What steps may reach: rules by role, host, port, scheme and address.  Read by
-- src/egressrules.c; what matches is decided by src/egress.c.

-- ---- texts, each brought into one spelling, or refused with a hint ----

CREATE FUNCTION joborch_internal.egress_host(host text) RETURNS text
LANGUAGE C IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'joborch_egress_host';

CREATE FUNCTION joborch_internal.egress_addresses(addresses text[]) RETURNS text[]
LANGUAGE C IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'joborch_egress_addresses';

CREATE FUNCTION joborch_internal.egress_schemes(schemes text) RETURNS integer
LANGUAGE C IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'joborch_egress_schemes';

CREATE FUNCTION joborch_internal.egress_rate(rate text) RETURNS double precision
LANGUAGE C IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'joborch_egress_rate';

-- ---- rules ----

-- NULL and 'public' are all roles.
CREATE FUNCTION joborch_internal.egress_role(p_role text) RETURNS oid
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF p_role IS NULL OR p_role = 'public' THEN
		RETURN NULL;
	END IF;
	PERFORM joborch_internal.require_existing_role(p_role);
	RETURN to_regrole(quote_ident(p_role))::oid;
END
$$;

CREATE FUNCTION joborch_internal.check_egress_numbers(p_port integer, p_last_port integer, p_max_concurrent integer) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	IF p_port NOT BETWEEN 1 AND 65535 OR p_last_port NOT BETWEEN 1 AND 65535 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('port %s does not exist', CASE WHEN p_port BETWEEN 1 AND 65535 THEN p_last_port ELSE p_port END),
			HINT = 'Ports are from 1 to 65535; without one a rule is for the usual port of each scheme.';
	END IF;
	IF p_last_port IS NOT NULL AND (p_port IS NULL OR p_last_port < p_port) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('ports %s to %s are no range', coalesce(p_port::text, 'NULL'), p_last_port),
			HINT = 'A range is given as port => 8000, last_port => 8100.';
	END IF;
	IF p_max_concurrent < 1 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('"max_concurrent" cannot be %s', p_max_concurrent),
			HINT = 'It is 1 or more, or NULL for no limit. joborch.deny_egress() closes a host.';
	END IF;
END
$$;

-- Names change with their roles, and rules of roles that are gone go.
CREATE FUNCTION joborch_internal.refresh_egress_roles() RETURNS void
LANGUAGE sql VOLATILE AS $$
	UPDATE joborch_internal.egress_rule e SET role_name = r.rolname
	FROM pg_catalog.pg_roles r WHERE r.oid = e.role AND e.role_name <> r.rolname;
	DELETE FROM joborch_internal.egress_rule e
	WHERE e.role <> 0 AND NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.oid = e.role)
$$;

-- The rule of the same host, port and scheme for the same role is replaced.
CREATE FUNCTION joborch_internal.put_egress(p_rule joborch_internal.egress_rule) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_id bigint;
BEGIN
	LOCK TABLE joborch_internal.egress_rule IN SHARE ROW EXCLUSIVE MODE;
	PERFORM joborch_internal.refresh_egress_roles();
	UPDATE joborch_internal.egress_rule e SET (insecure, max_concurrent, rate, addresses, role_name, rate_text, reason,
		created_by, created_at) = (p_rule.insecure, p_rule.max_concurrent, p_rule.rate, p_rule.addresses, p_rule.role_name,
		p_rule.rate_text, p_rule.reason, p_rule.created_by, clock_timestamp())
	WHERE e.role IS NOT DISTINCT FROM p_rule.role AND e.deny = p_rule.deny AND e.host = p_rule.host
		AND e.schemes = p_rule.schemes AND e.port_low = p_rule.port_low AND e.port_high = p_rule.port_high
	RETURNING e.rule_id INTO v_id;
	IF NOT FOUND THEN
		INSERT INTO joborch_internal.egress_rule (role, everyone, deny, insecure, schemes, port_low, port_high, max_concurrent,
			rate, host, addresses, role_name, rate_text, reason, created_by)
		VALUES (p_rule.role, p_rule.role IS NULL, p_rule.deny, p_rule.insecure, p_rule.schemes, p_rule.port_low,
			p_rule.port_high, p_rule.max_concurrent, p_rule.rate, p_rule.host, p_rule.addresses, p_rule.role_name,
			p_rule.rate_text, p_rule.reason, p_rule.created_by)
		RETURNING rule_id INTO v_id;
	END IF;
	PERFORM joborch_internal.invalidate('joborch_internal.egress_rule');
	PERFORM joborch_internal.record(CASE WHEN p_rule.deny THEN 'egress_denied' ELSE 'egress_allowed' END, NULL, NULL, p_rule.reason,
		jsonb_strip_nulls(jsonb_build_object('rule_id', v_id, 'role', coalesce(p_rule.role_name, 'public'), 'host', p_rule.host,
			'port', nullif(p_rule.port_low, 0), 'last_port', nullif(p_rule.port_high, p_rule.port_low),
			'addresses', CASE WHEN p_rule.addresses <> '{}' THEN to_jsonb(p_rule.addresses) END,
			'insecure', CASE WHEN p_rule.insecure THEN true END, 'max_concurrent', nullif(p_rule.max_concurrent, 0),
			'rate', p_rule.rate_text)));
	RETURN v_id;
END
$$;

CREATE FUNCTION joborch_internal.make_egress_rule(p_deny boolean, p_role text, p_host text, p_port integer, p_last_port integer,
	p_scheme text, p_addresses text[], p_reason text) RETURNS joborch_internal.egress_rule
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_rule joborch_internal.egress_rule;
BEGIN
	PERFORM joborch_internal.require_role('joborch_admin');
	v_rule.deny := p_deny;
	v_rule.role := joborch_internal.egress_role(p_role);
	v_rule.role_name := CASE WHEN v_rule.role IS NOT NULL THEN p_role END;
	v_rule.host := joborch_internal.egress_host(coalesce(p_host, ''));
	PERFORM joborch_internal.check_egress_numbers(p_port, p_last_port, NULL);
	v_rule.port_low := coalesce(p_port, 0);
	v_rule.port_high := coalesce(p_last_port, p_port, 0);
	v_rule.schemes := coalesce(joborch_internal.egress_schemes(p_scheme), 0);
	v_rule.addresses := coalesce(joborch_internal.egress_addresses(p_addresses), '{}');
	v_rule.reason := p_reason;
	v_rule.insecure := false;
	v_rule.max_concurrent := 0;
	v_rule.rate := 0;
	v_rule.created_by := joborch_internal.caller_name();
	RETURN v_rule;
END
$$;

CREATE FUNCTION joborch_internal.allow_egress(p_role text, p_host text, p_port integer, p_last_port integer, p_scheme text,
	p_addresses text[], p_insecure boolean, p_max_concurrent integer, p_rate text, p_reason text) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_rule joborch_internal.egress_rule;
BEGIN
	v_rule := joborch_internal.make_egress_rule(false, p_role, p_host, p_port, p_last_port, p_scheme, p_addresses, p_reason);
	PERFORM joborch_internal.check_egress_numbers(NULL, NULL, p_max_concurrent);
	v_rule.insecure := coalesce(p_insecure, false);
	v_rule.max_concurrent := coalesce(p_max_concurrent, 0);
	v_rule.rate := coalesce(joborch_internal.egress_rate(p_rate), 0);
	v_rule.rate_text := p_rate;
	IF v_rule.role IS NOT NULL AND NOT pg_has_role(v_rule.role, 'joborch_network', 'USAGE') THEN
		RAISE NOTICE USING
			MESSAGE = format('role "%s" may not use the network yet', p_role),
			HINT = format('SELECT joborch.grant_usage(%L, network => true);', p_role);
	END IF;
	RETURN joborch_internal.put_egress(v_rule);
END
$$;

CREATE FUNCTION joborch.allow_egress(role text, host text, port integer DEFAULT NULL, last_port integer DEFAULT NULL,
	scheme text DEFAULT NULL, addresses text[] DEFAULT NULL, insecure boolean DEFAULT false,
	max_concurrent integer DEFAULT NULL, rate text DEFAULT NULL, reason text DEFAULT NULL) RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.allow_egress(text, text, integer, integer, text, text[], boolean, integer, text, text)
IS 'lets the network steps of a role reach a host; the same host, port and scheme again changes that rule; its id';

CREATE FUNCTION joborch_internal.deny_egress(p_role text, p_host text, p_port integer, p_last_port integer, p_scheme text,
	p_addresses text[], p_reason text) RETURNS bigint
LANGUAGE sql VOLATILE AS $$
	SELECT joborch_internal.put_egress(
		joborch_internal.make_egress_rule(true, p_role, p_host, p_port, p_last_port, p_scheme, p_addresses, p_reason))
$$;

CREATE FUNCTION joborch.deny_egress(role text, host text, port integer DEFAULT NULL, last_port integer DEFAULT NULL,
	scheme text DEFAULT NULL, addresses text[] DEFAULT NULL, reason text DEFAULT NULL) RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.deny_egress(text, text, integer, integer, text, text[], text)
IS 'closes a host to the network steps of a role, whatever else allows it; its id';

CREATE FUNCTION joborch_internal.drop_egress(p_rule_id bigint) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_rule joborch_internal.egress_rule;
BEGIN
	PERFORM joborch_internal.require_role('joborch_admin');
	DELETE FROM joborch_internal.egress_rule e WHERE e.rule_id = p_rule_id RETURNING e.* INTO v_rule;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'undefined_object',
			MESSAGE = format('egress rule %s does not exist', coalesce(p_rule_id::text, 'NULL')),
			HINT = 'SELECT * FROM joborch.egress_rules;';
	END IF;
	PERFORM joborch_internal.invalidate('joborch_internal.egress_rule');
	PERFORM joborch_internal.record('egress_dropped', NULL, NULL, NULL,
		jsonb_build_object('rule_id', p_rule_id, 'role', coalesce(v_rule.role_name, 'public'), 'host', v_rule.host));
END
$$;

CREATE FUNCTION joborch.drop_egress(rule_id bigint) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.drop_egress(bigint) IS 'takes back a rule of allow_egress() or deny_egress(); transfers under way go on';

-- ---- views ----

CREATE VIEW joborch.egress_rules WITH (security_barrier) AS
SELECT e.rule_id, CASE WHEN e.deny THEN 'deny' ELSE 'allow' END AS effect,
	CASE WHEN e.everyone THEN 'public' ELSE coalesce(r.rolname, e.role_name) END AS role, e.host,
	CASE
		WHEN e.port_low = 0 THEN NULL
		WHEN e.port_low = e.port_high THEN e.port_low::text
		ELSE e.port_low || '-' || e.port_high
	END AS ports,
	(SELECT string_agg(s.word, ',' ORDER BY s.bit)
		FROM (VALUES (1, 'http'), (2, 'https'), (4, 'ftp'), (8, 'ftps'), (16, 'sftp'), (32, 'smtp'), (64, 'smtps')) AS s (bit, word)
		WHERE e.schemes & s.bit <> 0) AS scheme,
	CASE WHEN e.addresses <> '{}' THEN e.addresses END AS addresses, e.insecure,
	nullif(e.max_concurrent, 0) AS max_concurrent, e.rate_text AS rate, e.reason, e.created_by, e.created_at
FROM joborch_internal.egress_rule e
LEFT JOIN pg_catalog.pg_roles r ON r.oid = e.role
WHERE e.everyone OR joborch.visible(e.role, NULL);
COMMENT ON VIEW joborch.egress_rules IS 'what the network steps of your roles may reach, and may not';
COMMENT ON COLUMN joborch.egress_rules.effect IS 'allow or deny; deny wins';
COMMENT ON COLUMN joborch.egress_rules.ports IS 'NULL: the usual port of each scheme; of a rule that denies, all';
COMMENT ON COLUMN joborch.egress_rules.scheme IS 'NULL: all';
COMMENT ON COLUMN joborch.egress_rules.addresses IS 'the only ones that may be connected (or, to deny, those that may not); NULL: all of the public internet, and the host itself if it is an address';
COMMENT ON COLUMN joborch.egress_rules.insecure IS 'steps may leave the certificate unchecked';

CREATE VIEW joborch.egress_refusals WITH (security_barrier) AS
SELECT f.refusal_id, f.refused_at, f.role_name AS role, f.run_id, f.step, nullif(f.item, -1) AS item,
	nullif(f.scheme, '') AS scheme, nullif(f.host, '') AS host, nullif(f.port, 0) AS port, f.address, f.why
FROM joborch_internal.egress_refusal f
WHERE (SELECT joborch.visible(0::oid, NULL))
	OR EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = f.run_id AND joborch.visible(r.owner, r.tenant));
COMMENT ON VIEW joborch.egress_refusals IS 'what network steps wanted to reach and were not let; the last 10 000';
COMMENT ON COLUMN joborch.egress_refusals.address IS 'that was about to be connected; NULL: it did not come to that';
COMMENT ON COLUMN joborch.egress_refusals.why IS 'grant (role may not use the network), no rule, denied (by a rule), address (not public and not named by a rule), insecure (certificate was to go unchecked)';
