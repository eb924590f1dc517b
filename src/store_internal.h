/*
 * store_internal.h
 *		What the files of the store share, and nobody else includes.
 *
 * store.c finds and checks the tables, store_heap.c writes rows and their index
 * entries and reads by index; the others turn structs into rows and back.  A row
 * travels as JoTuple, whose columns are put and taken in the table's order.
 */
#ifndef JO_STORE_INTERNAL_H
#define JO_STORE_INTERNAL_H

#include "store.h"
#include "access/genam.h"
#include "access/htup.h"
#include "access/relscan.h"
#include "access/skey.h"
#include "access/table.h"
#include "access/tableam.h"
#include "nodes/execnodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define JO_STORE_MAX_COLUMNS 26
#define JO_STORE_MAX_INDEXES 16

typedef enum JoTableId
{
	JO_TABLE_RUN,
	JO_TABLE_LIVE,
	JO_TABLE_STEP,
	JO_TABLE_ENDS,
	JO_TABLE_ATTEMPT,
	JO_TABLE_TIMERS,
	JO_TABLE_MARKS,
	JO_TABLE_WAIT,
	JO_TABLE_SIGNAL,
	JO_TABLE_ITEM_CHUNK,
	JO_TABLE_STEP_CACHE,
	JO_TABLE_PERMIT,
	JO_TABLE_SECRET,
	JO_TABLE_SECRET_GRANT,
	JO_TABLE_ARTIFACT,
	JO_TABLE_ARTIFACT_CHUNK,
	JO_TABLE_WORK_GROUP,
	JO_TABLE_OFFER,
	JO_TABLE_CLAIM,
	JO_TABLE_EXTERNAL_REF,
	JO_TABLE_QUEUE_GRANT,
	JO_TABLE_EGRESS_RULE,
	JO_TABLE_EGRESS_REFUSAL,
	JO_TABLE_EGRESS_REFUSAL_SEQ,	/* a sequence, as the last one */
	JO_TABLE_SCHEDULE,
	JO_TABLE_SCHEDULE_STATE,
	JO_TABLE_SCHEDULE_FIRE,
	JO_TABLE_INSTANCE,
	JO_TABLE_QUEUE,
	JO_TABLE_JOB,
	JO_TABLE_JOB_VERSION,
	JO_TABLE_ARTIFACT_ID_SEQ,	/* a sequence: only its oid is asked for */
	JO_TABLE_RUN_ID_SEQ			/* the same */
} JoTableId;

#define JO_TABLES (JO_TABLE_RUN_ID_SEQ + 1)

/* The indexes that the store reads by; it writes all that a table has. */
typedef enum JoIndexId
{
	JO_INDEX_NONE = -1,
	JO_INDEX_RUN_PKEY,
	JO_INDEX_LIVE_PKEY,
	JO_INDEX_LIVE_ORDER,
	JO_INDEX_STEP_PKEY,
	JO_INDEX_ENDS_PKEY,
	JO_INDEX_ATTEMPT_PKEY,
	JO_INDEX_TIMERS_PKEY,
	JO_INDEX_TIMERS_RUN,
	JO_INDEX_MARKS_PKEY,
	JO_INDEX_WAIT_PKEY,
	JO_INDEX_SIGNAL_RUN,
	JO_INDEX_ITEM_CHUNK_PKEY,
	JO_INDEX_STEP_CACHE_PKEY,
	JO_INDEX_PERMIT_PKEY,
	JO_INDEX_PERMIT_RUN,
	JO_INDEX_SECRET_PKEY,
	JO_INDEX_SECRET_GRANT_PKEY,
	JO_INDEX_ARTIFACT_PKEY,
	JO_INDEX_ARTIFACT_RUN,
	JO_INDEX_ARTIFACT_TODO,
	JO_INDEX_ARTIFACT_CHUNK_PKEY,
	JO_INDEX_WORK_GROUP_PKEY,
	JO_INDEX_WORK_GROUP_QUEUE,
	JO_INDEX_OFFER_PKEY,
	JO_INDEX_OFFER_ORDER,
	JO_INDEX_CLAIM_STEP,
	JO_INDEX_EXTERNAL_REF_PKEY,
	JO_INDEX_QUEUE_GRANT_PKEY,
	JO_INDEX_EGRESS_REFUSAL_PKEY,
	JO_INDEX_SCHEDULE_PKEY,
	JO_INDEX_SCHEDULE_BOOT,
	JO_INDEX_SCHEDULE_STATE_PKEY,
	JO_INDEX_SCHEDULE_DUE,
	JO_INDEX_SCHEDULE_FIRE_PKEY,
	JO_INDEX_SCHEDULE_FIRE_BUFFERED,
	JO_INDEX_QUEUE_PKEY,
	JO_INDEX_QUEUE_NAME,
	JO_INDEX_JOB_PKEY,
	JO_INDEX_JOB_NAME,
	JO_INDEX_JOB_VERSION_PKEY
} JoIndexId;

