/*
 * test_flow_findings.c
 *		What can be wrong with steps of each type, with its path and advice.
 */
#include "unit.h"

/* The finding at the path; message and advice may be NULL. */
static void
check_found(const char *json, const char *code, const char *path, const char *message, const char *advice,
			int line)
{
	JoFindings	findings;
	JoDefinition *definition = unit_parse(json, &findings);
	const JoFinding *finding = unit_find(&findings, code, path);

	unit_check(finding != NULL, __FILE__, line, "%s: no %s at %s; first: %s %s %s", json, code, path,
			   findings.n ? findings.list[0].code : "none", findings.n ? findings.list[0].path : "",
			   findings.n ? findings.list[0].message : "");
	unit_check((definition == NULL) == (findings.nerrors > 0), __FILE__, line, "%s: definition", json);
	if (finding == NULL)
		return;
	unit_check(message == NULL || strstr(finding->message, message) != NULL, __FILE__, line, "message: %s",
			   finding->message);
	unit_check(advice == NULL || (finding->suggestion != NULL && strstr(finding->suggestion, advice) != NULL),
			   __FILE__, line, "suggestion: %s", finding->suggestion ? finding->suggestion : "none");
}

/* Of a step s after a step a; the path is below $.steps[1]. */
#define STEP(keys, code, path, message, advice) \
	check_found("{'steps':[{'name':'a','sql':'SELECT 1'},{'name':'s'," keys "}]}", code, \
				"$.steps[1]" path, message, advice, __LINE__)
#define JOB(json, code, path, message, advice) \
	check_found(json, code, path, message, advice, __LINE__)

#define B "{'name':'b','sql':'SELECT 1'}"

static void
test_keys(void)
{
	STEP("'type':'condition','if':'$.input.x','them':[]", "unknown_key", ".them", "a condition step has no key", "then");
	STEP("'type':'condition','if':'$.input.x','retry':3", "not_supported", ".retry", NULL, "Only steps that do something");
	STEP("'type':'parallel','steps':[" B "],'timeout':3", "not_supported", ".timeout", NULL, "to the steps in it");
	STEP("'type':'parallel','steps':[" B "],'foreach':{}", "not_supported", ".foreach", NULL, "type foreach");
	STEP("'type':'delay','duration':1,'cache':{}", "not_supported", ".cache", NULL, NULL);
	STEP("'type':'transform','sql':'SELECT 1','transaction':'none'", "not_supported", ".transaction", NULL, "Only SQL steps");
	STEP("'type':'join','trigger_rule':'all_done'", "not_supported", ".trigger_rule", NULL, "mode");
	STEP("'type':'transform','sql':'SELECT 1','on_timeout':'skip'", "not_supported", ".on_timeout", NULL, NULL);
	STEP("'type':'end','on_error':'stop'", "unknown_key", ".on_error", NULL, NULL);
	STEP("'cases':[]", "unknown_key", ".cases", "an SQL step has no key", "\"type\": \"switch\"");
	STEP("'type':'transform','value':1,'output':'none'", "invalid_value", ".output", "only an SQL step", "{{ result }}");
	STEP("'type':'delay','duration':1,'queue':'q'", "unknown_key", ".queue", NULL, NULL);
	STEP("'sql':'SELECT 1','cache':{'key':'x'}", "missing_key", ".cache", "ttl", NULL);
	STEP("'sql':'SELECT 1','cache':{'key':1,'ttl':1}", "schema_error", ".cache.key", NULL, NULL);
	STEP("'sql':'SELECT 1','concurrency':{'key':'x','limit':0}", "invalid_value", ".concurrency.limit", NULL, NULL);
	STEP("'sql':'SELECT 1','concurrency':{'key':'x','when_full':'wiat'}", "invalid_value", ".concurrency.when_full", NULL, "wait");
	STEP("'type':'http','url':'x'", "invalid_value", ".url", "is no URL", "https://");
}

