/*
 * visualwrite.c
 *		The steps of a visual definition as native JSON, with what they depend on.
 *
 * A leaf.  A region is a list of steps.  What leaves a loop is told by marker
 * steps inside of it: its last step hands out which of them completed, and a
 * condition behind the loop asks for it.
 */
#include "visualparse.h"

#include <string.h>

#include "graph.h"

typedef struct Deps
{
	int			n;
	int			capacity;
	char	  **entries;		/* as JSON */
	bool		from_start;
	const char *start;			/* id of that node */
} Deps;

typedef struct Writer
{
	JoVisual   *visual;
	int			level;
	StringInfo	buf;			/* steps of the level so far */
	StringInfoData names;		/* their names, as JSON */
	char	  **exits;			/* markers, by edge; of all levels */
} Writer;

static void write_region(JoVisual *visual, int level, char **exits, StringInfo buf);
static void add_edge_deps(Writer *writer, JoVisualEdge *edge, bool decides, Deps *deps);

/* ---- lists ---- */

static void
add_dep(Deps *deps, char *entry)
{
	for (int i = 0; i < deps->n; i++)
		if (strcmp(deps->entries[i], entry) == 0)
			return;
	if (deps->n >= deps->capacity)
	{
		deps->capacity = deps->capacity ? deps->capacity * 2 : 8;
		deps->entries = deps->entries ? repalloc(deps->entries, deps->capacity * sizeof(char *))
			: palloc(deps->capacity * sizeof(char *));
	}
	deps->entries[deps->n++] = entry;
}

static char *
format_deps(const Deps *deps)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, ",\"depends_on\":[");
	for (int i = 0; i < deps->n; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? "," : "", deps->entries[i]);
	appendStringInfoChar(&buf, ']');
	return buf.data;
}

static char *
on_entry(const char *step, const char *on)
{
	return psprintf("{\"step\":%s,\"on\":\"%s\"}", jo_visual_string(step), on);
}

static char *
branch_entry(const char *step, const char *branch)
{
	return psprintf("{\"step\":%s,\"branch\":%s}", jo_visual_string(step), jo_visual_string(branch));
}

static void
write_step(Writer *writer, const char *name, const char *keys, const Deps *deps)
{
	char	   *text = jo_visual_string(name);

	appendStringInfo(writer->buf, "%s{\"name\":%s%s%s}", writer->buf->len > 0 ? "," : "", text, keys,
					 format_deps(deps));
	appendStringInfo(&writer->names, "%s%s", writer->names.len > 0 ? "," : "", text);
}

/* ---- what a step depends on ---- */

/* Its failure lets the run go on, so its dependents must be told apart by its status. */
static bool
goes_on_when_asked(const JoVisualNode *node)
{
	return node->asked && !node->fails_over && !node->goes_on;
}

/* Adds all steps of a node, each with what is to count of its end. */
static void
add_node_deps(const JoVisualNode *node, const char *on, Deps *deps)
{
	for (const JoVisualStep *step = node->steps; step != NULL; step = step->next)
		add_dep(deps, on ? on_entry(step->name, on) : jo_visual_string(step->name));
}

/* A condition that asks whether a node succeeded, for edges that need it. */
static void
add_succeeded(Writer *writer, JoVisualNode *node, Deps *deps)
{
	if (node->succeeded == NULL)
	{
		StringInfoData path;
		Deps		own;

		memset(&own, 0, sizeof(own));
		initStringInfo(&path);
		for (const JoVisualStep *step = node->steps; step != NULL; step = step->next)
			appendStringInfo(&path, "%s$.steps.%s.status == \"completed\"", path.len > 0 ? " && " : "",
							 jo_visual_string(step->name));
		node->succeeded = jo_visual_unique_name(writer->visual, psprintf("%s_succeeded", node->id));
		add_node_deps(node, goes_on_when_asked(node) ? NULL : "always", &own);
		write_step(writer, node->succeeded,
				   psprintf(",\"type\":\"condition\",\"if\":%s", jo_visual_string(path.data)), &own);
	}
	add_dep(deps, branch_entry(node->succeeded, "true"));
}

