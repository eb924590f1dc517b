/*
 * sqlstep.c
 *		Runs the SQL of a step: each statement once, templates bound as parameters.
 *
 * A step's text is split once per process and version, and each statement is
 * planned when it is first reached (the one before may create what it needs); after
 * that a step costs little more than executing its plans.  Everything runs inside
 * the executor's open transaction, through SPI, as the session's own user.
 */
#include "joborch.h"

#include "access/xact.h"
#include "errors.h"
#include "executor/spi.h"
#include "jsonbuild.h"
#include "sqlresult.h"
#include "sqlstep.h"
#include "tcop/pquery.h"
#include "tcop/utility.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"

typedef struct StatementPlan
{
	SPIPlanPtr	plan;			/* NULL: not reached yet */
	bool		needs_snapshot;
	MemoryContext context;		/* of what follows; NULL: no templates, or not reached yet */
	Oid		   *types;			/* by template */
	JoSqlParam **params;		/* by template; NULL where it is not this statement's */
} StatementPlan;

typedef struct TextPlans
{
	MemoryContext context;
	JoSqlSplit *split;			/* NULL: not split yet */
	StatementPlan *statements;
	int64		bytes;			/* accounted for it */
	bool		failed;			/* the last run did not come to its end */
} TextPlans;

typedef struct JoSqlPlans
{
	int			n;
	TextPlans	texts[FLEXIBLE_ARRAY_MEMBER];	/* by the number of a step's text */
} JoSqlPlans;

/* Where a run of a text is; what an error says about it. */
typedef struct RunPlace
{
	JoDocument *document;
	const char *text;			/* being analysed: its positions are ours to translate */
	int			statement;
	int			nstatements;
	bool		pushed_snapshot;
} RunPlace;

/* ---- plans ---- */

static void
free_text(TextPlans *script)
{
	int			i;

	if (script->split != NULL && script->statements != NULL)
	{
		for (i = 0; i < script->split->nstatements; i++)
		{
			if (script->statements[i].plan != NULL)
				SPI_freeplan(script->statements[i].plan);
		}
	}
	if (script->context != NULL)
		MemoryContextDelete(script->context);
	memset(script, 0, sizeof(TextPlans));
}

void
jo_sqlstep_free_plans(struct JoSqlPlans *plans)
{
	int			i;

	for (i = 0; i < plans->n; i++)
		free_text(&plans->texts[i]);
}

/* What is kept for one of the step's texts. */
static TextPlans *
get_plans(JoCachedJob *job, const JoStepDef *step, int number)
{
	JoSqlPlans *plans = job->plans[step->index];
	int			n = Max(step->nplans, JO_PLAN_OTHERS);

	if (plans == NULL)
	{
		plans = MemoryContextAllocZero(job->context, offsetof(JoSqlPlans, texts) + sizeof(TextPlans) * n);
		plans->n = n;
		job->plans[step->index] = plans;
	}
	if (number < 0 || number >= plans->n)
		elog(ERROR, "step \"%s\" has no text of SQL number %d", step->name, number);
	return &plans->texts[number];
}

/* SET TRANSACTION, LOCK and a few more must be able to come before the first snapshot. */
static bool
needs_snapshot(const JoSqlStatement *statement)
{
	PlannedStmt wrapper;

	memset(&wrapper, 0, sizeof(wrapper));
	wrapper.utilityStmt = statement->raw->stmt;
	return PlannedStmtRequiresSnapshot(&wrapper);
}

/* Splits into text->context; names as jo_sqlsplit_parse() wants them. */
static void
split_text(TextPlans *script, const JoSqlText *sql, char *const *names, JoDocument *document)
{
	MemoryContext caller = MemoryContextSwitchTo(script->context);
	JoSqlSplit *split = jo_sqlsplit_parse(sql, names);
	int			i;

	jo_sqlstep_check(split, document);
	script->statements = palloc0(sizeof(StatementPlan) * split->nstatements);
	for (i = 0; i < split->nstatements; i++)
		script->statements[i].needs_snapshot = needs_snapshot(&split->statements[i]);
	script->split = split;
	MemoryContextSwitchTo(caller);
}

static void
account_text(JoCachedJob *job, TextPlans *script, int64 bytes)
{
	script->bytes += bytes;
	jo_defcache_account(job, bytes);
}

