/*
 * startbatch.c
 *		SQL entry of start_batch(): runs that depend on each other, started at once.
 *
 * An element names others by their places in the array.  Who depends on nobody of the array is
 * written first, so that each run's id is greater than those it depends on; nothing is written
 * before all of it was found to be possible.
 */
#include "joborch.h"

#include "catalog/pg_type.h"
#include "compat.h"
#include "defcache.h"
#include "errors.h"
#include "fmgr.h"
#include "funcapi.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "start.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "words.h"

PG_FUNCTION_INFO_V1(joborch_start_batch);

#define MAX_ELEMENTS 10000

typedef struct Element
{
	const char *job;
	JoStartOptions options;
	int			n;				/* of the array, on which it depends */
	int		   *on;
	bool		done;
	int64		run_id;
} Element;

static const char *const keys[] = {"job", "input", "depends_on", "dependency_type", "run_at",
	"priority", "queue", "name", "tags", "metadata", "correlation_id", "traceparent", NULL};

typedef enum Key
{
	KEY_JOB,
	KEY_INPUT,
	KEY_DEPENDS_ON,
	KEY_DEPENDENCY_TYPE,
	KEY_RUN_AT,
	KEY_PRIORITY,
	KEY_QUEUE,
	KEY_NAME,
	KEY_TAGS,
	KEY_METADATA,
	KEY_CORRELATION_ID,
	KEY_TRACEPARENT
} Key;

static void
refuse(int position, const char *key, const char *must_be)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("element %d of the batch: \"%s\" must be %s", position, key, must_be)));
}

static char *
take_string(const JsonbValue *value, int position, Key key)
{
	if (value->type != jbvString)
		refuse(position, keys[key], "a string");
	return pnstrdup(value->val.string.val, value->val.string.len);
}

static Jsonb *
take_object(JsonbValue *value, int position, Key key)
{
	Jsonb	   *object = JsonbValueToJsonb(value);

	if (!JB_ROOT_IS_OBJECT(object))
		refuse(position, keys[key], "an object");
	return object;
}

/* An array of texts, or a text alone. */
static ArrayType *
take_tags(JsonbValue *value, int position)
{
	Jsonb	   *list = JsonbValueToJsonb(value);
	ArrayBuildState *state = initArrayResult(TEXTOID, CurrentMemoryContext, false);
	JsonbIterator *iterator = JsonbIteratorInit(&list->root);
	JsonbIteratorToken token;
	JsonbValue	element;

	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (element.type != jbvString)
			refuse(position, keys[KEY_TAGS], "an array of strings");
		state = accumArrayResult(state, PointerGetDatum(cstring_to_text_with_len(element.val.string.val, element.val.string.len)),
								 false, TEXTOID, CurrentMemoryContext);
	}
	return DatumGetArrayTypeP(makeArrayResult(state, CurrentMemoryContext));
}

static TimestampTz
take_time(const JsonbValue *value, int position)
{
	char	   *text = take_string(value, position, KEY_RUN_AT);
	TimestampTz when = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(text),
															   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));

	if (TIMESTAMP_NOT_FINITE(when))
		refuse(position, keys[KEY_RUN_AT], "a finite time");
	return when;
}

/* Places in the array of all elements; n of them there are. */
static void
take_places(Element *element, JsonbValue *value, int position, int n)
{
	Jsonb	   *list = JsonbValueToJsonb(value);
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	place;

	if (!JB_ROOT_IS_ARRAY(list) || JB_ROOT_IS_SCALAR(list))
		refuse(position, keys[KEY_DEPENDS_ON], "an array of places in the batch");
	if (JB_ROOT_COUNT(list) > JO_MAX_DEPENDENCIES)
		refuse(position, keys[KEY_DEPENDS_ON], psprintf("an array of at most %d places", JO_MAX_DEPENDENCIES));
	element->on = palloc(sizeof(int) * Max(1, JB_ROOT_COUNT(list)));
	iterator = JsonbIteratorInit(&list->root);
	while ((token = JsonbIteratorNext(&iterator, &place, true)) != WJB_DONE)
	{
		bool		fits = false;

		if (token != WJB_ELEM)
			continue;
		if (place.type == jbvNumeric)
		{
			double		number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, NumericGetDatum(place.val.numeric)));

			fits = number >= 0 && number < n && number == (int) number && (int) number != position;
			if (fits)
				element->on[element->n++] = (int) number;
		}
		if (!fits)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("element %d of the batch cannot depend on %s", position,
							place.type == jbvNumeric ? JsonbToCString(NULL, &JsonbValueToJsonb(&place)->root, 0) : "what is no number"),
					 errdetail("It names others by their places in the array, from 0 to %d.", n - 1)));
	}
}

