/*
 * stepwrite.c
 *		What the commit of an executor's open transaction will mean.
 *
 * Each function writes rows of books.c and says by that what is a fact once the
 * transaction commits; the commit callback puts it into the slot, from where it is
 * applied exactly once, even if the process dies right then.
 */
#include "joborch.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "errors.h"
#include "permits.h"
#include "slots.h"
#include "stepwrite.h"

static JoSlot *slot = NULL;
static Oid	incarnation = InvalidOid;	/* of the extension when the step began */

/* What the commit of the open transaction means; NONE: nothing. */
static JoOutcome committing = JO_OUTCOME_NONE;
static bool committing_end = false;

/*
 * After commit: the outcome is a fact whatever happens to this process.  Must
 * not fail; the slot's fields here are ours.
 */
static void
mark_committed(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_COMMIT && committing != JO_OUTCOME_NONE)
	{
		slot->commit_lsn = XactLastCommitEnd;
		slot->outcome = committing;
		slot->ended_run = committing_end;
		pg_write_barrier();
		slot->work = JO_WORK_COMMITTED;
		committing = JO_OUTCOME_NONE;
		committing_end = false;
	}
	else if (event == XACT_EVENT_ABORT)
	{
		committing = JO_OUTCOME_NONE;
		committing_end = false;
	}
}

void
jo_stepwrite_init(JoSlot *own_slot)
{
	slot = own_slot;
	RegisterXactCallback(mark_committed, NULL);
}

void
jo_stepwrite_begin(void)
{
	incarnation = jo_store_incarnation();
}

/* Rows of a run may only go where the run was read. */
static void
check_incarnation(void)
{
	if (jo_store_incarnation() != incarnation)
		ereport(ERROR,
				(errcode(ERRCODE_JO_STALE_TOKEN),
				 errmsg("the extension was dropped while the step ran")));
}

void
jo_stepwrite_end(const JoAttempt *attempt, const JoCachedJob *job, char status,
			Jsonb *output, Jsonb *notices)
{
	ItemPointerData live_tid;

	check_incarnation();
	jo_books_finish(attempt, status, output, NULL, notices);
	committing = status == JO_STEP_SKIPPED ? JO_OUTCOME_SKIPPED : JO_OUTCOME_COMPLETED;
	slot->taken = attempt->taken;
	if (jo_slot_may_end_run(slot, &live_tid))
	{
		const JoActiveRun *run = slot->run;
		bool		skipped = status == JO_STEP_SKIPPED;

		committing_end = jo_books_end_completed(attempt, &live_tid,
												run->ncompleted + !skipped, run->nfailed,
												run->nskipped + skipped);
		if (committing_end && run->shape->timeout > 0)
			jo_store_delete_timers(attempt->run_id);
		if (committing_end && run->shape->has_permits)
			jo_permits_release(attempt->run_id, JO_ALL_STEPS, JO_NO_ITEM);
	}
	if (job->definition->durability == JO_DURABILITY_STEP)
		ForceSyncCommit();
}

/*
 * The run may leave memory now, and is to be seen as begun all the same.  When
 * this transaction fails, memory has a wrong place of the row, and who ends the
 * run finds the right one.
 */
static void
mark_begun(const JoAttempt *attempt)
{
	JoActiveRun *run = slot->run;
	ItemPointerData tid = run->live_tid;

	if (run->begun_marked || !jo_store_mark_begun(&tid, attempt->run_id, attempt->run_started_at))
		return;
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	run->live_tid = tid;
	run->begun_marked = true;
	LWLockRelease(jo_shared->lock);
}

void
jo_stepwrite_wait(const JoAttempt *attempt, const JoCachedJob *job, JoWaitRow *wait)
{
	check_incarnation();
	jo_books_wait(attempt, wait, &slot->timer_due);
	committing = JO_OUTCOME_WAIT;
	mark_begun(attempt);
	if (job->definition->durability == JO_DURABILITY_STEP)
		ForceSyncCommit();
}

JoOutcome
jo_stepwrite_failure(const JoAttempt *attempt, const JoStepDef *step, int sqlstate,
					 Jsonb *error, Jsonb *notices)
{
	check_incarnation();
	committing = jo_books_fail(attempt, step, sqlstate, error, notices, &slot->timer_due);
	if (committing == JO_OUTCOME_RETRY)
		mark_begun(attempt);
	return committing;
}

void
jo_stepwrite_cancelled(const JoAttempt *attempt, Jsonb *error, Jsonb *notices)
{
	check_incarnation();
	jo_books_finish(attempt, JO_STEP_CANCELLED, NULL, error, notices);
	committing = JO_OUTCOME_CANCELLED;
}
