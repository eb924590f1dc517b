/*
 * reqfile.c
 *		File transfers: from the step's keys to what is moved, and what became of it.
 *
 * One side is "url": http, https, ftp, ftps, sftp, or a file of this server; the other a
 * file below joborch.file_root or an artifact.  The rights are those of the step's role, asked
 * at each attempt.  Touches memory, files below the root, and artifacts.
 */
#include "joborch.h"

#include "clock.h"
#include "errors.h"
#include "guc.h"
#include "jsonbuild.h"
#include "pgtime.h"
#include "reqfile.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/memutils.h"
#include "words.h"

#define DEFAULT_TIMEOUT 300000	/* milliseconds */
#define DEFAULT_LIMIT ((int64) 10 * 1024 * 1024 * 1024) /* bytes that may come */
#define MOST_REDIRECTS 5

/* ---- what the keys say ---- */

static const char *
read_sha256(JoErrand *errand, Jsonb *request)
{
	char	   *text = jo_request_text(errand, request, "sha256");

	if (text == NULL)
		return NULL;
	if (strlen(text) != JO_DIGEST_TEXT || strspn(text, "0123456789abcdefABCDEF") != JO_DIGEST_TEXT)
		jo_request_refuse(errand, "sha256", "is no SHA-256: those have 64 hexadecimal digits", NULL);
	return asc_tolower(text, JO_DIGEST_TEXT);
}

static bool
read_action(JoErrand *errand, Jsonb *request)
{
	static const char *const words[] = {"get", "put", NULL};
	char	   *word = jo_request_text(errand, request, "action");
	int			found = word == NULL ? -1 : jo_words_find(word, words);

	if (found < 0)
		jo_request_refuse(errand, "action", "is neither \"get\" nor \"put\"", NULL);
	return found == 1;
}

/* A name below the root, that the role may read or write. */
static char *
read_name(JoErrand *errand, const char *key, const char *text, bool write)
{
	const char *problem;
	char	   *name;

	jo_file_require(errand->role, write);
	name = jo_file_name(text, &problem);
	if (name == NULL)
		jo_request_refuse(errand, key, problem,
						  "Files are named by their path below joborch.file_root, such as \"reports/may.csv\".");
	return name;
}

static void
read_url(JoErrand *errand, Jsonb *request)
{
	JoFileState *state = errand->kind_state;
	JoUrl		url;
	char	   *error;
	char	   *hint;

	state->url = jo_request_text(errand, request, "url");
	if (state->url == NULL)
		jo_request_refuse(errand, "url", "is missing", NULL);
	if (!jo_url_parse(state->url, &url, &error, &hint))
		jo_request_refuse(errand, "url", error, hint);
	state->local = strcmp(url.scheme, "file") == 0;
	state->http = strcmp(url.scheme, "http") == 0 || strcmp(url.scheme, "https") == 0;
	if (state->local)
		state->url_file = read_name(errand, "url", state->url, state->put);
	else if (!state->http && (url.tail[0] == '\0' || url.tail[strlen(url.tail) - 1] == '/'))
		jo_request_refuse(errand, "url", "names a directory, not a file", NULL);
}

static void
read_keys(JoErrand *errand, Jsonb *request)
{
	JoFileState *state = errand->kind_state;
	JsonbValue	value;
	char	   *file = jo_request_text(errand, request, "file");

	state->put = read_action(errand, request);
	state->overwrite = jo_request_flag(errand, request, "overwrite", true);
	state->create_dirs = jo_request_flag(errand, request, "create_dirs", false);
	state->resume = jo_request_flag(errand, request, "resume", false);
	state->expected = read_sha256(errand, request);
	read_url(errand, request);
	if (file != NULL && jo_request_member(request, "artifact", &value))
		jo_request_refuse(errand, "file", "and \"artifact\" are both there", NULL);
	if (file != NULL)
		state->file = read_name(errand, "file", file, !state->put);
	if (state->resume && (state->local || (state->put && state->http) || (!state->put && file == NULL)))
		jo_request_refuse(errand, "resume", "is not possible here",
						  "What can be gone on with are downloads to a file, and uploads by ftp and sftp.");
	if (state->put && !state->overwrite && !state->http && !state->local)
		jo_request_refuse(errand, "overwrite", "cannot be false here: ftp and sftp replace what is there",
						  "Upload under a name that nobody else uses.");
}

