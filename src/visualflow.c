/*
 * visualflow.c
 *		Nodes that steer: start, triggers, end, delay, decisions, parallel, join,
 *		loops.
 *
 * A leaf.
 */
#include "visualparse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_DELAY 3600
#define DEFAULT_ITERATIONS 100

static void
finish_step(JoVisual *visual, JoVisualNode *node, StringInfo keys)
{
	jo_visual_copy_common(visual, node, keys);
	jo_visual_copy_metadata(visual, node, NULL, keys);
	jo_visual_add_step(visual, node, keys->data);
}

/* ---- what starts runs ---- */

/* create_job() makes a schedule of these (visual_triggers.sql), of others nothing. */
static bool
becomes_schedule(const JoVisualNode *node)
{
	return strcmp(node->type->name, "trigger.file_watch") == 0 ||
		strcmp(node->type->name, "trigger.service_monitor") == 0 ||
		cJSON_IsString(cJSON_GetObjectItemCaseSensitive(node->config, "cron_expression")) ||
		cJSON_IsString(cJSON_GetObjectItemCaseSensitive(node->config, "schedule"));
}

static void
keep_trigger(JoVisual *visual, JoVisualNode *node)
{
	appendStringInfo(&visual->triggers, "%s{\"node\":%s,\"type\":\"%s\",\"config\":%s}",
					 visual->triggers.len > 0 ? "," : "", jo_visual_string(node->id), node->type->name,
					 node->config ? jo_json_print(node->config) : "{}");
	if (!becomes_schedule(node))
		jo_visual_warn(visual, node, "trigger_not_started", NULL,
					   "Start runs by joborch.start(), or by joborch.schedule() at times.",
					   "what starts runs is kept under metadata.triggers, and starts none by itself");
}

static void
use_all_data(JoVisualNode *node)
{
	for (JoVisualData *data = node->data; data != NULL; data = data->next)
		data->used = true;
}

void
jo_visual_start(JoVisual *visual, JoVisualNode *node)
{
	static const char *const known[] = {
		"name", "label", "title", "description", "trigger_types", "webhook_config", "cron_expression",
		"schedule", "timezone", NULL
	};
	static const char *const types[] = {"manual", "scheduled", "webhook", "schedule", "event", "api", NULL};
	static const char *const names[] = {"trigger_type", NULL};
	const char *type = jo_visual_word(visual, node, names, types, "manual");

	jo_visual_ignore(visual, node, known);
	use_all_data(node);
	if (strcmp(type, "manual") != 0 || cJSON_GetObjectItemCaseSensitive(node->config, "webhook_config") != NULL)
		keep_trigger(visual, node);
}

void
jo_visual_trigger(JoVisual *visual, JoVisualNode *node)
{
	static const char *const known[] = {
		"name", "label", "title", "description", "enabled", "timezone", "start_date", "end_date",
		"endpoint_path", "authentication", "allowed_methods", "secret", "target", "watch_path",
		"file_pattern", "watch_events", "recursive", "service_name", "monitor_events",
		"require_confirmation", "allowed_users", "allowed_roles", "parameters", NULL
	};
	const cJSON *cron = jo_visual_take1(visual, node, "cron_expression");
	const cJSON *interval = jo_visual_take1(visual, node, "check_interval_sec");

	jo_visual_ignore(visual, node, known);
	if (strcmp(node->type->name, "trigger.schedule") == 0 && !cJSON_IsString(cron))
		jo_visual_report(visual, node, "missing_key", "cron_expression", NULL,
						 "a schedule needs its cron expression");
	if (cJSON_IsNumber(interval) && interval->valuedouble < 10)
		jo_visual_report(visual, node, "invalid_value", "check_interval_sec", NULL, "at least 10 seconds were expected");
	keep_trigger(visual, node);
}

/* ---- end, delay ---- */

