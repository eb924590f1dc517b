/*
 * test_visualflow.c
 *		Graphs of the visual form: edges, loops, envelopes, and what is refused.
 *
 * Texts have ' for " and ` for ', so that they can be read.
 */
#include "unit.h"

#include "visual.h"

static const struct
{
	const char *input;
	const char *output;
}			graphs[] = {
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}},{'id':'b','type':'action.command','data':{'command':'x'}},{'id':'h','type':'action.command','"
		"data':{'command':'x'}}],'edges':[{'source':'s','target':'a','condition':'always'},{'source':'a',"
		"'target':'b','condition':'always'},{'source':'a','target':'h','condition':'error'}]}",
		"{'steps':[{'name':'a','type':'command','command':'x','connection':'ssh','timeout':60,'depends_on'"
		":[]},{'name':'b','type':'command','command':'x','connection':'ssh','timeout':60,'depends_on':['a'"
		"]},{'name':'h','type':'command','command':'x','connection':'ssh','timeout':60,'depends_on':[{'ste"
		"p':'a','on':'failure'}]}]}"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}},{'id':'c','type':'logic.if','data':{'condition':'previous_step.status == `success`'}},{'id':'"
		"y','type':'action.command','data':{'command':'x'}},{'id':'n','type':'action.command','data':{'co"
		"mmand':'x'}}],'edges':[{'source':'s','target':'a'},{'source':'a','target':'c','condition':'alway"
		"s'},{'source':'c','target':'y','condition':'true'},{'source':'c','target':'n','condition':'false"
		"'}]}",
		"{'steps':[{'name':'a','type':'command','command':'x','connection':'ssh','timeout':60,'on_error':'"
		"continue','depends_on':[]},{'name':'c','type':'condition','if':'$.steps.a.status == \\'completed"
		"\\'','depends_on':['a']},{'name':'y','type':'command','command':'x','connection':'ssh','timeout':"
		"60,'depends_on':[{'step':'c','branch':'true'}]},{'name':'n','type':'command','command':'x','conne"
		"ction':'ssh','timeout':60,'depends_on':[{'step':'c','branch':'false'}]}]}"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}},{'id':'c','type':'logic.if','data':{'condition':'a.status == `failed`'}},{'id':'y','type':'ac"
		"tion.command','data':{'command':'x'}},{'id':'o','type':'action.command','data':{'command':'x'}}]"
		",'edges':[{'source':'s','target':'a'},{'source':'a','target':'c'},{'source':'a','target':'o'},{'"
		"source':'c','target':'y','condition':'true'}]}",
		"{'steps':[{'name':'a','type':'command','command':'x','connection':'ssh','timeout':60,'on_error':'"
		"continue','depends_on':[]},{'name':'c','type':'condition','if':'$.steps.a.status == \\'failed\\''"
		",'depends_on':['a']},{'name':'y','type':'command','command':'x','connection':'ssh','timeout':60,'"
		"depends_on':[{'step':'c','branch':'true'}]},{'name':'a_succeeded','type':'condition','if':'$.step"
		"s.\\'a\\'.status == \\'completed\\'','depends_on':['a']},{'name':'o','type':'command','command':'"
		"x','connection':'ssh','timeout':60,'depends_on':[{'step':'a_succeeded','branch':'true'}]}]}"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'c','type':'logic.if','data':{'condition':'1 == 1"
		"'}},{'id':'x','type':'action.command','data':{'command':'x'}},{'id':'y','type':'action.command',"
		"'data':{'command':'x'}},{'id':'e','type':'flow.end'}],'edges':[{'source':'s','target':'c'},{'sou"
		"rce':'c','target':'x','condition':'true'},{'source':'c','target':'y','condition':'false'},{'sour"
		"ce':'x','target':'e'},{'source':'y','target':'e'}]}",
		"{'steps':[{'name':'c','type':'condition','if':'1 == 1','depends_on':[]},{'name':'x','type':'comma"
		"nd','command':'x','connection':'ssh','timeout':60,'depends_on':[{'step':'c','branch':'true'}]},{'"
		"name':'y','type':'command','command':'x','connection':'ssh','timeout':60,'depends_on':[{'step':'c"
		"','branch':'false'}]},{'name':'e','type':'transform','value':{'status':'success'},'depends_on':['"
		"x','y']}]}"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'c','type':'logic.if','data':{'condition':'1 == 1"
		"'}},{'id':'x','type':'action.command','data':{'command':'x'}},{'id':'y','type':'action.command',"
		"'data':{'command':'x'}}],'edges':[{'source':'s','target':'c'},{'source':'c','target':'x','condit"
		"ion':'always','sourceHandle':'true'},{'source':'x','target':'y'},{'source':'c','target':'y','sou"
		"rceHandle':'false'}]}",
		"{'steps':[{'name':'c','type':'condition','if':'1 == 1','depends_on':[]},{'name':'x','type':'comma"
		"nd','command':'x','connection':'ssh','timeout':60,'depends_on':[{'step':'c','branch':'true'}]},{'"
		"name':'y','type':'command','command':'x','connection':'ssh','timeout':60,'depends_on':['x',{'step"
		"':'c','branch':'false'}]}]}"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'t','type':'data.transform','data':{'script':'ret"
		"urn 1'}},{'id':'x','type':'action.command','data':{'command':'x'}},{'id':'y','type':'action.comm"
		"and','data':{'command':'x'}},{'id':'z','type':'action.command','data':{'command':'x'}}],'edges':"
		"[{'source':'s','target':'t'},{'source':'t','target':'x','condition':'{{t.status}} == `success`'}"
		",{'source':'t','target':'y','condition':'{{t.result.n}} >= 2'},{'source':'x','target':'z'},{'sou"
		"rce':'y','target':'z','condition':'{{y.output.ok}} === true'}]}",
		"{'steps':[{'name':'t','type':'external','task':'data.transform','language':'python','script':'ret"
		"urn 1','on_error':'continue','depends_on':[]},{'name':'x','type':'command','command':'x','connect"
		"ion':'ssh','timeout':60,'when':'($.steps.t.output.status == \\'success\\' || !exists($.steps.t.ou"
		"tput.status) && $.steps.t.status == \\'completed\\')','depends_on':['t']},{'name':'y','type':'com"
		"mand','command':'x','connection':'ssh','timeout':60,'when':'$.steps.t.output.n >= 2','depends_on'"
		":['t']},{'name':'y_to_z','type':'condition','if':'$.steps.y.output.ok == true','depends_on':[{'st"
		"ep':'y','on':'always'}]},{'name':'z','type':'command','command':'x','connection':'ssh','timeout':"
		"60,'depends_on':['x',{'step':'y_to_z','branch':'true'}]}]}"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'w','type':'logic.switch','data':{'cases':[{'cond"
		"ition':'1 == 1','label':'hot'},{'condition':'1 == 2'}]}},{'id':'x','type':'action.command','data"
		"':{'command':'x'}},{'id':'y','type':'action.command','data':{'command':'x'}},{'id':'z','type':'a"
		"ction.command','data':{'command':'x'}}],'edges':[{'source':'s','target':'w'},{'source':'w','targ"
		"et':'x','condition':'hot'},{'source':'w','target':'y','condition':'case_2'},{'source':'w','targe"
		"t':'z','condition':'default'}]}",
		"{'steps':[{'name':'w','type':'switch','cases':[{'name':'hot','if':'1 == 1'},{'name':'case_2','if'"
		":'1 == 2'}],'default':[],'depends_on':[]},{'name':'x','type':'command','command':'x','connection'"
		":'ssh','timeout':60,'depends_on':[{'step':'w','branch':'hot'}]},{'name':'y','type':'command','com"
		"mand':'x','connection':'ssh','timeout':60,'depends_on':[{'step':'w','branch':'case_2'}]},{'name':"
		"'z','type':'command','command':'x','connection':'ssh','timeout':60,'depends_on':[{'step':'w','bra"
		"nch':'default'}]}]}"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'c','type':'condition.if','data':{'condition':'1 "
		"== 1','true_branch':'x','false_branch':['y']}},{'id':'x','type':'action.command','data':{'comman"
		"d':'x'}},{'id':'y','type':'action.command','data':{'command':'x'}}],'edges':[{'source':'s','targ"
		"et':'c'}]}",
		"{'steps':[{'name':'c','type':'condition','if':'1 == 1','depends_on':[]},{'name':'x','type':'comma"
		"nd','command':'x','connection':'ssh','timeout':60,'depends_on':[{'step':'c','branch':'true'}]},{'"
		"name':'y','type':'command','command':'x','connection':'ssh','timeout':60,'depends_on':[{'step':'c"
		"','branch':'false'}]}]}"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		",'targets':['h1','h2']}},{'id':'b','type':'action.command','data':{'command':'{{a.output}}','tar"
		"gets':['h2']}}],'edges':[{'source':'s','target':'a'},{'source':'a','target':'b'}]}",
		"{'steps':[{'name':'a_0','type':'command','command':'x','connection':'ssh','target':'h1','timeout'"
		":60,'metadata':{'original_node_id':'a','target_order':0},'depends_on':[]},{'name':'a_1','type':'c"
		"ommand','command':'x','connection':'ssh','target':'h2','timeout':60,'metadata':{'original_node_id"
		"':'a','target_order':0},'depends_on':[]},{'name':'a','type':'join','metadata':{'original_node_id'"
		":'a'},'depends_on':['a_0','a_1']},{'name':'b','type':'command','command':'{{ steps.a.output }}','"
		"connection':'ssh','target':'h2','timeout':60,'depends_on':['a']}]}"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}},{'id':'c','type':'logic.if','data':{'condition':'{{a.output.n}} > 3'}},{'id':'z','type':'acti"
		"on.command','data':{'command':'{{a.output.n}}'}}],'edges':[{'source':'s','target':'a'},{'source'"
		":'a','target':'c'},{'source':'c','target':'a','condition':'false','max_iterations':5},{'source':"
		"'c','target':'z','condition':'true'}]}",
		"{'steps':[{'name':'a_loop','type':'loop','until':'!($.steps.\\'a_loop_again\\'.output == true)','"
		"max_iterations':5,'steps':[{'name':'a','type':'command','command':'x','connection':'ssh','timeout"
		"':60,'depends_on':[]},{'name':'c','type':'condition','if':'$.steps.a.output.n > 3','depends_on':["
		"{'step':'a','on':'always'}]},{'name':'a_loop_again','type':'transform','value':true,'depends_on':"
		"[{'step':'c','branch':'false'}]},{'name':'a_loop_exit','type':'transform','value':true,'depends_o"
		"n':[{'step':'c','branch':'true'}]},{'name':'a_loop_result','type':'transform','outputs':{'a_loop_"
		"exit':{'path':'$.steps.\\'a_loop_exit\\'.status == \\'completed\\''},'steps':{'a':{'output':'{{ s"
		"teps.a.output | default(null) }}','status':'{{ steps.a.status | default(`skipped`) }}'}}},'trigge"
		"r_rule':'all_done','depends_on':['a','c','a_loop_again','a_loop_exit']}],'depends_on':[]},{'name'"
		":'a_loop_to_z','type':'condition','if':'$.steps.\\'a_loop\\'.output.output.\\'a_loop_exit\\' == t"
		"rue','depends_on':['a_loop']},{'name':'z','type':'command','command':'{{ steps.a_loop.output.outp"
		"ut.steps.a.output.n }}','connection':'ssh','timeout':60,'depends_on':[{'step':'a_loop_to_z','bran"
		"ch':'true'}]}]}"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'count-1','type':'data.transform','data':{'script"
		"':'return { ...input, n: (input.n || 0) + 1 };','input_data':'{{input}}','language':'javascript'"
		"}},{'id':'more','type':'logic.if','data':{'condition':'{{count-1.n}} <= 3'}},{'id':'a','type':'a"
		"ction.command','data':{'command':'x'}}],'edges':[{'source':'s','target':'count-1'},{'source':'co"
		"unt-1','target':'more'},{'source':'more','target':'a','condition':'true'},{'source':'a','target'"
		":'count-1','condition':'error','max_iterations':9}]}",
		"{'steps':[{'name':'count-1_loop','type':'loop','until':'!($.steps.\\'count-1_loop_again\\'.output"
		" == true)','max_iterations':9,'steps':[{'name':'count-1','type':'transform','sql':'SELECT t.input"
		" || jsonb_build_object(`n`, to_jsonb((CASE WHEN coalesce(to_jsonb(t.input -> `n`), `null`::jsonb)"
		" NOT IN (`null`::jsonb, `false`::jsonb, `0`::jsonb, `\\'\\'`::jsonb) THEN to_jsonb(t.input -> `n`"
		") ELSE `0`::jsonb END)::numeric + (`1`::jsonb)::numeric)) FROM (SELECT {{ input }}::jsonb || coal"
		"esce({{ previous.output.steps.count-1.output | default(null) }}::jsonb, `{}`::jsonb)) AS t (input"
		")','depends_on':[]},{'name':'more','type':'condition','if':'$.steps.\\'count-1\\'.output.n <= 3',"
		"'depends_on':[{'step':'count-1','on':'always'}]},{'name':'a','type':'command','command':'x','conn"
		"ection':'ssh','timeout':60,'depends_on':[{'step':'more','branch':'true'}]},{'name':'count-1_loop_"
		"again','type':'transform','value':true,'depends_on':[{'step':'a','on':'failure'}]},{'name':'count"
		"-1_loop_result','type':'transform','outputs':{'steps':{'count-1':{'output':'{{ steps.count-1.outp"
		"ut | default(null) }}','status':'{{ steps.count-1.status | default(`skipped`) }}'}}},'trigger_rul"
		"e':'all_done','depends_on':['count-1','more','a','count-1_loop_again']}],'depends_on':[]}]}"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'w','type':'condition.while','data':{'condition':"
		"'{{b.output}} < 3','max_iterations':4}},{'id':'b','type':'action.command','data':{'command':'x'}"
		"},{'id':'e','type':'action.command','data':{'command':'x'}}],'edges':[{'source':'s','target':'w'"
		"},{'source':'w','target':'b','condition':'true'},{'source':'b','target':'w'},{'source':'w','targ"
		"et':'e','condition':'false'}]}",
		"{'steps':[{'name':'w','type':'loop','while':'$.steps.b.output < 3','max_iterations':4,'steps':[{'"
		"name':'b','type':'command','command':'x','connection':'ssh','timeout':60,'depends_on':[]}],'depen"
		"ds_on':[]},{'name':'e','type':'command','command':'x','connection':'ssh','timeout':60,'depends_on"
		"':['w']}]}"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'f','type':'condition.for_each','data':{'items':["
		"1,2]}},{'id':'b','type':'action.command','data':{'command':'{{item}}'}},{'id':'e','type':'action"
		".command','data':{'command':'{{f.output.count}}'}}],'edges':[{'source':'s','target':'f'},{'sourc"
		"e':'f','target':'b','condition':'body'},{'source':'f','target':'e','condition':'done'}]}",
		"{'steps':[{'name':'f','type':'foreach','items':[1,2],'steps':[{'name':'b','type':'command','comma"
		"nd':'{{ item }}','connection':'ssh','timeout':60,'depends_on':[]}],'depends_on':[]},{'name':'e','"
		"type':'command','command':'{{ steps.f.output.count }}','connection':'ssh','timeout':60,'depends_o"
		"n':['f']}]}"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'p','type':'flow.parallel','data':{'max_concurren"
		"t':1,'wait_for_all':false}},{'id':'x','type':'action.command','data':{'command':'x'}},{'id':'y',"
		"'type':'action.command','data':{'command':'x'}},{'id':'j','type':'flow.join'},{'id':'e','type':'"
		"action.command','data':{'command':'x'}}],'edges':[{'source':'s','target':'p'},{'source':'p','tar"
		"get':'x'},{'source':'p','target':'y'},{'source':'x','target':'j'},{'source':'y','target':'j'},{'"
		"source':'j','target':'e'}]}",
		"{'steps':[{'name':'p','type':'parallel','max_concurrent':1,'wait_for_all':false,'steps':[{'name':"
		"'x','type':'command','command':'x','connection':'ssh','timeout':60,'depends_on':[]},{'name':'y','"
		"type':'command','command':'x','connection':'ssh','timeout':60,'depends_on':[]}],'depends_on':[]},"
		"{'name':'j','type':'join','depends_on':['p']},{'name':'e','type':'command','command':'x','connect"
		"ion':'ssh','timeout':60,'depends_on':['j']}]}"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'c','type':'logic.if','data':{'condition':'1 == 1"
		"'}},{'id':'a','type':'action.command','data':{'command':'x'}}],'edges':[{'source':'s','target':'"
		"c'},{'source':'s','target':'a'},{'source':'c','target':'a','condition':'true'}]}",
		"{'steps':[{'name':'c','type':'condition','if':'1 == 1','depends_on':[]},{'name':'s','type':'trans"
		"form','value':true,'depends_on':[]},{'name':'a','type':'command','command':'x','connection':'ssh'"
		",'timeout':60,'depends_on':[{'step':'c','branch':'true'},'s']}]}"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}},{'id':'n','type':'action.notification','data':{'recipients':['r@x.org'],'message':'m','send_on':['f"
		"ailure']}}],'edges':[{'source':'s','target':'a'},{'source':'a','target':'n'}]}",
		"{'steps':[{'name':'a','type':'command','command':'x','connection':'ssh','timeout':60,'depends_on'"
		":[]},{'name':'n','type':'email','to':['r@x.org'],'body':'m','timeout':30,'depends_on':[{'step':'a"
		"','on':'failure'}]}]}"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'check-1','type':'action.command','data':{'comman"
		"d':'x'}},{'id':'is-bad','type':'logic.if','data':{'condition':'{{check-1.output.exit-code}} != 0"
		"'}},{'id':'n','type':'notification.email','data':{'to':'a@x.org','subject':'{{previous_step.result.hos"
		"t}}: {{data.text}}','priority':'{{data.bad ? `high` : `low`}}'}}],'edges':[{'source':'s','target"
		"':'check-1'},{'source':'check-1','target':'is-bad'},{'source':'is-bad','target':'n','condition':"
		"'true'}]}",
		"{'steps':[{'name':'check-1','type':'command','command':'x','connection':'ssh','timeout':60,'depen"
		"ds_on':[]},{'name':'is-bad','type':'condition','if':'$.steps.\\'check-1\\'.output.\\'exit-code\\'"
		" != 0','depends_on':[{'step':'check-1','on':'always'}]},{'name':'n_values','type':'transform','ou"
		"tputs':{'v1':{'sql':'SELECT CASE WHEN coalesce({{ steps.check-1.output.bad | default(null) }}::js"
		"onb, `null`::jsonb) NOT IN (`null`::jsonb, `false`::jsonb, `0`::jsonb, `\\'\\'`::jsonb) THEN to_j"
		"sonb(`high`::text) ELSE to_jsonb(`low`::text) END'}},'depends_on':[{'step':'is-bad','branch':'tru"
		"e'}]},{'name':'n','type':'email','to':['a@x.org'],'subject':'{{ steps.check-1.output.host }}: {{ "
		"steps.check-1.output.text }}','headers':{'Importance':'{{ steps.n_values.output.v1 }}'},'timeout'"
		":30,'depends_on':['n_values']}]}"},
	{"{'blocks':[{'id':'t-1','type':'trigger.schedule','config':{'cron_expression':'0 8 * * MON','time"
		"zone':'UTC'}},{'id':'s-1','type':'flow.start','config':{'trigger_types':['schedule']}},{'id':'ge"
		"t','type':'data.transform','config':{'script':'return input;'}},{'id':'ok','type':'logic.if','co"
		"nfig':{'condition':'{{data.n}} <= {{CONFIG_VARIABLES.MAX}}'}},{'id':'mail','type':'action.notifi"
		"cation','config':{'recipients':['r@x.org'],'subject':'{{data.n}}','message':'{{#each x}}'}},{'id':'e',"
		"'type':'flow.end','config':{'save_result':true,'result_name':'out'}}],'connections':[{'from':{'b"
		"lockId':'t-1','output':'trigger'},'to':{'blockId':'s-1','input':'event_trigger'},'type':'flow'},"
		"{'from':{'blockId':'t-1','output':'event'},'to':{'blockId':'s-1','input':'trigger_data'},'type':"
		"'data'},{'from':{'blockId':'s-1','output':'trigger'},'to':{'blockId':'get','input':'trigger'},'t"
		"ype':'flow'},{'from':{'blockId':'s-1','output':'context'},'to':{'blockId':'get','input':'input_d"
		"ata'},'type':'data'},{'from':{'blockId':'get','output':'success'},'to':{'blockId':'ok','input':'"
		"trigger'},'type':'flow'},{'from':{'blockId':'get','output':'output_data'},'to':{'blockId':'ok','"
		"input':'data'},'type':'data'},{'from':{'blockId':'ok','output':'true'},'to':{'blockId':'mail','i"
		"nput':'trigger'},'type':'flow'},{'from':{'blockId':'get','output':'output_data'},'to':{'blockId'"
		":'mail','input':'message'},'type':'data'},{'from':{'blockId':'mail','output':'success'},'to':{'b"
		"lockId':'e','input':'trigger'},'type':'flow'}],'configuration_variables':{'MAX':{'type':'integer"
		"','default':3,'min':1}}}",
		"{'input':{'type':'object','properties':{'MAX':{'type':'integer','default':3,'minimum':1}}},'metad"
		"ata':{'triggers':[{'node':'t-1','type':'trigger.schedule','config':{'cron_expression':'0 8 * * MO"
		"N','timezone':'UTC'}}]},'steps':[{'name':'get','type':'external','task':'data.transform','languag"
		"e':'javascript','script':'return input;','input':'{{ input }}','depends_on':[]},{'name':'ok','typ"
		"e':'condition','if':'$.steps.get.output.n <= $.input.MAX','depends_on':['get']},{'name':'mail','t"
		"ype':'email','to':['r@x.org'],'subject':'{{ steps.get.output.n }}','body':'{{ steps.get.output }}"
		"','timeout':30,'depends_on':[{'step':'ok','branch':'true'}]},{'name':'e','type':'transform','valu"
		"e':{'status':'success','out':'{{ steps.mail.output | default(null) }}'},'depends_on':['mail']}]}"},
	{"{'format_version':'1.0','jobs':[{'name':'j','description':'d','version':2,'parameters':{'a':{'ty"
		"pe':'number','default':1},'b':'text','c':{'type':'string','required':true}},'nodes':[{'id':'s','"
		"type':'flow.start'},{'id':'x','type':'action.command','data':{'command':'{{a}} {{b}} {{c}}'}}],'"
		"edges':[{'source':'s','target':'x'}]}]}",
		"{'description':'d','input':{'type':'object','properties':{'a':{'type':'number','default':1},'b':{"
		"'default':'text'},'c':{'type':'string'}},'required':['c']},'metadata':{'version':2},'steps':[{'na"
		"me':'x','type':'command','command':'{{ input.a }} {{ input.b }} {{ input.c }}','connection':'ssh'"
		",'timeout':60,'depends_on':[]}]}"},
	{"{'workflow_export':{'format_version':'2.0','metadata':{'name':'j','description':'d','version':'1"
		".2','tags':['t']},'target_variables':{'WEB':{'type':'linux_server'},'SPARE':{'type':'linux_serve"
		"r','optional':true}},'configuration_variables':{'MAIL':{'type':'string','format':'email'}},'work"
		"flow_definition':{'blocks':[{'id':'s','type':'flow.start'},{'id':'x','type':'system.service_chec"
		"k','config':{'target':'{{TARGET_VARIABLES.WEB}}','service_name':'{{CONFIG_VARIABLES.MAIL}}'}}],'"
		"connections':[{'from':{'blockId':'s','output':'trigger'},'to':{'blockId':'x','input':'trigger'},"
		"'type':'flow'}]}}}",
		"{'description':'d','tags':['t'],'input':{'type':'object','properties':{'MAIL':{'type':'string','"
		"format':'email'},'WEB':{},'SPARE':{}},'required':['MAIL','WEB']},'metadata':{'version':'1.2'},'s"
		"teps':[{'name':'x','type':'external','task':'system.service_check','input':{'service_name':'{{ i"
		"nput.MAIL }}'},'target':'{{ input.WEB }}','timeout':60,'depends_on':[]}]}"},
	{"{'name':'j','workflow_definition':{'nodes':[{'id':'s','type':'flow.start'},{'id':'x','type':'act"
		"ion.command','data':{'command':'{{target.hostname}} {{input.v}} {{trigger_info.kind}}'}}],'edges"
		"':[{'source':'s','target':'x'}]},'variables':[{'name':'v','type':'string','required':true,'defau"
		"lt':'d'},{'name':'target_hostname','type':'string','required':true}]}",
		"{'input':{'type':'object','properties':{'v':{'type':'string','default':'d'},'target_hostname':{'t"
		"ype':'string'}},'required':['target_hostname']},'steps':[{'name':'x','type':'command','command':'"
		"{{ input.target_hostname }} {{ input.v }} {{ input.trigger_info.kind }}','connection':'ssh','time"
		"out':60,'depends_on':[]}]}"},
	/* a key of the other spelling beside it means nothing */
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'flow.delay','data':{'delay_seconds':1}}],'edges'"
		":[{'source':'s','target':'a'}],'connections':[]}",
		"{'steps':[{'name':'a','type':'delay','duration':1,'depends_on':[]}]}"},
};

static const struct
{
	const char *input;
	const char *code;
	const char *path;
	const char *message;
}			findings_of[] = {
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}},{'id':'c','type':'logic.if','data':{'condition':'{{a.output}} == 1'}},{'id':'z','type':'actio"
		"n.command','data':{'command':'x'}}],'edges':[{'source':'s','target':'a'},{'source':'a','target':"
		"'c'},{'source':'c','target':'a','condition':'false'},{'source':'c','target':'z','condition':'tru"
		"e'}]}",
		"cycle_detected", "$.nodes[1]",
		"node 'a': the edges go around without bound: a -> c -> a"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}},{'id':'b','type':'action.command','data':{'command':'x'}}],'edges':[{'source':'s','target':'a"
		"'},{'source':'s','target':'b'},{'source':'a','target':'b'},{'source':'b','target':'a','max_itera"
		"tions':2}]}",
		"cycle_detected", "$.nodes[2]",
		"node 'b': the cycle a -> b -> a is entered here and at node 'a'"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}}],'edges':[{'source':'s','target':'aa'}]}",
		"missing_target_step", "$.edges[0].target",
		"edge 1, key 'target': there is no node 'aa'"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}}],'edges':[{'source':'s','target':'a'},{'source':'b','target':'a'}]}",
		"missing_source_step", "$.edges[1].source",
		"edge 2, key 'source': there is no node 'b'"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'s2','type':'flow.start'},{'id':'a','type':'actio"
		"n.command','data':{'command':'x'}}],'edges':[{'source':'s','target':'a'}]}",
		"duplicate_start", "$.nodes[1]",
		"node 's2': a run has one beginning, and node 's' is it already"},
	{"{'nodes':[{'id':'a','type':'action.command','data':{'command':'x'}}],'edges':[]}",
		"missing_start", "$",
		"the definition has no start node"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}},{'id':'a','type':'action.command','data':{'command':'x'}}],'edges':[{'source':'s','target':'a"
		"'}]}",
		"duplicate_step", "$.nodes[2].id",
		"node 'a', key 'id': two nodes have this id"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a b','type':'flow.end'}],'edges':[]}",
		"invalid_name", "$.nodes[1].id",
		"node 'a b', key 'id': this cannot be an id"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'c','type':'logic.if','data':{'condition':'1 == 1"
		"'}},{'id':'a','type':'action.command','data':{'command':'x'}}],'edges':[{'source':'s','target':'"
		"c'},{'source':'c','target':'a','condition':'maybe'}]}",
		"missing_source_output", "$.edges[1]",
		"node 'c', output 'maybe' (edge to 'a'): this decision has no such branch"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'c','type':'action.command','data':{'command':'x'"
		"}},{'id':'a','type':'action.command','data':{'command':'x'}}],'edges':[{'source':'s','target':'c"
		"'},{'source':'c','target':'a','condition':'true'}]}",
		"missing_source_output", "$.edges[1]",
		"node 'c', output 'true' (edge to 'a'): this node takes no decision"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'flow.end','retries':1}],'edges':[{'so"
		"urce':'s','target':'a'}]}",
		"unknown_key", "$.nodes[1].retries",
		"node 'a', key 'retries': a node has no such key"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}}],'edges':[{'source':'s','target':'a','when':1}]}",
		"unknown_key", "$.edges[0].when",
		"an edge has no key 'when'"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}},{'id':'b','type':'action.command','data':{'command':'x'}},{'id':'c','type':'action.command','"
		"data':{'command':'{{previous_step.result}}'}}],'edges':[{'source':'s','target':'a'},{'source':'s"
		"','target':'b'},{'source':'a','target':'c'},{'source':'b','target':'c'}]}",
		"unknown_reference", "$.nodes[3].data.command",
		"node 'c', key 'command': previous_step.result: it could be the result of node 'a' or of node 'b'"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'f','type':'condition.for_each','data':{'items':["
		"1],'loop_body':['b']}},{'id':'b','type':'action.command','data':{'command':'x'}},{'id':'e','type"
		"':'action.command','data':{'command':'{{b.output}}'}}],'edges':[{'source':'s','target':'f'},{'so"
		"urce':'f','target':'e'}]}",
		"unknown_reference", "$.nodes[3].data.command",
		"node 'e', key 'command': b.output: node 'b' runs once for each item of 'f'"},
	{"{'blocks':[{'id':'s','type':'flow.start'},{'id':'a','type':'flow.end'}],'connections':[{'from':{"
		"'blockId':'s','output':'whatever'},'to':{'blockId':'a','input':'trigger'},'type':'flow'}]}",
		"missing_source_output", "$.connections[0]",
		"node 's', output 'whatever' (edge to 'a'): a block has no such flow output"},
	{"{'blocks':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','config':{'command':"
		"'x'}}],'connections':[{'from':{'blockId':'s','output':'trigger'},'to':{'blockId':'a','input':'tr"
		"igger'},'type':'flow'},{'from':{'blockId':'s','output':'context'},'to':{'blockId':'a','input':'c"
		"olour'},'type':'data'}]}",
		"missing_target_input", "$.blocks[1].config.colour",
		"node 'a', key 'colour': a data connection from node 's' leads here, but a node of type 'action.c"
		"ommand' has no such input"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}}],'edges':[{'source':'s','target':'a'}],'parameters':{'x':1},'variables':{'x':2}}",
		"duplicate_key", "$.variables.x",
		"parameter 'x': it is declared twice"},
	{"{'jobs':[{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'com"
		"mand':'x'}}],'edges':[{'source':'s','target':'a'}]},{'nodes':[{'id':'s','type':'flow.start'},{'i"
		"d':'a','type':'action.command','data':{'command':'x'}}],'edges':[{'source':'s','target':'a'}]}]}",
		"schema_error", "$",
		"the envelope holds 2 jobs, and one was expected"},
	{"{'steps':[]}",
		"schema_error", "$",
		"this is no visual definition"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}}],'edges':[{'source':'s','target':'a'}],'parameters':{'x':{'type':'colour'}}}",
		"invalid_value", "$.parameters.x",
		"parameter 'x', key 'type': there is no type 'colour'"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}},{'id':'o','type':'action.command','data':{'command':'x'}}],'edges':[{'source':'s','target':'a"
		"'}]}",
		"unreachable_step", "$.nodes[2]",
		"node 'o': no edge leads here from the start: it never runs"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}},{'id':'c','type':'logic.if','data':{'condition':'{{a.output.n}} <= 3'}},{'id':'z','type':'act"
		"ion.command','data':{'command':'x'}}],'edges':[{'source':'s','target':'a'},{'source':'a','target"
		"':'c'},{'source':'c','target':'a','condition':'true'},{'source':'c','target':'z','condition':'fa"
		"lse'}]}",
		"loop_without_bound", "$.nodes[1]",
		"node 'a': the cycle a -> c -> a has no max_iterations; it ends by the condition of node 'c', or "
		"fails after 100 passes"},
	{"{'nodes':[{'id':'s','type':'flow.start','data':{'trigger_type':'scheduled'}},{'id':'a','type':'a"
		"ction.command','data':{'command':'x'}}],'edges':[{'source':'s','target':'a'}]}",
		"trigger_not_started", "$.nodes[0]",
		"node 's': what starts runs is kept under metadata.triggers, and starts none by itself"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'action.command','data':{'command':'x'"
		"}}],'edges':[{'source':'s','target':'a'}],'colour':'red'}",
		"unknown_key", "$.colour",
		"the key 'colour' means nothing here: it is kept in the original only"},
	{"{'nodes':[{'id':'s','type':'flow.start'},{'id':'a','type':'notification.email','data':{'to':'a@x.org'"
		",'subject':'s','template':'t'}}],'edges':[{'source':'s','target':'a'}]}",
		"ignored_key", "$.nodes[1].data.template",
		"node 'a', key 'template': there are no templates of mails here: 't' is not looked for"},
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

static void
test_graphs(void)
{
	for (int i = 0; i < (int) lengthof(graphs); i++)
	{
		char	   *text = unquote(graphs[i].input);
		JoFindings	findings;
		char	   *native;
		char	   *error;
		cJSON	   *root = jo_json_parse(text, strlen(text), &error);

		CHECK(root != NULL && jo_visual_is(root));
		jo_json_free(root);
		memset(&findings, 0, sizeof(findings));
		native = jo_visual_translate(text, strlen(text), &findings);
		CHECK_INT(findings.nerrors, 0);
		CHECK_TEXT(native, unquote(graphs[i].output));
		if (native == NULL)
			continue;
		memset(&findings, 0, sizeof(findings));
		jo_definition_parse(native, strlen(native), &unit_hooks, &findings);
		for (int k = 0; k < findings.n; k++)
			unit_check(findings.list[k].severity == JO_SEVERITY_WARNING, __FILE__, __LINE__, "%s: %s %s %s",
					   graphs[i].input, findings.list[k].code, findings.list[k].path, findings.list[k].message);
	}
}

static void
test_findings_of(void)
{
	for (int i = 0; i < (int) lengthof(findings_of); i++)
	{
		char	   *text = unquote(findings_of[i].input);
		const JoFinding *found;
		JoFindings	findings;
		char	   *native;

		memset(&findings, 0, sizeof(findings));
		native = jo_visual_translate(text, strlen(text), &findings);
		CHECK((native == NULL) == (findings.nerrors > 0));
		found = unit_find(&findings, findings_of[i].code, findings_of[i].path);
		CHECK_TEXT(found ? found->message : NULL, unquote(findings_of[i].message));
	}
}

/* The hook of whoever takes definitions of both forms. */
static void
test_either_form(void)
{
	static const char *const native[] = {
		"{\"steps\":[]}", "{\"nodes\"", "", "[\"nodes\",\"edges\"]",
		"{\"steps\":[{\"name\":\"a\",\"sql\":\"SELECT 1\"}],\"metadata\":{\"nodes\":[],\"edges\":[]}}"
	};
	JoFindings	findings;

	memset(&findings, 0, sizeof(findings));
	for (int i = 0; i < (int) lengthof(native); i++)
		CHECK(jo_visual_to_native(native[i], &findings) == native[i]);
	CHECK_INT(findings.n, 0);
	CHECK_TEXT(jo_visual_to_native(unquote(graphs[0].input), &findings), unquote(graphs[0].output));
	CHECK(jo_visual_to_native(unquote(findings_of[0].input), &findings) == NULL);
	CHECK_INT(findings.nerrors, 1);
}

/* Costs grow with the nodes, not with their square: else this would not end. */
static void
test_large_graph(void)
{
	StringInfoData buf;
	JoFindings	findings;
	JoDefinition *definition;
	char	   *native;

	initStringInfo(&buf);
	appendStringInfoString(&buf, "{'nodes':[{'id':'s','type':'flow.start'}");
	for (int i = 0; i < 900; i++)
		appendStringInfo(&buf, ",{'id':'n%d','type':'log.write','data':{'message':'x'}}", i);
	appendStringInfoString(&buf, "],'edges':[{'source':'s','target':'n0'}");
	for (int i = 1; i < 900; i++)
		for (int k = Max(0, i - 5); k < i; k++)
			appendStringInfo(&buf, ",{'source':'n%d','target':'n%d'}", k, i);
	appendStringInfoString(&buf, "]}");
	memset(&findings, 0, sizeof(findings));
	native = jo_visual_translate(unquote(buf.data), buf.len, &findings);
	CHECK_INT(findings.n, 0);
	CHECK(native != NULL);
	definition = native ? jo_definition_parse(native, strlen(native), &unit_hooks, &findings) : NULL;
	CHECK(definition != NULL && definition->nsteps == 900);
}

void
test_visual_graphs(void)
{
	test_graphs();
	test_findings_of();
	test_either_form();
	test_large_graph();
}
