/*
 * nettest.c
 *		The libcurl client from SQL, without the courier: only in test builds.
 *
 * Each session has a client of its own, so connections stay from call to call.  What
 * requests may reach is said by the call: no table is read.
 */
#ifdef JOBORCH_TEST

#include "joborch.h"

#include <sys/resource.h>

#include "fmgr.h"
#include "funcapi.h"
#include "json.h"
#include "miscadmin.h"
#include "net.h"
#include "postmaster/postmaster.h"
#include "storage/latch.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(joborch_debug_fetch);
PG_FUNCTION_INFO_V1(joborch_debug_fetch_load);

#define SHOWN_BYTES 4000
#define FEED_BYTES 5000

static const char *const result_words[] = {"ok", "bad_url", "refused", "dns", "connect", "tls", "reset", "timeout",
"too_large", "redirects", "login", "remote", "aborted", "memory"};

static const char *const auth_words[] = {"none", "basic", "digest", "bearer", "aws_sigv4", NULL};
static const char *const starttls_words[] = {"required", "opportunistic", "none", NULL};

static JoNetClient *client = NULL;

/* One request and what was collected of it. */
typedef struct Fetch
{
	JoNetRequest request;
	StringInfoData body;
	int			abort_after;	/* bytes of the body; -1: never */
	const char *upload;
	size_t		upload_left;
	int			times_full;
	int			times_hungry;
	bool		closed;
	JoNetTransfer *transfer;
} Fetch;

/* ---- reading what is asked ---- */

static const char *
get_text(const cJSON *object, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsString(item) ? item->valuestring : NULL;
}

static int64
get_number(const cJSON *object, const char *key, int64 otherwise)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsNumber(item) ? (int64) item->valuedouble : otherwise;
}

static bool
get_flag(const cJSON *object, const char *key)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(object, key));
}

static int
get_word(const cJSON *object, const char *key, const char *const *words)
{
	const char *text = get_text(object, key);

	for (int i = 0; text != NULL && words[i] != NULL; i++)
	{
		if (strcmp(words[i], text) == 0)
			return i;
	}
	return 0;
}

static JoEgressRule *
read_rule(const cJSON *json)
{
	JoEgressRule *rule = palloc0(sizeof(JoEgressRule));
	const cJSON *ranges = cJSON_GetObjectItemCaseSensitive(json, "ranges");
	const cJSON *item;
	char	   *error;
	char	   *hint;

	if (!jo_egress_parse_host(get_text(json, "host"), &rule->host, &error, &hint))
		elog(ERROR, "%s", error);
	rule->deny = get_flag(json, "deny");
	rule->insecure = get_flag(json, "insecure");
	rule->port_low = (int) get_number(json, "port", 0);
	rule->port_high = (int) get_number(json, "port_high", rule->port_low);
	rule->ranges = palloc0((cJSON_GetArraySize(ranges) + 1) * sizeof(JoEgressRange));
	cJSON_ArrayForEach(item, ranges)
	{
		if (!jo_egress_parse_range(item->valuestring, &rule->ranges[rule->nranges++], &error, &hint))
			elog(ERROR, "%s", error);
	}
	return rule;
}

static const char this_machine[] = "[{\"host\": \"*\", \"port\": 1, \"port_high\": 65535, \"ranges\": [\"127.0.0.0/8\"]}]";

/* Without "rules": all of this machine. */
static JoEgressView *
read_view(const cJSON *json)
{
	const cJSON *rules = cJSON_GetObjectItemCaseSensitive(json, "rules");
	cJSON	   *usual = NULL;
	JoEgressView *view = palloc0(sizeof(JoEgressView));
	const cJSON *item;
	char	   *error;

	if (rules == NULL)
		rules = usual = jo_json_parse(this_machine, strlen(this_machine), &error);
	view->rules = palloc0((cJSON_GetArraySize(rules) + 1) * sizeof(JoEgressRule *));
	cJSON_ArrayForEach(item, rules)
		view->rules[view->nrules++] = read_rule(item);
	jo_json_free(usual);
	view->own_port = PostPortNumber;
	return view;
}

static void
read_lists(JoNetRequest *request, const cJSON *json)
{
	const cJSON *headers = cJSON_GetObjectItemCaseSensitive(json, "headers");
	const cJSON *parts = cJSON_GetObjectItemCaseSensitive(json, "parts");
	const cJSON *recipients = cJSON_GetObjectItemCaseSensitive(json, "recipients");
	const char *secret = get_text(json, "secret_header");
	const cJSON *item;

	request->headers = palloc0((cJSON_GetArraySize(headers) + 1) * sizeof(JoNetHeader));
	cJSON_ArrayForEach(item, headers)
		request->headers[request->nheaders++] = (JoNetHeader) {item->string, item->valuestring,
		secret && strcmp(item->string, secret) == 0};
	request->parts = palloc0((cJSON_GetArraySize(parts) + 1) * sizeof(JoNetPart));
	cJSON_ArrayForEach(item, parts)
	{
		JoNetPart  *part = &request->parts[request->nparts++];

		part->name = get_text(item, "name");
		part->filename = get_text(item, "filename");
		part->content_type = get_text(item, "content_type");
		part->encoder = get_text(item, "encoder");
		part->data = get_text(item, "data");
		part->size = part->data ? strlen(part->data) : 0;
		part->alternative = get_flag(item, "alternative");
	}
	request->recipients = palloc0((cJSON_GetArraySize(recipients) + 1) * sizeof(char *));
	cJSON_ArrayForEach(item, recipients)
		request->recipients[request->nrecipients++] = item->valuestring;
}

