/*
 * careful.c
 *		What survives a crash of the server: whose copy this is, who was running.
 *
 * A step that is in flight leaves no row, so after a crash it simply runs
 * again.  A step that crashes the server would do so for ever.  Hence marks: a
 * row for each step older than a second, and for a while after a crash for
 * every step before it begins.  A mark that is there after an unclean stop
 * counts one crash; joborch.max_crashes of them fail the step.
 */
#include "joborch.h"

#include "access/xact.h"
#include "active.h"
#include "books.h"
#include "careful.h"
#include "clock.h"
#include "errors.h"
#include "failure.h"
#include "guc.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "store.h"
#include "txn.h"
#include "utils/snapmgr.h"

/* ---- start and stop ---- */

/* The step crashed the server too often: it fails as if it had said so itself. */
static void
fail_crashed(const JoMarkRow *mark, const JoLiveRow *live)
{
	JoAttempt	attempt = {
		.run_id = mark->run_id,
		.step = mark->step,
		.item = mark->item,
		.attempt = mark->attempt,
		.epoch = live->epoch,
		.started_at = live->begun ? live->begun : jo_clock_now(),
		.version_id = live->version_id,
		.taken = JO_NOTHING_TAKEN,
	};
	Jsonb	   *error = jo_failure_make(ERRCODE_JO_CRASHED,
										psprintf("the server crashed %d times while this step ran",
												 mark->crashes + 1),
										NULL,
										"Find out from the server's log what the step's SQL does; joborch.max_crashes sets the limit.");

	attempt.waited = jo_store_wait(mark->run_id, mark->step, mark->item, jo_store_latest(), &attempt.wait);
	(void) jo_books_fail(&attempt, NULL, ERRCODE_JO_CRASHED, error, NULL, NULL);
	jo_store_delete_mark(mark->run_id, mark->step, mark->item);
}

/* Every step that was in flight at the crash is one crash nearer to its limit. */
static void
blame_marks(void)
{
	JoMarkRow  *marks;
	int			n = jo_store_marks(&marks);

	for (int i = 0; i < n; i++)
	{
		JoMarkRow  *mark = &marks[i];
		JoStepRow	step;
		JoLiveRow	live;
		Snapshot	snapshot = RegisterSnapshot(jo_store_latest());
		bool		in_flight = jo_store_live(mark->run_id, snapshot, &live) &&
		!jo_store_step(mark->run_id, mark->step, mark->item, snapshot, &step);

		UnregisterSnapshot(snapshot);
		if (!in_flight)
			jo_store_delete_mark(mark->run_id, mark->step, mark->item);
		else if (mark->crashes + 1 >= jo_guc_max_crashes)
			fail_crashed(mark, &live);
		else
			jo_store_set_mark_crashes(mark->run_id, mark->step, mark->item, mark->crashes + 1);
	}
}

static bool
is_held(const JoDatabase *database, const JoMarkRow *mark)
{
	bool		held = false;

	LWLockAcquire(jo_shared->lock, LW_SHARED);
	for (int i = 0; i < jo_shared->nslots && !held; i++)
	{
		const JoSlot *slot = &jo_shared->slots[i];

		held = slot->dboid == database->dboid && slot->task.run != NULL &&
			slot->task.run->run_id == mark->run_id && slot->task.step == mark->step && slot->task.item == mark->item;
	}
	LWLockRelease(jo_shared->lock);
	return held;
}

/* Suspicion ends: marks of steps that nobody has in hand blame nobody. */
static void
forget_marks(const JoDatabase *database)
{
	JoMarkRow  *marks;
	int			n = jo_store_marks(&marks);

	for (int i = 0; i < n; i++)
		if (!is_held(database, &marks[i]))
			jo_store_delete_mark(marks[i].run_id, marks[i].step, marks[i].item);
}

bool
jo_careful_begin(JoDatabase *database)
{
	bool		clean;
	bool		ours;

	jo_txn_begin();
	ours = jo_store_is_ours(&clean);
	if (ours && clean)
		forget_marks(database);
	else if (ours)
	{
		blame_marks();
		LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
		database->careful = true;
		database->careful_until = jo_clock_now() + (int64) jo_guc_careful_period * 1000;
		LWLockRelease(jo_shared->lock);
	}
	if (ours)
		jo_store_set_clean_stop(false);
	/* a crash right after this must find it */
	ForceSyncCommit();
	jo_txn_commit();
	return ours;
}