void
jo_visual_end(JoVisual *visual, JoVisualNode *node)
{
	static const char *const words[] = {"success", "failure", "conditional", "failed", "error", NULL};
	static const char *const names[] = {"status", NULL};
	static const char *const messages[] = {"message", NULL};
	static const char *const results[] = {"result", "result_data", "output", "data", "input_data", NULL};
	const char *status = jo_visual_word(visual, node, names, words, "success");
	const cJSON *name = jo_visual_take1(visual, node, "result_name");
	const cJSON *save = jo_visual_take1(visual, node, "save_result");
	char	   *message = jo_visual_value_of(visual, node, messages);
	char	   *result = jo_visual_value_of(visual, node, results);
	StringInfoData keys;

	initStringInfo(&keys);
	if (strcmp(status, "success") != 0)
	{
		appendStringInfo(&keys, ",\"type\":\"end\",\"status\":\"%s\"",
						 strcmp(status, "conditional") == 0 ? status : "failure");
		if (message != NULL)
			appendStringInfo(&keys, ",\"message\":%s", message);
		finish_step(visual, node, &keys);
		return;
	}
	/* a step that says so, and lets go on what runs beside it */
	if (result == NULL && cJSON_IsTrue(save))
	{
		char	   *why;
		int			previous = jo_visual_previous(visual, node, &why);
		JoVisualPlace place;
		JoPath		path;
		JoVisualData data = {.from = previous, .output = "output"};

		jo_visual_place(visual, node, "save_result", &place, &path);
		if (previous >= 0 && (why = jo_visual_data_template(&place, &data)) != NULL)
			result = jo_visual_string(psprintf("{{ %s | default(null) }}", why));
	}
	appendStringInfoString(&keys, ",\"type\":\"transform\",\"value\":{\"status\":\"success\"");
	if (message != NULL)
		appendStringInfo(&keys, ",\"message\":%s", message);
	if (result != NULL)
		appendStringInfo(&keys, ",%s:%s", cJSON_IsString(name) ? jo_visual_string(name->valuestring) : "\"result\"",
						 result);
	appendStringInfoChar(&keys, '}');
	finish_step(visual, node, &keys);
}

/* Until when, for a delay that a template says or that grows. */
static char *
compute_until(JoVisual *visual, JoVisualNode *node, const char *key, const char *seconds, bool grows)
{
	JoVisualPlace place;
	JoPath		path;
	char	   *sql = psprintf("now() + make_interval(secs => (%s)%s)", seconds,
							   grows ? " * 2.0 ^ {{ iteration }}::int" : "");

	jo_visual_place(visual, node, key, &place, &path);
	return jo_visual_string(psprintf("{{ %s }}", jo_visual_computed(&place, sql)));
}

static double
read_unit(JoVisual *visual, JoVisualNode *node, const char *key)
{
	static const char *const names[] = {"unit", "delay_unit", "time_unit", NULL};
	static const char *const units[] = {
		"seconds", "minutes", "hours", "second", "minute", "hour", "s", "m", "h", NULL
	};
	static const double sizes[] = {1, 60, 3600, 1, 60, 3600, 1, 60, 3600};
	const char *unit = jo_visual_word(visual, node, names, units, NULL);

	if (strstr(key, "minutes") != NULL)
		return 60;
	if (strstr(key, "hours") != NULL)
		return 3600;
	return unit ? sizes[jo_words_find(unit, units)] : 1;
}

static bool
is_in_loop(const JoVisual *visual, const JoVisualNode *node)
{
	for (int r = node->region; r != JO_VISUAL_TOP; r = visual->regions[r].parent)
		if (visual->regions[r].kind != JO_REGION_PARALLEL && visual->regions[r].item == NULL)
			return true;
	return false;
}