static void
test_decisions(void)
{
	STEP("'type':'condition'", "missing_condition", "", NULL, "\"if\"");
	STEP("'type':'condition','if':'$.steps.q.value'", "unknown_reference", ".if", NULL, NULL);
	STEP("'type':'condition','if':'$.input.x','then':[]", "empty_steps", ".then", NULL, NULL);
	STEP("'type':'condition','if':'$.input.x','then':7", "schema_error", ".then", NULL, NULL);
	STEP("'type':'condition','if':'$.input.x','then':[{'sql':'SELECT 1'}]", "missing_name", ".then[0]", NULL, NULL);
	STEP("'type':'condition','if':'$.input.x','then':[{'name':'a','sql':'SELECT 1'}]", "duplicate_step", ".then[0].name", NULL, NULL);
	STEP("'type':'condition','if':'$.input.x','then':[" B ",{'name':'c','sql':'SELECT 1','depends_on':['a']}]",
		 "unknown_step", ".then[1].depends_on[0]", "same list", "steps beside it");
	STEP("'type':'condition','if':'$.input.x','then':[" B "],'else':{'name':'c','sql':'SELECT 1','depends_on':'b'}",
		 "unknown_step", ".else.depends_on", "same list", NULL);
	STEP("'type':'condition','if':'$.input.x','then':[" B "],'else':{'name':'c','sql':'SELECT {{ steps.b.value }}'}",
		 "unknown_reference", ".else.sql", "need not be over", NULL);
	STEP("'type':'switch'", "missing_key", "", "at least one case", NULL);
	STEP("'type':'switch','cases':[]", "schema_error", ".cases", NULL, NULL);
	STEP("'type':'switch','cases':[{'steps':[" B "]}]", "missing_condition", ".cases[0]", NULL, "\"if\"");
	STEP("'type':'switch','cases':[{'equals':1}]", "missing_key", ".cases[0].equals", "no value", NULL);
	STEP("'type':'switch','value':1,'cases':[{'equals':1,'if':'$.input.x'}]", "invalid_value", ".cases[0]", "not both", NULL);
	STEP("'type':'switch','cases':[{'name':'default','if':'$.input.x'}]", "invalid_name", ".cases[0].name", NULL, NULL);
	STEP("'type':'switch','cases':[{'name':'x','if':'$.input.x'},{'name':'x','if':'$.input.y'}]", "duplicate_branch", ".cases[1]", "\"x\"", NULL);
	STEP("'type':'switch','cases':[{'if':'$.input.x','steps':[]}]", "empty_steps", ".cases[0].steps", NULL, NULL);
	STEP("'type':'switch','cases':[{'fi':'$.input.x'}]", "unknown_key", ".cases[0].fi", NULL, "if");
}

static void
test_edges(void)
{
	STEP("'sql':'SELECT 1','depends_on':{'step':'a','on':'failrue'}", "invalid_value", ".depends_on.on", NULL, "failure");
	STEP("'sql':'SELECT 1','depends_on':[{'on':'failure'}]", "missing_key", ".depends_on[0]", NULL, NULL);
	STEP("'sql':'SELECT 1','depends_on':[{'step':'a','no':1}]", "unknown_key", ".depends_on[0].no", NULL, "on");
	STEP("'sql':'SELECT 1','depends_on':[{'step':'a','on':'done','branch':'x'}]", "invalid_value", ".depends_on[0]", "not both", NULL);
	STEP("'sql':'SELECT 1','depends_on':[{'step':'a','branch':'x'}]", "unknown_branch", ".depends_on[0].branch", "takes no branches", NULL);
	STEP("'sql':'SELECT 1','depends_on':['a',{'step':'a'}]", "invalid_value", ".depends_on[1]", "twice", NULL);
	JOB("{'steps':[{'name':'a','type':'switch','cases':[{'name':'low','if':'$.input.x'}]},"
		"{'name':'b','sql':'SELECT 1','depends_on':{'step':'a','branch':'lwo'}}]}",
		"unknown_branch", "$.steps[1].depends_on.branch", "branches are: low, default", "low");
	JOB("{'steps':[{'name':'a','type':'condition','if':'$.input.x','then':" B "},"
		"{'name':'c','sql':'SELECT 1','depends_on':{'step':'a','branch':'true'}}]}",
		"unknown_branch", "$.steps[1].depends_on.branch", "steps of their own", "Put the step");
	JOB("{'steps':[{'name':'a','sql':'SELECT 1','on_error':'stop'},"
		"{'name':'c','sql':'SELECT 1','depends_on':{'step':'a','on':'failure'}}]}",
		"invalid_value", "$.steps[0].on_error", "stops the run", NULL);
	JOB("{'steps':[{'name':'p','type':'parallel','steps':[" B "],'depends_on':['c']},{'name':'c','sql':'SELECT 1'}]}",
		"cycle_detected", NULL, "p -> c -> p", "Step \"c\"");
	JOB("{'steps':[{'name':'p','type':'parallel','steps':[{'name':'x','sql':'SELECT 1','depends_on':['y']},"
		"{'name':'y','sql':'SELECT 1','depends_on':['x']}]}]}", "cycle_detected", NULL, "x -> y -> x", NULL);
}

