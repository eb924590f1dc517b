/*
 * store_wait.c
 *		Rows behind steps that wait or have items: wait, signal, item_chunk.
 *
 * None of them is on the way of a step that simply runs.  A signal is the one
 * row that several steps may reach for at a time, and exactly one must get it.
 * Touches these tables only.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/snapmgr.h"

#include "clock.h"
#include "store_internal.h"

/* Columns of wait, from 0. */
#define WAIT_RUN_ID 0
#define WAIT_STEP 2
#define WAIT_ITEM 3
#define WAIT_KIND 5

/* Columns of signal, from 0. */
#define SIGNAL_SENT_AT 2
#define SIGNAL_KIND 3
#define SIGNAL_NAME 5
#define SIGNAL_STEP 6
#define SIGNAL_ITEM 7
#define SIGNAL_TAKEN_AT 10

/* ---- wait ---- */

static void
put_wait(JoTuple *tuple, const JoWaitRow *row)
{
	tuple->n = 0;
	put_datum(tuple, Int64GetDatum(row->run_id));
	put_datum(tuple, TimestampTzGetDatum(row->begun_at));
	put_datum(tuple, Int32GetDatum(row->step));
	put_datum(tuple, Int32GetDatum(row->item));
	put_datum(tuple, Int32GetDatum(row->attempt));
	put_datum(tuple, CharGetDatum(row->kind));
	put_int64_or_null(tuple, row->deadline);
	put_int64_or_null(tuple, row->look_at);
	put_int64_or_null(tuple, row->child);
	put_text(tuple, row->key);
	put_pointer(tuple, row->detail);
}

static void
take_wait(JoTuple *tuple, void *result)
{
	JoWaitRow  *row = result;

	row->run_id = get_int64(tuple);
	row->begun_at = get_int64(tuple);
	row->step = get_int32(tuple);
	row->item = get_int32(tuple);
	row->attempt = get_int32(tuple);
	row->kind = get_char(tuple);
	row->deadline = get_int64(tuple);
	row->look_at = get_int64(tuple);
	row->child = get_int64(tuple);
	row->key = get_text(tuple);
	row->detail = get_jsonb(tuple);
	row->tid = tuple->tid;
}

static void
make_step_keys(ScanKey keys, int64 run_id, int32 step, int32 third)
{
	jo_store_key_int64(&keys[0], 1, run_id);
	jo_store_key_int32(&keys[1], 2, step);
	jo_store_key_int32(&keys[2], 3, third);
}

bool
jo_store_wait(int64 run_id, int32 step, int32 item, Snapshot snapshot, JoWaitRow *row)
{
	ScanKeyData keys[3];

	make_step_keys(keys, run_id, step, item);
	return jo_store_read_one(JO_INDEX_WAIT_PKEY, keys, 3, snapshot, take_wait, row);
}

int
jo_store_waits(int64 run_id, Snapshot snapshot, JoWaitRow **rows)
{
	ScanKeyData key;

	jo_store_key_int64(&key, 1, run_id);
	return jo_store_read_all(JO_INDEX_WAIT_PKEY, &key, 1, snapshot, take_wait,
							 sizeof(JoWaitRow), (void **) rows);
}

void
jo_store_insert_wait(JoWaitRow *row)
{
	JoTuple		tuple;

	put_wait(&tuple, row);
	jo_store_insert(JO_TABLE_WAIT, &tuple);
	row->tid = tuple.tid;
}

/* Is this the row that was read? */
static bool
is_same_wait(const JoTuple *tuple, const JoWaitRow *row)
{
	return DatumGetInt64(tuple->values[WAIT_RUN_ID]) == row->run_id &&
		DatumGetInt32(tuple->values[WAIT_STEP]) == row->step &&
		DatumGetInt32(tuple->values[WAIT_ITEM]) == row->item;
}

void
jo_store_update_wait(JoWaitRow *row)
{
	Relation	table = jo_store_open(JO_TABLE_WAIT, RowExclusiveLock);
	TM_Result	result = TM_Deleted;
	JoTuple		tuple;

	/*
	 * a row that this transaction wrote can be changed only by a later
	 * command
	 */
	CommandCounterIncrement();
	if (jo_store_fetch(table, &row->tid, SnapshotSelf, &tuple) && is_same_wait(&tuple, row))
	{
		put_wait(&tuple, row);
		result = jo_store_update(JO_TABLE_WAIT, table, &tuple, true);
	}
	table_close(table, NoLock);
	if (result != TM_Ok)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("step %d of run " INT64_FORMAT " no longer waits", row->step, row->run_id),
				 errdetail("Its row in \"%s.wait\" was changed or deleted by another transaction.",
						   JO_INTERNAL_SCHEMA),
				 errhint("SELECT * FROM joborch.run_steps(" INT64_FORMAT "); shows what became of it.",
						 row->run_id)));
	row->tid = tuple.tid;
}