void
jo_visual_delay(JoVisual *visual, JoVisualNode *node)
{
	static const char *const names[] = {
		"delay_seconds", "delay_minutes", "delay_hours", "seconds", "minutes", "hours", "delay", "duration", NULL
	};
	static const char *const kinds[] = {"fixed", "exponential", NULL};
	static const char *const kind_names[] = {"delay_type", NULL};
	const char *key;
	const cJSON *json = jo_visual_take(visual, node, names, &key);
	const char *kind = jo_visual_word(visual, node, kind_names, kinds, "fixed");
	bool		grows = strcmp(kind, "exponential") == 0 && is_in_loop(visual, node);
	double		size = read_unit(visual, node, key ? key : "");
	double		seconds;
	StringInfoData keys;

	initStringInfo(&keys);
	appendStringInfoString(&keys, ",\"type\":\"delay\"");
	if (json == NULL)
		jo_visual_report(visual, node, "missing_key", "delay_seconds", NULL, "nothing says how long to wait");
	else if (cJSON_IsString(json) && strstr(json->valuestring, "{{") != NULL)
	{
		JoVisualPlace place;
		JoPath		path;
		char	   *text;

		jo_visual_place(visual, node, key, &place, &path);
		text = jo_visual_sql_text(&place, json->valuestring);
		if (text != NULL)
			appendStringInfo(&keys, ",\"until\":%s",
							 compute_until(visual, node, key, psprintf("%s::float8 * %g", text, size), grows));
	}
	else
	{
		char	   *rest = "?";

		seconds = cJSON_IsNumber(json) ? json->valuedouble
			: cJSON_IsString(json) ? strtod(json->valuestring, &rest) : -1;
		if (cJSON_IsString(json) && *rest != '\0')
			seconds = -1;
		seconds *= size;
		if (!(seconds > 0 && (size > 1 ? seconds <= 24.0 * LONGEST_DELAY : seconds <= LONGEST_DELAY)))
			jo_visual_report(visual, node, "invalid_value", key, NULL,
							 "a delay of 1 to 3600 seconds, or up to 24 hours in minutes or hours, was expected, not %s",
							 jo_words_show(jo_json_print(json)));
		else if (grows)
			appendStringInfo(&keys, ",\"until\":%s", compute_until(visual, node, key, psprintf("%.15g", seconds), true));
		else
			appendStringInfo(&keys, ",\"duration\":%.15g", seconds);
	}
	finish_step(visual, node, &keys);
}

/* ---- decisions ---- */

/* The condition of a node, as seen from a region, as JSON; nodes whose failure it asks about are marked. */
static char *
read_condition(JoVisual *visual, JoVisualNode *node, int region, const char *const *names)
{
	const char *key;
	const cJSON *json = jo_visual_take(visual, node, names, &key);
	JoVisualPlace place;
	JoPath		path;
	JoExpr	   *expr;
	char	   *condition;

	if (cJSON_IsBool(json))
		return pstrdup(cJSON_IsTrue(json) ? "\"1 == 1\"" : "\"1 == 0\"");
	if (!cJSON_IsString(json))
	{
		jo_visual_report(visual, node, json ? "schema_error" : "missing_key", key ? key : names[0], NULL,
						 "the condition, a text, is missing");
		return NULL;
	}
	jo_visual_place(visual, node, key, &place, &path);
	place.region = region;
	condition = jo_visual_condition(&place, json->valuestring, &expr);
	for (int i = 0; i < visual->nnodes && condition != NULL; i++)
		if (jo_expr_reads_status(expr, i))
			visual->nodes[i].asked = true;
	return condition;
}

static void
ignore_branches(JoVisual *visual, JoVisualNode *node)
{
	static const char *const known[] = {
		"true_branch", "false_branch", "true_path", "false_path", "default_branch", NULL
	};
	static const char *const inputs[] = {"data", "input_data", "input", "context", NULL};

	jo_visual_ignore(visual, node, known);
	for (JoVisualData *data = node->data; data != NULL; data = data->next)
		if (jo_words_find(data->input, inputs) >= 0)
			data->used = true;
}

