/*
 * finish.c
 *		What only the dispatcher can write: ends of runs, failures of lost steps.
 *
 * The usual end of a run is written by the executor of its last step.  What is
 * left is here: failed and cancelled runs, runs with an "output", runs whose end
 * something follows, and runs of which somebody held the live row when the last
 * step committed.
 */
#include "joborch.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "active.h"
#include "announce.h"
#include "books.h"
#include "clock.h"
#include "debugpoint.h"
#include "document.h"
#include "errors.h"
#include "events.h"
#include "failure.h"
#include "finish.h"
#include "follow.h"
#include "items.h"
#include "load.h"
#include "outcome.h"
#include "permits.h"
#include "slots.h"
#include "txn.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#define BATCH 200

typedef enum Verdict
{
	VERDICT_ENDED,				/* end row written */
	VERDICT_GONE,				/* somebody else ended or paused it: forget it */
	VERDICT_LATER,				/* its row is locked or changed: look again */
	VERDICT_RELOAD,				/* forget it and read it anew */
	VERDICT_BEGUN,				/* live.begun is set: what it has may begin */
	VERDICT_SETTLE				/* not done: hand out what it has */
} Verdict;

/* ---- ends ---- */

/* The run's "output", filled in; an error in it fails the run. */
static Jsonb *
render_output(const JoActiveRun *run, Jsonb **error)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	Jsonb	   *volatile output = NULL;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		JoCachedJob *job = jo_defcache_get(run->version_id);

		MemoryContextSwitchTo(context);
		output = jo_document_render(jo_document_create(job, run->run_id, -1, 1, run->started_at),
									job->definition->output);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *caught;

		MemoryContextSwitchTo(context);
		caught = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		*error = jo_failure_from_error(caught);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return output;
}

/* Why the run failed: the error of its first failed step, with the step's name. */
static Jsonb *
run_error(const JoActiveRun *run)
{
	JoStepRow	row;
	JoCachedJob *job;

	if (run->timed_out)
		return jo_failure_make(ERRCODE_JO_RUN_TIMEOUT, "the run timed out", NULL,
							   "Raise the job's \"timeout\", then: SELECT joborch.recover_run(run_id)");
	if (run->failed_step < 0 ||
		!jo_store_step(run->run_id, run->failed_step, JO_NO_ITEM, jo_store_latest(), &row) ||
		row.error == NULL)
		return NULL;
	job = jo_defcache_get(run->version_id);
	return jo_failure_with_step(row.error, job->definition->steps[run->failed_step].shown);
}

void
jo_finish_describe(const JoActiveRun *run, JoEndRow *row)
{
	MemSet(row, 0, sizeof(JoEndRow));
	row->run_id = run->run_id;
	row->status = jo_active_end_status(run);
	row->epoch = run->epoch;
	row->started_at = run->started_at;
	row->finished_at = jo_clock_now();
	row->completed = run->ncompleted;
	row->failed = run->nfailed;
	row->skipped = run->nskipped;
	if (row->status == JO_RUN_COMPLETED && run->shape->has_output)
	{
		row->output = render_output(run, &row->error);
		if (row->error != NULL)
			row->status = JO_RUN_FAILED;
	}
	else if (row->status == JO_RUN_FAILED)
		row->error = run_error(run);
}

static Verdict
write_end(JoActiveRun *run, char *status)
{
	bool		followed = run->followed || run->shape->followed;
	JoEndRow	row;

	jo_finish_describe(run, &row);
	if (followed && !jo_follow_prepare(&row))
		return VERDICT_LATER;
	if (!jo_store_end_run(&run->live_tid, &row))
		return VERDICT_LATER;
	if (run->shape->timeout > 0 || row.status != JO_RUN_COMPLETED)
		jo_store_delete_timers(run->run_id);
	if (run->shape->has_permits)
		jo_permits_release(run->run_id, JO_ALL_STEPS, JO_NO_ITEM);
	if (followed)
		jo_follow_ended(&row);
	*status = row.status;
	return VERDICT_ENDED;
}

/*
 * The live row was not as memory knew it: takes over what changed.  A row that
 * is only locked comes back unchanged.
 */
static Verdict
reread(JoActiveRun *run)
{
	JoLiveRow	live;

	if (!jo_store_live(run->run_id, jo_store_latest(), &live))
		return VERDICT_GONE;
	if (live.epoch != run->epoch)
		return VERDICT_RELOAD;
	if (live.paused)
		return VERDICT_GONE;
	run->live_tid = live.tid;
	run->followed = live.followed;
	jo_active_set_cancel(run, live.cancel);
	return VERDICT_LATER;
}

