/*
 * events.c
 *		The ring of events, and the sessions that wait for a run's end.
 *
 * Executors and dispatchers must tell what happened without waiting for anybody:
 * they put it here, and the publisher of the database does the slow part.
 * Everything is under event_lock, which may be taken while jo_shared->lock is
 * held but never the other way round.
 */
#include "joborch.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "access/xlog_internal.h"
#include "clock.h"
#include "common/hashfn.h"
#include "events.h"
#include "miscadmin.h"
#include "offers.h"
#include "replication/syncrep.h"
#include "storage/ipc.h"
#include "storage/procarray.h"
#include "utils/timestamp.h"
#include "worker.h"

/* A row's finished_at is older than its event, by the time its commit took. */
#define FINISHED_BEFORE_POSTED (10 * USECS_PER_SEC)

#define PUBLISHER_PAUSE_MS 1000	/* between two starts */

static int	my_waiter = -1;		/* index in jo_shared->waiters */
static bool callbacks_registered = false;

void
jo_events_shmem_startup(void)
{
	JoListeners *listeners = &jo_shared->listeners;

	for (int i = 0; i < JO_LISTENER_BUCKETS; i++)
	{
		pg_atomic_init_u32(&listeners->any[i], 0);
		pg_atomic_init_u32(&listeners->all[i], 0);
		pg_atomic_init_u32(&listeners->run[i], 0);
		pg_atomic_init_u32(&listeners->work[i], 0);
	}
	/* a listener that lives through a restart must see growing ids */
	jo_shared->first_event = (uint64) GetCurrentTimestamp();
	jo_shared->next_event = jo_shared->first_event;
}

/* ---- posting ---- */

static JoEvent *
ring_place(uint64 id)
{
	return &jo_shared->events[id & (JO_EVENT_RING - 1)];
}

static uint64
oldest_event(void)
{
	uint64		filled = jo_shared->next_event - jo_shared->first_event;

	return filled > JO_EVENT_RING ? jo_shared->next_event - JO_EVENT_RING : jo_shared->first_event;
}

/* Widens the stretch of time in which ends must be read again. */
static void
note_lost_ends(JoDatabase *database, TimestampTz at)
{
	TimestampTz since = at - FINISHED_BEFORE_POSTED;

	if (database->lost_until == 0 || since < database->lost_since)
		database->lost_since = since;
	if (at > database->lost_until)
		database->lost_until = at;
}

/* The event is about to be overwritten: does its database still need it? */
static void
note_overwritten(const JoEvent *event)
{
	JoDatabase *database = &jo_shared->databases[event->database];

	if (event->dboid == InvalidOid || database->dboid != event->dboid ||
		event->id < database->events_taken)
		return;
	database->events_lost++;
	if (event->type == JO_EVENT_JOB_COMPLETED)
		note_lost_ends(database, event->at);
}

Latch *
jo_events_call_publisher(JoDatabase *database)
{
	if (database->publisher_signalled)
		return NULL;
	database->publisher_signalled = true;
	if (database->publisher != NULL)
		return database->publisher;
	database->publisher_wanted = true;
	return database->dispatcher;
}

void
jo_events_post(JoDatabase *database, JoEvent *events, int n)
{
	TimestampTz now = jo_clock_now();
	Latch	   *wake;

	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		uint64		id = jo_shared->next_event;
		JoEvent    *place = ring_place(id);

		if (id - jo_shared->first_event >= JO_EVENT_RING)
			note_overwritten(place);
		events[i].id = id;
		events[i].dboid = database->dboid;
		events[i].database = (int16) (database - jo_shared->databases);
		events[i].at = now;
		*place = events[i];
		jo_shared->next_event = id + 1;
	}
	wake = jo_events_call_publisher(database);
	LWLockRelease(jo_shared->event_lock);
	jo_shmem_wake(wake);
}

/* ---- the dispatcher's side ---- */

