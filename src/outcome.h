/*
 * outcome.h
 *		What a finished attempt means for its run, applied exactly once.
 *
 * The caller holds jo_shared->lock exclusively.  Nothing raises.
 */
#ifndef JO_OUTCOME_H
#define JO_OUTCOME_H

#include "handout.h"
#include "shmem.h"

/*
 * A step that was taken from its list is being executed now, by where: the index of a
 * slot, JO_WITH_COURIER, or JO_WITH_NOBODY (the dispatcher, which records its failure).
 */
extern void jo_outcome_begin(JoDatabase *database, JoTask *task, JoStepState *state, int16 where,
							 TimestampTz now);

/*
 * Applies task->outcome to its run; the task has no step then.  Returns a step that
 * an executor of the class chain may go on with (NULL: nobody asks for one).
 */
extern JoStepState *jo_outcome_apply(JoDatabase *database, JoTask *task, const JoClass *chain,
									 JoWakeList *wakes);

/*
 * After any change to a run from outside (loaded, resumed, cancelled, step
 * retried): stops what is to stop, hands out what is ready, and sends the run to
 * the dispatcher if it is done, or out of memory if it only waits.  The run may
 * be gone afterwards.
 */
extern JoStepState *jo_outcome_settle(JoDatabase *database, JoActiveRun *run,
									  const JoClass *self, JoWakeList *wakes);

/* What an outcome makes of a step that was being executed, and of those that depend on it. */
extern void jo_outcome_change(JoActiveRun *run, JoStepState *state, JoOutcome outcome, int32 taken,
							  TimestampTz timer_due);

/* After it: what is not to begin, or go on, any more is stopped. */
extern void jo_outcome_stop(JoActiveRun *run);

/* The run's end is written: tells it, also to a parent that waits for it, and forgets the run. */
extern void jo_outcome_ended(JoDatabase *database, JoActiveRun *run, char status, XLogRecPtr lsn,
							 JoWakeList *wakes);

/* Tells a step's or a run's new status to those who listen. */
extern void jo_outcome_tell(JoDatabase *database, const JoActiveRun *run, int step, int32 item,
							char status, int attempt, XLogRecPtr lsn);

#endif
