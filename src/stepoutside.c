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

#include "clock.h"
#include "errors.h"
#include "failure.h"
#include "jsonbuild.h"
#include "steptypes.h"

/* What whoever carries it out is told: {"request": {...}}. */
static Jsonb *
build_request(JoTry *try)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_jsonb(&state, "request", jo_document_render(try->document, try->step->outside->parameters));
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

JoVerdict
jo_step_outside(JoTry *try)
{
	if (!try->waited)
	{
		jo_step_begin_wait(try, JO_WAIT_OUTSIDE);
		try->wait.detail = build_request(try);
	}
	if (jo_step_is_late(try, jo_clock_now()))
		jo_step_raise_timeout(try, psprintf("Whoever carries out steps of type \"%s\" did not say in time that it is done.",
											try->step->word));
	return jo_step_wait_until(try, 0);
}

static void
fail_by_order(JoTry *try, const JoSignalRow *order)
{
	const char *message = order->payload != NULL ? jo_jsonb_text(order->payload) :
		psprintf("%s was failed by \"%s\"", jo_document_place(try->document), order->sent_by);
	const char *detail = psprintf("Said by \"%s\".", order->sent_by);

	if (order->reason != NULL)
		detail = psprintf("%s  The reason: %s", detail, order->reason);
	try->sqlstate = ERRCODE_JO_STEP_FAILED;
	try->error = jo_failure_make(ERRCODE_JO_STEP_FAILED, message, detail, NULL);
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
