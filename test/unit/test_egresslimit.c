/*
 * test_egresslimit.c
 *		max_concurrent and rate of egress rules.
 */
#include "unit.h"

#include "egresslimit.h"

#define SECOND INT64CONST(1000000)

static void
test_concurrent(void)
{
	JoEgressLimits *limits = jo_egress_limits_create();
	JoEgressRule rule = {.rule_id = 7, .max_concurrent = 2};
	int64		again = 99;

	CHECK(jo_egress_limit_take(limits, &rule, 10, 0, &again));
	CHECK(jo_egress_limit_take(limits, &rule, 10, 0, &again));
	CHECK(!jo_egress_limit_take(limits, &rule, 10, 0, &again));
	CHECK_INT(again, 0);
	/* another role and another rule have their own */
	CHECK(jo_egress_limit_take(limits, &rule, 11, 0, &again));
	jo_egress_limit_give_back(limits, &rule, 10);
	CHECK(jo_egress_limit_take(limits, &rule, 10, 0, &again));
	CHECK(!jo_egress_limit_take(limits, &rule, 10, 0, &again));
	/* what began without a limit counts when there is one */
	rule.max_concurrent = 0;
	CHECK(jo_egress_limit_take(limits, &rule, 10, 0, &again));
	rule.max_concurrent = 3;
	CHECK(!jo_egress_limit_take(limits, &rule, 10, 0, &again));
}

/* How many begin in so many seconds, when as many as want may ask at every step. */
static int
count_begun(const JoEgressRule *rule, int64 from, int64 until, int64 step)
{
	JoEgressLimits *limits = jo_egress_limits_create();
	int			n = 0;
	int64		again;

	for (int64 now = from; now < until; now += step)
		while (jo_egress_limit_take(limits, rule, 1, now, &again))
			n++;
	return n;
}

static void
test_rate(void)
{
	JoEgressRule rule = {.rule_id = 1, .rate = 100};

	/* 10 at once, then 100 a second */
	CHECK_INT(count_begun(&rule, 5 * SECOND, 15 * SECOND, 1000), 10 + 999);
	CHECK_INT(count_begun(&rule, 5 * SECOND, 15 * SECOND, 50000), 10 + 995);
	rule.rate = 1.0 / 60;
	CHECK_INT(count_begun(&rule, 0, 600 * SECOND + 1, SECOND), 11);
	rule.rate = 1000000;
	CHECK_INT(count_begun(&rule, 0, SECOND / 10, 1000), 100000 + 99000);
	rule.rate = 0;
	rule.max_concurrent = 5;
	CHECK_INT(count_begun(&rule, 0, SECOND, 1000), 5);
}

/* Those who are refused come back at different times, and are let in then. */
static void
test_promises(void)
{
	JoEgressLimits *limits = jo_egress_limits_create();
	JoEgressRule rule = {.rule_id = 1, .rate = 10};
	int64		again[50];
	int64		now = 0;

	CHECK(jo_egress_limit_take(limits, &rule, 1, now, &again[0]));
	for (int i = 0; i < 50; i++)
	{
		CHECK(!jo_egress_limit_take(limits, &rule, 1, now, &again[i]));
		CHECK_INT(again[i], (i + 1) * SECOND / 10);
	}
	for (int i = 0; i < 50; i++)
		CHECK(jo_egress_limit_take(limits, &rule, 1, again[i], &now));
	/* a clock that goes back gives nothing */
	CHECK(!jo_egress_limit_take(limits, &rule, 1, 0, &now));
	CHECK(now > 0);

	/* nobody is sent away for hours */
	rule.rule_id = 2;
	rule.rate = 1;
	CHECK(jo_egress_limit_take(limits, &rule, 1, 0, &now));
	for (int i = 0; i < 1000; i++)
	{
		CHECK(!jo_egress_limit_take(limits, &rule, 1, 0, &now));
		CHECK(now >= SECOND && now <= 60 * SECOND);
	}
}

