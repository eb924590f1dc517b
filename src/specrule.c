/*
 * specrule.c
 *		The next time of a rule of RFC 5545.
 *
 * Days come from libical (specical.c).  Times of day, BYSETPOS, and the frequencies of hours and
 * less are done here: they are sets of bits, and so is a rule that never comes true
 * found out in bounded time.  DTSTART is no time of the rule unless the rule
 * has it; what the rule leaves open is taken from it.
 */
#include "joborch.h"

#include "specparts.h"

#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "zonewalk.h"

#define SEARCH_DAYS (JO_TIMESPEC_YEARS * 366)
#define MAX_STEPS 1000000
#define LONGEST_YEAR 366

#define ALL_60 ((UINT64CONST(1) << 60) - 1)
#define ALL_24 ((1u << 24) - 1)

/* ---- times of a day, an hour or a minute ---- */

/* Seconds of what a rule counts: 86400 from FREQ=DAILY on. */
static int
unit_of(const JoRule *rule)
{
	return rule->freq == JO_FREQ_SECONDLY ? 1 : rule->freq == JO_FREQ_MINUTELY ? 60 :
		rule->freq == JO_FREQ_HOURLY ? 3600 : SECS_PER_DAY;
}

/* How many times it has in a unit. */
static int
count_times(const JoRule *rule)
{
	int			n = rule->freq >= JO_FREQ_MINUTELY ? pg_popcount64(rule->second_set) : 1;

	if (rule->freq >= JO_FREQ_HOURLY)
		n *= pg_popcount64(rule->minute_set);
	if (rule->freq >= JO_FREQ_DAILY)
		n *= pg_popcount32(rule->hour_set);
	return n;
}

static int
nth_bit(uint64 set, int n)
{
	while (n-- > 0)
		set &= set - 1;
	return pg_rightmost_one_pos64(set);
}

/* The nth time of a unit, from 0, in seconds from its beginning. */
static int
nth_time(const JoRule *rule, int n)
{
	int			seconds = pg_popcount64(rule->second_set);
	int			minutes = pg_popcount64(rule->minute_set);
	int			time = 0;

	if (rule->freq >= JO_FREQ_MINUTELY)
		time = nth_bit(rule->second_set, n % seconds);
	if (rule->freq >= JO_FREQ_HOURLY)
		time += nth_bit(rule->minute_set, n / seconds % minutes) * 60;
	if (rule->freq >= JO_FREQ_DAILY)
		time += nth_bit(rule->hour_set, n / seconds / minutes) * 3600;
	return time;
}

/* The first one above a second of the unit; false: there is none. */
static bool
next_time(const JoRule *rule, int after, int *time)
{
	int			low = 0;
	int			high = count_times(rule);
	int			n = high;

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (nth_time(rule, middle) > after)
			high = middle;
		else
			low = middle + 1;
	}
	if (low == n)
		return false;
	*time = nth_time(rule, low);
	return true;
}

/*
 * The first time above one that BYSETPOS names among those of n units, which begin at days[]
 * (a day's number), or at second for units below a day.
 */
static bool
next_of_positions(const JoRule *rule, const int64 *days, int64 second, int n, int64 after, int64 *next)
{
	int			per_unit = count_times(rule);
	bool		found = false;

	for (int i = 0; i < rule->positions.n; i++)
	{
		int			position = rule->positions.values[i];
		int			index = position > 0 ? position - 1 : n * per_unit + position;
		int64		time;

		if (index < 0 || index >= n * per_unit)
			continue;
		time = (days != NULL ? days[index / per_unit] * SECS_PER_DAY : second) + nth_time(rule, index % per_unit);
		if (time > after && (!found || time < *next))
		{
			*next = time;
			found = true;
		}
	}
	return found;
}

/* ---- days ---- */

