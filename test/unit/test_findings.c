/*
 * test_findings.c
 *		One definition for each code of finding, with its path and advice.
 */
#include "unit.h"

/* The code at the path; advice and message may be NULL. */
static void
check_found(const char *json, const char *code, const char *path, const char *message, const char *advice)
{
	JoFindings	findings;
	JoDefinition *definition = unit_parse(json, &findings);
	const JoFinding *finding = unit_find(&findings, code, path);

	unit_check(finding != NULL, __FILE__, __LINE__, "%s: no %s at %s", json, code, path ? path : "any path");
	if (finding == NULL)
	{
		for (int i = 0; i < findings.n; i++)
			printf("    found %s %s %s\n", findings.list[i].code, findings.list[i].path,
				   findings.list[i].message);
		return;
	}
	unit_check((definition == NULL) == (findings.nerrors > 0), __FILE__, __LINE__, "%s: definition", json);
	if (message != NULL)
		unit_check(strstr(finding->message, message) != NULL, __FILE__, __LINE__, "%s: message %s", json,
				   finding->message);
	if (advice != NULL)
		unit_check(finding->suggestion != NULL && strstr(finding->suggestion, advice) != NULL,
				   __FILE__, __LINE__, "%s: suggestion %s", json,
				   finding->suggestion ? finding->suggestion : "none");
}

/* In a step that is right but for what is added; the path is below $.steps[0]. */
static void
check_step(const char *added, const char *code, const char *path, const char *message, const char *advice)
{
	check_found(psprintf("{'steps':[{'name':'a','sql':'SELECT 1',%s}]}", added), code,
				psprintf("$.steps[0]%s", path), message, advice);
}

/* In a job that is right but for what is added. */
static void
check_job(const char *added, const char *code, const char *path, const char *message, const char *advice)
{
	check_found(psprintf("{'steps':[{'name':'a','sql':'SELECT 1'}],%s}", added), code, path, message, advice);
}

static void
test_document_findings(void)
{
	check_found("{", "syntax_error", "$", "key in double quotes", NULL);
	check_found("", "syntax_error", "$", NULL, NULL);
	check_found("[]", "schema_error", "$", "object", NULL);
	check_found("7", "schema_error", "$", NULL, NULL);
	check_found("{}", "missing_steps", "$", NULL, "steps");
	check_found("{'steps':[]}", "empty_steps", "$.steps", NULL, NULL);
	check_job("'finally':[]", "empty_steps", "$.finally", NULL, NULL);
	check_job("'on_failure':{}", "empty_steps", "$.on_failure", NULL, NULL);
	check_job("'finally':1", "schema_error", "$.finally", "a step or an array", NULL);
	check_found("{'steps':{}}", "schema_error", "$.steps", "array of steps", NULL);
	check_found("{'steps':[1]}", "schema_error", "$.steps[0]", "an object was expected, not a number", NULL);
	check_found("{'steps':[{'sql':'SELECT 1'}]}", "missing_name", "$.steps[0]", NULL, NULL);
	check_found("{'steps':[{'name':'','sql':'SELECT 1'}]}", "invalid_name", "$.steps[0].name", NULL, NULL);
	check_found("{'steps':[{'name':'a\\tb','sql':'SELECT 1'}]}", "invalid_name", "$.steps[0].name",
				"control", NULL);
	check_found("{'steps':[{'name':'a\xc2\x85','sql':'SELECT 1'}]}", "invalid_name", "$.steps[0].name",
				NULL, NULL);
	check_found("{'steps':[{'name':1,'sql':'SELECT 1'}]}", "schema_error", "$.steps[0].name", NULL, NULL);
	check_found("{'steps':[{'name':'a','sql':'SELECT 1'},{'name':'a','sql':'SELECT 1'}]}", "duplicate_step",
				"$.steps[1].name", "\"a\"", NULL);
	check_found("{'steps':[{'name':'a','sql':'SELECT 1'}],'finally':{'name':'a','sql':'SELECT 1'}}",
				"duplicate_step", "$.finally.name", NULL, NULL);
	check_found("{'steps':[{'name':'a','sql':'SELECT 1'}],'steps':[]}", "duplicate_key", "$.steps", NULL, NULL);
	check_found("{'steps':[{'name':'a','sql':'SELECT 1','metadata':{'x':{'k':1,'j':2,'k':3,'k':4}}}]}",
				"duplicate_key", "$.steps[0].metadata.x.k", NULL, NULL);
}

