/*
 * schemaread.c
 *		Reads a JSON Schema: every keyword of it is understood or refused.
 *
 * A leaf.  The table of keywords is the whole list of what is supported.  Strings
 * of the result are copies: the cJSON may go before it.
 */
#include "schemadef.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_REQUIRED 1000
#define DRAFT "https://json-schema.org/draft/2020-12/schema"

const char *const jo_schema_types[] = {
	"string", "integer", "number", "boolean", "array", "object", "null", NULL
};

const char *const jo_schema_formats[] = {
	"date", "date-time", "time", "duration", "uuid", "email", "hostname", "uri", "ipv4", "ipv6", NULL
};

typedef struct Reading
{
	JoDefReader *reader;
	JoSchemaDocument *document;
	JoSchemaResource *resource; /* that the schema being read belongs to */
} Reading;

/* A keyword and its value. */
typedef struct Keyword
{
	Reading    *reading;
	JoDefReader *reader;
	JoSchema   *schema;
	const cJSON *json;
	const JoPath *path;
	int			slot;			/* in the array of JoSchema that the keyword belongs to */
} Keyword;

static JoSchema *read_schema(Reading *reading, const cJSON *json, const JoPath *path);

JoSchemaMember *
jo_schema_member(const JoSchemaMap *map, const char *name, int length)
{
	int			low = 0;
	int			high = map->n;

	while (low < high)
	{
		int			middle = low + (high - low) / 2;
		JoSchemaMember *member = &map->list[middle];
		int			order = memcmp(member->name, name, Min(member->length, length));

		if (order == 0)
			order = member->length - length;
		if (order == 0)
			return member;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* ---- keywords: one function per kind of value ---- */

static void
read_type(const Keyword *keyword)
{
	const cJSON *child;
	int			index = 0;
	int			word;

	if (!cJSON_IsArray(keyword->json))
	{
		if (jo_def_word(keyword->reader, keyword->json, keyword->path, jo_schema_types, &word))
			keyword->schema->types = 1 << word;
		return;
	}
	if (keyword->json->child == NULL)
		jo_def_report(keyword->reader, "invalid_value", keyword->path, NULL, "\"type\" names no type");
	cJSON_ArrayForEach(child, keyword->json)
	{
		JoPath		at = {keyword->path, NULL, index++};

		if (jo_def_word(keyword->reader, child, &at, jo_schema_types, &word))
			keyword->schema->types |= 1 << word;
	}
}

static void
read_format(const Keyword *keyword)
{
	const char *format = jo_def_string(keyword->reader, keyword->json, keyword->path);
	int			found;

	if (format == NULL)
		return;
	found = jo_words_find(format, jo_schema_formats);
	if (found >= 0)
		keyword->schema->format = jo_schema_formats[found];
	else
		jo_def_report(keyword->reader, "not_supported", keyword->path,
					  jo_words_suggest(format, jo_schema_formats),
					  "the format \"%s\" is not supported; formats are: %s", jo_words_show(format),
					  jo_words_join(jo_schema_formats));
}

static void
read_string(const Keyword *keyword)
{
	jo_def_string(keyword->reader, keyword->json, keyword->path);
}

static void
read_flag(const Keyword *keyword)
{
	bool		flag;

	jo_def_bool(keyword->reader, keyword->json, keyword->path, &flag);
}

static void
read_unique(const Keyword *keyword)
{
	jo_def_bool(keyword->reader, keyword->json, keyword->path, &keyword->schema->unique);
}

static void
read_examples(const Keyword *keyword)
{
	if (!cJSON_IsArray(keyword->json))
		jo_def_report(keyword->reader, "schema_error", keyword->path, NULL, "an array was expected");
}

static void
read_default(const Keyword *keyword)
{
	keyword->schema->fallback.text = jo_json_print(keyword->json);
	keyword->reading->document->has_defaults = true;
}

static void
read_draft(const Keyword *keyword)
{
	const char *draft = jo_def_string(keyword->reader, keyword->json, keyword->path);

	if (draft != NULL && strcmp(draft, DRAFT) != 0 && strcmp(draft, DRAFT "#") != 0)
		jo_def_report(keyword->reader, "not_supported", keyword->path, "Write \"" DRAFT "\", or leave it out.",
					  "\"$schema\" names another draft than 2020-12");
}

static bool
is_pattern(Reading *reading, const char *pattern, const JoPath *path)
{
	const JoDefinitionHooks *hooks = reading->reader->hooks;
	char	   *error = NULL;

	if (strlen(pattern) > JO_SCHEMA_MAX_PATTERN)
	{
		jo_def_report(reading->reader, "limit_exceeded", path, NULL,
					  "the pattern has %zu bytes; at most %d are allowed", strlen(pattern),
					  JO_SCHEMA_MAX_PATTERN);
		return false;
	}
	if (hooks->check_pattern == NULL || hooks->check_pattern(pattern, &error))
		return true;
	jo_def_report(reading->reader, "invalid_value", path,
				  "Patterns are PostgreSQL's advanced regular expressions; see doc/schema.md.",
				  "%s", error);
	return false;
}

static void
read_pattern(const Keyword *keyword)
{
	const char *pattern = jo_def_string(keyword->reader, keyword->json, keyword->path);

	if (pattern != NULL && is_pattern(keyword->reading, pattern, keyword->path))
		keyword->schema->pattern.text = pstrdup(pattern);
}

/* More than zero?  Asked of the digits: a double may have lost them. */
static bool
is_positive(const char *digits)
{
	return *digits != '-' && digits[strspn(digits, "0.")] != '\0' &&
		strchr("123456789", digits[strspn(digits, "0.")]) != NULL;
}

static void
read_bound(const Keyword *keyword)
{
	if (!cJSON_IsNumber(keyword->json))
		jo_def_report(keyword->reader, "schema_error", keyword->path,
					  cJSON_IsBool(keyword->json) ? "Write the limit itself: {\"exclusiveMinimum\": 0}." : NULL,
					  "a number was expected");
	else if (keyword->slot == JO_SCHEMA_MULTIPLE_OF && !is_positive(keyword->json->valuestring))
		jo_def_report(keyword->reader, "invalid_value", keyword->path, NULL, "%s is not more than zero",
					  jo_words_show(keyword->json->valuestring));
	else
		keyword->schema->bounds[keyword->slot].text = pstrdup(keyword->json->valuestring);
}

/* Lengths and counts; what is beyond an int is beyond any value. */
static void
read_count(const Keyword *keyword)
{
	double		count;

	if (!jo_def_number(keyword->reader, keyword->json, keyword->path, 0, 1e308, &count))
		return;
	if (count != floor(count))
		jo_def_report(keyword->reader, "invalid_value", keyword->path, NULL, "%s is not a whole number",
					  jo_words_show(keyword->json->valuestring));
	else
		keyword->schema->counts[keyword->slot] = (int) Min(count, 2147483647.0);
}

static JoSchemaValues *
make_values(const cJSON *first, int n)
{
	JoSchemaValues *values = palloc0(sizeof(JoSchemaValues));

	values->texts = palloc(n * sizeof(char *));
	for (; values->n < n; first = first->next)
		values->texts[values->n++] = jo_json_print(first);
	return values;
}

static void
read_enum(const Keyword *keyword)
{
	if (!cJSON_IsArray(keyword->json) || keyword->json->child == NULL)
		jo_def_report(keyword->reader, "schema_error", keyword->path, NULL,
					  "an array of at least one value was expected");
	else
		keyword->schema->choices = make_values(keyword->json->child, cJSON_GetArraySize(keyword->json));
}

static void
read_const(const Keyword *keyword)
{
	keyword->schema->constant = make_values(keyword->json, 1);
}

static void
read_names(Reading *reading, const cJSON *json, const JoPath *path, JoSchemaNames *names)
{
	const cJSON *child;
	int			index = 0;

	if (!cJSON_IsArray(json))
	{
		jo_def_report(reading->reader, "schema_error", path,
					  "Write [\"name\", ...] beside \"properties\".",
					  "an array of names was expected");
		return;
	}
	if (cJSON_GetArraySize(json) > MAX_REQUIRED)
	{
		jo_def_report(reading->reader, "limit_exceeded", path, NULL, "more than %d required names",
					  MAX_REQUIRED);
		return;
	}
	names->names = palloc((cJSON_GetArraySize(json) + 1) * sizeof(char *));
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, NULL, index++};
		const char *name = jo_def_string(reading->reader, child, &at);

		if (name != NULL)
			names->names[names->n++] = pstrdup(name);
	}
}

