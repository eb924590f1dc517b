/*
 * reqartifact.c
 *		Steps of type artifact that bring one: {"artifact": {...}, "body": ..., "encoding": ...}.
 *
 * What is in the database or the file system is read at the end, and nothing is sent; what
 * is in S3 is fetched from there.  A content that is too large for a row makes the
 * step's output an artifact again, as any large output.  Touches artifacts only.
 */
#include "joborch.h"

#include "artifact.h"
#include "compat.h"
#include "errors.h"
#include "jsonbuild.h"
#include "reqparts.h"
#include "reqs3.h"
#include "spill.h"
#include "words.h"

#define TIMEOUT_MS (300 * 1000) /* if the step says none */

typedef struct ArtifactState
{
	JoArtifactReader *reader;
	JoResponseForm form;
} ArtifactState;

/* By "artifact": an id, a name, or what describes one; or by "name". */
static JoArtifactReader *
open_artifact(JoErrand *errand, Jsonb *request)
{
	JsonbValue	value;
	char	   *text = jo_request_text(errand, request, "name");
	char	   *end;
	int64		id;

	if (text != NULL)
		return jo_artifact_open(0, errand->run_id, text, errand->role);
	if (!jo_request_member(request, "artifact", &value))
		jo_request_refuse(errand, "artifact", "is missing", NULL);
	if (value.type == jbvString)
		return jo_artifact_open(0, errand->run_id, jo_request_scalar(&value), errand->role);
	if (value.type == jbvBinary && !jo_jsonb_member(value.val.binary.data, "id", 2, &value))
		jo_request_refuse(errand, "artifact", "has no \"id\"", NULL);
	text = jo_request_scalar(&value);
	id = text != NULL ? strtoll(text, &end, 10) : 0;
	if (text == NULL || *end != '\0' || id <= 0)
		jo_request_refuse(errand, "artifact", "has no valid id of an artifact", NULL);
	return jo_artifact_open(id, errand->run_id, NULL, errand->role);
}

static JoResponseForm
read_form(JoErrand *errand, Jsonb *request)
{
	static const char *const words[] = {"auto", "json", "text", "base64", "none", NULL};
	char	   *text = jo_request_text(errand, request, "response");
	int			form = text != NULL ? jo_words_find(text, words) : 0;

	if (form < 0)
		jo_request_refuse(errand, "response", "is none of auto, json, text, base64, none", NULL);
	return (JoResponseForm) form;
}

void
jo_artifact_get_begin(JoErrand *errand, JoTry *try, Jsonb *request)
{
	ArtifactState *state = MemoryContextAllocZero(errand->context, sizeof(ArtifactState));
	MemoryContext old = MemoryContextSwitchTo(errand->context);

	state->reader = open_artifact(errand, request);
	state->form = read_form(errand, request);
	errand->kind_state = state;
	if (state->form != JO_RESPONSE_NONE && jo_artifact_size(state->reader) > (int64) jo_spill_limit())
		ereport(ERROR,
				(errcode(ERRCODE_JO_RESULT_TOO_LARGE),
				 errmsg("artifact " INT64_FORMAT " is too large for an output", jo_artifact_id(state->reader)),
				 errdetail("It has " INT64_FORMAT " bytes; joborch.max_result allows %zu.",
						   jo_artifact_size(state->reader), jo_spill_limit()),
				 errhint("With \"response\": \"none\" the step only says what it is; SQL reads it by joborch.artifact_content().")));
	if (jo_artifact_is_remote(state->reader) && state->form != JO_RESPONSE_NONE)
	{
		jo_s3_begin(errand, "GET", jo_artifact_url(state->reader), NULL);
		errand->net_request.max_response = jo_artifact_stored_size(state->reader) + jo_artifact_size(state->reader);
		if (errand->net_request.total_timeout == 0)
			errand->net_request.total_timeout = TIMEOUT_MS;
	}
	else
		errand->nothing_to_send = true;
	MemoryContextSwitchTo(old);
}

/* The content, from wherever it is. */
static void
get_content(JoErrand *errand, ArtifactState *state, const JoNetResponse *response, const char **data, size_t *size)
{
	struct varlena *content;

	if (response != NULL)
	{
		jo_s3_check(errand, response);
		content = jo_artifact_accept(state->reader, response->body, response->body_size);
	}
	else
		content = jo_artifact_read_all(state->reader);
	*data = VARDATA(content);
	*size = VARSIZE(content) - VARHDRSZ;
}

void
jo_artifact_get_finish(JoErrand *errand, JoTry *try, const JoNetResponse *response, JoErrandResult *result)
{
	ArtifactState *state = errand->kind_state;
	JsonbParseState *output = NULL;
	JsonbValue	body = {.type = jbvNull};
	const char *encoding = "none";

	if (state->form != JO_RESPONSE_NONE)
	{
		JoNetResponse content = {.status = 200,.content_type = jo_artifact_content_type(state->reader)};

		get_content(errand, state, response, &content.body, &content.body_size);
		jo_response_body(errand, &content, state->form, &body, &encoding);
	}
	pushJsonbValue(&output, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_jsonb(&output, "artifact", jo_artifact_describe(state->reader));
	jo_jsonb_add(&output, "body", &body);
	jo_jsonb_add_string(&output, "encoding", encoding);
	result->output = JsonbValueToJsonb(pushJsonbValue(&output, WJB_END_OBJECT, NULL));
}
