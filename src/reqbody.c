/*
 * reqbody.c
 *		The body of a request: JSON, form, multipart, text, bytes, or an artifact.
 *
 * Texts go out as UTF-8, or in the charset that the step's Content-Type names.  Reads
 * artifacts with the step's role, within the transaction.
 */
#include "joborch.h"

#include "common/base64.h"
#include "jsonbuild.h"
#include "mb/pg_wchar.h"
#include "reqparts.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* Parts of a multipart body are in memory; a whole body may be an artifact of any size. */
#define MOST_PART_BYTES (16 * 1024 * 1024)
#define MOST_PARTS 200

/* Of which a request has at most one; the value of "json" may be null. */
static const char *const body_keys[] = {"body", "json", "form", "multipart", "body_base64", "artifact"};

void
jo_request_set_body(JoErrand *errand, const char *data, size_t size, const char *content_type)
{
	errand->net_request.body = data;
	errand->net_request.body_size = size;
	if (content_type != NULL && !jo_request_has_header(errand, "Content-Type"))
		jo_request_add_header(errand, "Content-Type", content_type);
}

/* ---- JSON and texts ---- */

static const char *
given_content_type(const JoErrand *errand)
{
	for (int i = 0; i < errand->net_request.nheaders; i++)
		if (pg_strcasecmp(errand->net_request.headers[i].name, "Content-Type") == 0)
			return errand->net_request.headers[i].value;
	return NULL;
}

/* In the charset that the step's own Content-Type says, if the server knows it.  Frees the text. */
static void
set_text(JoErrand *errand, char *text)
{
	const char *given = given_content_type(errand);
	JoMediaType type;
	int			encoding;
	char	   *converted;

	jo_http_media_type(given, &type);
	encoding = type.charset[0] == '\0' ? PG_UTF8 : pg_char_to_encoding(type.charset);
	if (encoding < 0 || encoding == PG_UTF8)
		converted = jo_request_utf8(errand, text, strlen(text));
	else
		converted = MemoryContextStrdup(errand->context, pg_server_to_any(text, strlen(text), encoding));
	pfree(text);
	jo_request_set_body(errand, converted, strlen(converted), "text/plain; charset=utf-8");
}

static void
set_json(JoErrand *errand, JsonbValue *value)
{
	Jsonb	   *json = jo_jsonb_from_value(value);
	char	   *text = JsonbToCString(NULL, &json->root, VARSIZE(json));
	char	   *body = jo_request_utf8(errand, text, strlen(text));

	jo_request_set_body(errand, body, strlen(body), "application/json");
	pfree(text);
	pfree(json);
}

/* ---- forms ---- */

static void
append_field(JoErrand *errand, StringInfo buf, const char *name, const JsonbValue *value)
{
	char	   *text = jo_request_scalar(value);
	char	   *utf8;

	if (text == NULL)
		jo_request_refuse(errand, "form", psprintf("has no text in \"%s\"", name),
						  "Values of a form are texts, numbers, booleans, or arrays of these.");
	if (buf->len > 0)
		appendStringInfoChar(buf, '&');
	utf8 = jo_request_utf8(errand, name, strlen(name));
	jo_url_append_encoded(buf, utf8, strlen(utf8), true);
	appendStringInfoChar(buf, '=');
	utf8 = jo_request_utf8(errand, text, strlen(text));
	jo_url_append_encoded(buf, utf8, strlen(utf8), true);
}

static void
set_form(JoErrand *errand, Jsonb *form)
{
	JsonbIterator *iterator = JsonbIteratorInit(&form->root);
	StringInfoData buf;
	JsonbValue	value;
	char	   *name;

	initStringInfo(&buf);
	while (jo_request_next_member(&iterator, &name, &value))
	{
		if (value.type == jbvNull)
			continue;
		if (value.type == jbvBinary && JsonContainerIsArray(value.val.binary.data))
			for (uint32 i = 0; i < JsonContainerSize(value.val.binary.data); i++)
				append_field(errand, &buf, name, getIthJsonbValueFromContainer(value.val.binary.data, i));
		else
			append_field(errand, &buf, name, &value);
	}
	jo_request_set_body(errand, MemoryContextStrdup(errand->context, buf.data), buf.len,
						"application/x-www-form-urlencoded");
}

/* ---- bytes ---- */

