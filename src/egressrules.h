/*
 * egressrules.h
 *		What a role may reach, from the rows of egress_rule; and what was refused.
 *
 * What is refused is raised with ERRCODE_JO_EGRESS and a HINT that says what an
 * administrator has to type, and is kept until jo_egress_take_refusal(): the raise
 * ends the transaction, so the row about it is for the next one.  Everything but taking needs a
 * transaction, with an error's usual consequences.
 */
#ifndef JO_EGRESSRULES_H
#define JO_EGRESSRULES_H

#include "postgres.h"
#include "egress.h"

/*
 * The rules of the role.  Raises when it lacks the network grant.  The view stays as
 * it is, whatever happens to the rules, until holder is reset or deleted.
 */
extern const JoEgressView *jo_egress_view_for(Oid role, MemoryContext holder);

/*
 * The rule by which the role may reach this host (its limits apply); raises when there is
 * none.  scheme is one of JO_SCHEME_...; the rule stays as long as the view.
 */
extern const JoEgressRule *jo_egress_require(const JoEgressView *view, Oid role, unsigned scheme,
											 const char *host, int port);

/* Raises unless the certificate of this host may go unchecked. */
extern void jo_egress_require_insecure(const JoEgressView *view, Oid role, unsigned scheme,
									   const char *host, int port);

/*
 * Raises what was refused later, at a redirect or for an address (NULL: not known): verdict
 * is not JO_EGRESS_ALLOWED.
 */
extern void jo_egress_refuse(JoEgressVerdict verdict, Oid role, unsigned scheme, const char *host,
							 int port, const char *address) pg_attribute_noreturn();

/* What was refused, for its row. */
typedef struct JoEgressRefusal
{
	Oid			role;
	char		role_name[NAMEDATALEN];
	char		scheme[8];
	char		host[256];
	int			port;
	char		address[64];	/* empty: not known */
	char		why[16];		/* grant, no rule, denied, address, insecure */
} JoEgressRefusal;

/*
 * The one that was raised last, once: to be asked where ERRCODE_JO_EGRESS is caught.
 * Never raises.  False: that error was not raised here.
 */
extern bool jo_egress_take_refusal(JoEgressRefusal *refusal);

/*
 * Its row, in the open transaction, and a line in the log, of each cause one a minute.  A
 * secret in host is the caller's to mask.
 */
extern void jo_egress_record_refusal(const JoEgressRefusal *refusal, int64 run_id, const char *step_name, int32 item);

#endif
