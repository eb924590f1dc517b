/*
 * load.c
 *		Brings runs from their rows into memory.
 *
 * Activate first, then read: a run is entered (state LOADING) before the
 * snapshot is taken that reads its rows.  Whoever ended it before that is seen
 * by the snapshot; whoever has it in memory is seen when entering.  So no run is
 * ever carried out from rows that are out of date.
 */
#include "joborch.h"

#include "access/xact.h"
#include "active.h"
#include "clock.h"
#include "cursor.h"
#include "debugpoint.h"
#include "errors.h"
#include "failure.h"
#include "follow.h"
#include "items.h"
#include "load.h"
#include "miscadmin.h"
#include "outcome.h"
#include "permits.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

/* The state that a row is about; NULL: none, or it is final. */
static JoStepState *
state_of(JoActiveRun *run, int32 step, int32 item)
{
	JoStepState *state;

	if (step >= run->shape->nsteps)
		return NULL;
	state = &run->steps[step];
	if (item != JO_NO_ITEM && !JO_STEP_IS_FINAL(state->status))
		state = jo_items_state(run, state, item);
	return state == NULL || JO_STEP_IS_FINAL(state->status) ? NULL : state;
}

/*
 * Applies the rows of steps, in their order.  A row of a later phase proves that
 * the phases before it were closed, whatever their other steps did not do.
 */
static void
replay_steps(JoActiveRun *run, Snapshot snapshot)
{
	JoStepRow  *rows;
	int			n = jo_store_steps(run->run_id, snapshot, false, &rows);

	for (int i = 0; i < n && !run->out_of_memory; i++)
	{
		JoStepState *state;

		while (rows[i].step < run->shape->nsteps && run->unresolved > 0 &&
			   run->shape->steps[rows[i].step].phase > run->phase)
			jo_active_stop(run, run->cancel != JO_CANCEL_NONE ? JO_STEP_CANCELLED : JO_STEP_SKIPPED);
		state = state_of(run, rows[i].step, rows[i].item);
		if (state == NULL)
			continue;
		state->attempt = rows[i].attempt;
		jo_active_resolve(run, state, rows[i].status, rows[i].taken);
	}
	if (run->to_trim)
		jo_active_trim(run);
}

static void
replay_attempts(JoActiveRun *run, Snapshot snapshot, TimestampTz now)
{
	JoAttemptRow *rows;
	int			n = jo_store_attempts(run->run_id, snapshot, &rows);

	for (int i = 0; i < n; i++)
	{
		const JoAttemptRow *row = &rows[i];
		JoStepState *state;

		if (row->item != JO_NO_ITEM && row->epoch != run->epoch)
		{
			jo_items_note_attempt(run, row->step, row->item, row->attempt);
			continue;
		}
		state = state_of(run, row->step, row->item);
		if (state == NULL)
		{
			/* over, perhaps in an earlier epoch: what it took is still told */
			if (row->step < run->shape->nsteps && row->item == JO_NO_ITEM)
				run->steps[row->step].attempt = Max(run->steps[row->step].attempt, row->attempt);
			continue;
		}
		state->attempt = Max(state->attempt, row->attempt);
		if (row->epoch != run->epoch || row->status != JO_STEP_FAILED)
			continue;
		state->epoch_attempts++;
		if (row->retry_at > now &&
			(state->status == JO_STEP_QUEUED || state->status == JO_STEP_PENDING))
			jo_active_await(run, state, JO_STEP_RETRYING);
	}
}

static bool load_asked_for = false; /* by a request, not because of the time or the sweep */

/*
 * Is what somebody else is to do offered, or claimed?  Then in such a way that the step
 * will look when the lease runs out: a timer is still to come, of the claim or of the wait.
 */
static bool
is_in_hand(const JoWaitRow *wait, Snapshot snapshot, TimestampTz now)
{
	JoClaimRow	claim;

	if (jo_store_claim(wait->run_id, wait->step, wait->item, snapshot, &claim))
		return claim.lease_until == 0 || claim.timer_due > now ||
			(wait->look_at > now && wait->look_at <= claim.lease_until);
	return jo_store_is_offered(wait->run_id, wait->step, wait->item, snapshot);
}

