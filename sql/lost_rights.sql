-- What a run stands on can go while it runs: the owner's login, a right, a table, the
-- owner himself.  The step that needs it fails with the reason; nothing else is lost.
SET client_min_messages = warning;
CREATE ROLE lost_owner LOGIN;
CREATE ROLE lost_dropped LOGIN;
SELECT joborch.grant_usage('lost_owner'), joborch.grant_usage('lost_dropped') \g /dev/null
CREATE TABLE lost_gate (open boolean);
INSERT INTO lost_gate VALUES (false);
CREATE TABLE lost_table (a integer);
GRANT SELECT ON lost_gate TO PUBLIC;
GRANT SELECT ON lost_table TO lost_owner, lost_dropped;
-- a first step that waits until something was taken away, then one that needs it
CREATE FUNCTION lost_job(statement text) RETURNS jsonb LANGUAGE sql AS $$
  SELECT jsonb_build_object('steps', jsonb_build_array(
    jsonb_build_object('name', 'wait', 'sql', 'DO $do$ BEGIN FOR i IN 1 .. 1000 LOOP EXIT WHEN (SELECT open FROM lost_gate); PERFORM pg_sleep(0.01); END LOOP; END $do$'),
    jsonb_build_object('name', 'need', 'sql', statement)))
$$;
-- until all of the runs are being carried out
CREATE PROCEDURE lost_reach(runs bigint[]) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. 1000 LOOP
    EXIT WHEN (SELECT count(*) FROM joborch.workers WHERE run_id = ANY (runs)) = cardinality(runs);
    PERFORM pg_sleep(0.01);
  END LOOP;
END
$$;

SET ROLE lost_owner;
SELECT joborch.start_definition(lost_job('SELECT 1')) AS login,
  joborch.start_definition(lost_job('SELECT * FROM lost_table')) AS grants \gset
RESET ROLE;
SET ROLE lost_dropped;
SELECT joborch.start_definition(lost_job('SELECT 2')) AS owner \gset
RESET ROLE;
SELECT joborch.start_definition(lost_job('SELECT * FROM lost_table')) AS tab \gset
CALL lost_reach(ARRAY[:login, :grants, :owner, :tab]);
REVOKE SELECT ON lost_table FROM lost_owner;
UPDATE lost_gate SET open = true;
SELECT joborch.wait_for_run(:grants, '30 s') AS grants;
SELECT step, status, error ->> 'sqlstate' AS sqlstate, error ->> 'category' AS category FROM joborch.run_steps(:grants);
SELECT joborch.wait_for_run(:login, '30 s') \g /dev/null
SELECT joborch.wait_for_run(:owner, '30 s') \g /dev/null
SELECT joborch.wait_for_run(:tab, '30 s') \g /dev/null
UPDATE lost_gate SET open = false;

SET ROLE lost_owner;
SELECT joborch.start_definition(lost_job('SELECT 1')) AS login \gset
RESET ROLE;
SET ROLE lost_dropped;
SELECT joborch.start_definition(lost_job('SELECT 2')) AS owner \gset
RESET ROLE;
SELECT joborch.start_definition(lost_job('SELECT * FROM lost_table')) AS tab \gset
CALL lost_reach(ARRAY[:login, :owner, :tab]);
ALTER ROLE lost_owner NOLOGIN;
DROP TABLE lost_table;
DROP OWNED BY lost_dropped;
DROP ROLE lost_dropped;
UPDATE lost_gate SET open = true;
SELECT joborch.wait_for_run(:login, '30 s') AS login, joborch.wait_for_run(:owner, '30 s') AS owner,
  joborch.wait_for_run(:tab, '30 s') AS tab;
SELECT step, status, error ->> 'message' AS message, error ->> 'hint' AS hint FROM joborch.run_steps(:login);
SELECT status, error ->> 'sqlstate' AS sqlstate FROM joborch.run_steps(:owner) WHERE step = 'need';
SELECT step, status, error ->> 'message' AS message FROM joborch.run_steps(:tab);
ALTER ROLE lost_owner LOGIN;
SELECT joborch.recover_run(:login) \g /dev/null
SELECT joborch.wait_for_run(:login, '30 s') AS after_login_is_back;
SELECT * FROM joborch.check();
DROP OWNED BY lost_owner;
DROP ROLE lost_owner;
