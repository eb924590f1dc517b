/*
 * store_artifact.c
 *		Rows of large outputs, and the chunks of those that are in the database.
 *
 * A step's artifact is written in the step's own transaction, whatever that did to
 * its session.  Touches these two tables only.
 */
#include "postgres.h"

#include "access/xact.h"
#include "commands/sequence.h"
#include "compat.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "store_internal.h"

/* Columns of artifact, from 0. */
#define ARTIFACT_ID 0
#define ARTIFACT_COMPLETE 12
#define ARTIFACT_NAME 13

/* ---- rows ---- */

static void
put_artifact(JoTuple *tuple, const JoArtifactRow *row)
{
	tuple->n = 0;
	put_datum(tuple, Int64GetDatum(row->artifact_id));
	put_datum(tuple, TimestampTzGetDatum(row->created_at));
	put_datum(tuple, TimestampTzGetDatum(row->expires_at));
	put_datum(tuple, Int64GetDatum(row->size));
	put_datum(tuple, Int64GetDatum(row->stored_size));
	put_datum(tuple, ObjectIdGetDatum(row->owner));
	put_datum(tuple, Int32GetDatum(row->step));
	put_datum(tuple, Int32GetDatum(row->item));
	put_datum(tuple, Int32GetDatum(row->tries));
	put_datum(tuple, CharGetDatum(row->storage));
	put_datum(tuple, CharGetDatum(row->todo));
	put_datum(tuple, CharGetDatum(row->compression));
	put_datum(tuple, BoolGetDatum(row->complete));
	put_text(tuple, row->name);
	put_text(tuple, row->type);
	put_text(tuple, row->content_type);
	put_int64_or_null(tuple, row->run_id);
	put_int64_or_null(tuple, row->next_try);
	put_text(tuple, row->step_name);
	put_text(tuple, row->tenant);
	put_text(tuple, row->path);
	put_text(tuple, row->sha256);
	put_text(tuple, row->stored_sha256);
	put_text(tuple, row->error);
}

static void
take_artifact(JoTuple *tuple, void *result)
{
	JoArtifactRow *row = result;

	row->artifact_id = get_int64(tuple);
	row->created_at = get_int64(tuple);
	row->expires_at = get_int64(tuple);
	row->size = get_int64(tuple);
	row->stored_size = get_int64(tuple);
	row->owner = get_oid(tuple);
	row->step = get_int32(tuple);
	row->item = get_int32(tuple);
	row->tries = get_int32(tuple);
	row->storage = get_char(tuple);
	row->todo = get_char(tuple);
	row->compression = get_char(tuple);
	row->complete = get_bool(tuple);
	row->name = get_text(tuple);
	row->type = get_text(tuple);
	row->content_type = get_text(tuple);
	row->run_id = get_int64(tuple);
	row->next_try = get_int64(tuple);
	row->step_name = get_text(tuple);
	row->tenant = get_text(tuple);
	row->path = get_text(tuple);
	row->sha256 = get_text(tuple);
	row->stored_sha256 = get_text(tuple);
	row->error = get_text(tuple);
	row->tid = tuple->tid;
}

/*
 * A sequence may not be advanced in a READ ONLY transaction, which for a step is a
 * matter of its own SQL.  An error in between ends the transaction, and the next one sets the flag anew.
 */
int64
jo_store_next_artifact_id(void)
{
	bool		read_only = XactReadOnly;
	int64		id;

	XactReadOnly = false;
	id = nextval_internal(jo_store_oid(JO_TABLE_ARTIFACT_ID_SEQ), false);
	XactReadOnly = read_only;
	return id;
}

void
jo_store_insert_artifact(JoArtifactRow *row)
{
	JoTuple		tuple;

	put_artifact(&tuple, row);
	jo_store_insert(JO_TABLE_ARTIFACT, &tuple);
	row->tid = tuple.tid;
}

void
jo_store_update_artifact(JoArtifactRow *row)
{
	Relation	table = jo_store_open(JO_TABLE_ARTIFACT, RowExclusiveLock);
	TM_Result	result = TM_Deleted;
	JoTuple		tuple;

	/* a row that this transaction wrote can be changed only by a later command */
	CommandCounterIncrement();
	if (jo_store_fetch(table, &row->tid, SnapshotSelf, &tuple) &&
		DatumGetInt64(tuple.values[ARTIFACT_ID]) == row->artifact_id)
	{
		put_artifact(&tuple, row);
		result = jo_store_update(JO_TABLE_ARTIFACT, table, &tuple, true);
	}
	table_close(table, NoLock);
	if (result != TM_Ok)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("artifact " INT64_FORMAT " was changed or deleted by another transaction",
						row->artifact_id)));
	row->tid = tuple.tid;
}

