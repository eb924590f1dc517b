/*
 * test_flow.c
 *		Containers, foreach, edges with conditions: what a definition becomes.
 */
#include "unit.h"

static JoDefinition *
parse_good(const char *json)
{
	JoFindings	findings;
	JoDefinition *definition = unit_parse(json, &findings);

	for (int i = 0; i < findings.n; i++)
		unit_check(false, __FILE__, __LINE__, "%s: %s %s %s", json, findings.list[i].code,
				   findings.list[i].path, findings.list[i].message);
	return definition;
}

/*
 * "name<parent/on parent/on>scope" for each part: on is s(tatus) S(uccess) f(ailure)
 * d(one) c(lose), or the branch's number.
 */
static char *
draw(const JoDefinition *definition)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; definition != NULL && i < definition->nsteps; i++)
	{
		const JoStepDef *step = &definition->steps[i];

		appendStringInfo(&buf, "%s%s<", i > 0 ? " " : "", step->name);
		for (int d = 0; d < step->ndeps; d++)
		{
			appendStringInfo(&buf, "%s%d/", d > 0 ? " " : "", step->deps[d]);
			if (step->dep_on[d] == JO_EDGE_BRANCH)
				appendStringInfo(&buf, "%d", step->dep_branch[d]);
			else
				appendStringInfoChar(&buf, "sSfd-c"[step->dep_on[d]]);
		}
		appendStringInfoChar(&buf, '>');
		if (step->scope >= 0)
			appendStringInfo(&buf, "%d", step->scope);
	}
	return buf.data;
}

static void
check_drawn(const char *json, const char *wanted, int line)
{
	char	   *text = unit_quotes(json);
	StringInfoData buf;
	const char *p = text;

	/* #name: an SQL step of that name */
	initStringInfo(&buf);
	while (*p != '\0')
	{
		if (*p == '#')
		{
			appendStringInfo(&buf, "{\"name\":\"%c\",\"sql\":\"SELECT 1\"}", p[1]);
			p += 2;
		}
		else
			appendStringInfoChar(&buf, *p++);
	}
	unit_check_text(draw(parse_good(psprintf("{'steps':[%s]}", buf.data))), wanted, __FILE__, line);
}

#define DRAWN(json, wanted) check_drawn(json, wanted, __LINE__)

static void
test_containers(void)
{
	DRAWN("#a,{'name':'c','type':'condition','if':'$.input.x','then':[#b,#d],'else':#e},#f",
		  "a<> c/open<0/s> b<1/0>5 d<2/s>5 e<1/1>5 c<1/c 2/c 3/c 4/c> f<5/s>");
	DRAWN("{'name':'c','type':'condition','if':'$.input.x','then':#b}", "c/open<> b<0/0>2 c<0/c 1/c>");
	DRAWN("{'name':'c','type':'condition','if':'$.input.x','else':[]}", "c/open<> c<0/c>");
	/* in a container, depends_on [] is its beginning */
	DRAWN("{'name':'c','type':'condition','if':'$.input.x','then':[#a,{'name':'b','sql':'SELECT 1','depends_on':[]},"
		  "{'name':'d','sql':'SELECT 1','depends_on':['a','b']}]}",
		  "c/open<> a<0/0>4 b<0/0>4 d<1/s 2/s>4 c<0/c 1/c 2/c 3/c>");
	DRAWN("{'name':'s','type':'switch','cases':[{'if':'$.input.x','steps':[#a]},{'if':'$.input.y'}],'default':[#b]}",
		  "s/open<> a<0/0>3 b<0/2>3 s<0/c 1/c 2/c>");
	/* only the end of an inner container is in the outer one's end */
	DRAWN("{'name':'c','type':'condition','if':'$.input.x','then':{'name':'p','type':'parallel','steps':[#a,#b]}}",
		  "c/open<> p/open<0/0>5 a<1/S>4 b<1/S>4 p<1/c 2/c 3/c>5 c<0/c 4/c>");
	DRAWN("{'name':'p','type':'parallel','branches':[[#a,#b],#d]},#e",
		  "p/open<> a<0/S>4 b<1/s>4 d<0/S>4 p<0/c 1/c 2/c 3/c> e<4/s>");
	DRAWN("{'name':'e','sql':'SELECT {{ item }}','foreach':{'items':[1]}},#f",
		  "e/open<> e/each<0/S>2 e<0/c 1/c> f<2/s>");
	DRAWN("#a,{'name':'l','type':'loop','max_iterations':2,'steps':#b}", "a<> l<0/s>");
}