void
jo_visual_if(JoVisual *visual, JoVisualNode *node)
{
	static const char *const names[] = {"condition", "expression", NULL};
	static const char *const kinds[] = {"expression", "script", "simple", NULL};
	static const char *const kind_names[] = {"condition_type", NULL};
	char	   *condition = read_condition(visual, node, node->region, names);
	StringInfoData keys;

	if (strcmp(jo_visual_word(visual, node, kind_names, kinds, "expression"), "script") == 0)
		jo_visual_report(visual, node, "not_supported", "condition_type", "Write an expression.",
						 "a condition cannot be a script");
	ignore_branches(visual, node);
	initStringInfo(&keys);
	appendStringInfo(&keys, ",\"type\":\"condition\",\"if\":%s", condition ? condition : "null");
	finish_step(visual, node, &keys);
}

static void
add_case(JoVisual *visual, JoVisualNode *node, const cJSON *json, int index, bool by_value, StringInfo cases)
{
	static const char *const known[] = {
		"condition", "label", "name", "id", "value", "target", "next", "node", "node_id", "target_node",
		"description", NULL
	};
	const cJSON *condition = cJSON_GetObjectItemCaseSensitive(json, "condition");
	const cJSON *value = cJSON_IsObject(json) ? cJSON_GetObjectItemCaseSensitive(json, "value") : json;
	const cJSON *child;
	JoVisualPlace place;
	JoPath		path;
	char	   *text = NULL;
	JoExpr	   *expr;

	jo_visual_place(visual, node, "cases", &place, &path);
	if (cJSON_IsObject(json))
		cJSON_ArrayForEach(child, json)
			if (jo_words_find(child->string, known) < 0)
				jo_visual_report(visual, node, "unknown_key", "cases", jo_words_suggest(child->string, known),
								 "a case has no \"%s\"", jo_words_show(child->string));
	appendStringInfo(cases, "%s{\"name\":%s", index > 0 ? "," : "",
					 jo_visual_string(jo_visual_case_name(json, index)));
	if (cJSON_IsString(condition) && !by_value)
	{
		text = jo_visual_condition(&place, condition->valuestring, &expr);
		for (int i = 0; i < visual->nnodes && text != NULL; i++)
			if (jo_expr_reads_status(expr, i))
				visual->nodes[i].asked = true;
		appendStringInfo(cases, ",\"if\":%s", text ? text : "null");
	}
	else if (value == NULL && condition == NULL)
		jo_visual_report(visual, node, "missing_key", "cases", NULL, "case %d has no condition", index + 1);
	else if (!by_value)
		jo_visual_report(visual, node, "missing_key", "expression", NULL,
						 "cases that are values need an expression to compare with");
	else
	{
		text = jo_visual_value(&place, value ? value : condition);
		appendStringInfo(cases, ",\"equals\":%s", text ? text : "null");
	}
	appendStringInfoChar(cases, '}');
}

void
jo_visual_switch(JoVisual *visual, JoVisualNode *node)
{
	static const char *const names[] = {
		"expression", "decision_logic", "value", "switch_on", "variable", NULL
	};
	static const char *const known[] = {
		"decision_type", "cases", "branches", "conditions", "default", "default_branch", NULL
	};
	const cJSON *cases = jo_visual_cases(node);
	const cJSON *child;
	const char *key;
	const cJSON *value = jo_visual_take(visual, node, names, &key);
	StringInfoData keys;
	StringInfoData list;
	int			index = 0;

	initStringInfo(&keys);
	initStringInfo(&list);
	jo_visual_ignore(visual, node, known);
	ignore_branches(visual, node);
	appendStringInfoString(&keys, ",\"type\":\"switch\"");
	if (cJSON_IsString(value) && *value->valuestring != '\0')
	{
		JoVisualPlace place;
		JoPath		path;
		char	   *text;

		jo_visual_place(visual, node, key, &place, &path);
		text = strstr(value->valuestring, "{{") != NULL ? value->valuestring
			: psprintf("{{%s}}", value->valuestring);
		text = jo_visual_text(&place, text);
		appendStringInfo(&keys, ",\"value\":%s", text ? jo_visual_string(text) : "null");
	}
	cJSON_ArrayForEach(child, cases)
		add_case(visual, node, child, index++, cJSON_IsString(value) && *value->valuestring != '\0', &list);
	if (index == 0)
		jo_visual_report(visual, node, "missing_key", "cases", NULL, "a switch needs at least one case");
	appendStringInfo(&keys, ",\"cases\":[%s]", list.data);
	if (jo_visual_has_default(visual, node))
		appendStringInfoString(&keys, ",\"default\":[]");
	finish_step(visual, node, &keys);
}

