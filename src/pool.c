/*
 * pool.c
 *		How many executors there are, and for whom.
 *
 * A class gets one executor per core at once (two at least); more only when all
 * it has are busy with steps that take long, doubling at each look: short steps
 * lose a third of their speed when more processes than cores take turns, long
 * ones need one each.
 */
#include "joborch.h"

#include <unistd.h>

#include "access/xact.h"
#include "clock.h"
#include "finish.h"
#include "handout.h"
#include "miscadmin.h"
#include "pool.h"
#include "rights.h"
#include "slots.h"
#include "txn.h"
#include "worker.h"

#define LONG_STEP_USEC 2000
#define COMING_USEC (10 * USECS_PER_SEC)	/* a process that did not come by then never will */

/* The processes that this dispatcher started, by slot. */
static BackgroundWorkerHandle *handles[JO_MAX_SLOTS];

static int
base_size(void)
{
	static int	size = 0;

	if (size == 0)
		size = Max(2, (int) sysconf(_SC_NPROCESSORS_ONLN));
	return size;
}

/* Has every executor of the class been at its step for long? */
static bool
all_long(const JoClass *class, TimestampTz now)
{
	for (int i = 0; i < jo_shared->nslots; i++)
	{
		const JoSlot *slot = &jo_shared->slots[i];

		if (slot->class == class && slot->state != JO_SLOT_FREE &&
			(slot->state != JO_SLOT_BUSY || now - slot->task.started_at < LONG_STEP_USEC))
			return false;
	}
	return true;
}

/* How many executors more the class should get now. */
static int
wanted(const JoClass *class, TimestampTz now)
{
	int			starting = 0;

	if (class->ready == 0 || class->idle != NULL || jo_class_pauses(class, now) ||
		class->role == JO_COURIER_ROLE)
		return 0;
	for (int i = 0; i < jo_shared->nslots; i++)
		if (jo_shared->slots[i].class == class && jo_shared->slots[i].state == JO_SLOT_STARTING)
			starting++;
	if (class->nslots < base_size())
		return Max(0, Min(class->ready - starting, base_size() - class->nslots));
	if (starting == 0 && all_long(class, now))
		return Min(class->ready, class->nslots);
	return 0;
}

/* Steps of a role that cannot connect fail; true if it can. */
static bool
check_role(JoDatabase *database, JoClass *class)
{
	MemoryContext context = CurrentMemoryContext;
	Oid			role = class->role;
	char	   *hint = NULL;
	char	   *reason;

	jo_txn_begin();
	reason = jo_rights_cannot_run(role, NULL, &hint);
	if (reason != NULL)
		reason = MemoryContextStrdup(context, reason);
	if (reason != NULL && hint != NULL)
		hint = MemoryContextStrdup(context, hint);
	jo_txn_commit();
	if (reason != NULL)
		jo_finish_refused(database, class, role, reason, hint);
	return reason == NULL;
}

static void
log_no_worker_slot(TimestampTz now)
{
	static TimestampTz last = 0;

	if (!jo_clock_may_log(&last, now))
		return;
	ereport(LOG,
			(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
			 errmsg("no free worker slot for an executor"),
			 errdetail("The steps wait."),
			 errhint("Raise max_worker_processes.")));
}

/* Starts one; false when there is no room for it now. */
static bool
start_one(JoDatabase *database, JoClass *class, TimestampTz now)
{
	JoSlot	   *slot = NULL;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	/* the entry may have been given to another database since it was looked at */
	if (class->dboid == database->dboid)
		slot = jo_slot_reserve(class);
	LWLockRelease(jo_shared->lock);
	if (slot == NULL)
		return false;
	if (handles[slot->index] != NULL)
		pfree(handles[slot->index]);
	handles[slot->index] = NULL;
	if (jo_worker_start(JO_PROCESS_EXECUTOR, slot->index, slot->dboid, slot->role,
						&handles[slot->index]))
	{
		database->no_worker_slot = false;
		return true;
	}
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	jo_slot_unreserve(slot);
	class->start_after = now + JO_CLASS_PAUSE_USEC;
	database->no_worker_slot = true;
	LWLockRelease(jo_shared->lock);
	log_no_worker_slot(now);
	return false;
}

/* Will its process never attach?  Without a handle an earlier dispatcher started it. */
static bool
is_stillborn(const JoDatabase *database, const JoSlot *slot, TimestampTz now)
{
	pid_t		pid;

	if (slot->state != JO_SLOT_STARTING || slot->pid != 0 || slot->dboid != database->dboid)
		return false;
	return now - slot->since > COMING_USEC ||
		(handles[slot->index] != NULL &&
		 GetBackgroundWorkerPid(handles[slot->index], &pid) == BGWH_STOPPED);
}

void
jo_pool_bury(JoDatabase *database, TimestampTz now)
{
	for (int i = 0; i < jo_shared->nslots; i++)
	{
		JoSlot	   *slot = &jo_shared->slots[i];

		if (!is_stillborn(database, slot, now))
			continue;
		LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
		if (slot->state == JO_SLOT_STARTING && slot->pid == 0)
			slot->state = JO_SLOT_DEAD;
		LWLockRelease(jo_shared->lock);
	}
}

static bool
has_free_slot(void)
{
	for (int i = 0; i < jo_shared->nslots; i++)
		if (jo_shared->slots[i].state == JO_SLOT_FREE)
			return true;
	return false;
}

static void
grow_class(JoDatabase *database, JoClass *class, TimestampTz now)
{
	int			n = wanted(class, now);

	if (n == 0 || !check_role(database, class))
		return;
	while (n-- > 0 && start_one(database, class, now))
		;
}

bool
jo_pool_grow(JoDatabase *database, TimestampTz now)
{
	bool		waiting = false;

	for (int i = 0; i < JO_MAX_CLASSES; i++)
	{
		JoClass    *class = &jo_shared->classes[i];

		if (class->dboid != database->dboid || class->role == JO_COURIER_ROLE)
			continue;
		grow_class(database, class, now);
		if (class->ready > 0 && !jo_class_pauses(class, now))
			waiting = true;
	}
	/* while it is set, nobody wakes us for steps that wait */
	database->growing = waiting;
	return waiting && has_free_slot();
}

TimestampTz
jo_pool_next(const JoDatabase *database)
{
	TimestampTz next = 0;

	for (int i = 0; i < JO_MAX_CLASSES; i++)
	{
		const JoClass *class = &jo_shared->classes[i];

		if (class->dboid == database->dboid && class->ready > 0 && class->start_after != 0 &&
			(next == 0 || class->start_after < next))
			next = class->start_after;
	}
	return next;
}
