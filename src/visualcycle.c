/*
 * visualcycle.c
 *		Edges that lead back: a region of its own for each set of nodes that goes
 *		around, if it is bounded.
 *
 * A leaf.  Sets are the strongly connected nodes of a region; each is entered at
 * one node only, and inside of it the search goes on without the edges that lead
 * back to that one, so cycles within cycles become loops within loops.
 */
#include "visualparse.h"

#include <string.h>

#define DEFAULT_ITERATIONS 100
#define MAX_SHOWN 12
#define MAX_DEPTH 20

typedef struct Search
{
	JoVisual   *visual;
	int			level;
	bool	   *inside;			/* nodes of the set being looked at */
	int			nlinks;			/* edges of the level, between nodes that stand for their ends */
	int		   *from;
	int		   *to;
	int		   *forward;		/* links of each node, by their source; nnodes + 1 */
	int		   *by_source;
	int		   *backward;		/* the same by their target */
	int		   *by_target;
} Search;

/* The node of the level that stands for another one, NONE when that is elsewhere. */
static int
lift_node(const JoVisual *visual, int node, int level)
{
	int			region = visual->nodes[node].region;
	int			child;

	if (!jo_visual_is_inside(visual, region, level))
		return JO_VISUAL_NONE;
	child = jo_visual_child_region(visual, region, level);
	return child == JO_VISUAL_NONE ? node : visual->regions[child].owner;
}

static bool
leads(const JoVisual *visual, const JoVisualEdge *edge, int level, int *from, int *to)
{
	if (edge->inner || edge->back)
		return false;
	*from = lift_node(visual, edge->from, level);
	*to = lift_node(visual, edge->to, level);
	return *from >= 0 && *to >= 0 &&
		(*from != *to || visual->nodes[edge->from].region == level);
}

/* Sorts the numbers of the links by one of their ends. */
static void
sort_links(const Search *search, const int *ends, int *first, int *sorted)
{
	int			n = search->visual->nnodes;

	memset(first, 0, (n + 2) * sizeof(int));
	for (int i = 0; i < search->nlinks; i++)
		first[ends[i] + 2]++;
	for (int i = 2; i <= n; i++)
		first[i] += first[i - 1];
	for (int i = 0; i < search->nlinks; i++)
		sorted[first[ends[i] + 1]++] = i;
}

static void
read_links(Search *search)
{
	const JoVisual *visual = search->visual;

	search->nlinks = 0;
	for (int i = 0; i < visual->nedges; i++)
		if (leads(visual, &visual->edges[i], search->level, &search->from[search->nlinks],
				  &search->to[search->nlinks]))
			search->nlinks++;
	sort_links(search, search->from, search->forward, search->by_source);
	sort_links(search, search->to, search->backward, search->by_target);
}

/* Marks what can be reached from a node of the level by at least one edge, or what reaches it. */
static void
mark_around(const Search *search, bool forward, int start, bool *marks)
{
	const int  *first = forward ? search->forward : search->backward;
	const int  *sorted = forward ? search->by_source : search->by_target;
	const int  *ends = forward ? search->to : search->from;
	int		   *stack = palloc((search->visual->nnodes + 1) * sizeof(int));
	int			n = 0;

	memset(marks, 0, search->visual->nnodes * sizeof(bool));
	stack[n++] = start;
	while (n > 0)
	{
		int			node = stack[--n];

		for (int i = first[node]; i < first[node + 1]; i++)
			if (!marks[ends[sorted[i]]])
			{
				marks[ends[sorted[i]]] = true;
				stack[n++] = ends[sorted[i]];
			}
	}
	pfree(stack);
}

/* The nodes that go around with start, itself among them; false when it is in no cycle. */
static bool
find_set(Search *search, int start)
{
	int			n = search->visual->nnodes;
	bool	   *back;

	mark_around(search, true, start, search->inside);
	if (!search->inside[start])
		return false;
	back = palloc(n * sizeof(bool));
	mark_around(search, false, start, back);
	for (int i = 0; i < n; i++)
		search->inside[i] = search->inside[i] && back[i];
	pfree(back);
	return true;
}

