/*
 * artifactread.c
 *		Reads artifacts, and says what is known of them.
 *
 * A reader takes one piece at a time, whatever the size.  It holds nothing but memory, so
 * it may be left to its context.  Touches rows through store.c, files through
 * artifactfile.c.
 */
#include "joborch.h"

#include <zlib.h>

#include "artifactparts.h"
#include "catalog/pg_type.h"
#include "clock.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "compat.h"
#include "errors.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/memutils.h"

#define GZIP_WINDOW (MAX_WBITS + 16)

struct JoArtifactReader
{
	JoArtifactRow row;
	MemoryContext context;
	int64		taken;			/* stored bytes so far */
	char	   *piece;			/* what was read last */
	size_t		size;
	size_t		used;
	z_stream   *gzip;			/* NULL: as it is stored */
	bool		ended;			/* of gzip */
};

/* ---- what is known ---- */

void
jo_artifact_raise_missing(int64 artifact_id)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_ARTIFACT),
			 errmsg("artifact " INT64_FORMAT " does not exist", artifact_id),
			 errdetail("It never did, was deleted, has expired, or is not yours to see."),
			 errhint("SELECT * FROM joborch.job_artifacts shows yours.")));
}

static const char *
storage_word(const JoArtifactRow *row)
{
	if (row->storage == JO_STORED_IN_S3 || row->todo == JO_TODO_MOVE)
		return "s3";
	return row->storage == JO_STORED_IN_FILE ? "filesystem" : "database";
}

Jsonb *
jo_artifact_describe_row(const JoArtifactRow *row)
{
	JsonbParseState *state = NULL;
	char		at[MAXDATELEN + 1];

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_int(&state, "id", row->artifact_id);
	jo_jsonb_add_string(&state, "name", row->name);
	jo_jsonb_add_string(&state, "type", row->type);
	jo_jsonb_add_int(&state, "size", row->size);
	jo_jsonb_add_string(&state, "content_type", row->content_type);
	jo_jsonb_add_string(&state, "sha256", row->sha256);
	jo_jsonb_add_string(&state, "storage", storage_word(row));
	jo_jsonb_add_string(&state, "compression", row->compression == JO_COMPRESSION_GZIP ? "gzip" : "none");
	if (row->expires_at != DT_NOEND)
		jo_jsonb_add_string(&state, "expires_at",
							JsonEncodeDateTime(at, TimestampTzGetDatum(row->expires_at), TIMESTAMPTZOID, NULL));
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

bool
jo_artifact_is_expired(const JoArtifactRow *row)
{
	JoLiveRow	live;

	return row->expires_at <= jo_clock_now() &&
		(row->run_id == 0 || !jo_store_live(row->run_id, jo_store_latest(), &live));
}

/* ---- finding ---- */

static bool
is_same_tenant(int64 run_id, const char *tenant)
{
	JoRunRow	run;

	if (tenant == NULL)
		return true;
	return run_id != 0 && jo_store_run(run_id, jo_store_latest(), &run) &&
		run.tenant != NULL && strcmp(run.tenant, tenant) == 0;
}

/* The run's own, or of a run that one of its steps started, and so on. */
static bool
belongs_to(const JoArtifactRow *row, int64 run_id)
{
	int64		at = run_id != 0 ? row->run_id : 0;

	while (at != 0 && at != run_id)
	{
		JoRunRow	run;

		at = jo_store_run(at, jo_store_latest(), &run) ? run.parent_run_id : 0;
	}
	return at != 0;
}

static bool
may_read(const JoArtifactRow *row, int64 run_id, Oid role)
{
	if (!OidIsValid(role) || belongs_to(row, run_id))
		return true;
	return has_privs_of_role(role, row->owner) && is_same_tenant(run_id, row->tenant);
}

/* Of the run, or else of the ones around it: a body is a run of its own.  *found_in is the one that has it. */
static bool
find_by_name(int64 run_id, const char *name, JoArtifactRow *row, int64 *found_in)
{
	while (run_id != 0)
	{
		JoRunRow	run;

		if (jo_store_artifact_by_name(run_id, name, jo_store_latest(), row))
		{
			*found_in = run_id;
			return true;
		}
		run_id = jo_store_run(run_id, jo_store_latest(), &run) ? run.parent_run_id : 0;
	}
	return false;
}

JoArtifactReader *
jo_artifact_open(int64 id, int64 run_id, const char *name, Oid role)
{
	JoArtifactReader *reader = palloc0(sizeof(JoArtifactReader));
	bool		found;

	if (id != 0)
		found = jo_store_artifact(id, jo_store_latest(), &reader->row);
	else
		found = find_by_name(run_id, name, &reader->row, &run_id);
	if (!found && id == 0)
		ereport(ERROR,
				(errcode(ERRCODE_JO_ARTIFACT),
				 errmsg("there is no artifact \"%s\"", name),
				 errdetail("Neither run " INT64_FORMAT " nor a run around it has one of that name.", run_id),
				 errhint("Those of other runs are found by their id; SELECT * FROM joborch.job_artifacts shows them.")));
	if (!found || !reader->row.complete || !may_read(&reader->row, run_id, role) ||
		jo_artifact_is_expired(&reader->row))
		jo_artifact_raise_missing(found ? reader->row.artifact_id : id);
	reader->context = CurrentMemoryContext;
	if (reader->row.compression == JO_COMPRESSION_GZIP)
	{
		reader->gzip = palloc(sizeof(z_stream));
		jo_artifact_prepare_zlib(reader->gzip, reader->context);
		if (inflateInit2(reader->gzip, GZIP_WINDOW) != Z_OK)
			jo_artifact_raise_zlib(reader->gzip, reader->row.name);
	}
	return reader;
}

int64
jo_artifact_id(const JoArtifactReader *reader)
{
	return reader->row.artifact_id;
}

const char *
jo_artifact_type(const JoArtifactReader *reader)
{
	return reader->row.type;
}

const char *
jo_artifact_name(const JoArtifactReader *reader)
{
	return reader->row.name;
}

const char *
jo_artifact_content_type(const JoArtifactReader *reader)
{
	return reader->row.content_type;
}

int64
jo_artifact_size(const JoArtifactReader *reader)
{
	return reader->row.size;
}

bool
jo_artifact_is_remote(const JoArtifactReader *reader)
{
	return reader->row.storage == JO_STORED_IN_S3;
}

Jsonb *
jo_artifact_describe(const JoArtifactReader *reader)
{
	return jo_artifact_describe_row(&reader->row);
}

char *
jo_artifact_url(const JoArtifactReader *reader)
{
	switch (reader->row.storage)
	{
		case JO_STORED_IN_FILE:
			return jo_artifact_file_url(reader->row.path);
		case JO_STORED_IN_S3:
			return pstrdup(reader->row.path);
		default:
			return NULL;
	}
}

/* ---- reading ---- */

int64
jo_artifact_stored_size(const JoArtifactReader *reader)
{
	return reader->row.stored_size;
}

int64
jo_artifact_read_stored(JoArtifactReader *reader)
{
	reader->gzip = NULL;
	return reader->row.stored_size;
}

static void
raise_broken(const JoArtifactRow *row, const char *detail)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("artifact " INT64_FORMAT " is not what was stored", row->artifact_id),
			 errdetail("%s", detail)));
}

