/*
 * defstep.c
 *		The types of steps, which keys each may have, and the keys that they share.
 *
 * A leaf.  What is special to a group of types is read in deflogic.c, defdata.c,
 * defwait.c, defchild.c, and the files of defoutside.h, through the table; what needs
 * the other steps is checked after all were read.
 */
#include "defoutside.h"

#include <string.h>

#define MAX_KNOWN 96			/* keys of a type, and such as are reported once */

/* Keys that every step may have. */
static const char *const every_key[] = {
	"name", "type", "description", "metadata", "depends_on", "when", "run_as", "priority",
	"estimated_duration", NULL
};

/* Keys that only some types have; why says what to do instead. */
typedef struct CommonKey
{
	const char *key;
	unsigned	bit;
	const char *why;			/* "not supported" with this advice; NULL: unknown as any other */
} CommonKey;

static const CommonKey common_keys[] = {
	{"sql", JO_KEY_SQL, NULL},
	{"trigger_rule", JO_KEY_RULE, "Say how many of its parents must complete with \"mode\"."},
	{"trigger", JO_KEY_RULE, "Say how many of its parents must complete with \"mode\"."},
	{"retry", JO_KEY_RETRY, "Only steps that do something are tried again: give \"retry\" to those in it or after it."},
	{"timeout", JO_KEY_TIMEOUT, "Give \"timeout\" to the steps in it or to the job."},
	{"on_timeout", JO_KEY_ON_TIMEOUT, "Only wait_signal, wait_sql and approval have it; a step whose time is up fails."},
	{"transaction", JO_KEY_TRANSACTION, "Only SQL steps have it; of all others the type says how they run."},
	{"output", JO_KEY_OUTPUT, "Its output is fixed; make another of it with a step of type transform."},
	{"cache", JO_KEY_CACHE, "Only the outputs of steps that compute something are kept: give \"cache\" to those."},
	{"foreach", JO_KEY_FOREACH, "Use a step of type foreach with \"items\" and \"steps\"."},
	{"compensate", JO_KEY_COMPENSATE, "Give it to the step whose effect it undoes."},
	{"on_error", JO_KEY_ON_ERROR, NULL},
	{"concurrency", JO_KEY_CONCURRENCY, "Give it to the steps in it or to the job."},
	{"external_id", JO_KEY_EXTERNAL_ID, "Only steps that act outside of the database have it."},
};

/* Keys of the design that no step understands yet. */
static const char *const unbuilt_keys[] = {"run_retry", NULL};

#define KEYS_OF_ALL (JO_KEY_RULE | JO_KEY_ON_ERROR | JO_KEY_OUTPUT | JO_KEY_COMPENSATE)
#define KEYS_OF_WORK (KEYS_OF_ALL | JO_KEY_RETRY | JO_KEY_TIMEOUT | JO_KEY_CACHE | \
					  JO_KEY_FOREACH | JO_KEY_CONCURRENCY)
#define KEYS_OF_OUTSIDE (KEYS_OF_WORK | JO_KEY_EXTERNAL_ID)
#define KEYS_OF_FLOW (KEYS_OF_ALL)
#define KEYS_OF_WAIT (KEYS_OF_ALL | JO_KEY_TIMEOUT | JO_KEY_ON_TIMEOUT)

