/*
 * reqhttp.c
 *		HTTP requests: from the step's keys to what is sent, and what the status means.
 *
 * Begin and finish of kind http, and the parts of them that webhook shares.  Each
 * method that may change something carries an Idempotency-Key, the same at every attempt,
 * so that the other side can tell a repetition.  Touches memory, and reads
 * the run's row and artifacts.
 */
#include "joborch.h"

#include "clock.h"
#include "docparts.h"
#include "errors.h"
#include "guc.h"
#include "jsonbuild.h"
#include "reqparts.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "words.h"

#define DEFAULT_TIMEOUT 30000	/* milliseconds */
#define MOST_REDIRECTS 50
#define DEFAULT_REDIRECTS 5		/* with "redirects": true */
#define LONGEST_RETRY_AFTER (24 * 3600) /* seconds: no server may put a step off for longer */
#define UNREAD_WINDOW (64 * 1024)	/* for a body that nobody wants */

/* ---- begin ---- */

/* GET, or POST when there is a body. */
static const char *
read_method(JoErrand *errand, Jsonb *request)
{
	static const char *const words[] = {
		"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", NULL
	};
	char	   *method = jo_request_text(errand, request, "method");
	char	   *upper;

	if (method == NULL)
		return NULL;
	if (!jo_http_is_token(method, strlen(method)))
		jo_request_refuse(errand, "method", "is no HTTP method", "It is one word, such as GET or POST.");
	upper = asc_toupper(method, strlen(method));
	if (strcmp(upper, "CONNECT") == 0 || strcmp(upper, "TRACE") == 0)
		jo_request_refuse(errand, "method", "is one for proxies and tests of the line, not for requests", NULL);
	return jo_words_find(upper, words) >= 0 ? MemoryContextStrdup(errand->context, upper) : method;
}

static void
append_query(JoErrand *errand, StringInfo buf, const char *name, const JsonbValue *value)
{
	char	   *text = jo_request_scalar(value);
	char	   *utf8;

	if (text == NULL)
		jo_request_refuse(errand, "query", psprintf("has no text in \"%s\"", jo_words_show(name)),
						  "Values of a query are texts, numbers, booleans, or arrays of these.");
	if (buf->len > 0)
		appendStringInfoChar(buf, '&');
	utf8 = jo_request_utf8(errand, name, strlen(name));
	jo_url_append_encoded(buf, utf8, strlen(utf8), false);
	appendStringInfoChar(buf, '=');
	utf8 = jo_request_utf8(errand, text, strlen(text));
	jo_url_append_encoded(buf, utf8, strlen(utf8), false);
}

static void
read_url(JoErrand *errand, Jsonb *request)
{
	char	   *url = jo_request_text(errand, request, "url");
	Jsonb	   *query = jo_request_object(errand, request, "query");
	JsonbIterator *iterator;
	JsonbValue	value;
	StringInfoData buf;
	char	   *name;

	if (url == NULL)
		jo_request_refuse(errand, "url", "is missing", NULL);
	initStringInfo(&buf);
	iterator = query == NULL ? NULL : JsonbIteratorInit(&query->root);
	while (iterator != NULL && jo_request_next_member(&iterator, &name, &value))
	{
		if (value.type == jbvNull)
			continue;
		if (value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data))
			for (uint32 i = 0; i < JsonContainerSize(value.val.binary.data); i++)
				append_query(errand, &buf, name, getIthJsonbValueFromContainer(value.val.binary.data, i));
		else
			append_query(errand, &buf, name, &value);
	}
	jo_request_set_url(errand, url, buf.data);
}

static void
add_header_value(JoErrand *errand, const char *name, const JsonbValue *value)
{
	char	   *text = jo_request_scalar(value);

	if (text == NULL)
		jo_request_refuse(errand, "headers", psprintf("has no text in \"%s\"", jo_words_show(name)),
						  "The value of a header is a text, a number, a boolean, or an array of these.");
	jo_request_add_header(errand, name, text);
}

static void
read_headers(JoErrand *errand, Jsonb *request)
{
	Jsonb	   *headers = jo_request_object(errand, request, "headers");
	JsonbIterator *iterator;
	JsonbValue	value;
	char	   *name;

	if (headers == NULL)
		return;
	iterator = JsonbIteratorInit(&headers->root);
	while (jo_request_next_member(&iterator, &name, &value))
	{
		if (value.type == jbvNull)
			continue;
		if (value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data))
			for (uint32 i = 0; i < JsonContainerSize(value.val.binary.data); i++)
				add_header_value(errand, name, getIthJsonbValueFromContainer(value.val.binary.data, i));
		else
			add_header_value(errand, name, &value);
	}
}

