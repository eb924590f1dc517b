/*
 * deftransfer.c
 *		Keys of file_transfer, email and artifact steps.
 *
 * A leaf.
 */
#include "defoutside.h"

#include <string.h>

/* ---- file_transfer ---- */

static const char *const transfer_schemes[] = {"https", "http", "ftp", "ftps", "sftp", "file", NULL};

/* In pairs: the word, and what it is called elsewhere. */
static const char *const transfer_words[] = {"get", "download", "put", "upload", NULL};

/* A name below joborch.file_root, or the whole path of something there. */
static void
check_file(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const char *name = jo_def_string(reader, json, path);

	if (name == NULL || jo_def_is_template(json))
		return;
	jo_def_check_text(reader, json, path);
	jo_def_check_line(reader, json, path);
	for (const char *p = name; p != NULL; p = strchr(p, '/') ? strchr(p, '/') + 1 : NULL)
		if (strncmp(p, "..", 2) == 0 && (p[2] == '/' || p[2] == '\0'))
		{
			jo_def_report(reader, "invalid_value", path, NULL, "a file's name has no \"..\" in it");
			return;
		}
}

static void
check_sha256(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const char *text = jo_def_string(reader, json, path);

	if (text != NULL && !jo_def_is_template(json) &&
		(strlen(text) != 64 || strspn(text, "0123456789abcdefABCDEF") != 64))
		jo_def_report(reader, "invalid_value", path, NULL, "\"%s\" is no SHA-256: those have 64 hexadecimal digits",
					  jo_words_show(text));
}

const JoOutsideKey jo_def_transfer_keys[] = {
	{"url", NULL, jo_def_check_text, JO_PARAM_REQUIRED | JO_PARAM_SECRET | JO_PARAM_URL},
	{"action", NULL, jo_def_check_any, JO_PARAM_REQUIRED | JO_PARAM_APART},
	{"direction", "action", jo_def_check_any, JO_PARAM_APART},
	{"file", NULL, check_file, 0},
	{"artifact", NULL, jo_def_check_artifact, 0},
	{"headers", NULL, jo_def_check_headers, JO_PARAM_SECRET},
	{"overwrite", NULL, jo_def_check_flag, 0},
	{"resume", NULL, jo_def_check_flag, 0},
	{"sha256", NULL, check_sha256, 0},
	{"create_dirs", NULL, jo_def_check_flag, 0},
	{"create_directories", "create_dirs", jo_def_check_flag, 0},
	{"known_host", NULL, jo_def_check_line, 0},
	{"max_response", NULL, jo_def_check_size, 0},
	{"connection", NULL, jo_def_check_any, JO_PARAM_APART},
	{"connection_type", NULL, jo_def_check_any, JO_PARAM_APART},
	{"connection_method", NULL, jo_def_check_any, JO_PARAM_APART},
	JO_NETWORK_KEYS,
	{NULL, NULL, NULL, 0}
};

/* The action by either key; NULL: none that is right. */
static const char *
read_transfer_action(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	static const char *const spellings[] = {"action", "direction", NULL};
	const char *key = jo_def_check_exclusive(reader, json, path, spellings);
	JoPath		at;
	const cJSON *member = key ? jo_def_get(json, path, key, &at) : NULL;
	const char *action;
	int			word;

	if (member == NULL || !jo_def_word(reader, member, &at, transfer_words, &word))
		return NULL;
	action = transfer_words[word / 2 * 2];
	jo_def_add_parameter(step, "action", psprintf("\"%s\"", action));
	return action;
}

void
jo_def_read_transfer(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	static const char *const places[] = {"file", "artifact", NULL};
	const char *action;
	const cJSON *member;
	JoPath		at;

	if (!jo_def_read_parameters(reader, json, path, step, JO_OUTSIDE_FILE_TRANSFER, jo_def_transfer_keys))
		return;
	action = read_transfer_action(reader, json, path, step);
	if (jo_def_check_exclusive(reader, json, path, places) == NULL && action != NULL && strcmp(action, "put") == 0)
		jo_def_report(reader, "missing_key", path, "Write \"file\": \"name\" or \"artifact\": \"name\".",
					  "nothing says what is to be sent");
	member = jo_def_get(json, path, "url", &at);
	jo_def_check_url(reader, member, &at, jo_def_find_parameter(step, "url"), transfer_schemes);
}

