-- Bindings of C functions that others below call.  Those that users call by
-- name are beside their subject.
--
-- Functions in a view run with the rights of who reads the view; so the internal
-- ones that views need are granted to joborch_user in security.sql.  Without USAGE
-- of the schema nobody can call them but through such a view.

-- ---- rights ----

CREATE FUNCTION joborch.visible(owner oid, tenant text) RETURNS boolean
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'joborch_visible';
COMMENT ON FUNCTION joborch.visible(oid, text) IS 'may the current user see what this role owns for this tenant?';

CREATE FUNCTION joborch_internal.may_control(owner oid, tenant text) RETURNS boolean
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'joborch_may_control';

-- Who called, inside a function that runs with raised rights.
CREATE FUNCTION joborch_internal.caller() RETURNS oid
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'joborch_caller';

-- ---- time ----

CREATE FUNCTION joborch_internal.now() RETURNS timestamptz
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_now';

-- ---- telling the engine ----

CREATE FUNCTION joborch_internal.announce_control(run_id bigint) RETURNS void
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_announce_control';

CREATE FUNCTION joborch_internal.announce_timer(due timestamptz) RETURNS void
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_announce_timer';

-- A run that did not wait for a time became due then.
CREATE FUNCTION joborch_internal.announce_due(queue_id integer, ord smallint, due timestamptz, run_id bigint) RETURNS void
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_announce_due';

-- job.followed was changed.
CREATE FUNCTION joborch_internal.announce_followed(job_id bigint, followed boolean) RETURNS void
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_announce_followed';

-- Starts a job as that role would, after the runs whose end it asked for; input is complete.
CREATE FUNCTION joborch_internal.start_for_rule(role oid, tenant text, job_id bigint, input jsonb, parents bigint[]) RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_start_for_rule';

-- Raises what is wrong with the expressions of a change trigger, for one of its events; they
-- are only parsed, as who called.
CREATE FUNCTION joborch_internal.check_change(relation regclass, event text, per_row boolean, condition text, input text, key text)
RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_check_change';

CREATE FUNCTION joborch_internal.change_fired() RETURNS trigger
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_change_fired';

-- To be called with an offer that is inserted.
CREATE FUNCTION joborch_internal.announce_offer(queue text, group_id bigint, ord smallint, offered_at timestamptz) RETURNS void
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_announce_offer';

CREATE FUNCTION joborch_internal.announce_extension() RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_announce_extension';

CREATE FUNCTION joborch_internal.adopt() RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_adopt';

-- With the commit, processes that keep rows of this table read them anew.
CREATE FUNCTION joborch_internal.invalidate(relation regclass) RETURNS void
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_invalidate';

-- ---- what is in shared memory ----

-- Status of a run that has a row in live.
CREATE FUNCTION joborch_internal.run_state(run_id bigint, epoch integer, paused boolean, begun timestamptz)
RETURNS text
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'joborch_run_state';

-- Every step of a run, rows and memory joined; no rights are checked.
CREATE FUNCTION joborch_internal.steps_of_run(run_id bigint,
	OUT step_index integer, OUT step text, OUT item integer, OUT status text, OUT attempts integer,
	OUT started_at timestamptz, OUT finished_at timestamptz, OUT output jsonb, OUT error jsonb,
	OUT waiting_for text, OUT next_attempt_at timestamptz, OUT pid integer)
RETURNS SETOF record
LANGUAGE C STABLE STRICT ROWS 10 COST 100 AS 'MODULE_PATHNAME', 'joborch_run_steps';

CREATE FUNCTION joborch_internal.workers(
	OUT pid integer, OUT process text, OUT database oid, OUT role oid, OUT state text, OUT run_id bigint,
	OUT step integer, OUT since timestamptz, OUT steps_done bigint)
RETURNS SETOF record
LANGUAGE C VOLATILE ROWS 20 AS 'MODULE_PATHNAME', 'joborch_workers';

