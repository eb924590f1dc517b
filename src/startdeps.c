/*
 * startdeps.c
 *		Runs that depend on others, and runs of a batch: what start() writes for them.
 *
 * A run that waits for others has a due that never comes, so nobody reads its row until the
 * process that writes the last of those ends makes it due (chains.sql).  Only runs that exist
 * can be named, so there are no cycles.
 */
#include "joborch.h"

#include "access/xact.h"
#include "announce.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "errors.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "rights.h"
#include "start.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "words.h"

/* Letters of run_dependency.state */
#define WAITED_FOR	'w'
#define MET			'm'
#define UNMET		'u'

#define MAX_BATCH_ID 255

char
jo_start_dependency_type(const char *word)
{
	static const char *const words[] = {"success", "failure", "completion", NULL};
	static const char letters[] = {JO_DEPENDS_ON_SUCCESS, JO_DEPENDS_ON_FAILURE, JO_DEPENDS_ON_END};
	int			found = word != NULL ? jo_words_find(word, words) : 0;

	if (found < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown dependency_type \"%s\"", word),
				 errhint("Use one of: %s.", jo_words_join(words))));
	return letters[found];
}

void
jo_start_check_batch_id(const char *batch_id)
{
	Size		length = strlen(batch_id);

	if (length < 1 || length > MAX_BATCH_ID)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a batch_id has 1 to %d bytes", MAX_BATCH_ID),
				 errdetail("It has %zu.", length)));
}

static int
compare_ids(const void *a, const void *b)
{
	int64		left = *(const int64 *) a;
	int64		right = *(const int64 *) b;

	return left < right ? -1 : left > right;
}

void
jo_start_read_dependencies(ArrayType *run_ids, const char *type, JoDependencies *depends)
{
	Datum	   *values;
	bool	   *nulls;
	int			n;

	MemSet(depends, 0, sizeof(JoDependencies));
	depends->type = jo_start_dependency_type(type);
	if (run_ids == NULL)
		return;
	deconstruct_array(run_ids, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, &nulls, &n);
	if (n > JO_MAX_DEPENDENCIES)
		ereport(ERROR,
				(errcode(ERRCODE_JO_LIMIT),
				 errmsg("a run cannot depend on more than %d others", JO_MAX_DEPENDENCIES),
				 errdetail("depends_on_runs has %d.", n),
				 errhint("Let it depend on one that depends on them.")));
	depends->run_ids = palloc(sizeof(int64) * Max(1, n));
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("depends_on_runs must not contain null")));
		depends->run_ids[i] = DatumGetInt64(values[i]);
	}
	/* in this order their rows are locked, too, so that two starts do not wait for each other */
	qsort(depends->run_ids, n, sizeof(int64), compare_ids);
	for (int i = 0; i < n; i++)
		if (i == 0 || depends->run_ids[i] != depends->run_ids[depends->n - 1])
			depends->run_ids[depends->n++] = depends->run_ids[i];
}

static bool
is_met(char type, char status)
{
	return type == JO_DEPENDS_ON_END ||
		(type == JO_DEPENDS_ON_SUCCESS && status == JO_RUN_COMPLETED) ||
		(type == JO_DEPENDS_ON_FAILURE && status == JO_RUN_FAILED);
}

static char
look_at(int64 run_id, char type)
{
	for (;;)
	{
		JoRunRow	run;
		JoEndRow	end;

		CHECK_FOR_INTERRUPTS();
		if (!jo_store_run(run_id, jo_store_latest(), &run) || !jo_rights_may_see(run.owner, run.tenant))
			ereport(ERROR,
					(errcode(ERRCODE_JO_RUN_NOT_FOUND),
					 errmsg("run " INT64_FORMAT " does not exist", run_id),
					 errdetail("It is in depends_on_runs."),
					 errhint("SELECT * FROM joborch.list_runs() lists the runs you can see.")));
		if (jo_store_follow(run_id))
			return WAITED_FOR;
		if (jo_store_end(run_id, jo_store_latest(), &end))
			return is_met(type, end.status) ? MET : UNMET;
		/* recovered or deleted between the two looks */
	}
}

void
jo_start_look_at_dependencies(JoDependencies *depends, JoLiveRow *live)
{
	bool		waits = false;
	bool		fails = false;

	if (depends->n == 0)
		return;
	/* start(..., depends_on_runs => ARRAY[start(...)]) in one command */
	CommandCounterIncrement();
	depends->states = palloc(depends->n);
	for (int i = 0; i < depends->n; i++)
	{
		depends->states[i] = depends->own ? WAITED_FOR : look_at(depends->run_ids[i], depends->type);
		waits |= depends->states[i] == WAITED_FOR;
		fails |= depends->states[i] == UNMET;
	}
	/* the process that writes ends says why it did not begin, and does what follows from that */
	live->followed |= waits || fails;
	if (fails)
	{
		live->cancel = JO_CANCEL_FORCE;
		live->due = jo_clock_now();
	}
	else if (waits)
		live->due = DT_NOEND;
}

/* ---- rows ---- */

static Datum
array_of(const int64 *run_ids, int n)
{
	Datum	   *values = palloc(sizeof(Datum) * n);

	for (int i = 0; i < n; i++)
		values[i] = Int64GetDatum(run_ids[i]);
	return PointerGetDatum(construct_array(values, n, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static void
insert_dependencies(const JoDependencies *depends, int64 run_id)
{
	Oid			types[] = {INT8OID, INT8ARRAYOID, CHAROID, TEXTOID};
	Datum		values[] = {Int64GetDatum(run_id), array_of(depends->run_ids, depends->n), CharGetDatum(depends->type),
	PointerGetDatum(cstring_to_text_with_len(depends->states, depends->n))};

	SPI_execute_with_args("INSERT INTO joborch_internal.run_dependency (run_id, depends_on, type, state)"
						  " SELECT $1, d.run_id, $3, substr($4, d.n::integer, 1)::\"char\""
						  " FROM unnest($2) WITH ORDINALITY AS d (run_id, n)",
						  4, types, values, NULL, false, 0);
}

static void
insert_batch_runs(const char *batch_id, const int64 *run_ids, int n)
{
	Oid			types[] = {INT8ARRAYOID, TEXTOID};
	Datum		values[] = {array_of(run_ids, n), CStringGetTextDatum(batch_id)};

	SPI_execute_with_args("INSERT INTO joborch_internal.batch_run (run_id, batch_id) SELECT r.run_id, $2 FROM unnest($1) AS r (run_id)",
						  2, types, values, NULL, false, 0);
}

void
jo_start_note(const JoStartOptions *options, const int64 *run_ids, int n)
{
	const JoDependencies *depends = &options->depends;
	JoRights	rights;

	if (depends->n == 0 && options->batch_id == NULL)
		return;
	jo_rights_raise(&rights);
	SPI_connect();
	for (int i = 0; depends->n > 0 && i < n; i++)
		insert_dependencies(depends, run_ids[i]);
	if (options->batch_id != NULL)
		insert_batch_runs(options->batch_id, run_ids, n);
	SPI_finish();
	jo_rights_restore(&rights);
	/* what runs already is to be ended by the dispatcher */
	for (int i = 0; i < depends->n; i++)
		if (depends->states[i] == WAITED_FOR && !depends->own)
			jo_announce_control(depends->run_ids[i]);
}
