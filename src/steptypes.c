/*
 * steptypes.c
 *		The one table of step types: which function carries out which part.
 *
 * Around the function is what all types have: the item, the cache, and the limit of
 * what a step may hand on.
 */
#include "joborch.h"

#include "clock.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "spill.h"
#include "sqlstep.h"
#include "steptypes.h"

typedef JoVerdict (*StepFunction) (JoTry *try);

int64		(*jo_start_child_hook) (const JoChildStart *child) = NULL;

/*
 * NULL: the type has no such part, or does it outside of transactions.  EACH is carried out
 * as WHOLE is.
 */
typedef struct StepTypeRow
{
	StepFunction whole;
	StepFunction open;
	StepFunction close;
	bool		waits;			/* WHOLE and EACH may say JO_VERDICT_WAIT */
} StepTypeRow;

static const StepTypeRow types[] = {
	[JO_STEP_SQL] = {.whole = jo_step_sql},
	[JO_STEP_TRANSFORM] = {.whole = jo_step_transform},
	[JO_STEP_VALIDATE] = {.whole = jo_step_validate},
	[JO_STEP_AGGREGATE] = {.whole = jo_step_aggregate},
	[JO_STEP_FILTER] = {.whole = jo_step_filter},
	[JO_STEP_SET] = {.whole = jo_step_set},
	[JO_STEP_NOTIFY] = {.whole = jo_step_notify},
	[JO_STEP_CONDITION] = {.whole = jo_step_condition,.open = jo_step_condition,.close = jo_step_close_decision},
	[JO_STEP_SWITCH] = {.whole = jo_step_switch,.open = jo_step_switch,.close = jo_step_close_decision},
	[JO_STEP_PARALLEL] = {.open = jo_step_open,.close = jo_step_close_parallel},
	[JO_STEP_RACE] = {.open = jo_step_open,.close = jo_step_close_race},
	[JO_STEP_JOIN] = {.whole = jo_step_join},
	[JO_STEP_END] = {.whole = jo_step_end},
	[JO_STEP_LOOP] = {.whole = jo_step_loop,.waits = true},
	[JO_STEP_JOB] = {.whole = jo_step_job,.waits = true},
	[JO_STEP_DELAY] = {.whole = jo_step_delay,.waits = true},
	[JO_STEP_WAIT_SIGNAL] = {.whole = jo_step_wait_signal,.waits = true},
	[JO_STEP_WAIT_SQL] = {.whole = jo_step_wait_sql,.waits = true},
	[JO_STEP_APPROVAL] = {.whole = jo_step_approval,.waits = true},
	[JO_STEP_NETWORK] = {.whole = jo_step_network,.waits = true},
	[JO_STEP_ARTIFACT] = {.whole = jo_step_artifact},
	[JO_STEP_OUTSIDE] = {.whole = jo_step_outside,.waits = true}
};

bool
jo_step_may_wait(const JoStepDef *step)
{
	if (step->part != JO_PART_WHOLE && step->part != JO_PART_EACH)
		return false;
	if (step->type == JO_STEP_JOB)
		return step->child->wait;
	return types[step->type].waits;
}

static StepFunction
find_function(const JoStepDef *step)
{
	const StepTypeRow *row = &types[step->type];

	switch (step->part)
	{
		case JO_PART_WHOLE:
		case JO_PART_EACH:
			return row->whole;
		case JO_PART_OPEN:
			return step->each != NULL ? jo_step_open_each : row->open;
		case JO_PART_CLOSE:
			return step->each != NULL ? jo_step_close_each : row->close;
	}
	return NULL;
}

/* ---- cache ---- */

/*
 * The name of the cached output's job and step; false when there is none: outputs of
 * definitions that are no job's have nobody to whom they could belong.  Where a job runs
 * with its caller's rights, nobody gets what another role was allowed to see.
 */
static bool
find_cache_key(JoTry *try, int64 *job_id, char **key)
{
	if (try->step->cache == NULL || try->step->part == JO_PART_OPEN ||
		try->step->part == JO_PART_CLOSE)
		return false;
	*job_id = jo_document_job_id(try->document);
	*key = *job_id != 0 ? jo_step_text(try, try->step->cache->key) : NULL;
	if (*key != NULL && try->job->definition->run_as_caller)
		*key = psprintf("role %u: %s", GetSessionUserId(), *key);
	return *key != NULL;
}

bool
jo_step_is_cached(JoTry *try)
{
	int64		job_id;
	char	   *key;

	return find_cache_key(try, &job_id, &key) &&
		jo_store_cached(job_id, try->step->shown, key, jo_clock_now(), &try->output);
}

void
jo_step_keep(JoTry *try)
{
	int64		job_id;
	char	   *key;
	TimestampTz now = jo_clock_now();
	TimestampTz expires_at = DT_NOEND;

	/* one that goes to an artifact belongs to its run */
	if (jo_spill_is_large(try->output) || !find_cache_key(try, &job_id, &key))
		return;
	if (try->step->cache->ttl < DT_NOEND - now)
		expires_at = now + try->step->cache->ttl;
	jo_store_cache(job_id, try->step->shown, key,
				   try->output != NULL ? try->output : jo_jsonb_null(), expires_at);
}

/* ---- execution ---- */

JoVerdict
jo_step_execute(JoTry *try)
{
	StepFunction function = find_function(try->step);
	JoVerdict	verdict;
	bool		ordered;

	try->output = NULL;
	try->error = NULL;
	try->sqlstate = 0;
	try->taken = JO_NOTHING_TAKEN;
	if (try->item != JO_NO_ITEM)
		jo_document_set_item(try->document, try->item, try->epoch);
	if (!try->waited && jo_step_is_cached(try))
		return JO_VERDICT_COMPLETED;

	ordered = try->waited && jo_step_take_order(try, &verdict);
	if (!ordered && function == NULL)
		elog(ERROR, "step \"%s\" of type %d has no part %d",
			 try->step->name, (int) try->step->type, (int) try->step->part);
	if (!ordered)
		verdict = function(try);
	if (verdict == JO_VERDICT_COMPLETED)
	{
		jo_step_accept_output(try);
		/* what somebody puts in the place of a result is none of the step's */
		if (!ordered || try->step->outside != NULL)
			jo_step_keep(try);
	}
	return verdict;
}

bool
jo_step_is_alone(const JoStepDef *step)
{
	if (step->type == JO_STEP_COMMAND)
		return step->part == JO_PART_WHOLE || step->part == JO_PART_EACH;
	return jo_sqlstep_is_alone(step);
}

void
jo_step_execute_alone(JoTry *try)
{
	if (try->step->type == JO_STEP_COMMAND)
		try->output = jo_step_command(try);
	else
		try->output = jo_sqlstep_execute_alone(try->job, try->step, try->document);
	jo_step_accept_output(try);
}
