/*
 * start.c
 *		Starting runs: rows of run and live in the caller's transaction.
 *
 * Everything a start can refuse, it refuses here, before anything is written:
 * unknown job, missing right, wrong input, an owner who may not connect.  What
 * the engine then does with the run is announce.c's business.
 */
#include "joborch.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "announce.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "defcache.h"
#include "errors.h"
#include "executor/spi.h"
#include "guc.h"
#include "inputcheck.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "rights.h"
#include "start.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "validate.h"
#include "visualfuncs.h"
#include "words.h"

#define START_BATCH 1000		/* runs that are written at a time */

static const char *const priorities[] = {"critical", "high", "medium", "low", NULL};

int
jo_start_priority(const char *word)
{
	int			priority;

	if (strcmp(word, "normal") == 0)
		return JO_PRIORITY_MEDIUM;
	if (strcmp(word, "urgent") == 0)
		return JO_PRIORITY_CRITICAL;
	priority = jo_words_find(word, priorities);
	if (priority < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown priority \"%s\"", word),
				 errhint("Use one of: %s.", jo_words_join(priorities))));
	return priority;
}

/* ---- whose ---- */

/* Digits only: the job's id. */
static bool
is_id(const char *job, int64 *id)
{
	if (job[0] == '\0' || strspn(job, "0123456789") != strlen(job) || strlen(job) > 18)
		return false;
	*id = strtoll(job, NULL, 10);
	return true;
}

bool
jo_start_is_dropped(const JoJobRow *row)
{
	JoJobRow	named;

	return !row->active &&
		!(jo_store_job_by_name(row->name, jo_store_latest(), &named) && named.job_id == row->job_id);
}

void
jo_start_find_job(const char *job, JoStartJob *found)
{
	JoJobRow	row;
	int64		id;
	bool		exists;

	MemSet(found, 0, sizeof(JoStartJob));
	exists = is_id(job, &id) ? jo_store_job(id, jo_store_latest(), &row) && !jo_start_is_dropped(&row) :
		jo_store_job_by_name(job, jo_store_latest(), &row);
	if (!exists || !jo_rights_may_see(row.owner, row.tenant))
		ereport(ERROR,
				(errcode(ERRCODE_JO_JOB_NOT_FOUND),
				 errmsg("job \"%s\" does not exist", job),
				 errhint("SELECT name FROM joborch.jobs lists the jobs you can see; joborch.create_job() makes one.")));
	if (!jo_rights_may_start(row.owner, row.job_id, row.tenant))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to start job \"%s\"", row.name),
				 errdetail("It belongs to role \"%s\".", row.owner_name),
				 errhint("Become a member of that role.")));
	if (!row.active)
		ereport(ERROR,
				(errcode(ERRCODE_JO_JOB_INACTIVE),
				 errmsg("job \"%s\" is not active", row.name),
				 errhint("SELECT joborch.alter_job('%s', active => true)", row.name)));
	if (row.current_version == 0)
		ereport(ERROR,
				(errcode(ERRCODE_JO_JOB_INACTIVE),
				 errmsg("job \"%s\" has only a draft", row.name),
				 errhint("SELECT joborch.publish_job(%s);", quote_literal_cstr(row.name))));
	found->job_id = row.job_id;
	found->version_id = row.current_version;
	found->owner = row.owner;
	found->owner_name = row.owner_name;
	found->tenant = row.tenant;
}

static void
check_owner(Oid owner, const char *owner_name)
{
	char	   *hint = NULL;
	char	   *reason = jo_rights_cannot_run(owner, owner_name, &hint);

	if (reason != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_ROLE_CANNOT_CONNECT),
				 errmsg_internal("%s", reason),
				 errdetail("Steps run in a session of their owner's."),
				 hint ? errhint("%s", hint) : 0));
}

/*
 * Steps that run as another role: whoever answers for the definition must be a
 * member.  create_job() asked that too, but an ad-hoc definition comes here first.
 */
