/*
 * test_bodies.c
 *		Bodies of loops and foreach: what they may read, and their text.
 */
#include "unit.h"

static const JoDefinitionHooks *
body_hooks(void)
{
	static JoDefinitionHooks hooks;

	hooks = unit_hooks;
	hooks.from_user = false;
	return &hooks;
}

/* The body of the step at this index, read from its text as a run of it does. */
static JoDefinition *
reread(const JoDefinition *definition, int step)
{
	const char *body = definition->steps[step].child->body;
	JoFindings	findings = {0};
	JoDefinition *again = jo_definition_parse(body, strlen(body), body_hooks(), &findings);

	for (int i = 0; i < findings.n; i++)
		unit_check(false, __FILE__, __LINE__, "%s: %s %s %s", body, findings.list[i].code,
				   findings.list[i].path, findings.list[i].message);
	/* a user cannot write it */
	memset(&findings, 0, sizeof(findings));
	CHECK(jo_definition_parse(body, strlen(body), &unit_hooks, &findings) == NULL);
	CHECK(unit_find(&findings, "unknown_key", "$.outer") != NULL);
	return again;
}

static void
test_text(void)
{
	JoFindings	findings;
	JoDefinition *d;
	JoDefinition *body;

	d = unit_parse("{'input':{'properties':{'n':{'type':'integer'},'m':{'type':'integer'}}},'defaults':{'retry':2},'steps':["
				   "{'name':'a','sql':'SELECT 1'},"
				   "{'name':'g','type':'foreach','items':[1],'as':'cust','steps':["
				   "{'name':'b','sql':'SELECT {{ cust.id }} {{ input.n }} {{ item_index }}'},"
				   "{'name':'l','type':'loop','until':'$.steps.c.value > 3 && $.iteration < 5 && $.cust.x > 1','steps':"
				   "{'name':'c','sql':'SELECT {{ steps.a.value }} + {{ steps.b.value }} + {{ iteration }} + {{ cust.x }} + {{ item_index }} + {{ input.m }} + {{ previous.value }}'}}]}]}",
				   &findings);
	CHECK_INT(findings.n, 0);
	if (d == NULL)
		return;
	CHECK(d->steps[2].child->wait && d->steps[2].each->as != NULL);
	body = reread(d, 2);
	CHECK_INT(body->nsteps, 2);
	CHECK_INT(body->steps[0].retry.max_attempts, 2);
	CHECK(body->outer->each && body->outer->has_item && !body->outer->has_iteration);
	CHECK_TEXT(body->outer->item, "cust");
	CHECK_INT(body->outer->nsteps, 1);
	CHECK_TEXT(body->outer->steps[0], "a");
	CHECK_TEXT(body->steps[0].sql->templates[1].declared_type, "bigint");
	CHECK_TEXT(body->steps[1].child->body, d->steps[2].child->inner->steps[1].child->body);
	CHECK_INT(body->steps[1].child->max_iterations, 100);
	CHECK(body->steps[1].child->max_is_error);
	body = reread(body, 1);
	CHECK(!body->outer->each && body->outer->has_item && body->outer->has_iteration && body->outer->item == NULL);
	CHECK_INT(body->outer->nsteps, 2);
	CHECK_TEXT(body->outer->aliases[0], "cust");
	CHECK_TEXT(body->steps[0].sql->templates[3].ref.alias, "cust");
	CHECK_TEXT(body->steps[0].sql->templates[5].declared_type, "bigint");
	CHECK_INT(body->steps[0].sql->templates[0].ref.step, -1);
}

/* a; loop or foreach l with this body; b */
static void
check_body(const char *keys, const char *steps, const char *code, const char *path, int line)
{
	JoFindings	findings;

	unit_parse(psprintf("{'steps':[{'name':'a','sql':'SELECT 1'},{'name':'l',%s,'steps':[%s]},{'name':'b','sql':'SELECT 1'}]}",
						keys, steps), &findings);
	if (code == NULL)
		unit_check(findings.n == 0, __FILE__, line, "%s", findings.n ? findings.list[0].message : "");
	else
		unit_check(unit_find(&findings, code, path) != NULL, __FILE__, line, "no %s at %s; first %s %s", code, path,
				   findings.n ? findings.list[0].code : "none", findings.n ? findings.list[0].path : "");
}

#define LOOP "'type':'loop','max_iterations':2"
#define EACH "'type':'foreach','items':[1],'as':'x'"
#define STEP(sql) "{'name':'s','sql':'" sql "'}"
#define AT "$.steps[1].steps[0].sql"

