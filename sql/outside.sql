-- Steps that somebody else carries out, and orders to steps that wait: complete_step(),
-- fail_step(), skip_step().
\set VERBOSITY terse

-- without numbers of runs and jobs, and times
CREATE FUNCTION outside_refused(p_command text) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(test.refused(p_command), '(steps?\(|run_id = |job )\d+', '\1N', 'g'), ' at [^;]*;', ' at T;')
$$;

-- ---- what is saved; only what must be done on another machine has a warning ----
CREATE TEMP TABLE outside_kinds AS
SELECT jsonb_build_object('steps', jsonb_agg(k.step || jsonb_build_object('name', 's_' || k.n))) AS definition
FROM jsonb_array_elements('[{"type": "http", "url": "https://example.org/{{ input.x }}"}, {"type": "webhook", "url": "{{ input.x }}", "payload": 1},
	{"type": "file_transfer", "action": "get", "url": "sftp://example.org/x"}, {"type": "email", "to": "{{ input.x }}"},
	{"type": "command", "command": ["ls", "{{ input.x }}"]}, {"type": "script", "script": "ls"}, {"type": "artifact", "action": "put", "text": "{{ input.x }}"},
	{"type": "external", "what": "{{ input.x }}"}, {"type": "command", "command": "ls", "target": "web-1"}, {"type": "script", "script": "ls", "connection": "winrm"},
	{"type": "file_transfer", "source": "/a", "connection_type": "sftp"}, {"type": "command", "command": "ls", "connection": "local"}]') WITH ORDINALITY AS k (step, n);
SELECT code, severity, path, step, message FROM outside_kinds k, joborch.validate_job(k.definition);
SELECT DISTINCT v.code, v.severity FROM outside_kinds k, joborch.validate_job(k.definition, 'strict') AS v;
SELECT code, path, message, left(suggestion, 100) AS suggestion FROM joborch.validate_job('{"steps": [
	{"name": "get", "url": "https://example.org", "on_timeout": "skip", "transaction": "none", "queue": "its own", "external_id": "x"},
	{"name": "each", "type": "loop", "max_iterations": 2, "steps": [{"name": "in", "type": "command", "command": "ls -l"}]},
	{"name": "post", "type": "http", "url": "https://u:p@example.org/{{ input.x }}", "methd": "PUT", "body": 1, "form": {"a": {}}, "headers": {"Host": "x"}},
	{"name": "mine", "type": "external", "password": "{{ secret.x }}", "lease": "soon"}, {"name": "sql", "sql": "SELECT {{ secret.x }}", "external_id": "x"}]}');
\set VERBOSITY default
SELECT joborch.create_job('outside', '{"steps": [
	{"name": "get", "type": "external", "method": "GET", "url": "https://example.org/{{ input.id }}", "headers": {"x-priority": "{{ run.priority }}"},
		"external_id": "get {{ input.id }}", "timeout": "1 hour", "output": {"code": "{{ result.status }}"}},
	{"name": "good", "type": "condition", "if": "$.steps.get.output.code == 200"},
	{"name": "mail", "type": "external", "to": ["{{ input.to }}"], "importance": "high", "depends_on": [{"step": "good", "branch": "true"}]},
	{"name": "undo", "type": "command", "command": "undo {{ input.id }}", "target": "web-1", "depends_on": [{"step": "good", "branch": "false"}]},
	{"name": "late", "sql": "SELECT 1", "depends_on": [{"step": "get", "on": "failure"}]}]}') > 0 AS saved;
SELECT joborch.explain_job('{"steps": [
	{"name": "get", "url": "https://example.org/{{ input.id }}?key=x", "success": "$.result.body.ok == true", "callback": true},
	{"name": "post", "type": "http", "url": "https://example.org", "json": null}, {"name": "hook", "type": "webhook", "url": "{{ input.url }}/x"},
	{"name": "fetch", "type": "file_transfer", "action": "download", "url": "sftp://example.org/x", "artifact": "x"},
	{"name": "mail", "type": "email", "to": ["ann@example.org", "bob@example.org"], "subject": "{{ input.id }} is there"},
	{"name": "list", "type": "command", "command": ["ls", "-l"]}, {"name": "script", "type": "script", "script": "ls"},
	{"name": "keep", "type": "artifact", "action": "put", "artifact": "list", "text": "x"}, {"name": "read", "type": "artifact", "action": "get", "artifact": 7},
	{"name": "work", "type": "external", "queue": "slow", "task": "t"}]}');
