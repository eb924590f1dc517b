/*
 * zone.c
 *		Local times by the server's time-zone library and its data.
 *
 * What the library is asked for is the span of time around an instant in which the
 * offset stays the same; everything else is computed from spans.  The last one of
 * each zone is kept, so a series of times asks about twice a year.
 */
#include "joborch.h"

#include "zone.h"

#include "clock.h"
#include "pgtime.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "zonename.h"

/* From the epoch of Unix to 2000-01-01. */
#define UNIX_SECONDS ((int64) (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY)

struct JoZone
{
	pg_tz	   *tz;				/* key of the table; the server keeps it for good */
	JoZoneSpan	last;
};

static HTAB *zones = NULL;

/* Asks the library. */
static void
read_span(pg_tz *tz, int64 second, JoZoneSpan *span)
{
	pg_time_t	at = second + UNIX_SECONDS;
	pg_time_t	boundary;
	long		before;
	long		after;
	int			before_isdst;
	int			after_isdst;
	int			found = pg_next_dst_boundary(&at, &before, &before_isdst, &boundary, &after, &after_isdst, tz);

	if (found < 0)
		elog(ERROR, "time zone \"%s\" has no local time for second " INT64_FORMAT, pg_get_timezone_name(tz), second);
	span->from = second;
	span->until = found > 0 ? boundary - UNIX_SECONDS : PG_INT64_MAX;
	span->offset = (int) before;
}

void
jo_zone_span(const JoZone *zone, int64 second, JoZoneSpan *span)
{
	/* the cache does not show outside */
	JoZoneSpan *last = &((JoZone *) zone)->last;

	if (second < last->from || second >= last->until)
		read_span(zone->tz, second, last);
	*span = *last;
}

/* ---- finding ---- */

/* A text of POSIX can say any offset; all that is computed here relies on a limit. */
static bool
is_near_greenwich(pg_tz *tz)
{
	pg_time_t	now = timestamptz_to_time_t(jo_clock_now());
	pg_time_t	boundary;
	long		before;
	long		after = 0;
	int			before_isdst;
	int			after_isdst;

	if (pg_next_dst_boundary(&now, &before, &before_isdst, &boundary, &after, &after_isdst, tz) < 0)
		return false;
	return labs(before) < JO_ZONE_MAX_OFFSET && labs(after) < JO_ZONE_MAX_OFFSET;
}

const JoZone *
jo_zone_look_up(const char *name, char **error, char **hint)
{
	pg_tz	   *tz;
	JoZone	   *zone;
	bool		found;

	if (!jo_zone_name_check(name, error, hint))
		return NULL;
	tz = pg_tzset(name);
	if (tz == NULL || !is_near_greenwich(tz))
	{
		jo_zone_name_explain(name, error, hint);
		return NULL;
	}
	if (!pg_tz_acceptable(tz))
	{
		*error = psprintf("time zone \"%s\" counts leap seconds, which PostgreSQL does not", name);
		*hint = pstrdup("Write the name without \"right/\".");
		return NULL;
	}
	if (zones == NULL)
	{
		HASHCTL		control = {.keysize = sizeof(pg_tz *), .entrysize = sizeof(JoZone), .hcxt = TopMemoryContext};

		zones = hash_create("joborch time zones", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	zone = hash_search(zones, &tz, HASH_ENTER, &found);
	if (!found)
		zone->last = (JoZoneSpan) {PG_INT64_MAX, PG_INT64_MIN, 0};
	return zone;
}

const JoZone *
jo_zone_find(const char *name)
{
	char	   *error;
	char	   *hint;
	const JoZone *zone = jo_zone_look_up(name, &error, &hint);

	if (zone == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg_internal("%s", error),
				 errhint("%s", hint)));
	return zone;
}

const char *
jo_zone_name(const JoZone *zone)
{
	return pg_get_timezone_name(zone->tz);
}

/* ---- times ---- */

/* Whole seconds, cut towards the past. */
static int64
whole_seconds(TimestampTz at)
{
	int64		second = at / USECS_PER_SEC;

	return at < 0 && at % USECS_PER_SEC != 0 ? second - 1 : second;
}

void
jo_zone_local(const JoZone *zone, TimestampTz at, JoCivil *local)
{
	int64		second = whole_seconds(at);
	JoZoneSpan	span;

	jo_zone_span(zone, second, &span);
	jo_civil_from_seconds(second + span.offset, local);
}

int64
jo_zone_first_second(const JoZone *zone, int64 local)
{
	int64		second = local - JO_ZONE_MAX_OFFSET;
	JoZoneSpan	span;

	/* the usual case: no change within a day or so */
	jo_zone_span(zone, local, &span);
	if (span.from <= second && span.until > local + JO_ZONE_MAX_OFFSET)
		return local - span.offset;
	for (;;)
	{
		jo_zone_span(zone, second, &span);
		if (local - span.offset < span.until)
			return Max(second, local - span.offset);
		second = span.until;
	}
}

TimestampTz
jo_zone_first_instant(const JoZone *zone, const JoCivil *local)
{
	return jo_zone_first_second(zone, jo_civil_seconds(local)) * USECS_PER_SEC;
}

int
jo_zone_instants(const JoZone *zone, const JoCivil *local, TimestampTz at[2], TimestampTz *gap_end)
{
	int64		wanted = jo_civil_seconds(local);
	int64		second = wanted - JO_ZONE_MAX_OFFSET;
	int			n = 0;
	JoZoneSpan	span;

	while (second <= wanted + JO_ZONE_MAX_OFFSET && n < 2)
	{
		int64		candidate;

		jo_zone_span(zone, second, &span);
		candidate = wanted - span.offset;
		if (candidate >= second && candidate < span.until)
			at[n++] = candidate * USECS_PER_SEC;
		second = span.until;
	}
	if (n == 0)
		*gap_end = jo_zone_first_instant(zone, local);
	return n;
}

bool
jo_zone_next_change(const JoZone *zone, TimestampTz after, TimestampTz *at, int *before, int *then)
{
	int64		second = whole_seconds(after);
	JoZoneSpan	span;
	JoZoneSpan	next;

	jo_zone_span(zone, second, &span);
	for (;;)
	{
		if (span.until >= END_TIMESTAMP / USECS_PER_SEC)
			return false;
		jo_zone_span(zone, span.until, &next);
		if (next.offset != span.offset)
			break;
		span = next;
	}
	*at = span.until * USECS_PER_SEC;
	if (before != NULL)
		*before = span.offset;
	if (then != NULL)
		*then = next.offset;
	return true;
}
