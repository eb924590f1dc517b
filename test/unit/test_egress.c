/*
 * test_egress.c
 *		Which addresses are public, which hosts a rule matches, and texts of rules.
 */
#include "unit.h"

#include "egress.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* ---- addresses ---- */

static struct sockaddr_storage
make_address(const char *text, int port)
{
	struct sockaddr_storage storage;
	struct sockaddr_in *v4 = (void *) &storage;
	struct sockaddr_in6 *v6 = (void *) &storage;

	memset(&storage, 0, sizeof(storage));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
	{
		v4->sin_family = AF_INET;
		v4->sin_port = htons(port);
		return storage;
	}
	memset(&storage, 0, sizeof(storage));
	if (inet_pton(AF_INET6, text, &v6->sin6_addr) != 1)
		abort();
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(port);
	return storage;
}

static void
test_public(void)
{
	static const struct
	{
		const char *address;
		bool		is_public;
	}			cases[] = {
		{"8.8.8.8", true}, {"1.1.1.1", true}, {"93.184.216.34", true}, {"9.255.255.255", true},
		{"11.0.0.0", true}, {"126.255.255.255", true}, {"128.0.0.0", true}, {"172.15.255.255", true},
		{"172.32.0.0", true}, {"192.167.255.255", true}, {"192.169.0.0", true}, {"100.63.255.255", true},
		{"100.128.0.0", true}, {"169.253.255.255", true}, {"169.255.0.0", true}, {"198.17.255.255", true},
		{"198.20.0.0", true}, {"223.255.255.255", true}, {"192.0.1.0", true}, {"168.63.129.15", true},
		{"2606:4700:4700::1111", true}, {"2a00:1450:4001:81b::200e", true}, {"2001:4860:4860::8888", true},
		{"64:ff9b::808:808", true}, {"::ffff:8.8.8.8", true}, {"2002:808:808::1", true},

		{"0.0.0.0", false}, {"0.1.2.3", false}, {"10.0.0.1", false}, {"10.255.255.255", false},
		{"100.64.0.1", false}, {"100.100.100.200", false}, {"100.127.255.255", false}, {"127.0.0.1", false},
		{"127.255.255.254", false}, {"169.254.0.1", false}, {"169.254.169.254", false}, {"169.254.170.2", false},
		{"172.16.0.1", false}, {"172.31.255.255", false}, {"192.0.0.1", false}, {"192.0.0.192", false},
		{"192.0.2.1", false}, {"192.88.99.1", false}, {"192.168.0.1", false}, {"198.18.0.1", false},
		{"198.19.255.255", false}, {"198.51.100.7", false}, {"203.0.113.7", false}, {"224.0.0.1", false},
		{"239.255.255.255", false}, {"240.0.0.1", false}, {"255.255.255.255", false}, {"168.63.129.16", false},
		{"::", false}, {"::1", false}, {"::2", false}, {"::127.0.0.1", false}, {"::8.8.8.8", false},
		{"::ffff:127.0.0.1", false}, {"::ffff:10.1.2.3", false}, {"::ffff:169.254.169.254", false},
		{"::ffff:0:127.0.0.1", false}, {"64:ff9b::7f00:1", false}, {"64:ff9b::a9fe:a9fe", false},
		{"64:ff9b:1::808:808", false}, {"2002:7f00:1::", false}, {"2002:a00:1::1", false},
		{"2002:c0a8:101::1", false}, {"2001::1", false}, {"2001:0:7f00:1::80ff:fffe", false},
		{"2001:2::1", false}, {"2001:10::1", false}, {"2001:20::1", false}, {"2001:db8::1", false},
		{"3fff::1", false}, {"100::1", false}, {"5f00::1", false}, {"fc00::1", false}, {"fd00:ec2::254", false},
		{"fd20:ce::254", false}, {"fe80::1", false}, {"febf::1", false}, {"fec0::1", false},
		{"ff02::1", false}, {"ff0e::1", false}, {"4000::1", false}, {"::5efe:127.0.0.1", false}
	};

	for (int i = 0; i < (int) lengthof(cases); i++)
	{
		struct sockaddr_storage address = make_address(cases[i].address, 80);

		unit_check(jo_egress_is_public((void *) &address) == cases[i].is_public, __FILE__, __LINE__,
				   "%s is %s", cases[i].address, cases[i].is_public ? "public" : "not public");
	}
}

