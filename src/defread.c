/*
 * defread.c
 *		Typed reading of a definition's values; each wrong one is a finding.
 *
 * A leaf.  The recursive functions go as deep as the document, which json.c
 * limits to JO_JSON_MAX_DEPTH.
 */
#include "defparse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A hundred years: longer waits are mistakes, and sums with a time stay in range. */
#define LONGEST_SECONDS (100.0 * 366 * 86400)

const cJSON *
jo_def_get(const cJSON *object, const JoPath *up, const char *key, JoPath *path)
{
	path->up = up;
	path->key = key;
	path->index = 0;
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

const char *
jo_def_describe_type(const cJSON *json)
{
	if (cJSON_IsObject(json))
		return "an object";
	if (cJSON_IsArray(json))
		return "an array";
	if (cJSON_IsString(json))
		return "a string";
	if (cJSON_IsNumber(json))
		return "a number";
	return cJSON_IsNull(json) ? "null" : "a boolean";
}

static bool
report_type(JoDefReader *reader, const cJSON *json, const JoPath *path, const char *wanted)
{
	jo_def_report(reader, "schema_error", path, NULL, "%s was expected, not %s", wanted,
				  jo_def_describe_type(json));
	return false;
}

/* Words other systems use for a key of ours. */
static const char *
find_synonym(const char *key, const char *const *known)
{
	static const char *const synonyms[][2] = {
		{"needs", "depends_on"}, {"after", "depends_on"}, {"dependencies", "depends_on"},
		{"if", "when"}, {"condition", "when"}, {"query", "sql"}, {"statement", "sql"},
		{"command", "sql"}, {"retries", "retry"}, {"max_retries", "retry"},
		{"maxAttempts", "max_attempts"}, {"attempts", "max_attempts"}, {"delay", "initial"},
		{"inputs", "input"}, {"params", "input"}, {"parameters", "input"}, {"variables", "vars"},
		{"tasks", "steps"}, {"always", "finally"}, {"on_error_steps", "on_failure"}
	};

	for (int i = 0; i < (int) lengthof(synonyms); i++)
		if (strcmp(key, synonyms[i][0]) == 0 && jo_words_find(synonyms[i][1], known) >= 0)
			return synonyms[i][1];
	return NULL;
}

static char *
suggest_key(const char *key, const char *const *known)
{
	const char *meant = find_synonym(key, known);
	char	   *suggestion;

	/* most other systems have the job's name inside; only a job has steps */
	if (strcmp(key, "name") == 0 && jo_words_find("steps", known) >= 0)
		return pstrdup("Give the name as the first argument of joborch.create_job().");
	if (meant != NULL)
		return psprintf("Did you mean \"%s\"?", meant);
	suggestion = jo_words_suggest(key, known);
	return suggestion ? suggestion : psprintf("Known keys are: %s.", jo_words_join(known));
}

void
jo_def_check_keys(JoDefReader *reader, const cJSON *object, const JoPath *path, const char *what,
				  const char *const *known, const char *const *unbuilt)
{
	const cJSON *child;

	cJSON_ArrayForEach(child, object)
	{
		const char *key = child->string;
		JoPath		at = {path, key, 0};

		if (jo_words_find(key, known) >= 0)
			continue;
		if (unbuilt != NULL && jo_words_find(key, unbuilt) >= 0)
		{
			jo_def_report(reader, "not_supported", &at, NULL,
						  "the key \"%s\" is not supported yet", key);
			continue;
		}
		if (reader->findings->n > JO_MAX_FINDINGS)
		{
			reader->findings->nerrors++;
			continue;
		}
		jo_def_report(reader, "unknown_key", &at, suggest_key(key, known), "%s has no key \"%s\"", what,
					  jo_words_show(key));
	}
}

static int
compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static void
check_object_keys(JoDefReader *reader, const cJSON *object, const JoPath *path)
{
	const cJSON *child;
	const char **keys;
	int			n = 0;

	cJSON_ArrayForEach(child, object)
		n++;
	if (n < 2)
		return;
	keys = palloc(n * sizeof(char *));
	n = 0;
	cJSON_ArrayForEach(child, object)
		keys[n++] = child->string;
	qsort(keys, n, sizeof(char *), compare_texts);
	for (int i = 1; i < n; i++)
	{
		JoPath		at = {path, keys[i], 0};

		if (strcmp(keys[i], keys[i - 1]) == 0 && (i < 2 || strcmp(keys[i], keys[i - 2]) != 0))
			jo_def_report(reader, "duplicate_key", &at, NULL, "the key \"%s\" is there more than once",
						  jo_words_show(keys[i]));
	}
	pfree(keys);
}

void
jo_def_check_duplicate_keys(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const cJSON *child;
	int			index = 0;

	if (cJSON_IsObject(json))
		check_object_keys(reader, json, path);
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, child->string, index++};

		if (child->child != NULL)
			jo_def_check_duplicate_keys(reader, child, &at);
	}
}