/* The first day of the rule from one on; false: none for many years. */
static bool
next_day(JoRule *rule, int64 from, int64 *day)
{
	JoRuleDays *kept = &rule->kept;
	int64		search = from;

	if (rule->every_day)
	{
		int64		beyond = from - jo_spectime_day(rule->start);
		int			interval = rule->freq < JO_FREQ_DAILY ? 1 : rule->interval;

		*day = beyond <= 0 ? Max(from, from - beyond) : from + (interval - beyond % interval) % interval;
		return true;
	}
	if (from >= kept->from && from <= kept->until)
	{
		int			found = jo_spectime_above(kept->days, kept->n, from - 1);

		if (found < kept->n)
		{
			*day = kept->days[found];
			return true;
		}
		search = kept->until + 1;
	}
	kept->from = from;
	kept->until = from + SEARCH_DAYS;
	kept->n = jo_ical_days(rule, search, kept->until, kept->days, JO_RULE_DAYS_KEPT);
	if (kept->n == JO_RULE_DAYS_KEPT)
		kept->until = kept->days[kept->n - 1];
	*day = kept->days[0];
	return kept->n > 0;
}

/* The day, week, month or year that a day is in. */
static void
find_period(const JoRule *rule, int64 day, int64 *first, int64 *last)
{
	int			year;
	int			month;
	int			number;

	jo_civil_from_day(day, &year, &month, &number);
	*first = *last = day;
	if (rule->freq == JO_FREQ_WEEKLY)
	{
		*first = day - (jo_civil_weekday(day) - rule->week_start + 7) % 7;
		*last = *first + 6;
	}
	else if (rule->freq == JO_FREQ_MONTHLY)
	{
		*first = day - number + 1;
		*last = *first + jo_civil_month_days(year, month) - 1;
	}
	else if (rule->freq == JO_FREQ_YEARLY)
	{
		*first = jo_civil_day(year, 1, 1);
		*last = jo_civil_day(year, 12, 31);
	}
}

static bool
next_chosen(JoRule *rule, int64 after, int64 *next)
{
	int64		day = jo_spectime_day(after);
	int64		end = day + SEARCH_DAYS;

	while (day < end && next_day(rule, day, &day))
	{
		int64		first;
		int64		last;

		CHECK_FOR_INTERRUPTS();
		find_period(rule, day, &first, &last);
		if (last == first)
		{
			rule->n_period_days = 1;
			rule->period_days[0] = day;
		}
		else if (rule->n_period_days == 0 || rule->period != first)
			rule->n_period_days = jo_ical_days(rule, first, last, rule->period_days, LONGEST_YEAR);
		rule->period = first;
		if (next_of_positions(rule, rule->period_days, 0, rule->n_period_days, after, next))
			return true;
		day = last + 1;
	}
	return false;
}

static bool
next_daily(JoRule *rule, int64 after, int64 *next)
{
	int64		today = jo_spectime_day(after);
	int64		day;
	int			time;

	if (!next_day(rule, today, &day))
		return false;
	if (!next_time(rule, day == today ? (int) (after - today * SECS_PER_DAY) : -1, &time) &&
		(!next_day(rule, day + 1, &day) || !next_time(rule, -1, &time)))
		return false;
	*next = day * SECS_PER_DAY + time;
	return true;
}

/* ---- frequencies of hours and less ---- */

/* The first multiple of the interval, from the beginning, that is not below a second. */
static int64
align(const JoRule *rule, int64 second)
{
	int64		origin = rule->start - (rule->start - jo_spectime_day(rule->start) * SECS_PER_DAY) % unit_of(rule);
	int64		step = (int64) rule->interval * unit_of(rule);

	return second <= origin ? origin : origin + (second - origin + step - 1) / step * step;
}

/* Where to go on if the unit that begins at a second does not match; the second itself if it does. */
static int64
skip_mismatch(JoRule *rule, int64 second)
{
	int64		today = jo_spectime_day(second);
	int64		midnight = today * SECS_PER_DAY;
	int			hour = (int) (second - midnight) / 3600;
	int			minute = (int) (second - midnight) / 60 % 60;
	int64		day;

	if (!next_day(rule, today, &day))
		return PG_INT64_MAX;
	if (day != today)
		return day * SECS_PER_DAY;
	if ((rule->hour_set >> hour & 1) == 0)
		return midnight + (hour + 1) * 3600;
	if (rule->freq <= JO_FREQ_MINUTELY && (rule->minute_set >> minute & 1) == 0)
		return midnight + hour * 3600 + (minute + 1) * 60;
	if (rule->freq == JO_FREQ_SECONDLY && (rule->second_set >> (second - midnight) % 60 & 1) == 0)
		return second + 1;
	return second;
}

