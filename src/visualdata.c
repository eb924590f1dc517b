/*
 * visualdata.c
 *		Nodes that work on data: transform, validate, aggregate, filter, log.
 *
 * A leaf.  Scripts in other languages are for programs that claim them; what the
 * database can say itself becomes a data step.
 */
#include "visualparse.h"

#include <string.h>

static const char *const input_names[] = {"input_data", "input", "data", "items", NULL};
static const char *const script_names[] = {
	"transformation_script", "script", "code", "expression", "transformation", NULL
};
static const char *const languages[] = {
	"python", "javascript", "js", "node", "jq", "sql", "jsonpath", "bash", "shell", NULL
};

static void
finish_step(JoVisual *visual, JoVisualNode *node, StringInfo keys)
{
	jo_visual_copy_common(visual, node, keys);
	jo_visual_copy_metadata(visual, node, NULL, keys);
	jo_visual_add_step(visual, node, keys->data);
}

/* What the node works on: a connection, a parameter, else the result of the node before it. */
static char *
read_input(JoVisual *visual, JoVisualNode *node)
{
	char	   *value = jo_visual_value_of(visual, node, input_names);
	JoVisualPlace place;
	JoPath		path;
	JoVisualData data;
	char	   *message;
	int			previous;

	if (value != NULL || cJSON_GetObjectItemCaseSensitive(node->config, "input_data") != NULL)
		return value;
	previous = jo_visual_previous(visual, node, &message);
	if (previous < 0)
		return NULL;
	memset(&data, 0, sizeof(data));
	data.from = previous;
	data.output = "output";
	jo_visual_place(visual, node, "input_data", &place, &path);
	value = jo_visual_data_template(&place, &data);
	return value ? jo_visual_string(psprintf("{{ %s }}", value)) : NULL;
}

static char *
require_input(JoVisual *visual, JoVisualNode *node)
{
	int			errors_before = visual->reader.findings->nerrors;
	char	   *value = read_input(visual, node);

	if (value == NULL && visual->reader.findings->nerrors == errors_before)
		jo_visual_report(visual, node, "missing_key", "input_data", NULL,
						 "nothing says what the node works on, and no single step comes before it");
	return value ? value : pstrdup("null");
}

/* ---- transform ---- */

/* Adds a member to an object under construction; objects of variables become variables. */
static void
add_variable(StringInfo buf, const char *name, const char *value)
{
	appendStringInfo(buf, "%s%s:%s", buf->len > 0 ? "," : "", jo_visual_string(name), value);
}

/* Outputs of nodes that a script names as steps.<id>, for who runs it. */
static void
add_named_steps(JoVisual *visual, JoVisualNode *node, const char *script, StringInfo buf)
{
	StringInfoData steps;
	JoVisualPlace place;
	JoPath		path;

	initStringInfo(&steps);
	jo_visual_place(visual, node, "script", &place, &path);
	for (int i = 0; i < visual->nnodes; i++)
	{
		const JoVisualNode *other = &visual->nodes[i];
		JoVisualData data;
		const char *at = strstr(script, psprintf("steps.%s", other->id));
		char	   *template;

		if (at == NULL || !other->reachable || other->type->role == JO_VISUAL_START ||
			strchr(".[ )", at[strlen("steps.") + strlen(other->id)]) == NULL)
			continue;
		memset(&data, 0, sizeof(data));
		data.from = i;
		data.output = "output";
		template = jo_visual_data_template(&place, &data);
		if (template != NULL)
			add_variable(&steps, other->id,
						 psprintf("{\"output\":%s}", jo_visual_string(psprintf("{{ %s }}", template))));
	}
	if (steps.len > 0)
		add_variable(buf, "steps", psprintf("{%s}", steps.data));
}