static void
read_limits(JoNetRequest *request, const cJSON *json)
{
	request->max_redirects = (int) get_number(json, "redirects", 0);
	request->connect_timeout = (long) get_number(json, "connect_timeout", 0);
	request->first_byte_timeout = (long) get_number(json, "first_byte_timeout", 0);
	request->idle_timeout = (long) get_number(json, "idle_timeout", 0);
	request->total_timeout = (long) get_number(json, "total_timeout", 30000);
	request->max_response = get_number(json, "max_response", 1024 * 1024);
	request->window = (size_t) get_number(json, "window", 0);
	request->http_version = (int) get_number(json, "http_version", 0);
	request->resume_from = get_number(json, "resume_from", 0);
}

static void
read_fetch(Fetch *fetch, const cJSON *json)
{
	JoNetRequest *request = &fetch->request;

	memset(fetch, 0, sizeof(Fetch));
	initStringInfo(&fetch->body);
	fetch->abort_after = (int) get_number(json, "abort_after", -1);
	request->url = get_text(json, "url");
	request->schemes = (unsigned) get_number(json, "schemes", 0xff);
	request->method = get_text(json, "method");
	request->body = get_text(json, "body");
	request->body_size = request->body ? strlen(request->body) : 0;
	fetch->upload = get_text(json, "upload");
	fetch->upload_left = fetch->upload ? strlen(fetch->upload) : 0;
	request->upload = fetch->upload != NULL;
	request->upload_size = get_flag(json, "upload_known") ? (int64) fetch->upload_left : -1;
	request->create_dirs = get_flag(json, "create_dirs");
	request->no_body = get_flag(json, "no_body");
	request->auth = get_word(json, "auth", auth_words);
	request->user = get_text(json, "user");
	request->password = get_text(json, "password");
	request->token = get_text(json, "token");
	request->realm = get_text(json, "realm");
	request->mail_from = get_text(json, "mail_from");
	request->starttls = get_word(json, "starttls", starttls_words);
	request->insecure = get_flag(json, "insecure");
	request->ca = get_text(json, "ca");
	request->client_cert = get_text(json, "client_cert");
	request->client_key = get_text(json, "client_key");
	request->key_password = get_text(json, "key_password");
	request->known_host = get_text(json, "known_host");
	request->proxy = get_text(json, "proxy");
	request->egress = read_view(json);
	read_lists(request, json);
	read_limits(request, json);
}

/* ---- carrying out ---- */

static void
serve_full(Fetch *fetch)
{
	const JoNetResponse *response = jo_net_response(fetch->transfer);

	fetch->times_full++;
	appendBinaryStringInfo(&fetch->body, response->body, (int) response->body_size);
	if (fetch->abort_after >= 0 && fetch->body.len >= fetch->abort_after)
		jo_net_abort(fetch->transfer);
	else
		jo_net_resume(fetch->transfer);
}

static void
serve_hungry(Fetch *fetch)
{
	size_t		size = Min(fetch->upload_left, FEED_BYTES);

	fetch->times_hungry++;
	jo_net_feed(fetch->transfer, fetch->upload, size, size == fetch->upload_left);
	fetch->upload += size;
	fetch->upload_left -= size;
}

