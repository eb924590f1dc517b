/*
 * timespec.c
 *		Reads the spec of a schedule.
 *
 * Who says nothing of a field gets what timespec.h says; whoever says something that
 * has no meaning is told the field.  Nothing of it looks at the clock or at the session's
 * settings, so that the dispatcher reads the same as the user.
 */
#include "joborch.h"

#include "specparts.h"

#include "interval.h"
#include "jsonbuild.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "words.h"

#define SPEC_HINT "Say one of cron, every, at, rrule, or several as \"specs\": [{\"cron\": \"0 9 * * *\"}, {\"every\": \"15 minutes\"}]."
#define LONGEST_JITTER USECS_PER_DAY

#define ENTRY_KEYS "cron", "every", "anchor", "from", "at", "rrule", "dtstart", "exdate", "rdate"

static const char *const entry_keys[] = {ENTRY_KEYS, NULL};
static const char *const spec_keys[] = {
	"specs", ENTRY_KEYS, "exclude", "timezone", "starts_at", "ends_at", "jitter", NULL
};

typedef struct SpecReader
{
	JoTimeSpec *spec;
	TimestampTz created;		/* DT_NOBEGIN: not known */
	bool		lone;			/* "specs" has one element */
	int			max_entries;
	int			max_excludes;

	/* of the object that is being read */
	JsonbContainer *object;
	const char *path;
	JoSpecEntry *entry;
} SpecReader;

/* ---- entries ---- */

static void
add_entry(SpecReader *reader, const char *field, JoSpecKind kind, JsonbValue *value)
{
	JoTimeSpec *spec = reader->spec;
	JoSpecEntry *entry;

	if (spec->n_entries == JO_SPEC_MAX_ENTRIES)
		jo_spec_refuse(field, psprintf("a schedule has at most %d specs", JO_SPEC_MAX_ENTRIES), NULL,
					   "Make several schedules of it.");
	if (spec->n_entries == reader->max_entries)
	{
		reader->max_entries = Max(1, reader->max_entries * 2);
		spec->entries = spec->n_entries == 0 ? palloc(sizeof(JoSpecEntry)) :
			repalloc(spec->entries, reader->max_entries * sizeof(JoSpecEntry));
	}
	reader->entry = entry = &spec->entries[spec->n_entries++];
	memset(entry, 0, sizeof(JoSpecEntry));
	entry->kind = kind;
	entry->given = *value;
	entry->exdate.type = entry->rdate.type = jbvNull;
}

static void
read_cron(const char *field, JsonbValue *value, void *context)
{
	SpecReader *reader = context;
	char	   *text = jo_spec_string(field, value);
	char	   *error;
	char	   *hint;

	add_entry(reader, field, JO_SPEC_CRON, value);
	if (!jo_cron_parse(text, &reader->entry->cron, &error, &hint))
		jo_spec_refuse(field, error, text, hint);
}

/* Where what counts from a beginning begins, if it does not say so. */
static TimestampTz
default_start(const SpecReader *reader)
{
	if (reader->spec->starts_at != DT_NOBEGIN)
		return reader->spec->starts_at;
	if (reader->created != DT_NOBEGIN)
		return reader->created - reader->created % USECS_PER_SEC;
	return jo_zone_first_second(reader->spec->zone, 0) * USECS_PER_SEC;
}

static void
read_every(const char *field, JsonbValue *value, void *context)
{
	static const char *const anchors[] = {"start", "finish", NULL};
	SpecReader *reader = context;
	char	   *text = value->type != jbvNumeric ? jo_spec_string(field, value) :
		DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	char	   *anchor = jo_spec_text(reader->path, reader->object, "anchor", false);
	char	   *from = jo_spec_text(reader->path, reader->object, "from", false);
	TimestampTz at = default_start(reader);
	JoSpecTime	time;

	add_entry(reader, field, JO_SPEC_EVERY, value);
	jo_every_read(field, text, &reader->entry->every);
	if (anchor != NULL && jo_words_find(anchor, anchors) < 0)
		jo_spec_refuse(jo_spec_path(reader->path, "anchor"), "this is neither \"start\" nor \"finish\"", anchor,
					   "From \"start\", times are a fixed distance apart; from \"finish\", the end of each run begins the next interval.");
	reader->entry->every.finish = anchor != NULL && strcmp(anchor, "finish") == 0;
	if (from != NULL)
	{
		jo_spectime_require(jo_spec_path(reader->path, "from"), from, &time);
		at = jo_spectime_instant(&time, reader->spec->zone);
	}
	jo_every_anchor(&reader->entry->every, at, reader->spec->zone);
}