static const char *const no_keys[] = {NULL};
static const char *const transform_keys[] = {"path", "many", "outputs", "value", NULL};
static const char *const validate_keys[] = {"value", "schema", "rules", "fail_on_error", NULL};
static const char *const aggregate_keys[] = {"items", "group_by", "aggregates", NULL};
static const char *const filter_keys[] = {"items", "where", NULL};
static const char *const set_keys[] = {"vars", NULL};
static const char *const notify_keys[] = {"channel", "payload", NULL};
static const char *const condition_keys[] = {"if", "then", "else", NULL};
static const char *const switch_keys[] = {"value", "cases", "default", NULL};
static const char *const parallel_keys[] = {"steps", "branches", "max_concurrent", "wait_for_all", NULL};
static const char *const race_keys[] = {"steps", "branches", NULL};
static const char *const join_keys[] = {"mode", NULL};
static const char *const end_keys[] = {"status", "message", NULL};
static const char *const foreach_keys[] = {
	"items", "as", "max_parallel", "on_item_error", "max_failed", "steps", NULL
};
static const char *const loop_keys[] = {
	"steps", "while", "until", "break", "max_iterations", "delay", "on_max", NULL
};
static const char *const job_keys[] = {"job", "definition", "input", "wait", "tags", "queue", NULL};
static const char *const delay_keys[] = {"duration", "until", NULL};
static const char *const wait_signal_keys[] = {"signal", "count", NULL};
static const char *const wait_sql_keys[] = {"lsn", "lock_free", "interval", NULL};
static const char *const approval_keys[] = {"approvers", "message", "on_reject", NULL};

static void read_sql_step(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step);

static const JoStepKind kinds[] = {
	{"sql", "an SQL step", JO_STEP_SQL, KEYS_OF_WORK | JO_KEY_SQL | JO_KEY_TRANSACTION, no_keys,
	read_sql_step, NULL},
	{"transform", "a transform step", JO_STEP_TRANSFORM, KEYS_OF_WORK | JO_KEY_SQL, transform_keys,
	jo_def_read_transform, NULL},
	{"validate", "a validate step", JO_STEP_VALIDATE, KEYS_OF_WORK, validate_keys, jo_def_read_validate, NULL},
	{"aggregate", "an aggregate step", JO_STEP_AGGREGATE, KEYS_OF_WORK, aggregate_keys,
	jo_def_read_aggregate, NULL},
	{"filter", "a filter step", JO_STEP_FILTER, KEYS_OF_WORK, filter_keys, jo_def_read_filter, NULL},
	{"set", "a set step", JO_STEP_SET, KEYS_OF_WORK & ~(JO_KEY_CACHE | JO_KEY_FOREACH), set_keys,
	jo_def_read_set, NULL},
	{"notify", "a notify step", JO_STEP_NOTIFY, KEYS_OF_WORK & ~JO_KEY_CACHE, notify_keys,
	jo_def_read_notify, NULL},
	{"condition", "a condition step", JO_STEP_CONDITION, KEYS_OF_FLOW, condition_keys, jo_def_read_if, NULL},
	{"switch", "a switch step", JO_STEP_SWITCH, KEYS_OF_FLOW, switch_keys, jo_def_read_switch, NULL},
	{"parallel", "a parallel step", JO_STEP_PARALLEL, KEYS_OF_FLOW, parallel_keys, jo_def_read_parallel, NULL},
	{"race", "a race step", JO_STEP_RACE, KEYS_OF_FLOW, race_keys, jo_def_read_parallel, NULL},
	{"join", "a join step", JO_STEP_JOIN, JO_KEY_ON_ERROR | JO_KEY_OUTPUT, join_keys, jo_def_read_join, NULL},
	{"end", "an end step", JO_STEP_END, JO_KEY_RULE, end_keys, jo_def_read_end, NULL},
	{"foreach", "a foreach step", JO_STEP_JOB, KEYS_OF_ALL | JO_KEY_TIMEOUT, foreach_keys,
	jo_def_read_foreach, NULL},
	{"loop", "a loop step", JO_STEP_LOOP, KEYS_OF_ALL | JO_KEY_TIMEOUT, loop_keys, jo_def_read_loop, NULL},
	{"job", "a job step", JO_STEP_JOB, KEYS_OF_WORK, job_keys, jo_def_read_job, NULL},
	{"delay", "a delay step", JO_STEP_DELAY, KEYS_OF_ALL, delay_keys, jo_def_read_delay, NULL},
	{"wait_signal", "a wait_signal step", JO_STEP_WAIT_SIGNAL, KEYS_OF_WAIT, wait_signal_keys,
	jo_def_read_wait_signal, NULL},
	{"wait_sql", "a wait_sql step", JO_STEP_WAIT_SQL, KEYS_OF_WAIT | JO_KEY_SQL | JO_KEY_RETRY,
	wait_sql_keys, jo_def_read_wait_sql, NULL},
	{"approval", "an approval step", JO_STEP_APPROVAL, KEYS_OF_WAIT, approval_keys, jo_def_read_approval, NULL},

	/* they act outside of the database; what the reader finds may make another type of them */
	{"http", "an http step", JO_STEP_NETWORK, KEYS_OF_OUTSIDE, no_keys, jo_def_read_http, jo_def_http_keys},
	{"webhook", "a webhook step", JO_STEP_NETWORK, KEYS_OF_OUTSIDE, no_keys, jo_def_read_webhook,
	jo_def_webhook_keys},
	{"file_transfer", "a file_transfer step", JO_STEP_NETWORK, KEYS_OF_OUTSIDE, no_keys, jo_def_read_transfer,
	jo_def_transfer_keys},
	{"email", "an email step", JO_STEP_NETWORK, KEYS_OF_OUTSIDE, no_keys, jo_def_read_email,
	jo_def_email_keys},
	{"command", "a command step", JO_STEP_COMMAND, KEYS_OF_OUTSIDE, no_keys, jo_def_read_command,
	jo_def_command_keys},
	{"script", "a script step", JO_STEP_COMMAND, KEYS_OF_OUTSIDE, no_keys, jo_def_read_script,
	jo_def_script_keys},
	{"artifact", "an artifact step", JO_STEP_ARTIFACT, KEYS_OF_OUTSIDE, no_keys, jo_def_read_artifact,
	jo_def_artifact_keys},
	{"external", "an external step", JO_STEP_OUTSIDE, KEYS_OF_OUTSIDE, no_keys, jo_def_read_external,
	jo_def_external_keys},
};

