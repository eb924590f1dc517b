/*
 * visualaction.c
 *		Nodes that act outside of the flow: HTTP, messages, SQL.
 *
 * A leaf.
 */
#include "visualparse.h"

#include <string.h>

/* ---- HTTP authentication ---- */

/* The object with its details: auth, authentication or auth_config; "auth" may be a word too. */
static const cJSON *
find_auth(JoVisual *visual, JoVisualNode *node, const char **type, const char **key)
{
	static const char *const objects[] = {"auth_config", "authentication", "auth", NULL};
	static const char *const types[] = {"auth_type", "authentication_type", NULL};
	const cJSON *found = NULL;
	const cJSON *word = jo_visual_take(visual, node, types, key);

	*type = cJSON_IsString(word) ? word->valuestring : NULL;
	for (int i = 0; objects[i] != NULL; i++)
	{
		const cJSON *json = jo_visual_take1(visual, node, objects[i]);

		if (cJSON_IsString(json) && *type == NULL)
		{
			*type = json->valuestring;
			*key = objects[i];
		}
		else if (json != NULL && found == NULL)
		{
			found = json;
			*key = objects[i];
		}
	}
	if (*type == NULL && found != NULL)
	{
		word = cJSON_GetObjectItemCaseSensitive(found, "type");
		*type = cJSON_IsString(word) ? word->valuestring : NULL;
	}
	return found;
}

/* Copies a member of the details, or the node's own parameter of that name; false if it is nowhere. */
static bool
copy_auth_member(JoVisual *visual, JoVisualNode *node, const cJSON *details, const char *key,
				 const char *name, const char *native, StringInfo keys)
{
	const cJSON *json = cJSON_GetObjectItemCaseSensitive(details, name);
	JoVisualPlace place;
	JoPath		path;
	char	   *value;

	if (json == NULL)
	{
		json = jo_visual_take1(visual, node, name);
		key = name;
	}
	if (json == NULL)
		return false;
	jo_visual_place(visual, node, key, &place, &path);
	value = jo_visual_value(&place, json);
	if (value != NULL)
		appendStringInfo(keys, ",\"%s\":%s", native, value);
	return true;
}

static void
check_auth_keys(JoVisual *visual, JoVisualNode *node, const cJSON *details, const char *key)
{
	static const char *const known[] = {
		"type", "username", "password", "token", "api_key", "header_name", NULL
	};
	const cJSON *child;

	cJSON_ArrayForEach(child, details)
		if (jo_words_find(child->string, known) < 0)
			jo_visual_report(visual, node, "unknown_key", key, jo_words_suggest(child->string, known),
							 "authentication has no \"%s\"", jo_words_show(child->string));
}

static void
copy_auth(JoVisual *visual, JoVisualNode *node, StringInfo keys)
{
	static const struct
	{
		const char *type;
		const char *names[2][2];
	}			kinds[] = {
		{"basic", {{"username", "username"}, {"password", "password"}}},
		{"digest", {{"username", "username"}, {"password", "password"}}},
		{"bearer", {{"token", "token"}, {NULL, NULL}}},
		{"api_key", {{"api_key", "key"}, {NULL, NULL}}},
	};
	const char *type;
	const char *key = "auth";
	const cJSON *details = find_auth(visual, node, &type, &key);

	if (details != NULL && !cJSON_IsObject(details))
		jo_visual_report(visual, node, "schema_error", key, NULL, "an object was expected");
	if (type == NULL || strcmp(type, "none") == 0)
	{
		if (type == NULL && details != NULL)
			jo_visual_report(visual, node, "missing_key", key, NULL, "the authentication has no type");
		return;
	}
	check_auth_keys(visual, node, details, key);
	for (int i = 0; i < (int) lengthof(kinds); i++)
	{
		if (strcmp(type, kinds[i].type) != 0)
			continue;
		appendStringInfo(keys, ",\"auth\":{\"type\":\"%s\"", type);
		for (int k = 0; k < 2 && kinds[i].names[k][0] != NULL; k++)
			if (!copy_auth_member(visual, node, details, key, kinds[i].names[k][0], kinds[i].names[k][1], keys))
				jo_visual_report(visual, node, "missing_key", key, NULL, "authentication \"%s\" needs \"%s\"",
								 type, kinds[i].names[k][0]);
		if (strcmp(type, "api_key") == 0 &&
			!copy_auth_member(visual, node, details, key, "header_name", "header", keys))
			appendStringInfoString(keys, ",\"header\":\"X-API-Key\"");
		appendStringInfoChar(keys, '}');
		return;
	}
	jo_visual_report(visual, node, "invalid_value", key, "Kinds are none, basic, digest, bearer and api_key.",
					 "there is no authentication \"%s\"", jo_words_show(type));
}

