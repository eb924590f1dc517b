/*
 * docfilter.h
 *		The filters of templates: default, json, urlencode, base64.
 */
#ifndef JO_DOCFILTER_H
#define JO_DOCFILTER_H

#include "template.h"
#include "utils/jsonb.h"

/*
 * The value after the template's filters; value NULL is undefined, and so is the
 * result if no default() fills it.  `ident` is the caller's.  Allocates in the
 * current context.
 */
extern Jsonb *jo_docfilter_apply(const JoTemplate *template, Jsonb *value);

#endif