/* ---- the other side of the URL ---- */

static void
open_sink(JoErrand *errand, const char *name)
{
	JoFileState *state = errand->kind_state;
	JoFileSinkOptions options = {
		.overwrite = state->overwrite,.create_dirs = state->create_dirs,.resume = state->resume,
		.token = errand->idempotency_key
	};

	state->sink = jo_file_sink_open(name, &options);
	jo_file_begin_digest(state);
}

/* The artifact that is made: "artifact" is its name. */
static void
name_artifact(JoErrand *errand, Jsonb *request)
{
	JsonbValue	value;
	char	   *name = NULL;

	if (jo_request_member(request, "artifact", &value))
	{
		name = jo_request_scalar(&value);
		if (name == NULL || name[0] == '\0' || strlen(name) > JO_ARTIFACT_MAX_NAME)
			jo_request_refuse(errand, "artifact", "is no name of an artifact", NULL);
	}
	errand->spools = true;
	errand->spool_name = name != NULL ? name : errand->step_name;
	errand->spool_type = "file";
}

/* The artifact that is sent. */
static void
open_artifact(JoErrand *errand, Jsonb *request)
{
	JoFileState *state = errand->kind_state;
	JoArtifactReader *reader;
	Jsonb	   *description;
	JsonbValue	value;

	if (!jo_request_member(request, "artifact", &value))
		jo_request_refuse(errand, "file", "is missing", "\"file\" or \"artifact\" says what is to be sent.");
	reader = jo_request_open_artifact(errand, "artifact", &value, &errand->source_artifact);
	description = jo_artifact_describe(reader);
	if (jo_jsonb_member(&description->root, "sha256", 6, &value) && value.type == jbvString)
	{
		strlcpy(state->sha256, jo_request_scalar(&value), sizeof(state->sha256));
		jo_file_check_digest(errand, "the artifact", state->sha256);
	}
	state->source.size = jo_artifact_size(reader);
	jo_artifact_close(reader);
}

static void
open_source(JoErrand *errand, const char *name)
{
	JoFileState *state = errand->kind_state;

	jo_file_open(&state->source, name);
	jo_file_begin_digest(state);
}

/* ---- over the network ---- */

/* What is there already, and of which version it is. */
static void
ask_for_rest(JoErrand *errand)
{
	JoFileState *state = errand->kind_state;
	JoFileSource there = jo_file_sink_source(state->sink);
	pg_time_t	modified = (pg_time_t) jo_file_sink_modified(state->sink);
	char		text[64];

	state->resumed_from = there.size;
	if (there.size == 0)
		return;
	state->source = there;
	jo_file_digest_source(state);
	state->source = (JoFileSource) {.fd = -1};
	if (!state->http)
	{
		errand->net_request.resume_from = there.size;
		return;
	}
	jo_request_add_header(errand, "Range", psprintf("bytes=" INT64_FORMAT "-", there.size));
	if (modified == 0)
		return;
	pg_strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", pg_gmtime(&modified));
	jo_request_add_header(errand, "If-Range", text);
}

static void
set_upload(JoErrand *errand, Jsonb *request)
{
	JoFileState *state = errand->kind_state;
	JoNetRequest *net = &errand->net_request;

	if (state->file != NULL)
	{
		open_source(errand, state->file);
		errand->give = jo_file_give;
	}
	else
		open_artifact(errand, request);
	errand->take = jo_file_take;
	net->upload = true;
	net->upload_size = state->source.size;
	net->create_dirs = state->create_dirs;
	if (state->resume)
		net->resume_from = -1;
}

static void
set_download(JoErrand *errand, Jsonb *request)
{
	JoFileState *state = errand->kind_state;

	if (state->file == NULL)
	{
		name_artifact(errand, request);
		return;
	}
	open_sink(errand, state->file);
	errand->take = jo_file_take;
	if (state->resume)
		ask_for_rest(errand);
}

