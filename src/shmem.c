/*
 * shmem.c
 *		Makes the shared block, and finds databases in it.
 *
 * The postmaster runs jo_shmem_startup() at start and again after a crash, so
 * whatever the block held before a crash is gone: the dispatchers rebuild it.
 */
#include "joborch.h"

#include "errors.h"
#include "events.h"
#include "guc.h"
#include "miscadmin.h"
#include "shmem.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "utils/memutils.h"

#define TRANCHE "joborch"

JoShared   *jo_shared = NULL;

static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;
static dsa_area *area = NULL;

static int
bucket_count(void)
{
	int			n = 1024;

	while (n < jo_guc_max_active_runs)
		n *= 2;
	return n;
}

static Size
runs_size(void)
{
	return MAXALIGN(mul_size(jo_guc_max_active_runs, sizeof(JoActiveRun)));
}

static Size
buckets_size(void)
{
	return MAXALIGN(mul_size(bucket_count(), sizeof(int32)));
}

static Size
block_size(void)
{
	Size		size = MAXALIGN(sizeof(JoShared));

	size = add_size(size, runs_size());
	size = add_size(size, buckets_size());
	return add_size(size, MAXALIGN(mul_size(jo_guc_shared_memory, 1024)));
}

static void
request(void)
{
	if (previous_request_hook)
		previous_request_hook();
	RequestAddinShmemSpace(block_size());
	RequestNamedLWLockTranche(TRANCHE, 2);
}

static void
init_runs(char *place)
{
	jo_shared->max_runs = jo_guc_max_active_runs;
	jo_shared->runs = (JoActiveRun *) place;
	jo_shared->nbuckets = bucket_count();
	jo_shared->buckets = (int32 *) (place + runs_size());
	for (int i = 0; i < jo_shared->nbuckets; i++)
		jo_shared->buckets[i] = -1;
	for (int i = 0; i < jo_shared->max_runs; i++)
	{
		jo_shared->runs[i].index = i;
		jo_shared->runs[i].next = i + 1 < jo_shared->max_runs ? i + 1 : -1;
	}
	jo_shared->free_run = 0;
}

static void
init_block(void)
{
	LWLockPadded *locks = GetNamedLWLockTranche(TRANCHE);
	char	   *place = (char *) jo_shared + MAXALIGN(sizeof(JoShared));
	dsa_area   *made;

	MemSet(jo_shared, 0, sizeof(JoShared));
	jo_shared->lock = &locks[0].lock;
	jo_shared->event_lock = &locks[1].lock;
	pg_atomic_init_u32(&jo_shared->prepared, 0);
	jo_shared->nslots = jo_guc_max_executors;
	for (int i = 0; i < JO_MAX_SLOTS; i++)
		jo_shared->slots[i].index = i;

	jo_events_shmem_startup();
	MemSet(place, 0, runs_size());
	init_runs(place);

	jo_shared->dsa_size = (Size) jo_guc_shared_memory * 1024;
	jo_shared->dsa_place = place + runs_size() + buckets_size();
	made = dsa_create_in_place(jo_shared->dsa_place, jo_shared->dsa_size,
							   jo_shared->lock->tranche, NULL);
	dsa_pin(made);
	dsa_set_size_limit(made, jo_shared->dsa_size);
	dsa_detach(made);
}

static void
startup(void)
{
	bool		found;

	if (previous_startup_hook)
		previous_startup_hook();
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	jo_shared = ShmemInitStruct(JO_LIBRARY, block_size(), &found);
	if (!found)
		init_block();
	LWLockRelease(AddinShmemInitLock);
}

void
jo_shmem_init(void)
{
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = request;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = startup;
}

dsa_area *
jo_shmem_area(void)
{
	if (area == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

		area = dsa_attach_in_place(jo_shared->dsa_place, NULL);
		dsa_pin_mapping(area);
		MemoryContextSwitchTo(old);
	}
	return area;
}

void
jo_shmem_require(void)
{
	if (jo_shared == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_NOT_PRELOADED),
				 errmsg("joborch is not loaded by the server"),
				 errdetail("Jobs are carried out by background workers, which exist only when the library is preloaded."),
				 errhint("Add joborch to shared_preload_libraries in postgresql.conf and restart the server.")));
}

JoDatabase *
jo_shmem_database(Oid dboid)
{
	Assert(LWLockHeldByMe(jo_shared->lock));
	for (int i = 0; i < JO_MAX_DATABASES; i++)
	{
		JoDatabase *database = &jo_shared->databases[i];

		if (database->dboid == dboid && database->state != JO_DATABASE_FREE)
			return database;
	}
	return NULL;
}

JoDatabase *
jo_shmem_database_enter(Oid dboid)
{
	JoDatabase *database = jo_shmem_database(dboid);

	Assert(LWLockHeldByMeInMode(jo_shared->lock, LW_EXCLUSIVE));
	for (int i = 0; database == NULL && i < JO_MAX_DATABASES; i++)
	{
		if (jo_shared->databases[i].state == JO_DATABASE_FREE)
		{
			database = &jo_shared->databases[i];
			MemSet(database, 0, sizeof(JoDatabase));
			database->dboid = dboid;
			database->state = JO_DATABASE_PROBE;
		}
	}
	return database;
}

void
jo_shmem_todo(JoDatabase *database, JoActiveRun *run)
{
	Assert(LWLockHeldByMeInMode(jo_shared->lock, LW_EXCLUSIVE));
	if (run->todo)
		return;
	run->todo = true;
	run->next_todo = NULL;
	if (database->todo == NULL)
		database->todo = run;
	else
		database->todo_tail->next_todo = run;
	database->todo_tail = run;
}

JoActiveRun *
jo_shmem_next_todo(JoDatabase *database)
{
	JoActiveRun *run = database->todo;

	if (run != NULL)
	{
		database->todo = run->next_todo;
		run->todo = false;
	}
	return run;
}

void
jo_shmem_control(JoDatabase *database, int64 run_id)
{
	if (database->ncontrols < JO_MAX_CONTROLS)
		database->controls[database->ncontrols++] = run_id;
	else
		database->reload = true;
}

void
jo_shmem_announce_timer(JoDatabase *database, TimestampTz due)
{
	Assert(LWLockHeldByMeInMode(jo_shared->lock, LW_EXCLUSIVE));
	if (database->timer_announced != 0 && database->timer_announced <= due)
		return;
	database->timer_announced = due;
	jo_shmem_wake(database->dispatcher);
}

void
jo_shmem_announce_schedule(JoDatabase *database, TimestampTz due)
{
	Assert(LWLockHeldByMeInMode(jo_shared->lock, LW_EXCLUSIVE));
	if (database->schedule_announced != 0 && database->schedule_announced <= due)
		return;
	database->schedule_announced = due;
	jo_shmem_wake(database->dispatcher);
}

void
jo_shmem_wake(Latch *latch)
{
	if (latch != NULL)
		SetLatch(latch);
}
