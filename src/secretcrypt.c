/*
 * secretcrypt.c
 *		Encryption of secrets at rest: the only file that knows OpenSSL.
 *
 * A sealed value is: one byte for the form (1), the nonce, the tag, the encrypted
 * bytes.  The nonce is random and new for every sealing.  Touches memory and the key
 * file; keeps no key.
 */
#include "postgres.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include "errors.h"
#include "guc.h"
#include "port/pg_bswap.h"
#include "secretcrypt.h"
#include "secretfile.h"

#define KEY_BYTES 32
#define KEY_NAME 63				/* bytes of a key's name */
#define MAX_KEYS 32				/* in a key file */

#define FORM 1
#define NONCE_BYTES 12
#define TAG_BYTES 16
#define HEAD_BYTES (1 + NONCE_BYTES + TAG_BYTES)
#define BASE64_LENGTH 44		/* of a key */
#define HEX_LENGTH (KEY_BYTES * 2)
#define PURPOSE "joborch secret 1"

typedef struct Key
{
	char		name[KEY_NAME + 1];
	unsigned char bytes[KEY_BYTES];
} Key;

typedef struct Keys
{
	char	   *text;			/* of the file, NULL: not read */
	size_t		length;
	int			n;
	Key			keys[MAX_KEYS]; /* the newest first */
} Keys;

/* ---- the key file ---- */

/* line 0: the file as a whole */
static void pg_attribute_noreturn()
refuse_line(int line, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_SECRET),
			 errmsg("file \"%s\" cannot be used for secrets", jo_guc_secret_key_file),
			 line > 0 ? errdetail("Line %d: %s", line, problem) : errdetail("%s", problem),
			 errhint("Each line is a name and a key of 32 bytes in base64 or hexadecimal, the newest first: "
					 "echo \"key1 $(openssl rand -base64 32)\".")));
}

static bool
read_base64(const char *text, unsigned char *key)
{
	unsigned char room[BASE64_LENGTH / 4 * 3];
	bool		good = text[BASE64_LENGTH - 1] == '=' && text[BASE64_LENGTH - 2] != '=' &&
		EVP_DecodeBlock(room, (const unsigned char *) text, BASE64_LENGTH) == KEY_BYTES + 1;

	memcpy(key, room, KEY_BYTES);
	OPENSSL_cleanse(room, sizeof(room));
	return good;
}

static bool
read_hexadecimal(const char *text, unsigned char *key)
{
	long		n = 0;
	unsigned char *bytes = OPENSSL_hexstr2buf(text, &n);
	bool		good = bytes != NULL && n == KEY_BYTES;

	if (good)
		memcpy(key, bytes, KEY_BYTES);
	OPENSSL_clear_free(bytes, n);
	return good;
}

static const Key *
find_key(const Keys *keys, const char *name)
{
	for (int i = 0; i < keys->n; i++)
	{
		if (strcmp(keys->keys[i].name, name) == 0)
			return &keys->keys[i];
	}
	return NULL;
}

/* A line without its end; blank ones and comments say nothing. */
static void
read_line(Keys *keys, char *text, int line)
{
	char	   *rest = text;
	char	   *name = strsep(&rest, " \t");
	Key		   *key = &keys->keys[keys->n];
	size_t		length;

	if (*name == '#' || (*name == '\0' && rest == NULL))
		return;
	if (rest != NULL)
		rest += strspn(rest, " \t");
	if (*name == '\0' || rest == NULL || *rest == '\0' || strpbrk(rest, " \t") != NULL)
		refuse_line(line, "It is not a name, a blank and a key.");
	if (strlen(name) > KEY_NAME || name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")] != '\0')
		refuse_line(line, "A key's name has up to 63 letters, digits, dots, hyphens and underscores.");
	if (find_key(keys, name) != NULL)
		refuse_line(line, "There is a key of this name before it.");
	if (keys->n == MAX_KEYS)
		refuse_line(line, psprintf("There are more than %d keys.", MAX_KEYS));
	length = strlen(rest);
	if (!(length == BASE64_LENGTH && read_base64(rest, key->bytes)) &&
		!(length == HEX_LENGTH && read_hexadecimal(rest, key->bytes)))
		refuse_line(line, "The key is not 32 bytes in base64 or hexadecimal.");
	strlcpy(key->name, name, sizeof(key->name));
	keys->n++;
}

/* The caller calls forget_keys() whatever happens. */
static void
load_keys(Keys *keys)
{
	char	   *rest;
	int			line = 0;

	keys->text = jo_secretfile_keys();
	keys->length = strlen(keys->text);
	rest = keys->text;
	while (rest != NULL)
	{
		char	   *start = strsep(&rest, "\n");
		size_t		end = strlen(start);

		while (end > 0 && strchr(" \t\r", start[end - 1]) != NULL)
			start[--end] = '\0';
		read_line(keys, start, ++line);
	}
	if (keys->n == 0)
		refuse_line(0, "There is no key in it.");
}

static void
forget_keys(Keys *keys)
{
	if (keys->text != NULL)
		OPENSSL_cleanse(keys->text, keys->length);
	OPENSSL_cleanse(keys, sizeof(*keys));
}

/* ---- sealing and opening ---- */

/* Numbers as bytes in an order that no machine changes. */
static unsigned char *
make_bound_bytes(const JoSecretBinding *binding, int *length)
{
	uint64		system = pg_hton64(binding->system_identifier);
	uint32		database = pg_hton32(binding->database_oid);
	int			head = sizeof(PURPOSE) + sizeof(system) + sizeof(database);
	unsigned char *bytes;

	*length = head + strlen(binding->name);
	bytes = palloc(*length);
	memcpy(bytes, PURPOSE, sizeof(PURPOSE));
	memcpy(bytes + sizeof(PURPOSE), &system, sizeof(system));
	memcpy(bytes + sizeof(PURPOSE) + sizeof(system), &database, sizeof(database));
	memcpy(bytes + head, binding->name, strlen(binding->name));
	return bytes;
}

static bool
encrypt(EVP_CIPHER_CTX *context, const unsigned char *key, unsigned char *head, const unsigned char *bound,
		int bound_length, const char *value, int length, unsigned char *out)
{
	unsigned char *nonce = head + 1;
	int			n;

	return RAND_bytes(nonce, NONCE_BYTES) == 1 &&
		EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
		EVP_EncryptUpdate(context, NULL, &n, bound, bound_length) == 1 &&
		EVP_EncryptUpdate(context, out, &n, (const unsigned char *) value, length) == 1 && n == length &&
		EVP_EncryptFinal_ex(context, out + n, &n) == 1 && n == 0 &&
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, nonce + NONCE_BYTES) == 1;
}

