/*
 * testrunwait.c
 *		Time in test_run(): what waits, and what comes next.
 *
 * The clock is held.  When nothing is left to be carried out it jumps to the next time
 * at which something is due: a delay, a pause before a retry, a time-out, or a stub
 * that is to be sent later.  Sends the stubs of waiting steps, as rows, through SQL.
 */
#include "joborch.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "executor/spi.h"
#include "rights.h"
#include "testrun.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/*
 * So often a condition is looked at again while nothing else happens.  Within one
 * transaction it is not likely to change by itself then.
 */
#define MAX_LOOKS 100

/* ---- what waits ---- */

static JoTestWait *
find_wait(JoTest *test, const JoTestRun *run, int32 step, int32 item)
{
	ListCell   *cell;

	foreach(cell, test->waits)
	{
		JoTestWait *wait = lfirst(cell);

		if (wait->run == run && wait->step == step && wait->item == item && wait->kind != JO_TEST_SEND)
			return wait;
	}
	return NULL;
}

static JoTestWait *
add_wait(JoTest *test, JoTestRun *run, int32 step, int32 item, char kind, TimestampTz due)
{
	JoTestWait *wait = palloc0(sizeof(JoTestWait));

	wait->run = run;
	wait->step = step;
	wait->item = item;
	wait->kind = kind;
	wait->due = due;
	test->waits = lappend(test->waits, wait);
	return wait;
}

void
jo_test_wait(JoTest *test, JoTestRun *run, const JoAttempt *attempt, char kind, TimestampTz due,
			 const JoWaitRow *row)
{
	JoTestWait *wait = find_wait(test, run, attempt->step, attempt->item);

	if (wait == NULL)
		wait = add_wait(test, run, attempt->step, attempt->item, kind, due);
	else
		wait->looks++;
	wait->kind = kind;
	wait->due = due;
	wait->deadline = row != NULL ? row->deadline : 0;
	wait->child = row != NULL ? row->child : 0;
	wait->key = row != NULL && row->key != NULL ? pstrdup(row->key) : NULL;
}

void
jo_test_wait_for_end(JoTest *test, JoTestRun *run, TimestampTz due)
{
	(void) add_wait(test, run, -1, JO_NO_ITEM, JO_TEST_RUN_TIMEOUT, due);
}

void
jo_test_forget_wait(JoTest *test, const JoTestRun *run, int32 step, int32 item)
{
	JoTestWait *wait = find_wait(test, run, step, item);

	if (wait != NULL)
		test->waits = list_delete_ptr(test->waits, wait);
}

void
jo_test_progress(JoTest *test)
{
	ListCell   *cell;

	test->progress_at = test->now;
	foreach(cell, test->waits)
		((JoTestWait *) lfirst(cell))->looks = 0;
}

/* ---- stubs of steps that wait ---- */

static void
insert_signal(JoTest *test, const JoTestWait *wait)
{
	Oid			types[] = {INT8OID, TIMESTAMPTZOID, CHAROID, TEXTOID, TEXTOID, JSONBOID, INT4OID, INT4OID, TEXTOID};
	const JoStub *stub = wait->stub;
	bool		signal = stub->kind == JO_STUB_SIGNAL;
	Datum		values[lengthof(types)];
	char		nulls[lengthof(types)];
	JoRights	rights;

	memset(nulls, ' ', sizeof(nulls));
	values[0] = Int64GetDatum(wait->run->active.run_id);
	values[1] = TimestampTzGetDatum(test->now);
	values[2] = CharGetDatum(signal ? JO_SIGNAL_SENT : stub->approve ? JO_SIGNAL_APPROVED : JO_SIGNAL_REJECTED);
	values[3] = CStringGetTextDatum(stub->by != NULL ? stub->by : test->caller_name);
	values[4] = wait->key != NULL ? CStringGetTextDatum(wait->key) : (Datum) 0;
	values[5] = JsonbPGetDatum(stub->value);
	values[6] = Int32GetDatum(wait->step);
	values[7] = Int32GetDatum(wait->item);
	values[8] = stub->text != NULL ? CStringGetTextDatum(stub->text) : (Datum) 0;
	nulls[4] = wait->key != NULL ? ' ' : 'n';
	nulls[5] = stub->value != NULL ? ' ' : 'n';
	nulls[7] = wait->item != JO_NO_ITEM ? ' ' : 'n';
	nulls[8] = stub->text != NULL ? ' ' : 'n';
	jo_rights_raise(&rights);
	SPI_connect();
	SPI_execute_with_args("SELECT joborch_internal.send_stub($1, $2, $3, $4, $5, $6, $7, $8, $9)",
						  lengthof(types), types, values, nulls, false, 0);
	SPI_finish();
	jo_rights_restore(&rights);
	CommandCounterIncrement();
}

