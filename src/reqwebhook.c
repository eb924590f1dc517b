/*
 * reqwebhook.c
 *		Webhooks: a signed JSON message by HTTP.
 *
 * The body is written with the keys of each object in the order of their characters, no
 * character beyond ASCII, and blanks after colons and commas: the text that Python's
 * json.dumps(payload, sort_keys=True) gives, so that receivers who build it again
 * come to the same signature.  Signed are these bytes, by the server's own HMAC.
 * Touches memory only.
 */
#include "joborch.h"

#include "clock.h"
#include "common/base64.h"
#include "common/hmac.h"
#include "common/sha2.h"
#include "errors.h"
#include "jsonbuild.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "reqparts.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* Secrets of the Standard Webhooks begin with it; the key is the base64 behind. */
#define SECRET_PREFIX "whsec_"

/* ---- JSON with sorted keys ---- */

typedef struct Member
{
	char	   *name;			/* UTF-8 */
	JsonbValue	value;
} Member;

static void append_value(const JoErrand *errand, StringInfo buf, JsonbValue *value);

static int
compare_members(const void *a, const void *b)
{
	/* of UTF-8 the bytes have the order of the characters */
	return strcmp(((const Member *) a)->name, ((const Member *) b)->name);
}

static void
append_unit(StringInfo buf, unsigned unit)
{
	appendStringInfo(buf, "\\u%04x", unit);
}

/* At a character beyond ASCII; returns how long it is. */
static int
append_wide(StringInfo buf, const char *p)
{
	pg_wchar	c = utf8_to_unicode((const unsigned char *) p);

	if (c >= 0x10000)
	{
		append_unit(buf, 0xD800 + ((c - 0x10000) >> 10));
		append_unit(buf, 0xDC00 + ((c - 0x10000) & 0x3FF));
	}
	else
		append_unit(buf, c);
	return pg_utf_mblen((const unsigned char *) p);
}

static void
append_string(StringInfo buf, const char *utf8)
{
	static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	const char *p = utf8;

	appendStringInfoChar(buf, '"');
	while (*p != '\0')
	{
		const char *name = NULL;

		if ((unsigned char) *p >= 0x80)
		{
			p += append_wide(buf, p);
			continue;
		}
		for (const char *pair = named; *pair != '\0' && name == NULL; pair += 2)
			if (*pair == *p)
				name = pair + 1;
		if (name != NULL)
			appendStringInfo(buf, "\\%c", *name);
		else if ((unsigned char) *p < 0x20 || *p == 0x7f)
			append_unit(buf, *p);
		else
			appendStringInfoChar(buf, *p);
		p++;
	}
	appendStringInfoChar(buf, '"');
}

static void
append_object(const JoErrand *errand, StringInfo buf, JsonbContainer *container)
{
	JsonbIterator *iterator = JsonbIteratorInit(container);
	int			n = JsonContainerSize(container);
	Member	   *members = palloc(Max(n, 1) * sizeof(Member));
	char	   *name;

	for (int i = 0; i < n && jo_request_next_member(&iterator, &name, &members[i].value); i++)
		members[i].name = jo_request_utf8(errand, name, strlen(name));
	qsort(members, n, sizeof(Member), compare_members);
	appendStringInfoChar(buf, '{');
	for (int i = 0; i < n; i++)
	{
		if (i > 0)
			appendStringInfoString(buf, ", ");
		append_string(buf, members[i].name);
		pfree(members[i].name);
		appendStringInfoString(buf, ": ");
		append_value(errand, buf, &members[i].value);
	}
	appendStringInfoChar(buf, '}');
}

static void
append_array(const JoErrand *errand, StringInfo buf, JsonbContainer *container)
{
	JsonbIterator *iterator = JsonbIteratorInit(container);
	JsonbValue	value;
	bool		first = true;

	(void) JsonbIteratorNext(&iterator, &value, true);
	appendStringInfoChar(buf, '[');
	while (JsonbIteratorNext(&iterator, &value, true) == WJB_ELEM)
	{
		if (!first)
			appendStringInfoString(buf, ", ");
		first = false;
		append_value(errand, buf, &value);
	}
	appendStringInfoChar(buf, ']');
}

static void
append_value(const JoErrand *errand, StringInfo buf, JsonbValue *value)
{
	char	   *text;

	check_stack_depth();
	switch (value->type)
	{
		case jbvNull:
			appendStringInfoString(buf, "null");
			break;
		case jbvBool:
			appendStringInfoString(buf, value->val.boolean ? "true" : "false");
			break;
		case jbvNumeric:
			text = DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
			appendStringInfoString(buf, text);
			break;
		case jbvString:
			text = jo_request_utf8(errand, value->val.string.val, value->val.string.len);
			append_string(buf, text);
			pfree(text);
			break;
		case jbvBinary:
			if (JsonContainerIsObject(value->val.binary.data))
				append_object(errand, buf, value->val.binary.data);
			else
				append_array(errand, buf, value->val.binary.data);
			break;
		default:
			elog(ERROR, "unexpected type %d of a JSON value", (int) value->type);
	}
}

