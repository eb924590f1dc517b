/*
 * reqs3.h
 *		Requests to the S3 service that the settings name.
 */
#ifndef JO_REQS3_H
#define JO_REQS3_H

#include "request.h"

/* URL of the object of an artifact of this database, in the current context. */
extern char *jo_s3_url(int64 artifact_id);

/* Is it one of this database's objects?  A copied database has rows of the original's. */
extern bool jo_s3_is_own(const char *url);

/*
 * Makes net_request: method (GET, PUT, DELETE) and URL, signed with the keys of
 * joborch.s3_secret.  errand->role is whose egress rules count.  sha256: of what is sent, in
 * hexadecimal digits; NULL: of nothing.  Raises ERRCODE_JO_SWITCHED_OFF, ERRCODE_JO_SECRET, ERRCODE_JO_EGRESS.
 */
extern void jo_s3_begin(JoErrand *errand, const char *method, const char *url, const char *sha256);

/*
 * Raises unless the service did what was asked: ERRCODE_JO_ARTIFACT for an object that is
 * not there, the codes of HTTP steps for all else.
 */
extern void jo_s3_check(JoErrand *errand, const JoNetResponse *response);

#endif