static void
check_run_as(const JoCachedJob *job, Oid owner)
{
	const JoDefinition *definition = job->definition;
	Oid			author = definition->run_as_caller ? job->author : owner;

	for (int i = 0; i < definition->nsteps; i++)
	{
		const JoStepDef *step = &definition->steps[i];

		if (step->run_as == NULL || jo_rights_may_run_as(author, get_role_oid(step->run_as, false)))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("step \"%s\" cannot run as role \"%s\"", step->name, step->run_as),
				 errdetail("Role \"%s\", to whom the definition belongs, is not a member of it.",
						   GetUserNameFromId(author, false)),
				 errhint("GRANT %s TO %s;", quote_identifier(step->run_as),
						 quote_identifier(GetUserNameFromId(author, false)))));
	}
}

/* ---- what ---- */

static int32
find_queue(const char *name)
{
	int32		queue_id;
	bool		paused;

	if (name == NULL)
		return JO_DEFAULT_QUEUE;
	if (!jo_store_queue_by_name(name, jo_store_latest(), &queue_id, &paused))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("queue \"%s\" does not exist", name),
				 errhint("SELECT name FROM joborch.queues lists the queues.")));
	return queue_id;
}

void
jo_start_prepare(const JoStartJob *job, JoStartOptions *options, JoRunRow *run, JoLiveRow *live)
{
	const JoCachedJob *cached = jo_defcache_get(job->version_id);
	const JoDefinition *definition = cached->definition;
	bool		as_caller = definition->run_as_caller && !job->body;
	TimestampTz now = jo_clock_now();

	PreventCommandIfReadOnly("joborch.start()");
	MemSet(run, 0, sizeof(JoRunRow));
	MemSet(live, 0, sizeof(JoLiveRow));
	run->version_id = live->version_id = job->version_id;
	run->job_id = job->job_id;
	run->owner = as_caller ? GetUserId() : job->owner;
	run->owner_name = as_caller ? GetUserNameFromId(GetUserId(), false) : job->owner_name;
	live->owner = run->owner;
	check_owner(run->owner, run->owner_name);
	check_run_as(cached, run->owner);
	run->created_at = now;
	run->run_at = live->due = options->run_at != 0 ? options->run_at : now;
	run->queue_id = live->queue_id = find_queue(options->queue ? options->queue : definition->queue);
	run->priority = live->ord = options->priority >= 0 ? options->priority : definition->priority;
	run->input = options->input ? jo_input_check(definition, options->input) : NULL;
	run->requested_by = GetUserNameFromId(GetUserId(), false);
	run->name = options->name;
	run->tags = options->tags;
	run->metadata = options->metadata;
	run->correlation_id = options->correlation_id;
	run->idempotency_key = options->idempotency_key;
	run->traceparent = options->traceparent;
	run->tenant = job->tenant ? job->tenant :
		jo_guc_tenant && jo_guc_tenant[0] ? jo_guc_tenant : NULL;
	live->cancel = JO_CANCEL_NONE;
	run->depth = options->depth;
	run->schedule_id = options->schedule_id;
	run->fire_at = options->fire_at;
	live->followed = options->followed || options->schedule_id != 0;
	live->replaceable = options->on_duplicate == JO_DUPLICATE_REPLACE ||
		options->on_duplicate == JO_DUPLICATE_DEBOUNCE;
}

/* ---- input templates ---- */

/* NULL: the job has none of that name. */
static Jsonb *
find_template(int64 job_id, const char *name)
{
	Oid			types[] = {INT8OID, TEXTOID};
	Datum		values[] = {Int64GetDatum(job_id), CStringGetTextDatum(name)};
	MemoryContext caller = CurrentMemoryContext;
	Jsonb	   *input = NULL;
	JoRights	rights;
	bool		isnull;

	jo_rights_raise(&rights);
	SPI_connect();
	SPI_execute_with_args("SELECT input FROM joborch_internal.input_template"
						  " WHERE job_id = $1 AND name = $2",
						  2, types, values, NULL, true, 1);
	if (SPI_processed > 0)
	{
		Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
		MemoryContext inner = MemoryContextSwitchTo(caller);

		input = DatumGetJsonbPCopy(value);
		MemoryContextSwitchTo(inner);
	}
	SPI_finish();
	jo_rights_restore(&rights);
	return input;
}