/* ---- email ---- */

/* ann@example.com, or Ann <ann@example.com>; what the server takes is the server's business. */
static void
check_address(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const char *text = jo_def_string(reader, json, path);
	const char *at;

	if (text == NULL || jo_def_is_template(json))
		return;
	jo_def_check_line(reader, json, path);
	at = strrchr(text, '@');
	if (at == NULL || at == text || at[1] == '\0' || strchr(" <>", at[-1]) != NULL || strchr(" <>", at[1]) != NULL)
		jo_def_report(reader, "invalid_value", path, "Write \"ann@example.com\" or \"Ann <ann@example.com>\".",
					  "\"%s\" is no mail address", jo_words_show(text));
}

static void
check_addresses(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	jo_def_check_list(reader, json, path, check_address);
}

static void
check_attachment(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const JoOutsideKey keys[] = {
		{"artifact", NULL, jo_def_check_artifact, 0},
		{"content", NULL, jo_def_check_any, 0},
		{"content_base64", NULL, jo_def_check_base64, 0},
		{"filename", NULL, jo_def_check_line, 0},
		{"content_type", NULL, jo_def_check_line, 0},
		{NULL, NULL, NULL, 0}
	};
	static const char *const contents[] = {"artifact", "content", "content_base64", NULL};

	if (jo_def_is_template(json))
		return;
	jo_def_check_object(reader, json, path, "an attachment", keys);
	if (cJSON_IsObject(json) && jo_def_check_exclusive(reader, json, path, contents) == NULL)
		jo_def_report(reader, "missing_key", path, "Write \"artifact\": \"name\" or \"content\": \"...\".",
					  "the attachment has no content");
}

static void
check_attachments(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	if (json->child != NULL || !cJSON_IsArray(json))
		jo_def_check_list(reader, json, path, check_attachment);
}

static void
check_starttls(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const char *const words[] = {"required", "opportunistic", "none", NULL};

	jo_def_check_word(reader, json, path, words);
}

static void
check_occasion(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const char *const words[] = {"success", "failure", "always", NULL};

	jo_def_check_word(reader, json, path, words);
}

static void
check_send_on(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	jo_def_check_list(reader, json, path, check_occasion);
}

const JoOutsideKey jo_def_email_keys[] = {
	{"to", NULL, check_addresses, JO_PARAM_REQUIRED | JO_PARAM_SECRET},
	{"cc", NULL, check_addresses, JO_PARAM_SECRET},
	{"bcc", NULL, check_addresses, JO_PARAM_SECRET},
	{"from", NULL, check_address, JO_PARAM_SECRET},
	{"reply_to", NULL, check_addresses, JO_PARAM_SECRET},
	{"subject", NULL, jo_def_check_line, JO_PARAM_SECRET},
	{"body", NULL, jo_def_check_any, JO_PARAM_SECRET},
	{"text", "body", jo_def_check_any, JO_PARAM_SECRET},
	{"html", NULL, jo_def_check_text, JO_PARAM_SECRET},
	{"attachments", NULL, check_attachments, JO_PARAM_SECRET},
	{"headers", NULL, jo_def_check_headers, JO_PARAM_SECRET},
	{"server", NULL, jo_def_check_text, JO_PARAM_SECRET | JO_PARAM_URL},
	{"starttls", NULL, check_starttls, 0},
	{"send_on", NULL, check_send_on, 0},
	JO_NETWORK_KEYS,
	{NULL, NULL, NULL, 0}
};

