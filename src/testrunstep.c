/*
 * testrunstep.c
 *		One step of test_run(): answered by its stub, or carried out here.
 *
 * Each execution is a sub-transaction: what a step did stays in the caller's
 * transaction when it succeeds and is undone when it fails, as the transaction of an
 * executor would be.  Its rows are written by the code that writes an executor's.
 */
#include "joborch.h"

#include "access/xact.h"
#include "clock.h"
#include "errors.h"
#include "executor/spi.h"
#include "failure.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "outcome.h"
#include "rights.h"
#include "sqlstep.h"
#include "storage/latch.h"
#include "testrun.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timeout.h"

/* One execution. */
typedef struct Execution
{
	JoTest	   *test;
	JoTestRun  *run;
	const JoStepDef *step;
	JoAttempt	attempt;
	JoStub		stub;
	JoTry		try;
	int64		waited_for;		/* child whose end it waited for, if it waited; 0: none */
	JoOutcome	outcome;
	TimestampTz due;			/* with RETRY: when the next attempt begins */
	Jsonb	   *output;			/* what is told of it */
	Jsonb	   *error;
	Jsonb	   *request;
} Execution;

/* ---- the time-out of a step ---- */

static TimeoutId step_timeout = MAX_TIMEOUTS;
static volatile sig_atomic_t timed_out = false;

/* In a signal handler. */
static void
cut_off(void)
{
	timed_out = true;
	InterruptPending = QueryCancelPending = true;
	SetLatch(MyLatch);
}

static void
begin_timeout(const JoStepDef *step)
{
	timed_out = false;
	if (step->timeout == 0 || jo_step_may_wait(step))
		return;
	if (step_timeout == MAX_TIMEOUTS)
		step_timeout = RegisterTimeout(USER_TIMEOUT, cut_off);
	enable_timeout_after(step_timeout, (int) Min((step->timeout + 999) / 1000, INT_MAX));
}

static void
end_timeout(void)
{
	if (step_timeout != MAX_TIMEOUTS)
		disable_timeout(step_timeout, false);
}

/* ---- deferred constraints ---- */

/* Firing them leaves all constraints immediate, where a step's transaction begins with some deferred. */
void
jo_test_fire_deferred(void)
{
	JoRights	rights;

	jo_step_fire_deferred();
	jo_rights_raise(&rights);
	SPI_connect();
	SPI_execute("SELECT format('SET CONSTRAINTS %I.%I DEFERRED', n.nspname, c.conname)"
				" FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace"
				" WHERE c.condeferred", true, 0);
	if (SPI_processed > 0)
	{
		SPITupleTable *rows = SPI_tuptable;

		for (uint64 i = 0; i < rows->numvals; i++)
			SPI_execute(SPI_getvalue(rows->vals[i], rows->tupdesc, 1), false, 0);
	}
	SPI_finish();
	jo_rights_restore(&rights);
}

/* ---- what cannot be carried out ---- */

/* What only an executor can do must be answered; this is no failure of the step. */
static void
require_stub(const Execution *execution)
{
	const JoStepDef *step = execution->step;
	const char *hint = psprintf("Give it a stub: {\"%s\": {\"output\": ...}}.",
								jo_test_stub_key(execution->run, step));

	if (execution->stub.kind != JO_STUB_NONE || step->part == JO_PART_OPEN || step->part == JO_PART_CLOSE)
		return;
	jo_test_refuse(execution->test);
	/* an artifact that is stored is rows of this transaction */
	if (step->outside != NULL && step->type != JO_STEP_ARTIFACT)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("step \"%s\" acts outside of the database and has no stub", step->shown),
				 errdetail("Its type is \"%s\".", step->word),
				 errhint("%s", hint)));
	if (step->run_as != NULL && get_role_oid(step->run_as, true) != execution->test->caller)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("step \"%s\" runs as another role and has no stub", step->shown),
				 errdetail("test_run() carries out all steps as role \"%s\"; this one is for \"%s\".",
						   execution->test->caller_name, step->run_as),
				 errhint("%s", hint)));
	if (jo_sqlstep_is_alone(step))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("step \"%s\" runs outside of a transaction and has no stub", step->shown),
				 errdetail("test_run() carries out all steps in the calling transaction."),
				 errhint("%s", hint)));
	execution->test->refused = false;
}

/* ---- answering ---- */

/* A decision's branch, by the label that the stub gives. */
static int32
find_branch(Execution *execution)
{
	const JoFlowDef *flow = execution->step->flow;
	JsonbValue	value;

	if (flow == NULL || flow->nbranches == 0)
		return JO_NOTHING_TAKEN;
	if (jo_jsonb_member(&execution->stub.value->root, "branch", strlen("branch"), &value) &&
		value.type == jbvString)
		for (int i = 0; i < flow->nbranches; i++)
			if (flow->branches[i].label != NULL &&
				strlen(flow->branches[i].label) == (size_t) value.val.string.len &&
				memcmp(flow->branches[i].label, value.val.string.val, value.val.string.len) == 0)
				return i;
	jo_test_refuse(execution->test);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("stub for step \"%s\" says no branch that it has", execution->step->shown),
			 errhint("Write {\"output\": {\"branch\": \"%s\"}}.",
					 flow->branches[0].label != NULL ? flow->branches[0].label : "")));
	return JO_NOTHING_TAKEN;	/* not reached */
}

