/*
 * renderlang.c
 *		A job's graph in Mermaid and in DOT.
 *
 * A leaf.  A container is a frame around its steps, and in it a node of its own,
 * where its branches begin; what depends on it is drawn from the frame.
 */
#include "renderparts.h"

#include <string.h>

#include "words.h"

/* The prefix of nodes tells definitions inside of steps apart: s2, s2_s0. */
typedef struct Language
{
	JoRender   *render;
	const char *prefix;
	bool		mermaid;
} Language;

static void draw_list(const Language *language, JoPhase phase, int scope);

/* A label's text; both languages give some characters a meaning. */
static void
append_escaped(StringInfo buf, const char *text, bool mermaid)
{
	for (const char *p = text; *p != '\0'; p++)
	{
		if (mermaid && strchr("\"#&<>`|", *p) != NULL)
			appendStringInfo(buf, "#%d;", *p);
		else if (!mermaid && (*p == '"' || *p == '\\'))
			appendStringInfo(buf, "\\%c", *p);
		else
			appendStringInfoChar(buf, *p);
	}
}

static void
append_label(const Language *language, const JoStepDef *step)
{
	JoRender   *render = language->render;
	bool		mermaid = language->mermaid;
	const char *line_break = mermaid ? "<br/>" : "\\n";
	const char *status = jo_render_status(render, step->index);
	char	   *phrases[JO_MAX_PHRASES];
	int			nphrases = jo_render_phrases(render, step, phrases);

	append_escaped(render->buf, step->name, mermaid);
	if (step->type != JO_STEP_SQL)
		appendStringInfo(render->buf, "%s%s", line_break, step->word);
	if (status != NULL)
		appendStringInfo(render->buf, "%s%s", line_break, status);
	for (int i = 0; i < nphrases; i++)
	{
		appendStringInfoString(render->buf, line_break);
		append_escaped(render->buf, phrases[i], mermaid);
	}
}

/* A decision is a diamond. */
static void
append_node(const Language *language, const JoStepDef *step)
{
	JoRender   *render = language->render;
	StringInfo	buf = render->buf;
	bool		decides = jo_render_decides(step);
	const char *status = jo_render_status(render, step->index);
	const JoRenderMark *mark = status ? jo_render_mark(status) : NULL;

	appendStringInfo(buf, "    %ss%d", language->prefix, step->index);
	appendStringInfoString(buf, !language->mermaid ? "[label=\"" : decides ? "{\"" : "[\"");
	append_label(language, step);
	appendStringInfoChar(buf, '"');
	if (language->mermaid)
	{
		appendStringInfo(buf, "%s\n", decides ? "}" : "]");
		if (mark != NULL)
			appendStringInfo(buf, "    style %ss%d fill:%s\n", language->prefix, step->index, mark->color);
		return;
	}
	if (decides)
		appendStringInfoString(buf, ", shape=diamond");
	if (mark != NULL)
		appendStringInfo(buf, ", style=filled, fillcolor=\"%s\"", mark->color);
	appendStringInfoString(buf, "];\n");
}

/* Is a step drawn as a frame? */
static bool
has_frame(const JoStepDef *step)
{
	return jo_render_has_steps(step);
}

/*
 * From a node, or from the frame around a container's steps (framed); dotted to what
 * is repeated.
 */
static void
append_edge(const Language *language, int from, bool framed, const char *to, const char *label, bool dotted)
{
	StringInfo	buf = language->render->buf;

	if (language->mermaid)
	{
		appendStringInfo(buf, "    %s%s%d %s", language->prefix, framed ? "c" : "s", from, dotted ? "-.->" : "-->");
		if (label != NULL)
		{
			appendStringInfoString(buf, "|\"");
			append_escaped(buf, label, true);
			appendStringInfoString(buf, "\"|");
		}
		appendStringInfo(buf, " %s\n", to);
		return;
	}
	appendStringInfo(buf, "    %ss%d -> %s", language->prefix, from, to);
	if (label != NULL || framed || dotted)
	{
		appendStringInfoString(buf, " [");
		if (label != NULL)
		{
			appendStringInfoString(buf, "label=\"");
			append_escaped(buf, label, false);
			appendStringInfoString(buf, framed || dotted ? "\", " : "\"");
		}
		if (framed)
			appendStringInfo(buf, "ltail=cluster_%s%d", language->prefix, from);
		if (dotted)
			appendStringInfoString(buf, "style=dotted");
		appendStringInfoChar(buf, ']');
	}
	appendStringInfoString(buf, ";\n");
}

