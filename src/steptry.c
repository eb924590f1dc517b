/*
 * steptry.c
 *		What surrounds a step's own work, wherever it is carried out.
 *
 * An executor carries out steps for good, test_run() to try a definition out; what a
 * step is must be the same for both.  Touches nothing but the open transaction.
 */
#include "joborch.h"

#include "access/xlog.h"
#include "commands/trigger.h"
#include "errors.h"
#include "failure.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "spill.h"
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
	if (try->step->output != NULL)
	{
		jo_document_set_result(try->document, result);
		result = jo_document_render(try->document, try->step->output);
	}
	return jo_spill(try, result);
}

void
jo_step_fire_deferred(void)
{
	ConstraintsSetStmt *statement = makeNode(ConstraintsSetStmt);

	statement->constraints = NIL;
	statement->deferred = false;
	AfterTriggerSetState(statement);
}

char *
jo_step_idempotency_key(const JoTry *try)
{
	char		item[16] = "";

	if (try->item != JO_NO_ITEM)
		snprintf(item, sizeof(item), "-%d", try->item);
	return psprintf("joborch-" UINT64_FORMAT "-%u-" INT64_FORMAT "-%d-%d%s",
					GetSystemIdentifier(), MyDatabaseId, try->run_id, try->epoch, try->step->index, item);
}

Jsonb *
jo_step_cut_off(const JoStepDef *step, const char *context)
{
	return jo_failure_make(ERRCODE_JO_STEP_TIMEOUT,
						   psprintf("step \"%s\" timed out after " INT64_FORMAT " ms",
									step->name, step->timeout / 1000),
						   context, "Raise the step's \"timeout\" or make its statement faster.");
}
