/*
 * egress.h
 *		Which host, port and address a role may reach.  A leaf.
 *
 * Deny by default: an allow rule must match, and no deny rule.  Addresses that are
 * not public (private, loopback, link-local, multicast, metadata, and all their
 * disguises in IPv6) need a rule that names them, by its addresses or by a host that is
 * that address itself.
 */
#ifndef JO_EGRESS_H
#define JO_EGRESS_H

#include "leaf.h"

#define JO_SCHEME_HTTP		0x01
#define JO_SCHEME_HTTPS		0x02
#define JO_SCHEME_FTP		0x04
#define JO_SCHEME_FTPS		0x08
#define JO_SCHEME_SFTP		0x10
#define JO_SCHEME_SMTP		0x20
#define JO_SCHEME_SMTPS		0x40
#define JO_SCHEME_FILE		0x80	/* never by egress: joborch.file_root */

struct sockaddr;

/* An address range; v4 is kept as v4. */
typedef struct JoEgressRange
{
	unsigned char address[16];
	uint8		bits;			/* of the prefix */
	bool		v6;
} JoEgressRange;

typedef struct JoEgressRule
{
	int64		rule_id;
	bool		deny;
	char	   *host;			/* lower case; "api.example.com", "*.example.com" (not example.com itself), "*"; or an address */
	unsigned	schemes;		/* 0: all of the network */
	int			port_low;		/* 0: the scheme's own; deny: all */
	int			port_high;
	int			nranges;
	JoEgressRange *ranges;		/* the only addresses that may be reached; none: all public ones.  deny: those that may not */
	bool		insecure;		/* TLS without a check of the certificate is allowed */
	int			max_concurrent; /* per rule and role; 0: no limit */
	double		rate;			/* per second; 0: no limit */
} JoEgressRule;

/* The rules of one role (its own and those of the roles it belongs to). */
typedef struct JoEgressView
{
	int			nrules;
	const JoEgressRule **rules;
	int			own_port;		/* the server's own: refused on loopback unless a rule names the port */
} JoEgressView;

typedef enum JoEgressVerdict
{
	JO_EGRESS_ALLOWED,
	JO_EGRESS_NO_RULE,
	JO_EGRESS_DENIED,			/* by a deny rule */
	JO_EGRESS_ADDRESS			/* the address is not public, and no rule names it */
} JoEgressVerdict;

/*
 * By name, before anything is resolved; *rule gets the one that decided, or NULL.  host is
 * as it goes to the DNS: of other than ASCII, in its xn-- form.
 */
extern JoEgressVerdict jo_egress_check_host(const JoEgressView *view, unsigned scheme, const char *host,
											int port, const JoEgressRule **rule);

/*
 * By the address that is about to be connected, for that host.  port is that of the URL; the
 * one in address may be another (FTP's data).  Allocates nothing and never raises: called
 * inside of libcurl's callbacks.
 */
extern JoEgressVerdict jo_egress_check_address(const JoEgressView *view, unsigned scheme, const char *host,
											   int port, const struct sockaddr *address);

/* Is it an address of the public internet?  Allocates nothing. */
extern bool jo_egress_is_public(const struct sockaddr *address);

/* May the certificate of this host go unchecked? */
extern bool jo_egress_allows_insecure(const JoEgressView *view, unsigned scheme, const char *host, int port);

/* For rules: false and *error, *hint when the text is wrong. */
extern bool jo_egress_parse_host(const char *text, char **host, char **error, char **hint);
extern bool jo_egress_parse_range(const char *text, JoEgressRange *range, char **error, char **hint);

/* "100/s", "100/min", "5/hour" as a number per second. */
extern bool jo_egress_parse_rate(const char *text, double *rate, char **error, char **hint);

/* JO_SCHEME_..., 0: not one of ours; *port its usual one. */
extern unsigned jo_egress_scheme(const char *word, int *port);

#endif
