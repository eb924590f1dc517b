/*
 * active.h
 *		Runs in memory: their counts, what becomes ready, when they are done.
 *
 * Nothing here touches lists, slots or tables: a step that becomes ready is
 * chained to run->fresh, and handout.c puts it into a list.  Unless said
 * otherwise the caller holds jo_shared->lock exclusively (or owns the run
 * alone, as inspect.c does with a copy of its own).  Nothing raises.
 */
#ifndef JO_ACTIVE_H
#define JO_ACTIVE_H

#include "defcache.h"
#include "shmem.h"

/* The run in memory; NULL if it is not there.  Shared lock suffices. */
extern JoActiveRun *jo_active_find(Oid dboid, int64 run_id);

/* Enters a run; NULL when memory for runs is all taken.  Must not be there yet. */
extern JoActiveRun *jo_active_enter(JoDatabase *database, int64 run_id, JoRunState state);

/* Removes a run; none of its steps may be in a list, it may not be in todo. */
extern void jo_active_remove(JoActiveRun *run);

/* The shared graph of a version, with one reference more; NULL if not there yet. */
extern JoShape *jo_shape_acquire(Oid dboid, int64 version_id);

/*
 * Makes the shared graph of a definition, if nobody has.  Called without the
 * lock.  Returns it with one reference more; NULL when the shared memory for
 * graphs is exhausted.
 */
extern JoShape *jo_shape_make(Oid dboid, const JoCachedJob *job);
extern void jo_shape_release(JoShape *shape);

/* Frees graphs of a database that no run uses. */
extern void jo_shapes_forget(Oid dboid);

/* A graph in local memory, for looking at a run from outside. */
extern JoShape *jo_shape_make_local(const JoCachedJob *job);

/*
 * Memory for the step states of a run; called without the lock.  For one step
 * none is needed.  False: exhausted.
 */
extern bool jo_active_alloc_steps(const JoShape *shape, dsa_pointer *steps);

/* Sets the counts of a run of which nothing is done yet; roots become fresh. */
extern void jo_active_begin(JoActiveRun *run, JoShape *shape, dsa_pointer steps);
extern void jo_active_init_steps(JoActiveRun *run, JoShape *shape, JoStepState *steps);

/* A step reached a final status: its dependents become fresh or are skipped. */
extern void jo_active_resolve(JoActiveRun *run, int step, char status);

/*
 * Nothing more of the open phase is handed out: every step of it that is not
 * running gets the status.  Its steps must be in no list.
 */
extern void jo_active_stop(JoActiveRun *run, char status);

/* Takes over live.cancel: a request, or the run's own time-out, which fails it. */
extern void jo_active_set_cancel(JoActiveRun *run, char cancel);

/* A step is ready (again): joins the fresh chain. */
extern void jo_active_ready(JoActiveRun *run, int step);

/* A fresh step waits for its next attempt after all (its timer tells when). */
extern void jo_active_await_retry(JoActiveRun *run, int step);

/* Everything resolved and nothing in flight? */
extern bool jo_active_is_done(const JoActiveRun *run);

/* Would the success of this step be the whole run's? Then its transaction may end it. */
extern bool jo_active_would_complete(const JoActiveRun *run);

/* The final status of a done run. */
extern char jo_active_end_status(const JoActiveRun *run);

/* Percent of steps in a final status. */
extern int	jo_active_progress(const JoActiveRun *run);

#endif