/* ---- signatures ---- */

typedef struct Piece
{
	const void *data;
	size_t		size;
} Piece;

static void
sign(const char *key, size_t key_size, const Piece *pieces, int n, uint8 *digest)
{
	pg_hmac_ctx *hmac = pg_hmac_create(PG_SHA256);
	bool		good = hmac != NULL && pg_hmac_init(hmac, (const uint8 *) key, key_size) == 0;

	for (int i = 0; good && i < n; i++)
		good = pg_hmac_update(hmac, pieces[i].data, pieces[i].size) == 0;
	good = good && pg_hmac_final(hmac, digest, PG_SHA256_DIGEST_LENGTH) == 0;
	pg_hmac_free(hmac);
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not compute the signature of a webhook")));
}

static void
add_plain_signatures(JoErrand *errand, const char *secret)
{
	JoNetRequest *net = &errand->net_request;
	Piece		body = {net->body, net->body_size};
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char		hex[PG_SHA256_DIGEST_STRING_LENGTH];

	sign(secret, strlen(secret), &body, 1, digest);
	hex_encode((const char *) digest, sizeof(digest), hex);
	hex[2 * sizeof(digest)] = '\0';
	jo_request_add_header(errand, "X-Webhook-Signature", hex);
	jo_request_add_header(errand, "X-Hub-Signature-256", psprintf("sha256=%s", hex));
}

/* v1,<base64> over id.timestamp.body */
static void
add_standard_signature(JoErrand *errand, const char *secret, const char *id, const char *timestamp)
{
	JoNetRequest *net = &errand->net_request;
	Piece		pieces[] = {
		{id, strlen(id)}, {".", 1}, {timestamp, strlen(timestamp)}, {".", 1}, {net->body, net->body_size}
	};
	uint8		digest[PG_SHA256_DIGEST_LENGTH];
	char		text[64];
	const char *key = secret;
	size_t		key_size = strlen(secret);
	int			length;

	if (strncmp(secret, SECRET_PREFIX, strlen(SECRET_PREFIX)) == 0)
		key = jo_request_base64(errand, "secret", secret + strlen(SECRET_PREFIX), &key_size);
	sign(key, key_size, pieces, lengthof(pieces), digest);
	length = pg_b64_encode((const char *) digest, sizeof(digest), text, sizeof(text) - 1);
	text[length] = '\0';
	jo_request_add_header(errand, "webhook-signature", psprintf("v1,%s", text));
}

static void
add_signatures(JoErrand *errand, Jsonb *request, const char *id)
{
	char	   *secret = jo_request_text(errand, request, "secret");
	char	   *timestamp = psprintf(INT64_FORMAT, (int64) timestamptz_to_time_t(jo_clock_now()));

	/* the id stays the same at every attempt, the time is that of the attempt */
	jo_request_add_header(errand, "webhook-id", id);
	jo_request_add_header(errand, "webhook-timestamp", timestamp);
	if (secret == NULL)
		return;
	if (secret[0] == '\0')
		jo_request_refuse(errand, "secret", "is empty", "Leave the key out for a webhook without signatures.");
	secret = jo_request_utf8(errand, secret, strlen(secret));
	add_plain_signatures(errand, secret);
	add_standard_signature(errand, secret, id, timestamp);
}

static void
set_payload(JoErrand *errand, Jsonb *request)
{
	MemoryContext old = MemoryContextSwitchTo(errand->context);
	StringInfoData buf;
	JsonbValue	value;

	initStringInfo(&buf);
	if (jo_jsonb_member(&request->root, "payload", 7, &value))
		append_value(errand, &buf, &value);
	else
		appendStringInfoString(&buf, "{}");
	MemoryContextSwitchTo(old);
	jo_request_set_body(errand, buf.data, buf.len, "application/json");
}

void
jo_webhook_begin(JoErrand *errand, JoTry *try, Jsonb *request)
{
	JoNetRequest *net = &errand->net_request;
	char	   *event = jo_request_text(errand, request, "event");
	const char *key = jo_http_idempotency_key(errand, request);

	jo_http_begin_target(errand, request);
	if (net->method == NULL)
		net->method = "POST";
	if (jo_http_is_safe(net->method))
		jo_request_refuse(errand, "method", "is one that sends no message", "A webhook is sent by POST, or PUT or PATCH.");
	set_payload(errand, request);
	if (event != NULL)
		jo_request_add_header(errand, "X-Webhook-Event", event);
	add_signatures(errand, request, key != NULL ? key : errand->idempotency_key);
	jo_http_begin_common(errand, try, request, key);
}
