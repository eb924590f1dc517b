/*
 * test_definitions.c
 *		What a good definition becomes: keys, defaults, retry, trigger rules.
 */
#include "unit.h"

#define MINUTE INT64CONST(60000000)

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

/* The first step of a job with these keys beside name and sql. */
static JoStepDef *
parse_step(const char *added)
{
	JoDefinition *definition = parse_good(psprintf("{'steps':[{'name':'a','sql':'SELECT 1'%s%s}]}",
												   *added ? "," : "", added));

	return definition ? &definition->steps[0] : NULL;
}

static void
test_job_keys(void)
{
	JoDefinition *d = parse_good("{'steps':[{'name':'a','sql':'SELECT 1'}]}");

	CHECK_INT(d->nsteps, 1);
	CHECK_INT(d->nmain, 1);
	CHECK_INT(d->priority, 2);
	CHECK_INT(d->durability, JO_DURABILITY_RUN);
	CHECK_INT(d->max_recovery_attempts, 3);
	CHECK_INT(d->timeout, 0);
	CHECK(!d->run_as_caller && d->queue == NULL && d->input_schema == NULL && d->vars == NULL &&
		  d->output == NULL && d->description == NULL);

	d = parse_good("{'description':'d','input':{'properties':{'n':{'type':'integer','default':9007199254740993}}},"
				   "'vars':{'x':1.50},'timeout':'2 hour','queue':'etl','priority':'urgent',"
				   "'max_recovery_attempts':0,'durability':'async','run_as':'caller','owner':'bob',"
				   "'tags':['a'],'retention':'30 day','draft':true,'metadata':{'k':null},"
				   "'output':{'n':'{{ input.n }}','t':'n={{ input.n }}!','c':[1,{}]},"
				   "'steps':[{'name':'a','sql':'SELECT 1'}]}");
	CHECK_TEXT(d->description, "d");
	CHECK_TEXT(d->queue, "etl");
	CHECK_TEXT(d->input_schema, "{\"properties\":{\"n\":{\"type\":\"integer\",\"default\":9007199254740993}}}");
	CHECK_TEXT(d->vars, "{\"x\":1.50}");
	CHECK_INT(d->timeout, 120 * MINUTE);
	CHECK_INT(d->priority, 0);
	CHECK_INT(d->max_recovery_attempts, 0);
	CHECK_INT(d->durability, JO_DURABILITY_ASYNC);
	CHECK(d->run_as_caller);
	CHECK_INT(d->output->kind, JO_VALUE_OBJECT);
	CHECK_INT(d->output->n, 3);
	CHECK_TEXT(d->output->keys[1], "t");
	CHECK_INT(d->output->values[0].kind, JO_VALUE_TEMPLATE);
	CHECK_TEXT(d->output->values[0].text->templates[0].declared_type, "bigint");
	CHECK_INT(d->output->values[1].kind, JO_VALUE_TEXT);
	CHECK_TEXT(d->output->values[1].text->pieces[1], "!");
	CHECK_INT(d->output->values[2].kind, JO_VALUE_LITERAL);
	CHECK_TEXT(d->output->values[2].json, "[1,{}]");
	CHECK(!parse_good("{'run_as':'owner','steps':[{'name':'a','sql':'SELECT 1'}]}")->run_as_caller);
}

static void
test_step_keys(void)
{
	JoStepDef  *s = parse_step("");

	CHECK_INT(s->index, 0);
	CHECK_TEXT(s->name, "a");
	CHECK_INT(s->rule, JO_RULE_ALL_SUCCESS);
	CHECK_INT(s->on_error, JO_ON_ERROR_FAIL);
	CHECK_INT(s->transaction, JO_TRANSACTION_AUTO);
	CHECK_INT(s->timeout, 0);
	CHECK_INT(s->priority, -1);
	CHECK_INT(s->ndeps, 0);
	CHECK(s->run_as == NULL && s->when.path == NULL && s->when.sql == NULL && s->output == NULL &&
		  !s->output_none);
	CHECK_TEXT(s->sql->pieces[0], "SELECT 1");

	s = parse_step("'type':'sql','description':'d','metadata':{},'estimated_duration':'1 min','priority':'low',"
				   "'run_as':'bob','transaction':'none','on_error':'continue','timeout':90,'output':'none',"
				   "'when':'$.input.n > 1 && $.run.attempt == 1'");
	CHECK_INT(s->estimated_duration, MINUTE);
	CHECK_INT(s->priority, 3);
	CHECK_TEXT(s->run_as, "bob");
	CHECK_INT(s->transaction, JO_TRANSACTION_NONE);
	CHECK_INT(s->on_error, JO_ON_ERROR_CONTINUE);
	CHECK_INT(s->timeout, 90 * 1000000);
	CHECK(s->output_none && s->output == NULL);
	CHECK_INT(s->when.refs.n, 2);

	s = parse_step("'timeout':0.25,'when':{'sql':['SELECT','{{ input.x }}']},"
				   "'output':{'r':'{{ result.rows }}'},'transaction':'step','on_error':'stop'");
	CHECK_INT(s->timeout, 250000);
	CHECK_TEXT(s->when.sql->pieces[0], "SELECT\n");
	CHECK_INT(s->output->kind, JO_VALUE_OBJECT);
	CHECK_INT(s->output->values[0].text->templates[0].ref.root, JO_ROOT_RESULT);
	CHECK_INT(s->transaction, JO_TRANSACTION_STEP);
	CHECK_INT(s->on_error, JO_ON_ERROR_STOP);
}

