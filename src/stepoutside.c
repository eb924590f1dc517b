/*
 * stepoutside.c
 *		Steps that somebody else carries out, and what anybody may say of a step that waits.
 *
 * A step that acts outside of the database (http, email, ...) says what is to be done
 * and waits; who does it answers by complete_step() or fail_step().  These, and
 * skip_step(), are orders: signals to one step, which end its wait whatever it waits
 * for.  Takes them through store.c.
 */
#include "joborch.h"

#include "claim.h"
#include "errors.h"
#include "failure.h"
#include "jsonbuild.h"
#include "steptypes.h"

/* What whoever carries it out is told: {"request": {...}}; he can claim it from the commit on. */
static Jsonb *
build_request(JoTry *try)
{
	JsonbParseState *state = NULL;
	Jsonb	   *request = jo_document_render(try->document, try->step->outside->parameters);

	jo_claim_offer(try, request);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_jsonb(&state, "request", request);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

JoVerdict
jo_step_outside(JoTry *try)
{
	if (try->waited)
		return jo_claim_watch(try, psprintf("Whoever carries out steps of type \"%s\" did not say in time that it is done.",
											try->step->word));
	jo_step_begin_wait(try, JO_WAIT_OUTSIDE);
	try->wait.detail = build_request(try);
	return jo_step_wait_until(try, 0);
}

/*
 * Whoever answers 202 to a step with "callback" says later what became of it; the courier
 * wrote that it waits.
 */
JoVerdict
jo_step_network(JoTry *try)
{
	if (!try->waited)
	{
		jo_step_begin_wait(try, JO_WAIT_NETWORK);
		try->wait.deadline = 0;
		return jo_step_wait_until(try, 0);
	}
	if (try->wait.kind == JO_WAIT_OUTSIDE)
		return jo_claim_watch(try, "The other side accepted the request (202), and did not call complete_claim() in time.");
	return jo_step_wait_until(try, 0);
}

void
jo_step_begin_callback(JoTry *try)
{
	JsonbParseState *state = NULL;

	jo_step_begin_wait(try, JO_WAIT_OUTSIDE);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_jsonb(&state, "request", jo_jsonb_null());
	jo_jsonb_add_bool(&state, "accepted", true);
	try->wait.detail = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	(void) jo_step_wait_until(try, 0);
}

/*
 * What fail_step() says is a text; what a worker says (fail_claim()) may be an object with "message",
 * "retryable" and "details".
 */
static bool
find_said(const JoSignalRow *order, const char *key, JsonbValue *value)
{
	return order->payload != NULL &&
		jo_jsonb_member(&order->payload->root, key, (int) strlen(key), value);
}

static const char *
find_message(JoTry *try, const JoSignalRow *order)
{
	JsonbValue	value;

	if (find_said(order, "message", &value))
		return jo_jsonb_text(jo_jsonb_from_value(&value));
	if (order->payload != NULL && !JB_ROOT_IS_OBJECT(order->payload))
		return jo_jsonb_text(order->payload);
	return psprintf("%s was failed by \"%s\"", jo_document_place(try->document), order->sent_by);
}

static Jsonb *
add_details(Jsonb *error, JsonbValue *details)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_jsonb(&state, "details", jo_jsonb_from_value(details));
	return jo_jsonb_merge(error, JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));
}

static void
fail_by_order(JoTry *try, const JoSignalRow *order)
{
	const char *detail = psprintf("Said by \"%s\".", order->sent_by);
	JsonbValue	value;

	if (find_said(order, "worker", &value))
		detail = psprintf("Said by worker \"%s\" of role \"%s\".",
						  jo_jsonb_text(jo_jsonb_from_value(&value)), order->sent_by);
	if (order->reason != NULL)
		detail = psprintf("%s  The reason: %s", detail, order->reason);
	try->sqlstate = ERRCODE_JO_STEP_FAILED;
	if (find_said(order, "retryable", &value) && value.type == jbvBool && !value.val.boolean)
		try->sqlstate = ERRCODE_JO_STEP_REFUSED;
	try->error = jo_failure_make(try->sqlstate, find_message(try, order), detail, NULL);
	if (find_said(order, "details", &value))
		try->error = add_details(try->error, &value);
}

bool
jo_step_take_order(JoTry *try, JoVerdict *verdict)
{
	JoSignalRow order;

	/* one that was sent before was meant for an attempt that is over */
	do
	{
		if (!jo_store_take_signal(try->run_id, JO_SIGNAL_ORDER, NULL, try->step->index, try->item, &order))
			return false;
	} while (order.sent_at < try->wait.begun_at);

	switch (order.kind)
	{
		case JO_SIGNAL_DONE:
			try->output = order.payload;
			*verdict = JO_VERDICT_COMPLETED;
			break;
		case JO_SIGNAL_ERROR:
			fail_by_order(try, &order);
			*verdict = JO_VERDICT_FAILED;
			break;
		default:
			*verdict = JO_VERDICT_SKIPPED;
			break;
	}
	return true;
}
