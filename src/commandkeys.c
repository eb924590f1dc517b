/*
 * commandkeys.c
 *		The keys of a command or script step, with their templates filled in.
 *
 * What the definition's reader has checked may have become anything by a template: so each
 * value is looked at here for what it is.  Reads the run document only.
 */
#include "joborch.h"

#include "command.h"
#include "errors.h"
#include "jsonbuild.h"
#include "utils/builtins.h"

void
jo_command_refuse(const JoTry *try, const char *key, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_REQUEST),
			 errmsg("\"%s\" of %s %s", key, jo_document_place(try->document), problem),
			 hint != NULL ? errhint("%s", hint) : 0));
	pg_unreachable();
}

const JoValue *
jo_command_find(const JoTry *try, const char *key)
{
	const JoValue *parameters = try->step->outside->parameters;

	for (int i = 0; i < parameters->n; i++)
		if (strcmp(parameters->keys[i], key) == 0)
			return &parameters->values[i];
	return NULL;
}

static bool
is_null(Jsonb *json)
{
	JsonbValue	scalar;

	return JsonbExtractScalar(&json->root, &scalar) && scalar.type == jbvNull;
}

Jsonb *
jo_command_get(JoTry *try, const char *key)
{
	const JoValue *value = jo_command_find(try, key);
	Jsonb	   *rendered;

	if (value == NULL)
		return NULL;
	rendered = jo_document_render(try->document, value);
	return is_null(rendered) ? NULL : rendered;
}

char *
jo_command_text(JoTry *try, const char *key)
{
	Jsonb	   *value = jo_command_get(try, key);

	return value != NULL ? jo_jsonb_text(value) : NULL;
}

bool
jo_command_flag(JoTry *try, const char *key)
{
	char	   *text = jo_command_text(try, key);
	bool		flag = false;

	if (text != NULL && !parse_bool(text, &flag))
		jo_command_refuse(try, key, "is neither true nor false", NULL);
	return flag;
}

List *
jo_command_texts(JoTry *try, const char *key)
{
	Jsonb	   *value = jo_command_get(try, key);
	List	   *texts = NIL;

	if (value == NULL)
		return NIL;
	if (!JB_ROOT_IS_ARRAY(value) || JB_ROOT_IS_SCALAR(value))
		return list_make1(jo_jsonb_text(value));
	for (uint32 i = 0; i < JB_ROOT_COUNT(value); i++)
	{
		JsonbValue *element = getIthJsonbValueFromContainer(&value->root, i);

		if (element->type == jbvNull)
			jo_command_refuse(try, key, psprintf("has null as its element %u", i),
							  "For what may be missing, give a fallback: {{ ... | default(\"\") }}.");
		texts = lappend(texts, jo_jsonb_text(jo_jsonb_from_value(element)));
	}
	return texts;
}

bool
jo_command_is_fixed(const JoValue *value)
{
	switch (value->kind)
	{
		case JO_VALUE_LITERAL:
			return true;
		case JO_VALUE_TEMPLATE:
			return false;
		case JO_VALUE_TEXT:
			/* braces that are no template */
			return value->text->ntemplates == 0;
		case JO_VALUE_OBJECT:
		case JO_VALUE_ARRAY:
			for (int i = 0; i < value->n; i++)
				if (!jo_command_is_fixed(&value->values[i]))
					return false;
			return true;
	}
	return false;
}
