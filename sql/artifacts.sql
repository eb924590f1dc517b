-- Artifacts: what is too large for a row, what steps and users keep as files, who sees
-- it, and how it goes.  The file system is in test/t/350_artifacts.pl, S3 in 351_s3.pl.

-- What a step is told of an artifact, without what differs each time.
CREATE FUNCTION shown(p_output jsonb) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_set(p_output, '{artifact}', (p_output -> 'artifact') - '{id,expires_at}'::text[])
$$;

-- ---- large outputs ----

CALL test.play('{"steps": [
	{"name": "big", "sql": "SELECT g, repeat(md5(g::text), 10) AS t FROM generate_series(1, 5000) g"},
	{"name": "rows", "sql": "SELECT jsonb_array_length({{ steps.big.output.rows }}) AS n, {{ steps.big.row.g }}::int AS first, {{ steps.big.value }}::int AS value"},
	{"name": "numbers", "sql": "SELECT {{ steps.big.output.row_count }}::int AS n, {{ steps.big.output.command }}::text AS command"},
	{"name": "own", "sql": "SELECT {{ steps.big.output.artifact.size }}::int > 1000000 AS size, {{ steps.big.output.truncated }}::boolean AS truncated"},
	{"name": "condition", "when": "$.steps.big.output.rows[4999].g == 5000 && $.steps.big.output.row_count == 5000", "sql": "SELECT 1 AS reached"},
	{"name": "path", "type": "transform", "path": "$.steps.big.output.rows[last].g"},
	{"name": "previous", "type": "transform", "depends_on": ["big"], "value": "{{ previous.output.rows[1].g }}"}]}') \gset
SELECT step, status, CASE step WHEN 'big' THEN shown(output) - 'sha256' ELSE output END AS output FROM joborch.run_steps(:run);
SELECT step, item, type, name, storage, path, size > 1000000 AS large, content_type, compression, complete, state, stored_size = size AS as_it_is,
	expires_at - created_at AS retention
FROM joborch.job_artifacts WHERE run_id = :run;
SELECT jsonb_array_length(joborch.artifact_text(artifact_id)::jsonb -> 'rows'), encode(sha256(joborch.artifact_content(artifact_id)), 'hex') = sha256 AS digest,
	octet_length(joborch.artifact_content(artifact_id)) = size AS size, joborch.artifact_url(artifact_id) AS url
FROM joborch.job_artifacts WHERE run_id = :run;
-- what "output" makes of it is what is kept
CALL test.play('{"steps": [{"name": "big", "sql": "SELECT g, repeat(md5(g::text), 10) AS t FROM generate_series(1, 5000) g", "output": {"last": "{{ result.rows[4999].g }}"}}]}') \gset
SELECT step, output, (SELECT count(*) FROM joborch.job_artifacts WHERE run_id = :run) AS artifacts FROM joborch.run_steps(:run);
-- items, and what collects them; a job that another one waits for; a loop
CALL test.play('{"steps": [
	{"name": "each", "foreach": {"items": [1, 2]}, "type": "transform", "sql": "SELECT repeat({{ item }}::text, 2000000)"},
	{"name": "many", "foreach": {"items": [1, 2, 3]}, "type": "transform", "sql": "SELECT repeat({{ item }}::text, 500000)"},
	{"name": "read", "sql": "SELECT jsonb_array_length({{ steps.many.output.results }}) AS n, {{ steps.many.output.count }}::int AS count, {{ steps.each.output.results[1].artifact.size }}::int AS size"},
	{"name": "loop", "type": "loop", "while": "$.iteration < 2", "steps": [{"name": "l", "type": "transform", "sql": "SELECT repeat(''x'', 2000000)"}]}]}') \gset
