/*
 * definition.c
 *		A job's definition: from JSON text to a checked JoDefinition.
 *
 * Reads the job's own keys and calls, in order, the readers of defaults, input,
 * steps, and the checks of what hangs together.  Everything that is wrong is a
 * finding; nothing is dropped in silence.
 *
 * A leaf: besides memory it asks its surroundings only for the length of an
 * interval, through JoDefinitionHooks.
 */
#include "defparse.h"

#include <string.h>

#define MAX_RECOVERY_ATTEMPTS 1000

static const char *const job_keys[] = {
	"description", "input", "vars", "defaults", "timeout", "queue", "priority", "tags",
	"max_recovery_attempts", "durability", "output", "steps", "on_failure", "finally",
	"metadata", "run_as", "owner", "retention", "draft", "concurrency", NULL
};

/* What the text of a body has; see defbody.c. */
static const char *const body_keys[] = {"steps", "defaults", "outer", "run_as", NULL};

/* Keys of the design that are not built yet; nodes and edges are the visual form. */
static const char *const unbuilt_keys[] = {
	"run_retry", "on_timeout", "compensate", "cache", "foreach", "nodes", "edges",
	"connections", NULL
};

/* The job's keys that the engine reads. */
static void
read_job_settings(JoDefReader *reader, const cJSON *json, const JoPath *top)
{
	static const char *const durabilities[] = {"run", "step", "async", NULL};
	JoDefinition *definition = reader->definition;
	const cJSON *member;
	const char *queue;
	int			word;
	JoPath		at;

	if ((member = jo_def_get(json, top, "timeout", &at)) != NULL)
		jo_def_duration(reader, member, &at, &definition->timeout);
	if ((member = jo_def_get(json, top, "queue", &at)) != NULL &&
		(queue = jo_def_name(reader, member, &at)) != NULL)
		definition->queue = pstrdup(queue);
	if ((member = jo_def_get(json, top, "priority", &at)) != NULL)
		jo_def_priority(reader, member, &at, &definition->priority);
	if ((member = jo_def_get(json, top, "durability", &at)) != NULL &&
		jo_def_word(reader, member, &at, durabilities, &word))
		definition->durability = (JoDurability) word;
	if ((member = jo_def_get(json, top, "max_recovery_attempts", &at)) != NULL)
		jo_def_integer(reader, member, &at, 0, MAX_RECOVERY_ATTEMPTS,
					   &definition->max_recovery_attempts);
	if ((member = jo_def_get(json, top, "vars", &at)) != NULL && jo_def_object(reader, member, &at))
	{
		jo_def_refuse_templates(reader, member, &at, "\"vars\"");
		definition->vars = jo_json_print(member);
	}
	if ((member = jo_def_get(json, top, "output", &at)) != NULL)
		definition->output = jo_def_read_template(reader, member, &at, 0);
	if ((member = jo_def_get(json, top, "concurrency", &at)) != NULL)
		definition->concurrency = jo_def_read_concurrency(reader, member, &at);
}

static void
read_run_as(JoDefReader *reader, const cJSON *json, const JoPath *top)
{
	JoPath		at;
	const cJSON *member = jo_def_get(json, top, "run_as", &at);
	const char *word;

	if (member == NULL || (word = jo_def_string(reader, member, &at)) == NULL)
		return;
	if (strcmp(word, "caller") == 0)
		reader->definition->run_as_caller = true;
	else if (strcmp(word, "owner") != 0)
		jo_def_report(reader, "invalid_value", &at, "Give \"run_as\" with a role to the steps that need it.",
					  "a job's \"run_as\" is \"owner\" or \"caller\", not \"%s\"", jo_words_show(word));
}

/* Keys that others keep and use: only their form is checked here. */
static void
check_job_details(JoDefReader *reader, const cJSON *json, const JoPath *top)
{
	const cJSON *member;
	const char *description;
	char	  **tags;
	int			ntags;
	int64		retention;
	bool		draft;
	JoPath		at;

	if ((member = jo_def_get(json, top, "description", &at)) != NULL &&
		(description = jo_def_string(reader, member, &at)) != NULL)
		reader->definition->description = pstrdup(description);
	if ((member = jo_def_get(json, top, "metadata", &at)) != NULL)
		jo_def_object(reader, member, &at);
	if ((member = jo_def_get(json, top, "tags", &at)) != NULL)
		jo_def_strings(reader, member, &at, &ntags, &tags);
	if ((member = jo_def_get(json, top, "owner", &at)) != NULL)
		jo_def_name(reader, member, &at);
	if ((member = jo_def_get(json, top, "retention", &at)) != NULL)
		jo_def_duration(reader, member, &at, &retention);
	if ((member = jo_def_get(json, top, "draft", &at)) != NULL)
		jo_def_bool(reader, member, &at, &draft);
}

