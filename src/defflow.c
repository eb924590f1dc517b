/*
 * defflow.c
 *		Which steps a definition has: containers are made into parts here.
 *
 * A container becomes OPEN, the steps of its bodies, and CLOSE; a step with
 * foreach becomes OPEN, EACH and CLOSE (see definition.h).  The bodies of loop
 * and foreach are definitions of their own (defbody.c) and not walked here.
 *
 * A leaf.  Names are read while the steps are collected, so that every later
 * finding can say them.  Recurses as deep as containers are nested.
 */
#include "defparse.h"

#include <string.h>

/* The list that is being collected. */
typedef struct Nest
{
	JoPhase		phase;
	const char *key;			/* names steps that need none: on_failure, finally */
	int			inside;			/* OPEN of the container, or -1 */
	int			branch;
	bool		at_once;		/* its steps do not follow each other */
} Nest;

static int	collect_list(JoDefReader *reader, const cJSON *json, const JoPath *list, const Nest *nest);

const JoPath *
jo_def_keep_path(const JoDefReader *reader, const JoPath *path)
{
	JoPath	   *copy;

	if (path == NULL || path == reader->top)
		return path;
	if (reader->step_index >= 0 && path == reader->sources[reader->step_index].path)
		return path;
	copy = palloc(sizeof(JoPath));
	*copy = *path;
	copy->up = jo_def_keep_path(reader, path->up);
	return copy;
}

static void
make_room(JoDefReader *reader)
{
	JoDefinition *definition = reader->definition;

	if (definition->nsteps < reader->capacity)
		return;
	reader->capacity = reader->capacity ? Min(reader->capacity * 4, JO_MAX_STEPS) : 16;
	definition->steps = definition->steps
		? repalloc(definition->steps, reader->capacity * sizeof(JoStepDef))
		: palloc(reader->capacity * sizeof(JoStepDef));
	reader->sources = reader->sources
		? repalloc(reader->sources, reader->capacity * sizeof(JoStepSource))
		: palloc(reader->capacity * sizeof(JoStepSource));
}

/* One part more of the flat array; -1 when there are too many. */
static int
add_part(JoDefReader *reader, const JoStepSource *source, JoPhase phase, JoPart part)
{
	JoDefinition *definition = reader->definition;
	JoStepDef  *step;

	if (definition->nsteps >= JO_MAX_STEPS)
	{
		if (!reader->too_many)
			jo_def_report(reader, "limit_exceeded", source->path, NULL,
						  "a job has at most %d steps; a container counts as two more than what is in it",
						  JO_MAX_STEPS);
		reader->too_many = true;
		return -1;
	}
	make_room(reader);
	reader->sources[definition->nsteps] = *source;
	step = &definition->steps[definition->nsteps];
	memset(step, 0, sizeof(*step));
	step->index = definition->nsteps++;
	step->type = source->kind ? source->kind->type : JO_STEP_SQL;
	step->word = source->kind ? source->kind->word : "sql";
	step->phase = phase;
	step->part = part;
	step->hidden = (part == JO_PART_OPEN);
	step->open = step->close = step->scope = step->compensates = -1;
	step->priority = -1;
	step->nplans = 2;
	return step->index;
}

/* on_failure and finally need no names: on_failure, on_failure_2, ... */
static char *
read_step_name(JoDefReader *reader, const JoStepSource *source, const Nest *nest, int index)
{
	const cJSON *json;
	const char *name;
	JoPath		at;

	json = jo_def_get(source->json, source->path, "name", &at);
	if (json != NULL)
	{
		name = jo_def_name(reader, json, &at);
		return name ? pstrdup(name) : NULL;
	}
	if (nest->key == NULL || nest->inside >= 0)
	{
		jo_def_report(reader, "missing_name", source->path, NULL, "the step has no name");
		return NULL;
	}
	return index > 0 ? psprintf("%s_%d", nest->key, index + 1) : pstrdup(nest->key);
}

static void
set_names(JoDefReader *reader, int open, int each, int close, char *name)
{
	JoStepDef  *steps = reader->definition->steps;

	if (close < 0 || name == NULL)
		return;
	steps[close].name = steps[close].shown = name;
	if (open >= 0)
	{
		steps[open].name = psprintf("%s/open", name);
		steps[open].shown = name;
		steps[open].close = close;
		steps[close].open = open;
	}
	if (each >= 0)
	{
		steps[each].name = psprintf("%s/each", name);
		steps[each].shown = name;
		steps[each].open = open;
		steps[each].close = close;
	}
}

