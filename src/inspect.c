/*
 * inspect.c
 *		Looking from outside: processes, and what waits.
 *
 * Internal entries, called by views and functions in sql/extension that check
 * the caller's rights.
 */
#include "joborch.h"

#include "access/xlog.h"
#include "active.h"
#include "announce.h"
#include "clock.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "runstate.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(joborch_run_state);
PG_FUNCTION_INFO_V1(joborch_workers);
PG_FUNCTION_INFO_V1(joborch_waiting);
PG_FUNCTION_INFO_V1(joborch_announce_control);
PG_FUNCTION_INFO_V1(joborch_announce_due);
PG_FUNCTION_INFO_V1(joborch_announce_followed);
PG_FUNCTION_INFO_V1(joborch_announce_extension);
PG_FUNCTION_INFO_V1(joborch_adopt);
PG_FUNCTION_INFO_V1(joborch_now);

Datum
joborch_now(PG_FUNCTION_ARGS)
{
	PG_RETURN_TIMESTAMPTZ(jo_clock_now());
}

Datum
joborch_announce_control(PG_FUNCTION_ARGS)
{
	jo_shmem_require();
	jo_announce_control(PG_GETARG_INT64(0));
	PG_RETURN_VOID();
}

Datum
joborch_announce_due(PG_FUNCTION_ARGS)
{
	JoLiveRow	live = {.queue_id = PG_GETARG_INT32(0), .ord = PG_GETARG_INT16(1), .due = PG_GETARG_TIMESTAMPTZ(2),
	.run_id = PG_GETARG_INT64(3)};

	jo_shmem_require();
	jo_announce_starts(&live, &live);
	PG_RETURN_VOID();
}

Datum
joborch_announce_followed(PG_FUNCTION_ARGS)
{
	jo_shmem_require();
	jo_announce_followed(PG_GETARG_INT64(0), PG_GETARG_BOOL(1));
	PG_RETURN_VOID();
}

Datum
joborch_announce_extension(PG_FUNCTION_ARGS)
{
	jo_shmem_require();
	jo_announce_extension();
	PG_RETURN_VOID();
}

/* The rows are this cluster's and database's from now on. */
Datum
joborch_adopt(PG_FUNCTION_ARGS)
{
	jo_shmem_require();
	SPI_connect();
	SPI_execute("DELETE FROM joborch_internal.instance", false, 0);
	SPI_finish();
	jo_store_insert_instance(GetSystemIdentifier(), MyDatabaseId);
	jo_announce_control(0);
	PG_RETURN_VOID();
}

Datum
joborch_run_state(PG_FUNCTION_ARGS)
{
	const char *status = jo_run_live_status(PG_GETARG_INT64(0), PG_GETARG_INT32(1),
											PG_GETARG_BOOL(2),
											PG_ARGISNULL(3) ? 0 : PG_GETARG_TIMESTAMPTZ(3));

	PG_RETURN_TEXT_P(cstring_to_text(status));
}

/* ---- processes ---- */

static void
put_time(Datum *values, bool *nulls, int column, TimestampTz when)
{
	nulls[column] = when == 0;
	values[column] = TimestampTzGetDatum(when);
}

static const char *
slot_word(JoSlotState state)
{
	switch (state)
	{
		case JO_SLOT_STARTING:
			return "starting";
		case JO_SLOT_IDLE:
			return "idle";
		case JO_SLOT_BUSY:
			return "busy";
		default:
			return "leaving";
	}
}

/* A process as it is told. */
typedef struct ProcessView
{
	pid_t		pid;
	const char *process;
	Oid			database;
	Oid			role;
	const char *state;
	int64		run_id;			/* 0: no step in hand */
	int			step;
	TimestampTz since;
	int64		steps_done;		/* -1: does none */
} ProcessView;

#define MAX_PROCESSES (1 + 3 * JO_MAX_DATABASES + JO_MAX_SLOTS)

static void
view_process(ProcessView *views, int *n, pid_t pid, const char *process, Oid database,
			 const char *state)
{
	ProcessView view = {.pid = pid, .process = process, .database = database, .state = state,
	.steps_done = -1};

	if (pid != 0)
		views[(*n)++] = view;
}

