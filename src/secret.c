/*
 * secret.c
 *		Values that steps may use and nobody may read: resolving and masking.
 *
 * Nothing is cached: row, key file and the file of a value are read for each use, so that
 * a grant taken back or a changed value counts at once.  Reads rows through store.c.
 * Values in a list are kept in memory of their own, which outlives the transaction.
 */
#include "joborch.h"

#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "errors.h"
#include "json.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "secret.h"
#include "secretcrypt.h"
#include "secretfile.h"
#include "secretmask.h"
#include "store.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

/* ---- who may use it ---- */

static bool
may_use(Oid role, const JoSecretRow *row)
{
	Oid		   *roles;
	int			n;

	if (OidIsValid(row->owner) && has_privs_of_role(role, row->owner))
		return true;
	n = jo_store_secret_roles(row->name, jo_store_latest(), &roles);
	for (int i = 0; i < n; i++)
	{
		if (OidIsValid(roles[i]) && has_privs_of_role(role, roles[i]))
			return true;
	}
	return false;
}

/* The same words whether it is not there or not for this role: nobody learns which. */
static void pg_attribute_noreturn()
refuse_use(Oid role, const char *name)
{
	char	   *role_name = GetUserNameFromId(role, true);

	if (role_name == NULL)
		role_name = psprintf("%u", role);
	ereport(ERROR,
			(errcode(ERRCODE_JO_SECRET),
			 errmsg("secret \"%s\" cannot be used by role \"%s\"", name, role_name),
			 errdetail("It does not exist, or the role neither owns it nor was granted it."),
			 errhint("SELECT joborch.grant_secret(%s, %s);",
					 quote_literal_cstr(name), quote_literal_cstr(role_name))));
}

static void pg_attribute_noreturn()
refuse_value(const char *name, const char *detail, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_SECRET),
			 errmsg("the value of secret \"%s\" cannot be had", name),
			 errdetail("%s", detail),
			 errhint("%s", hint)));
}

/* ---- the value ---- */

/* Rows that came with a copy or a dump are others' until somebody takes them over. */
static void
require_ours(const JoSecretRow *row)
{
	if (row->system_identifier != GetSystemIdentifier() || row->database_oid != MyDatabaseId)
		refuse_value(row->name, "It was made in another database.",
					 "If this database shall use it: SELECT joborch.adopt_database(), or joborch.rotate_secret_key().");
}

static char *
open_value(const JoSecretRow *row)
{
	JoSecretBinding binding = {row->system_identifier, row->database_oid, row->name};
	const char *problem;
	char	   *value = jo_secretcrypt_open(&binding, row->key_name, row->sealed, &problem);

	if (value == NULL)
		refuse_value(row->name, problem,
					 psprintf("Put the key back into joborch.secret_key_file, or give the value again: "
							  "SELECT joborch.alter_secret(%s, $1);", quote_literal_cstr(row->name)));
	return value;
}

static char *
read_value(const JoSecretRow *row)
{
	char	   *value = jo_secretfile_value(row->from_file);

	if (strlen(value) < JO_MASK_SHORTEST)
	{
		explicit_bzero(value, strlen(value));
		refuse_value(row->name, psprintf("File \"%s\" has fewer than %d bytes.", row->from_file, JO_MASK_SHORTEST),
					 "Secrets that short could not be kept out of history.");
	}
	return value;
}

/* ---- what was given to a step ---- */

static void
remember(JoSecretList *list, const char *value, int length)
{
	if (length < JO_MASK_SHORTEST)
		return;
	for (int i = 0; i < list->n; i++)
	{
		if (strncmp(list->values[i], value, length) == 0 && list->values[i][length] == '\0')
			return;
	}
	if (list->n == list->capacity)
	{
		int			capacity = Max(4, list->capacity * 2);

		list->values = list->values == NULL ?
			MemoryContextAlloc(TopMemoryContext, sizeof(char *) * capacity) :
			repalloc(list->values, sizeof(char *) * capacity);
		list->capacity = capacity;
	}
	list->values[list->n] = MemoryContextAlloc(TopMemoryContext, length + 1);
	memcpy(list->values[list->n], value, length);
	list->values[list->n++][length] = '\0';
}

