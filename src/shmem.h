/*
 * shmem.h
 *		All that the processes of joborch share, and who owns which field.
 *
 * One block, made by the postmaster, at the same address in every process, so
 * plain pointers into it are good everywhere.  What has no fixed size (graphs,
 * step states of runs with more than one step) comes from a DSA inside the block
 * that may not grow: no segment is ever attached, so commit callbacks can walk
 * everything.  All of it is rebuilt from the tables after a crash.
 *
 * One LWLock, jo_shared->lock, guards every field that is not marked otherwise.
 * Nothing that can raise may run while it is held.  Fields marked [owner] are
 * written by the process named there without the lock and only read by others.
 */
#ifndef JO_SHMEM_H
#define JO_SHMEM_H

#include "joborch.h"
#include "access/xlogdefs.h"
#include "datatype/timestamp.h"
#include "port/atomics.h"
#include "storage/itemptr.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "utils/dsa.h"

#define JO_MAX_DATABASES	64	/* databases with the extension, at a time */
#define JO_MAX_CLASSES		256 /* (database, role) pairs with work, at a time */
#define JO_MAX_SLOTS		128 /* executors, upper bound of joborch.max_executors */
#define JO_MAX_CURSORS		256 /* (queue, priority) pairs of one database */
#define JO_MAX_RANGES		128 /* announced ranges not yet read, per database */
#define JO_MAX_CONTROLS		512 /* announced control requests, per database */
#define JO_EVENT_RING		16384	/* events not yet published, per cluster; a power of 2 */
#define JO_MAX_WAITERS		512 /* sessions in wait_for_run */
#define JO_ERROR_TEXT		512
#define JO_HIGH_WATER		2048 /* ready steps of a database over which no more rows are read */
#define JO_LOW_WATER		256 /* ready steps of a class under which more rows are read */

struct JoActiveRun;
struct JoClass;

/* ---- the graph of a job version, immutable, shared by its active runs ---- */

/* From a parent to a step that depends on it. */
typedef struct JoShapeEdge
{
	int16		step;
	uint8		on;				/* JoEdgeOn */
	int16		branch;			/* BRANCH: which; CLOSE: of which branch the parent is the last step, else -1 */
} JoShapeEdge;

typedef struct JoShapeStep
{
	int32		first_successor;	/* into JoShape.successors */
	int16		nsuccessors;
	int16		nparents;
	uint8		rule;			/* JoTriggerRule */
	uint8		on_error;		/* JoOnError */
	uint8		phase;			/* JoPhase */
	uint8		part;			/* JoPart */
	int8		priority;		/* -1: the run's */
	bool		counted;		/* in the run's numbers of steps */
	bool		hears;			/* a request may end its wait: a signal, a decision, a permit, a hint; orders are for all */
	bool		may_wait;		/* may have a row in wait */
	bool		network;		/* the courier carries it out */
	bool		gated;			/* network: an executor looks first (condition, permit, cache) */
	bool		is_race;		/* CLOSE: the rest is cancelled */
	bool		ends_run;		/* its success leaves nothing to begin */
	bool		go_on;			/* EACH: other items begin after one failed */
	int16		scope;			/* CLOSE of the innermost container around it; -1: none */
	int16		compensates;	/* the step whose effect it undoes; -1: none */
	int16		enough;			/* so many completed parents (CLOSE: branches) suffice; 0: all */
	int16		max_concurrent; /* CLOSE: of its steps; 0: no limit */
	int32		max_parallel;	/* EACH: items at a time; 0: no limit of its own */
	int32		max_failed;		/* EACH with go_on: so many may fail; -1: all */
	Oid			run_as;			/* InvalidOid: the run's owner */
} JoShapeStep;

typedef struct JoShape
{
	Oid			dboid;
	int64		version_id;
	int64		job_id;			/* 0: ad hoc */
	int64		timeout;		/* of a run, microseconds; 0: none */
	int32		references;		/* active runs that use it */
	int16		nsteps;
	bool		has_output;		/* the job has an "output" template */
	bool		has_items;		/* a step is repeated by foreach */
	bool		has_limits;		/* a container has max_concurrent */
	bool		may_wait;		/* a step may have a row in wait */
	bool		has_permits;	/* the job or a step has "concurrency" */
	bool		followed;		/* other jobs start after it; not immutable, under the lock */
	uint8		durability;		/* JoDurability */
	dsa_pointer self;
	struct JoShape *next;		/* hash chain */
	JoShapeEdge *successors;
	JoShapeStep steps[FLEXIBLE_ARRAY_MEMBER];
} JoShape;

