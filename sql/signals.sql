-- What is sent to runs that wait: signals and decisions, who may send them, and when.
\set VERBOSITY terse

SELECT joborch.create_job('signals', '{"steps": [
	{"name": "first", "type": "wait_signal", "signal": "go"},
	{"name": "second", "sql": "SELECT {{ steps.first.output.payload.n }}::int AS n"}]}') > 0 AS saved;

-- a signal that is waited for
SELECT joborch.start('signals') AS run \gset
SELECT test.await_step(:run, 'first', 'waiting');
SELECT step, status, waiting_for FROM joborch.run_steps(:run);
SELECT step, status, reason, since <= now() AS since, next_command = format('SELECT joborch.signal_run(%s, ''go'');', :run) AS command
FROM joborch.waiting WHERE run_id = :run;
SELECT waiting_for FROM joborch.job_runs WHERE run_id = :run;
SELECT joborch.signal_run(:run, 'stop') > 0 AS sent;
SELECT joborch.signal_run(:run, 'go', '{"n": 41}') > 0 AS sent;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT step, status, output -> 'rows' AS rows, output - 'sent_at' ->> 'name' AS name FROM joborch.run_steps(:run);
SELECT kind, name, payload, sent_by = current_user AS by_me, sent_at <= taken_at AS taken, taken_by, step, item, reason
FROM joborch.job_signals WHERE run_id = :run ORDER BY signal_id;
SELECT type, step, detail - 'signal_id' AS detail FROM joborch.job_events WHERE run_id = :run ORDER BY event_id;
SELECT test.refused(format('SELECT joborch.signal_run(%s, ''go'')', :run));

-- an early one is kept; one that is rolled back was never sent
SELECT joborch.start('signals', run_at => now() + interval '1 day') AS run \gset
BEGIN;
SELECT joborch.signal_run(:run, 'go', '{"n": 1}') > 0 AS sent;
ROLLBACK;
SELECT joborch.signal_run(:run, 'go', '{"n": 2}') > 0 AS sent;
SELECT name, payload, taken_at FROM joborch.job_signals WHERE run_id = :run;
SELECT joborch.cancel_run(:run) IS NOT NULL AS asked;
SELECT joborch.wait_for_run(:run, '30 s');

