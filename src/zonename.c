/*
 * zonename.c
 *		Says what is wrong with the name of a time zone.
 *
 * The server's library takes any text with a digit for one of POSIX if there is no file of
 * that name: "Europe/Berlin2" would be two hours behind UTC.  So names with digits
 * are looked at here first; those without any can only be files.
 */
#include "joborch.h"

#include "zonename.h"

#include "pgtime.h"
#include "words.h"

#define LIST_HINT "Zones are places such as \"Europe/Berlin\", or \"UTC\"; SELECT name FROM pg_timezone_names lists them."

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Case does not matter; where name goes on behind a prefix, else NULL. */
static const char *
behind(const char *name, const char *prefix)
{
	size_t		length = strlen(prefix);

	return pg_strncasecmp(name, prefix, length) == 0 ? name + length : NULL;
}

/* ---- names with digits ---- */

/* Etc/GMT+12 to Etc/GMT-14, GMT0 and the like: files that every server has. */
static bool
is_file_with_digits(const char *name)
{
	const char *rest;
	bool		etc;
	bool		west;
	int			hours;

	if ((rest = behind(name, "posix/")) != NULL)
		name = rest;
	etc = (rest = behind(name, "Etc/")) != NULL;
	if (etc)
		name = rest;
	if ((rest = behind(name, "GMT")) == NULL)
		return false;
	west = *rest == '+';
	if (*rest == '+' || *rest == '-')
		rest++;
	if (!is_digit(rest[0]) || (rest[1] != '\0' && (rest[0] == '0' || !is_digit(rest[1]) || rest[2] != '\0')))
		return false;
	hours = atoi(rest);
	return etc ? hours <= (west ? 12 : 14) && (hours == 0 || rest != name + 3) : hours == 0;
}

/* Skips a name in a text of POSIX, of letters or in <>; NULL: there is none. */
static const char *
skip_name(const char *p)
{
	const char *start = p;

	if (*p == '<')
	{
		p = strchr(p, '>');
		return p != NULL ? p + 1 : NULL;
	}
	while ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z'))
		p++;
	return p - start >= 3 ? p : NULL;
}

/* As "EST5EDT", with a rule behind it or not: a name, an offset, and a name for summer. */
static bool
has_summer(const char *name)
{
	const char *p = skip_name(name);

	if (p == NULL || behind(name, "UTC") != NULL || behind(name, "GMT") != NULL)
		return false;
	if (*p == '+' || *p == '-')
		p++;
	if (!is_digit(*p))
		return false;
	while (is_digit(*p) || *p == ':')
		p++;
	return skip_name(p) != NULL;
}

/* Where the offset begins in "UTC+3", "GMT-5", "+03:00", "3" and with Etc/ before it; NULL: it is no such text. */
static const char *
find_offset(const char *name)
{
	static const char *const words[] = {"Etc/", "UTC", "GMT", "UCT", "Z", NULL};
	const char *p = name;
	const char *rest;

	for (int i = 0; words[i] != NULL; i++)
		if ((rest = behind(p, words[i])) != NULL)
			p = rest;
	while (*p == ' ')
		p++;
	if (strspn(p, "+-0123456789:.") != strlen(p))
		return NULL;
	return p;
}

/* What to write for so many hours before or behind UTC, by the sign as people mean it. */
static char *
suggest_offset(const char *offset)
{
	bool		west = *offset == '-';
	char	   *rest;
	long		hours;

	if (*offset == '+' || *offset == '-')
		offset++;
	hours = strtol(offset, &rest, 10);
	if (hours >= 100 && hours % 100 == 0 && *rest == '\0')
		hours /= 100;
	else if (rest == offset || hours >= 100 || (*rest != '\0' && strcmp(rest, ":00") != 0 && strcmp(rest, ".0") != 0))
		return pstrdup("Write a place with this offset, such as \"Asia/Kolkata\".");
	if (hours == 0)
		return pstrdup("Write \"UTC\".");
	if (hours > (west ? 12 : 14))
		return pstrdup(LIST_HINT);
	return psprintf("For %ld hour%s %s UTC write \"Etc/GMT%c%ld\": in these names + is west of Greenwich. "
					"Better write a place such as \"Europe/Berlin\", which knows when its clocks are changed.",
					hours, hours == 1 ? "" : "s", west ? "behind" : "ahead of", west ? '+' : '-', hours);
}

