/*
 * executor.c
 *		One process, one database, one role: runs SQL steps as that role.
 *
 * Why it exists: a step must have exactly its owner's rights, so the process
 * connects as the owner for its whole life and never is anybody else.  The
 * dispatcher starts it for a class (database, role) that has ready steps; it
 * takes steps from the class's lists itself and stays warm until it has been
 * idle for joborch.executor_idle_timeout.
 *
 * One step is one transaction: the owner's SQL, then, by direct heap access and
 * without changing the user, the step's row and (after the last step) the end
 * of the run.  The commit callback marks the slot, so when this process dies,
 * the dispatcher knows whether the step happened.  It may write the hot tables
 * through books.c and its own slot; it knows no other process.
 */
#include "joborch.h"

#include <signal.h>

#include "access/xact.h"
#include "access/xlog.h"
#include "active.h"
#include "admit.h"
#include "books.h"
#include "clock.h"
#include "debugpoint.h"
#include "document.h"
#include "errors.h"
#include "events.h"
#include "failure.h"
#include "guc.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "rights.h"
#include "session.h"
#include "slots.h"
#include "steptry.h"
#include "stepwrite.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "txn.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
#include "worker.h"

#define FAILED_BOOKS_PAUSE_MS 1000
#define OVERSTAY_MS 5000		/* a step may catch its time-out, but not for longer */
#define STATS_EVERY 64			/* steps between reports of table statistics */

static JoSlot *slot = NULL;
static MemoryContext step_context = NULL;

static volatile sig_atomic_t terminated_self = false;
static JoDatabase *volatile own_database = NULL;
static TimeoutId long_step;		/* the step is as old as mark_running_after */
static volatile sig_atomic_t overstayed = false;	/* the step's time-out did not stop it */
static TimeoutId overstay;
static bool in_step = false;
static bool rights_checked = false;

/* ---- callbacks ---- */

/* A FATAL is about to end the process: was it the step's own doing? */
static void
note_fatal(const ErrorData *error)
{
	if (!in_step || slot->work != JO_WORK_RUNNING)
		return;
	slot->self_inflicted = error->sqlerrcode != ERRCODE_ADMIN_SHUTDOWN || terminated_self || overstayed;
	slot->fatal_sqlstate = overstayed ? ERRCODE_JO_STEP_TIMEOUT : error->sqlerrcode;
	strlcpy(slot->fatal_text,
			overstayed ? "the step caught its time-out and went on" :
			error->message ? error->message : "", JO_ERROR_TEXT);
}

static void
handle_sigterm(int signo, siginfo_t *info, void *context)
{
	int			save_errno = errno;

	if (info != NULL && info->si_code == SI_USER && info->si_pid == MyProcPid)
		terminated_self = true;
	die(signo);
	errno = save_errno;
}

static void
install_sigterm(void)
{
	struct sigaction action;

	action.sa_sigaction = handle_sigterm;
	sigemptyset(&action.sa_mask);
	action.sa_flags = SA_RESTART | SA_SIGINFO;
	sigaction(SIGTERM, &action, NULL);
}

/*
 * In a signal handler.  The dispatcher is asleep when the step was handed over by
 * the session that started the run; now it is to see that the step takes long.
 */
static void
call_dispatcher(void)
{
	if (own_database != NULL)
		jo_shmem_wake(own_database->dispatcher);
}

/* The step went on after its time-out: what cannot be cancelled is ended. */
static void
end_overstayed(void)
{
	overstayed = true;
	InterruptPending = true;
	ProcDiePending = true;
	SetLatch(MyLatch);
}

static void
forget_rights(Datum argument, int cacheid, uint32 hash)
{
	rights_checked = false;
}

/* ---- one step ---- */

/* The owner may have been locked out since the last step. */
static void
check_rights(void)
{
	char	   *hint = NULL;
	char	   *why;

	if (rights_checked)
		return;
	why = jo_rights_cannot_run(slot->role, NULL, &hint);
	if (why != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_ROLE_CANNOT_CONNECT),
				 errmsg_internal("%s", why),
				 hint ? errhint("%s", hint) : 0));
	rights_checked = true;
}

