/*
 * visualedge.c
 *		The edges of a visual definition: where they lead and when they are taken.
 *
 * A leaf.  What an edge says is told apart only when all are read, since the
 * names of a switch's cases and the way they are counted are then known.
 */
#include "visualparse.h"

#include <string.h>

#define MAX_EDGE_ITERATIONS 100000

static const char *const edge_keys[] = {
	"id", "source", "target", "condition", "label", "sourceHandle", "targetHandle", "data", "type",
	"max_iterations", "description", "animated", "style", "markerEnd", "markerStart", "selected",
	"className", "zIndex", "hidden", "deletable", "labelStyle", "labelBgStyle", "interactionWidth",
	"from", "to", "name", "color", "points", NULL
};

static const char *const edge_data_keys[] = {
	"condition", "label", "max_iterations", "description", "type", "input", "output", NULL
};

static const char *const always_words[] = {
	"", "always", "trigger", "continue", "output", "out", "next", "done", "complete", "source",
	"bottom", "right", "context", NULL
};
static const char *const success_words[] = {"success", "succeeded", "completed", "on_success", NULL};
static const char *const failure_words[] = {
	"error", "failure", "failed", "on_error", "on_failure", NULL
};
static const char *const body_words[] = {"loop_body", "body", "loop", "each", "item", "iterate", NULL};

static char *
name_edge(const cJSON *json, const JoPath *path)
{
	const cJSON *id = cJSON_GetObjectItemCaseSensitive(json, "id");

	return cJSON_IsString(id) ? psprintf("edge \"%s\"", jo_words_show(id->valuestring))
		: psprintf("edge %d", path->index + 1);
}

static const char *
get_text(const cJSON *object, const char *key)
{
	const cJSON *json = cJSON_GetObjectItemCaseSensitive(object, key);

	if (cJSON_IsBool(json))
		return cJSON_IsTrue(json) ? "true" : "false";
	return cJSON_IsString(json) ? json->valuestring : NULL;
}

/* One end of an edge: a node's index, NONE after a finding. */
static int
read_end(JoVisual *visual, const cJSON *json, const JoPath *path, bool source)
{
	const char *side = source ? "source" : "target";
	const char *key = side;
	const char *id = get_text(json, side);
	JoPath		at = {path, key, 0};
	int			node;

	if (id == NULL)
	{
		const cJSON *end = cJSON_GetObjectItemCaseSensitive(json, source ? "from" : "to");

		at.key = source ? "from" : "to";
		id = cJSON_IsString(end) ? end->valuestring : get_text(end, "blockId");
	}
	if (id == NULL)
	{
		jo_def_report(&visual->reader, source ? "missing_source_step" : "missing_target_step", path, NULL,
					  "%s, key \"%s\": it names no node", name_edge(json, path), side);
		return JO_VISUAL_NONE;
	}
	node = jo_visual_find_node(visual, id);
	if (node < 0)
	{
		const char **names = palloc((visual->nnodes + 1) * sizeof(char *));

		for (int i = 0; i < visual->nnodes; i++)
			names[i] = visual->nodes[i].id;
		names[visual->nnodes] = NULL;
		jo_def_report(&visual->reader, source ? "missing_source_step" : "missing_target_step", &at,
					  jo_words_suggest(id, names), "%s, key \"%s\": there is no node \"%s\"",
					  name_edge(json, path), at.key, jo_words_show(id));
	}
	return node;
}

JoVisualEdge *
jo_visual_add_edge(JoVisual *visual, int from, int to, JoVisualOn on, const char *label, JoPath *path)
{
	JoVisualEdge *edge;

	if (visual->nedges >= visual->edges_capacity)
	{
		visual->edges_capacity = visual->edges_capacity ? visual->edges_capacity * 2 : 64;
		visual->edges = visual->edges
			? repalloc(visual->edges, visual->edges_capacity * sizeof(JoVisualEdge))
			: palloc(visual->edges_capacity * sizeof(JoVisualEdge));
	}
	edge = &visual->edges[visual->nedges++];
	memset(edge, 0, sizeof(*edge));
	edge->from = from;
	edge->to = to;
	edge->on = on;
	edge->label = label;
	edge->path = path;
	return edge;
}

