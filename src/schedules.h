/*
 * schedules.h
 *		Schedules that are due. Dispatcher only; no transaction may be open.
 */
#ifndef JO_SCHEDULES_H
#define JO_SCHEDULES_H

#include "shmem.h"

/* Also fires for the start of the server, once. */
extern void jo_schedules_begin(JoDatabase *database);

/* Fires what is due by now. */
extern void jo_schedules_fire(JoDatabase *database, TimestampTz now);

/* Looks at all of them again: what COMMIT PREPARED committed is announced by nobody. */
extern void jo_schedules_changed(JoDatabase *database);

/* When there is something to do next; 0: nothing. */
extern TimestampTz jo_schedules_next(const JoDatabase *database);

#endif
