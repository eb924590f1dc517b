/*
 * stepaggregate.c
 *		The step type aggregate: count, sum, min, max, avg over a JSON array.
 *
 * One pass over the items, with the groups in a hash table, so the time is linear
 * in both.  Numbers are the server's numeric, as in SQL: never doubles.  Touches
 * memory only.
 */
#include "joborch.h"

#include "docpath.h"
#include "errors.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "steptypes.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

/* One aggregate of one group so far. */
typedef struct Running
{
	int64		count;
	Numeric		sum;			/* NULL: nothing yet */
	Jsonb	   *best;			/* of min and max */
} Running;

typedef struct Group
{
	Jsonb	   *key;			/* array of the values that its items share; hash key */
	int			number;			/* in order of first appearance */
	Running    *running;
} Group;

typedef struct Aggregation
{
	JoTry	   *try;
	const JoDataDef *data;
	MemoryContext context;		/* of what stays */
	HTAB	   *table;			/* NULL: one group */
	int			ngroups;
	int			capacity;
	Group	  **groups;
	int			item;			/* which one is looked at */
} Aggregation;

static uint32
hash_group(const void *key, Size size pg_attribute_unused())
{
	return DatumGetUInt32(DirectFunctionCall1(jsonb_hash, JsonbPGetDatum(*(Jsonb *const *) key)));
}

static int
compare_groups(const void *a, const void *b, Size size pg_attribute_unused())
{
	return compareJsonbContainers(&(*(Jsonb *const *) a)->root, &(*(Jsonb *const *) b)->root);
}

static HTAB *
create_table(void)
{
	HASHCTL		control;

	memset(&control, 0, sizeof(control));
	control.keysize = sizeof(Jsonb *);
	control.entrysize = sizeof(Group);
	control.hash = hash_group;
	control.match = compare_groups;
	control.hcxt = CurrentMemoryContext;
	return hash_create("joborch groups", 256, &control,
					   HASH_ELEM | HASH_FUNCTION | HASH_COMPARE | HASH_CONTEXT);
}

/* Remembers a new group, in the context of what stays. */
static void
enter_group(Aggregation *all, Group *group)
{
	if (all->ngroups == all->capacity)
	{
		all->capacity = all->capacity == 0 ? 16 : all->capacity * 2;
		all->groups = all->groups == NULL ? palloc(sizeof(Group *) * all->capacity) :
			repalloc_huge(all->groups, sizeof(Group *) * all->capacity);
	}
	group->number = all->ngroups;
	group->running = palloc0(sizeof(Running) * Max(all->data->naggregates, 1));
	all->groups[all->ngroups++] = group;
}

/* The values by which an item is grouped. */
static Jsonb *
build_key(Aggregation *all, Jsonb *item)
{
	JsonbParseState *state = NULL;
	int			i;

	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (i = 0; i < all->data->ngroups; i++)
	{
		Jsonb	   *value = jo_docpath_first(all->try->job, item, all->data->groups[i]);
		JsonbValue	element;

		jo_jsonb_to_value(value != NULL ? value : jo_jsonb_null(), &element);
		pushJsonbValue(&state, WJB_ELEM, &element);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
}

static Group *
find_group(Aggregation *all, Jsonb *item)
{
	MemoryContext caller;
	Jsonb	   *key;
	Group	   *group;
	bool		found;

	if (all->data->ngroups == 0)
		return all->groups[0];
	key = build_key(all, item);
	group = hash_search(all->table, &key, HASH_FIND, NULL);
	if (group != NULL)
		return group;
	caller = MemoryContextSwitchTo(all->context);
	key = memcpy(palloc(VARSIZE(key)), key, VARSIZE(key));
	group = hash_search(all->table, &key, HASH_ENTER, &found);
	enter_group(all, group);
	MemoryContextSwitchTo(caller);
	return group;
}

static void
raise_wrong_value(Aggregation *all, const JoAggregate *aggregate, Jsonb *value, const char *wanted)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("aggregate \"%s\" of %s meets a value that is not %s", aggregate->name,
					jo_document_place(all->try->document), wanted),
			 errdetail("In item %d it is: %s", all->item,
					   pnstrdup(JsonbToCString(NULL, &value->root, VARSIZE(value)), 200)),
			 errhint("Leave such items out by a step of type \"filter\" before it, or convert them in SQL.")));
}

static void
add_number(Aggregation *all, const JoAggregate *aggregate, Running *running, Jsonb *value,
		   const JsonbValue *scalar)
{
	MemoryContext caller;
	Numeric		old = running->sum;

	if (scalar->type != jbvNumeric)
		raise_wrong_value(all, aggregate, value, "a number");
	caller = MemoryContextSwitchTo(all->context);
	if (old == NULL)
		running->sum = DatumGetNumericCopy(NumericGetDatum(scalar->val.numeric));
	else
	{
		running->sum = DatumGetNumeric(DirectFunctionCall2(numeric_add, NumericGetDatum(old),
														   NumericGetDatum(scalar->val.numeric)));
		pfree(old);
	}
	MemoryContextSwitchTo(caller);
}

