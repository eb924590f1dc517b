/*
 * test_outside.c
 *		Steps that act outside of the database: what is refused when the job is saved, and
 *		what is kept for whoever carries them out.
 */
#include "unit.h"

#define URL "'url':'https://api.example.com/x'"

/* In a step of these keys; the path is below $.steps[0].  Message and advice may be NULL. */
static void
check_refused(const char *keys, const char *code, const char *path, const char *message, const char *advice,
			  int line)
{
	JoFindings	findings;
	JoDefinition *definition = unit_parse(psprintf("{'steps':[{'name':'a',%s}]}", keys), &findings);
	const JoFinding *finding = unit_find(&findings, code, psprintf("$.steps[0]%s", path));

	unit_check(definition == NULL && finding != NULL, __FILE__, line, "%s: no %s at %s; first: %s %s %s", keys, code,
			   path, findings.n ? findings.list[0].code : "none", findings.n ? findings.list[0].path : "",
			   findings.n ? findings.list[0].message : "");
	if (finding == NULL)
		return;
	unit_check(message == NULL || strstr(finding->message, message) != NULL, __FILE__, line, "message: %s",
			   finding->message);
	unit_check(advice == NULL || (finding->suggestion != NULL && strstr(finding->suggestion, advice) != NULL),
			   __FILE__, line, "suggestion: %s", finding->suggestion ? finding->suggestion : "none");
}

#define REFUSED(keys, code, path, message, advice) check_refused(keys, code, path, message, advice, __LINE__)
#define INVALID(keys, path) check_refused(keys, "invalid_value", path, NULL, NULL, __LINE__)
#define MISTYPED(keys, path) check_refused(keys, "schema_error", path, NULL, NULL, __LINE__)

/* Parameters as text: templates in their braces, an encoded one as {{ x }}%. */
static void
print_value(StringInfo buf, const JoValue *value)
{
	switch (value->kind)
	{
		case JO_VALUE_LITERAL:
			appendStringInfoString(buf, value->json);
			break;
		case JO_VALUE_TEMPLATE:
		case JO_VALUE_TEXT:
			for (int i = 0; i <= value->text->ntemplates; i++)
			{
				const JoTemplate *template = &value->text->templates[i];

				appendStringInfoString(buf, value->text->pieces[i]);
				if (i == value->text->ntemplates)
					break;
				appendStringInfoString(buf, template->source);
				for (int f = 0; f < template->nfilters; f++)
					if (template->filters[f].kind == JO_FILTER_URLENCODE)
						appendStringInfoChar(buf, '%');
			}
			break;
		default:
			appendStringInfoChar(buf, value->kind == JO_VALUE_OBJECT ? '{' : '[');
			for (int i = 0; i < value->n; i++)
			{
				if (i > 0)
					appendStringInfoChar(buf, ' ');
				if (value->kind == JO_VALUE_OBJECT)
					appendStringInfo(buf, "%s=", value->keys[i]);
				print_value(buf, &value->values[i]);
			}
			appendStringInfoChar(buf, value->kind == JO_VALUE_OBJECT ? '}' : ']');
			break;
	}
}

/* The step is right, of this type and kind, without a finding but for warning, and has these parameters. */
static const JoStepDef *
check_kept(const char *keys, JoStepType type, JoOutsideKind kind, const char *warning, const char *parameters,
		   int line)
{
	JoFindings	findings;
	JoDefinition *definition = unit_parse(psprintf("{'steps':[{'name':'a',%s}]}", keys), &findings);
	StringInfoData buf;
	const JoStepDef *step;

	unit_check(definition != NULL && findings.n == (warning != NULL), __FILE__, line, "%s: %s %s %s", keys,
			   findings.n ? findings.list[0].code : "none", findings.n ? findings.list[0].path : "",
			   findings.n ? findings.list[0].message : "");
	if (definition == NULL)
		return NULL;
	unit_check(warning == NULL || unit_find(&findings, warning, "$.steps[0]") != NULL, __FILE__, line, "%s", keys);
	step = &definition->steps[0];
	unit_check_int(step->type, type, __FILE__, line);
	unit_check_int(step->outside->kind, kind, __FILE__, line);
	initStringInfo(&buf);
	print_value(&buf, step->outside->parameters);
	unit_check_text(buf.data, unit_quotes(parameters), __FILE__, line);
	return step;
}

