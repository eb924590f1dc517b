/*
 * joborch.h
 *		Names, limits and statuses that every part shares.
 */
#ifndef JOBORCH_H
#define JOBORCH_H

#include "postgres.h"

#define JO_LIBRARY "joborch"
#define JO_SCHEMA "joborch"
#define JO_INTERNAL_SCHEMA "joborch_internal"
#define JO_CRON_SCHEMA "cron"	/* of the extension joborch_cron */
#define JO_EXTENSION "joborch"

/*
 * Statuses as the rows and the shared memory hold them.  A step's row exists
 * only in a final status; the others live in memory or are derived.
 */
#define JO_STEP_PENDING		'p' /* parents not done */
#define JO_STEP_QUEUED		'q' /* ready, in a list */
#define JO_STEP_RUNNING		'r' /* an executor has it */
#define JO_STEP_RETRYING	't' /* waits for its next attempt */
#define JO_STEP_WAITING		'w' /* timer, signal, approval, child, limit */
#define JO_STEP_COMPLETED	'c'
#define JO_STEP_FAILED		'f'
#define JO_STEP_SKIPPED		's'
#define JO_STEP_CANCELLED	'x'

#define JO_STEP_IS_FINAL(s) \
	((s) == JO_STEP_COMPLETED || (s) == JO_STEP_FAILED || \
	 (s) == JO_STEP_SKIPPED || (s) == JO_STEP_CANCELLED)

#define JO_RUN_COMPLETED	'c'
#define JO_RUN_FAILED		'f'
#define JO_RUN_CANCELLED	'x'

#define JO_CANCEL_NONE		'-'
#define JO_CANCEL_GRACEFUL	'g'
#define JO_CANCEL_FORCE		'f'
#define JO_CANCEL_TIMED_OUT 't' /* the run's own time-out: it ends failed */

/* Order of priorities in live.ord and in the lists: the lower runs first. */
#define JO_PRIORITY_CRITICAL 0
#define JO_PRIORITY_HIGH	1
#define JO_PRIORITY_MEDIUM	2
#define JO_PRIORITY_LOW		3
#define JO_PRIORITIES		4

#define JO_NO_ITEM			(-1)
#define JO_DEFAULT_QUEUE	1

#endif
