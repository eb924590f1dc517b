/*
 * stepapproval.c
 *		The step type approval: waits until somebody says yes or no.
 *
 * Who may say so is checked when he does (approve_step, reject_step); what he said is
 * a signal to this step, which is taken here.  Writes through store.c.
 */
#include "joborch.h"

#include "catalog/pg_type.h"
#include "clock.h"
#include "errors.h"
#include "jsonbuild.h"
#include "steptypes.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/timestamp.h"

/* What the deciders are shown: {"message", "approvers"}. */
static Jsonb *
build_question(JoTry *try)
{
	const JoWaitDef *wait = try->step->wait;
	JsonbParseState *state = NULL;
	JsonbValue	value;
	int			i;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_string(&state, "message", jo_step_text(try, wait->message));
	jo_jsonb_string_value(&value, "approvers");
	pushJsonbValue(&state, WJB_KEY, &value);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (i = 0; i < wait->napprovers; i++)
	{
		jo_jsonb_string_value(&value, wait->approvers[i]);
		pushJsonbValue(&state, WJB_ELEM, &value);
	}
	pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* decision NULL: nobody decided in time. */
static Jsonb *
build_answer(const JoSignalRow *decision, TimestampTz at)
{
	JsonbParseState *state = NULL;
	char		text[MAXDATELEN + 1];
	Jsonb	   *null = jo_jsonb_null();
	JsonbValue	value;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_bool(&state, "approved", decision != NULL && decision->kind == JO_SIGNAL_APPROVED);
	if (decision != NULL)
		jo_jsonb_add_string(&state, "by", decision->sent_by);
	else
		jo_jsonb_add_jsonb(&state, "by", null);
	if (decision != NULL && decision->reason != NULL)
		jo_jsonb_add_string(&state, "reason", decision->reason);
	else
		jo_jsonb_add_jsonb(&state, "reason", null);
	jo_jsonb_string_value(&value, JsonEncodeDateTime(text, TimestampTzGetDatum(at), TIMESTAMPTZOID, NULL));
	jo_jsonb_add(&state, "at", &value);
	if (decision == NULL)
		jo_jsonb_add_bool(&state, "timed_out", true);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static JoVerdict
reject(JoTry *try, const JoSignalRow *decision, TimestampTz at)
{
	switch (try->step->wait->on_reject)
	{
		case JO_ON_TIMEOUT_SKIP:
			return JO_VERDICT_SKIPPED;
		case JO_ON_TIMEOUT_CONTINUE:
			try->output = build_answer(decision, at);
			return JO_VERDICT_COMPLETED;
		default:
			break;
	}
	ereport(ERROR,
			(errcode(ERRCODE_JO_REJECTED),
			 decision != NULL ?
			 errmsg("%s was rejected by \"%s\"", jo_document_place(try->document), decision->sent_by) :
			 errmsg("%s was rejected, since nobody decided in time", jo_document_place(try->document)),
			 decision != NULL && decision->reason != NULL ? errdetail("The reason: %s", decision->reason) :
			 errdetail("No reason was given."),
			 errhint("joborch.recover_run() asks again; \"on_reject\": \"continue\" goes on with the answer.")));
	return JO_VERDICT_FAILED;	/* not reached */
}

static JoVerdict
give_up(JoTry *try)
{
	switch (try->step->wait->on_timeout)
	{
		case JO_ON_TIMEOUT_SKIP:
			return JO_VERDICT_SKIPPED;
		case JO_ON_TIMEOUT_CONTINUE:
			try->output = build_answer(NULL, try->wait.deadline);
			return JO_VERDICT_COMPLETED;
		case JO_ON_TIMEOUT_REJECT:
			return reject(try, NULL, try->wait.deadline);
		case JO_ON_TIMEOUT_FAIL:
			break;
	}
	jo_step_raise_timeout(try, psprintf("SELECT joborch.approve_step(" INT64_FORMAT ", '%s') approves it after "
										"joborch.recover_run(" INT64_FORMAT ").",
										try->run_id, try->step->shown, try->run_id));
}

JoVerdict
jo_step_approval(JoTry *try)
{
	JoSignalRow decision;

	if (!try->waited)
	{
		jo_step_begin_wait(try, JO_WAIT_APPROVAL);
		try->wait.detail = build_question(try);
	}
	if (jo_store_take_signal(try->run_id, JO_SIGNAL_DECISION, NULL, try->step->index, try->item, &decision))
	{
		/* what was said after the deadline came too late, even if nobody looked until now */
		if (try->wait.deadline != 0 && decision.sent_at >= try->wait.deadline)
			return give_up(try);
		if (decision.kind != JO_SIGNAL_APPROVED)
			return reject(try, &decision, decision.sent_at);
		try->output = build_answer(&decision, decision.sent_at);
		return JO_VERDICT_COMPLETED;
	}
	if (jo_step_is_late(try, jo_clock_now()))
		return give_up(try);
	return jo_step_wait_until(try, 0);
}
