/*
 * active.c
 *		Runs in memory: their counts, what becomes ready, when they are done.
 *
 * The counts are a pure function of the final statuses of the run's steps, so
 * a run can leave memory and be rebuilt from its rows at any time: load.c
 * calls jo_active_resolve() for each row and arrives at the same state.
 *
 * Phases: first the job's own steps; when they are all final, on_failure (if
 * the run failed and was not cancelled), then finally.  A step of a phase that
 * is not open yet is never ready.
 */
#include "joborch.h"

#include "active.h"
#include "common/hashfn.h"

static int32 *
bucket_of(Oid dboid, int64 run_id)
{
	uint32		hash = murmurhash32((uint32) run_id ^ (uint32) (run_id >> 32) ^ (dboid * 0x9E3779B1));

	return &jo_shared->buckets[hash & (jo_shared->nbuckets - 1)];
}

JoActiveRun *
jo_active_find(Oid dboid, int64 run_id)
{
	for (int32 i = *bucket_of(dboid, run_id); i >= 0; i = jo_shared->runs[i].next)
	{
		JoActiveRun *run = &jo_shared->runs[i];

		if (run->run_id == run_id && run->dboid == dboid)
			return run;
	}
	return NULL;
}

JoActiveRun *
jo_active_enter(JoDatabase *database, int64 run_id, JoRunState state)
{
	JoActiveRun *run;
	int32	   *bucket;
	int32		index = jo_shared->free_run;

	Assert(LWLockHeldByMeInMode(jo_shared->lock, LW_EXCLUSIVE));
	Assert(jo_active_find(database->dboid, run_id) == NULL);
	if (index < 0)
		return NULL;
	run = &jo_shared->runs[index];
	jo_shared->free_run = run->next;

	MemSet(run, 0, offsetof(JoActiveRun, one));
	run->index = index;
	run->state = state;
	run->dboid = database->dboid;
	run->run_id = run_id;
	run->cancel = JO_CANCEL_NONE;
	run->failed_step = -1;
	run->steps_dp = InvalidDsaPointer;

	bucket = bucket_of(run->dboid, run_id);
	run->next = *bucket;
	*bucket = index;
	database->active++;
	return run;
}

static void
unhash(JoActiveRun *run)
{
	int32	   *link = bucket_of(run->dboid, run->run_id);

	while (*link != run->index)
		link = &jo_shared->runs[*link].next;
	*link = run->next;
}

void
jo_active_remove(JoActiveRun *run)
{
	JoDatabase *database = jo_shmem_database(run->dboid);

	Assert(LWLockHeldByMeInMode(jo_shared->lock, LW_EXCLUSIVE));
	Assert(run->state != JO_ACTIVE_FREE && !run->todo && run->in_flight == 0);
	unhash(run);
	if (DsaPointerIsValid(run->steps_dp))
		dsa_free(jo_shmem_area(), run->steps_dp);
	if (run->shape != NULL)
		run->shape->references--;
	if (run->class != NULL)
		run->class->nruns--;
	if (database != NULL)
		database->active--;
	run->state = JO_ACTIVE_FREE;
	run->run_id = 0;
	run->next = jo_shared->free_run;
	jo_shared->free_run = run->index;
}

/* ---- step states ---- */

bool
jo_active_alloc_steps(const JoShape *shape, dsa_pointer *steps)
{
	*steps = InvalidDsaPointer;
	if (shape->nsteps == 1)
		return true;
	*steps = dsa_allocate_extended(jo_shmem_area(), sizeof(JoStepState) * shape->nsteps,
								   DSA_ALLOC_NO_OOM | DSA_ALLOC_ZERO);
	return DsaPointerIsValid(*steps);
}

/* Unresolved steps of a phase. */
static int
count_phase(const JoActiveRun *run, uint8 phase)
{
	int			n = 0;

	for (int i = 0; i < run->shape->nsteps; i++)
		if (run->shape->steps[i].phase == phase && !JO_STEP_IS_FINAL(run->steps[i].status))
			n++;
	return n;
}

void
jo_active_ready(JoActiveRun *run, int step)
{
	JoStepState *state = &run->steps[step];

	Assert(state->class == NULL);
	if (state->status == JO_STEP_RETRYING)
		run->retrying--;
	state->status = JO_STEP_QUEUED;
	state->next = NULL;
	run->ready++;
	if (run->fresh == NULL)
		run->fresh = state;
	else
		run->fresh_tail->next = state;
	run->fresh_tail = state;
}

