/*
 * artifact.c
 *		Writes artifacts, and removes them.
 *
 * Content passes through a digest, perhaps gzip, and goes on in pieces of
 * JO_ARTIFACT_CHUNK: as rows, or to a file.  A writer may live longer than a transaction;
 * what of it belongs to the process (file, digests) is kept in a list here, and dropped
 * when a transaction in which it wrote aborts: then the writer can only be abandoned.
 * Touches rows through store.c, files through artifactfile.c.
 */
#include "joborch.h"

#include <zlib.h>

#include "access/xact.h"
#include "artifactparts.h"
#include "clock.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "errors.h"
#include "guc.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

#define DIGEST_TEXT (PG_SHA256_DIGEST_STRING_LENGTH)
#define LONGEST_CONTENT_TYPE 1024
#define GZIP_WINDOW (MAX_WBITS + 16)	/* by which zlib knows gzip */

void		(*jo_artifact_errand_hook) (void) = NULL;

/* What of a writer belongs to the process. */
typedef struct Open
{
	struct Open *next;
	uint64		serial;
	int			level;			/* nesting of the transaction that wrote last; 0: it committed */
	JoArtifactFile *file;
	ResourceOwner owner;		/* of the digests, which the server ties to one */
	pg_cryptohash_ctx *content;
	pg_cryptohash_ctx *stored;	/* NULL: the same */
} Open;

static Open *opens = NULL;

struct JoArtifactWriter
{
	JoArtifactRow row;
	const char *storage;		/* where it is to be in the end */
	uint64		serial;			/* of its Open */
	bool		has_row;
	MemoryContext context;		/* in which it was made */
	TimestampTz expires_at;		/* once it is complete */
	int32		chunk;
	z_stream   *gzip;			/* NULL: not compressed */
	size_t		used;			/* of buffer */
	char	   *buffer;			/* JO_ARTIFACT_CHUNK bytes */
};

/* ---- what belongs to the process ---- */

/* Never raises. */
static void
drop_open(Open *open)
{
	Open	  **link = &opens;

	while (*link != open)
		link = &(*link)->next;
	*link = open->next;
	if (open->file != NULL)
		jo_artifact_file_discard(open->file);
	pg_cryptohash_free(open->content);
	pg_cryptohash_free(open->stored);
	ResourceOwnerDelete(open->owner);
	pfree(open);
}

/* level 1: the transaction itself. */
static void
at_end(bool committed, int level)
{
	Open	   *open = opens;

	while (open != NULL)
	{
		Open	   *next = open->next;

		if (open->level >= level)
		{
			if (committed)
				open->level = level - 1;
			else
				drop_open(open);
		}
		open = next;
	}
}

static void
at_transaction_end(XactEvent event, void *argument)
{
	(void) argument;
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		at_end(event == XACT_EVENT_COMMIT, 1);
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId subid, SubTransactionId parent, void *argument)
{
	(void) subid;
	(void) parent;
	(void) argument;
	if (event == SUBXACT_EVENT_COMMIT_SUB || event == SUBXACT_EVENT_ABORT_SUB)
		at_end(event == SUBXACT_EVENT_COMMIT_SUB, GetCurrentTransactionNestLevel());
}

