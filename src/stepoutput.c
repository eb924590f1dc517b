/*
 * stepoutput.c
 *		The output of a run that completed.
 *
 * What its job's "output" made is in the row of its end; without that, it is what
 * the steps give on which nothing depends.  Reads rows through store.c.
 */
#include "joborch.h"

#include "errors.h"
#include "jsonbuild.h"
#include "steptry.h"

/* The main steps that users see and on which none depends, marked. */
static bool *
find_last_steps(const JoDefinition *definition, int *n)
{
	bool	   *last = palloc0(sizeof(bool) * Max(definition->nsteps, 1));
	int			i;
	int			d;

	for (i = 0; i < definition->nmain; i++)
		last[i] = JO_STEP_IS_COUNTED(&definition->steps[i]) && definition->steps[i].scope < 0;
	for (i = 0; i < definition->nmain; i++)
	{
		for (d = 0; d < definition->steps[i].ndeps; d++)
			last[definition->steps[i].deps[d]] = false;
	}
	*n = 0;
	for (i = 0; i < definition->nmain; i++)
		*n += last[i];
	return last;
}

static const JoDefinition *
read_definition(int64 run_id)
{
	JoRunRow	run;

	if (!jo_store_run(run_id, jo_store_latest(), &run))
		ereport(ERROR,
				(errcode(ERRCODE_JO_RUN_NOT_FOUND),
				 errmsg("run " INT64_FORMAT " does not exist", run_id),
				 errdetail("It was deleted before its output was read."),
				 errhint("Delete runs only when those that started them have ended.")));
	return jo_defcache_get(run.version_id)->definition;
}

Jsonb *
jo_run_output(int64 run_id, const JoEndRow *end)
{
	const JoDefinition *definition;
	JsonbParseState *state = NULL;
	bool	   *last;
	int			n;
	int			i;

	if (end->output != NULL)
		return end->output;
	definition = read_definition(run_id);
	last = find_last_steps(definition, &n);
	if (n != 1)
		pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (i = 0; i < definition->nmain; i++)
	{
		JoStepRow	row;
		bool		found;

		if (!last[i])
			continue;
		found = jo_store_step(run_id, i, JO_NO_ITEM, jo_store_latest(), &row) &&
			row.status == JO_STEP_COMPLETED;
		if (n == 1)
			return found ? row.output : NULL;
		if (found)
			jo_jsonb_add_jsonb(&state, definition->steps[i].name,
							   row.output != NULL ? row.output : jo_jsonb_null());
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}
