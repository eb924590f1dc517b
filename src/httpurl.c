/*
 * httpurl.c
 *		URLs: taken apart before libcurl sees them, and put together.
 *
 * Two programs that read one URL differently are how a check is passed by: so only
 * what can be read in one way is sent on.  A host is letters, digits, dots and hyphens
 * or an address; no blanks, no backslashes, no escapes, no user.  A leaf.
 */
#include "httptext.h"

#include <string.h>

/* More than any server takes. */
#define LONGEST_URL 65536

static bool
refuse(char **error, char **hint, const char *problem, const char *advice)
{
	*error = pstrdup(problem);
	*hint = advice == NULL ? NULL : pstrdup(advice);
	return false;
}

static bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static char *
lower_copy(const char *text, size_t length)
{
	char	   *copy = pnstrdup(text, length);

	for (char *p = copy; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p += 'a' - 'A';
	return copy;
}

/* Characters that no part may have. */
static bool
check_characters(const char *text, char **error, char **hint)
{
	for (const char *p = text; *p != '\0'; p++)
	{
		if ((unsigned char) *p < 0x20 || *p == 0x7f)
			return refuse(error, hint, "has a control character", "A value in a URL goes through the filter urlencode.");
		if (*p == ' ')
			return refuse(error, hint, "has a blank", "Write it as %20, or let the value go through the filter urlencode.");
		if (*p == '\\')
			return refuse(error, hint, "has a backslash", "Write it as %5C.");
	}
	if (strlen(text) > LONGEST_URL)
		return refuse(error, hint, "is longer than 65536 bytes", "Send much data in the body.");
	return true;
}

/* Past "scheme://". */
static const char *
parse_scheme(const char *text, JoUrl *url)
{
	size_t		length = 0;

	if (!is_alpha(text[0]))
		return NULL;
	while (is_alpha(text[length]) || is_digit(text[length]) || (text[length] != '\0' && strchr("+-.", text[length])))
		length++;
	if (strncmp(text + length, "://", 3) != 0)
		return NULL;
	url->scheme = lower_copy(text, length);
	return text + length + 3;
}

/* A name: labels of letters, digits, _ and -, none of them empty. */
static bool
is_host_name(const char *host, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		if (host[i] == '.' ? i == 0 || i + 1 == length || host[i - 1] == '.' :
			!is_alpha(host[i]) && !is_digit(host[i]) && host[i] != '-' && host[i] != '_')
			return false;
	}
	return length > 0 && length <= 253;
}

static bool
is_v6_address(const char *host, size_t length)
{
	return length >= 2 && length <= 45 && memchr(host, ':', length) != NULL &&
		strspn(host, "0123456789abcdefABCDEF:.") >= length;
}

static bool
parse_port(const char *text, size_t length, JoUrl *url)
{
	int			port = 0;

	if (length == 0 || length > 5)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		if (!is_digit(text[i]))
			return false;
		port = port * 10 + (text[i] - '0');
	}
	url->port = port;
	return port >= 1 && port <= 65535;
}

/* host:port, without a user. */
static bool
parse_host(const char *text, size_t length, JoUrl *url, char **error, char **hint)
{
	const char *end;
	size_t		host_length;

	for (size_t i = 0; i < length; i++)
		if ((unsigned char) text[i] >= 0x80)
			return refuse(error, hint, "has a host name with letters beyond ASCII",
						  "Write the host in its ASCII form, which begins with \"xn--\".");
	if (text[0] == '[')
	{
		end = memchr(text, ']', length);
		if (end == NULL || !is_v6_address(text + 1, end - text - 1))
			return refuse(error, hint, "has no valid address between brackets", NULL);
		url->host = lower_copy(text + 1, end - text - 1);
		end++;
	}
	else
	{
		end = memchr(text, ':', length);
		host_length = end == NULL ? length : (size_t) (end - text);
		if (host_length == 0)
			return refuse(error, hint, "has no host", "A URL looks like https://api.example.com/path.");
		if (!is_host_name(text, host_length))
			return refuse(error, hint, "has a host name that is not valid",
						  "A host name has letters, digits, hyphens and single dots only.");
		url->host = lower_copy(text, host_length);
		end = text + host_length;
	}
	if (end == text + length)
		return true;
	if (*end != ':' || !parse_port(end + 1, text + length - end - 1, url))
		return refuse(error, hint, "has a port that is not valid", "A port is a number from 1 to 65535.");
	return true;
}

bool
jo_url_parse(const char *text, JoUrl *url, char **error, char **hint)
{
	const char *authority;
	const char *host;
	size_t		length;

	memset(url, 0, sizeof(*url));
	if (!check_characters(text, error, hint))
		return false;
	authority = parse_scheme(text, url);
	if (authority == NULL)
		return refuse(error, hint, "is no URL", "A URL looks like https://api.example.com/path.");
	length = strcspn(authority, "/?#");
	url->tail = authority + length;
	host = authority;
	/* the last one: whatever stands before it is no host */
	for (size_t i = 0; i < length; i++)
		if (authority[i] == '@')
		{
			url->has_user = true;
			host = authority + i + 1;
		}
	/* file:///path has none */
	if (length == 0 && strcmp(url->scheme, "file") == 0)
	{
		url->host = pstrdup("");
		return true;
	}
	return parse_host(host, url->tail - host, url, error, hint);
}

static void
append_escape(StringInfo buf, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";

	appendStringInfoChar(buf, '%');
	appendStringInfoChar(buf, digits[c >> 4]);
	appendStringInfoChar(buf, digits[c & 15]);
}

void
jo_url_append_encoded(StringInfo buf, const char *text, size_t length, bool form)
{
	for (size_t i = 0; i < length; i++)
	{
		char		c = text[i];

		if (is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_' || c == '~')
			appendStringInfoChar(buf, c);
		else if (form && c == ' ')
			appendStringInfoChar(buf, '+');
		else
			append_escape(buf, (unsigned char) c);
	}
}

char *
jo_url_assemble(const char *text, const char *query)
{
	StringInfoData buf;
	size_t		length = strcspn(text, "#");
	bool		has_query = memchr(text, '?', length) != NULL;

	initStringInfo(&buf);
	for (size_t i = 0; i < length; i++)
	{
		if ((unsigned char) text[i] >= 0x80)
			append_escape(&buf, (unsigned char) text[i]);
		else
			appendStringInfoChar(&buf, text[i]);
	}
	if (query[0] == '\0')
		return buf.data;
	if (!has_query)
		appendStringInfoChar(&buf, '?');
	else if (buf.data[buf.len - 1] != '?' && buf.data[buf.len - 1] != '&')
		appendStringInfoChar(&buf, '&');
	appendStringInfoString(&buf, query);
	return buf.data;
}

char *
jo_url_show(const char *text)
{
	const char *rest = strstr(text, "://");
	size_t		scheme = rest == NULL ? 0 : rest - text + 3;
	size_t		authority = strcspn(text + scheme, "/?#");
	size_t		user = 0;

	for (size_t i = 0; i < authority; i++)
		if (text[scheme + i] == '@')
			user = i + 1;
	return psprintf("%.*s%.*s", (int) scheme, text,
					(int) (strcspn(text + scheme, "?#") - user), text + scheme + user);
}
