-- From pg_cron: its jobs as schedules, its history as rows that joborch_cron shows.
--
-- pg_cron's tables differ from version to version, so rows are read as jsonb.

CREATE FUNCTION joborch_internal.require_pg_cron() RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.oid = joborch_internal.caller()) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = 'only superusers can import the jobs of pg_cron',
			DETAIL = 'They belong to several roles, and each goes on as its own.';
	END IF;
	PERFORM FROM pg_extension e WHERE e.extname = 'pg_cron';
	IF NOT FOUND THEN
		RAISE EXCEPTION USING
			ERRCODE = 'undefined_object',
			MESSAGE = format('extension "pg_cron" does not exist in database "%s"', current_database()),
			DETAIL = coalesce(format('cron.database_name is "%s".', current_setting('cron.database_name', true)), ''),
			HINT = 'Its jobs are in the database that cron.database_name names: connect there, CREATE EXTENSION joborch, and import before you drop pg_cron.';
	END IF;
END
$$;

-- A row of pg_cron's as one of ours; jobs of old versions have no name and are all active.
CREATE FUNCTION joborch_internal.pg_cron_job(p_row jsonb) RETURNS joborch_internal.cron_job
LANGUAGE sql IMMUTABLE AS $$
	SELECT ROW((p_row ->> 'jobid')::bigint, NULL, NULL, p_row ->> 'schedule', p_row ->> 'command',
		p_row ->> 'nodename', (p_row ->> 'nodeport')::integer, p_row ->> 'username', p_row ->> 'jobname')::joborch_internal.cron_job
$$;

-- Why a job cannot go on here, before anything is tried; NULL: nothing is known against it.
CREATE FUNCTION joborch_internal.pg_cron_obstacle(p_row jsonb) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF p_row ->> 'database' <> current_database() THEN
		RETURN format('it runs in database "%s"', p_row ->> 'database');
	ELSIF p_row ->> 'nodename' NOT IN ('', 'localhost', '127.0.0.1', '::1') AND p_row ->> 'nodename' !~ '^/'
		AND p_row ->> 'nodename' IS DISTINCT FROM current_setting('cron.host', true) THEN
		RETURN format('it runs on node "%s"', p_row ->> 'nodename');
	ELSIF to_regrole(quote_ident(p_row ->> 'username')) IS NULL THEN
		RETURN format('role "%s" does not exist', p_row ->> 'username');
	ELSIF EXISTS (SELECT FROM joborch_internal.cron_job c
		WHERE c.jobname = p_row ->> 'jobname' AND c.username = p_row ->> 'username') THEN
		RETURN format('role "%s" has another job "%s" here', p_row ->> 'username', p_row ->> 'jobname');
	END IF;
	RETURN NULL;
END
$$;

-- What to type where joborch cannot do it.
CREATE FUNCTION joborch_internal.pg_cron_hint(p_row jsonb) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT format('%sSELECT joborch.schedule_sql(%L, %L, %L, timezone => %L);',
		CASE WHEN p_row ->> 'database' <> current_database() THEN format('In "%s", as "%s": ', p_row ->> 'database', p_row ->> 'username') END,
		coalesce(p_row ->> 'jobname', format('cron:%s', p_row ->> 'jobid')), p_row ->> 'schedule', p_row ->> 'command',
		joborch_internal.cron_zone())
$$;