\set VERBOSITY terse

SELECT joborch.explain_job('outside');

-- ---- carried out by a stand-in ----
SELECT joborch.start('outside', '{"id": 7, "to": "ann"}') AS run \gset
SELECT test.await_step(:run, 'get', 'waiting');
SELECT job, step, item, type, request, attempt, since <= now() AS since, deadline - since AS deadline FROM joborch.outside_steps WHERE run_id = :run;
SELECT step, status, reason, next_command = format('SELECT joborch.complete_step(%s, ''get'');', :run) AS command FROM joborch.waiting WHERE run_id = :run;
SELECT step, status, waiting_for FROM joborch.run_steps(:run) WHERE step = 'get';
BEGIN;
SELECT joborch.complete_step(:run, 'get', '{"status": 500}');
ROLLBACK;
SELECT joborch.complete_step(:run, 'get', '{"status": 200, "rest": 1}', reason => 'by hand');
SELECT test.await_step(:run, 'mail', 'waiting');
SELECT step, type, request FROM joborch.outside_steps WHERE run_id = :run;
SELECT joborch.complete_step(:run, 'mail');
SELECT joborch.wait_for_run(:run, '30 s');
SELECT step, status, output, error FROM joborch.run_steps(:run);
SELECT kind, step, payload, reason, sent_by = current_user AS by_me, taken_at >= sent_at AS taken, taken_by FROM joborch.job_signals WHERE run_id = :run;
SELECT type, step, by_role = current_user AS by_me, reason, detail FROM joborch.job_events WHERE run_id = :run ORDER BY event_id;
-- the other branch, and the other end
SELECT joborch.start('outside', '{"id": 8, "to": "bob"}') AS run \gset
SELECT test.await_step(:run, 'get', 'waiting');
SELECT joborch.complete_step(:run, 'get', '{"status": 404}');
SELECT test.await_step(:run, 'undo', 'waiting');
SELECT joborch.complete_step(:run, 'undo', '{"exit_code": 0}');
SELECT joborch.wait_for_run(:run, '30 s'), test.story(:run);
SELECT joborch.start('outside', '{"id": 9, "to": "eve"}') AS run \gset
SELECT test.await_step(:run, 'get', 'waiting');
SELECT joborch.fail_step(:run, 'get', 'no route to host', reason => 'cable');
SELECT joborch.wait_for_run(:run, '30 s'), test.story(:run);
SELECT error FROM joborch.run_steps(:run) WHERE step = 'get';
-- a template without a value fails before anybody is told
SELECT joborch.start('outside', '{"to": "eve"}') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s'), test.outcome(:run, 'get');
-- its "output" needs what was not given: the order was in vain
SELECT joborch.start('outside', '{"id": 9, "to": "eve"}') AS run \gset
SELECT test.await_step(:run, 'get', 'waiting');
SELECT joborch.complete_step(:run, 'get', '{}');
SELECT joborch.wait_for_run(:run, '30 s'), test.outcome(:run, 'get');

