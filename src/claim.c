/*
 * claim.c
 *		Work that programs outside claim, as the step sees it: offering it, and looking
 *		after whoever has it.
 *
 * The step is executed again when a lease runs out, by its timer, and decides here what
 * becomes of it.  Programs act by claimsteps.c and claims.sql; both sides meet at the rows
 * of offer and claim, where the first one wins and nobody of ours waits.
 */
#include "joborch.h"

#include "claim.h"
#include "clock.h"
#include "errors.h"
#include "failure.h"
#include "guc.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "offers.h"
#include "steptypes.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define DEFAULT_QUEUE "default"
#define TOKEN_BYTES 24
#define LOOK_AGAIN USECS_PER_SEC	/* when somebody is just completing it */

/* ---- requests ---- */

static bool
get_member(Jsonb *request, const char *key, JsonbValue *value)
{
	return jo_jsonb_member(&request->root, key, (int) strlen(key), value) && value->type != jbvNull;
}

static const char *
find_queue(Jsonb *request)
{
	JsonbValue	value;

	if (!get_member(request, "queue", &value))
		return DEFAULT_QUEUE;
	if (value.type != jbvString || value.val.string.len == 0 || value.val.string.len >= JO_QUEUE_NAME_SIZE)
		ereport(ERROR,
				(errcode(ERRCODE_JO_REQUEST),
				 errmsg("\"queue\" of the step is no name of a queue"),
				 errdetail("It is: %s", jo_jsonb_text(jo_jsonb_from_value(&value))),
				 errhint("A name is a text of 1 to %d bytes.", JO_QUEUE_NAME_SIZE - 1)));
	return pnstrdup(value.val.string.val, value.val.string.len);
}

/* Seconds as a number, or the text of an interval; 0: neither. */
static int64
read_duration(JsonbValue *value)
{
	int64		microseconds = 0;

	if (value->type == jbvString)
		(void) jo_parse_duration(pnstrdup(value->val.string.val, value->val.string.len), &microseconds);
	else if (value->type == jbvNumeric)
		microseconds = (int64) (DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow,
																   NumericGetDatum(value->val.numeric))) * USECS_PER_SEC);
	return microseconds;
}

int64
jo_claim_lease(Jsonb *request)
{
	JsonbValue	value;
	int64		lease;

	if (request == NULL || !get_member(request, "lease", &value))
		return 0;
	lease = read_duration(&value);
	if (lease < JO_MIN_LEASE || lease > JO_MAX_LEASE)
		ereport(ERROR,
				(errcode(ERRCODE_JO_REQUEST),
				 errmsg("\"lease\" of the step is not valid"),
				 errdetail("It is: %s", jo_jsonb_text(jo_jsonb_from_value(&value))),
				 errhint("Write an interval from 1 second to 30 days, such as \"10 min\".")));
	return lease;
}

/* Items are named beside the step that they belong to. */
void
jo_claim_note_external_id(int64 run_id, const JoStepDef *step, int32 item, Jsonb *request)
{
	int			index = item != JO_NO_ITEM && step->close >= 0 ? step->close : step->index;
	JsonbValue	value;

	if (get_member(request, "external_id", &value))
		jo_store_set_external_id(run_id, index, item, jo_jsonb_text(jo_jsonb_from_value(&value)));
}

/* ---- offering ---- */

/* The run's priority may have been changed since it began. */
static int16
find_priority(JoTry *try, const JoRunRow *run)
{
	JoLiveRow	live;

	if (try->step->priority >= 0)
		return (int16) try->step->priority;
	return jo_store_live(try->run_id, jo_store_latest(), &live) ? live.ord : run->priority;
}

static void
offer(JoTry *try, Jsonb *request, int lost)
{
	JoRunRow	run;
	JoWorkGroupRow group = {0};
	JoOfferRow	row = {
		.offered_at = jo_clock_now(),
		.run_id = try->run_id,
		.step = try->step->index,
		.item = try->item,
		.lost = (int16) Min(lost, PG_INT16_MAX),
	};

	if (!jo_store_run(try->run_id, jo_store_latest(), &run))
		elog(ERROR, "run " INT64_FORMAT " has no row", try->run_id);
	group.queue = find_queue(request);
	group.owner = run.owner;
	group.owner_name = run.owner_name;
	group.tenant = run.tenant;
	jo_store_work_group(&group);
	row.group_id = group.group_id;
	row.ord = find_priority(try, &run);
	jo_store_insert_offer(&row);
	jo_offers_note(group.queue, row.group_id, row.ord, row.offered_at);
}

void
jo_claim_offer(JoTry *try, Jsonb *request)
{
	(void) jo_claim_lease(request);
	offer(try, request, 0);
	jo_claim_note_external_id(try->run_id, try->step, try->item, request);
}

/* What it was told when it began to wait. */
static Jsonb *
request_of(JoTry *try)
{
	JsonbValue	value;

	if (try->wait.detail == NULL ||
		!jo_jsonb_member(&try->wait.detail->root, "request", strlen("request"), &value))
		elog(ERROR, "step %d of run " INT64_FORMAT " waits without a request", try->step->index, try->run_id);
	return jo_jsonb_from_value(&value);
}