/* The step's role is not the run's own: membership may have been revoked since the start. */
static void
check_run_as(const JoCachedJob *job, const JoStepDef *step)
{
	Oid			author = job->definition->run_as_caller ? job->author : slot->task.run->owner;

	if (step->run_as == NULL || jo_rights_may_run_as(author, slot->role))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("step \"%s\" cannot run as role \"%s\"",
					step->name, GetUserNameFromId(slot->role, false)),
			 errdetail("The role to whom the definition belongs is not a member of it.")));
}

/* What waits holds no process: its time-out is a timer.  A program is ended before anything is raised. */
static bool
has_alarm(const JoStepDef *step)
{
	return step->timeout > 0 && !jo_step_may_wait(step) && step->type != JO_STEP_COMMAND;
}

static void
begin_timeout(const JoStepDef *step)
{
	int			ms = (int) Min((step->timeout + 999) / 1000, INT_MAX - OVERSTAY_MS);

	if (!has_alarm(step))
		return;
	enable_timeout_after(STATEMENT_TIMEOUT, ms);
	enable_timeout_after(overstay, ms + OVERSTAY_MS);
}

static void
end_timeout(const JoStepDef *step)
{
	if (!has_alarm(step))
		return;
	disable_timeout(STATEMENT_TIMEOUT, false);
	disable_timeout(overstay, false);
}

/* The step's own work, and its deferred triggers, under its time-out. */
static JoVerdict
execute(JoTry *try)
{
	JoVerdict	verdict;

	jo_notices_begin();
	if (!try->waited && try->item == JO_NO_ITEM &&
		!jo_step_is_wanted(try))
		return JO_VERDICT_SKIPPED;
	in_step = true;
	verdict = jo_step_execute(try);
	jo_step_fire_deferred();
	in_step = false;
	return verdict;
}

/*
 * Begins the step's transaction.  Reading a definition that is not cached yet takes
 * a snapshot, after which the step could not set its isolation level any more.
 */
static JoCachedJob *
begin_step(const JoAttempt *attempt)
{
	JoCachedJob *job;

	jo_txn_begin();
	jo_stepwrite_begin(&slot->task);
	job = jo_defcache_get(attempt->version_id);
	if (FirstSnapshotSet)
	{
		jo_txn_commit();
		jo_txn_begin();
		job = jo_defcache_get(attempt->version_id);
	}
	/* the role's own default is for its SQL; what else a step does looks at what is committed now */
	if (job->definition->steps[attempt->step].type != JO_STEP_SQL)
		XactIsoLevel = XACT_READ_COMMITTED;
	return job;
}

/* The usual way: everything in one transaction. */
static void
run_in_transaction(JoAttempt *attempt, JoCachedJob *job, const JoStepDef *step)
{
	JoTry		try;
	JoVerdict	verdict;

	jo_books_begin_try(&try, attempt, job, step);
	begin_timeout(step);
	verdict = execute(&try);
	end_timeout(step);
	CHECK_FOR_INTERRUPTS();
	attempt->taken = try.taken;
	switch (verdict)
	{
		case JO_VERDICT_COMPLETED:
			try.output = jo_step_shape(&try, try.output);
			JO_DEBUG_POINT("executor-before-books");
			jo_stepwrite_end(attempt, job, JO_STEP_COMPLETED, try.output, jo_notices_end());
			break;
		case JO_VERDICT_SKIPPED:
			jo_stepwrite_end(attempt, job, JO_STEP_SKIPPED, NULL, jo_notices_end());
			break;
		case JO_VERDICT_FAILED:
			(void) jo_stepwrite_failure(attempt, step, try.sqlstate, try.error, jo_notices_end(), 0);
			break;
		case JO_VERDICT_WAIT:
			(void) jo_notices_end();
			jo_stepwrite_wait(attempt, job, &try.wait);
			break;
	}
	JO_DEBUG_POINT("executor-before-commit");
	jo_txn_commit();
	JO_DEBUG_POINT("executor-after-commit");
}

