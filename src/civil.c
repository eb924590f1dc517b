/*
 * civil.c
 *		Counts days and seconds of the Gregorian calendar.  A leaf.
 *
 * Years are counted from March inside, so that the leap day is a year's last one
 * and the months before it follow one formula; and from far below every
 * timestamp, so that no division sees a negative number.
 */
#include "civil.h"

#define ERA_YEARS 400			/* the calendar repeats */
#define ERA_DAYS 146097
#define ERAS_BEFORE 2500		/* of year 0: a million years */
#define MARCH_0_TO_2000 730425	/* days from 1 March of year 0 to 2000-01-01 */
#define WEEKDAY_OF_2000 6

/* Days from the first of March to the first of a month, counted from March as 0. */
static int
days_before(int month)
{
	return (153 * month + 2) / 5;
}

int64
jo_civil_day(int year, int month, int day)
{
	uint32		since_march = month < 3 ? month + 9 : month - 3;
	uint32		y = (uint32) (year - (month < 3) + ERAS_BEFORE * ERA_YEARS);
	int64		days = (int64) y * 365 + y / 4 - y / 100 + y / 400;

	return days + days_before(since_march) + day - 1 - MARCH_0_TO_2000 - (int64) ERAS_BEFORE * ERA_DAYS;
}

void
jo_civil_from_day(int64 number, int *year, int *month, int *day)
{
	uint64		days = (uint64) (number + MARCH_0_TO_2000 + (int64) ERAS_BEFORE * ERA_DAYS);
	uint32		era = (uint32) (days / ERA_DAYS);
	uint32		rest = (uint32) (days % ERA_DAYS);
	uint32		y = (rest - rest / 1460 + rest / 36524 - rest / 146096) / 365;
	uint32		m;

	rest -= 365 * y + y / 4 - y / 100;
	m = (5 * rest + 2) / 153;
	*day = (int) rest - days_before(m) + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = ((int) era - ERAS_BEFORE) * ERA_YEARS + (int) y + (m >= 10);
}

int
jo_civil_weekday(int64 number)
{
	int			weekday = (int) ((number + WEEKDAY_OF_2000) % 7);

	return weekday < 0 ? weekday + 7 : weekday;
}

int
jo_civil_month_days(int year, int month)
{
	if (month == 2)
		return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
	return month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

int64
jo_civil_seconds(const JoCivil *civil)
{
	return jo_civil_day(civil->year, civil->month, civil->day) * JO_SECONDS_PER_DAY +
		civil->hour * 3600 + civil->minute * 60 + civil->second;
}

void
jo_civil_from_seconds(int64 seconds, JoCivil *civil)
{
	int64		number = seconds / JO_SECONDS_PER_DAY;
	int			rest = (int) (seconds % JO_SECONDS_PER_DAY);

	if (rest < 0)
	{
		rest += JO_SECONDS_PER_DAY;
		number--;
	}
	jo_civil_from_day(number, &civil->year, &civil->month, &civil->day);
	civil->hour = rest / 3600;
	civil->minute = rest / 60 % 60;
	civil->second = rest % 60;
}

int
jo_civil_compare(const JoCivil *a, const JoCivil *b)
{
	if (a->year != b->year)
		return a->year < b->year ? -1 : 1;
	if (a->month != b->month)
		return a->month - b->month;
	if (a->day != b->day)
		return a->day - b->day;
	if (a->hour != b->hour)
		return a->hour - b->hour;
	if (a->minute != b->minute)
		return a->minute - b->minute;
	return a->second - b->second;
}
