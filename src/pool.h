/*
 * pool.h
 *		How many executors there are, and for whom.
 *
 * Dispatcher only; no transaction may be open.
 */
#ifndef JO_POOL_H
#define JO_POOL_H

#include "shmem.h"

#define JO_POOL_GROW_MS 10		/* between two looks while steps wait for executors */

/*
 * Starts executors for classes whose steps wait.  True while steps wait and a
 * further look may help.
 */
extern bool jo_pool_grow(JoDatabase *database, TimestampTz now);

/* Executors that were to start and never came count as dead. */
extern void jo_pool_bury(JoDatabase *database, TimestampTz now);

/* When a class that had to wait may be tried again; 0: none. */
extern TimestampTz jo_pool_next(const JoDatabase *database);

#endif