/* All words that "type" may be, for suggestions: those of kinds. */
static const char *const type_words[] = {
	"sql", "transform", "validate", "aggregate", "filter", "set", "condition", "switch",
	"parallel", "join", "foreach", "loop", "job", "race", "end", "delay", "wait_signal",
	"wait_sql", "approval", "http", "webhook", "file_transfer", "email", "command", "script",
	"notify", "artifact", "external", NULL
};

/* First words of the visual form's types, such as logic.if. */
static const char *const visual_prefixes[] = {
	"flow.", "action.", "condition.", "logic.", "data.", "webhook.", "trigger.", "notification.",
	"system.", "file.", "log.", NULL
};

/* First those of JoTriggerRule in its order, then Airflow's words for two of them. */
static const char *const rule_words[] = {
	"all_success", "all_done", "all_failed", "one_success", "one_failed", "none_failed",
	"none_failed_min_one_success", "always", NULL
};

static const char *const unbuilt_rules[] = {
	"none_skipped", "one_done", "all_skipped", "all_done_setup_success",
	"all_done_min_one_success", "dummy", NULL
};

const char *
jo_trigger_rule_name(JoTriggerRule rule)
{
	return rule_words[rule];
}

bool
jo_def_is_common_key(const char *key)
{
	for (int i = 0; i < (int) lengthof(common_keys); i++)
		if (common_keys[i].bit != JO_KEY_SQL && strcmp(key, common_keys[i].key) == 0)
			return true;
	return jo_words_find(key, every_key) >= 0;
}

static const JoStepKind *
find_kind(const char *word)
{
	for (int i = 0; i < (int) lengthof(kinds); i++)
		if (strcmp(word, kinds[i].word) == 0)
			return &kinds[i];
	return NULL;
}

