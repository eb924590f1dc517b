/*
 * store_heap.c
 *		Rows and index entries of the store, straight to heap and index.
 *
 * An executor's insert of one row spends more time on preparing (range table,
 * result relation, expression states) than on the row; here it is prepared once
 * per process (see JoTable), so that a step's books cost a few microseconds.  It
 * touches only relations that store.c found, and knows nothing of what the
 * columns mean.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/index.h"
#include "catalog/pg_type.h"
#include "compat.h"
#include "executor/executor.h"
#include "storage/bufmgr.h"
#include "storage/smgr.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "store_internal.h"

#define BATCH_ROWS 1000
#define BATCH_BYTES (1024 * 1024)

/* ---- index entries ---- */

static inline bool
belongs(const JoIndex *entry, JoTuple *tuple)
{
	int			i = entry->column - 1;

	switch (entry->when)
	{
		case JO_INDEX_NOT_NULL:
			return !tuple->nulls[i];
		case JO_INDEX_OPERATOR:
			return !tuple->nulls[i] &&
				DatumGetBool(FunctionCall2((FmgrInfo *) &entry->operator,
										   tuple->values[i], entry->constant));
		default:
			return true;
	}
}

static void
insert_entry(Relation table, Relation index, bool unique, IndexInfo *info,
			 Datum *values, bool *nulls, JoTuple *tuple)
{
	(void) index_insert(index, values, nulls, &tuple->tid, table,
						unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, false, info);
	jo_compat_index_insert_cleanup(index, info);
}

/*
 * An index that somebody added: keys or condition are expressions.  Everything
 * is made anew, because its functions may come back to the store.
 */
static void
insert_by_executor(Relation table, const JoIndex *entry, JoTuple *tuple)
{
	Relation	index = index_open(entry->oid, RowExclusiveLock);
	IndexInfo  *info = BuildIndexInfo(index);
	EState	   *estate = CreateExecutorState();
	ExprContext *econtext = GetPerTupleExprContext(estate);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(table), &TTSOpsVirtual);
	bool		pushed = !ActiveSnapshotSet();
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];

	if (pushed)
		PushActiveSnapshot(GetLatestSnapshot());
	memcpy(slot->tts_values, tuple->values, sizeof(Datum) * tuple->n);
	memcpy(slot->tts_isnull, tuple->nulls, sizeof(bool) * tuple->n);
	ExecStoreVirtualTuple(slot);
	econtext->ecxt_scantuple = slot;
	if (ExecQual(ExecPrepareQual(info->ii_Predicate, estate), econtext))
	{
		FormIndexDatum(info, slot, estate, values, nulls);
		insert_entry(table, index, entry->unique, info, values, nulls, tuple);
	}
	if (pushed)
		PopActiveSnapshot();
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
	index_close(index, NoLock);
}

/*
 * Entries of n rows in one index.  What an access method remembers between
 * entries (brin, gin) points into the relcache, so it is not kept longer.
 */
static void
insert_entries_into(Relation table, const JoIndex *entry, JoTuple *tuples, int n)
{
	static MemoryContext scratch = NULL;
	IndexInfo  *info = entry->info;
	Relation	index = NULL;
	Datum		values[INDEX_MAX_KEYS];
	bool		nulls[INDEX_MAX_KEYS];
	int			i;
	int			k;

	if (scratch == NULL)
		scratch = AllocSetContextCreate(TopMemoryContext, "joborch index scratch",
										ALLOCSET_SMALL_SIZES);
	for (i = 0; i < n; i++)
	{
		if (!belongs(entry, &tuples[i]))
			continue;
		if (index == NULL)
		{
			index = index_open(entry->oid, RowExclusiveLock);
			info->ii_AmCache = NULL;
			info->ii_Context = scratch;
		}
		for (k = 0; k < info->ii_NumIndexAttrs; k++)
		{
			values[k] = tuples[i].values[info->ii_IndexAttrNumbers[k] - 1];
			nulls[k] = tuples[i].nulls[info->ii_IndexAttrNumbers[k] - 1];
		}
		insert_entry(table, index, entry->unique, info, values, nulls, &tuples[i]);
	}
	if (index == NULL)
		return;
	if (info->ii_AmCache != NULL)
	{
		info->ii_AmCache = NULL;
		MemoryContextReset(scratch);
	}
	index_close(index, NoLock);
}

static void
insert_entries(JoTableId id, Relation table, JoTuple *tuples, int n)
{
	const JoTable *known = jo_store_table(id);
	int			i;
	int			k;

	for (i = 0; i < known->nindexes; i++)
	{
		const JoIndex *entry = &known->indexes[i];

		if (entry->when != JO_INDEX_BY_EXECUTOR)
			insert_entries_into(table, entry, tuples, n);
		else
		{
			for (k = 0; k < n; k++)
				insert_by_executor(table, entry, &tuples[k]);
		}
	}
}