/* "a -> b -> a": the shortest way around from a node. */
static char *
describe_cycle(const Search *search, int head)
{
	const JoVisual *visual = search->visual;
	int		   *before = palloc(visual->nnodes * sizeof(int));
	int		   *queue = palloc((visual->nnodes + 1) * sizeof(int));
	int			n = 0;
	int			last = JO_VISUAL_NONE;
	char	   *text = pstrdup(visual->nodes[head].id);
	int			shown = 0;

	for (int i = 0; i < visual->nnodes; i++)
		before[i] = JO_VISUAL_NONE;
	queue[n++] = head;
	for (int at = 0; at < n && last < 0; at++)
		for (int i = search->forward[queue[at]]; i < search->forward[queue[at] + 1] && last < 0; i++)
		{
			int			to = search->to[search->by_source[i]];

			if (to == head)
				last = queue[at];
			else if (search->inside[to] && before[to] < 0)
			{
				before[to] = queue[at];
				queue[n++] = to;
			}
		}
	for (; last >= 0 && last != head && shown < MAX_SHOWN; last = before[last], shown++)
		text = psprintf("%s -> %s", visual->nodes[last].id, text);
	text = psprintf("%s%s -> %s", visual->nodes[head].id, last != head ? " -> ..." : "", text);
	pfree(before);
	pfree(queue);
	return text;
}

/* The one node that edges from elsewhere lead to; NONE and a finding when there are two. */
static int
find_head(const Search *search)
{
	JoVisual   *visual = search->visual;
	int			head = JO_VISUAL_NONE;

	for (int i = 0; i < visual->nedges; i++)
	{
		const JoVisualEdge *edge = &visual->edges[i];
		int			from = lift_node(visual, edge->from, search->level);
		int			to = lift_node(visual, edge->to, search->level);

		if (to < 0 || !search->inside[to] || edge->back || (from >= 0 && search->inside[from]))
			continue;
		if (head >= 0 && head != to)
		{
			jo_visual_report(visual, &visual->nodes[to], "cycle_detected", NULL,
							 "Let all edges from outside lead to one node.",
							 "the cycle %s is entered here and at node \"%s\"", describe_cycle(search, head),
							 visual->nodes[head].id);
			return JO_VISUAL_NONE;
		}
		head = to;
	}
	for (int i = 0; head < 0 && i < visual->nnodes; i++)
		if (search->inside[i])
			head = i;
	return head;
}

/* Does a decision leave the set when a number gets too large? */
static bool
is_bounded_by(Search *search, JoVisualNode *node)
{
	JoVisual   *visual = search->visual;
	const cJSON *condition = cJSON_GetObjectItemCaseSensitive(node->config, "condition");
	JoFindings *findings = visual->reader.findings;
	JoFindings	ignored;
	JoVisualPlace place;
	JoPath		path;
	JoExpr	   *expr;
	bool		leaves = false;

	for (int i = 0; i < visual->nedges; i++)
	{
		int			to = lift_node(visual, visual->edges[i].to, search->level);

		leaves |= (visual->edges[i].from == node->index && visual->edges[i].on == JO_VISUAL_BRANCH &&
				   (to < 0 || !search->inside[to]));
	}
	if (!leaves || node->type->role != JO_VISUAL_DECISION || !cJSON_IsString(condition))
		return false;
	memset(&ignored, 0, sizeof(ignored));
	visual->reader.findings = &ignored;
	jo_visual_place(visual, node, "condition", &place, &path);
	expr = jo_expr_parse(&place, condition->valuestring, strlen(condition->valuestring));
	visual->reader.findings = findings;
	return expr != NULL && jo_expr_is_bound(expr);
}

/* What a loop node within the set says; 0 when there is none. */
static int
read_while_limit(JoVisual *visual, const Search *search)
{
	for (int i = 0; i < visual->nnodes; i++)
	{
		const cJSON *number;

		if (!search->inside[i] || visual->nodes[i].type->translate != jo_visual_while)
			continue;
		number = jo_visual_take1(visual, &visual->nodes[i], "max_iterations");
		if (cJSON_IsNumber(number) && number->valuedouble >= 1 && number->valuedouble <= 100000)
			return (int) number->valuedouble;
		if (number != NULL)
			jo_visual_report(visual, &visual->nodes[i], "invalid_value", "max_iterations", NULL,
							 "a number from 1 to 100000 was expected");
		return DEFAULT_ITERATIONS;
	}
	return 0;
}

/* How often the set may go around; 0 after a finding. */
static int
find_limit(Search *search, int head)
{
	JoVisual   *visual = search->visual;
	int			limit = 0;

	for (int i = 0; i < visual->nedges; i++)
	{
		int			from;
		int			to;

		if (leads(visual, &visual->edges[i], search->level, &from, &to) && to == head && search->inside[from])
			limit = Max(limit, visual->edges[i].max_iterations);
	}
	if (limit == 0)
		limit = read_while_limit(visual, search);
	for (int i = 0; limit == 0 && i < visual->nnodes; i++)
		if (search->inside[i] && is_bounded_by(search, &visual->nodes[i]))
		{
			limit = DEFAULT_ITERATIONS;
			jo_visual_warn(visual, &visual->nodes[head], "loop_without_bound", NULL,
						   "Give the edge that leads back a \"max_iterations\".",
						   "the cycle %s has no max_iterations; it ends by the condition of node \"%s\", or fails after %d passes",
						   describe_cycle(search, head), visual->nodes[i].id, limit);
		}
	if (limit == 0)
		jo_visual_report(visual, &visual->nodes[head], "cycle_detected", NULL,
						 "Give the edge that leads back a \"max_iterations\".",
						 "the edges go around without bound: %s", describe_cycle(search, head));
	return limit;
}

