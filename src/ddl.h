/*
 * ddl.h
 *		Statements of others that concern joborch: on databases, on the
 *		extension, and LISTEN.
 */
#ifndef JO_DDL_H
#define JO_DDL_H

extern void jo_ddl_init(void);	/* from _PG_init: installs the hooks */

#endif
