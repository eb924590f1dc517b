/*
 * permits.h
 *		Limits of "concurrency": so many runs of a job, or executions of a step, at a time.
 *
 * Every function needs an open transaction, may wait for another that decides
 * about the same key, and may raise.
 */
#ifndef JO_PERMITS_H
#define JO_PERMITS_H

#include "defcache.h"
#include "document.h"

typedef enum JoPermit
{
	JO_PERMIT_HELD,
	JO_PERMIT_WAIT,				/* a row says that it waits; it is woken when there is room */
	JO_PERMIT_AGAIN,			/* the same, and it asks again soon: another run could not be cancelled yet */
	JO_PERMIT_SKIP				/* full, and it is not to wait */
} JoPermit;

/* Who asks. step JO_RUN_AS_A_WHOLE: the run. */
typedef struct JoPermitAsk
{
	const JoConcurrencyDef *limit;
	JoDocument *document;
	int64		run_id;
	int64		job_id;			/* 0: ad hoc: then its version */
	int64		version_id;
	int32		queue_id;
	int32		step;
	int32		item;
	const char *step_name;		/* NULL: of the run */
} JoPermitAsk;

/* May it go on?  *key becomes what is shared, for messages. */
extern JoPermit jo_permits_ask(const JoPermitAsk *ask, char **key);

/*
 * Locks what the ask is about until the transaction ends.  Keys are locked in one order
 * by everybody, those of steps before those of runs: for who asks for a run's permit first.
 */
extern void jo_permits_lock(const JoPermitAsk *ask);

/*
 * What a step or (JO_ALL_STEPS) a run held or waited for is free, and whoever waits for
 * that is woken at the commit.
 */
extern void jo_permits_release(int64 run_id, int32 step, int32 item);

#endif
