/*
 * testrun.h
 *		joborch.test_run(): a whole job inside of the calling transaction.
 *
 * What the files testrun*.c share, and nobody else includes.  A run that is tried out
 * has rows like any other, written and deleted by the calling transaction, so that
 * no other process ever sees them; its counts are in local memory, kept by the same
 * code that keeps those of real runs.  Everything is allocated in test->context.
 */
#ifndef JO_TESTRUN_H
#define JO_TESTRUN_H

#include "active.h"
#include "books.h"
#include "nodes/pg_list.h"
#include "steptry.h"

/* A run that is tried out: the one that was asked for, or one that a step of it started. */
typedef struct JoTestRun
{
	JoActiveRun active;
	JoCachedJob *job;
	struct JoTestRun *parent;
	int			depth;
	char	   *within;			/* "each[3]": where it belongs in the report; NULL: the one asked for */
	const char *prefix;			/* what its steps' names begin with in stubs: "" or "call." */
	Jsonb	   *input;			/* checked, with its defaults */
	bool	   *told;			/* steps[i] is in the report */
	bool		done;
	JoEndRow	end;			/* once done */
	TimestampTz ended_at;
} JoTestRun;

/* What a step, or a run, waits for. */
typedef struct JoTestWait
{
	JoTestRun  *run;
	int32		step;			/* -1: the run's own time-out */
	int32		item;
	char		kind;			/* JO_WAIT_..., or one of those below */
	TimestampTz due;			/* when it is looked at; 0: only when woken */
	TimestampTz deadline;
	int64		child;
	char	   *key;
	int			looks;			/* in vain, since any other step was carried out */
	struct JoStub *stub;		/* JO_TEST_SEND: what is sent */
} JoTestWait;

#define JO_TEST_RETRY		'r'
#define JO_TEST_RUN_TIMEOUT 't'
#define JO_TEST_SEND		'S' /* the stub of a waiting step is sent */

typedef enum JoStubKind
{
	JO_STUB_NONE,
	JO_STUB_OUTPUT,
	JO_STUB_ERROR,
	JO_STUB_SKIP,
	JO_STUB_SIGNAL,
	JO_STUB_DECISION
} JoStubKind;

/* How one execution of a step is answered. */
typedef struct JoStub
{
	JoStubKind	kind;
	Jsonb	   *value;			/* output, or payload */
	char	   *text;			/* error's message, or reason; NULL: none */
	int			sqlstate;
	bool		approve;
	char	   *by;				/* NULL: the caller */
	int64		after;			/* microseconds */
} JoStub;

typedef struct JoTest
{
	MemoryContext context;
	MemoryContext step_context; /* of the step that is being carried out */
	Oid			caller;
	const char *caller_name;
	TimestampTz began;
	TimestampTz now;			/* the clock is held at it */
	TimestampTz progress_at;	/* when a step last came to something */
	JoTestRun  *root;
	List	   *runs;			/* JoTestRun: those that are not done, in the order in which they began */
	List	   *starting;		/* those that the step being carried out has started */
	List	   *run_ids;		/* as int64 *, of all */
	List	   *jobs;			/* JoCachedJob, to be left */
	List	   *texts;			/* char *: of each of those */
	List	   *waits;			/* JoTestWait */
	List	   *told;			/* Jsonb: entries of the report */
	Jsonb	   *stubs;
	int		   *stubs_used;		/* of each key, how many executions were answered */
	bool		refused;		/* an error says that the test itself is wrong: not the step's */
} JoTest;

/* ---- testrunstub.c ---- */

/* Raises when a stub has no step in the definition, or cannot be one of that step. */
extern void jo_test_check_stubs(JoTest *test, const JoDefinition *definition, const char *prefix);

/* The stub for the next execution of a step; kind NONE: there is none. */
extern void jo_test_take_stub(JoTest *test, const JoTestRun *run, const JoStepDef *step, int32 item,
							  int attempt, JoStub *stub);

/* The key that a stub for the step must have. */
extern char *jo_test_stub_key(const JoTestRun *run, const JoStepDef *step);

/* Ends test_run(): the error that follows is about the test, not about a step of the run. */
extern void jo_test_refuse(JoTest *test);

/* ---- testrunstep.c ---- */

/* Carries out a step that is ready, and applies what came of it. */
extern void jo_test_execute(JoTest *test, JoTestRun *run, JoStepState *state);

/*
 * Fires what is deferred; constraints that begin a transaction deferred are so again
 * afterwards, whatever the session had said of them.
 */
extern void jo_test_fire_deferred(void);

/* ---- testrunwait.c ---- */

/* A step has to wait, or to be tried again. */
extern void jo_test_wait(JoTest *test, JoTestRun *run, const JoAttempt *attempt, char kind,
						 TimestampTz due, const JoWaitRow *wait);

/* What was known of a step's wait is forgotten: it is over, or looks again. */
extern void jo_test_forget_wait(JoTest *test, const JoTestRun *run, int32 step, int32 item);

/* Something happened: what waits for a state of the database may look again. */
extern void jo_test_progress(JoTest *test);

/* The stub of a step that waits: sends the signal or the decision, now or when its time comes. */
extern void jo_test_send(JoTest *test, JoTestRun *run, const JoAttempt *attempt, const JoWaitRow *wait,
						 const JoStub *stub);

/* A run that may take so long fails then. */
extern void jo_test_wait_for_end(JoTest *test, JoTestRun *run, TimestampTz due);

/* Steps that wait for what only a stub could give, as JoTestWait *. */
extern List *jo_test_waiting(JoTest *test);

/* Moves the clock to the next time at which something happens; false: nothing will. */
extern bool jo_test_advance(JoTest *test);

/* ---- testrunend.c ---- */

/* A run of the definition, with its rows; job is kept by the test. */
extern JoTestRun *jo_test_start(JoTest *test, JoCachedJob *job, const JoRunRow *wanted, JoTestRun *parent);

/* jo_start_child_hook while a test runs. */
extern int64 jo_test_start_child(const JoChildStart *child);

/* The test that is running in this process; NULL: none. */
extern JoTest *jo_test_current;

/* The definition as the engine reads it, under a number of its own; json is kept. */
extern JoCachedJob *jo_test_enter(JoTest *test, char *json, const char *name);

/* After any change: stops what is to stop, and ends the run if it is done. */
extern void jo_test_settle(JoTest *test, JoTestRun *run);

/* A run that is waited for no more is stopped. */
extern void jo_test_cancel(JoTest *test, int64 run_id);

/* The state of a step or of its item; NULL: it has none. */
extern JoStepState *jo_test_state(JoTestRun *run, int32 step, int32 item);

/* ---- testrunreport.c ---- */

/* A step, or an item of one, that was carried out and is final. */
extern void jo_test_tell(JoTest *test, JoTestRun *run, const JoAttempt *attempt, char status,
						 Jsonb *output, Jsonb *error, Jsonb *request);

/* Steps that became final without being carried out. */
extern void jo_test_tell_others(JoTest *test, JoTestRun *run);

/* What test_run() returns. */
extern Jsonb *jo_test_report(JoTest *test);

#endif
