/*
 * testrunreport.c
 *		What test_run() returns: how the run ended, and each of its steps.
 *
 * {"status", "output", "error", "clock", "steps": [{"step", "item", "within", "status",
 * "attempts", "output", "error", "request"}, ...], "waiting": [{"step", "item",
 * "within", "for", "hint"}, ...]}; members that say nothing are left out.
 */
#include "joborch.h"

#include "jsonbuild.h"
#include "miscadmin.h"
#include "status.h"
#include "testrun.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "waitwords.h"

/* ---- steps ---- */

static void
add_place(JsonbParseState **state, const JoTestRun *run, const JoStepDef *step, int32 item)
{
	jo_jsonb_add_string(state, "step", step->shown);
	if (item != JO_NO_ITEM)
		jo_jsonb_add_int(state, "item", item);
	jo_jsonb_add_string(state, "within", run->within);
}

static void
tell(JoTest *test, const JoTestRun *run, int step, int32 item, char status, int attempts,
	 Jsonb *output, Jsonb *error, Jsonb *request)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	add_place(&state, run, &run->job->definition->steps[step], item);
	jo_jsonb_add_string(&state, "status", jo_status_word(status));
	jo_jsonb_add_int(&state, "attempts", attempts);
	jo_jsonb_add_jsonb(&state, "output", output);
	jo_jsonb_add_jsonb(&state, "error", error);
	jo_jsonb_add_jsonb(&state, "request", request);
	test->told = lappend(test->told, JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

/* Why a container failed that never began is known by its first part. */
static Jsonb *
find_error(const JoTestRun *run, const JoStepDef *step, Jsonb *error)
{
	JoStepRow	row;

	if (error != NULL || step->part != JO_PART_CLOSE ||
		!jo_store_step(run->active.run_id, step->open, JO_NO_ITEM, jo_store_latest(), &row))
		return error;
	return row.error;
}

void
jo_test_tell(JoTest *test, JoTestRun *run, const JoAttempt *attempt, char status,
			 Jsonb *output, Jsonb *error, Jsonb *request)
{
	const JoStepDef *step = &run->job->definition->steps[attempt->step];

	/* of a container users see one step, its end */
	if (step->hidden)
		return;
	if (attempt->item == JO_NO_ITEM)
		run->told[attempt->step] = true;
	tell(test, run, attempt->step, attempt->item, status, attempt->attempt, output,
		 status == JO_STEP_FAILED ? find_error(run, step, error) : error, request);
}

void
jo_test_tell_others(JoTest *test, JoTestRun *run)
{
	const JoDefinition *definition = run->job->definition;

	for (int i = 0; i < definition->nsteps; i++)
	{
		const JoStepState *state = &run->active.steps[i];

		if (run->told[i] || !JO_STEP_IS_FINAL(state->status))
			continue;
		run->told[i] = true;
		if (JO_STEP_IS_COUNTED(&definition->steps[i]))
			tell(test, run, i, JO_NO_ITEM, state->status, state->attempt, NULL, NULL, NULL);
	}
}

/* ---- the run ---- */

static void
add_list(JsonbParseState **state, const char *key, List *list)
{
	ListCell   *cell;
	JsonbValue	value;

	jo_jsonb_string_value(&value, key);
	pushJsonbValue(state, WJB_KEY, &value);
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	foreach(cell, list)
	{
		jo_jsonb_to_value(lfirst(cell), &value);
		pushJsonbValue(state, WJB_ELEM, &value);
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

static char *
hint_for(const JoTestWait *wait, const JoStepDef *step)
{
	char	   *key = jo_test_stub_key(wait->run, step);

	switch (wait->kind)
	{
		case JO_WAIT_SIGNAL:
			return psprintf("Give the stub {\"%s\": {\"signal\": ...}}.", key);
		case JO_WAIT_APPROVAL:
			return psprintf("Give the stub {\"%s\": {\"approve\": true}}.", key);
		default:
			return psprintf("Give the stub {\"%s\": {\"output\": ...}}.", key);
	}
}

static Jsonb *
describe_wait(JoTest *test, const JoTestWait *wait)
{
	const JoStepDef *step = &wait->run->job->definition->steps[wait->step];
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	add_place(&state, wait->run, step, wait->item);
	jo_jsonb_add_string(&state, "for", jo_wait_words(wait->kind, wait->key, 0, wait->child, step,
													test->caller_name));
	jo_jsonb_add_string(&state, "hint", hint_for(wait, step));
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static List *
describe_waits(JoTest *test)
{
	List	   *described = NIL;
	ListCell   *cell;

	foreach(cell, jo_test_waiting(test))
		described = lappend(described, describe_wait(test, lfirst(cell)));
	return described;
}

/*
 * How far the clock has moved, whatever the session's IntervalStyle.  Each execution moves
 * it by a microsecond, so that none is at the same time as another: that is left out.
 */
static char *
elapsed(JoTest *test, TimestampTz until)
{
	int64		ms = (until - test->began + 500) / 1000;
	struct pg_itm span = {0};
	char		text[MAXDATELEN + 1];

	span.tm_mday = ms / 1000 / SECS_PER_DAY;
	span.tm_hour = ms / 1000 / SECS_PER_HOUR % HOURS_PER_DAY;
	span.tm_min = ms / 1000 / SECS_PER_MINUTE % MINS_PER_HOUR;
	span.tm_sec = ms / 1000 % SECS_PER_MINUTE;
	span.tm_usec = ms % 1000 * 1000;
	EncodeInterval(&span, INTSTYLE_POSTGRES, text);
	return pstrdup(text);
}

Jsonb *
jo_test_report(JoTest *test)
{
	const JoTestRun *root = test->root;
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_string(&state, "status", root->done ? jo_status_word(root->end.status) : "waiting");
	if (root->done && root->end.status == JO_RUN_COMPLETED)
		jo_jsonb_add_jsonb(&state, "output", root->end.output);
	jo_jsonb_add_jsonb(&state, "error", root->end.error);
	jo_jsonb_add_string(&state, "clock", elapsed(test, root->done ? root->ended_at : test->progress_at));
	add_list(&state, "steps", test->told);
	if (!root->done)
		add_list(&state, "waiting", describe_waits(test));
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
