/*
 * httptext.c
 *		What may stand in a request, and how parts of a response are read.
 *
 * libcurl sends headers as it gets them, so that a line break in one would be a
 * second header: nothing goes out that was not looked at here.  What comes in is
 * from anybody, not terminated, and perhaps none of HTTP.  A leaf.
 */
#include "httptext.h"

#include <string.h>

/* Written by the library from what it sends, or between two neighbours only. */
static const char *const reserved_names[] = {
	"Host", "Content-Length", "Transfer-Encoding", "Connection", "Keep-Alive", "TE", "Trailer",
	"Upgrade", "Expect", "HTTP2-Settings", NULL
};

static const char *const safe_methods[] = {"GET", "HEAD", "OPTIONS", "TRACE", NULL};

/* Types that are text without being text/...; those with +xml or +json are added. */
static const char *const text_types[] = {
	"application/xml", "application/javascript", "application/ecmascript", "application/yaml",
	"application/x-yaml", "application/toml", "application/x-www-form-urlencoded", "application/x-ndjson",
	"application/jsonl", "application/json-seq", "application/graphql", "application/sql",
	"application/x-sh", "application/x-httpd-php", "application/pgp-signature", "message/http", NULL
};

static const char *const months[] = {
	"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"
};

/* Letters are those of ASCII, whatever the locale: Turkish has another small I. */
static bool
is_letter_or_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* Without regard to case. */
static bool
is_word(const char *text, size_t length, const char *word)
{
	if (strlen(word) != length)
		return false;
	for (size_t i = 0; i < length; i++)
		if (lower(text[i]) != lower(word[i]))
			return false;
	return true;
}

static bool
begins_with(const char *text, size_t length, const char *word)
{
	return length >= strlen(word) && is_word(text, strlen(word), word);
}

static bool
is_one_of(const char *text, const char *const *list)
{
	for (; *list != NULL; list++)
		if (is_word(text, strlen(text), *list))
			return true;
	return false;
}

bool
jo_http_is_token(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!is_letter_or_digit(text[i]) && (text[i] == '\0' || strchr("!#$%&'*+-.^_`|~", text[i]) == NULL))
			return false;
	return length > 0;
}

JoHeaderFault
jo_http_check_header(const char *name, const char *value)
{
	if (!jo_http_is_token(name, strlen(name)))
		return JO_HEADER_NAME;
	if (is_one_of(name, reserved_names) || begins_with(name, strlen(name), "Proxy-"))
		return JO_HEADER_RESERVED;
	for (const char *p = value; *p != '\0'; p++)
		if (((unsigned char) *p < 0x20 && *p != '\t') || *p == 0x7f)
			return JO_HEADER_VALUE;
	return JO_HEADER_OK;
}

bool
jo_http_is_safe(const char *method)
{
	return is_one_of(method, safe_methods);
}

static void
trim(const char **text, size_t *length)
{
	while (*length > 0 && (**text == ' ' || **text == '\t'))
	{
		(*text)++;
		(*length)--;
	}
	while (*length > 0 && strchr(" \t\r", (*text)[*length - 1]) != NULL && (*text)[*length - 1] != '\0')
		(*length)--;
}

bool
jo_http_next_header(const char **cursor, size_t *left, JoHeaderLine *line)
{
	while (*left > 0)
	{
		const char *start = *cursor;
		const char *end = memchr(start, '\n', *left);
		size_t		length = end == NULL ? *left : (size_t) (end - start);
		const char *colon = memchr(start, ':', length);

		*cursor = start + length + (end != NULL);
		*left -= length + (end != NULL);
		if (colon == NULL || !jo_http_is_token(start, colon - start))
			continue;
		line->name = start;
		line->name_length = colon - start;
		line->value = colon + 1;
		line->value_length = length - line->name_length - 1;
		trim(&line->value, &line->value_length);
		return true;
	}
	return false;
}

bool
jo_http_find_header(const char *headers, size_t size, const char *name, JoHeaderLine *line)
{
	JoHeaderLine each;
	bool		found = false;

	while (jo_http_next_header(&headers, &size, &each))
	{
		if (!is_word(each.name, each.name_length, name))
			continue;
		*line = each;
		found = true;
	}
	return found;
}

