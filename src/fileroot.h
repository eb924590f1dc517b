/*
 * fileroot.h
 *		Files of the server that file_transfer steps may read and write: those below joborch.file_root.
 *
 * Names are relative to the root.  Each directory on the way is opened by itself, and no
 * symbolic link is followed.  A file is written under another name, made durable, and
 * renamed: it is there as a whole or not at all.  All calls may block on the disk.
 */
#ifndef JO_FILEROOT_H
#define JO_FILEROOT_H

#include "postgres.h"

/*
 * Raises ERRCODE_JO_SWITCHED_OFF without a usable joborch.file_root, and
 * ERRCODE_INSUFFICIENT_PRIVILEGE unless the role may read (write) files of the server.
 */
extern void jo_file_require(Oid role, bool write);

/*
 * The name below the root that a text means: such a name, a whole path, or a URL of
 * scheme file; in the current context.  NULL and *problem when it is none.
 */
extern char *jo_file_name(const char *text, const char **problem);

/* A file that is read. */
typedef struct JoFileSource
{
	int			fd;				/* -1: not open */
	int64		size;			/* when it was opened; what is added later is not read */
	const char *name;
} JoFileSource;

/* Opens a regular file, or raises. */
extern void jo_file_open(JoFileSource *source, const char *name);

/* size bytes from offset, fewer at its end; raises when the file has become shorter. */
extern size_t jo_file_read(const JoFileSource *source, int64 offset, char *buffer, size_t size);

/* Never raises; one that is not open is left alone. */
extern void jo_file_close(JoFileSource *source);

typedef struct JoFileSink JoFileSink;

typedef struct JoFileSinkOptions
{
	bool		overwrite;		/* else raises ERRCODE_JO_REQUEST for a file that is there, at both ends */
	bool		create_dirs;
	bool		resume;			/* what an attempt before has left is gone on with, and left for the next one */
	const char *token;			/* tells the part's name from those of other steps; unless resume */
} JoFileSinkOptions;

/*
 * Raises ERRCODE_OBJECT_IN_USE when somebody else writes it.  Lives in the current
 * context until discard, which never raises and removes what was not finished.
 */
extern JoFileSink *jo_file_sink_open(const char *name, const JoFileSinkOptions *options);
extern void jo_file_sink_write(JoFileSink *sink, const char *data, size_t size);
extern void jo_file_sink_finish(JoFileSink *sink);
extern void jo_file_sink_discard(JoFileSink *sink);

/* How much is there, and the same as a source. */
extern int64 jo_file_sink_size(const JoFileSink *sink);
extern JoFileSource jo_file_sink_source(const JoFileSink *sink);

/* Begins anew: what is there is of no use.  Raises. */
extern void jo_file_sink_restart(JoFileSink *sink);

/*
 * When what is written was changed last, as the other side says it (seconds since 1970; 0: it does
 * not); kept with a part that is left for the next attempt.
 */
extern void jo_file_sink_set_modified(JoFileSink *sink, int64 seconds);
extern int64 jo_file_sink_modified(const JoFileSink *sink);

#endif
