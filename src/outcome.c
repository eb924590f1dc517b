/*
 * outcome.c
 *		What a finished attempt means for its run, applied exactly once.
 *
 * The slot is the token: whoever owns it (its executor; after the executor's
 * death, the dispatcher) applies the outcome and empties it, so no outcome is
 * applied twice.
 */
#include "joborch.h"

#include "access/xlog.h"
#include "active.h"
#include "clock.h"
#include "events.h"
#include "items.h"
#include "outcome.h"
#include "slots.h"

void
jo_outcome_tell(JoDatabase *database, const JoActiveRun *run, int step, int32 item, char status,
				int attempt, XLogRecPtr lsn)
{
	JoEvent		event = {0};

	if (!jo_events_wanted(database))
		return;
	/* of a container users see one step, its end */
	if (step >= 0 && run->shape->steps[step].part == JO_PART_OPEN)
		return;
	if (step >= 0)
		event.type = JO_EVENT_STEP_STATUS_UPDATE;
	else if (status == JO_STEP_RUNNING)
		event.type = JO_EVENT_JOB_STARTED;
	else
		event.type = JO_EVENT_JOB_STATUS_UPDATE;
	event.run_id = run->run_id;
	event.version_id = run->version_id;
	event.step = step;
	event.item = item;
	event.status = status;
	event.attempt = attempt;
	event.progress = jo_active_progress(run);
	event.lsn = XLogRecPtrIsInvalid(lsn) ? GetXLogInsertRecPtr() : lsn;
	jo_events_post(database, &event, 1);
}

/*
 * A child ended: the step that may wait for it looks.  A parent that is not in
 * memory is loaded, which finds that the child is over.
 */
static void
wake_parent(JoDatabase *database, const JoActiveRun *child, JoWakeList *wakes)
{
	JoActiveRun *parent = jo_active_find(child->dboid, child->parent_run_id);
	JoStepState *state;

	if (parent == NULL)
	{
		jo_shmem_control(database, child->parent_run_id);
		jo_wake_add(wakes, database->dispatcher);
		return;
	}
	if (parent->state < JO_ACTIVE_READY)
	{
		/* its rows are just being read, perhaps as they were before the child's end */
		parent->reload = true;
		return;
	}
	if (child->parent_step >= parent->shape->nsteps)
		return;
	state = &parent->steps[child->parent_step];
	if (child->parent_item != JO_NO_ITEM)
		state = state->items ? jo_items_find(state->items, child->parent_item) : NULL;
	/* one that is to be tried again has ended the child itself */
	if (state == NULL || state->status == JO_STEP_RETRYING)
		return;
	jo_active_wake(parent, state);
	(void) jo_outcome_settle(database, parent, NULL, wakes);
}

void
jo_outcome_ended(JoDatabase *database, JoActiveRun *run, char status, XLogRecPtr lsn,
				 JoWakeList *wakes)
{
	if (jo_events_wanted(database))
	{
		JoEvent		event = {0};

		event.type = JO_EVENT_JOB_COMPLETED;
		event.run_id = run->run_id;
		event.version_id = run->version_id;
		event.step = -1;
		event.item = JO_NO_ITEM;
		event.status = status;
		event.progress = status == JO_RUN_COMPLETED ? 100 : jo_active_progress(run);
		event.lsn = XLogRecPtrIsInvalid(lsn) ? GetXLogInsertRecPtr() : lsn;
		jo_events_post(database, &event, 1);
	}
	jo_events_run_ended(run->dboid, run->run_id);
	if (run->parent_run_id != 0)
		wake_parent(database, run, wakes);
	jo_handout_withdraw(run);
	jo_active_remove(run);
}

void
jo_outcome_change(JoActiveRun *run, JoStepState *state, JoOutcome outcome, int32 taken,
				  TimestampTz timer_due)
{
	bool		woken = state->woken;

	state->woken = false;
	switch (outcome)
	{
		case JO_OUTCOME_COMPLETED:
			jo_active_resolve(run, state, JO_STEP_COMPLETED, taken);
			break;
		case JO_OUTCOME_FAILED:
			jo_active_resolve(run, state, JO_STEP_FAILED, -1);
			break;
		case JO_OUTCOME_SKIPPED:
			jo_active_resolve(run, state, JO_STEP_SKIPPED, -1);
			break;
		case JO_OUTCOME_CANCELLED:
			jo_active_resolve(run, state, JO_STEP_CANCELLED, -1);
			break;
		case JO_OUTCOME_RETRY:
			state->epoch_attempts++;
			jo_active_await(run, state, JO_STEP_RETRYING);
			/* by its timer already; what it waited for before does not shorten the pause */
			if (woken && timer_due <= jo_clock_now())
				jo_active_ready(run, state);
			break;
		case JO_OUTCOME_WAIT:
			jo_active_await(run, state, JO_STEP_WAITING);
			run->to_trim |= jo_active_is_obsolete(run, state);
			if (woken)
				jo_active_ready(run, state);
			break;
		case JO_OUTCOME_HAND_OVER:
			jo_active_await(run, state, JO_STEP_WAITING);
			state->handed_over = true;
			run->to_trim |= jo_active_is_obsolete(run, state);
			jo_active_ready(run, state);
			break;
		case JO_OUTCOME_RERUN:
		case JO_OUTCOME_NONE:
			state->interruptions++;
			if (!state->resumed)
				state->attempt--;
			jo_active_ready(run, state);
			run->to_trim |= jo_active_is_obsolete(run, state);
			break;
		case JO_OUTCOME_STALE:
			run->reload = true;
			jo_active_ready(run, state);
			break;
	}
}

