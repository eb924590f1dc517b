-- Schedules: what the functions take and refuse, what the views show, runs that are started
-- by hand.  What the time does is in test/t/400_schedules.pl.
SET client_min_messages = warning;
SET timezone = 'UTC';
CREATE ROLE schedules_owner LOGIN;
CREATE ROLE schedules_other LOGIN;
SELECT joborch.grant_usage('schedules_owner'), joborch.grant_usage('schedules_other') \g /dev/null
RESET client_min_messages;
SET ROLE schedules_owner;

SELECT joborch.create_job('sched_report', '{
  "input": {"properties": {"day": {"type": "string", "format": "date"}, "n": {"type": "integer", "default": 7}}},
  "steps": [{"name": "say", "sql": "SELECT {{ schedule.name }}::text AS name, {{ schedule.date }}::date AS day, {{ input.n }}::int AS n"}]}') AS report \gset

-- ---- made ----
SELECT joborch.schedule('nightly', 'sched_report', cron => '30 3 * * *', timezone => 'europe/berlin', input => '{"n": 8}', tags => '{a,b}',
  description => 'each night', max_runs => 10, pause_after_failures => 3, priority => 'high', metadata => '{"team": "x"}') AS nightly \gset
SELECT joborch.schedule('often', 'sched_report', every => '15 minutes', jitter => '20 s', overlap => 'buffer_one', catchup => '2 hours') > 0 AS made;
SELECT joborch.schedule('once', 'sched_report', at => '2200-01-01 09:00+00') > 0 AS made;
SELECT joborch.schedule('fridays', 'sched_report', rrule => 'FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17;BYMINUTE=0;BYSECOND=0',
  exclude => '[{"from": "2200-07-01", "to": "2200-08-15"}]', starts_at => '2200-01-01', ends_at => '2200-12-31 12:00') > 0 AS made;
SELECT joborch.schedule('several', 'sched_report', specs => '[{"cron": "0 9 * * 1-5"}, {"cron": "0 12 * * 6,0"}]') > 0 AS made;
SELECT joborch.schedule_sql('vacuum', '0 4 * * 0', 'SELECT 1', timezone => 'America/New_York') > 0 AS made;
SELECT name, job, sql, regexp_replace(times, 'counted from .* \(', 'counted from T (') AS times, state, max_runs, pause_after_failures, overlap, catchup, timezone, jitter, priority, owner
FROM joborch.job_schedules ORDER BY name;
SELECT name, starts_at, ends_at, exclude, specs, input, tags, metadata, description, created_by FROM joborch.job_schedules
WHERE name IN ('nightly', 'fridays', 'several') ORDER BY name;
-- the next time is that of the zone
SELECT (next_fire_at AT TIME ZONE 'Europe/Berlin')::time AS berlin, next_fire_at > now() AS to_come FROM joborch.job_schedules WHERE name = 'nightly';
SELECT fire_at FROM joborch.upcoming_fires WHERE schedule = 'once';
SELECT count(*) BETWEEN 95 AND 97 AS times, bool_and(fire_at - nominal_at BETWEEN '0' AND '20 s') AS jitter FROM joborch.upcoming_fires WHERE schedule = 'often';

-- ---- made again: what is not given goes back to its default ----
SELECT joborch.schedule('nightly', 'sched_report', cron => '0 5 * * *') = :nightly AS same;
SELECT times, input, tags, max_runs, priority, timezone FROM joborch.job_schedules WHERE name = 'nightly';