/* ---- HTTP ---- */

/* Designers follow up to five redirects unless they say something else. */
static void
copy_redirects(JoVisual *visual, JoVisualNode *node, StringInfo keys)
{
	static const char *const names[] = {"max_redirects", NULL};
	const cJSON *follow = jo_visual_take1(visual, node, "follow_redirects");
	char	   *max = jo_visual_value_of(visual, node, names);

	if (follow != NULL && !cJSON_IsBool(follow))
		jo_visual_report(visual, node, "invalid_value", "follow_redirects", NULL, "true or false was expected, not %s",
						 jo_words_show(jo_json_print(follow)));
	else
		appendStringInfo(keys, ",\"redirects\":%s", cJSON_IsFalse(follow) ? "0" : max ? max : "5");
}

void
jo_visual_http(JoVisual *visual, JoVisualNode *node)
{
	StringInfoData keys;

	initStringInfo(&keys);
	jo_visual_copy_params(visual, node, node->type->params, &keys);
	copy_auth(visual, node, &keys);
	if (strcmp(node->type->native, "http") == 0)
		copy_redirects(visual, node, &keys);
	jo_visual_copy_common(visual, node, &keys);
	jo_visual_copy_metadata(visual, node, NULL, &keys);
	jo_visual_add_step(visual, node, psprintf(",\"type\":\"%s\"%s", node->type->native, keys.data));
}

/* ---- messages ---- */

static const char *const priorities[] = {"low", "normal", "high", "critical", "urgent", NULL};

/* As mail programs know it, in the order of priorities. */
static const char *const importances[] = {"low", "normal", "high", "high", "high"};

static const JoVisualParam email_params[] = {
	{"to", JO_PARAM_LIST, true, 0, 0, NULL, {"recipients", "to", NULL}},
	{"cc", JO_PARAM_LIST, false, 0, 0, NULL, {"cc", NULL}},
	{"bcc", JO_PARAM_LIST, false, 0, 0, NULL, {"bcc", NULL}},
	{"from", JO_PARAM_TEXT, false, 0, 0, NULL, {"from", "sender", NULL}},
	{"subject", JO_PARAM_TEXT, false, 0, 0, NULL, {"subject", NULL}},
	{"body", JO_PARAM_TEXT, false, 0, 0, NULL, {"message", "body", NULL}},
	{"attachments", JO_PARAM_LIST, false, 0, 0, NULL, {"attachments", NULL}},
	{NULL, JO_PARAM_VALUE, false, 0, 0, NULL, {NULL}}
};