#define KEPT(keys, type, kind, parameters) check_kept(keys, type, kind, NULL, parameters, __LINE__)
#define HTTP(keys, parameters) \
	KEPT(URL "," keys, JO_STEP_NETWORK, JO_OUTSIDE_HTTP, "{url='https://api.example.com/x' " parameters "}")

static void
test_urls(void)
{
	static const char *const bad[] = {
		"x", "//example.com/", "https:example.com", "https://", "https:///x", "htps://example.com/", "file:///etc/passwd",
		"gopher://example.com/", "https://u@example.com/", "https://u:p@example.com/", "https://example.com/a b",
		"https://example.com/\\r\\nX: y", "https://example.com:0/", "https://example.com:65536/", "https://exa mple.com/",
		"example.com/{{ input.x }}", "https://{{ input.u }}@example.com/", "https://u:{{ input.p }}@example.com/",
		"{{ input.base }}/a b", "https://example.com\\\\@other.example/", "https://example..com/", ""
	};

	for (int i = 0; i < (int) lengthof(bad); i++)
		INVALID(psprintf("'url':'%s'", bad[i]), ".url");
	REFUSED("'url':'htps://example.com/'", "invalid_value", ".url", "the scheme \"htps\"", "https");
	REFUSED("'url':'https://u:p@example.com/'", "invalid_value", ".url", "no password", "\"auth\"");
	REFUSED("'url':'https://example.com/{{ inptu.x }}'", "unknown_reference", ".url", NULL, "input");
	MISTYPED("'url':null", ".url");
	MISTYPED("'url':['https://example.com/']", ".url");
	REFUSED("'type':'http'", "missing_key", "", "no \"url\"", NULL);

	KEPT("'url':'https://example.com/{{ input.x }}?q={{ input.y | urlencode }}&z={{ input.z | default(1) }}'",
		 JO_STEP_NETWORK, JO_OUTSIDE_HTTP,
		 "{url=https://example.com/{{ input.x }}%?q={{ input.y | urlencode }}%&z={{ input.z | default(1) }}%}");
	KEPT("'url':'{{ input.base }}/{{ input.x }}'", JO_STEP_NETWORK, JO_OUTSIDE_HTTP,
		 "{url={{ input.base }}/{{ input.x }}%}");
	KEPT("'url':'{{ input.base }}'", JO_STEP_NETWORK, JO_OUTSIDE_HTTP, "{url={{ input.base }}}");
	KEPT("'url':'https://{{ input.host }}:{{ input.port }}/{{ secret.path }}'", JO_STEP_NETWORK, JO_OUTSIDE_HTTP,
		 "{url=https://{{ input.host }}%:{{ input.port }}%/{{ secret.path }}%}");
	KEPT("'url':'http://[::1]:8080/#x'", JO_STEP_NETWORK, JO_OUTSIDE_HTTP, "{url='http://[::1]:8080/#x'}");
}