static void
test_other_families(void)
{
	struct sockaddr_storage address;
	JoEgressRule rule = {.rule_id = 1, .host = "*"};
	const JoEgressRule *rules[] = {&rule};
	JoEgressView view = {1, rules, 5432};

	memset(&address, 0, sizeof(address));
	address.ss_family = AF_UNIX;
	CHECK(!jo_egress_is_public((void *) &address));
	CHECK_INT(jo_egress_check_address(&view, JO_SCHEME_HTTP, "a", 80, (void *) &address), JO_EGRESS_ADDRESS);
}

/* ---- rules ---- */

/* "[!] [scheme,]host[:low[-high]] [range ...]"; "insecure" as a range sets that. */
static JoEgressRule *
make_rule(const char *text)
{
	JoEgressRule *rule = palloc0(sizeof(JoEgressRule));
	char	   *words = pstrdup(text);
	char	   *state;
	char	   *word = strtok_r(words, " ", &state);
	char	   *error;
	char	   *hint;
	char	   *part;
	int			port;

	rule->deny = strcmp(word, "!") == 0;
	if (rule->deny)
		word = strtok_r(NULL, " ", &state);
	if ((part = strchr(word, ',')) != NULL)
	{
		*part = '\0';
		rule->schemes = jo_egress_scheme(word, &port);
		word = part + 1;
	}
	if ((part = strchr(word, '|')) != NULL)
	{
		*part++ = '\0';
		rule->port_low = rule->port_high = atoi(part);
		if ((part = strchr(part, '-')) != NULL)
			rule->port_high = atoi(part + 1);
	}
	unit_check(jo_egress_parse_host(word, &rule->host, &error, &hint), __FILE__, __LINE__, "%s", word);
	rule->ranges = palloc0(sizeof(JoEgressRange) * 8);
	while ((word = strtok_r(NULL, " ", &state)) != NULL)
	{
		if (strcmp(word, "insecure") == 0)
			rule->insecure = true;
		else
			unit_check(jo_egress_parse_range(word, &rule->ranges[rule->nranges++], &error, &hint),
					   __FILE__, __LINE__, "%s", word);
	}
	return rule;
}

static JoEgressView *
make_view(const char *text)
{
	JoEgressView *view = palloc0(sizeof(JoEgressView));
	char	   *lines = pstrdup(text);
	char	   *state;

	view->rules = palloc0(sizeof(JoEgressRule *) * 8);
	view->own_port = 5432;
	for (char *line = strtok_r(lines, ";", &state); line != NULL; line = strtok_r(NULL, ";", &state))
	{
		JoEgressRule *rule = make_rule(line);

		rule->rule_id = view->nrules + 1;
		view->rules[view->nrules++] = rule;
	}
	return view;
}

typedef struct Case
{
	const char *rules;			/* by ";" */
	const char *scheme;
	const char *host;
	int			port;			/* 0: the scheme's own */
	const char *address;		/* NULL: by name only */
	JoEgressVerdict verdict;
	int			rule;			/* by name only: its number, 0: none */
} Case;

#define YES JO_EGRESS_ALLOWED
#define NO JO_EGRESS_NO_RULE
#define DENIED JO_EGRESS_DENIED
#define ADDR JO_EGRESS_ADDRESS

