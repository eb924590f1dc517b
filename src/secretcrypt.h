/*
 * secretcrypt.h
 *		Encryption of secrets at rest: AES-256-GCM of OpenSSL, with the keys of the
 *		key file.
 */
#ifndef JO_SECRETCRYPT_H
#define JO_SECRETCRYPT_H

#include "postgres.h"

/*
 * What a value is bound to: with other words it cannot be decrypted, so that no row can take
 * another one's place.
 */
typedef struct JoSecretBinding
{
	uint64		system_identifier;
	Oid			database_oid;
	const char *name;
} JoSecretBinding;

/*
 * Encrypts with the newest key of the key file; *key_name gets its name.  Raises
 * ERRCODE_JO_SWITCHED_OFF or ERRCODE_JO_SECRET when the file cannot be used, as open does.
 */
extern bytea *jo_secretcrypt_seal(const JoSecretBinding *binding, const char *value, char **key_name);

/*
 * The value, to be overwritten by the caller; NULL and *problem (a sentence) when it cannot be
 * had: no such key, another key of that name, or not the row that was written.
 */
extern char *jo_secretcrypt_open(const JoSecretBinding *binding, const char *key_name, bytea *sealed,
								 const char **problem);

#endif
