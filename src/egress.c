/*
 * egress.c
 *		Which host, port and address a role may reach.  A leaf.
 *
 * Names and addresses are brought into one spelling before anything is compared: a
 * host that is a number in any of inet_aton's forms is that address, an IPv4
 * address inside of an IPv6 one is looked at too.  What cannot be read is refused: the
 * library that connects may read it.  Nothing here allocates; the texts of rules are
 * read by egresstext.c.
 */
#include "egress.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <strings.h>
#include <sys/socket.h>

#include "egressparts.h"

/* ---- addresses ---- */

static void
set_v4(JoEgressAddress *address, const unsigned char *bytes)
{
	memset(address, 0, sizeof(*address));
	memcpy(address->bytes, bytes, 4);
}

static void
set_v6(JoEgressAddress *address, const unsigned char *bytes)
{
	static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	if (memcmp(bytes, mapped, sizeof(mapped)) == 0)
	{
		set_v4(address, bytes + 12);
		return;
	}
	memcpy(address->bytes, bytes, 16);
	address->v6 = true;
}

static bool
take_sockaddr(const struct sockaddr *from, JoEgressAddress *address, int *port)
{
	if (from->sa_family == AF_INET)
	{
		const struct sockaddr_in *in = (const void *) from;

		set_v4(address, (const unsigned char *) &in->sin_addr);
		*port = ntohs(in->sin_port);
		return true;
	}
	if (from->sa_family == AF_INET6)
	{
		const struct sockaddr_in6 *in = (const void *) from;

		set_v6(address, (const unsigned char *) &in->sin6_addr);
		*port = ntohs(in->sin6_port);
		return true;
	}
	return false;
}

static bool
starts_with_bits(const unsigned char *bytes, const unsigned char *prefix, int bits)
{
	int			whole = bits / 8;
	int			rest = bits % 8;

	if (memcmp(bytes, prefix, whole) != 0)
		return false;
	return rest == 0 || ((bytes[whole] ^ prefix[whole]) & (0xff << (8 - rest)) & 0xff) == 0;
}

static bool
is_in_range(const JoEgressAddress *address, const JoEgressRange *range)
{
	return address->v6 == range->v6 && starts_with_bits(address->bytes, range->address, range->bits);
}

typedef struct Prefix
{
	unsigned char bytes[16];
	int			bits;
} Prefix;

static bool
is_in_list(const unsigned char *bytes, const Prefix *list, int n)
{
	for (int i = 0; i < n; i++)
		if (starts_with_bits(bytes, list[i].bytes, list[i].bits))
			return true;
	return false;
}

/* IANA's registry of special-purpose addresses, and a cloud's address for its guests. */
static bool
is_public_v4(const unsigned char *bytes)
{
	static const Prefix special[] = {
		{{0}, 8}, {{10}, 8}, {{100, 64}, 10}, {{127}, 8}, {{169, 254}, 16}, {{172, 16}, 12},
		{{192, 0, 0}, 24}, {{192, 0, 2}, 24}, {{192, 88, 99}, 24}, {{192, 168}, 16},
		{{198, 18}, 15}, {{198, 51, 100}, 24}, {{203, 0, 113}, 24}, {{224}, 4}, {{240}, 4},
		{{168, 63, 129, 16}, 32}
	};

	return !is_in_list(bytes, special, lengthof(special));
}

