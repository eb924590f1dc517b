/*
 * courierbatch.c
 *		One transaction for many network steps.
 *
 * At first all are tried together, without sub-transactions; if one raises, the
 * transaction is tried again with one for each, so that only the guilty ones fail.  What
 * was written is told to memory after the commit, exactly as an executor's outcome is.
 */
#include "joborch.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "clock.h"
#include "courier.h"
#include "debugpoint.h"
#include "miscadmin.h"
#include "outcome.h"
#include "storage/latch.h"
#include "txn.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#define MAX_UNWRITTEN 300		/* times, one a second, that what came is tried to be written */
#define MAX_PREPARED 1000		/* requests kept in memory while they wait */
#define MAX_MEMORY ((Size) 256 * 1024 * 1024)	/* of requests in hand */

typedef void (*Work) (JoCarry *carry);

static dlist_head all_carries = DLIST_STATIC_INIT(all_carries);
static int	ncarries = 0;
static MemoryContext batch_context = NULL;
static MemoryContext work_context = NULL;	/* of one of the batch */
static Size memory_used = 0;	/* JoCarry.memory of all */
static dlist_head put_aside = DLIST_STATIC_INIT(put_aside); /* until there is memory; JoCarry.node */

/* ---- one carry ---- */

void
jo_carry_init(void)
{
	batch_context = AllocSetContextCreate(TopMemoryContext, "joborch courier batch",
										  ALLOCSET_DEFAULT_SIZES);
	work_context = AllocSetContextCreate(TopMemoryContext, "joborch courier step",
										 ALLOCSET_DEFAULT_SIZES);
}

/* ---- memory of requests ---- */

static void
count_memory(JoCarry *carry, Size memory)
{
	memory_used += memory - carry->memory;
	carry->memory = memory;
}

static void
look_at_memory(JoCarry *carry)
{
	count_memory(carry, MemoryContextMemAllocated(carry->errand.context, true));
}

bool
jo_carry_is_full(void)
{
	return memory_used > MAX_MEMORY;
}

int
jo_carry_take_aside(JoCarry **carries, int max)
{
	int			n = 0;

	while (n < max && !dlist_is_empty(&put_aside))
		carries[n++] = dlist_container(JoCarry, node, dlist_pop_head_node(&put_aside));
	return n;
}

JoCarry *
jo_carry_create(const JoTask *task)
{
	JoCarry    *carry = MemoryContextAllocZero(TopMemoryContext, sizeof(JoCarry));

	carry->errand.context = AllocSetContextCreate(TopMemoryContext, "joborch errand", ALLOCSET_SMALL_SIZES);
	carry->state = JO_CARRY_NEW;
	carry->task = *task;
	dlist_push_tail(&all_carries, &carry->all);
	ncarries++;
	return carry;
}

static void
free_carry(JoCarry *carry)
{
	jo_gate_leave(carry);
	if (carry->transfer != NULL)
		jo_net_close(carry->transfer);
	if (carry->errand.cleanup != NULL)
		carry->errand.cleanup(&carry->errand);
	jo_secret_forget(&carry->errand.secrets);
	count_memory(carry, 0);
	MemoryContextDelete(carry->errand.context);
	dlist_delete(&carry->all);
	ncarries--;
	pfree(carry);
}

int
jo_carry_count(void)
{
	return ncarries;
}

/* ---- transactions ---- */

static ErrorData *
catch_error(MemoryContext context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	return error;
}

static void
begin_transaction(void)
{
	jo_txn_begin();
	MemoryContextSwitchTo(batch_context);
}

static void
commit(bool flush)
{
	if (flush)
		ForceSyncCommit();
	jo_txn_commit();
}

/* What a step's documents take goes with it: there may be large ones in each of the batch. */
static void
do_work(JoCarry *carry, Work work)
{
	MemoryContextReset(work_context);
	MemoryContextSwitchTo(work_context);
	work(carry);
	MemoryContextSwitchTo(batch_context);
	if (work == jo_carry_begin)
		look_at_memory(carry);
}

/* No more of them is to begin; there is one at least. */
static bool
is_enough(Work work)
{
	return work == jo_carry_begin && jo_carry_is_full();
}

