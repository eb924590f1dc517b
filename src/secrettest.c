/*
 * secrettest.c
 *		Secrets as a step of a role gets them, from SQL: only in test builds.
 */
#ifdef JOBORCH_TEST

#include "joborch.h"

#include "document.h"
#include "errors.h"
#include "fmgr.h"
#include "jsonbuild.h"
#include "templateparse.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(joborch_debug_secret);
PG_FUNCTION_INFO_V1(joborch_debug_secret_text);

static JoTemplate *
parse(const char *expression)
{
	JoTemplateScope scope = {.secret = true};
	JoTemplate *template = palloc0(sizeof(JoTemplate));
	JoTemplateFault fault;

	if (!jo_template_scan_expression(expression, strlen(expression), &scope, template, &fault))
		ereport(ERROR,
				(errcode(ERRCODE_JO_TEMPLATE),
				 errmsg("%s", fault.message)));
	return template;
}

/* The value of the inside of a template; allowed: for a step that may be given secrets. */
static Jsonb *
render(Oid role, const char *expression, bool allowed, JoSecretList *list)
{
	JoCachedJob *job = palloc0(sizeof(JoCachedJob));
	JoDocument *document;

	job->context = CurrentMemoryContext;
	document = jo_document_create(job, 0, -1, 1, 0);
	if (allowed)
		jo_document_allow_secrets(document, role, list);
	return jo_document_template(document, parse(expression));
}

/*
 * joborch_internal.debug_secret(role oid, expression text, answer jsonb, allowed boolean): what is kept
 * of the answer that a step with this template got; without an answer, the template's value
 */
Datum
joborch_debug_secret(PG_FUNCTION_ARGS)
{
	JoSecretList list = {0};
	Jsonb	   *value = render(PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_BOOL(3), &list);
	Jsonb	   *answer = PG_ARGISNULL(2) ? value : jo_secret_mask_jsonb(&list, PG_GETARG_JSONB_P(2));

	jo_secret_forget(&list);
	PG_RETURN_JSONB_P(answer);
}

/* joborch_internal.debug_secret_text(role oid, expression text, answer text): the same of a text */
Datum
joborch_debug_secret_text(PG_FUNCTION_ARGS)
{
	JoSecretList list = {0};
	char	   *answer = text_to_cstring(PG_GETARG_TEXT_PP(2));

	(void) render(PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(1)), true, &list);
	answer = jo_secret_mask_text(&list, answer);
	jo_secret_forget(&list);
	PG_RETURN_TEXT_P(cstring_to_text(answer));
}

#endif