/* The texts and numbers inside of a value that is JSON: a step may use, or be answered, each. */
static void
remember_parts(JoSecretList *list, const char *value)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	part;
	Jsonb	   *whole;
	char	   *error;

	if ((*value != '{' && *value != '[') || jo_json_check(value, strlen(value), &error) != JO_JSON_OK)
		return;
	whole = jo_jsonb_from_text(value);
	iterator = JsonbIteratorInit(&whole->root);
	while ((token = JsonbIteratorNext(&iterator, &part, false)) != WJB_DONE)
	{
		if (token != WJB_ELEM && token != WJB_VALUE)
			continue;
		if (part.type == jbvString)
			remember(list, part.val.string.val, part.val.string.len);
		else if (part.type == jbvNumeric)
		{
			char	   *number = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(part.val.numeric)));

			remember(list, number, strlen(number));
		}
	}
	explicit_bzero(VARDATA(whole), VARSIZE(whole) - VARHDRSZ);
	pfree(whole);
}

char *
jo_secret_resolve(Oid role, const char *name, JoSecretList *list)
{
	JoSecretRow row;
	char	   *value;

	if (!jo_store_secret(name, jo_store_latest(), &row) || !may_use(role, &row))
		refuse_use(role, name);
	require_ours(&row);
	value = row.sealed != NULL ? open_value(&row) : read_value(&row);
	if (list != NULL)
	{
		remember(list, value, strlen(value));
		remember_parts(list, value);
	}
	return value;
}

void
jo_secret_forget(JoSecretList *list)
{
	for (int i = 0; i < list->n; i++)
	{
		explicit_bzero(list->values[i], strlen(list->values[i]));
		pfree(list->values[i]);
	}
	if (list->values != NULL)
		pfree(list->values);
	memset(list, 0, sizeof(*list));
}

/* ---- masking ---- */

char *
jo_secret_mask_text(const JoSecretList *list, const char *text)
{
	JoMask	   *mask;
	char	   *masked;

	if (list->n == 0 || text == NULL)
		return unconstify(char *, text);
	mask = jo_mask_create(list->values, list->n);
	masked = jo_mask_apply(mask, text, strlen(text));
	jo_mask_free(mask);
	return masked != NULL ? masked : unconstify(char *, text);
}

/* The text of what can hold a value; NULL: it cannot. */
static const char *
get_text(const JsonbValue *value, int *length)
{
	char	   *number;

	if (value->type == jbvString)
	{
		*length = value->val.string.len;
		return value->val.string.val;
	}
	if (value->type != jbvNumeric)
		return NULL;
	number = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	*length = strlen(number);
	return number;
}

static bool
is_value(JsonbIteratorToken token)
{
	return token == WJB_KEY || token == WJB_ELEM || token == WJB_VALUE;
}

static bool
finds_in(const JoMask *mask, Jsonb *jsonb)
{
	JsonbIterator *iterator = JsonbIteratorInit(&jsonb->root);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		int			length;
		const char *text = is_value(token) ? get_text(&value, &length) : NULL;

		if (text != NULL && jo_mask_finds(mask, text, length))
			return true;
	}
	return false;
}

/* A number with a value in it becomes a text. */
static void
mask_value(const JoMask *mask, JsonbValue *value)
{
	int			length;
	const char *text = get_text(value, &length);
	char	   *masked = text != NULL ? jo_mask_apply(mask, text, length) : NULL;

	if (masked != NULL)
		jo_jsonb_string_value(value, masked);
}

static Jsonb *
rebuild(const JoMask *mask, Jsonb *jsonb)
{
	JsonbIterator *iterator = JsonbIteratorInit(&jsonb->root);
	JsonbParseState *state = NULL;
	JsonbValue *result = NULL;
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
	{
		/* pushJsonbValue makes a scalar at the top an array with a flag, which it takes from here */
		if (token == WJB_BEGIN_ARRAY && value.val.array.rawScalar)
		{
			result = pushJsonbValue(&state, token, &value);
			continue;
		}
		if (is_value(token))
			mask_value(mask, &value);
		result = pushJsonbValue(&state, token, is_value(token) ? &value : NULL);
	}
	return JsonbValueToJsonb(result);
}

Jsonb *
jo_secret_mask_jsonb(const JoSecretList *list, Jsonb *value)
{
	JoMask	   *mask;

	if (list->n == 0 || value == NULL)
		return value;
	mask = jo_mask_create(list->values, list->n);
	if (finds_in(mask, value))
		value = rebuild(mask, value);
	jo_mask_free(mask);
	return value;
}
