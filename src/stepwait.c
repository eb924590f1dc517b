/*
 * stepwait.c
 *		Steps that wait for a time, a signal, or a state of the database.
 *
 * No process is held meanwhile: each function looks, and says when to look again.
 * Whatever was decided before (when it is due, its deadline) is in try->wait, so a
 * restart changes nothing.  Takes signals through store.c; runs the step's SQL.
 */
#include "joborch.h"

#include "catalog/pg_type.h"
#include "clock.h"
#include "common/int.h"
#include "errors.h"
#include "jsonbuild.h"
#include "replication/walsender.h"
#include "replication/walsender_private.h"
#include "sqlresult.h"
#include "sqlstep.h"
#include "steptypes.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/pg_lsn.h"
#include "utils/timestamp.h"

/* ---- what all have ---- */

/* now + so many microseconds; what lies beyond all times is never. */
static TimestampTz
later(TimestampTz now, int64 microseconds)
{
	TimestampTz then;

	if (pg_add_s64_overflow(now, microseconds, &then) || !IS_VALID_TIMESTAMP(then))
		return END_TIMESTAMP - 1;
	return then;
}

void
jo_step_begin_wait(JoTry *try, char kind)
{
	if (try->waited)
		return;
	try->wait.kind = kind;
	try->wait.look_at = 0;
	try->wait.child = 0;
	try->wait.key = NULL;
	try->wait.detail = NULL;
	try->wait.deadline = try->step->timeout > 0 ? later(try->started_at, try->step->timeout) : 0;
}

bool
jo_step_is_late(const JoTry *try, TimestampTz now)
{
	return try->wait.deadline != 0 && now >= try->wait.deadline;
}

JoVerdict
jo_step_wait_until(JoTry *try, TimestampTz look_at)
{
	if (try->wait.deadline != 0 && (look_at == 0 || look_at > try->wait.deadline))
		look_at = try->wait.deadline;
	try->wait.look_at = look_at;
	return JO_VERDICT_WAIT;
}

void
jo_step_raise_timeout(JoTry *try, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_STEP_TIMEOUT),
			 errmsg("%s timed out after " INT64_FORMAT " ms",
					jo_document_place(try->document), try->step->timeout / 1000),
			 errdetail("It waited until %s.", timestamptz_to_str(try->wait.deadline)),
			 errhint("%s", hint)));
}

static Jsonb *
make_moment(TimestampTz time)
{
	char		text[MAXDATELEN + 1];
	JsonbValue	value;

	jo_jsonb_string_value(&value, JsonEncodeDateTime(text, TimestampTzGetDatum(time), TIMESTAMPTZOID, NULL));
	return JsonbValueToJsonb(&value);
}

/* ---- delay ---- */

static TimestampTz
find_due(JoTry *try)
{
	const JoWaitDef *wait = try->step->wait;
	char	   *text;
	TimestampTz due;

	if (wait->until == NULL)
		return later(try->started_at, wait->duration);
	text = jo_step_text(try, wait->until);
	if (text == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"until\" of %s is null", jo_document_place(try->document)),
				 errdetail("A delay must end at some time."),
				 errhint("Give a fallback: {{ ... | default(\"now\") }}.")));
	due = DatumGetTimestampTz(DirectFunctionCall3(timestamptz_in, CStringGetDatum(text),
												  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
	if (due == DT_NOEND)
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("\"until\" of %s is infinity", jo_document_place(try->document)),
				 errdetail("A delay must end at some time."),
				 errhint("To wait for somebody, use a step of type \"wait_signal\" or \"approval\".")));
	return due;
}

JoVerdict
jo_step_delay(JoTry *try)
{
	TimestampTz now = jo_clock_now();
	JsonbParseState *state = NULL;

	if (!try->waited)
	{
		jo_step_begin_wait(try, JO_WAIT_DELAY);
		try->wait.deadline = find_due(try);
	}
	if (now < try->wait.deadline)
		return jo_step_wait_until(try, try->wait.deadline);

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_jsonb(&state, "until", make_moment(try->wait.deadline));
	try->output = JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
	return JO_VERDICT_COMPLETED;
}

/* ---- wait_signal ---- */

static Jsonb *
build_signal(const char *name, const JoSignalRow *signal)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_string(&state, "name", name);
	if (signal == NULL)
	{
		jo_jsonb_add_jsonb(&state, "payload", jo_jsonb_null());
		jo_jsonb_add_bool(&state, "timed_out", true);
	}
	else
	{
		jo_jsonb_add_jsonb(&state, "payload", signal->payload != NULL ? signal->payload : jo_jsonb_null());
		jo_jsonb_add_string(&state, "sent_by", signal->sent_by);
		jo_jsonb_add_jsonb(&state, "sent_at", make_moment(signal->sent_at));
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static const char *
find_signal_name(JoTry *try)
{
	char	   *name;

	if (try->step->wait->signal == NULL)
		return try->step->shown;
	name = jo_step_text(try, try->step->wait->signal);
	if (name == NULL || name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"signal\" of %s is empty", jo_document_place(try->document)),
				 errdetail("It is null or an empty text."),
				 errhint("Leave out \"signal\" to wait for one with the step's name.")));
	return name;
}

