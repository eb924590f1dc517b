/*
 * publisher.c
 *		Makes what happened durable, then tells it to those who listen.
 *
 * One per database, started by the dispatcher when there is something to tell
 * and nobody to tell it; it leaves after a minute of silence.  It is a process of
 * its own because it waits: for the disk, for a synchronous standby, and for
 * NOTIFY's lock, which is one for the whole database.  It touches the events of
 * its database, and reads `ends` and definitions.
 *
 * Events count as told after the commit of their NOTIFY.  When the publisher
 * dies, the next one tells what it had taken: each terminal event is told at
 * least once, seldom twice.  Non-terminal ones may be left out under load.
 */
#include "joborch.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "commands/async.h"
#include "debugpoint.h"
#include "events.h"
#include "eventtext.h"
#include "executor/spi.h"
#include "guc.h"
#include "miscadmin.h"
#include "offers.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "store.h"
#include "utils/fmgroids.h"
#include "utils/json.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker.h"

#define BATCH 500				/* events of one transaction */
#define LOST_WAIT 64			/* full batches for which ends that were lost may wait */
#define IDLE_MS 60000
#define RETRY_MS 1000			/* after an error, or when NOTIFY's queue is full */
#define QUEUE_BUSY 0.5			/* from here on only ends are told */
#define QUEUE_FULL 0.9			/* from here on nothing is told */
#define REMEMBERED_ENDS 65536	/* so that ends read from the table are not told twice */

static JoDatabase *database = NULL;
static MemoryContext batch_context = NULL;
static JoEvent taken[BATCH];
static char queues[JO_MAX_WORK_NEWS][JO_QUEUE_NAME_SIZE];	/* with work to be told */

/* ---- ends that were told, the last ones ---- */

static HTAB *told_ends = NULL;
static int64 told_order[REMEMBERED_ENDS];
static uint64 ntold_ends = 0;

/* False: it was told before. */
static bool
remember_end(int64 run_id)
{
	int64	   *oldest = &told_order[ntold_ends % REMEMBERED_ENDS];
	bool		found;

	if (told_ends == NULL)
	{
		HASHCTL		control = {0};

		control.keysize = sizeof(int64);
		control.entrysize = sizeof(int64);
		told_ends = hash_create("joborch told ends", 1024, &control, HASH_ELEM | HASH_BLOBS);
	}
	(void) hash_search(told_ends, &run_id, HASH_FIND, &found);
	if (found)
		return false;
	if (ntold_ends >= REMEMBERED_ENDS)
		(void) hash_search(told_ends, oldest, HASH_REMOVE, NULL);
	(void) hash_search(told_ends, &run_id, HASH_ENTER, NULL);
	*oldest = run_id;
	ntold_ends++;
	return true;
}

/* A run may end again after recover_run(). */
static void
forget_end(int64 run_id)
{
	if (told_ends != NULL)
		(void) hash_search(told_ends, &run_id, HASH_REMOVE, NULL);
}

/* ---- one event ---- */

static void
tell(const JoEvent *event)
{
	bool		all = jo_events_listened(MyDatabaseId, 0);
	bool		of_run = jo_events_listened(MyDatabaseId, event->run_id);
	StringInfoData payload;

	if (!all && !of_run)
		return;
	initStringInfo(&payload);
	jo_event_append_json(&payload, event);
	if (all)
		Async_Notify("joborch", payload.data);
	if (of_run)
		Async_Notify(psprintf("joborch_run_" INT64_FORMAT, event->run_id), payload.data);
	pfree(payload.data);
}

/*
 * Of several status updates of a run only the newest is worth telling.  Marks
 * the others with run_id 0.
 */