char *
jo_request_base64(JoErrand *errand, const char *key, const char *text, size_t *size)
{
	int			room = pg_b64_dec_len(strlen(text));
	char	   *bytes = MemoryContextAlloc(errand->context, room + 1);
	int			length = pg_b64_decode(text, strlen(text), bytes, room);

	if (length < 0)
		jo_request_refuse(errand, key, "is not base64", NULL);
	bytes[length] = '\0';
	*size = length;
	return bytes;
}

JoArtifactReader *
jo_request_open_artifact(JoErrand *errand, const char *key, const JsonbValue *value, int64 *id)
{
	JoArtifactReader *reader;
	JsonbValue	member;
	Jsonb	   *description;
	char	   *text = jo_request_scalar(value);
	char	   *end = NULL;

	*id = 0;
	if (value->type == jbvBinary && jo_jsonb_member(value->val.binary.data, "id", 2, &member))
		text = jo_request_scalar(&member);
	if (text == NULL || text[0] == '\0')
		jo_request_refuse(errand, key, "names no artifact",
						  "Give its id, its name, or what describes it, such as {{ steps.report.output.artifact }}.");
	if (value->type != jbvString)
	{
		*id = strtoll(text, &end, 10);
		if (*end != '\0' || *id <= 0)
			jo_request_refuse(errand, key, "has no valid id of an artifact", NULL);
	}
	reader = jo_artifact_open(*id, errand->run_id, *id == 0 ? text : NULL, errand->role);
	if (jo_artifact_is_remote(reader))
		jo_request_refuse(errand, key, "is an artifact in S3, which cannot be sent on",
						  "Store it with \"storage\": \"database\" or \"filesystem\".");
	description = jo_artifact_describe(reader);
	if (*id == 0 && jo_jsonb_member(&description->root, "id", 2, &member))
		*id = strtoll(jo_request_scalar(&member), NULL, 10);
	return reader;
}

char *
jo_request_read_artifact(JoErrand *errand, const char *key, JoArtifactReader *reader, size_t max, size_t *size)
{
	int64		length = jo_artifact_size(reader);
	char	   *content;
	size_t		part;

	if (length > (int64) max)
		jo_request_refuse(errand, key, "is an artifact that is too large to be a part",
						  psprintf("A part has up to %zu MB; as the whole body, by \"artifact\", it may have any size.",
								   max / (1024 * 1024)));
	content = MemoryContextAlloc(errand->context, length + 1);
	*size = 0;
	while (*size < (size_t) length && (part = jo_artifact_read(reader, content + *size, length - *size)) > 0)
		*size += part;
	content[*size] = '\0';
	jo_artifact_close(reader);
	return content;
}

static char *
type_of_artifact(JoArtifactReader *reader)
{
	Jsonb	   *description = jo_artifact_describe(reader);
	JsonbValue	type;

	char	   *text;

	if (!jo_jsonb_member(&description->root, "content_type", 12, &type) || type.type != jbvString)
		return "application/octet-stream";
	text = jo_request_scalar(&type);
	return jo_http_check_header("Content-Type", text) == JO_HEADER_OK ? text : "application/octet-stream";
}

/* The courier feeds it: it may be larger than memory. */
static void
set_artifact(JoErrand *errand, JsonbValue *value)
{
	JoArtifactReader *reader = jo_request_open_artifact(errand, "artifact", value, &errand->source_artifact);

	errand->net_request.upload = true;
	errand->net_request.upload_size = jo_artifact_size(reader);
	if (!jo_request_has_header(errand, "Content-Type"))
		jo_request_add_header(errand, "Content-Type", type_of_artifact(reader));
	jo_artifact_close(reader);
}

/* ---- multipart ---- */

/* A text that stands in the head of a part: one line. */
static char *
part_text(JoErrand *errand, Jsonb *part, const char *key)
{
	char	   *text = jo_request_text(errand, part, key);

	if (text == NULL)
		return NULL;
	if (jo_http_check_header("X", text) != JO_HEADER_OK)
		jo_request_refuse(errand, "multipart", psprintf("has a line break or another control character in \"%s\"", key),
						  NULL);
	return jo_request_utf8(errand, text, strlen(text));
}

