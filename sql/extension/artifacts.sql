-- Artifacts: large outputs, and what steps and users keep as files.

-- ---- in C: src/artifactfuncs.c ----

CREATE FUNCTION joborch_internal.artifact_content(p_artifact_id bigint) RETURNS bytea
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_artifact_content';

CREATE FUNCTION joborch_internal.artifact_text(p_artifact_id bigint) RETURNS text
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_artifact_text';

CREATE FUNCTION joborch_internal.artifact_url(p_artifact_id bigint) RETURNS text
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_artifact_url';

CREATE FUNCTION joborch_internal.store_artifact(p_run_id bigint, p_owner oid, p_name text, p_content bytea,
	p_content_type text, p_storage text, p_compression text, p_expires_in interval) RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_store_artifact';

-- Whose it is, the caller has asked.
CREATE FUNCTION joborch_internal.remove_artifact(p_artifact_id bigint) RETURNS boolean
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_remove_artifact';

-- Files that belong to no row: of transactions that a crash ended.
CREATE FUNCTION joborch_internal.remove_lost_files(p_max integer, OUT deleted bigint, OUT bytes bigint)
LANGUAGE C VOLATILE STRICT AS 'MODULE_PATHNAME', 'joborch_remove_lost_files';

-- ---- reading ----

CREATE FUNCTION joborch.artifact_content(artifact_id bigint) RETURNS bytea
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.artifact_content(bigint) IS 'the content of an artifact in the database or the file system, decompressed';

CREATE FUNCTION joborch.artifact_text(artifact_id bigint) RETURNS text
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.artifact_text(bigint) IS 'the same as text, which it must be in UTF-8';

CREATE FUNCTION joborch.artifact_url(artifact_id bigint) RETURNS text
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.artifact_url(bigint) IS 'where an artifact is: file:// and its path, or the URL of its object in S3; NULL when it is in the database';

CREATE VIEW joborch.job_artifacts WITH (security_barrier) AS
SELECT a.artifact_id, a.run_id, a.step_name AS step, nullif(a.item, -1) AS item, a.type, a.name,
	CASE a.storage WHEN 'd' THEN 'database' WHEN 'f' THEN 'filesystem' WHEN 's' THEN 's3' END AS storage,
	a.path, a.size, a.content_type, a.sha256,
	CASE a.compression WHEN 'g' THEN 'gzip' ELSE 'none' END AS compression,
	a.created_at, nullif(a.expires_at, 'infinity') AS expires_at, a.complete,
	CASE
		WHEN a.todo = 'd' THEN 'deleting'
		WHEN NOT a.complete THEN 'writing'
		WHEN a.todo = 'm' THEN 'moving'
		ELSE 'stored'
	END AS state,
	a.stored_size, a.tries, a.next_try, a.error
FROM joborch_internal.artifact a
WHERE joborch.visible(a.owner, a.tenant);
COMMENT ON VIEW joborch.job_artifacts IS 'large outputs of steps, and what else is kept as a file: in the database, the file system or S3';
COMMENT ON COLUMN joborch.job_artifacts.storage IS 'where it is now; one with the state moving is on its way from the database to s3';
COMMENT ON COLUMN joborch.job_artifacts.path IS 'file below joborch.artifact_root, or URL of the object; NULL: in the database';
COMMENT ON COLUMN joborch.job_artifacts.size IS 'bytes of its content';
COMMENT ON COLUMN joborch.job_artifacts.sha256 IS 'digest of its content';
COMMENT ON COLUMN joborch.job_artifacts.expires_at IS 'deleted by cleanup_expired_artifacts() from then on, if its run is finished; NULL: never';
COMMENT ON COLUMN joborch.job_artifacts.complete IS 'false: is being written, or deleted';
COMMENT ON COLUMN joborch.job_artifacts.state IS 'writing, stored, moving (to s3), deleting (in s3)';
COMMENT ON COLUMN joborch.job_artifacts.stored_size IS 'bytes that it takes, compressed';
COMMENT ON COLUMN joborch.job_artifacts.tries IS 'how often moving or deleting was tried';
COMMENT ON COLUMN joborch.job_artifacts.error IS 'why the last try failed';

-- ---- storing ----

CREATE FUNCTION joborch_internal.put_artifact(p_run_id bigint, p_name text, p_content bytea, p_content_type text, p_storage text,
	p_compression text, p_expires_in interval) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_owner oid := joborch_internal.caller();
BEGIN
	IF p_run_id IS NOT NULL THEN
		v_owner := (joborch_internal.find_run_to_control(p_run_id)).owner;
	END IF;
	RETURN joborch_internal.store_artifact(p_run_id, v_owner, p_name, p_content, p_content_type, p_storage, p_compression, p_expires_in);
END
$$;

