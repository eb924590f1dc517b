/*
 * stepclose.c
 *		How containers end: what became of the steps inside them.
 *
 * The engine begins a CLOSE when nothing inside is left to do (or enough is done);
 * what that comes to is decided by the rows that are there.  A step without a row was
 * skipped, or, where the container does not wait for all, has not ended.  Reads rows of
 * the run; writes nothing.
 */
#include "joborch.h"

#include "errors.h"
#include "failure.h"
#include "jsonbuild.h"
#include "steptypes.h"

typedef struct Inside
{
	JoStepRow  *rows;			/* by step; run_id 0: it has none */
	const JoStepDef *failed;	/* the first one whose failure nobody handles, or NULL */
	const JoStepDef *cancelled; /* the first one, or NULL */
} Inside;

static bool
has_ended_before(const Inside *inside, const JoStepDef *step, const JoStepDef *other)
{
	return other == NULL ||
		inside->rows[step->index].finished_at < inside->rows[other->index].finished_at;
}

/* A container inside answers for its steps, and so for its OPEN. */
static bool
is_mine(const JoTry *try, const JoStepDef *step)
{
	if (step->index == try->step->open)
		return true;
	return step->scope == try->step->index && step->part != JO_PART_OPEN && step->part != JO_PART_EACH;
}

static void
read_inside(JoTry *try, Inside *inside)
{
	const JoDefinition *definition = try->job->definition;
	int			i;

	memset(inside, 0, sizeof(Inside));
	inside->rows = palloc0(sizeof(JoStepRow) * definition->nsteps);
	for (i = 0; i < try->step->ndeps; i++)
	{
		const JoStepDef *step = &definition->steps[try->step->deps[i]];
		JoStepRow  *row = &inside->rows[step->index];

		if (!is_mine(try, step) ||
			!jo_store_step(try->run_id, step->index, JO_NO_ITEM, jo_store_latest(), row))
			continue;
		if (row->status == JO_STEP_FAILED && step->on_error != JO_ON_ERROR_CONTINUE &&
			has_ended_before(inside, step, inside->failed))
			inside->failed = step;
		if (row->status == JO_STEP_CANCELLED && has_ended_before(inside, step, inside->cancelled))
			inside->cancelled = step;
	}
}

/* Fails with the first error inside; false: there is none. */
static bool
fails(JoTry *try, const Inside *inside, JoVerdict *verdict)
{
	const JoStepDef *step = inside->failed != NULL ? inside->failed : inside->cancelled;
	const char *name;
	Jsonb	   *error;

	if (step == NULL)
		return false;
	name = step->index == try->step->open ? try->step->name : step->name;
	error = inside->rows[step->index].error;
	if (error == NULL)
		error = jo_failure_make(inside->failed != NULL ? ERRCODE_INTERNAL_ERROR : ERRCODE_QUERY_CANCELED,
								psprintf(inside->failed != NULL ? "step \"%s\" failed" :
										 "step \"%s\" was cancelled", name),
								NULL, NULL);
	*verdict = jo_step_fail_with(try, jo_failure_with_step(error, name));
	return true;
}

/* The output of a branch, NULL: it has none, since its last step did not complete. */
static Jsonb *
get_branch_output(const Inside *inside, const JoBranch *branch)
{
	if (branch->last < 0 || inside->rows[branch->last].run_id == 0 ||
		inside->rows[branch->last].status != JO_STEP_COMPLETED)
		return NULL;
	return inside->rows[branch->last].output;
}

static bool
is_branch_completed(const Inside *inside, const JoBranch *branch)
{
	return branch->last < 0 ||
		(inside->rows[branch->last].run_id != 0 &&
		 inside->rows[branch->last].status == JO_STEP_COMPLETED);
}

JoVerdict
jo_step_close_decision(JoTry *try)
{
	const JoFlowDef *flow = try->step->flow;
	Inside		inside;
	JoVerdict	verdict;
	int			taken;

	read_inside(try, &inside);
	if (fails(try, &inside, &verdict))
		return verdict;
	taken = inside.rows[try->step->open].run_id != 0 ? inside.rows[try->step->open].taken : -1;
	if (taken >= 0 && taken < flow->nbranches)
		try->output = get_branch_output(&inside, &flow->branches[taken]);
	if (try->output == NULL)
		try->output = jo_jsonb_null();
	return JO_VERDICT_COMPLETED;
}

JoVerdict
jo_step_close_parallel(JoTry *try)
{
	const JoFlowDef *flow = try->step->flow;
	JsonbParseState *state = NULL;
	Inside		inside;
	JoVerdict	verdict;
	int			completed = 0;
	int			i;

	read_inside(try, &inside);
	for (i = 0; i < flow->nbranches; i++)
		completed += is_branch_completed(&inside, &flow->branches[i]);
	if ((flow->enough == 0 || completed < flow->enough) && fails(try, &inside, &verdict))
		return verdict;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (i = 0; i < flow->nbranches; i++)
	{
		Jsonb	   *output = get_branch_output(&inside, &flow->branches[i]);

		/* of those that the container did not wait for, there is nothing to say */
		if (output == NULL && flow->enough == 0)
			output = jo_jsonb_null();
		jo_jsonb_add_jsonb(&state, flow->branches[i].label, output);
	}
	try->output = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return JO_VERDICT_COMPLETED;
}

/* The branch that completed first, NULL: none did. */
static const JoBranch *
find_winner(const JoTry *try, const Inside *inside)
{
	const JoFlowDef *flow = try->step->flow;
	const JoBranch *winner = NULL;
	int			i;

	for (i = 0; i < flow->nbranches; i++)
	{
		const JoBranch *branch = &flow->branches[i];

		if (branch->last < 0 || !is_branch_completed(inside, branch))
			continue;
		if (winner == NULL ||
			inside->rows[branch->last].finished_at < inside->rows[winner->last].finished_at)
			winner = branch;
	}
	return winner;
}

JoVerdict
jo_step_close_race(JoTry *try)
{
	JsonbParseState *state = NULL;
	const JoBranch *winner;
	Jsonb	   *output;
	Inside		inside;
	JoVerdict	verdict;

	read_inside(try, &inside);
	winner = find_winner(try, &inside);
	if (winner == NULL && fails(try, &inside, &verdict))
		return verdict;
	output = winner != NULL ? get_branch_output(&inside, winner) : NULL;

	/* all were skipped: nobody won */
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (winner != NULL)
		jo_jsonb_add_string(&state, "winner", winner->label);
	else
		jo_jsonb_add_jsonb(&state, "winner", jo_jsonb_null());
	jo_jsonb_add_jsonb(&state, "output", output != NULL ? output : jo_jsonb_null());
	try->output = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return JO_VERDICT_COMPLETED;
}
