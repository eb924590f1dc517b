-- Results of SQL steps are stored short; everybody reads them in full.
CREATE TABLE stored_log (id integer, t text);
CREATE TABLE stored_cases (position serial, step text);
INSERT INTO stored_cases (step) VALUES
	('{"sql": "SELECT 1 AS a"}'), ('{"sql": "SELECT g AS a FROM generate_series(1, 3) g"}'), ('{"sql": "SELECT 1 AS a WHERE false"}'),
	('{"sql": "SELECT"}'), ('{"sql": "SELECT FROM generate_series(1, 2)"}'),
	('{"sql": "INSERT INTO stored_log SELECT g FROM generate_series(1, 5) g"}'), ('{"sql": "INSERT INTO stored_log VALUES (6) RETURNING id"}'),
	('{"sql": "UPDATE stored_log SET t = id WHERE id < 4"}'), ('{"sql": "DELETE FROM stored_log WHERE id IN (4, 5) RETURNING id"}'), ('{"sql": "DELETE FROM stored_log WHERE false"}'),
	('{"sql": "MERGE INTO stored_log AS s USING (VALUES (1), (2), (9)) AS v (id) ON v.id = s.id WHEN MATCHED THEN UPDATE SET t = ''merged'' WHEN NOT MATCHED THEN INSERT VALUES (v.id)"}'),
	('{"sql": "SELECT g FROM generate_series(1, 1000) g", "output": "none"}'), ('{"sql": "INSERT INTO stored_log VALUES (7)", "output": "none"}'),
	-- numbers and strings beside which a count could be mistaken
	('{"sql": "SELECT ''[1]''::jsonb AS a"}'), ('{"sql": "SELECT NULL AS a"}'), ('{"sql": "SELECT ''{\"rows\": [], \"command\": \"SELECT\", \"row_count\": 0}''::jsonb AS a"}'),
	-- stored as they are: another command, columns in an order of their own, what only looks like a result
	('{"sql": "CREATE TABLE stored_new ()"}'), ('{"sql": "SELECT 1 AS long, 2 AS a"}'), ('{"sql": "SELECT 1 AS a", "output": {"rows": "{{ result.rows }}", "command": "SELECT", "row_count": 2}}'),
	('{"sql": "SELECT 1 AS a", "output": {"rows": [5], "command": "SELECT", "row_count": "1"}}'), ('{"sql": "SELECT 1 AS a", "output": {"rows": [5], "command": "SELECT", "row_count": 1.0}}'),
	('{"sql": "SELECT 1 AS a", "output": 5}'), ('{"sql": "SELECT 1 AS a", "output": []}'), ('{"sql": "SELECT 1 AS a", "output": {"n": "{{ result.row_count }}"}}'),
	-- made by a template, yet the same: the same
	('{"sql": "SELECT 1 AS a", "output": {"rows": [5], "command": "DELETE", "row_count": 1}}'), ('{"sql": "SELECT 1 AS a", "output": {"command": "UPDATE", "row_count": 1.50}}'),
	('{"sql": "SELECT 1 AS a", "when": "1 == 2"}');
SELECT joborch.start_definition(jsonb_build_object('steps', jsonb_agg(jsonb_build_object('name', 's' || position) || step::jsonb ORDER BY position))) AS run FROM stored_cases \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT c.step, s.form, s.output AS stored, joborch_internal.full_output(s.form, s.output) AS output, s.output IS NULL OR joborch_internal.full_output(s.form, s.output) = t.output AS same
FROM stored_cases c JOIN joborch.run_steps(:run) AS t ON t.step = 's' || c.position
JOIN joborch_internal.step s ON s.run_id = :run AND s.step = c.position - 1 ORDER BY c.position;

-- values that are compressed, or in the toast table
CALL test.play('{"steps": [{"name": "flat", "sql": "SELECT repeat(''x'', 100000) AS x"},
	{"name": "noise", "sql": "SELECT g AS a, md5(g::text) AS m FROM generate_series(1, 5000) g", "depends_on": []},
	{"name": "read", "sql": "SELECT length({{ steps.flat.row.x }}) AS x, {{ steps.noise.output.row_count }}::int AS n, {{ steps.noise.output.rows[4999].m }} = md5(''5000'') AS last, {{ steps.noise.row.a }}::int AS first, {{ steps.flat.value }} = repeat(''x'', 100000) AS value", "depends_on": ["flat", "noise"]}]}') \gset
SELECT test.story(:run);
SELECT step, form, pg_column_size(output) BETWEEN 1000 AND 3000 AS compressed, pg_column_size(output) > 100000 AS large FROM joborch_internal.step WHERE run_id = :run AND step < 2 ORDER BY step;
SELECT output #> '{rows,0}' AS read FROM joborch.run_steps(:run) WHERE step = 'read';
SELECT output -> 'row_count' AS n, length(output #>> '{rows,0,x}') AS x, md5(output ->> 'rows') = md5((SELECT jsonb_agg(jsonb_build_object('a', g, 'm', md5(g::text)) ORDER BY g) FROM generate_series(1, 5000) g)::text) AS same
FROM joborch.job_run_steps WHERE run_id = :run AND step_index < 2 ORDER BY step_index;

-- the ways to a run's output; kept results of a rerun
CALL test.play('{"steps": [{"name": "one", "sql": "SELECT 7 AS n"}, {"name": "two", "sql": "INSERT INTO stored_log VALUES (8)", "depends_on": []}]}') \gset
SELECT output FROM joborch.job_runs WHERE run_id = :run;
SELECT joborch.rerun(:run, keep_results => true) AS again \gset
SELECT joborch.wait_for_run(:again, '30 s'), (SELECT count(*) FROM stored_log WHERE id = 8) AS inserted;
SELECT joborch.run_output(:again) = joborch.run_output(:run) AS same, joborch.run_output(:again);
SELECT run_id = :again AS again, step, form, output, taken FROM joborch_internal.step WHERE run_id IN (:run, :again) ORDER BY run_id, step;

-- rows that no library wrote
SELECT test.refused($$SELECT joborch_internal.full_output('Z', '1')$$);
SELECT test.refused($$SELECT joborch_internal.full_output('S', '"1"')$$), test.refused($$SELECT joborch_internal.full_output('s', '[]')$$);
SELECT joborch_internal.full_output('-', 'null') AS as_it_is, joborch_internal.full_output('S', NULL) AS none, joborch_internal.full_output('S', '[]') AS nothing;

-- more tries than a smallint can count
CALL test.play('{"steps": [{"name": "s", "sql": "SELECT 1 / (SELECT count(*) FROM stored_log WHERE id = 100)"}]}') \gset
INSERT INTO joborch_internal.attempt (run_id, step, item, attempt, epoch, status) VALUES (:run, 0, -1, 40000, 0, 'f');
INSERT INTO stored_log VALUES (100);
SELECT joborch.recover_run(:run) IS NOT NULL AS recovered;
SELECT joborch.wait_for_run(:run, '30 s');
SELECT s.attempt, (SELECT max(a.attempt) FROM joborch_internal.attempt a WHERE a.run_id = :run) AS tries FROM joborch_internal.step s WHERE s.run_id = :run;
