/*
 * stepwrite.c
 *		What the commit of the open transaction will mean for a step.
 *
 * Each function writes rows of books.c and says by that what is a fact once the
 * transaction commits.  Of an executor, the commit callback puts it into the slot, from
 * where it is applied exactly once, even if the process dies right then.  The courier
 * has many steps in one transaction, and takes the meaning of each; if it dies between
 * commit and memory, their runs are read anew.
 */
#include "joborch.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "active.h"
#include "errors.h"
#include "permits.h"
#include "stepwrite.h"

static JoSlot *slot = NULL;		/* the executor's own; NULL: the courier */
static JoTask *task = NULL;		/* that is written about */
static Oid	incarnation = InvalidOid;	/* of the extension when the step began */

/* What the commit of the open transaction means; NONE: nothing. */
static JoMeaning committing;

/*
 * After commit: the outcome is a fact whatever happens to this process.  Must
 * not fail; the slot's fields here are ours.
 */
static void
mark_committed(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_COMMIT && committing.outcome != JO_OUTCOME_NONE)
	{
		slot->task.commit_lsn = XactLastCommitEnd;
		jo_stepwrite_settle(&slot->task, &committing);
		pg_write_barrier();
		slot->work = JO_WORK_COMMITTED;
		committing.outcome = JO_OUTCOME_NONE;
	}
	else if (event == XACT_EVENT_ABORT)
		committing.outcome = JO_OUTCOME_NONE;
}

void
jo_stepwrite_init(JoSlot *own_slot)
{
	slot = own_slot;
	RegisterXactCallback(mark_committed, NULL);
}

void
jo_stepwrite_begin(JoTask *of_task)
{
	task = of_task;
	incarnation = jo_store_incarnation();
}

Oid
jo_stepwrite_incarnation(void)
{
	return incarnation;
}

void
jo_stepwrite_resume(JoTask *of_task, Oid since)
{
	task = of_task;
	incarnation = since;
}

JoMeaning
jo_stepwrite_take_meaning(void)
{
	JoMeaning	meaning = committing;

	committing.outcome = JO_OUTCOME_NONE;
	return meaning;
}

void
jo_stepwrite_settle(JoTask *of_task, const JoMeaning *meaning)
{
	of_task->outcome = meaning->outcome;
	of_task->taken = meaning->taken;
	of_task->timer_due = meaning->timer_due;
	of_task->ended_run = meaning->ended_run;
}

static void
mean(JoOutcome outcome)
{
	MemSet(&committing, 0, sizeof(committing));
	committing.outcome = outcome;
	committing.taken = JO_NOTHING_TAKEN;
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

/* May the step's transaction end the run as well? */
static bool
may_end_run(ItemPointer live_tid)
{
	bool		may;

	LWLockAcquire(jo_shared->lock, LW_SHARED);
	/* after an item its step is still to be judged */
	may = task->item == JO_NO_ITEM && jo_active_would_complete(task->run);
	ItemPointerCopy(&task->run->live_tid, live_tid);
	LWLockRelease(jo_shared->lock);
	return may;
}

void
jo_stepwrite_end(const JoAttempt *attempt, const JoCachedJob *job, char status,
			Jsonb *output, Jsonb *notices)
{
	ItemPointerData live_tid;

	check_incarnation();
	jo_books_finish(attempt, status, output, NULL, notices);
	mean(status == JO_STEP_SKIPPED ? JO_OUTCOME_SKIPPED : JO_OUTCOME_COMPLETED);
	committing.taken = attempt->taken;
	if (may_end_run(&live_tid))
	{
		const JoActiveRun *run = task->run;
		bool		skipped = status == JO_STEP_SKIPPED;

		committing.ended_run = jo_books_end_completed(attempt, &live_tid,
												run->ncompleted + !skipped, run->nfailed,
												run->nskipped + skipped);
		if (committing.ended_run && run->shape->timeout > 0)
			jo_store_delete_timers(attempt->run_id);
		if (committing.ended_run && run->shape->has_permits)
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
	JoActiveRun *run = task->run;
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
	mean(wait->kind == JO_WAIT_NETWORK ? JO_OUTCOME_HAND_OVER : JO_OUTCOME_WAIT);
	jo_books_wait(attempt, wait, &committing.timer_due);
	mark_begun(attempt);
	if (job->definition->durability == JO_DURABILITY_STEP)
		ForceSyncCommit();
}

JoOutcome
jo_stepwrite_failure(const JoAttempt *attempt, const JoStepDef *step, int sqlstate,
					 Jsonb *error, Jsonb *notices, TimestampTz not_before)
{
	TimestampTz retry_due = not_before;
	JoOutcome	outcome;

	check_incarnation();
	outcome = jo_books_fail(attempt, step, sqlstate, error, notices, &retry_due);
	mean(outcome);
	if (outcome == JO_OUTCOME_RETRY)
	{
		committing.timer_due = retry_due;
		mark_begun(attempt);
	}
	return outcome;
}

void
jo_stepwrite_cancelled(const JoAttempt *attempt, Jsonb *error, Jsonb *notices)
{
	check_incarnation();
	jo_books_finish(attempt, JO_STEP_CANCELLED, NULL, error, notices);
	mean(JO_OUTCOME_CANCELLED);
}
