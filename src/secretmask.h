/*
 * secretmask.h
 *		Finds secret values in a text, however they were written there.  A leaf.
 *
 * Found are a value as it is, in large and small letters, percent-encoded (a blank also as +), with JSON's
 * escapes, and inside of base64 in both alphabets, wherever in the encoded bytes it
 * begins.
 */
#ifndef JO_SECRETMASK_H
#define JO_SECRETMASK_H

#include "leaf.h"

#define JO_MASK "***"
#define JO_MASK_SHORTEST 4		/* bytes; a shorter value would be found everywhere */

typedef struct JoMask JoMask;

/* What to look for, made ready; values that are too short are left out. */
extern JoMask *jo_mask_create(char *const *values, int n);

/* Overwrites its copies of the values and frees it. */
extern void jo_mask_free(JoMask *mask);

/* Is there any of them in the text? */
extern bool jo_mask_finds(const JoMask *mask, const char *text, size_t length);

/* A copy, terminated, with each replaced; NULL when there is none. */
extern char *jo_mask_apply(const JoMask *mask, const char *text, size_t length);

#endif
