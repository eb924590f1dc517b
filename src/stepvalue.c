/*
 * stepvalue.c
 *		What the expressions and conditions of a step give.
 *
 * Whether a value is written as a template, as a path or as SQL is known here only.
 * Runs the step's SQL inside its transaction; writes nothing itself.
 */
#include "joborch.h"

#include "errors.h"
#include "jsonbuild.h"
#include "sqlresult.h"
#include "sqlstep.h"
#include "steptypes.h"
#include "utils/fmgrprotos.h"

const char *
jo_step_name(const JoTry *try)
{
	const JoStepDef *step = try->step;

	/* the name of an OPEN is told to nobody */
	return step->close >= 0 ? try->job->definition->steps[step->close].name : step->name;
}

bool
jo_step_is_given(const JoExpression *expression)
{
	return expression->value != NULL || expression->path != NULL || expression->sql != NULL;
}

/* Of a query: its first row's value, or the row where it has more columns. */
static Jsonb *
get_query_value(JoTry *try, const JoExpression *expression)
{
	Jsonb	   *result = jo_sqlstep_query(try->job, try->step, expression->sql, expression->plan,
										  0, try->document);
	Jsonb	   *row = jo_sqlresult_first_row(result);

	if (row == NULL)
		return jo_jsonb_null();
	return JB_ROOT_COUNT(row) == 1 ? jo_sqlresult_first_value(result) : row;
}

Jsonb *
jo_step_value(JoTry *try, const JoExpression *expression)
{
	Jsonb	   *value = NULL;

	if (expression->sql != NULL)
		value = get_query_value(try, expression);
	else if (expression->path != NULL)
		value = jo_document_path(try->document, expression->path, &expression->refs,
								 expression->many);
	else if (expression->value != NULL)
		value = jo_document_render(try->document, expression->value);
	return value != NULL ? value : jo_jsonb_null();
}

Jsonb *
jo_step_items(JoTry *try, const JoExpression *expression, const char *what)
{
	JsonbValue	scalar;
	Jsonb	   *items;
	bool		is_null;

	if (expression->sql != NULL)
	{
		JsonbValue	rows;

		items = jo_sqlstep_query(try->job, try->step, expression->sql, expression->plan,
								 JO_MAX_ITEMS, try->document);
		if (!jo_jsonb_member(&items->root, "rows", 4, &rows))
			elog(ERROR, "a result has no rows");
		return jo_jsonb_from_value(&rows);
	}
	items = jo_step_value(try, expression);
	if (JB_ROOT_IS_ARRAY(items) && !JB_ROOT_IS_SCALAR(items))
		return items;
	is_null = JsonbExtractScalar(&items->root, &scalar) && scalar.type == jbvNull;
	ereport(ERROR,
			(errcode(ERRCODE_JO_ITEMS),
			 errmsg("%s of %s is not an array", what, jo_document_place(try->document)),
			 is_null ? errdetail("It is null.") :
			 errdetail("It is: %s", pnstrdup(JsonbToCString(NULL, &items->root, VARSIZE(items)), 200)),
			 is_null ? errhint("For what may be missing, give a fallback: {{ ... | default([]) }}.") :
			 errhint("Name an array, or wrap the value: [{{ ... }}].")));
	return NULL;				/* not reached */
}

char *
jo_step_text(JoTry *try, const JoValue *value)
{
	JsonbValue	scalar;
	Jsonb	   *rendered;

	if (value == NULL)
		return NULL;
	rendered = jo_document_render(try->document, value);
	if (JsonbExtractScalar(&rendered->root, &scalar) && scalar.type == jbvNull)
		return NULL;
	return jo_jsonb_text(rendered);
}

bool
jo_step_has_condition(const JoCondition *condition)
{
	return condition->path != NULL || condition->sql != NULL;
}

bool
jo_step_holds(JoTry *try, const JoCondition *condition, JoDocument *document)
{
	if (condition->path != NULL)
		return jo_document_predicate(document, condition->path, &condition->refs);
	Assert(condition->sql != NULL);
	return jo_sqlstep_holds(try->job, try->step, condition->sql, condition->plan, document, NULL);
}

/* The SQLSTATE in an error's JSON; internal_error if there is none. */
static int
get_sqlstate(Jsonb *error)
{
	JsonbValue	value;
	const char *code;

	if (!jo_jsonb_member(&error->root, "sqlstate", 8, &value) ||
		value.type != jbvString || value.val.string.len != 5)
		return ERRCODE_INTERNAL_ERROR;
	code = value.val.string.val;
	return MAKE_SQLSTATE(code[0], code[1], code[2], code[3], code[4]);
}

JoVerdict
jo_step_fail_with(JoTry *try, Jsonb *error)
{
	try->error = error;
	try->sqlstate = get_sqlstate(error);
	return JO_VERDICT_FAILED;
}

Jsonb *
jo_step_note(Jsonb *error, const char *key, int64 number)
{
	JsonbParseState *state = NULL;
	Jsonb	   *note;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_int(&state, key, number);
	note = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(error),
											  JsonbPGetDatum(note)));
}
