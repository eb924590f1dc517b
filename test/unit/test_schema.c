/*
 * test_schema.c
 *		JSON Schemas as they are read: what is refused, what "$ref" means, and
 *		that checking always ends.
 */
#include "unit.h"

#include "schemadef.h"

static bool
check_pattern(const char *pattern, char **error)
{
	*error = pstrdup("no good");
	return strcmp(pattern, "(") != 0;
}

/* NULL when there are findings. */
static JoSchemaDocument *
read_schema(const char *text, JoFindings *findings)
{
	static const JoDefinitionHooks hooks = {.check_pattern = check_pattern};
	static const JoPath top = {NULL, NULL, 0};
	JoDefReader reader = {.findings = findings, .hooks = &hooks};
	JoSchemaDocument *document;
	char	   *error;
	char	   *quoted = unit_quotes(text);
	cJSON	   *json = jo_json_parse(quoted, strlen(quoted), &error);

	memset(findings, 0, sizeof(*findings));
	unit_check(json != NULL, __FILE__, __LINE__, "%s: %s", text, json ? "" : error);
	if (json == NULL)
		return NULL;
	document = jo_schema_read(&reader, json, &top);
	jo_json_free(json);
	return document;
}

static JoSchemaDocument *
read_good(const char *text)
{
	JoFindings	findings;
	JoSchemaDocument *document = read_schema(text, &findings);

	unit_check(document != NULL && findings.n == 0, __FILE__, __LINE__, "%s: %s", text,
			   findings.n > 0 ? findings.list[0].message : "no document");
	return document;
}

/* The one finding there is; advice may be NULL. */
static void
check_bad(const char *text, const char *code, const char *path, const char *message, const char *advice)
{
	JoFindings	findings;
	JoSchemaDocument *document = read_schema(text, &findings);

	unit_check(document == NULL && findings.n == 1, __FILE__, __LINE__, "%s: %d findings", text, findings.n);
	if (findings.n == 0)
		return;
	CHECK_TEXT(findings.list[0].code, code);
	CHECK_TEXT(findings.list[0].path, path);
	unit_check(strstr(findings.list[0].message, message) != NULL, __FILE__, __LINE__, "%s: %s", text,
			   findings.list[0].message);
	unit_check(advice == NULL || (findings.list[0].suggestion != NULL &&
								  strstr(findings.list[0].suggestion, advice) != NULL),
			   __FILE__, __LINE__, "%s: suggestion %s", text,
			   findings.list[0].suggestion ? findings.list[0].suggestion : "none");
}

static void
test_keywords(void)
{
	JoSchemaDocument *d = read_good("{'type':['string','null'],'minLength':2.0,'maxLength':1e300,'maximum':9007199254740993,"
									"'enum':[1,'x',{}],'const':null,'default':1.50,'format':'uuid','title':'t',"
									"'deprecated':true,'$comment':'c','$schema':'https://json-schema.org/draft/2020-12/schema',"
									"'required':['b','a'],'dependentRequired':{'a':['b']},"
									"'properties':{'b':true,'a':{},'ab':false}}");

	CHECK_INT(d->root->types, JO_SCHEMA_STRING | JO_SCHEMA_NULL);
	CHECK_INT(d->root->counts[JO_SCHEMA_MIN_LENGTH], 2);
	CHECK_INT(d->root->counts[JO_SCHEMA_MAX_LENGTH], 2147483647);
	CHECK_INT(d->root->counts[JO_SCHEMA_MIN_ITEMS], -1);
	CHECK_TEXT(d->root->bounds[JO_SCHEMA_MAXIMUM].text, "9007199254740993");
	CHECK_INT(d->root->choices->n, 3);
	CHECK_TEXT(d->root->choices->texts[2], "{}");
	CHECK_TEXT(d->root->constant->texts[0], "null");
	CHECK(d->has_defaults);
	CHECK_INT(d->root->needs[0].n, 1);
	CHECK_INT(d->n, 4);
	CHECK_TEXT(d->root->maps[JO_SCHEMA_PROPERTIES].list[1].name, "ab");
	CHECK(jo_schema_member(&d->root->maps[JO_SCHEMA_PROPERTIES], "abc", 2)->schema->never);
	CHECK(jo_schema_member(&d->root->maps[JO_SCHEMA_PROPERTIES], "b", 1)->schema->empty);
	CHECK(jo_schema_member(&d->root->maps[JO_SCHEMA_PROPERTIES], "c", 1) == NULL);
	CHECK(read_good("true")->root->empty);
	CHECK(read_good("false")->root->never);
}

