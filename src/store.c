/*
 * store.c
 *		Finds the tables of the store, checks them, and remembers what was found.
 *
 * The store writes rows by their column numbers, without planner or executor;
 * so a table that is not exactly as this library was built for must be refused
 * before a row is formed, and an index that somebody added must be found.  Both
 * are looked up once per process and again after any change, of which the
 * relcache tells: DROP and CREATE EXTENSION in the life of a process included.
 */
#include "postgres.h"

#include "access/heapam.h"
#include "access/transam.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "nodes/primnodes.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#include "errors.h"
#include "store_internal.h"

/* Columns as tables_run.sql, tables_wait.sql, tables_artifact.sql, tables_claim.sql, tables_schedule.sql and tables_definition.sql state them. */
static const Oid run_columns[] = {
	INT8OID, INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, OIDOID, INT4OID,
	INT2OID, TEXTOID, TEXTOID, JSONBOID, TEXTOID, TEXTARRAYOID, JSONBOID,
	TEXTOID, TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8OID, INT4OID, INT2OID, INT2OID,
	JSONBOID, INT8OID, TIMESTAMPTZOID
};
static const Oid live_columns[] = {
	INT8OID, TIMESTAMPTZOID, INT8OID, OIDOID, INT4OID, INT2OID, INT2OID,
	BOOLOID, CHAROID, TIMESTAMPTZOID, TEXTOID, INT8OID, INT4OID, INT2OID, BOOLOID, BOOLOID
};
static const Oid step_columns[] = {
	INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT4OID, INT2OID, INT2OID, INT2OID,
	CHAROID, CHAROID, JSONBOID, INT4OID, JSONBOID
};
static const Oid ends_columns[] = {
	INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT2OID, INT2OID, INT2OID, INT2OID,
	CHAROID, JSONBOID, JSONBOID
};
static const Oid attempt_columns[] = {
	INT8OID, INT4OID, INT4OID, INT4OID, INT4OID, CHAROID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, TIMESTAMPTZOID, JSONBOID, JSONBOID
};
static const Oid timers_columns[] = {
	TIMESTAMPTZOID, INT8OID, INT4OID, INT4OID, CHAROID, INT4OID
};
static const Oid marks_columns[] = {
	INT8OID, INT4OID, INT4OID, INT4OID, INT4OID
};
static const Oid wait_columns[] = {
	INT8OID, TIMESTAMPTZOID, INT4OID, INT4OID, INT4OID, CHAROID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, INT8OID, TEXTOID, JSONBOID
};
static const Oid signal_columns[] = {
	INT8OID, INT8OID, TIMESTAMPTZOID, CHAROID, TEXTOID, TEXTOID, INT4OID, INT4OID,
	JSONBOID, TEXTOID, TIMESTAMPTZOID, INT4OID, INT4OID
};
static const Oid item_chunk_columns[] = {
	INT8OID, INT4OID, INT4OID, JSONBOID
};
static const Oid step_cache_columns[] = {
	INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, JSONBOID
};
static const Oid permit_columns[] = {
	INT8OID, TIMESTAMPTZOID, INT4OID, INT4OID, BOOLOID, TEXTOID
};
static const Oid artifact_columns[] = {
	INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID, OIDOID, INT4OID, INT4OID,
	INT4OID, CHAROID, CHAROID, CHAROID, BOOLOID, TEXTOID, TEXTOID, TEXTOID, INT8OID,
	TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID
};
static const Oid artifact_chunk_columns[] = {
	INT8OID, INT4OID, BYTEAOID
};
static const Oid work_group_columns[] = {
	INT8OID, OIDOID, TEXTOID, TEXTOID, TEXTOID
};
static const Oid offer_columns[] = {
	INT8OID, TIMESTAMPTZOID, INT8OID, INT4OID, INT4OID, INT2OID, INT2OID
};
static const Oid claim_columns[] = {
	INT8OID, INT8OID, TIMESTAMPTZOID, INT8OID, INT4OID, INT4OID, INT4OID, INT2OID, INT2OID, CHAROID,
	BYTEAOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID
};
static const Oid external_ref_columns[] = {
	INT8OID, INT4OID, INT4OID, TEXTOID
};
static const Oid queue_grant_columns[] = {
	TEXTOID, TEXTOID
};
static const Oid secret_columns[] = {
	INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, OIDOID, OIDOID, INT4OID, TEXTOID, BYTEAOID, TEXTOID, TEXTOID
};
static const Oid secret_grant_columns[] = {
	TIMESTAMPTZOID, OIDOID, TEXTOID
};
static const Oid egress_rule_columns[] = {
	INT8OID, OIDOID, BOOLOID, BOOLOID, BOOLOID, INT4OID, INT4OID, INT4OID, INT4OID, FLOAT8OID,
	TEXTOID, TEXTARRAYOID
};
static const Oid egress_refusal_columns[] = {
	INT8OID, TIMESTAMPTZOID, INT8OID, INT4OID, OIDOID, INT4OID, INT4OID, TEXTOID, TEXTOID, TEXTOID,
	TEXTOID, TEXTOID, TEXTOID
};
static const Oid schedule_columns[] = {
	INT8OID, TEXTOID, INT8OID, INT8OID, OIDOID, TEXTOID, TEXTOID, INT4OID, JSONBOID, CHAROID,
	INTERVALOID, INT2OID, INT4OID, INT8OID, INT4OID, JSONBOID, TEXTARRAYOID, JSONBOID, TEXTOID,
	BOOLOID, BOOLOID, TIMESTAMPTZOID, TIMESTAMPTZOID
};
static const Oid schedule_state_columns[] = {
	INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID, INT4OID, INT4OID,
	INT8ARRAYOID
};
static const Oid schedule_fire_columns[] = {
	INT8OID, TIMESTAMPTZOID, INT8OID, TIMESTAMPTZOID, INT8OID, CHAROID, TEXTOID, TEXTOID
};
static const Oid instance_columns[] = {
	INT8OID, OIDOID, BOOLOID
};
static const Oid queue_columns[] = {
	INT4OID, TEXTOID, BOOLOID
};
static const Oid job_columns[] = {
	INT8OID, TEXTOID, OIDOID, TEXTOID, INT8OID, BOOLOID, TEXTOID, TEXTOID, BOOLOID
};
static const Oid job_version_columns[] = {
	INT8OID, INT8OID, INT4OID, OIDOID, JSONBOID
};