/* The next piece as it is stored, in reader->piece; false at the end. */
static bool
fetch_piece(JoArtifactReader *reader)
{
	const JoArtifactRow *row = &reader->row;
	size_t		left = (size_t) Min(row->stored_size - reader->taken, JO_ARTIFACT_CHUNK);
	MemoryContext caller;

	if (left == 0)
		return false;
	if (row->storage == JO_STORED_IN_S3)
		ereport(ERROR,
				(errcode(ERRCODE_JO_ARTIFACT),
				 errmsg("artifact " INT64_FORMAT " is in S3 and cannot be read here", row->artifact_id),
				 errdetail("It is at %s.", row->path),
				 errhint("A step of type \"artifact\" with \"action\": \"get\" brings it.")));
	caller = MemoryContextSwitchTo(reader->context);
	if (reader->piece != NULL)
		pfree(reader->piece);
	reader->piece = NULL;
	if (row->storage == JO_STORED_IN_FILE)
	{
		reader->piece = palloc(left);
		jo_artifact_file_read(row->path, reader->taken, reader->piece, left);
		reader->used = 0;
		reader->size = left;
	}
	else
	{
		bytea	   *chunk = jo_store_artifact_chunk(row->artifact_id, (int32) (reader->taken / JO_ARTIFACT_CHUNK),
													jo_store_latest());

		/* deleted, or moved, since it was opened */
		if (chunk == NULL)
			jo_artifact_raise_missing(row->artifact_id);
		if (VARSIZE(chunk) - VARHDRSZ != left)
			raise_broken(row, "A chunk has another size.");
		reader->piece = (char *) chunk;
		reader->used = VARHDRSZ;
		reader->size = VARSIZE(chunk);
	}
	reader->taken += left;
	MemoryContextSwitchTo(caller);
	return true;
}