static const Prefix nat64 = {{0x00, 0x64, 0xff, 0x9b}, 96};
static const Prefix nat64_local = {{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48};
static const Prefix compatible = {{0}, 96};
static const Prefix six_to_four = {{0x20, 0x02}, 16};
static const Prefix teredo = {{0x20, 0x01, 0x00, 0x00}, 32};

/* The IPv4 address that packets to this one may end at. */
static bool
find_inner(const JoEgressAddress *address, JoEgressAddress *inner)
{
	unsigned char bytes[4];

	if (!address->v6)
		return false;
	if (starts_with_bits(address->bytes, nat64.bytes, nat64.bits) ||
		starts_with_bits(address->bytes, nat64_local.bytes, nat64_local.bits) ||
		starts_with_bits(address->bytes, compatible.bytes, compatible.bits))
		memcpy(bytes, address->bytes + 12, 4);
	else if (starts_with_bits(address->bytes, six_to_four.bytes, six_to_four.bits))
		memcpy(bytes, address->bytes + 2, 4);
	else if (starts_with_bits(address->bytes, teredo.bytes, teredo.bits))
	{
		for (int i = 0; i < 4; i++)
			bytes[i] = address->bytes[12 + i] ^ 0xff;
	}
	else
		return false;
	set_v4(inner, bytes);
	return true;
}

/* Only 2000::/3 is global unicast, and not all of it; and what a translator makes public. */
static bool
is_public_v6(const JoEgressAddress *address)
{
	static const Prefix global = {{0x20}, 3};
	static const Prefix special[] = {
		{{0x20, 0x01, 0x00}, 23},	/* protocols, Teredo, benchmarking, ORCHID */
		{{0x20, 0x01, 0x0d, 0xb8}, 32}, {{0x3f, 0xff}, 20}	/* documentation */
	};
	JoEgressAddress inner;

	if (starts_with_bits(address->bytes, nat64.bytes, nat64.bits) ||
		starts_with_bits(address->bytes, six_to_four.bytes, six_to_four.bits))
		return find_inner(address, &inner) && is_public_v4(inner.bytes);
	return starts_with_bits(address->bytes, global.bytes, global.bits) &&
		!is_in_list(address->bytes, special, lengthof(special));
}

static bool
is_public(const JoEgressAddress *address)
{
	return address->v6 ? is_public_v6(address) : is_public_v4(address->bytes);
}

bool
jo_egress_is_public(const struct sockaddr *address)
{
	JoEgressAddress taken;
	int			port;

	return take_sockaddr(address, &taken, &port) && is_public(&taken);
}

static const JoEgressRange loopback_v4 = {{127}, 8, false};
static const JoEgressRange loopback_v6 = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, true};

/* "This host" (0.0.0.0, ::) is answered by the loopback interface too. */
static bool
is_this_host(const JoEgressAddress *address)
{
	static const JoEgressRange any_v4 = {{0}, 8, false};
	static const JoEgressRange any_v6 = {{0}, 128, true};

	return is_in_range(address, &loopback_v4) || is_in_range(address, &loopback_v6) ||
		is_in_range(address, &any_v4) || is_in_range(address, &any_v6);
}

/* ---- hosts ---- */

static int
digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;
}

/* One part of a number, as inet_aton() reads it; *text moves behind it. */
static bool
read_part(const char **text, uint64 *value)
{
	int			base = 10;
	bool		any = false;

	*value = 0;
	if (**text == '0')
	{
		base = 8;
		any = true;
		(*text)++;
		if (**text == 'x')
		{
			base = 16;
			(*text)++;
			any = false;
		}
	}
	for (; **text != '\0' && **text != '.'; (*text)++)
	{
		int			digit = digit_value(**text);

		if (digit >= base || *value > 0xffffffff)
			return false;
		*value = *value * base + digit;
		any = true;
	}
	return any || base == 16;
}

/* Up to four parts, the last one of which fills what is left; lower case. */
static bool
read_number(const char *text, JoEgressAddress *address)
{
	uint64		parts[4];
	uint64		number = 0;
	unsigned char bytes[4];
	int			n = 0;

	for (;;)
	{
		if (n == 4 || !read_part(&text, &parts[n++]))
			return false;
		if (*text == '\0')
			break;
		text++;
	}
	for (int i = 0; i < n - 1; i++)
	{
		if (parts[i] > 0xff)
			return false;
		number |= parts[i] << (24 - 8 * i);
	}
	if (parts[n - 1] >> (8 * (5 - n)) != 0)
		return false;
	number |= parts[n - 1];
	for (int i = 0; i < 4; i++)
		bytes[i] = (number >> (24 - 8 * i)) & 0xff;
	set_v4(address, bytes);
	return true;
}

static bool
read_v6(const char *text, size_t length, JoEgressAddress *address)
{
	char		copy[INET6_ADDRSTRLEN];
	unsigned char bytes[16];
	const char *zone = memchr(text, '%', length);

	if (zone != NULL)
		length = zone - text;
	if (length >= sizeof(copy))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	if (inet_pton(AF_INET6, copy, bytes) != 1)
		return false;
	set_v6(address, bytes);
	return true;
}

/* Labels of letters, digits, hyphens and underscores. */
static bool
copy_name(const char *text, size_t length, char *name)
{
	size_t		label = 0;

	for (size_t i = 0; i < length; i++)
	{
		char		c = text[i];

		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if (c == '.')
		{
			if (label == 0)
				return false;
			label = 0;
		}
		else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')
		{
			if (++label > 63)
				return false;
		}
		else
			return false;
		name[i] = c;
	}
	name[length] = '\0';
	return label > 0;
}

