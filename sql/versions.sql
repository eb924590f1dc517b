-- Versions of a job: drafts, which one is current, and what differs between two.
\set VERBOSITY terse

-- a draft of a new job cannot be started, but looked at
SELECT joborch.create_job('versions a', '{"steps": [{"name": "s", "sql": "SELECT 1"}], "description": "one"}', draft => true) AS job \gset
SELECT version, is_current, is_draft, definition FROM joborch.job_versions WHERE job = 'versions a';
SELECT name, version, description, steps, definition FROM joborch.jobs WHERE name = 'versions a';
SELECT test.refused($$ SELECT joborch.start('versions a') $$);
SELECT test.refused($$ SELECT joborch.export_jobs('{versions a}') $$);
SELECT * FROM joborch.explain_job('versions a');
SELECT joborch.publish_job('versions a');
SELECT joborch.publish_job('versions a');
SELECT version, is_current, is_draft FROM joborch.job_versions WHERE job = 'versions a';

-- a draft of a job that is there: start() goes on with the current version
SELECT joborch.create_job('versions a', '{"steps": [{"name": "s", "sql": "SELECT 2"}], "draft": true}') = :job AS same;
SELECT joborch.create_job('versions a', '{"steps": [{"name": "s", "sql": "SELECT 2"}]}', draft => true) = :job AS same;
SELECT version, is_current, is_draft, definition FROM joborch.job_versions WHERE job = 'versions a' ORDER BY version;
SELECT joborch.start('versions a', run_at => now() + interval '1 day') AS run \gset
SELECT version FROM joborch.job_runs WHERE run_id = :run;
SELECT joborch.cancel_run(:run) IS NOT NULL AS asked;
-- draft => false overrules the definition's key
SELECT joborch.create_job('versions a', '{"steps": [{"name": "s", "sql": "SELECT 3"}], "draft": true}', draft => false) = :job AS same;
SELECT version, is_current, is_draft FROM joborch.job_versions WHERE job = 'versions a' ORDER BY version;
-- back to an older one
SELECT joborch.publish_job('versions a', 2);
SELECT version, definition -> 'steps' -> 0 -> 'sql' AS sql FROM joborch.jobs WHERE name = 'versions a';
SELECT test.refused($$ SELECT joborch.publish_job('versions a', 9) $$);
SELECT test.refused($$ SELECT joborch.publish_job('no such job') $$);
SELECT type, detail FROM joborch.job_events WHERE job_id = :job ORDER BY event_id;

-- what a body may say, a definition may not
SELECT test.refused($$ SELECT joborch.create_job('versions b', '{"steps": [{"name": "s", "sql": "SELECT 1"}], "outer": {"steps": []}}') $$);
SELECT test.refused($$ SELECT joborch.start_definition('{"steps": [{"name": "s", "sql": "SELECT 1"}], "outer": {"steps": []}}') $$);

-- what differs: steps are known by their names, other lists by place
SELECT joborch.create_job('versions d', '{"description": "first", "tags": ["x"], "priority": "low", "steps": [
	{"name": "a", "sql": "SELECT 1"},
	{"name": "b", "sql": "SELECT 2", "retry": {"max_attempts": 3}},
	{"name": "c", "sql": "SELECT 3", "depends_on": ["a", "b"]}]}') > 0 AS saved;
SELECT joborch.create_job('versions d', '{"description": "second", "tags": ["x", "y"], "metadata": {"a key": [1, null]}, "steps": [
	{"name": "new", "sql": "SELECT 0"},
	{"name": "b", "sql": "SELECT 2", "retry": {"max_attempts": 5}},
	{"name": "a", "sql": "SELECT 1"},
	{"name": "c", "sql": "SELECT 3", "depends_on": ["b", "a"]}]}') > 0 AS saved;
SELECT * FROM joborch.diff_versions('versions d');
SELECT * FROM joborch.diff_versions('versions d', 2, 1) WHERE path LIKE '$.steps%';
SELECT count(*) FROM joborch.diff_versions('versions d', 2, 2);
SELECT test.refused($$ SELECT * FROM joborch.diff_versions('versions d', 1, 7) $$);
SELECT test.refused($$ SELECT * FROM joborch.diff_versions('versions d', 3) $$);

-- the rights to publish are those to save
CREATE ROLE regress_versions_a LOGIN;
CREATE ROLE regress_versions_b LOGIN;
GRANT joborch_user TO regress_versions_a;
GRANT joborch_operator TO regress_versions_b;
SET ROLE regress_versions_a;
SELECT joborch.create_job('versions e', '{"steps": [{"name": "s", "sql": "SELECT 1"}]}', draft => true) > 0 AS saved;
SELECT test.refused($$ SELECT joborch.publish_job('versions a') $$);
SET ROLE regress_versions_b;
SELECT test.refused($$ SELECT joborch.publish_job('versions e') $$);
RESET ROLE;

SELECT joborch.drop_job(name, force => true) FROM joborch.jobs WHERE name LIKE 'versions %';
DROP OWNED BY regress_versions_a, regress_versions_b;
DROP ROLE regress_versions_a, regress_versions_b;