/* ---- one run in memory ---- */

/* JoStepState.slot of a step that no executor has */
#define JO_WITH_NOBODY (-1)
#define JO_WITH_COURIER (-2)

/* JoStepState.held: for what */
#define JO_HELD_HOST 'h'		/* joborch.max_transfers_per_host */
#define JO_HELD_RULE 'r'		/* its egress rule's limits */

/* JoStepState.cut */
#define JO_CUT_BACK 'b'			/* it is given back, unless it has begun */
#define JO_CUT_OFF 'o'			/* it is broken off */

typedef struct JoStepState
{
	struct JoActiveRun *run;
	struct JoClass *class;		/* of the list it is in; NULL: in none */
	struct JoStepState *next;	/* in that list, or in the run's fresh chain */
	struct JoStepState *prev;
	int16		step;
	char		status;			/* JO_STEP_... */
	bool		cancelled_parent;	/* at least one: if it is not to run, it is cancelled too */
	bool		woken;			/* its timer fired, or what it waits for came, before the outcome was applied */
	bool		resumed;		/* it waited: the next execution is no new attempt */
	bool		handed_over;	/* its gates let it through: the courier may have it */
	bool		open_ended_badly;	/* CLOSE: its OPEN was skipped or cancelled */
	char		cut;			/* the courier is to let it go: JO_CUT_...; 0: no */
	char		held;			/* the courier lets it wait: JO_HELD_...; 0: no */
	int16		completed_parents;
	int16		failed_parents;
	int16		skipped_parents;
	int16		enough;			/* CLOSE: branches that completed */
	int16		slot;			/* executor that has it, or JO_WITH_... */
	int32		item;			/* JO_NO_ITEM, or which item of EACH this is */
	struct JoItems *items;		/* EACH, once its OPEN has counted them */
	int32		attempt;		/* of the try in flight or the last one; 0: none yet */
	int32		epoch_attempts; /* tries charged in this epoch */
	int16		interruptions;	/* uncharged ends of an attempt */
} JoStepState;

/*
 * The items of a step with foreach.  Only some at a time, the window, have a state;
 * the others are a bit each.
 */
typedef struct JoItems
{
	dsa_pointer self;			/* InvalidDsaPointer: in local memory */
	int32		n;
	int32		next;			/* the first that may have had no state yet */
	int32		unresolved;
	int32		nfailed;
	int32		attempts;		/* the most that an item had before the run was recovered */
	bool		restored;		/* some at or after next may have a state */
	bool		stopped;		/* no more of them begin */
	char		stop_status;	/* what the step becomes then, unless an item failed it */
	int32		window;
	JoStepState *free;			/* chained by next */
	uint32	   *done;			/* bit set: final */
	uint32	   *tried;			/* bit set: begins after the attempts of before */
	JoStepState states[FLEXIBLE_ARRAY_MEMBER];
} JoItems;

typedef enum JoRunState
{
	JO_ACTIVE_FREE,				/* in the free list */
	JO_ACTIVE_RESERVED,			/* start() holds it until its commit */
	JO_ACTIVE_LOADING,			/* dispatcher: entered, rows not read yet */
	JO_ACTIVE_READY,			/* counts are right, steps are handed out */
	JO_ACTIVE_ENDING			/* its end is being written; nothing is handed out */
} JoRunState;