static const Case names[] = {
	/* none */
	{"", "https", "api.example.com", 0, NULL, NO, 0},
	/* exact names, in other spellings */
	{"api.example.com", "https", "api.example.com", 0, NULL, YES, 1},
	{"api.example.com", "https", "API.Example.COM", 0, NULL, YES, 1},
	{"API.Example.COM.", "https", "api.example.com", 0, NULL, YES, 1},
	{"api.example.com", "https", "api.example.com.", 0, NULL, YES, 1},
	{"api.example.com", "https", "api.example.com..", 0, NULL, NO, 0},
	{"api.example.com", "https", "xapi.example.com", 0, NULL, NO, 0},
	{"api.example.com", "https", "api.example.com.evil.org", 0, NULL, NO, 0},
	{"api.example.com", "https", "example.com", 0, NULL, NO, 0},
	{"api.example.com", "https", "", 0, NULL, NO, 0},
	{"*", "https", "", 0, NULL, NO, 0},
	{"*", "https", ".", 0, NULL, NO, 0},
	{"*", "https", "a b", 0, NULL, NO, 0},
	{"*", "https", "a\nb", 0, NULL, NO, 0},
	{"*", "https", "b\xc3\xbc" "cher.example", 0, NULL, NO, 0},
	{"xn--bcher-kva.example", "https", "XN--BCHER-KVA.example", 0, NULL, YES, 1},
	{"*", "https", "\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1", 0, NULL, NO, 0},
	{"*", "https", "%31%32%37.0.0.1", 0, NULL, NO, 0},
	{"*", "https", "my_host-1.example.com", 0, NULL, YES, 1},
	/* patterns */
	{"*.example.com", "https", "api.example.com", 0, NULL, YES, 1},
	{"*.example.com", "https", "a.b.example.com", 0, NULL, YES, 1},
	{"*.example.com", "https", "example.com", 0, NULL, NO, 0},
	{"*.example.com", "https", "evilexample.com", 0, NULL, NO, 0},
	{"*.example.com", "https", ".example.com", 0, NULL, NO, 0},
	{"*", "https", "example.com", 0, NULL, YES, 1},
	/* ports and schemes */
	{"a.org", "http", "a.org", 80, NULL, YES, 1},
	{"a.org", "http", "a.org", 8080, NULL, NO, 0},
	{"a.org", "http", "a.org", 443, NULL, NO, 0},
	{"a.org", "https", "a.org", 443, NULL, YES, 1},
	{"a.org", "smtp", "a.org", 25, NULL, YES, 1},
	{"a.org", "smtp", "a.org", 587, NULL, YES, 1},
	{"a.org", "smtps", "a.org", 465, NULL, YES, 1},
	{"a.org", "ftp", "a.org", 21, NULL, YES, 1},
	{"a.org", "ftps", "a.org", 990, NULL, YES, 1},
	{"a.org", "sftp", "a.org", 22, NULL, YES, 1},
	{"a.org", "sftp", "a.org", 2222, NULL, NO, 0},
	{"a.org|8080", "http", "a.org", 8080, NULL, YES, 1},
	{"a.org|8080", "http", "a.org", 80, NULL, NO, 0},
	{"a.org|8000-8100", "http", "a.org", 8100, NULL, YES, 1},
	{"a.org|8000-8100", "http", "a.org", 8101, NULL, NO, 0},
	{"https,a.org", "http", "a.org", 80, NULL, NO, 0},
	{"https,a.org", "https", "a.org", 443, NULL, YES, 1},
	{"https,a.org|80", "http", "a.org", 80, NULL, NO, 0},
	{"*|1-65535", "file", "a.org", 80, NULL, NO, 0},
	/* deny over allow, whatever their order and however exact */
	{"*;! evil.org", "https", "evil.org", 0, NULL, DENIED, 2},
	{"! *.org;evil.org", "https", "evil.org", 0, NULL, DENIED, 1},
	{"*|1-65535;! evil.org", "https", "EVIL.org.", 4443, NULL, DENIED, 2},
	{"*|1-65535;! evil.org|80", "https", "evil.org", 443, NULL, YES, 1},
	{"*;! http,evil.org", "https", "evil.org", 0, NULL, YES, 1},
	{"*;! *.evil.org", "https", "evil.org", 0, NULL, YES, 1},
	{"! evil.org", "https", "good.org", 0, NULL, NO, 0},
	{"*;! *", "https", "good.org", 0, NULL, DENIED, 2},
	/* a denied range says nothing about a name */
	{"*;! * 203.0.114.0/24", "https", "good.org", 0, NULL, YES, 1},
	{"*;! * 203.0.114.0/24", "https", "203.0.114.9", 0, NULL, DENIED, 2},
	{"*;! 203.0.114.9", "https", "203.0.114.9", 0, NULL, DENIED, 2},
	/* the most exact rule decides */
	{"*;*.org;a.org", "https", "a.org", 0, NULL, YES, 3},
	{"a.org;*.org;*", "https", "a.org", 0, NULL, YES, 1},
	{"*.org;*.a.org", "https", "b.a.org", 0, NULL, YES, 2},
	{"a.org;a.org|443", "https", "a.org", 0, NULL, YES, 2},
	{"a.org;a.org", "https", "a.org", 0, NULL, YES, 1},
	{"* 10.0.0.0/8;10.0.0.7|80", "http", "10.0.0.7", 0, NULL, YES, 2},
	/* addresses as hosts, in all spellings */
	{"*", "http", "127.0.0.1", 0, NULL, ADDR, 1},
	{"*", "http", "2130706433", 0, NULL, ADDR, 1},
	{"*", "http", "0x7f000001", 0, NULL, ADDR, 1},
	{"*", "http", "0x7f.1", 0, NULL, ADDR, 1},
	{"*", "http", "0X7F.1", 0, NULL, ADDR, 1},
	{"*", "http", "127.1", 0, NULL, ADDR, 1},
	{"*", "http", "127.0.1", 0, NULL, ADDR, 1},
	{"*", "http", "0177.0.0.1", 0, NULL, ADDR, 1},
	{"*", "http", "017700000001", 0, NULL, ADDR, 1},
	{"*", "http", "0", 0, NULL, ADDR, 1},
	{"*", "http", "127.0.0.1.", 0, NULL, ADDR, 1},
	{"*", "http", "[::1]", 0, NULL, ADDR, 1},
	{"*", "http", "::1", 0, NULL, ADDR, 1},
	{"*", "http", "[::]", 0, NULL, ADDR, 1},
	{"*", "http", "[0:0:0:0:0:0:0:1]", 0, NULL, ADDR, 1},
	{"*", "http", "[::ffff:127.0.0.1]", 0, NULL, ADDR, 1},
	{"*", "http", "[::ffff:7f00:1]", 0, NULL, ADDR, 1},
	{"*", "http", "[::127.0.0.1]", 0, NULL, ADDR, 1},
	{"*", "http", "[64:ff9b::127.0.0.1]", 0, NULL, ADDR, 1},
	{"*", "http", "[2002:7f00:1::]", 0, NULL, ADDR, 1},
	{"*", "http", "[fe80::1%25eth0]", 0, NULL, ADDR, 1},
	{"*", "http", "[fe80::1%eth0]", 0, NULL, ADDR, 1},
	{"*", "http", "169.254.169.254", 0, NULL, ADDR, 1},
	{"*", "http", "2852039166", 0, NULL, ADDR, 1},
	{"*", "http", "0xa9fea9fe", 0, NULL, ADDR, 1},
	{"*", "http", "[fd00:ec2::254]", 0, NULL, ADDR, 1},
	{"*", "http", "[::1", 0, NULL, NO, 0},
	{"*", "http", "[127.0.0.1]", 0, NULL, NO, 0},
	{"*", "http", "::ffff:zz", 0, NULL, NO, 0},
	{"*", "http", "8.8.8.8", 0, NULL, YES, 1},
	{"*", "http", "134744072", 0, NULL, YES, 1},
	/* too many parts or too large: a name, of which the address is looked at later */
	{"*", "http", "1.2.3.4.5", 0, NULL, YES, 1},
	{"*", "http", "4294967296", 0, NULL, YES, 1},
	{"*", "http", "127.0.0.08", 0, NULL, YES, 1},
	{"*", "http", "256.0.0.1", 0, NULL, YES, 1},
	/* an address that is the host of a rule */
	{"127.0.0.1", "http", "127.0.0.1", 0, NULL, YES, 1},
	{"127.0.0.1", "http", "2130706433", 0, NULL, YES, 1},
	{"0x7f.1", "http", "127.0.0.1", 0, NULL, YES, 1},
	{"127.0.0.1", "http", "[::ffff:127.0.0.1]", 0, NULL, YES, 1},
	{"127.0.0.1", "http", "127.0.0.2", 0, NULL, NO, 0},
	{"127.0.0.1", "http", "localhost", 0, NULL, NO, 0},
	{"[::1]|8080", "http", "[0::1]", 8080, NULL, YES, 1},
	{"::1", "http", "[::1]", 0, NULL, YES, 1},
	{"::1", "http", "127.0.0.1", 0, NULL, NO, 0},
	{"* 10.0.0.0/8", "http", "10.9.8.7", 0, NULL, YES, 1},
	{"* 10.0.0.0/8", "http", "11.9.8.7", 0, NULL, ADDR, 1},
	{"* 10.0.0.0/8", "http", "[::ffff:10.9.8.7]", 0, NULL, YES, 1},
	{"* 10.0.0.0/8", "http", "[64:ff9b::10.9.8.7]", 0, NULL, ADDR, 1},
	/* the server's own port */
	{"127.0.0.1|5432", "http", "127.0.0.1", 5432, NULL, YES, 1},
	{"127.0.0.1|1-65535", "http", "127.0.0.1", 5432, NULL, ADDR, 1},
	{"127.0.0.1|1-65535", "http", "127.0.0.1", 5433, NULL, YES, 1},
	{"0.0.0.0|1-65535", "http", "0.0.0.0", 5432, NULL, ADDR, 1}
};

