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
#include "events.h"
#include "outcome.h"

void
jo_outcome_tell(JoDatabase *database, const JoActiveRun *run, int step, char status,
				int attempt, XLogRecPtr lsn)
{
	JoEvent		event = {0};

	if (!jo_events_wanted(database))
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
	event.status = status;
	event.attempt = attempt;
	event.progress = jo_active_progress(run);
	event.lsn = XLogRecPtrIsInvalid(lsn) ? GetXLogInsertRecPtr() : lsn;
	jo_events_post(database, &event, 1);
}

void
jo_outcome_ended(JoDatabase *database, JoActiveRun *run, char status, XLogRecPtr lsn)
{
	if (jo_events_wanted(database))
	{
		JoEvent		event = {0};

		event.type = JO_EVENT_JOB_COMPLETED;
		event.run_id = run->run_id;
		event.version_id = run->version_id;
		event.step = -1;
		event.status = status;
		event.progress = status == JO_RUN_COMPLETED ? 100 : jo_active_progress(run);
		event.lsn = XLogRecPtrIsInvalid(lsn) ? GetXLogInsertRecPtr() : lsn;
		jo_events_post(database, &event, 1);
	}
	jo_events_run_ended(run->dboid, run->run_id);
	jo_handout_withdraw(run);
	jo_active_remove(run);
}

static void
apply_to_step(JoActiveRun *run, int step, JoOutcome outcome)
{
	JoStepState *state = &run->steps[step];

	switch (outcome)
	{
		case JO_OUTCOME_COMPLETED:
			jo_active_resolve(run, step, JO_STEP_COMPLETED);
			break;
		case JO_OUTCOME_FAILED:
			jo_active_resolve(run, step, JO_STEP_FAILED);
			break;
		case JO_OUTCOME_SKIPPED:
			jo_active_resolve(run, step, JO_STEP_SKIPPED);
			break;
		case JO_OUTCOME_CANCELLED:
			jo_active_resolve(run, step, JO_STEP_CANCELLED);
			break;
		case JO_OUTCOME_RETRY:
			state->epoch_attempts++;
			state->status = JO_STEP_RETRYING;
			run->retrying++;
			if (state->retry_now)
				jo_active_ready(run, step);
			break;
		case JO_OUTCOME_RERUN:
		case JO_OUTCOME_NONE:
			state->interruptions++;
			state->attempt--;
			jo_active_ready(run, step);
			break;
		case JO_OUTCOME_STALE:
			run->reload = true;
			jo_active_ready(run, step);
			break;
	}
	state->retry_now = false;
}

JoStepState *
jo_outcome_settle(JoDatabase *database, JoActiveRun *run, const JoClass *self, JoWakeList *wakes)
{
	JoStepState *kept = NULL;
	bool		stop = run->stopping ||
	(run->cancel != JO_CANCEL_NONE && run->phase < JO_PHASE_FINALLY) ||
	(run->timed_out && run->phase == JO_PHASE_MAIN);

	if (run->reload)
		jo_handout_withdraw(run);
	else
	{
		if (stop && run->phase_unresolved > 0)
		{
			jo_handout_withdraw(run);
			jo_active_stop(run, run->cancel != JO_CANCEL_NONE ? JO_STEP_CANCELLED : JO_STEP_SKIPPED);
		}
		kept = jo_handout_publish(database, run, self, wakes);
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

JoStepState *
jo_outcome_apply(JoDatabase *database, JoSlot *slot, bool chain, JoWakeList *wakes)
{
	static const char told[] = {
		[JO_OUTCOME_COMPLETED] = JO_STEP_COMPLETED,
		[JO_OUTCOME_FAILED] = JO_STEP_FAILED,
		[JO_OUTCOME_RETRY] = JO_STEP_RETRYING,
		[JO_OUTCOME_SKIPPED] = JO_STEP_SKIPPED,
		[JO_OUTCOME_CANCELLED] = JO_STEP_CANCELLED,
		[JO_OUTCOME_STALE] = 0,
	};
	JoActiveRun *run = slot->run;
	int			step = slot->step;
	JoOutcome	outcome = slot->outcome;
	bool		ended = slot->ended_run;

	Assert(LWLockHeldByMeInMode(jo_shared->lock, LW_EXCLUSIVE));
	Assert(run != NULL && run->in_flight > 0 && run->steps[step].status == JO_STEP_RUNNING);
	run->in_flight--;
	run->steps[step].slot = -1;
	slot->run = NULL;
	slot->work = JO_WORK_NONE;
	slot->outcome = JO_OUTCOME_NONE;
	slot->ended_run = false;
	slot->cancel_token = 0;

	apply_to_step(run, step, outcome);
	if (outcome == JO_OUTCOME_RETRY)
		jo_shmem_announce_timer(database, slot->retry_due);
	if (told[outcome] != 0)
		jo_outcome_tell(database, run, step, told[outcome], slot->attempt, slot->commit_lsn);
	if (ended)
	{
		Assert(jo_active_is_done(run));
		jo_outcome_ended(database, run, JO_RUN_COMPLETED, slot->commit_lsn);
		return NULL;
	}
	return jo_outcome_settle(database, run, chain ? slot->class : NULL, wakes);
}
