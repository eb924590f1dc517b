/*
 * test_templates.c
 *		Expressions, SQL texts (with the traps of PostgreSQL's lexer), paths.
 */
#include "unit.h"

static void
check_path(const char *text, const char *path)
{
	JoTemplate	template;
	char	   *error;
	char	   *hint;
	bool		good = jo_template_parse_expression(text, strlen(text), &template, &error, &hint);

	unit_check(good, __FILE__, __LINE__, "%s: %s", text, good ? "" : error);
	if (good)
		CHECK_TEXT(template.path, path);
}

static void
check_bad(const char *text, const char *problem, const char *advice)
{
	JoTemplate	template;
	char	   *error = NULL;
	char	   *hint = NULL;
	bool		good = jo_template_parse_expression(text, strlen(text), &template, &error, &hint);

	unit_check(!good && strstr(error, problem) != NULL, __FILE__, __LINE__, "%s: %s", text,
			   good ? "accepted" : error);
	if (advice != NULL)
		unit_check(hint != NULL && strstr(hint, advice) != NULL, __FILE__, __LINE__, "%s: hint %s",
				   text, hint ? hint : "none");
}

static void
check_default(const char *text, const char *argument)
{
	JoTemplate	template;
	char	   *error;
	char	   *hint;
	bool		good = jo_template_parse_expression(text, strlen(text), &template, &error, &hint);

	unit_check(good && template.nfilters > 0, __FILE__, __LINE__, "%s: %s", text, good ? "" : error);
	if (good)
		CHECK_TEXT(template.filters[0].argument, argument);
}

void
test_expressions(void)
{
	JoTemplate	template;
	char	   *error;
	char	   *hint;

	check_path("input.x", "$.\"input\".\"x\"");
	check_path(" input ", "$.\"input\"");
	check_path("steps.my-step.output.rows[0].v", "$.\"steps\".\"my-step\".\"output\".\"rows\"[0].\"v\"");
	check_path("steps[\"a b\"].row[\"odd \\\"key\\\"\"]", "$.\"steps\".\"a b\".\"row\".\"odd \\\"key\\\"\"");
	check_path("steps.\"a.b\".value", "$.\"steps\".\"a.b\".\"value\"");
	check_path("steps.2nd.output.rows[*].v[last]", "$.\"steps\".\"2nd\".\"output\".\"rows\"[*].\"v\"[last]");
	check_path("input.gr\xc3\xb6\xc3\x9f""e", "$.\"input\".\"gr\xc3\xb6\xc3\x9f""e\"");
	check_path("schedule.fire_at\n", "$.\"schedule\".\"fire_at\"");
	check_path("previous.value", "$.\"previous\".\"value\"");
	check_path("steps.a", "$.\"steps\".\"a\"");

	CHECK(jo_template_parse_expression("steps.a.output | json|ident", 27, &template, &error, &hint));
	CHECK_INT(template.ref.root, JO_ROOT_STEPS);
	CHECK_TEXT(template.ref.step_name, "a");
	CHECK_INT(template.ref.step, -1);
	CHECK_INT(template.nfilters, 2);
	CHECK_INT(template.filters[1].kind, JO_FILTER_IDENT);
	CHECK_TEXT(template.source, "{{steps.a.output | json|ident}}");
	CHECK_TEXT(jo_root_name(JO_ROOT_SCHEDULE), "schedule");

	check_default("input.x|default(5)", "5");
	check_default("input.x | default( \"a)b\" )", " \"a)b\" " + 1);
	check_default("input.x | default('it''s')", "\"it's\"");
	check_default("input.x | default('')", "\"\"");
	check_default("input.x | default({\"a\":{\"b\":[]}}) | json", "{\"a\":{\"b\":[]}}");

	check_bad("", "names nothing", "{{ input.name }}");
	check_bad("  ", "names nothing", NULL);
	check_bad("inptu.x", "there is no \"inptu\"", "Did you mean \"input\"?");
	check_bad("foo.bar", "there is no \"foo\"", "input, vars, steps");
	check_bad("$.input.x", "starts with the name", "Leave out");
	check_bad("secret.token", "secrets are only for network steps", NULL);
	check_bad("value.x", "no \"value\"", NULL);
	check_bad("order.x", "no \"order\"", NULL);
	check_bad("input.", "name was expected", NULL);
	check_bad("input..x", "name was expected", NULL);
	check_bad("input[", "not an index", NULL);
	check_bad("input[-1]", "not an index", "[last]");
	check_bad("input[1", "no closing ]", NULL);
	check_bad("input[\"a]", "not a quoted name", NULL);
	check_bad("input[\"a\\q\"]", "not a quoted name", NULL);
	check_bad("input x", "unexpected \"x\"", NULL);
	check_bad("input.a + 1", "unexpected \"+ 1\"", NULL);
	check_bad("steps", "names no step", NULL);
	check_bad("steps[0].output", "names no step", NULL);
	check_bad("steps.a.outptu", "no \"outptu\"", "Did you mean \"output\"?");
	check_bad("steps.a[0]", "no \"[...]\"", NULL);
	check_bad("previous.rows", "no \"rows\"", "row");
	check_bad("input.x.\"a", "not a quoted name", NULL);
	check_bad("input.x |", "no filter \"\"", NULL);
	check_bad("input.x | jsno", "no filter \"jsno\"", "Did you mean \"json\"?");
	check_bad("input.x | default", "needs an argument", NULL);
	check_bad("input.x | json(1)", "takes no argument", NULL);
	check_bad("input.x | default()", "not a JSON value", NULL);
	check_bad("input.x | default(abc)", "not a JSON value", "'text'");
	check_bad("input.x | default(1", "no closing )", NULL);
	check_bad("input.x | default('a", "no closing )", NULL);
	check_bad("input.x | ident | json", "nothing can follow", NULL);
}

