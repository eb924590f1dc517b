/*
 * artifactmove.h
 *		What the courier does for artifacts beside steps: moving them to S3, deleting them there.
 *
 * Such an errand is shaped as that of a step, and has no run.  begin, finish and failed each need a
 * transaction; net_request is to be sent when begin is durable.  One at a time per artifact.
 */
#ifndef JO_ARTIFACTMOVE_H
#define JO_ARTIFACTMOVE_H

#include "request.h"
#include "shmem.h"

/* Ids of up to max artifacts of which something is to be done now, allocated in the current context. */
extern int	jo_artifact_moves(int64 **ids, int max);

/* When the next one is due, which may be long past; 0: there is none. */
extern TimestampTz jo_artifact_next_move(void);

/*
 * For the dispatcher, in each round: asks for a courier when something is due and none is there.
 * Looks at the rows seldom.  Returns when to call it again.
 */
extern TimestampTz jo_artifact_watch(JoDatabase *database, TimestampTz now);

/*
 * Fills in the errand, but for its context, and notes that it is tried: nobody else will for
 * a while.  False: nothing is to be done any more.  What it raises is for failed.
 */
extern bool jo_artifact_move_begin(JoErrand *errand, int64 artifact_id);

/* What came.  Raises what went wrong: for failed, in another transaction. */
extern void jo_artifact_move_finish(JoErrand *errand, const JoNetResponse *response);

/* It will be tried again, later each time; the message is seen in joborch.job_artifacts. */
extern void jo_artifact_move_failed(int64 artifact_id, const ErrorData *error);

#endif
