/*
 * schemadef.h
 *		JSON Schema, draft 2020-12, as it is kept once it was read.
 *
 * schemaread.c makes it of cJSON and reports what is wrong with it; schemaref.c
 * resolves what it refers to.  The server fills in what only it knows (schema.c)
 * and checks values with it.
 */
#ifndef JO_SCHEMADEF_H
#define JO_SCHEMADEF_H

#include "defparse.h"

#define JO_SCHEMA_MAX_SCHEMAS 10000
#define JO_SCHEMA_MAX_PATTERN 1000	/* bytes */

/* Bits of JoSchema.types, in the order of jo_schema_types. */
#define JO_SCHEMA_STRING	0x01
#define JO_SCHEMA_INTEGER	0x02
#define JO_SCHEMA_NUMBER	0x04
#define JO_SCHEMA_BOOLEAN	0x08
#define JO_SCHEMA_ARRAY		0x10
#define JO_SCHEMA_OBJECT	0x20
#define JO_SCHEMA_NULL		0x40

extern const char *const jo_schema_types[];
extern const char *const jo_schema_formats[];

/* Keywords of one kind stand in one array. */
typedef enum JoSchemaBound
{
	JO_SCHEMA_MINIMUM, JO_SCHEMA_MAXIMUM, JO_SCHEMA_ABOVE, JO_SCHEMA_BELOW, JO_SCHEMA_MULTIPLE_OF,
	JO_SCHEMA_NBOUNDS
} JoSchemaBound;

typedef enum JoSchemaCount
{
	JO_SCHEMA_MIN_LENGTH, JO_SCHEMA_MAX_LENGTH, JO_SCHEMA_MIN_ITEMS, JO_SCHEMA_MAX_ITEMS,
	JO_SCHEMA_MIN_PROPERTIES, JO_SCHEMA_MAX_PROPERTIES, JO_SCHEMA_MIN_CONTAINS,
	JO_SCHEMA_MAX_CONTAINS, JO_SCHEMA_NCOUNTS
} JoSchemaCount;

typedef enum JoSchemaPart
{
	JO_SCHEMA_ITEMS, JO_SCHEMA_CONTAINS, JO_SCHEMA_ADDITIONAL, JO_SCHEMA_NAMES, JO_SCHEMA_NOT,
	JO_SCHEMA_IF, JO_SCHEMA_THEN, JO_SCHEMA_ELSE, JO_SCHEMA_OTHER_ITEMS, JO_SCHEMA_OTHER_PROPERTIES,
	JO_SCHEMA_NPARTS
} JoSchemaPart;

typedef enum JoSchemaLists
{
	JO_SCHEMA_ALL_OF, JO_SCHEMA_ANY_OF, JO_SCHEMA_ONE_OF, JO_SCHEMA_PREFIX, JO_SCHEMA_NLISTS
} JoSchemaLists;

typedef enum JoSchemaMaps
{
	JO_SCHEMA_PROPERTIES, JO_SCHEMA_PATTERNS, JO_SCHEMA_DEPENDENT, JO_SCHEMA_DEFS, JO_SCHEMA_NMAPS
} JoSchemaMaps;

struct JoSchema;

/* A text of the schema and what the server makes of it: numeric, jsonb or text. */
typedef struct JoSchemaText
{
	char	   *text;			/* NULL: the keyword is not there */
	void	   *value;
} JoSchemaText;

typedef struct JoSchemaValues
{
	int			n;
	char	  **texts;			/* JSON, in the order written */
	void	   *values;			/* the server's, in an order of its own */
} JoSchemaValues;

typedef struct JoSchemaList
{
	int			n;
	struct JoSchema **list;
} JoSchemaList;

typedef struct JoSchemaMember
{
	const char *name;
	int			length;
	void	   *pattern;		/* of patternProperties: the server's text */
	struct JoSchema *schema;
} JoSchemaMember;

/* In strcmp order of the names. */
typedef struct JoSchemaMap
{
	int			n;
	JoSchemaMember *list;
} JoSchemaMap;

typedef struct JoSchemaNames
{
	const char *given;			/* dependentRequired: the name that needs the others */
	int			n;
	char	  **names;
} JoSchemaNames;

/* A part of the document with a URI of its own. */
typedef struct JoSchemaResource
{
	char	   *uri;			/* "": the document itself, without "$id" */
	struct JoSchema *root;
} JoSchemaResource;

typedef struct JoSchema
{
	bool		never;			/* false: no value matches */
	bool		empty;			/* true or {}: every value matches */
	int			types;			/* 0: any */
	const char *format;			/* one of jo_schema_formats */
	bool		unique;
	JoSchemaText fallback;		/* "default" */
	JoSchemaText pattern;
	JoSchemaText bounds[JO_SCHEMA_NBOUNDS];
	int			counts[JO_SCHEMA_NCOUNTS];	/* -1: not there */
	JoSchemaValues *constant;
	JoSchemaValues *choices;	/* "enum" */
	JoSchemaNames required;
	int			nneeds;
	JoSchemaNames *needs;		/* "dependentRequired" */
	struct JoSchema *parts[JO_SCHEMA_NPARTS];
	JoSchemaList lists[JO_SCHEMA_NLISTS];
	JoSchemaMap maps[JO_SCHEMA_NMAPS];
	struct JoSchema *ref;

	/* only while it is read */
	const cJSON *json;
	JoSchemaResource *resource;
	const char *anchor;
	const char *ref_text;
	char	   *ref_path;		/* where "$ref" stands, for findings */
	int			visit;			/* see schemaref.c */
	int			height;
	int64		weight;
} JoSchema;

typedef struct JoSchemaDocument
{
	JoSchema   *root;
	int			n;				/* all schemas in it, outer ones first */
	int			capacity;
	JoSchema  **list;
	int			nresources;
	int			resources_capacity;
	JoSchemaResource **resources;
	bool		has_defaults;
	bool		full;			/* more than JO_SCHEMA_MAX_SCHEMAS */
} JoSchemaDocument;

/*
 * Reads a schema; what is wrong becomes findings, and then NULL may be returned.
 * Allocated in the current context as a tree that does not point into json.
 */
extern JoSchemaDocument *jo_schema_read(JoDefReader *reader, const cJSON *json, const JoPath *path);

/* schemaref.c: finds what every "$ref" means, and that none of them goes round in circles. */
extern void jo_schema_resolve(JoDefReader *reader, JoSchemaDocument *document,
							  const JoPath *path);

/* schemauri.c: a reference made absolute (RFC 3986, 5.2), without its fragment. */
extern char *jo_schema_uri(const char *base, const char *reference);

/* The schema of a name, NULL if it is not there. */
extern JoSchemaMember *jo_schema_member(const JoSchemaMap *map, const char *name, int length);

#endif
