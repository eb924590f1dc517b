/*
 * defcache.c
 *		Parsed definitions of this process, by version_id.
 *
 * A version never changes, so what was parsed once is good until the extension
 * itself goes.  Each has a memory context of its own, which also holds what other
 * files keep per version (plans, compiled paths).  Reads the definition tables
 * through store.c; touches this process's memory only.
 */
#include "joborch.h"

#include "defcache.h"
#include "errors.h"
#include "interval.h"
#include "jsonbuild.h"
#include "sqlstep.h"
#include "store.h"
#include "utils/memutils.h"

#define MAX_ENTRIES 200
#define MAX_BYTES ((int64) 64 * 1024 * 1024)

typedef struct CacheEntry
{
	int64		version_id;		/* hash key */
	JoCachedJob *job;
} CacheEntry;

static HTAB *cache = NULL;
static int64 cache_bytes = 0;
static uint64 cache_clock = 0;
static int64 last_unsaved = 0;	/* number of the last definition that is no version */
static JoCachedJob *latest = NULL;	/* runs of one job follow each other */
static Oid	incarnation = InvalidOid;	/* of the extension whose versions these are */

const JoDefinitionHooks jo_definition_hooks = {
	.parse_duration = jo_parse_duration
};

static void
create_cache(void)
{
	HASHCTL		control;

	memset(&control, 0, sizeof(control));
	control.keysize = sizeof(int64);
	control.entrysize = sizeof(CacheEntry);
	control.hcxt = TopMemoryContext;
	cache = hash_create("joborch definitions", MAX_ENTRIES, &control,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
raise_unreadable(int64 version_id, const JoFindings *findings)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_INVALID_DEFINITION),
			 errmsg("stored job definition %lld cannot be read", (long long) version_id),
			 findings->n > 0 ?
			 errdetail("%s: %s", findings->list[0].path, findings->list[0].message) : 0,
			 errhint("Save the job again with joborch.create_job().")));
}

/* Parses into the current context, which becomes the job's. */
static JoCachedJob *
parse_job(int64 version_id, const char *json)
{
	JoCachedJob *job = palloc0(sizeof(JoCachedJob));
	JoFindings	findings;

	memset(&findings, 0, sizeof(findings));
	job->definition = jo_definition_parse(json, strlen(json), &jo_definition_hooks, &findings);
	if (job->definition == NULL)
		raise_unreadable(version_id, &findings);
	job->version_id = version_id;
	job->plans = palloc0(sizeof(struct JoSqlPlans *) * Max(job->definition->nsteps, 1));
	return job;
}

/* Reads and parses a version. */
static JoCachedJob *
load_job(int64 version_id)
{
	JoCachedJob *job;
	JoVersionRow version;
	JoJobRow	row;
	char	   *text;

	if (!jo_store_version(version_id, jo_store_latest(), &version))
		ereport(ERROR,
				(errcode(ERRCODE_JO_JOB_NOT_FOUND),
				 errmsg("job version %lld does not exist", (long long) version_id)));
	text = JsonbToCString(NULL, &version.definition->root, VARSIZE(version.definition));
	job = parse_job(version_id, text);
	pfree(text);

	job->job_id = version.job_id;
	job->version = version.version;
	job->author = version.owner;
	if (version.job_id != 0 && jo_store_job(version.job_id, jo_store_latest(), &row))
		job->job_name = row.name;
	return job;
}

/* The context is the caller's until the job is whole, so that an error leaves nothing. */
static void
keep_job(JoCachedJob *job, MemoryContext context)
{
	CacheEntry *entry = hash_search(cache, &job->version_id, HASH_ENTER, NULL);

	entry->job = job;
	job->context = context;
	MemoryContextSetParent(context, TopMemoryContext);
	jo_defcache_account(job, MemoryContextMemAllocated(context, true));
}

/* The work of jo_defcache_get() when the version is not there yet. */
static JoCachedJob *
add_job(int64 version_id)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	JoCachedJob *job;

	context = AllocSetContextCreate(caller, "joborch definition", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	job = load_job(version_id);
	MemoryContextSwitchTo(caller);
	keep_job(job, context);
	return job;
}

/*
 * After DROP and CREATE EXTENSION the ids begin anew.  What was cached is left
 * where it is, not freed: a step of the old one may be running on it.
 */
static void
begin_incarnation(void)
{
	incarnation = jo_store_incarnation();
	cache = NULL;
	latest = NULL;
	cache_bytes = 0;
}

/* The table, made anew if the extension is. */
static void
open_cache(void)
{
	if (incarnation != jo_store_incarnation())
		begin_incarnation();
	if (cache == NULL)
		create_cache();
}

JoCachedJob *
jo_defcache_get(int64 version_id)
{
	CacheEntry *entry;

	open_cache();
	if (latest != NULL && latest->version_id == version_id)
	{
		latest->last_use = ++cache_clock;
		return latest;
	}
	entry = hash_search(cache, &version_id, HASH_FIND, NULL);
	latest = entry != NULL ? entry->job : add_job(version_id);
	latest->last_use = ++cache_clock;
	return latest;
}

JoCachedJob *
jo_defcache_enter(const char *json, const char *job_name, Oid author)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context;
	JoCachedJob *job;

	open_cache();
	context = AllocSetContextCreate(caller, "joborch definition", ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(context);
	job = parse_job(--last_unsaved, json);
	job->author = author;
	job->job_name = job_name != NULL ? pstrdup(job_name) : NULL;
	job->unsaved = true;
	MemoryContextSwitchTo(caller);
	keep_job(job, context);
	return job;
}

void
jo_defcache_account(JoCachedJob *job, int64 bytes)
{
	job->bytes += bytes;
	cache_bytes += bytes;
}

static void
drop_job(JoCachedJob *job)
{
	int			i;

	if (job == latest)
		latest = NULL;
	hash_search(cache, &job->version_id, HASH_REMOVE, NULL);
	cache_bytes -= job->bytes;
	for (i = 0; i < job->definition->nsteps; i++)
	{
		if (job->plans[i] != NULL)
			jo_sqlstep_free_plans(job->plans[i]);
	}
	MemoryContextDelete(job->context);
}

/* One of an extension that is gone is left where it is, as begin_incarnation() says. */
void
jo_defcache_leave(JoCachedJob *job)
{
	CacheEntry *entry = cache != NULL ? hash_search(cache, &job->version_id, HASH_FIND, NULL) : NULL;

	if (entry != NULL && entry->job == job)
		drop_job(job);
}

/* NULL: none may go. */
static JoCachedJob *
find_oldest(void)
{
	HASH_SEQ_STATUS scan;
	CacheEntry *entry;
	JoCachedJob *oldest = NULL;

	hash_seq_init(&scan, cache);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (!entry->job->unsaved && (oldest == NULL || entry->job->last_use < oldest->last_use))
			oldest = entry->job;
	}
	return oldest;
}

/* Drops what was not used for longest.  Raises nothing. */
void
jo_defcache_trim(void)
{
	if (cache == NULL)
		return;
	/* the newest stays, however large: it is most likely the next one as well */
	while (hash_get_num_entries(cache) > MAX_ENTRIES ||
		   (cache_bytes > MAX_BYTES && hash_get_num_entries(cache) > 1))
	{
		JoCachedJob *oldest = find_oldest();

		if (oldest == NULL)
			break;
		drop_job(oldest);
	}
}

bool
jo_parse_duration(const char *text, int64 *microseconds)
{
	Interval	interval;

	return jo_interval_read(text, &interval) && jo_interval_microseconds(&interval, microseconds);
}