typedef struct TableSpec
{
	const char *name;
	const Oid  *columns;
	int			ncolumns;
	bool		written;		/* must have exactly these columns; else at
								 * least */
} TableSpec;

#define COLUMNS(c) c, lengthof(c)

static const TableSpec specs[JO_TABLES] = {
	[JO_TABLE_RUN] = {"run", COLUMNS(run_columns), true},
	[JO_TABLE_LIVE] = {"live", COLUMNS(live_columns), true},
	[JO_TABLE_STEP] = {"step", COLUMNS(step_columns), true},
	[JO_TABLE_ENDS] = {"ends", COLUMNS(ends_columns), true},
	[JO_TABLE_ATTEMPT] = {"attempt", COLUMNS(attempt_columns), true},
	[JO_TABLE_TIMERS] = {"timers", COLUMNS(timers_columns), true},
	[JO_TABLE_MARKS] = {"marks", COLUMNS(marks_columns), true},
	[JO_TABLE_WAIT] = {"wait", COLUMNS(wait_columns), true},
	[JO_TABLE_SIGNAL] = {"signal", COLUMNS(signal_columns), true},
	[JO_TABLE_ITEM_CHUNK] = {"item_chunk", COLUMNS(item_chunk_columns), true},
	[JO_TABLE_STEP_CACHE] = {"step_cache", COLUMNS(step_cache_columns), true},
	[JO_TABLE_PERMIT] = {"permit", COLUMNS(permit_columns), true},
	[JO_TABLE_ARTIFACT] = {"artifact", COLUMNS(artifact_columns), true},
	[JO_TABLE_ARTIFACT_CHUNK] = {"artifact_chunk", COLUMNS(artifact_chunk_columns), true},
	[JO_TABLE_WORK_GROUP] = {"work_group", COLUMNS(work_group_columns), true},
	[JO_TABLE_OFFER] = {"offer", COLUMNS(offer_columns), true},
	[JO_TABLE_CLAIM] = {"claim", COLUMNS(claim_columns), true},
	[JO_TABLE_EXTERNAL_REF] = {"external_ref", COLUMNS(external_ref_columns), true},
	[JO_TABLE_QUEUE_GRANT] = {"queue_grant", COLUMNS(queue_grant_columns), false},
	[JO_TABLE_SECRET] = {"secret", COLUMNS(secret_columns), false},
	[JO_TABLE_SECRET_GRANT] = {"secret_grant", COLUMNS(secret_grant_columns), false},
	[JO_TABLE_EGRESS_RULE] = {"egress_rule", COLUMNS(egress_rule_columns), false},
	[JO_TABLE_EGRESS_REFUSAL] = {"egress_refusal", COLUMNS(egress_refusal_columns), true},
	[JO_TABLE_EGRESS_REFUSAL_SEQ] = {"egress_refusal_seq", NULL, 0, false},
	[JO_TABLE_SCHEDULE] = {"schedule", COLUMNS(schedule_columns), false},
	[JO_TABLE_SCHEDULE_STATE] = {"schedule_state", COLUMNS(schedule_state_columns), true},
	[JO_TABLE_SCHEDULE_FIRE] = {"schedule_fire", COLUMNS(schedule_fire_columns), true},
	[JO_TABLE_INSTANCE] = {"instance", COLUMNS(instance_columns), true},
	[JO_TABLE_QUEUE] = {"queue", COLUMNS(queue_columns), false},
	[JO_TABLE_JOB] = {"job", COLUMNS(job_columns), false},
	[JO_TABLE_JOB_VERSION] = {"job_version", COLUMNS(job_version_columns), false},
	[JO_TABLE_ARTIFACT_ID_SEQ] = {"artifact_id_seq", NULL, 0, false},
	[JO_TABLE_RUN_ID_SEQ] = {"run_id_seq", NULL, 0, false},
};