static void
test_parallel(void)
{
	STEP("'type':'parallel'", "missing_steps", "", NULL, "branches");
	STEP("'type':'parallel','steps':[]", "empty_steps", ".steps", NULL, NULL);
	STEP("'type':'parallel','branches':[]", "empty_steps", ".branches", NULL, NULL);
	STEP("'type':'parallel','branches':{}", "schema_error", ".branches", NULL, NULL);
	STEP("'type':'parallel','branches':[[]]", "empty_steps", ".branches[0]", NULL, NULL);
	STEP("'type':'parallel','branches':[[" B "]],'steps':[]", "invalid_value", ".branches", "not both", NULL);
	STEP("'type':'parallel','steps':[" B "],'max_concurrent':0", "invalid_value", ".max_concurrent", NULL, NULL);
	STEP("'type':'race','steps':[" B "],'wait_for_all':true", "unknown_key", ".wait_for_all", NULL, NULL);
	STEP("'type':'join','mode':2", "invalid_value", ".mode", "2 of its parents", NULL);
	STEP("'type':'join','mode':'some'", "invalid_value", ".mode", "all, any", NULL);
	STEP("'type':'join','depends_on':[]", "missing_key", ".depends_on", NULL, NULL);
	STEP("'type':'end','status':'failed'", "invalid_value", ".status", "success, failure", NULL);
	JOB("{'steps':[" B "],'finally':{'type':'end'}}", "not_supported", "$.finally", NULL, NULL);
}

