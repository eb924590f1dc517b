/*
 * sqlsplit.c
 *		The SQL text of a step as single statements, templates as $1..$n.
 *
 * Saving a job, running its steps and deciding whether a step must run outside a
 * transaction all need the same look at the text, by the server's own grammar.
 * Touches memory only: no catalog, no transaction.
 */
#include "joborch.h"

#include "commands/defrem.h"
#include "errors.h"
#include "jsonbuild.h"
#include "lib/stringinfo.h"
#include "parser/parser.h"
#include "parser/scansup.h"
#include "sqlsplit.h"
#include "tcop/utility.h"
#include "utils/builtins.h"

#define MAX_NAME_PARTS 3

bool
jo_sqlsplit_is_name(const JoTemplate *template)
{
	return template->nfilters > 0 &&
		template->filters[template->nfilters - 1].kind == JO_FILTER_IDENT;
}

/* Blanks around each $n, so that no neighbour becomes part of the token. */
char *
jo_sqlsplit_text(const JoSqlText *sql, char *const *names, int *offsets)
{
	StringInfoData text;
	int			i;

	initStringInfo(&text);
	for (i = 0; i < sql->ntemplates; i++)
	{
		appendStringInfoString(&text, sql->pieces[i]);
		if (offsets != NULL)
			offsets[i] = text.len;
		if (!jo_sqlsplit_is_name(&sql->templates[i]))
			appendStringInfo(&text, " $%d ", i + 1);
		else
			appendStringInfo(&text, " %s ", names != NULL ? names[i] : "some_name");
	}
	appendStringInfoString(&text, sql->pieces[sql->ntemplates]);
	return text.data;
}

/* sqltext.c found the templates with standard strings; the grammar must agree. */
static List *
parse_text(const char *text)
{
	bool		saved = standard_conforming_strings;
	List	   *statements = NIL;

	standard_conforming_strings = true;
	PG_TRY();
	{
		statements = raw_parser(text, RAW_PARSE_DEFAULT);
	}
	PG_FINALLY();
	{
		standard_conforming_strings = saved;
	}
	PG_END_TRY();
	return statements;
}

static void
fill_statement(JoSqlSplit *split, JoSqlStatement *statement, RawStmt *raw, const int *offsets)
{
	int			length = raw->stmt_len > 0 ? raw->stmt_len :
		(int) strlen(split->text) - raw->stmt_location;
	int			start = raw->stmt_location;
	int			end = start + length;
	int			i;

	while (start < end && scanner_isspace(split->text[start]))
		start++;
	statement->raw = raw;
	statement->tag = CreateCommandTag(raw->stmt);
	statement->text = pnstrdup(split->text + start, end - start);
	for (i = 0; i < split->sql->ntemplates; i++)
	{
		if (offsets[i] < start || offsets[i] >= end)
			continue;
		if (statement->ntemplates++ == 0)
			statement->first = i;
	}
}

/* What stands around an expression, which may end in a comment. */
static const char expression_lead[] = "SELECT (";
static const char expression_tail[] = "\n)";

static JoSqlSplit *
parse_as(const JoSqlText *sql, char *const *names, bool expression)
{
	JoSqlSplit *split = palloc0(sizeof(JoSqlSplit));
	int		   *offsets = palloc(sizeof(int) * (sql->ntemplates + 1));
	List	   *statements;
	ListCell   *cell;
	int			i;

	split->sql = sql;
	split->text = jo_sqlsplit_text(sql, names, offsets);
	if (expression)
	{
		split->text = psprintf("%s%s%s", expression_lead, split->text, expression_tail);
		for (i = 0; i < sql->ntemplates; i++)
			offsets[i] += strlen(expression_lead);
	}
	statements = parse_text(split->text);
	split->statements = palloc0(sizeof(JoSqlStatement) * (list_length(statements) + 1));
	foreach(cell, statements)
		fill_statement(split, &split->statements[split->nstatements++],
					   lfirst_node(RawStmt, cell), offsets);
	pfree(offsets);
	return split;
}

/*
 * Catching without a sub-transaction is sound here and only here: the grammar
 * holds nothing but memory.
 */
static ErrorData *
try_as(const JoSqlText *sql, char *const *names, bool expression, JoSqlSplit **split)
{
	MemoryContext caller = CurrentMemoryContext;
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		*split = parse_as(sql, names, expression);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(caller);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	return error;
}

/*
 * Is it the SELECT of one value, and of nothing else that came out of the
 * parentheses?  a, b in parentheses is a row.
 */
