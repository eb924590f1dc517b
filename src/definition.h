/*
 * definition.h
 *		A job's definition: from JSON text to a checked JoDefinition.
 *
 * Steps are kept in one flat array in the order they are written (job steps,
 * then compensations, on_failure, finally): a step's index is its identity in the rows
 * (step.step), stable for a version.
 */
#ifndef JO_DEFINITION_H
#define JO_DEFINITION_H

#include "leaf.h"
#include "stepdefs.h"
#include "template.h"

#define JO_MAX_STEPS 1000
#define JO_MAX_NAME 63			/* bytes */
#define JO_MAX_DEFINITION_BYTES (16 * 1024 * 1024)	/* as JO_JSON_MAX_BYTES */
#define JO_MAX_FINDINGS 1000

typedef enum JoStepType
{
	JO_STEP_SQL,
	JO_STEP_TRANSFORM,
	JO_STEP_VALIDATE,
	JO_STEP_AGGREGATE,
	JO_STEP_FILTER,
	JO_STEP_SET,
	JO_STEP_NOTIFY,
	JO_STEP_CONDITION,
	JO_STEP_SWITCH,
	JO_STEP_PARALLEL,
	JO_STEP_RACE,
	JO_STEP_JOIN,
	JO_STEP_END,
	JO_STEP_LOOP,
	JO_STEP_JOB,
	JO_STEP_DELAY,
	JO_STEP_WAIT_SIGNAL,
	JO_STEP_WAIT_SQL,
	JO_STEP_APPROVAL,
	JO_STEP_NETWORK,			/* http, webhook, file_transfer, email, artifact get: the courier */
	JO_STEP_COMMAND,			/* command, script: a process that the executor starts */
	JO_STEP_ARTIFACT,			/* artifact put, delete: in the step's transaction */
	JO_STEP_OUTSIDE				/* external: somebody else's work, claimed or completed by him */
} JoStepType;

/*
 * A container (condition, switch, parallel, race with steps in them, and a step
 * with foreach) is several steps of the flat array: OPEN decides, the steps of
 * its bodies follow, and CLOSE, which has the container's name, ends it.  The
 * step that is repeated by foreach is EACH, between its OPEN and CLOSE.
 */
typedef enum JoPart
{
	JO_PART_WHOLE,
	JO_PART_OPEN,
	JO_PART_EACH,
	JO_PART_CLOSE
} JoPart;

/* What of a parent's end counts as its success. */
typedef enum JoEdgeOn
{
	JO_EDGE_STATUS,				/* completed; failed counts as failed */
	JO_EDGE_SUCCESS,			/* completed; failed counts as skipped, since it is handled */
	JO_EDGE_FAILURE,			/* failed; completed counts as skipped */
	JO_EDGE_DONE,				/* completed or failed */
	JO_EDGE_BRANCH,				/* completed and took the branch; another branch counts as skipped */
	JO_EDGE_CLOSE				/* of a CLOSE to OPEN and all steps inside: decides by itself */
} JoEdgeOn;

typedef enum JoPhase
{
	JO_PHASE_MAIN,
	JO_PHASE_COMPENSATE,		/* what compensates completed steps, the last one first */
	JO_PHASE_ON_FAILURE,
	JO_PHASE_FINALLY
} JoPhase;

typedef enum JoTriggerRule
{
	JO_RULE_ALL_SUCCESS,
	JO_RULE_ALL_DONE,
	JO_RULE_ALL_FAILED,
	JO_RULE_ONE_SUCCESS,
	JO_RULE_ONE_FAILED,
	JO_RULE_NONE_FAILED
} JoTriggerRule;

typedef enum JoOnError
{
	JO_ON_ERROR_FAIL,
	JO_ON_ERROR_STOP,
	JO_ON_ERROR_CONTINUE
} JoOnError;

typedef enum JoTransactionMode
{
	JO_TRANSACTION_AUTO,
	JO_TRANSACTION_STEP,
	JO_TRANSACTION_NONE
} JoTransactionMode;

typedef enum JoDurability
{
	JO_DURABILITY_RUN,
	JO_DURABILITY_STEP,
	JO_DURABILITY_ASYNC
} JoDurability;

typedef struct JoRetry
{
	int			max_attempts;	/* tries in all; 1: no retry */
	bool		exponential;
	int64		initial;		/* microseconds */
	int64		max;			/* microseconds */
	double		multiplier;
	double		jitter;			/* 0..1, a share of the delay, both ways */
	int			non;			/* categories retried; 0: the table's default */
	char	  **on;
	int			nnot_on;
	char	  **not_on;
} JoRetry;

