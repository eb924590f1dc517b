/*
 * docroots.c
 *		Where the roots of a run document come from.
 *
 * A body (of a loop, or of a foreach with steps) is a run of its own; what it does
 * not have itself, it reads of the run around it, which gave it the rest when it
 * started it (run.context).  Reads rows through store.c with the newest snapshot;
 * touches memory only.
 */
#include "joborch.h"

#include "catalog/pg_type.h"
#include "docparts.h"
#include "errors.h"
#include "json.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "store_schedule.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "zone.h"

static const char *const priority_names[JO_PRIORITIES] = {"critical", "high", "medium", "low"};

/* ---- runs ---- */

static JoRunRow *
read_run(int64 run_id)
{
	JoRunRow   *run = palloc0(sizeof(JoRunRow));

	if (!jo_store_run(run_id, jo_store_latest(), run))
		ereport(ERROR,
				(errcode(ERRCODE_JO_RUN_NOT_FOUND),
				 errmsg("run %lld does not exist", (long long) run_id),
				 errdetail("It was deleted while an expression was reading it."),
				 errhint("Delete runs only when the runs that they started have ended.")));
	return run;
}

JoRunRow *
jo_docroots_run(JoDocument *document)
{
	if (document->run == NULL)
	{
		MemoryContext caller = MemoryContextSwitchTo(document->context);

		document->run = read_run(document->run_id);
		MemoryContextSwitchTo(caller);
	}
	return document->run;
}

JoDocument *
jo_document_of_run(JoDocument *reader, int64 run_id)
{
	MemoryContext caller = MemoryContextSwitchTo(reader->context);
	JoRunRow   *run = read_run(run_id);
	JoDocument *document;

	document = jo_document_create(jo_defcache_get(run->version_id), run_id, -1, 1, 0);
	document->run = run;
	document->reader = reader->reader != NULL ? reader->reader : reader;
	MemoryContextSwitchTo(caller);
	return document;
}

JoDocument *
jo_docroots_parent(JoDocument *document)
{
	JoRunRow   *run;

	if (document->job->definition->outer == NULL || document->parent != NULL)
		return document->parent;
	run = jo_docroots_run(document);
	if (run->parent_run_id == 0)
		return NULL;
	document->parent = jo_document_of_run(document, run->parent_run_id);
	if (run->parent_step < document->parent->job->definition->nsteps)
		document->parent->step = run->parent_step;
	return document->parent;
}

Jsonb *
jo_docroots_context(JoDocument *document, const char *key)
{
	JsonbValue	value;
	JoRunRow   *run;

	if (document->job->definition->outer == NULL)
		return NULL;
	run = jo_docroots_run(document);
	if (run->context == NULL || !jo_jsonb_member(&run->context->root, key, strlen(key), &value))
		return NULL;
	return jo_jsonb_from_value(&value);
}

int64
jo_document_job_id(JoDocument *document)
{
	for (; document != NULL; document = jo_docroots_parent(document))
	{
		if (document->job->job_id != 0)
			return document->job->job_id;
	}
	return 0;
}

/* ---- run, job ---- */

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
	JoRunRow   *run = jo_docroots_run(document);
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
build_job(const JoCachedJob *job)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_string(&state, "name", job->job_name);
	if (job->job_id != 0)
		jo_jsonb_add_int(&state, "id", job->job_id);
	jo_jsonb_add_int(&state, "version", job->version);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* A body belongs to the job around it. */
static Jsonb *
get_job_object(JoDocument *document)
{
	if (document->job_object == NULL)
	{
		JoDocument *parent = jo_docroots_parent(document);
		MemoryContext caller = MemoryContextSwitchTo(document->context);

		document->job_object = parent != NULL ? get_job_object(parent) : build_job(document->job);
		MemoryContextSwitchTo(caller);
	}
	return document->job_object;
}

/* ---- schedule ---- */

static void
raise_no_schedule(const JoDocument *document)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_TEMPLATE),
			 errmsg("this run was not started by a schedule"),
			 errdetail("%s reads \"schedule\".", jo_document_place(document)),
			 errhint("Leave \"schedule\" out of definitions that are started otherwise.")));
}

/* The nominal time, as an instant and by the clocks of the schedule's zone. */
static void
add_nominal_time(JsonbParseState **state, TimestampTz at, Jsonb *spec)
{
	JsonbValue	zone;
	JoCivil		local;
	char		text[MAXDATELEN + 1];

	jo_jsonb_add_string(state, "fire_at", JsonEncodeDateTime(text, TimestampTzGetDatum(at), TIMESTAMPTZOID, NULL));
	if (!jo_jsonb_member(&spec->root, "timezone", strlen("timezone"), &zone) || zone.type != jbvString)
		return;
	jo_jsonb_add(state, "timezone", &zone);
	jo_zone_local(jo_zone_find(pnstrdup(zone.val.string.val, zone.val.string.len)), at, &local);
	jo_jsonb_add_string(state, "local_time",
						psprintf("%04d-%02d-%02dT%02d:%02d:%02d", local.year, local.month, local.day,
								 local.hour, local.minute, local.second));
	jo_jsonb_add_string(state, "date", psprintf("%04d-%02d-%02d", local.year, local.month, local.day));
}