/* A digest that outlives the transaction. */
static void
create_digest(ResourceOwner owner, pg_cryptohash_ctx **digest)
{
	ResourceOwner saved = CurrentResourceOwner;

	PG_TRY();
	{
		CurrentResourceOwner = owner;
		*digest = pg_cryptohash_create(PG_SHA256);
	}
	PG_FINALLY();
	{
		CurrentResourceOwner = saved;
	}
	PG_END_TRY();
	if (*digest == NULL || pg_cryptohash_init(*digest) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not begin a SHA-256 digest: %s", pg_cryptohash_error(*digest))));
}

static Open *
create_open(bool two_digests)
{
	static uint64 last_serial = 0;
	static bool registered = false;
	Open	   *open = MemoryContextAllocZero(TopMemoryContext, sizeof(Open));

	if (!registered)
	{
		RegisterXactCallback(at_transaction_end, NULL);
		RegisterSubXactCallback(at_subtransaction_end, NULL);
		registered = true;
	}
	open->serial = ++last_serial;
	open->level = GetCurrentTransactionNestLevel();
	open->owner = ResourceOwnerCreate(NULL, "joborch artifact");
	open->next = opens;
	opens = open;				/* from here on an abort drops it */
	create_digest(open->owner, &open->content);
	if (two_digests)
		create_digest(open->owner, &open->stored);
	return open;
}

static Open *
find_open(const JoArtifactWriter *writer)
{
	Open	   *open;

	for (open = opens; open != NULL; open = open->next)
	{
		if (open->serial == writer->serial)
			return open;
	}
	return NULL;
}

/* Whoever goes on writing; raises when what it wrote is gone. */
static Open *
get_open(const JoArtifactWriter *writer)
{
	Open	   *open = find_open(writer);

	if (open == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("artifact \"%s\" cannot be continued", writer->row.name),
				 errdetail("A transaction in which it was written was rolled back.")));
	open->level = GetCurrentTransactionNestLevel();
	return open;
}

static void
add_to_digest(pg_cryptohash_ctx *digest, const char *data, size_t size)
{
	if (pg_cryptohash_update(digest, (const uint8 *) data, size) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute a SHA-256 digest: %s", pg_cryptohash_error(digest))));
}

static char *
finish_digest(pg_cryptohash_ctx *digest)
{
	uint8		bytes[PG_SHA256_DIGEST_LENGTH];
	char	   *text = palloc0(DIGEST_TEXT);

	if (pg_cryptohash_final(digest, bytes, sizeof(bytes)) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute a SHA-256 digest: %s", pg_cryptohash_error(digest))));
	hex_encode((const char *) bytes, sizeof(bytes), text);
	return text;
}

/* ---- what is asked for ---- */

/* Of a word as steps and functions say it; raises ERRCODE_JO_REQUEST. */
static JoStorage
read_storage(const char *word)
{
	static const char *const words[] = {"database", "filesystem", "s3"};

	if (word == NULL)
		return (JoStorage) jo_guc_artifact_storage;
	for (int i = 0; i < (int) lengthof(words); i++)
	{
		if (strcmp(word, words[i]) == 0)
			return (JoStorage) i;
	}
	ereport(ERROR,
			(errcode(ERRCODE_JO_REQUEST),
			 errmsg("artifacts cannot be stored in \"%s\"", word),
			 errhint("Say database, filesystem or s3.")));
	return JO_STORAGE_DATABASE; /* not reached */
}

static char
read_compression(const char *word)
{
	if (word == NULL || strcmp(word, "none") == 0)
		return JO_COMPRESSION_NONE;
	if (strcmp(word, "gzip") == 0)
		return JO_COMPRESSION_GZIP;
	ereport(ERROR,
			(errcode(ERRCODE_JO_REQUEST),
			 errmsg("artifacts cannot be compressed by \"%s\"", word),
			 errhint("Say none or gzip.")));
	return JO_COMPRESSION_NONE; /* not reached */
}

/* Is there no such name, or one that nobody could write down? */
static void
check_name(const char *name)
{
	const char *at;

	if (name == NULL || name[0] == '\0' || strlen(name) > JO_ARTIFACT_MAX_NAME)
		ereport(ERROR,
				(errcode(ERRCODE_JO_REQUEST),
				 errmsg("an artifact needs a name of 1 to %d bytes", JO_ARTIFACT_MAX_NAME)));
	for (at = name; *at != '\0'; at++)
	{
		if ((unsigned char) *at < ' ' || *at == 0x7f)
			ereport(ERROR,
					(errcode(ERRCODE_JO_REQUEST),
					 errmsg("name of an artifact has a control character"),
					 errdetail("At byte %d.", (int) (at - name) + 1)));
	}
}

void
jo_artifact_require_s3(void)
{
	const char *missing = NULL;

	if (jo_guc_s3_secret == NULL || jo_guc_s3_secret[0] == '\0')
		missing = "joborch.s3_secret";
	if (jo_guc_s3_bucket == NULL || jo_guc_s3_bucket[0] == '\0')
		missing = "joborch.s3_bucket";
	if (jo_guc_s3_endpoint == NULL || jo_guc_s3_endpoint[0] == '\0')
		missing = "joborch.s3_endpoint";
	if (missing != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_SWITCHED_OFF),
				 errmsg("artifacts cannot be stored in S3"),
				 errdetail("The setting %s is empty.", missing),
				 errhint("Set joborch.s3_endpoint, joborch.s3_bucket and joborch.s3_secret.")));
}

