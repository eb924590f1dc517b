/*
 * failure.c
 *		An error as history keeps it: whole, with its category.
 *
 * One table says for each SQLSTATE (or class) what kind of error it is and
 * whether another try may help; SQL sees the same table as joborch.error_classes.
 * Touches memory only.
 */
#include "joborch.h"

#include <math.h>

#include "common/pg_prng.h"
#include "errors.h"
#include "failure.h"
#include "fmgr.h"
#include "funcapi.h"
#include "jsonbuild.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

/* No text of an error is kept beyond this; the server log has the rest. */
#define MAX_ERROR_TEXT 8192

typedef struct ErrorClass
{
	const char *pattern;		/* a SQLSTATE, or its two-character class */
	const char *category;
	bool		retryable;
} ErrorClass;

/* A whole SQLSTATE wins over its class. */
static const ErrorClass error_classes[] = {
	{"03", "validation", false},
	{"08", "connection", true},
	{"09", "data", false},
	{"0A", "validation", false},
	{"0B", "validation", false},
	{"0L", "permission", false},
	{"0P", "permission", false},
	{"20", "data", false},
	{"21", "data", false},
	{"22", "data", false},
	{"23", "data", false},
	{"24", "validation", false},
	{"25", "validation", false},
	{"25006", "permission", false},
	{"25P03", "timeout", true},
	{"25P04", "timeout", true},
	{"26", "not_found", false},
	{"27", "data", false},
	{"28", "permission", false},
	{"2B", "data", false},
	{"2D", "validation", false},
	{"2F", "data", false},
	{"34", "not_found", false},
	{"38", "external", true},
	{"39", "external", true},
	{"3B", "validation", false},
	{"3D", "not_found", false},
	{"3F", "not_found", false},
	{"40", "conflict", true},
	{"40002", "data", false},
	{"42", "validation", false},
	{"42501", "permission", false},
	{"42704", "not_found", false},
	{"42703", "not_found", false},
	{"42883", "not_found", false},
	{"42P01", "not_found", false},
	{"44", "data", false},
	{"53", "resource", true},
	{"54", "resource", false},
	{"55", "validation", false},
	{"55006", "conflict", true},
	{"55P03", "conflict", true},
	{"57", "resource", true},
	{"57014", "cancelled", false},
	{"57P03", "connection", true},
	{"57P05", "timeout", true},
	{"58", "resource", true},
	{"58P01", "not_found", false},
	{"72", "conflict", true},
	{"F0", "internal", false},
	{"HV", "external", true},
	{"P0", "data", false},
	{"XX", "internal", false},
	{"JO001", "validation", false},
	{"JO002", "not_found", false},
	{"JO003", "not_found", false},
	{"JO004", "not_found", false},
	{"JO005", "conflict", false},
	{"JO006", "validation", false},
	{"JO007", "validation", false},
	{"JO008", "conflict", false},
	{"JO009", "resource", false},
	{"JO010", "validation", false},
	{"JO011", "internal", false},
	{"JO012", "permission", false},
	{"JO013", "resource", true},
	{"JO014", "internal", false},
	{"JO015", "cancelled", false},
	{"JO016", "validation", false},
	{"JO017", "conflict", true},
	{"JO018", "validation", false},
	{"JO019", "validation", false},
	{"JO020", "rate_limited", true},
	{"JO021", "timeout", true},
	{"JO022", "timeout", true},
	{"JO023", "conflict", false},
	{"JO024", "validation", false},
	{"JO025", "validation", false},
	{"JO026", "validation", false},
	{"JO027", "validation", false},
	{"JO028", "internal", false},
	{"JO029", "permission", false},
	{"JO030", "external", true},
	{"JO031", "validation", false},
	{"JO032", "permission", false},
	{"JO033", "connection", true},
	{"JO034", "timeout", true},
	{"JO035", "client", false},
	{"JO036", "external", true},
	{"JO037", "rate_limited", true},
	{"JO038", "data", false},
	{"JO039", "external", false},
	{"JO040", "validation", false},
	{"JO041", "external", true},
	{"JO042", "permission", false},
	{"JO043", "not_found", false},
	{"JO044", "conflict", false},
	{"JO045", "permission", false},
	{"JO046", "client", false},
	{"JO047", "cancelled", false},
	{"JO048", "not_found", false}
};

PG_FUNCTION_INFO_V1(joborch_error_classes);

static const ErrorClass *
find_class(int sqlstate)
{
	const ErrorClass *found = NULL;
	const char *code = unpack_sql_state(sqlstate);
	int			i;

	for (i = 0; i < (int) lengthof(error_classes); i++)
	{
		const char *pattern = error_classes[i].pattern;

		if (strcmp(pattern, code) == 0)
			return &error_classes[i];
		if (pattern[2] == '\0' && strncmp(pattern, code, 2) == 0)
			found = &error_classes[i];
	}
	return found;
}

/* Never raises.  What no row of the table knows is internal. */
const char *
jo_failure_category(int sqlstate, bool *retryable)
{
	const ErrorClass *class = find_class(sqlstate);

	if (retryable != NULL)
		*retryable = class != NULL && class->retryable;
	return class != NULL ? class->category : "internal";
}

