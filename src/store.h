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
	TimestampTz created_at;
	TimestampTz run_at;
	int64		job_id;			/* 0: ad hoc, stored as NULL */
	Oid			owner;
	int32		queue_id;
	int16		priority;
	const char *owner_name;
	const char *requested_by;
	Jsonb	   *input;
	const char *name;
	struct ArrayType *tags;
	Jsonb	   *metadata;
	const char *correlation_id;
	const char *idempotency_key;
	const char *traceparent;
	const char *tenant;
	int64		rerun_of;		/* 0: NULL */
	int64		parent_run_id;	/* of a child run; 0: stored as NULL, and so
								 * the rest */
	int32		parent_item;	/* -1: NULL */
	int32		parent_step;	/* -1: NULL */
	int16		depth;			/* 0: NULL */
	Jsonb	   *context;
	int64		schedule_id;	/* 0: NULL */
	TimestampTz fire_at;		/* 0: NULL */
} JoRunRow;

typedef struct JoLiveRow
{
	int64		run_id;
	TimestampTz due;
	int64		version_id;
	Oid			owner;
	int32		queue_id;
	int32		epoch;
	int16		ord;
	bool		paused;
	char		cancel;
	TimestampTz begun;			/* 0: NULL */
	int64		parent_run_id;	/* as in JoRunRow */
	int32		parent_item;
	int32		parent_step;
	bool		followed;		/* stored as NULL when false, and so the next */
	bool		replaceable;
	ItemPointerData tid;		/* where it was read or written */
	TransactionId xmin;
} JoLiveRow;

/* JoStepRow.taken of a step that decided nothing */
#define JO_NOTHING_TAKEN (-1)

typedef struct JoStepRow
{
	int64		run_id;
	TimestampTz finished_at;
	TimestampTz started_at;		/* 0: NULL */
	int32		item;
	int32		step;
	int32		attempt;
	int32		epoch;
	char		status;
	Jsonb	   *output;			/* in full, however it is stored */
	int32		taken;			/* what a flow step decided; stored as NULL when
								 * JO_NOTHING_TAKEN */
	Jsonb	   *error;
} JoStepRow;

typedef struct JoEndRow
{
	int64		run_id;
	TimestampTz finished_at;
	TimestampTz started_at;		/* 0: NULL */
	int32		epoch;
	int32		completed;
	int32		failed;
	int32		skipped;
	char		status;
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
	ItemPointerData trace;		/* where it was left, if that is known; not read */
} JoAttemptRow;

typedef struct JoTimerRow
{
	TimestampTz due;
	int64		run_id;
	int32		step;
	int32		item;
	char		kind;			/* 'r' retry, 't' time-out of the run, 'w' wait, 'l' lease */
	int32		epoch;
} JoTimerRow;

#define JO_TIMER_LEASE		'l'

/* What a step waits for that holds no process; see tables_wait.sql. */
typedef struct JoWaitRow
{
	int64		run_id;
	int32		step;
	int32		item;
	char		kind;			/* JO_WAIT_... */
	int32		attempt;
	TimestampTz begun_at;		/* of the execution that began to wait */
	TimestampTz deadline;		/* 0: none */
	TimestampTz look_at;		/* 0: only when woken */
	int64		child;			/* run that is waited for; 0: none */
	const char *key;			/* the signal's name, the lock's key; NULL: none */
	Jsonb	   *detail;
	ItemPointerData tid;		/* where it was read or written */
} JoWaitRow;

#define JO_WAIT_DELAY		'd'
#define JO_WAIT_SIGNAL		's'
#define JO_WAIT_SQL			'q'
#define JO_WAIT_APPROVAL	'a'
#define JO_WAIT_JOB			'j'
#define JO_WAIT_LOOP		'l'
#define JO_WAIT_KEY			'k'
#define JO_WAIT_OUTSIDE		'e'
#define JO_WAIT_NETWORK		'n' /* for the courier, which goes on at once */