static void
coalesce(JoEvent *events, int n)
{
	HASHCTL		control = {0};
	HTAB	   *seen;

	control.keysize = sizeof(int64);
	control.entrysize = sizeof(int64);
	control.hcxt = CurrentMemoryContext;
	seen = hash_create("joborch updated runs", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	for (int i = n - 1; i >= 0; i--)
	{
		bool		found;

		if (events[i].type != JO_EVENT_JOB_STATUS_UPDATE)
			continue;
		(void) hash_search(seen, &events[i].run_id, HASH_ENTER, &found);
		if (found)
			events[i].run_id = 0;
	}
	hash_destroy(seen);
}

/* Needs a transaction.  ends_only: the queue of NOTIFY is too full for more. */
static void
tell_taken(JoEvent *events, int n, bool ends_only)
{
	coalesce(events, n);
	for (int i = 0; i < n; i++)
	{
		bool		is_end = events[i].type == JO_EVENT_JOB_COMPLETED;

		if (events[i].run_id == 0 || (ends_only && !is_end))
			continue;
		if (is_end)
			(void) remember_end(events[i].run_id);
		else
			forget_end(events[i].run_id);
		tell(&events[i]);
	}
}

/* To programs that claim steps: in which queues something is offered. */
static void
tell_queues(int n)
{
	StringInfoData payload;

	initStringInfo(&payload);
	for (int i = 0; i < n; i++)
	{
		resetStringInfo(&payload);
		appendStringInfoString(&payload, "{\"queue\":");
		if (queues[i][0] != '\0')
			escape_json(&payload, queues[i]);
		else
			appendStringInfoString(&payload, "null");
		appendStringInfoChar(&payload, '}');
		Async_Notify("joborch_work", payload.data);
	}
	pfree(payload.data);
}

/* ---- ends that were lost from the ring ---- */

#define ENDS_SQL \
	"SELECT e.run_id, r.version_id, e.status, e.finished_at" \
	" FROM joborch_internal.ends e JOIN joborch_internal.run r USING (run_id)" \
	" WHERE e.finished_at >= $1 AND e.finished_at <= $2" \
	" AND (e.finished_at, e.run_id) > ($1, $3)" \
	" ORDER BY e.finished_at, e.run_id LIMIT 500"

static int64
get_number(HeapTuple row, int column)
{
	bool		isnull;

	return DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, column, &isnull));
}

/* Tells up to 500 ends after (*since, *run_id), moves them on; returns how many. */
static int
tell_some_ends(TimestampTz *since, TimestampTz until, int64 *run_id)
{
	Oid			types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID};
	Datum		values[] = {TimestampTzGetDatum(*since), TimestampTzGetDatum(until),
	Int64GetDatum(*run_id)};
	int			n;

	SPI_connect();
	if (SPI_execute_with_args(ENDS_SQL, lengthof(types), types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "could not read the ends of runs");
	n = (int) SPI_processed;
	for (int i = 0; i < n; i++)
	{
		HeapTuple	row = SPI_tuptable->vals[i];
		JoEvent		event = {0};
		bool		isnull;

		event.type = JO_EVENT_JOB_COMPLETED;
		event.run_id = get_number(row, 1);
		event.version_id = get_number(row, 2);
		event.status = DatumGetChar(SPI_getbinval(row, SPI_tuptable->tupdesc, 3, &isnull));
		event.at = get_number(row, 4);
		event.step = -1;
		event.item = JO_NO_ITEM;
		event.progress = event.status == JO_RUN_COMPLETED ? 100 : 0;
		*since = event.at;
		*run_id = event.run_id;
		if (!remember_end(event.run_id))
			continue;
		event.id = jo_events_draw_id();
		tell(&event);
	}
	SPI_finish();
	return n;
}

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(batch_context);
}

static void
tell_lost_ends(const JoLostEvents *lost)
{
	TimestampTz since = lost->since;
	int64		run_id = 0;
	int			n;

	jo_worker_activity("reading ends of runs that were not told");
	do
	{
		begin();
		n = jo_store_exists() ? tell_some_ends(&since, lost->until, &run_id) : 0;
		commit();
		CHECK_FOR_INTERRUPTS();
	} while (n == BATCH);
}

/* ---- a batch ---- */

static double
queue_usage(void)
{
	return DatumGetFloat8(OidFunctionCall0(F_PG_NOTIFICATION_QUEUE_USAGE));
}

static XLogRecPtr
newest_lsn(const JoEvent *events, int n)
{
	XLogRecPtr	newest = InvalidXLogRecPtr;

	for (int i = 0; i < n; i++)
		newest = Max(newest, events[i].lsn);
	return newest;
}

