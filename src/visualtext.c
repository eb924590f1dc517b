/*
 * visualtext.c
 *		Texts with templates, values, and conditions of visual definitions.
 *
 * A leaf.  A template that is more than a name (an operator, a length, a ternary)
 * becomes a value that a step before the node computes in SQL.
 */
#include "visualparse.h"

#include <string.h>

/* The template that reads what an SQL expression gives. */
char *
jo_visual_computed(const JoVisualPlace *place, const char *sql)
{
	JoVisualNode *node = place->node;
	char	   *segments[4];
	static const bool is_index[4] = {false, false, false, false};

	if (node->values_step == NULL)
		node->values_step = jo_visual_unique_name(place->visual, psprintf("%s_values", node->id));
	appendStringInfo(&node->values, "%s\"v%d\":{\"sql\":%s}", node->nvalues > 0 ? "," : "",
					 node->nvalues + 1, jo_visual_string(psprintf("SELECT %s", sql)));
	node->nvalues++;
	segments[0] = "steps";
	segments[1] = node->values_step;
	segments[2] = "output";
	segments[3] = psprintf("v%d", node->nvalues);
	return jo_visual_join_template(4, segments, is_index);
}

/* Where the filters of a template begin: at a single |; length when it has none. */
static size_t
find_filters(const char *text, size_t length)
{
	char		quote = '\0';

	for (size_t i = 0; i < length; i++)
	{
		if (quote != '\0')
			quote = text[i] == quote ? '\0' : quote;
		else if (text[i] == '"' || text[i] == '\'')
			quote = text[i];
		else if (text[i] == '|' && i + 1 < length && text[i + 1] == '|')
			i++;
		else if (text[i] == '|')
			return i;
	}
	return length;
}

/* The inside of one template, natively; NULL after a finding. */
static char *
translate_template(const JoVisualPlace *place, const char *text, size_t length)
{
	size_t		filters = find_filters(text, length);
	size_t		blanks = strspn(text, " \t\r\n");
	JoExpr	   *expr;
	char	   *path;

	if (blanks < length && (strchr("#/^>&!", text[blanks]) != NULL ||
							(length - blanks >= 4 && strncmp(text + blanks, "else", 4) == 0 &&
							 strspn(text + blanks + 4, " \t") + blanks + 4 >= length)))
	{
		jo_visual_report_at(place, "invalid_template",
							"Decide with a condition node, or with {{ a ? b : c }}.",
							"blocks such as {{#if}} and {{#each}} are not supported: {{%s}}",
							jo_words_clip(text, length));
		return NULL;
	}
	expr = jo_expr_parse(place, text, filters);
	if (expr == NULL)
		return NULL;
	if (expr->kind == JO_EXPR_REF && expr->ref->computed == NULL)
		path = jo_visual_ref_template(expr->ref);
	else
		path = jo_visual_computed(place, jo_expr_sql_value(expr));
	return psprintf("{{ %s%s%.*s }}", path, filters < length ? " " : "", (int) (length - filters),
					text + filters);
}

/* ${inputs.x} and ${steps.s.o}; other dollars belong to shells and scripts. */
static bool
opens_dollar(const char *p)
{
	static const char *const roots[] = {"${inputs.", "${steps.", "${input.", NULL};

	for (int i = 0; roots[i] != NULL; i++)
		if (strncmp(p, roots[i], strlen(roots[i])) == 0)
			return true;
	return false;
}

static char *
translate_text(const JoVisualPlace *place, const char *text, bool sql)
{
	const char *end = text + strlen(text);
	StringInfoData buf;

	initStringInfo(&buf);
	for (const char *p = text; *p != '\0';)
	{
		bool		dollar = opens_dollar(p);
		const char *close;
		char	   *template;
		bool		quoted;

		if (!dollar && (p[0] != '{' || p[1] != '{'))
		{
			appendStringInfoChar(&buf, *p++);
			continue;
		}
		close = dollar ? strchr(p, '}') : jo_template_find_end(p + 2, end);
		if (close == NULL)
		{
			jo_visual_report_at(place, "invalid_template", NULL, "the template %s has no closing %s",
								jo_words_show(p), dollar ? "}" : "}}");
			return NULL;
		}
		template = translate_template(place, p + 2, close - (p + 2));
		if (template == NULL)
			return NULL;
		close += dollar ? 1 : 2;
		/* in SQL it is a parameter: quotes around it would make it a text */
		quoted = sql && *close == '\'' && buf.len > 0 && buf.data[buf.len - 1] == '\'';
		if (quoted)
			buf.data[--buf.len] = '\0';
		appendStringInfo(&buf, "%s%s", template, quoted ? "::text" : "");
		p = close + quoted;
	}
	return buf.data;
}

char *
jo_visual_text(const JoVisualPlace *place, const char *text)
{
	return translate_text(place, text, false);
}

char *
jo_visual_sql_text(const JoVisualPlace *place, const char *text)
{
	return translate_text(place, text, true);
}

/* As deep as the document. */
char *
jo_visual_value(const JoVisualPlace *place, const cJSON *json)
{
	StringInfoData buf;
	const cJSON *child;
	bool		object = cJSON_IsObject(json);
	char	   *text;

	if (cJSON_IsString(json))
	{
		text = jo_visual_text(place, json->valuestring);
		return text ? jo_visual_string(text) : NULL;
	}
	if (!object && !cJSON_IsArray(json))
		return jo_json_print(json);
	initStringInfo(&buf);
	appendStringInfoChar(&buf, object ? '{' : '[');
	cJSON_ArrayForEach(child, json)
	{
		text = jo_visual_value(place, child);
		if (text == NULL)
			return NULL;
		appendStringInfo(&buf, "%s%s%s%s", child == json->child ? "" : ",",
						 object ? jo_visual_string(child->string) : "", object ? ":" : "", text);
	}
	appendStringInfoChar(&buf, object ? '}' : ']');
	return buf.data;
}

char *
jo_visual_condition(const JoVisualPlace *place, const char *text, JoExpr **expr)
{
	char	   *path;
	JoExpr	   *parsed;

	text += strspn(text, " \t\r\n");
	if (expr != NULL)
		*expr = NULL;
	if (*text == '\0')
	{
		jo_visual_report_at(place, "invalid_value", NULL, "the condition is empty");
		return NULL;
	}
	if (strncmp(text, "$.", 2) == 0)
		return jo_visual_string(text);
	parsed = jo_expr_parse(place, text, strlen(text));
	if (parsed == NULL)
		return NULL;
	if (expr != NULL)
		*expr = parsed;
	path = jo_expr_path(parsed);
	if (path != NULL)
		return jo_visual_string(path);
	return psprintf("{\"sql\":%s}", jo_visual_string(psprintf("SELECT %s", jo_expr_sql_predicate(parsed))));
}
