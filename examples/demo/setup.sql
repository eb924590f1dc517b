-- The tables that the job world_atlas fills, and two helpers of its steps.
CREATE SCHEMA atlas;

CREATE TABLE atlas.country (
	alpha_2 text PRIMARY KEY,
	alpha_3 text NOT NULL UNIQUE,
	name text NOT NULL,
	flag text
);
CREATE TABLE atlas.subdivision (
	code text PRIMARY KEY,
	country text NOT NULL,
	name text NOT NULL,
	type text NOT NULL
);
CREATE TABLE atlas.currency (
	alpha_3 text PRIMARY KEY,
	name text NOT NULL
);
CREATE TABLE atlas.language (
	alpha_3 text PRIMARY KEY,
	name text NOT NULL,
	scope text NOT NULL,
	type text NOT NULL
);
CREATE TABLE atlas.gazetteer (
	country text PRIMARY KEY,
	name text NOT NULL,
	subdivisions integer NOT NULL,
	commonest_type text,
	currency text
);

-- One of the JSON files of the package iso-codes.
CREATE FUNCTION atlas.iso_codes(standard text) RETURNS jsonb
LANGUAGE sql VOLATILE
RETURN pg_read_file('/usr/share/iso-codes/json/iso_' || standard || '.json')::jsonb -> standard;

-- A service that loses the connection at every other call.  A sequence is not
-- rolled back with the failed attempt, so the second one succeeds.
CREATE SEQUENCE atlas.calls;
CREATE FUNCTION atlas.ask_unreliable_service() RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	IF nextval('atlas.calls') % 2 = 1 THEN
		RAISE EXCEPTION 'the service closed the connection'
			USING ERRCODE = 'connection_failure', HINT = 'It does so at every other call.';
	END IF;
	RETURN 'pong';
END $$;
