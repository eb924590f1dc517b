/*
 * visualregion.c
 *		What is inside of what: bodies of loops, branches of parallel nodes, and
 *		which nodes can be reached at all.
 *
 * A leaf.  A region is a list of steps of its own in the native definition; each
 * node is in exactly one.
 */
#include "visualparse.h"

#include <string.h>

int
jo_visual_add_region(JoVisual *visual, JoVisualRegionKind kind, int parent, int owner, char *name)
{
	JoVisualRegion *region = &visual->regions[visual->nregions];

	memset(region, 0, sizeof(*region));
	region->kind = kind;
	region->parent = parent;
	region->owner = owner;
	region->name = name;
	region->exported = palloc0(JO_VISUAL_MAX_NODES * sizeof(bool));
	return visual->nregions++;
}

bool
jo_visual_is_inside(const JoVisual *visual, int region, int outer)
{
	for (; region != JO_VISUAL_NONE; region = visual->regions[region].parent)
		if (region == outer)
			return true;
	return false;
}

int
jo_visual_child_region(const JoVisual *visual, int region, int level)
{
	if (region == level)
		return JO_VISUAL_NONE;
	while (visual->regions[region].parent != level)
		region = visual->regions[region].parent;
	return region;
}

int
jo_visual_common_region(const JoVisual *visual, int a, int b)
{
	while (!jo_visual_is_inside(visual, b, a))
		a = visual->regions[a].parent;
	return a;
}

bool
jo_visual_owns_region(const JoVisual *visual, const JoVisualNode *node)
{
	for (int r = 1; r < visual->nregions; r++)
		if (visual->regions[r].owner == node->index && visual->regions[r].kind != JO_REGION_CYCLE)
			return true;
	return false;
}

/* ---- bodies ---- */

/* Puts a node that a body names into its region. */
static int
adopt_node(JoVisual *visual, JoVisualNode *owner, const char *key, const char *id, int region)
{
	int			index = jo_visual_find_node(visual, id);

	if (index < 0)
		jo_visual_report(visual, owner, "missing_target_step", key, NULL, "there is no node \"%s\"",
						 jo_words_show(id));
	else if (index == owner->index)
		jo_visual_report(visual, owner, "cycle_detected", key, NULL, "a node cannot be within itself");
	else if (visual->nodes[index].region == region)
		return index;
	else if (visual->nodes[index].region != owner->region)
		jo_visual_report(visual, owner, "invalid_value", key, NULL,
						 "node \"%s\" is within another node already", id);
	else
	{
		visual->nodes[index].region = region;
		return index;
	}
	return JO_VISUAL_NONE;
}

static bool
is_connected(const JoVisual *visual, int from, int to)
{
	for (int i = 0; i < visual->nedges; i++)
		if (visual->edges[i].from == from && visual->edges[i].to == to)
			return true;
	return false;
}

/* Nodes written out inside of the body, one after the other, or with edges of their own. */
static void
read_inline_body(JoVisual *visual, const cJSON *json, JoPath *path, int region)
{
	const cJSON *nodes = json;
	const cJSON *edges = NULL;
	const char *nodes_key = "nodes";
	const char *edges_key = "edges";
	int			first = visual->nnodes;

	if (cJSON_IsObject(json))
	{
		if (cJSON_GetObjectItemCaseSensitive(json, "blocks") != NULL)
		{
			nodes_key = "blocks";
			edges_key = "connections";
		}
		nodes = cJSON_GetObjectItemCaseSensitive(json, nodes_key);
		edges = cJSON_GetObjectItemCaseSensitive(json, edges_key);
		jo_visual_read_nodes(visual, nodes, jo_visual_path(path, nodes_key, 0), region);
	}
	else
		jo_visual_read_nodes(visual, nodes, path, region);
	if (edges != NULL)
		jo_visual_read_edges(visual, edges, jo_visual_path(path, edges_key, 0));
	else
		for (int i = first + 1; i < visual->nnodes; i++)
			jo_visual_add_edge(visual, i - 1, i, JO_VISUAL_ALWAYS, NULL, path);
}

