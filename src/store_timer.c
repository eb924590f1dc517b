/*
 * store_timer.c
 *		Timers (what must happen at a time) and marks (steps that a crash may blame).
 *
 * Both are small tables of rows that come and go, so reading them must not
 * depend on how many dead entries an old snapshot keeps.  Touches these only.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "store_internal.h"

/* ---- timers ---- */

static void
take_timer(JoTuple *tuple, void *result)
{
	JoTimerRow *row = result;

	row->due = get_int64(tuple);
	row->run_id = get_int64(tuple);
	row->step = get_int32(tuple);
	row->item = get_int32(tuple);
	row->kind = get_char(tuple);
	row->epoch = get_int32(tuple);
}

void
jo_store_insert_timer(const JoTimerRow *row)
{
	JoTuple		tuple;

	tuple.n = 0;
	put_datum(&tuple, TimestampTzGetDatum(row->due));
	put_datum(&tuple, Int64GetDatum(row->run_id));
	put_datum(&tuple, Int32GetDatum(row->step));
	put_datum(&tuple, Int32GetDatum(row->item));
	put_datum(&tuple, CharGetDatum(row->kind));
	put_datum(&tuple, Int32GetDatum(row->epoch));
	jo_store_insert(JO_TABLE_TIMERS, &tuple);
}

/* Scans the timers above low; members[5] must live as long as the scan. */
static void
begin_timers(JoScan *scan, const JoTimerKey *low, LOCKMODE lockmode, ScanKey members)
{
	ScanKeyData key;

	/* what this transaction wrote before is to be seen */
	CommandCounterIncrement();
	jo_store_key_member(&members[0], 1, F_TIMESTAMPTZ_CMP, TimestampTzGetDatum(low->due));
	jo_store_key_member(&members[1], 2, F_BTINT8CMP, Int64GetDatum(low->run_id));
	jo_store_key_member(&members[2], 3, F_BTINT4CMP, Int32GetDatum(low->step));
	jo_store_key_member(&members[3], 4, F_BTINT4CMP, Int32GetDatum(low->item));
	jo_store_key_member(&members[4], 5, F_BTCHARCMP, CharGetDatum(low->kind));
	jo_store_key_row(&key, members, 5, BTGreaterStrategyNumber);
	jo_store_scan_begin(scan, JO_INDEX_TIMERS_PKEY, lockmode, &key, 1, jo_store_latest());
}

static JoTimerKey
key_of(const JoTimerRow *row)
{
	JoTimerKey	key = {row->due, row->run_id, row->step, row->item, row->kind};

	return key;
}

static bool
is_in_use(TM_Result result)
{
	return result == TM_BeingModified || result == TM_WouldBlock;
}

int
jo_store_take_timers(TimestampTz now, int max, JoTimerRow *rows, JoTimerKey *low)
{
	ScanKeyData members[5];
	JoScan		scan;
	JoTuple		tuple;
	JoTimerKey	reached = *low;
	bool		left_one = false;
	int			n = 0;

	begin_timers(&scan, low, RowExclusiveLock, members);
	while (n < max && jo_store_scan_next(&scan, &tuple))
	{
		JoTimerRow *row = &rows[n];
		TM_Result	result;

		take_timer(&tuple, row);
		if (row->due > now)
			break;
		result = jo_store_delete(scan.table, &tuple, false);
		left_one = left_one || is_in_use(result);
		if (!left_one)
			reached = key_of(row);
		if (result == TM_Ok)
			n++;
	}
	jo_store_scan_end(&scan);
	/* none that can be seen is left by then: those that were deleted are passed too */
	if (n < max && !left_one && reached.due < now)
	{
		reached.due = now;
		reached.run_id = PG_INT64_MAX;
	}
	*low = reached;
	return n;
}

TimestampTz
jo_store_next_timer(const JoTimerKey *low)
{
	static const JoTimerKey first;
	ScanKeyData members[5];
	JoScan		scan;
	JoTuple		tuple;
	TimestampTz due = 0;

	begin_timers(&scan, low ? low : &first, AccessShareLock, members);
	if (jo_store_scan_next(&scan, &tuple))
		due = get_int64(&tuple);
	jo_store_scan_end(&scan);
	return due;
}

void
jo_store_timer_low(JoTimerKey *low, TimestampTz due)
{
	if (due <= low->due)
	{
		low->due = due - 1;
		low->run_id = PG_INT64_MAX;
	}
}

