/*
 * store_cache.c
 *		Outputs of steps that later runs of the same job take over: step_cache.
 *
 * A cache may lose an entry, but must never make a step fail or wait that has
 * done its work: so who stores what another one is just storing gives way.
 * Touches this table only.
 */
#include "postgres.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/fmgrprotos.h"
#include "utils/snapmgr.h"

#include "clock.h"
#include "store_internal.h"

/* Columns, from 0. */
#define CACHE_EXPIRES_AT 2
#define CACHE_OUTPUT 5

/* Longer keys are kept as their digest: an index entry has to fit on a page. */
#define LONGEST_KEY 512
#define DIGEST_WORD "sha256:"

/* SQL's advisory locks have 1 or 2 here. */
#define LOCK_CLASS 3

/*
 * As sha256() and encode() of SQL make it, with a word before it.  A key that begins
 * with the word itself is digested too: it could be made to be another one's digest.
 */
const char *
jo_store_shorten_key(const char *key)
{
	Datum		digest;

	if (strlen(key) <= LONGEST_KEY && strncmp(key, DIGEST_WORD, strlen(DIGEST_WORD)) != 0)
		return key;
	/* text and bytea are the same bytes */
	digest = DirectFunctionCall1(sha256_bytea, CStringGetTextDatum(key));
	digest = DirectFunctionCall2(binary_encode, digest, CStringGetTextDatum("hex"));
	return psprintf(DIGEST_WORD "%s", TextDatumGetCString(digest));
}

static void
make_keys(ScanKey keys, int64 job_id, const char *step, const char *key)
{
	jo_store_key_int64(&keys[0], 1, job_id);
	jo_store_key_text(&keys[1], 2, step);
	jo_store_key_text(&keys[2], 3, key);
}

typedef struct CachedRow
{
	TimestampTz expires_at;
	Jsonb	   *output;
} CachedRow;

static void
take_cached(JoTuple *tuple, void *result)
{
	CachedRow  *row = result;

	tuple->n = CACHE_EXPIRES_AT;
	row->expires_at = get_int64(tuple);
	tuple->n = CACHE_OUTPUT;
	row->output = get_jsonb(tuple);
}

bool
jo_store_cached(int64 job_id, const char *step, const char *key, TimestampTz now, Jsonb **output)
{
	ScanKeyData keys[3];
	CachedRow	row;

	make_keys(keys, job_id, step, jo_store_shorten_key(key));
	if (!jo_store_read_one(JO_INDEX_STEP_CACHE_PKEY, keys, 3, jo_store_latest(), take_cached, &row) ||
		row.expires_at <= now)
		return false;
	*output = row.output;
	return true;
}

/*
 * Until the end of the transaction nobody else stores under this key; false when
 * somebody is just doing so.  A lock of another key with the same hash only
 * costs an entry.
 */
static bool
lock_key(int64 job_id, const char *step, const char *key)
{
	uint64		hash = hash_bytes_extended((const unsigned char *) key, strlen(key), (uint64) job_id);
	LOCKTAG		tag;

	hash = hash_bytes_extended((const unsigned char *) step, strlen(step), hash);
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash, LOCK_CLASS);
	return LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
jo_store_cache(int64 job_id, const char *step, const char *key, Jsonb *output,
			   TimestampTz expires_at)
{
	const char *kept_key = jo_store_shorten_key(key);
	ScanKeyData keys[3];
	JoScan		scan;
	JoTuple		tuple;
	bool		found;

	if (!lock_key(job_id, step, kept_key))
		return;
	make_keys(keys, job_id, step, kept_key);
	/* a row that this transaction wrote can be changed only by a later command */
	CommandCounterIncrement();
	jo_store_scan_begin(&scan, JO_INDEX_STEP_CACHE_PKEY, RowExclusiveLock, keys, 3, SnapshotSelf);
	found = jo_store_scan_next(&scan, &tuple);
	tuple.n = 0;
	put_datum(&tuple, Int64GetDatum(job_id));
	put_datum(&tuple, TimestampTzGetDatum(jo_clock_now()));
	put_datum(&tuple, TimestampTzGetDatum(expires_at));
	put_text(&tuple, step);
	put_text(&tuple, kept_key);
	put_pointer(&tuple, output);
	/* held by somebody else, it is being deleted: then it is not kept */
	if (found)
		(void) jo_store_update(JO_TABLE_STEP_CACHE, scan.table, &tuple, false);
	jo_store_scan_end(&scan);
	if (!found)
		jo_store_insert(JO_TABLE_STEP_CACHE, &tuple);
}