/* A data connection: kept with the node that it leads to. */
static void
add_data(JoVisual *visual, int from, int to, const char *output, const char *input)
{
	JoVisualNode *node = &visual->nodes[to];
	JoVisualData *data = palloc0(sizeof(JoVisualData));
	JoVisualData **last = &node->data;

	data->from = from;
	data->output = output ? output : "output";
	data->input = input ? input : "input_data";
	while (*last != NULL)
		last = &(*last)->next;
	*last = data;
}

/* A number of passes on the edge or in its data; 0: not said. */
static int
read_max_iterations(JoVisual *visual, const cJSON *json, const cJSON *data, const JoPath *path)
{
	const cJSON *number = cJSON_GetObjectItemCaseSensitive(json, "max_iterations");
	JoPath		at = {path, "max_iterations", 0};
	int			value = 0;

	if (number == NULL)
		number = cJSON_GetObjectItemCaseSensitive(data, "max_iterations");
	if (number != NULL && !cJSON_IsNull(number))
		jo_def_integer(&visual->reader, number, &at, 1, MAX_EDGE_ITERATIONS, &value);
	return value;
}

/*
 * What the edge says about when it is taken.  Designers write "always" on every
 * edge, so a handle that says more wins.
 */
static const char *
read_label(const cJSON *json, const cJSON *data)
{
	const char *condition = get_text(json, "condition");
	const char *handle = get_text(json, "sourceHandle");

	if (condition == NULL)
		condition = get_text(data, "condition");
	if (condition != NULL && jo_words_find(condition, always_words) < 0)
		return condition;
	if (handle == NULL)
		handle = get_text(cJSON_GetObjectItemCaseSensitive(json, "from"), "output");
	return handle ? handle : condition;
}

static bool
is_data_edge(const cJSON *json, const cJSON *data)
{
	const char *type = get_text(json, "type");

	if (type == NULL || strcmp(type, "data") != 0)
		type = get_text(data, "type");
	return type != NULL && strcmp(type, "data") == 0;
}

static void
read_edge(JoVisual *visual, const cJSON *json, JoPath *path)
{
	const cJSON *data;
	JoPath		at;
	int			from;
	int			to;

	if (!jo_def_object(&visual->reader, json, path))
		return;
	data = jo_def_get(json, path, "data", &at);
	jo_def_check_keys(&visual->reader, json, path, "an edge", edge_keys, NULL);
	if (cJSON_IsObject(data))
		jo_def_check_keys(&visual->reader, data, &at, "an edge's data", edge_data_keys, NULL);
	from = read_end(visual, json, path, true);
	to = read_end(visual, json, path, false);
	if (from < 0 || to < 0)
		return;
	if (is_data_edge(json, data))
	{
		const char *output = get_text(cJSON_GetObjectItemCaseSensitive(json, "from"), "output");
		const char *input = get_text(cJSON_GetObjectItemCaseSensitive(json, "to"), "input");

		add_data(visual, from, to, output ? output : get_text(json, "sourceHandle"),
				 input ? input : get_text(json, "targetHandle"));
		return;
	}
	jo_visual_add_edge(visual, from, to, JO_VISUAL_ALWAYS, read_label(json, data), path)->max_iterations =
		read_max_iterations(visual, json, data, path);
}

/* ---- branches of a decision ---- */

bool
jo_visual_is_switch(const JoVisualNode *node)
{
	return node->type->translate == jo_visual_switch;
}

const cJSON *
jo_visual_cases(const JoVisualNode *node)
{
	static const char *const keys[] = {"cases", "branches", "conditions", NULL};

	for (int i = 0; keys[i] != NULL; i++)
	{
		const cJSON *json = cJSON_GetObjectItemCaseSensitive(node->config, keys[i]);

		if (cJSON_IsArray(json))
			return json;
	}
	return NULL;
}

/* What a case is called in the native switch: its label, else case_1 .. by position. */
char *
jo_visual_case_name(const cJSON *json, int index)
{
	static const char *const keys[] = {"label", "name", "id", NULL};

	if (cJSON_IsString(json) && *json->valuestring != '\0' && strlen(json->valuestring) <= JO_MAX_NAME)
		return pstrdup(json->valuestring);
	for (int i = 0; keys[i] != NULL; i++)
	{
		const char *text = get_text(json, keys[i]);

		if (text != NULL && *text != '\0' && strlen(text) <= JO_MAX_NAME)
			return pstrdup(text);
	}
	return psprintf("case_%d", index + 1);
}