/* True when all did, of which *n are left when there is no memory for more. */
static bool
try_together(JoCarry **carries, int *n, Work work, bool flush)
{
	volatile bool done = true;
	volatile int tried = 0;

	PG_TRY();
	{
		begin_transaction();
		while (tried < *n)
		{
			do_work(carries[tried++], work);
			if (is_enough(work))
				break;
		}
		JO_DEBUG_POINT("courier-before-commit");
		commit(flush);
	}
	PG_CATCH();
	{
		(void) catch_error(batch_context);
		AbortOutOfAnyTransaction();
		done = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(batch_context);
	*n = tried;
	return done;
}

/* In a sub-transaction; what it raised, NULL: nothing. */
static ErrorData *
try_alone(JoCarry *carry, Work work, ErrorData *failure)
{
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(batch_context);
	PG_TRY();
	{
		if (failure != NULL)
			jo_carry_fail(carry, failure);
		else
			do_work(carry, work);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		error = catch_error(batch_context);
		RollbackAndReleaseCurrentSubTransaction();
		(void) jo_stepwrite_take_meaning();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(batch_context);
	CurrentResourceOwner = owner;
	return error;
}

static void
report_unwritten(const JoCarry *carry, const ErrorData *error)
{
	static TimestampTz reported_at = 0;

	if (!jo_clock_may_log(&reported_at, jo_clock_now()))
		return;
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("could not record step %d of run " INT64_FORMAT ": %s",
					carry->attempt.step, carry->attempt.run_id, error->message),
			 errhint("It is tried again until it can be written.")));
}

/* No room, no memory, no disk: that passes. */
static bool
is_passing(const ErrorData *error)
{
	int			class = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return class == ERRCODE_INSUFFICIENT_RESOURCES || class == ERRCODE_SYSTEM_ERROR;
}

/*
 * Its rows could not be written, which is nothing that the step did.  What has not begun is
 * given back; what came is kept, since to send anew would be the worse choice.
 */
static void
keep_unwritten(JoCarry *carry, Work work, const ErrorData *error)
{
	report_unwritten(carry, error);
	if (work == jo_carry_begin)
	{
		carry->meaning = (JoMeaning) {.outcome = JO_OUTCOME_RERUN};
		carry->state = JO_CARRY_OVER;
	}
	else if (is_passing(error) || carry->unwritten++ < MAX_UNWRITTEN)
		carry->state = JO_CARRY_DONE;
	else
	{
		/* its run is read anew from what is written */
		carry->meaning = (JoMeaning) {.outcome = JO_OUTCOME_STALE};
		carry->state = JO_CARRY_OVER;
	}
}

/* False: it could not be written, and probably no others can. */
static bool
do_one(JoCarry *carry, Work work)
{
	ErrorData  *error = try_alone(carry, work, NULL);

	if (error == NULL)
		return true;
	jo_gate_leave(carry);
	if (!carry->writing || jo_carry_is_stale(error))
		error = try_alone(carry, work, error);
	if (error == NULL)
		return true;
	keep_unwritten(carry, work, error);
	return work == jo_carry_end && !is_passing(error);
}

/* One after the other; false when the transaction itself cannot be committed.  *disturbed: the disk is full, say. */
static bool
try_one_by_one(JoCarry **carries, int *n, Work work, bool flush, bool *disturbed)
{
	volatile bool done = true;
	volatile int tried = 0;

	PG_TRY();
	{
		begin_transaction();
		while (tried < *n)
		{
			*disturbed |= !do_one(carries[tried++], work);
			if (is_enough(work))
				break;
		}
		commit(flush);
	}
	PG_CATCH();
	{
		ErrorData  *error = catch_error(batch_context);

		AbortOutOfAnyTransaction();
		ereport(LOG,
				(errcode(error->sqlerrcode),
				 errmsg("the courier could not commit: %s", error->message),
				 error->detail ? errdetail("%s", error->detail) : 0));
		done = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(batch_context);
	*n = tried;
	return done;
}

/* ---- shared memory ---- */

/* Those that are over are told and freed; returns how many are left, in front. */
static int
tell(JoCarry **carries, int n)
{
	JoWakeList	wakes = {0};
	int			left = 0;
	int			nover = 0;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		JoCarry    *carry = carries[i];

		if (carry->state != JO_CARRY_OVER)
			continue;
		jo_stepwrite_settle(&carry->task, &carry->meaning);
		carry->task.commit_lsn = XactLastCommitEnd;
		(void) jo_outcome_apply(jo_courier_database, &carry->task, NULL, &wakes);
		nover++;
	}
	LWLockRelease(jo_shared->lock);
	jo_wake_all(&wakes);
	for (int i = 0; i < n; i++)
	{
		if (carries[i]->state == JO_CARRY_OVER)
			free_carry(carries[i]);
		else
			carries[left++] = carries[i];
	}
	Assert(left == n - nover);
	return left;
}

/* Which of them wait at a gate, for those who look, and for those who want them back. */
static void
show_held(JoCarry **carries, int n)
{
	bool		any = false;
	bool		recalled = false;

	for (int i = 0; i < n; i++)
		any |= carries[i]->state == JO_CARRY_HELD || carries[i]->held_before;
	if (!any)
		return;
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
	{
		JoStepState *state = carries[i]->task.state;

		state->held = carries[i]->state != JO_CARRY_HELD ? 0 :
			carries[i]->gate != NULL ? JO_HELD_HOST : JO_HELD_RULE;
		recalled |= state->held != 0 && state->cut == JO_CUT_BACK;
	}
	jo_courier_database->courier_cut |= recalled;
	LWLockRelease(jo_shared->lock);
	if (recalled)
		SetLatch(MyLatch);
}