/*
 * Its rows are not what memory thinks.  A run that has an end was ended by a
 * dispatcher that did not live to tell.
 */
static Verdict
judge_changed(const JoActiveRun *run, char *status)
{
	JoLiveRow	live;
	JoEndRow	end;

	if (jo_store_live(run->run_id, jo_store_latest(), &live) ||
		!jo_store_end(run->run_id, jo_store_latest(), &end))
		return VERDICT_RELOAD;
	*status = end.status;
	return VERDICT_ENDED;
}

/* Does a step still wait for what this row says? */
static bool
is_waited_for(JoActiveRun *run, const JoWaitRow *wait)
{
	JoStepState *state;
	bool		waits;

	if (wait->step >= run->shape->nsteps)
		return false;
	LWLockAcquire(jo_shared->lock, LW_SHARED);
	state = &run->steps[wait->step];
	if (wait->item != JO_NO_ITEM)
		state = state->items != NULL ? jo_items_find(state->items, wait->item) : NULL;
	waits = state != NULL && !JO_STEP_IS_FINAL(state->status);
	LWLockRelease(jo_shared->lock);
	return waits;
}

/*
 * Steps that waited were stopped: their rows and timers go, and the runs they had
 * started are cancelled.  False: somebody holds the row of one of those.
 */
static bool
remove_orphans(JoActiveRun *run)
{
	JoWaitRow  *rows;
	int			n = jo_store_waits(run->run_id, jo_store_latest(), &rows);
	bool		all = true;

	for (int i = 0; i < n; i++)
	{
		bool		again = false;

		if (is_waited_for(run, &rows[i]))
			continue;
		if (rows[i].kind == JO_WAIT_OUTSIDE)
			again = !jo_store_drop_claims(rows[i].run_id, rows[i].step, rows[i].item);
		if (rows[i].child != 0 && jo_store_set_cancel(rows[i].child, JO_CANCEL_FORCE, &again))
			jo_announce_control(rows[i].child);
		if (again)
			all = false;
		else
		{
			jo_books_leave_wait(&rows[i], run->epoch);
			if (run->shape->has_permits)
				jo_permits_release(run->run_id, rows[i].step, rows[i].item);
		}
	}
	JO_DEBUG_POINT("dispatcher-orphans-removed");
	return all;
}

/* The flag is down before the rows are read: an orphan made meanwhile raises it again. */
static void
set_orphans(JoActiveRun *run, bool has_orphans)
{
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	run->has_orphans = has_orphans;
	LWLockRelease(jo_shared->lock);
}

/*
 * Before anything begins of a run that start() may still replace: who replaces it has its
 * row, or finds it begun.
 */
static Verdict
pass_fence(JoActiveRun *run)
{
	TimestampTz now = jo_clock_now();
	JoLiveRow	live;

	if (run->paused)
		return VERDICT_GONE;
	if (jo_store_mark_begun(&run->live_tid, run->run_id, now))
	{
		if (run->shape->timeout > 0)
			jo_load_insert_deadline(run, now);
		return VERDICT_BEGUN;
	}
	if (!jo_store_live(run->run_id, jo_store_latest(), &live))
		return VERDICT_GONE;
	return ItemPointerEquals(&live.tid, &run->live_tid) ? VERDICT_LATER : VERDICT_RELOAD;
}

static Verdict
judge(JoActiveRun *run, char *status)
{
	Verdict		verdict;

	if (run->has_orphans && !run->reload)
	{
		set_orphans(run, false);
		if (!remove_orphans(run))
		{
			set_orphans(run, true);
			return VERDICT_LATER;
		}
	}
	if (run->in_flight > 0)
		return VERDICT_SETTLE;
	if (run->fenced && !run->reload && run->cancel == JO_CANCEL_NONE)
		return pass_fence(run);
	if (run->reload)
		return judge_changed(run, status);
	if (!jo_active_is_done(run))
		return VERDICT_SETTLE;
	if (run->paused)
		return VERDICT_GONE;
	verdict = write_end(run, status);
	if (verdict == VERDICT_LATER)
	{
		/* if it was a committed change, not a lock, the second try has the new row */
		verdict = reread(run);
		if (verdict == VERDICT_LATER)
			verdict = write_end(run, status);
	}
	return verdict;
}

/*
 * Takes up to BATCH runs off the list; *more when there may be others.  They keep
 * their mark: nobody else ends or removes them before their verdict.  One that gives
 * back permits is the last: the keys of two could be locked in a wrong order.
 */
static int
take_todo(JoDatabase *database, JoActiveRun **runs, bool *more)
{
	int			n = 0;

	*more = false;
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	while (!*more && (runs[n] = jo_shmem_next_todo(database)) != NULL)
	{
		runs[n]->todo = true;
		*more = runs[n]->shape->has_permits || n + 1 == BATCH;
		n++;
	}
	LWLockRelease(jo_shared->lock);
	return n;
}

