/*
 * schedfire.c
 *		What is to be done about one schedule now.
 *
 * First all of it is decided, from the rows as they are; then the state is written, if
 * nobody else has it, and after that the fires and runs.  So whoever holds a state is
 * alone with its schedule, the dispatcher waits for nobody, and each nominal time has one
 * row in schedule_fire, whose primary key would refuse a second.
 */
#include "joborch.h"

#include "announce.h"
#include "access/xact.h"
#include "clock.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "rights.h"
#include "schedfire.h"
#include "schedspec.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define MAX_FIRES 100			/* of one look */
#define MAX_MISSED 1000			/* rows of one look; the rest is one more */
#define MAX_COUNTED 100000
#define MAX_BUFFERED 1000
#define MIN_CATCHUP (10 * USECS_PER_SEC)	/* less late is nobody's fault */

void		(*jo_schedule_prepare_hook) (const JoScheduleRow *row, Jsonb *input,
										 JoRunRow *run, JoLiveRow *live) = NULL;

typedef struct Start
{
	JoRunRow	run;
	JoLiveRow	live;
} Start;

typedef struct Look
{
	JoScheduleRow row;
	JoScheduleState *state;
	JoTimeSpec *spec;
	TimestampTz now;
	JoFireRow  *fires;			/* to insert */
	int			nfires;
	int			max_fires;
	Start	   *starts;
	int			nstarts;
	int			max_starts;
	JoFireRow  *changes;		/* of buffered fires, to update */
	int			nchanges;
	int			max_changes;
	int			buffered_here;	/* the fire of this look that is buffered; -1: none */
	char	   *pause;			/* why the schedule is to be paused */
} Look;

/* Room for one more element of an array of the look. */
static void *
make_room(void *array, int n, int *capacity, Size size)
{
	if (n < *capacity)
		return array;
	*capacity = Max(4, *capacity * 2);
	return array == NULL ? palloc(*capacity * size) : repalloc_huge(array, *capacity * size);
}

static JoFireRow *
add_fire(Look *look, TimestampTz nominal, char outcome, const char *reason)
{
	JoFireRow  *fire;

	look->fires = make_room(look->fires, look->nfires, &look->max_fires, sizeof(JoFireRow));
	fire = &look->fires[look->nfires++];
	MemSet(fire, 0, sizeof(JoFireRow));
	fire->schedule_id = look->row.schedule_id;
	fire->nominal = nominal;
	fire->at = look->now;
	fire->outcome = outcome;
	fire->reason = reason;
	return fire;
}

static JoFireRow *
add_change(Look *look, const JoFireRow *fire)
{
	look->changes = make_room(look->changes, look->nchanges, &look->max_changes, sizeof(JoFireRow));
	look->changes[look->nchanges] = *fire;
	look->changes[look->nchanges].at = look->now;
	return &look->changes[look->nchanges++];
}

/* ---- runs that ended ---- */

static void
note_failure(Look *look)
{
	JoScheduleState *state = look->state;

	state->failures++;
	if (look->row.pause_after_failures > 0 && state->failures >= look->row.pause_after_failures &&
		look->pause == NULL && !look->row.paused)
		look->pause = psprintf(state->failures == 1 ? "a run failed" : "%d runs failed one after another",
							   state->failures);
}

/* The end of a run that is over; now, if its rows were deleted. */
static TimestampTz
note_end(Look *look, int64 run_id)
{
	JoEndRow	end;

	if (!jo_store_end(run_id, jo_store_latest(), &end))
		return look->now;
	if (end.status == JO_RUN_COMPLETED)
		look->state->failures = 0;
	else if (end.status == JO_RUN_FAILED)
		note_failure(look);
	return end.finished_at;
}

