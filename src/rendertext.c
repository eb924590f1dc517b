/*
 * rendertext.c
 *		A job's graph as a tree for psql.
 *
 * A leaf.  Drawn with box characters where the database's encoding is UTF-8 and
 * with ASCII elsewhere; lines stay under LINE_WIDTH columns, unless steps are
 * nested so deep that no room is left.
 */
#include "renderparts.h"

#include <string.h>

#include "words.h"

#define LINE_WIDTH 98
#define NAME_WIDTH 24
#define LEAST_WIDTH 30			/* of what a line says, however deep it is indented */
#define MAX_PARENTS_SHOWN 8

static void draw_list(JoRender *render, const char *indent, JoPhase phase, int scope, int branch);

/* A line that is wrapped between words. */
typedef struct Flow
{
	StringInfo	buf;
	const char *indent;
	int			column;
} Flow;

static int
width_of(const char *text)
{
	return pg_mbstrlen(text);
}

static void
flow_word(Flow *flow, const char *word)
{
	int			width = width_of(word);
	int			room = Max(LINE_WIDTH, width_of(flow->indent) + LEAST_WIDTH);

	if (flow->column + 1 + width > room)
	{
		appendStringInfo(flow->buf, "\n%s", flow->indent);
		flow->column = width_of(flow->indent);
	}
	appendStringInfo(flow->buf, " %s", word);
	flow->column += 1 + width;
}

/* A phrase between words, so that a long one does not leave half a line empty. */
static void
flow_phrase(Flow *flow, const char *phrase, const char *end)
{
	const char *from = phrase;
	int			room = LINE_WIDTH - width_of(flow->indent) - 1;

	if (width_of(phrase) + (int) strlen(end) <= Max(room, LEAST_WIDTH))
	{
		flow_word(flow, psprintf("%s%s", phrase, end));
		return;
	}
	while (*from != '\0')
	{
		size_t		length = strcspn(from, " ");

		flow_word(flow, psprintf("%.*s%s", (int) length, from, from[length] == '\0' ? end : ""));
		from += length;
		from += strspn(from, " ");
	}
}

/* "after a, b (failure)"; what a container does for its own steps is not told. */
static void
flow_parents(Flow *flow, const JoRender *render, const JoStepDef *step)
{
	const JoStepDef *start = jo_render_start(render, step);
	int			shown = Min(start->ndeps, MAX_PARENTS_SHOWN);

	for (int d = 0; d < shown; d++)
	{
		const JoStepDef *parent = &render->definition->steps[start->deps[d]];
		const char *edge = jo_render_edge(render, start, d);

		if (parent->part == JO_PART_OPEN)
			return;
		if (d == 0)
			flow_word(flow, "after");
		flow_word(flow, psprintf("%s%s%s%s%s", parent->name, edge ? " (" : "", edge ? edge : "",
								 edge ? ")" : "", d < start->ndeps - 1 ? "," : ""));
	}
	if (shown < start->ndeps)
		flow_word(flow, psprintf("and %d more", start->ndeps - shown));
}

static const char *
fork_of(const JoRender *render, bool last)
{
	if (render->utf8)
		return last ? "\xe2\x94\x94\xe2\x94\x80 " : "\xe2\x94\x9c\xe2\x94\x80 ";
	return last ? "`- " : "|- ";
}

/* What stands below a fork, for lines that follow. */
static const char *
trunk_of(const JoRender *render, bool more)
{
	return !more ? "   " : render->utf8 ? "\xe2\x94\x82  " : "|  ";
}

