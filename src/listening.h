/*
 * listening.h
 *		Which channels of joborch this session listens to.
 */
#ifndef JO_LISTENING_H
#define JO_LISTENING_H

/* LISTEN channel, before it takes effect; others' channels are ignored.  May raise. */
extern void jo_listening_add(const char *channel);

/* UNLISTEN channel, or NULL for all of them; takes effect at commit. */
extern void jo_listening_remove(const char *channel);

#endif
