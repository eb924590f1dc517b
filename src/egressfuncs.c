/*
 * egressfuncs.c
 *		Texts of egress rules, from SQL: one spelling, or what is wrong with them.
 *
 * Reads and writes nothing but its arguments.
 */
#include "joborch.h"

#include "catalog/pg_type.h"
#include "egress.h"
#include "egressparts.h"
#include "fmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "words.h"

#include <arpa/inet.h>

PG_FUNCTION_INFO_V1(joborch_egress_host);
PG_FUNCTION_INFO_V1(joborch_egress_addresses);
PG_FUNCTION_INFO_V1(joborch_egress_schemes);
PG_FUNCTION_INFO_V1(joborch_egress_rate);

static void
refuse(const char *error, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", error),
			 errhint("%s", hint)));
}

Datum
joborch_egress_host(PG_FUNCTION_ARGS)
{
	char	   *host;
	char	   *error;
	char	   *hint;

	if (!jo_egress_parse_host(text_to_cstring(PG_GETARG_TEXT_PP(0)), &host, &error, &hint))
		refuse(error, hint);
	PG_RETURN_TEXT_P(cstring_to_text(host));
}

static Datum
print_range(const JoEgressRange *range)
{
	char		text[INET6_ADDRSTRLEN];

	(void) inet_ntop(range->v6 ? AF_INET6 : AF_INET, range->address, text, sizeof(text));
	return CStringGetTextDatum(psprintf("%s/%d", text, range->bits));
}

Datum
joborch_egress_addresses(PG_FUNCTION_ARGS)
{
	Datum	   *texts;
	bool	   *nulls;
	int			n;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false, TYPALIGN_INT, &texts, &nulls, &n);
	for (int i = 0; i < n; i++)
	{
		JoEgressRange range;
		char	   *error;
		char	   *hint;

		if (nulls[i])
			refuse("an address is null", "Give the addresses as '{10.0.0.0/8,fd00::/8}'.");
		if (!jo_egress_parse_range(TextDatumGetCString(texts[i]), &range, &error, &hint))
			refuse(error, hint);
		texts[i] = print_range(&range);
	}
	PG_RETURN_ARRAYTYPE_P(construct_array(texts, n, TEXTOID, -1, false, TYPALIGN_INT));
}

static unsigned
read_scheme(const char *word)
{
	static const char *const words[] = {"http", "https", "ftp", "ftps", "sftp", "smtp", "smtps", NULL};
	int			port;
	unsigned	scheme = jo_egress_scheme(word, &port);
	char	   *suggestion = jo_words_suggest(word, words);

	if (scheme == JO_SCHEME_FILE)
		refuse("scheme \"file\" is no matter of egress rules",
			   "Which files of the server steps may use is said by the setting joborch.file_root.");
	if (scheme == 0)
		refuse(psprintf("\"%s\" is not a scheme", jo_words_show(word)),
			   psprintf("%sThe schemes are %s.", suggestion != NULL ? psprintf("%s ", suggestion) : "",
						jo_words_join(words)));
	return scheme;
}

/* "https", "http, https" */
Datum
joborch_egress_schemes(PG_FUNCTION_ARGS)
{
	char	   *words = text_to_cstring(PG_GETARG_TEXT_PP(0));
	unsigned	schemes = 0;

	for (;;)
	{
		char	   *next = strchr(words, ',');
		size_t		length;

		if (next != NULL)
			*next++ = '\0';
		words += strspn(words, " ");
		length = strlen(words);
		while (length > 0 && words[length - 1] == ' ')
			words[--length] = '\0';
		schemes |= read_scheme(words);
		if (next == NULL)
			break;
		words = next;
	}
	PG_RETURN_INT32((int32) schemes);
}

Datum
joborch_egress_rate(PG_FUNCTION_ARGS)
{
	double		rate;
	char	   *error;
	char	   *hint;

	if (!jo_egress_parse_rate(text_to_cstring(PG_GETARG_TEXT_PP(0)), &rate, &error, &hint))
		refuse(error, hint);
	PG_RETURN_FLOAT8(rate);
}