static void
add_default_header(JoErrand *errand, const char *name, const char *value)
{
	if (value != NULL && !jo_request_has_header(errand, name))
		jo_request_add_header(errand, name, value);
}

const char *
jo_http_idempotency_key(JoErrand *errand, Jsonb *request)
{
	JsonbValue	value;

	if (!jo_request_member(request, "idempotency_key", &value))
		return errand->idempotency_key;
	if (value.type == jbvBool)
		return value.val.boolean ? errand->idempotency_key : NULL;
	return jo_request_text(errand, request, "idempotency_key");
}

/* A number, a text, or an array of these, as one list of ranges. */
static void
read_expected(JoErrand *errand, Jsonb *request, JoHttpState *state)
{
	JsonbValue	value;
	StringInfoData list;
	const char *text = "200-299";

	if (jo_request_member(request, "expected_status", &value))
	{
		text = jo_request_scalar(&value);
		if (value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data))
		{
			initStringInfo(&list);
			for (uint32 i = 0; i < JsonContainerSize(value.val.binary.data); i++)
			{
				char	   *item = jo_request_scalar(getIthJsonbValueFromContainer(value.val.binary.data, i));

				appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", item != NULL ? item : "?");
			}
			text = list.data;
		}
	}
	state->nexpected = text == NULL ? -1 : jo_http_parse_statuses(text, state->expected, JO_STATUS_RANGES);
	if (state->nexpected < 0)
		jo_request_refuse(errand, "expected_status", "is no list of HTTP statuses",
						  "Write 200, \"2xx\", \"200-204\", or an array of these.");
	state->expected_text = text;
}

/* How many; true: the usual number. */
static int
read_redirects(JoErrand *errand, Jsonb *request)
{
	JsonbValue	value;

	if (jo_request_member(request, "redirects", &value) && value.type == jbvBool)
		return value.val.boolean ? DEFAULT_REDIRECTS : 0;
	return jo_request_int(errand, request, "redirects", 0, MOST_REDIRECTS, 0);
}

static int
read_http_version(JoErrand *errand, Jsonb *request)
{
	char	   *version = jo_request_text(errand, request, "http_version");

	if (version == NULL)
		return 0;
	if (strcmp(version, "1.1") == 0)
		return 11;
	if (strcmp(version, "2") != 0)
		jo_request_refuse(errand, "http_version", "is neither \"1.1\" nor \"2\"", NULL);
	return 2;
}

/* Of a body that nobody wants. */
static void
discard(JoErrand *errand, const char *data, size_t size)
{
	(void) errand;
	(void) data;
	(void) size;
}

static void
read_response_form(JoErrand *errand, Jsonb *request, JoHttpState *state)
{
	static const char *const words[] = {"auto", "json", "text", "base64", "none", NULL};
	char	   *word = jo_request_text(errand, request, "response");
	int			form = word == NULL ? JO_RESPONSE_AUTO : jo_words_find(word, words);

	if (form < 0)
		jo_request_refuse(errand, "response", "is no form of a response",
						  psprintf("It is one of %s.", jo_words_join(words)));
	state->form = form;
	errand->net_request.max_response = jo_request_bytes(errand, request, "max_response",
														 (int64) jo_guc_max_result * 1024);
	errand->net_request.window = (size_t) jo_guc_max_inline_result * 1024;
	errand->spools = true;
	if (form == JO_RESPONSE_NONE)
	{
		errand->take = discard;
		errand->net_request.window = UNREAD_WINDOW;
	}
}

void
jo_http_begin_common(JoErrand *errand, JoTry *try, Jsonb *request, const char *key)
{
	JoNetRequest *net = &errand->net_request;
	JoHttpState *state = MemoryContextAllocZero(errand->context, sizeof(JoHttpState));
	const char *traceparent = jo_docroots_run(try->document)->traceparent;

	errand->kind_state = state;
	net->schemes = JO_SCHEME_HTTP | JO_SCHEME_HTTPS;
	net->total_timeout = DEFAULT_TIMEOUT;
	add_default_header(errand, "User-Agent", "joborch/" JO_VERSION);
	add_default_header(errand, "Idempotency-Key", key);
	if (traceparent != NULL && jo_http_is_traceparent(traceparent))
		add_default_header(errand, "traceparent", traceparent);
	if (errand->callback_token != NULL)
		jo_request_add_header(errand, "Joborch-Callback-Token", errand->callback_token);
	read_expected(errand, request, state);
	read_response_form(errand, request, state);
	net->max_redirects = read_redirects(errand, request);
	net->http_version = read_http_version(errand, request);
	jo_request_common(errand, request);
}

void
jo_http_begin_target(JoErrand *errand, Jsonb *request)
{
	errand->net_request.method = read_method(errand, request);
	read_url(errand, request);
	read_headers(errand, request);
}