Jsonb *
jo_start_fill_template(const JoStartJob *job, const char *name, Jsonb *input)
{
	Jsonb	   *template = find_template(job->job_id, name);

	if (template == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the job has no input template \"%s\"", name),
				 errdetail("It is job " INT64_FORMAT ".", job->job_id),
				 errhint("SELECT name FROM joborch.input_templates WHERE job_id = " INT64_FORMAT " lists them.",
						 job->job_id)));
	/* what is no object is refused by the input's check */
	return JB_ROOT_IS_OBJECT(input) ? jo_jsonb_merge(template, input) : input;
}

/* ---- idempotency ---- */

static int64
find_by_key(const JoRunRow *run)
{
	Oid			types[] = {INT8OID, OIDOID, TEXTOID};
	Datum		values[] = {Int64GetDatum(run->job_id), ObjectIdGetDatum(run->owner),
	CStringGetTextDatum(run->idempotency_key)};
	int64		found = 0;
	bool		isnull;

	SPI_execute_with_args("SELECT run_id FROM joborch_internal.run_key"
						  " WHERE job_id = $1 AND owner = $2 AND idempotency_key = $3",
						  3, types, values, NULL, false, 1);
	if (SPI_processed > 0)
		found = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
	return found;
}

/* Takes the key for run->run_id; returns the run that has it already, or 0. */
static int64
claim_key(const JoRunRow *run)
{
	Oid			types[] = {INT8OID, OIDOID, TEXTOID, INT8OID};
	Datum		values[] = {Int64GetDatum(run->job_id), ObjectIdGetDatum(run->owner),
	CStringGetTextDatum(run->idempotency_key), Int64GetDatum(run->run_id)};
	JoRights	rights;
	int64		found = 0;

	bool		claimed = false;

	jo_rights_raise(&rights);
	SPI_connect();
	/* whoever has the key may be deleted between the two looks */
	while (!claimed && found == 0)
	{
		CHECK_FOR_INTERRUPTS();
		SPI_execute_with_args("INSERT INTO joborch_internal.run_key (job_id, owner, idempotency_key, run_id)"
							  " VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
							  4, types, values, NULL, false, 0);
		claimed = SPI_processed > 0;
		if (!claimed)
			found = find_by_key(run);
	}
	SPI_finish();
	jo_rights_restore(&rights);
	return found;
}

/* The key of one run becomes that of another; false: it is not that one's any more. */
static bool
move_key(const JoRunRow *run, int64 from)
{
	Oid			types[] = {INT8OID, OIDOID, TEXTOID, INT8OID, INT8OID};
	Datum		values[] = {Int64GetDatum(run->job_id), ObjectIdGetDatum(run->owner),
	CStringGetTextDatum(run->idempotency_key), Int64GetDatum(run->run_id), Int64GetDatum(from)};
	JoRights	rights;
	bool		moved;

	jo_rights_raise(&rights);
	SPI_connect();
	SPI_execute_with_args("UPDATE joborch_internal.run_key SET run_id = $4"
						  " WHERE job_id = $1 AND owner = $2 AND idempotency_key = $3 AND run_id = $5",
						  5, types, values, NULL, false, 0);
	moved = SPI_processed > 0;
	SPI_finish();
	jo_rights_restore(&rights);
	return moved;
}

/* A run that has the key takes over what this one would be; false: it is too late for that. */
static bool
replace(int64 existing, const JoRunRow *run, const JoLiveRow *live, JoOnDuplicate how)
{
	JoRunRow	new_run = *run;
	JoLiveRow	new_live = *live;

	new_run.run_id = new_live.run_id = existing;
	switch (jo_store_replace_run(&new_run, &new_live, how == JO_DUPLICATE_REPLACE))
	{
		case JO_REPLACED:
			jo_announce_control(existing);
			return true;
		case JO_REPLACED_NOT_THERE:
			return false;
		case JO_REPLACED_REFUSED:
			ereport(ERROR,
					(errcode(ERRCODE_JO_DUPLICATE_KEY),
					 errmsg("the run with idempotency key \"%s\" cannot be replaced", run->idempotency_key),
					 errdetail("Run " INT64_FORMAT " was started without that in mind, and may begin at any time.",
							   existing),
					 errhint("Say on_duplicate => 'replace' or 'debounce' in all starts with this key.")));
	}
	return false;
}

