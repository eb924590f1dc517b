/*
 * defpolicy.c
 *		What a step does about time and errors: timeout, retry, on_error,
 *		transaction; and `defaults`, which say so for steps that do not.
 *
 * A leaf.  A step's retry replaces the default's key by key.
 */
#include "defparse.h"

#include <string.h>

#define MAX_ATTEMPTS 100
#define SECOND INT64CONST(1000000)

/* In the order of JoOnError. */
static const char *const on_error_words[] = {"fail", "stop", "continue", NULL};

/* In the order of JoTransactionMode. */
static const char *const transaction_words[] = {"auto", "step", "none", NULL};

static const char *const categories[] = {
	"validation", "permission", "not_found", "timeout", "cancelled", "conflict", "connection",
	"rate_limited", "resource", "external", "client", "data", "internal", NULL
};

/* Reads one list of categories; a list that is wrong stays as it was. */
static void
read_categories(JoDefReader *reader, const cJSON *json, const JoPath *path, int *n, char ***list)
{
	char	  **words;
	int			nwords;
	bool		good;

	good = jo_def_strings(reader, json, path, &nwords, &words);
	for (int i = 0; i < nwords; i++)
	{
		JoPath		at = {path, NULL, i};
		char	   *suggestion;

		if (jo_words_find(words[i], categories) >= 0)
			continue;
		good = false;
		suggestion = jo_words_suggest(words[i], categories);
		jo_def_report(reader, "invalid_value", cJSON_IsArray(json) ? &at : path, suggestion,
					  "\"%s\" is not a category of errors: %s", jo_words_show(words[i]),
					  jo_words_join(categories));
	}
	if (good)
	{
		*n = nwords;
		*list = words;
	}
}

static void
check_categories(JoDefReader *reader, const JoPath *path, const JoRetry *retry)
{
	for (int i = 0; i < retry->non; i++)
		for (int j = 0; j < retry->nnot_on; j++)
			if (strcmp(retry->on[i], retry->not_on[j]) == 0)
			{
				jo_def_report(reader, "invalid_value", path, NULL,
							  "\"%s\" is in both \"on\" and \"not_on\"", retry->on[i]);
				return;
			}
}

static void
read_retry_delays(JoDefReader *reader, const cJSON *json, const JoPath *path,
				  JoRetry *retry, bool *max_given)
{
	static const char *const backoffs[] = {"fixed", "exponential", NULL};
	const cJSON *member;
	JoPath		at;
	int			backoff;

	if ((member = jo_def_get(json, path, "backoff", &at)) != NULL &&
		jo_def_word(reader, member, &at, backoffs, &backoff))
		retry->exponential = (backoff == 1);
	if ((member = jo_def_get(json, path, "multiplier", &at)) != NULL)
		jo_def_number(reader, member, &at, 1, 100, &retry->multiplier);
	if ((member = jo_def_get(json, path, "jitter", &at)) != NULL)
		jo_def_number(reader, member, &at, 0, 1, &retry->jitter);
	if ((member = jo_def_get(json, path, "initial", &at)) != NULL)
		jo_def_duration(reader, member, &at, &retry->initial);
	if ((member = jo_def_get(json, path, "max", &at)) != NULL)
		*max_given |= jo_def_duration(reader, member, &at, &retry->max);

	/* a cap that nobody wrote gives way to an initial delay that somebody did */
	if (retry->max < retry->initial && *max_given)
		jo_def_report(reader, "invalid_value", path, NULL, "the retry's \"max\" is less than its \"initial\"");
	retry->max = Max(retry->max, retry->initial);
}

static void
read_retry(JoDefReader *reader, const cJSON *json, const JoPath *path,
		   JoRetry *retry, bool *max_given)
{
	static const char *const keys[] = {
		"max_attempts", "backoff", "initial", "max", "multiplier", "jitter", "on", "not_on", NULL
	};
	const cJSON *member;
	JoPath		at;

	if (cJSON_IsNumber(json))
	{
		jo_def_integer(reader, json, path, 1, MAX_ATTEMPTS, &retry->max_attempts);
		return;
	}
	if (!cJSON_IsObject(json))
	{
		jo_def_report(reader, "schema_error", path,
					  "Write {\"max_attempts\": 3}, or 3 for short.",
					  "an object or a number of attempts was expected");
		return;
	}
	jo_def_check_keys(reader, json, path, "retry", keys, NULL);
	if ((member = jo_def_get(json, path, "max_attempts", &at)) != NULL)
		jo_def_integer(reader, member, &at, 1, MAX_ATTEMPTS, &retry->max_attempts);
	read_retry_delays(reader, json, path, retry, max_given);
	if ((member = jo_def_get(json, path, "on", &at)) != NULL)
		read_categories(reader, member, &at, &retry->non, &retry->on);
	if ((member = jo_def_get(json, path, "not_on", &at)) != NULL)
		read_categories(reader, member, &at, &retry->nnot_on, &retry->not_on);
	check_categories(reader, path, retry);
}

/* The four keys that a step and `defaults` share; *values holds what applies so far. */
static void
read_policy(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDefaults *values)
{
	const cJSON *member;
	JoPath		at;
	int			word;

	if ((member = jo_def_get(json, path, "timeout", &at)) != NULL)
		jo_def_duration(reader, member, &at, &values->timeout);
	if ((member = jo_def_get(json, path, "retry", &at)) != NULL)
		read_retry(reader, member, &at, &values->retry, &values->max_given);
	if ((member = jo_def_get(json, path, "on_error", &at)) != NULL &&
		jo_def_word(reader, member, &at, on_error_words, &word))
		values->on_error = (JoOnError) word;
	if ((member = jo_def_get(json, path, "transaction", &at)) != NULL &&
		jo_def_word(reader, member, &at, transaction_words, &word))
		values->transaction = (JoTransactionMode) word;
}

void
jo_def_read_defaults(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const char *const keys[] = {"timeout", "retry", "on_error", "transaction", NULL};
	JoStepDefaults *defaults = &reader->defaults;

	memset(defaults, 0, sizeof(*defaults));
	defaults->retry.max_attempts = 1;
	defaults->retry.exponential = true;
	defaults->retry.initial = SECOND;
	defaults->retry.max = 300 * SECOND;
	defaults->retry.multiplier = 2;
	if (json == NULL || !jo_def_object(reader, json, path))
		return;
	jo_def_check_keys(reader, json, path, "\"defaults\"", keys, NULL);
	read_policy(reader, json, path, defaults);
}

void
jo_def_read_policy(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoStepDefaults values = reader->defaults;

	read_policy(reader, json, path, &values);
	step->timeout = values.timeout;
	step->retry = values.retry;
	step->on_error = values.on_error;
	step->transaction = values.transaction;
}
