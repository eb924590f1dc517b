/*
 * json.h
 *		The only file that knows cJSON: parse with limits, and walk.
 */
#ifndef JO_JSON_H
#define JO_JSON_H

#include "leaf.h"
#include <cjson/cJSON.h>

#define JO_JSON_MAX_BYTES (16 * 1024 * 1024)
#define JO_JSON_MAX_DEPTH 64
#define JO_JSON_MAX_VALUES 2000000

typedef enum JoJsonFault
{
	JO_JSON_OK,
	JO_JSON_SYNTAX,				/* not JSON, or JSON that the server cannot keep (\u0000) */
	JO_JSON_LIMIT				/* too large, too deep, too many values */
} JoJsonFault;

/*
 * Strict check (RFC 8259) of a whole text, in one pass and without recursion;
 * *error (allocated) says what and where.  Bytes above 0x7f are not looked at:
 * their encoding is the server's business.  Never raises but for out of memory.
 */
extern JoJsonFault jo_json_check(const char *text, size_t length, char **error);

/*
 * Parses a document of at most JO_JSON_MAX_BYTES and JO_JSON_MAX_DEPTH.
 * NULL and *error (allocated) when it is not JSON.  Free with jo_json_free().
 * A number's valuestring holds its digits as written: a double would lose some.
 */
extern cJSON *jo_json_parse(const char *text, size_t length, char **error);
extern void jo_json_free(cJSON *json);

/* The value as compact JSON text, allocated in the current context. */
extern char *jo_json_print(const cJSON *json);

/* Appends a text as a JSON string, quotes included; also right in SQL/JSON paths. */
extern void jo_json_append_string(StringInfo buf, const char *text);

#endif