static void
view_slot(ProcessView *views, int *n, const JoSlot *slot)
{
	ProcessView view = {.pid = slot->pid, .process = "joborch executor", .database = slot->dboid,
		.role = slot->role, .state = slot_word(slot->state), .since = slot->since,
	.steps_done = slot->steps_done};

	if (slot->state == JO_SLOT_BUSY && slot->task.run != NULL)
	{
		view.run_id = slot->task.run->run_id;
		view.step = slot->task.step;
	}
	views[(*n)++] = view;
}

/* Nothing is allocated while the lock is held. */
static int
view_processes(ProcessView *views)
{
	int			n = 0;

	LWLockAcquire(jo_shared->lock, LW_SHARED);
	view_process(views, &n, jo_shared->launcher_pid, "joborch launcher", InvalidOid, "running");
	for (int i = 0; i < JO_MAX_DATABASES; i++)
	{
		const JoDatabase *database = &jo_shared->databases[i];

		if (database->state == JO_DATABASE_FREE)
			continue;
		view_process(views, &n, database->dispatcher_pid, "joborch dispatcher", database->dboid,
					 database->state == JO_DATABASE_HELD ? "held" : "running");
		view_process(views, &n, database->publisher_pid, "joborch publisher", database->dboid, "running");
		view_process(views, &n, database->courier_pid, "joborch courier", database->dboid,
					 database->courier_open > 0 ? "busy" : "idle");
	}
	for (int i = 0; i < jo_shared->nslots; i++)
		if (jo_shared->slots[i].state != JO_SLOT_FREE)
			view_slot(views, &n, &jo_shared->slots[i]);
	LWLockRelease(jo_shared->lock);
	return n;
}

