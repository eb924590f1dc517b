/*
 * specical.c
 *		The only file that knows libical: days of a rule.
 *
 * A rule comes as a text that was checked and says nothing but days; the search begins at
 * the first day of the right year, month, week or of the right day itself, so that its cost does not
 * grow with the age of a rule.  libical's memory is its own (malloc): nothing here may
 * raise between making an iterator and freeing it.  libical knows no time zone here
 * and reads no file.
 */
#include "joborch.h"

#include "specparts.h"

#include <libical/ical.h>

/* How many intervals, of a length, have begun between two times; not below 0. */
static int64
whole_intervals(int64 distance, int64 length)
{
	return distance < 0 ? 0 : distance / length;
}

/* The first day of a period of the rule, at or before a day. */
static int64
find_base(const JoRule *rule, int64 from)
{
	int64		start = jo_spectime_day(rule->start);
	int			year;
	int			month;
	int			from_year;
	int			from_month;
	int			day;

	jo_civil_from_day(start, &year, &month, &day);
	jo_civil_from_day(from, &from_year, &from_month, &day);
	switch (rule->freq)
	{
		case JO_FREQ_DAILY:
			return start + whole_intervals(from - start, rule->interval) * rule->interval;
		case JO_FREQ_WEEKLY:
			start -= (jo_civil_weekday(start) - rule->week_start + 7) % 7;
			return start + whole_intervals(from - start, 7 * rule->interval) * 7 * rule->interval;
		case JO_FREQ_MONTHLY:
			month += (int) whole_intervals((from_year - year) * 12 + from_month - month, rule->interval) * rule->interval - 1;
			return jo_civil_day(year + month / 12, month % 12 + 1, 1);
		case JO_FREQ_YEARLY:
			return jo_civil_day(year + (int) whole_intervals(from_year - year, rule->interval) * rule->interval, 1, 1);
		default:
			return jo_civil_day(from_year, 1, 1);
	}
}

static struct icaltimetype
make_date(int64 day)
{
	struct icaltimetype date = icaltime_null_date();

	jo_civil_from_day(day, &date.year, &date.month, &date.day);
	return date;
}

int
jo_ical_days(const JoRule *rule, int64 from, int64 until, int64 *days, int max)
{
	struct icalrecurrencetype recurrence;
	icalrecur_iterator *iterator;
	int			n = 0;

	icalerror_set_errors_are_fatal(0);
	recurrence = icalrecurrencetype_from_string(rule->day_text);
	recurrence.until = make_date(until);
	iterator = icalrecur_iterator_new(recurrence, make_date(find_base(rule, from)));
	while (iterator != NULL && n < max)
	{
		struct icaltimetype next = icalrecur_iterator_next(iterator);
		int64		day;

		if (icaltime_is_null_time(next))
			break;
		day = jo_civil_day(next.year, next.month, next.day);
		if (day > until)
			break;
		if (day >= from && (n == 0 || day > days[n - 1]))
			days[n++] = day;
	}
	if (iterator != NULL)
		icalrecur_iterator_free(iterator);
	return n;
}