bool
jo_def_object(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	return cJSON_IsObject(json) || report_type(reader, json, path, "an object");
}

const char *
jo_def_string(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	if (cJSON_IsString(json))
		return json->valuestring;
	report_type(reader, json, path, "a string");
	return NULL;
}

/* Control characters of ASCII and, in UTF-8, of C1. */
static bool
has_control_character(const char *name)
{
	for (const unsigned char *p = (const unsigned char *) name; *p != '\0'; p++)
		if (*p < 0x20 || *p == 0x7f || (*p == 0xC2 && p[1] >= 0x80 && p[1] <= 0x9f))
			return true;
	return false;
}

const char *
jo_def_name(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const char *name = jo_def_string(reader, json, path);

	if (name == NULL)
		return NULL;
	if (*name == '\0')
		jo_def_report(reader, "invalid_name", path, NULL, "a name cannot be empty");
	else if (strlen(name) > JO_MAX_NAME)
		jo_def_report(reader, "limit_exceeded", path, NULL,
					  "the name \"%s\" has %zu bytes; at most %d are allowed",
					  jo_words_show(name), strlen(name), JO_MAX_NAME);
	else if (has_control_character(name))
		jo_def_report(reader, "invalid_name", path, NULL,
					  "a name cannot have control characters such as line breaks and tabs");
	else
		return name;
	return NULL;
}

bool
jo_def_bool(JoDefReader *reader, const cJSON *json, const JoPath *path, bool *value)
{
	if (!cJSON_IsBool(json))
		return report_type(reader, json, path, "true or false");
	*value = cJSON_IsTrue(json);
	return true;
}

bool
jo_def_number(JoDefReader *reader, const cJSON *json, const JoPath *path,
			  double min, double max, double *value)
{
	if (!cJSON_IsNumber(json))
		return report_type(reader, json, path, "a number");
	if (json->valuedouble < min || json->valuedouble > max)
	{
		jo_def_report(reader, "invalid_value", path, NULL, "%s is not between %g and %g",
					  jo_words_show(json->valuestring), min, max);
		return false;
	}
	*value = json->valuedouble;
	return true;
}

bool
jo_def_integer(JoDefReader *reader, const cJSON *json, const JoPath *path,
			   int min, int max, int *value)
{
	double		number;

	if (!jo_def_number(reader, json, path, min, max, &number))
		return false;
	if (number != floor(number))
	{
		jo_def_report(reader, "invalid_value", path, NULL, "%s is not a whole number",
					  jo_words_show(json->valuestring));
		return false;
	}
	*value = (int) number;
	return true;
}

bool
jo_def_duration(JoDefReader *reader, const cJSON *json, const JoPath *path, int64 *value)
{
	int64		microseconds = 0;
	bool		known = true;
	char	   *shown;

	if (cJSON_IsNumber(json))
	{
		known = fabs(json->valuedouble) <= LONGEST_SECONDS;
		if (known)
			microseconds = (int64) (json->valuedouble * 1e6);
		shown = jo_words_show(json->valuestring);
	}
	else if (cJSON_IsString(json))
	{
		known = reader->hooks->parse_duration(json->valuestring, &microseconds);
		shown = psprintf("\"%s\"", jo_words_show(json->valuestring));
	}
	else
		return report_type(reader, json, path, "an interval or a number of seconds");

	if (known && microseconds > 0 && microseconds <= (int64) (LONGEST_SECONDS * 1e6))
	{
		*value = microseconds;
		return true;
	}
	jo_def_report(reader, "invalid_interval", path,
				  "Write a number of seconds, or an interval such as \"5 min\".",
				  known && microseconds <= 0 ? "the duration %s is not more than zero"
				  : known ? "the duration %s is longer than 100 years"
				  : "%s is not a duration", shown);
	return false;
}

bool
jo_def_word(JoDefReader *reader, const cJSON *json, const JoPath *path,
			const char *const *words, int *value)
{
	const char *word = jo_def_string(reader, json, path);
	int			found;
	char	   *suggestion;

	if (word == NULL)
		return false;
	found = jo_words_find(word, words);
	if (found >= 0)
	{
		*value = found;
		return true;
	}
	suggestion = jo_words_suggest(word, words);
	jo_def_report(reader, "invalid_value", path, suggestion, "\"%s\" is not one of: %s",
				  jo_words_show(word), jo_words_join(words));
	return false;
}

bool
jo_def_priority(JoDefReader *reader, const cJSON *json, const JoPath *path, int *value)
{
	/* four words in order, then other systems' names for two of them */
	static const char *const words[] = {
		"critical", "high", "medium", "low", "urgent", "normal", NULL
	};
	static const int priorities[] = {0, 1, 2, 3, 0, 2};
	int			word;

	if (!jo_def_word(reader, json, path, words, &word))
		return false;
	*value = priorities[word];
	return true;
}

