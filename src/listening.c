/*
 * listening.c
 *		Which channels of joborch this session listens to.
 *
 * Nothing is posted while nobody listens, so the engine must know.  The server
 * keeps its list of channels to itself; this one follows the statements.  It may
 * count a session too many (a LISTEN in a sub-transaction that rolled back), never
 * one too few: LISTEN counts before it takes effect, UNLISTEN after its commit.
 */
#include "joborch.h"

#include "access/xact.h"
#include "events.h"
#include "listening.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/ipc.h"
#include "utils/memutils.h"

#define CHANNEL_OF_ALL "joborch"
#define CHANNEL_OF_RUN "joborch_run_"
#define CHANNEL_OF_WORK "joborch_work"

typedef struct Channel
{
	int64		run_id;			/* 0: all runs; JO_WAITS_FOR_WORK: the channel of work */
	bool		new;			/* since this transaction */
	bool		ends;			/* with this transaction */
} Channel;

static List *channels = NIL;	/* of Channel, in TopMemoryContext */

static void
count(const Channel *channel, int by)
{
	jo_events_count_listener(MyDatabaseId, channel->run_id, by);
}

/* After a commit nothing may fail, so nothing is allocated here. */
static void
settle_at_end(XactEvent event, void *argument)
{
	bool		committed = event == XACT_EVENT_COMMIT;
	ListCell   *cell;

	(void) argument;
	if (!committed && event != XACT_EVENT_ABORT)
		return;
	foreach(cell, channels)
	{
		Channel    *channel = lfirst(cell);

		if (committed ? channel->ends : channel->new)
		{
			count(channel, -1);
			channels = foreach_delete_current(channels, cell);
			pfree(channel);
		}
		else
			channel->new = channel->ends = false;
	}
}

/* Whatever it undid, who listened before goes on. */
static void
keep_after_rollback_to(SubXactEvent event, SubTransactionId subid,
					   SubTransactionId parent, void *argument)
{
	ListCell   *cell;

	(void) subid;
	(void) parent;
	(void) argument;
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	foreach(cell, channels)
		((Channel *) lfirst(cell))->ends = false;
}

static void
leave_at_exit(int code, Datum argument)
{
	ListCell   *cell;

	(void) code;
	(void) argument;
	foreach(cell, channels)
		count(lfirst(cell), -1);
	channels = NIL;
}

static void
register_callbacks(void)
{
	static bool registered = false;

	if (registered)
		return;
	RegisterXactCallback(settle_at_end, NULL);
	RegisterSubXactCallback(keep_after_rollback_to, NULL);
	before_shmem_exit(leave_at_exit, (Datum) 0);
	registered = true;
}

/* False: not a channel of joborch. */
static bool
parse_channel(const char *name, int64 *run_id)
{
	const size_t prefix = strlen(CHANNEL_OF_RUN);
	char	   *end;

	*run_id = 0;
	if (strcmp(name, CHANNEL_OF_ALL) == 0)
		return true;
	if (strcmp(name, CHANNEL_OF_WORK) == 0)
	{
		*run_id = JO_WAITS_FOR_WORK;
		return true;
	}
	if (strncmp(name, CHANNEL_OF_RUN, prefix) != 0)
		return false;
	*run_id = strtoi64(name + prefix, &end, 10);
	return *run_id > 0 && *end == '\0';
}

static Channel *
find_channel(int64 run_id)
{
	ListCell   *cell;

	foreach(cell, channels)
	{
		if (((Channel *) lfirst(cell))->run_id == run_id)
			return lfirst(cell);
	}
	return NULL;
}

void
jo_listening_add(const char *name)
{
	int64		run_id;
	Channel    *channel;
	MemoryContext old;

	if (!parse_channel(name, &run_id))
		return;
	register_callbacks();
	channel = find_channel(run_id);
	if (channel != NULL)
	{
		channel->ends = false;
		return;
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	channel = palloc(sizeof(Channel));
	channel->run_id = run_id;
	channel->new = true;
	channel->ends = false;
	channels = lappend(channels, channel);
	MemoryContextSwitchTo(old);
	count(channel, 1);
}

void
jo_listening_remove(const char *name)
{
	int64		run_id = 0;
	ListCell   *cell;

	if (name != NULL && !parse_channel(name, &run_id))
		return;
	foreach(cell, channels)
	{
		Channel    *channel = lfirst(cell);

		if (name == NULL || channel->run_id == run_id)
			channel->ends = true;
	}
}