static void
read_required(const Keyword *keyword)
{
	read_names(keyword->reading, keyword->json, keyword->path, &keyword->schema->required);
}

static void
read_needs(const Keyword *keyword)
{
	const cJSON *child;

	if (!jo_def_object(keyword->reader, keyword->json, keyword->path))
		return;
	keyword->schema->needs = palloc0((cJSON_GetArraySize(keyword->json) + 1) * sizeof(JoSchemaNames));
	cJSON_ArrayForEach(child, keyword->json)
	{
		JoPath		at = {keyword->path, child->string, 0};
		JoSchemaNames *names = &keyword->schema->needs[keyword->schema->nneeds++];

		names->given = pstrdup(child->string);
		read_names(keyword->reading, child, &at, names);
	}
}

/* ---- keywords that hold schemas ---- */

static void
read_part(const Keyword *keyword)
{
	if (keyword->slot == JO_SCHEMA_ITEMS && cJSON_IsArray(keyword->json))
		jo_def_report(keyword->reader, "schema_error", keyword->path,
					  "Write \"prefixItems\" for a schema of each position.",
					  "\"items\" is one schema, not an array");
	else
		keyword->schema->parts[keyword->slot] = read_schema(keyword->reading, keyword->json, keyword->path);
}

static void
read_list(const Keyword *keyword)
{
	JoSchemaList *list = &keyword->schema->lists[keyword->slot];
	const cJSON *child;

	if (!cJSON_IsArray(keyword->json) || keyword->json->child == NULL)
	{
		jo_def_report(keyword->reader, "schema_error", keyword->path, NULL,
					  "an array of at least one schema was expected");
		return;
	}
	list->list = palloc(cJSON_GetArraySize(keyword->json) * sizeof(JoSchema *));
	cJSON_ArrayForEach(child, keyword->json)
	{
		JoPath		at = {keyword->path, NULL, list->n};

		list->list[list->n++] = read_schema(keyword->reading, child, &at);
	}
}