/* A list of ids, with an edge from each to the next where the definition has none at all. */
static void
read_named_body(JoVisual *visual, JoVisualNode *owner, const char *key, const cJSON *json, int region)
{
	const cJSON *child = cJSON_IsString(json) ? json : json->child;
	int			previous = JO_VISUAL_NONE;

	for (; child != NULL; child = cJSON_IsString(json) ? NULL : child->next)
	{
		int			index;

		if (!cJSON_IsString(child))
		{
			jo_visual_report(visual, owner, "schema_error", key, NULL,
							 "ids of nodes, or nodes, were expected");
			return;
		}
		index = adopt_node(visual, owner, key, child->valuestring, region);
		if (index >= 0 && previous >= 0 && !is_connected(visual, previous, index))
		{
			bool		has_parent = false;

			for (int i = 0; i < visual->nedges; i++)
				has_parent |= (visual->edges[i].to == index && visual->edges[i].from != owner->index);
			if (!has_parent)
				jo_visual_add_edge(visual, previous, index, JO_VISUAL_ALWAYS, NULL, owner->config_path);
		}
		previous = index;
	}
}

/* All that follows the edges into a loop's body, up to the loop itself. */
static void
follow_body(JoVisual *visual, JoVisualNode *owner, int node, int region)
{
	if (node == owner->index || visual->nodes[node].region != owner->region)
		return;
	visual->nodes[node].region = region;
	for (int i = 0; i < visual->nedges; i++)
		if (visual->edges[i].from == node)
			follow_body(visual, owner, visual->edges[i].to, region);
}

static bool
has_body_edge(const JoVisual *visual, const JoVisualNode *owner)
{
	for (int i = 0; i < visual->nedges; i++)
		if (visual->edges[i].from == owner->index && visual->edges[i].inner)
			return true;
	return false;
}

/* Edges between a loop and its body are the loop itself. */
void
jo_visual_settle_body(JoVisual *visual, JoVisualNode *owner, int region)
{
	for (int i = 0; i < visual->nedges; i++)
	{
		JoVisualEdge *edge = &visual->edges[i];
		bool		from_body = jo_visual_is_inside(visual, visual->nodes[edge->from].region, region);
		bool		to_body = jo_visual_is_inside(visual, visual->nodes[edge->to].region, region);

		if ((edge->from == owner->index && to_body) || (edge->to == owner->index && from_body))
			edge->inner = true;
		else if (edge->from == owner->index)
		{
			/* the way out of a while that is no decision any more */
			edge->inner = false;
			if (edge->on == JO_VISUAL_BRANCH)
				edge->on = JO_VISUAL_ALWAYS;
		}
	}
}

