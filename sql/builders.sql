-- Definitions written with builders: the JSON that comes of them.

SELECT joborch.sql_step('a', 'SELECT 1');
SELECT joborch.sql_step('a', $$
	INSERT INTO t
	SELECT 'it''s'
$$, depends_on => 'x', run_if => '$.input.n > 1', retry => '3', timeout => '5 min', on_error => 'continue',
	trigger_rule => 'all_done', run_as => 'bob', transaction => 'none', output => '"none"',
	foreach => '{"items": "{{ input.list }}"}', compensate => joborch.sql_step('undo', 'DELETE FROM t'),
	keys => '{"metadata": {"owner": null}, "priority": "high"}');
-- lists and objects as text; a template is text
SELECT joborch.sql_step('a', 'SELECT 1', depends_on => '["x", {"step": "y", "on": "failure"}]', run_if => '{"sql": "SELECT true"}');
SELECT joborch.transform_step('a', value => '{{ steps.b.output }}'), joborch.transform_step('a', value => ' {"n": "{{ input.n }}"}'),
	joborch.transform_step('a', sql => 'SELECT 1'), joborch.transform_step('a', path => '$.input.x', many => true),
	joborch.transform_step('a', outputs => '{"x": {"path": "$.input.x"}}');
-- null inside of values stays, what was not given does not
SELECT joborch.set_step('a', '{"x": null, "y": [null]}');
SELECT joborch.validate_step('a', value => '{{ input }}', schema => '{"type": "object"}', fail_on_error => false);
SELECT joborch.aggregate_step('a', '{{ input.rows }}', '{"sum": {"op": "sum", "path": "$.price"}}', group_by => '"$.kind"');
SELECT joborch.filter_step('a', '{{ input.rows }}', '$.item.price > 10');
SELECT joborch.notify_step('a', 'channel', payload => '{"id": "{{ run.id }}"}');
SELECT joborch.if_step('a', '$.input.n > 1', joborch.sql_step('b', 'SELECT 1'),
	joborch.steps(joborch.sql_step('c', 'SELECT 2'), joborch.sql_step('d', 'SELECT 3')));
SELECT joborch.switch_step('a', '[{"name": "big", "if": "$.input.n > 9"}]', default_steps => '[]');
SELECT joborch.switch_step('a', '[{"equals": 1, "steps": []}]', value => '{{ input.n }}');
SELECT joborch.parallel_step('a', joborch.steps(joborch.sql_step('b', 'SELECT 1'), NULL, joborch.sql_step('c', 'SELECT 2')), max_concurrent => 1);
SELECT joborch.race_step('a', branches => '[[], []]');
SELECT joborch.join_step('a', mode => '2', depends_on => '["b", "c"]'), joborch.join_step('a', mode => 'any');
SELECT joborch.foreach_step('a', '{{ input.list }}', joborch.sql_step('b', 'SELECT {{ item }}::int'), as_name => 'n', max_parallel => 4,
	on_item_error => 'continue', max_failed => 2);
SELECT joborch.loop_step('a', joborch.sql_step('b', 'SELECT 1'), while => '$.iteration < 3', until => '{"sql": "SELECT false"}',
	break_if => '$.vars.x == 1', max_iterations => 5, delay => '1 s', on_max => 'continue');
SELECT joborch.job_step('a', 'other', input => '{"x": "{{ input.x }}"}', wait => false, tags => '{p,q}', queue => 'q', priority => 'low');
SELECT joborch.job_step('a', definition => joborch.steps(joborch.sql_step('b', 'SELECT 1')));
SELECT joborch.end_step('a', status => 'failure', message => 'no {{ input.x }}');
SELECT joborch.delay_step('a', '5 min'), joborch.delay_step('a', until => '{{ input.at }}');
SELECT joborch.signal_step('a', 'go', timeout => '1 day', on_timeout => 'skip');
SELECT joborch.wait_sql_step('a', 'SELECT true', check_interval => '1 s');
SELECT joborch.wait_sql_step('a', lsn => '{{ input.lsn }}'), joborch.wait_sql_step('a', lock_free => '{"key": 7}');
SELECT joborch.approval_step('a', approvers => '{boss,deputy}', message => 'Pay {{ input.sum }}?', timeout => '2 days',
	on_timeout => 'reject', on_reject => 'skip');
