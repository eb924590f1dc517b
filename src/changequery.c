/*
 * changequery.c
 *		The query by which a change trigger finds what is to be started.
 *
 * Expressions are the words of who made the trigger; they are evaluated with the rights of who
 * changes the table, as in any trigger, and with the path pinned to pg_catalog.  Here they are
 * made into a query, and checked, by parsing only and as who makes the trigger: each must be one
 * expression, nothing that could end the place where it stands.
 */
#include "joborch.h"

#include "changequery.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "rights.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(joborch_check_change);

/* ---- the query ---- */

/*
 * Of an update, both tables hold the rows in the order in which they were changed.  An event that
 * has no old (or new) rows has one of NULLs in its place, so that an expression is good for all.
 */
static void
append_rows(StringInfo text, const JoChangeQuery *query, const char *source_new, const char *source_old)
{
	if (strcmp(query->event, "insert") == 0)
		appendStringInfo(text, "%s AS new LEFT JOIN %s AS old ON false", source_new, source_new);
	else if (strcmp(query->event, "delete") == 0)
		appendStringInfo(text, "%s AS old LEFT JOIN %s AS new ON false", source_old, source_old);
	else
		appendStringInfo(text,
						 "(SELECT pg_catalog.row_number() OVER () AS joborch_n, t.* FROM %s AS t) AS new"
						 " JOIN (SELECT pg_catalog.row_number() OVER () AS joborch_n, t.* FROM %s AS t) AS old"
						 " ON new.joborch_n OPERATOR(pg_catalog.=) old.joborch_n",
						 source_new, source_old);
}

/* What a run is told when nobody says what. */
static const char *
default_input(const JoChangeQuery *query)
{
	if (!query->per_row)
		return "pg_catalog.jsonb_build_object('event', change.event, 'table', change.relation,"
			" 'rows', pg_catalog.count(*))";
	return "pg_catalog.jsonb_strip_nulls(pg_catalog.jsonb_build_object('event', change.event, 'table', change.relation))"
		" OPERATOR(pg_catalog.||) CASE WHEN change.event OPERATOR(pg_catalog.<>) 'delete'"
		" THEN pg_catalog.jsonb_build_object('new', pg_catalog.to_jsonb(new) OPERATOR(pg_catalog.-) 'joborch_n'::pg_catalog.text)"
		" ELSE '{}'::pg_catalog.jsonb END"
		" OPERATOR(pg_catalog.||) CASE WHEN change.event OPERATOR(pg_catalog.<>) 'insert'"
		" THEN pg_catalog.jsonb_build_object('old', pg_catalog.to_jsonb(old) OPERATOR(pg_catalog.-) 'joborch_n'::pg_catalog.text)"
		" ELSE '{}'::pg_catalog.jsonb END";
}

char *
jo_change_query(const JoChangeQuery *query, const char *source_new, const char *source_old)
{
	StringInfoData text;

	/* a comment at an expression's end must not swallow what follows */
	initStringInfo(&text);
	appendStringInfo(&text, "SELECT (%s\n)::pg_catalog.jsonb AS input, (%s\n)::pg_catalog.text AS key FROM ",
					 query->input != NULL ? query->input : default_input(query),
					 query->key != NULL ? query->key : "NULL");
	append_rows(&text, query, source_new, source_old);
	appendStringInfo(&text, " CROSS JOIN (VALUES (%s::pg_catalog.text, %s::pg_catalog.text)) AS change (event, relation)",
					 quote_literal_cstr(query->event), quote_literal_cstr(query->relation));
	if (query->condition != NULL)
		appendStringInfo(&text, " WHERE (%s\n)", query->condition);
	/* of no row that is left there is no group */
	if (!query->per_row)
		appendStringInfoString(&text, " GROUP BY change.event, change.relation");
	return text.data;
}

/* ---- checks ---- */

/* Is it one value, and not the end of the brackets around it? */
static void
check_expression(const char *name, const char *expression)
{
	List	   *parsed;
	SelectStmt *select;
	ResTarget  *target;

	if (expression == NULL)
		return;
	parsed = raw_parser(psprintf("SELECT (%s\n)", expression), RAW_PARSE_DEFAULT);
	select = list_length(parsed) == 1 ? (SelectStmt *) linitial_node(RawStmt, parsed)->stmt : NULL;
	if (select != NULL && IsA(select, SelectStmt) && list_length(select->targetList) == 1 &&
		select->op == SETOP_NONE && select->fromClause == NIL && select->whereClause == NULL &&
		select->groupClause == NIL && select->havingClause == NULL && select->windowClause == NIL &&
		select->sortClause == NIL && select->limitCount == NULL && select->limitOffset == NULL &&
		select->lockingClause == NIL && select->withClause == NULL && select->intoClause == NULL &&
		select->distinctClause == NIL)
	{
		target = linitial_node(ResTarget, select->targetList);
		if (target->name == NULL && !IsA(target->val, RowExpr))
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("%s is not one expression", name),
			 errdetail("It is: %s", expression),
			 errhint("Write, for example: new.status = 'paid' AND old.status <> 'paid'")));
}

static char *
argument(FunctionCallInfo fcinfo, int n)
{
	return PG_ARGISNULL(n) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(n));
}

/* check_change(relation, event, per_row, condition, input, key) */
Datum
joborch_check_change(PG_FUNCTION_ARGS)
{
	Oid			relation = PG_GETARG_OID(0);
	char	   *name = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), get_rel_name(relation));
	char	   *source = psprintf("(SELECT (NULL::%s).*)", name);
	JoChangeQuery query = {
		.event = argument(fcinfo, 1),
		.relation = name,
		.per_row = PG_GETARG_BOOL(2),
		.condition = argument(fcinfo, 3),
		.input = argument(fcinfo, 4),
		.key = argument(fcinfo, 5),
	};
	JoRights	rights;

	check_expression("condition", query.condition);
	check_expression("input", query.input);
	check_expression("key", query.key);
	jo_rights_act_as(jo_rights_caller(), NULL, &rights);
	SPI_connect();
	if (SPI_prepare(jo_change_query(&query, source, source), 0, NULL) == NULL)
		elog(ERROR, "could not parse the expressions of a change trigger");
	SPI_finish();
	jo_rights_restore(&rights);
	PG_RETURN_VOID();
}