static JoVerdict
answer(Execution *execution)
{
	const JoStub *stub = &execution->stub;

	switch (stub->kind)
	{
		case JO_STUB_OUTPUT:
			execution->try.output = stub->value;
			execution->try.taken = find_branch(execution);
			return JO_VERDICT_COMPLETED;
		case JO_STUB_ERROR:
			execution->try.sqlstate = stub->sqlstate;
			execution->try.error = jo_failure_make(stub->sqlstate, stub->text != NULL ? stub->text : "",
												   NULL, NULL);
			return JO_VERDICT_FAILED;
		default:
			return JO_VERDICT_SKIPPED;
	}
}

/* SQL steps have the server's own time: what they start is real. */
static JoVerdict
carry_out(Execution *execution)
{
	JoTry	   *try = &execution->try;
	JoVerdict	verdict;

	if (try->step->type == JO_STEP_SQL && try->step->part != JO_PART_OPEN)
		jo_clock_hold(0);
	verdict = jo_step_execute(try);
	jo_clock_hold(execution->test->now);
	return verdict;
}

static JoVerdict
execute(Execution *execution)
{
	JoTry	   *try = &execution->try;
	JoStubKind	kind = execution->stub.kind;
	JoVerdict	verdict;

	if (!try->waited && try->item == JO_NO_ITEM && !jo_step_is_wanted(try))
		return JO_VERDICT_SKIPPED;
	require_stub(execution);
	if (execution->step->outside != NULL && execution->step->part != JO_PART_OPEN &&
		execution->step->part != JO_PART_CLOSE)
	{
		jo_document_name_secrets(try->document);
		execution->request = jo_document_render(try->document, execution->step->outside->parameters);
	}
	/* a signal or a decision is sent once the step waits for it */
	if (kind == JO_STUB_OUTPUT || kind == JO_STUB_ERROR || kind == JO_STUB_SKIP)
		verdict = answer(execution);
	else
		verdict = carry_out(execution);
	jo_test_fire_deferred();
	return verdict;
}

/* ---- books ---- */

static void
write_books(Execution *execution, JoVerdict verdict)
{
	JoTry	   *try = &execution->try;
	JoAttempt  *attempt = &execution->attempt;
	TimestampTz ignored;

	attempt->taken = try->taken;
	/* a child that is waited for is one of the test's: jo_test_cancel() stops it */
	if (verdict != JO_VERDICT_WAIT)
		attempt->wait.child = 0;
	switch (verdict)
	{
		case JO_VERDICT_COMPLETED:
			execution->output = jo_step_shape(try, try->output);
			jo_books_finish(attempt, JO_STEP_COMPLETED, execution->output, NULL, NULL);
			execution->outcome = JO_OUTCOME_COMPLETED;
			break;
		case JO_VERDICT_SKIPPED:
			jo_books_finish(attempt, JO_STEP_SKIPPED, NULL, NULL, NULL);
			execution->outcome = JO_OUTCOME_SKIPPED;
			break;
		case JO_VERDICT_FAILED:
			execution->error = try->error;
			execution->outcome = jo_books_fail(attempt, execution->step, try->sqlstate, try->error, NULL,
											   &execution->due);
			break;
		case JO_VERDICT_WAIT:
			jo_books_wait(attempt, &try->wait, &ignored);
			execution->outcome = JO_OUTCOME_WAIT;
			break;
	}
}

