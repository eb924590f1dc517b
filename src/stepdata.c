/*
 * stepdata.c
 *		Steps that make a value of values: sql, transform, filter, set.
 *
 * They run the step's SQL inside its transaction and touch memory otherwise.
 */
#include "joborch.h"

#include "jsonbuild.h"
#include "miscadmin.h"
#include "sqlstep.h"
#include "steptypes.h"
#include "utils/memutils.h"

JoVerdict
jo_step_sql(JoTry *try)
{
	try->output = jo_sqlstep_execute(try->job, try->step, try->document);
	return JO_VERDICT_COMPLETED;
}

/* An object of named values. */
static Jsonb *
build_outputs(JoTry *try, const JoDataDef *data)
{
	JsonbParseState *state = NULL;
	int			i;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (i = 0; i < data->noutputs; i++)
		jo_jsonb_add_jsonb(&state, data->outputs[i].name,
						   jo_step_value(try, &data->outputs[i].expression));
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

JoVerdict
jo_step_transform(JoTry *try)
{
	const JoDataDef *data = try->step->data;

	try->output = jo_step_is_given(&data->value) ? jo_step_value(try, &data->value) :
		build_outputs(try, data);
	return JO_VERDICT_COMPLETED;
}

JoVerdict
jo_step_set(JoTry *try)
{
	try->output = build_outputs(try, try->step->data);
	return JO_VERDICT_COMPLETED;
}

JoVerdict
jo_step_filter(JoTry *try)
{
	const JoCondition *where = &try->step->data->where;
	Jsonb	   *items = jo_step_items(try, &try->step->data->value, "\"items\"");
	JoItemFilter *filter = jo_document_filter(try->document, where->path, &where->refs);
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(caller, "joborch items", ALLOCSET_DEFAULT_SIZES);
	JsonbIterator *iterator = JsonbIteratorInit(&items->root);
	JsonbIteratorToken token;
	JsonbParseState *state = NULL;
	JsonbValue	value;

	(void) JsonbIteratorNext(&iterator, &value, true);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) == WJB_ELEM)
	{
		bool		takes;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(context);
		takes = jo_document_filter_takes(filter, jo_jsonb_from_value(&value));
		MemoryContextSwitchTo(caller);
		MemoryContextReset(context);
		if (takes)
			pushJsonbValue(&state, WJB_ELEM, &value);
	}
	try->output = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));
	return JO_VERDICT_COMPLETED;
}