static int
compare_members(const void *a, const void *b)
{
	return strcmp(((const JoSchemaMember *) a)->name, ((const JoSchemaMember *) b)->name);
}

static void
read_map(const Keyword *keyword)
{
	JoSchemaMap *map = &keyword->schema->maps[keyword->slot];
	const cJSON *child;

	if (!jo_def_object(keyword->reader, keyword->json, keyword->path) || keyword->json->child == NULL)
		return;
	if (cJSON_GetArraySize(keyword->json) > JO_SCHEMA_MAX_SCHEMAS)
	{
		jo_def_report(keyword->reader, "limit_exceeded", keyword->path, NULL,
					  "more than %d declared properties", JO_SCHEMA_MAX_SCHEMAS);
		return;
	}
	map->list = palloc0(cJSON_GetArraySize(keyword->json) * sizeof(JoSchemaMember));
	cJSON_ArrayForEach(child, keyword->json)
	{
		JoPath		at = {keyword->path, child->string, 0};
		JoSchemaMember *member = &map->list[map->n];

		if (keyword->slot == JO_SCHEMA_PATTERNS && !is_pattern(keyword->reading, child->string, &at))
			continue;
		member->name = pstrdup(child->string);
		member->length = (int) strlen(child->string);
		member->schema = read_schema(keyword->reading, child, &at);
		map->n++;
	}
	qsort(map->list, map->n, sizeof(JoSchemaMember), compare_members);
}

