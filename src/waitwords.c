/*
 * waitwords.c
 *		What a step that waits is waiting for, in words; and what a version's steps
 *		are, for functions and views about what waits.
 *
 * Internal entries, called by views and functions in sql/extension that check the
 * caller's rights.  Reads only.
 */
#include "joborch.h"

#include "catalog/pg_type.h"
#include "defcache.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "postmaster/bgworker.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"
#include "waitwords.h"

PG_FUNCTION_INFO_V1(joborch_wait_words);
PG_FUNCTION_INFO_V1(joborch_version_steps);

#define COLUMNS 6

static const char *
time_words(TimestampTz when)
{
	if (when == 0)
		return "timer";
	return psprintf("timer until %s",
					DatumGetCString(DirectFunctionCall1(timestamptz_out, TimestampTzGetDatum(when))));
}

static const char *
approval_words(const JoStepDef *step, const char *owner)
{
	const JoWaitDef *wait = step->wait;
	StringInfoData text;

	initStringInfo(&text);
	appendStringInfoString(&text, "approval by ");
	if (wait == NULL || wait->napprovers == 0)
		appendStringInfo(&text, "%s, joborch_operator", owner);
	for (int i = 0; wait != NULL && i < wait->napprovers; i++)
		appendStringInfo(&text, "%s%s", i > 0 ? ", " : "", wait->approvers[i]);
	return text.data;
}

const char *
jo_wait_words(char kind, const char *key, TimestampTz look_at, int64 child,
			  const JoStepDef *step, const char *owner)
{
	switch (kind)
	{
		case JO_WAIT_SIGNAL:
			return psprintf("signal \"%s\"", key != NULL ? key : step->shown);
		case JO_WAIT_SQL:
			return "condition";
		case JO_WAIT_APPROVAL:
			return approval_words(step, owner);
		case JO_WAIT_OUTSIDE:
			return psprintf("somebody who carries out \"%s\"", step->word);
		case JO_WAIT_KEY:
			return psprintf("concurrency key \"%s\"", key != NULL ? key : "");
		default:
			return child != 0 ? psprintf("child run " INT64_FORMAT, child) : time_words(look_at);
	}
}

/* The definition of a version, for a look; in a step the one that is carried out stays where it is. */
static const JoDefinition *
look_at_version(int64 version_id)
{
	if (MyBgworkerEntry == NULL)
		jo_defcache_trim();
	return jo_defcache_get(version_id)->definition;
}

/* wait_words(version_id, step, kind, key, look_at, child, owner) */
Datum
joborch_wait_words(PG_FUNCTION_ARGS)
{
	const JoDefinition *definition;
	int			step;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2) || PG_ARGISNULL(6))
		PG_RETURN_NULL();
	definition = look_at_version(PG_GETARG_INT64(0));
	step = PG_GETARG_INT32(1);
	if (step < 0 || step >= definition->nsteps)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(jo_wait_words(PG_GETARG_CHAR(2),
												   PG_ARGISNULL(3) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(3)),
												   PG_ARGISNULL(4) ? 0 : PG_GETARG_TIMESTAMPTZ(4),
												   PG_ARGISNULL(5) ? 0 : PG_GETARG_INT64(5),
												   &definition->steps[step],
												   text_to_cstring(PG_GETARG_TEXT_PP(6)))));
}

static Datum
approvers_of(const JoStepDef *step)
{
	int			n = step->wait != NULL ? step->wait->napprovers : 0;
	Datum	   *values = palloc(sizeof(Datum) * Max(1, n));

	for (int i = 0; i < n; i++)
		values[i] = CStringGetTextDatum(step->wait->approvers[i]);
	return PointerGetDatum(construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT));
}

/* The steps of a version under the names that users know. */
Datum
joborch_version_steps(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	const JoDefinition *definition;

	InitMaterializedSRF(fcinfo, 0);
	definition = look_at_version(PG_GETARG_INT64(0));
	for (int i = 0; i < definition->nsteps; i++)
	{
		const JoStepDef *step = &definition->steps[i];
		Datum		values[COLUMNS] = {0};
		bool		nulls[COLUMNS] = {0};

		values[0] = Int32GetDatum(step->index);
		values[1] = CStringGetTextDatum(step->shown);
		values[2] = BoolGetDatum(JO_STEP_IS_COUNTED(step));
		values[3] = BoolGetDatum(step->type == JO_STEP_APPROVAL);
		values[4] = approvers_of(step);
		values[5] = CStringGetTextDatum(step->word);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
