/*
 * secretmask.c
 *		Finds secret values in a text, however they were written there.
 *
 * A text is read in one of three ways (as it is, percent-encoded, with JSON's escapes), which
 * decode while they compare: so it does not matter which characters an encoder left
 * alone.  Base64 has no characters of its own for a value's bytes; there the digits
 * that depend on the value alone are looked for, which are others for each of three
 * positions.  Touches memory only, which it overwrites before it gives it back.
 */
#include "secretmask.h"

#define ALIGNMENTS 3

typedef enum Reading
{
	READ_PLAIN,
	READ_URL,
	READ_JSON
} Reading;

#define READINGS 3

typedef struct Needle
{
	char	   *bytes;
	int			length;
	bool		base64;
	bool		begins_before;	/* base64: the digit before it holds some bits of the value, too */
	bool		ends_after;
} Needle;

struct JoMask
{
	int			n;
	Needle	   *needles;
	bool		starts[256];	/* a needle can begin with this byte */
};

/* ---- needles ---- */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Names of hosts are written in small letters, others perhaps in large ones: of ASCII, both are found. */
static char
fold(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* In the standard alphabet. */
static char
to_standard(char c)
{
	return c == '-' ? '+' : c == '_' ? '/' : c;
}

static bool
is_digit64(char c)
{
	return c != '\0' && strchr(digits, to_standard(c)) != NULL;
}

/* The digit that begins at a bit of the value, which stands behind so many other bytes. */
static char
get_digit(const char *value, int length, int offset, int position)
{
	int			bits = 0;

	for (int bit = position * 6; bit < position * 6 + 6; bit++)
	{
		int			byte = bit / 8 - offset;
		int			one = byte >= 0 && byte < length ? ((unsigned char) value[byte] >> (7 - bit % 8)) & 1 : 0;

		bits = bits << 1 | one;
	}
	return digits[bits];
}

static void
add_base64(JoMask *mask, const char *value, int length, int offset)
{
	Needle	   *needle = &mask->needles[mask->n++];
	int			first = (offset * 8 + 5) / 6;
	int			end = (offset + length) * 8 / 6;

	needle->base64 = true;
	needle->begins_before = offset > 0;
	needle->ends_after = (offset + length) * 8 % 6 != 0;
	needle->length = end - first;
	needle->bytes = palloc(needle->length + 1);
	for (int i = 0; i < needle->length; i++)
		needle->bytes[i] = get_digit(value, length, offset, first + i);
	needle->bytes[needle->length] = '\0';
}

static void
add_starts(JoMask *mask, const Needle *needle)
{
	char		first = needle->bytes[0];

	for (int i = 0; i < 256; i++)
		if (i == (unsigned char) first || (!needle->base64 && fold((char) i) == fold(first)))
			mask->starts[i] = true;
	mask->starts['%'] = true;
	mask->starts['\\'] = true;
	if (first == ' ')
		mask->starts['+'] = true;
	if (needle->base64)
	{
		mask->starts[first == '+' ? '-' : (unsigned char) first] = true;
		mask->starts[first == '/' ? '_' : (unsigned char) first] = true;
	}
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Around a value space is often lost; it is no secret. */
static void
add_value(JoMask *mask, const char *value)
{
	int			length = strlen(value);
	Needle	   *plain = &mask->needles[mask->n];

	while (length > 0 && is_space(*value))
	{
		value++;
		length--;
	}
	while (length > 0 && is_space(value[length - 1]))
		length--;
	if (length < JO_MASK_SHORTEST)
		return;
	mask->n++;
	plain->bytes = pnstrdup(value, length);
	plain->length = length;
	add_starts(mask, plain);
	for (int offset = 0; offset < ALIGNMENTS; offset++)
	{
		add_base64(mask, value, length, offset);
		add_starts(mask, &mask->needles[mask->n - 1]);
	}
}

JoMask *
jo_mask_create(char *const *values, int n)
{
	JoMask	   *mask = palloc0(sizeof(JoMask));

	mask->needles = palloc0(sizeof(Needle) * Max(n, 1) * (1 + ALIGNMENTS));
	for (int i = 0; i < n; i++)
		add_value(mask, values[i]);
	return mask;
}

void
jo_mask_free(JoMask *mask)
{
	for (int i = 0; i < mask->n; i++)
	{
		explicit_bzero(mask->needles[i].bytes, mask->needles[i].length);
		pfree(mask->needles[i].bytes);
	}
	pfree(mask->needles);
	pfree(mask);
}

/* ---- reading ---- */

static int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* So many hexadecimal digits; -1: they are not there. */
static int
read_hex(const char *p, const char *end, int n)
{
	int			value = 0;

	if (end - p < n)
		return -1;
	for (int i = 0; i < n; i++)
	{
		if (hex_value(p[i]) < 0)
			return -1;
		value = value * 16 + hex_value(p[i]);
	}
	return value;
}

/* As UTF-8; the number of bytes. */
static int
encode_character(int code, char *out)
{
	if (code < 0x80)
	{
		out[0] = code;
		return 1;
	}
	if (code < 0x800)
	{
		out[0] = 0xC0 | code >> 6;
		out[1] = 0x80 | (code & 0x3F);
		return 2;
	}
	if (code < 0x10000)
	{
		out[0] = 0xE0 | code >> 12;
		out[1] = 0x80 | (code >> 6 & 0x3F);
		out[2] = 0x80 | (code & 0x3F);
		return 3;
	}
	out[0] = 0xF0 | code >> 18;
	out[1] = 0x80 | (code >> 12 & 0x3F);
	out[2] = 0x80 | (code >> 6 & 0x3F);
	out[3] = 0x80 | (code & 0x3F);
	return 4;
}

/* \uXXXX, or two of them for one character; *p moves behind. */
static int
read_unicode(const char **p, const char *end, char *out)
{
	int			code = read_hex(*p + 2, end, 4);
	int			low;

	if (code < 0)
		return 0;
	*p += 6;
	if (code < 0xD800 || code > 0xDBFF || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
		return encode_character(code, out);
	low = read_hex(*p + 2, end, 4);
	if (low < 0xDC00 || low > 0xDFFF)
		return encode_character(code, out);
	*p += 6;
	return encode_character(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), out);
}

/* A character with JSON's escape; 0: it is none. */
static int
read_escape(const char **p, const char *end, char *out)
{
	static const char names[] = "\"\\/bfnrt";
	static const char meant[] = "\"\\/\b\f\n\r\t";
	const char *found;

	if (end - *p < 2)
		return 0;
	if ((*p)[1] == 'u')
		return read_unicode(p, end, out);
	found = (*p)[1] != '\0' ? strchr(names, (*p)[1]) : NULL;
	if (found == NULL)
		return 0;
	out[0] = meant[found - names];
	*p += 2;
	return 1;
}

/* What stands at *p, as up to 4 bytes; *p moves behind it. */
static int
read_bytes(const char **p, const char *end, Reading reading, char *out)
{
	int			n = 0;
	int			code;

	if (reading == READ_JSON && **p == '\\')
		n = read_escape(p, end, out);
	else if (reading == READ_URL && **p == '%' && (code = read_hex(*p + 1, end, 2)) >= 0)
	{
		out[0] = code;
		*p += 3;
		n = 1;
	}
	if (n > 0)
		return n;
	out[0] = *(*p)++;
	return 1;
}

/* ---- comparing ---- */

static bool
is_same(const Needle *needle, int i, char got, bool blank_as_plus)
{
	char		wanted = needle->bytes[i];

	if (got == wanted || (blank_as_plus && got == '+' && wanted == ' '))
		return true;
	return needle->base64 ? to_standard(got) == wanted : fold(got) == fold(wanted);
}

/* Where the needle ends that begins at p; NULL: it does not. */
static const char *
match(const Needle *needle, const char *p, const char *end, Reading reading)
{
	int			i = 0;

	while (i < needle->length)
	{
		char		bytes[4];
		bool		as_it_is;
		const char *start = p;
		int			n;

		if (p >= end)
			return NULL;
		n = read_bytes(&p, end, reading, bytes);
		as_it_is = p == start + 1;
		/* long base64 is broken into lines */
		if (needle->base64 && i > 0 && n == 1 && (bytes[0] == '\r' || bytes[0] == '\n'))
			continue;
		for (int j = 0; j < n; j++, i++)
		{
			if (i >= needle->length || !is_same(needle, i, bytes[j], reading == READ_URL && as_it_is))
				return NULL;
		}
	}
	return p;
}

typedef struct Place
{
	const char *start;
	const char *end;
} Place;

/* The longest that begins at p; false: none does. */
static bool
find_at(const JoMask *mask, const char *text, const char *p, const char *end, const bool *worthwhile, Place *place)
{
	place->start = p;
	place->end = NULL;
	for (int i = 0; i < mask->n; i++)
	{
		const Needle *needle = &mask->needles[i];

		for (int reading = 0; reading < READINGS; reading++)
		{
			const char *found = worthwhile[reading] ? match(needle, p, end, (Reading) reading) : NULL;

			if (found == NULL)
				continue;
			if (needle->begins_before && p > text && is_digit64(p[-1]))
				place->start = p - 1;
			if (needle->ends_after && found < end && is_digit64(*found))
				found++;
			place->end = Max(place->end, found);
		}
	}
	return place->end != NULL;
}

/* The next place from *p on, which moves along. */
static bool
find_next(const JoMask *mask, const char *text, const char **p, const char *end, const bool *worthwhile, Place *place)
{
	while (*p < end)
	{
		const char *here = (*p)++;

		if (mask->starts[(unsigned char) *here] && find_at(mask, text, here, end, worthwhile, place))
			return true;
	}
	return false;
}

/* Which ways of reading can find what the first one does not. */
static void
choose_readings(const char *text, size_t length, bool *worthwhile)
{
	worthwhile[READ_PLAIN] = true;
	worthwhile[READ_URL] = memchr(text, '%', length) != NULL || memchr(text, '+', length) != NULL;
	worthwhile[READ_JSON] = memchr(text, '\\', length) != NULL;
}

bool
jo_mask_finds(const JoMask *mask, const char *text, size_t length)
{
	bool		worthwhile[READINGS];
	const char *p = text;
	Place		place;

	if (mask->n == 0)
		return false;
	choose_readings(text, length, worthwhile);
	return find_next(mask, text, &p, text + length, worthwhile, &place);
}

static void
append_bytes(StringInfo out, const char *from, const char *to)
{
	int			n = to - from;

	enlargeStringInfo(out, n);
	memcpy(out->data + out->len, from, n);
	out->len += n;
	out->data[out->len] = '\0';
}

/* Places may overlap: what is left between them must not be a piece of a value. */
char *
jo_mask_apply(const JoMask *mask, const char *text, size_t length)
{
	const char *end = text + length;
	const char *done = text;
	const char *p = text;
	bool		worthwhile[READINGS];
	StringInfoData out;
	Place		place;
	Place		next;
	bool		more;

	if (mask->n == 0)
		return NULL;
	choose_readings(text, length, worthwhile);
	if (!find_next(mask, text, &p, end, worthwhile, &place))
		return NULL;
	initStringInfo(&out);
	do
	{
		while ((more = find_next(mask, text, &p, end, worthwhile, &next)) && next.start <= place.end)
			place.end = Max(place.end, next.end);
		append_bytes(&out, done, Max(done, place.start));
		appendStringInfoString(&out, JO_MASK);
		done = place.end;
		place = next;
	} while (more);
	append_bytes(&out, done, end);
	return out.data;
}
