/*
 * refill.h
 *		Brings due runs into memory: cursors, late ranges, the slow sweep.
 *
 * Dispatcher only; no transaction may be open.
 */
#ifndef JO_REFILL_H
#define JO_REFILL_H

#include "shmem.h"

/* At the dispatcher's start. */
extern void jo_refill_begin(JoDatabase *database);

/* Reads as much as the lists want; true if there is more to read at once. */
extern bool jo_refill(JoDatabase *database, TimestampTz now);

/* When a run that is not due yet will be; 0: none known. */
extern TimestampTz jo_refill_next(const JoDatabase *database);

/* After an error: what memory knows may be less than the rows; sweep. */
extern void jo_refill_distrust(JoDatabase *database);

#endif
