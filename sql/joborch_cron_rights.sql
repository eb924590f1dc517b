-- joborch_cron: who sees and does what, as pg_cron's grants and row-level security say.
CREATE EXTENSION joborch_cron;
CREATE ROLE regress_ann LOGIN;
CREATE ROLE regress_bob LOGIN;
CREATE ROLE regress_all LOGIN BYPASSRLS;
CREATE ROLE regress_writer LOGIN;

INSERT INTO cron.job (jobid, schedule, command, jobname) VALUES (9001, '0 0 1 1 *', 'SELECT 1', 'root') RETURNING jobid AS root \gset
-- the schema is closed until it is opened
SET SESSION AUTHORIZATION regress_ann;
SELECT test.refused($$ SELECT cron.schedule('0 0 1 1 *', 'SELECT 1') $$);
SELECT test.refused($$ SELECT * FROM cron.job $$);
RESET SESSION AUTHORIZATION;
GRANT USAGE ON SCHEMA cron TO regress_ann, regress_bob, regress_all, regress_writer;

-- nothing of joborch need be granted
SET SESSION AUTHORIZATION regress_ann;
SELECT cron.schedule('nightly', '0 0 1 1 *', 'SELECT current_user') AS ann \gset
SELECT jobname, username FROM cron.job;
SELECT test.refused(format('SELECT cron.unschedule(%s)', :root));
SELECT test.refused($$ SELECT cron.unschedule('root') $$);
SELECT test.refused(format('SELECT cron.alter_job(%s, active => false)', :ann));
SELECT test.refused($$ SELECT cron.schedule_in_database('a', '0 0 1 1 *', 'SELECT 1', current_database()) $$);
SELECT test.refused($$ INSERT INTO cron.job (schedule, command) VALUES ('0 0 1 1 *', 'SELECT 1') $$);
SELECT test.refused($$ UPDATE cron.job SET active = false $$);
SELECT test.refused($$ DELETE FROM cron.job $$);
SELECT test.refused($$ SELECT current_setting('cron.timezone') $$);
SELECT test.refused($$ SELECT joborch_internal.add_cron_job(NULL, '0 0 1 1 *', 'SELECT 1', NULL, NULL, 10, true, NULL) $$);
SELECT last_value > 0 AS seen FROM cron.jobid_seq;
SELECT test.refused($$ SELECT nextval('cron.jobid_seq') $$);
RESET SESSION AUTHORIZATION;

-- the same name of another role is another job
SET SESSION AUTHORIZATION regress_bob;
SELECT cron.schedule('nightly', '0 0 1 1 *', 'SELECT current_user') > :ann AS another;
SELECT jobname, username FROM cron.job;
RESET SESSION AUTHORIZATION;

-- who may be given these, with what they may do
GRANT EXECUTE ON FUNCTION cron.alter_job, cron.schedule_in_database TO regress_ann;
SET SESSION AUTHORIZATION regress_ann;
SELECT cron.alter_job(:ann, active => false);
SELECT test.refused(format('SELECT cron.alter_job(%s, active => false)', :root));
SELECT test.refused(format('SELECT cron.alter_job(%s, username => ''regress_bob'')', :ann));
SELECT test.refused($$ SELECT cron.schedule_in_database('a', '0 0 1 1 *', 'SELECT 1', current_database(), 'regress_ann') $$);
SELECT cron.schedule_in_database('paused', '0 0 1 1 *', 'SELECT 1', current_database(), active => false) > 0 AS scheduled;
SELECT jobname, active FROM cron.job ORDER BY jobid;
RESET SESSION AUTHORIZATION;

-- tables that an administrator opens: own rows only, as with row-level security
GRANT SELECT, INSERT, UPDATE, DELETE ON cron.job TO regress_writer;
GRANT USAGE ON SEQUENCE cron.jobid_seq TO regress_writer;
SET SESSION AUTHORIZATION regress_writer;
INSERT INTO cron.job (schedule, command, jobname) VALUES ('0 0 1 1 *', 'SELECT 1', 'own') RETURNING username;
SELECT test.refused($$ INSERT INTO cron.job (schedule, command, username) VALUES ('0 0 1 1 *', 'SELECT 1', 'regress_bob') $$);
UPDATE cron.job SET active = false RETURNING jobname, active;
SELECT test.refused($$ UPDATE cron.job SET username = 'regress_bob' $$);
-- DELETE on the table is enough to unschedule what is another's
SELECT cron.unschedule(:ann);
DELETE FROM cron.job RETURNING jobname;
RESET SESSION AUTHORIZATION;
SET SESSION AUTHORIZATION regress_all;
SELECT jobname, username FROM cron.job ORDER BY jobid;
RESET SESSION AUTHORIZATION;

-- a job is its role's: it runs as that role, whoever changes it
SELECT cron.schedule_in_database('for bob', '0 0 1 1 *', 'SELECT current_user', current_database(), 'regress_bob') AS bob \gset
SELECT username FROM cron.job WHERE jobid = :bob;
SELECT joborch.trigger_schedule('for bob') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT username, status, return_message FROM cron.job_run_details WHERE runid = :run;
SET SESSION AUTHORIZATION regress_ann;
SELECT count(*) FROM cron.job_run_details;
RESET SESSION AUTHORIZATION;
SELECT cron.alter_job(:bob, username => 'regress_ann');
SELECT joborch.trigger_schedule('for bob') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
SET SESSION AUTHORIZATION regress_ann;
SELECT username, command, status FROM cron.job_run_details;
DELETE FROM cron.job_run_details;
RESET SESSION AUTHORIZATION;
SELECT username, status FROM cron.job_run_details;
UPDATE cron.job SET username = 'regress_bob' WHERE jobid = :bob RETURNING username;
SELECT s.owner_name FROM joborch_internal.schedule s WHERE s.name = 'for bob';

-- roles that cannot
ALTER ROLE regress_bob NOLOGIN;
SELECT test.refused(format('SELECT cron.alter_job(%s, username => ''regress_bob'')', :root));
REVOKE CONNECT ON DATABASE :"DBNAME" FROM PUBLIC;
SELECT test.refused($$ SELECT cron.schedule_in_database('a', '0 0 1 1 *', 'SELECT 1', current_database(), 'regress_ann') $$);
GRANT CONNECT ON DATABASE :"DBNAME" TO PUBLIC;
ALTER ROLE regress_bob LOGIN;

-- privileges, as they are
SELECT n.nspname, n.nspacl IS NULL OR n.nspacl::text !~ '[{,]=' AS closed FROM pg_namespace n WHERE n.nspname = 'cron';
SELECT p.oid::regprocedure AS function, has_function_privilege('regress_bob', p.oid, 'EXECUTE') AS everybody, p.prosecdef
FROM pg_proc p WHERE p.pronamespace = 'cron'::regnamespace ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT c.relname, c.relkind, p.privilege, has_table_privilege('regress_bob', c.oid, p.privilege) AS everybody
FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) AS p (privilege)
WHERE c.relnamespace = 'cron'::regnamespace AND c.relkind = 'v' ORDER BY c.relname, p.privilege;

DELETE FROM cron.job;
DELETE FROM cron.job_run_details;
DROP EXTENSION joborch_cron;
DROP ROLE regress_ann, regress_bob, regress_all, regress_writer;
