/*
 * courierslot.c
 *		The courier's place in shared memory: start, give work, reap.
 *
 * There is at most one courier per database, so what it has in hand needs no table:
 * a step's state says that it is with the courier, and when that is gone without having
 * applied an outcome, the run is read anew from its rows, where a committed outcome is.
 */
#include "joborch.h"

#include <signal.h>

#include "active.h"
#include "clock.h"
#include "courierslot.h"
#include "debugpoint.h"
#include "items.h"
#include "miscadmin.h"
#include "outcome.h"
#include "storage/ipc.h"
#include "storage/procarray.h"
#include "worker.h"

#define PAUSE_USEC USECS_PER_SEC	/* between two starts */
#define COMING_USEC (10 * USECS_PER_SEC)	/* a process that did not come by then never will */

static JoDatabase *own = NULL;

/* ---- the courier's side ---- */

static void
leave_at_exit(int code, Datum argument)
{
	(void) code;
	(void) argument;
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	if (own->courier_pid == MyProcPid)
	{
		own->courier_pid = 0;
		own->courier = NULL;
		own->courier_open = 0;
		own->courier_dead = true;
		jo_shmem_wake(own->dispatcher != NULL ? own->dispatcher : jo_shared->launcher);
	}
	LWLockRelease(jo_shared->lock);
}

bool
jo_courier_attach(JoDatabase *database, Oid dboid)
{
	bool		mine;

	(void) jo_shmem_area();
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	mine = database->dboid == dboid && database->state == JO_DATABASE_RUNNING &&
		!database->courier_dead && database->courier_pid == 0;
	if (mine)
	{
		own = database;
		database->courier_pid = MyProcPid;
		database->courier = MyLatch;
		database->courier_since = 0;
	}
	LWLockRelease(jo_shared->lock);
	if (mine)
		on_shmem_exit(leave_at_exit, (Datum) 0);
	JO_DEBUG_POINT("courier-attached");
	return mine;
}

bool
jo_courier_is_wanted(const JoDatabase *database, Oid dboid)
{
	return database->dboid == dboid && database->courier_pid == MyProcPid &&
		(database->state == JO_DATABASE_RUNNING || database->state == JO_DATABASE_STARTING ||
		 database->state == JO_DATABASE_PROBE);
}

static JoClass *
own_class(const JoDatabase *database)
{
	return jo_class_find(database->dboid, JO_COURIER_ROLE);
}

bool
jo_courier_has_ready(const JoDatabase *database)
{
	const JoClass *class = own_class(database);

	return class != NULL && class->ready > 0;
}

bool
jo_courier_leave(JoDatabase *database)
{
	bool		may;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	may = !jo_courier_has_ready(database) && !database->courier_chores;
	if (may && database->courier_pid == MyProcPid)
	{
		database->courier_pid = 0;
		database->courier = NULL;
		database->courier_open = 0;
	}
	LWLockRelease(jo_shared->lock);
	return may;
}

int
jo_courier_take(JoDatabase *database, JoTask *tasks, int max)
{
	JoWakeList	wakes = {0};
	JoClass    *class;
	int			n = 0;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	class = own_class(database);
	if (class != NULL)
	{
		TimestampTz now = jo_clock_now();
		JoStepState *state;

		while (n < max && (state = jo_handout_pop(class)) != NULL)
			jo_outcome_begin(database, &tasks[n++], state, JO_WITH_COURIER, now);
		class->last_use = now;
		jo_handout_ask_refill(database, class, &wakes);
	}
	LWLockRelease(jo_shared->lock);
	jo_wake_all(&wakes);
	return n;
}

static bool
take_flag(bool *flag)
{
	bool		was;

	if (!*(volatile bool *) flag)
		return false;
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	was = *flag;
	*flag = false;
	LWLockRelease(jo_shared->lock);
	return was;
}

bool
jo_courier_was_cut(JoDatabase *database)
{
	return take_flag(&database->courier_cut);
}

