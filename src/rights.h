/*
 * rights.h
 *		The one helper that raises rights, and questions about who may do what.
 */
#ifndef JO_RIGHTS_H
#define JO_RIGHTS_H

#include "postgres.h"

typedef struct JoRights
{
	Oid			user;
	int			context;
	int			nest_level;
} JoRights;

/*
 * From here to jo_rights_restore() the session is the extension's owner with
 * search_path pg_catalog, pg_temp: only for static, fully qualified statements.
 * On an error the transaction's abort restores both.
 */
extern void jo_rights_raise(JoRights *saved);
extern void jo_rights_restore(const JoRights *saved);

/*
 * From here to jo_rights_restore() the session is that role, working for that tenant, and
 * what it calls is called by it: for starting what the role has asked for before, by static
 * code only.  The caller answers for that it did ask.  Raises when the role is gone.
 */
extern void jo_rights_act_as(Oid role, const char *tenant, JoRights *saved);

/* Who called: the user before the outermost raise, or the role that is acted for. */
extern Oid	jo_rights_caller(void);

/* May the caller see, start and control what this role owns?  (membership, or a joborch_ role) */
extern bool jo_rights_may_see(Oid owner, const char *tenant);
extern bool jo_rights_may_start(Oid owner, int64 job_id, const char *tenant);
extern bool jo_rights_may_control(Oid owner, const char *tenant);

/*
 * Why a role cannot carry out steps now: NULL if it can.  Looks at existence,
 * name, LOGIN, expiry, CONNECT on this database, allow_superuser_jobs.  *hint is
 * what to type.  Needs a transaction.
 */
extern char *jo_rights_cannot_run(Oid role, const char *name, char **hint);

/* May what this role wrote run as the other one?  Asked when a run starts and again at each step. */
extern bool jo_rights_may_run_as(Oid author, Oid role);

#endif