/* pieces with a ? for each template, or the error in <>. */
static char *
show_sql(const char *text)
{
	StringInfoData buf;
	JoSqlText	sql;
	char	   *error;
	char	   *hint;

	initStringInfo(&buf);
	if (!jo_template_parse_sql(text, &sql, &error, &hint))
	{
		appendStringInfo(&buf, "<%s>%s%s", error, hint ? " " : "", hint ? hint : "");
		return buf.data;
	}
	for (int i = 0; i <= sql.ntemplates; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? "?" : "", sql.pieces[i]);
	return buf.data;
}

/* A quote, dollar quote or comment stays as it is; the template after it is found. */
static void
check_kept(const char *region)
{
	CHECK_TEXT(show_sql(psprintf("SELECT %s, {{ input.x }}", region)), psprintf("SELECT %s, ?", region));
}

static void
check_refused(const char *text, const char *problem, const char *advice)
{
	char	   *shown = show_sql(text);

	unit_check(*shown == '<' && strstr(shown, problem) != NULL, __FILE__, __LINE__, "%s: %s", text, shown);
	if (advice != NULL)
		unit_check(strstr(shown, advice) != NULL, __FILE__, __LINE__, "%s: %s", text, shown);
}

static void
test_sql_regions(void)
{
	check_kept("'a''b'");
	check_kept("'{{ unknown }}'");
	check_kept("'{\"a\": {\"b\": 1}}'");
	check_kept("'{{1,2},{3,4}}'");
	check_kept("'back\\'");
	check_kept("E'back\\\\'");
	check_kept("E'it\\'s $1'");
	check_kept("e'a''\\''");
	check_kept("typE'back\\'");
	check_kept("x_e'back\\'");
	check_kept("U&'\\0061'");
	check_kept("u&\"d\\0061t\"");
	check_kept("B'101', X'ff', N'a'");
	check_kept("\"a\"\"b\"");
	check_kept("\"it's\"");
	check_kept("$$it's $1 {{ no }}$$");
	check_kept("$a$ $b$ $$ $a$");
	check_kept("$\xc3\xa4$ ' $\xc3\xa4$");
	check_kept("a$b$c, a$$");
	check_kept("-- it's\n1");
	check_kept("--\r1");
	check_kept("/* it's /* nested */ ' */ 1");
	check_kept("/*/* */*/ 1");
	check_kept("/**/ 1");
	check_kept("1 +-- it's\n 2");
	check_kept("a */* it's */ b");
	check_kept("'a' -- it's\n 'b'");
	/* what continues an E'..' text has its escapes too */
	check_kept("E'a'\n'it\\'s'");
	check_kept("E'a' -- it's\n\n 'it\\'s'");
	check_kept("E'a' 'back\\'");
	check_kept("'a'\n'back\\'");
	check_kept("'a{'");

	check_refused("SELECT 'a", "a quoted text has no end (line 1)", NULL);
	check_refused("SELECT \n E'a\\'", "a quoted text has no end (line 2)", NULL);
	check_refused("SELECT \"a", "a quoted name has no end", NULL);
	check_refused("SELECT $x$a$y$", "a dollar-quoted text has no end", NULL);
	check_refused("SELECT /* /* */", "a comment has no end", NULL);
	check_refused("SELECT $1", "the parameter $1 in the SQL (line 1)", "{{ ... }}");
	check_refused("SELECT 1$1", "the parameter $1", NULL);
	check_refused("SELECT 'a' || '{{ input.x }}!'", "in a quoted text (line 1) is not replaced",
				  "'...' || {{ input.x }} || '...'");
	check_refused("SELECT '{{ input.x }}'", "is not replaced", "Leave the quotes out: {{ input.x }}");
	check_refused("SELECT interval '{{ input.x }}'", "is not replaced", "make_interval(days => {{ input.x }})");
	check_refused("SELECT now() - '{{ input.n }} hours'::interval", "is not replaced",
				  "make_interval(hours => {{ input.n }})");
	check_refused("SELECT E'\\'{{steps.a.value}}'", "is not replaced", NULL);
	check_refused("SELECT U&'{{run.id}}'", "is not replaced", NULL);
	check_refused("SELECT \"{{ vars.t }}\"", "in a quoted name", "| ident");
	check_refused("DO $$ BEGIN PERFORM {{ input.x }}; END $$", "in a dollar-quoted text", "set_config");
	check_refused("SELECT 1 -- {{ input.x }}", "in a comment", "Take it out");
	check_refused("SELECT 1 /* {{ secret.x }} */", "in a comment", NULL);
	check_refused("SELECT '{{ input[0] }}'", "is not replaced", NULL);
}