static void
test_rules(void)
{
	static const struct
	{
		const char *word;
		JoTriggerRule rule;
	}			rules[] = {
		{"all_success", JO_RULE_ALL_SUCCESS}, {"all_done", JO_RULE_ALL_DONE},
		{"all_failed", JO_RULE_ALL_FAILED}, {"one_success", JO_RULE_ONE_SUCCESS},
		{"one_failed", JO_RULE_ONE_FAILED}, {"none_failed", JO_RULE_NONE_FAILED},
		{"none_failed_min_one_success", JO_RULE_ALL_SUCCESS}, {"always", JO_RULE_ALL_DONE}
	};
	static const struct
	{
		const char *word;
		int			priority;
	}			priorities[] = {
		{"critical", 0}, {"high", 1}, {"medium", 2}, {"low", 3}, {"normal", 2}, {"urgent", 0}
	};

	for (int i = 0; i < (int) lengthof(rules); i++)
	{
		CHECK_INT(parse_step(psprintf("'trigger_rule':'%s'", rules[i].word))->rule, rules[i].rule);
		CHECK_INT(parse_step(psprintf("'trigger':'%s'", rules[i].word))->rule, rules[i].rule);
		if (i < 6)
			CHECK_TEXT(jo_trigger_rule_name(rules[i].rule), rules[i].word);
	}
	for (int i = 0; i < (int) lengthof(priorities); i++)
		CHECK_INT(parse_step(psprintf("'priority':'%s'", priorities[i].word))->priority,
				  priorities[i].priority);
}

static void
test_dependencies(void)
{
	JoDefinition *d;

	d = parse_good("{'steps':[{'name':'a','sql':'SELECT 1'},{'name':'b','sql':'SELECT 1'},"
				   "{'name':'c','sql':'SELECT 1','depends_on':[]},{'name':'d','sql':'SELECT 1','depends_on':'a'},"
				   "{'name':'e','sql':'SELECT 1','depends_on':['d','b']}],"
				   "'on_failure':{'sql':'SELECT 1'},"
				   "'finally':[{'sql':'SELECT 1'},{'name':'z','sql':'SELECT 1'},{'sql':'SELECT 1'},"
				   "{'sql':'SELECT 1','depends_on':['z']}]}");
	CHECK_INT(d->nsteps, 10);
	CHECK_INT(d->nmain, 5);
	CHECK_INT(d->steps[0].ndeps, 0);
	CHECK_INT(d->steps[1].deps[0], 0);
	CHECK_INT(d->steps[2].ndeps, 0);
	CHECK_INT(d->steps[3].deps[0], 0);
	CHECK_INT(d->steps[4].ndeps, 2);
	CHECK_INT(d->steps[4].deps[0], 3);
	CHECK_INT(d->steps[4].deps[1], 1);
	CHECK_TEXT(d->steps[5].name, "on_failure");
	CHECK_INT(d->steps[5].phase, JO_PHASE_ON_FAILURE);
	CHECK_INT(d->steps[5].ndeps, 0);
	CHECK_TEXT(d->steps[6].name, "finally");
	CHECK_INT(d->steps[6].phase, JO_PHASE_FINALLY);
	CHECK_INT(d->steps[6].ndeps, 0);
	CHECK_INT(d->steps[7].deps[0], 6);
	CHECK_TEXT(d->steps[8].name, "finally_3");
	CHECK_INT(d->steps[9].deps[0], 7);
	CHECK_INT(jo_definition_step_by_name(d, "z"), 7);
	CHECK_INT(jo_definition_step_by_name(d, "a"), 0);
	CHECK_INT(jo_definition_step_by_name(d, "nope"), -1);
	CHECK_INT(jo_definition_step_by_name(d, ""), -1);

	/* any order that has no cycle */
	d = parse_good("{'steps':[{'name':'last','sql':'SELECT 1','depends_on':['first']},"
				   "{'name':'first','sql':'SELECT 1','depends_on':[]}]}");
	CHECK_INT(d->steps[0].deps[0], 1);
}

