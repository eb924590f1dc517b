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
#include "store.h"

/* The run in memory; NULL if it is not there.  Shared lock suffices. */
extern JoActiveRun *jo_active_find(Oid dboid, int64 run_id);

/* Enters a run; NULL when memory for runs is all taken.  Must not be there yet. */
extern JoActiveRun *jo_active_enter(JoDatabase *database, int64 run_id, JoRunState state);

/* What the row in live says that does not change while the run is in memory, but for recover. */
extern void jo_active_set_live(JoActiveRun *run, const JoLiveRow *live);

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

/*
 * Whether other jobs start after this one is told anew, to be called at the commit of what
 * changed it: for all its graphs that are there.
 */
extern void jo_shapes_set_followed(JoDatabase *database, int64 job_id, bool followed);

/*
 * Reads the same anew for all jobs with graphs in memory: nobody tells of what was committed
 * by COMMIT PREPARED.  In a transaction, without the lock; may raise.
 */
extern void jo_shapes_reread_followed(JoDatabase *database);

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

/* A state that is pending, of a step or of one of its items. */
extern void jo_active_init_state(JoActiveRun *run, JoStepState *state, int step, int32 item);

/*
 * A step reached a final status: its dependents become fresh or are skipped.
 * taken: the branch it took, or how many items it counted; -1: neither.  Of an
 * item, this is the step's end only if it was the last one.  It may be in the
 * fresh chain, but in no list.
 */
extern void jo_active_resolve(JoActiveRun *run, JoStepState *state, char status, int32 taken);

/*
 * Nothing more of the open phase is handed out: every step of it that is not
 * running gets the status.  Its steps must be in no list.
 */
extern void jo_active_stop(JoActiveRun *run, char status);

/*
 * The same for the steps of races that are over, which are cancelled, and for the
 * items of steps of which one failed (run->to_trim).
 */
extern void jo_active_trim(JoActiveRun *run);

/* Before a state gets a final status: it is in no chain and no count any more. */
extern void jo_active_leave(JoActiveRun *run, JoStepState *state);

/* Is the step inside of a container, which its CLOSE stands for, however deep? */
extern bool jo_active_is_inside(const JoActiveRun *run, int step, int close);

/* Is it inside of a race that is over? */
extern bool jo_active_is_obsolete(const JoActiveRun *run, const JoStepState *state);

/* Takes over live.cancel: a request, or the run's own time-out, which fails it. */
extern void jo_active_set_cancel(JoActiveRun *run, char cancel);

/* A step is ready (again): joins the fresh chain. */
extern void jo_active_ready(JoActiveRun *run, JoStepState *state);

/* A fresh or running step has to wait: RETRYING (for its timer) or WAITING. */
extern void jo_active_await(JoActiveRun *run, JoStepState *state, char status);

/* What a step waits for may have come: it is executed again, at once or when it has said that it waits. */
extern void jo_active_wake(JoActiveRun *run, JoStepState *state);

/* Everything resolved and nothing in flight? */
extern bool jo_active_is_done(const JoActiveRun *run);

/* Would the success of this step be the whole run's? Then its transaction may end it. */
extern bool jo_active_would_complete(const JoActiveRun *run);

/* The final status of a done run. */
extern char jo_active_end_status(const JoActiveRun *run);

/* Percent of steps in a final status. */
extern int	jo_active_progress(const JoActiveRun *run);

#endif