/* ---- names of schemas, and references to them ---- */

static void
read_anchor(const Keyword *keyword)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789-.";
	const char *anchor = jo_def_string(keyword->reader, keyword->json, keyword->path);

	if (anchor == NULL)
		return;
	if (strspn(anchor, first) == 0 || strspn(anchor, others) != strlen(anchor))
		jo_def_report(keyword->reader, "invalid_value", keyword->path, NULL,
					  "an anchor is made of letters, digits, \"-\", \"_\" and \".\"");
	else
		keyword->schema->anchor = pstrdup(anchor);
}

static void
read_ref(const Keyword *keyword)
{
	if (jo_def_string(keyword->reader, keyword->json, keyword->path) == NULL)
		return;
	keyword->schema->ref_text = pstrdup(keyword->json->valuestring);
	keyword->schema->ref_path = jo_def_path_text(keyword->path);
}

/*
 * "$id" begins a resource: what is below it refers to things relative to it.  One that
 * is the same as around it ("#") begins none.
 */
static void
open_resource(Reading *reading, JoSchema *schema, const char *id)
{
	JoSchemaDocument *document = reading->document;
	JoSchemaResource *outer = reading->resource;
	JoSchemaResource *resource = palloc0(sizeof(JoSchemaResource));

	resource->uri = jo_schema_uri(outer ? outer->uri : "", id);
	resource->root = schema;
	if (outer != NULL && strcmp(resource->uri, outer->uri) == 0)
		return;
	reading->resource = resource;
	if (document->nresources >= document->resources_capacity)
	{
		document->resources_capacity = Max(8, document->resources_capacity * 2);
		document->resources = document->resources
			? repalloc(document->resources, document->resources_capacity * sizeof(JoSchemaResource *))
			: palloc(document->resources_capacity * sizeof(JoSchemaResource *));
	}
	document->resources[document->nresources++] = resource;
}

static void
read_id(Reading *reading, JoSchema *schema, const cJSON *json, const JoPath *path)
{
	const char *id = jo_def_string(reading->reader, json, path);
	const char *fragment = id ? strchr(id, '#') : NULL;

	if (fragment != NULL && fragment[1] != '\0')
		jo_def_report(reading->reader, "invalid_value", path, "Name a part of it by \"$anchor\".",
					  "\"$id\" cannot have a fragment");
	else if (id != NULL)
		open_resource(reading, schema, id);
}

/* ---- the schema ---- */