typedef struct JoActiveRun
{
	int32		index;			/* of the entry, constant */
	int32		next;			/* hash chain, or free list */
	JoRunState	state;
	Oid			dboid;
	int64		run_id;
	int64		version_id;
	Oid			owner;
	int32		epoch;
	int32		queue_id;
	uint8		ord;			/* priority */
	bool		paused;
	bool		asked;			/* a request was committed: nothing begins until the dispatcher looked */
	char		cancel;			/* JO_CANCEL_... */
	bool		failed;			/* a step failed with on_error fail or stop */
	bool		stopping;		/* hand out nothing more of the current phase */
	bool		timed_out;
	bool		begun_marked;	/* live.begun is set */
	bool		out_of_memory;	/* the items of a step found no room */
	bool		reload;			/* its rows are not what memory thinks: read them anew */
	bool		started_told;	/* job_started was posted */
	uint8		phase;			/* JoPhase now open */
	bool		todo;			/* is in its database's todo list */
	struct JoActiveRun *next_todo;
	int16		unresolved;		/* steps not in a final status */
	int16		in_flight;		/* steps RUNNING */
	int16		ready;			/* steps QUEUED */
	int16		retrying;		/* steps RETRYING */
	int16		waiting;		/* steps WAITING */
	bool		to_trim;		/* a race is over, or an item failed: some steps are to be stopped */
	bool		has_orphans;	/* a step that waited was stopped: its row, timer and child are still there */
	bool		permitted;		/* it holds what the job's "concurrency" wants */
	bool		followed;		/* live.followed: its executor does not write its end */
	bool		fenced;			/* live.replaceable: live.begun is to be set before anything begins */
	int64		parent_run_id;	/* 0: none */
	int32		parent_step;
	int32		parent_item;
	int16		ncompleted;
	int16		nfailed;
	int16		nskipped;
	int16		failed_step;	/* first step that failed the run, or -1 */
	ItemPointerData live_tid;	/* where its live row was last seen */
	TimestampTz started_at;		/* 0: no step handed out yet */
	TimestampTz deadline;		/* of the run; 0: none */
	int16		phase_unresolved;	/* the same, of the open phase */
	JoStepState *fresh;			/* steps that became ready and are in no list yet */
	JoStepState *fresh_tail;
	struct JoClass *class;		/* of the owner */
	JoShape    *shape;
	dsa_pointer steps_dp;		/* InvalidDsaPointer: steps is &one */
	JoStepState *steps;
	JoStepState one;			/* the step state of a one-step run */
} JoActiveRun;

/* ---- who runs it: one executor process ---- */

typedef enum JoSlotState
{
	JO_SLOT_FREE,
	JO_SLOT_STARTING,			/* registered with the postmaster */
	JO_SLOT_IDLE,				/* waits for work on its latch */
	JO_SLOT_BUSY,				/* has a step */
	JO_SLOT_DEAD				/* its process is gone; the dispatcher reaps */
} JoSlotState;

typedef enum JoWorkPhase
{
	JO_WORK_NONE,
	JO_WORK_RUNNING,			/* before the step's transaction committed */
	JO_WORK_COMMITTED			/* it committed; outcome not applied yet */
} JoWorkPhase;

/* What a step's attempt came to. */
typedef enum JoOutcome
{
	JO_OUTCOME_NONE,
	JO_OUTCOME_COMPLETED,
	JO_OUTCOME_FAILED,			/* no attempt left: a step row was written */
	JO_OUTCOME_RETRY,			/* an attempt row and a timer were written */
	JO_OUTCOME_SKIPPED,			/* `when` was false: a step row was written */
	JO_OUTCOME_CANCELLED,		/* force-cancel: a step row was written */
	JO_OUTCOME_WAIT,			/* nothing final: a row in wait was written */
	JO_OUTCOME_HAND_OVER,		/* the same, and the courier goes on at once */
	JO_OUTCOME_RERUN,			/* interrupted, nothing written, not charged */
	JO_OUTCOME_STALE			/* another token won: forget the run and read it anew */
} JoOutcome;

/* A step that somebody has in hand: an executor, the courier, or the dispatcher when it was lost. */
typedef struct JoTask
{
	JoActiveRun *run;			/* NULL: none */
	JoStepState *state;
	int16		step;
	int32		item;
	int32		attempt;
	int32		epoch;
	TimestampTz started_at;
	JoOutcome	outcome;		/* what its transaction's commit means */
	int32		taken;			/* with COMPLETED: branch or number of items; -1: neither */
	TimestampTz timer_due;		/* with RETRY or WAIT: of the timer it wrote; 0: none */
	bool		ended_run;		/* its transaction wrote the run's end too */
	XLogRecPtr	commit_lsn;
} JoTask;

