/*
 * startfor.c
 *		Starts a run for a role that asked for it before, and is not here now.
 *
 * Rules (a job after another) fire in a process that works for everybody.  What it starts, it
 * starts as the role that made the rule would: with that role's rights now, not those of then,
 * and for its tenant.
 */
#include "joborch.h"

#include "catalog/pg_type.h"
#include "defcache.h"
#include "errors.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "rights.h"
#include "start.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(joborch_start_for_rule);

/* The role must be allowed to see the runs whose end and output it is told. */
static int
check_parents(ArrayType *run_ids, JoStartOptions *options)
{
	Datum	   *values;
	int			n;
	int			depth = 0;

	deconstruct_array(run_ids, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &values, NULL, &n);
	for (int i = 0; i < n; i++)
	{
		JoRunRow	run;

		if (!jo_store_run(DatumGetInt64(values[i]), jo_store_latest(), &run) ||
			!jo_rights_may_see(run.owner, run.tenant))
			ereport(ERROR,
					(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					 errmsg("permission denied to see run " INT64_FORMAT, DatumGetInt64(values[i])),
					 errdetail("The job is to start after it, for role \"%s\".",
							   GetUserNameFromId(jo_rights_caller(), false))));
		depth = Max(depth, run.depth);
		options->correlation_id = unconstify(char *, run.correlation_id);
		options->traceparent = unconstify(char *, run.traceparent);
	}
	return depth;
}

static void
check_depth(int depth, const char *job)
{
	if (depth > JO_MAX_DEPTH)
		ereport(ERROR,
				(errcode(ERRCODE_JO_TOO_DEEP),
				 errmsg("runs start after each other more than %d deep", JO_MAX_DEPTH),
				 errdetail("Job %s was to be the next one.", job),
				 errhint("Does a job start after itself, or two after each other?  A schedule repeats for ever, a loop as often as it says.")));
}

/* start_for_rule(role, tenant, job_id, input, parents): the run's id */
Datum
joborch_start_for_rule(PG_FUNCTION_ARGS)
{
	char	   *job = psprintf(INT64_FORMAT, PG_GETARG_INT64(2));
	JoStartOptions options = {.priority = -1};
	JoStartJob	found;
	JoRights	rights;
	int64		run_id;

	if (MyBgworkerEntry == NULL)
		jo_defcache_trim();
	options.input = PG_GETARG_JSONB_P(3);
	jo_rights_act_as(PG_GETARG_OID(0), PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)), &rights);
	options.depth = check_parents(PG_GETARG_ARRAYTYPE_P(4), &options) + 1;
	check_depth(options.depth, job);
	jo_start_find_job(job, &found);
	run_id = jo_start_run(&found, &options);
	jo_rights_restore(&rights);
	PG_RETURN_INT64(run_id);
}
