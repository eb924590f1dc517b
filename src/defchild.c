/*
 * defchild.c
 *		The keys of steps that start other runs: foreach, loop, job.
 *
 * A leaf.  Their bodies are definitions of their own; they are read when the one
 * around them is known (defbody.c).
 */
#include "defparse.h"

#include <string.h>

#define MAX_PARALLEL 1000
#define MAX_ITERATIONS 100000
#define DEFAULT_ITERATIONS 100

/* A name that templates and paths can both read as it is written. */
static bool
is_plain_name(const char *name)
{
	return *name != '\0' && (*name < '0' || *name > '9') &&
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == strlen(name);
}

const char *
jo_def_find_alias(const cJSON *json)
{
	const cJSON *each = cJSON_GetObjectItemCaseSensitive(json, "foreach");
	const cJSON *as = cJSON_GetObjectItemCaseSensitive(each != NULL ? each : json, "as");

	if (!cJSON_IsString(as) || !is_plain_name(as->valuestring) ||
		strlen(as->valuestring) > JO_MAX_NAME || jo_template_is_root(as->valuestring))
		return NULL;
	return pstrdup(as->valuestring);
}

static void
read_alias(JoDefReader *reader, const cJSON *json, const JoPath *path, JoEachDef *each)
{
	const char *name = jo_def_name(reader, json, path);

	if (name == NULL || strcmp(name, "item") == 0)
		return;
	if (jo_template_is_root(name))
		jo_def_report(reader, "invalid_name", path, NULL, "\"%s\" already means something else", name);
	else if (!is_plain_name(name))
		jo_def_report(reader, "invalid_name", path, NULL,
					  "\"%s\" has characters other than letters, digits and _", jo_words_show(name));
	else
		each->as = pstrdup(name);
}

void
jo_def_read_each(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step,
				 JoEachDef *each)
{
	static const char *const words[] = {"fail", "continue", NULL};
	const cJSON *member;
	JoPath		at;
	int			word;

	each->max_failed = -1;
	if ((member = jo_def_get(json, path, "items", &at)) == NULL)
		jo_def_report(reader, "missing_key", path, "Write \"items\": \"{{ steps.list.output }}\".",
					  "there are no \"items\"");
	else
		jo_def_read_items(reader, member, &at, step, &each->items);
	if ((member = jo_def_get(json, path, "as", &at)) != NULL)
		read_alias(reader, member, &at, each);
	if ((member = jo_def_get(json, path, "max_parallel", &at)) != NULL)
		jo_def_integer(reader, member, &at, 1, MAX_PARALLEL, &each->max_parallel);
	if ((member = jo_def_get(json, path, "on_item_error", &at)) != NULL &&
		jo_def_word(reader, member, &at, words, &word))
		each->go_on = (word == 1);
	if ((member = jo_def_get(json, path, "max_failed", &at)) == NULL ||
		!jo_def_integer(reader, member, &at, 0, MAX_ITERATIONS, &each->max_failed))
		return;
	if (!each->go_on)
		jo_def_report(reader, "invalid_value", &at, "Write \"on_item_error\": \"continue\" too.",
					  "\"max_failed\" has a meaning only when failed items are accepted");
}

static JoChildDef *
make_child(JoStepDef *step)
{
	step->child = palloc0(sizeof(JoChildDef));
	step->child->wait = true;
	step->child->priority = -1;
	return step->child;
}

/* Takes note of the steps of a body; they are read in defbody.c. */
static void
find_body(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoPath		at;
	const cJSON *steps = jo_def_get(json, path, "steps", &at);

	if (steps == NULL)
		jo_def_report(reader, "missing_steps", path, "Write \"steps\": [{\"name\": ..., \"sql\": ...}].",
					  "there are no \"steps\" to repeat");
	else if (!cJSON_IsObject(steps) && !cJSON_IsArray(steps))
		jo_def_report(reader, "schema_error", &at, NULL, "a step or an array of steps was expected");
	else if (steps->child == NULL)
		jo_def_report(reader, "empty_steps", &at, NULL, "\"steps\" has no steps");
	else
		reader->sources[step->index].body_steps = steps;
}