int
jo_store_delete_timers(int64 run_id)
{
	ScanKeyData key;
	JoScan		scan;
	JoTuple		tuple;
	int			n = 0;

	jo_store_key_int64(&key, 1, run_id);
	CommandCounterIncrement();
	jo_store_scan_begin(&scan, JO_INDEX_TIMERS_RUN, RowExclusiveLock, &key, 1, jo_store_latest());
	while (jo_store_scan_next(&scan, &tuple))
	{
		if (jo_store_delete(scan.table, &tuple, false) == TM_Ok)
			n++;
	}
	jo_store_scan_end(&scan);
	return n;
}

bool
jo_store_delete_timer(const JoTimerRow *timer)
{
	ScanKeyData keys[5];
	JoScan		scan;
	JoTuple		tuple;
	bool		deleted;

	ScanKeyInit(&keys[0], 1, BTEqualStrategyNumber, F_TIMESTAMPTZ_EQ,
				TimestampTzGetDatum(timer->due));
	jo_store_key_int64(&keys[1], 2, timer->run_id);
	jo_store_key_int32(&keys[2], 3, timer->step);
	jo_store_key_int32(&keys[3], 4, timer->item);
	ScanKeyInit(&keys[4], 5, BTEqualStrategyNumber, F_CHAREQ, CharGetDatum(timer->kind));
	CommandCounterIncrement();
	jo_store_scan_begin(&scan, JO_INDEX_TIMERS_PKEY, RowExclusiveLock, keys, 5, SnapshotSelf);
	deleted = jo_store_scan_next(&scan, &tuple) &&
		jo_store_delete(scan.table, &tuple, true) == TM_Ok;
	jo_store_scan_end(&scan);
	return deleted;
}

/* ---- marks ---- */

static void
take_mark(JoTuple *tuple, void *result)
{
	JoMarkRow  *row = result;

	row->run_id = get_int64(tuple);
	row->step = get_int32(tuple);
	row->item = get_int32(tuple);
	row->attempt = get_int32(tuple);
	row->crashes = get_int32(tuple);
}

/*
 * Looks for the mark of a step, to change it; the scan stays open.  A mark has
 * one writer at a time, so what is committed now (SnapshotSelf) is all there is.
 */
static bool
find_mark(JoScan *scan, int64 run_id, int32 step, int32 item, JoTuple *tuple)
{
	ScanKeyData keys[3];

	jo_store_key_int64(&keys[0], 1, run_id);
	jo_store_key_int32(&keys[1], 2, step);
	jo_store_key_int32(&keys[2], 3, item);

	/*
	 * a row that this transaction wrote can be changed only by a later
	 * command
	 */
	CommandCounterIncrement();
	jo_store_scan_begin(scan, JO_INDEX_MARKS_PKEY, RowExclusiveLock, keys, 3, SnapshotSelf);
	return jo_store_scan_next(scan, tuple);
}

void
jo_store_insert_mark(int64 run_id, int32 step, int32 item, int32 attempt)
{
	JoScan		scan;
	JoTuple		tuple;
	bool		found = find_mark(&scan, run_id, step, item, &tuple);

	jo_store_scan_end(&scan);
	if (found)
		return;
	tuple.n = 0;
	put_datum(&tuple, Int64GetDatum(run_id));
	put_datum(&tuple, Int32GetDatum(step));
	put_datum(&tuple, Int32GetDatum(item));
	put_datum(&tuple, Int32GetDatum(attempt));
	put_datum(&tuple, Int32GetDatum(0));
	jo_store_insert(JO_TABLE_MARKS, &tuple);
}

void
jo_store_delete_mark(int64 run_id, int32 step, int32 item)
{
	JoScan		scan;
	JoTuple		tuple;

	if (find_mark(&scan, run_id, step, item, &tuple))
		(void) jo_store_delete(scan.table, &tuple, true);
	jo_store_scan_end(&scan);
}

void
jo_store_set_mark_crashes(int64 run_id, int32 step, int32 item, int32 crashes)
{
	JoScan		scan;
	JoTuple		tuple;

	if (find_mark(&scan, run_id, step, item, &tuple))
	{
		tuple.n = 4;
		put_datum(&tuple, Int32GetDatum(crashes));
		(void) jo_store_update(JO_TABLE_MARKS, scan.table, &tuple, true);
	}
	jo_store_scan_end(&scan);
}

int
jo_store_marks(JoMarkRow **rows)
{
	return jo_store_read_all(JO_INDEX_MARKS_PKEY, NULL, 0, jo_store_latest(), take_mark,
							 sizeof(JoMarkRow), (void **) rows);
}