/*
 * "transaction": "none", and programs: the attempt's row is durable before the
 * work begins, so a crash leaves a trace; at-least-once.
 */
static void
run_alone(const JoAttempt *attempt, JoCachedJob *job, const JoStepDef *step)
{
	JoTry		try;
	JoAttempt	traced = *attempt;
	Jsonb	   *output;
	MemoryContext old;

	jo_books_begin_try(&try, attempt, job, step);
	if (try.item == JO_NO_ITEM && !jo_step_is_wanted(&try))
	{
		jo_stepwrite_end(attempt, job, JO_STEP_SKIPPED, NULL, NULL);
		jo_txn_commit();
		return;
	}
	if (jo_step_is_cached(&try))
	{
		jo_stepwrite_end(attempt, job, JO_STEP_COMPLETED, try.output, NULL);
		jo_txn_commit();
		return;
	}
	jo_store_begin_attempt(attempt->run_id, attempt->step, attempt->item, attempt->attempt,
						   attempt->epoch, attempt->started_at, false, &traced.trace);
	traced.traced = true;
	ForceSyncCommit();
	jo_txn_commit();

	old = MemoryContextSwitchTo(step_context);
	jo_txn_begin();
	MemoryContextSwitchTo(step_context);
	jo_books_begin_try(&try, attempt, job, step);
	jo_txn_commit();
	MemoryContextSwitchTo(step_context);
	jo_notices_begin();
	in_step = true;
	begin_timeout(step);
	jo_step_execute_alone(&try);
	end_timeout(step);
	in_step = false;
	MemoryContextSwitchTo(old);

	jo_txn_begin();
	jo_step_keep(&try);
	output = jo_step_shape(&try, try.output);
	jo_stepwrite_end(&traced, job, JO_STEP_COMPLETED, output, jo_notices_end());
	jo_txn_commit();
}

/* In careful mode a step leaves a mark, durable before it begins. */
static void
leave_mark(const JoAttempt *attempt)
{
	jo_txn_begin();
	jo_store_insert_mark(attempt->run_id, attempt->step, attempt->item, attempt->attempt);
	ForceSyncCommit();
	jo_txn_commit();
	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	slot->marked = true;
	LWLockRelease(jo_shared->lock);
}

/*
 * After the step's commit.  The dispatcher sets slot->marked under the lock and
 * only while the step runs, so either it is seen here or the dispatcher deletes.
 */
static void
remove_mark(const JoAttempt *attempt)
{
	bool		marked;

	LWLockAcquire(jo_shared->lock, LW_SHARED);
	marked = slot->marked;
	LWLockRelease(jo_shared->lock);
	if (!marked)
		return;
	jo_txn_begin();
	jo_store_delete_mark(attempt->run_id, attempt->step, attempt->item);
	jo_txn_commit();
}

/* What the step waited for; to be asked for a permit it changes transactions, which the row survives. */
static void
read_wait(JoAttempt *attempt)
{
	MemoryContext old = MemoryContextSwitchTo(step_context);

	attempt->waited = jo_store_wait(attempt->run_id, attempt->step, attempt->item,
									jo_store_latest(), &attempt->wait);
	MemoryContextSwitchTo(old);
}

static void
try_step(JoAttempt *attempt, bool careful)
{
	JoCachedJob *job;
	const JoStepDef *step;
	char		activity[128];

	if (careful)
		leave_mark(attempt);
	job = begin_step(attempt);
	step = &job->definition->steps[attempt->step];
	snprintf(activity, sizeof(activity), "run " INT64_FORMAT " step %s", attempt->run_id, step->name);
	pgstat_report_activity(STATE_RUNNING, activity);
	/* first, so that whatever goes wrong ends the wait too */
	if (slot->task.run->shape->steps[attempt->step].may_wait)
		read_wait(attempt);
	check_rights();
	check_run_as(job, step);
	switch (jo_admit(slot, attempt, job, step))
	{
		case JO_ADMITTED:
			break;
		case JO_ADMITTED_ANEW:
			job = begin_step(attempt);
			step = &job->definition->steps[attempt->step];
			break;
		case JO_NOT_ADMITTED:
			return;
	}
	JO_DEBUG_POINT("executor-step-begin");
	/* one that still waits has an order, and does nothing itself */
	if (jo_step_is_alone(step) && !attempt->waited)
		run_alone(attempt, job, step);
	else
		run_in_transaction(attempt, job, step);
}

