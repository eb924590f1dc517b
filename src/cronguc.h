/*
 * cronguc.h
 *		Settings of pg_cron that mean something to joborch_cron.
 */
#ifndef JO_CRONGUC_H
#define JO_CRONGUC_H

#include "postgres.h"

/* From _PG_init. */
extern void jo_cronguc_init(void);

#endif