static Jsonb *
build_schedule(JoDocument *document)
{
	JoRunRow   *run = jo_docroots_run(document);
	JsonbParseState *state = NULL;
	JoScheduleRow schedule;

	if (run->schedule_id == 0)
		raise_no_schedule(document);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_int(&state, "id", run->schedule_id);
	if (jo_store_schedule(run->schedule_id, &schedule))
	{
		jo_jsonb_add_string(&state, "name", schedule.name);
		add_nominal_time(&state, run->fire_at, schedule.spec);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* A body was started for the schedule of the run around it. */
static Jsonb *
get_schedule_object(JoDocument *document)
{
	if (document->schedule_object == NULL)
	{
		JoDocument *parent = jo_docroots_parent(document);
		MemoryContext caller = MemoryContextSwitchTo(document->context);

		document->schedule_object = parent != NULL ? get_schedule_object(parent) : build_schedule(document);
		MemoryContextSwitchTo(caller);
	}
	return document->schedule_object;
}

/* ---- vars ---- */

typedef struct VarSource
{
	TimestampTz at;
	int			step;
	Jsonb	   *vars;
} VarSource;

static int
compare_sources(const void *a, const void *b)
{
	const VarSource *left = a;
	const VarSource *right = b;

	if (left->at != right->at)
		return left->at < right->at ? -1 : 1;
	return left->step - right->step;
}

/* The variables that a step set, NULL: it is not of a kind that does, or did not. */
static Jsonb *
get_vars_of_step(JoDocument *document, const JoStepDef *step)
{
	JoStepRow  *row;
	JsonbValue	value;
	Jsonb	   *vars;

	if (step->part != JO_PART_WHOLE || (step->type != JO_STEP_SET && step->type != JO_STEP_LOOP))
		return NULL;
	row = jo_docsteps_row(document, step->index);
	if (row == NULL || row->status != JO_STEP_COMPLETED || row->output == NULL)
		return NULL;
	vars = jo_docsteps_output(document, step->index, ".vars");
	if (step->type == JO_STEP_LOOP)
		vars = jo_jsonb_member(&vars->root, "vars", 4, &value) ? jo_jsonb_from_value(&value) : NULL;
	return vars != NULL && JB_ROOT_IS_OBJECT(vars) ? vars : NULL;
}

Jsonb *
jo_document_set_vars(JoDocument *document)
{
	const JoDefinition *definition = document->job->definition;
	VarSource  *sources = NULL;
	Jsonb	   *vars = NULL;
	int			n = 0;
	int			i;

	for (i = 0; i < definition->nsteps; i++)
	{
		Jsonb	   *found = get_vars_of_step(document, &definition->steps[i]);

		if (found == NULL)
			continue;
		if (sources == NULL)
			sources = palloc(sizeof(VarSource) * definition->nsteps);
		sources[n].at = jo_docsteps_row(document, i)->finished_at;
		sources[n].step = i;
		sources[n++].vars = found;
	}
	if (n > 1)
		qsort(sources, n, sizeof(VarSource), compare_sources);
	for (i = 0; i < n; i++)
		vars = jo_jsonb_merge(vars, sources[i].vars);
	return vars;
}

/* The definition's own, made once per version. */
static Jsonb *
get_defined_vars(JoCachedJob *job)
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
get_vars(JoDocument *document)
{
	MemoryContext caller;

	if (document->vars != NULL)
		return document->vars;
	caller = MemoryContextSwitchTo(document->context);
	document->vars = jo_jsonb_merge(jo_jsonb_merge(get_defined_vars(document->job),
								 jo_docroots_context(document, "vars")),
						   jo_document_set_vars(document));
	MemoryContextSwitchTo(caller);
	return document->vars;
}

/* ---- item, iteration ---- */

static Jsonb *
make_index(int32 index)
{
	JsonbValue	value;

	jo_jsonb_int_value(&value, index);
	return JsonbValueToJsonb(&value);
}

/* What a body was given under this name, or the nearest body around it. */
static Jsonb *
get_given(JoDocument *document, const char *key)
{
	for (; document != NULL; document = jo_docroots_parent(document))
	{
		Jsonb	   *given = jo_docroots_context(document, key);

		if (given != NULL)
			return given;
	}
	return NULL;
}

static Jsonb *
get_item(JoDocument *document)
{
	Jsonb	   *item;

	if (document->item == JO_NO_ITEM)
		return get_given(document, "item");
	item = jo_docitems_get(document->run_id, document->job->definition->steps[document->step].open,
						   document->epoch, document->item);
	if (item == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("item %d of %s is not there", document->item, jo_document_place(document)),
				 errdetail("The items of run " INT64_FORMAT " were deleted while it ran.",
						   document->run_id),
				 errhint("SELECT joborch.recover_run(" INT64_FORMAT ") evaluates them anew.",
						 document->run_id)));
	return item;
}

/* The item of the nearest foreach whose items have this second name. */
static Jsonb *
get_named_item(JoDocument *document, const char *name)
{
	for (; document != NULL; document = jo_docroots_parent(document))
	{
		const JoDefinition *definition = document->job->definition;
		const char *own = document->item != JO_NO_ITEM ? definition->steps[document->step].each->as : NULL;

		if (own != NULL && strcmp(own, name) == 0)
			return get_item(document);
		if (definition->outer != NULL && definition->outer->item != NULL &&
			strcmp(definition->outer->item, name) == 0)
			return jo_docroots_context(document, "item");
	}
	return NULL;
}

/* ---- secret ---- */

void
jo_document_allow_secrets(JoDocument *document, Oid role, JoSecretList *list)
{
	document->secret_use = OidIsValid(role) ? JO_SECRET_ALLOWED : JO_SECRET_REFUSED;
	document->secret_role = role;
	document->secret_list = list;
}

void
jo_document_name_secrets(JoDocument *document)
{
	document->secret_use = JO_SECRET_NAMED;
}

/* The part of a value that is JSON; an error of the reader could quote it. */
static Jsonb *
get_secret_part(JoDocument *document, const char *name, char *value, const char *path)
{
	char	   *error;

	if (jo_json_check(value, strlen(value), &error) != JO_JSON_OK)
		ereport(ERROR,
				(errcode(ERRCODE_JO_SECRET),
				 errmsg("secret \"%s\" has no parts", name),
				 errdetail("A part of it is read by %s, and its value is not JSON.", jo_document_place(document)),
				 errhint("Write {{ secret.%s }}, or give it a JSON object as its value.", name)));
	return jo_docpath_get(document->reader != NULL ? document->reader->job : document->job,
						  jo_jsonb_from_text(value), path);
}

Jsonb *
jo_docroots_secret(JoDocument *document, const JoTemplate *template)
{
	const char *path = template->path + 1;	/* behind the $ */
	JsonbValue	text;
	JoPathName	part;
	Jsonb	   *result;
	char	   *name;
	char	   *value;

	if (document->secret_use == JO_SECRET_NAMED)
	{
		jo_jsonb_string_value(&text, template->source);
		return JsonbValueToJsonb(&text);
	}
	if (document->secret_use == JO_SECRET_REFUSED || !jo_docpath_skip_member(&path) ||
		!jo_docpath_member(&path, &part))
		ereport(ERROR,
				(errcode(ERRCODE_JO_SECRET),
				 errmsg("template %s of %s cannot read a secret", template->source, jo_document_place(document)),
				 errdetail("Secrets are given to network steps and to the environment of commands, each by its name."),
				 errhint("Write {{ secret.name }} there.")));
	name = pnstrdup(part.text, part.length);
	value = jo_secret_resolve(document->secret_role, name, document->secret_list);
	if (*path == '\0')
	{
		jo_jsonb_string_value(&text, value);
		result = JsonbValueToJsonb(&text);
	}
	else
		result = get_secret_part(document, name, value, path);
	explicit_bzero(value, strlen(value));
	return result;
}

/* ---- all ---- */

Jsonb *
jo_docroots_get(JoDocument *document, JoRoot root)
{
	int			i;

	for (i = document->noverlays - 1; i >= 0; i--)
	{
		if (document->overlays[i].root == root)
			return document->overlays[i].value;
	}
	switch (root)
	{
		case JO_ROOT_INPUT:
			return jo_docroots_run(document)->input;
		case JO_ROOT_VARS:
			return get_vars(document);
		case JO_ROOT_RUN:
			return get_run_object(document);
		case JO_ROOT_JOB:
			return get_job_object(document);
		case JO_ROOT_ITEM:
			return get_item(document);
		case JO_ROOT_ITEM_INDEX:
			return document->item != JO_NO_ITEM ? make_index(document->item) :
				get_given(document, "item_index");
		case JO_ROOT_ITERATION:
			return get_given(document, "iteration");
		case JO_ROOT_RESULT:
		case JO_ROOT_VALUE:
			return NULL;
		case JO_ROOT_SCHEDULE:
			return get_schedule_object(document);
		case JO_ROOT_STEPS:
		case JO_ROOT_PREVIOUS:
		case JO_ROOT_SECRET:
			break;
	}
	elog(ERROR, "unexpected root %d of a run document", (int) root);
	return NULL;				/* not reached */
}

Jsonb *
jo_docroots_read(JoDocument *document, const JoRef *ref)
{
	return ref->alias != NULL ? get_named_item(document, ref->alias) : jo_docroots_get(document, ref->root);
}
