/*
 * schemascalar.c
 *		Keywords of JSON Schema for strings and numbers, and type, enum and const.
 *
 * Numbers are compared as numeric, never as doubles.  Touches memory only.
 */
#include "joborch.h"

#include "catalog/pg_collation.h"
#include "inputcheck.h"
#include "jsonbuild.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "regex/regex.h"
#include "schemawalk.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

/* A list of values in a message is cut behind so many bytes. */
#define LONGEST_LIST 400

/* ---- type ---- */

static int
compare_numbers(Numeric a, Numeric b)
{
	return DatumGetInt32(DirectFunctionCall2(numeric_cmp, NumericGetDatum(a), NumericGetDatum(b)));
}

static bool
is_whole(Numeric number)
{
	Numeric		truncated = DatumGetNumeric(DirectFunctionCall2(numeric_trunc, NumericGetDatum(number),
																Int32GetDatum(0)));
	bool		whole = compare_numbers(number, truncated) == 0;

	pfree(truncated);
	return whole;
}

static bool
has_type(const JsonbValue *value, int types)
{
	switch (value->type)
	{
		case jbvNull:
			return (types & JO_SCHEMA_NULL) != 0;
		case jbvString:
			return (types & JO_SCHEMA_STRING) != 0;
		case jbvBool:
			return (types & JO_SCHEMA_BOOLEAN) != 0;
		case jbvNumeric:
			return (types & JO_SCHEMA_NUMBER) != 0 ||
				((types & JO_SCHEMA_INTEGER) != 0 && is_whole(value->val.numeric));
		default:
			return (types & (JsonContainerIsArray(value->val.binary.data) ? JO_SCHEMA_ARRAY
							 : JO_SCHEMA_OBJECT)) != 0;
	}
}

bool
jo_schema_check_type(const JoSchemaTask *task)
{
	int			types = task->schema->types;
	StringInfoData list;
	int			i;

	if (types == 0 || has_type(task->value, types))
		return true;
	if (task->violations == NULL)
		return false;
	initStringInfo(&list);
	for (i = 0; jo_schema_types[i] != NULL; i++)
	{
		if ((types & (1 << i)) != 0)
			appendStringInfo(&list, "%s\"%s\"", list.len > 0 ? " or " : "", jo_schema_types[i]);
	}
	return jo_schema_fail(task, "type", "must be of type %s", list.data);
}

/* ---- enum and const ---- */

static int
compare_values(const void *a, const void *b)
{
	return compareJsonbContainers(&(*(Jsonb *const *) a)->root, &(*(Jsonb *const *) b)->root);
}

/* The values as jsonb, in jsonb's order, to search in. */
void
jo_schema_prepare_values(JoSchemaValues *values)
{
	Jsonb	  **list = palloc(values->n * sizeof(Jsonb *));
	int			i;

	for (i = 0; i < values->n; i++)
		list[i] = jo_jsonb_from_text(values->texts[i]);
	qsort(list, values->n, sizeof(Jsonb *), compare_values);
	values->values = list;
}

static bool
is_among(Jsonb *value, const JoSchemaValues *values)
{
	return bsearch(&value, values->values, values->n, sizeof(Jsonb *), compare_values) != NULL;
}

static char *
print_values(const JoSchemaValues *values)
{
	StringInfoData list;
	int			i;

	initStringInfo(&list);
	for (i = 0; i < values->n && list.len <= LONGEST_LIST; i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "",
						 jo_words_clip(values->texts[i], strlen(values->texts[i])));
	if (i < values->n)
		appendStringInfo(&list, ", ... (%d values)", values->n);
	return list.data;
}

bool
jo_schema_check_values(const JoSchemaTask *task)
{
	const JoSchema *schema = task->schema;
	Jsonb	   *value;
	bool		good = true;

	if (schema->constant == NULL && schema->choices == NULL)
		return true;
	value = jo_jsonb_from_value(task->value);
	if (schema->constant != NULL && !is_among(value, schema->constant))
		good = jo_schema_fail(task, "const", "must be %s", print_values(schema->constant));
	if (schema->choices != NULL && !is_among(value, schema->choices))
		good = jo_schema_fail(task, "enum", "must be one of [%s]", print_values(schema->choices));
	pfree(value);
	return good;
}

/* ---- numbers ---- */

static bool
is_multiple(Numeric number, Numeric unit)
{
	Numeric		zero = int64_to_numeric(0);
	Numeric		rest = DatumGetNumeric(DirectFunctionCall2(numeric_mod, NumericGetDatum(number),
														   NumericGetDatum(unit)));
	bool		multiple = compare_numbers(rest, zero) == 0;

	pfree(rest);
	pfree(zero);
	return multiple;
}

