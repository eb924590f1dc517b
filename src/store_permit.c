/*
 * store_permit.c
 *		Who may go on under a limit of "concurrency": the rows of permit.
 *
 * How many hold a key is decided by one transaction at a time, which holds the
 * key's lock until it commits; so the limit is exact whoever crashes.  Touches
 * this table only.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/snapmgr.h"

#include "store_internal.h"

/* SQL's advisory locks have 1 or 2 here, step_cache's 3. */
#define LOCK_CLASS 4

/* Columns, from 0. */
#define PERMIT_STEP 2
#define PERMIT_ITEM 3

static void
put_permit(JoTuple *tuple, const JoPermitRow *row)
{
	tuple->n = 0;
	put_datum(tuple, Int64GetDatum(row->run_id));
	put_datum(tuple, TimestampTzGetDatum(row->since));
	put_datum(tuple, Int32GetDatum(row->step));
	put_datum(tuple, Int32GetDatum(row->item));
	put_datum(tuple, BoolGetDatum(row->held));
	put_text(tuple, row->key);
}

static void
take_permit(JoTuple *tuple, void *result)
{
	JoPermitRow *row = result;

	tuple->n = 0;
	row->run_id = get_int64(tuple);
	row->since = get_int64(tuple);
	row->step = get_int32(tuple);
	row->item = get_int32(tuple);
	row->held = get_bool(tuple);
	row->key = get_text(tuple);
}

/* Two keys with the same hash only wait for each other. */
void
jo_store_lock_permits(const char *key)
{
	const char *kept = jo_store_shorten_key(key);
	uint64		hash = hash_bytes_extended((const unsigned char *) kept, strlen(kept), 0);
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash, LOCK_CLASS);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

static int
compare_since(const void *a, const void *b)
{
	const JoPermitRow *left = a;
	const JoPermitRow *right = b;

	if (left->since != right->since)
		return left->since < right->since ? -1 : 1;
	return left->run_id < right->run_id ? -1 : left->run_id > right->run_id;
}

int
jo_store_permits(const char *key, JoPermitRow **rows)
{
	ScanKeyData scan_key;
	int			n;

	CommandCounterIncrement();
	jo_store_key_text(&scan_key, 1, jo_store_shorten_key(key));
	n = jo_store_read_all(JO_INDEX_PERMIT_PKEY, &scan_key, 1, jo_store_latest(), take_permit,
						  sizeof(JoPermitRow), (void **) rows);
	if (n > 1)
		qsort(*rows, n, sizeof(JoPermitRow), compare_since);
	return n;
}

void
jo_store_put_permit(const JoPermitRow *row)
{
	ScanKeyData keys[4];
	JoPermitRow kept = *row;
	JoScan		scan;
	JoTuple		tuple;
	bool		found;

	kept.key = jo_store_shorten_key(row->key);
	jo_store_key_text(&keys[0], 1, kept.key);
	jo_store_key_int64(&keys[1], 2, row->run_id);
	jo_store_key_int32(&keys[2], 3, row->step);
	jo_store_key_int32(&keys[3], 4, row->item);
	CommandCounterIncrement();
	jo_store_scan_begin(&scan, JO_INDEX_PERMIT_PKEY, RowExclusiveLock, keys, 4, SnapshotSelf);
	found = jo_store_scan_next(&scan, &tuple);
	put_permit(&tuple, &kept);
	if (found)
		(void) jo_store_update(JO_TABLE_PERMIT, scan.table, &tuple, true);
	jo_store_scan_end(&scan);
	if (!found)
		jo_store_insert(JO_TABLE_PERMIT, &tuple);
}

int
jo_store_drop_permits(int64 run_id, int32 step, int32 item, JoPermitRow **rows)
{
	ScanKeyData key;
	JoScan		scan;
	JoTuple		tuple;
	int			capacity = 4;
	int			n = 0;

	*rows = palloc(sizeof(JoPermitRow) * capacity);
	CommandCounterIncrement();
	jo_store_key_int64(&key, 1, run_id);
	jo_store_scan_begin(&scan, JO_INDEX_PERMIT_RUN, RowExclusiveLock, &key, 1, SnapshotSelf);
	while (jo_store_scan_next(&scan, &tuple))
	{
		if (step != JO_ALL_STEPS &&
			(DatumGetInt32(tuple.values[PERMIT_STEP]) != step || DatumGetInt32(tuple.values[PERMIT_ITEM]) != item))
			continue;
		if (n == capacity)
		{
			capacity *= 2;
			*rows = repalloc(*rows, sizeof(JoPermitRow) * capacity);
		}
		take_permit(&tuple, &(*rows)[n]);
		if (jo_store_delete(scan.table, &tuple, true) == TM_Ok)
			n++;
	}
	jo_store_scan_end(&scan);
	return n;
}
