/*
 * offers.c
 *		Work that is offered to programs outside: what a transaction tells at its end, and
 *		from where on offers are to be read.
 *
 * Rows of offer come and go; whoever looks for the first one would walk over all that are
 * gone while somebody's old snapshot keeps them.  So it is remembered here, for each group
 * and priority, before which time nothing is offered any more.  An offer that becomes
 * visible behind that place moves it back at its commit: nobody ever misses one.  All of
 * it is under event_lock and is made anew after a crash.
 */
#include "joborch.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "clock.h"
#include "common/hashfn.h"
#include "events.h"
#include "miscadmin.h"
#include "offers.h"
#include "utils/memutils.h"

#define READING_TAKES (5 * USECS_PER_SEC)	/* then its reader is taken for dead */

typedef struct Note
{
	bool		taken;			/* else offered */
	SubTransactionId subid;
	int64		group_id;
	int			ord;
	TimestampTz offered_at;
	char		queue[JO_QUEUE_NAME_SIZE];
} Note;

static Note *notes = NULL;
static int	nnotes = 0;
static int	capacity = 0;

uint32
jo_offers_queue_hash(const char *queue)
{
	return hash_bytes((const unsigned char *) queue, (int) strlen(queue));
}

/* ---- places ---- */

/* NULL: not known.  Caller holds event_lock. */
static JoWorkGroup *
find_group(Oid dboid, int64 group_id)
{
	for (int i = 0; i < JO_MAX_WORK_GROUPS; i++)
	{
		JoWorkGroup *group = &jo_shared->work_groups[i];

		if (group->dboid == dboid && group->group_id == group_id)
			return group;
	}
	return NULL;
}

/* In the place of the one that was used least. */
static JoWorkGroup *
enter_group(Oid dboid, int64 group_id)
{
	JoWorkGroup *oldest = &jo_shared->work_groups[0];

	for (int i = 0; i < JO_MAX_WORK_GROUPS; i++)
	{
		JoWorkGroup *group = &jo_shared->work_groups[i];

		if (group->dboid == InvalidOid)
		{
			oldest = group;
			break;
		}
		if (group->last_use < oldest->last_use)
			oldest = group;
	}
	MemSet(oldest, 0, sizeof(JoWorkGroup));
	oldest->dboid = dboid;
	oldest->group_id = group_id;
	return oldest;
}

void
jo_offers_begin_reading(JoOfferReading *reading, int64 group_id)
{
	TimestampTz now = jo_clock_now();
	JoWorkGroup *group;

	reading->group_id = group_id;
	reading->number = 0;
	reading->begun_at = now;
	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	group = find_group(MyDatabaseId, group_id);
	if (group == NULL)
		group = enter_group(MyDatabaseId, group_id);
	group->last_use = now;
	for (int ord = 0; ord < JO_PRIORITIES; ord++)
		reading->low[ord] = group->low[ord] != 0 ? group->low[ord] : DT_NOBEGIN;
	if (group->reading_since == 0 || now - group->reading_since > READING_TAKES ||
		now < group->reading_since)
	{
		group->reading_since = now;
		/* 0 is none */
		if (++group->reading == 0)
			group->reading++;
		reading->number = group->reading;
		for (int ord = 0; ord < JO_PRIORITIES; ord++)
			group->late[ord] = DT_NOEND;
	}
	LWLockRelease(jo_shared->event_lock);
}

void
jo_offers_end_reading(const JoOfferReading *reading, const TimestampTz *low)
{
	JoWorkGroup *group;

	if (reading->number == 0)
		return;
	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	group = find_group(MyDatabaseId, reading->group_id);
	if (group != NULL && group->reading_since != 0 && group->reading == reading->number)
	{
		group->reading_since = 0;
		for (int ord = 0; ord < JO_PRIORITIES; ord++)
		{
			if (low[ord] != 0)
				group->low[ord] = Max(group->low[ord], Min(low[ord], group->late[ord]));
		}
	}
	LWLockRelease(jo_shared->event_lock);
}