/* Three digits, or one and xx; false if they are not there. */
static bool
read_status(const char **p, JoStatusRange *range)
{
	const char *text = *p;

	if (text[0] < '1' || text[0] > '9')
		return false;
	if ((text[1] == 'x' || text[1] == 'X') && (text[2] == 'x' || text[2] == 'X'))
	{
		range->low = (text[0] - '0') * 100;
		range->high = range->low + 99;
	}
	else if (text[1] >= '0' && text[1] <= '9' && text[2] >= '0' && text[2] <= '9')
		range->low = range->high = (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
	else
		return false;
	*p += 3;
	return true;
}

static void
skip_blanks(const char **p)
{
	while (**p == ' ' || **p == '\t')
		(*p)++;
}

int
jo_http_parse_statuses(const char *text, JoStatusRange *ranges, int max)
{
	const char *p = text;
	int			n = 0;

	for (;;)
	{
		JoStatusRange upper;

		skip_blanks(&p);
		if (n >= max || !read_status(&p, &ranges[n]))
			return -1;
		skip_blanks(&p);
		if (*p == '-')
		{
			p++;
			skip_blanks(&p);
			if (!read_status(&p, &upper) || upper.high < ranges[n].low)
				return -1;
			ranges[n].high = upper.high;
			skip_blanks(&p);
		}
		n++;
		if (*p == '\0')
			return n;
		if (*p++ != ',')
			return -1;
	}
}

/* Days from 1970 to a date of the Gregorian calendar. */
static int64
days_from_date(int year, int month, int day)
{
	int64		y = month > 2 ? year : year - 1;
	int64		era = y / 400;
	int64		year_of_era = y - era * 400;
	int64		day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

static int
find_month(const char *word)
{
	for (int i = 0; i < 12; i++)
		if (is_word(word, strlen(word), months[i]))
			return i + 1;
	return 0;
}

bool
jo_http_parse_date(const char *value, size_t length, int64 *seconds)
{
	char		text[48];
	char		month_word[4];
	char		zone[4] = "GMT";
	int			year;
	int			month;
	int			day;
	int			hour;
	int			minute;
	int			second;

	trim(&value, &length);
	if (length >= sizeof(text))
		return false;
	memcpy(text, value, length);
	text[length] = '\0';
	/* Sun, 06 Nov 1994 08:49:37 GMT; Sunday, 06-Nov-94 08:49:37 GMT; Sun Nov  6 08:49:37 1994 */
	if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d %3[A-Za-z]",
			   &day, month_word, &year, &hour, &minute, &second, zone) != 7 &&
		sscanf(text, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d %3[A-Za-z]",
			   &day, month_word, &year, &hour, &minute, &second, zone) != 7 &&
		sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d",
			   month_word, &day, &hour, &minute, &second, &year) != 6)
		return false;
	month = find_month(month_word);
	if (year >= 0 && year < 100)
		year += year < 70 ? 2000 : 1900;
	if (month == 0 || day < 1 || day > 31 || year < 1900 || hour < 0 || hour > 23 || minute < 0 ||
		minute > 59 || second < 0 || second > 60 || strcmp(zone, "GMT") != 0)
		return false;
	*seconds = days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
	return true;
}

bool
jo_http_retry_after(const char *value, size_t length, int64 now, int64 *seconds)
{
	int64		at;
	size_t		i;

	trim(&value, &length);
	*seconds = 0;
	for (i = 0; i < length && value[i] >= '0' && value[i] <= '9'; i++)
		/* more than some thousand years is as good as that */
		if (*seconds < INT64CONST(100000000000))
			*seconds = *seconds * 10 + (value[i] - '0');
	if (i == length && length > 0)
		return true;
	if (!jo_http_parse_date(value, length, &at))
		return false;
	*seconds = at > now ? at - now : 0;
	return true;
}

static bool
ends_with(const char *text, const char *end)
{
	size_t		length = strlen(text);

	return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

/* A parameter's value, without quotes, in lower case; one that is too long is as good as none. */
static void
copy_charset(const char *value, size_t length, char *charset, size_t size)
{
	size_t		n = 0;

	trim(&value, &length);
	if (length >= 2 && value[0] == '"' && value[length - 1] == '"')
	{
		value++;
		length -= 2;
	}
	if (length >= size || !jo_http_is_token(value, length))
		return;
	for (; n < length; n++)
		charset[n] = lower(value[n]);
	charset[n] = '\0';
}

static void
read_parameters(const char *p, JoMediaType *type)
{
	while (*p == ';')
	{
		size_t		length = strcspn(++p, ";");
		const char *part = p;
		size_t		rest = length;

		trim(&part, &rest);
		if (begins_with(part, rest, "charset=") && type->charset[0] == '\0')
			copy_charset(part + 8, rest - 8, type->charset, sizeof(type->charset));
		p += length;
	}
}

void
jo_http_media_type(const char *content_type, JoMediaType *type)
{
	size_t		length;
	const char *p = content_type;

	memset(type, 0, sizeof(*type));
	if (content_type == NULL)
		return;
	length = strcspn(content_type, ";");
	trim(&p, &length);
	if (length < sizeof(type->type))
	{
		for (size_t i = 0; i < length; i++)
			type->type[i] = lower(p[i]);
		type->type[length] = '\0';
	}
	read_parameters(content_type + strcspn(content_type, ";"), type);
	type->json = strcmp(type->type, "application/json") == 0 || strcmp(type->type, "text/json") == 0 ||
		ends_with(type->type, "+json");
	type->text = type->json || strncmp(type->type, "text/", 5) == 0 || ends_with(type->type, "+xml") ||
		is_one_of(type->type, text_types);
}

bool
jo_http_is_traceparent(const char *text)
{
	static const char pattern[] = "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";

	if (strlen(text) != strlen(pattern))
		return false;
	for (size_t i = 0; text[i] != '\0'; i++)
		if (pattern[i] == 'x' ? strchr("0123456789abcdef", text[i]) == NULL : text[i] != pattern[i])
			return false;
	return true;
}
