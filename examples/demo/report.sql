\pset footer off
\pset null '-'
\pset linestyle unicode
\pset border 1
\echo
\echo 'The job wrote, for instance (atlas.gazetteer):'
SELECT name, subdivisions, commonest_type, currency
FROM atlas.gazetteer ORDER BY subdivisions DESC, name LIMIT 8;
\echo 'Its output:'
SELECT o.* FROM jsonb_to_record(joborch.run_output(:run)) AS o(countries bigint, subdivisions bigint,
	with_own_currency bigint, living_languages bigint, service_says text);
\echo 'Attempts that did not succeed at once:'
SELECT step, attempt, status, error ->> 'message' AS message, error ->> 'category' AS category
FROM joborch.job_step_attempts WHERE run_id = :run ORDER BY step, attempt;
