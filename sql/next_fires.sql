-- What can be said about times: next_fires() and describe_schedule(), all kinds of specs.
SET client_min_messages = warning;
SET timezone = 'UTC';
SET datestyle = 'ISO, YMD';
SET intervalstyle = 'postgres';
\set VERBOSITY terse
\pset format unaligned
\pset fieldsep ' | '

-- ---- each kind ----
SELECT * FROM joborch.next_fires(cron => '30 9 * * 1-5', timezone => 'Europe/Berlin', after => '2027-03-25');
SELECT * FROM joborch.next_fires(cron => '*/20 * * * * *', after => '2027-03-25 10:00:00.5', n => 3);
SELECT * FROM joborch.next_fires(every => '15 minutes', after => '2027-03-25 10:07:03.5', n => 2);
SELECT * FROM joborch.next_fires(every => '900', after => '2027-03-25 10:07:03.5', n => 2);
SELECT * FROM joborch.next_fires(every => '1 month', starts_at => '2027-01-31 09:00', after => '2027-01-01', n => 4);
SELECT * FROM joborch.next_fires(every => '1 year', starts_at => '2028-02-29 09:00', after => '2027-01-01', n => 5);
SELECT * FROM joborch.next_fires(every => '1 month 1 day', starts_at => '2027-01-30 09:00', after => '2027-01-01', n => 4);
SELECT * FROM joborch.next_fires(every => '10 min', anchor => 'finish', after => '2027-03-25 10:00:30.25', n => 2);
SELECT * FROM joborch.next_fires(every => '10 min', anchor => 'finish', starts_at => '2027-03-26 10:00', after => '2027-03-25', n => 2);
SELECT * FROM joborch.next_fires('{"every": "1 day", "from": "2027-03-26T02:30"}', timezone => 'Europe/Berlin', after => '2027-03-26', n => 4);
SELECT * FROM joborch.next_fires('{"every": "24 hours", "from": "2027-03-26T02:30"}', timezone => 'Europe/Berlin', after => '2027-03-26', n => 4);
SELECT * FROM joborch.next_fires(at => '2027-01-31 10:07:03.5', after => '2027-01-01');
SELECT * FROM joborch.next_fires('{"at": ["2027-03-28T02:30", "2027-10-31 02:30", "2027-10-31T02:30:00+01:00", "2027-03-28T02:30", "20270101T000000Z"]}',
	timezone => 'Europe/Berlin', after => '2026-12-01');
SELECT * FROM joborch.next_fires(rrule => 'FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17', after => '2027-01-01', timezone => 'America/New_York', n => 3);
-- without a beginning, COUNT counts from now on; with starts_at, from there
SELECT * FROM joborch.next_fires(rrule => 'FREQ=DAILY;COUNT=3', after => '2027-05-05 12:00');
SELECT * FROM joborch.next_fires(rrule => 'FREQ=DAILY;COUNT=3', after => '2027-05-05 12:00', starts_at => '2027-06-01 07:30');
-- several, each time once
SELECT * FROM joborch.next_fires('[{"cron": "0 * * * *"}, {"every": "30 minutes", "from": "2027-01-01T00:00"}, {"at": "2027-01-01T00:10"}]',
	after => '2027-01-01', n => 6);
SELECT * FROM joborch.next_fires('{"cron": ["0 6 * * *", "0 18 * * *"], "timezone": "Asia/Kolkata"}', after => '2027-01-01', n => 3);
-- bounds include their ends
SELECT * FROM joborch.next_fires(cron => '0 * * * *', starts_at => '2027-01-01 10:00', ends_at => '2027-01-01 12:00', after => '2026-01-01');
SELECT count(*) FROM joborch.next_fires(cron => '@reboot');

