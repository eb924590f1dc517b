/*
 * controls.h
 *		Requests of others, as the dispatcher carries them out.
 */
#ifndef JO_CONTROLS_H
#define JO_CONTROLS_H

#include "shmem.h"

/* Was anything announced?  (run 0: look whether the extension is still there) */
extern bool jo_controls_pending(const JoDatabase *database);

/* Carries out what was announced; no transaction may be open. */
extern void jo_controls_serve(JoDatabase *database);

/*
 * Brings memory up to the rows of one run: loads it, or takes over what changed.
 * Needs a transaction.
 */
extern void jo_controls_look_at(JoDatabase *database, int64 run_id);

#endif
