/*
 * zonewalk.c
 *		The next instant of a series of local times in a time zone.
 *
 * For fixed times the local time that a clock has shown at most up to now is what counts: the
 * next one is the first local time above it.  As no instant shows more before than
 * after, this cannot give a time twice or leave one out.  For those of every hour the spans of
 * equal offset are searched one after another.
 */
#include "joborch.h"

#include "zonewalk.h"

#define LAST_SECOND (END_TIMESTAMP / USECS_PER_SEC)
#define FIRST_SECOND (MIN_TIMESTAMP / USECS_PER_SEC + JO_SECONDS_PER_DAY)

/* Clocks are turned back by less than this. */
#define LONGEST_FOLD (2 * JO_ZONE_MAX_OFFSET)

#define HOUR 3600

/* The latest local time that a clock has shown up to an instant. */
static int64
highest_local(const JoZone *zone, int64 second)
{
	int64		highest = PG_INT64_MIN;
	JoZoneSpan	span;

	jo_zone_span(zone, second, &span);
	if (span.from <= second - LONGEST_FOLD)
		return second + span.offset;
	for (int64 at = second - LONGEST_FOLD; at <= second; at = span.until)
	{
		jo_zone_span(zone, at, &span);
		highest = Max(highest, Min(second, span.until - 1) + span.offset);
	}
	return highest;
}

/* The whole second to search behind; false: there is nothing behind it. */
static bool
begin_after(TimestampTz after, int64 *second)
{
	if (after >= END_TIMESTAMP)
		return false;
	*second = after < FIRST_SECOND * USECS_PER_SEC ? FIRST_SECOND : after / USECS_PER_SEC;
	if (after < *second * USECS_PER_SEC && *second > FIRST_SECOND)
		(*second)--;
	return true;
}

TimestampTz
jo_zone_next_fixed(const JoZone *zone, JoLocalNext next, const void *series, TimestampTz after)
{
	int64		second;
	int64		local;

	if (!begin_after(after, &second) ||
		!next(series, highest_local(zone, second), &local) || local >= LAST_SECOND)
		return DT_NOEND;
	second = jo_zone_first_second(zone, local);
	return second < LAST_SECOND ? second * USECS_PER_SEC : DT_NOEND;
}

TimestampTz
jo_zone_next_real(const JoZone *zone, JoLocalNext next, const void *series, TimestampTz after)
{
	JoZoneSpan	span;
	JoZoneSpan	then;
	int64		second;
	int64		local;

	if (!begin_after(after, &second))
		return DT_NOEND;
	jo_zone_span(zone, second, &span);
	while (next(series, second + span.offset, &local) && local < LAST_SECOND)
	{
		int			gap;

		if (local - span.offset < span.until)
			return (local - span.offset) * USECS_PER_SEC;
		if (span.until >= LAST_SECOND)
			break;
		jo_zone_span(zone, span.until, &then);
		gap = then.offset - span.offset;
		if (gap > 0 && gap % HOUR != 0 && local < span.until + then.offset)
			return span.until * USECS_PER_SEC;
		second = span.until - 1;
		span = then;
	}
	return DT_NOEND;
}
