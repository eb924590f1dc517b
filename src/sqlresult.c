/*
 * sqlresult.c
 *		Where the rows of a step's last statement go: into its JSON result.
 *
 * A DestReceiver of our own, so that a million rows are never held as rows: each
 * is converted when it comes and counted against the limit.  The order of the keys
 * that jsonb wants is found once per result, not per row.  Touches memory only
 * (and the catalogs for what types the columns have).
 */
#include "joborch.h"

#include "catalog/pg_type.h"
#include "errors.h"
#include "executor/tuptable.h"
#include "jsonbuild.h"
#include "nodes/makefuncs.h"
#include "spill.h"
#include "sqlresult.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/numeric.h"

/* Bytes of a jsonb beside the data: entries of key and value, and of a row. */
#define PAIR_BYTES (2 * sizeof(JEntry))
#define ROW_BYTES (sizeof(JEntry) + sizeof(uint32))

/* What jsonb can hold in one array. */
#define ITEMS_BYTES ((Size) 255 * 1024 * 1024)

typedef struct ResultColumn
{
	int			attribute;		/* in the row, from 0 */
	const char *name;
	int			name_length;
	Oid			base_type;
	FmgrInfo	to_jsonb;		/* for what has no short way */
} ResultColumn;

typedef struct ResultReceiver
{
	DestReceiver pub;
	MemoryContext context;
	bool		keep_rows;
	int			max_rows;		/* 0: as many as fit */
	uint64		received;
	Size		bytes;
	Size		limit;
	int			ncolumns;		/* names that differ */
	ResultColumn *columns;		/* in the order jsonb keeps keys */
	bool		reordered;		/* the first column is not the first key */
	int			nrows;
	int			capacity;
	JsonbValue *rows;
} ResultReceiver;

static void
raise_too_large(const ResultReceiver *receiver)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_RESULT_TOO_LARGE),
			 errmsg("result of the step is too large"),
			 receiver->max_rows > 0 ?
			 errdetail("More than %zu kB of rows, which is what jsonb can hold, at row " UINT64_FORMAT ".",
					   receiver->limit / 1024, receiver->received) :
			 errdetail("More than %zu kB of rows (joborch.max_result), at row " UINT64_FORMAT ".",
					   receiver->limit / 1024, receiver->received),
			 errhint("Aggregate, add LIMIT, store the rows in a table, or set \"output\": \"none\" on the step.")));
}

static void
add_bytes(ResultReceiver *receiver, Size bytes)
{
	receiver->bytes += bytes;
	if (receiver->bytes > receiver->limit)
		raise_too_large(receiver);
}

/* ---- columns ---- */

/* jsonb's order of keys; of the same name the last column comes first. */
static int
compare_columns(const void *a, const void *b)
{
	const ResultColumn *left = a;
	const ResultColumn *right = b;
	int			order;

	if (left->name_length != right->name_length)
		return left->name_length - right->name_length;
	order = memcmp(left->name, right->name, left->name_length);
	return order != 0 ? order : right->attribute - left->attribute;
}

static bool
has_short_way(Oid base_type)
{
	switch (base_type)
	{
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case NUMERICOID:
		case BOOLOID:
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
		case JSONBOID:
			return true;
		default:
			return false;
	}
}

