/*
 * store_step.c
 *		Rows of a step: step (its one outcome) and attempt (each try worth telling).
 *
 * The key of step is what makes a second completion of a step impossible, so a
 * duplicate there is an answer rather than a fault.  Touches these tables only.
 */
#include "postgres.h"

#include "access/xact.h"
#include "utils/snapmgr.h"

#include "store_internal.h"

#define ATTEMPT_BEGUN 'r'
#define ATTEMPT_STATUS 5		/* its column, from 0 */

/* ---- step ---- */

static void
put_step(JoTuple *tuple, const JoStepRow *row)
{
	char		form;
	Jsonb	   *output = jo_store_pack_output(row->output, &form);

	tuple->n = 0;
	put_datum(tuple, Int64GetDatum(row->run_id));
	put_datum(tuple, TimestampTzGetDatum(row->finished_at));
	put_int64_or_null(tuple, row->started_at);
	put_datum(tuple, Int32GetDatum(row->item));
	put_datum(tuple, Int16GetDatum(row->step));
	put_small(tuple, row->attempt);
	put_small(tuple, row->epoch);
	put_datum(tuple, CharGetDatum(row->status));
	put_datum(tuple, CharGetDatum(form));
	put_pointer(tuple, output);
	if (row->taken == JO_NOTHING_TAKEN)
		put_null(tuple);
	else
		put_datum(tuple, Int32GetDatum(row->taken));
	put_pointer(tuple, row->error);
}

/* All but the data; returns the form of the output. */
static char
take_step_head(JoTuple *tuple, JoStepRow *row)
{
	row->run_id = get_int64(tuple);
	row->finished_at = get_int64(tuple);
	row->started_at = get_int64(tuple);
	row->item = get_int32(tuple);
	row->step = get_int16(tuple);
	row->attempt = get_int16(tuple);
	row->epoch = get_int16(tuple);
	row->status = get_char(tuple);
	return get_char(tuple);
}

static void
take_step_state(JoTuple *tuple, void *result)
{
	JoStepRow  *row = result;

	(void) take_step_head(tuple, row);
	skip_column(tuple);
	row->taken = get_int32_or(tuple, JO_NOTHING_TAKEN);
	row->output = NULL;
	row->error = NULL;
}

static void
take_step(JoTuple *tuple, void *result)
{
	JoStepRow  *row = result;
	char		form = take_step_head(tuple, row);

	row->output = jo_store_full_output(form, get_jsonb(tuple));
	row->taken = get_int32_or(tuple, JO_NOTHING_TAKEN);
	row->error = get_jsonb(tuple);
}

void
jo_store_insert_step(const JoStepRow *row)
{
	JoTuple		tuple;

	put_step(&tuple, row);
	jo_store_own_insert(true);
	jo_store_insert(JO_TABLE_STEP, &tuple);
	jo_store_own_insert(false);
}

bool
jo_store_step(int64 run_id, int32 step, int32 item, Snapshot snapshot, JoStepRow *row)
{
	ScanKeyData keys[3];

	jo_store_key_int64(&keys[0], 1, run_id);
	jo_store_key_int16(&keys[1], 2, step);
	jo_store_key_int32(&keys[2], 3, item);
	return jo_store_read_one(JO_INDEX_STEP_PKEY, keys, 3, snapshot, take_step, row);
}

int
jo_store_steps(int64 run_id, Snapshot snapshot, bool with_data, JoStepRow **rows)
{
	ScanKeyData key;

	jo_store_key_int64(&key, 1, run_id);
	return jo_store_read_all(JO_INDEX_STEP_PKEY, &key, 1, snapshot,
							 with_data ? take_step : take_step_state,
							 sizeof(JoStepRow), (void **) rows);
}

int
jo_store_step_items(int64 run_id, int32 step, Snapshot snapshot, bool with_data, JoStepRow **rows)
{
	ScanKeyData keys[2];

	jo_store_key_int64(&keys[0], 1, run_id);
	jo_store_key_int16(&keys[1], 2, step);
	return jo_store_read_all(JO_INDEX_STEP_PKEY, keys, 2, snapshot,
							 with_data ? take_step : take_step_state,
							 sizeof(JoStepRow), (void **) rows);
}

/* ---- attempt ---- */

static void
put_attempt(JoTuple *tuple, const JoAttemptRow *row)
{
	tuple->n = 0;
	put_datum(tuple, Int64GetDatum(row->run_id));
	put_datum(tuple, Int32GetDatum(row->step));
	put_datum(tuple, Int32GetDatum(row->item));
	put_datum(tuple, Int32GetDatum(row->attempt));
	put_datum(tuple, Int32GetDatum(row->epoch));
	Assert(tuple->n == ATTEMPT_STATUS);
	put_datum(tuple, CharGetDatum(row->status));
	put_int64_or_null(tuple, row->started_at);
	put_int64_or_null(tuple, row->finished_at);
	put_int64_or_null(tuple, row->retry_at);
	put_pointer(tuple, row->error);
	put_pointer(tuple, row->notices);
}

