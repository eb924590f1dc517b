/*
 * interval.h
 *		Texts of intervals, read without raising.
 */
#ifndef JO_INTERVAL_H
#define JO_INTERVAL_H

#include "postgres.h"
#include "pgtime.h"
#include "utils/timestamp.h"

/* As interval_in() reads it, ISO 8601 too; false: not an interval, or one out of range. */
extern bool jo_interval_read(const char *text, Interval *interval);

/* A month counts 30 days and a day 24 hours; false on overflow. */
extern bool jo_interval_microseconds(const Interval *interval, int64 *microseconds);

#endif