-- ---- DST: a gap and a fold of each zone; fixed times, and those of every hour ----
SELECT z.zone, f.kind, string_agg(f.local_time, ', ' ORDER BY f.fire_at) AS fires
FROM (VALUES ('Europe/Berlin', timestamptz '2024-03-30 23:30Z', 2), ('Europe/Berlin', '2024-10-26 22:30Z', 2),
	('America/New_York', '2024-03-10 05:30Z', 2), ('America/New_York', '2024-11-03 04:30Z', 1),
	('Australia/Lord_Howe', '2024-10-05 14:00Z', 2), ('Australia/Lord_Howe', '2024-04-06 13:50Z', 1),
	('Australia/Sydney', '2024-10-05 14:30Z', 2), ('America/Sao_Paulo', '2018-11-04 01:30Z', 0),
	('America/Sao_Paulo', '2018-02-18 00:30Z', 23), ('Antarctica/Troll', '2023-03-26 00:00Z', 1),
	('Antarctica/Troll', '2023-10-28 23:30Z', 1), ('Asia/Kolkata', '2024-03-30 19:40Z', 2),
	('America/St_Johns', '2024-03-10 04:00Z', 2), ('Pacific/Chatham', '2024-04-06 12:30Z', 2),
	('Europe/Dublin', '2024-10-26 23:30Z', 1), ('Africa/Casablanca', '2023-04-23 00:30Z', 2),
	('Asia/Tehran', '2021-03-21 19:00Z', 0), ('America/Havana', '2024-03-10 03:30Z', 0)) AS z (zone, after, hour),
LATERAL (SELECT 'fixed' AS kind, n.* FROM joborch.next_fires(cron => format('30 %s * * *', z.hour), timezone => z.zone, after => z.after, n => 2) AS n
	UNION ALL
	SELECT 'rrule', n.* FROM joborch.next_fires(rrule => format('FREQ=DAILY;BYHOUR=%s;BYMINUTE=30', z.hour), timezone => z.zone, after => z.after, n => 2) AS n
	UNION ALL
	SELECT 'hourly', n.* FROM joborch.next_fires(cron => '30 * * * *', timezone => z.zone, after => z.after, n => 4) AS n) AS f
GROUP BY z.zone, z.after, f.kind ORDER BY z.zone, z.after, f.kind;

-- the three ways of saying a time of day agree in all zones and years, and so do those of every hour
SELECT z.zone,
	(SELECT array_agg(f.fire_at) FROM joborch.next_fires(cron => '30 2 * * *', timezone => z.zone, after => '2014-01-01', n => 4000) AS f) =
	(SELECT array_agg(f.fire_at) FROM joborch.next_fires(rrule => 'FREQ=DAILY;BYHOUR=2;BYMINUTE=30', timezone => z.zone, after => '2014-01-01', n => 4000) AS f) AS rule,
	(SELECT array_agg(f.fire_at) FROM joborch.next_fires(cron => '30 2 * * *', timezone => z.zone, after => '2014-01-01', n => 4000) AS f) =
	(SELECT array_agg(f.fire_at) FROM joborch.next_fires('{"every": "1 day", "from": "2013-12-01T02:30"}', timezone => z.zone, after => '2014-01-01', n => 4000) AS f) AS every,
	(SELECT array_agg(f.fire_at) FROM joborch.next_fires(cron => '*/20 * * * *', timezone => z.zone, after => '2018-01-01', n => 10000) AS f) =
	(SELECT array_agg(f.fire_at) FROM joborch.next_fires(rrule => 'FREQ=MINUTELY;INTERVAL=20', timezone => z.zone, after => '2018-01-01', n => 10000) AS f) AS real_time
FROM unnest(ARRAY['Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe', 'Asia/Kolkata', 'America/Sao_Paulo', 'Antarctica/Troll',
	'Africa/Casablanca', 'Europe/Dublin', 'Pacific/Chatham', 'America/St_Johns', 'Asia/Tehran', 'America/Havana', 'Pacific/Apia', 'UTC']) AS z (zone);

