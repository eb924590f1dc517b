/*
 * steptry.h
 *		One try of a step: what the function of its type gets, and gives back.
 *
 * Every step, whatever its type, is carried out by an executor, in one
 * transaction, as the step's role.  What waits (delays, signals, approvals,
 * children) holds no process: its function says JO_VERDICT_WAIT, the executor
 * keeps try->wait as a row, and the function is called again, in a later
 * transaction, each time something may have changed: its time came, a signal or
 * a decision was sent to the run, a child ended, or the run was just loaded.  So
 * a function looks at what is there, decides, and may always say "wait" again.
 */
#ifndef JO_STEPTRY_H
#define JO_STEPTRY_H

#include "defcache.h"
#include "document.h"
#include "store.h"

typedef enum JoVerdict
{
	JO_VERDICT_COMPLETED,		/* with try->output and try->taken */
	JO_VERDICT_SKIPPED,
	JO_VERDICT_FAILED,			/* with try->error and try->sqlstate; the retry policy is asked */
	JO_VERDICT_WAIT				/* with try->wait */
} JoVerdict;

typedef struct JoTry
{
	JoCachedJob *job;
	const JoStepDef *step;
	JoDocument *document;
	int64		run_id;
	int32		item;			/* of EACH, from 0; else JO_NO_ITEM */
	int32		attempt;
	int32		epoch;			/* of the run */
	TimestampTz started_at;		/* of this execution; when it waited, wait.begun_at is the first one's */

	/* what it waited for; waited false: it is executed for the first time in this attempt */
	bool		waited;
	JoWaitRow	wait;			/* filled by the function before JO_VERDICT_WAIT: kind, look_at, deadline, child, key, detail */

	/* what it came to */
	Jsonb	   *output;
	Jsonb	   *error;			/* as jo_failure_make() makes them */
	int			sqlstate;
	int32		taken;			/* branch of a decision, number of items of a foreach; -1: neither */
} JoTry;

/*
 * Carries the step out inside the open transaction.  Raises what goes wrong: the
 * executor makes a failed attempt of it.  Called in the step's memory context.
 * The document need not know the item yet.  output is not shaped by "output" yet,
 * NULL means null.
 */
extern JoVerdict jo_step_execute(JoTry *try);

/*
 * Is it carried out outside of transactions: a statement that must be, or a program?  The
 * caller leaves a durable trace of the attempt before.
 */
extern bool jo_step_is_alone(const JoStepDef *step);

/*
 * The same as jo_step_execute() for such a step, with no transaction open: sets try->output, in the
 * current context.  Raises what goes wrong, and interrupts when nothing of it runs any more.
 */
extern void jo_step_execute_alone(JoTry *try);

/* `when`, asked once: not again of a step that waited, nor of each item. */
extern bool jo_step_is_wanted(JoTry *try);

/*
 * The step's own "output": a template over the document and its result.  One that is
 * too large for its row is stored as an artifact here, and stood in for: see spill.h.
 */
extern Jsonb *jo_step_shape(JoTry *try, Jsonb *result);

/* Deferred constraints belong to the step: fires them as its owner, before the books. */
extern void jo_step_fire_deferred(void);

/* A request was accepted (202) and will be completed by somebody else: fills try->wait. */
extern void jo_step_begin_callback(JoTry *try);

/*
 * Raises ERRCODE_JO_RESULT_TOO_LARGE when try->output is larger than any may be.  What is only too
 * large for its row goes to an artifact in jo_step_shape(): "output" may make less of it.
 */
extern void jo_step_accept_output(JoTry *try);

/*
 * What tells two tries of the same work from two works: the same for all attempts of a step, until
 * the run is recovered.
 */
extern char *jo_step_idempotency_key(const JoTry *try);

/* The error of a step that was cut off by its "timeout"; context NULL: not known. */
extern Jsonb *jo_step_cut_off(const JoStepDef *step, const char *context);

/*
 * "cache", also for what does not go through jo_step_execute(), which calls them
 * itself: true when the output of a run before is taken instead (try->output);
 * and keeps the output of this one.  Nothing happens without the key.
 */
extern bool jo_step_is_cached(JoTry *try);
extern void jo_step_keep(JoTry *try);

/*
 * The output of a completed run: what its job's "output" made, else that of its last
 * step, else an object of those of its last steps.  NULL: it has none.
 */
extern Jsonb *jo_run_output(int64 run_id, const JoEndRow *end);

/* A run that a step starts: of a job by its name, or of the definition of a body. */
typedef struct JoChildStart
{
	int64		parent_run_id;
	int32		parent_step;
	int32		parent_item;	/* JO_NO_ITEM: of no item */
	const char *job;			/* name or id; NULL: definition */
	const char *definition;		/* JSON text of a body, as JoChildDef has it */
	Jsonb	   *input;			/* NULL: of a body the parent's, of a job {} */
	Jsonb	   *context;		/* item, item_index, iteration, vars, previous; NULL: none */
	struct ArrayType *tags;		/* of text; NULL: none */
	const char *queue;			/* NULL: of a body the parent's, of a job its own */
	int			priority;		/* -1: the same */
} JoChildStart;

/*
 * jo_start_child() of start.h, which is above this layer; set by the library's
 * start-up.  Starts the run in the open transaction and returns its id; it begins
 * after the commit.  Raises what start() raises, and ERRCODE_JO_TOO_DEEP.
 */
extern PGDLLIMPORT int64 (*jo_start_child_hook) (const JoChildStart *child);

/* May its function say JO_VERDICT_WAIT?  Then its "timeout" is that of the wait. */
extern bool jo_step_may_wait(const JoStepDef *step);

#endif
