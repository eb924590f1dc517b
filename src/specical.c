/*
 * specical.c
 *		The only file that knows libical: days of a rule.
 *
 * A rule comes as a text that was checked and says nothing but days.  The search begins with the
 * year, month or week of the first day that is wanted, so that its cost does not grow with the age of
 * a rule, and INTERVAL is counted here: libical miscounts weeks that do not begin
 * with DTSTART.  libical's memory is its own (malloc): nothing here may raise between making an
 * iterator and freeing it.  libical knows no time zone here and reads no file.
 */
#include "joborch.h"

#include "specparts.h"

#include <libical/ical.h>

/* The number of a day's period, from the one of DTSTART; below 0 before it. */
static int64
number_of_period(const JoRule *rule, int64 day)
{
	int64		start = jo_spectime_day(rule->start);
	int			year;
	int			month;
	int			day_year;
	int			day_month;
	int			number;

	jo_civil_from_day(start, &year, &month, &number);
	jo_civil_from_day(day, &day_year, &day_month, &number);
	switch (rule->freq)
	{
		case JO_FREQ_DAILY:
			return day - start;
		case JO_FREQ_WEEKLY:
			start -= (jo_civil_weekday(start) - rule->week_start + 7) % 7;
			return (day - start - (day < start ? 6 : 0)) / 7;
		case JO_FREQ_MONTHLY:
			return (day_year - year) * 12 + day_month - month;
		case JO_FREQ_YEARLY:
			return day_year - year;
		default:
			return 0;
	}
}

/* Only every nth period counts. */
static bool
is_in_interval(const JoRule *rule, int64 day)
{
	return rule->interval == 1 || rule->freq < JO_FREQ_DAILY || number_of_period(rule, day) % rule->interval == 0;
}

static bool
has_value(const JoRuleList *list, int value)
{
	for (int i = 0; i < list->n; i++)
		if (list->values[i] == value)
			return true;
	return list->n == 0;
}

/*
 * The week of a day and how many its year has: a year's first week is the first with at least
 * four days in it.
 */
static void
number_week(const JoRule *rule, int64 day, int *week, int *last)
{
	int64		fourth = day - (jo_civil_weekday(day) - rule->week_start + 7) % 7 + 3;
	int			year;
	int			month;
	int			number;
	int64		first;
	int64		next;

	/* the fourth day of a week is in the year that the week belongs to */
	jo_civil_from_day(fourth, &year, &month, &number);
	first = jo_civil_day(year, 1, 4);
	first -= (jo_civil_weekday(first) - rule->week_start + 7) % 7;
	next = jo_civil_day(year + 1, 1, 4);
	next -= (jo_civil_weekday(next) - rule->week_start + 7) % 7;
	*week = (int) (day - first) / 7 + 1;
	*last = (int) (next - first) / 7;
}

/* What the text does not say; weekdays have no numbers beside days of the year. */
static bool
passes(const JoRule *rule, int64 day)
{
	int			weekday = jo_civil_weekday(day);
	bool		found = rule->n_days == 0;
	int			year;
	int			month;
	int			number;
	int			last;

	if (rule->weeks.n > 0)
	{
		number_week(rule, day, &number, &last);
		return has_value(&rule->weeks, number) || has_value(&rule->weeks, number - last - 1);
	}
	if (rule->year_days.n == 0)
		return true;
	jo_civil_from_day(day, &year, &month, &number);
	for (int i = 0; i < rule->n_days; i++)
		found |= rule->days[i].weekday == weekday;
	return found && has_value(&rule->months, month) &&
		(has_value(&rule->month_days, number) ||
		 has_value(&rule->month_days, number - jo_civil_month_days(year, month) - 1));
}

/* The first day of the year, month or week in which a search begins. */
static int64
begin_of_period(const JoRule *rule, int64 day)
{
	int			year;
	int			month;
	int			number;

	jo_civil_from_day(day, &year, &month, &number);
	if (rule->freq == JO_FREQ_WEEKLY)
		return day - (jo_civil_weekday(day) - rule->week_start + 7) % 7;
	return jo_civil_day(year, rule->freq == JO_FREQ_YEARLY || rule->year_days.n > 0 ? 1 : month, 1);
}

static struct icaltimetype
make_date(int64 day)
{
	struct icaltimetype date = icaltime_null_time();

	date.is_date = 1;
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
	iterator = icalrecur_iterator_new(recurrence, make_date(begin_of_period(rule, from)));
	/* it refuses days that no month has, and years beyond its calendar: there are none */
	while (iterator != NULL && n < max)
	{
		struct icaltimetype next = icalrecur_iterator_next(iterator);
		int64		day;

		if (icaltime_is_null_time(next))
			break;
		day = jo_civil_day(next.year, next.month, next.day);
		if (day > until)
			break;
		if (day >= from && is_in_interval(rule, day) && passes(rule, day) && (n == 0 || day > days[n - 1]))
			days[n++] = day;
	}
	if (iterator != NULL)
		icalrecur_iterator_free(iterator);
	return n;
}
