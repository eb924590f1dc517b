/*
 * items.c
 *		The items of a step with foreach, in memory.
 *
 * A bit per item says that it is final, so a run can leave memory and be rebuilt
 * from the rows of its items in any order.
 */
#include "joborch.h"

#include "active.h"
#include "items.h"

#define DEFAULT_WINDOW	256		/* items with a state at a time, when nothing limits them */
#define WAITING_WINDOW	32		/* the same when each may wait, as for a run of its own */
#define MAX_WINDOW		1024

static bool
has_bit(const uint32 *bits, int32 item)
{
	return (bits[item / 32] & ((uint32) 1 << (item % 32))) != 0;
}

static void
set_bit(uint32 *bits, int32 item)
{
	bits[item / 32] |= (uint32) 1 << (item % 32);
}

static int32
window_of(const JoShapeStep *shape, int32 n)
{
	int32		window = shape->max_parallel;

	if (window == 0)
		window = shape->may_wait ? WAITING_WINDOW : DEFAULT_WINDOW;
	return Min(Min(window, n), MAX_WINDOW);
}

/* From the shared area, or for a run that is only looked at from local memory; NULL: exhausted. */
static JoItems *
allocate(const JoActiveRun *run, Size size)
{
	dsa_pointer self;
	JoItems    *items;

	if (!OidIsValid(run->dboid))
	{
		items = palloc0(size);
		items->self = InvalidDsaPointer;
		return items;
	}
	self = dsa_allocate_extended(jo_shmem_area(), size, DSA_ALLOC_NO_OOM | DSA_ALLOC_ZERO);
	if (!DsaPointerIsValid(self))
		return NULL;
	items = dsa_get_address(jo_shmem_area(), self);
	items->self = self;
	return items;
}

void
jo_items_open(JoActiveRun *run, JoStepState *each, int32 n)
{
	int32		window = window_of(&run->shape->steps[each->step], n);
	Size		states = MAXALIGN(offsetof(JoItems, states) + sizeof(JoStepState) * window);
	int			nwords = n / 32 + 1;
	JoItems    *items = allocate(run, states + sizeof(uint32) * 2 * nwords);

	Assert(n > 0 && each->items == NULL);
	if (items == NULL)
	{
		run->reload = run->out_of_memory = true;
		return;
	}
	items->n = items->unresolved = n;
	items->window = window;
	items->done = (uint32 *) ((char *) items + states);
	items->tried = items->done + nwords;
	for (int32 i = window - 1; i >= 0; i--)
	{
		items->states[i].status = JO_STEP_COMPLETED;
		items->states[i].next = items->free;
		items->free = &items->states[i];
	}
	each->items = items;
}

static JoStepState *
take_state(JoActiveRun *run, JoStepState *each, int32 item)
{
	JoItems    *items = each->items;
	JoStepState *state = items->free;

	if (state == NULL)
		return NULL;
	items->free = state->next;
	jo_active_init_state(run, state, each->step, item);
	if (has_bit(items->tried, item))
		state->attempt = items->attempts;
	return state;
}

void
jo_items_note_attempt(JoActiveRun *run, int32 step, int32 item, int32 attempt)
{
	JoItems    *items = step < run->shape->nsteps ? run->steps[step].items : NULL;

	if (items == NULL || item >= items->n)
		return;
	set_bit(items->tried, item);
	items->attempts = Max(items->attempts, attempt);
}

JoStepState *
jo_items_find(JoItems *items, int32 item)
{
	for (int32 i = 0; i < items->window; i++)
		if (items->states[i].item == item && !JO_STEP_IS_FINAL(items->states[i].status))
			return &items->states[i];
	return NULL;
}

JoStepState *
jo_items_state(JoActiveRun *run, JoStepState *each, int32 item)
{
	JoItems    *items = each->items;
	JoStepState *state;

	if (items == NULL || item < 0 || item >= items->n || has_bit(items->done, item))
		return NULL;
	state = jo_items_find(items, item);
	if (state == NULL)
	{
		items->restored = true;
		state = take_state(run, each, item);
		if (state != NULL)
			jo_active_ready(run, state);
	}
	return state;
}

