/*
 * couriergate.c
 *		Who must not begin yet: one queue per host; the lines of limited egress rules.
 *
 * A step for which its host has no room waits here, with nothing written and nothing
 * open, and so holds up nobody who goes elsewhere; one whose rule has no room waits
 * in egresslimit.c's line.  Local memory of the courier only.
 */
#include "joborch.h"

#include "courier.h"
#include "egresslimit.h"
#include "guc.h"
#include "utils/hsearch.h"

#define GATE_NAME 256			/* of a host with its port */

typedef struct JoGate
{
	char		name[GATE_NAME];	/* the key */
	int			open;			/* that passed and did not leave */
	int			nheld;
	dlist_head	held;			/* JoCarry.node */
	bool		due;			/* in due_gates: some of them may try */
	dlist_node	node;
} JoGate;

static HTAB *gates = NULL;
static dlist_head due_gates = DLIST_STATIC_INIT(due_gates);
static int	nheld = 0;			/* at gates, and in the lines of rules */
static JoEgressLimits *limits = NULL;

void
jo_gate_init(void)
{
	HASHCTL		info = {.keysize = GATE_NAME,.entrysize = sizeof(JoGate)};

	gates = hash_create("joborch gates", 64, &info, HASH_ELEM | HASH_STRINGS);
	limits = jo_egress_limits_create();
}

static JoGate *
gate_of(const JoCarry *carry)
{
	char		name[GATE_NAME] = {0};
	JoGate	   *gate;
	bool		found;

	snprintf(name, sizeof(name), "%.200s:%d", carry->errand.host, carry->errand.port);
	gate = hash_search(gates, name, HASH_ENTER, &found);
	if (!found)
	{
		gate->open = gate->nheld = 0;
		gate->due = false;
		dlist_init(&gate->held);
	}
	return gate;
}

static void
drop_unused(JoGate *gate)
{
	if (gate->open == 0 && gate->nheld == 0 && !gate->due)
		hash_search(gates, gate->name, HASH_REMOVE, NULL);
}

bool
jo_gate_pass(JoCarry *carry, TimestampTz now)
{
	int64		again;

	if (carry->errand.host == NULL)
		return true;
	carry->gate = gate_of(carry);
	if (carry->gate->open >= jo_guc_max_transfers_per_host)
		return false;
	if (carry->errand.rule != NULL && !carry->limited &&
		!jo_egress_limit_take(limits, carry->errand.rule, carry->errand.role, now, &again))
	{
		drop_unused(carry->gate);
		carry->gate = NULL;
		return false;
	}
	if (carry->errand.rule != NULL && !carry->limited)
	{
		carry->limited = true;
		carry->rule_id = carry->errand.rule->rule_id;
	}
	carry->gate->open++;
	carry->counted = true;
	return true;
}

static void
make_due(JoGate *gate)
{
	if (gate->nheld == 0 || gate->due)
		return;
	gate->due = true;
	dlist_push_tail(&due_gates, &gate->node);
}

void
jo_gate_leave(JoCarry *carry)
{
	JoGate	   *gate = carry->gate;

	if (carry->limited)
	{
		JoEgressRule rule = {.rule_id = carry->rule_id};

		jo_egress_limit_give_back(limits, &rule, carry->errand.role);
	}
	carry->limited = false;
	carry->gate = NULL;
	if (!carry->counted)
		return;
	carry->counted = false;
	gate->open--;
	make_due(gate);
	drop_unused(gate);
}

void
jo_gate_hold(JoCarry *carry)
{
	bool		before = carry->held_before;

	carry->state = JO_CARRY_HELD;
	carry->held_before = true;
	nheld++;
	if (carry->gate == NULL)
	{
		carry->rule_id = carry->errand.rule->rule_id;
		jo_egress_limit_wait(limits, carry->errand.rule, carry->errand.role, &carry->waiter);
		return;
	}
	/* one that tried again in vain is still the first */
	if (before)
		dlist_push_head(&carry->gate->held, &carry->node);
	else
		dlist_push_tail(&carry->gate->held, &carry->node);
	carry->gate->nheld++;
}

void
jo_gate_forget(JoCarry *carry)
{
	JoGate	   *gate = carry->gate;

	Assert(carry->state == JO_CARRY_HELD);
	nheld--;
	jo_egress_limit_leave(limits, &carry->waiter);
	if (gate == NULL)
		return;
	dlist_delete(&carry->node);
	gate->nheld--;
	carry->gate = NULL;
	drop_unused(gate);
}

/* Those that a rule lets through now: they are counted there already. */
static int
let_through_rules(JoCarry **carries, int max, TimestampTz now, TimestampTz *next)
{
	int			n = 0;

	while (n < max)
	{
		JoEgressWaiter *waiter = jo_egress_limit_next(limits, now, next);

		if (waiter == NULL)
			break;
		carries[n] = (JoCarry *) ((char *) waiter - offsetof(JoCarry, waiter));
		carries[n]->limited = true;
		n++;
	}
	return n;
}

/* Those for whose host there is room again. */
static int
let_through_hosts(JoCarry **carries, int max)
{
	int			n = 0;

	while (n < max && !dlist_is_empty(&due_gates))
	{
		JoGate	   *gate = dlist_container(JoGate, node, dlist_head_node(&due_gates));
		int			room = jo_guc_max_transfers_per_host - gate->open;

		for (; room > 0 && gate->nheld > 0 && n < max; room--)
		{
			carries[n] = dlist_container(JoCarry, node, dlist_pop_head_node(&gate->held));
			carries[n++]->gate = NULL;
			gate->nheld--;
		}
		if (room > 0 && gate->nheld > 0)
			break;				/* no more are wanted for now */
		dlist_delete(&gate->node);
		gate->due = false;
		drop_unused(gate);
	}
	return n;
}

/* The setting may have been raised since the last look: then there is room everywhere. */
static void
look_at_limit(void)
{
	static int	seen = 0;
	HASH_SEQ_STATUS status;
	JoGate	   *gate;

	if (seen == jo_guc_max_transfers_per_host)
		return;
	seen = jo_guc_max_transfers_per_host;
	hash_seq_init(&status, gates);
	while ((gate = hash_seq_search(&status)) != NULL)
		make_due(gate);
}

int
jo_gate_next(JoCarry **carries, int max, TimestampTz now, TimestampTz *next)
{
	int			n;

	*next = 0;
	if (nheld == 0)
		return 0;
	look_at_limit();
	n = let_through_rules(carries, max, now, next);
	n += let_through_hosts(carries + n, max - n);
	for (int i = 0; i < n; i++)
		carries[i]->state = JO_CARRY_NEW;
	nheld -= n;
	return n;
}

int
jo_gate_held(void)
{
	return nheld;
}
