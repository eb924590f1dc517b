/*
 * visualinput.c
 *		Parameters and variables of a visual definition as a native input schema.
 *
 * A leaf.  Both forms are read: name to specification, and name to value.
 */
#include "visualparse.h"

#include <string.h>

typedef enum InputKind
{
	INPUT_PARAMETER,			/* needed when it says so */
	INPUT_CONFIGURATION,		/* needed when it has no default */
	INPUT_TARGET				/* the same; its type is a kind of machine */
} InputKind;

static const char *const spec_keys[] = {
	"name", "type", "default", "description", "required", "optional", "enum", "options", "min", "max",
	"minimum", "maximum", "min_length", "max_length", "minLength", "maxLength", "pattern", "format",
	"items", "properties", "label", "title", "placeholder", "secret", "value", "required_capabilities",
	"os_requirements", NULL
};

/* What makes an object a specification and not a value. */
static bool
is_spec(const cJSON *json)
{
	static const char *const signs[] = {
		"type", "default", "required", "optional", "description", "enum", "options", NULL
	};

	for (int i = 0; signs[i] != NULL; i++)
		if (cJSON_GetObjectItemCaseSensitive(json, signs[i]) != NULL)
			return true;
	return false;
}

static const char *
native_type(const char *type)
{
	static const char *const types[][2] = {
		{"string", "string"}, {"text", "string"}, {"str", "string"}, {"email", "string"},
		{"password", "string"}, {"secret", "string"}, {"url", "string"}, {"select", "string"},
		{"number", "number"}, {"float", "number"}, {"integer", "integer"}, {"int", "integer"},
		{"boolean", "boolean"}, {"bool", "boolean"}, {"array", "array"}, {"list", "array"},
		{"object", "object"}, {"dict", "object"}, {"json", "object"}
	};

	for (int i = 0; i < (int) lengthof(types); i++)
		if (strcmp(type, types[i][0]) == 0)
			return types[i][1];
	return NULL;
}

static void
copy_spec(JoVisual *visual, const char *name, const cJSON *spec, const JoPath *path, InputKind kind,
		  StringInfo buf)
{
	static const char *const copied[][2] = {
		{"description", "description"}, {"default", "default"}, {"value", "default"}, {"enum", "enum"},
		{"options", "enum"}, {"min", "minimum"}, {"minimum", "minimum"}, {"max", "maximum"},
		{"maximum", "maximum"}, {"min_length", "minLength"}, {"minLength", "minLength"},
		{"max_length", "maxLength"}, {"maxLength", "maxLength"}, {"pattern", "pattern"},
		{"format", "format"}, {"items", "items"}, {"properties", "properties"}
	};
	const cJSON *type = cJSON_GetObjectItemCaseSensitive(spec, "type");
	const char *native = cJSON_IsString(type) ? native_type(type->valuestring) : NULL;
	const cJSON *child;

	if (type != NULL && native == NULL && kind != INPUT_TARGET)
		jo_def_report(&visual->reader, "invalid_value", path,
					  "Types are string, number, integer, boolean, array and object.",
					  "parameter \"%s\", key \"type\": there is no type %s", jo_words_show(name),
					  jo_words_show(jo_json_print(type)));
	if (native != NULL)
		appendStringInfo(buf, ",\"type\":\"%s\"", native);
	for (int i = 0; i < (int) lengthof(copied); i++)
	{
		const cJSON *json = cJSON_GetObjectItemCaseSensitive(spec, copied[i][0]);

		if (json != NULL && !cJSON_IsNull(json))
			appendStringInfo(buf, ",\"%s\":%s", copied[i][1], jo_json_print(json));
	}
	cJSON_ArrayForEach(child, spec)
	{
		JoPath		at = {path, child->string, 0};

		if (jo_words_find(child->string, spec_keys) < 0)
			jo_def_warn(&visual->reader, "unknown_key", &at, jo_words_suggest(child->string, spec_keys),
						"parameter \"%s\", key \"%s\": it is kept in the original only", jo_words_show(name),
						jo_words_show(child->string));
	}
}

static bool
is_required(const cJSON *spec, InputKind kind)
{
	const cJSON *required = cJSON_GetObjectItemCaseSensitive(spec, "required");
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(spec, "default");

	if (value == NULL)
		value = cJSON_GetObjectItemCaseSensitive(spec, "value");
	if ((value != NULL && !cJSON_IsNull(value)) ||
		cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(spec, "optional")))
		return false;
	return required != NULL ? cJSON_IsTrue(required) : kind != INPUT_PARAMETER;
}

static void
add_input(JoVisual *visual, const char *name, const cJSON *json, const JoPath *path, InputKind kind)
{
	StringInfoData buf;

	for (int i = 0; i < visual->nparameters; i++)
		if (strcmp(visual->parameters[i], name) == 0)
		{
			jo_def_report(&visual->reader, "duplicate_key", path, NULL,
						  "parameter \"%s\": it is declared twice", jo_words_show(name));
			return;
		}
	if (visual->nparameters >= visual->parameters_capacity)
	{
		visual->parameters_capacity = visual->parameters_capacity ? visual->parameters_capacity * 2 : 16;
		visual->parameters = visual->parameters
			? repalloc(visual->parameters, visual->parameters_capacity * sizeof(char *))
			: palloc(visual->parameters_capacity * sizeof(char *));
	}
	visual->parameters[visual->nparameters++] = name;
	initStringInfo(&buf);
	if (cJSON_IsObject(json) && is_spec(json))
	{
		copy_spec(visual, name, json, path, kind, &buf);
		if (is_required(json, kind))
			appendStringInfo(&visual->required, "%s%s", visual->required.len > 0 ? "," : "",
							 jo_visual_string(name));
	}
	else
		appendStringInfo(&buf, ",\"default\":%s", jo_json_print(json));
	appendStringInfo(&visual->inputs, "%s%s:{%s}", visual->inputs.len > 0 ? "," : "", jo_visual_string(name),
					 buf.len > 0 ? buf.data + 1 : "");
}

void
jo_visual_read_inputs(JoVisual *visual, const cJSON *json, const JoPath *path)
{
	static const struct
	{
		const char *key;
		InputKind	kind;
	}			keys[] = {
		{"parameters", INPUT_PARAMETER}, {"variables", INPUT_PARAMETER},
		{"configuration_variables", INPUT_CONFIGURATION}, {"target_variables", INPUT_TARGET}
	};

	for (int i = 0; i < (int) lengthof(keys); i++)
	{
		JoPath		list;
		const cJSON *inputs = jo_def_get(json, path, keys[i].key, &list);
		const cJSON *child;
		int			index = 0;

		if (inputs == NULL || cJSON_IsNull(inputs))
			continue;
		if (!cJSON_IsObject(inputs) && !cJSON_IsArray(inputs))
			jo_def_report(&visual->reader, "schema_error", &list, NULL, "an object of parameters was expected");
		cJSON_ArrayForEach(child, inputs)
		{
			JoPath		at = {&list, child->string, index++};
			const cJSON *name = cJSON_GetObjectItemCaseSensitive(child, "name");

			if (cJSON_IsObject(inputs))
				add_input(visual, child->string, child, &at, keys[i].kind);
			else if (cJSON_IsString(name))
				add_input(visual, name->valuestring, child, &at, keys[i].kind);
			else
				jo_def_report(&visual->reader, "missing_name", &at, NULL, "the parameter has no \"name\"");
		}
	}
}