/* The login of sftp that no other kind of step has; the rest of the request. */
static Jsonb *
take_private_key(JoErrand *errand, Jsonb *request)
{
	Jsonb	   *auth = jo_request_object(errand, request, "auth");
	JoNetRequest *net = &errand->net_request;
	JsonbValue	value;
	char	   *type;

	if (auth == NULL)
		return request;
	type = jo_request_text(errand, auth, "type");
	if (type != NULL ? strcmp(type, "private_key") != 0 : !jo_request_member(auth, "private_key", &value))
		return request;
	if (strncmp(net->url, "sftp:", 5) != 0)
		jo_request_refuse(errand, "auth.type", "is for sftp only", NULL);
	net->user = jo_request_text(errand, auth, "username");
	net->client_key = jo_request_text(errand, auth, "private_key");
	net->key_password = jo_request_text(errand, auth, "password");
	if (net->user == NULL || net->client_key == NULL)
		jo_request_refuse(errand, "auth", "has no \"username\" or no \"private_key\"", NULL);
	return jo_jsonb_merge(request, jo_jsonb_from_text("{\"auth\": null}"));
}

/* The step's own headers come first, and what libcurl is to send of a file. */
static void
set_http(JoErrand *errand, JoTry *try, Jsonb *request)
{
	JoFileState *state = errand->kind_state;
	JoNetRequest *net = &errand->net_request;

	jo_http_begin_target(errand, request);
	(void) take_private_key(errand, request);
	net->method = state->put ? "PUT" : "GET";
	if (state->put)
		set_upload(errand, request);
	else
		set_download(errand, request);
	if (state->put && !state->overwrite)
		jo_request_add_header(errand, "If-None-Match", "*");
	if (state->put && !jo_request_has_header(errand, "Content-Type"))
		jo_request_add_header(errand, "Content-Type", "application/octet-stream");
	jo_http_begin_common(errand, try, request, state->put ? errand->idempotency_key : NULL);
	state->http_state = errand->kind_state;
	errand->kind_state = state;
	if (!state->put)
		net->max_redirects = MOST_REDIRECTS;
}

static void
set_host_key(JoErrand *errand, Jsonb *request)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	JoNetRequest *net = &errand->net_request;
	char	   *text = jo_request_text(errand, request, "known_host");
	const char *hash = text != NULL && strncmp(text, "SHA256:", 7) == 0 ? text + 7 : text;
	const char *hint = "Write the fingerprint that \"ssh-keyscan HOST | ssh-keygen -lf -\" shows: \"SHA256:...\".";

	if (strncmp(net->url, "sftp:", 5) != 0)
		return;
	if (text == NULL && !net->insecure)
		jo_request_refuse(errand, "known_host", "is missing: nothing tells the host from another", hint);
	if (text != NULL && (strspn(hash, base64) != 43 || (hash[43] != '\0' && strcmp(hash + 43, "=") != 0)))
		jo_request_refuse(errand, "known_host", "is no SHA-256 of a host's key", hint);
	net->known_host = text;
}

/* ftp, ftps, sftp */
static void
set_other(JoErrand *errand, Jsonb *request)
{
	JoFileState *state = errand->kind_state;
	JoNetRequest *net = &errand->net_request;
	const char *user;

	jo_request_set_url(errand, state->url, "");
	net->schemes = JO_SCHEME_FTP | JO_SCHEME_FTPS | JO_SCHEME_SFTP;
	if (jo_request_object(errand, request, "headers") != NULL)
		jo_request_refuse(errand, "headers", "are of HTTP only", NULL);
	request = take_private_key(errand, request);
	user = net->user;
	if (state->put)
		set_upload(errand, request);
	else
		set_download(errand, request);
	jo_request_common(errand, request);
	if (user == NULL && (net->nheaders > 0 || net->auth == JO_NET_AUTH_BEARER))
		jo_request_refuse(errand, "auth.type", "is for HTTP only",
						  "Write \"username\" and \"password\", or, for sftp, \"username\" and \"private_key\".");
	set_host_key(errand, request);
}

static void
set_network(JoErrand *errand, JoTry *try, Jsonb *request)
{
	JoFileState *state = errand->kind_state;
	JoNetRequest *net = &errand->net_request;

	if (state->http)
		set_http(errand, try, request);
	else
		set_other(errand, request);
	net->max_response = jo_request_bytes(errand, request, "max_response", DEFAULT_LIMIT);
	net->window = JO_ARTIFACT_CHUNK;
	if (errand->timeout == 0)
		net->total_timeout = DEFAULT_TIMEOUT;
}

/* ---- begin ---- */

