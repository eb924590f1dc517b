/*
 * sqltext.c
 *		Finds the templates of an SQL text as PostgreSQL's own lexer would see it.
 *
 * A template outside of quotes and comments becomes a bind parameter.  The rules
 * of src/backend/parser/scan.l are followed for what matters here: where quoted
 * texts, quoted names, dollar quotes and comments begin and end (with
 * standard_conforming_strings on, which the executor pins).  If this scanner and
 * the server disagreed about that, a value could end up as code.
 *
 * A leaf: raises nothing, evaluates nothing.
 */
#include "templateparse.h"

#include <string.h>

#include "words.h"

/* How far a {{ in quotes is searched for its }}, so that the search stays linear. */
#define QUOTED_TEMPLATE_BYTES 1000

typedef enum Region
{
	REGION_TEXT,				/* '...' in all its forms */
	REGION_NAME,				/* "..." */
	REGION_DOLLAR,				/* $tag$...$tag$ */
	REGION_COMMENT
} Region;

typedef struct SqlScan
{
	const char *start;
	const char *p;
	const char *end;
	const char *escape_quote;	/* a quote here continues an E'..' text, or NULL */
	JoTextBuilder builder;
	JoTemplateFault *fault;
} SqlScan;

static bool
is_ident_start(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char) c >= 0x80;
}

