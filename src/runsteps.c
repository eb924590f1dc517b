/*
 * runsteps.c
 *		The steps of a run as users see them: rows, memory and definition joined.
 *
 * Internal entry, called by views and functions in sql/extension that check the
 * caller's rights.  Reads only.  What is told is what the rows say; memory adds
 * what has no row yet: what is queued, running, or waits for its next attempt.
 * The parts of a container are told as one step, and the items of a step with
 * foreach under that step's name.
 */
#include "joborch.h"

#include "active.h"
#include "clock.h"
#include "defcache.h"
#include "fmgr.h"
#include "funcapi.h"
#include "items.h"
#include "load.h"
#include "miscadmin.h"
#include "status.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "waitwords.h"

PG_FUNCTION_INFO_V1(joborch_run_steps);

#define STEP_COLUMNS 12
#define MAX_ITEM_STATES 1024	/* of one step; as many as may be in hand at a time */

/* A step, or an item of one, as it is told. */
typedef struct StepView
{
	int32		step;
	int32		item;
	char		status;
	int32		attempts;
	TimestampTz started_at;
	TimestampTz finished_at;
	TimestampTz next_attempt_at;
	Jsonb	   *output;
	Jsonb	   *error;
	const JoWaitRow *wait;
	int			pid;
} StepView;

/* A run, and what was read of it. */
typedef struct RunView
{
	JoRunRow	run;
	bool		unfinished;
	bool		paused;
	int32		epoch;
	char		cancel;
	char		end_status;
	const JoCachedJob *job;
	int			nsteps;
	StepView   *steps;			/* by index */
	int			nitems;
	StepView   *items;			/* by step and item */
	int			nstates;
	int			max_states;
	StepView   *states;			/* what memory knows */
	int			nrows;
	JoStepRow  *rows;
	int			nattempts;
	JoAttemptRow *attempts;
	int			nwaits;
	JoWaitRow  *waits;
} RunView;

/* ---- what memory knows ---- */

/* For jo_items_visit(); jo_shared->lock is held, or the run is a copy. */
static void
view_state(JoActiveRun *run, JoStepState *state, void *argument)
{
	RunView    *view = argument;
	StepView   *to = &view->states[view->nstates];

	if (view->nstates >= view->max_states)
		return;
	MemSet(to, 0, sizeof(StepView));
	to->step = state->step;
	to->item = state->item;
	/* with the courier, but not begun */
	to->status = state->status == JO_STEP_RUNNING && state->held != 0 ? JO_STEP_QUEUED : state->status;
	to->attempts = state->attempt;
	if (state->status == JO_STEP_RUNNING && state->slot >= 0 && OidIsValid(run->dboid))
	{
		to->started_at = jo_shared->slots[state->slot].task.started_at;
		to->pid = jo_shared->slots[state->slot].pid;
	}
	view->nstates++;
}

/* False if the run is not in memory. */
static bool
view_active(RunView *view)
{
	JoActiveRun *run;
	bool		found;

	LWLockAcquire(jo_shared->lock, LW_SHARED);
	run = jo_active_find(MyDatabaseId, view->run.run_id);
	found = run != NULL && run->state >= JO_ACTIVE_READY && run->shape->nsteps == view->nsteps;
	if (found)
		jo_items_visit(run, view_state, view);
	LWLockRelease(jo_shared->lock);
	return found;
}

/* The same from rows alone, by the code that loads runs. */
static void
view_rows(RunView *view, Snapshot snapshot)
{
	JoActiveRun run = {0};
	JoShape    *shape = jo_shape_make_local(view->job);

	run.run_id = view->run.run_id;
	run.epoch = view->epoch;
	run.cancel = view->cancel;
	run.failed_step = -1;
	jo_active_init_steps(&run, shape, palloc0(sizeof(JoStepState) * shape->nsteps));
	jo_load_history(&run, snapshot, jo_clock_now());
	jo_items_visit(&run, view_state, view);
	/* ready, but its run is not in memory: it waits like the run */
	for (int i = 0; i < view->nstates; i++)
		if (view->states[i].status == JO_STEP_QUEUED)
			view->states[i].status = JO_STEP_PENDING;
}

