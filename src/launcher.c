/*
 * launcher.c
 *		Finds the databases that have joborch and keeps a dispatcher in each.
 *
 * Started by the postmaster, one per cluster, and again a second after it is
 * gone.  It is connected to no database and touches only pg_database and the
 * databases' entries in shared memory.  Whether a database has the extension can
 * only be seen from inside: so a dispatcher is started in every database that
 * was not seen before, and leaves at once (state GONE) when there is nothing.
 *
 * When the launcher dies nothing stops: dispatchers go on, and the next launcher
 * finds them in shared memory.  Only the start of dispatchers waits meanwhile.
 */
#include "joborch.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "clock.h"
#include "compat.h"
#include "guc.h"
#include "miscadmin.h"
#include "purge.h"
#include "shmem.h"
#include "storage/ipc.h"
#include "storage/procarray.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker.h"

#define MAX_PROBES 4			/* dispatchers that start at a time */
#define PROBE_LOOK_MS 1000		/* how long a start may keep others waiting unseen */
#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 10000
#define GOOD_LIFE_MS 60000		/* who lived so long starts again without delay */
#define NO_SLOT_MS 5000

/* What this process knows of a database. */
typedef struct Known
{
	Oid			dboid;			/* hash key */
	bool		present;		/* found by the scan that is going on */
	bool		probed;			/* was entered in shared memory at least once */
	BackgroundWorkerHandle *handle; /* of its dispatcher, NULL: not started by us */
	TimestampTz started_at;
	TimestampTz not_before;		/* of the next start */
	long		backoff;		/* ms */
	TimestampTz logged_at;
} Known;

static HTAB *known_databases = NULL;
static bool full_warned = false;
static TimestampTz no_slot_logged_at = 0;

static Known *
find_known(Oid dboid)
{
	return hash_search(known_databases, &dboid, HASH_FIND, NULL);
}

static Known *
enter_known(Oid dboid)
{
	bool		found;
	Known	   *known = hash_search(known_databases, &dboid, HASH_ENTER, &found);

	if (!found)
	{
		MemSet(known, 0, sizeof(Known));
		known->dboid = dboid;
	}
	return known;
}

static void
forget_handle(Known *known)
{
	if (known->handle != NULL)
		pfree(known->handle);
	known->handle = NULL;
}

/* ---- which databases there are ---- */

static void
mark_present(void)
{
	Relation	table;
	TableScanDesc scan;
	HeapTuple	tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	table = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(table, 0, NULL);
	while ((tuple = heap_getnext(scan, ForwardScanDirection)) != NULL)
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (form->datallowconn && !jo_compat_database_is_invalid(form))
			enter_known(form->oid)->present = true;
	}
	table_endscan(scan);
	table_close(table, AccessShareLock);
	CommitTransactionCommand();
}

/* Entries that wait for a dispatcher in a database that cannot have one. */
static void
give_up_unknown_entries(void)
{
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < JO_MAX_DATABASES; i++)
	{
		JoDatabase *database = &jo_shared->databases[i];

		if (database->state == JO_DATABASE_PROBE && find_known(database->dboid) == NULL)
			database->state = JO_DATABASE_GONE;
	}
	LWLockRelease(jo_shared->lock);
}

static void
scan_databases(void)
{
	HASH_SEQ_STATUS status;
	Known	   *known;

	hash_seq_init(&status, known_databases);
	while ((known = hash_seq_search(&status)) != NULL)
		known->present = false;
	mark_present();
	hash_seq_init(&status, known_databases);
	while ((known = hash_seq_search(&status)) != NULL)
	{
		if (known->present)
			continue;
		forget_handle(known);
		hash_search(known_databases, &known->dboid, HASH_REMOVE, NULL);
	}
	give_up_unknown_entries();
}

/* ---- dispatchers ---- */

/* known may be NULL: the database is dropped, or may not be connected to any more. */
static bool
is_alive(const JoDatabase *database, const Known *known)
{
	pid_t		pid;

	if (known != NULL && known->handle != NULL &&
		GetBackgroundWorkerPid(known->handle, &pid) != BGWH_STOPPED)
		return true;
	return database->dispatcher_pid != 0 && BackendPidGetProc(database->dispatcher_pid) != NULL;
}

/*
 * An entry that is out of use becomes free, but not under the hands of a
 * process: each wakes the launcher when it leaves.
 */
