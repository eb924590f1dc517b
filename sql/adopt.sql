-- Rows that came from elsewhere wait for adopt_database(), and belong to the roles of
-- their names: in another cluster the same oid may be somebody else.
\pset null -
SET client_min_messages = warning;
CREATE ROLE adopt_owner LOGIN;
CREATE ROLE adopt_other LOGIN;
SELECT joborch.grant_usage('adopt_owner');
SET ROLE adopt_owner;
SELECT joborch.start_sql('SELECT current_user::text AS who', run_at => now() + interval '1 hour') AS run \gset
RESET ROLE;
-- as a dump of another cluster would have it
UPDATE joborch_internal.run SET owner = 'adopt_other'::regrole WHERE run_id = :run;
UPDATE joborch_internal.live SET owner = 'adopt_other'::regrole, due = now() WHERE run_id = :run;
UPDATE joborch_internal.instance SET system_identifier = 1;
SELECT joborch_internal.announce_control(:run);
SELECT joborch.wait_for_run(:run, '100 ms') AS held;
SELECT joborch.adopt_database();
SELECT joborch.wait_for_run(:run, '30 s') AS adopted;
SELECT output -> 'rows' -> 0 ->> 'who' AS who FROM joborch.run_steps(:run);
SELECT owner FROM joborch.job_runs WHERE run_id = :run;
SELECT * FROM joborch.check();
SELECT joborch.delete_run(:run);
DROP ROLE adopt_owner;
DROP ROLE adopt_other;
