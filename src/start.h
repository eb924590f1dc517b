/*
 * start.h
 *		Starting runs: what a caller may say, and the words for it.
 */
#ifndef JO_START_H
#define JO_START_H

#include "steptry.h"
#include "store.h"

#define JO_MAX_DEPTH 32			/* of runs that are started by steps of runs */

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
	bool		error_if_duplicate;
	char	   *correlation_id;
	char	   *traceparent;
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
