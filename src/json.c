/*
 * json.c
 *		The only file that hands text to cJSON.
 *
 * cJSON takes more than JSON (control characters, numbers such as 01), cuts
 * numbers at 63 characters, keeps them as doubles and recurses as deep as the
 * text says.  So the text is checked here first, strictly and without recursion,
 * and each number gets its own digits back afterwards.
 *
 * cJSON allocates with malloc, never palloc: an error raised inside of it would
 * jump through its frames.  Nothing here calls palloc while cJSON is on the stack.
 */
#include "json.h"

#include <stdlib.h>
#include <string.h>

/* cJSON's own buffer for a number holds 63 characters. */
#define LONGEST_NUMBER 60

typedef struct Scan
{
	const char *start;
	const char *p;
	const char *end;
	int			depth;
	bool		is_object[JO_JSON_MAX_DEPTH];
	int			nvalues;
	bool		has_long_number;
	JoJsonFault fault;
	const char *problem;		/* what is wrong at p */
} Scan;

static bool
refuse(Scan *scan, JoJsonFault fault, const char *problem)
{
	scan->fault = fault;
	scan->problem = problem;
	return false;
}

static void
skip_blanks(Scan *scan)
{
	while (scan->p < scan->end &&
		   (*scan->p == ' ' || *scan->p == '\t' || *scan->p == '\n' || *scan->p == '\r'))
		scan->p++;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Four hex digits at p as a number, -1 if they are not there. */
static int
read_hex4(const char *p, const char *end)
{
	char		digits[5];

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++)
	{
		if (!is_hex(p[i]))
			return -1;
		digits[i] = p[i];
	}
	digits[4] = '\0';
	return (int) strtol(digits, NULL, 16);
}

/* At the u of \uXXXX. */
static bool
scan_unicode_escape(Scan *scan)
{
	int			unit = read_hex4(scan->p + 1, scan->end);

	if (unit < 0)
		return refuse(scan, JO_JSON_SYNTAX, "\\u needs four hexadecimal digits");
	if (unit == 0)
		return refuse(scan, JO_JSON_SYNTAX, "\\u0000 cannot be kept in a text");
	if (unit >= 0xDC00 && unit <= 0xDFFF)
		return refuse(scan, JO_JSON_SYNTAX, "a low surrogate without a high one before it");
	scan->p += 5;
	if (unit >= 0xD800 && unit <= 0xDBFF)
	{
		int			low = -1;

		if (scan->end - scan->p >= 6 && scan->p[0] == '\\' && scan->p[1] == 'u')
			low = read_hex4(scan->p + 2, scan->end);
		if (low < 0xDC00 || low > 0xDFFF)
			return refuse(scan, JO_JSON_SYNTAX, "a high surrogate without a low one after it");
		scan->p += 6;
	}
	return true;
}

/* At the opening quote. */
static bool
scan_string(Scan *scan)
{
	for (scan->p++; scan->p < scan->end;)
	{
		unsigned char c = (unsigned char) *scan->p;

		if (c == '"')
		{
			scan->p++;
			return true;
		}
		if (c == '\0')
			return refuse(scan, JO_JSON_SYNTAX, "a NUL byte cannot be kept in a text");
		if (c < 0x20)
			return refuse(scan, JO_JSON_SYNTAX, "a control character must be written as an escape, such as \\n");
		if (c != '\\')
		{
			scan->p++;
			continue;
		}
		if (++scan->p >= scan->end)
			break;
		if (*scan->p == 'u')
		{
			if (!scan_unicode_escape(scan))
				return false;
		}
		else if (*scan->p != '\0' && strchr("\"\\/bfnrt", *scan->p) != NULL)
			scan->p++;
		else
			return refuse(scan, JO_JSON_SYNTAX, "unknown escape");
	}
	return refuse(scan, JO_JSON_SYNTAX, "a string has no end");
}

static const char *
skip_digits(const char *p, const char *end)
{
	while (p < end && is_digit(*p))
		p++;
	return p;
}

static bool
scan_number(Scan *scan)
{
	const char *start = scan->p;
	const char *p = scan->p;
	const char *end = scan->end;
	const char *from;

	if (*p == '-')
		p++;
	from = p;
	p = skip_digits(p, end);
	if (p == from || (*from == '0' && p - from > 1))
		return refuse(scan, JO_JSON_SYNTAX, "not a number");
	if (p < end && *p == '.')
	{
		from = ++p;
		p = skip_digits(p, end);
		if (p == from)
			return refuse(scan, JO_JSON_SYNTAX, "not a number");
	}
	if (p < end && (*p == 'e' || *p == 'E'))
	{
		p++;
		if (p < end && (*p == '+' || *p == '-'))
			p++;
		from = p;
		p = skip_digits(p, end);
		if (p == from)
			return refuse(scan, JO_JSON_SYNTAX, "not a number");
	}
	if (p - start > LONGEST_NUMBER)
		scan->has_long_number = true;
	scan->p = p;
	return true;
}

