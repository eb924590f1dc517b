/*
 * startchild.c
 *		Runs that steps start: of another job, and of the bodies of loops.
 *
 * They are runs like all others, written in the transaction of the step that starts
 * them, so that a step which is carried out twice has one child.  Which run they
 * belong to is in their rows; who waits for them is the step's business.
 */
#include "joborch.h"

#include "announce.h"
#include "defcache.h"
#include "errors.h"
#include "jsonbuild.h"
#include "start.h"
#include "utils/snapmgr.h"
#include "utils/fmgrprotos.h"

/* The run whose step is being carried out, with the priority that it has now. */
static void
read_parent(int64 run_id, JoRunRow *parent)
{
	JoLiveRow	live;

	if (!jo_store_run(run_id, jo_store_latest(), parent))
		ereport(ERROR,
				(errcode(ERRCODE_JO_RUN_NOT_FOUND),
				 errmsg("run " INT64_FORMAT " does not exist", run_id),
				 errdetail("It was deleted while one of its steps was starting another run.")));
	if (jo_store_live(run_id, jo_store_latest(), &live))
		parent->priority = live.ord;
}

static void
check_depth(const JoRunRow *parent)
{
	if (parent->depth >= JO_MAX_DEPTH)
		ereport(ERROR,
				(errcode(ERRCODE_JO_TOO_DEEP),
				 errmsg("runs are nested more than %d deep", JO_MAX_DEPTH),
				 errdetail("Run " INT64_FORMAT " was started by a step of run " INT64_FORMAT ", and so on.",
						   parent->run_id, parent->parent_run_id),
				 errhint("Does a job start itself?  Let a condition end the recursion, or use a loop.")));
}

/*
 * The definition of a body, with the rights of the one around it: where that runs as
 * its caller, its author answers for roles that the steps name.
 */
static void
find_body(const char *text, const JoRunRow *parent, JoStartJob *found)
{
	const JoCachedJob *around = jo_defcache_get(parent->version_id);
	Jsonb	   *definition = jo_jsonb_from_text(text);
	Oid			author = parent->owner;

	if (around->definition->run_as_caller)
	{
		author = around->author;
		definition = DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(definition),
														JsonbPGetDatum(jo_jsonb_from_text("{\"run_as\": \"caller\"}"))));
	}
	MemSet(found, 0, sizeof(JoStartJob));
	found->version_id = jo_start_body_version(definition, author);
	found->owner = parent->owner;
	found->owner_name = parent->owner_name;
	found->tenant = parent->tenant;
	found->body = true;
}

/* What a body takes over, unless the step says otherwise. */
static void
inherit_body(JoRunRow *run, JoLiveRow *live, const JoRunRow *parent, const JoChildStart *child)
{
	if (child->input == NULL)
		run->input = parent->input;
	if (child->queue == NULL)
		run->queue_id = live->queue_id = parent->queue_id;
	if (child->priority < 0)
		run->priority = live->ord = parent->priority;
}

int64
jo_start_child(const JoChildStart *child)
{
	JoStartOptions options = {.input = child->input, .priority = child->priority, .tags = child->tags};
	JoRunRow	parent;
	JoStartJob	job;
	JoRunRow	run;
	JoLiveRow	live;

	if (child->queue != NULL)
		options.queue = pstrdup(child->queue);
	read_parent(child->parent_run_id, &parent);
	check_depth(&parent);
	/* a step that is no SQL has none, and definitions are looked up by SQL */
	PushActiveSnapshot(GetTransactionSnapshot());
	if (child->job != NULL)
		jo_start_find_job(child->job, &job);
	else
		find_body(child->definition, &parent, &job);
	PopActiveSnapshot();
	if (child->job != NULL && options.input == NULL)
		options.input = jo_jsonb_from_text("{}");

	jo_start_prepare(&job, &options, &run, &live);
	if (job.body)
		inherit_body(&run, &live, &parent, child);
	run.run_id = live.run_id = jo_store_next_run_id();
	run.parent_run_id = live.parent_run_id = child->parent_run_id;
	run.parent_step = live.parent_step = child->parent_step;
	run.parent_item = live.parent_item = child->parent_item;
	run.depth = parent.depth + 1;
	run.context = child->context;
	run.correlation_id = parent.correlation_id;
	run.traceparent = parent.traceparent;
	if (run.tenant == NULL)
		run.tenant = parent.tenant;
	jo_store_insert_run(&run, &live);
	jo_announce_start(&live);
	return run.run_id;
}
