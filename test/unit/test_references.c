/*
 * test_references.c
 *		depends_on, cycles, and what templates and conditions may read.
 */
#include "unit.h"

/*
 * Steps a, b (after a), c (at once), on_failure f, finally z; keys are added to
 * one of them.  code NULL: the definition must be good.
 */
static void
check_in(char where, const char *added, const char *code, const char *message, const char *advice)
{
	JoFindings	findings;
	const JoFinding *finding;
	StringInfoData buf;
	JoDefinition *definition;

	initStringInfo(&buf);
	appendStringInfo(&buf, "{'input':{'properties':{'since':{},'deep':{'properties':{'x':{}}}}%s},",
					 where == 'i' ? added : "");
	for (const char *p = "abcfz"; *p != '\0'; p++)
		appendStringInfo(&buf, "%s{'name':'%c','sql':'SELECT 1'%s%s%s}",
						 *p == 'a' ? "'steps':[" : *p == 'f' ? "],'on_failure':" :
						 *p == 'z' ? ",'finally':" : ",",
						 *p, *p == 'c' ? ",'depends_on':[]" : "", *p == where ? "," : "",
						 *p == where ? added : "");
	appendStringInfo(&buf, "%s%s}", where == 'o' ? "," : "", where == 'o' ? added : "");
	definition = unit_parse(buf.data, &findings);
	if (code == NULL)
	{
		unit_check(definition != NULL && findings.n == 0, __FILE__, __LINE__, "%s: %s", buf.data,
				   findings.n ? findings.list[0].message : "");
		return;
	}
	finding = unit_find(&findings, code, NULL);
	unit_check(finding != NULL, __FILE__, __LINE__, "%s: no %s", buf.data, code);
	if (finding == NULL)
		return;
	if (message != NULL)
		unit_check(strstr(finding->message, message) != NULL, __FILE__, __LINE__, "%s: %s", buf.data,
				   finding->message);
	if (advice != NULL)
		unit_check(finding->suggestion != NULL && strstr(finding->suggestion, advice) != NULL,
				   __FILE__, __LINE__, "%s: %s", buf.data, finding->suggestion ? finding->suggestion : "none");
}

static void
test_depends_on(void)
{
	check_in('c', "'depends_on':'b'", "duplicate_key", NULL, NULL);
	check_in('b', "'depends_on':['aa']", "unknown_step", "\"aa\"", "\"a\"");
	check_in('b', "'depends_on':['f']", "unknown_step", "not in the same list", NULL);
	check_in('z', "'depends_on':['a']", "unknown_step", "not in the same list", NULL);
	check_in('b', "'depends_on':'b'", "self_reference", NULL, NULL);
	check_in('b', "'depends_on':[1]", "schema_error", NULL, NULL);
	check_in('b', "'depends_on':null", "schema_error", "not null", NULL);
	check_in('b', "'depends_on':['a','a']", "invalid_value", "named twice", NULL);
	check_in('b', "'depends_on':['']", "unknown_step", NULL, NULL);
	check_in('a', "'depends_on':['b']", "cycle_detected", "a -> b -> a",
			 "Step \"b\" has no depends_on");
}

static void
test_read_steps(void)
{
	check_in('b', "'output':'{{ steps.a.output }}'", NULL, NULL, NULL);
	check_in('b', "'when':'$.steps.a.output.row_count > 0'", NULL, NULL, NULL);
	check_in('b', "'when':{'sql':'SELECT {{ steps.a.value }}'}", NULL, NULL, NULL);
	check_in('f', "'output':'{{ steps.b.error }}'", NULL, NULL, NULL);
	check_in('z', "'output':'{{ steps.b.error }} {{ steps.f.value }}'", NULL, NULL, NULL);
	check_in('o', "'output':['{{ steps.b.value }}']", NULL, NULL, NULL);
	check_in('b', "'output':'{{ previous.value }}'", NULL, NULL, NULL);
	check_in('b', "'output':{'x':['{{ result.rows }}']}", NULL, NULL, NULL);

	check_in('c', "'output':'{{ steps.a.output }}'", "unknown_reference", "\"a\"", "Add \"a\" to its depends_on");
	check_in('a', "'when':'$.steps.b.value == 1'", "unknown_reference", "\"b\"", NULL);
	check_in('a', "'when':{'sql':'SELECT {{ steps.c.value }}'}", "unknown_reference", "\"c\"", NULL);
	check_in('a', "'output':'{{ steps.f.value }}'", "unknown_reference", "\"f\"", NULL);
	check_in('f', "'output':'{{ steps.z.value }}'", "unknown_reference", "\"z\"", NULL);
	check_in('b', "'output':'{{ steps.aa.value }}'", "unknown_reference", "there is no step \"aa\"", "\"a\"");
	check_in('o', "'output':{'k':'{{ steps.nope.value }}'}", "unknown_reference", "nope", NULL);
	check_in('b', "'output':'{{ steps.b.value }}'", "unknown_reference", "its own output", "result");
	check_in('b', "'when':{'sql':'SELECT {{ result.rows }}'}", "unknown_reference", "result", NULL);
	check_in('o', "'output':'{{ result.rows }}'", "unknown_reference", "result", NULL);
	check_in('a', "'output':'{{ previous.value }}'", "unknown_reference", "previous", NULL);
	check_in('o', "'output':'{{ previous.value }}'", "unknown_reference", "previous", NULL);
	check_in('b', "'depends_on':['a','c'],'when':'$.previous.value == 1'", "unknown_reference", "any of 2 steps",
			 "steps.a");
	check_in('b', "'when':'$.nope.x == 1'", "unknown_reference", "nope", NULL);
	check_in('b', "'output':'{{ nope.x }}'", "unknown_reference", "nope", NULL);
	check_in('b', "'when':'$.steps.my-step.value == 1'", "invalid_template", "double quotes",
			 "$.steps.\"my-step\".value");
	check_in('b', "'output':'{{ secret.x }}'", "unknown_reference", "network steps", NULL);
}

