/*
 * store_schedule.c
 *		Schedules, their state and their fires.
 *
 * A state comes up and goes each time its schedule fires, so reading what is due must
 * not depend on how many dead entries an old snapshot keeps: it is read by a moving
 * key.  Touches these three tables only.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "store_internal.h"
#include "store_schedule.h"

/* ---- rows ---- */

static int64
get_interval(JoTuple *tuple)
{
	int			i = tuple->n++;
	Interval   *interval = DatumGetIntervalP(tuple->values[i]);

	return interval->time + (interval->day + (int64) interval->month * DAYS_PER_MONTH) * USECS_PER_DAY;
}

static void
take_schedule(JoTuple *tuple, void *result)
{
	JoScheduleRow *row = result;

	row->schedule_id = get_int64(tuple);
	row->name = get_text(tuple);
	row->job_id = get_int64(tuple);
	row->version_id = get_int64(tuple);
	row->owner = get_oid(tuple);
	row->owner_name = get_text(tuple);
	row->created_by = get_text(tuple);
	row->revision = get_int32(tuple);
	row->spec = get_jsonb(tuple);
	row->overlap = get_char(tuple);
	row->catchup = get_interval(tuple);
	row->priority = get_int16_or(tuple, -1);
	row->queue_id = get_int32(tuple);
	row->max_runs = get_int64(tuple);
	row->pause_after_failures = get_int32(tuple);
	row->input = get_jsonb(tuple);
	row->tags = get_array(tuple);
	row->metadata = get_jsonb(tuple);
	row->tenant = get_text(tuple);
	row->paused = get_bool(tuple);
	row->after_finish = get_bool(tuple);
	row->boot_after = get_int64(tuple);
	row->dropped_at = get_int64(tuple);
}

static void
get_runs(JoTuple *tuple, JoScheduleState *state)
{
	ArrayType  *array = get_array(tuple);

	state->nopen = array == NULL ? 0 : ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
	state->open_runs = state->nopen == 0 ? NULL : (int64 *) ARR_DATA_PTR(array);
}

static void
take_state(JoTuple *tuple, void *result)
{
	JoScheduleState *state = result;

	state->schedule_id = get_int64(tuple);
	state->next_fire = get_int64(tuple);
	state->next_nominal = get_int64(tuple);
	state->last_nominal = get_int64(tuple);
	state->fired = get_int64(tuple);
	state->last_run_id = get_int64(tuple);
	state->failures = get_int32(tuple);
	state->buffered = get_int32(tuple);
	get_runs(tuple, state);
	state->tid = tuple->tid;
	state->external = tuple->external;
}