CREATE FUNCTION joborch_internal.waiting(
	OUT database oid, OUT run_id bigint, OUT step_index integer, OUT reason text, OUT hint text)
RETURNS SETOF record
LANGUAGE C VOLATILE ROWS 100 AS 'MODULE_PATHNAME', 'joborch_waiting';

CREATE FUNCTION joborch_internal.memory_check(OUT invariant text, OUT detail text)
RETURNS SETOF record
LANGUAGE C VOLATILE ROWS 1 AS 'MODULE_PATHNAME', 'joborch_memory_check';

-- The output of a row of step as users see it: results of SQL steps are stored short.
CREATE FUNCTION joborch_internal.full_output(form "char", output jsonb) RETURNS jsonb
LANGUAGE C IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'joborch_full_output';

-- ---- definitions ----

-- The steps as the engine numbers them: the job's own, on_failure, finally.
CREATE FUNCTION joborch_internal.definition_steps(definition jsonb,
	OUT step_index integer, OUT name text, OUT type text, OUT phase text, OUT depends_on integer[],
	OUT max_attempts integer, OUT timeout interval, OUT when_text text, OUT trigger_rule text,
	OUT on_error text, OUT run_as text, OUT estimated_duration interval,
	OUT counted boolean,		-- in the run's numbers of steps
	OUT contained boolean,		-- inside a container, whose end fails instead of the run
	OUT waits_for_all boolean,	-- it cannot begin before its last parent is finished
	OUT open_index integer,		-- where the container begins of which it is the end, or the repeated step
	OUT close_index integer,	-- where the container ends of which it is the beginning, or the repeated step
	OUT compensates integer)	-- the step whose effect it undoes
RETURNS SETOF record
LANGUAGE C IMMUTABLE STRICT ROWS 10 COST 1000 AS 'MODULE_PATHNAME', 'joborch_definition_steps';

-- The steps of a version as users know them; approvers are empty where nobody is named.
CREATE FUNCTION joborch_internal.version_steps(version_id bigint,
	OUT step_index integer, OUT name text, OUT counted boolean, OUT approval boolean, OUT approvers text[], OUT type text)
RETURNS SETOF record
LANGUAGE C STABLE STRICT ROWS 10 COST 100 AS 'MODULE_PATHNAME', 'joborch_version_steps';

-- What a row of wait waits for.
CREATE FUNCTION joborch_internal.wait_words(version_id bigint, step integer, kind "char", key text, look_at timestamptz,
	child bigint, owner_name text)
RETURNS text
LANGUAGE C STABLE AS 'MODULE_PATHNAME', 'joborch_wait_words';

-- A run's input with the defaults that the version's "input" gives; raises JO006.
CREATE FUNCTION joborch_internal.check_input(version_id bigint, input jsonb) RETURNS jsonb
LANGUAGE C STABLE STRICT AS 'MODULE_PATHNAME', 'joborch_check_input';

-- A visual definition natively, with the original under metadata.visual; another one as
-- it is.  Raises JO001.
CREATE FUNCTION joborch_internal.translate_visual(definition jsonb) RETURNS jsonb
LANGUAGE C IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'joborch_translate_visual';

CREATE FUNCTION joborch_internal.render_graph(definition jsonb, format text) RETURNS text
LANGUAGE C IMMUTABLE STRICT AS 'MODULE_PATHNAME', 'joborch_render_graph';

CREATE FUNCTION joborch_internal.error_classes(OUT pattern text, OUT category text, OUT retryable boolean)
RETURNS SETOF record
LANGUAGE C IMMUTABLE ROWS 50 AS 'MODULE_PATHNAME', 'joborch_error_classes';

-- Where a value is not what a JSON Schema wants; raises JO001 when it is no schema.
CREATE FUNCTION joborch_internal.schema_violations(schema jsonb, value jsonb,
	OUT path text, OUT keyword text, OUT message text)
RETURNS SETOF record
LANGUAGE C STABLE STRICT ROWS 10 COST 1000 AS 'MODULE_PATHNAME', 'joborch_schema_violations';
