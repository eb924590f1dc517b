/*
 * reqcommon.c
 *		What the kinds of network steps share: values, headers, URL, and whom the role may reach.
 *
 * A rendered request is what templates made of it: each value is looked at again, whatever
 * was checked when the job was saved.  Messages name the key and never show its
 * value, which may be a secret.  Touches memory only.
 */
#include "joborch.h"

#include <errno.h>

#include "egressrules.h"
#include "errors.h"
#include "jsonbuild.h"
#include "mb/pg_wchar.h"
#include "reqparts.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "words.h"

#define MOST_HEADERS 200

/* ---- values ---- */

char *
jo_request_place(const JoErrand *errand)
{
	if (errand->item == JO_NO_ITEM)
		return psprintf("step \"%s\"", errand->step_name);
	return psprintf("step \"%s\", item %d", errand->step_name, errand->item);
}

void
jo_request_refuse(const JoErrand *errand, const char *key, const char *problem, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_REQUEST),
			 errmsg("request of %s is not valid: \"%s\" %s", jo_request_place(errand), key, problem),
			 hint != NULL ? errhint("%s", hint) : 0));
}

bool
jo_request_member(Jsonb *request, const char *key, JsonbValue *value)
{
	return jo_jsonb_member(&request->root, key, strlen(key), value) && value->type != jbvNull;
}

char *
jo_request_scalar(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return numeric_normalize(value->val.numeric);
		case jbvBool:
			return pstrdup(value->val.boolean ? "true" : "false");
		default:
			return NULL;
	}
}

char *
jo_request_text(JoErrand *errand, Jsonb *request, const char *key)
{
	JsonbValue	value;
	char	   *text;

	if (!jo_request_member(request, key, &value))
		return NULL;
	text = jo_request_scalar(&value);
	if (text == NULL)
		jo_request_refuse(errand, key, "must be a text", NULL);
	return MemoryContextStrdup(errand->context, text);
}

bool
jo_request_flag(JoErrand *errand, Jsonb *request, const char *key, bool otherwise)
{
	JsonbValue	value;
	char	   *text;
	bool		flag;

	if (!jo_request_member(request, key, &value))
		return otherwise;
	if (value.type == jbvBool)
		return value.val.boolean;
	text = value.type == jbvString ? jo_request_scalar(&value) : NULL;
	if (text == NULL || !parse_bool(text, &flag))
		jo_request_refuse(errand, key, "must be true or false", NULL);
	return flag;
}

int64
jo_request_int(JoErrand *errand, Jsonb *request, const char *key, int64 low, int64 high, int64 otherwise)
{
	JsonbValue	value;
	char	   *text;
	char	   *end;
	int64		number;

	if (!jo_request_member(request, key, &value))
		return otherwise;
	text = value.type == jbvBool ? NULL : jo_request_scalar(&value);
	errno = 0;
	number = text == NULL ? 0 : strtoll(text, &end, 10);
	if (text == NULL || end == text || *end != '\0' || errno != 0 || number < low || number > high)
		jo_request_refuse(errand, key,
						  psprintf("must be a number from " INT64_FORMAT " to " INT64_FORMAT, low, high), NULL);
	return number;
}

int64
jo_request_duration(JoErrand *errand, Jsonb *request, const char *key, int64 otherwise)
{
	JsonbValue	value;
	char	   *text;
	int64		microseconds;

	if (!jo_request_member(request, key, &value))
		return otherwise;
	text = value.type == jbvBool ? NULL : jo_request_scalar(&value);
	if (text == NULL || !jo_parse_duration(text, &microseconds) || microseconds < 0)
		jo_request_refuse(errand, key, "is no duration", "Write it as \"30 s\", or as a number of seconds.");
	return microseconds;
}

/* "10 MB", "1000"; false when it is no size. */
static bool
parse_bytes(const char *text, int64 *bytes)
{
	static const char *const units[] = {"b", "kb", "mb", "gb", "tb", NULL};
	char	   *end;
	char	   *unit;
	double		number;
	int			power;

	errno = 0;
	number = strtod(text, &end);
	if (end == text || errno != 0 || !(number >= 0))
		return false;
	while (*end == ' ')
		end++;
	unit = asc_tolower(end, strlen(end));
	power = unit[0] == '\0' || strcmp(unit, "bytes") == 0 ? 0 : jo_words_find(unit, units);
	if (power < 0)
		return false;
	while (power-- > 0)
		number *= 1024;
	if (number > 1e18)
		return false;
	*bytes = (int64) number;
	return true;
}