static void
put_runs(JoTuple *tuple, const JoScheduleState *state)
{
	Datum	   *values;

	if (state->nopen == 0)
	{
		put_null(tuple);
		return;
	}
	values = palloc(sizeof(Datum) * state->nopen);
	for (int i = 0; i < state->nopen; i++)
		values[i] = Int64GetDatum(state->open_runs[i]);
	put_pointer(tuple, construct_array(values, state->nopen, INT8OID, sizeof(int64),
									   FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static void
put_state(JoTuple *tuple, const JoScheduleState *state)
{
	tuple->n = 0;
	put_datum(tuple, Int64GetDatum(state->schedule_id));
	put_int64_or_null(tuple, state->next_fire);
	put_int64_or_null(tuple, state->next_nominal);
	put_int64_or_null(tuple, state->last_nominal);
	put_datum(tuple, Int64GetDatum(state->fired));
	put_int64_or_null(tuple, state->last_run_id);
	put_datum(tuple, Int32GetDatum(state->failures));
	put_datum(tuple, Int32GetDatum(state->buffered));
	put_runs(tuple, state);
}

static void
put_fire(JoTuple *tuple, const JoFireRow *fire)
{
	tuple->n = 0;
	put_datum(tuple, Int64GetDatum(fire->schedule_id));
	put_datum(tuple, TimestampTzGetDatum(fire->nominal));
	put_datum(tuple, Int64GetDatum(fire->seq));
	put_datum(tuple, TimestampTzGetDatum(fire->at));
	put_int64_or_null(tuple, fire->run_id);
	put_datum(tuple, CharGetDatum(fire->outcome));
	put_text(tuple, fire->reason);
	put_text(tuple, fire->requested_by);
}

static void
take_fire(JoTuple *tuple, void *result)
{
	JoFireRow  *fire = result;

	fire->schedule_id = get_int64(tuple);
	fire->nominal = get_int64(tuple);
	fire->seq = get_int64(tuple);
	fire->at = get_int64(tuple);
	fire->run_id = get_int64(tuple);
	fire->outcome = get_char(tuple);
	fire->reason = get_text(tuple);
	fire->requested_by = get_text(tuple);
	fire->tid = tuple->tid;
}

/* ---- schedules and states ---- */

bool
jo_store_schedule(int64 schedule_id, JoScheduleRow *row)
{
	ScanKeyData key;

	jo_store_key_int64(&key, 1, schedule_id);
	return jo_store_read_one(JO_INDEX_SCHEDULE_PKEY, &key, 1, jo_store_latest(), take_schedule, row);
}

bool
jo_store_schedule_state(int64 schedule_id, JoScheduleState *state)
{
	ScanKeyData key;

	jo_store_key_int64(&key, 1, schedule_id);
	CommandCounterIncrement();
	return jo_store_read_one(JO_INDEX_SCHEDULE_STATE_PKEY, &key, 1, jo_store_latest(), take_state, state);
}

/* Scans the states above low; members[2] must live as long as the scan. */
static void
begin_due(JoScan *scan, const JoScheduleKey *low, ScanKey members)
{
	ScanKeyData key;

	CommandCounterIncrement();
	jo_store_key_member(&members[0], 1, F_TIMESTAMPTZ_CMP, TimestampTzGetDatum(low->due));
	jo_store_key_member(&members[1], 2, F_BTINT8CMP, Int64GetDatum(low->schedule_id));
	jo_store_key_row(&key, members, 2, BTGreaterStrategyNumber);
	jo_store_scan_begin(scan, JO_INDEX_SCHEDULE_DUE, AccessShareLock, &key, 1, jo_store_latest());
}

int
jo_store_due_schedules(TimestampTz now, int max, JoScheduleState *states, JoScheduleKey *low)
{
	JoScheduleKey reached = {now, PG_INT64_MAX};
	ScanKeyData members[2];
	JoScan		scan;
	JoTuple		tuple;
	int			n = 0;

	begin_due(&scan, low, members);
	while (n < max && jo_store_scan_next(&scan, &tuple))
	{
		/* NULLs are behind all others */
		if (tuple.nulls[1] || DatumGetTimestampTz(tuple.values[1]) > now)
			break;
		take_state(&tuple, &states[n++]);
	}
	jo_store_scan_end(&scan);
	if (n == max)
	{
		reached.due = states[n - 1].next_fire;
		reached.schedule_id = states[n - 1].schedule_id;
	}
	if (reached.due > low->due || n == max)
		*low = reached;
	return n;
}

TimestampTz
jo_store_next_schedule(const JoScheduleKey *low)
{
	ScanKeyData members[2];
	JoScan		scan;
	JoTuple		tuple;
	TimestampTz due = 0;

	begin_due(&scan, low, members);
	if (jo_store_scan_next(&scan, &tuple) && !tuple.nulls[1])
		due = DatumGetTimestampTz(tuple.values[1]);
	jo_store_scan_end(&scan);
	return due;
}

void
jo_store_schedule_low(JoScheduleKey *low, TimestampTz due)
{
	if (due <= low->due)
	{
		low->due = due - 1;
		low->schedule_id = PG_INT64_MAX;
	}
}

bool
jo_store_update_schedule(JoScheduleState *state)
{
	Relation	table = jo_store_open(JO_TABLE_SCHEDULE_STATE, RowExclusiveLock);
	JoTuple		tuple;
	bool		done;

	put_state(&tuple, state);
	tuple.tid = state->tid;
	tuple.external = state->external;
	done = jo_store_update(JO_TABLE_SCHEDULE_STATE, table, &tuple, false) == TM_Ok;
	state->tid = tuple.tid;
	table_close(table, NoLock);
	return done;
}

int
jo_store_boot_schedules(TimestampTz before, int64 **schedule_ids)
{
	JoScheduleRow *rows;
	ScanKeyData key;
	int			n;
	int			kept = 0;

	ScanKeyInit(&key, 1, BTLessStrategyNumber, F_TIMESTAMPTZ_LT, TimestampTzGetDatum(before));
	n = jo_store_read_all(JO_INDEX_SCHEDULE_BOOT, &key, 1, jo_store_latest(), take_schedule,
						  sizeof(JoScheduleRow), (void **) &rows);
	*schedule_ids = palloc(sizeof(int64) * Max(n, 1));
	for (int i = 0; i < n; i++)
		if (rows[i].dropped_at == 0)
			(*schedule_ids)[kept++] = rows[i].schedule_id;
	return kept;
}

int
jo_store_open_schedules(int64 **schedule_ids)
{
	JoScan		scan;
	JoTuple		tuple;
	int			n = 0;
	int			capacity = 8;

	*schedule_ids = palloc(sizeof(int64) * capacity);
	jo_store_scan_table(&scan, JO_TABLE_SCHEDULE_STATE, AccessShareLock, jo_store_latest());
	while (jo_store_scan_next(&scan, &tuple))
	{
		JoScheduleState state;

		take_state(&tuple, &state);
		if (state.nopen == 0)
			continue;
		if (n == capacity)
		{
			capacity *= 2;
			*schedule_ids = repalloc_huge(*schedule_ids, sizeof(int64) * capacity);
		}
		(*schedule_ids)[n++] = state.schedule_id;
	}
	jo_store_scan_end(&scan);
	return n;
}

/* ---- fires ---- */

bool
jo_store_fire_exists(int64 schedule_id, TimestampTz nominal)
{
	ScanKeyData keys[3];
	JoFireRow	fire;

	jo_store_key_int64(&keys[0], 1, schedule_id);
	ScanKeyInit(&keys[1], 2, BTEqualStrategyNumber, F_TIMESTAMPTZ_EQ, TimestampTzGetDatum(nominal));
	jo_store_key_int64(&keys[2], 3, 0);
	return jo_store_read_one(JO_INDEX_SCHEDULE_FIRE_PKEY, keys, 3, jo_store_latest(), take_fire, &fire);
}

void
jo_store_insert_fires(const JoFireRow *fires, int n)
{
	JoTuple		tuple;

	for (int i = 0; i < n; i++)
	{
		put_fire(&tuple, &fires[i]);
		jo_store_insert(JO_TABLE_SCHEDULE_FIRE, &tuple);
	}
}

bool
jo_store_buffered_fire(int64 schedule_id, JoFireRow *fire)
{
	ScanKeyData key;

	jo_store_key_int64(&key, 1, schedule_id);
	CommandCounterIncrement();
	return jo_store_read_one(JO_INDEX_SCHEDULE_FIRE_BUFFERED, &key, 1, jo_store_latest(), take_fire, fire);
}

void
jo_store_update_fire(const JoFireRow *fire)
{
	Relation	table = jo_store_open(JO_TABLE_SCHEDULE_FIRE, RowExclusiveLock);
	JoTuple		tuple;

	put_fire(&tuple, fire);
	tuple.tid = fire->tid;
	tuple.external = false;
	(void) jo_store_update(JO_TABLE_SCHEDULE_FIRE, table, &tuple, true);
	table_close(table, NoLock);
}