/* What was sent to a run. */
typedef struct JoSignalRow
{
	int64		signal_id;
	int64		run_id;
	char		kind;			/* JO_SIGNAL_... */
	const char *name;			/* NULL: none */
	int32		step;			/* whom it is for; -1: nobody in particular */
	int32		item;			/* -1: the step as a whole */
	Jsonb	   *payload;
	const char *sent_by;
	TimestampTz sent_at;
	const char *reason;
} JoSignalRow;

#define JO_SIGNAL_SENT		's'
#define JO_SIGNAL_APPROVED	'a'
#define JO_SIGNAL_REJECTED	'r'
#define JO_SIGNAL_DONE		'd' /* the step is to end completed, failed, skipped */
#define JO_SIGNAL_ERROR		'e'
#define JO_SIGNAL_NOT_TO_DO 'n'
#define JO_SIGNAL_DECISION	'\0'	/* to ask for: approved or rejected */
#define JO_SIGNAL_ORDER		'\1'	/* to ask for: to end completed, failed or skipped */

typedef struct JoJobRow
{
	int64		job_id;
	char	   *name;
	Oid			owner;
	char	   *owner_name;
	int64		current_version;
	bool		active;
	char	   *tenant;
	bool		followed;
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

/* The rows of one step in order of item. */
extern int	jo_store_step_items(int64 run_id, int32 step, Snapshot snapshot, bool with_data,
								JoStepRow **rows);
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
 * interrupted) gets the new epoch and time, unless is_new says that there is none.
 * *trace becomes where it is.
 */
extern void jo_store_begin_attempt(int64 run_id, int32 step, int32 item, int32 attempt,
								   int32 epoch, TimestampTz started_at, bool is_new, ItemPointer trace);

/*
 * Ends a run: deletes its live row (found at tid) and inserts its end.  False,
 * with nothing done, when the live row is locked, changed or gone: the caller
 * leaves the end to the dispatcher.  Never waits for the live row.
 */
extern bool jo_store_end_run(ItemPointer live_tid, const JoEndRow *row);

/*
 * From here to the end of this transaction the run cannot end, and then its end is
 * followed (see follow.h).  Waits for whoever has its row.  False: it has no live row,
 * and what is committed now says why.
 */
extern bool jo_store_follow(int64 run_id);

typedef enum JoReplaced
{
	JO_REPLACED,
	JO_REPLACED_NOT_THERE,		/* it has begun, is being cancelled, or is over */
	JO_REPLACED_REFUSED			/* it has not begun, but may without asking: live.replaceable is not set */
} JoReplaced;

/*
 * A run that has not begun becomes another one with the same id; its due stays with
 * keep_due.  Nothing of it begins before this transaction ends.  Waits for whoever has its row.
 */
extern JoReplaced jo_store_replace_run(const JoRunRow *run, JoLiveRow *live, bool keep_due);

/*
 * Sets live.begun; false, with nothing done, when the row is locked, changed or
 * gone.  *tid moves along.
 */
extern bool jo_store_mark_begun(ItemPointer tid, int64 run_id, TimestampTz begun);

/*
 * Sets live.cancel unless the run was asked to stop before (or, for its own
 * time-out, is paused).  False, with *again, when somebody holds its row.
 */
extern bool jo_store_set_cancel(int64 run_id, char cancel, bool *again);

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
 * Deletes the timer with exactly this key; false when it is not there.  Waits
 * for the dispatcher if that is taking it.
 */
extern bool jo_store_delete_timer(const JoTimerRow *timer);

/*
 * Waits.  Only who executes a step writes its row, and the dispatcher once the
 * step can no longer be executed; so the readers show what is committed now, even
 * in a SERIALIZABLE transaction.  insert raises for a second row of a step;
 * update raises ERRCODE_T_R_SERIALIZATION_FAILURE when the row at tid is not the
 * one that was read.  Both set tid.  delete: false when there is none; offer and claim
 * of a step that waits for somebody else go with it, and it raises
 * ERRCODE_LOCK_NOT_AVAILABLE while somebody has one of them.
 */