-- ---- failures and times ----
SET client_min_messages = error;
SELECT joborch.start_definition('{"steps": [{"name": "get", "type": "external", "url": "u", "retry": {"max_attempts": 3, "initial": "1 ms", "jitter": 0}}, {"name": "x", "sql": "SELECT 1"}]}') AS run \gset
SELECT test.await_step(:run, 'get', 'waiting');
SELECT joborch.fail_step(:run, 'get');
SELECT test.poll(format('SELECT attempt = 2 FROM joborch.outside_steps WHERE run_id = %s', :run));
SELECT joborch.fail_step(:run, 'get', 'again');
SELECT test.poll(format('SELECT attempt = 3 FROM joborch.outside_steps WHERE run_id = %s', :run));
SELECT joborch.complete_step(:run, 'get', '"at last"');
SELECT joborch.wait_for_run(:run, '30 s'), test.story(:run);
SELECT attempt, status, replace(error_message, current_user, 'me') AS message, sqlstate, category, error -> 'retryable' AS retryable FROM joborch.job_step_attempts WHERE run_id = :run AND step = 'get' ORDER BY attempt;
SELECT joborch.start_definition('{"steps": [{"name": "get", "type": "external", "url": "u", "timeout": "50 ms", "retry": {"max_attempts": 2, "initial": "1 ms", "jitter": 0}}]}') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT attempt, status, error_message, sqlstate, category FROM joborch.job_step_attempts WHERE run_id = :run ORDER BY attempt;
SELECT count(*) AS left_over FROM joborch_internal.wait WHERE run_id = :run;
-- recovered, it is to be done anew; an order for the attempt before is nobody's any more
SELECT joborch.start_definition('{"steps": [{"name": "get", "type": "external", "url": "u"}]}') AS run \gset
SELECT test.await_step(:run, 'get', 'waiting');
SELECT joborch.fail_step(:run, 'get', 'no');
SELECT joborch.wait_for_run(:run, '30 s');
SELECT joborch.recover_run(:run) IS NOT NULL AS recovered;
SELECT test.await_step(:run, 'get', 'waiting');
INSERT INTO joborch_internal.signal (run_id, sent_at, kind, sent_by, step, item, payload) VALUES (:run, '2020-01-01', 'd', 'nobody', 0, -1, '"old"');
SELECT count(*) AS still_there FROM joborch.outside_steps WHERE run_id = :run;
SELECT joborch.complete_step(:run, 'get', '"new"');
SELECT joborch.wait_for_run(:run, '30 s'), test.outcome(:run, 'get');
SELECT kind, payload, taken_at IS NOT NULL AS taken FROM joborch.job_signals WHERE run_id = :run ORDER BY signal_id;
-- skipped
SELECT joborch.start_definition('{"steps": [{"name": "get", "type": "external", "url": "u"}, {"name": "needs", "sql": "SELECT 1"}, {"name": "any", "sql": "SELECT 2", "trigger_rule": "all_done"}]}') AS run \gset
SELECT test.await_step(:run, 'get', 'waiting');
SELECT joborch.skip_step(:run, 'get', 'not today');
SELECT joborch.wait_for_run(:run, '30 s'), test.story(:run);