/* ---- batches ---- */

/* Those behind the first n, as if they had not been looked at. */
static void
set_aside(JoCarry **carries, int n, int all)
{
	for (int i = n; i < all; i++)
	{
		jo_carry_unbegin(carries[i]);
		look_at_memory(carries[i]);
		dlist_push_tail(&put_aside, &carries[i]->node);
	}
}

/* One that waits keeps its request, unless these are too many. */
static void
hold(JoCarry *carry)
{
	jo_gate_hold(carry);
	if (jo_gate_held() <= MAX_PREPARED && !jo_carry_is_full())
		return;
	jo_carry_unprepare(carry);
	look_at_memory(carry);
}

int
jo_carry_begin_all(JoCarry **carries, int n, bool *disturbed)
{
	int			all = n;
	int			left;
	int			nopen = 0;

	MemoryContextReset(batch_context);
	MemoryContextSwitchTo(batch_context);
	LWLockAcquire(jo_shared->lock, LW_SHARED);
	for (int i = 0; i < n; i++)
		jo_books_attempt(&carries[i]->task, &carries[i]->attempt);
	LWLockRelease(jo_shared->lock);
	if (!try_together(carries, &n, jo_carry_begin, true))
	{
		for (int i = 0; i < n; i++)
		{
			jo_carry_unbegin(carries[i]);
			look_at_memory(carries[i]);
		}
		if (!try_one_by_one(carries, &n, jo_carry_begin, true, disturbed))
		{
			/* nothing is written and nothing was sent */
			*disturbed = true;
			for (int i = 0; i < n; i++)
			{
				jo_carry_unbegin(carries[i]);
				carries[i]->meaning.outcome = JO_OUTCOME_RERUN;
				carries[i]->state = JO_CARRY_OVER;
			}
		}
	}
	JO_DEBUG_POINT("courier-begun");
	set_aside(carries, n, all);
	left = tell(carries, n);
	show_held(carries, left);
	for (int i = 0; i < left; i++)
	{
		if (carries[i]->state == JO_CARRY_HELD)
			hold(carries[i]);
		else
			carries[nopen++] = carries[i];
	}
	return nopen;
}

int
jo_carry_end_all(JoCarry **carries, int n, bool *disturbed)
{
	int			tried = n;
	bool		done;

	MemoryContextReset(batch_context);
	MemoryContextSwitchTo(batch_context);
	done = try_together(carries, &tried, jo_carry_end, false);
	if (!done)
	{
		for (int i = 0; i < n; i++)
			carries[i]->state = JO_CARRY_DONE;
		tried = n;
		done = try_one_by_one(carries, &tried, jo_carry_end, false, disturbed);
	}
	if (!done)
	{
		for (int i = 0; i < n; i++)
			carries[i]->state = JO_CARRY_DONE;
		*disturbed = true;
		return n;
	}
	JO_DEBUG_POINT("courier-after-commit");
	return tell(carries, n);
}

/* ---- what is to be broken off, or to be given back ---- */

/* They wait at gates: nothing is written of them, and their runs say what is to become of them. */
static void
give_back(JoCarry **carries, int n)
{
	for (int i = 0; i < n; i++)
	{
		jo_gate_forget(carries[i]);
		carries[i]->meaning.outcome = JO_OUTCOME_RERUN;
		carries[i]->state = JO_CARRY_OVER;
	}
	if (n > 0)
		(void) tell(carries, n);
}

void
jo_carry_look_for_cut(void (*break_off) (JoCarry *carry))
{
	dlist_mutable_iter iter;
	int			n = 0;
	int			nback = 0;
	JoCarry   **found = palloc(sizeof(JoCarry *) * Max(ncarries, 1));
	JoCarry   **back = palloc(sizeof(JoCarry *) * Max(ncarries, 1));

	LWLockAcquire(jo_shared->lock, LW_SHARED);
	dlist_foreach_modify(iter, &all_carries)
	{
		JoCarry    *carry = dlist_container(JoCarry, all, iter.cur);

		if (carry->task.state->cut == JO_CUT_OFF && !carry->cut && carry->state != JO_CARRY_OVER)
		{
			carry->cut = true;
			carry->timed_out = carry->task.run->timed_out;
			found[n++] = carry;
		}
		else if (carry->task.state->cut == JO_CUT_BACK && carry->state == JO_CARRY_HELD)
			back[nback++] = carry;
	}
	LWLockRelease(jo_shared->lock);
	for (int i = 0; i < n; i++)
		break_off(found[i]);
	give_back(back, nback);
	pfree(found);
	pfree(back);
}