static void
test_http_values(void)
{
	REFUSED(URL ",'method':'PSOT'", "invalid_value", ".method", "\"PSOT\"", "POST");
	INVALID(URL ",'method':'CONNECT'", ".method");
	INVALID(URL ",'method':'GET /'", ".method");
	MISTYPED(URL ",'method':1", ".method");
	REFUSED(URL ",'headers':{'Content Type':'x'}", "invalid_name", ".headers.\"Content Type\"", NULL, NULL);
	REFUSED(URL ",'headers':{'content-LENGTH':5}", "invalid_name", ".headers.\"content-LENGTH\"", NULL, NULL);
	REFUSED(URL ",'headers':{'Host':'other'}", "invalid_name", ".headers.Host", NULL, NULL);
	INVALID(URL ",'headers':{'X':'a\\r\\nY: b'}", ".headers.X");
	INVALID(URL ",'headers':{'X':'{{ input.x }}\\n'}", ".headers.X");
	MISTYPED(URL ",'headers':{'X':{}}", ".headers.X");
	MISTYPED(URL ",'headers':['X']", ".headers");
	MISTYPED(URL ",'headers':{'X':[null]}", ".headers.X[0]");
	INVALID(URL ",'headers':{'X':['a','b\\n']}", ".headers.X");
	REFUSED(URL ",'headers':{'{{ input.x }}':1}", "invalid_name", ".headers.\"{{ input.x }}\"", NULL, NULL);
	MISTYPED(URL ",'query':'a=b'", ".query");
	MISTYPED(URL ",'query':{'a':[{}]}", ".query.a[0]");
	MISTYPED(URL ",'form':[1]", ".form");
	INVALID(URL ",'body_base64':'a'", ".body_base64");
	INVALID(URL ",'body_base64':'===='", ".body_base64");
	INVALID(URL ",'artifact':0", ".artifact");
	MISTYPED(URL ",'artifact':true", ".artifact");
	INVALID(URL ",'body':{},'form':{}", ".form");
	REFUSED(URL ",'multipart':{'f':{}}", "missing_key", ".multipart.f", "no content", NULL);
	INVALID(URL ",'multipart':{'f':{'content':'x','artifact':1}}", ".multipart.f.artifact");
	REFUSED(URL ",'multipart':{'f':{'contnet':'x'}}", "unknown_key", ".multipart.f.contnet", NULL, "content");
	INVALID(URL ",'multipart':{'f':{'content':'x','filename':'a\\nb'}}", ".multipart.f.filename");
	INVALID(URL ",'expected_status':99", ".expected_status");
	INVALID(URL ",'expected_status':200.5", ".expected_status");
	INVALID(URL ",'expected_status':[200,'2x']", ".expected_status[1]");
	INVALID(URL ",'expected_status':'204-200'", ".expected_status");
	MISTYPED(URL ",'expected_status':{}", ".expected_status");
	REFUSED(URL ",'expected_status':[]", "empty_value", ".expected_status", NULL, NULL);
	INVALID(URL ",'redirects':51", ".redirects");
	REFUSED(URL ",'redirects':1,'max_redirects':2", "duplicate_key", ".max_redirects", NULL, NULL);
	REFUSED(URL ",'verify_tls':true,'ssl_verify':true", "duplicate_key", ".ssl_verify", NULL, NULL);
	MISTYPED(URL ",'verify_tls':'no'", ".verify_tls");
	REFUSED(URL ",'client_cert':{'cert':'x'}", "missing_key", ".client_cert", "\"key\"", NULL);
	REFUSED(URL ",'connect_timeout':'soon'", "invalid_interval", ".connect_timeout", NULL, NULL);
	REFUSED(URL ",'connect_timeout':0", "invalid_interval", ".connect_timeout", NULL, NULL);
	REFUSED(URL ",'response':'jsn'", "invalid_value", ".response", NULL, "json");
	INVALID(URL ",'max_response':'10 MiB'", ".max_response");
	INVALID(URL ",'max_response':-1", ".max_response");
	INVALID(URL ",'http_version':3", ".http_version");
	MISTYPED(URL ",'callback':'{{ input.x }}'", ".callback");
	MISTYPED(URL ",'idempotency_key':7", ".idempotency_key");
	REFUSED(URL ",'heders':{}", "unknown_key", ".heders", "an http step has no key", NULL);
	REFUSED("'type':'http'," URL ",'heders':{}", "unknown_key", ".heders", "an http step has no key", "headers");
	REFUSED(URL ",'payload':1", "unknown_key", ".payload", NULL, "\"webhook\"");
	REFUSED(URL ",'on_timeout':'skip'", "not_supported", ".on_timeout", NULL, NULL);
	REFUSED(URL ",'sql':'SELECT 1'", "unknown_key", ".url", NULL, "\"http\"");
}

