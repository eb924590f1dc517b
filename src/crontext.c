/*
 * crontext.c
 *		Cron expressions in plain words.  A leaf.
 *
 * From the sets of bits and not from the text, so that everybody reads what
 * will happen and not what was meant: a step of 90 minutes is "every hour".
 */
#include "cron.h"

#include <string.h>

#define MOST_TIMES 6			/* more times of day than these are not listed */
#define LEAST_SERIES 4			/* every 7th minute, and not a list of minutes */
#define LEAST_RANGE 3			/* 1 to 3, and not 1, 2 and 3 */
#define MAX_ITEMS 70			/* of a list: a set and what the field says beyond it */

typedef struct List
{
	int			n;
	char	   *items[MAX_ITEMS];
} List;

typedef char *(*NameFunction) (int n);

static const char *const month_names[] = {
	"", "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"
};

/* A week of words ends with Sunday. */
static const char *const weekday_names[] = {
	"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"
};

/* ---- sets ---- */

#define has(set, n) (((set) >> (n)) & 1)

static int
count(uint64 set)
{
	int			n = 0;

	for (; set != 0; set &= set - 1)
		n++;
	return n;
}

static int
lowest(uint64 set)
{
	return __builtin_ctzll(set);
}

static int
highest(uint64 set)
{
	return 63 - __builtin_clzll(set);
}

/* The step from each to the next, if it is always the same; else 0. */
static int
step_of(uint64 set)
{
	int			step = 0;

	for (uint64 rest = set & (set - 1); rest != 0; rest &= rest - 1)
	{
		int			before = highest(set & ((UINT64CONST(1) << lowest(rest)) - 1));
		int			this_step = lowest(rest) - before;

		if (step != 0 && this_step != step)
			return 0;
		step = this_step;
	}
	return step;
}

/* From 0 in steps that go round without a rest: as "every 15 minutes" means it.  Else 0. */
static int
even_step_of(uint64 set, int size)
{
	int			step = step_of(set);

	return step > 0 && lowest(set) == 0 && size % step == 0 && count(set) == size / step ? step : 0;
}

/* ---- lists ---- */

static void
add_item(List *list, char *item)
{
	if (list->n < MAX_ITEMS)
		list->items[list->n++] = item;
}

/* "a", "a and b", "a, b and c" */
static char *
join(const List *list)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < list->n; i++)
		appendStringInfo(&buf, "%s%s", i == 0 ? "" : i < list->n - 1 ? ", " : " and ", list->items[i]);
	return buf.data;
}

static char *
name_number(int n)
{
	return psprintf("%d", n);
}

static char *
name_month(int n)
{
	return pstrdup(month_names[n]);
}

static char *
name_weekday(int n)
{
	return pstrdup(weekday_names[n]);
}

static char *
name_weekdays(int n)
{
	return psprintf("%ss", weekday_names[n]);
}

