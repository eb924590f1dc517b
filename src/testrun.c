/*
 * testrun.c
 *		joborch.test_run(): a whole job inside of the calling transaction.
 *
 * Why it exists: so that workflows can be tested as SQL is, in a transaction that is
 * rolled back.  The steps run in the calling session, as its user; a step that acts
 * outside of the database, or waits for somebody, is answered by a stub; time is held
 * and moves only when nothing else is left to do.  The engine is not involved: no
 * process, no announcement, no shared memory.
 *
 * An error that leaves here takes everything with it, as it aborts the caller's
 * transaction or sub-transaction; else the run's rows are deleted at the end.
 */
#include "joborch.h"

#include "catalog/pg_type.h"
#include "clock.h"
#include "errors.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "handout.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "rights.h"
#include "start.h"
#include "testrun.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "validate.h"

PG_FUNCTION_INFO_V1(joborch_test_run);
PG_FUNCTION_INFO_V1(joborch_test_run_job);

#define MAX_EXECUTIONS 10000000 /* of steps, in one test */

JoTest	   *jo_test_current = NULL;

/* ---- what is run ---- */

static void
check_place(void)
{
	if (MyBgworkerEntry != NULL || jo_test_current != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_WRONG_STATUS),
				 errmsg("a step cannot call test_run()"),
				 errhint("Call it in a session of your own.")));
}

static Jsonb *
object_argument(FunctionCallInfo fcinfo, int n, const char *name)
{
	Jsonb	   *value = PG_ARGISNULL(n) ? jo_jsonb_from_text("{}") : PG_GETARG_JSONB_P_COPY(n);

	if (!JB_ROOT_IS_OBJECT(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s must be a JSON object", name),
				 errdetail("It is: %s",
						   pnstrdup(JsonbToCString(NULL, &value->root, VARSIZE(value)), 200))));
	return value;
}

/* The newest version of a job that the caller may start. */
static Jsonb *
read_job(const char *name)
{
	JoStartJob	found;
	JoVersionRow version;

	jo_start_find_job(name, &found);
	if (!jo_store_version(found.version_id, jo_store_latest(), &version))
		ereport(ERROR,
				(errcode(ERRCODE_JO_JOB_NOT_FOUND),
				 errmsg("version %lld of job \"%s\" does not exist", (long long) found.version_id, name)));
	return version.definition;
}

/* ---- the run ---- */

/* The next step that may begin: of the oldest run, in the order in which they became ready. */
static JoStepState *
next_step(JoTest *test, JoTestRun **run)
{
	ListCell   *cell;

	foreach(cell, test->runs)
	{
		JoActiveRun *active = &((JoTestRun *) lfirst(cell))->active;
		JoStepState *found = NULL;
		JoStepState *state = active->fresh;

		active->fresh = active->fresh_tail = NULL;
		while (state != NULL)
		{
			JoStepState *next = state->next;

			state->next = NULL;
			active->ready--;
			if (found == NULL && !jo_handout_holds_back(active, state))
				found = state;
			else
				jo_active_ready(active, state);
			state = next;
		}
		if (found != NULL)
		{
			*run = lfirst(cell);
			return found;
		}
	}
	return NULL;
}

static void
run_to_end(JoTest *test)
{
	JoTestRun  *run;
	JoStepState *state;
	int			n = 0;

	while (test->runs != NIL)
	{
		CHECK_FOR_INTERRUPTS();
		state = next_step(test, &run);
		if (state != NULL)
			jo_test_execute(test, run, state);
		else if (!jo_test_advance(test))
			break;
		if (++n > MAX_EXECUTIONS)
			ereport(ERROR,
					(errcode(ERRCODE_JO_LIMIT),
					 errmsg("test_run() carried out more than %d steps", MAX_EXECUTIONS),
					 errhint("Give it an input with which the job ends sooner.")));
	}
}

/* ---- cleaning up ---- */