static int
count_states(const JoDefinition *definition)
{
	int			n = definition->nsteps;

	for (int i = 0; i < definition->nsteps; i++)
		if (definition->steps[i].part == JO_PART_EACH)
			n += MAX_ITEM_STATES;
	return n;
}

/* ---- items ---- */

static int
compare_views(const void *a, const void *b)
{
	const StepView *x = a;
	const StepView *y = b;

	if (x->step != y->step)
		return x->step < y->step ? -1 : 1;
	return (x->item > y->item) - (x->item < y->item);
}

static void
add_item(RunView *view, int32 step, int32 item)
{
	StepView   *last = view->nitems > 0 ? &view->items[view->nitems - 1] : NULL;

	if (item < 0 || step >= view->nsteps || (last != NULL && last->step == step && last->item == item))
		return;
	MemSet(&view->items[view->nitems], 0, sizeof(StepView));
	view->items[view->nitems].step = step;
	view->items[view->nitems].item = item;
	view->items[view->nitems].status = JO_STEP_PENDING;
	view->nitems++;
}

/* Items that nothing is known of are not told: there may be 100 000. */
static void
collect_items(RunView *view)
{
	int			n = 0;

	view->items = palloc_extended(sizeof(StepView) *
								  (view->nrows + view->nattempts + view->nwaits + view->nstates + 1),
								  MCXT_ALLOC_HUGE);
	for (int i = 0; i < view->nrows; i++)
		add_item(view, view->rows[i].step, view->rows[i].item);
	for (int i = 0; i < view->nattempts; i++)
		add_item(view, view->attempts[i].step, view->attempts[i].item);
	for (int i = 0; i < view->nwaits; i++)
		add_item(view, view->waits[i].step, view->waits[i].item);
	for (int i = 0; i < view->nstates; i++)
		if (view->states[i].status != JO_STEP_PENDING && view->states[i].status != JO_STEP_QUEUED)
			add_item(view, view->states[i].step, view->states[i].item);
	if (view->nitems == 0)
		return;
	qsort(view->items, view->nitems, sizeof(StepView), compare_views);
	for (int i = 1; i < view->nitems; i++)
		if (compare_views(&view->items[n], &view->items[i]) != 0)
			view->items[++n] = view->items[i];
	view->nitems = n + 1;
}

static StepView *
find_view(RunView *view, int32 step, int32 item)
{
	StepView	key;

	if (item < 0)
		return step < view->nsteps ? &view->steps[step] : NULL;
	key.step = step;
	key.item = item;
	return bsearch(&key, view->items, view->nitems, sizeof(StepView), compare_views);
}

/* ---- joining ---- */

static void
apply_states(RunView *view)
{
	for (int i = 0; i < view->nstates; i++)
	{
		const StepView *state = &view->states[i];
		StepView   *to = find_view(view, state->step, state->item);

		if (to != NULL)
			*to = *state;
	}
}

/* Of a finished run, nothing is still to come. */
static void
close_views(StepView *views, int n, char end_status)
{
	for (int i = 0; i < n; i++)
		if (!JO_STEP_IS_FINAL(views[i].status))
			views[i].status = end_status == JO_RUN_CANCELLED ? JO_STEP_CANCELLED : JO_STEP_SKIPPED;
}

static void
apply_attempts(RunView *view)
{
	for (int i = 0; i < view->nattempts; i++)
	{
		const JoAttemptRow *row = &view->attempts[i];
		StepView   *to = find_view(view, row->step, row->item);

		if (to == NULL || JO_STEP_IS_FINAL(to->status))
			continue;
		to->error = row->error;
		to->attempts = Max(to->attempts, row->attempt);
		if (to->started_at == 0)
			to->started_at = row->started_at;
		if (to->status == JO_STEP_RETRYING)
			to->next_attempt_at = row->retry_at;
	}
}

