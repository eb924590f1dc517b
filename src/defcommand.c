/*
 * defcommand.c
 *		Keys of command and script steps.
 *
 * A leaf.  What an interpreter reads as a program has no templates: a value that
 * somebody sends must never be code.  It goes in as an argument or by the environment.
 */
#include "defoutside.h"

#include <string.h>

/* ---- literal values ---- */

static void
check_arguments(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const cJSON *child;
	int			index = 0;

	if (jo_def_is_template(json))
		return;
	if (!cJSON_IsArray(json))
	{
		jo_def_report(reader, "schema_error", path, "Write each argument as an element: [\"-n\", \"{{ input.n }}\"].",
					  "an array was expected, not %s", jo_def_describe_type(json));
		return;
	}
	cJSON_ArrayForEach(child, json)
	{
		JoPath		at = {path, NULL, index++};

		jo_def_check_scalar(reader, child, &at);
	}
}

/* A program, or an array of one and its first arguments. */
static void
check_program(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	if (!cJSON_IsArray(json))
		jo_def_check_text(reader, json, path);
	else if (!cJSON_IsString(json->child) || *json->child->valuestring == '\0')
		jo_def_report(reader, "invalid_value", path, "Write [\"program\", \"argument\"].",
					  "the first element, a text, is the program");
	else
		check_arguments(reader, json, path);
}

static bool
is_variable(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";

	return *name != '\0' && !(*name >= '0' && *name <= '9') && strspn(name, letters) == strlen(name);
}

static void
check_variable(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	if (!is_variable(path->key))
		jo_def_report(reader, "invalid_name", path, NULL, "\"%s\" is no name of a variable", jo_words_show(path->key));
	/* of other values the variable is their JSON text */
	jo_def_check_any(reader, json, path);
}

static void
check_environment(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	jo_def_check_members(reader, json, path, check_variable);
}

static void
check_inherited(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const char *name = jo_def_string(reader, json, path);

	if (name != NULL && !jo_def_is_template(json) && !is_variable(name))
		jo_def_report(reader, "invalid_name", path, NULL, "\"%s\" is no name of a variable", jo_words_show(name));
}

static void
check_inherited_list(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	jo_def_check_list(reader, json, path, check_inherited);
}

static void
check_directory(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const char *name = jo_def_string(reader, json, path);

	if (name != NULL && !jo_def_is_template(json) && *name != '/')
		jo_def_report(reader, "invalid_value", path, NULL, "\"%s\" is no absolute path", jo_words_show(name));
}

static void
check_exit(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	int			code;

	if (!jo_def_is_template(json))
		jo_def_integer(reader, json, path, 0, 255, &code);
}

static void
check_exits(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	jo_def_check_list(reader, json, path, check_exit);
}

static void
check_shell(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	bool		value;

	jo_def_bool(reader, json, path, &value);
}

/* ---- tables ---- */

#define PROCESS_KEYS \
	{"args", NULL, check_arguments, 0}, \
	{"arguments", "args", check_arguments, 0}, \
	{"env", NULL, check_environment, JO_PARAM_SECRET}, \
	{"environment", "env", check_environment, JO_PARAM_SECRET}, \
	{"inherit_env", NULL, check_inherited_list, 0}, \
	{"cwd", NULL, check_directory, 0}, \
	{"working_directory", "cwd", check_directory, 0}, \
	{"stdin", NULL, jo_def_check_any, 0}, \
	{"expected_exit", NULL, check_exits, 0}, \
	{"max_output", NULL, jo_def_check_size, 0}, \
	{"stdout_json", NULL, jo_def_check_flag, 0}, \
	{"connection", NULL, jo_def_check_any, JO_PARAM_APART}, \
	{"connection_type", NULL, jo_def_check_any, JO_PARAM_APART}, \
	{"connection_method", NULL, jo_def_check_any, JO_PARAM_APART}

const JoOutsideKey jo_def_command_keys[] = {
	{"command", NULL, check_program, JO_PARAM_REQUIRED | JO_PARAM_APART},
	{"shell", NULL, check_shell, JO_PARAM_FIXED},
	PROCESS_KEYS,
	{NULL, NULL, NULL, 0}
};