#define JO_INDEXES (JO_INDEX_JOB_VERSION_PKEY + 1)

/* When a row belongs into an index. */
typedef enum JoIndexWhen
{
	JO_INDEX_ALWAYS,
	JO_INDEX_NOT_NULL,			/* WHERE column IS NOT NULL */
	JO_INDEX_OPERATOR,			/* WHERE column <built-in operator> constant */
	JO_INDEX_BY_EXECUTOR		/* anything else, or a key that is an
								 * expression */
} JoIndexWhen;

/* One index of a table, as far as writing into it needs. */
typedef struct JoIndex
{
	Oid			oid;
	bool		unique;
	JoIndexWhen when;
	AttrNumber	column;			/* NOT_NULL, OPERATOR */
	Datum		constant;		/* OPERATOR */
	FmgrInfo	operator;		/* OPERATOR */
	IndexInfo  *info;			/* NULL for BY_EXECUTOR */
} JoIndex;

/* What this process knows of a table; good while the table is open. */
typedef struct JoTable
{
	Oid			relid;
	bool		stale;			/* set by the relcache callback at any time */
	bool		built;			/* what follows is filled in */
	int			ncolumns;		/* that the library knows */
	int			nindexes;
	JoIndex		indexes[JO_STORE_MAX_INDEXES];
	TupleDesc	descriptors[JO_STORE_MAX_COLUMNS + 1];	/* see jo_store_descriptor */
	MemoryContext context;		/* of IndexInfo, constants, descriptors */
} JoTable;

/* A row, and the position at which the next column is put or taken. */
typedef struct JoTuple
{
	int			n;
	ItemPointerData tid;		/* of a row that was read or written */
	TransactionId xmin;			/* of a row that was read */
	bool		external;		/* of a row that was read: has values in its
								 * toast table */
	Datum		values[JO_STORE_MAX_COLUMNS];
	bool		nulls[JO_STORE_MAX_COLUMNS];
} JoTuple;

/* A scan: of one of the two kinds. */
typedef struct JoScan
{
	Relation	table;
	Relation	index;
	LOCKMODE	lockmode;		/* of the table; AccessShareLock is given back
								 * at the end */
	int			ncolumns;
	Snapshot	snapshot;
	bool		registered;
	IndexScanDesc by_index;
	TableScanDesc whole;
	TupleTableSlot *slot;
} JoScan;

/* ---- store.c ---- */

/* Opens and locks a table; raises ERRCODE_UNDEFINED_TABLE if the extension is not there. */
extern Relation jo_store_open(JoTableId id, LOCKMODE lockmode);

/* What is known of a table that the caller has open. */
extern const JoTable *jo_store_table(JoTableId id);

/*
 * Describes the first ncolumns columns of a table that the caller has open; kept.
 * Good until the table is opened again.
 */
extern TupleDesc jo_store_descriptor(JoTableId id, Relation relation, int ncolumns);