static const Case addresses[] = {
	{"a.org", "https", "a.org", 0, "93.184.216.34", YES, 0},
	{"a.org", "https", "b.org", 0, "93.184.216.34", NO, 0},
	{"a.org", "https", "a.org", 0, "127.0.0.1", ADDR, 0},
	{"a.org", "https", "a.org", 0, "::1", ADDR, 0},
	{"a.org", "https", "a.org", 0, "::ffff:10.0.0.1", ADDR, 0},
	{"a.org", "https", "a.org", 0, "169.254.169.254", ADDR, 0},
	{"a.org", "https", "a.org", 0, "64:ff9b::a9fe:a9fe", ADDR, 0},
	{"a.org", "https", "a.org", 0, "2606:4700::1", YES, 0},
	/* only the ranges that a rule names, if it names some */
	{"a.org 10.0.0.0/8 fd00::/8", "https", "a.org", 0, "10.200.0.1", YES, 0},
	{"a.org 10.0.0.0/8 fd00::/8", "https", "a.org", 0, "fd12::1", YES, 0},
	{"a.org 10.0.0.0/8", "https", "a.org", 0, "192.168.0.1", ADDR, 0},
	{"a.org 10.0.0.0/8", "https", "a.org", 0, "8.8.8.8", ADDR, 0},
	{"a.org 10.0.0.0/8;a.org", "https", "a.org", 0, "8.8.8.8", YES, 0},
	{"a.org 10.0.0.0/8;a.org", "https", "a.org", 0, "127.0.0.1", ADDR, 0},
	{"b.org 10.0.0.0/8;a.org", "https", "a.org", 0, "10.0.0.1", ADDR, 0},
	{"* 10.1.2.128/25", "https", "a.org", 0, "10.1.2.127", ADDR, 0},
	{"* 10.1.2.128/25", "https", "a.org", 0, "10.1.2.255", YES, 0},
	{"* 0.0.0.0/0", "https", "a.org", 0, "127.0.0.1", YES, 0},
	{"* 0.0.0.0/0", "https", "a.org", 0, "::ffff:127.0.0.1", YES, 0},
	{"* 0.0.0.0/0", "https", "a.org", 0, "::1", ADDR, 0},
	{"* ::/0", "https", "a.org", 0, "127.0.0.1", ADDR, 0},
	{"* ::/0", "https", "a.org", 0, "::ffff:127.0.0.1", ADDR, 0},
	{"* ::/0", "https", "a.org", 0, "::1", YES, 0},
	{"* ::ffff:10.0.0.0/104", "https", "a.org", 0, "10.3.3.3", YES, 0},
	/* a host that names its address */
	{"127.0.0.1|8080", "http", "127.0.0.1", 8080, "127.0.0.1", YES, 0},
	{"127.0.0.1|8080", "http", "127.0.0.1", 8080, "::ffff:127.0.0.1", YES, 0},
	{"127.0.0.1|8080", "http", "127.0.0.1", 8080, "10.0.0.1", ADDR, 0},
	{"localhost|8080", "http", "localhost", 8080, "127.0.0.1", YES, 0},
	{"localhost|8080", "http", "LOCALHOST.", 8080, "::1", YES, 0},
	{"localhost|8080", "http", "localhost", 8080, "10.0.0.1", ADDR, 0},
	{"*", "http", "localhost", 80, "127.0.0.1", ADDR, 0},
	/* denied, by what is really connected */
	{"*;! * 93.184.216.0/24", "https", "a.org", 0, "93.184.216.34", DENIED, 0},
	{"*;! * 93.184.216.0/24", "https", "a.org", 0, "93.184.217.34", YES, 0},
	{"*;! 93.184.216.34", "https", "a.org", 0, "93.184.216.34", DENIED, 0},
	{"*;! 93.184.216.34", "https", "a.org", 0, "93.184.216.35", YES, 0},
	{"*;! 93.184.216.34", "https", "a.org", 0, "::ffff:93.184.216.34", DENIED, 0},
	{"*;! 93.184.216.34", "https", "a.org", 0, "64:ff9b::93.184.216.34", DENIED, 0},
	{"*;! 93.184.216.34", "https", "a.org", 0, "2002:5db8:d822::1", DENIED, 0},
	{"* 0.0.0.0/0 ::/0;! localhost", "https", "a.org", 0, "127.0.0.1", DENIED, 0},
	{"* 0.0.0.0/0 ::/0;! localhost", "https", "a.org", 0, "::1", DENIED, 0},
	{"* 0.0.0.0/0 ::/0;! localhost", "https", "a.org", 0, "::127.0.0.1", DENIED, 0},
	{"* 0.0.0.0/0 ::/0;! localhost", "https", "a.org", 0, "10.0.0.1", YES, 0},
	{"* 0.0.0.0/0;! a.org 10.0.0.0/8", "https", "a.org", 0, "10.0.0.1", DENIED, 0},
	{"* 0.0.0.0/0;! a.org 10.0.0.0/8", "https", "b.org", 0, "10.0.0.1", YES, 0},
	{"* 0.0.0.0/0;! *|443 10.0.0.0/8", "http", "b.org", 0, "10.0.0.1", YES, 0}
};