/* Adds a text, cut to MAX_ERROR_TEXT at a whole character. */
static void
add_text(JsonbParseState **state, const char *key, const char *text)
{
	JsonbValue	value;

	if (text == NULL)
		return;
	jo_jsonb_string_value(&value, text);
	if (value.val.string.len > MAX_ERROR_TEXT)
		value.val.string.len = pg_mbcliplen(text, value.val.string.len, MAX_ERROR_TEXT);
	jo_jsonb_add(state, key, &value);
}

/* The part that every failure has; the object stays open. */
static void
begin_failure(JsonbParseState **state, int sqlstate, const char *message,
			  const char *detail, const char *hint)
{
	bool		retryable;
	const char *category = jo_failure_category(sqlstate, &retryable);

	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	add_text(state, "message", message != NULL ? message : "missing error text");
	jo_jsonb_add_string(state, "sqlstate", pstrdup(unpack_sql_state(sqlstate)));
	jo_jsonb_add_string(state, "category", category);
	jo_jsonb_add_bool(state, "retryable", retryable);
	add_text(state, "detail", detail);
	add_text(state, "hint", hint);
}

/* Allocates in the current context, raises only when that is out of memory. */
Jsonb *
jo_failure_from_error(const ErrorData *error)
{
	JsonbParseState *state = NULL;
	const char *query = error->internalquery;
	int			position = query != NULL ? error->internalpos : error->cursorpos;

	begin_failure(&state, error->sqlerrcode, error->message, error->detail, error->hint);
	add_text(&state, "context", error->context);
	add_text(&state, "schema", error->schema_name);
	add_text(&state, "table", error->table_name);
	add_text(&state, "column", error->column_name);
	add_text(&state, "datatype", error->datatype_name);
	add_text(&state, "constraint", error->constraint_name);
	add_text(&state, "query", query);
	if (position > 0)
		jo_jsonb_add_int(&state, "position", position);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* Allocates in the current context; detail and hint may be NULL. */
Jsonb *
jo_failure_make(int sqlstate, const char *message, const char *detail, const char *hint)
{
	JsonbParseState *state = NULL;

	begin_failure(&state, sqlstate, message, detail, hint);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

Jsonb *
jo_failure_with_step(Jsonb *failure, const char *step)
{
	JsonbParseState *state = NULL;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (failure == NULL || !JB_ROOT_IS_OBJECT(failure) ||
		getKeyJsonValueFromContainer(&failure->root, "step", strlen("step"), &value) != NULL)
		return failure;
	iterator = JsonbIteratorInit(&failure->root);
	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		JsonbValue *root;

		/* the end of the outermost object is the last token: the name goes before it */
		if (token == WJB_END_OBJECT && iterator == NULL)
			jo_jsonb_add_string(&state, "step", step);
		root = pushJsonbValue(&state, token, token < WJB_BEGIN_ARRAY ? &value : NULL);
		if (iterator == NULL)
			return JsonbValueToJsonb(root);
	}
	return failure;				/* not reached */
}

/* Does a list of a retry policy name the category, the SQLSTATE or its class? */
static bool
list_names(char *const *list, int n, const char *category, const char *sqlstate)
{
	int			i;

	for (i = 0; i < n; i++)
	{
		if (pg_strcasecmp(list[i], category) == 0 || pg_strcasecmp(list[i], sqlstate) == 0)
			return true;
		if (strlen(list[i]) == 2 && pg_strncasecmp(list[i], sqlstate, 2) == 0)
			return true;
	}
	return false;
}

/* Raised about what is outside of the database: JO031 to JO046. */
static bool
is_outside(const char *code)
{
	return strcmp(code, "JO031") >= 0 && strcmp(code, "JO046") <= 0 && strcmp(code, "JO040") != 0;
}

/*
 * A policy without `on` tries everything again, as users of other systems expect.  Only
 * what someone cancelled stays cancelled, and what another system refused, or the rules about
 * reaching it, would be refused again.  Never raises.
 */
bool
jo_failure_retryable(const JoRetry *retry, int sqlstate)
{
	char		code[6];
	bool		may_help;
	const char *category = jo_failure_category(sqlstate, &may_help);

	strlcpy(code, unpack_sql_state(sqlstate), sizeof(code));
	if (strcmp(category, "cancelled") == 0)
		return false;
	if (list_names(retry->not_on, retry->nnot_on, category, code))
		return false;
	if (retry->non == 0)
		return may_help || !is_outside(code);
	return list_names(retry->on, retry->non, category, code);
}

/* Never raises; the result is between 0 and retry->max (if that is set). */
int64
jo_failure_backoff(const JoRetry *retry, int n)
{
	double		delay = (double) retry->initial;
	double		ceiling = retry->max > 0 ? (double) retry->max : (double) (PG_INT64_MAX / 4);

	if (retry->exponential && n > 1)
		delay *= pow(retry->multiplier, n - 1);
	delay = Min(delay, ceiling);
	if (retry->jitter > 0)
		delay *= 1.0 + retry->jitter * (2.0 * pg_prng_double(&pg_global_prng_state) - 1.0);
	return (int64) rint(Max(Min(delay, ceiling), 0.0));
}

/* joborch.error_classes: the table above, as rows (pattern, category, retryable). */
Datum
joborch_error_classes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	for (i = 0; i < (int) lengthof(error_classes); i++)
	{
		Datum		values[3];
		bool		nulls[3] = {false, false, false};

		values[0] = CStringGetTextDatum(error_classes[i].pattern);
		values[1] = CStringGetTextDatum(error_classes[i].category);
		values[2] = BoolGetDatum(error_classes[i].retryable);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