static void
take_attempt(JoTuple *tuple, void *result)
{
	JoAttemptRow *row = result;

	row->run_id = get_int64(tuple);
	row->step = get_int32(tuple);
	row->item = get_int32(tuple);
	row->attempt = get_int32(tuple);
	row->epoch = get_int32(tuple);
	row->status = get_char(tuple);
	row->started_at = get_int64(tuple);
	row->finished_at = get_int64(tuple);
	row->retry_at = get_int64(tuple);
	row->error = get_jsonb(tuple);
	row->notices = get_jsonb(tuple);
}

/* Is it the trace of that attempt? */
static bool
is_begun(const JoTuple *tuple, const JoAttemptRow *row)
{
	return DatumGetInt64(tuple->values[0]) == row->run_id && DatumGetInt32(tuple->values[1]) == row->step &&
		DatumGetInt32(tuple->values[2]) == row->item && DatumGetInt32(tuple->values[3]) == row->attempt &&
		DatumGetChar(tuple->values[ATTEMPT_STATUS]) == ATTEMPT_BEGUN;
}

/*
 * Replaces the begun row of the same attempt, if it is where it was left; else false.
 * Nobody else writes it while the attempt is ours, so waiting is safe.
 */
static bool
replace_trace(const JoAttemptRow *row)
{
	ItemPointerData tid = row->trace;
	Relation	table;
	JoTuple		tuple;
	bool		replaced = false;

	if (!ItemPointerIsValid(&tid))
		return false;
	table = jo_store_open(JO_TABLE_ATTEMPT, RowExclusiveLock);
	if (jo_store_fetch(table, &tid, SnapshotSelf, &tuple) && is_begun(&tuple, row))
	{
		put_attempt(&tuple, row);
		replaced = jo_store_update(JO_TABLE_ATTEMPT, table, &tuple, true) == TM_Ok;
	}
	table_close(table, NoLock);
	return replaced;
}

/* The same wherever it is. */
static bool
replace_begun(const JoAttemptRow *row, ItemPointer trace)
{
	ScanKeyData keys[4];
	JoScan		scan;
	JoTuple		tuple;
	bool		replaced = false;

	jo_store_key_int64(&keys[0], 1, row->run_id);
	jo_store_key_int32(&keys[1], 2, row->step);
	jo_store_key_int32(&keys[2], 3, row->item);
	jo_store_key_int32(&keys[3], 4, row->attempt);

	/*
	 * a row that this transaction wrote can be changed only by a later
	 * command
	 */
	CommandCounterIncrement();
	jo_store_scan_begin(&scan, JO_INDEX_ATTEMPT_PKEY, RowExclusiveLock, keys, 4, SnapshotSelf);
	if (jo_store_scan_next(&scan, &tuple) && is_begun(&tuple, row))
	{
		put_attempt(&tuple, row);
		replaced = jo_store_update(JO_TABLE_ATTEMPT, scan.table, &tuple, true) == TM_Ok;
		*trace = tuple.tid;
	}
	jo_store_scan_end(&scan);
	return replaced;
}

static void
insert_attempt(const JoAttemptRow *row, ItemPointer trace)
{
	JoTuple		tuple;

	put_attempt(&tuple, row);
	jo_store_insert(JO_TABLE_ATTEMPT, &tuple);
	*trace = tuple.tid;
}

void
jo_store_insert_attempt(const JoAttemptRow *row)
{
	ItemPointerData place;

	if (!replace_trace(row) && !replace_begun(row, &place))
		insert_attempt(row, &place);
}

void
jo_store_begin_attempt(int64 run_id, int32 step, int32 item, int32 attempt,
					   int32 epoch, TimestampTz started_at, bool is_new, ItemPointer trace)
{
	JoAttemptRow row = {
		.run_id = run_id,
		.step = step,
		.item = item,
		.attempt = attempt,
		.epoch = epoch,
		.status = ATTEMPT_BEGUN,
		.started_at = started_at,
	};

	if (is_new || !replace_begun(&row, trace))
		insert_attempt(&row, trace);
}

int
jo_store_attempts(int64 run_id, Snapshot snapshot, JoAttemptRow **rows)
{
	ScanKeyData key;

	jo_store_key_int64(&key, 1, run_id);
	return jo_store_read_all(JO_INDEX_ATTEMPT_PKEY, &key, 1, snapshot, take_attempt,
							 sizeof(JoAttemptRow), (void **) rows);
}
