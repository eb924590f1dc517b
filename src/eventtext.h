/*
 * eventtext.h
 *		What listeners read of an event.
 */
#ifndef JO_EVENTTEXT_H
#define JO_EVENTTEXT_H

#include "lib/stringinfo.h"
#include "shmem.h"

/*
 * Appends {"id","type","run_id","job","step","item","status","attempt",
 * "progress","at"}: ids, names and states, never user data, since any role of
 * the database can LISTEN.  Needs a transaction; names that cannot be found are
 * null.  May raise.
 */
extern void jo_event_append_json(StringInfo out, const JoEvent *event);

#endif
