/*
 * reqresponse.c
 *		The response of an HTTP server as the step's output.
 *
 * It comes from anybody: whatever the bytes are, they become JSON that the database can
 * keep, and none is lost.  A body is parsed if it is JSON, a text if it is one, and base64
 * otherwise.  One that was larger than the window is an artifact by now.  Touches memory and
 * artifacts.
 */
#include "joborch.h"

#include "catalog/namespace.h"
#include "common/base64.h"
#include "errors.h"
#include "guc.h"
#include "jsonbuild.h"
#include "mb/pg_wchar.h"
#include "reqparts.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/memutils.h"
#include "words.h"

/* What is nested deeper is no JSON for us: each level costs stack wherever it is read. */
#define DEEPEST_JSON 1000

/* Beyond any double.  A few bytes could stand for some hundred thousand digits. */
#define LARGEST_EXPONENT 400

/* So much of a body is told in an error. */
#define SHOWN_BODY 2048

typedef struct Body
{
	JsonbValue	value;
	const char *encoding;		/* json, text, base64, none */
} Body;

/* ---- texts of any encoding ---- */

/* The encoding that a charset means; -1: the server has none of it. */
static int
find_encoding(const char *charset)
{
	int			encoding;

	if (charset[0] == '\0' || strcmp(charset, "us-ascii") == 0 || strcmp(charset, "ascii") == 0)
		return PG_UTF8;
	encoding = pg_char_to_encoding(charset);
	return encoding == PG_SQL_ASCII ? PG_UTF8 : encoding;
}

/*
 * Bytes in the database's encoding, terminated; NULL when they are none of a text in that
 * charset, or it has characters that the database cannot keep.  Never raises for bytes.
 */
static char *
decode_text(const char *data, size_t size, const char *charset, size_t *length)
{
	int			from = find_encoding(charset);
	int			to = GetDatabaseEncoding();
	Oid			procedure;
	char	   *text;

	if (from < 0 || memchr(data, '\0', size) != NULL || !pg_verify_mbstr(from, data, size, true))
		return NULL;
	*length = size;
	if (from == to || to == PG_SQL_ASCII)
		return pnstrdup(data, size);
	procedure = FindDefaultConversionProc(from, to);
	if (!OidIsValid(procedure) || size > MaxAllocSize / MAX_CONVERSION_GROWTH - 1)
		return NULL;
	text = palloc(size * MAX_CONVERSION_GROWTH + 1);
	if (pg_do_encoding_conversion_buf(procedure, from, to, (unsigned char *) unconstify(char *, data), size,
									  (unsigned char *) text, size * MAX_CONVERSION_GROWTH + 1, true) < (int) size)
	{
		pfree(text);
		return NULL;
	}
	*length = strlen(text);
	return text;
}

/* ---- headers ---- */

typedef struct Header
{
	JoHeaderLine line;
	char	   *name;			/* lower case */
	int			place;
} Header;

static int
compare_headers(const void *a, const void *b)
{
	const Header *x = a;
	const Header *y = b;
	int			order = strcmp(x->name, y->name);

	return order != 0 ? order : x->place - y->place;
}

/* A header's bytes are in no encoding that anybody says: UTF-8, or Latin-1, or escaped. */
static char *
header_text(const JoHeaderLine *line)
{
	size_t		length;
	char	   *text = decode_text(line->value, line->value_length, "", &length);
	StringInfoData buf;

	if (text == NULL)
		text = decode_text(line->value, line->value_length, "latin1", &length);
	if (text != NULL)
		return text;
	initStringInfo(&buf);
	for (size_t i = 0; i < line->value_length; i++)
	{
		unsigned char c = line->value[i];

		if (c == '\0' || c >= 0x80)
			appendStringInfo(&buf, "\\x%02x", c);
		else
			appendStringInfoChar(&buf, c);
	}
	return buf.data;
}

static Header *
read_headers(const JoNetResponse *response, int *n)
{
	const char *cursor = response->headers;
	size_t		left = response->headers_size;
	int			capacity = 16;
	Header	   *headers = palloc(capacity * sizeof(Header));
	JoHeaderLine line;

	*n = 0;
	while (jo_http_next_header(&cursor, &left, &line))
	{
		if (*n == capacity)
			headers = repalloc(headers, (capacity *= 2) * sizeof(Header));
		headers[*n].line = line;
		headers[*n].name = asc_tolower(line.name, line.name_length);
		headers[*n].place = *n;
		(*n)++;
	}
	qsort(headers, *n, sizeof(Header), compare_headers);
	return headers;
}

