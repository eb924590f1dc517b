/*
 * test_visual.c
 *		Nodes of the visual form: each type, and what is refused.
 *
 * Texts have ' for " and ` for ', so that they can be read.
 */
#include "unit.h"

#include "visual.h"

static const struct
{
	const char *input;
	const char *output;
}			types[] = {
	{"{'id':'a','type':'flow.end','data':{'status':'success','message':'done {{p}}'}}",
		"{'name':'a','type':'transform','value':{'status':'success','message':'done {{ input.p }}'},'depe"
		"nds_on':[]}"},
	{"{'id':'a','type':'flow.end','data':{'status':'failure','message':'no {{p}}'}}",
		"{'name':'a','type':'end','status':'failure','message':'no {{ input.p }}','depends_on':[]}"},
	{"{'id':'a','type':'flow.end','data':{'status':'conditional'}}",
		"{'name':'a','type':'end','status':'conditional','depends_on':[]}"},
	{"{'id':'a','type':'flow.delay','data':{'delay_seconds':30,'name':'Wait'}}",
		"{'name':'a','type':'delay','duration':30,'metadata':{'label':'Wait'},'depends_on':[]}"},
	{"{'id':'a','type':'flow.delay','data':{'delay_minutes':5}}",
		"{'name':'a','type':'delay','duration':300,'depends_on':[]}"},
	{"{'id':'a','type':'flow.delay','data':{'delay_seconds':'{{p}}'}}",
		"{'name':'a_values','type':'transform','outputs':{'v1':{'sql':'SELECT now() + make_interval(secs "
		"=> ({{ input.p }}::float8 * 1))'}},'depends_on':[]},{'name':'a','type':'delay','until':'{{ steps"
		".a_values.output.v1 }}','depends_on':['a_values']}"},
	{"{'id':'a','type':'flow.decision','data':{'branches':[{'condition':'{{p}} == `x`','label':'one'},"
		"{'condition':'{{list.length}} > 3'}],'default_branch':'rest'}}",
		"{'name':'a','type':'switch','cases':[{'name':'one','if':'$.input.p == \\'x\\''},{'name':'case_2'"
		",'if':{'sql':'SELECT coalesce((SELECT to_jsonb(CASE jsonb_typeof(t.v) WHEN `array` THEN jsonb_ar"
		"ray_length(t.v) WHEN `object` THEN (SELECT count(*)::int FROM jsonb_object_keys(t.v)) ELSE lengt"
		"h(t.v #>> `{}`) END) FROM (SELECT {{ input.list }}::jsonb) AS t (v)) > `3`::jsonb, false)'}}],'d"
		"efault':[],'depends_on':[]}"},
	{"{'id':'a','type':'flow.parallel','data':{'wait_for_all':true,'max_concurrent':5}}",
		"{'name':'a','type':'transform','value':true,'depends_on':[]}"},
	{"{'id':'a','type':'flow.join','data':{'join_type':'any'}}",
		"{'name':'a','type':'transform','value':true,'depends_on':[]}"},
	{"{'id':'a','type':'action.command','data':{'command':'ls {{p}}','connection_type':'ssh','shell':'"
		"bash','target':'web-1','environment_variables':{'X':'{{p}}'},'timeout':30,'retry_count':2,'retry"
		"_delay':10,'description':'look','username':'u','password':'{{vault.pw}}','port':22}}",
		"{'name':'a','type':'command','command':'ls {{ input.p }}','shell':'bash','env':{'X':'{{ input.p }"
		"}'},'connection':'ssh','username':'u','password':{'secret':'pw'},'port':22,'target':'web-1','time"
		"out':30,'retry':{'max_attempts':3,'backoff':'fixed','initial':10},'description':'look','depends_o"
		"n':[]}"},
	{"{'id':'a','type':'system.command','data':{'command':'ls','environment':[{'name':'X','value':'1'}"
		"],'continue_on_error':true}}",
		"{'name':'a','type':'command','command':'ls','env':{'X':'1'},'connection':'ssh','timeout':60,'on_e"
		"rror':'continue','depends_on':[]}"},
	{"{'id':'a','type':'action.script','data':{'script':'echo ${inputs.p} $HOME','script_type':'bash',"
		"'interpreter':'/bin/bash','arguments':['{{p}}']}}",
		"{'name':'a','type':'script','script':'echo {{ input.p }} $HOME','language':'bash','interpreter':'"
		"/bin/bash','args':['{{ input.p }}'],'connection':'ssh','timeout':300,'depends_on':[]}"},
	{"{'id':'a','type':'action.http','data':{'url':'https://example.com/{{p}}','method':'post','header"
		"s':{'Accept':'application/json'},'body':{'p':'{{p}}'},'auth_type':'bearer','auth_config':{'token"
		"':'{{vault.t}}'},'ssl_verify':false,'expected_status':200,'timeout':20,'follow_redirects':true,'"
		"max_redirects':3}}",
		"{'name':'a','type':'http','url':'https://example.com/{{ input.p }}','method':'POST','headers':{'A"
		"ccept':'application/json'},'body':{'p':'{{ input.p }}'},'verify_tls':false,'expected_status':[200"
		"],'auth':{'type':'bearer','token':'{{ secret.t }}'},'redirects':3,'timeout':20,'depends_on':[]}"},
	{"{'id':'a','type':'action.http_request','data':{'url':'https://example.com/','authentication':{'t"
		"ype':'basic','username':'u','password':'{{vault.p}}'},'expected_status':[200,204],'timeout_secon"
		"ds':5}}",
		"{'name':'a','type':'http','url':'https://example.com/','expected_status':[200,204],'auth':{'type'"
		":'basic','username':'u','password':'{{ secret.p }}'},'redirects':5,'timeout':5,'depends_on':[]}"},
	{"{'id':'a','type':'action.http','data':{'url':'https://example.com/','auth':{'type':'api_key','ap"
		"i_key':'{{vault.k}}'}}}",
		"{'name':'a','type':'http','url':'https://example.com/','auth':{'type':'api_key','key':'{{ secret."
		"k }}','header':'X-API-Key'},'redirects':5,'timeout':30,'depends_on':[]}"},
	{"{'id':'a','type':'webhook.call','data':{'url':'https://example.com/','payload':{'a':['{{p}}',1]}"
		",'secret':'{{vault.s}}','retry_count':1,'retry_delay_sec':1}}",
		"{'name':'a','type':'webhook','url':'https://example.com/','payload':{'a':['{{ input.p }}',1]},'s"
		"ecret':'{{ secret.s }}','timeout':30,'retry':{'max_attempts':2,'backoff':'fixed','initial':1,'no"
		"t_on':['client']},'depends_on':[]}"},
	{"{'id':'a','type':'action.file_transfer','data':{'source_path':'/a','dest_path':'/b','direction':"
		"'upload','preserve_permissions':true,'recursive':false,'overwrite':true,'connection_type':'sftp'"
		",'target':'t'}}",
		"{'name':'a','type':'file_transfer','source':'/a','destination':'/b','direction':'upload','preser"
		"ve_permissions':true,'recursive':false,'overwrite':true,'connection':'sftp','target':'t','timeou"
		"t':300,'depends_on':[]}"},
	{"{'id':'a','type':'action.file_operation','data':{'operation':'write','source_path':'/log/{{date}"
		"}','file_content':'x','overwrite_existing':false,'create_directories':true,'encoding':'utf-8','c"
		"onnection_method':'ssh','target':'t'}}",
		"{'name':'a_values','type':'transform','outputs':{'v1':{'sql':'SELECT to_jsonb(to_char({{ run.star"
		"ted_at }}::timestamptz, `YYYY-MM-DD`))'}},'depends_on':[]},{'name':'a','type':'external','task':'"
		"action.file_operation','input':{'operation':'write','source':'/log/{{ steps.a_values.output.v1 }}"
		"','content':'x','create_directories':true,'overwrite':false,'encoding':'utf-8','connection':'ssh'"
		"},'target':'t','timeout':300,'depends_on':['a_values']}"},
	{"{'id':'a','type':'file.copy','data':{'source_path':'/a','dest_path':'/b'}}",
		"{'name':'a','type':'external','task':'file.copy','input':{'source':'/a','destination':'/b'},'time"
		"out':300,'depends_on':[]}"},
	{"{'id':'a','type':'file.check','data':{'path':'/a'}}",
		"{'name':'a','type':'external','task':'file.check','input':{'source':'/a'},'timeout':300,'depends_"
		"on':[]}"},
	{"{'id':'a','type':'action.command','data':{'command':'ls -l `{{p}}` --size={{p}} \\'a b\\' {{p}}x','connection_type':'local','shell':'bash','environment':{'X':'{{p}}'},'working_directory':'/tmp','username':'u','timeout':9}}",
		"{'name':'a','type':'command','command':['ls','-l','{{ input.p }}','--size={{ input.p }}','a b','{"
		"{ input.p }}x'],'env':{'X':'{{ input.p }}'},'cwd':'/tmp','timeout':9,'depends_on':[]}"},
	{"{'id':'a','type':'system.command','data':{'command':'ls | wc -l','connection_type':'local','target':'localhost'}}",
		"{'name':'a','type':'command','command':'ls | wc -l','shell':true,'timeout':60,'depends_on':[]}"},
	{"{'id':'a','type':'action.script','data':{'script':'print(1)','script_type':'python','connection_type':'local','arguments':['{{p}}']}}",
		"{'name':'a','type':'script','script':'print(1)','args':['{{ input.p }}'],'interpreter':'python3',"
		"'timeout':300,'depends_on':[]}"},
	{"{'id':'a','type':'action.file_transfer','data':{'source_path':'https://example.com/{{p}}','dest_path':'in/x','overwrite':false,'recursive':false}}",
		"{'name':'a','type':'file_transfer','action':'get','url':'https://example.com/{{ input.p }}','file"
		"':'in/x','overwrite':false,'timeout':300,'depends_on':[]}"},
	{"{'id':'a','type':'action.file_transfer','data':{'source_path':'out/x','dest_path':'sftp://example.com/x','direction':'upload'}}",
		"{'name':'a','type':'file_transfer','action':'put','url':'sftp://example.com/x','file':'out/x','ti"
		"meout':300,'depends_on':[]}"},
	{"{'id':'a','type':'action.http','data':{'url':'{{p}}/x','follow_redirects':false,'auth_type':'digest','auth_config':{'username':'u','password':'{{vault.p}}'}}}",
		"{'name':'a','type':'http','url':'{{ input.p }}/x','auth':{'type':'digest','username':'u','passwor"
		"d':'{{ secret.p }}'},'redirects':0,'timeout':30,'depends_on':[]}"},
	{"{'id':'a','type':'action.notification','data':{'notification_type':'sms','recipients':['1'],'message':'m'}}",
		"{'name':'a','type':'external','task':'notification.sms','payload':{'text':'m','recipients':['1']}"
		",'timeout':30,'depends_on':[]}"},
	{"{'id':'a','type':'action.database','data':{'query':'SELECT {{p}}, `{{p}}` FROM t','database_type"
		"':'postgresql','operation_type':'select','fetch_results':false}}",
		"{'name':'a','type':'sql','sql':'SELECT {{ input.p }}, {{ input.p }}::text FROM t','output':'none"
		"','timeout':60,'depends_on':[]}"},
	{"{'id':'a','type':'action.notification','data':{'notification_type':'email','recipients':['a@exam"
		"ple.com'],'subject':'s','message':'m {{p}}','priority':'high','send_on':['always']}}",
		"{'name':'a','type':'email','to':['a@example.com'],'subject':'s','body':'m {{ input.p }}','headers"
		"':{'Importance':'high'},'timeout':30,'depends_on':[]}"},
	{"{'id':'a','type':'action.notification','data':{'notification_type':'slack','message':'m','channe"
		"l':'#c'}}",
		"{'name':'a','type':'notify','channel':'slack','payload':{'text':'m','channel':'#c'},'timeout':30"
		",'depends_on':[]}"},
	{"{'id':'a','type':'action.notification','data':{'notification_type':'teams','webhook_url':'https:"
		"//example.com/','message':'m'}}",
		"{'name':'a','type':'webhook','url':'https://example.com/','payload':{'text':'m'},'timeout':30,'d"
		"epends_on':[]}"},
	{"{'id':'a','type':'notification.email','data':{'to':'{{p}}','subject':'s'}}",
		"{'name':'a','type':'email','to':['{{ input.p }}'],'subject':'s','timeout':30,'depends_on':[]}"},
	{"{'id':'a','type':'integration.slack','data':{'webhook_url':'https://example.com/','message':'m'}"
		"}",
		"{'name':'a','type':'webhook','url':'https://example.com/','payload':{'text':'m'},'timeout':30,'d"
		"epends_on':[]}"},
	{"{'id':'a','type':'integration.jira','data':{'operation':'create','project':'P','summary':'{{p}}'"
		"}}",
		"{'name':'a','type':'external','task':'integration.jira','input':{'operation':'create','project':"
		"'P','summary':'{{ input.p }}'},'timeout':60,'depends_on':[]}"},
	{"{'id':'a','type':'system.service_check','data':{'service_name':'{{p}}','target':'t'}}",
		"{'name':'a','type':'external','task':'system.service_check','input':{'service_name':'{{ input.p "
		"}}'},'target':'t','timeout':60,'depends_on':[]}"},
	{"{'id':'a','type':'system.service_control','data':{'service_name':'x','action':'restart','wait_fo"
		"r_status':'running','timeout_seconds':60}}",
		"{'name':'a','type':'external','task':'system.service_control','input':{'service_name':'x','actio"
		"n':'restart','wait_for_status':'running'},'timeout':60,'depends_on':[]}"},
	{"{'id':'a','type':'condition.if','data':{'condition':'{{p}} contains `x` && !(p === `y`) || p'}}",
		"{'name':'a','type':'condition','if':'exists($.input.p.** ? (@ like_regex \\'x\\' flag \\'q\\')) "
		"&& !($.input.p == \\'y\\') || (exists($.input.p) && !exists($.input.p ? (@ == false || @ == null"
		" || @ == \\'\\' || @ == 0)))','depends_on':[]}"},
	{"{'id':'a','type':'logic.if','data':{'condition':'{{list.length}} >= 2'}}",
		"{'name':'a','type':'condition','if':{'sql':'SELECT coalesce((SELECT to_jsonb(CASE jsonb_typeof(t"
		".v) WHEN `array` THEN jsonb_array_length(t.v) WHEN `object` THEN (SELECT count(*)::int FROM json"
		"b_object_keys(t.v)) ELSE length(t.v #>> `{}`) END) FROM (SELECT {{ input.list }}::jsonb) AS t (v"
		")) >= `2`::jsonb, false)'},'depends_on':[]}"},
	{"{'id':'a','type':'logic.switch','data':{'expression':'p','cases':[{'value':'x','label':'X'},{'va"
		"lue':'y'}]}}",
		"{'name':'a','type':'switch','value':'{{ input.p }}','cases':[{'name':'X','equals':'x'},{'name':'"
		"case_2','equals':'y'}],'depends_on':[]}"},
	{"{'id':'a','type':'condition.while','data':{'condition':'{{b.output.n}} < 3','max_iterations':5,'"
		"loop_body':[{'id':'b','type':'data.transform','data':{'mapping':{'n':'{{iteration}}'}}}]}}",
		"{'name':'a','type':'loop','while':'$.steps.b.output.n < 3','max_iterations':5,'steps':[{'name':'"
		"b','type':'transform','value':{'n':'{{ iteration }}'},'depends_on':[]}],'depends_on':[]}"},
	{"{'id':'a','type':'condition.for_each','data':{'items':'{{list}}','item_variable':'server','max_p"
		"arallel':2,'timeout_per_item':9,'continue_on_error':true,'loop_body':[{'id':'b','type':'action.c"
		"ommand','data':{'command':'ping {{server.name}} {{index}}'}}]}}",
		"{'name':'a','type':'foreach','items':'{{ input.list }}','as':'server','max_parallel':2,'on_item_e"
		"rror':'continue','steps':[{'name':'b','type':'command','command':'ping {{ item.name }} {{ item_in"
		"dex }}','connection':'ssh','timeout':9,'depends_on':[]}],'depends_on':[]}"},
	{"{'id':'a','type':'data.transform','data':{'script':'p'}}",
		"{'name':'a','type':'transform','value':'{{ input.p }}','depends_on':[]}"},
	{"{'id':'a','type':'data.transform','data':{'language':'jq','script':'.a[0]','input_data':'{{list}"
		"}'}}",
		"{'name':'a','type':'transform','value':'{{ input.list.a[0] }}','depends_on':[]}"},
	{"{'id':'a','type':'data.transform','data':{'language':'sql','script':'SELECT upper(`{{p}}`)'}}",
		"{'name':'a','type':'transform','sql':'SELECT upper({{ input.p }}::text)','depends_on':[]}"},
	{"{'id':'a','type':'data.transform','data':{'transformation_type':'json','transformation_script':'"
		"x = 1\\nreturn x','language':'python','input_data':'{{list}}','input_variables':{'p':'{{p}}'}}}",
		"{'name':'a','type':'external','task':'data.transform','language':'python','script':'x = 1\\nretur"
		"n x','input':'{{ input.list }}','variables':{'p':'{{ input.p }}'},'depends_on':[]}"},
	{"{'id':'a','type':'data.transform','data':{'script':'{ \\'a\\': 1, b: `x, }`, c: {{p}} }','langua"
		"ge':'javascript'}}",
		"{'name':'a','type':'transform','sql':'SELECT jsonb_build_object(`a`, `1`::jsonb, `b`, to_jsonb(`"
		"x, }`::text), `c`, {{ input.p }}::jsonb) FROM (SELECT `{}`::jsonb) AS t (input)','depends_on':[]"
		"}"},
	{"{'id':'a','type':'data.transform','data':{'script':'return { a: input.list[0].x, ...input };','l"
		"anguage':'javascript','input_data':'{{p}}'}}",
		"{'name':'a','type':'external','task':'data.transform','language':'javascript','script':'return { "
		"a: input.list[0].x, ...input };','input':'{{ input.p }}','depends_on':[]}"},
	{"{'id':'a','type':'data.transform','data':{'mapping':{'n':'{{p ? 1 : 2}}','date':'{{system.date}}"
		"'}}}",
		"{'name':'a_values','type':'transform','outputs':{'v1':{'sql':'SELECT CASE WHEN coalesce({{ input"
		".p | default(null) }}::jsonb, `null`::jsonb) NOT IN (`null`::jsonb, `false`::jsonb, `0`::jsonb, "
		"`\\'\\'`::jsonb) THEN `1`::jsonb ELSE `2`::jsonb END'},'v2':{'sql':'SELECT to_jsonb(to_char({{ r"
		"un.started_at }}::timestamptz, `YYYY-MM-DD`))'}},'depends_on':[]},{'name':'a','type':'transform'"
		",'value':{'n':'{{ steps.a_values.output.v1 }}','date':'{{ steps.a_values.output.v2 }}'},'depends"
		"_on':['a_values']}"},
	{"{'id':'a','type':'data.validate','data':{'input_data':'{{list}}','validation_schema':{'type':'ar"
		"ray'},'validation_rules':['age > 18',{'rule':'value.name != null','message':'name'}],'fail_on_er"
		"ror':false}}",
		"{'name':'a','type':'validate','value':'{{ input.list }}','schema':{'type':'array'},'rules':[{'ru"
		"le':'$.value.age > 18'},{'rule':'(exists($.value.name) && $.value.name != null)','message':'name"
		"'}],'fail_on_error':false,'depends_on':[]}"},
	{"{'id':'a','type':'data.aggregate','data':{'input_data':'{{list}}','group_by':'city','aggregation"
		"s':{'total':{'function':'sum','field':'price.net'},'n':'count'}}}",
		"{'name':'a','type':'aggregate','items':'{{ input.list }}','group_by':'$.city','aggregates':{'tot"
		"al':{'op':'sum','path':'$.price.net'},'n':{'op':'count'}},'depends_on':[]}"},
	{"{'id':'a','type':'data.filter','data':{'input_data':'{{list}}','filter_condition':'item.price > "
		"10'}}",
		"{'name':'a','type':'filter','items':'{{ input.list }}','where':'$.item.price > 10','depends_on':"
		"[]}"},
	{"{'id':'a','type':'log.write','data':{'level':'info','message':'{{job.name}} {{job.status}} {{sys"
		"tem.timestamp}}'}}",
		"{'name':'a_values','type':'transform','outputs':{'v1':{'sql':'SELECT to_jsonb(joborch.run_status"
		"({{ run.id }}::bigint))'}},'depends_on':[]},{'name':'a','type':'transform','value':{'level':'inf"
		"o','message':'{{ job.name }} {{ steps.a_values.output.v1 }} {{ run.started_at }}'},'depends_on':"
		"['a_values']}"},
};

