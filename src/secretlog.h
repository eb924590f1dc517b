/*
 * secretlog.h
 *		Keeps the values that create_secret() and alter_secret() are called with out of the
 *		server's log and out of pg_stat_activity.
 */
#ifndef JO_SECRETLOG_H
#define JO_SECRETLOG_H

#include "postgres.h"

/* From _PG_init: watches what goes to the server's log. */
extern void jo_secretlog_init(void);

/*
 * The statement that runs now holds a value: it is not shown any more, neither by
 * pg_stat_activity nor by what is logged before the next one begins.
 */
extern void jo_secretlog_hide_statement(void);

#endif