static void
test_edges(void)
{
	DRAWN("#a,#b,{'name':'e','sql':'SELECT 1','depends_on':{'step':'a','on':'failure'}},"
		  "{'name':'d','sql':'SELECT 1','depends_on':['b',{'step':'e','on':'done'}]}",
		  "a<> b<0/S> e<0/f> d<1/s 2/d>");
	/* "continue" that was said stays */
	DRAWN("{'name':'a','sql':'SELECT 1','on_error':'continue'},#b,"
		  "{'name':'e','sql':'SELECT 1','depends_on':[{'step':'a','on':'error'}]}", "a<> b<0/s> e<0/f>");
	DRAWN("{'name':'c','type':'condition','if':'$.input.x'},"
		  "{'name':'a','sql':'SELECT 1','depends_on':[{'step':'c','branch':'then'}]},"
		  "{'name':'b','sql':'SELECT 1','depends_on':{'step':'c','branch':'false'}}", "c<> a<0/0> b<0/1>");
	DRAWN("{'name':'s','type':'switch','cases':[{'name':'x','if':'$.input.x'},{'if':'$.input.y'}]},"
		  "{'name':'a','sql':'SELECT 1','depends_on':[{'step':'s','branch':'x'},{'step':'s','branch':'case_2'}]},"
		  "{'name':'b','sql':'SELECT 1','depends_on':{'step':'s','branch':'default'}}", "s<> a<0/0 0/1> b<0/2>");
}

static void
test_parts(void)
{
	JoDefinition *d;

	d = parse_good("{'defaults':{'timeout':5,'retry':3,'on_error':'stop'},'steps':[{'name':'e','sql':'SELECT {{ row.id }}',"
				   "'foreach':{'items':{'sql':'SELECT 1'},'as':'row','max_parallel':4,'on_item_error':'continue','max_failed':2},"
				   "'when':'$.input.x','output':'{{ result.row }}','on_error':'continue','priority':'high','run_as':'bob'}]}");
	CHECK(d->steps[0].hidden && d->steps[0].when.path != NULL && d->steps[0].sql == NULL);
	CHECK_INT(d->steps[0].retry.max_attempts, 1);
	CHECK_INT(d->steps[0].timeout, 5000000);
	CHECK_INT(d->steps[0].each->items.plan, 2);
	CHECK_INT(d->steps[0].nplans, 3);
	CHECK_INT(d->steps[0].on_error, JO_ON_ERROR_FAIL);
	CHECK(d->steps[1].sql != NULL && d->steps[1].when.path == NULL && d->steps[1].output != NULL);
	CHECK_TEXT(d->steps[1].shown, "e");
	CHECK_INT(d->steps[1].retry.max_attempts, 3);
	CHECK_TEXT(d->steps[1].run_as, "bob");
	CHECK_INT(d->steps[1].priority, 1);
	CHECK_INT(d->steps[1].sql->templates[0].ref.root, JO_ROOT_ITEM);
	CHECK_TEXT(d->steps[1].sql->templates[0].ref.alias, "row");
	CHECK(d->steps[2].sql == NULL && d->steps[2].output == NULL && d->steps[2].each == d->steps[0].each);
	CHECK_INT(d->steps[2].on_error, JO_ON_ERROR_CONTINUE);
	CHECK_INT(d->steps[2].each->max_parallel, 4);
	CHECK_INT(d->steps[2].each->max_failed, 2);
	CHECK(d->steps[2].each->go_on);
	CHECK_INT(jo_definition_step_by_name(d, "e"), 2);
	CHECK_INT(jo_definition_step_by_name(d, "e/open"), -1);

	/* a user's step of such a name is found */
	d = parse_good("{'steps':[{'name':'p/open','sql':'SELECT 1'},{'name':'p','type':'parallel','steps':[{'name':'b','sql':'SELECT 1'}]}]}");
	CHECK_INT(jo_definition_step_by_name(d, "p/open"), 0);

	d = parse_good("{'steps':[{'name':'a','sql':'SELECT 1','compensate':{'sql':'SELECT {{ steps.a.output }}'}},"
				   "{'name':'p','type':'parallel','steps':[{'name':'b','sql':'SELECT 1','compensate':{'name':'u','sql':'SELECT 1'}}]}],"
				   "'finally':{'sql':'SELECT 1'}}");
	CHECK_INT(d->nmain, 4);
	CHECK_INT(d->ncompensations, 2);
	CHECK_TEXT(d->steps[4].name, "a_compensate");
	CHECK_INT(d->steps[4].compensates, 0);
	CHECK_INT(d->steps[4].phase, JO_PHASE_COMPENSATE);
	CHECK_TEXT(d->steps[5].name, "u");
	CHECK_INT(d->steps[5].compensates, 2);
	CHECK_INT(d->steps[6].phase, JO_PHASE_FINALLY);
}

