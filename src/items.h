/*
 * items.h
 *		The items of a step with foreach, in memory.
 *
 * The step's OPEN part counted the items and stored them; EACH is then carried
 * out once for each.  Only a window of them has a state (JoStepState) at a time, so
 * 100 000 items need 25 kB and the window.  Locks as active.h says; nothing raises,
 * but for runs in local memory, which are allocated with palloc().
 */
#ifndef JO_ITEMS_H
#define JO_ITEMS_H

#include "shmem.h"

/* EACH begins, with n items (not 0).  Without memory the run is to be read anew when there is some. */
extern void jo_items_open(JoActiveRun *run, JoStepState *each, int32 n);

/* Makes items fresh as far as the window has room. */
extern void jo_items_refill(JoActiveRun *run);

/* The state of an item; NULL: it has none. */
extern JoStepState *jo_items_find(JoItems *items, int32 item);

/* The state of an item that is not final yet, made if need be, and then fresh; NULL: final, or no room. */
extern JoStepState *jo_items_state(JoActiveRun *run, JoStepState *each, int32 item);

/*
 * An item was tried before the run was recovered.  There is no room to keep how often
 * for each: all such are numbered from the most that one was.
 */
extern void jo_items_note_attempt(JoActiveRun *run, int32 step, int32 item, int32 attempt);

/*
 * An item is final; its state is given back.  Returns the status of EACH if it is
 * final with that, else 0.
 */
extern char jo_items_resolve(JoActiveRun *run, JoStepState *state, char status);

/* Calls something with the state of each step and item of a run that has one. */
extern void jo_items_visit(JoActiveRun *run, void (*visit) (JoActiveRun *run, JoStepState *state, void *argument),
						   void *argument);

/*
 * No item begins any more; false while some are being executed.  They must be in
 * no list.  stopped_as: what EACH is when none is left.
 */
extern bool jo_items_stop(JoActiveRun *run, JoStepState *each, char status);
extern char jo_items_stopped_as(const JoActiveRun *run, const JoStepState *each);

extern void jo_items_free_all(JoActiveRun *run);

#endif
