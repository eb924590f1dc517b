/*
 * slots.h
 *		Executor processes: reserve, start, give work, cancel, reap.
 */
#ifndef JO_SLOTS_H
#define JO_SLOTS_H

#include "handout.h"
#include "shmem.h"

/* ---- the executor's side ---- */

/* The process takes its slot; leaves it, with latch and mark only, when it exits. */
extern void jo_slot_attach(int index);

typedef enum JoTurn
{
	JO_TURN_WORK,				/* slot->run and ->step are set */
	JO_TURN_IDLE,				/* nothing ready: wait for the latch */
	JO_TURN_QUIT				/* leave */
} JoTurn;

/*
 * Applies what the last step came to and takes the next one.  Takes and
 * releases jo_shared->lock; does not raise.
 */
extern JoTurn jo_slot_turn(JoSlot *slot);

/* What force-cancel must name to hit the step that the slot has now. */
extern uint64 jo_slot_token(const JoSlot *slot);

/* ---- the dispatcher's side; lock held exclusively ---- */

/*
 * A slot for one more executor of a class, state STARTING; NULL: all are taken
 * (then the least recently used idle one of another class was asked to leave).
 */
extern JoSlot *jo_slot_reserve(JoClass *class);

/* Gives a slot back that was reserved but got no process. */
extern void jo_slot_unreserve(JoSlot *slot);

/* Interrupts the step that the slot has. */
extern void jo_slot_cancel(JoSlot *slot, bool timed_out);

/* Interrupts a step that is being executed, by whoever does it. */
extern void jo_slot_cut(JoActiveRun *run, JoStepState *state, bool timed_out);

/*
 * Terminates executors whose step did not obey jo_slot_cancel(); takes the lock
 * itself.  When the next one is due, 0: none.
 */
extern TimestampTz jo_slots_insist(const JoDatabase *database, TimestampTz now);

/*
 * The process of the slot is gone: applies what it left.  Returns true when the
 * step that it had must be recorded as failed (FATAL of its own making): the
 * slot then keeps run and step until jo_outcome_apply().
 */
extern bool jo_slot_reap(JoDatabase *database, JoSlot *slot, JoWakeList *wakes);
extern void jo_slot_free(JoSlot *slot);

#endif
