/*
 * shim.h
 *		The few things of the server that leaf files use, for unit tests.
 *
 * Each palloc is a malloc of its own, so that the sanitizers see every byte of
 * it; shim_reset() frees them all, as a memory context would.
 */
#ifndef JO_SHIM_H
#define JO_SHIM_H

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint8_t uint8;
typedef int16_t int16;
typedef int32_t int32;
typedef int64_t int64;
typedef uint32_t uint32;
typedef uint64_t uint64;
typedef size_t Size;

#define INT64CONST(x) INT64_C(x)
#define UINT64CONST(x) UINT64_C(x)
#define INT64_FORMAT "%" PRId64
#define lengthof(array) (sizeof(array) / sizeof((array)[0]))
#define Min(x, y) ((x) < (y) ? (x) : (y))
#define Max(x, y) ((x) > (y) ? (x) : (y))
#define Assert(condition) assert(condition)
#define pg_attribute_printf(f, a) __attribute__((format(printf, f, a)))

/* Nothing raises outside the server. */
#define PG_TRY() ((void) 0)
#define PG_FINALLY() ((void) 0)
#define PG_END_TRY() ((void) 0)

extern void *palloc(Size size);
extern void *palloc0(Size size);
extern void *repalloc(void *pointer, Size size);
extern void pfree(void *pointer);
extern char *pstrdup(const char *text);
extern char *pnstrdup(const char *text, Size length);
extern char *psprintf(const char *format,...) pg_attribute_printf(1, 2);

typedef struct StringInfoData
{
	char	   *data;
	int			len;
	int			maxlen;
} StringInfoData;

typedef StringInfoData *StringInfo;

extern void initStringInfo(StringInfo str);
extern void enlargeStringInfo(StringInfo str, int needed);
extern void appendStringInfoString(StringInfo str, const char *text);
extern void appendStringInfoChar(StringInfo str, char c);
extern void appendStringInfo(StringInfo str, const char *format,...) pg_attribute_printf(2, 3);
extern int	appendStringInfoVA(StringInfo str, const char *format, va_list args) pg_attribute_printf(2, 0);

#define PG_SQL_ASCII 0
#define PG_UTF8 6

extern int	shim_encoding;		/* PG_UTF8 unless a test says otherwise */
extern int	GetDatabaseEncoding(void);
extern int	pg_mbcliplen(const char *text, int length, int limit);
extern int	pg_mbstrlen(const char *text);

/* Frees everything that was allocated. */
extern void shim_reset(void);

#endif
