-- Jobs as documents: out, in again, and what is wrong with one of many.
\set VERBOSITY terse

SELECT joborch.create_job('exchange a', '{"steps": [{"name": "s", "sql": "SELECT 1"}], "description": "one", "tags": ["x"]}') > 0 AS saved;
SELECT joborch.create_job('exchange b', '{"steps": [{"name": "s", "sql": "SELECT ''\u00e4 \\\\ \"q\"''"}], "priority": "high"}', tags => '{y,"z z"}') > 0 AS saved;
SELECT joborch.alter_job('exchange b', active => false, description => 'altered') > 0 AS altered;
SELECT joborch.create_job('exchange c', '{"steps": [{"name": "s", "sql": "SELECT 1"}]}', draft => true) > 0 AS saved;

-- the envelope; drafts of new jobs stay out of it
SELECT e ->> 'format_version' AS format, (e ->> 'export_timestamp')::timestamptz <= clock_timestamp() AS past,
	e -> 'export_metadata' ->> 'exported_by' = current_user AS by, e -> 'export_metadata' ->> 'description' AS description,
	e -> 'export_metadata' -> 'job_count' AS jobs, e -> 'export_metadata' ->> 'joborch_version' = x.extversion AS version
FROM joborch.export_jobs('{exchange b,exchange a}', 'for a test') AS e, pg_extension x WHERE x.extname = 'joborch';
SELECT jsonb_pretty(joborch.export_jobs('{exchange b,exchange a}') -> 'jobs');
SELECT bool_and(j ->> 'name' <> 'exchange c') AS no_draft FROM jsonb_array_elements(joborch.export_jobs() -> 'jobs') AS j;
SELECT joborch.export_jobs('{}') -> 'jobs';
SELECT test.refused($$ SELECT joborch.export_jobs('{exchange x}') $$);

-- round trip: the same again changes nothing; elsewhere it makes the same
SELECT joborch.export_jobs('{exchange a,exchange b}') AS document \gset
SELECT name, action, version, error FROM joborch.import_jobs(:'document');
SELECT count(*) FROM joborch.job_events WHERE job LIKE 'exchange _' AND type = 'job_altered';
SELECT joborch.drop_job('exchange a'), joborch.drop_job('exchange b');
SELECT name, action, job_id, version, error FROM joborch.import_jobs(:'document', dry_run => true);
SELECT count(*) FROM joborch.jobs WHERE name IN ('exchange a', 'exchange b');
SELECT name, action, job_id > 0 AS id, version, error FROM joborch.import_jobs(:'document');
SELECT joborch.export_jobs('{exchange a,exchange b}') -> 'jobs' = :'document'::jsonb -> 'jobs' AS same;
SELECT name, description, active, tags, priority FROM joborch.jobs WHERE name LIKE 'exchange _' ORDER BY name;

-- what is different is updated; what is wrong fails alone
SELECT name, action, version, error FROM joborch.import_jobs('{"format_version": "1.0", "jobs": [
	{"name": "exchange a", "definition": {"steps": [{"name": "s", "sql": "SELECT 2"}]}},
	{"name": "exchange b", "definition": {"steps": [{"name": "s", "sqll": "SELECT 1"}]}},
	{"name": "17", "definition": {"steps": [{"name": "s", "sql": "SELECT 1"}]}},
	{"definition": {"steps": [{"name": "s", "sql": "SELECT 1"}]}},
	{"name": "exchange d"},
	{"name": "exchange e", "steps": [{"name": "s", "sql": "SELECT 1"}], "description": "flat", "tags": ["t"]},
	{"name": "exchange f", "definition": {"steps": [{"name": "s", "sql": "SELECT 1"}], "queue": "nowhere"}},
	{"name": "exchange g", "definition": {"steps": [{"name": "s", "sql": "SELECT 1"}]}, "active": "perhaps"},
	5]}');
SELECT name, version, description, tags FROM joborch.jobs WHERE name LIKE 'exchange _' ORDER BY name;

-- a document of one job; documents that are none
SELECT name, action, version FROM joborch.import_jobs('{"name": "exchange h", "definition": {"steps": [{"name": "s", "sql": "SELECT 1"}]}}');
SELECT test.refused($$ SELECT * FROM joborch.import_jobs('[]') $$);
SELECT test.refused($$ SELECT * FROM joborch.import_jobs('{"jobs": {}}') $$);
SELECT test.refused($$ SELECT * FROM joborch.import_jobs('{"format_version": "3.0", "jobs": []}') $$);
SELECT test.refused($$ SELECT * FROM joborch.import_jobs(NULL) $$);

-- others' jobs are neither seen nor taken
CREATE ROLE regress_exchange LOGIN;
GRANT joborch_user TO regress_exchange;
SET ROLE regress_exchange;
SELECT joborch.export_jobs() -> 'jobs';
SELECT test.refused($$ SELECT joborch.export_jobs('{exchange a}') $$);
SELECT name, action, error FROM joborch.import_jobs('{"name": "exchange a", "definition": {"steps": [{"name": "s", "sql": "SELECT 1"}]}}');
RESET ROLE;
DROP OWNED BY regress_exchange;
DROP ROLE regress_exchange;

SELECT joborch.drop_job(name) FROM joborch.jobs WHERE name LIKE 'exchange _';
