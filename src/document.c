/*
 * document.c
 *		The run document that templates and conditions read.
 *
 * Never built whole: a template names its root, so that part alone is looked up,
 * and its path is walked in place.  Where the parts come from is in docroots.c and
 * docsteps.c; touches memory only.
 */
#include "joborch.h"

#include "docfilter.h"
#include "docparts.h"
#include "errors.h"
#include "jsonbuild.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "sqlresult.h"
#include "status.h"

struct JoItemFilter
{
	JoDocument *document;
	const char *source;
	JsonPath   *path;
	Jsonb	   *variables;
	int			n;
};

JoDocument *
jo_document_create(const JoCachedJob *job, int64 run_id, int step,
				   int attempt, TimestampTz run_started_at)
{
	JoDocument *document = palloc0(sizeof(JoDocument));

	document->job = unconstify(JoCachedJob *, job);
	document->run_id = run_id;
	document->step = step;
	document->item = JO_NO_ITEM;
	document->attempt = attempt;
	document->run_started_at = run_started_at;
	document->context = CurrentMemoryContext;
	return document;
}

void
jo_document_set_item(JoDocument *document, int32 item, int32 epoch)
{
	document->item = item;
	document->epoch = epoch;
}

void
jo_document_overlay(JoDocument *document, JoRoot root, Jsonb *value)
{
	if (document->noverlays == JO_MAX_OVERLAYS)
		elog(ERROR, "too many overlays of a run document");
	document->overlays[document->noverlays].root = root;
	document->overlays[document->noverlays++].value = value;
}

void
jo_document_uncover(JoDocument *document)
{
	Assert(document->noverlays > 0);
	document->noverlays--;
}

void
jo_document_set_result(JoDocument *document, Jsonb *result)
{
	jo_document_overlay(document, JO_ROOT_RESULT, result);
}

const char *
jo_document_place(const JoDocument *document)
{
	const JoDefinition *definition;
	const JoStepDef *step;

	while (document->reader != NULL)
		document = document->reader;
	if (document->step < 0)
		return "the job's output";
	definition = document->job->definition;
	step = &definition->steps[document->step];
	if (document->item != JO_NO_ITEM)
		return psprintf("step \"%s\", item %d", step->shown, document->item);
	return psprintf("step \"%s\"", step->close >= 0 ? definition->steps[step->close].name : step->name);
}

/* Whose texts are evaluated: compiled paths are kept with them. */
static JoCachedJob *
get_texts(const JoDocument *document)
{
	return document->reader != NULL ? document->reader->job : document->job;
}

/* A path below result: row and value have the meaning they have in steps.name. */
static Jsonb *
get_result_path(JoDocument *document, const char *path)
{
	Jsonb	   *result = jo_docroots_get(document, JO_ROOT_RESULT);
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
			part = jo_sqlresult_first_row(result);
		else if (JO_PATH_NAME_IS(&name, "value"))
			part = jo_sqlresult_first_value(result);
		return part != NULL ? jo_docpath_get(get_texts(document), part, rest) : NULL;
	}
	return jo_docpath_get(get_texts(document), result, path);
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

/* A path below `previous`. */
static Jsonb *
get_previous_path(JoDocument *document, const JoRef *ref, const char *path)
{
	JoDocument *owner;
	Jsonb	   *given;
	int			step = jo_docsteps_previous(document, ref, &owner, &given);

	if (step >= 0)
		return jo_docsteps_path(owner, step, get_texts(document), path);
	return given != NULL ? jo_docpath_get(get_texts(document), given, path) : NULL;
}

