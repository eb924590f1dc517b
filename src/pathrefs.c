/*
 * pathrefs.c
 *		Which roots and steps an SQL/JSON path reads, for `when`.
 *
 * Only the parts of the run document that are named here are built, and names
 * are checked at save; so a path must say what it reads: every $ is followed by
 * a root, and $.steps by a step.  The rest of the grammar is the server's
 * business.  A leaf: raises nothing.
 */
#include "templateparse.h"

#include <string.h>

#include "json.h"
#include "words.h"

typedef struct PathScan
{
	const char *p;
	const char *end;
	const JoTemplateScope *scope;
	JoRefList  *refs;
	int			capacity;
	JoTemplateFault *fault;
} PathScan;

static bool
is_path_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

/* A character of an unquoted name, as jsonpath_scan.l has it. */
static bool
is_path_name(char c)
{
	return c != '\0' && !is_path_blank(c) && strchr("?%$.[]{}()|&!=<>@#,*:-+/\"\\'", c) == NULL;
}

/* Blanks and comments. */
static void
skip_path_blanks(PathScan *scan)
{
	while (scan->p < scan->end)
	{
		if (is_path_blank(*scan->p))
			scan->p++;
		else if (scan->p[0] == '/' && scan->p[1] == '*')
		{
			const char *close = strstr(scan->p + 2, "*/");

			scan->p = close ? close + 2 : scan->end;
		}
		else
			break;
	}
}

/* At a double quote: behind the text. */
static bool
skip_path_string(PathScan *scan)
{
	const char *start = scan->p;

	for (scan->p++; scan->p < scan->end; scan->p++)
	{
		if (*scan->p == '\\' && scan->p + 1 < scan->end)
			scan->p++;
		else if (*scan->p == '"')
		{
			scan->p++;
			return true;
		}
	}
	return jo_template_refuse(scan->fault, "invalid_template", NULL, "%s has no closing quote",
							  jo_words_show(start));
}

static char *
read_path_word(PathScan *scan)
{
	const char *start = scan->p;

	while (scan->p < scan->end && is_path_name(*scan->p))
		scan->p++;
	return pnstrdup(start, scan->p - start);
}

/* At a double quote: the name in it, NULL and a fault if it cannot be read. */
static char *
read_path_string(PathScan *scan)
{
	const char *start = scan->p;
	char	   *name = NULL;
	char	   *error;
	cJSON	   *json;

	if (!skip_path_string(scan))
		return NULL;
	json = jo_json_parse(start, scan->p - start, &error);
	if (json != NULL && cJSON_IsString(json))
		name = pstrdup(json->valuestring);
	jo_json_free(json);
	if (name == NULL)
		jo_template_refuse(scan->fault, "invalid_template",
						   pstrdup("Write the name with JSON's escapes only."),
						   "the name %s cannot be read", jo_words_clip(start, scan->p - start));
	return name;
}

/* steps."my-step".output for a path that goes on with steps.my-step.output at start. */
static bool
refuse_unquoted(PathScan *scan, const char *start)
{
	const char *rest;
	char	   *name;
	char	   *field;

	while (scan->p < scan->end && (is_path_name(*scan->p) || *scan->p == '-'))
		scan->p++;
	name = jo_words_clip(start, scan->p - start);
	rest = scan->p;
	if (scan->p < scan->end && *scan->p == '.')
		scan->p++;
	while (scan->p < scan->end && is_path_name(*scan->p))
		scan->p++;
	field = jo_words_clip(rest, scan->p - rest);
	return jo_template_refuse(scan->fault, "invalid_template",
							  psprintf("Write $.steps.\"%s\"%s (inside JSON: $.steps.\\\"%s\\\"%s).",
									   name, field, name, field),
							  "the step name \"%s\" must be in double quotes in a path", name);
}

static bool
is_same_text(const char *a, const char *b)
{
	return (a == NULL || b == NULL) ? a == b : strcmp(a, b) == 0;
}

static void
add_ref(PathScan *scan, const JoRef *ref)
{
	JoRefList  *refs = scan->refs;

	for (int i = 0; i < refs->n; i++)
		if (refs->list[i].root == ref->root && is_same_text(refs->list[i].alias, ref->alias) &&
			is_same_text(refs->list[i].step_name, ref->step_name))
			return;
	if (refs->n >= scan->capacity)
	{
		scan->capacity = scan->capacity ? scan->capacity * 2 : 4;
		refs->list = refs->list ? repalloc(refs->list, scan->capacity * sizeof(JoRef))
			: palloc(scan->capacity * sizeof(JoRef));
	}
	refs->list[refs->n++] = *ref;
}

/* Steps over ".", with blanks around it; false if there is none. */
static bool
take_dot(PathScan *scan)
{
	skip_path_blanks(scan);
	if (scan->p >= scan->end || *scan->p != '.')
		return false;
	scan->p++;
	skip_path_blanks(scan);
	return scan->p < scan->end;
}

