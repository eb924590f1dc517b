/*
 * slots.c
 *		Executor processes: reserve, start, give work, cancel, reap.
 *
 * A slot passes FREE -> STARTING (dispatcher) -> IDLE <-> BUSY (its executor)
 * -> DEAD (its executor's exit) -> FREE (dispatcher).  Its generation grows at
 * each reservation, so a late process that finds another generation leaves.
 */
#include "joborch.h"

#include <signal.h>

#include "active.h"
#include "clock.h"
#include "debugpoint.h"
#include "events.h"
#include "miscadmin.h"
#include "outcome.h"
#include "slots.h"
#include "storage/ipc.h"
#include "worker.h"

#define CHAIN_MAX_STEPS 10		/* then the lists get their turn */
#define CHAIN_MAX_USEC 5000
#define CANCEL_GRACE_USEC (5 * USECS_PER_SEC)	/* between cancel and termination */
#define MAX_INTERRUPTIONS 20	/* uncharged ends of one step's attempts */
#define MIN_LIFE_USEC 100000	/* of an executor with work that makes room for another role */

static int	chain_steps = 0;
static TimestampTz chain_since = 0;
static TimestampTz attached_at = 0;

/* ---- classes that get no executor because others have all ---- */

/* Has it work and nobody for it, and a dispatcher that would start somebody now? */
static bool
is_starving(const JoClass *class, TimestampTz now)
{
	const JoDatabase *database;

	if (class->starving_since == 0 || class->nslots > 0 || class->ready == 0 ||
		jo_class_pauses(class, now))
		return false;
	database = jo_shmem_database(class->dboid);
	return database != NULL && database->state == JO_DATABASE_RUNNING && database->dispatcher != NULL;
}

/* Those that came before the given one; NULL: all. */
static int
count_starving(const JoClass *before, TimestampTz now)
{
	int			n = 0;

	if (!jo_shared->starving)
		return 0;
	for (int i = 0; i < JO_MAX_CLASSES; i++)
	{
		const JoClass *class = &jo_shared->classes[i];

		if (class != before && is_starving(class, now) &&
			(before == NULL || before->starving_since == 0 ||
			 class->starving_since < before->starving_since))
			n++;
	}
	return n;
}

/* Should an executor leave for a class that has none?  One at a time does. */
static bool
is_room_needed(TimestampTz now)
{
	if (!jo_shared->starving)
		return false;
	if (count_starving(NULL, now) == 0)
	{
		jo_shared->starving = false;
		return false;
	}
	for (int i = 0; i < jo_shared->nslots; i++)
	{
		const JoSlot *slot = &jo_shared->slots[i];

		if (slot->state == JO_SLOT_FREE || slot->state == JO_SLOT_DEAD || slot->quit)
			return false;
	}
	return true;
}

/* A slot is free: each dispatcher that waited for one looks, the starving classes have it first. */
static void
wake_wanting(void)
{
	bool		wanted = false;

	for (int i = 0; jo_shared->slots_wanted && i < JO_MAX_CLASSES; i++)
	{
		JoClass    *class = &jo_shared->classes[i];
		const JoDatabase *database;

		class->wants_slot = class->wants_slot && class->ready > 0;
		if (!class->wants_slot)
			continue;
		wanted = true;
		database = jo_shmem_database(class->dboid);
		if (database != NULL)
			jo_shmem_wake(database->dispatcher);
	}
	jo_shared->slots_wanted = wanted;
}

/* ---- the executor's side ---- */

static void
leave(int code, Datum argument)
{
	JoSlot	   *slot = (JoSlot *) DatumGetPointer(argument);
	JoDatabase *database;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	slot->pid = 0;
	slot->latch = NULL;
	slot->state = JO_SLOT_DEAD;
	slot->since = jo_clock_now();
	database = jo_shmem_database(slot->dboid);
	jo_shmem_wake(database != NULL && database->dispatcher != NULL ?
				  database->dispatcher : jo_shared->launcher);
	LWLockRelease(jo_shared->lock);
}