static const struct
{
	const char *name;
	JoTableId	table;
}			index_specs[JO_INDEXES] = {
	[JO_INDEX_RUN_PKEY] = {"run_pkey", JO_TABLE_RUN},
	[JO_INDEX_LIVE_PKEY] = {"live_pkey", JO_TABLE_LIVE},
	[JO_INDEX_LIVE_ORDER] = {"live_order", JO_TABLE_LIVE},
	[JO_INDEX_STEP_PKEY] = {"step_pkey", JO_TABLE_STEP},
	[JO_INDEX_ENDS_PKEY] = {"ends_pkey", JO_TABLE_ENDS},
	[JO_INDEX_ATTEMPT_PKEY] = {"attempt_pkey", JO_TABLE_ATTEMPT},
	[JO_INDEX_TIMERS_PKEY] = {"timers_pkey", JO_TABLE_TIMERS},
	[JO_INDEX_TIMERS_RUN] = {"timers_run", JO_TABLE_TIMERS},
	[JO_INDEX_MARKS_PKEY] = {"marks_pkey", JO_TABLE_MARKS},
	[JO_INDEX_WAIT_PKEY] = {"wait_pkey", JO_TABLE_WAIT},
	[JO_INDEX_SIGNAL_RUN] = {"signal_run", JO_TABLE_SIGNAL},
	[JO_INDEX_ITEM_CHUNK_PKEY] = {"item_chunk_pkey", JO_TABLE_ITEM_CHUNK},
	[JO_INDEX_STEP_CACHE_PKEY] = {"step_cache_pkey", JO_TABLE_STEP_CACHE},
	[JO_INDEX_PERMIT_PKEY] = {"permit_pkey", JO_TABLE_PERMIT},
	[JO_INDEX_PERMIT_RUN] = {"permit_run", JO_TABLE_PERMIT},
	[JO_INDEX_ARTIFACT_PKEY] = {"artifact_pkey", JO_TABLE_ARTIFACT},
	[JO_INDEX_ARTIFACT_RUN] = {"artifact_run", JO_TABLE_ARTIFACT},
	[JO_INDEX_ARTIFACT_TODO] = {"artifact_todo", JO_TABLE_ARTIFACT},
	[JO_INDEX_ARTIFACT_CHUNK_PKEY] = {"artifact_chunk_pkey", JO_TABLE_ARTIFACT_CHUNK},
	[JO_INDEX_WORK_GROUP_PKEY] = {"work_group_pkey", JO_TABLE_WORK_GROUP},
	[JO_INDEX_WORK_GROUP_QUEUE] = {"work_group_queue", JO_TABLE_WORK_GROUP},
	[JO_INDEX_OFFER_PKEY] = {"offer_pkey", JO_TABLE_OFFER},
	[JO_INDEX_OFFER_ORDER] = {"offer_order", JO_TABLE_OFFER},
	[JO_INDEX_CLAIM_STEP] = {"claim_step", JO_TABLE_CLAIM},
	[JO_INDEX_EXTERNAL_REF_PKEY] = {"external_ref_pkey", JO_TABLE_EXTERNAL_REF},
	[JO_INDEX_QUEUE_GRANT_PKEY] = {"queue_grant_pkey", JO_TABLE_QUEUE_GRANT},
	[JO_INDEX_SECRET_PKEY] = {"secret_pkey", JO_TABLE_SECRET},
	[JO_INDEX_SECRET_GRANT_PKEY] = {"secret_grant_pkey", JO_TABLE_SECRET_GRANT},
	[JO_INDEX_EGRESS_REFUSAL_PKEY] = {"egress_refusal_pkey", JO_TABLE_EGRESS_REFUSAL},
	[JO_INDEX_SCHEDULE_PKEY] = {"schedule_pkey", JO_TABLE_SCHEDULE},
	[JO_INDEX_SCHEDULE_BOOT] = {"schedule_boot", JO_TABLE_SCHEDULE},
	[JO_INDEX_SCHEDULE_STATE_PKEY] = {"schedule_state_pkey", JO_TABLE_SCHEDULE_STATE},
	[JO_INDEX_SCHEDULE_DUE] = {"schedule_due", JO_TABLE_SCHEDULE_STATE},
	[JO_INDEX_SCHEDULE_FIRE_PKEY] = {"schedule_fire_pkey", JO_TABLE_SCHEDULE_FIRE},
	[JO_INDEX_SCHEDULE_FIRE_BUFFERED] = {"schedule_fire_buffered", JO_TABLE_SCHEDULE_FIRE},
	[JO_INDEX_QUEUE_PKEY] = {"queue_pkey", JO_TABLE_QUEUE},
	[JO_INDEX_QUEUE_NAME] = {"queue_name_key", JO_TABLE_QUEUE},
	[JO_INDEX_JOB_PKEY] = {"job_pkey", JO_TABLE_JOB},
	[JO_INDEX_JOB_NAME] = {"job_name_key", JO_TABLE_JOB},
	[JO_INDEX_JOB_VERSION_PKEY] = {"job_version_pkey", JO_TABLE_JOB_VERSION},
};

