/*
 * steptypes.h
 *		What carries out each type of step, and what those functions share.
 *
 * Each is called by jo_step_execute() for one part of one type; see steptry.h.
 * They raise what goes wrong, with a SQLSTATE, DETAIL and HINT.
 */
#ifndef JO_STEPTYPES_H
#define JO_STEPTYPES_H

#include "steptry.h"

#define JO_MAX_ITEMS 100000		/* of a foreach */

/* ---- stepdata.c, stepaggregate.c, stepvalidate.c, stepnotify.c ---- */

extern JoVerdict jo_step_sql(JoTry *try);
extern JoVerdict jo_step_transform(JoTry *try);
extern JoVerdict jo_step_filter(JoTry *try);
extern JoVerdict jo_step_set(JoTry *try);
extern JoVerdict jo_step_aggregate(JoTry *try);
extern JoVerdict jo_step_validate(JoTry *try);
extern JoVerdict jo_step_notify(JoTry *try);

/* ---- stepflow.c, stepclose.c ---- */

extern JoVerdict jo_step_condition(JoTry *try); /* OPEN and WHOLE */
extern JoVerdict jo_step_switch(JoTry *try);	/* OPEN and WHOLE */
extern JoVerdict jo_step_open(JoTry *try);	/* parallel, race */
extern JoVerdict jo_step_join(JoTry *try);
extern JoVerdict jo_step_end(JoTry *try);
extern JoVerdict jo_step_close_decision(JoTry *try);
extern JoVerdict jo_step_close_parallel(JoTry *try);
extern JoVerdict jo_step_close_race(JoTry *try);

/* ---- stepeach.c ---- */

extern JoVerdict jo_step_open_each(JoTry *try);
extern JoVerdict jo_step_close_each(JoTry *try);

/* ---- stepwait.c, stepapproval.c ---- */

extern JoVerdict jo_step_delay(JoTry *try);
extern JoVerdict jo_step_wait_signal(JoTry *try);
extern JoVerdict jo_step_wait_sql(JoTry *try);
extern JoVerdict jo_step_approval(JoTry *try);

/*
 * For a step that waits: its kind, and its deadline by the step's "timeout", when
 * it is executed for the first time.
 */
extern void jo_step_begin_wait(JoTry *try, char kind);

/* Has the deadline passed? */
extern bool jo_step_is_late(const JoTry *try, TimestampTz now);

/* Looks again at the time (0: only when woken), and not later than at the deadline. */
extern JoVerdict jo_step_wait_until(JoTry *try, TimestampTz look_at);

/* Raises ERRCODE_JO_STEP_TIMEOUT; hint is what to do about it. */
extern void jo_step_raise_timeout(JoTry *try, const char *hint) pg_attribute_noreturn();

/* ---- stepoutside.c, claim.c ---- */

extern JoVerdict jo_step_outside(JoTry *try);

/* In an executor: hands it over to the courier.  In the courier: of one that waits for complete_claim(). */
extern JoVerdict jo_step_network(JoTry *try);

/*
 * Of a step that waited, whatever for: has somebody said what becomes of it?  The
 * order is taken in this transaction.
 */
extern bool jo_step_take_order(JoTry *try, JoVerdict *verdict);

/* ---- stepartifact.c ---- */

extern JoVerdict jo_step_artifact(JoTry *try);

/* ---- stepcommand.c ---- */

/*
 * Runs the program of a command or script step, outside of any transaction, and returns its
 * result, in the current context.  Begins transactions of its own.
 */
extern Jsonb *jo_step_command(JoTry *try);

/* ---- stepchild.c, steploop.c ---- */

extern JoVerdict jo_step_job(JoTry *try);
extern JoVerdict jo_step_loop(JoTry *try);

typedef enum JoChildState
{
	JO_CHILD_RUNNING,
	JO_CHILD_COMPLETED,
	JO_CHILD_FAILED				/* or cancelled: try->error and try->sqlstate say it */
} JoChildState;

/* What became of try->wait.child; *output of a completed one.  Raises when it is gone. */
extern JoChildState jo_step_look_at_child(JoTry *try, Jsonb **output);

/* Starts a run for the step, with what its definition says; context NULL: none. */
extern int64 jo_step_start_child(JoTry *try, Jsonb *context);

/* Does the body read this root?  Said too often rather than too rarely. */
extern bool jo_step_body_reads(const JoTry *try, const char *root);

/* ---- stepvalue.c: what expressions and conditions of a step give ---- */

extern bool jo_step_is_given(const JoExpression *expression);

/* Never NULL: what gives nothing is JSON's null. */
extern Jsonb *jo_step_value(JoTry *try, const JoExpression *expression);

/* The same as an array; what names it in errors.  null and all but arrays raise ERRCODE_JO_ITEMS. */
extern Jsonb *jo_step_items(JoTry *try, const JoExpression *expression, const char *what);

/* A template value as text; NULL when value is NULL or gives null. */
extern char *jo_step_text(JoTry *try, const JoValue *value);

extern bool jo_step_has_condition(const JoCondition *condition);

/* The document may be of another run than the step's. */
extern bool jo_step_holds(JoTry *try, const JoCondition *condition, JoDocument *document);

/* Fails with an error that another step or run had. */
extern JoVerdict jo_step_fail_with(JoTry *try, Jsonb *error);

/* An error that has one member more. */
extern Jsonb *jo_step_note(Jsonb *error, const char *key, int64 number);

/* try->step as users know it. */
extern const char *jo_step_name(const JoTry *try);

#endif
