-- Builders of steps that decide, repeat and wait; see builders.sql.

CREATE FUNCTION joborch.if_step(
	name text, condition text, then_steps jsonb DEFAULT NULL, else_steps jsonb DEFAULT NULL,
	depends_on text DEFAULT NULL, run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL,
	on_error text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'condition', pg_catalog.jsonb_build_object(
	'if', joborch_internal.json_or_text(condition), 'then', joborch_internal.step_list(then_steps),
	'else', joborch_internal.step_list(else_steps), 'depends_on', joborch_internal.json_or_text(depends_on),
	'when', joborch_internal.json_or_text(run_if), 'trigger_rule', trigger_rule, 'on_error', on_error), keys);
COMMENT ON FUNCTION joborch.if_step(text, text, jsonb, jsonb, text, text, text, text, jsonb)
IS 'a step that decides between two branches';

CREATE FUNCTION joborch.switch_step(
	name text, cases jsonb, default_steps jsonb DEFAULT NULL, value text DEFAULT NULL, depends_on text DEFAULT NULL,
	run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL, on_error text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'switch', pg_catalog.jsonb_build_object(
	'cases', cases, 'default', joborch_internal.step_list(default_steps),
	'value', joborch_internal.json_or_text(value), 'depends_on', joborch_internal.json_or_text(depends_on),
	'when', joborch_internal.json_or_text(run_if), 'trigger_rule', trigger_rule, 'on_error', on_error), keys);
