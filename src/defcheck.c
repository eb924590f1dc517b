/*
 * defcheck.c
 *		Names of steps, which must differ in the whole document, and cycles.
 *
 * A leaf.  Names cost n log n; a cycle one walk over the graph each.
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

/* What qsort() sorts: it has no argument for the definition. */
typedef struct NamedStep
{
	const char *name;
	bool		inner;			/* a part that has no name of its own */
	int			index;
} NamedStep;

static int
compare_named_steps(const void *a, const void *b)
{
	const NamedStep *left = a;
	const NamedStep *right = b;
	int			order = strcmp(left->name, right->name);

	if (order == 0)
		order = left->inner - right->inner;
	return order != 0 ? order : left->index - right->index;
}

static void
note_name(JoDefReader *reader, const char *name, const JoPath *path)
{
	JoDefNames *names = reader->names;

	if (names->n >= names->capacity)
	{
		names->capacity = names->capacity ? names->capacity * 2 : 64;
		names->list = names->list ? repalloc(names->list, names->capacity * sizeof(JoNamedPlace))
			: palloc(names->capacity * sizeof(JoNamedPlace));
	}
	names->list[names->n].name = name;
	names->list[names->n].path = path;
	names->list[names->n++].reader = reader->number;
}

/* Fills definition->by_name; reports names that are there twice. */
void
jo_def_index_names(JoDefReader *reader)
{
	JoDefinition *definition = reader->definition;
	NamedStep  *named = palloc((definition->nsteps + 1) * sizeof(NamedStep));

	for (int i = 0; i < definition->nsteps; i++)
	{
		const JoStepDef *step = &definition->steps[i];

		named[i].name = step->name ? step->name : "";
		named[i].inner = (step->part == JO_PART_OPEN || step->part == JO_PART_EACH);
		named[i].index = i;
		if (step->name != NULL && !named[i].inner)
			note_name(reader, step->name, reader->sources[i].path);
	}
	qsort(named, definition->nsteps, sizeof(NamedStep), compare_named_steps);
	definition->by_name = palloc((definition->nsteps + 1) * sizeof(int));
	for (int i = 0; i < definition->nsteps; i++)
	{
		JoPath		at = {reader->sources[named[i].index].path, "name", 0};

		definition->by_name[i] = named[i].index;
		if (i == 0 || *named[i].name == '\0' || named[i].inner || named[i - 1].inner ||
			strcmp(named[i].name, named[i - 1].name) != 0)
			continue;
		reader->step = named[i].name;
		jo_def_report(reader, "duplicate_step", &at, NULL,
					  "two steps have the name \"%s\"", named[i].name);
		reader->step = NULL;
	}
	pfree(named);
}

static int
compare_places(const void *a, const void *b)
{
	const JoNamedPlace *left = a;
	const JoNamedPlace *right = b;
	int			order = strcmp(left->name, right->name);

	return order != 0 ? order : left->reader - right->reader;
}

/* Names that are in two definitions of the document; within one it was told. */
void
jo_def_check_all_names(JoDefReader *reader)
{
	JoDefNames *names = reader->names;

	if (names->n == 0)
		return;
	qsort(names->list, names->n, sizeof(JoNamedPlace), compare_places);
	for (int i = 1; i < names->n; i++)
	{
		const JoNamedPlace *place = &names->list[i];
		JoPath		at = {place->path, "name", 0};

		if (strcmp(place->name, place[-1].name) != 0 || place->reader == place[-1].reader)
			continue;
		reader->step = place->name;
		jo_def_report(reader, "duplicate_step", &at, NULL,
					  "two steps have the name \"%s\", one of them in a body", place->name);
		reader->step = NULL;
	}
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

		if (step->part != JO_PART_OPEN && step->part != JO_PART_EACH &&
			step->name != NULL && strcmp(step->name, name) == 0)
			return step->index;
	}
	return -1;
}

/* 'Did you mean "b"?' among the steps of a list, or of all (-1). */
char *
jo_def_suggest_step(const JoDefReader *reader, const char *name, int list)
{
	const JoDefinition *definition = reader->definition;
	const char **names;
	int			n = 0;

	if (reader->findings->n >= MAX_SUGGESTIONS)
		return NULL;
	names = palloc((definition->nsteps + 1) * sizeof(char *));
	for (int i = 0; i < definition->nsteps; i++)
	{
		const JoStepDef *step = &definition->steps[i];

		if (step->name != NULL && (step->part == JO_PART_WHOLE || step->part == JO_PART_CLOSE) &&
			(list < 0 || reader->sources[i].list == list))
			names[n++] = step->name;
	}
	names[n] = NULL;
	return jo_words_suggest(name, names);
}

/* How many containers a step is in. */
static int
measure_depth(const JoDefinition *definition, int step)
{
	int			depth = 0;

	for (int scope = definition->steps[step].scope; scope >= 0; scope = definition->steps[scope].scope)
		depth++;
	return depth;
}

/*
 * Leaves the steps of a cycle that stand in one list: those that are in no
 * container of the cycle.  The first is repeated at the end again.
 */
static int
trim_cycle(const JoDefinition *definition, int *cycle, int length)
{
	int			least = JO_MAX_STEPS;
	int			n = 0;

	for (int i = 0; i < length; i++)
		least = Min(least, measure_depth(definition, cycle[i]));
	for (int i = 0; i < length - 1; i++)
	{
		const JoStepDef *step = &definition->steps[cycle[i]];

		if (measure_depth(definition, cycle[i]) == least && step->part != JO_PART_OPEN &&
			step->part != JO_PART_EACH)
			cycle[n++] = cycle[i];
	}
	cycle[n] = cycle[0];
	return n + 1;
}

/* "a -> b -> a": each before the next. */
static char *
describe_cycle(const JoDefinition *definition, const int *cycle, int length)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < length; i++)
	{
		const char *name = definition->steps[cycle[i]].shown;

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
	{
		const JoStepDef *step = &reader->definition->steps[cycle[i]];

		if (reader->sources[step->open >= 0 ? step->open : step->index].dep_by_order)
			return step;
	}
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
	JoPath		at = {reader->sources[cycle[0]].path, "depends_on", 0};
	char	   *suggestion = NULL;

	if (by_order != NULL && by_order->name != NULL)
		suggestion = psprintf("Step \"%s\" has no depends_on and so follows the step before it; give it \"depends_on\": [].",
							  by_order->name);
	reader->step = definition->steps[cycle[0]].shown;
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
		cut_edge(ndeps, deps, cycle[0], cycle[length - 2]);
		report_cycle(reader, cycle, trim_cycle(definition, cycle, length));
	}
	pfree(ndeps);
	pfree(deps);
	pfree(cycle);
}