-- ---- items, bodies, compensations ----
SELECT joborch.start_definition('{"steps": [{"name": "post", "type": "external", "url": "https://example.org/{{ item }}", "foreach": {"items": ["a", "b", "c", "d"], "on_item_error": "continue"}}]}') AS run \gset
SELECT test.poll(format('SELECT count(*) = 4 FROM joborch.outside_steps WHERE run_id = %s', :run));
SELECT step, item, type, request FROM joborch.outside_steps WHERE run_id = :run ORDER BY item;
SELECT next_command = format('SELECT joborch.complete_step(%s, ''post'', item => 3);', :run) AS command FROM joborch.waiting WHERE run_id = :run ORDER BY next_command DESC LIMIT 1;
SELECT outside_refused(format('SELECT joborch.complete_step(%s, ''post'')', :run));
SELECT joborch.complete_step(:run, 'post', '1', item => 1);
SELECT joborch.fail_step(:run, 'post', 'gone', item => 0);
SELECT joborch.skip_step(:run, 'post', item => 3);
SELECT test.poll(format('SELECT count(*) = 1 FROM joborch.outside_steps WHERE run_id = %s', :run));
SELECT test.poll(format('SELECT count(*) = 1 FROM joborch_internal.wait WHERE run_id = %s', :run));
SELECT outside_refused(format('SELECT joborch.complete_step(%s, ''post'', item => 1)', :run));
SELECT joborch.complete_step(:run, 'post', '2', item => 2);
SELECT joborch.wait_for_run(:run, '30 s'), test.outcome(:run, 'post');
SELECT joborch.start_definition('{"steps": [{"name": "again", "type": "loop", "until": "$.steps.ask.output.done == true", "max_iterations": 5, "steps": [{"name": "ask", "type": "external", "url": "https://example.org/{{ iteration }}"}]}]}') AS run \gset
SELECT test.poll(format('SELECT count(*) = 1 FROM joborch.outside_steps o JOIN joborch.job_runs r USING (run_id) WHERE r.parent_run_id = %s', :run));
SELECT run_id AS body, request FROM joborch.outside_steps JOIN joborch.job_runs USING (run_id) WHERE parent_run_id = :run \gset
SELECT joborch.complete_step(:body, 'ask', '{"done": false}');
SELECT test.poll($$ SELECT count(*) = 1 FROM joborch.outside_steps WHERE request ->> 'url' LIKE '%/1' $$);
SELECT joborch.complete_step(run_id, step, '{"done": true}') FROM joborch.outside_steps WHERE request ->> 'url' LIKE '%/1';
SELECT joborch.wait_for_run(:run, '30 s'), test.outcome(:run, 'again');
SELECT joborch.start_definition('{"steps": [{"name": "book", "type": "external", "url": "u", "compensate": {"type": "external", "url": "undo {{ steps.book.output }}"}}, {"name": "bad", "sql": "SELECT 1/0"}]}') AS run \gset
SELECT test.await_step(:run, 'book', 'waiting');
SELECT joborch.complete_step(:run, 'book', '5');
SELECT test.await_step(:run, 'book_compensate', 'waiting');
SELECT step, request FROM joborch.outside_steps WHERE run_id = :run;
SELECT joborch.complete_step(:run, 'book_compensate');
SELECT joborch.wait_for_run(:run, '30 s'), test.story(:run);
RESET client_min_messages;

-- ---- whatever waits can be ended ----
CREATE TABLE outside_gate (open boolean);
INSERT INTO outside_gate VALUES (false);
SELECT joborch.create_job('outside child', '{"steps": [{"name": "w", "type": "wait_signal"}]}') > 0 AS saved;
SELECT joborch.create_job('outside waits', '{"steps": [{"name": "all", "type": "parallel", "steps": [
	{"name": "delay", "type": "delay", "duration": "1 day"}, {"name": "signal", "type": "wait_signal"},
	{"name": "sql", "type": "wait_sql", "sql": "SELECT open FROM outside_gate", "interval": "1 day"}, {"name": "approval", "type": "approval", "on_reject": "skip"},
	{"name": "child", "type": "job", "job": "outside child"}, {"name": "loop", "type": "loop", "max_iterations": 3, "steps": [{"name": "in", "type": "wait_signal"}]},
	{"name": "each", "type": "foreach", "items": [1], "steps": [{"name": "in_each", "type": "wait_signal"}]}]}]}') > 0 AS saved;
SELECT joborch.start('outside waits') AS run \gset
SELECT test.poll(format('SELECT count(*) = 7 FROM joborch_internal.wait WHERE run_id = %s', :run));
SELECT joborch.complete_step(:run, step, to_jsonb('instead of ' || step)) FROM unnest(ARRAY['delay', 'signal', 'sql', 'approval', 'child', 'loop']) AS step;
SELECT joborch.skip_step(:run, 'each', item => 0);
SELECT joborch.wait_for_run(:run, '30 s');
SELECT step, item, status, output FROM joborch.run_steps(:run);
SELECT test.poll(format('SELECT count(*) = 3 AND bool_and(status = ''cancelled'') FROM joborch.job_runs WHERE parent_run_id = %s', :run));
SELECT step, detail ->> 'waited_for' ~ '^(timer until|signal|condition|approval by|child run)' AS waited_for FROM joborch.job_events WHERE run_id = :run ORDER BY event_id;
-- a run that is in memory, since another step of it runs
SELECT joborch.start_definition('{"steps": [{"name": "both", "type": "parallel", "steps": [
	{"name": "busy", "sql": "SELECT test.poll($p$ SELECT open FROM outside_gate $p$)"}, {"name": "w", "type": "wait_signal"}]}]}') AS run \gset
