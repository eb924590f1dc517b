/*
 * jsonbuild.c
 *		Short ways to take jsonb apart and to put it together.
 *
 * The server's own functions want a parse state and three calls for each pair;
 * every part of joborch that writes a small object would repeat them.  Touches
 * memory only; allocates in the current context.
 */
#include "joborch.h"

#include "common/base64.h"
#include "jsonbuild.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

void
jo_jsonb_to_value(Jsonb *jsonb, JsonbValue *value)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbParseState *state = NULL;
	JsonbValue	item;
	JsonbValue *tree = NULL;

	if (JsonbExtractScalar(&jsonb->root, value))
		return;
	iterator = JsonbIteratorInit(&jsonb->root);
	while ((token = JsonbIteratorNext(&iterator, &item, false)) != WJB_DONE)
		tree = pushJsonbValue(&state, token, token < WJB_BEGIN_ARRAY ? &item : NULL);
	*value = *tree;
}

Jsonb *
jo_jsonb_from_value(JsonbValue *value)
{
	Jsonb	   *jsonb;

	/* a raw scalar may come as a container: copied as it is */
	if (value->type != jbvBinary)
		return JsonbValueToJsonb(value);
	jsonb = palloc(VARHDRSZ + value->val.binary.len);
	SET_VARSIZE(jsonb, VARHDRSZ + value->val.binary.len);
	memcpy(VARDATA(jsonb), value->val.binary.data, value->val.binary.len);
	return jsonb;
}

Jsonb *
jo_jsonb_from_text(const char *json)
{
	return DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(json)));
}

Jsonb *
jo_jsonb_null(void)
{
	JsonbValue	value;

	value.type = jbvNull;
	return JsonbValueToJsonb(&value);
}

Jsonb *
jo_jsonb_merge(Jsonb *first, Jsonb *second)
{
	if (first == NULL || second == NULL)
		return first != NULL ? first : second;
	return DatumGetJsonbP(DirectFunctionCall2(jsonb_concat, JsonbPGetDatum(first),
											  JsonbPGetDatum(second)));
}

void
jo_jsonb_string_value(JsonbValue *value, const char *string)
{
	value->type = jbvString;
	value->val.string.val = unconstify(char *, string);
	value->val.string.len = strlen(string);
}

void
jo_jsonb_int_value(JsonbValue *value, int64 number)
{
	value->type = jbvNumeric;
	value->val.numeric = int64_to_numeric(number);
}

void
jo_jsonb_add(JsonbParseState **state, const char *key, JsonbValue *value)
{
	JsonbValue	name;

	jo_jsonb_string_value(&name, key);
	pushJsonbValue(state, WJB_KEY, &name);
	pushJsonbValue(state, WJB_VALUE, value);
}

void
jo_jsonb_add_string(JsonbParseState **state, const char *key, const char *string)
{
	JsonbValue	value;

	if (string == NULL)
		return;
	jo_jsonb_string_value(&value, string);
	jo_jsonb_add(state, key, &value);
}

void
jo_jsonb_add_int(JsonbParseState **state, const char *key, int64 number)
{
	JsonbValue	value;

	jo_jsonb_int_value(&value, number);
	jo_jsonb_add(state, key, &value);
}

void
jo_jsonb_add_bool(JsonbParseState **state, const char *key, bool flag)
{
	JsonbValue	value;

	value.type = jbvBool;
	value.val.boolean = flag;
	jo_jsonb_add(state, key, &value);
}

void
jo_jsonb_add_jsonb(JsonbParseState **state, const char *key, Jsonb *jsonb)
{
	JsonbValue	value;

	if (jsonb == NULL)
		return;
	jo_jsonb_to_value(jsonb, &value);
	jo_jsonb_add(state, key, &value);
}

bool
jo_jsonb_member(JsonbContainer *container, const char *key, int length, JsonbValue *value)
{
	return JsonContainerIsObject(container) &&
		getKeyJsonValueFromContainer(container, key, length, value) != NULL;
}

char *
jo_jsonb_text(Jsonb *jsonb)
{
	JsonbValue	value;

	if (JsonbExtractScalar(&jsonb->root, &value) && value.type == jbvString)
		return pnstrdup(value.val.string.val, value.val.string.len);
	return JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));
}

char *
jo_base64(const char *data, size_t size)
{
	int			room = pg_b64_enc_len(size);
	char	   *text = palloc(room + 1);
	int			length = pg_b64_encode(data, size, text, room);

	if (length < 0)
		elog(ERROR, "base64 encoding failed");
	text[length] = '\0';
	return text;
}
