/*
 * specwords.c
 *		Specs and rules in plain words.
 *
 * From what was read and not from its text, so that everybody reads what will happen.
 */
#include "joborch.h"

#include "specparts.h"

#include "lib/stringinfo.h"
#include "port/pg_bitutils.h"

#define MOST_TIMES 6			/* more times of day than these are not listed */

static const char *const weekdays[] = {
	"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"
};
static const char *const months[] = {
	"January", "February", "March", "April", "May", "June",
	"July", "August", "September", "October", "November", "December"
};
static const char *const units[] = {"second", "minute", "hour", "day", "week", "month", "year"};

/* "a", "a and b", "a, b and c": the ith of n. */
static void
add_item(StringInfo words, int i, int n, const char *item)
{
	appendStringInfo(words, "%s%s", i == 0 ? "" : i == n - 1 ? " and " : ", ", item);
}

static const char *
ordinal_end(int n)
{
	if (n % 100 >= 11 && n % 100 <= 13)
		return "th";
	return n % 10 == 1 ? "st" : n % 10 == 2 ? "nd" : n % 10 == 3 ? "rd" : "th";
}

/* "first", "2nd", "last", "2nd to last" */
static char *
ordinal(int n)
{
	if (n == 1)
		return "first";
	if (n == -1)
		return "last";
	return n > 0 ? psprintf("%d%s", n, ordinal_end(n)) : psprintf("%d%s to last", -n, ordinal_end(-n));
}

/* ---- rules ---- */

static void
add_weekdays(StringInfo words, const JoRule *rule)
{
	if (rule->n_days > 0)
		appendStringInfoString(words, " on ");
	for (int i = 0; i < rule->n_days; i++)
	{
		const JoRuleDay *day = &rule->days[i];

		add_item(words, i, rule->n_days, day->position == 0 ? weekdays[day->weekday] :
				 psprintf("the %s %s", ordinal(day->position), weekdays[day->weekday]));
	}
}

/* "day 13 and the last day": from the beginning first, then from the end. */
static void
add_list(StringInfo words, const JoRuleList *list, const char *unit)
{
	int			done = 0;

	for (int i = 0; i < list->n; i++)
		if (list->values[i] >= 0)
			add_item(words, done++, list->n, psprintf("%s %d", unit, list->values[i]));
	for (int i = 0; i < list->n; i++)
		if (list->values[i] < 0)
			add_item(words, done++, list->n, psprintf("the %s %s", ordinal(list->values[i]), unit));
}

static void
add_days(StringInfo words, const JoRule *rule)
{
	JoCivil		start;

	jo_civil_from_seconds(rule->start, &start);
	add_weekdays(words, rule);
	if (rule->month_days.n > 0)
	{
		appendStringInfoString(words, " on ");
		add_list(words, &rule->month_days, "day");
		appendStringInfoString(words, rule->months.n == 0 ? " of the month" : "");
	}
	if (rule->year_days.n > 0)
	{
		appendStringInfoString(words, " on ");
		add_list(words, &rule->year_days, "day");
		appendStringInfoString(words, " of the year");
	}
	if (rule->weeks.n > 0)
	{
		appendStringInfoString(words, " in ");
		add_list(words, &rule->weeks, "week");
	}
	if (rule->n_days + rule->month_days.n + rule->year_days.n == 0)
	{
		if (rule->freq == JO_FREQ_WEEKLY || rule->weeks.n > 0)
			appendStringInfo(words, " on %s", weekdays[jo_civil_weekday(jo_spectime_day(rule->start))]);
		else if (rule->freq == JO_FREQ_MONTHLY || (rule->freq == JO_FREQ_YEARLY && rule->months.n > 0))
			appendStringInfo(words, " on day %d", start.day);
		else if (rule->freq == JO_FREQ_YEARLY)
			appendStringInfo(words, " on %d %s", start.day, months[start.month - 1]);
	}
	if (rule->months.n > 0)
		appendStringInfoString(words, rule->freq == JO_FREQ_YEARLY || rule->freq == JO_FREQ_MONTHLY ? " of " : " in ");
	for (int i = 0; i < rule->months.n; i++)
		add_item(words, i, rule->months.n, months[rule->months.values[i] - 1]);
}

static char *
show_set(uint64 set)
{
	StringInfoData words;
	int			n = pg_popcount64(set);

	initStringInfo(&words);
	for (int i = 0; set != 0; set &= set - 1)
		add_item(&words, i++, n, psprintf("%d", pg_rightmost_one_pos64(set)));
	return words.data;
}

/* "at 09:00 and 17:00"; sets if that were too many. */
static void
add_clock(StringInfo words, const JoRule *rule)
{
	int			n = pg_popcount32(rule->hour_set) * pg_popcount64(rule->minute_set) * pg_popcount64(rule->second_set);
	int			i = 0;

	if (rule->freq < JO_FREQ_DAILY || n > MOST_TIMES)
	{
		if (rule->freq >= JO_FREQ_HOURLY || rule->minutes.n > 0)
			appendStringInfo(words, " at minute %s", show_set(rule->minute_set));
		if (rule->freq >= JO_FREQ_DAILY || rule->hours.n > 0)
			appendStringInfo(words, " of hour %s", show_set(rule->hour_set));
		if (rule->second_set != 1 && (rule->freq > JO_FREQ_SECONDLY || rule->seconds.n > 0))
			appendStringInfo(words, " at second %s", show_set(rule->second_set));
		return;
	}
	appendStringInfoString(words, " at ");
	for (uint32 hours = rule->hour_set; hours != 0; hours &= hours - 1)
		for (uint64 minutes = rule->minute_set; minutes != 0; minutes &= minutes - 1)
			for (uint64 seconds = rule->second_set; seconds != 0; seconds &= seconds - 1)
			{
				int			second = pg_rightmost_one_pos64(seconds);

				add_item(words, i++, n, psprintf(second == 0 ? "%02d:%02d" : "%02d:%02d:%02d", pg_rightmost_one_pos32(hours),
												 pg_rightmost_one_pos64(minutes), second));
			}
}

