/*
 * defcheck.c
 *		What needs all steps of a job: unique names, depends_on, cycles, and
 *		whether what a template or condition reads can be there.
 *
 * A leaf.  Costs: names n log n; dependencies one search each; ancestors one bit
 * per pair of steps, so 1000 steps with 1000 parents each are no burden.
 */
#include "defparse.h"

#include <stdlib.h>
#include <string.h>

#include "graph.h"

/* So many cycles are reported, and so many steps of one are written out. */
#define MAX_CYCLES 10
#define MAX_CYCLE_SHOWN 12

/* After so many findings nobody needs guesses, which cost a search each. */
#define MAX_SUGGESTIONS 100
#define MAX_INPUTS_SEARCHED 1000

/* One bit per step. */
typedef struct Ancestors
{
	int			nwords;
	uint64	   *bits;			/* nwords per step; NULL while there is a cycle */
} Ancestors;

/* Where a reference stands. */
typedef struct Place
{
	const JoStepDef *step;		/* NULL: the job's output */
	const JoPath *path;
	bool		has_result;		/* a step's output may read `result` */
	const Ancestors *ancestors;
} Place;

/* What qsort() sorts: it has no argument for the definition. */
typedef struct NamedStep
{
	const char *name;
	int			index;
} NamedStep;

static int
compare_named_steps(const void *a, const void *b)
{
	const NamedStep *left = a;
	const NamedStep *right = b;
	int			order = strcmp(left->name, right->name);

	return order != 0 ? order : left->index - right->index;
}

/* Fills definition->by_name; reports names that are there twice. */
void
jo_def_index_names(JoDefReader *reader)
{
	JoDefinition *definition = reader->definition;
	NamedStep  *named = palloc((definition->nsteps + 1) * sizeof(NamedStep));

	for (int i = 0; i < definition->nsteps; i++)
	{
		named[i].name = definition->steps[i].name ? definition->steps[i].name : "";
		named[i].index = i;
	}
	qsort(named, definition->nsteps, sizeof(NamedStep), compare_named_steps);
	definition->by_name = palloc((definition->nsteps + 1) * sizeof(int));
	for (int i = 0; i < definition->nsteps; i++)
	{
		JoPath		at = {&reader->sources[named[i].index].path, "name", 0};

		definition->by_name[i] = named[i].index;
		if (i == 0 || *named[i].name == '\0' || strcmp(named[i].name, named[i - 1].name) != 0)
			continue;
		reader->step = named[i].name;
		jo_def_report(reader, "duplicate_step", &at, NULL,
					  "two steps have the name \"%s\"", named[i].name);
		reader->step = NULL;
	}
	pfree(named);
}

