/*
 * crontest.c
 *		Cron expressions and time zones from SQL, without a schedule: only in test builds.
 */
#ifdef JOBORCH_TEST

#include "joborch.h"

#include "catalog/pg_type.h"
#include "cronzone.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(joborch_debug_cron);
PG_FUNCTION_INFO_V1(joborch_debug_cron_text);
PG_FUNCTION_INFO_V1(joborch_debug_cron_speed);
PG_FUNCTION_INFO_V1(joborch_debug_zone);
PG_FUNCTION_INFO_V1(joborch_debug_zone_local);
PG_FUNCTION_INFO_V1(joborch_debug_zone_change);

static void
parse_cron(text *expression, JoCron *cron)
{
	char	   *error;
	char	   *hint;

	if (!jo_cron_parse(text_to_cstring(expression), cron, &error, &hint))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg_internal("%s", error),
				 errhint("%s", hint)));
}

static Datum
make_array(const TimestampTz *times, int n)
{
	Datum	   *datums = palloc(Max(n, 1) * sizeof(Datum));

	for (int i = 0; i < n; i++)
		datums[i] = TimestampTzGetDatum(times[i]);
	return PointerGetDatum(construct_array(datums, n, TIMESTAMPTZOID, sizeof(TimestampTz), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* debug_cron(expression text, zone text, after timestamptz, n integer, until timestamptz): at most n instants up to one */
Datum
joborch_debug_cron(PG_FUNCTION_ARGS)
{
	JoCron		cron;
	const JoZone *zone = jo_zone_find(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(2);
	TimestampTz until = PG_GETARG_TIMESTAMPTZ(4);
	int			limit = PG_GETARG_INT32(3);
	TimestampTz *times = palloc(Max(limit, 1) * sizeof(TimestampTz));
	int			n = 0;

	parse_cron(PG_GETARG_TEXT_PP(0), &cron);
	while (n < limit)
	{
		CHECK_FOR_INTERRUPTS();
		at = jo_cron_next_in_zone(&cron, zone, at);
		if (at > until || TIMESTAMP_IS_NOEND(at))
			break;
		times[n++] = at;
	}
	PG_RETURN_DATUM(make_array(times, n));
}

/* debug_cron_text(expression text): in plain words */
Datum
joborch_debug_cron_text(PG_FUNCTION_ARGS)
{
	JoCron		cron;

	parse_cron(PG_GETARG_TEXT_PP(0), &cron);
	PG_RETURN_TEXT_P(cstring_to_text(jo_cron_describe(&cron)));
}

/* debug_cron_speed(expression text, zone text, n integer): next times a second, one after the other */
Datum
joborch_debug_cron_speed(PG_FUNCTION_ARGS)
{
	JoCron		cron;
	const JoZone *zone = jo_zone_find(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	TimestampTz at = 0;
	int			n = PG_GETARG_INT32(2);
	instr_time	begun;
	instr_time	ended;

	parse_cron(PG_GETARG_TEXT_PP(0), &cron);
	INSTR_TIME_SET_CURRENT(begun);
	for (int i = 0; i < n; i++)
	{
		at = jo_cron_next_in_zone(&cron, zone, at);
		if (TIMESTAMP_IS_NOEND(at))
			at = 0;
	}
	INSTR_TIME_SET_CURRENT(ended);
	INSTR_TIME_SUBTRACT(ended, begun);
	PG_RETURN_FLOAT8(n / INSTR_TIME_GET_DOUBLE(ended));
}

/* debug_zone(zone text, local timestamp): its instants, or none; then the end of the gap behind infinity */
Datum
joborch_debug_zone(PG_FUNCTION_ARGS)
{
	const JoZone *zone = jo_zone_find(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	TimestampTz at[2];
	JoCivil		local;
	int			n;

	jo_civil_from_seconds(PG_GETARG_TIMESTAMP(1) / USECS_PER_SEC, &local);
	n = jo_zone_instants(zone, &local, at, &at[1]);
	if (n == 0)
	{
		at[0] = DT_NOEND;
		n = 2;
	}
	PG_RETURN_DATUM(make_array(at, n));
}

/* debug_zone_local(zone text, at timestamptz): timestamp */
Datum
joborch_debug_zone_local(PG_FUNCTION_ARGS)
{
	JoCivil		local;

	jo_zone_local(jo_zone_find(text_to_cstring(PG_GETARG_TEXT_PP(0))), PG_GETARG_TIMESTAMPTZ(1), &local);
	PG_RETURN_TIMESTAMP(jo_civil_seconds(&local) * USECS_PER_SEC);
}

/* debug_zone_change(zone text, after timestamptz): the next change, NULL: none */
Datum
joborch_debug_zone_change(PG_FUNCTION_ARGS)
{
	TimestampTz at;

	if (!jo_zone_next_change(jo_zone_find(text_to_cstring(PG_GETARG_TEXT_PP(0))), PG_GETARG_TIMESTAMPTZ(1), &at, NULL, NULL))
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(at);
}

#endif