/* Of OPEN the items, of EACH the body. */
void
jo_def_read_foreach(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	if (step->part == JO_PART_OPEN)
	{
		step->each = palloc0(sizeof(JoEachDef));
		jo_def_read_each(reader, json, path, step, step->each);
		return;
	}
	make_child(step);
	find_body(reader, json, path, step);
}

static void
read_loop_condition(JoDefReader *reader, const cJSON *json, const JoPath *path, const char *key,
					JoStepDef *step, JoCondition *condition)
{
	JoPath		at;
	const cJSON *member = jo_def_get(json, path, key, &at);

	if (member != NULL)
		jo_def_read_condition(reader, member, &at, condition, jo_def_next_plan(step), JO_READS_BODY);
}

void
jo_def_read_loop(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	static const char *const words[] = {"fail", "continue", NULL};
	JoChildDef *child = make_child(step);
	const cJSON *member;
	const cJSON *max;
	JoPath		at;
	bool		conditional = cJSON_GetObjectItemCaseSensitive(json, "while") != NULL ||
		cJSON_GetObjectItemCaseSensitive(json, "until") != NULL;
	int			word = conditional ? 0 : 1;

	find_body(reader, json, path, step);
	read_loop_condition(reader, json, path, "while", step, &child->while_true);
	read_loop_condition(reader, json, path, "until", step, &child->until);
	read_loop_condition(reader, json, path, "break", step, &child->break_if);
	child->max_iterations = DEFAULT_ITERATIONS;
	if ((max = jo_def_get(json, path, "max_iterations", &at)) != NULL)
		jo_def_integer(reader, max, &at, 1, MAX_ITERATIONS, &child->max_iterations);
	else if (!conditional)
		jo_def_report(reader, "unbounded_loop", path,
					  "Write \"while\", \"until\" or \"max_iterations\".", "the loop has no bound");
	if ((member = jo_def_get(json, path, "delay", &at)) != NULL)
		jo_def_duration(reader, member, &at, &child->delay);
	/* a loop that only counts has done what it should when it counted to its end */
	if ((member = jo_def_get(json, path, "on_max", &at)) != NULL)
		jo_def_word(reader, member, &at, words, &word);
	child->max_is_error = (word == 0);
}

/* Which job: its name, or a definition on the spot. */
static void
read_which_job(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoPath		definition_at;
	JoPath		at;
	const cJSON *job = jo_def_get(json, path, "job", &at);
	const cJSON *definition = jo_def_get(json, path, "definition", &definition_at);

	if ((job == NULL) == (definition == NULL))
		jo_def_report(reader, job == NULL ? "missing_key" : "invalid_value", path, NULL,
					  "a job step has exactly one of \"job\" (a name) and \"definition\"");
	else if (job != NULL)
		step->child->job = jo_def_read_template_text(reader, job, &at);
	else if (jo_def_object(reader, definition, &definition_at))
		reader->sources[step->index].body_steps = definition;
}

void
jo_def_read_job(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoChildDef *child = make_child(step);
	const cJSON *member;
	const char *queue;
	JoPath		at;

	read_which_job(reader, json, path, step);
	if ((member = jo_def_get(json, path, "input", &at)) != NULL)
	{
		if (cJSON_IsObject(member) || (cJSON_IsString(member) && strstr(member->valuestring, "{{") != NULL))
			child->input = jo_def_read_template(reader, member, &at, 0);
		else
			jo_def_object(reader, member, &at);
	}
	if ((member = jo_def_get(json, path, "wait", &at)) != NULL)
		jo_def_bool(reader, member, &at, &child->wait);
	if ((member = jo_def_get(json, path, "tags", &at)) != NULL)
		child->tags = jo_def_read_template(reader, member, &at, 0);
	if ((member = jo_def_get(json, path, "queue", &at)) != NULL &&
		(queue = jo_def_name(reader, member, &at)) != NULL)
		child->queue = pstrdup(queue);
	child->priority = step->part == JO_PART_EACH
		? reader->definition->steps[step->open].priority : step->priority;
	if (step->timeout > 0 && !child->wait)
		jo_def_report(reader, "invalid_value", path, NULL,
					  "there is a \"timeout\", but the child's end is not waited for");
}
