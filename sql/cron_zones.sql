-- Cron expressions in time zones: examples, and a model in SQL for 16 zones over 10 years each.
SET client_min_messages = warning;
SET search_path = joborch_internal, public;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
\set VERBOSITY default

-- Berlin: at 02:00 the clock goes to 03:00, a fixed time fires at the end of the gap, and once
SELECT unnest(debug_cron('30 2 * * *', 'Europe/Berlin', '2026-03-28 00:00Z', 3)) AS fixed_in_the_gap;
SELECT unnest(debug_cron('*/20 1,2,3 29 3 *', 'Europe/Berlin', '2026-03-28 00:00Z', 7)) AS several_fall_together;
-- at 03:00 it goes back to 02:00: the first time
SELECT unnest(debug_cron('30 2 * * *', 'Europe/Berlin', '2026-10-24 00:00Z', 3)) AS fixed_in_the_fold;
-- every hour follows real time
SELECT unnest(debug_cron('30 * * * *', 'Europe/Berlin', '2026-03-28 23:45Z', 4)) AS every_hour_gap;
SELECT unnest(debug_cron('30 * * * *', 'Europe/Berlin', '2026-10-24 23:45Z', 4)) AS every_hour_fold;
-- every second hour is a list of fixed ones
SELECT unnest(debug_cron('0 */2 * * *', 'Europe/Berlin', '2026-03-28 22:30Z', 4)) AS every_second_hour;
-- Lord Howe: half an hour at 02:00; the turn of hour 2 comes at its half
SELECT at, debug_zone_local('Australia/Lord_Howe', at)
FROM unnest(debug_cron('0 * * * *', 'Australia/Lord_Howe', '2026-10-03 14:00Z', 4)) AS at;
SELECT at, debug_zone_local('Australia/Lord_Howe', at)
FROM unnest(debug_cron('15 1,2 * * *', 'Australia/Lord_Howe', '2026-10-03 14:00Z', 4)) AS at;
SELECT at, debug_zone_local('Australia/Lord_Howe', at)
FROM unnest(debug_cron('45 * * * *', 'Australia/Lord_Howe', '2026-04-04 13:50Z', 4)) AS at;
-- Apia had no 30 December 2011
SELECT at, debug_zone_local('Pacific/Apia', at)
FROM unnest(debug_cron('0 9 * * *', 'Pacific/Apia', '2011-12-28 12:00Z', 4)) AS at;
-- Havana: midnight is in the gap
SELECT at, debug_zone_local('America/Havana', at)
FROM unnest(debug_cron('@daily', 'America/Havana', '2026-03-07 00:00Z', 3)) AS at;
-- Kwajalein had no 21 August 1993
SELECT at, debug_zone_local('Pacific/Kwajalein', at)
FROM unnest(debug_cron('0 12 * * *', 'Pacific/Kwajalein', '1993-08-19 12:00Z', 4)) AS at;
-- seconds, whatever the zone; the ends of time
SELECT unnest(debug_cron('25 seconds', 'Europe/Berlin', '2026-10-25 00:59:50.5Z', 3)) AS seconds;
SELECT debug_cron('* * * * *', 'UTC', 'infinity') AS never, debug_cron('@reboot', 'UTC', '2026-01-01') AS reboot,
    debug_cron('0 0 1 1 *', 'UTC', '-infinity', 1) AS first, debug_cron('0 0 1 1 *', 'UTC', '294275-06-01') AS last;
-- strictly after, also within a second
SELECT debug_cron('0 0 * * *', 'UTC', '2026-01-01 00:00:00', 1), debug_cron('0 0 * * *', 'UTC', '2025-12-31 23:59:59.999999', 1),
    debug_cron('0 0 * * *', 'UTC', '1999-12-31 23:59:59.5', 1), debug_cron('0 0 * * *', 'UTC', '2026-01-01 00:00:00.000001', 1);

-- instants of a local time: two, none (then the end of the gap), one
SELECT debug_zone('Europe/Berlin', '2026-10-25 02:30'), debug_zone('Europe/Berlin', '2026-03-29 02:30'), debug_zone('Europe/Berlin', '2026-03-29 03:30');
SELECT debug_zone_change('Europe/Berlin', '2026-10-24'), debug_zone_change('Europe/Berlin', '2026-10-25 01:00'), debug_zone_change('Asia/Kolkata', '2026-01-01');