void
jo_offers_forget(Oid dboid)
{
	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	for (int i = 0; i < JO_MAX_WORK_GROUPS; i++)
		if (jo_shared->work_groups[i].dboid == dboid)
			MemSet(&jo_shared->work_groups[i], 0, sizeof(JoWorkGroup));
	for (int i = 0; i < JO_MAX_WORK_NEWS; i++)
		if (jo_shared->work_news[i].dboid == dboid)
			MemSet(&jo_shared->work_news[i], 0, sizeof(JoWorkNews));
	LWLockRelease(jo_shared->event_lock);
}

/* ---- what is told ---- */

/* Something of this age can be seen now. */
static void
move_back(int64 group_id, int ord, TimestampTz offered_at)
{
	JoWorkGroup *group = find_group(MyDatabaseId, group_id);

	if (group == NULL)
		return;
	if (group->low[ord] != 0)
		group->low[ord] = Min(group->low[ord], offered_at);
	group->late[ord] = Min(group->late[ord], offered_at);
}

/* An entry for this queue; else a free one; else the one that stands for all others. */
static JoWorkNews *
find_news(const char *queue)
{
	JoWorkNews *unused = NULL;
	JoWorkNews *others = &jo_shared->work_news[0];

	for (int i = 1; i < JO_MAX_WORK_NEWS; i++)
	{
		JoWorkNews *news = &jo_shared->work_news[i];

		if (news->dboid == InvalidOid)
			unused = unused != NULL ? unused : news;
		else if (news->dboid == MyDatabaseId && strcmp(news->queue, queue) == 0)
			return news;
	}
	if (unused != NULL)
		strlcpy(unused->queue, queue, JO_QUEUE_NAME_SIZE);
	return unused != NULL ? unused : others;
}

/* The entry for others is one for the cluster: a database that has no room says nothing then. */
static Latch *
add_news(JoDatabase *database, const char *queue)
{
	JoWorkNews *news;

	if (database == NULL || !jo_events_listened(MyDatabaseId, JO_WAITS_FOR_WORK))
		return NULL;
	news = find_news(queue);
	if (news->dboid != InvalidOid && news->dboid != MyDatabaseId)
		return NULL;
	news->dboid = MyDatabaseId;
	news->taken = false;
	news->lsn = Max(news->lsn, XactLastCommitEnd);
	return jo_events_call_publisher(database);
}

bool
jo_offers_have_news(Oid dboid)
{
	for (int i = 0; i < JO_MAX_WORK_NEWS; i++)
		if (jo_shared->work_news[i].dboid == dboid)
			return true;
	return false;
}

int
jo_offers_take_news(Oid dboid, char (*queues)[JO_QUEUE_NAME_SIZE], int max, XLogRecPtr *lsn)
{
	int			n = 0;

	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	for (int i = 0; i < JO_MAX_WORK_NEWS && n < max; i++)
	{
		JoWorkNews *news = &jo_shared->work_news[i];

		if (news->dboid != dboid)
			continue;
		news->taken = true;
		*lsn = Max(*lsn, news->lsn);
		memcpy(queues[n++], news->queue, JO_QUEUE_NAME_SIZE);
	}
	LWLockRelease(jo_shared->event_lock);
	return n;
}

void
jo_offers_told(Oid dboid)
{
	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	for (int i = 0; i < JO_MAX_WORK_NEWS; i++)
	{
		JoWorkNews *news = &jo_shared->work_news[i];

		/* one with something newer is told once more */
		if (news->dboid == dboid && news->taken)
			MemSet(news, 0, sizeof(JoWorkNews));
	}
	LWLockRelease(jo_shared->event_lock);
}

/* ---- notes of a transaction ---- */

