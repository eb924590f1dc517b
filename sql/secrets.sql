-- Secrets: who may make, change, see and use them, and what is kept of what they were used for.
CREATE ROLE regress_keeper LOGIN;
CREATE ROLE regress_user LOGIN;
CREATE ROLE regress_team NOLOGIN;
CREATE ROLE regress_other LOGIN;
GRANT regress_team TO regress_user;
SELECT joborch.grant_usage('regress_keeper'), joborch.grant_usage('regress_user'), joborch.grant_usage('regress_other');

-- the key file and the directory are set in test/joborch.conf and made by helpers.sql
SELECT current_setting('joborch.secret_key_file') AS key_file, current_setting('joborch.secret_directory') AS directory;
COPY (SELECT 'first ' || encode(sha256('1'), 'base64')) TO PROGRAM 'cat > test_secrets.keys; mkdir test_secrets/sub; printf "from-a-file\n" > test_secrets/token; printf "abc\n" > test_secrets/short; printf "deep-value" > test_secrets/sub/deep; ln -s ../PG_VERSION test_secrets/out; ln -s sub/deep test_secrets/within; ln -s ../test_secrets.keys test_secrets/keys; mkfifo test_secrets/pipe';

-- ---- making ----

SET ROLE regress_keeper;
SELECT joborch.create_secret('api', 'canary-1', description => 'of the shop');
SELECT joborch.create_secret('db-login', '{"user": "ann", "password": "canary \"2\"", "port": 54321, "more": {"pin": ["canary-3"]}}');
SELECT name, owner, description, source, from_file, key, version, altered_by, granted_to FROM joborch.secrets ORDER BY name;
RESET ROLE;
-- nothing but an encrypted value is kept, each time another one
SELECT name, key_name, length(sealed) - 29 AS length, position('canary'::bytea IN sealed) AS found FROM joborch_internal.secret ORDER BY name;
CREATE TABLE seen AS SELECT name, sealed FROM joborch_internal.secret;
SELECT type, by_role, detail FROM joborch.job_events WHERE type LIKE 'secret%' ORDER BY event_id;

-- no error says what was given
SELECT test.refused($$ SELECT joborch.create_secret('api', 'canary-4') $$);
SELECT test.refused($$ SELECT joborch.create_secret('canary-4 as a name', 'api') $$);
SELECT test.refused($$ SELECT joborch.create_secret(NULL, 'canary-4') $$);
SELECT test.refused($$ SELECT joborch.create_secret('7up', 'canary-4') $$);
SELECT test.refused($$ SELECT joborch.create_secret('short', 'can') $$);
SELECT test.refused($$ SELECT joborch.create_secret('long', repeat('c', 65537)) $$);
SELECT test.refused($$ SELECT joborch.create_secret('none') $$);
SELECT test.refused($$ SELECT joborch.create_secret('both', 'canary-4', 'token') $$);
SELECT test.refused($$ SELECT joborch.alter_secret('canary-4', 'api-value') $$);

-- ---- using ----

SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api');
SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret["db-login"].password') AS password,
	joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.db-login.port') AS port,
	joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.db-login.more.pin[0]') AS pin,
	joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.db-login.nothing | default(null)') AS nothing;
SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api | base64') AS filtered;
-- a superuser may use all
SELECT joborch_internal.debug_secret('postgres'::regrole, 'secret.api');
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.db-login.nothing') $$);
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api.part') $$);
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret') $$);
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api', NULL, false) $$);
-- the same words for what is not there and for what is not his
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_user'::regrole, 'secret.api') $$);
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_user'::regrole, 'secret.nothing') $$);

-- ---- grants ----

SET ROLE regress_keeper;
SELECT joborch.grant_secret('api', 'regress_team'), joborch.grant_secret('api', 'regress_other'), joborch.grant_secret('api', 'regress_other');
SELECT test.refused($$ SELECT joborch.grant_secret('api', 'nobody_there') $$);
SELECT test.refused($$ SELECT joborch.revoke_secret('db-login', 'regress_other') $$);
RESET ROLE;
SELECT joborch_internal.debug_secret('regress_user'::regrole, 'secret.api') AS by_membership,
	joborch_internal.debug_secret('regress_other'::regrole, 'secret.api') AS directly;
