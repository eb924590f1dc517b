/*
 * startfuncs.c
 *		SQL entries of start(), start_definition(), start_sql(), start_many().
 */
#include "joborch.h"

#include "announce.h"
#include "catalog/pg_type.h"
#include "defcache.h"
#include "compat.h"
#include "errors.h"
#include "fmgr.h"
#include "funcapi.h"
#include "inputcheck.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "start.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "words.h"

#define MAX_MANY 10000000		/* runs of one start_many() */

PG_FUNCTION_INFO_V1(joborch_start);
PG_FUNCTION_INFO_V1(joborch_start_definition);
PG_FUNCTION_INFO_V1(joborch_start_sql);
PG_FUNCTION_INFO_V1(joborch_start_many);
PG_FUNCTION_INFO_V1(joborch_check_input);

static char *
text_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

static char *
required_text(FunctionCallInfo fcinfo, int n, const char *name)
{
	if (PG_ARGISNULL(n))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", name)));
	return text_argument(fcinfo, n);
}

static Jsonb *
jsonb_argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : PG_GETARG_JSONB_P(n);
}

static Jsonb *
empty_object(void)
{
	return jo_jsonb_from_text("{}");
}

static TimestampTz
time_argument(FunctionCallInfo fcinfo, int n)
{
	TimestampTz when = PG_ARGISNULL(n) ? 0 : PG_GETARG_TIMESTAMPTZ(n);

	if (TIMESTAMP_NOT_FINITE(when))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("run_at must be a finite time")));
	return when;
}

static JoOnDuplicate
on_duplicate(const char *word)
{
	static const char *const words[] = {"return", "error", "replace", "debounce", NULL};
	int			found = word != NULL ? jo_words_find(word, words) : JO_DUPLICATE_RETURN;

	if (found < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown on_duplicate \"%s\"", word),
				 errhint("Use one of: %s.", jo_words_join(words))));
	return (JoOnDuplicate) found;
}

/* What a run that takes the place of another cannot have. */
static void
check_replacement(const JoStartOptions *options)
{
	if (options->on_duplicate != JO_DUPLICATE_REPLACE && options->on_duplicate != JO_DUPLICATE_DEBOUNCE)
		return;
	if (options->idempotency_key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("nothing can be replaced without an idempotency key"),
				 errhint("Give idempotency_key: runs with the same one replace each other.")));
	if (options->depends.n > 0 || options->batch_id != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a run that may be replaced cannot depend on others or belong to a batch")));
}

static char *
batch_argument(FunctionCallInfo fcinfo, int n)
{
	char	   *batch_id = text_argument(fcinfo, n);

	if (batch_id != NULL)
		jo_start_check_batch_id(batch_id);
	return batch_id;
}

/* The arguments from input on and the last three, the same for three functions. */
static void
read_options(FunctionCallInfo fcinfo, JoStartOptions *options)
{
	char	   *priority = text_argument(fcinfo, 3);
	int			last = PG_NARGS() - 1;

	MemSet(options, 0, sizeof(JoStartOptions));
	options->input = PG_ARGISNULL(1) ? empty_object() : PG_GETARG_JSONB_P(1);
	options->run_at = time_argument(fcinfo, 2);
	options->priority = priority ? jo_start_priority(priority) : -1;
	options->queue = text_argument(fcinfo, 4);
	options->name = text_argument(fcinfo, 5);
	options->tags = PG_ARGISNULL(6) ? NULL : PG_GETARG_ARRAYTYPE_P(6);
	options->metadata = jsonb_argument(fcinfo, 7);
	options->idempotency_key = text_argument(fcinfo, 8);
	options->on_duplicate = on_duplicate(text_argument(fcinfo, 9));
	options->correlation_id = text_argument(fcinfo, 10);
	options->traceparent = text_argument(fcinfo, 11);
	jo_start_read_dependencies(PG_ARGISNULL(last - 2) ? NULL : PG_GETARG_ARRAYTYPE_P(last - 2),
							   text_argument(fcinfo, last - 1), &options->depends);
	options->batch_id = batch_argument(fcinfo, last);
	check_replacement(options);
}

/*
 * First thing in each entry.  In a step the definition that is being carried out
 * may not be trimmed away.
 */
static void
enter(void)
{
	jo_shmem_require();
	if (MyBgworkerEntry == NULL)
		jo_defcache_trim();
}

Datum
joborch_start(PG_FUNCTION_ARGS)
{
	JoStartOptions options;
	JoStartJob	job;

	enter();
	read_options(fcinfo, &options);
	jo_start_find_job(required_text(fcinfo, 0, "job"), &job);
	if (!PG_ARGISNULL(12))
		options.input = jo_start_fill_template(&job, text_argument(fcinfo, 12), options.input);
	PG_RETURN_INT64(jo_start_run(&job, &options));
}