static void
wake(JoTestWait *wait)
{
	JoStepState *state = jo_test_state(wait->run, wait->step, wait->item);

	if (state != NULL)
		jo_active_wake(&wait->run->active, state);
}

static void
send(JoTest *test, JoTestWait *wait)
{
	test->waits = list_delete_ptr(test->waits, wait);
	insert_signal(test, wait);
	wake(wait);
}

static JoStub *
copy_stub(const JoStub *stub)
{
	JoStub	   *copy = palloc(sizeof(JoStub));

	*copy = *stub;
	if (stub->value != NULL)
	{
		copy->value = palloc(VARSIZE(stub->value));
		memcpy(copy->value, stub->value, VARSIZE(stub->value));
	}
	copy->text = stub->text != NULL ? pstrdup(stub->text) : NULL;
	copy->by = stub->by != NULL ? pstrdup(stub->by) : NULL;
	return copy;
}

void
jo_test_send(JoTest *test, JoTestRun *run, const JoAttempt *attempt, const JoWaitRow *row,
			 const JoStub *stub)
{
	JoTestWait *wait;

	if (stub->kind != JO_STUB_SIGNAL && stub->kind != JO_STUB_DECISION)
		return;
	wait = add_wait(test, run, attempt->step, attempt->item, JO_TEST_SEND, test->now + stub->after);
	wait->key = row->key != NULL ? pstrdup(row->key) : NULL;
	wait->stub = copy_stub(stub);
	if (stub->after == 0)
		send(test, wait);
}

/* ---- what comes next ---- */

/* Does it still wait? */
static bool
is_waiting(const JoTestWait *wait)
{
	JoStepState *state;

	if (wait->run->done)
		return false;
	if (wait->kind == JO_TEST_RUN_TIMEOUT)
		return true;
	state = jo_test_state(wait->run, wait->step, wait->item);
	return state != NULL && state->status == (wait->kind == JO_TEST_RETRY ? JO_STEP_RETRYING : JO_STEP_WAITING);
}

/* When something happens to it, 0: never by itself. */
static TimestampTz
next_time(const JoTestWait *wait)
{
	if (wait->kind == JO_WAIT_SQL && wait->looks >= MAX_LOOKS)
		return wait->deadline;
	return wait->due;
}

static JoTestWait *
find_next(JoTest *test)
{
	JoTestWait *first = NULL;
	ListCell   *cell;

	foreach(cell, test->waits)
	{
		JoTestWait *wait = lfirst(cell);

		if (next_time(wait) != 0 && is_waiting(wait) &&
			(first == NULL || next_time(wait) < next_time(first)))
			first = wait;
	}
	return first;
}

bool
jo_test_advance(JoTest *test)
{
	JoTestWait *wait = find_next(test);

	if (wait == NULL)
		return false;
	test->now = Max(test->now, next_time(wait));
	jo_clock_hold(test->now);
	switch (wait->kind)
	{
		case JO_TEST_SEND:
			send(test, wait);
			break;
		case JO_TEST_RUN_TIMEOUT:
			test->waits = list_delete_ptr(test->waits, wait);
			jo_active_set_cancel(&wait->run->active, JO_CANCEL_TIMED_OUT);
			jo_test_settle(test, wait->run);
			break;
		default:
			wake(wait);
			break;
	}
	return true;
}

List *
jo_test_waiting(JoTest *test)
{
	List	   *waiting = NIL;
	ListCell   *cell;

	foreach(cell, test->waits)
	{
		JoTestWait *wait = lfirst(cell);

		/* of a step that waits for a run it started, that run's own waits say more */
		if (is_waiting(wait) && wait->child == 0 && wait->kind != JO_TEST_RUN_TIMEOUT)
			waiting = lappend(waiting, wait);
	}
	return waiting;
}
