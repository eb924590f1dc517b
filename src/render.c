/*
 * render.c
 *		Draws a job's graph: a text tree for psql, Mermaid, DOT.
 *
 * A leaf.  Text is drawn with box characters where the database's encoding is
 * UTF-8 and with ASCII elsewhere; lines stay under LINE_WIDTH columns.
 */
#include "render.h"

#include <string.h>

#include "graph.h"
#include "words.h"

#define LINE_WIDTH 98
#define NAME_WIDTH 24
#define MAX_PARENTS_SHOWN 8

typedef struct Render
{
	const JoDefinition *definition;
	const char *const *marks;
	int		   *order;			/* parents before children */
	bool		utf8;
	StringInfoData buf;
} Render;

static const char *const phase_names[] = {"steps", "compensate", "on_failure", "finally"};

typedef struct Mark
{
	const char *status;
	const char *sign;
	const char *ascii;
	const char *color;
} Mark;

static const Mark mark_table[] = {
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

static const Mark *
find_mark(const char *status)
{
	for (int i = 0; i < (int) lengthof(mark_table); i++)
		if (strcmp(mark_table[i].status, status) == 0)
			return &mark_table[i];
	return NULL;
}

static const char *
status_of(const Render *render, int step)
{
	return render->marks ? render->marks[step] : NULL;
}

/* "5 min": the largest unit that divides it. */
static char *
format_duration(int64 microseconds)
{
	static const struct
	{
		int64		size;
		const char *name;
	}			units[] = {
		{INT64CONST(86400000000), "d"},
		{INT64CONST(3600000000), "h"},
		{INT64CONST(60000000), "min"},
		{INT64CONST(1000000), "s"},
		{INT64CONST(1000), "ms"},
	};

	for (int i = 0; i < (int) lengthof(units); i++)
		if (microseconds >= units[i].size && microseconds % units[i].size == 0)
			return psprintf(INT64_FORMAT " %s", microseconds / units[i].size, units[i].name);
	return psprintf(INT64_FORMAT " us", microseconds);
}

/* One line of a text, blanks for what would break it. */
static char *
flatten(const char *text)
{
	char	   *line = jo_words_show(text);

	for (char *p = line; *p != '\0'; p++)
		if ((unsigned char) *p < 0x20)
			*p = ' ';
	return line;
}

static char *
describe_retry(const JoRetry *retry)
{
	if (!retry->exponential)
		return psprintf("%d attempts, %s apart", retry->max_attempts, format_duration(retry->initial));
	return psprintf("%d attempts, %s to %s apart", retry->max_attempts,
					format_duration(retry->initial), format_duration(retry->max));
}

/* What is special about a step, a phrase each; returns how many (at most 8). */
static int
describe_step(const JoStepDef *step, char **phrases)
{
	static const char *const on_error_words[] = {"fail", "stop", "continue"};
	static const char *const transaction_words[] = {"auto", "step", "none"};
	int			n = 0;

	if (step->rule != JO_RULE_ALL_SUCCESS)
		phrases[n++] = psprintf("rule %s", jo_trigger_rule_name(step->rule));
	if (step->when.path != NULL)
		phrases[n++] = psprintf("when %s", flatten(step->when.path));
	if (step->when.sql != NULL)
		phrases[n++] = psprintf("when SQL %s", flatten(step->when.sql->pieces[0]));
	if (step->retry.max_attempts > 1)
		phrases[n++] = describe_retry(&step->retry);
	if (step->timeout > 0)
		phrases[n++] = psprintf("timeout %s", format_duration(step->timeout));
	if (step->on_error != JO_ON_ERROR_FAIL)
		phrases[n++] = psprintf("on error %s", on_error_words[step->on_error]);
	if (step->transaction != JO_TRANSACTION_AUTO)
		phrases[n++] = psprintf("transaction %s", transaction_words[step->transaction]);
	if (step->run_as != NULL)
		phrases[n++] = psprintf("as %s", step->run_as);
	return n;
}

/* ---- text ---- */

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

	if (flow->column + 1 + width > LINE_WIDTH)
	{
		appendStringInfo(flow->buf, "\n%s", flow->indent);
		flow->column = width_of(flow->indent);
	}
	appendStringInfo(flow->buf, " %s", word);
	flow->column += 1 + width;
}

static void
flow_parents(Flow *flow, const Render *render, const JoStepDef *step)
{
	int			shown = Min(step->ndeps, MAX_PARENTS_SHOWN);

	if (step->ndeps > 0)
		flow_word(flow, "after");
	for (int d = 0; d < shown; d++)
		flow_word(flow, psprintf("%s%s", render->definition->steps[step->deps[d]].name,
								 d < step->ndeps - 1 ? "," : ""));
	if (shown < step->ndeps)
		flow_word(flow, psprintf("and %d more", step->ndeps - shown));
}

static void
draw_step(Render *render, const JoStepDef *step, bool last)
{
	const char *branch = render->utf8 ? (last ? "\xe2\x94\x94\xe2\x94\x80 " : "\xe2\x94\x9c\xe2\x94\x80 ")
		: (last ? "`- " : "|- ");
	const char *trunk = last ? "   " : render->utf8 ? "\xe2\x94\x82  " : "|  ";
	const char *status = status_of(render, step->index);
	const Mark *mark = status ? find_mark(status) : NULL;
	char	   *phrases[8];
	int			nphrases = describe_step(step, phrases);
	Flow		flow = {&render->buf, psprintf("%s    ", trunk), 0};
	char	   *head;

	head = psprintf("%s%s%s%s", branch, mark ? (render->utf8 ? mark->sign : mark->ascii) : "",
					mark ? " " : "", step->name);
	flow.column = Max(width_of(head), NAME_WIDTH);
	appendStringInfo(&render->buf, "%s%*s", head, flow.column - width_of(head), "");
	flow_word(&flow, "sql");
	if (status != NULL)
		flow_word(&flow, status);
	flow_parents(&flow, render, step);
	for (int i = 0; i < nphrases; i++)
	{
		if (i == 0)
			flow.column = LINE_WIDTH;	/* what is special begins a line */
		flow_word(&flow, psprintf("%s%s", phrases[i], i < nphrases - 1 ? ";" : ""));
	}
	appendStringInfoChar(&render->buf, '\n');
}

