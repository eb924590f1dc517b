/*
 * validate.c
 *		A definition's findings, the server's own among them.
 *
 * The leaf (definition.c) knows the shape of definitions; what only the server
 * knows is added here: whether SQL texts are SQL, whether conditions are SQL/JSON
 * paths, whether roles exist.  Reads the catalogs, writes nothing.
 */
#include "joborch.h"

#include "catalog/pg_type.h"
#include "defcache.h"
#include "errors.h"
#include "fmgr.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "render.h"
#include "schema.h"
#include "sqlsplit.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "validate.h"
#include "visual.h"

#define MAX_RAISED 20
#define MAX_EXCERPT 40

typedef enum ValidateMode
{
	VALIDATE_STRICT,			/* warnings are errors */
	VALIDATE_NORMAL,
	VALIDATE_PERMISSIVE,		/* only what can never run is an error */
	VALIDATE_NONE				/* nothing is */
} ValidateMode;

PG_FUNCTION_INFO_V1(joborch_validate_job);
PG_FUNCTION_INFO_V1(joborch_render_graph);

/* ---- what only the server knows ---- */

static void
add_finding(JoFindings *findings, const char *code, JoSeverity severity, const char *path,
			const JoStepDef *step, const char *message, const char *suggestion)
{
	jo_findings_add(findings, code, severity, path, step ? step->shown : NULL, message, suggestion);
}

/* Where an error's position points to in the text of sqlsplit.c; *line from 1. */
static const char *
find_position(const char *text, int position, int *line)
{
	*line = 1;
	/* positions count characters */
	while (--position > 0 && *text != '\0')
	{
		*line += *text == '\n';
		text += pg_mblen(text);
	}
	return text;
}

/*
 * The server's message with the line and what stands there; in place of a parameter
 * that the grammar refuses, the template it was made of.
 */
static void
add_syntax_error(const JoSqlText *sql, const JoStepDef *step, const char *path,
				 const ErrorData *error, JoFindings *findings)
{
	int			line;
	const char *at = find_position(jo_sqlsplit_text(sql, NULL, NULL), error->cursorpos, &line);
	int			number = *at == '$' ? atoi(at + 1) : 0;
	const char *message = error->message;
	const char *hint = error->hint;

	if (number >= 1 && number <= sql->ntemplates)
	{
		message = psprintf("template %s stands where SQL takes no value, line %d",
						   sql->templates[number - 1].source, line);
		hint = "For a name write {{ ... | ident }}; for a setting SELECT set_config('name', {{ ... }}, true).";
	}
	else if (error->cursorpos > 0)
		message = psprintf("%s, line %d: %s", error->message, line,
						   pnstrdup(at, pg_mbcliplen(at, strlen(at), MAX_EXCERPT)));
	add_finding(findings, "syntax_error", JO_SEVERITY_ERROR, path, step, message, hint);
}

/* `auto` takes such a statement out of the step's transaction: whoever saves it must know. */
static void
warn_at_least_once(const JoSqlSplit *split, const JoStepDef *step, const char *path,
				   JoFindings *findings)
{
	if (split->sql != step->sql || step->transaction != JO_TRANSACTION_AUTO ||
		!jo_sqlsplit_needs_top_level(split))
		return;
	add_finding(findings, "at_least_once", JO_SEVERITY_WARNING, path, step,
				psprintf("%s cannot run in a transaction: after a crash it is run again",
						 GetCommandTagName(split->statements[0].tag)),
				"Say \"transaction\": \"none\" on the step to accept that.");
}

static void
check_sql(const JoSqlText *sql, const JoStepDef *step, const char *path, JoFindings *findings)
{
	JoSqlSplit *split;
	JoSqlProblem problem;
	ErrorData  *error = jo_sqlsplit_try(sql, &split);

	if (error != NULL)
		add_syntax_error(sql, step, path, error, findings);
	else if (jo_sqlsplit_find_problem(split, &problem))
		add_finding(findings, problem.code, JO_SEVERITY_ERROR, path, step,
					problem.message, problem.hint);
	else
		warn_at_least_once(split, step, path, findings);
}

/*
 * Compiles a condition.  Catching without a sub-transaction is sound: the grammar of
 * SQL/JSON paths holds nothing but memory.
 */