static void
test_repeated(void)
{
	STEP("'sql':'SELECT 1','foreach':{}", "missing_key", ".foreach", "items", NULL);
	STEP("'sql':'SELECT 1','foreach':[1]", "schema_error", ".foreach", NULL, "items");
	STEP("'sql':'SELECT 1','foreach':{'items':null}", "schema_error", ".foreach.items", "not null", NULL);
	STEP("'sql':'SELECT 1','foreach':{'items':'x'}", "schema_error", ".foreach.items", "not a string", NULL);
	STEP("'sql':'SELECT 1','foreach':{'items':'x{{ input.y }}'}", "schema_error", ".foreach.items", "no array", NULL);
	STEP("'sql':'SELECT 1','foreach':{'items':[1],'as':'input'}", "invalid_name", ".foreach.as", "something else", NULL);
	STEP("'sql':'SELECT 1','foreach':{'items':[1],'as':'a-b'}", "invalid_name", ".foreach.as", NULL, NULL);
	STEP("'sql':'SELECT 1','foreach':{'items':[1],'max_failed':2}", "invalid_value", ".foreach.max_failed", NULL, "on_item_error");
	STEP("'sql':'SELECT 1','foreach':{'items':'{{ item.x }}'}", "unknown_reference", ".foreach.items", NULL, NULL);
	STEP("'sql':'SELECT 1','foreach':{'items':[1],'as':'x'},'when':'$.x > 1'", "unknown_reference", ".when", "no \"x\"", NULL);
	STEP("'sql':'SELECT {{ item }}'", "unknown_reference", ".sql", "foreach", NULL);
	STEP("'sql':'SELECT {{ iteration }}'", "unknown_reference", ".sql", "loop", NULL);
	STEP("'type':'foreach','items':[1]", "missing_steps", "", NULL, NULL);
	STEP("'type':'foreach','items':[1],'steps':[]", "empty_steps", ".steps", NULL, NULL);
	STEP("'type':'loop','steps':[" B "]", "unbounded_loop", "", "no bound", "max_iterations");
	STEP("'type':'loop','steps':[" B "],'break':'$.input.x'", "unbounded_loop", "", NULL, NULL);
	STEP("'type':'loop','steps':[" B "],'max_iterations':100001", "invalid_value", ".max_iterations", NULL, NULL);
	STEP("'type':'loop','max_iterations':2", "missing_steps", "", NULL, NULL);
	STEP("'type':'loop','max_iterations':2,'steps':7", "schema_error", ".steps", NULL, NULL);
	STEP("'type':'job'", "missing_key", "", "exactly one", NULL);
	STEP("'type':'job','job':'x','definition':{}", "invalid_value", "", NULL, NULL);
	STEP("'type':'job','job':'x','input':7", "schema_error", ".input", NULL, NULL);
	STEP("'type':'job','job':'x','wait':false,'timeout':5", "invalid_value", "", NULL, NULL);
	STEP("'type':'job','definition':{'steps':[]}", "empty_steps", ".definition.steps", NULL, NULL);
}

static void
test_data(void)
{
	STEP("'type':'transform'", "missing_key", "", "exactly one", NULL);
	STEP("'type':'transform','sql':'SELECT 1','value':1", "invalid_value", "", NULL, NULL);
	STEP("'type':'transform','value':1,'many':true", "invalid_value", ".many", NULL, NULL);
	STEP("'type':'transform','outputs':{}", "empty_value", ".outputs", NULL, NULL);
	STEP("'type':'transform','outputs':{'x':{'sql':'SELECT {{ steps.q.value }}'}}", "unknown_reference", ".outputs.x.sql", NULL, NULL);
	STEP("'type':'transform','outputs':{'x':{'path':'$.steps.a.value','mayn':true}}", "unknown_key", ".outputs.x.mayn", NULL, "many");
	STEP("'type':'validate'", "missing_key", "", "nothing to validate by", NULL);
	STEP("'type':'validate','schema':{'type':'strnig'}", "invalid_value", ".schema.type", NULL, "string");
	STEP("'type':'validate','rules':[]", "schema_error", ".rules", NULL, NULL);
	STEP("'type':'validate','rules':[{'message':'x'}]", "missing_key", ".rules[0]", NULL, NULL);
	STEP("'type':'validate','rules':['$.vlaue > 1']", "unknown_reference", ".rules[0]", NULL, "value");
	STEP("'type':'validate','depends_on':[],'rules':['$.value > 1']", "unknown_reference", ".value", "previous", NULL);
	STEP("'type':'aggregate','aggregates':{'n':{'op':'count'}}", "missing_key", "", "items", NULL);
	STEP("'type':'aggregate','items':[],'aggregates':{'n':{'op':'cuont'}}", "invalid_value", ".aggregates.n.op", NULL, "count");
	STEP("'type':'aggregate','items':[],'aggregates':{'n':{}}", "missing_key", ".aggregates.n", NULL, NULL);
	STEP("'type':'aggregate','items':[],'aggregates':{}", "empty_value", ".aggregates", NULL, NULL);
	STEP("'type':'aggregate','items':[]", "missing_key", "", "aggregates", NULL);
	STEP("'type':'aggregate','items':[],'group_by':'a.b','aggregates':{'n':{'op':'count'}}", "invalid_value", ".group_by", NULL, "$.name");
	STEP("'type':'filter','items':[]", "missing_condition", "", NULL, "$.item");
	STEP("'type':'filter','items':7,'where':'$.item > 1'", "schema_error", ".items", NULL, NULL);
	STEP("'type':'set'", "missing_key", "", "vars", NULL);
	STEP("'type':'set','vars':{'':1}", "invalid_name", ".vars.\"\"", NULL, NULL);
	STEP("'type':'notify'", "missing_key", "", "channel", NULL);
	STEP("'type':'notify','channel':' '", "invalid_value", ".channel", NULL, NULL);
}

