/*
 * session.h
 *		What a step leaves behind in its session, put back as it was.
 */
#ifndef JO_SESSION_H
#define JO_SESSION_H

#include "postgres.h"

/* Once, after connecting: what the executor itself sets, so that RESET keeps it. */
extern void jo_session_prepare(void);

/*
 * Settings, role, temporary objects, prepared statements, cursors, advisory
 * locks, sequence caches.  No transaction may be open; uses one if there is
 * something to drop.  Raises only when dropping fails (the process must then leave).
 */
extern void jo_session_reset(void);

#endif
