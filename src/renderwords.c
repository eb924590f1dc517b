/*
 * renderwords.c
 *		A step in words: what is special about it, for people who read graphs.
 *
 * A leaf.
 */
#include "renderparts.h"

#include <string.h>

#include "json.h"
#include "words.h"

/* Phrases of one step. */
typedef struct Phrases
{
	int			n;
	char	  **list;
} Phrases;

static void
add_phrase(Phrases *phrases, char *phrase)
{
	if (phrases->n < JO_MAX_PHRASES)
		phrases->list[phrases->n++] = phrase;
}

/* "5 min": the largest unit that divides it. */
static char *
format_duration(int64 microseconds)
{
	static const struct
	{
		int64		size;
		const char *name;
	}			units[] = {
		{INT64CONST(86400000000), "d"},
		{INT64CONST(3600000000), "h"},
		{INT64CONST(60000000), "min"},
		{INT64CONST(1000000), "s"},
		{INT64CONST(1000), "ms"},
	};

	for (int i = 0; i < (int) lengthof(units); i++)
		if (microseconds >= units[i].size && microseconds % units[i].size == 0)
			return psprintf(INT64_FORMAT " %s", microseconds / units[i].size, units[i].name);
	return psprintf(INT64_FORMAT " us", microseconds);
}

/* One line of a text, blanks for what would break it. */
static char *
flatten(const char *text)
{
	char	   *line = jo_words_show(text);

	for (char *p = line; *p != '\0'; p++)
		if ((unsigned char) *p < 0x20)
			*p = ' ';
	return line;
}

/* A text with its templates as they were written, as far as it is shown. */
static char *
show_text(const JoSqlText *text)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i <= text->ntemplates && buf.len < 200; i++)
	{
		appendStringInfoString(&buf, jo_words_show(text->pieces[i]));
		if (i < text->ntemplates)
			appendStringInfoString(&buf, jo_words_show(text->templates[i].source));
	}
	return flatten(buf.data);
}

static char *
show_value(const JoValue *value)
{
	if (value == NULL)
		return pstrdup("");
	switch (value->kind)
	{
		case JO_VALUE_LITERAL:
			return flatten(value->json);
		case JO_VALUE_TEMPLATE:
		case JO_VALUE_TEXT:
			return show_text(value->text);
		case JO_VALUE_OBJECT:
			return pstrdup("{...}");
		default:
			return pstrdup("[...]");
	}
}

static char *
show_condition(const JoCondition *condition)
{
	if (condition->sql != NULL)
		return psprintf("SQL %s", show_text(condition->sql));
	return flatten(condition->path ? condition->path : "");
}

static char *
show_expression(const JoExpression *expression)
{
	if (expression->sql != NULL)
		return psprintf("SQL %s", show_text(expression->sql));
	return expression->path ? flatten(expression->path) : show_value(expression->value);
}

static bool
is_given(const JoCondition *condition)
{
	return condition->path != NULL || condition->sql != NULL;
}

/* "a, b, c", cut where it gets long. */
static char *
show_names(char **names, int n)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
	{
		if (buf.len > 60)
		{
			appendStringInfo(&buf, " and %d more", n - i);
			break;
		}
		appendStringInfo(&buf, "%s%s", i > 0 ? ", " : "", flatten(names[i]));
	}
	return buf.data;
}

static void
describe_flow(Phrases *phrases, const JoStepDef *step)
{
	static const char *const ends[] = {"success", "failure", "failure if a step failed"};
	const JoFlowDef *flow = step->flow;

	if (step->type == JO_STEP_CONDITION)
		add_phrase(phrases, psprintf("if %s", show_condition(&flow->branches[0].condition)));
	else if (step->type == JO_STEP_SWITCH && flow->value.value != NULL)
		add_phrase(phrases, psprintf("of %s", show_value(flow->value.value)));
	else if (step->type == JO_STEP_RACE)
		add_phrase(phrases, pstrdup("the first to complete wins, the others are cancelled"));
	else if (step->type == JO_STEP_PARALLEL && flow->enough > 0)
		add_phrase(phrases, pstrdup("over when the first completes, the others go on"));
	else if (step->type == JO_STEP_JOIN && flow->enough > 0)
		add_phrase(phrases, psprintf("when %d of %d completed", flow->enough, step->ndeps));
	else if (step->type == JO_STEP_END)
		add_phrase(phrases, psprintf("%s%s%s", ends[flow->end], flow->message ? ": " : "",
									 show_value(flow->message)));
	if (flow->max_concurrent > 0)
		add_phrase(phrases, psprintf("at most %d at a time", flow->max_concurrent));
}