/* The value at a template's path, before its filters; NULL when it is undefined. */
static Jsonb *
find_value(JoDocument *document, const JoTemplate *template)
{
	const char *path = template->path + 1;	/* behind the $ */
	JoDocument *owner;
	JoPathName	name;
	Jsonb	   *root;
	int			step;

	if (!jo_docpath_member(&path, &name))
		elog(ERROR, "unexpected path \"%s\" in a template", template->path);
	switch (template->ref.root)
	{
		case JO_ROOT_STEPS:
			if (!jo_docpath_skip_member(&path))
				elog(ERROR, "unexpected path \"%s\" in a template", template->path);
			step = jo_docsteps_find(document, &template->ref, &owner);
			return step >= 0 ? jo_docsteps_path(owner, step, get_texts(document), path) : NULL;
		case JO_ROOT_PREVIOUS:
			return get_previous_path(document, &template->ref, path);
		case JO_ROOT_RESULT:
			return get_result_path(document, path);
		case JO_ROOT_RUN:
			/* needs no row, and is by far the most frequent */
			if (strcmp(path, ".\"id\"") == 0)
				return make_int(document->run_id);
			break;
		case JO_ROOT_SECRET:
			return jo_docroots_secret(document, template);
		default:
			break;
	}
	root = jo_docroots_read(document, &template->ref);
	return root != NULL ? jo_docpath_get(get_texts(document), root, path) : NULL;
}

