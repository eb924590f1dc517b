/*
 * schedspec.c
 *		Specs of schedules, read once.
 *
 * A schedule that fires each second should not have its spec parsed each second.  A
 * spec belongs to a revision of its schedule; of older ones nothing is kept.
 */
#include "joborch.h"

#include "schedspec.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

#define MAX_KEPT 20000			/* then all are forgotten */

typedef struct Entry
{
	int64		schedule_id;	/* hash key */
	int32		revision;
	MemoryContext context;		/* of the spec; NULL: not read */
	JoTimeSpec *spec;
} Entry;

static HTAB *entries = NULL;

static void
forget_all(void)
{
	HASH_SEQ_STATUS scan;
	Entry	   *entry;

	hash_seq_init(&scan, entries);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (entry->context != NULL)
			MemoryContextDelete(entry->context);
	hash_destroy(entries);
	entries = NULL;
}

static void
make_table(void)
{
	HASHCTL		control = {.keysize = sizeof(int64), .entrysize = sizeof(Entry), .hcxt = TopMemoryContext};

	entries = hash_create("joborch schedule specs", 128, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

JoTimeSpec *
jo_schedspec_get(const JoScheduleRow *row)
{
	MemoryContext old;
	Entry	   *entry;
	bool		found;

	if (entries != NULL && hash_get_num_entries(entries) >= MAX_KEPT)
		forget_all();
	if (entries == NULL)
		make_table();
	entry = hash_search(entries, &row->schedule_id, HASH_ENTER, &found);
	if (!found)
		entry->context = NULL;
	if (entry->context != NULL && entry->revision == row->revision)
		return entry->spec;
	if (entry->context != NULL)
		MemoryContextDelete(entry->context);
	/* an error in between leaves an entry that is not read */
	entry->context = NULL;
	old = MemoryContextSwitchTo(AllocSetContextCreate(CurrentMemoryContext, "joborch schedule spec",
													  ALLOCSET_SMALL_SIZES));
	entry->spec = jo_timespec_parse(row->spec);
	entry->revision = row->revision;
	entry->context = CurrentMemoryContext;
	MemoryContextSetParent(entry->context, TopMemoryContext);
	MemoryContextSwitchTo(old);
	return entry->spec;
}