/* ---- when it went wrong ---- */

static bool
timed_out(const JoAttempt *attempt, const JoStepDef *step)
{
	return step != NULL && step->timeout > 0 &&
		jo_clock_now() - attempt->started_at >= step->timeout - 1000;
}

/* What the error means; writes it down in a transaction of its own. */
static JoOutcome
record_failure(const JoAttempt *attempt, ErrorData *error, Jsonb *notices)
{
	JoCachedJob *job;
	const JoStepDef *step;
	Jsonb	   *failure;
	int			sqlstate = error->sqlerrcode;
	JoOutcome	outcome;

	if (sqlstate == ERRCODE_JO_STALE_TOKEN || jo_store_is_own_duplicate(error))
		return JO_OUTCOME_STALE;
	if (sqlstate == ERRCODE_QUERY_CANCELED && slot->cancel_token != 0 &&
		slot->cancel_token != jo_slot_token(slot))
		return JO_OUTCOME_RERUN;

	jo_txn_begin();
	job = jo_defcache_get(attempt->version_id);
	step = &job->definition->steps[attempt->step];
	if (sqlstate == ERRCODE_QUERY_CANCELED && slot->cancel_token != 0)
	{
		failure = jo_failure_make(ERRCODE_QUERY_CANCELED,
								  slot->cancel_timed_out ? "the run timed out" : "the run was cancelled",
								  NULL, NULL);
		jo_stepwrite_cancelled(attempt, failure, notices);
		outcome = JO_OUTCOME_CANCELLED;
	}
	else
	{
		if (sqlstate == ERRCODE_QUERY_CANCELED && timed_out(attempt, step))
		{
			sqlstate = ERRCODE_JO_STEP_TIMEOUT;
			failure = jo_step_cut_off(step, error->context);
		}
		else
			failure = jo_failure_from_error(error);
		outcome = jo_stepwrite_failure(attempt, step, sqlstate, failure, notices, 0);
	}
	JO_DEBUG_POINT("executor-before-failure-commit");
	jo_txn_commit();
	return outcome;
}

/* Leaves the failed transaction and brings the error out of it. */
static ErrorData *
catch_error(void)
{
	ErrorData  *error;

	HOLD_INTERRUPTS();
	disable_timeout(STATEMENT_TIMEOUT, false);
	disable_timeout(overstay, false);
	QueryCancelPending = false;
	in_step = false;
	MemoryContextSwitchTo(step_context);
	error = CopyErrorData();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	MemoryContextSwitchTo(step_context);
	RESUME_INTERRUPTS();
	return error;
}

static void
fail_step(const JoAttempt *attempt, ErrorData *error)
{
	Jsonb	   *notices = jo_notices_end();
	JoOutcome	outcome = JO_OUTCOME_RERUN;

	PG_TRY();
	{
		outcome = record_failure(attempt, error, notices);
	}
	PG_CATCH();
	{
		/* Not even the books can be written (disk full?): try again, not at once. */
		ErrorData  *second = catch_error();

		if (second->sqlerrcode == ERRCODE_JO_STALE_TOKEN || jo_store_is_own_duplicate(second))
			outcome = JO_OUTCOME_STALE;
		else
		{
			ereport(LOG,
					(errcode(second->sqlerrcode),
					 errmsg("could not record the failure of run " INT64_FORMAT ": %s",
							attempt->run_id, second->message)));
			(void) jo_worker_wait(FAILED_BOOKS_PAUSE_MS);
		}
	}
	PG_END_TRY();
	if (outcome == JO_OUTCOME_RERUN || outcome == JO_OUTCOME_STALE)
		ereport(LOG,
				(errcode(error->sqlerrcode),
				 errmsg("step %d of run " INT64_FORMAT " was interrupted and is carried out again: %s",
						attempt->step, attempt->run_id, error->message)));
	if (slot->work != JO_WORK_COMMITTED)
	{
		slot->task.outcome = outcome;
		slot->work = JO_WORK_COMMITTED;
	}
}