extern bool jo_store_wait(int64 run_id, int32 step, int32 item, Snapshot snapshot, JoWaitRow *row);
extern int	jo_store_waits(int64 run_id, Snapshot snapshot, JoWaitRow **rows);	/* by step, item */
extern void jo_store_insert_wait(JoWaitRow *row);
extern void jo_store_update_wait(JoWaitRow *row);
extern bool jo_store_delete_wait(int64 run_id, int32 step, int32 item);

/*
 * Takes the oldest signal of this kind and name (NULL: of any) that nobody has
 * taken, in this transaction: with its commit nobody else gets it, with its abort
 * it is as before.  step and item are who takes: he gets what was sent to him and
 * what was sent to nobody in particular; with step -1, whatever was sent.  Waits
 * for another transaction that is taking the same one, and goes on to the next if
 * that commits.  False when there is none.
 */
extern bool jo_store_take_signal(int64 run_id, char kind, const char *name, int32 step, int32 item,
								 JoSignalRow *row);

/* Is there anything sent to the run that no step has taken? */
extern bool jo_store_has_signal(int64 run_id, Snapshot snapshot);

/* Steps to which orders were sent that nobody has taken. */
typedef struct JoOrdered
{
	int32		step;
	int32		item;
} JoOrdered;

extern int	jo_store_ordered(int64 run_id, Snapshot snapshot, JoOrdered **steps);

/* Is there an order for that step, sent since it waits? */
extern bool jo_store_has_order(int64 run_id, const JoWaitRow *wait, Snapshot snapshot);

/*
 * Items of a foreach, evaluated once: an array of up to so many in each chunk,
 * which are numbered from 0.  step is the one that evaluated them (OPEN).
 */
#define JO_ITEMS_PER_CHUNK 256

extern void jo_store_insert_items(int64 run_id, int32 step, int32 chunk, Jsonb *items);
extern bool jo_store_items(int64 run_id, int32 step, int32 chunk, Snapshot snapshot, Jsonb **items);

/*
 * Outputs kept for later runs of a job.  cached: false when there is none that
 * expires after now.  cache replaces what is there; when another transaction is
 * just storing the same one it leaves it to that (and never waits).  expires_at
 * may be DT_NOEND.
 */
extern bool jo_store_cached(int64 job_id, const char *step, const char *key, TimestampTz now,
							Jsonb **output);
extern void jo_store_cache(int64 job_id, const char *step, const char *key, Jsonb *output,
						   TimestampTz expires_at);

/*
 * Permits: who goes on under a limit, who waits for it.  lock_permits makes this
 * transaction the only one that decides about the key, to its end; it may wait.
 * permits reads the rows of a key, who came first in front.  put_permit adds a row
 * or changes it.  drop_permits deletes those of a run (step JO_ALL_STEPS), or of a step and
 * item of it, and gives back what they were.
 */
#define JO_RUN_AS_A_WHOLE (-1)
#define JO_ALL_STEPS (-2)

typedef struct JoPermitRow
{
	int64		run_id;
	TimestampTz since;
	int32		step;			/* JO_RUN_AS_A_WHOLE: of the run */
	int32		item;
	bool		held;
	const char *key;
} JoPermitRow;

extern void jo_store_lock_permits(const char *key);
extern int	jo_store_permits(const char *key, JoPermitRow **rows);
extern void jo_store_put_permit(const JoPermitRow *row);
extern int	jo_store_drop_permits(int64 run_id, int32 step, int32 item, JoPermitRow **rows);

/* A large output; see tables_artifact.sql. */
typedef struct JoArtifactRow
{
	int64		artifact_id;
	TimestampTz created_at;
	TimestampTz expires_at;		/* DT_NOEND: never */
	int64		size;
	int64		stored_size;
	Oid			owner;
	int32		step;			/* -1: of no step */
	int32		item;			/* JO_NO_ITEM: of none */
	int32		tries;
	char		storage;		/* JO_STORED_... */
	char		todo;			/* JO_TODO_... */
	char		compression;	/* JO_COMPRESSION_... */
	bool		complete;
	const char *name;
	const char *type;
	const char *content_type;
	int64		run_id;			/* 0: NULL */
	TimestampTz next_try;		/* 0: NULL */
	const char *step_name;		/* NULL is SQL NULL from here on */
	const char *tenant;
	const char *path;
	const char *sha256;
	const char *stored_sha256;
	const char *error;
	ItemPointerData tid;		/* where it was read or written */
} JoArtifactRow;