-- ---- rules: the examples of RFC 5545, 3.8.5.3, with the results that it lists ----
CREATE TEMP TABLE example (id integer, start text, rule text, listed text);
INSERT INTO example VALUES
(1, '19970902', 'FREQ=DAILY;COUNT=10', '1997 Sep 2-11'),
(2, '19970902', 'FREQ=DAILY;UNTIL=19971224T000000Z', '1997 Sep 2-30 Oct 1-31 Nov 1-30 Dec 1-23'),
(3, '19970902', 'FREQ=DAILY;INTERVAL=2', '1997 Sep 2,4,6,8,10,12,14,16,18,20,22,24,26,28,30 Oct 2,4,6,8,10,12,14,16,18,20,22,24,26,28,30 Nov 1,3'),
(4, '19970902', 'FREQ=DAILY;INTERVAL=10;COUNT=5', '1997 Sep 2,12,22 Oct 2,12'),
(5, '19980101', 'FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA', '1998 Jan 1-31 1999 Jan 1-31 2000 Jan 1-31'),
(6, '19980101', 'FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1', '1998 Jan 1-31 1999 Jan 1-31 2000 Jan 1-31'),
(7, '19970902', 'FREQ=WEEKLY;COUNT=10', '1997 Sep 2,9,16,23,30 Oct 7,14,21,28 Nov 4'),
(8, '19970902', 'FREQ=WEEKLY;UNTIL=19971224T000000Z', '1997 Sep 2,9,16,23,30 Oct 7,14,21,28 Nov 4,11,18,25 Dec 2,9,16,23'),
(9, '19970902', 'FREQ=WEEKLY;INTERVAL=2;WKST=SU', '1997 Sep 2,16,30 Oct 14,28 Nov 11,25 Dec 9,23 1998 Jan 6,20 Feb 3,17'),
(10, '19970902', 'FREQ=WEEKLY;UNTIL=19971007T000000Z;WKST=SU;BYDAY=TU,TH', '1997 Sep 2,4,9,11,16,18,23,25,30 Oct 2'),
(11, '19970902', 'FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH', '1997 Sep 2,4,9,11,16,18,23,25,30 Oct 2'),
(12, '19970901', 'FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR',
	'1997 Sep 1,3,5,15,17,19,29 Oct 1,3,13,15,17,27,29,31 Nov 10,12,14,24,26,28 Dec 8,10,12,22'),
(13, '19970902', 'FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH', '1997 Sep 2,4,16,18,30 Oct 2,14,16'),
(14, '19970905', 'FREQ=MONTHLY;COUNT=10;BYDAY=1FR', '1997 Sep 5 Oct 3 Nov 7 Dec 5 1998 Jan 2 Feb 6 Mar 6 Apr 3 May 1 Jun 5'),
(15, '19970905', 'FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR', '1997 Sep 5 Oct 3 Nov 7 Dec 5'),
(16, '19970907', 'FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU', '1997 Sep 7,28 Nov 2,30 1998 Jan 4,25 Mar 1,29 May 3,31'),
(17, '19970922', 'FREQ=MONTHLY;COUNT=6;BYDAY=-2MO', '1997 Sep 22 Oct 20 Nov 17 Dec 22 1998 Jan 19 Feb 16'),
(18, '19970928', 'FREQ=MONTHLY;BYMONTHDAY=-3', '1997 Sep 28 Oct 29 Nov 28 Dec 29 1998 Jan 29 Feb 26'),
(19, '19970902', 'FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15', '1997 Sep 2,15 Oct 2,15 Nov 2,15 Dec 2,15 1998 Jan 2,15'),
(20, '19970930', 'FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1', '1997 Sep 30 Oct 1,31 Nov 1,30 Dec 1,31 1998 Jan 1,31 Feb 1'),
(21, '19970910', 'FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15', '1997 Sep 10-15 1999 Mar 10-13'),
(22, '19970902', 'FREQ=MONTHLY;INTERVAL=2;BYDAY=TU', '1997 Sep 2,9,16,23,30 Nov 4,11,18,25 1998 Jan 6,13,20,27 Mar 3,10,17,24,31'),
(23, '19970610', 'FREQ=YEARLY;COUNT=10;BYMONTH=6,7',
	'1997 Jun 10 Jul 10 1998 Jun 10 Jul 10 1999 Jun 10 Jul 10 2000 Jun 10 Jul 10 2001 Jun 10 Jul 10'),
