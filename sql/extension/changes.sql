-- Runs that are started by changes of a table: on_change().  The triggers are statement-level,
-- one for each event, since only so they see all rows of a statement; src/changes.c says what
-- they do.

CREATE FUNCTION joborch_internal.trigger_name(p_trigger_id bigint, p_event text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
	SELECT format('joborch_change_%s_%s', p_trigger_id, p_event)
$$;

-- Only tables whose rows and statements triggers see, and only the caller's own or those on which
-- he may have triggers.
CREATE FUNCTION joborch_internal.require_table(p_relation regclass) RETURNS void
LANGUAGE plpgsql STABLE AS $$
DECLARE
	v_class pg_class;
BEGIN
	SELECT c.* INTO v_class FROM pg_class c WHERE c.oid = p_relation;
	IF v_class.oid IS NULL THEN
		RAISE EXCEPTION USING
			ERRCODE = 'undefined_table',
			MESSAGE = 'there is no such table',
			DETAIL = format('The relation is %s.', coalesce(p_relation::text, 'NULL'));
	ELSIF v_class.relkind NOT IN ('r', 'p') OR v_class.relpersistence = 't' OR v_class.oid < 16384
		OR v_class.relnamespace IN ('joborch'::regnamespace, 'joborch_internal'::regnamespace) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'wrong_object_type',
			MESSAGE = format('changes of "%s" cannot start jobs', v_class.relname),
			DETAIL = 'Only those of ordinary and partitioned tables can, and not of temporary ones or those of the system.';
	ELSIF NOT has_table_privilege(joborch_internal.caller(), p_relation, 'TRIGGER') THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('permission denied for table %s', v_class.relname),
			DETAIL = 'on_change() makes triggers on it.',
			HINT = format('GRANT TRIGGER ON %s TO %I;', p_relation, joborch_internal.caller_name());
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.create_triggers(p_relation regclass, p_trigger_id bigint, p_events text[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_event text;
BEGIN
	FOREACH v_event IN ARRAY p_events LOOP
		EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s REFERENCING%s%s FOR EACH STATEMENT'
				' EXECUTE FUNCTION joborch_internal.change_fired(%L)',
			joborch_internal.trigger_name(p_trigger_id, v_event), v_event, p_relation,
			CASE WHEN v_event <> 'delete' THEN ' NEW TABLE AS joborch_new' END,
			CASE WHEN v_event <> 'insert' THEN ' OLD TABLE AS joborch_old' END, p_trigger_id);
		-- else DROP EXTENSION would be refused because of it
		EXECUTE format('ALTER TRIGGER %I ON %s DEPENDS ON EXTENSION joborch',
			joborch_internal.trigger_name(p_trigger_id, v_event), p_relation);
	END LOOP;
END
$$;

CREATE FUNCTION joborch_internal.remove_change_trigger(p_trigger joborch_internal.change_trigger) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_name text;
BEGIN
	FOR v_name IN
		SELECT t.tgname FROM pg_trigger t
		WHERE t.tgrelid = p_trigger.relation AND t.tgname = ANY (ARRAY(
			SELECT joborch_internal.trigger_name(p_trigger.trigger_id, e.event) FROM unnest(p_trigger.events) AS e (event)))
	LOOP
		EXECUTE format('DROP TRIGGER %I ON %s', v_name, p_trigger.relation);
	END LOOP;
	DELETE FROM joborch_internal.change_trigger c WHERE c.trigger_id = p_trigger.trigger_id;
END
$$;

CREATE FUNCTION joborch_internal.require_change_trigger(p_trigger joborch_internal.change_trigger) RETURNS void
LANGUAGE plpgsql STABLE AS $$
BEGIN
	IF p_trigger.trigger_id IS NULL OR NOT joborch.visible(p_trigger.owner, p_trigger.tenant) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'undefined_object',
			MESSAGE = 'there is no change trigger of this name',
			HINT = 'SELECT name FROM joborch.change_triggers;';
	ELSIF NOT joborch_internal.may_control(p_trigger.owner, p_trigger.tenant) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('permission denied for change trigger "%s"', p_trigger.name),
			DETAIL = format('It belongs to role "%s".', p_trigger.owner_name);
	END IF;
END
$$;

CREATE FUNCTION joborch_internal.change_events(p_events text[]) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
	v_events text[] := ARRAY(SELECT DISTINCT lower(e.event) FROM unnest(p_events) AS e (event) ORDER BY 1);
BEGIN
	IF cardinality(v_events) = 0 OR (v_events <@ '{insert,update,delete}') IS NOT TRUE THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'events must be some of insert, update and delete',
			DETAIL = format('They are %s.', coalesce(p_events::text, 'NULL'));
	END IF;
	RETURN v_events;
END
$$;

CREATE FUNCTION joborch_internal.on_change(p_relation regclass, p_job text, p_events text[], p_condition text, p_input text,
	p_mode text, p_debounce interval, p_name text, p_key text)
RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_job joborch_internal.job := joborch_internal.find_job(p_job);
	v_events text[] := joborch_internal.change_events(p_events);
	v_old joborch_internal.change_trigger;
	v_name text;
	v_trigger_id bigint;
BEGIN
	PERFORM joborch_internal.require_startable(v_job);
	PERFORM joborch_internal.require_table(p_relation);
	IF (p_mode IN ('each row', 'statement')) IS NOT TRUE THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = format('unknown mode "%s"', p_mode),
			HINT = 'Use ''each row'' (a run for each row that changed) or ''statement'' (a run for each statement).';
	ELSIF p_debounce <= interval '0' OR p_debounce > interval '1 year' THEN
		RAISE EXCEPTION USING
			ERRCODE = 'invalid_parameter_value',
			MESSAGE = 'debounce must be above zero, and a year at most',
			DETAIL = format('It is %s.', p_debounce);
	END IF;
	PERFORM joborch_internal.check_change(p_relation, e.event, p_mode = 'each row', p_condition, p_input, p_key)
	FROM unnest(v_events) AS e (event);
	v_name := coalesce(p_name, left(format('%s on %s', v_job.name, p_relation), 200));
	PERFORM joborch_internal.require_rule_name(v_name);

	DELETE FROM joborch_internal.change_trigger c WHERE NOT EXISTS (SELECT FROM pg_class r WHERE r.oid = c.relation);
	SELECT c.* INTO v_old FROM joborch_internal.change_trigger c WHERE c.name = v_name FOR UPDATE;
	IF FOUND THEN
		PERFORM joborch_internal.require_change_trigger(v_old);
		PERFORM joborch_internal.remove_change_trigger(v_old);
	END IF;
	INSERT INTO joborch_internal.change_trigger (name, relation, job_id, owner, owner_name, tenant, events, per_row, condition, input, key, debounce)
	VALUES (v_name, p_relation, v_job.job_id, joborch_internal.caller(), joborch_internal.caller_name(),
		nullif(current_setting('joborch.tenant', true), ''), v_events, p_mode = 'each row', p_condition, p_input, p_key, p_debounce)
	RETURNING trigger_id INTO v_trigger_id;
	PERFORM joborch_internal.create_triggers(p_relation, v_trigger_id, v_events);
	PERFORM joborch_internal.record('change_trigger_created', NULL, v_job.job_id, NULL, jsonb_strip_nulls(jsonb_build_object(
		'name', v_name, 'relation', p_relation::text, 'events', v_events, 'condition', p_condition)));
	RETURN v_trigger_id;
END
$$;

CREATE FUNCTION joborch.on_change(relation regclass, job text, events text[] DEFAULT '{insert,update,delete}', condition text DEFAULT NULL,
	input text DEFAULT NULL, mode text DEFAULT 'each row', debounce interval DEFAULT NULL, name text DEFAULT NULL, key text DEFAULT NULL)
RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.on_change(regclass, text, text[], text, text, text, interval, text, text)
IS 'starts a job for rows of a table that change, in the transaction that changes them; condition, input and key are SQL expressions over new and old';

CREATE FUNCTION joborch_internal.drop_on_change(p_name text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_trigger joborch_internal.change_trigger;
BEGIN
	SELECT c.* INTO v_trigger FROM joborch_internal.change_trigger c WHERE c.name = p_name FOR UPDATE;
	PERFORM joborch_internal.require_change_trigger(v_trigger);
	PERFORM joborch_internal.remove_change_trigger(v_trigger);
	PERFORM joborch_internal.record('change_trigger_dropped', NULL, v_trigger.job_id, NULL, jsonb_build_object('name', v_trigger.name));
END
$$;

CREATE FUNCTION joborch.drop_on_change(name text) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.drop_on_change(text) IS 'takes back on_change(); runs that were started by it go on';

CREATE VIEW joborch.change_triggers WITH (security_barrier) AS
SELECT c.trigger_id, c.name, c.relation, j.name AS job, c.events, CASE WHEN c.per_row THEN 'each row' ELSE 'statement' END AS mode,
	c.condition, c.input, c.key, c.debounce, c.owner_name AS owner, c.tenant, c.created_at,
	CASE
		WHEN NOT j.active THEN format('job "%s" is not active', j.name)
		WHEN (SELECT count(*) FROM pg_catalog.pg_trigger t
			WHERE t.tgrelid = c.relation AND t.tgenabled <> 'D' AND t.tgname LIKE 'joborch\_change\_' || c.trigger_id || '\_%') < cardinality(c.events)
			THEN 'a trigger is disabled or was dropped'
	END AS problem
FROM joborch_internal.change_trigger c
JOIN joborch_internal.job j ON j.job_id = c.job_id
JOIN pg_catalog.pg_class r ON r.oid = c.relation
WHERE joborch.visible(c.owner, c.tenant);
COMMENT ON VIEW joborch.change_triggers IS 'jobs that are started by changes of tables, see on_change()';
COMMENT ON COLUMN joborch.change_triggers.problem IS 'why it starts nothing; NULL: it does';