static void
test_key_findings(void)
{
	check_job("'descripton':'x'", "unknown_key", "$.descripton", NULL, "Did you mean \"description\"?");
	check_job("'tasks':[]", "unknown_key", "$.tasks", NULL, "\"steps\"");
	check_job("'odd key':1", "unknown_key", "$.\"odd key\"", NULL, "Known keys are");
	check_job("'name':'x'", "unknown_key", "$.name", NULL, "create_job");
	check_job("'concurrency':{}", "missing_key", "$.concurrency", "no \"key\"", "{{ input.id }}");
	check_job("'outer':{}", "unknown_key", "$.outer", NULL, NULL);
	check_job("'run_retry':1", "not_supported", "$.run_retry", NULL, NULL);
	check_job("'nodes':[]", "not_supported", "$.nodes", NULL, NULL);
	check_step("'dependsOn':[]", "unknown_key", ".dependsOn", NULL, "depends_on");
	check_step("'needs':[]", "unknown_key", ".needs", NULL, "depends_on");
	check_step("'queue':'q'", "unknown_key", ".queue", NULL, "\"job\"");
	check_step("'on_timeout':'skip'", "not_supported", ".on_timeout", NULL, "wait_signal");
	check_step("'external_id':'x'", "not_supported", ".external_id", NULL, "outside");
	check_step("'headers':{}", "unknown_key", ".headers", NULL, "\"http\"");
	check_step("'retry':{'max_attempst':2}", "unknown_key", ".retry.max_attempst", NULL, "max_attempts");
	check_step("'when':{'sql':'SELECT true','x':1}", "unknown_key", ".when.x", NULL, NULL);
	check_job("'defaults':{'retries':1}", "unknown_key", "$.defaults.retries", NULL, "retry");
	check_job("'defaults':{'priority':'low'}", "unknown_key", "$.defaults.priority", NULL, NULL);

	check_found("{'steps':[{'name':'a','type':'sqll'}]}", "unknown_type", "$.steps[0].type", NULL,
				"Did you mean \"sql\"?");
	check_found("{'steps':[{'name':'a','type':'htpt'}]}", "unknown_type", "$.steps[0].type", NULL, "http");
	check_found("{'steps':[{'name':'a','url':'x','on_timeout':'skip'}]}", "not_supported",
				"$.steps[0].on_timeout", "an http step has no \"on_timeout\"", NULL);
	check_found("{'steps':[{'name':'a','type':'logic.if'}]}", "not_supported", "$.steps[0].type", NULL, NULL);
	check_found("{'steps':[{'name':'a','type':'sql'}]}", "missing_sql", "$.steps[0]", NULL, NULL);
	check_found("{'steps':[{'name':'a'}]}", "missing_sql", "$.steps[0]", NULL, NULL);
	check_found("{'steps':[{'name':'a','sql':' ;\\n'}]}", "missing_sql", "$.steps[0].sql", "empty", NULL);
	check_found("{'steps':[{'name':'a','sql':[]}]}", "missing_sql", "$.steps[0].sql", NULL, NULL);
	check_found("{'steps':[{'name':'a','sql':['SELECT',1]}]}", "schema_error", "$.steps[0].sql[1]", NULL, NULL);
	check_found("{'steps':[{'name':'a','sql':1}]}", "schema_error", "$.steps[0].sql", NULL, NULL);
	check_step("'when':{}", "missing_sql", ".when", NULL, NULL);
	check_step("'when':7", "schema_error", ".when", NULL, NULL);
	check_step("'when':' '", "invalid_value", ".when", NULL, NULL);
}