typedef struct JoSlot
{
	int16		index;
	JoSlotState state;
	uint32		generation;		/* grows each time the slot is given to a process */
	Oid			dboid;
	Oid			role;
	struct JoClass *class;
	struct JoSlot *next_idle;	/* class's idle list, most recently used first */
	bool		listed;			/* is in that list */
	pid_t		pid;			/* [executor] 0 before it attached */
	Latch	   *latch;			/* [executor] */
	bool		quit;			/* asked to leave (room for another, DDL, shutdown) */
	TimestampTz since;			/* of the state */

	JoTask		task;			/* the step it has; [executor] from outcome to commit_lsn */
	JoWorkPhase work;			/* [executor, then whoever reaps] */
	bool		self_inflicted; /* [executor] FATAL of the step's own making */
	bool		marked;			/* a row in marks exists, or is being written */
	bool		long_seen;		/* the dispatcher looked after this long step already */
	uint64		cancel_token;	/* (generation << 32 | steps_done) at which force-cancel aims; 0: none */
	TimestampTz insist_at;		/* when its process is terminated if it has not obeyed; 0: never */
	bool		cancel_timed_out;	/* why: the run's time-out, not an operator */
	uint32		steps_done;		/* [executor] */
	int			fatal_sqlstate; /* [executor] */
	char		fatal_text[JO_ERROR_TEXT];	/* [executor] */
} JoSlot;

/* ---- what is ready, per (database, role) ---- */

typedef struct JoReadyList
{
	JoStepState *head;
	JoStepState *tail;
	int32		length;
} JoReadyList;

/* JoClass.role of what the courier carries out, for all roles */
#define JO_COURIER_ROLE InvalidOid

typedef struct JoClass
{
	Oid			dboid;			/* InvalidOid: free entry */
	Oid			role;			/* JO_COURIER_ROLE: no executor's */
	JoReadyList lists[JO_PRIORITIES];
	int32		ready;			/* length of all lists */
	int32		nslots;			/* executors that exist or start */
	int32		nruns;			/* active runs whose class pointer is this */
	JoSlot	   *idle;
	uint32		turn;			/* counts hand-outs, for ageing */
	TimestampTz start_after;	/* back-off: its last executor died at once */
	TimestampTz starving_since; /* has no executor, and no slot was free for one; 0: no */
	bool		wants_slot;		/* no slot was free for one more executor */
	TimestampTz last_use;
} JoClass;

/* ---- one database ---- */

/* A key in the index live_order. */
typedef struct JoLiveKey
{
	TimestampTz due;
	int64		run_id;
} JoLiveKey;

/* Up to where one (queue, priority) has been read. */
typedef struct JoCursor
{
	int32		queue_id;
	uint8		ord;
	JoLiveKey	key;			/* rows up to and including it were read */
	bool		drained;		/* nothing due was left behind it */
	bool		reading;		/* the dispatcher reads behind it now: nobody else may move it */
	TimestampTz next_due;		/* of the first row behind it that is not due yet; 0: none */
	JoLiveKey	late;			/* the lowest that was announced above key since a reading began */
} JoCursor;

/* A stretch of live_order behind the cursor that someone committed late. */
typedef struct JoRange
{
	int32		queue_id;
	uint8		ord;
	JoLiveKey	low;
	JoLiveKey	high;
} JoRange;

typedef enum JoDatabaseState
{
	JO_DATABASE_FREE,
	JO_DATABASE_PROBE,			/* wanted: the launcher starts a dispatcher */
	JO_DATABASE_STARTING,		/* registered */
	JO_DATABASE_RUNNING,		/* its dispatcher works */
	JO_DATABASE_HELD,			/* dispatcher is there, but the rows are a copy's */
	JO_DATABASE_GONE,			/* dispatcher left: no extension there */
	JO_DATABASE_RELEASED		/* DDL on the database itself: keep out */
} JoDatabaseState;