-- names
SELECT debug_zone_local('europe/BERLIN', '2026-01-01'), debug_zone_local('EST5EDT', '2026-01-01'), debug_zone_local('Etc/GMT+3', '2026-01-01'),
    debug_zone_local('CET-1CEST,M3.5.0,M10.5.0/3', '2026-01-01');
SELECT debug_zone_local('Europe/Belin', '2026-01-01');
SELECT debug_zone_local('Europe/New York', '2026-01-01');
SELECT debug_zone_local('Berlin', '2026-01-01');
SELECT debug_zone_local('Europe/Berlin2', '2026-01-01');
SELECT debug_zone_local('CEST', '2026-01-01');
SELECT debug_zone_local('', '2026-01-01');
SELECT debug_zone_local(repeat('x', 300), '2026-01-01');
SELECT debug_zone_local('UTC+3', '2026-01-01');
SELECT debug_zone_local('GMT-5', '2026-01-01');
SELECT debug_zone_local('+05:30', '2026-01-01');
SELECT debug_zone_local('+0530', '2026-01-01');
SELECT debug_zone_local('-8', '2026-01-01');
SELECT debug_zone_local('EST5', '2026-01-01');
SELECT debug_zone_local('ABC99DEF', '2026-01-01');
SELECT debug_zone_local('Etc/GMT+13', '2026-01-01');

-- The model.  Local times come from AT TIME ZONE alone, every minute around each change of the
-- offset.  A fixed time fires when the local clock shows it or more for the first time; with every
-- hour, whenever it shows it, and at the end of a gap of no whole hours.
CREATE TEMP TABLE zone (zone text, first timestamptz);
INSERT INTO zone VALUES ('Europe/Berlin', '2018-01-01'), ('America/New_York', '2018-01-01'), ('Australia/Lord_Howe', '2018-01-01'),
    ('Asia/Kolkata', '2018-01-01'), ('America/Sao_Paulo', '2010-01-01'), ('Antarctica/Troll', '2016-01-01'), ('Africa/Casablanca', '2013-01-01'),
    ('Asia/Tehran', '2013-01-01'), ('America/St_Johns', '2006-01-01'), ('Pacific/Chatham', '2018-01-01'), ('Pacific/Apia', '2009-01-01'), ('UTC', '2018-01-01'),
    ('America/Havana', '2018-01-01'), ('Asia/Beirut', '2016-01-01'), ('Asia/Pyongyang', '2012-01-01'), ('America/Caracas', '2007-06-01');

CREATE TEMP TABLE expression (expression text, hours int[], minutes int[], days int[], weekdays int[], either boolean, real_time boolean);
INSERT INTO expression VALUES
    ('30 2 * * *', '{2}', '{30}', NULL, NULL, false, false),
    ('*/15 0-3 * * *', '{0,1,2,3}', '{0,15,30,45}', NULL, NULL, false, false),
    ('@daily', '{0}', '{0}', NULL, NULL, false, false),
    ('7 */2 * * *', '{0,2,4,6,8,10,12,14,16,18,20,22}', '{7}', NULL, NULL, false, false),
    ('0 1,2,23 * * SUN,SAT', '{1,2,23}', '{0}', NULL, '{0,6}', false, false),
    ('0 1-3 20-31 * 0', '{1,2,3}', '{0}', '{20,21,22,23,24,25,26,27,28,29,30,31}', '{0}', true, false),
    ('0 0,2 */2 * 0', '{0,2}', '{0}', '{1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31}', '{0}', false, false),
    ('0 * * * *', NULL, '{0}', NULL, NULL, false, true),
    ('1,44 * * * *', NULL, '{1,44}', NULL, NULL, false, true),
    ('*/30 0-23 * * 0', NULL, '{0,30}', NULL, '{0}', false, true),
    ('*/15 * * * *', NULL, '{0,15,30,45}', NULL, NULL, false, true);

CREATE TEMP TABLE change AS
SELECT zone, row_number() OVER () AS change, exact - interval '100 minutes' AS first, exact + interval '4 hours' AS last
FROM (SELECT zone, at, at AT TIME ZONE zone - at AT TIME ZONE 'UTC' AS utcoffset,
        lag(at AT TIME ZONE zone - at AT TIME ZONE 'UTC') OVER (PARTITION BY zone ORDER BY at) AS before
    FROM zone, generate_series(first, first + interval '10 years', '12 hours') AS at) AS x,
    LATERAL (SELECT min(minute) AS exact FROM generate_series(at - interval '12 hours', at, '1 minute') AS minute
        WHERE minute AT TIME ZONE zone - minute AT TIME ZONE 'UTC' <> before) AS y