(24, '19970310', 'FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3',
	'1997 Mar 10 1999 Jan 10 Feb 10 Mar 10 2001 Jan 10 Feb 10 Mar 10 2003 Jan 10 Feb 10 Mar 10'),
(25, '19970101', 'FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200',
	'1997 Jan 1 Apr 10 Jul 19 2000 Jan 1 Apr 9 Jul 18 2003 Jan 1 Apr 10 Jul 19 2006 Jan 1'),
(26, '19970519', 'FREQ=YEARLY;BYDAY=20MO', '1997 May 19 1998 May 18 1999 May 17'),
(27, '19970512', 'FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO', '1997 May 12 1998 May 11 1999 May 17'),
(28, '19970313', 'FREQ=YEARLY;BYMONTH=3;BYDAY=TH', '1997 Mar 13,20,27 1998 Mar 5,12,19,26 1999 Mar 4,11,18,25'),
(29, '19970605', 'FREQ=YEARLY;BYDAY=TH;BYMONTH=6,7,8', '1997 Jun 5,12,19,26 Jul 3,10,17,24,31 Aug 7,14,21,28 1998 Jun 4,11,18,25 Jul 2,9,16,23,30 Aug 6,13,20,27'),
(30, '19970902', 'FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13', '1998 Feb 13 Mar 13 Nov 13 1999 Aug 13 2000 Oct 13'),
(31, '19970913', 'FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13',
	'1997 Sep 13 Oct 11 Nov 8 Dec 13 1998 Jan 10 Feb 7 Mar 7 Apr 11 May 9 Jun 13'),
(32, '19961105', 'FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8', '1996 Nov 5 2000 Nov 7 2004 Nov 2'),
(33, '19970904', 'FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3', '1997 Sep 4 Oct 7 Nov 6'),
(34, '19970929', 'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2', '1997 Sep 29 Oct 30 Nov 27 Dec 30 1998 Jan 29 Feb 26 Mar 30'),
(35, '19970805', 'FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO', '1997 Aug 5,10,19,24'),
(36, '19970805', 'FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU', '1997 Aug 5,17,19,31'),
(37, '20070115', 'FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5', '2007 Jan 15,30 Feb 15 Mar 15,30');

CREATE FUNCTION pg_temp.fires_of(start text, rule text, n integer) RETURNS SETOF timestamp LANGUAGE sql AS $$
	SELECT f.fire_at AT TIME ZONE 'America/New_York'
	FROM joborch.next_fires(rrule => format(E'DTSTART;TZID=America/New_York:%sT090000\nRRULE:%s', start, rule), after => '1990-01-01', n => n) AS f
$$;

-- "1997 Sep 2-11,13 Oct 1"
CREATE FUNCTION pg_temp.as_listed(days date[]) RETURNS text LANGUAGE sql AS $$
	WITH day AS (SELECT d, d - (row_number() OVER (ORDER BY d))::integer AS island FROM unnest(days) AS d),
	run AS (SELECT date_trunc('month', d) AS month, min(d) AS low, max(d) AS high FROM day GROUP BY island, 1),
	listed AS (SELECT month, string_agg(CASE WHEN high - low < 2 THEN concat_ws(',', extract(day FROM low), nullif(extract(day FROM high), extract(day FROM low)))
		ELSE extract(day FROM low) || '-' || extract(day FROM high) END, ',' ORDER BY low) AS text FROM run GROUP BY month)
	SELECT string_agg(CASE WHEN lag IS DISTINCT FROM extract(year FROM month) THEN extract(year FROM month) || ' ' ELSE '' END
		|| to_char(month, 'Mon ') || text, ' ' ORDER BY month)
	FROM (SELECT *, lag(extract(year FROM month)) OVER (ORDER BY month) AS lag FROM listed) AS l
$$;

-- those that differ: none
WITH got AS MATERIALIZED (
	SELECT e.*, (SELECT array_agg(f::date) FROM pg_temp.fires_of(e.start, e.rule, 200) AS f) AS days FROM example AS e)
