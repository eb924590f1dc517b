/*
 * claimsteps.c
 *		claim_steps(): a program outside takes steps that wait for it.
 *
 * Looks, with a snapshot of its own, at what is offered in one queue to roles like the
 * caller's; takes the first ones by deleting their offers, and leaves a claim in the place
 * of each.  Never waits for another claimer.  With "wait" it sleeps until something is
 * offered, holding no lock on a table meanwhile.  Touches rows through store.c and the
 * places in offers.c.
 */
#include "joborch.h"

#include "access/xact.h"
#include "announce.h"
#include "claim.h"
#include "clock.h"
#include "common/hashfn.h"
#include "compat.h"
#include "defcache.h"
#include "errors.h"
#include "events.h"
#include "fmgr.h"
#include "funcapi.h"
#include "guc.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "offers.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "rights.h"
#include "storage/latch.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(joborch_claim_steps);
PG_FUNCTION_INFO_V1(joborch_announce_offer);
PG_FUNCTION_INFO_V1(joborch_announce_timer);

#define COLUMNS 10
#define MAX_STEPS 1000			/* of one call */
#define MAX_WAIT (60 * USECS_PER_SEC)
#define MAX_WORKER_NAME 255
#define DEFAULT_LEASE (5 * USECS_PER_MINUTE)
#define PUT_ASIDE USECS_PER_SEC /* then it is looked whether its run goes on */

/* One call. */
typedef struct Claiming
{
	const char *queue;
	const char *worker;			/* NULL: it says no name */
	const char *role;
	int			wanted;
	int64		lease;			/* 0: what the step says */
	int			taken;
	ReturnSetInfo *result;
	TimestampTz first_seen;		/* of the offers of one group and priority; 0: none */
} Claiming;

/* ---- arguments ---- */

static int64
get_duration(FunctionCallInfo fcinfo, int n)
{
	const Interval *interval = PG_GETARG_INTERVAL_P(n);

	return interval->time + interval->day * USECS_PER_DAY + (int64) interval->month * 30 * USECS_PER_DAY;
}

static void
check_text(const char *what, const char *text, int max)
{
	if (text[0] == '\0' || strlen(text) > (size_t) max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s has 1 to %d bytes", what, max),
				 errdetail("It has %zu.", strlen(text))));
}

static void
read_arguments(FunctionCallInfo fcinfo, Claiming *claiming)
{
	claiming->queue = PG_ARGISNULL(0) ? "default" : text_to_cstring(PG_GETARG_TEXT_PP(0));
	claiming->worker = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	claiming->wanted = PG_ARGISNULL(2) ? 1 : PG_GETARG_INT32(2);
	claiming->lease = PG_ARGISNULL(3) ? 0 : get_duration(fcinfo, 3);
	check_text("the name of a queue", claiming->queue, JO_QUEUE_NAME_SIZE - 1);
	if (claiming->worker != NULL)
		check_text("the name of a worker", claiming->worker, MAX_WORKER_NAME);
	if (claiming->wanted < 1 || claiming->wanted > MAX_STEPS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a program can claim 1 to %d steps at a time", MAX_STEPS),
				 errdetail("It asks for %d.", claiming->wanted)));
	if (!PG_ARGISNULL(3) && (claiming->lease < JO_MIN_LEASE || claiming->lease > JO_MAX_LEASE))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a lease is between 1 second and 30 days"),
				 errhint("claim_steps(lease => '10 min'); extend_claim() makes it longer while the work goes on.")));
}

/* How long to wait for something, at most; 0: not at all. */
static int64
read_wait(FunctionCallInfo fcinfo)
{
	int64		wait = PG_ARGISNULL(4) ? 0 : get_duration(fcinfo, 4);

	if (wait <= 0)
		return 0;
	if (MyBgworkerEntry != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_WRONG_STATUS),
				 errmsg("a step cannot wait for work"),
				 errhint("Steps that wait hold an executor; let a program outside do it.")));
	if (TransactionIdIsValid(GetTopTransactionIdIfAny()))
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("claim_steps() cannot wait in a transaction that has written"),
				 errhint("COMMIT first, or call it without \"wait\".")));
	return Min(wait, MAX_WAIT);
}

/* Of a copy's rows the workers of the original may have some in hand. */
static void
check_database(void)
{
	JoDatabase *database;
	bool		held;

	LWLockAcquire(jo_shared->lock, LW_SHARED);
	database = jo_shmem_database(MyDatabaseId);
	held = database != NULL && database->state == JO_DATABASE_HELD;
	LWLockRelease(jo_shared->lock);
	if (held)
		ereport(ERROR,
				(errcode(ERRCODE_JO_COPY),
				 errmsg("this database is a copy: its runs are held"),
				 errhint("SELECT joborch.adopt_database() lets them run here.")));
}

/* ---- who may ---- */

