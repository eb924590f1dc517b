/*
 * offers.h
 *		Work that is offered to programs outside: what a transaction tells at its end, and
 *		from where on offers are to be read.
 */
#ifndef JO_OFFERS_H
#define JO_OFFERS_H

#include "shmem.h"

/*
 * This transaction inserts an offer, or takes one.  At its commit an offer wakes who waits
 * for it and is told on the channel joborch_work; what was taken is there again at its abort.
 * May raise.
 */
extern void jo_offers_note(const char *queue, int64 group_id, int ord, TimestampTz offered_at);
extern void jo_offers_note_taken(const char *queue);

/* For jo_events_wait_for_work(). */
extern uint32 jo_offers_queue_hash(const char *queue);

/*
 * Reading the offers of a group: begin gives the lowest place of each priority from where
 * to read, and is called before the snapshot is taken; end says up to where nothing was
 * found that is offered still (0: leaves it), and is not called when the reading failed.
 */
typedef struct JoOfferReading
{
	int64		group_id;
	uint32		number;			/* 0: another one is reading, and may move the places */
	TimestampTz begun_at;		/* what is older and is not found was not there */
	TimestampTz low[JO_PRIORITIES];
} JoOfferReading;

extern void jo_offers_begin_reading(JoOfferReading *reading, int64 group_id);
extern void jo_offers_end_reading(const JoOfferReading *reading, const TimestampTz *low);

/* Nothing of the database is known any more. */
extern void jo_offers_forget(Oid dboid);

/* ---- the publisher's side ---- */

/* Caller holds event_lock. */
extern bool jo_offers_have_news(Oid dboid);

/*
 * Copies the names of queues with something new, at most max, and raises *lsn to what must be durable
 * before they are told.  They count as told when told is called; told never raises.
 */
extern int	jo_offers_take_news(Oid dboid, char (*queues)[JO_QUEUE_NAME_SIZE], int max, XLogRecPtr *lsn);
extern void jo_offers_told(Oid dboid);

#endif