/* The first step of a name: the same one for every search, also when there are two. */
int
jo_definition_step_by_name(const JoDefinition *definition, const char *name)
{
	int			low = 0;
	int			high = definition->nsteps;

	while (low < high)
	{
		int			middle = (low + high) / 2;
		const char *other = definition->steps[definition->by_name[middle]].name;

		if (strcmp(other ? other : "", name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < definition->nsteps && *name != '\0')
	{
		const JoStepDef *step = &definition->steps[definition->by_name[low]];

		if (step->name != NULL && strcmp(step->name, name) == 0)
			return step->index;
	}
	return -1;
}

/* 'Did you mean "b"?' among the steps of a phase, or of all phases (-1). */
static char *
suggest_step(const JoDefReader *reader, const char *name, int phase)
{
	const JoDefinition *definition = reader->definition;
	const char **names;
	int			n = 0;

	if (reader->findings->n >= MAX_SUGGESTIONS)
		return NULL;
	names = palloc((definition->nsteps + 1) * sizeof(char *));

	for (int i = 0; i < definition->nsteps; i++)
		if (definition->steps[i].name != NULL &&
			(phase < 0 || (int) definition->steps[i].phase == phase))
			names[n++] = definition->steps[i].name;
	names[n] = NULL;
	return jo_words_suggest(name, names);
}

/* One name of depends_on: its index, -1 after a finding. */
static int
find_parent(JoDefReader *reader, const JoStepDef *step, const char *name, const JoPath *path)
{
	const JoDefinition *definition = reader->definition;
	int			parent = jo_definition_step_by_name(definition, name);

	if (step->name != NULL && strcmp(name, step->name) == 0)
		jo_def_report(reader, "self_reference", path, NULL, "the step depends on itself");
	else if (parent < 0)
		jo_def_report(reader, "unknown_step", path, suggest_step(reader, name, step->phase),
					  "there is no step \"%s\"", jo_words_show(name));
	else if (definition->steps[parent].phase != step->phase)
		jo_def_report(reader, "unknown_step", path, NULL,
					  "the step \"%s\" is not in the same list of steps", name);
	else
		return parent;
	return -1;
}

/* depends_on as it is written. seen[i] is the last step that named parent i. */
static void
read_depends_on(JoDefReader *reader, JoStepDef *step, const cJSON *json, const JoPath *path, int *seen)
{
	char	  **names;
	int			n;

	if (!jo_def_strings(reader, json, path, &n, &names))
		return;
	step->deps = palloc((Min(n, reader->definition->nsteps) + 1) * sizeof(int));
	for (int i = 0; i < n; i++)
	{
		JoPath		at = {path, NULL, i};
		const JoPath *here = cJSON_IsArray(json) ? &at : path;
		int			parent = find_parent(reader, step, names[i], here);

		if (parent < 0)
			continue;
		if (seen[parent] == step->index)
		{
			jo_def_warn(reader, "invalid_value", here, NULL, "\"%s\" is named twice", names[i]);
			continue;
		}
		seen[parent] = step->index;
		step->deps[step->ndeps++] = parent;
	}
	for (int i = 0; i < n; i++)
		pfree(names[i]);
	pfree(names);
}

/* Fills deps of all steps. */
void
jo_def_read_dependencies(JoDefReader *reader)
{
	JoDefinition *definition = reader->definition;
	int		   *seen = palloc((definition->nsteps + 1) * sizeof(int));

	for (int i = 0; i < definition->nsteps; i++)
		seen[i] = -1;
	for (int i = 0; i < definition->nsteps; i++)
	{
		JoStepDef  *step = &definition->steps[i];
		JoStepSource *source = &reader->sources[i];
		JoPath		at;
		const cJSON *json = jo_def_get(source->json, &source->path, "depends_on", &at);

		reader->step = step->name;
		if (json != NULL)
			read_depends_on(reader, step, json, &at, seen);
		else if (i > 0 && definition->steps[i - 1].phase == step->phase)
		{
			step->deps = palloc(sizeof(int));
			step->deps[0] = i - 1;
			step->ndeps = 1;
			source->dep_by_order = true;
		}
	}
	reader->step = NULL;
	pfree(seen);
}

/* "a -> b -> a": each before the next. */
static char *
describe_cycle(const JoDefinition *definition, const int *cycle, int length)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < length; i++)
	{
		const char *name = definition->steps[cycle[i]].name;

		if (i >= MAX_CYCLE_SHOWN && i < length - 1)
			continue;
		if (i == length - 1 && length > MAX_CYCLE_SHOWN + 1)
			appendStringInfo(&buf, " -> ... (%d more)", length - 1 - MAX_CYCLE_SHOWN);
		appendStringInfo(&buf, "%s%s", i > 0 ? " -> " : "", name ? name : "(no name)");
	}
	return buf.data;
}

/* Does a step of the cycle stand in it only because of its place in the list? */
static const JoStepDef *
find_step_by_order(const JoDefReader *reader, const int *cycle, int length)
{
	for (int i = 0; i < length; i++)
		if (reader->sources[cycle[i]].dep_by_order)
			return &reader->definition->steps[cycle[i]];
	return NULL;
}

/* Takes one parent out of a list, in a copy: the definition's own list stays whole. */
static void
cut_edge(int *ndeps, int **deps, int node, int parent)
{
	int		   *copy = palloc((ndeps[node] + 1) * sizeof(int));
	int			n = 0;

	for (int d = 0; d < ndeps[node]; d++)
		if (deps[node][d] != parent)
			copy[n++] = deps[node][d];
	deps[node] = copy;
	ndeps[node] = n;
}

static void
report_cycle(JoDefReader *reader, const int *cycle, int length)
{
	const JoDefinition *definition = reader->definition;
	const JoStepDef *by_order = find_step_by_order(reader, cycle, length);
	JoPath		at = {&reader->sources[cycle[0]].path, "depends_on", 0};
	char	   *suggestion = NULL;

	if (by_order != NULL && by_order->name != NULL)
		suggestion = psprintf("Step \"%s\" has no depends_on and so follows the step before it; give it \"depends_on\": [].",
							  by_order->name);
	reader->step = definition->steps[cycle[0]].name;
	jo_def_report(reader, "cycle_detected", &at, suggestion,
				  "the steps wait for each other: %s", describe_cycle(definition, cycle, length));
	reader->step = NULL;
}

/* Reports cycles; to find the next one, the edge that closes the last is cut. */
void
jo_def_check_cycles(JoDefReader *reader)
{
	JoDefinition *definition = reader->definition;
	int			n = definition->nsteps;
	int		   *ndeps = palloc((n + 1) * sizeof(int));
	int		  **deps = palloc((n + 1) * sizeof(int *));
	int		   *cycle = palloc((n + 1) * sizeof(int));

	for (int i = 0; i < n; i++)
	{
		ndeps[i] = definition->steps[i].ndeps;
		deps[i] = definition->steps[i].deps;
	}
	for (int found = 0; found < MAX_CYCLES; found++)
	{
		int			length = jo_graph_cycle(n, ndeps, deps, cycle);

		if (length == 0)
			break;
		report_cycle(reader, cycle, length);
		cut_edge(ndeps, deps, cycle[0], cycle[length - 2]);
	}
	pfree(ndeps);
	pfree(deps);
	pfree(cycle);
}