static void
check_cases(const Case *cases, int n)
{
	for (int i = 0; i < n; i++)
	{
		const Case *c = &cases[i];
		JoEgressView *view = make_view(c->rules);
		const JoEgressRule *rule = NULL;
		JoEgressVerdict verdict;
		int			port;
		unsigned	scheme = jo_egress_scheme(c->scheme, &port);

		port = c->port != 0 ? c->port : port;
		if (c->address == NULL)
		{
			verdict = jo_egress_check_host(view, scheme, c->host, port, &rule);
			unit_check((rule == NULL ? 0 : rule->rule_id) == c->rule, __FILE__, __LINE__,
					   "%s: rule %d of \"%s\"", c->host, c->rule, c->rules);
		}
		else
		{
			struct sockaddr_storage address = make_address(c->address, port);

			verdict = jo_egress_check_address(view, scheme, c->host, port, (void *) &address);
		}
		unit_check(verdict == c->verdict, __FILE__, __LINE__, "\"%s\" for %s %s:%d at %s: %d, wanted %d", c->rules,
				   c->scheme, c->host, port, c->address ? c->address : "?", verdict, c->verdict);
		shim_reset();
	}
}

/* FTP's data go to another port of the same host. */
static void
test_data_port(void)
{
	JoEgressView *view = make_view("127.0.0.1|21");
	struct sockaddr_storage address = make_address("127.0.0.1", 40000);

	CHECK_INT(jo_egress_check_address(view, JO_SCHEME_FTP, "127.0.0.1", 21, (void *) &address), YES);
	address = make_address("127.0.0.1", 5432);
	CHECK_INT(jo_egress_check_address(view, JO_SCHEME_FTP, "127.0.0.1", 21, (void *) &address), ADDR);
}

