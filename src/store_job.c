/*
 * store_job.c
 *		Definitions, queues, and whose copy of the data this is.
 *
 * Definitions and queues are written by SQL and only read here, on the way to a
 * run; instance is the dispatcher's.  Touches these tables only.
 */
#include "postgres.h"
#include "miscadmin.h"
#include "access/xlog.h"

#include "utils/snapmgr.h"

#include "store_internal.h"

/* ---- jobs and versions ---- */

static void
take_job(JoTuple *tuple, void *result)
{
	JoJobRow   *row = result;

	row->job_id = get_int64(tuple);
	row->name = get_text(tuple);
	row->owner = get_oid(tuple);
	row->owner_name = get_text(tuple);
	row->current_version = get_int64(tuple);
	row->active = get_bool(tuple);
	skip_column(tuple);			/* description */
	row->tenant = get_text(tuple);
	row->followed = get_bool(tuple);
}

static void
take_version(JoTuple *tuple, void *result)
{
	JoVersionRow *row = result;

	row->version_id = get_int64(tuple);
	row->job_id = get_int64(tuple);
	row->version = get_int32(tuple);
	row->owner = get_oid(tuple);
	row->definition = get_jsonb(tuple);
}

bool
jo_store_job_by_name(const char *name, Snapshot snapshot, JoJobRow *row)
{
	ScanKeyData key;

	jo_store_key_text(&key, 1, name);
	return jo_store_read_one(JO_INDEX_JOB_NAME, &key, 1, snapshot, take_job, row);
}

bool
jo_store_job(int64 job_id, Snapshot snapshot, JoJobRow *row)
{
	ScanKeyData key;

	jo_store_key_int64(&key, 1, job_id);
	return jo_store_read_one(JO_INDEX_JOB_PKEY, &key, 1, snapshot, take_job, row);
}

bool
jo_store_version(int64 version_id, Snapshot snapshot, JoVersionRow *row)
{
	ScanKeyData key;

	jo_store_key_int64(&key, 1, version_id);
	return jo_store_read_one(JO_INDEX_JOB_VERSION_PKEY, &key, 1, snapshot, take_version, row);
}

/* ---- queues ---- */

typedef struct QueueRow
{
	int32		queue_id;
	bool		paused;
} QueueRow;

static void
take_queue(JoTuple *tuple, void *result)
{
	QueueRow   *row = result;

	row->queue_id = get_int32(tuple);
	skip_column(tuple);			/* name */
	row->paused = get_bool(tuple);
}

bool
jo_store_queue_by_name(const char *name, Snapshot snapshot, int32 *queue_id, bool *paused)
{
	ScanKeyData key;
	QueueRow	row;

	jo_store_key_text(&key, 1, name);
	if (!jo_store_read_one(JO_INDEX_QUEUE_NAME, &key, 1, snapshot, take_queue, &row))
		return false;
	*queue_id = row.queue_id;
	*paused = row.paused;
	return true;
}

int
jo_store_queues(Snapshot snapshot, int32 **queue_ids, bool **paused)
{
	QueueRow   *rows;
	int			n;
	int			i;

	n = jo_store_read_all(JO_INDEX_QUEUE_PKEY, NULL, 0, snapshot, take_queue,
						  sizeof(QueueRow), (void **) &rows);
	*queue_ids = palloc(sizeof(int32) * Max(n, 1));
	*paused = palloc(sizeof(bool) * Max(n, 1));
	for (i = 0; i < n; i++)
	{
		(*queue_ids)[i] = rows[i].queue_id;
		(*paused)[i] = rows[i].paused;
	}
	pfree(rows);
	return n;
}

/* ---- instance ---- */

int
jo_store_instances(JoInstanceRow **rows)
{
	JoScan		scan;
	JoTuple		tuple;
	int			n = 0;
	int			capacity = 4;

	*rows = palloc(sizeof(JoInstanceRow) * capacity);
	jo_store_scan_table(&scan, JO_TABLE_INSTANCE, AccessShareLock, jo_store_latest());
	while (jo_store_scan_next(&scan, &tuple))
	{
		JoInstanceRow *row;

		if (n == capacity)
		{
			capacity *= 2;
			*rows = repalloc(*rows, sizeof(JoInstanceRow) * capacity);
		}
		row = &(*rows)[n++];
		row->system_identifier = (uint64) get_int64(&tuple);
		row->database_oid = get_oid(&tuple);
		row->clean_stop = get_bool(&tuple);
	}
	jo_store_scan_end(&scan);
	return n;
}

void
jo_store_insert_instance(uint64 system_identifier, Oid database_oid)
{
	JoTuple		tuple;

	tuple.n = 0;
	put_datum(&tuple, Int64GetDatum((int64) system_identifier));
	put_datum(&tuple, ObjectIdGetDatum(database_oid));
	put_datum(&tuple, BoolGetDatum(true));
	jo_store_insert(JO_TABLE_INSTANCE, &tuple);
}

/* Only the dispatcher and adopt_database() write here: waiting for a row is short. */
void
jo_store_set_clean_stop(bool clean_stop)
{
	JoScan		scan;
	JoTuple		tuple;

	/* the row may have been written by this transaction */
	CommandCounterIncrement();
	jo_store_scan_table(&scan, JO_TABLE_INSTANCE, RowExclusiveLock, jo_store_latest());
	while (jo_store_scan_next(&scan, &tuple))
	{
		tuple.n = 2;
		put_datum(&tuple, BoolGetDatum(clean_stop));
		(void) jo_store_update(JO_TABLE_INSTANCE, scan.table, &tuple, true);
	}
	jo_store_scan_end(&scan);
}

bool
jo_store_is_ours(bool *clean)
{
	JoInstanceRow *rows;
	int			n = jo_store_instances(&rows);

	*clean = true;
	for (int i = 0; i < n; i++)
	{
		if (rows[i].system_identifier != GetSystemIdentifier() ||
			rows[i].database_oid != MyDatabaseId)
			return false;
		*clean = *clean && rows[i].clean_stop;
	}
	if (n == 0)
		jo_store_insert_instance(GetSystemIdentifier(), MyDatabaseId);
	return true;
}
