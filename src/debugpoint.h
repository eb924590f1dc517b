/*
 * debugpoint.h
 *		Named points at which a test can stop, raise, kill or crash a process.
 *
 * Only in builds with JOBORCH_TEST; nothing is left of them in a release.
 * test/debug_functions.sql has the functions with which a test arms them.
 */
#ifndef JO_DEBUGPOINT_H
#define JO_DEBUGPOINT_H

#ifdef JOBORCH_TEST
/* Does what the point is armed for.  May not be called with an LWLock held. */
extern void jo_debug_point(const char *name);
extern void jo_debug_init(void);	/* from _PG_init */

#define JO_DEBUG_POINT(name) jo_debug_point(name)
#else
#define JO_DEBUG_POINT(name) ((void) 0)
#define jo_debug_init() ((void) 0)
#endif

#endif