/* ---- parallel, join ---- */

/* Does anything but the start come before the node? */
static bool
has_parent(const JoVisual *visual, const JoVisualNode *node)
{
	for (int i = 0; i < visual->nedges; i++)
	{
		const JoVisualNode *from = &visual->nodes[visual->edges[i].from];

		if (visual->edges[i].to == node->index && from->reachable && !visual->edges[i].back &&
			!visual->edges[i].inner && from->type->role != JO_VISUAL_START &&
			from->type->role != JO_VISUAL_TRIGGER)
			return true;
	}
	return false;
}

void
jo_visual_parallel(JoVisual *visual, JoVisualNode *node)
{
	static const char *const known[] = {"parallel_branches", "branches", NULL};
	static const JoVisualParam params[] = {
		{"max_concurrent", JO_PARAM_INTEGER, false, 1, 1000, NULL, {"max_concurrent", NULL}},
		{"wait_for_all", JO_PARAM_BOOL, false, 0, 0, NULL, {"wait_for_all", NULL}},
		{NULL, JO_PARAM_VALUE, false, 0, 0, NULL, {NULL}}
	};
	StringInfoData keys;
	StringInfoData limits;

	initStringInfo(&keys);
	initStringInfo(&limits);
	jo_visual_ignore(visual, node, known);
	jo_visual_copy_params(visual, node, params, &limits);
	if (jo_visual_owns_region(visual, node))
		appendStringInfo(&keys, ",\"type\":\"parallel\"%s", limits.data);
	else if (has_parent(visual, node))
		appendStringInfoString(&keys, ",\"type\":\"join\"");
	else
		/* nothing to wait for: its branches begin with the run */
		appendStringInfoString(&keys, ",\"type\":\"transform\",\"value\":true");
	finish_step(visual, node, &keys);
}

void
jo_visual_join(JoVisual *visual, JoVisualNode *node)
{
	static const char *const names[] = {"join_type", "mode", "wait_for", NULL};
	static const char *const waits[] = {"wait_for_all", NULL};
	const char *key;
	const cJSON *mode = jo_visual_take(visual, node, names, &key);
	const cJSON *all = jo_visual_take(visual, node, waits, NULL);
	StringInfoData keys;

	initStringInfo(&keys);
	if (!has_parent(visual, node))
	{
		appendStringInfoString(&keys, ",\"type\":\"transform\",\"value\":true");
		finish_step(visual, node, &keys);
		return;
	}
	appendStringInfoString(&keys, ",\"type\":\"join\"");
	if (cJSON_IsNumber(mode) && mode->valuedouble >= 1 && mode->valuedouble == floor(mode->valuedouble))
		appendStringInfo(&keys, ",\"mode\":%d", (int) mode->valuedouble);
	else if (cJSON_IsString(mode) && strcmp(mode->valuestring, "any") == 0)
		appendStringInfoString(&keys, ",\"mode\":\"any\"");
	else if (mode != NULL && !(cJSON_IsString(mode) && strcmp(mode->valuestring, "all") == 0))
		jo_visual_report(visual, node, "invalid_value", key, NULL, "all, any or a number was expected");
	else if (cJSON_IsFalse(all))
		appendStringInfoString(&keys, ",\"mode\":\"any\"");
	finish_step(visual, node, &keys);
}

/* ---- loops ---- */