static void
take_member(Element *element, Key key, JsonbValue *value, int position, int n)
{
	JoStartOptions *options = &element->options;

	switch (key)
	{
		case KEY_JOB:
			if (value->type == jbvNumeric)
				element->job = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
			else
				element->job = take_string(value, position, key);
			break;
		case KEY_INPUT:
			options->input = take_object(value, position, key);
			break;
		case KEY_DEPENDS_ON:
			take_places(element, value, position, n);
			break;
		case KEY_DEPENDENCY_TYPE:
			options->depends.type = jo_start_dependency_type(take_string(value, position, key));
			break;
		case KEY_RUN_AT:
			options->run_at = take_time(value, position);
			break;
		case KEY_PRIORITY:
			options->priority = jo_start_priority(take_string(value, position, key));
			break;
		case KEY_QUEUE:
			options->queue = take_string(value, position, key);
			break;
		case KEY_NAME:
			options->name = take_string(value, position, key);
			break;
		case KEY_TAGS:
			options->tags = take_tags(value, position);
			break;
		case KEY_METADATA:
			options->metadata = JsonbValueToJsonb(value);
			break;
		case KEY_CORRELATION_ID:
			options->correlation_id = take_string(value, position, key);
			break;
		case KEY_TRACEPARENT:
			options->traceparent = take_string(value, position, key);
			break;
	}
}

static void
read_element(Element *element, JsonbValue *value, int position, int n)
{
	Jsonb	   *object = JsonbValueToJsonb(value);
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	key;
	JsonbValue	member;

	if (!JB_ROOT_IS_OBJECT(object))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("element %d of the batch is no object", position),
				 errhint("Write {\"job\": \"name\", \"input\": {}, \"depends_on\": [0]}.")));
	element->options.priority = -1;
	element->options.depends.type = JO_DEPENDS_ON_SUCCESS;
	element->options.input = jo_jsonb_from_text("{}");
	iterator = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&iterator, &key, true)) != WJB_DONE)
	{
		char	   *name;
		int			found;

		if (token != WJB_KEY)
			continue;
		name = pnstrdup(key.val.string.val, key.val.string.len);
		found = jo_words_find(name, keys);
		(void) JsonbIteratorNext(&iterator, &member, true);
		if (found < 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("element %d of the batch has an unknown key \"%s\"", position, jo_words_show(name)),
					 errhint("Keys are %s.", jo_words_join(keys))));
		if (member.type != jbvNull)
			take_member(element, found, &member, position, n);
	}
	if (element->job == NULL)
		refuse(position, keys[KEY_JOB], "there: the name or id of a job");
}

static int
read_batch(Jsonb *batch, Element **elements)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	int			n = 0;
	int			count;

	if (!JB_ROOT_IS_ARRAY(batch) || JB_ROOT_IS_SCALAR(batch))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a batch must be a JSON array of objects")));
	count = JB_ROOT_COUNT(batch);
	if (count > MAX_ELEMENTS)
		ereport(ERROR,
				(errcode(ERRCODE_JO_LIMIT),
				 errmsg("a batch has at most %d elements", MAX_ELEMENTS),
				 errdetail("It has %d.", count),
				 errhint("start_many() starts any number of runs that do not depend on each other.")));
	*elements = palloc0(sizeof(Element) * Max(1, count));
	iterator = JsonbIteratorInit(&batch->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
		if (token == WJB_ELEM)
		{
			read_element(&(*elements)[n], &value, n, count);
			n++;
		}
	return n;
}

/* Their order: whoever depends on none that is left comes next.  Raises for a circle. */
static int *
sort_elements(Element *elements, int n)
{
	int		   *order = palloc(sizeof(int) * Max(1, n));
	int			done = 0;
	int			before = -1;

	while (done < n && done != before)
	{
		before = done;
		for (int i = 0; i < n; i++)
		{
			bool		ready = !elements[i].done;

			for (int d = 0; ready && d < elements[i].n; d++)
				ready = elements[elements[i].on[d]].done;
			if (!ready)
				continue;
			elements[i].done = true;
			order[done++] = i;
		}
		CHECK_FOR_INTERRUPTS();
	}
	for (int i = 0; i < n; i++)
		if (!elements[i].done)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("elements of the batch depend on each other in a circle"),
					 errdetail("Element %d is in it, or depends on one that is.", i)));
	return order;
}

/* The runs on which it depends, which are all started. */
static void
set_dependencies(Element *element, const Element *elements)
{
	Datum	   *run_ids = palloc(sizeof(Datum) * element->n);
	char		type = element->options.depends.type;

	for (int i = 0; i < element->n; i++)
		run_ids[i] = Int64GetDatum(elements[element->on[i]].run_id);
	jo_start_read_dependencies(construct_array(run_ids, element->n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE),
							   NULL, &element->options.depends);
	element->options.depends.type = type;
	element->options.depends.own = true;
}

Datum
joborch_start_batch(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *batch_id = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	Element    *elements;
	int		   *order;
	int			n;

	jo_shmem_require();
	if (MyBgworkerEntry == NULL)
		jo_defcache_trim();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("batch must not be null")));
	if (batch_id != NULL)
		jo_start_check_batch_id(batch_id);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	n = read_batch(PG_GETARG_JSONB_P(0), &elements);
	order = sort_elements(elements, n);
	for (int i = 0; i < n; i++)
		for (int d = 0; d < elements[i].n; d++)
			elements[elements[i].on[d]].options.followed = true;
	for (int i = 0; i < n; i++)
	{
		Element    *element = &elements[order[i]];
		JoStartJob	job;

		CHECK_FOR_INTERRUPTS();
		element->options.batch_id = batch_id;
		if (element->n > 0)
			set_dependencies(element, elements);
		jo_start_find_job(element->job, &job);
		element->run_id = jo_start_run(&job, &element->options);
	}
	for (int i = 0; i < n; i++)
	{
		Datum		value = Int64GetDatum(elements[i].run_id);
		bool		isnull = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
	}
	return (Datum) 0;
}