#define JO_STORED_IN_DATABASE	'd'
#define JO_STORED_IN_FILE		'f'
#define JO_STORED_IN_S3			's'
#define JO_TODO_NOTHING			'-'
#define JO_TODO_MOVE			'm'
#define JO_TODO_DELETE			'd'
#define JO_COMPRESSION_NONE		'-'
#define JO_COMPRESSION_GZIP		'g'

/*
 * next_artifact_id also in a READ ONLY transaction: a step's books are no part of
 * what its SQL may not do.  insert and update set tid.  update and delete wait for
 * another transaction that has the row; update raises
 * ERRCODE_T_R_SERIALIZATION_FAILURE when it is not the one that was read.
 */
extern int64 jo_store_next_artifact_id(void);
extern void jo_store_insert_artifact(JoArtifactRow *row);
extern void jo_store_update_artifact(JoArtifactRow *row);
extern bool jo_store_artifact(int64 artifact_id, Snapshot snapshot, JoArtifactRow *row);

/* The newest complete one of that name in a run. */
extern bool jo_store_artifact_by_name(int64 run_id, const char *name, Snapshot snapshot,
									  JoArtifactRow *row);

/* Its row, not its chunks; false when there is none. */
extern bool jo_store_delete_artifact(int64 artifact_id);

/* What the courier is to do by now, who waits longest in front; and when the next one is due (0: none is there). */
extern int	jo_store_artifacts_to_do(TimestampTz now, int max, JoArtifactRow **rows);
extern TimestampTz jo_store_next_artifact_to_do(void);

/* Pieces of what is stored in the database, numbered from 0; NULL: there is none. */
extern void jo_store_insert_artifact_chunk(int64 artifact_id, int32 chunk, const char *data, Size size);
extern bytea *jo_store_artifact_chunk(int64 artifact_id, int32 chunk, Snapshot snapshot);
extern void jo_store_delete_artifact_chunks(int64 artifact_id);

/* A secret, encrypted or in a file. */
typedef struct JoSecretRow
{
	uint64		system_identifier;	/* of the cluster and database that its value is bound to */
	Oid			database_oid;
	Oid			owner;
	const char *name;
	bytea	   *sealed;			/* NULL: from_file */
	const char *key_name;		/* with sealed */
	const char *from_file;
} JoSecretRow;

extern bool jo_store_secret(const char *name, Snapshot snapshot, JoSecretRow *row);

/* The roles to which it was granted; how many. */
extern int	jo_store_secret_roles(const char *name, Snapshot snapshot, Oid **roles);

/*
 * Work for programs outside; see tables_claim.sql.  A group is what the same roles may
 * claim of a queue.
 */
typedef struct JoWorkGroupRow
{
	int64		group_id;
	Oid			owner;
	const char *queue;
	const char *owner_name;
	const char *tenant;			/* NULL: none */
} JoWorkGroupRow;

typedef struct JoOfferRow
{
	int64		group_id;
	TimestampTz offered_at;
	int64		run_id;
	int32		step;
	int32		item;
	int16		ord;
	int16		lost;			/* claims on it that expired in this attempt */
	ItemPointerData tid;		/* where it was read */
} JoOfferRow;

