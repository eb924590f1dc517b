/*
 * cursor.h
 *		Moving keys: how far each (queue, priority) of a database has been read.
 *
 * The key never moves back.  What commits behind it is announced as a range
 * and read on its own; so a held snapshot, under which dead index entries stay,
 * never makes the dispatcher walk them twice.  Caller holds jo_shared->lock.
 */
#ifndef JO_CURSOR_H
#define JO_CURSOR_H

#include "shmem.h"

extern int	jo_key_compare(JoLiveKey a, JoLiveKey b);

/* The cursor of a (queue, priority), made at the start if missing; NULL: all taken. */
extern JoCursor *jo_cursor_enter(JoDatabase *database, int32 queue_id, int ord);

/* Rows low..high are to be read on their own, by a range or, without room for it, the sweep. */
extern void jo_cursor_add_range(JoDatabase *database, const JoRange *range);

/*
 * Rows low..high of (queue, ord) were committed.  Notes what the dispatcher must
 * read; true if it should look now.
 */
extern bool jo_cursor_announce(JoDatabase *database, const JoRange *range, TimestampTz now);

/*
 * The dispatcher reads rows from the key on; nobody else moves the key meanwhile.
 * At the end it says which key it reached, and whether it left more that is due.
 */
extern void jo_cursor_begin_reading(JoCursor *cursor);
extern void jo_cursor_end_reading(JoDatabase *database, JoCursor *cursor, JoLiveKey reached, bool more);

/*
 * Was everything due up to this key read?  Then a run at the key may be handed
 * out directly, and the cursor moves past it.
 */
extern bool jo_cursor_pass(JoDatabase *database, int32 queue_id, int ord, JoLiveKey key,
						   TimestampTz now);

#endif