static size_t
read_gzip(JoArtifactReader *reader, char *buffer, size_t size)
{
	z_stream   *gzip = reader->gzip;

	gzip->next_out = (Bytef *) buffer;
	gzip->avail_out = (uInt) size;
	while (gzip->avail_out > 0 && !reader->ended)
	{
		int			result;

		if (reader->used == reader->size && !fetch_piece(reader))
			raise_broken(&reader->row, "It ends in the middle.");
		gzip->next_in = (Bytef *) reader->piece + reader->used;
		gzip->avail_in = (uInt) (reader->size - reader->used);
		result = inflate(gzip, Z_NO_FLUSH);
		reader->used = reader->size - gzip->avail_in;
		if (result == Z_STREAM_END)
			reader->ended = true;
		else if (result != Z_OK && result != Z_BUF_ERROR)
			jo_artifact_raise_zlib(gzip, reader->row.name);
	}
	return size - gzip->avail_out;
}

size_t
jo_artifact_read(JoArtifactReader *reader, char *buffer, size_t size)
{
	size_t		done = 0;

	CHECK_FOR_INTERRUPTS();
	if (reader->gzip != NULL)
		return read_gzip(reader, buffer, Min(size, (size_t) 1 << 30));
	while (done < size)
	{
		size_t		part;

		if (reader->used == reader->size && !fetch_piece(reader))
			break;
		part = Min(size - done, reader->size - reader->used);
		memcpy(buffer + done, reader->piece + reader->used, part);
		reader->used += part;
		done += part;
	}
	return done;
}

static char *
compute_digest(const char *data, size_t size)
{
	pg_cryptohash_ctx *digest = pg_cryptohash_create(PG_SHA256);
	uint8		bytes[PG_SHA256_DIGEST_LENGTH];
	char	   *text = palloc0(PG_SHA256_DIGEST_STRING_LENGTH);

	if (digest == NULL || pg_cryptohash_init(digest) < 0 ||
		pg_cryptohash_update(digest, (const uint8 *) data, size) < 0 ||
		pg_cryptohash_final(digest, bytes, sizeof(bytes)) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute a SHA-256 digest: %s", pg_cryptohash_error(digest))));
	pg_cryptohash_free(digest);
	hex_encode((const char *) bytes, sizeof(bytes), text);
	return text;
}

static void
check_digest(const JoArtifactReader *reader, const bytea *content)
{
	char	   *digest = compute_digest(VARDATA(content), VARSIZE(content) - VARHDRSZ);

	if (reader->row.sha256 == NULL || strcmp(digest, reader->row.sha256) != 0)
		raise_broken(&reader->row, psprintf("Its SHA-256 is %s and was %s.", digest, reader->row.sha256));
}

struct varlena *
jo_artifact_read_all(JoArtifactReader *reader)
{
	int64		size = reader->row.size;
	bytea	   *content;
	size_t		got;

	if (size > (int64) (MaxAllocSize - VARHDRSZ))
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("artifact " INT64_FORMAT " is too large for one value", reader->row.artifact_id),
				 errdetail("It has " INT64_FORMAT " bytes; a value can have %zu.",
						   size, (Size) MaxAllocSize - VARHDRSZ),
				 errhint("Store such artifacts in the file system or in S3, and read them there.")));
	content = palloc(VARHDRSZ + (Size) size);
	SET_VARSIZE(content, VARHDRSZ + (Size) size);
	got = jo_artifact_read(reader, VARDATA(content), (size_t) size);
	if (got != (size_t) size)
		raise_broken(&reader->row, psprintf("It has %zu bytes and had " INT64_FORMAT ".", got, size));
	check_digest(reader, content);
	return content;
}

struct varlena *
jo_artifact_accept(JoArtifactReader *reader, const char *data, size_t size)
{
	const char *stored = reader->row.stored_sha256;
	bytea	   *content;

	if (reader->gzip != NULL && stored != NULL && strcmp(compute_digest(data, size), stored) == 0)
	{
		reader->piece = unconstify(char *, data);
		reader->size = size;
		reader->used = 0;
		reader->taken = reader->row.stored_size;
		content = jo_artifact_read_all(reader);
		reader->piece = NULL;
		return content;
	}
	content = palloc(VARHDRSZ + size);
	SET_VARSIZE(content, VARHDRSZ + size);
	memcpy(VARDATA(content), data, size);
	check_digest(reader, content);
	return content;
}

void
jo_artifact_close(JoArtifactReader *reader)
{
	if (reader->gzip != NULL)
		(void) inflateEnd(reader->gzip);
	if (reader->piece != NULL)
		pfree(reader->piece);
	pfree(reader);
}