/* The cases of a switch without steps in it. */
static void
describe_cases(Phrases *phrases, const JoStepDef *step)
{
	const JoFlowDef *flow = step->flow;

	if (step->type != JO_STEP_SWITCH || step->part != JO_PART_WHOLE)
		return;
	for (int b = 0; b < flow->nbranches && b < 5; b++)
		add_phrase(phrases, jo_render_branch(flow, b));
	if (flow->nbranches > 5)
		add_phrase(phrases, psprintf("and %d more", flow->nbranches - 5));
}

static void
describe_data(Phrases *phrases, const JoStepDef *step)
{
	const JoDataDef *data = step->data;
	char	  **names = palloc((data->noutputs + data->naggregates + 1) * sizeof(char *));
	int			n = 0;

	for (int i = 0; i < data->noutputs; i++)
		names[n++] = data->outputs[i].name;
	for (int i = 0; i < data->naggregates; i++)
		names[n++] = data->aggregates[i].name;
	if (step->type == JO_STEP_NOTIFY)
		add_phrase(phrases, psprintf("channel %s", show_value(data->channel)));
	else if (n > 0)
		add_phrase(phrases, psprintf(step->type == JO_STEP_SET ? "sets %s" : "gives %s", show_names(names, n)));
	else
		add_phrase(phrases, psprintf("of %s", show_expression(&data->value)));
	if (data->ngroups > 0)
		add_phrase(phrases, psprintf("by %s", show_names(data->groups, data->ngroups)));
	if (is_given(&data->where))
		add_phrase(phrases, psprintf("where %s", show_condition(&data->where)));
	if (data->schema != NULL)
		add_phrase(phrases, pstrdup("by a schema"));
	if (data->nrules > 0)
		add_phrase(phrases, psprintf("by %d rule%s", data->nrules, data->nrules > 1 ? "s" : ""));
	if (!data->fail_on_error)
		add_phrase(phrases, pstrdup("errors are only listed"));
}

static void
describe_each(Phrases *phrases, const JoEachDef *each)
{
	add_phrase(phrases, psprintf("for each %s of %s", each->as ? each->as : "item",
								 show_expression(&each->items)));
	if (each->max_parallel > 0)
		add_phrase(phrases, psprintf("at most %d at a time", each->max_parallel));
	if (each->go_on && each->max_failed >= 0)
		add_phrase(phrases, psprintf("at most %d may fail", each->max_failed));
	else if (each->go_on)
		add_phrase(phrases, pstrdup("items may fail"));
}

static void
describe_child(Phrases *phrases, const JoStepDef *step)
{
	const JoChildDef *child = step->child;

	if (child->job != NULL)
		add_phrase(phrases, psprintf("job %s", show_value(child->job)));
	if (!child->wait)
		add_phrase(phrases, pstrdup("its end is not waited for"));
	if (step->type != JO_STEP_LOOP)
		return;
	if (is_given(&child->while_true))
		add_phrase(phrases, psprintf("while %s", show_condition(&child->while_true)));
	if (is_given(&child->until))
		add_phrase(phrases, psprintf("until %s", show_condition(&child->until)));
	if (is_given(&child->break_if))
		add_phrase(phrases, psprintf("break if %s", show_condition(&child->break_if)));
	add_phrase(phrases, psprintf("at most %d times%s", child->max_iterations,
								 child->max_is_error ? ", then it fails" : ""));
	if (child->delay > 0)
		add_phrase(phrases, psprintf("%s between", format_duration(child->delay)));
}

static void
describe_wait(Phrases *phrases, const JoStepDef *step)
{
	static const char *const outcomes[] = {"fail", "skip", "continue", "reject"};
	const JoWaitDef *wait = step->wait;

	if (wait->duration > 0)
		add_phrase(phrases, psprintf("for %s", format_duration(wait->duration)));
	if (wait->until != NULL)
		add_phrase(phrases, psprintf("until %s", show_value(wait->until)));
	if (wait->signal != NULL)
		add_phrase(phrases, psprintf("signal %s", show_value(wait->signal)));
	if (is_given(&wait->condition))
		add_phrase(phrases, psprintf("until %s", show_condition(&wait->condition)));
	if (wait->lsn != NULL)
		add_phrase(phrases, psprintf("until replicas have %s", show_value(wait->lsn)));
	if (wait->lock_key != NULL)
		add_phrase(phrases, psprintf("until lock %s is free", show_value(wait->lock_key)));
	if (wait->interval > 0)
		add_phrase(phrases, psprintf("every %s", format_duration(wait->interval)));
	if (wait->napprovers > 0)
		add_phrase(phrases, psprintf("by %s", show_names(wait->approvers, wait->napprovers)));
	if (wait->on_timeout != JO_ON_TIMEOUT_FAIL)
		add_phrase(phrases, psprintf("on timeout %s", outcomes[wait->on_timeout]));
	if (wait->on_reject != JO_ON_TIMEOUT_FAIL)
		add_phrase(phrases, psprintf("on reject %s", outcomes[wait->on_reject]));
}

