-- Secrets: values that steps may use and nobody may read.
--
-- A value is encrypted in C (secretfuncs.c) before anything here is called; p_value is
-- the name of the key and the encrypted bytes in hexadecimal.

-- ---- tables ----

-- sealed is bound to the name and to the cluster and database of system_identifier
-- and database_oid: in another row it cannot be decrypted.  Read in C by column numbers:
-- store_secret.c.
CREATE TABLE joborch_internal.secret (
	system_identifier bigint NOT NULL,
	created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	altered_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	owner oid NOT NULL,
	database_oid oid NOT NULL,
	version integer NOT NULL DEFAULT 1,
	name text NOT NULL PRIMARY KEY,
	sealed bytea,
	key_name text,
	from_file text,
	owner_name text NOT NULL,
	altered_by text NOT NULL,
	tenant text,
	description text,
	CHECK ((sealed IS NULL) <> (from_file IS NULL)),
	CHECK ((sealed IS NULL) = (key_name IS NULL))
);
-- as it is: it does not shrink, and its length says nothing of what is in it
ALTER TABLE joborch_internal.secret ALTER COLUMN sealed SET STORAGE EXTERNAL;

CREATE TABLE joborch_internal.secret_grant (
	granted_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	role oid NOT NULL,
	name text NOT NULL REFERENCES joborch_internal.secret (name) ON DELETE CASCADE,
	role_name text NOT NULL,
	granted_by text NOT NULL,
	PRIMARY KEY (name, role_name)
);

-- ---- whose ----

CREATE FUNCTION joborch_internal.may_see_secret(p_name text, p_owner oid, p_tenant text) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT joborch.visible(p_owner, p_tenant) OR EXISTS (
		SELECT FROM joborch_internal.secret_grant g
		WHERE g.name = p_name AND pg_has_role(joborch_internal.caller(), g.role, 'USAGE'))
$$;

CREATE FUNCTION joborch_internal.may_manage_secret(p_secret joborch_internal.secret) RETURNS boolean
LANGUAGE sql STABLE AS $$
	SELECT pg_has_role(joborch_internal.caller(), 'joborch_admin', 'MEMBER')
		OR (pg_has_role(joborch_internal.caller(), p_secret.owner, 'USAGE')
			AND (p_secret.tenant IS NULL OR p_secret.tenant = current_setting('joborch.tenant', true)))
$$;

-- A secret that the caller may change, locked; p_shown is how errors call it.
CREATE FUNCTION joborch_internal.find_secret(p_name text, p_shown text) RETURNS joborch_internal.secret
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_secret joborch_internal.secret;
BEGIN
	SELECT s.* INTO v_secret FROM joborch_internal.secret s WHERE s.name = p_name FOR UPDATE;
	IF NOT FOUND OR NOT joborch_internal.may_see_secret(v_secret.name, v_secret.owner, v_secret.tenant) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO042',
			MESSAGE = format('%s does not exist', p_shown),
			HINT = 'SELECT name FROM joborch.secrets; lists those that you may see.';
	ELSIF NOT joborch_internal.may_manage_secret(v_secret) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('must be owner of secret "%s"', v_secret.name),
			HINT = format('Its owner is "%s"; members of "joborch_admin" may do it too.', v_secret.owner_name);
	END IF;
	RETURN v_secret;
END
$$;

CREATE FUNCTION joborch_internal.system_identifier() RETURNS bigint
LANGUAGE sql STABLE AS $$
	SELECT c.system_identifier FROM pg_control_system() AS c
$$;

CREATE FUNCTION joborch_internal.database_oid() RETURNS oid
LANGUAGE sql STABLE AS $$
	SELECT d.oid FROM pg_database d WHERE d.datname = current_database()
$$;

-- ---- making and changing ----