/* Does the caller have a role to which all of the queue was granted? */
static bool
has_queue(const char *queue)
{
	char	  **roles;
	int			n = jo_store_queue_grants(queue, &roles);

	for (int i = 0; i < n; i++)
	{
		Oid			role = get_role_oid(roles[i], true);

		if (OidIsValid(role) && has_privs_of_role(jo_rights_caller(), role))
			return true;
	}
	return false;
}

/* Those with the same number may claim the same. */
static uint32
rights_number(void)
{
	uint32		number = murmurhash32((uint32) jo_rights_caller());

	if (jo_guc_tenant != NULL)
		number = hash_combine(number, hash_bytes((const unsigned char *) jo_guc_tenant, (int) strlen(jo_guc_tenant)));
	return number;
}

/* ---- one step ---- */

static void
put_result(Claiming *claiming, const JoClaimRow *claim, const JoWaitRow *wait, const JoCachedJob *job, char *token)
{
	const JoStepDef *step = &job->definition->steps[claim->step];
	Datum		values[COLUMNS] = {0};
	bool		nulls[COLUMNS] = {0};
	JsonbValue	request;

	values[0] = CStringGetTextDatum(token);
	values[1] = Int64GetDatum(claim->run_id);
	nulls[2] = job->job_name == NULL;
	if (!nulls[2])
		values[2] = CStringGetTextDatum(job->job_name);
	values[3] = CStringGetTextDatum(step->shown);
	nulls[4] = claim->item == JO_NO_ITEM;
	values[4] = Int32GetDatum(claim->item);
	values[5] = Int32GetDatum(claim->attempt);
	nulls[6] = !jo_jsonb_member(&wait->detail->root, "request", strlen("request"), &request);
	if (!nulls[6])
		values[6] = JsonbPGetDatum(jo_jsonb_from_value(&request));
	values[7] = TimestampTzGetDatum(claim->lease_until);
	nulls[8] = wait->deadline == 0;
	values[8] = TimestampTzGetDatum(wait->deadline);
	values[9] = CStringGetTextDatum(step->word);
	tuplestore_putvalues(claiming->result->setResult, claiming->result->setDesc, values, nulls);
}

static int64
find_lease(const Claiming *claiming, const JoWaitRow *wait)
{
	JsonbValue	request;
	int64		lease = 0;

	if (claiming->lease != 0)
		return claiming->lease;
	if (jo_jsonb_member(&wait->detail->root, "request", strlen("request"), &request))
		lease = jo_claim_lease(jo_jsonb_from_value(&request));
	return lease != 0 ? lease : DEFAULT_LEASE;
}

static void
insert_timer(const JoOfferRow *offer, TimestampTz due, int32 epoch)
{
	JoTimerRow	timer = {
		.due = due,
		.run_id = offer->run_id,
		.step = offer->step,
		.item = offer->item,
		.kind = JO_TIMER_LEASE,
		.epoch = epoch,
	};

	jo_store_insert_timer(&timer);
	jo_announce_timer(due);
}

static void
claim_offer(Claiming *claiming, const JoOfferRow *offer, const JoWaitRow *wait, const JoLiveRow *live)
{
	JoClaimRow	claim = {
		.run_id = offer->run_id,
		.group_id = offer->group_id,
		.claimed_at = jo_clock_now(),
		.step = offer->step,
		.item = offer->item,
		.attempt = wait->attempt,
		.ord = offer->ord,
		.lost = offer->lost,
		.kind = JO_CLAIM_EXTERNAL,
		.claimed_by = claiming->role,
		.worker = claiming->worker,
	};
	char	   *token = jo_claim_make_token(&claim.token);

	claim.lease = find_lease(claiming, wait);
	claim.lease_until = claim.timer_due = claim.claimed_at + claim.lease;
	jo_store_insert_claim(&claim);
	insert_timer(offer, claim.timer_due, live->epoch);
	jo_offers_note_taken(claiming->queue);
	put_result(claiming, &claim, wait, jo_defcache_get(live->version_id), token);
	claiming->taken++;
}

/*
 * What is not to be done now is put aside, so that nobody walks over it again and again;
 * when its timer fires, or its run goes on, its step offers it anew.
 */
static void
put_aside(const JoOfferRow *offer, const JoLiveRow *live)
{
	if (jo_store_take_offer(offer))
		insert_timer(offer, jo_clock_now() + PUT_ASIDE, live->epoch);
}

/* For jo_store_visit_offers(): false when there are enough. */
static bool
look_at_offer(const JoOfferRow *offer, void *argument)
{
	Claiming   *claiming = argument;
	JoWaitRow	wait;
	JoLiveRow	live;

	if (claiming->first_seen == 0)
		claiming->first_seen = offer->offered_at;
	if (!jo_store_live(offer->run_id, jo_store_latest(), &live) ||
		!jo_store_wait(offer->run_id, offer->step, offer->item, jo_store_latest(), &wait) ||
		(wait.deadline != 0 && wait.deadline <= jo_clock_now()))
		return true;
	if (live.paused || live.cancel != JO_CANCEL_NONE)
		put_aside(offer, &live);
	else if (jo_store_take_offer(offer))
		claim_offer(claiming, offer, &wait, &live);
	return claiming->taken < claiming->wanted;
}

