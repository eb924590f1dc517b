/*
 * schemaaddress.c
 *		Formats of JSON Schema that name a place: email, hostname, uri, ipv4, ipv6.
 *
 * By the letter of RFC 5321, 1123 and 3986, in ASCII; whether anybody is there is
 * not asked.  Touches memory only.
 */
#include "joborch.h"

#include <arpa/inet.h>

#include "inputcheck.h"

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define HEX_DIGITS DIGITS "abcdefABCDEF"

#define LONGEST_HOSTNAME 253
#define LONGEST_LABEL 63
#define LONGEST_LOCAL_PART 64

/* What a URI may have anywhere, RFC 3986: unreserved and sub-delims. */
#define URI_PLAIN LETTERS DIGITS "-._~!$&'()*+,;="

bool
jo_format_is_ipv4(const char *input)
{
	struct in_addr address;

	return inet_pton(AF_INET, input, &address) == 1;
}

bool
jo_format_is_ipv6(const char *input)
{
	struct in6_addr address;

	return inet_pton(AF_INET6, input, &address) == 1;
}

bool
jo_format_is_hostname(const char *input)
{
	if (strlen(input) > LONGEST_HOSTNAME)
		return false;
	for (;;)
	{
		size_t		length = strspn(input, LETTERS DIGITS "-");

		if (length == 0 || length > LONGEST_LABEL || input[0] == '-' || input[length - 1] == '-')
			return false;
		input += length;
		if (*input != '.')
			return *input == '\0';
		input++;
	}
}

/* ---- email ---- */

/* Behind "a.b.c", or NULL. */
static const char *
take_dot_atom(const char *input)
{
	for (;;)
	{
		size_t		length = strspn(input, LETTERS DIGITS "!#$%&'*+-/=?^_`{|}~");

		if (length == 0)
			return NULL;
		input += length;
		if (*input != '.')
			return input;
		input++;
	}
}

/* Behind "a \"b\"", or NULL. */
static const char *
take_quoted(const char *input)
{
	for (input++; *input >= ' ' && *input <= '~'; input++)
	{
		if (*input == '"')
			return input + 1;
		if (*input == '\\' && (*++input < ' ' || *input > '~'))
			return NULL;
	}
	return NULL;
}

/* An address in brackets, or a host. */
static bool
is_mail_domain(const char *input)
{
	size_t		length = strlen(input);
	char	   *address;

	if (*input != '[')
		return jo_format_is_hostname(input);
	if (input[length - 1] != ']')
		return false;
	address = pnstrdup(input + 1, length - 2);
	if (pg_strncasecmp(address, "IPv6:", 5) == 0)
		return jo_format_is_ipv6(address + 5);
	return jo_format_is_ipv4(address);
}

bool
jo_format_is_email(const char *input)
{
	const char *end = (*input == '"') ? take_quoted(input) : take_dot_atom(input);

	return end != NULL && *end == '@' && end - input <= LONGEST_LOCAL_PART && is_mail_domain(end + 1);
}

/* ---- uri ---- */

/* Behind what a URI may have, escapes and these characters. */
static const char *
take_uri_part(const char *input, const char *others)
{
	while (*input != '\0')
	{
		if (*input == '%' && input[1] != '\0' && strspn(input + 1, HEX_DIGITS) >= 2)
			input += 3;
		else if (strchr(URI_PLAIN, *input) != NULL || strchr(others, *input) != NULL)
			input++;
		else
			break;
	}
	return input;
}

/* Behind "[...]" of a URI, or NULL. */
static const char *
take_address_literal(const char *input)
{
	const char *end = strchr(input, ']');
	char	   *address;

	if (end == NULL)
		return NULL;
	address = pnstrdup(input + 1, end - input - 1);
	if (jo_format_is_ipv6(address) ||
		(*address == 'v' && *take_uri_part(address, ":") == '\0' && strchr(address, '.') != NULL))
		return end + 1;
	return NULL;
}

/* Behind user@host:port, or NULL. */
static const char *
take_authority(const char *input)
{
	const char *user = take_uri_part(input, ":");

	if (*user == '@')
		input = user + 1;
	input = (*input == '[') ? take_address_literal(input) : take_uri_part(input, "");
	if (input != NULL && *input == ':')
		input += 1 + strspn(input + 1, DIGITS);
	return input == NULL || strchr("/?#", *input) != NULL ? input : NULL;
}

bool
jo_format_is_uri(const char *input)
{
	if (strspn(input, LETTERS) == 0)
		return false;
	input += strspn(input, LETTERS DIGITS "+-.");
	if (*input++ != ':')
		return false;
	if (strncmp(input, "//", 2) == 0 && (input = take_authority(input + 2)) == NULL)
		return false;
	input = take_uri_part(input, ":@/");
	if (*input == '?')
		input = take_uri_part(input + 1, ":@/?");
	if (*input == '#')
		input = take_uri_part(input + 1, ":@/?");
	return *input == '\0';
}
