/*
 * dispatcher.c
 *		One process per database that has the extension: keeps the lists full.
 *
 * Why it exists: executors take steps from shared memory; somebody must bring
 * runs from the tables there, in order, start executors, look after timers, and
 * write what executors cannot (ends of failed runs, failures of dead steps).
 * The launcher starts it and starts it again when it dies; everything it knows
 * is in shared memory and rows, so it goes on where the last one stopped.  It is
 * connected as the bootstrap superuser and runs no user's expression.  It sleeps
 * on its latch until somebody commits, an executor asks, or the next time is due.
 */
#include "joborch.h"

#include "access/relation.h"
#include "access/xact.h"
#include "artifactmove.h"
#include "careful.h"
#include "catalog/namespace.h"
#include "clock.h"
#include "controls.h"
#include "courierslot.h"
#include "debugpoint.h"
#include "finish.h"
#include "guc.h"
#include "events.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "pool.h"
#include "purge.h"
#include "refill.h"
#include "schedules.h"
#include "slots.h"
#include "storage/ipc.h"
#include "store.h"
#include "timers.h"
#include "txn.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "worker.h"

#define LOCKED_RETRY_MS 50		/* a run whose row somebody holds, later and later: */
#define LOCKED_RETRY_MAX_MS 1000
#define PURGE_PAUSE_MS 100		/* executors of a dropped extension are leaving */
#define ERROR_PAUSE_MS 1000		/* after an error of our own */

static JoDatabase *database = NULL;
static MemoryContext loop_context = NULL;
static bool counting = false;	/* jo_careful_begin() was called: end it in order */

/* ---- coming and going ---- */

static void
leave(int code, Datum argument)
{
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	if (database->dispatcher_pid == MyProcPid)
	{
		database->dispatcher = NULL;
		database->dispatcher_pid = 0;
	}
	jo_shmem_wake(jo_shared->launcher);
	LWLockRelease(jo_shared->lock);
}

/* Steps in flight at an orderly stop are not to blame for it. */
static void
say_goodbye(int code, Datum argument)
{
	AbortOutOfAnyTransaction();
	if (counting && code != 2)
		jo_careful_end();
}

static void
attach(int index)
{
	database = &jo_shared->databases[index];
	(void) jo_shmem_area();
	on_shmem_exit(leave, (Datum) 0);
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	if (database->dboid != jo_worker_database() || database->state != JO_DATABASE_STARTING)
	{
		LWLockRelease(jo_shared->lock);
		proc_exit(0);
	}
	database->dispatcher = MyLatch;
	database->dispatcher_pid = MyProcPid;
	LWLockRelease(jo_shared->lock);
}

static void
set_state(JoDatabaseState state)
{
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	if (database->dispatcher_pid == MyProcPid && database->state != JO_DATABASE_RELEASED &&
		database->state != JO_DATABASE_PROBE)
		database->state = state;
	LWLockRelease(jo_shared->lock);
}

/* DDL on the database wants us out, or another dispatcher took over. */
static void
leave_if_unwanted(void)
{
	if (database->state == JO_DATABASE_RELEASED || database->state == JO_DATABASE_PROBE ||
		database->dispatcher_pid != MyProcPid)
		proc_exit(0);
}

/* Nothing of an extension that was dropped may be left in memory. */
static bool
purge(void)
{
	bool		done;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	done = jo_purge_database(database);
	LWLockRelease(jo_shared->lock);
	return done;
}

/*
 * Waits for a DROP EXTENSION that is going on: its commit is announced a moment
 * before the catalogs say so.
 */
static bool
extension_exists(void)
{
	Relation	live = NULL;
	bool		exists;
	Oid			relid;

	jo_txn_begin();
	relid = get_relname_relid("live", get_namespace_oid(JO_INTERNAL_SCHEMA, true));
	if (OidIsValid(relid))
		live = try_relation_open(relid, AccessShareLock);
	if (live != NULL)
		relation_close(live, AccessShareLock);
	exists = live != NULL && jo_store_exists();
	jo_txn_commit();
	return exists;
}

static void
leave_if_gone(void)
{
	if (extension_exists())
		return;
	counting = false;
	(void) purge();
	set_state(JO_DATABASE_GONE);
	proc_exit(0);
}

/* A restore may have brought the rows of another database: the next one holds them. */
static void
leave_if_copy(void)
{
	bool		clean;
	bool		ours;

	jo_txn_begin();
	ours = jo_store_is_ours(&clean);
	jo_txn_commit();
	if (ours)
		return;
	set_state(JO_DATABASE_PROBE);
	proc_exit(0);
}

