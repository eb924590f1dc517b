/*
 * definition.h
 *		A job's definition: from JSON text to a checked JoDefinition.
 *
 * Steps are kept in one flat array in the order they are written (job steps,
 * then on_failure, then finally): a step's index is its identity in the rows
 * (step.step), stable for a version.
 */
#ifndef JO_DEFINITION_H
#define JO_DEFINITION_H

#include "leaf.h"
#include "template.h"

#define JO_MAX_STEPS 1000
#define JO_MAX_NAME 63			/* bytes */
#define JO_MAX_DEFINITION_BYTES (16 * 1024 * 1024)	/* as JO_JSON_MAX_BYTES */
#define JO_MAX_FINDINGS 1000

typedef enum JoStepType
{
	JO_STEP_SQL
} JoStepType;

typedef enum JoPhase
{
	JO_PHASE_MAIN,
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
	char	   *name;
	JoStepType	type;
	JoPhase		phase;
	int			ndeps;
	int		   *deps;			/* indexes of the parents */
	JoTriggerRule rule;
	JoOnError	on_error;
	JoRetry		retry;
	int64		timeout;		/* microseconds of each attempt; 0: none */
	char	   *when_path;		/* jsonpath predicate over the run document, or NULL */
	JoRefList	when_refs;		/* which roots and steps when_path reads */
	JoSqlText  *when_sql;		/* or this */
	JoSqlText  *sql;
	JoTransactionMode transaction;
	char	   *run_as;			/* role name, or NULL: the job's owner */
	bool		output_none;	/* "output": "none": keep no rows */
	JoValue    *output;			/* "output": template over the run document plus `result` */
	int			priority;		/* -1: the run's */
	int64		estimated_duration; /* microseconds; 0: not said */
} JoStepDef;

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