void
jo_visual_while(JoVisual *visual, JoVisualNode *node)
{
	static const char *const names[] = {"condition", "expression", NULL};
	static const char *const limit_names[] = {"max_iterations", NULL};
	const char *key;
	const cJSON *limit = jo_visual_take(visual, node, limit_names, &key);
	int			max = DEFAULT_ITERATIONS;
	int			region = node->region;
	char	   *condition;
	StringInfoData keys;

	initStringInfo(&keys);
	/* a loop's condition reads the steps of its last pass */
	for (int r = 1; r < visual->nregions; r++)
		if (visual->regions[r].owner == node->index && visual->regions[r].kind == JO_REGION_LOOP)
			region = r;
	condition = read_condition(visual, node, region, names);
	if (limit != NULL && !(cJSON_IsNumber(limit) && limit->valuedouble >= 1 && limit->valuedouble <= 100000 &&
						   limit->valuedouble == floor(limit->valuedouble)))
		jo_visual_report(visual, node, "invalid_value", key, NULL, "a whole number from 1 to 100000 was expected");
	else if (limit != NULL)
		max = (int) limit->valuedouble;
	if (jo_visual_owns_region(visual, node))
		appendStringInfo(&keys, ",\"type\":\"loop\",\"while\":%s,\"max_iterations\":%d",
						 condition ? condition : "null", max);
	else if (node->region != JO_VISUAL_TOP && visual->regions[node->region].kind == JO_REGION_CYCLE)
	{
		/* the edges back to it make the loop; here it only decides */
		ignore_branches(visual, node);
		appendStringInfo(&keys, ",\"type\":\"condition\",\"if\":%s", condition ? condition : "null");
	}
	else
		jo_visual_report(visual, node, "missing_key", "loop_body",
						 "Name the nodes of the body, or lead an edge back to this node.",
						 "the loop has no body");
	finish_step(visual, node, &keys);
}

void
jo_visual_for_each(JoVisual *visual, JoVisualNode *node)
{
	static const char *const names[] = {"items", "item_list", "collection", "list", "array", "input_data", "data", NULL};
	static const char *const known[] = {"item_variable", "item_var", "item_name", "timeout_per_item", NULL};
	static const JoVisualParam params[] = {
		{"max_parallel", JO_PARAM_INTEGER, false, 1, 1000, NULL, {"max_parallel", "max_concurrent", NULL}},
		{NULL, JO_PARAM_VALUE, false, 0, 0, NULL, {NULL}}
	};
	const char *key;
	char	   *items = jo_visual_value_of(visual, node, names);
	const char *item = NULL;
	const cJSON *literal = jo_visual_take(visual, node, names, &key);
	StringInfoData keys;

	for (int r = 1; r < visual->nregions; r++)
		if (visual->regions[r].owner == node->index && visual->regions[r].kind == JO_REGION_LOOP)
			item = visual->regions[r].item;
	initStringInfo(&keys);
	jo_visual_ignore(visual, node, known);
	if (items == NULL && literal == NULL)
		jo_visual_report(visual, node, "missing_key", "items", NULL, "nothing says over what it runs");
	else if (literal != NULL && !cJSON_IsArray(literal) && !cJSON_IsString(literal) && node->data == NULL)
		jo_visual_report(visual, node, "invalid_value", key, NULL, "an array, or a template of one, was expected");
	if (item == NULL)
		jo_visual_report(visual, node, "missing_key", "loop_body", "Name the nodes of the body.",
						 "the loop has no body");
	appendStringInfo(&keys, ",\"type\":\"foreach\",\"items\":%s", items ? items : "null");
	if (item != NULL && strcmp(item, "item") != 0)
		appendStringInfo(&keys, ",\"as\":%s", jo_visual_string(item));
	jo_visual_copy_params(visual, node, params, &keys);
	finish_step(visual, node, &keys);
	if (node->goes_on)
		node->steps->keys = psprintf("%s,\"on_item_error\":\"continue\"", node->steps->keys);
	node->goes_on = false;
}
