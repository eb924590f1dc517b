/*
 * document.c
 *		The run document that templates and conditions read.
 *
 * Never built whole: a template names its root, so that part alone is looked up,
 * and its path is walked in place.  Reads rows through store.c with the newest
 * snapshot; touches memory only.
 */
#include "joborch.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "docfilter.h"
#include "docpath.h"
#include "document.h"
#include "errors.h"
#include "jsonbuild.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "status.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

struct JoDocument
{
	JoCachedJob *job;
	int64		run_id;
	int			step;
	int			attempt;
	TimestampTz run_started_at;
	MemoryContext context;
	JoRunRow   *run;			/* NULL: not read yet */
	JoStepRow **steps;			/* NULL: none read yet */
	bool	   *looked;			/* steps[i] was asked for */
	Jsonb	   *run_object;
	Jsonb	   *job_object;
	Jsonb	   *result;
};

static const char *const priority_names[JO_PRIORITIES] = {"critical", "high", "medium", "low"};

JoDocument *
jo_document_create(const JoCachedJob *job, int64 run_id, int step,
				   int attempt, TimestampTz run_started_at)
{
	JoDocument *document = palloc0(sizeof(JoDocument));

	document->job = unconstify(JoCachedJob *, job);
	document->run_id = run_id;
	document->step = step;
	document->attempt = attempt;
	document->run_started_at = run_started_at;
	document->context = CurrentMemoryContext;
	return document;
}

void
jo_document_set_result(JoDocument *document, Jsonb *result)
{
	document->result = result;
}

const char *
jo_document_place(const JoDocument *document)
{
	if (document->step < 0)
		return "the job's output";
	return psprintf("step \"%s\"", document->job->definition->steps[document->step].name);
}

/* The run's row, read once. */
static JoRunRow *
get_run(JoDocument *document)
{
	if (document->run == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(document->context);
		JoRunRow   *run = palloc0(sizeof(JoRunRow));

		if (!jo_store_run(document->run_id, jo_store_latest(), run))
			ereport(ERROR,
					(errcode(ERRCODE_JO_RUN_NOT_FOUND),
					 errmsg("run %lld does not exist", (long long) document->run_id)));
		document->run = run;
		MemoryContextSwitchTo(caller);
	}
	return document->run;
}

/* The row of a step that ended, NULL if it has none; read once. */
static JoStepRow *
get_step(JoDocument *document, int step)
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

static Jsonb *
make_string(const char *text)
{
	JsonbValue	value;

	jo_jsonb_string_value(&value, text);
	return JsonbValueToJsonb(&value);
}

static Jsonb *
make_int(int64 number)
{
	JsonbValue	value;

	jo_jsonb_int_value(&value, number);
	return JsonbValueToJsonb(&value);
}

/* The first row of a result, NULL if it has none. */
static Jsonb *
get_first_row(Jsonb *output)
{
	JsonbValue	rows;
	JsonbValue *row;

	if (output == NULL || !jo_jsonb_member(&output->root, "rows", 4, &rows) ||
		rows.type != jbvBinary || !JsonContainerIsArray(rows.val.binary.data))
		return NULL;
	row = getIthJsonbValueFromContainer(rows.val.binary.data, 0);
	return row != NULL ? jo_jsonb_from_value(row) : NULL;
}

/*
 * The first column of the first row.  jsonb keeps names in an order of its own; where
 * that begins with another column, sqlresult.c has written the list "columns".
 */
static Jsonb *
get_first_value(Jsonb *output)
{
	Jsonb	   *row = get_first_row(output);
	JsonbIterator *iterator;
	JsonbValue	columns;
	JsonbValue	value;

	if (row == NULL || !JB_ROOT_IS_OBJECT(row) || JB_ROOT_COUNT(row) == 0)
		return NULL;
	if (jo_jsonb_member(&output->root, "columns", 7, &columns))
	{
		JsonbValue *name = getIthJsonbValueFromContainer(columns.val.binary.data, 0);

		if (!jo_jsonb_member(&row->root, name->val.string.val, name->val.string.len, &value))
			return NULL;
		return jo_jsonb_from_value(&value);
	}
	iterator = JsonbIteratorInit(&row->root);
	while (JsonbIteratorNext(&iterator, &value, true) != WJB_VALUE)
		;
	return jo_jsonb_from_value(&value);
}