static TimestampTz
expiry(const JoArtifactSpec *spec, TimestampTz now)
{
	int64		lifetime = spec->expires_in != 0 ? spec->expires_in :
		(int64) jo_guc_artifact_retention * USECS_PER_SEC;

	if (lifetime <= 0 || lifetime >= DT_NOEND - now)
		return DT_NOEND;
	return now + lifetime;
}

/* Whose it is, if the run decides. */
static void
fill_from_run(JoArtifactRow *row)
{
	JoRunRow	run;

	if (row->run_id == 0)
	{
		row->tenant = jo_guc_tenant != NULL && jo_guc_tenant[0] != '\0' ? pstrdup(jo_guc_tenant) : NULL;
		return;
	}
	if (!jo_store_run(row->run_id, jo_store_latest(), &run))
		ereport(ERROR,
				(errcode(ERRCODE_JO_RUN_NOT_FOUND),
				 errmsg("run " INT64_FORMAT " does not exist", row->run_id),
				 errhint("Your runs are in the view joborch.job_runs.")));
	row->tenant = run.tenant;
	if (!OidIsValid(row->owner))
		row->owner = run.owner;
}

static char *
copy(const char *text)
{
	return text != NULL ? pstrdup(text) : NULL;
}

/* Of a server it may be any bytes, which no row could keep; what no header may have says nothing. */
static char *
clean_content_type(const char *text)
{
	static const char unknown[] = "application/octet-stream";

	if (text == NULL || text[0] == '\0' || strlen(text) > LONGEST_CONTENT_TYPE)
		return pstrdup(unknown);
	for (const char *p = text; *p != '\0'; p++)
		if ((unsigned char) *p < ' ' || (unsigned char) *p > '~')
			return pstrdup(unknown);
	return pstrdup(text);
}

static JoArtifactWriter *
create_writer(const JoArtifactSpec *spec)
{
	static const char *const words[] = {"database", "filesystem", "s3"};
	JoArtifactWriter *writer = palloc0(sizeof(JoArtifactWriter));
	JoArtifactRow *row = &writer->row;
	JoStorage	storage = read_storage(spec->storage);

	check_name(spec->name);
	if (storage == JO_STORAGE_S3)
		jo_artifact_require_s3();
	writer->context = CurrentMemoryContext;
	writer->storage = words[storage];
	row->run_id = spec->run_id;
	row->step = spec->run_id != 0 ? spec->step : -1;
	row->item = spec->run_id != 0 ? spec->item : JO_NO_ITEM;
	row->owner = spec->owner;
	row->step_name = copy(spec->step_name);
	row->name = pstrdup(spec->name);
	row->type = pstrdup(spec->type);
	row->content_type = clean_content_type(spec->content_type);
	row->compression = read_compression(spec->compression);
	row->storage = storage == JO_STORAGE_FILESYSTEM ? JO_STORED_IN_FILE : JO_STORED_IN_DATABASE;
	row->todo = JO_TODO_NOTHING;
	row->created_at = jo_clock_now();
	row->expires_at = expiry(spec, row->created_at);
	fill_from_run(row);
	row->artifact_id = jo_store_next_artifact_id();
	if (row->storage == JO_STORED_IN_FILE)
		row->path = jo_artifact_file_path(row->artifact_id);
	return writer;
}

/* ---- compression ---- */

static voidpf
allocate(voidpf context, uInt items, uInt size)
{
	return MemoryContextAlloc((MemoryContext) context, (Size) items * size);
}