/* "2nd" */
static char *
name_ordinal(int n)
{
	int			last = n / 10 % 10 == 1 ? 0 : n % 10;

	return psprintf("%d%s", n, last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th");
}

static char *
name_day(int n)
{
	return psprintf("the %s", name_ordinal(n));
}

/* Adds the members of a set, neighbours as ranges. */
static void
add_set(List *list, uint64 set, NameFunction name)
{
	for (int n = 0; n < 63; n++)
	{
		int			last = n;

		if (!has(set, n))
			continue;
		while (last < 62 && has(set, last + 1))
			last++;
		if (last - n + 1 < LEAST_RANGE)
			add_item(list, name(n));
		else
		{
			add_item(list, psprintf("%s to %s", name(n), name(last)));
			n = last;
		}
	}
}

static char *
write_set(uint64 set, NameFunction name)
{
	List		list = {0};

	add_set(&list, set, name);
	return join(&list);
}

/* ---- times of day ---- */

static char *
name_time(const JoCron *cron, int hour, int minute, int second)
{
	return cron->seconds == 1 ? psprintf("%02d:%02d", hour, minute) : psprintf("%02d:%02d:%02d", hour, minute, second);
}

/* "every minute", "every 15 minutes" */
static char *
every(int step, const char *unit)
{
	return step == 1 ? psprintf("every %s", unit) : psprintf("every %d %ss", step, unit);
}

/* "minute 5", "minutes 5 and 35" */
static char *
units(uint64 set, const char *unit)
{
	return psprintf("%s%s %s", unit, count(set) > 1 ? "s" : "", write_set(set, name_number));
}

/* "every minute", "every 15 minutes", "every 7th minute from 0 to 56", "at minutes 5 and 35" */
static char *
write_units(uint64 set, const char *unit)
{
	int			step = step_of(set);

	if (even_step_of(set, 60) > 0)
		return every(step, unit);
	if (step == 1 && count(set) >= LEAST_RANGE)
		return psprintf("every %s from %d to %d", unit, lowest(set), highest(set));
	if (step > 1 && count(set) >= LEAST_SERIES)
		return psprintf("every %s %s from %d to %d", name_ordinal(step), unit, lowest(set), highest(set));
	return psprintf("at %s", units(set, unit));
}

/* "at 09:30 and 17:30" */
static char *
write_times(const JoCron *cron)
{
	List		list = {0};

	for (int hour = 0; hour < 24; hour++)
		for (int minute = 0; minute < 60 && has(cron->hours, hour); minute++)
			for (int second = 0; second < 60 && has(cron->minutes, minute); second++)
				if (has(cron->seconds, second))
					add_item(&list, name_time(cron, hour, minute, second));
	return psprintf("at %s", join(&list));
}

/* One minute of an hour, in some hours: "every hour", "every 2 hours from 09:30 to 17:30". */
static char *
write_hours(const JoCron *cron)
{
	int			step = step_of(cron->hours);
	int			minute = lowest(cron->minutes);

	if (cron->star_hour)
		return minute == 0 ? pstrdup("every hour") : psprintf("at minute %d of every hour", minute);
	if (minute == 0 && even_step_of(cron->hours, 24) > 0)
		return every(step, "hour");
	return psprintf("%s from %s to %s", every(step, "hour"), name_time(cron, lowest(cron->hours), minute, 0),
					name_time(cron, highest(cron->hours), minute, 0));
}

/* Behind "every 15 minutes" or "at minutes 5 and 35": "of every hour", "of hours 9 and 17". */
static char *
write_of_hours(const JoCron *cron, bool even)
{
	bool		neighbours = count(cron->hours) == 1 || step_of(cron->hours) == 1;

	if (cron->star_hour)
		return pstrdup(even ? "" : " of every hour");
	if (even && neighbours)
		return psprintf(" from %02d:%02d to %02d:%02d", lowest(cron->hours), lowest(cron->minutes), highest(cron->hours),
						highest(cron->minutes));
	return psprintf(" of %s", units(cron->hours, "hour"));
}

/* What is not simply a list of times; *listed: it is one. */
static char *
write_time(const JoCron *cron, bool *listed)
{
	int			nseconds = count(cron->seconds);
	int			nminutes = count(cron->minutes);
	int			nhours = count(cron->hours);
	int			ntimes = nseconds * nminutes * nhours;
	bool		even = even_step_of(cron->minutes, 60) > 0;
	char	   *minutes;

	*listed = ntimes <= MOST_TIMES && (nhours < LEAST_RANGE || step_of(cron->hours) == 0 || ntimes > nhours);
	if (*listed)
		return write_times(cron);
	if (cron->seconds == 1)
	{
		if (nminutes == 1 && (cron->star_hour || (nhours >= LEAST_RANGE && step_of(cron->hours) > 0)))
			return write_hours(cron);
		return psprintf("%s%s", write_units(cron->minutes, "minute"), write_of_hours(cron, even));
	}
	if (cron->star_minute && cron->star_hour)
		return psprintf("%s%s", write_units(cron->seconds, "second"),
						even_step_of(cron->seconds, 60) > 0 ? "" : " of every minute");
	minutes = cron->star_minute ? pstrdup("every minute") : units(cron->minutes, "minute");
	return psprintf("%s of %s%s", write_units(cron->seconds, "second"), minutes, write_of_hours(cron, cron->star_minute));
}

/* ---- dates ---- */

/* "the 1st, the 15th and the last day of every month" */
static char *
write_days(const JoCron *cron)
{
	List		list = {0};
	int			step = step_of(cron->days);

	if (step > 1 && count(cron->days) >= LEAST_SERIES)
		add_item(&list, psprintf("every %s day from the %s to the %s", name_ordinal(step), name_ordinal(lowest(cron->days)),
								 name_ordinal(highest(cron->days))));
	else
		add_set(&list, cron->days, name_day);
	for (int day = 1; day <= 31; day++)
		if (has(cron->near_days, day))
			add_item(&list, psprintf("the weekday nearest to the %s", name_ordinal(day)));
	for (int before = 30; before > 0; before--)
		if (has(cron->from_last, before))
			add_item(&list, before == 1 ? pstrdup("the day before the last") : psprintf("the %s day before the last", name_ordinal(before)));
	if (cron->last_workday)
		add_item(&list, pstrdup("the last weekday"));
	if (has(cron->from_last, 0))
		add_item(&list, pstrdup("the last day"));
	return psprintf(" on %s of every month", join(&list));
}

/* ", Monday to Friday", " on Mondays and the last Friday of every month" */
static char *
write_weekdays(const JoCron *cron)
{
	/* Sunday at the end of the week */
	uint64		week = (cron->weekdays & ~1u) | (cron->weekdays & 1) << 7;
	uint64		last = (cron->last_weekdays & ~1u) | (cron->last_weekdays & 1) << 7;
	bool		of_month = false;
	List		list = {0};

	add_set(&list, week, count(week) >= LEAST_RANGE && step_of(week) == 1 ? name_weekday : name_weekdays);
	for (int nth = 1; nth <= 5; nth++)
		for (int weekday = 1; weekday <= 7; weekday++)
			if (has(cron->nth_weekdays[nth], weekday % 7))
			{
				of_month = true;
				add_item(&list, psprintf("the %s %s", name_ordinal(nth), weekday_names[weekday]));
			}
	for (int weekday = 1; weekday <= 7; weekday++)
		if (has(last, weekday))
		{
			of_month = true;
			add_item(&list, psprintf("the last %s", weekday_names[weekday]));
		}
	if (list.n == 1 && strstr(list.items[0], " to ") != NULL)
		return psprintf(", %s", list.items[0]);
	return psprintf(" on %s%s", join(&list), of_month ? " of every month" : "");
}

/* The day fields; empty: every day. */
static char *
write_date(const JoCron *cron)
{
	bool		all_days = cron->days == JO_CRON_ALL_DAYS;
	bool		all_weekdays = cron->weekdays == JO_CRON_ALL_WEEKDAYS;
	bool		both = cron->any_day || cron->any_weekday;

	if ((all_days && all_weekdays) || (!both && (all_days || all_weekdays)))
		return pstrdup("");
	if (all_weekdays)
		return write_days(cron);
	if (all_days)
		return write_weekdays(cron);
	if (both)
	{
		char	   *weekdays = write_weekdays(cron);

		return psprintf("%s, but only%s", write_days(cron), weekdays + (weekdays[0] == ','));
	}
	return psprintf("%s and also%s", write_days(cron), write_weekdays(cron));
}

static char *
write_months(const JoCron *cron)
{
	if (cron->months == JO_CRON_ALL_MONTHS)
		return pstrdup("");
	if (count(cron->months) >= LEAST_RANGE && step_of(cron->months) == 1)
		return psprintf(", from %s", write_set(cron->months, name_month));
	return psprintf(", in %s", write_set(cron->months, name_month));
}

char *
jo_cron_describe(const JoCron *cron)
{
	bool		listed;
	char	   *time;
	char	   *date;

	if (cron->reboot)
		return pstrdup("when the server starts");
	if (cron->every_seconds > 0)
		return every(cron->every_seconds, "second");
	time = write_time(cron, &listed);
	date = write_date(cron);
	return psprintf("%s%s%s", time, listed && date[0] == '\0' ? " every day" : date, write_months(cron));
}