/* ---- looking after it ---- */

static JoVerdict
look_again(JoTry *try, TimestampTz now)
{
	try->wait.look_at = now + LOOK_AGAIN;
	return JO_VERDICT_WAIT;
}

static JoVerdict
fail_with(JoTry *try, int sqlstate, const char *message, const char *detail, const char *hint)
{
	try->sqlstate = sqlstate;
	try->error = jo_failure_make(sqlstate, message, detail, hint);
	return JO_VERDICT_FAILED;
}

/* In this transaction, in which nobody can complete it any more: no error may be raised for it. */
static JoVerdict
end_late(JoTry *try, TimestampTz now, const char *hint)
{
	JoVerdict	verdict;

	if (!jo_store_drop_claims(try->run_id, try->step->index, try->item))
		return look_again(try, now);
	/* somebody was faster, after the look for orders */
	if (jo_step_take_order(try, &verdict))
		return verdict;
	return fail_with(try, ERRCODE_JO_STEP_TIMEOUT,
					 psprintf("%s timed out after " INT64_FORMAT " ms",
							  jo_document_place(try->document), try->step->timeout / 1000),
					 psprintf("It waited until %s.", timestamptz_to_str(try->wait.deadline)), hint);
}

static const char *
holder_of(const JoClaimRow *claim)
{
	if (claim->worker == NULL)
		return psprintf("role \"%s\"", claim->claimed_by);
	return psprintf("worker \"%s\" of role \"%s\"", claim->worker, claim->claimed_by);
}

/* The lease has run out: somebody else may have the step. */
static JoVerdict
give_back(JoTry *try, const JoClaimRow *claim, TimestampTz now)
{
	int			lost = claim->lost + 1;

	if (!jo_store_take_claim(claim))
		return look_again(try, now);
	if (jo_guc_max_claims > 0 && lost >= jo_guc_max_claims)
		return fail_with(try, ERRCODE_JO_CRASHED,
						 psprintf("%s was claimed %d times and never completed", jo_document_place(try->document), lost),
						 psprintf("The last claim was that of %s; its lease ran out at %s.",
								  holder_of(claim), timestamptz_to_str(claim->lease_until)),
						 "Look why its workers end or hang; claim_steps(lease => ...) and extend_claim() give them more time.");
	offer(try, request_of(try), lost);
	return jo_step_wait_until(try, 0);
}

/*
 * One snapshot for both tables: a step is in exactly one of them, or its end was said, or
 * it was put aside while its run was paused.
 */
static bool
find_claim(JoTry *try, JoClaimRow *claim, bool *offered)
{
	bool		claimed;

	PushActiveSnapshot(jo_store_latest());
	*offered = jo_store_is_offered(try->run_id, try->step->index, try->item, GetActiveSnapshot());
	claimed = !*offered &&
		jo_store_claim(try->run_id, try->step->index, try->item, GetActiveSnapshot(), claim);
	PopActiveSnapshot();
	return claimed;
}

JoVerdict
jo_claim_watch(JoTry *try, const char *timeout_hint)
{
	TimestampTz now = jo_clock_now();
	JoClaimRow	claim;
	JoVerdict	verdict;
	bool		offered;

	if (jo_step_is_late(try, now))
		return end_late(try, now, timeout_hint);
	if (find_claim(try, &claim, &offered))
	{
		if (claim.lease_until == 0)
			return jo_step_wait_until(try, 0);
		if (claim.lease_until <= now)
			return give_back(try, &claim, now);
		return jo_step_wait_until(try, claim.lease_until);
	}
	if (offered)
		return jo_step_wait_until(try, 0);
	if (jo_step_take_order(try, &verdict))
		return verdict;
	if (try->step->type == JO_STEP_OUTSIDE)
		offer(try, request_of(try), 0);
	return jo_step_wait_until(try, 0);
}

/* ---- tokens ---- */

char *
jo_claim_make_token(const struct varlena **digest)
{
	unsigned char random[TOKEN_BYTES];
	char		digits[TOKEN_BYTES * 2 + 1];
	char	   *token;

	if (!pg_strong_random(random, TOKEN_BYTES))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random token")));
	hex_encode((const char *) random, TOKEN_BYTES, digits);
	digits[TOKEN_BYTES * 2] = '\0';
	token = psprintf("%s%s", JO_TOKEN_PREFIX, digits);
	*digest = DatumGetByteaPP(DirectFunctionCall1(sha256_bytea, CStringGetTextDatum(token)));
	return token;
}

char *
jo_claim_begin_callback(int64 run_id, int32 step, int32 item, int32 attempt)
{
	JoClaimRow	row = {
		.run_id = run_id,
		.claimed_at = jo_clock_now(),
		.step = step,
		.item = item,
		.attempt = attempt,
		.kind = JO_CLAIM_CALLBACK,
		.claimed_by = GetUserNameFromId(GetUserId(), false),
	};
	char	   *token = jo_claim_make_token(&row.token);

	/* one that somebody is just using up counts for him */
	(void) jo_store_drop_claims(run_id, step, item);
	jo_store_insert_claim(&row);
	return token;
}
