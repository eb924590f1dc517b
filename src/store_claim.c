/*
 * store_claim.c
 *		Work that programs outside claim: rows of offer, claim and what belongs to them.
 *
 * An offer is taken by deleting its row, never by waiting for it: two claimers do not
 * get in each other's way.  A claim's row is what its holder and whoever ends the step
 * without him meet at: the one who has it first wins, and nobody of ours waits for the
 * other.  Touches these tables, and the timers of leases.
 */
#include "postgres.h"

#include "access/stratnum.h"
#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

#include "store_internal.h"

/* SQL's advisory locks have 1 or 2 here, step_cache's 3, permits' 4. */
#define LOCK_CLASS 5

/* ---- groups ---- */

static void
take_group(JoTuple *tuple, void *result)
{
	JoWorkGroupRow *row = result;

	row->group_id = get_int64(tuple);
	row->owner = get_oid(tuple);
	row->queue = get_text(tuple);
	row->owner_name = get_text(tuple);
	row->tenant = get_text(tuple);
}

static void
insert_group(const JoWorkGroupRow *row)
{
	JoTuple		tuple;

	tuple.n = 0;
	put_datum(&tuple, Int64GetDatum(row->group_id));
	put_datum(&tuple, ObjectIdGetDatum(row->owner));
	put_text(&tuple, row->queue);
	put_text(&tuple, row->owner_name);
	put_text(&tuple, row->tenant);
	jo_store_insert(JO_TABLE_WORK_GROUP, &tuple);
}

static bool
find_group(int64 group_id, JoWorkGroupRow *row)
{
	ScanKeyData key;

	jo_store_key_int64(&key, 1, group_id);
	return jo_store_read_one(JO_INDEX_WORK_GROUP_PKEY, &key, 1, jo_store_latest(), take_group, row);
}

static int64
hash_group(const JoWorkGroupRow *row)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) row->queue, strlen(row->queue), 0);

	hash = hash_bytes_extended((const unsigned char *) row->owner_name, strlen(row->owner_name), hash);
	if (row->tenant != NULL)
		hash = hash_bytes_extended((const unsigned char *) row->tenant, strlen(row->tenant), hash + 1);
	return (int64) hash;
}

static bool
is_same_group(const JoWorkGroupRow *a, const JoWorkGroupRow *b)
{
	return strcmp(a->queue, b->queue) == 0 && strcmp(a->owner_name, b->owner_name) == 0 &&
		strcmp(a->tenant != NULL ? a->tenant : "", b->tenant != NULL ? b->tenant : "") == 0;
}

void
jo_store_work_group(JoWorkGroupRow *row)
{
	JoWorkGroupRow found;
	LOCKTAG		tag;

	row->group_id = hash_group(row);
	if (!find_group(row->group_id, &found))
	{
		SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (row->group_id >> 32),
							 (uint32) row->group_id, LOCK_CLASS);
		(void) LockAcquire(&tag, ExclusiveLock, false, false);
		/* another step may have been the first one */
		if (!find_group(row->group_id, &found))
		{
			insert_group(row);
			return;
		}
	}
	if (!is_same_group(row, &found))
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("queue \"%s\" cannot be used by role \"%s\"", row->queue, row->owner_name),
				 errdetail("Its number is that of queue \"%s\" for role \"%s\".", found.queue, found.owner_name),
				 errhint("Give the queue another name.")));
}

int
jo_store_work_groups(const char *queue, JoWorkGroupRow **rows)
{
	ScanKeyData key;

	jo_store_key_text(&key, 1, queue);
	return jo_store_read_all(JO_INDEX_WORK_GROUP_QUEUE, &key, 1, jo_store_latest(), take_group,
							 sizeof(JoWorkGroupRow), (void **) rows);
}

static void
take_role_name(JoTuple *tuple, void *result)
{
	tuple->n = 1;
	*(char **) result = get_text(tuple);
}

int
jo_store_queue_grants(const char *queue, char ***roles)
{
	ScanKeyData key;

	jo_store_key_text(&key, 1, queue);
	return jo_store_read_all(JO_INDEX_QUEUE_GRANT_PKEY, &key, 1, jo_store_latest(), take_role_name,
							 sizeof(char *), (void **) roles);
}

/* ---- offers ---- */