static void
test_branches(void)
{
	JoDefinition *d;
	JoFlowDef  *flow;

	d = parse_good("{'steps':[{'name':'s','type':'switch','value':'{{ input.x }}','cases':[{'equals':1,'steps':{'name':'a','sql':'SELECT 1'}},"
				   "{'name':'two','equals':'{{ vars.y }}'}],'default':[]}]}");
	flow = d->steps[2].flow;
	CHECK(flow == d->steps[0].flow && flow->value.value != NULL && flow->has_default);
	CHECK_INT(flow->nbranches, 3);
	CHECK_TEXT(flow->branches[0].label, "case_1");
	CHECK_INT(flow->branches[0].last, 1);
	CHECK_TEXT(flow->branches[1].label, "two");
	CHECK_INT(flow->branches[1].last, -1);
	CHECK_INT(flow->branches[1].equals->kind, JO_VALUE_TEMPLATE);
	CHECK_TEXT(flow->branches[2].label, "default");

	/* of steps that wait for each other, the last ones end a branch */
	d = parse_good("{'steps':[{'name':'p','type':'race','steps':[{'name':'a','sql':'SELECT 1'},{'name':'b','sql':'SELECT 1'},"
				   "{'name':'c','sql':'SELECT 1','depends_on':['a']}]}]}");
	flow = d->steps[4].flow;
	CHECK_INT(flow->nbranches, 2);
	CHECK_TEXT(flow->branches[0].label, "b");
	CHECK_INT(flow->branches[1].last, 3);
	CHECK_INT(flow->enough, 1);
	d = parse_good("{'steps':[{'name':'p','type':'parallel','max_concurrent':2,'branches':[[{'name':'a','sql':'SELECT 1'},"
				   "{'name':'b','sql':'SELECT 1'}],[{'name':'c','sql':'SELECT 1'}]]}]}");
	flow = d->steps[4].flow;
	CHECK_INT(flow->nbranches, 2);
	CHECK_INT(flow->branches[0].last, 2);
	CHECK_INT(flow->max_concurrent, 2);
	CHECK_INT(flow->enough, 0);
}

