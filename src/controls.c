/*
 * controls.c
 *		Requests of others: cancel, pause, resume, recover, a changed priority, signals.
 *
 * A request changes rows in its own transaction and announces the run at its
 * commit.  The dispatcher reads the rows with a snapshot taken after the
 * announcement, so no request is ever missed, and applies them to memory.
 */
#include "joborch.h"

#include "access/xact.h"
#include "active.h"
#include "controls.h"
#include "debugpoint.h"
#include "events.h"
#include "items.h"
#include "load.h"
#include "outcome.h"
#include "slots.h"
#include "txn.h"

/* The steps whose end is asked for. */
typedef struct Orders
{
	int			n;
	JoOrdered  *steps;
} Orders;

static bool
is_ordered(const Orders *orders, const JoStepState *state)
{
	for (int i = 0; i < orders->n; i++)
		if (orders->steps[i].step == state->step && orders->steps[i].item == state->item)
			return true;
	return false;
}

/* A signal, a decision or a permit may be there for it; an order for whatever waits. */
static void
wake_hearing(JoActiveRun *run, JoStepState *state, void *argument)
{
	if (state->status != JO_STEP_RETRYING &&
		(run->shape->steps[state->step].hears || is_ordered(argument, state)))
		jo_active_wake(run, state);
}

static void
cut_running(JoActiveRun *run, JoStepState *state, void *argument)
{
	(void) argument;
	if (state->status == JO_STEP_RUNNING)
		jo_slot_cut(run, state, run->cancel == JO_CANCEL_TIMED_OUT);
}

/* Takes over what a request changed in the row of a run in memory. */
static void
apply_row(JoDatabase *database, JoActiveRun *run, const JoLiveRow *live, Orders *orders, JoWakeList *wakes)
{
	bool		force = live->cancel == JO_CANCEL_FORCE || live->cancel == JO_CANCEL_TIMED_OUT;

	run->asked = run->fenced;
	if (run->fenced)
		jo_shmem_todo(database, run);
	run->live_tid = live->tid;
	run->followed = live->followed;
	jo_active_set_cancel(run, live->cancel);
	if (run->ord != live->ord || (live->paused && !run->paused))
		jo_handout_withdraw(run);
	if (live->paused && !run->paused)
		jo_outcome_tell(database, run, -1, JO_NO_ITEM, JO_EVENT_STATUS_PAUSED, 0, InvalidXLogRecPtr);
	run->ord = live->ord;
	run->paused = live->paused;
	if (force && run->in_flight > 0)
		jo_items_visit(run, cut_running, NULL);
	if (run->shape->may_wait)
		jo_items_visit(run, wake_hearing, orders);
	(void) jo_outcome_settle(database, run, NULL, wakes);
}

/* False when the run is not in memory. live NULL: its row is gone. */
static bool
update_memory(JoDatabase *database, int64 run_id, const JoLiveRow *live, Orders *orders)
{
	JoWakeList	wakes = {0};
	JoActiveRun *run;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	run = jo_active_find(database->dboid, run_id);
	if (run != NULL && run->state < JO_ACTIVE_READY)
	{
		/* its start is committed and just being announced, as the row was before the request */
		run->reload = true;
	}
	else if (run != NULL && live != NULL && run->epoch == live->epoch)
		apply_row(database, run, live, orders, &wakes);
	else if (run != NULL)
	{
		run->asked = false;
		run->reload = true;
		(void) jo_outcome_settle(database, run, NULL, &wakes);
	}
	LWLockRelease(jo_shared->lock);
	jo_wake_all(&wakes);
	return run != NULL;
}

void
jo_controls_look_at(JoDatabase *database, int64 run_id)
{
	JoLiveRow	live;
	bool		exists = jo_store_live(run_id, jo_store_latest(), &live);
	Orders		orders = {0};

	if (exists)
		orders.n = jo_store_ordered(run_id, jo_store_latest(), &orders.steps);
	JO_DEBUG_POINT("dispatcher-control-read");
	if (!update_memory(database, run_id, exists ? &live : NULL, &orders) && exists)
		jo_load_asked_for(database, run_id);
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
	*run_ids = palloc(sizeof(database->controls));
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	n = database->ncontrols;
	memcpy(*run_ids, database->controls, n * sizeof(int64));
	database->ncontrols = 0;
	LWLockRelease(jo_shared->lock);
	return n;
}

bool
jo_controls_pending(const JoDatabase *database)
{
	return database->ncontrols > 0 || database->reload;
}

void
jo_controls_serve(JoDatabase *database)
{
	int64	   *run_ids;
	int			n = take_controls(database, &run_ids);

	jo_txn_begin();
	for (int i = 0; i < n; i++)
		if (run_ids[i] != 0)
			jo_controls_look_at(database, run_ids[i]);
	jo_txn_commit();
}