static const char *
read_item_name(JoVisual *visual, JoVisualNode *owner)
{
	static const char *const names[] = {"item_variable", "item_var", "item_name", NULL};
	const char *key;
	const cJSON *json = jo_visual_take(visual, owner, names, &key);

	if (json == NULL)
		return "item";
	if (cJSON_IsString(json) && *json->valuestring != '\0' &&
		strspn(json->valuestring, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == strlen(json->valuestring))
		return json->valuestring;
	jo_visual_report(visual, owner, "invalid_name", key, NULL, "a name of letters, digits and _ was expected");
	return "item";
}

/* Hands a time-out for each item on to the nodes of the body; false when there are none. */
static bool
limit_items(JoVisual *visual, JoVisualNode *owner, int region)
{
	const cJSON *json = jo_visual_take1(visual, owner, "timeout_per_item");
	bool		found = false;
	bool		good = cJSON_IsNumber(json) && json->valuedouble >= 1 && json->valuedouble <= 3600;

	if (json != NULL && !good)
		jo_visual_report(visual, owner, "invalid_value", "timeout_per_item", NULL,
						 "a number of seconds from 1 to 3600 was expected");
	for (int i = 0; i < visual->nnodes; i++)
	{
		if (visual->nodes[i].region != region)
			continue;
		found = true;
		if (good && visual->nodes[i].type->role == JO_VISUAL_WORK)
			visual->nodes[i].item_timeout = (int) json->valuedouble;
	}
	return found;
}

static void
read_body(JoVisual *visual, JoVisualNode *owner)
{
	static const char *const names[] = {"loop_body", "body", NULL};
	const char *key;
	const cJSON *json = jo_visual_take(visual, owner, names, &key);
	bool		by_edges = has_body_edge(visual, owner);
	int			region;

	if (json == NULL && !by_edges)
		return;
	region = jo_visual_add_region(visual, JO_REGION_LOOP, owner->region, owner->index, pstrdup(owner->id));
	if (owner->type->translate == jo_visual_for_each)
		visual->regions[region].item = read_item_name(visual, owner);
	if (json == NULL || (cJSON_IsArray(json) && json->child == NULL))
	{
		for (int i = 0; i < visual->nedges; i++)
			if (visual->edges[i].from == owner->index && visual->edges[i].inner)
				follow_body(visual, owner, visual->edges[i].to, region);
	}
	else if (cJSON_IsString(json) || (cJSON_IsArray(json) && cJSON_IsString(json->child)))
		read_named_body(visual, owner, key, json, region);
	else
		read_inline_body(visual, json, jo_visual_path(owner->config_path, key, 0), region);
	jo_visual_settle_body(visual, owner, region);
	if (limit_items(visual, owner, region))
		return;
	jo_visual_report(visual, owner, "empty_steps", key ? key : "loop_body", NULL, "the body has no nodes");
}

/* ---- parallel nodes that limit their branches ---- */

/* Branches that a parameter names: an edge to each one's first node, and along the others. */
static void
read_parallel_branches(JoVisual *visual, JoVisualNode *owner)
{
	static const char *const names[] = {"parallel_branches", "branches", NULL};
	const char *key;
	const cJSON *json = jo_visual_take(visual, owner, names, &key);
	const cJSON *branch;

	cJSON_ArrayForEach(branch, json)
	{
		const cJSON *list = branch;
		const cJSON *child;
		int			previous = owner->index;

		if (cJSON_IsObject(list))
			list = cJSON_GetObjectItemCaseSensitive(branch, "nodes");
		for (child = cJSON_IsArray(list) ? list->child : list; child != NULL;
			 child = cJSON_IsArray(list) ? child->next : NULL)
		{
			int			index = cJSON_IsString(child)
				? jo_visual_find_node(visual, child->valuestring) : JO_VISUAL_NONE;

			if (index < 0)
				jo_visual_report(visual, owner, "missing_target_step", key,
								 "Write ids of nodes, or a list of ids for each branch.",
								 "%s is no node", jo_words_show(jo_json_print(child)));
			else if (!is_connected(visual, previous, index))
				jo_visual_add_edge(visual, previous, index, JO_VISUAL_ALWAYS, NULL, owner->config_path);
			previous = index < 0 ? previous : index;
		}
	}
}

static void
mark_from(const JoVisual *visual, int node, int without, bool *marks)
{
	if (marks[node] || node == without)
		return;
	marks[node] = true;
	for (int i = 0; i < visual->nedges; i++)
		if (visual->edges[i].from == node)
			mark_from(visual, visual->edges[i].to, without, marks);
}

/* Does it ask for more than that all its branches run? */
static bool
limits_branches(JoVisual *visual, JoVisualNode *node)
{
	const cJSON *all = jo_visual_take1(visual, node, "wait_for_all");
	const cJSON *limit = jo_visual_take1(visual, node, "max_concurrent");
	int			nbranches = 0;

	for (int i = 0; i < visual->nedges; i++)
		nbranches += (visual->edges[i].from == node->index);
	return cJSON_IsFalse(all) || (cJSON_IsNumber(limit) && limit->valuedouble < nbranches);
}

/*
 * The nodes between a parallel node and the join behind it: those that can be
 * reached through it only, up to the first join.
 */
static void
read_parallel(JoVisual *visual, JoVisualNode *owner)
{
	bool	   *through = palloc0(visual->nnodes * sizeof(bool));
	bool	   *beside = palloc0(visual->nnodes * sizeof(bool));
	bool	   *behind = palloc0(visual->nnodes * sizeof(bool));
	int			region;

	mark_from(visual, owner->index, JO_VISUAL_NONE, through);
	for (int i = 0; i < visual->nnodes; i++)
	{
		JoVisualRole role = visual->nodes[i].type->role;

		if (role == JO_VISUAL_START || role == JO_VISUAL_TRIGGER)
			mark_from(visual, i, owner->index, beside);
		if (through[i] && visual->nodes[i].type->translate == jo_visual_join)
			mark_from(visual, i, JO_VISUAL_NONE, behind);
	}
	region = jo_visual_add_region(visual, JO_REGION_PARALLEL, owner->region, owner->index, pstrdup(owner->id));
	for (int i = 0; i < visual->nnodes; i++)
		if (i != owner->index && through[i] && !beside[i] && !behind[i] &&
			visual->nodes[i].region == owner->region)
			visual->nodes[i].region = region;
	for (int i = 0; i < visual->nedges; i++)
		if (visual->edges[i].from == owner->index &&
			visual->nodes[visual->edges[i].to].region == region)
			visual->edges[i].inner = true;
	pfree(through);
	pfree(beside);
	pfree(behind);
}

void
jo_visual_read_bodies(JoVisual *visual)
{
	/* bodies may bring in more nodes, with bodies of their own */
	for (int i = 0; i < visual->nnodes; i++)
	{
		if (jo_visual_has_body(&visual->nodes[i]))
			read_body(visual, &visual->nodes[i]);
		else if (visual->nodes[i].type->translate == jo_visual_parallel)
			read_parallel_branches(visual, &visual->nodes[i]);
	}
	for (int i = 0; i < visual->nnodes; i++)
		if (visual->nodes[i].type->translate == jo_visual_parallel &&
			limits_branches(visual, &visual->nodes[i]))
			read_parallel(visual, &visual->nodes[i]);
}

/* ---- what begins, and what can be reached ---- */

static void
mark_reachable(JoVisual *visual, int index)
{
	JoVisualNode *node = &visual->nodes[index];

	if (node->reachable)
		return;
	node->reachable = true;
	for (int i = 0; i < visual->nedges; i++)
		if (visual->edges[i].from == index)
			mark_reachable(visual, visual->edges[i].to);
	for (int i = 0; i < visual->nnodes; i++)
		if (visual->nodes[i].region != node->region &&
			visual->regions[visual->nodes[i].region].owner == index)
			mark_reachable(visual, i);
}

/* One start, and a warning for what nobody can get to. */
void
jo_visual_check_starts(JoVisual *visual)
{
	const JoVisualNode *start = NULL;
	int			nentries = 0;

	for (int i = 0; i < visual->nnodes; i++)
	{
		JoVisualNode *node = &visual->nodes[i];

		if (node->type->role != JO_VISUAL_START && node->type->role != JO_VISUAL_TRIGGER)
			continue;
		if (node->region != JO_VISUAL_TOP)
			jo_visual_report(visual, node, "duplicate_start", NULL, NULL,
							 "a run begins outside of loops and branches");
		else if (node->type->role == JO_VISUAL_START && start != NULL)
			jo_visual_report(visual, node, "duplicate_start", NULL,
							 psprintf("Lead edges from node \"%s\" to what is to begin at the same time.", start->id),
							 "a run has one beginning, and node \"%s\" is it already", start->id);
		else if (node->type->role == JO_VISUAL_START)
			start = node;
		nentries++;
		mark_reachable(visual, i);
	}
	if (nentries == 0)
		jo_def_report(&visual->reader, "missing_start", visual->path, "Add a node of type \"flow.start\".",
					  "the definition has no start node");
	for (int i = 0; i < visual->nnodes && nentries > 0; i++)
		if (!visual->nodes[i].reachable)
			jo_visual_warn(visual, &visual->nodes[i], "unreachable_step", NULL, "Lead an edge to it.",
						   "no edge leads here from the start: it never runs");
}
