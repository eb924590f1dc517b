-- Limits of "concurrency": never more at a time, nobody forgotten, nothing left behind.
CREATE TABLE gate (name text PRIMARY KEY, open boolean NOT NULL);
INSERT INTO gate VALUES ('a', false), ('b', false);
CREATE TABLE held (run_id bigint, step text, others integer);
-- notes how many hold a permit while it runs
CREATE FUNCTION note(p_run bigint, p_step text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO held SELECT p_run, p_step, count(*) FROM joborch_internal.permit WHERE held
$$;
CREATE FUNCTION pass(p_gate text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. 3000 LOOP
		EXIT WHEN (SELECT open FROM gate WHERE name = p_gate);
		PERFORM pg_sleep(0.01);
	END LOOP;
END $$;

-- ---- runs of a job: two at a time by key, the others wait and say why ----
SELECT joborch.create_job('limited', '{"concurrency": {"key": "{{ input.k }}", "limit": 2},
	"steps": [{"name": "in", "sql": "SELECT note({{ run.id }}, ''in'')"},
		{"name": "pass", "sql": "SELECT pass({{ input.k }}::text)"},
		{"name": "out", "sql": "SELECT note({{ run.id }}, ''out'')"}]}') > 0 AS created;
SELECT count(*) FROM joborch.start_many('limited', inputs => ARRAY[
	'{"k": "a"}', '{"k": "a"}', '{"k": "a"}', '{"k": "a"}', '{"k": "a"}']::jsonb[]);
SELECT test.poll($$ SELECT count(*) = 3 FROM joborch.waiting WHERE reason LIKE 'concurrency key %' $$);
SELECT step, status, regexp_replace(reason, 'job \d+', 'job n') AS reason FROM joborch.waiting;
-- another key has its own places
SELECT joborch.start('limited', '{"k": "b"}') AS other \gset
SELECT test.await_step(:other, 'pass', 'running');
UPDATE gate SET open = true;
SELECT test.poll($$ SELECT NOT EXISTS (SELECT FROM joborch.active_runs) $$);
SELECT status, count(*) FROM joborch.job_runs WHERE job = 'limited' GROUP BY status;
SELECT count(*) AS notes, max(others) <= 3 AS never_more FROM held;
SELECT count(*) AS left_over FROM joborch_internal.permit;

-- ---- when it is full: the new run is cancelled, or the old one ----
UPDATE gate SET open = false;
SELECT joborch.create_job('skips', '{"concurrency": {"key": "one", "limit": 1, "when_full": "skip"},
	"steps": [{"name": "pass", "sql": "SELECT pass(''a'')"}]}') > 0 AS created;
SELECT joborch.start('skips', name => 'first') > 0 AS started;
SELECT test.await_step(test.run('first'), 'pass', 'running');
SELECT joborch.start('skips', name => 'second') > 0 AS started;
SELECT test.finish('second');
UPDATE gate SET open = true;
SELECT test.finish('first');
UPDATE gate SET open = false;
SELECT joborch.create_job('pushes', '{"concurrency": {"key": "one", "limit": 1, "when_full": "cancel_other"},
	"steps": [{"name": "pass", "sql": "SELECT pass(''b'')"}]}') > 0 AS created;
SELECT joborch.start('pushes', name => 'old') > 0 AS started;
SELECT test.await_step(test.run('old'), 'pass', 'running');
SELECT joborch.start('pushes', name => 'new') > 0 AS started;
SELECT test.finish('old');
UPDATE gate SET open = true;
SELECT test.finish('new');

-- ---- a step: one of its items at a time, and a step that is not to wait ----
TRUNCATE held;
CALL test.play('{"steps": [{"name": "each", "foreach": {"items": [1, 2, 3, 4, 5, 6]},
	"concurrency": {"key": "item", "limit": 1}, "sql": "SELECT note({{ run.id }}, {{ item }}::text)"}]}') \gset
SELECT count(*) AS notes, max(others) AS most FROM held;
UPDATE gate SET open = false WHERE name = 'a';
SELECT joborch.create_job('step skips', '{"steps": [{"name": "only", "sql": "SELECT pass(''a'')",
	"concurrency": {"key": "k", "limit": 1, "when_full": "skip"}}, {"name": "after", "sql": "SELECT 1"}]}') > 0 AS created;
SELECT joborch.start('step skips', name => 'holder') > 0 AS started;
SELECT test.await_step(test.run('holder'), 'only', 'running');
SELECT joborch.start('step skips', name => 'late') > 0 AS started;
SELECT test.finish('late');
UPDATE gate SET open = true;
SELECT test.finish('holder');

-- ---- a failed step and a cancelled waiter give back what they had ----
CALL test.play('{"steps": [{"name": "fails", "sql": "SELECT 1 / 0", "concurrency": {"key": "f", "limit": 1}}]}') \gset
SELECT count(*) AS left_over FROM joborch_internal.permit;
SELECT * FROM joborch.check();
