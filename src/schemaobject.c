/*
 * schemaobject.c
 *		Keywords of JSON Schema for objects.
 *
 * Touches memory only.
 */
#include "joborch.h"

#include "jsonbuild.h"
#include "schemawalk.h"

static bool
has_member(JsonbContainer *object, const char *name)
{
	JsonbValue	value;

	return jo_jsonb_member(object, name, strlen(name), &value);
}

static bool
check_count(const JoSchemaTask *task)
{
	const int  *counts = task->schema->counts;
	int			n = (int) JsonContainerSize(task->object);
	bool		good = true;

	if (n < counts[JO_SCHEMA_MIN_PROPERTIES])
		good = jo_schema_fail_count(task, "minProperties", "at least", counts[JO_SCHEMA_MIN_PROPERTIES],
									"property", "properties");
	if (counts[JO_SCHEMA_MAX_PROPERTIES] >= 0 && n > counts[JO_SCHEMA_MAX_PROPERTIES])
		good = jo_schema_fail_count(task, "maxProperties", "at most", counts[JO_SCHEMA_MAX_PROPERTIES],
									"property", "properties");
	return good;
}

static bool
check_required(const JoSchemaTask *task)
{
	const JoSchemaNames *required = &task->schema->required;
	bool		good = true;
	int			i;

	for (i = 0; i < required->n && !jo_schema_is_over(task, good); i++)
	{
		if (!has_member(task->object, required->names[i]))
			good = jo_schema_fail(task, "required", "\"%s\" is missing", required->names[i]);
	}
	return good;
}

static bool
check_needs(const JoSchemaTask *task)
{
	bool		good = true;
	int			i;
	int			j;

	for (i = 0; i < task->schema->nneeds && !jo_schema_is_over(task, good); i++)
	{
		const JoSchemaNames *needs = &task->schema->needs[i];

		if (!has_member(task->object, needs->given))
			continue;
		for (j = 0; j < needs->n; j++)
		{
			if (!has_member(task->object, needs->names[j]))
				good = jo_schema_fail(task, "dependentRequired", "\"%s\" is missing, which \"%s\" needs",
									  needs->names[j], needs->given);
		}
	}
	return good;
}

static bool
check_dependent(const JoSchemaTask *task)
{
	const JoSchemaMap *dependent = &task->schema->maps[JO_SCHEMA_DEPENDENT];
	bool		good = true;
	int			i;

	for (i = 0; i < dependent->n && !jo_schema_is_over(task, good); i++)
	{
		if (has_member(task->object, dependent->list[i].name))
			good &= jo_schema_holds(dependent->list[i].schema, task->value, task->place, task->marks,
									task->violations);
	}
	return good;
}

/* A schema for one of the object's members. */
static bool
ask_member(const JoSchemaTask *task, const JoSchema *schema, JsonbValue *value,
		   const JoSchemaPlace *place)
{
	return jo_schema_holds(schema, value, place, NULL, task->violations);
}

/* A member that no schema is for, by additionalProperties and unevaluatedProperties. */
static bool
ask_stranger(const JoSchemaTask *task, const char *keyword, const JoSchema *schema,
			 JsonbValue *value, const JoSchemaPlace *place)
{
	JoSchemaTask member = *task;

	if (!schema->never)
		return ask_member(task, schema, value, place);
	member.place = place;
	return jo_schema_fail(&member, keyword, "is not a known property");
}

static bool
check_name(const JoSchemaTask *task, JsonbValue *key, const JoSchemaPlace *place)
{
	const JoSchema *schema = task->schema->parts[JO_SCHEMA_NAMES];
	JoSchemaTask member = *task;

	if (schema == NULL || jo_schema_holds(schema, key, place, NULL, NULL))
		return true;
	member.place = place;
	return jo_schema_fail(&member, "propertyNames", "has a name that \"propertyNames\" does not allow");
}

/* One member by properties, patternProperties and additionalProperties; *known: one of them is for it. */
static bool
check_member(const JoSchemaTask *task, JsonbValue *key, JsonbValue *value,
			 const JoSchemaPlace *place, bool *known)
{
	const JoSchema *schema = task->schema;
	const JoSchemaMap *patterns = &schema->maps[JO_SCHEMA_PATTERNS];
	const JoSchemaMember *property = jo_schema_member(&schema->maps[JO_SCHEMA_PROPERTIES],
													  key->val.string.val, key->val.string.len);
	bool		good = check_name(task, key, place);
	int			i;

	*known = (property != NULL);
	if (property != NULL)
		good &= ask_member(task, property->schema, value, place);
	for (i = 0; i < patterns->n && !jo_schema_is_over(task, good); i++)
	{
		if (!jo_schema_matches(patterns->list[i].pattern, key->val.string.val, key->val.string.len))
			continue;
		*known = true;
		good &= ask_member(task, patterns->list[i].schema, value, place);
	}
	if (!*known && schema->parts[JO_SCHEMA_ADDITIONAL] != NULL)
	{
		*known = true;
		good &= ask_stranger(task, "additionalProperties", schema->parts[JO_SCHEMA_ADDITIONAL], value,
							 place);
	}
	return good;
}

static bool
check_members(const JoSchemaTask *task)
{
	const JoSchema *schema = task->schema;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;
	JoSchemaPlace place = {task->place, NULL, 0, 0};
	uint32		i = 0;
	bool		good = true;
	bool		known;

	if (schema->maps[JO_SCHEMA_PROPERTIES].n == 0 && schema->maps[JO_SCHEMA_PATTERNS].n == 0 &&
		schema->parts[JO_SCHEMA_ADDITIONAL] == NULL && schema->parts[JO_SCHEMA_NAMES] == NULL)
		return true;
	iterator = JsonbIteratorInit(task->object);
	while (!jo_schema_is_over(task, good) &&
		   (token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		place.key = key.val.string.val;
		place.length = key.val.string.len;
		(void) JsonbIteratorNext(&iterator, &value, true);
		good &= check_member(task, &key, &value, &place, &known);
		if (known && task->marks != NULL)
			task->marks->seen[i] = true;
		i++;
	}
	return good;
}

bool
jo_schema_check_object(const JoSchemaTask *task)
{
	static bool (*const checks[]) (const JoSchemaTask *task) =
	{
		check_count, check_required, check_needs, check_members, check_dependent
	};
	bool		good = true;
	int			i;

	if (task->object == NULL)
		return true;
	for (i = 0; i < (int) lengthof(checks) && !jo_schema_is_over(task, good); i++)
		good &= checks[i] (task);
	return good;
}

/* unevaluatedProperties */
bool
jo_schema_check_other_properties(const JoSchemaTask *task)
{
	const JoSchema *schema = task->schema->parts[JO_SCHEMA_OTHER_PROPERTIES];
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;
	JoSchemaPlace place = {task->place, NULL, 0, 0};
	uint32		i = 0;
	bool		good = true;

	if (task->object == NULL || schema == NULL)
		return true;
	iterator = JsonbIteratorInit(task->object);
	while (!jo_schema_is_over(task, good) &&
		   (token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		place.key = key.val.string.val;
		place.length = key.val.string.len;
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (!task->marks->seen[i])
			good &= ask_stranger(task, "unevaluatedProperties", schema, &value, &place);
		task->marks->seen[i++] = true;
	}
	return good;
}
