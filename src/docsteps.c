/*
 * docsteps.c
 *		The steps of a run document: {output, row, value, status, error} of each.
 *
 * A body's expressions may read steps of the runs around it, by name.  Reads rows
 * through store.c with the newest snapshot; touches memory only.
 */
#include "joborch.h"

#include "docparts.h"
#include "errors.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "spill.h"
#include "sqlresult.h"
#include "status.h"

static bool
is_named(const JoDefinition *definition, int step, const char *name)
{
	return step >= 0 && step < definition->nsteps &&
		strcmp(definition->steps[step].name, name) == 0;
}

int
jo_docsteps_find(JoDocument *document, const JoRef *ref, JoDocument **owner)
{
	/* the index was found in the definition of the expression, which may be another one */
	for (; document != NULL; document = jo_docroots_parent(document))
	{
		const JoDefinition *definition = document->job->definition;
		int			step = ref->step;

		*owner = document;
		if (!is_named(definition, step, ref->step_name))
			step = jo_definition_step_by_name(definition, ref->step_name);
		if (step >= 0)
			return step;
	}
	return -1;
}

JoStepRow *
jo_docsteps_row(JoDocument *document, int step)
{
	MemoryContext caller;
	JoStepRow  *row;

	if (document->steps != NULL && document->looked[step])
		return document->steps[step];

	caller = MemoryContextSwitchTo(document->context);
	if (document->steps == NULL)
	{
		int			n = document->job->definition->nsteps;

		document->looked = palloc0(n * sizeof(bool));
		document->steps = palloc0(n * sizeof(JoStepRow *));
	}
	row = palloc0(sizeof(JoStepRow));
	if (jo_store_step(document->run_id, step, JO_NO_ITEM, jo_store_latest(), row))
		document->steps[step] = row;
	document->looked[step] = true;
	MemoryContextSwitchTo(caller);
	return document->steps[step];
}

/* Does it begin only when all its parents are over?  What a race stops is over, too. */
static bool
waits_for_all(const JoStepDef *step)
{
	return step->rule != JO_RULE_ONE_SUCCESS && step->rule != JO_RULE_ONE_FAILED &&
		(step->flow == NULL || step->flow->enough == 0 || step->type == JO_STEP_RACE);
}

/* Is step over whenever reader (-1: the job itself) runs?  seen: one flag per step, all false. */
static bool
is_over(const JoDefinition *definition, int step, int reader, bool *seen)
{
	const JoStepDef *by;

	if (reader < 0 || definition->steps[step].phase < definition->steps[reader].phase)
		return true;
	by = &definition->steps[reader];
	if (seen[reader] || !waits_for_all(by))
		return false;
	seen[reader] = true;
	check_stack_depth();
	for (int i = 0; i < by->ndeps; i++)
		if (by->deps[i] == step || is_over(definition, step, by->deps[i], seen))
			return true;
	return false;
}

char
jo_docsteps_status(JoDocument *document, int step)
{
	JoStepRow  *row = jo_docsteps_row(document, step);
	const JoDefinition *definition = document->job->definition;
	bool	   *seen;
	bool		over;

	if (row != NULL)
		return row->status;
	seen = palloc0(definition->nsteps * sizeof(bool));
	over = is_over(definition, step, document->step, seen);
	pfree(seen);
	return over ? JO_STEP_SKIPPED : 0;
}

/* The artifact is the run's, or of a run that it started: whatever the output says, only what its owner may see. */
static Jsonb *
bring_back(JoDocument *document, int step, const Jsonb *stand_in)
{
	MemoryContext caller;

	if (document->outputs != NULL && document->outputs[step] != NULL)
		return document->outputs[step];
	caller = MemoryContextSwitchTo(document->context);
	if (document->outputs == NULL)
		document->outputs = palloc0(document->job->definition->nsteps * sizeof(Jsonb *));
	document->outputs[step] = jo_spill_load(stand_in, document->run_id, jo_docroots_run(document)->owner,
											jo_document_place(document));
	MemoryContextSwitchTo(caller);
	return document->outputs[step];
}

