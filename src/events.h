/*
 * events.h
 *		The ring of events, and the sessions that wait for a run's end.
 *
 * The ring is one for the cluster and never refuses: when it is full the oldest
 * event makes room.  If its database's publisher had not taken it yet, that is
 * counted there, and for a run's end the stretch of time is noted in which
 * `ends` must be read instead.  So a slow publisher loses its own events only,
 * and no database can make another's executors wait.
 */
#ifndef JO_EVENTS_H
#define JO_EVENTS_H

#include "shmem.h"

/* Statuses of a run that no row has; the others are the letters of joborch.h. */
#define JO_EVENT_STATUS_PAUSED		'u'
#define JO_EVENT_STATUS_RECOVERING	'v'

#define jo_events_bucket(dboid) ((dboid) & (JO_LISTENER_BUCKETS - 1))

/* Is anybody listening in this database?  One unlocked read: cheap enough for each step. */
#define jo_events_wanted(database) \
	(pg_atomic_read_u32(&jo_shared->listeners.any[jo_events_bucket((database)->dboid)]) > 0)

/* While the shared block is made, before anybody can use it. */
extern void jo_events_shmem_startup(void);

/*
 * Posts events of one database in order and wakes its publisher (asking the
 * dispatcher for one if there is none).  Sets id, dboid and at.  Never raises;
 * takes event_lock.
 */
extern void jo_events_post(JoDatabase *database, JoEvent *events, int n);

/* A run ended (or was deleted): wakes the sessions that wait for it.  Never raises. */
extern void jo_events_run_ended(Oid dboid, int64 run_id);

/*
 * For wait_for_run: false when all places are taken.  The caller looks at the
 * run after it, and ends with jo_events_wait_end(); a rollback ends it too.
 */
extern bool jo_events_wait_begin(int64 run_id);
extern void jo_events_wait_end(void);

/*
 * For claim_steps(): the same for who waits for work in a queue (a hash of its name).
 * Of those who have the same rights one is woken for each offer.  It calls
 * jo_events_work_look() before it looks, so that no offer is missed; one that ends its
 * wait while another offer has come hands that on.
 */
extern bool jo_events_wait_for_work(uint32 queue, uint32 rights);
extern void jo_events_work_look(void);

/* Somebody may claim something in a queue: wakes who waits for it.  Takes event_lock; never raises. */
extern void jo_events_work_offered(Oid dboid, uint32 queue);

/*
 * There is something to tell that is not in the ring.  Returns whom to wake after the
 * lock is given back.  Caller holds event_lock.
 */
extern Latch *jo_events_call_publisher(JoDatabase *database);

/*
 * Returns when everything up to lsn is on disk and, where synchronous
 * replication is asked for, on the standby: only then may it be told.  May
 * raise; holds no lock.
 */
extern void jo_events_make_durable(XLogRecPtr lsn);

/*
 * The dispatcher's side, in each of its rounds: starts a publisher if one is
 * asked for.  Returns in how many ms it must be called again at the latest, -1:
 * only after the latch was set.  Nearly free when none is asked for.
 */
extern long jo_events_start_publisher(JoDatabase *database);

/* ---- who listens; by = +1 or -1; run_id 0: the channel of all runs, JO_WAITS_FOR_WORK: of work ---- */

extern void jo_events_count_listener(Oid dboid, int64 run_id, int by);
extern bool jo_events_listened(Oid dboid, int64 run_id);

/* ---- the publisher's side ---- */

/* What was lost and is not told yet. */
typedef struct JoLostEvents
{
	uint64		count;
	TimestampTz since;
	TimestampTz until;			/* 0: no end of a run among them */
} JoLostEvents;

/*
 * Makes this process the publisher of a database; false when the entry is no
 * longer that database's, is not served, or has a publisher.  Events that a
 * publisher before it took and did not tell are taken again.
 */
extern bool jo_events_attach(JoDatabase *database, Oid dboid);

/*
 * Gives the place up.  Without force only if there is nothing to tell (false
 * then).  With force and something left, the dispatcher is asked for another.
 */
extern bool jo_events_detach(JoDatabase *database, bool force);

/* Is this process still wanted there? */
extern bool jo_events_attached(const JoDatabase *database, Oid dboid);

/* Copies up to max events that were not taken yet, in order. */
extern int	jo_events_take(JoDatabase *database, JoEvent *events, int max, JoLostEvents *lost);

/* An id for an event that is told without the ring. */
extern uint64 jo_events_draw_id(void);

/* What was taken could not be told: it will be taken again. */
extern void jo_events_take_back(JoDatabase *database);

/* All that was taken is told, and what was lost is read again. */
extern void jo_events_told(JoDatabase *database, const JoLostEvents *lost);

#endif
