-- Large outputs.  Written by src/store_artifact.c with direct heap access, so what
-- tables_run.sql says of the hot tables holds here too.

CREATE SEQUENCE joborch_internal.artifact_id_seq;

-- One row per artifact; one whose object in S3 is still to be deleted stays until it is.
CREATE TABLE joborch_internal.artifact (
	artifact_id bigint NOT NULL,
	created_at timestamptz NOT NULL,
	expires_at timestamptz NOT NULL,	-- 'infinity': never
	size bigint NOT NULL,			-- bytes of the content
	stored_size bigint NOT NULL,		-- the same as it is stored
	owner oid NOT NULL,
	step integer NOT NULL,			-- -1: of no step
	item integer NOT NULL,			-- -1: of no item
	tries integer NOT NULL,			-- of what todo says
	storage "char" NOT NULL,		-- d database, f filesystem, s s3
	todo "char" NOT NULL,			-- - nothing, m to be moved to s3, d to be deleted there
	compression "char" NOT NULL,		-- - none, g gzip
	complete boolean NOT NULL,		-- false: is being written, or is to be deleted
	name text NOT NULL,
	type text NOT NULL,			-- output, response, file, attachment, ...
	content_type text NOT NULL,
	run_id bigint,				-- NULL: of no run
	next_try timestamptz,			-- when the courier does what todo says
	step_name text,
	tenant text,
	path text,				-- a file below joborch.artifact_root; the object's URL
	sha256 text,				-- of the content, in hexadecimal digits
	stored_sha256 text,			-- of what is stored, if that is not the same
	error text,				-- why the last try failed
	PRIMARY KEY (artifact_id)
);
CREATE INDEX artifact_run ON joborch_internal.artifact (run_id, artifact_id) WHERE run_id IS NOT NULL;
CREATE INDEX artifact_todo ON joborch_internal.artifact (next_try, artifact_id) WHERE next_try IS NOT NULL;
CREATE INDEX artifact_expires ON joborch_internal.artifact (expires_at);

-- What is stored in the database, in pieces of 256 kB (JO_ARTIFACT_CHUNK).  Compressing them
-- again would only cost time.
CREATE TABLE joborch_internal.artifact_chunk (
	artifact_id bigint NOT NULL,
	chunk integer NOT NULL,			-- from 0
	data bytea NOT NULL,
	PRIMARY KEY (artifact_id, chunk)
);
ALTER TABLE joborch_internal.artifact_chunk ALTER COLUMN data SET STORAGE EXTERNAL;

