/*
 * egresslimit.h
 *		max_concurrent and rate of egress rules.  A leaf.
 *
 * One process does all transfers of a database, so its own memory is enough to
 * be exact.  Each is per rule and role.  What a call costs does not depend on how many
 * are refused, wait or are under way (next looks once at each rule and role in which somebody
 * waits); the table stays in the memory context that create was called in.
 *
 * A rate is spread evenly: a tenth of a second's worth may go at once, at least one.
 */
#ifndef JO_EGRESSLIMIT_H
#define JO_EGRESSLIMIT_H

#include "egress.h"

typedef struct JoEgressLimits JoEgressLimits;

/* One that waits for its turn; part of the caller's own structure, zeroed at first. */
typedef struct JoEgressWaiter
{
	struct JoEgressWaiter *next;
	struct JoEgressWaiter *previous;
	int			place;			/* 0: does not wait */
} JoEgressWaiter;

extern JoEgressLimits *jo_egress_limits_create(void);

/*
 * May one more begin?  True: it is counted, and jo_egress_limit_give_back() is due when it
 * is over (of rules without limits too: they may get one meanwhile).  False: *again is when
 * to ask again; 0: when one was given back, or others wait.  Those who are refused for the
 * rate get different times, one for each token to come.
 */
extern bool jo_egress_limit_take(JoEgressLimits *limits, const JoEgressRule *rule, uint32 role,
								 int64 now, int64 *again);

/* The rule may have changed since, only its number counts. */
extern void jo_egress_limit_give_back(JoEgressLimits *limits, const JoEgressRule *rule, uint32 role);

/*
 * For a caller who keeps the refused ones himself: wait puts one in line, next gives the
 * one whose turn has come, taken already, or NULL and *again as above.  leave is for
 * one that is not to go any more; of one that does not wait it does nothing.
 */
extern void jo_egress_limit_wait(JoEgressLimits *limits, const JoEgressRule *rule, uint32 role,
								 JoEgressWaiter *waiter);
extern JoEgressWaiter *jo_egress_limit_next(JoEgressLimits *limits, int64 now, int64 *again);
extern void jo_egress_limit_leave(JoEgressLimits *limits, JoEgressWaiter *waiter);

#endif
