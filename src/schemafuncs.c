/*
 * schemafuncs.c
 *		joborch_internal.schema_violations(): a schema's check, from SQL.
 *
 * Reads and writes nothing but its arguments.
 */
#include "joborch.h"

#include "fmgr.h"
#include "funcapi.h"
#include "schema.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(joborch_schema_violations);

Datum
joborch_schema_violations(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	JoViolations violations;
	int			i;

	memset(&violations, 0, sizeof(violations));
	jo_schema_check(PG_GETARG_JSONB_P(0), PG_GETARG_JSONB_P(1), &violations);
	InitMaterializedSRF(fcinfo, 0);
	for (i = 0; i < violations.n; i++)
	{
		Datum		values[3];
		bool		nulls[3] = {false, false, false};

		values[0] = CStringGetTextDatum(violations.list[i].path);
		values[1] = CStringGetTextDatum(violations.list[i].keyword);
		values[2] = CStringGetTextDatum(violations.list[i].message);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