-- ---- changed: what is not given stays ----
SELECT joborch.alter_schedule('nightly', timezone => 'Asia/Kolkata', input => '{"n": 9}', max_runs => 5, ends_at => '2300-01-01');
SELECT joborch.alter_schedule('nightly', new_name => 'nightly 2', overlap => 'allow_all', cron => '15 5 * * *', priority => 'low');
SELECT name, times, input, max_runs, overlap, priority, ends_at FROM joborch.job_schedules WHERE schedule_id = :nightly;
SELECT joborch.alter_schedule('nightly 2', unset => '{max_runs,ends_at,priority}');
SELECT name, times, max_runs, priority, ends_at, timezone FROM joborch.job_schedules WHERE schedule_id = :nightly;
SELECT joborch.alter_schedule('nightly 2', active => false);
SELECT state, next_fire_at FROM joborch.job_schedules WHERE schedule_id = :nightly;
SELECT joborch.alter_schedule('nightly 2', active => true, sql => 'SELECT 2');
SELECT state, next_fire_at > now() AS to_come, job, sql, owner FROM joborch.job_schedules WHERE schedule_id = :nightly;
SELECT joborch.alter_schedule('nightly 2', job => 'sched_report', new_name => 'nightly');

-- ---- paused and resumed ----
SELECT joborch.pause_schedule('nightly', 'holidays');
SELECT state, paused_reason, paused_at IS NOT NULL AS since, next_fire_at FROM joborch.job_schedules WHERE name = 'nightly';
SELECT regexp_replace(test.refused($$SELECT joborch.pause_schedule('nightly')$$), 'Since [^:]*:[^:]*:[^:]*:', 'Since T:');
-- a change does not resume it, and says so
DO $$ BEGIN PERFORM joborch.schedule('nightly', 'sched_report', cron => '1 5 * * *'); END $$;
SELECT joborch.resume_schedule('nightly');
SELECT state, paused_reason, next_fire_at > now() AS to_come FROM joborch.job_schedules WHERE name = 'nightly';
SELECT test.refused($$SELECT joborch.resume_schedule('nightly')$$);

-- ---- fired by hand ----
SELECT joborch.trigger_schedule('nightly', '{"n": 11}') AS run \gset
SELECT joborch.wait_for_run(:run, '10 s');
SELECT output #>> '{rows,0,name}' AS name, output #>> '{rows,0,n}' AS n, schedule, created_at - fire_at < '10 s' AS now, requested_by FROM joborch.job_runs WHERE run_id = :run;
SELECT schedule, outcome, reason, run_id = :run AS run, run_status, requested_by FROM joborch.job_schedule_fires;
SELECT runs, last_run_id = :run AS last FROM joborch.job_schedules WHERE name = 'nightly';
SELECT joborch.trigger_schedule('vacuum') AS run \gset
SELECT joborch.wait_for_run(:run, '10 s');
SELECT job, owner, schedule FROM joborch.job_runs WHERE run_id = :run;

-- ---- backfilled: one after another, in order ----
SELECT joborch.alter_schedule('nightly', cron => '0 * * * *', timezone => 'UTC');
SELECT count(*), min(outcome), max(run_id) FROM joborch.backfill_schedule('nightly', '2026-01-01 00:00', '2026-01-01 04:30', dry_run => true);
SELECT * FROM joborch.backfill_schedule('nightly', '2026-01-01 00:00', '2026-01-01 04:30');
SELECT test.poll($$SELECT count(*) = 5 FROM joborch.job_schedule_fires WHERE schedule = 'nightly' AND run_status = 'completed' AND requested_by = 'schedules_owner' AND fire_at < '2026-02-01'$$);
SELECT f.fire_at, f.outcome, r.output #>> '{rows,0,day}' AS day, f.run_id > lag(f.run_id) OVER w AS later, r.started_at >= lag(r.finished_at) OVER w AS after_it
FROM joborch.job_schedule_fires f JOIN joborch.job_runs r USING (run_id) WHERE f.fire_at < '2026-02-01' WINDOW w AS (ORDER BY f.fire_at) ORDER BY 1;
-- none twice
SELECT count(*) FROM joborch.backfill_schedule('nightly', '2026-01-01 00:00', '2026-01-01 04:30');
SELECT joborch.alter_schedule('nightly', overlap => 'allow_all');
SELECT outcome, count(*), count(run_id) FROM joborch.backfill_schedule('nightly', '2026-01-01 04:00', '2026-01-01 08:30') GROUP BY 1;
SELECT fire_at, schedule, job, outcome FROM joborch.schedule_calendar('2026-01-01 04:30', '2026-01-01 06:30');
SELECT outcome, count(*) > 100 AS many FROM joborch.schedule_calendar(now(), now() + interval '7 days') GROUP BY 1;