static void
test_waits(void)
{
	STEP("'type':'delay'", "missing_key", "", NULL, NULL);
	STEP("'type':'delay','duration':1,'until':'x'", "invalid_value", "", NULL, NULL);
	STEP("'type':'delay','duration':'soon'", "invalid_interval", ".duration", NULL, NULL);
	STEP("'type':'delay','duration':1,'timeout':1", "not_supported", ".timeout", NULL, NULL);
	STEP("'type':'wait_signal','on_timeout':'skip'", "missing_key", ".on_timeout", "no \"timeout\"", NULL);
	STEP("'type':'wait_signal','timeout':1,'on_timeout':'reject'", "invalid_value", ".on_timeout", NULL, NULL);
	STEP("'type':'wait_signal','count':2", "not_supported", ".count", NULL, "loop");
	STEP("'type':'wait_sql'", "missing_key", "", NULL, NULL);
	STEP("'type':'wait_sql','sql':'SELECT true','lsn':'0/1'", "invalid_value", "", NULL, NULL);
	STEP("'type':'wait_sql','sql':'SELECT true','interval':0.01", "invalid_value", ".interval", "100 ms", NULL);
	STEP("'type':'wait_sql','lock_free':{}", "missing_key", ".lock_free", NULL, NULL);
	STEP("'type':'approval','approvers':[]", "empty_value", ".approvers", NULL, NULL);
	STEP("'type':'approval','approvers':['{{ input.x }}']", "invalid_template", ".approvers[0]", NULL, NULL);
	STEP("'type':'approval','on_reject':'reject'", "invalid_value", ".on_reject", NULL, NULL);
}

static void
test_compensations(void)
{
	STEP("'sql':'SELECT 1','compensate':7", "schema_error", ".compensate", NULL, NULL);
	STEP("'sql':'SELECT 1','compensate':{}", "missing_sql", ".compensate", NULL, NULL);
	STEP("'sql':'SELECT 1','compensate':{'type':'parallel','steps':[" B "]}", "not_supported", ".compensate", "a parallel step", NULL);
	STEP("'sql':'SELECT 1','compensate':{'type':'end'}", "not_supported", ".compensate", "an end step", NULL);
	STEP("'sql':'SELECT 1','compensate':{'sql':'SELECT 1','depends_on':['a']}", "not_supported", ".compensate.depends_on", NULL, NULL);
	STEP("'sql':'SELECT 1','compensate':{'sql':'SELECT 1','compensate':{}}", "not_supported", ".compensate.compensate", NULL, NULL);
	STEP("'type':'end','compensate':{'sql':'SELECT 1'}", "not_supported", ".compensate", NULL, NULL);
	STEP("'sql':'SELECT 1','compensate':{'name':'a','sql':'SELECT 1'}", "duplicate_step", ".compensate.name", NULL, NULL);
	JOB("{'steps':[" B "],'finally':{'sql':'SELECT 1','compensate':{'sql':'SELECT 1'}}}", "not_supported",
		"$.finally.compensate", NULL, NULL);
}

void
test_flow_findings(void)
{
	test_keys();
	test_decisions();
	test_edges();
	test_parallel();
	test_repeated();
	test_data();
	test_waits();
	test_compensations();
}
