/*
 * digest.h
 *		SHA-256 of bytes that come piece by piece, over many transactions.
 */
#ifndef JO_DIGEST_H
#define JO_DIGEST_H

#include "postgres.h"

#define JO_DIGEST_TEXT 64		/* hexadecimal digits */

typedef struct JoDigest JoDigest;

/* In the current context, until free.  All but free raise ERRCODE_INTERNAL_ERROR or what memory does. */
extern JoDigest *jo_digest_create(void);
extern void jo_digest_restart(JoDigest *digest);
extern void jo_digest_add(JoDigest *digest, const char *data, size_t size);

/* text has room for JO_DIGEST_TEXT + 1; nothing can be added afterwards. */
extern void jo_digest_finish(JoDigest *digest, char *text);

/* NULL: nothing. */
extern void jo_digest_free(JoDigest *digest);

#endif
