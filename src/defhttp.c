/*
 * defhttp.c
 *		Keys of http and webhook steps.
 *
 * A leaf.
 */
#include "defoutside.h"

#include <string.h>

#define MAX_REDIRECTS 50

/* Methods of HTTP and of WebDAV; CONNECT and TRACE are for proxies and for attackers. */
static const char *const methods[] = {
	"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "QUERY", "PROPFIND", "PROPPATCH", "MKCOL",
	"COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "PURGE", NULL
};

static const char *const schemes[] = {"https", "http", NULL};

/* What the body is made of: one of them. */
static const char *const bodies[] = {
	"body", "json", "form", "multipart", "body_base64", "artifact", NULL
};

/* ---- literal values ---- */

static void
check_method(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const char *method = jo_def_string(reader, json, path);
	char	   *upper;

	if (method == NULL || jo_def_is_template(json))
		return;
	upper = pstrdup(method);
	for (char *p = upper; *p != '\0'; p++)
		if (*p >= 'a' && *p <= 'z')
			*p -= 'a' - 'A';
	if (jo_words_find(upper, methods) < 0)
		jo_def_report(reader, "invalid_value", path, jo_words_suggest(upper, methods), "\"%s\" is not one of: %s",
					  jo_words_show(method), jo_words_join(methods));
}

/* An array gives the name several times, or not at all; null leaves it out. */
static void
check_query_value(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	if (!cJSON_IsNull(json) && (!cJSON_IsArray(json) || json->child != NULL))
		jo_def_check_list(reader, json, path, jo_def_check_scalar);
}

static void
check_query(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	jo_def_check_members(reader, json, path, check_query_value);
}

static void
check_part(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const JoOutsideKey keys[] = {
		{"filename", NULL, jo_def_check_line, 0},
		{"content_type", NULL, jo_def_check_line, 0},
		{"content", NULL, jo_def_check_any, 0},
		{"content_base64", NULL, jo_def_check_base64, 0},
		{"artifact", NULL, jo_def_check_artifact, 0},
		{NULL, NULL, NULL, 0}
	};
	static const char *const contents[] = {"content", "content_base64", "artifact", NULL};

	if (!cJSON_IsObject(json))
	{
		jo_def_check_scalar(reader, json, path);
		return;
	}
	jo_def_check_object(reader, json, path, "a part", keys);
	if (jo_def_check_exclusive(reader, json, path, contents) == NULL)
		jo_def_report(reader, "missing_key", path, "Write \"content\": \"...\".", "the part has no content");
}

static void
check_parts(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	jo_def_check_members(reader, json, path, check_part);
}

/* How many, or true for the usual number. */
static void
check_redirects(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	int			number;

	if (!cJSON_IsBool(json) && !jo_def_is_template(json))
		jo_def_integer(reader, json, path, 0, MAX_REDIRECTS, &number);
}

static void
check_idempotency_key(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	if (!cJSON_IsBool(json))
		jo_def_check_line(reader, json, path);
}

static void
check_response(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const char *const words[] = {"auto", "json", "text", "base64", "none", NULL};

	jo_def_check_word(reader, json, path, words);
}

static void
check_http_version(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const char *const words[] = {"1.1", "2", NULL};

	if (!cJSON_IsNumber(json))
		jo_def_check_word(reader, json, path, words);
	else if (jo_words_find(json->valuestring, words) < 0)
		jo_def_report(reader, "invalid_value", path, NULL, "%s is not one of: %s", jo_words_show(json->valuestring),
					  jo_words_join(words));
}

static void
check_callback(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	bool		value;

	jo_def_bool(reader, json, path, &value);
}

/* ---- tables ---- */

#define RESPONSE_KEYS \
	{"url", NULL, jo_def_check_text, JO_PARAM_REQUIRED | JO_PARAM_SECRET | JO_PARAM_URL}, \
	{"method", NULL, check_method, 0}, \
	{"headers", NULL, jo_def_check_headers, JO_PARAM_SECRET}, \
	{"expected_status", NULL, jo_def_check_status, 0}, \
	{"success", NULL, jo_def_check_any, JO_PARAM_APART}, \
	{"callback", NULL, check_callback, JO_PARAM_APART}, \
	{"redirects", NULL, check_redirects, JO_PARAM_APART}, \
	{"follow_redirects", "redirects", jo_def_check_flag, JO_PARAM_APART}, \
	{"max_redirects", "redirects", check_redirects, JO_PARAM_APART}, \
	{"idempotency_key", NULL, check_idempotency_key, 0}, \
	{"response", NULL, check_response, 0}, \
	{"max_response", NULL, jo_def_check_size, 0}, \
	{"http_version", NULL, check_http_version, 0}, \
	JO_NETWORK_KEYS

