/*
 * schedulefuncs.c
 *		What the SQL functions about schedules need of C.
 */
#include "joborch.h"

#include "announce.h"
#include "catalog/pg_type.h"
#include "errors.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "rights.h"
#include "start.h"
#include "startschedule.h"
#include "timespec.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "words.h"

PG_FUNCTION_INFO_V1(joborch_announce_schedule);
PG_FUNCTION_INFO_V1(joborch_schedule_spec);
PG_FUNCTION_INFO_V1(joborch_schedule_next);
PG_FUNCTION_INFO_V1(joborch_schedule_times);
PG_FUNCTION_INFO_V1(joborch_check_schedule);
PG_FUNCTION_INFO_V1(joborch_start_scheduled);
PG_FUNCTION_INFO_V1(joborch_follow_run);
PG_FUNCTION_INFO_V1(joborch_schedule_words);
PG_FUNCTION_INFO_V1(joborch_nearest_word);
PG_FUNCTION_INFO_V1(joborch_ad_hoc_version);

/* joborch_internal.announce_schedule(due) */
Datum
joborch_announce_schedule(PG_FUNCTION_ARGS)
{
	jo_announce_schedule(PG_GETARG_TIMESTAMPTZ(0));
	PG_RETURN_VOID();
}

/* A composite result of the function that is being called. */
static Datum
make_record(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	desc;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(desc), values, nulls));
}

/* joborch_internal.schedule_spec(spec, created, OUT canonical, OUT timezone, OUT after_finish, OUT at_boot) */
Datum
joborch_schedule_spec(PG_FUNCTION_ARGS)
{
	Jsonb	   *canonical = jo_timespec_canonical(PG_GETARG_JSONB_P(0), PG_GETARG_TIMESTAMPTZ(1));
	JoTimeSpec *spec = jo_timespec_parse(canonical);
	bool		nulls[4] = {false, false, false, false};
	Datum		values[4];

	values[0] = JsonbPGetDatum(canonical);
	values[1] = CStringGetTextDatum(jo_zone_name(jo_timespec_zone(spec)));
	values[2] = BoolGetDatum(jo_timespec_after_finish(spec));
	values[3] = BoolGetDatum(jo_timespec_at_boot(spec));
	PG_RETURN_DATUM(make_record(fcinfo, values, nulls));
}

static Datum
record_of_time(FunctionCallInfo fcinfo, JoTimeSpec *spec, int64 schedule_id, TimestampTz nominal)
{
	bool		none = TIMESTAMP_IS_NOEND(nominal);
	bool		nulls[2] = {none, none};
	Datum		values[2] = {0, 0};

	if (!none)
	{
		values[0] = TimestampTzGetDatum(nominal);
		values[1] = TimestampTzGetDatum(jo_timespec_fire_time(spec, schedule_id, nominal));
	}
	return make_record(fcinfo, values, nulls);
}

/* joborch_internal.schedule_next(spec, schedule_id, after, OUT nominal, OUT fire) */
Datum
joborch_schedule_next(PG_FUNCTION_ARGS)
{
	JoTimeSpec *spec = jo_timespec_parse(PG_GETARG_JSONB_P(0));

	PG_RETURN_DATUM(record_of_time(fcinfo, spec, PG_GETARG_INT64(1),
								   jo_timespec_next(spec, PG_GETARG_TIMESTAMPTZ(2))));
}

/* joborch_internal.schedule_times(spec, schedule_id, after, until, most, OUT nominal, OUT fire) */
Datum
joborch_schedule_times(PG_FUNCTION_ARGS)
{
	JoTimeSpec *spec = jo_timespec_parse(PG_GETARG_JSONB_P(0));
	int64		schedule_id = PG_GETARG_INT64(1);
	TimestampTz until = PG_GETARG_TIMESTAMPTZ(3);
	TimestampTz nominal = PG_GETARG_TIMESTAMPTZ(2);
	int32		most = PG_GETARG_INT32(4);
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	for (int i = 0; i < most; i++)
	{
		Datum		values[2];
		bool		nulls[2] = {false, false};

		CHECK_FOR_INTERRUPTS();
		nominal = jo_timespec_next(spec, nominal);
		if (TIMESTAMP_IS_NOEND(nominal) || nominal > until)
			break;
		values[0] = TimestampTzGetDatum(nominal);
		values[1] = TimestampTzGetDatum(jo_timespec_fire_time(spec, schedule_id, nominal));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The row of a schedule that the caller has found already. */
static void
read_schedule(int64 schedule_id, JoScheduleRow *row)
{
	if (!jo_store_schedule(schedule_id, row))
		ereport(ERROR,
				(errcode(ERRCODE_JO_SCHEDULE_NOT_FOUND),
				 errmsg("schedule " INT64_FORMAT " does not exist", schedule_id)));
}

/* joborch_internal.check_schedule(schedule_id): raises what would keep it from starting runs */
Datum
joborch_check_schedule(PG_FUNCTION_ARGS)
{
	JoScheduleRow row;
	JoRunRow	run;
	JoLiveRow	live;

	read_schedule(PG_GETARG_INT64(0), &row);
	jo_start_scheduled(&row, NULL, &run, &live);
	PG_RETURN_VOID();
}

/* joborch_internal.start_scheduled(schedule_id, nominal, input, requested_by, followed) */
Datum
joborch_start_scheduled(PG_FUNCTION_ARGS)
{
	JoScheduleRow row;
	JoRunRow	run;
	JoLiveRow	live;

	read_schedule(PG_GETARG_INT64(0), &row);
	jo_start_scheduled(&row, PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2), &run, &live);
	run.run_id = live.run_id = jo_store_next_run_id();
	run.fire_at = PG_GETARG_TIMESTAMPTZ(1);
	run.requested_by = text_to_cstring(PG_GETARG_TEXT_PP(3));
	live.followed = PG_GETARG_BOOL(4);
	jo_store_insert_run(&run, &live);
	jo_announce_start(&live);
	PG_RETURN_INT64(run.run_id);
}

/* joborch_internal.follow_run(run_id) */
Datum
joborch_follow_run(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(jo_store_follow(PG_GETARG_INT64(0)));
}

/* joborch_internal.schedule_words(spec) */
Datum
joborch_schedule_words(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(jo_timespec_describe(jo_timespec_parse(PG_GETARG_JSONB_P(0)))));
}

/* joborch_internal.nearest_word(word, words) */
Datum
joborch_nearest_word(PG_FUNCTION_ARGS)
{
	char	   *word = text_to_cstring(PG_GETARG_TEXT_PP(0));
	const char **words;
	const char *near;
	Datum	   *values;
	bool	   *nulls;
	int			n;
	int			kept = 0;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &n);
	words = palloc(sizeof(char *) * (n + 1));
	for (int i = 0; i < n; i++)
		if (!nulls[i])
			words[kept++] = TextDatumGetCString(values[i]);
	words[kept] = NULL;
	near = jo_words_nearest(word, words);
	if (near == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(near));
}

/* joborch_internal.ad_hoc_version(definition) */
Datum
joborch_ad_hoc_version(PG_FUNCTION_ARGS)
{
	JoStartJob	job;
	Oid			user;
	int			context;

	/* the definition is who called's, not the extension's owner's */
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(jo_rights_caller(), context | SECURITY_LOCAL_USERID_CHANGE);
	jo_start_ad_hoc(PG_GETARG_JSONB_P(0), &job);
	SetUserIdAndSecContext(user, context);
	PG_RETURN_INT64(job.version_id);
}
