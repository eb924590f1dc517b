/*
 * inputcheck.h
 *		A run's input against the schema of its job.
 */
#ifndef JO_INPUTCHECK_H
#define JO_INPUTCHECK_H

#include "definition.h"
#include "utils/jsonb.h"

/*
 * The input with the schema's defaults filled in, in the current context; input
 * NULL counts as {}.  Raises ERRCODE_JO_INVALID_INPUT with every violation (up to
 * JO_MAX_VIOLATIONS) in the DETAIL, also when it is no object or larger than joborch.max_input.
 */
extern Jsonb *jo_input_check(const JoDefinition *def, Jsonb *input);

/* Is a text of the format that a schema names?  (inputformat.c) */
extern bool jo_input_has_format(const char *format, const char *text);

/* Some of them (schemaaddress.c). */
extern bool jo_format_is_email(const char *input);
extern bool jo_format_is_hostname(const char *input);
extern bool jo_format_is_uri(const char *input);
extern bool jo_format_is_ipv4(const char *input);
extern bool jo_format_is_ipv6(const char *input);

#endif
