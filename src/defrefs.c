/*
 * defrefs.c
 *		What templates, conditions and expressions read, and whether it can be there.
 *
 * A leaf.  Each text was noted with its place when it was read (jo_def_use).  A
 * step may read what is over by then: its ancestors, also those around its
 * container and, in a body, around the step whose body it is.  Costs: ancestors
 * one bit per pair of steps; each reference one search by name in each definition
 * around it.
 */
#include "defparse.h"

#include <stdlib.h>
#include <string.h>

#include "graph.h"

/* After so many findings nobody needs guesses, which cost a search each. */
#define MAX_SUGGESTIONS 100
#define MAX_INPUTS_SEARCHED 1000

/* Where a reference stands. */
typedef struct Place
{
	const JoStepDef *step;		/* NULL: the job's output */
	const JoPath *path;
	unsigned	reads;			/* JO_READS_... */
} Place;

/* bits stays NULL when there is a cycle: nobody's ancestors are known then. */
void
jo_def_find_ancestors(JoDefReader *reader)
{
	const JoDefinition *definition = reader->definition;
	JoAncestors *ancestors = &reader->ancestors;
	int			n = definition->nsteps;
	int		   *ndeps = palloc((n + 1) * sizeof(int));
	int		  **deps = palloc((n + 1) * sizeof(int *));
	int		   *order = palloc((n + 1) * sizeof(int));

	for (int i = 0; i < n; i++)
	{
		ndeps[i] = definition->steps[i].ndeps;
		deps[i] = definition->steps[i].deps;
	}
	ancestors->nwords = (n + 63) / 64;
	ancestors->bits = NULL;
	if (jo_graph_order(n, ndeps, deps, order) == n)
	{
		ancestors->bits = palloc0((size_t) n * ancestors->nwords * sizeof(uint64) + 1);
		for (int i = 0; i < n; i++)
		{
			uint64	   *own = ancestors->bits + (size_t) order[i] * ancestors->nwords;

			for (int d = 0; d < ndeps[order[i]]; d++)
			{
				int			parent = deps[order[i]][d];
				const uint64 *theirs = ancestors->bits + (size_t) parent * ancestors->nwords;

				for (int w = 0; w < ancestors->nwords; w++)
					own[w] |= theirs[w];
				own[parent / 64] |= UINT64CONST(1) << (parent % 64);
			}
		}
	}
	pfree(ndeps);
	pfree(deps);
	pfree(order);
}

