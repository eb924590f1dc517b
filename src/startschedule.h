/*
 * startschedule.h
 *		Runs that schedules start.
 */
#ifndef JO_STARTSCHEDULE_H
#define JO_STARTSCHEDULE_H

#include "store_schedule.h"

/*
 * jo_schedule_prepare_hook: fills in rows of a run of this schedule, all but ids and the nominal
 * time; checks what start() checks, and raises.  input NULL: the schedule's.
 */
extern void jo_start_scheduled(const JoScheduleRow *row, Jsonb *input, JoRunRow *run, JoLiveRow *live);

#endif