static const JoVisualParam message_params[] = {
	{"text", JO_PARAM_TEXT, false, 0, 0, NULL, {"message", "text", "body", NULL}},
	{"channel", JO_PARAM_TEXT, false, 0, 0, NULL, {"channel", NULL}},
	{"subject", JO_PARAM_TEXT, false, 0, 0, NULL, {"subject", NULL}},
	{"recipients", JO_PARAM_LIST, false, 0, 0, NULL, {"recipients", "to", NULL}},
	{"priority", JO_PARAM_WORD, false, 0, 0, priorities, {"priority", NULL}},
	{"username", JO_PARAM_TEXT, false, 0, 0, NULL, {"username", NULL}},
	{"template", JO_PARAM_VALUE, false, 0, 0, NULL, {"template", NULL}},
	{"attachments", JO_PARAM_LIST, false, 0, 0, NULL, {"attachments", NULL}},
	{NULL, JO_PARAM_VALUE, false, 0, 0, NULL, {NULL}}
};

/* What is told when: the edges that lead here say it too. */
static void
apply_send_on(JoVisual *visual, JoVisualNode *node)
{
	static const char *const words[] = {"success", "failure", "always", NULL};
	const cJSON *json = jo_visual_take1(visual, node, "send_on");
	const cJSON *child = cJSON_IsArray(json) ? json->child : json;
	bool		on[3] = {false, false, false};

	for (; child != NULL; child = cJSON_IsArray(json) ? child->next : NULL)
	{
		int			found = cJSON_IsString(child) ? jo_words_find(child->valuestring, words) : -1;

		if (found < 0)
			jo_visual_report(visual, node, "invalid_value", "send_on", NULL, "%s is not one of: %s",
							 jo_words_show(jo_json_print(child)), jo_words_join(words));
		else
			on[found] = true;
	}
	if (!on[1] || on[2])
		return;
	for (int i = 0; i < visual->nedges; i++)
	{
		JoVisualEdge *edge = &visual->edges[i];

		if (edge->to != node->index || edge->on != JO_VISUAL_ALWAYS ||
			visual->nodes[edge->from].type->role != JO_VISUAL_WORK)
			continue;
		visual->nodes[edge->from].fails_over = true;
		if (!on[0])
			edge->on = JO_VISUAL_FAILURE;
		else
			jo_visual_add_edge(visual, edge->from, edge->to, JO_VISUAL_FAILURE, NULL, edge->path);
	}
}

static void
copy_importance(JoVisual *visual, JoVisualNode *node, StringInfo keys)
{
	static const char *const names[] = {"priority", "importance", NULL};
	const cJSON *json = cJSON_GetObjectItemCaseSensitive(node->config, names[0]);
	const char *word;

	if (json == NULL)
		json = cJSON_GetObjectItemCaseSensitive(node->config, names[1]);
	if (cJSON_IsString(json) && strstr(json->valuestring, "{{") == NULL)
	{
		word = jo_visual_word(visual, node, names, priorities, NULL);
		if (word != NULL)
			appendStringInfo(keys, ",\"headers\":{\"Importance\":\"%s\"}",
							 importances[jo_words_find(word, priorities)]);
	}
	else if (json != NULL)
		appendStringInfo(keys, ",\"headers\":{\"Importance\":%s}", jo_visual_value_of(visual, node, names));
}

static void
copy_email(JoVisual *visual, JoVisualNode *node, StringInfo keys)
{
	const cJSON *template = jo_visual_take1(visual, node, "template");

	appendStringInfoString(keys, ",\"type\":\"email\"");
	jo_visual_copy_params(visual, node, email_params, keys);
	copy_importance(visual, node, keys);
	if (cJSON_IsString(template) && *template->valuestring != '\0')
		jo_visual_warn(visual, node, "ignored_key", "template", "Write the text of the mail in \"message\".",
					   "there are no templates of mails here: \"%s\" is not looked for",
					   jo_words_show(template->valuestring));
}