/* Applies the verdicts; returns how many are put back for later. */
static int
apply_verdicts(JoDatabase *database, JoActiveRun **runs, const Verdict *verdicts,
			   const char *statuses, int n, int64 *reload, int *nreload)
{
	JoWakeList	wakes = {0};
	int			later = 0;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		JoActiveRun *run = runs[i];

		run->todo = false;
		switch (verdicts[i])
		{
			case VERDICT_ENDED:
				jo_outcome_ended(database, run, statuses[i], XactLastCommitEnd, &wakes);
				break;
			case VERDICT_RELOAD:
				reload[(*nreload)++] = run->run_id;
				/* FALLTHROUGH */
			case VERDICT_GONE:
				jo_events_run_ended(run->dboid, run->run_id);
				jo_handout_withdraw(run);
				jo_active_remove(run);
				break;
			case VERDICT_LATER:
				jo_shmem_todo(database, run);
				later++;
				break;
			case VERDICT_BEGUN:
				run->fenced = false;
				run->begun_marked = true;
				run->asked = jo_load_is_asked_about(database, run->run_id);
				/* FALLTHROUGH */
			case VERDICT_SETTLE:
				(void) jo_outcome_settle(database, run, NULL, &wakes);
				/* back in the list at once: no class was free for its steps */
				if (runs[i]->todo && runs[i]->fresh != NULL)
					later++;
				break;
		}
	}
	LWLockRelease(jo_shared->lock);
	jo_wake_all(&wakes);
	return later;
}

static void
put_back(JoDatabase *database, JoActiveRun **runs, int n)
{
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		/* what was removed of them is there again */
		runs[i]->has_orphans |= runs[i]->shape->may_wait;
		runs[i]->todo = false;
		jo_shmem_todo(database, runs[i]);
	}
	LWLockRelease(jo_shared->lock);
}

static void
judge_all(JoActiveRun **runs, int n, Verdict *verdicts, char *statuses)
{
	jo_txn_begin();
	for (int i = 0; i < n; i++)
		verdicts[i] = judge(runs[i], &statuses[i]);
	JO_DEBUG_POINT("dispatcher-before-ends-commit");
	jo_txn_commit();
	JO_DEBUG_POINT("dispatcher-after-ends-commit");
}

/* The same; after an error the runs are in the list again. */
static void
judge_or_put_back(JoDatabase *database, JoActiveRun **runs, int n, Verdict *verdicts, char *statuses)
{
	PG_TRY();
	{
		judge_all(runs, n, verdicts, statuses);
	}
	PG_CATCH();
	{
		put_back(database, runs, n);
		PG_RE_THROW();
	}
	PG_END_TRY();
}

static bool
finish_batch(JoDatabase *database, bool *more)
{
	JoActiveRun *runs[BATCH];
	Verdict		verdicts[BATCH];
	char		statuses[BATCH];
	int64		reload[BATCH];
	int			nreload = 0;
	int			later;
	int			n = take_todo(database, runs, more);

	if (n == 0)
		return false;
	judge_or_put_back(database, runs, n, verdicts, statuses);
	later = apply_verdicts(database, runs, verdicts, statuses, n, reload, &nreload);
	if (nreload > 0)
	{
		jo_txn_begin();
		for (int i = 0; i < nreload; i++)
			jo_load_run(database, reload[i]);
		jo_txn_commit();
	}
	return later > 0;
}

bool
jo_finish_todo(JoDatabase *database)
{
	bool		more = true;
	bool		later = false;

	while (more && !later)
		later = finish_batch(database, &more);
	return later;
}

/* ---- steps that no executor can record ---- */

/*
 * The step's retry policy; NULL when the definition cannot be read any more: then
 * the step fails, and nothing else of the database is held up by it.
 */
static const JoStepDef *
find_policy(const JoAttempt *attempt)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	const JoStepDef *volatile step = NULL;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		step = &jo_defcache_get(attempt->version_id)->definition->steps[attempt->step];
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return step;
}

/* Writes the failure of a step that nobody carries out any more, and applies it. */
static void
record_lost_step(JoDatabase *database, JoTask *task, int sqlstate,
				 const char *message, const char *detail, const char *hint, JoWakeList *wakes)
{
	JoAttempt	attempt;

	LWLockAcquire(jo_shared->lock, LW_SHARED);
	jo_books_attempt(task, &attempt);
	LWLockRelease(jo_shared->lock);

	jo_txn_begin();
	attempt.waited = jo_store_wait(attempt.run_id, attempt.step, attempt.item, jo_store_latest(),
								   &attempt.wait);
	attempt.permitted = task->run->shape->has_permits;
	task->outcome = jo_books_fail(&attempt, find_policy(&attempt), sqlstate,
								  jo_failure_make(sqlstate, message, detail, hint), NULL,
								  &task->timer_due);
	jo_txn_commit();

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	task->commit_lsn = XactLastCommitEnd;
	(void) jo_outcome_apply(database, task, NULL, wakes);
	LWLockRelease(jo_shared->lock);
}

