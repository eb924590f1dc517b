/*
 * defnetwork.c
 *		Literal values of steps that have a URL: headers, authentication, status.
 *
 * A leaf.
 */
#include "defoutside.h"

#include <math.h>
#include <string.h>

#include "httptext.h"

/* ---- headers ---- */

/* By a name and, if it is literal, its value. */
static void
check_line(JoDefReader *reader, const JoPath *path, const char *name, const char *value)
{
	switch (jo_http_check_header(name, value))
	{
		case JO_HEADER_OK:
			break;
		case JO_HEADER_NAME:
			jo_def_report(reader, "invalid_name", path, "Names of headers are letters, digits and hyphens.",
						  "\"%s\" is no name of a header", jo_words_show(name));
			break;
		case JO_HEADER_RESERVED:
			jo_def_report(reader, "invalid_name", path, NULL,
						  "the header \"%s\" cannot be given: it is made from what is sent", jo_words_show(name));
			break;
		case JO_HEADER_VALUE:
			jo_def_report(reader, "invalid_value", path, NULL,
						  "line breaks and other control characters are not allowed in a header");
			break;
	}
}

/* An array sends the name several times, null leaves it out. */
static void
check_header(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const cJSON *value;

	check_line(reader, path, path->key, cJSON_IsString(json) ? json->valuestring : "");
	if (!cJSON_IsNull(json))
		jo_def_check_list(reader, json, path, jo_def_check_scalar);
	if (cJSON_IsArray(json))
		cJSON_ArrayForEach(value, json)
			check_line(reader, path, "X", cJSON_IsString(value) ? value->valuestring : "");
}

void
jo_def_check_headers(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	jo_def_check_members(reader, json, path, check_header);
}

/* ---- authentication ---- */

static void
check_auth_type(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const char *const words[] = {"none", "basic", "bearer", "api_key", "digest", "private_key", NULL};

	jo_def_check_word(reader, json, path, words);
}

static void
check_auth_header(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const char *name = jo_def_string(reader, json, path);

	if (name != NULL && !jo_def_is_template(json))
		check_line(reader, path, name, "");
}

/* Members that a type of authentication needs, and those that it may have. */
static const struct
{
	const char *type;
	const char *needs[3];
	const char *may[3];
}			auth_types[] = {
	{"none", {NULL}, {NULL}},
	{"basic", {"username", "password", NULL}, {NULL}},
	{"digest", {"username", "password", NULL}, {NULL}},
	{"bearer", {"token", NULL}, {NULL}},
	{"api_key", {"key", NULL}, {"header", "query", NULL}},
	{"private_key", {"username", "private_key", NULL}, {"password", NULL}},
};

/* By its word, or by what only one type has; -1: a template, or nothing of it. */
static int
find_auth_type(const cJSON *json)
{
	static const char *const telling[] = {"token", "key", "private_key", "username", NULL};
	static const int types[] = {3, 4, 5, 1};
	const cJSON *type = cJSON_GetObjectItemCaseSensitive(json, "type");

	for (int i = 0; type == NULL && telling[i] != NULL; i++)
		if (cJSON_GetObjectItemCaseSensitive(json, telling[i]) != NULL)
			return types[i];
	for (int i = 0; cJSON_IsString(type) && i < (int) lengthof(auth_types); i++)
		if (strcmp(type->valuestring, auth_types[i].type) == 0)
			return i;
	return -1;
}

static void
check_auth_members(JoDefReader *reader, const cJSON *json, const JoPath *path, int type)
{
	const char *word = auth_types[type].type;
	const char *const *needs = auth_types[type].needs;
	const cJSON *child;

	for (int i = 0; needs[i] != NULL; i++)
		if (cJSON_GetObjectItemCaseSensitive(json, needs[i]) == NULL)
			jo_def_report(reader, "missing_key", path, NULL, "authentication \"%s\" needs \"%s\"", word, needs[i]);
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, child->string, 0};

		if (strcmp(child->string, "type") != 0 && jo_words_find(child->string, needs) < 0 &&
			jo_words_find(child->string, auth_types[type].may) < 0)
			jo_def_report(reader, "invalid_value", &at, NULL, "authentication \"%s\" has no \"%s\"", word, child->string);
	}
}

void
jo_def_check_auth(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const JoOutsideKey keys[] = {
		{"type", NULL, check_auth_type, 0},
		{"username", NULL, jo_def_check_line, 0},
		{"password", NULL, jo_def_check_line, 0},
		{"token", NULL, jo_def_check_line, 0},
		{"key", NULL, jo_def_check_line, 0},
		{"private_key", NULL, jo_def_check_text, 0},
		{"header", NULL, check_auth_header, 0},
		{"query", NULL, jo_def_check_line, 0},
		{NULL, NULL, NULL, 0}
	};
	static const char *const places[] = {"header", "query", NULL};
	int			errors_before = reader->findings->nerrors;
	int			type;

	jo_def_check_object(reader, json, path, "\"auth\"", keys);
	if (!cJSON_IsObject(json) || reader->findings->nerrors > errors_before)
		return;
	type = find_auth_type(json);
	if (type >= 0)
		check_auth_members(reader, json, path, type);
	else if (cJSON_GetObjectItemCaseSensitive(json, "type") == NULL)
		jo_def_report(reader, "missing_key", path, "Write \"type\": \"bearer\" and \"token\": \"{{ secret.name }}\".",
					  "\"auth\" says nothing that it could be done by");
	jo_def_check_exclusive(reader, json, path, places);
}

void
jo_def_check_client_cert(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const JoOutsideKey keys[] = {
		{"cert", NULL, jo_def_check_text, JO_PARAM_REQUIRED},
		{"key", NULL, jo_def_check_text, JO_PARAM_REQUIRED},
		{"password", NULL, jo_def_check_line, 0},
		{NULL, NULL, NULL, 0}
	};

	jo_def_check_object(reader, json, path, "\"client_cert\"", keys);
}

/* ---- expected_status ---- */

static void
check_one_status(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const char *const hint = "Write a number such as 200, a range such as \"200-204\", or \"2xx\".";
	JoStatusRange ranges[32];

	if (jo_def_is_template(json))
		return;
	if (cJSON_IsNumber(json) && json->valuedouble >= 100 && json->valuedouble <= 599 &&
		floor(json->valuedouble) == json->valuedouble)
		return;
	if (cJSON_IsString(json) && jo_http_parse_statuses(json->valuestring, ranges, lengthof(ranges)) > 0)
		return;
	jo_def_report(reader, cJSON_IsNumber(json) || cJSON_IsString(json) ? "invalid_value" : "schema_error", path, hint,
				  "%s is no HTTP status", jo_words_show(jo_json_print(json)));
}

void
jo_def_check_status(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	jo_def_check_list(reader, json, path, check_one_status);
}
