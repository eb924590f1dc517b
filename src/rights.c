/*
 * rights.c
 *		The one helper that raises rights, and questions about who may do what.
 *
 * There is no SECURITY DEFINER function in joborch: such a function runs
 * whatever its text and the caller's search_path make of it.  Here the user id
 * is raised around static, fully qualified statements only, with the path
 * pinned.  Who called is kept on a stack of our own, because below the first
 * raise GetUserId() says the extension's owner.
 */
#include "joborch.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "compat.h"
#include "errors.h"
#include "fmgr.h"
#include "guc.h"
#include "miscadmin.h"
#include "rights.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define MAX_RAISES 64

PG_FUNCTION_INFO_V1(joborch_visible);
PG_FUNCTION_INFO_V1(joborch_may_control);
PG_FUNCTION_INFO_V1(joborch_caller);

/* ---- the extension's owner ---- */

/*
 * Known until a table of the extension changes: the row in pg_extension has no
 * invalidation message of its own, but it never comes, goes or changes hands
 * without its tables.
 */
static Oid	extension_owner = InvalidOid;
static Oid	witness = InvalidOid;	/* joborch_internal.live */

static void
forget_owner(Datum argument, Oid relid)
{
	(void) argument;
	if (relid == InvalidOid || relid == witness)
		extension_owner = InvalidOid;
}

static Oid
read_owner(Oid extension)
{
	Relation	table = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;
	Oid			owner = InvalidOid;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(table, ExtensionOidIndexId, true, NULL, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		owner = ((Form_pg_extension) GETSTRUCT(tuple))->extowner;
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return owner;
}

static Oid
get_owner(void)
{
	static bool registered = false;
	Oid			schema;
	Oid			owner = InvalidOid;
	Oid			extension;

	if (OidIsValid(extension_owner))
		return extension_owner;
	if (!registered)
	{
		CacheRegisterRelcacheCallback(forget_owner, (Datum) 0);
		registered = true;
	}
	extension = get_extension_oid(JO_EXTENSION, true);
	if (OidIsValid(extension))
		owner = read_owner(extension);
	if (!OidIsValid(owner))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("extension \"%s\" does not exist in this database", JO_EXTENSION),
				 errhint("CREATE EXTENSION joborch;")));
	schema = get_namespace_oid(JO_INTERNAL_SCHEMA, true);
	witness = OidIsValid(schema) ? get_relname_relid("live", schema) : InvalidOid;
	if (OidIsValid(witness))
		extension_owner = owner;
	return owner;
}

/* ---- raising ---- */

/*
 * Sub-transactions in which rights were raised and not restored yet.  An error
 * leaves them there; the end of the sub-transaction takes them away.
 */
static SubTransactionId raised_in[MAX_RAISES];
static Oid	called_by[MAX_RAISES];	/* who calls what is done with those rights */
static int	nraised = 0;

static void
drop_raises_of_subtransaction(SubXactEvent event, SubTransactionId subid,
							  SubTransactionId parent, void *argument)
{
	(void) parent;
	(void) argument;
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		while (nraised > 0 && raised_in[nraised - 1] >= subid)
			nraised--;
	}
}

static void
drop_raises(XactEvent event, void *argument)
{
	(void) argument;
	if (event == XACT_EVENT_ABORT)
		nraised = 0;
}

static void
push_raise(Oid caller)
{
	static bool registered = false;

	if (!registered)
	{
		RegisterSubXactCallback(drop_raises_of_subtransaction, NULL);
		RegisterXactCallback(drop_raises, NULL);
		registered = true;
	}
	if (nraised >= MAX_RAISES)
		ereport(ERROR,
				(errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
				 errmsg("joborch functions are nested more than %d deep", MAX_RAISES)));
	called_by[nraised] = caller;
	raised_in[nraised++] = GetCurrentSubTransactionId();
}