int64
jo_request_bytes(JoErrand *errand, Jsonb *request, const char *key, int64 otherwise)
{
	JsonbValue	value;
	char	   *text;
	int64		bytes;

	if (!jo_request_member(request, key, &value))
		return otherwise;
	text = value.type == jbvBool ? NULL : jo_request_scalar(&value);
	if (text == NULL || !parse_bytes(text, &bytes))
		jo_request_refuse(errand, key, "is no size", "Write it as \"10 MB\", or as a number of bytes.");
	return bytes;
}

Jsonb *
jo_request_object(JoErrand *errand, Jsonb *request, const char *key)
{
	JsonbValue	value;

	if (!jo_request_member(request, key, &value))
		return NULL;
	if (value.type != jbvBinary || !JsonContainerIsObject(value.val.binary.data))
		jo_request_refuse(errand, key, "must be an object", NULL);
	return jo_jsonb_from_value(&value);
}

bool
jo_request_next_member(JsonbIterator **iterator, char **name, JsonbValue *value)
{
	JsonbValue	key;
	JsonbIteratorToken token = JsonbIteratorNext(iterator, &key, true);

	if (token == WJB_BEGIN_OBJECT)
		token = JsonbIteratorNext(iterator, &key, true);
	if (token != WJB_KEY)
		return false;
	*name = pnstrdup(key.val.string.val, key.val.string.len);
	(void) JsonbIteratorNext(iterator, value, true);
	return true;
}

char *
jo_request_utf8(const JoErrand *errand, const char *text, size_t length)
{
	char	   *converted = pg_server_to_any(text, length, PG_UTF8);
	size_t		size = converted == text ? length : strlen(converted);
	char	   *copy = MemoryContextAlloc(errand->context, size + 1);

	memcpy(copy, converted, size);
	copy[size] = '\0';
	return copy;
}

/* ---- headers ---- */

bool
jo_request_has_header(const JoErrand *errand, const char *name)
{
	for (int i = 0; i < errand->net_request.nheaders; i++)
		if (pg_strcasecmp(errand->net_request.headers[i].name, name) == 0)
			return true;
	return false;
}

static void
refuse_header(const JoErrand *errand, JoHeaderFault fault, const char *name)
{
	char	   *shown = jo_words_show(name);

	if (fault == JO_HEADER_RESERVED)
		jo_request_refuse(errand, "headers", psprintf("may not set \"%s\"", shown),
						  "The library writes it from what it sends; take it out of \"headers\".");
	if (fault == JO_HEADER_NAME)
		jo_request_refuse(errand, "headers", "has a name that is not valid",
						  "Names of headers are letters, digits and hyphens.");
	jo_request_refuse(errand, "headers", psprintf("has a line break or another control character in \"%s\"", shown),
					  "A header is one line; encode a longer value, for example by the filter base64.");
}

void
jo_request_add_header(JoErrand *errand, const char *name, const char *value)
{
	JoNetRequest *net = &errand->net_request;
	JoHeaderFault fault = jo_http_check_header(name, value);
	JoNetHeader *header;

	if (fault != JO_HEADER_OK)
		refuse_header(errand, fault, name);
	if (net->nheaders >= MOST_HEADERS)
		jo_request_refuse(errand, "headers", psprintf("has more than %d headers", MOST_HEADERS), NULL);
	if (net->headers == NULL)
		net->headers = MemoryContextAlloc(errand->context, 8 * sizeof(JoNetHeader));
	else if (net->nheaders >= 8 && (net->nheaders & (net->nheaders - 1)) == 0)
		net->headers = repalloc(net->headers, 2 * net->nheaders * sizeof(JoNetHeader));
	header = &net->headers[net->nheaders++];
	header->name = MemoryContextStrdup(errand->context, name);
	header->value = jo_request_utf8(errand, value, strlen(value));
	header->secret = jo_secret_mask_text(&errand->secrets, value) != value;
}

/* ---- URL ---- */