/* A text whose plans are kept.  One that failed starts anew: its types may have changed. */
static void
prepare_text(JoCachedJob *job, TextPlans *script, const JoSqlText *sql, JoDocument *document)
{
	if (script->split != NULL && !script->failed)
		return;
	jo_defcache_account(job, -script->bytes);
	free_text(script);
	script->context = AllocSetContextCreate(job->context, "joborch statements",
										  ALLOCSET_SMALL_SIZES);
	split_text(script, sql, NULL, document);
	account_text(job, script, MemoryContextMemAllocated(script->context, true));
}

void
jo_sqlstep_check(const JoSqlSplit *split, JoDocument *document)
{
	JoSqlProblem problem;

	if (jo_sqlsplit_find_problem(split, &problem))
		ereport(ERROR,
				(errcode(problem.sqlstate),
				 errmsg("%s", problem.message),
				 problem.hint != NULL ? errhint("%s", problem.hint) : 0,
				 errcontext("%s", jo_document_place(document))));
}

static Size
measure_plan(SPIPlanPtr plan)
{
	Size		bytes = 0;
	ListCell   *cell;

	foreach(cell, SPI_plan_get_plan_sources(plan))
		bytes += MemoryContextMemAllocated(((CachedPlanSource *) lfirst(cell))->context, true);
	return bytes;
}

/* Finds the types of a statement's parameters and how to make values of them. */
static void
prepare_params(TextPlans *script, int index, JoDocument *document)
{
	const JoSqlStatement *statement = &script->split->statements[index];
	StatementPlan *planned = &script->statements[index];
	int			n = script->split->sql->ntemplates;
	int			i;

	planned->context = AllocSetContextCreate(script->context, "joborch parameters",
											 ALLOCSET_SMALL_SIZES);
	planned->types = MemoryContextAllocZero(planned->context, sizeof(Oid) * n);
	planned->params = MemoryContextAllocZero(planned->context, sizeof(JoSqlParam *) * n);
	jo_sqlparam_infer(script->split, statement, planned->types, jo_document_place(document));
	for (i = 0; i < n; i++)
	{
		if (OidIsValid(planned->types[i]))
			planned->params[i] = jo_sqlparam_create(planned->types[i], planned->context);
	}
}

/*
 * Something the statement uses has changed.  SPI would plan it again, but with the
 * types of its parameters as they were.
 */
static void
forget_statement(StatementPlan *planned)
{
	SPI_freeplan(planned->plan);
	planned->plan = NULL;
	MemoryContextDelete(planned->context);
	planned->context = NULL;
	planned->types = NULL;
	planned->params = NULL;
}

/* Plans a statement when it is first reached; job NULL: the plan is not kept. */
static void
prepare_statement(JoCachedJob *job, TextPlans *script, int index, RunPlace *place)
{
	const JoSqlStatement *statement = &script->split->statements[index];
	StatementPlan *planned = &script->statements[index];
	SPIPlanPtr	plan;

	place->text = script->split->text;
	if (statement->ntemplates > 0)
		prepare_params(script, index, place->document);
	place->text = NULL;
	plan = SPI_prepare(statement->text, planned->types != NULL ? script->split->sql->ntemplates : 0,
					   planned->types);
	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	if (job != NULL)
	{
		SPI_keepplan(plan);
		account_text(job, script, measure_plan(plan));
	}
	planned->plan = plan;
}

/* ---- values ---- */

static void
add_template_context(void *arg)
{
	errcontext("template %s", (*(const JoTemplate **) arg)->source);
}

ParamListInfo
jo_sqlstep_bind(const JoSqlText *sql, const JoSqlStatement *statement,
				JoSqlParam **params, JoDocument *document)
{
	ErrorContextCallback callback;
	const JoTemplate *template = NULL;
	ParamListInfo list;
	int			i;

	if (statement->ntemplates == 0)
		return NULL;
	callback.callback = add_template_context;
	callback.arg = &template;
	callback.previous = error_context_stack;

	list = makeParamList(sql->ntemplates);
	for (i = 0; i < sql->ntemplates; i++)
	{
		ParamExternData *value = &list->params[i];

		value->value = (Datum) 0;
		value->isnull = true;
		value->pflags = PARAM_FLAG_CONST;
		value->ptype = InvalidOid;
		if (i < statement->first || i >= statement->first + statement->ntemplates ||
			jo_sqlsplit_is_name(&sql->templates[i]))
			continue;
		template = &sql->templates[i];
		error_context_stack = &callback;
		value->ptype = jo_sqlparam_type(params[i]);
		value->value = jo_sqlparam_convert(params[i], jo_document_template(document, template),
										   &value->isnull);
		error_context_stack = callback.previous;
	}
	return list;
}

