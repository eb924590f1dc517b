/*
 * defcache.h
 *		Parsed definitions of this process, by version_id.
 */
#ifndef JO_DEFCACHE_H
#define JO_DEFCACHE_H

#include "postgres.h"
#include "definition.h"
#include "utils/hsearch.h"
#include "utils/jsonb.h"

typedef struct JoCachedJob
{
	int64		version_id;		/* hash key */
	int64		job_id;			/* 0: ad hoc */
	int32		version;
	Oid			author;			/* whose definition it is */
	char	   *job_name;		/* NULL: ad hoc */
	JoDefinition *definition;
	struct JoSqlPlans **plans;	/* sqlstep.c's, one pointer per step, NULL until used */
	MemoryContext context;
	Jsonb	   *vars;			/* document.c's: definition->vars, NULL until used */
	HTAB	   *paths;			/* document.c's: compiled paths, NULL until used */
	bool		unsaved;		/* from jo_defcache_enter(): not trimmed */
	int64		bytes;			/* of context and plans, as far as accounted */
	uint64		last_use;
} JoCachedJob;

/*
 * The definition of a version, read and parsed at the first call.  Needs a
 * transaction; raises when the version is missing.  Valid until the next call of
 * jo_defcache_trim(), which a process calls between pieces of work.
 */
extern JoCachedJob *jo_defcache_get(int64 version_id);
extern void jo_defcache_trim(void);

/*
 * A definition that is no version of the tables, under a number that none has
 * (below 0), by which jo_defcache_get() finds it until it is left.  json is checked
 * already: raises ERRCODE_JO_INVALID_DEFINITION if it is wrong all the same.
 */
extern JoCachedJob *jo_defcache_enter(const char *json, const char *job_name, Oid author);
extern void jo_defcache_leave(JoCachedJob *job);

/* So many bytes were made for a cached job, or freed if negative, beside what it frees itself. */
extern void jo_defcache_account(JoCachedJob *job, int64 bytes);

/* interval text to microseconds, by the server's own interval input. */
extern bool jo_parse_duration(const char *text, int64 *microseconds);

/* What jo_definition_parse() needs inside the server. */
extern const JoDefinitionHooks jo_definition_hooks;

#endif