static void
test_auth(void)
{
	REFUSED(URL ",'auth':{'type':'basci'}", "invalid_value", ".auth.type", NULL, "basic");
	REFUSED(URL ",'auth':{'type':'basic','username':'u'}", "missing_key", ".auth", "\"password\"", NULL);
	REFUSED(URL ",'auth':{'type':'bearer','token':'t','username':'u'}", "invalid_value", ".auth.username", NULL, NULL);
	REFUSED(URL ",'auth':{'type':'bearer','tokne':'t'}", "unknown_key", ".auth.tokne", NULL, "token");
	REFUSED(URL ",'auth':{}", "missing_key", ".auth", NULL, "bearer");
	INVALID(URL ",'auth':{'token':'a\\nb'}", ".auth.token");
	INVALID(URL ",'auth':{'key':'k','header':'X','query':'q'}", ".auth.query");
	REFUSED(URL ",'auth':{'key':'k','header':'Content-Length'}", "invalid_name", ".auth.header", NULL, NULL);
	MISTYPED(URL ",'auth':'bearer'", ".auth");
	HTTP("'auth':{'token':'{{ secret.t }}'}", "auth={token={{ secret.t }}}");
	HTTP("'auth':{'type':'{{ input.how }}','username':'u'}", "auth={type={{ input.how }} username='u'}");
	HTTP("'auth':'{{ input.auth }}'", "auth={{ input.auth }}");
	HTTP("'auth':{'type':'none'}", "auth={'type':'none'}");
}

static void
test_http_kept(void)
{
	const JoStepDef *step;

	HTTP("'method':'post','json':null,'verify_ssl':false", "method='post' json=null verify_tls=false");
	HTTP("'expected_status':['2xx',404,'500-504','{{ input.s }}'],'max_response':'10 MB','http_version':2",
		 "expected_status=['2xx' 404 '500-504' {{ input.s }}] max_response='10 MB' http_version=2");
	HTTP("'follow_redirects':true", "redirects=true");
	HTTP("'follow_redirects':true,'max_redirects':3", "redirects=3");
	HTTP("'max_redirects':3,'follow_redirects':false", "redirects=false");
	HTTP("'external_id':'{{ input.id }}','connect_timeout':'{{ input.t }}'",
		 "connect_timeout={{ input.t }} external_id={{ input.id }}");
	HTTP("'headers':{'X-A':1,'X-B':'{{ secret.b }}'},'query':{'a':[1,true,'{{ input.x }}']}",
		 "headers={X-A=1 X-B={{ secret.b }}} query={a=[1 true {{ input.x }}]}");
	HTTP("'multipart':{'f':{'artifact':'{{ input.f }}','filename':'x'},'n':5},'depends_on':[]",
		 "multipart={f={artifact={{ input.f }} filename='x'} n=5}");
	step = HTTP("'response':'auto','success':'$.result.body.ok == true && $.input.x > 1','callback':true,'cache':{'key':'k','ttl':5},"
				"'retry':3,'timeout':5,'concurrency':{'key':'k'}", "response='auto'");
	if (step != NULL)
	{
		CHECK_TEXT(step->outside->success.path, "$.result.body.ok == true && $.input.x > 1");
		CHECK(step->outside->callback);
		CHECK_INT(step->timeout, 5000000);
		CHECK_INT(step->retry.max_attempts, 3);
	}
	REFUSED(URL ",'success':'$.rsult.ok'", "unknown_reference", ".success", NULL, "result");
	MISTYPED(URL ",'success':{'sql':'SELECT true'}", ".success");
	REFUSED(URL ",'when':'$.result.ok == true'", "unknown_reference", ".when", NULL, NULL);
}

static void
test_webhook(void)
{
	KEPT("'type':'webhook'," URL ",'payload':['{{ input.x }}',1],'secret':'{{ secret.s }}','event':'made'",
		 JO_STEP_NETWORK, JO_OUTSIDE_WEBHOOK,
		 "{url='https://api.example.com/x' payload=[{{ input.x }} 1] secret={{ secret.s }} event='made'}");
	REFUSED("'type':'webhook'," URL ",'body':1", "unknown_key", ".body", "a webhook step", NULL);
	REFUSED("'type':'webhook','payload':1", "missing_key", "", "\"url\"", NULL);
	INVALID("'type':'webhook'," URL ",'event':'a\\nb'", ".event");
}