static void
test_refused(void)
{
	char	   *pattern = palloc0(1030);

	check_bad("1", "schema_error", "$", "object, true or false", NULL);
	check_bad("{'items':[{}]}", "schema_error", "$.items", "one schema", "prefixItems");
	check_bad("{'definitions':{}}", "not_supported", "$.definitions", "definitions", "$defs");
	check_bad("{'$dynamicRef':'#a'}", "not_supported", "$.\"$dynamicRef\"", "$dynamicRef", "$ref");
	check_bad("{'contentEncoding':'base64'}", "not_supported", "$.contentEncoding", "contentEncoding", NULL);
	check_bad("{'allOf':[{'minimun':1}]}", "not_supported", "$.allOf[0].minimun", "minimun", "minimum");
	check_bad("{'anyOf':[]}", "schema_error", "$.anyOf", "at least one", NULL);
	check_bad("{'exclusiveMinimum':true}", "schema_error", "$.exclusiveMinimum", "number", "limit itself");
	check_bad("{'multipleOf':0.0}", "invalid_value", "$.multipleOf", "more than zero", NULL);
	check_bad("{'multipleOf':-1}", "invalid_value", "$.multipleOf", "more than zero", NULL);
	check_bad("{'minItems':1.5}", "invalid_value", "$.minItems", "whole", NULL);
	check_bad("{'minItems':-1}", "invalid_value", "$.minItems", "between", NULL);
	check_bad("{'uniqueItems':1}", "schema_error", "$.uniqueItems", "true or false", NULL);
	check_bad("{'readOnly':1}", "schema_error", "$.readOnly", "true or false", NULL);
	check_bad("{'pattern':'('}", "invalid_value", "$.pattern", "no good", "regular expressions");
	check_bad("{'patternProperties':{'(':{}}}", "invalid_value", "$.patternProperties.\"(\"", "no good", NULL);
	check_bad("{'$schema':'http://json-schema.org/draft-07/schema#'}", "not_supported", "$.\"$schema\"",
			  "another draft", "2020-12");
	check_bad("{'$anchor':'1a'}", "invalid_value", "$.\"$anchor\"", "anchor", NULL);
	check_bad("{'$id':'x#y'}", "invalid_value", "$.\"$id\"", "fragment", "$anchor");
	check_bad("{'format':'ipv5'}", "not_supported", "$.format", "ipv4", "ipv4");
	check_bad("{'dependentRequired':{'a':'b'}}", "schema_error", "$.dependentRequired.a", "array", NULL);
	/* twice the same keyword: the definition's reader tells, see test_findings.c */
	CHECK_INT(read_good("{'allOf':[{}],'allOf':[{},{}],'$defs':{'a':{}},'$defs':{'b':{},'c':{}}}")->n, 3);
	check_bad("{'minLength':2,'maxLength':1}", "invalid_value", "$", "greater", NULL);
	memset(pattern, 'a', 1001);
	check_bad(psprintf("{'pattern':'%s'}", pattern), "limit_exceeded", "$.pattern", "1001 bytes", NULL);
}

/* The title of what the root's "$ref" leads to is its type. */
static void
check_ref(const char *text, int types)
{
	JoSchemaDocument *d = read_good(text);

	if (d != NULL)
		CHECK_INT(d->root->ref->types, types);
}

