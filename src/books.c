/*
 * books.c
 *		Writes what an attempt came to: the rows of its step and its run's end.
 *
 * Used by the executor for its own step, and by the dispatcher for steps whose
 * executor cannot write any more.
 */
#include "joborch.h"

#include "active.h"
#include "books.h"
#include "clock.h"
#include "failure.h"

void
jo_books_attempt(const JoSlot *slot, JoAttempt *attempt)
{
	const JoActiveRun *run = slot->run;

	attempt->run_id = run->run_id;
	attempt->step = slot->step;
	attempt->attempt = slot->attempt;
	attempt->epoch = slot->epoch;
	attempt->epoch_attempts = run->steps[slot->step].epoch_attempts;
	attempt->started_at = slot->started_at;
	attempt->run_started_at = run->started_at;
	attempt->version_id = run->version_id;
	attempt->traced = false;
}

static void
insert_attempt(const JoAttempt *attempt, char status, TimestampTz finished_at,
			   TimestampTz retry_at, Jsonb *error, Jsonb *notices)
{
	JoAttemptRow row = {
		.run_id = attempt->run_id,
		.step = attempt->step,
		.item = JO_NO_ITEM,
		.attempt = attempt->attempt,
		.epoch = attempt->epoch,
		.status = status,
		.started_at = attempt->started_at,
		.finished_at = finished_at,
		.retry_at = retry_at,
		.error = error,
		.notices = notices,
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
		.item = JO_NO_ITEM,
		.status = status,
		.attempt = attempt->attempt,
		.epoch = attempt->epoch,
		.started_at = attempt->started_at,
		.finished_at = finished_at,
		.output = output,
		.error = error,
	};

	jo_store_insert_step(&row);
}

void
jo_books_finish(const JoAttempt *attempt, char status, Jsonb *output, Jsonb *error, Jsonb *notices)
{
	TimestampTz now = jo_clock_now();

	if (attempt->attempt > 1 || attempt->traced || error != NULL || notices != NULL)
		insert_attempt(attempt, status, now, 0, error, notices);
	insert_step(attempt, status, now, output, error);
}

JoOutcome
jo_books_fail(const JoAttempt *attempt, const JoStepDef *step, int sqlstate,
			  Jsonb *error, Jsonb *notices, TimestampTz *retry_due)
{
	TimestampTz now = jo_clock_now();
	int			tries = attempt->epoch_attempts + 1;
	JoTimerRow	timer;

	if (step == NULL || tries >= step->retry.max_attempts ||
		!jo_failure_retryable(&step->retry, sqlstate))
	{
		insert_attempt(attempt, JO_STEP_FAILED, now, 0, error, notices);
		insert_step(attempt, JO_STEP_FAILED, now, NULL, error);
		return JO_OUTCOME_FAILED;
	}
	timer.due = now + jo_failure_backoff(&step->retry, tries);
	timer.run_id = attempt->run_id;
	timer.step = attempt->step;
	timer.item = JO_NO_ITEM;
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