/* Whom it leads to, with the port spelled out; raises unless it is one of the schemes. */
static unsigned
parse_url(const JoErrand *errand, const char *key, const char *text, unsigned schemes, JoUrl *url)
{
	char	   *error;
	char	   *hint;
	unsigned	scheme;
	int			port;

	if (!jo_url_parse(text, url, &error, &hint))
		jo_request_refuse(errand, key, error, hint);
	scheme = jo_egress_scheme(url->scheme, &port);
	if ((scheme & schemes) == 0)
		jo_request_refuse(errand, key, psprintf("has the scheme \"%s\", which is none of this step's",
												jo_words_show(url->scheme)), NULL);
	if (url->port == 0)
		url->port = port;
	return scheme;
}

void
jo_request_set_url(JoErrand *errand, const char *url, const char *query)
{
	JoUrl		parts;
	char	   *error;
	char	   *hint;
	char	   *sent;

	sent = jo_request_utf8(errand, url, strlen(url));
	if (!jo_url_parse(sent, &parts, &error, &hint))
		jo_request_refuse(errand, "url", error, hint);
	errand->net_request.url = MemoryContextStrdup(errand->context, jo_url_assemble(sent, query));
}

/* ---- what all kinds with a URL have ---- */

static void
set_basic(JoErrand *errand, Jsonb *auth, JoNetAuth kind)
{
	JoNetRequest *net = &errand->net_request;
	char	   *user = jo_request_text(errand, auth, "username");
	char	   *password = jo_request_text(errand, auth, "password");

	if (user == NULL)
		jo_request_refuse(errand, "auth.username", "is missing", NULL);
	/* what stands behind it would be taken for the password */
	if (kind == JO_NET_AUTH_BASIC && strchr(user, ':') != NULL)
		jo_request_refuse(errand, "auth.username", "has a colon", NULL);
	net->auth = kind;
	net->user = jo_request_utf8(errand, user, strlen(user));
	net->password = password == NULL ? "" : jo_request_utf8(errand, password, strlen(password));
}

static void
set_bearer(JoErrand *errand, Jsonb *auth)
{
	char	   *token = jo_request_text(errand, auth, "token");

	if (token == NULL || token[0] == '\0')
		jo_request_refuse(errand, "auth.token", "is missing", NULL);
	if (jo_http_check_header("Authorization", token) != JO_HEADER_OK)
		jo_request_refuse(errand, "auth.token", "has a line break or another control character",
						  "A secret read from a file may end with a newline: create it without.");
	errand->net_request.auth = JO_NET_AUTH_BEARER;
	errand->net_request.token = token;
}

static void
set_api_key(JoErrand *errand, Jsonb *auth)
{
	char	   *key = jo_request_text(errand, auth, "key");
	char	   *header = jo_request_text(errand, auth, "header");
	char	   *query = jo_request_text(errand, auth, "query");
	StringInfoData buf;

	if (key == NULL || key[0] == '\0')
		jo_request_refuse(errand, "auth.key", "is missing", NULL);
	if (query == NULL)
	{
		jo_request_add_header(errand, header == NULL ? "X-API-Key" : header, key);
		errand->net_request.headers[errand->net_request.nheaders - 1].secret = true;
		return;
	}
	if (header != NULL)
		jo_request_refuse(errand, "auth", "has both \"header\" and \"query\"", "Name the one in which the key is sent.");
	query = jo_request_utf8(errand, query, strlen(query));
	key = jo_request_utf8(errand, key, strlen(key));
	initStringInfo(&buf);
	jo_url_append_encoded(&buf, query, strlen(query), false);
	appendStringInfoChar(&buf, '=');
	jo_url_append_encoded(&buf, key, strlen(key), false);
	jo_request_set_url(errand, errand->net_request.url, buf.data);
}

/* Of which type it is, when it does not say so. */
static const char *
guess_auth_type(Jsonb *auth)
{
	JsonbValue	value;

	if (jo_request_member(auth, "token", &value))
		return "bearer";
	if (jo_request_member(auth, "key", &value))
		return "api_key";
	return jo_request_member(auth, "username", &value) ? "basic" : "none";
}

static void
read_auth(JoErrand *errand, Jsonb *request)
{
	static const char *const words[] = {"none", "basic", "digest", "bearer", "api_key", NULL};
	Jsonb	   *auth = jo_request_object(errand, request, "auth");
	const char *type;

	if (auth == NULL)
		return;
	type = jo_request_text(errand, auth, "type");
	switch (jo_words_find(type != NULL ? type : guess_auth_type(auth), words))
	{
		case 0:
			break;
		case 1:
			set_basic(errand, auth, JO_NET_AUTH_BASIC);
			break;
		case 2:
			set_basic(errand, auth, JO_NET_AUTH_DIGEST);
			break;
		case 3:
			set_bearer(errand, auth);
			break;
		case 4:
			set_api_key(errand, auth);
			break;
		default:
			jo_request_refuse(errand, "auth.type", "is no kind of login",
							  psprintf("It is one of %s.", jo_words_join(words)));
	}
}