bool
jo_zone_name_check(const char *name, char **error, char **hint)
{
	const char *offset;

	if (*name == '\0')
	{
		*error = pstrdup("the time zone is empty");
		*hint = pstrdup(LIST_HINT);
		return false;
	}
	if (strlen(name) > TZ_STRLEN_MAX)
	{
		*error = psprintf("time zone \"%s\" does not exist", jo_words_show(name));
		*hint = pstrdup(LIST_HINT);
		return false;
	}
	if (strpbrk(name, "0123456789") == NULL || is_file_with_digits(name) || has_summer(name))
		return true;
	offset = find_offset(name);
	if (offset != NULL)
	{
		*error = psprintf("\"%s\" is an offset, not a time zone", jo_words_show(name));
		*hint = suggest_offset(offset);
	}
	else if (strchr(name, '/') == NULL && skip_name(name) != NULL)
	{
		*error = psprintf("\"%s\" is a fixed offset in the form of POSIX, not a time zone", jo_words_show(name));
		*hint = pstrdup("In that form + and no sign are west of Greenwich. Write a place such as \"America/New_York\", or \"Etc/GMT+5\" for 5 hours behind UTC.");
	}
	else
		jo_zone_name_explain(name, error, hint);
	return false;
}

/* ---- near matches ---- */

static const char *
last_part(const char *name)
{
	const char *slash = strrchr(name, '/');

	return slash != NULL ? slash + 1 : name;
}

/* As in "new york" for New_York. */
static bool
is_same(const char *a, const char *b)
{
	for (; *a != '\0' && *b != '\0'; a++, b++)
	{
		char		x = *a == ' ' || *a == '-' ? '_' : pg_ascii_tolower((unsigned char) *a);

		if (x != pg_ascii_tolower((unsigned char) *b))
			return false;
	}
	return *a == *b;
}

/* The server's zones, in one array that ends with NULL; in the current context. */
static const char **
list_zones(int *n)
{
	int			size = 1024;
	const char **names = palloc(size * sizeof(char *));
	pg_tzenum  *directory = pg_tzenumerate_start();
	pg_tz	   *tz;

	*n = 0;
	while ((tz = pg_tzenumerate_next(directory)) != NULL)
	{
		const char *name = pg_get_timezone_name(tz);

		if (behind(name, "posix/") != NULL || behind(name, "right/") != NULL || !pg_tz_acceptable(tz))
			continue;
		if (*n + 1 >= size)
			names = repalloc(names, (size *= 2) * sizeof(char *));
		names[(*n)++] = pstrdup(name);
	}
	pg_tzenumerate_end(directory);
	names[*n] = NULL;
	return names;
}

/* The zone that was meant: of the same place, else with nearly the same name, else of nearly the same place; or NULL. */
static const char *
nearest_zone(const char *name)
{
	int			n;
	const char **names = list_zones(&n);
	const char **places = palloc((n + 1) * sizeof(char *));
	const char *nearest;

	for (int i = 0; i <= n; i++)
		places[i] = i < n ? last_part(names[i]) : NULL;
	for (int i = 0; i < n; i++)
		if (is_same(last_part(name), places[i]))
			return names[i];
	nearest = jo_words_nearest(name, names);
	if (nearest != NULL)
		return nearest;
	nearest = jo_words_nearest(last_part(name), places);
	for (int i = 0; i < n && nearest != NULL; i++)
		if (places[i] == nearest)
			return names[i];
	return NULL;
}

/* "CEST" and the like are no files. */
static bool
looks_like_abbreviation(const char *name)
{
	size_t		length = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

	return name[length] == '\0' && length >= 2 && length <= 5;
}

void
jo_zone_name_explain(const char *name, char **error, char **hint)
{
	const char *nearest;

	*error = psprintf("time zone \"%s\" does not exist", jo_words_show(name));
	if (looks_like_abbreviation(name))
	{
		*hint = pstrdup("An abbreviation is an offset that does not know when clocks are changed. Write a place such as \"Europe/Berlin\"; "
						"SELECT name FROM pg_timezone_names lists them.");
		return;
	}
	nearest = nearest_zone(name);
	*hint = nearest != NULL ? psprintf("Did you mean \"%s\"? SELECT name FROM pg_timezone_names lists the zones.", nearest) : pstrdup(LIST_HINT);
}
