/*
 * courier.h
 *		What the files of the courier share, and nobody else includes.
 *
 * courier.c is the process and its loop, couriertask.c what is done for one step inside a
 * transaction, courierbatch.c transactions for many, couriergate.c who must not begin
 * yet, courierflow.c bytes that go through the database while a transfer is under way.
 */
#ifndef JO_COURIER_H
#define JO_COURIER_H

#include "books.h"
#include "egresslimit.h"
#include "lib/ilist.h"
#include "request.h"
#include "shmem.h"
#include "stepwrite.h"

typedef enum JoCarryState
{
	JO_CARRY_NEW,				/* taken, or let through a gate: to be begun */
	JO_CARRY_HELD,				/* in the queue of a gate */
	JO_CARRY_OPEN,				/* its attempt is on disk, bytes move */
	JO_CARRY_DONE,				/* what came is to be written */
	JO_CARRY_OVER				/* written: memory is to be told */
} JoCarryState;

struct JoGate;

/* One network step that the courier has in hand. */
typedef struct JoCarry
{
	JoErrand	errand;			/* first; its context is that of all this */
	JoCarryState state;
	dlist_node	node;			/* in the list of its state */
	dlist_node	all;			/* in the list of all */
	JoTask		task;
	JoAttempt	attempt;
	Oid			incarnation;	/* of the extension when it was taken */
	const JoErrandKind *kind;
	bool		prepared;		/* errand is filled in */
	bool		marked;			/* careful mode: it left a mark, which goes with its attempt */
	TimestampTz prepared_at;
	bool		writing;		/* what raised concerns the rows, not the step */
	int			unwritten;		/* how often its end could not be written */
	Size		memory;			/* of the errand, as it was counted last */
	bool		cut;			/* it is to end cancelled */
	bool		timed_out;		/* why: the run's time-out */
	struct JoGate *gate;		/* that counts it, or in whose queue it is; NULL: none */
	bool		held_before;	/* it has waited at a gate */
	bool		counted;		/* by gate */
	bool		limited;		/* counted by its egress rule: to be given back */
	int64		rule_id;		/* of that rule */
	JoEgressWaiter waiter;		/* in the line of that rule */
	JoNetTransfer *transfer;	/* NULL: none was opened */
	JoErrandResult result;
	JoMeaning	meaning;		/* what was written, once that is committed */
	ErrorData  *failure;		/* it went wrong while bytes moved; NULL: no */
	struct JoArtifactReader *source;
} JoCarry;

/* ---- courier.c ---- */

extern JoDatabase *jo_courier_database;

/* ---- couriertask.c: inside a transaction; may raise ---- */

/*
 * Fills the errand in, asks the gates, and leaves the trace of the attempt.  Afterwards
 * it is OPEN (nothing is sent yet), HELD, or OVER.
 */
extern void jo_carry_begin(JoCarry *carry);

/* Undoes what begin did to memory, when its transaction aborted. */
extern void jo_carry_unbegin(JoCarry *carry);

/* Forgets the request, which takes memory; it will be made anew. */
extern void jo_carry_unprepare(JoCarry *carry);

/* Writes what came of it; it is OVER then. */
extern void jo_carry_end(JoCarry *carry);

/* The same for one that went wrong. */
extern void jo_carry_fail(JoCarry *carry, ErrorData *error);

/* Does what writing raised say that the step is not ours any more? */
extern bool jo_carry_is_stale(ErrorData *error);

/* ---- courierbatch.c: outside of transactions ---- */

extern void jo_carry_init(void);

/* A new one for a task, in the list of all. */
extern JoCarry *jo_carry_create(const JoTask *task);

/*
 * Begins all of them in one transaction (what raises fails alone), and tells memory what is OVER, which is
 * freed.  Those that are OPEN afterwards are left in carries[0 .. result - 1].  *disturbed: some
 * could not be written (disk full, say) and were given back: not to be tried again at once.
 * When requests take too much memory the rest is put aside, for jo_carry_take_aside().
 */
extern int	jo_carry_begin_all(JoCarry **carries, int n, bool *disturbed);

/* Do the requests in hand take so much memory that no more should begin? */
extern bool jo_carry_is_full(void);
extern int	jo_carry_take_aside(JoCarry **carries, int max);

/*
 * Ends them in the same way.  Those that could not be written are left in carries[0 ..
 * result - 1], as they were.  *disturbed: no others can be written either, for now.
 */
extern int	jo_carry_end_all(JoCarry **carries, int n, bool *disturbed);

/*
 * Marks those that are to be broken off, and calls break_off for each that is new so; gives
 * back those that are recalled and wait at a gate.
 */
extern void jo_carry_look_for_cut(void (*break_off) (JoCarry *carry));

extern int	jo_carry_count(void);

/* ---- couriergate.c: local memory only, never raises but for memory ---- */

extern void jo_gate_init(void);

/* May it begin under the limits of its host and its egress rule?  If so it is counted. */
extern bool jo_gate_pass(JoCarry *carry, TimestampTz now);

/* It is over (or has not begun after all): makes room for the next. */
extern void jo_gate_leave(JoCarry *carry);

/* It is HELD: it waits at the gate that did not let it pass. */
extern void jo_gate_hold(JoCarry *carry);

/* One that waits is to end. */
extern void jo_gate_forget(JoCarry *carry);

/* Those that may try again now, at most max; *next is when the next one may (0: when another ends). */
extern int	jo_gate_next(JoCarry **carries, int max, TimestampTz now, TimestampTz *next);

extern int	jo_gate_held(void);

/* ---- courierflow.c: outside of transactions; never raises ---- */

/* A window is full: the bytes go to the step's artifact or file. */
extern void jo_carry_take_bytes(JoCarry *carry);

/*
 * It is done: its artifact gets the last bytes, in a transaction of its own, since what is
 * finished in one with others would be lost when one of these makes it fail.
 */
extern void jo_carry_close_spool(JoCarry *carry);

/* An upload wants more. */
extern void jo_carry_give_bytes(JoCarry *carry);

#endif
