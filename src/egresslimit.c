/*
 * egresslimit.c
 *		max_concurrent and rate of egress rules.  A leaf.
 *
 * A line per rule and role: how many are under way, a bucket of tokens, and who waits.
 * Lines are found by a hash table and never move within their array, so that
 * waiters can name theirs by number; idle ones are used again when the array is full.
 */
#include "egresslimit.h"

#include <math.h>

#define FIRST_SIZE 16

/* Of a rate, in tokens: what may go at once. */
#define BURST_SECONDS 0.1

/* Nobody is told to come back later than in so many microseconds. */
#define LONGEST_PROMISE INT64CONST(60000000)

typedef struct Line
{
	int64		rule_id;
	uint32		role;
	bool		used;
	int			chain;			/* next line of the same hash, or next unused one; -1: none */
	int			under_way;
	int			max_concurrent;
	double		rate;
	double		tokens;
	int64		counted_at;		/* tokens were that many then */
	int64		promised;		/* the last time that was given to somebody refused */
	JoEgressWaiter *first;
	JoEgressWaiter *last;
	int			next_waiting;	/* list of lines in which somebody waits, -1: end */
	bool		listed;
} Line;

struct JoEgressLimits
{
	int			size;			/* of both arrays */
	int			free;			/* first unused line, -1: none */
	Line	   *lines;
	int		   *heads;			/* first line of each hash, -1: none */
	int			waiting;		/* first line in which somebody waits, -1: none */
	int			last_waiting;
};

/* ---- the table ---- */

static int
hash_line(const JoEgressLimits *limits, int64 rule_id, uint32 role)
{
	uint64		hash = (uint64) rule_id * UINT64CONST(0x9e3779b97f4a7c15) + role;

	hash *= UINT64CONST(0xff51afd7ed558ccd);
	return (int) ((hash >> 33) & (limits->size - 1));
}

static Line *
find_line(JoEgressLimits *limits, int64 rule_id, uint32 role)
{
	int			i = limits->heads[hash_line(limits, rule_id, role)];

	while (i >= 0 && (limits->lines[i].rule_id != rule_id || limits->lines[i].role != role))
		i = limits->lines[i].chain;
	return i >= 0 ? &limits->lines[i] : NULL;
}

static double
burst_of(const Line *line)
{
	return Max(1.0, line->rate * BURST_SECONDS);
}

static void
count_tokens(Line *line, int64 now)
{
	if (now > line->counted_at)
	{
		line->tokens += (now - line->counted_at) * line->rate / 1e6;
		line->tokens = Min(line->tokens, burst_of(line));
		line->counted_at = now;
	}
}

/* Nothing would be different if it were not there. */
static bool
is_idle(Line *line, int64 now)
{
	if (line->under_way > 0 || line->first != NULL || line->listed)
		return false;
	if (line->rate <= 0)
		return true;
	count_tokens(line, now);
	return line->tokens >= burst_of(line) && line->promised <= now;
}

static void
rebuild_table(JoEgressLimits *limits)
{
	limits->free = -1;
	for (int i = 0; i < limits->size; i++)
		limits->heads[i] = -1;
	for (int i = limits->size - 1; i >= 0; i--)
	{
		Line	   *line = &limits->lines[i];
		int		   *head = &limits->free;

		if (line->used)
			head = &limits->heads[hash_line(limits, line->rule_id, line->role)];
		line->chain = *head;
		*head = i;
	}
}

/* Takes idle lines back if they are at least half, else makes the table larger. */
static void
make_room(JoEgressLimits *limits, int64 now)
{
	int			nidle = 0;

	for (int i = 0; i < limits->size; i++)
		nidle += is_idle(&limits->lines[i], now);
	if (2 * nidle >= limits->size)
	{
		for (int i = 0; i < limits->size; i++)
			limits->lines[i].used = !is_idle(&limits->lines[i], now);
	}
	else
	{
		limits->lines = repalloc(limits->lines, sizeof(Line) * limits->size * 2);
		memset(limits->lines + limits->size, 0, sizeof(Line) * limits->size);
		limits->size *= 2;
		limits->heads = repalloc(limits->heads, sizeof(int) * limits->size);
	}
	rebuild_table(limits);
}

/* The line of a rule and role, with the limits that the rule has now. */
static Line *
get_line(JoEgressLimits *limits, const JoEgressRule *rule, uint32 role, int64 now)
{
	Line	   *line = find_line(limits, rule->rule_id, role);

	if (line == NULL)
	{
		int		   *head;

		if (limits->free < 0)
			make_room(limits, now);
		line = &limits->lines[limits->free];
		limits->free = line->chain;
		memset(line, 0, sizeof(Line));
		line->used = true;
		line->rule_id = rule->rule_id;
		line->role = role;
		line->rate = rule->rate;
		line->tokens = burst_of(line);
		line->counted_at = now;
		line->next_waiting = -1;
		head = &limits->heads[hash_line(limits, rule->rule_id, role)];
		line->chain = *head;
		*head = (int) (line - limits->lines);
	}
	else if (line->rate != rule->rate)
	{
		count_tokens(line, now);
		line->rate = rule->rate;
		line->tokens = Min(line->tokens, burst_of(line));
	}
	line->max_concurrent = rule->max_concurrent;
	return line;
}