Jsonb *
jo_docsteps_output(JoDocument *document, int step, const char *path)
{
	JoStepRow  *row = jo_docsteps_row(document, step);

	if (row == NULL || !jo_spill_stands_in(row->output) ||
		(path != NULL && jo_spill_answers(row->output, path)))
		return row != NULL ? row->output : NULL;
	return bring_back(document, step, row->output);
}

Jsonb *
jo_docsteps_build(JoDocument *document, int step)
{
	JoStepRow  *row = jo_docsteps_row(document, step);
	char		status = jo_docsteps_status(document, step);
	JsonbParseState *state = NULL;

	if (status == 0)
		return NULL;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_string(&state, "status", jo_status_word(status));
	if (row != NULL)
	{
		Jsonb	   *output = jo_docsteps_output(document, step, NULL);

		jo_jsonb_add_jsonb(&state, "output", output);
		jo_jsonb_add_jsonb(&state, "row", jo_sqlresult_first_row(output));
		jo_jsonb_add_jsonb(&state, "value", jo_sqlresult_first_value(output));
		jo_jsonb_add_jsonb(&state, "error", row->error);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static Jsonb *
make_word(const char *word)
{
	JsonbValue	value;

	jo_jsonb_string_value(&value, word);
	return JsonbValueToJsonb(&value);
}

Jsonb *
jo_docsteps_path(JoDocument *document, int step, JoCachedJob *texts, const char *path)
{
	JoStepRow  *row = jo_docsteps_row(document, step);
	JoPathName	name;
	Jsonb	   *part = NULL;
	char		status;

	if (!jo_docpath_member(&path, &name))
	{
		part = jo_docsteps_build(document, step);
		return part != NULL ? jo_docpath_get(texts, part, path) : NULL;
	}
	if (JO_PATH_NAME_IS(&name, "status"))
	{
		status = jo_docsteps_status(document, step);
		part = status != 0 ? make_word(jo_status_word(status)) : NULL;
	}
	else if (row == NULL)
		return NULL;
	else if (JO_PATH_NAME_IS(&name, "output"))
		part = jo_docsteps_output(document, step, path);
	else if (JO_PATH_NAME_IS(&name, "row"))
		part = jo_sqlresult_first_row(jo_docsteps_output(document, step, NULL));
	else if (JO_PATH_NAME_IS(&name, "value"))
		part = jo_sqlresult_first_value(jo_docsteps_output(document, step, NULL));
	else if (JO_PATH_NAME_IS(&name, "error"))
		part = row->error;
	return part != NULL ? jo_docpath_get(texts, part, path) : NULL;
}

static void
raise_ambiguous(const JoDefinition *definition, const JoStepDef *step)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_TEMPLATE),
			 errmsg("\"previous\" is ambiguous in step \"%s\"", step->name),
			 errdetail("The step has %d parents.", step->ndeps),
			 errhint("Name one, such as {{ steps.%s.output }}.",
					 definition->steps[step->deps[0]].name)));
}

int
jo_docsteps_previous(JoDocument *document, const JoRef *ref, JoDocument **owner, Jsonb **given)
{
	const JoDefinition *definition = document->job->definition;
	int			at = document->step;
	JoDocument *parent;

	*owner = document;
	*given = NULL;
	if (ref != NULL && ref->step >= 0)
	{
		*owner = document->reader != NULL ? document->reader : document;
		return ref->step;
	}
	while (at >= 0)
	{
		const JoStepDef *step = &definition->steps[at];

		/* a container's parts, and what it holds first, follow what it follows itself */
		if (step->open >= 0)
			at = step->open;
		else if (step->ndeps == 0)
			break;
		else if (step->ndeps > 1)
			raise_ambiguous(definition, step);
		else if (definition->steps[step->deps[0]].part != JO_PART_OPEN)
			return step->deps[0];
		else
			at = step->deps[0];
	}
	if (at < 0)
		return -1;
	*given = jo_docroots_context(document, "previous");
	parent = *given == NULL ? jo_docroots_parent(document) : NULL;
	return parent != NULL ? jo_docsteps_previous(parent, NULL, owner, given) : -1;
}
