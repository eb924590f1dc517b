-- Work that programs outside claim: who gets what, what a token is good for, leases, and
-- what others call a step.
\set VERBOSITY terse

SELECT joborch.create_job('claims', '{"steps": [
	{"name": "make", "type": "external", "queue": "claims", "payload": {"order": "{{ input.n }}"}, "external_id": "order-{{ input.n }}"},
	{"name": "after", "sql": "SELECT {{ steps.make.output.made }}::int AS made"}]}') > 0 AS saved;

-- ---- claimed, completed ----

SELECT joborch.start('claims', '{"n": 1}') AS run \gset
SELECT test.await_step(:run, 'make', 'waiting');
SELECT step, type, request, attempt, queue, worker, claimed_by, lease_until, external_id FROM joborch.outside_steps WHERE run_id = :run;
SELECT * FROM joborch.claim_steps('other');
SELECT * FROM joborch.claim_steps();
SELECT * FROM joborch.claim_steps('claims', 'press 1') \gset
SELECT :'token' ~ '^joc_[0-9a-f]{48}$' AS token, :run_id = :run AS run, :'job' AS job, :'step' AS step, :attempt AS attempt,
	:'request' AS request, :'type' AS type, :'lease_until'::timestamptz - now() BETWEEN '4 min' AND '5 min' AS lease;
SELECT step, queue, worker, claimed_by = current_user AS by_me, lease_until = :'lease_until'::timestamptz AS lease
FROM joborch.outside_steps WHERE run_id = :run;
SELECT * FROM joborch.claim_steps('claims');
-- the token itself is kept nowhere
SELECT count(*) FROM joborch_internal.claim c WHERE c::text LIKE '%' || :'token' || '%' OR c.token = convert_to(:'token', 'UTF8');
SELECT joborch.extend_claim(:'token', '1 hour') - now() BETWEEN '59 min' AND '61 min' AS extended;
SELECT joborch.extend_claim(:'token') - now() BETWEEN '4 min' AND '6 min' AS extended;
SELECT joborch.set_claim_external_id(:'token', 'press-1/77');
SELECT run_id = :run AS run, job, step, item, status FROM joborch.find_external('press-1/77');
SELECT * FROM joborch.find_external('order-1');
SELECT joborch.complete_claim(:'token', '{"made": 3}');
SELECT joborch.wait_for_run(:run, '30 s'), test.story(:run);
SELECT step, output, external_id FROM joborch.job_run_steps WHERE run_id = :run AND step = 'make';
SELECT step, status FROM joborch.find_external('press-1/77');
SELECT kind, step, payload, sent_by = current_user AS by_me FROM joborch.job_signals WHERE run_id = :run;
SELECT count(*) FROM joborch_internal.timers WHERE run_id = :run;

-- nothing more is to be had by that token
SELECT test.refused(format('SELECT joborch.complete_claim(%L, ''{}'')', :'token'));
SELECT test.refused(format('SELECT joborch.fail_claim(%L, ''no'')', :'token'));
SELECT test.refused(format('SELECT joborch.extend_claim(%L)', :'token'));
SELECT test.refused(format('SELECT joborch.release_claim(%L)', :'token'));
SELECT test.refused(format('SELECT joborch.set_claim_external_id(%L, ''x'')', :'token'));
SELECT test.refused('SELECT joborch.complete_claim(NULL)');
SELECT test.refused('SELECT joborch.complete_claim(''joc_'')');

-- together with what the worker writes, or not at all
CREATE TABLE claims_made (n integer);
SELECT joborch.start('claims', '{"n": 2}') AS run \gset
SELECT test.await_step(:run, 'make', 'waiting');
BEGIN;
SELECT token FROM joborch.claim_steps('claims') \gset
INSERT INTO claims_made VALUES (1);
SELECT joborch.complete_claim(:'token', '{"made": 1}');
ROLLBACK;
SELECT test.refused(format('SELECT joborch.complete_claim(%L)', :'token'));
BEGIN;
SELECT token FROM joborch.claim_steps('claims') \gset
INSERT INTO claims_made VALUES (2);
SELECT joborch.complete_claim(:'token', '{"made": 2}');
COMMIT;
SELECT joborch.wait_for_run(:run, '30 s'), test.story(:run), (SELECT array_agg(n) FROM claims_made) AS made;

-- ---- failed ----

