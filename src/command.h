/*
 * command.h
 *		What a command or script step asks for, as a program that can be run.
 */
#ifndef JO_COMMAND_H
#define JO_COMMAND_H

#include "nodes/pg_list.h"
#include "process.h"
#include "secret.h"
#include "steptry.h"

#define JO_MAX_EXPECTED 256		/* exit codes */

typedef struct JoCommand
{
	JoProcessSpec spec;
	bool		expected[JO_MAX_EXPECTED];	/* exit codes that are a success */
	bool		parse_json;		/* "stdout_json" */
	JoSecretList secrets;		/* that its environment was given */
} JoCommand;

/*
 * May programs be run on this server, and by the current role?  Raises
 * ERRCODE_JO_SWITCHED_OFF, ERRCODE_INSUFFICIENT_PRIVILEGE.  Needs a transaction.
 */
extern void jo_command_check_rights(void);

/*
 * Reads the step's keys with their templates filled in, and checks every value; *command is
 * all zero before, and its secrets are to be forgotten whatever happens.  Raises
 * ERRCODE_JO_REQUEST, and ERRCODE_JO_COMMAND when there is no such program.  Needs a
 * transaction; all is allocated in the current context.
 */
extern void jo_command_read(JoTry *try, JoCommand *command);

/* commandvars.c: the variables that it gets, for JoProcessSpec.envp. */
extern char **jo_command_environment(JoTry *try, JoSecretList *secrets);

/* Its value in such variables, NULL: it is not there. */
extern const char *jo_command_variable(char **variables, const char *name);

/* Is a word in a setting that is a list, separated by commas?  Raises when it cannot be read. */
extern bool jo_command_is_listed(const char *setting, const char *list, const char *word);

/* ---- commandkeys.c: the keys of a step, filled in ---- */

/* As it is written; NULL: the step has no such key. */
extern const JoValue *jo_command_find(const JoTry *try, const char *key);

/* NULL: not given, or null. */
extern Jsonb *jo_command_get(JoTry *try, const char *key);

/* What is no text as JSON; NULL: not given. */
extern char *jo_command_text(JoTry *try, const char *key);
extern bool jo_command_flag(JoTry *try, const char *key);

/* Texts of an array, or of one value; raises for null in it. */
extern List *jo_command_texts(JoTry *try, const char *key);

/* Is it written without a template? */
extern bool jo_command_is_fixed(const JoValue *value);

extern void jo_command_refuse(const JoTry *try, const char *key, const char *problem,
							  const char *hint) pg_attribute_noreturn();

#endif
