/*
 * zonename.h
 *		Which texts are no time zones here, and what may have been meant.
 */
#ifndef JO_ZONENAME_H
#define JO_ZONENAME_H

/*
 * Refuses what the server's library would read in a way that few expect: false, and two
 * texts in the current context.  True says nothing about whether there is such a zone.
 */
extern bool jo_zone_name_check(const char *name, char **error, char **hint);

/* For a name that the library does not know; reads its directory for near matches. */
extern void jo_zone_name_explain(const char *name, char **error, char **hint);

#endif