SELECT joborch.http_step('a', 'https://example.org', 'POST', '{"n": "{{ input.n }}"}', headers => '{"X": 1}', expected_status => '[200, "3xx"]', success => '$.result.body.ok == true');
SELECT joborch.http_step('a', 'https://example.org', body => '{{ input.text }}', auth => '{"token": "{{ secret.t }}"}', keys => '{"verify_tls": false}');
SELECT joborch.webhook_step('a', 'https://example.org', '{{ input.x }}', secret => '{{ secret.s }}', event => 'made', retry => '3');
SELECT joborch.file_transfer_step('a', 'put', 'sftp://example.org/x', artifact => 'x', create_dirs => true);
SELECT joborch.email_step('a', 'ann@example.org', 'Hello', 'text', send_on => 'failure'), joborch.email_step('a', '["ann@example.org"]', sender => 'bob@example.org');
SELECT joborch.command_step('a', ARRAY['ls', '{{ input.x }}'], env => '{"A": "{{ secret.a }}"}', max_output => '1000');
SELECT joborch.script_step('a', $$
	echo "it's $1"
$$, args => ARRAY['{{ input.x }}'], interpreter => ARRAY['bash']);
SELECT joborch.external_step('a', '{"n": 1}', queue => 'slow', lease => '10 min', external_id => '{{ run.id }}', foreach => '{"items": [1]}');
SELECT joborch.artifact_step('a', 'put', 'x', content => '{"n": 1}', expires_in => '1 day'), joborch.artifact_step('a', 'get', '7');
SELECT joborch.steps(VARIADIC ARRAY[]::jsonb[]);
-- what they make is a definition
SELECT * FROM joborch.validate_job(joborch.steps(
	joborch.http_step('a', 'https://example.org', 'POST', '{"n": "{{ input.n }}"}', query => '{"q": [1, 2]}', redirects => 3, response => 'json', callback => true),
	joborch.webhook_step('b', 'https://example.org', '{}', secret => '{{ secret.s }}', event => 'made', headers => '{"X": 1}', method => 'PUT', expected_status => '202', callback => true),
	joborch.file_transfer_step('c', 'get', 'ftp://example.org/x', 'x', auth => '{"type": "basic", "username": "u", "password": "{{ secret.p }}"}', overwrite => false, resume => true, known_host => 'k'),
	joborch.email_step('d', '["a@example.org"]', 's', 'b', 'h', 'b@example.org', '["c@example.org"]', 'd@example.org', 'e@example.org', '[{"content": "x"}]', 'smtp://example.org', send_on => '["success"]'),
	joborch.command_step('e', '{ls,-l}', cwd => '/', stdin => 'x', expected_exit => '[0, 1]'), joborch.script_step('f', 'ls', env => '{}'),
	joborch.artifact_step('g', 'put', 'x', content_base64 => 'eA==', content_type => 'text/plain', storage => 'database', compression => 'gzip'),
	joborch.external_step('h')));

-- every builder has a name first and keys last, and each of its other arguments may be left out or is asked for
SELECT p.proname FROM pg_proc p
WHERE p.pronamespace = 'joborch'::regnamespace AND p.proname LIKE '%\_step'
	AND p.prorettype = 'jsonb'::regtype AND (p.proargnames[1] <> 'name' OR p.proargnames[p.pronargs] <> 'keys');