typedef struct JoDatabase
{
	Oid			dboid;
	JoDatabaseState state;
	int32		releases;		/* sessions that asked us to keep out */
	pid_t		dispatcher_pid; /* [dispatcher] */
	Latch	   *dispatcher;		/* [dispatcher] NULL: none */
	pid_t		publisher_pid;	/* [publisher] */
	Latch	   *publisher;		/* [publisher] */
	bool		publisher_wanted;
	pid_t		courier_pid;	/* [courier] */
	Latch	   *courier;		/* [courier] NULL: none */
	TimestampTz courier_since;	/* it was started then and has not come yet; 0: no */
	TimestampTz courier_after;	/* not to be started before; 0: at any time */
	bool		courier_dead;	/* it left: what it had is to be given back */
	bool		courier_cut;	/* some step of its is to be broken off */
	bool		courier_chores; /* it has work that is no step's */
	int32		courier_open;	/* [courier] transfers under way, for views */
	bool		no_worker_slot; /* RegisterDynamicBackgroundWorker was refused */
	bool		careful;		/* every step gets a mark first */
	TimestampTz careful_until;
	TimestampTz next_timer;		/* [dispatcher] earliest row in timers; 0: none */
	TimestampTz timer_announced;	/* earliest row written since the dispatcher looked; 0: none */
	TimestampTz next_schedule;	/* [dispatcher] when a schedule is to be looked at; 0: none */
	TimestampTz schedule_announced; /* earliest one written since the dispatcher looked; 0: none */
	bool		backlog;		/* rows that are due are not in memory yet */
	bool		growing;		/* dispatcher looks again soon whether more executors help */
	bool		refill_asked;	/* its latch was set for more work already */
	uint32		follow_changes; /* how often JoShape.followed was told anew */
	int64		boot_run_id;	/* runs up to it may have a history from before this server start */
	bool		sweep;			/* look at everything behind the cursors */
	bool		reload;			/* controls overflowed: re-read every active run */
	int32		active;			/* runs in memory */
	JoActiveRun *todo;			/* runs the dispatcher must look at (end, next phase) */
	JoActiveRun *todo_tail;
	int32		ncursors;
	JoCursor	cursors[JO_MAX_CURSORS];
	int32		nranges;
	JoRange		ranges[JO_MAX_RANGES];
	int32		ncontrols;
	int64		controls[JO_MAX_CONTROLS];	/* run ids whose rows changed by request */

	/* told to the outside; these under event_lock */
	bool		publisher_signalled;	/* its latch was set, it has not looked since */
	uint64		events_told;	/* events before it were told */
	uint64		events_taken;	/* the publisher has a copy of those before it */
	TimestampTz taken_from;		/* time of the first event that is taken and not told */
	uint64		events_lost;	/* overwritten before they were taken */
	TimestampTz lost_since;		/* ends that finished from here .. */
	TimestampTz lost_until;		/* .. to here must be read from the table; 0: none */
} JoDatabase;

/* ---- events ---- */

typedef enum JoEventType
{
	JO_EVENT_JOB_STARTED,
	JO_EVENT_JOB_STATUS_UPDATE,
	JO_EVENT_STEP_STATUS_UPDATE,
	JO_EVENT_JOB_COMPLETED
} JoEventType;

typedef struct JoEvent
{
	uint64		id;				/* grows, also over restarts; the ring's position */
	Oid			dboid;
	int16		database;		/* index of its entry */
	JoEventType type;
	int64		run_id;
	int64		version_id;
	int16		step;			/* -1: of the run */
	int32		item;
	char		status;			/* run or step status letter */
	int32		attempt;
	int16		progress;		/* percent */
	TimestampTz at;
	XLogRecPtr	lsn;			/* must be flushed before it is told */
} JoEvent;

/*
 * How many sessions LISTEN, counted in buckets: by database, and for the
 * channel of one run by database and run.  Two that share a bucket only mean
 * events that nobody hears.  No entry of a database is needed, so a LISTEN that
 * comes before CREATE EXTENSION counts too.
 */
#define JO_LISTENER_BUCKETS	1024	/* a power of 2 */

typedef struct JoListeners
{
	pg_atomic_uint32 any[JO_LISTENER_BUCKETS];	/* to any channel of joborch */
	pg_atomic_uint32 all[JO_LISTENER_BUCKETS];	/* to the channel joborch */
	pg_atomic_uint32 run[JO_LISTENER_BUCKETS];	/* to joborch_run_<id> */
	pg_atomic_uint32 work[JO_LISTENER_BUCKETS]; /* to joborch_work; not in any */
} JoListeners;

typedef struct JoWaiter
{
	int64		run_id;			/* 0: free; JO_WAITS_FOR_WORK */
	Oid			dboid;
	Latch	   *latch;
	uint32		queue;			/* for work: hash of the queue's name */
	uint32		rights;			/* for work: who has the same may claim the same */
	bool		woken;			/* for work: it was, and has not begun to look since */
} JoWaiter;

#define JO_WAITS_FOR_WORK (-1)

/* ---- work that is offered to programs outside; all of it under event_lock ---- */

