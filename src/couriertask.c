/*
 * couriertask.c
 *		What the courier does for one network step inside a transaction.
 *
 * At the beginning: the step's condition, its request with the secrets filled in, and the
 * trace of the attempt, which must be on disk before a byte leaves.  At the end: the
 * response becomes the step's output, or an error.  Runs nobody's SQL: templates,
 * conditions and paths are evaluated by the library, so the courier may be a superuser.
 */
#include "joborch.h"

#include "artifact.h"
#include "claim.h"
#include "clock.h"
#include "courier.h"
#include "debugpoint.h"
#include "egressrules.h"
#include "errors.h"
#include "failure.h"
#include "miscadmin.h"
#include "rights.h"
#include "store.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#define PREPARED_USEC USECS_PER_SEC	/* what waits at a gate for longer is asked anew */

static Oid	checked_role = InvalidOid;	/* the last one that may carry out steps */

/* ---- rights ---- */

static void
forget_role(Datum argument, int cacheid, uint32 hash)
{
	(void) argument;
	(void) cacheid;
	(void) hash;
	checked_role = InvalidOid;
}

static void
watch_roles(void)
{
	static bool watching = false;

	if (watching)
		return;
	CacheRegisterSyscacheCallback(AUTHOID, forget_role, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_role, (Datum) 0);
	CacheRegisterSyscacheCallback(DATABASEOID, forget_role, (Datum) 0);
	watching = true;
}

/* The same that an executor's connection would be asked. */
static void
check_role(Oid role)
{
	char	   *hint = NULL;
	char	   *why;

	watch_roles();
	if (role == checked_role)
		return;
	why = jo_rights_cannot_run(role, NULL, &hint);
	if (why != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_ROLE_CANNOT_CONNECT),
				 errmsg_internal("%s", why),
				 hint ? errhint("%s", hint) : 0));
	checked_role = role;
}

static Oid
find_role(const JoCarry *carry, const JoCachedJob *job, const JoStepDef *step)
{
	const JoActiveRun *run = carry->task.run;
	Oid			role = run->shape->steps[carry->task.step].run_as;
	Oid			author = job->definition->run_as_caller ? job->author : run->owner;

	if (!OidIsValid(role) || role == run->owner)
		return run->owner;
	if (!jo_rights_may_run_as(author, role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("step \"%s\" cannot run as role \"%s\"",
						step->name, GetUserNameFromId(role, false)),
				 errdetail("The role to whom the definition belongs is not a member of it.")));
	return role;
}

/* ---- beginning ---- */

static void
fill_errand(JoCarry *carry, JoTry *try)
{
	JoErrand   *errand = &carry->errand;

	errand->role = find_role(carry, try->job, try->step);
	check_role(errand->role);
	errand->run_id = carry->attempt.run_id;
	errand->step = carry->attempt.step;
	errand->item = carry->attempt.item;
	errand->attempt = carry->attempt.attempt;
	errand->epoch = carry->attempt.epoch;
	errand->step_name = pstrdup(try->step->shown);
	errand->timeout = try->step->timeout;
	errand->idempotency_key = jo_step_idempotency_key(try);
	if (try->step->outside->callback)
		errand->callback_token = jo_claim_begin_callback(errand->run_id, errand->step, errand->item,
														 errand->attempt);
	jo_document_allow_secrets(try->document, errand->role, &errand->secrets);
}

static void
prepare(JoCarry *carry, JoTry *try)
{
	MemoryContext old = MemoryContextSwitchTo(carry->errand.context);
	Jsonb	   *request;

	fill_errand(carry, try);
	carry->kind = jo_request_kind(try->step->outside->kind);
	/* the kind takes what it needs, so that a large body is kept once */
	MemoryContextSwitchTo(old);
	request = jo_document_render(try->document, try->step->outside->parameters);
	jo_claim_note_external_id(carry->attempt.run_id, try->step, carry->attempt.item, request);
	MemoryContextSwitchTo(carry->errand.context);
	carry->kind->begin(&carry->errand, try, request);
	MemoryContextSwitchTo(old);
	carry->prepared = true;
	carry->prepared_at = jo_clock_now();
}

static void
make_try(JoCarry *carry, JoTry *try)
{
	JoCachedJob *job = jo_defcache_get(carry->attempt.version_id);

	jo_books_begin_try(try, &carry->attempt, job, &job->definition->steps[carry->attempt.step]);
	carry->attempt.permitted = try->step->concurrency != NULL;
}