static bool
check_number(const JoSchemaTask *task)
{
	const JoSchemaText *bounds = task->schema->bounds;
	Numeric		number = task->value->val.numeric;
	bool		good = true;

	if (bounds[JO_SCHEMA_MINIMUM].value && compare_numbers(number, bounds[JO_SCHEMA_MINIMUM].value) < 0)
		good = jo_schema_fail(task, "minimum", "must be at least %s", bounds[JO_SCHEMA_MINIMUM].text);
	if (bounds[JO_SCHEMA_MAXIMUM].value && compare_numbers(number, bounds[JO_SCHEMA_MAXIMUM].value) > 0)
		good = jo_schema_fail(task, "maximum", "must be at most %s", bounds[JO_SCHEMA_MAXIMUM].text);
	if (bounds[JO_SCHEMA_ABOVE].value && compare_numbers(number, bounds[JO_SCHEMA_ABOVE].value) <= 0)
		good = jo_schema_fail(task, "exclusiveMinimum", "must be more than %s",
							  bounds[JO_SCHEMA_ABOVE].text);
	if (bounds[JO_SCHEMA_BELOW].value && compare_numbers(number, bounds[JO_SCHEMA_BELOW].value) >= 0)
		good = jo_schema_fail(task, "exclusiveMaximum", "must be less than %s",
							  bounds[JO_SCHEMA_BELOW].text);
	if (bounds[JO_SCHEMA_MULTIPLE_OF].value && !is_multiple(number, bounds[JO_SCHEMA_MULTIPLE_OF].value))
		good = jo_schema_fail(task, "multipleOf", "must be a multiple of %s",
							  bounds[JO_SCHEMA_MULTIPLE_OF].text);
	return good;
}

/* ---- strings ---- */

/* As the operator ~ matches: interrupts are looked at inside. */
bool
jo_schema_matches(const void *pattern, const char *string, int length)
{
	return RE_compile_and_execute((text *) pattern, (char *) string, length, REG_ADVANCED,
								  DEFAULT_COLLATION_OID, 0, NULL);
}

bool
jo_schema_check_pattern(const char *pattern, char **error)
{
	int			length = strlen(pattern);
	pg_wchar   *wide = palloc((length + 1) * sizeof(pg_wchar));
	regex_t		regex;
	char		reason[100];
	int			result;

	length = pg_mb2wchar_with_len(pattern, wide, length);
	result = pg_regcomp(&regex, wide, length, REG_ADVANCED, DEFAULT_COLLATION_OID);
	pfree(wide);
	if (result == REG_OKAY)
	{
		pg_regfree(&regex);
		return true;
	}
	CHECK_FOR_INTERRUPTS();
	pg_regerror(result, &regex, reason, sizeof(reason));
	*error = psprintf("not a regular expression: %s", reason);
	return false;
}

static bool
check_length(const JoSchemaTask *task)
{
	const int  *counts = task->schema->counts;
	bool		good = true;
	int			length;

	if (counts[JO_SCHEMA_MIN_LENGTH] < 0 && counts[JO_SCHEMA_MAX_LENGTH] < 0)
		return true;
	length = pg_mbstrlen_with_len(task->value->val.string.val, task->value->val.string.len);
	if (counts[JO_SCHEMA_MIN_LENGTH] >= 0 && length < counts[JO_SCHEMA_MIN_LENGTH])
		good = jo_schema_fail_count(task, "minLength", "at least", counts[JO_SCHEMA_MIN_LENGTH],
									"character", "characters");
	if (counts[JO_SCHEMA_MAX_LENGTH] >= 0 && length > counts[JO_SCHEMA_MAX_LENGTH])
		good = jo_schema_fail_count(task, "maxLength", "at most", counts[JO_SCHEMA_MAX_LENGTH],
									"character", "characters");
	return good;
}

static bool
check_string(const JoSchemaTask *task)
{
	const JoSchema *schema = task->schema;
	const char *string = task->value->val.string.val;
	int			length = task->value->val.string.len;
	bool		good = check_length(task);

	if (schema->pattern.value != NULL && !jo_schema_matches(schema->pattern.value, string, length))
		good = jo_schema_fail(task, "pattern", "must match the pattern %s", schema->pattern.text);
	if (schema->format != NULL)
	{
		char	   *copy = pnstrdup(string, length);

		if (!jo_input_has_format(schema->format, copy))
			good = jo_schema_fail(task, "format", "must be %s %s",
								  strchr("ei", *schema->format) ? "an" : "a", schema->format);
		pfree(copy);
	}
	return good;
}

bool
jo_schema_check_scalar(const JoSchemaTask *task)
{
	if (task->value->type == jbvNumeric)
		return check_number(task);
	return task->value->type != jbvString || check_string(task);
}