static void
test_value_findings(void)
{
	check_step("'trigger_rule':'all_sucess'", "invalid_value", ".trigger_rule", "all_done", "all_success");
	check_step("'trigger_rule':'none_skipped'", "not_supported", ".trigger_rule", NULL, NULL);
	check_step("'trigger':'one_done'", "not_supported", ".trigger", NULL, NULL);
	check_step("'trigger':'all_done','trigger_rule':'all_done'", "duplicate_key", ".trigger_rule", NULL, NULL);
	check_step("'on_error':'ignore'", "invalid_value", ".on_error", "fail, stop, continue", NULL);
	check_step("'transaction':'none '", "invalid_value", ".transaction", NULL, "none");
	check_step("'priority':'hihg'", "invalid_value", ".priority", NULL, "high");
	check_step("'priority':1", "schema_error", ".priority", NULL, NULL);
	check_job("'durability':'never'", "invalid_value", "$.durability", "run, step, async", NULL);
	check_job("'run_as':'bob'", "invalid_value", "$.run_as", NULL, NULL);
	check_job("'max_recovery_attempts':-1", "invalid_value", "$.max_recovery_attempts", NULL, NULL);
	check_job("'max_recovery_attempts':1.5", "invalid_value", "$.max_recovery_attempts", "whole", NULL);
	check_job("'tags':['a',1]", "schema_error", "$.tags[1]", NULL, NULL);
	check_job("'draft':'yes'", "schema_error", "$.draft", "true or false", NULL);
	check_job("'metadata':[]", "schema_error", "$.metadata", "not an array", NULL);
	check_job("'vars':1", "schema_error", "$.vars", NULL, NULL);
	check_job("'vars':{'x':['{{ input.y }}']}", "invalid_template", "$.vars.x[0]", NULL, NULL);
	check_job("'output':{'{{ input.y }}':'{{ input.y }}'}", "invalid_template", "$.output.\"{{ input.y }}\"",
			  "keys", NULL);
	check_job("'description':null", "schema_error", "$.description", "not null", NULL);
	check_job("'timeout':'soon'", "invalid_interval", "$.timeout", NULL, "5 min");
	check_job("'timeout':0", "invalid_interval", "$.timeout", "not more than zero", NULL);
	check_job("'timeout':'-1 s'", "invalid_interval", "$.timeout", NULL, NULL);
	check_job("'timeout':1e30", "invalid_interval", "$.timeout", NULL, NULL);
	check_job("'timeout':'99999 day'", "invalid_interval", "$.timeout", "100 years", NULL);
	check_job("'timeout':true", "schema_error", "$.timeout", NULL, NULL);
	check_job("'retention':'x'", "invalid_interval", "$.retention", NULL, NULL);
	check_step("'estimated_duration':'x'", "invalid_interval", ".estimated_duration", NULL, NULL);
	check_step("'output':'non'", "invalid_value", ".output", NULL, "none");
	check_step("'output':'rows'", "invalid_value", ".output", NULL, "{{ result.rows }}");
	check_step("'run_as':''", "invalid_name", ".run_as", NULL, NULL);
	check_found("{'steps':[{'name':'a','sql':'SELECT $1'}]}", "invalid_template", "$.steps[0].sql", NULL,
				"{{ ... }}");
	check_job("'output':'{{ input.x'", "invalid_template", "$.output", NULL, NULL);
	check_job("'output':{'a':[1,'{{ item.x }}']}", "unknown_reference", "$.output.a[1]", "foreach", NULL);
}

static void
test_retry_findings(void)
{
	check_step("'retry':0", "invalid_value", ".retry", "between 1 and 100", NULL);
	check_step("'retry':101", "invalid_value", ".retry", NULL, NULL);
	check_step("'retry':'3'", "schema_error", ".retry", NULL, "max_attempts");
	check_step("'retry':{'max_attempts':1.5}", "invalid_value", ".retry.max_attempts", NULL, NULL);
	check_step("'retry':{'backoff':'linear'}", "invalid_value", ".retry.backoff", "exponential", NULL);
	check_step("'retry':{'initial':'x'}", "invalid_interval", ".retry.initial", NULL, NULL);
	check_step("'retry':{'max':-1}", "invalid_interval", ".retry.max", NULL, NULL);
	check_step("'retry':{'initial':10,'max':5}", "invalid_value", ".retry", "less than", NULL);
	check_step("'retry':{'multiplier':0.5}", "invalid_value", ".retry.multiplier", NULL, NULL);
	check_step("'retry':{'jitter':2}", "invalid_value", ".retry.jitter", NULL, NULL);
	check_step("'retry':{'on':['timeot']}", "invalid_value", ".retry.on[0]", "rate_limited", "timeout");
	check_step("'retry':{'not_on':'x'}", "invalid_value", ".retry.not_on", NULL, NULL);
	check_step("'retry':{'on':['data'],'not_on':['data']}", "invalid_value", ".retry", "both", NULL);
	check_job("'defaults':{'retry':{'jitter':'x'}}", "schema_error", "$.defaults.retry.jitter", NULL, NULL);
	check_job("'defaults':[]", "schema_error", "$.defaults", NULL, NULL);
}