Datum
joborch_start_definition(PG_FUNCTION_ARGS)
{
	JoStartOptions options;
	JoStartJob	job;

	enter();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("definition must not be null")));
	read_options(fcinfo, &options);
	jo_start_ad_hoc(PG_GETARG_JSONB_P(0), &job);
	PG_RETURN_INT64(jo_start_run(&job, &options));
}

/* A definition of one step, named sql. */
static Jsonb *
definition_of_sql(const char *sql)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_string(&state, "name", "sql");
	jo_jsonb_add_string(&state, "type", "sql");
	jo_jsonb_add_string(&state, "sql", sql);
	return jo_jsonb_from_value(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static Jsonb *
wrap_step(Jsonb *step)
{
	JsonbParseState *state = NULL;
	JsonbValue	key;
	JsonbValue	value;

	jo_jsonb_string_value(&key, "steps");
	jo_jsonb_to_value(step, &value);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(&state, WJB_KEY, &key);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	pushJsonbValue(&state, WJB_ELEM, &value);
	pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	return jo_jsonb_from_value(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

Datum
joborch_start_sql(PG_FUNCTION_ARGS)
{
	JoStartOptions options;
	JoStartJob	job;

	enter();
	read_options(fcinfo, &options);
	jo_start_ad_hoc(wrap_step(definition_of_sql(required_text(fcinfo, 0, "sql"))), &job);
	PG_RETURN_INT64(jo_start_run(&job, &options));
}

/* ---- start_many ---- */

/* The elements of a jsonb array. */
static int
inputs_of_list(Jsonb *list, Jsonb ***inputs)
{
	JsonbIterator *iterator;
	JsonbValue	value;
	JsonbIteratorToken token;
	int			n = 0;

	if (!JB_ROOT_IS_ARRAY(list) || JB_ROOT_IS_SCALAR(list))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("input_list must be a JSON array of objects")));
	*inputs = palloc(sizeof(Jsonb *) * Max(1, JB_ROOT_COUNT(list)));
	iterator = JsonbIteratorInit(&list->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
		if (token == WJB_ELEM)
			(*inputs)[n++] = JsonbValueToJsonb(&value);
	return n;
}

static int
inputs_of_array(ArrayType *array, Jsonb ***inputs)
{
	Datum	   *values;
	bool	   *nulls;
	int			n;

	deconstruct_array(array, JSONBOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	*inputs = palloc(sizeof(Jsonb *) * Max(1, n));
	for (int i = 0; i < n; i++)
		(*inputs)[i] = nulls[i] ? empty_object() : DatumGetJsonbP(values[i]);
	return n;
}

/* How many runs, and the input of each (*inputs NULL: all empty). */
static int
read_inputs(FunctionCallInfo fcinfo, Jsonb ***inputs)
{
	int			given = !PG_ARGISNULL(1) + !PG_ARGISNULL(2) + !PG_ARGISNULL(3);
	int			n;

	*inputs = NULL;
	if (given != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("give one of count, inputs and input_list")));
	if (!PG_ARGISNULL(2))
		n = inputs_of_array(PG_GETARG_ARRAYTYPE_P(2), inputs);
	else if (!PG_ARGISNULL(3))
		n = inputs_of_list(PG_GETARG_JSONB_P(3), inputs);
	else
		n = PG_GETARG_INT32(1);
	if (n < 0 || n > MAX_MANY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("count must be between 0 and %d", MAX_MANY)));
	return n;
}

/* Puts an id into the result. */
static void
return_id(int64 run_id, void *argument)
{
	ReturnSetInfo *result = argument;
	Datum		value = Int64GetDatum(run_id);
	bool		isnull = false;

	tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
}

Datum
joborch_start_many(PG_FUNCTION_ARGS)
{
	JoStartOptions options = {0};
	JoStartJob	job;
	Jsonb	  **inputs;
	char	   *priority = text_argument(fcinfo, 5);
	int			n;

	enter();
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	n = read_inputs(fcinfo, &inputs);
	options.run_at = time_argument(fcinfo, 4);
	options.priority = priority ? jo_start_priority(priority) : -1;
	options.queue = text_argument(fcinfo, 6);
	options.tags = PG_ARGISNULL(7) ? NULL : PG_GETARG_ARRAYTYPE_P(7);
	options.metadata = jsonb_argument(fcinfo, 8);
	options.correlation_id = text_argument(fcinfo, 9);
	options.batch_id = batch_argument(fcinfo, 10);
	options.input = inputs == NULL ? empty_object() : NULL;
	jo_start_find_job(required_text(fcinfo, 0, "job"), &job);
	jo_start_runs(&job, &options, inputs, n, return_id, fcinfo->resultinfo);
	return (Datum) 0;
}

/* ---- for rerun ---- */

/* The input of a run of this version, checked, with its defaults. */
Datum
joborch_check_input(PG_FUNCTION_ARGS)
{
	const JoDefinition *definition = jo_defcache_get(PG_GETARG_INT64(0))->definition;

	PG_RETURN_JSONB_P(jo_input_check(definition, PG_GETARG_JSONB_P(1)));
}