static void
read_one_at(const char *field, JsonbValue *value, void *context)
{
	SpecReader *reader = context;
	JoSpecEntry *entry = reader->entry;
	JoSpecTime	time;

	jo_spectime_require(field, jo_spec_string(field, value), &time);
	if (entry->n_at == JO_SPEC_MAX_TIMES)
		jo_spec_refuse(field, psprintf("there are more than %d times", JO_SPEC_MAX_TIMES), NULL, NULL);
	if (entry->n_at == 0)
		entry->at = palloc(sizeof(int64));
	else if ((entry->n_at & (entry->n_at - 1)) == 0)
		entry->at = repalloc(entry->at, 2 * entry->n_at * sizeof(int64));
	entry->at[entry->n_at++] = jo_spectime_instant(&time, reader->spec->zone);
}

static void
read_at(SpecReader *reader, const char *field, JsonbValue *value)
{
	add_entry(reader, field, JO_SPEC_AT, value);
	(void) jo_spec_each(field, value, read_one_at, reader);
	if (reader->entry->n_at == 0)
		jo_spec_refuse(field, "there is no time", NULL, SPEC_HINT);
	reader->entry->n_at = jo_spectime_sort(reader->entry->at, reader->entry->n_at);
}

static void
add_rdate(const char *field, JsonbValue *value, void *rule)
{
	jo_rule_add_date(rule, field, jo_spec_string(field, value), false);
}

static void
add_exdate(const char *field, JsonbValue *value, void *rule)
{
	jo_rule_add_date(rule, field, jo_spec_string(field, value), true);
}

/* A list of dates beside a rule, kept for writing it again. */
static void
read_rule_dates(SpecReader *reader, const char *key, JoSpecEach add, JsonbValue *given)
{
	if (jo_jsonb_member(reader->object, key, (int) strlen(key), given) && given->type != jbvNull)
		(void) jo_spec_each(jo_spec_path(reader->path, key), given, add, reader->entry->rule);
	else
		given->type = jbvNull;
}

/*
 * A rule that says no beginning of its own begins with starts_at, or with the midnight
 * before it was made, and then COUNT counts from when it was made.
 */
static void
read_rule(const char *field, JsonbValue *value, void *context)
{
	SpecReader *reader = context;
	char	   *start = jo_spec_text(reader->path, reader->object, "dtstart", false);
	int64		local;
	JoRule	   *rule;

	add_entry(reader, field, JO_SPEC_RULE, value);
	reader->entry->rule = rule = jo_rule_read(field, jo_spec_string(field, value), reader->spec->zone);
	if (start != NULL)
		jo_rule_set_start(rule, jo_spec_path(reader->path, "dtstart"), start);
	read_rule_dates(reader, "rdate", add_rdate, &reader->entry->rdate);
	read_rule_dates(reader, "exdate", add_exdate, &reader->entry->exdate);
	local = jo_spectime_shown(rule->zone, default_start(reader));
	if (reader->spec->starts_at != DT_NOBEGIN)
		jo_rule_begin(rule, local, local - 1);
	else
		jo_rule_begin(rule, jo_spectime_day(local) * SECS_PER_DAY, local);
}

/* Refuses keys that stand beside nothing that they could belong to. */
static void
check_belongs(SpecReader *reader, const char *key, const char *owner)
{
	JsonbValue	value;

	if (jo_jsonb_member(reader->object, key, (int) strlen(key), &value) && value.type != jbvNull &&
		!jo_jsonb_member(reader->object, owner, (int) strlen(owner), &value))
		jo_spec_refuse(jo_spec_path(reader->path, key), psprintf("this belongs to \"%s\", which is not there", owner), NULL, NULL);
}

/* All entries of an object: of one of "specs", or of the spec itself. */
static void
read_entries(SpecReader *reader, const char *path, JsonbContainer *object)
{
	int			before = reader->spec->n_entries;
	JsonbValue	value;

	reader->path = path;
	reader->object = object;
	check_belongs(reader, "anchor", "every");
	check_belongs(reader, "from", "every");
	check_belongs(reader, "dtstart", "rrule");
	check_belongs(reader, "exdate", "rrule");
	check_belongs(reader, "rdate", "rrule");
	if (jo_jsonb_member(object, "cron", 4, &value) && value.type != jbvNull)
		(void) jo_spec_each(jo_spec_path(path, "cron"), &value, read_cron, reader);
	if (jo_jsonb_member(object, "every", 5, &value) && value.type != jbvNull)
		(void) jo_spec_each(jo_spec_path(path, "every"), &value, read_every, reader);
	if (jo_jsonb_member(object, "at", 2, &value) && value.type != jbvNull)
		read_at(reader, jo_spec_path(path, "at"), &value);
	if (jo_jsonb_member(object, "rrule", 5, &value) && value.type != jbvNull)
		(void) jo_spec_each(jo_spec_path(path, "rrule"), &value, read_rule, reader);
	if ((*path != '\0' || reader->lone) && reader->spec->n_entries == before)
		jo_spec_refuse(*path != '\0' ? path : "specs", "this says no time", NULL, "An entry has one of cron, every, at, rrule.");
}

static void
read_entry(const char *field, JsonbValue *value, void *context)
{
	SpecReader *reader = context;
	JsonbContainer *object = jo_spec_object(field, value);

	/* who has said one thing need not be told which */
	if (reader->lone)
		field = "";
	jo_spec_check_keys(field, object, entry_keys);
	read_entries(reader, field, object);
}

