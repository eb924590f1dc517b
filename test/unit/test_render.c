/*
 * test_render.c
 *		The graph as text, Mermaid and DOT.
 */
#include "unit.h"

#include "render.h"

static const char *const job =
"{'steps':[{'name':'extract','sql':'SELECT 1'},"
"{'name':'load \\\"x\\\"','sql':'SELECT 1','when':'$.steps.extract.value > 0','retry':3,'timeout':'5 min'},"
"{'name':'tell','sql':'SELECT 1','depends_on':['extract'],'trigger_rule':'all_done','on_error':'continue'}],"
"'finally':{'name':'clean','sql':'SELECT 1','transaction':'none','run_as':'bob',"
"'retry':{'max_attempts':2,'backoff':'fixed','initial':0.25}}}";

/* single quotes are double ones in job, and \" must stay escaped */
static JoDefinition *
parse_job(void)
{
	JoFindings	findings;
	JoDefinition *definition = unit_parse(job, &findings);

	CHECK_INT(findings.n, 0);
	return definition;
}

static void
test_text(void)
{
	static const char *const marks[] = {"completed", "running", NULL, "odd"};
	JoDefinition *definition = parse_job();
	char	   *error;

	CHECK_TEXT(jo_render_graph(definition, "text", NULL, &error),
			   "steps\n"
			   "├─ extract               sql\n"
			   "├─ load \"x\"              sql after extract\n"
			   "│       when $.steps.extract.value > 0; 3 attempts, 1 s to 5 min apart; timeout 5 min\n"
			   "└─ tell                  sql after extract\n"
			   "        rule all_done; on error continue\n"
			   "finally\n"
			   "└─ clean                 sql\n"
			   "        2 attempts, 250 ms apart; transaction none; as bob\n");
	shim_encoding = PG_SQL_ASCII;
	CHECK_TEXT(jo_render_graph(definition, "text", marks, &error),
			   "steps\n"
			   "|- + extract             sql completed\n"
			   "|- > load \"x\"            sql running after extract\n"
			   "|       when $.steps.extract.value > 0; 3 attempts, 1 s to 5 min apart; timeout 5 min\n"
			   "`- tell                  sql after extract\n"
			   "        rule all_done; on error continue\n"
			   "finally\n"
			   "`- clean                 sql odd\n"
			   "        2 attempts, 250 ms apart; transaction none; as bob\n");
	shim_encoding = PG_UTF8;
	CHECK(strstr(jo_render_graph(definition, "text", marks, &error), "├─ ✔ extract") != NULL);
	CHECK(jo_render_graph(definition, "png", NULL, &error) == NULL);
	CHECK_TEXT(error, "\"png\" is not one of: text, mermaid, dot");
}

static void
test_languages(void)
{
	static const char *const marks[] = {"completed", NULL, NULL, NULL};
	char	   *error;

	CHECK_TEXT(jo_render_graph(parse_job(), "mermaid", marks, &error),
			   "flowchart TD\n"
			   "    s0[\"extract<br/>completed\"]\n"
			   "    style s0 fill:#b7e1cd\n"
			   "    s1[\"load #34;x#34;<br/>when $.steps.extract.value #62; 0<br/>3 attempts, 1 s to 5 min apart<br/>timeout 5 min\"]\n"
			   "    s0 --> s1\n"
			   "    s2[\"tell<br/>rule all_done<br/>on error continue\"]\n"
			   "    s0 --> s2\n"
			   "    subgraph finally\n"
			   "    s3[\"clean<br/>2 attempts, 250 ms apart<br/>transaction none<br/>as bob\"]\n"
			   "    end\n");
	CHECK_TEXT(jo_render_graph(parse_job(), "dot", marks, &error),
			   "digraph job {\n"
			   "    node [shape=box];\n"
			   "    s0[label=\"extract\\ncompleted\", style=filled, fillcolor=\"#b7e1cd\"];\n"
			   "    s1[label=\"load \\\"x\\\"\\nwhen $.steps.extract.value > 0\\n3 attempts, 1 s to 5 min apart\\ntimeout 5 min\"];\n"
			   "    s0 -> s1;\n"
			   "    s2[label=\"tell\\nrule all_done\\non error continue\"];\n"
			   "    s0 -> s2;\n"
			   "    subgraph cluster_finally {\n"
			   "    label=\"finally\";\n"
			   "    s3[label=\"clean\\n2 attempts, 250 ms apart\\ntransaction none\\nas bob\"];\n"
			   "    }\n"
			   "}\n");
}

/* The widest line that long names, many parents and long conditions make. */
static void
test_width(void)
{
	JoFindings	findings;
	StringInfoData buf;
	char	   *error;
	char	   *line;
	JoDefinition *definition;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{'steps':[");
	for (int i = 0; i < 20; i++)
		appendStringInfo(&buf, "{'name':'a-name-that-is-as-long-as-it-may-be-%022d','sql':'SELECT 1','depends_on':[]},", i);
	appendStringInfo(&buf, "{'name':'z%062d','sql':'SELECT 1','when':'$.input.x > 1%0200d','depends_on':[", 0, 0);
	for (int i = 0; i < 20; i++)
		appendStringInfo(&buf, "%s'a-name-that-is-as-long-as-it-may-be-%022d'", i ? "," : "", i);
	appendStringInfoString(&buf, "]}]}");
	definition = unit_parse(buf.data, &findings);
	CHECK(definition != NULL);
	for (line = strtok(jo_render_graph(definition, "text", NULL, &error), "\n"); line != NULL; line = strtok(NULL, "\n"))
		unit_check(pg_mbstrlen(line) < 100, __FILE__, __LINE__, "%d columns: %s", pg_mbstrlen(line), line);
}

void
test_render(void)
{
	test_text();
	test_languages();
	test_width();
}