bool
jo_courier_has_chores(JoDatabase *database)
{
	return take_flag(&database->courier_chores);
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
			 errmsg("no free worker slot for a joborch courier"),
			 errdetail("Network steps wait."),
			 errhint("Raise max_worker_processes.")));
}

static bool
is_needed(const JoDatabase *database)
{
	return database->courier_pid == 0 && !database->courier_dead &&
		(database->courier_chores || jo_courier_has_ready(database));
}

long
jo_courier_start(JoDatabase *database, TimestampTz now)
{
	static BackgroundWorkerHandle *handle = NULL;
	bool		needed;
	bool		started;
	pid_t		pid;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	needed = is_needed(database);
	if (needed && database->courier_since != 0 && now - database->courier_since < COMING_USEC &&
		(handle == NULL || GetBackgroundWorkerPid(handle, &pid) != BGWH_STOPPED))
		needed = false;			/* on its way */
	LWLockRelease(jo_shared->lock);
	if (!needed)
		return -1;
	/* one that is further ahead was set before the clock went back */
	if (now < database->courier_after && database->courier_after - now <= PAUSE_USEC)
		return TimestampDifferenceMilliseconds(now, database->courier_after);
	if (handle != NULL)
		pfree(handle);
	handle = NULL;
	started = jo_worker_start(JO_PROCESS_COURIER, (int) (database - jo_shared->databases),
							  database->dboid, InvalidOid, &handle);
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	database->courier_since = started ? now : 0;
	database->courier_after = now + PAUSE_USEC;
	database->no_worker_slot = !started;
	LWLockRelease(jo_shared->lock);
	if (started)
		return -1;
	handle = NULL;
	report_no_slot(now);
	return PAUSE_USEC / 1000;
}

/* What it had and did not bring to an end: whether that was written, the rows say. */
static void
give_back(JoActiveRun *run, JoStepState *state, void *argument)
{
	int		   *n = argument;

	if (state->status != JO_STEP_RUNNING || state->slot != JO_WITH_COURIER)
		return;
	run->in_flight--;
	state->slot = JO_WITH_NOBODY;
	state->held = 0;
	jo_outcome_change(run, state, JO_OUTCOME_STALE, -1, 0);
	(*n)++;
}

void
jo_courier_reap(JoDatabase *database)
{
	JoWakeList	wakes = {0};

	if (!*(volatile bool *) &database->courier_dead)
		return;
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < jo_shared->max_runs; i++)
	{
		JoActiveRun *run = &jo_shared->runs[i];
		int			n = 0;

		if (run->dboid != database->dboid || run->state < JO_ACTIVE_READY || run->in_flight == 0)
			continue;
		jo_items_visit(run, give_back, &n);
		if (n > 0)
			(void) jo_outcome_settle(database, run, NULL, &wakes);
	}
	database->courier_dead = database->courier_cut = false;
	database->courier_after = jo_clock_now() + PAUSE_USEC;
	LWLockRelease(jo_shared->lock);
	jo_wake_all(&wakes);
	JO_DEBUG_POINT("dispatcher-courier-reaped");
}

static void
drop(JoActiveRun *run, JoStepState *state, void *argument)
{
	(void) argument;
	if (state->status != JO_STEP_RUNNING || state->slot != JO_WITH_COURIER)
		return;
	state->status = JO_STEP_PENDING;
	state->slot = JO_WITH_NOBODY;
	run->in_flight--;
}

bool
jo_courier_purge(JoDatabase *database)
{
	if (database->courier_pid != 0)
	{
		kill(database->courier_pid, SIGTERM);
		return false;
	}
	for (int i = 0; i < jo_shared->max_runs; i++)
	{
		JoActiveRun *run = &jo_shared->runs[i];

		if (run->dboid == database->dboid && run->state >= JO_ACTIVE_READY && run->in_flight > 0)
			jo_items_visit(run, drop, NULL);
	}
	database->courier_dead = database->courier_cut = database->courier_chores = false;
	return true;
}