/* An executor let it through its gate, or it waits for complete_claim(). */
static void
read_wait(JoCarry *carry)
{
	MemoryContext old = MemoryContextSwitchTo(carry->errand.context);

	carry->attempt.waited = jo_store_wait(carry->attempt.run_id, carry->attempt.step,
										  carry->attempt.item, jo_store_latest(), &carry->attempt.wait);
	MemoryContextSwitchTo(old);
}

static void
take_meaning(JoCarry *carry)
{
	carry->meaning = jo_stepwrite_take_meaning();
	carry->state = JO_CARRY_OVER;
}

/* Who answered 202 may have said what became of it; or his time is over. */
static void
look_at_callback(JoCarry *carry, JoTry *try)
{
	JoVerdict	verdict = jo_step_execute(try);

	carry->attempt.traced = true;	/* from when the request was sent */
	carry->writing = true;
	switch (verdict)
	{
		case JO_VERDICT_COMPLETED:
			jo_stepwrite_end(&carry->attempt, try->job, JO_STEP_COMPLETED,
							 jo_step_shape(try, try->output), NULL);
			break;
		case JO_VERDICT_SKIPPED:
			jo_stepwrite_end(&carry->attempt, try->job, JO_STEP_SKIPPED, NULL, NULL);
			break;
		case JO_VERDICT_FAILED:
			(void) jo_stepwrite_failure(&carry->attempt, try->step, try->sqlstate, try->error, NULL, 0);
			break;
		case JO_VERDICT_WAIT:
			jo_stepwrite_wait(&carry->attempt, try->job, &try->wait);
			break;
	}
	take_meaning(carry);
}

static void
leave_trace(JoCarry *carry)
{
	JoAttempt  *attempt = &carry->attempt;

	carry->writing = true;
	/* one that was let through a gate may have been lost under way: it goes on with its number */
	jo_store_begin_attempt(attempt->run_id, attempt->step, attempt->item, attempt->attempt,
						   attempt->epoch, attempt->started_at, !attempt->waited, &attempt->trace);
	carry->marked = jo_courier_database->careful;
	if (carry->marked)
		jo_store_insert_mark(attempt->run_id, attempt->step, attempt->item, attempt->attempt);
	attempt->traced = true;
	carry->state = JO_CARRY_OPEN;
}

void
jo_carry_begin(JoCarry *carry)
{
	JoTry		try;
	TimestampTz now = jo_clock_now();

	carry->writing = false;
	jo_stepwrite_begin(&carry->task);
	carry->incarnation = jo_stepwrite_incarnation();
	/* rights, rules and secrets may be others by now */
	if (carry->prepared && now - carry->prepared_at > PREPARED_USEC)
		jo_carry_unprepare(carry);
	/* first, so that its wait and its permit end with it, whatever becomes of it */
	if (carry->task.run->shape->steps[carry->task.step].gated || carry->task.state->resumed)
		read_wait(carry);
	make_try(carry, &try);
	if (carry->cut)
	{
		jo_carry_end(carry);
		return;
	}
	if (carry->attempt.waited && carry->attempt.wait.kind == JO_WAIT_OUTSIDE)
	{
		look_at_callback(carry, &try);
		return;
	}
	if (!carry->attempt.waited && try.item == JO_NO_ITEM && !jo_step_is_wanted(&try))
	{
		carry->writing = true;
		jo_stepwrite_end(&carry->attempt, try.job, JO_STEP_SKIPPED, NULL, NULL);
		take_meaning(carry);
		return;
	}
	if (!carry->prepared)
		prepare(carry, &try);
	if (!jo_gate_pass(carry, now))
	{
		carry->state = JO_CARRY_HELD;
		return;
	}
	carry->attempt.started_at = carry->task.started_at = now;
	leave_trace(carry);
}

void
jo_carry_unprepare(JoCarry *carry)
{
	JoErrand   *errand = &carry->errand;
	MemoryContext context = errand->context;
	Oid			role = errand->role;

	if (errand->cleanup != NULL)
		errand->cleanup(errand);
	jo_secret_forget(&errand->secrets);
	MemoryContextReset(context);
	MemSet(errand, 0, sizeof(JoErrand));
	errand->context = context;
	errand->role = role;
	carry->prepared = false;
}