void
jo_slot_attach(int index)
{
	JoSlot	   *slot = &jo_shared->slots[index];

	JO_DEBUG_POINT("executor-starting");
	(void) jo_shmem_area();
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	if (slot->state != JO_SLOT_STARTING || slot->pid != 0 || slot->dboid != jo_worker_database())
	{
		/* so late that it was given up */
		LWLockRelease(jo_shared->lock);
		proc_exit(0);
	}
	slot->latch = MyLatch;
	slot->pid = MyProcPid;
	attached_at = jo_clock_now();
	LWLockRelease(jo_shared->lock);
	on_shmem_exit(leave, PointerGetDatum(slot));
	JO_DEBUG_POINT("executor-attached");
}

uint64
jo_slot_token(const JoSlot *slot)
{
	return ((uint64) slot->generation << 32) | (slot->steps_done + 1);
}

static void
remove_from_idle(JoSlot *slot)
{
	JoSlot	  **link = &slot->class->idle;

	if (!slot->listed)
		return;
	while (*link != slot)
		link = &(*link)->next_idle;
	*link = slot->next_idle;
	slot->next_idle = NULL;
	slot->listed = false;
}

/* The slot gets a step. */
static void
give(JoDatabase *database, JoSlot *slot, JoStepState *state, TimestampTz now)
{
	jo_outcome_begin(database, &slot->task, state, slot->index, now);
	slot->state = JO_SLOT_BUSY;
	slot->since = now;
	slot->work = JO_WORK_RUNNING;
	slot->self_inflicted = false;
	slot->cancel_token = 0;
	slot->insist_at = 0;
	slot->cancel_timed_out = false;
	slot->marked = false;
	slot->long_seen = false;
}

/* What its step came to is applied; the slot is empty. */
static JoStepState *
apply(JoDatabase *database, JoSlot *slot, const JoClass *chain, JoWakeList *wakes)
{
	slot->work = JO_WORK_NONE;
	slot->cancel_token = 0;
	return jo_outcome_apply(database, &slot->task, chain, wakes);
}

static void
go_idle(JoSlot *slot, TimestampTz now)
{
	if (slot->state != JO_SLOT_IDLE)
	{
		slot->state = JO_SLOT_IDLE;
		slot->since = now;
	}
	if (!slot->listed)
	{
		slot->listed = true;
		slot->next_idle = slot->class->idle;
		slot->class->idle = slot;
	}
}

JoTurn
jo_slot_turn(JoSlot *slot)
{
	JoWakeList	wakes = {0};
	JoStepState *next = NULL;
	JoTurn		turn;
	JoDatabase *database;
	TimestampTz now;
	bool		room_needed;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	now = jo_clock_now();		/* under the lock: no step begins before its parents ended */
	database = jo_shmem_database(slot->dboid);
	room_needed = is_room_needed(now);
	if (room_needed && now - attached_at >= MIN_LIFE_USEC)
		slot->quit = true;
	if (slot->task.run != NULL)
	{
		bool		chain = ++chain_steps < CHAIN_MAX_STEPS && now - chain_since < CHAIN_MAX_USEC;

		slot->steps_done++;
		next = apply(database, slot, chain && !slot->quit ? slot->class : NULL, &wakes);
	}
	if (next == NULL && !slot->quit)
	{
		next = jo_handout_pop(slot->class);
		chain_steps = 0;
		chain_since = now;
		slot->quit = next == NULL && room_needed;
	}
	if (next != NULL)
	{
		remove_from_idle(slot);
		give(database, slot, next, now);
		turn = JO_TURN_WORK;
	}
	else if (slot->quit)
	{
		remove_from_idle(slot);
		turn = JO_TURN_QUIT;
	}
	else
	{
		go_idle(slot, now);
		turn = JO_TURN_IDLE;
	}
	slot->class->last_use = now;
	if (database != NULL)
		jo_handout_ask_refill(database, slot->class, &wakes);
	LWLockRelease(jo_shared->lock);
	jo_wake_all(&wakes);
	return turn;
}

/* ---- the dispatcher's side ---- */

static void
evict_idle(const JoClass *except)
{
	JoSlot	   *oldest = NULL;

	for (int i = 0; i < jo_shared->nslots; i++)
	{
		JoSlot	   *slot = &jo_shared->slots[i];

		if (slot->state == JO_SLOT_IDLE && slot->quit)
			return;				/* one is on its way out */
		if (slot->state == JO_SLOT_IDLE && slot->class != except &&
			(oldest == NULL || slot->since < oldest->since))
			oldest = slot;
	}
	if (oldest != NULL)
	{
		remove_from_idle(oldest);
		oldest->quit = true;
		jo_shmem_wake(oldest->latch);
	}
}