SELECT joborch.create_job('claims failed', '{"steps": [
	{"name": "make", "type": "external", "queue": "claims", "retry": {"max_attempts": 3, "initial": "1 ms"}}]}') > 0 AS saved;
SELECT joborch.start('claims failed') AS run \gset
SELECT test.await_step(:run, 'make', 'waiting');
SELECT token AS first, attempt, request FROM joborch.claim_steps('claims', 'press 2') \gset
SELECT joborch.fail_claim(:'first', 'out of paper');
SELECT test.poll(format('SELECT count(*) = 1 FROM joborch.outside_steps WHERE run_id = %s AND attempt = 2', :run));
SELECT test.refused(format('SELECT joborch.complete_claim(%L)', :'first'));
SELECT token, attempt FROM joborch.claim_steps('claims', 'press 2') \gset
SELECT :attempt;
SELECT joborch.fail_claim(:'token', 'no such format', retryable => false, details => '{"format": "A9", "none": null}');
SELECT joborch.wait_for_run(:run, '30 s'), test.story(:run);
SELECT attempt, error - 'hint' AS error FROM joborch.job_step_attempts WHERE run_id = :run ORDER BY attempt;

-- ---- given back ----

SELECT joborch.start('claims', '{"n": 3}') AS run \gset
SELECT test.await_step(:run, 'make', 'waiting');
SELECT joborch.start('claims', '{"n": 4}') AS run2 \gset
SELECT test.await_step(:run2, 'make', 'waiting');
SELECT token FROM joborch.claim_steps('claims') \gset
SELECT joborch.release_claim(:'token');
SELECT test.refused(format('SELECT joborch.complete_claim(%L)', :'token'));
-- to the end of the queue
SELECT array_agg(request #> '{payload,order}' ORDER BY ordinality) FROM joborch.claim_steps('claims', n => 5) WITH ORDINALITY;
SELECT run_id = :run AS first, worker FROM joborch.outside_steps ORDER BY run_id;
-- somebody who controls the run may end it over the head of its worker
SELECT joborch.complete_step(:run, 'make', '{"made": 9}', reason => 'by hand');
SELECT joborch.skip_step(:run2, 'make');
SELECT joborch.wait_for_run(:run, '30 s'), test.story(:run);
SELECT joborch.wait_for_run(:run2, '30 s'), test.story(:run2);

-- ---- leases ----

SELECT joborch.create_job('claims lease', '{"steps": [
	{"name": "make", "type": "external", "queue": "claims", "lease": "1 hour", "retry": {"max_attempts": 2, "initial": "1 ms"}}]}') > 0 AS saved;
SELECT joborch.start('claims lease') AS run \gset
SELECT test.await_step(:run, 'make', 'waiting');
SELECT joborch.start('claims lease') AS run2 \gset
SELECT test.await_step(:run2, 'make', 'waiting');
SELECT token AS first, lease_until - now() BETWEEN '59 min' AND '61 min' AS lease FROM joborch.claim_steps('claims') \gset
SELECT :'lease';
SELECT token FROM joborch.claim_steps('claims') \gset
-- a shorter one ends sooner
SELECT joborch.extend_claim(:'token', '10 min') IS NOT NULL AS extended;
SELECT joborch_internal.debug_clock('11 min');
SELECT test.poll(format('SELECT count(*) = 1 FROM joborch_internal.offer WHERE run_id = %s', :run2));
SELECT joborch.cancel_run(:run2) IS NOT NULL AS asked;
SELECT joborch.wait_for_run(:run2, '30 s');
-- an extended one lives on, and tells the step so
SELECT joborch.extend_claim(:'first', '3 hours') > now() AS extended;
SELECT joborch_internal.debug_clock('2 hours');
SELECT test.poll(format('SELECT count(*) = 1 FROM joborch_internal.timers WHERE run_id = %s AND kind = ''w''', :run));
SELECT * FROM joborch.claim_steps('claims');
SELECT joborch_internal.debug_clock('4 hours');
SELECT test.poll(format('SELECT count(*) = 1 FROM joborch_internal.offer WHERE run_id = %s', :run));
SELECT test.refused(format('SELECT joborch.complete_claim(%L)', :'first'));
SELECT test.refused(format('SELECT joborch.extend_claim(%L)', :'first'));
SELECT run_id = :run AS run, attempt FROM joborch.claim_steps('claims');
SELECT lost FROM joborch_internal.claim WHERE run_id = :run;
SELECT joborch_internal.debug_clock('6 hours');
SELECT test.poll(format('SELECT count(*) = 1 FROM joborch_internal.offer WHERE run_id = %s', :run));
-- what kills its workers fails: five times, in each attempt
DO $$
DECLARE
	v_hours integer := 6;
