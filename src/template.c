/*
 * template.c
 *		The inside of {{ path | filter }}, and plain texts with templates.
 *
 * A leaf: turns text into JoTemplate and never evaluates anything.  Names are
 * always quoted in the path that it makes, so no name can be read as an operator.
 */
#include "templateparse.h"

#include <string.h>

#include "json.h"
#include "words.h"

typedef struct Cursor
{
	const char *p;
	const char *end;
	const JoTemplateScope *scope;
} Cursor;

/* In the order of JoRoot. */
static const char *const root_names[] = {
	"input", "vars", "steps", "previous", "run", "job", "schedule", "result", "item", "item_index",
	"iteration", "value", "secret", NULL
};

/* What a template may read, for its message. */
static const char *const template_roots[] = {
	"input", "vars", "steps", "previous", "run", "job", "schedule", "result", "item", "item_index",
	"iteration", NULL
};

/* What a condition may read; a rule, which has a value; what looks at a step's result. */
static const char *const path_roots[] = {
	"input", "vars", "steps", "previous", "run", "job", "item", "item_index", "iteration", NULL
};
static const char *const rule_roots[] = {
	"value", "input", "vars", "steps", "previous", "run", "job", "item", "item_index", "iteration", NULL
};
static const char *const success_roots[] = {
	"result", "input", "vars", "steps", "previous", "run", "job", "item", "item_index", "iteration", NULL
};

static const char *const step_fields[] = {"output", "row", "value", "status", "error", NULL};

/* In the order of JoFilterKind. */
static const char *const filter_names[] = {"default", "json", "urlencode", "base64", "ident", NULL};

const char *
jo_root_name(JoRoot root)
{
	return root_names[root];
}

bool
jo_template_refuse(JoTemplateFault *fault, const char *code, char *hint, const char *format,...)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (;;)
	{
		va_list		args;
		int			needed;

		va_start(args, format);
		needed = appendStringInfoVA(&buf, format, args);
		va_end(args);
		if (needed == 0)
			break;
		enlargeStringInfo(&buf, needed);
	}
	fault->code = code;
	fault->message = buf.data;
	fault->hint = hint;
	return false;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool
is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '_' || c == '-' || (unsigned char) c >= 0x80;
}

static void
skip_blanks(Cursor *cursor)
{
	while (cursor->p < cursor->end && is_blank(*cursor->p))
		cursor->p++;
}

/* The name at the cursor, allocated; empty if there is none. */
static char *
read_name(Cursor *cursor)
{
	const char *start = cursor->p;

	while (cursor->p < cursor->end && is_name_char(*cursor->p))
		cursor->p++;
	return pnstrdup(start, cursor->p - start);
}

/* Where a quoted text that starts at p ends: behind its closing quote; end if it has none. */
static const char *
skip_quoted(const char *p, const char *end)
{
	char		quote = *p;

	for (p++; p < end; p++)
	{
		if (*p == '\\' && quote == '"' && p + 1 < end)
			p++;
		else if (*p == quote)
			return p + 1;
	}
	return end;
}

const char *
jo_template_find_end(const char *p, const char *end)
{
	int			depth = 0;

	while (p < end)
	{
		if (*p == '"' || *p == '\'')
		{
			p = skip_quoted(p, end);
			continue;
		}
		if (*p == '(')
			depth++;
		else if (*p == ')' && depth > 0)
			depth--;
		else if (depth == 0 && *p == '}' && p + 1 < end && p[1] == '}')
			return p;
		p++;
	}
	return NULL;
}

bool
jo_template_is_root(const char *word)
{
	return jo_words_find(word, root_names) >= 0;
}

static bool
is_alias(const char *word, const JoTemplateScope *scope)
{
	for (int i = 0; scope != NULL && i < scope->naliases; i++)
		if (strcmp(word, scope->aliases[i]) == 0)
			return true;
	return false;
}