static void
take_offer(JoTuple *tuple, void *result)
{
	JoOfferRow *row = result;

	row->group_id = get_int64(tuple);
	row->offered_at = get_int64(tuple);
	row->run_id = get_int64(tuple);
	row->step = get_int32(tuple);
	row->item = get_int32(tuple);
	row->ord = get_int16(tuple);
	row->lost = get_int16(tuple);
	row->tid = tuple->tid;
}

void
jo_store_insert_offer(const JoOfferRow *row)
{
	JoTuple		tuple;

	tuple.n = 0;
	put_datum(&tuple, Int64GetDatum(row->group_id));
	put_datum(&tuple, TimestampTzGetDatum(row->offered_at));
	put_datum(&tuple, Int64GetDatum(row->run_id));
	put_datum(&tuple, Int32GetDatum(row->step));
	put_datum(&tuple, Int32GetDatum(row->item));
	put_datum(&tuple, Int16GetDatum(row->ord));
	put_small(&tuple, row->lost);
	jo_store_insert(JO_TABLE_OFFER, &tuple);
}

void
jo_store_visit_offers(int64 group_id, int16 ord, TimestampTz low, JoOfferVisitor visit, void *argument)
{
	ScanKeyData keys[3];
	JoScan		scan;
	JoTuple		tuple;
	JoOfferRow	row;
	bool		more = true;

	jo_store_key_int64(&keys[0], 1, group_id);
	jo_store_key_int16(&keys[1], 2, ord);
	ScanKeyInit(&keys[2], 3, BTGreaterEqualStrategyNumber, F_TIMESTAMPTZ_GE, TimestampTzGetDatum(low));
	CommandCounterIncrement();
	jo_store_scan_begin(&scan, JO_INDEX_OFFER_ORDER, AccessShareLock, keys, 3, jo_store_latest());
	while (more && jo_store_scan_next(&scan, &tuple))
	{
		take_offer(&tuple, &row);
		more = visit(&row, argument);
	}
	jo_store_scan_end(&scan);
}

bool
jo_store_take_offer(const JoOfferRow *row)
{
	Relation	table = jo_store_open(JO_TABLE_OFFER, RowExclusiveLock);
	JoTuple		tuple;
	TM_Result	result;

	tuple.tid = row->tid;
	tuple.external = false;
	result = jo_store_delete(table, &tuple, false);
	table_close(table, NoLock);
	return result == TM_Ok;
}

/* ---- claims ---- */

static void
take_claim(JoTuple *tuple, void *result)
{
	JoClaimRow *row = result;

	row->run_id = get_int64(tuple);
	row->group_id = get_int64(tuple);
	row->claimed_at = get_int64(tuple);
	row->lease = get_int64(tuple);
	row->step = get_int32(tuple);
	row->item = get_int32(tuple);
	row->attempt = get_int32(tuple);
	row->ord = get_int16(tuple);
	row->lost = get_int16(tuple);
	row->kind = get_char(tuple);
	skip_column(tuple);
	row->claimed_by = get_text(tuple);
	row->worker = get_text(tuple);
	row->lease_until = get_int64(tuple);
	row->timer_due = get_int64(tuple);
	row->tid = tuple->tid;
}

void
jo_store_insert_claim(const JoClaimRow *row)
{
	JoTuple		tuple;

	tuple.n = 0;
	put_datum(&tuple, Int64GetDatum(row->run_id));
	put_datum(&tuple, Int64GetDatum(row->group_id));
	put_datum(&tuple, TimestampTzGetDatum(row->claimed_at));
	put_datum(&tuple, Int64GetDatum(row->lease));
	put_datum(&tuple, Int32GetDatum(row->step));
	put_datum(&tuple, Int32GetDatum(row->item));
	put_datum(&tuple, Int32GetDatum(row->attempt));
	put_datum(&tuple, Int16GetDatum(row->ord));
	put_small(&tuple, row->lost);
	put_datum(&tuple, CharGetDatum(row->kind));
	put_pointer(&tuple, row->token);
	put_text(&tuple, row->claimed_by);
	put_text(&tuple, row->worker);
	put_int64_or_null(&tuple, row->lease_until);
	put_int64_or_null(&tuple, row->timer_due);
	jo_store_insert(JO_TABLE_CLAIM, &tuple);
}

