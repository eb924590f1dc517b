/*
 * specjson.c
 *		Takes the jsonb of a spec apart, and says which field is wrong.
 */
#include "joborch.h"

#include "specparts.h"

#include "jsonbuild.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "words.h"

void
jo_spec_refuse(const char *field, const char *why, const char *value, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid schedule: %s: %s", field, why),
			 value != NULL ? errdetail("The value is \"%s\".", jo_words_show(value)) : 0,
			 hint != NULL ? errhint("%s", hint) : 0));
}

char *
jo_spec_path(const char *field, const char *key)
{
	return *field == '\0' ? pstrdup(key) : psprintf("%s.%s", field, key);
}

static const char *
show_path(const char *field)
{
	return *field == '\0' ? "spec" : field;
}

void
jo_spec_check_keys(const char *field, JsonbContainer *object, const char *const *keys)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbIteratorToken token;
	JsonbValue	value;

	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		char	   *key;
		char	   *near;

		if (token != WJB_KEY)
			continue;
		key = pnstrdup(value.val.string.val, value.val.string.len);
		if (jo_words_find(key, keys) >= 0)
			continue;
		near = jo_words_suggest(key, keys);
		jo_spec_refuse(show_path(field), psprintf("key \"%s\" is not known", jo_words_show(key)), NULL,
					   psprintf("%s%sKeys are %s.", near != NULL ? near : "", near != NULL ? " " : "", jo_words_join(keys)));
	}
}

JsonbContainer *
jo_spec_object(const char *field, JsonbValue *value)
{
	if (value->type != jbvBinary || !JsonContainerIsObject(value->val.binary.data))
		jo_spec_refuse(show_path(field), "this must be an object", NULL, NULL);
	return value->val.binary.data;
}

char *
jo_spec_string(const char *field, JsonbValue *value)
{
	if (value->type != jbvString)
		jo_spec_refuse(field, "this must be a string", NULL, NULL);
	return pnstrdup(value->val.string.val, value->val.string.len);
}

char *
jo_spec_text(const char *field, JsonbContainer *object, const char *key, bool or_number)
{
	JsonbValue	value;

	if (!jo_jsonb_member(object, key, (int) strlen(key), &value) || value.type == jbvNull)
		return NULL;
	if (or_number && value.type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value.val.numeric)));
	return jo_spec_string(jo_spec_path(field, key), &value);
}

int
jo_spec_each(const char *field, JsonbValue *value, JoSpecEach each, void *context)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	element;
	int			n = 0;

	if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
	{
		each(field, value, context);
		return 1;
	}
	iterator = JsonbIteratorInit(value->val.binary.data);
	while ((token = JsonbIteratorNext(&iterator, &element, true)) != WJB_DONE)
		if (token == WJB_ELEM)
			each(psprintf("%s[%d]", field, n++), &element, context);
	return n;
}