static void
draw_text(Render *render)
{
	const JoDefinition *definition = render->definition;

	for (int phase = JO_PHASE_MAIN; phase <= JO_PHASE_FINALLY; phase++)
	{
		const JoStepDef *held = NULL;

		for (int i = 0; i < definition->nsteps; i++)
		{
			const JoStepDef *step = &definition->steps[render->order[i]];

			if ((int) step->phase != phase)
				continue;
			if (held != NULL)
				draw_step(render, held, false);
			else
				appendStringInfo(&render->buf, "%s\n", phase_names[phase]);
			held = step;
		}
		if (held != NULL)
			draw_step(render, held, true);
	}
}

/* ---- Mermaid and DOT ---- */

/* A label's text; both languages give some characters a meaning. */
static void
append_escaped(StringInfo buf, const char *text, bool mermaid)
{
	for (const char *p = text; *p != '\0'; p++)
	{
		if (mermaid && strchr("\"#&<>`", *p) != NULL)
			appendStringInfo(buf, "#%d;", *p);
		else if (!mermaid && (*p == '"' || *p == '\\'))
			appendStringInfo(buf, "\\%c", *p);
		else
			appendStringInfoChar(buf, *p);
	}
}

static void
append_label(Render *render, const JoStepDef *step, bool mermaid)
{
	const char *line_break = mermaid ? "<br/>" : "\\n";
	char	   *phrases[8];
	int			nphrases = describe_step(step, phrases);

	append_escaped(&render->buf, step->name, mermaid);
	if (status_of(render, step->index) != NULL)
		appendStringInfo(&render->buf, "%s%s", line_break, status_of(render, step->index));
	for (int i = 0; i < nphrases; i++)
	{
		appendStringInfoString(&render->buf, line_break);
		append_escaped(&render->buf, phrases[i], mermaid);
	}
}

static void
append_node(Render *render, const JoStepDef *step, bool mermaid)
{
	const char *status = status_of(render, step->index);
	const Mark *mark = status ? find_mark(status) : NULL;

	appendStringInfo(&render->buf, "    s%d[%s\"", step->index, mermaid ? "" : "label=");
	append_label(render, step, mermaid);
	appendStringInfoChar(&render->buf, '"');
	if (!mermaid && mark != NULL)
		appendStringInfo(&render->buf, ", style=filled, fillcolor=\"%s\"", mark->color);
	appendStringInfo(&render->buf, "]%s\n", mermaid ? "" : ";");
	if (mermaid && mark != NULL)
		appendStringInfo(&render->buf, "    style s%d fill:%s\n", step->index, mark->color);
}

static void
draw_language(Render *render, bool mermaid)
{
	const JoDefinition *definition = render->definition;
	StringInfo	buf = &render->buf;
	const char *end = mermaid ? "" : ";";

	appendStringInfoString(buf, mermaid ? "flowchart TD\n" : "digraph job {\n    node [shape=box];\n");
	for (int phase = JO_PHASE_MAIN; phase <= JO_PHASE_FINALLY; phase++)
	{
		bool		open = false;

		for (int i = 0; i < definition->nsteps; i++)
		{
			const JoStepDef *step = &definition->steps[render->order[i]];

			if ((int) step->phase != phase)
				continue;
			if (phase != JO_PHASE_MAIN && !open)
				appendStringInfo(buf, mermaid ? "    subgraph %s\n" :
								 "    subgraph cluster_%s {\n    label=\"%s\";\n",
								 phase_names[phase], phase_names[phase]);
			open = true;
			append_node(render, step, mermaid);
			for (int d = 0; d < step->ndeps; d++)
				appendStringInfo(buf, "    s%d %s s%d%s\n", step->deps[d],
								 mermaid ? "-->" : "->", step->index, end);
		}
		if (open && phase != JO_PHASE_MAIN)
			appendStringInfoString(buf, mermaid ? "    end\n" : "    }\n");
	}
	if (!mermaid)
		appendStringInfoString(buf, "}\n");
}

char *
jo_render_graph(const JoDefinition *definition, const char *format,
				const char *const *marks, char **error)
{
	static const char *const formats[] = {"text", "mermaid", "dot", NULL};
	int			chosen = jo_words_find(format, formats);
	Render		render;
	int		   *ndeps;
	int		  **deps;

	*error = NULL;
	if (chosen < 0)
	{
		*error = psprintf("\"%s\" is not one of: %s", jo_words_show(format), jo_words_join(formats));
		return NULL;
	}
	render.definition = definition;
	render.marks = marks;
	render.utf8 = (GetDatabaseEncoding() == PG_UTF8);
	render.order = palloc((definition->nsteps + 1) * sizeof(int));
	ndeps = palloc((definition->nsteps + 1) * sizeof(int));
	deps = palloc((definition->nsteps + 1) * sizeof(int *));
	for (int i = 0; i < definition->nsteps; i++)
	{
		ndeps[i] = definition->steps[i].ndeps;
		deps[i] = definition->steps[i].deps;
	}
	jo_graph_order(definition->nsteps, ndeps, deps, render.order);
	initStringInfo(&render.buf);
	if (chosen == 0)
		draw_text(&render);
	else
		draw_language(&render, chosen == 1);
	return render.buf.data;
}