char *
jo_rule_words(const JoRule *rule, bool days_only)
{
	StringInfoData words;

	initStringInfo(&words);
	if (rule->interval == 1)
		appendStringInfo(&words, "every %s", units[rule->freq]);
	else
		appendStringInfo(&words, "every %d %ss", rule->interval, units[rule->freq]);
	add_days(&words, rule);
	if (!days_only)
		add_clock(&words, rule);
	if (rule->positions.n > 0)
	{
		appendStringInfoString(&words, ", only the ");
		for (int i = 0; i < rule->positions.n; i++)
			add_item(&words, i, rule->positions.n, ordinal(rule->positions.values[i]));
		appendStringInfo(&words, " of these in a %s", units[rule->freq]);
	}
	if (rule->has_start && (rule->interval > 1 || rule->count > 0))
		appendStringInfo(&words, ", counted from %s", jo_spectime_words(rule->start));
	if (rule->count > 0)
		appendStringInfo(&words, ", %d time%s", rule->count, rule->count == 1 ? "" : "s");
	else if (rule->last != PG_INT64_MAX)
		appendStringInfo(&words, ", until %s", jo_spectime_words(rule->last));
	if (rule->n_rdates > 0)
		appendStringInfo(&words, ", with %d more time%s", rule->n_rdates, rule->n_rdates == 1 ? "" : "s");
	if (rule->n_exdates + rule->n_exdays > 0)
		appendStringInfo(&words, ", without %d of these", rule->n_exdates + rule->n_exdays);
	return words.data;
}

/* ---- specs ---- */

static void
add_every(StringInfo words, const JoEvery *every, const JoZone *zone)
{
	const char *from = jo_spectime_words(jo_spectime_shown(zone, every->from));

	if (every->finish)
		appendStringInfo(words, "%s after the end of the run before, first on %s", jo_every_words(every, false), from);
	else
		appendStringInfo(words, "every %s, counted from %s", jo_every_words(every, true), from);
}

static void
add_at(StringInfo words, const JoSpecEntry *entry, const JoZone *zone)
{
	appendStringInfoString(words, entry->n_at == 1 ? "once, on " : "on ");
	for (int i = 0; i < Min(entry->n_at, MOST_TIMES); i++)
		add_item(words, i, entry->n_at, jo_spectime_words(jo_spectime_shown(zone, entry->at[i])));
	if (entry->n_at > MOST_TIMES)
		appendStringInfo(words, " and %d more times", entry->n_at - MOST_TIMES);
}

static void
add_entry(StringInfo words, const JoSpecEntry *entry, const JoZone *zone)
{
	switch (entry->kind)
	{
		case JO_SPEC_CRON:
			appendStringInfoString(words, jo_cron_describe(&entry->cron));
			break;
		case JO_SPEC_EVERY:
			add_every(words, &entry->every, zone);
			break;
		case JO_SPEC_AT:
			add_at(words, entry, zone);
			break;
		case JO_SPEC_RULE:
			appendStringInfoString(words, jo_rule_words(entry->rule, false));
			if (entry->rule->zone != zone)
				appendStringInfo(words, " in %s", jo_zone_name(entry->rule->zone));
			break;
	}
}

char *
jo_timespec_describe(JoTimeSpec *spec)
{
	StringInfoData words;
	bool		begun;

	initStringInfo(&words);
	for (int i = 0; i < spec->n_entries; i++)
	{
		appendStringInfoString(&words, i > 0 ? "; also " : "");
		add_entry(&words, &spec->entries[i], spec->zone);
	}
	appendStringInfo(&words, " (%s)", jo_zone_name(spec->zone));
	for (int i = 0; i < spec->n_excludes; i++)
		appendStringInfo(&words, "%s %s", i > 0 ? ", nor" : ", but not", jo_exclude_words(&spec->excludes[i], spec->zone));
	/* an interval has said it already */
	begun = spec->starts_at == DT_NOBEGIN ||
		(spec->n_entries == 1 && spec->entries[0].kind == JO_SPEC_EVERY && spec->entries[0].every.from == spec->starts_at);
	if (!begun)
		appendStringInfo(&words, "; from %s", jo_spectime_words(jo_spectime_shown(spec->zone, spec->starts_at)));
	if (spec->ends_at != DT_NOEND)
		appendStringInfo(&words, "%s until %s", begun ? ";" : "",
						 jo_spectime_words(jo_spectime_shown(spec->zone, spec->ends_at)));
	if (spec->jitter > 0)
	{
		JoEvery		jitter = {.usecs = spec->jitter};

		appendStringInfo(&words, "; jitter up to %s", jo_every_words(&jitter, false));
	}
	return words.data;
}
