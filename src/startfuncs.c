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

#define MAX_MANY 10000000		/* runs of one start_many() */
#define MANY_BATCH 1000

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

static bool
error_if_duplicate(const char *word)
{
	if (word == NULL || strcmp(word, "return") == 0)
		return false;
	if (strcmp(word, "error") == 0)
		return true;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("on_duplicate \"%s\" is not supported", word),
			 errhint("Use 'return' (the run that has the key) or 'error'.")));
}

/* The arguments from input on, the same for three functions. */
static void
read_options(FunctionCallInfo fcinfo, JoStartOptions *options)
{
	char	   *priority = text_argument(fcinfo, 3);

	MemSet(options, 0, sizeof(JoStartOptions));
	options->input = PG_ARGISNULL(1) ? empty_object() : PG_GETARG_JSONB_P(1);
	options->run_at = time_argument(fcinfo, 2);
	options->priority = priority ? jo_start_priority(priority) : -1;
	options->queue = text_argument(fcinfo, 4);
	options->name = text_argument(fcinfo, 5);
	options->tags = PG_ARGISNULL(6) ? NULL : PG_GETARG_ARRAYTYPE_P(6);
	options->metadata = jsonb_argument(fcinfo, 7);
	options->idempotency_key = text_argument(fcinfo, 8);
	options->error_if_duplicate = error_if_duplicate(text_argument(fcinfo, 9));
	options->correlation_id = text_argument(fcinfo, 10);
	options->traceparent = text_argument(fcinfo, 11);
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

/* Writes and returns one batch of at most MANY_BATCH runs. */
static void
start_batch(const JoRunRow *run, JoLiveRow *live, const JoDefinition *definition,
			Jsonb **inputs, int n, ReturnSetInfo *result)
{
	int64		ids[MANY_BATCH];
	JoLiveRow	last = *live;

	for (int i = 0; inputs != NULL && i < n; i++)
		inputs[i] = jo_input_check(definition, inputs[i]);
	jo_store_next_run_ids(ids, n);
	jo_store_insert_runs(run, live, ids, inputs, n);
	live->run_id = ids[0];
	last.run_id = ids[n - 1];
	jo_announce_starts(live, &last);
	for (int i = 0; i < n; i++)
	{
		Datum		value = Int64GetDatum(ids[i]);
		bool		isnull = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &value, &isnull);
	}
}

Datum
joborch_start_many(PG_FUNCTION_ARGS)
{
	JoStartOptions options = {0};
	JoStartJob	job;
	JoRunRow	run;
	JoLiveRow	live;
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
	options.input = inputs == NULL ? empty_object() : NULL;
	jo_start_find_job(required_text(fcinfo, 0, "job"), &job);
	jo_start_prepare(&job, &options, &run, &live);
	for (int done = 0; done < n; done += MANY_BATCH)
	{
		CHECK_FOR_INTERRUPTS();
		start_batch(&run, &live, jo_defcache_get(job.version_id)->definition,
					inputs ? inputs + done : NULL, Min(MANY_BATCH, n - done),
					(ReturnSetInfo *) fcinfo->resultinfo);
	}
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