static void
report_no_slot(TimestampTz now)
{
	static TimestampTz reported_at = 0;

	if (!jo_clock_may_log(&reported_at, now))
		return;
	ereport(LOG,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("no background worker slot is free for a joborch publisher"),
			 errdetail("Events wait until there is one; while they wait only the ends of runs are kept."),
			 errhint("Raise max_worker_processes above %d and restart the server.",
					 max_worker_processes)));
}

long
jo_events_start_publisher(JoDatabase *database)
{
	static BackgroundWorkerHandle *handle = NULL;
	static TimestampTz not_before = 0;
	TimestampTz now;
	pid_t		pid;

	if (!((volatile JoDatabase *) database)->publisher_wanted)
		return -1;
	if (handle != NULL && GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED)
		return -1;				/* its end sets our latch */
	now = GetCurrentTimestamp();
	if (now < not_before)
		return TimestampDifferenceMilliseconds(now, not_before);
	if (handle != NULL)
		pfree(handle);
	handle = NULL;
	not_before = TimestampTzPlusMilliseconds(now, PUBLISHER_PAUSE_MS);
	if (jo_worker_start(JO_PROCESS_PUBLISHER, (int) (database - jo_shared->databases),
						database->dboid, InvalidOid, &handle))
		return -1;
	handle = NULL;
	report_no_slot(now);
	return PUBLISHER_PAUSE_MS;
}

/* ---- the publisher's side ---- */

/* What was taken and not told is there again, or counts as lost. */
static void
take_back(JoDatabase *database)
{
	if (database->events_told >= database->events_taken)
		return;
	if (database->events_told < oldest_event())
	{
		database->events_lost++;
		note_lost_ends(database, database->taken_from);
		note_lost_ends(database, jo_clock_now());
	}
	database->events_taken = database->events_told;
}

bool
jo_events_attach(JoDatabase *database, Oid dboid)
{
	bool		mine;

	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	mine = database->dboid == dboid &&
		(database->state == JO_DATABASE_RUNNING || database->state == JO_DATABASE_HELD) &&
		(database->publisher_pid == 0 || BackendPidGetProc(database->publisher_pid) == NULL);
	if (mine)
	{
		database->publisher_pid = MyProcPid;
		database->publisher = MyLatch;
		database->publisher_wanted = false;
		take_back(database);
	}
	LWLockRelease(jo_shared->event_lock);
	return mine;
}

static bool
has_untold(const JoDatabase *database)
{
	if (database->lost_until != 0 || jo_offers_have_news(database->dboid))
		return true;
	for (uint64 id = Max(database->events_told, oldest_event()); id < jo_shared->next_event; id++)
	{
		if (ring_place(id)->dboid == database->dboid)
			return true;
	}
	return false;
}

bool
jo_events_detach(JoDatabase *database, bool force)
{
	Latch	   *wake = NULL;
	bool		done = true;

	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	if (database->publisher_pid == MyProcPid)
	{
		bool		untold = has_untold(database);

		done = force || !untold;
		if (done)
		{
			database->publisher_pid = 0;
			database->publisher = NULL;
			database->publisher_signalled = untold;
			database->publisher_wanted = untold;
			/* one that is out of use waits for us to be gone */
			if (database->state == JO_DATABASE_GONE)
				wake = jo_shared->launcher;
			else if (untold)
				wake = database->dispatcher;
		}
	}
	LWLockRelease(jo_shared->event_lock);
	jo_shmem_wake(wake);
	return done;
}

bool
jo_events_attached(const JoDatabase *database, Oid dboid)
{
	return database->dboid == dboid && database->publisher_pid == MyProcPid &&
		(database->state == JO_DATABASE_PROBE || database->state == JO_DATABASE_STARTING ||
		 database->state == JO_DATABASE_RUNNING || database->state == JO_DATABASE_HELD);
}

int
jo_events_take(JoDatabase *database, JoEvent *events, int max, JoLostEvents *lost)
{
	int			n = 0;
	uint64		id;

	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	for (id = Max(database->events_taken, oldest_event()); id < jo_shared->next_event && n < max; id++)
	{
		if (ring_place(id)->dboid == database->dboid)
			events[n++] = *ring_place(id);
	}
	database->events_taken = id;
	database->taken_from = n > 0 ? events[0].at : 0;
	database->publisher_signalled = id < jo_shared->next_event;
	lost->count = database->events_lost;
	lost->since = database->lost_since;
	lost->until = database->lost_until;
	LWLockRelease(jo_shared->event_lock);
	return n;
}