SELECT g.id, g.rule, g.listed, pg_temp.as_listed(g.days) AS got FROM got AS g
WHERE pg_temp.as_listed(g.days) <> g.listed AND pg_temp.as_listed(g.days) NOT LIKE g.listed || '%';
-- those with an end have no more
SELECT count(*) FROM example AS e
WHERE e.rule ~ 'COUNT|UNTIL' AND pg_temp.as_listed((SELECT array_agg(f::date) FROM pg_temp.fires_of(e.start, e.rule, 200) AS f)) = e.listed;
SELECT count(*) FROM example AS e, LATERAL pg_temp.fires_of(e.start, e.rule, 100) AS f WHERE f::time <> '09:00';
-- those with times of day
SELECT rule, (SELECT string_agg(to_char(f, 'DD HH24:MI'), ', ') FROM pg_temp.fires_of('19970902', rule, 26) AS f) AS fires
FROM unnest(ARRAY['FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T210000Z', 'FREQ=MINUTELY;INTERVAL=15;COUNT=6', 'FREQ=MINUTELY;INTERVAL=90;COUNT=4',
	'FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40', 'FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,10,11,12,13,14,15,16']) AS rule;
-- in another frequency they are the same days
SELECT array_agg(f) = (SELECT array_agg(g) FROM pg_temp.fires_of('19970902', 'FREQ=MONTHLY;BYMONTHDAY=-2,7', 50) AS g)
FROM pg_temp.fires_of('19970902', 'FREQ=DAILY;BYMONTHDAY=-2,7', 50) AS f;
SELECT pg_temp.as_listed((SELECT array_agg(f::date) FROM pg_temp.fires_of('20181201', 'FREQ=YEARLY;BYWEEKNO=1,-1;BYDAY=MO,SU', 8) AS f)) AS weeks;
SELECT pg_temp.as_listed((SELECT array_agg(f::date) FROM pg_temp.fires_of('20200101', 'FREQ=YEARLY;BYMONTHDAY=31', 14) AS f)) AS last_days;

-- EXDATE and RDATE; zones of their own; UTC; folded lines
SELECT * FROM joborch.next_fires(rrule => E'DTSTART;TZID=America/New_York:20270101T090000\r\nRRULE:FREQ=DAILY;\r\n COUNT=5\r\nEXDATE;TZID=America/New_York:20270102T090000\r\n'
	'EXDATE;VALUE=DATE:20270104\r\nRDATE:20270110T120000Z', timezone => 'Europe/Berlin', after => '2026-12-01');
SELECT * FROM joborch.next_fires('{"rrule": "FREQ=DAILY;COUNT=4", "dtstart": "2027-03-27T02:30", "exdate": ["2027-03-28T02:30"], "rdate": "2027-06-01T08:00"}',
	timezone => 'Europe/Berlin', after => '2026-12-01');
SELECT * FROM joborch.next_fires(rrule => 'DTSTART:20270101T090000Z\nRRULE:FREQ=YEARLY', timezone => 'Asia/Tokyo', after => '2026-12-01', n => 2);

-- ---- what is left out ----
SELECT * FROM joborch.next_fires(cron => '0 9 * * *', after => '2027-12-23', n => 4, timezone => 'Europe/Berlin',
	exclude => '[{"cron": "* * 25,26 12 *"}, {"dates": ["2027-12-31"]}, {"from": "2027-12-28", "to": "2027-12-29"}]');