static void
record_fatal(JoDatabase *database, JoSlot *slot, JoWakeList *wakes)
{
	if (slot->self_inflicted)
		record_lost_step(database, &slot->task, slot->fatal_sqlstate, slot->fatal_text,
						 "The step ended its own session.", NULL, wakes);
	else
		record_lost_step(database, &slot->task, ERRCODE_JO_CRASHED,
						 "the step was interrupted too often", NULL, NULL, wakes);
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	slot->work = JO_WORK_NONE;
	jo_slot_free(slot);
	LWLockRelease(jo_shared->lock);
}

/* An executor that died before it ever worked: its class waits a little. */
static void
note_stillborn(JoSlot *slot)
{
	if (slot->steps_done == 0 && slot->task.run == NULL && !slot->quit)
		slot->class->start_after = jo_clock_now() + JO_CLASS_PAUSE_USEC;
}

/* Before the step can run again, which may need a mark of its own. */
static void
remove_mark(const JoSlot *slot)
{
	if (slot->task.run == NULL || !slot->marked)
		return;
	jo_txn_begin();
	jo_store_delete_mark(slot->task.run->run_id, slot->task.step, slot->task.item);
	jo_txn_commit();
}

void
jo_finish_dead(JoDatabase *database)
{
	JoWakeList	wakes = {0};

	for (int i = 0; i < jo_shared->nslots; i++)
	{
		JoSlot	   *slot = &jo_shared->slots[i];
		bool		record;

		if (slot->state != JO_SLOT_DEAD || slot->dboid != database->dboid)
			continue;
		remove_mark(slot);
		LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
		note_stillborn(slot);
		record = jo_slot_reap(database, slot, &wakes);
		LWLockRelease(jo_shared->lock);
		if (record)
			record_fatal(database, slot, &wakes);
	}
	jo_wake_all(&wakes);
}

/* ---- what a dispatcher leaves behind ---- */

/* A step that take_step() took: nobody's slot has it. */
static void
give_back_step(JoActiveRun *run, JoStepState *state, void *argument)
{
	(void) argument;
	if (state->status != JO_STEP_RUNNING || state->slot != JO_WITH_NOBODY)
		return;
	run->in_flight--;
	if (!state->resumed)
		state->attempt--;
	jo_active_ready(run, state);
}

void
jo_finish_abandoned(JoDatabase *database)
{
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	while (jo_shmem_next_todo(database) != NULL)
		;
	for (int i = 0; i < jo_shared->max_runs; i++)
	{
		JoActiveRun *run = &jo_shared->runs[i];

		if (run->state == JO_ACTIVE_FREE || run->dboid != database->dboid)
			continue;
		/* it may have been judged, and its orphans removed, in a transaction that is no more */
		run->todo = false;
		run->has_orphans |= run->shape != NULL && run->shape->may_wait;
		if (run->state == JO_ACTIVE_LOADING)
			jo_active_remove(run);
		else if (run->state >= JO_ACTIVE_READY)
			jo_items_visit(run, give_back_step, NULL);
	}
	/* the look at each run also puts those that are to end into the list again */
	database->reload = true;
	LWLockRelease(jo_shared->lock);
}

/*
 * Takes one step of the class as an executor would.  The entry may have been given to
 * another (database, role) since it was looked at.
 */
static bool
take_step(JoDatabase *database, JoClass *class, Oid role, JoTask *task)
{
	JoStepState *state = NULL;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	if (class->dboid == database->dboid && class->role == role)
		state = jo_handout_pop(class);
	if (state != NULL)
		jo_outcome_begin(database, task, state, JO_WITH_NOBODY, jo_clock_now());
	LWLockRelease(jo_shared->lock);
	return state != NULL;
}

void
jo_finish_refused(JoDatabase *database, JoClass *class, Oid role, const char *reason, const char *hint)
{
	JoWakeList	wakes = {0};
	JoTask		task;

	for (int n = 0; n < BATCH && take_step(database, class, role, &task); n++)
		record_lost_step(database, &task, ERRCODE_JO_ROLE_CANNOT_CONNECT, reason, NULL, hint, &wakes);
	jo_wake_all(&wakes);
}