const JoStepKind *
jo_def_find_kind(const cJSON *json)
{
	const cJSON *type = cJSON_GetObjectItemCaseSensitive(json, "type");

	if (type != NULL)
		return cJSON_IsString(type) ? find_kind(type->valuestring) : NULL;
	if (cJSON_GetObjectItemCaseSensitive(json, "sql") == NULL &&
		cJSON_GetObjectItemCaseSensitive(json, "url") != NULL)
		return find_kind("http");
	return &kinds[0];
}

static bool
is_visual_type(const char *type)
{
	for (int i = 0; visual_prefixes[i] != NULL; i++)
		if (strncmp(type, visual_prefixes[i], strlen(visual_prefixes[i])) == 0)
			return true;
	return false;
}

/* A type that is none, or one of the visual form. */
static void
report_type(JoDefReader *reader, const JoStepSource *source)
{
	JoPath		at;
	const cJSON *json = jo_def_get(source->json, source->path, "type", &at);
	const char *type;

	if ((type = jo_def_string(reader, json, &at)) == NULL)
		return;
	if (is_visual_type(type))
		jo_def_report(reader, "not_supported", &at, NULL,
					  "the step type \"%s\" is not supported yet", jo_words_show(type));
	else
		jo_def_report(reader, "unknown_type", &at, jo_words_suggest(type, type_words),
					  "there is no step type \"%s\"", jo_words_show(type));
}

static bool
is_parameter(const JoStepKind *kind, const char *key)
{
	for (const JoOutsideKey *row = kind->parameters; row != NULL && row->key != NULL; row++)
		if (strcmp(row->key, key) == 0)
			return true;
	return false;
}

/* The type of which an unknown key is one's own, or NULL; of a step with a URL, such as have one. */
static const JoStepKind *
find_owner(const JoStepKind *kind, const char *key)
{
	for (int i = 0; i < (int) lengthof(kinds); i++)
		if ((kind->parameters == NULL || is_parameter(&kinds[i], "url")) &&
			(jo_words_find(key, kinds[i].keys) >= 0 || is_parameter(&kinds[i], key)))
			return &kinds[i];
	return NULL;
}

/* What to do instead of giving a step of this type a key that others have. */
static const char *
advise(const JoStepKind *kind, int key)
{
	/* of several items' values, none would be the variable's */
	if (kind->type == JO_STEP_SET && common_keys[key].bit == JO_KEY_FOREACH)
		return "Let a transform step with foreach make the values, and set the variable once, from its output.";
	return common_keys[key].why;
}

/* What another type has, with advice; such keys are added to the n known ones. */
static int
check_foreign_keys(JoDefReader *reader, const cJSON *json, const JoPath *path, const JoStepKind *kind,
				   const char **known, int n)
{
	for (int i = 0; i < (int) lengthof(common_keys); i++)
	{
		JoPath		at;

		if (common_keys[i].why == NULL || (kind->common & common_keys[i].bit) ||
			jo_def_get(json, path, common_keys[i].key, &at) == NULL)
			continue;
		jo_def_report(reader, "not_supported", &at, advise(kind, i), "%s has no \"%s\"", kind->what,
					  common_keys[i].key);
		known[n++] = common_keys[i].key;
		known[n] = NULL;
	}
	return n;
}

