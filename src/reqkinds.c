/*
 * reqkinds.c
 *		The table of the kinds of network steps: who makes the request, who reads the response.
 */
#include "joborch.h"

#include "reqparts.h"

static const JoErrandKind kinds[] = {
	[JO_OUTSIDE_HTTP] = {jo_http_begin, jo_http_finish},
	[JO_OUTSIDE_WEBHOOK] = {jo_webhook_begin, jo_http_finish},
	[JO_OUTSIDE_FILE_TRANSFER] = {jo_file_begin, jo_file_finish},
	[JO_OUTSIDE_EMAIL] = {jo_email_begin, jo_email_finish},
	[JO_OUTSIDE_ARTIFACT] = {jo_artifact_get_begin, jo_artifact_get_finish}
};

const JoErrandKind *
jo_request_kind(JoOutsideKind kind)
{
	if ((size_t) kind >= lengthof(kinds) || kinds[kind].begin == NULL)
		elog(ERROR, "no kind of network step: %d", (int) kind);
	return &kinds[kind];
}
