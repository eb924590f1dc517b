/*
 * announce.c
 *		What a transaction did to runs, told at its commit and not before.
 *
 * start() notes its run here.  At commit the note becomes, in order of
 * preference: a run handed straight to an idle executor (its memory was
 * reserved before the commit, since a commit callback may neither fail nor
 * allocate); or a key range that the dispatcher reads.  A rolled-back
 * (sub)transaction drops its notes.  A prepared one drops them too, and raises a
 * counter instead: no callback tells of COMMIT PREPARED.
 */
#include "joborch.h"

#include "access/xact.h"
#include "active.h"
#include "announce.h"
#include "clock.h"
#include "cursor.h"
#include "debugpoint.h"
#include "defcache.h"
#include "miscadmin.h"
#include "outcome.h"
#include "utils/memutils.h"

#define MAX_RESERVED 4			/* runs of one transaction that may be handed out directly */

typedef enum NoteKind
{
	NOTE_RANGE,
	NOTE_CONTROL,
	NOTE_EXTENSION,
	NOTE_CHORE,
	NOTE_TIMER,
	NOTE_SCHEDULE,
	NOTE_FOLLOWED
} NoteKind;

typedef struct Note
{
	NoteKind	kind;
	SubTransactionId subid;
	JoRange		range;			/* RANGE */
	JoActiveRun *reserved;		/* RANGE of one run */
	int64		run_id;			/* CONTROL */
	int64		job_id;			/* FOLLOWED */
	bool		followed;		/* FOLLOWED */
	TimestampTz due;			/* TIMER, SCHEDULE */
} Note;

static Note *notes = NULL;
static int	nnotes = 0;
static int	capacity = 0;
static int	nreserved = 0;

/* Room for one more note; may raise. */
static void
make_room(void)
{
	int			wanted = capacity ? capacity * 2 : 16;

	if (nnotes < capacity)
		return;
	if (notes == NULL)
		notes = MemoryContextAlloc(TopMemoryContext, wanted * sizeof(Note));
	else
		notes = repalloc_huge(notes, wanted * sizeof(Note));
	capacity = wanted;
}

static Note *
add_note(NoteKind kind)
{
	Note	   *note;

	make_room();
	note = &notes[nnotes];
	MemSet(note, 0, sizeof(Note));
	note->kind = kind;
	note->subid = GetCurrentSubTransactionId();
	nnotes++;
	return note;
}

/* ---- before the commit: may fail ---- */

/* Takes memory for a run that may be handed out directly; NULL if it may not. */
static JoActiveRun *
reserve(const JoLiveRow *live)
{
	JoActiveRun *run = NULL;
	JoDatabase *database;
	JoShape    *shape;
	dsa_pointer steps;

	if (nreserved >= MAX_RESERVED)
		return NULL;
	(void) jo_shmem_area();
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	database = jo_shmem_database(MyDatabaseId);
	if (database == NULL || database->state != JO_DATABASE_RUNNING)
	{
		LWLockRelease(jo_shared->lock);
		return NULL;
	}
	shape = jo_shape_acquire(MyDatabaseId, live->version_id);
	LWLockRelease(jo_shared->lock);
	if (shape == NULL)
		shape = jo_shape_make(MyDatabaseId, jo_defcache_get(live->version_id));
	if (shape == NULL)
		return NULL;

	if (shape->timeout == 0 && jo_active_alloc_steps(shape, &steps))
	{
		LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
		run = jo_active_enter(database, live->run_id, JO_ACTIVE_RESERVED);
		if (run != NULL)
		{
			jo_active_set_live(run, live);
			jo_active_begin(run, shape, steps);
			nreserved++;
		}
		else if (DsaPointerIsValid(steps))
			dsa_free(jo_shmem_area(), steps);
		LWLockRelease(jo_shared->lock);
	}
	if (run == NULL)
	{
		LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
		jo_shape_release(shape);
		LWLockRelease(jo_shared->lock);
	}
	return run;
}

