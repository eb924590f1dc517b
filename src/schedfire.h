/*
 * schedfire.h
 *		What is to be done about one schedule now. Dispatcher only, in a transaction.
 */
#ifndef JO_SCHEDFIRE_H
#define JO_SCHEDFIRE_H

#include "store_schedule.h"

/*
 * Looks at a schedule whose state was just read: at runs that ended since, fires that
 * wait for that, times that are due, the server's start.  Writes fires, runs (announced)
 * and the state.  False, with nothing of it done and without
 * waiting, when somebody has a row that it needs: look again soon.  state is then as the
 * table has it.  *written grows by the rows.  Raises for what should not happen; what
 * keeps a run from starting becomes a fire that says so.
 */
extern bool jo_schedule_look(JoScheduleState *state, TimestampTz now, int *written);

/* May an error be no more in a second (memory, disk, a conflict), and says nothing of the schedule? */
extern bool jo_schedule_may_pass(int sqlstate);

/* Pauses a schedule, by SQL, so that its owner sees why.  False, without waiting: somebody has it. */
extern bool jo_schedule_pause(int64 schedule_id, const char *reason);

/*
 * Fills in rows of a run of this schedule, all but ids and time, and checks what start()
 * checks; raises.  input NULL: the schedule's.  Set at start-up: starting runs is the
 * business of a higher layer.
 */
extern PGDLLIMPORT void (*jo_schedule_prepare_hook) (const JoScheduleRow *row, Jsonb *input,
													 JoRunRow *run, JoLiveRow *live);

#endif
