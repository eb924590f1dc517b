/*
 * inputcheck.c
 *		A run's input against the schema of its job, and its defaults.
 *
 * Done once, when the run starts, so that a step never meets what the job's author
 * has excluded.  Touches memory only.
 */
#include "joborch.h"

#include "errors.h"
#include "guc.h"
#include "inputcheck.h"
#include "jsonbuild.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "schema.h"

/* ---- defaults ---- */

/*
 * All "properties" that speak of the same object: a schema's own and those that it
 * gets by $ref and allOf, which cannot come back to it (schemaref.c).
 */
static List *
collect_properties(List *maps, const JoSchema *schema)
{
	const JoSchemaList *all = &schema->lists[JO_SCHEMA_ALL_OF];
	int			i;

	if (schema->maps[JO_SCHEMA_PROPERTIES].n > 0)
		maps = lappend(maps, unconstify(JoSchemaMap *, &schema->maps[JO_SCHEMA_PROPERTIES]));
	if (schema->ref != NULL)
		maps = collect_properties(maps, schema->ref);
	for (i = 0; i < all->n; i++)
		maps = collect_properties(maps, all->list[i]);
	return maps;
}

static Jsonb *
get_default(const JoSchema *schema)
{
	while (schema->fallback.value == NULL && schema->ref != NULL)
		schema = schema->ref;
	return schema->fallback.value;
}

static const JoSchema *
find_property(List *maps, const JsonbValue *key)
{
	ListCell   *cell;

	foreach(cell, maps)
	{
		JoSchemaMember *member = jo_schema_member(lfirst(cell), key->val.string.val,
												  key->val.string.len);

		if (member != NULL)
			return member->schema;
	}
	return NULL;
}

static JsonbValue *push_object(JsonbParseState **state, const JoSchema *schema,
							   JsonbContainer *object);

/* The members that are there, nested objects with their own defaults. */
static void
push_members(JsonbParseState **state, List *maps, JsonbContainer *object)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		const JoSchema *schema;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		pushJsonbValue(state, WJB_KEY, &key);
		schema = find_property(maps, &key);
		if (schema != NULL && value.type == jbvBinary &&
			JsonContainerIsObject(value.val.binary.data))
			(void) push_object(state, schema, value.val.binary.data);
		else
			pushJsonbValue(state, WJB_VALUE, &value);
	}
}

/* Of two defaults for one property that of the outer schema is taken. */
static void
push_missing(JsonbParseState **state, List *maps, JsonbContainer *object)
{
	ListCell   *cell;
	JsonbValue	key;
	JsonbValue	value;
	Jsonb	   *given;
	int			i;

	foreach(cell, maps)
	{
		const JoSchemaMap *map = lfirst(cell);

		for (i = 0; i < map->n; i++)
		{
			const JoSchemaMember *member = &map->list[i];

			jo_jsonb_string_value(&key, member->name);
			if (jo_jsonb_member(object, member->name, member->length, &value) ||
				find_property(maps, &key) != member->schema ||
				(given = get_default(member->schema)) == NULL)
				continue;
			jo_jsonb_to_value(given, &value);
			pushJsonbValue(state, WJB_KEY, &key);
			pushJsonbValue(state, WJB_VALUE, &value);
		}
	}
}

/* As deep as the value. */
static JsonbValue *
push_object(JsonbParseState **state, const JoSchema *schema, JsonbContainer *object)
{
	List	   *maps;

	check_stack_depth();
	maps = collect_properties(NIL, schema);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	push_members(state, maps, object);
	push_missing(state, maps, object);
	list_free(maps);
	return pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

static Jsonb *
fill_defaults(const JoSchemaDocument *document, Jsonb *input)
{
	JsonbParseState *state = NULL;

	if (!document->has_defaults)
		return input;
	return JsonbValueToJsonb(push_object(&state, document->root, &input->root));
}

/* ---- the check ---- */

static void
raise_violations(const JoViolations *violations)
{
	StringInfoData detail;
	int			i;

	initStringInfo(&detail);
	/* "$.n" is "input.n" to the caller */
	for (i = 0; i < violations->n; i++)
		appendStringInfo(&detail, "%sinput%s: %s", i > 0 ? "\n" : "", violations->list[i].path + 1,
						 violations->list[i].message);
	if (violations->more)
		appendStringInfo(&detail, "\n%s", jo_schema_more(violations));
	ereport(ERROR,
			(errcode(ERRCODE_JO_INVALID_INPUT),
			 errmsg_plural("the run's input is not what the job declares: %d problem",
						   "the run's input is not what the job declares: %d problems",
						   violations->n, violations->n),
			 errdetail("%s", detail.data),
			 errhint("The job's \"input\" key says what it takes; see joborch.job_versions.")));
}

static void
check_shape(const Jsonb *input)
{
	if (!JB_ROOT_IS_OBJECT(input))
		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_INPUT),
				 errmsg("a run's input must be a JSON object"),
				 errhint("Give the values names, such as '{\"since\": \"2026-01-01\"}'.")));
	if (VARSIZE(input) > (Size) jo_guc_max_input * 1024)
		ereport(ERROR,
				(errcode(ERRCODE_JO_INVALID_INPUT),
				 errmsg("a run's input must not be larger than %d kB", jo_guc_max_input),
				 errdetail("It has %zu bytes.", (Size) VARSIZE(input)),
				 errhint("Store the data in a table and give its key, or raise joborch.max_input.")));
}

Jsonb *
jo_input_check(const JoDefinition *def, Jsonb *input)
{
	const JoSchemaDocument *document;
	JoViolations violations;

	if (input == NULL)
		input = jo_jsonb_from_text("{}");
	check_shape(input);
	if (def->input_schema == NULL)
		return input;

	document = jo_schema_get(def->input_schema);
	input = fill_defaults(document, input);
	memset(&violations, 0, sizeof(violations));
	jo_schema_walk(document, input, &violations);
	if (violations.n > 0)
		raise_violations(&violations);
	return input;
}