static const JoValue *
find_parameter(const JoOutsideDef *outside, const char *key)
{
	for (int i = 0; i < outside->parameters->n; i++)
		if (strcmp(outside->parameters->keys[i], key) == 0)
			return &outside->parameters->values[i];
	return NULL;
}

/* One JSON value as people read it: a text without its quotes. */
static char *
show_json(const cJSON *json)
{
	return flatten(cJSON_IsString(json) ? json->valuestring : jo_json_print(json));
}

/* The first so many elements of an array; a value that is none stands for an array of one. */
static char *
show_elements(const JoValue *value, int max)
{
	char	   *error;
	cJSON	   *json = NULL;
	const cJSON *child;
	char	  **texts;
	char	   *shown;
	int			n = 0;

	if (value->kind == JO_VALUE_LITERAL)
		json = jo_json_parse(value->json, strlen(value->json), &error);
	texts = palloc((max + value->n + 1) * sizeof(char *));
	if (cJSON_IsArray(json))
		for (child = json->child; child != NULL && n < max; child = child->next)
			texts[n++] = show_json(child);
	else if (value->kind == JO_VALUE_ARRAY)
		for (; n < value->n && n < max; n++)
			texts[n] = show_elements(&value->values[n], 1);
	else
		texts[n++] = json ? show_json(json) : show_value(value);
	shown = n == 1 ? texts[0] : show_names(texts, n);
	jo_json_free(json);
	return shown;
}

/* NULL: the step says nothing of it. */
static char *
show_parameter(const JoOutsideDef *outside, const char *key)
{
	const JoValue *value = find_parameter(outside, key);

	return value ? show_elements(value, 20) : NULL;
}

/* Without what may be long or nobody's business. */
static char *
show_url(const JoOutsideDef *outside, const char *key)
{
	char	   *url = show_parameter(outside, key);

	return url ? pnstrdup(url, strcspn(url, "?#")) : pstrdup("");
}

static char *
show_method(const JoOutsideDef *outside)
{
	static const char *const bodies[] = {"body", "json", "form", "multipart", "body_base64", "artifact", NULL};
	char	   *method = show_parameter(outside, "method");

	if (method != NULL)
		return method;
	for (int i = 0; bodies[i] != NULL; i++)
		if (find_parameter(outside, bodies[i]) != NULL)
			return pstrdup("POST");
	return pstrdup(outside->kind == JO_OUTSIDE_WEBHOOK ? "POST" : "GET");
}

/* What is sent or fetched, and where it is here. */
static char *
show_transfer(const JoOutsideDef *outside)
{
	char	   *file = show_parameter(outside, "file");
	char	   *artifact = show_parameter(outside, "artifact");
	char	   *action = show_parameter(outside, "action");

	return psprintf("%s %s%s%s", action ? action : "", show_url(outside, "url"),
					file ? ", file " : artifact ? ", artifact " : "", file ? file : artifact ? artifact : "");
}

/* That by which people know work for others. */
static void
describe_external(Phrases *phrases, const JoOutsideDef *outside)
{
	static const char *const telling[] = {"url", "command", "task", "operation", "to", "target", "queue", NULL};
	const JoValue *parameters = outside->parameters;

	for (int i = 0; i < parameters->n; i++)
		if (jo_words_find(parameters->keys[i], telling) >= 0)
			add_phrase(phrases, psprintf("%s %s", parameters->keys[i], show_elements(&parameters->values[i], 20)));
}

static void
describe_outside(Phrases *phrases, const JoOutsideDef *outside)
{
	const JoValue *command;
	char	   *text;

	switch (outside->kind)
	{
		case JO_OUTSIDE_HTTP:
		case JO_OUTSIDE_WEBHOOK:
			add_phrase(phrases, psprintf("%s %s", show_method(outside), show_url(outside, "url")));
			if (is_given(&outside->success))
				add_phrase(phrases, psprintf("success if %s", show_condition(&outside->success)));
			if (outside->callback)
				add_phrase(phrases, pstrdup("202: completed later"));
			break;
		case JO_OUTSIDE_FILE_TRANSFER:
			add_phrase(phrases, show_transfer(outside));
			break;
		case JO_OUTSIDE_EMAIL:
			text = show_parameter(outside, "to");
			add_phrase(phrases, psprintf("to %s", text ? text : ""));
			if ((text = show_parameter(outside, "subject")) != NULL)
				add_phrase(phrases, psprintf("subject %s", text));
			break;
		case JO_OUTSIDE_COMMAND:
			/* the program; its arguments may be many */
			command = find_parameter(outside, "command");
			add_phrase(phrases, psprintf("command %s", command ? show_elements(command, 1) : ""));
			break;
		case JO_OUTSIDE_SCRIPT:
			text = show_parameter(outside, "interpreter");
			add_phrase(phrases, psprintf("by %s", text ? text : "/bin/sh"));
			break;
		case JO_OUTSIDE_ARTIFACT:
			text = show_parameter(outside, "name");
			text = text ? text : show_parameter(outside, "artifact");
			add_phrase(phrases, psprintf("%s%s%s", show_parameter(outside, "action"), text ? " " : "", text ? text : ""));
			break;
		case JO_OUTSIDE_EXTERNAL:
			describe_external(phrases, outside);
			break;
	}
}