static bool
next_in_unit(const JoRule *rule, int64 unit, int64 after, int64 *next)
{
	int			time;

	if (rule->positions.n > 0)
		return next_of_positions(rule, NULL, unit, 1, after, next);
	if (!next_time(rule, after < unit ? -1 : (int) Min(after - unit, SECS_PER_DAY), &time))
		return false;
	*next = unit + time;
	return true;
}

static bool
next_below_day(JoRule *rule, int64 after, int64 *next)
{
	int64		end = after + (int64) SEARCH_DAYS * SECS_PER_DAY;
	int64		second = align(rule, after + 1 - unit_of(rule));

	for (int i = 0; i < MAX_STEPS && second < end; i++)
	{
		int64		matching = skip_mismatch(rule, second);

		if ((i & 4095) == 0)
			CHECK_FOR_INTERRUPTS();
		if (matching > end)
			break;
		if (matching == second && next_in_unit(rule, second, after, next))
			return true;
		second = align(rule, Max(matching, second + 1));
	}
	return false;
}

/* ---- the rule ---- */

bool
jo_rule_next_local(const void *series, int64 after, int64 *next)
{
	/* what it keeps of days does not show outside */
	JoRule	   *rule = (JoRule *) series;
	bool		found;

	if (after < rule->start)
		after = rule->start - 1;
	if (after >= rule->last)
		return false;
	if (rule->freq < JO_FREQ_DAILY)
		found = next_below_day(rule, after, next);
	else if (rule->positions.n > 0)
		found = next_chosen(rule, after, next);
	else
		found = next_daily(rule, after, next);
	return found && *next <= rule->last;
}

/* When what leaves out a time ends; 0: nothing does. */
static TimestampTz
left_out_until(const JoRule *rule, TimestampTz at)
{
	int64		day;

	if (jo_spectime_is_in(rule->exdates, rule->n_exdates, at))
		return at + 1;
	if (rule->n_exdays == 0)
		return 0;
	day = jo_spectime_day(jo_spectime_shown(rule->zone, at));
	if (!jo_spectime_is_in(rule->exdays, rule->n_exdays, day))
		return 0;
	return Max(at + 1, jo_zone_first_second(rule->zone, (day + 1) * SECS_PER_DAY) * USECS_PER_SEC);
}

TimestampTz
jo_rule_next(JoRule *rule, TimestampTz after)
{
	for (;;)
	{
		TimestampTz next = rule->follows_real_time ? jo_zone_next_real(rule->zone, jo_rule_next_local, rule, after) :
			jo_zone_next_fixed(rule->zone, jo_rule_next_local, rule, after);
		int			added = jo_spectime_above(rule->rdates, rule->n_rdates, after);
		TimestampTz until;

		if (added < rule->n_rdates && rule->rdates[added] < next)
			next = rule->rdates[added];
		if (next == DT_NOEND || (until = left_out_until(rule, next)) == 0)
			return next;
		after = until - 1;
	}
}

/* ---- its beginning ---- */

static uint64
make_set(const JoRuleList *list, uint64 otherwise)
{
	uint64		set = 0;

	for (int i = 0; i < list->n; i++)
		set |= UINT64CONST(1) << list->values[i];
	return list->n > 0 ? set : otherwise;
}

static void
append_list(StringInfo text, const char *name, const JoRuleList *list)
{
	for (int i = 0; i < list->n; i++)
	{
		if (i == 0)
			appendStringInfo(text, ";%s=", name);
		appendStringInfo(text, "%s%d", i == 0 ? "" : ",", list->values[i]);
	}
}

static void
append_weekdays(StringInfo text, const JoRule *rule)
{
	for (int i = 0; i < rule->n_days; i++)
	{
		appendStringInfoString(text, i == 0 ? ";BYDAY=" : ",");
		if (rule->days[i].position != 0)
			appendStringInfo(text, "%d", rule->days[i].position);
		appendStringInfoString(text, jo_rule_weekdays[rule->days[i].weekday]);
	}
}

/* Days that the rule leaves open are those of its beginning, said in full. */
static void
append_open_days(StringInfo text, const JoRule *rule, const JoCivil *start, int weekday)
{
	if (rule->freq <= JO_FREQ_DAILY || rule->n_days + rule->month_days.n + rule->year_days.n > 0)
		return;
	if (rule->freq == JO_FREQ_WEEKLY || (rule->freq == JO_FREQ_YEARLY && rule->weeks.n > 0))
		appendStringInfo(text, ";BYDAY=%s", jo_rule_weekdays[weekday]);
	else
		appendStringInfo(text, ";BYMONTHDAY=%d", start->day);
	if (rule->freq == JO_FREQ_YEARLY && rule->weeks.n == 0 && rule->months.n == 0)
		appendStringInfo(text, ";BYMONTH=%d", start->month);
}

