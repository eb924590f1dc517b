/*
 * visualobject.c
 *		Scripts that only put an object together: return { ...input, n: input.n + 1 };
 *
 * A leaf.  Designers have no other way to shape or count things, so these become
 * SQL and need nobody to run them; every other script stays one.
 */
#include "visualparse.h"

#include <string.h>

#define MAX_MEMBERS 100

typedef struct Members
{
	bool		spread;			/* ...input */
	StringInfoData list;		/* 'key', value, ... in SQL */
	int			n;
} Members;

static const char *
skip_blanks(const char *p)
{
	return p + strspn(p, " \t\r\n");
}

/* Where a value ends: at a comma or brace outside of quotes and brackets; NULL: nowhere. */
static const char *
find_end(const char *p)
{
	int			depth = 0;

	for (; *p != '\0'; p++)
	{
		if (depth == 0 && (*p == ',' || *p == '}'))
			return p;
		if (*p == '"' || *p == '\'' || *p == '`')
		{
			char		quote = *p;

			for (p++; *p != '\0' && *p != quote; p++)
				if (*p == '\\' && p[1] != '\0')
					p++;
			if (*p == '\0' || quote == '`')
				return NULL;
		}
		else if (strchr("([{", *p) != NULL)
			depth++;
		else if (strchr(")]}", *p) != NULL && --depth < 0)
			return NULL;
	}
	return NULL;
}

/* key: value, or ...input; NULL when it is neither. */
static const char *
read_member(const JoVisualPlace *place, const char *p, Members *members)
{
	static const char *const sources[] = {"...input_data", "...input", "...data", NULL};
	const char *start = p;
	const char *end = find_end(p);
	char	   *key;
	JoExpr	   *value;

	if (end == NULL || members->n >= MAX_MEMBERS)
		return NULL;
	for (int i = 0; sources[i] != NULL; i++)
	{
		size_t		length = strlen(sources[i]);

		/* what follows a spread wins over it, so it must come first */
		if (strncmp(p, sources[i], length) == 0 && skip_blanks(p + length) == end && members->n == 0)
		{
			members->spread = true;
			return end;
		}
	}
	if (*p == '"' || *p == '\'')
	{
		start++;
		p = strchr(start, *p);
		if (p == NULL || p > end)
			return NULL;
		key = pnstrdup(start, p++ - start);
	}
	else
	{
		p += strcspn(p, ": \t\r\n,}'\"");
		key = pnstrdup(start, p - start);
	}
	p = skip_blanks(p);
	if (*key == '\0' || strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != strlen(key) ||
		*p++ != ':')
		return NULL;
	value = jo_expr_parse(place, p, end - p);
	if (value == NULL)
		return NULL;
	appendStringInfo(&members->list, "%s'%s', %s", members->n++ > 0 ? ", " : "", key, jo_expr_sql_value(value));
	return end;
}

static bool
read_members(const JoVisualPlace *place, const char *p, Members *members)
{
	p = skip_blanks(p);
	if (strncmp(p, "return", 6) == 0)
		p = skip_blanks(p + 6);
	if (*p++ != '{')
		return false;
	for (p = skip_blanks(p); *p != '}'; p = skip_blanks(p))
	{
		p = read_member(place, p, members);
		if (p == NULL)
			return false;
		if (*p == ',')
			p++;
	}
	p = skip_blanks(p + 1);
	p = skip_blanks(*p == ';' ? p + 1 : p);
	return *p == '\0' && (members->n > 0 || members->spread);
}

/*
 * What `input` is: a template as JSON, NULL for nothing.  The first node of a cycle
 * finds its own last result laid over it: so it can count the passes.
 */
static char *
name_input(JoVisual *visual, const JoVisualNode *node, const char *input)
{
	JoVisualRegion *region = &visual->regions[node->region];
	char	   *value = pstrdup("'{}'::jsonb");

	if (input != NULL)
		value = psprintf("%.*s::jsonb", (int) strlen(input) - 2, input + 1);
	if (region->kind != JO_REGION_CYCLE || region->owner != node->index)
		return value;
	region->exported[node->index] = true;
	return psprintf("%s || coalesce({{ previous.output.steps.%s.output | default(null) }}::jsonb, '{}'::jsonb)",
					value, node->id);
}

char *
jo_visual_object(JoVisual *visual, JoVisualNode *node, const char *key, const char *script, const char *input)
{
	JoFindings *findings = visual->reader.findings;
	JoFindings	ignored;
	JoVisualPlace place;
	JoPath		path;
	Members		members;
	char	   *object;

	if (input != NULL && (strncmp(input, "\"{{ ", 4) != 0 || strpbrk(input + 4, "{\\") != NULL))
		return NULL;
	memset(&members, 0, sizeof(members));
	initStringInfo(&members.list);
	memset(&ignored, 0, sizeof(ignored));
	jo_visual_place(visual, node, key, &place, &path);
	place.scripted = true;
	visual->reader.findings = &ignored;
	object = read_members(&place, script, &members) ? members.list.data : NULL;
	visual->reader.findings = findings;
	if (object == NULL)
		return NULL;
	return psprintf("SELECT %sjsonb_build_object(%s) FROM (SELECT %s) AS t (input)",
					members.spread ? "t.input || " : "", object, name_input(visual, node, input));
}