static void
test_input_findings(void)
{
	check_job("'input':1", "schema_error", "$.input", NULL, NULL);
	check_job("'input':{'since':{'type':'string'}}", "not_supported", "$.input.since", NULL, "properties");
	check_job("'input':{'oneOff':[]}", "not_supported", "$.input.oneOff", "oneOff", "oneOf");
	check_job("'input':{'properties':{'a':{'maximun':1}}}", "not_supported",
			  "$.input.properties.a.maximun", NULL, "maximum");
	check_job("'input':{'properties':{'a':{'type':'strnig'}}}", "invalid_value",
			  "$.input.properties.a.type", NULL, "string");
	check_job("'input':{'properties':{'a':{'type':[]}}}", "invalid_value", "$.input.properties.a.type",
			  NULL, NULL);
	check_job("'input':{'properties':{'a':{'format':'e-mail'}}}", "not_supported",
			  "$.input.properties.a.format", "date-time", NULL);
	check_job("'input':{'properties':{'a':{'enum':[]}}}", "schema_error", "$.input.properties.a.enum",
			  NULL, NULL);
	check_job("'input':{'properties':{'a':{'minimum':2,'maximum':1}}}", "invalid_value",
			  "$.input.properties.a", NULL, NULL);
	check_job("'input':{'properties':{'a':{'minLength':-1}}}", "invalid_value",
			  "$.input.properties.a.minLength", NULL, NULL);
	check_job("'input':{'properties':{'a':{'required':true}}}", "schema_error",
			  "$.input.properties.a.required", NULL, "properties");
	check_job("'input':{'properties':{'a':{'items':{'x':1}}}}", "not_supported",
			  "$.input.properties.a.items.x", NULL, NULL);
	check_job("'input':{'properties':[]}", "schema_error", "$.input.properties", NULL, NULL);
	check_job("'input':true", "schema_error", "$.input", "object", NULL);
	check_job("'input':{'pattern':1}", "schema_error", "$.input.pattern", NULL, NULL);
	check_job("'input':{'examples':1}", "schema_error", "$.input.examples", NULL, NULL);
	check_job("'input':{'type':'array'}", "invalid_value", "$.input.type", "object", NULL);
	/* a warning only: the definition is still good */
	check_job("'input':{'properties':{'a':{}},'required':['b']}", "unknown_reference",
			  "$.input.required[0]", NULL, NULL);
}

void
test_findings(void)
{
	JoFindings	findings;

	CHECK(unit_parse("{'steps':[{'name':'x','type':'sqll'},{'name':'x','type':'sql','depends_on':['y']},"
					 "{'name':'z','type':'sql','sql':'SELECT 1','depends_on':['z']}]}", &findings) == NULL);
	CHECK_INT(findings.n, 5);
	CHECK(unit_find(&findings, "unknown_type", "$.steps[0].type") != NULL);
	CHECK(unit_find(&findings, "duplicate_step", "$.steps[1].name") != NULL);
	CHECK(unit_find(&findings, "unknown_step", "$.steps[1].depends_on[0]") != NULL);
	CHECK(unit_find(&findings, "missing_sql", "$.steps[1]") != NULL);
	CHECK(unit_find(&findings, "self_reference", "$.steps[2].depends_on[0]") != NULL);
	CHECK_TEXT(unit_find(&findings, "self_reference", NULL)->step, "z");

	/* a key that is there three times is one finding, and "name" hides no other */
	CHECK(unit_parse("{'name':1,'vars':{'k':1,'k':2,'k':3},'nope':1,'steps':[{'name':'a','sql':'SELECT 1'}]}",
					 &findings) == NULL);
	CHECK_INT(findings.n, 3);
	/* nothing to compare required names with */
	CHECK(unit_parse("{'input':{'required':['x']},'steps':[{'name':'a','sql':'SELECT 1'}]}", &findings) != NULL);
	CHECK_INT(findings.n, 0);

	test_document_findings();
	test_key_findings();
	test_value_findings();
	test_retry_findings();
	test_input_findings();
}