static char *
read_variables(JoVisual *visual, JoVisualNode *node, const char *script)
{
	StringInfoData buf;
	JoVisualPlace place;
	JoPath		path;
	const cJSON *json = jo_visual_take1(visual, node, "input_variables");
	const cJSON *child;

	initStringInfo(&buf);
	jo_visual_place(visual, node, "input_variables", &place, &path);
	cJSON_ArrayForEach(child, json)
	{
		char	   *value;

		if (cJSON_IsArray(json) && cJSON_IsString(child))
		{
			value = jo_visual_text(&place, psprintf("{{%s}}", child->valuestring));
			value = value ? jo_visual_string(value) : NULL;
		}
		else
			value = jo_visual_value(&place, child);
		if (value != NULL)
			add_variable(&buf, cJSON_IsArray(json) && cJSON_IsString(child) ? child->valuestring :
						 child->string ? child->string : "value", value);
	}
	for (JoVisualData *data = node->data; data != NULL; data = data->next)
	{
		char	   *template;

		if (jo_words_find(data->input, input_names) >= 0)
			continue;
		data->used = true;
		place.key = data->input;
		template = jo_visual_data_template(&place, data);
		if (template != NULL)
			add_variable(&buf, data->input, jo_visual_string(psprintf("{{ %s }}", template)));
	}
	add_named_steps(visual, node, script, &buf);
	return buf.len > 0 ? psprintf("{%s}", buf.data) : NULL;
}

static void
add_script(JoVisual *visual, JoVisualNode *node, const char *language, const char *key,
		   const char *script, StringInfo keys)
{
	JoVisualPlace place;
	JoPath		path;
	char	   *text;
	char	   *input = read_input(visual, node);
	char	   *variables = read_variables(visual, node, script);

	jo_visual_place(visual, node, key, &place, &path);
	text = jo_visual_text(&place, script);
	if (text == NULL)
		return;
	appendStringInfo(keys, ",\"type\":\"external\",\"task\":\"data.transform\",\"language\":\"%s\",\"script\":%s",
					 language, jo_visual_string(text));
	if (input != NULL)
		appendStringInfo(keys, ",\"input\":%s", input);
	if (variables != NULL)
		appendStringInfo(keys, ",\"variables\":%s", variables);
}

/*
 * A script that is one expression of ours; false when it is none.  What is wrong with
 * it then is no finding: it is a script.
 */
static bool
add_expression(JoVisual *visual, JoVisualNode *node, const char *key, const char *script, StringInfo keys)
{
	JoFindings *findings = visual->reader.findings;
	JoFindings	ignored;
	JoVisualPlace place;
	JoPath		path;
	JoExpr	   *expr;

	if (strstr(script, "{{") == NULL && strstr(script, "return") != NULL)
		return false;
	memset(&ignored, 0, sizeof(ignored));
	visual->reader.findings = &ignored;
	jo_visual_place(visual, node, key, &place, &path);
	expr = jo_expr_parse(&place, script, strlen(script));
	visual->reader.findings = findings;
	if (expr == NULL)
		return false;
	if (expr->kind == JO_EXPR_REF && expr->ref->computed == NULL)
		appendStringInfo(keys, ",\"type\":\"transform\",\"value\":%s",
						 jo_visual_string(psprintf("{{ %s }}", jo_visual_ref_template(expr->ref))));
	else
		appendStringInfo(keys, ",\"type\":\"transform\",\"sql\":%s",
						 jo_visual_string(psprintf("SELECT %s", jo_expr_sql_value(expr))));
	return true;
}

/* A script that is one object; other data connections than its input are for scripts only. */
static bool
add_object(JoVisual *visual, JoVisualNode *node, const char *key, const char *script, StringInfo keys)
{
	char	   *query;

	if (script[strspn(script, " \t\r\n")] != '{' && strncmp(script + strspn(script, " \t\r\n"), "return", 6) != 0)
		return false;
	for (const JoVisualData *data = node->data; data != NULL; data = data->next)
		if (jo_words_find(data->input, input_names) < 0)
			return false;
	query = jo_visual_object(visual, node, key, script, read_input(visual, node));
	if (query == NULL)
		return false;
	appendStringInfo(keys, ",\"type\":\"transform\",\"sql\":%s", jo_visual_string(query));
	return true;
}

