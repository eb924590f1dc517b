-- Jobs: saved, versioned, changed, dropped.
\set VERBOSITY terse

SELECT joborch.create_job('define a', '{"steps": [{"name": "s", "sql": "SELECT 1"}], "tags": ["x", "y"]}') AS job \gset
-- the same again is no new version; a change is one; named arguments are keys
SELECT joborch.create_job('define a', '{"steps": [{"name": "s", "sql": "SELECT 1"}], "tags": ["x", "y"]}') = :job AS same;
SELECT joborch.create_job('define a', '{"steps": [{"name": "s", "sql": "SELECT 2"}]}', description => 'second',
	priority => 'high', timeout => '5 min', max_recovery_attempts => 7) = :job AS same;
SELECT version, is_current, definition FROM joborch.job_versions WHERE job = 'define a' ORDER BY version;
SELECT name, description, active, version, tags, queue, priority, steps FROM joborch.jobs WHERE name = 'define a';

-- an id serves as a name
SELECT joborch.alter_job(:'job', tags => '{z}') = :job AS same;
SELECT tags FROM joborch.jobs WHERE job_id = :job;

-- names
SELECT joborch.create_job('17', '{"steps": [{"name": "s", "sql": "SELECT 1"}]}');
SELECT joborch.create_job('', '{"steps": [{"name": "s", "sql": "SELECT 1"}]}');
SELECT joborch.create_job(NULL, '{"steps": [{"name": "s", "sql": "SELECT 1"}]}');
SELECT joborch.create_job('{"a": 1}', '{"steps": [{"name": "s", "sql": "SELECT 1"}]}');
SELECT joborch.create_job(repeat('x', 256), '{"steps": [{"name": "s", "sql": "SELECT 1"}]}');
SELECT joborch.create_job(repeat('ä', 127) || 'x', '{"steps": [{"name": "s", "sql": "SELECT 1"}]}') IS NOT NULL AS saved;
SELECT joborch.create_job('it''s "quoted" $1 ; --', '{"steps": [{"name": "s", "sql": "SELECT 1"}]}') IS NOT NULL AS saved;

-- definitions
SELECT joborch.create_job('define b', NULL);
SELECT joborch.create_job('define b', '[]');
SELECT joborch.create_job('define b', '{"steps": [{"name": "s", "sql": "SELECT 1"}], "queue": "nowhere"}');
SELECT joborch.create_job('define b', '{"steps": [{"name": "s", "type": "sqll"}, {"name": "s", "sql": "SELECT 1", "depends_on": ["t"]}]}');
SELECT joborch.create_job('define b', '{"steps": [{"name": "s", "sql": "SELECT 1", "run_as": "nobody of this name"}]}');
SELECT count(*) FROM joborch.jobs WHERE name = 'define b';
SELECT code, severity, step FROM joborch.validate_job('{"steps": [{"name": "s", "type": "sqll"}, {"name": "s", "sql": "SELECT 1", "depends_on": ["t"]}]}')
ORDER BY code COLLATE "C", step;

-- queues
SELECT joborch.create_queue('define queue');
SELECT joborch.create_queue('define queue');
SELECT joborch.create_job('define b', '{"steps": [{"name": "s", "sql": "SELECT 1"}]}', queue => 'define queue') IS NOT NULL AS saved;
SELECT queue FROM joborch.jobs WHERE name = 'define b';

-- alter
SELECT joborch.alter_job('define b', new_name => 'define a');
SELECT joborch.alter_job('define b', new_name => '12');
SELECT joborch.alter_job('define b', new_name => 'define c', active => false, description => 'renamed') IS NOT NULL AS altered;
SELECT name, active, description FROM joborch.jobs WHERE name LIKE 'define _' ORDER BY name;
SELECT joborch.start('define c');
SELECT joborch.start('define b');
SELECT joborch.alter_job('define c', owner => 'nobody of this name');

-- graphs
SELECT joborch.create_job('define graph', '{"steps": [
	{"name": "a", "sql": "SELECT 1"},
	{"name": "b", "sql": "SELECT 1", "depends_on": ["a"]},
	{"name": "c", "sql": "SELECT 1", "depends_on": ["a"]},
	{"name": "d", "sql": "SELECT 1", "depends_on": ["b", "c"]}]}') IS NOT NULL AS saved;
SELECT * FROM joborch.explain_job('define graph');
SELECT * FROM joborch.explain_job('{"steps": [{"name": "only", "sql": "SELECT 1"}]}');
SELECT joborch.job_graph('define graph', format => 'mermaid') LIKE '%-->%' AS mermaid;
SELECT joborch.job_graph('define graph', 'dot') LIKE 'digraph%' AS dot;
SELECT joborch.job_graph('define graph', 'picture');
SELECT joborch.job_graph('nothing of this name');

-- drop: refused while runs are unfinished, history stays
SELECT joborch.start('define a', run_at => now() + interval '1 day') AS run \gset
SELECT joborch.drop_job('define a');
SELECT joborch.drop_job('define a', force => true);
SELECT joborch.wait_for_run(:run, '30 s');
SELECT job, status FROM joborch.job_runs WHERE run_id = :run;
SELECT count(*) FROM joborch.job_versions WHERE job_id = :job;
SELECT joborch.start('define a');
SELECT replace(test.refused(format('SELECT joborch.start(%L)', :'job')), :'job', 'N') AS refused;
SELECT joborch.drop_job('define a');
-- the name is free again, and the new job has no past
SELECT joborch.create_job('define a', '{"steps": [{"name": "s", "sql": "SELECT 1"}]}') <> :job AS other;
SELECT version FROM joborch.jobs WHERE name = 'define a';

SELECT type, detail FROM joborch.job_events WHERE job_id = :job ORDER BY event_id;

SELECT joborch.drop_job(name) FROM joborch.jobs
WHERE name LIKE 'define%' OR name LIKE 'it''s%' OR name LIKE 'ää%';
SELECT * FROM joborch.check();
