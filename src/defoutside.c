/*
 * defoutside.c
 *		Steps that act outside of the database: what all of their types have in common.
 *
 * A leaf.  The courier and the executors carry them out by their parameters; what
 * nothing here can reach, other machines, is work for programs that claim it.
 */
#include "defoutside.h"

#include <string.h>

#include "httptext.h"

const JoOutsideKey jo_def_external_keys[] = {
	{"queue", NULL, jo_def_check_name, 0},
	{"lease", NULL, jo_def_check_duration, 0},
	{"payload", NULL, jo_def_check_any, 0},
	{NULL, NULL, NULL, 0}
};

/* ---- who carries it out ---- */

/* What names a machine, or the way to it. */
static bool
names_machine(const cJSON *json)
{
	static const char *const targets[] = {"target", "targets", NULL};
	static const char *const connections[] = {"connection", "connection_type", "connection_method", NULL};

	for (int i = 0; targets[i] != NULL; i++)
		if (cJSON_GetObjectItemCaseSensitive(json, targets[i]) != NULL)
			return true;
	for (int i = 0; connections[i] != NULL; i++)
	{
		const cJSON *member = cJSON_GetObjectItemCaseSensitive(json, connections[i]);

		if (member != NULL && !(cJSON_IsString(member) && strcmp(member->valuestring, "local") == 0))
			return true;
	}
	return false;
}

static bool
is_remote(const char *word, const cJSON *json)
{
	static const char *const words[] = {"command", "script", "file_transfer", NULL};

	return jo_words_find(word, words) >= 0 && names_machine(json);
}

bool
jo_def_has_free_keys(const JoStepKind *kind, const cJSON *json)
{
	return kind->parameters != NULL && (kind->type == JO_STEP_OUTSIDE || is_remote(kind->word, json));
}

static JoStepType
find_type(JoOutsideKind kind)
{
	switch (kind)
	{
		case JO_OUTSIDE_COMMAND:
		case JO_OUTSIDE_SCRIPT:
			return JO_STEP_COMMAND;
		case JO_OUTSIDE_ARTIFACT:
			return JO_STEP_ARTIFACT;
		case JO_OUTSIDE_EXTERNAL:
			return JO_STEP_OUTSIDE;
		default:
			return JO_STEP_NETWORK;
	}
}

/* ---- parameters ---- */

static void
begin_parameters(JoStepDef *step, JoOutsideKind kind, const cJSON *json)
{
	/* each key makes one at most, external_id among them */
	int			capacity = cJSON_GetArraySize(json) + 1;
	JoValue    *parameters = palloc0(sizeof(JoValue));

	parameters->kind = JO_VALUE_OBJECT;
	parameters->keys = palloc(capacity * sizeof(char *));
	parameters->values = palloc(capacity * sizeof(JoValue));
	step->outside = palloc0(sizeof(JoOutsideDef));
	step->outside->kind = kind;
	step->outside->parameters = parameters;
	step->type = find_type(kind);
}

static void
add_value(JoStepDef *step, const char *name, const JoValue *value)
{
	JoValue    *parameters = step->outside->parameters;

	parameters->keys[parameters->n] = pstrdup(name);
	parameters->values[parameters->n++] = *value;
}

void
jo_def_add_parameter(JoStepDef *step, const char *name, const char *json)
{
	JoValue		value;

	memset(&value, 0, sizeof(value));
	value.kind = JO_VALUE_LITERAL;
	value.json = pstrdup(json);
	add_value(step, name, &value);
}

const JoValue *
jo_def_find_parameter(const JoStepDef *step, const char *name)
{
	const JoValue *parameters = step->outside->parameters;

	for (int i = 0; i < parameters->n; i++)
		if (strcmp(parameters->keys[i], name) == 0)
			return &parameters->values[i];
	return NULL;
}

