/*
 * definput.c
 *		The shape of a job's "input": the part of JSON Schema that is supported.
 *
 * A leaf.  Values are checked against the schema when a run starts, on jsonb;
 * here only the schema itself is, so that no keyword is ever ignored.  As a
 * by-product it notes each declared property by the path that templates use.
 */
#include "defparse.h"

#include <stdlib.h>
#include <string.h>

/* Bounds on what is searched by name and kept by path. */
#define MAX_REQUIRED 1000
#define MAX_PROPERTIES 10000

static const char *const keywords[] = {
	"type", "properties", "required", "default", "enum", "minimum", "maximum", "minLength",
	"maxLength", "pattern", "items", "format", "description", "title", "additionalProperties",
	"examples", NULL
};

static const char *const types[] = {
	"string", "integer", "number", "boolean", "array", "object", "null", NULL
};

/* SQL types of them. */
static const char *const sql_types[] = {
	"text", "bigint", "numeric", "boolean", "jsonb", "jsonb", NULL
};

static const char *const formats[] = {"date", "date-time", "uuid", NULL};
static const char *const format_types[] = {"date", "timestamptz", "uuid"};

static void read_schema(JoDefReader *reader, const cJSON *json, const JoPath *path,
						const char *value_path);

/*
 * "type": a word or an array of words.  *type becomes its index if it is one
 * type, null not counted; -1 if nothing can be said.
 */
static void
read_type(JoDefReader *reader, const cJSON *json, const JoPath *path, int *type)
{
	const cJSON *child;
	int			index = 0;
	int			nothers = 0;

	*type = -1;
	if (!cJSON_IsArray(json))
	{
		jo_def_word(reader, json, path, types, type);
		return;
	}
	if (json->child == NULL)
		jo_def_report(reader, "invalid_value", path, NULL, "\"type\" names no type");
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, NULL, index++};
		int			word;

		if (!jo_def_word(reader, child, &at, types, &word) || strcmp(types[word], "null") == 0)
			continue;
		*type = word;
		nothers++;
	}
	if (nothers > 1)
		*type = -1;
}

static const char *
read_format(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const char *format = jo_def_string(reader, json, path);
	int			found;
	char	   *suggestion;

	if (format == NULL)
		return NULL;
	found = jo_words_find(format, formats);
	if (found >= 0)
		return format_types[found];
	suggestion = jo_words_suggest(format, formats);
	jo_def_report(reader, "not_supported", path, suggestion,
				  "the format \"%s\" is not supported; formats are: %s", jo_words_show(format),
				  jo_words_join(formats));
	return NULL;
}

static void
read_limits(JoDefReader *reader, const cJSON *json, const JoPath *path,
			const char *low_key, const char *high_key, bool lengths)
{
	double		low = 0;
	double		high = 0;
	bool		has_low = false;
	bool		has_high = false;
	double		least = lengths ? 0 : -1e308;
	const cJSON *member;
	JoPath		at;

	if ((member = jo_def_get(json, path, low_key, &at)) != NULL)
		has_low = jo_def_number(reader, member, &at, least, 1e308, &low);
	if ((member = jo_def_get(json, path, high_key, &at)) != NULL)
		has_high = jo_def_number(reader, member, &at, least, 1e308, &high);
	if (has_low && has_high && low > high)
		jo_def_report(reader, "invalid_value", path, NULL, "\"%s\" is greater than \"%s\"",
					  low_key, high_key);
}

/* "required": texts; a name that "properties" does not have is surely a mistake. */
static void
read_required(JoDefReader *reader, const cJSON *json, const JoPath *path, const cJSON *properties)
{
	const cJSON *child;
	int			index = 0;

	if (!cJSON_IsArray(json))
	{
		jo_def_report(reader, "schema_error", path, "Write [\"name\", ...] beside \"properties\".",
					  "an array of names was expected");
		return;
	}
	if (cJSON_GetArraySize(json) > MAX_REQUIRED)
	{
		jo_def_report(reader, "limit_exceeded", path, NULL, "more than %d required names", MAX_REQUIRED);
		return;
	}
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, NULL, index++};
		const char *name = jo_def_string(reader, child, &at);

		if (name != NULL && properties != NULL &&
			cJSON_GetObjectItemCaseSensitive(properties, name) == NULL)
			jo_def_warn(reader, "unknown_reference", &at, NULL,
						"\"%s\" is required but is not in \"properties\"", jo_words_show(name));
	}
}

static void
note_input(JoDefReader *reader, char *path, const char *type)
{
	if (reader->ninputs >= reader->inputs_capacity)
	{
		reader->inputs_capacity = reader->inputs_capacity ? reader->inputs_capacity * 2 : 16;
		reader->inputs = reader->inputs
			? repalloc(reader->inputs, reader->inputs_capacity * sizeof(JoInputType))
			: palloc(reader->inputs_capacity * sizeof(JoInputType));
	}
	reader->inputs[reader->ninputs].path = path;
	reader->inputs[reader->ninputs++].type = type;
}

