/*
 * specparts.h
 *		What the files of timespec.h share: times as written, and the four kinds of
 *		entries.
 *
 * Local times are seconds from 2000-01-01 00:00:00 on the local clock, as jo_civil_seconds()
 * counts; days are counted from the same date.
 */
#ifndef JO_SPECPARTS_H
#define JO_SPECPARTS_H

#include "postgres.h"

#include "cron.h"
#include "timespec.h"
#include "zone.h"

#define JO_SPEC_MAX_ENTRIES 64
#define JO_SPEC_MAX_TIMES 10000

/*
 * "invalid schedule: field: why", with the value in the DETAIL; field is a path as
 * "specs[0].cron"; value and hint may be NULL.
 */
extern void jo_spec_refuse(const char *field, const char *why, const char *value, const char *hint) pg_attribute_noreturn();

/* ---- spectime.c: times as they are written ---- */

typedef struct JoSpecTime
{
	int64		local;			/* midnight if it is a date */
	int			micros;
	int			offset;			/* seconds east of Greenwich, if it has one */
	bool		has_offset;
	bool		is_date;
} JoSpecTime;

/* "2027-01-01T09:00", "2027-01-01 09:00:00+02", "20270101T090000Z", "2027-01-01"; never raises. */
extern bool jo_spectime_read(const char *text, JoSpecTime *time);

/* The same, but raises for a field. */
extern void jo_spectime_require(const char *field, const char *text, JoSpecTime *time);

/* By the rule for gaps and folds if it is a local time. */
extern TimestampTz jo_spectime_instant(const JoSpecTime *time, const JoZone *zone);

/* The local time in a zone that it stands for. */
extern int64 jo_spectime_local(const JoSpecTime *time, const JoZone *zone);

/* "2027-01-01T09:00:00" */
extern char *jo_spectime_local_text(int64 local);

/* "2027-01-01T09:00:00+01:00" */
extern char *jo_spectime_instant_text(TimestampTz at, const JoZone *zone);

/* "1 January 2027 at 09:00", "1 January 2027" */
extern char *jo_spectime_words(int64 local);
extern char *jo_spectime_day_words(int64 day);

/* The day of a local time. */
extern int64 jo_spectime_day(int64 local);

/* The local second that a clock of the zone shows at an instant. */
extern int64 jo_spectime_shown(const JoZone *zone, TimestampTz at);

/* A sorted list without what is twice; how many remain. */
extern int	jo_spectime_sort(int64 *times, int n);

/* Is it in a sorted list? */
extern bool jo_spectime_is_in(const int64 *times, int n, int64 time);

/* The first of a sorted list that is above a time; n: none. */
extern int	jo_spectime_above(const int64 *times, int n, int64 time);

/* ---- specevery.c: intervals ---- */

typedef struct JoEvery
{
	int			months;
	int			days;
	int64		usecs;
	bool		finish;			/* counted from the end of the last run */
	TimestampTz from;
	int64		from_local;
} JoEvery;

/* Sets the interval.  Raises for the field. */
extern void jo_every_read(const char *field, const char *text, JoEvery *every);
extern void jo_every_anchor(JoEvery *every, TimestampTz from, const JoZone *zone);
extern TimestampTz jo_every_next(const JoEvery *every, const JoZone *zone, TimestampTz after);

/* "15 minutes", "1 month 2 days"; "day" for one of something. */
extern char *jo_every_words(const JoEvery *every, bool leave_out_one);

/* ---- specruleread.c, specrule.c: rules of RFC 5545 ---- */

typedef enum JoRuleFreq
{
	JO_FREQ_SECONDLY,
	JO_FREQ_MINUTELY,
	JO_FREQ_HOURLY,
	JO_FREQ_DAILY,
	JO_FREQ_WEEKLY,
	JO_FREQ_MONTHLY,
	JO_FREQ_YEARLY
} JoRuleFreq;

/* What one part of a rule lists, in order and without duplicates. */
typedef struct JoRuleList
{
	int			n;
	int16	   *values;
} JoRuleList;

/* A day of the week, from 0 for Sunday; which one in its month or year, 0: each. */
typedef struct JoRuleDay
{
	int16		weekday;
	int16		position;
} JoRuleDay;

/* "SECONDLY" and so on, by JoRuleFreq; "SU" and so on; each with a NULL at its end. */
extern const char *const jo_rule_freqs[];
extern const char *const jo_rule_weekdays[];

#define JO_RULE_DAYS_KEPT 64

/* All days from one to another that the rule has. */
typedef struct JoRuleDays
{
	int64		from;
	int64		until;			/* below from: nothing is known yet */
	int			n;
	int64		days[JO_RULE_DAYS_KEPT];
} JoRuleDays;

typedef struct JoRule
{
	JoRuleFreq	freq;
	int			interval;
	int			count;			/* 0: none */
	int			week_start;		/* from 0 for Sunday */
	const JoZone *zone;
	int64		start;			/* DTSTART */
	int64		last;			/* no later one: UNTIL, or the last of COUNT; PG_INT64_MAX: none */
	JoRuleList	seconds;
	JoRuleList	minutes;
	JoRuleList	hours;
	JoRuleList	month_days;
	JoRuleList	year_days;
	JoRuleList	weeks;
	JoRuleList	months;
	JoRuleList	positions;		/* BYSETPOS */
	int			n_days;
	JoRuleDay  *days;			/* BYDAY */

	/* of BYSECOND and so on, or of DTSTART; bit n for n */
	uint64		second_set;
	uint64		minute_set;
	uint32		hour_set;
	bool		follows_real_time;	/* every hour has its times */
	bool		every_day;		/* each, or each nth: days need not be looked for */
	bool		whole_days;		/* says nothing of the time of day */
	bool		has_start;		/* DTSTART was given */
	bool		in_text;		/* with the rule */
	const char *day_text;		/* what names days, for libical */
	JoRuleDays	kept;

	/* with BYSETPOS: the days of the period that begins with a day */
	int64		period;
	int			n_period_days;
	int64	   *period_days;

	int			n_exdates;		/* sorted */
	int64	   *exdates;		/* instants */
	int			n_exdays;
	int64	   *exdays;			/* local days */
	int			n_rdates;
	int64	   *rdates;			/* instants */
} JoRule;

