/*
 * test_limits.c
 *		Large and hostile definitions: refused, or read in a moment.
 */
#include "unit.h"

#include <time.h>

/* A job of n steps, each after all before it, whose last reads the first. */
static char *
make_dense(int n)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{'steps':[");
	for (int i = 0; i < n; i++)
	{
		appendStringInfo(&buf, "%s{'name':'s%d','sql':'SELECT {{ steps.s0.value }}','depends_on':[", i ? "," : "", i);
		for (int d = 0; d < i; d++)
			appendStringInfo(&buf, "%s's%d'", d ? "," : "", d);
		appendStringInfoString(&buf, "]}");
	}
	appendStringInfoString(&buf, "]}");
	buf.data = strdup(buf.data);
	return buf.data;
}

static void
test_steps_limit(void)
{
	JoFindings	findings;
	char	   *json = make_dense(1000);
	clock_t		begun = clock();
	JoDefinition *definition;

	/* s0 cannot read itself: the only finding */
	definition = unit_parse(json, &findings);
	CHECK(definition == NULL);
	CHECK_INT(findings.n, 1);
	unit_check(clock() - begun < 10 * CLOCKS_PER_SEC, __FILE__, __LINE__, "half a million edges took %g s",
			   (double) (clock() - begun) / CLOCKS_PER_SEC);
	free(json);

	json = make_dense(1001);
	CHECK(unit_parse(json, &findings) == NULL);
	CHECK(unit_find(&findings, "limit_exceeded", "$.steps[1000]") != NULL);
	free(json);
}

static void
check_name(const char *name, bool good)
{
	JoFindings	findings;
	JoDefinition *definition = unit_parse(psprintf("{'steps':[{'name':'%s','sql':'SELECT 1'}]}", name), &findings);

	unit_check((definition != NULL) == good, __FILE__, __LINE__, "%s", name);
	if (good && definition != NULL)
		CHECK_TEXT(definition->steps[0].name, name);
	else
		CHECK(unit_find(&findings, "limit_exceeded", "$.steps[0].name") != NULL);
}

static void
test_name_limit(void)
{
	StringInfoData name;

	initStringInfo(&name);
	for (int i = 0; i < 21; i++)
		appendStringInfoString(&name, "\xe2\x82\xac");
	check_name(name.data, true);	/* 63 bytes */
	appendStringInfoChar(&name, 'x');
	check_name(name.data, false);	/* 64 */
	check_name("it's-a name. \xf0\x9f\x98\x80" + 5, true);
}

static void
test_size_limits(void)
{
	JoFindings	findings;
	StringInfoData buf;
	char	   *huge;
	Size		size = 100 * 1024 * 1024;

	memset(&findings, 0, sizeof(findings));
	huge = malloc(1);
	CHECK(jo_definition_parse(huge, size, &unit_hooks, &findings) == NULL);
	CHECK(unit_find(&findings, "limit_exceeded", "$") != NULL);
	free(huge);

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{'steps':[{'name':'a','sql':'SELECT 1'}],'metadata':");
	for (int i = 0; i < 1000; i++)
		appendStringInfoString(&buf, "{'a':");
	appendStringInfoString(&buf, "1");
	CHECK(unit_parse(buf.data, &findings) == NULL);
	CHECK(unit_find(&findings, "limit_exceeded", "$") != NULL);

	/* NUL as a byte and as an escape */
	memset(&findings, 0, sizeof(findings));
	CHECK(jo_definition_parse("{\"a\":\"\0\"}", 9, &unit_hooks, &findings) == NULL);
	CHECK(unit_find(&findings, "syntax_error", "$") != NULL);
	CHECK(unit_parse("{'a':'\\u0000'}", &findings) == NULL);
	CHECK(strstr(findings.list[0].message, "\\u0000") != NULL);
}

static void
test_many_findings(void)
{
	JoFindings	findings;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{'steps':[{'name':'a','sql':'SELECT 1'}]");
	for (int i = 0; i < 100000; i++)
		appendStringInfo(&buf, ",'k%d':1", i);
	appendStringInfoString(&buf, "}");
	CHECK(unit_parse(buf.data, &findings) == NULL);
	CHECK_INT(findings.n, JO_MAX_FINDINGS + 1);
	CHECK_INT(findings.nerrors, 100000);
	CHECK_TEXT(findings.list[JO_MAX_FINDINGS].code, "limit_exceeded");

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{'steps':[{'name':'a','sql':'SELECT 1'}],'input':{'properties':{");
	for (int i = 0; i < 10001; i++)
		appendStringInfo(&buf, "%s'k%d':{}", i ? "," : "", i);
	appendStringInfoString(&buf, "}}}");
	CHECK(unit_parse(buf.data, &findings) == NULL);
	CHECK(unit_find(&findings, "limit_exceeded", "$.input.properties") != NULL);

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{'steps':[{'name':'a','sql':'SELECT 1'}],'input':{'required':['a'");
	for (int i = 0; i < 1000; i++)
		appendStringInfoString(&buf, ",'a'");
	appendStringInfoString(&buf, "]}}");
	CHECK(unit_parse(buf.data, &findings) == NULL);
	CHECK(unit_find(&findings, "limit_exceeded", "$.input.required") != NULL);
}

void
test_limits(void)
{
	test_steps_limit();
	test_name_limit();
	test_size_limits();
	test_many_findings();
}
