/*
 * schema.h
 *		Values against JSON Schema, draft 2020-12 (doc/schema.md).
 *
 * All of it may be cancelled (patterns too) and raises when the stack is too small
 * for the depth of a value.
 */
#ifndef JO_SCHEMA_H
#define JO_SCHEMA_H

#include "schemadef.h"
#include "utils/jsonb.h"

#define JO_MAX_VIOLATIONS 100

typedef struct JoViolation
{
	char	   *path;			/* of the value: $.items[2].price */
	const char *keyword;		/* of the schema: "minimum" */
	char	   *message;		/* "must be at least 1" */
} JoViolation;

/* Begins as {0}; allocated in the current context. */
typedef struct JoViolations
{
	int			n;
	int			capacity;
	JoViolation *list;
	bool		more;			/* than JO_MAX_VIOLATIONS: the check ended there */
} JoViolations;

/*
 * Reads a schema's JSON text, allocated as one tree in the current context; it may
 * be kept and used for any number of values.  Raises ERRCODE_JO_INVALID_DEFINITION
 * with the findings when it is no schema.
 */
extern JoSchemaDocument *jo_schema_compile(const char *json, size_t length);

/*
 * The same, kept in the process until another schema is asked for (a large one: in
 * the current context): for schemas that are used again and again.
 */
extern const JoSchemaDocument *jo_schema_get(const char *json);

/* Adds every violation, in the order of the schema's keywords; none: the value is right. */
extern void jo_schema_walk(const JoSchemaDocument *document, Jsonb *value, JoViolations *violations);

/* Both of them, for a schema that is used once. */
extern void jo_schema_check(Jsonb *schema, Jsonb *value, JoViolations *violations);

/* JoDefinitionHooks.check_pattern: does the server compile it?  Never raises but for a cancel. */
extern bool jo_schema_check_pattern(const char *pattern, char **error);

/* "there are more ..", or NULL: what to say behind the last violation. */
extern const char *jo_schema_more(const JoViolations *violations);

#endif