SELECT test.await_step(:run, 'busy', 'running');
SELECT test.await_step(:run, 'w', 'waiting');
SELECT joborch.fail_step(:run, 'w', 'enough');
SELECT test.await_step(:run, 'w', 'failed');
UPDATE outside_gate SET open = true;
SELECT joborch.wait_for_run(:run, '30 s'), test.outcome(:run, 'w');
UPDATE outside_gate SET open = false;
-- under a limit: who waits for it needs it no more, and who holds it keeps it
SELECT joborch.create_job('outside limits', '{"steps": [
	{"name": "s", "sql": "SELECT test.poll($p$ SELECT open FROM outside_gate $p$)", "concurrency": {"key": "k", "limit": 1}, "transaction": "none"},
	{"name": "t", "type": "wait_signal"}]}') > 0 AS saved;
SELECT joborch.start('outside limits') AS first \gset
SELECT test.await_step(:first, 's', 'running');
SELECT joborch.start('outside limits') AS second, joborch.start('outside limits') AS third \gset
SELECT test.await_step(:second, 's', 'waiting'), test.await_step(:third, 's', 'waiting');
SELECT joborch.complete_step(:second, 's', '"not done"');
SELECT test.await_step(:second, 't', 'waiting'), test.outcome(:second, 's');
SELECT (SELECT count(*) FROM joborch_internal.permit WHERE held) AS held, (SELECT count(*) FROM joborch_internal.permit WHERE NOT held) AS waiting;
UPDATE outside_gate SET open = true;
SELECT test.await_step(r.id, 't', 'waiting'), joborch.skip_step(r.id, 't') FROM unnest(ARRAY[:first, :second, :third]) AS r (id);
SELECT joborch.wait_for_run(r.id, '30 s') FROM unnest(ARRAY[:first, :second, :third]) AS r (id);
SELECT count(*) AS left_over FROM joborch_internal.permit;
UPDATE outside_gate SET open = false;
SELECT joborch.create_job('outside choice', '{"concurrency": {"key": "k", "limit": 1}, "steps": [
	{"name": "c", "type": "condition", "if": "1 == 1"}, {"name": "w", "type": "wait_signal", "depends_on": [{"step": "c", "branch": "true"}]}]}') > 0 AS saved;
SELECT joborch.start('outside choice') AS first \gset
SELECT test.await_step(:first, 'w', 'waiting');
SELECT joborch.start('outside choice') AS second \gset
SELECT test.await_step(:second, 'c', 'waiting');
SELECT outside_refused(format('SELECT joborch.complete_step(%s, ''c'')', :second));
SELECT joborch.skip_step(:second, 'c');
SELECT joborch.wait_for_run(:second, '30 s'), test.story(:second);
SELECT joborch.complete_step(:first, 'w');
SELECT joborch.wait_for_run(:first, '30 s');

-- ---- a paused run goes on from there later ----
SELECT joborch.start('outside child') AS run \gset
SELECT test.await_step(:run, 'w', 'waiting');
SELECT joborch.pause_run(:run);
SELECT joborch.complete_step(:run, 'w', '1');
SELECT status FROM joborch.run_steps(:run);
SELECT outside_refused(format('SELECT joborch.fail_step(%s, ''w'')', :run));
SELECT joborch.resume_run(:run) IS NOT NULL AS resumed;
SELECT joborch.wait_for_run(:run, '30 s'), test.outcome(:run, 'w');

