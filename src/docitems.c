/*
 * docitems.c
 *		The items of a foreach, read from the chunks in which they are stored.
 *
 * An executor mostly carries out items that follow each other, so the chunk read
 * last is kept in this process.  Reads rows through store.c; touches this process's
 * memory only.
 */
#include "joborch.h"

#include "docparts.h"
#include "jsonbuild.h"
#include "utils/memutils.h"

/* Which chunk is kept.  A run that is recovered may evaluate its items anew. */
typedef struct ChunkKey
{
	Oid			incarnation;
	int			step;
	int64		run_id;
	int32		epoch;
	int32		chunk;
} ChunkKey;

static ChunkKey kept_key;
static Jsonb *kept = NULL;
static MemoryContext kept_context = NULL;

static Jsonb *
read_chunk(const ChunkKey *key)
{
	MemoryContext caller;
	Jsonb	   *items;

	if (kept != NULL && memcmp(key, &kept_key, sizeof(ChunkKey)) == 0)
		return kept;
	kept = NULL;
	if (kept_context == NULL)
		kept_context = AllocSetContextCreate(TopMemoryContext, "joborch items",
											 ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(kept_context);
	caller = MemoryContextSwitchTo(kept_context);
	if (jo_store_items(key->run_id, key->step, key->chunk, jo_store_latest(), &items))
	{
		kept_key = *key;
		kept = items;
	}
	MemoryContextSwitchTo(caller);
	return kept;
}

Jsonb *
jo_docitems_get(int64 run_id, int open_step, int32 epoch, int32 item)
{
	ChunkKey	key;
	Jsonb	   *chunk;
	JsonbValue *value = NULL;

	memset(&key, 0, sizeof(key));
	key.incarnation = jo_store_incarnation();
	key.step = open_step;
	key.run_id = run_id;
	key.epoch = epoch;
	key.chunk = item / JO_ITEMS_PER_CHUNK;
	chunk = read_chunk(&key);
	if (chunk != NULL)
		value = getIthJsonbValueFromContainer(&chunk->root, item % JO_ITEMS_PER_CHUNK);
	return value != NULL ? jo_jsonb_from_value(value) : NULL;
}