SELECT * FROM joborch.next_fires(cron => '0 9 * * *', after => '2027-04-29', n => 4, exclude => '{"rrule": "FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=1"}');
SELECT * FROM joborch.next_fires(cron => '0 9 * * *', after => '2027-04-29', n => 4, exclude => '{"rrule": "FREQ=WEEKLY;BYDAY=SA,SU"}');
-- every second, for a year left out
SELECT * FROM joborch.next_fires(cron => '1 seconds', after => '2027-01-01', n => 2, exclude => '{"from": "2027-01-01", "to": "2027-12-31"}');
SELECT * FROM joborch.next_fires(cron => '0 12 * * *', after => '2027-01-01', n => 2, exclude => '{"from": "2027-01-01T12:00", "to": "2027-01-03T12:00"}');
-- after a run's end: as soon as it may again
SELECT * FROM joborch.next_fires(every => '10 min', anchor => 'finish', after => '2027-03-25 21:55', n => 1, exclude => '{"cron": "* 22-23,0-5 * * *"}');
-- nothing remains
SELECT * FROM joborch.next_fires(cron => '* * * * *', exclude => '{"cron": "* * * * *"}');
SELECT * FROM joborch.next_fires(cron => '30 * * * *', exclude => '{"cron": "0-45 * * * *"}');
SELECT * FROM joborch.next_fires(cron => '30 12 * * *', exclude => '{"rrule": "FREQ=DAILY"}');
SELECT r, f.fire_at FROM unnest(ARRAY['FREQ=SECONDLY;INTERVAL=2;BYSECOND=1', 'FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30',
	'FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30', 'FREQ=WEEKLY;BYDAY=MO;BYSETPOS=2', 'FREQ=YEARLY;BYMONTHDAY=31;BYMONTH=4']) AS r,
	LATERAL joborch.next_fires(rrule => r, after => '2027-01-01') AS f;
SELECT * FROM joborch.next_fires(at => '2020-01-01');

-- ---- jitter ----
SELECT bool_and(n.fire >= n.nominal AND n.fire < n.nominal + interval '30 seconds') AS within, count(DISTINCT n.fire - n.nominal) AS different,
	round(avg(extract(epoch FROM n.fire - n.nominal))) AS mean, min(n.fire - n.nominal) < interval '1 second' AS low, max(n.fire - n.nominal) > interval '29 seconds' AS high
FROM generate_series(1, 1000) AS id, LATERAL joborch_internal.schedule_next('{"cron": "0 9 * * *", "jitter": "30 seconds"}', id, '2027-01-01') AS n;
SELECT fire FROM joborch_internal.schedule_next('{"cron": "0 9 * * *", "jitter": 30}', 1, '2027-01-01');
SELECT fire FROM joborch_internal.schedule_next('{"cron": "0 9 * * *", "jitter": 30}', 1, '2027-01-02');
SELECT fire = nominal AS none FROM joborch_internal.schedule_next('{"cron": "0 9 * * *"}', 1, '2027-01-02');

-- ---- what is stored ----
SELECT (joborch_internal.schedule_spec(spec, '2027-01-01 12:34:56.789')).canonical FROM (VALUES
	(jsonb '{"cron": "0 9 * * *"}'),
	('{"every": 900, "timezone": "europe/BERLIN"}'),
	('{"every": "1 day", "anchor": "finish", "starts_at": "2027-02-01T09:00", "jitter": "1 min"}'),
	('{"specs": [{"rrule": "FREQ=DAILY;COUNT=3"}, {"rrule": ["FREQ=HOURLY"], "exdate": "2027-01-05"}], "exclude": {"dates": "2027-12-25"}}')) AS v (spec);
-- again the same
SELECT (joborch_internal.schedule_spec(c.canonical, '2029-05-05')).canonical = c.canonical AS stable
FROM joborch_internal.schedule_spec('{"every": "1 day", "rrule": "FREQ=DAILY;COUNT=3", "at": "2027-05-05", "exclude": {"cron": "* * 1 * *"}}', '2027-01-01 12:34:56.789') AS c;

-- ---- words ----
SELECT joborch.describe_schedule(cron => '30 9 * * 1-5', timezone => 'Europe/Berlin', jitter => '30 s', starts_at => '2027-01-01', ends_at => '2028-01-01',
	exclude => '[{"cron": "* * 25 12 *"}, {"dates": ["2027-12-31"]}, {"from": "2027-07-01", "to": "2027-07-31"}, {"rrule": "FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=1"}]');