/*
 * Reads a rule: an RRULE's value, or lines of DTSTART, RRULE, RDATE and EXDATE.  Raises for
 * the field, as all of these do.  It cannot be asked before jo_rule_begin().
 */
extern JoRule *jo_rule_read(const char *field, const char *text, const JoZone *zone);

/* What may be said beside the rule: "dtstart", and dates that come on top or are left out. */
extern void jo_rule_set_start(JoRule *rule, const char *field, const char *text);
extern void jo_rule_add_date(JoRule *rule, const char *field, const char *text, bool excluded);

/*
 * Once, after everything was read: what depends on the beginning, which is start if the
 * rule has none.  Then COUNT counts times above counted_after only.
 */
extern void jo_rule_begin(JoRule *rule, int64 start, int64 counted_after);

/* The next instant, gaps and folds considered; DT_NOEND: none. */
extern TimestampTz jo_rule_next(JoRule *rule, TimestampTz after);

/* The first local time of the rule proper after another; false: none.  A JoLocalNext. */
extern bool jo_rule_next_local(const void *rule, int64 after, int64 *next);

/* Days only: says nothing of the time of day. */
extern char *jo_rule_words(const JoRule *rule, bool days_only);

/* ---- specical.c: libical ---- */

/*
 * Days of a rule without BYSETPOS from one to another, both included, in order; at most max
 * of them.
 */
extern int	jo_ical_days(const JoRule *rule, int64 from, int64 until, int64 *days, int max);

/* ---- specexclude.c: what is left out ---- */

typedef enum JoExcludeKind
{
	JO_EXCLUDE_CRON,
	JO_EXCLUDE_RULE,
	JO_EXCLUDE_DATES,
	JO_EXCLUDE_RANGE
} JoExcludeKind;

typedef struct JoExclude
{
	JoExcludeKind kind;
	JoCron		cron;
	JoRule	   *rule;
	int			n_days;			/* sorted */
	int64	   *days;
	TimestampTz from;
	TimestampTz to;				/* the first instant that is not left out */
	JsonbValue	given;			/* as it was written */
} JoExclude;

/* Reads an entry of "exclude". Raises. */
extern void jo_exclude_read(const char *field, JsonbValue *value, const JoZone *zone, JoExclude *exclude);

/* Until when an instant is left out, at least for a moment; 0: it is not. */
extern TimestampTz jo_exclude_until(const JoExclude *exclude, const JoZone *zone, TimestampTz at);

/* "25 December 2026" */
extern char *jo_exclude_words(const JoExclude *exclude, const JoZone *zone);

/* ---- specjson.c: reading jsonb ---- */

typedef void (*JoSpecEach) (const char *field, JsonbValue *value, void *context);

/* Each key of an object must be one of them.  Raises for the field. */
extern void jo_spec_check_keys(const char *field, JsonbContainer *object, const char *const *keys);

/* An object; raises if it is something else. */
extern JsonbContainer *jo_spec_object(const char *field, JsonbValue *value);

/* A member's text; NULL: it is not there, or null.  A number is taken as text if it may be one. */
extern char *jo_spec_text(const char *field, JsonbContainer *object, const char *key, bool or_number);

/* Calls back for a value, or for each element of an array; their number. */
extern int	jo_spec_each(const char *field, JsonbValue *value, JoSpecEach each, void *context);

/* "specs[0].cron", from "specs[0]" and "cron"; an empty one adds nothing. */
extern char *jo_spec_path(const char *field, const char *key);

/* A string, for entries that are texts. */
extern char *jo_spec_string(const char *field, JsonbValue *value);

/* ---- timespec.c ---- */

typedef enum JoSpecKind
{
	JO_SPEC_CRON,
	JO_SPEC_EVERY,
	JO_SPEC_AT,
	JO_SPEC_RULE
} JoSpecKind;

typedef struct JoSpecEntry
{
	JoSpecKind	kind;
	JsonbValue	given;			/* as it was written */
	JoCron		cron;
	JoEvery		every;
	JoRule	   *rule;
	int			n_at;			/* sorted */
	int64	   *at;
	JsonbValue	exdate;			/* of a rule, as they were written; jbvNull: none */
	JsonbValue	rdate;
} JoSpecEntry;

struct JoTimeSpec
{
	const JoZone *zone;
	int			n_entries;
	JoSpecEntry *entries;
	int			n_excludes;
	JoExclude  *excludes;
	TimestampTz starts_at;		/* DT_NOBEGIN: none */
	TimestampTz ends_at;		/* DT_NOEND: none */
	int64		jitter;			/* microseconds */
};

/* jo_timespec_parse() for a schedule that is made at a time; DT_NOBEGIN: it is not known. */
extern JoTimeSpec *jo_timespec_read(Jsonb *spec, TimestampTz created);

#endif
