/*
 * cursor.c
 *		Moving keys: how far each (queue, priority) of a database has been read.
 */
#include "joborch.h"

#include "cursor.h"

static const JoLiveKey last_key = {DT_NOEND, PG_INT64_MAX};

int
jo_key_compare(JoLiveKey a, JoLiveKey b)
{
	if (a.due != b.due)
		return a.due < b.due ? -1 : 1;
	if (a.run_id != b.run_id)
		return a.run_id < b.run_id ? -1 : 1;
	return 0;
}

JoCursor *
jo_cursor_enter(JoDatabase *database, int32 queue_id, int ord)
{
	JoCursor   *cursor;

	for (int i = 0; i < database->ncursors; i++)
	{
		cursor = &database->cursors[i];
		if (cursor->queue_id == queue_id && cursor->ord == ord)
			return cursor;
	}
	if (database->ncursors == JO_MAX_CURSORS)
		return NULL;
	cursor = &database->cursors[database->ncursors++];
	cursor->queue_id = queue_id;
	cursor->ord = ord;
	cursor->key.due = DT_NOBEGIN;
	cursor->key.run_id = 0;
	cursor->drained = false;
	cursor->next_due = 0;
	cursor->late = last_key;
	return cursor;
}

/* Joins a range of the same group that it touches, else takes a place of its own. */
static bool
add_range(JoDatabase *database, const JoRange *range)
{
	for (int i = 0; i < database->nranges; i++)
	{
		JoRange    *other = &database->ranges[i];

		if (other->queue_id != range->queue_id || other->ord != range->ord ||
			jo_key_compare(range->low, other->high) > 0 ||
			jo_key_compare(other->low, range->high) > 0)
			continue;
		if (jo_key_compare(range->low, other->low) < 0)
			other->low = range->low;
		if (jo_key_compare(range->high, other->high) > 0)
			other->high = range->high;
		return true;
	}
	if (database->nranges == JO_MAX_RANGES)
		return false;
	database->ranges[database->nranges++] = *range;
	return true;
}

void
jo_cursor_add_range(JoDatabase *database, const JoRange *range)
{
	if (!add_range(database, range))
		database->sweep = true;
}

bool
jo_cursor_announce(JoDatabase *database, const JoRange *range, TimestampTz now)
{
	JoCursor   *cursor = jo_cursor_enter(database, range->queue_id, range->ord);

	if (cursor == NULL)
	{
		database->sweep = true;
		return true;
	}
	if (jo_key_compare(range->low, cursor->key) <= 0)
		jo_cursor_add_range(database, range);
	else if (jo_key_compare(range->low, cursor->late) < 0)
		cursor->late = range->low;
	if (range->low.due > now)
	{
		if (cursor->next_due != 0 && cursor->next_due <= range->low.due)
			return false;
		cursor->next_due = range->low.due;
		return true;
	}
	cursor->drained = false;
	database->backlog = true;
	return true;
}

void
jo_cursor_begin_reading(JoCursor *cursor)
{
	cursor->reading = true;
	cursor->late = last_key;
	cursor->drained = true;		/* whoever commits from now on says otherwise */
	cursor->next_due = 0;
}

void
jo_cursor_end_reading(JoDatabase *database, JoCursor *cursor, JoLiveKey reached, bool more)
{
	cursor->reading = false;
	if (jo_key_compare(reached, cursor->key) > 0)
		cursor->key = reached;
	if (more)
		cursor->drained = false;

	/* what the reading's snapshot did not see was announced when the key was not that far */
	if (jo_key_compare(cursor->late, cursor->key) <= 0)
	{
		JoRange		unread = {cursor->queue_id, cursor->ord, cursor->late, cursor->key};

		jo_cursor_add_range(database, &unread);
	}
}

bool
jo_cursor_pass(JoDatabase *database, int32 queue_id, int ord, JoLiveKey key, TimestampTz now)
{
	JoCursor   *cursor = jo_cursor_enter(database, queue_id, ord);

	if (cursor == NULL || !cursor->drained || cursor->reading || key.due > now ||
		(cursor->next_due != 0 && cursor->next_due <= now) ||
		jo_key_compare(key, cursor->key) <= 0 || database->nranges > 0)
		return false;
	cursor->key = key;
	return true;
}
