-- Schemas and roles.
--
-- joborch is what users see; its schema comes from the control file.
-- joborch_internal holds the tables and the functions that do the work: USAGE of
-- it is granted to nobody, so that nothing in it can be called by its name.

-- A schema that was there before must not be another role's, who could replace
-- what is in it later, and must hold nothing that could be taken for ours.
DO $$
DECLARE
	v_schema pg_catalog.pg_namespace;
BEGIN
	SELECT n.* INTO v_schema FROM pg_catalog.pg_namespace n WHERE n.nspname OPERATOR(pg_catalog.=) 'joborch';
	IF NOT (SELECT r.rolsuper FROM pg_catalog.pg_roles r WHERE r.oid OPERATOR(pg_catalog.=) v_schema.nspowner) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = 'schema "joborch" is there already and belongs to a role that is no superuser',
			DETAIL = pg_catalog.format('Its owner is "%s".', pg_catalog.pg_get_userbyid(v_schema.nspowner)),
			HINT = 'Rename it, or give it to a superuser: ALTER SCHEMA joborch OWNER TO ...;';
	END IF;
	PERFORM FROM pg_catalog.pg_proc p WHERE p.pronamespace OPERATOR(pg_catalog.=) v_schema.oid
	UNION ALL
	SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace OPERATOR(pg_catalog.=) v_schema.oid
	UNION ALL
	SELECT FROM pg_catalog.pg_operator o WHERE o.oprnamespace OPERATOR(pg_catalog.=) v_schema.oid
	UNION ALL
	SELECT FROM pg_catalog.pg_type t WHERE t.typnamespace OPERATOR(pg_catalog.=) v_schema.oid;
	IF FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'duplicate_schema',
			MESSAGE = 'schema "joborch" is there already and is not empty',
			HINT = 'Rename it: ALTER SCHEMA joborch RENAME TO ...;';
	END IF;
END
$$;

CREATE SCHEMA joborch_internal;

-- Neither what was granted on a schema that was there before, nor what ALTER DEFAULT
-- PRIVILEGES gives on every new one, holds here.
DO $$
DECLARE
	v_grant record;
BEGIN
	FOR v_grant IN
		SELECT DISTINCT n.nspname, a.grantee
		FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) AS a
		WHERE n.nspname OPERATOR(pg_catalog.=) ANY (ARRAY['joborch', 'joborch_internal']::pg_catalog.name[])
			AND a.grantee OPERATOR(pg_catalog.<>) n.nspowner
	LOOP
		EXECUTE pg_catalog.format('REVOKE ALL ON SCHEMA %I FROM %s CASCADE', v_grant.nspname,
			CASE WHEN v_grant.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid THEN 'PUBLIC'
				ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(v_grant.grantee))
			END);
	END LOOP;
END
$$;

-- Roles belong to the cluster: another database may have made them, and they
-- stay when the extension is dropped.
DO $$
DECLARE
	v_role text;
BEGIN
	FOREACH v_role IN ARRAY ARRAY['joborch_user', 'joborch_monitor', 'joborch_operator', 'joborch_admin', 'joborch_network', 'joborch_worker'] LOOP
		PERFORM FROM pg_catalog.pg_roles r WHERE r.rolname OPERATOR(pg_catalog.=) v_role;
		IF NOT FOUND THEN
			BEGIN
				EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', v_role);
			EXCEPTION WHEN duplicate_object OR unique_violation THEN
				NULL;	-- another database made it in the same moment
			END;
		END IF;
	END LOOP;
END
$$;

-- Each one may do what the one before may do.
GRANT joborch_user TO joborch_monitor;
GRANT joborch_monitor TO joborch_operator;
GRANT joborch_operator TO joborch_admin;

-- joborch_network is no step of that ladder: whose steps may use the network, if
-- an egress rule lets them.  Nor is joborch_worker: it may claim steps of queues that were
-- granted, and say how they ended.