-- who may use it sees that it is there, and no more
SET ROLE regress_user;
SELECT name, owner, granted_to FROM joborch.secrets ORDER BY name;
SELECT test.refused($$ SELECT joborch.alter_secret('api', 'canary-5') $$);
SELECT test.refused($$ SELECT joborch.grant_secret('api', 'regress_user') $$);
SELECT test.refused($$ SELECT joborch.drop_secret('api') $$);
SELECT test.refused($$ SELECT joborch.drop_secret('db-login') $$);
SELECT test.refused($$ SELECT joborch.rotate_secret_key() $$);
SELECT test.refused($$ SELECT * FROM joborch_internal.secret $$);
SELECT test.refused($$ SELECT joborch_internal.reseal_secret('api', '', '', 0, 0) $$);
RESET ROLE;
-- should anybody be granted the table, he sees there what he may see
GRANT USAGE ON SCHEMA joborch_internal TO regress_other;
GRANT SELECT ON joborch_internal.secret, joborch_internal.secret_grant TO regress_other;
SET ROLE regress_other;
SELECT count(*) FROM joborch_internal.secret;
SELECT count(*) FROM joborch_internal.secret_grant;
RESET ROLE;
REVOKE ALL ON SCHEMA joborch_internal FROM regress_other;
REVOKE ALL ON joborch_internal.secret, joborch_internal.secret_grant FROM regress_other;
-- under its new name it is the same role
ALTER ROLE regress_other RENAME TO regress_another;
SELECT joborch_internal.debug_secret('regress_another'::regrole, 'secret.api');
SELECT joborch.revoke_secret('api', 'regress_another');
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_another'::regrole, 'secret.api') $$);
ALTER ROLE regress_another RENAME TO regress_other;

-- a tenant's are for sessions of that tenant
SET joborch.tenant = 'acme';
SET ROLE regress_keeper;
SELECT joborch.create_secret('of-acme', 'canary-6');
SET joborch.tenant = 'other';
SELECT name, tenant FROM joborch.secrets ORDER BY name;
SELECT test.refused($$ SELECT joborch.alter_secret('of-acme', 'canary-7') $$);
SET joborch.tenant = 'acme';
SELECT joborch.drop_secret('of-acme');
RESET joborch.tenant;

-- ---- changing ----

SELECT joborch.alter_secret('api', 'canary-8');
SELECT name, version, altered_at > created_at AS later, granted_to FROM joborch.secrets WHERE name = 'api';
RESET ROLE;
SELECT joborch_internal.debug_secret('regress_user'::regrole, 'secret.api');
SELECT count(*) AS kept FROM joborch_internal.secret s JOIN seen USING (sealed) WHERE s.name = 'api';
-- only with the transaction
BEGIN;
SELECT joborch.alter_secret('api', 'canary-9');
SELECT joborch_internal.debug_secret('regress_user'::regrole, 'secret.api');
ROLLBACK;
SELECT joborch_internal.debug_secret('regress_user'::regrole, 'secret.api');

-- ---- rows that were changed, keys that were changed ----

