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
#include "items.h"

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

void
jo_active_set_live(JoActiveRun *run, const JoLiveRow *live)
{
	run->version_id = live->version_id;
	run->owner = live->owner;
	run->queue_id = live->queue_id;
	run->ord = live->ord;
	run->live_tid = live->tid;
	run->parent_run_id = live->parent_run_id;
	run->parent_step = live->parent_step;
	run->parent_item = live->parent_item;
	run->followed = live->followed;
	run->fenced = live->replaceable && live->begun == 0;
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
	if (run->shape != NULL && run->shape->has_items && run->steps != NULL)
		jo_items_free_all(run);
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
jo_active_ready(JoActiveRun *run, JoStepState *state)
{
	Assert(state->class == NULL && !JO_STEP_IS_FINAL(state->status));
	if (state->status == JO_STEP_RETRYING)
		run->retrying--;
	else if (state->status == JO_STEP_WAITING)
		run->waiting--;
	state->status = JO_STEP_QUEUED;
	state->next = NULL;
	run->ready++;
	if (run->fresh == NULL)
		run->fresh = state;
	else
		run->fresh_tail->next = state;
	run->fresh_tail = state;
}

/* Takes a step out of the fresh chain; it is QUEUED no more. */
static void
unready(JoActiveRun *run, JoStepState *state)
{
	JoStepState *before = NULL;
	JoStepState *here = run->fresh;

	Assert(state->status == JO_STEP_QUEUED && state->class == NULL);
	for (; here != state; here = here->next)
		before = here;
	if (before == NULL)
		run->fresh = state->next;
	else
		before->next = state->next;
	if (run->fresh_tail == state)
		run->fresh_tail = before;
	state->next = NULL;
	state->status = JO_STEP_PENDING;
	run->ready--;
}

void
jo_active_await(JoActiveRun *run, JoStepState *state, char status)
{
	Assert(status == JO_STEP_RETRYING || status == JO_STEP_WAITING);
	if (state->status == JO_STEP_QUEUED)
		unready(run, state);
	Assert(state->status == JO_STEP_PENDING || state->status == JO_STEP_RUNNING);
	state->status = status;
	state->resumed = status == JO_STEP_WAITING;
	state->handed_over &= state->resumed;
	if (status == JO_STEP_WAITING)
		run->waiting++;
	else
		run->retrying++;
}

/* A waiting step looks again; one that is being executed does when it has said that it waits. */
void
jo_active_wake(JoActiveRun *run, JoStepState *state)
{
	if (state->status == JO_STEP_WAITING || state->status == JO_STEP_RETRYING)
		jo_active_ready(run, state);
	else if (state->status == JO_STEP_RUNNING)
		state->woken = true;
}

void
jo_active_init_state(JoActiveRun *run, JoStepState *state, int step, int32 item)
{
	MemSet(state, 0, sizeof(JoStepState));
	state->run = run;
	state->step = step;
	state->item = item;
	state->status = JO_STEP_PENDING;
	state->slot = JO_WITH_NOBODY;
}

static void
release_roots(JoActiveRun *run)
{
	for (int i = 0; i < run->shape->nsteps; i++)
		if (run->shape->steps[i].phase == run->phase &&
			run->shape->steps[i].nparents == 0 &&
			run->steps[i].status == JO_STEP_PENDING)
			jo_active_ready(run, &run->steps[i]);
}

void
jo_active_init_steps(JoActiveRun *run, JoShape *shape, JoStepState *steps)
{
	run->shape = shape;
	run->steps = steps;
	run->unresolved = shape->nsteps;
	for (int i = 0; i < shape->nsteps; i++)
		jo_active_init_state(run, &steps[i], i, JO_NO_ITEM);
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

/*
 * The end of a container comes when all its steps are final, or enough of its
 * branches completed; what became of it is for its own execution to say.
 */
static Decision
decide_close(const JoShapeStep *shape, const JoStepState *state)
{
	int			done = state->completed_parents + state->failed_parents + state->skipped_parents;

	if (shape->enough > 0 && state->enough >= shape->enough)
		return DECIDE_READY;
	if (done < shape->nparents)
		return DECIDE_WAIT;
	return state->open_ended_badly ? DECIDE_SKIP : DECIDE_READY;
}

/* What a step's trigger rule says of its parents' statuses so far. */
static Decision
decide(const JoShapeStep *shape, const JoStepState *state)
{
	int			completed = state->completed_parents;
	int			failed = state->failed_parents;
	int			done = completed + failed + state->skipped_parents;

	if (shape->part == JO_PART_CLOSE)
		return decide_close(shape, state);
	if (shape->rule == JO_RULE_ONE_SUCCESS && completed > 0)
		return DECIDE_READY;
	if (shape->rule == JO_RULE_ONE_FAILED && failed > 0)
		return DECIDE_READY;
	if (shape->enough > 0 && completed >= shape->enough)
		return DECIDE_READY;
	if (done < shape->nparents)
		return DECIDE_WAIT;
	/* whatever the rule, a step of which every parent was skipped is skipped */
	if (completed + failed == 0 || shape->enough > 0)
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

void
jo_active_leave(JoActiveRun *run, JoStepState *state)
{
	Assert(state->class == NULL);
	if (state->status == JO_STEP_QUEUED)
	{
		unready(run, state);
		/* it was woken, and has not looked since */
		run->has_orphans |= state->resumed;
	}
	else if (state->status == JO_STEP_RETRYING)
		run->retrying--;
	else if (state->status == JO_STEP_WAITING)
	{
		run->waiting--;
		run->has_orphans = true;
	}
}

static void
count_final(JoActiveRun *run, const JoShapeStep *shape, char status)
{
	if (!shape->counted)
		return;
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
}

/* The one place where a step gets a final status. */
static void
settle(JoActiveRun *run, JoStepState *state, char status)
{
	const JoShapeStep *shape = &run->shape->steps[state->step];

	Assert(JO_STEP_IS_FINAL(status) && !JO_STEP_IS_FINAL(state->status));
	jo_active_leave(run, state);
	state->status = status;
	run->unresolved--;
	if (shape->phase == run->phase)
		run->phase_unresolved--;
	count_final(run, shape, status);
	if (shape->ends_run)
		run->stopping |= status == JO_STEP_COMPLETED || status == JO_STEP_FAILED;
	run->to_trim |= shape->is_race && run->shape->steps[state->step].part == JO_PART_CLOSE;
	if (status != JO_STEP_FAILED || (shape->on_error == JO_ON_ERROR_CONTINUE && !shape->ends_run))
		return;
	/* of a container, its end fails instead */
	if ((shape->scope >= 0 || shape->part == JO_PART_OPEN || shape->part == JO_PART_EACH) &&
		shape->on_error != JO_ON_ERROR_STOP && !shape->ends_run)
		return;
	if (shape->phase != JO_PHASE_ON_FAILURE)
	{
		run->failed = true;
		if (run->failed_step < 0)
			run->failed_step = state->step;
	}
	if (shape->on_error == JO_ON_ERROR_STOP)
		run->stopping = true;
}

/* What a parent's final status is to one that depends on it in this way. */
static char
status_along(const JoActiveRun *run, const JoShapeEdge *edge, int parent, int32 taken)
{
	char		status = run->steps[parent].status;

	switch (edge->on)
	{
		case JO_EDGE_SUCCESS:
			return status == JO_STEP_FAILED ? JO_STEP_SKIPPED : status;
		case JO_EDGE_FAILURE:
			if (status == JO_STEP_FAILED)
				return JO_STEP_COMPLETED;
			return status == JO_STEP_COMPLETED ? JO_STEP_SKIPPED : status;
		case JO_EDGE_DONE:
			return status == JO_STEP_FAILED ? JO_STEP_COMPLETED : status;
		case JO_EDGE_CLOSE:
			return status;
		case JO_EDGE_BRANCH:
			if (status == JO_STEP_COMPLETED)
				return edge->branch == taken ? status : JO_STEP_SKIPPED;
			/* it took no branch; if its failure is accepted, none is to run */
			if (status == JO_STEP_FAILED && run->shape->steps[parent].on_error == JO_ON_ERROR_CONTINUE)
				return JO_STEP_SKIPPED;
			break;
		default:
			break;
	}
	if (status == JO_STEP_FAILED && run->shape->steps[parent].on_error == JO_ON_ERROR_CONTINUE)
		return JO_STEP_COMPLETED;
	return status;
}

/* Tells one dependent that a parent is final; true if that made it skipped. */
static bool
tell_dependent(JoActiveRun *run, const JoShapeEdge *edge, int parent, int32 taken)
{
	JoStepState *state = &run->steps[edge->step];
	char		status = status_along(run, edge, parent, taken);

	if (status == JO_STEP_COMPLETED)
		state->completed_parents++;
	else if (status == JO_STEP_FAILED)
		state->failed_parents++;
	else
		state->skipped_parents++;
	if (status == JO_STEP_CANCELLED)
		state->cancelled_parent = true;
	if (edge->on == JO_EDGE_CLOSE)
	{
		state->enough += status == JO_STEP_COMPLETED && edge->branch >= 0;
		state->open_ended_badly |= run->shape->steps[parent].part == JO_PART_OPEN &&
			run->shape->steps[parent].scope == run->shape->steps[edge->step].scope &&
			status != JO_STEP_COMPLETED && status != JO_STEP_FAILED;
	}

	if (state->status != JO_STEP_PENDING || state->items != NULL)
		return false;
	switch (decide(&run->shape->steps[edge->step], state))
	{
		case DECIDE_READY:
			if (run->shape->steps[edge->step].part != JO_PART_EACH)
				jo_active_ready(run, state);
			else if (taken > 0)
				jo_items_open(run, state, taken);
			else
			{
				settle(run, state, JO_STEP_COMPLETED);
				return true;
			}
			return false;
		case DECIDE_SKIP:
			settle(run, state, state->cancelled_parent ? JO_STEP_CANCELLED : JO_STEP_SKIPPED);
			return true;
		default:
			return false;
	}
}

/* Tells all dependents, and theirs as far as steps are final at once. */
static void
propagate(JoActiveRun *run, JoStepState *first, int32 taken)
{
	JoStepState *last = first;

	first->next = NULL;
	for (JoStepState *state = first; state != NULL; state = state->next)
	{
		const JoShapeStep *shape = &run->shape->steps[state->step];

		for (int i = 0; i < shape->nsuccessors; i++)
		{
			const JoShapeEdge *edge = &run->shape->successors[shape->first_successor + i];

			if (tell_dependent(run, edge, state->step, state == first ? taken : -1))
			{
				last->next = &run->steps[edge->step];
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
			settle(run, &run->steps[i], JO_STEP_SKIPPED);
}

/*
 * Compensations run one after the other, that of the last step first, and only
 * of steps that completed.
 */
static void
release_compensation(JoActiveRun *run)
{
	for (int i = run->shape->nsteps - 1; i >= 0; i--)
	{
		JoStepState *state = &run->steps[i];
		int			undone = run->shape->steps[i].compensates;

		if (run->shape->steps[i].phase != JO_PHASE_COMPENSATE || JO_STEP_IS_FINAL(state->status))
			continue;
		if (run->steps[undone].status != JO_STEP_COMPLETED)
		{
			settle(run, state, JO_STEP_SKIPPED);
			continue;
		}
		if (state->status == JO_STEP_PENDING)
			jo_active_ready(run, state);
		return;
	}
}

static bool
is_phase_wanted(const JoActiveRun *run)
{
	bool		cancelled = run->cancel != JO_CANCEL_NONE;

	if (run->phase == JO_PHASE_COMPENSATE)
		return run->failed || cancelled;
	if (run->phase == JO_PHASE_ON_FAILURE)
		return run->failed && !cancelled;
	return true;
}

/* Opens the next phase while the open one is all final. */
static void
open_phases(JoActiveRun *run)
{
	if (run->phase == JO_PHASE_COMPENSATE && run->phase_unresolved > 0)
		release_compensation(run);
	while (run->phase_unresolved == 0 && run->unresolved > 0)
	{
		run->phase++;
		Assert(run->phase <= JO_PHASE_FINALLY);
		run->stopping = false;
		run->phase_unresolved = count_phase(run, run->phase);
		if (!is_phase_wanted(run))
			skip_phase(run);
		else if (run->phase == JO_PHASE_COMPENSATE)
			release_compensation(run);
		else
			release_roots(run);
	}
}

/* Gives a step that is not being executed its status; false if it is (or an item of it). */
static bool
stop_step(JoActiveRun *run, JoStepState *state, char status)
{
	if (JO_STEP_IS_FINAL(state->status))
		return false;
	if (state->status == JO_STEP_RUNNING)
		return false;
	if (state->items != NULL)
	{
		if (!jo_items_stop(run, state, status))
			return false;
		status = jo_items_stopped_as(run, state);
	}
	settle(run, state, status);
	return true;
}

void
jo_active_stop(JoActiveRun *run, char status)
{
	run->stopping = true;
	for (int i = 0; i < run->shape->nsteps; i++)
		if (run->shape->steps[i].phase == run->phase)
			(void) stop_step(run, &run->steps[i], status);
	open_phases(run);
}

bool
jo_active_is_inside(const JoActiveRun *run, int step, int close)
{
	int			scope = run->shape->steps[step].scope;

	while (scope >= 0 && scope != close)
		scope = run->shape->steps[scope].scope;
	return scope == close;
}

void
jo_active_trim(JoActiveRun *run)
{
	run->to_trim = false;
	for (int i = 0; i < run->shape->nsteps; i++)
	{
		JoStepState *state = &run->steps[i];

		if (run->shape->steps[i].is_race && JO_STEP_IS_FINAL(state->status))
		{
			for (int inner = 0; inner < i; inner++)
				if (jo_active_is_inside(run, inner, i))
					(void) stop_step(run, &run->steps[inner], JO_STEP_CANCELLED);
		}
		else if (state->items != NULL && state->items->stopped && stop_step(run, state, JO_STEP_SKIPPED))
			propagate(run, state, -1);
	}
	open_phases(run);
}

bool
jo_active_is_obsolete(const JoActiveRun *run, const JoStepState *state)
{
	for (int scope = run->shape->steps[state->step].scope; scope >= 0;
		 scope = run->shape->steps[scope].scope)
		if (run->shape->steps[scope].is_race && JO_STEP_IS_FINAL(run->steps[scope].status))
			return true;
	return false;
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
jo_active_resolve(JoActiveRun *run, JoStepState *state, char status, int32 taken)
{
	if (state->item != JO_NO_ITEM)
	{
		char		whole = jo_items_resolve(run, state, status);

		if (whole == 0)
			return;
		state = &run->steps[state->step];
		status = whole;
	}
	settle(run, state, status);
	propagate(run, state, taken);
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
		!run->shape->has_output && !run->followed && !run->shape->followed;
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
