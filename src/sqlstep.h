/*
 * sqlstep.h
 *		Runs the SQL of a step: each statement once, templates bound as parameters.
 */
#ifndef JO_SQLSTEP_H
#define JO_SQLSTEP_H

#include "postgres.h"
#include "document.h"
#include "nodes/params.h"
#include "sqlparam.h"
#include "sqlsplit.h"

/*
 * Runs the statements of a step inside the open transaction, as the session's
 * own user, and returns {"rows": [...], "row_count": n, "command": tag} of the last
 * one (rows left out when step->output_none).  Raises what the statements raise,
 * ERRCODE_JO_TRANSACTION_CONTROL for BEGIN/COMMIT/..., ERRCODE_JO_RESULT_TOO_LARGE.
 * Plans are kept in job->plans[step->index] for the next time.
 */
extern Jsonb *jo_sqlstep_execute(JoCachedJob *job, const JoStepDef *step, JoDocument *document);

/* Numbers of a step's texts of SQL, under which their plans are kept. */
#define JO_PLAN_SQL 0
#define JO_PLAN_WHEN 1
#define JO_PLAN_OTHERS 2		/* and up: what expressions and conditions say */

/*
 * The same for another text of the step.  The document may be of another run than
 * the job's.  max_rows > 0: rows that are taken apart at once, so as many as jsonb
 * can hold, but no more than that number (ERRCODE_JO_ITEMS).
 */
extern Jsonb *jo_sqlstep_query(JoCachedJob *job, const JoStepDef *step, const JoSqlText *sql,
							   int plan, int max_rows, JoDocument *document);

/*
 * A condition: one row, one boolean column; else ERRCODE_JO_CONDITION.  *row (NULL:
 * not wanted) gets the row.
 */
extern bool jo_sqlstep_holds(JoCachedJob *job, const JoStepDef *step, const JoSqlText *sql,
							 int plan, JoDocument *document, Jsonb **row);

/* `when` given as SQL: one row, one boolean column; else ERRCODE_JO_CONDITION. */
extern bool jo_sqlstep_condition(JoCachedJob *job, const JoStepDef *step, JoDocument *document);

/*
 * For "transaction": "none": runs the statement as a top-level command in
 * transactions of its own.  Called with no transaction open; leaves none open,
 * but for an error, after which the caller aborts.  The result is allocated in the
 * caller's context, which must outlive transactions.
 */
extern Jsonb *jo_sqlstep_execute_alone(JoCachedJob *job, const JoStepDef *step, JoDocument *document);

/*
 * Must this step run outside a transaction block ("none", or auto with VACUUM and
 * the like)?  Raises nothing; text that is no SQL must not.
 */
extern bool jo_sqlstep_is_alone(const JoStepDef *step);

extern void jo_sqlstep_free_plans(struct JoSqlPlans *plans);

/* ---- between sqlstep.c and sqlalone.c ---- */

/* Raises the first thing about the text that no step may have. */
extern void jo_sqlstep_check(const JoSqlSplit *split, JoDocument *document);

/* What the `ident` templates of a text become, by template; NULL if it has none. */
extern char **jo_sqlstep_names(const JoSqlText *sql, JoDocument *document);

/* The values for a statement, params[i] of template i; NULL if it has no templates. */
extern ParamListInfo jo_sqlstep_bind(const JoSqlText *sql, const JoSqlStatement *statement,
									 JoSqlParam **params, JoDocument *document);

#endif
