/*
 * follow.c
 *		What the end of a run brings about: in the transaction that writes the end.
 *
 * Only the dispatcher comes here, so no two ends are followed at a time, and it may not
 * wait for anybody's row.  What follows is decided by SQL (sql/extension/chains.sql), which
 * runs with raised rights and the path pinned, as any internal function does; so it is one
 * transaction with the row in ends: after a crash both are there, or the end is written
 * anew and what follows with it.
 */
#include "joborch.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "debugpoint.h"
#include "errors.h"
#include "executor/spi.h"
#include "failure.h"
#include "follow.h"
#include "rights.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

void		(*jo_follow_schedule_hook) (const JoRunRow *run, const JoEndRow *row) = NULL;

/* A statement over (run_id, status), with its plan once it is there. */
typedef struct Statement
{
	const char *text;
	SPIPlanPtr	plan;
} Statement;

static Statement prepare_end = {"SELECT * FROM joborch_internal.prepare_end($1, $2)", NULL};
static Statement follow_end = {"SELECT joborch_internal.follow_end($1, $2)", NULL};

static void
begin_statement(JoRights *rights)
{
	/* rows that were written directly are of the command before */
	CommandCounterIncrement();
	jo_rights_raise(rights);
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
}

static void
end_statement(const JoRights *rights)
{
	SPI_finish();
	PopActiveSnapshot();
	jo_rights_restore(rights);
	CommandCounterIncrement();
}

static void
execute(Statement *statement, const JoEndRow *row)
{
	Oid			types[] = {INT8OID, CHAROID};
	Datum		values[] = {Int64GetDatum(row->run_id), CharGetDatum(row->status)};

	if (statement->plan == NULL)
	{
		SPIPlanPtr	plan = SPI_prepare(statement->text, lengthof(types), types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "could not prepare \"%s\"", statement->text);
		statement->plan = plan;
	}
	(void) SPI_execute_plan(statement->plan, values, NULL, false, 1);
}

/* Of a cancelled run: because of what it depends on? */
static Jsonb *
explain_cancel(void)
{
	char	   *depends_on = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2);

	if (depends_on == NULL)
		return NULL;
	return jo_failure_make(ERRCODE_JO_DEPENDENCY,
						   psprintf("run %s, which it depends on, %s", depends_on,
									SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 4)),
						   psprintf("It was to begin after that one's %s.",
									SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3)),
						   "SELECT joborch.rerun(run_id) starts it without waiting.");
}

bool
jo_follow_prepare(JoEndRow *row)
{
	MemoryContext caller = CurrentMemoryContext;
	JoRights	rights;
	bool		ready;
	bool		isnull;

	begin_statement(&rights);
	execute(&prepare_end, row);
	ready = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	if (row->status == JO_RUN_CANCELLED)
	{
		MemoryContext inner = MemoryContextSwitchTo(caller);

		row->error = explain_cancel();
		MemoryContextSwitchTo(inner);
	}
	end_statement(&rights);
	return ready;
}

static void
tell_schedule(const JoEndRow *row)
{
	JoRunRow	run;

	if (jo_follow_schedule_hook != NULL &&
		jo_store_run(row->run_id, jo_store_latest(), &run) && run.schedule_id != 0)
		jo_follow_schedule_hook(&run, row);
}

void
jo_follow_ended(const JoEndRow *row)
{
	JoRights	rights;

	begin_statement(&rights);
	execute(&follow_end, row);
	end_statement(&rights);
	tell_schedule(row);
	JO_DEBUG_POINT("dispatcher-followed");
}