/*
 * Ends that were lost from the ring are older than what is in it, but most in
 * their stretch of time are still there: those are told first, so that only the
 * lost ones are read.  Not for ever, if the ring never runs empty.
 */
static void
put_off_lost(JoLostEvents *lost)
{
	lost->count = 0;
	lost->until = 0;
}

/* Tells all there is to tell now; false when there was nothing. */
static bool
tell_batch(void)
{
	bool		any = false;
	int			batches = 0;
	int			n;

	do
	{
		JoLostEvents lost;
		double		usage = queue_usage();
		XLogRecPtr	work_lsn = InvalidXLogRecPtr;
		int			nqueues;

		if (usage > QUEUE_FULL)
			return any;
		n = jo_events_take(database, taken, BATCH, &lost);
		nqueues = jo_offers_take_news(MyDatabaseId, queues, JO_MAX_WORK_NEWS, &work_lsn);
		if (n == 0 && lost.until == 0 && nqueues == 0)
			break;
		if (n == BATCH && ++batches < LOST_WAIT)
			put_off_lost(&lost);
		any = true;
		jo_worker_activity("telling events");
		jo_events_make_durable(lost.until != 0 ? GetXLogInsertRecPtr() :
							   Max(work_lsn, newest_lsn(taken, n)));
		JO_DEBUG_POINT("publisher-durable");
		if (n > 0 || nqueues > 0)
		{
			begin();
			tell_taken(taken, n, usage > QUEUE_BUSY);
			tell_queues(nqueues);
			commit();
		}
		JO_DEBUG_POINT("publisher-told");
		if (lost.until != 0)
			tell_lost_ends(&lost);
		jo_events_told(database, &lost);
		jo_offers_told(MyDatabaseId);
		MemoryContextReset(batch_context);
		CHECK_FOR_INTERRUPTS();
	} while (n == BATCH);
	jo_worker_activity(NULL);
	return any;
}

/* The same, but an error (the queue is full, say) only means to try again later. */
static bool
try_batch(bool *failed)
{
	bool		any = true;

	*failed = false;
	PG_TRY();
	{
		any = tell_batch();
	}
	PG_CATCH();
	{
		HOLD_INTERRUPTS();
		EmitErrorReport();
		LWLockReleaseAll();
		AbortOutOfAnyTransaction();
		MemoryContextSwitchTo(batch_context);
		FlushErrorState();
		RESUME_INTERRUPTS();
		jo_events_take_back(database);
		*failed = true;
	}
	PG_END_TRY();
	return any;
}

/* ---- the process ---- */

static void
detach_at_exit(int code, Datum argument)
{
	(void) code;
	(void) argument;
	(void) jo_events_detach(database, true);
}

/* Waits, whatever wakes it, until the time has come. */
static void
wait_until(TimestampTz when)
{
	long		left;

	while ((left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), when)) > 0 &&
		   jo_events_attached(database, MyDatabaseId))
		(void) jo_worker_wait(left);
}

static void
publish(void)
{
	TimestampTz last = GetCurrentTimestamp();

	while (jo_events_attached(database, MyDatabaseId))
	{
		TimestampTz begun = GetCurrentTimestamp();
		bool		failed;

		if (try_batch(&failed))
		{
			last = begun;
			wait_until(TimestampTzPlusMilliseconds(begun, failed ? RETRY_MS : jo_guc_event_interval));
			continue;
		}
		if (TimestampDifferenceExceeds(last, begun, IDLE_MS) && jo_events_detach(database, false))
			break;
		(void) jo_worker_wait(queue_usage() > QUEUE_FULL ? RETRY_MS : IDLE_MS);
	}
}

void
joborch_publisher_main(Datum argument)
{
	jo_worker_init(JO_PROCESS_PUBLISHER);
	jo_worker_connect(jo_worker_database(), InvalidOid);
	database = &jo_shared->databases[DatumGetInt32(argument)];
	batch_context = AllocSetContextCreate(TopMemoryContext, "joborch publisher",
										  ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(batch_context);
	if (jo_events_attach(database, MyDatabaseId))
	{
		before_shmem_exit(detach_at_exit, (Datum) 0);
		jo_worker_activity(NULL);
		publish();
	}
	proc_exit(0);
}