/* Oids by name; raise if missing. No lock is taken. */
extern Oid	jo_store_oid(JoTableId id);
extern Oid	jo_store_index_oid(JoIndexId id);
extern JoTableId jo_store_index_table(JoIndexId id);

/* Marks the time in which a duplicate key is the engine's own; see jo_store_is_own_duplicate. */
extern void jo_store_own_insert(bool begins);

/* ---- store_cache.c ---- */

/* A text that fits into an index entry: itself, or its digest. */
extern const char *jo_store_shorten_key(const char *key);

/* ---- store_output.c ---- */

#define JO_OUTPUT_AS_IT_IS '-'	/* a step's output that is stored unchanged */

/*
 * The result of an SQL step in its short form, for step.form and step.output, and
 * back: byte for byte the same.  Anything else is given back as it is.
 */
extern Jsonb *jo_store_pack_output(Jsonb *output, char *form);
extern Jsonb *jo_store_full_output(char form, Jsonb *stored);

/* ---- store_heap.c ---- */

/*
 * Insert rows and all their index entries; tuple->tid is set.  The row locks
 * are the heap's own, RowExclusiveLock is kept.
 */
extern void jo_store_insert(JoTableId id, JoTuple *tuple);
extern void jo_store_insert_many(JoTableId id, JoTuple *tuples, int n);

/*
 * Delete the row at tuple->tid of an open table, or replace it by tuple's
 * columns (tuple->tid moves along).  They return the heap's word: TM_Ok, or why
 * nothing was done (TM_BeingModified when somebody has the row).  With wait they
 * return only TM_Ok or TM_Deleted and raise for a row that changed meanwhile.
 */
extern TM_Result jo_store_delete(Relation table, const JoTuple *tuple, bool wait);
extern TM_Result jo_store_update(JoTableId id, Relation table, JoTuple *tuple, bool wait);

/*
 * The version at tid, if it is there and the snapshot (registered, or not an
 * MVCC one) sees it.  By-reference columns are copied to the current context.
 */
extern bool jo_store_fetch(Relation table, ItemPointer tid, Snapshot snapshot, JoTuple *tuple);

/*
 * Scans, by index in its order or of the whole table.  A snapshot that is MVCC
 * is kept registered from begin to end.  What tuple points to is good until the
 * next call; the columns' getters below copy.
 */
extern void jo_store_scan_begin(JoScan *scan, JoIndexId index, LOCKMODE lockmode,
								ScanKey keys, int nkeys, Snapshot snapshot);
extern void jo_store_scan_table(JoScan *scan, JoTableId table, LOCKMODE lockmode,
								Snapshot snapshot);
extern bool jo_store_scan_next(JoScan *scan, JoTuple *tuple);
extern void jo_store_scan_end(JoScan *scan);

/* Turns a tuple into a row of the caller's. */
typedef void (*JoTake) (JoTuple *tuple, void *row);

/* The first row with the given key; false if there is none. */
extern bool jo_store_read_one(JoIndexId index, ScanKey keys, int nkeys, Snapshot snapshot,
							  JoTake take, void *row);

/* All rows with the given key, in order, as an allocated array of rows of size bytes. */
extern int	jo_store_read_all(JoIndexId index, ScanKey keys, int nkeys, Snapshot snapshot,
							  JoTake take, Size size, void **rows);

/* Scan keys: column of the index equals value; (column, column + 1, ...) compared as a row. */
extern void jo_store_key_int64(ScanKey key, AttrNumber column, int64 value);
extern void jo_store_key_int32(ScanKey key, AttrNumber column, int32 value);
extern void jo_store_key_int16(ScanKey key, AttrNumber column, int16 value);
extern void jo_store_key_text(ScanKey key, AttrNumber column, const char *value);
extern void jo_store_key_row(ScanKey key, ScanKey members, int nmembers, StrategyNumber strategy);
extern void jo_store_key_member(ScanKey member, AttrNumber column, RegProcedure compare, Datum value);

/* ---- columns of a row, in order ---- */