void
jo_carry_unbegin(JoCarry *carry)
{
	jo_gate_leave(carry);
	jo_carry_unprepare(carry);
	carry->attempt.traced = carry->attempt.waited = carry->marked = false;
	ItemPointerSetInvalid(&carry->attempt.trace);
	carry->state = JO_CARRY_NEW;
	carry->meaning.outcome = JO_OUTCOME_NONE;
}

/* ---- ending ---- */

static void
end_cut(JoCarry *carry)
{
	Jsonb	   *failure = jo_failure_make(ERRCODE_QUERY_CANCELED,
										  carry->timed_out ? "the run timed out" : "the run was cancelled",
										  NULL, NULL);

	if (carry->errand.spool != NULL)
		jo_artifact_abandon(carry->errand.spool);
	carry->writing = true;
	jo_stepwrite_cancelled(&carry->attempt, failure, NULL);
}

/* It was accepted, and will be completed by complete_claim(). */
static void
begin_callback_wait(JoCarry *carry, JoTry *try)
{
	try->wait = (JoWaitRow) {.kind = 0};
	try->waited = false;
	jo_step_begin_callback(try);
	carry->writing = true;
	jo_stepwrite_wait(&carry->attempt, try->job, &try->wait);
}

static void
end_with_response(JoCarry *carry)
{
	const JoNetResponse *response = carry->transfer != NULL ? jo_net_response(carry->transfer) : NULL;
	Jsonb	   *shaped;
	JoTry		try;

	make_try(carry, &try);
	carry->kind->finish(&carry->errand, &try, response, &carry->result);
	if (carry->result.callback_wait)
	{
		begin_callback_wait(carry, &try);
		return;
	}
	try.output = carry->result.output;
	jo_step_accept_output(&try);
	jo_step_keep(&try);
	shaped = jo_step_shape(&try, try.output);
	carry->writing = true;
	jo_stepwrite_end(&carry->attempt, try.job, JO_STEP_COMPLETED, shaped, NULL);
}

/*
 * The attempt is over, and with it what was left for its time.  A callback that is just
 * being completed is too late: its order finds no step that waits.
 */
static void
remove_traces(const JoCarry *carry)
{
	if (carry->errand.callback_token != NULL && !carry->result.callback_wait)
		(void) jo_store_drop_claims(carry->attempt.run_id, carry->attempt.step, carry->attempt.item);
	if (carry->marked)
		jo_store_delete_mark(carry->attempt.run_id, carry->attempt.step, carry->attempt.item);
}

void
jo_carry_end(JoCarry *carry)
{
	carry->writing = false;
	jo_stepwrite_resume(&carry->task, carry->incarnation);
	if (carry->cut)
		end_cut(carry);
	else if (carry->failure != NULL)
		ReThrowError(carry->failure);
	else
		end_with_response(carry);
	remove_traces(carry);
	take_meaning(carry);
}

static void
record_refusal(const JoCarry *carry)
{
	JoEgressRefusal refusal;

	if (!jo_egress_take_refusal(&refusal))
		return;
	strlcpy(refusal.host, jo_secret_mask_text(&carry->errand.secrets, refusal.host), sizeof(refusal.host));
	jo_egress_record_refusal(&refusal, carry->errand.run_id, carry->errand.step_name, carry->errand.item);
}

bool
jo_carry_is_stale(ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_JO_STALE_TOKEN || jo_store_is_own_duplicate(error);
}

void
jo_carry_fail(JoCarry *carry, ErrorData *error)
{
	JoCachedJob *job;
	Jsonb	   *failure;

	carry->writing = true;
	jo_stepwrite_resume(&carry->task, carry->incarnation);
	if (jo_carry_is_stale(error))
	{
		carry->meaning = (JoMeaning) {.outcome = JO_OUTCOME_STALE};
		carry->state = JO_CARRY_OVER;
		return;
	}
	job = jo_defcache_get(carry->attempt.version_id);
	failure = jo_secret_mask_jsonb(&carry->errand.secrets, jo_failure_from_error(error));
	if (carry->errand.spool != NULL)
		jo_artifact_abandon(carry->errand.spool);
	if (error->sqlerrcode == ERRCODE_JO_EGRESS)
		record_refusal(carry);
	(void) jo_stepwrite_failure(&carry->attempt, &job->definition->steps[carry->attempt.step],
								error->sqlerrcode, failure, NULL, carry->result.not_before);
	remove_traces(carry);
	take_meaning(carry);
}