static void
test_insecure(void)
{
	JoEgressView *view = make_view("*;a.org insecure;*.b.org|8443 insecure;! *.bad.b.org");

	CHECK(jo_egress_allows_insecure(view, JO_SCHEME_HTTPS, "a.org", 443));
	CHECK(jo_egress_allows_insecure(view, JO_SCHEME_HTTPS, "A.ORG.", 443));
	CHECK(!jo_egress_allows_insecure(view, JO_SCHEME_HTTPS, "a.org", 8443));
	CHECK(!jo_egress_allows_insecure(view, JO_SCHEME_HTTPS, "c.org", 443));
	CHECK(jo_egress_allows_insecure(view, JO_SCHEME_HTTPS, "x.b.org", 8443));
	CHECK(!jo_egress_allows_insecure(view, JO_SCHEME_HTTPS, "x.bad.b.org", 8443));
	CHECK(!jo_egress_allows_insecure(view, JO_SCHEME_HTTPS, "", 443));
}

static void
test_schemes(void)
{
	int			port;

	CHECK_INT(jo_egress_scheme("https", &port), JO_SCHEME_HTTPS);
	CHECK_INT(port, 443);
	CHECK_INT(jo_egress_scheme("SMTP", &port), JO_SCHEME_SMTP);
	CHECK_INT(port, 25);
	CHECK_INT(jo_egress_scheme("gopher", &port), 0);
	CHECK_INT(jo_egress_scheme("", &port), 0);
	CHECK_INT(jo_egress_scheme("http:", &port), 0);
}

