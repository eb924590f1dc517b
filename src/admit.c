/*
 * admit.c
 *		May a step begin under the limits of "concurrency"?
 *
 * Asked by the executor in a transaction before the step's own, so that everybody
 * sees the permit while the step runs.
 */
#include "joborch.h"

#include "admit.h"
#include "announce.h"
#include "clock.h"
#include "permits.h"
#include "stepwrite.h"
#include "txn.h"

/* What to ask for a permit of the run (step NULL) or of the step. */
static JoPermitAsk
make_ask(const JoActiveRun *run, const JoAttempt *attempt, const JoCachedJob *job, const JoStepDef *step)
{
	JoPermitAsk ask = {
		.limit = step != NULL ? step->concurrency : job->definition->concurrency,
		.run_id = attempt->run_id,
		.job_id = job->job_id,
		.version_id = attempt->version_id,
		.queue_id = run->queue_id,
		.step = step != NULL ? attempt->step : JO_RUN_AS_A_WHOLE,
		.item = step != NULL ? attempt->item : JO_NO_ITEM,
		.step_name = step != NULL ? step->shown : NULL,
	};

	ask.document = jo_document_create(job, attempt->run_id, attempt->step,
									  attempt->attempt, attempt->run_started_at);
	if (attempt->item != JO_NO_ITEM)
		jo_document_set_item(ask.document, attempt->item, attempt->epoch);
	return ask;
}

static JoPermit
ask_permit(const JoActiveRun *run, const JoAttempt *attempt, const JoCachedJob *job, const JoStepDef *step, char **key)
{
	JoPermitAsk ask = make_ask(run, attempt, job, step);

	return jo_permits_ask(&ask, key);
}

/* Who gives back a step's permit and then the run's locks their keys in that order; so must who asks. */
static void
lock_in_order(const JoActiveRun *run, const JoAttempt *attempt, const JoCachedJob *job, const JoStepDef *step)
{
	JoPermitAsk ask = make_ask(run, attempt, job, step);

	jo_permits_lock(&ask);
}

/* No room: the step waits, or is skipped; a run that is not to wait is cancelled. */
static void
write_refusal(JoAttempt *attempt, const JoCachedJob *job, JoPermit permit, bool of_run,
			  const char *key)
{
	JoWaitRow	wait = attempt->waited ? attempt->wait : (JoWaitRow) {.kind = JO_WAIT_KEY};
	bool		again = false;

	if (permit == JO_PERMIT_SKIP && !of_run)
	{
		jo_stepwrite_end(attempt, job, JO_STEP_SKIPPED, NULL, NULL);
		return;
	}
	if (wait.key == NULL || strcmp(wait.key, key) != 0)
		wait.key = key;
	if (permit == JO_PERMIT_SKIP && jo_store_set_cancel(attempt->run_id, JO_CANCEL_GRACEFUL, &again))
		jo_announce_control(attempt->run_id);
	/* somebody holds the row of this run or of another: asks again soon */
	again |= permit == JO_PERMIT_AGAIN;
	wait.look_at = again ? jo_clock_now() + USECS_PER_SEC : 0;
	jo_stepwrite_wait(attempt, job, &wait);
}

/* What is in its row is not yet the step's own. */
static bool
waits_for_permit(const JoAttempt *attempt)
{
	return attempt->waited && attempt->wait.kind == JO_WAIT_KEY;
}

/* The step may begin: it waits for no permit any more. */
static void
note_permits(JoActiveRun *run, JoAttempt *attempt, const JoStepDef *step)
{
	attempt->permitted = step->concurrency != NULL;
	if (waits_for_permit(attempt))
	{
		jo_books_leave_wait(&attempt->wait, attempt->epoch);
		attempt->waited = false;
	}
	jo_txn_commit();
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	run->permitted = true;
	LWLockRelease(jo_shared->lock);
}

JoAdmission
jo_admit(JoSlot *slot, JoAttempt *attempt, JoCachedJob *job, const JoStepDef *step)
{
	JoActiveRun *run = slot->task.run;
	bool		of_run = job->definition->concurrency != NULL && !run->permitted;
	JoPermit	permit = JO_PERMIT_HELD;
	char	   *key = NULL;

	/* another step of the run may have got its permit meanwhile: then this one has waited, too */
	if (!of_run && step->concurrency == NULL && !waits_for_permit(attempt))
		return JO_ADMITTED;
	/* somebody has said what becomes of it: it needs no permit, and asks for none any more */
	if (attempt->waited && attempt->wait.kind == JO_WAIT_KEY &&
		jo_store_has_order(attempt->run_id, &attempt->wait, jo_store_latest()))
	{
		attempt->permitted = step->concurrency != NULL;
		return JO_ADMITTED;
	}
	if (of_run && step->concurrency != NULL)
		lock_in_order(run, attempt, job, step);
	if (of_run)
		permit = ask_permit(run, attempt, job, NULL, &key);
	if (permit == JO_PERMIT_HELD && step->concurrency != NULL)
	{
		of_run = false;
		permit = ask_permit(run, attempt, job, step, &key);
	}
	if (permit == JO_PERMIT_HELD)
	{
		note_permits(run, attempt, step);
		return JO_ADMITTED_ANEW;
	}
	write_refusal(attempt, job, permit, of_run, key);
	jo_txn_commit();
	return JO_NOT_ADMITTED;
}