void
jo_events_told(JoDatabase *database, const JoLostEvents *lost)
{
	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	database->events_told = database->events_taken;
	database->events_lost -= lost->count;
	if (database->lost_until == lost->until)
		database->lost_until = 0;
	else if (lost->until != 0)
		database->lost_since = lost->until - FINISHED_BEFORE_POSTED;
	LWLockRelease(jo_shared->event_lock);
}

void
jo_events_take_back(JoDatabase *database)
{
	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	take_back(database);
	LWLockRelease(jo_shared->event_lock);
}

uint64
jo_events_draw_id(void)
{
	uint64		id;

	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	id = jo_shared->next_event++;
	if (id - jo_shared->first_event >= JO_EVENT_RING)
		note_overwritten(ring_place(id));
	MemSet(ring_place(id), 0, sizeof(JoEvent));
	LWLockRelease(jo_shared->event_lock);
	return id;
}

/* ---- durability ---- */

void
jo_events_make_durable(XLogRecPtr lsn)
{
	XLogRecPtr	offset = lsn % XLOG_BLCKSZ;

	/* on a standby whatever can be seen is durable, and nothing can be flushed */
	if (XLogRecPtrIsInvalid(lsn) || RecoveryInProgress())
		return;

	/*
	 * An insert position on a fresh page lies behind that page's header, which
	 * is not there before the next record: what matters ends where the page
	 * begins.
	 */
	if (offset == SizeOfXLogShortPHD ||
		(offset == SizeOfXLogLongPHD && XLogSegmentOffset(lsn, wal_segment_size) == offset))
		lsn -= offset;
	XLogFlush(lsn);
	HOLD_INTERRUPTS();
	SyncRepWaitForLSN(lsn, true);
	RESUME_INTERRUPTS();

	/* a wait that was cut short by SIGTERM must not count as done */
	CHECK_FOR_INTERRUPTS();
}

/* ---- who listens ---- */

static uint32
run_bucket(Oid dboid, int64 run_id)
{
	return hash_combine(murmurhash32((uint32) dboid), murmurhash32((uint32) run_id)) & (JO_LISTENER_BUCKETS - 1);
}

void
jo_events_count_listener(Oid dboid, int64 run_id, int by)
{
	JoListeners *listeners = &jo_shared->listeners;

	if (run_id == JO_WAITS_FOR_WORK)
	{
		pg_atomic_fetch_add_u32(&listeners->work[jo_events_bucket(dboid)], by);
		return;
	}
	pg_atomic_fetch_add_u32(&listeners->any[jo_events_bucket(dboid)], by);
	if (run_id == 0)
		pg_atomic_fetch_add_u32(&listeners->all[jo_events_bucket(dboid)], by);
	else
		pg_atomic_fetch_add_u32(&listeners->run[run_bucket(dboid, run_id)], by);
}

bool
jo_events_listened(Oid dboid, int64 run_id)
{
	JoListeners *listeners = &jo_shared->listeners;

	if (run_id == JO_WAITS_FOR_WORK)
		return pg_atomic_read_u32(&listeners->work[jo_events_bucket(dboid)]) > 0;
	if (run_id == 0)
		return pg_atomic_read_u32(&listeners->all[jo_events_bucket(dboid)]) > 0;
	return pg_atomic_read_u32(&listeners->run[run_bucket(dboid, run_id)]) > 0;
}

/* ---- sessions that wait for a run, or for work ---- */

void
jo_events_run_ended(Oid dboid, int64 run_id)
{
	/* a session that comes now looks at the run after it took its place */
	if (((volatile JoShared *) jo_shared)->nwaiters == 0)
		return;
	LWLockAcquire(jo_shared->event_lock, LW_SHARED);
	for (int i = 0; i < jo_shared->nwaiters; i++)
	{
		JoWaiter   *waiter = &jo_shared->waiters[i];

		if (waiter->run_id == run_id && waiter->dboid == dboid)
			jo_shmem_wake(waiter->latch);
	}
	LWLockRelease(jo_shared->event_lock);
}

