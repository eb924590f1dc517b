/*
 * defliteral.c
 *		Literal values of steps that act outside of the database: texts, flags,
 *		durations, sizes and so on.
 *
 * A leaf.  A text that has a template in it is left alone: what comes of it is known
 * when the step is carried out.
 */
#include "defoutside.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A document's numbers are doubles: beyond this, not every whole number is one. */
#define LARGEST_WHOLE 9007199254740992.0

bool
jo_def_is_template(const cJSON *json)
{
	return cJSON_IsString(json) && strstr(json->valuestring, "{{") != NULL;
}

void
jo_def_check_any(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	(void) reader;
	(void) json;
	(void) path;
}

void
jo_def_check_text(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const char *text = jo_def_string(reader, json, path);

	if (text != NULL && *text == '\0')
		jo_def_report(reader, "invalid_value", path, NULL, "\"%s\" is empty", path->key ? path->key : "the text");
}

void
jo_def_check_line(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const char *text = jo_def_string(reader, json, path);

	for (; text != NULL && *text != '\0'; text++)
	{
		unsigned char c = *text;

		if ((c >= 0x20 || c == '\t') && c != 0x7f)
			continue;
		jo_def_report(reader, "invalid_value", path, NULL,
					  "line breaks and other control characters are not allowed here");
		return;
	}
}

void
jo_def_check_scalar(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	if (!cJSON_IsString(json) && !cJSON_IsNumber(json) && !cJSON_IsBool(json))
		jo_def_report(reader, "schema_error", path, NULL, "a string, a number or a boolean was expected, not %s",
					  jo_def_describe_type(json));
}

void
jo_def_check_flag(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	bool		value;

	if (!jo_def_is_template(json))
		jo_def_bool(reader, json, path, &value);
}

void
jo_def_check_duration(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	int64		value;

	if (!jo_def_is_template(json))
		jo_def_duration(reader, json, path, &value);
}

/* 1000, "512 kB": a whole number of bytes, or of a unit of them. */
void
jo_def_check_size(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	static const char *const units[] = {"", "B", "kB", "KB", "MB", "GB", "TB", NULL};
	static const char *const hint = "Write a number of bytes, or a size such as \"10 MB\".";

	if (jo_def_is_template(json))
		return;
	if (cJSON_IsString(json))
	{
		const char *text = json->valuestring;
		size_t		digits = strspn(text, "0123456789");
		const char *unit = text + digits + strspn(text + digits, " ");

		if (digits == 0 || digits > 12 || jo_words_find(unit, units) < 0)
			jo_def_report(reader, "invalid_value", path, hint, "\"%s\" is no size", jo_words_show(text));
	}
	else if (!cJSON_IsNumber(json))
		jo_def_report(reader, "schema_error", path, hint, "a size was expected, not %s", jo_def_describe_type(json));
	else if (json->valuedouble < 0 || json->valuedouble > LARGEST_WHOLE || floor(json->valuedouble) != json->valuedouble)
		jo_def_report(reader, "invalid_value", path, hint, "%s is no size", jo_words_show(json->valuestring));
}

static bool
is_base64(const char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	int			n = 0;
	int			padding = 0;

	for (; *text != '\0'; text++)
	{
		/* lines, as programs write them */
		if (strchr(" \t\r\n", *text) != NULL)
			continue;
		if (*text == '=')
			padding++;
		else if (padding > 0 || strchr(digits, *text) == NULL)
			return false;
		n++;
	}
	return n % 4 == 0 && padding <= 2;
}

void
jo_def_check_base64(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const char *text = jo_def_string(reader, json, path);

	if (text != NULL && !jo_def_is_template(json) && !is_base64(text))
		jo_def_report(reader, "invalid_value", path, NULL, "the text is not base64");
}

void
jo_def_check_name(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	if (!jo_def_is_template(json))
		jo_def_name(reader, json, path);
}

void
jo_def_check_artifact(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	if (cJSON_IsNumber(json))
	{
		if (json->valuedouble < 1 || floor(json->valuedouble) != json->valuedouble)
			jo_def_report(reader, "invalid_value", path, NULL, "%s is no id of an artifact",
						  jo_words_show(json->valuestring));
	}
	else if (cJSON_IsObject(json))
	{
		/* what describes one, as steps that make them have it in their outputs */
		if (cJSON_GetObjectItemCaseSensitive(json, "id") == NULL)
			jo_def_report(reader, "missing_key", path, NULL, "the artifact has no \"id\"");
	}
	else if (!cJSON_IsString(json))
		jo_def_report(reader, "schema_error", path, NULL, "the id or the name of an artifact was expected, not %s",
					  jo_def_describe_type(json));
	else
		jo_def_check_name(reader, json, path);
}

void
jo_def_check_word(JoDefReader *reader, const cJSON *json, const JoPath *path, const char *const *words)
{
	int			word;

	if (!jo_def_is_template(json))
		jo_def_word(reader, json, path, words, &word);
}

void
jo_def_check_members(JoDefReader *reader, const cJSON *json, const JoPath *path,
					 void (*check) (JoDefReader *reader, const cJSON *json, const JoPath *path))
{
	const cJSON *child;

	if (jo_def_is_template(json) || !jo_def_object(reader, json, path))
		return;
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, child->string, 0};

		check(reader, child, &at);
	}
}

void
jo_def_check_list(JoDefReader *reader, const cJSON *json, const JoPath *path,
				  void (*check) (JoDefReader *reader, const cJSON *json, const JoPath *path))
{
	const cJSON *child;
	int			index = 0;

	if (!cJSON_IsArray(json))
	{
		check(reader, json, path);
		return;
	}
	if (json->child == NULL)
		jo_def_report(reader, "empty_value", path, NULL, "the array is empty");
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, NULL, index++};

		check(reader, child, &at);
	}
}

void
jo_def_check_object(JoDefReader *reader, const cJSON *json, const JoPath *path, const char *what,
					const JoOutsideKey *keys)
{
	const char *known[16];
	int			n = 0;

	if (jo_def_is_template(json) || !jo_def_object(reader, json, path))
		return;
	for (; keys[n].key != NULL; n++)
		known[n] = keys[n].key;
	known[n] = NULL;
	jo_def_check_keys(reader, json, path, what, known, NULL);
	for (; keys->key != NULL; keys++)
	{
		JoPath		at;
		const cJSON *member = jo_def_get(json, path, keys->key, &at);

		if (member != NULL)
			keys->check(reader, member, &at);
		else if (keys->flags & JO_PARAM_REQUIRED)
			jo_def_report(reader, "missing_key", path, NULL, "%s has no \"%s\"", what, keys->key);
	}
}