static const struct
{
	const char *name;
	void		(*read) (const Keyword *keyword);
	int			slot;
}			keywords[] =
{
	{"type", read_type, 0}, {"properties", read_map, JO_SCHEMA_PROPERTIES},
	{"required", read_required, 0}, {"default", read_default, 0},
	{"description", read_string, 0}, {"title", read_string, 0}, {"format", read_format, 0},
	{"enum", read_enum, 0}, {"const", read_const, 0}, {"items", read_part, JO_SCHEMA_ITEMS},
	{"minimum", read_bound, JO_SCHEMA_MINIMUM}, {"maximum", read_bound, JO_SCHEMA_MAXIMUM},
	{"exclusiveMinimum", read_bound, JO_SCHEMA_ABOVE},
	{"exclusiveMaximum", read_bound, JO_SCHEMA_BELOW},
	{"multipleOf", read_bound, JO_SCHEMA_MULTIPLE_OF}, {"pattern", read_pattern, 0},
	{"minLength", read_count, JO_SCHEMA_MIN_LENGTH}, {"maxLength", read_count, JO_SCHEMA_MAX_LENGTH},
	{"minItems", read_count, JO_SCHEMA_MIN_ITEMS}, {"maxItems", read_count, JO_SCHEMA_MAX_ITEMS},
	{"minProperties", read_count, JO_SCHEMA_MIN_PROPERTIES},
	{"maxProperties", read_count, JO_SCHEMA_MAX_PROPERTIES},
	{"minContains", read_count, JO_SCHEMA_MIN_CONTAINS},
	{"maxContains", read_count, JO_SCHEMA_MAX_CONTAINS}, {"uniqueItems", read_unique, 0},
	{"additionalProperties", read_part, JO_SCHEMA_ADDITIONAL},
	{"patternProperties", read_map, JO_SCHEMA_PATTERNS},
	{"propertyNames", read_part, JO_SCHEMA_NAMES},
	{"prefixItems", read_list, JO_SCHEMA_PREFIX}, {"contains", read_part, JO_SCHEMA_CONTAINS},
	{"allOf", read_list, JO_SCHEMA_ALL_OF}, {"anyOf", read_list, JO_SCHEMA_ANY_OF},
	{"oneOf", read_list, JO_SCHEMA_ONE_OF}, {"not", read_part, JO_SCHEMA_NOT},
	{"if", read_part, JO_SCHEMA_IF}, {"then", read_part, JO_SCHEMA_THEN},
	{"else", read_part, JO_SCHEMA_ELSE}, {"dependentRequired", read_needs, 0},
	{"dependentSchemas", read_map, JO_SCHEMA_DEPENDENT},
	{"unevaluatedItems", read_part, JO_SCHEMA_OTHER_ITEMS},
	{"unevaluatedProperties", read_part, JO_SCHEMA_OTHER_PROPERTIES},
	{"$defs", read_map, JO_SCHEMA_DEFS}, {"$ref", read_ref, 0}, {"$anchor", read_anchor, 0},
	{"$schema", read_draft, 0}, {"$comment", read_string, 0}, {"examples", read_examples, 0},
	{"deprecated", read_flag, 0}, {"readOnly", read_flag, 0}, {"writeOnly", read_flag, 0}
};

static int
find_keyword(const char *name)
{
	for (int i = 0; i < (int) lengthof(keywords); i++)
		if (strcmp(name, keywords[i].name) == 0)
			return i;
	return -1;
}

/* What to write for a keyword of other drafts, or for one that was misspelt. */
static char *
suggest_keyword(const char *name)
{
	static const char *const others[][2] = {
		{"definitions", "Write \"$defs\"."}, {"id", "Write \"$id\"."},
		{"dependencies", "Write \"dependentRequired\" or \"dependentSchemas\"."},
		{"additionalItems", "Write \"items\" beside \"prefixItems\"."},
		{"$recursiveRef", "Write \"$ref\"."}, {"$dynamicRef", "Write \"$ref\"."},
		{"$dynamicAnchor", "Write \"$anchor\"."}
	};
	const char *names[lengthof(keywords) + 1];

	for (int i = 0; i < (int) lengthof(others); i++)
		if (strcmp(name, others[i][0]) == 0)
			return pstrdup(others[i][1]);
	for (int i = 0; i < (int) lengthof(keywords); i++)
		names[i] = keywords[i].name;
	names[lengthof(keywords)] = NULL;
	return jo_words_suggest(name, names);
}

static void
report_keyword(Reading *reading, const cJSON *schema, const cJSON *keyword, const JoPath *path)
{
	const char *name;
	char	   *suggestion;

	if (reading->reader->findings->n > JO_MAX_FINDINGS)
	{
		reading->reader->findings->nerrors++;
		return;
	}
	name = jo_words_show(keyword->string);
	suggestion = suggest_keyword(keyword->string);
	if (suggestion == NULL && cJSON_IsObject(keyword) &&
		cJSON_GetObjectItemCaseSensitive(schema, "properties") == NULL)
		suggestion = psprintf("Declare parameters under \"properties\": {\"properties\": {\"%s\": {...}}}.",
							  name);
	jo_def_report(reading->reader, "not_supported", path, suggestion,
				  "the schema keyword \"%s\" is not supported", name);
}

