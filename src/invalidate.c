/*
 * invalidate.c
 *		joborch_internal.invalidate(): tells all processes that a table's rows changed.
 *
 * What a process keeps of rows (egress rules, secrets) is marked by its callback of the
 * relcache.  SQL that changes such rows calls this: with its commit the others hear of
 * it before they begin their next transaction.
 */
#include "joborch.h"

#include "fmgr.h"
#include "utils/inval.h"

PG_FUNCTION_INFO_V1(joborch_invalidate);

Datum
joborch_invalidate(PG_FUNCTION_ARGS)
{
	CacheInvalidateRelcacheByRelid(PG_GETARG_OID(0));
	PG_RETURN_VOID();
}
