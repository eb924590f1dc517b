/*
 * careful.h
 *		What survives a crash of the server: whose copy this is, who was running.
 *
 * Dispatcher only; each function opens and commits its own transaction.
 */
#ifndef JO_CAREFUL_H
#define JO_CAREFUL_H

#include "shmem.h"

/*
 * First look at a database after its dispatcher starts.  False: the rows are a
 * copy's, nothing may run.  After a crash: blames the steps that were in flight,
 * fails those that were too often, and turns careful mode on.
 */
extern bool jo_careful_begin(JoDatabase *database);

/* The dispatcher leaves in good order: steps in flight are not to blame. */
extern void jo_careful_end(void);

/* Marks steps that run longer than joborch.mark_running_after, and their runs as begun. */
extern void jo_careful_mark_long(JoDatabase *database, TimestampTz now);

/* When the next one will be due for that; 0: none runs. */
extern TimestampTz jo_careful_next(const JoDatabase *database);

/* Ends careful mode when its time is over. */
extern void jo_careful_expire(JoDatabase *database, TimestampTz now);

#endif