-- Makes the schedule of one job; returns its name and NULL, or NULL and the reason why not.
CREATE FUNCTION joborch_internal.import_pg_cron_job(p_row jsonb, p_dry_run boolean, p_paused_reason text,
	OUT schedule text, OUT reason text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_job joborch_internal.cron_job;
BEGIN
	reason := joborch_internal.pg_cron_obstacle(p_row);
	IF reason IS NOT NULL THEN
		RETURN;
	END IF;
	BEGIN
		v_job := joborch_internal.insert_cron_job(joborch_internal.pg_cron_job(p_row),
			to_regrole(quote_ident(p_row ->> 'username')), joborch_internal.cron_zone(), p_paused_reason);
		SELECT s.name INTO schedule FROM joborch_internal.schedule s WHERE s.schedule_id = v_job.schedule_id;
		IF p_dry_run THEN
			RAISE EXCEPTION 'undone: a dry run';
		END IF;
	EXCEPTION WHEN OTHERS THEN
		-- what cannot be imported is told in its row
		IF schedule IS NULL THEN
			GET STACKED DIAGNOSTICS reason = PG_EXCEPTION_DETAIL;
			reason := SQLERRM || coalesce(' (' || nullif(reason, '') || ')', '');
		END IF;
	END;
END
$$;

-- Ended runs of pg_cron; returns how many are new here.
CREATE FUNCTION joborch_internal.import_pg_cron_history(p_dry_run boolean) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_new text := $query$
		FROM cron.job_run_details d
		WHERE d.status IN ('succeeded', 'failed') AND NOT EXISTS (
			SELECT FROM joborch_internal.cron_history h
			WHERE h.runid IN (d.runid, -d.runid) AND h.jobid IS NOT DISTINCT FROM d.jobid
				AND h.start_time IS NOT DISTINCT FROM d.start_time)$query$;
	v_rows bigint;
	v_last bigint;
BEGIN
	IF to_regclass('cron.job_run_details') IS NULL THEN
		RETURN 0;
	ELSIF p_dry_run THEN
		EXECUTE 'SELECT count(*)' || v_new INTO v_rows;
		RETURN v_rows;
	END IF;
	EXECUTE $query$INSERT INTO joborch_internal.cron_history (runid, jobid, job_pid, database, username, command, status,
			return_message, start_time, end_time)
		SELECT CASE WHEN EXISTS (SELECT FROM joborch_internal.run r JOIN joborch_internal.cron_link k ON k.schedule_id = r.schedule_id
				WHERE r.run_id = d.runid) THEN -d.runid ELSE d.runid END,
			d.jobid, d.job_pid, d.database, d.username, d.command, d.status, d.return_message, d.start_time, d.end_time$query$
		|| v_new;
	GET DIAGNOSTICS v_rows = ROW_COUNT;
	-- runs to come have higher numbers, as programs expect
	SELECT max(h.runid) INTO v_last FROM joborch_internal.cron_history h;
	IF v_last > (SELECT q.last_value FROM joborch_internal.run_id_seq q) AND v_last < 1::bigint << 60 THEN
		PERFORM setval('joborch_internal.run_id_seq', v_last);
	END IF;
	RETURN v_rows;
END
$$;

-- pg_cron does not run them any more from this commit on.
CREATE FUNCTION joborch_internal.deactivate_in_pg_cron(p_jobids bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	EXECUTE 'UPDATE cron.job SET active = false WHERE jobid = ANY ($1) AND active' USING p_jobids;
END
$$;

CREATE FUNCTION joborch_internal.import_pg_cron(p_dry_run boolean)
RETURNS TABLE (jobid bigint, jobname text, username text, cron text, action text, schedule text, timezone text,
	active boolean, reason text, what_next text)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_row jsonb;
	v_imported bigint[] := '{}';
	v_history bigint;
BEGIN
	PERFORM joborch_internal.require_pg_cron();
	FOR v_row IN EXECUTE 'SELECT to_jsonb(j) FROM cron.job j ORDER BY j.jobid' LOOP
		jobid := (v_row ->> 'jobid')::bigint;
		jobname := v_row ->> 'jobname';
		username := v_row ->> 'username';
		cron := v_row ->> 'schedule';
		what_next := NULL;
		PERFORM joborch_internal.forget_dropped_cron_job(jobid, jobname, username);
		reason := NULL;
		SELECT s.name, NOT s.paused, s.timezone INTO schedule, active, timezone
		FROM joborch_internal.cron_job c JOIN joborch_internal.schedule s ON s.schedule_id = c.schedule_id
		WHERE c.jobid = (v_row ->> 'jobid')::bigint;
		IF FOUND THEN
			action := 'imported before';
		ELSE
			active := coalesce((v_row ->> 'active')::boolean, true);
			timezone := joborch_internal.cron_zone();
			SELECT i.schedule, i.reason INTO schedule, reason
			FROM joborch_internal.import_pg_cron_job(v_row, p_dry_run, CASE WHEN NOT active THEN 'not active in pg_cron' END) AS i;
			IF reason IS NULL THEN
				action := CASE WHEN p_dry_run THEN 'would be imported' ELSE 'imported' END;
				v_imported := v_imported || jobid;
			ELSE
				action := 'left out';
				what_next := joborch_internal.pg_cron_hint(v_row);
			END IF;
		END IF;
		RETURN NEXT;
	END LOOP;
	v_history := joborch_internal.import_pg_cron_history(p_dry_run);
	IF NOT p_dry_run THEN
		PERFORM joborch_internal.deactivate_in_pg_cron(v_imported);
		PERFORM joborch_internal.record('pg_cron_imported', NULL, NULL, NULL,
			jsonb_build_object('jobs', v_imported, 'history', v_history));
	END IF;
	RAISE NOTICE USING
		MESSAGE = format('%s jobs and %s rows of history %s', cardinality(v_imported), v_history,
			CASE WHEN p_dry_run THEN 'would be imported' ELSE 'were imported' END),
		HINT = CASE WHEN p_dry_run THEN 'SELECT * FROM joborch.import_pg_cron(dry_run => false); does it, and deactivates those jobs in pg_cron.'
			ELSE 'They are not active in pg_cron any more. Then: DROP EXTENSION pg_cron; CREATE EXTENSION joborch_cron;' END;
END
$$;

CREATE FUNCTION joborch.import_pg_cron(dry_run boolean DEFAULT true)
RETURNS TABLE (jobid bigint, jobname text, username text, cron text, action text, schedule text, timezone text,
	active boolean, reason text, what_next text)
LANGUAGE C VOLATILE STRICT ROWS 100 AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.import_pg_cron(boolean)
IS 'makes schedules of the jobs that pg_cron has in this database and copies its history; with dry_run it only says what it would do';