static void
release(voidpf context, voidpf address)
{
	(void) context;
	pfree(address);
}

void
jo_artifact_raise_zlib(const struct z_stream_s *stream, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("gzip of artifact \"%s\" failed: %s", name,
					stream->msg != NULL ? stream->msg : "not a gzip stream")));
}

void
jo_artifact_prepare_zlib(struct z_stream_s *stream, MemoryContext context)
{
	memset(stream, 0, sizeof(z_stream));
	stream->zalloc = allocate;
	stream->zfree = release;
	stream->opaque = context;
}

static void
begin_gzip(JoArtifactWriter *writer)
{
	writer->gzip = palloc(sizeof(z_stream));
	jo_artifact_prepare_zlib(writer->gzip, writer->context);
	if (deflateInit2(writer->gzip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 8,
					 Z_DEFAULT_STRATEGY) != Z_OK)
		jo_artifact_raise_zlib(writer->gzip, writer->row.name);
}

/* ---- writing ---- */

/* Row and file are made; from here on somebody has to finish or abandon it. */
static JoArtifactWriter *
begin(const JoArtifactSpec *spec, bool row_first)
{
	JoArtifactWriter *writer = create_writer(spec);
	Open	   *open = create_open(writer->row.compression != JO_COMPRESSION_NONE);

	writer->serial = open->serial;
	writer->buffer = palloc(JO_ARTIFACT_CHUNK);
	if (writer->row.compression == JO_COMPRESSION_GZIP)
		begin_gzip(writer);
	if (writer->row.storage == JO_STORED_IN_FILE)
		open->file = jo_artifact_file_create(writer->row.path);
	writer->expires_at = writer->row.expires_at;
	if (row_first)
	{
		writer->row.expires_at = writer->row.created_at + JO_ARTIFACT_WRITING;
		jo_store_insert_artifact(&writer->row);
		writer->has_row = true;
	}
	return writer;
}

JoArtifactWriter *
jo_artifact_begin(const JoArtifactSpec *spec)
{
	return begin(spec, true);
}

/* The buffer is full, or the last one. */
static void
flush_buffer(JoArtifactWriter *writer, Open *open)
{
	if (writer->used == 0)
		return;
	if (open->stored != NULL)
		add_to_digest(open->stored, writer->buffer, writer->used);
	if (open->file != NULL)
		jo_artifact_file_write(open->file, writer->buffer, writer->used);
	else
		jo_store_insert_artifact_chunk(writer->row.artifact_id, writer->chunk, writer->buffer, writer->used);
	writer->chunk++;
	writer->row.stored_size += writer->used;
	writer->used = 0;
}

static void
add_plain(JoArtifactWriter *writer, Open *open, const char *data, size_t size)
{
	while (size > 0)
	{
		size_t		part = Min(size, JO_ARTIFACT_CHUNK - writer->used);

		memcpy(writer->buffer + writer->used, data, part);
		writer->used += part;
		data += part;
		size -= part;
		if (writer->used == JO_ARTIFACT_CHUNK)
			flush_buffer(writer, open);
	}
}

/* flush: Z_NO_FLUSH, or Z_FINISH for the last part. */
static void
add_gzip(JoArtifactWriter *writer, Open *open, const char *data, size_t size, int flush)
{
	z_stream   *gzip = writer->gzip;
	int			result;

	do
	{
		size_t		part = Min(size, JO_ARTIFACT_CHUNK);

		gzip->next_in = (Bytef *) unconstify(char *, data);
		gzip->avail_in = part;
		data += part;
		size -= part;
		do
		{
			gzip->next_out = (Bytef *) writer->buffer + writer->used;
			gzip->avail_out = JO_ARTIFACT_CHUNK - writer->used;
			result = deflate(gzip, size == 0 ? flush : Z_NO_FLUSH);
			if (result == Z_STREAM_ERROR)
				jo_artifact_raise_zlib(gzip, writer->row.name);
			writer->used = JO_ARTIFACT_CHUNK - gzip->avail_out;
			if (gzip->avail_out == 0)
				flush_buffer(writer, open);
		} while (gzip->avail_in > 0 || (size == 0 && flush == Z_FINISH && result != Z_STREAM_END));
		CHECK_FOR_INTERRUPTS();
	} while (size > 0);
}