static void
end_wait_at_rollback(XactEvent event, void *arg)
{
	(void) arg;
	if (event == XACT_EVENT_ABORT)
		jo_events_wait_end();
}

static void
end_wait_at_exit(int code, Datum arg)
{
	(void) code;
	(void) arg;
	jo_events_wait_end();
}

/* Takes a place; the latch is this process's. */
static bool
begin_wait(int64 run_id, uint32 queue, uint32 rights)
{
	jo_shmem_require();
	if (!callbacks_registered)
	{
		RegisterXactCallback(end_wait_at_rollback, NULL);
		before_shmem_exit(end_wait_at_exit, (Datum) 0);
		callbacks_registered = true;
	}
	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	for (int i = 0; my_waiter < 0 && i < JO_MAX_WAITERS; i++)
	{
		if (jo_shared->waiters[i].run_id == 0)
			my_waiter = i;
	}
	if (my_waiter >= 0)
	{
		JoWaiter   *waiter = &jo_shared->waiters[my_waiter];

		waiter->run_id = run_id;
		waiter->dboid = MyDatabaseId;
		waiter->latch = MyLatch;
		waiter->queue = queue;
		waiter->rights = rights;
		waiter->woken = false;
		jo_shared->nwaiters = Max(jo_shared->nwaiters, my_waiter + 1);
	}
	LWLockRelease(jo_shared->event_lock);
	return my_waiter >= 0;
}

bool
jo_events_wait_begin(int64 run_id)
{
	return begin_wait(run_id, 0, 0);
}

bool
jo_events_wait_for_work(uint32 queue, uint32 rights)
{
	return begin_wait(JO_WAITS_FOR_WORK, queue, rights);
}

void
jo_events_work_look(void)
{
	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	jo_shared->waiters[my_waiter].woken = false;
	LWLockRelease(jo_shared->event_lock);
}

/* Has one with these rights been woken among the first n just now? */
static bool
is_served(const uint32 *rights, int n, uint32 wanted)
{
	for (int i = 0; i < n; i++)
		if (rights[i] == wanted)
			return true;
	return false;
}

/* One of each rights; of the 33rd and further, all. */
static void
wake_for_work(Oid dboid, uint32 queue)
{
	uint32		served[32];
	int			n = 0;

	for (int i = 0; i < jo_shared->nwaiters; i++)
	{
		JoWaiter   *waiter = &jo_shared->waiters[i];

		if (waiter->run_id != JO_WAITS_FOR_WORK || waiter->dboid != dboid || waiter->queue != queue ||
			waiter->woken || is_served(served, n, waiter->rights))
			continue;
		waiter->woken = true;
		jo_shmem_wake(waiter->latch);
		if (n < (int) lengthof(served))
			served[n++] = waiter->rights;
	}
}

void
jo_events_work_offered(Oid dboid, uint32 queue)
{
	if (((volatile JoShared *) jo_shared)->nwaiters == 0)
		return;
	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	wake_for_work(dboid, queue);
	LWLockRelease(jo_shared->event_lock);
}

void
jo_events_wait_end(void)
{
	JoWaiter   *waiter;

	if (my_waiter < 0)
		return;
	waiter = &jo_shared->waiters[my_waiter];
	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	/* it was woken, and will not look any more */
	if (waiter->run_id == JO_WAITS_FOR_WORK && waiter->woken)
	{
		waiter->run_id = 0;
		wake_for_work(waiter->dboid, waiter->queue);
	}
	waiter->run_id = 0;
	while (jo_shared->nwaiters > 0 && jo_shared->waiters[jo_shared->nwaiters - 1].run_id == 0)
		jo_shared->nwaiters--;
	LWLockRelease(jo_shared->event_lock);
	my_waiter = -1;
}