static const struct
{
	const char *input;
	const char *code;
	const char *path;
	const char *message;
}			refused[] = {
	{"{'id':'a','type':'flow.delay','data':{'delay_seconds':-5}}",
		"invalid_value", "$.nodes[1].data.delay_seconds",
		"node 'a', key 'delay_seconds': a delay of 1 to 3600 seconds, or up to 24 hours in minutes or hou"
		"rs, was expected, not -5"},
	{"{'id':'a','type':'flow.delay','data':{}}",
		"missing_key", "$.nodes[1].data.delay_seconds",
		"node 'a', key 'delay_seconds': nothing says how long to wait"},
	{"{'id':'a','type':'flow.decision','data':{}}",
		"missing_key", "$.nodes[1].data.cases",
		"node 'a', key 'cases': a switch needs at least one case"},
	{"{'id':'a','type':'action.http','data':{}}",
		"missing_key", "$.nodes[1].data.url",
		"node 'a', key 'url': a node of type 'action.http' needs this parameter"},
	{"{'id':'a','type':'action.http','data':{'url':'x','timeout':301}}",
		"invalid_value", "$.nodes[1].data.timeout",
		"node 'a', key 'timeout': a whole number from 1 to 300 was expected, not 301"},
	{"{'id':'a','type':'action.http','data':{'url':'x','auth_type':'kerberos'}}",
		"invalid_value", "$.nodes[1].data.auth_type",
		"node 'a', key 'auth_type': there is no authentication 'kerberos'"},
	{"{'id':'a','type':'action.http','data':{'url':'x','auth_type':'basic','auth_config':{'username':'"
		"u'}}}",
		"missing_key", "$.nodes[1].data.auth_config",
		"node 'a', key 'auth_config': authentication 'basic' needs 'password'"},
	{"{'id':'a','type':'action.command','data':{'command':'ls','comand':1}}",
		"unknown_key", "$.nodes[1].data.comand",
		"node 'a', key 'comand': a node of type 'action.command' has no such parameter"},
	{"{'id':'a','type':'action.command','data':{'command':'ls','environment':{'a':'1'},'environment_va"
		"riables':{'a':'2'}}}",
		"duplicate_key", "$.nodes[1].data.environment_variables",
		"node 'a', key 'environment_variables': 'environment' is the same parameter and says something el"
		"se"},
	{"{'id':'a','type':'action.command','data':{'command':'ls','retry_count':6}}",
		"invalid_value", "$.nodes[1].data.retry_count",
		"node 'a', key 'retry_count': a whole number from 0 to 5 was expected, not 6"},
	{"{'id':'a','type':'action.command','data':{'command':'{{#if p}}x{{/if}}'}}",
		"invalid_template", "$.nodes[1].data.command",
		"node 'a', key 'command': blocks such as {{#if}} and {{#each}} are not supported: {{#if p}}"},
	{"{'id':'a','type':'action.command','data':{'command':'{{nope}}'}}",
		"unknown_reference", "$.nodes[1].data.command",
		"node 'a', key 'command': nope: 'nope' is no parameter and no node"},
	{"{'id':'a','type':'action.command','data':{'command':'{{steps.b.output}}'}}",
		"unknown_reference", "$.nodes[1].data.command",
		"node 'a', key 'command': steps.b.output: there is no node 'b'"},
	{"{'id':'a','type':'action.command','data':{'command':'{{user.email}}'}}",
		"unknown_reference", "$.nodes[1].data.command",
		"node 'a', key 'command': user.email: 'user' is no parameter and no node"},
	{"{'id':'a','type':'action.command','data':{'command':'{{p'}}",
		"invalid_template", "$.nodes[1].data.command",
		"node 'a', key 'command': the template {{p has no closing }}"},
	{"{'id':'a','type':'action.command','data':{'command':'{{p.trim()}}'}}",
		"invalid_template", "$.nodes[1].data.command",
		"node 'a', key 'command': the function 'trim' is not supported at '()'"},
	{"{'id':'a','type':'action.command','data':{'command':'ls {{p}} | wc','connection_type':'local'}}",
		"not_supported", "$.nodes[1].data.command",
		"node 'a', key 'command': a command of the server that a shell reads has no templates"},
	{"{'id':'a','type':'action.script','data':{'script':'ls {{p}}','connection_type':'local'}}",
		"not_supported", "$.nodes[1].data.script",
		"node 'a', key 'script': a script that runs on the server has no templates"},
	{"{'id':'a','type':'action.file_transfer','data':{'source_path':'https://example.com/'}}",
		"missing_key", "$.nodes[1].data.dest_path",
		"node 'a', key 'dest_path': a node of type 'action.file_transfer' needs this parameter"},
	{"{'id':'a','type':'action.database','data':{'query':'SELECT 1','connection_string':'host=x'}}",
		"not_supported", "$.nodes[1].data.connection_string",
		"node 'a', key 'connection_string': queries run in the database of the job only"},
	{"{'id':'a','type':'action.notification','data':{'message':'x'}}",
		"missing_key", "$.nodes[1].data.recipients",
		"node 'a', key 'recipients': a node of type 'action.notification' needs this parameter"},
	{"{'id':'a','type':'condition.if','data':{}}",
		"missing_key", "$.nodes[1].data.condition",
		"node 'a', key 'condition': the condition, a text, is missing"},
	{"{'id':'a','type':'condition.if','data':{'condition':'p =='}}",
		"invalid_template", "$.nodes[1].data.condition",
		"node 'a', key 'condition': a value was expected at ''"},
	{"{'id':'a','type':'condition.if','data':{'condition':'previous_step.status == 1'}}",
		"unknown_reference", "$.nodes[1].data.condition",
		"node 'a', key 'condition': previous_step.status: no step with a result comes before node 'a'"},
	{"{'id':'a','type':'condition.if','data':{'condition':'p','condition_type':'script'}}",
		"not_supported", "$.nodes[1].data.condition_type",
		"node 'a', key 'condition_type': a condition cannot be a script"},
	{"{'id':'a','type':'condition.while','data':{'condition':'p'}}",
		"missing_key", "$.nodes[1].data.loop_body",
		"node 'a', key 'loop_body': the loop has no body"},
	{"{'id':'a','type':'condition.for_each','data':{'items':5,'loop_body':['a']}}",
		"cycle_detected", "$.nodes[1].data.loop_body",
		"node 'a', key 'loop_body': a node cannot be within itself"},
	{"{'id':'a','type':'data.validate','data':{'input_data':'x'}}",
		"missing_key", "$.nodes[1].data.validation_schema",
		"node 'a', key 'validation_schema': nothing says what is valid: a schema or rules are needed"},
	{"{'id':'a','type':'data.transform','data':{}}",
		"missing_key", "$.nodes[1].data.input_data",
		"node 'a', key 'input_data': nothing says what the node works on, and no single step comes before"
		" it"},
	{"{'id':'a','type':'trigger.schedule','data':{}}",
		"missing_key", "$.nodes[1].data.cron_expression",
		"node 'a', key 'cron_expression': a schedule needs its cron expression"},
	{"{'id':'a','type':'action.teleport','data':{}}",
		"unknown_type", "$.nodes[1].type",
		"node 'a', key 'type': there is no node type 'action.teleport'"},
};


