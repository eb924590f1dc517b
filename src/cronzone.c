/*
 * cronzone.c
 *		The next instant of a cron expression in a time zone: which of the rules of
 *		zonewalk.h it follows.
 */
#include "joborch.h"

#include "cronzone.h"

#include "utils/timestamp.h"
#include "zonewalk.h"

static bool
next_local(const void *series, int64 after, int64 *next)
{
	JoCivil		civil;

	jo_civil_from_seconds(after, &civil);
	if (!jo_cron_next(series, &civil, &civil))
		return false;
	*next = jo_civil_seconds(&civil);
	return true;
}

/* "N seconds", of UTC. */
static TimestampTz
next_interval(const JoCron *cron, TimestampTz after)
{
	int64		interval = cron->every_seconds * USECS_PER_SEC;
	int64		since;

	after = Max(after, MIN_TIMESTAMP);
	since = after % interval;
	after += interval - (since < 0 ? since + interval : since);
	return after < END_TIMESTAMP ? after : DT_NOEND;
}

TimestampTz
jo_cron_next_in_zone(const JoCron *cron, const JoZone *zone, TimestampTz after)
{
	if (cron->reboot || after >= END_TIMESTAMP)
		return DT_NOEND;
	if (cron->every_seconds > 0)
		return next_interval(cron, after);
	if (cron->star_hour)
		return jo_zone_next_real(zone, next_local, cron, after);
	return jo_zone_next_fixed(zone, next_local, cron, after);
}
