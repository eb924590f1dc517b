/*
 * sqlresult.h
 *		Where the rows of a step's last statement go: into its JSON result.
 */
#ifndef JO_SQLRESULT_H
#define JO_SQLRESULT_H

#include "tcop/dest.h"
#include "utils/jsonb.h"

/*
 * In the current context, which must outlive the statement.  Rows are converted as
 * they come; more than joborch.max_result raises ERRCODE_JO_RESULT_TOO_LARGE.
 * keep_rows false: they are counted only.
 */
extern DestReceiver *jo_sqlresult_create(bool keep_rows);

/*
 * The same without that limit, but for what jsonb can hold; more than max_rows rows
 * raise ERRCODE_JO_ITEMS.
 */
extern DestReceiver *jo_sqlresult_create_items(int max_rows);

/*
 * {"rows", "row_count", "command"}; in the context of the receiver.  Where the first
 * column is not the first key in jsonb's order, "columns" lists the columns' names.
 */
extern Jsonb *jo_sqlresult_finish(DestReceiver *receiver, uint64 processed, const char *command);

/* The first row of such a result, and its first column; NULL when there is none. */
extern Jsonb *jo_sqlresult_first_row(Jsonb *result);
extern Jsonb *jo_sqlresult_first_value(Jsonb *result);

#endif
