-- Who sees and does what.  Alice and Bob use joborch, Carol does not, Olga operates.
CREATE ROLE regress_alice LOGIN;
CREATE ROLE regress_bob LOGIN;
CREATE ROLE regress_carol LOGIN;
CREATE ROLE regress_olga LOGIN;
CREATE ROLE regress_nologin;
SELECT joborch.grant_usage('regress_alice'), joborch.grant_usage('regress_bob'), joborch.grant_usage('regress_nologin');
GRANT joborch_operator TO regress_olga;
\set VERBOSITY terse

-- without a grant nothing is there
SET ROLE regress_carol;
SELECT count(*) FROM joborch.job_runs;
SELECT joborch.start_sql('SELECT 1');
RESET ROLE;

-- Bob's runs are his
SET ROLE regress_bob;
SELECT joborch.create_job('rights bob', '{"steps": [{"name": "s", "sql": "SELECT current_user AS me, session_user AS login"}]}') IS NOT NULL AS saved;
SELECT joborch.start('rights bob') AS bob \gset
SELECT joborch.wait_for_run(:bob, '30 s');
SELECT joborch.run_output(:bob) -> 'rows' -> 0 AS ran_as;
SELECT status, owner, requested_by FROM joborch.job_runs WHERE run_id = :bob;
RESET ROLE;

SET ROLE regress_alice;
SELECT count(*) FROM joborch.jobs WHERE name = 'rights bob';
SELECT (SELECT count(*) FROM joborch.job_runs WHERE run_id = :bob) AS runs,
	(SELECT count(*) FROM joborch.job_run_steps WHERE run_id = :bob) AS steps,
	(SELECT count(*) FROM joborch.job_run_summary WHERE run_id = :bob) AS summaries,
	(SELECT count(*) FROM joborch.job_events WHERE job = 'rights bob' OR run_id = :bob) AS events,
	(SELECT count(*) FROM joborch.job_versions WHERE job = 'rights bob') AS versions,
	(SELECT count(*) FROM joborch.list_runs(owner => 'regress_bob')) AS listed,
	(SELECT count(*) FROM joborch.workers WHERE run_id = :bob) AS workers;
SELECT joborch.start('rights bob');
SELECT joborch.create_job('rights bob', '{"steps": [{"name": "s", "sql": "SELECT 1"}]}');
SELECT joborch.drop_job('rights bob');
SELECT count(*) FROM joborch.run_steps(0);
SELECT set_config('rights.bob', :'bob', false) \g /dev/null
DO $$
DECLARE
	v_bob bigint := current_setting('rights.bob');
	v_call text;
BEGIN
	FOREACH v_call IN ARRAY ARRAY['run_status(%s)', 'run_output(%s)', 'run_steps(%s)', 'run_progress(%s)', 'cancel_run(%s)',
		'pause_run(%s)', 'resume_run(%s)', 'recover_run(%s)', 'rerun(%s)', 'delete_run(%s)', 'watch_run(%s)',
		'set_run_priority(%s, ''low'')'] LOOP
		BEGIN
			EXECUTE 'SELECT joborch.' || format(v_call, v_bob);
			RAISE INFO '% was allowed', v_call;
		EXCEPTION WHEN SQLSTATE 'JO003' THEN
			NULL;
		END;
	END LOOP;
END
$$;

