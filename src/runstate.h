/*
 * runstate.h
 *		A run's status as it is told: rows and memory together.
 */
#ifndef JO_RUNSTATE_H
#define JO_RUNSTATE_H

#include "shmem.h"
#include "store.h"

/* Status of a run that has a live row. Takes the lock itself. */
extern const char *jo_run_live_status(int64 run_id, int32 epoch, bool paused, TimestampTz begun);

/*
 * Status of any run the caller may see, from the newest rows; *final tells
 * whether it has ended.  Raises ERRCODE_JO_RUN_NOT_FOUND.  When own is given, it
 * tells whether the caller's own open transaction started the run.
 */
extern const char *jo_run_status(int64 run_id, bool *final, bool *own);

#endif
