/*
 * specevery.c
 *		Intervals: "every 15 minutes", "every month".
 *
 * Hours and less are real time: clocks that are changed do not matter.  Days and
 * months are counted on the local calendar, all from the beginning: a month after
 * 31 January is the end of February, two months after it is 31 March.
 */
#include "joborch.h"

#include "specparts.h"

#include "interval.h"
#include "zonewalk.h"

#define EVERY_HINT "Write an interval as '15 minutes', '1 day' or '1 month', or a number of seconds; at least 1 second."

/* In a hundred years no schedule is older. */
#define LONGEST_MONTHS 1200
#define LONGEST_DAYS 36525
#define LONGEST_USECS (INT64CONST(36525) * USECS_PER_DAY)

#define SECONDS_PER_MONTH 2629746	/* on average */

static bool
is_calendar(const JoEvery *every)
{
	return every->months != 0 || every->days != 0;
}

void
jo_every_read(const char *field, const char *text, JoEvery *every)
{
	Interval	interval;

	if (!jo_interval_read(text, &interval))
		jo_spec_refuse(field, "this is not an interval", text, EVERY_HINT);
	every->months = interval.month;
	every->days = interval.day;
	every->usecs = interval.time;
	if (interval.month <= 0 && interval.day <= 0 && interval.time <= 0)
		jo_spec_refuse(field, "the interval must be above 0", text, EVERY_HINT);
	if (interval.month < 0 || interval.day < 0 || interval.time < 0)
		jo_spec_refuse(field, "an interval with a negative part is no step in one direction", text, EVERY_HINT);
	if (!is_calendar(every) && every->usecs < USECS_PER_SEC)
		jo_spec_refuse(field, "the interval is shorter than 1 second", text, EVERY_HINT);
	if (is_calendar(every) && every->usecs % USECS_PER_SEC != 0)
		jo_spec_refuse(field, "an interval of days or months has whole seconds", text, EVERY_HINT);
	if (every->months > LONGEST_MONTHS || every->days > LONGEST_DAYS || every->usecs > LONGEST_USECS)
		jo_spec_refuse(field, "the interval is longer than 100 years", text, NULL);
}

void
jo_every_anchor(JoEvery *every, TimestampTz from, const JoZone *zone)
{
	every->from = from;
	every->from_local = jo_spectime_shown(zone, from);
}

/* The local time n steps after one. */
static int64
step_from(const JoEvery *every, int64 local, int64 n)
{
	JoCivil		civil;

	if (every->months != 0)
	{
		int64		month;

		jo_civil_from_seconds(local, &civil);
		month = (int64) civil.year * MONTHS_PER_YEAR + civil.month - 1 + n * every->months;
		civil.year = (int) (month / MONTHS_PER_YEAR);
		civil.month = (int) (month % MONTHS_PER_YEAR) + 1;
		civil.day = Min(civil.day, jo_civil_month_days(civil.year, civil.month));
		local = jo_civil_seconds(&civil);
	}
	return local + n * ((int64) every->days * SECS_PER_DAY + every->usecs / USECS_PER_SEC);
}

/* Of an interval with days or months. */
static bool
next_local(const void *series, int64 after, int64 *next)
{
	const JoEvery *every = series;
	int64		length = (int64) every->months * SECONDS_PER_MONTH + (int64) every->days * SECS_PER_DAY +
		every->usecs / USECS_PER_SEC;
	int64		n;

	if (after < every->from_local)
	{
		*next = every->from_local;
		return true;
	}
	/* months are not all as long as the average: look around */
	n = (after - every->from_local) / length;
	while (n > 0 && step_from(every, every->from_local, n) > after)
		n--;
	while (step_from(every, every->from_local, n) <= after)
		n++;
	*next = step_from(every, every->from_local, n);
	return true;
}

static TimestampTz
next_from_finish(const JoEvery *every, const JoZone *zone, TimestampTz after)
{
	if (after < every->from)
		return every->from;
	if (after >= END_TIMESTAMP - LONGEST_USECS * 3)
		return DT_NOEND;
	if (!is_calendar(every))
		return after + every->usecs;
	return jo_zone_first_second(zone, step_from(every, jo_spectime_shown(zone, after), 1)) * USECS_PER_SEC;
}

TimestampTz
jo_every_next(const JoEvery *every, const JoZone *zone, TimestampTz after)
{
	int64		n;

	if (every->finish)
		return next_from_finish(every, zone, after);
	if (is_calendar(every))
		return jo_zone_next_fixed(zone, next_local, every, after);
	if (after < every->from)
		return every->from;
	if (after >= END_TIMESTAMP - LONGEST_USECS)
		return DT_NOEND;
	/* the difference of two timestamps of our era fits */
	n = (after - every->from) / every->usecs + 1;
	return every->from + n * every->usecs;
}

/* ---- words ---- */

static void
add_words(StringInfo words, int64 number, const char *unit)
{
	if (number != 0)
		appendStringInfo(words, "%s" INT64_FORMAT " %s%s", words->len > 0 ? " " : "", number, unit, number == 1 ? "" : "s");
}

char *
jo_every_words(const JoEvery *every, bool leave_out_one)
{
	StringInfoData words;
	int64		rest = every->usecs;
	int			fraction = (int) (rest % USECS_PER_SEC);

	initStringInfo(&words);
	add_words(&words, every->months / MONTHS_PER_YEAR, "year");
	add_words(&words, every->months % MONTHS_PER_YEAR, "month");
	if (every->days % 7 == 0)
		add_words(&words, every->days / 7, "week");
	else
		add_words(&words, every->days, "day");
	add_words(&words, rest / USECS_PER_HOUR, "hour");
	rest %= USECS_PER_HOUR;
	add_words(&words, rest / USECS_PER_MINUTE, "minute");
	rest %= USECS_PER_MINUTE;
	if (fraction != 0)
	{
		appendStringInfo(&words, "%s%d.%06d", words.len > 0 ? " " : "", (int) (rest / USECS_PER_SEC), fraction);
		while (words.data[words.len - 1] == '0')
			words.data[--words.len] = '\0';
		appendStringInfoString(&words, " seconds");
	}
	else
		add_words(&words, rest / USECS_PER_SEC, "second");
	if (leave_out_one && strncmp(words.data, "1 ", 2) == 0 && strchr(words.data + 2, ' ') == NULL)
		return words.data + 2;
	return words.data;
}