static bool
decrypt(EVP_CIPHER_CTX *context, const unsigned char *key, unsigned char *head, const unsigned char *bound,
		int bound_length, int length, unsigned char *out)
{
	unsigned char *nonce = head + 1;
	int			n;

	return EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), NULL, key, nonce) == 1 &&
		EVP_DecryptUpdate(context, NULL, &n, bound, bound_length) == 1 &&
		EVP_DecryptUpdate(context, out, &n, head + HEAD_BYTES, length) == 1 && n == length &&
		EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, TAG_BYTES, nonce + NONCE_BYTES) == 1 &&
		EVP_DecryptFinal_ex(context, out + n, &n) == 1;
}

static bytea *
seal(const Key *key, const JoSecretBinding *binding, const char *value)
{
	int			length = strlen(value);
	int			bound_length;
	unsigned char *bound = make_bound_bytes(binding, &bound_length);
	bytea	   *sealed = palloc0(VARHDRSZ + HEAD_BYTES + length);
	unsigned char *head = (unsigned char *) VARDATA(sealed);
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	bool		good;

	SET_VARSIZE(sealed, VARHDRSZ + HEAD_BYTES + length);
	head[0] = FORM;
	good = context != NULL &&
		encrypt(context, key->bytes, head, bound, bound_length, value, length, head + HEAD_BYTES);
	EVP_CIPHER_CTX_free(context);
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("the secret could not be encrypted"),
				 errdetail("OpenSSL refused AES-256-GCM, or has no random numbers."),
				 errhint("Look whether the system's OpenSSL configuration allows AES-256-GCM.")));
	return sealed;
}

bytea *
jo_secretcrypt_seal(const JoSecretBinding *binding, const char *value, char **key_name)
{
	bytea	   *volatile sealed = NULL;
	Keys		keys = {0};

	PG_TRY();
	{
		load_keys(&keys);
		*key_name = pstrdup(keys.keys[0].name);
		sealed = seal(&keys.keys[0], binding, value);
	}
	PG_CATCH();
	{
		forget_keys(&keys);
		PG_RE_THROW();
	}
	PG_END_TRY();
	forget_keys(&keys);
	return sealed;
}

static char *
open_sealed(const Key *key, const JoSecretBinding *binding, bytea *sealed)
{
	int			length = VARSIZE_ANY_EXHDR(sealed) - HEAD_BYTES;
	int			bound_length;
	unsigned char *bound = make_bound_bytes(binding, &bound_length);
	char	   *value = palloc(length + 1);
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	bool		good = context != NULL &&
		decrypt(context, key->bytes, (unsigned char *) VARDATA_ANY(sealed), bound, bound_length,
				length, (unsigned char *) value);

	EVP_CIPHER_CTX_free(context);
	value[length] = '\0';
	if (good)
		return value;
	/* what was decrypted before the tag was looked at */
	OPENSSL_cleanse(value, length);
	pfree(value);
	return NULL;
}

char *
jo_secretcrypt_open(const JoSecretBinding *binding, const char *key_name, bytea *sealed,
					const char **problem)
{
	char	   *volatile value = NULL;
	Keys		keys = {0};

	*problem = NULL;
	PG_TRY();
	{
		const Key  *key;

		load_keys(&keys);
		key = find_key(&keys, key_name);
		if (key == NULL)
			*problem = psprintf("It was encrypted with key \"%s\", which is not in the key file.", key_name);
		else if (VARSIZE_ANY_EXHDR(sealed) < HEAD_BYTES || *VARDATA_ANY(sealed) != FORM)
			*problem = "The row holds something else than an encrypted value.";
		else
		{
			value = open_sealed(key, binding, sealed);
			if (value == NULL)
				*problem = psprintf("Key \"%s\" of the key file is another one, or the row was changed.", key_name);
		}
	}
	PG_CATCH();
	{
		forget_keys(&keys);
		PG_RE_THROW();
	}
	PG_END_TRY();
	forget_keys(&keys);
	return value;
}
