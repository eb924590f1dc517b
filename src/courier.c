/*
 * courier.c
 *		One process per database, on demand: carries out all network steps.
 *
 * Why it exists: a step that waits for somebody else's server must hold neither a
 * process nor a transaction.  The dispatcher starts it when a network step is ready; it takes
 * such steps of all roles from their list, writes in one transaction for many what they are about to
 * do, and only when that is on disk moves bytes, a thousand transfers at a time, with
 * libcurl; what came is written in batches too.  It leaves after an idle time.
 *
 * Connected as the bootstrap superuser, it runs nobody's SQL; whose rights a step has is
 * asked by role (egressrules.c, secret.c, artifact.c).  When it dies, the dispatcher reads
 * the runs it had anew: what it had sent is sent again, with the same idempotency key.
 */
#include "joborch.h"

#include "clock.h"
#include "courier.h"
#include "courierchores.h"
#include "courierslot.h"
#include "debugpoint.h"
#include "guc.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "worker.h"

#define BATCH 256				/* steps in one transaction */
#define MAX_HELD 8192			/* steps that wait at gates; then no more are taken */
#define BEGIN_PAUSE_MAX_USEC 10000
#define FEW 64					/* transfers that may be under way in any case */
#define GROW_USEC 1000			/* without an answer for so long, more of them */
#define FAILED_PAUSE_MS 1000

JoDatabase *jo_courier_database = NULL;

static JoNetClient *client = NULL;
static MemoryContext loop_context = NULL;
static dlist_head done_carries = DLIST_STATIC_INIT(done_carries);
static int	ndone = 0;
static TimestampTz disturbed_until = 0; /* rows could not be written: nothing more is begun before */
static TimestampTz begin_after = 0; /* a flush costs time: the next batch is to be worth it */
static TimestampTz grow_after = 0;	/* see get_window() */
static int	nended = 0;			/* since the last batch began */

static void
note_done(JoCarry *carry)
{
	carry->state = JO_CARRY_DONE;
	dlist_push_tail(&done_carries, &carry->node);
	ndone++;
	nended++;
}

/* ---- what is under way ends ---- */

static void
break_off(JoCarry *carry)
{
	switch (carry->state)
	{
		case JO_CARRY_HELD:
			jo_gate_forget(carry);
			note_done(carry);
			break;
		case JO_CARRY_OPEN:
			jo_net_abort(carry->transfer);
			break;
		default:
			break;				/* cut is looked at when it is written */
	}
}

static void
collect(void)
{
	JoNetTransfer *transfer;

	while ((transfer = jo_net_next_full(client)) != NULL)
		jo_carry_take_bytes(jo_net_owner(transfer));
	while ((transfer = jo_net_next_hungry(client)) != NULL)
		if (!jo_chores_feed(transfer))
			jo_carry_give_bytes(jo_net_owner(transfer));
	while ((transfer = jo_net_next_done(client)) != NULL)
		if (!jo_chores_finish(transfer))
		{
			jo_carry_close_spool(jo_net_owner(transfer));
			note_done(jo_net_owner(transfer));
		}
}

/* Writes what is done, each once; false when nothing can be written now.  What could not be is still there. */
static bool
end_done(void)
{
	int			ntodo = ndone;
	bool		disturbed = false;

	while (ntodo > 0 && !disturbed)
	{
		JoCarry    *carries[BATCH];
		int			n = Min(ntodo, BATCH);
		int			left;

		for (int i = 0; i < n; i++)
			carries[i] = dlist_container(JoCarry, node, dlist_pop_head_node(&done_carries));
		ndone -= n;
		ntodo -= n;
		left = jo_carry_end_all(carries, n, &disturbed);
		for (int i = 0; i < left; i++)
			note_done(carries[i]);
	}
	return !disturbed;
}

/* ---- new ones begin ---- */

static void
send_out(JoCarry *carry)
{
	if (carry->errand.nothing_to_send)
		note_done(carry);
	else
	{
		carry->transfer = jo_net_open(client, &carry->errand.net_request, carry);
		carry->errand.response = jo_net_response(carry->transfer);
	}
}

static int
take_new(JoCarry **carries, int max)
{
	JoTask		tasks[BATCH];
	int			n = jo_courier_take(jo_courier_database, tasks, max);

	for (int i = 0; i < n; i++)
		carries[i] = jo_carry_create(&tasks[i]);
	return n;
}

/*
 * How many more to take.  libcurl looks at each connection to a host when it begins a
 * transfer there, so those that answer at once are better served a few at a time: as long as answers
 * come, each that ended makes room for one.
 */
static int
get_window(TimestampTz now)
{
	int			few = FEW - jo_net_open_count(client);

	return Max(few, now >= grow_after ? FEW : nended);
}