/* Takes out the runs that are over; returns when the last of them ended, 0 if none did. */
static TimestampTz
settle_open(Look *look)
{
	JoScheduleState *state = look->state;
	TimestampTz last = 0;
	JoLiveRow	live;
	int			kept = 0;

	for (int i = 0; i < state->nopen; i++)
	{
		int64		run_id = state->open_runs[i];

		if (jo_store_live(run_id, jo_store_latest(), &live))
			state->open_runs[kept++] = run_id;
		else
		{
			TimestampTz ended = note_end(look, run_id);

			last = Max(last, ended);
		}
	}
	state->nopen = kept;
	return last;
}

/* ---- starting ---- */

/* Is its end to be told at once? */
static bool
needs_end(const Look *look)
{
	const JoScheduleRow *row = &look->row;

	return row->overlap == JO_OVERLAP_BUFFER_ONE || row->overlap == JO_OVERLAP_BUFFER_ALL ||
		row->overlap == JO_OVERLAP_CANCEL || row->pause_after_failures > 0 || row->after_finish ||
		look->state->buffered > 0;
}

static void
add_open(Look *look, int64 run_id)
{
	JoScheduleState *state = look->state;
	int64	   *runs;

	if (look->row.overlap == JO_OVERLAP_ALLOW_ALL && !needs_end(look))
		return;
	runs = palloc(sizeof(int64) * (state->nopen + 1));
	if (state->nopen > 0)
		memcpy(runs, state->open_runs, sizeof(int64) * state->nopen);
	runs[state->nopen++] = run_id;
	state->open_runs = runs;
}

bool
jo_schedule_may_pass(int sqlstate)
{
	int			category = ERRCODE_TO_CATEGORY(sqlstate);

	return category == ERRCODE_TRANSACTION_ROLLBACK || category == ERRCODE_INSUFFICIENT_RESOURCES ||
		category == ERRCODE_OPERATOR_INTERVENTION || category == ERRCODE_SYSTEM_ERROR;
}

/* What start() would refuse; NULL: nothing, and *start is filled in. */
static char *
prepare(Look *look, Start *start)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char	   *volatile reason = NULL;

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		MemoryContextSwitchTo(context);
		jo_schedule_prepare_hook(&look->row, NULL, &start->run, &start->live);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		if (jo_schedule_may_pass(error->sqlerrcode))
			ReThrowError(error);
		reason = error->detail == NULL ? error->message :
			psprintf("%s: %s", error->message, error->detail);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return reason;
}

/* A run for this fire, which says how it went. */
static void
start_run(Look *look, JoFireRow *fire)
{
	JoScheduleState *state = look->state;
	Start	   *start;
	char	   *reason;

	look->starts = make_room(look->starts, look->nstarts, &look->max_starts, sizeof(Start));
	start = &look->starts[look->nstarts];
	reason = prepare(look, start);
	if (reason != NULL)
	{
		fire->outcome = JO_FIRE_FAILED;
		fire->reason = reason;
		note_failure(look);
		return;
	}
	start->run.run_id = start->live.run_id = jo_store_next_run_id();
	start->run.fire_at = fire->nominal;
	start->live.followed = needs_end(look);
	look->nstarts++;
	fire->outcome = JO_FIRE_FIRED;
	fire->run_id = start->run.run_id;
	state->fired++;
	state->last_run_id = fire->run_id;
	add_open(look, fire->run_id);
}

/* ---- overlap ---- */

/* False when somebody has the row of one of them. */
static bool
cancel_open(Look *look, char how)
{
	for (int i = 0; i < look->state->nopen; i++)
	{
		int64		run_id = look->state->open_runs[i];
		bool		again = false;

		if (jo_store_set_cancel(run_id, how, &again))
			jo_announce_control(run_id);
		if (again)
			return false;
	}
	return true;
}

static void
skip_for_run(Look *look, TimestampTz nominal)
{
	const JoScheduleState *state = look->state;

	if (state->nopen > 0)
		(void) add_fire(look, nominal, JO_FIRE_SKIPPED,
						psprintf("run " INT64_FORMAT " had not ended", state->open_runs[state->nopen - 1]));
	else
		(void) add_fire(look, nominal, JO_FIRE_SKIPPED, "an earlier time was still waiting");
}

