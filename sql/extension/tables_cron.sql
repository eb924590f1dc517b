-- Jobs that came through pg_cron's interface: the extension joborch_cron, which shows them in
-- schema cron, and import_pg_cron().
--
-- Each is a schedule; here is only what pg_cron says of it beside that.  The tables are
-- joborch's own, so that an import can fill them while pg_cron still has schema cron, and so
-- that DROP EXTENSION joborch_cron takes away an interface and no jobs.

CREATE TABLE joborch_internal.cron_job (
	jobid bigint PRIMARY KEY,
	schedule_id bigint NOT NULL UNIQUE,
	revision integer NOT NULL,		-- of the schedule, of which the next two are the words; later ones are its own
	schedule text NOT NULL,
	command text NOT NULL,
	nodename text NOT NULL,
	nodeport integer NOT NULL,
	username text NOT NULL,
	jobname text,
	UNIQUE (jobname, username)
);

-- Which runs were a job's: outlives it.
CREATE TABLE joborch_internal.cron_link (
	schedule_id bigint PRIMARY KEY,
	jobid bigint NOT NULL
);
CREATE INDEX cron_link_jobid ON joborch_internal.cron_link (jobid);

-- What pg_cron ran, before; runid is below 0 where joborch had used that number already.
CREATE TABLE joborch_internal.cron_history (
	runid bigint PRIMARY KEY,
	jobid bigint,
	job_pid integer,
	database text,
	username text,
	command text,
	status text,
	return_message text,
	start_time timestamptz,
	end_time timestamptz
);
CREATE INDEX cron_history_jobid ON joborch_internal.cron_history (jobid);
