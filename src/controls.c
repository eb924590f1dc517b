/*
 * controls.c
 *		Requests of others: cancel, pause, resume, recover, a changed priority.
 *
 * A request changes rows in its own transaction and announces the run at its
 * commit.  The dispatcher reads the rows with a snapshot taken after the
 * announcement, so no request is ever missed, and applies them to memory.
 */
#include "joborch.h"

#include "access/xact.h"
#include "active.h"
#include "controls.h"
#include "dispatcher.h"
#include "events.h"
#include "load.h"
#include "outcome.h"
#include "slots.h"
#include "timers.h"
#include "txn.h"

/* Takes over what a request changed in the row of a run in memory. */
static void
apply_row(JoDatabase *database, JoActiveRun *run, const JoLiveRow *live)
{
	JoWakeList	wakes = {0};
	bool		force;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	run->live_tid = live->tid;
	force = live->cancel == JO_CANCEL_FORCE || live->cancel == JO_CANCEL_TIMED_OUT;
	jo_active_set_cancel(run, live->cancel);
	if (run->ord != live->ord || (live->paused && !run->paused))
		jo_handout_withdraw(run);
	if (live->paused && !run->paused)
		jo_outcome_tell(database, run, -1, JO_EVENT_STATUS_PAUSED, 0, InvalidXLogRecPtr);
	run->ord = live->ord;
	run->paused = live->paused;
	for (int i = 0; force && i < jo_shared->nslots; i++)
		if (jo_shared->slots[i].run == run)
			jo_slot_cancel(&jo_shared->slots[i], live->cancel == JO_CANCEL_TIMED_OUT);
	(void) jo_outcome_settle(database, run, NULL, &wakes);
	LWLockRelease(jo_shared->lock);
	jo_wake_all(&wakes);
}

/* The run's rows are gone or of another epoch. */
static void
drop_run(JoDatabase *database, JoActiveRun *run)
{
	JoWakeList	wakes = {0};

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	run->reload = true;
	(void) jo_outcome_settle(database, run, NULL, &wakes);
	LWLockRelease(jo_shared->lock);
	jo_wake_all(&wakes);
}

JoActiveRun *
jo_controls_find(JoDatabase *database, int64 run_id)
{
	JoActiveRun *run;

	LWLockAcquire(jo_shared->lock, LW_SHARED);
	run = jo_active_find(database->dboid, run_id);
	LWLockRelease(jo_shared->lock);
	return run != NULL && run->state >= JO_ACTIVE_READY ? run : NULL;
}

void
jo_controls_look_at(JoDatabase *database, int64 run_id)
{
	JoActiveRun *run = jo_controls_find(database, run_id);
	JoLiveRow	live;

	if (run == NULL)
		jo_load_run(database, run_id);
	else if (jo_store_live(run_id, jo_store_latest(), &live) && live.epoch == run->epoch)
		apply_row(database, run, &live);
	else
		drop_run(database, run);
}

/* Controls overflowed: every run in memory is looked at. */
static int
list_active(JoDatabase *database, int64 **run_ids)
{
	int			n = 0;

	*run_ids = palloc(sizeof(int64) * jo_shared->max_runs);
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	database->reload = false;
	database->sweep = true;
	for (int i = 0; i < jo_shared->max_runs; i++)
		if (jo_shared->runs[i].state >= JO_ACTIVE_READY &&
			jo_shared->runs[i].dboid == database->dboid)
			(*run_ids)[n++] = jo_shared->runs[i].run_id;
	LWLockRelease(jo_shared->lock);
	return n;
}

static int
take_controls(JoDatabase *database, int64 **run_ids)
{
	int			n;

	if (database->reload)
		return list_active(database, run_ids);
	if (database->ncontrols == 0)
		return 0;
	*run_ids = palloc(sizeof(database->controls));
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	n = database->ncontrols;
	memcpy(*run_ids, database->controls, n * sizeof(int64));
	database->ncontrols = 0;
	LWLockRelease(jo_shared->lock);
	return n;
}

void
jo_controls_serve(JoDatabase *database)
{
	int64	   *run_ids;
	int			n;
	MemoryContext old = CurrentMemoryContext;

	n = take_controls(database, &run_ids);
	if (n == 0)
		return;
	jo_dispatcher_leave_if_gone(database);
	jo_txn_begin();
	for (int i = 0; i < n; i++)
		if (run_ids[i] != 0)
			jo_controls_look_at(database, run_ids[i]);
	jo_txn_commit();
	MemoryContextSwitchTo(old);
	jo_timers_changed(database);
}