void
jo_active_await_retry(JoActiveRun *run, int step)
{
	JoStepState *state = &run->steps[step];
	JoStepState **link = &run->fresh;

	Assert(state->status == JO_STEP_QUEUED && state->class == NULL);
	run->fresh_tail = NULL;
	while (*link != NULL)
	{
		if (*link == state)
			*link = state->next;
		else
		{
			run->fresh_tail = *link;
			link = &(*link)->next;
		}
	}
	state->next = NULL;
	state->status = JO_STEP_RETRYING;
	run->ready--;
	run->retrying++;
}

static void
release_roots(JoActiveRun *run)
{
	for (int i = 0; i < run->shape->nsteps; i++)
		if (run->shape->steps[i].phase == run->phase &&
			run->shape->steps[i].nparents == 0 &&
			run->steps[i].status == JO_STEP_PENDING)
			jo_active_ready(run, i);
}

void
jo_active_init_steps(JoActiveRun *run, JoShape *shape, JoStepState *steps)
{
	run->shape = shape;
	run->steps = steps;
	run->unresolved = shape->nsteps;
	for (int i = 0; i < shape->nsteps; i++)
	{
		MemSet(&steps[i], 0, sizeof(JoStepState));
		steps[i].run = run;
		steps[i].step = i;
		steps[i].status = JO_STEP_PENDING;
		steps[i].slot = -1;
	}
	run->phase = JO_PHASE_MAIN;
	run->phase_unresolved = count_phase(run, run->phase);
	release_roots(run);
}

void
jo_active_begin(JoActiveRun *run, JoShape *shape, dsa_pointer steps)
{
	run->steps_dp = steps;
	jo_active_init_steps(run, shape,
						 DsaPointerIsValid(steps) ? dsa_get_address(jo_shmem_area(), steps) : &run->one);
}

/* ---- advance ---- */

typedef enum Decision
{
	DECIDE_WAIT,
	DECIDE_READY,
	DECIDE_SKIP
} Decision;

/* What a step's trigger rule says of its parents' statuses so far. */
static Decision
decide(const JoShapeStep *shape, const JoStepState *state)
{
	int			completed = state->completed_parents;
	int			failed = state->failed_parents;
	int			done = completed + failed + state->skipped_parents;

	if (shape->rule == JO_RULE_ONE_SUCCESS && completed > 0)
		return DECIDE_READY;
	if (shape->rule == JO_RULE_ONE_FAILED && failed > 0)
		return DECIDE_READY;
	if (done < shape->nparents)
		return DECIDE_WAIT;
	/* whatever the rule, a step of which every parent was skipped is skipped */
	if (completed + failed == 0)
		return DECIDE_SKIP;
	switch (shape->rule)
	{
		case JO_RULE_ALL_SUCCESS:
			return failed == 0 ? DECIDE_READY : DECIDE_SKIP;
		case JO_RULE_NONE_FAILED:
			return failed == 0 ? DECIDE_READY : DECIDE_SKIP;
		case JO_RULE_ALL_FAILED:
			return completed == 0 ? DECIDE_READY : DECIDE_SKIP;
		case JO_RULE_ALL_DONE:
			return DECIDE_READY;
		default:
			return DECIDE_SKIP;
	}
}

/* The one place where a step gets a final status. */
static void
settle(JoActiveRun *run, int step, char status)
{
	JoStepState *state = &run->steps[step];
	const JoShapeStep *shape = &run->shape->steps[step];

	Assert(JO_STEP_IS_FINAL(status) && !JO_STEP_IS_FINAL(state->status));
	Assert(state->class == NULL);
	if (state->status == JO_STEP_RETRYING)
		run->retrying--;
	state->status = status;
	run->unresolved--;
	if (shape->phase == run->phase)
		run->phase_unresolved--;
	switch (status)
	{
		case JO_STEP_COMPLETED:
			run->ncompleted++;
			break;
		case JO_STEP_FAILED:
			run->nfailed++;
			break;
		default:
			run->nskipped++;
			break;
	}
	if (status != JO_STEP_FAILED || shape->on_error == JO_ON_ERROR_CONTINUE)
		return;
	if (shape->phase != JO_PHASE_ON_FAILURE)
	{
		run->failed = true;
		if (run->failed_step < 0)
			run->failed_step = step;
	}
	if (shape->on_error == JO_ON_ERROR_STOP)
		run->stopping = true;
}