/* The session's settings that a step relies on. */
static void
prepare_session(void)
{
	(void) set_config_option("standard_conforming_strings", "on", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* Inside of the step's sub-transaction. */
static void
work(Execution *execution)
{
	JoAttempt  *attempt = &execution->attempt;
	JoTry	   *try = &execution->try;
	JoVerdict	verdict;

	if (jo_step_may_wait(execution->step))
		attempt->waited = jo_store_wait(attempt->run_id, attempt->step, attempt->item,
										jo_store_latest(), &attempt->wait);
	if (attempt->waited)
		execution->waited_for = attempt->wait.child;
	jo_books_begin_try(try, attempt, execution->run->job, execution->step);
	begin_timeout(execution->step);
	verdict = execute(execution);
	end_timeout();
	if (timed_out)
		CHECK_FOR_INTERRUPTS();
	write_books(execution, verdict);
}

/* The error of the step; one that is not the step's goes on to the caller. */
static void
take_failure(Execution *execution, const ErrorData *error)
{
	JoAttempt  *attempt = &execution->attempt;
	int			sqlstate = error->sqlerrcode;

	if (timed_out && sqlstate == ERRCODE_QUERY_CANCELED)
	{
		sqlstate = ERRCODE_JO_STEP_TIMEOUT;
		execution->error = jo_step_cut_off(execution->step, error->context);
	}
	else
		execution->error = jo_failure_from_error(error);
	execution->output = NULL;
	attempt->wait.child = 0;
	execution->outcome = jo_books_fail(attempt, execution->step, sqlstate, execution->error, NULL,
									   &execution->due);
}

/* Runs whose start was undone with the step that started them. */
static void
forget_starting(JoTest *test)
{
	ListCell   *cell;

	foreach(cell, test->starting)
		((JoTestRun *) lfirst(cell))->done = true;
	test->starting = NIL;
}

static void
work_guarded(Execution *execution)
{
	JoTest	   *test = execution->test;
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;
	int			nest_level = NewGUCNestLevel();

	prepare_session();
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(execution);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		end_timeout();
		jo_clock_hold(test->now);
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	AtEOXact_GUC(false, nest_level);
	if (error != NULL)
	{
		/* about the test, or the caller's wish to end it */
		if (test->refused || (error->sqlerrcode == ERRCODE_QUERY_CANCELED && !timed_out))
			ReThrowError(error);
		forget_starting(test);
		take_failure(execution, error);
	}
}

/* ---- what comes of it ---- */

static void
begin_execution(Execution *execution, JoTest *test, JoTestRun *run, JoStepState *state)
{
	JoAttempt  *attempt = &execution->attempt;

	MemSet(execution, 0, sizeof(Execution));
	execution->test = test;
	execution->run = run;
	execution->step = &run->job->definition->steps[state->step];
	state->status = JO_STEP_RUNNING;
	if (!state->resumed)
		state->attempt++;
	run->active.in_flight++;
	attempt->run_id = run->active.run_id;
	attempt->step = state->step;
	attempt->item = state->item;
	attempt->attempt = state->attempt;
	attempt->epoch = run->active.epoch;
	attempt->epoch_attempts = state->epoch_attempts;
	attempt->started_at = test->now;
	attempt->run_started_at = run->active.started_at;
	attempt->version_id = run->active.version_id;
	attempt->taken = JO_NOTHING_TAKEN;
	if (!state->resumed)
		jo_test_take_stub(test, run, execution->step, state->item, state->attempt, &execution->stub);
}

/* In the test's own context: counts, items and the report live as long as it does. */
static void
apply(Execution *execution, JoStepState *state)
{
	static const char statuses[] = {
		[JO_OUTCOME_COMPLETED] = JO_STEP_COMPLETED,
		[JO_OUTCOME_FAILED] = JO_STEP_FAILED,
		[JO_OUTCOME_SKIPPED] = JO_STEP_SKIPPED
	};
	JoTest	   *test = execution->test;
	JoTestRun  *run = execution->run;
	const JoAttempt *attempt = &execution->attempt;
	JoOutcome	outcome = execution->outcome;
	bool		is_final = outcome != JO_OUTCOME_WAIT && outcome != JO_OUTCOME_RETRY;

	if (outcome == JO_OUTCOME_RETRY)
		jo_test_wait(test, run, attempt, JO_TEST_RETRY, execution->due, NULL);
	else if (outcome == JO_OUTCOME_WAIT)
		jo_test_wait(test, run, attempt, execution->try.wait.kind, execution->try.wait.look_at,
					 &execution->try.wait);
	else
		jo_test_forget_wait(test, run, attempt->step, attempt->item);
	if (outcome != JO_OUTCOME_WAIT)
		jo_test_progress(test);
	if (is_final)
		jo_test_tell(test, run, attempt, statuses[outcome], execution->output, execution->error,
					 execution->request);
	run->active.in_flight--;
	jo_outcome_change(&run->active, state, outcome, attempt->taken, execution->due);
	if (outcome == JO_OUTCOME_WAIT)
		jo_test_send(test, run, attempt, &execution->try.wait, &execution->stub);
}

void
jo_test_execute(JoTest *test, JoTestRun *run, JoStepState *state)
{
	Execution	execution;

	MemoryContextReset(test->step_context);
	MemoryContextSwitchTo(test->step_context);
	begin_execution(&execution, test, run, state);
	work_guarded(&execution);
	CommandCounterIncrement();
	MemoryContextSwitchTo(test->context);
	test->runs = list_concat(test->runs, test->starting);
	test->starting = NIL;
	test->now++;
	jo_clock_hold(test->now);
	apply(&execution, state);
	if (execution.waited_for != 0 && execution.outcome != JO_OUTCOME_WAIT)
		jo_test_cancel(test, execution.waited_for);
	jo_test_settle(test, run);
}