/* Everything but the steps. */
static void
read_job(JoDefReader *reader)
{
	const cJSON *json = reader->root;
	const JoPath *top = reader->top;
	const cJSON *outer;
	const cJSON *member;
	JoPath		at;

	if (reader->depth == 0)
		jo_def_check_duplicate_keys(reader, json, top);
	outer = jo_def_get(json, top, "outer", &at);
	if (outer != NULL && !reader->hooks->from_user && reader->depth == 0)
		jo_def_read_outer(reader, outer, &at);
	jo_def_check_keys(reader, json, top, "a definition",
					  reader->definition->outer != NULL ? body_keys : job_keys, unbuilt_keys);
	read_job_settings(reader, json, top);
	read_run_as(reader, json, top);
	check_job_details(reader, json, top);
	reader->defaults_json = jo_def_get(json, top, "defaults", &at);
	jo_def_read_defaults(reader, reader->defaults_json, &at);
	if ((member = jo_def_get(json, top, "input", &at)) != NULL)
		jo_def_read_input(reader, member, &at);
}

void
jo_def_read_definition(JoDefReader *reader)
{
	JoDefinition *definition = reader->definition;

	definition->priority = 2;
	definition->max_recovery_attempts = 3;
	reader->step_index = -1;
	/* the body of a step has no keys of a job */
	if (reader->up == NULL)
		read_job(reader);
	jo_def_collect_steps(reader);
	if (reader->too_many)
		return;
	for (int i = 0; i < definition->nsteps; i++)
	{
		reader->step = definition->steps[i].shown;
		reader->step_index = i;
		jo_def_read_step(reader, &definition->steps[i]);
	}
	reader->step = NULL;
	reader->step_index = -1;
	jo_def_index_names(reader);
	jo_def_read_dependencies(reader);
	jo_def_check_cycles(reader);
	jo_def_find_ancestors(reader);
	jo_def_read_bodies(reader);
	jo_def_check_references(reader);
}

/* Reports a text that is not JSON; NULL. */
static cJSON *
parse_text(JoDefReader *reader, const char *text, size_t length)
{
	char	   *error;
	cJSON	   *json = jo_json_parse(text, length, &error);
	char	   *ignored;

	if (json == NULL)
		jo_def_report(reader,
					  jo_json_check(text, length, &ignored) == JO_JSON_SYNTAX ? "syntax_error" : "limit_exceeded",
					  reader->top, NULL, "%s", error);
	else if (!cJSON_IsObject(json))
		jo_def_report(reader, "schema_error", reader->top, NULL, "a definition is a JSON object");
	return json;
}

JoDefinition *
jo_definition_parse(const char *json, size_t length, const JoDefinitionHooks *hooks,
					JoFindings *findings)
{
	static const JoPath top = {NULL, NULL, 0};
	JoDefNames	names = {0};
	JoDefReader reader;
	cJSON	   *root;
	int			errors_before = findings->nerrors;

	memset(&reader, 0, sizeof(reader));
	reader.findings = findings;
	reader.hooks = hooks;
	reader.top = &top;
	reader.names = &names;
	reader.number = names.nreaders++;
	reader.definition = palloc0(sizeof(JoDefinition));
	root = parse_text(&reader, json, length);
	reader.root = root;

	/* the tree is malloc'ed: it must go even if memory for the rest runs out */
	PG_TRY();
	{
		if (cJSON_IsObject(root))
		{
			jo_def_read_definition(&reader);
			jo_def_check_all_names(&reader);
		}
	}
	PG_FINALLY();
	{
		jo_json_free(root);
	}
	PG_END_TRY();
	return findings->nerrors > errors_before ? NULL : reader.definition;
}
