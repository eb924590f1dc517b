/*
 * cron.h
 *		Cron expressions: what they say, the next time of one, and plain words.
 *
 * A leaf: local times only.  What a time zone makes of them is in cronzone.h.
 *
 * The language is Vixie cron's as pg_cron has it, with more:
 *
 *	minute hour day month weekday			with six fields the first is the second
 *	*  5  1-5  1,15  MON-FRI  JAN  x/3		x: *, a range, or where to begin
 *	?										as *, in the day and weekday fields
 *	L  $  L-3  15W  LW						day: last, 3 days before it, nearest to the
 *											15th from Monday to Friday, last of these
 *	5L  FRI#2								weekday: last Friday, second Friday
 *	@yearly @annually @monthly @weekly @daily @midnight @hourly @reboot @restart
 *	30 seconds								1 to 59
 *
 * Weekdays are 0 to 7, both ends being Sunday.  If both day fields are restricted, a
 * date matches if one of them does: "0 0 13 * FRI" is every 13th and every Friday.  A field
 * that begins with * or ? counts as unrestricted for this, even with a step, and then
 * both must match: with a star and step 2 in place of the 13, it is the Fridays with an odd day.
 */
#ifndef JO_CRON_H
#define JO_CRON_H

#include "civil.h"
#include "leaf.h"

/* A longer text is refused, as pg_cron does. */
#define JO_CRON_MAX_LENGTH 999

/* Every expression that has a next time at all has it within so many years. */
#define JO_CRON_MAX_YEARS 40

#define JO_CRON_ALL_MINUTES ((UINT64CONST(1) << 60) - 1)
#define JO_CRON_ALL_HOURS ((1u << 24) - 1)
#define JO_CRON_ALL_DAYS 0xfffffffeu
#define JO_CRON_ALL_MONTHS 0x1ffeu
#define JO_CRON_ALL_WEEKDAYS 0x7fu

/* Bit n of a set stands for the value n. */
typedef struct JoCron
{
	uint64		seconds;		/* second 0 unless there are six fields */
	uint64		minutes;
	uint32		hours;
	uint32		days;			/* 1-31 */
	uint32		near_days;		/* 15W */
	uint32		from_last;		/* n days before the month's last; 0: L and $ */
	uint32		months;			/* 1-12 */
	uint32		weekdays;		/* 0-6, 0 is Sunday */
	uint32		last_weekdays;	/* 5L */
	uint32		nth_weekdays[6];	/* of n from 1 to 5: FRI#n */
	bool		last_workday;	/* LW */
	bool		any_day;		/* the day field begins with * or ? */
	bool		any_weekday;	/* the weekday field does */
	bool		star_hour;		/* all 24 hours: follows real time where clocks are changed */
	bool		star_minute;	/* all 60 minutes */
	int			every_seconds;	/* "N seconds", else 0; nothing above is set then */
	bool		reboot;			/* at the start of the server; nothing above is set then */
} JoCron;

/*
 * Reads an expression.  Never raises; what is wrong is said in two texts for a message
 * and its HINT, allocated in the current context: "minute field: 61 is not in
 * 0-59".  An expression that no date matches is refused too.
 */
extern bool jo_cron_parse(const char *text, JoCron *cron, char **error, char **hint);

/*
 * The first local time strictly after another; false with @reboot, and with no other that was
 * parsed.  "N seconds" counts from 2000-01-01 00:00:00.  Bounded: at most some hundred
 * months are looked at.
 */
extern bool jo_cron_next(const JoCron *cron, const JoCivil *after, JoCivil *next);

/* Bits 1-31: the days of a month that match the day fields; the month field is not looked at. */
extern uint32 jo_cron_days(const JoCron *cron, int year, int month);

/* "at 09:30, Monday to Friday"; in the current context. */
extern char *jo_cron_describe(const JoCron *cron);

#endif