/* Types that repeat other nodes. */
bool
jo_visual_has_body(const JoVisualNode *node)
{
	return node->type->translate == jo_visual_while || node->type->translate == jo_visual_for_each;
}

static const char *
find_case(const JoVisualNode *node, const char *label)
{
	const cJSON *cases = jo_visual_cases(node);
	const cJSON *child;
	int			index = 0;

	if (strcmp(label, "default") == 0 || strcmp(label, "else") == 0)
		return "default";
	cJSON_ArrayForEach(child, cases)
	{
		char	   *name = jo_visual_case_name(child, index);
		const char *value = get_text(child, "value");

		if (strcmp(name, label) == 0 || (value != NULL && strcmp(value, label) == 0) ||
			strcmp(psprintf("case_%d", index + !node->zero_based), label) == 0)
			return name;
		index++;
	}
	return NULL;
}

const char *
jo_visual_branch(JoVisual *visual, const JoVisualNode *node, const char *label)
{
	static const char *const truths[] = {"true", "then", "yes", "if", NULL};
	static const char *const lies[] = {"false", "else", "no", NULL};
	const char *own;

	if (node->type->role != JO_VISUAL_DECISION)
		return NULL;
	if (jo_visual_is_switch(node))
		return find_case(node, label);
	for (int i = 0; i < 2; i++)
	{
		static const char *const keys[2][2] = {{"true_branch", "true_path"}, {"false_branch", "false_path"}};

		for (int k = 0; k < 2; k++)
		{
			own = get_text(node->config, keys[i][k]);
			if (own != NULL && strcmp(own, label) == 0 && jo_visual_find_node(visual, own) < 0)
				return i == 0 ? "true" : "false";
		}
	}
	if (jo_words_find(label, truths) >= 0)
		return "true";
	return jo_words_find(label, lies) >= 0 ? "false" : NULL;
}

bool
jo_visual_has_default(const JoVisual *visual, const JoVisualNode *node)
{
	for (int i = 0; i < visual->nedges; i++)
		if (visual->edges[i].from == node->index && visual->edges[i].on == JO_VISUAL_BRANCH &&
			strcmp(visual->edges[i].label, "default") == 0)
			return true;
	return cJSON_GetObjectItemCaseSensitive(node->config, "default_branch") != NULL ||
		cJSON_GetObjectItemCaseSensitive(node->config, "default") != NULL;
}

/* ---- when edges are taken ---- */

static void
report_label(JoVisual *visual, const JoVisualEdge *edge, const char *suggestion, const char *reason)
{
	jo_def_report(&visual->reader, "missing_source_output", edge->path, suggestion,
				  "node \"%s\", output \"%s\" (edge to \"%s\"): %s", visual->nodes[edge->from].id,
				  jo_words_show(edge->label), visual->nodes[edge->to].id, reason);
}

static bool
is_plain_word(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == strlen(text);
}

static void
classify_edge(JoVisual *visual, JoVisualEdge *edge)
{
	const JoVisualNode *from = &visual->nodes[edge->from];
	const char *branch = edge->label ? jo_visual_branch(visual, from, edge->label) : NULL;

	if (branch != NULL)
	{
		edge->on = JO_VISUAL_BRANCH;
		edge->label = branch;
	}
	else if (edge->label == NULL || jo_words_find(edge->label, always_words) >= 0 ||
			 strcmp(edge->label, "default") == 0)
		edge->on = JO_VISUAL_ALWAYS;
	else if (jo_words_find(edge->label, success_words) >= 0)
		edge->on = JO_VISUAL_SUCCESS;
	else if (jo_words_find(edge->label, failure_words) >= 0)
		edge->on = JO_VISUAL_FAILURE;
	else if (jo_words_find(edge->label, body_words) >= 0 && jo_visual_has_body(from))
		edge->inner = true;
	else if (strcmp(edge->label, "true") == 0 || strcmp(edge->label, "false") == 0)
		report_label(visual, edge, "Only conditions have the outputs true and false.",
					 "this node takes no decision");
	else if (from->type->role == JO_VISUAL_DECISION && is_plain_word(edge->label))
		report_label(visual, edge,
					 jo_visual_is_switch(from) ? "Outputs of a switch are the labels of its cases, case_1, case_2, ... and default."
					 : "Outputs of a condition are true and false.",
					 "this decision has no such branch");
	else if (visual->blocks)
		report_label(visual, edge, "Flow outputs are success, error, true, false, trigger, continue, case_n and default.",
					 "a block has no such flow output");
	else
		edge->on = JO_VISUAL_EXPRESSION;
	if (edge->on == JO_VISUAL_FAILURE)
		visual->nodes[edge->from].fails_over = true;
}

