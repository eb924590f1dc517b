/*
 * specwrite.c
 *		A spec in the one form that is stored.
 *
 * All that counts from the moment at which a schedule was made is written down, so that
 * the stored spec means the same ever after, and can be copied to another schedule.
 */
#include "joborch.h"

#include "specparts.h"

#include "jsonbuild.h"

static void
add_given(JsonbParseState **state, const char *key, JsonbValue *value)
{
	if (value->type != jbvNull)
		jo_jsonb_add_jsonb(state, key, jo_jsonb_from_value(value));
}

/* The text of a field as the user wrote it; NULL: he did not. */
static char *
given_text(Jsonb *spec, const char *key)
{
	return jo_spec_text("", &spec->root, key, true);
}

static void
write_entry(JsonbParseState **state, JoSpecEntry *entry, const JoZone *zone)
{
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	switch (entry->kind)
	{
		case JO_SPEC_CRON:
			add_given(state, "cron", &entry->given);
			break;
		case JO_SPEC_EVERY:
			add_given(state, "every", &entry->given);
			jo_jsonb_add_string(state, "anchor", entry->every.finish ? "finish" : NULL);
			jo_jsonb_add_string(state, "from", jo_spectime_instant_text(entry->every.from, zone));
			break;
		case JO_SPEC_AT:
			add_given(state, "at", &entry->given);
			break;
		case JO_SPEC_RULE:
			add_given(state, "rrule", &entry->given);
			if (!entry->rule->in_text)
				jo_jsonb_add_string(state, "dtstart", jo_spectime_local_text(entry->rule->start));
			add_given(state, "exdate", &entry->exdate);
			add_given(state, "rdate", &entry->rdate);
			break;
	}
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

static void
push_key(JsonbParseState **state, const char *key)
{
	JsonbValue	value;

	jo_jsonb_string_value(&value, key);
	pushJsonbValue(state, WJB_KEY, &value);
}

static Jsonb *
write_spec(JoTimeSpec *spec, Jsonb *given)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_key(&state, "specs");
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < spec->n_entries; i++)
		write_entry(&state, &spec->entries[i], spec->zone);
	pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	if (spec->n_excludes > 0)
	{
		push_key(&state, "exclude");
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		for (int i = 0; i < spec->n_excludes; i++)
		{
			JsonbValue	value;

			jo_jsonb_to_value(jo_jsonb_from_value(&spec->excludes[i].given), &value);
			pushJsonbValue(&state, WJB_ELEM, &value);
		}
		pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	}
	jo_jsonb_add_string(&state, "timezone", jo_zone_name(spec->zone));
	jo_jsonb_add_string(&state, "starts_at", given_text(given, "starts_at"));
	jo_jsonb_add_string(&state, "ends_at", given_text(given, "ends_at"));
	jo_jsonb_add_string(&state, "jitter", given_text(given, "jitter"));
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

Jsonb *
jo_timespec_canonical(Jsonb *given, TimestampTz created)
{
	return write_spec(jo_timespec_read(given, created), given);
}