static void
buffer_fire(Look *look, TimestampTz nominal)
{
	JoScheduleState *state = look->state;
	char	   *reason = "waits for an earlier one";

	if (state->nopen > 0)
		reason = psprintf("waits for the end of run " INT64_FORMAT, state->open_runs[state->nopen - 1]);
	(void) add_fire(look, nominal, JO_FIRE_BUFFERED, reason);
	look->buffered_here = look->nfires - 1;
	state->buffered++;
}

/* The one that waits gives way to a later one. */
static void
drop_buffered(Look *look)
{
	static const char *const reason = "a later time came before the run that was cancelled had ended";
	JoFireRow	fire;

	if (look->buffered_here >= 0)
	{
		look->fires[look->buffered_here].outcome = JO_FIRE_SKIPPED;
		look->fires[look->buffered_here].reason = reason;
	}
	else if (jo_store_buffered_fire(look->row.schedule_id, &fire))
	{
		JoFireRow  *change = add_change(look, &fire);

		change->outcome = JO_FIRE_SKIPPED;
		change->reason = reason;
	}
	look->buffered_here = -1;
	look->state->buffered = 0;
}

/* While a run is open or fires wait.  False: somebody has the row of a run. */
static bool
decide_overlap(Look *look, TimestampTz nominal)
{
	switch (look->row.overlap)
	{
		case JO_OVERLAP_BUFFER_ONE:
			if (look->state->buffered == 0)
				buffer_fire(look, nominal);
			else
				(void) add_fire(look, nominal, JO_FIRE_SKIPPED, "another time waits already");
			return true;
		case JO_OVERLAP_BUFFER_ALL:
			if (look->state->buffered < MAX_BUFFERED)
				buffer_fire(look, nominal);
			else
				(void) add_fire(look, nominal, JO_FIRE_SKIPPED,
								psprintf("%d others wait already", MAX_BUFFERED));
			return true;
		case JO_OVERLAP_CANCEL:
			if (!cancel_open(look, JO_CANCEL_GRACEFUL))
				return false;
			if (look->state->buffered > 0)
				drop_buffered(look);
			buffer_fire(look, nominal);
			return true;
		case JO_OVERLAP_TERMINATE:
			if (!cancel_open(look, JO_CANCEL_FORCE))
				return false;
			start_run(look, add_fire(look, nominal, JO_FIRE_FIRED, NULL));
			return true;
		default:
			skip_for_run(look, nominal);
			return true;
	}
}

static bool
decide(Look *look, TimestampTz nominal)
{
	if (look->row.overlap != JO_OVERLAP_ALLOW_ALL && (look->state->nopen > 0 || look->state->buffered > 0))
		return decide_overlap(look, nominal);
	start_run(look, add_fire(look, nominal, JO_FIRE_FIRED, NULL));
	return true;
}

/* ---- what waited ---- */

static bool
is_exhausted(const Look *look)
{
	return look->row.max_runs > 0 && look->state->fired >= look->row.max_runs;
}

/* One after another, the earliest first. */
static void
start_buffered(Look *look)
{
	JoFireRow	fire;

	while (look->state->buffered > 0 && look->state->nopen == 0 && look->pause == NULL)
	{
		JoFireRow  *change;

		/* its row is not there as long as this look did not write what it did */
		if (look->nchanges > 0)
			break;
		if (!jo_store_buffered_fire(look->row.schedule_id, &fire))
		{
			look->state->buffered = 0;
			break;
		}
		look->state->buffered--;
		change = add_change(look, &fire);
		start_run(look, change);
		if (change->outcome == JO_FIRE_FIRED)
			change->reason = psprintf("waited until %s", timestamptz_to_str(look->now));
	}
}

/* ---- what is due ---- */

static TimestampTz
fire_time(const Look *look, TimestampTz nominal)
{
	return jo_timespec_fire_time(look->spec, look->row.schedule_id, nominal);
}