/*
 * Takes the key for run->run_id; returns the run that has it instead, after what is to be
 * done with that, or 0.
 */
static int64
take_key(const JoRunRow *run, const JoLiveRow *live, const JoStartOptions *options)
{
	for (;;)
	{
		int64		existing = claim_key(run);

		if (existing == 0 || options->on_duplicate == JO_DUPLICATE_RETURN)
			return existing;
		if (options->on_duplicate == JO_DUPLICATE_ERROR)
			ereport(ERROR,
					(errcode(ERRCODE_JO_DUPLICATE_KEY),
					 errmsg("idempotency key \"%s\" was used already", run->idempotency_key),
					 errdetail("It belongs to run " INT64_FORMAT ".", existing)));
		if (replace(existing, run, live, options->on_duplicate))
			return existing;
		if (move_key(run, existing))
			return 0;
	}
}

static void
warn_if_unserved(void)
{
	JoDatabase *database;
	bool		held;

	LWLockAcquire(jo_shared->lock, LW_SHARED);
	database = jo_shmem_database(MyDatabaseId);
	held = database != NULL && database->state == JO_DATABASE_HELD;
	LWLockRelease(jo_shared->lock);
	if (held)
		ereport(WARNING,
				(errmsg("this database is a copy: its runs are held"),
				 errhint("SELECT joborch.adopt_database() lets them run here.")));
	else if (jo_shared->launcher_pid == 0)
		ereport(WARNING,
				(errmsg("no joborch launcher is running: runs wait"),
				 errhint("Look into the server's log; max_worker_processes may be too low.")));
}

int64
jo_start_run(const JoStartJob *job, JoStartOptions *options)
{
	JoRunRow	run;
	JoLiveRow	live;

	jo_start_prepare(job, options, &run, &live);
	run.run_id = live.run_id = jo_store_next_run_id();
	if (run.idempotency_key != NULL)
	{
		int64		existing = take_key(&run, &live, options);

		if (existing != 0)
			return existing;
	}
	jo_start_look_at_dependencies(&options->depends, &live);
	jo_store_insert_run(&run, &live);
	jo_start_note(options, &run.run_id, 1);
	if (live.cancel != JO_CANCEL_NONE)
		jo_announce_control(run.run_id);
	else
		jo_announce_start(&live);
	warn_if_unserved();
	return run.run_id;
}

/* At most START_BATCH runs, with an input each or the same. */
static void
start_some(const JoRunRow *run, JoLiveRow *live, const JoDefinition *definition,
		   Jsonb **inputs, int n, int64 *ids)
{
	JoLiveRow	last = *live;

	for (int i = 0; inputs != NULL && i < n; i++)
		inputs[i] = jo_input_check(definition, inputs[i]);
	jo_store_next_run_ids(ids, n);
	jo_store_insert_runs(run, live, ids, inputs, n);
	live->run_id = ids[0];
	last.run_id = ids[n - 1];
	jo_announce_starts(live, &last);
}

void
jo_start_runs(const JoStartJob *job, JoStartOptions *options, Jsonb **inputs, int n,
			  void (*tell) (int64 run_id, void *argument), void *argument)
{
	int64	   *ids = palloc(sizeof(int64) * START_BATCH);
	JoRunRow	run;
	JoLiveRow	live;

	jo_start_prepare(job, options, &run, &live);
	for (int done = 0; done < n; done += START_BATCH)
	{
		int			some = Min(START_BATCH, n - done);

		CHECK_FOR_INTERRUPTS();
		start_some(&run, &live, jo_defcache_get(job->version_id)->definition,
				   inputs ? inputs + done : NULL, some, ids);
		jo_start_note(options, ids, some);
		for (int i = 0; tell != NULL && i < some; i++)
			tell(ids[i], argument);
	}
	pfree(ids);
}