static void
test_read_inputs(void)
{
	JoFindings	findings;

	check_in('b', "'output':'{{ input.since }}'", NULL, NULL, NULL);
	check_in('b', "'output':'{{ input.since.x.y }}'", NULL, NULL, NULL);
	check_in('b', "'output':'{{ input.nope | default(1) }}'", NULL, NULL, NULL);
	check_in('b', "'output':'{{ input.sinc }}'", "unknown_reference", "not declared", "\"input.since\"");
	/* only a warning, until the schema says that there is nothing else */
	CHECK(unit_parse("{'input':{'properties':{'a':{}}},'steps':[{'name':'s','sql':'SELECT {{ input.b }}'}]}",
					 &findings) != NULL);
	CHECK_INT(findings.n, 1);
	CHECK_INT(findings.nerrors, 0);
	CHECK(unit_parse("{'input':{'properties':{'a':{}},'additionalProperties':false},"
					 "'steps':[{'name':'s','sql':'SELECT {{ input.b | default(1) }}'}]}", &findings) == NULL);
	CHECK(unit_find(&findings, "unknown_reference", "$.steps[0].sql") != NULL);
	CHECK(unit_parse("{'input':{'properties':{'since':{},'until':{}}},"
					 "'steps':[{'name':'s','sql':'SELECT {{ input.untl }}'}]}", &findings) != NULL);
	CHECK_TEXT(findings.list[0].suggestion, "Did you mean \"input.until\"?");
	/* nothing declared: nothing to compare with */
	CHECK(unit_parse("{'input':{},'steps':[{'name':'s','sql':'SELECT {{ input.b }}'}]}", &findings) != NULL);
	CHECK_INT(findings.n, 0);
}

static void
test_cycles(void)
{
	JoFindings	findings;
	StringInfoData buf;
	const JoFinding *finding;

	CHECK(unit_parse("{'steps':[{'name':'a','sql':'SELECT 1','depends_on':['c']},"
					 "{'name':'b','sql':'SELECT 1','depends_on':['a']},"
					 "{'name':'c','sql':'SELECT 1','depends_on':['b']},"
					 "{'name':'x','sql':'SELECT {{ steps.y.value }}','depends_on':['y']},"
					 "{'name':'y','sql':'SELECT 1','depends_on':['x']}]}", &findings) == NULL);
	CHECK_INT(findings.n, 2);
	CHECK_TEXT(findings.list[0].message, "the steps wait for each other: a -> b -> c -> a");
	CHECK_TEXT(findings.list[0].path, "$.steps[0].depends_on");
	CHECK_TEXT(findings.list[1].message, "the steps wait for each other: x -> y -> x");
	CHECK_TEXT(findings.list[1].suggestion, NULL);

	/* two cycles through one step, which has a parent beside them */
	CHECK(unit_parse("{'steps':[{'name':'p','sql':'SELECT 1'},"
					 "{'name':'a','sql':'SELECT 1','depends_on':['p','b','c']},"
					 "{'name':'b','sql':'SELECT 1','depends_on':['a']},"
					 "{'name':'c','sql':'SELECT 1','depends_on':['a']}]}", &findings) == NULL);
	CHECK_INT(findings.n, 2);
	CHECK_TEXT(findings.list[0].message, "the steps wait for each other: a -> b -> a");
	CHECK_TEXT(findings.list[1].message, "the steps wait for each other: a -> c -> a");

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{'steps':[{'name':'s0','sql':'SELECT 1','depends_on':['s999']}");
	for (int i = 1; i < 1000; i++)
		appendStringInfo(&buf, ",{'name':'s%d','sql':'SELECT 1'}", i);
	appendStringInfoString(&buf, "]}");
	CHECK(unit_parse(buf.data, &findings) == NULL);
	CHECK_INT(findings.n, 1);
	finding = unit_find(&findings, "cycle_detected", NULL);
	CHECK(finding != NULL && strstr(finding->message, "s0 -> s1 -> s2") != NULL &&
		  strstr(finding->message, "(988 more) -> s0") != NULL);
}

void
test_references(void)
{
	test_depends_on();
	test_read_steps();
	test_read_inputs();
	test_cycles();
}