static void
read_client_cert(JoErrand *errand, Jsonb *request)
{
	Jsonb	   *pair = jo_request_object(errand, request, "client_cert");
	JoNetRequest *net = &errand->net_request;

	if (pair == NULL)
		return;
	net->client_cert = jo_request_text(errand, pair, "cert");
	net->client_key = jo_request_text(errand, pair, "key");
	net->key_password = jo_request_text(errand, pair, "password");
	if (net->client_cert == NULL || net->client_key == NULL)
		jo_request_refuse(errand, "client_cert", "needs \"cert\" and \"key\", each as PEM text", NULL);
}

static long
read_milliseconds(JoErrand *errand, Jsonb *request, const char *key, long otherwise)
{
	int64		microseconds = jo_request_duration(errand, request, key, (int64) otherwise * 1000);

	/* what is shorter than a millisecond is not none */
	return Min((microseconds + 999) / 1000, INT_MAX);
}

static void
read_proxy(JoErrand *errand, Jsonb *request)
{
	char	   *proxy = jo_request_text(errand, request, "proxy");
	JoUrl		url;
	unsigned	scheme;

	if (proxy == NULL || proxy[0] == '\0')
		return;
	scheme = parse_url(errand, "proxy", proxy, JO_SCHEME_HTTP | JO_SCHEME_HTTPS, &url);
	(void) jo_egress_require(errand->net_request.egress, errand->role, scheme, url.host, url.port);
	errand->net_request.proxy = jo_request_utf8(errand, proxy, strlen(proxy));
}

/* Whom it leads to, by which rule, and how. */
static void
find_way(JoErrand *errand, Jsonb *request, unsigned scheme, const JoUrl *url)
{
	JoNetRequest *net = &errand->net_request;

	net->egress = jo_egress_view_for(errand->role, errand->context);
	errand->host = MemoryContextStrdup(errand->context, url->host);
	errand->port = url->port;
	errand->rule = jo_egress_require(net->egress, errand->role, scheme, url->host, url->port);
	net->insecure = !jo_request_flag(errand, request, "verify_tls", true);
	if (net->insecure)
		jo_egress_require_insecure(net->egress, errand->role, scheme, url->host, url->port);
	read_proxy(errand, request);
}

void
jo_request_common(JoErrand *errand, Jsonb *request)
{
	JoNetRequest *net = &errand->net_request;
	JoUrl		url;
	unsigned	scheme;

	scheme = parse_url(errand, "url", net->url, net->schemes, &url);
	if (url.has_user)
		jo_request_refuse(errand, "url", "has a user name in it",
						  "Say it by \"auth\": {\"type\": \"basic\", \"username\": \"...\", \"password\": \"{{ secret.name }}\"}.");
	read_auth(errand, request);
	if (scheme != JO_SCHEME_FILE)
		find_way(errand, request, scheme, &url);
	read_client_cert(errand, request);
	net->connect_timeout = read_milliseconds(errand, request, "connect_timeout", 10000);
	net->first_byte_timeout = read_milliseconds(errand, request, "first_byte_timeout", 0);
	net->idle_timeout = read_milliseconds(errand, request, "idle_timeout", 0);
	if (errand->timeout != 0)
		net->total_timeout = Min((errand->timeout + 999) / 1000, INT_MAX);
}

/* ---- what became of it ---- */

typedef struct Trouble
{
	JoNetResult result;
	int			sqlstate;
	const char *what;			/* after 'step "x" ' */
	const char *hint;			/* or NULL */
} Trouble;

