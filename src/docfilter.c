/*
 * docfilter.c
 *		The filters of templates: default, json, urlencode, base64.
 *
 * Apart from document.c because they know values only, not where those come from.
 * Touches memory only.
 */
#include "joborch.h"

#include "docfilter.h"
#include "jsonbuild.h"
#include "lib/stringinfo.h"

static Jsonb *
make_string(const char *text)
{
	JsonbValue	value;

	jo_jsonb_string_value(&value, text);
	return JsonbValueToJsonb(&value);
}

static bool
is_null(Jsonb *value)
{
	JsonbValue	scalar;

	return JsonbExtractScalar(&value->root, &scalar) && scalar.type == jbvNull;
}

/* RFC 3986: all but the unreserved bytes. */
static char *
encode_url(const char *text)
{
	static const char unreserved[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	StringInfoData out;

	initStringInfo(&out);
	for (; *text != '\0'; text++)
	{
		if (strchr(unreserved, *text) != NULL)
			appendStringInfoChar(&out, *text);
		else
			appendStringInfo(&out, "%%%02X", (unsigned char) *text);
	}
	return out.data;
}

Jsonb *
jo_docfilter_apply(const JoTemplate *template, Jsonb *value)
{
	int			i;

	for (i = 0; i < template->nfilters; i++)
	{
		const JoFilter *filter = &template->filters[i];
		char	   *text;

		if (filter->kind == JO_FILTER_DEFAULT)
		{
			if (value == NULL || is_null(value))
				value = jo_jsonb_from_text(filter->argument);
			continue;
		}
		if (value == NULL)
			continue;
		switch (filter->kind)
		{
			case JO_FILTER_JSON:
				value = make_string(JsonbToCString(NULL, &value->root, VARSIZE(value)));
				break;
			case JO_FILTER_URLENCODE:
				value = make_string(encode_url(jo_jsonb_text(value)));
				break;
			case JO_FILTER_BASE64:
				text = jo_jsonb_text(value);
				value = make_string(jo_base64(text, strlen(text)));
				break;
			case JO_FILTER_IDENT:	/* a name in SQL: sqlsplit.c quotes it */
			case JO_FILTER_DEFAULT:
				break;
		}
	}
	return value;
}
