/*
 * eventtext.c
 *		What listeners read of an event.
 *
 * An event holds numbers only; names come from the job version's definition and
 * are remembered here, because a version never changes.
 */
#include "joborch.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "defcache.h"
#include "events.h"
#include "eventtext.h"
#include "miscadmin.h"
#include "status.h"
#include "store.h"
#include "utils/datetime.h"
#include "utils/hsearch.h"
#include "utils/json.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#define MAX_REMEMBERED 500		/* versions; then all are forgotten */

typedef struct Names
{
	int64		version_id;		/* hash key */
	char	   *job;			/* NULL: ad hoc, or not found */
	int			nsteps;
	char	  **steps;
} Names;

static HTAB *remembered = NULL;
static MemoryContext names_context = NULL;

static void
forget_names(void)
{
	HASHCTL		control = {0};

	if (names_context == NULL)
		names_context = AllocSetContextCreate(TopMemoryContext, "joborch event names",
											  ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(names_context);
	control.keysize = sizeof(int64);
	control.entrysize = sizeof(Names);
	control.hcxt = names_context;
	remembered = hash_create("joborch event names", 64, &control,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
copy_names(const JoCachedJob *job, Names *names)
{
	MemoryContext old = MemoryContextSwitchTo(names_context);

	names->job = job->job_name == NULL ? NULL : pstrdup(job->job_name);
	names->steps = palloc(sizeof(char *) * Max(job->definition->nsteps, 1));
	for (int i = 0; i < job->definition->nsteps; i++)
		names->steps[i] = pstrdup(job->definition->steps[i].shown);
	names->nsteps = job->definition->nsteps;
	MemoryContextSwitchTo(old);
}

/*
 * A definition may be gone by now (delete, DROP EXTENSION).  That must not keep
 * the event from being told, so the error is logged and the names stay unknown.
 */
static void
read_names(int64 version_id, Names *names)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;

	if (!jo_store_exists())
		return;
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		copy_names(jo_defcache_get(version_id), names);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		names->nsteps = 0;
		names->job = NULL;
		ereport(LOG,
				(errmsg("events of job version %lld are told without names: %s",
						(long long) version_id, error->message)));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	jo_defcache_trim();
}

static const Names *
get_names(int64 version_id)
{
	Names	   *names;
	bool		found;

	if (remembered == NULL || hash_get_num_entries(remembered) >= MAX_REMEMBERED)
		forget_names();
	names = hash_search(remembered, &version_id, HASH_ENTER, &found);
	if (!found)
	{
		names->job = NULL;
		names->nsteps = 0;
		names->steps = NULL;
		read_names(version_id, names);
	}
	return names;
}

static const char *
type_name(JoEventType type)
{
	switch (type)
	{
		case JO_EVENT_JOB_STARTED:
			return "job_started";
		case JO_EVENT_JOB_STATUS_UPDATE:
			return "job_status_update";
		case JO_EVENT_STEP_STATUS_UPDATE:
			return "step_status_update";
		case JO_EVENT_JOB_COMPLETED:
			return "job_completed";
	}
	return "job_update";
}

static void
append_name(StringInfo out, const char *key, const char *name)
{
	appendStringInfo(out, ",\"%s\":", key);
	if (name == NULL)
		appendStringInfoString(out, "null");
	else
		escape_json(out, name);
}

void
jo_event_append_json(StringInfo out, const JoEvent *event)
{
	const Names *names = get_names(event->version_id);
	char		at[MAXDATELEN + 1];
	bool		of_step = event->step >= 0;

	JsonEncodeDateTime(at, TimestampTzGetDatum(event->at), TIMESTAMPTZOID, NULL);
	appendStringInfo(out, "{\"id\":" UINT64_FORMAT ",\"type\":\"%s\",\"run_id\":" INT64_FORMAT,
					 event->id, type_name(event->type), event->run_id);
	append_name(out, "job", names->job);
	append_name(out, "step", of_step && event->step < names->nsteps ? names->steps[event->step] : NULL);
	if (of_step && event->item != JO_NO_ITEM)
		appendStringInfo(out, ",\"item\":%d", event->item);
	else
		appendStringInfoString(out, ",\"item\":null");
	appendStringInfo(out, ",\"status\":\"%s\"", jo_status_word(event->status));
	if (of_step)
		appendStringInfo(out, ",\"attempt\":%d", event->attempt);
	else
		appendStringInfoString(out, ",\"attempt\":null");
	appendStringInfo(out, ",\"progress\":%d,\"at\":\"%s\"}", event->progress, at);
}
