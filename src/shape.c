/*
 * shape.c
 *		The graph of a job version in shared memory, immutable, counted.
 *
 * Executors know the whole definition (defcache.c); what advancing a run needs
 * is only this: who depends on whom, by which rule.  A graph without references
 * stays for the next run and is dropped when memory is needed.
 */
#include "joborch.h"

#include "active.h"
#include "catalog/pg_authid.h"
#include "errors.h"
#include "steptry.h"
#include "utils/acl.h"

static JoShape **
bucket_of(Oid dboid, int64 version_id)
{
	return &jo_shared->shapes[(dboid * 31 + (uint64) version_id) % lengthof(jo_shared->shapes)];
}

static JoShape *
find(Oid dboid, int64 version_id)
{
	JoShape    *shape = *bucket_of(dboid, version_id);

	while (shape != NULL && (shape->dboid != dboid || shape->version_id != version_id))
		shape = shape->next;
	return shape;
}

JoShape *
jo_shape_acquire(Oid dboid, int64 version_id)
{
	JoShape    *shape = find(dboid, version_id);

	Assert(LWLockHeldByMeInMode(jo_shared->lock, LW_EXCLUSIVE));
	if (shape != NULL)
		shape->references++;
	return shape;
}

void
jo_shape_release(JoShape *shape)
{
	Assert(shape->references > 0);
	shape->references--;
}

/* Drops graphs nobody uses: of one database, or (InvalidOid) of all. */
static void
drop_unused(Oid dboid)
{
	for (int i = 0; i < (int) lengthof(jo_shared->shapes); i++)
	{
		JoShape   **link = &jo_shared->shapes[i];

		while (*link != NULL)
		{
			JoShape    *shape = *link;

			if (shape->references == 0 && (dboid == InvalidOid || shape->dboid == dboid))
			{
				*link = shape->next;
				dsa_free(jo_shmem_area(), shape->self);
			}
			else
				link = &shape->next;
		}
	}
}

void
jo_shapes_forget(Oid dboid)
{
	drop_unused(dboid);
}

static Size
successors_offset(const JoDefinition *definition)
{
	return MAXALIGN(offsetof(JoShape, steps) + sizeof(JoShapeStep) * definition->nsteps);
}

static int
count_edges(const JoDefinition *definition)
{
	int			n = 0;

	for (int i = 0; i < definition->nsteps; i++)
		n += definition->steps[i].ndeps;
	return n;
}

static Size
shape_size(const JoDefinition *definition)
{
	return successors_offset(definition) + sizeof(JoShapeEdge) * count_edges(definition);
}

/* A container's end must know which of its steps end a branch. */
static int
branch_ended_by(const JoStepDef *close, int step)
{
	if (close->flow == NULL)
		return -1;
	for (int b = 0; b < close->flow->nbranches; b++)
		if (close->flow->branches[b].last == step)
			return b;
	return -1;
}

static JoShapeEdge
make_edge(const JoDefinition *definition, const JoStepDef *step, int d)
{
	JoShapeEdge edge;

	edge.step = step->index;
	edge.on = step->dep_on[d];
	edge.branch = edge.on == JO_EDGE_BRANCH ? step->dep_branch[d] :
		edge.on == JO_EDGE_CLOSE ? branch_ended_by(step, step->deps[d]) : -1;
	return edge;
}

/* Lists each step's dependents in the order in which they are written. */
static void
fill_edges(JoShape *shape, const JoDefinition *definition)
{
	int			edge = 0;

	for (int i = 0; i < definition->nsteps; i++)
	{
		const JoStepDef *step = &definition->steps[i];

		for (int d = 0; d < step->ndeps; d++)
			shape->steps[step->deps[d]].nsuccessors++;
	}
	for (int i = 0; i < definition->nsteps; i++)
	{
		shape->steps[i].first_successor = edge;
		edge += shape->steps[i].nsuccessors;
		shape->steps[i].nsuccessors = 0;
	}
	for (int i = 0; i < definition->nsteps; i++)
	{
		const JoStepDef *step = &definition->steps[i];

		for (int d = 0; d < step->ndeps; d++)
		{
			JoShapeStep *parent = &shape->steps[step->deps[d]];

			shape->successors[parent->first_successor + parent->nsuccessors++] = make_edge(definition, step, d);
		}
	}
}