/*
 * next moves over items that are final or have a state: those were final before
 * the run was loaded, or got their state from a row of theirs.
 */
static void
refill(JoActiveRun *run, JoStepState *each)
{
	JoItems    *items = each->items;

	while (!items->stopped && items->next < items->n && items->free != NULL)
	{
		int32		item = items->next++;

		if (has_bit(items->done, item) || (items->restored && jo_items_find(items, item) != NULL))
			continue;
		jo_active_ready(run, take_state(run, each, item));
	}
}

void
jo_items_refill(JoActiveRun *run)
{
	for (int i = 0; i < run->shape->nsteps; i++)
		if (run->steps[i].items != NULL && run->shape->steps[i].phase == run->phase)
			refill(run, &run->steps[i]);
}

/* What EACH became, once no item is left that is to be executed. */
static char
judge(const JoShapeStep *shape, const JoItems *items)
{
	if (items->nfailed > 0 &&
		!(shape->go_on && (shape->max_failed < 0 || items->nfailed <= shape->max_failed)))
		return JO_STEP_FAILED;
	return items->stop_status != 0 ? items->stop_status : JO_STEP_COMPLETED;
}

/* Items that have a state and are not final. */
static int
count_open(const JoItems *items)
{
	int			n = 0;

	for (int32 i = 0; i < items->window; i++)
		n += !JO_STEP_IS_FINAL(items->states[i].status);
	return n;
}

static void
give_back(JoItems *items, JoStepState *state)
{
	state->status = JO_STEP_COMPLETED;
	state->next = items->free;
	items->free = state;
}

char
jo_items_resolve(JoActiveRun *run, JoStepState *state, char status)
{
	const JoShapeStep *shape = &run->shape->steps[state->step];
	JoItems    *items = run->steps[state->step].items;

	Assert(JO_STEP_IS_FINAL(status) && !has_bit(items->done, state->item));
	set_bit(items->done, state->item);
	items->unresolved--;
	jo_active_leave(run, state);
	give_back(items, state);
	items->nfailed += status == JO_STEP_FAILED;
	if (!items->stopped && judge(shape, items) == JO_STEP_FAILED)
	{
		items->stopped = true;
		items->stop_status = JO_STEP_FAILED;
		run->to_trim = true;
	}
	if (items->unresolved == 0 || (items->stopped && count_open(items) == 0))
		return judge(shape, items);
	return 0;
}

bool
jo_items_stop(JoActiveRun *run, JoStepState *each, char status)
{
	JoItems    *items = each->items;
	int			open = 0;

	items->stopped = true;
	if (items->stop_status == 0)
		items->stop_status = status;
	for (int32 i = 0; i < items->window; i++)
	{
		JoStepState *state = &items->states[i];

		if (JO_STEP_IS_FINAL(state->status))
			continue;
		if (state->status == JO_STEP_RUNNING)
			open++;
		else
		{
			jo_active_leave(run, state);
			give_back(items, state);
		}
	}
	return open == 0;
}

char
jo_items_stopped_as(const JoActiveRun *run, const JoStepState *each)
{
	return judge(&run->shape->steps[each->step], each->items);
}

void
jo_items_visit(JoActiveRun *run, void (*visit) (JoActiveRun *run, JoStepState *state, void *argument),
			   void *argument)
{
	for (int i = 0; i < run->shape->nsteps; i++)
	{
		JoItems    *items = run->steps[i].items;

		visit(run, &run->steps[i], argument);
		for (int32 k = 0; items != NULL && k < items->window; k++)
			if (!JO_STEP_IS_FINAL(items->states[k].status))
				visit(run, &items->states[k], argument);
	}
}

void
jo_items_free_all(JoActiveRun *run)
{
	for (int i = 0; i < run->shape->nsteps; i++)
	{
		JoItems    *items = run->steps[i].items;

		if (items != NULL && DsaPointerIsValid(items->self))
			dsa_free(jo_shmem_area(), items->self);
		run->steps[i].items = NULL;
	}
}
