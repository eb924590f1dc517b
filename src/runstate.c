/*
 * runstate.c
 *		A run's status as it is told: rows and memory together.
 *
 * Rows know pending and the ends; that a run has begun is known by memory first
 * and by live.begun a second later.
 */
#include "joborch.h"

#include "access/xact.h"
#include "active.h"
#include "errors.h"
#include "miscadmin.h"
#include "rights.h"
#include "runstate.h"
#include "status.h"

const char *
jo_run_live_status(int64 run_id, int32 epoch, bool paused, TimestampTz begun)
{
	bool		started = begun != 0;

	if (paused)
		return "paused";
	if (!started && jo_shared != NULL)
	{
		JoActiveRun *run;

		LWLockAcquire(jo_shared->lock, LW_SHARED);
		run = jo_active_find(MyDatabaseId, run_id);
		started = run != NULL && run->started_at != 0;
		LWLockRelease(jo_shared->lock);
	}
	if (epoch > 0)
		return "recovering";
	return started ? "running" : "pending";
}

const char *
jo_run_status(int64 run_id, bool *final, bool *own)
{
	JoRunRow	run;
	JoLiveRow	live;
	JoEndRow	end;

	*final = false;
	if (own != NULL)
		*own = false;
	if (!jo_store_run(run_id, jo_store_latest(), &run) || !jo_rights_may_see(run.owner, run.tenant))
		ereport(ERROR,
				(errcode(ERRCODE_JO_RUN_NOT_FOUND),
				 errmsg("run " INT64_FORMAT " does not exist", run_id),
				 errhint("SELECT * FROM joborch.list_runs() lists the runs you can see.")));
	/* live first: a run that ends between the two looks has its end row by then */
	if (jo_store_live(run_id, jo_store_latest(), &live))
	{
		if (own != NULL)
			*own = TransactionIdIsCurrentTransactionId(live.xmin);
		return jo_run_live_status(run_id, live.epoch, live.paused, live.begun);
	}
	if (!jo_store_end(run_id, jo_store_latest(), &end))
	{
		/* recovered between the two looks */
		return "recovering";
	}
	*final = true;
	return jo_status_word(end.status);
}
