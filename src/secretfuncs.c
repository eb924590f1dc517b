/*
 * secretfuncs.c
 *		Where the values of secrets enter: create_secret() and alter_secret().
 *
 * A value is encrypted here, before any other code of the server is given it: the SQL
 * function behind (secrets.sql) gets the encrypted one in its place, as text.  No error
 * quotes an argument, since a value may stand in the place of a name.
 */
#include "joborch.h"

#include "access/xlog.h"
#include "catalog/pg_authid.h"
#include "errors.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "rights.h"
#include "secretcrypt.h"
#include "secretfile.h"
#include "secretlog.h"
#include "secretmask.h"
#include "shmem.h"
#include "utils/acl.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(joborch_give_secret);
PG_FUNCTION_INFO_V1(joborch_reseal_secret);

/* call.c: the entry of functions that need more rights than their callers have. */
extern Datum joborch_call(PG_FUNCTION_ARGS);

#define MAX_ARGUMENTS 4			/* name, value, from_file and, to create, description */
#define LONGEST_NAME 63

static char *
get_argument(FunctionCallInfo fcinfo, int i)
{
	return PG_ARGISNULL(i) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(i));
}

/* What can be written in a template without quotes. */
static void
check_name(const char *name)
{
	size_t		length = name != NULL ? strlen(name) : 0;

	if (length == 0 || length > LONGEST_NAME || (name[0] >= '0' && name[0] <= '9') || name[0] == '-' ||
		name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")] != '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("this cannot be the name of a secret"),
				 errdetail("A name has 1 to %d letters, digits, underscores and hyphens, and begins with a letter or an underscore.",
						   LONGEST_NAME),
				 errhint("The first argument is the name, the second one the value.")));
}

static void
check_value(const char *value)
{
	size_t		length = strlen(value);

	if (length < JO_MASK_SHORTEST || length > JO_SECRET_LONGEST)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the value of a secret must have %d to %d bytes", JO_MASK_SHORTEST, JO_SECRET_LONGEST),
				 errdetail("It has %zu.", length),
				 errhint("A shorter one could not be kept out of history; what is longer can be a file.")));
}

/* Who names a file of the server has it read with the server's rights. */
static void
check_file(const char *name)
{
	Oid			caller = jo_rights_caller();
	Oid			admin = get_role_oid("joborch_admin", true);
	char	   *value;

	if (!has_privs_of_role(caller, ROLE_PG_READ_SERVER_FILES) &&
		!(OidIsValid(admin) && has_privs_of_role(caller, admin)))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to keep a secret in a file of the server"),
				 errdetail("This needs membership in role \"joborch_admin\" or \"pg_read_server_files\"."),
				 errhint("Give the value itself.")));
	value = jo_secretfile_value(name);
	PG_TRY();
	{
		check_value(value);
	}
	PG_FINALLY();
	{
		explicit_bzero(value, strlen(value));
	}
	PG_END_TRY();
}

/* The key's name and the encrypted bytes in hexadecimal, as secrets.sql takes them. */
static text *
print_sealed(const char *key_name, bytea *sealed)
{
	Datum		hex = DirectFunctionCall2(binary_encode, PointerGetDatum(sealed), CStringGetTextDatum("hex"));

	return cstring_to_text(psprintf("%s %s", key_name, TextDatumGetCString(hex)));
}

static text *
seal(const char *name, char *value)
{
	JoSecretBinding binding = {GetSystemIdentifier(), MyDatabaseId, name};
	char	   *key_name;
	bytea	   *sealed;

	PG_TRY();
	{
		check_value(value);
		sealed = jo_secretcrypt_seal(&binding, value, &key_name);
	}
	PG_FINALLY();
	{
		explicit_bzero(value, strlen(value));
	}
	PG_END_TRY();
	return print_sealed(key_name, sealed);
}

/* create_secret(name, value, from_file, description), alter_secret(name, value, from_file) */
Datum
joborch_give_secret(PG_FUNCTION_ARGS)
{
	LOCAL_FCINFO(call, MAX_ARGUMENTS);
	char	   *name;
	char	   *value;
	char	   *from_file;

	jo_secretlog_hide_statement();
	jo_shmem_require();
	Assert(PG_NARGS() <= MAX_ARGUMENTS);
	name = get_argument(fcinfo, 0);
	check_name(name);
	from_file = get_argument(fcinfo, 2);
	if (PG_ARGISNULL(1) == (from_file == NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a secret has either a value or a file"),
				 errdetail("%s", from_file != NULL ? "Both were given." : "Neither was given."),
				 errhint("joborch.create_secret('name', $1) or joborch.create_secret('name', from_file => 'name of the file').")));
	if (from_file != NULL)
		check_file(from_file);

	/* what the caller's plan holds is not ours to change */
	memcpy(call, fcinfo, SizeForFunctionCallInfo(PG_NARGS()));
	if (from_file == NULL)
	{
		value = get_argument(fcinfo, 1);
		call->args[1].value = PointerGetDatum(seal(name, value));
	}
	return joborch_call(call);
}

/*
 * joborch_internal.reseal_secret(name text, sealed bytea, key_name text, system_identifier bigint,
 * database_oid oid): the value, encrypted with the newest key and bound to this database
 */
Datum
joborch_reseal_secret(PG_FUNCTION_ARGS)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bytea	   *sealed = PG_GETARG_BYTEA_PP(1);
	char	   *key_name = text_to_cstring(PG_GETARG_TEXT_PP(2));
	JoSecretBinding binding = {(uint64) PG_GETARG_INT64(3), PG_GETARG_OID(4), name};
	const char *problem;
	char	   *value = jo_secretcrypt_open(&binding, key_name, sealed, &problem);

	if (value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_SECRET),
				 errmsg("the value of secret \"%s\" cannot be had", name),
				 errdetail("%s", problem),
				 errhint("Add the key with which it was encrypted to the end of joborch.secret_key_file, or drop the secret.")));
	PG_RETURN_TEXT_P(seal(name, value));
}
