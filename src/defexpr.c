/*
 * defexpr.c
 *		Conditions, expressions and other texts of steps that read the run document.
 *
 * A leaf.  Each text is noted with its place: what it reads is checked when all
 * steps are known (defrefs.c).
 */
#include "defparse.h"

#include <string.h>

/* More items than this are not started: foreach's own limit. */
#define MAX_ITEMS 100000

void
jo_def_use(JoDefReader *reader, int kind, void *thing, const JoPath *path, unsigned reads)
{
	JoDefUse   *use;

	if (reader->nuses >= reader->uses_capacity)
	{
		reader->uses_capacity = reader->uses_capacity ? reader->uses_capacity * 2 : 16;
		reader->uses = reader->uses
			? repalloc(reader->uses, reader->uses_capacity * sizeof(JoDefUse))
			: palloc(reader->uses_capacity * sizeof(JoDefUse));
	}
	use = &reader->uses[reader->nuses++];
	use->kind = kind;
	use->thing = thing;
	use->step = reader->step_index;
	use->path = jo_def_keep_path(reader, path);
	use->reads = reads;
}

int
jo_def_next_plan(JoStepDef *step)
{
	return step->nplans++;
}

static const JoStepDef *
current_step(const JoDefReader *reader)
{
	return reader->step_index >= 0 ? &reader->definition->steps[reader->step_index] : NULL;
}

JoSqlText *
jo_def_read_query(JoDefReader *reader, const cJSON *json, const JoPath *path, unsigned reads)
{
	JoSqlText  *sql = jo_def_sql(reader, json, path);

	if (sql == NULL)
		return NULL;
	sql->or_expression = true;
	jo_def_use(reader, JO_USE_SQL, sql, path, reads);
	if (reader->hooks->check_sql != NULL)
		reader->hooks->check_sql(current_step(reader), sql, jo_def_path_text(path), reader->findings);
	return sql;
}

static void
check_path(JoDefReader *reader, const char *text, const JoPath *path)
{
	if (reader->hooks->check_path != NULL)
		reader->hooks->check_path(current_step(reader), text, jo_def_path_text(path), reader->findings);
}

/* A text that says something. */
static const char *
read_text(JoDefReader *reader, const cJSON *json, const JoPath *path, const char *what)
{
	const char *text = jo_def_string(reader, json, path);

	if (text == NULL || text[strspn(text, " \t\r\n")] != '\0')
		return text;
	jo_def_report(reader, "invalid_value", path, NULL, "the %s is empty", what);
	return NULL;
}

char *
jo_def_read_path(JoDefReader *reader, const cJSON *json, const JoPath *path, JoRefList *refs,
				 unsigned reads)
{
	const char *text = read_text(reader, json, path, "condition");
	JoTemplateFault fault;

	if (text == NULL)
		return NULL;
	if (!jo_template_scan_path(text, &reader->scope, refs, &fault))
	{
		jo_def_report_fault(reader, path, &fault);
		return NULL;
	}
	jo_def_use(reader, JO_USE_PATH, refs, path, reads);
	check_path(reader, text, path);
	return pstrdup(text);
}

/* A name stands for the member of that name. */
char *
jo_def_read_item_path(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const char *text = read_text(reader, json, path, "path");
	StringInfoData buf;

	if (text == NULL)
		return NULL;
	initStringInfo(&buf);
	if (strchr(text, '$') != NULL)
		appendStringInfoString(&buf, text);
	else if (strpbrk(text, ".[]()?@ \t\r\n") == NULL)
	{
		appendStringInfoString(&buf, "$.");
		jo_json_append_string(&buf, text);
	}
	else
	{
		jo_def_report(reader, "invalid_value", path, "Write $.name for a member of the item.",
					  "\"%s\" is no path within an item", jo_words_show(text));
		return NULL;
	}
	check_path(reader, buf.data, path);
	return buf.data;
}