/* The session works as a role, with the path pinned, for a caller. */
static void
work_as(Oid role, Oid caller, JoRights *saved)
{
	push_raise(caller);
	GetUserIdAndSecContext(&saved->user, &saved->context);
	saved->nest_level = NewGUCNestLevel();
	(void) set_config_option("search_path", "pg_catalog, pg_temp",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	SetUserIdAndSecContext(role, saved->context | SECURITY_LOCAL_USERID_CHANGE);
}

void
jo_rights_raise(JoRights *saved)
{
	Oid			owner = get_owner();

	work_as(owner, jo_rights_caller(), saved);
}

void
jo_rights_act_as(Oid role, const char *tenant, JoRights *saved)
{
	if (GetUserNameFromId(role, true) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role %u does not exist any more", role)));
	work_as(role, role, saved);
	(void) set_config_option("joborch.tenant", tenant != NULL ? tenant : "",
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

void
jo_rights_restore(const JoRights *saved)
{
	Assert(nraised > 0);
	SetUserIdAndSecContext(saved->user, saved->context);
	AtEOXact_GUC(false, saved->nest_level);
	nraised--;
}

Oid
jo_rights_caller(void)
{
	return nraised > 0 ? called_by[nraised - 1] : GetUserId();
}

/* ---- who may do what ---- */

static bool
has_role(Oid member, const char *name)
{
	Oid			role = get_role_oid(name, true);

	return OidIsValid(role) && has_privs_of_role(member, role);
}

static bool
operates(Oid member)
{
	return superuser_arg(member) || has_role(member, "joborch_operator") ||
		has_role(member, "joborch_admin");
}

static bool
owns(Oid member, Oid owner, const char *tenant)
{
	if (tenant != NULL && strcmp(tenant, jo_guc_tenant == NULL ? "" : jo_guc_tenant) != 0)
		return false;
	return has_privs_of_role(member, owner);
}

bool
jo_rights_may_see(Oid owner, const char *tenant)
{
	Oid			caller = jo_rights_caller();

	return owns(caller, owner, tenant) || operates(caller) || has_role(caller, "joborch_monitor");
}

bool
jo_rights_may_start(Oid owner, int64 job_id, const char *tenant)
{
	(void) job_id;
	return jo_rights_may_control(owner, tenant);
}

bool
jo_rights_may_control(Oid owner, const char *tenant)
{
	Oid			caller = jo_rights_caller();

	return owns(caller, owner, tenant) || operates(caller);
}

/* ---- may a role carry out steps ---- */

/* Reasons in the role's own row, NULL: none. */
static char *
check_role_row(Form_pg_authid form, const char *name, char **hint)
{
	const char *quoted = quote_identifier(NameStr(form->rolname));

	if (name != NULL && strcmp(NameStr(form->rolname), name) != 0)
	{
		*hint = pstrdup("Rename the role back, or save the job again as the role that shall own it.");
		return psprintf("role %u was \"%s\" and is \"%s\" now", form->oid, name, NameStr(form->rolname));
	}
	if (!form->rolcanlogin)
	{
		*hint = psprintf("ALTER ROLE %s LOGIN;", quoted);
		return psprintf("role \"%s\" is not permitted to log in", NameStr(form->rolname));
	}
	if (form->rolsuper && !jo_guc_allow_superuser_jobs)
	{
		*hint = pstrdup("Let a role without superuser rights own the job, or set joborch.allow_superuser_jobs = on.");
		return psprintf("role \"%s\" is a superuser, and joborch.allow_superuser_jobs is off",
						NameStr(form->rolname));
	}
	return NULL;
}

static char *
check_expiry(HeapTuple tuple, const char *name, char **hint)
{
	bool		isnull;
	Datum		until = SysCacheGetAttr(AUTHOID, tuple, Anum_pg_authid_rolvaliduntil, &isnull);

	if (isnull || DatumGetTimestampTz(until) >= GetCurrentTimestamp())
		return NULL;
	*hint = psprintf("ALTER ROLE %s VALID UNTIL 'infinity';", quote_identifier(name));
	return psprintf("role \"%s\" is not valid any more since %s",
					name, timestamptz_to_str(DatumGetTimestampTz(until)));
}

static char *
check_connect(Oid role, const char *name, char **hint)
{
	const char *database;

	if (jo_compat_database_aclcheck(MyDatabaseId, role, ACL_CONNECT) == ACLCHECK_OK)
		return NULL;
	database = get_database_name(MyDatabaseId);
	*hint = psprintf("GRANT CONNECT ON DATABASE %s TO %s;",
					 quote_identifier(database), quote_identifier(name));
	return psprintf("role \"%s\" may not connect to database \"%s\"", name, database);
}

char *
jo_rights_cannot_run(Oid role, const char *name, char **hint)
{
	HeapTuple	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(role));
	Form_pg_authid form;
	char	   *reason;

	*hint = NULL;
	if (!HeapTupleIsValid(tuple))
	{
		*hint = pstrdup("Save the job again as the role that shall own it.");
		if (name != NULL)
			return psprintf("role \"%s\" (%u) does not exist any more", name, role);
		return psprintf("role %u does not exist", role);
	}
	form = (Form_pg_authid) GETSTRUCT(tuple);
	reason = check_role_row(form, name, hint);
	if (reason == NULL)
		reason = check_expiry(tuple, NameStr(form->rolname), hint);
	if (reason == NULL)
		reason = check_connect(role, NameStr(form->rolname), hint);
	ReleaseSysCache(tuple);
	return reason;
}

bool
jo_rights_may_run_as(Oid author, Oid role)
{
	return author == role || is_member_of_role(author, role);
}

/* ---- SQL ---- */

/* A NULL owner is nobody's; a NULL tenant is none. */
static bool
ask(FunctionCallInfo fcinfo, bool (*may) (Oid owner, const char *tenant))
{
	char	   *tenant = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));

	return !PG_ARGISNULL(0) && may(PG_GETARG_OID(0), tenant);
}

/* joborch_internal.visible(owner oid, tenant text) */
Datum
joborch_visible(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ask(fcinfo, jo_rights_may_see));
}

/* joborch_internal.may_control(owner oid, tenant text) */
Datum
joborch_may_control(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(ask(fcinfo, jo_rights_may_control));
}

/* joborch_internal.caller() */
Datum
joborch_caller(PG_FUNCTION_ARGS)
{
	(void) fcinfo;
	PG_RETURN_OID(jo_rights_caller());
}