SELECT joborch.describe_schedule(jsonb_build_object('rrule', r, 'dtstart', '2027-01-01T09:00')) FROM unnest(ARRAY['FREQ=DAILY', 'FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=17',
	'FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;BYHOUR=9,17', 'FREQ=YEARLY;BYMONTH=11;BYDAY=4TH', 'FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=1,-1,-2;COUNT=4',
	'FREQ=HOURLY;BYMINUTE=0,30;BYDAY=SA,SU', 'FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;UNTIL=20281231', 'FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO',
	'FREQ=DAILY;BYHOUR=9,10,11;BYMINUTE=0,20,40', 'FREQ=YEARLY;BYYEARDAY=1,100,-1', 'FREQ=SECONDLY;INTERVAL=30', 'FREQ=YEARLY', 'FREQ=MONTHLY', 'FREQ=WEEKLY']) AS r;
SELECT joborch.describe_schedule(every => e::interval, starts_at => '2027-01-01 09:00') FROM unnest(ARRAY['1 day', '900', '2 weeks', '1 mon 2 days', '90 min', '1.5 s']) AS e;
SELECT joborch.describe_schedule(every => '10 min', anchor => 'finish', starts_at => '2027-01-01 09:00');
SELECT joborch.describe_schedule('[{"cron": "0 9 * * *"}, {"at": ["2027-01-01T09:00", "2027-02-01T09:00"]}]'::jsonb, timezone => 'Asia/Kolkata');
SELECT joborch.describe_schedule('{"cron": "@hourly"}');

-- ---- refused ----
\set VERBOSITY default
\set SHOW_CONTEXT never
SELECT joborch.next_fires(cron => '61 9 * * 1-5');
SELECT joborch.next_fires(cron => '30 2 30 2 *');
SELECT joborch.next_fires(cron => repeat('1,', 500));
SELECT joborch.next_fires(cron => '0 9 * * *', timezone => 'Europe/Berlim');
SELECT joborch.next_fires(cron => '0 9 * * *', n => 1000000000);
SELECT joborch.next_fires(cron => '0 9 * * *', n => 0);
SELECT joborch.next_fires(every => '-5 min');
SELECT joborch.next_fires(every => '0');
SELECT joborch.next_fires(every => '0.5 s');
SELECT joborch.next_fires(every => '1 month -1 day');
SELECT joborch.next_fires('{"every": "often"}'::jsonb);
SELECT joborch.next_fires('{"every": "1 day", "anchor": "middle"}'::jsonb);
SELECT joborch.next_fires('[{"every": "1 day", "anchor": "finish"}, {"cron": "0 9 * * *"}]'::jsonb);
SELECT joborch.next_fires('{"at": "tomorrow"}'::jsonb);
SELECT joborch.next_fires('{"at": ["2027-01-01", "2027-02-30T09:00"]}'::jsonb);
SELECT joborch.next_fires(cron => '0 9 * * *', starts_at => '2027-01-01', ends_at => '2026-01-01');
SELECT joborch.next_fires('{"cron": "0 9 * * *", "starts_at": "soon"}'::jsonb);
SELECT joborch.next_fires(cron => '0 9 * * *', jitter => '-1 s');
SELECT joborch.next_fires(cron => '0 9 * * *', jitter => '2 days');
SELECT joborch.next_fires();
SELECT joborch.next_fires('{"crn": "0 9 * * *"}'::jsonb);
SELECT joborch.next_fires('[{"cron": "0 9 * * *"}, {"dtstart": "2027-01-01"}]'::jsonb);
SELECT joborch.next_fires('[{"cron": "0 9 * * *"}, {"cron": "0 9 * * * * *"}]'::jsonb);
SELECT joborch.next_fires('[{"cron": 5}]'::jsonb);
SELECT joborch.next_fires(cron => '0 9 * * *', exclude => '{"dates": []}');
SELECT joborch.next_fires(cron => '0 9 * * *', exclude => '{"dates": ["2027-12-25T10:00"]}');
SELECT joborch.next_fires(cron => '0 9 * * *', exclude => '[{"from": "2027-02-01", "to": "2027-01-01"}]');
SELECT joborch.next_fires(cron => '0 9 * * *', exclude => '{"cron": "@reboot"}');
SELECT joborch.next_fires(cron => '0 9 * * *', exclude => '{"rrule": "FREQ=DAILY;INTERVAL=2"}');
SELECT joborch.next_fires(cron => '0 9 * * *', exclude => '{"cron": "* * * * *", "dates": "2027-01-01"}');