static bool
scan_word(Scan *scan, const char *word)
{
	size_t		length = strlen(word);

	if ((size_t) (scan->end - scan->p) < length || memcmp(scan->p, word, length) != 0)
		return refuse(scan, JO_JSON_SYNTAX, "a value was expected");
	scan->p += length;
	return true;
}

/* The key and colon of an object's member. */
static bool
scan_key(Scan *scan)
{
	skip_blanks(scan);
	if (scan->p >= scan->end || *scan->p != '"')
		return refuse(scan, JO_JSON_SYNTAX, "a key in double quotes was expected");
	if (!scan_string(scan))
		return false;
	skip_blanks(scan);
	if (scan->p >= scan->end || *scan->p != ':')
		return refuse(scan, JO_JSON_SYNTAX, "a colon was expected");
	scan->p++;
	return true;
}

/*
 * At a { or [.  *empty tells that the container was closed at once; else the next
 * thing to read is its first value.
 */
static bool
open_container(Scan *scan, bool *empty)
{
	bool		object = (*scan->p == '{');

	if (scan->depth >= JO_JSON_MAX_DEPTH)
		return refuse(scan, JO_JSON_LIMIT, "nested deeper than 64 levels");
	scan->p++;
	skip_blanks(scan);
	*empty = (scan->p < scan->end && *scan->p == (object ? '}' : ']'));
	if (*empty)
	{
		scan->p++;
		return true;
	}
	scan->is_object[scan->depth++] = object;
	return object ? scan_key(scan) : true;
}

/*
 * After a value: closes what ends here and steps over the comma.  *done tells
 * that the outermost value is complete.
 */
static bool
close_containers(Scan *scan, bool *done)
{
	while (scan->depth > 0)
	{
		bool		object = scan->is_object[scan->depth - 1];

		skip_blanks(scan);
		if (scan->p >= scan->end)
			return refuse(scan, JO_JSON_SYNTAX, "the text ends too early");
		if (*scan->p == ',')
		{
			scan->p++;
			*done = false;
			return object ? scan_key(scan) : true;
		}
		if (*scan->p != (object ? '}' : ']'))
			return refuse(scan, JO_JSON_SYNTAX,
						  object ? "a comma or } was expected" : "a comma or ] was expected");
		scan->p++;
		scan->depth--;
	}
	*done = true;
	return true;
}

/* One scalar, or the start of a container (*opened). */
static bool
scan_value(Scan *scan, bool *opened)
{
	bool		empty = true;

	*opened = false;
	skip_blanks(scan);
	if (scan->p >= scan->end)
		return refuse(scan, JO_JSON_SYNTAX, "the text ends too early");
	if (++scan->nvalues > JO_JSON_MAX_VALUES)
		return refuse(scan, JO_JSON_LIMIT, "more than 2000000 values");
	switch (*scan->p)
	{
		case '{':
		case '[':
			if (!open_container(scan, &empty))
				return false;
			*opened = !empty;
			return true;
		case '"':
			return scan_string(scan);
		case 't':
			return scan_word(scan, "true");
		case 'f':
			return scan_word(scan, "false");
		case 'n':
			return scan_word(scan, "null");
		default:
			if (*scan->p == '-' || is_digit(*scan->p))
				return scan_number(scan);
			return refuse(scan, JO_JSON_SYNTAX, "a value was expected");
	}
}

static bool
scan_document(Scan *scan)
{
	bool		done = false;
	bool		opened;

	while (!done)
	{
		if (!scan_value(scan, &opened))
			return false;
		if (!opened && !close_containers(scan, &done))
			return false;
	}
	skip_blanks(scan);
	if (scan->p < scan->end)
		return refuse(scan, JO_JSON_SYNTAX, "something follows the end of the value");
	return true;
}

static char *
describe_fault(const Scan *scan)
{
	int			line = 1;
	const char *line_start = scan->start;

	for (const char *p = scan->start; p < scan->p; p++)
	{
		if (*p == '\n')
		{
			line++;
			line_start = p + 1;
		}
	}
	return psprintf("%s (line %d, byte %d of the line)", scan->problem, line,
					(int) (scan->p - line_start) + 1);
}

static JoJsonFault
check_text(Scan *scan, const char *text, size_t length, char **error)
{
	memset(scan, 0, sizeof(*scan));
	*error = NULL;
	if (length > JO_JSON_MAX_BYTES)
	{
		*error = psprintf("%zu bytes are more than the limit of %d bytes", length, JO_JSON_MAX_BYTES);
		return JO_JSON_LIMIT;
	}
	scan->start = scan->p = text;
	scan->end = text + length;
	if (!scan_document(scan))
		*error = describe_fault(scan);
	return scan->fault;
}

