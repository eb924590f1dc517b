/*
 * finish.h
 *		What only the dispatcher can write: ends of runs, failures of lost steps.
 *
 * Called with no transaction open; each opens and commits its own.
 */
#ifndef JO_FINISH_H
#define JO_FINISH_H

#include "shmem.h"
#include "store.h"

/*
 * What is written as the end of a run that is done: its status, numbers, output or
 * error.  Needs a transaction; the run may be in memory of the caller's own.
 */
extern void jo_finish_describe(const JoActiveRun *run, JoEndRow *row);

/*
 * Looks at every run in the database's todo list: writes the ends of those that
 * are done, re-reads those that must be.  True: some could not be ended yet
 * (their row is locked by somebody); look again soon.
 */
extern bool jo_finish_todo(JoDatabase *database);

/* Executors that died: applies what they left, records what they could not. */
extern void jo_finish_dead(JoDatabase *database);

/* The ready steps of a class whose role cannot run fail, with the reason. */
extern void jo_finish_refused(JoDatabase *database, JoClass *class, Oid role,
							  const char *reason, const char *hint);

/*
 * After the death or an error of a dispatcher: what it had in hand is free again,
 * and every run of the database in memory will be compared with its rows.
 */
extern void jo_finish_abandoned(JoDatabase *database);

#endif