void
jo_careful_end(void)
{
	jo_txn_begin();
	if (jo_store_exists())
		jo_store_set_clean_stop(true);
	jo_txn_commit();
}

void
jo_careful_expire(JoDatabase *database, TimestampTz now)
{
	if (database->careful && now >= database->careful_until)
	{
		LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
		database->careful = false;
		LWLockRelease(jo_shared->lock);
		jo_txn_begin();
		forget_marks(database);
		jo_txn_commit();
	}
}

/* ---- long steps ---- */

static bool
is_long(const JoSlot *slot, const JoDatabase *database, TimestampTz now)
{
	return slot->dboid == database->dboid && slot->state == JO_SLOT_BUSY &&
		slot->work == JO_WORK_RUNNING && !slot->long_seen &&
		now - slot->task.started_at >= (int64) jo_guc_mark_running_after * 1000;
}

TimestampTz
jo_careful_next(const JoDatabase *database)
{
	TimestampTz next = 0;

	for (int i = 0; i < jo_shared->nslots; i++)
	{
		const JoSlot *slot = &jo_shared->slots[i];

		/* 0 as "now": only asks whether it is one to be seen at some time */
		if (is_long(slot, database, DT_NOEND) &&
			(next == 0 || slot->task.started_at < next))
			next = slot->task.started_at;
	}
	return next == 0 ? 0 : next + (int64) jo_guc_mark_running_after * 1000;
}

/* One long step as it was seen under the lock. */
typedef struct Seen
{
	JoSlot	   *slot;
	uint64		identity;
	bool		mark;
	bool		begin;
	int64		run_id;
	int32		step;
	int32		item;
	int32		attempt;
	TimestampTz run_started_at;
	ItemPointerData tid;
} Seen;

static uint64
identity(const JoSlot *slot)
{
	return ((uint64) slot->generation << 32) | slot->steps_done;
}

static int
see_long(JoDatabase *database, TimestampTz now, Seen *seen)
{
	int			n = 0;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < jo_shared->nslots; i++)
	{
		JoSlot	   *slot = &jo_shared->slots[i];
		JoActiveRun *run = slot->task.run;

		if (!is_long(slot, database, now))
			continue;
		seen[n].slot = slot;
		seen[n].identity = identity(slot);
		seen[n].mark = !slot->marked;
		seen[n].begin = !run->begun_marked;
		seen[n].run_id = run->run_id;
		seen[n].step = slot->task.step;
		seen[n].item = slot->task.item;
		seen[n].attempt = slot->task.attempt;
		seen[n].run_started_at = run->started_at;
		seen[n].tid = run->live_tid;
		slot->long_seen = true;
		run->begun_marked = true;
		n++;
	}
	LWLockRelease(jo_shared->lock);
	return n;
}

/*
 * Gives the marks to the slots.  A step that ended while its mark was being
 * written does not know of it: then the mark is deleted here.
 */
static void
hand_over_marks(const Seen *seen, int n)
{
	jo_txn_begin();
	for (int i = 0; i < n; i++)
	{
		JoSlot	   *slot = seen[i].slot;
		bool		late;

		if (!seen[i].mark)
			continue;
		LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
		late = identity(slot) != seen[i].identity || slot->work != JO_WORK_RUNNING;
		if (!late)
			slot->marked = true;
		LWLockRelease(jo_shared->lock);
		if (late)
			jo_store_delete_mark(seen[i].run_id, seen[i].step, seen[i].item);
	}
	jo_txn_commit();
}

void
jo_careful_mark_long(JoDatabase *database, TimestampTz now)
{
	Seen		seen[JO_MAX_SLOTS];
	int			n = see_long(database, now, seen);

	if (n == 0)
		return;
	jo_txn_begin();
	for (int i = 0; i < n; i++)
	{
		if (seen[i].mark)
			jo_store_insert_mark(seen[i].run_id, seen[i].step, seen[i].item, seen[i].attempt);
		if (seen[i].begin &&
			jo_store_mark_begun(&seen[i].tid, seen[i].run_id, seen[i].run_started_at))
		{
			JoActiveRun *run;

			LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
			run = jo_active_find(database->dboid, seen[i].run_id);
			if (run != NULL)
				run->live_tid = seen[i].tid;
			LWLockRelease(jo_shared->lock);
		}
	}
	/* the step may crash the server at any moment now, and its mark must outlive that */
	ForceSyncCommit();
	jo_txn_commit();
	hand_over_marks(seen, n);
}
