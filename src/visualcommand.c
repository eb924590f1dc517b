/*
 * visualcommand.c
 *		Nodes whose work is done on some machine: commands, scripts, files, services.
 *
 * A leaf.  Designers mean a machine that is reached by ssh unless they say "local";
 * such work is external: a program claims it that has a way there.
 */
#include "visualparse.h"

#include <string.h>

static const char *const connection_names[] = {"connection_type", "connection_method", NULL};
static const char *const target_names[] = {"target", "targets", NULL};

/* Which machine, and the way to it: nothing of it matters where the server is that machine. */
static const char *const way_names[] = {
	"connection_type", "connection_method", "username", "user", "password", "port", "use_ssl",
	"winrm_options", "ssh_options", "connection_options", "capture_output", NULL
};

/* ---- where ---- */

static bool
is_word(const cJSON *json, const char *word)
{
	return cJSON_IsString(json) && strcmp(json->valuestring, word) == 0;
}

static const cJSON *
find_connection(const JoVisualNode *node)
{
	for (int i = 0; connection_names[i] != NULL; i++)
	{
		const cJSON *json = cJSON_GetObjectItemCaseSensitive(node->config, connection_names[i]);

		if (json != NULL)
			return json;
	}
	return NULL;
}

/* On the server itself: "local", and no target but this machine. */
static bool
is_local(const JoVisualNode *node)
{
	for (int i = 0; i < node->ntargets; i++)
		if (!is_word(node->targets[i], "localhost") && !is_word(node->targets[i], "local"))
			return false;
	return is_word(find_connection(node), "local");
}

/* How many steps of nodes before this one have the same target. */
static int
count_target(const JoVisual *visual, const JoVisualNode *node, const cJSON *target)
{
	char	   *text = jo_json_print(target);
	int			n = 0;

	for (int i = 0; i < node->index; i++)
		for (int t = 0; t < visual->nodes[i].ntargets; t++)
			n += strcmp(jo_json_print(visual->nodes[i].targets[t]), text) == 0;
	return n;
}

/*
 * Whoever claims the work has secrets of his own: "{{ secret.x }}" as a whole value
 * becomes {"secret": "x"}, which says the name.  A text of JSON can begin so nowhere else.
 */
static char *
name_secrets(const char *keys)
{
	static const char open[] = "\"{{ secret.";
	static const char close[] = " }}\"";
	StringInfoData buf;
	const char *found;

	initStringInfo(&buf);
	while ((found = strstr(keys, open)) != NULL)
	{
		const char *name = found + strlen(open);
		size_t		length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
		bool		whole = strncmp(name + length, close, strlen(close)) == 0;

		appendStringInfo(&buf, "%.*s", (int) (found - keys), keys);
		if (whole)
			appendStringInfo(&buf, "{\"secret\":\"%.*s\"}", (int) length, name);
		else
			appendStringInfoString(&buf, open);
		keys = whole ? name + length + strlen(close) : name;
	}
	appendStringInfoString(&buf, keys);
	return buf.data;
}

/* One step for each target. */
static void
add_targeted_steps(JoVisual *visual, JoVisualNode *node, const char *keys, const char *common)
{
	int			n = Max(node->ntargets, 1);

	for (int i = 0; i < n; i++)
	{
		StringInfoData step;
		char	   *more = NULL;
		JoVisualPlace place;
		JoPath		path;
		char	   *target = NULL;

		initStringInfo(&step);
		appendStringInfoString(&step, name_secrets(keys));
		jo_visual_place(visual, node, "target", &place, &path);
		if (node->ntargets > 0)
			target = jo_visual_value(&place, node->targets[i]);
		else
			target = jo_visual_value_of(visual, node, target_names);
		if (target != NULL)
			appendStringInfo(&step, ",\"target\":%s", target);
		if (node->ntargets > 1)
			more = psprintf("\"original_node_id\":%s,\"target_order\":%d", jo_visual_string(node->id),
							count_target(visual, node, node->targets[i]));
		appendStringInfoString(&step, common);
		jo_visual_copy_metadata(visual, node, more, &step);
		jo_visual_add_step(visual, node, step.data);
	}
}

/* The step is of its own type, for another machine. */
static void
add_remote(JoVisual *visual, JoVisualNode *node, StringInfo keys)
{
	StringInfoData common;

	initStringInfo(&common);
	jo_visual_copy_common(visual, node, &common);
	if (find_connection(node) == NULL)
		appendStringInfo(keys, ",\"connection\":\"%s\"", strcmp(node->type->native, "file_transfer") == 0 ? "sftp" : "ssh");
	add_targeted_steps(visual, node, psprintf(",\"type\":\"%s\"%s", node->type->native, keys->data), common.data);
}

