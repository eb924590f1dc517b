/*
 * artifactparts.h
 *		What the files of the artifacts share, and nobody else includes.
 *
 * artifact.c writes and removes, artifactread.c reads and describes, artifactfile.c is the
 * file system.
 */
#ifndef JO_ARTIFACTPARTS_H
#define JO_ARTIFACTPARTS_H

#include "artifact.h"
#include "artifactfile.h"
#include "store.h"

struct z_stream_s;

/* What is not complete after this time was given up (microseconds). */
#define JO_ARTIFACT_WRITING (24 * (int64) USECS_PER_HOUR)

/* After this time it is looked whether the run of one that is to be moved is over (microseconds). */
#define JO_ARTIFACT_FIRST_LOOK (5 * USECS_PER_SEC)

/* ---- artifact.c ---- */

/* zlib that allocates in the context, and what it says is wrong. */
extern void jo_artifact_prepare_zlib(struct z_stream_s *stream, MemoryContext context);
extern void jo_artifact_raise_zlib(const struct z_stream_s *stream, const char *name) pg_attribute_noreturn();

/* ---- artifactread.c ---- */

/* What steps are told of it; see jo_artifact_finish(). */
extern Jsonb *jo_artifact_describe_row(const JoArtifactRow *row);

/* Raises ERRCODE_JO_ARTIFACT. */
extern void jo_artifact_raise_missing(int64 artifact_id) pg_attribute_noreturn();

/* Is its time over?  Of a run that is not finished nothing expires. */
extern bool jo_artifact_is_expired(const JoArtifactRow *row);

#endif
