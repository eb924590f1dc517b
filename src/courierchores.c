/*
 * courierchores.c
 *		What the courier does that is no step's: moving artifacts to S3, deleting them there.
 *
 * A few at a time, so that steps never wait for them.  Each is begun, and finished, in a
 * transaction of its own; what goes wrong is written to its row, from where it is tried again.
 * Touches rows through artifactmove.c.
 */
#include "joborch.h"

#include "access/xact.h"
#include "artifactmove.h"
#include "courierchores.h"
#include "debugpoint.h"
#include "egressrules.h"
#include "lib/ilist.h"
#include "txn.h"
#include "utils/memutils.h"

#define MAX_CHORES 8
#define PAUSE (5 * (int64) USECS_PER_SEC)	/* when not even the row could be written */

typedef struct Chore
{
	JoErrand	errand;
	int64		artifact_id;
	JoNetTransfer *transfer;	/* NULL: none was opened */
	ErrorData  *failure;		/* it went wrong while bytes moved; NULL: no */
	dlist_node	node;
} Chore;

static dlist_head chores = DLIST_STATIC_INIT(chores);
static int	nchores = 0;
static TimestampTz look_at = 1; /* the first time at once; 0: only when told */

/* ---- one chore ---- */

static Chore *
create_chore(int64 artifact_id)
{
	Chore	   *chore = MemoryContextAllocZero(TopMemoryContext, sizeof(Chore));

	chore->errand.context = AllocSetContextCreate(TopMemoryContext, "joborch chore", ALLOCSET_SMALL_SIZES);
	chore->artifact_id = artifact_id;
	dlist_push_tail(&chores, &chore->node);
	nchores++;
	return chore;
}

static void
free_chore(Chore *chore)
{
	if (chore->transfer != NULL)
		jo_net_close(chore->transfer);
	if (chore->errand.cleanup != NULL)
		chore->errand.cleanup(&chore->errand);
	jo_secret_forget(&chore->errand.secrets);
	MemoryContextDelete(chore->errand.context);
	dlist_delete(&chore->node);
	nchores--;
	pfree(chore);
}

static Chore *
find_chore(const JoNetTransfer *transfer)
{
	dlist_iter	iter;

	dlist_foreach(iter, &chores)
	{
		Chore	   *chore = dlist_container(Chore, node, iter.cur);

		if (chore->transfer == transfer)
			return chore;
	}
	return NULL;
}

static bool
is_under_way(int64 artifact_id)
{
	dlist_iter	iter;

	dlist_foreach(iter, &chores)
	{
		if (dlist_container(Chore, node, iter.cur)->artifact_id == artifact_id)
			return true;
	}
	return false;
}

/* ---- transactions ---- */

static ErrorData *
catch_error(MemoryContext context)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(context);
	return error;
}

/* Not even this could be written: the row stays due, and is looked at again after a pause. */
static void
report(const ErrorData *error)
{
	ereport(LOG,
			(errcode(error->sqlerrcode),
			 errmsg("the courier could not write what became of an artifact: %s", error->message)));
}

static void
note_failure(Chore *chore, const ErrorData *error)
{
	MemoryContext old = CurrentMemoryContext;
	JoEgressRefusal refusal;

	PG_TRY();
	{
		jo_txn_begin();
		if (jo_egress_take_refusal(&refusal))
			jo_egress_record_refusal(&refusal, chore->errand.run_id, chore->errand.step_name,
									 chore->errand.item);
		jo_artifact_move_failed(chore->artifact_id, error);
		jo_txn_commit();
	}
	PG_CATCH();
	{
		report(catch_error(chore->errand.context));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
}

/* True when there is something to send. */
static bool
begin_chore(Chore *chore)
{
	MemoryContext old = CurrentMemoryContext;
	volatile bool begun = false;

	PG_TRY();
	{
		jo_txn_begin();
		begun = jo_artifact_move_begin(&chore->errand, chore->artifact_id);
		if (begun)
			ForceSyncCommit();
		jo_txn_commit();
		JO_DEBUG_POINT("courier-chore-begun");
	}
	PG_CATCH();
	{
		note_failure(chore, catch_error(chore->errand.context));
		begun = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return begun;
}

static void
finish_chore(Chore *chore)
{
	MemoryContext old = CurrentMemoryContext;

	PG_TRY();
	{
		if (chore->failure != NULL)
			ReThrowError(chore->failure);
		jo_txn_begin();
		MemoryContextSwitchTo(chore->errand.context);
		jo_artifact_move_finish(&chore->errand, jo_net_response(chore->transfer));
		JO_DEBUG_POINT("courier-chore-finish");
		jo_txn_commit();
	}
	PG_CATCH();
	{
		note_failure(chore, catch_error(chore->errand.context));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
}

/* What is due, and when the next look is. */
static int
find_due(int64 **ids, TimestampTz now)
{
	MemoryContext old = CurrentMemoryContext;
	volatile int n = 0;

	PG_TRY();
	{
		jo_txn_begin();
		MemoryContextSwitchTo(old);
		n = jo_artifact_moves(ids, MAX_CHORES - nchores);
		look_at = jo_artifact_next_move();
		jo_txn_commit();
	}
	PG_CATCH();
	{
		report(catch_error(old));
		look_at = now + PAUSE;
		n = 0;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return n;
}

/* ---- for the loop ---- */

TimestampTz
jo_chores_begin(JoNetClient *client, bool told, TimestampTz now)
{
	int64	   *ids;
	int			n;
	bool		any = false;

	if (told)
		look_at = now;
	if (look_at == 0 || look_at > now || nchores == MAX_CHORES)
		return nchores == MAX_CHORES ? 0 : look_at;
	n = find_due(&ids, now);
	for (int i = 0; i < n; i++)
	{
		Chore	   *chore;

		if (is_under_way(ids[i]))
			continue;
		chore = create_chore(ids[i]);
		if (begin_chore(chore))
			chore->transfer = jo_net_open(client, &chore->errand.net_request, chore);
		else
			free_chore(chore);
		any = true;
	}
	/* those that began are due later now; if none did, they are not to be asked without end */
	if (look_at != 0 && look_at <= now)
		look_at = any ? now + 1 : now + PAUSE;
	return nchores == MAX_CHORES ? 0 : look_at;
}

bool
jo_chores_feed(JoNetTransfer *transfer)
{
	static char buffer[64 * 1024];
	Chore	   *chore = find_chore(transfer);
	MemoryContext old = CurrentMemoryContext;
	bool		last;

	if (chore == NULL)
		return false;
	PG_TRY();
	{
		size_t		n = chore->errand.give(&chore->errand, buffer, sizeof(buffer), &last);

		jo_net_feed(transfer, buffer, n, last);
	}
	PG_CATCH();
	{
		chore->failure = catch_error(chore->errand.context);
		jo_net_abort(transfer);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
	return true;
}

bool
jo_chores_finish(JoNetTransfer *transfer)
{
	Chore	   *chore = find_chore(transfer);

	if (chore == NULL)
		return false;
	finish_chore(chore);
	free_chore(chore);
	/* there is room for another, and this one may be due again */
	look_at = 1;
	return true;
}

int
jo_chores_open(void)
{
	return nchores;
}
