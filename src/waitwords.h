/*
 * waitwords.h
 *		What a step that waits is waiting for, in words.
 */
#ifndef JO_WAITWORDS_H
#define JO_WAITWORDS_H

#include "definition.h"
#include "store.h"

/*
 * Of a row of wait, or what is known of one: key may be NULL, look_at and child 0.
 * step is who waits, owner the run's.  Allocates in the current context.
 */
extern const char *jo_wait_words(char kind, const char *key, TimestampTz look_at, int64 child,
								 const JoStepDef *step, const char *owner);

#endif
