/*
 * store_run.c
 *		Rows of a run as a whole: run, live, ends.
 *
 * run is inserted at the start and never changed, live is there until the end,
 * ends is the fence against a second one.  Touches these tables only.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "store_internal.h"

/* Column of run that differs between the runs of one bulk start, from 0. */
#define RUN_INPUT 10

/* Column of live that changes while a run goes on. */
#define LIVE_CANCEL 8
#define LIVE_BEGUN 9
#define LIVE_REASON 10
#define LIVE_FOLLOWED 14

/* ---- rows ---- */

/* Of a run that is no child all is NULL, whatever the other two say. */
static void
put_parent(JoTuple *tuple, int64 run_id, int32 item, int32 step)
{
	put_int64_or_null(tuple, run_id);
	if (run_id != 0)
	{
		put_datum(tuple, Int32GetDatum(item));
		put_datum(tuple, Int16GetDatum(step));
	}
	else
	{
		put_null(tuple);
		put_null(tuple);
	}
}

static void
put_run(JoTuple *tuple, const JoRunRow *row)
{
	tuple->n = 0;
	put_datum(tuple, Int64GetDatum(row->run_id));
	put_datum(tuple, Int64GetDatum(row->version_id));
	put_datum(tuple, TimestampTzGetDatum(row->created_at));
	put_datum(tuple, TimestampTzGetDatum(row->run_at));
	put_int64_or_null(tuple, row->job_id);
	put_datum(tuple, ObjectIdGetDatum(row->owner));
	put_datum(tuple, Int32GetDatum(row->queue_id));
	put_datum(tuple, Int16GetDatum(row->priority));
	put_text(tuple, row->owner_name);
	put_text(tuple, row->requested_by);
	Assert(tuple->n == RUN_INPUT);
	put_pointer(tuple, row->input);
	put_text(tuple, row->name);
	put_pointer(tuple, row->tags);
	put_pointer(tuple, row->metadata);
	put_text(tuple, row->correlation_id);
	put_text(tuple, row->idempotency_key);
	put_text(tuple, row->traceparent);
	put_text(tuple, row->tenant);
	put_int64_or_null(tuple, row->rerun_of);
	put_parent(tuple, row->parent_run_id, row->parent_item, row->parent_step);
	if (row->depth != 0)
		put_small(tuple, row->depth);
	else
		put_null(tuple);
	put_pointer(tuple, row->context);
	put_int64_or_null(tuple, row->schedule_id);
	put_int64_or_null(tuple, row->fire_at);
}

static void
take_run(JoTuple *tuple, void *result)
{
	JoRunRow   *row = result;

	row->run_id = get_int64(tuple);
	row->version_id = get_int64(tuple);
	row->created_at = get_int64(tuple);
	row->run_at = get_int64(tuple);
	row->job_id = get_int64(tuple);
	row->owner = get_oid(tuple);
	row->queue_id = get_int32(tuple);
	row->priority = get_int16(tuple);
	row->owner_name = get_text(tuple);
	row->requested_by = get_text(tuple);
	row->input = get_jsonb(tuple);
	row->name = get_text(tuple);
	row->tags = get_array(tuple);
	row->metadata = get_jsonb(tuple);
	row->correlation_id = get_text(tuple);
	row->idempotency_key = get_text(tuple);
	row->traceparent = get_text(tuple);
	row->tenant = get_text(tuple);
	row->rerun_of = get_int64(tuple);
	row->parent_run_id = get_int64(tuple);
	row->parent_item = get_int32_or(tuple, JO_NO_ITEM);
	row->parent_step = get_int16_or(tuple, -1);
	row->depth = get_int16(tuple);
	row->context = get_jsonb(tuple);
	row->schedule_id = get_int64(tuple);
	row->fire_at = get_int64(tuple);
}

static void
put_live(JoTuple *tuple, const JoLiveRow *row)
{
	tuple->n = 0;
	put_datum(tuple, Int64GetDatum(row->run_id));
	put_datum(tuple, TimestampTzGetDatum(row->due));
	put_datum(tuple, Int64GetDatum(row->version_id));
	put_datum(tuple, ObjectIdGetDatum(row->owner));
	put_datum(tuple, Int32GetDatum(row->queue_id));
	put_small(tuple, row->epoch);
	put_small(tuple, row->ord);
	put_datum(tuple, BoolGetDatum(row->paused));
	Assert(tuple->n == LIVE_CANCEL);
	put_datum(tuple, CharGetDatum(row->cancel));
	Assert(tuple->n == LIVE_BEGUN);
	put_int64_or_null(tuple, row->begun);
	Assert(tuple->n == LIVE_REASON);
	put_null(tuple);
	put_parent(tuple, row->parent_run_id, row->parent_item, row->parent_step);
	Assert(tuple->n == LIVE_FOLLOWED);
	put_true_or_null(tuple, row->followed);
	put_true_or_null(tuple, row->replaceable);
}