CREATE FUNCTION joborch.put_artifact(run_id bigint, name text, content bytea, content_type text DEFAULT NULL, storage text DEFAULT NULL,
	compression text DEFAULT NULL, expires_in interval DEFAULT NULL) RETURNS bigint
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.put_artifact(bigint, text, bytea, text, text, text, interval)
IS 'stores an artifact of a run, or with NULL of none, and returns its id';

-- ---- deleting ----

CREATE FUNCTION joborch_internal.delete_artifact(p_artifact_id bigint, p_reason text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_artifact joborch_internal.artifact;
BEGIN
	SELECT a.* INTO v_artifact FROM joborch_internal.artifact a WHERE a.artifact_id = p_artifact_id;
	IF v_artifact.artifact_id IS NULL OR v_artifact.todo = 'd' OR NOT joborch.visible(v_artifact.owner, v_artifact.tenant) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'JO043',
			MESSAGE = format('artifact %s does not exist', coalesce(p_artifact_id::text, 'NULL')),
			HINT = 'SELECT * FROM joborch.job_artifacts shows yours.';
	END IF;
	IF NOT joborch_internal.may_control(v_artifact.owner, v_artifact.tenant) THEN
		RAISE EXCEPTION USING
			ERRCODE = 'insufficient_privilege',
			MESSAGE = format('permission denied for artifact %s', p_artifact_id),
			DETAIL = format('It belongs to role "%s".', pg_get_userbyid(v_artifact.owner)),
			HINT = format('Only members of that role and of joborch_operator may: GRANT joborch_operator TO %I;',
				joborch_internal.caller_name());
	END IF;
	PERFORM joborch_internal.remove_artifact(p_artifact_id);
	PERFORM joborch_internal.record('artifact_deleted', v_artifact.run_id,
		(SELECT r.job_id FROM joborch_internal.run r WHERE r.run_id = v_artifact.run_id), p_reason,
		jsonb_build_object('artifact_id', p_artifact_id, 'name', v_artifact.name, 'size', v_artifact.size));
END
$$;

CREATE FUNCTION joborch.delete_artifact(artifact_id bigint, reason text DEFAULT NULL) RETURNS void
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.delete_artifact(bigint, text) IS 'deletes an artifact; its file goes with your commit, its object in S3 soon after';

-- Those of runs that are being deleted.
CREATE FUNCTION joborch_internal.forget_artifacts(p_run_ids bigint[]) RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
	PERFORM joborch_internal.remove_artifact(a.artifact_id) FROM joborch_internal.artifact a WHERE a.run_id = ANY (p_run_ids);
END
$$;

-- What a crash left half-written has a day as its time; what a run that is not finished may need stays.
CREATE FUNCTION joborch_internal.cleanup_expired_artifacts(p_max_rows integer)
RETURNS TABLE (deleted bigint, bytes bigint)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
	v_max integer := coalesce(p_max_rows, 1000);
	v_artifact record;
	v_lost record;
BEGIN
	deleted := 0;
	bytes := 0;
	IF pg_has_role(joborch_internal.caller(), 'joborch_operator', 'MEMBER') THEN
		SELECT f.deleted, f.bytes INTO v_lost FROM joborch_internal.remove_lost_files(v_max) AS f;
		deleted := deleted + v_lost.deleted;
		bytes := bytes + v_lost.bytes;
	END IF;
	FOR v_artifact IN
		SELECT a.artifact_id, a.stored_size FROM joborch_internal.artifact a
		WHERE a.expires_at <= joborch_internal.now() AND a.todo <> 'd' AND joborch_internal.may_control(a.owner, a.tenant)
			AND NOT (a.complete AND EXISTS (SELECT FROM joborch_internal.live l WHERE l.run_id = a.run_id))
		ORDER BY a.expires_at, a.artifact_id LIMIT v_max - deleted
		FOR UPDATE OF a SKIP LOCKED
	LOOP
		IF joborch_internal.remove_artifact(v_artifact.artifact_id) THEN
			deleted := deleted + 1;
			bytes := bytes + v_artifact.stored_size;
		END IF;
	END LOOP;
	IF deleted > 0 THEN
		PERFORM joborch_internal.record('artifacts_cleaned_up', NULL, NULL, NULL, jsonb_build_object('deleted', deleted, 'bytes', bytes));
	END IF;
	RETURN NEXT;
END
$$;

CREATE FUNCTION joborch.cleanup_expired_artifacts(max_rows integer DEFAULT 1000)
RETURNS TABLE (deleted bigint, bytes bigint)
LANGUAGE C VOLATILE AS 'MODULE_PATHNAME', 'joborch_call';
COMMENT ON FUNCTION joborch.cleanup_expired_artifacts(integer)
IS 'deletes artifacts whose time is over and what crashes left behind, at most max_rows of them; call it until it deletes nothing';