/* A path below result: row and value have the meaning they have in steps.name. */
static Jsonb *
get_result_path(JoDocument *document, const char *path)
{
	Jsonb	   *result = document->result;
	const char *rest = path;
	JoPathName	name;
	JsonbValue	member;

	if (result == NULL)
		return NULL;
	if (jo_docpath_member(&rest, &name) &&
		!jo_jsonb_member(&result->root, name.text, name.length, &member))
	{
		Jsonb	   *part = NULL;

		if (JO_PATH_NAME_IS(&name, "row"))
			part = get_first_row(result);
		else if (JO_PATH_NAME_IS(&name, "value"))
			part = get_first_value(result);
		return part != NULL ? jo_docpath_get(document->job, part, rest) : NULL;
	}
	return jo_docpath_get(document->job, result, path);
}

/* {output, row, value, status, error}; NULL when the step has no row. */
static Jsonb *
build_step(JoDocument *document, int step)
{
	JoStepRow  *row = get_step(document, step);
	JsonbParseState *state = NULL;

	if (row == NULL)
		return NULL;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_string(&state, "status", jo_status_word(row->status));
	jo_jsonb_add_jsonb(&state, "output", row->output);
	jo_jsonb_add_jsonb(&state, "row", get_first_row(row->output));
	jo_jsonb_add_jsonb(&state, "value", get_first_value(row->output));
	jo_jsonb_add_jsonb(&state, "error", row->error);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* A path below steps.name: only the part that it names is built. */
static Jsonb *
get_step_path(JoDocument *document, int step, const char *path)
{
	JoStepRow  *row = get_step(document, step);
	JoPathName	name;
	Jsonb	   *part = NULL;

	if (row == NULL)
		return NULL;
	if (!jo_docpath_member(&path, &name))
		return jo_docpath_get(document->job, build_step(document, step), path);
	if (JO_PATH_NAME_IS(&name, "output"))
		part = row->output;
	else if (JO_PATH_NAME_IS(&name, "row"))
		part = get_first_row(row->output);
	else if (JO_PATH_NAME_IS(&name, "value"))
		part = get_first_value(row->output);
	else if (JO_PATH_NAME_IS(&name, "status"))
		part = make_string(jo_status_word(row->status));
	else if (JO_PATH_NAME_IS(&name, "error"))
		part = row->error;
	return part != NULL ? jo_docpath_get(document->job, part, path) : NULL;
}

/* The step that `previous` means, -1 when there is none. */
static int
find_previous(const JoDocument *document)
{
	const JoStepDef *step;

	if (document->step < 0)
		return -1;
	step = &document->job->definition->steps[document->step];
	if (step->ndeps > 1)
		ereport(ERROR,
				(errcode(ERRCODE_JO_TEMPLATE),
				 errmsg("\"previous\" is ambiguous in step \"%s\"", step->name),
				 errdetail("The step has %d parents.", step->ndeps),
				 errhint("Name one, such as {{ steps.%s.output }}.",
						 document->job->definition->steps[step->deps[0]].name)));
	return step->ndeps == 1 ? step->deps[0] : -1;
}

static void
add_tags(JsonbParseState **state, struct ArrayType *tags)
{
	JsonbValue	value;
	Datum	   *elements;
	bool	   *nulls;
	int			n;
	int			i;

	if (tags == NULL)
		return;
	jo_jsonb_string_value(&value, "tags");
	pushJsonbValue(state, WJB_KEY, &value);
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	deconstruct_array(tags, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &n);
	for (i = 0; i < n; i++)
	{
		if (nulls[i])
			continue;
		jo_jsonb_string_value(&value, TextDatumGetCString(elements[i]));
		pushJsonbValue(state, WJB_ELEM, &value);
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

static Jsonb *
build_run(JoDocument *document)
{
	JoRunRow   *run = get_run(document);
	JsonbParseState *state = NULL;
	char		at[MAXDATELEN + 1];

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_int(&state, "id", document->run_id);
	jo_jsonb_add_int(&state, "attempt", document->attempt);
	add_tags(&state, run->tags);
	jo_jsonb_add_jsonb(&state, "metadata", run->metadata);
	jo_jsonb_add_string(&state, "correlation_id", run->correlation_id);
	jo_jsonb_add_string(&state, "name", run->name);
	jo_jsonb_add_string(&state, "requested_by", run->requested_by);
	if (run->priority >= 0 && run->priority < JO_PRIORITIES)
		jo_jsonb_add_string(&state, "priority", priority_names[run->priority]);
	if (document->run_started_at != 0)
		jo_jsonb_add_string(&state, "started_at",
							JsonEncodeDateTime(at, TimestampTzGetDatum(document->run_started_at),
											   TIMESTAMPTZOID, NULL));
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static Jsonb *
build_job(JoDocument *document)
{
	const JoCachedJob *job = document->job;
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_string(&state, "name", job->job_name);
	if (job->job_id != 0)
		jo_jsonb_add_int(&state, "id", job->job_id);
	jo_jsonb_add_int(&state, "version", job->version);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static Jsonb *
get_vars(JoCachedJob *job)
{
	if (job->vars == NULL && job->definition->vars != NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(job->context);

		job->vars = jo_jsonb_from_text(job->definition->vars);
		MemoryContextSwitchTo(caller);
	}
	return job->vars;
}

static Jsonb *
get_run_object(JoDocument *document)
{
	if (document->run_object == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(document->context);

		document->run_object = build_run(document);
		MemoryContextSwitchTo(caller);
	}
	return document->run_object;
}

static Jsonb *
get_job_object(JoDocument *document)
{
	if (document->job_object == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(document->context);

		document->job_object = build_job(document);
		MemoryContextSwitchTo(caller);
	}
	return document->job_object;
}

/* The value of a root other than steps and previous; NULL when it is undefined. */
static Jsonb *
get_root(JoDocument *document, JoRoot root)
{
	switch (root)
	{
		case JO_ROOT_INPUT:
			return get_run(document)->input;
		case JO_ROOT_VARS:
			return get_vars(document->job);
		case JO_ROOT_RUN:
			return get_run_object(document);
		case JO_ROOT_JOB:
			return get_job_object(document);
		case JO_ROOT_RESULT:
			return document->result;
		case JO_ROOT_SCHEDULE:
			ereport(ERROR,
					(errcode(ERRCODE_JO_TEMPLATE),
					 errmsg("this run was not started by a schedule"),
					 errdetail("%s reads \"schedule\".", jo_document_place(document))));
			break;
		case JO_ROOT_STEPS:
		case JO_ROOT_PREVIOUS:
			break;
	}
	elog(ERROR, "unexpected root %d of a run document", (int) root);
	return NULL;				/* not reached */
}

/* The value at a template's path, before its filters; NULL when it is undefined. */
static Jsonb *
find_value(JoDocument *document, const JoTemplate *template)
{
	const char *path = template->path + 1;	/* behind the $ */
	JoPathName	name;
	Jsonb	   *root;
	int			previous;

	if (!jo_docpath_member(&path, &name))
		elog(ERROR, "unexpected path \"%s\" in a template", template->path);
	switch (template->ref.root)
	{
		case JO_ROOT_STEPS:
			if (!jo_docpath_skip_member(&path) || template->ref.step < 0)
				elog(ERROR, "unexpected path \"%s\" in a template", template->path);
			return get_step_path(document, template->ref.step, path);
		case JO_ROOT_PREVIOUS:
			previous = find_previous(document);
			return previous >= 0 ? get_step_path(document, previous, path) : NULL;
		case JO_ROOT_RESULT:
			return get_result_path(document, path);
		case JO_ROOT_RUN:
			/* needs no row, and is by far the most frequent */
			if (strcmp(path, ".\"id\"") == 0)
				return make_int(document->run_id);
			break;
		default:
			break;
	}
	root = get_root(document, template->ref.root);
	return root != NULL ? jo_docpath_get(document->job, root, path) : NULL;
}

/* Why a template may have no value, for the DETAIL; NULL when there is nothing to add. */
static char *
explain_undefined(JoDocument *document, const JoTemplate *template)
{
	JoStepRow  *row;
	int			step = template->ref.step;

	if (template->ref.root == JO_ROOT_PREVIOUS)
		step = find_previous(document);
	else if (template->ref.root == JO_ROOT_RESULT)
		return pstrdup("The step's result has no such member.");
	else if (template->ref.root != JO_ROOT_STEPS)
		return psprintf("The run's document has nothing at this place of \"%s\".",
						jo_root_name(template->ref.root));
	if (step < 0)
		return pstrdup("The step has no parent.");
	row = get_step(document, step);
	if (row == NULL)
		return psprintf("Step \"%s\" has not ended.",
						document->job->definition->steps[step].name);
	return psprintf("Step \"%s\" is %s and its data has no such member.",
					document->job->definition->steps[step].name, jo_status_word(row->status));
}

static void
raise_undefined(JoDocument *document, const JoTemplate *template)
{
	char	   *detail = explain_undefined(document, template);

	ereport(ERROR,
			(errcode(ERRCODE_JO_TEMPLATE),
			 errmsg("template %s of %s is undefined",
					template->source, jo_document_place(document)),
			 errdetail("%s", detail),
			 errhint("If it may be missing, add a filter: {{ ... | default(null) }}.")));
}

Jsonb *
jo_document_template(JoDocument *document, const JoTemplate *template)
{
	Jsonb	   *value = find_value(document, template);

	if (template->nfilters > 0)
		value = jo_docfilter_apply(template, value);
	if (value == NULL)
		raise_undefined(document, template);
	return value;
}

/* A text with templates inside: their values as text between the pieces. */
static Jsonb *
render_text(JoDocument *document, const JoSqlText *text)
{
	StringInfoData out;
	int			i;

	initStringInfo(&out);
	for (i = 0; i < text->ntemplates; i++)
	{
		appendStringInfoString(&out, text->pieces[i]);
		appendStringInfoString(&out,
							   jo_jsonb_text(jo_document_template(document, &text->templates[i])));
	}
	appendStringInfoString(&out, text->pieces[i]);
	return make_string(out.data);
}

static Jsonb *
render_container(JoDocument *document, const JoValue *value)
{
	bool		object = value->kind == JO_VALUE_OBJECT;
	JsonbParseState *state = NULL;
	JsonbValue	element;
	int			i;

	check_stack_depth();
	pushJsonbValue(&state, object ? WJB_BEGIN_OBJECT : WJB_BEGIN_ARRAY, NULL);
	for (i = 0; i < value->n; i++)
	{
		jo_jsonb_to_value(jo_document_render(document, &value->values[i]), &element);
		if (object)
			jo_jsonb_add(&state, value->keys[i], &element);
		else
			pushJsonbValue(&state, WJB_ELEM, &element);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, object ? WJB_END_OBJECT : WJB_END_ARRAY, NULL));
}

Jsonb *
jo_document_render(JoDocument *document, const JoValue *value)
{
	switch (value->kind)
	{
		case JO_VALUE_LITERAL:
			return jo_jsonb_from_text(value->json);
		case JO_VALUE_TEMPLATE:
			return jo_document_template(document, &value->text->templates[0]);
		case JO_VALUE_TEXT:
			return render_text(document, value->text);
		case JO_VALUE_OBJECT:
		case JO_VALUE_ARRAY:
			return render_container(document, value);
	}
	elog(ERROR, "unexpected kind %d of a JSON value", (int) value->kind);
	return NULL;				/* not reached */
}

/* The steps that a condition names, as the open object's member "steps". */
static void
add_steps(JoDocument *document, JsonbParseState **state, const JoRefList *refs)
{
	const JoDefinition *definition = document->job->definition;
	JsonbValue	key;
	int			i;

	jo_jsonb_string_value(&key, "steps");
	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	for (i = 0; i < refs->n; i++)
	{
		int			step = refs->list[i].step;

		if (refs->list[i].root == JO_ROOT_STEPS && step >= 0)
			jo_jsonb_add_jsonb(state, definition->steps[step].name, build_step(document, step));
	}
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* A document with just the parts that the list names. */
static Jsonb *
build_document(JoDocument *document, const JoRefList *refs)
{
	JsonbParseState *state = NULL;
	bool		steps = false;
	int			i;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (i = 0; i < refs->n; i++)
	{
		JoRoot		root = refs->list[i].root;
		int			previous;

		if (root == JO_ROOT_STEPS)
			steps = true;
		else if (root != JO_ROOT_PREVIOUS)
			jo_jsonb_add_jsonb(&state, jo_root_name(root), get_root(document, root));
		else if ((previous = find_previous(document)) >= 0)
			jo_jsonb_add_jsonb(&state, "previous", build_step(document, previous));
	}
	if (steps)
		add_steps(document, &state, refs);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static void
add_condition_context(void *arg)
{
	errcontext("condition of %s", jo_document_place((JoDocument *) arg));
}

bool
jo_document_predicate(JoDocument *document, const char *path, const JoRefList *refs)
{
	ErrorContextCallback callback;
	Jsonb	   *values;
	JsonbValue *first = NULL;

	callback.callback = add_condition_context;
	callback.arg = document;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	values = jo_docpath_query(document->job, build_document(document, refs), path);
	error_context_stack = callback.previous;

	if (JB_ROOT_COUNT(values) == 1)
		first = getIthJsonbValueFromContainer(&values->root, 0);
	if (first == NULL || first->type != jbvBool)
		ereport(ERROR,
				(errcode(ERRCODE_JO_CONDITION),
				 errmsg("condition of %s is neither true nor false", jo_document_place(document)),
				 errdetail("%s gives %s.", path,
						   first == NULL && JB_ROOT_COUNT(values) == 0 ? "nothing" :
						   first != NULL && first->type == jbvNull ? "unknown" :
						   JsonbToCString(NULL, &values->root, VARSIZE(values))),
				 errhint("Compare with something, such as $.steps.a.value > 0; "
						 "for what may be missing use exists($.input.x).")));
	return first->val.boolean;
}
