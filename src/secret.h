/*
 * secret.h
 *		Values that steps may use and nobody may read: resolving and masking.
 *
 * Rows of secrets are encrypted; the key is in a file that the setting
 * joborch.secret_key_file names.  Needs a transaction where it reads rows.
 */
#ifndef JO_SECRET_H
#define JO_SECRET_H

#include "postgres.h"
#include "utils/jsonb.h"

/* The secrets that one step was given, to be masked in whatever it tells. */
typedef struct JoSecretList
{
	int			n;
	int			capacity;
	char	  **values;			/* in clear; of 4 bytes and more */
} JoSecretList;

/*
 * The value in clear, in the current context.  Raises ERRCODE_JO_SECRET when there is none
 * of the name or the role may not use it (the same words for both), or the key file
 * cannot be used.  Remembers it in *list (in list's own allocations; NULL: does not).
 */
extern char *jo_secret_resolve(Oid role, const char *name, JoSecretList *list);

/* Copies with each secret, plain, URL-encoded or in base64, replaced by "***"; the same pointer when there is none. */
extern char *jo_secret_mask_text(const JoSecretList *list, const char *text);
extern Jsonb *jo_secret_mask_jsonb(const JoSecretList *list, Jsonb *value);

/* Overwrites the values before their memory is given back. */
extern void jo_secret_forget(JoSecretList *list);

#endif
