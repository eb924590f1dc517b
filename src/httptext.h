/*
 * httptext.h
 *		Texts of HTTP: header names and values, statuses, dates, media types, URLs.
 *
 * Pure text work of httptext.c and httpurl.c.  Texts that go out are UTF-8 here.
 */
#ifndef JO_HTTPTEXT_H
#define JO_HTTPTEXT_H

#include "leaf.h"

/* ---- httptext.c ---- */

typedef enum JoHeaderFault
{
	JO_HEADER_OK,
	JO_HEADER_NAME,				/* no token */
	JO_HEADER_RESERVED,			/* frames the message or belongs to the connection: not the user's */
	JO_HEADER_VALUE				/* a line break or another control character */
} JoHeaderFault;

/* A token of RFC 9110: names of headers, methods. */
extern bool jo_http_is_token(const char *text, size_t length);

extern JoHeaderFault jo_http_check_header(const char *name, const char *value);

/* A method after which nothing has changed: GET, HEAD, OPTIONS, TRACE. */
extern bool jo_http_is_safe(const char *method);

/* One header of a response; points into it, not terminated, without blanks around. */
typedef struct JoHeaderLine
{
	const char *name;
	size_t		name_length;
	const char *value;
	size_t		value_length;
} JoHeaderLine;

/*
 * The next header of "Name: value\r\n" lines; false at the end.  Lines that are
 * none (the status line, the blank one) are passed over.
 */
extern bool jo_http_next_header(const char **cursor, size_t *left, JoHeaderLine *line);

/* The last header of a name, in any case of letters. */
extern bool jo_http_find_header(const char *headers, size_t size, const char *name, JoHeaderLine *line);

typedef struct JoStatusRange
{
	int			low;
	int			high;
} JoStatusRange;

/*
 * "200", "2xx", "200-204", or several with commas between.  Returns how many were
 * put into ranges; -1: it is none of these, or more than max.
 */
extern int	jo_http_parse_statuses(const char *text, JoStatusRange *ranges, int max);

/*
 * Retry-After: seconds or a date; now is in seconds since 1970.  *seconds is from now,
 * never below 0.
 */
extern bool jo_http_retry_after(const char *value, size_t length, int64 now, int64 *seconds);

/* A date of HTTP, in any of its three forms, as seconds since 1970. */
extern bool jo_http_parse_date(const char *value, size_t length, int64 *seconds);

typedef struct JoMediaType
{
	char		type[128];		/* lower case, without parameters; empty: none or too long */
	char		charset[48];	/* lower case; empty: not said */
	bool		json;			/* application/json, something+json */
	bool		text;			/* made of characters */
} JoMediaType;

/* content_type NULL: none.  Never fails: what it cannot read is no type. */
extern void jo_http_media_type(const char *content_type, JoMediaType *type);

/* W3C trace context, version 00. */
extern bool jo_http_is_traceparent(const char *text);

/* ---- httpurl.c ---- */

typedef struct JoUrl
{
	char	   *scheme;			/* lower case */
	char	   *host;			/* lower case, without brackets */
	int			port;			/* 0: the scheme's own */
	bool		has_user;		/* a user or a password stands in it */
	const char *tail;			/* path and what follows, within the text; perhaps empty */
} JoUrl;

/* False and *error ("has no host"), *hint (or NULL) when it is no URL that may be sent on. */
extern bool jo_url_parse(const char *text, JoUrl *url, char **error, char **hint);

/* Everything but letters, digits and -._~ as %XX; form: a blank as +. */
extern void jo_url_append_encoded(StringInfo buf, const char *text, size_t length, bool form);

/*
 * The URL with query (already encoded, may be empty) added to its own, bytes beyond
 * ASCII encoded, and without its fragment.
 */
extern char *jo_url_assemble(const char *text, const char *query);

/* For messages: without user, query and fragment. */
extern char *jo_url_show(const char *text);

#endif