/* ---- writing rows ---- */

/*
 * The row without the NULLs at its end, as rows from before an ADD COLUMN are:
 * readers take what is missing for NULL, and if no other column is, the row has no
 * null bitmap.  What such a reader would take for something else stays.
 */
static HeapTuple
form_row(JoTableId id, Relation table, const JoTuple *tuple)
{
	TupleDesc	desc = RelationGetDescr(table);
	int			n = desc->natts;

	while (n > 1 && tuple->nulls[n - 1] && !TupleDescAttr(desc, n - 1)->atthasmissing)
		n--;
	return heap_form_tuple(jo_store_descriptor(id, table, n),
						   unconstify(Datum *, &tuple->values[0]),
						   unconstify(bool *, &tuple->nulls[0]));
}

void
jo_store_insert(JoTableId id, JoTuple *tuple)
{
	Relation	table = jo_store_open(id, RowExclusiveLock);
	HeapTuple	heap = form_row(id, table, tuple);

	Assert(tuple->n == RelationGetDescr(table)->natts);
	heap_insert(table, heap, GetCurrentCommandId(true), 0, NULL);
	tuple->tid = heap->t_self;
	heap_freetuple(heap);
	insert_entries(id, table, tuple, 1);
	table_close(table, NoLock);
}

/* One batch: rows with one WAL record per page, then index by index. */
static void
insert_batch(JoTableId id, Relation table, JoTuple *tuples, TupleTableSlot **slots, int n)
{
	int			i;

	heap_multi_insert(table, slots, n, GetCurrentCommandId(true), 0, NULL);
	for (i = 0; i < n; i++)
	{
		tuples[i].tid = slots[i]->tts_tid;
		ExecClearTuple(slots[i]);
	}
	insert_entries(id, table, tuples, n);
}

/*
 * The slots use a copy of the descriptor: the relation's own is counted, once
 * per slot, in the resource owner.
 */
void
jo_store_insert_many(JoTableId id, JoTuple *tuples, int n)
{
	Relation	table = jo_store_open(id, RowExclusiveLock);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "joborch insert",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext batch = AllocSetContextCreate(context, "joborch insert batch",
												ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	TupleDesc	desc = CreateTupleDescCopyConstr(RelationGetDescr(table));
	TupleTableSlot *slots[BATCH_ROWS];
	int			nslots = 0;
	int			done = 0;

	while (done < n)
	{
		Size		bytes = 0;
		int			count = 0;

		while (done + count < n && count < BATCH_ROWS && bytes < BATCH_BYTES)
		{
			JoTuple    *tuple = &tuples[done + count];
			HeapTuple	heap;

			if (count == nslots)
				slots[nslots++] = MakeTupleTableSlot(desc, &TTSOpsHeapTuple);
			MemoryContextSwitchTo(batch);
			heap = form_row(id, table, tuple);
			MemoryContextSwitchTo(context);
			bytes += heap->t_len;
			/* the slot owns it: else heap_multi_insert would copy it */
			ExecStoreHeapTuple(heap, slots[count++], true);
		}
		MemoryContextSwitchTo(batch);
		insert_batch(id, table, tuples + done, slots, count);
		MemoryContextSwitchTo(context);
		MemoryContextReset(batch);
		done += count;
	}
	MemoryContextSwitchTo(old);
	MemoryContextDelete(context);
	table_close(table, NoLock);
}

static void
check_waited(Relation table, TM_Result result)
{
	if (result != TM_Ok && result != TM_Deleted)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("could not change a row of \"%s.%s\" due to a concurrent update",
						JO_INTERNAL_SCHEMA, RelationGetRelationName(table))));
}

TM_Result
jo_store_delete(Relation table, const JoTuple *tuple, bool wait)
{
	ItemPointerData tid = tuple->tid;
	TM_FailureData failure;
	TM_Result	result;

	/* deleting values in the toast table needs a snapshot in sight */
	if (tuple->external)
		PushActiveSnapshot(GetLatestSnapshot());
	result = heap_delete(table, &tid, GetCurrentCommandId(true), InvalidSnapshot,
						 wait, &failure, false);
	if (tuple->external)
		PopActiveSnapshot();
	if (wait)
		check_waited(table, result);
	return result;
}

