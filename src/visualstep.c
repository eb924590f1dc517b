/*
 * visualstep.c
 *		What the types of nodes have in common: parameters that become keys of a
 *		step, retry, time-out, names.
 *
 * A leaf.
 */
#include "visualparse.h"

#include <math.h>
#include <string.h>

#define MAX_SECONDS 3600
#define MAX_HTTP_SECONDS 300
#define MAX_RETRIES 5
#define MAX_RETRY_SECONDS 300
#define DEFAULT_RETRY_SECONDS 5

char *
jo_visual_string(const char *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	jo_json_append_string(&buf, text);
	return buf.data;
}

void
jo_visual_place(JoVisual *visual, JoVisualNode *node, const char *key, JoVisualPlace *place, JoPath *path)
{
	memset(place, 0, sizeof(*place));
	path->up = node->config_path;
	path->key = key;
	path->index = 0;
	place->visual = visual;
	place->node = node;
	place->path = path;
	place->key = key;
	place->previous = JO_VISUAL_NONE;
	place->region = node->region;
}

/* A name of a step that nothing else has; other nodes' ids are taken too. */
char *
jo_visual_unique_name(JoVisual *visual, const char *wanted)
{
	char	   *name = pnstrdup(wanted, JO_MAX_NAME);
	bool		taken = true;

	for (int number = 2; taken; number++)
	{
		taken = jo_visual_find_node(visual, name) >= 0;
		for (int i = 0; i < visual->nnames && !taken; i++)
			taken = strcmp(visual->names[i], name) == 0;
		if (taken)
			name = psprintf("%.*s_%d", JO_MAX_NAME - 6, wanted, number);
	}
	if (visual->nnames >= visual->names_capacity)
	{
		visual->names_capacity = visual->names_capacity ? visual->names_capacity * 2 : 16;
		visual->names = visual->names
			? repalloc(visual->names, visual->names_capacity * sizeof(char *))
			: palloc(visual->names_capacity * sizeof(char *));
	}
	visual->names[visual->nnames++] = name;
	return name;
}

JoVisualStep *
jo_visual_add_step(JoVisual *visual, JoVisualNode *node, const char *keys)
{
	JoVisualStep *step = palloc0(sizeof(JoVisualStep));
	JoVisualStep **last = &node->steps;
	int			number = 0;

	for (; *last != NULL; last = &(*last)->next)
		number++;
	step->name = node->ntargets > 1
		? jo_visual_unique_name(visual, psprintf("%s_%d", node->id, number)) : pstrdup(node->id);
	step->keys = pstrdup(keys);
	*last = step;
	return step;
}

void
jo_visual_ignore(JoVisual *visual, JoVisualNode *node, const char *const *names)
{
	for (; *names != NULL; names++)
		jo_visual_take1(visual, node, *names);
}

/* ---- values ---- */

/* The data connection that leads to one of these inputs, or NULL. */
static JoVisualData *
find_data(JoVisualNode *node, const char *const *names)
{
	for (JoVisualData *data = node->data; data != NULL; data = data->next)
		if (jo_words_find(data->input, names) >= 0)
		{
			data->used = true;
			return data;
		}
	return NULL;
}

static char *
take_data(JoVisual *visual, JoVisualNode *node, const char *const *names, bool configured)
{
	JoVisualData *data = find_data(node, names);
	JoVisualPlace place;
	JoPath		path;
	char	   *template;

	if (data == NULL)
		return NULL;
	if (configured)
		jo_visual_warn(visual, node, "overridden_key", data->input, NULL,
					   "the data connection from node \"%s\" takes the place of what is configured",
					   visual->nodes[data->from].id);
	jo_visual_place(visual, node, data->input, &place, &path);
	template = jo_visual_data_template(&place, data);
	return template ? jo_visual_string(psprintf("{{ %s }}", template)) : NULL;
}

char *
jo_visual_value_of(JoVisual *visual, JoVisualNode *node, const char *const *names)
{
	const char *key;
	const cJSON *json = jo_visual_take(visual, node, names, &key);
	char	   *value = take_data(visual, node, names, json != NULL);
	JoVisualPlace place;
	JoPath		path;

	if (value != NULL || json == NULL)
		return value;
	jo_visual_place(visual, node, key, &place, &path);
	return jo_visual_value(&place, json);
}

static bool
has_template(const cJSON *json)
{
	return cJSON_IsString(json) &&
		(strstr(json->valuestring, "{{") != NULL || strstr(json->valuestring, "${") != NULL);
}

static bool
refuse_value(JoVisual *visual, const JoVisualNode *node, const char *key, const cJSON *json,
			 const char *wanted)
{
	jo_visual_report(visual, node, "invalid_value", key, NULL, "%s was expected, not %s", wanted,
					 jo_words_show(jo_json_print(json)));
	return false;
}

/* A number, also one in a string. */
static bool
read_number(const cJSON *json, double *number)
{
	char	   *rest;

	if (cJSON_IsNumber(json))
	{
		*number = json->valuedouble;
		return true;
	}
	if (!cJSON_IsString(json) || *json->valuestring == '\0')
		return false;
	*number = strtod(json->valuestring, &rest);
	return *rest == '\0' && isfinite(*number);
}

