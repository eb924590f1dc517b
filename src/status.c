/*
 * status.c
 *		The words for the letters by which rows and memory know a status.
 *
 * The only such list in C; sql/extension/words.sql has the one in SQL.
 */
#include "joborch.h"

#include "events.h"
#include "status.h"

const char *
jo_status_word(char status)
{
	switch (status)
	{
		case JO_STEP_PENDING:
			return "pending";
		case JO_STEP_QUEUED:
			return "queued";
		case JO_STEP_RUNNING:
			return "running";
		case JO_STEP_RETRYING:
			return "retrying";
		case JO_STEP_WAITING:
			return "waiting";
		case JO_STEP_COMPLETED:
			return "completed";
		case JO_STEP_FAILED:
			return "failed";
		case JO_STEP_SKIPPED:
			return "skipped";
		case JO_STEP_CANCELLED:
			return "cancelled";
		case JO_EVENT_STATUS_PAUSED:
			return "paused";
		case JO_EVENT_STATUS_RECOVERING:
			return "recovering";
	}
	Assert(false);
	return "unknown";
}
