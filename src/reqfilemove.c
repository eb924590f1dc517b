/*
 * reqfilemove.c
 *		The bytes of a file transfer: written, read, counted, digested.
 *
 * Called by the courier while a transfer is under way, a piece at a time.  What is on this
 * server on both sides is copied in one go, meanwhile nothing else moves.  Touches files
 * below joborch.file_root, and artifacts.
 */
#include "joborch.h"

#include "errors.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "reqfile.h"
#include "utils/memutils.h"
#include "words.h"

/* ---- digest ---- */

void
jo_file_begin_digest(JoFileState *state)
{
	if (state->digest == NULL)
		state->digest = jo_digest_create();
	else
		jo_digest_restart(state->digest);
	state->digested = 0;
}

static void
add_to_digest(JoFileState *state, const char *data, size_t size)
{
	jo_digest_add(state->digest, data, size);
	state->digested += size;
}

/* What is there already, up to so many bytes. */
static void
digest_file(JoFileState *state, const JoFileSource *source, int64 upto)
{
	char	   *buffer = palloc(JO_ARTIFACT_CHUNK);

	while (state->digested < upto)
	{
		size_t		n = jo_file_read(source, state->digested, buffer,
									 Min(upto - state->digested, JO_ARTIFACT_CHUNK));

		if (n == 0)
			break;
		add_to_digest(state, buffer, n);
		CHECK_FOR_INTERRUPTS();
	}
	pfree(buffer);
}

void
jo_file_digest_source(JoFileState *state)
{
	digest_file(state, &state->source, state->source.size);
}

void
jo_file_check_digest(const JoErrand *errand, const char *what, const char *sha256)
{
	const JoFileState *state = errand->kind_state;

	if (state->expected == NULL || strcmp(state->expected, sha256) == 0)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_JO_RESPONSE),
			 errmsg("%s: %s is not what was expected", jo_request_place(errand), what),
			 errdetail("Its SHA-256 is %s, and \"sha256\" of the step says %s.", sha256, state->expected),
			 errhint("Nothing of it was kept.")));
}

void
jo_file_end_digest(JoErrand *errand)
{
	JoFileState *state = errand->kind_state;

	if (state->sha256[0] == '\0')
		jo_digest_finish(state->digest, state->sha256);
	jo_file_check_digest(errand, "the content of the file", state->sha256);
}

/* ---- what comes ---- */

/* Where "bytes 100-199/200" begins; -1: it says something else. */
static int64
range_begin(const JoNetResponse *response)
{
	JoHeaderLine line;
	char		text[64];

	if (!jo_http_find_header(response->headers, response->headers_size, "Content-Range", &line) ||
		line.value_length >= sizeof(text) || line.value_length < 7 || pg_strncasecmp(line.value, "bytes ", 6) != 0)
		return -1;
	memcpy(text, line.value + 6, line.value_length - 6);
	text[line.value_length - 6] = '\0';
	return text[0] >= '0' && text[0] <= '9' ? strtoll(text, NULL, 10) : -1;
}

static void
begin_anew(JoFileState *state)
{
	jo_file_sink_restart(state->sink);
	state->resumed_from = 0;
	jo_file_begin_digest(state);
}

/* A server may send all of it although the end was asked for. */
static void
begin_content(JoErrand *errand)
{
	JoFileState *state = errand->kind_state;
	const JoNetResponse *response = errand->response;
	JoHeaderLine line;
	int64		modified;

	if (!state->http)
		return;
	if (response->status == 206 && range_begin(response) != state->resumed_from)
		ereport(ERROR,
				(errcode(ERRCODE_JO_RESPONSE),
				 errmsg("%s got another part of the file than it asked for", jo_request_place(errand)),
				 errdetail("It asked for the bytes from " INT64_FORMAT " on.", state->resumed_from)));
	if (response->status != 206 && state->resumed_from > 0)
		begin_anew(state);
	if (!jo_http_find_header(response->headers, response->headers_size, "Last-Modified", &line) ||
		!jo_http_parse_date(line.value, line.value_length, &modified))
		modified = 0;
	jo_file_sink_set_modified(state->sink, modified);
}

