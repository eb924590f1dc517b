/*
 * zonewalk.h
 *		From a series of local times to instants: what happens where clocks are changed.
 *
 * Two rules, for whatever gives the local times.
 *
 * Fixed times fire at the first instant at which a local clock shows the time or a later one:
 * at the end of a gap, and the first time only when a time comes twice.  Times that
 * fall together so are one.
 *
 * Times of every hour follow real time: each instant at which a local clock shows one
 * of them, so in both of two equal hours, and a gap of whole hours takes nothing away.
 * A gap that is no whole hour (Lord Howe) would take away the turn of an hour that is
 * half there: that one comes at the gap's end.
 */
#ifndef JO_ZONEWALK_H
#define JO_ZONEWALK_H

#include "zone.h"

/* The first local second after one, as jo_civil_seconds() counts; false: none. */
typedef bool (*JoLocalNext) (const void *series, int64 after, int64 *next);

/*
 * The first instant strictly after another; DT_NOEND: none.  Each result given back as after
 * leads to a later one; from any two instants the same times are found.
 */
extern TimestampTz jo_zone_next_fixed(const JoZone *zone, JoLocalNext next, const void *series, TimestampTz after);
extern TimestampTz jo_zone_next_real(const JoZone *zone, JoLocalNext next, const void *series, TimestampTz after);

#endif