static void
make_step_keys(ScanKey keys, int64 run_id, int32 step, int32 item)
{
	jo_store_key_int64(&keys[0], 1, run_id);
	jo_store_key_int32(&keys[1], 2, step);
	jo_store_key_int32(&keys[2], 3, item);
}

bool
jo_store_claim(int64 run_id, int32 step, int32 item, Snapshot snapshot, JoClaimRow *row)
{
	ScanKeyData keys[3];

	make_step_keys(keys, run_id, step, item);
	return jo_store_read_one(JO_INDEX_CLAIM_STEP, keys, 3, snapshot, take_claim, row);
}

bool
jo_store_is_offered(int64 run_id, int32 step, int32 item, Snapshot snapshot)
{
	ScanKeyData keys[3];
	JoOfferRow	row;

	make_step_keys(keys, run_id, step, item);
	return jo_store_read_one(JO_INDEX_OFFER_PKEY, keys, 3, snapshot, take_offer, &row);
}

/* The claim's timer, unless it has fired: it has no other writer once the claim is ours. */
static void
delete_lease_timer(const JoClaimRow *claim)
{
	JoTimerRow	timer = {
		.due = claim->timer_due,
		.run_id = claim->run_id,
		.step = claim->step,
		.item = claim->item,
		.kind = JO_TIMER_LEASE,
	};

	if (claim->timer_due != 0)
		(void) jo_store_delete_timer(&timer);
}

bool
jo_store_take_claim(const JoClaimRow *row)
{
	Relation	table = jo_store_open(JO_TABLE_CLAIM, RowExclusiveLock);
	JoTuple		tuple;
	TM_Result	result;

	tuple.tid = row->tid;
	tuple.external = false;
	result = jo_store_delete(table, &tuple, false);
	table_close(table, NoLock);
	if (result == TM_Ok)
		delete_lease_timer(row);
	return result == TM_Ok;
}

/* All rows of the step in one of the two tables; false when somebody has one of them. */
static bool
drop_rows(JoIndexId index, int64 run_id, int32 step, int32 item)
{
	ScanKeyData keys[3];
	JoScan		scan;
	JoTuple		tuple;
	bool		all = true;

	make_step_keys(keys, run_id, step, item);
	jo_store_scan_begin(&scan, index, RowExclusiveLock, keys, 3, SnapshotSelf);
	while (all && jo_store_scan_next(&scan, &tuple))
	{
		JoClaimRow	claim;

		if (index == JO_INDEX_CLAIM_STEP)
			take_claim(&tuple, &claim);
		all = jo_store_delete(scan.table, &tuple, false) == TM_Ok;
		if (all && index == JO_INDEX_CLAIM_STEP)
			delete_lease_timer(&claim);
	}
	jo_store_scan_end(&scan);
	return all;
}

/*
 * A claim that is just being made is not seen, but the offer that it takes is, and is
 * held by the same transaction.
 */
bool
jo_store_drop_claims(int64 run_id, int32 step, int32 item)
{
	CommandCounterIncrement();
	return drop_rows(JO_INDEX_CLAIM_STEP, run_id, step, item) &&
		drop_rows(JO_INDEX_OFFER_PKEY, run_id, step, item);
}

/* ---- what others call a step ---- */

void
jo_store_set_external_id(int64 run_id, int32 step, int32 item, const char *external_id)
{
	ScanKeyData keys[3];
	JoScan		scan;
	JoTuple		tuple;
	bool		found;

	make_step_keys(keys, run_id, step, item);
	CommandCounterIncrement();
	jo_store_scan_begin(&scan, JO_INDEX_EXTERNAL_REF_PKEY, RowExclusiveLock, keys, 3, SnapshotSelf);
	found = jo_store_scan_next(&scan, &tuple);
	tuple.n = 0;
	put_datum(&tuple, Int64GetDatum(run_id));
	put_datum(&tuple, Int32GetDatum(step));
	put_datum(&tuple, Int32GetDatum(item));
	put_text(&tuple, external_id);
	if (found)
		(void) jo_store_update(JO_TABLE_EXTERNAL_REF, scan.table, &tuple, true);
	jo_store_scan_end(&scan);
	if (!found)
		jo_store_insert(JO_TABLE_EXTERNAL_REF, &tuple);
}