/*
 * May what a step waits for have come while nobody looked?  Times have timers of
 * their own; a child that has no live row is over; the others are asked.
 */
static bool
may_go_on(const JoWaitRow *wait, Snapshot snapshot, TimestampTz now)
{
	JoLiveRow	live;

	if (wait->look_at != 0 && wait->look_at <= now)
		return true;
	if (wait->child != 0)
		return !jo_store_live(wait->child, snapshot, &live);
	/* runs that wait for long are looked at again and again, each time by the sweep */
	if (wait->kind == JO_WAIT_SIGNAL || wait->kind == JO_WAIT_APPROVAL)
		return jo_store_has_signal(wait->run_id, snapshot);
	/* who asked for the run may have done what it waits for */
	if (wait->kind == JO_WAIT_SQL && load_asked_for)
		return true;
	/* nobody has it in hand any more */
	if (wait->kind == JO_WAIT_NETWORK)
		return true;
	/* an order ends it, or somebody is to get it who has not */
	if (wait->kind == JO_WAIT_OUTSIDE)
		return !is_in_hand(wait, snapshot, now);
	return wait->look_at == 0 || wait->deadline == wait->look_at;
}

static bool
is_ordered(const JoWaitRow *wait, const JoOrdered *orders, int n)
{
	for (int i = 0; i < n; i++)
		if (orders[i].step == wait->step && orders[i].item == wait->item)
			return true;
	return false;
}

static void
replay_waits(JoActiveRun *run, Snapshot snapshot, TimestampTz now)
{
	JoWaitRow  *rows;
	int			n = jo_store_waits(run->run_id, snapshot, &rows);
	JoOrdered  *orders;
	int			norders = n > 0 ? jo_store_ordered(run->run_id, snapshot, &orders) : 0;

	for (int i = 0; i < n; i++)
	{
		JoStepState *state = state_of(run, rows[i].step, rows[i].item);

		if (state == NULL)
		{
			run->has_orphans = true;
			continue;
		}
		if (state->status != JO_STEP_QUEUED && state->status != JO_STEP_PENDING)
			continue;
		state->attempt = Max(state->attempt, rows[i].attempt);
		jo_active_await(run, state, JO_STEP_WAITING);
		state->handed_over = rows[i].kind == JO_WAIT_NETWORK || rows[i].kind == JO_WAIT_OUTSIDE;
		if (is_ordered(&rows[i], orders, norders) || may_go_on(&rows[i], snapshot, now))
			jo_active_ready(run, state);
	}
}

void
jo_load_history(JoActiveRun *run, Snapshot snapshot, TimestampTz now)
{
	replay_steps(run, snapshot);
	replay_attempts(run, snapshot, now);
	if (run->shape->may_wait)
		replay_waits(run, snapshot, now);
}

/* The run's graph; NULL with *error when its definition cannot be used, without when memory is full. */
static JoShape *
acquire_shape(Oid dboid, int64 version_id, ErrorData **error)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	JoShape    *volatile shape;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	shape = jo_shape_acquire(dboid, version_id);
	LWLockRelease(jo_shared->lock);
	if (shape != NULL)
		return shape;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		shape = jo_shape_make(dboid, jo_defcache_get(version_id));
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		*error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return shape;
}

/*
 * A run whose definition cannot be used any more ends failed, with the reason.  False:
 * somebody holds the row of one that depends on it.
 */
static bool
end_unusable(JoLiveRow *live, const ErrorData *error)
{
	JoEndRow	row = {
		.run_id = live->run_id,
		.status = JO_RUN_FAILED,
		.epoch = live->epoch,
		.started_at = live->begun,
		.finished_at = jo_clock_now(),
		.error = jo_failure_from_error(error),
	};

	/* its graph, which would say so, cannot be made: it may be followed in any case */
	if (!jo_follow_prepare(&row))
		return false;
	if (jo_store_end_run(&live->tid, &row))
	{
		jo_permits_release(live->run_id, JO_ALL_STEPS, JO_NO_ITEM);
		jo_follow_ended(&row);
	}
	return true;
}