static JoTable tables[JO_TABLES];

/* Oids of index_specs; filled when their table is built, good as long as it is. */
static Oid	index_oids[JO_INDEXES];

static bool own_insert;

/* ---- what the relcache tells ---- */

/* May come at any lock: only marks, since the entries may be in use. */
static void
forget_tables(Datum argument, Oid relid)
{
	int			i;

	(void) argument;
	for (i = 0; i < JO_TABLES; i++)
	{
		JoTable    *table = &tables[i];
		bool		hit = !OidIsValid(relid) || table->relid == relid;
		int			j;

		for (j = 0; j < table->nindexes && !hit; j++)
			hit = table->indexes[j].oid == relid;
		if (hit)
			table->stale = true;
	}
}

/* Looks a name up; InvalidOid if it is not there. Remembers what it finds. */
static Oid
find_table(JoTableId id)
{
	static bool registered = false;
	JoTable    *table = &tables[id];
	Oid			namespace;

	if (OidIsValid(table->relid) && !table->stale)
		return table->relid;
	if (!registered)
	{
		CacheRegisterRelcacheCallback(forget_tables, (Datum) 0);
		registered = true;
	}
	table->built = false;
	table->stale = false;
	table->relid = InvalidOid;
	namespace = get_namespace_oid(JO_INTERNAL_SCHEMA, true);
	if (OidIsValid(namespace))
		table->relid = get_relname_relid(specs[id].name, namespace);
	return table->relid;
}

/*
 * True when all tables are there.  Needs a transaction, takes no lock, raises
 * nothing but what a catalog look-up may.
 */
bool
jo_store_exists(void)
{
	int			i;

	for (i = 0; i < JO_TABLES; i++)
	{
		if (!OidIsValid(find_table((JoTableId) i)))
			return false;
	}
	return true;
}