static void
print_address(JoEgressHost *host)
{
	(void) inet_ntop(host->address.v6 ? AF_INET6 : AF_INET, host->address.bytes, host->name, sizeof(host->name));
}

bool
jo_egress_read_host(const char *text, JoEgressHost *host)
{
	size_t		length = strlen(text);

	memset(host, 0, sizeof(*host));
	if (length > 2 && text[0] == '[' && text[length - 1] == ']')
	{
		text++;
		length -= 2;
		host->is_address = read_v6(text, length, &host->address);
	}
	else if (memchr(text, ':', length) != NULL)
		host->is_address = read_v6(text, length, &host->address);
	else
	{
		if (length > 1 && text[length - 1] == '.')
			length--;
		if (length > JO_EGRESS_LONGEST_HOST || !copy_name(text, length, host->name))
			return false;
		host->is_address = read_number(host->name, &host->address);
		if (!host->is_address)
			return true;
	}
	if (host->is_address)
		print_address(host);
	return host->is_address;
}

/* ---- rules ---- */

/* Could the host of a rule be an address?  Those are kept in one spelling. */
static bool
read_own_address(const JoEgressRule *rule, JoEgressAddress *address)
{
	JoEgressHost host;

	if (strchr(rule->host, ':') == NULL && (rule->host[0] < '0' || rule->host[0] > '9'))
		return false;
	if (!jo_egress_read_host(rule->host, &host) || !host.is_address)
		return false;
	*address = host.address;
	return true;
}

/* 0: does not match; more is more specific. */
static int
match_host(const JoEgressRule *rule, const char *name)
{
	size_t		length;
	size_t		tail;

	if (strcmp(rule->host, "*") == 0)
		return 1;
	if (rule->host[0] != '*')
		return strcmp(rule->host, name) == 0 ? 1000 : 0;
	length = strlen(name);
	tail = strlen(rule->host + 1);
	if (length <= tail || strcmp(name + length - tail, rule->host + 1) != 0)
		return 0;
	return 1 + (int) tail;
}

static bool
is_own_port(unsigned scheme, int port)
{
	switch (scheme)
	{
		case JO_SCHEME_HTTP:
			return port == 80;
		case JO_SCHEME_HTTPS:
			return port == 443;
		case JO_SCHEME_FTP:
			return port == 21;
		case JO_SCHEME_FTPS:
			return port == 990 || port == 21;
		case JO_SCHEME_SFTP:
			return port == 22;
		case JO_SCHEME_SMTP:
			return port == 25 || port == 587;
		case JO_SCHEME_SMTPS:
			return port == 465;
		default:
			return false;
	}
}

/* A deny rule that names no port means all of them. */
static bool
match_service(const JoEgressRule *rule, unsigned scheme, int port)
{
	if (rule->schemes != 0 && (rule->schemes & scheme) == 0)
		return false;
	if (rule->port_low == 0)
		return rule->deny || is_own_port(scheme, port);
	return port >= rule->port_low && port <= rule->port_high;
}

static bool
names_address(const JoEgressRule *rule, const JoEgressAddress *address)
{
	JoEgressAddress own;

	for (int i = 0; i < rule->nranges; i++)
		if (is_in_range(address, &rule->ranges[i]))
			return true;
	if (strcmp(rule->host, "localhost") == 0)
		return is_in_range(address, &loopback_v4) || is_in_range(address, &loopback_v6);
	return read_own_address(rule, &own) && own.v6 == address->v6 &&
		memcmp(own.bytes, address->bytes, own.v6 ? 16 : 4) == 0;
}

/*
 * address NULL: is not known yet.  Who denies an address denies it to all names, and in all
 * its disguises.
 */
static bool
is_denied_by(const JoEgressRule *rule, const char *name, const JoEgressAddress *address)
{
	JoEgressAddress other;
	bool		by_name = match_host(rule, name) != 0;

	if (by_name && rule->nranges == 0)
		return true;
	if (!by_name && strcmp(rule->host, "localhost") != 0 && !read_own_address(rule, &other))
		return false;
	if (address == NULL)
		return false;
	return names_address(rule, address) || (find_inner(address, &other) && names_address(rule, &other));
}