/* The condition of an edge as a step of its own. */
static void
add_expression(Writer *writer, JoVisualEdge *edge, Deps *deps)
{
	JoVisual   *visual = writer->visual;

	if (edge->step == NULL)
	{
		Deps		own;

		memset(&own, 0, sizeof(own));
		edge->on = JO_VISUAL_ALWAYS;
		add_edge_deps(writer, edge, true, &own);
		edge->on = JO_VISUAL_EXPRESSION;
		edge->step = jo_visual_unique_name(visual, psprintf("%s_to_%s", visual->nodes[edge->from].id,
															visual->nodes[edge->to].id));
		write_step(writer, edge->step, psprintf(",\"type\":\"condition\",\"if\":%s", edge->condition), &own);
	}
	add_dep(deps, branch_entry(edge->step, "true"));
}

/* From a node of this level; decides: what depends on it is a decision. */
static void
add_direct_deps(Writer *writer, JoVisualEdge *edge, bool decides, Deps *deps)
{
	JoVisualNode *from = &writer->visual->nodes[edge->from];
	bool		several = from->steps != NULL && from->steps->next != NULL;

	if (edge->on == JO_VISUAL_EXPRESSION)
		add_expression(writer, edge, deps);
	else if (from->steps == NULL)
	{
		deps->from_start = true;
		deps->start = from->id;
	}
	else if (edge->on == JO_VISUAL_FAILURE)
		add_node_deps(from, "failure", deps);
	else if (edge->on == JO_VISUAL_BRANCH)
		add_dep(deps, branch_entry(from->id, edge->label));
	else if (decides && edge->on == JO_VISUAL_ALWAYS && from->type->role == JO_VISUAL_WORK && !from->goes_on &&
			 !goes_on_when_asked(from))
		add_node_deps(from, "always", deps);
	else if (goes_on_when_asked(from) && !(decides && edge->on == JO_VISUAL_ALWAYS))
		add_succeeded(writer, from, deps);
	else if (several && from->fails_over)
		add_succeeded(writer, from, deps);
	else if (several && from->wants_join)
		add_dep(deps, jo_visual_string(from->id));
	else
		add_node_deps(from, NULL, deps);
}

/* From inside a loop of this level: by the condition that asks which way it was left. */
static void
add_exit_deps(Writer *writer, JoVisualEdge *edge, int region, Deps *deps)
{
	JoVisual   *visual = writer->visual;
	const JoVisualRegion *loop = &visual->regions[region];
	const char *marker = writer->exits[edge - visual->edges];
	char	   *name;
	char	   *path;
	Deps		own;

	memset(&own, 0, sizeof(own));
	add_dep(&own, jo_visual_string(loop->name));
	name = jo_visual_unique_name(visual, psprintf("%s_to_%s", loop->name, visual->nodes[edge->to].id));
	path = psprintf("$.steps.%s.output.output.%s == true", jo_visual_string(loop->name),
					jo_visual_string(marker ? marker : ""));
	write_step(writer, name, psprintf(",\"type\":\"condition\",\"if\":%s", jo_visual_string(path)), &own);
	add_dep(deps, branch_entry(name, "true"));
}

static void
add_edge_deps(Writer *writer, JoVisualEdge *edge, bool decides, Deps *deps)
{
	JoVisual   *visual = writer->visual;
	int			child = jo_visual_child_region(visual, visual->nodes[edge->from].region, writer->level);

	if (child == JO_VISUAL_NONE)
		add_direct_deps(writer, edge, decides, deps);
	else if (visual->regions[child].kind == JO_REGION_PARALLEL)
	{
		if (edge->on != JO_VISUAL_ALWAYS && edge->on != JO_VISUAL_SUCCESS)
			jo_visual_report(visual, &visual->nodes[edge->from], "not_supported", NULL,
							 "Let the edge begin at the parallel node, or remove its limits.",
							 "an edge with a condition leads out of the branches of \"%s\"", visual->regions[child].name);
		add_dep(deps, jo_visual_string(visual->regions[child].name));
	}
	else if (visual->regions[child].item != NULL)
		jo_visual_report(visual, &visual->nodes[edge->from], "not_supported", NULL,
						 psprintf("Let the edge begin at \"%s\".", visual->regions[child].name),
						 "an edge leads out of the body of a loop over items");
	else
		add_exit_deps(writer, edge, child, deps);
}

/* ---- units: what is one step, or one loop, of a level ---- */

static int
unit_of(const JoVisual *visual, int node, int level)
{
	int			child = jo_visual_child_region(visual, visual->nodes[node].region, level);

	if (child == JO_VISUAL_NONE)
		return node;
	return visual->regions[child].kind == JO_REGION_CYCLE ? visual->nnodes + child
		: visual->regions[child].owner;
}