typedef struct JoStepDef
{
	int			index;
	char	   *name;			/* unique; hidden parts have one that is told to nobody */
	char	   *shown;			/* the name that users see: of EACH the step's, else name */
	JoStepType	type;
	const char *word;			/* of the type, as definitions say it: foreach has that of its own */
	JoPhase		phase;
	JoPart		part;
	bool		hidden;			/* OPEN: not counted and not shown */
	int			open;			/* EACH, CLOSE: index of their OPEN; else -1 */
	int			close;			/* OPEN, EACH: index of their CLOSE; else -1 */
	int			scope;			/* CLOSE of the innermost container around it; -1: none */
	int			compensates;	/* phase COMPENSATE: the step whose effect it undoes; else -1 */
	int			ndeps;
	int		   *deps;			/* indexes of the parents */
	JoEdgeOn   *dep_on;			/* of each */
	int		   *dep_branch;		/* of each that is JO_EDGE_BRANCH */
	JoTriggerRule rule;
	JoOnError	on_error;
	JoRetry		retry;
	int64		timeout;		/* microseconds of each attempt; 0: none */
	JoCondition when;
	JoSqlText  *sql;
	JoTransactionMode transaction;
	char	   *run_as;			/* role name, or NULL: the job's owner */
	bool		output_none;	/* "output": "none": keep no rows */
	JoValue    *output;			/* "output": template over the run document plus `result` */
	int			priority;		/* -1: the run's */
	int64		estimated_duration; /* microseconds; 0: not said */
	JoFlowDef  *flow;			/* see stepdefs.h for which types have which */
	JoDataDef  *data;
	JoEachDef  *each;
	JoChildDef *child;
	JoWaitDef  *wait;
	JoCacheDef *cache;
	JoConcurrencyDef *concurrency;
	JoOutsideDef *outside;
	int			nplans;			/* texts of SQL whose plans are kept: sql is 0, when 1, others from 2 */
} JoStepDef;

/* Is it one of the steps that the numbers of a run count? */
#define JO_STEP_IS_COUNTED(step) (!(step)->hidden && (step)->part != JO_PART_EACH)

/* What the definition of a body (of a loop, of a foreach with steps) sees around it. */
typedef struct JoOuter
{
	int			nsteps;
	char	  **steps;			/* names of steps of the runs around it that are read, in strcmp order */
	char	   *item;			/* the item's second name, or NULL */
	bool		each;			/* body of a foreach: its run has an item; else of a loop */
	bool		has_item;		/* it or a body around it is a foreach's */
	bool		has_iteration;	/* it or a body around it is a loop's */
	int			naliases;
	char	  **aliases;		/* second names of items, its own and those around it */
} JoOuter;

typedef struct JoDefinition
{
	int			nsteps;
	JoStepDef  *steps;
	int			nmain;			/* steps[0 .. nmain-1] are the job's own */
	char	   *description;
	int64		timeout;		/* of a run, microseconds; 0: none */
	char	   *queue;			/* NULL: default */
	int			priority;		/* 0 critical .. 3 low; default 2 medium */
	JoDurability durability;
	int			max_recovery_attempts;	/* default 3 */
	bool		run_as_caller;	/* job key "run_as": "caller" */
	char	   *input_schema;	/* JSON text of "input", or NULL */
	char	   *vars;			/* JSON text of "vars", or NULL */
	JoValue    *output;			/* job key "output", or NULL */
	int		   *by_name;		/* step indexes in strcmp order of their names */
	JoOuter    *outer;			/* a body's; else NULL */
	JoConcurrencyDef *concurrency;	/* of runs, or NULL */
	int			ncompensations; /* steps of phase COMPENSATE; they follow the main ones */
} JoDefinition;

typedef enum JoSeverity
{
	JO_SEVERITY_ERROR,
	JO_SEVERITY_WARNING
} JoSeverity;

/* One thing that is wrong with a definition. */
typedef struct JoFinding
{
	const char *code;			/* stable word: unknown_key, cycle_detected, ... */
	JoSeverity	severity;
	char	   *path;			/* $.steps[2].depends_on[0] */
	char	   *step;			/* name of the step, or NULL */
	char	   *message;
	char	   *suggestion;		/* what to type instead, or NULL */
} JoFinding;

typedef struct JoFindings
{
	int			n;
	int			capacity;
	int			nerrors;
	JoFinding  *list;
} JoFindings;

/*
 * Copies the texts into the current context (code is kept as given).  The list
 * ends with one limit_exceeded after JO_MAX_FINDINGS; nerrors goes on counting.
 */
extern void jo_findings_add(JoFindings *findings, const char *code, JoSeverity severity,
							const char *path, const char *step,
							const char *message, const char *suggestion);

/* What the definition's reader needs of its surroundings. */
typedef struct JoDefinitionHooks
{
	/* interval text to microseconds; false: not an interval */
	bool		(*parse_duration) (const char *text, int64 *microseconds);

	/* more checks of a step that was read; path is its place.  NULL: none */
	void		(*check_step) (const JoStepDef *step, const char *path, JoFindings *findings);

	/* the same of its other SQL texts, and of its SQL/JSON paths */
	void		(*check_sql) (const JoStepDef *step, const JoSqlText *sql, const char *path,
							  JoFindings *findings);
	void		(*check_path) (const JoStepDef *step, const char *text, const char *path,
							   JoFindings *findings);

	/* is it a regular expression?  *error (allocated) says why not.  NULL: not asked */
	bool		(*check_pattern) (const char *pattern, char **error);

	/* written by a user: "outer", which only bodies have, is refused */
	bool		from_user;
} JoDefinitionHooks;

/*
 * Reads and checks a definition.  Never raises (but for out of memory); adds
 * everything that is wrong to *findings and returns NULL if any of it is an
 * error.  The result is allocated in the current memory context, as one tree.
 */
extern JoDefinition *jo_definition_parse(const char *json, size_t length,
										 const JoDefinitionHooks *hooks,
										 JoFindings *findings);

extern int	jo_definition_step_by_name(const JoDefinition *definition, const char *name);	/* -1 */
extern const char *jo_trigger_rule_name(JoTriggerRule rule);

#endif