#define JO_MAX_WORK_GROUPS	256 /* known at a time; of another one, what is gone is walked over again */
#define JO_MAX_WORK_NEWS	64	/* queues with work that was not told yet */
#define JO_QUEUE_NAME_SIZE	64

/* From where on the offers of a group are to be read. */
typedef struct JoWorkGroup
{
	Oid			dboid;			/* InvalidOid: free entry */
	int64		group_id;
	TimestampTz last_use;
	TimestampTz low[JO_PRIORITIES]; /* nothing that is offered is older; 0: not known */
	TimestampTz late[JO_PRIORITIES];	/* the oldest that was offered since the reading began */
	TimestampTz reading_since;	/* who reads may move low up; 0: nobody does */
	uint32		reading;		/* number of that reading */
} JoWorkGroup;

typedef struct JoWorkNews
{
	Oid			dboid;			/* InvalidOid: free entry */
	bool		taken;			/* the publisher is telling it */
	XLogRecPtr	lsn;			/* must be flushed before it is told */
	char		queue[JO_QUEUE_NAME_SIZE];	/* empty: more queues than there is room for */
} JoWorkNews;

/* ---- the block ---- */

typedef struct JoShared
{
	LWLock	   *lock;
	LWLock	   *event_lock;		/* the event ring and waiters; taken after lock, never before */

	Latch	   *launcher;		/* [launcher] */
	pid_t		launcher_pid;	/* [launcher] */
	pg_atomic_uint32 prepared;	/* transactions prepared with announcements: no callback will tell */
	TimestampTz prepared_at;	/* when the last one was */
	TimestampTz clock_offset;	/* test builds only */

	JoDatabase	databases[JO_MAX_DATABASES];
	JoClass		classes[JO_MAX_CLASSES];
	int32		nslots;			/* = joborch.max_executors */
	JoSlot		slots[JO_MAX_SLOTS];
	bool		starving;		/* some class may be: executors make room for it */
	bool		slots_wanted;	/* some class may have wants_slot */

	int32		max_runs;		/* = joborch.max_active_runs */
	int32		free_run;		/* head of the free list, -1: none */
	int32		nbuckets;		/* a power of 2 */
	int32	   *buckets;		/* hash of (database, run_id) */
	JoActiveRun *runs;
	JoShape    *shapes[256];	/* hash of (database, version_id) */

	uint64		first_event;	/* under event_lock: the first id since the server started */
	uint64		next_event;		/* under event_lock */
	JoEvent		events[JO_EVENT_RING];	/* the last ones; a full ring overwrites the oldest */
	JoListeners listeners;
	int32		nwaiters;		/* under event_lock */
	JoWaiter	waiters[JO_MAX_WAITERS];
	JoWorkGroup work_groups[JO_MAX_WORK_GROUPS];
	JoWorkNews	work_news[JO_MAX_WORK_NEWS];

	Size		dsa_size;
	void	   *dsa_place;
} JoShared;

extern JoShared *jo_shared;		/* NULL: the library was not preloaded */

extern void jo_shmem_init(void);	/* from _PG_init, preloading only */
extern dsa_area *jo_shmem_area(void);	/* attaches once per process; may raise */

/* Raises, with the setting to change, if the library was not preloaded. */
extern void jo_shmem_require(void);

/* The entry of a database; NULL if it has none.  Caller holds the lock. */
extern JoDatabase *jo_shmem_database(Oid dboid);

/* The same, made if missing; NULL when all are taken.  Exclusive lock held. */
extern JoDatabase *jo_shmem_database_enter(Oid dboid);

/* Work for a run's database's dispatcher.  Exclusive lock held. */
extern void jo_shmem_todo(JoDatabase *database, JoActiveRun *run);
extern JoActiveRun *jo_shmem_next_todo(JoDatabase *database);

/* The dispatcher is to look at a run's rows.  Exclusive lock held; wakes nobody. */
extern void jo_shmem_control(JoDatabase *database, int64 run_id);

/* A row in timers was committed. Exclusive lock held; wakes the dispatcher. */
extern void jo_shmem_announce_timer(JoDatabase *database, TimestampTz due);

/* A schedule's next time was committed. Exclusive lock held; wakes the dispatcher. */
extern void jo_shmem_announce_schedule(JoDatabase *database, TimestampTz due);

/* Sets a latch that may be NULL. */
extern void jo_shmem_wake(Latch *latch);

#endif