/* ---- a look at the queue ---- */

/* All groups, one priority after the other. */
static void
look_at_groups(Claiming *claiming, JoOfferReading *readings, int n)
{
	TimestampTz (*low)[JO_PRIORITIES] = palloc0(sizeof(TimestampTz) * JO_PRIORITIES * Max(n, 1));

	for (int ord = 0; ord < JO_PRIORITIES; ord++)
	{
		for (int i = 0; i < n && claiming->taken < claiming->wanted; i++)
		{
			claiming->first_seen = 0;
			jo_store_visit_offers(readings[i].group_id, ord, readings[i].low[ord], look_at_offer, claiming);
			low[i][ord] = claiming->first_seen != 0 ? claiming->first_seen : readings[i].begun_at;
		}
	}
	for (int i = 0; i < n; i++)
		jo_offers_end_reading(&readings[i], low[i]);
	pfree(low);
}

static void
look(Claiming *claiming)
{
	JoWorkGroupRow *groups;
	int			ngroups = jo_store_work_groups(claiming->queue, &groups);
	bool		whole = ngroups > 0 && has_queue(claiming->queue);
	JoOfferReading *readings = palloc(sizeof(JoOfferReading) * Max(ngroups, 1));
	int			n = 0;

	for (int i = 0; i < ngroups; i++)
	{
		if (whole || jo_rights_may_control(groups[i].owner, groups[i].tenant))
			jo_offers_begin_reading(&readings[n++], groups[i].group_id);
	}
	look_at_groups(claiming, readings, n);
}

/* ---- waiting ---- */

static void
begin_wait(const Claiming *claiming)
{
	if (!jo_events_wait_for_work(jo_offers_queue_hash(claiming->queue), rights_number()))
		ereport(ERROR,
				(errcode(ERRCODE_JO_LIMIT),
				 errmsg("too many sessions wait for runs or work"),
				 errdetail("At most %d can.", JO_MAX_WAITERS),
				 errhint("LISTEN joborch_work instead, and call claim_steps() without \"wait\" when it says something.")));
}

/*
 * What is claimed for a worker that is gone would be nobody's until its lease runs out;
 * and nothing else notices that it is gone while this waits.
 */
static void
check_client(void)
{
	if (MyProcPort != NULL && WaitEventSetCanReportClosed() && !pq_check_connection())
	{
		ClientConnectionLost = true;
		InterruptPending = true;
	}
	CHECK_FOR_INTERRUPTS();
}

static void
look_until(Claiming *claiming, TimestampTz deadline)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext, "joborch claims", ALLOCSET_SMALL_SIZES);

	begin_wait(claiming);
	for (;;)
	{
		TimestampTz now = jo_clock_now();
		MemoryContext old = MemoryContextSwitchTo(scratch);

		jo_events_work_look();
		look(claiming);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scratch);
		if (claiming->taken > 0 || now >= deadline)
			break;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 jo_clock_ms_until(deadline, MAX_WAIT / 1000), PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		check_client();
		check_database();
	}
	jo_events_wait_end();
}

/* claim_steps(queue, worker, n, lease, wait) */
Datum
joborch_claim_steps(PG_FUNCTION_ARGS)
{
	Claiming	claiming = {0};
	int64		wait;

	jo_shmem_require();
	PreventCommandIfReadOnly("claim_steps()");
	PreventCommandDuringRecovery("claim_steps()");
	read_arguments(fcinfo, &claiming);
	wait = read_wait(fcinfo);
	check_database();
	if (MyBgworkerEntry == NULL)
		jo_defcache_trim();
	claiming.role = GetUserNameFromId(jo_rights_caller(), false);
	InitMaterializedSRF(fcinfo, 0);
	claiming.result = (ReturnSetInfo *) fcinfo->resultinfo;
	if (wait == 0)
	{
		look(&claiming);
		return (Datum) 0;
	}
	PG_TRY();
	{
		look_until(&claiming, jo_clock_now() + wait);
	}
	PG_CATCH();
	{
		jo_events_wait_end();
		PG_RE_THROW();
	}
	PG_END_TRY();
	return (Datum) 0;
}

/* ---- what SQL tells of rows that it wrote ---- */

/* joborch_internal.announce_offer(queue, group_id, ord, offered_at) */
Datum
joborch_announce_offer(PG_FUNCTION_ARGS)
{
	jo_shmem_require();
	jo_offers_note(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_INT64(1), PG_GETARG_INT16(2),
				   PG_GETARG_TIMESTAMPTZ(3));
	PG_RETURN_VOID();
}

/* joborch_internal.announce_timer(due) */
Datum
joborch_announce_timer(PG_FUNCTION_ARGS)
{
	jo_shmem_require();
	jo_announce_timer(PG_GETARG_TIMESTAMPTZ(0));
	PG_RETURN_VOID();
}