static bool
is_one_value(const JoSqlSplit *split)
{
	SelectStmt *select;
	Node	   *value;

	if (split->nstatements != 1 || !IsA(split->statements[0].raw->stmt, SelectStmt))
		return false;
	select = (SelectStmt *) split->statements[0].raw->stmt;
	if (list_length(select->targetList) != 1 || select->fromClause != NIL || select->whereClause != NULL)
		return false;
	value = linitial_node(ResTarget, select->targetList)->val;
	return !(IsA(value, RowExpr) && ((RowExpr *) value)->row_format == COERCE_IMPLICIT_CAST);
}

/* Whether a text is a statement or a bare expression is decided here and nowhere else. */
static ErrorData *
try_text(const JoSqlText *sql, char *const *names, JoSqlSplit **split)
{
	ErrorData  *error = try_as(sql, names, false, split);

	if (error != NULL && sql->or_expression &&
		try_as(sql, names, true, split) == NULL && is_one_value(*split))
		return NULL;
	return error;
}

JoSqlSplit *
jo_sqlsplit_parse(const JoSqlText *sql, char *const *names)
{
	JoSqlSplit *split;
	ErrorData  *error;

	if (!sql->or_expression)
		return parse_as(sql, names, false);
	error = try_text(sql, names, &split);
	if (error != NULL)
		ReThrowError(error);
	return split;
}

ErrorData *
jo_sqlsplit_try(const JoSqlText *sql, JoSqlSplit **split)
{
	return try_text(sql, NULL, split);
}

/* Does analysis see the parameters of such a statement? */
static bool
takes_parameters(Node *node)
{
	switch (nodeTag(node))
	{
		case T_SelectStmt:
		case T_InsertStmt:
		case T_UpdateStmt:
		case T_DeleteStmt:
		case T_MergeStmt:
		case T_CallStmt:
			return true;
		case T_CreateTableAsStmt:
			return ((CreateTableAsStmt *) node)->objtype == OBJECT_TABLE &&
				takes_parameters(((CreateTableAsStmt *) node)->query);
		case T_ExplainStmt:
			return takes_parameters(((ExplainStmt *) node)->query);
		case T_DeclareCursorStmt:
			return takes_parameters(((DeclareCursorStmt *) node)->query);
		default:
			return false;
	}
}

/* BEGIN, COMMIT, SAVEPOINT, ...; SET TRANSACTION is a setting and allowed. */
static bool
find_transaction_control(const JoSqlStatement *statement, JoSqlProblem *problem)
{
	if (!IsA(statement->raw->stmt, TransactionStmt))
		return false;
	problem->code = "transaction_control";
	problem->sqlstate = ERRCODE_JO_TRANSACTION_CONTROL;
	problem->message = psprintf("%s cannot be used in a step", GetCommandTagName(statement->tag));
	problem->hint = "A step is one transaction that joborch commits: leave it out. "
		"For a procedure that commits, CALL it with \"transaction\": \"none\".";
	return true;
}

static bool
find_client_copy(const JoSqlStatement *statement, JoSqlProblem *problem)
{
	CopyStmt   *copy = (CopyStmt *) statement->raw->stmt;

	if (!IsA(copy, CopyStmt) || copy->filename != NULL)
		return false;
	problem->code = "copy_needs_client";
	problem->sqlstate = ERRCODE_FEATURE_NOT_SUPPORTED;
	problem->message = pstrdup(copy->is_from ?
							   "COPY FROM STDIN cannot be used in a step" :
							   "COPY TO STDOUT cannot be used in a step");
	problem->hint = "A step has no client: use INSERT or SELECT, or COPY with a file of the server.";
	return true;
}

static bool
find_unbindable(const JoSqlSplit *split, const JoSqlStatement *statement, JoSqlProblem *problem)
{
	int			i;

	if (takes_parameters(statement->raw->stmt))
		return false;
	for (i = statement->first; i < statement->first + statement->ntemplates; i++)
	{
		const JoTemplate *template = &split->sql->templates[i];

		if (jo_sqlsplit_is_name(template))
			continue;
		problem->code = "template_in_utility";
		problem->sqlstate = ERRCODE_JO_TEMPLATE;
		problem->message = psprintf("template %s stands in a %s statement, which takes no values",
									template->source, GetCommandTagName(statement->tag));
		problem->hint = "For a name write {{ ... | ident }}; for a setting SELECT set_config('name', {{ ... }}, true); "
			"else build the statement with format('%L') and EXECUTE in a function.";
		return true;
	}
	return false;
}

bool
jo_sqlsplit_find_problem(const JoSqlSplit *split, JoSqlProblem *problem)
{
	int			i;

	for (i = 0; i < split->nstatements; i++)
	{
		const JoSqlStatement *statement = &split->statements[i];

		if (find_transaction_control(statement, problem) ||
			find_client_copy(statement, problem) ||
			find_unbindable(split, statement, problem))
			return true;
	}
	if (split->nstatements > 0)
		return false;
	problem->code = "empty_sql";
	problem->sqlstate = ERRCODE_SYNTAX_ERROR;
	problem->message = pstrdup("there is no SQL statement");
	problem->hint = NULL;
	return true;
}