-- ---- what is refused ----
SELECT test.refused($$SELECT joborch.schedule('x', '0 3 * * *', cron => 'nightly')$$);
SELECT test.refused($$SELECT joborch.schedule('x', '@daily')$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_reprot', cron => '@daily')$$);
SELECT test.refused($$SELECT joborch.schedule('x', NULL, cron => '@daily')$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report')$$);
SELECT test.refused($$SELECT joborch.schedule('12', 'sched_report', cron => '@daily')$$);
SELECT test.refused($$SELECT joborch.schedule(NULL, 'sched_report', cron => '@daily')$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', cron => '61 * * * *')$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', cron => '0 0 30 2 *')$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', cron => '@daily', timezone => 'Europe/Berln')$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', every => '0')$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', every => '1 hour', anchor => 'finnish')$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', cron => '@daily', anchor => 'finish')$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', at => '2001-01-01')$$) LIKE '22023: schedule "x" would never fire%' AS never;
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', cron => '@daily', starts_at => '2300-01-02', ends_at => '2300-01-01')$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', cron => '@daily', max_runs => 0)$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', cron => '@daily', pause_after_failures => 0)$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', cron => '@daily', catchup => '-1 s')$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', cron => '@daily', overlap => 'skipp')$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', cron => '@daily', priority => 'top')$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', cron => '@daily', queue => 'nowhere')$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', cron => '@daily', input => '[1]')$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', cron => '@daily', input => '{"n": "many"}')$$);
SELECT test.refused($$SELECT joborch.schedule_sql('x', '@daily', NULL)$$);
SELECT test.refused($$SELECT joborch.schedule_sql('x', '@daily', 'SELECT {{ nothing }}')$$);
SELECT test.refused($$SELECT joborch.alter_schedule('nigthly', max_runs => 1)$$);
SELECT test.refused($$SELECT joborch.alter_schedule('nightly', unset => '{max_run}')$$);
SELECT test.refused($$SELECT joborch.alter_schedule('nightly', new_name => 'often')$$);
SELECT test.refused($$SELECT joborch.alter_schedule('nightly', input => '{"n": "many"}')$$);
SELECT test.refused($$SELECT joborch.alter_schedule('nightly', job => 'sched_report', sql => 'SELECT 1')$$);
SELECT test.refused($$SELECT joborch.trigger_schedule('nightly', '{"n": "many"}')$$);
SELECT test.refused($$SELECT joborch.backfill_schedule('nightly', '2026-01-02', '2026-01-01')$$);
SELECT test.refused($$SELECT joborch.backfill_schedule('nightly', '2025-01-01', '2026-01-01', 100)$$);
SELECT test.refused($$SELECT joborch.backfill_schedule('nightly', '2025-01-01', '2026-01-01', 0)$$);
SELECT test.refused($$SELECT joborch.backfill_schedule('nightly', NULL)$$) LIKE '22023: since must not be null%' AS refused;
SELECT test.refused($$SELECT * FROM joborch.schedule_calendar('2026-01-01', '2028-01-01')$$);
SELECT test.refused($$SELECT joborch.unschedule('nigthly')$$);

-- nothing of it is left
SELECT count(*) FROM joborch.job_schedules WHERE name = 'x';

-- ---- whose ----
SET ROLE schedules_other;
SELECT count(*) FROM joborch.job_schedules;
SELECT count(*) FROM joborch.job_schedule_fires;
SELECT count(*) FROM joborch.upcoming_fires;
SELECT test.refused($$SELECT joborch.pause_schedule('nightly')$$);
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', cron => '@daily')$$);
SELECT joborch.create_job('sched_other', '{"steps": [{"name": "a", "sql": "SELECT 1"}]}') > 0 AS made;
SELECT test.refused($$SELECT joborch.schedule('nightly', 'sched_other', cron => '@daily')$$);
RESET ROLE;