/* Is the step over, one way or the other, when step (NULL: the job's output) reads? */
static bool
runs_before(const JoDefReader *reader, int other, const JoStepDef *step)
{
	const JoDefinition *definition = reader->definition;
	const JoAncestors *ancestors = &reader->ancestors;

	if (step == NULL || definition->steps[other].phase < step->phase)
		return true;
	if (definition->steps[other].phase > step->phase)
		return false;
	if (ancestors->bits == NULL)
		return true;
	return (ancestors->bits[(size_t) step->index * ancestors->nwords + other / 64] >> (other % 64)) & 1;
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

/* Notes that a body reads a step around it: it is told to the definition that is kept. */
static void
note_read(JoDefReader *reader, const char *name)
{
	for (int i = Max(0, reader->nread - 8); i < reader->nread; i++)
		if (strcmp(reader->read[i], name) == 0)
			return;
	if (reader->nread >= reader->read_capacity)
	{
		reader->read_capacity = reader->read_capacity ? reader->read_capacity * 2 : 8;
		reader->read = reader->read ? repalloc(reader->read, reader->read_capacity * sizeof(char *))
			: palloc(reader->read_capacity * sizeof(char *));
	}
	reader->read[reader->nread++] = pstrdup(name);
}

typedef enum Found
{
	FOUND_NOWHERE,
	FOUND_LATER,				/* there is one, but it need not be over */
	FOUND
} Found;

/* A step of the definitions around this one. */
static Found
find_outside(JoDefReader *reader, const char *name)
{
	const JoOuter *outer = reader->definition->outer;
	Found		found = FOUND_NOWHERE;

	if (reader->up != NULL && outer != NULL)
	{
		int			step = jo_definition_step_by_name(reader->up->definition, name);

		if (step >= 0)
			found = runs_before(reader->up, step, &reader->up->definition->steps[reader->up_step])
				? FOUND : FOUND_LATER;
		else
			found = find_outside(reader->up, name);
	}
	else if (outer != NULL && outer->nsteps > 0 &&
			 bsearch(&name, outer->steps, outer->nsteps, sizeof(char *), compare_names) != NULL)
		found = FOUND;
	if (found == FOUND)
		note_read(reader, name);
	return found;
}

/* A step of the body of the step that reads: what a loop's conditions are about. */
static bool
is_in_body(const JoDefReader *reader, const char *name, const Place *place)
{
	const JoDefReader *body;

	if ((place->reads & JO_READS_BODY) == 0 || place->step == NULL)
		return false;
	body = reader->sources[place->step->index].body;
	return body != NULL && jo_definition_step_by_name(body->definition, name) >= 0;
}

static void
report_too_early(JoDefReader *reader, const char *name, const char *advice, const JoPath *path)
{
	jo_def_report(reader, "unknown_reference", path, advice,
				  "the output of step \"%s\" is read, but that step need not be over by then", name);
}

static void
check_step_ref(JoDefReader *reader, JoRef *ref, const Place *place)
{
	const JoDefinition *definition = reader->definition;
	Found		found;

	ref->step = jo_definition_step_by_name(definition, ref->step_name);
	if (ref->step < 0)
	{
		if (is_in_body(reader, ref->step_name, place))
			return;
		found = find_outside(reader, ref->step_name);
		if (found == FOUND_NOWHERE)
			jo_def_report(reader, "unknown_reference", place->path,
						  jo_def_suggest_step(reader, ref->step_name, -1),
						  "there is no step \"%s\"", jo_words_show(ref->step_name));
		else if (found == FOUND_LATER)
			report_too_early(reader, ref->step_name, NULL, place->path);
	}
	else if (runs_before(reader, ref->step, place->step))
		return;
	else if (place->step->shown != NULL && strcmp(ref->step_name, place->step->shown) == 0)
		jo_def_report(reader, "unknown_reference", place->path,
					  (place->reads & JO_READS_RESULT) ? "Write result, as in {{ result.rows }}." : NULL,
					  "a step cannot read its own output");
	else
		report_too_early(reader, ref->step_name,
						 reader->sources[ref->step].list == reader->sources[place->step->index].list
						 ? psprintf("Add \"%s\" to its depends_on.", ref->step_name) : NULL, place->path);
}

/* `previous` is the only parent; of a body's first step, that of the container. */
static void
check_previous(JoDefReader *reader, JoRef *ref, const Place *place)
{
	const JoStepDef *steps = reader->definition->steps;
	const JoStepDef *step = place->step;
	const JoStepDef *parent;
	Place		around = *place;
	JoRef		ignored;

	if (step != NULL && step->open >= 0)
		step = &steps[step->open];
	while (step != NULL && step->ndeps == 1 && steps[step->deps[0]].part == JO_PART_OPEN)
		step = &steps[step->deps[0]];
	if (step == NULL || step->ndeps == 0)
	{
		/* the first step of a body: the iteration before, or what is before the container */
		if (step == NULL || reader->definition->outer == NULL)
			jo_def_report(reader, "unknown_reference", place->path, NULL,
						  "there is no step before it for \"previous\" to read");
		else if (reader->definition->outer->each && reader->up != NULL)
		{
			around.step = &reader->up->definition->steps[reader->up_step];
			check_previous(reader->up, &ignored, &around);
		}
		return;
	}
	parent = &steps[step->deps[0]];
	if (step->ndeps == 1)
		ref->step = parent->index;
	else
		jo_def_report(reader, "unknown_reference", place->path,
					  psprintf("Name one of them, such as steps.%s.", parent->name ? parent->name : ""),
					  "\"previous\" could be any of %d steps", step->ndeps);
}

static void
check_item(JoDefReader *reader, const JoRef *ref, const Place *place)
{
	const JoOuter *outer = reader->definition->outer;
	bool		each = (place->step != NULL && place->step->part == JO_PART_EACH) ||
		(outer != NULL && outer->has_item);

	/* a second name is known only where it can be read */
	if (each || ref->alias != NULL || (ref->root == JO_ROOT_ITEM && (place->reads & JO_READS_ITEM)))
		return;
	jo_def_report(reader, "unknown_reference", place->path, NULL,
				  "\"%s\" can be read only in what a foreach repeats", jo_root_name(ref->root));
}

static void
check_ref(JoDefReader *reader, JoRef *ref, const Place *place)
{
	const JoOuter *outer = reader->definition->outer;

	if (ref->root == JO_ROOT_STEPS)
		check_step_ref(reader, ref, place);
	else if (ref->root == JO_ROOT_RESULT && (place->reads & JO_READS_RESULT) == 0)
		jo_def_report(reader, "unknown_reference", place->path, NULL,
					  "\"result\" can be read only in the \"output\" of a step, and in \"success\"");
	else if (ref->root == JO_ROOT_PREVIOUS)
		check_previous(reader, ref, place);
	else if (ref->root == JO_ROOT_ITEM || ref->root == JO_ROOT_ITEM_INDEX)
		check_item(reader, ref, place);
	else if (ref->root == JO_ROOT_ITERATION && (place->reads & JO_READS_BODY) == 0 &&
			 (outer == NULL || !outer->has_iteration))
		jo_def_report(reader, "unknown_reference", place->path, NULL,
					  "\"iteration\" can be read only in a loop");
}

/* What templates call a property of `input` itself by its path; NULL for one deeper down. */
static char *
name_input(const char *path)
{
	static const char prefix[] = "$.\"input\".\"";
	size_t		length = strlen(path);

	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0 || strchr(path + sizeof(prefix) - 1, '"') != path + length - 1)
		return NULL;
	return psprintf("input.%.*s", (int) (length - sizeof(prefix)), path + sizeof(prefix) - 1);
}