bool
jo_store_artifact(int64 artifact_id, Snapshot snapshot, JoArtifactRow *row)
{
	ScanKeyData key;

	jo_store_key_int64(&key, 1, artifact_id);
	return jo_store_read_one(JO_INDEX_ARTIFACT_PKEY, &key, 1, snapshot, take_artifact, row);
}

bool
jo_store_artifact_by_name(int64 run_id, const char *name, Snapshot snapshot, JoArtifactRow *row)
{
	ScanKeyData key;
	JoScan		scan;
	JoTuple		tuple;
	bool		found = false;

	jo_store_key_int64(&key, 1, run_id);
	jo_store_scan_begin(&scan, JO_INDEX_ARTIFACT_RUN, AccessShareLock, &key, 1, snapshot);
	/* in order of their ids: the last one that fits is the newest */
	while (jo_store_scan_next(&scan, &tuple))
	{
		if (!DatumGetBool(tuple.values[ARTIFACT_COMPLETE]) ||
			strcmp(TextDatumGetCString(tuple.values[ARTIFACT_NAME]), name) != 0)
			continue;
		take_artifact(&tuple, row);
		found = true;
	}
	jo_store_scan_end(&scan);
	return found;
}

static bool
delete_all(JoIndexId index, int64 artifact_id)
{
	ScanKeyData key;
	JoScan		scan;
	JoTuple		tuple;
	bool		deleted = false;

	jo_store_key_int64(&key, 1, artifact_id);
	CommandCounterIncrement();
	jo_store_scan_begin(&scan, index, RowExclusiveLock, &key, 1, SnapshotSelf);
	while (jo_store_scan_next(&scan, &tuple))
		deleted = jo_store_delete(scan.table, &tuple, true) == TM_Ok || deleted;
	jo_store_scan_end(&scan);
	return deleted;
}

bool
jo_store_delete_artifact(int64 artifact_id)
{
	return delete_all(JO_INDEX_ARTIFACT_PKEY, artifact_id);
}

/* ---- what the courier is to do ---- */

int
jo_store_artifacts_to_do(TimestampTz now, int max, JoArtifactRow **rows)
{
	ScanKeyData key;
	JoScan		scan;
	JoTuple		tuple;
	int			n = 0;

	*rows = palloc(sizeof(JoArtifactRow) * Max(max, 1));
	ScanKeyInit(&key, 1, BTLessEqualStrategyNumber, F_TIMESTAMPTZ_LE, TimestampTzGetDatum(now));
	jo_store_scan_begin(&scan, JO_INDEX_ARTIFACT_TODO, AccessShareLock, &key, 1, jo_store_latest());
	while (n < max && jo_store_scan_next(&scan, &tuple))
		take_artifact(&tuple, &(*rows)[n++]);
	jo_store_scan_end(&scan);
	return n;
}

TimestampTz
jo_store_next_artifact_to_do(void)
{
	JoArtifactRow row;

	return jo_store_read_one(JO_INDEX_ARTIFACT_TODO, NULL, 0, jo_store_latest(), take_artifact, &row) ?
		row.next_try : 0;
}

/* ---- chunks ---- */

void
jo_store_insert_artifact_chunk(int64 artifact_id, int32 chunk, const char *data, Size size)
{
	bytea	   *value = palloc(VARHDRSZ + size);
	JoTuple		tuple;

	SET_VARSIZE(value, VARHDRSZ + size);
	memcpy(VARDATA(value), data, size);
	tuple.n = 0;
	put_datum(&tuple, Int64GetDatum(artifact_id));
	put_datum(&tuple, Int32GetDatum(chunk));
	put_pointer(&tuple, value);
	jo_store_insert(JO_TABLE_ARTIFACT_CHUNK, &tuple);
	pfree(value);
}

static void
take_chunk(JoTuple *tuple, void *result)
{
	tuple->n = 2;
	*(bytea **) result = DatumGetByteaPCopy(tuple->values[tuple->n]);
}

bytea *
jo_store_artifact_chunk(int64 artifact_id, int32 chunk, Snapshot snapshot)
{
	ScanKeyData keys[2];
	bytea	   *data;

	jo_store_key_int64(&keys[0], 1, artifact_id);
	jo_store_key_int32(&keys[1], 2, chunk);
	if (!jo_store_read_one(JO_INDEX_ARTIFACT_CHUNK_PKEY, keys, 2, snapshot, take_chunk, &data))
		return NULL;
	return data;
}

void
jo_store_delete_artifact_chunks(int64 artifact_id)
{
	(void) delete_all(JO_INDEX_ARTIFACT_CHUNK_PKEY, artifact_id);
}