void
jo_http_begin(JoErrand *errand, JoTry *try, Jsonb *request)
{
	JoNetRequest *net = &errand->net_request;
	bool		has_body;
	JsonbValue	value;

	jo_http_begin_target(errand, request);
	jo_request_body(errand, request);
	has_body = net->body != NULL || net->nparts > 0 || net->upload;
	if (net->method == NULL)
		net->method = has_body ? "POST" : "GET";
	net->no_body = strcmp(net->method, "HEAD") == 0;
	if (net->no_body && has_body)
		jo_request_refuse(errand, "method", "is HEAD, which has no body", NULL);
	jo_http_begin_common(errand, try, request,
						 !jo_http_is_safe(net->method) || jo_request_member(request, "idempotency_key", &value) ?
						 jo_http_idempotency_key(errand, request) : NULL);
}

/* ---- finish ---- */

static bool
is_expected(const JoHttpState *state, int status)
{
	for (int i = 0; i < state->nexpected; i++)
		if (status >= state->expected[i].low && status <= state->expected[i].high)
			return true;
	return false;
}

/* When the other side wants to be asked again; 0: it does not say. */
static TimestampTz
find_not_before(const JoNetResponse *response)
{
	TimestampTz now = jo_clock_now();
	JoHeaderLine line;
	int64		seconds;

	if (!jo_http_find_header(response->headers, response->headers_size, "Retry-After", &line) ||
		!jo_http_retry_after(line.value, line.value_length, timestamptz_to_time_t(now), &seconds))
		return 0;
	return now + Min(seconds, LONGEST_RETRY_AFTER) * USECS_PER_SEC;
}

/* Is another try of any use?  408 and 425 ask for one. */
static int
sqlstate_of(int status, TimestampTz not_before)
{
	if (status == 429 || (status == 503 && not_before != 0))
		return ERRCODE_JO_RATE_LIMITED;
	if (status >= 500 || status == 408 || status == 425)
		return ERRCODE_JO_REMOTE;
	return ERRCODE_JO_HTTP_STATUS;
}

static const char *
hint_of(const JoNetResponse *response)
{
	JoHeaderLine line;

	if (response->status == 401 || response->status == 403)
		return "Check \"auth\" of the step.";
	if (response->status == 405)
		return "Check \"method\" of the step.";
	if (response->status >= 300 && response->status < 400 && response->status != 304 &&
		jo_http_find_header(response->headers, response->headers_size, "Location", &line))
		return "Redirects are followed only if \"redirects\" of the step says how many.";
	if (response->status < 400)
		return "Name the statuses that are right in \"expected_status\" of the step.";
	return NULL;
}

static void
raise_status(JoErrand *errand, const JoNetResponse *response, const JoHttpState *state, TimestampTz not_before)
{
	const char *hint = hint_of(response);

	ereport(ERROR,
			(errcode(sqlstate_of(response->status, not_before)),
			 errmsg("%s got HTTP status %d", jo_request_place(errand), response->status),
			 errdetail_internal("Expected: %s.  %s", state->expected_text, jo_response_describe(errand, response)),
			 hint != NULL ? errhint("%s", hint) : 0));
}

/* "success": asked with the output as $.result. */
static void
check_success(JoErrand *errand, JoTry *try, const JoNetResponse *response, Jsonb *output)
{
	const JoCondition *success = &try->step->outside->success;

	if (success->path == NULL)
		return;
	jo_document_set_result(try->document, output);
	if (jo_document_predicate(try->document, success->path, &success->refs))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_JO_NOT_SUCCESS),
			 errmsg("%s got an answer that is no success", jo_request_place(errand)),
			 errdetail_internal("%s is false.  %s", success->path, jo_response_describe(errand, response)),
			 errhint("\"success\" of the step says which answers are.")));
}

void
jo_http_require_expected(JoErrand *errand, const JoNetResponse *response, const JoHttpState *state,
						 JoErrandResult *result)
{
	if (is_expected(state, response->status))
		return;
	result->not_before = find_not_before(response);
	raise_status(errand, response, state, result->not_before);
}

/* Nothing here changes the errand: it is asked again when its transaction fails for another one's sake. */
void
jo_http_finish(JoErrand *errand, JoTry *try, const JoNetResponse *response, JoErrandResult *result)
{
	JoHttpState *state = errand->kind_state;

	jo_request_check_result(errand, response);
	if (response->status == 202 && try->step->outside->callback)
	{
		if (errand->spool != NULL)
			jo_artifact_abandon(errand->spool);
		result->callback_wait = true;
		return;
	}
	jo_http_require_expected(errand, response, state, result);
	result->output = jo_secret_mask_jsonb(&errand->secrets, jo_response_output(errand, try, response, state->form));
	check_success(errand, try, response, result->output);
}
