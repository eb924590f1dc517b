/*
 * call.c
 *		The C entry of all public SQL functions that need more rights than their
 *		callers have.
 *
 * joborch.f(args) LANGUAGE C AS 'joborch_call' calls joborch_internal.f, and cron.f(args)
 * of the extension joborch_cron calls joborch_internal.cron_f, with the same argument
 * types, as the extension's owner and with the path pinned.  So the bodies stay SQL and
 * PL/pgSQL, nobody can call them directly, and no function is SECURITY DEFINER.  Nothing is
 * to be cleaned up here on an error: the transaction's abort restores user, path and the
 * stack of callers.
 */
#include "joborch.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "errors.h"
#include "executor/executor.h"
#include "fmgr.h"
#include "nodes/execnodes.h"
#include "rights.h"
#include "shmem.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(joborch_call);

/* What the inner function of an outer one is called; false: there is none. */
static bool
name_inner(Form_pg_proc outer, NameData *name)
{
	bool		is_cron = outer->pronamespace == get_namespace_oid(JO_CRON_SCHEMA, true);

	if (!is_cron && outer->pronamespace != get_namespace_oid(JO_SCHEMA, true))
		return false;
	namestrcpy(name, psprintf("%s%s", is_cron ? "cron_" : "", NameStr(outer->proname)));
	return true;
}

/* The function's own row names the inner one. */
static Oid
find_inner(Oid outer)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(outer));
	Form_pg_proc form;
	NameData	name;
	Oid			inner = InvalidOid;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", outer);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	if (name_inner(form, &name))
		inner = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
								NameGetDatum(&name),
								PointerGetDatum(&form->proargtypes),
								ObjectIdGetDatum(get_namespace_oid(JO_INTERNAL_SCHEMA, true)));
	ReleaseSysCache(tuple);
	if (!OidIsValid(inner) || get_func_prokind(inner) != PROKIND_FUNCTION ||
		get_func_rettype(inner) != get_func_rettype(outer))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("%s has no counterpart in schema %s",
						format_procedure(outer), JO_INTERNAL_SCHEMA),
				 errhint("Only functions of the extension may use joborch_call; update it with ALTER EXTENSION joborch UPDATE.")));
	return inner;
}

static FmgrInfo *
get_inner(FmgrInfo *outer)
{
	FmgrInfo   *inner = outer->fn_extra;

	if (inner == NULL)
	{
		inner = MemoryContextAllocZero(outer->fn_mcxt, sizeof(FmgrInfo));
		fmgr_info_cxt(find_inner(outer->fn_oid), inner, outer->fn_mcxt);
		inner->fn_expr = outer->fn_expr;
		outer->fn_extra = inner;
	}
	return inner;
}

static bool
has_null(FunctionCallInfo fcinfo)
{
	for (int i = 0; i < fcinfo->nargs; i++)
	{
		if (fcinfo->args[i].isnull)
			return true;
	}
	return false;
}

/*
 * A set must be complete when the inner function returns: what it would compute
 * later would be computed without its rights.
 */
static void
ask_for_whole_set(ReturnSetInfo *result)
{
	if (!(result->allowedModes & SFRM_Materialize))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("set-valued function called in context that cannot accept a set")));
	result->allowedModes |= SFRM_Materialize_Preferred;
}

/*
 * What our own functions refuse is said to the caller without the stack of
 * internal functions that came to it; anything else keeps its context.
 */
static Datum
invoke(FunctionCallInfo call)
{
	MemoryContext context = CurrentMemoryContext;
	Datum		result = (Datum) 0;

	PG_TRY();
	{
		result = FunctionCallInvoke(call);
	}
	PG_CATCH();
	{
		ErrorData  *error;

		if (!jo_errors_is_own(geterrcode()))
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		error->context = NULL;
		ReThrowError(error);
	}
	PG_END_TRY();
	return result;
}

Datum
joborch_call(PG_FUNCTION_ARGS)
{
	LOCAL_FCINFO(call, FUNC_MAX_ARGS);
	ReturnSetInfo *set = NULL;
	FmgrInfo   *inner;
	JoRights	saved;
	Datum		result;

	jo_shmem_require();
	inner = get_inner(fcinfo->flinfo);
	if (inner->fn_retset && fcinfo->resultinfo != NULL && IsA(fcinfo->resultinfo, ReturnSetInfo))
	{
		set = (ReturnSetInfo *) fcinfo->resultinfo;
		ask_for_whole_set(set);
	}
	if (inner->fn_strict && has_null(fcinfo))
	{
		if (set != NULL)
			set->isDone = ExprEndResult;
		PG_RETURN_NULL();
	}

	InitFunctionCallInfoData(*call, inner, fcinfo->nargs, fcinfo->fncollation,
							 fcinfo->context, fcinfo->resultinfo);
	memcpy(call->args, fcinfo->args, fcinfo->nargs * sizeof(NullableDatum));
	jo_rights_raise(&saved);
	result = invoke(call);
	jo_rights_restore(&saved);
	if (set != NULL && set->returnMode == SFRM_ValuePerCall && set->isDone == ExprMultipleResult)
		elog(ERROR, "%s returned its set row by row", format_procedure(inner->fn_oid));
	fcinfo->isnull = call->isnull;
	return result;
}
