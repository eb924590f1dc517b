-- Builders of steps that act outside of the database; see builders.sql.

CREATE FUNCTION joborch.http_step(
	name text, url text, method text DEFAULT NULL, body text DEFAULT NULL, headers jsonb DEFAULT NULL,
	query jsonb DEFAULT NULL, form jsonb DEFAULT NULL, auth jsonb DEFAULT NULL, expected_status jsonb DEFAULT NULL,
	success text DEFAULT NULL, redirects integer DEFAULT NULL, response text DEFAULT NULL,
	callback boolean DEFAULT NULL, retry jsonb DEFAULT NULL, run_as text DEFAULT NULL, output jsonb DEFAULT NULL,
	foreach jsonb DEFAULT NULL, compensate jsonb DEFAULT NULL, depends_on text DEFAULT NULL,
	run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL, on_error text DEFAULT NULL, timeout text DEFAULT NULL,
	keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'http', pg_catalog.jsonb_build_object(
	'url', url, 'method', method, 'body', joborch_internal.json_or_text(body), 'headers', headers, 'query', query,
	'form', form, 'auth', auth, 'expected_status', expected_status, 'success', success, 'redirects', redirects,
	'response', response, 'callback', callback, 'retry', retry, 'run_as', run_as, 'output', output,
	'foreach', foreach, 'compensate', compensate, 'depends_on', joborch_internal.json_or_text(depends_on),
	'when', joborch_internal.json_or_text(run_if), 'trigger_rule', trigger_rule, 'on_error', on_error,
	'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.http_step(text, text, text, text, jsonb, jsonb, jsonb, jsonb, jsonb, text, integer, text, boolean, jsonb, text, jsonb, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step that sends an HTTP request';

CREATE FUNCTION joborch.webhook_step(
	name text, url text, payload text DEFAULT NULL, secret text DEFAULT NULL, event text DEFAULT NULL,
	headers jsonb DEFAULT NULL, method text DEFAULT NULL, expected_status jsonb DEFAULT NULL,
	success text DEFAULT NULL, callback boolean DEFAULT NULL, retry jsonb DEFAULT NULL, run_as text DEFAULT NULL,
	output jsonb DEFAULT NULL, foreach jsonb DEFAULT NULL, compensate jsonb DEFAULT NULL,
	depends_on text DEFAULT NULL, run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL,
	on_error text DEFAULT NULL, timeout text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'webhook', pg_catalog.jsonb_build_object(
	'url', url, 'payload', joborch_internal.json_or_text(payload), 'secret', secret, 'event', event,
	'headers', headers, 'method', method, 'expected_status', expected_status, 'success', success,
	'callback', callback, 'retry', retry, 'run_as', run_as, 'output', output, 'foreach', foreach,
	'compensate', compensate, 'depends_on', joborch_internal.json_or_text(depends_on),
	'when', joborch_internal.json_or_text(run_if), 'trigger_rule', trigger_rule, 'on_error', on_error,
	'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.webhook_step(text, text, text, text, text, jsonb, text, jsonb, text, boolean, jsonb, text, jsonb, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step that sends a signed JSON message';

CREATE FUNCTION joborch.file_transfer_step(
	name text, action text, url text, file text DEFAULT NULL, artifact text DEFAULT NULL, auth jsonb DEFAULT NULL,
	overwrite boolean DEFAULT NULL, resume boolean DEFAULT NULL, sha256 text DEFAULT NULL,
	create_dirs boolean DEFAULT NULL, known_host text DEFAULT NULL, retry jsonb DEFAULT NULL,
	run_as text DEFAULT NULL, output jsonb DEFAULT NULL, foreach jsonb DEFAULT NULL, compensate jsonb DEFAULT NULL,
	depends_on text DEFAULT NULL, run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL,
	on_error text DEFAULT NULL, timeout text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'file_transfer', pg_catalog.jsonb_build_object(
	'action', action, 'url', url, 'file', file, 'artifact', joborch_internal.number_or_text(artifact), 'auth', auth,
	'overwrite', overwrite, 'resume', resume, 'sha256', sha256, 'create_dirs', create_dirs,
	'known_host', known_host, 'retry', retry, 'run_as', run_as, 'output', output, 'foreach', foreach,
	'compensate', compensate, 'depends_on', joborch_internal.json_or_text(depends_on),
	'when', joborch_internal.json_or_text(run_if), 'trigger_rule', trigger_rule, 'on_error', on_error,
	'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.file_transfer_step(text, text, text, text, text, jsonb, boolean, boolean, text, boolean, text, jsonb, text, jsonb, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step that fetches or sends a file';

CREATE FUNCTION joborch.email_step(
	name text, recipients text, subject text DEFAULT NULL, body text DEFAULT NULL, html text DEFAULT NULL,
	cc text DEFAULT NULL, bcc text DEFAULT NULL, sender text DEFAULT NULL, reply_to text DEFAULT NULL,
	attachments jsonb DEFAULT NULL, server text DEFAULT NULL, auth jsonb DEFAULT NULL, send_on text DEFAULT NULL,
	retry jsonb DEFAULT NULL, run_as text DEFAULT NULL, output jsonb DEFAULT NULL, foreach jsonb DEFAULT NULL,
	compensate jsonb DEFAULT NULL, depends_on text DEFAULT NULL, run_if text DEFAULT NULL,
	trigger_rule text DEFAULT NULL, on_error text DEFAULT NULL, timeout text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'email', pg_catalog.jsonb_build_object(
	'to', joborch_internal.json_or_text(recipients), 'subject', subject, 'body', body, 'html', html,
	'cc', joborch_internal.json_or_text(cc), 'bcc', joborch_internal.json_or_text(bcc), 'from', sender,
	'reply_to', joborch_internal.json_or_text(reply_to), 'attachments', attachments, 'server', server, 'auth', auth,
	'send_on', joborch_internal.json_or_text(send_on), 'retry', retry, 'run_as', run_as, 'output', output,
	'foreach', foreach, 'compensate', compensate, 'depends_on', joborch_internal.json_or_text(depends_on),
	'when', joborch_internal.json_or_text(run_if), 'trigger_rule', trigger_rule, 'on_error', on_error,
	'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.email_step(text, text, text, text, text, text, text, text, text, jsonb, text, jsonb, text, jsonb, text, jsonb, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step that sends a mail';

CREATE FUNCTION joborch.command_step(
	name text, command text[], env jsonb DEFAULT NULL, cwd text DEFAULT NULL, stdin text DEFAULT NULL,
	expected_exit jsonb DEFAULT NULL, max_output text DEFAULT NULL, retry jsonb DEFAULT NULL,
	run_as text DEFAULT NULL, output jsonb DEFAULT NULL, foreach jsonb DEFAULT NULL, compensate jsonb DEFAULT NULL,
	depends_on text DEFAULT NULL, run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL,
	on_error text DEFAULT NULL, timeout text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'command', pg_catalog.jsonb_build_object(
	'command', command, 'env', env, 'cwd', cwd, 'stdin', stdin, 'expected_exit', expected_exit,
	'max_output', joborch_internal.number_or_text(max_output), 'retry', retry, 'run_as', run_as, 'output', output,
	'foreach', foreach, 'compensate', compensate, 'depends_on', joborch_internal.json_or_text(depends_on),
	'when', joborch_internal.json_or_text(run_if), 'trigger_rule', trigger_rule, 'on_error', on_error,
	'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.command_step(text, text[], jsonb, text, text, jsonb, text, jsonb, text, jsonb, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step that starts a program on the server';

CREATE FUNCTION joborch.script_step(
	name text, script text, interpreter text[] DEFAULT NULL, args text[] DEFAULT NULL, env jsonb DEFAULT NULL,
	cwd text DEFAULT NULL, stdin text DEFAULT NULL, expected_exit jsonb DEFAULT NULL, max_output text DEFAULT NULL,
	retry jsonb DEFAULT NULL, run_as text DEFAULT NULL, output jsonb DEFAULT NULL, foreach jsonb DEFAULT NULL,
	compensate jsonb DEFAULT NULL, depends_on text DEFAULT NULL, run_if text DEFAULT NULL,
	trigger_rule text DEFAULT NULL, on_error text DEFAULT NULL, timeout text DEFAULT NULL, keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'script', pg_catalog.jsonb_build_object(
	'script', script, 'interpreter', interpreter, 'args', args, 'env', env, 'cwd', cwd, 'stdin', stdin,
	'expected_exit', expected_exit, 'max_output', joborch_internal.number_or_text(max_output), 'retry', retry,
	'run_as', run_as, 'output', output, 'foreach', foreach, 'compensate', compensate,
	'depends_on', joborch_internal.json_or_text(depends_on), 'when', joborch_internal.json_or_text(run_if),
	'trigger_rule', trigger_rule, 'on_error', on_error, 'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.script_step(text, text, text[], text[], jsonb, text, text, jsonb, text, jsonb, text, jsonb, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step that lets an interpreter on the server read a script';

CREATE FUNCTION joborch.external_step(
	name text, payload text DEFAULT NULL, queue text DEFAULT NULL, lease text DEFAULT NULL,
	external_id text DEFAULT NULL, retry jsonb DEFAULT NULL, run_as text DEFAULT NULL, output jsonb DEFAULT NULL,
	foreach jsonb DEFAULT NULL, compensate jsonb DEFAULT NULL, depends_on text DEFAULT NULL,
	run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL, on_error text DEFAULT NULL, timeout text DEFAULT NULL,
	keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'external', pg_catalog.jsonb_build_object(
	'payload', joborch_internal.json_or_text(payload), 'queue', queue, 'lease', lease, 'external_id', external_id,
	'retry', retry, 'run_as', run_as, 'output', output, 'foreach', foreach, 'compensate', compensate,
	'depends_on', joborch_internal.json_or_text(depends_on), 'when', joborch_internal.json_or_text(run_if),
	'trigger_rule', trigger_rule, 'on_error', on_error, 'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.external_step(text, text, text, text, text, jsonb, text, jsonb, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step that a program claims and carries out';

CREATE FUNCTION joborch.artifact_step(
	name text, action text, artifact text DEFAULT NULL, content text DEFAULT NULL, content_base64 text DEFAULT NULL,
	content_type text DEFAULT NULL, storage text DEFAULT NULL, compression text DEFAULT NULL,
	expires_in text DEFAULT NULL, retry jsonb DEFAULT NULL, run_as text DEFAULT NULL, output jsonb DEFAULT NULL,
	foreach jsonb DEFAULT NULL, compensate jsonb DEFAULT NULL, depends_on text DEFAULT NULL,
	run_if text DEFAULT NULL, trigger_rule text DEFAULT NULL, on_error text DEFAULT NULL, timeout text DEFAULT NULL,
	keys jsonb DEFAULT NULL)
RETURNS jsonb LANGUAGE sql IMMUTABLE
RETURN joborch_internal.build_step(name, 'artifact', pg_catalog.jsonb_build_object(
	'action', action, 'artifact', joborch_internal.number_or_text(artifact),
	'content', joborch_internal.json_or_text(content), 'content_base64', content_base64,
	'content_type', content_type, 'storage', storage, 'compression', compression, 'expires_in', expires_in,
	'retry', retry, 'run_as', run_as, 'output', output, 'foreach', foreach, 'compensate', compensate,
	'depends_on', joborch_internal.json_or_text(depends_on), 'when', joborch_internal.json_or_text(run_if),
	'trigger_rule', trigger_rule, 'on_error', on_error, 'timeout', timeout), keys);
COMMENT ON FUNCTION joborch.artifact_step(text, text, text, text, text, text, text, text, text, jsonb, text, jsonb, jsonb, jsonb, text, text, text, text, text, jsonb)
IS 'a step that stores, reads or deletes an artifact';