static void
free_entry(JoDatabase *database, const Known *known)
{
	if (is_alive(database, known))
		return;
	if (database->publisher_pid != 0 && BackendPidGetProc(database->publisher_pid) != NULL)
	{
		jo_shmem_wake(database->publisher);
		return;
	}
	if (!jo_purge_database(database))
		return;
	database->state = JO_DATABASE_FREE;
	database->dboid = InvalidOid;
}

/* A dispatcher is gone that should be there: when may the next one start? */
static void
set_backoff(Known *known, TimestampTz now)
{
	long		lived = TimestampDifferenceMilliseconds(known->started_at, now);

	if (known->backoff == 0 || lived >= GOOD_LIFE_MS)
		known->backoff = BACKOFF_MIN_MS;
	else
		known->backoff = Min(known->backoff * 2, BACKOFF_MAX_MS);
	known->not_before = TimestampTzPlusMilliseconds(now, known->backoff);
	if (jo_clock_may_log(&known->logged_at, now))
		ereport(LOG,
				(errmsg("the joborch dispatcher of database %u is gone; starting it again in %ld ms",
						known->dboid, known->backoff)));
}

static bool
may_start(const JoDatabase *database, const Known *known, TimestampTz now)
{
	return database->state == JO_DATABASE_PROBE && database->releases == 0 &&
		(known == NULL || (known->not_before <= now && !is_alive(database, known)));
}

/*
 * Brings the entries up to date with the processes.  Returns whether one is
 * there whose dispatcher may start now, and in *starting how many are about to.
 */
static bool
look_at_entries(TimestampTz now, int *starting)
{
	Known	   *died[JO_MAX_DATABASES];
	int			ndied = 0;
	bool		any = false;

	*starting = 0;
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < JO_MAX_DATABASES; i++)
	{
		JoDatabase *database = &jo_shared->databases[i];
		Known	   *known = find_known(database->dboid);

		switch (database->state)
		{
			case JO_DATABASE_STARTING:
			case JO_DATABASE_RUNNING:
			case JO_DATABASE_HELD:
				if (is_alive(database, known))
				{
					*starting += database->state == JO_DATABASE_STARTING;
					break;
				}
				database->state = JO_DATABASE_PROBE;
				if (known != NULL)
					died[ndied++] = known;
				else
					any = true;
				break;
			case JO_DATABASE_PROBE:
				any |= may_start(database, known, now);
				break;
			case JO_DATABASE_GONE:
				free_entry(database, known);
				break;
			case JO_DATABASE_FREE:
			case JO_DATABASE_RELEASED:
				break;
		}
	}
	LWLockRelease(jo_shared->lock);
	for (int i = 0; i < ndied; i++)
		set_backoff(died[i], now);
	return any;
}

static void
report_no_slot(TimestampTz now)
{
	if (!jo_clock_may_log(&no_slot_logged_at, now))
		return;
	ereport(LOG,
			(errmsg("no background worker slot is free for a joborch dispatcher"),
			 errhint("Raise max_worker_processes above %d and restart the server.",
					 max_worker_processes)));
}

/* Starts the dispatcher of an entry; false when the server has no place for it. */
static bool
start_dispatcher(int index, Known *known, TimestampTz now)
{
	JoDatabase *database = &jo_shared->databases[index];
	bool		started;

	forget_handle(known);
	started = jo_worker_start(JO_PROCESS_DISPATCHER, index, known->dboid, InvalidOid, &known->handle);
	known->probed = true;
	known->started_at = now;
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	database->no_worker_slot = !started;
	if (!started && database->dboid == known->dboid && database->state == JO_DATABASE_STARTING)
		database->state = JO_DATABASE_PROBE;
	LWLockRelease(jo_shared->lock);
	if (!started)
	{
		known->handle = NULL;
		known->not_before = TimestampTzPlusMilliseconds(now, NO_SLOT_MS);
		report_no_slot(now);
	}
	return started;
}

/* The next entry whose dispatcher may start, now STARTING; -1: none. */
static int
pick_entry(TimestampTz now, Known **known)
{
	int			picked = -1;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < JO_MAX_DATABASES && picked < 0; i++)
	{
		JoDatabase *database = &jo_shared->databases[i];

		*known = find_known(database->dboid);
		if (*known != NULL && may_start(database, *known, now))
		{
			database->state = JO_DATABASE_STARTING;
			picked = i;
		}
	}
	LWLockRelease(jo_shared->lock);
	return picked;
}