static bool
has_option(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst_node(DefElem, cell);

		if (strcmp(option->defname, name) == 0 &&
			(option->arg == NULL || defGetBoolean(option)))
			return true;
	}
	return false;
}

bool
jo_sqlsplit_needs_top_level(const JoSqlSplit *split)
{
	Node	   *node;

	if (split->nstatements != 1)
		return false;
	node = split->statements[0].raw->stmt;
	switch (nodeTag(node))
	{
		case T_VacuumStmt:
			return ((VacuumStmt *) node)->is_vacuumcmd;
		case T_IndexStmt:
			return ((IndexStmt *) node)->concurrent;
		case T_DropStmt:
			return ((DropStmt *) node)->removeType == OBJECT_INDEX && ((DropStmt *) node)->concurrent;
		case T_ReindexStmt:
			return ((ReindexStmt *) node)->kind >= REINDEX_OBJECT_SCHEMA ||
				has_option(((ReindexStmt *) node)->params, "concurrently");
		case T_ClusterStmt:
			return ((ClusterStmt *) node)->relation == NULL;
		case T_CreatedbStmt:
		case T_DropdbStmt:
		case T_CreateTableSpaceStmt:
		case T_DropTableSpaceStmt:
		case T_AlterSystemStmt:
			return true;
		case T_AlterDatabaseStmt:
			return has_option(((AlterDatabaseStmt *) node)->options, "tablespace");
		default:
			return false;
	}
}

static void
raise_bad_name(const JoTemplate *template, const char *place, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_TEMPLATE),
			 errmsg("template %s of %s is not a name", template->source, place),
			 errdetail("%s", problem),
			 errhint("Give a name such as orders or sales.orders, or a list [\"sales\", \"orders\"].")));
}

/* Adds one part of a qualified name, quoted.  Letters keep their case, as with format('%I'). */
static void
append_part(StringInfo name, int *parts, const char *text, int length,
			const JoTemplate *template, const char *place)
{
	if (length == 0)
		raise_bad_name(template, place, "A part of the name is empty.");
	if (length >= NAMEDATALEN)
		raise_bad_name(template, place, "A part of the name is too long.");
	if (++*parts > MAX_NAME_PARTS)
		raise_bad_name(template, place, "The name has too many parts.");
	if (name->len > 0)
		appendStringInfoChar(name, '.');
	appendStringInfoString(name, quote_identifier(pnstrdup(text, length)));
}

/* a.b and "a.b".c; a doubled quote inside quotes is a quote. */
static void
append_dotted(StringInfo name, const char *text, const JoTemplate *template, const char *place)
{
	StringInfoData part;
	int			parts = 0;
	bool		quoted = false;

	initStringInfo(&part);
	for (;; text++)
	{
		if (*text == '\0' || (*text == '.' && !quoted))
		{
			append_part(name, &parts, part.data, part.len, template, place);
			resetStringInfo(&part);
			if (*text == '\0')
				break;
		}
		else if (*text != '"')
			appendStringInfoChar(&part, *text);
		else if (quoted && text[1] == '"')
			appendStringInfoChar(&part, *text++);
		else
			quoted = !quoted;
	}
	if (quoted)
		raise_bad_name(template, place, "A quote is not closed.");
}

static void
append_list(StringInfo name, Jsonb *list, const JoTemplate *template, const char *place)
{
	int			parts = 0;
	uint32		i;

	for (i = 0; i < JB_ROOT_COUNT(list); i++)
	{
		JsonbValue *part = getIthJsonbValueFromContainer(&list->root, i);

		if (part->type != jbvString)
			raise_bad_name(template, place, "A part of the name is not a string.");
		append_part(name, &parts, part->val.string.val, part->val.string.len, template, place);
	}
}

char *
jo_sqlsplit_quote_name(const JoTemplate *template, Jsonb *value, const char *place)
{
	StringInfoData name;
	JsonbValue	scalar;

	initStringInfo(&name);
	if (JsonbExtractScalar(&value->root, &scalar))
	{
		if (scalar.type != jbvString)
			raise_bad_name(template, place, "The value is not a string.");
		append_dotted(&name, jo_jsonb_text(value), template, place);
	}
	else if (JB_ROOT_IS_ARRAY(value) && JB_ROOT_COUNT(value) > 0)
		append_list(&name, value, template, place);
	else
		raise_bad_name(template, place, "The value is neither a string nor a list of strings.");
	return name.data;
}
