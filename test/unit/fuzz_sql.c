/*
 * fuzz_sql.c
 *		Any bytes as SQL, as a text and as an expression with templates.
 */
#include "template.h"

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Pieces and templates in turn must be the text again. */
static void
check_whole(const char *text, const JoSqlText *out)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i <= out->ntemplates; i++)
	{
		if (i > 0)
			appendStringInfoString(&buf, out->templates[i - 1].source);
		appendStringInfoString(&buf, out->pieces[i]);
	}
	assert(strcmp(buf.data, text) == 0);
}

/*
 * With parameters in the places of the templates, the same scanner must find the
 * same boundaries: so a template never changed what is around it.
 */
static void
check_neutral(const JoSqlText *out)
{
	StringInfoData buf;
	JoSqlText	again;
	char	   *error;
	char	   *hint;

	initStringInfo(&buf);
	for (int i = 0; i <= out->ntemplates; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? "{{ run.id }}" : "", out->pieces[i]);
	assert(jo_template_parse_sql(buf.data, &again, &error, &hint));
	assert(again.ntemplates == out->ntemplates);
	for (int i = 0; i <= out->ntemplates; i++)
		assert(strcmp(again.pieces[i], out->pieces[i]) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = malloc(size + 1);
	JoSqlText	out;
	JoTemplate	template;
	char	   *error;
	char	   *hint;

	memcpy(text, data, size);
	text[size] = '\0';
	if (jo_template_parse_sql(text, &out, &error, &hint))
	{
		check_whole(text, &out);
		check_neutral(&out);
	}
	else
		assert(error != NULL);
	if (jo_template_parse_text(text, &out, &error, &hint))
		check_whole(text, &out);
	if (jo_template_parse_expression(text, strlen(text), &template, &error, &hint))
		assert(template.path != NULL && strncmp(template.path, "$.\"", 3) == 0);
	free(text);
	shim_reset();
	return 0;
}