static void
pass_interrupts(void)
{
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static int
serve(int left)
{
	JoNetTransfer *transfer;

	jo_net_run(client, 10000);
	while ((transfer = jo_net_next_full(client)) != NULL)
		serve_full(jo_net_owner(transfer));
	while ((transfer = jo_net_next_hungry(client)) != NULL)
		serve_hungry(jo_net_owner(transfer));
	while ((transfer = jo_net_next_done(client)) != NULL)
		left--;
	pass_interrupts();
	return left;
}

static Datum
shown(const char *data, size_t size)
{
	text	   *result = cstring_to_text_with_len(data ? data : "", (int) Min(size, SHOWN_BYTES));
	char	   *bytes = VARDATA(result);

	for (size_t i = 0; i < VARSIZE_ANY_EXHDR(result); i++)
	{
		if ((unsigned char) bytes[i] > 0x7e || bytes[i] == '\0')
			bytes[i] = '?';
	}
	return PointerGetDatum(result);
}

static Datum
text_or_empty(const char *value)
{
	return CStringGetTextDatum(value ? value : "");
}

static void
put_result(ReturnSetInfo *into, int n, Fetch *fetch)
{
	const JoNetResponse *response = jo_net_response(fetch->transfer);
	Datum		values[16];
	bool		nulls[16] = {0};
	int			i = 0;

	appendBinaryStringInfo(&fetch->body, response->body ? response->body : "", (int) response->body_size);
	values[i++] = Int32GetDatum(n);
	values[i++] = CStringGetTextDatum(result_words[response->result]);
	values[i++] = Int32GetDatum(response->status);
	values[i++] = CStringGetTextDatum(response->message);
	values[i++] = shown(fetch->body.data, fetch->body.len);
	values[i++] = shown(response->headers, response->headers_size);
	values[i++] = text_or_empty(response->url);
	values[i++] = CStringGetTextDatum(response->address);
	values[i++] = Int32GetDatum(response->nredirects);
	values[i++] = Int64GetDatum(response->received);
	values[i++] = Int64GetDatum(response->sent);
	values[i++] = BoolGetDatum(response->connected == 0);
	values[i++] = Int32GetDatum(fetch->times_full);
	values[i++] = Int32GetDatum(fetch->times_hungry);
	values[i++] = Float8GetDatum(response->elapsed / 1000.0);
	values[i++] = CStringGetTextDatum(response->refused_host);
	tuplestore_putvalues(into->setResult, into->setDesc, values, nulls);
	jo_net_close(fetch->transfer);
}

/* Also after an error: what was open belongs to a call that is gone. */
static void
renew_client(bool anew)
{
	if (client != NULL && (anew || jo_net_open_count(client) > 0))
	{
		jo_net_destroy(client);
		client = NULL;
	}
	if (client == NULL)
		client = jo_net_create(1200);
}

/* Array of requests, connections per host, connections in all, begin without kept connections -> rows */
Datum
joborch_debug_fetch(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *into = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *text = JsonbToCString(NULL, &PG_GETARG_JSONB_P(0)->root, 0);
	char	   *error;
	cJSON	   *json = jo_json_parse(text, strlen(text), &error);
	int			n = cJSON_GetArraySize(json);
	Fetch	   *fetches = palloc0((n + 1) * sizeof(Fetch));
	int			left = n;

	InitMaterializedSRF(fcinfo, 0);
	renew_client(PG_GETARG_BOOL(3));
	jo_net_set_limits(client, PG_GETARG_INT32(1), PG_GETARG_INT32(2));
	for (int i = 0; i < n; i++)
	{
		read_fetch(&fetches[i], cJSON_GetArrayItem(json, i));
		jo_net_set_ca_file(client, get_text(cJSON_GetArrayItem(json, i), "ca_file"));
		fetches[i].transfer = jo_net_open(client, &fetches[i].request, &fetches[i]);
		if (fetches[i].abort_after == 0)
			jo_net_abort(fetches[i].transfer);
	}
	while (left > 0)
		left = serve(left);
	for (int i = 0; i < n; i++)
		put_result(into, i + 1, &fetches[i]);
	jo_json_free(json);
	PG_RETURN_NULL();
}

static double
cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int64
largest_memory(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/* Request, how many times, how many at a time -> one row of figures */
Datum
joborch_debug_fetch_load(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *into = (ReturnSetInfo *) fcinfo->resultinfo;
	char	   *text = JsonbToCString(NULL, &PG_GETARG_JSONB_P(0)->root, 0);
	int			count = PG_GETARG_INT32(1);
	int			concurrency = PG_GETARG_INT32(2);
	int			opened = 0;
	int			done = 0;
	int			good = 0;
	char	   *error;
	cJSON	   *json = jo_json_parse(text, strlen(text), &error);
	Fetch		fetch;
	TimestampTz start;
	double		cpu;
	Datum		values[5];
	bool		nulls[5] = {0};

	InitMaterializedSRF(fcinfo, 0);
	renew_client(true);
	read_fetch(&fetch, json);
	start = GetCurrentTimestamp();
	cpu = cpu_seconds();
	while (done < count)
	{
		JoNetTransfer *transfer;

		while (opened < count && opened - done < concurrency)
		{
			jo_net_open(client, &fetch.request, &fetch);
			opened++;
		}
		jo_net_run(client, 10000);
		while ((transfer = jo_net_next_done(client)) != NULL)
		{
			good += jo_net_response(transfer)->result == JO_NET_OK;
			done++;
			jo_net_close(transfer);
		}
		pass_interrupts();
	}
	values[0] = Float8GetDatum((GetCurrentTimestamp() - start) / 1e6);
	values[1] = Float8GetDatum(cpu_seconds() - cpu);
	values[2] = Int32GetDatum(good);
	values[3] = Int32GetDatum(done - good);
	values[4] = Int64GetDatum(largest_memory());
	tuplestore_putvalues(into->setResult, into->setDesc, values, nulls);
	jo_json_free(json);
	PG_RETURN_NULL();
}

#endif
