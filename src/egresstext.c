/*
 * egresstext.c
 *		Texts of egress rules: hosts, address ranges, rates.  A leaf.
 *
 * Each is brought into one spelling, or refused with what to write instead.
 */
#include "egress.h"

#include <arpa/inet.h>
#include <strings.h>
#include <sys/socket.h>

#include "egressparts.h"
#include "words.h"

/* ---- hosts ---- */

static bool
refuse(char **error, char **hint, char *problem, char *remedy)
{
	*error = problem;
	*hint = remedy;
	return false;
}

/* What else than a host people write. */
static bool
refuse_other(const char *text, const char *shown, char **error, char **hint)
{
	const char *scheme = strstr(text, "://");
	const char *colon = strrchr(text, ':');
	const char *slash;

	if (scheme != NULL)
	{
		const char *host = scheme + 3;
		const char *word = jo_words_clip(text, scheme - text);

		host = jo_words_clip(host, strcspn(host, "/?#"));
		return refuse(error, hint, psprintf("host \"%s\" has a scheme", shown),
					  psprintf("Give the host alone: host => '%s', scheme => '%s'.", host, word));
	}
	slash = strpbrk(text, "/?#");
	if (slash != NULL)
	{
		const char *host = jo_words_clip(text, slash - text);
		JoEgressHost read;

		if (*slash == '/' && jo_egress_read_host(host, &read) && read.is_address)
			return refuse(error, hint, psprintf("host \"%s\" is a range of addresses", shown),
						  psprintf("Give it as addresses: host => '*', addresses => '{%s}'.", shown));
		return refuse(error, hint, psprintf("host \"%s\" has a path", shown),
					  psprintf("Rules are about hosts, not paths: host => '%s'.", host));
	}
	if (strchr(text, '@') != NULL)
		return refuse(error, hint, psprintf("host \"%s\" has a user name", shown),
					  psprintf("Give the host alone: host => '%s'.", jo_words_show(strrchr(text, '@') + 1)));
	if (colon != NULL && colon[1] != '\0' && strspn(colon + 1, "0123456789") == strlen(colon + 1))
		return refuse(error, hint, psprintf("host \"%s\" has a port", shown),
					  psprintf("Give the port by itself: host => '%s', port => %s.",
							   jo_words_clip(text, colon - text), jo_words_show(colon + 1)));
	return refuse(error, hint, psprintf("\"%s\" is not the name or address of a host", shown),
				  pstrdup("Write it as \"api.example.com\", \"*.example.com\", \"192.0.2.1\", \"2001:db8::1\" or \"*\"."));
}

static bool
is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char) *text >= 0x80)
			return false;
	return true;
}

bool
jo_egress_parse_host(const char *text, char **host, char **error, char **hint)
{
	const char *shown = jo_words_show(text);
	bool		wild = strncmp(text, "*.", 2) == 0;
	JoEgressHost read;

	if (text[0] == '\0')
		return refuse(error, hint, pstrdup("the host is empty"), pstrdup("For all hosts write \"*\"."));
	if (strcmp(text, "*") == 0)
	{
		*host = pstrdup(text);
		return true;
	}
	if (!is_ascii(text))
		return refuse(error, hint, psprintf("host \"%s\" has characters outside of ASCII", shown),
					  pstrdup("Write the name as it goes to the DNS, for example \"xn--bcher-kva.example\"."));
	if (strchr(text + (wild ? 1 : 0), '*') != NULL)
		return refuse(error, hint, psprintf("host \"%s\" has an asterisk in the wrong place", shown),
					  pstrdup("An asterisk stands for whole labels in front (\"*.example.com\"), or alone for all hosts."));
	if (text[0] == '.' && jo_egress_read_host(text + 1, &read))
		return refuse(error, hint, psprintf("host \"%s\" begins with a dot", shown),
					  psprintf("For the hosts below write \"*%s\", for the host itself \"%s\".", shown, shown + 1));
	if (!jo_egress_read_host(text + (wild ? 2 : 0), &read) || (wild && read.is_address))
		return refuse_other(text, shown, error, hint);
	*host = psprintf("%s%s", wild ? "*." : "", read.name);
	return true;
}