static void
run_step(void)
{
	JoAttempt	attempt;
	JoDatabase *database;
	bool		careful;

	/* a cancel that came late, for the step before; but not one that is meant for this */
	QueryCancelPending = false;
	LWLockAcquire(jo_shared->lock, LW_SHARED);
	if (slot->cancel_token == jo_slot_token(slot))
		InterruptPending = QueryCancelPending = true;
	database = jo_shmem_database(slot->dboid);
	careful = database != NULL && database->careful;
	jo_books_attempt(&slot->task, &attempt);
	LWLockRelease(jo_shared->lock);

	MemoryContextReset(step_context);
	MemoryContextSwitchTo(step_context);
	own_database = database;
	enable_timeout_after(long_step, jo_guc_mark_running_after + 1);
	PG_TRY();
	{
		try_step(&attempt, careful);
	}
	PG_CATCH();
	{
		ErrorData  *error = catch_error();

		if (slot->work != JO_WORK_COMMITTED)
			fail_step(&attempt, error);
	}
	PG_END_TRY();
	Assert(slot->work == JO_WORK_COMMITTED);
	disable_timeout(long_step, false);
	remove_mark(&attempt);
	jo_session_reset();
	jo_defcache_trim();
}

/* ---- the process ---- */

static void
wait_for_work(void)
{
	pgstat_report_activity(STATE_IDLE, NULL);
	pgstat_report_stat(true);
	QueryCancelPending = false;
	if (!jo_worker_wait(jo_guc_executor_idle_timeout) && slot->class->ready == 0)
		slot->quit = true;
}

static void
one_turn(void)
{
	switch (jo_slot_turn(slot))
	{
		case JO_TURN_WORK:
			run_step();
			if (slot->steps_done % STATS_EVERY == 0)
				pgstat_report_stat(false);
			if (slot->steps_done >= (uint32) jo_guc_executor_max_steps)
				slot->quit = true;
			CHECK_FOR_INTERRUPTS();
			break;
		case JO_TURN_IDLE:
			wait_for_work();
			break;
		case JO_TURN_QUIT:
			proc_exit(0);
	}
}

void
joborch_executor_main(Datum argument)
{
	slot = &jo_shared->slots[DatumGetInt32(argument)];
	jo_worker_init(JO_PROCESS_EXECUTOR);
	jo_slot_attach(slot->index);
	install_sigterm();
	jo_worker_connect(slot->dboid, slot->role);
	jo_session_prepare();
	jo_notices_install(note_fatal);
	jo_stepwrite_init(slot);
	CacheRegisterSyscacheCallback(AUTHOID, forget_rights, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, forget_rights, (Datum) 0);
	CacheRegisterSyscacheCallback(DATABASEOID, forget_rights, (Datum) 0);
	long_step = RegisterTimeout(USER_TIMEOUT, call_dispatcher);
	overstay = RegisterTimeout(USER_TIMEOUT, end_overstayed);
	step_context = AllocSetContextCreate(TopMemoryContext, "joborch step", ALLOCSET_DEFAULT_SIZES);

	for (;;)
	{
		PG_TRY();
		{
			for (;;)
				one_turn();
		}
		PG_CATCH();
		{
			/* outside of a step: a cancel that came late, or a reset that failed */
			ErrorData  *error = catch_error();

			if (error->sqlerrcode != ERRCODE_QUERY_CANCELED)
				ThrowErrorData(error);

			/* it may have cut the reset short: nobody else is to find what the step left */
			slot->quit = true;
		}
		PG_END_TRY();
	}
}
