/*
 * visualfuncs.h
 *		The visual form at the doors of the library.
 */
#ifndef JO_VISUALFUNCS_H
#define JO_VISUALFUNCS_H

#include "postgres.h"
#include "utils/jsonb.h"

/*
 * The native definition of one in either form.  The original of a visual one is kept
 * in it under metadata.visual, for its designer; a native one comes back as it is.
 * Raises JO001 with what cannot be translated.
 */
extern Jsonb *jo_visual_native(Jsonb *definition);

#endif
