/*
 * sqlsplit.h
 *		The SQL text of a step as single statements, templates as $1..$n.
 */
#ifndef JO_SQLSPLIT_H
#define JO_SQLSPLIT_H

#include "nodes/parsenodes.h"
#include "tcop/cmdtag.h"
#include "template.h"
#include "utils/jsonb.h"

typedef struct JoSqlStatement
{
	char	   *text;			/* this statement alone */
	RawStmt    *raw;
	CommandTag	tag;
	int			first;			/* its templates are first .. first + ntemplates - 1 */
	int			ntemplates;
} JoSqlStatement;

typedef struct JoSqlSplit
{
	const JoSqlText *sql;		/* template i is the parameter $(i + 1), or a name */
	char	   *text;
	int			nstatements;
	JoSqlStatement *statements;
} JoSqlSplit;

typedef struct JoSqlProblem
{
	const char *code;			/* word for findings */
	int			sqlstate;
	char	   *message;
	char	   *hint;			/* or NULL */
} JoSqlProblem;

/*
 * Splits by the server's own grammar.  names[i] is what an `ident` template i
 * becomes, already quoted; NULL: some name.  Needs no transaction.  Allocates in the
 * current context; raises syntax errors.
 */
extern JoSqlSplit *jo_sqlsplit_parse(const JoSqlText *sql, char *const *names);

/* The same, but a syntax error is returned, not raised; NULL: *split is good. */
extern ErrorData *jo_sqlsplit_try(const JoSqlText *sql, JoSqlSplit **split);

/* True, with the first one, when a statement is of a kind that no step may have. */
extern bool jo_sqlsplit_find_problem(const JoSqlSplit *split, JoSqlProblem *problem);

/* Is it one statement that cannot run inside a transaction block? */
extern bool jo_sqlsplit_needs_top_level(const JoSqlSplit *split);

/* The text that jo_sqlsplit_parse() makes; offsets (or NULL) get where each template begins. */
extern char *jo_sqlsplit_text(const JoSqlText *sql, char *const *names, int *offsets);

extern bool jo_sqlsplit_is_name(const JoTemplate *template);

/* What an `ident` template becomes for this value; place is for messages. */
extern char *jo_sqlsplit_quote_name(const JoTemplate *template, Jsonb *value, const char *place);

#endif
