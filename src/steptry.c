/*
 * steptry.c
 *		What surrounds a step's own work, wherever it is carried out.
 *
 * An executor carries out steps for good, test_run() to try a definition out; what a
 * step is must be the same for both.  Touches nothing but the open transaction.
 */
#include "joborch.h"

#include "commands/trigger.h"
#include "errors.h"
#include "failure.h"
#include "nodes/makefuncs.h"
#include "sqlstep.h"
#include "steptry.h"

bool
jo_step_is_wanted(JoTry *try)
{
	const JoCondition *when = &try->step->when;

	if (when->path != NULL)
		return jo_document_predicate(try->document, when->path, &when->refs);
	if (when->sql != NULL)
		return jo_sqlstep_condition(try->job, try->step, try->document);
	return true;
}

Jsonb *
jo_step_shape(JoTry *try, Jsonb *result)
{
	if (try->step->output == NULL)
		return result;
	jo_document_set_result(try->document, result);
	return jo_document_render(try->document, try->step->output);
}

void
jo_step_fire_deferred(void)
{
	ConstraintsSetStmt *statement = makeNode(ConstraintsSetStmt);

	statement->constraints = NIL;
	statement->deferred = false;
	AfterTriggerSetState(statement);
}

Jsonb *
jo_step_cut_off(const JoStepDef *step, const char *context)
{
	return jo_failure_make(ERRCODE_JO_STEP_TIMEOUT,
						   psprintf("step \"%s\" timed out after " INT64_FORMAT " ms",
									step->name, step->timeout / 1000),
						   context, "Raise the step's \"timeout\" or make its statement faster.");
}