Oid
jo_store_incarnation(void)
{
	return find_table(JO_TABLE_LIVE);
}

Oid
jo_store_oid(JoTableId id)
{
	Oid			relid = find_table(id);

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s.%s\" does not exist",
						JO_INTERNAL_SCHEMA, specs[id].name),
				 errhint("The extension is not installed in this database: CREATE EXTENSION %s;",
						 JO_EXTENSION)));
	return relid;
}

/* ---- what is known of a table ---- */

/* A table of another version of the extension must not be written by position. */
static void
check_table(JoTableId id, Relation relation)
{
	const TableSpec *spec = &specs[id];
	TupleDesc	desc = RelationGetDescr(relation);
	bool		fits = desc->natts == spec->ncolumns ||
	(!spec->written && desc->natts > spec->ncolumns);
	int			i;

	for (i = 0; i < spec->ncolumns && fits; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		fits = !column->attisdropped && column->atttypid == spec->columns[i];
	}
	if (!fits || relation->rd_rel->relkind != RELKIND_RELATION ||
		relation->rd_rel->relam != HEAP_TABLE_AM_OID)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s.%s\" is not the one that this joborch library knows",
						JO_INTERNAL_SCHEMA, spec->name),
				 errdetail("It has %d columns; the library knows a heap table of %d.",
						   desc->natts, spec->ncolumns),
				 errhint("Run ALTER EXTENSION %s UPDATE; if that was done already, restart the server to load the new library.",
						 JO_EXTENSION)));
}

/*
 * The two forms of predicates that our own indexes have are tested here in a
 * few ns; what else someone may have added is left to the executor.
 */
static void
classify_predicate(JoIndex *index, List *predicate)
{
	Node	   *clause;

	index->when = JO_INDEX_BY_EXECUTOR;
	if (list_length(predicate) != 1)
		return;
	clause = (Node *) linitial(predicate);
	if (IsA(clause, NullTest))
	{
		NullTest   *test = (NullTest *) clause;

		if (IsA(test->arg, Var) && test->nulltesttype == IS_NOT_NULL && !test->argisrow)
		{
			index->column = ((Var *) test->arg)->varattno;
			index->when = JO_INDEX_NOT_NULL;
		}
	}
	else if (IsA(clause, OpExpr) && list_length(((OpExpr *) clause)->args) == 2)
	{
		OpExpr	   *op = (OpExpr *) clause;
		Node	   *left = (Node *) linitial(op->args);
		Node	   *right = (Node *) lsecond(op->args);

		if (IsA(left, Var) && IsA(right, Const) && !((Const *) right)->constisnull &&
			((Const *) right)->constbyval && !OidIsValid(op->inputcollid) &&
			op->opfuncid < FirstNormalObjectId && func_strict(op->opfuncid))
		{
			index->column = ((Var *) left)->varattno;
			index->constant = ((Const *) right)->constvalue;
			fmgr_info_cxt(op->opfuncid, &index->operator, CurrentMemoryContext);
			index->when = JO_INDEX_OPERATOR;
		}
	}
	if (index->when != JO_INDEX_BY_EXECUTOR && index->column <= 0)
		index->when = JO_INDEX_BY_EXECUTOR;
}

/* Current memory context: the table's. */
static void
build_index(JoIndex *index, Oid oid)
{
	Relation	relation = index_open(oid, AccessShareLock);
	IndexInfo  *info = BuildIndexInfo(relation);

	if (info->ii_ExclusionOps != NULL || (info->ii_Unique && !relation->rd_index->indimmediate))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("index \"%s\" has an exclusion or a deferrable constraint on a table of joborch",
						RelationGetRelationName(relation)),
				 errhint("Drop the constraint: joborch writes its tables without the executor.")));
	index->oid = oid;
	index->unique = info->ii_Unique;
	index->when = JO_INDEX_ALWAYS;
	index->info = info;
	if (info->ii_Predicate != NIL)
		classify_predicate(index, info->ii_Predicate);
	if (info->ii_Expressions != NIL)
		index->when = JO_INDEX_BY_EXECUTOR;
	if (index->when == JO_INDEX_BY_EXECUTOR)
		index->info = NULL;
	index_close(relation, AccessShareLock);
}