/* What advancing a run needs to know of containers, loops and waits; of_run: the job has "concurrency". */
static void
fill_flow(JoShape *shape, JoShapeStep *to, const JoStepDef *step, bool of_run)
{
	bool		closes = step->part == JO_PART_CLOSE;

	bool		limited = step->concurrency != NULL || of_run;

	to->hears = limited || step->type == JO_STEP_WAIT_SIGNAL || step->type == JO_STEP_APPROVAL ||
		step->type == JO_STEP_WAIT_SQL;
	to->may_wait = limited || jo_step_may_wait(step);
	to->is_race = closes && step->type == JO_STEP_RACE;
	to->ends_run = step->type == JO_STEP_END;
	if (step->flow != NULL && (closes || step->part == JO_PART_WHOLE))
	{
		to->enough = to->is_race ? 1 : step->flow->enough;
		to->max_concurrent = closes ? step->flow->max_concurrent : 0;
	}
	if (step->part == JO_PART_EACH)
	{
		to->max_parallel = step->each->max_parallel;
		to->go_on = step->each->go_on;
		to->max_failed = step->each->max_failed;
		shape->has_items = true;
	}
	to->network = step->type == JO_STEP_NETWORK &&
		(step->part == JO_PART_WHOLE || step->part == JO_PART_EACH);
	to->gated = limited || step->cache != NULL || step->when.sql != NULL;
	shape->has_limits |= to->max_concurrent > 0;
	shape->may_wait |= to->may_wait;
	shape->has_permits |= limited;
}

static void
fill_step(JoShape *shape, JoShapeStep *to, const JoStepDef *step, bool of_run)
{
	to->nparents = step->ndeps;
	to->rule = step->rule;
	to->on_error = step->on_error;
	to->phase = step->phase;
	to->part = step->part;
	to->priority = step->priority;
	to->counted = JO_STEP_IS_COUNTED(step);
	to->scope = step->scope;
	to->compensates = step->compensates;
	fill_flow(shape, to, step, of_run);
}

/* Fills a zeroed block of shape_size(). */
static void
fill(JoShape *shape, const JoCachedJob *job, const Oid *run_as)
{
	const JoDefinition *definition = job->definition;

	shape->version_id = job->version_id;
	shape->job_id = job->job_id;
	shape->timeout = definition->timeout;
	shape->nsteps = definition->nsteps;
	shape->has_output = definition->output != NULL;
	shape->has_permits = definition->concurrency != NULL;
	shape->durability = definition->durability;
	shape->successors = (JoShapeEdge *) ((char *) shape + successors_offset(definition));
	for (int i = 0; i < definition->nsteps; i++)
	{
		const JoStepDef *step = &definition->steps[i];

		fill_step(shape, &shape->steps[i], step, definition->concurrency != NULL);
		shape->steps[i].run_as = run_as ? run_as[i] : InvalidOid;
	}
	fill_edges(shape, definition);
}

/*
 * Role oids of run_as; a role that is gone becomes an oid no role has, so that
 * the step is refused when its turn comes.
 */
static Oid *
lookup_run_as(const JoDefinition *definition)
{
	Oid		   *run_as = palloc0(sizeof(Oid) * definition->nsteps);

	for (int i = 0; i < definition->nsteps; i++)
	{
		if (definition->steps[i].run_as == NULL)
			continue;
		run_as[i] = get_role_oid(definition->steps[i].run_as, true);
		if (!OidIsValid(run_as[i]))
			run_as[i] = PG_UINT32_MAX;
	}
	return run_as;
}

/* ---- who is followed ---- */

/* Under the lock. */
static uint32
count_follow_changes(Oid dboid)
{
	JoDatabase *database = jo_shmem_database(dboid);

	return database != NULL ? database->follow_changes : 0;
}

/* To be asked before the job's row: what is told between the two is not in the row. */
static uint32
read_follow_changes(Oid dboid)
{
	uint32		changes;

	LWLockAcquire(jo_shared->lock, LW_SHARED);
	changes = count_follow_changes(dboid);
	LWLockRelease(jo_shared->lock);
	return changes;
}

