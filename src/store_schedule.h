/*
 * store_schedule.h
 *		Schedules, their state and their fires: rows for the dispatcher.
 *
 * As store.h has it: every function needs a transaction, allocates in the current
 * context and may raise.
 */
#ifndef JO_STORE_SCHEDULE_H
#define JO_STORE_SCHEDULE_H

#include "store.h"

#define JO_OVERLAP_SKIP			's'
#define JO_OVERLAP_BUFFER_ONE	'o'
#define JO_OVERLAP_BUFFER_ALL	'a'
#define JO_OVERLAP_CANCEL		'c'
#define JO_OVERLAP_TERMINATE	't'
#define JO_OVERLAP_ALLOW_ALL	'l'

#define JO_FIRE_FIRED		'f'
#define JO_FIRE_SKIPPED		's'
#define JO_FIRE_MISSED		'm'
#define JO_FIRE_BUFFERED	'b'
#define JO_FIRE_FAILED		'x'

typedef struct JoScheduleRow
{
	int64		schedule_id;
	char	   *name;
	int64		job_id;			/* 0: an SQL text of its own */
	int64		version_id;		/* of that; 0: none */
	Oid			owner;
	char	   *owner_name;
	char	   *created_by;
	int32		revision;
	Jsonb	   *spec;
	char		overlap;
	int64		catchup;		/* in microseconds */
	int16		priority;		/* -1: the job's */
	int32		queue_id;		/* 0: the job's */
	int64		max_runs;		/* 0: no limit */
	int32		pause_after_failures;	/* 0: never */
	Jsonb	   *input;
	struct ArrayType *tags;
	Jsonb	   *metadata;
	char	   *tenant;
	bool		paused;
	bool		after_finish;
	TimestampTz boot_after;		/* 0: no @reboot */
	TimestampTz dropped_at;		/* 0: NULL */
} JoScheduleRow;

typedef struct JoScheduleState
{
	int64		schedule_id;
	TimestampTz next_fire;		/* 0: NULL, and so the next two */
	TimestampTz next_nominal;
	TimestampTz last_nominal;
	int64		fired;
	int64		last_run_id;	/* 0: NULL */
	int32		failures;
	int32		buffered;
	int			nopen;
	int64	   *open_runs;
	ItemPointerData tid;		/* where it was read or written */
	bool		external;		/* it has values in its toast table */
} JoScheduleState;

typedef struct JoFireRow
{
	int64		schedule_id;
	TimestampTz nominal;
	int64		seq;
	TimestampTz at;
	int64		run_id;			/* 0: NULL */
	char		outcome;
	const char *reason;
	const char *requested_by;
	ItemPointerData tid;		/* where it was read */
} JoFireRow;

/* A key in the index schedule_due. */
typedef struct JoScheduleKey
{
	TimestampTz due;
	int64		schedule_id;
} JoScheduleKey;

extern bool jo_store_schedule(int64 schedule_id, JoScheduleRow *row);
extern bool jo_store_schedule_state(int64 schedule_id, JoScheduleState *state);

/*
 * Up to max states above *low that are due by now, in order.  *low moves up to the last
 * one, or to now if there are no more: dead entries before it cost nothing any more.
 * Who leaves one for later, or writes one with a due before *low, moves it back.
 */
extern int	jo_store_due_schedules(TimestampTz now, int max, JoScheduleState *states, JoScheduleKey *low);

/* The first due above *low, 0 if there is none. */
extern TimestampTz jo_store_next_schedule(const JoScheduleKey *low);

/* Moves *low back, if need be, so that what is due then is seen.  Never raises. */
extern void jo_store_schedule_low(JoScheduleKey *low, TimestampTz due);

/*
 * Writes a state over the one that was read.  False, with nothing done and without waiting,
 * when somebody has its row or changed it.  tid moves along.
 */
extern bool jo_store_update_schedule(JoScheduleState *state);

/* Schedules that are not dropped and have an @reboot that was there before a time. */
extern int	jo_store_boot_schedules(TimestampTz before, int64 **schedule_ids);

/* Schedules with runs of which the end was not looked at.  Reads all states. */
extern int	jo_store_open_schedules(int64 **schedule_ids);

extern bool jo_store_fire_exists(int64 schedule_id, TimestampTz nominal);
extern void jo_store_insert_fires(const JoFireRow *fires, int n);

/* The first one, by time, that is buffered; false: none. */
extern bool jo_store_buffered_fire(int64 schedule_id, JoFireRow *fire);

/* Over the row that was read; the caller has the schedule's state. */
extern void jo_store_update_fire(const JoFireRow *fire);

#endif
