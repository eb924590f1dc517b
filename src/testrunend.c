/*
 * testrunend.c
 *		The runs of test_run(): how they begin and end, and what is stopped.
 *
 * Children are runs of their own here too, carried out by the same loop, so that
 * what a job does in parallel happens at the same time of the held clock.  Writes
 * rows of run, live and ends, which the calling transaction deletes again.
 */
#include "joborch.h"

#include "access/xact.h"
#include "clock.h"
#include "errors.h"
#include "finish.h"
#include "inputcheck.h"
#include "items.h"
#include "jsonbuild.h"
#include "outcome.h"
#include "start.h"
#include "testrun.h"
#include "utils/memutils.h"
#include "validate.h"

/* ---- definitions ---- */

static bool
is_same_name(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

JoCachedJob *
jo_test_enter(JoTest *test, char *json, const char *name)
{
	JoCachedJob *job;
	ListCell   *job_cell;
	ListCell   *text_cell;

	/* a body has many runs */
	forboth(job_cell, test->jobs, text_cell, test->texts)
	{
		job = lfirst(job_cell);
		if (strcmp(json, lfirst(text_cell)) == 0 && is_same_name(name, job->job_name))
			return job;
	}
	job = jo_defcache_enter(json, name, test->caller);
	test->jobs = lappend(test->jobs, job);
	test->texts = lappend(test->texts, json);
	return job;
}

/* ---- beginnings ---- */

static void
fill_rows(JoTest *test, JoTestRun *run, const JoRunRow *wanted, JoRunRow *row, JoLiveRow *live)
{
	*row = *wanted;
	MemSet(live, 0, sizeof(JoLiveRow));
	row->run_id = live->run_id = jo_store_next_run_id();
	row->version_id = live->version_id = run->job->version_id;
	row->owner = live->owner = test->caller;
	row->owner_name = row->requested_by = test->caller_name;
	row->created_at = row->run_at = live->due = live->begun = test->now;
	row->queue_id = live->queue_id = JO_DEFAULT_QUEUE;
	live->ord = row->priority;
	row->depth = run->depth;
	live->parent_run_id = row->parent_run_id;
	live->parent_step = row->parent_step;
	live->parent_item = row->parent_item;
	live->cancel = JO_CANCEL_NONE;
	/* a body has the input of the run around it, which was checked */
	if (run->job->definition->outer == NULL)
		row->input = jo_input_check(run->job->definition, row->input);
}

static void
begin_counts(JoTest *test, JoTestRun *run, const JoLiveRow *live)
{
	JoActiveRun *active = &run->active;
	JoShape    *shape = jo_shape_make_local(run->job);

	active->run_id = live->run_id;
	active->state = JO_ACTIVE_READY;
	active->cancel = JO_CANCEL_NONE;
	active->failed_step = -1;
	active->started_at = test->now;
	jo_active_set_live(active, live);
	jo_active_init_steps(active, shape, palloc0(sizeof(JoStepState) * shape->nsteps));
}

JoTestRun *
jo_test_start(JoTest *test, JoCachedJob *job, const JoRunRow *wanted, JoTestRun *parent)
{
	JoTestRun  *run = palloc0(sizeof(JoTestRun));
	int64	   *id = palloc(sizeof(int64));
	JoRunRow	row;
	JoLiveRow	live;

	run->job = job;
	run->parent = parent;
	run->depth = parent != NULL ? parent->depth + 1 : 0;
	run->prefix = "";
	run->told = palloc0(sizeof(bool) * job->definition->nsteps);
	fill_rows(test, run, wanted, &row, &live);
	run->input = row.input;
	jo_store_insert_run(&row, &live);
	CommandCounterIncrement();
	begin_counts(test, run, &live);
	*id = row.run_id;
	test->run_ids = lappend(test->run_ids, id);
	if (parent == NULL)
		test->runs = lappend(test->runs, run);
	else
		test->starting = lappend(test->starting, run);
	if (job->definition->timeout > 0)
		jo_test_wait_for_end(test, run, test->now + job->definition->timeout);
	return run;
}

static JoTestRun *
find_run(JoTest *test, int64 run_id)
{
	ListCell   *cell;

	foreach(cell, test->runs)
	{
		JoTestRun  *run = lfirst(cell);

		if (run->active.run_id == run_id)
			return run;
	}
	return NULL;
}

/* Where the steps of a child stand in the report: "each[3]", "loop[0]", "call". */
static char *
name_place(const JoTestRun *parent, const JoStepDef *step, int32 item, int n)
{
	const char *around = parent->within != NULL ? psprintf("%s.", parent->within) : "";

	if (item != JO_NO_ITEM)
		return psprintf("%s%s[%d]", around, step->shown, item);
	if (step->type == JO_STEP_LOOP)
		return psprintf("%s%s[%d]", around, step->shown, n);
	return psprintf("%s%s", around, step->shown);
}

/* Iterations before this one, of the loop that starts it. */
static int
find_iteration(const JoChildStart *child)
{
	JsonbValue	value;

	if (child->context == NULL ||
		!jo_jsonb_member(&child->context->root, "iteration", strlen("iteration"), &value))
		return 0;
	return atoi(jo_jsonb_text(jo_jsonb_from_value(&value)));
}

static void
check_depth(const JoTestRun *parent)
{
	if (parent->depth < JO_MAX_DEPTH)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_JO_TOO_DEEP),
			 errmsg("runs are nested more than %d deep", JO_MAX_DEPTH),
			 errdetail("Step \"%s\" is in one that a step of another started, and so on.", parent->within),
			 errhint("Does a job start itself?  Let a condition end the recursion, or use a loop.")));
}