void
jo_def_read_condition(JoDefReader *reader, const cJSON *json, const JoPath *path,
					  JoCondition *condition, int plan, unsigned reads)
{
	static const char *const keys[] = {"sql", NULL};
	const cJSON *sql;
	JoPath		at;

	if (cJSON_IsString(json))
	{
		condition->path = jo_def_read_path(reader, json, path, &condition->refs, reads);
		return;
	}
	if (!cJSON_IsObject(json))
	{
		jo_def_report(reader, "schema_error", path,
					  "Write an SQL/JSON path in a string, or {\"sql\": \"...\"}.",
					  "a condition was expected");
		return;
	}
	jo_def_check_keys(reader, json, path, "a condition", keys, NULL);
	sql = jo_def_get(json, path, "sql", &at);
	if (sql == NULL)
	{
		jo_def_report(reader, "missing_sql", path, NULL, "the condition has no \"sql\"");
		return;
	}
	condition->sql = jo_def_read_query(reader, sql, &at, reads);
	condition->plan = plan;
}

JoValue *
jo_def_read_template(JoDefReader *reader, const cJSON *json, const JoPath *path, unsigned reads)
{
	JoValue    *value = jo_def_value(reader, json, path);

	if (value != NULL)
		jo_def_use(reader, JO_USE_VALUE, value, path, reads);
	return value;
}

JoValue *
jo_def_read_template_text(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	return read_text(reader, json, path, "text") != NULL
		? jo_def_read_template(reader, json, path, 0) : NULL;
}

static void
read_path_expression(JoDefReader *reader, const cJSON *json, const JoPath *path,
					 JoExpression *expression)
{
	static const char *const keys[] = {"path", "many", NULL};
	const cJSON *member;
	JoPath		at;

	jo_def_check_keys(reader, json, path, "an expression", keys, NULL);
	member = jo_def_get(json, path, "path", &at);
	expression->path = jo_def_read_path(reader, member, &at, &expression->refs, 0);
	if ((member = jo_def_get(json, path, "many", &at)) != NULL)
		jo_def_bool(reader, member, &at, &expression->many);
}

void
jo_def_read_expression(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step,
					   JoExpression *expression)
{
	static const char *const keys[] = {"sql", NULL};
	JoPath		at;
	const cJSON *sql = jo_def_get(json, path, "sql", &at);

	if (sql != NULL && cJSON_IsObject(json))
	{
		jo_def_check_keys(reader, json, path, "an expression", keys, NULL);
		expression->sql = jo_def_read_query(reader, sql, &at, 0);
		expression->plan = jo_def_next_plan(step);
	}
	else if (cJSON_IsObject(json) && cJSON_GetObjectItemCaseSensitive(json, "path") != NULL)
		read_path_expression(reader, json, path, expression);
	else
		expression->value = jo_def_read_template(reader, json, path, 0);
}

/* An array, or what may become one when it is evaluated. */
void
jo_def_read_items(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step,
				  JoExpression *expression)
{
	bool		query = cJSON_IsObject(json) &&
		(cJSON_GetObjectItemCaseSensitive(json, "sql") != NULL ||
		 cJSON_GetObjectItemCaseSensitive(json, "path") != NULL);
	bool		template = cJSON_IsString(json) && strstr(json->valuestring, "{{") != NULL;

	if (!query && !template && !cJSON_IsArray(json))
	{
		jo_def_report(reader, "schema_error", path,
					  "Write an array, a template such as \"{{ steps.list.output }}\", or {\"sql\": \"SELECT ...\"}.",
					  "items are an array, not %s", jo_def_describe_type(json));
		return;
	}
	if (cJSON_IsArray(json) && cJSON_GetArraySize(json) > MAX_ITEMS)
	{
		jo_def_report(reader, "limit_exceeded", path, NULL, "%d items are more than %d",
					  cJSON_GetArraySize(json), MAX_ITEMS);
		return;
	}
	jo_def_read_expression(reader, json, path, step, expression);
	if (template && expression->value != NULL && expression->value->kind != JO_VALUE_TEMPLATE)
		jo_def_report(reader, "schema_error", path, "Let the text be one template and nothing else.",
					  "a text with templates in it is no array");
}

/* What is read where nothing is said: the output of the step before. */
JoValue *
jo_def_previous_output(JoDefReader *reader, const JoPath *path)
{
	JoValue    *value = palloc0(sizeof(JoValue));
	JoTemplateFault fault;

	value->kind = JO_VALUE_TEMPLATE;
	value->text = palloc0(sizeof(JoSqlText));
	if (!jo_template_scan_text("{{ previous.output }}", &reader->scope, value->text, &fault))
		jo_def_report_fault(reader, path, &fault);
	jo_def_use(reader, JO_USE_VALUE, value, path, 0);
	return value;
}