/* What is no mail: to a URL, to who listens to a channel of the database, or to who claims it. */
static void
copy_message(JoVisual *visual, JoVisualNode *node, const char *kind, StringInfo keys)
{
	static const char *const urls[] = {"webhook_url", "url", NULL};
	char	   *url = jo_visual_value_of(visual, node, urls);
	StringInfoData payload;

	initStringInfo(&payload);
	jo_visual_copy_params(visual, node, message_params, &payload);
	if (url != NULL)
		appendStringInfo(keys, ",\"type\":\"webhook\",\"url\":%s", url);
	else if (strcmp(kind, "webhook") == 0)
		jo_visual_report(visual, node, "missing_key", "webhook_url", NULL,
						 "a notification by webhook needs this parameter");
	else if (strcmp(kind, "sms") == 0)
		appendStringInfoString(keys, ",\"type\":\"external\",\"task\":\"notification.sms\"");
	else
		appendStringInfo(keys, ",\"type\":\"notify\",\"channel\":\"%s\"", kind);
	appendStringInfo(keys, ",\"payload\":{%s}", payload.len > 0 ? payload.data + 1 : "");
}

void
jo_visual_notification(JoVisual *visual, JoVisualNode *node)
{
	static const char *const kinds[] = {"email", "slack", "teams", "webhook", "sms", NULL};
	static const char *const names[] = {"notification_type", NULL};
	const char *kind = strcmp(node->type->name, "integration.slack") == 0 ? "slack" : "email";
	StringInfoData keys;

	if (strcmp(node->type->name, "action.notification") == 0)
		kind = jo_visual_word(visual, node, names, kinds, "email");
	apply_send_on(visual, node);
	initStringInfo(&keys);
	if (strcmp(kind, "email") == 0)
		copy_email(visual, node, &keys);
	else
		copy_message(visual, node, kind, &keys);
	jo_visual_copy_common(visual, node, &keys);
	jo_visual_copy_metadata(visual, node, NULL, &keys);
	jo_visual_add_step(visual, node, keys.data);
}

/* ---- SQL ---- */

void
jo_visual_database(JoVisual *visual, JoVisualNode *node)
{
	static const char *const kinds[] = {"postgresql", "postgres", NULL};
	static const char *const operations[] = {"select", "insert", "update", "delete", "execute", "query", NULL};
	static const char *const kind_names[] = {"database_type", NULL};
	static const char *const operation_names[] = {"operation_type", "operation", NULL};
	static const char *const query_names[] = {"query", "sql", NULL};
	const cJSON *connection = jo_visual_take1(visual, node, "connection_string");
	const cJSON *kind = jo_visual_take(visual, node, kind_names, NULL);
	const char *key;
	const cJSON *query = jo_visual_take(visual, node, query_names, &key);
	const cJSON *fetch = jo_visual_take1(visual, node, "fetch_results");
	StringInfoData keys;
	JoVisualPlace place;
	JoPath		path;
	char	   *sql = NULL;

	if ((connection != NULL && !(cJSON_IsString(connection) && *connection->valuestring == '\0')) ||
		(kind != NULL && !(cJSON_IsString(kind) && jo_words_find(kind->valuestring, kinds) >= 0)))
		jo_visual_report(visual, node, "not_supported", connection ? "connection_string" : "database_type",
						 "Reach the other server by a foreign table, or by dblink in the query.",
						 "queries run in the database of the job only");
	jo_visual_word(visual, node, operation_names, operations, NULL);
	initStringInfo(&keys);
	if (!cJSON_IsString(query) || *query->valuestring == '\0')
		jo_visual_report(visual, node, "missing_key", "query", NULL, "the query, a text, is missing");
	else
	{
		jo_visual_place(visual, node, key, &place, &path);
		sql = jo_visual_sql_text(&place, query->valuestring);
	}
	if (sql != NULL)
		appendStringInfo(&keys, ",\"type\":\"sql\",\"sql\":%s", jo_visual_string(sql));
	if (cJSON_IsFalse(fetch))
		appendStringInfoString(&keys, ",\"output\":\"none\"");
	jo_visual_copy_common(visual, node, &keys);
	jo_visual_copy_metadata(visual, node, NULL, &keys);
	jo_visual_add_step(visual, node, keys.data);
}