JoJsonFault
jo_json_check(const char *text, size_t length, char **error)
{
	Scan		scan;

	return check_text(&scan, text, length, error);
}

/* The next number at or after *p of a checked text; *p moves behind it. */
static const char *
next_number(const char **p, const char *end)
{
	const char *at = *p;

	while (at < end)
	{
		if (*at == '"')
		{
			for (at++; *at != '"'; at++)
				if (*at == '\\')
					at++;
			at++;
		}
		else if (*at == '-' || is_digit(*at))
		{
			const char *start = at;

			while (at < end && (is_digit(*at) || strchr("+-.eE", *at) != NULL))
				at++;
			*p = at;
			return start;
		}
		else
			at++;
	}
	return NULL;
}

/*
 * A malloc'ed copy in which numbers that cJSON would cut are a 0 and blanks: the
 * tree has the same form, and attach_numbers() puts the digits in.
 */
static char *
copy_without_long_numbers(const char *text, size_t length)
{
	char	   *copy = malloc(length + 1);
	const char *p = text;
	const char *number;

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	while ((number = next_number(&p, text + length)) != NULL)
	{
		if (p - number > LONGEST_NUMBER)
		{
			memset(copy + (number - text), ' ', p - number);
			copy[number - text] = '0';
		}
	}
	return copy;
}

/* Gives the numbers below node, in document order, their digits; false: out of memory. */
static bool
attach_numbers(cJSON *node, const char **p, const char *end)
{
	cJSON	   *child;

	if (cJSON_IsNumber(node))
	{
		const char *number = next_number(p, end);

		Assert(number != NULL);
		node->valuestring = malloc(*p - number + 1);
		if (node->valuestring == NULL)
			return false;
		memcpy(node->valuestring, number, *p - number);
		node->valuestring[*p - number] = '\0';
		if (*p - number > LONGEST_NUMBER)
			node->valuedouble = strtod(node->valuestring, NULL);
	}
	cJSON_ArrayForEach(child, node)
	{
		if (!attach_numbers(child, p, end))
			return false;
	}
	return true;
}

cJSON *
jo_json_parse(const char *text, size_t length, char **error)
{
	Scan		scan;
	const char *p = text;
	char	   *copy = NULL;
	cJSON	   *json = NULL;

	if (check_text(&scan, text, length, error) != JO_JSON_OK)
		return NULL;
	if (scan.has_long_number)
		copy = copy_without_long_numbers(text, length);
	if (copy != NULL || !scan.has_long_number)
		json = cJSON_ParseWithLength(copy ? copy : text, length);
	free(copy);
	if (json != NULL && !attach_numbers(json, &p, text + length))
	{
		cJSON_Delete(json);
		json = NULL;
	}
	if (json == NULL)
		*error = pstrdup("out of memory");
	return json;
}

void
jo_json_free(cJSON *json)
{
	cJSON_Delete(json);
}

void
jo_json_append_string(StringInfo buf, const char *text)
{
	appendStringInfoChar(buf, '"');
	for (const char *p = text; *p != '\0'; p++)
	{
		switch (*p)
		{
			case '"':
			case '\\':
				appendStringInfoChar(buf, '\\');
				appendStringInfoChar(buf, *p);
				break;
			case '\n':
				appendStringInfoString(buf, "\\n");
				break;
			case '\t':
				appendStringInfoString(buf, "\\t");
				break;
			default:
				if ((unsigned char) *p < 0x20)
					appendStringInfo(buf, "\\u%04x", (unsigned int) *p);
				else
					appendStringInfoChar(buf, *p);
		}
	}
	appendStringInfoChar(buf, '"');
}

static void
print_value(StringInfo buf, const cJSON *json)
{
	const cJSON *child;
	bool		object = cJSON_IsObject(json);

	if (cJSON_IsString(json))
		jo_json_append_string(buf, json->valuestring);
	else if (cJSON_IsNumber(json))
		appendStringInfoString(buf, json->valuestring);
	else if (cJSON_IsBool(json))
		appendStringInfoString(buf, cJSON_IsTrue(json) ? "true" : "false");
	else if (cJSON_IsNull(json))
		appendStringInfoString(buf, "null");
	else
	{
		appendStringInfoChar(buf, object ? '{' : '[');
		cJSON_ArrayForEach(child, json)
		{
			if (child != json->child)
				appendStringInfoChar(buf, ',');
			if (object)
			{
				jo_json_append_string(buf, child->string);
				appendStringInfoChar(buf, ':');
			}
			print_value(buf, child);
		}
		appendStringInfoChar(buf, object ? '}' : ']');
	}
}

char *
jo_json_print(const cJSON *json)
{
	StringInfoData buf;

	initStringInfo(&buf);
	print_value(&buf, json);
	return buf.data;
}
