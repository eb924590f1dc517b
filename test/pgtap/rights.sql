-- Who may do what: superuser, administrator, owner, member, operator, monitor, another
-- user, and one without a grant, against every operation on a run and a job.
BEGIN;
SELECT plan(81);
SET client_min_messages = warning;

CREATE ROLE tap_owner LOGIN;
CREATE ROLE tap_member LOGIN IN ROLE tap_owner;
CREATE ROLE tap_operator LOGIN;
CREATE ROLE tap_monitor LOGIN;
CREATE ROLE tap_admin LOGIN;
CREATE ROLE tap_other LOGIN;
CREATE ROLE tap_nobody LOGIN;
GRANT joborch_operator TO tap_operator;
GRANT joborch_monitor TO tap_monitor;
GRANT joborch_admin TO tap_admin;
SELECT joborch.grant_usage(r) FROM unnest('{tap_owner,tap_member,tap_other}'::text[]) AS r;

SET ROLE tap_owner;
SELECT joborch.create_job('tap job', '{"steps": [{"name": "s", "sql": "SELECT 1"}]}') AS job \gset
RESET ROLE;

-- A new future run of the owner's for each question, so that none depends on another's answer.
CREATE FUNCTION asked(p_role text, p_command text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	v_run bigint := joborch.start('tap job', run_at => now() + interval '1 day');
	v_outcome text := 'yes';
BEGIN
	BEGIN
		EXECUTE format('SET LOCAL ROLE %I', p_role);
		EXECUTE replace(p_command, ':run', v_run::text);
		RAISE SQLSTATE 'ZZ000';		-- take back what it did
	EXCEPTION
		WHEN SQLSTATE 'ZZ000' THEN NULL;
		WHEN OTHERS THEN v_outcome := SQLSTATE;
	END;
	RETURN v_outcome;
END
$$;

CREATE TEMP TABLE roles (at serial, name text);
INSERT INTO roles (name) VALUES ('postgres'), ('tap_admin'), ('tap_owner'), ('tap_member'), ('tap_operator'), ('tap_monitor'), ('tap_other'), ('tap_nobody');
CREATE TEMP TABLE questions (at serial, command text, answers text[]);
-- answers in the order of roles: 42501 is not permitted; JO002 and JO003: not even told that it exists;
-- 42710: the name is taken
INSERT INTO questions (command, answers) VALUES
	('SELECT joborch.run_status(:run)', '{yes,yes,yes,yes,yes,yes,JO003,42501}'),
	('SELECT joborch.run_steps(:run)', '{yes,yes,yes,yes,yes,yes,JO003,42501}'),
	('SELECT joborch.cancel_run(:run)', '{yes,yes,yes,yes,yes,42501,JO003,42501}'),
	('SELECT joborch.pause_run(:run)', '{yes,yes,yes,yes,yes,42501,JO003,42501}'),
	('SELECT joborch.set_run_priority(:run, ''high'')', '{yes,yes,yes,yes,yes,42501,JO003,42501}'),
	('SELECT joborch.start(''tap job'')', '{yes,yes,yes,yes,yes,42501,JO002,42501}'),
	('SELECT joborch.create_job(''tap job'', ''{"steps": [{"name": "t", "sql": "SELECT 2"}]}'')', '{yes,42501,yes,yes,42501,42501,42710,42501}'),
	('SELECT joborch.alter_job(''tap job'', active => false)', '{yes,yes,yes,yes,yes,42501,JO002,42501}'),
	('SELECT joborch.create_queue(''tap queue'')', '{yes,yes,42501,42501,yes,42501,42501,42501}'),
	('SELECT joborch.grant_usage(''tap_nobody'')', '{yes,yes,42501,42501,42501,42501,42501,42501}');

SELECT is(asked(r.name, q.command), q.answers[r.at], r.name || ': ' || q.command)
FROM questions q, roles r ORDER BY q.at, r.at;

-- what the views show
SELECT joborch.start('tap job', run_at => now() + interval '1 day') AS run \gset
CREATE FUNCTION seen(p_role text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	v_seen text;
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', p_role);
	SELECT format('%s %s %s', (SELECT count(*) > 0 FROM joborch.job_runs), (SELECT count(*) > 0 FROM joborch.jobs), (SELECT count(*) > 0 FROM joborch.job_events)) INTO v_seen;
	RESET ROLE;
	RETURN v_seen;
EXCEPTION WHEN insufficient_privilege THEN
	RETURN 'nothing';
END
$$;
SELECT results_eq('SELECT r.name, seen(r.name) FROM roles r ORDER BY r.at',
	$$VALUES ('postgres', 't t t'), ('tap_admin', 't t t'), ('tap_owner', 't t t'), ('tap_member', 't t t'), ('tap_operator', 't t t'), ('tap_monitor', 't t t'), ('tap_other', 'f f f'), ('tap_nobody', 'nothing')$$,
	'each role sees what it may');

SELECT * FROM finish();
ROLLBACK;
