/*
 * inputcheck.c
 *		A run's input against the schema of its job.
 *
 * Done once, when the run starts, so that a step never meets what the job's author
 * has excluded.  Numbers are compared as numeric, never as doubles.  Touches memory
 * only.
 */
#include "joborch.h"

#include "catalog/pg_collation.h"
#include "errors.h"
#include "guc.h"
#include "inputcheck.h"
#include "jsonbuild.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "regex/regex.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

#define MAX_VIOLATIONS 50

typedef struct InputCheck
{
	StringInfoData path;		/* of the value being looked at */
	StringInfoData detail;
	int			violations;
} InputCheck;

static void check_value(InputCheck *check, JsonbContainer *schema, JsonbValue *value);

static void
add_violation(InputCheck *check, const char *problem)
{
	if (++check->violations > MAX_VIOLATIONS)
		return;
	if (check->detail.len > 0)
		appendStringInfoChar(&check->detail, '\n');
	appendStringInfo(&check->detail, "%s: %s", check->path.data, problem);
}

/* A keyword of a schema, as a scalar or jbvBinary. */
static bool
get_keyword(JsonbContainer *schema, const char *name, JsonbValue *value)
{
	return jo_jsonb_member(schema, name, strlen(name), value);
}

static bool
get_container(JsonbContainer *schema, const char *name, JsonbContainer **container)
{
	JsonbValue	value;

	if (!get_keyword(schema, name, &value) || value.type != jbvBinary)
		return false;
	*container = value.val.binary.data;
	return true;
}

static char *
print_value(JsonbValue *value)
{
	Jsonb	   *jsonb = jo_jsonb_from_value(value);

	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

/* ---- defaults ---- */

static Jsonb *
get_default(JsonbContainer *schema)
{
	JsonbValue	value;

	return get_keyword(schema, "default", &value) ? jo_jsonb_from_value(&value) : NULL;
}

static Jsonb *fill_defaults(JsonbContainer *schema, Jsonb *object);

/* The members that are there, nested objects with their own defaults. */
static void
copy_members(JsonbParseState **state, JsonbContainer *properties, Jsonb *object)
{
	JsonbIterator *iterator = JsonbIteratorInit(&object->root);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	value;
	JsonbValue	schema;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		Jsonb	   *member;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		member = jo_jsonb_from_value(&value);
		if (jo_jsonb_member(properties, key.val.string.val, key.val.string.len, &schema) &&
			schema.type == jbvBinary && JB_ROOT_IS_OBJECT(member))
			member = fill_defaults(schema.val.binary.data, member);
		pushJsonbValue(state, WJB_KEY, &key);
		jo_jsonb_to_value(member, &value);
		pushJsonbValue(state, WJB_VALUE, &value);
	}
}

static void
add_missing(JsonbParseState **state, JsonbContainer *properties, Jsonb *object)
{
	JsonbIterator *iterator = JsonbIteratorInit(properties);
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	schema;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		Jsonb	   *given;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &schema, true);
		if (schema.type != jbvBinary ||
			jo_jsonb_member(&object->root, key.val.string.val, key.val.string.len, &value) ||
			(given = get_default(schema.val.binary.data)) == NULL)
			continue;
		pushJsonbValue(state, WJB_KEY, &key);
		jo_jsonb_to_value(given, &value);
		pushJsonbValue(state, WJB_VALUE, &value);
	}
}

static Jsonb *
fill_defaults(JsonbContainer *schema, Jsonb *object)
{
	JsonbParseState *state = NULL;
	JsonbContainer *properties;

	check_stack_depth();
	if (!get_container(schema, "properties", &properties))
		return object;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	copy_members(&state, properties, object);
	add_missing(&state, properties, object);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* ---- checks ---- */

static int
compare_numbers(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a), NumericGetDatum(b)));
}

static bool
is_whole(Numeric number)
{
	Datum		truncated = DirectFunctionCall2(numeric_trunc, NumericGetDatum(number),
												Int32GetDatum(0));

	return compare_numbers(number, DatumGetNumeric(truncated)) == 0;
}

