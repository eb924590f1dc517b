/*
 * changes.c
 *		The trigger function of on_change(): rows that changed become runs.
 *
 * It runs in the session that changes the table.  Which rows count is decided with that
 * session's rights; the runs are started as the role that made the trigger, whose right to start
 * the job is asked each time.  Both are in one transaction with the change, so a run is there
 * exactly if the change is.  A role may only use a trigger that is its own: the function cannot be
 * named outside of its schema, and works only on the table for which the trigger was made.
 */
#include "joborch.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "changequery.h"
#include "clock.h"
#include "commands/trigger.h"
#include "defcache.h"
#include "errors.h"
#include "executor/spi.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "rights.h"
#include "start.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"

PG_FUNCTION_INFO_V1(joborch_change_fired);

#define BATCH 1000				/* rows that are started at a time */

/* A row of change_trigger. */
typedef struct Change
{
	int64		id;
	char	   *name;
	Oid			relation;
	int64		job_id;
	Oid			owner;
	char	   *tenant;
	bool		per_row;
	char	   *condition;
	char	   *input;
	char	   *key;
	int64		debounce;		/* microseconds; 0: none */
} Change;

/* What is to be started. */
typedef struct Wanted
{
	int			n;
	Jsonb	   *inputs[BATCH];
	char	   *keys[BATCH];	/* NULL: none */
} Wanted;

/* ---- which trigger ---- */

static char *
get_text(int column)
{
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column);
}

static int64
get_number(int column)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

/* In the current context; false: there is none. */
static bool
read_change(int64 id, Change *change)
{
	Oid			types[] = {INT8OID};
	Datum		values[] = {Int64GetDatum(id)};
	MemoryContext caller = CurrentMemoryContext;
	JoRights	rights;
	bool		found;

	jo_rights_raise(&rights);
	SPI_connect();
	SPI_execute_with_args("SELECT c.name, c.relation::oid::bigint, c.job_id, c.owner::bigint, c.tenant, c.per_row::integer::bigint,"
						  " c.condition, c.input, c.key, (extract(epoch FROM c.debounce) * 1000000)::bigint"
						  " FROM joborch_internal.change_trigger c WHERE c.trigger_id = $1",
						  1, types, values, NULL, true, 1);
	found = SPI_processed > 0;
	if (found)
	{
		MemoryContext inner = MemoryContextSwitchTo(caller);

		change->id = id;
		change->name = get_text(1);
		change->relation = (Oid) get_number(2);
		change->job_id = get_number(3);
		change->owner = (Oid) get_number(4);
		change->tenant = get_text(5);
		change->per_row = get_number(6) != 0;
		change->condition = get_text(7);
		change->input = get_text(8);
		change->key = get_text(9);
		change->debounce = get_number(10);
		MemoryContextSwitchTo(inner);
	}
	SPI_finish();
	jo_rights_restore(&rights);
	return found;
}

static const char *
event_of(TriggerEvent event)
{
	if (TRIGGER_FIRED_BY_INSERT(event))
		return "insert";
	return TRIGGER_FIRED_BY_UPDATE(event) ? "update" : "delete";
}

/* The trigger's own row; a trigger that somebody made by hand is refused. */
static void
find_change(TriggerData *data, Change *change)
{
	const Trigger *trigger = data->tg_trigger;

	if (!TRIGGER_FIRED_AFTER(data->tg_event) || !TRIGGER_FIRED_FOR_STATEMENT(data->tg_event) ||
		TRIGGER_FIRED_BY_TRUNCATE(data->tg_event) || trigger->tgnargs != 1 ||
		!read_change(strtoll(trigger->tgargs[0], NULL, 10), change) ||
		change->relation != RelationGetRelid(data->tg_relation))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" was not made by joborch.on_change()", trigger->tgname),
				 errhint("DROP TRIGGER %s ON %s; and SELECT joborch.on_change('%s', ...);",
						 quote_identifier(trigger->tgname), RelationGetRelationName(data->tg_relation),
						 RelationGetRelationName(data->tg_relation))));
}

/* ---- starting ---- */

/* Is there a later one with the same key?  Then that one counts. */
static bool
is_superseded(const Wanted *wanted, int i)
{
	for (int k = i + 1; k < wanted->n; k++)
		if ((wanted->keys[i] == NULL && wanted->keys[k] == NULL) ||
			(wanted->keys[i] != NULL && wanted->keys[k] != NULL && strcmp(wanted->keys[i], wanted->keys[k]) == 0))
			return true;
	return false;
}

