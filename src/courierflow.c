/*
 * courierflow.c
 *		Bytes on their way between a transfer and the database.
 *
 * A response that is larger than its window goes to an artifact (or a file), and what is
 * sent from an artifact comes from there, a piece at a time, in transactions that last no
 * longer than the piece.  What goes wrong breaks the transfer off; the step fails with it.
 */
#include "joborch.h"

#include "access/xact.h"
#include "artifact.h"
#include "courier.h"
#include "defcache.h"
#include "txn.h"
#include "utils/memutils.h"

static void
spool(JoCarry *carry, const char *data, size_t size)
{
	JoErrand   *errand = &carry->errand;

	if (errand->take != NULL)
	{
		errand->take(errand, data, size);
		return;
	}
	jo_txn_begin();
	MemoryContextSwitchTo(errand->context);
	if (errand->spool == NULL)
	{
		JoArtifactSpec spec = {
			.run_id = errand->run_id,
			.step = errand->step,
			.item = errand->item,
			.owner = errand->role,
			.step_name = errand->step_name,
			.name = errand->spool_name != NULL ? errand->spool_name : errand->step_name,
			.type = errand->spool_type != NULL ? errand->spool_type : "response",
			.content_type = jo_net_response(carry->transfer)->content_type,
		};

		errand->spool = jo_artifact_begin(&spec);
	}
	jo_artifact_write(errand->spool, data, size);
	jo_txn_commit();
}

/* An upload that goes on needs nothing of what is there already. */
static void
skip_sent(JoCarry *carry, char *buffer, size_t size)
{
	int64		left = carry->errand.response->resumed_at;
	size_t		n;

	while (left > 0 && (n = jo_artifact_read(carry->source, buffer, Min((int64) size, left))) > 0)
		left -= n;
}

/* The next piece of what is sent. */
static size_t
fetch(JoCarry *carry, char *buffer, size_t size, bool *last)
{
	JoErrand   *errand = &carry->errand;
	size_t		n;

	if (errand->give != NULL)
		return errand->give(errand, buffer, size, last);
	jo_txn_begin();
	MemoryContextSwitchTo(errand->context);
	if (carry->source == NULL)
	{
		carry->source = jo_artifact_open(errand->source_artifact, errand->run_id, NULL, errand->role);
		skip_sent(carry, buffer, size);
	}
	n = jo_artifact_read(carry->source, buffer, size);
	*last = n == 0;
	if (*last)
		jo_artifact_close(carry->source);
	jo_txn_commit();
	return n;
}

static void
break_off(JoCarry *carry)
{
	MemoryContextSwitchTo(carry->errand.context);
	carry->failure = CopyErrorData();
	FlushErrorState();
	AbortOutOfAnyTransaction();
	jo_net_abort(carry->transfer);
}

void
jo_carry_take_bytes(JoCarry *carry)
{
	const JoNetResponse *response = jo_net_response(carry->transfer);
	MemoryContext old = CurrentMemoryContext;

	PG_TRY();
	{
		spool(carry, response->body, response->body_size);
		jo_net_resume(carry->transfer);
	}
	PG_CATCH();
	{
		break_off(carry);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
}

void
jo_carry_close_spool(JoCarry *carry)
{
	JoErrand   *errand = &carry->errand;
	const JoNetResponse *response = jo_net_response(carry->transfer);
	MemoryContext old = CurrentMemoryContext;

	if (errand->spool == NULL || carry->failure != NULL || response->result != JO_NET_OK)
		return;
	PG_TRY();
	{
		jo_txn_begin();
		MemoryContextSwitchTo(errand->context);
		jo_artifact_write(errand->spool, response->body, response->body_size);
		errand->spooled = jo_artifact_finish(errand->spool);
		jo_txn_commit();
	}
	PG_CATCH();
	{
		break_off(carry);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
}

void
jo_carry_give_bytes(JoCarry *carry)
{
	static char buffer[JO_ARTIFACT_CHUNK];
	MemoryContext old = CurrentMemoryContext;
	bool		last = false;

	PG_TRY();
	{
		size_t		n = fetch(carry, buffer, sizeof(buffer), &last);

		jo_net_feed(carry->transfer, buffer, n, last);
	}
	PG_CATCH();
	{
		break_off(carry);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(old);
}