BEGIN
	FOR v_try IN 3..5 LOOP
		PERFORM FROM joborch.claim_steps('claims', 'doomed');
		ASSERT FOUND;
		COMMIT;
		v_hours := v_hours + 2;
		PERFORM joborch_internal.debug_clock(make_interval(hours => v_hours));
		PERFORM test.poll('SELECT count(*) = 0 FROM joborch_internal.claim');
		COMMIT;
		EXIT WHEN v_try = 5;
		PERFORM test.poll('SELECT count(*) = 1 FROM joborch_internal.offer');
		COMMIT;
	END LOOP;
END
$$;
SELECT test.poll(format('SELECT count(*) = 1 FROM joborch.outside_steps WHERE run_id = %s AND attempt = 2', :run));
SELECT attempt, error ->> 'sqlstate' AS sqlstate, error ->> 'message' AS message,
	regexp_replace(error ->> 'detail', 'at 2.*', 'at ...') AS detail, error ->> 'hint' AS hint
FROM joborch.job_step_attempts WHERE run_id = :run ORDER BY attempt;
SELECT lost FROM joborch_internal.offer WHERE run_id = :run;
SELECT token FROM joborch.claim_steps('claims') \gset
SELECT joborch.complete_claim(:'token');
SELECT joborch.wait_for_run(:run, '30 s'), test.story(:run);
SELECT joborch_internal.debug_clock('0');

-- ---- who is first: priority, then age; not what is paused or late ----

SELECT joborch.create_job('claims order', '{"steps": [
	{"name": "make", "type": "external", "queue": "{{ input.queue }}", "payload": "{{ input.n }}", "timeout": "1 day"}]}') > 0 AS saved;
SELECT joborch.start('claims order', '{"queue": "c2", "n": "first"}', name => 'c1') > 0 AS started;
SELECT test.await_step(test.run('c1'), 'make', 'waiting');
SELECT joborch.start('claims order', '{"queue": "c2", "n": "paused"}', name => 'c2') > 0 AS started;
SELECT test.await_step(test.run('c2'), 'make', 'waiting');
SELECT joborch.start('claims order', '{"queue": "c2", "n": "urgent"}', priority => 'critical', name => 'c3') > 0 AS started;
SELECT test.await_step(test.run('c3'), 'make', 'waiting');
SELECT joborch.pause_run(test.run('c2'));
SELECT request ->> 'payload' AS payload, deadline > lease_until AS deadline FROM joborch.claim_steps('c2', n => 10);
SELECT joborch.resume_run(test.run('c2')) IS NOT NULL AS resumed;
SELECT request ->> 'payload' AS payload FROM joborch.claim_steps('c2', n => 10, wait => '30 s');
SELECT count(joborch.cancel_run(run_id)) FROM joborch.active_runs WHERE job = 'claims order';
SELECT test.finish('c1'), test.finish('c2'), test.finish('c3');
SELECT count(*) FROM joborch_internal.claim;

-- a claim on a run that is being cancelled is lost
SELECT joborch.start('claims', '{"n": 5}') AS run \gset
SELECT test.await_step(:run, 'make', 'waiting');
SELECT token FROM joborch.claim_steps('claims') \gset
BEGIN;
SELECT joborch.cancel_run(:run) IS NOT NULL AS asked;
SELECT test.refused(format('SELECT joborch.complete_claim(%L)', :'token'));
COMMIT;
SELECT joborch.wait_for_run(:run, '30 s'), test.story(:run);
SELECT test.refused(format('SELECT joborch.complete_claim(%L)', :'token'));

-- the step's time is that of the whole wait, claimed or not
SELECT joborch.start('claims order', '{"queue": "c2", "n": 1}') AS run \gset
SELECT test.await_step(:run, 'make', 'waiting');
SELECT token FROM joborch.claim_steps('c2', lease => '2 days') \gset
SELECT joborch_internal.debug_clock('25 hours');
SELECT joborch.wait_for_run(:run, '30 s');
SELECT joborch_internal.debug_clock('0');
SELECT regexp_replace(test.outcome(:run, 'make'), 'until 2[^|]*', 'until ... ');
SELECT test.refused(format('SELECT joborch.complete_claim(%L)', :'token'));

-- ---- items ----

