/*
 * mailtext.c
 *		What may stand in the head of a mail, and how it is written there.
 *
 * Values come from templates, so from anybody: an address is one address, and no text
 * can begin a line of its own.  Touches memory only.
 */
#include "joborch.h"


#include "inputcheck.h"
#include "jsonbuild.h"
#include "mailtext.h"
#include "mb/pg_wchar.h"
#include "pgtime.h"

#define LONGEST_WORD 900		/* bytes without a blank; a line has 998 at most */
#define ENCODED_BYTES 39		/* so many make an encoded word of 64 characters, which fits behind the name */

/* ---- addresses ---- */

static char *
trim(const char *text, size_t length)
{
	while (length > 0 && (*text == ' ' || *text == '\t'))
	{
		text++;
		length--;
	}
	while (length > 0 && (text[length - 1] == ' ' || text[length - 1] == '\t'))
		length--;
	return pnstrdup(text, length);
}

/* The name as it is meant: without the quotes and backslashes in which it may be. */
static char *
unquote(char *name)
{
	size_t		length = strlen(name);
	char	   *to = name;

	if (length < 2 || name[0] != '"' || name[length - 1] != '"')
		return name;
	for (const char *from = name + 1; from < name + length - 1; from++)
	{
		if (*from == '\\' && from + 1 < name + length - 1)
			from++;
		*to++ = *from;
	}
	*to = '\0';
	return name;
}

static bool
has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char) *text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

bool
jo_mail_parse_address(const char *text, char **name, char **address, const char **problem)
{
	char	   *whole = trim(text, strlen(text));
	size_t		length = strlen(whole);
	char	   *open = length > 0 && whole[length - 1] == '>' ? strrchr(whole, '<') : NULL;

	if (has_control(text))
	{
		*problem = "has a line break or another control character";
		return false;
	}
	*name = open != NULL ? unquote(trim(whole, open - whole)) : pstrdup("");
	*address = open != NULL ? trim(open + 1, whole + length - 1 - (open + 1)) : whole;
	for (const char *p = *address; *p != '\0'; p++)
		if ((unsigned char) *p >= 0x80)
		{
			*problem = "has an address with letters beyond ASCII";
			return false;
		}
	*problem = "is no mail address";
	return jo_format_is_email(*address);
}

/* ---- the head ---- */

/* Words of the head as they are: no quotes, and nothing that reads as encoded. */
static bool
is_plain(const char *text)
{
	size_t		word = 0;

	for (const char *p = text; *p != '\0'; p++)
	{
		if ((unsigned char) *p >= 0x7f || (unsigned char) *p < 0x20)
			return false;
		word = *p == ' ' ? 0 : word + 1;
		if (word > LONGEST_WORD)
			return false;
	}
	return strstr(text, "=?") == NULL;
}

/* Pieces of whole characters, a blank between them: readers leave that out again. */
static void
append_encoded(StringInfo buf, const char *text)
{
	while (*text != '\0')
	{
		size_t		length = 0;
		size_t		next;

		while (text[length] != '\0')
		{
			next = length + pg_utf_mblen((const unsigned char *) text + length);
			if (next > ENCODED_BYTES)
				break;
			length = next;
		}
		appendStringInfo(buf, "=?UTF-8?B?%s?=", jo_base64(text, length));
		text += length;
		if (*text != '\0')
			appendStringInfoChar(buf, ' ');
	}
}

char *
jo_mail_head_text(const char *text)
{
	StringInfoData buf;

	if (is_plain(text))
		return pstrdup(text);
	initStringInfo(&buf);
	append_encoded(&buf, text);
	return buf.data;
}

static void
append_quoted(StringInfo buf, const char *name)
{
	appendStringInfoChar(buf, '"');
	for (; *name != '\0'; name++)
	{
		if (*name == '"' || *name == '\\')
			appendStringInfoChar(buf, '\\');
		appendStringInfoChar(buf, *name);
	}
	appendStringInfoChar(buf, '"');
}

void
jo_mail_append_address(StringInfo buf, const char *name, const char *address)
{
	if (*name == '\0')
	{
		appendStringInfoString(buf, address);
		return;
	}
	if (is_plain(name))
		append_quoted(buf, name);
	else
		append_encoded(buf, name);
	appendStringInfo(buf, " <%s>", address);
}

/* ---- lines ---- */

char *
jo_mail_lines(const char *text, size_t *size)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (const char *p = text; *p != '\0'; p++)
	{
		if (*p == '\r' && p[1] == '\n')
			p++;
		if (*p == '\n' || *p == '\r')
			appendBinaryStringInfo(&buf, "\r\n", 2);
		else
			appendStringInfoChar(&buf, *p);
	}
	*size = buf.len;
	return buf.data;
}

char *
jo_mail_date(int64 seconds)
{
	pg_time_t	at = (pg_time_t) seconds;
	char		text[64];

	pg_strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S +0000", pg_gmtime(&at));
	return pstrdup(text);
}