-- ---- what is refused ----
SELECT outside_refused(format('SELECT joborch.complete_step(%s, ''w'')', :run));
SELECT outside_refused('SELECT joborch.complete_step(0, ''w'')');
SELECT outside_refused('SELECT joborch.skip_step(NULL, ''w'')');
SELECT joborch.start('outside waits') AS run \gset
SELECT test.poll(format('SELECT count(*) = 7 FROM joborch_internal.wait WHERE run_id = %s', :run));
SELECT outside_refused(format('SELECT joborch.complete_step(%s, ''nothing'')', :run));
SELECT outside_refused(format('SELECT joborch.complete_step(%s, NULL)', :run));
SELECT outside_refused(format('SELECT joborch.skip_step(%s, ''all'')', :run));
SELECT outside_refused(format('SELECT joborch.fail_step(%s, ''each'', item => 5)', :run));
SELECT outside_refused(format('SELECT joborch.complete_step(%s, ''signal'', to_jsonb(repeat(''x'', 20000000)))', :run));
CREATE ROLE regress_outside_user LOGIN;
CREATE ROLE regress_outside_operator LOGIN;
GRANT joborch_user TO regress_outside_user;
GRANT joborch_operator TO regress_outside_operator;
GRANT USAGE ON SCHEMA test TO regress_outside_user;
SET ROLE regress_outside_user;
SELECT outside_refused(format('SELECT joborch.complete_step(%s, ''signal'')', :run));
SELECT count(*) FROM joborch.outside_steps;
RESET ROLE;
GRANT joborch_monitor TO regress_outside_user;
SET ROLE regress_outside_user;
SELECT outside_refused(format('SELECT joborch.skip_step(%s, ''signal'')', :run));
RESET ROLE;
-- an approval is for those who are asked
CREATE ROLE regress_outside_chiefs;
SELECT joborch.start_definition('{"steps": [{"name": "a", "type": "approval", "approvers": "regress_outside_chiefs"}]}') AS asked \gset
SELECT test.await_step(:asked, 'a', 'waiting');
GRANT USAGE ON SCHEMA test TO regress_outside_operator;
SET ROLE regress_outside_operator;
SELECT outside_refused(format('SELECT joborch.complete_step(%s, ''a'')', :asked));
SELECT outside_refused(format('SELECT joborch.skip_step(%s, ''a'')', :asked));
RESET ROLE;
GRANT regress_outside_chiefs TO regress_outside_operator;
SET ROLE regress_outside_operator;
SELECT joborch.complete_step(:asked, 'a', '{"approved": true}');
RESET ROLE;
SELECT joborch.wait_for_run(:asked, '30 s'), test.outcome(:asked, 'a');
SET ROLE regress_outside_operator;
SELECT joborch.skip_step(:run, 'signal', 'as operator');
RESET ROLE;
SELECT test.await_step(:run, 'signal', 'skipped');
SELECT type, by_role, reason FROM joborch.job_events WHERE run_id = :run;
BEGIN;
SELECT joborch.cancel_run(:run) IS NOT NULL AS asked;
SELECT outside_refused(format('SELECT joborch.skip_step(%s, ''sql'')', :run));
COMMIT;
SELECT joborch.wait_for_run(:run, '30 s');

-- ---- the visual form: what is of the message is not of the step ----
SELECT s - 'metadata' AS step FROM jsonb_array_elements(joborch_internal.translate_visual('{"nodes": [{"id": "s", "type": "flow.start"},
	{"id": "tell", "type": "action.notification", "data": {"notification_type": "email", "recipients": ["ann"], "subject": "x", "message": "y", "priority": "{{ok}}"}},
	{"id": "e", "type": "flow.end"}], "edges": [{"source": "s", "target": "tell"}, {"source": "tell", "target": "e"}], "variables": {"ok": {"type": "string"}}}') -> 'steps') AS s LIMIT 1;

DROP TABLE outside_gate;
DROP FUNCTION outside_refused;
DROP OWNED BY regress_outside_user, regress_outside_operator;
DROP ROLE regress_outside_user, regress_outside_operator, regress_outside_chiefs;
SELECT count(joborch.drop_job(name, force => true)) AS dropped FROM joborch.jobs WHERE name LIKE 'outside%';
