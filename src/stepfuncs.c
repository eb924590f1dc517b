/*
 * stepfuncs.c
 *		A definition's steps as rows, numbered as the engine numbers them: the parts of
 *		containers are steps too.
 */
#include "joborch.h"

#include "catalog/pg_type.h"
#include "definition.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "validate.h"

PG_FUNCTION_INFO_V1(joborch_definition_steps);

#define COLUMNS 18

static const char *
phase_word(JoPhase phase)
{
	switch (phase)
	{
		case JO_PHASE_COMPENSATE:
			return "compensate";
		case JO_PHASE_ON_FAILURE:
			return "on_failure";
		case JO_PHASE_FINALLY:
			return "finally";
		default:
			return "main";
	}
}

static const char *
on_error_word(JoOnError on_error)
{
	switch (on_error)
	{
		case JO_ON_ERROR_STOP:
			return "stop";
		case JO_ON_ERROR_CONTINUE:
			return "continue";
		default:
			return "fail";
	}
}

static Datum
parents_of(const JoStepDef *step)
{
	Datum	   *values = palloc(sizeof(Datum) * Max(1, step->ndeps));

	for (int i = 0; i < step->ndeps; i++)
		values[i] = Int32GetDatum(step->deps[i]);
	return PointerGetDatum(construct_array(values, step->ndeps, INT4OID, 4, true, TYPALIGN_INT));
}

static void
put_interval(Datum *values, bool *nulls, int column, int64 microseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->time = microseconds;
	nulls[column] = microseconds == 0;
	values[column] = IntervalPGetDatum(interval);
}

static void
put_text(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	if (text != NULL)
		values[column] = CStringGetTextDatum(text);
}

Datum
joborch_definition_steps(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	JoDefinition *definition;

	InitMaterializedSRF(fcinfo, 0);
	definition = jo_validate_or_raise(PG_GETARG_JSONB_P(0));
	for (int i = 0; i < definition->nsteps; i++)
	{
		const JoStepDef *step = &definition->steps[i];
		Datum		values[COLUMNS] = {0};
		bool		nulls[COLUMNS] = {0};

		values[0] = Int32GetDatum(step->index);
		put_text(values, nulls, 1, step->name);
		put_text(values, nulls, 2, step->word);
		put_text(values, nulls, 3, phase_word(step->phase));
		values[4] = parents_of(step);
		values[5] = Int32GetDatum(step->retry.max_attempts);
		put_interval(values, nulls, 6, step->timeout);
		put_text(values, nulls, 7, step->when.path);
		put_text(values, nulls, 8, jo_trigger_rule_name(step->rule));
		put_text(values, nulls, 9, on_error_word(step->on_error));
		put_text(values, nulls, 10, step->run_as);
		put_interval(values, nulls, 11, step->estimated_duration);
		values[12] = BoolGetDatum(JO_STEP_IS_COUNTED(step));
		values[13] = BoolGetDatum(step->scope >= 0);
		values[14] = BoolGetDatum(step->part != JO_PART_CLOSE && (step->flow == NULL || step->flow->enough == 0));
		nulls[15] = step->open < 0;
		values[15] = Int32GetDatum(step->open);
		nulls[16] = step->close < 0;
		values[16] = Int32GetDatum(step->close);
		nulls[17] = step->compensates < 0;
		values[17] = Int32GetDatum(step->compensates);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
