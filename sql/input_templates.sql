-- Inputs that are kept under a name and laid under what start() is given.
CREATE ROLE regress_author LOGIN;
CREATE ROLE regress_starter LOGIN;
CREATE ROLE regress_other LOGIN;
SELECT joborch.grant_usage('regress_author'), joborch.grant_usage('regress_starter'), joborch.grant_usage('regress_other');
GRANT joborch_operator TO regress_starter;

SET ROLE regress_author;
SELECT joborch.create_job('input templates', '{"input": {"properties": {
		"since": {"type": "string", "format": "date"}, "limits": {"type": "object", "properties": {"low": {"type": "integer"}, "high": {"type": "integer"}}, "required": ["low"]},
		"the key": {"type": "array", "items": {"type": "integer"}}, "mode": {"enum": ["full", "part"], "default": "part"}}, "required": ["since", "limits"], "additionalProperties": false},
	"steps": [{"name": "show", "type": "transform", "value": "{{ input }}"}], "output": "{{ steps.show.output }}"}') > 0 AS saved;

-- a whole input, and parts of one
SELECT joborch.create_input_template('input templates', 'all', '{"since": "2026-01-01", "limits": {"low": 1}}', 'as in the manual');
SELECT joborch.create_input_template('input templates', 'low', '{"limits": {"low": 7, "high": 9}, "mode": "full"}');
SELECT joborch.create_input_template('input templates', 'none', '{}');
SELECT job, name, description, input, saved_by FROM joborch.input_templates ORDER BY name;
SELECT joborch.start('input templates', input_template => 'all') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s'), joborch.run_output(:run);
-- what is given wins, key by key, not deeper
SELECT joborch.start('input templates', '{"since": "2026-02-02", "limits": {"low": 3}}', input_template => 'low') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s'), joborch.run_output(:run);
SELECT input FROM joborch.job_runs WHERE run_id = :run;
-- the same name again replaces it; runs keep what they have
SELECT joborch.create_input_template('input templates', 'low', '{"limits": {"low": 0}}');
SELECT name, description, input FROM joborch.input_templates WHERE name = 'low';
SELECT input FROM joborch.job_runs WHERE run_id = :run;

-- what is in it must be what the job takes
SELECT test.refused($$ SELECT joborch.create_input_template('input templates', 'bad', '{"since": "yesterday", "limits": {"high": "x"}, "the key": [1, "a"], "more": 1}') $$);
SELECT test.refused($$ SELECT joborch.create_input_template('input templates', 'bad', '[1]') $$);
SELECT test.refused($$ SELECT joborch.create_input_template('input templates', 'bad', NULL) $$);
SELECT test.refused($$ SELECT joborch.create_input_template('input templates', '', '{}') $$);
SELECT test.refused($$ SELECT joborch.create_input_template('nothing', 'a', '{}') $$);
SELECT count(*) FROM joborch.input_templates WHERE name = 'bad';

-- and the input that comes of it all that it needs
SELECT test.refused($$ SELECT joborch.start('input templates', input_template => 'none') $$);
SELECT test.refused($$ SELECT joborch.start('input templates', '[]', input_template => 'all') $$);
SELECT regexp_replace(test.refused($$ SELECT joborch.start('input templates', input_template => 'nothing') $$), '\d+([. ]|$)', 'N\1', 'g');
SELECT joborch.create_job('input templates 2', '{"steps": [{"name": "show", "type": "transform", "value": "{{ input }}"}]}') > 0 AS saved;
SELECT joborch.create_input_template('input templates 2', 'x', '{"any": ["thing"]}');
SELECT left(test.refused($$ SELECT joborch.start('input templates 2', input_template => 'all') $$), 43);
RESET ROLE;

-- who may start the job may use it; who owns the job may change it
SET ROLE regress_starter;
SELECT count(*) FROM joborch.input_templates WHERE job = 'input templates';
SELECT joborch.start('input templates', input_template => 'all') AS run \gset
SELECT joborch.wait_for_run(:run, '30 s');
SELECT test.refused($$ SELECT joborch.create_input_template('input templates', 'mine', '{}') $$);
SELECT test.refused($$ SELECT joborch.drop_input_template('input templates', 'all') $$);
SET ROLE regress_other;
SELECT count(*) FROM joborch.input_templates;
SELECT test.refused($$ SELECT joborch.start('input templates', input_template => 'all') $$);
SELECT test.refused($$ SELECT joborch.create_input_template('input templates', 'mine', '{}') $$);
SELECT test.refused($$ SELECT count(*) FROM joborch_internal.input_template $$);

SET ROLE regress_author;
SELECT joborch.drop_input_template('input templates', 'none');
SELECT test.refused($$ SELECT joborch.drop_input_template('input templates', 'none') $$);
SELECT type, detail FROM joborch.job_events WHERE job = 'input templates' AND type LIKE 'input%' ORDER BY event_id;
-- they go with the job
SELECT joborch.drop_job('input templates 2'), joborch.drop_job('input templates');
SELECT count(*) FROM joborch.input_templates;
RESET ROLE;
SELECT count(*) FROM joborch_internal.input_template;

SELECT count(*) FROM joborch.delete_runs('{"owner": "regress_author"}');
DROP OWNED BY regress_author, regress_starter, regress_other;
DROP ROLE regress_author, regress_starter, regress_other;