/* .a.b[0] of jq: a path below the input. */
static bool
is_jq_path(const char *script)
{
	return *script == '.' &&
		strspn(script, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.[]") == strlen(script);
}

static void
add_scripted(JoVisual *visual, JoVisualNode *node, const char *language, const char *key,
			 const char *script, StringInfo keys)
{
	JoVisualPlace place;
	JoPath		path;
	char	   *text;

	jo_visual_place(visual, node, key, &place, &path);
	if (language == NULL && add_expression(visual, node, key, script, keys))
		return;
	if ((language == NULL || strcmp(language, "javascript") == 0) && add_object(visual, node, key, script, keys))
		return;
	if (language == NULL)
		language = visual->blocks ? "javascript" : "python";
	if (strcmp(language, "sql") == 0)
	{
		text = jo_visual_sql_text(&place, script);
		if (text != NULL)
			appendStringInfo(keys, ",\"type\":\"transform\",\"sql\":%s", jo_visual_string(text));
	}
	else if (strcmp(language, "jsonpath") == 0)
		appendStringInfo(keys, ",\"type\":\"transform\",\"path\":%s", jo_visual_string(script));
	else if (strcmp(language, "jq") == 0 && is_jq_path(script))
	{
		char	   *input = require_input(visual, node);

		/* "{{ steps.a.output }}" with the path in it */
		if (strlen(input) > 5 && strncmp(input, "\"{{ ", 4) == 0)
			appendStringInfo(keys, ",\"type\":\"transform\",\"value\":\"%.*s%s }}\"",
							 (int) strlen(input) - 5, input + 1, strcmp(script, ".") == 0 ? "" : script);
		else
			add_script(visual, node, language, key, script, keys);
	}
	else
		add_script(visual, node, strcmp(language, "js") == 0 || strcmp(language, "node") == 0 ? "javascript" : language,
				   key, script, keys);
}

void
jo_visual_transform(JoVisual *visual, JoVisualNode *node)
{
	static const char *const language_names[] = {"language", "script_language", NULL};
	static const char *const mappings[] = {"mapping", "mappings", "template", NULL};
	static const char *const kept[] = {"output_variables", "output_format", "input_format", NULL};
	const cJSON *type = jo_visual_take1(visual, node, "transformation_type");
	const char *language = jo_visual_word(visual, node, language_names, languages, NULL);
	const char *key;
	const cJSON *script = jo_visual_take(visual, node, script_names, &key);
	char	   *mapping = jo_visual_value_of(visual, node, mappings);
	StringInfoData keys;

	if (language == NULL && cJSON_IsString(type) && jo_words_find(type->valuestring, languages) >= 0)
		language = type->valuestring;
	jo_visual_ignore(visual, node, kept);
	initStringInfo(&keys);
	if (cJSON_IsString(script) && *script->valuestring != '\0')
	{
		if (mapping != NULL)
			jo_visual_report(visual, node, "duplicate_key", key, NULL, "a script and a mapping are two transformations");
		add_scripted(visual, node, language, key, script->valuestring, &keys);
		/* what was not needed for the translation is not unknown for that */
		jo_visual_ignore(visual, node, input_names);
		jo_visual_take1(visual, node, "input_variables");
	}
	else if (script != NULL)
		jo_visual_report(visual, node, "schema_error", key, NULL, "a text was expected");
	else
		appendStringInfo(&keys, ",\"type\":\"transform\",\"value\":%s",
						 mapping ? mapping : require_input(visual, node));
	finish_step(visual, node, &keys);
}

/* ---- validate ---- */

static void
add_rule(JoVisual *visual, JoVisualNode *node, const cJSON *rule, StringInfo rules)
{
	static const char *const names[] = {"rule", "expression", "condition", "check", NULL};
	static const char *const messages[] = {"message", "error_message", "error", NULL};
	const cJSON *text = cJSON_IsString(rule) ? rule : NULL;
	const cJSON *message = NULL;
	JoVisualPlace place;
	JoPath		path;
	char	   *condition;

	for (int i = 0; names[i] != NULL && text == NULL; i++)
		text = cJSON_GetObjectItemCaseSensitive(rule, names[i]);
	for (int i = 0; messages[i] != NULL && message == NULL; i++)
		message = cJSON_GetObjectItemCaseSensitive(rule, messages[i]);
	if (!cJSON_IsString(text))
	{
		jo_visual_report(visual, node, "schema_error", "validation_rules", NULL,
						 "a rule is a text, or an object with \"rule\" and \"message\"");
		return;
	}
	jo_visual_place(visual, node, "validation_rules", &place, &path);
	place.loose = "value";
	condition = jo_visual_condition(&place, text->valuestring, NULL);
	if (condition == NULL)
		return;
	if (*condition != '"')
	{
		jo_visual_report(visual, node, "not_supported", "validation_rules", NULL,
						 "no SQL/JSON path says this rule: %s", jo_words_show(text->valuestring));
		return;
	}
	appendStringInfo(rules, "%s{\"rule\":%s", rules->len > 0 ? "," : "", condition);
	if (cJSON_IsString(message))
		appendStringInfo(rules, ",\"message\":%s", jo_visual_string(message->valuestring));
	appendStringInfoChar(rules, '}');
}

void
jo_visual_validate(JoVisual *visual, JoVisualNode *node)
{
	static const char *const schemas[] = {"validation_schema", "schema", NULL};
	static const char *const rule_names[] = {"validation_rules", "rules", NULL};
	const cJSON *schema = jo_visual_take(visual, node, schemas, NULL);
	const char *key;
	const cJSON *rules = jo_visual_take(visual, node, rule_names, &key);
	const cJSON *fails = jo_visual_take1(visual, node, "fail_on_error");
	const cJSON *child;
	StringInfoData keys;
	StringInfoData list;

	initStringInfo(&keys);
	initStringInfo(&list);
	appendStringInfo(&keys, ",\"type\":\"validate\",\"value\":%s", require_input(visual, node));
	if (schema != NULL)
		appendStringInfo(&keys, ",\"schema\":%s", jo_json_print(schema));
	if (rules != NULL && !cJSON_IsArray(rules))
		jo_visual_report(visual, node, "schema_error", key, NULL, "an array of rules was expected");
	cJSON_ArrayForEach(child, rules)
		add_rule(visual, node, child, &list);
	if (list.len > 0)
		appendStringInfo(&keys, ",\"rules\":[%s]", list.data);
	if (schema == NULL && rules == NULL)
		jo_visual_report(visual, node, "missing_key", "validation_schema", NULL,
						 "nothing says what is valid: a schema or rules are needed");
	if (fails != NULL && !cJSON_IsBool(fails))
		jo_visual_report(visual, node, "schema_error", "fail_on_error", NULL, "true or false was expected");
	if (cJSON_IsFalse(fails))
		appendStringInfoString(&keys, ",\"fail_on_error\":false");
	finish_step(visual, node, &keys);
}

/* ---- aggregate ---- */

/* price.net as a path within an item. */
static char *
path_in_item(const char *field)
{
	JoVisualRef ref;
	char	   *segments[32];
	bool		is_index[32] = {false};
	char	   *copy = pstrdup(field);

	if (strncmp(field, "$", 1) == 0)
		return copy;
	memset(&ref, 0, sizeof(ref));
	ref.native = segments;
	ref.native_is_index = is_index;
	for (char *part = copy; part != NULL && ref.n < (int) lengthof(segments);)
	{
		char	   *dot = strchr(part, '.');

		if (dot != NULL)
			*dot = '\0';
		if (!(ref.n == 0 && strcmp(part, "item") == 0 && dot != NULL))
			segments[ref.n++] = part;
		part = dot ? dot + 1 : NULL;
	}
	return jo_visual_ref_path(&ref);
}

static const char *
find_text(const cJSON *object, const char *const *names)
{
	for (; *names != NULL; names++)
	{
		const cJSON *json = cJSON_GetObjectItemCaseSensitive(object, *names);

		if (cJSON_IsString(json))
			return json->valuestring;
	}
	return NULL;
}

static void
add_aggregate(JoVisual *visual, JoVisualNode *node, const cJSON *json, StringInfo buf)
{
	static const char *const functions[] = {"count", "sum", "min", "max", "avg", "average", "mean", NULL};
	static const char *const function_names[] = {"op", "operation", "function", "type", NULL};
	static const char *const field_names[] = {"field", "path", "column", NULL};
	static const char *const name_names[] = {"name", "alias", "as", "output", NULL};
	const char *word = cJSON_IsString(json) ? json->valuestring : find_text(json, function_names);
	const char *field = find_text(json, field_names);
	const char *name = json->string ? json->string : find_text(json, name_names);
	int			function = word ? jo_words_find(word, functions) : -1;

	if (function < 0)
	{
		jo_visual_report(visual, node, "invalid_value", "aggregations",
						 psprintf("Functions are: %s.", jo_words_join(functions)),
						 "%s has no function that is known", jo_words_show(jo_json_print(json)));
		return;
	}
	if (name == NULL)
		name = field ? psprintf("%s_%s", word, field) : word;
	appendStringInfo(buf, "%s%s:{\"op\":\"%s\"", buf->len > 0 ? "," : "", jo_visual_string(name),
					 function > 4 ? "avg" : word);
	if (field != NULL && strcmp(field, "*") != 0)
		appendStringInfo(buf, ",\"path\":%s", jo_visual_string(path_in_item(field)));
	appendStringInfoChar(buf, '}');
}

void
jo_visual_aggregate(JoVisual *visual, JoVisualNode *node)
{
	static const char *const group_names[] = {"group_by", "groupBy", NULL};
	static const char *const aggregate_names[] = {"aggregations", "aggregates", "operations", NULL};
	static const char *const function_names[] = {"aggregation", "aggregation_type", "operation", "function", NULL};
	static const char *const functions[] = {"count", "sum", "min", "max", "avg", NULL};
	const cJSON *groups = jo_visual_take(visual, node, group_names, NULL);
	const cJSON *list = jo_visual_take(visual, node, aggregate_names, NULL);
	const char *single = jo_visual_word(visual, node, function_names, functions, NULL);
	const cJSON *field = jo_visual_take1(visual, node, "field");
	const cJSON *child;
	StringInfoData keys;
	StringInfoData aggregates;

	initStringInfo(&keys);
	initStringInfo(&aggregates);
	appendStringInfo(&keys, ",\"type\":\"aggregate\",\"items\":%s", require_input(visual, node));
	if (cJSON_IsString(groups))
		appendStringInfo(&keys, ",\"group_by\":%s", jo_visual_string(path_in_item(groups->valuestring)));
	else if (cJSON_IsArray(groups) && groups->child != NULL)
	{
		appendStringInfoString(&keys, ",\"group_by\":[");
		cJSON_ArrayForEach(child, groups)
			appendStringInfo(&keys, "%s%s", child == groups->child ? "" : ",",
							 jo_visual_string(path_in_item(cJSON_IsString(child) ? child->valuestring : "")));
		appendStringInfoChar(&keys, ']');
	}
	cJSON_ArrayForEach(child, list)
		add_aggregate(visual, node, child, &aggregates);
	if (single != NULL)
	{
		appendStringInfo(&aggregates, "%s\"%s\":{\"op\":\"%s\"", aggregates.len > 0 ? "," : "", single, single);
		if (cJSON_IsString(field))
			appendStringInfo(&aggregates, ",\"path\":%s", jo_visual_string(path_in_item(field->valuestring)));
		appendStringInfoChar(&aggregates, '}');
	}
	if (list == NULL && single == NULL)
		jo_visual_report(visual, node, "missing_key", "aggregations", NULL, "nothing says what is to be computed");
	appendStringInfo(&keys, ",\"aggregates\":{%s}", aggregates.data);
	finish_step(visual, node, &keys);
}

/* ---- filter, log ---- */

void
jo_visual_filter(JoVisual *visual, JoVisualNode *node)
{
	static const char *const names[] = {"filter_condition", "condition", "expression", NULL};
	const char *key;
	const cJSON *condition = jo_visual_take(visual, node, names, &key);
	StringInfoData keys;
	JoVisualPlace place;
	JoPath		path;
	char	   *where = NULL;

	initStringInfo(&keys);
	if (!cJSON_IsString(condition))
		jo_visual_report(visual, node, "missing_key", "filter_condition", NULL,
						 "the condition, a text about \"item\", is missing");
	else
	{
		jo_visual_place(visual, node, key, &place, &path);
		place.loose = "item";
		where = jo_visual_condition(&place, condition->valuestring, NULL);
	}
	if (where != NULL && *where != '"')
		jo_visual_report(visual, node, "not_supported", key, NULL, "no SQL/JSON path says this condition");
	appendStringInfo(&keys, ",\"type\":\"filter\",\"items\":%s,\"where\":%s", require_input(visual, node),
					 where ? where : "null");
	finish_step(visual, node, &keys);
}

/* The line is kept as the step's output, where the run's history shows it. */
void
jo_visual_log(JoVisual *visual, JoVisualNode *node)
{
	static const char *const levels[] = {"level", "log_level", "severity", NULL};
	static const char *const messages[] = {"message", "text", "content", NULL};
	char	   *level = jo_visual_value_of(visual, node, levels);
	char	   *message = jo_visual_value_of(visual, node, messages);
	StringInfoData keys;

	initStringInfo(&keys);
	if (message == NULL && jo_visual_take(visual, node, messages, NULL) == NULL)
		jo_visual_report(visual, node, "missing_key", "message", NULL, "nothing says what to write");
	appendStringInfo(&keys, ",\"type\":\"transform\",\"value\":{\"level\":%s,\"message\":%s}",
					 level ? level : "\"info\"", message ? message : "null");
	finish_step(visual, node, &keys);
}
