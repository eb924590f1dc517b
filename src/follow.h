/*
 * follow.h
 *		What the end of a run brings about: in the transaction that writes the end.
 *
 * A run is followed when live.followed is set (others depend on it, or a schedule started
 * it), or when other jobs start after its job (JoShape.followed).  Only the dispatcher
 * ends such a run.
 */
#ifndef JO_FOLLOW_H
#define JO_FOLLOW_H

#include "store.h"

/*
 * To be called before the end is written: locks the rows of the runs that depend on this
 * one.  False, without waiting, when somebody has one of them: try again later.  Of a
 * cancelled run that could not begin because of what it depends on, row->error says so.
 */
extern bool jo_follow_prepare(JoEndRow *row);

/*
 * The end was written in this transaction: runs that depend on it become due or are
 * cancelled, jobs start after it, its schedule hears of it.  All of it is announced at
 * the commit.  What cannot be started is noted and does not raise.
 */
extern void jo_follow_ended(const JoEndRow *row);

/* Of a run that a schedule started; set by who looks after schedules.  In the same transaction. */
extern void (*jo_follow_schedule_hook) (const JoRunRow *run, const JoEndRow *row);

#endif