static void
check_step_keys(JoDefReader *reader, const cJSON *json, const JoPath *path, const JoStepKind *kind)
{
	const char *known[MAX_KNOWN];
	int			n = 0;
	const cJSON *child;

	for (int i = 0; every_key[i] != NULL; i++)
		known[n++] = every_key[i];
	for (int i = 0; i < (int) lengthof(common_keys); i++)
		if (kind->common & common_keys[i].bit)
			known[n++] = common_keys[i].key;
	for (int i = 0; kind->keys[i] != NULL; i++)
		known[n++] = kind->keys[i];
	for (const JoOutsideKey *row = kind->parameters; row != NULL && row->key != NULL; row++)
		known[n++] = row->key;
	known[n] = NULL;
	n = check_foreign_keys(reader, json, path, kind, known, n);
	if (jo_def_has_free_keys(kind, json))
		return;
	/* keys that belong to one other type say that the type is wrong, not the key */
	if (cJSON_GetObjectItemCaseSensitive(json, "type") == NULL)
		cJSON_ArrayForEach(child, json)
		{
			JoPath		at = {path, child->string, 0};
			const JoStepKind *owner = jo_words_find(child->string, known) < 0 ? find_owner(kind, child->string) : NULL;

			if (owner == NULL || jo_words_find(child->string, unbuilt_keys) >= 0 || n >= MAX_KNOWN - 4)
				continue;
			jo_def_report(reader, "unknown_key", &at, psprintf("Is this a step of \"type\": \"%s\"?", owner->word),
						  "%s has no key \"%s\"", kind->what, jo_words_show(child->string));
			known[n++] = child->string;
			known[n] = NULL;
		}
	jo_def_check_keys(reader, json, path, kind->what, known, unbuilt_keys);
}

static void
read_trigger_rule(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoPath		at;
	const cJSON *rule = jo_def_get(json, path, "trigger_rule", &at);
	int			word;

	if (rule != NULL && cJSON_GetObjectItemCaseSensitive(json, "trigger") != NULL)
		jo_def_report(reader, "duplicate_key", &at, NULL,
					  "\"trigger\" and \"trigger_rule\" are the same key");
	if (rule == NULL)
		rule = jo_def_get(json, path, "trigger", &at);
	if (rule == NULL)
		return;
	if (cJSON_IsString(rule) && jo_words_find(rule->valuestring, unbuilt_rules) >= 0)
		jo_def_report(reader, "not_supported", &at, NULL,
					  "the trigger rule \"%s\" is not supported; rules are: %s",
					  rule->valuestring, jo_words_join(rule_words));
	else if (jo_def_word(reader, rule, &at, rule_words, &word))
	{
		if (strcmp(rule_words[word], "none_failed_min_one_success") == 0)
			step->rule = JO_RULE_ALL_SUCCESS;
		else if (strcmp(rule_words[word], "always") == 0)
			step->rule = JO_RULE_ALL_DONE;
		else
			step->rule = (JoTriggerRule) word;
	}
}

static void
read_output(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	static const char *const words[] = {"none", NULL};

	if (!cJSON_IsString(json) || strstr(json->valuestring, "{{") != NULL)
		step->output = jo_def_read_template(reader, json, path, JO_READS_RESULT);
	else if (strcmp(json->valuestring, "none") == 0 && step->type == JO_STEP_SQL)
		step->output_none = true;
	else
	{
		char	   *suggestion = jo_words_suggest(json->valuestring, words);

		jo_def_report(reader, "invalid_value", path,
					  step->type != JO_STEP_SQL ? "Write a template such as \"{{ result }}\"." :
					  suggestion ? suggestion : "Write \"none\", or a template such as \"{{ result.rows }}\".",
					  step->type != JO_STEP_SQL && strcmp(json->valuestring, "none") == 0
					  ? "only an SQL step has the output \"%s\"" : "\"%s\" is no output",
					  jo_words_show(json->valuestring));
	}
}

static void
read_cache(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	static const char *const keys[] = {"key", "ttl", NULL};
	JoCacheDef *cache = palloc0(sizeof(JoCacheDef));
	const cJSON *member;
	JoPath		at;

	if (!jo_def_object(reader, json, path))
		return;
	jo_def_check_keys(reader, json, path, "\"cache\"", keys, NULL);
	if ((member = jo_def_get(json, path, "key", &at)) != NULL)
		cache->key = jo_def_read_template_text(reader, member, &at);
	else
		jo_def_report(reader, "missing_key", path, "Write \"key\": \"{{ input.id }}\".",
					  "\"cache\" has no \"key\"");
	if ((member = jo_def_get(json, path, "ttl", &at)) != NULL)
		jo_def_duration(reader, member, &at, &cache->ttl);
	else
		jo_def_report(reader, "missing_key", path, "Write \"ttl\": \"1 hour\".", "\"cache\" has no \"ttl\"");
	step->cache = cache;
}

