/*
 * stepchild.c
 *		The step type job: another run, awaited or not; and what loops share with it.
 *
 * The child is started in the step's own transaction, so there is one whatever
 * happens.  When it ends, the engine wakes the step; when the step ends before it, the
 * executor's books cancel it.  Reads rows through store.c; starts runs through
 * jo_start_child_hook.
 */
#include "joborch.h"

#include "catalog/pg_type.h"
#include "clock.h"
#include "errors.h"
#include "failure.h"
#include "jsonbuild.h"
#include "steptypes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

/* ---- starting ---- */

bool
jo_step_body_reads(const JoTry *try, const char *root)
{
	return try->step->child->body != NULL && strstr(try->step->child->body, root) != NULL;
}

static struct ArrayType *
render_tags(JoTry *try, const JoValue *tags)
{
	Jsonb	   *list;
	Datum	   *elements;
	int			n;
	int			i;

	if (tags == NULL)
		return NULL;
	list = jo_document_render(try->document, tags);
	if (!JB_ROOT_IS_ARRAY(list))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"tags\" of %s is not an array", jo_document_place(try->document)),
				 errdetail("It is: %s", pnstrdup(JsonbToCString(NULL, &list->root, VARSIZE(list)), 200)),
				 errhint("Write [\"a\", \"b\"].")));
	n = JB_ROOT_COUNT(list);
	elements = palloc(sizeof(Datum) * Max(n, 1));
	for (i = 0; i < n; i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(&list->root, i);

		elements[i] = CStringGetTextDatum(jo_jsonb_text(jo_jsonb_from_value(value)));
	}
	return construct_array(elements, n, TEXTOID, -1, false, TYPALIGN_INT);
}

int64
jo_step_start_child(JoTry *try, Jsonb *context)
{
	const JoChildDef *def = try->step->child;
	JoChildStart start;
	int64		child;

	if (jo_start_child_hook == NULL)
		elog(ERROR, "nobody starts runs in this process");
	memset(&start, 0, sizeof(start));
	start.parent_run_id = try->run_id;
	start.parent_step = try->step->index;
	start.parent_item = try->item;
	start.definition = def->body;
	if (def->body == NULL)
	{
		start.job = jo_step_text(try, def->job);
		if (start.job == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("\"job\" of %s is null", jo_document_place(try->document)),
					 errdetail("There is no job to start."),
					 errhint("Give a job's name or id.")));
	}
	start.input = def->input != NULL ? jo_document_render(try->document, def->input) : NULL;
	start.context = context;
	start.tags = render_tags(try, def->tags);
	start.queue = def->queue;
	start.priority = def->priority;

	/* it uses SQL, which wants one below its own */
	PushActiveSnapshot(GetTransactionSnapshot());
	child = jo_start_child_hook(&start);
	PopActiveSnapshot();
	return child;
}

/* What a body reads of the step that it belongs to. */
static Jsonb *
build_context(JoTry *try)
{
	JsonbParseState *state = NULL;

	if (try->step->child->body == NULL)
		return NULL;
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (try->item != JO_NO_ITEM)
	{
		jo_jsonb_add_jsonb(&state, "item", jo_document_root(try->document, JO_ROOT_ITEM));
		jo_jsonb_add_int(&state, "item_index", try->item);
	}
	if (jo_step_body_reads(try, "vars"))
		jo_jsonb_add_jsonb(&state, "vars", jo_document_root(try->document, JO_ROOT_VARS));
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/* ---- waiting ---- */

static void
raise_gone(JoTry *try)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_RUN_NOT_FOUND),
			 errmsg("run " INT64_FORMAT ", for which %s waits, does not exist",
					try->wait.child, jo_document_place(try->document)),
			 errdetail("It was deleted."),
			 errhint("joborch.recover_run(" INT64_FORMAT ") starts another one.", try->run_id)));
}

/* The child's own error, with the run in which to look for more. */
static void
take_error(JoTry *try, const JoEndRow *end)
{
	Jsonb	   *error = end->error;

	if (end->status == JO_RUN_CANCELLED)
		error = jo_failure_make(ERRCODE_JO_RUN_CANCELLED,
								psprintf("run " INT64_FORMAT " was cancelled", end->run_id),
								psprintf("%s waited for it.", jo_document_place(try->document)),
								psprintf("SELECT joborch.recover_run(" INT64_FORMAT ") starts another one.",
										 try->run_id));
	else if (error == NULL || !JB_ROOT_IS_OBJECT(error))
		error = jo_failure_make(ERRCODE_JO_RUN_FAILED,
								psprintf("run " INT64_FORMAT " failed", end->run_id), NULL, NULL);
	(void) jo_step_fail_with(try, jo_step_note(error, "run_id", end->run_id));
}

JoChildState
jo_step_look_at_child(JoTry *try, Jsonb **output)
{
	int64		child = try->wait.child;
	JoEndRow	end;
	JoLiveRow	live;

	*output = NULL;
	if (!jo_store_end(child, jo_store_latest(), &end))
	{
		if (jo_store_live(child, jo_store_latest(), &live))
			return JO_CHILD_RUNNING;
		/* it may have ended between the two looks */
		if (!jo_store_end(child, jo_store_latest(), &end))
			raise_gone(try);
	}
	if (end.status != JO_RUN_COMPLETED)
	{
		take_error(try, &end);
		return JO_CHILD_FAILED;
	}
	*output = jo_run_output(child, &end);
	if (*output == NULL)
		*output = jo_jsonb_null();
	return JO_CHILD_COMPLETED;
}

static Jsonb *
build_run_id(int64 run_id)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_int(&state, "run_id", run_id);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

JoVerdict
jo_step_job(JoTry *try)
{
	if (!try->waited)
	{
		int64		child = jo_step_start_child(try, build_context(try));

		if (!try->step->child->wait)
		{
			try->output = build_run_id(child);
			return JO_VERDICT_COMPLETED;
		}
		jo_step_begin_wait(try, JO_WAIT_JOB);
		try->wait.child = child;
		return jo_step_wait_until(try, 0);
	}
	switch (jo_step_look_at_child(try, &try->output))
	{
		case JO_CHILD_COMPLETED:
			return JO_VERDICT_COMPLETED;
		case JO_CHILD_FAILED:
			return JO_VERDICT_FAILED;
		case JO_CHILD_RUNNING:
			break;
	}
	if (jo_step_is_late(try, jo_clock_now()))
		jo_step_raise_timeout(try, psprintf("Raise the step's \"timeout\"; run " INT64_FORMAT " is cancelled.",
											try->wait.child));
	return jo_step_wait_until(try, 0);
}
