/*
 * jsonbuild.h
 *		Short ways to take jsonb apart and to put it together.
 */
#ifndef JO_JSONBUILD_H
#define JO_JSONBUILD_H

#include "postgres.h"
#include "utils/jsonb.h"

/*
 * A jsonb as a value that may stand inside another one: a scalar, or a tree of
 * arrays and objects (never jbvBinary).  Strings and numbers still point into the source.
 */
extern void jo_jsonb_to_value(Jsonb *jsonb, JsonbValue *value);

/* A value (of any kind, jbvBinary too) as a jsonb of its own. */
extern Jsonb *jo_jsonb_from_value(JsonbValue *value);

extern Jsonb *jo_jsonb_from_text(const char *json); /* raises when it is not JSON */

extern Jsonb *jo_jsonb_null(void);

/* An object with the members of both, of the same name the second one's; either may be NULL. */
extern Jsonb *jo_jsonb_merge(Jsonb *first, Jsonb *second);

extern void jo_jsonb_string_value(JsonbValue *value, const char *string);
extern void jo_jsonb_int_value(JsonbValue *value, int64 number);

/* Adds to the object that is open in *state.  A NULL string or jsonb adds nothing. */
extern void jo_jsonb_add(JsonbParseState **state, const char *key, JsonbValue *value);
extern void jo_jsonb_add_string(JsonbParseState **state, const char *key, const char *string);
extern void jo_jsonb_add_int(JsonbParseState **state, const char *key, int64 number);
extern void jo_jsonb_add_bool(JsonbParseState **state, const char *key, bool flag);
extern void jo_jsonb_add_jsonb(JsonbParseState **state, const char *key, Jsonb *jsonb);

/* The value of a key; false when the jsonb is no object or has no such key. */
extern bool jo_jsonb_member(JsonbContainer *container, const char *key, int length, JsonbValue *value);

/* Bytes as base64, terminated. */
extern char *jo_base64(const char *data, size_t size);

/* A string without its quotes, everything else as JSON text; terminated. */
extern char *jo_jsonb_text(Jsonb *jsonb);

#endif
