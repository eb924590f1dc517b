/*
 * handout.c
 *		What is ready, per (database, role), and who gets it.
 *
 * Each class has one list per priority.  An executor takes the head of the
 * highest list that has one; every AGEING_TURNS-th time the lowest instead, so
 * that low priority never starves.
 */
#include "joborch.h"

#include "handout.h"
#include "active.h"
#include "clock.h"
#include "items.h"

#define AGEING_TURNS 16

void
jo_wake_add(JoWakeList *wakes, Latch *latch)
{
	if (latch == NULL)
		return;
	if (wakes->n < JO_MAX_WAKES)
		wakes->latches[wakes->n++] = latch;
	else
		SetLatch(latch);
}

void
jo_wake_all(JoWakeList *wakes)
{
	for (int i = 0; i < wakes->n; i++)
		SetLatch(wakes->latches[i]);
	wakes->n = 0;
}

/* ---- classes ---- */

JoClass *
jo_class_find(Oid dboid, Oid role)
{
	static int	last = 0;		/* most calls ask for the same one again */
	JoClass    *class = &jo_shared->classes[last];

	if (class->dboid == dboid && class->role == role)
		return class;
	for (int i = 0; i < JO_MAX_CLASSES; i++)
	{
		class = &jo_shared->classes[i];
		if (class->dboid == dboid && class->role == role)
		{
			last = i;
			return class;
		}
	}
	return NULL;
}

static bool
is_unused(const JoClass *class)
{
	return class->ready == 0 && class->nslots == 0;
}

JoClass *
jo_class_enter(Oid dboid, Oid role)
{
	JoClass    *class = jo_class_find(dboid, role);
	JoClass    *oldest = NULL;

	Assert(LWLockHeldByMeInMode(jo_shared->lock, LW_EXCLUSIVE));
	if (class != NULL)
		return class;
	for (int i = 0; i < JO_MAX_CLASSES; i++)
	{
		class = &jo_shared->classes[i];
		if (!OidIsValid(class->dboid))
		{
			oldest = class;
			break;
		}
		if (is_unused(class) && class->nruns == 0 &&
			(oldest == NULL || class->last_use < oldest->last_use))
			oldest = class;
	}
	if (oldest == NULL)
		return NULL;
	MemSet(oldest, 0, sizeof(JoClass));
	oldest->dboid = dboid;
	oldest->role = role;
	oldest->last_use = jo_clock_now();
	return oldest;
}

void
jo_classes_forget(Oid dboid)
{
	for (int i = 0; i < JO_MAX_CLASSES; i++)
	{
		JoClass    *class = &jo_shared->classes[i];

		if (class->dboid == dboid && is_unused(class) && class->nruns == 0)
			class->dboid = InvalidOid;
	}
}

/* ---- lists ---- */

static int
priority_of(const JoStepState *state)
{
	int8		own = state->run->shape->steps[state->step].priority;

	return own >= 0 ? own : state->run->ord;
}

static void
append(JoClass *class, JoStepState *state)
{
	JoReadyList *list = &class->lists[priority_of(state)];

	state->class = class;
	state->next = NULL;
	state->prev = list->tail;
	if (list->tail != NULL)
		list->tail->next = state;
	else
		list->head = state;
	list->tail = state;
	list->length++;
	class->ready++;
}

static void
unlink_step(JoStepState *state)
{
	JoClass    *class = state->class;
	JoReadyList *list = &class->lists[priority_of(state)];

	Assert(class != NULL && list->length > 0);
	if (state->prev != NULL)
		state->prev->next = state->next;
	else
		list->head = state->next;
	if (state->next != NULL)
		state->next->prev = state->prev;
	else
		list->tail = state->prev;
	state->class = NULL;
	state->next = state->prev = NULL;
	list->length--;
	class->ready--;
}

/* The class a step runs in; NULL when all classes are taken. */
static JoClass *
class_of(JoActiveRun *run, const JoStepState *state)
{
	const JoShapeStep *shape = &run->shape->steps[state->step];
	Oid			run_as = shape->run_as;

	if (shape->network && (state->handed_over || !shape->gated))
		return jo_class_enter(run->dboid, JO_COURIER_ROLE);

	if (OidIsValid(run_as) && run_as != run->owner)
		return jo_class_enter(run->dboid, run_as);
	if (run->class == NULL)
	{
		run->class = jo_class_enter(run->dboid, run->owner);
		if (run->class != NULL)
			run->class->nruns++;
	}
	return run->class;
}

/*
 * Asks the dispatcher for an executor, unless it is looking already; the first of
 * a class must be asked for even so.
 */
static void
ask_dispatcher(JoDatabase *database, const JoClass *class, JoWakeList *wakes)
{
	if (!database->growing || (class->nslots == 0 && class->starving_since == 0))
	{
		database->growing = true;
		jo_wake_add(wakes, database->dispatcher);
	}
}

