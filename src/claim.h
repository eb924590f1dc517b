/*
 * claim.h
 *		Work that programs outside claim, as the step sees it: offering it, and looking
 *		after whoever has it.
 */
#ifndef JO_CLAIM_H
#define JO_CLAIM_H

#include "steptry.h"

#define JO_TOKEN_PREFIX "joc_"
#define JO_MIN_LEASE USECS_PER_SEC
#define JO_MAX_LEASE (30 * USECS_PER_DAY)

/*
 * A step of type external begins to wait: offers it in the queue that its request names,
 * in the open transaction.  Raises ERRCODE_JO_REQUEST for a queue or lease that is none.
 */
extern void jo_claim_offer(JoTry *try, Jsonb *request);

/*
 * Of a step that waits for somebody else's word (its kind is JO_WAIT_OUTSIDE): what is to
 * be done now?  Gives back what a lease has run out on, fails it by its time-out (timeout_hint says what to
 * do about that) or because it was lost too often, and otherwise waits on.  A step that somebody is just
 * completing does not end before he is through.
 */
extern JoVerdict jo_claim_watch(JoTry *try, const char *timeout_hint);

/* What others call a step, if its request says so ("external_id").  In the open transaction. */
extern void jo_claim_note_external_id(int64 run_id, const JoStepDef *step, int32 item, Jsonb *request);

/*
 * The lease that a request asks for, microseconds; 0: it says nothing.  Raises
 * ERRCODE_JO_REQUEST.
 */
extern int64 jo_claim_lease(Jsonb *request);

/* Allocated in the current context: a token that nobody can guess, and what is kept of it. */
extern char *jo_claim_make_token(const struct varlena **digest);

/*
 * A network step whose other side may answer later: a token for complete_claim(), good
 * from the commit of the open transaction until the step, or this attempt of it, is over.
 * One of the same step from before is void then.  The row goes with the step's wait; when the attempt
 * ends without one, by jo_store_drop_claims().
 */
extern char *jo_claim_begin_callback(int64 run_id, int32 step, int32 item, int32 attempt);

#endif
