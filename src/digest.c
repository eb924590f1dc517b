/*
 * digest.c
 *		SHA-256 that outlives transactions.
 *
 * The server's digests belong to a resource owner, which is mostly that of a transaction; these have one of
 * their own.  Touches memory only.
 */
#include "joborch.h"

#include "common/cryptohash.h"
#include "common/sha2.h"
#include "digest.h"
#include "utils/resowner.h"

struct JoDigest
{
	ResourceOwner owner;
	pg_cryptohash_ctx *context;
};

static void pg_attribute_noreturn()
raise_failed(const JoDigest *digest)
{
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("could not compute a SHA-256 digest: %s", pg_cryptohash_error(digest->context))));
}

JoDigest *
jo_digest_create(void)
{
	JoDigest   *digest = palloc0(sizeof(JoDigest));
	ResourceOwner saved = CurrentResourceOwner;

	digest->owner = ResourceOwnerCreate(NULL, "joborch digest");
	PG_TRY();
	{
		CurrentResourceOwner = digest->owner;
		digest->context = pg_cryptohash_create(PG_SHA256);
	}
	PG_FINALLY();
	{
		CurrentResourceOwner = saved;
	}
	PG_END_TRY();
	jo_digest_restart(digest);
	return digest;
}

void
jo_digest_restart(JoDigest *digest)
{
	if (digest->context == NULL || pg_cryptohash_init(digest->context) < 0)
		raise_failed(digest);
}

void
jo_digest_add(JoDigest *digest, const char *data, size_t size)
{
	if (pg_cryptohash_update(digest->context, (const uint8 *) data, size) < 0)
		raise_failed(digest);
}

void
jo_digest_finish(JoDigest *digest, char *text)
{
	uint8		bytes[PG_SHA256_DIGEST_LENGTH];

	if (pg_cryptohash_final(digest->context, bytes, sizeof(bytes)) < 0)
		raise_failed(digest);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

void
jo_digest_free(JoDigest *digest)
{
	if (digest == NULL)
		return;
	if (digest->context != NULL)
		pg_cryptohash_free(digest->context);
	ResourceOwnerDelete(digest->owner);
	pfree(digest);
}