bool
jo_def_strings(JoDefReader *reader, const cJSON *json, const JoPath *path, int *n, char ***list)
{
	const cJSON *child;
	bool		good = true;
	int			index = 0;

	*n = 0;
	*list = palloc((cJSON_GetArraySize(json) + 1) * sizeof(char *));
	if (cJSON_IsString(json))
	{
		(*list)[(*n)++] = pstrdup(json->valuestring);
		return true;
	}
	if (!cJSON_IsArray(json))
		return report_type(reader, json, path, "a string or an array of strings");
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, NULL, index++};
		const char *text = jo_def_string(reader, child, &at);

		if (text != NULL)
			(*list)[(*n)++] = pstrdup(text);
		good &= (text != NULL);
	}
	return good;
}

bool
jo_def_lines(JoDefReader *reader, const cJSON *json, const JoPath *path, char **lines)
{
	StringInfoData buf;
	char	  **list;
	int			n;

	if (!jo_def_strings(reader, json, path, &n, &list))
		return false;
	initStringInfo(&buf);
	for (int i = 0; i < n; i++)
		appendStringInfo(&buf, "%s%s", i > 0 ? "\n" : "", list[i]);
	*lines = buf.data;
	return true;
}

JoSqlText *
jo_def_sql(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	JoSqlText  *sql = palloc0(sizeof(JoSqlText));
	JoTemplateFault fault;
	char	   *text;

	if (!jo_def_lines(reader, json, path, &text))
		return NULL;
	if (text[strspn(text, " \t\r\n\f\v;")] == '\0')
	{
		jo_def_report(reader, "missing_sql", path, NULL, "the SQL is empty");
		return NULL;
	}
	if (!jo_template_scan_sql(text, &reader->scope, sql, &fault))
	{
		jo_def_report_fault(reader, path, &fault);
		return NULL;
	}
	pfree(text);
	return sql;
}

/* Does a string or key of the value, or below it, open a template? */
static bool
has_template(const cJSON *json)
{
	const cJSON *child;

	if (cJSON_IsString(json))
		return strstr(json->valuestring, "{{") != NULL;
	cJSON_ArrayForEach(child, json)
	{
		if (has_template(child) || (child->string != NULL && strstr(child->string, "{{") != NULL))
			return true;
	}
	return false;
}

static bool
read_text_value(JoDefReader *reader, const cJSON *json, const JoPath *path, JoValue *value)
{
	JoTemplateFault fault;

	value->text = palloc0(sizeof(JoSqlText));
	if (!jo_template_scan_text(json->valuestring, &reader->scope, value->text, &fault))
	{
		jo_def_report_fault(reader, path, &fault);
		return false;
	}
	value->kind = JO_VALUE_TEXT;
	if (value->text->ntemplates == 1 && *value->text->pieces[0] == '\0' &&
		*value->text->pieces[1] == '\0')
		value->kind = JO_VALUE_TEMPLATE;
	return true;
}

/* Reports a template in a text where none is replaced. */
static bool
refuse_template_in(JoDefReader *reader, const char *text, const JoPath *path, const char *what)
{
	const char *end = text + strlen(text);

	for (const char *p = strstr(text, "{{"); p != NULL; p = strstr(p + 1, "{{"))
		if (jo_template_names_root(p + 2, end, &reader->scope))
		{
			jo_def_report(reader, "invalid_template", path, NULL,
						  "templates are not replaced in %s", what);
			return false;
		}
	return true;
}

/* has_template() is asked once per level: depth times size at most. */
static bool
read_value(JoDefReader *reader, const cJSON *json, const JoPath *path, JoValue *value)
{
	const cJSON *child;
	bool		good = true;

	memset(value, 0, sizeof(*value));
	if (!has_template(json))
	{
		value->kind = JO_VALUE_LITERAL;
		value->json = jo_json_print(json);
		return true;
	}
	if (cJSON_IsString(json))
		return read_text_value(reader, json, path, value);

	value->kind = cJSON_IsObject(json) ? JO_VALUE_OBJECT : JO_VALUE_ARRAY;
	value->values = palloc(cJSON_GetArraySize(json) * sizeof(JoValue));
	if (value->kind == JO_VALUE_OBJECT)
		value->keys = palloc(cJSON_GetArraySize(json) * sizeof(char *));
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, child->string, value->n};

		if (value->kind == JO_VALUE_OBJECT)
		{
			value->keys[value->n] = pstrdup(child->string);
			good &= refuse_template_in(reader, child->string, &at, "keys");
		}
		good &= read_value(reader, child, &at, &value->values[value->n]);
		value->n++;
	}
	return good;
}

JoValue *
jo_def_value(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	JoValue    *value = palloc(sizeof(JoValue));

	return read_value(reader, json, path, value) ? value : NULL;
}

void
jo_def_refuse_templates(JoDefReader *reader, const cJSON *json, const JoPath *path, const char *what)
{
	const cJSON *child;
	int			index = 0;

	if (cJSON_IsString(json))
		refuse_template_in(reader, json->valuestring, path, what);
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, child->string, index++};

		jo_def_refuse_templates(reader, child, &at, what);
	}
}