/* {name: value}, or {name: [values]} of one that came more than once. */
static void
add_headers(JsonbParseState **state, const JoNetResponse *response)
{
	int			n;
	Header	   *headers = read_headers(response, &n);
	JsonbValue	value;

	jo_jsonb_string_value(&value, "headers");
	pushJsonbValue(state, WJB_KEY, &value);
	pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < n;)
	{
		int			next = i + 1;

		while (next < n && strcmp(headers[next].name, headers[i].name) == 0)
			next++;
		jo_jsonb_string_value(&value, headers[i].name);
		pushJsonbValue(state, WJB_KEY, &value);
		if (next > i + 1)
			pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
		for (int j = i; j < next; j++)
		{
			jo_jsonb_string_value(&value, header_text(&headers[j].line));
			pushJsonbValue(state, next > i + 1 ? WJB_ELEM : WJB_VALUE, &value);
		}
		if (next > i + 1)
			pushJsonbValue(state, WJB_END_ARRAY, NULL);
		i = next;
	}
	pushJsonbValue(state, WJB_END_OBJECT, NULL);
}

/* ---- the body ---- */

/* At the e of a number: is it one of some hundred digits, of which each reader would print all? */
static bool
is_huge_exponent(const char *p)
{
	int			exponent = 0;

	for (p += p[1] == '+' || p[1] == '-' ? 2 : 1; *p >= '0' && *p <= '9' && exponent <= LARGEST_EXPONENT; p++)
		exponent = exponent * 10 + (*p - '0');
	return exponent > LARGEST_EXPONENT;
}

/* What makes JSON a burden on whoever reads it; NULL: nothing.  Of a text that is no JSON, anything. */
static const char *
find_burden(const char *json)
{
	int			depth = 0;
	bool		quoted = false;

	for (const char *p = json; *p != '\0'; p++)
	{
		if (quoted && *p == '\\' && p[1] != '\0')
			p++;
		else if (*p == '"')
			quoted = !quoted;
		else if (quoted)
			continue;
		else if ((*p == '{' || *p == '[') && ++depth > DEEPEST_JSON)
			return psprintf("It is nested deeper than %d levels.", DEEPEST_JSON);
		else if (*p == '}' || *p == ']')
			depth--;
		else if ((*p == 'e' || *p == 'E') && p > json && p[-1] >= '0' && p[-1] <= '9' && is_huge_exponent(p))
			return psprintf("It has a number beyond 1e%d.", LARGEST_EXPONENT);
	}
	return NULL;
}

/*
 * NULL and *problem when the server cannot keep it.  jsonb's input raises; it only
 * allocates and reads caches, so what it says of the data may be caught without a
 * sub-transaction, and everything else goes on.
 */
static Jsonb *
parse_json(const char *text, const char **problem)
{
	const char *burden;
	MemoryContext context = CurrentMemoryContext;
	Jsonb	   *volatile json = NULL;

	if ((burden = find_burden(text)) != NULL)
	{
		*problem = burden;
		return NULL;
	}
	PG_TRY();
	{
		json = jo_jsonb_from_text(text);
	}
	PG_CATCH();
	{
		ErrorData  *error;
		int			category;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		category = ERRCODE_TO_CATEGORY(error->sqlerrcode);
		if (category != ERRCODE_DATA_EXCEPTION && category != ERRCODE_PROGRAM_LIMIT_EXCEEDED &&
			error->sqlerrcode != ERRCODE_FEATURE_NOT_SUPPORTED) /* of \u in a database without an encoding */
			PG_RE_THROW();
		FlushErrorState();
		*problem = error->detail != NULL ? error->detail : error->message;
	}
	PG_END_TRY();
	return json;
}

static void
take_base64(const char *data, size_t size, Body *body)
{
	int			room = pg_b64_enc_len(size);
	char	   *text = palloc(room + 1);

	body->value.type = jbvString;
	body->value.val.string.len = Max(pg_b64_encode(data, size, text, room), 0);
	body->value.val.string.val = text;
	body->encoding = "base64";
}

static void
raise_no_json(const JoErrand *errand, const JoNetResponse *response, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_RESPONSE),
			 errmsg("%s got a response that is no JSON which the database can keep", jo_request_place(errand)),
			 errdetail_internal("%s  %s", jo_secret_mask_text(&errand->secrets, problem),
								jo_response_describe(errand, response)),
			 errhint("With \"response\": \"auto\" it would be kept as a text or as base64.")));
}

/* A byte order mark is no part of JSON. */
static const char *
skip_mark(const char *text)
{
	return strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text;
}

static void
read_body(const JoErrand *errand, const JoNetResponse *response, JoResponseForm form, Body *body)
{
	const char *problem = "Its bytes are no text of the charset that it says.";
	JoMediaType type;
	size_t		length;
	char	   *text = NULL;
	Jsonb	   *json = NULL;

	body->value.type = jbvNull;
	body->encoding = "none";
	if (form == JO_RESPONSE_NONE || (response->body_size == 0 && form != JO_RESPONSE_JSON) ||
		errand->net_request.no_body || response->status == 204 || response->status == 304)
		return;
	jo_http_media_type(response->content_type, &type);
	if (form != JO_RESPONSE_BASE64 &&
		(form != JO_RESPONSE_AUTO || type.text || type.type[0] == '\0'))
		text = decode_text(response->body, response->body_size, type.charset, &length);
	if (text != NULL && (form == JO_RESPONSE_JSON || (form == JO_RESPONSE_AUTO && type.json)))
		json = parse_json(skip_mark(text), &problem);
	if (json != NULL)
	{
		jo_jsonb_to_value(json, &body->value);
		body->encoding = "json";
	}
	else if (form == JO_RESPONSE_JSON)
		raise_no_json(errand, response, problem);
	else if (text != NULL)
	{
		body->value.type = jbvString;
		body->value.val.string.val = text;
		body->value.val.string.len = length;
		body->encoding = "text";
	}
	else
		take_base64(response->body, response->body_size, body);
}