static void
fill_column(ResultColumn *column, int attribute, Form_pg_attribute form)
{
	column->attribute = attribute;
	column->name = pstrdup(NameStr(form->attname));
	column->name_length = strlen(column->name);
	column->base_type = form->atttypid;
	if (has_short_way(column->base_type))
		return;
	column->base_type = getBaseType(form->atttypid);
	if (has_short_way(column->base_type))
		return;
	/* to_jsonb() asks the call's expression for its argument's type */
	fmgr_info_cxt(F_TO_JSONB, &column->to_jsonb, CurrentMemoryContext);
	column->to_jsonb.fn_expr = (Node *)
		makeFuncExpr(F_TO_JSONB, JSONBOID,
					 list_make1(makeNullConst(form->atttypid, form->atttypmod, form->attcollation)),
					 InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

static void
startup_result(DestReceiver *self, int operation pg_attribute_unused(), TupleDesc descriptor)
{
	ResultReceiver *receiver = (ResultReceiver *) self;
	MemoryContext caller;
	int			first = PG_INT32_MAX;
	int			n = 0;
	int			i;

	if (!receiver->keep_rows)
		return;
	caller = MemoryContextSwitchTo(receiver->context);
	receiver->columns = palloc0(sizeof(ResultColumn) * Max(descriptor->natts, 1));
	for (i = 0; i < descriptor->natts; i++)
		fill_column(&receiver->columns[i], i, TupleDescAttr(descriptor, i));
	if (descriptor->natts > 1)
		qsort(receiver->columns, descriptor->natts, sizeof(ResultColumn), compare_columns);
	for (i = 0; i < descriptor->natts; i++)
	{
		const ResultColumn *column = &receiver->columns[i];

		if (n > 0 && column->name_length == receiver->columns[n - 1].name_length &&
			memcmp(column->name, receiver->columns[n - 1].name, column->name_length) == 0)
			continue;			/* named twice: the last one stays */
		first = Min(first, column->attribute);
		receiver->columns[n++] = *column;
	}
	receiver->ncolumns = n;
	receiver->reordered = n > 0 && receiver->columns[0].attribute != first;
	MemoryContextSwitchTo(caller);
}

/* ---- rows ---- */

static void
set_text(JsonbValue *value, Datum datum)
{
	struct varlena *packed = PG_DETOAST_DATUM_PACKED(datum);
	int			length = VARSIZE_ANY_EXHDR(packed);

	value->type = jbvString;
	value->val.string.len = length;
	value->val.string.val = palloc(length + 1);
	memcpy(value->val.string.val, VARDATA_ANY(packed), length);
}

static void
set_numeric(JsonbValue *value, Datum datum)
{
	Numeric		number = DatumGetNumericCopy(datum);

	if (numeric_is_nan(number) || numeric_is_inf(number))
	{
		/* JSON has no such numbers; to_jsonb() makes texts of them, too */
		jo_jsonb_string_value(value,
							  DatumGetCString(DirectFunctionCall1(numeric_out,
																  NumericGetDatum(number))));
		return;
	}
	value->type = jbvNumeric;
	value->val.numeric = number;
}

static void
set_jsonb(ResultReceiver *receiver, JsonbValue *value, Datum datum)
{
	Jsonb	   *copy = DatumGetJsonbPCopy(datum);

	if (VARSIZE(copy) > receiver->limit)
		raise_too_large(receiver);
	jo_jsonb_to_value(copy, value);
	if (value->type >= jbvArray)
		add_bytes(receiver, VARSIZE(copy));
}

static void
set_value(ResultReceiver *receiver, ResultColumn *column, JsonbValue *value, Datum datum)
{
	switch (column->base_type)
	{
		case INT2OID:
			jo_jsonb_int_value(value, DatumGetInt16(datum));
			break;
		case INT4OID:
			jo_jsonb_int_value(value, DatumGetInt32(datum));
			break;
		case INT8OID:
			jo_jsonb_int_value(value, DatumGetInt64(datum));
			break;
		case NUMERICOID:
			set_numeric(value, datum);
			break;
		case BOOLOID:
			value->type = jbvBool;
			value->val.boolean = DatumGetBool(datum);
			break;
		case TEXTOID:
		case VARCHAROID:
		case BPCHAROID:
			set_text(value, datum);
			break;
		case JSONBOID:
			set_jsonb(receiver, value, datum);
			break;
		default:
			set_jsonb(receiver, value, FunctionCall1(&column->to_jsonb, datum));
			break;
	}
}

static Size
measure_value(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return value->val.string.len;
		case jbvNumeric:
			return VARSIZE_ANY(value->val.numeric);
		default:
			return 0;			/* in the entry, or counted by set_jsonb() */
	}
}

static JsonbValue *
add_row(ResultReceiver *receiver)
{
	if (receiver->nrows == receiver->capacity)
	{
		if (receiver->capacity == 0)
			receiver->rows = palloc(sizeof(JsonbValue) * 8);
		else
			receiver->rows = repalloc_huge(receiver->rows,
										   sizeof(JsonbValue) * receiver->capacity * 2);
		receiver->capacity = receiver->capacity == 0 ? 8 : receiver->capacity * 2;
	}
	return &receiver->rows[receiver->nrows++];
}

static void
keep_row(ResultReceiver *receiver, TupleTableSlot *slot)
{
	JsonbValue *row = add_row(receiver);
	Size		bytes = ROW_BYTES;
	int			i;

	row->type = jbvObject;
	row->val.object.nPairs = receiver->ncolumns;
	row->val.object.pairs = palloc(sizeof(JsonbPair) * Max(receiver->ncolumns, 1));
	for (i = 0; i < receiver->ncolumns; i++)
	{
		ResultColumn *column = &receiver->columns[i];
		JsonbPair  *pair = &row->val.object.pairs[i];

		pair->key.type = jbvString;
		pair->key.val.string.val = unconstify(char *, column->name);
		pair->key.val.string.len = column->name_length;
		pair->order = i;
		if (slot->tts_isnull[column->attribute])
			pair->value.type = jbvNull;
		else
			set_value(receiver, column, &pair->value, slot->tts_values[column->attribute]);
		bytes += PAIR_BYTES + column->name_length + measure_value(&pair->value);
	}
	add_bytes(receiver, bytes);
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	ResultReceiver *receiver = (ResultReceiver *) self;
	MemoryContext caller;

	receiver->received++;
	if (receiver->max_rows > 0 && receiver->received > (uint64) receiver->max_rows)
		ereport(ERROR,
				(errcode(ERRCODE_JO_ITEMS),
				 errmsg("query gives too many items"),
				 errdetail("It gives more than %d rows.", receiver->max_rows),
				 errhint("Let each item stand for a group of rows, or split the work over several runs.")));
	if (!receiver->keep_rows)
		return true;
	slot_getallattrs(slot);
	caller = MemoryContextSwitchTo(receiver->context);
	keep_row(receiver, slot);
	MemoryContextSwitchTo(caller);
	return true;
}

/* The rows are taken by jo_sqlresult_finish(), the memory goes with its context. */
static void
shutdown_result(DestReceiver *self pg_attribute_unused())
{
}

DestReceiver *
jo_sqlresult_create(bool keep_rows)
{
	ResultReceiver *receiver = palloc0(sizeof(ResultReceiver));

	receiver->pub.receiveSlot = receive_row;
	receiver->pub.rStartup = startup_result;
	receiver->pub.rShutdown = shutdown_result;
	receiver->pub.rDestroy = shutdown_result;
	receiver->pub.mydest = DestTuplestore;
	receiver->context = CurrentMemoryContext;
	receiver->keep_rows = keep_rows;
	receiver->limit = jo_spill_limit();
	return &receiver->pub;
}

static void
add_pair(JsonbValue *object, const char *key, const JsonbValue *value)
{
	JsonbPair  *pair = &object->val.object.pairs[object->val.object.nPairs];

	jo_jsonb_string_value(&pair->key, key);
	pair->value = *value;
	pair->order = object->val.object.nPairs++;
}

static int
compare_attributes(const void *a, const void *b)
{
	return ((const ResultColumn *) a)->attribute - ((const ResultColumn *) b)->attribute;
}

/* The names in the columns' own order, for who wants the first column. */
static void
add_columns(ResultReceiver *receiver, JsonbValue *object)
{
	JsonbValue	list;
	int			i;

	qsort(receiver->columns, receiver->ncolumns, sizeof(ResultColumn), compare_attributes);
	list.type = jbvArray;
	list.val.array.rawScalar = false;
	list.val.array.nElems = receiver->ncolumns;
	list.val.array.elems = palloc(sizeof(JsonbValue) * receiver->ncolumns);
	for (i = 0; i < receiver->ncolumns; i++)
		jo_jsonb_string_value(&list.val.array.elems[i], receiver->columns[i].name);
	add_pair(object, "columns", &list);
}

/*
 * The same for rows that do not stay in one piece: many, however large together.
 */
DestReceiver *
jo_sqlresult_create_items(int max_rows)
{
	ResultReceiver *receiver = (ResultReceiver *) jo_sqlresult_create(true);

	receiver->limit = ITEMS_BYTES;
	receiver->max_rows = max_rows;
	return &receiver->pub;
}

/* Pairs are added in jsonb's order of keys, which nothing sorts here. */
Jsonb *
jo_sqlresult_finish(DestReceiver *self, uint64 processed, const char *command)
{
	ResultReceiver *receiver = (ResultReceiver *) self;
	MemoryContext caller = MemoryContextSwitchTo(receiver->context);
	JsonbPair	pairs[4];
	JsonbValue	object;
	JsonbValue	value;
	Jsonb	   *result;

	object.type = jbvObject;
	object.val.object.nPairs = 0;
	object.val.object.pairs = pairs;
	if (receiver->keep_rows)
	{
		value.type = jbvArray;
		value.val.array.rawScalar = false;
		value.val.array.nElems = receiver->nrows;
		value.val.array.elems = receiver->rows;
		add_pair(&object, "rows", &value);
	}
	if (receiver->reordered && receiver->nrows > 0)
		add_columns(receiver, &object);
	jo_jsonb_string_value(&value, command);
	add_pair(&object, "command", &value);
	jo_jsonb_int_value(&value, (int64) Max(processed, receiver->received));
	add_pair(&object, "row_count", &value);
	result = JsonbValueToJsonb(&object);
	MemoryContextSwitchTo(caller);
	return result;
}

/* ---- what is in a result ---- */

Jsonb *
jo_sqlresult_first_row(Jsonb *result)
{
	JsonbValue	rows;
	JsonbValue *row;

	if (result == NULL || !jo_jsonb_member(&result->root, "rows", 4, &rows) ||
		rows.type != jbvBinary || !JsonContainerIsArray(rows.val.binary.data))
		return NULL;
	row = getIthJsonbValueFromContainer(rows.val.binary.data, 0);
	return row != NULL ? jo_jsonb_from_value(row) : NULL;
}

/*
 * jsonb keeps names in an order of its own; where that begins with another column,
 * there is the list "columns".
 */
Jsonb *
jo_sqlresult_first_value(Jsonb *result)
{
	Jsonb	   *row = jo_sqlresult_first_row(result);
	JsonbIterator *iterator;
	JsonbValue	columns;
	JsonbValue	value;

	if (row == NULL || !JB_ROOT_IS_OBJECT(row) || JB_ROOT_COUNT(row) == 0)
		return NULL;
	if (jo_jsonb_member(&result->root, "columns", 7, &columns))
	{
		JsonbValue *name = getIthJsonbValueFromContainer(columns.val.binary.data, 0);

		if (!jo_jsonb_member(&row->root, name->val.string.val, name->val.string.len, &value))
			return NULL;
		return jo_jsonb_from_value(&value);
	}
	iterator = JsonbIteratorInit(&row->root);
	while (JsonbIteratorNext(&iterator, &value, true) != WJB_VALUE)
		;
	return jo_jsonb_from_value(&value);
}