static void
test_refs(void)
{
	check_ref("{'$ref':'#/$defs/a','$defs':{'a':{'type':'null'}}}", JO_SCHEMA_NULL);
	check_ref("{'$ref':'#/$defs/a~1b~0c%25d','$defs':{'a/b~c%d':{'type':'null'}}}", JO_SCHEMA_NULL);
	check_ref("{'$ref':'#/$defs/~01','$defs':{'~1':{'type':'null'}}}", JO_SCHEMA_NULL);
	check_ref("{'$ref':'#/prefixItems/1','prefixItems':[{},{'type':'null'}]}", JO_SCHEMA_NULL);
	check_ref("{'$ref':'#/$defs/','$defs':{'':{'type':'null'}}}", JO_SCHEMA_NULL);
	check_ref("{'$ref':'#x','$defs':{'a':{'$anchor':'x','type':'null'}}}", JO_SCHEMA_NULL);
	check_ref("{'$id':'http://h/a/b','$ref':'c','$defs':{'x':{'$id':'/a/c','type':'null'}}}", JO_SCHEMA_NULL);
	check_ref("{'$id':'http://h/a','$ref':'http://h/a#/$defs/x','$defs':{'x':{'type':'null'}}}", JO_SCHEMA_NULL);
	check_bad("{'$ref':'#/$defs/b','$defs':{'a':{}}}", "unknown_reference", "$.\"$ref\"", "no schema", NULL);
	check_bad("{'$ref':'#/prefixItems/01','prefixItems':[{},{}]}", "unknown_reference", "$.\"$ref\"", "no schema", NULL);
	check_bad("{'$ref':'#/const','const':{}}", "unknown_reference", "$.\"$ref\"", "no schema", NULL);
	check_bad("{'$ref':'#nope'}", "unknown_reference", "$.\"$ref\"", "no schema", NULL);
	check_bad("{'$ref':'other.json'}", "unknown_reference", "$.\"$ref\"", "not in this document", "inside");
	check_bad("{'items':{'$ref':7}}", "schema_error", "$.items.\"$ref\"", "string", NULL);
	check_bad("{'$defs':{'a':{'$anchor':'x'},'b':{'$anchor':'x'}}}", "duplicate_key", "$", "x", NULL);
	check_bad("{'$defs':{'a':{'$id':'x'},'b':{'$id':'x'}}}", "duplicate_key", "$", "x", NULL);
}

