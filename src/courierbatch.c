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
#include "txn.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#define MAX_PREPARED 1000		/* requests kept in memory while they wait */

typedef void (*Work) (JoCarry *carry);

static dlist_head all_carries = DLIST_STATIC_INIT(all_carries);
static int	ncarries = 0;
static MemoryContext batch_context = NULL;

/* ---- one carry ---- */

void
jo_carry_init(void)
{
	batch_context = AllocSetContextCreate(TopMemoryContext, "joborch courier batch",
										  ALLOCSET_DEFAULT_SIZES);
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

/* True when all did. */
static bool
try_together(JoCarry **carries, int n, Work work, bool flush)
{
	volatile bool done = true;

	PG_TRY();
	{
		begin_transaction();
		for (int i = 0; i < n; i++)
			work(carries[i]);
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
			work(carry);
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

/* It could not even be written that it failed: its run is read anew from what is written. */
static void
give_up(JoCarry *carry, const ErrorData *error)
{
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("could not record step %d of run " INT64_FORMAT ": %s",
					carry->attempt.step, carry->attempt.run_id, error->message)));
	carry->meaning = (JoMeaning) {.outcome = JO_OUTCOME_STALE};
	carry->state = JO_CARRY_OVER;
}

static void
do_one(JoCarry *carry, Work work)
{
	ErrorData  *error = try_alone(carry, work, NULL);

	if (error == NULL)
		return;
	jo_gate_leave(carry);
	error = try_alone(carry, work, error);
	if (error != NULL)
		give_up(carry, error);
}

/* One after the other; false when the transaction itself cannot be committed. */
static bool
try_one_by_one(JoCarry **carries, int n, Work work, bool flush)
{
	volatile bool done = true;

	PG_TRY();
	{
		begin_transaction();
		for (int i = 0; i < n; i++)
			do_one(carries[i], work);
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
	return done;
}

/* ---- memory ---- */

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

/* Which of them wait at a gate, for those who look. */
static void
show_held(JoCarry **carries, int n)
{
	bool		any = false;

	for (int i = 0; i < n; i++)
		any |= carries[i]->state == JO_CARRY_HELD || carries[i]->held_before;
	if (!any)
		return;
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	for (int i = 0; i < n; i++)
		carries[i]->task.state->held = carries[i]->state != JO_CARRY_HELD ? 0 :
			carries[i]->gate != NULL ? JO_HELD_HOST : JO_HELD_RULE;
	LWLockRelease(jo_shared->lock);
}

/* ---- batches ---- */

int
jo_carry_begin_all(JoCarry **carries, int n)
{
	int			left;
	int			nopen = 0;

	MemoryContextReset(batch_context);
	MemoryContextSwitchTo(batch_context);
	LWLockAcquire(jo_shared->lock, LW_SHARED);
	for (int i = 0; i < n; i++)
		jo_books_attempt(&carries[i]->task, &carries[i]->attempt);
	LWLockRelease(jo_shared->lock);
	if (!try_together(carries, n, jo_carry_begin, true))
	{
		for (int i = 0; i < n; i++)
			jo_carry_unbegin(carries[i]);
		if (!try_one_by_one(carries, n, jo_carry_begin, true))
		{
			/* nothing is written and nothing was sent */
			for (int i = 0; i < n; i++)
			{
				jo_carry_unbegin(carries[i]);
				carries[i]->meaning.outcome = JO_OUTCOME_RERUN;
				carries[i]->state = JO_CARRY_OVER;
			}
		}
	}
	JO_DEBUG_POINT("courier-begun");
	left = tell(carries, n);
	show_held(carries, left);
	for (int i = 0; i < left; i++)
	{
		if (carries[i]->state == JO_CARRY_HELD)
		{
			jo_gate_hold(carries[i]);
			if (jo_gate_held() > MAX_PREPARED)
				jo_carry_unprepare(carries[i]);
		}
		else
			carries[nopen++] = carries[i];
	}
	return nopen;
}

bool
jo_carry_end_all(JoCarry **carries, int n)
{
	bool		done;

	MemoryContextReset(batch_context);
	MemoryContextSwitchTo(batch_context);
	done = try_together(carries, n, jo_carry_end, false);
	if (!done)
	{
		for (int i = 0; i < n; i++)
			carries[i]->state = JO_CARRY_DONE;
		done = try_one_by_one(carries, n, jo_carry_end, false);
	}
	if (!done)
	{
		for (int i = 0; i < n; i++)
			carries[i]->state = JO_CARRY_DONE;
		return false;
	}
	JO_DEBUG_POINT("courier-after-commit");
	(void) tell(carries, n);
	return true;
}

/* ---- what is to be broken off ---- */

void
jo_carry_look_for_cut(void (*break_off) (JoCarry *carry))
{
	dlist_mutable_iter iter;
	int			n = 0;
	JoCarry   **found = palloc(sizeof(JoCarry *) * Max(ncarries, 1));

	LWLockAcquire(jo_shared->lock, LW_SHARED);
	dlist_foreach_modify(iter, &all_carries)
	{
		JoCarry    *carry = dlist_container(JoCarry, all, iter.cur);

		if (!carry->task.state->cut || carry->cut || carry->state == JO_CARRY_OVER)
			continue;
		carry->cut = true;
		carry->timed_out = carry->task.run->timed_out;
		found[n++] = carry;
	}
	LWLockRelease(jo_shared->lock);
	for (int i = 0; i < n; i++)
		break_off(found[i]);
	pfree(found);
}
