/*
 * egresstest.c
 *		Egress rules as the courier asks for them, from SQL: only in test builds.
 *
 * One view may be held from call to call, as a transfer holds one.
 */
#ifdef JOBORCH_TEST

#include "joborch.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "egressrules.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(joborch_debug_egress);
PG_FUNCTION_INFO_V1(joborch_debug_egress_hold);
PG_FUNCTION_INFO_V1(joborch_debug_egress_record);

static MemoryContext holder;
static const JoEgressView *held;

/* debug_egress(role oid, scheme text, host text, port integer, address text, insecure boolean, held boolean) */
Datum
joborch_debug_egress(PG_FUNCTION_ARGS)
{
	Oid			role = PG_GETARG_OID(0);
	char	   *host = text_to_cstring(PG_GETARG_TEXT_PP(2));
	int			port;
	unsigned	scheme = jo_egress_scheme(text_to_cstring(PG_GETARG_TEXT_PP(1)), &port);
	const JoEgressView *view = PG_GETARG_BOOL(6) ? held : jo_egress_view_for(role, CurrentMemoryContext);
	const JoEgressRule *rule;

	if (!PG_ARGISNULL(3))
		port = PG_GETARG_INT32(3);
	rule = jo_egress_require(view, role, scheme, host, port);
	if (PG_GETARG_BOOL(5))
		jo_egress_require_insecure(view, role, scheme, host, port);
	if (!PG_ARGISNULL(4))
	{
		char	   *address = text_to_cstring(PG_GETARG_TEXT_PP(4));
		struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
		struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
		bool		is_v6 = inet_pton(AF_INET, address, &v4.sin_addr) != 1;
		JoEgressVerdict verdict;

		if (is_v6)
			(void) inet_pton(AF_INET6, address, &v6.sin6_addr);
		verdict = jo_egress_check_address(view, scheme, host, port,
										  is_v6 ? (struct sockaddr *) &v6 : (struct sockaddr *) &v4);
		/* as one who knows no more than that it was refused */
		if (verdict != JO_EGRESS_ALLOWED)
			jo_egress_refuse(JO_EGRESS_ADDRESS, role, scheme, host, port, address);
	}
	PG_RETURN_INT64(rule->rule_id);
}

/* debug_egress_hold(role oid): holds the view that the role has now, and lets go of the one before; NULL: of that only. */
Datum
joborch_debug_egress_hold(PG_FUNCTION_ARGS)
{
	if (holder != NULL)
		MemoryContextDelete(holder);
	holder = NULL;
	held = NULL;
	if (!PG_ARGISNULL(0))
	{
		MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "joborch egress test", ALLOCSET_SMALL_SIZES);

		held = jo_egress_view_for(PG_GETARG_OID(0), context);
		MemoryContextSetParent(context, TopMemoryContext);
		holder = context;
	}
	PG_RETURN_VOID();
}

/* debug_egress_record(run_id bigint, step text, item integer): what was refused last, as a row; false: nothing. */
Datum
joborch_debug_egress_record(PG_FUNCTION_ARGS)
{
	JoEgressRefusal refusal;

	if (!jo_egress_take_refusal(&refusal))
		PG_RETURN_BOOL(false);
	jo_egress_record_refusal(&refusal, PG_GETARG_INT64(0), text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_INT32(2));
	PG_RETURN_BOOL(true);
}

#endif							/* JOBORCH_TEST */
