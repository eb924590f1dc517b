/*
 * load.h
 *		Brings runs from their rows into memory.
 *
 * Dispatcher only.  Every function needs an open transaction and may raise;
 * what it entered into memory before is taken out again then.
 */
#ifndef JO_LOAD_H
#define JO_LOAD_H

#include "store.h"

#define JO_LOAD_BATCH 500

/*
 * Loads the runs of n live rows that are not in memory yet.  fresh: none of them
 * can have a history (rows of steps or attempts), so none is looked for.  Returns
 * how many rows were dealt with: fewer than n means that memory is full.
 */
extern int	jo_load_runs(JoDatabase *database, JoLiveRow *rows, int n, bool fresh);

/* One run by its id, if it is unfinished and not in memory. */
extern void jo_load_run(JoDatabase *database, int64 run_id);

/* The same because of a request: what waits for a state of the database looks at it, too. */
extern void jo_load_asked_for(JoDatabase *database, int64 run_id);

/* Writes and announces the timer of a run's "timeout", which counts from now; it has one. */
extern void jo_load_insert_deadline(JoActiveRun *run, TimestampTz now);

/* Was a request about the run committed that is still to be served?  Under the lock. */
extern bool jo_load_is_asked_about(const JoDatabase *database, int64 run_id);

/* The state a run's rows describe, built into a run of the caller's own. */
extern void jo_load_history(JoActiveRun *run, Snapshot snapshot, TimestampTz now);

#endif
