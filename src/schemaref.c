/*
 * schemaref.c
 *		What the "$ref" of a schema refer to, and whether checking always ends.
 *
 * A leaf.  Everything is looked for inside the document; nothing is ever fetched.
 * A schema that comes back to itself for the same value would never end, and one
 * that doubles at each level would end too late: both are refused here, so that the
 * server's recursion is bounded by the depth of the value.
 */
#include "schemadef.h"

#include <stdlib.h>
#include <string.h>

/* How many schemas may be asked about one value, one after and one inside the other. */
#define MAX_WEIGHT 100000
#define MAX_HEIGHT 200

typedef struct Resolving
{
	JoDefReader *reader;
	JoSchemaDocument *document;
	JoSchema  **by_json;		/* all schemas in the order of their cJSON's addresses */
	int			nanchors;
	JoSchema  **anchors;		/* by resource and anchor */
	bool		refused;		/* the finding of the visits is there */
} Resolving;

static void
report_at(Resolving *resolving, const char *code, const char *path, const char *message,
		  const char *suggestion)
{
	jo_findings_add(resolving->reader->findings, code, JO_SEVERITY_ERROR, path,
					resolving->reader->step, message, suggestion);
}

/* ---- tables to search in ---- */

static int
compare_addresses(const void *a, const void *b)
{
	uintptr_t	left = (uintptr_t) (*(JoSchema *const *) a)->json;
	uintptr_t	right = (uintptr_t) (*(JoSchema *const *) b)->json;

	return (left > right) - (left < right);
}

static int
compare_anchors(const void *a, const void *b)
{
	const JoSchema *left = *(JoSchema *const *) a;
	const JoSchema *right = *(JoSchema *const *) b;

	if (left->resource != right->resource)
		return (uintptr_t) left->resource < (uintptr_t) right->resource ? -1 : 1;
	return strcmp(left->anchor, right->anchor);
}

static int
compare_resources(const void *a, const void *b)
{
	return strcmp((*(JoSchemaResource *const *) a)->uri, (*(JoSchemaResource *const *) b)->uri);
}

static void
make_tables(Resolving *resolving)
{
	JoSchemaDocument *document = resolving->document;

	resolving->by_json = palloc(document->n * sizeof(JoSchema *));
	resolving->anchors = palloc(document->n * sizeof(JoSchema *));
	resolving->nanchors = 0;
	for (int i = 0; i < document->n; i++)
	{
		resolving->by_json[i] = document->list[i];
		if (document->list[i]->anchor != NULL)
			resolving->anchors[resolving->nanchors++] = document->list[i];
	}
	qsort(resolving->by_json, document->n, sizeof(JoSchema *), compare_addresses);
	qsort(resolving->anchors, resolving->nanchors, sizeof(JoSchema *), compare_anchors);
	qsort(document->resources, document->nresources, sizeof(JoSchemaResource *), compare_resources);
}

/* Names that two schemas have: nobody could say which is meant. */
static void
check_names(Resolving *resolving, const JoPath *path)
{
	JoSchemaDocument *document = resolving->document;

	for (int i = 1; i < resolving->nanchors; i++)
		if (compare_anchors(&resolving->anchors[i - 1], &resolving->anchors[i]) == 0)
			jo_def_report(resolving->reader, "duplicate_key", path, NULL,
						  "the anchor \"%s\" is there more than once",
						  jo_words_show(resolving->anchors[i]->anchor));
	for (int i = 1; i < document->nresources; i++)
		if (compare_resources(&document->resources[i - 1], &document->resources[i]) == 0)
			jo_def_report(resolving->reader, "duplicate_key", path, NULL,
						  "the \"$id\" \"%s\" is there more than once",
						  jo_words_show(document->resources[i]->uri));
}

static JoSchema *
find_schema(Resolving *resolving, const cJSON *json)
{
	JoSchema	key;
	JoSchema   *wanted = &key;
	JoSchema  **found;

	key.json = json;
	found = bsearch(&wanted, resolving->by_json, resolving->document->n, sizeof(JoSchema *),
					compare_addresses);
	return found ? *found : NULL;
}