static void
add_local(JoVisual *visual, JoVisualNode *node, StringInfo keys)
{
	jo_visual_ignore(visual, node, way_names);
	jo_visual_copy_common(visual, node, keys);
	jo_visual_copy_metadata(visual, node, NULL, keys);
	jo_visual_add_step(visual, node, psprintf(",\"type\":\"%s\"%s", node->type->native, keys->data));
}

void
jo_visual_external(JoVisual *visual, JoVisualNode *node)
{
	StringInfoData keys;
	StringInfoData common;

	initStringInfo(&keys);
	initStringInfo(&common);
	jo_visual_copy_params(visual, node, node->type->params, &keys);
	jo_visual_copy_common(visual, node, &common);
	jo_visual_read_targets(visual, node);
	add_targeted_steps(visual, node,
					   psprintf(",\"type\":\"external\",\"task\":\"%s\",\"input\":{%s}", node->type->name,
								keys.len > 0 ? keys.data + 1 : ""),
					   common.data);
}

/* ---- commands ---- */

/* Where a word of a command ends: at a blank outside of quotes and templates; NULL: only a shell could say. */
static const char *
end_word(const char *p, StringInfo word)
{
	char		quote = '\0';

	for (; *p != '\0' && (quote != '\0' || strchr(" \t", *p) == NULL); p++)
	{
		const char *end = strncmp(p, "{{", 2) == 0 ? strstr(p, "}}") : NULL;

		if (end != NULL)
		{
			appendStringInfo(word, "%.*s", (int) (end + 2 - p), p);
			p = end + 1;
		}
		else if (*p == quote || (quote == '\0' && (*p == '"' || *p == '\'')))
			quote = quote == '\0' ? *p : '\0';
		else if (quote != '\'' && strchr(quote == '"' ? "\\$`" : "\\$`|&;<>()*?[]#~{}!\n\r", *p) != NULL)
			return NULL;
		else
			appendStringInfoChar(word, *p);
	}
	return quote == '\0' ? p : NULL;
}

/* The words as an array; NULL: they are more than words. */
static char *
split_command(const char *text)
{
	StringInfoData list;

	initStringInfo(&list);
	while (*(text += strspn(text, " \t")) != '\0')
	{
		StringInfoData word;

		initStringInfo(&word);
		text = end_word(text, &word);
		if (text == NULL)
			return NULL;
		appendStringInfo(&list, "%s%s", list.len > 0 ? "," : "", jo_visual_string(word.data));
	}
	return list.len > 0 ? psprintf("[%s]", list.data) : NULL;
}

/* Words are words; what has a shell's signs is a shell's, and has no templates. */
static void
copy_command(JoVisual *visual, JoVisualNode *node, StringInfo keys)
{
	static const JoVisualParam command = {
		"command", JO_PARAM_TEXT, true, 0, 0, NULL, {"command", NULL}
	};
	const cJSON *json = cJSON_GetObjectItemCaseSensitive(node->config, "command");
	JoVisualPlace place;
	JoPath		path;
	char	   *text;
	char	   *words;

	if (!cJSON_IsString(json) || *json->valuestring == '\0')
	{
		jo_visual_copy_param(visual, node, &command, keys);
		return;
	}
	jo_visual_take1(visual, node, "command");
	jo_visual_take1(visual, node, "shell");
	jo_visual_place(visual, node, "command", &place, &path);
	text = jo_visual_text(&place, json->valuestring);
	words = text ? split_command(text) : NULL;
	if (words != NULL)
		appendStringInfo(keys, ",\"command\":%s", words);
	else if (text != NULL && strstr(text, "{{") == NULL)
		appendStringInfo(keys, ",\"command\":%s,\"shell\":true", jo_visual_string(text));
	else if (text != NULL)
		jo_visual_report(visual, node, "not_supported", "command",
						 "Put the value into \"environment\", and write its variable in the command.",
						 "a command of the server that a shell reads has no templates");
}

/* The program that reads a script, by its language; NULL: as the step's default. */
static const char *
find_interpreter(const JoVisualNode *node)
{
	static const char *const programs[][2] = {
		{"bash", "bash"}, {"sh", "sh"}, {"shell", "sh"}, {"python", "python3"}, {"python3", "python3"},
		{"javascript", "node"}, {"node", "node"}, {"perl", "perl"}, {"ruby", "ruby"}, {"powershell", "pwsh"}
	};
	const cJSON *json = cJSON_GetObjectItemCaseSensitive(node->config, "script_type");

	if (json == NULL)
		json = cJSON_GetObjectItemCaseSensitive(node->config, "language");
	for (int i = 0; i < (int) lengthof(programs); i++)
		if (is_word(json, programs[i][0]))
			return programs[i][1];
	return NULL;
}

