/*
 * clock.c
 *		The only clock of joborch; test builds can move it.
 */
#include "joborch.h"

#include "clock.h"
#include "shmem.h"
#include "utils/timestamp.h"

#define LOG_INTERVAL_USEC (60 * USECS_PER_SEC)

static TimestampTz held_at = 0;

void
jo_clock_hold(TimestampTz at)
{
	held_at = at;
}

TimestampTz
jo_clock_now(void)
{
	if (held_at != 0)
		return held_at;
#ifdef JOBORCH_TEST
	if (jo_shared != NULL)
		return GetCurrentTimestamp() + jo_shared->clock_offset;
#endif
	return GetCurrentTimestamp();
}

long
jo_clock_ms_until(TimestampTz when, long limit)
{
	return Min(TimestampDifferenceMilliseconds(jo_clock_now(), when), limit);
}

bool
jo_clock_may_log(TimestampTz *last, TimestampTz now)
{
	if (*last != 0 && now - *last < LOG_INTERVAL_USEC)
		return false;
	*last = now;
	return true;
}
