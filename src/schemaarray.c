/*
 * schemaarray.c
 *		Keywords of JSON Schema for arrays.
 *
 * Elements are read by an iterator, once: looking each of them up by its index
 * would cost more with every one.  Touches memory only.
 */
#include "joborch.h"

#include "jsonbuild.h"
#include "miscadmin.h"
#include "schemawalk.h"

/* An element to be compared with the others. */
typedef struct Element
{
	Jsonb	   *value;
	uint32		index;
} Element;

static bool
check_count(const JoSchemaTask *task)
{
	const int  *counts = task->schema->counts;
	int			n = (int) JsonContainerSize(task->array);
	bool		good = true;

	if (n < counts[JO_SCHEMA_MIN_ITEMS])
		good = jo_schema_fail_count(task, "minItems", "at least", counts[JO_SCHEMA_MIN_ITEMS],
									"element", "elements");
	if (counts[JO_SCHEMA_MAX_ITEMS] >= 0 && n > counts[JO_SCHEMA_MAX_ITEMS])
		good = jo_schema_fail_count(task, "maxItems", "at most", counts[JO_SCHEMA_MAX_ITEMS],
									"element", "elements");
	return good;
}

/* What is for the element at this place: of prefixItems, items, or nothing. */
static const JoSchema *
get_item_schema(const JoSchema *schema, uint32 index)
{
	const JoSchemaList *prefix = &schema->lists[JO_SCHEMA_PREFIX];

	return index < (uint32) prefix->n ? prefix->list[index] : schema->parts[JO_SCHEMA_ITEMS];
}

static bool
check_items(const JoSchemaTask *task)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	JoSchemaPlace place = {task->place, NULL, 0, 0};
	const JoSchema *schema;
	bool		good = true;

	if (task->schema->lists[JO_SCHEMA_PREFIX].n == 0 && task->schema->parts[JO_SCHEMA_ITEMS] == NULL)
		return true;
	iterator = JsonbIteratorInit(task->array);
	while (!jo_schema_is_over(task, good) &&
		   (token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		schema = get_item_schema(task->schema, place.index);
		if (schema == NULL)
			break;
		if (task->marks != NULL)
			task->marks->seen[place.index] = true;
		good &= jo_schema_holds(schema, &value, &place, NULL, task->violations);
		place.index++;
	}
	return good;
}

/* How many elements match "contains"; all are asked only when somebody wants their marks. */
static int
count_contained(const JoSchemaTask *task, int enough)
{
	JsonbIterator *iterator = JsonbIteratorInit(task->array);
	JsonbIteratorToken token;
	JsonbValue	value;
	JoSchemaPlace place = {task->place, NULL, 0, 0};
	int			found = 0;

	while ((found < enough || task->marks != NULL) &&
		   (token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (jo_schema_holds(task->schema->parts[JO_SCHEMA_CONTAINS], &value, &place, NULL, NULL))
		{
			found++;
			if (task->marks != NULL)
				task->marks->seen[place.index] = true;
		}
		place.index++;
	}
	return found;
}

static bool
check_contains(const JoSchemaTask *task)
{
	const int  *counts = task->schema->counts;
	int			most = counts[JO_SCHEMA_MAX_CONTAINS];
	int			least = counts[JO_SCHEMA_MIN_CONTAINS];
	int			found;

	if (task->schema->parts[JO_SCHEMA_CONTAINS] == NULL)
		return true;
	if (least < 0)
		least = 1;
	found = count_contained(task, most < 0 ? least : Max(most, least) + (most < PG_INT32_MAX));
	if (found < least)
		return jo_schema_fail_count(task, least == 1 ? "contains" : "minContains", "at least", least,
									"element that matches \"contains\"",
									"elements that match \"contains\"");
	if (most >= 0 && found > most)
		return jo_schema_fail_count(task, "maxContains", "at most", most,
									"element that matches \"contains\"",
									"elements that match \"contains\"");
	return true;
}

static int
compare_elements(const void *a, const void *b)
{
	const Element *left = a;
	const Element *right = b;
	int			order;

	CHECK_FOR_INTERRUPTS();
	order = compareJsonbContainers(&left->value->root, &right->value->root);
	if (order != 0)
		return order;
	return (left->index > right->index) - (left->index < right->index);
}

static Element *
copy_elements(JsonbContainer *array, uint32 *n)
{
	Element    *elements = palloc_extended(Max(JsonContainerSize(array), 1) * sizeof(Element),
										   MCXT_ALLOC_HUGE);
	JsonbIterator *iterator = JsonbIteratorInit(array);
	JsonbIteratorToken token;
	JsonbValue	value;

	*n = 0;
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		elements[*n].value = jo_jsonb_from_value(&value);
		elements[*n].index = *n;
		(*n)++;
	}
	return elements;
}

/* Sorted, so that equal ones are neighbours. */
static bool
check_unique(const JoSchemaTask *task)
{
	Element    *elements;
	bool		good = true;
	uint32		n;
	uint32		i;

	if (!task->schema->unique || JsonContainerSize(task->array) < 2)
		return true;
	elements = copy_elements(task->array, &n);
	qsort(elements, n, sizeof(Element), compare_elements);
	for (i = 1; i < n && good; i++)
	{
		if (compareJsonbContainers(&elements[i - 1].value->root, &elements[i].value->root) == 0)
			good = jo_schema_fail(task, "uniqueItems", "elements [%u] and [%u] are equal",
								  elements[i - 1].index, elements[i].index);
	}
	for (i = 0; i < n; i++)
		pfree(elements[i].value);
	pfree(elements);
	return good;
}

bool
jo_schema_check_array(const JoSchemaTask *task)
{
	static bool (*const checks[]) (const JoSchemaTask *task) =
	{
		check_count, check_items, check_contains, check_unique
	};
	bool		good = true;
	int			i;

	if (task->array == NULL)
		return true;
	for (i = 0; i < (int) lengthof(checks) && !jo_schema_is_over(task, good); i++)
		good &= checks[i] (task);
	return good;
}

/* unevaluatedItems */
bool
jo_schema_check_other_items(const JoSchemaTask *task)
{
	const JoSchema *schema = task->schema->parts[JO_SCHEMA_OTHER_ITEMS];
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	JoSchemaPlace place = {task->place, NULL, 0, 0};
	bool		good = true;

	if (task->array == NULL || schema == NULL)
		return true;
	iterator = JsonbIteratorInit(task->array);
	while (!jo_schema_is_over(task, good) &&
		   (token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (!task->marks->seen[place.index])
			good &= jo_schema_holds(schema, &value, &place, NULL, task->violations);
		task->marks->seen[place.index++] = true;
	}
	return good;
}
