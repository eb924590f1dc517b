/*
 * admit.h
 *		May a step begin under the limits of "concurrency"?
 */
#ifndef JO_ADMIT_H
#define JO_ADMIT_H

#include "books.h"

typedef enum JoAdmission
{
	JO_ADMITTED,				/* nothing was asked: the open transaction goes on */
	JO_ADMITTED_ANEW,			/* permits were taken and committed: none is open */
	JO_NOT_ADMITTED				/* it waits, or is skipped; written and committed */
} JoAdmission;

/* Executor only; in the step's open transaction, before anything of the step is done.  May raise. */
extern JoAdmission jo_admit(JoSlot *slot, JoAttempt *attempt, JoCachedJob *job, const JoStepDef *step);

#endif