static bool
is_ident_cont(char c)
{
	return is_ident_start(c) || (c >= '0' && c <= '9') || c == '$';
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static int
line_of(const SqlScan *scan, const char *at)
{
	int			line = 1;

	for (const char *p = scan->start; p < at; p++)
		line += (*p == '\n');
	return line;
}

static bool
starts_with(const char *p, const char *end, const char *text)
{
	size_t		length = strlen(text);

	return (size_t) (end - p) >= length && memcmp(p, text, length) == 0;
}

/* Is the word before at (blanks between) INTERVAL? */
static bool
follows_interval(const SqlScan *scan, const char *at)
{
	static const char word[] = "interval";
	int			length = sizeof(word) - 1;

	while (at > scan->start && is_space(at[-1]))
		at--;
	if (at - scan->start < length)
		return false;
	for (int i = 0; i < length; i++)
		if ((at[i - length] | 0x20) != word[i])
			return false;
	return at - scan->start == length || !is_ident_cont(at[-length - 1]);
}

/* The argument of make_interval() for a unit of time that follows a template, or NULL. */
static const char *
find_interval_unit(const char *p, const char *end)
{
	static const char *const units[][2] = {
		{"sec", "secs"}, {"min", "mins"}, {"hour", "hours"}, {"day", "days"},
		{"week", "weeks"}, {"mon", "months"}, {"year", "years"}
	};

	while (p < end && is_space(*p))
		p++;
	for (int i = 0; i < (int) lengthof(units); i++)
		if (starts_with(p, end, units[i][0]))
			return units[i][1];
	return NULL;
}

/* What to write instead of a template ([open, after)) in a quoted text [start, end). */
static char *
hint_for_text(const SqlScan *scan, const char *start, const char *end,
			  const char *open, const char *after)
{
	char	   *source = jo_words_clip(open, after - open);
	const char *unit = find_interval_unit(after, end);

	if (unit != NULL || follows_interval(scan, start))
		return psprintf("Write make_interval(%s => %s) instead.", unit ? unit : "days", source);
	if (open == start + 1 && after == end - 1)
		return psprintf("Leave the quotes out: %s is bound as a value.", source);
	return psprintf("Write the template outside of the quotes: '...' || %s || '...'.", source);
}

/* Refuses text in [start, end) that reads as a template: it would not be replaced. */
static bool
check_region(SqlScan *scan, const char *start, const char *end, Region region)
{
	static const char *const wheres[] = {
		"a quoted text", "a quoted name", "a dollar-quoted text", "a comment"
	};

	for (const char *p = start; end - p >= 4; p++)
	{
		const char *after;
		const char *limit;
		char	   *hint = NULL;

		p = memchr(p, '{', end - p);
		if (p == NULL)
			break;
		if (end - p < 4 || p[1] != '{' || !jo_template_names_root(p + 2, end, scan->builder.scope))
			continue;
		limit = end - p > QUOTED_TEMPLATE_BYTES ? p + QUOTED_TEMPLATE_BYTES : end;
		for (after = p + 2; after < limit && !starts_with(after, end, "}}"); after++)
			;
		if (after >= limit)
			continue;
		after += 2;
		if (region == REGION_TEXT)
			hint = hint_for_text(scan, start, end, p, after);
		else if (region == REGION_NAME)
			hint = pstrdup("Write {{ path | ident }} without the quotes.");
		else if (region == REGION_DOLLAR)
			hint = psprintf("Set it before, with SELECT set_config('my.value', (%s)::text, true); and read current_setting('my.value') here.",
							jo_words_clip(p, after - p));
		else
			hint = pstrdup("Take it out of the comment.");
		return jo_template_refuse(scan->fault, "invalid_template", hint,
								  "%s in %s (line %d) is not replaced",
								  jo_words_clip(p, after - p), wheres[region], line_of(scan, p));
	}
	return true;
}

static bool
refuse_unended(SqlScan *scan, const char *what, const char *start)
{
	return jo_template_refuse(scan->fault, "invalid_template", NULL, "%s has no end (line %d)",
							  what, line_of(scan, start));
}

/*
 * Behind an E'..' text: a newline and then a quote continue it, with its
 * escapes.  Remembers that quote.
 */
static void
find_continuation(SqlScan *scan)
{
	const char *p = scan->p;
	bool		newline = false;

	while (p < scan->end)
	{
		if (is_space(*p))
		{
			newline |= (*p == '\n' || *p == '\r');
			p++;
		}
		else if (starts_with(p, scan->end, "--"))
		{
			while (p < scan->end && *p != '\n' && *p != '\r')
				p++;
		}
		else
			break;
	}
	if (newline && p < scan->end && *p == '\'')
		scan->escape_quote = p;
}

/* At the opening quote of a text. */
static bool
skip_text(SqlScan *scan, bool escapes)
{
	const char *start = scan->p;

	escapes |= (start == scan->escape_quote);
	for (scan->p++; scan->p < scan->end; scan->p++)
	{
		if (escapes && *scan->p == '\\' && scan->p + 1 < scan->end)
			scan->p++;
		else if (*scan->p == '\'')
		{
			if (!starts_with(scan->p, scan->end, "''"))
				break;
			scan->p++;
		}
	}
	if (scan->p >= scan->end)
		return refuse_unended(scan, "a quoted text", start);
	scan->p++;
	if (escapes)
		find_continuation(scan);
	return check_region(scan, start, scan->p, REGION_TEXT);
}

/* At the opening quote of a name. */
static bool
skip_name(SqlScan *scan)
{
	const char *start = scan->p;
	const char *quote = memchr(start + 1, '"', scan->end - start - 1);

	if (quote == NULL)
		return refuse_unended(scan, "a quoted name", start);
	scan->p = quote + 1;		/* "" reads as a second name, which ends the same */
	return check_region(scan, start, scan->p, REGION_NAME);
}

/* At a -- or a slash and asterisk. */
static bool
skip_comment(SqlScan *scan)
{
	const char *start = scan->p;
	int			depth = 0;

	if (*scan->p == '-')
	{
		while (scan->p < scan->end && *scan->p != '\n' && *scan->p != '\r')
			scan->p++;
		return check_region(scan, start, scan->p, REGION_COMMENT);
	}
	do
	{
		if (scan->p >= scan->end)
			return refuse_unended(scan, "a comment", start);
		if (starts_with(scan->p, scan->end, "/*"))
			depth++;
		else if (starts_with(scan->p, scan->end, "*/"))
			depth--;
		else
		{
			scan->p++;
			continue;
		}
		scan->p += 2;
	} while (depth > 0);
	return check_region(scan, start, scan->p, REGION_COMMENT);
}

/* At a $: a dollar quote, a parameter, or nothing of interest. */
static bool
skip_dollar(SqlScan *scan)
{
	const char *start = scan->p;
	const char *p = start + 1;
	size_t		length;

	if (p < scan->end && *p >= '0' && *p <= '9')
		return jo_template_refuse(scan->fault, "invalid_template",
								  pstrdup("Use {{ ... }}, as in {{ input.name }}."),
								  "the parameter %s in the SQL (line %d) has no value",
								  jo_words_clip(start, strspn(p, "0123456789") + 1), line_of(scan, start));
	if (p < scan->end && is_ident_start(*p))
		while (p < scan->end && is_ident_cont(*p) && *p != '$')
			p++;
	if (p >= scan->end || *p != '$')
	{
		scan->p = start + 1;
		return true;
	}
	length = p + 1 - start;
	for (p++; (p = memchr(p, '$', scan->end - p)) != NULL; p++)
		if ((size_t) (scan->end - p) >= length && memcmp(p, start, length) == 0)
			break;
	if (p == NULL)
		return refuse_unended(scan, "a dollar-quoted text", start);
	scan->p = p + length;
	return check_region(scan, start, scan->p, REGION_DOLLAR);
}

/* At the first character of a word; it may be the prefix of a quoted text. */
static bool
skip_word(SqlScan *scan)
{
	char		first = *scan->p;

	if (starts_with(scan->p + 1, scan->end, "'") && (first == 'e' || first == 'E'))
	{
		scan->p++;
		return skip_text(scan, true);
	}
	while (scan->p < scan->end && is_ident_cont(*scan->p))
		scan->p++;
	return true;
}

static bool
is_ident_template(const JoTemplate *template)
{
	return template->nfilters > 0 &&
		template->filters[template->nfilters - 1].kind == JO_FILTER_IDENT;
}

/*
 * A parameter or name that is written next to other characters could become
 * part of another token: a{{ x }} would be the name a$1, {{ x }}0 the parameter
 * $10, ${{ x }} a dollar quote, {{ x | ident }}'..' perhaps an E'..' text.
 */
static bool
check_neighbours(SqlScan *scan, const char *open, const char *after, const JoTemplate *template)
{
	bool		ident = is_ident_template(template);
	char		before = open > scan->start ? open[-1] : ' ';
	char		behind = after < scan->end ? *after : ' ';
	bool		good_before = !is_ident_cont(before) && strchr("'\"", before) == NULL;
	bool		good_behind = !is_ident_cont(behind) && strchr("'\"", behind) == NULL;

	if (ident)
	{
		good_before &= (is_space(before) || strchr("(,.;=<>[:)/", before) != NULL);
		good_behind &= (is_space(behind) || strchr("),.;(=<>[:/", behind) != NULL);
	}
	if (before == '$')
		return jo_template_refuse(scan->fault, "invalid_template",
								  psprintf("Write %s without the $.", jo_words_show(template->source)),
								  "a template in SQL cannot follow a $ (line %d)", line_of(scan, open));
	if (!good_before || !good_behind || starts_with(after, scan->end, "{{"))
		return jo_template_refuse(scan->fault, "invalid_template",
								  pstrdup("Put a blank or an operator, such as ||, between them."),
								  "%s in SQL (line %d) touches what is next to it",
								  jo_words_show(template->source), line_of(scan, open));
	return true;
}

/* At a {{. */
static bool
take_template(SqlScan *scan)
{
	const char *open = scan->p;
	const JoSqlText *out = scan->builder.out;
	const char *after = jo_template_take(&scan->builder, open, scan->end, scan->fault);

	if (after == NULL)
		return false;
	if (!check_neighbours(scan, open, after, &out->templates[out->ntemplates - 1]))
		return false;
	if (is_ident_template(&out->templates[out->ntemplates - 1]))
		scan->builder.out->has_ident = true;
	scan->p = after;
	return true;
}

/* One token, or one character of no interest. */
static bool
scan_token(SqlScan *scan)
{
	const char *p = scan->p;

	if (*p == '\'')
		return skip_text(scan, false);
	if (*p == '"')
		return skip_name(scan);
	if (*p == '$')
		return skip_dollar(scan);
	if (starts_with(p, scan->end, "--") || starts_with(p, scan->end, "/*"))
		return skip_comment(scan);
	if (starts_with(p, scan->end, "{{"))
		return take_template(scan);
	if (is_ident_start(*p))
		return skip_word(scan);
	scan->p++;
	return true;
}

bool
jo_template_scan_sql(const char *text, const JoTemplateScope *scope, JoSqlText *out,
					 JoTemplateFault *fault)
{
	SqlScan		scan;

	memset(&scan, 0, sizeof(scan));
	scan.start = scan.p = text;
	scan.end = text + strlen(text);
	scan.fault = fault;
	jo_template_begin(&scan.builder, scope, out, text);
	while (scan.p < scan.end)
		if (!scan_token(&scan))
			return false;
	jo_template_finish(&scan.builder, scan.end);
	return true;
}