static bool
has_type(const JsonbValue *value, const char *type, int length)
{
	char		word[16];

	if (length >= (int) sizeof(word))
		return false;
	memcpy(word, type, length);
	word[length] = '\0';
	switch (value->type)
	{
		case jbvNull:
			return strcmp(word, "null") == 0;
		case jbvString:
			return strcmp(word, "string") == 0;
		case jbvBool:
			return strcmp(word, "boolean") == 0;
		case jbvNumeric:
			return strcmp(word, "number") == 0 ||
				(strcmp(word, "integer") == 0 && is_whole(value->val.numeric));
		default:
			return strcmp(word, JsonContainerIsArray(value->val.binary.data) ? "array" : "object") == 0;
	}
}

/* False when the value's type is not (one of) the schema's. */
static bool
check_type(InputCheck *check, JsonbContainer *schema, const JsonbValue *value)
{
	JsonbValue	type;
	uint32		i;

	if (!get_keyword(schema, "type", &type))
		return true;
	if (type.type == jbvString)
	{
		if (has_type(value, type.val.string.val, type.val.string.len))
			return true;
	}
	else
	{
		for (i = 0; i < JsonContainerSize(type.val.binary.data); i++)
		{
			JsonbValue *one = getIthJsonbValueFromContainer(type.val.binary.data, i);

			if (has_type(value, one->val.string.val, one->val.string.len))
				return true;
		}
	}
	add_violation(check, psprintf("must be of type %s", print_value(&type)));
	return false;
}

static void
check_enum(InputCheck *check, JsonbContainer *schema, JsonbValue *value)
{
	JsonbContainer *list;
	Jsonb	   *given;
	JsonbValue	shown;
	uint32		i;

	if (!get_container(schema, "enum", &list))
		return;
	given = jo_jsonb_from_value(value);
	for (i = 0; i < JsonContainerSize(list); i++)
	{
		Jsonb	   *allowed = jo_jsonb_from_value(getIthJsonbValueFromContainer(list, i));

		if (compareJsonbContainers(&given->root, &allowed->root) == 0)
			return;
	}
	(void) get_keyword(schema, "enum", &shown);
	add_violation(check, psprintf("must be one of %s", print_value(&shown)));
}

static void
check_number(InputCheck *check, JsonbContainer *schema, const JsonbValue *value)
{
	JsonbValue	limit;

	if (get_keyword(schema, "minimum", &limit) && limit.type == jbvNumeric &&
		compare_numbers(value->val.numeric, limit.val.numeric) < 0)
		add_violation(check, psprintf("must be at least %s", print_value(&limit)));
	if (get_keyword(schema, "maximum", &limit) && limit.type == jbvNumeric &&
		compare_numbers(value->val.numeric, limit.val.numeric) > 0)
		add_violation(check, psprintf("must be at most %s", print_value(&limit)));
}

static void
check_pattern(InputCheck *check, const JsonbValue *pattern, const JsonbValue *value)
{
	text	   *regex = cstring_to_text_with_len(pattern->val.string.val, pattern->val.string.len);

	if (!RE_compile_and_execute(regex, value->val.string.val, value->val.string.len,
								REG_ADVANCED, DEFAULT_COLLATION_OID, 0, NULL))
		add_violation(check, psprintf("must match the pattern %s", text_to_cstring(regex)));
}

static void
check_string(InputCheck *check, JsonbContainer *schema, const JsonbValue *value)
{
	JsonbValue	keyword;
	JsonbValue	length;

	jo_jsonb_int_value(&length, pg_mbstrlen_with_len(value->val.string.val, value->val.string.len));
	if (get_keyword(schema, "minLength", &keyword) && keyword.type == jbvNumeric &&
		compare_numbers(length.val.numeric, keyword.val.numeric) < 0)
		add_violation(check, psprintf("must have at least %s characters", print_value(&keyword)));
	if (get_keyword(schema, "maxLength", &keyword) && keyword.type == jbvNumeric &&
		compare_numbers(length.val.numeric, keyword.val.numeric) > 0)
		add_violation(check, psprintf("must have at most %s characters", print_value(&keyword)));
	if (get_keyword(schema, "pattern", &keyword) && keyword.type == jbvString)
		check_pattern(check, &keyword, value);
	if (get_keyword(schema, "format", &keyword) && keyword.type == jbvString)
	{
		char	   *format = pnstrdup(keyword.val.string.val, keyword.val.string.len);

		if (!jo_input_has_format(format, pnstrdup(value->val.string.val, value->val.string.len)))
			add_violation(check, psprintf("must be a %s", format));
	}
}