/* 'Did you mean "input.since"?' for the path of a property that nobody declared. */
static char *
suggest_input(const JoDefReader *reader, const char *path)
{
	int			n = Min(reader->ninputs, MAX_INPUTS_SEARCHED);
	char	   *name = name_input(path);
	const char **names;
	int			nnames = 0;

	if (name == NULL || reader->findings->n >= MAX_SUGGESTIONS)
		return NULL;
	names = palloc((n + 1) * sizeof(char *));
	for (int i = 0; i < n; i++)
	{
		names[nnames] = name_input(reader->inputs[i].path);
		nnames += (names[nnames] != NULL);
	}
	names[nnames] = NULL;
	return jo_words_suggest(name, names);
}

/* The path of the property of `input` itself that a longer path goes through, or NULL. */
static char *
cut_input_path(const char *path)
{
	static const char prefix[] = "$.\"input\".\"";
	const char *quote = path + sizeof(prefix) - 1;

	if (strncmp(path, prefix, sizeof(prefix) - 1) != 0)
		return NULL;
	while (*quote != '"')
		quote += (*quote == '\\') ? 2 : 1;
	return pnstrdup(path, quote + 1 - path);
}

/* Notes the type of an input that a body reads: it is told to the definition that is kept. */
static void
note_type(JoDefReader *reader, const JoInputType *input)
{
	for (; reader != NULL && reader->definition->outer != NULL; reader = reader->up)
	{
		for (int i = Max(0, reader->ntypes - 8); i < reader->ntypes; i++)
			if (strcmp(reader->types[i].path, input->path) == 0)
				return;
		if (reader->ntypes >= reader->types_capacity)
		{
			reader->types_capacity = reader->types_capacity ? reader->types_capacity * 2 : 8;
			reader->types = reader->types
				? repalloc(reader->types, reader->types_capacity * sizeof(JoInputType))
				: palloc(reader->types_capacity * sizeof(JoInputType));
		}
		reader->types[reader->ntypes++] = *input;
	}
}