-- a condition of Alice's own does not see rows that she may not see
CREATE FUNCTION pg_temp.peek(bigint, text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
	'BEGIN IF $2 = ''regress_bob'' THEN RAISE INFO ''saw a run of Bob''; END IF; RETURN true; END';
SELECT count(*) FILTER (WHERE owner = 'regress_bob') FROM joborch.job_runs WHERE pg_temp.peek(run_id, owner);
SELECT count(*) FILTER (WHERE job = 'rights bob') FROM joborch.job_run_steps WHERE pg_temp.peek(run_id, job);

-- tables and inner functions are closed, whatever one writes
SELECT * FROM joborch_internal.run;
SELECT joborch_internal.cancel_run(1, true, NULL);
SELECT joborch_internal.steps_of_run(1);
UPDATE joborch.job_runs SET status = 'completed';
DELETE FROM joborch.jobs;
SELECT joborch.grant_usage('regress_carol');
SELECT joborch.adopt_database();
SELECT joborch.create_queue('rights');
SELECT * FROM joborch.check();

-- nor does a hostile path help
RESET ROLE;
CREATE SCHEMA regress_alice AUTHORIZATION regress_alice;
SET ROLE regress_alice;
CREATE FUNCTION regress_alice.trap(text, text) RETURNS boolean LANGUAGE plpgsql AS
	'BEGIN RAISE INFO ''the trap ran as %'', current_user; RETURN true; END';
CREATE OPERATOR regress_alice.= (FUNCTION = regress_alice.trap, LEFTARG = text, RIGHTARG = text);
SET search_path = regress_alice, pg_catalog;
SELECT joborch.create_job('rights alice', '{"steps": [{"name": "s", "sql": "SELECT 1"}]}') IS NOT NULL AS saved;
SELECT joborch.start('rights alice', run_at => now() + interval '1 day') AS alice \gset
SELECT joborch.pause_run(:alice), joborch.run_status(:alice);
SELECT count(*) FROM joborch.list_runs(status => 'paused', job => 'rights alice');
CALL joborch.run_job('rights alice', timeout => '30 s', output => NULL);
RESET search_path;

-- an operator sees all and controls all, but writes no code in others' names
RESET ROLE;
SET ROLE regress_olga;
SELECT status FROM joborch.job_runs WHERE run_id = :bob;
SELECT joborch.set_run_priority(:alice, 'high');
SELECT joborch.create_job('rights alice', '{"steps": [{"name": "s", "sql": "SELECT 2"}]}');
SELECT joborch.alter_job('rights alice', owner => 'regress_olga');
SELECT joborch.rerun(:bob, definition => '{"steps": [{"name": "s", "sql": "SELECT 2"}]}');
SELECT joborch.create_queue('rights olga');
SELECT count(*) FROM joborch.check();
SELECT joborch.cancel_run(:alice, reason => 'by Olga') IS NOT NULL AS asked;
RESET ROLE;
SELECT by_role, type, reason FROM joborch.job_events WHERE run_id = :alice ORDER BY event_id;

-- owners
SET ROLE regress_alice;
SELECT joborch.create_job('rights other', '{"steps": [{"name": "s", "sql": "SELECT 1"}]}', owner => 'regress_bob');
SELECT joborch.create_job('rights other', '{"steps": [{"name": "s", "sql": "SELECT 1", "run_as": "regress_bob"}]}');
RESET ROLE;
GRANT regress_bob TO regress_alice;
SET ROLE regress_alice;
SELECT joborch.create_job('rights other', '{"steps": [{"name": "s", "sql": "SELECT current_user AS me"}]}', owner => 'regress_bob') IS NOT NULL AS saved;
SELECT joborch.start('rights other') AS other \gset
SELECT joborch.wait_for_run(:other, '30 s');
SELECT owner, requested_by, output -> 'rows' -> 0 ->> 'me' AS ran_as FROM joborch.job_runs WHERE run_id = :other;
RESET ROLE;
REVOKE regress_bob FROM regress_alice;

-- a role that cannot log in cannot carry out steps
SET ROLE regress_nologin;
SELECT joborch.start_sql('SELECT 1');
RESET ROLE;

-- taken back
SELECT joborch.revoke_usage('regress_bob');
SET ROLE regress_bob;
SELECT joborch.start('rights bob');
RESET ROLE;
SELECT joborch.grant_usage('regress_bob', network => true);
SELECT joborch.grant_usage('nobody of this name');

SELECT joborch.drop_job(name, force => true) FROM joborch.jobs WHERE name LIKE 'rights%';
SELECT DISTINCT joborch.wait_for_run(run_id, '30 s') IN ('completed', 'failed', 'cancelled') AS ended
FROM joborch.list_runs() WHERE owner LIKE 'regress%';
SELECT joborch.cleanup_runs('0 s') > 0 AS trimmed;
DROP SCHEMA regress_alice CASCADE;
DROP OWNED BY regress_alice, regress_bob, regress_carol, regress_olga, regress_nologin;
DROP ROLE regress_alice, regress_bob, regress_carol, regress_olga, regress_nologin;