/* Why a template may have no value, for the DETAIL. */
static char *
explain_undefined(JoDocument *document, const JoTemplate *template)
{
	JoDocument *owner = document;
	Jsonb	   *given = NULL;
	char		status;
	int			step;

	if (template->ref.root == JO_ROOT_RESULT)
		return pstrdup("The step's result has no such member.");
	if (template->ref.root == JO_ROOT_PREVIOUS)
		step = jo_docsteps_previous(document, &template->ref, &owner, &given);
	else if (template->ref.root == JO_ROOT_STEPS)
		step = jo_docsteps_find(document, &template->ref, &owner);
	else
		return psprintf("The run's document has nothing at this place of \"%s\".",
						jo_root_name(template->ref.root));
	if (given != NULL)
		return pstrdup("What the iteration before gave has no such member.");
	if (step < 0)
		return template->ref.root == JO_ROOT_PREVIOUS ? pstrdup("The step has no parent.") :
			psprintf("No run around this one has a step \"%s\".", template->ref.step_name);
	status = jo_docsteps_status(owner, step);
	if (status == 0)
		return psprintf("Step \"%s\" has not ended.", owner->job->definition->steps[step].name);
	return psprintf("Step \"%s\" is %s and its data has no such member.",
					owner->job->definition->steps[step].name, jo_status_word(status));
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

Jsonb *
jo_document_root(JoDocument *document, JoRoot root)
{
	return jo_docroots_get(document, root);
}

Jsonb *
jo_document_previous_output(JoDocument *document)
{
	return get_previous_path(document, NULL, ".output");
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

/* ---- expressions over the document ---- */

/* The steps that an expression names, as the open object's member "steps". */
static void
add_steps(JoDocument *document, JsonbParseState **state, const JoRefList *refs)
{
	JsonbValue	key;
	int			i;

	jo_jsonb_string_value(&key, "steps");
	pushJsonbValue(state, WJB_KEY, &key);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	for (i = 0; i < refs->n; i++)
	{
		JoDocument *owner;
		int			step;

		if (refs->list[i].root != JO_ROOT_STEPS)
			continue;
		step = jo_docsteps_find(document, &refs->list[i], &owner);
		if (step >= 0)
			jo_jsonb_add_jsonb(state, refs->list[i].step_name, jo_docsteps_build(owner, step));
	}
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

static Jsonb *
build_previous(JoDocument *document, const JoRef *ref)
{
	JoDocument *owner;
	Jsonb	   *given;
	int			step = jo_docsteps_previous(document, ref, &owner, &given);

	return step >= 0 ? jo_docsteps_build(owner, step) : given;
}

/*
 * A document with just the parts that the list names.  as_variables: without
 * $.item, and with null for what is undefined, since a path must not name a variable
 * that is not there.
 */
static Jsonb *
build_document(JoDocument *document, const JoRefList *refs, bool as_variables)
{
	JsonbParseState *state = NULL;
	bool		steps = false;
	int			i;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (i = 0; i < refs->n; i++)
	{
		const JoRef *ref = &refs->list[i];
		Jsonb	   *value;

		steps |= ref->root == JO_ROOT_STEPS;
		if (ref->root == JO_ROOT_STEPS ||
			(ref->root == JO_ROOT_ITEM && ref->alias == NULL && as_variables))
			continue;
		value = ref->root == JO_ROOT_PREVIOUS ? build_previous(document, ref) :
			jo_docroots_read(document, ref);
		if (value == NULL && as_variables)
			value = jo_jsonb_null();
		jo_jsonb_add_jsonb(&state, ref->alias != NULL ? ref->alias : jo_root_name(ref->root), value);
	}
	if (steps)
		add_steps(document, &state, refs);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static void
add_path_context(void *arg)
{
	errcontext("path of %s", jo_document_place((JoDocument *) arg));
}

static void
add_condition_context(void *arg)
{
	errcontext("condition of %s", jo_document_place((JoDocument *) arg));
}

static Jsonb *
query(JoDocument *document, const char *path, const JoRefList *refs, bool condition)
{
	ErrorContextCallback callback;
	Jsonb	   *values;

	callback.callback = condition ? add_condition_context : add_path_context;
	callback.arg = document;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	values = jo_docpath_query(get_texts(document), build_document(document, refs, false), path);
	error_context_stack = callback.previous;
	return values;
}

Jsonb *
jo_document_path(JoDocument *document, const char *path, const JoRefList *refs, bool many)
{
	Jsonb	   *values = query(document, path, refs, false);
	JsonbValue *first;

	if (many)
		return values;
	first = getIthJsonbValueFromContainer(&values->root, 0);
	return first != NULL ? jo_jsonb_from_value(first) : NULL;
}

/* What the values of a predicate mean. */
static JoTruth
judge(Jsonb *values)
{
	JsonbValue *first = NULL;

	if (JB_ROOT_COUNT(values) == 1)
		first = getIthJsonbValueFromContainer(&values->root, 0);
	if (first == NULL || first->type != jbvBool)
		return JO_TRUTH_UNKNOWN;
	return first->val.boolean ? JO_TRUTH_YES : JO_TRUTH_NO;
}

static void
raise_unknown(JoDocument *document, const char *path, Jsonb *values, const char *where)
{
	bool		none = JB_ROOT_COUNT(values) == 0;
	JsonbValue *first = none ? NULL : getIthJsonbValueFromContainer(&values->root, 0);

	ereport(ERROR,
			(errcode(ERRCODE_JO_CONDITION),
			 errmsg("condition of %s is neither true nor false%s", jo_document_place(document), where),
			 errdetail("%s gives %s.", path,
					   none ? "nothing" :
					   JB_ROOT_COUNT(values) == 1 && first->type == jbvNull ? "unknown" :
					   JsonbToCString(NULL, &values->root, VARSIZE(values))),
			 errhint("Compare with something, such as $.steps.a.value > 0; "
					 "for what may be missing use exists($.input.x).")));
}

JoTruth
jo_document_truth(JoDocument *document, const char *path, const JoRefList *refs)
{
	return judge(query(document, path, refs, true));
}

bool
jo_document_predicate(JoDocument *document, const char *path, const JoRefList *refs)
{
	Jsonb	   *values = query(document, path, refs, true);
	JoTruth		truth = judge(values);

	if (truth == JO_TRUTH_UNKNOWN)
		raise_unknown(document, path, values, "");
	return truth == JO_TRUTH_YES;
}

/*
 * The item is what the path is applied to, and the other roots are its variables:
 * so they are built once, and not for each of a hundred thousand items.
 */
JoItemFilter *
jo_document_filter(JoDocument *document, const char *path, const JoRefList *refs)
{
	JoItemFilter *filter = palloc0(sizeof(JoItemFilter));

	filter->document = document;
	filter->source = path;
	filter->path = jo_docpath_of_items(path);
	filter->variables = build_document(document, refs, true);
	return filter;
}

bool
jo_document_filter_takes(JoItemFilter *filter, Jsonb *item)
{
	ErrorContextCallback callback;
	Jsonb	   *values;
	JoTruth		truth;

	callback.callback = add_condition_context;
	callback.arg = filter->document;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	values = jo_docpath_apply(filter->path, item, filter->variables);
	error_context_stack = callback.previous;

	truth = judge(values);
	if (truth == JO_TRUTH_UNKNOWN)
		raise_unknown(filter->document, filter->source, values, psprintf(" for item %d", filter->n));
	filter->n++;
	return truth == JO_TRUTH_YES;
}