/* Widens the last note if it is of the same group, transaction and neighbourhood. */
static bool
extend_last(const JoRange *range)
{
	Note	   *last = nnotes > 0 ? &notes[nnotes - 1] : NULL;

	if (last == NULL || last->kind != NOTE_RANGE || last->reserved != NULL ||
		last->subid != GetCurrentSubTransactionId() ||
		last->range.queue_id != range->queue_id || last->range.ord != range->ord ||
		jo_key_compare(range->low, last->range.high) <= 0 ||
		range->high.due - last->range.low.due > USECS_PER_HOUR)
		return false;
	last->range.high = range->high;
	return true;
}

static JoRange
range_of(const JoLiveRow *first, const JoLiveRow *last)
{
	JoRange		range;

	range.queue_id = first->queue_id;
	range.ord = first->ord;
	range.low.due = first->due;
	range.low.run_id = first->run_id;
	range.high.due = last->due;
	range.high.run_id = last->run_id;
	return range;
}

void
jo_announce_starts(const JoLiveRow *first, const JoLiveRow *last)
{
	JoRange		range = range_of(first, last);

	if (!extend_last(&range))
		add_note(NOTE_RANGE)->range = range;
}

void
jo_announce_start(const JoLiveRow *live)
{
	JoActiveRun *run;
	Note	   *note;

	/* told of by who makes it due */
	if (TIMESTAMP_IS_NOEND(live->due))
		return;
	/* first, so that what is reserved always gets its note */
	make_room();
	run = live->due <= jo_clock_now() && !live->replaceable ? reserve(live) : NULL;
	if (run == NULL)
	{
		jo_announce_starts(live, live);
		return;
	}
	note = add_note(NOTE_RANGE);
	note->range = range_of(live, live);
	note->reserved = run;
}

void
jo_announce_control(int64 run_id)
{
	add_note(NOTE_CONTROL)->run_id = run_id;
}

void
jo_announce_timer(TimestampTz due)
{
	add_note(NOTE_TIMER)->due = due;
}

void
jo_announce_schedule(TimestampTz due)
{
	add_note(NOTE_SCHEDULE)->due = due;
}

void
jo_announce_followed(int64 job_id, bool followed)
{
	Note	   *note = add_note(NOTE_FOLLOWED);

	note->job_id = job_id;
	note->followed = followed;
}

void
jo_announce_extension(void)
{
	(void) add_note(NOTE_EXTENSION);
}

/* ---- at commit: may neither fail nor allocate ---- */

/* Hands a reserved run out directly, if nothing waits before it. */
static bool
hand_over(JoDatabase *database, Note *note, TimestampTz now, JoWakeList *wakes)
{
	JoActiveRun *run = note->reserved;

	if (run == NULL)
		return false;
	note->reserved = NULL;
	if (run->reload)
	{
		/* its row was changed by another session already: the dispatcher reads it */
		jo_active_remove(run);
		database->sweep = true;
		return false;
	}
	if (database->state != JO_DATABASE_RUNNING ||
		!jo_cursor_pass(database, run->queue_id, run->ord, note->range.low, now))
	{
		jo_active_remove(run);
		return false;
	}
	run->state = JO_ACTIVE_READY;
	(void) jo_outcome_settle(database, run, NULL, wakes);
	return true;
}

/*
 * A request is for the dispatcher to carry out, but it holds from its commit on:
 * no step of the run begins any more until the dispatcher has looked.
 */
static void
tell_control(JoDatabase *database, int64 run_id, JoWakeList *wakes)
{
	JoActiveRun *run = jo_active_find(database->dboid, run_id);

	if (run != NULL && run->state == JO_ACTIVE_READY)
	{
		jo_handout_withdraw(run);
		run->asked = true;
	}
	jo_shmem_control(database, run_id);
	jo_wake_add(wakes, database->dispatcher);
}

