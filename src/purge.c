/*
 * purge.c
 *		Forgets a database: its extension was dropped, or the database itself.
 *
 * Run ids begin anew with the next CREATE EXTENSION, so nothing of the old runs
 * may be left when a dispatcher begins: it purges first.  The launcher purges
 * when it frees the entry of a database that is gone.
 */
#include "joborch.h"

#include <signal.h>

#include "active.h"
#include "clock.h"
#include "courierslot.h"
#include "handout.h"
#include "offers.h"
#include "purge.h"
#include "slots.h"

#define STILLBORN_USEC (10 * USECS_PER_SEC)	/* a process that did not come by then never will */

/* A dead executor's step is nobody's any more. */
static void
drop_step(JoSlot *slot)
{
	JoActiveRun *run = slot->task.run;

	if (run == NULL)
		return;
	slot->task.state->status = JO_STEP_PENDING;
	slot->task.state->slot = JO_WITH_NOBODY;
	slot->task.state = NULL;
	run->in_flight--;
	slot->task.run = NULL;
	slot->work = JO_WORK_NONE;
}

/* True when no executor of the database is left. */
static bool
purge_slots(Oid dboid)
{
	bool		empty = true;

	for (int i = 0; i < jo_shared->nslots; i++)
	{
		JoSlot	   *slot = &jo_shared->slots[i];
		bool		stillborn = slot->state == JO_SLOT_STARTING && slot->pid == 0 &&
		jo_clock_now() - slot->since > STILLBORN_USEC;

		if (slot->state == JO_SLOT_FREE || slot->dboid != dboid)
			continue;
		if (slot->state == JO_SLOT_DEAD || stillborn)
		{
			drop_step(slot);
			jo_slot_free(slot);
			continue;
		}
		/* what it runs can never be recorded: DROP EXTENSION cancels it */
		slot->quit = true;
		if (slot->state == JO_SLOT_BUSY && slot->pid != 0)
			kill(slot->pid, SIGTERM);
		jo_shmem_wake(slot->latch);
		empty = false;
	}
	return empty;
}

/* True when no run of the database is left; start() may still hold one until its commit. */
static bool
purge_runs(Oid dboid)
{
	bool		empty = true;

	for (int i = 0; i < jo_shared->max_runs; i++)
	{
		JoActiveRun *run = &jo_shared->runs[i];

		if (run->state == JO_ACTIVE_FREE || run->dboid != dboid)
			continue;
		if (run->state == JO_ACTIVE_RESERVED)
		{
			empty = false;
			continue;
		}
		jo_handout_withdraw(run);
		run->todo = false;		/* taken off the list by a dispatcher that is gone */
		jo_active_remove(run);
	}
	return empty;
}

bool
jo_purge_database(JoDatabase *database)
{
	Assert(LWLockHeldByMeInMode(jo_shared->lock, LW_EXCLUSIVE));
	/* both, so that neither waits for the other */
	if (!purge_slots(database->dboid) | !jo_courier_purge(database))
		return false;
	while (jo_shmem_next_todo(database) != NULL)
		;
	if (!purge_runs(database->dboid))
		return false;
	jo_shapes_forget(database->dboid);
	jo_classes_forget(database->dboid);
	jo_offers_forget(database->dboid);
	database->ncursors = database->nranges = database->ncontrols = 0;
	database->boot_run_id = 0;
	database->next_timer = database->timer_announced = 0;
	database->next_schedule = database->schedule_announced = 0;
	database->backlog = database->sweep = database->reload = false;
	database->growing = database->refill_asked = false;
	return true;
}