static void
put_process(ReturnSetInfo *result, const ProcessView *view)
{
	Datum		values[9] = {0};
	bool		nulls[9] = {0};

	values[0] = Int32GetDatum(view->pid);
	nulls[0] = view->pid == 0;
	values[1] = CStringGetTextDatum(view->process);
	values[2] = ObjectIdGetDatum(view->database);
	nulls[2] = !OidIsValid(view->database);
	values[3] = ObjectIdGetDatum(view->role);
	nulls[3] = !OidIsValid(view->role);
	values[4] = CStringGetTextDatum(view->state);
	values[5] = Int64GetDatum(view->run_id);
	values[6] = Int32GetDatum(view->step);
	nulls[5] = nulls[6] = view->run_id == 0;
	put_time(values, nulls, 7, view->since);
	values[8] = Int64GetDatum(view->steps_done);
	nulls[8] = view->steps_done < 0;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
joborch_workers(PG_FUNCTION_ARGS)
{
	ProcessView *views = palloc(sizeof(ProcessView) * MAX_PROCESSES);
	int			n;

	jo_shmem_require();
	InitMaterializedSRF(fcinfo, 0);
	n = view_processes(views);
	for (int i = 0; i < n; i++)
		put_process((ReturnSetInfo *) fcinfo->resultinfo, &views[i]);
	return (Datum) 0;
}

/* ---- what waits ---- */

static void
put_waiting(ReturnSetInfo *result, int64 run_id, int step, const char *reason, const char *hint)
{
	Datum		values[5] = {0};
	bool		nulls[5] = {0};

	values[0] = ObjectIdGetDatum(MyDatabaseId);
	values[1] = Int64GetDatum(run_id);
	nulls[1] = run_id == 0;
	values[2] = Int32GetDatum(step);
	nulls[2] = step < 0;
	values[3] = CStringGetTextDatum(reason);
	values[4] = CStringGetTextDatum(hint ? hint : "");
	nulls[4] = hint == NULL;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* Why the steps of this database that are ready do not run. */
static const char *
executor_reason(JoDatabaseState state, bool no_worker_slot, const char **hint)
{
	if (state == JO_DATABASE_FREE)
	{
		*hint = "Look into the server's log for the joborch launcher.";
		return "no dispatcher serves this database";
	}
	if (state == JO_DATABASE_HELD)
	{
		*hint = "SELECT joborch.adopt_database()";
		return "this database is a copy: its runs are held";
	}
	if (no_worker_slot)
	{
		*hint = "Raise max_worker_processes and restart the server.";
		return "no free worker slot for an executor";
	}
	*hint = "Raise joborch.max_executors if this lasts.";
	return "all executors are busy";
}

#define MAX_WAITING 10000

typedef struct Waiting
{
	int64		run_id;
	int			step;
	char		status;
	char		held;			/* with the courier: JO_HELD_... */
	bool		network;		/* the courier is to take it */
} Waiting;

/* What a step waits for that the courier has, or is to have. */
static void
put_waiting_network(ReturnSetInfo *result, const Waiting *waiting, bool no_worker_slot)
{
	const char *reason = "the courier has joborch.max_transfers under way";
	const char *hint = "Raise joborch.max_transfers if this lasts.";

	if (waiting->held == JO_HELD_HOST)
	{
		reason = "its host has joborch.max_transfers_per_host under way";
		hint = "Raise joborch.max_transfers_per_host if the host bears more.";
	}
	else if (waiting->held == JO_HELD_RULE)
	{
		reason = "the limits of its egress rule";
		hint = "SELECT * FROM joborch.egress_rules";
	}
	else if (no_worker_slot)
	{
		reason = "no free worker slot for the courier";
		hint = "Raise max_worker_processes and restart the server.";
	}
	put_waiting(result, waiting->run_id, waiting->step, reason, hint);
}

static int
collect_waiting(Waiting *list, JoDatabaseState *state, bool *no_worker_slot)
{
	int			n = 0;
	JoDatabase *mine;

	LWLockAcquire(jo_shared->lock, LW_SHARED);
	mine = jo_shmem_database(MyDatabaseId);
	*state = mine != NULL ? mine->state : JO_DATABASE_FREE;
	*no_worker_slot = mine != NULL && mine->no_worker_slot;
	for (int i = 0; i < jo_shared->max_runs && n < MAX_WAITING; i++)
	{
		const JoActiveRun *run = &jo_shared->runs[i];

		if (run->state < JO_ACTIVE_READY || run->dboid != MyDatabaseId)
			continue;
		for (int s = 0; s < run->shape->nsteps && n < MAX_WAITING; s++)
		{
			const JoStepState *state = &run->steps[s];
			char		status = state->status;

			if (status != JO_STEP_QUEUED && status != JO_STEP_RETRYING && state->held == 0)
				continue;
			list[n].run_id = run->run_id;
			list[n].step = s;
			list[n].status = run->paused ? JO_STEP_WAITING : status;
			list[n].held = state->held;
			list[n].network = run->shape->steps[s].network;
			n++;
		}
	}
	LWLockRelease(jo_shared->lock);
	return n;
}

Datum
joborch_waiting(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	JoDatabaseState state;
	bool		no_worker_slot;
	Waiting    *list = palloc(sizeof(Waiting) * MAX_WAITING);
	const char *hint;
	const char *reason;
	int			n;

	jo_shmem_require();
	InitMaterializedSRF(fcinfo, 0);
	n = collect_waiting(list, &state, &no_worker_slot);
	reason = executor_reason(state, no_worker_slot, &hint);
	if (state != JO_DATABASE_RUNNING)
		put_waiting(result, 0, -1, reason, hint);
	for (int i = 0; i < n; i++)
	{
		if (list[i].status == JO_STEP_RETRYING)
			put_waiting(result, list[i].run_id, list[i].step, "next attempt", NULL);
		else if (list[i].status == JO_STEP_WAITING)
			put_waiting(result, list[i].run_id, list[i].step, "paused",
						psprintf("SELECT joborch.resume_run(" INT64_FORMAT ")", list[i].run_id));
		else if (list[i].network && state == JO_DATABASE_RUNNING)
			put_waiting_network(result, &list[i], no_worker_slot);
		else
			put_waiting(result, list[i].run_id, list[i].step, reason, hint);
	}
	return (Datum) 0;
}
