/*
 * clock.h
 *		The only clock of joborch; test builds can move it.
 */
#ifndef JO_CLOCK_H
#define JO_CLOCK_H

#include "postgres.h"
#include "datatype/timestamp.h"

/* Now, not the transaction's start. Raises nothing, takes no lock. */
extern TimestampTz jo_clock_now(void);

/*
 * Holds the clock of this process at a time; 0: lets it go.  For runs that are tried
 * out inside of one transaction.  Whoever holds it lets it go, also on an error.
 */
extern void jo_clock_hold(TimestampTz at);

/* Milliseconds from now to a time, 0 if past, at most limit; for latch time-outs. */
extern long jo_clock_ms_until(TimestampTz when, long limit);

/*
 * For a message that would repeat: true at most once a minute for its cause, whose
 * last time the caller keeps in *last (0: never).
 */
extern bool jo_clock_may_log(TimestampTz *last, TimestampTz now);

#endif
