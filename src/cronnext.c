/*
 * cronnext.c
 *		The next time of a cron expression, by sets of bits.  A leaf.
 *
 * Days are matched a month at a time: one word has a bit for each day.
 */
#include "cron.h"

/* The seven weekdays as bits, again and again. */
#define WEEKS (UINT64CONST(1) | UINT64CONST(1) << 7 | UINT64CONST(1) << 14 | UINT64CONST(1) << 21 | \
			   UINT64CONST(1) << 28 | UINT64CONST(1) << 35)

#define SATURDAY 6
#define SUNDAY 0

/* The bits above n; none above 31. */
#define above32(set, n) ((set) & ~((2u << (n)) - 1))
#define above64(set, n) ((set) & ~((UINT64CONST(2) << (n)) - 1))
#define lowest32(set) __builtin_ctz(set)
#define lowest64(set) __builtin_ctzll(set)

/* Of the days with these weekdays in a month that begins with the weekday first. */
static uint32
days_with_weekdays(uint32 weekdays, int first)
{
	return (uint32) ((weekdays * WEEKS) >> first << 1);
}

/* The day from Monday to Friday of the same month that is nearest to a day. */
static int
nearest_workday(int day, int length, int first)
{
	int			weekday = (first + day - 1) % 7;

	if (weekday == SATURDAY)
		return day == 1 ? 3 : day - 1;
	if (weekday == SUNDAY)
		return day == length ? day - 2 : day + 1;
	return day;
}

/* What the day field says beyond numbers. */
static uint32
special_days(const JoCron *cron, int length, int first)
{
	uint32		days = 0;

	for (uint32 rest = cron->from_last; rest != 0; rest &= rest - 1)
		if (lowest32(rest) < length)
			days |= 1u << (length - lowest32(rest));
	for (uint32 rest = cron->near_days; rest != 0; rest &= rest - 1)
		if (lowest32(rest) <= length)
			days |= 1u << nearest_workday(lowest32(rest), length, first);
	if (cron->last_workday)
	{
		int			weekday = (first + length - 1) % 7;

		days |= 1u << (length - (weekday == SATURDAY ? 1 : weekday == SUNDAY ? 2 : 0));
	}
	return days;
}

/* What the weekday field says beyond weekdays. */
static uint32
special_weekdays(const JoCron *cron, int length, int first)
{
	uint32		days = 0;

	if (cron->last_weekdays != 0)
		days |= days_with_weekdays(cron->last_weekdays, first) & ~((2u << (length - 7)) - 1);
	for (int nth = 1; nth <= 5; nth++)
		if (cron->nth_weekdays[nth] != 0)
			days |= days_with_weekdays(cron->nth_weekdays[nth], first) & (0xfeu << (7 * (nth - 1)));
	return days;
}

uint32
jo_cron_days(const JoCron *cron, int year, int month)
{
	int			length = jo_civil_month_days(year, month);
	int			first = jo_civil_weekday(jo_civil_day(year, month, 1));
	uint32		valid = ((2u << length) - 1) & ~1u;
	uint32		by_day = cron->days;
	uint32		by_weekday = days_with_weekdays(cron->weekdays, first);

	if (cron->from_last != 0 || cron->near_days != 0 || cron->last_workday)
		by_day |= special_days(cron, length, first);
	by_weekday |= special_weekdays(cron, length, first);
	return (cron->any_day || cron->any_weekday ? by_day & by_weekday : by_day | by_weekday) & valid;
}

/* The first time of day after that of t, false: none that day. */
static bool
advance_time(const JoCron *cron, JoCivil *t)
{
	uint64		rest;

	if ((cron->hours >> t->hour) & 1)
	{
		if ((cron->minutes >> t->minute) & 1)
		{
			rest = above64(cron->seconds, t->second);
			if (rest != 0)
			{
				t->second = lowest64(rest);
				return true;
			}
		}
		rest = above64(cron->minutes, t->minute);
		if (rest != 0)
		{
			t->minute = lowest64(rest);
			t->second = lowest64(cron->seconds);
			return true;
		}
	}
	rest = above32(cron->hours, t->hour);
	if (rest == 0)
		return false;
	t->hour = lowest64(rest);
	t->minute = lowest64(cron->minutes);
	t->second = lowest64(cron->seconds);
	return true;
}

static bool
begin_day(const JoCron *cron, JoCivil *t, uint32 days)
{
	t->day = lowest32(days);
	t->hour = lowest32(cron->hours);
	t->minute = lowest64(cron->minutes);
	t->second = lowest64(cron->seconds);
	return true;
}

static bool
next_interval(int every, const JoCivil *after, JoCivil *next)
{
	int64		seconds = jo_civil_seconds(after);
	int64		since = seconds % every;

	jo_civil_from_seconds(seconds - (since < 0 ? since + every : since) + every, next);
	return true;
}

bool
jo_cron_next(const JoCron *cron, const JoCivil *after, JoCivil *next)
{
	uint32		days;

	if (cron->every_seconds > 0)
		return next_interval(cron->every_seconds, after, next);
	if (cron->reboot)
		return false;
	*next = *after;
	if ((cron->months >> next->month) & 1)
	{
		days = jo_cron_days(cron, next->year, next->month);
		if (((days >> next->day) & 1) && advance_time(cron, next))
			return true;
		days = above32(days, next->day);
		if (days != 0)
			return begin_day(cron, next, days);
	}
	for (int i = 0; i < 12 * JO_CRON_MAX_YEARS + 12; i++)
	{
		if (++next->month > 12)
		{
			next->month = 1;
			next->year++;
		}
		if (!((cron->months >> next->month) & 1))
			continue;
		days = jo_cron_days(cron, next->year, next->month);
		if (days != 0)
			return begin_day(cron, next, days);
	}
	return false;
}
