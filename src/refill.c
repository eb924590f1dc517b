/*
 * refill.c
 *		Brings due runs into memory: cursors, late ranges, the slow sweep.
 *
 * Rows of `live` are read once, in order, by one moving key per (queue,
 * priority).  What commits behind a key was announced as a range.  What nobody
 * announced (a prepared transaction, an announcement that found no room) is
 * found by the sweep, which looks at everything behind the keys in slices: at
 * the start, when told to, and at each re-check.
 */
#include "joborch.h"

#include "access/xact.h"
#include "active.h"
#include "clock.h"
#include "cursor.h"
#include "executor/spi.h"
#include "guc.h"
#include "handout.h"
#include "load.h"
#include "miscadmin.h"
#include "refill.h"
#include "schedules.h"
#include "store.h"
#include "txn.h"
#include "utils/snapmgr.h"

#define PREPARED_RECHECK_MS 5000
#define FULL_RETRY_USEC USECS_PER_SEC

/* Where the sweep is; sweeping == false: it rests. */
static bool sweeping = false;
static int	sweep_cursor;
static JoLiveKey sweep_key;
static TimestampTz next_recheck = 0;
static TimestampTz late_due = 0;	/* of rows that the cursors have passed; 0: none */
static TimestampTz next_try = 0;	/* memory was full; 0: it was not */

static const JoLiveKey key_begin = {DT_NOBEGIN, PG_INT64_MIN};
static const JoLiveKey key_end = {DT_NOEND, PG_INT64_MAX};

static JoLiveKey
key_of(const JoLiveRow *row)
{
	JoLiveKey	key = {row->due, row->run_id};

	return key;
}

/* ---- start and re-check ---- */

/* Whatever was not announced: before the cursors the sweep finds it, behind them they do. */
static void
distrust(JoDatabase *database)
{
	for (int i = 0; i < database->ncursors; i++)
	{
		database->cursors[i].drained = false;
		database->cursors[i].reading = false;
	}
	database->backlog = true;
	database->sweep = true;
}

/* A cursor for each priority of each queue; all is to be looked at again. */
static void
enter_queues(JoDatabase *database)
{
	int32	   *queues;
	bool	   *paused;
	int			n = jo_store_queues(jo_store_latest(), &queues, &paused);

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (int ord = 0; ord < JO_PRIORITIES; ord++)
		for (int i = 0; i < n; i++)
			(void) jo_cursor_enter(database, queues[i], ord);
	distrust(database);
	LWLockRelease(jo_shared->lock);
}

void
jo_refill_begin(JoDatabase *database)
{
	int64		boot_run_id = 0;

	jo_txn_begin();
	if (database->boot_run_id == 0)
		boot_run_id = jo_store_next_run_id();
	enter_queues(database);
	jo_txn_commit();
	if (boot_run_id != 0)
		database->boot_run_id = boot_run_id;
}

void
jo_refill_distrust(JoDatabase *database)
{
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	distrust(database);
	LWLockRelease(jo_shared->lock);
}

/* Does any transaction of this database wait to be committed by COMMIT PREPARED? */
static bool
has_prepared(void)
{
	bool		found;

	jo_txn_begin();
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	SPI_execute("SELECT FROM pg_catalog.pg_prepared_xacts"
				" WHERE database OPERATOR(pg_catalog.=) pg_catalog.current_database() LIMIT 1", true, 1);
	found = SPI_processed > 0;
	SPI_finish();
	PopActiveSnapshot();
	jo_txn_commit();
	return found;
}

/*
 * The bounded safety re-check: shorter while prepared transactions are open.  One that
 * was committed since is looked for once more, after the look that finds it gone.
 */