/* ---- texts ---- */

static void
check_host(const char *text, const char *wanted, const char *problem, const char *remedy)
{
	char	   *host = NULL;
	char	   *error = NULL;
	char	   *hint = NULL;
	bool		good = jo_egress_parse_host(text, &host, &error, &hint);

	CHECK_TEXT(good ? host : NULL, wanted);
	CHECK_TEXT(good ? NULL : error, problem);
	if (!good && remedy != NULL)
		CHECK_TEXT(hint, remedy);
}

static void
test_host_texts(void)
{
	static const char long_label[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.org";

	check_host("API.Example.com.", "api.example.com", NULL, NULL);
	check_host("*.Example.com", "*.example.com", NULL, NULL);
	check_host("*", "*", NULL, NULL);
	check_host("0x7f.1", "127.0.0.1", NULL, NULL);
	check_host("[0:0::0:1]", "::1", NULL, NULL);
	check_host("::FFFF:10.0.0.1", "10.0.0.1", NULL, NULL);
	check_host("localhost", "localhost", NULL, NULL);
	check_host("", NULL, "the host is empty", NULL);
	check_host("https://api.example.com/v1", NULL, "host \"https://api.example.com/v1\" has a scheme",
			   "Give the host alone: host => 'api.example.com', scheme => 'https'.");
	check_host("api.example.com/v1", NULL, "host \"api.example.com/v1\" has a path",
			   "Rules are about hosts, not paths: host => 'api.example.com'.");
	check_host("10.0.0.0/8", NULL, "host \"10.0.0.0/8\" is a range of addresses",
			   "Give it as addresses: host => '*', addresses => '{10.0.0.0/8}'.");
	check_host("fd00::/8", NULL, "host \"fd00::/8\" is a range of addresses", NULL);
	check_host("me@example.com", NULL, "host \"me@example.com\" has a user name",
			   "Give the host alone: host => 'example.com'.");
	check_host("example.com:8080", NULL, "host \"example.com:8080\" has a port",
			   "Give the port by itself: host => 'example.com', port => 8080.");
	check_host("[::1]:80", NULL, "host \"[::1]:80\" has a port", "Give the port by itself: host => '[::1]', port => 80.");
	check_host("b\xc3\xbc" "cher.example", NULL, "host \"b\xc3\xbc" "cher.example\" has characters outside of ASCII", NULL);
	check_host("api-*.example.com", NULL, "host \"api-*.example.com\" has an asterisk in the wrong place", NULL);
	check_host("*.*.com", NULL, "host \"*.*.com\" has an asterisk in the wrong place", NULL);
	check_host("**", NULL, "host \"**\" has an asterisk in the wrong place", NULL);
	check_host("*.", NULL, "\"*.\" is not the name or address of a host", NULL);
	check_host("*.0.0.1", NULL, "\"*.0.0.1\" is not the name or address of a host", NULL);
	check_host(".example.com", NULL, "host \".example.com\" begins with a dot",
			   "For the hosts below write \"*.example.com\", for the host itself \"example.com\".");
	check_host("a b", NULL, "\"a b\" is not the name or address of a host", NULL);
	check_host("a..b", NULL, "\"a..b\" is not the name or address of a host", NULL);
	check_host(long_label + 1, long_label + 1, NULL, NULL);
	check_host(long_label, NULL, psprintf("\"%s\" is not the name or address of a host", long_label), NULL);
	check_host("1::2::3", NULL, "host \"1::2::3\" has a port", NULL);
	check_host("::zz", NULL, "\"::zz\" is not the name or address of a host", NULL);
}

static void
check_range(const char *text, int bits, bool v6, const char *problem, const char *remedy)
{
	JoEgressRange range;
	char	   *error = NULL;
	char	   *hint = NULL;
	bool		good = jo_egress_parse_range(text, &range, &error, &hint);

	CHECK_TEXT(good ? NULL : error, problem);
	if (good)
	{
		CHECK_INT(range.bits, bits);
		CHECK_INT(range.v6, v6);
	}
	else if (remedy != NULL)
		CHECK_TEXT(hint, remedy);
}

static void
test_range_texts(void)
{
	check_range("10.0.0.0/8", 8, false, NULL, NULL);
	check_range("10.0.0.1", 32, false, NULL, NULL);
	check_range("0.0.0.0/0", 0, false, NULL, NULL);
	check_range("::/0", 0, true, NULL, NULL);
	check_range("fd00:1::/33", 33, true, NULL, NULL);
	check_range("::1", 128, true, NULL, NULL);
	check_range("::ffff:10.0.0.0/104", 8, false, NULL, NULL);
	check_range("10.0.0.1/8", 0, false, "range \"10.0.0.1/8\" has bits set behind its prefix",
				"Write \"10.0.0.0/8\" for the range, or \"10.0.0.1\" for the one address.");
	check_range("fd00::1/64", 0, false, "range \"fd00::1/64\" has bits set behind its prefix", NULL);
	check_range("10.0.0.0/33", 0, false, "the length of the prefix in \"10.0.0.0/33\" is not valid",
				"Behind the slash goes a number from 0 to 32.");
	check_range("fd00::/129", 0, false, "the length of the prefix in \"fd00::/129\" is not valid", NULL);
	check_range("10.0.0.0/", 0, false, "the length of the prefix in \"10.0.0.0/\" is not valid", NULL);
	check_range("10.0.0.0/-1", 0, false, "the length of the prefix in \"10.0.0.0/-1\" is not valid", NULL);
	check_range("10.0.0.0/99999999999", 0, false, "the length of the prefix in \"10.0.0.0/99999999999\" is not valid", NULL);
	check_range("0x7f.1", 0, false, "\"0x7f.1\" is not an address or a range of addresses", NULL);
	check_range("010.0.0.0/8", 0, false, "\"010.0.0.0/8\" is not an address or a range of addresses", NULL);
	check_range("example.com", 0, false, "\"example.com\" is not an address or a range of addresses", NULL);
	check_range("", 0, false, "\"\" is not an address or a range of addresses", NULL);
}

static void
check_rate(const char *text, double wanted)
{
	double		rate = 0;
	char	   *error;
	char	   *hint;
	bool		good = jo_egress_parse_rate(text, &rate, &error, &hint);

	unit_check(good == (wanted > 0) && rate == wanted, __FILE__, __LINE__, "rate %s: %g", text, rate);
	CHECK(good || (error != NULL && hint != NULL));
}

static void
test_rate_texts(void)
{
	check_rate("100/s", 100);
	check_rate("60/min", 1);
	check_rate("7200/hour", 2);
	check_rate("1000000/S", 1000000);
	check_rate("86400/d", 1);
	check_rate("", 0);
	check_rate("100", 0);
	check_rate("/s", 0);
	check_rate("0/s", 0);
	check_rate("-1/s", 0);
	check_rate("1.5/s", 0);
	check_rate("1000001/s", 0);
	check_rate("99999999999999999999/s", 0);
	check_rate("10 /s", 0);
	check_rate("10/", 0);
	check_rate("10/week", 0);
}

void
test_egress(void)
{
	test_public();
	test_other_families();
	check_cases(names, lengthof(names));
	check_cases(addresses, lengthof(addresses));
	test_data_port();
	test_insecure();
	test_schemes();
	test_host_texts();
	test_range_texts();
	test_rate_texts();
}
