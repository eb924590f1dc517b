/*
 * courierchores.h
 *		What the courier does that is no step's: artifacts to and from S3.
 *
 * Its transfers are in the same libcurl client as those of steps.  All outside of
 * transactions; nothing raises.
 */
#ifndef JO_COURIERCHORES_H
#define JO_COURIERCHORES_H

#include "net.h"

/*
 * Begins what is due, if told or if it is time.  Returns when to call it again, 0: only
 * when told.
 */
extern TimestampTz jo_chores_begin(JoNetClient *client, bool told, TimestampTz now);

/* Is it the transfer of a chore?  Then an upload that is hungry is fed, and one that is done is finished and closed. */
extern bool jo_chores_feed(JoNetTransfer *transfer);
extern bool jo_chores_finish(JoNetTransfer *transfer);

/* How many are under way. */
extern int	jo_chores_open(void);

#endif