static char *
unquote(const char *text)
{
	char	   *copy = unit_quotes(text);

	for (char *p = copy; *p != '\0'; p++)
		if (*p == '`')
			*p = '\'';
	return copy;
}

/* A document with one node behind its start, and two parameters. */
static char *
document_of(const char *node)
{
	return psprintf("{\"parameters\":{\"p\":{\"type\":\"string\"},\"list\":{\"type\":\"array\"}},"
					"\"nodes\":[{\"id\":\"s\",\"type\":\"flow.start\"},%s],"
					"\"edges\":[{\"source\":\"s\",\"target\":\"a\"}]}", unquote(node));
}

/* The reader takes what the translator writes; nobody carries out some of it. */
static void
check_readable(const char *native, const char *name)
{
	JoFindings	findings;

	memset(&findings, 0, sizeof(findings));
	jo_definition_parse(native, strlen(native), &unit_hooks, &findings);
	for (int i = 0; i < findings.n; i++)
		unit_check(strcmp(findings.list[i].code, "no_worker") == 0, __FILE__, __LINE__, "%s: %s %s %s",
				   name, findings.list[i].code, findings.list[i].path, findings.list[i].message);
}

static void
test_types(void)
{
	for (int i = 0; i < (int) lengthof(types); i++)
	{
		char	   *text = document_of(types[i].input);
		JoFindings	findings;
		char	   *native;

		memset(&findings, 0, sizeof(findings));
		native = jo_visual_translate(text, strlen(text), &findings);
		CHECK_INT(findings.n, 0);
		CHECK_TEXT(native, psprintf("{\"input\":{\"type\":\"object\",\"properties\":{\"p\":{\"type\":\"string\"},"
									"\"list\":{\"type\":\"array\"}}},\"steps\":[%s]}", unquote(types[i].output)));
		if (native != NULL)
			check_readable(native, types[i].input);
	}
}