static bool
is_before(const Look *look, TimestampTz nominal, TimestampTz limit)
{
	return nominal != 0 && !TIMESTAMP_IS_NOEND(nominal) && fire_time(look, nominal) < limit;
}

/* What should have fired before is missed. */
static TimestampTz
late_limit(const Look *look)
{
	return look->now - Max(look->row.catchup, MIN_CATCHUP);
}

/* Counts on without rows; returns the first time that is not missed. */
static TimestampTz
pass_missed(Look *look, TimestampTz nominal, TimestampTz horizon, int64 *n, TimestampTz *last)
{
	for (*n = 0; *n < MAX_COUNTED && is_before(look, nominal, horizon); (*n)++)
	{
		CHECK_FOR_INTERRUPTS();
		*last = nominal;
		nominal = jo_timespec_next(look->spec, nominal);
	}
	if (*n < MAX_COUNTED)
		return nominal;
	/* with jitter an earlier nominal time may fire after the horizon, but not by a day */
	nominal = jo_timespec_next(look->spec, Max(nominal, horizon - USECS_PER_DAY));
	while (is_before(look, nominal, horizon))
	{
		CHECK_FOR_INTERRUPTS();
		*last = nominal;
		nominal = jo_timespec_next(look->spec, nominal);
	}
	return nominal;
}

/*
 * Times that are later than the catch-up window allows: a row each, and one for the rest if
 * there are very many.  Returns the first that is not missed.
 */
static TimestampTz
miss(Look *look, TimestampTz nominal)
{
	TimestampTz horizon = late_limit(look);
	TimestampTz first;
	TimestampTz last = nominal;
	int64		n;

	for (int i = 0; i < MAX_MISSED && is_before(look, nominal, horizon); i++)
	{
		CHECK_FOR_INTERRUPTS();
		if (!jo_store_fire_exists(look->row.schedule_id, nominal))
			(void) add_fire(look, nominal, JO_FIRE_MISSED, "found later than the catch-up window allows");
		look->state->last_nominal = nominal;
		nominal = jo_timespec_next(look->spec, nominal);
	}
	if (!is_before(look, nominal, horizon))
		return nominal;
	first = nominal;
	nominal = pass_missed(look, nominal, horizon, &n, &last);
	if (!jo_store_fire_exists(look->row.schedule_id, first))
		(void) add_fire(look, first, JO_FIRE_MISSED,
						psprintf("this and %s" INT64_FORMAT " more times up to %s were found later than the catch-up window allows",
								 n == MAX_COUNTED ? "more than " : "", n - 1, timestamptz_to_str(last)));
	look->state->last_nominal = last;
	return nominal;
}

/* Of times that are due together only the last is worth a run that ends those before it. */
static bool
is_superseded(const Look *look, TimestampTz next)
{
	return (look->row.overlap == JO_OVERLAP_CANCEL || look->row.overlap == JO_OVERLAP_TERMINATE) &&
		is_before(look, next, look->now + 1);
}

/* One nominal time; *next is the one after it, 0 if that is not known before the run ended. */
static bool
fire_one(Look *look, TimestampTz nominal, TimestampTz *next)
{
	int			before = look->nstarts;

	*next = look->row.after_finish ? 0 : jo_timespec_next(look->spec, nominal);
	if (jo_store_fire_exists(look->row.schedule_id, nominal))
		;						/* somebody was faster: backfill_schedule() */
	else if (is_superseded(look, *next))
		(void) add_fire(look, nominal, JO_FIRE_SKIPPED, "a later time was due together with it");
	else if (!decide(look, nominal))
		return false;
	look->state->last_nominal = nominal;
	if (look->row.after_finish && look->nstarts == before && look->state->nopen == 0)
		*next = jo_timespec_next(look->spec, look->now);
	return true;
}

