/*
 * defdata.c
 *		The keys of steps that compute: transform, validate, aggregate, filter, set,
 *		notify.
 *
 * A leaf.
 */
#include "defparse.h"

#include <string.h>

/* Longest name of a channel, as the server has it. */
#define LONGEST_CHANNEL 63

static JoDataDef *
make_data(JoStepDef *step)
{
	step->data = palloc0(sizeof(JoDataDef));
	step->data->fail_on_error = true;
	return step->data;
}

/* An object whose members are named; false after a finding. */
static bool
check_named(JoDefReader *reader, const cJSON *json, const JoPath *path, const char *what)
{
	if (!jo_def_object(reader, json, path))
		return false;
	if (json->child != NULL)
		return true;
	jo_def_report(reader, "empty_value", path, NULL, "%s has no members", what);
	return false;
}

static const char *
check_member_name(JoDefReader *reader, const cJSON *member, const JoPath *path)
{
	if (*member->string == '\0' || strlen(member->string) > JO_MAX_NAME)
		jo_def_report(reader, "invalid_name", path, NULL,
					  "\"%s\" is no name: it must have from 1 to %d bytes",
					  jo_words_show(member->string), JO_MAX_NAME);
	return member->string;
}

/* transform's "outputs", and "vars" of set, whose values are no expressions. */
static void
read_outputs(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step, bool expressions)
{
	JoDataDef  *data = step->data;
	const cJSON *child;

	data->outputs = palloc0((cJSON_GetArraySize(json) + 1) * sizeof(JoNamedExpression));
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, child->string, 0};
		JoNamedExpression *output = &data->outputs[data->noutputs++];

		output->name = pstrdup(check_member_name(reader, child, &at));
		if (expressions)
			jo_def_read_expression(reader, child, &at, step, &output->expression);
		else
			output->expression.value = jo_def_read_template(reader, child, &at, 0);
	}
}

void
jo_def_read_transform(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	static const char *const forms[] = {"sql", "path", "outputs", "value"};
	JoDataDef  *data = make_data(step);
	const cJSON *member;
	JoPath		at;
	int			nforms = 0;

	for (int i = 0; i < (int) lengthof(forms); i++)
		nforms += (cJSON_GetObjectItemCaseSensitive(json, forms[i]) != NULL);
	if (nforms != 1)
	{
		jo_def_report(reader, nforms == 0 ? "missing_key" : "invalid_value", path, NULL,
					  "a transform step has exactly one of \"sql\", \"path\", \"outputs\" and \"value\"");
		return;
	}
	if ((member = jo_def_get(json, path, "sql", &at)) != NULL)
	{
		data->value.sql = jo_def_read_query(reader, member, &at, 0);
		data->value.plan = jo_def_next_plan(step);
	}
	if ((member = jo_def_get(json, path, "path", &at)) != NULL)
		data->value.path = jo_def_read_path(reader, member, &at, &data->value.refs, 0);
	if ((member = jo_def_get(json, path, "many", &at)) != NULL &&
		jo_def_bool(reader, member, &at, &data->value.many) && data->value.path == NULL)
		jo_def_report(reader, "invalid_value", &at, NULL, "\"many\" belongs to \"path\"");
	if ((member = jo_def_get(json, path, "outputs", &at)) != NULL &&
		check_named(reader, member, &at, "\"outputs\""))
		read_outputs(reader, member, &at, step, true);
	if ((member = jo_def_get(json, path, "value", &at)) != NULL)
		data->value.value = jo_def_read_template(reader, member, &at, 0);
}

static void
read_rule(JoDefReader *reader, const cJSON *json, const JoPath *path, JoRule *rule)
{
	static const char *const keys[] = {"rule", "message", NULL};
	const cJSON *member = json;
	const char *message;
	JoPath		at = *path;

	if (cJSON_IsObject(json))
	{
		jo_def_check_keys(reader, json, path, "a rule", keys, NULL);
		if ((member = jo_def_get(json, path, "message", &at)) != NULL &&
			(message = jo_def_string(reader, member, &at)) != NULL)
			rule->message = pstrdup(message);
		member = jo_def_get(json, path, "rule", &at);
	}
	if (member == NULL)
		jo_def_report(reader, "missing_key", path, "Write \"rule\": \"$.value.price > 0\".",
					  "the rule has no \"rule\"");
	else
		rule->path = jo_def_read_path(reader, member, &at, &rule->refs, 0);
}

static void
read_rules(JoDefReader *reader, const cJSON *json, const JoPath *path, JoDataDef *data)
{
	const cJSON *child;

	if (!cJSON_IsArray(json) || json->child == NULL)
	{
		jo_def_report(reader, "schema_error", path, "Write [{\"rule\": \"$.value.price > 0\", \"message\": \"...\"}].",
					  "an array of rules was expected");
		return;
	}
	data->rules = palloc0(cJSON_GetArraySize(json) * sizeof(JoRule));
	reader->scope.value = true;
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, NULL, data->nrules};

		read_rule(reader, child, &at, &data->rules[data->nrules++]);
	}
	reader->scope.value = false;
}

