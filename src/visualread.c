/*
 * visualread.c
 *		The nodes of a visual definition, and how their parameters are asked for.
 *
 * A leaf.  A parameter that no type asks for is an error, so each type only asks,
 * and jo_visual_check_taken() compares what was asked for with what is there.
 */
#include "visualparse.h"

#include <string.h>

/* What designers keep of a node's looks: part of the original, of no meaning to a run. */
static const char *const node_keys[] = {
	"id", "type", "position", "data", "config", "name", "label", "description", "width", "height",
	"selected", "dragging", "style", "className", "measured", "positionAbsolute", "zIndex",
	"parentNode", "parentId", "extent", "draggable", "selectable", "deletable", "connectable",
	"sourcePosition", "targetPosition", "size", "color", "icon", "inputs", "outputs", NULL
};

JoPath *
jo_visual_path(const JoPath *up, const char *key, int index)
{
	JoPath	   *path = palloc(sizeof(JoPath));

	path->up = up;
	path->key = key;
	path->index = index;
	return path;
}

static char *
format_message(const char *format, va_list args) pg_attribute_printf(1, 0);

static char *
format_message(const char *format, va_list args)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (;;)
	{
		va_list		copy;
		int			needed;

		va_copy(copy, args);
		needed = appendStringInfoVA(&buf, format, copy);
		va_end(copy);
		if (needed == 0)
			return buf.data;
		enlargeStringInfo(&buf, needed);
	}
}

/* Names node and key in front of the reason; key NULL: the node as a whole. */
static void
add_finding(JoVisual *visual, JoSeverity severity, const JoVisualNode *node, const JoPath *path,
			const char *key, const char *code, const char *suggestion, const char *reason)
{
	JoDefReader *reader = &visual->reader;
	char	   *subject = "";

	if (node != NULL && key != NULL)
		subject = psprintf("node \"%s\", key \"%s\": ", node->id, jo_words_show(key));
	else if (node != NULL)
		subject = psprintf("node \"%s\": ", node->id);
	reader->step = node ? node->id : NULL;
	if (severity == JO_SEVERITY_ERROR)
		jo_def_report(reader, code, path, suggestion, "%s%s", subject, reason);
	else
		jo_def_warn(reader, code, path, suggestion, "%s%s", subject, reason);
	reader->step = NULL;
}

static JoPath
path_of_key(const JoVisualNode *node, const char *key)
{
	JoPath		at = *node->path;

	if (key == NULL)
		return at;
	at.up = node->config_path;
	at.key = key;
	at.index = 0;
	return at;
}

void
jo_visual_report(JoVisual *visual, const JoVisualNode *node, const char *code, const char *key,
				 const char *suggestion, const char *format,...)
{
	JoPath		at = path_of_key(node, key);
	va_list		args;
	char	   *reason;

	va_start(args, format);
	reason = format_message(format, args);
	va_end(args);
	add_finding(visual, JO_SEVERITY_ERROR, node, &at, key, code, suggestion, reason);
}

void
jo_visual_warn(JoVisual *visual, const JoVisualNode *node, const char *code, const char *key,
			   const char *suggestion, const char *format,...)
{
	JoPath		at = path_of_key(node, key);
	va_list		args;
	char	   *reason;

	va_start(args, format);
	reason = format_message(format, args);
	va_end(args);
	add_finding(visual, JO_SEVERITY_WARNING, node, &at, key, code, suggestion, reason);
}

void
jo_visual_report_at(const JoVisualPlace *place, const char *code, const char *suggestion,
					const char *format,...)
{
	va_list		args;
	char	   *reason;

	va_start(args, format);
	reason = format_message(format, args);
	va_end(args);
	add_finding(place->visual, JO_SEVERITY_ERROR, place->node, place->path, place->key, code, suggestion,
				reason);
}

int
jo_visual_find_node(const JoVisual *visual, const char *id)
{
	for (int i = 0; i < visual->nnodes; i++)
		if (strcmp(visual->nodes[i].id, id) == 0)
			return i;
	return JO_VISUAL_NONE;
}

/* ---- reading ---- */

static bool
is_good_id(const char *id)
{
	return *id != '\0' && strlen(id) <= JO_MAX_NAME &&
		strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == strlen(id);
}

