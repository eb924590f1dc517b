/*
 * defstep.c
 *		Finds the steps of a definition and reads the keys of one.
 *
 * A leaf.  A step's name is read while the steps are collected, so that every
 * later finding can say it; what needs the other steps is in defcheck.c.
 */
#include "defparse.h"

#include <string.h>

static const char *const step_keys[] = {
	"name", "type", "sql", "depends_on", "when", "trigger_rule", "trigger", "retry", "timeout",
	"on_error", "run_as", "transaction", "output", "estimated_duration", "priority",
	"description", "metadata", NULL
};

/* Keys of the design that no step understands yet. */
static const char *const unbuilt_keys[] = {
	"foreach", "compensate", "cache", "concurrency", "on_timeout", "queue", "external_id",
	"run_retry", "url", "steps", NULL
};

static const char *const step_types[] = {
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

/* The place for one step more, NULL when there are too many. */
static JoStepDef *
add_step(JoDefReader *reader, const cJSON *json, const JoPath *list, int index, JoPhase phase)
{
	JoDefinition *definition = reader->definition;
	int			at = definition->nsteps;
	JoStepSource *source = &reader->sources[at];
	JoStepDef  *step = &definition->steps[at];

	if (at >= JO_MAX_STEPS)
		return NULL;
	definition->nsteps++;
	source->json = json;
	source->list = *list;
	source->in_list = (index >= 0);
	source->path = *list;
	if (source->in_list)
	{
		source->path.up = &source->list;
		source->path.key = NULL;
		source->path.index = index;
	}
	step->index = at;
	step->phase = phase;
	step->priority = -1;
	return step;
}

/* on_failure and finally need no names: on_failure, on_failure_2, ... */
static void
read_step_name(JoDefReader *reader, JoStepDef *step, int index)
{
	const JoStepSource *source = &reader->sources[step->index];
	const cJSON *json;
	const char *name;
	JoPath		at;

	json = jo_def_get(source->json, &source->path, "name", &at);
	if (json != NULL)
	{
		name = jo_def_name(reader, json, &at);
		step->name = name ? pstrdup(name) : NULL;
	}
	else if (step->phase == JO_PHASE_MAIN)
		jo_def_report(reader, "missing_name", &source->path, NULL, "the step has no name");
	else if (index > 0)
		step->name = psprintf("%s_%d", source->list.key, index + 1);
	else
		step->name = pstrdup(source->list.key);
}

static void
collect_list(JoDefReader *reader, const cJSON *json, const JoPath *list, JoPhase phase)
{
	bool		single = cJSON_IsObject(json);
	const cJSON *child = single ? json : json->child;

	for (int index = 0; child != NULL; child = single ? NULL : child->next, index++)
	{
		JoPath		at = {list, NULL, index};
		JoStepDef  *step;

		if (!jo_def_object(reader, child, single ? list : &at))
			continue;
		step = add_step(reader, child, list, single ? -1 : index, phase);
		if (step == NULL)
		{
			jo_def_report(reader, "limit_exceeded", &at, NULL, "a job has at most %d steps",
						  JO_MAX_STEPS);
			return;
		}
		read_step_name(reader, step, index);
	}
}

static void
collect_phase(JoDefReader *reader, const char *key, JoPhase phase, const JoPath *top)
{
	JoPath		at;
	const cJSON *json = jo_def_get(reader->root, top, key, &at);

	if (json == NULL)
		return;
	if (!cJSON_IsObject(json) && !cJSON_IsArray(json))
		jo_def_report(reader, "schema_error", &at, NULL, "a step or an array of steps was expected");
	else if (json->child == NULL)
		jo_def_report(reader, "empty_steps", &at, NULL, "\"%s\" has no steps", key);
	else
		collect_list(reader, json, &at, phase);
}

/* All steps of the definition, in the order of their indexes, with their names. */
void
jo_def_collect_steps(JoDefReader *reader)
{
	static const JoPath top = {NULL, NULL, 0};
	JoDefinition *definition = reader->definition;
	JoPath		at;
	const cJSON *json = jo_def_get(reader->root, &top, "steps", &at);

	definition->steps = palloc0(JO_MAX_STEPS * sizeof(JoStepDef));
	reader->sources = palloc0(JO_MAX_STEPS * sizeof(JoStepSource));
	if (json == NULL)
		jo_def_report(reader, "missing_steps", &top, "Write \"steps\": [{\"name\": ..., \"sql\": ...}].",
					  "the job has no \"steps\"");
	else if (!cJSON_IsArray(json))
		jo_def_report(reader, "schema_error", &at, NULL, "an array of steps was expected");
	else if (json->child == NULL)
		jo_def_report(reader, "empty_steps", &at, NULL, "the job has no steps");
	else
		collect_list(reader, json, &at, JO_PHASE_MAIN);
	definition->nmain = definition->nsteps;
	collect_phase(reader, "on_failure", JO_PHASE_ON_FAILURE, &top);
	collect_phase(reader, "finally", JO_PHASE_FINALLY, &top);
}

static bool
is_visual_type(const char *type)
{
	for (int i = 0; visual_prefixes[i] != NULL; i++)
		if (strncmp(type, visual_prefixes[i], strlen(visual_prefixes[i])) == 0)
			return true;
	return false;
}

/* Is this an SQL step?  Reports a type that is none, or that is not built yet. */
static bool
read_type(JoDefReader *reader, const JoStepSource *source)
{
	JoPath		at;
	const cJSON *json = jo_def_get(source->json, &source->path, "type", &at);
	const char *type;

	if (json == NULL)
	{
		if (cJSON_GetObjectItemCaseSensitive(source->json, "sql") != NULL ||
			cJSON_GetObjectItemCaseSensitive(source->json, "url") == NULL)
			return true;
		jo_def_report(reader, "not_supported", &source->path, NULL,
					  "the step type \"http\" is not supported yet");
		return false;
	}
	type = jo_def_string(reader, json, &at);
	if (type == NULL)
		return false;
	if (strcmp(type, "sql") == 0)
		return true;
	if (jo_words_find(type, step_types) >= 0 || is_visual_type(type))
		jo_def_report(reader, "not_supported", &at, NULL,
					  "the step type \"%s\" is not supported yet", jo_words_show(type));
	else
		jo_def_report(reader, "unknown_type", &at, jo_words_suggest(type, step_types),
					  "there is no step type \"%s\"", jo_words_show(type));
	return false;
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
read_when(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	static const char *const keys[] = {"sql", NULL};
	JoTemplateFault fault;
	const cJSON *sql;
	JoPath		at;

	if (cJSON_IsString(json))
	{
		step->when_path = pstrdup(json->valuestring);
		if (step->when_path[strspn(step->when_path, " \t\r\n")] == '\0')
			jo_def_report(reader, "invalid_value", path, NULL, "the condition is empty");
		else if (!jo_template_scan_path(step->when_path, &step->when_refs, &fault))
			jo_def_report_fault(reader, path, &fault);
		return;
	}
	if (!cJSON_IsObject(json))
	{
		jo_def_report(reader, "schema_error", path,
					  "Write an SQL/JSON path in a string, or {\"sql\": \"...\"}.",
					  "a condition was expected");
		return;
	}
	jo_def_check_keys(reader, json, path, "a condition", keys, NULL);
	sql = jo_def_get(json, path, "sql", &at);
	if (sql != NULL)
		step->when_sql = jo_def_sql(reader, sql, &at);
	else
		jo_def_report(reader, "missing_sql", path, NULL, "the condition has no \"sql\"");
}

static void
read_output(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	static const char *const words[] = {"none", NULL};

	if (!cJSON_IsString(json) || strstr(json->valuestring, "{{") != NULL)
		step->output = jo_def_value(reader, json, path);
	else if (strcmp(json->valuestring, "none") == 0)
		step->output_none = true;
	else
	{
		char	   *suggestion = jo_words_suggest(json->valuestring, words);

		jo_def_report(reader, "invalid_value", path,
					  suggestion ? suggestion : "Write \"none\", or a template such as \"{{ result.rows }}\".",
					  "\"%s\" is no output", jo_words_show(json->valuestring));
	}
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

/* All keys of a step but for name and depends_on. */
void
jo_def_read_step(JoDefReader *reader, JoStepDef *step)
{
	const JoStepSource *source = &reader->sources[step->index];
	const cJSON *json = source->json;
	const cJSON *member;
	JoPath		at;

	if (read_type(reader, source))
	{
		jo_def_check_keys(reader, json, &source->path, "an SQL step", step_keys, unbuilt_keys);
		member = jo_def_get(json, &source->path, "sql", &at);
		if (member != NULL)
			step->sql = jo_def_sql(reader, member, &at);
		else
			jo_def_report(reader, "missing_sql", &source->path, NULL, "the step has no \"sql\"");
	}
	step->type = JO_STEP_SQL;
	read_trigger_rule(reader, json, &source->path, step);
	jo_def_read_policy(reader, json, &source->path, step);
	read_step_details(reader, json, &source->path, step);
	if ((member = jo_def_get(json, &source->path, "when", &at)) != NULL)
		read_when(reader, member, &at, step);
	if ((member = jo_def_get(json, &source->path, "output", &at)) != NULL)
		read_output(reader, member, &at, step);
	if (reader->hooks->check_step != NULL)
		reader->hooks->check_step(step, jo_def_path_text(&source->path), reader->findings);
}
