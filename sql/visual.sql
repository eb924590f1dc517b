-- Definitions in the visual form: saved, shown, run, given back.
\set VERBOSITY terse

CREATE FUNCTION pg_temp.run(p_definition jsonb, p_input jsonb DEFAULT '{}') RETURNS bigint
LANGUAGE sql AS $$ SELECT joborch.start_definition(p_definition, p_input) $$;

-- ---- a decision, a fan-in, a template with operators, two ends ----

SELECT $$ {
  "name": "greet", "description": "two ways", "tags": ["v"], "colour": "red",
  "parameters": {"who": {"type": "string", "default": "world"}, "limit": 3},
  "nodes": [
    {"id": "start-1", "type": "flow.start", "position": {"x": 1, "y": 2}},
    {"id": "get", "type": "data.transform", "data": {"mapping": {"n": "{{who.length}}", "who": "{{who}}"}}},
    {"id": "is-long", "type": "logic.if", "data": {"condition": "{{get.output.n}} > {{limit}}"}},
    {"id": "long", "type": "log.write", "data": {"message": "{{previous_step.result.who}} is long"}},
    {"id": "short", "type": "log.write", "data": {"message": "{{get.n}}: {{get.n > 2 ? 'nearly' : 'not at all'}}"}},
    {"id": "end-1", "type": "flow.end", "data": {"status": "success"}}],
  "edges": [
    {"id": "e1", "source": "start-1", "target": "get", "condition": "always"},
    {"id": "e2", "source": "get", "target": "is-long", "condition": "always"},
    {"id": "e3", "source": "is-long", "target": "long", "condition": "true"},
    {"id": "e4", "source": "is-long", "target": "short", "condition": "always", "sourceHandle": "false"},
    {"id": "e5", "source": "long", "target": "end-1", "condition": "always"},
    {"id": "e6", "source": "short", "target": "end-1", "condition": "always"}]} $$ AS visual \gset

SELECT code, severity, path, message FROM joborch.validate_job(:'visual');
SELECT joborch.create_job('visual a', :'visual', metadata => '{"mine": 1}') AS job \gset
SELECT description, tags, steps FROM joborch.jobs WHERE job_id = :job;
SELECT joborch.explain_job('visual a');
-- the same again is no new version; what is stored is native, with the original
SELECT joborch.create_job('visual a', :'visual', metadata => '{"mine": 1}') = :job AS same;
SELECT version, definition -> 'steps' -> 1 AS step, definition #> '{metadata,mine}' AS mine,
	definition #> '{metadata,visual}' = :'visual'::jsonb AS original
FROM joborch.job_versions WHERE job_id = :job;
-- designers get back what they gave, and it is the same job again
SELECT joborch.export_jobs('{visual a}') #> '{jobs,0,definition}' = :'visual'::jsonb AS original;

SELECT joborch.start('visual a') AS run \gset
SELECT joborch.wait_for_run(:run, '20 s');
SELECT step, status, output FROM joborch.run_steps(:run);
SELECT joborch.start('visual a', '{"who": "me"}') AS run \gset
SELECT joborch.wait_for_run(:run, '20 s');
SELECT step, status, output FROM joborch.run_steps(:run);

-- ---- a failure: always is after success, an error edge is for failure, an end says failure ----

SELECT pg_temp.run($$ {"nodes": [
    {"id": "s", "type": "flow.start"},
    {"id": "bad", "type": "action.database", "data": {"query": "SELECT 1 / '{{zero}}'::int"}},
    {"id": "tell", "type": "log.write", "data": {"message": "completed successfully"}},
    {"id": "repair", "type": "log.write", "data": {"message": "{{bad.error}}"}},
    {"id": "e", "type": "flow.end", "data": {"status": "failure", "message": "was repaired: {{repair.output.message}}"}}],
  "edges": [
    {"source": "s", "target": "bad"}, {"source": "bad", "target": "tell", "condition": "always"},
    {"source": "bad", "target": "repair", "condition": "error"}, {"source": "repair", "target": "e"}],
  "parameters": {"zero": 0}} $$) AS run \gset
SELECT joborch.wait_for_run(:run, '20 s');
SELECT step, status, coalesce(output, to_jsonb(error ->> 'message')) AS result FROM joborch.run_steps(:run);

