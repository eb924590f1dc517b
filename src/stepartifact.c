/*
 * stepartifact.c
 *		Steps of type artifact that make one or delete one.
 *
 * Both happen in the step's transaction, so exactly once.  ("get" may have to go to S3: a
 * step of the network, see reqartifact.c.)  What templates made of the keys is checked
 * again here.
 */
#include "joborch.h"

#include "artifact.h"
#include "common/base64.h"
#include "errors.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "steptypes.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

static void refuse(const JoTry *try, const char *key, const char *problem) pg_attribute_noreturn();

static void
refuse(const JoTry *try, const char *key, const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_JO_REQUEST),
			 errmsg("request of %s is not valid: \"%s\" %s", jo_document_place(try->document), key, problem)));
}

/* A member that is there and not null. */
static bool
get_member(Jsonb *request, const char *key, JsonbValue *value)
{
	return jo_jsonb_member(&request->root, key, strlen(key), value) && value->type != jbvNull;
}

/* A text, or a number as one; NULL: there is none. */
static char *
get_text(const JoTry *try, Jsonb *request, const char *key)
{
	JsonbValue	value;

	if (!get_member(request, key, &value))
		return NULL;
	if (value.type == jbvString)
		return pnstrdup(value.val.string.val, value.val.string.len);
	if (value.type == jbvNumeric)
		return numeric_normalize(value.val.numeric);
	refuse(try, key, "must be a text");
	return NULL;				/* not reached */
}

static int64
get_duration(const JoTry *try, Jsonb *request, const char *key)
{
	char	   *text = get_text(try, request, key);
	int64		microseconds;

	if (text == NULL)
		return 0;
	if (!jo_parse_duration(text, &microseconds) || microseconds <= 0)
		refuse(try, key, "must be a duration, such as \"7 days\"");
	return microseconds;
}

/* ---- put ---- */

static char *
decode_base64(const JoTry *try, const char *key, const char *text, size_t *size)
{
	size_t		length = strlen(text);
	char	   *bytes = palloc(pg_b64_dec_len((int) length) + 1);
	int			decoded = pg_b64_decode(text, (int) length, bytes, pg_b64_dec_len((int) length));

	if (decoded < 0)
		refuse(try, key, "is not base64");
	*size = decoded;
	return bytes;
}

/* What is to be stored, by whichever key says it; *content_type if nothing else is said. */
static char *
get_content(const JoTry *try, Jsonb *request, size_t *size, const char **content_type)
{
	JsonbValue	value;
	char	   *text;

	*content_type = "text/plain; charset=utf-8";
	if ((text = get_text(try, request, "content_base64")) != NULL)
	{
		*content_type = "application/octet-stream";
		return decode_base64(try, "content_base64", text, size);
	}
	if ((text = get_text(try, request, "text")) == NULL)
	{
		/* null is a value, too */
		if (!jo_jsonb_member(&request->root, "content", strlen("content"), &value))
			refuse(try, "content", "is missing");
		if (value.type != jbvString)
			*content_type = "application/json";
		text = jo_jsonb_text(jo_jsonb_from_value(&value));
	}
	*size = strlen(text);
	return text;
}

/* {"artifact": {...}} */
static Jsonb *
build_output(Jsonb *artifact, bool deleted)
{
	JsonbParseState *state = NULL;

	pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	jo_jsonb_add_jsonb(&state, "artifact", artifact);
	if (deleted)
		jo_jsonb_add_bool(&state, "deleted", true);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static void
put(JoTry *try, Jsonb *request)
{
	JoArtifactSpec spec = {
		.run_id = try->run_id,
		.step = try->step->index,
		.item = try->item,
		.step_name = try->step->shown,
		.type = "file",
	};
	size_t		size;
	char	   *content;
	char	   *given;

	spec.name = get_text(try, request, "name");
	if (spec.name == NULL)
		spec.name = jo_step_name(try);
	content = get_content(try, request, &size, &spec.content_type);
	given = get_text(try, request, "content_type");
	if (given != NULL)
		spec.content_type = given;
	spec.storage = get_text(try, request, "storage");
	spec.compression = get_text(try, request, "compression");
	spec.expires_in = get_duration(try, request, "expires_in");
	try->output = build_output(jo_artifact_store(&spec, content, size), false);
}

/* ---- delete ---- */

/* By an id, a name in the run, or what describes one. */
static JoArtifactReader *
open_artifact(const JoTry *try, Jsonb *request)
{
	JsonbValue	value;
	Oid			role = GetUserId();
	char	   *text;
	char	   *end;
	int64		id;

	text = get_text(try, request, "name");
	if (text != NULL)
		return jo_artifact_open(0, try->run_id, text, role);
	if (!get_member(request, "artifact", &value))
		refuse(try, "artifact", "is missing");
	if (value.type == jbvBinary && jo_jsonb_member(value.val.binary.data, "id", strlen("id"), &value) &&
		value.type != jbvNumeric)
		refuse(try, "artifact", "has an \"id\" that is no number");
	if (value.type == jbvString)
		return jo_artifact_open(0, try->run_id, pnstrdup(value.val.string.val, value.val.string.len), role);
	if (value.type != jbvNumeric)
		refuse(try, "artifact", "must be an id, a name, or what describes an artifact");
	text = numeric_normalize(value.val.numeric);
	id = strtoll(text, &end, 10);
	if (*end != '\0' || id <= 0)
		refuse(try, "artifact", "is no id of an artifact");
	return jo_artifact_open(id, try->run_id, NULL, role);
}

static void
delete(JoTry *try, Jsonb *request)
{
	JoArtifactReader *reader = open_artifact(try, request);

	try->output = build_output(jo_artifact_describe(reader), true);
	if (!jo_artifact_remove(jo_artifact_id(reader)))
		ereport(ERROR,
				(errcode(ERRCODE_JO_ARTIFACT),
				 errmsg("artifact " INT64_FORMAT " was just deleted by somebody else",
						jo_artifact_id(reader))));
	jo_artifact_close(reader);
}

JoVerdict
jo_step_artifact(JoTry *try)
{
	Jsonb	   *request = jo_document_render(try->document, try->step->outside->parameters);
	char	   *action = get_text(try, request, "action");

	if (action != NULL && strcmp(action, "put") == 0)
		put(try, request);
	else if (action != NULL && strcmp(action, "delete") == 0)
		delete(try, request);
	else
		refuse(try, "action", "must be put, get or delete");
	return JO_VERDICT_COMPLETED;
}