/* A step that looks whether it may go on still waits. */
static void
apply_waits(RunView *view)
{
	for (int i = 0; i < view->nwaits; i++)
	{
		StepView   *to = find_view(view, view->waits[i].step, view->waits[i].item);

		if (to == NULL || JO_STEP_IS_FINAL(to->status))
			continue;
		to->wait = &view->waits[i];
		to->started_at = view->waits[i].begun_at;
		to->attempts = Max(to->attempts, view->waits[i].attempt);
		if (to->status == JO_STEP_PENDING || to->status == JO_STEP_QUEUED)
			to->status = JO_STEP_WAITING;
	}
}

/* An item's row may be newer than what memory said of it. */
static void
apply_rows(RunView *view)
{
	for (int i = 0; i < view->nrows; i++)
	{
		const JoStepRow *row = &view->rows[i];
		StepView   *to = find_view(view, row->step, row->item);

		if (to == NULL || (row->item < 0 && !JO_STEP_IS_FINAL(to->status)))
			continue;
		to->status = row->status;
		to->attempts = row->attempt;
		to->started_at = row->started_at;
		to->finished_at = row->finished_at;
		to->output = row->output;
		to->error = row->error;
		to->wait = NULL;
		to->pid = 0;
	}
}

/* A container runs from its beginning on, not only while its end is worked out. */
static void
join_parts(RunView *view)
{
	for (int i = 0; i < view->nsteps; i++)
	{
		const JoStepDef *step = &view->job->definition->steps[i];
		StepView   *to = &view->steps[i];
		const StepView *open;

		if (step->part != JO_PART_CLOSE || step->open < 0)
			continue;
		open = &view->steps[step->open];
		if (open->started_at != 0)
			to->started_at = open->started_at;
		if (to->status == JO_STEP_PENDING && open->status == JO_STEP_COMPLETED)
			to->status = JO_STEP_RUNNING;
		else if (to->status == JO_STEP_PENDING && !JO_STEP_IS_FINAL(open->status))
		{
			to->status = open->status;
			to->wait = open->wait;
			to->error = open->error;
			to->next_attempt_at = open->next_attempt_at;
			to->pid = open->pid;
		}
		/* why a container that never began failed is known by its first part */
		if (to->error == NULL && to->status == open->status)
			to->error = open->error;
	}
}

/* ---- telling ---- */

static const char *
waits_for(const RunView *view, const StepView *step)
{
	switch (step->status)
	{
		case JO_STEP_PENDING:
			return view->paused ? "resume" : step->item < 0 ? "earlier steps" : "earlier items";
		case JO_STEP_QUEUED:
			return view->paused ? "resume" : "executor";
		case JO_STEP_RETRYING:
			return "next attempt";
		case JO_STEP_WAITING:
			return step->wait == NULL ? "executor" :
				jo_wait_words(step->wait->kind, step->wait->key, step->wait->look_at, step->wait->child,
							  &view->job->definition->steps[step->step], view->run.owner_name);
		default:
			return NULL;
	}
}

static void
put_time(Datum *values, bool *nulls, int column, TimestampTz when)
{
	nulls[column] = when == 0;
	values[column] = TimestampTzGetDatum(when);
}

static void
put_jsonb(Datum *values, bool *nulls, int column, Jsonb *jsonb)
{
	nulls[column] = jsonb == NULL;
	values[column] = JsonbPGetDatum(jsonb);
}