SELECT step, item, status, left(output::text, 20) AS output FROM joborch.run_steps(:run) WHERE step <> 'read';
SELECT output -> 'rows' AS rows FROM joborch.run_steps(:run) WHERE step = 'read';
SELECT name, type, size FROM joborch.job_artifacts WHERE run_id = :run ORDER BY name;
SELECT joborch.create_job('artifact child', '{"steps": [{"name": "big", "type": "transform", "sql": "SELECT repeat(''x'', 2000000)"}]}') > 0 AS saved;
CALL test.play('{"steps": [{"name": "child", "type": "job", "job": "artifact child"}, {"name": "read", "sql": "SELECT length({{ steps.child.output | json }}) AS n"}]}') \gset
SELECT test.outcome(:run, 'read');
SELECT joborch.drop_job('artifact child');
-- whatever the step did to its transaction
CALL test.play('{"steps": [
	{"name": "serializable", "sql": "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT repeat(''x'', 2000000) AS x"},
	{"name": "read_only", "sql": "SET TRANSACTION READ ONLY; SELECT repeat(''x'', 2000000) AS x"},
	{"name": "read", "sql": "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT length({{ steps.serializable.value }}) + length({{ steps.read_only.value }}) AS n"}]}') \gset
SELECT step, status, output -> 'truncated' AS truncated, output #> '{rows,0,n}' AS n, error ->> 'message' AS error FROM joborch.run_steps(:run);
-- in a trial, of which nothing stays
SELECT step ->> 'step' AS step, step ->> 'status' AS status, step #> '{output,truncated}' AS truncated, step #> '{output,rows,0,n}' AS n
FROM jsonb_array_elements(joborch.test_run('{"steps": [
	{"name": "big", "sql": "SELECT repeat(''x'', 2000000) AS x"},
	{"name": "read", "sql": "SELECT length({{ steps.big.value }}) AS n"}]}'::jsonb) -> 'steps') AS step;
SELECT count(*) FROM joborch_internal.artifact a WHERE NOT EXISTS (SELECT FROM joborch_internal.run r WHERE r.run_id = a.run_id);
-- more than joborch.max_result is an error, and so are large variables
CALL test.play('{"steps": [
	{"name": "sql", "sql": "SET LOCAL joborch.max_result = ''2MB''; SELECT repeat(''x'', 3000000) AS x"},
	{"name": "half", "depends_on": [], "type": "transform", "sql": "SELECT repeat(''x'', 600000)"},
	{"name": "set", "type": "set", "vars": {"x": "{{ steps.half.output }}", "y": "{{ steps.half.output }}"}}]}') \gset
SELECT test.outcome(:run, 'sql');
SELECT test.outcome(:run, 'set');
-- who makes one up gets no further than he may
CALL test.play('{"steps": [
	{"name": "forged", "type": "transform", "value": {"artifact": {"id": 999999999, "type": "output"}, "truncated": true}},
	{"name": "own", "type": "transform", "value": "{{ steps.forged.output.artifact.id }}"},
	{"name": "read", "type": "transform", "value": "{{ steps.forged.output.rows }}"}]}') \gset
SELECT step, status, output, error ->> 'sqlstate' AS sqlstate, error ->> 'message' AS message FROM joborch.run_steps(:run);
-- one that is gone
CALL test.play('{"steps": [
	{"name": "big", "sql": "SELECT repeat(''x'', 2000000) AS x"},
	{"name": "lose", "sql": "SELECT joborch.delete_artifact({{ steps.big.output.artifact.id }}::bigint, ''to be missed'')"},
	{"name": "read", "type": "transform", "value": "{{ steps.big.value }}"}]}') \gset
SELECT regexp_replace(test.outcome(:run, 'read'), '\d{2,}|artifact \d+', 'N', 'g');
SELECT type, reason, detail - '{artifact_id}'::text[] AS detail FROM joborch.job_events WHERE run_id = :run AND type = 'artifact_deleted';

-- ---- steps of type artifact ----

CALL test.play('{"steps": [
	{"name": "text", "type": "artifact", "action": "put", "artifact": "{{ input.name }}.txt", "text": "n is {{ input.n }}"},
	{"name": "json", "type": "artifact", "action": "put", "artifact": "a.json", "content": {"list": [1, "{{ input.n }}"]}, "expires_in": "1 hour"},
	{"name": "string", "type": "artifact", "action": "put", "artifact": "a.csv", "content": "a,b", "content_type": "text/csv"},
	{"name": "bytes", "type": "artifact", "action": "put", "artifact": "a.bin", "content_base64": "AAEC/w=="},
	{"name": "zip", "type": "artifact", "action": "put", "artifact": "zip", "content": "{{ input.long }}", "compression": "gzip"},
	{"name": "empty", "type": "artifact", "action": "put", "artifact": "empty", "text": "", "compression": "gzip"},
	{"name": "each", "foreach": {"items": ["x", "y"]}, "type": "artifact", "action": "put", "artifact": "item {{ item_index }}", "text": "{{ item }}"},
	{"name": "delete", "type": "artifact", "action": "delete", "artifact": "a.csv"},
	{"name": "by_id", "type": "artifact", "action": "delete", "artifact": "{{ steps.bytes.output.artifact }}"}]}',
	jsonb_build_object('name', 'report', 'n', 7, 'long', repeat('0123456789', 100000))) \gset