/* Did whoever wrote it encode it already?  default() may follow. */
static bool
is_encoded(const JoTemplate *template)
{
	int			last = template->nfilters - 1;

	while (last >= 0 && template->filters[last].kind == JO_FILTER_DEFAULT)
		last--;
	return last >= 0 && template->filters[last].kind == JO_FILTER_URLENCODE;
}

/* All but the whole text, or its beginning, which is the address itself. */
static void
encode_templates(JoValue *value)
{
	JoSqlText  *text = value->text;

	if (value->kind != JO_VALUE_TEXT)
		return;
	for (int i = 0; i < text->ntemplates; i++)
	{
		JoTemplate *template = &text->templates[i];
		JoFilter   *filters;

		if ((i == 0 && *text->pieces[0] == '\0') || is_encoded(template))
			continue;
		filters = palloc0((template->nfilters + 1) * sizeof(JoFilter));
		if (template->nfilters > 0)
			memcpy(filters, template->filters, template->nfilters * sizeof(JoFilter));
		filters[template->nfilters++].kind = JO_FILTER_URLENCODE;
		template->filters = filters;
	}
}

void
jo_def_read_parameter(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step,
					  const char *name, unsigned flags)
{
	JoValue    *value;

	if (flags & JO_PARAM_FIXED)
	{
		jo_def_refuse_templates(reader, json, path, psprintf("\"%s\"", path->key));
		jo_def_add_parameter(step, name, jo_json_print(json));
		return;
	}
	reader->scope.secret = (flags & JO_PARAM_SECRET) != 0;
	value = jo_def_read_template(reader, json, path, 0);
	reader->scope.secret = false;
	if (value == NULL)
		return;
	/* the note of what it reads keeps the value by its address: its texts are shared */
	if (flags & JO_PARAM_URL)
		encode_templates(value);
	add_value(step, name, value);
}

static const JoOutsideKey *
find_key(const JoOutsideKey *keys, const char *key)
{
	for (; keys->key != NULL; keys++)
		if (strcmp(keys->key, key) == 0)
			return keys;
	return NULL;
}

static void
read_key(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step, const JoOutsideKey *row)
{
	const char *name = row->name != NULL ? row->name : row->key;
	int			errors_before = reader->findings->nerrors;

	if (jo_def_find_parameter(step, name) != NULL)
	{
		jo_def_report(reader, "duplicate_key", path, NULL, "\"%s\" is another spelling of \"%s\", which is there too",
					  row->key, name);
		return;
	}
	row->check(reader, json, path);
	if (reader->findings->nerrors == errors_before)
		jo_def_read_parameter(reader, json, path, step, name, row->flags);
}

/* Is one of the spellings of the row's parameter there? */
static bool
is_given(const cJSON *json, const JoOutsideKey *keys, const JoOutsideKey *row)
{
	for (; keys->key != NULL; keys++)
		if ((keys == row || (keys->name != NULL && strcmp(keys->name, row->key) == 0)) &&
			cJSON_GetObjectItemCaseSensitive(json, keys->key) != NULL)
			return true;
	return false;
}

static void
read_external_id(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	static const JoOutsideKey row = {"external_id", NULL, jo_def_check_line, 0};
	JoPath		at;
	const cJSON *member = jo_def_get(json, path, row.key, &at);

	if (member != NULL)
		read_key(reader, member, &at, step, &row);
}

/* Work for whoever claims it: all keys are what he is told. */
static void
read_free_keys(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	const cJSON *child;

	begin_parameters(step, JO_OUTSIDE_EXTERNAL, json);
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, child->string, 0};
		const JoOutsideKey *row = find_key(jo_def_external_keys, child->string);

		if (jo_def_is_common_key(child->string))
			continue;
		if (row != NULL)
			read_key(reader, child, &at, step, row);
		else
			jo_def_read_parameter(reader, child, &at, step, child->string, 0);
	}
	read_external_id(reader, json, path, step);
}