static const Trouble troubles[] = {
	{JO_NET_BAD_URL, ERRCODE_JO_REQUEST, "has a URL that cannot be sent to", NULL},
	{JO_NET_DNS, ERRCODE_JO_CONNECTION, "cannot find the address of the host",
	"Check the host's name, and whether the server's machine can resolve it."},
	{JO_NET_CONNECT, ERRCODE_JO_CONNECTION, "cannot connect", NULL},
	{JO_NET_TLS, ERRCODE_JO_CONNECTION, "cannot agree on TLS",
	"Check the certificates of both sides; \"verify_tls\": false needs an egress rule that allows it."},
	{JO_NET_RESET, ERRCODE_JO_CONNECTION, "lost the connection", NULL},
	{JO_NET_TIMEOUT, ERRCODE_JO_NETWORK_TIMEOUT, "got no answer in time",
	"Raise \"timeout\" of the step (or \"connect_timeout\", \"first_byte_timeout\", \"idle_timeout\") if the other side needs longer."},
	{JO_NET_TOO_LARGE, ERRCODE_JO_RESPONSE, "got a response that is too large",
	"Raise \"max_response\" of the step if so much is expected."},
	{JO_NET_REDIRECTS, ERRCODE_JO_RESPONSE, "was redirected too often", "Raise \"redirects\" of the step, or correct its URL."},
	{JO_NET_LOGIN, ERRCODE_JO_HTTP_STATUS, "could not log in", "Check \"auth\" of the step."},
	{JO_NET_REMOTE, ERRCODE_JO_REMOTE, "was refused by the other side", NULL},
	{JO_NET_ABORTED, ERRCODE_QUERY_CANCELED, "was broken off", NULL},
	{JO_NET_MEMORY, ERRCODE_OUT_OF_MEMORY, "found no memory for the transfer", NULL}
};

/* Egress said no when the transfer was under way: a redirect, or an address. */
static void
raise_refused(const JoErrand *errand, const JoNetResponse *response)
{
	const JoEgressRule *rule;
	JoEgressVerdict verdict;
	JoUrl		url;
	unsigned	scheme;
	int			port;
	char	   *error;
	char	   *hint;

	if (response->url == NULL || !jo_url_parse(response->url, &url, &error, &hint) ||
		(scheme = jo_egress_scheme(url.scheme, &port)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_JO_EGRESS),
				 errmsg("%s may not go where it was led", jo_request_place(errand)),
				 errdetail_internal("%s", jo_secret_mask_text(&errand->secrets, response->message))));
	if (url.port != 0)
		port = url.port;
	verdict = jo_egress_check_host(errand->net_request.egress, scheme, url.host, port, &rule);
	jo_egress_refuse(verdict == JO_EGRESS_ALLOWED ? JO_EGRESS_ADDRESS : verdict, errand->role, scheme,
					 url.host, port, response->address[0] != '\0' ? response->address : NULL);
}

/* Where and when: for the DETAIL. */
static char *
describe_phase(const JoNetResponse *response)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (response->message[0] != '\0')
		appendStringInfo(&buf, "%s; ", response->message);
	if (response->url != NULL)
		appendStringInfo(&buf, "%s, ", jo_url_show(response->url));
	if (response->address[0] != '\0')
		appendStringInfo(&buf, "address %s, ", response->address);
	appendStringInfo(&buf, "after " INT64_FORMAT " ms", response->elapsed / 1000);
	if (response->received > 0)
		appendStringInfo(&buf, " and " INT64_FORMAT " bytes of the answer", response->received);
	else if (response->first_byte == 0 && response->sent > 0)
		appendStringInfo(&buf, " and " INT64_FORMAT " bytes sent", response->sent);
	appendStringInfoChar(&buf, '.');
	return buf.data;
}

void
jo_request_check_result(JoErrand *errand, const JoNetResponse *response)
{
	JoNetResult result = response->result;

	if (result == JO_NET_OK)
		return;
	if (result == JO_NET_REFUSED)
		raise_refused(errand, response);
	/* a URL that led to a connection was none too bad: what came back is no HTTP */
	if (result == JO_NET_BAD_URL && response->address[0] != '\0')
		result = JO_NET_RESET;
	for (const Trouble *trouble = troubles; trouble < troubles + lengthof(troubles); trouble++)
	{
		if (trouble->result == result)
			ereport(ERROR,
					(errcode(trouble->sqlstate),
					 errmsg("%s %s", jo_request_place(errand), trouble->what),
					 errdetail_internal("%s", jo_secret_mask_text(&errand->secrets, describe_phase(response))),
					 trouble->hint != NULL ? errhint("%s", trouble->hint) : 0));
	}
	elog(ERROR, "unknown result %d of a transfer", (int) result);
}