-- what is refused
SELECT test.refused('SELECT joborch.signal_run(0, ''go'')');
SELECT test.refused('SELECT joborch.signal_run(NULL, ''go'')');
SELECT joborch.start('signals') AS run \gset
SELECT test.await_step(:run, 'first', 'waiting');
SELECT test.refused(format('SELECT joborch.signal_run(%s, NULL)', :run));
SELECT test.refused(format('SELECT joborch.signal_run(%s, '''')', :run));
SELECT test.refused(format('SELECT joborch.signal_run(%s, repeat(''x'', 256))', :run));
SELECT test.refused(format('SELECT joborch.signal_run(%s, ''go'', to_jsonb(repeat(''x'', 2000000)))', :run));
BEGIN;
SELECT joborch.cancel_run(:run) IS NOT NULL AS asked;
SELECT test.refused(format('SELECT joborch.signal_run(%s, ''go'')', :run));
COMMIT;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT step, status FROM joborch.run_steps(:run);

-- ---- approvals ----

CREATE ROLE regress_signals_owner LOGIN;
CREATE ROLE regress_signals_boss LOGIN;
CREATE ROLE regress_signals_chiefs;
CREATE ROLE regress_signals_other LOGIN;
CREATE ROLE regress_signals_operator LOGIN;
GRANT joborch_user TO regress_signals_owner, regress_signals_boss, regress_signals_other;
GRANT joborch_operator TO regress_signals_operator;
GRANT regress_signals_chiefs TO regress_signals_boss;
GRANT USAGE ON SCHEMA test TO regress_signals_owner, regress_signals_boss, regress_signals_other, regress_signals_operator;

SET ROLE regress_signals_owner;
SELECT joborch.create_job('approvals', '{"steps": [
	{"name": "before", "sql": "SELECT 1"},
	{"name": "named", "type": "approval", "approvers": ["regress_signals_chiefs"], "message": "Pay {{ input.sum }}?"},
	{"name": "ours", "type": "approval", "depends_on": ["before"], "timeout": "1 day"},
	{"name": "late", "type": "approval", "depends_on": ["named", "ours"]}]}') > 0 AS saved;
SELECT joborch.start('approvals', '{"sum": 12}') AS run \gset
SELECT test.await_step(:run, 'named', 'waiting'), test.await_step(:run, 'ours', 'waiting');
SELECT step, status, waiting_for FROM joborch.run_steps(:run);
SELECT step, item, message, approvers, may_decide, deadline > waiting_since AS has_deadline,
	next_command = format('SELECT joborch.approve_step(%s, %L);', :run, step) AS command
FROM joborch.approvals WHERE run_id = :run ORDER BY step;
SELECT step, status, reason, next_command = format('SELECT joborch.approve_step(%s, %L);', :run, step) AS command
FROM joborch.waiting WHERE run_id = :run ORDER BY step;
-- not by one who may not, too early, of no such step, of another kind of step
SELECT test.refused(format('SELECT joborch.approve_step(%s, ''named'')', :run));
SELECT test.refused(format('SELECT joborch.approve_step(%s, ''late'')', :run));
SELECT replace(test.refused(format('SELECT joborch.approve_step(%s, ''nothing'')', :run)), :'run', 'N') AS refused;
SELECT test.refused(format('SELECT joborch.approve_step(%s, ''before'')', :run));
SELECT test.refused(format('SELECT joborch.reject_step(%s, ''ours'', item => 3)', :run));
-- by members of the role that is named, who see nothing else of the run
SET ROLE regress_signals_other;
SELECT count(*) FROM joborch.approvals WHERE run_id = :run;
SELECT test.refused(format('SELECT joborch.approve_step(%s, ''named'')', :run));
SET ROLE regress_signals_boss;
SELECT count(*) FROM joborch.job_runs WHERE run_id = :run;
SELECT step, message, may_decide FROM joborch.approvals WHERE run_id = :run;
SELECT test.refused(format('SELECT joborch.approve_step(%s, ''ours'')', :run));
-- one decision is enough; before its commit nothing is decided
BEGIN;
SELECT joborch.reject_step(:run, 'named', 'too early');
ROLLBACK;
BEGIN;
SELECT joborch.approve_step(:run, 'named', reason => 'it is due');
SELECT test.refused(format('SELECT joborch.reject_step(%s, ''named'')', :run)) ~ '^JO005: step "named" of run N was approved already \| By "regress_signals_boss" at ' AS refused;
COMMIT;
SET ROLE regress_signals_owner;
SELECT test.await_step(:run, 'named', 'completed');
SELECT output ->> 'approved' AS approved, output ->> 'by' AS by, output ->> 'reason' AS reason, (output ->> 'at') IS NOT NULL AS at
FROM joborch.run_steps(:run) WHERE step = 'named';
SET ROLE regress_signals_boss;
SELECT replace(test.refused(format('SELECT joborch.reject_step(%s, ''named'')', :run)), :'run', 'N') AS refused;
-- by operators where nobody is named
SET ROLE regress_signals_operator;
SELECT joborch.approve_step(:run, 'ours');
SELECT test.await_step(:run, 'late', 'waiting');
SET ROLE regress_signals_owner;
SELECT joborch.reject_step(:run, 'late', 'not like this');
SELECT joborch.wait_for_run(:run, '30 s');
SELECT step, status, error ->> 'message' AS error FROM joborch.run_steps(:run);
SELECT kind, step, name, reason, sent_by, taken_by FROM joborch.job_signals WHERE run_id = :run ORDER BY signal_id;
SELECT type, step, by_role, reason FROM joborch.job_events WHERE run_id = :run ORDER BY event_id;
SELECT test.refused(format('SELECT joborch.approve_step(%s, ''late'')', :run));
SELECT test.refused('SELECT joborch.approve_step(0, ''late'')');
-- a rejection is of once: after a recovery it is asked again
SELECT joborch.recover_run(:run);
SELECT test.await_step(:run, 'late', 'waiting');
SELECT joborch.approve_step(:run, 'late', 'like this');
SELECT joborch.wait_for_run(:run, '30 s');
SELECT kind, reason, taken_by FROM joborch.job_signals WHERE run_id = :run AND step = 'late' ORDER BY signal_id;
RESET ROLE;

-- the time to decide
SELECT joborch.start_definition('{"steps": [
	{"name": "slow", "type": "approval", "timeout": "1 hour", "on_timeout": "skip"}]}') AS run \gset
SELECT test.await_step(:run, 'slow', 'waiting');
SELECT joborch.pause_run(:run);
SELECT joborch_internal.debug_clock('2 hours');
SELECT test.refused(format('SELECT joborch.approve_step(%s, ''slow'')', :run)) ~ '^JO005: the time to decide about step "slow" of run N is over' AS refused;
SELECT joborch.resume_run(:run) IS NOT NULL AS resumed;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT step, status FROM joborch.run_steps(:run);
SELECT joborch_internal.debug_clock('0');

SELECT joborch.drop_job('signals'), joborch.drop_job('approvals');
SELECT joborch.delete_runs('{"owner": "regress_signals_owner"}') IS NOT NULL AS deleted;
REVOKE USAGE ON SCHEMA test FROM regress_signals_owner, regress_signals_boss, regress_signals_other, regress_signals_operator;
DROP OWNED BY regress_signals_owner, regress_signals_boss, regress_signals_other, regress_signals_operator, regress_signals_chiefs;
DROP ROLE regress_signals_owner, regress_signals_boss, regress_signals_other, regress_signals_operator, regress_signals_chiefs;
