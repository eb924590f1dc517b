/*
 * stepdefs.h
 *		What the keys of each group of step types say; parts of a JoStepDef.
 *
 * A part is there (not NULL) in the steps of its types only, named beside it.
 */
#ifndef JO_STEPDEFS_H
#define JO_STEPDEFS_H

#include "leaf.h"
#include "template.h"

/* A predicate: an SQL/JSON path over the run document, or SQL; neither: none was given. */
typedef struct JoCondition
{
	char	   *path;
	JoRefList	refs;			/* which roots and steps path reads */
	JoSqlText  *sql;
	int			plan;			/* number of sql among the step's texts, for its kept plan */
} JoCondition;

/* A value made of a run document: exactly one of the three. */
typedef struct JoExpression
{
	JoValue    *value;			/* a JSON value with templates */
	char	   *path;			/* an SQL/JSON path */
	JoRefList	refs;			/* what path reads */
	bool		many;			/* all items of path, as an array; else its first */
	JoSqlText  *sql;			/* a query: its first row's value, or its row as an object */
	int			plan;			/* number of sql among the step's texts */
} JoExpression;

typedef struct JoNamedExpression
{
	char	   *name;
	JoExpression expression;
} JoNamedExpression;

/* One way out of a decision; the branch is its index. */
typedef struct JoBranch
{
	char	   *label;			/* true, false; a case's name or case_1; default; name of a parallel branch */
	JoCondition condition;		/* none: default, or equals */
	JoValue    *equals;			/* switch over a value */
	int			last;			/* step whose output is the branch's, -1: the branch has no steps */
} JoBranch;

/* condition switch parallel race join end: in all their parts */
typedef struct JoFlowDef
{
	JoExpression value;			/* switch: the value that cases compare with */
	int			nbranches;
	JoBranch   *branches;		/* condition: true, false; switch: cases, then default if there is one */
	bool		has_default;	/* switch */
	int			enough;			/* join, parallel: so many completed suffice; 0: all */
	int			max_concurrent; /* parallel; 0: no limit */
	JoValue    *message;		/* end */
	enum
	{
		JO_END_SUCCESS,
		JO_END_FAILURE,
		JO_END_CONDITIONAL
	}			end;
} JoFlowDef;

typedef struct JoAggregate
{
	char	   *name;
	enum
	{
		JO_AGGREGATE_COUNT,
		JO_AGGREGATE_SUM,
		JO_AGGREGATE_MIN,
		JO_AGGREGATE_MAX,
		JO_AGGREGATE_AVG
	}			op;
	char	   *path;			/* SQL/JSON path within an item; NULL: the item */
} JoAggregate;

typedef struct JoRule
{
	char	   *path;			/* predicate; $.value is what is validated */
	JoRefList	refs;
	char	   *message;		/* NULL: the rule itself */
} JoRule;

/* transform validate aggregate filter set notify */
typedef struct JoDataDef
{
	JoExpression value;			/* transform; what validate, aggregate, filter read; notify's payload */
	int			noutputs;
	JoNamedExpression *outputs; /* transform's named outputs; set's variables */
	char	   *schema;			/* validate: JSON text, or NULL */
	int			nrules;
	JoRule	   *rules;
	bool		fail_on_error;
	int			ngroups;
	char	  **groups;			/* aggregate: SQL/JSON paths within an item */
	int			naggregates;
	JoAggregate *aggregates;
	JoCondition where;			/* filter: $.item is the element */
	JoValue    *channel;		/* notify */
} JoDataDef;

/* Over what a step is repeated: in the three parts of a step with foreach. */
typedef struct JoEachDef
{
	JoExpression items;
	char	   *as;				/* the item's second name, or NULL */
	int			max_parallel;	/* 0: as many as there are executors */
	bool		go_on;			/* on_item_error: continue */
	int			max_failed;		/* with continue: so many may fail; -1: all */
} JoEachDef;

/* job loop, and foreach with steps of its own: they start runs */
typedef struct JoChildDef
{
	char	   *body;			/* JSON text of the child's definition, or NULL */
	struct JoDefinition *inner; /* the same, read, to be shown; runs have their own */
	JoValue    *job;			/* job: name of the job instead */
	JoValue    *input;			/* NULL: loop and foreach bodies have their parent's */
	bool		wait;			/* job: for the child's end */
	JoValue    *tags;
	char	   *queue;
	int			priority;		/* -1: the run's */
	JoCondition while_true;		/* loop */
	JoCondition until;
	JoCondition break_if;
	int			max_iterations;
	bool		max_is_error;	/* reaching max_iterations fails the step */
	int64		delay;			/* between iterations, microseconds */
} JoChildDef;

typedef enum JoOnTimeout
{
	JO_ON_TIMEOUT_FAIL,
	JO_ON_TIMEOUT_SKIP,
	JO_ON_TIMEOUT_CONTINUE,
	JO_ON_TIMEOUT_REJECT		/* approvals */
} JoOnTimeout;

/* delay wait_signal wait_sql approval */
typedef struct JoWaitDef
{
	int64		duration;		/* delay, microseconds; 0: until */
	JoValue    *until;			/* delay */
	JoValue    *signal;			/* wait_signal: NULL: the step's name */
	JoCondition condition;		/* wait_sql */
	JoValue    *lsn;			/* wait_sql: replica caught up to it */
	JoValue    *lock_key;		/* wait_sql: advisory lock free */
	int64		interval;		/* wait_sql: between looks, microseconds */
	int			napprovers;
	char	  **approvers;		/* role names; none: the owner and the operators */
	JoValue    *message;		/* approval */
	JoOnTimeout on_timeout;		/* the step's timeout is that of the wait */
	JoOnTimeout on_reject;		/* approval: fail, skip or continue */
} JoWaitDef;

typedef enum JoOutsideKind
{
	JO_OUTSIDE_HTTP,
	JO_OUTSIDE_WEBHOOK,
	JO_OUTSIDE_FILE_TRANSFER,
	JO_OUTSIDE_EMAIL,
	JO_OUTSIDE_COMMAND,
	JO_OUTSIDE_SCRIPT,
	JO_OUTSIDE_ARTIFACT,
	JO_OUTSIDE_EXTERNAL
} JoOutsideKind;

/* What acts outside of the database: what it is told, as it is written. */
typedef struct JoOutsideDef
{
	JoOutsideKind kind;
	JoValue    *parameters;		/* an object of the step's own keys */
	JoCondition success;		/* http: a path that must be true of $.result; none: no such key */
	bool		callback;		/* http, webhook: who answers 202 completes the step later */
} JoOutsideDef;

/* Not more than so many with the same key at a time; of a step or a job. */
typedef struct JoConcurrencyDef
{
	JoValue    *key;
	int			limit;
	bool		of_queue;		/* scope "queue": with all jobs of the queue; else of this job */
	enum
	{
		JO_WHEN_FULL_WAIT,
		JO_WHEN_FULL_SKIP,
		JO_WHEN_FULL_CANCEL_OTHER
	}			when_full;
} JoConcurrencyDef;

/* The output of a step that ran a short time ago is taken again. */
typedef struct JoCacheDef
{
	JoValue    *key;
	int64		ttl;			/* microseconds */
} JoCacheDef;

#endif