static const char *
read_id(JoVisual *visual, const cJSON *json, const JoPath *path)
{
	JoPath		at;
	const cJSON *id = jo_def_get(json, path, "id", &at);

	if (id == NULL)
		jo_def_report(&visual->reader, "missing_name", path, NULL, "the node has no \"id\"");
	else if (!cJSON_IsString(id))
		jo_def_report(&visual->reader, "schema_error", &at, NULL, "an id is a string");
	else if (!is_good_id(id->valuestring))
		jo_def_report(&visual->reader, "invalid_name", &at,
					  psprintf("Use letters, digits, _ and -, at most %d.", JO_MAX_NAME),
					  "node \"%s\", key \"id\": this cannot be an id", jo_words_show(id->valuestring));
	else if (jo_visual_find_node(visual, id->valuestring) >= 0)
		jo_def_report(&visual->reader, "duplicate_step", &at, NULL,
					  "node \"%s\", key \"id\": two nodes have this id", id->valuestring);
	else
		return id->valuestring;
	return NULL;
}

static const JoVisualType *
read_type(JoVisual *visual, const cJSON *json, const JoPath *path, const char *id)
{
	JoPath		at;
	const cJSON *type = jo_def_get(json, path, "type", &at);
	const JoVisualType *found;

	if (!cJSON_IsString(type))
	{
		jo_def_report(&visual->reader, "unknown_type", type ? &at : path, NULL,
					  "node \"%s\", key \"type\": the node has no type", id);
		return NULL;
	}
	found = jo_visual_find_type(type->valuestring);
	if (found == NULL)
		jo_def_report(&visual->reader, "unknown_type", &at, jo_visual_suggest_type(type->valuestring),
					  "node \"%s\", key \"type\": there is no node type \"%s\"", id,
					  jo_words_show(type->valuestring));
	return found;
}

/* Parameters are in "data" or "config", whatever the form. */
static void
find_config(JoVisual *visual, JoVisualNode *node)
{
	static const char *const keys[] = {"data", "config", NULL};

	node->config_path = jo_visual_path(node->path, visual->blocks ? "config" : "data", 0);
	for (int i = 0; keys[i] != NULL; i++)
	{
		const cJSON *json = cJSON_GetObjectItemCaseSensitive(node->json, keys[i]);

		if (json == NULL || cJSON_IsNull(json))
			continue;
		node->config_path->key = keys[i];
		if (!cJSON_IsObject(json))
			jo_def_report(&visual->reader, "schema_error", node->config_path, NULL,
						  "node \"%s\", key \"%s\": an object was expected", node->id, keys[i]);
		else if (node->config != NULL)
			jo_def_report(&visual->reader, "duplicate_key", node->config_path, NULL,
						  "node \"%s\", key \"%s\": parameters stand in \"data\" or in \"config\", not in both",
						  node->id, keys[i]);
		else
			node->config = json;
	}
}

static void
check_node_keys(JoVisual *visual, JoVisualNode *node)
{
	const cJSON *child;

	cJSON_ArrayForEach(child, node->json)
	{
		JoPath		at = {node->path, child->string, 0};

		if (jo_words_find(child->string, node_keys) < 0)
			add_finding(visual, JO_SEVERITY_ERROR, node, &at, child->string, "unknown_key",
						psprintf("Parameters of a node stand in \"%s\".", node->config_path->key),
						"a node has no such key");
	}
}

static void
read_node(JoVisual *visual, const cJSON *json, JoPath *path, int region)
{
	JoVisualNode *node;
	const char *id;
	const JoVisualType *type;

	if (!jo_def_object(&visual->reader, json, path) || (id = read_id(visual, json, path)) == NULL)
		return;
	type = read_type(visual, json, path, id);
	if (type == NULL)
		return;
	if (visual->nnodes >= JO_VISUAL_MAX_NODES)
	{
		jo_def_report(&visual->reader, "limit_exceeded", path, NULL, "a definition has at most %d nodes",
					  JO_VISUAL_MAX_NODES);
		return;
	}
	node = &visual->nodes[visual->nnodes];
	memset(node, 0, sizeof(*node));
	node->index = visual->nnodes++;
	node->id = id;
	node->type = type;
	node->json = json;
	node->path = path;
	node->region = region;
	initStringInfo(&node->values);
	find_config(visual, node);
	check_node_keys(visual, node);
}

