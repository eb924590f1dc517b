/*
 * store.h
 *		The only C file that reads and writes the hot tables.
 *
 * Rows are read and written by direct heap access: no plan, no permission
 * check, no trigger, and so no way for a step's own SQL, search_path or
 * isolation level to matter.  Every function needs a transaction, allocates in
 * the current context and may raise: ERRCODE_UNDEFINED_TABLE without the
 * extension, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE when the tables are of
 * another version of it, and whatever heap and index raise.  Writing takes
 * RowExclusiveLock on table and indexes and keeps it to the end of the
 * transaction; reading takes AccessShareLock and gives it back (the rows are
 * copied, and nothing relies on the table not changing between two reads).
 */
#ifndef JO_STORE_H
#define JO_STORE_H

#include "joborch.h"
#include "shmem.h"
#include "utils/jsonb.h"
#include "utils/snapshot.h"

/* A text, jsonb or array Datum that may be absent: NULL pointer is SQL NULL. */

typedef struct JoRunRow
{
	int64		run_id;
	int64		version_id;
	int64		job_id;			/* 0: ad hoc, stored as NULL */
	Oid			owner;
	const char *owner_name;
	TimestampTz created_at;
	TimestampTz run_at;
	int32		queue_id;
	int16		priority;
	Jsonb	   *input;
	const char *requested_by;
	const char *name;
	struct ArrayType *tags;
	Jsonb	   *metadata;
	const char *correlation_id;
	const char *idempotency_key;
	const char *traceparent;
	const char *tenant;
	int64		rerun_of;		/* 0: NULL */
} JoRunRow;

typedef struct JoLiveRow
{
	int64		run_id;
	int32		queue_id;
	int16		ord;
	TimestampTz due;
	int64		version_id;
	Oid			owner;
	int32		epoch;
	bool		paused;
	char		cancel;
	TimestampTz begun;			/* 0: NULL */
	ItemPointerData tid;		/* where it was read or written */
	TransactionId xmin;
} JoLiveRow;

typedef struct JoStepRow
{
	int64		run_id;
	int32		step;
	int32		item;
	char		status;
	int32		attempt;
	int32		epoch;
	TimestampTz started_at;		/* 0: NULL */
	TimestampTz finished_at;
	Jsonb	   *output;
	Jsonb	   *error;
} JoStepRow;

typedef struct JoEndRow
{
	int64		run_id;
	char		status;
	int32		epoch;
	TimestampTz started_at;		/* 0: NULL */
	TimestampTz finished_at;
	int32		completed;
	int32		failed;
	int32		skipped;
	Jsonb	   *output;
	Jsonb	   *error;
} JoEndRow;

typedef struct JoAttemptRow
{
	int64		run_id;
	int32		step;
	int32		item;
	int32		attempt;
	int32		epoch;
	char		status;
	TimestampTz started_at;
	TimestampTz finished_at;
	TimestampTz retry_at;		/* 0: NULL */
	Jsonb	   *error;
	Jsonb	   *notices;
} JoAttemptRow;

typedef struct JoTimerRow
{
	TimestampTz due;
	int64		run_id;
	int32		step;
	int32		item;
	char		kind;			/* 'r' retry, 't' time-out of the run */
	int32		epoch;
} JoTimerRow;

typedef struct JoJobRow
{
	int64		job_id;
	char	   *name;
	Oid			owner;
	char	   *owner_name;
	int64		current_version;
	bool		active;
	char	   *tenant;
} JoJobRow;

typedef struct JoVersionRow
{
	int64		version_id;
	int64		job_id;			/* 0: ad hoc */
	int32		version;
	Oid			owner;
	Jsonb	   *definition;
} JoVersionRow;

typedef struct JoMarkRow
{
	int64		run_id;
	int32		step;
	int32		item;
	int32		attempt;
	int32		crashes;
} JoMarkRow;

