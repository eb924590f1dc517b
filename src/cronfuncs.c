/*
 * cronfuncs.c
 *		What the SQL behind schema cron (extension joborch_cron) needs of C.
 *
 * A command of pg_cron is sent to the server as it is: a lone CALL or DO may commit, and
 * nobody keeps its rows.
 */
#include "joborch.h"

#include "fmgr.h"
#include "jsonbuild.h"
#include "nodes/parsenodes.h"
#include "parser/parser.h"
#include "rights.h"
#include "start.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(joborch_cron_version);

/* The position of a syntax error is one in the command, not in what the client sent. */
static void
move_position(void *command)
{
	int			position = geterrposition();

	if (position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(command);
	}
}

/* Is it one statement that may end transactions itself?  Raises syntax errors. */
static bool
may_commit(const char *command)
{
	ErrorContextCallback callback = {
		.callback = move_position,.arg = unconstify(char *, command),.previous = error_context_stack
	};
	List	   *statements;
	Node	   *statement;

	error_context_stack = &callback;
	statements = raw_parser(command, RAW_PARSE_DEFAULT);
	error_context_stack = callback.previous;
	if (list_length(statements) != 1)
		return false;
	statement = linitial_node(RawStmt, statements)->stmt;
	return IsA(statement, CallStmt) || IsA(statement, DoStmt);
}

static Jsonb *
definition_of_command(const char *command)
{
	JsonbParseState *state = NULL;
	JsonbValue	key;

	jo_jsonb_string_value(&key, "steps");
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	pushJsonbValue(&state, WJB_KEY, &key);
	pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_string(&state, "name", "sql");
	jo_jsonb_add_string(&state, "sql", command);
	jo_jsonb_add_string(&state, "output", "none");
	if (may_commit(command))
		jo_jsonb_add_string(&state, "transaction", "none");
	pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	return jo_jsonb_from_value(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

/*
 * joborch_internal.cron_version(command, owner): the ad-hoc definition of a command, as if
 * its owner had made it.  Who calls has looked that he may.
 */
Datum
joborch_cron_version(PG_FUNCTION_ARGS)
{
	Jsonb	   *definition = definition_of_command(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	JoStartJob	job;
	JoRights	rights;

	jo_rights_act_as(PG_GETARG_OID(1), NULL, &rights);
	jo_start_ad_hoc(definition, &job);
	jo_rights_restore(&rights);
	PG_RETURN_INT64(job.version_id);
}