/* What only says something about the step, and who runs it. */
static void
read_step_details(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	const cJSON *member;
	const char *role;
	JoPath		at;

	if ((member = jo_def_get(json, path, "description", &at)) != NULL)
		jo_def_string(reader, member, &at);
	if ((member = jo_def_get(json, path, "metadata", &at)) != NULL)
		jo_def_object(reader, member, &at);
	if ((member = jo_def_get(json, path, "estimated_duration", &at)) != NULL)
		jo_def_duration(reader, member, &at, &step->estimated_duration);
	if ((member = jo_def_get(json, path, "priority", &at)) != NULL)
		jo_def_priority(reader, member, &at, &step->priority);
	if ((member = jo_def_get(json, path, "run_as", &at)) != NULL &&
		(role = jo_def_name(reader, member, &at)) != NULL)
		step->run_as = pstrdup(role);
}

static void
read_sql_step(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoPath		at;
	const cJSON *member = jo_def_get(json, path, "sql", &at);

	if (member == NULL)
	{
		jo_def_report(reader, "missing_sql", path, NULL, "the step has no \"sql\"");
		return;
	}
	step->sql = jo_def_sql(reader, member, &at);
	if (step->sql != NULL)
		jo_def_use(reader, JO_USE_SQL, step->sql, &at, 0);
}

/* What is done when the step is carried out: of WHOLE and EACH. */
static void
read_work(JoDefReader *reader, const JoStepSource *source, JoStepDef *step)
{
	const cJSON *json = source->json;
	const cJSON *member;
	JoPath		at;

	source->kind->read(reader, json, source->path, step);
	if ((member = jo_def_get(json, source->path, "cache", &at)) != NULL)
		read_cache(reader, member, &at, step);
	if ((member = jo_def_get(json, source->path, "concurrency", &at)) != NULL)
		step->concurrency = jo_def_read_concurrency(reader, member, &at);
}

/* What is decided before: of WHOLE and OPEN. */
static void
read_beginning(JoDefReader *reader, const JoStepSource *source, JoStepDef *step)
{
	const cJSON *json = source->json;
	const cJSON *member;
	JoPath		at;

	check_step_keys(reader, json, source->path, source->kind);
	read_trigger_rule(reader, json, source->path, step);
	if ((member = jo_def_get(json, source->path, "when", &at)) != NULL)
		jo_def_read_condition(reader, member, &at, &step->when, 1, 0);
	if ((member = jo_def_get(json, source->path, "compensate", &at)) != NULL &&
		step->phase != JO_PHASE_MAIN)
		jo_def_report(reader, "not_supported", &at, NULL,
					  "only the job's own steps have a compensation");
}

/* "foreach" as a key, in front of the step that is repeated. */
static void
read_foreach_key(JoDefReader *reader, const JoStepSource *source, JoStepDef *step)
{
	static const char *const keys[] = {
		"items", "as", "max_parallel", "on_item_error", "max_failed", NULL
	};
	JoPath		at;
	const cJSON *json = jo_def_get(source->json, source->path, "foreach", &at);
	JoEachDef  *each = palloc0(sizeof(JoEachDef));

	each->max_failed = -1;
	if (!cJSON_IsObject(json))
		jo_def_report(reader, "schema_error", &at, "Write {\"items\": \"{{ ... }}\"}.",
					  "an object was expected");
	else
	{
		jo_def_check_keys(reader, json, &at, "\"foreach\"", keys, NULL);
		jo_def_read_each(reader, json, &at, step, each);
	}
	step->each = each;
}