TM_Result
jo_store_update(JoTableId id, Relation table, JoTuple *tuple, bool wait)
{
	HeapTuple	heap = form_row(id, table, tuple);
	ItemPointerData tid = tuple->tid;
	TM_FailureData failure;
	LockTupleMode lockmode;
	TM_Result	result;

	if (tuple->external)
		PushActiveSnapshot(GetLatestSnapshot());
	result = jo_compat_heap_update(table, &tid, heap, GetCurrentCommandId(true), InvalidSnapshot,
								   wait, &failure, &lockmode);
	if (tuple->external)
		PopActiveSnapshot();
	if (result == TM_Ok)
	{
		tuple->tid = heap->t_self;
		tuple->n = RelationGetDescr(table)->natts;
		if (!HeapTupleIsHeapOnly(heap))
			insert_entries(id, table, tuple, 1);
	}
	heap_freetuple(heap);
	if (wait)
		check_waited(table, result);
	return result;
}

/* ---- reading rows ---- */

/*
 * Is the block in the table?  VACUUM may have cut the table off since the tid
 * was noted, and reading behind the end is an error.  The size that the storage
 * manager remembers is never more than the true one while we hold a lock
 * (truncation resets it), and spares a system call.
 */
static bool
block_exists(Relation table, BlockNumber block)
{
	BlockNumber known = RelationGetSmgr(table)->smgr_cached_nblocks[MAIN_FORKNUM];

	return (known != InvalidBlockNumber && block < known) ||
		block < RelationGetNumberOfBlocks(table);
}

bool
jo_store_fetch(Relation table, ItemPointer tid, Snapshot snapshot, JoTuple *tuple)
{
	HeapTupleData data;
	HeapTuple	copy;
	Buffer		buffer;

	if (!ItemPointerIsValid(tid) || !block_exists(table, ItemPointerGetBlockNumber(tid)))
		return false;
	data.t_self = *tid;
	if (!heap_fetch(table, snapshot, &data, &buffer, false))
		return false;
	copy = heap_copytuple(&data);
	ReleaseBuffer(buffer);
	heap_deform_tuple(copy, RelationGetDescr(table), tuple->values, tuple->nulls);
	tuple->n = 0;
	tuple->tid = *tid;
	tuple->xmin = HeapTupleHeaderGetRawXmin(copy->t_data);
	tuple->external = HeapTupleHasExternal(copy);
	return true;
}

/*
 * Rows of these are inserted once and never changed; or (wait) by the reader
 * only; or (step_cache, artifact) either version will do.
 */
static bool
is_read_as_of_now(JoTableId id)
{
	return id == JO_TABLE_RUN || id == JO_TABLE_STEP || id == JO_TABLE_ENDS ||
		id == JO_TABLE_WAIT || id == JO_TABLE_ITEM_CHUNK || id == JO_TABLE_STEP_CACHE ||
		id == JO_TABLE_ARTIFACT || id == JO_TABLE_ARTIFACT_CHUNK;
}

/*
 * In a serializable transaction reads with an MVCC snapshot take SIREAD locks,
 * and a step would fail for what its neighbours wrote into our tables.  Of these
 * rows SnapshotSelf shows the same and leaves no trace.
 */
static Snapshot
choose_snapshot(JoTableId id, Snapshot snapshot)
{
	if (IsolationIsSerializable() && is_read_as_of_now(id) && IsMVCCSnapshot(snapshot))
	{
		/* values in a toast table need the transaction's snapshot in sight */
		if (!FirstSnapshotSet)
			(void) GetTransactionSnapshot();
		return SnapshotSelf;
	}
	return snapshot;
}

static void
begin_scan(JoScan *scan, JoTableId id, LOCKMODE lockmode, Snapshot snapshot)
{
	scan->table = jo_store_open(id, lockmode);
	scan->index = NULL;
	scan->by_index = NULL;
	scan->whole = NULL;
	scan->lockmode = lockmode;
	scan->ncolumns = jo_store_table(id)->ncolumns;
	scan->snapshot = choose_snapshot(id, snapshot);
	scan->registered = IsMVCCSnapshot(scan->snapshot);
	if (scan->registered)
		scan->snapshot = RegisterSnapshot(scan->snapshot);
	scan->slot = table_slot_create(scan->table, NULL);
}

void
jo_store_scan_begin(JoScan *scan, JoIndexId index, LOCKMODE lockmode,
					ScanKey keys, int nkeys, Snapshot snapshot)
{
	int			i;

	begin_scan(scan, jo_store_index_table(index), lockmode, snapshot);
	scan->index = index_open(jo_store_index_oid(index), AccessShareLock);
	for (i = 0; i < nkeys; i++)
	{
		if (!(keys[i].sk_flags & SK_ROW_HEADER))
			keys[i].sk_collation = scan->index->rd_indcollation[keys[i].sk_attno - 1];
	}
	scan->by_index = index_beginscan(scan->table, scan->index, scan->snapshot, nkeys, 0);
	index_rescan(scan->by_index, keys, nkeys, NULL, 0);
}