static void
check_bounds(Reading *reading, const cJSON *json, const JoPath *path)
{
	static const char *const pairs[][2] = {
		{"minimum", "maximum"}, {"minLength", "maxLength"}, {"minItems", "maxItems"},
		{"minProperties", "maxProperties"}
	};

	for (int i = 0; i < (int) lengthof(pairs); i++)
	{
		const cJSON *low = cJSON_GetObjectItemCaseSensitive(json, pairs[i][0]);
		const cJSON *high = cJSON_GetObjectItemCaseSensitive(json, pairs[i][1]);

		if (cJSON_IsNumber(low) && cJSON_IsNumber(high) && low->valuedouble > high->valuedouble)
			jo_def_report(reading->reader, "invalid_value", path, NULL,
						  "\"%s\" is greater than \"%s\"", pairs[i][0], pairs[i][1]);
	}
}

/* A new schema in the document's list; NULL when there are too many. */
static JoSchema *
add_schema(Reading *reading, const cJSON *json, const JoPath *path)
{
	JoSchemaDocument *document = reading->document;
	JoSchema   *schema = palloc0(sizeof(JoSchema));

	schema->json = json;
	for (int i = 0; i < JO_SCHEMA_NCOUNTS; i++)
		schema->counts[i] = -1;
	if (document->n >= JO_SCHEMA_MAX_SCHEMAS)
	{
		if (!document->full)
			jo_def_report(reading->reader, "limit_exceeded", path, NULL,
						  "the document has more than %d schemas", JO_SCHEMA_MAX_SCHEMAS);
		document->full = true;
		return schema;
	}
	if (document->n >= document->capacity)
	{
		document->capacity = Max(16, document->capacity * 2);
		document->list = document->list
			? repalloc(document->list, document->capacity * sizeof(JoSchema *))
			: palloc(document->capacity * sizeof(JoSchema *));
	}
	document->list[document->n++] = schema;
	return schema;
}

/* One schema and what is below it; never NULL.  As deep as the document, see defread.c. */
static JoSchema *
read_schema(Reading *reading, const cJSON *json, const JoPath *path)
{
	JoSchema   *schema = add_schema(reading, json, path);
	JoSchemaResource *outer = reading->resource;
	const cJSON *child;
	const cJSON *id;
	bool		seen[lengthof(keywords)] = {false};
	JoPath		at;

	schema->never = cJSON_IsFalse(json);
	schema->empty = cJSON_IsTrue(json) || (cJSON_IsObject(json) && json->child == NULL);
	schema->resource = outer;
	if (cJSON_IsBool(json) || reading->document->full)
		return schema;
	if (!cJSON_IsObject(json))
	{
		jo_def_report(reading->reader, "schema_error", path, NULL,
					  "a schema was expected: an object, true or false");
		return schema;
	}
	if ((id = jo_def_get(json, path, "$id", &at)) != NULL)
		read_id(reading, schema, id, &at);
	schema->resource = reading->resource;
	cJSON_ArrayForEach(child, json)
	{
		int			found = find_keyword(child->string);
		Keyword		keyword = {reading, reading->reader, schema, child, &at, 0};

		at.key = child->string;
		if (found < 0 && strcmp(child->string, "$id") != 0)
			report_keyword(reading, json, child, &at);
		/* one that is there twice is a finding already, and would write past its room */
		if (found < 0 || seen[found])
			continue;
		seen[found] = true;
		keyword.slot = keywords[found].slot;
		keywords[found].read(&keyword);
	}
	check_bounds(reading, json, path);
	reading->resource = outer;
	return schema;
}

JoSchemaDocument *
jo_schema_read(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	JoSchemaDocument *document = palloc0(sizeof(JoSchemaDocument));
	Reading		reading = {reader, document, NULL};
	int			nerrors = reader->findings->nerrors;
	JoSchemaResource *top;

	open_resource(&reading, NULL, "");
	top = reading.resource;
	document->root = read_schema(&reading, json, path);
	top->root = document->root;
	if (!document->full)
		jo_schema_resolve(reader, document, path);
	return reader->findings->nerrors > nerrors ? NULL : document;
}
