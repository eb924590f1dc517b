/*
 * egressparts.h
 *		What egress.c and egresstext.c share, and nobody else includes.
 */
#ifndef JO_EGRESSPARTS_H
#define JO_EGRESSPARTS_H

#include "egress.h"

#define JO_EGRESS_LONGEST_HOST 253

/* An IPv6 address that only stands for an IPv4 one (::ffff:0:0/96) is kept as that. */
typedef struct JoEgressAddress
{
	unsigned char bytes[16];
	bool		v6;
} JoEgressAddress;

typedef struct JoEgressHost
{
	char		name[JO_EGRESS_LONGEST_HOST + 1];	/* lower case, without a dot at the end; of an address its
													 * usual spelling */
	bool		is_address;
	JoEgressAddress address;
} JoEgressHost;

/* A name or an address, in brackets or not; false when it is neither.  Allocates nothing. */
extern bool jo_egress_read_host(const char *text, JoEgressHost *host);

#endif