/* One branch of a decision: its label, and its steps below. */
static void
draw_branch(JoRender *render, const JoStepDef *step, const char *indent, int branch, bool last)
{
	bool		empty = (step->flow->branches[branch].last < 0);
	Flow		flow = {render->buf, psprintf("%s%s  ", indent, trunk_of(render, !last)), 0};
	const char *fork = psprintf("%s%s", indent, fork_of(render, last));

	/* the fork ends in a blank; so does what comes before a word */
	appendStringInfo(render->buf, "%.*s", (int) strlen(fork) - 1, fork);
	flow.column = width_of(fork) - 1;
	flow_phrase(&flow, jo_render_branch(step->flow, branch), empty ? ": nothing" : ":");
	appendStringInfoChar(render->buf, '\n');
	if (!empty)
		draw_list(render, psprintf("%s%s", indent, trunk_of(render, !last)), step->phase, step->index, branch);
}

/* What is inside of a step: branches, steps, or a definition of its own. */
static void
draw_inside(JoRender *render, const JoStepDef *step, const char *indent)
{
	const JoStepDef *start = jo_render_start(render, step);
	const JoStepDef *work = start->each != NULL ? &render->definition->steps[start->index + 1] : step;
	JoRender	inner;

	if (jo_render_has_steps(step) && jo_render_decides(step))
		for (int b = 0; b < step->flow->nbranches; b++)
			draw_branch(render, step, indent, b, b == step->flow->nbranches - 1);
	else if (jo_render_has_steps(step))
		draw_list(render, indent, step->phase, step->index, -1);
	else if (work->child != NULL && work->child->inner != NULL)
	{
		jo_render_begin(&inner, work->child->inner, NULL, render->buf);
		draw_list(&inner, indent, JO_PHASE_MAIN, -1, -1);
	}
}

static bool
has_inside(const JoRender *render, const JoStepDef *step)
{
	const JoStepDef *start = jo_render_start(render, step);
	const JoStepDef *work = start->each != NULL ? &render->definition->steps[start->index + 1] : step;

	return jo_render_has_steps(step) || (work->child != NULL && work->child->inner != NULL);
}

static void
draw_step(JoRender *render, const JoStepDef *step, const char *indent, bool last)
{
	const char *below = psprintf("%s%s", indent, trunk_of(render, !last));
	const char *status = jo_render_status(render, step->index);
	const JoRenderMark *mark = status ? jo_render_mark(status) : NULL;
	char	   *phrases[JO_MAX_PHRASES];
	int			nphrases = jo_render_phrases(render, step, phrases);
	Flow		flow = {render->buf, NULL, 0};
	char	   *head;

	flow.indent = psprintf("%s%s", below, has_inside(render, step) ?
						   psprintf("%s ", trunk_of(render, true)) : "    ");
	head = psprintf("%s%s%s%s%s", indent, fork_of(render, last),
					mark ? (render->utf8 ? mark->sign : mark->ascii) : "", mark ? " " : "", step->name);
	flow.column = Max(width_of(head), NAME_WIDTH);
	appendStringInfo(render->buf, "%s%*s", head, flow.column - width_of(head), "");
	flow_word(&flow, step->word);
	if (status != NULL)
		flow_word(&flow, status);
	flow_parents(&flow, render, step);
	for (int i = 0; i < nphrases; i++)
	{
		if (i == 0)
			flow.column = 10 * LINE_WIDTH;	/* what is special begins a line */
		flow_phrase(&flow, phrases[i], i < nphrases - 1 ? ";" : "");
	}
	appendStringInfoChar(render->buf, '\n');
	draw_inside(render, step, below);
}

static void
draw_list(JoRender *render, const char *indent, JoPhase phase, int scope, int branch)
{
	int		   *steps;
	int			n = jo_render_list(render, phase, scope, branch, &steps);

	for (int i = 0; i < n; i++)
		draw_step(render, &render->definition->steps[steps[i]], indent, i == n - 1);
	pfree(steps);
}

void
jo_render_text(JoRender *render)
{
	for (int phase = JO_PHASE_MAIN; phase <= JO_PHASE_FINALLY; phase++)
	{
		int		   *steps;

		if (jo_render_list(render, phase, -1, -1, &steps) == 0)
			continue;
		appendStringInfo(render->buf, "%s\n", jo_render_phase(phase));
		draw_list(render, "", phase, -1, -1);
	}
}