static void
test_sql_neighbours(void)
{
	CHECK_TEXT(show_sql("SELECT {{ input.a }}+{{ input.b }}"), "SELECT ?+?");
	CHECK_TEXT(show_sql("SELECT f({{ input.a }},{{ input.b }})::int"), "SELECT f(?,?)::int");
	CHECK_TEXT(show_sql("SELECT * FROM {{ vars.s | ident }}.{{ vars.t | ident }};"), "SELECT * FROM ?.?;");
	check_refused("SELECT a{{ input.x }}", "touches what is next to it", "blank");
	check_refused("SELECT 1{{ input.x }}", "touches", NULL);
	check_refused("SELECT {{ input.x }}0", "touches", NULL);
	check_refused("SELECT {{ input.x }}abc", "touches", NULL);
	check_refused("SELECT {{ input.x }}$$a$$", "touches", NULL);
	check_refused("SELECT {{ input.x }}'a'", "touches", NULL);
	check_refused("SELECT \"a\"{{ input.x }}", "touches", NULL);
	check_refused("SELECT {{ input.x }}{{ input.y }}", "touches", NULL);
	check_refused("SELECT ${{ input.x }}", "cannot follow a $", "without the $");
	check_refused("SELECT * FROM t_{{ vars.t | ident }}", "touches", NULL);
	check_refused("SELECT * FROM {{ vars.t | ident }}_x", "touches", NULL);
	check_refused("SELECT {{ vars.t | ident }}'a'", "touches", NULL);
	check_refused("SELECT {{ vars.t | ident }}&'a'", "touches", NULL);
	check_refused("SELECT U&{{ vars.t | ident }}", "touches", NULL);
	check_refused("SELECT {{ input.x", "no closing }}", NULL);
	check_refused("SELECT {{ nope.x }}", "there is no \"nope\"", NULL);
}

void
test_sql_texts(void)
{
	JoSqlText	sql;
	StringInfoData many;
	char	   *error;
	char	   *hint;

	CHECK_TEXT(show_sql("SELECT 1"), "SELECT 1");
	CHECK_TEXT(show_sql(""), "");
	CHECK_TEXT(show_sql("SELECT {{ input.x | default('}}') }}, {{ input.y | default({\"a\":{}}) }}"),
			   "SELECT ?, ?");
	CHECK(jo_template_parse_sql("SELECT {{ input.x }}", &sql, &error, &hint) && !sql.has_ident);
	CHECK(jo_template_parse_sql("TABLE {{ input.x | ident }}", &sql, &error, &hint) && sql.has_ident);
	test_sql_regions();
	test_sql_neighbours();

	initStringInfo(&many);
	for (int i = 0; i < 1001; i++)
		appendStringInfoString(&many, "{{ run.id }},");
	CHECK(!jo_template_parse_sql(many.data, &sql, &error, &hint));
	CHECK(strstr(error, "more than 1000") != NULL);

	/* in other texts quotes mean nothing, and ident makes no sense */
	CHECK(jo_template_parse_text("it's '{{ input.x }}' -- {{ input.y }}", &sql, &error, &hint));
	CHECK_INT(sql.ntemplates, 2);
	CHECK_TEXT(sql.pieces[0], "it's '");
	CHECK_TEXT(sql.pieces[2], "");
	CHECK(!jo_template_parse_text("{{ input.x | ident }}", &sql, &error, &hint));
	CHECK(!jo_template_parse_text("a {{ input.x }", &sql, &error, &hint));
}