static void
wake_one(JoDatabase *database, JoClass *class, JoWakeList *wakes)
{
	JoSlot	   *slot = class->idle;

	if (class->role == JO_COURIER_ROLE && database->courier != NULL)
		jo_wake_add(wakes, database->courier);
	else if (slot != NULL)
	{
		class->idle = slot->next_idle;
		slot->next_idle = NULL;
		slot->listed = false;
		jo_wake_add(wakes, slot->latch);
	}
	else
		ask_dispatcher(database, class, wakes);
}

/* Steps of a container that have begun, or may at any time, and are not over. */
static int
count_begun(const JoActiveRun *run, int close, const JoStepState *kept)
{
	int			n = 0;

	for (int i = 0; i < close; i++)
	{
		const JoStepState *state = &run->steps[i];

		if (jo_active_is_inside(run, i, close))
			n += state->status == JO_STEP_RUNNING || state->status == JO_STEP_RETRYING ||
				state->status == JO_STEP_WAITING || state->class != NULL || state == kept;
	}
	return n;
}

/* Must a step wait for others of a container around it? */
static bool
is_held_back(const JoActiveRun *run, const JoStepState *state, const JoStepState *kept)
{
	for (int scope = run->shape->steps[state->step].scope; scope >= 0;
		 scope = run->shape->steps[scope].scope)
	{
		int			limit = run->shape->steps[scope].max_concurrent;

		if (limit > 0 && !state->resumed && state->epoch_attempts == 0 &&
			count_begun(run, scope, kept) >= limit)
			return true;
	}
	return false;
}

bool
jo_handout_holds_back(const JoActiveRun *run, const JoStepState *state)
{
	return run->shape->has_limits && is_held_back(run, state, NULL);
}

/* No list is free, or its container's limit is reached: stays fresh. */
static void
keep_fresh(JoActiveRun *run, JoStepState *state)
{
	run->ready--;
	jo_active_ready(run, state);
}

JoStepState *
jo_handout_publish(JoDatabase *database, JoActiveRun *run, const JoClass *self, JoWakeList *wakes)
{
	JoStepState *kept = NULL;
	JoStepState *state = run->fresh;

	Assert(LWLockHeldByMeInMode(jo_shared->lock, LW_EXCLUSIVE));
	if (run->paused || run->asked)
		return NULL;
	run->fresh = run->fresh_tail = NULL;
	while (state != NULL)
	{
		JoStepState *next = state->next;
		JoClass    *class = class_of(run, state);

		state->next = NULL;
		if (class == NULL)
		{
			keep_fresh(run, state);
			jo_shmem_todo(database, run);
		}
		else if (run->shape->has_limits && is_held_back(run, state, kept))
			keep_fresh(run, state);
		else if (self == class && kept == NULL)
			kept = state;
		else
		{
			append(class, state);
			wake_one(database, class, wakes);
		}
		state = next;
	}
	return kept;
}

JoStepState *
jo_handout_pop(JoClass *class)
{
	JoStepState *state;
	int			pick = -1;

	if (class->ready == 0)
		return NULL;
	class->turn++;
	for (int i = 0; i < JO_PRIORITIES; i++)
	{
		int			p = class->turn % AGEING_TURNS == 0 ? JO_PRIORITIES - 1 - i : i;

		if (class->lists[p].length > 0)
		{
			pick = p;
			break;
		}
	}
	Assert(pick >= 0);
	state = class->lists[pick].head;
	unlink_step(state);
	return state;
}

void
jo_handout_ask_refill(JoDatabase *database, const JoClass *class, JoWakeList *wakes)
{
	if (database->backlog && !database->refill_asked && class->ready < JO_LOW_WATER)
	{
		database->refill_asked = true;
		jo_wake_add(wakes, database->dispatcher);
	}
}

/* One that the courier has may wait there for a host or a rule: it comes back then. */
static void
recall(const JoActiveRun *run, JoStepState *state)
{
	JoDatabase *database = jo_shmem_database(run->dboid);

	if (state->cut != 0 || database == NULL)
		return;
	state->cut = JO_CUT_BACK;
	database->courier_cut = true;
	jo_shmem_wake(database->courier);
}

static void
withdraw_one(JoActiveRun *run, JoStepState *state, void *argument)
{
	(void) argument;
	if (state->status == JO_STEP_RUNNING && state->slot == JO_WITH_COURIER)
		recall(run, state);
	if (state->class == NULL)
		return;
	unlink_step(state);
	run->ready--;
	jo_active_ready(run, state);
}

void
jo_handout_withdraw(JoActiveRun *run)
{
	if (run->shape != NULL && (run->ready > 0 || run->in_flight > 0))
		jo_items_visit(run, withdraw_one, NULL);
}

int
jo_handout_ready(Oid dboid)
{
	int			n = 0;

	for (int i = 0; i < JO_MAX_CLASSES; i++)
		if (jo_shared->classes[i].dboid == dboid)
			n += jo_shared->classes[i].ready;
	return n;
}
