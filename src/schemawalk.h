/*
 * schemawalk.h
 *		What the files of the schema's checks share: schema.c (the walk, and the
 *		keywords that combine schemas), schemascalar.c, schemaobject.c and
 *		schemaarray.c.
 */
#ifndef JO_SCHEMAWALK_H
#define JO_SCHEMAWALK_H

#include "schema.h"

/* Where a value stands; written out only for a violation. */
typedef struct JoSchemaPlace
{
	const struct JoSchemaPlace *up; /* NULL: the whole value */
	const char *key;			/* not terminated; NULL: an array's element */
	int			length;
	uint32		index;
} JoSchemaPlace;

/* Which members of an array or object some schema has dealt with. */
typedef struct JoSchemaMarks
{
	uint32		n;
	bool	   *seen;
} JoSchemaMarks;

/* One schema asked about one value. */
typedef struct JoSchemaTask
{
	const JoSchema *schema;
	JsonbValue *value;			/* a scalar or jbvBinary */
	JsonbContainer *array;		/* the value if it is one, else NULL */
	JsonbContainer *object;
	const JoSchemaPlace *place;
	JoSchemaMarks *marks;		/* NULL: nobody asks for them */
	JoViolations *violations;	/* NULL: only yes or no is asked, at the first no it ends */
} JoSchemaTask;

/*
 * Does the value match?  Adds violations unless they are NULL.  outer: marks of
 * another schema for the same value, which get those of this one if it matches; or
 * NULL.
 */
extern bool jo_schema_holds(const JoSchema *schema, JsonbValue *value, const JoSchemaPlace *place,
							JoSchemaMarks *outer, JoViolations *violations);

/* Adds a violation at the task's place; false. */
extern bool jo_schema_fail(const JoSchemaTask *task, const char *keyword,
						   const char *format,...) pg_attribute_printf(3, 4);

/* The same: "must have at least 1 element". */
extern bool jo_schema_fail_count(const JoSchemaTask *task, const char *keyword, const char *bound,
								 int count, const char *one, const char *many);

/* Is the task over, since it failed and nobody wants to know more? */
#define jo_schema_is_over(task, good) \
	(!(good) && ((task)->violations == NULL || (task)->violations->more))

/* schemascalar.c */
extern bool jo_schema_check_type(const JoSchemaTask *task);
extern bool jo_schema_check_values(const JoSchemaTask *task);
extern bool jo_schema_check_scalar(const JoSchemaTask *task);
extern bool jo_schema_matches(const void *pattern, const char *string, int length);
extern void jo_schema_prepare_values(JoSchemaValues *values);

/* schemaobject.c */
extern bool jo_schema_check_object(const JoSchemaTask *task);
extern bool jo_schema_check_other_properties(const JoSchemaTask *task);

/* schemaarray.c */
extern bool jo_schema_check_array(const JoSchemaTask *task);
extern bool jo_schema_check_other_items(const JoSchemaTask *task);

#endif