/* ---- containers ---- */

/* Room for the branches of a container or decision; their number is known by then. */
static JoFlowDef *
make_flow(int nbranches)
{
	JoFlowDef  *flow = palloc0(sizeof(JoFlowDef));

	flow->branches = palloc0((nbranches + 1) * sizeof(JoBranch));
	flow->nbranches = nbranches;
	for (int b = 0; b <= nbranches; b++)
		flow->branches[b].last = -1;
	return flow;
}

/* The steps of one branch; json NULL or not a list of steps: none (reported when its keys are read). */
static void
collect_branch(JoDefReader *reader, const cJSON *json, const JoPath *path, int open, int branch,
			   bool at_once)
{
	Nest		nest = {reader->definition->steps[open].phase, NULL, open, branch, at_once};
	JoFlowDef  *flow = reader->definition->steps[open].flow;

	if (cJSON_IsObject(json) || cJSON_IsArray(json))
		flow->branches[branch].last = collect_list(reader, json, jo_def_keep_path(reader, path), &nest);
}

static void
collect_if(JoDefReader *reader, const JoStepSource *source, int open)
{
	JoPath		at;

	reader->definition->steps[open].flow = make_flow(2);
	collect_branch(reader, jo_def_get(source->json, source->path, "then", &at), &at, open, 0, false);
	collect_branch(reader, jo_def_get(source->json, source->path, "else", &at), &at, open, 1, false);
}

static void
collect_switch(JoDefReader *reader, const JoStepSource *source, int open)
{
	JoFlowDef  *flow;
	JoPath		list;
	JoPath		at;
	const cJSON *cases = jo_def_get(source->json, source->path, "cases", &list);
	const cJSON *others;
	const cJSON *child;
	int			n = 0;

	flow = reader->definition->steps[open].flow = make_flow(cJSON_GetArraySize(cases) + 1);
	cJSON_ArrayForEach(child, cases)
	{
		JoPath		one = {&list, NULL, n};

		if (cJSON_IsObject(child))
			collect_branch(reader, jo_def_get(child, &one, "steps", &at), &at, open, n, false);
		n++;
	}
	others = jo_def_get(source->json, source->path, "default", &at);
	flow->has_default = (others != NULL);
	flow->nbranches = n + (others != NULL);
	collect_branch(reader, others, &at, open, n, false);
}

/* "steps": all at once, a branch each (see defdeps.c); "branches": lists. */
static void
collect_parallel(JoDefReader *reader, const JoStepSource *source, int open)
{
	JoPath		list;
	const cJSON *steps = jo_def_get(source->json, source->path, "steps", &list);
	const cJSON *branches;
	const cJSON *child;
	int			n = 0;

	if (steps != NULL)
	{
		reader->definition->steps[open].flow = make_flow(cJSON_GetArraySize(steps));
		collect_branch(reader, steps, &list, open, 0, true);
		return;
	}
	branches = jo_def_get(source->json, source->path, "branches", &list);
	reader->definition->steps[open].flow = make_flow(cJSON_GetArraySize(branches));
	cJSON_ArrayForEach(child, branches)
	{
		JoPath		at = {&list, NULL, n};

		collect_branch(reader, child, &at, open, n++, false);
	}
}

/* The cases of a switch that is a pure decision. */
static void
count_cases(JoDefReader *reader, const cJSON *json, int index)
{
	const cJSON *cases = cJSON_GetObjectItemCaseSensitive(json, "cases");
	int			n = cJSON_GetArraySize(cases);
	JoFlowDef  *flow = make_flow(n + 1);

	flow->has_default = (cJSON_GetObjectItemCaseSensitive(json, "default") != NULL);
	flow->nbranches = n + flow->has_default;
	reader->definition->steps[index].flow = flow;
}

static bool
has_steps(const cJSON *json)
{
	return cJSON_IsObject(json) || (cJSON_IsArray(json) && json->child != NULL);
}

/* Does a switch have steps in it, or does it only decide? */
static bool
switch_has_steps(const cJSON *json)
{
	const cJSON *child;

	if (has_steps(cJSON_GetObjectItemCaseSensitive(json, "default")))
		return true;
	cJSON_ArrayForEach(child, cJSON_GetObjectItemCaseSensitive(json, "cases"))
	{
		if (cJSON_GetObjectItemCaseSensitive(child, "steps") != NULL)
			return true;
	}
	return false;
}