static JoSchemaResource *
find_resource(Resolving *resolving, char *uri)
{
	JoSchemaResource key = {uri, NULL};
	JoSchemaResource *wanted = &key;
	JoSchemaResource **found;

	found = bsearch(&wanted, resolving->document->resources, resolving->document->nresources,
					sizeof(JoSchemaResource *), compare_resources);
	return found ? *found : NULL;
}

static JoSchema *
find_anchor(Resolving *resolving, JoSchemaResource *resource, const char *anchor)
{
	JoSchema	key;
	JoSchema   *wanted = &key;
	JoSchema  **found;

	key.resource = resource;
	key.anchor = anchor;
	found = bsearch(&wanted, resolving->anchors, resolving->nanchors, sizeof(JoSchema *),
					compare_anchors);
	return found ? *found : NULL;
}

/* ---- references ---- */

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return (c >= 'A' && c <= 'F') ? c - 'A' + 10 : -1;
}

/* %XX in place; a % that begins none stays. */
static void
decode_percent(char *text)
{
	char	   *to = text;

	for (const char *from = text; *from != '\0'; from++)
	{
		int			high = (*from == '%') ? hex_digit(from[1]) : -1;
		int			low = (high >= 0) ? hex_digit(from[2]) : -1;

		if (low >= 0 && high + low > 0)
		{
			*to++ = (char) (high * 16 + low);
			from += 2;
		}
		else
			*to++ = *from;
	}
	*to = '\0';
}

/* ~1 and ~0 in place */
static void
decode_tildes(char *text)
{
	char	   *to = text;

	for (const char *from = text; *from != '\0'; from++)
	{
		bool		escape = (from[0] == '~' && (from[1] == '0' || from[1] == '1'));

		*to++ = !escape ? *from : (*++from == '0') ? '~' : '/';
	}
	*to = '\0';
}

/* An array's element, an object's member, or NULL. */
static const cJSON *
find_child(const cJSON *json, const char *name)
{
	if (!cJSON_IsArray(json))
		return cJSON_GetObjectItemCaseSensitive(json, name);
	if (*name == '\0' || strlen(name) > 9 || name[strspn(name, "0123456789")] != '\0' ||
		(*name == '0' && name[1] != '\0'))
		return NULL;
	return cJSON_GetArrayItem(json, atoi(name));
}

/* What a JSON pointer (RFC 6901) leads to; NULL: nothing. */
static const cJSON *
follow_pointer(const cJSON *json, const char *pointer)
{
	while (json != NULL && *pointer == '/')
	{
		size_t		length = strcspn(++pointer, "/");
		char	   *name = pnstrdup(pointer, length);

		decode_tildes(name);
		json = find_child(json, name);
		pfree(name);
		pointer += length;
	}
	return json;
}

static void
resolve_ref(Resolving *resolving, JoSchema *schema)
{
	const char *hash = strchr(schema->ref_text, '#');
	char	   *fragment = pstrdup(hash ? hash + 1 : "");
	JoSchemaResource *resource = schema->resource;
	const cJSON *json;

	if (hash != schema->ref_text)
		resource = find_resource(resolving, jo_schema_uri(resource->uri, schema->ref_text));
	if (resource == NULL)
	{
		report_at(resolving, "unknown_reference", schema->ref_path,
				  psprintf("\"%s\" is not in this document", jo_words_show(schema->ref_text)),
				  "Only what is inside the document can be referred to, as in \"#/$defs/name\".");
		return;
	}
	decode_percent(fragment);
	if (*fragment != '\0' && *fragment != '/')
		schema->ref = find_anchor(resolving, resource, fragment);
	else
	{
		json = follow_pointer(resource->root->json, fragment);
		schema->ref = json ? find_schema(resolving, json) : NULL;
	}
	if (schema->ref == NULL)
		report_at(resolving, "unknown_reference", schema->ref_path,
				  psprintf("\"%s\" leads to no schema", jo_words_show(schema->ref_text)), NULL);
}

/* ---- how much one value costs ---- */

