/*
 * schedules.c
 *		Schedules that are due: found by one index and a moving key, fired in batches.
 *
 * Nothing waits in memory: the dispatcher knows the earliest due, of its own look or
 * announced since, and sleeps until then.  A batch is one transaction: fires, runs and
 * states come together or not at all, so after a crash the same times are due again.  If
 * a batch fails, each of its schedules gets a transaction of its own, and one that fails
 * alone is paused: no schedule can hold up the others.
 */
#include "joborch.h"

#include "access/xact.h"
#include "clock.h"
#include "debugpoint.h"
#include "defcache.h"
#include "follow.h"
#include "miscadmin.h"
#include "schedfire.h"
#include "schedules.h"
#include "txn.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define BATCH 200
#define MAX_BATCHES 5			/* then the executors get what there is */
#define MAX_WRITTEN 5000		/* rows of a batch; then it ends early */
#define LOCKED (50 * INT64CONST(1000))	/* one that somebody holds is tried again after so long */

static JoScheduleKey low;

/* The earliest due of one that somebody has. */
static TimestampTz held_due = 0;

/* Schedules of which a run ended since they were looked at; not before a time, if somebody had one. */
static int64 *asked = NULL;
static int	nasked = 0;
static int	asked_capacity = 0;
static TimestampTz asked_at = 0;

static void
ask(int64 schedule_id)
{
	if (asked == NULL)
	{
		asked_capacity = 64;
		asked = MemoryContextAlloc(TopMemoryContext, sizeof(int64) * asked_capacity);
	}
	else if (nasked == asked_capacity)
	{
		asked = repalloc_huge(asked, sizeof(int64) * asked_capacity * 2);
		asked_capacity *= 2;
	}
	asked[nasked++] = schedule_id;
}

/*
 * jo_follow_schedule_hook.  What is to be done is read from the rows when they are
 * committed, so nothing is lost with this note: see ask_at_begin().
 */
static void
note_end(const JoRunRow *run, const JoEndRow *row)
{
	(void) row;
	ask(run->schedule_id);
}

/* ---- when ---- */

static void
set_next(JoDatabase *database, TimestampTz next)
{
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	database->next_schedule = next;
	LWLockRelease(jo_shared->lock);
}

static void
take_announced(JoDatabase *database)
{
	TimestampTz announced;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	announced = database->schedule_announced;
	database->schedule_announced = 0;
	if (announced != 0 && (database->next_schedule == 0 || announced < database->next_schedule))
		database->next_schedule = announced;
	LWLockRelease(jo_shared->lock);
	if (announced != 0)
		jo_store_schedule_low(&low, announced);
}

void
jo_schedules_changed(JoDatabase *database)
{
	TimestampTz next;

	low.due = DT_NOBEGIN;
	low.schedule_id = 0;
	jo_txn_begin();
	next = jo_store_next_schedule(&low);
	jo_txn_commit();
	set_next(database, next);
}

TimestampTz
jo_schedules_next(const JoDatabase *database)
{
	TimestampTz next = database->next_schedule;

	/* 1 is long ago */
	if (nasked > 0 && (next == 0 || asked_at < next))
		return Max(asked_at, 1);
	return next;
}

/* ---- a batch ---- */

typedef struct Batch
{
	JoScheduleState *states;	/* of the transaction that read them */
	int64	   *ids;
	int			n;
	int			done;			/* so many were looked at */
	int			held;			/* so many of these somebody has; their ids come first then */
	JoScheduleKey low;			/* before they were read */
} Batch;

static void
look_at_all(Batch *batch, TimestampTz now)
{
	int			written = 0;

	for (batch->done = batch->held = 0; batch->done < batch->n && written < MAX_WRITTEN; batch->done++)
	{
		JoScheduleState *state = &batch->states[batch->done];
		bool		looked;

		CHECK_FOR_INTERRUPTS();
		looked = jo_schedule_look(state, now, &written);
		if (!looked)
			batch->ids[batch->held++] = state->schedule_id;
		/* what is due again must be above the key; what somebody has, later */
		if (state->next_fire != 0 && looked)
			jo_store_schedule_low(&low, state->next_fire);
		else if (state->next_fire != 0 && (held_due == 0 || state->next_fire < held_due))
			held_due = state->next_fire;
	}
	for (int i = batch->done; i < batch->n; i++)
		if (batch->states[i].next_fire != 0)
			jo_store_schedule_low(&low, batch->states[i].next_fire);
}

static void
commit_batch(void)
{
	JO_DEBUG_POINT("dispatcher-before-fires-commit");
	jo_txn_commit();
	JO_DEBUG_POINT("dispatcher-after-fires-commit");
}

/* Ends the transaction that an error broke off; what it was, in the context. */
static ErrorData *
take_error(MemoryContext context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	HOLD_INTERRUPTS();
	EmitErrorReport();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	RESUME_INTERRUPTS();
	MemoryContextSwitchTo(context);
	return error;
}

