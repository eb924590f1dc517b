/*
 * specfuncs.c
 *		The next times of a spec as a set, without a schedule and without rows.
 */
#include "joborch.h"

#include "timespec.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "pgtime.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(joborch_spec_fires);

#define MOST_FIRES 10000

static void
check_number(int32 n)
{
	if (n < 1 || n > MOST_FIRES)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"n\" cannot be %d", n),
				 errhint("It is 1 to %d; go on with after => the last of them.", MOST_FIRES)));
}

/* "CET", or "+03" where people have no letters for it */
static const char *
abbreviate(const JoZone *zone, TimestampTz at)
{
	struct pg_tm tm;
	fsec_t		fraction;
	int			offset;
	const char *name;

	if (timestamp2tm(at, &offset, &tm, &fraction, &name, pg_tzset(jo_zone_name(zone))) != 0 || name == NULL)
		return "";
	return name;
}

/* "Mon 2027-01-04 09:30:00 CET" */
static text *
show_local(const JoZone *zone, TimestampTz at)
{
	static const char *const weekdays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	JoCivil		civil;
	int64		day;

	jo_zone_local(zone, at, &civil);
	day = jo_civil_day(civil.year, civil.month, civil.day);
	return cstring_to_text(psprintf("%s %04d-%02d-%02d %02d:%02d:%02d %s", weekdays[jo_civil_weekday(day)], civil.year,
									civil.month, civil.day, civil.hour, civil.minute, civil.second,
									abbreviate(zone, at)));
}

/* spec_fires(spec jsonb, n integer, after timestamptz) returns table (fire_at timestamptz, local_time text) */
Datum
joborch_spec_fires(PG_FUNCTION_ARGS)
{
	int32		n = PG_GETARG_INT32(1);
	TimestampTz at = PG_GETARG_TIMESTAMPTZ(2);
	JoTimeSpec *spec = jo_timespec_parse(PG_GETARG_JSONB_P(0));
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	check_number(n);
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < n && (at = jo_timespec_next(spec, at)) != DT_NOEND; i++)
	{
		bool		nulls[2] = {false, false};
		Datum		values[2];

		CHECK_FOR_INTERRUPTS();
		values[0] = TimestampTzGetDatum(at);
		values[1] = PointerGetDatum(show_local(jo_timespec_zone(spec), at));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