typedef struct Visit
{
	Resolving  *resolving;
	JoSchema   *schema;
	const JoSchema *last_ref;	/* the nearest schema on the way here that was left by its $ref */
	int			depth;
} Visit;

enum
{
	VISIT_NONE,
	VISIT_OPEN,
	VISIT_DONE
};

static bool visit_schema(const Visit *visit);

/* Adds what one more schema for the same value costs; false when it was refused. */
static bool
visit_next(const Visit *visit, JoSchema *next, bool by_ref)
{
	JoSchema   *schema = visit->schema;
	Visit		inner = {visit->resolving, next, by_ref ? schema : visit->last_ref, visit->depth + 1};

	if (next == NULL)
		return true;
	if (next->visit == VISIT_OPEN)
	{
		visit->resolving->refused = true;
		report_at(visit->resolving, "cycle_detected", inner.last_ref->ref_path,
				  "the schema comes back to itself for the same value: checking would never end",
				  "A schema may refer to itself only below properties or items.");
		return false;
	}
	if (next->visit == VISIT_NONE && !visit_schema(&inner))
		return false;
	schema->weight = Min(schema->weight + next->weight, (int64) MAX_WEIGHT * 2);
	schema->height = Max(schema->height, next->height + 1);
	return true;
}

static bool
visit_all(const Visit *visit)
{
	static const JoSchemaPart parts[] = {JO_SCHEMA_NOT, JO_SCHEMA_IF, JO_SCHEMA_THEN, JO_SCHEMA_ELSE};
	static const JoSchemaLists lists[] = {JO_SCHEMA_ALL_OF, JO_SCHEMA_ANY_OF, JO_SCHEMA_ONE_OF};
	JoSchema   *schema = visit->schema;
	JoSchemaMap *dependent = &schema->maps[JO_SCHEMA_DEPENDENT];

	if (!visit_next(visit, schema->ref, true))
		return false;
	for (int i = 0; i < (int) lengthof(parts); i++)
		if (!visit_next(visit, schema->parts[parts[i]], false))
			return false;
	for (int i = 0; i < (int) lengthof(lists); i++)
		for (int j = 0; j < schema->lists[lists[i]].n; j++)
			if (!visit_next(visit, schema->lists[lists[i]].list[j], false))
				return false;
	for (int i = 0; i < dependent->n; i++)
		if (!visit_next(visit, dependent->list[i].schema, false))
			return false;
	return true;
}

/* Sets weight and height; false when the schema was refused, which is told once. */
static bool
visit_schema(const Visit *visit)
{
	JoSchema   *schema = visit->schema;

	schema->visit = VISIT_OPEN;
	schema->weight = 1;
	schema->height = 1;
	if (visit->depth > MAX_HEIGHT || !visit_all(visit) || schema->height > MAX_HEIGHT ||
		schema->weight > MAX_WEIGHT)
	{
		if (!visit->resolving->refused)
			report_at(visit->resolving, "limit_exceeded",
					  visit->last_ref ? visit->last_ref->ref_path : "$",
					  psprintf("a value would have to be checked against more than %d schemas, or %d deep",
							   MAX_WEIGHT, MAX_HEIGHT),
					  NULL);
		visit->resolving->refused = true;
		return false;
	}
	schema->visit = VISIT_DONE;
	return true;
}

void
jo_schema_resolve(JoDefReader *reader, JoSchemaDocument *document, const JoPath *path)
{
	Resolving	resolving = {reader, document, NULL, 0, NULL, false};
	int			nerrors = reader->findings->nerrors;

	make_tables(&resolving);
	check_names(&resolving, path);
	for (int i = 0; i < document->n; i++)
		if (document->list[i]->ref_text != NULL)
			resolve_ref(&resolving, document->list[i]);
	if (reader->findings->nerrors > nerrors)
		return;
	for (int i = 0; i < document->n; i++)
	{
		Visit		visit = {&resolving, document->list[i], NULL, 0};

		if (document->list[i]->visit == VISIT_NONE && !visit_schema(&visit))
			return;
	}
}