static void
test_what_is_read(void)
{
	check_body(LOOP, STEP("SELECT {{ steps.a.value }} {{ iteration }} {{ previous.value }} {{ vars.x }}"), NULL, NULL, __LINE__);
	check_body(EACH, STEP("SELECT {{ steps.a.value }} {{ item }} {{ x.y }} {{ item_index }} {{ previous.value }}"), NULL, NULL, __LINE__);
	check_body(LOOP, STEP("SELECT {{ steps.b.value }}"), "unknown_reference", AT, __LINE__);
	check_body(LOOP, STEP("SELECT {{ steps.l.value }}"), "unknown_reference", AT, __LINE__);
	check_body(LOOP, STEP("SELECT {{ steps.s.value }}"), "unknown_reference", AT, __LINE__);
	check_body(LOOP, STEP("SELECT {{ steps.q.value }}"), "unknown_reference", AT, __LINE__);
	check_body(LOOP, STEP("SELECT {{ item }}"), "unknown_reference", AT, __LINE__);
	check_body(EACH, STEP("SELECT {{ iteration }}"), "unknown_reference", AT, __LINE__);
	check_body(LOOP, STEP("SELECT {{ x.y }}"), "unknown_reference", AT, __LINE__);
	check_body(LOOP ",'until':'$.steps.s.value > 1'", STEP("SELECT 1"), NULL, NULL, __LINE__);
	check_body(LOOP ",'until':'$.steps.b.value > 1'", STEP("SELECT 1"), "unknown_reference", "$.steps[1].until", __LINE__);
	check_body(LOOP ",'when':'$.steps.s.value > 1'", STEP("SELECT 1"), "unknown_reference", "$.steps[1].when", __LINE__);
	check_body(LOOP, "{'name':'a','sql':'SELECT 1'}", "duplicate_step", NULL, __LINE__);
	check_body(LOOP, "{'name':'s','sql':'SELECT 1','retyr':1}", "unknown_key", "$.steps[1].steps[0].retyr", __LINE__);
	check_body(LOOP, "{'name':'s','sql':'SELECT 1','depends_on':['a']}", "unknown_step",
			   "$.steps[1].steps[0].depends_on[0]", __LINE__);
	/* outside, steps of a body are not seen */
	check_body(LOOP ",'output':'{{ steps.s.value }}'", STEP("SELECT 1"), "unknown_reference", "$.steps[1].output", __LINE__);
	/* a definition of its own sees nothing, and may use the same names */
	check_body("'type':'job','definition':{'steps':[{'name':'a','sql':'SELECT 1'}]},'metadata':{}", "", "unknown_key",
			   "$.steps[1].steps", __LINE__);
}

static void
test_inline(void)
{
	JoFindings	findings;

	CHECK(unit_parse("{'steps':[{'name':'a','type':'job','definition':{'steps':[{'name':'a','sql':'SELECT 1'}]}}]}",
					 &findings) != NULL);
	unit_parse("{'steps':[{'name':'b','sql':'SELECT 1'},{'name':'a','type':'job','definition':"
			   "{'outer':{},'steps':[{'name':'a','sql':'SELECT {{ steps.b.value }}'}]}}]}", &findings);
	CHECK(unit_find(&findings, "unknown_reference", "$.steps[1].definition.steps[0].sql") != NULL);
	CHECK(unit_find(&findings, "unknown_key", "$.steps[1].definition.outer") != NULL);
}

/* n loops in each other. */
static char *
nest(int n)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{'steps':[");
	for (int i = 0; i < n; i++)
		appendStringInfo(&buf, "{'name':'l%d','type':'loop','max_iterations':2,'steps':[", i);
	appendStringInfoString(&buf, "{'name':'s','sql':'SELECT 1'}");
	for (int i = 0; i < n; i++)
		appendStringInfoString(&buf, "]}");
	appendStringInfoString(&buf, "]}");
	return buf.data;
}

static void
test_depth(void)
{
	JoFindings	findings;

	CHECK(unit_parse(nest(8), &findings) != NULL);
	CHECK(unit_parse(nest(9), &findings) == NULL);
	CHECK(unit_find(&findings, "limit_exceeded", NULL) != NULL);
	CHECK(unit_parse(nest(30), &findings) == NULL);
}

void
test_bodies(void)
{
	test_text();
	test_what_is_read();
	test_inline();
	test_depth();
}
