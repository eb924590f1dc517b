/*
 * worker.h
 *		What all joborch processes have in common: register, start, wait, leave.
 */
#ifndef JO_WORKER_H
#define JO_WORKER_H

#include "postgres.h"
#include "postmaster/bgworker.h"

typedef enum JoProcess
{
	JO_PROCESS_LAUNCHER,
	JO_PROCESS_DISPATCHER,		/* argument: index in jo_shared->databases */
	JO_PROCESS_EXECUTOR,		/* argument: index in jo_shared->slots */
	JO_PROCESS_PUBLISHER,		/* argument: index in jo_shared->databases */
	JO_PROCESS_COURIER			/* argument: index in jo_shared->databases */
} JoProcess;

/* The launcher, from _PG_init while preloading. */
extern void jo_worker_register_launcher(void);

/*
 * Starts a process.  False when the server has no free worker slot.  *handle is
 * allocated in TopMemoryContext.  The starter is told by SIGUSR1 of its state.
 */
extern bool jo_worker_start(JoProcess process, int argument, Oid dboid, Oid role,
							BackgroundWorkerHandle **handle);

/* First call of a process: handlers, then unblock signals. */
extern void jo_worker_init(JoProcess process);

/* The database that jo_worker_start() was asked for: what a process
 * compares with shared memory, which may have been given to another meanwhile. */
extern Oid	jo_worker_database(void);

/*
 * Connects; role InvalidOid is the bootstrap superuser, dboid InvalidOid shared
 * catalogs only.  A superuser process ignores what ALTER DATABASE .. SET and
 * ALTER ROLE .. SET say about search_path, time-outs and transactions.
 */
extern void jo_worker_connect(Oid dboid, Oid role);

/*
 * Waits for the latch at most timeout ms (-1: for ever), then resets it, reads
 * the configuration if asked and runs CHECK_FOR_INTERRUPTS: so SIGTERM leaves by
 * FATAL from here.  No transaction may be open.  Returns true on the latch.
 */
extern bool jo_worker_wait(long timeout);

/* What pg_stat_activity shows; text is copied.  NULL: idle. */
extern void jo_worker_activity(const char *text);

extern PGDLLEXPORT void joborch_launcher_main(Datum argument);
extern PGDLLEXPORT void joborch_dispatcher_main(Datum argument);
extern PGDLLEXPORT void joborch_executor_main(Datum argument);
extern PGDLLEXPORT void joborch_publisher_main(Datum argument);
extern PGDLLEXPORT void joborch_courier_main(Datum argument);

#endif