static void
check_array(InputCheck *check, JsonbContainer *schema, JsonbContainer *array)
{
	JsonbContainer *items;
	int			length = check->path.len;
	uint32		i;

	if (!get_container(schema, "items", &items))
		return;
	for (i = 0; i < JsonContainerSize(array) && check->violations <= MAX_VIOLATIONS; i++)
	{
		appendStringInfo(&check->path, "[%u]", i);
		check_value(check, items, getIthJsonbValueFromContainer(array, i));
		check->path.len = length;
		check->path.data[length] = '\0';
	}
}

static void
check_required(InputCheck *check, JsonbContainer *schema, JsonbContainer *object)
{
	JsonbContainer *required;
	JsonbValue	member;
	uint32		i;

	if (!get_container(schema, "required", &required))
		return;
	for (i = 0; i < JsonContainerSize(required); i++)
	{
		JsonbValue *name = getIthJsonbValueFromContainer(required, i);

		if (!jo_jsonb_member(object, name->val.string.val, name->val.string.len, &member))
			add_violation(check, psprintf("\"%.*s\" is missing",
										  name->val.string.len, name->val.string.val));
	}
}

static void
check_object(InputCheck *check, JsonbContainer *schema, JsonbContainer *object)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbContainer *properties = NULL;
	JsonbValue	additional;
	JsonbValue	key;
	JsonbValue	value;
	JsonbValue	member;
	int			length = check->path.len;
	bool		closed = get_keyword(schema, "additionalProperties", &additional) &&
		additional.type == jbvBool && !additional.val.boolean;

	check_required(check, schema, object);
	(void) get_container(schema, "properties", &properties);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		bool		known;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		known = properties != NULL &&
			jo_jsonb_member(properties, key.val.string.val, key.val.string.len, &member);
		appendStringInfoChar(&check->path, '.');
		appendBinaryStringInfo(&check->path, key.val.string.val, key.val.string.len);
		if (known && member.type == jbvBinary)
			check_value(check, member.val.binary.data, &value);
		else if (closed && !known)
			add_violation(check, "is not a known property");
		check->path.len = length;
		check->path.data[length] = '\0';
	}
}

static void
check_value(InputCheck *check, JsonbContainer *schema, JsonbValue *value)
{
	check_stack_depth();
	if (!check_type(check, schema, value))
		return;
	check_enum(check, schema, value);
	if (value->type == jbvNumeric)
		check_number(check, schema, value);
	else if (value->type == jbvString)
		check_string(check, schema, value);
	else if (value->type == jbvBinary && JsonContainerIsArray(value->val.binary.data))
		check_array(check, schema, value->val.binary.data);
	else if (value->type == jbvBinary)
		check_object(check, schema, value->val.binary.data);
}

static void
raise_violations(const InputCheck *check)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_INVALID_INPUT),
			 errmsg_plural("the run's input is not what the job declares: %d problem",
						   "the run's input is not what the job declares: %d problems",
						   check->violations, check->violations),
			 errdetail("%s", check->detail.data),
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
	InputCheck	check;
	Jsonb	   *schema;
	JsonbValue	value;

	if (input == NULL)
		input = jo_jsonb_from_text("{}");
	check_shape(input);
	if (def->input_schema == NULL)
		return input;

	schema = jo_jsonb_from_text(def->input_schema);
	input = fill_defaults(&schema->root, input);
	check.violations = 0;
	initStringInfo(&check.path);
	initStringInfo(&check.detail);
	appendStringInfoString(&check.path, "input");
	JsonbToJsonbValue(input, &value);
	check_value(&check, &schema->root, &value);
	if (check.violations > 0)
		raise_violations(&check);
	return input;
}
