/*
 * commandspec.c
 *		From a command or script step to a program with its arguments.
 *
 * There is no shell unless the step says so.  What templates bring is one argument each,
 * or a variable, and never code: neither the program, nor a shell's text, nor a script may hold
 * one.  Reads the run document, settings and the file system (where the program is).
 */
#include "joborch.h"

#include <sys/stat.h>
#include <unistd.h>

#include "catalog/pg_authid.h"
#include "command.h"
#include "errors.h"
#include "guc.h"
#include "jsonbuild.h"
#include "miscadmin.h"
#include "steptypes.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"

#define SHELL "/bin/sh"
#define SCRIPT_FILE "/dev/fd/3"	/* JoProcessSpec.script */
#define DEFAULT_MAX_OUTPUT (1024 * 1024)
#define DATA_HINT "Hand values over in \"args\" or \"env\": there they are data, whatever they contain."

/* ---- rights ---- */

void
jo_command_check_rights(void)
{
	if (!jo_guc_enable_commands)
		ereport(ERROR,
				(errcode(ERRCODE_JO_SWITCHED_OFF),
				 errmsg("commands are switched off on this server"),
				 errhint("An administrator may set joborch.enable_commands = on and restart the server.")));
	if (!has_privs_of_role(GetUserId(), ROLE_PG_EXECUTE_SERVER_PROGRAM))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" may not run programs on the server",
						GetUserNameFromId(GetUserId(), false)),
				 errdetail("Steps of type command and script run as the operating system's user of the server."),
				 errhint("GRANT pg_execute_server_program TO %s",
						 quote_identifier(GetUserNameFromId(GetUserId(), false)))));
}

/* ---- the program ---- */

static bool
is_executable(const char *path)
{
	struct stat info;

	return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

/* As a shell would find it, but in absolute directories only; NULL: nowhere. */
static char *
search_program(const char *name, const char *path)
{
	char	   *copy = pstrdup(path != NULL ? path : "");
	char	   *rest = copy;
	char	   *directory;

	while ((directory = strsep(&rest, ":")) != NULL)
	{
		char	   *candidate = psprintf("%s/%s", directory, name);

		if (directory[0] == '/' && is_executable(candidate))
			return candidate;
	}
	return NULL;
}

static void
check_allowed(const JoTry *try, const char *program)
{
	if (jo_guc_command_programs == NULL || jo_guc_command_programs[0] == '\0' ||
		jo_command_is_listed("joborch.command_programs", jo_guc_command_programs, program))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_JO_SWITCHED_OFF),
			 errmsg("program \"%s\" of %s is not allowed on this server", program,
					jo_document_place(try->document)),
			 errdetail("It is not in joborch.command_programs."),
			 errhint("An administrator may add its absolute path there.")));
}

/*
 * A path is taken as it is, and what is wrong with it is said by the system when it is
 * executed: from the step's directory, if it is relative.
 */
static const char *
find_program(const JoTry *try, const char *name, char **variables)
{
	const char *path = jo_command_variable(variables, "PATH");
	const char *program = name;

	if (name[0] == '\0')
		jo_command_refuse(try, "command", "names no program", NULL);
	if (strchr(name, '/') == NULL)
		program = search_program(name, path);
	if (program == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_JO_COMMAND),
				 errmsg("program \"%s\" of %s was not found", name, jo_document_place(try->document)),
				 errdetail("Its PATH is \"%s\".", path != NULL ? path : ""),
				 errhint("Write its absolute path, or set PATH in \"env\".")));
	check_allowed(try, program);
	return program;
}

/* ---- arguments ---- */

/* Programs for which the argument after such an option is code; the option's last letter, of a shell any. */
typedef struct Interpreter
{
	const char *name;			/* also with a version behind it */
	const char *letters;
	bool		shell;
} Interpreter;

static const Interpreter interpreters[] = {
	{"sh", "c", true}, {"bash", "c", true}, {"dash", "c", true}, {"ash", "c", true}, {"ksh", "c", true},
	{"mksh", "c", true}, {"zsh", "c", true}, {"fish", "c", true}, {"csh", "c", true}, {"tcsh", "c", true},
	{"python", "c", false}, {"psql", "c", false}, {"perl", "eE", false}, {"ruby", "e", false}, {"lua", "e", false},
	{"node", "ep", false}, {"nodejs", "ep", false}, {"php", "rBRE", false},
};