SELECT test.story(:run);
SELECT step, item, shown(output) - 'sha256' AS output FROM joborch.run_steps(:run) WHERE step IN ('text', 'zip', 'delete');
SELECT step, item, name, type, size, stored_size < size AS smaller, content_type, compression, expires_at - created_at AS lifetime FROM joborch.job_artifacts WHERE run_id = :run ORDER BY name;
SELECT name, joborch.artifact_text(artifact_id) FROM joborch.job_artifacts WHERE run_id = :run AND size < 100 ORDER BY name;
SELECT encode(sha256(joborch.artifact_content(artifact_id)), 'hex') = sha256 AS same FROM joborch.job_artifacts WHERE run_id = :run ORDER BY artifact_id;
-- what does not work
CREATE TABLE wrong (position serial, step jsonb);
INSERT INTO wrong (step) VALUES
	('{"artifact": "x", "text": "x", "storage": "{{ input.tape }}"}'), ('{"artifact": "x", "text": "x", "compression": "{{ input.tape }}"}'),
	('{"artifact": "x", "text": "x", "storage": "filesystem"}'), ('{"artifact": "x", "text": "x", "storage": "s3"}'),
	('{"artifact": "x", "content_base64": "{{ input.tape }}!"}'), ('{"artifact": "{{ input.line }}", "text": "x"}'), ('{"artifact": "{{ input.none }}", "text": "x"}'),
	('{"artifact": "x", "text": "x", "expires_in": "{{ input.tape }}"}'), ('{"action": "delete", "artifact": "not there"}'), ('{"action": "delete", "artifact": 999999999}');
CREATE TABLE wrong_runs AS
SELECT w.position, joborch.start_definition(jsonb_build_object('steps', jsonb_build_array('{"name": "s", "type": "artifact", "action": "put"}' || w.step)),
	'{"tape": "tape", "line": "a\nb", "none": ""}') AS run FROM wrong w;
SELECT count(*) FROM wrong_runs WHERE joborch.wait_for_run(run, '30 s') = 'failed';
SELECT w.step, test.outcome(r.run, 's') FROM wrong w JOIN wrong_runs r USING (position) ORDER BY position;
-- the artifact of a step that fails is none
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT joborch.put_artifact({{ run.id }}, ''x'', ''x''), 1 / 0"}, {"name": "retried", "depends_on": [], "retry": {"max_attempts": 3, "initial": "1 ms"},
	"sql": "SELECT joborch.put_artifact({{ run.id }}, ''once'', ''x''), 1 / ({{ run.attempt }}::int - 1)"}]}') \gset
SELECT name FROM joborch.job_artifacts WHERE run_id = :run;

-- ---- by SQL ----

SELECT joborch.put_artifact(:run, 'by hand', '\x00ff', 'application/x-thing', compression => 'gzip', expires_in => '2 days') AS artifact \gset
SELECT step, item, type, name, content_type, size, compression, expires_at - created_at AS lifetime, joborch.artifact_content(artifact_id) FROM joborch.job_artifacts WHERE artifact_id = :artifact;
SELECT test.refused(format('SELECT joborch.artifact_text(%s)', :artifact)) ~ '^22021' AS no_text;
SELECT joborch.put_artifact(NULL, 'of no run', '') AS artifact2 \gset
SELECT run_id, size, joborch.artifact_content(artifact_id) FROM joborch.job_artifacts WHERE artifact_id = :artifact2;
SELECT test.refused($$SELECT joborch.put_artifact(0, 'x', 'x')$$), test.refused($$SELECT joborch.put_artifact(NULL, NULL, 'x')$$), test.refused($$SELECT joborch.put_artifact(NULL, 'x', NULL)$$),
	test.refused($$SELECT joborch.put_artifact(NULL, 'x', 'x', expires_in => '0')$$), test.refused($$SELECT joborch.put_artifact(NULL, repeat('x', 256), 'x')$$);