bool
jo_template_names_root(const char *p, const char *end, const JoTemplateScope *scope)
{
	Cursor		cursor = {p, end, NULL};
	char		word[64];
	size_t		length;

	skip_blanks(&cursor);
	p = cursor.p;
	while (cursor.p < end && is_name_char(*cursor.p))
		cursor.p++;
	length = cursor.p - p;
	if (length == 0 || length >= sizeof(word) || cursor.p >= end)
		return false;
	memcpy(word, p, length);
	word[length] = '\0';
	if (jo_words_find(word, template_roots) < 0 && !is_alias(word, scope) &&
		strcmp(word, "secret") != 0)
		return false;
	return is_blank(*cursor.p) || strchr(".[|}", *cursor.p) != NULL;
}

bool
jo_template_find_root(const char *word, bool in_path, const JoTemplateScope *scope, JoRef *ref,
					  JoTemplateFault *fault)
{
	const char *const *allowed = !in_path ? template_roots :
		scope != NULL && scope->value ? rule_roots :
		scope != NULL && scope->result ? success_roots : path_roots;
	int			found = jo_words_find(word, root_names);

	ref->alias = NULL;
	if (is_alias(word, scope))
	{
		ref->root = JO_ROOT_ITEM;
		ref->alias = pstrdup(word);
		return true;
	}
	if (strcmp(word, "secret") == 0)
	{
		ref->root = JO_ROOT_SECRET;
		return (!in_path && scope != NULL && scope->secret) ||
			jo_template_refuse(fault, "unknown_reference", NULL,
							   "secrets are only for network steps, and for \"env\" of command and script steps");
	}
	if (found < 0 || jo_words_find(word, allowed) < 0)
	{
		char	   *hint = jo_words_suggest(word, allowed);

		return jo_template_refuse(fault, "unknown_reference",
								  hint ? hint : psprintf("It can be one of: %s.", jo_words_join(allowed)),
								  "there is no \"%s\" to read here", jo_words_show(word));
	}
	ref->root = (JoRoot) found;
	return true;
}

bool
jo_template_check_step_field(const char *field, JoTemplateFault *fault)
{
	char	   *hint;

	if (jo_words_find(field, step_fields) >= 0)
		return true;
	hint = jo_words_suggest(field, step_fields);
	return jo_template_refuse(fault, "unknown_reference",
							  hint ? hint : psprintf("It can be one of: %s.", jo_words_join(step_fields)),
							  "a step has no \"%s\" to read", jo_words_show(field));
}

static void
append_segment(StringInfo path, const char *name)
{
	appendStringInfoChar(path, '.');
	jo_json_append_string(path, name);
}

/* At the opening quote of a name in double quotes, as JSON writes it. */
static char *
read_quoted_name(Cursor *cursor, JoTemplateFault *fault)
{
	const char *start = cursor->p;
	const char *end = skip_quoted(start, cursor->end);
	char	   *error;
	char	   *name = NULL;
	cJSON	   *json;

	json = jo_json_parse(start, end - start, &error);
	if (json != NULL && cJSON_IsString(json))
		name = pstrdup(json->valuestring);
	jo_json_free(json);
	if (name == NULL)
		jo_template_refuse(fault, "invalid_template", pstrdup("Write it as [\"name\"]."),
						   "%s is not a quoted name", jo_words_clip(start, end - start));
	cursor->p = end;
	return name;
}

/* At a [: ["name"], [0], [last] or [*].  *name is NULL when it is no name. */
static bool
read_bracket(Cursor *cursor, StringInfo path, char **name, JoTemplateFault *fault)
{
	const char *start = cursor->p++;
	const char *inside;
	size_t		length;

	*name = NULL;
	skip_blanks(cursor);
	inside = cursor->p;
	if (cursor->p < cursor->end && *cursor->p == '"')
	{
		*name = read_quoted_name(cursor, fault);
		if (*name == NULL)
			return false;
		append_segment(path, *name);
	}
	else
	{
		while (cursor->p < cursor->end && (is_name_char(*cursor->p) || *cursor->p == '*'))
			cursor->p++;
		length = cursor->p - inside;
		if (!(length == 1 && *inside == '*') && !(length == 4 && memcmp(inside, "last", 4) == 0) &&
			!(length > 0 && length < 10 && strspn(inside, "0123456789") >= length))
			return jo_template_refuse(fault, "invalid_template",
									  pstrdup("Write [0], [last], [*] or [\"name\"]."),
									  "%s is not an index", jo_words_clip(start, cursor->end - start));
		appendStringInfo(path, "[%.*s]", (int) length, inside);
	}
	skip_blanks(cursor);
	if (cursor->p >= cursor->end || *cursor->p != ']')
		return jo_template_refuse(fault, "invalid_template", NULL, "%s has no closing ]",
								  jo_words_clip(start, cursor->end - start));
	cursor->p++;
	return true;
}