typedef struct JoInstanceRow
{
	uint64		system_identifier;
	Oid			database_oid;
	bool		clean_stop;
} JoInstanceRow;

/* A key in the index timers_pkey; all zero is before the first timer. */
typedef struct JoTimerKey
{
	TimestampTz due;
	int64		run_id;
	int32		step;
	int32		item;
	char		kind;
} JoTimerKey;

/*
 * Is the extension (still) there, with all its hot tables?  Cheap: looks at a
 * cache of table oids that DROP and CREATE EXTENSION invalidate.
 */
extern bool jo_store_exists(void);

/*
 * Which incarnation of the extension this is: differs after DROP and CREATE
 * EXTENSION.  InvalidOid when there is none.
 */
extern Oid	jo_store_incarnation(void);

/*
 * The newest committed state, whatever the transaction's isolation level, and
 * what this transaction wrote before its current command.  Good for the next
 * read only, which registers it while it scans: ask again for another read, or
 * hold one state for several with RegisterSnapshot()/PushActiveSnapshot().
 */
extern Snapshot jo_store_latest(void);

/*
 * Does this error say that a row of step or ends was there already: another
 * attempt won?  True only for an error raised inside jo_store_insert_step() or
 * jo_store_end_run(), which a user's own SQL cannot imitate.  Ask at most once
 * per error: the answer uses up the memory of where it was raised.
 */
extern bool jo_store_is_own_duplicate(const ErrorData *error);

/* Definitions.  All return false when there is no such row. */
extern bool jo_store_job_by_name(const char *name, Snapshot snapshot, JoJobRow *row);
extern bool jo_store_job(int64 job_id, Snapshot snapshot, JoJobRow *row);
extern bool jo_store_version(int64 version_id, Snapshot snapshot, JoVersionRow *row);
extern bool jo_store_queue_by_name(const char *name, Snapshot snapshot, int32 *queue_id, bool *paused);
extern int	jo_store_queues(Snapshot snapshot, int32 **queue_ids, bool **paused);

/* Starts.  A READ ONLY transaction is refused by nextval. */
extern int64 jo_store_next_run_id(void);
extern void jo_store_next_run_ids(int64 *ids, int n);

/* Inserts into run and live; sets live->tid and live->xmin. */
extern void jo_store_insert_run(const JoRunRow *run, JoLiveRow *live);

/*
 * n runs that differ from *run and *live only in run_id (run_ids[i]) and input:
 * inputs[i], or run->input where inputs or inputs[i] is NULL.
 */
extern void jo_store_insert_runs(const JoRunRow *run, const JoLiveRow *live,
								 const int64 *run_ids, Jsonb *const *inputs, int n);

/*
 * Reading a run; false when there is no such row.  live_at reads the version at
 * tid only: when it is false the row may have moved, and jo_store_live() tells.
 * In a SERIALIZABLE transaction run, step and ends are read as of now whatever
 * the snapshot, so that a step takes no SIREAD locks on its own books.
 */
extern bool jo_store_run(int64 run_id, Snapshot snapshot, JoRunRow *row);
extern bool jo_store_live(int64 run_id, Snapshot snapshot, JoLiveRow *row);
extern bool jo_store_live_at(ItemPointer tid, int64 run_id, Snapshot snapshot, JoLiveRow *row);
extern bool jo_store_end(int64 run_id, Snapshot snapshot, JoEndRow *row);
extern bool jo_store_step(int64 run_id, int32 step, int32 item, Snapshot snapshot, JoStepRow *row);

/* All steps of a run in order of (step, item); with_data false leaves output and error out. */
extern int	jo_store_steps(int64 run_id, Snapshot snapshot, bool with_data, JoStepRow **rows);
extern int	jo_store_attempts(int64 run_id, Snapshot snapshot, JoAttemptRow **rows);