/* Runs of the same key, of which one waits at most. */
static void
start_keyed(const Change *change, const JoStartJob *job, const Wanted *wanted)
{
	for (int i = 0; i < wanted->n; i++)
	{
		JoStartOptions options = {.priority = -1};

		CHECK_FOR_INTERRUPTS();
		if (is_superseded(wanted, i))
			continue;
		options.input = wanted->inputs[i];
		options.idempotency_key = psprintf("on_change " INT64_FORMAT ": %s", change->id,
										   wanted->keys[i] != NULL ? wanted->keys[i] : "");
		options.on_duplicate = JO_DUPLICATE_REPLACE;
		if (change->debounce > 0)
		{
			options.on_duplicate = JO_DUPLICATE_DEBOUNCE;
			options.run_at = jo_clock_now() + change->debounce;
		}
		(void) jo_start_run(job, &options);
	}
}

static void
start_as_owner(const Change *change, Wanted *wanted)
{
	JoStartOptions options = {.priority = -1};
	JoStartJob	job;
	JoRights	rights;

	jo_rights_act_as(change->owner, change->tenant, &rights);
	jo_start_find_job(psprintf(INT64_FORMAT, change->job_id), &job);
	if (change->debounce > 0 || change->key != NULL)
		start_keyed(change, &job, wanted);
	else if (wanted->n == 1)
	{
		options.input = wanted->inputs[0];
		(void) jo_start_run(&job, &options);
	}
	else
		jo_start_runs(&job, &options, wanted->inputs, wanted->n, NULL, NULL);
	jo_rights_restore(&rights);
}

/* Is it the job or the role that is not as it was when the trigger was made? */
static bool
is_outdated(int sqlstate)
{
	return sqlstate == ERRCODE_JO_JOB_NOT_FOUND || sqlstate == ERRCODE_JO_JOB_INACTIVE ||
		sqlstate == ERRCODE_INSUFFICIENT_PRIVILEGE || sqlstate == ERRCODE_UNDEFINED_OBJECT ||
		sqlstate == ERRCODE_JO_ROLE_CANNOT_CONNECT;
}

/*
 * A job that cannot be started at all any more does not keep others from changing the table:
 * false, with a warning.  An input that the job does not take does.
 */
static bool
start_all(const Change *change, Wanted *wanted)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		start_as_owner(change, wanted);
		ReleaseCurrentSubTransaction();
		done = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (!is_outdated(error->sqlerrcode))
			ReThrowError(error);
		ereport(WARNING,
				(errcode(error->sqlerrcode),
				 errmsg("change trigger \"%s\" starts nothing: %s", change->name, error->message),
				 errhint("SELECT joborch.drop_on_change(%s); takes it away.", quote_literal_cstr(change->name))));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return done;
}

/* ---- rows ---- */

/* Takes what the cursor gave over into the current context. */
static void
take_rows(Wanted *wanted, const SPITupleTable *rows, uint64 n)
{
	wanted->n = 0;
	for (uint64 i = 0; i < n; i++)
	{
		bool		isnull;
		Datum		input = SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &isnull);

		wanted->inputs[wanted->n] = isnull ? jo_jsonb_from_text("{}") : DatumGetJsonbPCopy(input);
		wanted->keys[wanted->n++] = SPI_getvalue(rows->vals[i], rows->tupdesc, 2);
	}
}

static void
start_from(Portal portal, const Change *change)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "joborch change", ALLOCSET_DEFAULT_SIZES);
	Wanted	   *wanted = palloc(sizeof(Wanted));
	bool		more = true;

	while (more)
	{
		MemoryContext before;

		SPI_cursor_fetch(portal, true, BATCH);
		more = SPI_processed == BATCH;
		before = MemoryContextSwitchTo(context);
		take_rows(wanted, SPI_tuptable, SPI_processed);
		SPI_freetuptable(SPI_tuptable);
		if (wanted->n > 0 && !start_all(change, wanted))
			more = false;
		MemoryContextSwitchTo(before);
		MemoryContextReset(context);
	}
}

Datum
joborch_change_fired(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	JoChangeQuery query = {0};
	Change		change;
	Portal		portal;
	int			nest_level;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("joborch_internal.change_fired() is a trigger function")));
	jo_shmem_require();
	if (MyBgworkerEntry == NULL)
		jo_defcache_trim();
	find_change(data, &change);
	query.event = event_of(data->tg_event);
	query.relation = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(data->tg_relation)),
												RelationGetRelationName(data->tg_relation));
	query.per_row = change.per_row;
	query.condition = change.condition;
	query.input = change.input;
	query.key = change.key;

	nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
	SPI_connect();
	SPI_register_trigger_data(data);
	portal = SPI_cursor_parse_open(NULL, jo_change_query(&query, JO_CHANGE_NEW, JO_CHANGE_OLD),
								   &(SPIParseOpenOptions) {.cursorOptions = CURSOR_OPT_NO_SCROLL});
	start_from(portal, &change);
	SPI_cursor_close(portal);
	SPI_finish();
	AtEOXact_GUC(false, nest_level);
	return PointerGetDatum(NULL);
}