/* ---- ranges ---- */

/* Clears what is behind the prefix; false when there was nothing to clear. */
static bool
clear_host_bits(unsigned char *bytes, int bits, int size)
{
	bool		found = false;

	for (int i = bits; i < size; i++)
	{
		unsigned char mask = 0x80 >> (i % 8);

		found = found || (bytes[i / 8] & mask) != 0;
		bytes[i / 8] &= ~mask;
	}
	return found;
}

static bool
read_bits(const char *text, int size, int *bits)
{
	if (text[0] == '\0' || strlen(text) > 3 || strspn(text, "0123456789") != strlen(text))
		return false;
	*bits = atoi(text);
	return *bits <= size;
}

/* An IPv4 range in its IPv6 spelling is the IPv4 range. */
static void
unmap(JoEgressRange *range)
{
	static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	if (!range->v6 || range->bits < 96 || memcmp(range->address, mapped, sizeof(mapped)) != 0)
		return;
	range->v6 = false;
	range->bits -= 96;
	memmove(range->address, range->address + 12, 4);
	memset(range->address + 4, 0, 12);
}

bool
jo_egress_parse_range(const char *text, JoEgressRange *range, char **error, char **hint)
{
	const char *shown = jo_words_show(text);
	const char *slash = strchr(text, '/');
	char	   *address = slash != NULL ? pnstrdup(text, slash - text) : pstrdup(text);
	char		printed[INET6_ADDRSTRLEN];
	int			size;
	int			bits;

	memset(range, 0, sizeof(*range));
	range->v6 = strchr(address, ':') != NULL;
	if (inet_pton(range->v6 ? AF_INET6 : AF_INET, address, range->address) != 1)
		return refuse(error, hint, psprintf("\"%s\" is not an address or a range of addresses", shown),
					  pstrdup("Write it as \"10.0.0.0/8\", \"192.168.1.5\", \"fd00::/8\" or \"::1\"."));
	size = range->v6 ? 128 : 32;
	bits = size;
	if (slash != NULL && !read_bits(slash + 1, size, &bits))
		return refuse(error, hint, psprintf("the length of the prefix in \"%s\" is not valid", shown),
					  psprintf("Behind the slash goes a number from 0 to %d.", size));
	if (clear_host_bits(range->address, bits, size))
	{
		(void) inet_ntop(range->v6 ? AF_INET6 : AF_INET, range->address, printed, sizeof(printed));
		return refuse(error, hint, psprintf("range \"%s\" has bits set behind its prefix", shown),
					  psprintf("Write \"%s/%d\" for the range, or \"%s\" for the one address.", printed, bits, address));
	}
	range->bits = bits;
	unmap(range);
	return true;
}

/* ---- rates ---- */

bool
jo_egress_parse_rate(const char *text, double *rate, char **error, char **hint)
{
	static const struct
	{
		const char *word;
		double		seconds;
	}			units[] = {
		{"s", 1}, {"sec", 1}, {"second", 1}, {"min", 60}, {"minute", 60}, {"h", 3600}, {"hour", 3600},
		{"d", 86400}, {"day", 86400}
	};
	const char *slash = strchr(text, '/');
	int			digits = (int) strspn(text, "0123456789");
	double		number = 0;

	*error = psprintf("\"%s\" is not a rate", jo_words_show(text));
	*hint = pstrdup("Write a whole number from 1 to 1000000 per s, min, hour or day: \"100/s\", \"600/min\".");
	if (slash == NULL || digits == 0 || digits > 7 || text + digits != slash)
		return false;
	number = atoi(text);
	if (number < 1 || number > 1000000)
		return false;
	for (int i = 0; i < (int) lengthof(units); i++)
		if (strcasecmp(slash + 1, units[i].word) == 0)
		{
			*rate = number / units[i].seconds;
			*error = *hint = NULL;
			return true;
		}
	return false;
}