/*
 * Up to max rows of live_order of one (queue, ord), with low < key <= high and due <= now,
 * in order.  *next_due gets the due of the first row after now if the scan reached one, else 0.
 * {DT_NOBEGIN, PG_INT64_MIN} and {DT_NOEND, PG_INT64_MAX} are the open ends.  The scan starts
 * at low: rows and dead entries before it cost nothing.
 */
extern int	jo_store_live_scan(int32 queue_id, int16 ord, JoLiveKey low, JoLiveKey high,
							   TimestampTz now, Snapshot snapshot, int max,
							   JoLiveRow *rows, TimestampTz *next_due);

/* Books of a step. */
extern void jo_store_insert_step(const JoStepRow *row);

/* Also takes the place of what jo_store_begin_attempt() left for the same attempt. */
extern void jo_store_insert_attempt(const JoAttemptRow *row);

/*
 * The trace of an attempt with an outside effect, status 'r', to be committed
 * and flushed before it begins; one that is there already (the attempt was
 * interrupted) gets the new epoch and time.
 */
extern void jo_store_begin_attempt(int64 run_id, int32 step, int32 item, int32 attempt,
								   int32 epoch, TimestampTz started_at);

/*
 * Ends a run: deletes its live row (found at tid) and inserts its end.  False,
 * with nothing done, when the live row is locked, changed or gone: the caller
 * leaves the end to the dispatcher.  Never waits for the live row.
 */
extern bool jo_store_end_run(ItemPointer live_tid, const JoEndRow *row);

/*
 * Sets live.begun; false, with nothing done, when the row is locked, changed or
 * gone.  *tid moves along.
 */
extern bool jo_store_mark_begun(ItemPointer tid, int64 run_id, TimestampTz begun);

/*
 * The run's own time is over: sets live.cancel to 't' unless it was asked to stop
 * before, or is paused.  False, with *again, when somebody holds its row.
 */
extern bool jo_store_set_timed_out(int64 run_id, bool *again);

/* Timers. */
extern void jo_store_insert_timer(const JoTimerRow *row);

/*
 * Timers above *low that are due by now, oldest first, at most max; each is
 * deleted.  *low moves up to the last one that is done with, so that the next
 * call does not walk over the dead entries of the ones taken (which stay while
 * anybody holds an old snapshot).  A timer that is locked by another transaction
 * is left, and low stays before it.  Two duties of the caller: when this
 * transaction aborts, low is to be put back; when a timer is announced whose due
 * is not after low's, low is to be moved before it by jo_store_timer_low().
 */
extern int	jo_store_take_timers(TimestampTz now, int max, JoTimerRow *rows, JoTimerKey *low);

/* Due of the first timer above *low (NULL: of all), 0 if there is none. */
extern TimestampTz jo_store_next_timer(const JoTimerKey *low);

/* Moves *low back, if need be, so that timers of this due and later are seen. Never raises. */
extern void jo_store_timer_low(JoTimerKey *low, TimestampTz due);

/* Deletes the timers of a run but for those that are being taken; returns how many. */
extern int	jo_store_delete_timers(int64 run_id);

/*
 * Marks of steps in flight; see tables_run.sql.  insert leaves an existing mark
 * of the same step and item as it is, delete and set_crashes of none do nothing.
 */
extern void jo_store_insert_mark(int64 run_id, int32 step, int32 item, int32 attempt);
extern void jo_store_delete_mark(int64 run_id, int32 step, int32 item);
extern void jo_store_set_mark_crashes(int64 run_id, int32 step, int32 item, int32 crashes);
extern int	jo_store_marks(JoMarkRow **rows);

/* Whose copy of the data this is; see tables_definition.sql. */
extern int	jo_store_instances(JoInstanceRow **rows);

/*
 * False when rows are another cluster's or database's.  A first look makes them ours.
 * *clean: the dispatcher before this one stopped in order.
 */
extern bool jo_store_is_ours(bool *clean);
extern void jo_store_insert_instance(uint64 system_identifier, Oid database_oid);
extern void jo_store_set_clean_stop(bool clean_stop);	/* of all rows */

#endif