const JoOutsideKey jo_def_script_keys[] = {
	{"script", NULL, jo_def_check_text, JO_PARAM_REQUIRED | JO_PARAM_APART},
	{"interpreter", NULL, check_program, JO_PARAM_FIXED},
	PROCESS_KEYS,
	{NULL, NULL, NULL, 0}
};

/* ---- programs ---- */

/* A program's text, one string or an array of lines, as one parameter. */
static void
read_code(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step, const char *name)
{
	int			errors_before = reader->findings->nerrors;
	StringInfoData value;
	char	   *text;

	if (!jo_def_lines(reader, json, path, &text))
		return;
	if (text[strspn(text, " \t\r\n")] == '\0')
		jo_def_report(reader, "invalid_value", path, NULL, "the %s is empty", name);
	jo_def_refuse_templates(reader, json, path, psprintf(
		"a %s that an interpreter reads: give values by \"args\" or \"env\"", name));
	if (reader->findings->nerrors > errors_before)
		return;
	initStringInfo(&value);
	jo_json_append_string(&value, text);
	jo_def_add_parameter(step, name, value.data);
}

/* ["ls", "-l"] of "ls -l", for a hint; NULL when quotes and the like mean more than that. */
static char *
split_words(const char *text)
{
	StringInfoData words;

	if (strpbrk(text, "\"'\\$`|&;<>()*?[]#~{}!\n\r\t") != NULL || strlen(text) > 200)
		return NULL;
	initStringInfo(&words);
	while (*(text += strspn(text, " ")) != '\0')
	{
		size_t		length = strcspn(text, " ");

		if (words.len > 0)
			appendStringInfoString(&words, ", ");
		jo_json_append_string(&words, pnstrdup(text, length));
		text += length;
	}
	return words.data;
}

/* The program itself is literal, and a text is its name alone, since no shell takes it apart. */
static bool
check_literal(JoDefReader *reader, const cJSON *json, const JoPath *path)
{
	const cJSON *program = cJSON_IsArray(json) ? json->child : json;
	const char *text = program->valuestring;
	char	   *words;

	if (cJSON_IsArray(json) || strpbrk(text, " \t\r\n") == NULL)
	{
		if (!jo_def_is_template(program))
			return true;
		jo_def_report(reader, "invalid_template", path, "Write the program; its arguments can be templates.",
					  "a template cannot say which program is started");
		return false;
	}
	words = split_words(text);
	jo_def_report(reader, "invalid_value", path,
				  words ? psprintf("Write \"command\": [%s], or add \"shell\": true.", words) :
				  "Write the program and each argument as elements of an array, or add \"shell\": true.",
				  "the text \"%s\" is no name of a program, and no shell takes it apart", jo_words_show(text));
	return false;
}

void
jo_def_read_command(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	const cJSON *command;
	JoPath		at;
	int			errors_before;

	if (!jo_def_read_parameters(reader, json, path, step, JO_OUTSIDE_COMMAND, jo_def_command_keys) ||
		(command = jo_def_get(json, path, "command", &at)) == NULL)
		return;
	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "shell")))
	{
		if (cJSON_IsString(command))
			read_code(reader, command, &at, step, "command");
		else
			jo_def_report(reader, "schema_error", &at, "Leave out \"shell\" to start a program without a shell.",
						  "what a shell reads is a string, not %s", jo_def_describe_type(command));
		return;
	}
	errors_before = reader->findings->nerrors;
	check_program(reader, command, &at);
	if (reader->findings->nerrors == errors_before && check_literal(reader, command, &at))
		jo_def_read_parameter(reader, command, &at, step, "command", 0);
}

void
jo_def_read_script(JoDefReader *reader, const cJSON *json, const JoPath *path, JoStepDef *step)
{
	const cJSON *script;
	JoPath		at;

	if (jo_def_read_parameters(reader, json, path, step, JO_OUTSIDE_SCRIPT, jo_def_script_keys) &&
		(script = jo_def_get(json, path, "script", &at)) != NULL)
		read_code(reader, script, &at, step, "script");
}
