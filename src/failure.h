/*
 * failure.h
 *		An error as history keeps it: whole, with its category.
 */
#ifndef JO_FAILURE_H
#define JO_FAILURE_H

#include "postgres.h"
#include "definition.h"
#include "utils/jsonb.h"

/* Category of a SQLSTATE, and whether such errors are worth another try by default. */
extern const char *jo_failure_category(int sqlstate, bool *retryable);

/* {"message","sqlstate","category","retryable","detail","hint","context", ...} */
extern Jsonb *jo_failure_from_error(const ErrorData *error);
extern Jsonb *jo_failure_make(int sqlstate, const char *message, const char *detail, const char *hint);

/* A failure with the name of the step it comes from; NULL stays NULL. */
extern Jsonb *jo_failure_with_step(Jsonb *failure, const char *step);

/* Does the policy allow another try after this error?  (not how many are left) */
extern bool jo_failure_retryable(const JoRetry *retry, int sqlstate);

/* Delay before attempt n + 1, n charged tries so far, with jitter. Microseconds. */
extern int64 jo_failure_backoff(const JoRetry *retry, int n);

/*
 * Collects NOTICE and WARNING messages of the step; end returns them as a JSON
 * array or NULL.  A FATAL is handed to on_fatal before the process leaves.
 */
extern void jo_notices_install(void (*on_fatal) (const ErrorData *error));
extern void jo_notices_begin(void);
extern Jsonb *jo_notices_end(void);

#endif