JoVerdict
jo_step_wait_signal(JoTry *try)
{
	JoSignalRow signal;

	if (!try->waited)
	{
		jo_step_begin_wait(try, JO_WAIT_SIGNAL);
		try->wait.key = find_signal_name(try);
	}
	if (jo_store_take_signal(try->run_id, JO_SIGNAL_SENT, try->wait.key, try->step->index,
							 try->item, &signal))
	{
		try->output = build_signal(try->wait.key, &signal);
		return JO_VERDICT_COMPLETED;
	}
	if (!jo_step_is_late(try, jo_clock_now()))
		return jo_step_wait_until(try, 0);
	if (try->step->wait->on_timeout == JO_ON_TIMEOUT_SKIP)
		return JO_VERDICT_SKIPPED;
	if (try->step->wait->on_timeout != JO_ON_TIMEOUT_CONTINUE)
		jo_step_raise_timeout(try, psprintf("SELECT joborch.signal_run(" INT64_FORMAT ", '%s') sends the signal; "
											"\"on_timeout\": \"continue\" goes on without it.",
											try->run_id, try->wait.key));
	try->output = build_signal(try->wait.key, NULL);
	return JO_VERDICT_COMPLETED;
}

/* ---- wait_sql ---- */

/*
 * Has every connected standby replayed up to there?  Read from shared memory: the
 * view shows its times and places to few roles.
 */
static bool
standbys_have(XLogRecPtr lsn)
{
	int			streaming = 0;
	int			i;

	for (i = 0; i < max_wal_senders; i++)
	{
		WalSnd	   *sender = &WalSndCtl->walsnds[i];
		XLogRecPtr	applied;
		bool		counts;

		SpinLockAcquire(&sender->mutex);
		counts = sender->pid != 0 &&
			(sender->state == WALSNDSTATE_STREAMING || sender->state == WALSNDSTATE_CATCHUP);
		applied = sender->apply;
		SpinLockRelease(&sender->mutex);
		if (counts && (XLogRecPtrIsInvalid(applied) || applied < lsn))
			return false;
		streaming += counts;
	}
	return streaming > 0;
}

static char *
get_text_or_raise(JoTry *try, const JoValue *value, const char *key)
{
	char	   *text = jo_step_text(try, value);

	if (text == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("\"%s\" of %s is null", key, jo_document_place(try->document)),
				 errdetail("There is nothing to wait for."),
				 errhint("Give a fallback: {{ ... | default(...) }}.")));
	return text;
}

/* Is what is waited for the case now?  *output gets the row that says so. */
static bool
is_the_case(JoTry *try, Jsonb **output)
{
	const JoWaitDef *wait = try->step->wait;

	if (wait->lsn != NULL)
	{
		char	   *text = get_text_or_raise(try, wait->lsn, "lsn");

		return standbys_have(DatumGetLSN(DirectFunctionCall1(pg_lsn_in, CStringGetDatum(text))));
	}
	if (wait->lock_key != NULL)
	{
		char	   *text = get_text_or_raise(try, wait->lock_key, "key");

		/* held to the end of this transaction, which is at hand */
		return DatumGetBool(DirectFunctionCall1(pg_try_advisory_xact_lock_int8,
												DirectFunctionCall1(int8in, CStringGetDatum(text))));
	}
	if (wait->condition.sql != NULL)
		return jo_sqlstep_holds(try->job, try->step, wait->condition.sql, wait->condition.plan,
								try->document, output);
	return jo_step_holds(try, &wait->condition, try->document);
}

static Jsonb *
build_answer(bool answer, bool timed_out)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_bool(&state, timed_out ? "timed_out" : "met", answer);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

JoVerdict
jo_step_wait_sql(JoTry *try)
{
	TimestampTz now;

	jo_step_begin_wait(try, JO_WAIT_SQL);
	if (is_the_case(try, &try->output))
	{
		if (try->output == NULL)
			try->output = build_answer(true, false);
		return JO_VERDICT_COMPLETED;
	}
	try->output = NULL;
	now = jo_clock_now();
	if (!jo_step_is_late(try, now))
		return jo_step_wait_until(try, later(now, try->step->wait->interval));
	if (try->step->wait->on_timeout == JO_ON_TIMEOUT_SKIP)
		return JO_VERDICT_SKIPPED;
	if (try->step->wait->on_timeout != JO_ON_TIMEOUT_CONTINUE)
		jo_step_raise_timeout(try, "Raise the step's \"timeout\"; \"on_timeout\": \"continue\" goes on all the same.");
	try->output = build_answer(true, true);
	return JO_VERDICT_COMPLETED;
}