static void
test_data(void)
{
	JoDefinition *d;
	const JoDataDef *data;

	d = parse_good("{'steps':[{'name':'a','sql':'SELECT 1'},"
				   "{'name':'t','type':'transform','outputs':{'x':{'sql':'SELECT 1'},'y':{'path':'$.steps.a.output','many':true},'z':[1,'{{ input.q }}'],'w':{'sql':'SELECT 2'}}},"
				   "{'name':'v','type':'validate','schema':{'type':'object'},'rules':['$.value.x > 0',{'rule':'exists($.steps.a.row)','message':'m'}],'fail_on_error':false},"
				   "{'name':'g','type':'aggregate','items':'{{ steps.a.output.rows }}','group_by':['kind','$.sub.kind'],'aggregates':{'n':{'op':'count'},'s':{'op':'sum','path':'$.price'}}},"
				   "{'name':'f','type':'filter','items':[1,2],'where':'$.item > $.input.x'},"
				   "{'name':'s','type':'set','vars':{'n':'{{ steps.f.output }}'}},"
				   "{'name':'n','type':'notify','channel':'c','payload':{'x':'{{ vars.n }}'}}]}");
	data = d->steps[1].data;
	CHECK_INT(data->noutputs, 4);
	CHECK_INT(data->outputs[0].expression.plan, 2);
	CHECK_INT(data->outputs[3].expression.plan, 3);
	CHECK_INT(d->steps[1].nplans, 4);
	CHECK(data->outputs[1].expression.many && data->outputs[1].expression.refs.list[0].step == 0);
	data = d->steps[2].data;
	CHECK(!data->fail_on_error && data->value.value->kind == JO_VALUE_TEMPLATE);
	CHECK_INT(data->value.value->text->templates[0].ref.step, 1);
	CHECK_TEXT(data->schema, "{\"type\":\"object\"}");
	CHECK_INT(data->nrules, 2);
	CHECK_INT(data->rules[0].refs.list[0].root, JO_ROOT_VALUE);
	CHECK_TEXT(data->rules[1].message, "m");
	data = d->steps[3].data;
	CHECK_TEXT(data->groups[0], "$.\"kind\"");
	CHECK_TEXT(data->groups[1], "$.sub.kind");
	CHECK_INT(data->aggregates[1].op, JO_AGGREGATE_SUM);
	CHECK(data->aggregates[0].path == NULL);
	CHECK_INT(d->steps[4].data->where.refs.list[0].root, JO_ROOT_ITEM);
	CHECK_TEXT(d->steps[5].data->outputs[0].name, "n");
	CHECK(d->steps[6].data->channel->kind == JO_VALUE_LITERAL && d->steps[6].data->value.value != NULL);
}

static void
test_waits(void)
{
	JoDefinition *d;

	d = parse_good("{'defaults':{'timeout':5},'steps':[{'name':'d','type':'delay','duration':'5 min'},{'name':'u','type':'delay','until':'{{ input.x }}'},"
				   "{'name':'s','type':'wait_signal','signal':'go','timeout':'1 hour','on_timeout':'skip'},"
				   "{'name':'q','type':'wait_sql','sql':'SELECT true'},{'name':'l','type':'wait_sql','lock_free':{'key':7},'interval':'1 s'},"
				   "{'name':'a','type':'approval','approvers':'boss','on_reject':'continue','message':'{{ input.x }}?'}]}");
	CHECK_INT(d->steps[0].wait->duration, INT64CONST(300000000));
	CHECK_INT(d->steps[0].timeout, 0);
	CHECK(d->steps[1].wait->until != NULL);
	CHECK_INT(d->steps[2].wait->on_timeout, JO_ON_TIMEOUT_SKIP);
	CHECK_INT(d->steps[2].timeout, INT64CONST(3600000000));
	CHECK_INT(d->steps[3].wait->condition.plan, 2);
	CHECK_INT(d->steps[3].wait->interval, 5000000);
	CHECK_INT(d->steps[4].wait->interval, 1000000);
	CHECK(d->steps[4].wait->lock_key != NULL && d->steps[4].sql == NULL);
	CHECK_INT(d->steps[5].wait->napprovers, 1);
	CHECK_INT(d->steps[5].wait->on_reject, JO_ON_TIMEOUT_CONTINUE);
}

static void
test_other_keys(void)
{
	JoDefinition *d;

	d = parse_good("{'concurrency':{'key':'{{ input.t }}','limit':3},'steps':[{'name':'a','sql':'SELECT 1','cache':{'key':'k{{ input.x }}','ttl':60},"
				   "'concurrency':{'key':'x','scope':'queue','when_full':'cancel_other'}},"
				   "{'name':'j','type':'join','depends_on':['a'],'mode':'any'},"
				   "{'name':'e','type':'end','status':'conditional','message':'m'}]}");
	CHECK_INT(d->concurrency->limit, 3);
	CHECK_INT(d->steps[0].cache->ttl, 60000000);
	CHECK(d->steps[0].concurrency->of_queue);
	CHECK_INT(d->steps[0].concurrency->when_full, JO_WHEN_FULL_CANCEL_OTHER);
	CHECK_INT(d->steps[1].flow->enough, 1);
	CHECK_INT(d->steps[2].flow->end, JO_END_CONDITIONAL);
}

void
test_flow(void)
{
	test_containers();
	test_edges();
	test_parts();
	test_branches();
	test_data();
	test_waits();
	test_other_keys();
}
