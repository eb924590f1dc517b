/*
 * stepwrite.h
 *		What the commit of an executor's open transaction will mean.
 *
 * Executor only.  All but init need an open transaction and raise on failure; the
 * caller commits, and after it the slot's work is JO_WORK_COMMITTED.
 */
#ifndef JO_STEPWRITE_H
#define JO_STEPWRITE_H

#include "books.h"

extern void jo_stepwrite_init(JoSlot *own_slot);

/* A step's transaction began: which incarnation of the extension it is for. */
extern void jo_stepwrite_begin(void);

/* The step is final; also the run, if this step is all that was left. */
extern void jo_stepwrite_end(const JoAttempt *attempt, const JoCachedJob *job, char status,
							 Jsonb *output, Jsonb *notices);

/* The step waits: nothing of it is final, but what it did so far is kept. */
extern void jo_stepwrite_wait(const JoAttempt *attempt, const JoCachedJob *job, JoWaitRow *wait);

/* It failed: JO_OUTCOME_RETRY or JO_OUTCOME_FAILED, by its policy. */
extern JoOutcome jo_stepwrite_failure(const JoAttempt *attempt, const JoStepDef *step, int sqlstate,
									  Jsonb *error, Jsonb *notices);

/* It was interrupted by a forced cancel. */
extern void jo_stepwrite_cancelled(const JoAttempt *attempt, Jsonb *error, Jsonb *notices);

#endif
