/*
 * memcheck.c
 *		Invariants of the shared memory, as rows; joborch.check() adds the tables'.
 *
 * Everything is looked at under one shared lock, so what is found is wrong at
 * one moment, not between two.
 */
#include "joborch.h"

#include "active.h"
#include "fmgr.h"
#include "funcapi.h"
#include "handout.h"
#include "items.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(joborch_memory_check);

#define MAX_FINDINGS 100

typedef struct Finding
{
	const char *invariant;
	int64		run_id;
	int64		seen;
	int64		wanted;
} Finding;

static Finding findings[MAX_FINDINGS];
static int	nfindings;

static void
expect(const char *invariant, int64 run_id, int64 seen, int64 wanted)
{
	if (seen == wanted || nfindings == MAX_FINDINGS)
		return;
	findings[nfindings].invariant = invariant;
	findings[nfindings].run_id = run_id;
	findings[nfindings].seen = seen;
	findings[nfindings].wanted = wanted;
	nfindings++;
}

/* States of a run, those of items too, by status. */
typedef struct Counts
{
	int			in_flight;
	int			ready;
	int			retrying;
	int			waiting;
} Counts;

static void
count_state(JoActiveRun *run, JoStepState *state, void *argument)
{
	Counts	   *counts = argument;

	counts->in_flight += state->status == JO_STEP_RUNNING;
	counts->ready += state->status == JO_STEP_QUEUED;
	counts->retrying += state->status == JO_STEP_RETRYING;
	counts->waiting += state->status == JO_STEP_WAITING;
	expect("only queued steps are in a list", run->run_id,
		   state->class != NULL && state->status != JO_STEP_QUEUED, 0);
}

static void
check_items(const JoActiveRun *run, const JoItems *items)
{
	int			done = 0;

	for (int32 i = 0; i < items->n; i++)
		done += (items->done[i / 32] >> (i % 32)) & 1;
	expect("unresolved items are those without their bit", run->run_id, items->unresolved,
		   items->n - done);
}

static void
check_run(JoActiveRun *run)
{
	Counts		counts = {0};
	int			unresolved = 0;
	int			final = 0;

	for (int i = 0; i < run->shape->nsteps; i++)
	{
		const JoStepState *state = &run->steps[i];

		unresolved += !JO_STEP_IS_FINAL(state->status);
		final += JO_STEP_IS_FINAL(state->status) && run->shape->steps[i].counted;
		if (state->items != NULL)
			check_items(run, state->items);
	}
	jo_items_visit(run, count_state, &counts);
	expect("unresolved counts the steps without a final status", run->run_id, run->unresolved, unresolved);
	expect("in_flight counts the running steps", run->run_id, run->in_flight, counts.in_flight);
	expect("ready counts the queued steps", run->run_id, run->ready, counts.ready);
	expect("retrying counts the retrying steps", run->run_id, run->retrying, counts.retrying);
	expect("waiting counts the waiting steps", run->run_id, run->waiting, counts.waiting);
	expect("final steps add up", run->run_id, run->ncompleted + run->nfailed + run->nskipped, final);
	expect("a run can be found by its id", run->run_id,
		   jo_active_find(run->dboid, run->run_id) == run, 1);
	/* nothing ready or running: it should have left, or be on its way to its end */
	expect("a run in memory has something to do", run->run_id,
		   counts.in_flight == 0 && counts.ready == 0 && !run->todo && unresolved > 0, 0);
}

static void
check_class(const JoClass *class)
{
	int			ready = 0;
	int			nslots = 0;
	int			nruns = 0;

	for (int p = 0; p < JO_PRIORITIES; p++)
	{
		int			length = 0;

		for (JoStepState *state = class->lists[p].head; state != NULL; state = state->next)
		{
			length++;
			expect("a listed step knows its list", state->run->run_id, state->class == class, 1);
		}
		expect("a list's length is right", 0, class->lists[p].length, length);
		ready += length;
	}
	for (int i = 0; i < jo_shared->nslots; i++)
		nslots += jo_shared->slots[i].state != JO_SLOT_FREE && jo_shared->slots[i].class == class;
	for (int i = 0; i < jo_shared->max_runs; i++)
		nruns += jo_shared->runs[i].state != JO_ACTIVE_FREE && jo_shared->runs[i].class == class;
	expect("a class's ready steps are those of its lists", 0, class->ready, ready);
	expect("a class's executors are those of its slots", 0, class->nslots, nslots);
	expect("a class's runs are those that point to it", 0, class->nruns, nruns);
}

static void
check_slot(const JoSlot *slot)
{
	if (slot->task.run == NULL)
		return;
	expect("a slot's step is running", slot->task.run->run_id, slot->task.state->status, JO_STEP_RUNNING);
	expect("a running step knows its slot", slot->task.run->run_id, slot->task.state->slot, slot->index);
}

static void
check_all(void)
{
	int			used = 0;
	int			references = 0;
	int			counted = 0;

	for (int i = 0; i < jo_shared->max_runs; i++)
	{
		JoActiveRun *run = &jo_shared->runs[i];

		used += run->state != JO_ACTIVE_FREE;
		references += run->state != JO_ACTIVE_FREE && run->shape != NULL;
		if (run->state >= JO_ACTIVE_READY)
			check_run(run);
	}
	for (int32 i = jo_shared->free_run; i >= 0; i = jo_shared->runs[i].next)
		used++;
	expect("every run entry is used or free", 0, used, jo_shared->max_runs);
	for (int i = 0; i < (int) lengthof(jo_shared->shapes); i++)
		for (JoShape *shape = jo_shared->shapes[i]; shape != NULL; shape = shape->next)
			counted += shape->references;
	/* a start() or a load may hold one between taking and using it */
	expect("graphs are referenced by active runs", 0, counted < references, 0);
	for (int i = 0; i < JO_MAX_CLASSES; i++)
		if (OidIsValid(jo_shared->classes[i].dboid))
			check_class(&jo_shared->classes[i]);
	for (int i = 0; i < jo_shared->nslots; i++)
		check_slot(&jo_shared->slots[i]);
}

Datum
joborch_memory_check(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	jo_shmem_require();
	InitMaterializedSRF(fcinfo, 0);
	nfindings = 0;
	LWLockAcquire(jo_shared->lock, LW_SHARED);
	check_all();
	LWLockRelease(jo_shared->lock);
	for (int i = 0; i < nfindings; i++)
	{
		Datum		values[2];
		bool		nulls[2] = {0};

		values[0] = CStringGetTextDatum(findings[i].invariant);
		values[1] = CStringGetTextDatum(psprintf("run " INT64_FORMAT ": seen " INT64_FORMAT ", wanted " INT64_FORMAT,
												 findings[i].run_id, findings[i].seen, findings[i].wanted));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