/*
 * The rule of days alone: as the rule, but without INTERVAL, and in the words that libical
 * reads as the RFC means them.  Days of a smaller frequency are the same days of a month or year
 * (there it knows the last ones), and days of all months are said by naming the months.  What it
 * loses or gets wrong is left to jo_ical_days(): BYWEEKNO, and other parts beside BYYEARDAY.
 */
static char *
make_day_text(const JoRule *rule, const JoCivil *start)
{
	StringInfoData text;
	int			weekday = jo_civil_weekday(jo_spectime_day(rule->start));
	JoRuleFreq	freq = rule->freq;

	if (freq <= JO_FREQ_DAILY)
		freq = rule->year_days.n > 0 ? JO_FREQ_YEARLY : rule->month_days.n + rule->n_days > 0 ? JO_FREQ_MONTHLY : JO_FREQ_DAILY;
	initStringInfo(&text);
	appendStringInfo(&text, "FREQ=%s;WKST=%s", jo_rule_freqs[freq], jo_rule_weekdays[rule->week_start]);
	append_list(&text, "BYYEARDAY", &rule->year_days);
	if (rule->year_days.n > 0)
		return text.data;
	append_list(&text, "BYMONTH", &rule->months);
	if (freq == JO_FREQ_YEARLY && rule->month_days.n > 0 && rule->months.n == 0)
		appendStringInfoString(&text, ";BYMONTH=1,2,3,4,5,6,7,8,9,10,11,12");
	append_list(&text, "BYMONTHDAY", &rule->month_days);
	append_weekdays(&text, rule);
	append_open_days(&text, rule, start, weekday);
	return text.data;
}

static void
settle(JoRule *rule)
{
	JoCivil		start;

	jo_civil_from_seconds(rule->start, &start);
	rule->second_set = make_set(&rule->seconds, rule->freq == JO_FREQ_SECONDLY ? ALL_60 : UINT64CONST(1) << start.second);
	rule->minute_set = make_set(&rule->minutes, rule->freq <= JO_FREQ_MINUTELY ? ALL_60 : UINT64CONST(1) << start.minute);
	rule->hour_set = (uint32) make_set(&rule->hours, rule->freq <= JO_FREQ_HOURLY ? ALL_24 : UINT64CONST(1) << start.hour);
	rule->follows_real_time = rule->freq < JO_FREQ_DAILY && rule->hour_set == ALL_24 &&
		rule->interval * unit_of(rule) <= 3600;
	rule->every_day = rule->freq <= JO_FREQ_DAILY &&
		rule->months.n + rule->weeks.n + rule->year_days.n + rule->month_days.n + rule->n_days == 0;
	rule->whole_days = rule->freq >= JO_FREQ_DAILY && rule->hours.n + rule->minutes.n + rule->seconds.n == 0;
	rule->day_text = make_day_text(rule, &start);
	rule->n_period_days = 0;
	if (rule->positions.n > 0 && rule->period_days == NULL)
		rule->period_days = palloc(LONGEST_YEAR * sizeof(int64));
	rule->kept.from = 0;
	rule->kept.until = -1;
}

void
jo_rule_begin(JoRule *rule, int64 start, int64 counted_after)
{
	int64		at;

	rule->n_exdates = jo_spectime_sort(rule->exdates, rule->n_exdates);
	rule->n_exdays = jo_spectime_sort(rule->exdays, rule->n_exdays);
	rule->n_rdates = jo_spectime_sort(rule->rdates, rule->n_rdates);
	if (!rule->has_start)
		rule->start = start;
	settle(rule);
	if (rule->count == 0)
		return;
	if (!rule->has_start && jo_rule_next_local(rule, counted_after, &at))
	{
		rule->start = at;
		settle(rule);
	}
	at = rule->start - 1;
	for (int i = 0; i < rule->count && jo_rule_next_local(rule, at, &at); i++)
		CHECK_FOR_INTERRUPTS();
	rule->last = at;
}