JoSlot *
jo_slot_reserve(JoClass *class)
{
	TimestampTz now = jo_clock_now();
	int			others = count_starving(class, now);

	Assert(LWLockHeldByMeInMode(jo_shared->lock, LW_EXCLUSIVE));
	for (int i = 0; i < jo_shared->nslots; i++)
	{
		JoSlot	   *slot = &jo_shared->slots[i];
		uint32		generation = slot->generation;

		/* who has waited longer has the first free ones */
		if (slot->state != JO_SLOT_FREE || others-- > 0)
			continue;
		MemSet(slot, 0, sizeof(JoSlot));
		slot->index = i;
		slot->generation = generation + 1;
		slot->state = JO_SLOT_STARTING;
		slot->since = now;
		slot->dboid = class->dboid;
		slot->role = class->role;
		slot->class = class;
		class->nslots++;
		class->starving_since = 0;
		class->wants_slot = false;
		return slot;
	}
	class->wants_slot = jo_shared->slots_wanted = true;
	if (class->nslots == 0 && class->starving_since == 0)
	{
		class->starving_since = now;
		jo_shared->starving = true;
	}
	evict_idle(class);
	return NULL;
}

void
jo_slot_free(JoSlot *slot)
{
	Assert(slot->task.run == NULL);
	remove_from_idle(slot);
	slot->class->nslots--;
	slot->class = NULL;
	slot->state = JO_SLOT_FREE;
	slot->dboid = InvalidOid;
	wake_wanting();
}

void
jo_slot_unreserve(JoSlot *slot)
{
	Assert(slot->state == JO_SLOT_STARTING);
	jo_slot_free(slot);
}

void
jo_slot_cancel(JoSlot *slot, bool timed_out)
{
	if (slot->state != JO_SLOT_BUSY || slot->work != JO_WORK_RUNNING || slot->pid == 0)
		return;
	slot->cancel_token = jo_slot_token(slot);
	slot->insist_at = jo_clock_now() + CANCEL_GRACE_USEC;
	slot->cancel_timed_out = timed_out;
	kill(slot->pid, SIGINT);
}

void
jo_slot_cut(JoActiveRun *run, JoStepState *state, bool timed_out)
{
	JoDatabase *database;

	if (state->slot >= 0)
		jo_slot_cancel(&jo_shared->slots[state->slot], timed_out);
	if (state->slot != JO_WITH_COURIER)
		return;
	database = jo_shmem_database(run->dboid);
	state->cut = JO_CUT_OFF;
	if (database != NULL)
	{
		database->courier_cut = true;
		jo_shmem_wake(database->courier);
	}
}

/* A step can catch query_canceled and go on, but not the end of its process. */
TimestampTz
jo_slots_insist(const JoDatabase *database, TimestampTz now)
{
	TimestampTz next = 0;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < jo_shared->nslots; i++)
	{
		JoSlot	   *slot = &jo_shared->slots[i];

		if (slot->insist_at == 0 || slot->dboid != database->dboid)
			continue;
		if (slot->state != JO_SLOT_BUSY || slot->work != JO_WORK_RUNNING ||
			slot->cancel_token != jo_slot_token(slot))
			slot->insist_at = 0;
		else if (slot->insist_at <= now)
		{
			slot->insist_at = 0;
			kill(slot->pid, SIGTERM);
		}
		else if (next == 0 || slot->insist_at < next)
			next = slot->insist_at;
	}
	LWLockRelease(jo_shared->lock);
	return next;
}

bool
jo_slot_reap(JoDatabase *database, JoSlot *slot, JoWakeList *wakes)
{
	Assert(slot->state == JO_SLOT_DEAD);
	if (slot->task.run != NULL)
	{
		if (slot->work == JO_WORK_RUNNING)
		{
			if (slot->self_inflicted || slot->task.state->interruptions >= MAX_INTERRUPTIONS)
				return true;
			slot->task.outcome = JO_OUTCOME_RERUN;
		}
		(void) apply(database, slot, NULL, wakes);
	}
	jo_slot_free(slot);
	return false;
}