static void
take_live(JoTuple *tuple, void *result)
{
	JoLiveRow  *row = result;

	row->run_id = get_int64(tuple);
	row->due = get_int64(tuple);
	row->version_id = get_int64(tuple);
	row->owner = get_oid(tuple);
	row->queue_id = get_int32(tuple);
	row->epoch = get_int16(tuple);
	row->ord = get_int16(tuple);
	row->paused = get_bool(tuple);
	row->cancel = get_char(tuple);
	row->begun = get_int64(tuple);
	skip_column(tuple);			/* reason */
	row->parent_run_id = get_int64(tuple);
	row->parent_item = get_int32_or(tuple, JO_NO_ITEM);
	row->parent_step = get_int16_or(tuple, -1);
	row->followed = get_bool(tuple);
	row->replaceable = get_bool(tuple);
	row->tid = tuple->tid;
	row->xmin = tuple->xmin;
}

static void
put_end(JoTuple *tuple, const JoEndRow *row)
{
	tuple->n = 0;
	put_datum(tuple, Int64GetDatum(row->run_id));
	put_datum(tuple, TimestampTzGetDatum(row->finished_at));
	put_int64_or_null(tuple, row->started_at);
	put_small(tuple, row->epoch);
	put_small(tuple, row->completed);
	put_small(tuple, row->failed);
	put_small(tuple, row->skipped);
	put_datum(tuple, CharGetDatum(row->status));
	put_pointer(tuple, row->output);
	put_pointer(tuple, row->error);
}

static void
take_end(JoTuple *tuple, void *result)
{
	JoEndRow   *row = result;

	row->run_id = get_int64(tuple);
	row->finished_at = get_int64(tuple);
	row->started_at = get_int64(tuple);
	row->epoch = get_int16(tuple);
	row->completed = get_int16(tuple);
	row->failed = get_int16(tuple);
	row->skipped = get_int16(tuple);
	row->status = get_char(tuple);
	row->output = get_jsonb(tuple);
	row->error = get_jsonb(tuple);
}

/* ---- starts ---- */

int64
jo_store_next_run_id(void)
{
	return nextval_internal(jo_store_oid(JO_TABLE_RUN_ID_SEQ), false);
}

void
jo_store_next_run_ids(int64 *ids, int n)
{
	Oid			sequence = jo_store_oid(JO_TABLE_RUN_ID_SEQ);
	int			i;

	for (i = 0; i < n; i++)
		ids[i] = nextval_internal(sequence, false);
}

void
jo_store_insert_run(const JoRunRow *run, JoLiveRow *live)
{
	JoTuple		tuple;

	put_run(&tuple, run);
	jo_store_insert(JO_TABLE_RUN, &tuple);
	put_live(&tuple, live);
	jo_store_insert(JO_TABLE_LIVE, &tuple);
	live->tid = tuple.tid;
	live->xmin = GetCurrentTransactionId();
}

void
jo_store_insert_runs(const JoRunRow *run, const JoLiveRow *live,
					 const int64 *run_ids, Jsonb *const *inputs, int n)
{
	JoTuple    *tuples;
	JoTuple		model;
	int			i;

	if (n <= 0)
		return;
	tuples = palloc_extended(sizeof(JoTuple) * n, MCXT_ALLOC_HUGE);
	put_run(&model, run);
	for (i = 0; i < n; i++)
	{
		tuples[i] = model;
		tuples[i].values[0] = Int64GetDatum(run_ids[i]);
		if (inputs != NULL && inputs[i] != NULL)
		{
			tuples[i].n = RUN_INPUT;
			put_pointer(&tuples[i], inputs[i]);
			tuples[i].n = model.n;
		}
	}
	jo_store_insert_many(JO_TABLE_RUN, tuples, n);
	put_live(&model, live);
	for (i = 0; i < n; i++)
	{
		tuples[i] = model;
		tuples[i].values[0] = Int64GetDatum(run_ids[i]);
	}
	jo_store_insert_many(JO_TABLE_LIVE, tuples, n);
	pfree(tuples);
}

/* ---- reading ---- */

static bool
read_by_run(JoIndexId index, int64 run_id, Snapshot snapshot, JoTake take, void *row)
{
	ScanKeyData key;

	jo_store_key_int64(&key, 1, run_id);
	return jo_store_read_one(index, &key, 1, snapshot, take, row);
}

bool
jo_store_run(int64 run_id, Snapshot snapshot, JoRunRow *row)
{
	return read_by_run(JO_INDEX_RUN_PKEY, run_id, snapshot, take_run, row);
}

