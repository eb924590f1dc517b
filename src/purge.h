/*
 * purge.h
 *		Forgets a database: its extension was dropped, or the database itself.
 */
#ifndef JO_PURGE_H
#define JO_PURGE_H

#include "shmem.h"

/*
 * Asks the executors of a database to leave and, once none is left, removes all
 * that memory has of its runs.  False: a process or an open transaction still
 * has something; call again.  Takes no transaction's time: rows are not looked at.
 * Caller holds jo_shared->lock exclusively; nothing raises.
 */
extern bool jo_purge_database(JoDatabase *database);

#endif
