/*
 * timers.c
 *		What must happen at a time: retries, ends of waits, time-outs of runs.
 *
 * Timers are rows; nothing waits in memory.  The dispatcher knows the earliest
 * due (its own look, or an announcement of a row written since) and sleeps until
 * then.  A moving key keeps it from walking over timers that it took before.
 */
#include "joborch.h"

#include "access/xact.h"
#include "active.h"
#include "announce.h"
#include "clock.h"
#include "debugpoint.h"
#include "items.h"
#include "load.h"
#include "outcome.h"
#include "store.h"
#include "timers.h"
#include "txn.h"

#define BATCH 500
#define RECHECK (10 * USECS_PER_SEC)	/* at most so often all of them are looked at */
#define LOCKED USECS_PER_SEC	/* one that somebody holds is tried again after so long */

static JoTimerKey low;

/*
 * The run's time is over: says so in its live row, so that it stays true after a
 * crash.  When somebody holds the row, the timer comes again a second later.
 */
static bool
set_timed_out(const JoTimerRow *timer)
{
	JoTimerRow	later = *timer;
	bool		again;

	if (jo_store_set_cancel(timer->run_id, JO_CANCEL_TIMED_OUT, &again))
		return true;
	if (again)
	{
		later.due = jo_clock_now() + USECS_PER_SEC;
		jo_store_insert_timer(&later);
	}
	return false;
}

/* False when the run is not in memory: then loading it makes the step ready. */
static bool
wake_step(JoDatabase *database, const JoTimerRow *timer)
{
	JoWakeList	wakes = {0};
	JoActiveRun *run;
	JoStepState *state = NULL;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	run = jo_active_find(database->dboid, timer->run_id);
	if (run != NULL && run->state >= JO_ACTIVE_READY && run->epoch == timer->epoch &&
		timer->step < run->shape->nsteps)
		state = &run->steps[timer->step];
	if (state != NULL && timer->item != JO_NO_ITEM)
		state = state->items != NULL ? jo_items_find(state->items, timer->item) : NULL;
	if (state != NULL)
	{
		jo_active_wake(run, state);
		(void) jo_outcome_settle(database, run, NULL, &wakes);
	}
	LWLockRelease(jo_shared->lock);
	jo_wake_all(&wakes);
	return run != NULL;
}

static void
fire_timer(JoDatabase *database, const JoTimerRow *timer)
{
	if (timer->kind == 't')
	{
		/* memory follows when this is committed */
		if (set_timed_out(timer))
			jo_announce_control(timer->run_id);
	}
	else if (!wake_step(database, timer))
		jo_load_run(database, timer->run_id);
}

/* ---- when ---- */

static void
set_next(JoDatabase *database, TimestampTz next)
{
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	database->next_timer = next;
	LWLockRelease(jo_shared->lock);
}

void
jo_timers_changed(JoDatabase *database)
{
	TimestampTz next;

	MemSet(&low, 0, sizeof(low));
	low.due = DT_NOBEGIN;
	jo_txn_begin();
	next = jo_store_next_timer(NULL);
	jo_txn_commit();
	set_next(database, next);
}

/* What requests write is announced; what was prepared is seen here. */
void
jo_timers_recheck(JoDatabase *database)
{
	static TimestampTz last = 0;
	TimestampTz now = jo_clock_now();

	if (now >= last && now - last < RECHECK)
		return;
	last = now;
	jo_timers_changed(database);
}

void
jo_timers_begin(JoDatabase *database)
{
	jo_timers_changed(database);
}

/* Takes over announcements. */
static void
take_announced(JoDatabase *database)
{
	TimestampTz announced;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	announced = database->timer_announced;
	database->timer_announced = 0;
	if (announced != 0 && (database->next_timer == 0 || announced < database->next_timer))
		database->next_timer = announced;
	LWLockRelease(jo_shared->lock);
	if (announced != 0)
		jo_store_timer_low(&low, announced);
}

TimestampTz
jo_timers_next(const JoDatabase *database)
{
	return database->next_timer;
}

void
jo_timers_fire(JoDatabase *database, TimestampTz now)
{
	JoTimerRow *rows;
	TimestampTz next;
	int			n;

	if (database->timer_announced != 0)
		take_announced(database);
	if (database->next_timer == 0 || database->next_timer > now)
		return;
	rows = palloc(sizeof(JoTimerRow) * BATCH);
	do
	{
		jo_txn_begin();
		n = jo_store_take_timers(now, BATCH, rows, &low);
		for (int i = 0; i < n; i++)
			fire_timer(database, &rows[i]);
		next = jo_store_next_timer(&low);
		if (n < BATCH && next != 0 && next <= now)
			next = now + LOCKED;
		JO_DEBUG_POINT("dispatcher-before-timers-commit");
		jo_txn_commit();
		set_next(database, next);
	} while (n == BATCH);
}
