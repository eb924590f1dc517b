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

\ir helpers.sql
