/*
 * reqfile.h
 *		What reqfile.c and reqfilemove.c share, and nobody else includes.
 */
#ifndef JO_REQFILE_H
#define JO_REQFILE_H

#include "digest.h"
#include "fileroot.h"
#include "reqparts.h"

/* errand->kind_state of a file_transfer. */
typedef struct JoFileState
{
	bool		put;
	bool		local;			/* "url" is a file of this server, too: the courier copies */
	bool		http;
	bool		overwrite;
	bool		create_dirs;
	bool		resume;
	char	   *url;			/* as it was asked for, of a local one */
	char	   *file;			/* name below the root; NULL: it is an artifact */
	char	   *url_file;		/* the same of "url", with local */
	const char *expected;		/* SHA-256 in lower case; NULL: not said */
	JoHttpState *http_state;	/* with http */

	JoFileSource source;		/* what is sent, of a file */
	JoFileSink *sink;			/* what is written; NULL: none */
	JoDigest   *digest;			/* NULL: the artifact's own says it */
	int64		digested;		/* bytes */
	int64		given;			/* bytes of source, those that were there already included */
	int64		resumed_from;	/* a download: where it goes on */
	bool		begun;			/* some of the content has come */
	bool		drained;		/* the last of it, which was in the window, was taken */
	bool		moved;			/* all is where it should be; finish may be called again */
	int64		bytes;			/* with moved */
	char		sha256[JO_DIGEST_TEXT + 1]; /* with moved; empty: not known */
} JoFileState;

/* ---- reqfilemove.c: outside of transactions, may raise ---- */

/* errand->take and errand->give of file transfers. */
extern void jo_file_take(JoErrand *errand, const char *data, size_t size);
extern size_t jo_file_give(JoErrand *errand, char *buffer, size_t size, bool *last);

/* Makes room for a digest of what moves. */
extern void jo_file_begin_digest(JoFileState *state);

/* Writes the digest; raises when it is another than was expected. */
extern void jo_file_end_digest(JoErrand *errand);

/* Raises ERRCODE_JO_RESPONSE unless sha256 is what the step expects; what says whose it is. */
extern void jo_file_check_digest(const JoErrand *errand, const char *what, const char *sha256);

/* The whole source, in the digest too. */
extern void jo_file_digest_source(JoFileState *state);

/* In the open transaction: from here to here; the artifact that was made, or NULL. */
extern Jsonb *jo_file_copy(JoErrand *errand);

/* What the artifact of a transfer says of itself. */
extern JoArtifactSpec jo_file_artifact_spec(const JoErrand *errand, const char *content_type);

/* errand->cleanup */
extern void jo_file_cleanup(JoErrand *errand);

#endif