void
jo_def_read_validate(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoDataDef  *data = make_data(step);
	const cJSON *member;
	JoPath		at;

	if ((member = jo_def_get(json, path, "value", &at)) != NULL)
		data->value.value = jo_def_read_template(reader, member, &at, 0);
	else
		data->value.value = jo_def_previous_output(reader, &at);
	if ((member = jo_def_get(json, path, "schema", &at)) != NULL)
	{
		jo_def_refuse_templates(reader, member, &at, "a schema");
		jo_def_read_schema(reader, member, &at);
		data->schema = jo_json_print(member);
	}
	if ((member = jo_def_get(json, path, "rules", &at)) != NULL)
		read_rules(reader, member, &at, data);
	else if (data->schema == NULL)
		jo_def_report(reader, "missing_key", path, "Write \"schema\": {...} or \"rules\": [...].",
					  "the step has nothing to validate by");
	if ((member = jo_def_get(json, path, "fail_on_error", &at)) != NULL)
		jo_def_bool(reader, member, &at, &data->fail_on_error);
}

/* "items" of aggregate and filter. */
static void
read_items(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoPath		at;
	const cJSON *member = jo_def_get(json, path, "items", &at);

	if (member != NULL)
		jo_def_read_items(reader, member, &at, step, &step->data->value);
	else
		jo_def_report(reader, "missing_key", path, "Write \"items\": \"{{ steps.list.output }}\".",
					  "the step has no \"items\"");
}

static void
read_groups(JoDefReader *reader, const cJSON *json, const JoPath *path, JoDataDef *data)
{
	const cJSON *child;

	if (!cJSON_IsArray(json))
	{
		data->groups = palloc0(sizeof(char *));
		data->groups[0] = jo_def_read_item_path(reader, json, path);
		data->ngroups = 1;
		return;
	}
	data->groups = palloc0((cJSON_GetArraySize(json) + 1) * sizeof(char *));
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, NULL, data->ngroups};

		data->groups[data->ngroups++] = jo_def_read_item_path(reader, child, &at);
	}
}

static void
read_aggregate(JoDefReader *reader, const cJSON *json, const JoPath *path, JoAggregate *aggregate)
{
	static const char *const keys[] = {"op", "path", NULL};
	static const char *const ops[] = {"count", "sum", "min", "max", "avg", NULL};
	const cJSON *member;
	JoPath		at;
	int			word;

	if (!jo_def_object(reader, json, path))
		return;
	jo_def_check_keys(reader, json, path, "an aggregate", keys, NULL);
	if ((member = jo_def_get(json, path, "op", &at)) == NULL)
		jo_def_report(reader, "missing_key", path, "Write \"op\": \"count\".", "the aggregate has no \"op\"");
	else if (jo_def_word(reader, member, &at, ops, &word))
		aggregate->op = word;
	if ((member = jo_def_get(json, path, "path", &at)) != NULL)
		aggregate->path = jo_def_read_item_path(reader, member, &at);
}

void
jo_def_read_aggregate(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoDataDef  *data = make_data(step);
	const cJSON *member;
	const cJSON *child;
	JoPath		at;

	read_items(reader, json, path, step);
	if ((member = jo_def_get(json, path, "group_by", &at)) != NULL)
		read_groups(reader, member, &at, data);
	if ((member = jo_def_get(json, path, "aggregates", &at)) == NULL)
	{
		jo_def_report(reader, "missing_key", path,
					  "Write \"aggregates\": {\"total\": {\"op\": \"sum\", \"path\": \"$.price\"}}.",
					  "the step has no \"aggregates\"");
		return;
	}
	if (!check_named(reader, member, &at, "\"aggregates\""))
		return;
	data->aggregates = palloc0(cJSON_GetArraySize(member) * sizeof(JoAggregate));
	cJSON_ArrayForEach(child, member)
	{
		JoPath		one = {&at, child->string, 0};
		JoAggregate *aggregate = &data->aggregates[data->naggregates++];

		aggregate->name = pstrdup(check_member_name(reader, child, &one));
		read_aggregate(reader, child, &one, aggregate);
	}
}

void
jo_def_read_filter(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoDataDef  *data = make_data(step);
	const cJSON *member;
	JoPath		at;

	read_items(reader, json, path, step);
	if ((member = jo_def_get(json, path, "where", &at)) == NULL)
		jo_def_report(reader, "missing_condition", path, "Write \"where\": \"$.item.price > 10\".",
					  "the filter has no \"where\"");
	else
		data->where.path = jo_def_read_path(reader, member, &at, &data->where.refs, JO_READS_ITEM);
}

void
jo_def_read_set(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	const cJSON *member;
	JoPath		at;

	make_data(step);
	if ((member = jo_def_get(json, path, "vars", &at)) == NULL)
		jo_def_report(reader, "missing_key", path, "Write \"vars\": {\"name\": \"{{ ... }}\"}.",
					  "the step has no \"vars\"");
	else if (check_named(reader, member, &at, "\"vars\""))
		read_outputs(reader, member, &at, step, false);
}

void
jo_def_read_notify(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoDataDef  *data = make_data(step);
	const cJSON *member;
	JoPath		at;

	if ((member = jo_def_get(json, path, "channel", &at)) == NULL)
		jo_def_report(reader, "missing_key", path, "Write \"channel\": \"name\".", "the step has no \"channel\"");
	else
	{
		data->channel = jo_def_read_template_text(reader, member, &at);
		if (data->channel != NULL && data->channel->kind == JO_VALUE_LITERAL &&
			strlen(member->valuestring) > LONGEST_CHANNEL)
			jo_def_report(reader, "limit_exceeded", &at, NULL, "a channel's name has at most %d bytes",
						  LONGEST_CHANNEL);
	}
	if ((member = jo_def_get(json, path, "payload", &at)) != NULL)
		data->value.value = jo_def_read_template(reader, member, &at, 0);
}