static const Interpreter *
find_interpreter(const char *program)
{
	const char *slash = strrchr(program, '/');
	const char *name = slash != NULL ? slash + 1 : program;

	for (size_t i = 0; i < lengthof(interpreters); i++)
	{
		size_t		length = strlen(interpreters[i].name);

		if (strncmp(name, interpreters[i].name, length) == 0 &&
			strspn(name + length, "0123456789.") == strlen(name + length))
			return &interpreters[i];
	}
	return NULL;
}

static bool
is_option(const char *text)
{
	return text[0] == '-' || text[0] == '+';
}

static bool
is_code_option(const Interpreter *interpreter, const char *option)
{
	size_t		length = strlen(option);

	if (length < 2 || option[0] != '-')
		return false;
	if (option[1] == '-')
		return strcmp(option, "--command") == 0 || strcmp(option, "--eval") == 0 || strcmp(option, "--print") == 0 ||
			strcmp(option, "--run") == 0;
	return interpreter->shell ? strpbrk(option, interpreter->letters) != NULL :
		strchr(interpreter->letters, option[length - 1]) != NULL;
}

/* The code itself: what follows, of a shell behind further options. */
static bool
has_template_as_code(const Interpreter *interpreter, const List *texts, const List *templates, int option)
{
	for (int i = option + 1; i < list_length(texts); i++)
	{
		if (list_nth_int(templates, i))
			return true;
		if (!interpreter->shell || !is_option(list_nth(texts, i)))
			break;
	}
	return false;
}

/* Which arguments are written with a template in them?  A list of booleans beside the texts. */
static List *
find_templates(const JoTry *try, const char *key, const List *texts)
{
	const JoValue *value = jo_command_find(try, key);
	List	   *marks = NIL;

	for (int i = 0; i < list_length(texts); i++)
	{
		const JoValue *element = value->kind == JO_VALUE_ARRAY ? &value->values[i] : value;

		marks = lappend_int(marks, !jo_command_is_fixed(element));
	}
	return marks;
}

/*
 * A template that is an interpreter's code would be run, whatever it contains; also where
 * another program (env, nice, timeout, xargs, ...) is to start the interpreter.
 */
static void
refuse_code(const JoTry *try, const List *texts, const List *templates)
{
	const Interpreter *interpreter = NULL;

	for (int i = 0; i + 1 < list_length(texts); i++)
	{
		const char *text = list_nth(texts, i);

		if (interpreter != NULL && is_code_option(interpreter, text) &&
			has_template_as_code(interpreter, texts, templates, i))
			jo_command_refuse(try, "command",
							  psprintf("has a template in the code that it gives to \"%s\"", interpreter->name),
							  DATA_HINT);
		if (!list_nth_int(templates, i) && find_interpreter(text) != NULL)
			interpreter = find_interpreter(text);
	}
}

static void
refuse_templates(const JoTry *try, const char *key, const char *what)
{
	const JoValue *value = jo_command_find(try, key);

	if (value != NULL && !jo_command_is_fixed(value))
		jo_command_refuse(try, key, psprintf("has a template in %s", what), DATA_HINT);
}

/* "command": "text" with "shell": true.  args are "$1" and so on. */
static List *
read_shell_line(JoTry *try)
{
	refuse_templates(try, "command", "the text for the shell");
	return lappend(list_make3(SHELL, "-c", jo_command_text(try, "command")), "sh");
}

/* The program, and the arguments that stand beside it. */
static List *
read_words(JoTry *try)
{
	const JoValue *command = jo_command_find(try, "command");
	const JoValue *program = command->kind == JO_VALUE_ARRAY ? &command->values[0] : command;
	List	   *texts;
	const char *first;

	if (!jo_command_is_fixed(program))
		jo_command_refuse(try, "command", "has a template in the program", DATA_HINT);
	texts = jo_command_texts(try, "command");
	if (texts == NIL)
		jo_command_refuse(try, "command", "is empty", NULL);
	first = linitial(texts);
	if (list_length(texts) == 1 && first[0] != '/' && strpbrk(first, " \t\n") != NULL)
		jo_command_refuse(try, "command", "is a text with blanks, which only a shell takes apart",
						  "Write an array, [\"program\", \"argument\", ...], or \"shell\": true.");
	return texts;
}