/* Does the edge join two units of this level? */
static bool
joins_units(const JoVisual *visual, const JoVisualEdge *edge, int level, int *from, int *to)
{
	const JoVisualNode *nodes = visual->nodes;

	if (edge->inner || edge->back || !nodes[edge->from].reachable || !nodes[edge->to].reachable ||
		jo_visual_common_region(visual, nodes[edge->from].region, nodes[edge->to].region) != level)
		return false;
	*from = unit_of(visual, edge->from, level);
	*to = unit_of(visual, edge->to, level);
	return *from != *to;
}

/* The condition of the only edge to a unit, which can then stand on the step itself. */
static JoVisualEdge *
find_only_expression(const Writer *writer, int unit)
{
	JoVisualEdge *only = NULL;
	int			n = 0;

	for (int i = 0; i < writer->visual->nedges; i++)
	{
		int			from;
		int			to;

		if (joins_units(writer->visual, &writer->visual->edges[i], writer->level, &from, &to) && to == unit)
		{
			only = &writer->visual->edges[i];
			n++;
		}
	}
	return (n == 1 && only->on == JO_VISUAL_EXPRESSION && unit < writer->visual->nnodes &&
			writer->visual->nodes[only->from].region == writer->level) ? only : NULL;
}

static void
collect_deps(Writer *writer, int unit, bool decides, Deps *deps)
{
	JoVisual   *visual = writer->visual;

	memset(deps, 0, sizeof(*deps));
	for (int i = 0; i < visual->nedges; i++)
	{
		int			from;
		int			to;

		if (joins_units(visual, &visual->edges[i], writer->level, &from, &to) && to == unit)
			add_edge_deps(writer, &visual->edges[i], decides, deps);
	}
	/* the start counts beside others only when it is a step that completes */
	if (deps->from_start && deps->n > 0)
	{
		int			start = jo_visual_find_node(visual, deps->start);
		Deps		none;

		memset(&none, 0, sizeof(none));
		if (visual->nodes[start].succeeded == NULL)
		{
			visual->nodes[start].succeeded = visual->nodes[start].type->role == JO_VISUAL_START
				? pstrdup(deps->start) : jo_visual_unique_name(visual, deps->start);
			write_step(writer, visual->nodes[start].succeeded, ",\"type\":\"transform\",\"value\":true", &none);
		}
		add_dep(deps, jo_visual_string(visual->nodes[start].succeeded));
	}
}

/* ---- loops ---- */

/* Inside of a loop: which edges leave it, and what it hands out. */
static void
write_result(Writer *writer, int region)
{
	JoVisual   *visual = writer->visual;
	const JoVisualRegion *loop = &visual->regions[region];
	StringInfoData outputs;
	StringInfoData steps;

	initStringInfo(&outputs);
	initStringInfo(&steps);
	for (int i = 0; i < visual->nedges; i++)
	{
		JoVisualEdge *edge = &visual->edges[i];
		Deps		deps;

		if (edge->inner || edge->back || !visual->nodes[edge->from].reachable ||
			!jo_visual_is_inside(visual, visual->nodes[edge->from].region, region) ||
			jo_visual_is_inside(visual, visual->nodes[edge->to].region, region))
			continue;
		memset(&deps, 0, sizeof(deps));
		add_edge_deps(writer, edge, false, &deps);
		writer->exits[i] = jo_visual_unique_name(visual, psprintf("%s_exit", loop->name));
		write_step(writer, writer->exits[i], ",\"type\":\"transform\",\"value\":true", &deps);
		appendStringInfo(&outputs, "%s\"%s\":{\"path\":%s}", outputs.len > 0 ? "," : "", writer->exits[i],
						 jo_visual_string(psprintf("$.steps.\"%s\".status == \"completed\"", writer->exits[i])));
	}
	for (int i = 0; i < visual->nnodes; i++)
	{
		JoVisualPlace place;
		JoPath		path;
		JoVisualData output = {.from = i, .output = "output"};
		JoVisualData status = {.from = i, .output = "status"};

		if (!loop->exported[i])
			continue;
		jo_visual_place(visual, &visual->nodes[i], NULL, &place, &path);
		place.region = region;
		appendStringInfo(&steps, "%s\"%s\":{\"output\":\"{{ %s | default(null) }}\",\"status\":\"{{ %s | default('skipped') }}\"}",
						 steps.len > 0 ? "," : "", visual->nodes[i].id, jo_visual_data_template(&place, &output),
						 jo_visual_data_template(&place, &status));
	}
	if (steps.len > 0)
		appendStringInfo(&outputs, "%s\"steps\":{%s}", outputs.len > 0 ? "," : "", steps.data);
	if (outputs.len > 0)
	{
		appendStringInfo(writer->buf, ",{\"name\":%s,\"type\":\"transform\",\"outputs\":{%s},"
						 "\"trigger_rule\":\"all_done\",\"depends_on\":[%s]}",
						 jo_visual_string(jo_visual_unique_name(visual, psprintf("%s_result", loop->name))),
						 outputs.data, writer->names.data);
	}
}

