/*
 * stepwrite.h
 *		What the commit of the open transaction will mean for a step.
 *
 * The writing functions need an open transaction and raise on failure; the caller
 * commits.  Of an executor, the slot's work is JO_WORK_COMMITTED then; the courier takes
 * the meaning after each, and settles its tasks itself after the commit.
 */
#ifndef JO_STEPWRITE_H
#define JO_STEPWRITE_H

#include "books.h"

typedef struct JoMeaning
{
	JoOutcome	outcome;
	int32		taken;
	TimestampTz timer_due;		/* 0: no timer was written */
	bool		ended_run;
} JoMeaning;

/* Executors only: the commit callback marks the slot. */
extern void jo_stepwrite_init(JoSlot *own_slot);

/* A step's transaction began: which step, and which incarnation of the extension it is for. */
extern void jo_stepwrite_begin(JoTask *task);
extern Oid	jo_stepwrite_incarnation(void);

/* A later transaction about a step that began with that incarnation. */
extern void jo_stepwrite_resume(JoTask *task, Oid incarnation);

/* What was written last means this; the next transaction knows nothing of it. */
extern JoMeaning jo_stepwrite_take_meaning(void);

/* After the commit: the task knows what it came to. */
extern void jo_stepwrite_settle(JoTask *task, const JoMeaning *meaning);

/* The step is final; also the run, if this step is all that was left. */
extern void jo_stepwrite_end(const JoAttempt *attempt, const JoCachedJob *job, char status,
							 Jsonb *output, Jsonb *notices);

/* The step waits: nothing of it is final, but what it did so far is kept. */
extern void jo_stepwrite_wait(const JoAttempt *attempt, const JoCachedJob *job, JoWaitRow *wait);

/*
 * It failed: JO_OUTCOME_RETRY or JO_OUTCOME_FAILED, by its policy.  It is not tried again
 * before not_before (0: as the policy says).
 */
extern JoOutcome jo_stepwrite_failure(const JoAttempt *attempt, const JoStepDef *step, int sqlstate,
									  Jsonb *error, Jsonb *notices, TimestampTz not_before);

/* It was interrupted by a forced cancel. */
extern void jo_stepwrite_cancelled(const JoAttempt *attempt, Jsonb *error, Jsonb *notices);

#endif
