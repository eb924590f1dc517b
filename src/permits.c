/*
 * permits.c
 *		Limits of "concurrency": so many runs of a job, or executions of a step, at a time.
 *
 * A permit is a row, taken in a short transaction before the step's own, so that
 * everybody sees it while the step runs; it goes with the commit that ends the
 * step or the run.  So a limit holds over crashes and restarts.  Who finds it full
 * waits like any other waiting step, and is woken by who gives one back.
 */
#include "joborch.h"

#include "announce.h"
#include "clock.h"
#include "permits.h"
#include "rights.h"
#include "store.h"
#include "utils/builtins.h"

#define WOKEN_AT_ONCE 8			/* some may just be stopped: the others are not to wait for them */

/* Limits of different jobs, steps and queues never meet. */
static char *
make_key(const JoPermitAsk *ask)
{
	Jsonb	   *value = jo_document_render(ask->document, ask->limit->key);
	char	   *text = JsonbToCString(NULL, &value->root, VARSIZE(value));

	if (ask->limit->of_queue)
		return psprintf("queue %d: %s", ask->queue_id, text);
	return psprintf("%s " INT64_FORMAT "%s%s: %s", ask->job_id != 0 ? "job" : "version",
					ask->job_id != 0 ? ask->job_id : ask->version_id,
					ask->step_name != NULL ? " step " : "",
					ask->step_name != NULL ? ask->step_name : "", text);
}

void
jo_permits_lock(const JoPermitAsk *ask)
{
	jo_store_lock_permits(make_key(ask));
}

/*
 * May the run that asks end another one?  The key of a queue is shared with
 * everybody, so there its role must be allowed to control that run.
 */
static bool
may_cancel(const JoPermitAsk *ask, int64 other)
{
	JoRunRow	asking;
	JoRunRow	holder;

	if (!ask->limit->of_queue)
		return true;
	if (!jo_store_run(ask->run_id, jo_store_latest(), &asking) ||
		!jo_store_run(other, jo_store_latest(), &holder))
		return false;
	return strcmp(asking.tenant ? asking.tenant : "", holder.tenant ? holder.tenant : "") == 0 &&
		jo_rights_may_control(holder.owner, NULL);
}

/*
 * Runs that hold the key are cancelled in favour of the one that asks.  False when
 * somebody holds the row of one, perhaps because it is just ending.
 */
static bool
cancel_holders(const JoPermitAsk *ask, const JoPermitRow *rows, int n)
{
	bool		all = true;

	for (int i = 0; i < n; i++)
	{
		bool		again;

		if (rows[i].run_id == ask->run_id || !rows[i].held || !may_cancel(ask, rows[i].run_id))
			continue;
		if (jo_store_set_cancel(rows[i].run_id, JO_CANCEL_FORCE, &again))
			jo_announce_control(rows[i].run_id);
		all &= !again;
	}
	return all;
}

JoPermit
jo_permits_ask(const JoPermitAsk *ask, char **key)
{
	JoPermitRow own = {
		.run_id = ask->run_id,
		.since = jo_clock_now(),
		.step = ask->step,
		.item = ask->item,
	};
	JoPermit	refusal = JO_PERMIT_WAIT;
	JoPermitRow *rows;
	int			held = 0;
	int			n;

	own.key = *key = make_key(ask);
	jo_store_lock_permits(own.key);
	n = jo_store_permits(own.key, &rows);
	for (int i = 0; i < n; i++)
	{
		if (rows[i].run_id != ask->run_id || rows[i].step != ask->step || rows[i].item != ask->item)
			held += rows[i].held;
		else if (rows[i].held)
			return JO_PERMIT_HELD;
		else
			own.since = rows[i].since;
	}
	own.held = held < ask->limit->limit;
	if (!own.held && ask->limit->when_full == JO_WHEN_FULL_SKIP)
		return JO_PERMIT_SKIP;
	if (!own.held && ask->limit->when_full == JO_WHEN_FULL_CANCEL_OTHER && !cancel_holders(ask, rows, n))
		refusal = JO_PERMIT_AGAIN;
	jo_store_put_permit(&own);
	return own.held ? JO_PERMIT_HELD : refusal;
}

static void
wake_waiting(const char *key)
{
	JoPermitRow *rows;
	int			woken = 0;
	int			n;

	/* whoever is just about to wait is seen, or sees that there is room */
	jo_store_lock_permits(key);
	n = jo_store_permits(key, &rows);
	for (int i = 0; i < n && woken < WOKEN_AT_ONCE; i++)
	{
		JoLiveRow	live;

		if (rows[i].held)
			continue;
		jo_announce_control(rows[i].run_id);
		/* one that is paused does not look before it is resumed */
		if (jo_store_live(rows[i].run_id, jo_store_latest(), &live) && !live.paused)
			woken++;
	}
}

/* Everybody locks keys in this order: those of steps, then that of the run. */
static int
compare_keys(const void *a, const void *b)
{
	const JoPermitRow *left = a;
	const JoPermitRow *right = b;
	bool		whole = left->step == JO_RUN_AS_A_WHOLE;

	if (whole != (right->step == JO_RUN_AS_A_WHOLE))
		return whole ? 1 : -1;
	return strcmp(left->key, right->key);
}

void
jo_permits_release(int64 run_id, int32 step, int32 item)
{
	JoPermitRow *rows;
	int			n = jo_store_drop_permits(run_id, step, item, &rows);

	if (n > 1)
		qsort(rows, n, sizeof(JoPermitRow), compare_keys);

	for (int i = 0; i < n; i++)
		if (rows[i].held)
			wake_waiting(rows[i].key);
}
