/*
 * store_secret.c
 *		Secrets as the engine reads them: the rows of secret and secret_grant.
 *
 * They are written by SQL (secrets.sql) only; values are encrypted here.  Touches
 * these tables only.
 */
#include "postgres.h"

#include "store_internal.h"

static void
take_secret(JoTuple *tuple, void *result)
{
	JoSecretRow *row = result;

	tuple->n = 0;
	row->system_identifier = (uint64) get_int64(tuple);
	skip_column(tuple);			/* created_at */
	skip_column(tuple);			/* altered_at */
	row->owner = get_oid(tuple);
	row->database_oid = get_oid(tuple);
	skip_column(tuple);			/* version */
	row->name = get_text(tuple);
	row->sealed = tuple->nulls[tuple->n] ? NULL : DatumGetByteaPCopy(tuple->values[tuple->n]);
	skip_column(tuple);
	row->key_name = get_text(tuple);
	row->from_file = get_text(tuple);
}

bool
jo_store_secret(const char *name, Snapshot snapshot, JoSecretRow *row)
{
	ScanKeyData key;

	jo_store_key_text(&key, 1, name);
	return jo_store_read_one(JO_INDEX_SECRET_PKEY, &key, 1, snapshot, take_secret, row);
}

static void
take_grant(JoTuple *tuple, void *result)
{
	tuple->n = 0;
	skip_column(tuple);			/* granted_at */
	*(Oid *) result = get_oid(tuple);
}

int
jo_store_secret_roles(const char *name, Snapshot snapshot, Oid **roles)
{
	ScanKeyData key;

	jo_store_key_text(&key, 1, name);
	return jo_store_read_all(JO_INDEX_SECRET_GRANT_PKEY, &key, 1, snapshot, take_grant,
							 sizeof(Oid), (void **) roles);
}
