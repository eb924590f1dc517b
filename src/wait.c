/*
 * wait.c
 *		Waiting for a run's end: wait_for_run() and await_run().
 *
 * A waiter registers, then looks: so an end between the two wakes it.  Before it
 * answers that a run is over, that is made durable (DESIGN P2).
 */
#include "joborch.h"

#include "access/xlog.h"
#include "clock.h"
#include "errors.h"
#include "events.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "runstate.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define RELOOK_MS 60000			/* the bounded safety re-check */

PG_FUNCTION_INFO_V1(joborch_wait_for_run);
PG_FUNCTION_INFO_V1(joborch_await_run);

/* The time at which to give up; DT_NOEND for NULL. */
static TimestampTz
deadline_of(FunctionCallInfo fcinfo, int n)
{
	Datum		deadline;

	if (PG_ARGISNULL(n))
		return DT_NOEND;
	deadline = DirectFunctionCall2(timestamptz_pl_interval,
								   TimestampTzGetDatum(jo_clock_now()),
								   PG_GETARG_DATUM(n));
	return DatumGetTimestampTz(deadline);
}

/* Refuses what could never end. */
static void
check_waitable(int64 run_id)
{
	bool		final;
	bool		own;

	if (MyBgworkerEntry != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_WRONG_STATUS),
				 errmsg("a step cannot wait for a run"),
				 errhint("Steps that wait hold an executor; make it a job of its own that another starts.")));
	(void) jo_run_status(run_id, &final, &own);
	if (own && !final)
		ereport(ERROR,
				(errcode(ERRCODE_JO_OWN_TRANSACTION),
				 errmsg("run " INT64_FORMAT " was started by this transaction and cannot begin before it commits", run_id),
				 errhint("COMMIT first, or use CALL joborch.run_job().")));
}

static void
sleep_until(TimestampTz deadline)
{
	long		timeout = deadline == DT_NOEND ? RELOOK_MS : jo_clock_ms_until(deadline, RELOOK_MS);

	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 timeout, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static void
begin_wait(int64 run_id)
{
	if (!jo_events_wait_begin(run_id))
		ereport(ERROR,
				(errcode(ERRCODE_JO_LIMIT),
				 errmsg("too many sessions wait for runs"),
				 errdetail("At most %d can.", JO_MAX_WAITERS),
				 errhint("Look at joborch.run_status(run_id) from time to time instead.")));
}

Datum
joborch_wait_for_run(PG_FUNCTION_ARGS)
{
	int64		run_id;
	TimestampTz deadline;
	const char *status;
	bool		final;

	jo_shmem_require();
	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	run_id = PG_GETARG_INT64(0);
	deadline = deadline_of(fcinfo, 1);
	check_waitable(run_id);
	begin_wait(run_id);
	for (;;)
	{
		status = jo_run_status(run_id, &final, NULL);
		if (final || jo_clock_now() >= deadline)
			break;
		sleep_until(deadline);
	}
	jo_events_wait_end();
	if (final)
		jo_events_make_durable(GetXLogInsertRecPtr());
	PG_RETURN_TEXT_P(cstring_to_text(status));
}

/*
 * The same without a result and, above all, without a snapshot while it waits:
 * each look has a transaction of its own.
 */
Datum
joborch_await_run(PG_FUNCTION_ARGS)
{
	int64		run_id;
	TimestampTz deadline;
	bool		final = false;

	jo_shmem_require();
	if (PG_ARGISNULL(0))
		PG_RETURN_VOID();
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		((CallContext *) fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("await_run() cannot be called in a transaction block"),
				 errhint("Use joborch.wait_for_run() there.")));
	run_id = PG_GETARG_INT64(0);
	deadline = deadline_of(fcinfo, 1);
	check_waitable(run_id);
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	for (;;)
	{
		begin_wait(run_id);
		(void) jo_run_status(run_id, &final, NULL);
		if (final || jo_clock_now() >= deadline)
			break;
		SPI_commit();
		sleep_until(deadline);
		jo_events_wait_end();
	}
	jo_events_wait_end();
	if (final)
		jo_events_make_durable(GetXLogInsertRecPtr());
	SPI_finish();
	PG_RETURN_VOID();
}