static void
fill_part(JoErrand *errand, JoNetPart *part, Jsonb *source)
{
	JsonbValue	value;
	char	   *text;
	int64		id;

	part->filename = part_text(errand, source, "filename");
	part->content_type = part_text(errand, source, "content_type");
	if ((text = jo_request_text(errand, source, "content_base64")) != NULL)
		part->data = jo_request_base64(errand, "multipart.content_base64", text, &part->size);
	else if (jo_request_member(source, "artifact", &value))
	{
		JoArtifactReader *reader = jo_request_open_artifact(errand, "multipart.artifact", &value, &id);

		if (part->content_type == NULL)
			part->content_type = MemoryContextStrdup(errand->context, type_of_artifact(reader));
		part->data = jo_request_read_artifact(errand, "multipart.artifact", reader, MOST_PART_BYTES, &part->size);
	}
	else if (jo_request_member(source, "content", &value))
	{
		text = jo_jsonb_text(jo_jsonb_from_value(&value));
		part->data = jo_request_utf8(errand, text, strlen(text));
		part->size = strlen(part->data);
		if (part->content_type == NULL && value.type == jbvBinary)
			part->content_type = "application/json";
	}
	else
		jo_request_refuse(errand, "multipart", "has a part without \"content\", \"content_base64\" or \"artifact\"", NULL);
}

static void
set_multipart(JoErrand *errand, Jsonb *fields)
{
	JsonbIterator *iterator = JsonbIteratorInit(&fields->root);
	JoNetRequest *net = &errand->net_request;
	int			n = JB_ROOT_COUNT(fields);
	JsonbValue	value;
	char	   *name;
	char	   *text;

	if (n == 0 || n > MOST_PARTS)
		jo_request_refuse(errand, "multipart", psprintf("must have 1 to %d parts", MOST_PARTS), NULL);
	if (jo_request_has_header(errand, "Content-Type"))
		jo_request_refuse(errand, "headers", "may not set \"Content-Type\" of a multipart body",
						  "The library writes it with the boundary of the parts; take it out of \"headers\".");
	net->parts = MemoryContextAllocZero(errand->context, n * sizeof(JoNetPart));
	while (jo_request_next_member(&iterator, &name, &value))
	{
		JoNetPart  *part = &net->parts[net->nparts++];

		if (jo_http_check_header("X", name) != JO_HEADER_OK)
			jo_request_refuse(errand, "multipart", "has a line break or another control character in a name", NULL);
		part->name = jo_request_utf8(errand, name, strlen(name));
		if (value.type == jbvBinary && JsonContainerIsObject(value.val.binary.data))
		{
			fill_part(errand, part, jo_jsonb_from_value(&value));
			continue;
		}
		text = value.type == jbvNull ? "" : jo_jsonb_text(jo_jsonb_from_value(&value));
		part->data = jo_request_utf8(errand, text, strlen(text));
		part->size = strlen(part->data);
	}
}

/* ---- whichever it is ---- */

/* The key that gives the body, NULL: there is none. */
static const char *
find_body_key(JoErrand *errand, Jsonb *request, JsonbValue *value)
{
	const char *found = NULL;
	JsonbValue	member;

	for (size_t i = 0; i < lengthof(body_keys); i++)
	{
		const char *key = body_keys[i];

		if (!jo_jsonb_member(&request->root, key, strlen(key), &member) ||
			(member.type == jbvNull && strcmp(key, "json") != 0))
			continue;
		if (found != NULL)
			jo_request_refuse(errand, key, psprintf("and \"%s\" are both there", found), "A request has one body.");
		found = key;
		*value = member;
	}
	return found;
}

void
jo_request_body(JoErrand *errand, Jsonb *request)
{
	JsonbValue	value;
	const char *key = find_body_key(errand, request, &value);
	size_t		size;
	char	   *bytes;

	if (key == NULL)
		return;
	if (strcmp(key, "json") == 0 || (strcmp(key, "body") == 0 && value.type != jbvString))
		set_json(errand, &value);
	else if (strcmp(key, "body") == 0)
		set_text(errand, jo_request_scalar(&value));
	else if (strcmp(key, "form") == 0)
		set_form(errand, jo_request_object(errand, request, key));
	else if (strcmp(key, "multipart") == 0)
		set_multipart(errand, jo_request_object(errand, request, key));
	else if (strcmp(key, "artifact") == 0)
		set_artifact(errand, &value);
	else
	{
		bytes = jo_request_base64(errand, key, jo_request_text(errand, request, key), &size);
		jo_request_set_body(errand, bytes, size, "application/octet-stream");
	}
}