-- ---- jobs that change ----
SET ROLE schedules_owner;
SELECT joborch.alter_job('sched_report', new_name => 'sched_report 2') > 0 AS renamed;
SELECT DISTINCT job FROM joborch.job_schedules WHERE sql IS NULL;
SELECT joborch.alter_job('sched_report 2', new_name => 'sched_report', active => false) > 0 AS inactive;
SELECT test.refused($$SELECT joborch.schedule('x', 'sched_report', cron => '@daily')$$);
SELECT test.refused($$SELECT joborch.trigger_schedule('nightly')$$);
SELECT joborch.alter_job('sched_report', active => true) > 0 AS active;
-- runs that are under way would keep it
SELECT test.poll($$SELECT NOT EXISTS (SELECT FROM joborch.active_runs WHERE job = 'sched_report')$$);
SELECT joborch.drop_job('sched_report');
SELECT name, state, paused_reason FROM joborch.job_schedules WHERE name <> 'vacuum' ORDER BY name;
SELECT test.refused($$SELECT joborch.resume_schedule('nightly')$$);
SELECT joborch.create_job('sched_report', '{"steps": [{"name": "a", "sql": "SELECT 1"}]}') > 0 AS made;
SELECT joborch.alter_schedule('nightly', job => 'sched_report', active => true);
SELECT state, paused_reason FROM joborch.job_schedules WHERE name = 'nightly';

-- ---- triggers of visual definitions ----
SELECT joborch.create_job('sched_visual', '{
  "nodes": [{"id": "t", "type": "trigger.schedule", "data": {"cron_expression": "0 8 * * MON", "timezone": "Europe/Paris", "enabled": true}},
    {"id": "u", "type": "trigger.schedule", "data": {"cron_expression": "0 9 * * *"}},
    {"id": "v", "type": "trigger.schedule", "data": {"cron_expression": "at dawn"}},
    {"id": "f", "type": "trigger.file_watch", "data": {"watch_path": "/in/*.csv"}},
    {"id": "m", "type": "trigger.service_monitor", "data": {"service_name": "nginx", "check_interval_sec": 30}},
    {"id": "s", "type": "flow.start"},
    {"id": "a", "type": "data.transform", "data": {"transformation": "{{ input }}"}}],
  "edges": [{"source": "t", "target": "s"}, {"source": "u", "target": "s"}, {"source": "v", "target": "s"}, {"source": "f", "target": "s"}, {"source": "m", "target": "s"}, {"source": "s", "target": "a"}]}') > 0 AS made;
SELECT name, regexp_replace(times, 'counted from .* \(', 'counted from T (') AS times, state, paused_reason, description FROM joborch.job_schedules WHERE job = 'sched_visual' ORDER BY name;

-- ---- removed: what it did stays ----
SELECT joborch.unschedule('nightly');
SELECT count(*) FROM joborch.job_schedules WHERE name = 'nightly';
SELECT count(*) > 5 AS kept FROM joborch.job_schedule_fires WHERE schedule = 'nightly';
SELECT joborch.schedule('nightly', 'sched_report', cron => '@daily') <> :nightly AS another;

-- ---- said ----
SELECT type, reason, detail ->> 'schedule' AS schedule, detail -> 'fires' AS fires, ARRAY(SELECT jsonb_object_keys(detail -> 'changed') ORDER BY 1) AS changed FROM joborch.job_events
WHERE detail ->> 'schedule_id' = :'nightly' ORDER BY event_id;
SELECT joborch.unschedule(name) FROM joborch.job_schedules;
RESET ROLE;
SELECT * FROM joborch.check();
DROP ROLE schedules_owner, schedules_other;
