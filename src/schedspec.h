/*
 * schedspec.h
 *		Specs of schedules, read once. Dispatcher only.
 */
#ifndef JO_SCHEDSPEC_H
#define JO_SCHEDSPEC_H

#include "store_schedule.h"
#include "timespec.h"

/*
 * What a schedule's spec says; kept until the schedule changes or too many are.  Valid
 * until the next call for another schedule.  Raises what jo_timespec_parse() does.
 */
extern JoTimeSpec *jo_schedspec_get(const JoScheduleRow *row);

#endif
