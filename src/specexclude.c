/*
 * specexclude.c
 *		What a schedule leaves out: days, ranges, patterns.
 *
 * Each kind tells until when an instant is left out, so that whoever searches can jump:
 * a second of each, left out for a year, must not cost thirty million steps.
 */
#include "joborch.h"

#include "specparts.h"

#include "jsonbuild.h"
#include "lib/stringinfo.h"
#include "utils/timestamp.h"

#define EXCLUDE_HINT "An entry is {\"dates\": [\"2027-12-25\"]}, {\"from\": \"2027-07-01\", \"to\": \"2027-08-15\"}, " \
	"{\"cron\": \"* * 25 12 *\"} or {\"rrule\": \"FREQ=YEARLY;BYMONTH=12;BYMONTHDAY=25\"}."

#define MOST_DATES_SAID 4

static const char *const keys[] = {"cron", "rrule", "dtstart", "dates", "from", "to", NULL};

/* ---- reading ---- */

static void
read_cron(const char *field, const char *text, JoExclude *exclude)
{
	char	   *error;
	char	   *hint;

	exclude->kind = JO_EXCLUDE_CRON;
	if (!jo_cron_parse(text, &exclude->cron, &error, &hint))
		jo_spec_refuse(field, error, text, hint);
	if (exclude->cron.reboot || exclude->cron.every_seconds > 0)
		jo_spec_refuse(field, "this says no minutes or days to leave out", text,
					   "Write five fields; all minutes that match are left out: \"* * 25 12 *\" is a whole day.");
}

static void
read_rule(const char *field, JsonbContainer *object, const char *text, const JoZone *zone, JoExclude *exclude)
{
	char	   *start = jo_spec_text(field, object, "dtstart", false);
	const char *path = jo_spec_path(field, "rrule");
	JoRule	   *rule = jo_rule_read(path, text, zone);

	exclude->kind = JO_EXCLUDE_RULE;
	exclude->rule = rule;
	if (start != NULL)
		jo_rule_set_start(rule, jo_spec_path(field, "dtstart"), start);
	if (!rule->has_start && (rule->count > 0 || rule->interval > 1))
		jo_spec_refuse(path, psprintf("%s counts from a beginning, and there is none", rule->count > 0 ? "COUNT" : "INTERVAL"),
					   text, "Add \"dtstart\".");
	if (rule->n_rdates > 0)
		jo_spec_refuse(path, "RDATE is not for what is left out", text, "Add an entry with \"dates\".");
	/* a rule of days leaves out whole days, however it begins */
	if (rule->whole_days)
		rule->start = jo_spectime_day(rule->start) * SECS_PER_DAY;
	jo_rule_begin(rule, 0, PG_INT64_MIN);
}

typedef struct DateList
{
	int			n;
	int64	   *days;
} DateList;

static void
add_day(const char *field, JsonbValue *value, void *context)
{
	DateList   *list = context;
	char	   *text = jo_spec_string(field, value);
	JoSpecTime	time;

	jo_spectime_require(field, text, &time);
	if (!time.is_date)
		jo_spec_refuse(field, "this is not a date", text, "A date is written as 2027-12-25; times are left out by \"from\" and \"to\".");
	if (list->n == JO_SPEC_MAX_TIMES)
		jo_spec_refuse(field, psprintf("there are more than %d dates", JO_SPEC_MAX_TIMES), NULL, NULL);
	if (list->n == 0)
		list->days = palloc(JO_SPEC_MAX_TIMES * sizeof(int64));
	list->days[list->n++] = jo_spectime_day(time.local);
}

static void
read_dates(const char *field, JsonbValue *value, JoExclude *exclude)
{
	DateList	list = {0};

	exclude->kind = JO_EXCLUDE_DATES;
	(void) jo_spec_each(field, value, add_day, &list);
	if (list.n == 0)
		jo_spec_refuse(field, "there is no date", NULL, EXCLUDE_HINT);
	exclude->n_days = jo_spectime_sort(list.days, list.n);
	exclude->days = repalloc(list.days, list.n * sizeof(int64));
}

static void
read_range(const char *field, JsonbContainer *object, const JoZone *zone, JoExclude *exclude)
{
	char	   *from = jo_spec_text(field, object, "from", false);
	char	   *to = jo_spec_text(field, object, "to", false);
	JoSpecTime	time;

	exclude->kind = JO_EXCLUDE_RANGE;
	if (from == NULL || to == NULL)
		jo_spec_refuse(field, "\"from\" and \"to\" belong together", NULL, EXCLUDE_HINT);
	jo_spectime_require(jo_spec_path(field, "from"), from, &time);
	exclude->from = jo_spectime_instant(&time, zone);
	jo_spectime_require(jo_spec_path(field, "to"), to, &time);
	/* a day is left out to its end */
	if (time.is_date)
		time.local += SECS_PER_DAY;
	exclude->to = jo_spectime_instant(&time, zone);
	if (exclude->to <= exclude->from)
		jo_spec_refuse(jo_spec_path(field, "to"), psprintf("the range ends before it begins, at %s", from), to, NULL);
}

