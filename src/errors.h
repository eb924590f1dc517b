/*
 * errors.h
 *		SQLSTATE class JO, one line each; doc/errors.md explains them.
 */
#ifndef JO_ERRORS_H
#define JO_ERRORS_H

#include "utils/elog.h"

#define ERRCODE_JO_INVALID_DEFINITION	MAKE_SQLSTATE('J','O','0','0','1')
#define ERRCODE_JO_JOB_NOT_FOUND		MAKE_SQLSTATE('J','O','0','0','2')
#define ERRCODE_JO_RUN_NOT_FOUND		MAKE_SQLSTATE('J','O','0','0','3')
#define ERRCODE_JO_STEP_NOT_FOUND		MAKE_SQLSTATE('J','O','0','0','4')
#define ERRCODE_JO_WRONG_STATUS			MAKE_SQLSTATE('J','O','0','0','5')
#define ERRCODE_JO_INVALID_INPUT		MAKE_SQLSTATE('J','O','0','0','6')
#define ERRCODE_JO_TEMPLATE				MAKE_SQLSTATE('J','O','0','0','7')
#define ERRCODE_JO_DUPLICATE_KEY		MAKE_SQLSTATE('J','O','0','0','8')
#define ERRCODE_JO_RESULT_TOO_LARGE		MAKE_SQLSTATE('J','O','0','0','9')
#define ERRCODE_JO_TRANSACTION_CONTROL	MAKE_SQLSTATE('J','O','0','1','0')
#define ERRCODE_JO_NOT_PRELOADED		MAKE_SQLSTATE('J','O','0','1','1')
#define ERRCODE_JO_ROLE_CANNOT_CONNECT	MAKE_SQLSTATE('J','O','0','1','2')
#define ERRCODE_JO_CRASHED				MAKE_SQLSTATE('J','O','0','1','3')
#define ERRCODE_JO_RUN_FAILED			MAKE_SQLSTATE('J','O','0','1','4')
#define ERRCODE_JO_RUN_CANCELLED		MAKE_SQLSTATE('J','O','0','1','5')
#define ERRCODE_JO_OWN_TRANSACTION		MAKE_SQLSTATE('J','O','0','1','6')
#define ERRCODE_JO_STALE_TOKEN			MAKE_SQLSTATE('J','O','0','1','7')
#define ERRCODE_JO_CONDITION			MAKE_SQLSTATE('J','O','0','1','8')
#define ERRCODE_JO_JOB_INACTIVE			MAKE_SQLSTATE('J','O','0','1','9')
#define ERRCODE_JO_LIMIT				MAKE_SQLSTATE('J','O','0','2','0')
#define ERRCODE_JO_STEP_TIMEOUT			MAKE_SQLSTATE('J','O','0','2','1')
#define ERRCODE_JO_RUN_TIMEOUT			MAKE_SQLSTATE('J','O','0','2','2')

#define ERRCODE_JO_COPY					MAKE_SQLSTATE('J','O','0','2','3')
#define ERRCODE_JO_VALIDATION			MAKE_SQLSTATE('J','O','0','2','4')
#define ERRCODE_JO_ITEMS				MAKE_SQLSTATE('J','O','0','2','5')
#define ERRCODE_JO_NO_MATCH				MAKE_SQLSTATE('J','O','0','2','6')
#define ERRCODE_JO_LOOP_LIMIT			MAKE_SQLSTATE('J','O','0','2','7')
#define ERRCODE_JO_ENDED				MAKE_SQLSTATE('J','O','0','2','8')
#define ERRCODE_JO_REJECTED				MAKE_SQLSTATE('J','O','0','2','9')
#define ERRCODE_JO_STEP_FAILED			MAKE_SQLSTATE('J','O','0','3','0')
#define ERRCODE_JO_TOO_DEEP				MAKE_SQLSTATE('J','O','0','4','0')

/* Of class JO? */
#define jo_errors_is_own(sqlstate) \
	(ERRCODE_TO_CATEGORY(sqlstate) == MAKE_SQLSTATE('J','O','0','0','0'))

#endif