static void
set_copy(JoErrand *errand, Jsonb *request)
{
	JoFileState *state = errand->kind_state;
	const char *from = state->put ? state->file : state->url_file;
	const char *to = state->put ? state->url_file : state->file;

	if (from != NULL && to != NULL && strcmp(from, to) == 0)
		jo_request_refuse(errand, "file", "is the file of \"url\" itself", NULL);
	if (from != NULL)
		open_source(errand, from);
	else
		open_artifact(errand, request);
	if (to != NULL)
		open_sink(errand, to);
	else
		name_artifact(errand, request);
	errand->nothing_to_send = true;
}

void
jo_file_begin(JoErrand *errand, JoTry *try, Jsonb *request)
{
	JoFileState *state = palloc0(sizeof(JoFileState));

	state->source.fd = -1;
	errand->kind_state = state;
	errand->cleanup = jo_file_cleanup;
	read_keys(errand, request);
	if (state->local)
		set_copy(errand, request);
	else
		set_network(errand, try, request);
}

/* ---- finish ---- */

/* 5xx of FTP, and what SFTP says like that, will be said again. */
static void
raise_refusal(JoErrand *errand, const JoNetResponse *response)
{
	bool		final = response->status >= 500;

	ereport(ERROR,
			(errcode(final ? ERRCODE_JO_HTTP_STATUS : ERRCODE_JO_REMOTE),
			 errmsg("%s was refused by the file server", jo_request_place(errand)),
			 errdetail_internal("%s.", jo_secret_mask_text(&errand->secrets, response->message)),
			 final ? errhint("Check \"url\" of the step, and what its user may do there.") : 0));
}

static void
raise_host_key(JoErrand *errand, const JoNetResponse *response)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_CONNECTION),
			 errmsg("%s did not find the host that it knows", jo_request_place(errand)),
			 errdetail_internal("%s.", jo_secret_mask_text(&errand->secrets, response->message)),
			 errhint("The host's key is another than \"known_host\" says: if it was changed on purpose, change that too.")));
}

/* What has come stays for the next attempt, unless the other side will not go on from there. */
static void
keep_rest(JoErrand *errand, const JoNetResponse *response)
{
	JoFileState *state = errand->kind_state;

	if (state->sink == NULL || !state->resume || state->drained)
		return;
	if (response->result == JO_NET_REMOTE || (state->http && response->status == 416))
		jo_file_sink_restart(state->sink);
	else if (response->body_size > 0)
		jo_file_take(errand, response->body, response->body_size);
	state->drained = true;
}

/* Is all of it there already?  Then the rest that was asked for is nothing. */
static bool
had_all(const JoErrand *errand, const JoNetResponse *response)
{
	const JoFileState *state = errand->kind_state;
	JoHeaderLine line;

	return state->http && response->status == 416 && state->resumed_from > 0 &&
		jo_http_find_header(response->headers, response->headers_size, "Content-Range", &line) &&
		line.value_length < 40 &&
		strcmp(pnstrdup(line.value, line.value_length), psprintf("bytes */" INT64_FORMAT, state->resumed_from)) == 0;
}

static void
check_response(JoErrand *errand, const JoNetResponse *response, JoErrandResult *result)
{
	JoFileState *state = errand->kind_state;

	if (response->result != JO_NET_OK)
		keep_rest(errand, response);
	if (response->result == JO_NET_REMOTE)
		raise_refusal(errand, response);
	if (response->result == JO_NET_TLS && strncmp(errand->net_request.url, "sftp:", 5) == 0)
		raise_host_key(errand, response);
	jo_request_check_result(errand, response);
	if (!state->http || had_all(errand, response))
		return;
	if (response->status == 416 && state->resumed_from > 0)
	{
		keep_rest(errand, response);
		ereport(ERROR,
				(errcode(ERRCODE_JO_REMOTE),
				 errmsg("%s cannot go on where it was cut off", jo_request_place(errand)),
				 errdetail("The file there is not the one of which " INT64_FORMAT " bytes had come.", state->resumed_from),
				 errhint("The next attempt begins anew; \"retry\" of the step makes one.")));
	}
	jo_http_require_expected(errand, response, state->http_state, result);
}

