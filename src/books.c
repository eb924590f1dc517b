/*
 * books.c
 *		Writes what an attempt came to: the rows of its step and its run's end.
 *
 * Used by the executor for its own step, and by the dispatcher for steps whose
 * executor cannot write any more.
 */
#include "joborch.h"

#include "active.h"
#include "announce.h"
#include "books.h"
#include "clock.h"
#include "debugpoint.h"
#include "failure.h"
#include "permits.h"

void
jo_books_attempt(const JoTask *task, JoAttempt *attempt)
{
	const JoActiveRun *run = task->run;

	attempt->run_id = run->run_id;
	attempt->step = task->step;
	attempt->item = task->item;
	attempt->attempt = task->attempt;
	attempt->epoch = task->epoch;
	attempt->epoch_attempts = task->state->epoch_attempts;
	attempt->started_at = task->started_at;
	attempt->run_started_at = run->started_at;
	attempt->version_id = run->version_id;
	attempt->traced = false;
	ItemPointerSetInvalid(&attempt->trace);
	attempt->taken = JO_NOTHING_TAKEN;
	attempt->permitted = false;
	attempt->waited = false;
}

void
jo_books_begin_try(JoTry *try, const JoAttempt *attempt, JoCachedJob *job, const JoStepDef *step)
{
	MemSet(try, 0, sizeof(JoTry));
	try->job = job;
	try->step = step;
	try->document = jo_document_create(job, attempt->run_id, attempt->step,
									   attempt->attempt, attempt->run_started_at);
	if (attempt->item != JO_NO_ITEM)
		jo_document_set_item(try->document, attempt->item, attempt->epoch);
	try->run_id = attempt->run_id;
	try->epoch = attempt->epoch;
	try->item = attempt->item;
	try->attempt = attempt->attempt;
	try->started_at = attempt->started_at;
	try->waited = attempt->waited;
	try->wait = attempt->wait;
	try->taken = JO_NOTHING_TAKEN;
}

/* When its first execution began, if it waited since. */
static TimestampTz
begun_at(const JoAttempt *attempt)
{
	return attempt->waited ? attempt->wait.begun_at : attempt->started_at;
}

static void
insert_attempt(const JoAttempt *attempt, char status, TimestampTz finished_at,
			   TimestampTz retry_at, Jsonb *error, Jsonb *notices)
{
	JoAttemptRow row = {
		.run_id = attempt->run_id,
		.step = attempt->step,
		.item = attempt->item,
		.attempt = attempt->attempt,
		.epoch = attempt->epoch,
		.status = status,
		.started_at = begun_at(attempt),
		.finished_at = finished_at,
		.retry_at = retry_at,
		.error = error,
		.notices = notices,
		.trace = attempt->trace,
	};

	jo_store_insert_attempt(&row);
}

static void
insert_step(const JoAttempt *attempt, char status, TimestampTz finished_at,
			Jsonb *output, Jsonb *error)
{
	JoStepRow	row = {
		.run_id = attempt->run_id,
		.step = attempt->step,
		.item = attempt->item,
		.status = status,
		.attempt = attempt->attempt,
		.epoch = attempt->epoch,
		.started_at = begun_at(attempt),
		.finished_at = finished_at,
		.output = output,
		.taken = attempt->taken,
		.error = error,
	};

	jo_store_insert_step(&row);
}

/* ---- waits ---- */

static JoTimerRow
wait_timer(const JoWaitRow *wait, int32 epoch)
{
	JoTimerRow	timer = {
		.due = wait->look_at,
		.run_id = wait->run_id,
		.step = wait->step,
		.item = wait->item,
		.kind = 'w',
		.epoch = epoch,
	};

	return timer;
}

/* One that fired is gone already. */
static void
delete_wait_timer(const JoWaitRow *wait, int32 epoch)
{
	JoTimerRow	timer = wait_timer(wait, epoch);

	if (wait->look_at != 0)
		(void) jo_store_delete_timer(&timer);
}

/* Is there anything to write down that the row does not say yet? */
static bool
is_changed(const JoWaitRow *wait, const JoWaitRow *before)
{
	return wait->look_at != before->look_at || wait->deadline != before->deadline ||
		wait->child != before->child || wait->detail != before->detail ||
		wait->key != before->key || wait->attempt != before->attempt;
}

