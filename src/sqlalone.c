/*
 * sqlalone.c
 *		Steps with "transaction": "none": statements that end transactions themselves.
 *
 * VACUUM, CREATE INDEX CONCURRENTLY or a procedure that commits must be the top-level
 * command of a session, as if a client had sent them: through a portal, outside
 * of SPI.  Each statement has transactions of its own, so what it did stays done when
 * the step fails or its process dies: at least once.
 */
#include "joborch.h"

#include "access/xact.h"
#include "parser/analyze.h"
#include "parser/scansup.h"
#include "sqlresult.h"
#include "sqlstep.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

typedef struct AloneRun
{
	JoDocument *document;
	MemoryContext context;		/* outlives the transactions */
	JoSqlSplit *split;
} AloneRun;

/* ---- which steps ---- */

/*
 * A cheap look at the first word, so that ordinary steps are not parsed for this: could
 * it be a statement that cannot run in a transaction block?
 */
static bool
may_need_top_level(const char *text)
{
	static const char *const words[] = {
		"vacuum", "create", "drop", "reindex", "cluster", "alter"
	};
	int			i;

	/* a comment in front: let the grammar decide */
	while (scanner_isspace(*text) || *text == ';')
		text++;
	if (*text == '-' || *text == '/')
		return true;
	for (i = 0; i < (int) lengthof(words); i++)
	{
		if (pg_strncasecmp(text, words[i], strlen(words[i])) == 0)
			return true;
	}
	return false;
}

bool
jo_sqlstep_is_alone(const JoStepDef *step)
{
	JoSqlSplit *split;

	if (step->transaction != JO_TRANSACTION_AUTO || step->sql == NULL)
		return step->transaction == JO_TRANSACTION_NONE;
	if (!may_need_top_level(step->sql->pieces[0]))
		return false;
	/* what is no SQL fails where it is executed, with a step to blame */
	return jo_sqlsplit_try(step->sql, &split) == NULL && jo_sqlsplit_needs_top_level(split);
}

/* ---- how they run ---- */

/* In a transaction of its own: names need the run's document, and that its rows. */
static void
split_alone(AloneRun *run, const JoSqlText *sql)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	MemoryContextSwitchTo(run->context);
	run->split = jo_sqlsplit_parse(sql, jo_sqlstep_names(sql, run->document));
	jo_sqlstep_check(run->split, run->document);
	PopActiveSnapshot();
	CommitTransactionCommand();
	MemoryContextSwitchTo(run->context);
}

/* Types and values of a statement's parameters; in an open transaction with a snapshot. */
static ParamListInfo
bind_alone(AloneRun *run, const JoSqlStatement *statement, Oid *types)
{
	const JoSqlText *sql = run->split->sql;
	JoSqlParam **params = palloc0(sizeof(JoSqlParam *) * (sql->ntemplates + 1));
	int			i;

	if (statement->ntemplates == 0)
		return NULL;
	jo_sqlparam_infer(run->split, statement, types, jo_document_place(run->document));
	for (i = 0; i < sql->ntemplates; i++)
	{
		if (OidIsValid(types[i]))
			params[i] = jo_sqlparam_create(types[i], run->context);
	}
	return jo_sqlstep_bind(sql, statement, params, run->document);
}

/* Analysis and planning, as a client's simple query has them. */
static List *
plan_alone(AloneRun *run, const JoSqlStatement *statement, ParamListInfo *params)
{
	int			n = run->split->sql->ntemplates;
	Oid		   *types = palloc0(sizeof(Oid) * (n + 1));
	bool		snapshot = statement->ntemplates > 0 || analyze_requires_snapshot(statement->raw);
	List	   *queries;
	List	   *plans;

	if (snapshot)
		PushActiveSnapshot(GetTransactionSnapshot());
	*params = bind_alone(run, statement, types);
	queries = pg_analyze_and_rewrite_fixedparams(copyObject(statement->raw), run->split->text,
												 types, n, NULL);
	plans = pg_plan_queries(queries, run->split->text, CURSOR_OPT_PARALLEL_OK, *params);
	if (snapshot)
		PopActiveSnapshot();
	return plans;
}

/*
 * The statement may commit and start transactions: everything it needs lives in
 * run->context, and the portal stays open meanwhile, as a client's would.
 */
static uint64
execute_portal(AloneRun *run, const JoSqlStatement *statement, DestReceiver *receiver)
{
	ParamListInfo params;
	QueryCompletion completion;
	List	   *plans;
	Portal		portal;

	StartTransactionCommand();
	MemoryContextSwitchTo(run->context);
	plans = plan_alone(run, statement, &params);
	portal = CreatePortal("", true, true);
	portal->visible = false;
	PortalDefineQuery(portal, NULL, statement->text, statement->tag, plans, NULL);
	PortalStart(portal, params, 0, InvalidSnapshot);
	InitializeQueryCompletion(&completion);
	(void) PortalRun(portal, FETCH_ALL, true, true, receiver, receiver, &completion);
	PortalDrop(portal, false);
	CommitTransactionCommand();
	MemoryContextSwitchTo(run->context);
	return completion.nprocessed;
}

static void
add_alone_context(void *arg)
{
	errcontext("%s, outside of a transaction block",
			   jo_document_place(((AloneRun *) arg)->document));
}

Jsonb *
jo_sqlstep_execute_alone(JoCachedJob *job pg_attribute_unused(), const JoStepDef *step,
						 JoDocument *document)
{
	MemoryContext caller = CurrentMemoryContext;
	ErrorContextCallback callback;
	AloneRun	run;
	DestReceiver *receiver = jo_sqlresult_create(!step->output_none);
	uint64		processed = 0;
	CommandTag	tag = CMDTAG_UNKNOWN;
	int			i;

	run.document = document;
	run.context = AllocSetContextCreate(caller, "joborch statement", ALLOCSET_DEFAULT_SIZES);
	callback.callback = add_alone_context;
	callback.arg = &run;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	split_alone(&run, step->sql);
	for (i = 0; i < run.split->nstatements; i++)
	{
		bool		last = i == run.split->nstatements - 1;

		processed = execute_portal(&run, &run.split->statements[i],
								   last ? receiver : None_Receiver);
		tag = run.split->statements[i].tag;
	}
	error_context_stack = callback.previous;
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(run.context);
	return jo_sqlresult_finish(receiver, processed, GetCommandTagName(tag));
}
