/*
 * start.h
 *		Starting runs: what a caller may say, and the words for it.
 */
#ifndef JO_START_H
#define JO_START_H

#include "steptry.h"
#include "store.h"

#define JO_MAX_DEPTH 32			/* of runs that are started by steps of runs */

/* What is done with an idempotency key that is taken. */
typedef enum JoOnDuplicate
{
	JO_DUPLICATE_RETURN,
	JO_DUPLICATE_ERROR,
	JO_DUPLICATE_REPLACE,		/* the run gets the new input, if it has not begun; else the key a new run */
	JO_DUPLICATE_DEBOUNCE		/* the same, and the new time */
} JoOnDuplicate;

#define JO_MAX_DEPENDENCIES 1000	/* of one run */

/* On how the others must end: letters of run_dependency.type. */
#define JO_DEPENDS_ON_SUCCESS	's'
#define JO_DEPENDS_ON_FAILURE	'f'
#define JO_DEPENDS_ON_END		'c'

/* On which runs a run depends. */
typedef struct JoDependencies
{
	int			n;
	int64	   *run_ids;		/* ascending, none of them twice */
	char		type;			/* JO_DEPENDS_ON_... */
	bool		own;			/* they were inserted, followed, by this transaction */
	char	   *states;			/* what jo_start_look_at_dependencies() found */
} JoDependencies;

/* What the arguments of start() and its sisters say; absent is NULL, 0 or -1. */
typedef struct JoStartOptions
{
	Jsonb	   *input;
	TimestampTz run_at;
	int			priority;
	char	   *queue;
	char	   *name;
	struct ArrayType *tags;
	Jsonb	   *metadata;
	char	   *idempotency_key;
	JoOnDuplicate on_duplicate;
	char	   *correlation_id;
	char	   *traceparent;
	JoDependencies depends;
	char	   *batch_id;
	bool		followed;		/* others will depend on it */
	int			depth;			/* runs above it */
	int64		schedule_id;
	TimestampTz fire_at;		/* with it: the nominal time */
} JoStartOptions;

/* Whose definition a run carries out. */
typedef struct JoStartJob
{
	int64		job_id;			/* 0: ad hoc */
	int64		version_id;
	Oid			owner;
	const char *owner_name;
	const char *tenant;
	bool		body;			/* a body's: the owner is the parent run's, whoever starts it */
} JoStartJob;

/* A job by its name or id, if the caller may start it; raises otherwise. */
extern void jo_start_find_job(const char *job, JoStartJob *found);

/* depends_on_runs and dependency_type as they are given; raises. */
extern void jo_start_read_dependencies(struct ArrayType *run_ids, const char *type, JoDependencies *depends);

/* Raises when it cannot be the name of a batch. */
extern void jo_start_check_batch_id(const char *batch_id);

/* JO_DEPENDS_ON_... of a word; raises. */
extern char jo_start_dependency_type(const char *word);

/*
 * Which of those runs are over already, and how.  The others cannot end before this
 * transaction does.  From it the due of a run that depends on them: it waits, or will not begin.
 */
extern void jo_start_look_at_dependencies(JoDependencies *depends, JoLiveRow *live);

/* The rows of runs' dependencies and of their batch; SQL through SPI, with raised rights. */
extern void jo_start_note(const JoStartOptions *options, const int64 *run_ids, int n);

/* A dropped job keeps its row for its history, but not its name. */
extern bool jo_start_is_dropped(const JoJobRow *row);

/* Priority of a word (low, medium, ...); raises on another. */
extern int	jo_start_priority(const char *word);

/*
 * An input laid over the job's input template of that name, key by key; in the
 * current context.  Raises when there is none; an input that is no object
 * comes back as it is.
 */
extern Jsonb *jo_start_fill_template(const JoStartJob *job, const char *name, Jsonb *input);

/*
 * Fills in what a run's rows say; *run and *live are complete but for the run's
 * id.  Checks input, owner and queue; raises.
 */
extern void jo_start_prepare(const JoStartJob *job, JoStartOptions *options,
							 JoRunRow *run, JoLiveRow *live);

/* One run, announced; with an idempotency key, maybe one that is there already. */
extern int64 jo_start_run(const JoStartJob *job, JoStartOptions *options);

/*
 * n runs at once, with one input each (inputs NULL: all the same), announced; their ids.  No
 * idempotency key, no dependencies.
 */
extern void jo_start_runs(const JoStartJob *job, JoStartOptions *options, Jsonb **inputs, int n,
						  void (*tell) (int64 run_id, void *argument), void *argument);

/*
 * The version row of a definition that is no job's: kept once per owner and text.
 * Checks it when it is new.
 */
extern void jo_start_ad_hoc(Jsonb *definition, JoStartJob *found);

/*
 * The same for a body: text that a checked definition of this author contains, to be
 * carried out in runs of the parent's owner.  Returns the version's id.
 */
extern int64 jo_start_body_version(Jsonb *definition, Oid author);

/*
 * jo_start_child_hook: the run that a step starts, announced, in the open
 * transaction.  A named job's owner is its own and who carries out the step must be
 * allowed to start it; a body's owner is the parent's.  Raises.
 */
extern int64 jo_start_child(const JoChildStart *child);

#endif