static inline void
put_datum(JoTuple *tuple, Datum value)
{
	Assert(tuple->n < JO_STORE_MAX_COLUMNS);
	tuple->nulls[tuple->n] = false;
	tuple->values[tuple->n++] = value;
}

static inline void
put_null(JoTuple *tuple)
{
	Assert(tuple->n < JO_STORE_MAX_COLUMNS);
	tuple->nulls[tuple->n] = true;
	tuple->values[tuple->n++] = (Datum) 0;
}

/* A smallint that counts: the highest number stands for more, too. */
static inline void
put_small(JoTuple *tuple, int32 value)
{
	put_datum(tuple, Int16GetDatum(Min(value, PG_INT16_MAX)));
}

/* 0 is SQL NULL: of ids and times that may be absent. */
static inline void
put_int64_or_null(JoTuple *tuple, int64 value)
{
	if (value == 0)
		put_null(tuple);
	else
		put_datum(tuple, Int64GetDatum(value));
}

/* false is SQL NULL, which at a row's end is not stored. */
static inline void
put_true_or_null(JoTuple *tuple, bool value)
{
	if (value)
		put_datum(tuple, BoolGetDatum(true));
	else
		put_null(tuple);
}

static inline void
put_text(JoTuple *tuple, const char *value)
{
	if (value == NULL)
		put_null(tuple);
	else
		put_datum(tuple, CStringGetTextDatum(value));
}

/* jsonb, arrays */
static inline void
put_pointer(JoTuple *tuple, const void *value)
{
	if (value == NULL)
		put_null(tuple);
	else
		put_datum(tuple, PointerGetDatum(value));
}

static inline void
skip_column(JoTuple *tuple)
{
	tuple->n++;
}

/* The getters give 0 or a NULL pointer for SQL NULL and copy what is by reference. */
static inline int64
get_int64(JoTuple *tuple)
{
	int			i = tuple->n++;

	return tuple->nulls[i] ? 0 : DatumGetInt64(tuple->values[i]);
}

static inline int32
get_int32(JoTuple *tuple)
{
	int			i = tuple->n++;

	return tuple->nulls[i] ? 0 : DatumGetInt32(tuple->values[i]);
}

static inline int32
get_int32_or(JoTuple *tuple, int32 missing)
{
	int			i = tuple->n++;

	return tuple->nulls[i] ? missing : DatumGetInt32(tuple->values[i]);
}

static inline int16
get_int16(JoTuple *tuple)
{
	int			i = tuple->n++;

	return tuple->nulls[i] ? 0 : DatumGetInt16(tuple->values[i]);
}

static inline int16
get_int16_or(JoTuple *tuple, int16 missing)
{
	int			i = tuple->n++;

	return tuple->nulls[i] ? missing : DatumGetInt16(tuple->values[i]);
}

static inline Oid
get_oid(JoTuple *tuple)
{
	int			i = tuple->n++;

	return tuple->nulls[i] ? InvalidOid : DatumGetObjectId(tuple->values[i]);
}

static inline bool
get_bool(JoTuple *tuple)
{
	int			i = tuple->n++;

	return tuple->nulls[i] ? false : DatumGetBool(tuple->values[i]);
}

static inline char
get_char(JoTuple *tuple)
{
	int			i = tuple->n++;

	return tuple->nulls[i] ? '\0' : DatumGetChar(tuple->values[i]);
}

static inline char *
get_text(JoTuple *tuple)
{
	int			i = tuple->n++;

	return tuple->nulls[i] ? NULL : TextDatumGetCString(tuple->values[i]);
}

static inline Jsonb *
get_jsonb(JoTuple *tuple)
{
	int			i = tuple->n++;

	return tuple->nulls[i] ? NULL : DatumGetJsonbPCopy(tuple->values[i]);
}

static inline ArrayType *
get_array(JoTuple *tuple)
{
	int			i = tuple->n++;

	return tuple->nulls[i] ? NULL : DatumGetArrayTypePCopy(tuple->values[i]);
}

#endif