/* Edges that lead around again, as one step; returns its name. */
static char *
write_again(Writer *writer, int region)
{
	JoVisual   *visual = writer->visual;
	char	   *name = jo_visual_unique_name(visual, psprintf("%s_again", visual->regions[region].name));
	Deps		deps;

	memset(&deps, 0, sizeof(deps));
	for (int i = 0; i < visual->nedges; i++)
	{
		JoVisualEdge *edge = &visual->edges[i];

		if (edge->back && !edge->inner && visual->nodes[edge->to].region == region &&
			visual->nodes[edge->from].reachable)
			add_edge_deps(writer, edge, false, &deps);
	}
	write_step(writer, name, ",\"type\":\"transform\",\"value\":true", &deps);
	return name;
}

static void
write_cycle(Writer *writer, int region)
{
	JoVisual   *visual = writer->visual;
	const JoVisualRegion *loop = &visual->regions[region];
	StringInfoData body;
	Deps		deps;
	char	   *until;

	initStringInfo(&body);
	collect_deps(writer, visual->nnodes + region, false, &deps);
	write_region(visual, region, writer->exits, &body);
	until = psprintf("!($.steps.\"%s\".output == true)", loop->again);
	write_step(writer, loop->name,
			   psprintf(",\"type\":\"loop\",\"until\":%s,\"max_iterations\":%d,\"steps\":[%s]",
						jo_visual_string(until), loop->max_iterations, body.data), &deps);
}

/* ---- nodes ---- */

/* Keys of a step that depend on the edges around it. */
static char *
finish_keys(Writer *writer, const JoVisualNode *node, const JoVisualStep *step, const char *when)
{
	JoVisual   *visual = writer->visual;
	StringInfoData keys;

	initStringInfo(&keys);
	appendStringInfoString(&keys, step->keys);
	if (when != NULL)
		appendStringInfo(&keys, ",\"when\":%s", when);
	if (node->goes_on || goes_on_when_asked(node))
		appendStringInfoString(&keys, ",\"on_error\":\"continue\"");
	for (int r = 1; r < visual->nregions; r++)
	{
		StringInfoData body;

		if (visual->regions[r].owner != node->index || visual->regions[r].kind == JO_REGION_CYCLE)
			continue;
		initStringInfo(&body);
		write_region(visual, r, writer->exits, &body);
		appendStringInfo(&keys, ",\"steps\":[%s]", body.data);
	}
	return keys.data;
}

static void
write_node(Writer *writer, JoVisualNode *node)
{
	JoVisualEdge *only = find_only_expression(writer, node->index);
	const char *when = NULL;
	Deps		deps;

	if (!node->reachable || node->steps == NULL)
		return;
	if (only != NULL)
	{
		memset(&deps, 0, sizeof(deps));
		only->on = JO_VISUAL_ALWAYS;
		add_edge_deps(writer, only, true, &deps);
		only->on = JO_VISUAL_EXPRESSION;
		when = only->condition;
	}
	else
		collect_deps(writer, node->index, node->type->role == JO_VISUAL_DECISION, &deps);
	if (node->nvalues > 0)
	{
		write_step(writer, node->values_step,
				   psprintf(",\"type\":\"transform\",\"outputs\":{%s}%s%s", node->values.data,
							when ? ",\"when\":" : "", when ? when : ""), &deps);
		when = NULL;
		memset(&deps, 0, sizeof(deps));
		add_dep(&deps, jo_visual_string(node->values_step));
	}
	for (const JoVisualStep *step = node->steps; step != NULL; step = step->next)
		write_step(writer, step->name, finish_keys(writer, node, step, when), &deps);
	if (node->wants_join && node->steps->next != NULL)
	{
		memset(&deps, 0, sizeof(deps));
		add_node_deps(node, NULL, &deps);
		write_step(writer, node->id,
				   psprintf(",\"type\":\"join\",\"metadata\":{\"original_node_id\":%s}", jo_visual_string(node->id)),
				   &deps);
	}
}

