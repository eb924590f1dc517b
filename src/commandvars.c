/*
 * commandvars.c
 *		The environment of a command: nothing of the server's but what is said here.
 *
 * A few fixed variables, those of the server that the step asks for and an administrator
 * allows, and the step's own, in which alone secrets may stand.  Reads settings, the run document and
 * this process's environment.
 */
#include "joborch.h"

#include <ctype.h>

#include "command.h"
#include "errors.h"
#include "guc.h"
#include "jsonbuild.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "steptypes.h"
#include "utils/varlena.h"

#define OWN_PREFIX "JOBORCH_"

typedef struct Variables
{
	JoTry	   *try;
	int			n;
	int			capacity;
	char	  **list;			/* name=value; ends with NULL */
} Variables;

/* ---- lists in settings ---- */

bool
jo_command_is_listed(const char *setting, const char *list, const char *word)
{
	char	   *copy = pstrdup(list != NULL ? list : "");
	List	   *words;
	ListCell   *cell;

	if (!SplitGUCList(copy, ',', &words))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("setting %s is not a list", setting),
				 errdetail("It is: %s", list),
				 errhint("Separate its words by commas; put those with blanks into double quotes.")));
	foreach(cell, words)
		if (strcmp(lfirst(cell), word) == 0)
			return true;
	return false;
}

static bool
has_prefix(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* ---- the list ---- */

static char **
find_variable(char **list, const char *name)
{
	size_t		length = strlen(name);

	for (; *list != NULL; list++)
		if (strncmp(*list, name, length) == 0 && (*list)[length] == '=')
			break;
	return list;
}

const char *
jo_command_variable(char **variables, const char *name)
{
	char	  **found = find_variable(variables, name);

	return *found != NULL ? *found + strlen(name) + 1 : NULL;
}

static void
set_variable(Variables *variables, const char *name, const char *value)
{
	char	  **found = find_variable(variables->list, name);

	if (*found == NULL && ++variables->n >= variables->capacity)
	{
		variables->capacity *= 2;
		variables->list = repalloc(variables->list, variables->capacity * sizeof(char *));
		found = &variables->list[variables->n - 1];
	}
	*found = psprintf("%s=%s", name, value);
	variables->list[variables->n] = NULL;
}

/* ---- what is in it ---- */

static void
set_fixed(Variables *variables)
{
	JoTry	   *try = variables->try;

	set_variable(variables, "PATH", "/usr/local/bin:/usr/bin:/bin");
	set_variable(variables, "LANG", "C.UTF-8");
	set_variable(variables, OWN_PREFIX "RUN_ID", psprintf(INT64_FORMAT, try->run_id));
	set_variable(variables, OWN_PREFIX "STEP", jo_step_name(try));
	set_variable(variables, OWN_PREFIX "ATTEMPT", psprintf("%d", try->attempt));
	set_variable(variables, OWN_PREFIX "IDEMPOTENCY_KEY", jo_step_idempotency_key(try));
}

/* Not even an administrator lets out what leads to the server or changes what is loaded. */
static bool
is_never_inherited(const char *name)
{
	return has_prefix(name, "PG") || has_prefix(name, "LD_") || has_prefix(name, OWN_PREFIX);
}

static void
inherit(Variables *variables)
{
	List	   *names = jo_command_texts(variables->try, "inherit_env");
	ListCell   *cell;

	foreach(cell, names)
	{
		const char *name = lfirst(cell);
		const char *value = getenv(name);

		if (is_never_inherited(name) ||
			!jo_command_is_listed("joborch.command_environment", jo_guc_command_environment, name))
			ereport(ERROR,
					(errcode(ERRCODE_JO_SWITCHED_OFF),
					 errmsg("%s may not inherit the variable \"%s\" of the server",
							jo_document_place(variables->try->document), name),
					 is_never_inherited(name) ?
					 errdetail("No variable of that name is ever handed on.") :
					 errdetail("It is not in joborch.command_environment."),
					 errhint("Give it a value in \"env\"%s.",
							 is_never_inherited(name) ? "" : ", or let an administrator add it to the setting")));
		if (value != NULL)
			set_variable(variables, name, value);
	}
}

/* What shells and the C library take for a name; and nothing that would load code into the program. */
static void
check_name(const JoTry *try, const char *name)
{
	const char *p = name;

	while (*p == '_' || isalnum((unsigned char) *p))
		p++;
	if (*name == '\0' || *p != '\0' || isdigit((unsigned char) *name))
		jo_command_refuse(try, "env", psprintf("has the name \"%s\"", name),
						  "A name has letters, digits and underscores, and begins with no digit.");
	if (has_prefix(name, "LD_") || has_prefix(name, OWN_PREFIX))
		jo_command_refuse(try, "env", psprintf("has the name \"%s\"", name),
						  "Names that begin with LD_ or " OWN_PREFIX " cannot be set.");
}

/* Variables that interpreters run as code, or in which they look for it. */
static bool
is_code(const char *name)
{
	static const char *const names[] = {
		"PATH", "ENV", "BASH_ENV", "PS4", "SHELLOPTS", "PROMPT_COMMAND", "ZDOTDIR", "NODE_OPTIONS", "NODE_PATH",
		"JAVA_TOOL_OPTIONS", "PAGER", "EDITOR", "VISUAL", "GCONV_PATH"
	};
	static const char *const prefixes[] = {"PERL", "PYTHON", "RUBY", "LUA_", "GIT_", "PHP"};

	for (size_t i = 0; i < lengthof(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	for (size_t i = 0; i < lengthof(prefixes); i++)
		if (has_prefix(name, prefixes[i]))
			return true;
	return false;
}

/* What templates bring is data: not in these variables, which a template that is the whole object could name. */
static void
refuse_code(const JoTry *try, const char *name)
{
	const JoValue *env = jo_command_find(try, "env");
	bool		fixed = jo_command_is_fixed(env);

	if (!is_code(name))
		return;
	for (int i = 0; env->kind == JO_VALUE_OBJECT && i < env->n; i++)
		if (strcmp(env->keys[i], name) == 0)
			fixed = jo_command_is_fixed(&env->values[i]);
	if (!fixed)
		jo_command_refuse(try, "env", psprintf("has a template in \"%s\", which decides what code is run", name),
						  "Write its value into the definition, and hand other values over in variables of your own.");
}

static void
set_own(Variables *variables, Jsonb *env)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;
	char	   *name = NULL;

	if (!JB_ROOT_IS_OBJECT(env))
		jo_command_refuse(variables->try, "env", "is no object", "Write {\"NAME\": \"value\"}.");
	iterator = JsonbIteratorInit(&env->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
		{
			name = pnstrdup(value.val.string.val, value.val.string.len);
			check_name(variables->try, name);
			refuse_code(variables->try, name);
		}
		else if (token == WJB_VALUE && value.type != jbvNull)
			set_variable(variables, name, jo_jsonb_text(jo_jsonb_from_value(&value)));
	}
}

char **
jo_command_environment(JoTry *try, JoSecretList *secrets)
{
	Variables	variables = {.try = try,.capacity = 16};
	Jsonb	   *env;

	variables.list = palloc0(variables.capacity * sizeof(char *));
	set_fixed(&variables);
	inherit(&variables);
	jo_document_allow_secrets(try->document, GetUserId(), secrets);
	env = jo_command_get(try, "env");
	jo_document_allow_secrets(try->document, InvalidOid, NULL);
	if (env != NULL)
		set_own(&variables, env);
	return variables.list;
}