/* Behind $.steps: the step's name, and the field if one follows. */
static bool
read_step(PathScan *scan, char **name)
{
	const char *start;
	char	   *field;

	*name = NULL;
	if (take_dot(scan))
	{
		start = scan->p;
		if (*scan->p == '"')
		{
			*name = read_path_string(scan);
			if (*name == NULL)
				return false;
		}
		else
		{
			*name = read_path_word(scan);
			if ((*start >= '0' && *start <= '9') ||
				(**name != '\0' && scan->p + 1 < scan->end && *scan->p == '-' && is_path_name(scan->p[1])))
				return refuse_unquoted(scan, start);
		}
	}
	if (*name == NULL || **name == '\0')
		return jo_template_refuse(scan->fault, "invalid_template",
								  pstrdup("Write $.steps.name, or $.steps.\"name\" for names with other characters."),
								  "a path that reads $.steps must name the step");
	if (!take_dot(scan))
		return true;
	if (*scan->p == '"')
	{
		field = read_path_string(scan);
		return field != NULL && jo_template_check_step_field(field, scan->fault);
	}
	field = read_path_word(scan);
	skip_path_blanks(scan);
	if (scan->p < scan->end && *scan->p == '(')
		return true;			/* a method, such as .type() */
	return jo_template_check_step_field(field, scan->fault);
}

/* At a $. */
static bool
read_reference(PathScan *scan)
{
	const char *start = scan->p++;
	char	   *word = NULL;
	JoRef		ref = {.step = -1};

	if (scan->p < scan->end && (is_path_name(*scan->p) || *scan->p == '"'))
		return jo_template_refuse(scan->fault, "invalid_template",
								  pstrdup("Write $.input.name or $.vars.name."),
								  "a path has no variables: %s", jo_words_show(start));
	if (take_dot(scan))
	{
		word = (*scan->p == '"') ? read_path_string(scan) : read_path_word(scan);
		if (word == NULL)
			return false;
	}
	if (word == NULL || *word == '\0')
		return jo_template_refuse(scan->fault, "invalid_template",
								  pstrdup("Write $.input, $.vars or $.steps.name, and what to read of it."),
								  "a path must say what it reads of $");
	if (!jo_template_find_root(word, true, scan->scope, &ref, scan->fault))
		return false;
	if (ref.root == JO_ROOT_STEPS && !read_step(scan, &ref.step_name))
		return false;
	add_ref(scan, &ref);
	return true;
}

/* A word outside of quotes; a root without $. before it was surely meant as a path. */
static bool
read_bare_word(PathScan *scan)
{
	const char *start = scan->p;
	char	   *word = read_path_word(scan);
	JoTemplateFault ignored;
	JoRef		ref;

	if (scan->p < scan->end && *scan->p == '.' &&
		jo_template_find_root(word, true, scan->scope, &ref, &ignored))
	{
		while (scan->p < scan->end && (is_path_name(*scan->p) || *scan->p == '.'))
			scan->p++;
		return jo_template_refuse(scan->fault, "invalid_template",
								  psprintf("Write $.%s.", jo_words_clip(start, scan->p - start)),
								  "a path starts with $, not with \"%s\"", word);
	}
	return true;
}

static bool
scan_path_token(PathScan *scan)
{
	const char *p = scan->p;

	switch (*p)
	{
		case '"':
			return skip_path_string(scan);
		case '$':
			return read_reference(scan);
		case '.':
			scan->p++;
			skip_path_blanks(scan);
			read_path_word(scan);
			return true;
		case '{':
			if (p[1] == '{')
				return jo_template_refuse(scan->fault, "invalid_template",
										  pstrdup("Write $.input.name for {{ input.name }}."),
										  "a condition is an SQL/JSON path and takes no templates");
			break;
		default:
			if (is_path_name(*p))
				return read_bare_word(scan);
	}
	scan->p++;
	return true;
}

bool
jo_template_scan_path(const char *path, const JoTemplateScope *scope, JoRefList *refs,
					  JoTemplateFault *fault)
{
	PathScan	scan;

	memset(refs, 0, sizeof(*refs));
	memset(&scan, 0, sizeof(scan));
	scan.p = path;
	scan.end = path + strlen(path);
	scan.scope = scope;
	scan.refs = refs;
	scan.fault = fault;
	if (scan.end - path > JO_MAX_PATH_BYTES)
		return jo_template_refuse(fault, "limit_exceeded", NULL, "a path is longer than %d bytes",
								  JO_MAX_PATH_BYTES);
	for (skip_path_blanks(&scan); scan.p < scan.end; skip_path_blanks(&scan))
		if (!scan_path_token(&scan))
			return false;
	return true;
}
