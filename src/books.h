/*
 * books.h
 *		Writes what an attempt came to: the rows of its step and its run's end.
 *
 * Every function works inside the open transaction and raises on failure; the
 * caller commits.
 */
#ifndef JO_BOOKS_H
#define JO_BOOKS_H

#include "defcache.h"
#include "shmem.h"
#include "steptry.h"
#include "store.h"

/* One try of a step, as whoever has it in hand knows it. */
typedef struct JoAttempt
{
	int64		run_id;
	int32		step;
	int32		item;
	int32		attempt;
	int32		epoch;
	int32		epoch_attempts; /* tries charged before this one, since the last recover */
	TimestampTz started_at;
	TimestampTz run_started_at;
	int64		version_id;
	bool		traced;			/* its row in attempt is there since before it began */
	ItemPointerData trace;		/* where that is, if known */
	int32		taken;			/* what a completed flow step decided, or JO_NOTHING_TAKEN */
	bool		permitted;		/* it has a permit of its own, to be given back */
	bool		waited;			/* it waited before: */
	JoWaitRow	wait;			/* its row */
} JoAttempt;

extern void jo_books_attempt(const JoTask *task, JoAttempt *attempt);

/* The step's execution in this attempt begins; the document is allocated in the current context. */
extern void jo_books_begin_try(JoTry *try, const JoAttempt *attempt, JoCachedJob *job,
							   const JoStepDef *step);

/*
 * The step waits, for what *wait says: a row in wait, new or changed, and a timer
 * at wait->look_at if there is to be one.  *timer_due is when, 0: none.
 */
extern void jo_books_wait(const JoAttempt *attempt, JoWaitRow *wait, TimestampTz *timer_due);

/* The step does not wait any more: its row in wait and its timer go. */
extern void jo_books_leave_wait(const JoWaitRow *wait, int32 epoch);

/*
 * The step is final.  A row in attempt is added unless it simply succeeded at
 * the first try, or left a trace there when it began.
 */
extern void jo_books_finish(const JoAttempt *attempt, char status, Jsonb *output,
							Jsonb *error, Jsonb *notices);

/*
 * The attempt failed.  JO_OUTCOME_RETRY (attempt and timer written) or
 * JO_OUTCOME_FAILED (attempt and step written), by the step's retry policy; step
 * NULL: no retry.  *retry_due is before when it is not to be tried again (0: by the
 * policy alone), and is set with RETRY.
 */
extern JoOutcome jo_books_fail(const JoAttempt *attempt, const JoStepDef *step,
							   int sqlstate, Jsonb *error, Jsonb *notices,
							   TimestampTz *retry_due);

/*
 * The run's end after the success of its last step; false when the live row was
 * touched by somebody: then the dispatcher ends the run.
 */
extern bool jo_books_end_completed(const JoAttempt *attempt, ItemPointer live_tid,
								   int completed, int failed, int skipped);

#endif