char **
jo_sqlstep_names(const JoSqlText *sql, JoDocument *document)
{
	char	  **names;
	int			i;

	if (!sql->has_ident)
		return NULL;
	names = palloc0(sizeof(char *) * sql->ntemplates);
	for (i = 0; i < sql->ntemplates; i++)
	{
		const JoTemplate *template = &sql->templates[i];

		if (jo_sqlsplit_is_name(template))
			names[i] = jo_sqlsplit_quote_name(template, jo_document_template(document, template),
											  jo_document_place(document));
	}
	return names;
}

/* ---- execution ---- */

static void
add_statement_context(void *arg)
{
	RunPlace   *place = arg;
	int			position = geterrposition();

	/* the position is in a text that the session's user never sent */
	if (position > 0 && place->text != NULL)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(place->text);
	}
	if (geterrcode() == ERRCODE_ACTIVE_SQL_TRANSACTION ||
		geterrcode() == ERRCODE_INVALID_TRANSACTION_TERMINATION)
		errhint("Set \"transaction\": \"none\" on the step: its statements then run outside of a transaction block, at least once.");
	if (place->nstatements > 1)
		errcontext("%s, statement %d", jo_document_place(place->document), place->statement + 1);
	else
		errcontext("%s", jo_document_place(place->document));
}

/*
 * SET TRANSACTION must come before the first snapshot, and SPI takes one for
 * whatever it executes.
 */
static bool
is_set_transaction(const JoSqlStatement *statement)
{
	VariableSetStmt *set = (VariableSetStmt *) statement->raw->stmt;

	return IsA(set, VariableSetStmt) && set->kind == VAR_SET_MULTI &&
		strncmp(set->name, "TRANSACTION", strlen("TRANSACTION")) == 0;
}

static void
execute_directly(const JoSqlStatement *statement)
{
	PlannedStmt *wrapper = makeNode(PlannedStmt);

	wrapper->commandType = CMD_UTILITY;
	wrapper->canSetTag = true;
	wrapper->utilityStmt = copyObject(statement->raw->stmt);
	wrapper->stmt_location = -1;
	ProcessUtility(wrapper, statement->text, false, PROCESS_UTILITY_QUERY, NULL, NULL,
				   None_Receiver, NULL);
}

static uint64
execute_statement(JoCachedJob *job, TextPlans *script, int index, DestReceiver *receiver,
				  RunPlace *place)
{
	const JoSqlStatement *statement = &script->split->statements[index];
	StatementPlan *planned = &script->statements[index];
	SPIExecuteOptions options;
	int			code;

	if (is_set_transaction(statement))
	{
		execute_directly(statement);
		return 0;
	}
	/* SPI and analysis want one below their own; it stays to the end of the step */
	if (planned->needs_snapshot && !ActiveSnapshotSet())
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		place->pushed_snapshot = true;
	}
	if (planned->plan != NULL && planned->context != NULL && !SPI_plan_is_valid(planned->plan))
		forget_statement(planned);
	if (planned->plan == NULL)
		prepare_statement(job, script, index, place);
	memset(&options, 0, sizeof(options));
	options.params = jo_sqlstep_bind(script->split->sql, statement, planned->params, place->document);
	options.dest = receiver;
	code = SPI_execute_plan_extended(planned->plan, &options);
	if (code < 0)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("%s cannot be used in a step", GetCommandTagName(statement->tag)),
				 errdetail("%s", SPI_result_code_string(code))));
	return SPI_processed;
}