bool
jo_store_live(int64 run_id, Snapshot snapshot, JoLiveRow *row)
{
	return read_by_run(JO_INDEX_LIVE_PKEY, run_id, snapshot, take_live, row);
}

bool
jo_store_end(int64 run_id, Snapshot snapshot, JoEndRow *row)
{
	return read_by_run(JO_INDEX_ENDS_PKEY, run_id, snapshot, take_end, row);
}

bool
jo_store_live_at(ItemPointer tid, int64 run_id, Snapshot snapshot, JoLiveRow *row)
{
	Relation	table = jo_store_open(JO_TABLE_LIVE, AccessShareLock);
	Snapshot	registered = IsMVCCSnapshot(snapshot) ? RegisterSnapshot(snapshot) : NULL;
	JoTuple		tuple;
	bool		found;

	found = jo_store_fetch(table, tid, registered ? registered : snapshot, &tuple) &&
		DatumGetInt64(tuple.values[0]) == run_id;
	if (found)
		take_live(&tuple, row);
	if (registered)
		UnregisterSnapshot(registered);
	table_close(table, AccessShareLock);
	return found;
}

static void
make_live_bound(ScanKey key, ScanKey members, const JoLiveKey *bound, StrategyNumber strategy)
{
	jo_store_key_member(&members[0], 3, F_TIMESTAMPTZ_CMP, TimestampTzGetDatum(bound->due));
	jo_store_key_member(&members[1], 4, F_BTINT8CMP, Int64GetDatum(bound->run_id));
	jo_store_key_row(key, members, 2, strategy);
}

int
jo_store_live_scan(int32 queue_id, int16 ord, JoLiveKey low, JoLiveKey high,
				   TimestampTz now, Snapshot snapshot, int max,
				   JoLiveRow *rows, TimestampTz *next_due)
{
	ScanKeyData keys[4];
	ScanKeyData low_members[2];
	ScanKeyData high_members[2];
	JoScan		scan;
	JoTuple		tuple;
	int			n = 0;

	jo_store_key_int32(&keys[0], 1, queue_id);
	jo_store_key_int16(&keys[1], 2, ord);
	make_live_bound(&keys[2], low_members, &low, BTGreaterStrategyNumber);
	make_live_bound(&keys[3], high_members, &high, BTLessEqualStrategyNumber);
	*next_due = 0;
	jo_store_scan_begin(&scan, JO_INDEX_LIVE_ORDER, AccessShareLock, keys, 4, snapshot);
	while (n < max && jo_store_scan_next(&scan, &tuple))
	{
		take_live(&tuple, &rows[n]);
		if (rows[n].due > now)
		{
			/* one that depends on others is announced when it is due */
			*next_due = TIMESTAMP_IS_NOEND(rows[n].due) ? 0 : rows[n].due;
			break;
		}
		n++;
	}
	jo_store_scan_end(&scan);
	return n;
}

/* ---- changes of live, and the end ---- */

/*
 * The newest version of the live row, if it is at tid: SnapshotSelf sees what
 * is committed now, whatever the transaction's own snapshot.
 */
static bool
fetch_live(Relation table, ItemPointer tid, int64 run_id, JoTuple *tuple)
{
	/*
	 * a version that this transaction wrote can be changed only by a later
	 * command
	 */
	CommandCounterIncrement();
	return jo_store_fetch(table, tid, SnapshotSelf, tuple) &&
		DatumGetInt64(tuple->values[0]) == run_id;
}

/* The live row goes first: if it cannot, nothing else is done. */
bool
jo_store_end_run(ItemPointer live_tid, const JoEndRow *row)
{
	Relation	table = jo_store_open(JO_TABLE_LIVE, RowExclusiveLock);
	JoTuple		tuple;
	bool		gone;

	gone = fetch_live(table, live_tid, row->run_id, &tuple) &&
		jo_store_delete(table, &tuple, false) == TM_Ok;
	table_close(table, NoLock);
	if (!gone)
		return false;
	put_end(&tuple, row);
	jo_store_own_insert(true);
	jo_store_insert(JO_TABLE_ENDS, &tuple);
	jo_store_own_insert(false);
	return true;
}

/* Waits for whoever has the row, and locks it; false: it is another one now, or gone. */
static bool
lock_live(Relation table, JoTuple *tuple, LockTupleMode mode)
{
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_lock(table, &tuple->tid, SnapshotSelf, slot, GetCurrentCommandId(true),
							  mode, LockWaitBlock, 0, &failure);
	ExecDropSingleTupleTableSlot(slot);
	return result == TM_Ok;
}

/*
 * Even if it is followed already the row is locked: its end may be being written by
 * somebody who does not see what the caller has inserted.
 */
