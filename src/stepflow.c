/*
 * stepflow.c
 *		Steps that decide where a run goes: condition, switch, join, end, and the
 *		beginning of parallel and race.
 *
 * What follows from a decision (which steps begin, which are skipped) is the
 * engine's business: here it is only taken.  Reads rows of the run; writes nothing.
 */
#include "joborch.h"

#include "errors.h"
#include "jsonbuild.h"
#include "steptypes.h"

/* A decision; the output is for the bare form, whose step is the container itself. */
static JoVerdict
take_branch(JoTry *try, int branch)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_string(&state, "branch", try->step->flow->branches[branch].label);
	try->output = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	try->taken = branch;
	return JO_VERDICT_COMPLETED;
}

JoVerdict
jo_step_condition(JoTry *try)
{
	bool		holds = jo_step_holds(try, &try->step->flow->branches[0].condition, try->document);

	return take_branch(try, holds ? 0 : 1);
}

/* Does a case match?  value NULL: the switch compares none. */
static bool
matches(JoTry *try, const JoBranch *branch, Jsonb *value)
{
	Jsonb	   *wanted;

	if (jo_step_has_condition(&branch->condition))
		return jo_step_holds(try, &branch->condition, try->document);
	if (branch->equals == NULL || value == NULL)
		return false;
	wanted = jo_document_render(try->document, branch->equals);
	return compareJsonbContainers(&wanted->root, &value->root) == 0;
}

static void
raise_no_match(JoTry *try, Jsonb *value)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_NO_MATCH),
			 errmsg("no case of switch \"%s\" matches", jo_step_name(try)),
			 value == NULL ? errdetail("None of its %d conditions is true.", try->step->flow->nbranches) :
			 errdetail("The value is: %s",
					   pnstrdup(JsonbToCString(NULL, &value->root, VARSIZE(value)), 200)),
			 errhint("Add a case for it, or \"default\": [] if there is nothing to do.")));
}

JoVerdict
jo_step_switch(JoTry *try)
{
	const JoFlowDef *flow = try->step->flow;
	int			ncases = flow->nbranches - (flow->has_default ? 1 : 0);
	Jsonb	   *value = NULL;
	int			i;

	if (jo_step_is_given(&flow->value))
		value = jo_step_value(try, &flow->value);
	for (i = 0; i < ncases; i++)
	{
		if (matches(try, &flow->branches[i], value))
			return take_branch(try, i);
	}
	if (!flow->has_default)
		raise_no_match(try, value);
	return take_branch(try, ncases);
}

JoVerdict
jo_step_open(JoTry *try pg_attribute_unused())
{
	return JO_VERDICT_COMPLETED;
}

/* The outputs of the parents that completed, by name. */
JoVerdict
jo_step_join(JoTry *try)
{
	const JoStepDef *step = try->step;
	JsonbParseState *state = NULL;
	int			i;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (i = 0; i < step->ndeps; i++)
	{
		JoStepRow	row;

		if (!jo_store_step(try->run_id, step->deps[i], JO_NO_ITEM, jo_store_latest(), &row) ||
			row.status != JO_STEP_COMPLETED)
			continue;
		jo_jsonb_add_jsonb(&state, try->job->definition->steps[step->deps[i]].name,
						   row.output != NULL ? row.output : jo_jsonb_null());
	}
	try->output = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return JO_VERDICT_COMPLETED;
}

/* ---- end ---- */

/* Did a step fail whose failure nobody handles?  One inside a container is the container's. */
static bool
has_failed(JoTry *try)
{
	const JoDefinition *definition = try->job->definition;
	JoStepRow  *rows;
	int			n = jo_store_steps(try->run_id, jo_store_latest(), false, &rows);
	int			i;

	for (i = 0; i < n; i++)
	{
		const JoStepDef *step;

		if (rows[i].status != JO_STEP_FAILED || rows[i].step >= definition->nsteps)
			continue;
		step = &definition->steps[rows[i].step];
		if (JO_STEP_IS_COUNTED(step) && step->scope < 0 && step->on_error != JO_ON_ERROR_CONTINUE)
			return true;
	}
	return false;
}

JoVerdict
jo_step_end(JoTry *try)
{
	const JoFlowDef *flow = try->step->flow;
	char	   *message = jo_step_text(try, flow->message);
	JsonbParseState *state = NULL;

	if (flow->end == JO_END_FAILURE || (flow->end == JO_END_CONDITIONAL && has_failed(try)))
		ereport(ERROR,
				(errcode(ERRCODE_JO_ENDED),
				 message != NULL ? errmsg_internal("%s", message) :
				 errmsg("step \"%s\" ended the run as failed", try->step->name),
				 flow->end == JO_END_FAILURE ?
				 errdetail("Step \"%s\" has \"status\": \"failure\".", try->step->name) :
				 errdetail("Step \"%s\" has \"status\": \"conditional\", and a step failed.", try->step->name),
				 errhint("This is what the definition says; joborch.recover_run() tries the step again.")));

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_string(&state, "status", "success");
	jo_jsonb_add_string(&state, "message", message);
	try->output = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return JO_VERDICT_COMPLETED;
}