static bool
read_integer(JoVisual *visual, const JoVisualNode *node, const char *key, const cJSON *json,
			 int min, int max, int *value)
{
	double		number;

	if (!read_number(json, &number) || number != floor(number) || number < min || number > max)
		return refuse_value(visual, node, key, json, psprintf("a whole number from %d to %d", min, max));
	*value = (int) number;
	return true;
}

static int
compare_folded(const char *a, const char *b)
{
	for (; *a != '\0' && *b != '\0'; a++, b++)
	{
		int			x = (*a >= 'A' && *a <= 'Z') ? *a + 32 : *a;
		int			y = (*b >= 'A' && *b <= 'Z') ? *b + 32 : *b;

		if (x != y)
			return x - y;
	}
	return *a - *b;
}

static const char *
find_word(JoVisual *visual, const JoVisualNode *node, const char *key, const cJSON *json,
		  const char *const *words)
{
	if (cJSON_IsString(json))
	{
		for (int i = 0; words[i] != NULL; i++)
			if (compare_folded(json->valuestring, words[i]) == 0)
				return words[i];
		jo_visual_report(visual, node, "invalid_value", key, jo_words_suggest(json->valuestring, words),
						 "\"%s\" is not one of: %s", jo_words_show(json->valuestring), jo_words_join(words));
	}
	else
		refuse_value(visual, node, key, json, psprintf("one of %s", jo_words_join(words)));
	return NULL;
}

const char *
jo_visual_word(JoVisual *visual, JoVisualNode *node, const char *const *names,
			   const char *const *words, const char *fallback)
{
	const char *key;
	const cJSON *json = jo_visual_take(visual, node, names, &key);
	const char *word = json ? find_word(visual, node, key, json, words) : NULL;

	return word ? word : fallback;
}

/* [{"name": "Accept", "value": "x"}] as an object. */
static char *
read_pairs(const JoVisualPlace *place, const cJSON *json)
{
	const cJSON *child;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '{');
	cJSON_ArrayForEach(child, json)
	{
		const cJSON *name = cJSON_GetObjectItemCaseSensitive(child, "name");
		const cJSON *value = cJSON_GetObjectItemCaseSensitive(child, "value");
		char	   *text;

		if (name == NULL)
			name = cJSON_GetObjectItemCaseSensitive(child, "key");
		if (!cJSON_IsString(name) || value == NULL)
		{
			jo_visual_report_at(place, "invalid_value", NULL, "an object was expected, or a list of names and values");
			return NULL;
		}
		text = jo_visual_value(place, value);
		if (text == NULL)
			return NULL;
		appendStringInfo(&buf, "%s%s:%s", child == json->child ? "" : ",",
						 jo_visual_string(name->valuestring), text);
	}
	appendStringInfoChar(&buf, '}');
	return buf.data;
}

/* A parameter's value in the form of its kind, NULL after a finding. */
static char *
convert_param(JoVisual *visual, JoVisualNode *node, const JoVisualParam *param, const char *key,
			  const cJSON *json)
{
	JoVisualPlace place;
	JoPath		path;
	const char *word;
	char	   *text;
	int			number;

	jo_visual_place(visual, node, key, &place, &path);
	if (has_template(json))
	{
		text = jo_visual_value(&place, json);
		return (text && param->kind == JO_PARAM_LIST) ? psprintf("[%s]", text) : text;
	}
	switch (param->kind)
	{
		case JO_PARAM_TEXT:
			if (!cJSON_IsString(json) || (param->required && *json->valuestring == '\0'))
				{
				refuse_value(visual, node, key, json, "a text");
				return NULL;
			}
			break;
		case JO_PARAM_INTEGER:
			return read_integer(visual, node, key, json, param->min, param->max, &number)
				? psprintf("%d", number) : NULL;
		case JO_PARAM_BOOL:
			if (!cJSON_IsBool(json))
				{
				refuse_value(visual, node, key, json, "true or false");
				return NULL;
			}
			break;
		case JO_PARAM_WORD:
			word = find_word(visual, node, key, json, param->words);
			return word ? jo_visual_string(word) : NULL;
		case JO_PARAM_LIST:
			text = jo_visual_value(&place, json);
			return (text && !cJSON_IsArray(json)) ? psprintf("[%s]", text) : text;
		case JO_PARAM_OBJECT:
			if (cJSON_IsArray(json))
				return read_pairs(&place, json);
			if (!cJSON_IsObject(json))
				{
				refuse_value(visual, node, key, json, "an object");
				return NULL;
			}
			break;
		case JO_PARAM_VALUE:
			break;
	}
	return jo_visual_value(&place, json);
}

void
jo_visual_copy_param(JoVisual *visual, JoVisualNode *node, const JoVisualParam *param, StringInfo keys)
{
	const char *key;
	const cJSON *json = jo_visual_take(visual, node, param->names, &key);
	char	   *value = take_data(visual, node, param->names, json != NULL);

	if (value == NULL && json != NULL)
		value = convert_param(visual, node, param, key, json);
	else if (value == NULL && param->required)
		jo_visual_report(visual, node, "missing_key", param->names[0], NULL,
						 "a node of type \"%s\" needs this parameter", node->type->name);
	if (value != NULL)
		appendStringInfo(keys, ",\"%s\":%s", param->native, value);
}