static void
put_view(ReturnSetInfo *result, const RunView *view, const StepView *step)
{
	const JoStepDef *definition = &view->job->definition->steps[step->step];
	Datum		values[STEP_COLUMNS] = {0};
	bool		nulls[STEP_COLUMNS] = {0};
	const char *waiting_for = waits_for(view, step);

	/* items are beside the step that they belong to */
	values[0] = Int32GetDatum(step->item >= 0 && definition->close >= 0 ? definition->close : step->step);
	values[1] = CStringGetTextDatum(definition->shown);
	values[2] = Int32GetDatum(step->item);
	nulls[2] = step->item < 0;
	values[3] = CStringGetTextDatum(jo_status_word(step->status));
	values[4] = Int32GetDatum(step->attempts);
	put_time(values, nulls, 5, step->started_at);
	put_time(values, nulls, 6, step->finished_at);
	put_jsonb(values, nulls, 7, step->output);
	put_jsonb(values, nulls, 8, step->error);
	nulls[9] = waiting_for == NULL;
	if (waiting_for)
		values[9] = CStringGetTextDatum(waiting_for);
	put_time(values, nulls, 10, step->next_attempt_at);
	nulls[11] = step->pid == 0;
	values[11] = Int32GetDatum(step->pid);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_views(ReturnSetInfo *result, const RunView *view)
{
	int			item = 0;

	for (int i = 0; i < view->nsteps; i++)
	{
		if (JO_STEP_IS_COUNTED(&view->job->definition->steps[i]))
			put_view(result, view, &view->steps[i]);
		for (; item < view->nitems && view->items[item].step == i; item++)
			put_view(result, view, &view->items[item]);
	}
}

/* False if there is no such run. */
static bool
read_run(int64 run_id, Snapshot snapshot, RunView *view)
{
	JoLiveRow	live;
	JoEndRow	end;

	if (!jo_store_run(run_id, snapshot, &view->run))
		return false;
	view->unfinished = jo_store_live(run_id, snapshot, &live);
	if (view->unfinished)
	{
		view->paused = live.paused;
		view->epoch = live.epoch;
		view->cancel = live.cancel;
		return true;
	}
	if (!jo_store_end(run_id, snapshot, &end))
		return false;
	view->epoch = end.epoch;
	view->end_status = end.status;
	view->cancel = end.status == JO_RUN_CANCELLED ? JO_CANCEL_GRACEFUL : JO_CANCEL_NONE;
	return true;
}

static void
fill_views(RunView *view, Snapshot snapshot)
{
	bool		active;

	view->job = jo_defcache_get(view->run.version_id);
	view->nsteps = view->job->definition->nsteps;
	view->steps = palloc0(sizeof(StepView) * view->nsteps);
	view->max_states = count_states(view->job->definition);
	view->states = palloc_extended(sizeof(StepView) * view->max_states, MCXT_ALLOC_HUGE);
	active = view_active(view);
	/* what is final in memory has its row by now, which an older snapshot need not show */
	if (active)
		snapshot = RegisterSnapshot(jo_store_latest());
	else
		view_rows(view, snapshot);
	view->nrows = jo_store_steps(view->run.run_id, snapshot, true, &view->rows);
	view->nattempts = jo_store_attempts(view->run.run_id, snapshot, &view->attempts);
	if (view->unfinished)
		view->nwaits = jo_store_waits(view->run.run_id, snapshot, &view->waits);
	if (active)
		UnregisterSnapshot(snapshot);
	collect_items(view);
	apply_states(view);
	if (!view->unfinished)
	{
		close_views(view->steps, view->nsteps, view->end_status);
		close_views(view->items, view->nitems, view->end_status);
	}
	apply_attempts(view);
	apply_waits(view);
	apply_rows(view);
	join_parts(view);
}

Datum
joborch_run_steps(PG_FUNCTION_ARGS)
{
	RunView		view = {0};
	Snapshot	snapshot;
	bool		found;

	jo_shmem_require();
	InitMaterializedSRF(fcinfo, 0);
	snapshot = RegisterSnapshot(jo_store_latest());
	found = read_run(PG_GETARG_INT64(0), snapshot, &view);
	if (found)
		fill_views(&view, snapshot);
	UnregisterSnapshot(snapshot);
	if (found)
		put_views((ReturnSetInfo *) fcinfo->resultinfo, &view);
	return (Datum) 0;
}