COMMENT ON FUNCTION joborch.switch_step(text, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step that takes the first case that matches';

CREATE FUNCTION joborch.parallel_step(
	name text, steps jsonb DEFAULT NULL, branches jsonb DEFAULT NULL, max_concurrent integer DEFAULT NULL,
	wait_for_all boolean DEFAULT NULL, depends_on text DEFAULT NULL, run_if text DEFAULT NULL,
	trigger_rule text DEFAULT NULL, on_error text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'parallel', pg_catalog.jsonb_build_object(
	'steps', joborch_internal.step_list(steps), 'branches', branches, 'max_concurrent', max_concurrent,
	'wait_for_all', wait_for_all, 'depends_on', joborch_internal.json_or_text(depends_on),
	'when', joborch_internal.json_or_text(run_if), 'trigger_rule', trigger_rule, 'on_error', on_error), keys);
COMMENT ON FUNCTION joborch.parallel_step(text, jsonb, jsonb, integer, boolean, text, text, text, text, jsonb)
IS 'a step of branches that go on at the same time';

CREATE FUNCTION joborch.race_step(
	name text, steps jsonb DEFAULT NULL, branches jsonb DEFAULT NULL, depends_on text DEFAULT NULL,
	run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL, on_error text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'race', pg_catalog.jsonb_build_object(
	'steps', joborch_internal.step_list(steps), 'branches', branches,
	'depends_on', joborch_internal.json_or_text(depends_on), 'when', joborch_internal.json_or_text(run_if),
	'trigger_rule', trigger_rule, 'on_error', on_error), keys);
COMMENT ON FUNCTION joborch.race_step(text, jsonb, jsonb, text, text, text, text, jsonb)
IS 'a step of branches of which the first to complete wins';

CREATE FUNCTION joborch.join_step(
	name text, mode text DEFAULT NULL, depends_on text DEFAULT NULL, run_if text DEFAULT NULL,
	on_error text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'join', pg_catalog.jsonb_build_object(
	'mode', joborch_internal.number_or_text(mode), 'depends_on', joborch_internal.json_or_text(depends_on),
	'when', joborch_internal.json_or_text(run_if), 'on_error', on_error), keys);
COMMENT ON FUNCTION joborch.join_step(text, text, text, text, text, jsonb)
IS 'a step that waits for all, any or so many of the steps before it';

CREATE FUNCTION joborch.foreach_step(
	name text, items text, steps jsonb, as_name text DEFAULT NULL, max_parallel integer DEFAULT NULL,
	on_item_error text DEFAULT NULL, max_failed integer DEFAULT NULL, depends_on text DEFAULT NULL,
	run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL, on_error text DEFAULT NULL, timeout text DEFAULT NULL,
	keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'foreach', pg_catalog.jsonb_build_object(
	'items', joborch_internal.json_or_text(items), 'steps', joborch_internal.step_list(steps), 'as', as_name,
	'max_parallel', max_parallel, 'on_item_error', on_item_error, 'max_failed', max_failed,
	'depends_on', joborch_internal.json_or_text(depends_on), 'when', joborch_internal.json_or_text(run_if),
	'trigger_rule', trigger_rule, 'on_error', on_error, 'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.foreach_step(text, text, jsonb, text, integer, text, integer, text, text, text, text, text, jsonb)
IS 'a step that repeats its steps for each element';

CREATE FUNCTION joborch.loop_step(
	name text, steps jsonb, while text DEFAULT NULL, until text DEFAULT NULL, break_if text DEFAULT NULL,
	max_iterations integer DEFAULT NULL, delay text DEFAULT NULL, on_max text DEFAULT NULL,
	depends_on text DEFAULT NULL, run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL,
	on_error text DEFAULT NULL, timeout text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'loop', pg_catalog.jsonb_build_object(
	'steps', joborch_internal.step_list(steps), 'while', joborch_internal.json_or_text(while),
	'until', joborch_internal.json_or_text(until), 'break', joborch_internal.json_or_text(break_if),
	'max_iterations', max_iterations, 'delay', delay, 'on_max', on_max,
	'depends_on', joborch_internal.json_or_text(depends_on), 'when', joborch_internal.json_or_text(run_if),
	'trigger_rule', trigger_rule, 'on_error', on_error, 'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.loop_step(text, jsonb, text, text, text, integer, text, text, text, text, text, text, text, jsonb)
IS 'a step that repeats its steps while or until a condition holds';

CREATE FUNCTION joborch.job_step(
	name text, job text DEFAULT NULL, definition jsonb DEFAULT NULL, input jsonb DEFAULT NULL,
	wait boolean DEFAULT NULL, tags text[] DEFAULT NULL, queue text DEFAULT NULL, priority text DEFAULT NULL,
	retry jsonb DEFAULT NULL, run_as text DEFAULT NULL, output jsonb DEFAULT NULL, foreach jsonb DEFAULT NULL,
	compensate jsonb DEFAULT NULL, depends_on text DEFAULT NULL, run_if text DEFAULT NULL,
	trigger_rule text DEFAULT NULL, on_error text DEFAULT NULL, timeout text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'job', pg_catalog.jsonb_build_object(
	'job', job, 'definition', definition, 'input', input, 'wait', wait, 'tags', tags, 'queue', queue,
	'priority', priority, 'retry', retry, 'run_as', run_as, 'output', output, 'foreach', foreach,
	'compensate', compensate, 'depends_on', joborch_internal.json_or_text(depends_on),
	'when', joborch_internal.json_or_text(run_if), 'trigger_rule', trigger_rule, 'on_error', on_error,
	'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.job_step(text, text, jsonb, jsonb, boolean, text[], text, text, jsonb, text, jsonb, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step that starts a run of another job';

CREATE FUNCTION joborch.end_step(
	name text, status text DEFAULT NULL, message text DEFAULT NULL, depends_on text DEFAULT NULL,
	run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'end', pg_catalog.jsonb_build_object(
	'status', status, 'message', message, 'depends_on', joborch_internal.json_or_text(depends_on),
	'when', joborch_internal.json_or_text(run_if), 'trigger_rule', trigger_rule), keys);
COMMENT ON FUNCTION joborch.end_step(text, text, text, text, text, text, jsonb)
IS 'a step that ends the run';

CREATE FUNCTION joborch.delay_step(
	name text, duration text DEFAULT NULL, until text DEFAULT NULL, depends_on text DEFAULT NULL,
	run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL, on_error text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'delay', pg_catalog.jsonb_build_object(
	'duration', duration, 'until', until, 'depends_on', joborch_internal.json_or_text(depends_on),
	'when', joborch_internal.json_or_text(run_if), 'trigger_rule', trigger_rule, 'on_error', on_error), keys);
COMMENT ON FUNCTION joborch.delay_step(text, text, text, text, text, text, text, jsonb)
IS 'a step that waits for a time';

CREATE FUNCTION joborch.signal_step(
	name text, signal text DEFAULT NULL, on_timeout text DEFAULT NULL, depends_on text DEFAULT NULL,
	run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL, on_error text DEFAULT NULL, timeout text DEFAULT NULL,
	keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'wait_signal', pg_catalog.jsonb_build_object(
	'signal', signal, 'on_timeout', on_timeout, 'depends_on', joborch_internal.json_or_text(depends_on),
	'when', joborch_internal.json_or_text(run_if), 'trigger_rule', trigger_rule, 'on_error', on_error,
	'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.signal_step(text, text, text, text, text, text, text, text, jsonb)
IS 'a step that waits for signal_run()';

CREATE FUNCTION joborch.wait_sql_step(
	name text, sql text DEFAULT NULL, lsn text DEFAULT NULL, lock_free jsonb DEFAULT NULL,
	check_interval text DEFAULT NULL, on_timeout text DEFAULT NULL, depends_on text DEFAULT NULL,
	run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL, on_error text DEFAULT NULL, timeout text DEFAULT NULL,
	keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'wait_sql', pg_catalog.jsonb_build_object(
	'sql', sql, 'lsn', lsn, 'lock_free', lock_free, 'interval', check_interval, 'on_timeout', on_timeout,
	'depends_on', joborch_internal.json_or_text(depends_on), 'when', joborch_internal.json_or_text(run_if),
	'trigger_rule', trigger_rule, 'on_error', on_error, 'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.wait_sql_step(text, text, text, jsonb, text, text, text, text, text, text, text, jsonb)
IS 'a step that waits until a query gives true, a standby has come to an LSN, or an advisory lock is free';

CREATE FUNCTION joborch.approval_step(
	name text, approvers text[] DEFAULT NULL, message text DEFAULT NULL, on_timeout text DEFAULT NULL,
	on_reject text DEFAULT NULL, depends_on text DEFAULT NULL, run_if text DEFAULT NULL,
	trigger_rule text DEFAULT NULL, on_error text DEFAULT NULL, timeout text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'approval', pg_catalog.jsonb_build_object(
	'approvers', approvers, 'message', message, 'on_timeout', on_timeout, 'on_reject', on_reject,
	'depends_on', joborch_internal.json_or_text(depends_on), 'when', joborch_internal.json_or_text(run_if),
	'trigger_rule', trigger_rule, 'on_error', on_error, 'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.approval_step(text, text[], text, text, text, text, text, text, text, text, jsonb)
IS 'a step that waits for approve_step() or reject_step()';