static char *
describe_retry(const JoRetry *retry)
{
	if (!retry->exponential)
		return psprintf("%d attempts, %s apart", retry->max_attempts, format_duration(retry->initial));
	return psprintf("%d attempts, %s to %s apart", retry->max_attempts,
					format_duration(retry->initial), format_duration(retry->max));
}

/* What its parts do; of a step in parts, each from the part that does it. */
static void
describe_work(Phrases *phrases, const JoStepDef *start, const JoStepDef *work)
{
	if (start->rule != JO_RULE_ALL_SUCCESS)
		add_phrase(phrases, psprintf("rule %s", jo_trigger_rule_name(start->rule)));
	if (is_given(&start->when))
		add_phrase(phrases, psprintf("when %s", show_condition(&start->when)));
	if (start->each != NULL)
		describe_each(phrases, start->each);
	if (start->flow != NULL)
	{
		describe_flow(phrases, start);
		describe_cases(phrases, start);
	}
	if (work->data != NULL)
		describe_data(phrases, work);
	if (work->child != NULL)
		describe_child(phrases, work);
	if (work->wait != NULL)
		describe_wait(phrases, work);
	if (work->outside != NULL)
		describe_outside(phrases, work->outside);
	if (work->retry.max_attempts > 1)
		add_phrase(phrases, describe_retry(&work->retry));
	if (work->timeout > 0 && start->flow == NULL)
		add_phrase(phrases, psprintf("timeout %s", format_duration(work->timeout)));
}

int
jo_render_phrases(const JoRender *render, const JoStepDef *step, char **list)
{
	static const char *const on_error_words[] = {"fail", "stop", "continue"};
	static const char *const transaction_words[] = {"auto", "step", "none"};
	const JoStepDef *start = jo_render_start(render, step);
	const JoStepDef *work = start->each != NULL ? &render->definition->steps[start->index + 1] : start;
	Phrases		phrases = {0, list};

	if (step->compensates >= 0)
		add_phrase(&phrases, psprintf("undoes %s", render->definition->steps[step->compensates].shown));
	describe_work(&phrases, start, work);
	/* whoever has a step for its failure goes on, without having said so */
	if (step->on_error != JO_ON_ERROR_FAIL && !render->handled[step->index])
		add_phrase(&phrases, psprintf("on error %s", on_error_words[step->on_error]));
	if (work->transaction != JO_TRANSACTION_AUTO)
		add_phrase(&phrases, psprintf("transaction %s", transaction_words[work->transaction]));
	if (step->run_as != NULL)
		add_phrase(&phrases, psprintf("as %s", step->run_as));
	if (work->cache != NULL)
		add_phrase(&phrases, psprintf("kept for %s by %s", format_duration(work->cache->ttl),
									  show_value(work->cache->key)));
	if (work->concurrency != NULL)
		add_phrase(&phrases, psprintf("at most %d with the same %s", work->concurrency->limit,
									  show_value(work->concurrency->key)));
	return phrases.n;
}

char *
jo_render_branch(const JoFlowDef *flow, int branch)
{
	const JoBranch *b = &flow->branches[branch];

	if (b->equals != NULL)
		return psprintf("%s = %s", flatten(b->label), show_value(b->equals));
	if (is_given(&b->condition) && strcmp(b->label, "true") != 0)
		return psprintf("%s if %s", flatten(b->label), show_condition(&b->condition));
	return flatten(b->label);
}

const char *
jo_render_edge(const JoRender *render, const JoStepDef *step, int dep)
{
	const JoStepDef *parent = &render->definition->steps[step->deps[dep]];

	switch (step->dep_on[dep])
	{
		case JO_EDGE_FAILURE:
			return "failure";
		case JO_EDGE_DONE:
			return "always";
		case JO_EDGE_BRANCH:
			return parent->flow->branches[step->dep_branch[dep]].label;
		default:
			return NULL;
	}
}