-- rules: what the RFC forbids; each says the part
CREATE FUNCTION pg_temp.refusal(rule text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	v_message text;
	v_hint text;
BEGIN
	PERFORM joborch.next_fires(rrule => rule, after => '2027-01-01', n => 1);
	RETURN 'taken';
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT, v_hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(' / ', v_message, nullif(v_hint, ''));
END
$$;
SELECT left(r, 60) AS rule, pg_temp.refusal(r) FROM unnest(ARRAY['', 'BYDAY=MO', 'FREQ=DALY', 'FREQ=FORTNIGHTLY', 'FREQ', 'FREQ=', 'FREQ=DAILY;;', 'FREQ=DAILY;FREQ=DAILY',
	'FREQ=DAILY;INTERVAL=0', 'FREQ=DAILY;INTERVAL=-1', 'FREQ=DAILY;INTERVAL=99999', 'FREQ=DAILY;INTERVAL=two', 'FREQ=DAILY;COUNT=0', 'FREQ=DAILY;COUNT=1000000',
	'FREQ=DAILY;COUNT=5;UNTIL=20280101', 'FREQ=DAILY;UNTIL=tomorrow', 'FREQ=DAILY;UNTIL=20271301', 'FREQ=WEEKLY;BYDAY=2MO', 'FREQ=DAILY;BYDAY=-1FR',
	'FREQ=MONTHLY;BYDAY=0MO', 'FREQ=MONTHLY;BYDAY=6MO', 'FREQ=YEARLY;BYDAY=54MO', 'FREQ=MONTHLY;BYDAY=XX', 'FREQ=MONTHLY;BYDAY=MO,', 'FREQ=YEARLY;BYWEEKNO=20;BYDAY=1MO',
	'FREQ=MONTHLY;BYWEEKNO=20', 'FREQ=YEARLY;BYWEEKNO=54', 'FREQ=MONTHLY;BYYEARDAY=100', 'FREQ=YEARLY;BYYEARDAY=0', 'FREQ=YEARLY;BYYEARDAY=367', 'FREQ=WEEKLY;BYMONTHDAY=13',
	'FREQ=MONTHLY;BYMONTHDAY=32', 'FREQ=MONTHLY;BYMONTHDAY=0', 'FREQ=YEARLY;BYMONTH=13', 'FREQ=YEARLY;BYMONTH=-1', 'FREQ=DAILY;BYHOUR=24', 'FREQ=DAILY;BYMINUTE=60',
	'FREQ=DAILY;BYSECOND=60', 'FREQ=DAILY;BYSETPOS=1', 'FREQ=MONTHLY;BYDAY=MO;BYSETPOS=0', 'FREQ=MONTHLY;BYDAY=MO;BYSETPOS=367', 'FREQ=DAILY;WKST=XX', 'FREQ=DAILY;BYDEY=MO',
	'FREQ=DAILY;RSCALE=GREGORIAN', 'FREQ=YEARLY;BYMONTHDAY=13;BYDAY=1FR', 'DTSTART:20270101T090000', E'RRULE:FREQ=DAILY\nRRULE:FREQ=WEEKLY',
	E'DTSTART;TZID=Europe/Berlim:20270101T090000\nRRULE:FREQ=DAILY', E'DTSTART;X=1:20270101T090000\nRRULE:FREQ=DAILY', E'DTSTART;VALUE=DATE:20270101T090000\nRRULE:FREQ=DAILY',
	E'DTSTART:20270131T090000\nRRULE:FREQ=DAILY;UNTIL=20270101', E'RRULE:FREQ=DAILY\nEXRULE:FREQ=WEEKLY', E'BEGIN:VEVENT\nRRULE:FREQ=DAILY', E'RRULE:FREQ=DAILY\nEXDATE:never',
	'FREQ=DAILY;BYHOUR=' || repeat('1,', 5000) || '1', repeat('x', 1000), 'freq=daily;byhour=9']) AS r;