/* First look at the tables; waits here as long as they are a copy's. */
static void
begin(void)
{
	leave_if_gone();
	/* after an orderly look at another incarnation of the extension it is 0 */
	while (database->boot_run_id == 0 && !purge())
	{
		(void) jo_worker_wait(PURGE_PAUSE_MS);
		leave_if_unwanted();
	}
	while (!jo_careful_begin(database))
	{
		set_state(JO_DATABASE_HELD);
		(void) purge();
		(void) jo_worker_wait(jo_guc_recheck_interval);
		leave_if_unwanted();
		leave_if_gone();
		LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
		database->ncontrols = 0;
		LWLockRelease(jo_shared->lock);
	}
	counting = true;
	jo_finish_abandoned(database);
	jo_refill_begin(database);
	jo_timers_begin(database);
	jo_schedules_begin(database);
	set_state(JO_DATABASE_RUNNING);
	leave_if_unwanted();
}

/* ---- the loop ---- */

static void
serve_controls(void)
{
	if (!jo_controls_pending(database))
		return;
	leave_if_gone();
	leave_if_copy();
	jo_controls_serve(database);
	jo_timers_recheck(database);
}

static long
sooner(long timeout, TimestampTz when)
{
	return when == 0 ? timeout : jo_clock_ms_until(when, timeout);
}

/* One round; returns how long nothing will happen by itself, in ms. */
static long
serve(void)
{
	TimestampTz now = jo_clock_now();
	long		timeout = jo_guc_recheck_interval;
	long		publisher;
	long		courier;
	static long locked_rounds = 0;

	leave_if_unwanted();
	MemoryContextReset(loop_context);
	MemoryContextSwitchTo(loop_context);
	jo_pool_bury(database, now);
	jo_finish_dead(database);
	jo_courier_reap(database);
	serve_controls();
	jo_timers_fire(database, now);
	jo_schedules_fire(database, now);
	if (jo_refill(database, now))
		timeout = 0;
	locked_rounds = jo_finish_todo(database) ? locked_rounds + 1 : 0;
	if (locked_rounds > 0)
		timeout = Min(timeout, Min(LOCKED_RETRY_MS * locked_rounds, LOCKED_RETRY_MAX_MS));
	if (jo_pool_grow(database, now))
		timeout = Min(timeout, JO_POOL_GROW_MS);
	timeout = sooner(timeout, jo_slots_insist(database, now));
	jo_careful_mark_long(database, now);
	jo_careful_expire(database, now);

	timeout = sooner(timeout, jo_careful_next(database));
	timeout = sooner(timeout, jo_refill_next(database));
	timeout = sooner(timeout, jo_timers_next(database));
	timeout = sooner(timeout, jo_schedules_next(database));
	timeout = sooner(timeout, jo_pool_next(database));
	timeout = sooner(timeout, jo_artifact_watch(database, now));
	courier = jo_courier_start(database, now);
	if (courier >= 0)
		timeout = Min(timeout, courier);
	publisher = jo_events_start_publisher(database);
	if (publisher >= 0)
		timeout = Min(timeout, publisher);
	if (database->careful)
		timeout = sooner(timeout, database->careful_until);
	/* those that came while all runs were looked at */
	return jo_controls_pending(database) ? 0 : timeout;
}

static void
rest(long timeout)
{
	if (timeout > 0)
	{
		pgstat_report_activity(STATE_IDLE, NULL);
		pgstat_report_stat(true);
	}
	(void) jo_worker_wait(timeout);
}

/* An error of our own: say it, and let things settle before the next try. */
static void
ride_out_error(void)
{
	MemoryContextSwitchTo(loop_context);
	HOLD_INTERRUPTS();
	EmitErrorReport();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	RESUME_INTERRUPTS();
	MemoryContextSwitchTo(loop_context);
	(void) jo_worker_wait(ERROR_PAUSE_MS);
	leave_if_gone();
	jo_finish_abandoned(database);
	jo_timers_changed(database);
	jo_schedules_begin(database);
	jo_refill_distrust(database);
}

static void
serve_guarded(void)
{
	PG_TRY();
	{
		long		timeout = serve();

		JO_DEBUG_POINT("dispatcher-round");
		rest(timeout);
	}
	PG_CATCH();
	{
		ride_out_error();
	}
	PG_END_TRY();
}

void
joborch_dispatcher_main(Datum argument)
{
	jo_worker_init(JO_PROCESS_DISPATCHER);
	attach(DatumGetInt32(argument));
	jo_worker_connect(jo_worker_database(), InvalidOid);
	SetConfigOption("synchronous_commit", "off", PGC_SUSET, PGC_S_OVERRIDE);
	before_shmem_exit(say_goodbye, (Datum) 0);
	loop_context = AllocSetContextCreate(TopMemoryContext, "joborch dispatcher", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(loop_context);
	begin();
	for (;;)
		serve_guarded();
}
