/*
 * render.h
 *		A job's graph as text for psql, as Mermaid and as DOT.
 */
#ifndef JO_RENDER_H
#define JO_RENDER_H

#include "definition.h"

/*
 * format: "text" (lines under 100 columns), "mermaid" or "dot".  marks may be
 * NULL, or holds one status word per step ("completed", ...; NULL: none).  The
 * result is allocated in the current context; NULL and *error (allocated) for an
 * unknown format.  The definition must have been parsed without errors.  Never
 * raises but for out of memory.
 */
extern char *jo_render_graph(const JoDefinition *definition, const char *format,
							 const char *const *marks, char **error);

#endif
