-- For administrators: who may use joborch, queues, and copies of a database.

-- ---- who may use it ----

CREATE FUNCTION joborch_internal.require_existing_role(p_role text) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
	PERFORM FROM pg_roles r WHERE r.rolname = p_role;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'undefined_object',
			MESSAGE = format('role "%s" does not exist', p_role);
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.is_direct_member(p_group text, p_role text) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT EXISTS (SELECT FROM pg_catalog.pg_auth_members m
		WHERE m.roleid = to_regrole(quote_ident(p_group)) AND m.member = to_regrole(quote_ident(p_role)))
$$;

-- Without the server's notice about one who is a member already.
CREATE FUNCTION joborch_internal.grant_membership(p_group text, p_role text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	IF NOT joborch_internal.is_direct_member(p_group, p_role) THEN
		EXECUTE format('GRANT %I TO %I', p_group, p_role);
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.grant_usage(p_role text, p_network boolean) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.require_role('joborch_admin');
	PERFORM joborch_internal.require_existing_role(p_role);
	PERFORM joborch_internal.grant_membership('joborch_user', p_role);
	IF p_network THEN
		PERFORM joborch_internal.grant_membership('joborch_network', p_role);
	END IF;
	PERFORM joborch_internal.record('usage_granted', NULL, NULL, NULL,
		jsonb_build_object('role', p_role, 'network', coalesce(p_network, false)));
END
$$;

CREATE FUNCTION joborch.grant_usage(role text, network boolean DEFAULT false) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.grant_usage(text, boolean) IS 'lets a role define and run jobs, and use network steps, in every database with joborch';

CREATE FUNCTION joborch_internal.revoke_usage(p_role text, p_network_only boolean) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.require_role('joborch_admin');
	PERFORM joborch_internal.require_existing_role(p_role);
	IF p_network_only OR joborch_internal.is_direct_member('joborch_network', p_role) THEN
		EXECUTE format('REVOKE joborch_network FROM %I', p_role);
	END IF;
	IF p_network_only IS NOT TRUE THEN
		EXECUTE format('REVOKE joborch_user FROM %I', p_role);
	END IF;
	PERFORM joborch_internal.record('usage_revoked', NULL, NULL, NULL,
		jsonb_build_object('role', p_role, 'network_only', coalesce(p_network_only, false)));
END
$$;

CREATE FUNCTION joborch.revoke_usage(role text, network_only boolean DEFAULT false) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.revoke_usage(text, boolean) IS 'takes back grant_usage(), or only the network; jobs of the role still run until they are altered or it is locked out';

-- ---- queues ----

CREATE FUNCTION joborch_internal.create_queue(p_name text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.require_role('joborch_operator');
	IF p_name IS NULL OR octet_length(p_name) NOT BETWEEN 1 AND 63 THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_name',
			MESSAGE = format('"%s" cannot be the name of a queue', left(p_name, 64)),
			DETAIL = 'A name has 1 to 63 bytes.';
	END IF;
	INSERT INTO joborch_internal.queue (name) VALUES (p_name);
	PERFORM joborch_internal.record('queue_created', NULL, NULL, NULL, jsonb_build_object('name', p_name));
EXCEPTION WHEN unique_violation THEN
	RAISE EXCEPTION USING
		ERRCODE = 'duplicate_object',
		MESSAGE = format('queue "%s" exists already', p_name);
END
$$;

CREATE FUNCTION joborch.create_queue(name text) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.create_queue(text) IS 'makes a queue for runs to wait in';

-- ---- copies ----

-- A restore writes here after the processes have seen an empty table.
CREATE FUNCTION joborch_internal.notice_copy() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM joborch_internal.announce_control(0);
	RETURN NULL;
END
$$;

CREATE TRIGGER notice_copy AFTER INSERT ON joborch_internal.instance
FOR EACH STATEMENT EXECUTE FUNCTION joborch_internal.notice_copy();

-- In another cluster the same role has another oid: the names decide.  Of a role
-- that is not here the oid is 0, and its jobs and runs are refused until it is.
CREATE FUNCTION joborch_internal.take_over_owners() RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	UPDATE joborch_internal.job_version v SET owner = coalesce(to_regrole(quote_ident(j.owner_name))::oid, 0)
	FROM joborch_internal.job j WHERE j.job_id = v.job_id;
	-- of an ad-hoc definition the owner only says who may use the row again
	UPDATE joborch_internal.job_version v SET owner = to_regrole(quote_ident(r.owner_name))::oid
	FROM joborch_internal.run r
	WHERE r.version_id = v.version_id AND v.job_id IS NULL AND to_regrole(quote_ident(r.owner_name)) IS NOT NULL;
	UPDATE joborch_internal.job j SET owner = coalesce(to_regrole(quote_ident(j.owner_name))::oid, 0);
	UPDATE joborch_internal.live l SET owner = coalesce(to_regrole(quote_ident(r.owner_name))::oid, 0)
	FROM joborch_internal.run r WHERE r.run_id = l.run_id;
	UPDATE joborch_internal.run r SET owner = coalesce(to_regrole(quote_ident(r.owner_name))::oid, 0);
	UPDATE joborch_internal.schedule s SET owner = coalesce(to_regrole(quote_ident(s.owner_name))::oid, 0);
	UPDATE joborch_internal.egress_rule e SET role = coalesce(to_regrole(quote_ident(e.role_name))::oid, 0)
	WHERE NOT e.everyone;
	PERFORM joborch_internal.invalidate('joborch_internal.egress_rule');
	UPDATE joborch_internal.work_group g SET owner = coalesce(to_regrole(quote_ident(g.owner_name))::oid, 0);
	UPDATE joborch_internal.after_rule a SET owner = coalesce(to_regrole(quote_ident(a.owner_name))::oid, 0);
	UPDATE joborch_internal.change_trigger c SET owner = coalesce(to_regrole(quote_ident(c.owner_name))::oid, 0);
	UPDATE joborch_internal.run_key k SET owner = r.owner
	FROM joborch_internal.run r WHERE r.run_id = k.run_id;
	UPDATE joborch_internal.artifact a SET owner = r.owner
	FROM joborch_internal.run r WHERE r.run_id = a.run_id;
END
$$;

CREATE FUNCTION joborch_internal.adopt_database() RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.require_role('joborch_admin');
	PERFORM joborch_internal.take_over_owners();
	PERFORM joborch_internal.take_over_secrets();
	PERFORM joborch_internal.adopt();
	PERFORM joborch_internal.record('database_adopted', NULL, NULL, NULL, NULL);
END
$$;

CREATE FUNCTION joborch.adopt_database() RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.adopt_database()
IS 'lets the unfinished runs of a copied or restored database go on here; make sure that they do not go on in the original too';