-- whoever may use joborch may build, whatever is first in his path
CREATE ROLE regress_builders;
GRANT joborch_user TO regress_builders;
GRANT CREATE ON SCHEMA public TO regress_builders;
SET ROLE regress_builders;
CREATE FUNCTION public.to_jsonb(text) RETURNS jsonb LANGUAGE sql AS $$ SELECT '"captured"'::jsonb $$;
SET search_path = public, pg_catalog;
SELECT joborch.sql_step('a', 'SELECT 1', run_if => '$.input.n > 1');
RESET search_path;
DROP FUNCTION public.to_jsonb(text);
RESET ROLE;
REVOKE CREATE ON SCHEMA public FROM regress_builders;
DROP OWNED BY regress_builders;
DROP ROLE regress_builders;

-- what is built can be saved: every builder with all of its arguments
SELECT joborch.create_job('builders', joborch.steps(
	joborch.sql_step('a', 'SELECT 1 AS x', retry => '2', timeout => '5 s', transaction => 'step', foreach => '{"items": [1, 2]}',
		compensate => joborch.sql_step('a undo', 'SELECT 0')),
	joborch.transform_step('t', value => '{"x": "{{ steps.a.output }}"}', run_if => '$.steps.a.output.count == 2'),
	joborch.validate_step('v', '{{ steps.t.output }}', schema => '{"type": "object"}', rules => '[{"rule": "exists($.value.x)"}]', fail_on_error => true),
	joborch.aggregate_step('g', '{{ steps.a.output.results }}', '{"n": {"op": "count"}}', group_by => '"$.command"'),
	joborch.filter_step('f', '{{ steps.a.output.results }}', '$.item.row_count == 1'),
	joborch.set_step('s', '{"n": 1}', on_error => 'continue', trigger_rule => 'all_done'),
	joborch.notify_step('n', 'builders', payload => '{{ vars.n }}'),
	joborch.if_step('i', '$.vars.n == 1', joborch.sql_step('i1', 'SELECT 1'), joborch.sql_step('i2', 'SELECT 2')),
	joborch.switch_step('w', '[{"name": "one", "equals": 1, "steps": [{"name": "w1", "sql": "SELECT 1"}]}]', value => '{{ vars.n }}', default_steps => '[]'),
	joborch.parallel_step('p', joborch.steps(joborch.sql_step('p1', 'SELECT 1'), joborch.sql_step('p2', 'SELECT 2')), max_concurrent => 1, wait_for_all => true),
	joborch.race_step('r', joborch.steps(joborch.sql_step('r1', 'SELECT 1'), joborch.sql_step('r2', 'SELECT 2'))),
	joborch.join_step('j', mode => '1', depends_on => '["p", "r"]', on_error => 'fail'),
	joborch.foreach_step('e', '[1, 2]', joborch.sql_step('e1', 'SELECT {{ one }}::int'), as_name => 'one', max_parallel => 2,
		on_item_error => 'continue', max_failed => 1, timeout => '1 min'),
	joborch.loop_step('l', joborch.sql_step('l1', 'SELECT {{ iteration }}::int AS n'), while => '$.iteration < 3', max_iterations => 5, on_max => 'continue', delay => '1 ms'),
	joborch.job_step('c', 'other', input => '{"x": 1}', wait => false, tags => '{p}', queue => 'default', priority => 'low'),
	joborch.delay_step('d', '1 ms'),
	joborch.signal_step('go', 'go', timeout => '1 ms', on_timeout => 'continue'),
	joborch.wait_sql_step('q', 'SELECT true', check_interval => '1 s', timeout => '1 s', on_timeout => 'fail'),
	joborch.approval_step('y', approvers => '{postgres}', message => 'really?', timeout => '1 ms', on_timeout => 'reject', on_reject => 'continue'),
	joborch.end_step('z', status => 'success', message => 'done', trigger_rule => 'all_done'))) > 0 AS saved;
SELECT count(*) AS steps FROM jsonb_array_elements((SELECT definition -> 'steps' FROM joborch.jobs WHERE name = 'builders'));
SELECT joborch.drop_job('builders');