/* All bytes are here or there. */
static void
end_download(JoErrand *errand, const JoNetResponse *response)
{
	JoFileState *state = errand->kind_state;

	if (!state->drained && !had_all(errand, response))
		jo_file_take(errand, response->body, response->body_size);
	state->drained = true;
	PG_TRY();
	{
		jo_file_end_digest(errand);
	}
	PG_CATCH();
	{
		/* what is wrong is nothing to go on with */
		jo_file_sink_restart(state->sink);
		PG_RE_THROW();
	}
	PG_END_TRY();
	jo_file_sink_finish(state->sink);
	state->bytes = jo_file_sink_size(state->sink);
	state->moved = true;
}

static void
end_upload(JoErrand *errand, const JoNetResponse *response)
{
	JoFileState *state = errand->kind_state;

	if (response->resumed_at > state->source.size)
		ereport(ERROR,
				(errcode(ERRCODE_JO_RESPONSE),
				 errmsg("%s cannot go on: the file there is larger", jo_request_place(errand)),
				 errdetail("It has " INT64_FORMAT " bytes, and what is sent " INT64_FORMAT ".",
						   response->resumed_at, state->source.size),
				 errhint("Without \"resume\" it would be replaced.")));
	if (response->sent < state->source.size - response->resumed_at)
		ereport(ERROR,
				(errcode(ERRCODE_JO_REMOTE),
				 errmsg("%s ended before all was sent", jo_request_place(errand)),
				 errdetail(INT64_FORMAT " bytes of " INT64_FORMAT " were sent, and the server said that it is done.",
						   response->sent + response->resumed_at, state->source.size)));
	if (state->digest != NULL)
	{
		if (state->sha256[0] == '\0')
			jo_file_digest_source(state);
		jo_file_end_digest(errand);
	}
	state->bytes = state->source.size;
	state->moved = true;
}

static Jsonb *
end_artifact(JoErrand *errand, const JoNetResponse *response)
{
	JoFileState *state = errand->kind_state;
	JoArtifactSpec spec = jo_file_artifact_spec(errand, response->content_type);

	state->bytes = response->received;
	if (errand->spool != NULL)
		return jo_response_finish_spool(errand, response);
	return jo_artifact_store(&spec, response->body, response->body_size);
}

/* The artifact that was made, or NULL. */
static Jsonb *
end_transfer(JoErrand *errand, const JoNetResponse *response, JoErrandResult *result)
{
	JoFileState *state = errand->kind_state;

	if (state->local)
		return jo_file_copy(errand);
	if (state->moved && response->result == JO_NET_OK && state->sha256[0] != '\0')
		return NULL;
	check_response(errand, response, result);
	if (state->put)
		end_upload(errand, response);
	else if (state->sink != NULL)
		end_download(errand, response);
	else
		return end_artifact(errand, response);
	return NULL;
}

static Jsonb *
build_output(JoErrand *errand, const JoNetResponse *response, Jsonb *artifact, TimestampTz begun)
{
	JoFileState *state = errand->kind_state;
	JsonbParseState *output = NULL;
	int64		elapsed = response != NULL ? response->elapsed : jo_clock_now() - begun;

	pushJsonbValue(&output, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_string(&output, "url", response != NULL && response->url != NULL ? response->url : state->url);
	jo_jsonb_add_int(&output, "bytes", state->bytes);
	jo_jsonb_add_string(&output, "sha256", state->sha256);
	jo_jsonb_add_int(&output, "elapsed_ms", elapsed / 1000);
	jo_jsonb_add_string(&output, "file", state->file);
	jo_jsonb_add_jsonb(&output, "artifact", artifact);
	if (state->resume)
		jo_jsonb_add_int(&output, "resumed_from", response != NULL && state->put ? response->resumed_at : state->resumed_from);
	return JsonbValueToJsonb(pushJsonbValue(&output, WJB_END_OBJECT, NULL));
}

void
jo_file_finish(JoErrand *errand, JoTry *try, const JoNetResponse *response, JoErrandResult *result)
{
	JoFileState *state = errand->kind_state;
	TimestampTz begun = jo_clock_now();
	Jsonb	   *artifact = end_transfer(errand, response, result);
	JsonbValue	value;

	if (artifact != NULL && jo_jsonb_member(&artifact->root, "sha256", 6, &value) && value.type == jbvString)
	{
		strlcpy(state->sha256, jo_request_scalar(&value), sizeof(state->sha256));
		jo_file_check_digest(errand, "the content of the file", state->sha256);
	}
	result->output = jo_secret_mask_jsonb(&errand->secrets, build_output(errand, response, artifact, begun));
}