static void
test_types(void)
{
	static const char *const types[][2] = {
		{"'type':'string'", "text"}, {"'type':'string','format':'date'", "date"},
		{"'type':'string','format':'date-time'", "timestamptz"}, {"'type':'string','format':'uuid'", "uuid"},
		{"'type':'integer'", "bigint"}, {"'type':'number'", "numeric"}, {"'type':'boolean'", "boolean"},
		{"'type':'array'", "jsonb"}, {"'type':'object'", "jsonb"}, {"'type':['null','integer']", "bigint"},
		{"'type':['string','integer']", NULL}, {"'enum':[1]", NULL}
	};

	for (int i = 0; i < (int) lengthof(types); i++)
	{
		JoDefinition *d = parse_good(psprintf("{'input':{'properties':{'x':{%s}}},"
											  "'steps':[{'name':'a','sql':'SELECT {{ input.x }}, {{ input.x.y }}, {{ input.x | json }}'}]}",
											  types[i][0]));

		CHECK_TEXT(d->steps[0].sql->templates[0].declared_type, types[i][1]);
		CHECK_TEXT(d->steps[0].sql->templates[1].declared_type, NULL);
		CHECK_TEXT(d->steps[0].sql->templates[2].declared_type, "text");
	}
	/* below an object, and the whole */
	{
		JoDefinition *d = parse_good("{'input':{'properties':{'x-y':{'properties':{'z':{'type':'integer'}}}}},"
									 "'steps':[{'name':'a','sql':'SELECT {{ input.x-y.z }}, {{ input }}, {{ run.id }}'}]}");

		CHECK_TEXT(d->steps[0].sql->templates[0].declared_type, "bigint");
		CHECK_TEXT(d->steps[0].sql->templates[1].declared_type, "jsonb");
		CHECK_TEXT(d->steps[0].sql->templates[2].declared_type, NULL);
	}
}

void
test_definitions(void)
{
	test_job_keys();
	test_step_keys();
	test_rules();
	test_dependencies();
	test_types();
}

static void
check_retry(const char *added, int attempts, bool exponential, int64 initial, int64 max,
			double multiplier, double jitter)
{
	const JoRetry *retry = &parse_step(added)->retry;

	CHECK_INT(retry->max_attempts, attempts);
	CHECK_INT(retry->exponential, exponential);
	CHECK_INT(retry->initial, initial);
	CHECK_INT(retry->max, max);
	CHECK(retry->multiplier == multiplier);
	CHECK(retry->jitter == jitter);
}

void
test_policies(void)
{
	JoDefinition *d;
	const JoRetry *retry;

	check_retry("", 1, true, 1000000, 5 * MINUTE, 2, 0);
	check_retry("'retry':3", 3, true, 1000000, 5 * MINUTE, 2, 0);
	check_retry("'retry':{'max_attempts':100,'backoff':'fixed','initial':'5 s','max':'1 min','multiplier':3.5,'jitter':0.1}",
				100, false, 5000000, MINUTE, 3.5, 0.1);
	/* a cap that nobody wrote gives way */
	check_retry("'retry':{'initial':'10 min'}", 1, true, 10 * MINUTE, 10 * MINUTE, 2, 0);
	retry = &parse_step("'retry':{'on':['timeout','connection'],'not_on':'data'}")->retry;
	CHECK_INT(retry->non, 2);
	CHECK_TEXT(retry->on[1], "connection");
	CHECK_INT(retry->nnot_on, 1);
	CHECK_TEXT(retry->not_on[0], "data");

	d = parse_good("{'defaults':{'timeout':'5 min','on_error':'stop','transaction':'step',"
				   "'retry':{'max_attempts':4,'backoff':'fixed','max':'10 s','on':['timeout']}},"
				   "'steps':[{'name':'a','sql':'SELECT 1'},"
				   "{'name':'b','sql':'SELECT 1','timeout':'1 min','on_error':'fail','transaction':'auto','retry':2},"
				   "{'name':'c','sql':'SELECT 1','retry':{'backoff':'exponential','on':['data']}}],"
				   "'finally':{'sql':'SELECT 1'}}");
	CHECK_INT(d->steps[0].timeout, 5 * MINUTE);
	CHECK_INT(d->steps[0].on_error, JO_ON_ERROR_STOP);
	CHECK_INT(d->steps[0].transaction, JO_TRANSACTION_STEP);
	CHECK_INT(d->steps[0].retry.max_attempts, 4);
	CHECK_INT(d->steps[1].timeout, MINUTE);
	CHECK_INT(d->steps[1].on_error, JO_ON_ERROR_FAIL);
	CHECK_INT(d->steps[1].transaction, JO_TRANSACTION_AUTO);
	CHECK_INT(d->steps[1].retry.max_attempts, 2);
	CHECK(!d->steps[1].retry.exponential);
	CHECK_INT(d->steps[1].retry.max, 10000000);
	CHECK(d->steps[2].retry.exponential);
	CHECK_INT(d->steps[2].retry.max_attempts, 4);
	CHECK_TEXT(d->steps[2].retry.on[0], "data");
	CHECK_INT(d->steps[3].timeout, 5 * MINUTE);
}