typedef enum Filled
{
	FILLED,
	FILLED_NOT_WANTED,			/* gone, or ended here */
	FILLED_LATER,				/* somebody holds a row that is needed to end it */
	FILLED_NO_MEMORY			/* its graph or steps find no room */
} Filled;

/* Fills an entered run from its rows as of the snapshot. */
static Filled
fill(JoActiveRun *run, JoLiveRow *seen, Snapshot snapshot, bool fresh, TimestampTz now)
{
	JoLiveRow	live;
	ErrorData  *error = NULL;
	JoShape    *shape;
	dsa_pointer steps;

	if (!jo_store_live_at(&seen->tid, run->run_id, snapshot, &live) &&
		!jo_store_live(run->run_id, snapshot, &live))
		return FILLED_NOT_WANTED;
	shape = acquire_shape(run->dboid, live.version_id, &error);
	if (error != NULL)
	{
		/* only a definition that is gone or cannot be read any more stays so */
		if (error->sqlerrcode != ERRCODE_JO_INVALID_DEFINITION &&
			error->sqlerrcode != ERRCODE_JO_JOB_NOT_FOUND)
			ReThrowError(error);
		return end_unusable(&live, error) ? FILLED_NOT_WANTED : FILLED_LATER;
	}
	run->shape = shape;
	if (shape == NULL || !jo_active_alloc_steps(shape, &steps))
		return FILLED_NO_MEMORY;
	jo_active_set_live(run, &live);
	run->epoch = live.epoch;
	run->started_at = live.begun;
	run->begun_marked = live.begun != 0;
	run->started_told = live.begun != 0;
	jo_active_begin(run, shape, steps);
	run->paused = live.paused;
	jo_active_set_cancel(run, live.cancel);
	if (!fresh)
		jo_load_history(run, snapshot, now);
	if (run->out_of_memory)
		return FILLED_NO_MEMORY;
	return FILLED;
}

/* A run that may not take for ever gets its timer when it is first loaded. */
static void
begin_deadline(JoActiveRun *run, TimestampTz now)
{
	if (run->shape->timeout == 0 || run->begun_marked || run->fenced)
		return;
	/* a row that somebody holds is marked later; the timer is needed in any case */
	if (jo_store_mark_begun(&run->live_tid, run->run_id, now))
		run->begun_marked = true;
	jo_load_insert_deadline(run, now);
}

void
jo_load_insert_deadline(JoActiveRun *run, TimestampTz now)
{
	JoTimerRow	timer = {0};

	run->started_at = now;
	timer.due = now + run->shape->timeout;
	timer.run_id = run->run_id;
	timer.step = -1;
	timer.item = JO_NO_ITEM;
	timer.kind = 't';
	timer.epoch = run->epoch;
	jo_store_insert_timer(&timer);
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	jo_shmem_announce_timer(jo_shmem_database(run->dboid), timer.due);
	LWLockRelease(jo_shared->lock);
}

/* Enters as many of the rows as memory has room for; those in memory get no entry. */
static int
enter_runs(JoDatabase *database, JoLiveRow *rows, int n, JoActiveRun **runs)
{
	int			i;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (i = 0; i < n; i++)
	{
		runs[i] = NULL;
		if (jo_active_find(database->dboid, rows[i].run_id) != NULL)
			continue;
		runs[i] = jo_active_enter(database, rows[i].run_id, JO_ACTIVE_LOADING);
		if (runs[i] == NULL)
			break;
	}
	LWLockRelease(jo_shared->lock);
	return i;
}

static void
remove_runs(JoActiveRun **runs, int n)
{
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
		if (runs[i] != NULL)
			jo_active_remove(runs[i]);
	LWLockRelease(jo_shared->lock);
}

/*
 * A request that was committed since the rows were read: it is served before
 * anything of the run begins, and hands out what may then begin.
 */
bool
jo_load_is_asked_about(const JoDatabase *database, int64 run_id)
{
	for (int i = 0; i < database->ncontrols; i++)
		if (database->controls[i] == run_id)
			return true;
	return database->reload;
}