bool
jo_def_read_parameters(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step,
					   JoOutsideKind kind, const JoOutsideKey *keys)
{
	const cJSON *child;

	if (is_remote(step->word, json))
	{
		jo_def_warn(reader, "no_worker", path,
					"Let a program claim it with joborch.claim_steps(), or leave out the target to do it here.",
					"no other machine is reached from here: the run waits until a program claims this %s step",
					step->word);
		read_free_keys(reader, json, path, step);
		return false;
	}
	begin_parameters(step, kind, json);
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, child->string, 0};
		const JoOutsideKey *row = find_key(keys, child->string);

		if (row != NULL && (row->flags & JO_PARAM_APART) == 0)
			read_key(reader, child, &at, step, row);
	}
	for (const JoOutsideKey *row = keys; row->key != NULL; row++)
		if ((row->flags & JO_PARAM_REQUIRED) && !is_given(json, keys, row))
			jo_def_report(reader, "missing_key", path, NULL, "the step has no \"%s\"", row->key);
	read_external_id(reader, json, path, step);
	return true;
}

void
jo_def_read_external(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	read_free_keys(reader, json, path, step);
}

const char *
jo_def_check_exclusive(JoDefReader *reader, const cJSON *json, const JoPath *path, const char *const *keys)
{
	const char *first = NULL;

	for (; *keys != NULL; keys++)
	{
		JoPath		at;

		if (jo_def_get(json, path, *keys, &at) == NULL)
			continue;
		if (first != NULL)
			jo_def_report(reader, "invalid_value", &at, NULL, "\"%s\" and \"%s\": give one of them, not both", first, *keys);
		else
			first = *keys;
	}
	return first;
}

/* ---- URLs ---- */

/*
 * The URL with something simple in the place of each template: what they give is
 * percent-encoded, but for a beginning, which is an address by itself.
 */
static char *
make_sample(const JoValue *value)
{
	StringInfoData sample;
	char	   *error;
	cJSON	   *json;

	initStringInfo(&sample);
	if (value->kind == JO_VALUE_TEXT)
	{
		const JoSqlText *text = value->text;

		appendStringInfoString(&sample, *text->pieces[0] == '\0' ? "https://host/" : text->pieces[0]);
		for (int i = 0; i < text->ntemplates; i++)
			appendStringInfo(&sample, "1%s", text->pieces[i + 1]);
	}
	else
	{
		json = jo_json_parse(value->json, strlen(value->json), &error);
		appendStringInfoString(&sample, cJSON_IsString(json) ? json->valuestring : "");
		jo_json_free(json);
	}
	return sample.data;
}

void
jo_def_check_url(JoDefReader *reader, const cJSON *json, const JoPath *path, const JoValue *value,
				 const char *const *schemes)
{
	const char *shown = cJSON_IsString(json) ? jo_words_show(json->valuestring) : "";
	char	   *suggestion;
	char	   *error;
	char	   *hint;
	JoUrl		url;

	/* what one template gives is looked at when it is known */
	if (value == NULL || value->kind == JO_VALUE_TEMPLATE)
		return;
	if (!jo_url_parse(make_sample(value), &url, &error, &hint))
		jo_def_report(reader, "invalid_value", path, hint, "\"%s\" %s", shown, error);
	else if (value->kind == JO_VALUE_TEXT && *value->text->pieces[0] == '\0')
		return;
	else if (jo_words_find(url.scheme, schemes) < 0)
	{
		suggestion = jo_words_suggest(url.scheme, schemes);
		jo_def_report(reader, "invalid_value", path,
					  suggestion ? suggestion : psprintf("It can be one of: %s.", jo_words_join(schemes)),
					  "the scheme \"%s\" is not possible here", jo_words_show(url.scheme));
	}
	else if (url.has_user)
		jo_def_report(reader, "invalid_value", path,
					  "Write \"auth\": {\"type\": \"basic\", \"username\": \"...\", \"password\": \"{{ secret.name }}\"}.",
					  "a URL holds no user and no password");
}
