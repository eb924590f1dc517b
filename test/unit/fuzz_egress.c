/*
 * fuzz_egress.c
 *		Any bytes as the host of a URL, the host of a rule, a range, a rate.
 */
#include "egress.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever host this is: a rule for all hosts must not open what the resolver reads as a closed address. */
static void
check_as_host(const char *host)
{
	JoEgressRule rule = {.rule_id = 1, .host = "*", .port_low = 1, .port_high = 65535};
	const JoEgressRule *rules[] = {&rule};
	JoEgressView view = {1, rules, 5432};
	const JoEgressRule *decided;
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	JoEgressVerdict verdict = jo_egress_check_host(&view, JO_SCHEME_HTTP, host, 80, &decided);

	assert((verdict == JO_EGRESS_NO_RULE) == (decided == NULL));
	if (getaddrinfo(host, NULL, &hints, &found) != 0)
		return;
	if (!jo_egress_is_public(found->ai_addr))
	{
		assert(verdict != JO_EGRESS_ALLOWED);
		assert(jo_egress_check_address(&view, JO_SCHEME_HTTP, host, 80, found->ai_addr) != JO_EGRESS_ALLOWED);
	}
	freeaddrinfo(found);
}

static void
check_as_rule(const char *text)
{
	char	   *host;
	char	   *again;
	char	   *error;
	char	   *hint;

	if (!jo_egress_parse_host(text, &host, &error, &hint))
	{
		assert(error != NULL && hint != NULL);
		return;
	}
	assert(jo_egress_parse_host(host, &again, &error, &hint) && strcmp(host, again) == 0);
	if (host[0] != '*')
	{
		JoEgressRule rule = {.rule_id = 1, .host = host};
		const JoEgressRule *rules[] = {&rule};
		JoEgressView view = {1, rules, 5432};
		const JoEgressRule *decided;

		assert(jo_egress_check_host(&view, JO_SCHEME_HTTP, text, 80, &decided) == JO_EGRESS_ALLOWED);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char	   *text = malloc(size + 1);
	JoEgressRange range;
	double		rate;
	char	   *error;
	char	   *hint;

	memcpy(text, data, size);
	text[size] = '\0';
	check_as_host(text);
	check_as_rule(text);
	if (jo_egress_parse_range(text, &range, &error, &hint))
		assert(range.bits <= (range.v6 ? 128 : 32));
	if (jo_egress_parse_rate(text, &rate, &error, &hint))
		assert(rate > 0 && rate <= 1e6);
	free(text);
	shim_reset();
	return 0;
}