static bool
read_followed(int64 job_id)
{
	JoJobRow	row;

	return job_id != 0 && jo_store_job(job_id, jo_store_latest(), &row) && row.followed;
}

static void
set_followed(Oid dboid, int64 job_id, bool followed)
{
	for (int i = 0; i < (int) lengthof(jo_shared->shapes); i++)
		for (JoShape *shape = jo_shared->shapes[i]; shape != NULL; shape = shape->next)
			if (shape->dboid == dboid && shape->job_id == job_id)
				shape->followed = followed;
}

void
jo_shapes_set_followed(JoDatabase *database, int64 job_id, bool followed)
{
	database->follow_changes++;
	set_followed(database->dboid, job_id, followed);
}

/* Jobs that have graphs in memory, each of them once or more. */
static int
list_jobs(Oid dboid, int64 **job_ids)
{
	int			room = 64;
	int			n = 0;

	*job_ids = palloc(sizeof(int64) * room);
	for (int i = 0; i < (int) lengthof(jo_shared->shapes); i++)
	{
		int			of_bucket = 0;

		/* nothing is allocated under the lock */
		LWLockAcquire(jo_shared->lock, LW_SHARED);
		for (JoShape *shape = jo_shared->shapes[i]; shape != NULL; shape = shape->next)
			of_bucket++;
		LWLockRelease(jo_shared->lock);
		if (n + of_bucket > room)
			*job_ids = repalloc(*job_ids, sizeof(int64) * (room = 2 * (n + of_bucket)));
		LWLockAcquire(jo_shared->lock, LW_SHARED);
		for (JoShape *shape = jo_shared->shapes[i]; shape != NULL && n < room; shape = shape->next)
			if (shape->dboid == dboid && shape->job_id != 0)
				(*job_ids)[n++] = shape->job_id;
		LWLockRelease(jo_shared->lock);
	}
	return n;
}

void
jo_shapes_reread_followed(JoDatabase *database)
{
	uint32		changes = read_follow_changes(database->dboid);
	int64	   *job_ids;
	int			n = list_jobs(database->dboid, &job_ids);

	for (int i = 0; i < n; i++)
	{
		bool		followed = read_followed(job_ids[i]);

		LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
		if (changes == database->follow_changes)
			set_followed(database->dboid, job_ids[i], followed);
		LWLockRelease(jo_shared->lock);
	}
	pfree(job_ids);
}

JoShape *
jo_shape_make_local(const JoCachedJob *job)
{
	JoShape    *shape = palloc0(shape_size(job->definition));

	fill(shape, job, NULL);
	return shape;
}

JoShape *
jo_shape_make(Oid dboid, const JoCachedJob *job)
{
	dsa_area   *area = jo_shmem_area();
	Oid		   *run_as = lookup_run_as(job->definition);
	Size		size = shape_size(job->definition);
	uint32		changes = read_follow_changes(dboid);
	bool		is_followed = read_followed(job->job_id);
	dsa_pointer self = dsa_allocate_extended(area, size, DSA_ALLOC_NO_OOM | DSA_ALLOC_ZERO);
	JoShape    *made;
	JoShape    *shape;

	if (!DsaPointerIsValid(self))
	{
		LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
		drop_unused(InvalidOid);
		LWLockRelease(jo_shared->lock);
		self = dsa_allocate_extended(area, size, DSA_ALLOC_NO_OOM | DSA_ALLOC_ZERO);
	}
	if (!DsaPointerIsValid(self))
		return NULL;
	made = dsa_get_address(area, self);
	made->self = self;
	made->dboid = dboid;
	fill(made, job, run_as);
	made->followed = is_followed;

	LWLockAcquire(jo_shared->lock, LW_EXCLUSIVE);
	shape = jo_shape_acquire(dboid, job->version_id);
	if (shape == NULL)
	{
		JoShape   **bucket = bucket_of(dboid, job->version_id);

		shape = made;
		/* told anew since it was read: who follows is looked for in any case */
		shape->followed |= job->job_id != 0 && changes != count_follow_changes(dboid);
		shape->references = 1;
		shape->next = *bucket;
		*bucket = shape;
	}
	LWLockRelease(jo_shared->lock);
	if (shape != made)
		dsa_free(area, self);
	return shape;
}