static void
append_parents(const Language *language, const JoStepDef *step)
{
	const JoStepDef *steps = language->render->definition->steps;
	const JoStepDef *start = jo_render_start(language->render, step);
	const char *node = psprintf("%ss%d", language->prefix, step->index);

	for (int d = 0; d < start->ndeps; d++)
	{
		const JoStepDef *parent = &steps[start->deps[d]];
		const char *label = jo_render_edge(language->render, start, d);

		/* the node of a container is that of its end, which has its name */
		if (parent->part == JO_PART_OPEN)
			append_edge(language, parent->close, false, node, label, false);
		else
			append_edge(language, parent->index, has_frame(parent), node, label, false);
	}
}

static void
open_frame(const Language *language, const char *id, const char *label)
{
	StringInfo	buf = language->render->buf;

	appendStringInfo(buf, language->mermaid ? "    subgraph %s[\"" : "    subgraph cluster_%s {\n    label=\"", id);
	append_escaped(buf, label, language->mermaid);
	appendStringInfoString(buf, language->mermaid ? "\"]\n" : "\";\n");
}

static void
close_frame(const Language *language)
{
	appendStringInfoString(language->render->buf, language->mermaid ? "    end\n" : "    }\n");
}

/* The definition of a body, beside the step that repeats it. */
static void
draw_body(const Language *language, const JoStepDef *step, const JoDefinition *definition)
{
	JoRender	inner;
	Language	deeper = {&inner, psprintf("%ss%d_", language->prefix, step->index), language->mermaid};
	int		   *steps;
	int			n;

	jo_render_begin(&inner, definition, NULL, language->render->buf);
	open_frame(language, psprintf("%sb", deeper.prefix), step->name);
	draw_list(&deeper, JO_PHASE_MAIN, -1);
	close_frame(language);
	n = jo_render_list(&inner, JO_PHASE_MAIN, -1, -1, &steps);
	for (int i = 0; i < n; i++)
		if (jo_render_start(&inner, &definition->steps[steps[i]])->ndeps == 0)
			append_edge(language, step->index, false, psprintf("%ss%d", deeper.prefix, steps[i]), NULL, true);
	pfree(steps);
}

static void
draw_step(const Language *language, const JoStepDef *step)
{
	const JoStepDef *start = jo_render_start(language->render, step);
	const JoStepDef *work = start->each != NULL
		? &language->render->definition->steps[start->index + 1] : step;

	if (has_frame(step))
	{
		/* DOT's names of frames begin with cluster_ */
		open_frame(language, psprintf("%s%s%d", language->prefix, language->mermaid ? "c" : "", step->index),
				   step->name);
		append_node(language, step);
		draw_list(language, step->phase, step->index);
		close_frame(language);
	}
	else
		append_node(language, step);
	append_parents(language, step);
	if (work->child != NULL && work->child->inner != NULL)
		draw_body(language, step, work->child->inner);
}

static void
draw_list(const Language *language, JoPhase phase, int scope)
{
	int		   *steps;
	int			n = jo_render_list(language->render, phase, scope, -1, &steps);

	for (int i = 0; i < n; i++)
		draw_step(language, &language->render->definition->steps[steps[i]]);
	pfree(steps);
}

static bool
has_frames(const JoDefinition *definition)
{
	for (int i = 0; i < definition->nsteps; i++)
		if (has_frame(&definition->steps[i]) ||
			(definition->steps[i].child != NULL && definition->steps[i].child->inner != NULL))
			return true;
	return false;
}

/* Which step a compensation undoes. */
static void
draw_compensations(const Language *language)
{
	const JoDefinition *definition = language->render->definition;

	for (int i = 0; i < definition->nsteps; i++)
	{
		const JoStepDef *step = &definition->steps[i];

		if (step->compensates >= 0)
			append_edge(language, step->compensates, has_frame(&definition->steps[step->compensates]),
						psprintf("s%d", i), "undone by", true);
	}
}

void
jo_render_language(JoRender *render, bool mermaid)
{
	Language	language = {render, "", mermaid};
	StringInfo	buf = render->buf;

	appendStringInfoString(buf, mermaid ? "flowchart TD\n" : "digraph job {\n    node [shape=box];\n");
	if (!mermaid && has_frames(render->definition))
		appendStringInfoString(buf, "    compound=true;\n");
	for (int phase = JO_PHASE_MAIN; phase <= JO_PHASE_FINALLY; phase++)
	{
		int		   *steps;

		if (jo_render_list(render, phase, -1, -1, &steps) == 0)
			continue;
		if (phase != JO_PHASE_MAIN)
			appendStringInfo(buf, mermaid ? "    subgraph %s\n" :
							 "    subgraph cluster_%s {\n    label=\"%s\";\n",
							 jo_render_phase(phase), jo_render_phase(phase));
		draw_list(&language, phase, -1);
		if (phase != JO_PHASE_MAIN)
			close_frame(&language);
	}
	draw_compensations(&language);
	if (!mermaid)
		appendStringInfoString(buf, "}\n");
}
