/*
 * announce.h
 *		What a transaction did to runs, told at its commit and not before.
 */
#ifndef JO_ANNOUNCE_H
#define JO_ANNOUNCE_H

#include "store.h"

extern void jo_announce_init(void); /* from _PG_init: registers the callbacks */

/* A run that this transaction inserted.  shape may be NULL; may raise. */
extern void jo_announce_start(const JoLiveRow *live);

/* Runs first..last of one (queue, ord) that this transaction inserted. */
extern void jo_announce_starts(const JoLiveRow *first, const JoLiveRow *last);

/* This transaction changed live, ends or step rows of a run by request. */
extern void jo_announce_control(int64 run_id);

/* This transaction left work for the courier that is no step's. */
extern void jo_announce_errand(void);

/* A row of timers that this transaction wrote; of a step's own, its outcome tells. */
extern void jo_announce_timer(TimestampTz due);

/* This transaction changed whether other jobs start after that one: job.followed. */
extern void jo_announce_followed(int64 job_id, bool followed);

/* A schedule is to be looked at then, which this transaction wrote. */
extern void jo_announce_schedule(TimestampTz due);

/* CREATE EXTENSION in this database. */
extern void jo_announce_extension(void);

#endif
