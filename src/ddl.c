/*
 * ddl.c
 *		Statements of others that concern joborch: on databases, on the
 *		extension, and LISTEN.
 *
 * Runs in every session, before or after the statement.  For all other
 * statements the cost is one switch on the node's tag.
 */
#include "joborch.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "announce.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "compat.h"
#include "ddl.h"
#include "listening.h"
#include "miscadmin.h"
#include "release.h"
#include "shmem.h"
#include "tcop/utility.h"
#include "utils/syscache.h"

static ProcessUtility_hook_type previous_utility_hook = NULL;
static object_access_hook_type previous_access_hook = NULL;

/* ---- statements that need a database for themselves ---- */

static DefElem *
find_option(List *options, const char *name)
{
	ListCell   *cell;

	foreach(cell, options)
	{
		DefElem    *option = lfirst(cell);

		if (strcmp(option->defname, name) == 0)
			return option;
	}
	return NULL;
}

/* Could the session do this to the database?  Else it must not disturb anybody. */
static bool
may_alter(Oid dboid)
{
	return jo_compat_owns_database(dboid, GetUserId());
}

static bool
may_create_databases(void)
{
	HeapTuple	tuple;
	bool		may = superuser();

	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (HeapTupleIsValid(tuple))
	{
		may |= ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
		ReleaseSysCache(tuple);
	}
	return may;
}

static bool
may_copy(Oid dboid)
{
	HeapTuple	tuple;
	bool		may = false;

	if (!may_create_databases())
		return false;
	tuple = SearchSysCache1(DATABASEOID, ObjectIdGetDatum(dboid));
	if (HeapTupleIsValid(tuple))
	{
		may = ((Form_pg_database) GETSTRUCT(tuple))->datistemplate || may_alter(dboid);
		ReleaseSysCache(tuple);
	}
	return may;
}

static void
release_template(const CreatedbStmt *statement)
{
	DefElem    *option = find_option(statement->options, "template");
	Oid			dboid;

	dboid = get_database_oid(option != NULL && option->arg != NULL ?
							 defGetString(option) : "template1", true);
	if (OidIsValid(dboid) && may_copy(dboid))
		jo_release_database(dboid);
}

static void
release_altered(const char *name)
{
	Oid			dboid = get_database_oid(name, true);

	if (OidIsValid(dboid) && dboid != MyDatabaseId && may_alter(dboid))
		jo_release_database(dboid);
}

/* Before the statement. */
static void
make_room(Node *statement)
{
	if (jo_shared == NULL)
		return;
	switch (nodeTag(statement))
	{
		case T_CreatedbStmt:
			if (!IsTransactionBlock())
				release_template((CreatedbStmt *) statement);
			break;
		case T_DropdbStmt:
			if (!IsTransactionBlock())
				release_altered(((DropdbStmt *) statement)->dbname);
			break;
		case T_AlterDatabaseStmt:
			if (!IsTransactionBlock() &&
				find_option(((AlterDatabaseStmt *) statement)->options, "tablespace") != NULL)
				release_altered(((AlterDatabaseStmt *) statement)->dbname);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				release_altered(((RenameStmt *) statement)->subname);
			break;
		case T_ListenStmt:
			jo_listening_add(((ListenStmt *) statement)->conditionname);
			break;
		default:
			break;
	}
}

/* ---- what has happened ---- */

/* The dispatcher looks whether the extension is there, and which. */
static void
announce_extension_change(void)
{
	if (jo_shared != NULL)
		jo_announce_control(0);
}

/* After the statement. */
static void
take_note(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_UnlistenStmt:
			jo_listening_remove(((UnlistenStmt *) statement)->conditionname);
			break;
		case T_DiscardStmt:
			if (((DiscardStmt *) statement)->target == DISCARD_ALL)
				jo_listening_remove(NULL);
			break;
		case T_AlterExtensionStmt:
			if (strcmp(((AlterExtensionStmt *) statement)->extname, JO_EXTENSION) == 0)
				announce_extension_change();
			break;
		default:
			break;
	}
}

static void
watch_utility(PlannedStmt *planned, const char *query, bool read_only_tree,
			  ProcessUtilityContext context, ParamListInfo params,
			  QueryEnvironment *environment, DestReceiver *destination,
			  QueryCompletion *completion)
{
	Node	   *statement = planned->utilityStmt;
	NodeTag		tag = nodeTag(statement);

	make_room(statement);
	if (previous_utility_hook)
		previous_utility_hook(planned, query, read_only_tree, context, params,
							  environment, destination, completion);
	else
		standard_ProcessUtility(planned, query, read_only_tree, context, params,
								environment, destination, completion);

	/* a statement that ended the transaction may have taken its tree along */
	if (tag == T_UnlistenStmt || tag == T_DiscardStmt || tag == T_AlterExtensionStmt)
		take_note(statement);
}

/* DROP EXTENSION, by its own name or along with its owner's other things. */
static void
watch_objects(ObjectAccessType access, Oid class, Oid object, int sub, void *argument)
{
	if (previous_access_hook)
		previous_access_hook(access, class, object, sub, argument);
	if (access == OAT_DROP && class == ExtensionRelationId)
	{
		char	   *name = get_extension_name(object);

		if (name != NULL && strcmp(name, JO_EXTENSION) == 0)
			announce_extension_change();
	}
}

void
jo_ddl_init(void)
{
	previous_utility_hook = ProcessUtility_hook;
	ProcessUtility_hook = watch_utility;
	previous_access_hook = object_access_hook;
	object_access_hook = watch_objects;
}