static ErrorData *
try_path(const char *path)
{
	MemoryContext caller = CurrentMemoryContext;
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		(void) DirectFunctionCall1(jsonpath_in, CStringGetDatum(path));
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

/* JoDefinitionHooks.check_step */
static void
check_step(const JoStepDef *step, const char *place, JoFindings *findings)
{
	if (step->sql != NULL)
		check_sql(step->sql, step, psprintf("%s.sql", place), findings);
	/* the role of a step in parts is told once */
	if (step->part != JO_PART_EACH && step->run_as != NULL &&
		!OidIsValid(get_role_oid(step->run_as, true)))
		add_finding(findings, "unknown_role", JO_SEVERITY_WARNING, psprintf("%s.run_as", place),
					step, psprintf("role \"%s\" does not exist", step->run_as), NULL);
}

/* JoDefinitionHooks.check_sql */
static void
check_query(const JoStepDef *step, const JoSqlText *sql, const char *place, JoFindings *findings)
{
	check_sql(sql, step, place, findings);
}

/* JoDefinitionHooks.check_path */
static void
check_path(const JoStepDef *step, const char *text, const char *place, JoFindings *findings)
{
	ErrorData  *error = try_path(text);

	if (error != NULL)
		add_finding(findings, "invalid_condition", JO_SEVERITY_ERROR, place, step, error->message,
					"Write an SQL/JSON path, such as $.steps.load.value > 0.");
}

static const JoDefinitionHooks hooks = {
	.parse_duration = jo_parse_duration,
	.check_step = check_step,
	.check_sql = check_query,
	.check_path = check_path,
	.check_pattern = jo_schema_check_pattern,
};

JoDefinition *
jo_validate(const char *json, JoFindings *findings)
{
	json = jo_visual_to_native(json, findings);
	return json ? jo_definition_parse(json, strlen(json), &hooks, findings) : NULL;
}

void
jo_raise_findings(const JoFindings *findings)
{
	StringInfoData detail;
	int			shown = 0;

	initStringInfo(&detail);
	for (int i = 0; i < findings->n && shown < MAX_RAISED; i++)
	{
		if (findings->list[i].severity == JO_SEVERITY_ERROR)
			appendStringInfo(&detail, "%s%s: %s", shown++ > 0 ? "\n" : "",
							 findings->list[i].path, findings->list[i].message);
	}
	ereport(ERROR,
			(errcode(ERRCODE_JO_INVALID_DEFINITION),
			 errmsg_plural("invalid job definition: %d problem",
						   "invalid job definition: %d problems",
						   findings->nerrors, findings->nerrors),
			 errdetail("%s", detail.data),
			 errhint("joborch.validate_job(definition) lists all findings as rows.")));
}

JoDefinition *
jo_validate_or_raise(Jsonb *json)
{
	JoDefinition *definition;
	JoFindings	findings;

	memset(&findings, 0, sizeof(findings));
	definition = jo_validate(JsonbToCString(NULL, &json->root, VARSIZE(json)), &findings);
	if (definition == NULL)
		jo_raise_findings(&findings);
	return definition;
}

char *
jo_validate_for_test(Jsonb *definition)
{
	JoDefinitionHooks test_hooks = hooks;
	JoFindings	findings;
	const char *native;

	memset(&findings, 0, sizeof(findings));
	test_hooks.from_user = true;
	native = jo_visual_to_native(JsonbToCString(NULL, &definition->root, VARSIZE(definition)), &findings);
	if (native == NULL || jo_definition_parse(native, strlen(native), &test_hooks, &findings) == NULL)
		jo_raise_findings(&findings);
	return pstrdup(native);
}

/* ---- SQL entries ---- */

static ValidateMode
read_mode(const char *mode)
{
	static const char *const modes[] = {"strict", "normal", "permissive", "none"};
	int			i;

	for (i = 0; i < (int) lengthof(modes); i++)
	{
		if (pg_strcasecmp(mode, modes[i]) == 0)
			return (ValidateMode) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid validation mode \"%s\"", mode),
			 errhint("Modes are strict, normal, permissive and none.")));
	return VALIDATE_NORMAL;		/* not reached */
}

/* What a definition can be saved with although it is wrong: it can run all the same. */
static bool
is_tolerable(const char *code)
{
	return strcmp(code, "unknown_key") == 0 || strcmp(code, "not_supported") == 0;
}

static const char *
name_severity(const JoFinding *finding, ValidateMode mode)
{
	bool		error = finding->severity == JO_SEVERITY_ERROR;

	if (mode == VALIDATE_STRICT)
		error = true;
	else if (mode == VALIDATE_NONE || (mode == VALIDATE_PERMISSIVE && is_tolerable(finding->code)))
		error = false;
	return error ? "error" : "warning";
}

/* The first argument as JSON text: jsonb, or text (json) as it was written. */
static char *
get_definition_text(FunctionCallInfo fcinfo)
{
	Jsonb	   *jsonb;

	if (get_fn_expr_argtype(fcinfo->flinfo, 0) != JSONBOID)
		return text_to_cstring(PG_GETARG_TEXT_PP(0));
	jsonb = PG_GETARG_JSONB_P(0);
	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

static void
put_text(Datum *values, bool *nulls, int column, const char *text)
{
	nulls[column] = text == NULL;
	values[column] = text != NULL ? CStringGetTextDatum(text) : (Datum) 0;
}

/* joborch.validate_job(definition, mode): every finding as a row. */
Datum
joborch_validate_job(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	JoDefinitionHooks user_hooks = hooks;
	ValidateMode mode;
	JoFindings	findings;
	const char *json;
	int			i;

	InitMaterializedSRF(fcinfo, 0);
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the definition must not be NULL")));
	mode = PG_ARGISNULL(1) ? VALIDATE_NORMAL : read_mode(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	memset(&findings, 0, sizeof(findings));
	user_hooks.from_user = true;
	json = jo_visual_to_native(get_definition_text(fcinfo), &findings);
	if (json != NULL)
		(void) jo_definition_parse(json, strlen(json), &user_hooks, &findings);
	for (i = 0; i < findings.n; i++)
	{
		const JoFinding *finding = &findings.list[i];
		Datum		values[6];
		bool		nulls[6];

		put_text(values, nulls, 0, finding->code);
		put_text(values, nulls, 1, name_severity(finding, mode));
		put_text(values, nulls, 2, finding->path);
		put_text(values, nulls, 3, finding->step);
		put_text(values, nulls, 4, finding->message);
		put_text(values, nulls, 5, finding->suggestion);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* The graph of a definition as text, mermaid or dot. */
Datum
joborch_render_graph(PG_FUNCTION_ARGS)
{
	JoDefinition *definition = jo_validate_or_raise(PG_GETARG_JSONB_P(0));
	char	   *format = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *error = NULL;
	char	   *graph = jo_render_graph(definition, format, NULL, &error);

	if (graph == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s", error != NULL ? error : "the graph cannot be drawn"),
				 errhint("Formats are text, mermaid and dot.")));
	PG_RETURN_TEXT_P(cstring_to_text(graph));
}