/* Sets declared_type; tells of a property that nobody declared. */
static void
check_input(JoDefReader *reader, JoTemplate *template, const Place *place)
{
	const JoInputType *input = jo_def_find_input(reader, template->path);
	char	   *property;

	if (input != NULL)
	{
		template->declared_type = input->type ? pstrdup(input->type) : NULL;
		if (input->type != NULL)
			note_type(reader, input);
		return;
	}
	property = reader->inputs_declared ? cut_input_path(template->path) : NULL;
	if (property == NULL || jo_def_find_input(reader, property) != NULL)
		return;
	if (reader->inputs_closed)
		jo_def_report(reader, "unknown_reference", place->path, suggest_input(reader, property),
					  "%s is not declared in \"input\"", jo_words_show(template->source));
	else if (template->nfilters == 0 || template->filters[0].kind != JO_FILTER_DEFAULT)
		jo_def_warn(reader, "unknown_reference", place->path, suggest_input(reader, property),
					"%s is not declared in \"input\"", jo_words_show(template->source));
}

static void
check_template(JoDefReader *reader, JoTemplate *template, const Place *place)
{
	check_ref(reader, &template->ref, place);
	if (template->ref.root == JO_ROOT_INPUT)
	{
		if (strcmp(template->path, "$.\"input\"") == 0)
			template->declared_type = pstrdup("jsonb");
		else
			check_input(reader, template, place);
	}
	for (int i = 0; i < template->nfilters; i++)
		if (template->filters[i].kind == JO_FILTER_JSON ||
			template->filters[i].kind == JO_FILTER_URLENCODE ||
			template->filters[i].kind == JO_FILTER_BASE64)
			template->declared_type = pstrdup("text");
}

static void
check_sql(JoDefReader *reader, JoSqlText *sql, const Place *place)
{
	if (sql == NULL)
		return;
	for (int i = 0; i < sql->ntemplates; i++)
		check_template(reader, &sql->templates[i], place);
}

/* As deep as the document. */
static void
check_value(JoDefReader *reader, JoValue *value, const Place *place)
{
	if (value == NULL)
		return;
	if (value->kind == JO_VALUE_TEMPLATE || value->kind == JO_VALUE_TEXT)
		check_sql(reader, value->text, place);
	else if (value->kind != JO_VALUE_LITERAL)
	{
		for (int i = 0; i < value->n; i++)
		{
			bool		object = (value->kind == JO_VALUE_OBJECT);
			JoPath		at = {place->path, object ? value->keys[i] : NULL, i};
			Place		inside = *place;

			inside.path = &at;
			check_value(reader, &value->values[i], &inside);
		}
	}
}

static void
check_use(JoDefReader *reader, const JoDefUse *use)
{
	const JoStepDef *step = use->step >= 0 ? &reader->definition->steps[use->step] : NULL;
	Place		place = {step, use->path, use->reads};
	JoRefList  *refs = use->thing;

	reader->step = step ? step->shown : NULL;
	switch (use->kind)
	{
		case JO_USE_SQL:
			check_sql(reader, use->thing, &place);
			break;
		case JO_USE_VALUE:
			check_value(reader, use->thing, &place);
			break;
		case JO_USE_PATH:
			for (int i = 0; i < refs->n; i++)
				check_ref(reader, &refs->list[i], &place);
			break;
	}
	reader->step = NULL;
}

/* Finds the step of every reference and checks that its output can be there. */
void
jo_def_check_references(JoDefReader *reader)
{
	for (int i = 0; i < reader->nuses; i++)
		check_use(reader, &reader->uses[i]);
}