bool
jo_store_delete_wait(int64 run_id, int32 step, int32 item)
{
	ScanKeyData keys[3];
	JoScan		scan;
	JoTuple		tuple;
	bool		deleted = false;
	bool		outside = false;

	make_step_keys(keys, run_id, step, item);
	CommandCounterIncrement();
	jo_store_scan_begin(&scan, JO_INDEX_WAIT_PKEY, RowExclusiveLock, keys, 3, SnapshotSelf);
	while (jo_store_scan_next(&scan, &tuple))
	{
		deleted |= jo_store_delete(scan.table, &tuple, true) == TM_Ok;
		outside |= DatumGetChar(tuple.values[WAIT_KIND]) == JO_WAIT_OUTSIDE;
	}
	jo_store_scan_end(&scan);
	if (outside && !jo_store_drop_claims(run_id, step, item))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("step %d of run " INT64_FORMAT " cannot end: somebody is claiming or completing it",
						step, run_id),
				 errhint("It ends when that transaction does.")));
	return deleted;
}

/* ---- signal ---- */

static void
get_signal(JoTuple *tuple, JoSignalRow *row)
{
	tuple->n = 0;
	row->signal_id = get_int64(tuple);
	row->run_id = get_int64(tuple);
	row->sent_at = get_int64(tuple);
	row->kind = get_char(tuple);
	row->sent_by = get_text(tuple);
	row->name = get_text(tuple);
	row->step = get_int32_or(tuple, -1);
	row->item = get_int32_or(tuple, JO_NO_ITEM);
	row->payload = get_jsonb(tuple);
	row->reason = get_text(tuple);
}

static bool
has_name(const JoTuple *tuple, const char *name)
{
	text	   *found;

	if (tuple->nulls[SIGNAL_NAME])
		return false;
	found = DatumGetTextPP(tuple->values[SIGNAL_NAME]);
	return VARSIZE_ANY_EXHDR(found) == strlen(name) &&
		memcmp(VARDATA_ANY(found), name, strlen(name)) == 0;
}

static bool
is_sent_to(const JoTuple *tuple, int32 step, int32 item)
{
	if (step < 0 || tuple->nulls[SIGNAL_STEP])
		return true;
	return DatumGetInt32(tuple->values[SIGNAL_STEP]) == step &&
		(tuple->nulls[SIGNAL_ITEM] || DatumGetInt32(tuple->values[SIGNAL_ITEM]) == item);
}

static bool
is_kind(const JoTuple *tuple, char kind)
{
	char		found = DatumGetChar(tuple->values[SIGNAL_KIND]);

	if (kind == JO_SIGNAL_DECISION)
		return found == JO_SIGNAL_APPROVED || found == JO_SIGNAL_REJECTED;
	if (kind == JO_SIGNAL_ORDER)
		return found == JO_SIGNAL_DONE || found == JO_SIGNAL_ERROR || found == JO_SIGNAL_NOT_TO_DO;
	return found == kind;
}

/*
 * Waits for who holds the row.  False: he took it, or deleted it; true: he gave
 * it back, and it is locked for us.
 */
static bool
wait_for_row(Relation table, JoTuple *tuple)
{
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TM_FailureData failure;
	TM_Result	result;

	result = table_tuple_lock(table, &tuple->tid, SnapshotSelf, slot,
							  GetCurrentCommandId(true), LockTupleExclusive, LockWaitBlock,
							  0, &failure);
	ExecDropSingleTupleTableSlot(slot);
	return result == TM_Ok;
}

/* Marks the row as taken; false when another transaction has taken it. */
static bool
mark_taken(Relation table, JoTuple *tuple, int32 step, int32 item)
{
	TM_Result	result;

	tuple->n = SIGNAL_TAKEN_AT;
	put_datum(tuple, TimestampTzGetDatum(jo_clock_now()));
	if (step < 0)
	{
		put_null(tuple);
		put_null(tuple);
	}
	else
	{
		put_datum(tuple, Int32GetDatum(step));
		put_datum(tuple, Int32GetDatum(item));
	}
	result = jo_store_update(JO_TABLE_SIGNAL, table, tuple, false);
	if (result == TM_BeingModified && wait_for_row(table, tuple))
		result = jo_store_update(JO_TABLE_SIGNAL, table, tuple, true);
	return result == TM_Ok;
}

/*
 * What is committed now (SnapshotSelf) is what can be taken: an announcement
 * came after the commit.  The snapshot is for values in the toast table.
 */