void
jo_visual_copy_params(JoVisual *visual, JoVisualNode *node, const JoVisualParam *params, StringInfo keys)
{
	for (; params != NULL && params->native != NULL; params++)
		jo_visual_copy_param(visual, node, params, keys);
}

/* ---- what every node may have ---- */

static void
copy_retry(JoVisual *visual, JoVisualNode *node, StringInfo keys)
{
	static const char *const counts[] = {"retry_count", "retries", "max_retries", NULL};
	static const char *const delays[] = {"retry_delay", "retry_delay_sec", "retry_delay_seconds", NULL};
	const char *key;
	const cJSON *json = jo_visual_take(visual, node, counts, &key);
	int			count = 0;
	int			delay = DEFAULT_RETRY_SECONDS;

	if (json != NULL)
		read_integer(visual, node, key, json, 0, MAX_RETRIES, &count);
	json = jo_visual_take(visual, node, delays, &key);
	if (json != NULL)
		read_integer(visual, node, key, json, 1, MAX_RETRY_SECONDS, &delay);
	/* who is told "no" by a web server is told so again */
	if (count > 0)
		appendStringInfo(keys, ",\"retry\":{\"max_attempts\":%d,\"backoff\":\"fixed\",\"initial\":%d%s}",
						 count + 1, delay,
						 node->type->native && strcmp(node->type->native, "webhook") == 0
						 ? ",\"not_on\":[\"client\"]" : "");
}

void
jo_visual_copy_common(JoVisual *visual, JoVisualNode *node, StringInfo keys)
{
	static const char *const timeouts[] = {"timeout", "timeout_seconds", "timeout_sec", NULL};
	static const char *const going_on[] = {"continue_on_error", "continue_on_failure", NULL};
	bool		http = node->type->native && strcmp(node->type->native, "http") == 0;
	const char *key;
	const cJSON *json = jo_visual_take(visual, node, timeouts, &key);
	int			timeout = node->item_timeout ? node->item_timeout : node->type->timeout;

	if (json != NULL)
		read_integer(visual, node, key, json, 1, http ? MAX_HTTP_SECONDS : MAX_SECONDS, &timeout);
	if (timeout > 0)
		appendStringInfo(keys, ",\"timeout\":%d", timeout);
	copy_retry(visual, node, keys);
	json = jo_visual_take(visual, node, going_on, &key);
	if (json != NULL && !cJSON_IsBool(json))
		refuse_value(visual, node, key, json, "true or false");
	node->goes_on = cJSON_IsTrue(json);
	json = jo_visual_take1(visual, node, "description");
	if (json == NULL)
		json = cJSON_GetObjectItemCaseSensitive(node->json, "description");
	if (cJSON_IsString(json) && *json->valuestring != '\0')
		appendStringInfo(keys, ",\"description\":%s", jo_visual_string(json->valuestring));
}

void
jo_visual_copy_metadata(JoVisual *visual, JoVisualNode *node, const char *more, StringInfo keys)
{
	static const char *const names[] = {"name", "label", "title", NULL};
	const cJSON *json = NULL;
	bool		labelled;

	for (int i = 0; names[i] != NULL; i++)
	{
		const cJSON *own = jo_visual_take1(visual, node, names[i]);

		if (json == NULL)
			json = own ? own : cJSON_GetObjectItemCaseSensitive(node->json, names[i]);
	}
	labelled = cJSON_IsString(json) && *json->valuestring != '\0';
	if (!labelled && more == NULL)
		return;
	appendStringInfoString(keys, ",\"metadata\":{");
	if (labelled)
		appendStringInfo(keys, "\"label\":%s%s", jo_visual_string(json->valuestring), more ? "," : "");
	appendStringInfo(keys, "%s}", more ? more : "");
}

void
jo_visual_read_targets(JoVisual *visual, JoVisualNode *node)
{
	static const char *const lists[] = {"targets", "target_ids", NULL};
	static const char *const singles[] = {"target", "target_id", NULL};
	const cJSON *list = jo_visual_take(visual, node, lists, NULL);
	const cJSON *single = jo_visual_take(visual, node, singles, NULL);
	const cJSON *from = (list != NULL && (!cJSON_IsArray(list) || list->child != NULL)) ? list : single;
	const cJSON *child;

	if (from == NULL)
		return;
	if (from == list && single != NULL)
		jo_visual_report(visual, node, "duplicate_key", "target", NULL,
						 "\"targets\" and \"target\" are the same parameter");
	if (!cJSON_IsArray(from))
	{
		node->targets = palloc(sizeof(cJSON *));
		node->targets[node->ntargets++] = from;
		return;
	}
	node->targets = palloc((cJSON_GetArraySize(from) + 1) * sizeof(cJSON *));
	cJSON_ArrayForEach(child, from)
		node->targets[node->ntargets++] = child;
}
