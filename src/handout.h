/*
 * handout.h
 *		What is ready, per (database, role), and who gets it.
 *
 * The caller holds jo_shared->lock exclusively.  Nothing raises.
 */
#ifndef JO_HANDOUT_H
#define JO_HANDOUT_H

#include "shmem.h"

#define JO_MAX_WAKES 32

/* Latches to set once the lock is released. */
typedef struct JoWakeList
{
	int			n;
	Latch	   *latches[JO_MAX_WAKES];
} JoWakeList;

extern void jo_wake_add(JoWakeList *wakes, Latch *latch);
extern void jo_wake_all(JoWakeList *wakes);

#define JO_CLASS_PAUSE_USEC USECS_PER_SEC	/* the longest time that start_after is ahead */

/* Is it too early for another executor?  A clock that was set back does not make it so. */
#define jo_class_pauses(class, now) \
	((class)->start_after > (now) && (class)->start_after - (now) <= JO_CLASS_PAUSE_USEC)

/* The list of a (database, role); NULL when all are taken. */
extern JoClass *jo_class_enter(Oid dboid, Oid role);
extern JoClass *jo_class_find(Oid dboid, Oid role);

/* Frees the lists of a database that have neither steps nor executors. */
extern void jo_classes_forget(Oid dboid);

/*
 * Moves a run's fresh steps into the lists and picks idle executors for them.
 * When self is given, the first step that its executor may run is kept back
 * and returned instead.  A run that is paused or asked about keeps its steps.
 */
extern JoStepState *jo_handout_publish(JoDatabase *database, JoActiveRun *run,
									   const JoClass *self, JoWakeList *wakes);

/* Must a fresh step wait until others of a container around it are over? */
extern bool jo_handout_holds_back(const JoActiveRun *run, const JoStepState *state);

/* The next step of a class, by priority and age; NULL: none. */
extern JoStepState *jo_handout_pop(JoClass *class);

/* Asks the dispatcher for more rows before the list runs dry. */
extern void jo_handout_ask_refill(JoDatabase *database, const JoClass *class, JoWakeList *wakes);

/* Takes a run's steps out of the lists; they stay QUEUED, in no list. */
extern void jo_handout_withdraw(JoActiveRun *run);

/* Steps in the lists of a database. */
extern int	jo_handout_ready(Oid dboid);

#endif