JoEgressLimits *
jo_egress_limits_create(void)
{
	JoEgressLimits *limits = palloc0(sizeof(JoEgressLimits));

	limits->size = FIRST_SIZE;
	limits->lines = palloc0(sizeof(Line) * FIRST_SIZE);
	limits->heads = palloc(sizeof(int) * FIRST_SIZE);
	rebuild_table(limits);
	limits->waiting = limits->last_waiting = -1;
	return limits;
}

/* ---- taking ---- */

/* *again: when there will be a token, 0: when one was given back. */
static bool
take_from(Line *line, int64 now, int64 *again)
{
	*again = 0;
	if (line->max_concurrent > 0 && line->under_way >= line->max_concurrent)
		return false;
	if (line->rate > 0)
	{
		count_tokens(line, now);
		if (line->tokens < 1.0 - 1e-9)
		{
			*again = Max(line->counted_at, now) + (int64) ceil((1.0 - line->tokens) * 1e6 / line->rate);
			return false;
		}
		line->tokens -= 1.0;
	}
	line->under_way++;
	return true;
}

/* The first token that was promised to nobody. */
static int64
promise_token(Line *line, int64 now, int64 first)
{
	int64		promise = line->promised + (int64) ceil(1e6 / line->rate);

	if (promise < first || promise > now + LONGEST_PROMISE)
		promise = first;
	line->promised = promise;
	return promise;
}

bool
jo_egress_limit_take(JoEgressLimits *limits, const JoEgressRule *rule, uint32 role, int64 now,
					 int64 *again)
{
	Line	   *line = get_line(limits, rule, role, now);

	*again = 0;
	if (line->first != NULL)
		return false;
	if (take_from(line, now, again))
		return true;
	if (*again != 0)
		*again = promise_token(line, now, *again);
	return false;
}

void
jo_egress_limit_give_back(JoEgressLimits *limits, const JoEgressRule *rule, uint32 role)
{
	Line	   *line = find_line(limits, rule->rule_id, role);

	Assert(line != NULL && line->under_way > 0);
	if (line != NULL && line->under_way > 0)
		line->under_way--;
}

/* ---- waiting ---- */

void
jo_egress_limit_wait(JoEgressLimits *limits, const JoEgressRule *rule, uint32 role,
					 JoEgressWaiter *waiter)
{
	Line	   *line = find_line(limits, rule->rule_id, role);
	int			place;

	Assert(line != NULL && waiter->place == 0);
	place = (int) (line - limits->lines);
	waiter->place = place + 1;
	waiter->next = NULL;
	waiter->previous = line->last;
	if (line->last != NULL)
		line->last->next = waiter;
	else
		line->first = waiter;
	line->last = waiter;
	if (line->listed)
		return;
	line->listed = true;
	line->next_waiting = -1;
	if (limits->last_waiting >= 0)
		limits->lines[limits->last_waiting].next_waiting = place;
	else
		limits->waiting = place;
	limits->last_waiting = place;
}

void
jo_egress_limit_leave(JoEgressLimits *limits, JoEgressWaiter *waiter)
{
	Line	   *line;

	if (waiter->place == 0)
		return;
	line = &limits->lines[waiter->place - 1];
	if (waiter->previous != NULL)
		waiter->previous->next = waiter->next;
	else
		line->first = waiter->next;
	if (waiter->next != NULL)
		waiter->next->previous = waiter->previous;
	else
		line->last = waiter->previous;
	memset(waiter, 0, sizeof(*waiter));
}

/* Takes the first line off the list; puts it to the end if somebody waits in it. */
static Line *
rotate_waiting(JoEgressLimits *limits)
{
	int			place = limits->waiting;
	Line	   *line = &limits->lines[place];

	limits->waiting = line->next_waiting;
	if (limits->waiting < 0)
		limits->last_waiting = -1;
	line->next_waiting = -1;
	line->listed = line->first != NULL;
	if (!line->listed)
		return line;
	if (limits->last_waiting >= 0)
		limits->lines[limits->last_waiting].next_waiting = place;
	else
		limits->waiting = place;
	limits->last_waiting = place;
	return line;
}

JoEgressWaiter *
jo_egress_limit_next(JoEgressLimits *limits, int64 now, int64 *again)
{
	int			end = limits->last_waiting;

	*again = 0;
	while (limits->waiting >= 0)
	{
		bool		at_end = limits->waiting == end;
		Line	   *line = rotate_waiting(limits);
		int64		at;

		if (line->first != NULL)
		{
			JoEgressWaiter *waiter = line->first;

			if (take_from(line, now, &at))
			{
				jo_egress_limit_leave(limits, waiter);
				return waiter;
			}
			if (at != 0 && (*again == 0 || at < *again))
				*again = at;
		}
		if (at_end)
			break;
	}
	return NULL;
}
