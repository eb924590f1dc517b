/*
 * release.c
 *		Leaving a database alone while a statement needs it for itself.
 *
 * DROP DATABASE, ALTER DATABASE .. RENAME or SET TABLESPACE and CREATE DATABASE
 * of a template refuse a database that anybody is connected to.  A background
 * worker is never in the way on purpose: the session that runs such a statement
 * asks ours to leave, waits for it, and the launcher brings them back when the
 * transaction has ended.  Touches the database's entry (state, releases) and the
 * quit flags of its slots.
 */
#include "joborch.h"

#include <signal.h>

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "release.h"
#include "shmem.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define LEAVE_BY_THEMSELVES_MS 300	/* then they are terminated */
#define GIVE_UP_MS 4000
#define LOOK_AGAIN_MS 10
#define MAX_RELEASED 4

/* What this transaction keeps our processes out of. */
static Oid	released[MAX_RELEASED];
static int	nreleased = 0;

static void
end_release(Oid dboid)
{
	JoDatabase *database;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	database = jo_shmem_database(dboid);
	if (database != NULL && database->releases > 0 && --database->releases == 0)
		database->state = JO_DATABASE_PROBE;
	jo_shmem_wake(jo_shared->launcher);
	LWLockRelease(jo_shared->lock);
}

static void
end_releases(XactEvent event, void *argument)
{
	(void) argument;
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE)
		return;
	while (nreleased > 0)
		end_release(released[--nreleased]);
}

/* False: the database has no entry, so nobody of us is or will soon be there. */
static bool
begin_release(Oid dboid)
{
	JoDatabase *database;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	database = jo_shmem_database(dboid);
	if (database != NULL)
	{
		database->releases++;
		database->state = JO_DATABASE_RELEASED;
		released[nreleased++] = dboid;
	}
	LWLockRelease(jo_shared->lock);
	return database != NULL;
}

/*
 * Is this process of ours still connected to the database?  If so, wakes it so
 * that it sees that it is to leave, or terminates it.  A pid in shared memory is
 * only trusted as far as the server itself says who it is.
 */
static bool
urge(pid_t pid, Latch *latch, Oid dboid, bool terminate)
{
	PGPROC	   *process;

	if (pid == 0)
		return false;
	process = BackendPidGetProc(pid);
	if (process == NULL)
		return kill(pid, 0) == 0;	/* still on its way in */
	if (process->databaseId != dboid)
		return false;
	if (terminate)
		kill(pid, SIGTERM);
	else
		jo_shmem_wake(latch);
	return true;
}

/* Urges all processes of the database; returns whether there are any. */
static bool
urge_all(Oid dboid, bool terminate)
{
	bool		any = false;
	JoDatabase *database;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	database = jo_shmem_database(dboid);
	for (int i = 0; i < jo_shared->nslots; i++)
	{
		JoSlot	   *slot = &jo_shared->slots[i];

		if (slot->state == JO_SLOT_FREE || slot->dboid != dboid)
			continue;
		slot->quit = true;
		any |= urge(slot->pid, slot->latch, dboid, terminate);
	}
	if (database != NULL)
	{
		any |= urge(database->courier_pid, database->courier, dboid, terminate);
		any |= urge(database->publisher_pid, database->publisher, dboid, terminate);
		any |= urge(database->dispatcher_pid, database->dispatcher, dboid, terminate);
	}
	LWLockRelease(jo_shared->lock);
	return any;
}

void
jo_release_database(Oid dboid)
{
	static bool registered = false;
	TimestampTz begun = GetCurrentTimestamp();
	long		waited = 0;
	bool		terminated = false;

	if (!registered)
	{
		RegisterXactCallback(end_releases, NULL);
		registered = true;
	}
	if (nreleased >= MAX_RELEASED || !begin_release(dboid))
		return;
	while (waited < GIVE_UP_MS)
	{
		bool		terminate = !terminated && waited >= LEAVE_BY_THEMSELVES_MS;

		if (!urge_all(dboid, terminate))
			break;
		terminated |= terminate;

		/* who left a database tells nobody, so look again */
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 LOOK_AGAIN_MS, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		waited = TimestampDifferenceMilliseconds(begun, GetCurrentTimestamp());
	}
}