bool
jo_store_take_signal(int64 run_id, char kind, const char *name, int32 step, int32 item,
					 JoSignalRow *row)
{
	ScanKeyData key;
	JoScan		scan;
	JoTuple		tuple;
	bool		taken = false;

	jo_store_key_int64(&key, 1, run_id);
	CommandCounterIncrement();
	PushActiveSnapshot(jo_store_latest());
	jo_store_scan_begin(&scan, JO_INDEX_SIGNAL_RUN, RowExclusiveLock, &key, 1, SnapshotSelf);
	while (!taken && jo_store_scan_next(&scan, &tuple))
	{
		if (!tuple.nulls[SIGNAL_TAKEN_AT] || !is_kind(&tuple, kind) ||
			!is_sent_to(&tuple, step, item) || (name != NULL && !has_name(&tuple, name)))
			continue;
		taken = mark_taken(scan.table, &tuple, step, item);
		if (taken)
			get_signal(&tuple, row);
	}
	jo_store_scan_end(&scan);
	PopActiveSnapshot();
	return taken;
}

bool
jo_store_has_signal(int64 run_id, Snapshot snapshot)
{
	ScanKeyData key;
	JoScan		scan;
	JoTuple		tuple;
	bool		found = false;

	jo_store_key_int64(&key, 1, run_id);
	jo_store_scan_begin(&scan, JO_INDEX_SIGNAL_RUN, AccessShareLock, &key, 1, snapshot);
	while (!found && jo_store_scan_next(&scan, &tuple))
		found = tuple.nulls[SIGNAL_TAKEN_AT];
	jo_store_scan_end(&scan);
	return found;
}

int
jo_store_ordered(int64 run_id, Snapshot snapshot, JoOrdered **steps)
{
	ScanKeyData key;
	JoScan		scan;
	JoTuple		tuple;
	int			capacity = 8;
	int			n = 0;

	*steps = palloc(sizeof(JoOrdered) * capacity);
	jo_store_key_int64(&key, 1, run_id);
	jo_store_scan_begin(&scan, JO_INDEX_SIGNAL_RUN, AccessShareLock, &key, 1, snapshot);
	while (jo_store_scan_next(&scan, &tuple))
	{
		if (!tuple.nulls[SIGNAL_TAKEN_AT] || !is_kind(&tuple, JO_SIGNAL_ORDER))
			continue;
		if (n == capacity)
		{
			capacity *= 2;
			*steps = repalloc_huge(*steps, sizeof(JoOrdered) * capacity);
		}
		tuple.n = SIGNAL_STEP;
		(*steps)[n].step = get_int32_or(&tuple, -1);
		(*steps)[n++].item = get_int32_or(&tuple, JO_NO_ITEM);
	}
	jo_store_scan_end(&scan);
	return n;
}

static bool
is_order_for(const JoTuple *tuple, const JoWaitRow *wait)
{
	return is_kind(tuple, JO_SIGNAL_ORDER) && is_sent_to(tuple, wait->step, wait->item) &&
		DatumGetTimestampTz(tuple->values[SIGNAL_SENT_AT]) >= wait->begun_at;
}

bool
jo_store_has_order(int64 run_id, const JoWaitRow *wait, Snapshot snapshot)
{
	ScanKeyData key;
	JoScan		scan;
	JoTuple		tuple;
	bool		found = false;

	jo_store_key_int64(&key, 1, run_id);
	jo_store_scan_begin(&scan, JO_INDEX_SIGNAL_RUN, AccessShareLock, &key, 1, snapshot);
	while (!found && jo_store_scan_next(&scan, &tuple))
		found = tuple.nulls[SIGNAL_TAKEN_AT] && is_order_for(&tuple, wait);
	jo_store_scan_end(&scan);
	return found;
}

/* ---- item_chunk ---- */

static void
take_items(JoTuple *tuple, void *result)
{
	tuple->n = 3;
	*(Jsonb **) result = get_jsonb(tuple);
}

void
jo_store_insert_items(int64 run_id, int32 step, int32 chunk, Jsonb *items)
{
	JoTuple		tuple;

	tuple.n = 0;
	put_datum(&tuple, Int64GetDatum(run_id));
	put_datum(&tuple, Int32GetDatum(step));
	put_datum(&tuple, Int32GetDatum(chunk));
	put_pointer(&tuple, items);
	jo_store_insert(JO_TABLE_ITEM_CHUNK, &tuple);
}

bool
jo_store_items(int64 run_id, int32 step, int32 chunk, Snapshot snapshot, Jsonb **items)
{
	ScanKeyData keys[3];

	make_step_keys(keys, run_id, step, chunk);
	return jo_store_read_one(JO_INDEX_ITEM_CHUNK_PKEY, keys, 3, snapshot, take_items, items);
}
