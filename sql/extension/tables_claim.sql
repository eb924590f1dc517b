-- Work that programs outside claim.  A step of type external that waits is in exactly one
-- of offer and claim, until its worker has said how it ended.  Written by
-- src/store_claim.c with direct heap access, so what tables_run.sql says of the hot
-- tables holds here too; claims are also changed by claims.sql.

-- The offers of one queue that the same roles may claim.  Few rows, which stay.
CREATE TABLE joborch_internal.work_group (
	group_id bigint PRIMARY KEY,		-- a hash of queue, owner_name and tenant
	owner oid NOT NULL,			-- of the runs
	queue text NOT NULL,
	owner_name text NOT NULL,
	tenant text
);
CREATE INDEX work_group_queue ON joborch_internal.work_group (queue);

-- What nobody has claimed.  A row is inserted and deleted, never changed; those that were
-- deleted are behind a place that the library remembers, so they cost a claim nothing
-- even while somebody's old snapshot keeps them.
CREATE TABLE joborch_internal.offer (
	group_id bigint NOT NULL,
	offered_at timestamptz NOT NULL,
	run_id bigint NOT NULL,
	step integer NOT NULL,
	item integer NOT NULL,
	ord smallint NOT NULL,			-- priority: 0 critical .. 3 low
	lost smallint NOT NULL,			-- how often a claim on it expired in this attempt
	PRIMARY KEY (run_id, step, item)
);
CREATE INDEX offer_order ON joborch_internal.offer (group_id, ord, offered_at);

-- Who has a step in hand.  The token itself is known to its holder only.  The row goes
-- when the step's end is said, when the claim is given back, or with the step.
CREATE TABLE joborch_internal.claim (
	run_id bigint NOT NULL,
	group_id bigint NOT NULL,		-- 0: of a callback
	claimed_at timestamptz NOT NULL,
	lease bigint NOT NULL,			-- microseconds that it was asked for; 0: as long as the step waits
	step integer NOT NULL,
	item integer NOT NULL,
	attempt integer NOT NULL,
	ord smallint NOT NULL,			-- as in offer, when it is given back
	lost smallint NOT NULL,
	kind "char" NOT NULL,			-- e external, c callback of a network step
	token bytea NOT NULL,			-- SHA-256 of the token
	claimed_by text NOT NULL,		-- role
	worker text,				-- what it calls itself
	lease_until timestamptz,		-- NULL: has no end
	timer_due timestamptz,			-- of its timer 'l'
	PRIMARY KEY (token)
);
CREATE INDEX claim_step ON joborch_internal.claim (run_id, step, item);

-- What somebody else calls a step; stays as long as the run.
CREATE TABLE joborch_internal.external_ref (
	run_id bigint NOT NULL,
	step integer NOT NULL,			-- of a repeated one, the part that counts
	item integer NOT NULL,
	external_id text NOT NULL,
	PRIMARY KEY (run_id, step, item)
);
CREATE INDEX external_ref_id ON joborch_internal.external_ref (external_id);

-- Roles that may claim all steps of a queue, whoever owns their runs.
CREATE TABLE joborch_internal.queue_grant (
	queue text NOT NULL,
	role_name text NOT NULL,
	granted_by text NOT NULL,
	granted_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
	PRIMARY KEY (queue, role_name)
);