/* At a . or [.  *name as in read_bracket(). */
static bool
read_segment(Cursor *cursor, StringInfo path, char **name, JoTemplateFault *fault)
{
	if (*cursor->p == '[')
		return read_bracket(cursor, path, name, fault);
	cursor->p++;
	if (cursor->p < cursor->end && *cursor->p == '"')
		*name = read_quoted_name(cursor, fault);
	else
		*name = read_name(cursor);
	if (*name == NULL)
		return false;
	if (**name == '\0' && cursor->p[-1] != '"')
		return jo_template_refuse(fault, "invalid_template",
								  pstrdup("Write names with other characters as [\"name\"]."),
								  "a name was expected after the dot at \"%s\"",
								  jo_words_clip(cursor->p, cursor->end - cursor->p));
	append_segment(path, *name);
	return true;
}

static bool
read_path(Cursor *cursor, JoTemplate *out, JoTemplateFault *fault)
{
	StringInfoData path;
	char	   *word;
	int			depth = 0;

	if (cursor->p < cursor->end && *cursor->p == '$')
		return jo_template_refuse(fault, "invalid_template",
								  pstrdup("Leave out the leading \"$.\", as in {{ input.name }}."),
								  "a template's path starts with the name of what it reads");
	word = read_name(cursor);
	if (*word == '\0')
		return jo_template_refuse(fault, "invalid_template",
								  pstrdup("Write a path, as in {{ input.name }}."),
								  "the template %s names nothing", jo_words_show(out->source));
	if (!jo_template_find_root(word, false, cursor->scope, &out->ref, fault))
		return false;
	initStringInfo(&path);
	appendStringInfoChar(&path, '$');
	append_segment(&path, word);

	for (; cursor->p < cursor->end && (*cursor->p == '.' || *cursor->p == '['); depth++)
	{
		bool		of_steps = (out->ref.root == JO_ROOT_STEPS);
		char	   *name;

		if (!read_segment(cursor, &path, &name, fault))
			return false;
		if (of_steps && depth == 0)
			out->ref.step_name = name;
		if ((of_steps && depth == 1) || (out->ref.root == JO_ROOT_PREVIOUS && depth == 0))
			if (!jo_template_check_step_field(name ? name : "[...]", fault))
				return false;
	}
	if (out->ref.root == JO_ROOT_STEPS && out->ref.step_name == NULL)
		return jo_template_refuse(fault, "invalid_template",
								  pstrdup("Name the step, as in {{ steps.load.output }}."),
								  "the template %s names no step", jo_words_show(out->source));
	out->path = path.data;
	return true;
}

/* At the opening quote of 'text', where '' stands for one quote; as a JSON string. */
static char *
read_single_quoted(Cursor *cursor)
{
	StringInfoData text;
	StringInfoData json;

	initStringInfo(&text);
	for (cursor->p++; cursor->p < cursor->end; cursor->p++)
	{
		if (*cursor->p == '\'')
		{
			if (cursor->end - cursor->p < 2 || cursor->p[1] != '\'')
			{
				cursor->p++;
				break;
			}
			cursor->p++;
		}
		appendStringInfoChar(&text, *cursor->p);
	}
	initStringInfo(&json);
	jo_json_append_string(&json, text.data);
	return json.data;
}