static void
test_ends(void)
{
	StringInfoData buf;

	read_good("{'properties':{'next':{'$ref':'#'}}}");
	read_good("{'items':{'anyOf':[{'$ref':'#'},{'type':'null'}]}}");
	check_bad("{'$ref':'#'}", "cycle_detected", "$.\"$ref\"", "never end", "below properties");
	check_bad("{'$defs':{'a':{'allOf':[{'$ref':'#/$defs/b'}]},'b':{'not':{'$ref':'#/$defs/a'}}}}",
			  "cycle_detected", "$.\"$defs\".b.not.\"$ref\"", "never end", NULL);
	check_bad("{'anyOf':[{'dependentSchemas':{'x':{'$ref':'#'}}}]}", "cycle_detected",
			  "$.anyOf[0].dependentSchemas.x.\"$ref\"", "never end", NULL);
	check_bad("{'if':{'then':true,'else':{'$ref':'#/if'}}}", "cycle_detected", "$.if.else.\"$ref\"", "never end", NULL);

	/* each level twice the one before */
	initStringInfo(&buf);
	appendStringInfoString(&buf, "{'$ref':'#/$defs/a0','$defs':{'a40':{}");
	for (int i = 0; i < 40; i++)
		appendStringInfo(&buf, ",'a%d':{'allOf':[{'$ref':'#/$defs/a%d'},{'$ref':'#/$defs/a%d'}]}", i, i + 1, i + 1);
	appendStringInfoString(&buf, "}}");
	check_bad(buf.data, "limit_exceeded", "$.\"$defs\".a24.allOf[0].\"$ref\"", "more than 100000 schemas", NULL);

	/* a chain */
	initStringInfo(&buf);
	appendStringInfoString(&buf, "{'$ref':'#/$defs/a0','$defs':{'a9000':{}");
	for (int i = 0; i < 9000; i++)
		appendStringInfo(&buf, ",'a%d':{'$ref':'#/$defs/a%d'}", i, i + 1);
	appendStringInfoString(&buf, "}}");
	check_bad(buf.data, "limit_exceeded", "$.\"$defs\".a199.\"$ref\"", "200 deep", NULL);

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{'prefixItems':[{}");
	for (int i = 0; i < 10000; i++)
		appendStringInfoString(&buf, ",{}");
	appendStringInfoString(&buf, "]}");
	check_bad(buf.data, "limit_exceeded", "$.prefixItems[9999]", "10000 schemas", NULL);
}

/* The examples of RFC 3986, section 5.4. */
static void
test_uris(void)
{
	static const char *const cases[][2] = {
		{"g:h", "g:h"}, {"g", "http://a/b/c/g"}, {"./g", "http://a/b/c/g"}, {"g/", "http://a/b/c/g/"},
		{"/g", "http://a/g"}, {"//g", "http://g"}, {"?y", "http://a/b/c/d;p?y"}, {"g?y", "http://a/b/c/g?y"},
		{"#s", "http://a/b/c/d;p?q"}, {"g#s", "http://a/b/c/g"}, {"", "http://a/b/c/d;p?q"},
		{".", "http://a/b/c/"}, {"./", "http://a/b/c/"}, {"..", "http://a/b/"}, {"../", "http://a/b/"},
		{"../g", "http://a/b/g"}, {"../..", "http://a/"}, {"../../g", "http://a/g"},
		{"../../../g", "http://a/g"}, {"/./g", "http://a/g"}, {"/../g", "http://a/g"}, {"g.", "http://a/b/c/g."},
		{"..g", "http://a/b/c/..g"}, {"./g/.", "http://a/b/c/g/"}, {"g/./h", "http://a/b/c/g/h"},
		{"g/../h", "http://a/b/c/h"}, {"g;x=1/../y", "http://a/b/c/y"}, {"g?y/./x", "http://a/b/c/g?y/./x"}
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
		CHECK_TEXT(jo_schema_uri("http://a/b/c/d;p?q", cases[i][0]), cases[i][1]);
	CHECK_TEXT(jo_schema_uri("", "a.json#x"), "a.json");
	CHECK_TEXT(jo_schema_uri("http://a", "b"), "http://a/b");
	CHECK_TEXT(jo_schema_uri("urn:x:y", "#z"), "urn:x:y");
}

/* Types that templates get from properties behind "$ref". */
static void
test_declared(void)
{
	JoFindings	findings;
	JoDefinition *d;

	d = unit_parse("{'input':{'properties':{'order':{'$ref':'#/$defs/order'}},"
				   "'$defs':{'order':{'properties':{'n':{'$ref':'#/$defs/n'},'next':{'$ref':'#/$defs/order'}}},"
				   "'n':{'type':'integer'}}},"
				   "'steps':[{'name':'a','sql':'SELECT {{ input.order.n }}, {{ input.order.next.next.n }}'}]}", &findings);
	CHECK(d != NULL && findings.n == 0);
	CHECK_TEXT(d->steps[0].sql->templates[0].declared_type, "bigint");
	CHECK_TEXT(d->steps[0].sql->templates[1].declared_type, "bigint");
	d = unit_parse("{'input':{'properties':{'a':{}},'allOf':[{'properties':{'b':{}}}],'required':['b']},"
				   "'steps':[{'name':'a','sql':'SELECT {{ input.b }}'}]}", &findings);
	CHECK(d != NULL && findings.n == 0);
}

void
test_schemas(void)
{
	test_keywords();
	test_refused();
	test_refs();
	test_ends();
	test_uris();
	test_declared();
}
