/*
 * changequery.h
 *		The query by which a change trigger finds what is to be started.
 */
#ifndef JO_CHANGEQUERY_H
#define JO_CHANGEQUERY_H

#include "postgres.h"

/* Names of the transition tables. */
#define JO_CHANGE_NEW "joborch_new"
#define JO_CHANGE_OLD "joborch_old"

typedef struct JoChangeQuery
{
	const char *event;			/* insert, update, delete */
	const char *relation;		/* qualified name, as it is told */
	bool		per_row;
	const char *condition;		/* SQL expressions; NULL: none */
	const char *input;
	const char *key;
} JoChangeQuery;

/*
 * A SELECT of input (jsonb) and key (text) for each run that is to be started.  source_new and
 * source_old are what stands for the transition tables after FROM; an event that has only one of
 * them does not use the other.
 */
extern char *jo_change_query(const JoChangeQuery *query, const char *source_new, const char *source_old);

#endif