static List *
read_command(JoTry *try)
{
	List	   *args;
	List	   *texts;
	List	   *templates;

	if (jo_command_find(try, "command") == NULL)
		jo_command_refuse(try, "command", "is missing", "Write [\"program\", \"argument\", ...].");
	args = jo_command_texts(try, "args");
	if (jo_command_flag(try, "shell"))
		return list_concat(read_shell_line(try), args);
	texts = read_words(try);
	templates = find_templates(try, "command", texts);
	if (args != NIL)
		templates = list_concat(templates, find_templates(try, "args", args));
	texts = list_concat(texts, args);
	refuse_code(try, texts, templates);
	return texts;
}

/* ---- scripts ---- */

/* Interpreters that are told so read the script from their standard input, the others from a file. */
static bool
reads_input(const List *interpreter)
{
	const char *last = llast(interpreter);

	return list_length(interpreter) > 1 && (strcmp(last, "-") == 0 || strcmp(last, "-s") == 0);
}

static List *
read_script(JoTry *try, JoProcessSpec *spec)
{
	char	   *script;
	List	   *interpreter;

	refuse_templates(try, "script", "its text");
	refuse_templates(try, "interpreter", "the program");
	script = jo_command_text(try, "script");
	if (script == NULL)
		jo_command_refuse(try, "script", "is missing", NULL);
	interpreter = jo_command_texts(try, "interpreter");
	if (interpreter == NIL)
		interpreter = list_make1(SHELL);
	if (!reads_input(interpreter))
	{
		spec->script = script;
		interpreter = lappend(interpreter, SCRIPT_FILE);
	}
	else if (spec->input == NULL)
		spec->input = script;
	else
		jo_command_refuse(try, "stdin", "has no place: the interpreter reads the script from there",
						  "Leave out the \"-\" of the interpreter: then it reads the script from a file.");
	return list_concat(interpreter, jo_command_texts(try, "args"));
}

/* ---- the other keys ---- */

static size_t
read_max_output(JoTry *try)
{
	char	   *text = jo_command_text(try, "max_output");
	int			size;

	if (text == NULL)
		return DEFAULT_MAX_OUTPUT;
	if (!parse_int(text, &size, GUC_UNIT_BYTE, NULL) || size < 0)
		jo_command_refuse(try, "max_output", psprintf("is \"%s\"", text),
						  "Write a number of bytes, or a size such as \"64kB\" or \"10MB\".");
	/* more could not be handed on */
	return Min((size_t) size, (size_t) jo_guc_max_result * 1024);
}

static void
read_expected(JoTry *try, JoCommand *command)
{
	List	   *texts = jo_command_texts(try, "expected_exit");
	ListCell   *cell;

	command->expected[0] = texts == NIL;
	foreach(cell, texts)
	{
		int			code;

		if (!parse_int(lfirst(cell), &code, 0, NULL) || code < 0 || code >= JO_MAX_EXPECTED)
			jo_command_refuse(try, "expected_exit", psprintf("has \"%s\"", (char *) lfirst(cell)),
							  "Exit codes are numbers from 0 to 255.");
		command->expected[code] = true;
	}
}

static const char *
read_directory(JoTry *try)
{
	char	   *directory = jo_command_text(try, "cwd");

	if (directory == NULL)
		return "/";
	if (directory[0] != '/')
		jo_command_refuse(try, "cwd", psprintf("is \"%s\"", directory), "Write an absolute path.");
	return directory;
}

static char **
make_array(const List *texts)
{
	char	  **array = palloc((list_length(texts) + 1) * sizeof(char *));
	int			n = 0;
	ListCell   *cell;

	foreach(cell, texts)
		array[n++] = lfirst(cell);
	array[n] = NULL;
	return array;
}

void
jo_command_read(JoTry *try, JoCommand *command)
{
	JoProcessSpec *spec = &command->spec;
	List	   *argv;

	spec->input = jo_command_text(try, "stdin");
	spec->envp = jo_command_environment(try, &command->secrets);
	argv = try->step->outside->kind == JO_OUTSIDE_SCRIPT ? read_script(try, spec) : read_command(try);
	spec->program = find_program(try, linitial(argv), spec->envp);
	spec->argv = make_array(argv);
	spec->cwd = read_directory(try);
	spec->max_output = read_max_output(try);
	spec->timeout = try->step->timeout;
	spec->grace = jo_guc_command_grace;
	spec->max_memory = (int64) jo_guc_command_max_memory * 1024;
	spec->max_file_size = (int64) jo_guc_command_max_file_size * 1024;
	read_expected(try, command);
	command->parse_json = jo_command_flag(try, "stdout_json");
}