/* False: somebody has a row that is needed. */
static bool
fire_due(Look *look)
{
	JoScheduleState *state = look->state;
	TimestampTz nominal = state->next_nominal;

	for (int n = 0; n < MAX_FIRES && is_before(look, nominal, look->now + 1) && look->pause == NULL; n++)
	{
		if (is_exhausted(look))
			nominal = 0;
		else if (is_before(look, nominal, late_limit(look)))
		{
			nominal = miss(look, nominal);
			if (look->row.after_finish)
				nominal = jo_timespec_next(look->spec, look->now);
		}
		else if (!fire_one(look, nominal, &nominal))
			return false;
	}
	state->next_nominal = TIMESTAMP_IS_NOEND(nominal) ? 0 : nominal;
	return true;
}

/* The server's start is a nominal time, if the schedule was there before. */
static bool
fire_boot(Look *look)
{
	if (look->row.boot_after == 0 || PgStartTime <= look->row.boot_after || look->pause != NULL ||
		is_exhausted(look) || jo_store_fire_exists(look->row.schedule_id, PgStartTime))
		return true;
	return decide(look, PgStartTime);
}

/* ---- all ---- */

/* False: somebody has a row that is needed. */
static bool
decide_all(Look *look)
{
	JoScheduleState *state = look->state;
	TimestampTz ended = settle_open(look);
	bool		all = true;

	look->spec = jo_schedspec_get(&look->row);
	if (look->pause == NULL && !look->row.paused)
	{
		if (ended != 0 && look->row.after_finish && state->nopen == 0 && state->next_nominal == 0)
			state->next_nominal = jo_timespec_next(look->spec, ended);
		start_buffered(look);
		all = fire_due(look) && fire_boot(look);
	}
	if (is_exhausted(look) || TIMESTAMP_IS_NOEND(state->next_nominal))
		state->next_nominal = 0;
	if (look->pause != NULL || look->row.paused)
		state->next_nominal = 0;
	state->next_fire = state->next_nominal == 0 ? 0 : fire_time(look, state->next_nominal);
	/* one that waited could not be started: the next one is for another look */
	if (state->buffered > 0 && state->nopen == 0 && look->pause == NULL && !look->row.paused)
		state->next_fire = look->now;
	return all;
}

static void
write_all(Look *look, int *written)
{
	for (int i = 0; i < look->nstarts; i++)
	{
		jo_store_insert_run(&look->starts[i].run, &look->starts[i].live);
		jo_announce_start(&look->starts[i].live);
	}
	jo_store_insert_fires(look->fires, look->nfires);
	for (int i = 0; i < look->nchanges; i++)
		jo_store_update_fire(&look->changes[i]);
	*written += 2 * look->nstarts + look->nfires + look->nchanges + 1;
	if (look->pause != NULL)
		(void) jo_schedule_pause(look->row.schedule_id, look->pause);	/* its state is ours */
}

bool
jo_schedule_look(JoScheduleState *state, TimestampTz now, int *written)
{
	JoScheduleState before = *state;
	Look		look = {.state = state, .now = now, .buffered_here = -1};

	if (before.nopen > 0)
	{
		state->open_runs = palloc(sizeof(int64) * before.nopen);
		memcpy(state->open_runs, before.open_runs, sizeof(int64) * before.nopen);
	}
	if (!jo_store_schedule(state->schedule_id, &look.row) || look.row.dropped_at != 0)
		return true;
	if (!decide_all(&look) || !jo_store_update_schedule(state))
	{
		*state = before;
		return false;
	}
	write_all(&look, written);
	return true;
}

bool
jo_schedule_pause(int64 schedule_id, const char *reason)
{
	Oid			types[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(schedule_id), CStringGetTextDatum(reason)};
	JoRights	rights;
	bool		isnull;
	bool		done;

	CommandCounterIncrement();
	jo_rights_raise(&rights);
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	(void) SPI_execute_with_args("SELECT joborch_internal.pause_by_itself($1, $2)", 2, types, values, NULL, false, 1);
	done = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	SPI_finish();
	PopActiveSnapshot();
	jo_rights_restore(&rights);
	CommandCounterIncrement();
	return done;
}
