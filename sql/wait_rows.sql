-- Rows behind steps that wait: what joborch.check() says of wrong ones, and what is
-- deleted with a run.  The engine's own use of them is tested where the step types are.
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;

-- a run that does not begin, and one that is over
SELECT joborch.start_sql('SELECT 1', name => 'future', run_at => '2100-01-01') > 0;
CALL test.play('{"steps": [{"name": "one", "sql": "SELECT 1"}]}') \gset past_
SELECT test.run('future') AS future, :past_run AS past \gset

-- a step that waits, with its timer, what was sent to it, its items
BEGIN;
INSERT INTO joborch_internal.wait (run_id, begun_at, step, item, attempt, kind, look_at) VALUES
	(:future, now(), 0, -1, 1, 'd', '2100-01-02');
INSERT INTO joborch_internal.timers (due, run_id, step, item, kind, epoch) VALUES ('2100-01-02', :future, 0, -1, 'w', 0);
INSERT INTO joborch_internal.signal (run_id, kind, name, sent_by) VALUES (:future, 's', 'go', 'me'), (:past, 's', 'go', 'me');
INSERT INTO joborch_internal.item_chunk (run_id, step, chunk, items) VALUES (:future, 0, 0, '[1]'), (:future, 0, 1, '[2]');
SELECT * FROM joborch.check();

-- each of these is wrong
SAVEPOINT fine;
DELETE FROM joborch_internal.wait WHERE run_id = :future;
SELECT invariant FROM joborch.check();
ROLLBACK TO fine;
INSERT INTO joborch_internal.wait (run_id, begun_at, step, item, attempt, kind) VALUES (:past, now(), 1, -1, 1, 'd');
SELECT invariant FROM joborch.check();
ROLLBACK TO fine;
INSERT INTO joborch_internal.step (run_id, finished_at, item, step, attempt, epoch, status, form)
	VALUES (:future, now(), -1, 0, 1, 0, 'c', '-');
SELECT invariant FROM joborch.check();
ROLLBACK TO fine;
UPDATE joborch_internal.wait SET kind = '?';
SELECT invariant FROM joborch.check();
ROLLBACK TO fine;
UPDATE joborch_internal.signal SET taken_step = 0;
SELECT DISTINCT invariant FROM joborch.check();
ROLLBACK TO fine;
INSERT INTO joborch_internal.signal (run_id, kind, name, sent_by) VALUES (0, 's', 'go', 'me');
SELECT invariant FROM joborch.check();
ROLLBACK TO fine;
DELETE FROM joborch_internal.item_chunk WHERE chunk = 0;
SELECT invariant FROM joborch.check();
ROLLBACK TO fine;
INSERT INTO joborch_internal.item_chunk (run_id, step, chunk, items) VALUES (0, 0, 0, '[1]');
SELECT invariant FROM joborch.check();
ROLLBACK TO fine;
UPDATE joborch_internal.live SET parent_run_id = :past WHERE run_id = :future;
SELECT invariant FROM joborch.check();
ROLLBACK;

-- with a run everything of it goes
INSERT INTO joborch_internal.signal (run_id, kind, name, sent_by) VALUES (:past, 's', 'go', 'me');
INSERT INTO joborch_internal.item_chunk (run_id, step, chunk, items) VALUES (:past, 0, 0, '[1]');
SELECT joborch.delete_run(:past);
SELECT (SELECT count(*) FROM joborch_internal.signal WHERE run_id = :past),
	(SELECT count(*) FROM joborch_internal.item_chunk WHERE run_id = :past);

-- a cleanup takes cached outputs that are stale, or of a job that is no more
SELECT joborch.create_job('cached', '{"steps": [{"name": "one", "sql": "SELECT 1"}]}') AS kept,
	joborch.create_job('dropped', '{"steps": [{"name": "one", "sql": "SELECT 1"}]}') AS dropped \gset
SELECT joborch.drop_job('dropped');
INSERT INTO joborch_internal.step_cache (job_id, stored_at, expires_at, step, key, output) VALUES
	(:kept, now(), 'infinity', 'one', 'for ever', '1'),
	(:kept, now(), joborch_internal.now(), 'one', 'stale', '1'),
	(:dropped, now(), 'infinity', 'one', 'for ever', '1');
SELECT joborch.cleanup_runs('100 years');
SELECT job_id = :kept, key FROM joborch_internal.step_cache WHERE job_id IN (:kept, :dropped);
DELETE FROM joborch_internal.step_cache WHERE job_id IN (:kept, :dropped);
SELECT joborch.cancel_run(:future) IS NOT NULL;
SELECT joborch.wait_for_run(:future, '30 s');
SELECT * FROM joborch.check();