void
jo_def_read_email(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	static const char *const schemes[] = {"smtp", "smtps", NULL};
	const cJSON *member;
	JoPath		at;

	if (!jo_def_read_parameters(reader, json, path, step, JO_OUTSIDE_EMAIL, jo_def_email_keys))
		return;
	member = jo_def_get(json, path, "server", &at);
	jo_def_check_url(reader, member, &at, jo_def_find_parameter(step, "server"), schemes);
}

/* ---- artifact ---- */

static void
check_storage(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const char *const words[] = {"database", "filesystem", "s3", NULL};

	jo_def_check_word(reader, json, path, words);
}

static void
check_compression(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const char *const words[] = {"none", "gzip", NULL};

	jo_def_check_word(reader, json, path, words);
}

const JoOutsideKey jo_def_artifact_keys[] = {
	{"action", NULL, jo_def_check_any, JO_PARAM_REQUIRED | JO_PARAM_APART},
	{"artifact", NULL, jo_def_check_artifact, JO_PARAM_APART},
	{"content", NULL, jo_def_check_any, 0},
	{"content_base64", NULL, jo_def_check_base64, 0},
	{"text", NULL, jo_def_check_any, 0},
	{"content_type", NULL, jo_def_check_line, 0},
	{"storage", NULL, check_storage, 0},
	{"compression", NULL, check_compression, 0},
	{"expires_in", NULL, jo_def_check_duration, 0},
	{NULL, NULL, NULL, 0}
};

/* What only "put" has. */
static void
check_put_keys(JoDefReader *reader, const cJSON *json, const JoPath *path, const char *action)
{
	static const char *const keys[] = {
		"content", "content_base64", "text", "content_type", "storage", "compression", "expires_in", NULL
	};

	for (int i = 0; keys[i] != NULL; i++)
	{
		JoPath		at;

		if (jo_def_get(json, path, keys[i], &at) != NULL)
			jo_def_report(reader, "invalid_value", &at, "Write \"action\": \"put\" to make an artifact.",
						  "the action \"%s\" has no \"%s\"", action, keys[i]);
	}
}

/* The name of one that is made; else the id or the name of one that is there. */
static void
read_artifact_name(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step, bool put)
{
	int			errors_before = reader->findings->nerrors;
	JoPath		at;
	const cJSON *member = jo_def_get(json, path, "artifact", &at);
	bool		name = put || (cJSON_IsString(member) && !jo_def_is_template(member));

	if (member == NULL)
	{
		if (!put)
			jo_def_report(reader, "missing_key", path, "Write \"artifact\": \"name\", or its id.",
						  "nothing says which artifact is meant");
		return;
	}
	if (put)
		jo_def_check_name(reader, member, &at);
	else
		jo_def_check_artifact(reader, member, &at);
	if (reader->findings->nerrors == errors_before)
		jo_def_read_parameter(reader, member, &at, step, name ? "name" : "artifact", 0);
}

void
jo_def_read_artifact(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	static const char *const actions[] = {"put", "get", "delete", NULL};
	static const char *const contents[] = {"content", "content_base64", "text", NULL};
	JoPath		at;
	const cJSON *member = jo_def_get(json, path, "action", &at);
	int			action;

	jo_def_read_parameters(reader, json, path, step, JO_OUTSIDE_ARTIFACT, jo_def_artifact_keys);
	if (member == NULL || !jo_def_word(reader, member, &at, actions, &action))
		return;
	jo_def_add_parameter(step, "action", psprintf("\"%s\"", actions[action]));
	read_artifact_name(reader, json, path, step, action == 0);
	if (action == 0 && jo_def_check_exclusive(reader, json, path, contents) == NULL)
		jo_def_report(reader, "missing_key", path, "Write \"content\", \"text\" or \"content_base64\".",
					  "nothing says what the artifact holds");
	if (action != 0)
		check_put_keys(reader, json, path, actions[action]);
	if (action == 1)
		step->type = JO_STEP_NETWORK;
	else if ((member = jo_def_get(json, path, "cache", &at)) != NULL)
		jo_def_report(reader, "not_supported", &at, "Leave it out: the artifact itself is what is kept.",
					  "an artifact step with the action \"%s\" has no \"cache\"", actions[action]);
}