static void
tell_note(JoDatabase *database, Note *note, TimestampTz now, JoWakeList *wakes)
{
	switch (note->kind)
	{
		case NOTE_RANGE:
			if (database != NULL && !hand_over(database, note, now, wakes) &&
				jo_cursor_announce(database, &note->range, now))
				jo_wake_add(wakes, database->dispatcher);
			break;
		case NOTE_CONTROL:
			if (database != NULL)
				tell_control(database, note->run_id, wakes);
			break;
		case NOTE_CHORE:
			if (database != NULL)
			{
				database->courier_chores = true;
				jo_wake_add(wakes, database->courier != NULL ? database->courier : database->dispatcher);
			}
			break;
		case NOTE_TIMER:
			if (database != NULL)
				jo_shmem_announce_timer(database, note->due);
			break;
		case NOTE_SCHEDULE:
			if (database != NULL)
				jo_shmem_announce_schedule(database, note->due);
			break;
		case NOTE_FOLLOWED:
			if (database != NULL)
				jo_shapes_set_followed(database, note->job_id, note->followed);
			break;
		case NOTE_EXTENSION:
			database = jo_shmem_database_enter(MyDatabaseId);
			if (database != NULL &&
				(database->state == JO_DATABASE_GONE || database->state == JO_DATABASE_STARTING))
				database->state = JO_DATABASE_PROBE;
			jo_wake_add(wakes, jo_shared->launcher);
			break;
	}
}

static void
tell_all(void)
{
	JoWakeList	wakes = {0};
	TimestampTz now = jo_clock_now();
	JoDatabase *database;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	database = jo_shmem_database(MyDatabaseId);
	for (int i = 0; i < nnotes; i++)
		tell_note(database, &notes[i], now, &wakes);
	LWLockRelease(jo_shared->lock);
	jo_wake_all(&wakes);
}

/* Gives back what notes from the first-th on reserved, and forgets them. */
static void
drop_notes(SubTransactionId subid)
{
	int			kept = 0;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < nnotes; i++)
	{
		if (subid != InvalidSubTransactionId && notes[i].subid != subid)
			notes[kept++] = notes[i];
		else if (notes[i].reserved != NULL)
		{
			jo_active_remove(notes[i].reserved);
			nreserved--;
		}
	}
	LWLockRelease(jo_shared->lock);
	nnotes = kept;
}

static void
note_prepared(void)
{
	/* counted before anybody is woken to look */
	pg_atomic_fetch_add_u32(&jo_shared->prepared, 1);
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	jo_shared->prepared_at = jo_clock_now();
	for (int i = 0; i < JO_MAX_DATABASES; i++)
		if (jo_shared->databases[i].state == JO_DATABASE_RUNNING)
			jo_shmem_wake(jo_shared->databases[i].dispatcher);
	LWLockRelease(jo_shared->lock);
}

static void
at_transaction_event(XactEvent event, void *argument)
{
	if (nnotes == 0)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			JO_DEBUG_POINT("session-before-announcing");
			tell_all();
			break;
		case XACT_EVENT_ABORT:
			drop_notes(InvalidSubTransactionId);
			break;
		case XACT_EVENT_PREPARE:
			drop_notes(InvalidSubTransactionId);
			note_prepared();
			break;
		default:
			return;
	}
	nnotes = 0;
	nreserved = 0;
}

static void
at_subtransaction_event(SubXactEvent event, SubTransactionId subid,
						SubTransactionId parent, void *argument)
{
	if (nnotes == 0)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		drop_notes(subid);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		for (int i = 0; i < nnotes; i++)
			if (notes[i].subid == subid)
				notes[i].subid = parent;
}

void
jo_announce_errand(void)
{
	(void) add_note(NOTE_CHORE);
}

void
jo_announce_init(void)
{
	RegisterXactCallback(at_transaction_event, NULL);
	RegisterSubXactCallback(at_subtransaction_event, NULL);
}
