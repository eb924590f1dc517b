/*
 * artifact.h
 *		Large outputs: written and read in the open transaction.
 *
 * Content is in chunks of the database, in a file under joborch.artifact_root, or in
 * an S3 bucket.  A file is written before the commit under a name that nobody else
 * uses; one whose transaction aborted is removed by cleanup_expired_artifacts().  What is to go to S3 is
 * stored in the database first, in the step's transaction, and moved there by the courier.
 */
#ifndef JO_ARTIFACT_H
#define JO_ARTIFACT_H

#include "postgres.h"
#include "datatype/timestamp.h"
#include "utils/jsonb.h"

#define JO_ARTIFACT_CHUNK (256 * 1024)
#define JO_ARTIFACT_MAX_NAME 255 /* bytes */

#define JO_ARTIFACT_OUTPUT "output" /* type of a step's output that was too large for its row */

typedef struct JoArtifactSpec
{
	int64		run_id;			/* 0: of no run */
	int32		step;
	int32		item;
	Oid			owner;			/* InvalidOid: the run's */
	const char *step_name;
	const char *name;
	const char *type;			/* output, response, file, attachment, ... */
	const char *content_type;	/* NULL: application/octet-stream */
	const char *storage;		/* NULL: joborch.artifact_storage */
	const char *compression;	/* none, gzip; NULL: none */
	int64		expires_in;		/* microseconds; 0: joborch.artifact_retention; < 0: never */
} JoArtifactSpec;

typedef struct JoArtifactWriter JoArtifactWriter;

/*
 * begin makes the row, which is not complete until finish; write may be called in several
 * transactions (state is in the writer, allocated in the current context).  When one of them
 * aborts, what was written is lost, and whatever comes next raises: only abandon is left.
 * finish returns {"id","name","type","size","content_type","sha256","storage","compression","expires_at"}.
 * They raise ERRCODE_JO_REQUEST for a name, storage or compression that cannot be,
 * ERRCODE_JO_SWITCHED_OFF for a storage that is not set up, ERRCODE_DISK_FULL.
 */
extern JoArtifactWriter *jo_artifact_begin(const JoArtifactSpec *spec);
extern void jo_artifact_write(JoArtifactWriter *writer, const char *data, size_t size);
extern Jsonb *jo_artifact_finish(JoArtifactWriter *writer);
extern int64 jo_artifact_writer_id(const JoArtifactWriter *writer);

/* What was written is not wanted: rows go in the open transaction, a file at once.  Also of one that is broken. */
extern void jo_artifact_abandon(JoArtifactWriter *writer);

/* The whole content in one go. */
extern Jsonb *jo_artifact_store(const JoArtifactSpec *spec, const char *data, size_t size);

typedef struct JoArtifactReader JoArtifactReader;

/*
 * Raises ERRCODE_JO_ARTIFACT when there is none, it has expired, or the role may not see
 * it: what belongs to run_id (0: none) or a run that was started by it, it may, else what belongs to the role or one it is a member of, and to
 * the same tenant as the run.  InvalidOid: whoever calls has asked.
 * id 0: by name, the newest of the run or else of the runs around it.  read gives up to size bytes, decompressed; 0: the end.
 * Reading may go on in a later transaction.
 * One that is in S3 cannot be read so: is_remote, and the courier fetches url with credentials.
 */
extern JoArtifactReader *jo_artifact_open(int64 id, int64 run_id, const char *name, Oid role);
extern size_t jo_artifact_read(JoArtifactReader *reader, char *buffer, size_t size);
extern int64 jo_artifact_size(const JoArtifactReader *reader);
extern bool jo_artifact_is_remote(const JoArtifactReader *reader);
extern Jsonb *jo_artifact_describe(const JoArtifactReader *reader);
extern int64 jo_artifact_id(const JoArtifactReader *reader);
extern const char *jo_artifact_type(const JoArtifactReader *reader);
extern const char *jo_artifact_content_type(const JoArtifactReader *reader);
extern const char *jo_artifact_name(const JoArtifactReader *reader);

/* How many bytes are stored; and the same, from where on read gives those, compressed as they are. */
extern int64 jo_artifact_stored_size(const JoArtifactReader *reader);
extern int64 jo_artifact_read_stored(JoArtifactReader *reader);

/* All of it, as a bytea (text is the same bytes); raises when it is too large for one, or its digest is wrong. */
extern struct varlena *jo_artifact_read_all(JoArtifactReader *reader);

/*
 * The content, of what came from S3: all of its bytes, compressed as they are stored or not.
 * Raises ERRCODE_DATA_CORRUPTED when they are not what was stored.
 */
extern struct varlena *jo_artifact_accept(JoArtifactReader *reader, const char *data, size_t size);

/* Where it is: file://..., https://...; NULL: in the database. */
extern char *jo_artifact_url(const JoArtifactReader *reader);
extern void jo_artifact_close(JoArtifactReader *reader);

/*
 * Removes it in the open transaction: its file with the commit, an object in S3 later, by the
 * courier.  False when there is none.  Whose it is, the caller has asked.
 */
extern bool jo_artifact_remove(int64 id);

/* Raises ERRCODE_JO_SWITCHED_OFF unless the settings for S3 are there. */
extern void jo_artifact_require_s3(void);

/*
 * Called when this transaction wrote a row that the courier has to see: jo_announce_errand(),
 * which is above this layer; set by the library's start-up.  NULL: nobody is told.
 */
extern PGDLLIMPORT void (*jo_artifact_errand_hook) (void);

#endif