CREATE FUNCTION joborch_internal.create_secret(p_name text, p_value text, p_from_file text, p_description text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	INSERT INTO joborch_internal.secret (system_identifier, database_oid, name, sealed, key_name, from_file,
		owner, owner_name, altered_by, tenant, description)
	VALUES (joborch_internal.system_identifier(), joborch_internal.database_oid(), p_name,
		decode(split_part(p_value, ' ', 2), 'hex'), split_part(p_value, ' ', 1), p_from_file,
		joborch_internal.caller(), joborch_internal.caller_name(), joborch_internal.caller_name(),
		nullif(current_setting('joborch.tenant', true), ''), p_description);
	PERFORM joborch_internal.record('secret_created', NULL, NULL, NULL, jsonb_build_object('name', p_name));
EXCEPTION WHEN unique_violation THEN
	RAISE EXCEPTION USING
		ERRCODE = 'duplicate_object',
		MESSAGE = 'there is a secret of this name already',
		HINT = 'SELECT joborch.alter_secret(name, $1); gives it another value.';
END
$$;

CREATE FUNCTION joborch.create_secret(name text, value text DEFAULT NULL, from_file text DEFAULT NULL, description text DEFAULT NULL)
RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_give_secret';
COMMENT ON FUNCTION joborch.create_secret(text, text, text, text)
IS 'keeps a value that steps may use as {{ secret.name }} and that nobody can read; give the value as a parameter ($1)';

CREATE FUNCTION joborch_internal.alter_secret(p_name text, p_value text, p_from_file text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_secret joborch_internal.secret := joborch_internal.find_secret(p_name, 'this secret');
BEGIN
	UPDATE joborch_internal.secret s
	SET system_identifier = joborch_internal.system_identifier(), database_oid = joborch_internal.database_oid(),
		sealed = decode(split_part(p_value, ' ', 2), 'hex'), key_name = split_part(p_value, ' ', 1), from_file = p_from_file,
		altered_at = now(), altered_by = joborch_internal.caller_name(), version = s.version + 1
	WHERE s.name = v_secret.name;
	PERFORM joborch_internal.record('secret_altered', NULL, NULL, NULL,
		jsonb_build_object('name', v_secret.name, 'version', v_secret.version + 1));
END
$$;

CREATE FUNCTION joborch.alter_secret(name text, value text DEFAULT NULL, from_file text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_give_secret';
COMMENT ON FUNCTION joborch.alter_secret(text, text, text)
IS 'gives a secret another value; attempts of steps that begin from then on use it';

CREATE FUNCTION joborch_internal.drop_secret(p_name text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_secret joborch_internal.secret := joborch_internal.find_secret(p_name, format('secret "%s"', p_name));
BEGIN
	DELETE FROM joborch_internal.secret s WHERE s.name = v_secret.name;
	PERFORM joborch_internal.record('secret_dropped', NULL, NULL, NULL, jsonb_build_object('name', v_secret.name));
END
$$;

CREATE FUNCTION joborch.drop_secret(name text) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.drop_secret(text) IS 'removes a secret; steps that use it fail from then on';

-- ---- who may use it ----

CREATE FUNCTION joborch_internal.grant_secret(p_name text, p_role text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_secret joborch_internal.secret := joborch_internal.find_secret(p_name, format('secret "%s"', p_name));
	v_role oid;
BEGIN
	PERFORM joborch_internal.require_existing_role(p_role);
	v_role := to_regrole(quote_ident(p_role))::oid;
	-- under the name that it had before
	DELETE FROM joborch_internal.secret_grant g WHERE g.name = v_secret.name AND g.role = v_role;
	INSERT INTO joborch_internal.secret_grant (name, role, role_name, granted_by)
	VALUES (v_secret.name, v_role, p_role, joborch_internal.caller_name())
	ON CONFLICT (name, role_name) DO UPDATE
	SET role = excluded.role, granted_by = excluded.granted_by, granted_at = excluded.granted_at;
	PERFORM joborch_internal.record('secret_granted', NULL, NULL, NULL, jsonb_build_object('name', v_secret.name, 'role', p_role));
END
$$;

CREATE FUNCTION joborch.grant_secret(name text, role text) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.grant_secret(text, text) IS 'lets steps of a role, and of its members, use a secret';

CREATE FUNCTION joborch_internal.revoke_secret(p_name text, p_role text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_secret joborch_internal.secret := joborch_internal.find_secret(p_name, format('secret "%s"', p_name));
BEGIN
	DELETE FROM joborch_internal.secret_grant g
	WHERE g.name = v_secret.name AND (g.role = to_regrole(quote_ident(p_role))::oid OR g.role_name = p_role);
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'undefined_object',
			MESSAGE = format('secret "%s" was not granted to role "%s"', v_secret.name, p_role),
			HINT = format('SELECT granted_to FROM joborch.secrets WHERE name = %L;', v_secret.name);
	END IF;
	PERFORM joborch_internal.record('secret_revoked', NULL, NULL, NULL, jsonb_build_object('name', v_secret.name, 'role', p_role));
END
$$;

CREATE FUNCTION joborch.revoke_secret(name text, role text) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.revoke_secret(text, text) IS 'takes back grant_secret()';

-- ---- keys ----

CREATE FUNCTION joborch_internal.reseal_secret(name text, sealed bytea, key_name text, system_identifier bigint, database_oid oid)
RETURNS text
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_reseal_secret';

CREATE FUNCTION joborch_internal.rebind_secret(p_secret joborch_internal.secret) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_value text := joborch_internal.reseal_secret(p_secret.name, p_secret.sealed, p_secret.key_name,
		p_secret.system_identifier, p_secret.database_oid);
BEGIN
	UPDATE joborch_internal.secret s
	SET system_identifier = joborch_internal.system_identifier(), database_oid = joborch_internal.database_oid(),
		sealed = decode(split_part(v_value, ' ', 2), 'hex'), key_name = split_part(v_value, ' ', 1)
	WHERE s.name = p_secret.name;
END
$$;

CREATE FUNCTION joborch_internal.rotate_secret_key() RETURNS integer
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_secret joborch_internal.secret;
	v_count integer := 0;
BEGIN
	PERFORM joborch_internal.require_role('joborch_admin');
	FOR v_secret IN SELECT s.* FROM joborch_internal.secret s ORDER BY s.name FOR UPDATE LOOP
		PERFORM joborch_internal.rebind_secret(v_secret);
		v_count := v_count + (v_secret.sealed IS NOT NULL)::integer;
	END LOOP;
	PERFORM joborch_internal.record('secret_key_rotated', NULL, NULL, NULL, jsonb_build_object('secrets', v_count));
	RETURN v_count;
END
$$;

CREATE FUNCTION joborch.rotate_secret_key() RETURNS integer
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.rotate_secret_key()
IS 'encrypts all values anew with the first key of joborch.secret_key_file, and says how many';

-- Of a copy (adopt_database): roles by their names, values bound to where they are now.
-- Without the key file of the original a value stays unusable until it is given again.
CREATE FUNCTION joborch_internal.take_over_secrets() RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_secret joborch_internal.secret;
	v_problem text;
BEGIN
	DELETE FROM joborch_internal.secret_grant g WHERE to_regrole(quote_ident(g.role_name)) IS NULL;
	UPDATE joborch_internal.secret_grant g SET role = to_regrole(quote_ident(g.role_name))::oid;
	UPDATE joborch_internal.secret s SET owner = coalesce(to_regrole(quote_ident(s.owner_name))::oid, 0);
	FOR v_secret IN
		SELECT s.* FROM joborch_internal.secret s
		WHERE s.system_identifier <> joborch_internal.system_identifier() OR s.database_oid <> joborch_internal.database_oid()
		ORDER BY s.name
	LOOP
		BEGIN
			PERFORM joborch_internal.rebind_secret(v_secret);
		EXCEPTION WHEN SQLSTATE 'JO042' OR SQLSTATE 'JO045' THEN
			GET STACKED DIAGNOSTICS v_problem = PG_EXCEPTION_DETAIL;
			RAISE WARNING USING
				MESSAGE = format('secret "%s" cannot be used here: %s', v_secret.name, v_problem),
				HINT = 'Set joborch.secret_key_file to the key file of the original and call joborch.rotate_secret_key(), or give the value again.';
		END;
	END LOOP;
END
$$;

-- ---- what is seen ----

CREATE VIEW joborch.secrets WITH (security_barrier) AS
SELECT s.name, s.owner_name AS owner, s.tenant, s.description,
	CASE WHEN s.from_file IS NULL THEN 'value' ELSE 'file' END AS source, s.from_file,
	s.key_name AS key, s.version, s.created_at, s.altered_at, s.altered_by,
	ARRAY(SELECT g.role_name FROM joborch_internal.secret_grant g WHERE g.name = s.name ORDER BY g.role_name) AS granted_to
FROM joborch_internal.secret s
WHERE joborch.visible(s.owner, s.tenant) OR EXISTS (
	SELECT FROM joborch_internal.secret_grant g WHERE g.name = s.name AND pg_has_role(g.role, 'USAGE'));
COMMENT ON VIEW joborch.secrets IS 'the secrets that you own, may use or may manage; never their values';
COMMENT ON COLUMN joborch.secrets.source IS 'value: encrypted in the database; file: a file of the server, read for each use';
COMMENT ON COLUMN joborch.secrets.key IS 'name of the key of joborch.secret_key_file with which it is encrypted';
COMMENT ON COLUMN joborch.secrets.version IS 'grows with each alter_secret()';
COMMENT ON COLUMN joborch.secrets.granted_to IS 'roles whose steps may use it, besides the owner''s';