const JoOutsideKey jo_def_http_keys[] = {
	RESPONSE_KEYS,
	{"query", NULL, check_query, JO_PARAM_SECRET},
	{"body", NULL, jo_def_check_any, JO_PARAM_SECRET},
	{"json", NULL, jo_def_check_any, JO_PARAM_SECRET},
	{"form", NULL, check_query, JO_PARAM_SECRET},
	{"multipart", NULL, check_parts, JO_PARAM_SECRET},
	{"body_base64", NULL, jo_def_check_base64, JO_PARAM_SECRET},
	{"artifact", NULL, jo_def_check_artifact, 0},
	{NULL, NULL, NULL, 0}
};

const JoOutsideKey jo_def_webhook_keys[] = {
	RESPONSE_KEYS,
	{"payload", NULL, jo_def_check_any, JO_PARAM_SECRET},
	{"secret", NULL, jo_def_check_text, JO_PARAM_SECRET},
	{"event", NULL, jo_def_check_line, 0},
	{NULL, NULL, NULL, 0}
};

/* ---- keys that decide something, or are more than one ---- */

/* "redirects" is how many; other systems say with two keys whether, and how many. */
static void
read_redirects(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoPath		at;
	JoPath		follow_at;
	const cJSON *redirects = jo_def_get(json, path, "redirects", &at);
	const cJSON *follow = jo_def_get(json, path, "follow_redirects", &follow_at);
	JoPath		max_at;
	const cJSON *max = jo_def_get(json, path, "max_redirects", &max_at);
	int			errors_before = reader->findings->nerrors;

	if (redirects != NULL && (follow != NULL || max != NULL))
		jo_def_report(reader, "duplicate_key", follow ? &follow_at : &max_at, NULL,
					  "\"redirects\" says this already: true, false, or how many");
	if (redirects != NULL)
		check_redirects(reader, redirects, &at);
	if (follow != NULL)
		jo_def_check_flag(reader, follow, &follow_at);
	if (max != NULL)
		check_redirects(reader, max, &max_at);
	if (max != NULL && jo_def_is_template(follow))
		jo_def_report(reader, "not_supported", &follow_at, "Write \"redirects\" with the number in the template.",
					  "\"follow_redirects\" cannot be a template where \"max_redirects\" is given");
	if (reader->findings->nerrors > errors_before)
		return;
	if (redirects != NULL)
		jo_def_read_parameter(reader, redirects, &at, step, "redirects", 0);
	else if (max != NULL && !cJSON_IsFalse(follow))
		jo_def_read_parameter(reader, max, &max_at, step, "redirects", 0);
	else if (follow != NULL)
		jo_def_read_parameter(reader, follow, &follow_at, step, "redirects", 0);
}

static void
read_answer(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	JoOutsideDef *outside = step->outside;
	JoPath		at;
	const cJSON *member = jo_def_get(json, path, "url", &at);

	jo_def_check_url(reader, member, &at, jo_def_find_parameter(step, "url"), schemes);
	read_redirects(reader, json, path, step);
	if ((member = jo_def_get(json, path, "callback", &at)) != NULL)
		jo_def_bool(reader, member, &at, &outside->callback);
	if ((member = jo_def_get(json, path, "success", &at)) == NULL)
		return;
	reader->scope.result = true;
	outside->success.path = jo_def_read_path(reader, member, &at, &outside->success.refs, JO_READS_RESULT);
	reader->scope.result = false;
}

void
jo_def_read_http(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	if (!jo_def_read_parameters(reader, json, path, step, JO_OUTSIDE_HTTP, jo_def_http_keys))
		return;
	jo_def_check_exclusive(reader, json, path, bodies);
	read_answer(reader, json, path, step);
}

void
jo_def_read_webhook(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	if (jo_def_read_parameters(reader, json, path, step, JO_OUTSIDE_WEBHOOK, jo_def_webhook_keys))
		read_answer(reader, json, path, step);
}