static void
cancel_obsolete(JoActiveRun *run, JoStepState *state, void *argument)
{
	(void) argument;
	if (state->status == JO_STEP_RUNNING && jo_active_is_obsolete(run, state))
		jo_slot_cut(run, state, false);
}

/* Is nothing more of the open phase to begin? */
static bool
is_stopped(const JoActiveRun *run)
{
	bool		undoing = run->phase == JO_PHASE_COMPENSATE || run->phase == JO_PHASE_FINALLY;

	return run->stopping || (run->cancel != JO_CANCEL_NONE && !undoing) ||
		(run->timed_out && run->phase == JO_PHASE_MAIN);
}

void
jo_outcome_stop(JoActiveRun *run)
{
	bool		stop = is_stopped(run) && run->phase_unresolved > 0;

	if (stop || run->to_trim)
		jo_handout_withdraw(run);
	if (run->to_trim)
	{
		jo_active_trim(run);
		jo_items_visit(run, cancel_obsolete, NULL);
	}
	if (stop)
		jo_active_stop(run, run->cancel != JO_CANCEL_NONE ? JO_STEP_CANCELLED : JO_STEP_SKIPPED);
}

JoStepState *
jo_outcome_settle(JoDatabase *database, JoActiveRun *run, const JoClass *self, JoWakeList *wakes)
{
	JoStepState *kept = NULL;

	if (run->reload)
		jo_handout_withdraw(run);
	else
	{
		jo_outcome_stop(run);
		if (run->shape->has_items)
			jo_items_refill(run);
		kept = jo_handout_publish(database, run, self, wakes);
	}
	if (run->has_orphans && !run->todo)
	{
		jo_shmem_todo(database, run);
		jo_wake_add(wakes, database->dispatcher);
	}
	if (kept != NULL || run->in_flight > 0 || run->todo)
		return kept;
	if (run->reload || jo_active_is_done(run))
	{
		run->state = JO_ACTIVE_ENDING;
		jo_shmem_todo(database, run);
		jo_wake_add(wakes, database->dispatcher);
	}
	else if (run->paused || run->ready == 0)
		jo_active_remove(run);
	return NULL;
}

void
jo_outcome_begin(JoDatabase *database, JoTask *task, JoStepState *state, int16 where, TimestampTz now)
{
	JoActiveRun *run = state->run;

	Assert(state->status == JO_STEP_QUEUED && state->class == NULL);
	state->status = JO_STEP_RUNNING;
	state->slot = where;
	state->cut = 0;
	state->held = 0;
	if (!state->resumed)
		state->attempt++;
	run->ready--;
	run->in_flight++;
	if (run->started_at == 0)
		run->started_at = now;
	MemSet(task, 0, sizeof(JoTask));
	task->run = run;
	task->state = state;
	task->step = state->step;
	task->item = state->item;
	task->attempt = state->attempt;
	task->epoch = run->epoch;
	task->started_at = now;
	task->outcome = JO_OUTCOME_NONE;
	task->taken = -1;
	if (!jo_events_wanted(database))
		return;
	if (!run->started_told)
	{
		run->started_told = true;
		jo_outcome_tell(database, run, -1, JO_NO_ITEM, JO_STEP_RUNNING, 0, InvalidXLogRecPtr);
	}
	if (!state->resumed)
		jo_outcome_tell(database, run, state->step, state->item, JO_STEP_RUNNING, state->attempt,
						InvalidXLogRecPtr);
}

JoStepState *
jo_outcome_apply(JoDatabase *database, JoTask *task, const JoClass *chain, JoWakeList *wakes)
{
	static const char told[] = {
		[JO_OUTCOME_COMPLETED] = JO_STEP_COMPLETED,
		[JO_OUTCOME_FAILED] = JO_STEP_FAILED,
		[JO_OUTCOME_RETRY] = JO_STEP_RETRYING,
		[JO_OUTCOME_SKIPPED] = JO_STEP_SKIPPED,
		[JO_OUTCOME_CANCELLED] = JO_STEP_CANCELLED,
		[JO_OUTCOME_WAIT] = JO_STEP_WAITING,
		[JO_OUTCOME_HAND_OVER] = 0,
		[JO_OUTCOME_STALE] = 0,
	};
	JoActiveRun *run = task->run;
	JoStepState *state = task->state;
	JoOutcome	outcome = task->outcome;
	bool		ended = task->ended_run;

	Assert(LWLockHeldByMeInMode(jo_shared->lock, LW_EXCLUSIVE));
	Assert(run != NULL && run->in_flight > 0 && state->status == JO_STEP_RUNNING);
	run->in_flight--;
	state->slot = JO_WITH_NOBODY;
	state->held = 0;
	task->run = NULL;
	task->state = NULL;
	task->outcome = JO_OUTCOME_NONE;
	task->ended_run = false;

	jo_outcome_change(run, state, outcome, task->taken, task->timer_due);
	if ((outcome == JO_OUTCOME_RETRY || outcome == JO_OUTCOME_WAIT) && task->timer_due != 0)
		jo_shmem_announce_timer(database, task->timer_due);
	if (told[outcome] != 0)
		jo_outcome_tell(database, run, task->step, task->item, told[outcome], task->attempt,
						task->commit_lsn);
	if (ended)
	{
		Assert(jo_active_is_done(run));
		jo_outcome_ended(database, run, JO_RUN_COMPLETED, task->commit_lsn, wakes);
		return NULL;
	}
	return jo_outcome_settle(database, run, chain, wakes);
}