/* An error of HTTP comes with words that are no content. */
static bool
is_content(const JoErrand *errand)
{
	const JoFileState *state = errand->kind_state;

	return state->sink != NULL && !state->put &&
		(!state->http || (errand->response->status >= 200 && errand->response->status < 300));
}

void
jo_file_take(JoErrand *errand, const char *data, size_t size)
{
	JoFileState *state = errand->kind_state;

	if (!is_content(errand))
		return;
	if (!state->begun)
		begin_content(errand);
	state->begun = true;
	jo_file_sink_write(state->sink, data, size);
	add_to_digest(state, data, size);
}

/* ---- what goes ---- */

/* Where the other side wants it to begin. */
static void
begin_giving(JoErrand *errand)
{
	JoFileState *state = errand->kind_state;

	state->begun = true;
	state->given = errand->response->resumed_at;
	digest_file(state, &state->source, Min(state->given, state->source.size));
}

/* The last piece is not given unless all are what was expected. */
size_t
jo_file_give(JoErrand *errand, char *buffer, size_t size, bool *last)
{
	JoFileState *state = errand->kind_state;
	size_t		n = 0;

	if (!state->begun)
		begin_giving(errand);
	if (state->given < state->source.size)
		n = jo_file_read(&state->source, state->given, buffer, size);
	add_to_digest(state, buffer, n);
	state->given += n;
	*last = state->given >= state->source.size;
	if (*last)
		jo_file_end_digest(errand);
	return n;
}

/* ---- from here to here ---- */

JoArtifactSpec
jo_file_artifact_spec(const JoErrand *errand, const char *content_type)
{
	return (JoArtifactSpec) {
		.run_id = errand->run_id,.step = errand->step,.item = errand->item,.owner = errand->role,
		.step_name = errand->step_name,.name = errand->spool_name,.type = errand->spool_type,
		.content_type = content_type
	};
}

static Jsonb *
copy_to_artifact(JoErrand *errand, char *buffer)
{
	JoFileState *state = errand->kind_state;
	JoArtifactSpec spec = jo_file_artifact_spec(errand, NULL);
	JoArtifactWriter *writer = jo_artifact_begin(&spec);
	int64		offset = 0;
	size_t		n;

	while ((n = jo_file_read(&state->source, offset, buffer, JO_ARTIFACT_CHUNK)) > 0)
	{
		jo_artifact_write(writer, buffer, n);
		offset += n;
		CHECK_FOR_INTERRUPTS();
	}
	state->bytes = offset;
	return jo_artifact_finish(writer);
}

static void
copy_to_file(JoErrand *errand, char *buffer)
{
	JoFileState *state = errand->kind_state;
	JoArtifactReader *reader = NULL;
	size_t		n;

	if (errand->source_artifact != 0)
		reader = jo_artifact_open(errand->source_artifact, errand->run_id, NULL, errand->role);
	jo_file_sink_restart(state->sink);
	jo_file_begin_digest(state);
	while ((n = reader != NULL ? jo_artifact_read(reader, buffer, JO_ARTIFACT_CHUNK) :
			jo_file_read(&state->source, jo_file_sink_size(state->sink), buffer, JO_ARTIFACT_CHUNK)) > 0)
	{
		jo_file_sink_write(state->sink, buffer, n);
		add_to_digest(state, buffer, n);
		CHECK_FOR_INTERRUPTS();
	}
	if (reader != NULL)
		jo_artifact_close(reader);
	jo_file_end_digest(errand);
	jo_file_sink_finish(state->sink);
	state->bytes = jo_file_sink_size(state->sink);
	state->moved = true;
}

Jsonb *
jo_file_copy(JoErrand *errand)
{
	JoFileState *state = errand->kind_state;
	char	   *buffer = palloc(JO_ARTIFACT_CHUNK);

	if (state->sink == NULL)
		return copy_to_artifact(errand, buffer);
	if (!state->moved)
		copy_to_file(errand, buffer);
	return NULL;
}

/* ---- the end ---- */

void
jo_file_cleanup(JoErrand *errand)
{
	JoFileState *state = errand->kind_state;

	jo_digest_free(state->digest);
	state->digest = NULL;
	jo_file_close(&state->source);
	if (state->sink != NULL)
		jo_file_sink_discard(state->sink);
	state->sink = NULL;
}
