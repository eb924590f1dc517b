/*
 * session.c
 *		What a step leaves behind in its session, put back as it was.
 *
 * DISCARD ALL would do the same, but also throws away every plan the executor
 * keeps and always costs a transaction.  Here a clean session costs about a
 * microsecond, so that it is done after every step.  Touches the state of this
 * session only.
 */
#include "joborch.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/prepare.h"
#include "commands/sequence.h"
#include "miscadmin.h"
#include "session.h"
#include "storage/lock.h"
#include "utils/guc.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"

/*
 * Given as overriding defaults: RESET and the reset after each step come back to
 * them, and a step's own SET still wins.  Needs a transaction or none; raises
 * when a setting is refused.
 */
void
jo_session_prepare(void)
{
	/* a step waits for the disk once, with its run, as the job's durability says */
	SetConfigOption("synchronous_commit", "off", PGC_USERSET, PGC_S_OVERRIDE);
	/* sqltext.c looks for templates outside of quotes as this setting has them */
	SetConfigOption("standard_conforming_strings", "on", PGC_USERSET, PGC_S_OVERRIDE);
	/* jobs must not eat the worker slots that executors come from */
	SetConfigOption("max_parallel_workers_per_gather", "0", PGC_USERSET, PGC_S_OVERRIDE);
}

static bool
is_other_role(void)
{
	return OidIsValid(GetCurrentRoleId()) ||
		GetSessionUserId() != GetAuthenticatedUserId() ||
		GetUserId() != GetAuthenticatedUserId();
}

static bool
has_temp_namespace(void)
{
	Oid			temp;
	Oid			toast;

	GetTempNamespaceState(&temp, &toast);
	return OidIsValid(temp);
}

/* The part that needs the catalogs. */
static void
reset_in_transaction(void)
{
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	SetPGVariable("session_authorization", NIL, false);
	SetPGVariable("role", NIL, false);
	ResetTempTableNamespace();
	PopActiveSnapshot();
	CommitTransactionCommand();
}

void
jo_session_reset(void)
{
	Assert(!IsTransactionState());

	/* a procedure that failed between two of its commits leaves pinned portals */
	PortalErrorCleanup();
	PortalHashTableDeleteAll();
	if (is_other_role() || has_temp_namespace())
		reset_in_transaction();
	ResetAllOptions();
	DropAllPreparedStatements();
	LockReleaseAll(USER_LOCKMETHOD, true);
	ResetSequenceCaches();
}
