/*
 * zone.h
 *		Time zones by name, from the server's own data: local time of an
 *		instant, instants of a local time.
 *
 * Offsets are seconds east of Greenwich.  Beside TimestampTz there are seconds from
 * 2000-01-01 00:00:00: of the instant (UTC), or of the local clock (as jo_civil_seconds()
 * counts).  Only jo_zone_find() raises; nothing takes a lock or needs a transaction.
 */
#ifndef JO_ZONE_H
#define JO_ZONE_H

#include "postgres.h"

#include "civil.h"
#include "datatype/timestamp.h"

/* Kept for the life of the process; what the server learned of it is not read again. */
typedef struct JoZone JoZone;

/* While the offset is the same: from <= second < until.  It may have been so before from too. */
typedef struct JoZoneSpan
{
	int64		from;
	int64		until;			/* PG_INT64_MAX: for good */
	int			offset;
} JoZoneSpan;

/* No zone is farther from Greenwich than this, in seconds. */
#define JO_ZONE_MAX_OFFSET (16 * 3600)

/*
 * A zone by its name, in upper or lower case.  Names of places, "UTC", "Etc/GMT+3", and
 * POSIX texts that have a name for summer ("EST5EDT"); not plain offsets, for
 * "UTC+3" would be read as three hours behind UTC.  jo_zone_find() raises
 * ERRCODE_INVALID_PARAMETER_VALUE; jo_zone_look_up() returns NULL and two texts for a
 * message and its HINT, in the current context.
 */
extern const JoZone *jo_zone_find(const char *name);
extern const JoZone *jo_zone_look_up(const char *name, char **error, char **hint);

/* As the server spells it. */
extern const char *jo_zone_name(const JoZone *zone);

/* The local time of an instant; parts of a second are cut off.  Not for infinite ones. */
extern void jo_zone_local(const JoZone *zone, TimestampTz at, JoCivil *local);

/*
 * When a local clock shows a time: how often, 0 to 2, and when, in order.  0: the time is in a
 * gap, which ends at *gap_end; else *gap_end is not set.
 */
extern int	jo_zone_instants(const JoZone *zone, const JoCivil *local, TimestampTz at[2], TimestampTz *gap_end);

/*
 * The first instant at which a local clock shows a time or a later one: the first of two, the
 * end of a gap.  Never falls when the local time grows.
 */
extern TimestampTz jo_zone_first_instant(const JoZone *zone, const JoCivil *local);

/* The next change of the offset after an instant; false: none.  The last two may be NULL. */
extern bool jo_zone_next_change(const JoZone *zone, TimestampTz after, TimestampTz *at, int *before, int *then);

/* The same in seconds from 2000-01-01. */
extern void jo_zone_span(const JoZone *zone, int64 second, JoZoneSpan *span);
extern int64 jo_zone_first_second(const JoZone *zone, int64 local);

#endif