/* Makes an entry for a database that was never looked at; false: no room. */
static bool
enter_database(Known *known)
{
	JoDatabase *database;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	database = jo_shmem_database_enter(known->dboid);
	LWLockRelease(jo_shared->lock);
	if (database != NULL)
		known->probed = true;
	else if (!full_warned)
	{
		full_warned = true;
		ereport(WARNING,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("joborch serves at most %d databases at a time; others are not looked at",
						JO_MAX_DATABASES)));
	}
	return database != NULL;
}

/* Up to max databases that were never looked at; returns whether others are left. */
static bool
enter_new_databases(int max)
{
	HASH_SEQ_STATUS status;
	Known	   *known;
	bool		left = false;

	hash_seq_init(&status, known_databases);
	while ((known = hash_seq_search(&status)) != NULL)
	{
		if (known->probed)
			continue;
		if (max > 0 && enter_database(known))
			max--;
		else
			left = true;
	}
	return left && max <= 0;
}

/* When the launcher must look again because of an entry, in ms; -1: nothing waits. */
static long
time_to_next_start(TimestampTz now)
{
	long		wait = -1;

	LWLockAcquire(jo_shared->lock, LW_SHARED);
	for (int i = 0; i < JO_MAX_DATABASES; i++)
	{
		JoDatabase *database = &jo_shared->databases[i];
		Known	   *known;
		long		ms;

		if (database->state != JO_DATABASE_PROBE || database->releases > 0)
			continue;
		known = find_known(database->dboid);
		if (known == NULL || is_alive(database, known))
			ms = PROBE_LOOK_MS;
		else
			ms = TimestampDifferenceMilliseconds(now, known->not_before);
		if (wait < 0 || ms < wait)
			wait = ms;
	}
	LWLockRelease(jo_shared->lock);
	return wait;
}

/* One round; returns how long there is nothing to do, in ms. */
static long
serve(TimestampTz *next_scan)
{
	TimestampTz now = GetCurrentTimestamp();
	int			starting;
	bool		scanned = now >= *next_scan;
	bool		waiting;
	long		wait;

	if (scanned)
		scan_databases();
	if (look_at_entries(now, &starting) && !scanned)
	{
		/* it may be new, or dropped */
		scan_databases();
		scanned = true;
	}
	if (scanned)
		*next_scan = TimestampTzPlusMilliseconds(now, jo_guc_recheck_interval);
	waiting = enter_new_databases(MAX_PROBES - starting);
	while (starting < MAX_PROBES)
	{
		Known	   *known = NULL;
		int			index = pick_entry(now, &known);

		if (index < 0)
			break;
		if (start_dispatcher(index, known, now))
			starting++;
	}
	wait = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), *next_scan);
	if (starting >= MAX_PROBES || waiting)
		wait = Min(wait, PROBE_LOOK_MS);
	else
	{
		long		start = time_to_next_start(GetCurrentTimestamp());

		if (start >= 0)
			wait = Min(wait, Max(start, 1));
	}
	return wait;
}

/* ---- the process ---- */

static void
detach(int code, Datum argument)
{
	(void) code;
	(void) argument;
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	if (jo_shared->launcher_pid == MyProcPid)
	{
		jo_shared->launcher = NULL;
		jo_shared->launcher_pid = 0;
	}
	LWLockRelease(jo_shared->lock);
}

static void
attach(void)
{
	HASHCTL		control = {0};

	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(Known);
	control.hcxt = TopMemoryContext;
	known_databases = hash_create("joborch databases", 64, &control,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	before_shmem_exit(detach, (Datum) 0);
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	jo_shared->launcher = MyLatch;
	jo_shared->launcher_pid = MyProcPid;
	LWLockRelease(jo_shared->lock);
}

void
joborch_launcher_main(Datum argument)
{
	TimestampTz next_scan = 0;

	(void) argument;
	jo_worker_init(JO_PROCESS_LAUNCHER);
	jo_worker_connect(InvalidOid, InvalidOid);
	attach();
	jo_worker_activity(NULL);
	for (;;)
		(void) jo_worker_wait(serve(&next_scan));
}