static void
test_waiting(void)
{
	JoEgressLimits *limits = jo_egress_limits_create();
	JoEgressRule slow = {.rule_id = 1, .rate = 10};
	JoEgressRule narrow = {.rule_id = 2, .max_concurrent = 1};
	JoEgressWaiter waiters[6];
	int64		again;

	memset(waiters, 0, sizeof(waiters));
	CHECK(jo_egress_limit_next(limits, 0, &again) == NULL);
	CHECK(jo_egress_limit_take(limits, &slow, 1, 0, &again));
	CHECK(jo_egress_limit_take(limits, &narrow, 1, 0, &again));
	for (int i = 0; i < 3; i++)
	{
		CHECK(!jo_egress_limit_take(limits, &slow, 1, 0, &again));
		jo_egress_limit_wait(limits, &slow, 1, &waiters[i]);
		CHECK(!jo_egress_limit_take(limits, &narrow, 1, 0, &again));
		jo_egress_limit_wait(limits, &narrow, 1, &waiters[3 + i]);
	}
	CHECK(jo_egress_limit_next(limits, 0, &again) == NULL);
	CHECK_INT(again, SECOND / 10);

	/* who comes later has to wait too, and they go in order */
	CHECK(!jo_egress_limit_take(limits, &slow, 1, SECOND / 10, &again));
	CHECK(jo_egress_limit_next(limits, SECOND / 10, &again) == &waiters[0]);
	CHECK(jo_egress_limit_next(limits, SECOND / 10, &again) == NULL);
	CHECK_INT(again, SECOND / 5);
	jo_egress_limit_give_back(limits, &narrow, 1);
	CHECK(jo_egress_limit_next(limits, SECOND / 10, &again) == &waiters[3]);
	CHECK(jo_egress_limit_next(limits, SECOND / 10, &again) == NULL);

	/* one leaves, in the middle and at the end */
	jo_egress_limit_leave(limits, &waiters[1]);
	jo_egress_limit_leave(limits, &waiters[1]);
	CHECK(jo_egress_limit_next(limits, SECOND, &again) == &waiters[2]);
	jo_egress_limit_leave(limits, &waiters[5]);
	jo_egress_limit_give_back(limits, &narrow, 1);
	CHECK(jo_egress_limit_next(limits, SECOND, &again) == &waiters[4]);
	CHECK(jo_egress_limit_next(limits, SECOND, &again) == NULL);
	CHECK_INT(again, 0);
	jo_egress_limit_give_back(limits, &narrow, 1);
	CHECK(jo_egress_limit_take(limits, &narrow, 1, SECOND, &again));
	jo_egress_limit_wait(limits, &narrow, 1, &waiters[5]);
	jo_egress_limit_give_back(limits, &narrow, 1);
	CHECK(jo_egress_limit_next(limits, SECOND, &again) == &waiters[5]);
}

/* Many rules: the table grows, and idle ones make room. */
static void
test_table(void)
{
	JoEgressLimits *limits = jo_egress_limits_create();
	JoEgressRule rule = {.max_concurrent = 1, .rate = 1000};
	JoEgressWaiter *waiters = palloc0(sizeof(JoEgressWaiter) * 1000);
	int64		again;
	int			n = 0;

	for (int i = 0; i < 1000; i++)
	{
		rule.rule_id = i;
		CHECK(jo_egress_limit_take(limits, &rule, i % 3, 0, &again));
		CHECK(!jo_egress_limit_take(limits, &rule, i % 3, 0, &again));
		jo_egress_limit_wait(limits, &rule, i % 3, &waiters[i]);
	}
	for (int i = 0; i < 1000; i++)
	{
		rule.rule_id = i;
		jo_egress_limit_give_back(limits, &rule, i % 3);
	}
	while (jo_egress_limit_next(limits, SECOND, &again) != NULL)
		n++;
	CHECK_INT(n, 1000);
	for (int i = 0; i < 1000; i++)
	{
		rule.rule_id = i;
		jo_egress_limit_give_back(limits, &rule, i % 3);
	}
	for (int i = 0; i < 100000; i++)
	{
		rule.rule_id = 1000 + i;
		CHECK(jo_egress_limit_take(limits, &rule, 1, 2 * SECOND + i * 1000, &again));
		jo_egress_limit_give_back(limits, &rule, 1);
	}
}

void
test_egress_limits(void)
{
	test_concurrent();
	test_rate();
	test_promises();
	test_waiting();
	test_table();
}