/* The definition of the child, with the rights to start it. */
static JoCachedJob *
find_child(JoTest *test, const JoChildStart *child)
{
	JoStartJob	found;
	JoVersionRow version;

	if (child->job == NULL)
		return jo_test_enter(test, pstrdup(child->definition), NULL);
	jo_start_find_job(child->job, &found);
	if (!jo_store_version(found.version_id, jo_store_latest(), &version))
		ereport(ERROR,
				(errcode(ERRCODE_JO_JOB_NOT_FOUND),
				 errmsg("version %lld of job \"%s\" does not exist", (long long) found.version_id, child->job)));
	return jo_test_enter(test, JsonbToCString(NULL, &version.definition->root, VARSIZE(version.definition)),
						 child->job);
}

/* In the test's context. */
static int64
start_child(JoTest *test, const JoChildStart *child)
{
	JoTestRun  *parent = find_run(test, child->parent_run_id);
	const JoStepDef *step = &parent->job->definition->steps[child->parent_step];
	JoRunRow	wanted = {.input = child->input, .context = child->context, .tags = child->tags};
	JoCachedJob *job;
	JoTestRun  *run;

	check_depth(parent);
	job = find_child(test, child);
	wanted.parent_run_id = parent->active.run_id;
	wanted.parent_step = child->parent_step;
	wanted.parent_item = child->parent_item;
	wanted.priority = child->priority >= 0 ? child->priority : job->definition->priority;
	if (job->definition->outer != NULL && wanted.input == NULL)
		wanted.input = parent->input;
	run = jo_test_start(test, job, &wanted, parent);
	run->within = name_place(parent, step, child->parent_item, find_iteration(child));
	run->prefix = job->definition->outer != NULL ? parent->prefix :
		psprintf("%s%s.", parent->prefix, step->shown);
	if (child->job != NULL)
		jo_test_check_stubs(test, job->definition, run->prefix);
	return run->active.run_id;
}

int64
jo_test_start_child(const JoChildStart *child)
{
	MemoryContext caller = MemoryContextSwitchTo(jo_test_current->context);
	int64		run_id = start_child(jo_test_current, child);

	MemoryContextSwitchTo(caller);
	return run_id;
}

/* ---- ends ---- */

JoStepState *
jo_test_state(JoTestRun *run, int32 step, int32 item)
{
	JoStepState *state = &run->active.steps[step];

	if (item == JO_NO_ITEM)
		return state;
	return state->items != NULL ? jo_items_find(state->items, item) : NULL;
}

static void
wake_parent(JoTestRun *run)
{
	JoTestRun  *parent = run->parent;
	JoStepState *state;

	if (parent == NULL || parent->done)
		return;
	state = jo_test_state(parent, run->active.parent_step, run->active.parent_item);
	if (state != NULL && state->status == JO_STEP_WAITING)
		jo_active_wake(&parent->active, state);
}

static void
end_run(JoTest *test, JoTestRun *run)
{
	JoLiveRow	live;

	jo_finish_describe(&run->active, &run->end);
	/* a step may have changed the row, as by pause_run() */
	if (!jo_store_live(run->active.run_id, jo_store_latest(), &live) ||
		!jo_store_end_run(&live.tid, &run->end))
	{
		jo_test_refuse(test);
		ereport(ERROR,
				(errcode(ERRCODE_JO_WRONG_STATUS),
				 errmsg("a step of the tested run has ended or deleted the run itself"),
				 errhint("Give that step a stub.")));
	}
	CommandCounterIncrement();
	if (run->end.status == JO_RUN_COMPLETED)
		run->end.output = jo_run_output(run->active.run_id, &run->end);
	run->done = true;
	run->ended_at = test->now;
	test->runs = list_delete_ptr(test->runs, run);
	wake_parent(run);
}

void
jo_test_cancel(JoTest *test, int64 run_id)
{
	JoTestRun  *run = find_run(test, run_id);

	if (run == NULL)
		return;
	jo_active_set_cancel(&run->active, JO_CANCEL_FORCE);
	jo_test_settle(test, run);
}

/* Steps that waited were stopped: their rows go, and the runs they had started end. */
static void
remove_orphans(JoTest *test, JoTestRun *run)
{
	JoWaitRow  *rows;
	int			n = jo_store_waits(run->active.run_id, jo_store_latest(), &rows);

	run->active.has_orphans = false;
	for (int i = 0; i < n; i++)
	{
		JoStepState *state = jo_test_state(run, rows[i].step, rows[i].item);

		if (state != NULL && !JO_STEP_IS_FINAL(state->status))
			continue;
		jo_books_leave_wait(&rows[i], run->active.epoch);
		CommandCounterIncrement();
		jo_test_forget_wait(test, run, rows[i].step, rows[i].item);
		if (rows[i].child != 0)
			jo_test_cancel(test, rows[i].child);
	}
}

void
jo_test_settle(JoTest *test, JoTestRun *run)
{
	JoActiveRun *active = &run->active;

	jo_outcome_stop(active);
	if (active->shape->has_items)
		jo_items_refill(active);
	if (active->has_orphans)
		remove_orphans(test, run);
	jo_test_tell_others(test, run);
	if (!run->done && jo_active_is_done(active))
		end_run(test, run);
}