/* Units of a level, parents first. */
static int *
order_units(const JoVisual *visual, int level, int n)
{
	int		   *ndeps = palloc0(n * sizeof(int));
	int		  **deps = palloc0(n * sizeof(int *));
	int		   *order = palloc(n * sizeof(int));
	int			from;
	int			to;

	for (int i = 0; i < visual->nedges; i++)
		if (joins_units(visual, &visual->edges[i], level, &from, &to))
			ndeps[to]++;
	for (int i = 0; i < n; i++)
	{
		deps[i] = palloc((ndeps[i] + 1) * sizeof(int));
		ndeps[i] = 0;
	}
	for (int i = 0; i < visual->nedges; i++)
		if (joins_units(visual, &visual->edges[i], level, &from, &to))
			deps[to][ndeps[to]++] = from;
	if (jo_graph_order(n, ndeps, deps, order) != n)
		for (int i = 0; i < n; i++)
			order[i] = i;
	return order;
}

static void
write_region(JoVisual *visual, int level, char **exits, StringInfo buf)
{
	int			n = visual->nnodes + visual->nregions;
	int		   *order = order_units(visual, level, n);
	Writer		writer;

	memset(&writer, 0, sizeof(writer));
	writer.visual = visual;
	writer.level = level;
	writer.buf = buf;
	writer.exits = exits;
	initStringInfo(&writer.names);
	for (int i = 0; i < n; i++)
	{
		if (order[i] >= visual->nnodes)
		{
			int			region = order[i] - visual->nnodes;

			if (visual->regions[region].parent == level && visual->regions[region].kind == JO_REGION_CYCLE)
				write_cycle(&writer, region);
		}
		else if (visual->nodes[order[i]].region == level)
			write_node(&writer, &visual->nodes[order[i]]);
	}
	if (visual->regions[level].kind == JO_REGION_CYCLE)
		visual->regions[level].again = write_again(&writer, level);
	if (visual->regions[level].kind == JO_REGION_CYCLE ||
		(visual->regions[level].kind == JO_REGION_LOOP && visual->regions[level].item == NULL))
		write_result(&writer, level);
}

/* ---- conditions of edges ---- */

static void
read_expressions(JoVisual *visual)
{
	for (int i = 0; i < visual->nedges; i++)
	{
		JoVisualEdge *edge = &visual->edges[i];
		JoVisualNode *from = &visual->nodes[edge->from];
		JoPath		path = {edge->path, "condition", 0};
		JoVisualPlace place;
		JoPath		ignored;
		JoExpr	   *expr;

		if (edge->on != JO_VISUAL_EXPRESSION || edge->inner || !from->reachable)
			continue;
		jo_visual_place(visual, from, "condition", &place, &ignored);
		place.path = &path;
		if (from->type->role == JO_VISUAL_WORK)
			place.previous = from->index;
		edge->condition = jo_visual_condition(&place, edge->label, &expr);
		for (int n = 0; n < visual->nnodes && edge->condition != NULL; n++)
			if (jo_expr_reads_status(expr, n))
				visual->nodes[n].asked = true;
	}
}

/* The steps as a JSON array; NULL after a finding. */
char *
jo_visual_write(JoVisual *visual)
{
	char	  **exits;
	StringInfoData buf;

	for (int i = 0; i < visual->nnodes; i++)
		if (visual->nodes[i].reachable)
		{
			visual->nodes[i].type->translate(visual, &visual->nodes[i]);
			jo_visual_check_taken(visual, &visual->nodes[i]);
		}
	read_expressions(visual);
	if (visual->reader.findings->nerrors > visual->errors_before)
		return NULL;
	exits = palloc0((visual->nedges + 1) * sizeof(char *));
	initStringInfo(&buf);
	write_region(visual, JO_VISUAL_TOP, exits, &buf);
	if (buf.len == 0)
	{
		jo_def_report(&visual->reader, "empty_steps", visual->path, NULL, "no node becomes a step");
		return NULL;
	}
	return psprintf("[%s]", buf.data);
}