typedef enum Form
{
	FORM_WHOLE,
	FORM_EACH,
	FORM_IF,
	FORM_SWITCH,
	FORM_PARALLEL
} Form;

static Form
find_form(const JoStepSource *source)
{
	const cJSON *json = source->json;

	if (source->kind == NULL)
		return FORM_WHOLE;
	switch (source->kind->type)
	{
		case JO_STEP_CONDITION:
			return cJSON_GetObjectItemCaseSensitive(json, "then") != NULL ||
				cJSON_GetObjectItemCaseSensitive(json, "else") != NULL ? FORM_IF : FORM_WHOLE;
		case JO_STEP_SWITCH:
			return switch_has_steps(json) ? FORM_SWITCH : FORM_WHOLE;
		case JO_STEP_PARALLEL:
		case JO_STEP_RACE:
			return FORM_PARALLEL;
		default:
			break;
	}
	/* the type foreach has the keys of it, others have the key "foreach" */
	if (strcmp(source->kind->word, "foreach") == 0 ||
		((source->kind->common & JO_KEY_FOREACH) != 0 &&
		 cJSON_GetObjectItemCaseSensitive(json, "foreach") != NULL))
		return FORM_EACH;
	return FORM_WHOLE;
}

/* What stands between open and close, and in no container in between, is in this one. */
static void
set_scope(JoDefReader *reader, int open, int close)
{
	for (int i = open + 1; i < close; i++)
		if (reader->definition->steps[i].scope < 0)
			reader->definition->steps[i].scope = close;
}

static int
collect_parts(JoDefReader *reader, const JoStepSource *source, JoPhase phase, Form form, char *name)
{
	int			open = add_part(reader, source, phase, JO_PART_OPEN);
	int			each = -1;
	int			close;
	int			step_before = reader->step_index;
	JoStepDef  *steps;

	if (open < 0)
		return -1;
	reader->step_index = open;
	if (form == FORM_EACH)
		each = add_part(reader, source, phase, JO_PART_EACH);
	else if (form == FORM_IF)
		collect_if(reader, source, open);
	else if (form == FORM_SWITCH)
		collect_switch(reader, source, open);
	else
		collect_parallel(reader, source, open);
	reader->step_index = step_before;
	close = add_part(reader, source, phase, JO_PART_CLOSE);
	if (close < 0)
		return -1;

	/* also without a name, which was reported: what follows counts on the parts */
	steps = reader->definition->steps;
	steps[close].flow = steps[open].flow;
	steps[open].close = close;
	steps[close].open = open;
	if (each >= 0)
	{
		steps[each].open = open;
		steps[each].close = close;
	}
	set_names(reader, open, each, close, name);
	set_scope(reader, open, close);
	return close;
}

/* One step as it is written; returns the part that others depend on, -1 when there are too many. */
static int
collect_step(JoDefReader *reader, const JoStepSource *source, const Nest *nest, int index)
{
	Form		form = find_form(source);
	char	   *name = read_step_name(reader, source, nest, index);
	int			at;

	if (form != FORM_WHOLE)
		return collect_parts(reader, source, nest->phase, form, name);
	at = add_part(reader, source, nest->phase, JO_PART_WHOLE);
	set_names(reader, -1, -1, at, name);
	if (at >= 0 && source->kind != NULL && source->kind->type == JO_STEP_SWITCH)
		count_cases(reader, source->json, at);
	else if (at >= 0 && source->kind != NULL && source->kind->type == JO_STEP_CONDITION)
		reader->definition->steps[at].flow = make_flow(2);
	return at;
}

/* The steps of an array, or the one step that stands for it; returns the last one's index, or -1. */
static int
collect_list(JoDefReader *reader, const cJSON *json, const JoPath *list, const Nest *nest)
{
	bool		single = cJSON_IsObject(json);
	const cJSON *child = single ? json : json->child;
	int			number = reader->nlists++;
	int			last = -1;

	for (int index = 0; child != NULL; child = single ? NULL : child->next, index++)
	{
		JoPath		at = {list, NULL, index};
		JoStepSource source = {.json = child, .list = number, .inside = nest->inside,
			.branch = nest->branch, .before = nest->at_once ? -1 : last};
		int			step;

		if (!jo_def_object(reader, child, single ? list : &at))
			continue;
		source.path = single ? list : jo_def_keep_path(reader, &at);
		source.kind = jo_def_find_kind(child);
		step = collect_step(reader, &source, nest, index);
		if (step < 0)
			return last;
		last = step;
	}
	return last;
}