void
jo_visual_read_edges(JoVisual *visual, const cJSON *list, JoPath *path)
{
	const cJSON *child;
	int			index = 0;
	int			first = visual->nedges;

	if (list == NULL)
		return;
	if (!cJSON_IsArray(list))
	{
		jo_def_report(&visual->reader, "schema_error", path, NULL, "an array of edges was expected");
		return;
	}
	cJSON_ArrayForEach(child, list)
	{
		if (index >= JO_VISUAL_MAX_EDGES)
		{
			jo_def_report(&visual->reader, "limit_exceeded", path, NULL, "a definition has at most %d edges",
						  JO_VISUAL_MAX_EDGES);
			return;
		}
		read_edge(visual, child, jo_visual_path(path, NULL, index));
		index++;
	}
	for (int i = first; i < visual->nedges; i++)
		if (visual->edges[i].label != NULL && strcmp(visual->edges[i].label, "case_0") == 0)
			visual->nodes[visual->edges[i].from].zero_based = true;
	for (int i = first; i < visual->nedges; i++)
		classify_edge(visual, &visual->edges[i]);
}

/* ---- edges that parameters stand for ---- */

static void
add_implied(JoVisual *visual, JoVisualNode *node, const cJSON *json, const char *key, const char *branch)
{
	const cJSON *child;
	int			to;

	if (cJSON_IsArray(json))
	{
		cJSON_ArrayForEach(child, json)
			add_implied(visual, node, child, key, branch);
		return;
	}
	if (!cJSON_IsString(json) || (to = jo_visual_find_node(visual, json->valuestring)) < 0)
		return;
	for (int i = 0; i < visual->nedges; i++)
		if (visual->edges[i].from == node->index && visual->edges[i].to == to)
			return;
	jo_visual_add_edge(visual, node->index, to, JO_VISUAL_BRANCH, branch,
					   jo_visual_path(node->config_path, key, 0));
}

static void
read_implied_cases(JoVisual *visual, JoVisualNode *node)
{
	static const char *const keys[] = {"target", "next", "node", "node_id", "target_node", NULL};
	const cJSON *cases = jo_visual_cases(node);
	const cJSON *child;
	int			index = 0;

	cJSON_ArrayForEach(child, cases)
	{
		const char *name = jo_visual_case_name(child, index++);

		for (int k = 0; keys[k] != NULL; k++)
			add_implied(visual, node, cJSON_GetObjectItemCaseSensitive(child, keys[k]), keys[k], name);
		if (cJSON_IsString(child))
			add_implied(visual, node, child, "branches", name);
	}
	add_implied(visual, node, cJSON_GetObjectItemCaseSensitive(node->config, "default_branch"),
				"default_branch", "default");
}

void
jo_visual_read_implied_edges(JoVisual *visual)
{
	static const char *const keys[][2] = {
		{"true_branch", "true"}, {"true_path", "true"}, {"false_branch", "false"}, {"false_path", "false"}
	};

	for (int i = 0; i < visual->nnodes; i++)
	{
		JoVisualNode *node = &visual->nodes[i];

		if (node->type->role != JO_VISUAL_DECISION)
			continue;
		if (jo_visual_is_switch(node))
			read_implied_cases(visual, node);
		else
			for (int k = 0; k < (int) lengthof(keys); k++)
				add_implied(visual, node, cJSON_GetObjectItemCaseSensitive(node->config, keys[k][0]),
							keys[k][0], keys[k][1]);
	}
}