/* An allow rule that matches by name: does it also allow the address? */
static bool
allows_address(const JoEgressView *view, const JoEgressRule *rule, const JoEgressAddress *address, int port)
{
	bool		named = names_address(rule, address);

	if (view->own_port != 0 && port == view->own_port && is_this_host(address) &&
		(rule->port_low != port || rule->port_high != port))
		return false;
	return named || (rule->nranges == 0 && is_public(address));
}

/*
 * address NULL: by name only.  to_port is what is really connected, which differs from port
 * in FTP's data connections.
 */
static JoEgressVerdict
judge(const JoEgressView *view, unsigned scheme, const char *name, int port,
	  const JoEgressAddress *address, int to_port, const JoEgressRule **rule)
{
	JoEgressVerdict verdict = JO_EGRESS_NO_RULE;
	int			best = 0;

	*rule = NULL;
	if (scheme == JO_SCHEME_FILE)
		return verdict;
	for (int i = 0; i < view->nrules; i++)
	{
		const JoEgressRule *candidate = view->rules[i];
		int			fit;

		if (!match_service(candidate, scheme, port))
			continue;
		if (candidate->deny)
		{
			if (!is_denied_by(candidate, name, address))
				continue;
			*rule = candidate;
			return JO_EGRESS_DENIED;
		}
		fit = match_host(candidate, name);
		if (fit == 0)
			continue;
		fit = 2 * fit + (candidate->port_low != 0);
		if (address == NULL || allows_address(view, candidate, address, to_port))
		{
			/* one that allows is worth more than all that do not */
			fit += 10000;
			verdict = JO_EGRESS_ALLOWED;
		}
		else if (verdict == JO_EGRESS_NO_RULE)
			verdict = JO_EGRESS_ADDRESS;
		if (fit > best)
		{
			best = fit;
			*rule = candidate;
		}
	}
	return verdict;
}

JoEgressVerdict
jo_egress_check_host(const JoEgressView *view, unsigned scheme, const char *host, int port,
					 const JoEgressRule **rule)
{
	JoEgressHost read;

	*rule = NULL;
	if (!jo_egress_read_host(host, &read))
		return JO_EGRESS_NO_RULE;
	return judge(view, scheme, read.name, port, read.is_address ? &read.address : NULL, port, rule);
}

JoEgressVerdict
jo_egress_check_address(const JoEgressView *view, unsigned scheme, const char *host, int port,
						const struct sockaddr *address)
{
	const JoEgressRule *rule;
	JoEgressHost read;
	JoEgressAddress taken;
	int			to_port;

	if (!jo_egress_read_host(host, &read))
		return JO_EGRESS_NO_RULE;
	if (!take_sockaddr(address, &taken, &to_port))
		return JO_EGRESS_ADDRESS;
	return judge(view, scheme, read.name, port, &taken, to_port, &rule);
}

bool
jo_egress_allows_insecure(const JoEgressView *view, unsigned scheme, const char *host, int port)
{
	const JoEgressRule *rule;
	JoEgressHost read;

	if (jo_egress_check_host(view, scheme, host, port, &rule) != JO_EGRESS_ALLOWED ||
		!jo_egress_read_host(host, &read))
		return false;
	for (int i = 0; i < view->nrules; i++)
	{
		const JoEgressRule *candidate = view->rules[i];

		if (!candidate->deny && candidate->insecure && match_service(candidate, scheme, port) &&
			match_host(candidate, read.name) != 0)
			return true;
	}
	return false;
}

unsigned
jo_egress_scheme(const char *word, int *port)
{
	static const struct
	{
		const char *word;
		unsigned	scheme;
		int			port;
	}			schemes[] = {
		{"http", JO_SCHEME_HTTP, 80}, {"https", JO_SCHEME_HTTPS, 443},
		{"ftp", JO_SCHEME_FTP, 21}, {"ftps", JO_SCHEME_FTPS, 990}, {"sftp", JO_SCHEME_SFTP, 22},
		{"smtp", JO_SCHEME_SMTP, 25}, {"smtps", JO_SCHEME_SMTPS, 465}, {"file", JO_SCHEME_FILE, 0}
	};

	for (int i = 0; i < (int) lengthof(schemes); i++)
		if (strcasecmp(word, schemes[i].word) == 0)
		{
			*port = schemes[i].port;
			return schemes[i].scheme;
		}
	*port = 0;
	return 0;
}