static void
recheck(JoDatabase *database, TimestampTz now)
{
	static uint32 seen_prepared = 0;
	static bool watching = true;	/* some may be open, also from before this server start */
	uint32		prepared = pg_atomic_read_u32(&jo_shared->prepared);
	long		interval = jo_guc_recheck_interval;

	if (prepared != seen_prepared)
	{
		seen_prepared = prepared;
		watching = true;
		next_recheck = Min(next_recheck, now);
	}
	/* a clock that was set back is no reason to wait longer */
	if (now < next_recheck && next_recheck - now <= interval * INT64CONST(1000))
		return;
	if (watching)
		watching = has_prepared();
	if (watching)
		interval = Min(interval, PREPARED_RECHECK_MS);
	if (next_recheck != 0)
	{
		jo_txn_begin();
		enter_queues(database);
		jo_shapes_reread_followed(database);
		jo_txn_commit();
		jo_schedules_changed(database);
	}
	next_recheck = now + interval * 1000;
}

/* ---- reading ---- */

/* How many more runs to bring in now: enough to keep executors busy, not more. */
static int
room(const JoDatabase *database)
{
	int			ready = jo_handout_ready(database->dboid);

	if (ready >= JO_HIGH_WATER || jo_shared->free_run < 0)
		return 0;
	return Min(JO_LOAD_BATCH, JO_HIGH_WATER - ready);
}

/* Can a run that a cursor reads for the first time have no history? */
static bool
is_fresh(const JoDatabase *database, const JoLiveRow *row)
{
	return row->run_id > database->boot_run_id && row->epoch == 0 && row->begun == 0;
}

/*
 * Reads rows of one group above *low up to high and loads them; moves *low.
 * Returns false when the group has nothing more that is due.
 */
static bool
read_group(JoDatabase *database, int32 queue_id, int ord, JoLiveKey *low, JoLiveKey high,
		   bool may_be_fresh, int max, TimestampTz *next_due, bool *full)
{
	JoLiveRow  *rows = palloc(sizeof(JoLiveRow) * max);
	int			n;
	int			done = 0;

	jo_txn_begin();
	n = jo_store_live_scan(queue_id, ord, *low, high, jo_clock_now(), jo_store_latest(),
						   max, rows, next_due);
	while (done < n && !*full)
	{
		bool		fresh = may_be_fresh && is_fresh(database, &rows[done]);
		int			stretch = 1;
		int			loaded;

		while (done + stretch < n &&
			   fresh == (may_be_fresh && is_fresh(database, &rows[done + stretch])))
			stretch++;
		loaded = jo_load_runs(database, rows + done, stretch, fresh);
		*full = loaded < stretch;
		done += loaded;
	}
	jo_txn_commit();
	if (done > 0)
		*low = key_of(&rows[done - 1]);
	pfree(rows);
	return n == max || *full;
}

/*
 * Takes a range of a priority out of the list: what joins it while it is read would
 * be taken for read with it.
 */
static bool
take_range(JoDatabase *database, int ord, JoRange *range)
{
	bool		found = false;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < database->nranges && !found; i++)
	{
		if (database->ranges[i].ord != ord)
			continue;
		*range = database->ranges[i];
		database->ranges[i] = database->ranges[--database->nranges];
		found = true;
	}
	LWLockRelease(jo_shared->lock);
	return found;
}

/* What is left of a range goes into the list again. */
static void
put_back(JoDatabase *database, const JoRange *range)
{
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	jo_cursor_add_range(database, range);
	LWLockRelease(jo_shared->lock);
}

/* The clock went back: rows behind a cursor are not due yet. */
static void
note_late(TimestampTz due)
{
	if (due != 0 && (late_due == 0 || due < late_due))
		late_due = due;
}

/* Late ranges of one priority; they are older than what the cursors will read. */
static bool
read_ranges(JoDatabase *database, int ord, bool *full)
{
	bool		more = false;
	JoRange		range;

	/* each one once: a long one must not keep the others waiting */
	for (int n = database->nranges; n > 0 && !*full && take_range(database, ord, &range); n--)
	{
		TimestampTz next_due;
		int			max = room(database);

		if (max == 0)
		{
			put_back(database, &range);
			return true;
		}
		/* low itself belongs to the range: begin just before it */
		range.low.run_id--;
		if (read_group(database, range.queue_id, ord, &range.low, range.high, false, max,
					   &next_due, full))
		{
			put_back(database, &range);
			more = true;
		}
		note_late(next_due);
	}
	return more;
}