/* The error of one schedule alone becomes the reason for which it is paused. */
static void
look_alone(int64 schedule_id, TimestampTz now, MemoryContext context)
{
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		JoScheduleState state;
		Batch		batch = {.states = &state, .ids = &schedule_id};

		jo_txn_begin();
		batch.n = jo_store_schedule_state(schedule_id, &state) ? 1 : 0;
		look_at_all(&batch, now);
		commit_batch();
		if (batch.held > 0)
			ask(schedule_id);
	}
	PG_CATCH();
	{
		error = take_error(context);
	}
	PG_END_TRY();
	if (error == NULL)
		return;
	if (jo_schedule_may_pass(error->sqlerrcode))
		ReThrowError(error);
	jo_txn_begin();
	if (!jo_schedule_pause(schedule_id, psprintf("it could not be looked at: %s", error->message)))
		ReThrowError(error);
	commit_batch();
}

/* The open transaction read the batch; it is committed, or each schedule has its own. */
static void
fire_batch(Batch *batch, TimestampTz now, MemoryContext context)
{
	volatile bool failed = false;

	batch->ids = MemoryContextAlloc(context, sizeof(int64) * Max(batch->n, 1));
	for (int i = 0; i < batch->n; i++)
		batch->ids[i] = batch->states[i].schedule_id;
	PG_TRY();
	{
		look_at_all(batch, now);
		commit_batch();
	}
	PG_CATCH();
	{
		(void) take_error(context);
		failed = true;
	}
	PG_END_TRY();
	if (!failed)
		return;
	batch->done = batch->n;
	batch->held = 0;
	low = batch->low;
	for (int i = 0; i < batch->n; i++)
		look_alone(batch->ids[i], now, context);
}

/* ---- those of which a run ended ---- */

static int
compare_ids(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return left < right ? -1 : left > right;
}

/* A state can be written once in a transaction. */
static void
drop_doubles(void)
{
	int			kept = 0;

	qsort(asked, nasked, sizeof(int64), compare_ids);
	for (int i = 0; i < nasked; i++)
		if (i == 0 || asked[i] != asked[i - 1])
			asked[kept++] = asked[i];
	nasked = kept;
}

static void
fire_asked(TimestampTz now, MemoryContext context)
{
	int			kept = 0;
	int			until;
	int			n;

	drop_doubles();
	n = nasked;
	asked_at = 0;
	for (int from = 0; from < n; from = until)
	{
		Batch		batch = {.low = low};

		until = Min(n, from + BATCH);
		jo_txn_begin();
		batch.states = palloc(sizeof(JoScheduleState) * BATCH);
		for (int i = from; i < until; i++)
			if (jo_store_schedule_state(asked[i], &batch.states[batch.n]))
				batch.n++;
		fire_batch(&batch, now, context);
		if (batch.held > 0)
			asked_at = now + LOCKED;
		/* what somebody has, and what was too much */
		for (int i = 0; i < batch.held; i++)
			asked[kept++] = batch.ids[i];
		for (int i = batch.done; i < batch.n; i++)
			asked[kept++] = batch.ids[i];
	}
	/* what was asked for meanwhile is behind them */
	memmove(asked + kept, asked + n, sizeof(int64) * (nasked - n));
	nasked += kept - n;
}

/* A dispatcher that died may have been told of ends that it did not look at; the server's start is told to all. */
static void
ask_at_begin(void)
{
	int64	   *ids;
	int			n;

	nasked = 0;
	asked_at = 0;
	jo_txn_begin();
	n = jo_store_boot_schedules(PgStartTime, &ids);
	for (int i = 0; i < n; i++)
		ask(ids[i]);
	n = jo_store_open_schedules(&ids);
	for (int i = 0; i < n; i++)
		ask(ids[i]);
	jo_txn_commit();
}

void
jo_schedules_begin(JoDatabase *database)
{
	jo_follow_schedule_hook = note_end;
	jo_schedules_changed(database);
	ask_at_begin();
}

/* ---- the dispatcher's round ---- */

static void
fire_due(JoDatabase *database, TimestampTz now, MemoryContext context)
{
	TimestampTz next;
	bool		more = true;

	held_due = 0;
	for (int i = 0; more && i < MAX_BATCHES; i++)
	{
		Batch		batch = {.low = low};

		jo_txn_begin();
		batch.states = palloc(sizeof(JoScheduleState) * BATCH);
		batch.n = jo_store_due_schedules(now, BATCH, batch.states, &low);
		fire_batch(&batch, now, context);
		more = batch.n > 0;
	}
	jo_txn_begin();
	next = jo_store_next_schedule(&low);
	jo_txn_commit();
	if (held_due != 0)
	{
		jo_store_schedule_low(&low, held_due);
		next = next == 0 ? now + LOCKED : Min(next, now + LOCKED);
	}
	set_next(database, next);
}

void
jo_schedules_fire(JoDatabase *database, TimestampTz now)
{
	MemoryContext before = CurrentMemoryContext;
	MemoryContext context;
	bool		due;

	if (database->schedule_announced != 0)
		take_announced(database);
	due = database->next_schedule != 0 && database->next_schedule <= now;
	if (!due && (nasked == 0 || asked_at > now))
		return;
	context = AllocSetContextCreate(before, "joborch schedules", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	jo_defcache_trim();
	if (nasked > 0 && asked_at <= now)
		fire_asked(now, context);
	if (due)
		fire_due(database, now, context);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(context);
}