bool
jo_store_follow(int64 run_id)
{
	Relation	table = jo_store_open(JO_TABLE_LIVE, RowExclusiveLock);
	bool		done = false;
	JoLiveRow	row;
	JoTuple		tuple;

	while (!done && jo_store_live(run_id, jo_store_latest(), &row))
	{
		CHECK_FOR_INTERRUPTS();
		if (!fetch_live(table, &row.tid, run_id, &tuple))
			continue;
		if (row.followed)
			done = lock_live(table, &tuple, LockTupleKeyShare);
		else if (lock_live(table, &tuple, LockTupleNoKeyExclusive))
		{
			tuple.n = LIVE_FOLLOWED;
			put_true_or_null(&tuple, true);
			done = jo_store_update(JO_TABLE_LIVE, table, &tuple, true) == TM_Ok;
		}
	}
	table_close(table, NoLock);
	return done;
}

static void
take_tid(JoTuple *tuple, void *result)
{
	ItemPointerCopy(&tuple->tid, (ItemPointer) result);
}

/* The row of run takes the place of the one with its id. */
static void
replace_run(const JoRunRow *row, TimestampTz run_at)
{
	Relation	table = jo_store_open(JO_TABLE_RUN, RowExclusiveLock);
	JoRunRow	changed = *row;
	ItemPointerData tid;
	JoTuple		tuple = {0};

	changed.run_at = run_at;
	if (!read_by_run(JO_INDEX_RUN_PKEY, row->run_id, jo_store_latest(), take_tid, &tid))
		elog(ERROR, "run " INT64_FORMAT " has no row", row->run_id);
	put_run(&tuple, &changed);
	tuple.tid = tid;
	tuple.external = true;		/* perhaps */
	(void) jo_store_update(JO_TABLE_RUN, table, &tuple, true);
	table_close(table, NoLock);
}

JoReplaced
jo_store_replace_run(const JoRunRow *run, JoLiveRow *live, bool keep_due)
{
	Relation	table = jo_store_open(JO_TABLE_LIVE, RowExclusiveLock);
	JoReplaced	result = JO_REPLACED_NOT_THERE;
	JoLiveRow	old;

	while (jo_store_live(run->run_id, jo_store_latest(), &old))
	{
		JoTuple		before;
		JoTuple		tuple;

		CHECK_FOR_INTERRUPTS();
		if (old.begun != 0 || old.epoch > 0 || old.cancel != JO_CANCEL_NONE)
			break;
		if (!old.replaceable)
		{
			result = JO_REPLACED_REFUSED;
			break;
		}
		if (!fetch_live(table, &old.tid, run->run_id, &before) ||
			!lock_live(table, &before, LockTupleExclusive))
			continue;
		live->paused = old.paused;
		live->followed |= old.followed;
		if (keep_due)
			live->due = old.due;
		put_live(&tuple, live);
		tuple.values[LIVE_REASON] = before.values[LIVE_REASON];
		tuple.nulls[LIVE_REASON] = before.nulls[LIVE_REASON];
		tuple.tid = before.tid;
		tuple.external = before.external;
		(void) jo_store_update(JO_TABLE_LIVE, table, &tuple, true);
		replace_run(run, live->due);
		result = JO_REPLACED;
		break;
	}
	table_close(table, NoLock);
	return result;
}

bool
jo_store_mark_begun(ItemPointer tid, int64 run_id, TimestampTz begun)
{
	Relation	table = jo_store_open(JO_TABLE_LIVE, RowExclusiveLock);
	JoTuple		tuple;
	bool		done = false;

	if (fetch_live(table, tid, run_id, &tuple))
	{
		tuple.n = LIVE_BEGUN;
		put_int64_or_null(&tuple, begun);
		done = jo_store_update(JO_TABLE_LIVE, table, &tuple, false) == TM_Ok;
		if (done)
			*tid = tuple.tid;
	}
	table_close(table, NoLock);
	return done;
}

bool
jo_store_set_cancel(int64 run_id, char cancel, bool *again)
{
	Relation	table = jo_store_open(JO_TABLE_LIVE, RowExclusiveLock);
	JoLiveRow	row;
	JoTuple		tuple;
	bool		done = false;

	*again = false;
	if (jo_store_live(run_id, jo_store_latest(), &row) && row.cancel == JO_CANCEL_NONE &&
		!(cancel == JO_CANCEL_TIMED_OUT && row.paused))
	{
		*again = true;
		if (fetch_live(table, &row.tid, run_id, &tuple))
		{
			tuple.n = LIVE_CANCEL;
			put_datum(&tuple, CharGetDatum(cancel));
			done = jo_store_update(JO_TABLE_LIVE, table, &tuple, false) == TM_Ok;
		}
	}
	table_close(table, NoLock);
	*again = *again && !done;
	return done;
}