static void
copy_script(JoVisual *visual, JoVisualNode *node, StringInfo keys)
{
	static const char *const names[] = {"script_type", "language", "shell", NULL};
	static const JoVisualParam params[] = {
		{"script", JO_PARAM_TEXT, true, 0, 0, NULL, {"script", NULL}},
		{"interpreter", JO_PARAM_TEXT, false, 0, 0, NULL, {"interpreter", NULL}},
		{"args", JO_PARAM_LIST, false, 0, 0, NULL, {"arguments", "args", NULL}},
		{NULL, JO_PARAM_VALUE, false, 0, 0, NULL, {NULL}}
	};
	const cJSON *script = cJSON_GetObjectItemCaseSensitive(node->config, "script");
	const char *interpreter = find_interpreter(node);

	jo_visual_ignore(visual, node, names);
	jo_visual_copy_params(visual, node, params, keys);
	if (interpreter != NULL && cJSON_GetObjectItemCaseSensitive(node->config, "interpreter") == NULL)
		appendStringInfo(keys, ",\"interpreter\":\"%s\"", interpreter);
	if (cJSON_IsString(script) &&
		(strstr(script->valuestring, "{{") != NULL || strstr(script->valuestring, "${inputs.") != NULL))
		jo_visual_report(visual, node, "not_supported", "script",
						 "Put the value into \"arguments\" or \"environment\".",
						 "a script that runs on the server has no templates");
}

void
jo_visual_command(JoVisual *visual, JoVisualNode *node)
{
	static const JoVisualParam local_params[] = {
		{"env", JO_PARAM_OBJECT, false, 0, 0, NULL, {"environment", "environment_variables", NULL}},
		{"cwd", JO_PARAM_TEXT, false, 0, 0, NULL, {"working_directory", "working_dir", NULL}},
		{NULL, JO_PARAM_VALUE, false, 0, 0, NULL, {NULL}}
	};
	StringInfoData keys;

	initStringInfo(&keys);
	jo_visual_read_targets(visual, node);
	if (!is_local(node))
	{
		jo_visual_copy_params(visual, node, node->type->params, &keys);
		add_remote(visual, node, &keys);
		return;
	}
	if (strcmp(node->type->native, "script") == 0)
		copy_script(visual, node, &keys);
	else
		copy_command(visual, node, &keys);
	jo_visual_copy_params(visual, node, local_params, &keys);
	node->ntargets = 0;
	add_local(visual, node, &keys);
}

/* ---- files ---- */

static const char *const source_names[] = {"source_path", "source", NULL};
static const char *const destination_names[] = {"dest_path", "destination_path", "destination", NULL};

static bool
is_url(const JoVisualNode *node, const char *const *names)
{
	for (; *names != NULL; names++)
	{
		const cJSON *json = cJSON_GetObjectItemCaseSensitive(node->config, *names);

		if (cJSON_IsString(json) && strstr(json->valuestring, "://") != NULL)
			return true;
	}
	return false;
}

/* Between a URL and a file of the server, the courier does it. */
void
jo_visual_transfer(JoVisual *visual, JoVisualNode *node)
{
	static const char *const kept[] = {
		"direction", "preserve_permissions", "recursive", "target", "targets", "target_id", "target_ids", NULL
	};
	static const JoVisualParam overwrite = {
		"overwrite", JO_PARAM_BOOL, false, 0, 0, NULL, {"overwrite", "overwrite_existing", NULL}
	};
	bool		upload = is_word(cJSON_GetObjectItemCaseSensitive(node->config, "direction"), "upload");
	StringInfoData keys;
	char	   *source;
	char	   *destination;

	initStringInfo(&keys);
	if (!is_url(node, upload ? destination_names : source_names))
	{
		jo_visual_read_targets(visual, node);
		jo_visual_copy_params(visual, node, node->type->params, &keys);
		add_remote(visual, node, &keys);
		return;
	}
	source = jo_visual_value_of(visual, node, source_names);
	destination = jo_visual_value_of(visual, node, destination_names);
	if (source == NULL || destination == NULL)
		jo_visual_report(visual, node, "missing_key", source ? "dest_path" : "source_path", NULL,
						 "a node of type \"%s\" needs this parameter", node->type->name);
	else
		appendStringInfo(&keys, ",\"action\":\"%s\",\"url\":%s,\"file\":%s", upload ? "put" : "get",
						 upload ? destination : source, upload ? source : destination);
	jo_visual_copy_param(visual, node, &overwrite, &keys);
	jo_visual_ignore(visual, node, kept);
	add_local(visual, node, &keys);
}
