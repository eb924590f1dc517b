/*
 * timespec.h
 *		When a schedule fires: its spec, read once, and the next time of it.
 *
 * A spec is jsonb, as schedule.spec keeps it:
 *
 *	{"specs": [{"cron": "30 9 * * 1-5"},
 *			   {"every": "15 minutes", "anchor": "start", "from": "2027-01-01T09:00"},
 *			   {"at": ["2027-01-01T09:00", "2027-02-01T09:00+02:00"]},
 *			   {"rrule": "FREQ=MONTHLY;BYDAY=-1FR", "dtstart": "2027-01-01T17:00",
 *				"exdate": [...], "rdate": [...]}],
 *	 "exclude": [{"cron": "* * 25 12 *"}, {"rrule": "FREQ=YEARLY;BYMONTH=5;BYMONTHDAY=1"},
 *				 {"dates": ["2027-12-24", "2027-12-31"]},
 *				 {"from": "2027-07-01", "to": "2027-08-15"}],
 *	 "timezone": "Europe/Berlin", "starts_at": "...", "ends_at": "...", "jitter": "30 seconds"}
 *
 * Times without an offset are local ones of the time zone, which is UTC if none is given.
 * A lone entry of "specs" may stand beside "timezone" directly, an array for several.
 * jo_timespec_canonical() brings it into the form above and writes down what counts from
 * the moment at which the schedule is made, so that what is stored says all.
 *
 * A spec fires at the union of its entries' times that are from starts_at up to ends_at
 * and not excluded.  These are nominal times; jitter comes on top.
 */
#ifndef JO_TIMESPEC_H
#define JO_TIMESPEC_H

#include "postgres.h"

#include "datatype/timestamp.h"
#include "utils/jsonb.h"
#include "zone.h"

typedef struct JoTimeSpec JoTimeSpec;

/*
 * Reads a spec; it is in the current context.  Raises ERRCODE_INVALID_PARAMETER_VALUE naming
 * the field.  Takes no lock, needs no transaction.
 */
extern JoTimeSpec *jo_timespec_parse(Jsonb *spec);

/*
 * The spec as it is to be stored by a schedule that is made at a time: canonical, anchors
 * filled in.  Raises as jo_timespec_parse() does.
 */
extern Jsonb *jo_timespec_canonical(Jsonb *spec, TimestampTz created);

/*
 * The first nominal time strictly after another; DT_NOEND: none.  In bounded time: what is
 * not found within JO_TIMESPEC_YEARS, or after JO_TIMESPEC_STEPS times that were
 * all excluded, is not there.  "every" from finish: after is the end of the last run, and
 * after its first time the result depends on it.  Raises only what
 * interrupts raise.
 */
extern TimestampTz jo_timespec_next(JoTimeSpec *spec, TimestampTz after);

#define JO_TIMESPEC_YEARS 40
#define JO_TIMESPEC_STEPS 100000

/* When it is started: the nominal time and 0 <= jitter, the same for the same two always. */
extern TimestampTz jo_timespec_fire_time(const JoTimeSpec *spec, int64 schedule_id, TimestampTz nominal);

/* "every" with anchor finish: the next time counts from the run's end. */
extern bool jo_timespec_after_finish(const JoTimeSpec *spec);

/* Has it an @reboot?  Times of that are nobody's to compute: the server's start is one. */
extern bool jo_timespec_at_boot(const JoTimeSpec *spec);

extern const JoZone *jo_timespec_zone(const JoTimeSpec *spec);

/* "at 09:30, Monday to Friday (Europe/Berlin), but not ..."; in the current context. */
extern char *jo_timespec_describe(JoTimeSpec *spec);

#endif