static void
collect_phase(JoDefReader *reader, const char *key, JoPhase phase)
{
	Nest		nest = {phase, key, -1, -1, false};
	JoPath		at;
	const cJSON *json = jo_def_get(reader->root, reader->top, key, &at);

	if (json == NULL)
		return;
	if (!cJSON_IsObject(json) && !cJSON_IsArray(json))
		jo_def_report(reader, "schema_error", &at, NULL, "a step or an array of steps was expected");
	else if (json->child == NULL)
		jo_def_report(reader, "empty_steps", &at, NULL, "\"%s\" has no steps", key);
	else
		collect_list(reader, json, jo_def_keep_path(reader, &at), &nest);
}

static void
collect_main(JoDefReader *reader)
{
	Nest		nest = {JO_PHASE_MAIN, NULL, -1, -1, false};
	bool		body = (reader->definition->outer != NULL);
	JoPath		at;
	const cJSON *json = jo_def_get(reader->root, reader->top, "steps", &at);
	const char *what = body ? "loop" : "job";

	if (json == NULL)
		jo_def_report(reader, "missing_steps", reader->top,
					  "Write \"steps\": [{\"name\": ..., \"sql\": ...}].", "the %s has no \"steps\"", what);
	else if (!cJSON_IsArray(json) && !(body && cJSON_IsObject(json)))
		jo_def_report(reader, "schema_error", &at, NULL, "an array of steps was expected");
	else if (json->child == NULL)
		jo_def_report(reader, "empty_steps", &at, NULL, "the %s has no steps", what);
	else
		collect_list(reader, json, jo_def_keep_path(reader, &at), &nest);
}

/* ---- compensate ---- */

static void
collect_compensation(JoDefReader *reader, int index)
{
	const JoStepDef *step = &reader->definition->steps[index];
	Nest		nest = {JO_PHASE_COMPENSATE, NULL, -1, -1, false};
	JoStepSource source = {.list = reader->nlists++, .before = -1, .inside = -1, .branch = -1};
	JoPath		at;
	int			made;

	source.json = jo_def_get(reader->sources[index].json, reader->sources[index].path, "compensate", &at);
	if (source.json == NULL || (reader->sources[index].kind != NULL &&
								!(reader->sources[index].kind->common & JO_KEY_COMPENSATE)))
		return;
	reader->step_index = index;
	source.path = jo_def_keep_path(reader, &at);
	reader->step_index = -1;
	if (!jo_def_object(reader, source.json, &at))
		return;
	if (cJSON_GetObjectItemCaseSensitive(source.json, "name") == NULL && step->name != NULL &&
		strlen(step->name) + strlen("_compensate") <= JO_MAX_NAME)
		nest.key = psprintf("%s_compensate", step->name);
	source.kind = jo_def_find_kind(source.json);
	if (source.kind != NULL && (find_form(&source) != FORM_WHOLE ||
								(source.kind->common & JO_KEY_COMPENSATE) == 0))
	{
		jo_def_report(reader, "not_supported", &at, NULL,
					  "a compensation is one step that does something, not %s", source.kind->what);
		source.kind = NULL;
	}
	made = collect_step(reader, &source, &nest, 0);
	if (made >= 0)
		reader->definition->steps[made].compensates = index;
}

/* All steps of the definition, in the order of their indexes, with their names. */
void
jo_def_collect_steps(JoDefReader *reader)
{
	JoDefinition *definition = reader->definition;

	reader->step_index = -1;
	collect_main(reader);
	definition->nmain = definition->nsteps;
	for (int i = 0; i < definition->nmain; i++)
		if (definition->steps[i].part == JO_PART_WHOLE || definition->steps[i].part == JO_PART_CLOSE)
			collect_compensation(reader, i);
	definition->ncompensations = definition->nsteps - definition->nmain;
	if (definition->outer != NULL)
		return;
	collect_phase(reader, "on_failure", JO_PHASE_ON_FAILURE);
	collect_phase(reader, "finally", JO_PHASE_FINALLY);
}