typedef struct JoClaimRow
{
	int64		run_id;
	int64		group_id;		/* 0: callback */
	TimestampTz claimed_at;
	int64		lease;			/* microseconds that it was asked for; 0: no end */
	int32		step;
	int32		item;
	int32		attempt;
	int16		ord;
	int16		lost;
	char		kind;			/* JO_CLAIM_... */
	const struct varlena *token;	/* its digest, to be written; not read */
	const char *claimed_by;
	const char *worker;			/* NULL: it did not say */
	TimestampTz lease_until;	/* 0: no end */
	TimestampTz timer_due;		/* of its timer JO_TIMER_LEASE; 0: none */
	ItemPointerData tid;		/* where it was read */
} JoClaimRow;

#define JO_CLAIM_EXTERNAL	'e'
#define JO_CLAIM_CALLBACK	'c'

/* Finds the group with this owner, queue and tenant, or makes it; sets group_id. */
extern void jo_store_work_group(JoWorkGroupRow *row);
extern int	jo_store_work_groups(const char *queue, JoWorkGroupRow **rows);

/* The names of the roles that may claim whatever is in the queue. */
extern int	jo_store_queue_grants(const char *queue, char ***roles);

extern void jo_store_insert_offer(const JoOfferRow *row);

/*
 * Shows what is offered in one group and priority now, oldest first, from low on, until
 * the visitor says false.  Those that somebody else is taking are shown too.
 */
typedef bool (*JoOfferVisitor) (const JoOfferRow *row, void *argument);
extern void jo_store_visit_offers(int64 group_id, int16 ord, TimestampTz low,
								  JoOfferVisitor visit, void *argument);

/*
 * They delete the row that was read; false, without waiting, when somebody changed or has
 * it.  The timer of a claim goes with it.
 */
extern bool jo_store_take_offer(const JoOfferRow *row);
extern bool jo_store_take_claim(const JoClaimRow *row);

extern void jo_store_insert_claim(const JoClaimRow *row);
extern bool jo_store_claim(int64 run_id, int32 step, int32 item, Snapshot snapshot, JoClaimRow *row);
extern bool jo_store_is_offered(int64 run_id, int32 step, int32 item, Snapshot snapshot);

/*
 * The step is over, or its attempt: nobody can claim it or say its end any more.  False
 * when somebody is just claiming it or saying its end: then it cannot end otherwise
 * before that transaction does.  Never waits.
 */
extern bool jo_store_drop_claims(int64 run_id, int32 step, int32 item);

/* What others call the step; replaces what it was called before. */
extern void jo_store_set_external_id(int64 run_id, int32 step, int32 item, const char *external_id);

/*
 * Marks of steps in flight; see tables_run.sql.  insert leaves an existing mark
 * of the same step and item as it is, delete and set_crashes of none do nothing.
 */
extern void jo_store_insert_mark(int64 run_id, int32 step, int32 item, int32 attempt);
extern void jo_store_delete_mark(int64 run_id, int32 step, int32 item);
extern void jo_store_set_mark_crashes(int64 run_id, int32 step, int32 item, int32 crashes);
extern int	jo_store_marks(JoMarkRow **rows);

/*
 * Egress.  Rules are written by SQL (egress.sql), and come in no order.  put_refusal gives the row its
 * number and takes the place of the one JO_REFUSALS before it.
 */
#define JO_REFUSALS 10000

typedef struct JoEgressRuleRow
{
	int64		rule_id;
	Oid			role;			/* InvalidOid: of a role that is not here */
	bool		everyone;		/* of all roles */
	bool		deny;
	bool		insecure;
	int32		schemes;
	int32		port_low;
	int32		port_high;
	int32		max_concurrent;
	double		rate;
	const char *host;
	int			naddresses;
	char	  **addresses;
} JoEgressRuleRow;

typedef struct JoEgressRefusalRow
{
	TimestampTz refused_at;
	int64		run_id;
	Oid			role;
	int32		item;
	int32		port;
	const char *scheme;
	const char *host;
	const char *address;		/* NULL: not known */
	const char *why;
	const char *role_name;
	const char *step_name;
} JoEgressRefusalRow;

extern int	jo_store_egress_rules(JoEgressRuleRow **rows, Oid *relid);	/* of the table */
extern void jo_store_put_refusal(const JoEgressRefusalRow *row);

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