SELECT joborch.create_job('claims items', '{"steps": [
	{"name": "make", "type": "external", "queue": "claims", "payload": "{{ item }}", "external_id": "item-{{ item }}",
		"foreach": {"items": ["a", "b", "c"], "max_parallel": 3}}]}') > 0 AS saved;
SELECT joborch.start('claims items') AS run \gset
SELECT test.poll(format('SELECT count(*) = 3 FROM joborch.outside_steps WHERE run_id = %s', :run));
SELECT item, request ->> 'payload' AS payload, external_id FROM joborch.outside_steps WHERE run_id = :run ORDER BY item;
SELECT step, item, status FROM joborch.find_external('item-b');
WITH c AS MATERIALIZED (SELECT * FROM joborch.claim_steps('claims', n => 3))
SELECT count(joborch.complete_claim(token, request -> 'payload')) FROM c;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT step, item, status, output, external_id FROM joborch.job_run_steps WHERE run_id = :run;

-- ---- arguments ----

SELECT test.refused('SELECT joborch.claim_steps('''')');
SELECT test.refused('SELECT joborch.claim_steps(repeat(''q'', 64))');
SELECT test.refused('SELECT joborch.claim_steps(worker => '''')');
SELECT test.refused('SELECT joborch.claim_steps(n => 0)');
SELECT test.refused('SELECT joborch.claim_steps(n => 1001)');
SELECT test.refused('SELECT joborch.claim_steps(lease => ''0 s'')');
SELECT test.refused('SELECT joborch.claim_steps(lease => ''31 days'')');
SELECT * FROM joborch.claim_steps(NULL, NULL, NULL, NULL, NULL);
SELECT * FROM joborch.claim_steps('claims', wait => '-1 s');
SELECT * FROM joborch.claim_steps('claims', wait => '10 ms');
BEGIN;
INSERT INTO claims_made VALUES (3);
SELECT test.refused('SELECT joborch.claim_steps(wait => ''1 s'')');
ROLLBACK;
BEGIN READ ONLY;
SELECT joborch.claim_steps();
ROLLBACK;
SELECT joborch.create_job('claims values', '{"steps": [
	{"name": "make", "type": "external", "queue": "{{ input.queue }}", "lease": "{{ input.lease }}"}]}') > 0 AS saved;