/* One batch; false when there is nothing to begin.  *next: when to try again, if that is known. */
static bool
begin_batch(TimestampTz now, TimestampTz *next)
{
	JoCarry    *carries[BATCH];
	int			room = Min(BATCH, jo_guc_max_transfers - jo_net_open_count(client));
	TimestampTz begun;
	bool		disturbed = false;
	int			n;

	if (room <= 0 || (jo_carry_is_full() && jo_net_open_count(client) > 0))
		return false;
	n = jo_carry_take_aside(carries, room);
	n += jo_gate_next(carries + n, room - n, now, next);
	if (n < room && jo_gate_held() < MAX_HELD)
	{
		int			window = get_window(now);

		if (window > 0)
			n += take_new(carries + n, Min(room - n, window));
		else if (jo_courier_has_ready(jo_courier_database))
			*next = *next == 0 ? grow_after : Min(*next, grow_after);
	}
	if (n == 0)
		return false;
	n = jo_carry_begin_all(carries, n, &disturbed);
	begun = jo_clock_now();
	if (disturbed)
		disturbed_until = begun + FAILED_PAUSE_MS * 1000;
	begin_after = begun + Min(begun - now, BEGIN_PAUSE_MAX_USEC);
	grow_after = begun + GROW_USEC;
	nended = 0;
	for (int i = 0; i < n; i++)
		send_out(carries[i]);
	return true;
}

/* When there is little to win by waiting for more, begins at once. */
static TimestampTz
begin_new(void)
{
	TimestampTz now = jo_clock_now();
	TimestampTz next = 0;

	if (now < disturbed_until)
		return disturbed_until;
	if (now < begin_after && jo_net_open_count(client) > 0)
		return begin_after;
	while (begin_batch(now, &next))
	{
		if (disturbed_until > now)
			return disturbed_until;
		if (jo_net_open_count(client) >= BATCH)
			return begin_after;
		now = jo_clock_now();
	}
	return next;
}

/* ---- the process ---- */

static void
detach_client(int code, Datum argument)
{
	(void) code;
	(void) argument;
	if (client != NULL)
		jo_net_destroy(client);
	client = NULL;
}

static long
sooner(long timeout, TimestampTz when)
{
	return when == 0 ? timeout : jo_clock_ms_until(when, timeout);
}

/* Begins what can begin; returns how long nothing will happen by itself, in ms. */
static long
begin_all(void)
{
	TimestampTz now = jo_clock_now();
	TimestampTz next = jo_chores_begin(client, jo_courier_has_chores(jo_courier_database), now);

	return sooner(sooner(jo_guc_executor_idle_timeout, next), begin_new());
}

/* Settings that the client keeps, when they were read anew. */
static void
configure_client(void)
{
	static char *ca_file = NULL;

	jo_net_set_limits(client, jo_guc_max_transfers_per_host, jo_guc_max_transfers);
	if (ca_file != NULL && strcmp(ca_file, jo_guc_ca_file) == 0)
		return;
	jo_net_set_ca_file(client, jo_guc_ca_file);
	if (ca_file != NULL)
		pfree(ca_file);
	ca_file = MemoryContextStrdup(TopMemoryContext, jo_guc_ca_file);
}

/* Until there is nothing to do for a while. */
static void
serve(void)
{
	TimestampTz idle_since = jo_clock_now();

	while (jo_courier_is_wanted(jo_courier_database, MyDatabaseId))
	{
		long		timeout = FAILED_PAUSE_MS;
		int			unwritten;
		bool		written;
		bool		idle;

		MemoryContextReset(loop_context);
		MemoryContextSwitchTo(loop_context);
		configure_client();
		if (jo_courier_was_cut(jo_courier_database))
			jo_carry_look_for_cut(break_off);
		collect();
		written = end_done();
		unwritten = ndone;
		if (written)
			timeout = begin_all();
		if (unwritten > 0)
			timeout = Min(timeout, FAILED_PAUSE_MS);
		jo_courier_database->courier_open = jo_carry_count();
		idle = jo_carry_count() == 0 && jo_chores_open() == 0;
		if (!idle)
			idle_since = jo_clock_now();
		else if (jo_clock_now() - idle_since >= (int64) jo_guc_executor_idle_timeout * 1000 &&
				 jo_courier_leave(jo_courier_database))
			return;
		pgstat_report_activity(idle ? STATE_IDLE : STATE_RUNNING, idle ? NULL : "network steps");
		jo_net_run(client, ndone > unwritten ? 0 : timeout);
		(void) jo_worker_wait(0);
	}
}

void
joborch_courier_main(Datum argument)
{
	jo_worker_init(JO_PROCESS_COURIER);
	jo_worker_connect(jo_worker_database(), InvalidOid);
	SetConfigOption("synchronous_commit", "off", PGC_SUSET, PGC_S_OVERRIDE);
	jo_courier_database = &jo_shared->databases[DatumGetInt32(argument)];
	loop_context = AllocSetContextCreate(TopMemoryContext, "joborch courier", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(loop_context);
	if (jo_courier_attach(jo_courier_database, MyDatabaseId))
	{
		MemoryContextSwitchTo(TopMemoryContext);
		jo_gate_init();
		jo_carry_init();
		client = jo_net_create(jo_guc_max_transfers);
		before_shmem_exit(detach_client, (Datum) 0);
		serve();
	}
	proc_exit(0);
}