static void
test_transfer(void)
{
	KEPT("'type':'file_transfer','url':'sftp://example.com/a/{{ input.n }}','direction':'upload','file':'out/x',"
		 "'create_directories':true,'connection_type':'local'", JO_STEP_NETWORK, JO_OUTSIDE_FILE_TRANSFER,
		 "{url=sftp://example.com/a/{{ input.n }}% file='out/x' create_dirs=true action='put'}");
	KEPT("'type':'file_transfer','url':'file:///x','action':'get'", JO_STEP_NETWORK, JO_OUTSIDE_FILE_TRANSFER,
		 "{url='file:///x' action='get'}");
	REFUSED("'type':'file_transfer','url':'ftp://example.com/a'", "missing_key", "", "\"action\"", NULL);
	REFUSED("'type':'file_transfer','url':'ftp://example.com/a','action':'gte'", "invalid_value", ".action", NULL, "get");
	REFUSED("'type':'file_transfer','url':'ftp://example.com/a','action':'put'", "missing_key", "", "what is to be sent", NULL);
	INVALID("'type':'file_transfer','url':'smtp://example.com/a','action':'get'", ".url");
	INVALID("'type':'file_transfer','url':'ftp://example.com/a','action':'get','direction':'download'", ".direction");
	INVALID("'type':'file_transfer','url':'ftp://example.com/a','action':'get','file':'a/../b'", ".file");
	INVALID("'type':'file_transfer','url':'ftp://example.com/a','action':'get','file':'..'", ".file");
	INVALID("'type':'file_transfer','url':'ftp://example.com/a','action':'get','file':'a','artifact':'b'", ".artifact");
	INVALID("'type':'file_transfer','url':'ftp://example.com/a','action':'get','sha256':'ab'", ".sha256");
	KEPT("'type':'file_transfer','url':'ftp://example.com/a','action':'get','file':'..a/b..'", JO_STEP_NETWORK,
		 JO_OUTSIDE_FILE_TRANSFER, "{url='ftp://example.com/a' file='..a/b..' action='get'}");
}

static void
test_email(void)
{
	KEPT("'type':'email','to':['a@example.com','Ann <ann@example.com>','{{ input.to }}'],'subject':'{{ secret.s }}',"
		 "'text':'t','server':'smtp://{{ input.mx }}:25','send_on':['failure'],'attachments':[{'artifact':7}]",
		 JO_STEP_NETWORK, JO_OUTSIDE_EMAIL,
		 "{to=['a@example.com' 'Ann <ann@example.com>' {{ input.to }}] subject={{ secret.s }} body='t' "
		 "server=smtp://{{ input.mx }}%:25 send_on=['failure'] attachments=[{'artifact':7}]}");
	REFUSED("'type':'email'", "missing_key", "", "\"to\"", NULL);
	REFUSED("'type':'email','to':[]", "empty_value", ".to", NULL, NULL);
	INVALID("'type':'email','to':'ann'", ".to");
	INVALID("'type':'email','to':['ann@example.com','@']", ".to[1]");
	INVALID("'type':'email','to':'a@b\\nBcc: c@d'", ".to");
	INVALID("'type':'email','to':'a@b','subject':'x\\ny'", ".subject");
	INVALID("'type':'email','to':'a@b','server':'https://example.com'", ".server");
	INVALID("'type':'email','to':'a@b','starttls':'maybe'", ".starttls");
	INVALID("'type':'email','to':'a@b','send_on':['sometimes']", ".send_on[0]");
	REFUSED("'type':'email','to':'a@b','attachments':[{}]", "missing_key", ".attachments[0]", NULL, NULL);
	REFUSED("'type':'email','to':'a@b','body':'x','text':'y'", "duplicate_key", ".text", NULL, NULL);
}