static void
hand_out(JoDatabase *database, JoActiveRun **runs, int n)
{
	JoWakeList	wakes = {0};

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		if (runs[i] == NULL)
			continue;
		runs[i]->state = JO_ACTIVE_READY;
		runs[i]->asked = runs[i]->fenced || jo_load_is_asked_about(database, runs[i]->run_id);
		/* the dispatcher sets live.begun before anything begins */
		if (runs[i]->fenced)
			jo_shmem_todo(database, runs[i]);
		(void) jo_outcome_settle(database, runs[i], NULL, &wakes);
	}
	LWLockRelease(jo_shared->lock);
	jo_wake_all(&wakes);
}

static void
report_no_memory(TimestampTz now)
{
	static TimestampTz last = 0;

	if (!jo_clock_may_log(&last, now))
		return;
	ereport(LOG,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of shared memory for the steps of active runs"),
			 errdetail("Other runs wait until these are finished."),
			 errhint("Raise joborch.shared_memory and restart the server.")));
}

/*
 * Fills the entered runs; those that are not to be carried out become NULL.  Returns
 * how many were dealt with; the others found no memory and are not entered any more.
 */
static int
fill_runs(JoActiveRun **runs, JoLiveRow *rows, int n, bool fresh)
{
	TimestampTz now = jo_clock_now();
	Snapshot	snapshot = RegisterSnapshot(jo_store_latest());
	Filled		filled = FILLED;
	int			done;

	for (done = 0; done < n; done++)
	{
		if (runs[done] == NULL)
			continue;
		filled = fill(runs[done], &rows[done], snapshot, fresh, now);
		if (filled == FILLED_NO_MEMORY || filled == FILLED_LATER)
			break;
		if (filled == FILLED)
			begin_deadline(runs[done], now);
		else
		{
			remove_runs(&runs[done], 1);
			runs[done] = NULL;
		}
	}
	UnregisterSnapshot(snapshot);
	if (done < n)
	{
		remove_runs(runs + done, n - done);
		for (int i = done; i < n; i++)
			runs[i] = NULL;
		if (filled == FILLED_NO_MEMORY)
			report_no_memory(now);
	}
	JO_DEBUG_POINT("dispatcher-loaded");
	return done;
}

/* The same; after an error none of the runs is in memory. */
static int
fill_or_remove(JoActiveRun **runs, JoLiveRow *rows, int n, bool fresh)
{
	int			done = 0;

	PG_TRY();
	{
		done = fill_runs(runs, rows, n, fresh);
	}
	PG_CATCH();
	{
		remove_runs(runs, n);
		PG_RE_THROW();
	}
	PG_END_TRY();
	return done;
}

int
jo_load_runs(JoDatabase *database, JoLiveRow *rows, int n, bool fresh)
{
	JoActiveRun *runs[JO_LOAD_BATCH];
	int			entered;

	Assert(n <= JO_LOAD_BATCH);
	entered = enter_runs(database, rows, n, runs);
	entered = fill_or_remove(runs, rows, entered, fresh);
	hand_out(database, runs, entered);
	return entered;
}

/* Not due yet: its cursor will come to it, or a range if that has passed. */
static void
announce_later(JoDatabase *database, const JoLiveRow *row, TimestampTz now)
{
	JoRange		range;

	range.queue_id = row->queue_id;
	range.ord = row->ord;
	range.low.due = range.high.due = row->due;
	range.low.run_id = range.high.run_id = row->run_id;
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	(void) jo_cursor_announce(database, &range, now);
	LWLockRelease(jo_shared->lock);
}

void
jo_load_asked_for(JoDatabase *database, int64 run_id)
{
	load_asked_for = true;
	PG_TRY();
	{
		jo_load_run(database, run_id);
	}
	PG_FINALLY();
	{
		load_asked_for = false;
	}
	PG_END_TRY();
}

void
jo_load_run(JoDatabase *database, int64 run_id)
{
	TimestampTz now = jo_clock_now();
	JoLiveRow	row;

	if (!jo_store_live(run_id, jo_store_latest(), &row))
		return;
	if (row.due > now && row.cancel == JO_CANCEL_NONE)
		announce_later(database, &row, now);
	else if (jo_load_runs(database, &row, 1, false) == 0)
	{
		/* no memory: the sweep finds it when there is */
		LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
		database->sweep = true;
		database->backlog = true;
		LWLockRelease(jo_shared->lock);
	}
}
