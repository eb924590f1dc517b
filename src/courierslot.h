/*
 * courierslot.h
 *		The courier's place in shared memory: start, give work, reap.
 */
#ifndef JO_COURIERSLOT_H
#define JO_COURIERSLOT_H

#include "handout.h"
#include "shmem.h"

/* ---- the courier's side; all take the lock themselves ---- */

/* Makes this process the database's courier, until it exits; false when it is not wanted. */
extern bool jo_courier_attach(JoDatabase *database, Oid dboid);

/* Is it still wanted there? One unlocked look. */
extern bool jo_courier_is_wanted(const JoDatabase *database, Oid dboid);

/* Gives the place up if there is nothing ready; the caller has nothing in hand. */
extern bool jo_courier_leave(JoDatabase *database);

/* Up to max ready steps, by priority. */
extern int	jo_courier_take(JoDatabase *database, JoTask *tasks, int max);

/* Is there a step that nobody has taken? One unlocked look. */
extern bool jo_courier_has_ready(const JoDatabase *database);

/* Takes the flags: some step is to be broken off; there is other work. */
extern bool jo_courier_was_cut(JoDatabase *database);
extern bool jo_courier_has_chores(JoDatabase *database);

/* ---- the dispatcher's side ---- */

/*
 * Starts one if there is work for it.  In how many ms to call again, -1: only after the
 * latch was set.
 */
extern long jo_courier_start(JoDatabase *database, TimestampTz now);

/* The courier is gone: runs whose steps it had are read anew.  Nearly free when it is not. */
extern void jo_courier_reap(JoDatabase *database);

/*
 * The extension was dropped: false while a courier is there (it was told to leave).  Lock
 * held exclusively.
 */
extern bool jo_courier_purge(JoDatabase *database);

#endif