static void
test_command(void)
{
	KEPT("'type':'command','command':['ls','-l','{{ input.d }}',5],'env':{'A':'{{ secret.a }}'},'working_directory':'/tmp',"
		 "'expected_exit':[0,1],'inherit_env':['PATH']", JO_STEP_COMMAND, JO_OUTSIDE_COMMAND,
		 "{env={A={{ secret.a }}} cwd='/tmp' expected_exit=[0,1] inherit_env=['PATH'] command=['ls' '-l' {{ input.d }} 5]}");
	KEPT("'type':'command','shell':true,'command':'ls |\\ndocker ps --format \\'{{.Names}}\\'','args':['{{ input.x }}']",
		 JO_STEP_COMMAND, JO_OUTSIDE_COMMAND,
		 "{shell=true args=[{{ input.x }}] command='ls |\\ndocker ps --format \\'{{.Names}}\\''}");
	MISTYPED("'type':'command','shell':true,'command':['ls']", ".command");
	REFUSED("'type':'command'", "missing_key", "", "\"command\"", NULL);
	REFUSED("'type':'command','command':'ls -l x'", "invalid_value", ".command", "no name of a program",
			"[\"ls\", \"-l\", \"x\"]");
	REFUSED("'type':'command','command':'ls | wc'", "invalid_value", ".command", NULL, "\"shell\": true");
	REFUSED("'type':'command','shell':true,'command':'ls {{ input.x }}'", "invalid_template", ".command", "\"args\"", NULL);
	REFUSED("'type':'command','command':'{{input.x}}'", "invalid_template", ".command", NULL, NULL);
	REFUSED("'type':'command','command':['{{ input.x }}','y']", "invalid_template", ".command", NULL, NULL);
	INVALID("'type':'command','command':[]", ".command");
	INVALID("'type':'command','command':[5]", ".command");
	MISTYPED("'type':'command','command':['ls',null]", ".command[1]");
	MISTYPED("'type':'command','command':'ls','shell':'bash'", ".shell");
	MISTYPED("'type':'command','command':'ls','args':'x'", ".args");
	REFUSED("'type':'command','command':'ls','env':{'A=B':'x'}", "invalid_name", ".env.\"A=B\"", NULL, NULL);
	REFUSED("'type':'command','command':'ls','inherit_env':['1A']", "invalid_name", ".inherit_env[0]", NULL, NULL);
	INVALID("'type':'command','command':'ls','cwd':'tmp'", ".cwd");
	INVALID("'type':'command','command':'ls','expected_exit':256", ".expected_exit");
	REFUSED("'type':'command','command':['ls','{{ secret.x }}']", "unknown_reference", ".command[1]", "\"env\"", NULL);
	KEPT("'type':'script','script':['x=$1','echo {{ $x }}'],'args':['{{ input.x }}'],'interpreter':['bash','-e']",
		 JO_STEP_COMMAND, JO_OUTSIDE_SCRIPT,
		 "{args=[{{ input.x }}] interpreter=['bash','-e'] script='x=$1\\necho {{ $x }}'}");
	REFUSED("'type':'script','script':'echo {{ input.x }}'", "invalid_template", ".script", "\"env\"", NULL);
	REFUSED("'type':'script','script':'x','interpreter':['{{ input.x }}']", "invalid_template", ".interpreter[0]", NULL, NULL);
	INVALID("'type':'script','script':['','  ']", ".script");
	REFUSED("'type':'script','interpreter':'sh'", "missing_key", "", "\"script\"", NULL);
}

