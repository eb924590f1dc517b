/*
 * stepvalidate.c
 *		The step type validate: a value against a JSON Schema and rules.
 *
 * All violations are told, not only the first.  Touches memory only.
 */
#include "joborch.h"

#include "errors.h"
#include "jsonbuild.h"
#include "lib/stringinfo.h"
#include "schema.h"
#include "steptypes.h"

/* One of the output's "errors". */
static void
add_violation(JsonbParseState **state, StringInfo detail, const char *path,
			  const char *keyword, const char *message)
{
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_string(state, "path", path);
	jo_jsonb_add_string(state, "keyword", keyword);
	jo_jsonb_add_string(state, "message", message);
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
	appendStringInfo(detail, "%s%s: %s", detail->len > 0 ? "\n" : "", path, message);
}

static int
check_schema(const char *schema, Jsonb *value, JsonbParseState **state, StringInfo detail)
{
	JoViolations violations;
	const char *more;
	int			i;

	memset(&violations, 0, sizeof(violations));
	jo_schema_walk(jo_schema_compile(schema, strlen(schema)), value, &violations);
	for (i = 0; i < violations.n; i++)
		add_violation(state, detail, violations.list[i].path, violations.list[i].keyword,
					  violations.list[i].message);
	more = jo_schema_more(&violations);
	if (more != NULL)
		appendStringInfo(detail, "\n%s", more);
	return violations.n;
}

/* A rule whose answer is unknown does not hold: the value is not as it says. */
static int
check_rules(JoTry *try, Jsonb *value, JsonbParseState **state, StringInfo detail)
{
	const JoDataDef *data = try->step->data;
	int			violated = 0;
	int			i;

	jo_document_overlay(try->document, JO_ROOT_VALUE, value);
	for (i = 0; i < data->nrules; i++)
	{
		const JoRule *rule = &data->rules[i];

		if (jo_document_truth(try->document, rule->path, &rule->refs) == JO_TRUTH_YES)
			continue;
		violated++;
		add_violation(state, detail, "$", "rule", rule->message != NULL ? rule->message :
					  psprintf("%s does not hold", rule->path));
	}
	jo_document_uncover(try->document);
	return violated;
}

static Jsonb *
get_value(JoTry *try)
{
	Jsonb	   *previous;

	if (jo_step_is_given(&try->step->data->value))
		return jo_step_value(try, &try->step->data->value);
	previous = jo_document_previous_output(try->document);
	return previous != NULL ? previous : jo_jsonb_null();
}

JoVerdict
jo_step_validate(JoTry *try)
{
	const JoDataDef *data = try->step->data;
	Jsonb	   *value = get_value(try);
	JsonbParseState *state = NULL;
	StringInfoData detail;
	JsonbValue	errors;
	int			n = 0;

	initStringInfo(&detail);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	if (data->schema != NULL)
		n += check_schema(data->schema, value, &state, &detail);
	n += check_rules(try, value, &state, &detail);
	errors = *pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	if (n > 0 && data->fail_on_error)
		ereport(ERROR,
				(errcode(ERRCODE_JO_VALIDATION),
				 errmsg_plural("validation failed: %d violation", "validation failed: %d violations", n, n),
				 errdetail("%s", detail.data),
				 errhint("With \"fail_on_error\": false the step completes, and its output says what is wrong.")));

	state = NULL;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_bool(&state, "valid", n == 0);
	jo_jsonb_add_jsonb(&state, "errors", JsonbValueToJsonb(&errors));
	try->output = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return JO_VERDICT_COMPLETED;
}