/* "input steps.a", or the error in <> and its hint. */
static char *
show_refs(const char *path)
{
	StringInfoData buf;
	JoRefList	refs;
	char	   *error;
	char	   *hint;

	initStringInfo(&buf);
	if (!jo_template_path_refs(path, &refs, &error, &hint))
	{
		appendStringInfo(&buf, "<%s> %s", error, hint ? hint : "");
		return buf.data;
	}
	for (int i = 0; i < refs.n; i++)
		appendStringInfo(&buf, "%s%s%s%s", i > 0 ? " " : "", jo_root_name(refs.list[i].root),
						 refs.list[i].step_name ? "." : "",
						 refs.list[i].step_name ? refs.list[i].step_name : "");
	return buf.data;
}

static void
check_path_refused(const char *path, const char *problem, const char *advice)
{
	char	   *shown = show_refs(path);

	unit_check(*shown == '<' && strstr(shown, problem) != NULL, __FILE__, __LINE__, "%s: %s", path, shown);
	if (advice != NULL)
		unit_check(strstr(shown, advice) != NULL, __FILE__, __LINE__, "%s: %s", path, shown);
}

void
test_paths(void)
{
	char	   *huge;

	CHECK_TEXT(show_refs("true"), "");
	CHECK_TEXT(show_refs("$.input.n > 1 && $.vars.\"a-b\" == \"$.steps.x\" || $.input.m < 0"), "input vars");
	CHECK_TEXT(show_refs("$.steps.load.output.row_count > 1000"), "steps.load");
	CHECK_TEXT(show_refs("strict $ . steps . \"my-step\" . output.rows[*].x == 1"), "steps.my-step");
	CHECK_TEXT(show_refs("exists($.steps.a.row ? (@.steps.b == 1)) && $.steps.a.status == \"$\""), "steps.a");
	CHECK_TEXT(show_refs("$.\"steps\".\"gr\\u00fcn\".value /* $.nope */ == 1 - $.previous.value"),
			   "steps.gr\xc3\xbcn previous");
	CHECK_TEXT(show_refs("$.steps.gr\xc3\xbcn.value == 1"), "steps.gr\xc3\xbcn");
	CHECK_TEXT(show_refs("$.steps.a.value-1 > 0"), "steps.a");
	CHECK_TEXT(show_refs("$.run.attempt > 1 || $.job.name starts with \"x\""), "run job");
	CHECK_TEXT(show_refs("$.steps.a.type() == \"object\""), "steps.a");
	CHECK_TEXT(show_refs("$.input.a like_regex \"^\\\"$.b\" flag \"i\""), "input");
	check_path_refused("$.steps.my-step.output > 1", "\"my-step\" must be in double quotes",
					   "Write $.steps.\"my-step\".output (inside JSON: $.steps.\\\"my-step\\\".output)");
	check_path_refused("$.steps.2nd.value > 1", "\"2nd\" must be in double quotes", "$.steps.\"2nd\".value");
	check_path_refused("$.steps.0a.value > 1", "\"0a\" must be in double quotes", NULL);
	check_path_refused("$.steps.9a.value > 1", "\"9a\" must be in double quotes", NULL);
	check_path_refused("$.stpes.a.value > 1", "there is no \"stpes\"", "Did you mean \"steps\"?");
	check_path_refused("$.schedule.name == 1", "there is no \"schedule\"", NULL);
	check_path_refused("$.secret.a == 1", "secrets", NULL);
	check_path_refused("$.steps.a.rows > 1", "no \"rows\"", NULL);
	check_path_refused("$.steps.*.value > 1", "must name the step", NULL);
	check_path_refused("$.steps[0].value > 1", "must name the step", NULL);
	check_path_refused("exists($.steps)", "must name the step", NULL);
	check_path_refused("exists($.**)", "must say what it reads", NULL);
	check_path_refused("$ == 1", "must say what it reads", NULL);
	check_path_refused("$", "must say what it reads", NULL);
	check_path_refused("$x == 1", "no variables", "$.vars");
	check_path_refused("$\"x\" == 1", "no variables", NULL);
	check_path_refused("steps.a.value > 1", "starts with $", "Write $.steps.a.value");
	check_path_refused("{{ input.x }} > 1", "takes no templates", "$.input.name");
	check_path_refused("$.input.a == \"b", "no closing quote", NULL);
	check_path_refused("$.steps.\"a\\x41\".value == 1", "cannot be read", NULL);

	huge = palloc(100001);
	memset(huge, ' ', 100000);
	huge[100000] = '\0';
	check_path_refused(huge, "longer than 65536", NULL);
}
