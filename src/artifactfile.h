/*
 * artifactfile.h
 *		Artifacts in files below joborch.artifact_root.
 *
 * A path is relative to the root, made of numbers that we gave, and checked before it
 * is used.  A file is written under a name of its own (.part), made durable, and then
 * renamed, all before the commit; what a transaction wrote that aborts is removed with it,
 * and what a crash leaves behind is found by jo_artifact_files_next().
 */
#ifndef JO_ARTIFACTFILE_H
#define JO_ARTIFACTFILE_H

#include "postgres.h"

typedef struct JoArtifactFile JoArtifactFile;

/* Raises ERRCODE_JO_SWITCHED_OFF when joborch.artifact_root is empty or no directory that can be used. */
extern void jo_artifact_file_require_root(void);

/* Where a new artifact of this transaction goes; allocated in the current context. */
extern char *jo_artifact_file_path(int64 artifact_id);

/*
 * A file that is being written; lives in a context of its own until finish or discard.
 * write and finish raise (disk full: ERRCODE_DISK_FULL) and leave the file open: discard it then.
 * discard never raises.
 */
extern JoArtifactFile *jo_artifact_file_create(const char *path);
extern void jo_artifact_file_write(JoArtifactFile *file, const char *data, size_t size);
extern void jo_artifact_file_finish(JoArtifactFile *file);
extern void jo_artifact_file_discard(JoArtifactFile *file);

/* size bytes from offset; raises when the file is gone or shorter. */
extern void jo_artifact_file_read(const char *path, int64 offset, char *buffer, size_t size);

/* When this transaction commits the file is removed, unless it is another database's. */
extern void jo_artifact_file_remove_at_commit(const char *path);

/*
 * The files of this database below the root, one by one: the artifact's id and the file's
 * size; but not those whose transaction is still under way, nor any that this one has touched.
 * remove deletes the one that was given last.  Raises what reading a directory does.
 */
typedef struct JoArtifactFiles JoArtifactFiles;

extern JoArtifactFiles *jo_artifact_files_begin(void);
extern bool jo_artifact_files_next(JoArtifactFiles *files, int64 *artifact_id, int64 *size);
extern bool jo_artifact_files_remove(JoArtifactFiles *files);
extern void jo_artifact_files_end(JoArtifactFiles *files);

/* file:// and the absolute path, percent-encoded */
extern char *jo_artifact_file_url(const char *path);

#endif
