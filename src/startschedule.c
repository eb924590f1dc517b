/*
 * startschedule.c
 *		Runs that schedules start: what start() checks, for somebody who is not there.
 *
 * The dispatcher comes here through a hook, and trigger_schedule() and its like.  The
 * rights are those of the job's owner; of an SQL text of the schedule's own, or a job
 * that runs as its caller, of who made the schedule.
 */
#include "joborch.h"

#include "defcache.h"
#include "errors.h"
#include "miscadmin.h"
#include "rights.h"
#include "start.h"
#include "startschedule.h"
#include "utils/builtins.h"

static void
find_job(const JoScheduleRow *row, JoStartJob *found)
{
	JoJobRow	job;

	MemSet(found, 0, sizeof(JoStartJob));
	if (row->job_id == 0)
	{
		found->version_id = row->version_id;
		found->owner = row->owner;
		found->owner_name = row->owner_name;
		found->tenant = row->tenant;
		return;
	}
	if (!jo_store_job(row->job_id, jo_store_latest(), &job) || jo_start_is_dropped(&job))
		ereport(ERROR,
				(errcode(ERRCODE_JO_JOB_NOT_FOUND),
				 errmsg("the job of schedule \"%s\" was dropped", row->name),
				 errhint("Give it another one: SELECT joborch.alter_schedule(%s, job => '...');",
						 quote_literal_cstr(row->name))));
	if (!job.active)
		ereport(ERROR,
				(errcode(ERRCODE_JO_JOB_INACTIVE),
				 errmsg("job \"%s\" is not active", job.name),
				 errhint("SELECT joborch.alter_job(%s, active => true);", quote_literal_cstr(job.name))));
	if (job.current_version == 0)
		ereport(ERROR,
				(errcode(ERRCODE_JO_JOB_INACTIVE),
				 errmsg("job \"%s\" has only a draft", job.name),
				 errhint("SELECT joborch.publish_job(%s);", quote_literal_cstr(job.name))));
	found->job_id = job.job_id;
	found->version_id = job.current_version;
	found->owner = job.owner;
	found->owner_name = job.owner_name;
	found->tenant = job.tenant;
}

/* A role that is not the one any more, or is gone, is nobody to become. */
static void
become_caller(const JoScheduleRow *row)
{
	Oid			user;
	int			context;
	char	   *hint = NULL;
	char	   *reason = jo_rights_cannot_run(row->owner, row->owner_name, &hint);

	if (reason != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_ROLE_CANNOT_CONNECT),
				 errmsg_internal("%s", reason),
				 errdetail("The job runs as its caller, which is who made the schedule."),
				 hint ? errhint("%s", hint) : 0));
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(row->owner, context | SECURITY_LOCAL_USERID_CHANGE);
}

void
jo_start_scheduled(const JoScheduleRow *row, Jsonb *input, JoRunRow *run, JoLiveRow *live)
{
	JoStartOptions options = {.input = input != NULL ? input : row->input, .priority = row->priority,
	.tags = row->tags, .metadata = row->metadata};
	JoStartJob	job;
	Oid			user;
	int			context;

	find_job(row, &job);
	GetUserIdAndSecContext(&user, &context);
	if (job.job_id != 0 && jo_defcache_get(job.version_id)->definition->run_as_caller)
		become_caller(row);
	jo_start_prepare(&job, &options, run, live);
	SetUserIdAndSecContext(user, context);
	if (row->queue_id != 0)
		run->queue_id = live->queue_id = row->queue_id;
	run->requested_by = row->created_by;
	run->tenant = job.tenant != NULL ? job.tenant : row->tenant;
	run->schedule_id = row->schedule_id;
}
