-- What tests call to stop, break and move processes; needs the extension and a
-- library built with JOBORCH_TEST=1.  The points are listed in src, by
-- JO_DEBUG_POINT("name").

-- The next count passes of the point do it: wait, error, kill, exit or abort.
CREATE FUNCTION joborch_internal.debug_arm(name text, action text, count integer DEFAULT 1)
RETURNS void LANGUAGE c STRICT AS 'joborch', 'joborch_debug_arm';

-- Disarms the point and lets go who waits there.
CREATE FUNCTION joborch_internal.debug_release(name text)
RETURNS void LANGUAGE c STRICT AS 'joborch', 'joborch_debug_release';

-- How many processes wait at the point.
CREATE FUNCTION joborch_internal.debug_waiting(name text)
RETURNS integer LANGUAGE c STRICT VOLATILE AS 'joborch', 'joborch_debug_waiting';

-- Releases all points.
CREATE FUNCTION joborch_internal.debug_clear()
RETURNS void LANGUAGE c STRICT AS 'joborch', 'joborch_debug_clear';

-- The caller itself comes by the point: for steps that stop or die in their own SQL.
CREATE FUNCTION joborch_internal.debug_pass(name text)
RETURNS void LANGUAGE c STRICT VOLATILE AS 'joborch', 'joborch_debug_pass';

-- Joborch's clock is the server's plus this.
CREATE FUNCTION joborch_internal.debug_clock(shift interval)
RETURNS void LANGUAGE c STRICT AS 'joborch', 'joborch_debug_clock';

-- The libcurl client of this session: each request of an array, all at a time.  Without
-- "rules" they may reach this machine.
CREATE FUNCTION joborch_internal.debug_fetch(requests jsonb, per_host integer DEFAULT 0, total integer DEFAULT 0, anew boolean DEFAULT false)
RETURNS TABLE (n integer, result text, status integer, message text, body text, headers text, url text, address text, redirects integer,
    received bigint, sent bigint, reused boolean, times_full integer, times_hungry integer, elapsed_ms double precision, refused_host text)
LANGUAGE c STRICT VOLATILE AS 'joborch', 'joborch_debug_fetch';

-- One request many times, so many at a time; memory is the largest that the process ever had, in kB.
CREATE FUNCTION joborch_internal.debug_fetch_load(request jsonb, count integer, concurrency integer)
RETURNS TABLE (seconds double precision, cpu double precision, good integer, bad integer, memory bigint)
LANGUAGE c STRICT VOLATILE AS 'joborch', 'joborch_debug_fetch_load';

-- Asks the egress rules as the courier does, by the rules of now or those that are held: the rule
-- that lets it through.  An address is that which was about to be connected.
CREATE FUNCTION joborch_internal.debug_egress(role regrole, scheme text, host text, port integer DEFAULT NULL, address text DEFAULT NULL,
    insecure boolean DEFAULT false, held boolean DEFAULT false)
RETURNS bigint LANGUAGE c VOLATILE AS 'joborch', 'joborch_debug_egress';

-- Holds the rules of now, as a transfer does; NULL lets go of them.
CREATE FUNCTION joborch_internal.debug_egress_hold(role regrole)
RETURNS void LANGUAGE c VOLATILE AS 'joborch', 'joborch_debug_egress_hold';

-- Makes a row of what was refused last; false when nothing was.
CREATE FUNCTION joborch_internal.debug_egress_record(run_id bigint, step text, item integer DEFAULT -1)
RETURNS boolean LANGUAGE c VOLATILE AS 'joborch', 'joborch_debug_egress_record';

-- What a step of a role gets for {{ expression }} with a secret, or what is kept of the
-- answer to such a step.
CREATE FUNCTION joborch_internal.debug_secret(role oid, expression text, answer jsonb DEFAULT NULL, allowed boolean DEFAULT true)
RETURNS jsonb LANGUAGE c VOLATILE AS 'joborch', 'joborch_debug_secret';
CREATE FUNCTION joborch_internal.debug_secret_text(role oid, expression text, answer text)
RETURNS text LANGUAGE c STRICT VOLATILE AS 'joborch', 'joborch_debug_secret_text';

-- Instants of a cron expression in a time zone; the expression in plain words; next times a second.
CREATE FUNCTION joborch_internal.debug_cron(expression text, zone text, after timestamptz, n integer DEFAULT 5, until timestamptz DEFAULT 'infinity')
RETURNS timestamptz[] LANGUAGE c STRICT VOLATILE AS 'joborch', 'joborch_debug_cron';
CREATE FUNCTION joborch_internal.debug_cron_text(expression text)
RETURNS text LANGUAGE c STRICT VOLATILE AS 'joborch', 'joborch_debug_cron_text';
CREATE FUNCTION joborch_internal.debug_cron_speed(expression text, zone text DEFAULT 'Europe/Berlin', n integer DEFAULT 1000000)
RETURNS double precision LANGUAGE c STRICT VOLATILE AS 'joborch', 'joborch_debug_cron_speed';

-- The instants of a local time, or infinity and the end of the gap; the local time of an
-- instant; the next change of the offset.
CREATE FUNCTION joborch_internal.debug_zone(zone text, local timestamp)
RETURNS timestamptz[] LANGUAGE c STRICT VOLATILE AS 'joborch', 'joborch_debug_zone';
CREATE FUNCTION joborch_internal.debug_zone_local(zone text, at timestamptz)
RETURNS timestamp LANGUAGE c STRICT VOLATILE AS 'joborch', 'joborch_debug_zone_local';
CREATE FUNCTION joborch_internal.debug_zone_change(zone text, after timestamptz)
RETURNS timestamptz LANGUAGE c STRICT VOLATILE AS 'joborch', 'joborch_debug_zone_change';

\ir helpers.sql
