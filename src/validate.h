/*
 * validate.h
 *		A definition's findings, the server's own among them.
 */
#ifndef JO_VALIDATE_H
#define JO_VALIDATE_H

#include "definition.h"
#include "utils/jsonb.h"

/*
 * All that is wrong with a definition, as joborch.validate_job() lists it.  The
 * result (NULL when an error is among the findings) is allocated in the current
 * context.  Needs a transaction; raises nothing of its own.
 */
extern JoDefinition *jo_validate(const char *json, JoFindings *findings);

/* Raises ERRCODE_JO_INVALID_DEFINITION with the first 20 errors in the DETAIL; does not return. */
extern void jo_raise_findings(const JoFindings *findings);

/* As jo_validate(), but errors raise so. */
extern JoDefinition *jo_validate_or_raise(Jsonb *definition);

/*
 * As jo_validate_or_raise(), of a definition that is only to be tried out: it may have
 * steps of types that act outside of the database.  Returns its native text.
 */
extern char *jo_validate_for_test(Jsonb *definition);

#endif