/* bits stays NULL when there is a cycle: nobody's ancestors are known then. */
static void
find_ancestors(const JoDefinition *definition, Ancestors *ancestors)
{
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

/* Is the step over, one way or the other, when place is read? */
static bool
runs_before(const JoDefinition *definition, int other, const Place *place)
{
	const Ancestors *ancestors = place->ancestors;

	if (place->step == NULL || definition->steps[other].phase < place->step->phase)
		return true;
	if (definition->steps[other].phase > place->step->phase)
		return false;
	if (ancestors->bits == NULL)
		return true;
	return (ancestors->bits[(size_t) place->step->index * ancestors->nwords + other / 64] >>
			(other % 64)) & 1;
}

static void
check_step_ref(JoDefReader *reader, JoRef *ref, const Place *place)
{
	const JoDefinition *definition = reader->definition;

	ref->step = jo_definition_step_by_name(definition, ref->step_name);
	if (ref->step < 0)
		jo_def_report(reader, "unknown_reference", place->path,
					  suggest_step(reader, ref->step_name, -1),
					  "there is no step \"%s\"", jo_words_show(ref->step_name));
	else if (runs_before(definition, ref->step, place))
		return;
	else if (ref->step == place->step->index)
		jo_def_report(reader, "unknown_reference", place->path,
					  place->has_result ? "Write result, as in {{ result.rows }}." : NULL,
					  "a step cannot read its own output");
	else
		jo_def_report(reader, "unknown_reference", place->path,
					  definition->steps[ref->step].phase != place->step->phase ? NULL :
					  psprintf("Add \"%s\" to its depends_on.", ref->step_name),
					  "the output of step \"%s\" is read, but that step need not be over by then",
					  ref->step_name);
}

/* `previous` is the only parent. */
static void
check_previous(JoDefReader *reader, const Place *place)
{
	const JoStepDef *parent;

	if (place->step == NULL || place->step->ndeps == 0)
		jo_def_report(reader, "unknown_reference", place->path, NULL,
					  "there is no step before it for \"previous\" to read");
	else if (place->step->ndeps > 1)
	{
		parent = &reader->definition->steps[place->step->deps[0]];
		jo_def_report(reader, "unknown_reference", place->path,
					  psprintf("Name one of them, such as steps.%s.", parent->name ? parent->name : ""),
					  "\"previous\" could be any of %d steps", place->step->ndeps);
	}
}

static void
check_ref(JoDefReader *reader, JoRef *ref, const Place *place)
{
	if (ref->root == JO_ROOT_STEPS)
		check_step_ref(reader, ref, place);
	else if (ref->root == JO_ROOT_RESULT && !place->has_result)
		jo_def_report(reader, "unknown_reference", place->path, NULL,
					  "\"result\" can be read only in the \"output\" of a step");
	else if (ref->root == JO_ROOT_PREVIOUS)
		check_previous(reader, place);
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

/* Sets declared_type; tells of a property that nobody declared. */
static void
check_input(JoDefReader *reader, JoTemplate *template, const Place *place)
{
	const JoInputType *input = jo_def_find_input(reader, template->path);
	char	   *property;

	if (input != NULL)
	{
		template->declared_type = input->type ? pstrdup(input->type) : NULL;
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
check_step_references(JoDefReader *reader, JoStepDef *step, const Ancestors *ancestors)
{
	const JoPath *path = &reader->sources[step->index].path;
	JoPath		at = {path, "sql", 0};
	Place		place = {step, &at, false, ancestors};

	reader->step = step->name;
	check_sql(reader, step->sql, &place);
	at.key = "when";
	check_sql(reader, step->when_sql, &place);
	for (int i = 0; i < step->when_refs.n; i++)
		check_ref(reader, &step->when_refs.list[i], &place);
	at.key = "output";
	place.has_result = true;
	check_value(reader, step->output, &place);
	reader->step = NULL;
}

/* Finds the step of every reference and checks that its output can be there. */
void
jo_def_check_references(JoDefReader *reader)
{
	static const JoPath top = {NULL, NULL, 0};
	JoPath		at = {&top, "output", 0};
	Ancestors	ancestors;
	Place		place = {NULL, &at, false, &ancestors};

	find_ancestors(reader->definition, &ancestors);
	for (int i = 0; i < reader->definition->nsteps; i++)
		check_step_references(reader, &reader->definition->steps[i], &ancestors);
	check_value(reader, reader->definition->output, &place);
	if (ancestors.bits != NULL)
		pfree(ancestors.bits);
}
