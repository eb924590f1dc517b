/*
 * render.c
 *		Draws a job's graph: what the three formats have in common.
 *
 * A leaf.  Containers are drawn as what users wrote: their hidden parts are put
 * together again here.
 */
#include "render.h"

#include <stdlib.h>
#include <string.h>

#include "graph.h"
#include "renderparts.h"
#include "words.h"

static const JoRenderMark mark_table[] = {
	{"completed", "\xe2\x9c\x94", "+", "#b7e1cd"},
	{"failed", "\xe2\x9c\x96", "x", "#f4b6b6"},
	{"running", "\xe2\x96\xb6", ">", "#b6d7f4"},
	{"retrying", "\xe2\x86\xbb", "r", "#fce8b2"},
	{"waiting", "\xe2\x80\xa6", "w", "#fce8b2"},
	{"queued", "\xe2\x97\x8b", "q", "#e8eaed"},
	{"pending", "\xc2\xb7", ".", "#ffffff"},
	{"skipped", "\xe2\x8a\x98", "s", "#e8eaed"},
	{"cancelled", "\xe2\x8a\x97", "c", "#e8eaed"},
};

const JoRenderMark *
jo_render_mark(const char *status)
{
	for (int i = 0; i < (int) lengthof(mark_table); i++)
		if (strcmp(mark_table[i].status, status) == 0)
			return &mark_table[i];
	return NULL;
}

const char *
jo_render_status(const JoRender *render, int step)
{
	return render->marks ? render->marks[step] : NULL;
}

const char *
jo_render_phase(JoPhase phase)
{
	static const char *const names[] = {"steps", "compensate", "on_failure", "finally"};

	return names[phase];
}

const JoStepDef *
jo_render_start(const JoRender *render, const JoStepDef *step)
{
	return step->part == JO_PART_CLOSE ? &render->definition->steps[step->open] : step;
}

bool
jo_render_has_steps(const JoStepDef *step)
{
	return step->part == JO_PART_CLOSE && step->each == NULL;
}

bool
jo_render_decides(const JoStepDef *step)
{
	return step->type == JO_STEP_CONDITION || step->type == JO_STEP_SWITCH;
}

/* Which branch of its decision a step is in: as its first parent, which is in the same list. */
static int
find_branch(const JoRender *render, const JoStepDef *step)
{
	const JoStepDef *steps = render->definition->steps;

	for (;;)
	{
		const JoStepDef *start = jo_render_start(render, step);

		if (start->ndeps == 0)
			return -1;
		if (start->dep_on[0] == JO_EDGE_BRANCH && steps[start->deps[0]].part == JO_PART_OPEN)
			return start->dep_branch[0];
		step = &steps[start->deps[0]];
	}
}

/* What qsort() sorts. */
typedef struct PlacedStep
{
	int			place;
	int			step;
} PlacedStep;

static int
compare_placed(const void *a, const void *b)
{
	return ((const PlacedStep *) a)->place - ((const PlacedStep *) b)->place;
}

int
jo_render_list(const JoRender *render, JoPhase phase, int scope, int branch, int **steps)
{
	const JoDefinition *definition = render->definition;
	int			from = scope < 0 ? 0 : definition->steps[scope].open;
	int			to = scope < 0 ? definition->nsteps : scope;
	PlacedStep *placed = palloc((to - from + 1) * sizeof(PlacedStep));
	int			n = 0;

	for (int i = from; i < to; i++)
	{
		const JoStepDef *step = &definition->steps[i];

		if (step->phase != phase || step->scope != scope || step->part == JO_PART_OPEN ||
			step->part == JO_PART_EACH)
			continue;
		if (branch >= 0 && find_branch(render, step) != branch)
			continue;
		placed[n].place = render->place[jo_render_start(render, step)->index];
		placed[n++].step = i;
	}
	if (n > 0)
		qsort(placed, n, sizeof(PlacedStep), compare_placed);
	*steps = palloc((n + 1) * sizeof(int));
	for (int i = 0; i < n; i++)
		(*steps)[i] = placed[i].step;
	pfree(placed);
	return n;
}

void
jo_render_begin(JoRender *render, const JoDefinition *definition, const char *const *marks,
				StringInfo buf)
{
	int			n = definition->nsteps;
	int		   *ndeps = palloc((n + 1) * sizeof(int));
	int		  **deps = palloc((n + 1) * sizeof(int *));
	int		   *order = palloc((n + 1) * sizeof(int));

	render->definition = definition;
	render->marks = marks;
	render->utf8 = (GetDatabaseEncoding() == PG_UTF8);
	render->buf = buf;
	render->place = palloc0((n + 1) * sizeof(int));
	render->handled = palloc0((n + 1) * sizeof(bool));
	for (int i = 0; i < n; i++)
	{
		ndeps[i] = definition->steps[i].ndeps;
		deps[i] = definition->steps[i].deps;
		for (int d = 0; d < ndeps[i]; d++)
			render->handled[deps[i][d]] |= (definition->steps[i].dep_on[d] == JO_EDGE_FAILURE);
	}
	jo_graph_order(n, ndeps, deps, order);
	for (int i = 0; i < n; i++)
		render->place[order[i]] = i;
	pfree(ndeps);
	pfree(deps);
	pfree(order);
}

char *
jo_render_graph(const JoDefinition *definition, const char *format,
				const char *const *marks, char **error)
{
	static const char *const formats[] = {"text", "mermaid", "dot", NULL};
	int			chosen = jo_words_find(format, formats);
	StringInfoData buf;
	JoRender	render;

	*error = NULL;
	if (chosen < 0)
	{
		*error = psprintf("\"%s\" is not one of: %s", jo_words_show(format), jo_words_join(formats));
		return NULL;
	}
	initStringInfo(&buf);
	jo_render_begin(&render, definition, marks, &buf);
	if (chosen == 0)
		jo_render_text(&render);
	else
		jo_render_language(&render, chosen == 1);
	return buf.data;
}