/* Does the set begin with a while that is also its only way out, and has it more nodes? */
static bool
is_while(const Search *search, int head)
{
	const JoVisual *visual = search->visual;
	int			others = 0;

	for (int i = 0; i < visual->nnodes; i++)
		others += search->inside[i] && i != head;
	if (visual->nodes[head].type->translate != jo_visual_while || others == 0)
		return false;
	for (int i = 0; i < visual->nedges; i++)
	{
		int			from = lift_node(visual, visual->edges[i].from, search->level);
		int			to = lift_node(visual, visual->edges[i].to, search->level);

		if (from >= 0 && from != head && search->inside[from] && (to < 0 || !search->inside[to]))
			return false;
	}
	return true;
}

/* Then the others are its body, as if it had named them. */
static void
make_body(Search *search, int head)
{
	JoVisual   *visual = search->visual;
	int			region = jo_visual_add_region(visual, JO_REGION_LOOP, search->level, head,
											  pstrdup(visual->nodes[head].id));

	for (int r = 1; r < region; r++)
		if (visual->regions[r].parent == search->level && search->inside[visual->regions[r].owner] &&
			visual->regions[r].owner != head)
			visual->regions[r].parent = region;
	for (int i = 0; i < visual->nnodes; i++)
		if (search->inside[i] && i != head)
			visual->nodes[i].region = region;
	jo_visual_settle_body(visual, &visual->nodes[head], region);
}

/* Moves the set into a region of its own. */
static void
make_region(Search *search, int head, int limit)
{
	JoVisual   *visual = search->visual;
	char	   *name = jo_visual_unique_name(visual, psprintf("%s_loop", visual->nodes[head].id));
	int			region = jo_visual_add_region(visual, JO_REGION_CYCLE, search->level, head, name);

	visual->regions[region].max_iterations = limit;
	for (int r = 1; r < region; r++)
		if (visual->regions[r].parent == search->level && search->inside[visual->regions[r].owner])
			visual->regions[r].parent = region;
	for (int i = 0; i < visual->nnodes; i++)
		if (search->inside[i])
			visual->nodes[i].region = region;
	for (int i = 0; i < visual->nedges; i++)
	{
		int			from;
		int			to;

		if (leads(visual, &visual->edges[i], region, &from, &to) && to == head)
			visual->edges[i].back = true;
	}
}

static int
depth_of(const JoVisual *visual, int region)
{
	int			depth = 0;

	for (; region != JO_VISUAL_TOP; region = visual->regions[region].parent)
		depth++;
	return depth;
}

/* Makes regions of the sets of one level; false after a finding. */
static bool
search_level(Search *search)
{
	JoVisual   *visual = search->visual;

	read_links(search);
	for (int i = 0; i < visual->nnodes; i++)
	{
		int			head;
		int			limit;

		if (visual->nodes[i].region != search->level || !visual->nodes[i].reachable || !find_set(search, i))
			continue;
		head = find_head(search);
		limit = head >= 0 ? find_limit(search, head) : 0;
		if (limit == 0)
			return false;
		if (depth_of(visual, search->level) >= MAX_DEPTH)
		{
			jo_visual_report(visual, &visual->nodes[head], "limit_exceeded", NULL, NULL,
							 "loops are nested deeper than %d levels", MAX_DEPTH);
			return false;
		}
		if (is_while(search, head))
			make_body(search, head);
		else
			make_region(search, head, limit);
		read_links(search);
	}
	return true;
}

void
jo_visual_find_cycles(JoVisual *visual)
{
	Search		search;
	int			n = visual->nnodes + 2;
	int			m = visual->nedges + 1;

	memset(&search, 0, sizeof(search));
	search.visual = visual;
	search.inside = palloc(n * sizeof(bool));
	search.from = palloc(m * sizeof(int));
	search.to = palloc(m * sizeof(int));
	search.by_source = palloc(m * sizeof(int));
	search.by_target = palloc(m * sizeof(int));
	search.forward = palloc((n + 1) * sizeof(int));
	search.backward = palloc((n + 1) * sizeof(int));
	for (search.level = 0; search.level < visual->nregions; search.level++)
		if (!search_level(&search))
			return;
}
