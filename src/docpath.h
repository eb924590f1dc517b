/*
 * docpath.h
 *		A path through a jsonb value: by hand where it is plain, else by SQL/JSON.
 */
#ifndef JO_DOCPATH_H
#define JO_DOCPATH_H

#include "defcache.h"
#include "utils/jsonpath.h"

/* A member name taken off the front of a path; points into the path. */
typedef struct JoPathName
{
	const char *text;
	int			length;
} JoPathName;

#define JO_PATH_NAME_IS(name, word) \
	((name)->length == (int) sizeof(word) - 1 && \
	 memcmp((name)->text, (word), sizeof(word) - 1) == 0)

/* Moves *path behind a leading ."name" or .name; false when it begins otherwise. */
extern bool jo_docpath_member(const char **path, JoPathName *name);

/* The same without telling the name, which may hold escapes too. */
extern bool jo_docpath_skip_member(const char **path);

/*
 * The first value at a path below start ("" is start itself), NULL when there is
 * none.  path must live as long as the job: what is compiled is kept under its
 * address.  Allocates in the current context; raises what SQL/JSON raises.
 */
extern Jsonb *jo_docpath_get(JoCachedJob *job, Jsonb *start, const char *path);

/* All values of a whole SQL/JSON path expression, as a JSON array. */
extern Jsonb *jo_docpath_query(JoCachedJob *job, Jsonb *document, const char *path);

/* Its first value; NULL when there is none.  A chain of names is walked in place. */
extern Jsonb *jo_docpath_first(JoCachedJob *job, Jsonb *document, const char *path);

/*
 * A path over a run document, compiled so that $.item is what it is applied to, and
 * the other roots are variables.  In the current context; not kept.
 */
extern JsonPath *jo_docpath_of_items(const char *path);

/* All values of such a path, as a JSON array. */
extern Jsonb *jo_docpath_apply(JsonPath *path, Jsonb *item, Jsonb *variables);

#endif
