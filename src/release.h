/*
 * release.h
 *		Leaving a database alone while a statement needs it for itself.
 */
#ifndef JO_RELEASE_H
#define JO_RELEASE_H

#include "postgres.h"

/*
 * Makes all joborch processes leave the database and keeps them out until the
 * end of the transaction.  Returns when they are gone or after a few seconds, so
 * that the statement itself says what is still in its way.  Processes interrupts.
 */
extern void jo_release_database(Oid dboid);

#endif