/* Adds the nodes of a list; false when one of them could not be read. */
bool
jo_visual_read_nodes(JoVisual *visual, const cJSON *list, JoPath *path, int region)
{
	const cJSON *child;
	int			errors_before = visual->reader.findings->nerrors;
	int			index = 0;

	if (!cJSON_IsArray(list))
	{
		jo_def_report(&visual->reader, "schema_error", path, NULL, "an array of nodes was expected");
		return false;
	}
	cJSON_ArrayForEach(child, list)
	{
		/* after so many nobody reads on, and ids are compared with all before */
		if (visual->nnodes >= JO_VISUAL_MAX_NODES && index > JO_VISUAL_MAX_NODES)
			break;
		read_node(visual, child, jo_visual_path(path, NULL, index), region);
		index++;
	}
	return visual->reader.findings->nerrors == errors_before;
}

/* ---- parameters ---- */

static void
note_key(const char ***list, int *n, int *capacity, const char *key)
{
	for (int i = 0; i < *n; i++)
		if (strcmp((*list)[i], key) == 0)
			return;
	if (*n >= *capacity)
	{
		*capacity = *capacity ? *capacity * 2 : 16;
		*list = *list ? repalloc(*list, *capacity * sizeof(char *)) : palloc(*capacity * sizeof(char *));
	}
	(*list)[(*n)++] = key;
}

/* Null stands for "not there": designers write it for empty fields. */
const cJSON *
jo_visual_take(JoVisual *visual, JoVisualNode *node, const char *const *names, const char **found)
{
	const cJSON *taken = NULL;
	const char *name = NULL;

	for (; *names != NULL; names++)
	{
		const cJSON *json = cJSON_GetObjectItemCaseSensitive(node->config, *names);

		note_key(&node->known, &node->nknown, &node->known_capacity, *names);
		if (json == NULL)
			continue;
		note_key(&node->taken, &node->ntaken, &node->taken_capacity, *names);
		if (cJSON_IsNull(json))
			continue;
		if (taken != NULL && strcmp(jo_json_print(taken), jo_json_print(json)) != 0)
			jo_visual_report(visual, node, "duplicate_key", *names, NULL,
							 "\"%s\" is the same parameter and says something else", name);
		else if (taken == NULL)
		{
			taken = json;
			name = *names;
		}
	}
	if (found != NULL)
		*found = name;
	return taken;
}

const cJSON *
jo_visual_take1(JoVisual *visual, JoVisualNode *node, const char *name)
{
	const char *const names[] = {name, NULL};

	return jo_visual_take(visual, node, names, NULL);
}

static bool
was_taken(const JoVisualNode *node, const char *key)
{
	for (int i = 0; i < node->ntaken; i++)
		if (strcmp(node->taken[i], key) == 0)
			return true;
	return false;
}

/* Reports parameters and data connections that the node's type did not ask for. */
void
jo_visual_check_taken(JoVisual *visual, JoVisualNode *node)
{
	const cJSON *child;
	const char **known = palloc((node->nknown + 1) * sizeof(char *));

	if (node->nknown > 0)
		memcpy(known, node->known, node->nknown * sizeof(char *));
	known[node->nknown] = NULL;
	cJSON_ArrayForEach(child, node->config)
	{
		char	   *suggestion;

		if (was_taken(node, child->string))
			continue;
		suggestion = jo_words_suggest(child->string, known);
		jo_visual_report(visual, node, "unknown_key", child->string,
						 suggestion ? suggestion : psprintf("Known parameters are: %s.", jo_words_join(known)),
						 "a node of type \"%s\" has no such parameter", node->type->name);
	}
	for (const JoVisualData *data = node->data; data != NULL; data = data->next)
		if (!data->used)
			jo_visual_report(visual, node, "missing_target_input", data->input,
							 psprintf("Known parameters are: %s.", jo_words_join(known)),
							 "a data connection from node \"%s\" leads here, but a node of type \"%s\" has no such input",
							 visual->nodes[data->from].id, node->type->name);
}