void
jo_exclude_read(const char *field, JsonbValue *value, const JoZone *zone, JoExclude *exclude)
{
	JsonbContainer *object = jo_spec_object(field, value);
	JsonbValue	dates;
	char	   *cron;
	char	   *rule;
	bool		has_dates;
	bool		has_range;

	jo_spec_check_keys(field, object, keys);
	exclude->given = *value;
	cron = jo_spec_text(field, object, "cron", false);
	rule = jo_spec_text(field, object, "rrule", false);
	has_dates = jo_jsonb_member(object, "dates", 5, &dates);
	has_range = jo_spec_text(field, object, "from", false) != NULL || jo_spec_text(field, object, "to", false) != NULL;
	if ((cron != NULL) + (rule != NULL) + has_dates + has_range != 1)
		jo_spec_refuse(field, "this must be one of cron, rrule, dates, from with to", NULL, EXCLUDE_HINT);
	if (cron != NULL)
		read_cron(jo_spec_path(field, "cron"), cron, exclude);
	else if (rule != NULL)
		read_rule(field, object, rule, zone, exclude);
	else if (has_dates)
		read_dates(jo_spec_path(field, "dates"), &dates, exclude);
	else
		read_range(field, object, zone, exclude);
}

/* ---- asking ---- */

/* The instant at which a local time above that of an instant begins; later than that in any case. */
static TimestampTz
begin_of(const JoZone *zone, int64 local, TimestampTz at)
{
	return Max(at + USECS_PER_SEC, jo_zone_first_second(zone, local) * USECS_PER_SEC);
}

/* Matching minutes are left out; all minutes of an hour or day at once. */
static TimestampTz
until_of_cron(const JoCron *cron, const JoZone *zone, int64 local, TimestampTz at)
{
	JoCivil		civil;

	jo_civil_from_seconds(local, &civil);
	if ((cron->months >> civil.month & 1) == 0 || (cron->hours >> civil.hour & 1) == 0 ||
		(cron->minutes >> civil.minute & 1) == 0 || (jo_cron_days(cron, civil.year, civil.month) >> civil.day & 1) == 0)
		return 0;
	if (cron->seconds != 1 && (cron->seconds >> civil.second & 1) == 0)
		return 0;
	if (cron->seconds != 1 && cron->seconds != JO_CRON_ALL_MINUTES)
		return at + USECS_PER_SEC;
	if (!cron->star_minute)
		return begin_of(zone, local - civil.second + 60, at);
	if (!cron->star_hour)
		return begin_of(zone, local - civil.second - civil.minute * 60 + 3600, at);
	return begin_of(zone, (jo_spectime_day(local) + 1) * SECS_PER_DAY, at);
}

static TimestampTz
until_of_rule(JoRule *rule, TimestampTz at)
{
	int64		local = jo_spectime_shown(rule->zone, at);
	int64		day = jo_spectime_day(local);
	int64		next;

	if (!rule->whole_days)
		return jo_rule_next(rule, at - 1) == at ? at + USECS_PER_SEC : 0;
	if (!jo_rule_next_local(rule, day * SECS_PER_DAY - 1, &next) || jo_spectime_day(next) != day ||
		jo_spectime_is_in(rule->exdays, rule->n_exdays, day))
		return 0;
	return begin_of(rule->zone, (day + 1) * SECS_PER_DAY, at);
}

TimestampTz
jo_exclude_until(const JoExclude *exclude, const JoZone *zone, TimestampTz at)
{
	int64		local = jo_spectime_shown(zone, at);

	switch (exclude->kind)
	{
		case JO_EXCLUDE_CRON:
			return until_of_cron(&exclude->cron, zone, local, at);
		case JO_EXCLUDE_RULE:
			return until_of_rule(exclude->rule, at);
		case JO_EXCLUDE_DATES:
			return jo_spectime_is_in(exclude->days, exclude->n_days, jo_spectime_day(local)) ?
				begin_of(zone, (jo_spectime_day(local) + 1) * SECS_PER_DAY, at) : 0;
		case JO_EXCLUDE_RANGE:
			return at >= exclude->from && at < exclude->to ? exclude->to : 0;
	}
	return 0;
}

/* ---- words ---- */

/* What matches all minutes is said by its days and hours alone. */
static const char *
describe_cron(const JoCron *cron)
{
	static const char all[] = "every minute";
	const char *words = jo_cron_describe(cron);

	if (strncmp(words, all, strlen(all)) != 0 || words[strlen(all)] == '\0')
		return words;
	words += strlen(all);
	return words + strspn(words, ", ");
}

char *
jo_exclude_words(const JoExclude *exclude, const JoZone *zone)
{
	StringInfoData words;

	initStringInfo(&words);
	switch (exclude->kind)
	{
		case JO_EXCLUDE_CRON:
			appendStringInfoString(&words, describe_cron(&exclude->cron));
			break;
		case JO_EXCLUDE_RULE:
			appendStringInfoString(&words, jo_rule_words(exclude->rule, exclude->rule->whole_days));
			break;
		case JO_EXCLUDE_DATES:
			for (int i = 0; i < exclude->n_days && i < MOST_DATES_SAID; i++)
				appendStringInfo(&words, "%s%s", i > 0 ? ", " : "on ", jo_spectime_day_words(exclude->days[i]));
			if (exclude->n_days > MOST_DATES_SAID)
				appendStringInfo(&words, " and %d more", exclude->n_days - MOST_DATES_SAID);
			break;
		case JO_EXCLUDE_RANGE:
			appendStringInfo(&words, "from %s to %s", jo_spectime_words(jo_spectime_shown(zone, exclude->from)),
							 jo_spectime_words(jo_spectime_shown(zone, exclude->to)));
			break;
	}
	return words.data;
}