/* Nothing here may fail or allocate. */
static void
tell_offered(void)
{
	JoDatabase *database;
	Latch	   *wake = NULL;

	LWLockAcquire(jo_shared->lock, LW_SHARED);
	database = jo_shmem_database(MyDatabaseId);
	LWLockAcquire(jo_shared->event_lock, LW_EXCLUSIVE);
	for (int i = 0; i < nnotes; i++)
	{
		const Note *note = &notes[i];
		Latch	   *called;

		if (note->taken)
			continue;
		move_back(note->group_id, note->ord, note->offered_at);
		called = add_news(database, note->queue);
		wake = called != NULL ? called : wake;
	}
	LWLockRelease(jo_shared->event_lock);
	LWLockRelease(jo_shared->lock);
	jo_shmem_wake(wake);
}

/* Wakes once for each note of the kind, of one sub-transaction or of all. */
static void
wake_claimers(bool taken, SubTransactionId subid)
{
	for (int i = 0; i < nnotes; i++)
	{
		if (notes[i].taken == taken && (subid == InvalidSubTransactionId || notes[i].subid == subid))
			jo_events_work_offered(MyDatabaseId, jo_offers_queue_hash(notes[i].queue));
	}
}

static bool
has_offered(void)
{
	for (int i = 0; i < nnotes; i++)
		if (!notes[i].taken)
			return true;
	return false;
}

static void
at_transaction_event(XactEvent event, void *argument)
{
	(void) argument;
	if (nnotes == 0)
		return;
	switch (event)
	{
		case XACT_EVENT_COMMIT:
			if (has_offered())
			{
				tell_offered();
				wake_claimers(false, InvalidSubTransactionId);
			}
			break;
		case XACT_EVENT_ABORT:
			wake_claimers(true, InvalidSubTransactionId);
			break;
		case XACT_EVENT_PRE_PREPARE:
			/* nobody would be told when it becomes visible */
			if (has_offered())
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has given back a claimed step"),
						 errhint("Give it back in a transaction of its own.")));
			return;
		case XACT_EVENT_PREPARE:
			break;
		default:
			return;
	}
	nnotes = 0;
}

static void
at_subtransaction_event(SubXactEvent event, SubTransactionId subid,
						SubTransactionId parent, void *argument)
{
	int			kept = 0;

	(void) argument;
	if (nnotes == 0 || (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB))
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		wake_claimers(true, subid);
	for (int i = 0; i < nnotes; i++)
	{
		if (notes[i].subid == subid && event == SUBXACT_EVENT_ABORT_SUB)
			continue;
		notes[kept] = notes[i];
		if (notes[kept].subid == subid)
			notes[kept].subid = parent;
		kept++;
	}
	nnotes = kept;
}

static Note *
add_note(const char *queue)
{
	static bool registered = false;
	Note	   *note;

	if (!registered)
	{
		RegisterXactCallback(at_transaction_event, NULL);
		RegisterSubXactCallback(at_subtransaction_event, NULL);
		registered = true;
	}
	if (nnotes == capacity)
	{
		int			wanted = capacity ? capacity * 2 : 4;

		if (notes == NULL)
			notes = MemoryContextAlloc(TopMemoryContext, wanted * sizeof(Note));
		else
			notes = repalloc_huge(notes, wanted * sizeof(Note));
		capacity = wanted;
	}
	note = &notes[nnotes];
	MemSet(note, 0, sizeof(Note));
	note->subid = GetCurrentSubTransactionId();
	strlcpy(note->queue, queue, JO_QUEUE_NAME_SIZE);
	nnotes++;
	return note;
}

void
jo_offers_note(const char *queue, int64 group_id, int ord, TimestampTz offered_at)
{
	Note	   *note = add_note(queue);

	note->group_id = group_id;
	note->ord = ord;
	note->offered_at = offered_at;
}

void
jo_offers_note_taken(const char *queue)
{
	add_note(queue)->taken = true;
}
