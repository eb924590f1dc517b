/*
 * visual.h
 *		The visual form (nodes and edges, or blocks and connections) as a native
 *		definition.  doc/visual.md says what becomes of what.
 *
 * A leaf: raises nothing but for out of memory; what is wrong comes back as findings.
 */
#ifndef JO_VISUAL_H
#define JO_VISUAL_H

#include "definition.h"
#include "json.h"

/*
 * Does a document hold a visual definition: itself, or within one of the
 * envelopes in which designers export them?
 */
extern bool jo_visual_is(const cJSON *root);

/*
 * The native definition as JSON text, allocated in the current context; NULL when
 * an error is among the findings.  A text that is no JSON, or no visual
 * definition, is an error too.
 */
extern char *jo_visual_translate(const char *json, size_t length, JoFindings *findings);

/*
 * The same for a text that may be of either form: what is not visual comes back
 * as it is.  Costs a search for two words when it is native.
 */
extern const char *jo_visual_to_native(const char *json, JoFindings *findings);

#endif
