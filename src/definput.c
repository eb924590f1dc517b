/*
 * definput.c
 *		A job's "input": the schema of the object that start() takes.
 *
 * A leaf.  Values are checked against the schema when a run starts, on jsonb; here
 * the schema itself is read (schemaread.c), and each property that it declares is
 * noted by the path that templates use.
 */
#include "schemadef.h"

#include <stdlib.h>
#include <string.h>

/* Bounds on what is kept by path; a schema that refers to itself has no end. */
#define MAX_INPUTS 10000
#define MAX_LEVELS 6
#define MAX_CHECKED 1000

/* SQL types, in the order of jo_schema_types. */
static const char *const sql_types[] = {
	"text", "bigint", "numeric", "boolean", "jsonb", "jsonb", NULL
};

void
jo_def_read_schema(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	(void) jo_schema_read(reader, json, path);
}

/* The only type but null that is allowed, in SQL; NULL if nothing can be said. */
static const char *
get_sql_type(const JoSchema *schema)
{
	int			types = schema->types & ~JO_SCHEMA_NULL;
	int			index = 0;

	if (types == 0 || (types & (types - 1)) != 0)
		return NULL;
	while ((types >> index) != 1)
		index++;
	if (types == JO_SCHEMA_STRING && schema->format != NULL)
	{
		if (strcmp(schema->format, "date") == 0)
			return "date";
		if (strcmp(schema->format, "date-time") == 0)
			return "timestamptz";
		if (strcmp(schema->format, "uuid") == 0)
			return "uuid";
	}
	return sql_types[index];
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

static const char *
get_type_of_ref(const JoSchema *schema)
{
	while (schema->types == 0 && schema->ref != NULL)
		schema = schema->ref;
	return get_sql_type(schema);
}

/* All properties of a value first, then what is inside them: the outer ones matter more. */
static void
note_properties(JoDefReader *reader, const JoSchema *schema, const char *value_path, int level)
{
	const JoSchemaMap *properties = &schema->maps[JO_SCHEMA_PROPERTIES];
	int			first = reader->ninputs;
	int			noted = 0;

	if (level >= MAX_LEVELS)
		return;
	for (int i = 0; i < properties->n && reader->ninputs < MAX_INPUTS; i++)
	{
		const JoSchemaMember *member = &properties->list[i];
		StringInfoData path;

		if (member->length > JO_MAX_NAME)
			continue;
		initStringInfo(&path);
		appendStringInfo(&path, "%s.", value_path);
		jo_json_append_string(&path, member->name);
		note_input(reader, path.data, get_type_of_ref(member->schema));
	}
	for (int i = 0; i < properties->n && first + noted < reader->ninputs; i++)
	{
		if (properties->list[i].length <= JO_MAX_NAME)
			note_properties(reader, properties->list[i].schema, reader->inputs[first + noted++].path,
							level + 1);
	}
	if (schema->ref != NULL)
		note_properties(reader, schema->ref, value_path, level);
}

static int
compare_inputs(const void *a, const void *b)
{
	return strcmp(((const JoInputType *) a)->path, ((const JoInputType *) b)->path);
}

/* May the input have properties that no "properties" beside them declares? */
static bool
declares_elsewhere(const cJSON *json)
{
	static const char *const keywords[] = {
		"$ref", "allOf", "anyOf", "oneOf", "then", "else", "dependentSchemas", "patternProperties"
	};

	for (int i = 0; i < (int) lengthof(keywords); i++)
		if (cJSON_GetObjectItemCaseSensitive(json, keywords[i]) != NULL)
			return true;
	return false;
}

/* A required name that "properties" does not have is surely a mistake. */
static void
check_required(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const cJSON *properties = cJSON_GetObjectItemCaseSensitive(json, "properties");
	const cJSON *child;
	JoPath		list;
	const cJSON *required = jo_def_get(json, path, "required", &list);
	JoPath		at = {&list, NULL, 0};

	if (!cJSON_IsObject(properties) || !cJSON_IsArray(required) || declares_elsewhere(json))
		return;
	cJSON_ArrayForEach(child, required)
	{
		if (at.index >= MAX_CHECKED)
			break;
		if (cJSON_IsString(child) &&
			cJSON_GetObjectItemCaseSensitive(properties, child->valuestring) == NULL)
			jo_def_warn(reader, "unknown_reference", &at, NULL,
						"\"%s\" is required but is not in \"properties\"",
						jo_words_show(child->valuestring));
		at.index++;
	}
}

void
jo_def_read_input(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	JoSchemaDocument *document;
	const JoSchema *schema;
	JoPath		at = {path, "type", 0};
	bool		has_properties = cJSON_GetObjectItemCaseSensitive(json, "properties") != NULL;

	if (!jo_def_object(reader, json, path))
		return;
	reader->definition->input_schema = jo_json_print(json);
	check_required(reader, json, path);
	document = jo_schema_read(reader, json, path);
	if (document == NULL)
		return;
	schema = document->root;
	if (schema->types != 0 && (schema->types & JO_SCHEMA_OBJECT) == 0)
		jo_def_report(reader, "invalid_value", &at, NULL, "a job's input is always an object");
	note_properties(reader, schema, "$.\"input\"", 0);
	if (reader->ninputs > 0)
		qsort(reader->inputs, reader->ninputs, sizeof(JoInputType), compare_inputs);
	reader->inputs_closed = has_properties && schema->maps[JO_SCHEMA_PATTERNS].n == 0 &&
		schema->parts[JO_SCHEMA_ADDITIONAL] != NULL && schema->parts[JO_SCHEMA_ADDITIONAL]->never;
	reader->inputs_declared = reader->inputs_closed ||
		(has_properties && !declares_elsewhere(json));
}

const JoInputType *
jo_def_find_input(const JoDefReader *reader, const char *path)
{
	JoInputType key = {(char *) path, NULL};

	if (reader->ninputs == 0)
		return NULL;
	return bsearch(&key, reader->inputs, reader->ninputs, sizeof(JoInputType), compare_inputs);
}