static void
test_artifact(void)
{
	KEPT("'type':'artifact','action':'put','artifact':'report-{{ run.id }}','content':{'a':'{{ input.x }}'},'expires_in':'1 day'",
		 JO_STEP_ARTIFACT, JO_OUTSIDE_ARTIFACT,
		 "{content={a={{ input.x }}} expires_in='1 day' action='put' name=report-{{ run.id }}}");
	KEPT("'type':'artifact','action':'get','artifact':'report','cache':{'key':'k','ttl':5}", JO_STEP_NETWORK,
		 JO_OUTSIDE_ARTIFACT, "{action='get' name='report'}");
	KEPT("'type':'artifact','action':'delete','artifact':'{{ input.id }}'", JO_STEP_ARTIFACT, JO_OUTSIDE_ARTIFACT,
		 "{action='delete' artifact={{ input.id }}}");
	KEPT("'type':'artifact','action':'get','artifact':12", JO_STEP_NETWORK, JO_OUTSIDE_ARTIFACT,
		 "{action='get' artifact=12}");
	REFUSED("'type':'artifact'", "missing_key", "", "\"action\"", NULL);
	REFUSED("'type':'artifact','action':'push'", "invalid_value", ".action", NULL, NULL);
	REFUSED("'type':'artifact','action':'put'", "missing_key", "", "holds", NULL);
	REFUSED("'type':'artifact','action':'get'", "missing_key", "", "which artifact", NULL);
	INVALID("'type':'artifact','action':'get','artifact':1,'content':2", ".content");
	INVALID("'type':'artifact','action':'put','content':1,'text':'x'", ".text");
	INVALID("'type':'artifact','action':'put','content':1,'storage':'disk'", ".storage");
	REFUSED("'type':'artifact','action':'put','content':1,'cache':{'key':'k','ttl':5}", "not_supported", ".cache", NULL, NULL);
	REFUSED("'type':'artifact','action':'put','content':'{{ secret.x }}'", "unknown_reference", ".content", "secrets", NULL);
}

static void
test_external(void)
{
	KEPT("'type':'external','queue':'{{ input.q }}','lease':'10 min','payload':{'a':1},'anything':['{{ input.x }}'],"
		 "'external_id':'x'", JO_STEP_OUTSIDE, JO_OUTSIDE_EXTERNAL,
		 "{queue={{ input.q }} lease='10 min' payload={'a':1} anything=[{{ input.x }}] external_id='x'}");
	REFUSED("'type':'external','lease':'x'", "invalid_interval", ".lease", NULL, NULL);
	REFUSED("'type':'external','queue':''", "invalid_name", ".queue", NULL, NULL);
	MISTYPED("'type':'external','queue':5", ".queue");
	REFUSED("'type':'external','payload':'{{ secret.x }}'", "unknown_reference", ".payload", "secrets", NULL);
	REFUSED("'type':'external','transaction':'none'", "not_supported", ".transaction", NULL, NULL);
	/* other machines are for others */
	check_kept("'type':'command','command':'ls {{ input.x }}','target':'web-1','shell':'bash'", JO_STEP_OUTSIDE,
			   JO_OUTSIDE_EXTERNAL, "no_worker", "{command=ls {{ input.x }} target='web-1' shell='bash'}", __LINE__);
	check_kept("'type':'script','script':'x','connection':'winrm'", JO_STEP_OUTSIDE, JO_OUTSIDE_EXTERNAL, "no_worker",
			   "{script='x' connection='winrm'}", __LINE__);
	check_kept("'type':'file_transfer','source':'/a','targets':['x']", JO_STEP_OUTSIDE, JO_OUTSIDE_EXTERNAL, "no_worker",
			   "{source='/a' targets=['x']}", __LINE__);
	REFUSED("'type':'command','command':'x','target':'web-1','password':'{{ secret.pw }}'", "unknown_reference",
			".password", "secrets", NULL);
	REFUSED("'type':'http'," URL ",'target':'web-1'", "unknown_key", ".target", NULL, NULL);
}

/* The part that is repeated is the one that is carried out. */
static void
test_parts(void)
{
	JoFindings	findings;
	JoDefinition *definition = unit_parse(
		"{'steps':[{'name':'a','type':'artifact','action':'get','artifact':'{{ item }}','foreach':{'items':[1,2]}}]}",
		&findings);

	CHECK(definition != NULL && findings.n == 0);
	if (definition == NULL)
		return;
	CHECK_INT(definition->steps[1].part, JO_PART_EACH);
	CHECK_INT(definition->steps[1].type, JO_STEP_NETWORK);
	CHECK(definition->steps[0].outside == NULL && definition->steps[2].outside == NULL);
}

void
test_outside(void)
{
	test_urls();
	test_http_values();
	test_auth();
	test_http_kept();
	test_webhook();
	test_transfer();
	test_email();
	test_command();
	test_artifact();
	test_external();
	test_parts();
}