/* ---- definitions that are no job's ---- */

static int64
find_ad_hoc(Oid owner, const char *digest)
{
	Oid			types[] = {OIDOID, TEXTOID};
	Datum		values[] = {ObjectIdGetDatum(owner), CStringGetTextDatum(digest)};
	bool		isnull;

	SPI_execute_with_args("SELECT version_id FROM joborch_internal.job_version"
						  " WHERE job_id IS NULL AND owner = $1 AND digest = $2",
						  2, types, values, NULL, false, 1);
	if (SPI_processed == 0)
		return 0;
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull));
}

static void
insert_ad_hoc(Oid owner, const char *digest, Jsonb *definition, const char *saved_by)
{
	Oid			types[] = {OIDOID, TEXTOID, JSONBOID, TEXTOID};
	Datum		values[] = {ObjectIdGetDatum(owner), CStringGetTextDatum(digest),
	JsonbPGetDatum(definition), CStringGetTextDatum(saved_by)};

	SPI_execute_with_args("INSERT INTO joborch_internal.job_version"
						  " (job_id, version, owner, definition, digest, saved_by)"
						  " VALUES (NULL, 1, $1, $3, $2, $4) ON CONFLICT DO NOTHING",
						  4, types, values, NULL, false, 0);
}

static char *
digest_of(Jsonb *definition)
{
	char	   *string = JsonbToCString(NULL, &definition->root, VARSIZE(definition));

	return TextDatumGetCString(DirectFunctionCall1(md5_text, CStringGetTextDatum(string)));
}

/* The id of the version row, 0 if there is none. */
static int64
look_for_version(Oid owner, const char *digest)
{
	JoRights	rights;
	int64		version_id;

	jo_rights_raise(&rights);
	SPI_connect();
	version_id = find_ad_hoc(owner, digest);
	SPI_finish();
	jo_rights_restore(&rights);
	return version_id;
}

static int64
make_version(Oid owner, const char *digest, Jsonb *definition)
{
	char	   *saved_by = GetUserNameFromId(GetUserId(), false);
	JoRights	rights;
	int64		version_id;

	definition = jo_visual_native(definition);
	(void) jo_validate_or_raise(definition);
	PreventCommandIfReadOnly("joborch.start_definition()");
	jo_rights_raise(&rights);
	SPI_connect();
	insert_ad_hoc(owner, digest, definition, saved_by);
	version_id = find_ad_hoc(owner, digest);
	SPI_finish();
	jo_rights_restore(&rights);
	return version_id;
}

/* What only the definition of a body may say: it lets templates read another run's steps. */
static void
refuse_outer(Jsonb *definition)
{
	JsonbValue	value;

	if (!jo_jsonb_member(&definition->root, "outer", strlen("outer"), &value))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_JO_INVALID_DEFINITION),
			 errmsg("invalid job definition: 1 problem"),
			 errdetail("$.outer: a definition has no key \"outer\""),
			 errhint("Leave it out; joborch itself writes it for the bodies of loops.")));
}

void
jo_start_ad_hoc(Jsonb *definition, JoStartJob *found)
{
	char	   *digest = digest_of(definition);

	refuse_outer(definition);
	MemSet(found, 0, sizeof(JoStartJob));
	found->owner = GetUserId();
	found->owner_name = GetUserNameFromId(GetUserId(), false);
	found->version_id = look_for_version(found->owner, digest);
	if (found->version_id == 0)
		found->version_id = make_version(found->owner, digest, definition);
}

int64
jo_start_body_version(Jsonb *definition, Oid author)
{
	char	   *digest = psprintf("body:%s", digest_of(definition));
	int64		version_id = look_for_version(author, digest);

	return version_id != 0 ? version_id : make_version(author, digest, definition);
}