void
jo_artifact_write(JoArtifactWriter *writer, const char *data, size_t size)
{
	Open	   *open = get_open(writer);

	add_to_digest(open->content, data, size);
	writer->row.size += size;
	if (writer->gzip != NULL)
		add_gzip(writer, open, data, size, Z_NO_FLUSH);
	else
		add_plain(writer, open, data, size);
}

/*
 * What is to go to S3 is in the database, for the courier to move: that of a run only when
 * the run is over, since later steps may read or send it.
 */
static void
order_move(JoArtifactRow *row)
{
	row->todo = JO_TODO_MOVE;
	row->next_try = row->created_at;
	if (row->run_id != 0)
		row->next_try += JO_ARTIFACT_FIRST_LOOK;
	if (jo_artifact_errand_hook != NULL)
		jo_artifact_errand_hook();
}

Jsonb *
jo_artifact_finish(JoArtifactWriter *writer)
{
	Open	   *open = get_open(writer);
	JoArtifactRow *row = &writer->row;

	if (writer->gzip != NULL)
		add_gzip(writer, open, NULL, 0, Z_FINISH);
	flush_buffer(writer, open);
	row->sha256 = finish_digest(open->content);
	if (open->stored != NULL)
		row->stored_sha256 = finish_digest(open->stored);
	if (open->file != NULL)
	{
		jo_artifact_file_finish(open->file);
		open->file = NULL;
	}
	drop_open(open);
	row->complete = true;
	row->expires_at = writer->expires_at;
	if (strcmp(writer->storage, "s3") == 0)
		order_move(row);
	if (writer->has_row)
		jo_store_update_artifact(row);
	else
		jo_store_insert_artifact(row);
	if (writer->gzip != NULL)
		(void) deflateEnd(writer->gzip);
	pfree(writer->buffer);
	return jo_artifact_describe_row(row);
}

int64
jo_artifact_writer_id(const JoArtifactWriter *writer)
{
	return writer->row.artifact_id;
}

void
jo_artifact_abandon(JoArtifactWriter *writer)
{
	Open	   *open = find_open(writer);

	if (open != NULL)
		drop_open(open);
	if (writer->row.storage == JO_STORED_IN_DATABASE)
		jo_store_delete_artifact_chunks(writer->row.artifact_id);
	if (writer->has_row)
		(void) jo_store_delete_artifact(writer->row.artifact_id);
}

Jsonb *
jo_artifact_store(const JoArtifactSpec *spec, const char *data, size_t size)
{
	JoArtifactWriter *writer = begin(spec, false);

	jo_artifact_write(writer, data, size);
	return jo_artifact_finish(writer);
}

/* ---- removing ---- */

/* Its object in S3, or one that is perhaps there, is deleted by the courier. */
static void
order_deletion(JoArtifactRow *row)
{
	row->storage = JO_STORED_IN_S3;
	row->todo = JO_TODO_DELETE;
	row->complete = false;
	row->run_id = 0;
	row->tries = 0;
	row->next_try = jo_clock_now();
	row->error = NULL;
	jo_store_update_artifact(row);
	if (jo_artifact_errand_hook != NULL)
		jo_artifact_errand_hook();
}

bool
jo_artifact_remove(int64 id)
{
	JoArtifactRow row;

	if (!jo_store_artifact(id, jo_store_latest(), &row) || row.todo == JO_TODO_DELETE)
		return false;
	if (row.storage == JO_STORED_IN_DATABASE)
		jo_store_delete_artifact_chunks(id);
	if (row.storage == JO_STORED_IN_S3 || (row.todo == JO_TODO_MOVE && row.tries > 0))
	{
		order_deletion(&row);
		return true;
	}
	if (!jo_store_delete_artifact(id))
		return false;
	if (row.storage == JO_STORED_IN_FILE)
		jo_artifact_file_remove_at_commit(row.path);
	return true;
}