void
jo_books_wait(const JoAttempt *attempt, JoWaitRow *wait, TimestampTz *timer_due)
{
	bool		moved = !attempt->waited || attempt->wait.look_at != wait->look_at;

	wait->run_id = attempt->run_id;
	wait->step = attempt->step;
	wait->item = attempt->item;
	wait->attempt = attempt->attempt;
	wait->begun_at = begun_at(attempt);
	*timer_due = 0;
	if (!attempt->waited)
		jo_store_insert_wait(wait);
	else if (is_changed(wait, &attempt->wait))
		jo_store_update_wait(wait);
	if (!moved)
		return;
	if (attempt->waited)
		delete_wait_timer(&attempt->wait, attempt->epoch);
	if (wait->look_at != 0)
	{
		JoTimerRow	timer = wait_timer(wait, attempt->epoch);

		jo_store_insert_timer(&timer);
		*timer_due = timer.due;
	}
	JO_DEBUG_POINT("executor-wait-written");
}

void
jo_books_leave_wait(const JoWaitRow *wait, int32 epoch)
{
	delete_wait_timer(wait, epoch);
	(void) jo_store_delete_wait(wait->run_id, wait->step, wait->item);
}

/* A child that is not over is not waited for any more, and is not to go on alone. */
static void
cancel_child(int64 child)
{
	bool		again;

	if (jo_store_set_cancel(child, JO_CANCEL_FORCE, &again))
		jo_announce_control(child);
	if (again)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("run " INT64_FORMAT " cannot be cancelled: somebody holds its row", child)));
}

static void
stop_waiting(const JoAttempt *attempt)
{
	if (attempt->permitted)
		jo_permits_release(attempt->run_id, attempt->step, attempt->item);
	if (!attempt->waited)
		return;
	if (attempt->wait.child != 0)
		cancel_child(attempt->wait.child);
	jo_books_leave_wait(&attempt->wait, attempt->epoch);
	JO_DEBUG_POINT("executor-wait-left");
}

/* ---- ends ---- */

void
jo_books_finish(const JoAttempt *attempt, char status, Jsonb *output, Jsonb *error, Jsonb *notices)
{
	TimestampTz now = jo_clock_now();

	if (attempt->attempt > 1 || attempt->traced || error != NULL || notices != NULL)
		insert_attempt(attempt, status, now, 0, error, notices);
	insert_step(attempt, status, now, output, error);
	stop_waiting(attempt);
}

JoOutcome
jo_books_fail(const JoAttempt *attempt, const JoStepDef *step, int sqlstate,
			  Jsonb *error, Jsonb *notices, TimestampTz *retry_due)
{
	TimestampTz now = jo_clock_now();
	int			tries = attempt->epoch_attempts + 1;
	JoTimerRow	timer;

	stop_waiting(attempt);
	if (step == NULL || tries >= step->retry.max_attempts ||
		!jo_failure_retryable(&step->retry, sqlstate))
	{
		insert_attempt(attempt, JO_STEP_FAILED, now, 0, error, notices);
		insert_step(attempt, JO_STEP_FAILED, now, NULL, error);
		return JO_OUTCOME_FAILED;
	}
	timer.due = Max(*retry_due, now + jo_failure_backoff(&step->retry, tries));
	timer.run_id = attempt->run_id;
	timer.step = attempt->step;
	timer.item = attempt->item;
	timer.kind = 'r';
	timer.epoch = attempt->epoch;
	insert_attempt(attempt, JO_STEP_FAILED, now, timer.due, error, notices);
	jo_store_insert_timer(&timer);
	*retry_due = timer.due;
	return JO_OUTCOME_RETRY;
}

bool
jo_books_end_completed(const JoAttempt *attempt, ItemPointer live_tid,
					   int completed, int failed, int skipped)
{
	JoEndRow	row = {
		.run_id = attempt->run_id,
		.status = JO_RUN_COMPLETED,
		.epoch = attempt->epoch,
		.started_at = attempt->run_started_at,
		.finished_at = jo_clock_now(),
		.completed = completed,
		.failed = failed,
		.skipped = skipped,
	};

	return jo_store_end_run(live_tid, &row);
}