static void
build_indexes(JoTableId id, Relation relation)
{
	JoTable    *table = &tables[id];
	MemoryContext old;
	List	   *oids;
	ListCell   *cell;
	int			i;

	if (table->context == NULL)
		table->context = AllocSetContextCreate(CacheMemoryContext, "joborch table",
											   ALLOCSET_SMALL_SIZES);
	table->nindexes = 0;
	memset(table->descriptors, 0, sizeof(table->descriptors));
	MemoryContextReset(table->context);
	old = MemoryContextSwitchTo(table->context);
	oids = RelationGetIndexList(relation);
	if (list_length(oids) > JO_STORE_MAX_INDEXES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("table \"%s.%s\" has too many indexes", JO_INTERNAL_SCHEMA, specs[id].name),
				 errdetail("It has %d, joborch can write %d.",
						   list_length(oids), JO_STORE_MAX_INDEXES)));
	foreach(cell, oids)
	{
		build_index(&table->indexes[table->nindexes], lfirst_oid(cell));
		if (table->indexes[table->nindexes].info == NULL ||
			table->indexes[table->nindexes].info->ii_ReadyForInserts)
			table->nindexes++;
	}
	MemoryContextSwitchTo(old);
	for (i = 0; i < JO_INDEXES; i++)
	{
		if (index_specs[i].table == id)
			index_oids[i] = get_relname_relid(index_specs[i].name,
											  RelationGetNamespace(relation));
	}
}

/*
 * Opens a table with the given lock.  What is remembered is looked at only
 * after the lock is held: what a lock for writing lets others do to the indexes
 * (CREATE INDEX CONCURRENTLY) waits for our transaction before it matters.
 */
Relation
jo_store_open(JoTableId id, LOCKMODE lockmode)
{
	JoTable    *table = &tables[id];
	Relation	relation;

	for (;;)
	{
		Oid			relid = jo_store_oid(id);

		LockRelationOid(relid, lockmode);
		if (!table->stale || find_table(id) == relid)
			break;
		UnlockRelationOid(relid, lockmode);
	}
	relation = table_open(table->relid, NoLock);
	if (!table->built)
	{
		check_table(id, relation);
		build_indexes(id, relation);
		table->ncolumns = specs[id].ncolumns;
		table->built = true;
	}
	return relation;
}

const JoTable *
jo_store_table(JoTableId id)
{
	Assert(tables[id].built);
	return &tables[id];
}

TupleDesc
jo_store_descriptor(JoTableId id, Relation relation, int ncolumns)
{
	JoTable    *table = &tables[id];
	TupleDesc	descriptor = table->descriptors[ncolumns];

	Assert(table->built && ncolumns <= JO_STORE_MAX_COLUMNS);
	if (descriptor == NULL)
	{
		MemoryContext old = MemoryContextSwitchTo(table->context);
		int			i;

		descriptor = CreateTemplateTupleDesc(ncolumns);
		for (i = 1; i <= ncolumns; i++)
			TupleDescCopyEntry(descriptor, i, RelationGetDescr(relation), i);
		table->descriptors[ncolumns] = descriptor;
		MemoryContextSwitchTo(old);
	}
	return descriptor;
}

JoTableId
jo_store_index_table(JoIndexId id)
{
	return index_specs[id].table;
}

Oid
jo_store_index_oid(JoIndexId id)
{
	if (!OidIsValid(index_oids[id]))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("index \"%s.%s\" does not exist", JO_INTERNAL_SCHEMA, index_specs[id].name),
				 errhint("Create it again as the installation script of the extension does.")));
	return index_oids[id];
}

/* ---- snapshots and errors ---- */

Snapshot
jo_store_latest(void)
{
	return GetLatestSnapshot();
}

void
jo_store_own_insert(bool begins)
{
	own_insert = begins;
}

bool
jo_store_is_own_duplicate(const ErrorData *error)
{
	bool		own = own_insert;

	own_insert = false;
	return own && error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION &&
		error->schema_name != NULL && error->constraint_name != NULL &&
		strcmp(error->schema_name, JO_INTERNAL_SCHEMA) == 0 &&
		(strcmp(error->constraint_name, index_specs[JO_INDEX_STEP_PKEY].name) == 0 ||
		 strcmp(error->constraint_name, index_specs[JO_INDEX_ENDS_PKEY].name) == 0);
}
