/*
 * interval.c
 *		Intervals from texts, by the server's own decoder.
 *
 * Not through interval_in(), which raises: who reads a definition collects what is
 * wrong and must not need a sub-transaction for it.
 */
#include "joborch.h"

#include "interval.h"

#include "common/int.h"
#include "utils/datetime.h"

bool
jo_interval_read(const char *text, Interval *interval)
{
	struct pg_itm_in parts;
	char	   *field[MAXDATEFIELDS];
	int			ftype[MAXDATEFIELDS];
	char		work[256];
	char		iso[256];
	int			nfields;
	int			type = DTK_DELTA;
	int			error;

	memset(&parts, 0, sizeof(parts));
	error = ParseDateTime(text, work, sizeof(work), field, ftype, MAXDATEFIELDS, &nfields);
	if (error == 0)
		error = DecodeInterval(field, ftype, nfields, INTERVAL_FULL_RANGE, &type, &parts);
	if (error == DTERR_BAD_FORMAT)
	{
		if (strlcpy(iso, text, sizeof(iso)) >= sizeof(iso))
			return false;
		memset(&parts, 0, sizeof(parts));
		error = DecodeISO8601Interval(iso, &type, &parts);
	}
	return error == 0 && type == DTK_DELTA && itmin2interval(&parts, interval) == 0;
}

bool
jo_interval_microseconds(const Interval *interval, int64 *microseconds)
{
	int64		days;

	/* neither of the two products can overflow */
	days = (int64) interval->month * DAYS_PER_MONTH + interval->day;
	return !pg_mul_s64_overflow(days, USECS_PER_DAY, &days) &&
		!pg_add_s64_overflow(days, interval->time, microseconds);
}