/* All statements in order; the rows of the last one go to the receiver. */
static uint64
execute_text(JoCachedJob *job, TextPlans *script, DestReceiver *receiver, JoDocument *document)
{
	ErrorContextCallback callback;
	RunPlace	place;
	uint64		processed = 0;
	int			n = script->split->nstatements;
	int			i;

	place.document = document;
	place.text = NULL;
	place.nstatements = n;
	place.pushed_snapshot = false;
	callback.callback = add_statement_context;
	callback.arg = &place;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	script->failed = true;
	SPI_connect();
	for (i = 0; i < n; i++)
	{
		place.statement = i;
		if (i > 0)
			CommandCounterIncrement();
		processed = execute_statement(job, script, i, i == n - 1 ? receiver : None_Receiver, &place);
	}
	SPI_finish();
	if (place.pushed_snapshot)
		PopActiveSnapshot();
	script->failed = false;
	error_context_stack = callback.previous;
	return processed;
}

/* With names in it the text differs from run to run: nothing is kept. */
static Jsonb *
run_named_text(const JoSqlText *sql, JoDocument *document, DestReceiver *receiver)
{
	TextPlans	script;
	uint64		processed;
	CommandTag	tag;

	memset(&script, 0, sizeof(script));
	script.context = AllocSetContextCreate(CurrentMemoryContext, "joborch statements",
										 ALLOCSET_SMALL_SIZES);
	split_text(&script, sql, jo_sqlstep_names(sql, document), document);
	processed = execute_text(NULL, &script, receiver, document);
	tag = script.split->statements[script.split->nstatements - 1].tag;
	MemoryContextDelete(script.context);
	return jo_sqlresult_finish(receiver, processed, GetCommandTagName(tag));
}

/* The rows of the last statement go to the receiver. */
static Jsonb *
run_text(JoCachedJob *job, TextPlans *script, const JoSqlText *sql, DestReceiver *receiver,
		 JoDocument *document)
{
	uint64		processed;
	CommandTag	tag;

	if (sql->has_ident)
		return run_named_text(sql, document, receiver);
	prepare_text(job, script, sql, document);
	processed = execute_text(job, script, receiver, document);
	tag = script->split->statements[script->split->nstatements - 1].tag;
	return jo_sqlresult_finish(receiver, processed, GetCommandTagName(tag));
}

Jsonb *
jo_sqlstep_execute(JoCachedJob *job, const JoStepDef *step, JoDocument *document)
{
	return run_text(job, get_plans(job, step, JO_PLAN_SQL), step->sql,
					jo_sqlresult_create(!step->output_none), document);
}

Jsonb *
jo_sqlstep_query(JoCachedJob *job, const JoStepDef *step, const JoSqlText *sql, int plan,
				 int max_rows, JoDocument *document)
{
	DestReceiver *receiver = max_rows > 0 ? jo_sqlresult_create_items(max_rows) :
		jo_sqlresult_create(true);

	return run_text(job, get_plans(job, step, plan), sql, receiver, document);
}

static void
raise_no_condition(const JoDocument *document, Jsonb *result)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_CONDITION),
			 errmsg("condition of %s is neither true nor false", jo_document_place(document)),
			 errdetail("The statement gives %s.",
					   JsonbToCString(NULL, &result->root, VARSIZE(result))),
			 errhint("Return one row with one boolean column, such as SELECT count(*) > 0 FROM ...; "
					 "use coalesce(..., false) for what may be NULL.")));
}

bool
jo_sqlstep_holds(JoCachedJob *job, const JoStepDef *step, const JoSqlText *sql, int plan,
				 JoDocument *document, Jsonb **output)
{
	Jsonb	   *result = jo_sqlstep_query(job, step, sql, plan, 0, document);
	Jsonb	   *row = jo_sqlresult_first_row(result);
	JsonbIterator *iterator;
	JsonbValue	rows;
	JsonbValue	value;

	if (row == NULL || JB_ROOT_COUNT(row) != 1 ||
		!jo_jsonb_member(&result->root, "rows", 4, &rows) ||
		JsonContainerSize(rows.val.binary.data) != 1)
		raise_no_condition(document, result);
	iterator = JsonbIteratorInit(&row->root);
	while (JsonbIteratorNext(&iterator, &value, true) != WJB_VALUE)
		;
	if (value.type != jbvBool)
		raise_no_condition(document, result);
	if (output != NULL)
		*output = row;
	return value.val.boolean;
}

bool
jo_sqlstep_condition(JoCachedJob *job, const JoStepDef *step, JoDocument *document)
{
	return jo_sqlstep_holds(job, step, step->when.sql, JO_PLAN_WHEN, document, NULL);
}