BEGIN;
UPDATE joborch_internal.secret SET sealed = set_byte(sealed, 29, get_byte(sealed, 29) # 1) WHERE name = 'api';
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api') $$);
ROLLBACK;
BEGIN;
UPDATE joborch_internal.secret SET sealed = set_byte(sealed, 13, get_byte(sealed, 13) # 1) WHERE name = 'api';
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api') $$);
ROLLBACK;
BEGIN;
UPDATE joborch_internal.secret SET sealed = substr(sealed, 1, 20) WHERE name = 'api';
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api') $$);
ROLLBACK;
-- one in the place of another one
BEGIN;
UPDATE joborch_internal.secret s SET sealed = o.sealed FROM joborch_internal.secret o WHERE s.name = 'api' AND o.name = 'db-login';
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api') $$);
SELECT test.refused($$ SELECT joborch.rotate_secret_key() $$);
ROLLBACK;
-- one of another database
BEGIN;
UPDATE joborch_internal.secret s SET database_oid = 1 WHERE s.name = 'api';
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api') $$);
SELECT joborch.adopt_database();
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api') $$);
ROLLBACK;

-- a new key before the old one: both are read, the new one is used to write
COPY (SELECT '# newest first' UNION ALL SELECT '' UNION ALL SELECT 'second  ' || encode(sha256('2'), 'hex') UNION ALL SELECT 'first ' || encode(sha256('1'), 'base64'))
TO PROGRAM 'cat > test_secrets.keys';
SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api');
SELECT joborch.create_secret('new', 'canary-10');
SELECT name, key FROM joborch.secrets ORDER BY name;
SELECT joborch.rotate_secret_key();
SELECT name, key, version FROM joborch.secrets ORDER BY name;
BEGIN;
UPDATE joborch_internal.secret s SET sealed = o.sealed FROM joborch_internal.secret o WHERE s.name = 'api' AND o.name = 'new';
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api') $$);
ROLLBACK;
COPY (SELECT 'second ' || encode(sha256('2'), 'hex')) TO PROGRAM 'cat > test_secrets.keys';
SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api');
-- key files that are no key files
COPY (SELECT 'third ' || encode(sha256('3'), 'hex')) TO PROGRAM 'cat > test_secrets.keys';
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api') $$);
COPY (SELECT 'second ' || encode(sha256('3'), 'hex')) TO PROGRAM 'cat > test_secrets.keys';
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api') $$);
CREATE FUNCTION key_file(p_text text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT unnest(string_to_array(%L, ''|''))) TO PROGRAM ''cat > test_secrets.keys''', p_text);
	RETURN test.refused('SELECT joborch.create_secret(''x'', ''canary-11'')');
END
$$;
SELECT key_file('');
SELECT key_file('# nothing');
SELECT key_file(encode(sha256('1'), 'base64'));
SELECT key_file('a ' || left(encode(sha256('1'), 'hex'), 62));
SELECT key_file('a ' || encode(sha256('1'), 'hex') || ' b');
SELECT key_file('ä ' || encode(sha256('1'), 'hex'));
SELECT key_file('a ' || replace(encode(sha256('1'), 'hex'), '6', 'x'));
SELECT key_file('a ' || encode(sha256('1'), 'hex') || '|a ' || encode(sha256('2'), 'hex'));
SELECT key_file('a ' || encode(sha256('1'), 'base64') || '=');
SELECT key_file('b ' || repeat('A', 44));
COPY (SELECT 'second ' || encode(sha256('2'), 'hex')) TO PROGRAM 'cat > test_secrets.keys; chmod 640 test_secrets.keys';
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api') $$);
COPY (SELECT 'second ' || encode(sha256('2'), 'hex')) TO PROGRAM 'rm test_secrets.keys; cat > /dev/null';
SELECT test.refused($$ SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api') $$);
COPY (SELECT 'second ' || encode(sha256('2'), 'hex')) TO PROGRAM 'cat > test_secrets.keys; chmod 600 test_secrets.keys; ln test_secrets.keys test_secrets/linked';
SELECT joborch_internal.debug_secret('regress_keeper'::regrole, 'secret.api');

-- ---- from a file ----

SELECT joborch.create_secret('of-file', from_file => 'token'), joborch.create_secret('of-link', from_file => 'within'), joborch.create_secret('deep', from_file => 'sub/deep');
SELECT name, source, from_file, key FROM joborch.secrets WHERE source = 'file' ORDER BY name;
SELECT joborch_internal.debug_secret('postgres'::regrole, 'secret.of-file') AS of_file,
	joborch_internal.debug_secret('postgres'::regrole, 'secret.of-link') AS of_link, joborch_internal.debug_secret('postgres'::regrole, 'secret.deep') AS deep;
SELECT name, test.refused(format('SELECT joborch.create_secret(''file-x'', from_file => %L)', name)) AS refused
FROM unnest(ARRAY['nothing', '', '/etc/passwd', '../PG_VERSION', 'sub/../token', 'out', 'keys', 'linked', 'pipe', 'sub', 'short', 'sub/deep/']) AS name;
-- it is read each time
COPY (SELECT 'another-value') TO PROGRAM 'cat > test_secrets/token';
SELECT joborch_internal.debug_secret('postgres'::regrole, 'secret.of-file');
COPY (SELECT 'abc') TO PROGRAM 'cat > test_secrets/token';
SELECT test.refused($$ SELECT joborch_internal.debug_secret('postgres'::regrole, 'secret.of-file') $$);
COPY (SELECT '') TO PROGRAM 'head -c 70000 /dev/zero | tr "\\000" x > test_secrets/token';
SELECT test.refused($$ SELECT joborch_internal.debug_secret('postgres'::regrole, 'secret.of-file') $$);
COPY (SELECT '') TO PROGRAM 'cat > /dev/null; printf "ab\\000cdef" > test_secrets/token';
SELECT test.refused($$ SELECT joborch_internal.debug_secret('postgres'::regrole, 'secret.of-file') $$);
COPY (SELECT '') TO PROGRAM 'cat > /dev/null; printf "ab\\377cdef" > test_secrets/token';
SELECT test.refused($$ SELECT joborch_internal.debug_secret('postgres'::regrole, 'secret.of-file') $$);
COPY (SELECT '') TO PROGRAM 'rm test_secrets/token';
SELECT test.refused($$ SELECT joborch_internal.debug_secret('postgres'::regrole, 'secret.of-file') $$);
-- from a file to a value and back
SELECT joborch.alter_secret('of-file', 'canary-12');
SELECT joborch_internal.debug_secret('postgres'::regrole, 'secret.of-file');
SELECT joborch.alter_secret('of-file', from_file => 'within');
SELECT source, from_file, key, version FROM joborch.secrets WHERE name = 'of-file';
-- who may not read files of the server may not name them
SET ROLE regress_keeper;
SELECT test.refused($$ SELECT joborch.create_secret('file-x', from_file => 'within') $$);
RESET ROLE;
GRANT pg_read_server_files TO regress_keeper;
SET ROLE regress_keeper;
SELECT joborch.create_secret('file-x', from_file => 'within');
RESET ROLE;

-- ---- what is kept of an answer ----

SELECT joborch_internal.debug_secret('postgres'::regrole, 'secret.api', '{"a": 1, "b": [true, null, "canary"]}') AS unchanged;
SELECT joborch_internal.debug_secret('postgres'::regrole, 'secret.api', jsonb_build_object('plain', 'x canary-8 y', 'canary-8', jsonb_build_array('canary-8', 8),
	'basic', encode('user:canary-8', 'base64'), 'url', 'k=canary%2d8&c%61nary-8', 'json', '"{\"a\": \"canary-8\"}"'));
SELECT joborch_internal.debug_secret('postgres'::regrole, 'secret.api', '"canary-8"') AS text, joborch_internal.debug_secret('postgres'::regrole, 'secret.api', '["canary-8"]') AS array;
-- of a value that is JSON, each part of it
SELECT joborch_internal.debug_secret('postgres'::regrole, 'secret.db-login.port', '{"echo": {"user": "ann", "password": "canary \"2\"", "port": 54321, "pin": "canary-3"}, "rest": [5432, 1.5]}');
SELECT joborch_internal.debug_secret_text('postgres'::regrole, 'secret.api', 'login failed for user:canary-8@host (dXNlcjpjYW5hcnktOA==)');
SELECT joborch_internal.debug_secret_text('postgres'::regrole, 'secret.api', 'nothing');

SELECT joborch.drop_secret(name) FROM joborch.secrets ORDER BY name;
SELECT count(*) FROM joborch_internal.secret_grant;
COPY (SELECT 'test ' || encode(sha256('test'), 'base64')) TO PROGRAM 'cat > test_secrets.keys; rm -r test_secrets/*';
DROP TABLE seen;
DROP FUNCTION key_file;
DROP ROLE regress_team, regress_user, regress_other;
REVOKE joborch_user FROM regress_keeper;
DROP ROLE regress_keeper;