SELECT joborch.start('claims values', '{"queue": "", "lease": 60}') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s'), test.outcome(:run, 'make');
SELECT joborch.start('claims values', '{"queue": {"a": 1}, "lease": 60}') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s'), test.outcome(:run, 'make');
SELECT joborch.start('claims values', '{"queue": "claims", "lease": "soon"}') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s'), test.outcome(:run, 'make');
SELECT joborch.start('claims values', '{"queue": "claims", "lease": 60}') AS run \gset
SELECT test.await_step(:run, 'make', 'waiting');
SELECT token, lease_until - now() BETWEEN '50 s' AND '61 s' AS lease FROM joborch.claim_steps('claims') \gset
SELECT :'lease';
SELECT test.refused(format('SELECT joborch.complete_claim(%L, to_jsonb(repeat(''x'', 2000000)))', :'token'));
SELECT test.refused(format('SELECT joborch.extend_claim(%L, ''0 s'')', :'token'));
SELECT test.refused(format('SELECT joborch.set_claim_external_id(%L, '''')', :'token'));
SELECT replace(test.refused(format('SELECT joborch.set_external_id(%s, ''none'', ''x'')', :run)), :'run', 'N');
SELECT joborch.set_external_id(:run, 'make', 'mine');
SELECT count(*) FROM joborch.find_external('mine');
SELECT joborch.set_external_id(:run, 'make', NULL);
SELECT count(*) FROM joborch.find_external('mine');
-- what was given back cannot be prepared: nobody could be told
BEGIN;
SELECT joborch.release_claim(:'token');
PREPARE TRANSACTION 'claims';
ROLLBACK;
-- what is completed can
BEGIN;
SELECT joborch.complete_claim(:'token');
PREPARE TRANSACTION 'claims';
SELECT joborch.run_status(:run);
COMMIT PREPARED 'claims';
SELECT joborch.wait_for_run(:run, '30 s');

-- ---- savepoints ----

SELECT joborch.start('claims', '{"n": 6}') AS run \gset
SELECT test.await_step(:run, 'make', 'waiting');
BEGIN;
SAVEPOINT one;
SELECT token AS gone FROM joborch.claim_steps('claims') \gset
ROLLBACK TO one;
SELECT token FROM joborch.claim_steps('claims') \gset
SAVEPOINT two;
SELECT joborch.release_claim(:'token');
ROLLBACK TO two;
COMMIT;
SELECT test.refused(format('SELECT joborch.complete_claim(%L)', :'gone'));
SELECT joborch.complete_claim(:'token', '{"made": 6}');
SELECT joborch.wait_for_run(:run, '30 s');

-- ---- rights ----

CREATE ROLE regress_claims_owner LOGIN;
CREATE ROLE regress_claims_worker LOGIN;
CREATE ROLE regress_claims_other LOGIN;
GRANT joborch_user TO regress_claims_owner, regress_claims_other;
GRANT USAGE ON SCHEMA test TO regress_claims_owner, regress_claims_worker, regress_claims_other;
SET ROLE regress_claims_owner;
SELECT joborch.start_definition('{"steps": [{"name": "make", "type": "external", "queue": "claims"}]}', name => 'c4') > 0 AS started;
SELECT test.refused('SELECT joborch.grant_queue(''claims'', ''regress_claims_worker'')');
RESET ROLE;
SELECT test.await_step(test.run('c4'), 'make', 'waiting');
SET ROLE regress_claims_other;
SELECT * FROM joborch.claim_steps('claims');
SELECT count(*) FROM joborch.outside_steps;
SET ROLE regress_claims_worker;
SELECT test.refused('SELECT * FROM joborch.claim_steps(''claims'')');
RESET ROLE;
SELECT test.refused('SELECT joborch.grant_queue(''claims'', ''regress_claims_nobody'')');
SELECT test.refused('SELECT joborch.grant_queue('''', ''regress_claims_worker'')');
SELECT joborch.grant_queue('claims', 'regress_claims_worker');
SELECT joborch.grant_queue('claims', 'regress_claims_worker');
SELECT queue, role, granted_by = current_user AS by_me FROM joborch.queue_grants;
SET ROLE regress_claims_worker;
SELECT * FROM joborch.claim_steps('claims elsewhere');
SELECT token, step FROM joborch.claim_steps('claims', 'w') \gset
SELECT :'step';
-- no more than that
SELECT test.refused('SELECT * FROM joborch.job_runs');
SELECT test.refused('SELECT joborch.start(''claims'')');
SELECT test.refused('SELECT joborch.find_external(''x'')');
SELECT joborch.extend_claim(:'token') > now() AS extended;
RESET ROLE;
SELECT joborch.revoke_queue('claims', 'regress_claims_worker');
SELECT test.refused('SELECT joborch.revoke_queue(''claims'', ''regress_claims_worker'')');
SET ROLE regress_claims_worker;
SELECT * FROM joborch.claim_steps('claims');
SELECT joborch.complete_claim(:'token', '"done"');
SET ROLE regress_claims_owner;
SELECT joborch.wait_for_run(max(run_id), '30 s') FROM joborch.job_runs;
SELECT step, status, output FROM joborch.job_run_steps WHERE run_id = (SELECT max(run_id) FROM joborch.job_runs);
SELECT sent_by FROM joborch.job_signals;
RESET ROLE;

-- of another tenant only by the grant
SET ROLE regress_claims_owner;
SET joborch.tenant = 'blue';
SELECT joborch.start_definition('{"steps": [{"name": "make", "type": "external", "queue": "claims"}]}', name => 'c5') > 0 AS started;
RESET joborch.tenant;
RESET ROLE;
SELECT test.await_step(test.run('c5'), 'make', 'waiting');
SET ROLE regress_claims_owner;
SELECT count(*) FROM joborch.claim_steps('claims');
SET joborch.tenant = 'blue';
SELECT token FROM joborch.claim_steps('claims') \gset
RESET joborch.tenant;
SELECT joborch.complete_claim(:'token');
RESET ROLE;
SELECT test.finish('c5');

-- ---- nothing is left ----

SELECT count(*) FROM joborch_internal.claim;
SELECT count(*) FROM joborch_internal.offer;
SELECT count(*) FROM joborch.find_external('item-b');
SELECT joborch.cleanup_runs('0 s', job => 'claims items');
SELECT count(*) FROM joborch.find_external('item-b');
DROP TABLE claims_made;
DROP OWNED BY regress_claims_owner, regress_claims_worker, regress_claims_other;
DROP ROLE regress_claims_owner, regress_claims_worker, regress_claims_other;
