/*
 * civil.h
 *		Dates and times of day as a calendar and a clock on the wall show them,
 *		with no time zone.
 *
 * The calendar is the proleptic Gregorian one; days are counted from 2000-01-01
 * and seconds from the midnight it began with, as in PostgreSQL's timestamps.
 * Nothing here allocates or raises.
 */
#ifndef JO_CIVIL_H
#define JO_CIVIL_H

#include "leaf.h"

typedef struct JoCivil
{
	int			year;			/* 0 is 1 BC */
	int			month;			/* 1-12 */
	int			day;			/* 1-31 */
	int			hour;			/* 0-23 */
	int			minute;			/* 0-59 */
	int			second;			/* 0-59 */
} JoCivil;

#define JO_SECONDS_PER_DAY 86400

/* Days from 2000-01-01 to a date. */
extern int64 jo_civil_day(int year, int month, int day);
extern void jo_civil_from_day(int64 number, int *year, int *month, int *day);

/* 0 is Sunday; of a day counted from 2000-01-01. */
extern int	jo_civil_weekday(int64 number);

/* 28 to 31 */
extern int	jo_civil_month_days(int year, int month);

/* Seconds from 2000-01-01 00:00:00 by the same clock. */
extern int64 jo_civil_seconds(const JoCivil *civil);
extern void jo_civil_from_seconds(int64 seconds, JoCivil *civil);

/* Below 0: a is earlier; 0: the same; above 0: later. */
extern int	jo_civil_compare(const JoCivil *a, const JoCivil *b);

#endif
