/*
 * cronzone.h
 *		Cron expressions in a time zone: what happens where clocks are changed.
 *
 * An expression with all 24 hours follows real time, any other one has fixed times:
 * the two rules of zonewalk.h.
 */
#ifndef JO_CRONZONE_H
#define JO_CRONZONE_H

#include "cron.h"
#include "zone.h"

/*
 * The first instant strictly after another; DT_NOEND: none (@reboot, the end of the calendar).
 * "N seconds" are those of UTC from 2000-01-01, whatever the zone.  Each result given
 * back as after leads to a later one; from any two instants the same times are
 * found.  In bounded time.  after may be infinite.
 */
extern TimestampTz jo_cron_next_in_zone(const JoCron *cron, const JoZone *zone, TimestampTz after);

#endif