static void
test_refused(void)
{
	for (int i = 0; i < (int) lengthof(refused); i++)
	{
		char	   *text = document_of(refused[i].input);
		const JoFinding *found = NULL;
		JoFindings	findings;

		memset(&findings, 0, sizeof(findings));
		CHECK(jo_visual_translate(text, strlen(text), &findings) == NULL);
		found = unit_find(&findings, refused[i].code, refused[i].path);
		CHECK_TEXT(found ? found->message : NULL, unquote(refused[i].message));
	}
}

/* Any cut of a good text is no definition, and never worse than that. */
static void
test_cut_texts(void)
{
	char	   *text = document_of(types[12].input);
	JoFindings	findings;

	for (size_t length = 0; length < strlen(text); length++)
	{
		memset(&findings, 0, sizeof(findings));
		CHECK(jo_visual_translate(text, length, &findings) == NULL);
		CHECK_INT(findings.nerrors, 1);
	}
}

static void
test_depths(void)
{
	static const char *const nested[] = {"(", "!", "{{", "p ? 1 : ", "p && ", "p.", "[", "\\'"};

	for (int i = 0; i < (int) lengthof(nested); i++)
	{
		StringInfoData buf;
		char	   *text;
		JoFindings	findings;

		initStringInfo(&buf);
		for (int n = 0; n < 3000; n++)
			appendStringInfoString(&buf, nested[i]);
		text = document_of(psprintf("{'id':'a','type':'logic.if','data':{'condition':'%sp'}}", buf.data));
		memset(&findings, 0, sizeof(findings));
		/* an even number of negations is the only one of these that is an expression */
		CHECK((jo_visual_translate(text, strlen(text), &findings) != NULL) == (*nested[i] == '!'));
	}
}

void
test_visual_types(void)
{
	test_types();
	test_refused();
	test_cut_texts();
	test_depths();
}