WHERE utcoffset <> before;

-- Each minute: what the clock shows, what it showed before, and the most that it ever showed.
CREATE TEMP TABLE clock AS
SELECT change, at, local, lag(local) OVER w AS before, max(local) OVER (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS most
FROM (SELECT change, at, at AT TIME ZONE zone AS local
    FROM change, generate_series(first, last, '1 minute') AS at) AS x
WINDOW w AS (PARTITION BY change ORDER BY at);

-- The local times that an instant stands for, by the two rules.
CREATE TEMP TABLE turn AS
SELECT change, at, real_time, extract(hour FROM nominal)::int AS hour, extract(minute FROM nominal)::int AS minute,
    extract(day FROM nominal)::int AS day, extract(dow FROM nominal)::int AS weekday
FROM (SELECT change, at, false AS real_time, generate_series(most + interval '1 minute', local, '1 minute') AS nominal FROM clock
    UNION ALL
    SELECT change, at, true, local FROM clock WHERE before IS NOT NULL
    UNION ALL
    SELECT change, at, true, generate_series(before + interval '1 minute', local - interval '1 minute', '1 minute') FROM clock
    WHERE extract(epoch FROM local - before - interval '1 minute')::int % 3600 <> 0) AS x;
CREATE INDEX ON turn (change, real_time);
ANALYZE turn;

CREATE TEMP TABLE compared AS
SELECT zone, expression, first, last, wanted.fires AS wanted,
    debug_cron(expression, zone, first, 2000, last) AS got
FROM change, expression, LATERAL (
    SELECT coalesce(array_agg(DISTINCT at ORDER BY at), '{}') AS fires FROM turn
    WHERE turn.change = change.change AND turn.real_time = expression.real_time
        AND (hours IS NULL OR hour = ANY (hours)) AND minute = ANY (minutes)
        AND CASE WHEN either THEN day = ANY (days) OR weekday = ANY (weekdays)
            ELSE (days IS NULL OR day = ANY (days)) AND (weekdays IS NULL OR weekday = ANY (weekdays)) END) AS wanted;

SELECT zone, count(change) > 0 AS changes, (SELECT bool_and(wanted = got) FROM compared WHERE compared.zone = zone.zone) AS as_the_model
FROM zone LEFT JOIN change USING (zone) GROUP BY zone ORDER BY zone;
SELECT zone, expression, wanted, got FROM compared WHERE wanted IS DISTINCT FROM got ORDER BY zone, expression, first LIMIT 10;
SELECT count(*) > 2000 AS many, sum(cardinality(wanted)) > 12000 AS fires FROM compared;
-- What is next does not depend on where one asks, within a fold neither.
SELECT count(*) AS different
FROM compared, generate_series(first, last, '29 minutes') AS asked
WHERE (debug_cron(expression, zone, asked, 1, last))[1] IS DISTINCT FROM (SELECT min(at) FROM unnest(wanted) AS at WHERE at > asked);

-- All ten years: far from the changes each day at its time, never two for a day, always growing.
CREATE TEMP TABLE daily AS
SELECT zone, n, at, lag(at) OVER (PARTITION BY zone ORDER BY n) AS before
FROM zone, unnest(debug_cron('30 2 * * *', zone, first, 100000, first + interval '10 years')) WITH ORDINALITY AS x(at, n);
SELECT count(*) FILTER (WHERE at <= before) AS not_growing,
    count(*) FILTER (WHERE at - before <> '24:00' AND NOT EXISTS (
        SELECT FROM change WHERE change.zone = daily.zone AND at BETWEEN change.first - interval '1 day' AND change.last + interval '1 day')) AS wrong_distance
FROM daily;
SELECT zone, day FROM zone, generate_series(first, first + interval '10 years' - interval '2 days', '1 day') AS day
WHERE NOT EXISTS (SELECT FROM change WHERE change.zone = zone.zone AND day BETWEEN change.first - interval '2 days' AND change.last + interval '1 day')
    AND NOT EXISTS (SELECT FROM daily WHERE daily.zone = zone.zone AND at = (day::date + time '02:30') AT TIME ZONE zone.zone
        AND at > first) AND (day::date + time '02:30') AT TIME ZONE zone.zone > first;
