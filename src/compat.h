/*
 * compat.h
 *		What differs between PostgreSQL 15, 16 and 17: the only file that asks
 *		for the server's version.
 */
#ifndef JO_COMPAT_H
#define JO_COMPAT_H

#include "postgres.h"
#include "catalog/pg_database.h"
#include "utils/acl.h"

#if PG_VERSION_NUM < 150000
#error "joborch needs PostgreSQL 15 or newer"
#endif

/* Before 16 its macros are in postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* Is the role the owner of the database (or a superuser)? */
#if PG_VERSION_NUM >= 160000
#define jo_compat_owns_database(dboid, role) \
	object_ownercheck(DatabaseRelationId, (dboid), (role))
#define jo_compat_database_aclcheck(dboid, role, mode) \
	object_aclcheck(DatabaseRelationId, (dboid), (role), (mode))
#else
#define jo_compat_owns_database(dboid, role) pg_database_ownercheck((dboid), (role))
#define jo_compat_database_aclcheck(dboid, role, mode) \
	pg_database_aclcheck((dboid), (role), (mode))
#endif

/* Left behind by an interrupted DROP DATABASE; minor releases before 15.4 do not know it. */
#ifdef DATCONNLIMIT_INVALID_DB
#define jo_compat_database_is_invalid(form) ((form)->datconnlimit == DATCONNLIMIT_INVALID_DB)
#else
#define jo_compat_database_is_invalid(form) false
#endif

/* Settings of newer servers that a process which works for all must not inherit. */
#if PG_VERSION_NUM >= 170000
#define JO_COMPAT_PINNED_SETTINGS {"transaction_timeout", "0"},
#else
#define JO_COMPAT_PINNED_SETTINGS
#endif

/* 16 tells which indexes need new entries: what we update is in no index. */
#if PG_VERSION_NUM >= 160000
#define jo_compat_heap_update(relation, tid, tuple, cid, crosscheck, wait, failure, lockmode) \
	heap_update((relation), (tid), (tuple), (cid), (crosscheck), (wait), (failure), (lockmode), \
				&(TU_UpdateIndexes) {TU_None})
#else
#define jo_compat_heap_update heap_update
#endif

/* 17 keeps state between insertions into an index, buffer pins of BRIN among it. */
#if PG_VERSION_NUM >= 170000
#define jo_compat_index_insert_cleanup(index, info) index_insert_cleanup((index), (info))
#else
#define jo_compat_index_insert_cleanup(index, info) ((void) 0)
#endif

/* One for the life of the process. */
#if PG_VERSION_NUM >= 170000
#define jo_compat_create_wait_event_set(nevents) CreateWaitEventSet(NULL, (nevents))
#else
#define jo_compat_create_wait_event_set(nevents) CreateWaitEventSet(TopMemoryContext, (nevents))
#endif

/*
 * Is the client still there?  From libpq/libpq.h, which wants the headers of GSSAPI, which
 * need not be installed.
 */
extern bool pq_check_connection(void);

#endif