/* After the ( of default: a JSON value or a text in single quotes, then ). */
static bool
read_default(Cursor *cursor, JoFilter *filter, JoTemplateFault *fault)
{
	const char *start;
	char	   *error;

	skip_blanks(cursor);
	start = cursor->p;
	if (cursor->p < cursor->end && *cursor->p == '\'')
		filter->argument = read_single_quoted(cursor);
	else
	{
		while (cursor->p < cursor->end && *cursor->p != ')')
			cursor->p = (*cursor->p == '"') ? skip_quoted(cursor->p, cursor->end) : cursor->p + 1;
		filter->argument = pnstrdup(start, cursor->p - start);
	}
	skip_blanks(cursor);
	if (cursor->p >= cursor->end || *cursor->p != ')')
		return jo_template_refuse(fault, "invalid_template", NULL, "default( has no closing )");
	cursor->p++;
	if (jo_json_check(filter->argument, strlen(filter->argument), &error) != JO_JSON_OK)
		return jo_template_refuse(fault, "invalid_template",
								  pstrdup("Write a number, true, null, \"text\", 'text', [] or {}."),
								  "default(%s) is not a JSON value: %s",
								  jo_words_show(filter->argument), error);
	return true;
}

/* After a |. */
static bool
read_filter(Cursor *cursor, JoFilter *filter, JoTemplateFault *fault)
{
	char	   *word;
	int			kind;
	bool		has_argument;

	skip_blanks(cursor);
	word = read_name(cursor);
	kind = jo_words_find(word, filter_names);
	if (kind < 0)
	{
		char	   *hint = jo_words_suggest(word, filter_names);

		return jo_template_refuse(fault, "invalid_template",
								  hint ? hint : psprintf("Filters are: %s.", jo_words_join(filter_names)),
								  "there is no filter \"%s\"", jo_words_show(word));
	}
	filter->kind = (JoFilterKind) kind;
	filter->argument = NULL;
	skip_blanks(cursor);
	has_argument = cursor->p < cursor->end && *cursor->p == '(';
	if (has_argument != (kind == JO_FILTER_DEFAULT))
		return jo_template_refuse(fault, "invalid_template", NULL,
								  has_argument ? "the filter \"%s\" takes no argument"
								  : "the filter \"%s\" needs an argument in parentheses", word);
	if (!has_argument)
		return true;
	cursor->p++;
	return read_default(cursor, filter, fault);
}

static bool
read_filters(Cursor *cursor, JoTemplate *out, JoTemplateFault *fault)
{
	int			capacity = 0;

	for (;;)
	{
		skip_blanks(cursor);
		if (cursor->p >= cursor->end)
			return true;
		if (*cursor->p != '|')
			return jo_template_refuse(fault, "invalid_template", NULL, "unexpected \"%s\" in %s",
									  jo_words_clip(cursor->p, cursor->end - cursor->p),
									  jo_words_show(out->source));
		if (out->nfilters > 0 && out->filters[out->nfilters - 1].kind == JO_FILTER_IDENT)
			return jo_template_refuse(fault, "invalid_template", NULL,
									  "nothing can follow the filter \"ident\"");
		if (out->nfilters >= capacity)
		{
			capacity = capacity ? capacity * 2 : 4;
			out->filters = out->filters ? repalloc(out->filters, capacity * sizeof(JoFilter))
				: palloc(capacity * sizeof(JoFilter));
		}
		cursor->p++;
		if (!read_filter(cursor, &out->filters[out->nfilters], fault))
			return false;
		out->nfilters++;
	}
}

bool
jo_template_scan_expression(const char *text, size_t length, const JoTemplateScope *scope,
							JoTemplate *out, JoTemplateFault *fault)
{
	Cursor		cursor = {text, text + length, scope};

	memset(out, 0, sizeof(*out));
	out->source = psprintf("{{%.*s}}", (int) length, text);
	out->ref.step = -1;
	skip_blanks(&cursor);
	return read_path(&cursor, out, fault) && read_filters(&cursor, out, fault);
}

void
jo_template_begin(JoTextBuilder *builder, const JoTemplateScope *scope, JoSqlText *out, const char *text)
{
	memset(out, 0, sizeof(*out));
	builder->out = out;
	builder->scope = scope;
	builder->capacity = 0;
	builder->piece = text;
}