-- failure passes into a condition that asks about it, and the run completes
SELECT pg_temp.run($$ {"nodes": [
    {"id": "s", "type": "flow.start"},
    {"id": "bad", "type": "action.database", "data": {"query": "SELECT 1 / 0"}},
    {"id": "ok", "type": "logic.if", "data": {"condition": "previous_step.status == 'success'"}},
    {"id": "yes", "type": "log.write", "data": {"message": "yes"}},
    {"id": "no", "type": "log.write", "data": {"message": "no"}}],
  "edges": [
    {"source": "s", "target": "bad"}, {"source": "bad", "target": "ok", "condition": "always"},
    {"source": "ok", "target": "yes", "condition": "true"}, {"source": "ok", "target": "no", "condition": "false"}]} $$) AS run \gset
SELECT joborch.wait_for_run(:run, '20 s');
SELECT step, status FROM joborch.run_steps(:run);

-- ---- loops: edges that lead back, a while, a loop over items ----

SELECT pg_temp.run($$ {"nodes": [
    {"id": "s", "type": "flow.start"},
    {"id": "try-1", "type": "data.transform", "data": {"mapping": {"n": "{{iteration}}"}}},
    {"id": "enough", "type": "logic.if", "data": {"condition": "{{try-1.n}} >= {{times}}"}},
    {"id": "done", "type": "log.write", "data": {"message": "after {{try-1.n}}"}}],
  "edges": [
    {"source": "s", "target": "try-1"}, {"source": "try-1", "target": "enough"},
    {"source": "enough", "target": "try-1", "condition": "false", "max_iterations": 5},
    {"source": "enough", "target": "done", "condition": "true"}],
  "parameters": {"times": 2}} $$) AS run \gset
SELECT joborch.wait_for_run(:run, '20 s');
SELECT step, status, output FROM joborch.run_steps(:run) WHERE step = 'done';
SELECT pg_temp.run($$ {"nodes": [
    {"id": "s", "type": "flow.start"},
    {"id": "w", "type": "condition.while", "data": {"condition": "{{iteration}} < 3", "max_iterations": 4, "loop_body": ["b"]}},
    {"id": "b", "type": "data.transform", "data": {"mapping": {"k": "{{iteration}}"}}},
    {"id": "f", "type": "condition.for_each", "data": {"items": ["x", "y"], "loop_body": [
        {"id": "i", "type": "data.transform", "data": {"script": "'<' + item + '>'"}}]}}],
  "edges": [{"source": "s", "target": "w"}, {"source": "w", "target": "f", "condition": "false"}]} $$) AS run \gset
SELECT joborch.wait_for_run(:run, '20 s');
SELECT step, status, output FROM joborch.run_steps(:run);

-- a counter by script; the failure goes around until there were enough tries
SELECT pg_temp.run($$ {"nodes": [
    {"id": "s", "type": "flow.start"},
    {"id": "count", "type": "data.transform", "data": {"script": "return { ...input, n: (input.n || 0) + 1 };", "input_data": "{{input}}", "language": "javascript"}},
    {"id": "more", "type": "logic.if", "data": {"condition": "{{count.n}} <= {{max}}"}},
    {"id": "bad", "type": "action.database", "data": {"query": "SELECT 1 / 0"}},
    {"id": "e", "type": "log.write", "data": {"message": "gave up after {{count.n}}"}}],
  "edges": [
    {"source": "s", "target": "count"}, {"source": "count", "target": "more"},
    {"source": "more", "target": "bad", "condition": "true"}, {"source": "bad", "target": "count", "condition": "error"},
    {"source": "more", "target": "e", "condition": "false"}],
  "parameters": {"max": 3}} $$) AS run \gset
SELECT joborch.wait_for_run(:run, '20 s');
SELECT step, status, output FROM joborch.run_steps(:run) WHERE step = 'e';

-- ---- what cannot be translated ----

SELECT joborch.create_job('visual b', '{"nodes": [{"id": "s", "type": "flow.start"}, {"id": "a", "type": "action.command",
	"data": {"comand": "ls {{nope}}"}}], "edges": [{"source": "s", "target": "a"}]}');
\set VERBOSITY default
SELECT joborch.start_definition('{"nodes": [{"id": "s", "type": "flow.start"}, {"id": "a", "type": "flow.delay",
	"data": {"delay_seconds": -5}}], "edges": [{"source": "s", "target": "a"}, {"source": "a", "target": "a"}]}');
