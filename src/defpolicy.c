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
#define MAX_CONCURRENCY 10000
#define SECOND INT64CONST(1000000)

static const JoStepDefaults product_defaults = {
	.retry = {.max_attempts = 1, .exponential = true, .initial = SECOND, .max = 300 * SECOND,
	.multiplier = 2}
};

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

/* The keys of common that a step and `defaults` share; *values holds what applies so far. */
static void
read_policy(JoDefReader *reader, const cJSON *json, const JoPath *path, unsigned common,
			JoStepDefaults *values)
{
	const cJSON *member;
	JoPath		at;
	int			word;

	if ((common & JO_KEY_TIMEOUT) && (member = jo_def_get(json, path, "timeout", &at)) != NULL)
		jo_def_duration(reader, member, &at, &values->timeout);
	if ((common & JO_KEY_RETRY) && (member = jo_def_get(json, path, "retry", &at)) != NULL)
		read_retry(reader, member, &at, &values->retry, &values->max_given);
	if ((common & JO_KEY_ON_ERROR) && (member = jo_def_get(json, path, "on_error", &at)) != NULL &&
		jo_def_word(reader, member, &at, on_error_words, &word))
		values->on_error = (JoOnError) word;
	if ((common & JO_KEY_TRANSACTION) &&
		(member = jo_def_get(json, path, "transaction", &at)) != NULL &&
		jo_def_word(reader, member, &at, transaction_words, &word))
		values->transaction = (JoTransactionMode) word;
}

void
jo_def_read_defaults(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const char *const keys[] = {"timeout", "retry", "on_error", "transaction", NULL};
	JoStepDefaults *defaults = &reader->defaults;

	*defaults = product_defaults;
	if (json == NULL || !jo_def_object(reader, json, path))
		return;
	jo_def_check_keys(reader, json, path, "\"defaults\"", keys, NULL);
	read_policy(reader, json, path, ~0U, defaults);
}

/* `defaults` are for steps that do something: a wait or a child run has its own measure. */
static bool
takes_defaults(const JoStepKind *kind)
{
	return (kind->common & JO_KEY_RETRY) != 0 &&
		(kind->type <= JO_STEP_NOTIFY || kind->parameters != NULL);
}

static void
keep_policy(JoStepDef *step, const JoStepDefaults *values)
{
	step->timeout = values->timeout;
	step->retry = values->retry;
	step->on_error = values->on_error;
	step->transaction = values->transaction;
}

void
jo_def_set_policy(JoDefReader *reader, JoStepDef *step)
{
	JoStepDefaults values = product_defaults;

	/* what OPEN evaluates is tried once, and not longer than a step */
	if (step->part == JO_PART_OPEN)
		values.timeout = reader->defaults.timeout;
	keep_policy(step, &values);
}

void
jo_def_read_policy(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step,
				   const JoStepKind *kind)
{
	JoStepDefaults values = takes_defaults(kind) ? reader->defaults : product_defaults;

	if (kind->type == JO_STEP_CONDITION || kind->type == JO_STEP_SWITCH)
		values.timeout = reader->defaults.timeout;
	values.on_error = reader->defaults.on_error;
	read_policy(reader, json, path, kind->common, &values);
	keep_policy(step, &values);
}

JoConcurrencyDef *
jo_def_read_concurrency(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const char *const keys[] = {"key", "limit", "scope", "when_full", NULL};
	static const char *const scopes[] = {"job", "queue", NULL};
	static const char *const actions[] = {"wait", "skip", "cancel_other", NULL};
	JoConcurrencyDef *concurrency = palloc0(sizeof(JoConcurrencyDef));
	const cJSON *member;
	JoPath		at;
	int			word;

	if (!jo_def_object(reader, json, path))
		return NULL;
	concurrency->limit = 1;
	jo_def_check_keys(reader, json, path, "\"concurrency\"", keys, NULL);
	if ((member = jo_def_get(json, path, "key", &at)) != NULL)
		concurrency->key = jo_def_read_template_text(reader, member, &at);
	else
		jo_def_report(reader, "missing_key", path, "Write \"key\": \"{{ input.id }}\".",
					  "\"concurrency\" has no \"key\"");
	if ((member = jo_def_get(json, path, "limit", &at)) != NULL)
		jo_def_integer(reader, member, &at, 1, MAX_CONCURRENCY, &concurrency->limit);
	if ((member = jo_def_get(json, path, "scope", &at)) != NULL &&
		jo_def_word(reader, member, &at, scopes, &word))
		concurrency->of_queue = (word == 1);
	if ((member = jo_def_get(json, path, "when_full", &at)) != NULL &&
		jo_def_word(reader, member, &at, actions, &word))
		concurrency->when_full = word;
	return concurrency;
}
