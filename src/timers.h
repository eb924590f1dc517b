/*
 * timers.h
 *		What must happen at a time. Dispatcher only; no transaction may be open.
 */
#ifndef JO_TIMERS_H
#define JO_TIMERS_H

#include "shmem.h"

extern void jo_timers_begin(JoDatabase *database);

/* Fires what is due by now. */
extern void jo_timers_fire(JoDatabase *database, TimestampTz now);

/* Looks at all of them again. */
extern void jo_timers_changed(JoDatabase *database);

/* The same, if it is some time since. */
extern void jo_timers_recheck(JoDatabase *database);

/* When the next is due; 0: none. */
extern TimestampTz jo_timers_next(const JoDatabase *database);

#endif