static bool
read_cursor(JoDatabase *database, JoCursor *cursor, bool *full)
{
	JoLiveKey	low;
	TimestampTz next_due = 0;
	int			max = room(database);
	bool		more;

	if (max == 0)
		return true;
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	low = cursor->key;
	jo_cursor_begin_reading(cursor);
	LWLockRelease(jo_shared->lock);

	more = read_group(database, cursor->queue_id, cursor->ord, &low, key_end, true, max,
					  &next_due, full);
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	jo_cursor_end_reading(database, cursor, low, more);
	if (next_due != 0 && (cursor->next_due == 0 || next_due < cursor->next_due))
		cursor->next_due = next_due;
	LWLockRelease(jo_shared->lock);
	return more;
}

static bool
wants_reading(const JoCursor *cursor, TimestampTz now)
{
	return !cursor->drained || (cursor->next_due != 0 && cursor->next_due <= now);
}

/* Everything due, the highest priority first, as long as there is room. */
static bool
read_due(JoDatabase *database, TimestampTz now, bool *full)
{
	bool		more = false;

	for (int ord = 0; ord < JO_PRIORITIES && !*full; ord++)
	{
		more |= read_ranges(database, ord, full);
		for (int i = 0; i < database->ncursors && !*full; i++)
		{
			JoCursor   *cursor = &database->cursors[i];

			if (cursor->ord == ord && wants_reading(cursor, now))
				more |= read_cursor(database, cursor, full);
		}
	}
	return more;
}

/* ---- sweep ---- */

static void
begin_sweep(JoDatabase *database)
{
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	database->sweep = false;
	LWLockRelease(jo_shared->lock);
	sweeping = true;
	sweep_cursor = 0;
	sweep_key = key_begin;
}

/* One slice; true while there is more of the sweep to do. */
static bool
sweep_slice(JoDatabase *database, bool *full)
{
	JoCursor   *cursor;
	JoLiveKey	high;
	TimestampTz next_due = 0;

	if (sweep_cursor >= database->ncursors)
	{
		sweeping = false;
		return false;
	}
	cursor = &database->cursors[sweep_cursor];
	LWLockAcquire(jo_shared->lock, LW_SHARED);
	high = cursor->key;
	LWLockRelease(jo_shared->lock);
	if (jo_key_compare(sweep_key, high) >= 0 ||
		!read_group(database, cursor->queue_id, cursor->ord, &sweep_key, high, false,
					JO_LOAD_BATCH, &next_due, full))
	{
		sweep_cursor++;
		sweep_key = key_begin;
	}
	note_late(next_due);
	return true;
}

bool
jo_refill(JoDatabase *database, TimestampTz now)
{
	bool		full = false;
	bool		swept = false;
	bool		more;

	recheck(database, now);
	database->refill_asked = false;
	more = read_due(database, now, &full);
	if (late_due != 0 && late_due <= now)
	{
		late_due = 0;
		begin_sweep(database);
	}
	if (database->sweep && !sweeping)
		begin_sweep(database);
	if (sweeping && !full)
		swept = sweep_slice(database, &full);

	/* what found no memory is asked for by executors as it gets free, and after a while in any case */
	next_try = full ? now + FULL_RETRY_USEC : 0;
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	database->backlog = more || full;
	LWLockRelease(jo_shared->lock);
	if (swept)
		return !full;
	return more && !full && room(database) > JO_LOW_WATER;
}

TimestampTz
jo_refill_next(const JoDatabase *database)
{
	TimestampTz next = next_recheck;

	if (next_try != 0)
		next = Min(next, next_try);
	if (late_due != 0)
		next = Min(next, late_due);
	for (int i = 0; i < database->ncursors; i++)
	{
		TimestampTz due = database->cursors[i].next_due;

		if (due != 0 && (next == 0 || due < next))
			next = due;
	}
	return next;
}