/* Makes room for one template more and the piece after it. */
static void
reserve_template(JoTextBuilder *builder)
{
	JoSqlText  *out = builder->out;
	int			capacity = builder->capacity ? builder->capacity * 2 : 4;

	if (out->ntemplates < builder->capacity)
		return;
	if (builder->capacity == 0)
	{
		out->templates = palloc(capacity * sizeof(JoTemplate));
		out->pieces = palloc((capacity + 1) * sizeof(char *));
	}
	else
	{
		out->templates = repalloc(out->templates, capacity * sizeof(JoTemplate));
		out->pieces = repalloc(out->pieces, (capacity + 1) * sizeof(char *));
	}
	builder->capacity = capacity;
}

const char *
jo_template_take(JoTextBuilder *builder, const char *open, const char *end, JoTemplateFault *fault)
{
	JoSqlText  *out = builder->out;
	const char *close = jo_template_find_end(open + 2, end);

	if (close == NULL)
	{
		jo_template_refuse(fault, "invalid_template", NULL, "the template %s has no closing }}",
						   jo_words_clip(open, end - open));
		return NULL;
	}
	if (out->ntemplates >= JO_MAX_TEMPLATES)
	{
		jo_template_refuse(fault, "limit_exceeded", NULL, "more than %d templates in one text",
						   JO_MAX_TEMPLATES);
		return NULL;
	}
	reserve_template(builder);
	if (!jo_template_scan_expression(open + 2, close - (open + 2), builder->scope,
									 &out->templates[out->ntemplates], fault))
		return NULL;
	out->pieces[out->ntemplates++] = pnstrdup(builder->piece, open - builder->piece);
	builder->piece = close + 2;
	return builder->piece;
}

void
jo_template_finish(JoTextBuilder *builder, const char *end)
{
	reserve_template(builder);
	builder->out->pieces[builder->out->ntemplates] = pnstrdup(builder->piece, end - builder->piece);
}

bool
jo_template_scan_text(const char *text, const JoTemplateScope *scope, JoSqlText *out,
					  JoTemplateFault *fault)
{
	JoTextBuilder builder;
	const char *end = text + strlen(text);
	const char *p = text;

	jo_template_begin(&builder, scope, out, text);
	while ((p = strstr(p, "{{")) != NULL)
	{
		const JoTemplate *taken;

		p = jo_template_take(&builder, p, end, fault);
		if (p == NULL)
			return false;
		taken = &out->templates[out->ntemplates - 1];
		if (taken->nfilters > 0 && taken->filters[taken->nfilters - 1].kind == JO_FILTER_IDENT)
			return jo_template_refuse(fault, "invalid_template", NULL,
									  "the filter \"ident\" makes an SQL name and is only for SQL");
	}
	jo_template_finish(&builder, end);
	return true;
}

/* Hands a fault out in the form of template.h. */
static bool
report_fault(bool good, const JoTemplateFault *fault, char **error, char **hint)
{
	*error = good ? NULL : fault->message;
	*hint = good ? NULL : fault->hint;
	return good;
}

bool
jo_template_parse_sql(const char *text, JoSqlText *out, char **error, char **hint)
{
	JoTemplateFault fault;

	return report_fault(jo_template_scan_sql(text, NULL, out, &fault), &fault, error, hint);
}

bool
jo_template_parse_text(const char *text, JoSqlText *out, char **error, char **hint)
{
	JoTemplateFault fault;

	return report_fault(jo_template_scan_text(text, NULL, out, &fault), &fault, error, hint);
}

bool
jo_template_parse_expression(const char *text, size_t length, JoTemplate *out,
							 char **error, char **hint)
{
	JoTemplateFault fault;

	return report_fault(jo_template_scan_expression(text, length, NULL, out, &fault), &fault, error, hint);
}

bool
jo_template_path_refs(const char *path, JoRefList *refs, char **error, char **hint)
{
	JoTemplateFault fault;

	return report_fault(jo_template_scan_path(path, NULL, refs, &fault), &fault, error, hint);
}