SELECT test.refused('SELECT joborch.artifact_content(999999999)'), test.refused('SELECT joborch.delete_artifact(999999999)'), test.refused('SELECT joborch.delete_artifact(NULL)'), joborch.artifact_content(NULL);
BEGIN READ ONLY;
SELECT test.refused($$SELECT joborch.put_artifact(NULL, 'x', 'x')$$);
ROLLBACK;
-- of a size around that of a chunk
CREATE TABLE sized AS
SELECT n, joborch.put_artifact(NULL, 'chunks', convert_to(repeat('x', n), 'UTF8')) AS id FROM (VALUES (0), (1), (262143), (262144), (262145), (524288)) AS v (n);
SELECT n, octet_length(joborch.artifact_content(id)) AS size, count(c.chunk) AS chunks
FROM sized LEFT JOIN joborch_internal.artifact_chunk c ON c.artifact_id = id GROUP BY n, id ORDER BY n;
-- and read in the statement that makes it
SELECT joborch.artifact_text(joborch.put_artifact(NULL, 'at once', 'at once'));

-- ---- whose ----

CREATE ROLE regress_artifact_owner LOGIN;
CREATE ROLE regress_artifact_member LOGIN IN ROLE regress_artifact_owner;
CREATE ROLE regress_artifact_other LOGIN;
CREATE ROLE regress_artifact_monitor LOGIN IN ROLE joborch_monitor;
SELECT joborch.grant_usage(r) FROM unnest('{regress_artifact_owner,regress_artifact_member,regress_artifact_other,regress_artifact_monitor}'::text[]) AS r;
SET ROLE regress_artifact_owner;
SELECT joborch.put_artifact(NULL, 'mine', 'mine') AS artifact \gset
RESET ROLE;
CREATE FUNCTION asked(p_role text, p_command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('SET LOCAL ROLE %I', p_role);
	RETURN regexp_replace(test.refused(p_command), '\martifact \d+', 'artifact N');
END
$$;
SELECT r.role, asked(r.role, format(c.command, :artifact))
FROM unnest('{regress_artifact_other,regress_artifact_monitor,regress_artifact_member}'::text[]) WITH ORDINALITY AS r (role, n),
	unnest('{SELECT joborch.artifact_text(%s),SELECT joborch.artifact_url(%s),SELECT joborch.delete_artifact(%s)}'::text[]) WITH ORDINALITY AS c (command, n)
ORDER BY r.n, c.n;
SET ROLE regress_artifact_other;
SELECT count(*) FROM joborch.job_artifacts;
SELECT test.refused(format('SELECT joborch.put_artifact(%s, ''x'', ''x'')', :run));
SELECT deleted FROM joborch.cleanup_expired_artifacts();
RESET ROLE;
SELECT test.refused('SELECT * FROM joborch_internal.artifact') AS owner, asked('regress_artifact_other', 'SELECT * FROM joborch_internal.artifact') AS other;
-- a step may do with artifacts of other runs what its role may
SET ROLE regress_artifact_owner;
SELECT joborch.put_artifact(NULL, 'mine too', 'mine') AS artifact \gset
RESET ROLE;
SET ROLE regress_artifact_other;
SELECT joborch.start_definition(format('{"steps": [{"name": "s", "type": "artifact", "action": "delete", "artifact": %s}]}', :artifact)::jsonb, name => 'thief') > 0 AS started;
RESET ROLE;
SELECT test.finish('thief');
SELECT regexp_replace(test.outcome(test.run('thief'), 's'), 'artifact \d+', 'artifact N');
SET ROLE regress_artifact_member;
SELECT joborch.start_definition(format('{"steps": [{"name": "s", "type": "artifact", "action": "delete", "artifact": %s}]}', :artifact)::jsonb, name => 'heir') > 0 AS started;
RESET ROLE;
SELECT test.finish('heir');
SELECT count(*) FROM joborch.job_artifacts WHERE artifact_id = :artifact;

-- ---- how they go ----

CALL test.play('{"steps": [{"name": "put", "type": "artifact", "action": "put", "artifact": "run", "text": "x"}]}') \gset
SELECT joborch.delete_run(:run);
SELECT count(*) FROM joborch.job_artifacts WHERE name = 'run';
-- those of a run that is not finished do not expire
CALL test.play('{"steps": [{"name": "put", "type": "artifact", "action": "put", "artifact": "ended", "text": "x", "expires_in": "1 hour"}]}') \gset
SELECT joborch.start_definition('{"steps": [{"name": "put", "type": "artifact", "action": "put", "artifact": "kept", "text": "x", "expires_in": "1 hour"}, {"name": "wait", "type": "wait_signal", "signal": "go"}]}', name => 'waits') AS waits \gset
SELECT test.await_step(:waits, 'wait', 'waiting');
SELECT joborch.put_artifact(NULL, 'soon', 'x', expires_in => '30 minutes') > 0 AS put;
UPDATE joborch_internal.artifact SET expires_at = joborch_internal.now() WHERE name IN ('ended', 'kept', 'soon');
SELECT name, expires_at <= joborch_internal.now() AS expired FROM joborch.job_artifacts WHERE name IN ('ended', 'kept', 'soon') ORDER BY name;
SELECT test.refused(format('SELECT joborch.artifact_text(%s)', artifact_id)) ~ '^JO043' AS gone, name FROM joborch.job_artifacts WHERE name IN ('ended', 'soon') ORDER BY name;
SELECT joborch.artifact_text(artifact_id) FROM joborch.job_artifacts WHERE name = 'kept';
SELECT deleted > 0 AS deleted, bytes > 0 AS bytes FROM joborch.cleanup_expired_artifacts(max_rows => 1);
SELECT count(*) FROM joborch.job_artifacts WHERE name IN ('ended', 'soon');
SELECT deleted > 0 AS deleted FROM joborch.cleanup_expired_artifacts();
SELECT name FROM joborch.job_artifacts WHERE name IN ('ended', 'kept', 'soon') ORDER BY name;
SELECT joborch.signal_run(:waits, 'go');
SELECT test.finish('waits');
SELECT * FROM joborch.cleanup_expired_artifacts();
-- what was begun and never finished has a day
INSERT INTO joborch_internal.artifact (artifact_id, created_at, expires_at, size, stored_size, owner, step, item, tries, storage, todo, compression, complete, name, type, content_type)
SELECT 999999, now(), now() + '1 day', 0, 0, 'postgres'::regrole, -1, -1, 0, 'd', '-', '-', false, 'half', 'response', 'text/plain';
SELECT state, complete, test.refused('SELECT joborch.artifact_content(999999)') FROM joborch.job_artifacts WHERE artifact_id = 999999;
SELECT * FROM joborch.cleanup_expired_artifacts();
UPDATE joborch_internal.artifact SET expires_at = joborch_internal.now() WHERE artifact_id = 999999;
SELECT * FROM joborch.cleanup_expired_artifacts();
SELECT count(*) FROM joborch.job_artifacts WHERE artifact_id = 999999;
-- no chunk without its artifact
SELECT count(*) FROM joborch_internal.artifact_chunk c WHERE NOT EXISTS (SELECT FROM joborch_internal.artifact a WHERE a.artifact_id = c.artifact_id);

SELECT * FROM joborch.check();
SELECT joborch.delete_artifact(artifact_id) FROM joborch.job_artifacts WHERE run_id IS NULL;
DROP FUNCTION shown(jsonb), asked(text, text);
DROP TABLE wrong, wrong_runs, sized;
SELECT joborch.revoke_usage(r) FROM unnest('{regress_artifact_owner,regress_artifact_member,regress_artifact_other,regress_artifact_monitor}'::text[]) AS r;
DROP OWNED BY regress_artifact_owner, regress_artifact_member, regress_artifact_other, regress_artifact_monitor;
DROP ROLE regress_artifact_owner, regress_artifact_member, regress_artifact_other, regress_artifact_monitor;