/* value_path: how templates read the value that holds these properties; NULL: they cannot. */
static void
read_properties(JoDefReader *reader, const cJSON *json, const JoPath *path, const char *value_path)
{
	const cJSON *child;

	if (!jo_def_object(reader, json, path))
		return;
	if (cJSON_GetArraySize(json) > MAX_PROPERTIES - reader->ninputs)
	{
		jo_def_report(reader, "limit_exceeded", path, NULL, "more than %d declared properties",
					  MAX_PROPERTIES);
		return;
	}
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, child->string, 0};
		StringInfoData name;

		if (value_path == NULL || strlen(child->string) > JO_MAX_NAME)
		{
			read_schema(reader, child, &at, NULL);
			continue;
		}
		initStringInfo(&name);
		appendStringInfo(&name, "%s.", value_path);
		jo_json_append_string(&name, child->string);
		read_schema(reader, child, &at, name.data);
	}
}

/* Keywords that say something of the value, but for the type. */
static void
read_assertions(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const char *const texts[] = {"pattern", "description", "title"};
	const cJSON *member;
	JoPath		at;
	bool		open;

	for (int i = 0; i < (int) lengthof(texts); i++)
		if ((member = jo_def_get(json, path, texts[i], &at)) != NULL)
			jo_def_string(reader, member, &at);
	read_limits(reader, json, path, "minimum", "maximum", false);
	read_limits(reader, json, path, "minLength", "maxLength", true);
	if ((member = jo_def_get(json, path, "enum", &at)) != NULL &&
		(!cJSON_IsArray(member) || member->child == NULL))
		jo_def_report(reader, "schema_error", &at, NULL, "an array of at least one value was expected");
	if ((member = jo_def_get(json, path, "examples", &at)) != NULL && !cJSON_IsArray(member))
		jo_def_report(reader, "schema_error", &at, NULL, "an array was expected");
	if ((member = jo_def_get(json, path, "additionalProperties", &at)) != NULL)
	{
		if (cJSON_IsObject(member))
			jo_def_report(reader, "not_supported", &at, NULL,
						  "\"additionalProperties\" can only be true or false");
		else
			jo_def_bool(reader, member, &at, &open);
	}
}

static void
check_keywords(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	bool		bare = (cJSON_GetObjectItemCaseSensitive(json, "properties") == NULL);
	const cJSON *child;

	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, child->string, 0};
		const char *name;
		char	   *suggestion;

		if (jo_words_find(child->string, keywords) >= 0 || reader->findings->n > JO_MAX_FINDINGS)
			continue;
		name = jo_words_show(child->string);
		suggestion = jo_words_suggest(child->string, keywords);
		if (suggestion == NULL && bare && cJSON_IsObject(child))
			suggestion = psprintf("Declare parameters under \"properties\": {\"properties\": {\"%s\": {...}}}.",
								  name);
		jo_def_report(reader, "not_supported", &at, suggestion,
					  "the schema keyword \"%s\" is not supported", name);
	}
}

/* One schema; value_path as in read_properties(), of the value it describes. */
static void
read_schema(JoDefReader *reader, const cJSON *json, const JoPath *path, const char *value_path)
{
	const cJSON *properties;
	const cJSON *member;
	const char *sql_type = NULL;
	const char *format = NULL;
	int			type = -1;
	JoPath		at;

	if (!jo_def_object(reader, json, path))
		return;
	check_keywords(reader, json, path);
	if ((member = jo_def_get(json, path, "type", &at)) != NULL)
		read_type(reader, member, &at, &type);
	if ((member = jo_def_get(json, path, "format", &at)) != NULL)
		format = read_format(reader, member, &at);
	read_assertions(reader, json, path);
	if (type >= 0)
		sql_type = (format != NULL && strcmp(types[type], "string") == 0) ? format : sql_types[type];
	if (value_path != NULL)
		note_input(reader, pstrdup(value_path), sql_type);

	if ((properties = jo_def_get(json, path, "properties", &at)) != NULL)
		read_properties(reader, properties, &at, value_path);
	if ((member = jo_def_get(json, path, "required", &at)) != NULL)
		read_required(reader, member, &at, cJSON_IsObject(properties) ? properties : NULL);
	if ((member = jo_def_get(json, path, "items", &at)) != NULL)
		read_schema(reader, member, &at, NULL);
}

static int
compare_inputs(const void *a, const void *b)
{
	return strcmp(((const JoInputType *) a)->path, ((const JoInputType *) b)->path);
}

void
jo_def_read_input(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const cJSON *type;
	JoPath		at;

	read_schema(reader, json, path, "$.\"input\"");
	if (!cJSON_IsObject(json))
		return;
	type = jo_def_get(json, path, "type", &at);
	if (cJSON_IsString(type) && jo_words_find(type->valuestring, types) >= 0 &&
		strcmp(type->valuestring, "object") != 0)
		jo_def_report(reader, "invalid_value", &at, NULL, "a job's input is always an object");
	reader->inputs_declared = cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(json, "properties"));
	reader->inputs_closed = reader->inputs_declared &&
		cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(json, "additionalProperties"));
	if (reader->ninputs > 0)
		qsort(reader->inputs, reader->ninputs, sizeof(JoInputType), compare_inputs);
	reader->definition->input_schema = jo_json_print(json);
}

const JoInputType *
jo_def_find_input(const JoDefReader *reader, const char *path)
{
	JoInputType key = {(char *) path, NULL};

	if (reader->ninputs == 0)
		return NULL;
	return bsearch(&key, reader->inputs, reader->ninputs, sizeof(JoInputType), compare_inputs);
}