static void
keep_best(Aggregation *all, const JoAggregate *aggregate, Running *running, Jsonb *value,
		  const JsonbValue *scalar)
{
	JsonbValue	best;
	int			order;

	if (scalar->type != jbvNumeric && scalar->type != jbvString)
		raise_wrong_value(all, aggregate, value, "a number or a text");
	if (running->best != NULL)
	{
		(void) JsonbExtractScalar(&running->best->root, &best);
		if (best.type != scalar->type)
			raise_wrong_value(all, aggregate, value,
							  best.type == jbvNumeric ? "a number, as those before" : "a text, as those before");
		order = compareJsonbContainers(&value->root, &running->best->root);
		if (aggregate->op == JO_AGGREGATE_MIN ? order >= 0 : order <= 0)
			return;
		pfree(running->best);
	}
	running->best = MemoryContextAlloc(all->context, VARSIZE(value));
	memcpy(running->best, value, VARSIZE(value));
}

/* null and what is not there count as SQL's NULL does: not at all. */
static void
advance(Aggregation *all, const JoAggregate *aggregate, Running *running, Jsonb *item)
{
	Jsonb	   *value = aggregate->path == NULL ? item :
		jo_docpath_first(all->try->job, item, aggregate->path);
	JsonbValue	scalar;
	bool		is_scalar;

	if (aggregate->op == JO_AGGREGATE_COUNT && aggregate->path == NULL)
	{
		running->count++;
		return;
	}
	is_scalar = value != NULL && JsonbExtractScalar(&value->root, &scalar);
	if (value == NULL || (is_scalar && scalar.type == jbvNull))
		return;
	running->count++;
	if (aggregate->op == JO_AGGREGATE_COUNT)
		return;
	if (!is_scalar)
		raise_wrong_value(all, aggregate, value, "a number");
	if (aggregate->op == JO_AGGREGATE_SUM || aggregate->op == JO_AGGREGATE_AVG)
		add_number(all, aggregate, running, value, &scalar);
	else
		keep_best(all, aggregate, running, value, &scalar);
}

static void
set_result(const JoAggregate *aggregate, const Running *running, JsonbValue *value)
{
	value->type = jbvNull;
	switch (aggregate->op)
	{
		case JO_AGGREGATE_COUNT:
			jo_jsonb_int_value(value, running->count);
			break;
		case JO_AGGREGATE_MIN:
		case JO_AGGREGATE_MAX:
			if (running->best != NULL)
				(void) JsonbExtractScalar(&running->best->root, value);
			break;
		case JO_AGGREGATE_SUM:
		case JO_AGGREGATE_AVG:
			if (running->sum == NULL)
				break;
			value->type = jbvNumeric;
			value->val.numeric = running->sum;
			if (aggregate->op == JO_AGGREGATE_AVG)
				value->val.numeric =
					DatumGetNumeric(DirectFunctionCall2(numeric_div, NumericGetDatum(running->sum),
														NumericGetDatum(int64_to_numeric(running->count))));
			break;
	}
}

/* What a group's value is called: the last name of its path, else the path itself. */
static char *
name_key(const char *path)
{
	const char *at = path + 1;
	JoPathName	name = {path, strlen(path)};

	while (*path == '$' && jo_docpath_member(&at, &name))
		;
	if (*path != '$' || *at != '\0')
		return pstrdup(path);
	return pnstrdup(name.text, name.length);
}

static JsonbValue *
add_group(Aggregation *all, JsonbParseState **state, const Group *group)
{
	const JoDataDef *data = all->data;
	JsonbValue	value;
	int			i;

	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	for (i = 0; i < data->ngroups; i++)
	{
		JsonbValue *key = getIthJsonbValueFromContainer(&group->key->root, i);

		jo_jsonb_add(state, name_key(data->groups[i]), key);
	}
	for (i = 0; i < data->naggregates; i++)
	{
		set_result(&data->aggregates[i], &group->running[i], &value);
		jo_jsonb_add(state, data->aggregates[i].name, &value);
	}
	return pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* Goes over the items; each is looked at in a context that is emptied behind it. */
static void
read_items(Aggregation *all, Jsonb *items)
{
	MemoryContext context = AllocSetContextCreate(all->context, "joborch items", ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = CurrentMemoryContext;
	JsonbIterator *iterator = JsonbIteratorInit(&items->root);
	JsonbValue	value;

	(void) JsonbIteratorNext(&iterator, &value, true);
	for (all->item = 0; JsonbIteratorNext(&iterator, &value, true) == WJB_ELEM; all->item++)
	{
		Jsonb	   *item;
		Group	   *group;
		int			i;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(context);
		item = jo_jsonb_from_value(&value);
		group = find_group(all, item);
		for (i = 0; i < all->data->naggregates; i++)
			advance(all, &all->data->aggregates[i], &group->running[i], item);
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
	}
}

JoVerdict
jo_step_aggregate(JoTry *try)
{
	Aggregation all;
	JsonbParseState *state = NULL;
	JsonbValue *tree = NULL;
	int			i;

	memset(&all, 0, sizeof(all));
	all.try = try;
	all.data = try->step->data;
	all.context = CurrentMemoryContext;
	if (all.data->ngroups == 0)
		enter_group(&all, palloc0(sizeof(Group)));
	else
		all.table = create_table();
	read_items(&all, jo_step_items(try, &all.data->value, "\"items\""));

	/* one object, or, by groups, an array of them */
	if (all.table != NULL)
		pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (i = 0; i < all.ngroups; i++)
		tree = add_group(&all, &state, all.groups[i]);
	if (all.table != NULL)
		tree = pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	try->output = JsonbValueToJsonb(tree);
	return JO_VERDICT_COMPLETED;
}