static ArrayType *
ids_of_runs(JoTest *test)
{
	Datum	   *ids = palloc(sizeof(Datum) * Max(list_length(test->run_ids), 1));
	int			n = 0;
	ListCell   *cell;

	foreach(cell, test->run_ids)
		ids[n++] = Int64GetDatum(*(int64 *) lfirst(cell));
	return construct_array(ids, n, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
}

static void
delete_rows(JoTest *test)
{
	Oid			type = INT8ARRAYOID;
	Datum		ids = PointerGetDatum(ids_of_runs(test));
	JoRights	rights;

	CommandCounterIncrement();
	jo_rights_raise(&rights);
	SPI_connect();
	SPI_execute_with_args("SELECT joborch_internal.forget_test($1)", 1, &type, &ids, NULL, false, 0);
	SPI_finish();
	jo_rights_restore(&rights);
}

static void
close_test(JoTest *test)
{
	ListCell   *cell;

	jo_test_current = NULL;
	jo_start_child_hook = jo_start_child;
	jo_clock_hold(0);
	foreach(cell, test->jobs)
		jo_defcache_leave(lfirst(cell));
	test->jobs = NIL;
}

static JoTest *
open_test(Jsonb *stubs)
{
	JoTest	   *test = palloc0(sizeof(JoTest));

	test->context = CurrentMemoryContext;
	test->step_context = AllocSetContextCreate(test->context, "joborch test step", ALLOCSET_DEFAULT_SIZES);
	test->caller = GetUserId();
	test->caller_name = GetUserNameFromId(test->caller, false);
	test->began = test->now = test->progress_at = jo_clock_now();
	test->stubs = stubs;
	test->stubs_used = palloc0(sizeof(int) * (JB_ROOT_COUNT(stubs) + 1));
	return test;
}

static Jsonb *
run_test(JoTest *test, char *json, const char *name, Jsonb *input)
{
	JoRunRow	wanted = {.input = input};
	JoCachedJob *job = jo_test_enter(test, json, name);

	jo_test_check_stubs(test, job->definition, "");
	/* what the caller has deferred is no step's fault */
	jo_test_fire_deferred();
	wanted.priority = job->definition->priority;
	test->root = jo_test_start(test, job, &wanted, NULL);
	run_to_end(test);
	return jo_test_report(test);
}

/* name NULL: the definition is no job's. */
static Jsonb *
test_definition(Jsonb *definition, const char *name, Jsonb *input, Jsonb *stubs)
{
	JoTest	   *test = open_test(stubs);
	Jsonb	   *volatile report = NULL;
	char	   *json = jo_validate_for_test(definition);

	jo_test_current = test;
	jo_start_child_hook = jo_test_start_child;
	jo_clock_hold(test->now);
	PG_TRY();
	{
		report = run_test(test, json, name, input);
		delete_rows(test);
	}
	PG_FINALLY();
	{
		close_test(test);
	}
	PG_END_TRY();
	return report;
}

/* ---- SQL entries ---- */

static void
enter(FunctionCallInfo fcinfo, const char *what)
{
	jo_shmem_require();
	check_place();
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("%s must not be null", what)));
	jo_defcache_trim();
}

Datum
joborch_test_run(PG_FUNCTION_ARGS)
{
	enter(fcinfo, "definition");
	PG_RETURN_JSONB_P(test_definition(PG_GETARG_JSONB_P_COPY(0), NULL, object_argument(fcinfo, 1, "input"),
									  object_argument(fcinfo, 2, "stubs")));
}

Datum
joborch_test_run_job(PG_FUNCTION_ARGS)
{
	char	   *name;

	Jsonb	   *definition;

	enter(fcinfo, "job");
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	/* no job is called so: a definition whose type was not said */
	if (name[0] == '{')
	{
		definition = jo_jsonb_from_text(name);
		name = NULL;
	}
	else
		definition = read_job(name);
	PG_RETURN_JSONB_P(test_definition(definition, name, object_argument(fcinfo, 1, "input"),
									  object_argument(fcinfo, 2, "stubs")));
}