/* ---- what is around them ---- */

static void
read_exclude(const char *field, JsonbValue *value, void *context)
{
	SpecReader *reader = context;
	JoTimeSpec *spec = reader->spec;

	if (spec->n_excludes == JO_SPEC_MAX_ENTRIES)
		jo_spec_refuse(field, psprintf("a schedule has at most %d entries of \"exclude\"", JO_SPEC_MAX_ENTRIES), NULL, NULL);
	if (spec->n_excludes == reader->max_excludes)
	{
		reader->max_excludes = Max(1, reader->max_excludes * 2);
		spec->excludes = spec->n_excludes == 0 ? palloc(sizeof(JoExclude)) :
			repalloc(spec->excludes, reader->max_excludes * sizeof(JoExclude));
	}
	memset(&spec->excludes[spec->n_excludes], 0, sizeof(JoExclude));
	jo_exclude_read(field, value, spec->zone, &spec->excludes[spec->n_excludes]);
	spec->n_excludes++;
}

static void
read_zone(JoTimeSpec *spec, JsonbContainer *object)
{
	char	   *name = jo_spec_text("", object, "timezone", false);
	char	   *error;
	char	   *hint;

	spec->zone = jo_zone_look_up(name != NULL ? name : "UTC", &error, &hint);
	if (spec->zone == NULL)
		jo_spec_refuse("timezone", error, NULL, hint);
}

static void
read_bounds(JoTimeSpec *spec, JsonbContainer *object)
{
	char	   *starts_at = jo_spec_text("", object, "starts_at", false);
	char	   *ends_at = jo_spec_text("", object, "ends_at", false);
	JoSpecTime	time;

	spec->starts_at = DT_NOBEGIN;
	spec->ends_at = DT_NOEND;
	if (starts_at != NULL)
	{
		jo_spectime_require("starts_at", starts_at, &time);
		spec->starts_at = jo_spectime_instant(&time, spec->zone);
	}
	if (ends_at != NULL)
	{
		jo_spectime_require("ends_at", ends_at, &time);
		spec->ends_at = jo_spectime_instant(&time, spec->zone);
	}
	if (spec->ends_at < spec->starts_at)
		jo_spec_refuse("ends_at", psprintf("this is before starts_at, %s", starts_at), ends_at, "Exchange the two, or leave one out.");
}

static void
read_jitter(JoTimeSpec *spec, JsonbContainer *object)
{
	char	   *text = jo_spec_text("", object, "jitter", true);
	Interval	interval;

	if (text == NULL)
		return;
	if (!jo_interval_read(text, &interval) || !jo_interval_microseconds(&interval, &spec->jitter))
		jo_spec_refuse("jitter", "this is not an interval", text, "Write it as '30 seconds', or a number of seconds.");
	if (spec->jitter < 0 || spec->jitter > LONGEST_JITTER)
		jo_spec_refuse("jitter", "this is not in 0 to 1 day", text, NULL);
}

/* The end of a run begins the next interval: nothing else could have a say in that. */
static void
check_finish(const JoTimeSpec *spec)
{
	for (int i = 0; i < spec->n_entries; i++)
		if (spec->entries[i].kind == JO_SPEC_EVERY && spec->entries[i].every.finish && spec->n_entries > 1)
			jo_spec_refuse("anchor", "an interval from finish cannot have other specs beside it", NULL,
						   "Make a schedule of its own for each.");
}

JoTimeSpec *
jo_timespec_read(Jsonb *jsonb, TimestampTz created)
{
	SpecReader	reader = {.created = created};
	JsonbContainer *object = &jsonb->root;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(jsonb))
		jo_spec_refuse("spec", "this must be an object", NULL, SPEC_HINT);
	jo_spec_check_keys("", object, spec_keys);
	reader.spec = palloc0(sizeof(JoTimeSpec));
	read_zone(reader.spec, object);
	read_bounds(reader.spec, object);
	read_jitter(reader.spec, object);
	read_entries(&reader, "", object);
	if (jo_jsonb_member(object, "specs", 5, &value) && value.type != jbvNull)
	{
		reader.lone = reader.spec->n_entries == 0 &&
			(value.type != jbvBinary || !JsonContainerIsArray(value.val.binary.data) || JsonContainerSize(value.val.binary.data) == 1);
		(void) jo_spec_each("specs", &value, read_entry, &reader);
	}
	if (reader.spec->n_entries == 0)
		jo_spec_refuse("spec", "it says no time", NULL, SPEC_HINT);
	check_finish(reader.spec);
	if (jo_jsonb_member(object, "exclude", 7, &value) && value.type != jbvNull)
		(void) jo_spec_each("exclude", &value, read_exclude, &reader);
	return reader.spec;
}

JoTimeSpec *
jo_timespec_parse(Jsonb *spec)
{
	return jo_timespec_read(spec, DT_NOBEGIN);
}