void
jo_response_body(const JoErrand *errand, const JoNetResponse *response, JoResponseForm form,
				 JsonbValue *value, const char **encoding)
{
	Body		body;

	read_body(errand, response, form, &body);
	*value = body.value;
	*encoding = body.encoding;
}

/* ---- the output ---- */

static Jsonb *
build_output(const JoNetResponse *response, Body *body, Jsonb *artifact)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_int(&state, "status", response->status);
	add_headers(&state, response);
	jo_jsonb_add(&state, "body", &body->value);
	jo_jsonb_add_string(&state, "encoding", body->encoding);
	jo_jsonb_add_int(&state, "size", response->received);
	jo_jsonb_add_int(&state, "elapsed_ms", response->elapsed / 1000);
	jo_jsonb_add_string(&state, "url", response->url);
	if (artifact != NULL)
	{
		jo_jsonb_add_jsonb(&state, "artifact", artifact);
		jo_jsonb_add_bool(&state, "truncated", false);
	}
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static Jsonb *
store_body(const JoErrand *errand, const JoNetResponse *response)
{
	JoArtifactSpec spec = {
		.run_id = errand->run_id,.step = errand->step,.item = errand->item,.owner = errand->role,
		.step_name = errand->step_name,.name = errand->step_name,.type = "response",
		.content_type = response->content_type
	};

	return jo_artifact_store(&spec, response->body, response->body_size);
}

/* The last bytes are in the window still. */
Jsonb *
jo_response_finish_spool(const JoErrand *errand, const JoNetResponse *response)
{
	if (errand->spooled != NULL)
		return errand->spooled;
	jo_artifact_write(errand->spool, response->body, response->body_size);
	return jo_artifact_finish(errand->spool);
}

Jsonb *
jo_response_output(JoErrand *errand, JoTry *try, const JoNetResponse *response, JoResponseForm form)
{
	Body		body = {.value.type = jbvNull,.encoding = "none"};
	Jsonb	   *output;

	if (errand->spool != NULL)
		return build_output(response, &body, jo_response_finish_spool(errand, response));
	read_body(errand, response, form, &body);
	output = build_output(response, &body, NULL);
	/* as JSON it may be larger than its bytes; what a step's own "output" makes of it is looked at then */
	if (VARSIZE(output) <= (Size) jo_guc_max_inline_result * 1024 || try->step->output != NULL ||
		response->body_size == 0)
		return output;
	body.value.type = jbvNull;
	body.encoding = "none";
	return build_output(response, &body, store_body(errand, response));
}

/* ---- errors ---- */

static void
append_body(StringInfo buf, const JoErrand *errand, const JoNetResponse *response)
{
	size_t		size = Min(response->body_size, 4 * SHOWN_BODY);
	JoMediaType type;
	size_t		length;
	char	   *text = NULL;

	if (response->received == 0)
		return;
	jo_http_media_type(response->content_type, &type);
	/* the cut may be within a character */
	for (int i = 0; i < 4 && text == NULL && size > 0; i++, size--)
		text = decode_text(response->body, size, type.charset, &length);
	if (text == NULL || errand->spool != NULL)
	{
		appendStringInfo(buf, "; a body of " INT64_FORMAT " bytes", response->received);
		return;
	}
	/* masked before it is cut: half a secret would not be found */
	text = jo_secret_mask_text(&errand->secrets, text);
	length = pg_mbcliplen(text, strlen(text), SHOWN_BODY);
	appendStringInfo(buf, "; body: %.*s%s", (int) length, text, text[length] != '\0' ||
					 response->body_size > size + 1 ? "..." : "");
}

char *
jo_response_describe(const JoErrand *errand, const JoNetResponse *response)
{
	static const char *const shown[] = {
		"Content-Type", "Retry-After", "Location", "WWW-Authenticate", "X-Request-Id", "X-Correlation-Id", NULL
	};
	JoHeaderLine line;
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfo(&buf, "%s answered %d after " INT64_FORMAT " ms", jo_url_show(response->url != NULL ? response->url : errand->net_request.url), response->status,
					 response->elapsed / 1000);
	for (const char *const *name = shown; *name != NULL; name++)
		if (jo_http_find_header(response->headers, response->headers_size, *name, &line))
			appendStringInfo(&buf, "; %s: %s", *name, jo_words_show(header_text(&line)));
	append_body(&buf, errand, response);
	appendStringInfoChar(&buf, '.');
	return jo_secret_mask_text(&errand->secrets, buf.data);
}