static void
read_open(JoDefReader *reader, const JoStepSource *source, JoStepDef *step)
{
	read_beginning(reader, source, step);
	if (step->flow != NULL || strcmp(source->kind->word, "foreach") == 0)
		source->kind->read(reader, source->json, source->path, step);
	else
		read_foreach_key(reader, source, step);
}

/* Texts of EACH may read its item, by both names. */
static void
add_alias(JoDefReader *reader, const char *alias)
{
	JoTemplateScope *scope = &reader->scope;
	const char **aliases = palloc((scope->naliases + 1) * sizeof(char *));

	for (int i = 0; i < scope->naliases; i++)
		aliases[i] = scope->aliases[i];
	aliases[scope->naliases++] = alias;
	scope->aliases = aliases;
}

/* Where "output" stands of a step in parts: the item's with the key foreach, else the container's. */
static bool
has_output(const JoStepDef *step, const JoStepKind *kind)
{
	if ((kind->common & JO_KEY_OUTPUT) == 0)
		return false;
	if (step->part == JO_PART_EACH)
		return strcmp(kind->word, "foreach") != 0;
	return step->part == JO_PART_WHOLE ||
		(step->part == JO_PART_CLOSE && (step->each == NULL || strcmp(kind->word, "foreach") == 0));
}

/* What all parts of a step have was read for the first one. */
static void
take_over(JoStepDef *step, const JoStepDef *open)
{
	step->each = open->each;
	step->priority = open->priority;
	step->run_as = open->run_as;
	step->estimated_duration = open->estimated_duration;
	if (step->part == JO_PART_EACH)
	{
		step->timeout = open->timeout;
		step->retry = open->retry;
		step->transaction = open->transaction;
	}
	else
		step->on_error = open->on_error;
}

static void
read_part(JoDefReader *reader, const JoStepSource *source, JoStepDef *step)
{
	const cJSON *member;
	JoPath		at;

	switch (step->part)
	{
		case JO_PART_WHOLE:
			read_beginning(reader, source, step);
			read_work(reader, source, step);
			break;
		case JO_PART_OPEN:
			read_open(reader, source, step);
			break;
		case JO_PART_EACH:
			read_work(reader, source, step);
			break;
		case JO_PART_CLOSE:
			break;
	}
	if (has_output(step, source->kind) &&
		(member = jo_def_get(source->json, source->path, "output", &at)) != NULL)
		read_output(reader, member, &at, step);
}

/* All keys of a step but for name and depends_on; of a container, those of the part. */
void
jo_def_read_step(JoDefReader *reader, JoStepDef *step)
{
	const JoStepSource *source = &reader->sources[step->index];
	JoTemplateScope scope = reader->scope;
	const char *alias = NULL;

	if (source->kind == NULL)
	{
		/* a compensation of a type that it cannot have was told before */
		if (jo_def_find_kind(source->json) == NULL)
			report_type(reader, source);
		return;
	}
	jo_def_set_policy(reader, step);
	if (step->part == JO_PART_EACH || step->part == JO_PART_CLOSE)
		take_over(step, &reader->definition->steps[step->open]);
	else
	{
		jo_def_read_policy(reader, source->json, source->path, step, source->kind);
		read_step_details(reader, source->json, source->path, step);
	}
	if (step->part == JO_PART_EACH && (alias = jo_def_find_alias(source->json)) != NULL)
		add_alias(reader, alias);
	read_part(reader, source, step);
	reader->scope = scope;
	/* a failure of OPEN makes CLOSE fail, which says what becomes of it */
	if (step->part == JO_PART_CLOSE)
		jo_def_set_policy(reader, &reader->definition->steps[step->open]);
	if (reader->hooks->check_step != NULL && step->part != JO_PART_CLOSE)
		reader->hooks->check_step(step, jo_def_path_text(source->path), reader->findings);
}
