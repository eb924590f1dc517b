/*
 * stepeach.c
 *		How a step with foreach begins and ends: its items, and their results.
 *
 * The items are evaluated once, by OPEN, and stored in chunks, so that a hundred
 * thousand of them are some hundred rows; each is read from there.  CLOSE collects
 * what became of them, in their order.  Reads and writes rows through store.c.
 */
#include "joborch.h"

#include "errors.h"
#include "failure.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "steptypes.h"

#define MAX_RESULTS_BYTES (255 << 20)	/* jsonb ends there */

/* Stores the items; returns how many there are. */
static int
store_items(JoTry *try, Jsonb *items)
{
	JsonbIterator *iterator = JsonbIteratorInit(&items->root);
	JsonbIteratorToken token;
	JsonbParseState *state = NULL;
	JsonbValue	value;
	int			n = 0;

	(void) JsonbIteratorNext(&iterator, &value, true);
	for (;;)
	{
		token = JsonbIteratorNext(&iterator, &value, true);
		if (state != NULL && (token != WJB_ELEM || n % JO_ITEMS_PER_CHUNK == 0))
		{
			Jsonb	   *chunk = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL));

			CHECK_FOR_INTERRUPTS();
			jo_store_insert_items(try->run_id, try->step->index, (n - 1) / JO_ITEMS_PER_CHUNK, chunk);
			pfree(chunk);
			state = NULL;
		}
		if (token != WJB_ELEM)
			return n;
		if (state == NULL)
			pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
		pushJsonbValue(&state, WJB_ELEM, &value);
		n++;
	}
}

JoVerdict
jo_step_open_each(JoTry *try)
{
	Jsonb	   *items = jo_step_items(try, &try->step->each->items, "\"items\"");

	if (JB_ROOT_COUNT(items) > JO_MAX_ITEMS)
		ereport(ERROR,
				(errcode(ERRCODE_JO_ITEMS),
				 errmsg("foreach of %s has too many items", jo_document_place(try->document)),
				 errdetail("It has %d items, the limit is %d.", (int) JB_ROOT_COUNT(items), JO_MAX_ITEMS),
				 errhint("Let each item stand for a group, or split the work over several runs.")));
	try->taken = store_items(try, items);
	return JO_VERDICT_COMPLETED;
}

/* ---- the end ---- */

static const JoStepDef *
find_each(const JoTry *try)
{
	const JoDefinition *definition = try->job->definition;
	int			i;

	for (i = 0; i < definition->nsteps; i++)
	{
		const JoStepDef *step = &definition->steps[i];

		if (step->part == JO_PART_EACH && step->close == try->step->index)
			return step;
	}
	elog(ERROR, "step \"%s\" has no items", try->step->name);
	return NULL;				/* not reached */
}

/* The item that failed first, NULL: none did; how many failed, and how many were cancelled. */
static const JoStepRow *
find_failed(const JoStepRow *rows, int n, int *nfailed, int *ncancelled)
{
	const JoStepRow *first = NULL;
	int			i;

	*nfailed = *ncancelled = 0;
	for (i = 0; i < n; i++)
	{
		if (rows[i].status == JO_STEP_CANCELLED)
			(*ncancelled)++;
		if (rows[i].status != JO_STEP_FAILED)
			continue;
		(*nfailed)++;
		if (first == NULL || rows[i].finished_at < first->finished_at)
			first = &rows[i];
	}
	return first;
}

static JoVerdict
fail(JoTry *try, const JoStepRow *row, int nfailed, int n)
{
	JoStepRow	whole;
	Jsonb	   *error = NULL;

	if (jo_store_step(try->run_id, row->step, row->item, jo_store_latest(), &whole))
		error = whole.error;
	if (error == NULL)
		error = jo_failure_make(ERRCODE_INTERNAL_ERROR, "an item failed", NULL, NULL);
	error = jo_step_note(jo_step_note(error, "item", row->item), "items", n);
	error = jo_step_note(error, "failed_items", nfailed);
	return jo_step_fail_with(try, jo_failure_with_step(error, try->step->name));
}

/* The output of an item; total, what all so far have, must fit into one value. */
static Jsonb *
read_result(JoTry *try, const JoStepRow *row, Size *total)
{
	JoStepRow	whole;

	if (row->status != JO_STEP_COMPLETED ||
		!jo_store_step(try->run_id, row->step, row->item, jo_store_latest(), &whole) || whole.output == NULL)
		return NULL;
	*total += VARSIZE(whole.output);
	if (*total > MAX_RESULTS_BYTES)
		ereport(ERROR,
				(errcode(ERRCODE_JO_RESULT_TOO_LARGE),
				 errmsg("results of the items of %s are too large together", jo_document_place(try->document)),
				 errdetail("Those up to item %d have more than %d MB.", row->item, MAX_RESULTS_BYTES >> 20),
				 errhint("Let the items write to a table, and their \"output\" be small (\"none\" of an SQL step).")));
	return whole.output;
}

/* Item by item; null for one that did not complete. */
static void
add_results(JoTry *try, JsonbParseState **state, const JoStepRow *rows, int nrows, int n)
{
	JsonbValue	value;
	Size		total = 0;
	int			at = 0;
	int			i;

	jo_jsonb_string_value(&value, "results");
	pushJsonbValue(state, WJB_KEY, &value);
	pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (i = 0; i < n; i++)
	{
		Jsonb	   *output = NULL;

		CHECK_FOR_INTERRUPTS();
		while (at < nrows && rows[at].item < i)
			at++;
		if (at < nrows && rows[at].item == i)
			output = read_result(try, &rows[at], &total);
		value.type = jbvNull;
		if (output != NULL)
			jo_jsonb_to_value(output, &value);
		pushJsonbValue(state, WJB_ELEM, &value);
	}
	pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

JoVerdict
jo_step_close_each(JoTry *try)
{
	const JoStepDef *each = find_each(try);
	JsonbParseState *state = NULL;
	const JoStepRow *failed;
	JoStepRow	open;
	JoStepRow  *rows;
	int			nfailed;
	int			ncancelled;
	int			nrows;
	int			n = 0;			/* what OPEN counted */

	if (jo_store_step(try->run_id, try->step->open, JO_NO_ITEM, jo_store_latest(), &open))
	{
		if (open.status == JO_STEP_FAILED && open.error != NULL)
			return jo_step_fail_with(try, jo_failure_with_step(open.error, try->step->name));
		n = Max(open.taken, 0);
	}
	/* without their data, which may be more than memory holds */
	nrows = jo_store_step_items(try->run_id, each->index, jo_store_latest(), false, &rows);
	failed = find_failed(rows, nrows, &nfailed, &ncancelled);
	if (failed != NULL &&
		(!each->each->go_on || (each->each->max_failed >= 0 && nfailed > each->each->max_failed)))
		return fail(try, failed, nfailed, n);
	if (ncancelled > 0)
		return jo_step_fail_with(try, jo_failure_make(ERRCODE_QUERY_CANCELED,
													  psprintf("%d of %d items of step \"%s\" were cancelled",
															   ncancelled, n, try->step->name),
													  NULL, NULL));

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (!try->step->output_none)
		add_results(try, &state, rows, nrows, n);
	jo_jsonb_add_int(&state, "count", n);
	jo_jsonb_add_int(&state, "failed", nfailed);
	try->output = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return JO_VERDICT_COMPLETED;
}
