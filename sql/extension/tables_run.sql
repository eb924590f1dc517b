-- What runs.  The hot tables: written by src/store.c with direct heap access,
-- so they must stay plain: no trigger, no CHECK, no expression or partial index
-- on a column the engine writes, only pg_catalog types, and the column order
-- here is the order of the Jo..Row structs in src/store.h.
--
-- Every byte of run, live, step and ends is written and logged once per run or
-- step.  So columns go from wide to narrow, which leaves no padding, and those
-- that are mostly NULL come last: NULLs at a row's end are not stored at all, and
-- a row that has no others needs no null bitmap.

CREATE SEQUENCE joborch_internal.run_id_seq;

-- One row per run; inserted by start(), never updated.
CREATE TABLE joborch_internal.run (
	run_id bigint NOT NULL,
	version_id bigint NOT NULL,
	created_at timestamptz NOT NULL,
	run_at timestamptz NOT NULL,
	job_id bigint,				-- NULL: ad hoc
	owner oid NOT NULL,
	queue_id integer NOT NULL,
	priority smallint NOT NULL,
	owner_name text NOT NULL,
	requested_by text,
	input jsonb,
	name text,
	tags text[],
	metadata jsonb,
	correlation_id text,
	idempotency_key text,
	traceparent text,
	tenant text,
	rerun_of bigint,
	parent_run_id bigint,			-- of a child run: whose step started it
	parent_item integer,
	parent_step smallint,
	depth smallint,				-- runs above it: parents, and those whose end started it
	context jsonb,				-- what the run document has beside the input: item, iteration, vars, previous
	schedule_id bigint,			-- which schedule started it
	fire_at timestamptz,			-- the schedule's nominal time
	PRIMARY KEY (run_id)
);
CREATE INDEX run_job ON joborch_internal.run (job_id, run_id) WHERE job_id IS NOT NULL;
CREATE INDEX run_parent ON joborch_internal.run (parent_run_id) WHERE parent_run_id IS NOT NULL;
CREATE INDEX run_tags ON joborch_internal.run USING gin (tags) WHERE tags IS NOT NULL;

-- All that changes about an unfinished run; deleted with the run's end.
CREATE TABLE joborch_internal.live (
	run_id bigint NOT NULL,
	due timestamptz NOT NULL,		-- 'infinity': when the runs have ended that it depends on
	version_id bigint NOT NULL,
	owner oid NOT NULL,
	queue_id integer NOT NULL,
	epoch smallint NOT NULL,		-- grows at each recover
	ord smallint NOT NULL,			-- 0 critical, 1 high, 2 medium, 3 low
	paused boolean NOT NULL,
	cancel "char" NOT NULL,			-- '-' not asked, 'g' graceful, 'f' force
	begun timestamptz,			-- set once the run is older than mark_running_after
	reason text,
	parent_run_id bigint,			-- whom to wake at the end
	parent_item integer,
	parent_step smallint,
	followed boolean,			-- something follows its end: the dispatcher writes it, with what follows
	replaceable boolean,			-- start() may change it as long as begun is NULL; it is set before anything begins
	PRIMARY KEY (run_id)
);
CREATE UNIQUE INDEX live_order ON joborch_internal.live (queue_id, ord, due, run_id);

-- One row per step that ended (or whose outcome was decided).
CREATE TABLE joborch_internal.step (
	run_id bigint NOT NULL,
	finished_at timestamptz NOT NULL,
	started_at timestamptz,
	item integer NOT NULL,			-- -1, or the element of a foreach
	step smallint NOT NULL,			-- position in the definition's flat list
	attempt smallint NOT NULL,		-- 32767 stands for more, too
	epoch smallint NOT NULL,
	status "char" NOT NULL,			-- c completed, f failed, s skipped, x cancelled
	form "char" NOT NULL,			-- how output is stored; read it by full_output(form, output)
	output jsonb,
	taken integer,				-- what a flow step decided: branch, or number of items
	error jsonb,
	PRIMARY KEY (run_id, step, item)
);

-- One row per finished run: the fence against a second end.
CREATE TABLE joborch_internal.ends (
	run_id bigint NOT NULL,
	finished_at timestamptz NOT NULL,
	started_at timestamptz,
	epoch smallint NOT NULL,
	completed smallint NOT NULL,
	failed smallint NOT NULL,
	skipped smallint NOT NULL,
	status "char" NOT NULL,			-- c completed, f failed, x cancelled
	output jsonb,
	error jsonb,
	PRIMARY KEY (run_id)
);
CREATE INDEX ends_finished ON joborch_internal.ends USING brin (finished_at) WITH (pages_per_range = 32);
CREATE INDEX ends_not_completed ON joborch_internal.ends (run_id) WHERE status <> 'c';

-- One row per attempt that did not simply succeed at the first try.
CREATE TABLE joborch_internal.attempt (
	run_id bigint NOT NULL,
	step integer NOT NULL,
	item integer NOT NULL,
	attempt integer NOT NULL,
	epoch integer NOT NULL,
	status "char" NOT NULL,			-- f failed, c completed, x cancelled, r begun (outside effect)
	started_at timestamptz,
	finished_at timestamptz,
	retry_at timestamptz,			-- when the next attempt is due; NULL: none
	error jsonb,
	notices jsonb,
	PRIMARY KEY (run_id, step, item, attempt)
);

-- What must happen at a time: 'r' a retry, 't' the run's time-out.
CREATE TABLE joborch_internal.timers (
	due timestamptz NOT NULL,
	run_id bigint NOT NULL,
	step integer NOT NULL,
	item integer NOT NULL,
	kind "char" NOT NULL,
	epoch integer NOT NULL,
	PRIMARY KEY (due, run_id, step, item, kind)
);
CREATE INDEX timers_run ON joborch_internal.timers (run_id);

-- Steps in flight that a crash of the server must be able to blame: written for
-- steps older than a second, and for every step in careful mode.
CREATE TABLE joborch_internal.marks (
	run_id bigint NOT NULL,
	step integer NOT NULL,
	item integer NOT NULL,
	attempt integer NOT NULL,
	crashes integer NOT NULL,
	PRIMARY KEY (run_id, step, item)
);

CREATE TABLE joborch_internal.run_key (
	job_id bigint NOT NULL,			-- 0 for ad-hoc runs
	owner oid NOT NULL,
	idempotency_key text NOT NULL,
	run_id bigint NOT NULL,
	PRIMARY KEY (job_id, owner, idempotency_key)
);
CREATE INDEX run_key_run ON joborch_internal.run_key (run_id);

-- The audit trail: operator actions and run-level changes they caused.
CREATE TABLE joborch_internal.event (
	event_id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	type text NOT NULL,
	run_id bigint,
	job_id bigint,
	step text,
	by_role text NOT NULL,
	reason text,
	detail jsonb
);
CREATE INDEX event_run ON joborch_internal.event (run_id);
CREATE INDEX event_job ON joborch_internal.event (job_id) WHERE job_id IS NOT NULL;