/* Tells one dependent that a parent is final; true if that made it skipped. */
static bool
tell_dependent(JoActiveRun *run, int step, int parent)
{
	JoStepState *state = &run->steps[step];
	char		status = run->steps[parent].status;

	if (status == JO_STEP_FAILED && run->shape->steps[parent].on_error == JO_ON_ERROR_CONTINUE)
		status = JO_STEP_COMPLETED;
	if (status == JO_STEP_COMPLETED)
		state->completed_parents++;
	else if (status == JO_STEP_FAILED)
		state->failed_parents++;
	else
		state->skipped_parents++;
	if (status == JO_STEP_CANCELLED)
		state->cancelled_parent = true;

	if (state->status != JO_STEP_PENDING)
		return false;
	switch (decide(&run->shape->steps[step], state))
	{
		case DECIDE_READY:
			jo_active_ready(run, step);
			return false;
		case DECIDE_SKIP:
			settle(run, step, state->cancelled_parent ? JO_STEP_CANCELLED : JO_STEP_SKIPPED);
			return true;
		default:
			return false;
	}
}

/* Tells all dependents, and theirs as far as steps are skipped. */
static void
propagate(JoActiveRun *run, int step)
{
	JoStepState *first = &run->steps[step];
	JoStepState *last = first;

	first->next = NULL;
	for (JoStepState *state = first; state != NULL; state = state->next)
	{
		const JoShapeStep *shape = &run->shape->steps[state->step];

		for (int i = 0; i < shape->nsuccessors; i++)
		{
			int			successor = run->shape->successors[shape->first_successor + i];

			if (tell_dependent(run, successor, state->step))
			{
				last->next = &run->steps[successor];
				last = last->next;
				last->next = NULL;
			}
		}
	}
}

/* All of a phase that is not to run is skipped at once. */
static void
skip_phase(JoActiveRun *run)
{
	for (int i = 0; i < run->shape->nsteps; i++)
		if (run->shape->steps[i].phase == run->phase && !JO_STEP_IS_FINAL(run->steps[i].status))
			settle(run, i, JO_STEP_SKIPPED);
}

/* Opens the next phase while the open one is all final. */
static void
open_phases(JoActiveRun *run)
{
	while (run->phase_unresolved == 0 && run->unresolved > 0)
	{
		run->phase++;
		Assert(run->phase <= JO_PHASE_FINALLY);
		run->stopping = false;
		run->phase_unresolved = count_phase(run, run->phase);
		if (run->phase == JO_PHASE_ON_FAILURE &&
			(!run->failed || run->cancel != JO_CANCEL_NONE))
			skip_phase(run);
		else
			release_roots(run);
	}
}

void
jo_active_stop(JoActiveRun *run, char status)
{
	run->stopping = true;
	for (JoStepState *state = run->fresh; state != NULL; state = state->next)
		run->ready--;
	run->fresh = run->fresh_tail = NULL;
	for (int i = 0; i < run->shape->nsteps; i++)
	{
		JoStepState *state = &run->steps[i];

		if (run->shape->steps[i].phase == run->phase &&
			!JO_STEP_IS_FINAL(state->status) && state->status != JO_STEP_RUNNING)
			settle(run, i, status);
	}
	open_phases(run);
}

void
jo_active_set_cancel(JoActiveRun *run, char cancel)
{
	if (cancel == JO_CANCEL_TIMED_OUT)
		run->timed_out = run->failed = true;
	else
		run->cancel = cancel;
}

void
jo_active_resolve(JoActiveRun *run, int step, char status)
{
	settle(run, step, status);
	propagate(run, step);
	open_phases(run);
}

/* ---- questions ---- */

bool
jo_active_is_done(const JoActiveRun *run)
{
	return run->unresolved == 0 && run->in_flight == 0;
}

bool
jo_active_would_complete(const JoActiveRun *run)
{
	return run->unresolved == 1 && run->in_flight == 1 && run->state == JO_ACTIVE_READY &&
		!run->failed && !run->paused && !run->todo && !run->reload && run->cancel == JO_CANCEL_NONE && !run->timed_out &&
		!run->shape->has_output;
}

char
jo_active_end_status(const JoActiveRun *run)
{
	if (run->cancel != JO_CANCEL_NONE)
		return JO_RUN_CANCELLED;
	return run->failed || run->timed_out ? JO_RUN_FAILED : JO_RUN_COMPLETED;
}

int
jo_active_progress(const JoActiveRun *run)
{
	if (run->shape == NULL || run->shape->nsteps == 0)
		return 0;
	return 100 * (run->shape->nsteps - run->unresolved) / run->shape->nsteps;
}
