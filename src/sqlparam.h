/*
 * sqlparam.h
 *		Templates as bind parameters: which type each has, and its value.
 */
#ifndef JO_SQLPARAM_H
#define JO_SQLPARAM_H

#include "fmgr.h"
#include "sqlsplit.h"

typedef struct JoSqlParam JoSqlParam;

/*
 * Fills types[i] for the templates i of one statement: what the statement wants,
 * else the declared type of the input, else ERRCODE_INDETERMINATE_DATATYPE.  Needs a
 * transaction and, if the statement does, a snapshot.
 */
extern void jo_sqlparam_infer(const JoSqlSplit *split, const JoSqlStatement *statement,
							  Oid *types, const char *place);

/* How to make values of a type; lives in the context given. */
extern JoSqlParam *jo_sqlparam_create(Oid type, MemoryContext context);

extern Oid	jo_sqlparam_type(const JoSqlParam *param);

/* A JSON value as a value of the type.  Raises what the type's input raises. */
extern Datum jo_sqlparam_convert(JoSqlParam *param, Jsonb *value, bool *isnull);

#endif