void
jo_store_scan_table(JoScan *scan, JoTableId table, LOCKMODE lockmode, Snapshot snapshot)
{
	begin_scan(scan, table, lockmode, snapshot);
	scan->whole = table_beginscan(scan->table, scan->snapshot, 0, NULL);
}

bool
jo_store_scan_next(JoScan *scan, JoTuple *tuple)
{
	TupleTableSlot *slot = scan->slot;
	HeapTuple	heap;
	bool		found;

	if (scan->by_index != NULL)
		found = index_getnext_slot(scan->by_index, ForwardScanDirection, slot);
	else
		found = table_scan_getnextslot(scan->whole, ForwardScanDirection, slot);
	if (!found)
		return false;
	slot_getsomeattrs(slot, scan->ncolumns);
	memcpy(tuple->values, slot->tts_values, sizeof(Datum) * scan->ncolumns);
	memcpy(tuple->nulls, slot->tts_isnull, sizeof(bool) * scan->ncolumns);
	heap = ExecFetchSlotHeapTuple(slot, false, NULL);
	tuple->n = 0;
	tuple->tid = slot->tts_tid;
	tuple->xmin = HeapTupleHeaderGetRawXmin(heap->t_data);
	tuple->external = HeapTupleHasExternal(heap);
	return true;
}

void
jo_store_scan_end(JoScan *scan)
{
	if (scan->by_index != NULL)
	{
		index_endscan(scan->by_index);
		index_close(scan->index, AccessShareLock);
	}
	else
		table_endscan(scan->whole);
	ExecDropSingleTupleTableSlot(scan->slot);
	if (scan->registered)
		UnregisterSnapshot(scan->snapshot);
	table_close(scan->table, scan->lockmode == AccessShareLock ? AccessShareLock : NoLock);
}

bool
jo_store_read_one(JoIndexId index, ScanKey keys, int nkeys, Snapshot snapshot,
				  JoTake take, void *row)
{
	JoScan		scan;
	JoTuple		tuple;
	bool		found;

	jo_store_scan_begin(&scan, index, AccessShareLock, keys, nkeys, snapshot);
	found = jo_store_scan_next(&scan, &tuple);
	if (found)
		take(&tuple, row);
	jo_store_scan_end(&scan);
	return found;
}

int
jo_store_read_all(JoIndexId index, ScanKey keys, int nkeys, Snapshot snapshot,
				  JoTake take, Size size, void **rows)
{
	JoScan		scan;
	JoTuple		tuple;
	int			n = 0;
	int			capacity = 8;
	char	   *list = palloc(capacity * size);

	jo_store_scan_begin(&scan, index, AccessShareLock, keys, nkeys, snapshot);
	while (jo_store_scan_next(&scan, &tuple))
	{
		if (n == capacity)
		{
			capacity *= 2;
			list = repalloc_huge(list, capacity * size);
		}
		take(&tuple, list + n++ * size);
	}
	jo_store_scan_end(&scan);
	*rows = list;
	return n;
}

/* ---- scan keys ---- */

void
jo_store_key_int64(ScanKey key, AttrNumber column, int64 value)
{
	ScanKeyInit(key, column, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(value));
}

void
jo_store_key_int32(ScanKey key, AttrNumber column, int32 value)
{
	ScanKeyInit(key, column, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(value));
}

void
jo_store_key_int16(ScanKey key, AttrNumber column, int16 value)
{
	ScanKeyInit(key, column, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum(value));
}

void
jo_store_key_text(ScanKey key, AttrNumber column, const char *value)
{
	ScanKeyInit(key, column, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(value));
}

void
jo_store_key_member(ScanKey member, AttrNumber column, RegProcedure compare, Datum value)
{
	ScanKeyEntryInitialize(member, SK_ROW_MEMBER, column, InvalidStrategy, InvalidOid,
						   InvalidOid, compare, value);
}

/* A row comparison, as the B-tree wants it: it starts the scan right at the key. */
void
jo_store_key_row(ScanKey key, ScanKey members, int nmembers, StrategyNumber strategy)
{
	int			i;

	for (i = 0; i < nmembers; i++)
		members[i].sk_strategy = strategy;
	members[nmembers - 1].sk_flags |= SK_ROW_END;
	memset(key, 0, sizeof(ScanKeyData));
	key->sk_flags = SK_ROW_HEADER;
	key->sk_attno = members[0].sk_attno;
	key->sk_strategy = strategy;
	key->sk_argument = PointerGetDatum(members);
}
