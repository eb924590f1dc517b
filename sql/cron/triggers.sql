-- Programs write to pg_cron's tables themselves, too.

CREATE FUNCTION joborch_internal.check_cron_row(p_username text) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF p_username IS DISTINCT FROM joborch_internal.caller_name()
		AND NOT (SELECT r.rolsuper OR r.rolbypassrls FROM pg_roles r WHERE r.oid = joborch_internal.caller()) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = 'new row violates row-level security policy for table "job"';
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.refuse_cron_column(p_column text) RETURNS void
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
	RAISE EXCEPTION USING
		ERRCODE = 'not_null_violation',
		MESSAGE = format('null value in column "%s" of relation "job" violates not-null constraint', p_column),
		SCHEMA = 'cron', TABLE = 'job', COLUMN = p_column;
END
$$;

CREATE FUNCTION joborch_internal.insert_cron_row(p_row cron.job) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_owner oid;
BEGIN
	IF p_row.schedule IS NULL OR p_row.command IS NULL THEN
		PERFORM joborch_internal.refuse_cron_column(CASE WHEN p_row.schedule IS NULL THEN 'schedule' ELSE 'command' END);
	END IF;
	PERFORM joborch_internal.check_cron_row(p_row.username);
	v_owner := joborch_internal.cron_role(p_row.username);
	PERFORM joborch_internal.check_cron_target(p_row.database, v_owner);
	RETURN joborch_internal.add_cron_job(p_row.jobid, p_row.schedule, p_row.command, p_row.nodename, p_row.nodeport, v_owner,
		coalesce(p_row.active, true), p_row.jobname);
END
$$;

CREATE FUNCTION joborch_internal.update_cron_row(p_old cron.job, p_new cron.job) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_owner oid;
BEGIN
	IF p_new.jobid IS DISTINCT FROM p_old.jobid THEN
		RAISE EXCEPTION USING
			ERRCODE = 'feature_not_supported',
			MESSAGE = format('the id of job %s cannot be changed', p_old.jobid),
			DETAIL = 'Its history has that id.';
	END IF;
	PERFORM joborch_internal.refuse_cron_column(n.name)
	FROM (VALUES ('schedule', p_new.schedule), ('command', p_new.command), ('nodename', p_new.nodename),
		('nodeport', p_new.nodeport::text), ('database', p_new.database), ('username', p_new.username), ('active', p_new.active::text)) AS n (name, value)
	WHERE n.value IS NULL;
	PERFORM joborch_internal.check_cron_row(p_new.username);
	v_owner := joborch_internal.cron_role(p_new.username);
	PERFORM joborch_internal.check_cron_target(p_new.database, v_owner);
	PERFORM FROM joborch_internal.cron_job c
	WHERE c.jobname = p_new.jobname AND c.username = p_new.username AND c.jobid <> p_new.jobid;
	IF FOUND THEN
		PERFORM joborch_internal.refuse_cron_duplicate('jobname_username_uniq',
			format('Key (jobname, username)=(%s, %s) already exists.', p_new.jobname, p_new.username));
	END IF;
	UPDATE joborch_internal.cron_job c
	SET nodename = p_new.nodename, nodeport = p_new.nodeport, jobname = p_new.jobname
	WHERE c.jobid = p_new.jobid;
	IF ROW(p_new.schedule, p_new.command, p_new.username, p_new.active)
		IS DISTINCT FROM ROW(p_old.schedule, p_old.command, p_old.username, p_old.active) THEN
		PERFORM joborch_internal.change_cron_job(p_new.jobid, nullif(p_new.schedule, p_old.schedule),
			nullif(p_new.command, p_old.command), v_owner, p_new.active);
	END IF;
END
$$;

-- What has not ended stays.  Returns whether there was anything to delete.
CREATE FUNCTION joborch_internal.delete_cron_details(p_row cron.job_run_details) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	DELETE FROM joborch_internal.cron_history h
	WHERE h.runid = p_row.runid AND h.jobid IS NOT DISTINCT FROM p_row.jobid AND h.start_time IS NOT DISTINCT FROM p_row.start_time;
	IF FOUND THEN
		RETURN true;
	END IF;
	DELETE FROM joborch_internal.schedule_fire f USING joborch_internal.cron_link k
	WHERE k.jobid = p_row.jobid AND f.schedule_id = k.schedule_id AND f.outcome = 'x'
		AND p_row.runid = -(extract(epoch FROM f.nominal)::bigint * 1000000 + f.schedule_id % 1000000);
	IF FOUND THEN
		RETURN true;
	END IF;
	DELETE FROM joborch_internal.ends e WHERE e.run_id = p_row.runid;
	IF FOUND THEN
		PERFORM joborch_internal.forget_runs(ARRAY[p_row.runid]);
		PERFORM joborch_internal.announce_control(p_row.runid);
	END IF;
	RETURN FOUND;
END
$$;

-- One function for both views, with the name that pg_cron's own trigger has; any other table that
-- has it as a trigger is none of its business.
CREATE FUNCTION joborch_internal.cron_job_cache_invalidate() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	IF TG_WHEN <> 'INSTEAD OF' OR TG_RELID NOT IN ('cron.job'::regclass, 'cron.job_run_details'::regclass) THEN
		RETURN NULL;
	ELSIF TG_RELID = 'cron.job_run_details'::regclass THEN
		RETURN CASE WHEN joborch_internal.delete_cron_details(OLD) THEN OLD END;
	ELSIF TG_OP = 'INSERT' THEN
		NEW.jobid := joborch_internal.insert_cron_row(NEW);
		SELECT c.nodename, c.nodeport INTO NEW.nodename, NEW.nodeport FROM joborch_internal.cron_job c WHERE c.jobid = NEW.jobid;
		NEW.database := current_database();
		NEW.active := coalesce(NEW.active, true);
		RETURN NEW;
	ELSIF (joborch_internal.lock_cron_job(OLD.jobid)).schedule_id IS NULL THEN
		RETURN NULL;	-- another one has removed it meanwhile
	ELSIF TG_OP = 'UPDATE' THEN
		PERFORM joborch_internal.update_cron_row(OLD, NEW);
		RETURN NEW;
	END IF;
	PERFORM joborch_internal.remove_cron_job(OLD.jobid);
	RETURN OLD;
END
$$;

CREATE FUNCTION cron.job_cache_invalidate() RETURNS trigger
LANGUAGE C AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION cron.job_cache_invalidate() IS 'carries out what is written to cron.job and deleted from cron.job_run_details';

CREATE TRIGGER cron_job_cache_invalidate INSTEAD OF INSERT OR UPDATE OR DELETE ON cron.job
FOR EACH ROW EXECUTE FUNCTION cron.job_cache_invalidate();

CREATE TRIGGER cron_job_run_details_delete INSTEAD OF DELETE ON cron.job_run_details
FOR EACH ROW EXECUTE FUNCTION cron.job_cache_invalidate();
